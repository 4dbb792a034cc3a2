//! From what a configuration names to what runs: versions of the registry, strategies of the user's own, bars of the past.
//!
//! The [`Shelf`] looks up for `config` and builds for `app`: what was proven to be whole when the configuration was read
//! is what predicts, whatever happens in the registry afterwards.

mod program;
mod warmup;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::warmup::{WarmupError, warmups};
use crate::config::{Places, Program, Resolver, TrainedVersion, not_in_registry};
use crate::domain::{Candidate, ContentHash, DataOrigin, ModelSpec, Resolution};
use crate::history;
use crate::models::features::FeatureSpec;
use crate::models::fitted::{Fitted, Kind};
use crate::models::{self, Absent, Estimator, ModelFactory, Predictor, Trained};
use crate::process::{Process, Strategy};
use crate::registry::mlflow::{self, MlflowReference};
use crate::registry::{CARD_FILE, Card, Origin, Registry, RegistryError, Resolved};

/// What makes an estimator: the artefact, and what its rows are made of.
type Key = (ContentHash, String);

/// The artefacts that were looked up, ready to predict.
#[derive(Debug, Default)]
pub struct Shelf {
    held: Mutex<BTreeMap<Key, Arc<Estimator>>>,
}

impl Shelf {
    /// An empty one.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Estimator>>> {
        // An entry is put in as a whole or not at all.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an artefact up, and says how its rows are called in canonical text.
    ///
    /// # Errors
    /// Where artefact and features do not fit one another.
    pub fn put(&self, artefact: ContentHash, fitted: Fitted, features: &FeatureSpec) -> Result<String, String> {
        let (wide, width) = (fitted.n_features(), features.width());
        if wide != width {
            return Err(format!("an artefact for rows of {wide} columns, where the card's have {width}"));
        }
        let text = serde_json::to_string(features).map_err(|error| error.to_string())?;
        let make = || Arc::new(Estimator::new(features.clone(), Box::new(move |row| fitted.predict(row))));
        self.held().entry((artefact, text.clone())).or_insert_with(make);
        Ok(text)
    }

    /// Makes the models of a configuration in the folder `dir` whose versions were looked up here. A live run holds
    /// strategies to their deadline; a replay waits for them.
    #[must_use]
    pub fn factory(self: &Arc<Self>, dir: &Path, epics: Vec<String>, is_live: bool) -> Arc<ModelFactory> {
        let (shelf, dir) = (Arc::clone(self), dir.to_owned());
        Arc::new(move |candidate| shelf.build(candidate, &dir, &epics, is_live))
    }

    fn build(&self, candidate: &Candidate, dir: &Path, epics: &[String], is_live: bool) -> Predictor {
        match &candidate.spec {
            ModelSpec::Trained { artefact, features, threshold, max_distance, .. } => {
                match self.held().get(&(*artefact, features.clone())) {
                    Some(held) => Predictor::Trained(Trained::new(Arc::clone(held), *threshold, *max_distance)),
                    None => Predictor::Boxed(Box::new(Absent)),
                }
            }
            ModelSpec::Process { command, lookback, deadline, .. } => {
                Predictor::Boxed(Box::new(Process::start(Strategy {
                    model: candidate.id.to_string(),
                    command: command.clone(),
                    dir: dir.to_owned(),
                    epic: epics.get(usize::from(candidate.epic.0)).cloned().unwrap_or_default(),
                    resolution: candidate.resolution,
                    lookback: *lookback,
                    deadline: is_live.then_some(*deadline),
                })))
            }
            _ => models::build(candidate),
        }
    }

