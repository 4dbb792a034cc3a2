//! One training to MLflow: a run with everything that belongs to it, and a registered version.
//!
//! Where a version went is noted beside the local registry (`models/.mlflow/<SHA-256 of the artefact>.toml`), so that
//! whoever promotes a candidate knows which version of MLflow it is.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::pull::ARTEFACT_TAG;
use super::{Metric, Mlflow, MlflowError, RunId, RunStatus, Tag, Version};
use crate::domain::ContentHash;
use crate::registry::write::{flush, make_folder, write_file};
use crate::registry::{Registry, RegistryError};

const RECEIPTS: &str = ".mlflow";
/// The folder of a run's files that a version is made of.
const MODEL_FOLDER: &str = "model";

/// What is sent of one training.
#[derive(Clone, Debug, Default)]
pub struct Shipment {
    /// The registered model.
    pub name: String,
    /// The run's name.
    pub run_name: String,
    /// SHA-256 of the artefact, 64 hexadecimal digits.
    pub artefact: String,
    /// What it was trained with.
    pub parameters: Vec<(String, String)>,
    /// How it did.
    pub metrics: Vec<Metric>,
    /// What else is known of it; on the run and on the version.
    pub tags: Vec<Tag>,
    /// Card and artefact: names and bytes.
    pub model: Vec<(String, Vec<u8>)>,
    /// Pictures: names with folders, and bytes.
    pub plots: Vec<(String, Vec<u8>)>,
    /// A sentence about the version.
    pub description: String,
    /// When the training began, in milliseconds since 1970.
    pub begun_ms: i64,
    /// When it ended.
    pub ended_ms: i64,
}

/// Where a version is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The server's address.
    pub server: String,
    /// The registered model.
    pub name: String,
    /// The version.
    pub version: u64,
    /// The run, where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
}

impl Place {
    fn of(mlflow: &Mlflow, version: &Version) -> Self {
        Self {
            server: mlflow.address().to_owned(),
            name: version.name.clone(),
            version: version.version,
            run: version.run_id.clone(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mlflow:{}/{} at {}", self.name, self.version, self.server)
    }
}

impl Mlflow {
    /// The version of `name` with this artefact, if there is one.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn shipped(&self, name: &str, artefact: &str) -> Result<Option<Place>, MlflowError> {
        let found = self.version_with_tag(name, ARTEFACT_TAG, artefact).await?;
        Ok(found.map(|version| Place::of(self, &version)))
    }

    /// Logs a run, and makes a version of it unless one with this artefact is there.
    ///
    /// # Errors
    /// [`MlflowError`]; the run, if it was begun, is marked as failed as far as the server still listens.
    pub async fn ship(&self, experiment: &str, shipment: &Shipment) -> Result<Place, MlflowError> {
        let experiment = self.experiment(experiment).await?;
        let run = self.begin_run(&experiment, &shipment.run_name, shipment.begun_ms, &shipment.tags).await?;
        let sent = self.fill(&run.id, &run.artifact_uri, shipment).await;
        let status = if sent.is_ok() { RunStatus::Finished } else { RunStatus::Failed };
        let ended = self.end_run(&run.id, status, shipment.ended_ms).await;
        let place = sent?;
        ended?;
        Ok(place)
    }

    async fn fill(&self, run: &RunId, uri: &str, shipment: &Shipment) -> Result<Place, MlflowError> {
        self.log(run, &shipment.parameters, &shipment.metrics, &[], shipment.ended_ms).await?;
        for (name, bytes) in &shipment.model {
            self.upload(uri, &format!("{MODEL_FOLDER}/{name}"), bytes.clone()).await?;
        }
        for (name, bytes) in &shipment.plots {
            self.upload(uri, name, bytes.clone()).await?;
        }
        self.register(&shipment.name, &[]).await?;
        if let Some(place) = self.shipped(&shipment.name, &shipment.artefact).await? {
            return Ok(place);
        }
        let source = format!("{}/{MODEL_FOLDER}", uri.trim_end_matches('/'));
        let mut tags = vec![Tag::new(ARTEFACT_TAG, &shipment.artefact)];
        tags.extend(
            shipment.tags.iter().filter(|tag| tag.key != ARTEFACT_TAG && !tag.key.starts_with("mlflow.")).cloned(),
        );
        let version = self.new_version(&shipment.name, &source, run, &tags, &shipment.description).await?;
        Ok(Place::of(self, &version))
    }
}

/// What was sent where, of one registry.
#[derive(Clone, Debug)]
pub struct Receipts {
    folder: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Page {
    #[serde(default, rename = "place")]
    pub(super) places: Vec<Place>,
}

impl Receipts {
    /// Those of `registry`; nothing is touched.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        Self { folder: registry.folder().join(RECEIPTS) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn page(&self, artefact: ContentHash) -> PathBuf {
        self.folder.join(format!("{}.toml", artefact.hex()))
    }

    /// Where the version with this artefact is kept, the oldest first; none where that is not known.
    ///
    /// # Errors
    /// [`RegistryError`] for a page that cannot be read.
    pub fn places(&self, artefact: ContentHash) -> Result<Vec<Place>, RegistryError> {
        let path = self.page(artefact);
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str::<Page>(&text)
                .map(|page| page.places)
                .map_err(|error| RegistryError::malformed(&path, error.message())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(RegistryError::unreadable(&path, error)),
        }
    }

    /// Notes a place; one that is noted already is not noted twice.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn note(&self, artefact: ContentHash, place: &Place) -> Result<(), RegistryError> {
        make_folder(&self.folder)?;
        let _in_turn = self.lock()?;
        let mut places = self.places(artefact)?;
        if places.contains(place) {
            return Ok(());
        }
        places.push(place.clone());
        let path = self.page(artefact);
        let text = toml::to_string(&Page { places }).map_err(|error| RegistryError::malformed(&path, error))?;
        let unfinished = path.with_extension("new");
        write_file(&unfinished, text.as_bytes(), false)?;
        fs::rename(&unfinished, &path).map_err(|error| RegistryError::unwritable(&path, error))?;
        flush(&self.folder)
    }

    /// Held by whoever notes; given back by a process that dies.
    fn lock(&self) -> Result<fs::File, RegistryError> {
        self.locked(".lock")
    }

    /// Held by whoever sends, so that two of them do not make one version twice.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn sending(&self) -> Result<fs::File, RegistryError> {
        make_folder(&self.folder)?;
        self.locked(".sending")
    }

    fn locked(&self, name: &str) -> Result<fs::File, RegistryError> {
        let path = self.folder.join(name);
        let locked = || -> std::io::Result<fs::File> {
            let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|error| RegistryError::unwritable(&path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_back_and_kept_once() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::of(&Registry::open(dir.path().join("models")));
        let hash = ContentHash([7; 32]);
        assert_eq!(receipts.places(hash).unwrap(), []);
        let place = |version| Place {
            server: "http://127.0.0.1:5000".to_owned(),
            name: "knn".to_owned(),
            version,
            run: "r".to_owned(),
        };
        for version in [1, 2, 1] {
            receipts.note(hash, &place(version)).unwrap();
        }
        assert_eq!(receipts.places(hash).unwrap(), [place(1), place(2)]);
        assert_eq!(place(2).to_string(), "mlflow:knn/2 at http://127.0.0.1:5000");
        fs::write(receipts.page(hash), "place = 3").unwrap();
        assert!(receipts.places(hash).is_err());
    }
}
