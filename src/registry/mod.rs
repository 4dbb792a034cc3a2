//! The local registry: versions of trained models on disk, each with the card that says where it came from.
//!
//! ```text
//! models/<name>/<version>/card.toml           what it is, and everything needed to make it again
//!                        /model.safetensors   the artefact: what was fitted
//! models/<name>/aliases.toml                  champion, challenger: for people
//! ```
//!
//! Invariants: a version is there as a whole or not at all (it is written beside its place, flushed, then renamed); it
//! is never changed (its files are read-only, and a changed byte of either is refused with both hashes); its number is
//! never given again while the folder of its name stands. An arena pins what it resolved by the artefact's hash, so
//! that moving an alias changes nothing that runs.

mod card;
pub mod import;
pub mod mlflow;
pub mod pictures;
mod reference;
mod tracker;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::domain::ContentHash;
use crate::models::fitted::{ArtefactError, Fitted};

pub use self::card::{
    Baseline, Card, CardError, Distances, Fold, Import, Made, Metrics, Origin, Range, RowCounts, Scores, Splits,
    Trading,
};
pub use self::reference::{ALIASES, BadReference, Reference, Selector, is_name};
pub use self::tracker::{Outcomes, TrackError, Tracker, TrainingRecord};

/// The card of a version.
pub const CARD_FILE: &str = "card.toml";
/// The artefact of a version.
pub const MODEL_FILE: &str = "model.safetensors";
const ALIAS_FILE: &str = "aliases.toml";

/// Why the registry does not give or take a version.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not a reference, or not a name.
    #[error(transparent)]
    Reference(#[from] BadReference),
    /// It holds no such version.
    #[error("no version {reference} in {}", folder.display())]
    Missing {
        /// What was asked for.
        reference: String,
        /// The registry.
        folder: PathBuf,
        /// What it holds instead: versions of that name, else names.
        candidates: Vec<String>,
    },
    /// A file of the registry cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A version, or an alias, cannot be written; nothing of it is left behind.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A byte of a version is not what it was.
    #[error("{} was altered: its SHA-256 is {got}, where the card says {want}", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What was registered, in hexadecimal digits.
        want: String,
        /// What is there.
        got: String,
    },
    /// An artefact that is whole, and no model of this program.
    #[error("{}: {source}", path.display())]
    Artefact {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ArtefactError,
    },
    /// A card, or a file of aliases, does not say what it should.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl RegistryError {
    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }

    pub(crate) fn unwritable(path: &Path, source: io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(path: &Path, why: impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), why: why.to_string() }
    }
}

/// A version that a reference led to, its card read and found whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The model's name.
    pub name: String,
    /// The version's number, from 1.
    pub version: u32,
    /// SHA-256 of the artefact: what an arena pins.
    pub artefact: ContentHash,
    /// Everything that is known of it.
    pub card: Card,
    /// The folder it lies in.
    pub folder: PathBuf,
}

impl Resolved {
    /// `name@version`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn hash_of(bytes: &[u8]) -> ContentHash {
    ContentHash(Sha256::digest(bytes).into())
}

