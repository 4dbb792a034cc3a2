//! Trainings in MLflow: what a run is told of a card, and sending a version that is in the local registry already.
//!
//! The local registry comes first and does not depend on it: what could not be logged is said, and sent later by `push`.

use super::plots;
use crate::registry::mlflow::{ARTEFACT_TAG, Metric, Mlflow, MlflowError, Place, Receipts, Shipment, Tag, block_on};
use crate::registry::pictures::{self, FOLDER, Picture};
use crate::registry::{
    CARD_FILE, Card, MODEL_FILE, Metrics, Outcomes, Registry, RegistryError, Resolved, TrackError, Tracker,
    TrainingRecord,
};

/// Logs trainings to one server.
#[derive(Clone, Debug)]
pub struct MlflowLog {
    /// The server.
    pub mlflow: Mlflow,
    /// The experiment that runs belong to.
    pub experiment: String,
    /// The registry that the versions are in.
    pub registry: Registry,
}

/// Why a version was not sent.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// MLflow.
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
    /// The local registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What became of a push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pushed {
    /// Where the version is.
    pub place: Place,
    /// Whether it was there already, so that nothing was made.
    pub was_there: bool,
}

impl Tracker for MlflowLog {
    fn log_training(&self, record: &TrainingRecord) -> Result<String, TrackError> {
        let drawn = drawn(&record.name, record.version, &record.card, &record.outcomes);
        let shipment = shipment(
            &record.name,
            record.version,
            &record.card,
            record.card_text.clone(),
            record.artefact.clone(),
            drawn,
        );
        let sent = self.send(&shipment, &record.card, false);
        sent.map(|pushed| pushed.place.to_string()).map_err(|error| {
            let later = format!("`arena models push {}@{}` sends it later", record.name, record.version);
            TrackError(format!("{error}; it stands in the local registry, and {later}"))
        })
    }
}

impl MlflowLog {
    /// Sends a version of the local registry, unless a version with its artefact is there.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn push(&self, resolved: &Resolved) -> Result<Pushed, PushError> {
        // Nothing that was altered leaves the house.
        let artefact = self.registry.artefact(resolved)?;
        let card_text = self.registry.card_text(resolved)?;
        let drawn = pictures::kept(&resolved.folder)?;
        let shipment = shipment(&resolved.name, resolved.version, &resolved.card, card_text, artefact, drawn);
        self.send(&shipment, &resolved.card, true)
    }

    fn send(&self, shipment: &Shipment, card: &Card, is_repeat: bool) -> Result<Pushed, PushError> {
        let receipts = Receipts::of(&self.registry);
        let _in_turn = receipts.sending()?;
        let pushed = block_on(async {
            if is_repeat && let Some(place) = self.mlflow.shipped(&shipment.name, &shipment.artefact).await? {
                return Ok(Pushed { place, was_there: true });
            }
            let place = self.mlflow.ship(&self.experiment, shipment).await?;
            Ok::<_, MlflowError>(Pushed { place, was_there: false })
        })??;
        receipts.note(card.artefact, &pushed.place)?;
        Ok(pushed)
    }
}

/// Draws a version's pictures.
#[must_use]
pub fn drawn(name: &str, version: u32, card: &Card, outcomes: &[Outcomes]) -> Vec<Picture> {
    let mut files = Vec::new();
    for part in outcomes {
        let title = format!("{name}@{version} ({}), {} rows", card.kind, part.split);
        let predicted = plots::predicted_against_actual(&title, &part.y_pred, &part.y_true);
        files.push((format!("predicted_{}.svg", part.split), predicted.into_bytes()));
        let residuals = plots::residuals(&title, &part.y_pred, &part.y_true);
        files.push((format!("residuals_{}.svg", part.split), residuals.into_bytes()));
        let quantiles = card.distances.as_ref().map_or(&[][..], |distances| &distances.quantiles);
        if let Some(distances) = plots::distances(&title, &part.distances, quantiles) {
            files.push((format!("distances_{}.svg", part.split), distances.into_bytes()));
        }
    }
    files
}

fn shipment(
    name: &str,
    version: u32,
    card: &Card,
    card_text: String,
    artefact: Vec<u8>,
    drawn: Vec<Picture>,
) -> Shipment {
    let begun_ms = card.made.at.0.div_euclid(1_000);
    #[expect(clippy::cast_possible_truncation, reason = "a training takes less than an age")]
    let took_ms = (card.made.seconds.clamp(0.0, 1e9) * 1e3) as i64;
    Shipment {
        name: name.to_owned(),
        run_name: format!("{name}@{version}"),
        artefact: card.artefact.hex(),
        parameters: parameters(card),
        metrics: metrics(card),
        tags: tags(name, version, card),
        model: vec![(CARD_FILE.to_owned(), card_text.into_bytes()), (MODEL_FILE.to_owned(), artefact)],
        plots: drawn.into_iter().map(|(file, bytes)| (format!("{FOLDER}/{file}"), bytes)).collect(),
        description: described(name, version, card),
        begun_ms,
        ended_ms: begun_ms + took_ms,
    }
}

