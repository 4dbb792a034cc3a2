//! The arena's key, the sealing of audit records on their way to the store, and the anchor: the note of the chain's head
//! that is kept where this machine cannot rewrite it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::clock::{Clock, SystemClock};
use crate::promoter::Sealer;
use crate::registry::mlflow::{Mlflow, MlflowError, Tag};
use crate::store::entry::{Seal, decode, encode};
use crate::store::{Commit, Lane};

/// The file of the secret key in the data folder.
const FILE: &str = "arena.key";
/// What an anchor that is an experiment of MLflow begins with.
pub(crate) const EXPERIMENT: &str = "mlflow:";
/// What the keys of its tags begin with; the arena's name follows.
pub(crate) const HEAD_TAG: &str = "arena.head.";
/// How long an address may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The arena's key: what `arena.key` in `data_dir` holds, which is made where it is absent with randomness of the
/// operating system, readable by its owner alone.
///
/// # Errors
/// When the file can neither be read nor made, or holds no key; names the file.
pub(super) fn sealer(data_dir: &Path) -> io::Result<Sealer> {
    let path = data_dir.join(FILE);
    let about = |error: &io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = match File::open(&path) {
        Ok(mut file) => {
            if file.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
                tracing::warn!(path = %path.display(), "the arena's key can be read by others than its owner");
            }
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(|error| about(&error))?;
            text
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path).map_err(|error| about(&error))?,
        Err(error) => return Err(about(&error)),
    };
    let secret = secret_of(text.trim()).ok_or_else(|| {
        let why = format!("{} holds no key of 64 hexadecimal digits", path.display());
        io::Error::new(io::ErrorKind::InvalidData, why)
    })?;
    Ok(Sealer::new(&secret))
}

fn make(path: &Path) -> io::Result<String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(format!("{text}\n").as_bytes())?;
            file.sync_all()?;
            Ok(text)
        }
        // Another process was faster; its key holds.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::read_to_string(path),
        Err(error) => Err(error),
    }
}

fn secret_of(text: &str) -> Option<[u8; 32]> {
    let mut secret = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in secret.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(secret)
}

/// Signs every audit record of a commit; the seals go into the commit beside them. Returns the last one.
pub(super) fn seal(commit: &mut Commit, sealer: &Sealer) -> Option<Seal> {
    let mut seals = Vec::new();
    for (_, bytes) in commit.blocks.iter().filter(|(lane, _)| *lane == Lane::Audit) {
        let records: Vec<String> = decode(Lane::Audit, bytes).expect("the settlement encodes its records");
        seals.extend(records.iter().filter_map(|record| sealed(record, sealer)));
    }
    let mut bytes = Vec::new();
    seals.iter().for_each(|seal| encode(seal, &mut bytes));
    commit.append(Lane::Seals, bytes);
    seals.pop()
}

fn sealed(record: &str, sealer: &Sealer) -> Option<Seal> {
    let record: serde_json::Value = serde_json::from_str(record).ok()?;
    let (seq, hash) = (record.get("seq")?.as_u64()?, record.get("hash")?.as_str()?.to_owned());
    Some(Seal { seq, sig: sealer.sign(&hash), hash, key: sealer.key(), wall: SystemClock.now() })
}

/// Where the head of the chain is noted as well.
#[derive(Clone, Debug)]
pub(super) enum Anchor {
    /// A line is appended to a file.
    File(PathBuf),
    /// A document is posted to an address.
    Address(String),
    /// Tags of an experiment of MLflow hold it: the newest, and the last of each day.
    Experiment(Box<Mlflow>, String),
}

