//! The alias `champion` of MLflow, kept where the live versions are.
//!
//! What was set is noted before it is set (`models/.mlflow/champions-<arena>.toml`), so that an alias that could not be
//! taken away is taken away at the next chance, by another process too. An alias that somebody moved is left alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::ship::Page;
use super::{Mlflow, MlflowError, MlflowReference, Pick, Place, Receipts};
use crate::domain::Lineage;
use crate::registry::card::hex;
use crate::registry::write::{flush, make_folder, write_file};
use crate::registry::{Reference, Registry, RegistryError};

/// The alias.
pub const CHAMPION: &str = "champion";

/// Why the alias is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum ChampionError {
    /// MLflow.
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
    /// The note of what was set.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// What was done to an alias.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AliasChange {
    /// Given to this version.
    Set(Place),
    /// Taken from this version.
    Deleted(Place),
    /// Left to whoever moved it away from this version.
    Left(Place),
}

/// Keeps the alias for one arena.
#[derive(Debug)]
pub struct Champions {
    mlflow: Mlflow,
    receipts: Receipts,
    file: PathBuf,
    /// What this arena has set, or was about to set, in any process.
    ours: Vec<Place>,
    /// What this process knows to be set.
    sure: BTreeMap<String, u64>,
}

impl Champions {
    /// For the arena of that name, whose versions come from `registry` and `mlflow`.
    ///
    /// # Errors
    /// [`RegistryError`] where the note of an earlier process cannot be read.
    pub fn open(mlflow: Mlflow, registry: &Registry, arena: &str) -> Result<Self, RegistryError> {
        let receipts = Receipts::of(registry);
        let file = receipts.folder().join(format!("champions-{arena}.toml"));
        let ours = match fs::read_to_string(&file) {
            Ok(text) => {
                toml::from_str::<Page>(&text).map_err(|error| RegistryError::malformed(&file, error.message()))?.places
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(RegistryError::unreadable(&file, error)),
        };
        Ok(Self { mlflow, receipts, file, ours, sure: BTreeMap::new() })
    }

    /// Which version of each registered model is live, of versions in the order in which they went live. A version
    /// that MLflow does not know is none of them.
    ///
    /// # Errors
    /// [`RegistryError`] where it cannot be read what was sent.
    pub fn wanted<'l>(
        &self,
        live: impl IntoIterator<Item = &'l Lineage>,
    ) -> Result<BTreeMap<String, u64>, RegistryError> {
        let mut wanted = BTreeMap::new();
        for lineage in live {
            if let Some((name, version)) = self.place_of(lineage)? {
                wanted.insert(name, version);
            }
        }
        Ok(wanted)
    }

    fn place_of(&self, lineage: &Lineage) -> Result<Option<(String, u64)>, RegistryError> {
        if let Ok(MlflowReference { name, pick: Pick::Version(version) }) = lineage.reference.parse() {
            return Ok(Some((name, version)));
        }
        let Some(artefact) = hex::parse(&lineage.artefact) else { return Ok(None) };
        let places = self.receipts.places(artefact)?;
        let here: Vec<&Place> = places.iter().filter(|place| place.server == self.mlflow.address()).collect();
        let name = lineage.reference.parse::<Reference>().map(|reference| reference.name).unwrap_or_default();
        let place = here.iter().rev().find(|place| place.name == name).or(here.last());
        Ok(place.map(|place| (place.name.clone(), place.version)))
    }

    /// Makes it so: the alias is set on what is wanted, and taken from what this arena has set and wants no longer.
    /// Returns what was done; what fails does not keep the others from being tried.
    ///
    /// # Errors
    /// The first failure. Calling it again tries what is left.
    pub async fn settle(&mut self, wanted: &BTreeMap<String, u64>) -> (Vec<AliasChange>, Result<(), ChampionError>) {
        let mut done = Vec::new();
        let mut failure = Ok(());
        for (name, version) in wanted {
            if self.sure.get(name) == Some(version) {
                continue;
            }
            match self.set(name, *version).await {
                Ok(place) => done.push(AliasChange::Set(place)),
                Err(error) => failure = failure.and(Err(error)),
            }
        }
        let here = self.mlflow.address().to_owned();
        let gone = self.ours.iter().filter(|place| place.server == here && !wanted.contains_key(&place.name));
        for place in gone.cloned().collect::<Vec<_>>() {
            match self.delete(&place).await {
                Ok(change) => done.push(change),
                Err(error) => failure = failure.and(Err(error)),
            }
        }
        (done, failure)
    }

