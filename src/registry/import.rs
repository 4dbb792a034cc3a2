//! Models that were made elsewhere: a file in the ONNX format and a note on how the arena is to use it.
//!
//! A file of weights does not say what its columns are, nor how far ahead it looks. The note does, and brings rows with
//! the values that the model gave where it was made. It is TOML, and is found in the model's own metadata under
//! [`NOTE_KEY`], as a file [`NOTE_FILE`] beside it, or comes from the command line.
//!
//! ```toml
//! bar = "1m"
//! horizon = 3
//! features = { lags = 8 }
//! symbol = "CL=F"
//! probes = [{ row = [0.001, …], y = 1.00012 }, …]
//! ```

use serde::Deserialize;

use super::card::Card;
use super::{Distances, Import, Made, RowCounts, Scores, Splits, Trading, hash_of};
use crate::domain::Resolution;
use crate::models::features::FeatureSpec;
use crate::models::fitted::onnx::{self, Probes};
use crate::models::fitted::{FEATURES_MAX, Fitted, Kind, Onnx, OnnxError};

/// The key of a model's own metadata that holds a note.
pub const NOTE_KEY: &str = "arena";
/// A note as a file beside a model.
pub const NOTE_FILE: &str = "arena.toml";
/// The longest horizon, in bars.
const HORIZON_MAX: u32 = 100_000;

/// How the arena is to use a model that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The columns of a row.
    pub features: FeatureSpec,
    /// The length of the bars that it reads.
    bar: String,
    /// How many bars ahead it predicts.
    pub horizon: u32,
    /// The market that it was made for.
    #[serde(default)]
    pub symbol: String,
    /// The largest difference to a probe that is taken.
    #[serde(default = "tolerance")]
    pub tolerance: f64,
    /// Rows, and what the model gave for them where it was made.
    pub probes: Vec<Probe>,
}

/// One row with its value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The row.
    pub row: Vec<f64>,
    /// The ratio that the model gave.
    pub y: f64,
}

fn tolerance() -> f64 {
    onnx::TOLERANCE
}

/// Why a model cannot be imported.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// Nobody says what its columns are.
    #[error(
        "{from} does not say how the arena is to use it: want a note (bar, horizon, features, probes) in its metadata \
         under `{NOTE_KEY}` or in a file {NOTE_FILE} beside it, or the options of `arena models import`"
    )]
    NoNote {
        /// The model.
        from: String,
    },
    /// The note is wrong.
    #[error("the note of {from}: {why}")]
    Note {
        /// The model.
        from: String,
        /// What is wrong.
        why: String,
    },
    /// The model is wrong, or cannot be run here.
    #[error("{from}: {source}")]
    Onnx {
        /// The model.
        from: String,
        /// Why.
        source: OnnxError,
    },
}

impl Note {
    /// From what the command line says.
    #[must_use]
    pub fn new(features: FeatureSpec, bar: Resolution, horizon: u32, symbol: String, probes: Vec<Probe>) -> Self {
        Self { features, bar: bar.to_string(), horizon, symbol, tolerance: tolerance(), probes }
    }

    /// Reads a note that belongs to the model `from`.
    ///
    /// # Errors
    /// [`ImportError::Note`].
    pub fn parse(text: &str, from: &str) -> Result<Self, ImportError> {
        let wrong = |why: String| ImportError::Note { from: from.to_owned(), why };
        let note: Self = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        note.bar().map_err(|error| wrong(format!("bar is {:?}: {error}", note.bar)))?;
        if !(1..=HORIZON_MAX).contains(&note.horizon) {
            return Err(wrong(format!("horizon is {}, want 1 to {HORIZON_MAX} bars", note.horizon)));
        }
        match note.features.width() {
            0 => Err(wrong("there is no feature, want lags = N at the least".to_owned())),
            width if width > FEATURES_MAX => Err(wrong(format!("{width} columns, want at most {FEATURES_MAX}"))),
            _ => Ok(note),
        }
    }

    fn bar(&self) -> Result<Resolution, crate::domain::TimeError> {
        self.bar.parse()
    }
}

