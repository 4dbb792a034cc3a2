//! Versions that MLflow keeps, as an arena uses them: found once, proven by their hashes, kept beside the local registry.
//!
//! ```text
//! models/.cache/<SHA-256 of the card>/card.toml            the version, as a local one lies in its folder
//!                                    /model.safetensors
//! models/.cache/references/<hash of the reference>.toml    what a reference led to
//! ```
//!
//! What a reference led to once it leads to again without asking, so that an arena starts while MLflow is down and an
//! alias that moves meanwhile changes nothing that runs. [`Shelf::pull`] asks anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use super::transport::FetchError;
use super::{Mlflow, MlflowError, MlflowReference, Pick, Version};
use crate::domain::ContentHash;
use crate::registry::card::hex;
use crate::registry::import::{self, ImportError, NOTE_FILE, Note};
use crate::registry::write::{flush, make_folder, write_file};
use crate::registry::{CARD_FILE, Card, CardError, MODEL_FILE, Made, Registry, RegistryError, Resolved, hash_of};

/// The folder beside the versions; no model's name begins with a dot.
const CACHE: &str = ".cache";
const REFERENCES: &str = "references";
/// The tag of a version of ours that holds the SHA-256 of its artefact.
pub const ARTEFACT_TAG: &str = "arena.artefact";
/// What describes a model that MLflow's own clients logged.
const MLMODEL: &str = "MLmodel";

/// Why a version of MLflow cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// MLflow.
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
    /// Nobody says where MLflow is, and the version was not fetched before.
    #[error("{reference} was not fetched before, and no MLflow is named: set [registry] mlflow or MLFLOW_TRACKING_URI")]
    Nowhere {
        /// The reference.
        reference: String,
    },
    /// The folder beside the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A model of another program.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// It holds no model that the arena knows.
    #[error("{reference} holds no model that the arena knows: {why}")]
    Unknown {
        /// The reference.
        reference: String,
        /// What it holds.
        why: String,
    },
    /// It is not what it was.
    #[error("{reference} was altered: the SHA-256 of its artefact is {got}, where {who} says {want}")]
    Altered {
        /// The reference.
        reference: String,
        /// Who knows what it was.
        who: &'static str,
        /// What it was.
        want: String,
        /// What it is.
        got: String,
    },
}

impl PullError {
    /// Whether the same may work at another time.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Mlflow(error) if error.is_passing())
    }
}

/// A version of MLflow at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    /// The reference that always leads here.
    pub exact: MlflowReference,
    /// The version, lying in its folder as a local one does.
    pub resolved: Resolved,
}

/// What a reference led to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Memory {
    /// As it was written.
    reference: String,
    /// The server.
    server: String,
    /// With the number of the version.
    exact: String,
    /// SHA-256 of the artefact.
    artefact: String,
    /// The folder below the cache.
    folder: String,
}