    fn take(&self, registry: &Registry, resolved: &Resolved, exact: String) -> Result<Arc<TrainedVersion>, String> {
        let bytes = registry.artefact(resolved).map_err(|error| format!("a version that is whole: {error}"))?;
        let Resolved { name, version, artefact, card, folder } = resolved;
        let features = Fitted::from_bytes(&bytes)
            .map_err(|error| error.to_string())
            .and_then(|fitted| {
                let (is, says) = (fitted.kind().name(), &card.kind);
                if is == says { Ok(fitted) } else { Err(format!("the artefact is a {is}, the card says {says}")) }
            })
            .and_then(|fitted| self.put(*artefact, fitted, &card.features))
            .map_err(|why| format!("a version that can be used; of {exact}: {why}"))?;
        Ok(Arc::new(version_of(
            card,
            VersionNames {
                exact,
                name: name.clone(),
                version: version.to_string(),
                features,
                card: folder.join(CARD_FILE),
            },
        )))
    }
}

/// What a card does not say of itself.
struct VersionNames {
    exact: String,
    name: String,
    version: String,
    features: String,
    card: PathBuf,
}

fn version_of(card: &Card, names: VersionNames) -> TrainedVersion {
    let origin_of = |origin: &Origin| {
        let Origin { dataset, manifest, .. } = origin;
        let range = format!("{} bars from {} to {}", manifest.rows, manifest.from, manifest.to);
        DataOrigin { name: dataset.clone(), sha256: manifest.sha256.clone(), range }
    };
    TrainedVersion {
        exact: names.exact,
        name: names.name,
        version: names.version,
        kind: card.kind.clone(),
        artefact: card.artefact,
        features: names.features,
        lookback: u32::try_from(card.features.lookback()).unwrap_or(u32::MAX),
        bar: card.bar,
        symbol: card.symbol.clone(),
        horizon_bars: card.horizon_bars,
        quantiles: card.distances.as_ref().map(|distances| distances.quantiles.clone()).unwrap_or_default(),
        card: names.card.display().to_string(),
        data: card.data.iter().map(origin_of).collect(),
    }
}

impl Shelf {
    /// A version that MLflow keeps: the one that was fetched before, else over the network, which takes what it takes.
    fn mlflow_version(
        &self,
        places: &Places,
        registry: &Registry,
        reference: &str,
    ) -> Result<Arc<TrainedVersion>, String> {
        let reference: MlflowReference = reference.parse().map_err(|error| format!("a version of MLflow: {error}"))?;
        let server = mlflow::named(places.mlflow.as_deref()).map_err(|error| format!("another server: {error}"))?;
        mlflow::use_onnxruntime(places.onnxruntime.as_deref()).map_err(|error| format!("another library: {error}"))?;
        let shelf = mlflow::Shelf::of(registry);
        let pulled = mlflow::block_on(shelf.resolve(server.as_ref(), &reference))
            .map_err(|error| format!("a thread to ask MLflow on: {error}"))?
            .map_err(|error| format!("a version that MLflow gives: {error}"))?;
        self.take(registry, &pulled.resolved, pulled.exact.to_string())
    }
}

impl Resolver for Shelf {
    fn version(&self, places: &Places, reference: &str) -> Result<Arc<TrainedVersion>, String> {
        let registry = Registry::open(&places.registry);
        if MlflowReference::is_meant(reference) {
            return self.mlflow_version(places, &registry, reference);
        }
        let resolved = registry.resolve(reference).map_err(|error| match error {
            RegistryError::Missing { candidates, .. } => not_in_registry(places, &candidates),
            other => format!("a version that is whole: {other}"),
        })?;
        if resolved.card.kind == Kind::Onnx.name() {
            mlflow::use_onnxruntime(places.onnxruntime.as_deref())
                .map_err(|error| format!("another library: {error}"))?;
        }
        self.take(&registry, &resolved, resolved.reference())
    }

    fn program(&self, places: &Places, command: &[String], files: Option<&[String]>) -> Result<Program, String> {
        program::identity(&places.base, command, files)
    }

    fn data_set(&self, places: &Places, name: &str) -> Result<Resolution, String> {
        let manifest = history::find(&places.data, name)
            .and_then(|dir| history::manifest(&dir))
            .map_err(|error| format!("a data set: {error}"))?;
        Ok(manifest.interval)
    }
}