impl Anchor {
    /// What `[promotion] anchor` says; a path is relative to the configuration's folder, an experiment one of `server`.
    ///
    /// # Errors
    /// A sentence where it names MLflow, and there is no server.
    pub(super) fn of(
        text: &str,
        configuration: Option<&Path>,
        server: impl FnOnce() -> Result<Option<Mlflow>, MlflowError>,
    ) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Some(Self::Address(text.to_owned())));
        }
        if let Some(experiment) = text.strip_prefix(EXPERIMENT) {
            let none = "neither [registry] mlflow nor MLFLOW_TRACKING_URI names a server";
            let found = server().map_err(|error| error.to_string()).and_then(|found| found.ok_or(none.to_owned()));
            let mlflow = found.map_err(|why| format!("[promotion] anchor is {text:?}: {why}"))?;
            return Ok(Some(Self::Experiment(Box::new(mlflow), experiment.to_owned())));
        }
        let folder = configuration.and_then(Path::parent).unwrap_or(Path::new(""));
        Ok(Some(Self::File(folder.join(text))))
    }

    /// Notes a head. Whatever goes wrong is told and survived: the chain itself is in the store.
    pub(super) async fn note(self, arena: String, seal: Seal) {
        let Seal { seq, hash, sig, key, wall } = seal;
        let head = json!({ "arena": arena, "seq": seq, "hash": hash, "sig": sig, "key": key, "wall": wall });
        let done = match &self {
            Self::File(path) => append(path, &format!("{head}\n")).map_err(|error| error.to_string()),
            Self::Address(address) => post(address, &head).await,
            Self::Experiment(mlflow, experiment) => {
                let day = wall.to_string().chars().take_while(|c| *c != 'T').collect::<String>();
                let keys = [format!("{HEAD_TAG}{arena}"), format!("{HEAD_TAG}{arena}.{day}")];
                let tags = keys.map(|key| Tag::new(key, head.to_string()));
                mlflow.tag_experiment(experiment, &tags).await.map_err(|error| error.to_string())
            }
        };
        if let Err(error) = done {
            tracing::warn!(anchor = ?self, seq, %error, "the head of the audit chain could not be noted");
        }
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

async fn post(address: &str, head: &serde_json::Value) -> Result<(), String> {
    let client = crate::http::client().timeout(PATIENCE).build().map_err(|error| error.to_string())?;
    let answer = client.post(address).json(head).send().await.map_err(|error| error.to_string())?;
    answer.error_for_status().map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::mlflow::{Access, Limits};

    #[test]
    fn the_first_run_makes_a_key_that_later_runs_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        let made = sealer(&dir).unwrap().key();
        assert_eq!(std::fs::metadata(dir.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(sealer(&dir).unwrap().key(), made);
        assert_ne!(sealer(folder.path()).unwrap().key(), made);
        std::fs::write(dir.join(FILE), "short").unwrap();
        assert!(sealer(&dir).unwrap_err().to_string().contains("holds no key"));
    }

    #[test]
    fn an_anchor_is_a_file_an_address_or_an_experiment() {
        let file = Some(Path::new("conf/arena.toml"));
        let of = |text| Anchor::of(text, file, || Ok(None));
        assert!(of("").unwrap().is_none());
        assert!(matches!(of("heads.txt"), Ok(Some(Anchor::File(path))) if path == Path::new("conf/heads.txt")));
        assert!(matches!(of("https://h/x"), Ok(Some(Anchor::Address(address))) if address == "https://h/x"));
        assert!(of("mlflow:heads").unwrap_err().contains("names a server"));
        let mlflow = || Mlflow::new("http://127.0.0.1:5000", Access::Open, Limits::default()).map(Some);
        assert!(matches!(
            Anchor::of("mlflow:heads", file, mlflow),
            Ok(Some(Anchor::Experiment(_, name))) if name == "heads"
        ));
    }

    #[test]
    fn every_record_of_a_commit_is_sealed() {
        let mut commit = Commit::default();
        let mut bytes = Vec::new();
        for seq in 1..=2 {
            encode(&format!(r#"{{"seq":{seq},"prev":"0","body":{{}},"hash":"{seq}{seq}"}}"#), &mut bytes);
        }
        commit.append(Lane::Audit, bytes);
        let last = seal(&mut commit, &Sealer::new(&[1; 32])).unwrap();
        assert_eq!((last.seq, last.hash.as_str(), commit.blocks.len()), (2, "22", 2));
        assert_eq!(seal(&mut Commit::default(), &Sealer::new(&[1; 32])), None);
    }
}