/// The versions of MLflow that were fetched for one registry.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// That of `registry`; nothing is touched.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        Self { folder: registry.folder().join(CACHE) }
    }

    /// The version that `reference` led to before, else the one that it leads to now.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn resolve(&self, mlflow: Option<&Mlflow>, reference: &MlflowReference) -> Result<Pulled, PullError> {
        let memory = self.remembered(reference).filter(|memory| {
            // Of another server it says nothing; where none is named it is all there is.
            mlflow.is_none_or(|mlflow| mlflow.address() == memory.server)
        });
        let Some(memory) = memory else {
            let mlflow = mlflow.ok_or_else(|| PullError::Nowhere { reference: reference.to_string() })?;
            return self.pull(mlflow, reference).await;
        };
        let exact: MlflowReference = memory.exact.parse().map_err(|error| self.malformed(reference, &error))?;
        match (self.at_hand(&exact, &memory), mlflow) {
            (Ok(pulled), _) => Ok(pulled),
            (Err(error), None) => Err(error),
            (Err(error), Some(mlflow)) => {
                tracing::warn!(%error, reference = %exact, "fetching it again");
                let pulled = self.fetch(mlflow, &exact).await?;
                let got = pulled.resolved.artefact.hex();
                if got != memory.artefact {
                    let (want, who) = (memory.artefact, "the memory of its first use");
                    return Err(PullError::Altered { reference: exact.to_string(), who, want, got });
                }
                Ok(pulled)
            }
        }
    }

    /// The version that `reference` leads to now, whatever it led to before.
    ///
    /// # Errors
    /// [`PullError`].
    pub async fn pull(&self, mlflow: &Mlflow, reference: &MlflowReference) -> Result<Pulled, PullError> {
        let pulled = self.fetch(mlflow, reference).await?;
        self.remember(mlflow, reference, &pulled)?;
        self.remember(mlflow, &pulled.exact, &pulled)?;
        Ok(pulled)
    }

    async fn fetch(&self, mlflow: &Mlflow, reference: &MlflowReference) -> Result<Pulled, PullError> {
        let version = mlflow.version(reference).await?;
        let exact = MlflowReference { name: version.name.clone(), pick: Pick::Version(version.version) };
        let uri = mlflow.files_of(&version).await?;
        make_folder(&self.folder)?;
        let landing = Landing::new(&self.folder)?;
        let files = mlflow.download(&uri, &landing.0).await.map_err(|error| match error {
            FetchError::Mlflow(error) => PullError::Mlflow(error),
            FetchError::Io(source) => RegistryError::unwritable(&landing.0, source).into(),
        })?;
        let files: Vec<&str> = files.iter().filter_map(|file| file.to_str()).collect();
        let (card_text, artefact) = if files.contains(&CARD_FILE) && files.contains(&MODEL_FILE) {
            ours(&landing.0, &exact, &version)?
        } else {
            foreign(&landing.0, &files, &exact)?
        };
        drop(landing);
        self.keep(&exact, &card_text, &artefact)
    }

    /// Puts a version into the cache: beside its place, flushed, then renamed.
    fn keep(&self, exact: &MlflowReference, card_text: &str, artefact: &[u8]) -> Result<Pulled, PullError> {
        let folder = self.folder.join(hash_of(card_text.as_bytes()).hex());
        let is_whole = read(exact, &folder).is_ok();
        if !is_whole {
            let unfinished = Landing::new(&self.folder)?;
            write_file(&unfinished.0.join(MODEL_FILE), artefact, true)?;
            write_file(&unfinished.0.join(CARD_FILE), card_text.as_bytes(), true)?;
            flush(&unfinished.0)?;
            // What lies there is damaged, or is being put there by somebody else just now; either way ours is right.
            remove(&folder).map_err(|error| RegistryError::unwritable(&folder, error))?;
            let renamed = fs::rename(&unfinished.0, &folder);
            if let Err(error) = renamed
                && read(exact, &folder).is_err()
            {
                return Err(RegistryError::unwritable(&folder, error).into());
            }
            flush(&self.folder)?;
        }
        read(exact, &folder)
    }

    fn at_hand(&self, exact: &MlflowReference, memory: &Memory) -> Result<Pulled, PullError> {
        let pulled = read(exact, &self.folder.join(&memory.folder))?;
        let got = pulled.resolved.artefact.hex();
        if got != memory.artefact {
            let (want, who) = (memory.artefact.clone(), "the memory of its first use");
            return Err(PullError::Altered { reference: exact.to_string(), who, want, got });
        }
        Ok(pulled)
    }

    fn memory_of(&self, reference: &MlflowReference) -> PathBuf {
        let hash = hash_of(reference.to_string().as_bytes()).hex();
        self.folder.join(REFERENCES).join(format!("{}.toml", &hash[..32]))
    }

    /// What the reference led to before. A memory that cannot be read is none.
    fn remembered(&self, reference: &MlflowReference) -> Option<Memory> {
        let text = fs::read_to_string(self.memory_of(reference)).ok()?;
        let memory: Memory = toml::from_str(&text).ok()?;
        let is_plain = hex::parse(&memory.folder).is_some() && hex::parse(&memory.artefact).is_some();
        (is_plain && memory.reference == reference.to_string()).then_some(memory)
    }

    fn remember(&self, mlflow: &Mlflow, reference: &MlflowReference, pulled: &Pulled) -> Result<(), RegistryError> {
        let folder = self.folder.join(REFERENCES);
        make_folder(&folder)?;
        let memory = Memory {
            reference: reference.to_string(),
            server: mlflow.address().to_owned(),
            exact: pulled.exact.to_string(),
            artefact: pulled.resolved.artefact.hex(),
            folder: pulled.resolved.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let path = self.memory_of(reference);
        let text = toml::to_string(&memory).map_err(|error| RegistryError::malformed(&path, error))?;
        let landing = Landing::new(&self.folder)?;
        let unfinished = landing.0.join("reference.toml");
        write_file(&unfinished, text.as_bytes(), false)?;
        fs::rename(&unfinished, &path).map_err(|error| RegistryError::unwritable(&path, error))?;
        flush(&folder)
    }

    fn malformed(&self, reference: &MlflowReference, why: &impl ToString) -> RegistryError {
        RegistryError::malformed(&self.memory_of(reference), why.to_string())
    }
}