fn described(name: &str, version: u32, card: &Card) -> String {
    let origin = match (&card.data, &card.import) {
        (Some(data), _) => format!("trained on {}", data.dataset),
        (None, Some(import)) => format!("imported from {}", import.from),
        (None, None) => "of unknown origin".to_owned(),
    };
    format!(
        "{}, {origin}, {} bars of {} ahead; {name}@{version} of a local registry",
        card.kind, card.horizon_bars, card.bar
    )
}

fn parameters(card: &Card) -> Vec<(String, String)> {
    let joined = |values: &[u32]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
    let mut list = vec![
        ("kind".to_owned(), card.kind.clone()),
        ("bar".to_owned(), card.bar.to_string()),
        ("horizon_bars".to_owned(), card.horizon_bars.to_string()),
        ("seed".to_owned(), card.seed.to_string()),
        ("symbol".to_owned(), card.symbol.clone()),
        ("features.lags".to_owned(), card.features.lags.to_string()),
        ("features.returns".to_owned(), joined(&card.features.returns)),
        ("features.volatility".to_owned(), joined(&card.features.volatility)),
        ("features.spread".to_owned(), card.features.spread.to_string()),
        ("features.hour".to_owned(), card.features.hour.to_string()),
    ];
    list.extend(card.parameters.iter().map(|(key, value)| {
        // Text without the quotes that TOML puts around it.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (format!("set.{key}"), text)
    }));
    if let Some(data) = &card.data {
        let splits = &card.splits;
        list.extend([
            ("dataset".to_owned(), data.dataset.clone()),
            ("reset_after".to_owned(), data.reset_after.to_string()),
            ("embargo_bars".to_owned(), splits.embargo_bars.to_string()),
            ("trading.threshold".to_owned(), card.trading.threshold.to_string()),
            ("trading.stop".to_owned(), card.trading.stop.to_string()),
            ("trading.limit".to_owned(), card.trading.limit.to_string()),
            ("trading.hold".to_owned(), card.trading.hold.to_string()),
            ("trading.slippage".to_owned(), card.trading.slippage.to_string()),
        ]);
        if let Some(most) = card.trading.max_distance {
            list.push(("trading.max_distance".to_owned(), most.to_string()));
        }
        for (part, range) in [("train", splits.train), ("validation", splits.validation), ("test", splits.test)] {
            list.push((format!("{part}.from"), range.from.to_string()));
            list.push((format!("{part}.to"), range.to.to_string()));
        }
    }
    list
}

fn metrics(card: &Card) -> Vec<Metric> {
    let mut list = Vec::new();
    let mut put = |key: String, value: Option<f64>, step: i64| {
        // What is undefined is left out, as it is on the card.
        list.extend(value.map(|value| Metric { key, value, step }));
    };
    put("seconds".to_owned(), Some(card.made.seconds), 0);
    if card.data.is_some() {
        let scores = &card.metrics;
        let parts: [(&str, &Metrics); 3] =
            [("train", &scores.train), ("validation", &scores.validation), ("test", &scores.test)];
        for (part, of) in parts {
            for (name, value) in [
                ("rows", Some(of.rows as f64)),
                ("mae", Some(of.mae)),
                ("rmse", Some(of.rmse)),
                ("r2", of.r2),
                ("hit_rate", of.hit_rate),
                ("up_share", Some(of.up_share)),
                ("abstained", Some(of.abstained)),
                ("trades", Some(of.trades as f64)),
                ("expectancy_r", of.expectancy_r),
                ("win_rate", of.win_rate),
                ("random.hit_rate", of.random.hit_rate),
                ("random.expectancy_r", of.random.expectancy_r),
                ("random.expectancy_r_sd", of.random.expectancy_r_sd),
                ("flat.mae", of.flat.mae),
                ("flat.rmse", of.flat.rmse),
            ] {
                put(format!("{part}.{name}"), value, 0);
            }
        }
    }
    for (step, fold) in (0..).zip(&card.folds) {
        for (name, value) in [
            ("mae", Some(fold.mae)),
            ("rmse", Some(fold.rmse)),
            ("r2", fold.r2),
            ("hit_rate", fold.hit_rate),
            ("expectancy_r", fold.expectancy_r),
        ] {
            put(format!("fold.{name}"), value, step);
        }
    }
    list
}

fn tags(name: &str, version: u32, card: &Card) -> Vec<Tag> {
    let mut tags = vec![
        Tag::new(ARTEFACT_TAG, card.artefact.hex()),
        Tag::new("arena.identity", card.identity.hex()),
        Tag::new("arena.model", format!("{name}@{version}")),
        Tag::new("arena.kind", &card.kind),
        Tag::new("arena.version", &card.made.version),
        Tag::new("arena.command", &card.made.command),
        Tag::new("mlflow.source.name", "arena train"),
        Tag::new("mlflow.note.content", described(name, version, card)),
    ];
    if let Some(commit) = &card.made.commit {
        tags.push(Tag::new("arena.commit", commit));
        tags.push(Tag::new("mlflow.source.git.commit", commit));
    }
    if let Some(data) = &card.data {
        tags.push(Tag::new("arena.dataset", &data.dataset));
        tags.push(Tag::new("arena.dataset.hash", data.hash.hex()));
        tags.push(Tag::new("arena.dataset.file", &data.manifest.sha256));
    }
    if let Some(import) = &card.import {
        tags.push(Tag::new("arena.import", &import.from));
        tags.push(Tag::new("arena.import.file", import.file.hex()));
    }
    tags
}