    /// How many aliases are not yet where they should be.
    #[must_use]
    pub fn pending(&self, wanted: &BTreeMap<String, u64>) -> usize {
        let unset = wanted.iter().filter(|(name, version)| self.sure.get(*name) != Some(version)).count();
        let here = |place: &&Place| place.server == self.mlflow.address() && !wanted.contains_key(&place.name);
        unset + self.ours.iter().filter(here).count()
    }

    async fn set(&mut self, name: &str, version: u64) -> Result<Place, ChampionError> {
        let place =
            Place { server: self.mlflow.address().to_owned(), name: name.to_owned(), version, run: String::new() };
        let is_other = |ours: &Place| ours.server != place.server || ours.name != place.name;
        let mut ours: Vec<Place> = self.ours.iter().filter(|ours| is_other(ours)).cloned().collect();
        ours.push(place.clone());
        self.note(ours)?;
        self.mlflow.set_alias(name, CHAMPION, version).await?;
        self.sure.insert(name.to_owned(), version);
        Ok(place)
    }

    async fn delete(&mut self, place: &Place) -> Result<AliasChange, ChampionError> {
        let carrier = match self.mlflow.aliased(&place.name, CHAMPION).await {
            // The registered model itself is gone, and its aliases with it.
            Err(error) if error.is_missing() => None,
            carrier => carrier?,
        };
        let change = if carrier.is_none_or(|carrier| carrier.version == place.version) {
            match self.mlflow.delete_alias(&place.name, CHAMPION).await {
                Err(error) if !error.is_missing() => return Err(error.into()),
                _ => AliasChange::Deleted(place.clone()),
            }
        } else {
            AliasChange::Left(place.clone())
        };
        self.sure.remove(&place.name);
        self.note(self.ours.iter().filter(|ours| *ours != place).cloned().collect())?;
        Ok(change)
    }

    fn note(&mut self, ours: Vec<Place>) -> Result<(), RegistryError> {
        if ours == self.ours {
            return Ok(());
        }
        make_folder(self.receipts.folder())?;
        let text = toml::to_string(&Page { places: ours.clone() })
            .map_err(|error| RegistryError::malformed(&self.file, error))?;
        let unfinished = self.file.with_extension("new");
        write_file(&unfinished, text.as_bytes(), false)?;
        fs::rename(&unfinished, &self.file).map_err(|error| RegistryError::unwritable(&self.file, error))?;
        flush(self.receipts.folder())?;
        self.ours = ours;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContentHash;
    use crate::registry::mlflow::{Access, Limits};

    #[test]
    fn live_versions_are_found_in_mlflow_by_reference_or_by_what_was_sent() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(dir.path());
        let mlflow = Mlflow::new("http://127.0.0.1:5000", Access::Open, Limits::default()).unwrap();
        let receipts = Receipts::of(&registry);
        let sent = ContentHash([3; 32]);
        let place = |server: &str, name: &str, version| Place {
            server: server.to_owned(),
            name: name.to_owned(),
            version,
            run: String::new(),
        };
        for (server, name, version) in [
            ("http://127.0.0.1:5000", "knn", 4),
            ("http://127.0.0.1:5000", "other", 9),
            ("http://elsewhere:5000", "knn", 7),
        ] {
            receipts.note(sent, &place(server, name, version)).unwrap();
        }
        let champions = Champions::open(mlflow, &registry, "a").unwrap();
        let lineage = |reference: &str, artefact: ContentHash| Lineage {
            reference: reference.to_owned(),
            artefact: artefact.hex(),
            ..Lineage::default()
        };
        for (reference, artefact, want) in [
            ("mlflow:knn-crude/33", ContentHash([1; 32]), Some(("knn-crude", 33))),
            ("knn@2", sent, Some(("knn", 4))),
            ("renamed@1", sent, Some(("other", 9))),
            ("knn@3", ContentHash([8; 32]), None),
        ] {
            let wanted = champions.wanted([&lineage(reference, artefact)]).unwrap();
            let want: BTreeMap<String, u64> =
                want.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect();
            assert_eq!(wanted, want, "{reference}");
            assert_eq!(champions.pending(&wanted), want.len());
        }
        let both = [lineage("mlflow:knn/1", sent), lineage("mlflow:knn/2", sent)];
        assert_eq!(champions.wanted(&both).unwrap().get("knn"), Some(&2), "the last that went live");
    }
}