/// A folder for what is not finished; it goes away with this value.
struct Landing(PathBuf);

impl Landing {
    fn new(beside: &Path) -> Result<Self, RegistryError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = beside.join(format!(".new-{}-{number}", std::process::id()));
        // One that a process of the same number left behind when it died.
        remove(&path).map_err(|error| RegistryError::unwritable(&path, error))?;
        make_folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "an unfinished download stays behind");
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// A version that lies in `folder`, its card and its artefact proven.
fn read(exact: &MlflowReference, folder: &Path) -> Result<Pulled, PullError> {
    let path = folder.join(CARD_FILE);
    let text = fs::read_to_string(&path).map_err(|error| RegistryError::unreadable(&path, error))?;
    let card = Card::parse(&text).map_err(|error| match error {
        CardError::Altered { want, got } => RegistryError::Altered { path: path.clone(), want, got },
        other => RegistryError::malformed(&path, other),
    })?;
    let version = match exact.pick {
        Pick::Version(version) => u32::try_from(version).unwrap_or(u32::MAX),
        Pick::Alias(_) => 0,
    };
    let resolved =
        Resolved { name: exact.name.clone(), version, artefact: card.artefact, card, folder: folder.to_owned() };
    let path = folder.join(MODEL_FILE);
    let got = hash_of(&fs::read(&path).map_err(|error| RegistryError::unreadable(&path, error))?);
    if got != resolved.artefact {
        return Err(RegistryError::Altered { path, want: resolved.artefact.hex(), got: got.hex() }.into());
    }
    Ok(Pulled { exact: exact.clone(), resolved })
}