/// One folder of models. Opening it touches nothing; a registry that is not there yet is an empty one.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The registry in `folder`.
    #[must_use]
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The version that `reference` (`name@3`, `name@latest`, `name@champion`; `name` alone is the latest) leads to,
    /// with its card read and its seal proven. The artefact itself is read by [`Registry::artefact`].
    ///
    /// # Errors
    /// [`RegistryError::Missing`] with what is there, and those of reading.
    pub fn resolve(&self, reference: &str) -> Result<Resolved, RegistryError> {
        let parsed: Reference = reference.parse()?;
        let name = &parsed.name;
        let versions = self.versions(name)?;
        let version = match &parsed.selector {
            Selector::Version(version) => Some(*version),
            Selector::Latest => versions.last().copied(),
            Selector::Alias(alias) => self.aliases(name)?.get(alias.as_str()).copied(),
        };
        match version.filter(|version| versions.contains(version)) {
            Some(version) => self.read(name, version),
            None => Err(self.missing(reference, name, &versions)),
        }
    }

    /// The bytes of a version's artefact, proven to be those that were registered.
    ///
    /// # Errors
    /// [`RegistryError::Altered`] with both hashes, [`RegistryError::Unreadable`].
    pub fn artefact(&self, resolved: &Resolved) -> Result<Vec<u8>, RegistryError> {
        let path = resolved.folder.join(MODEL_FILE);
        let bytes = fs::read(&path).map_err(|e| RegistryError::unreadable(&path, e))?;
        let got = hash_of(&bytes);
        if got != resolved.artefact {
            return Err(RegistryError::Altered { path, want: resolved.artefact.hex(), got: got.hex() });
        }
        Ok(bytes)
    }

    /// The text of a version's card, as it was registered.
    ///
    /// # Errors
    /// [`RegistryError::Unreadable`].
    pub fn card_text(&self, resolved: &Resolved) -> Result<String, RegistryError> {
        let path = resolved.folder.join(CARD_FILE);
        fs::read_to_string(&path).map_err(|e| RegistryError::unreadable(&path, e))
    }

    /// The model of a version, proven to be the one that was registered.
    ///
    /// # Errors
    /// As [`Registry::artefact`], and [`RegistryError::Artefact`]; [`RegistryError::Malformed`] where the model reads
    /// other rows than its card says.
    pub fn load(&self, resolved: &Resolved) -> Result<Fitted, RegistryError> {
        let path = resolved.folder.join(MODEL_FILE);
        let bytes = self.artefact(resolved)?;
        let fitted =
            Fitted::from_bytes(&bytes).map_err(|source| RegistryError::Artefact { path: path.clone(), source })?;
        let (want, got) = (resolved.card.features.width(), fitted.n_features());
        if got != want {
            return Err(RegistryError::malformed(
                &path,
                format!("a model of {got} columns, where its card says {want}"),
            ));
        }
        Ok(fitted)
    }

    /// Every name with at least one version, in order.
    ///
    /// # Errors
    /// [`RegistryError::Unreadable`].
    pub fn names(&self) -> Result<Vec<String>, RegistryError> {
        let mut names = Vec::new();
        for name in entries(&self.folder)? {
            if is_name(&name) && !self.versions(&name)?.is_empty() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The versions of `name` in order; none where there is no such model.
    ///
    /// # Errors
    /// [`RegistryError::Unreadable`].
    pub fn versions(&self, name: &str) -> Result<Vec<u32>, RegistryError> {
        let mut versions: Vec<u32> =
            entries(&self.folder.join(name))?.iter().filter_map(|entry| reference::version(entry)).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The aliases of `name` that were set, with their versions.
    ///
    /// # Errors
    /// [`RegistryError::Unreadable`], and [`RegistryError::Malformed`] where people wrote something else into the file.
    pub fn aliases(&self, name: &str) -> Result<BTreeMap<String, u32>, RegistryError> {
        let path = self.folder.join(name).join(ALIAS_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|e| RegistryError::malformed(&path, e.message())),
            Err(e) if is_absent(&e) => Ok(BTreeMap::new()),
            Err(e) => Err(RegistryError::unreadable(&path, e)),
        }
    }

    fn read(&self, name: &str, version: u32) -> Result<Resolved, RegistryError> {
        let folder = self.folder.join(name).join(version.to_string());
        let path = folder.join(CARD_FILE);
        let text = fs::read_to_string(&path).map_err(|e| RegistryError::unreadable(&path, e))?;
        let card = Card::parse(&text).map_err(|e| match e {
            CardError::Altered { want, got } => RegistryError::Altered { path: path.clone(), want, got },
            other => RegistryError::malformed(&path, other),
        })?;
        Ok(Resolved { name: name.to_owned(), version, artefact: card.artefact, card, folder })
    }

    fn missing(&self, reference: &str, name: &str, versions: &[u32]) -> RegistryError {
        let candidates = if versions.is_empty() {
            self.names().unwrap_or_default()
        } else {
            versions.iter().map(|version| format!("{name}@{version}")).collect()
        };
        RegistryError::Missing { reference: reference.to_owned(), folder: self.folder.clone(), candidates }
    }
}

/// The names in a folder; none where it is not there.
fn entries(folder: &Path) -> Result<Vec<String>, RegistryError> {
    let failed = |e| RegistryError::unreadable(folder, e);
    let found = match fs::read_dir(folder) {
        Ok(found) => found,
        Err(e) if is_absent(&e) => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut names = Vec::new();
    for entry in found {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