/// The note that the model itself carries.
///
/// # Errors
/// [`ImportError`]; also where it carries none.
pub fn note_within(file: &[u8], from: &str) -> Result<Note, ImportError> {
    let found = onnx::metadata(file, NOTE_KEY).map_err(|source| ImportError::Onnx { from: from.to_owned(), source })?;
    Note::parse(&found.ok_or_else(|| ImportError::NoNote { from: from.to_owned() })?, from)
}

/// The card and the artefact of the model in `file`, after it has reproduced its probes.
///
/// # Errors
/// [`ImportError`].
pub fn import(name: &str, from: &str, file: Vec<u8>, note: &Note, made: Made) -> Result<(Card, Vec<u8>), ImportError> {
    let failed = |source| ImportError::Onnx { from: from.to_owned(), source };
    let wrong = |why: String| ImportError::Note { from: from.to_owned(), why };
    let rows: Vec<(Vec<f64>, f64)> = note.probes.iter().map(|probe| (probe.row.clone(), probe.y)).collect();
    let probes = Probes::new(&rows, note.tolerance).map_err(failed)?;
    if probes.width() != note.features.width() {
        let why = format!("a probe has {} columns, the features have {}", probes.width(), note.features.width());
        return Err(wrong(why));
    }
    let import = Import {
        from: from.to_owned(),
        file: hash_of(&file),
        probes: probes.count() as u64,
        tolerance: probes.tolerance(),
    };
    let artefact = Fitted::Onnx(Onnx::new(file, probes).map_err(failed)?).to_bytes();
    let hash = hash_of(&artefact);
    let mut card = Card {
        format: Card::FORMAT,
        name: name.to_owned(),
        kind: Kind::Onnx.name().to_owned(),
        artefact: hash,
        identity: hash,
        symbol: note.symbol.clone(),
        bar: note.bar().map_err(|error| wrong(error.to_string()))?,
        horizon_bars: note.horizon,
        seed: 0,
        features: note.features.clone(),
        parameters: toml::Table::new(),
        data: None,
        import: Some(import),
        rows: RowCounts::default(),
        splits: Splits::default(),
        folds: Vec::new(),
        trading: Trading::default(),
        metrics: Scores::default(),
        distances: None::<Distances>,
        made,
    };
    card.identity = card.identity_of();
    Ok((card, artefact))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "bar = \"1m\"\nhorizon = 3\nfeatures = { lags = 2 }\nprobes = [{ row = [0.1, 0.2], y = 1.0 }]\n";

    #[test]
    fn a_note_says_what_the_columns_are_and_how_far_it_looks() {
        let note = Note::parse(GOOD, "m.onnx").unwrap();
        assert_eq!((note.features.lags, note.horizon, note.probes.len()), (2, 3, 1));
        for (from, to, part) in [
            ("\"1m\"", "\"soon\"", "bar is \"soon\""),
            ("horizon = 3", "horizon = 0", "horizon is 0"),
            ("lags = 2", "lags = 0", "no feature"),
            ("lags = 2", "lags = 5000", "5000 columns"),
            ("lags = 2", "lgas = 2", "lgas"),
            ("probes = ", "probe = ", "probe"),
            ("bar = ", "bar ", "expected"),
        ] {
            let said = Note::parse(&GOOD.replace(from, to), "m.onnx").unwrap_err().to_string();
            assert!(said.contains("m.onnx") && said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_model_without_probes_or_with_probes_of_another_width_is_refused() {
        let made = || Made {
            at: crate::domain::UtcMicros(0),
            seconds: 0.0,
            version: String::new(),
            commit: None,
            command: String::new(),
        };
        for (text, part) in [
            (GOOD.replace("[{ row = [0.1, 0.2], y = 1.0 }]", "[]"), "0 probe rows"),
            (GOOD.replace("lags = 2", "lags = 3"), "a probe has 2 columns, the features have 3"),
        ] {
            let note = Note::parse(&text, "m.onnx").unwrap();
            let said = import("m", "m.onnx", Vec::new(), &note, made()).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        }
    }
}