/// A version that an arena logged.
fn ours(landing: &Path, exact: &MlflowReference, version: &Version) -> Result<(String, Vec<u8>), PullError> {
    let unknown = |why: String| PullError::Unknown { reference: exact.to_string(), why };
    let text = String::from_utf8(bytes_of(&landing.join(CARD_FILE))?).map_err(|error| unknown(error.to_string()))?;
    let card = Card::parse(&text).map_err(|error| unknown(error.to_string()))?;
    let artefact = bytes_of(&landing.join(MODEL_FILE))?;
    let got = hash_of(&artefact);
    let tag = version.tag(ARTEFACT_TAG).and_then(hex::parse);
    let said: [(&'static str, Option<ContentHash>); 2] = [("its card", Some(card.artefact)), ("its tag", tag)];
    for (who, want) in said {
        if let Some(want) = want.filter(|want| *want != got) {
            let (want, got) = (want.hex(), got.hex());
            return Err(PullError::Altered { reference: exact.to_string(), who, want, got });
        }
    }
    Ok((text, artefact))
}

/// A model in the ONNX format that a client of MLflow logged.
fn foreign(landing: &Path, files: &[&str], exact: &MlflowReference) -> Result<(String, Vec<u8>), PullError> {
    let unknown = |why: String| PullError::Unknown { reference: exact.to_string(), why };
    let described = match fs::read_to_string(landing.join(MLMODEL)) {
        Ok(text) => onnx_file(&text).map_err(|flavours| {
            unknown(format!(
                "its flavours are {}; log it with mlflow.onnx.log_model, or train it here",
                if flavours.is_empty() { "none".to_owned() } else { flavours.join(", ") }
            ))
        })?,
        Err(_) => None,
    };
    let mut in_format = files.iter().filter(|file| file.ends_with(".onnx"));
    let file = match (described, in_format.next(), in_format.next()) {
        (Some(file), _, _) if files.contains(&file.as_str()) => file,
        (None, Some(file), None) => (*file).to_owned(),
        _ => return Err(unknown(format!("its files are {}", files.join(", ")))),
    };
    let from = exact.to_string();
    let file = bytes_of(&landing.join(file))?;
    let note = match fs::read_to_string(landing.join(NOTE_FILE)) {
        Ok(text) => Note::parse(&text, &from)?,
        Err(_) => import::note_within(&file, &from)?,
    };
    let made = Made {
        // Nothing of the moment goes into the card, so that fetching it again gives the same one.
        at: crate::domain::UtcMicros(0),
        seconds: 0.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: None,
        command: format!("arena models pull {from}"),
    };
    let (card, artefact) = import::import(&exact.name, &from, file, &note, made)?;
    let text = card.to_text().map_err(|error| unknown(error.to_string()))?;
    Ok((text, artefact))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, RegistryError> {
    fs::read(path).map_err(|error| RegistryError::unreadable(path, error))
}

/// The file that an `MLmodel` names for the flavour `onnx`; `None` where it has the flavour without a file.
///
/// # Errors
/// The flavours that it has instead.
fn onnx_file(mlmodel: &str) -> Result<Option<String>, Vec<String>> {
    let mut flavours = Vec::new();
    let mut table: Option<&str> = None;
    let (mut has_onnx, mut file) = (false, None);
    // A small part of YAML: keys by their indentation, as MLflow writes them.
    for line in mlmodel.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let depth = line.len() - line.trim_start().len();
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        match (depth, table) {
            (0, _) => table = (key == "flavors").then_some(""),
            (2, Some(_)) => {
                flavours.push(key.to_owned());
                has_onnx |= key == "onnx";
                table = Some(key);
            }
            (4, Some("onnx")) if key == "data" => {
                file = Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|name| !name.is_empty());
            }
            _ => {}
        }
    }
    if has_onnx { Ok(file) } else { Err(flavours) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_flavour_is_found_among_the_others() {
        let text = "artifact_path: x\nflavors:\n  onnx:\n    code: null\n    data: model.onnx\n    onnx_version: 1.23.2\n  \
                    python_function:\n    data: other.bin\n    loader_module: mlflow.onnx\nmodel_id: m-1\ndata: no\n";
        assert_eq!(onnx_file(text), Ok(Some("model.onnx".to_owned())));
        assert_eq!(onnx_file("flavors:\n  onnx:\n    code: null\n"), Ok(None));
        let other = "flavors:\n  python_function:\n    data: model.skops\n  sklearn:\n    pickled_model: x\nonnx: no\n";
        assert_eq!(onnx_file(other), Err(vec!["python_function".to_owned(), "sklearn".to_owned()]));
        assert_eq!(onnx_file("<html>"), Err(vec![]));
    }
}
