//! `arena backup` and `arena restore`: a whole store to another folder, from a running arena or at rest, and back.
//!
//! A backup is a store like any other: every reading command takes it with `--store`. What it has to come to lies beside
//! it, so that one that was damaged since is told before it is restored.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::client::data_folder;
use super::output::{FAILED, Failure, REFUSED, print, print_json};
use super::{Client, ReachArgs, Shared, block_on};
use crate::clock::{Clock, SystemClock};
use crate::domain::UtcMicros;
use crate::store::archive::{self, Unpack};
use crate::store::views::{AtRest, HEAD, Head, read_record};
use crate::store::{Sled, Store, journal_hash};

/// What lies beside a backup.
const NOTE: &str = "backup.json";

/// `arena backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// The folder to make; it must not be there yet
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Copy the store of an arena at rest instead of asking a running one
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "token"])]
    pub store: Option<PathBuf>,
    /// Which arena.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// `arena restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// What `arena backup` made
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Where the store goes; it must not be there yet [default: store in the configuration's data folder]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}

/// What a backup has to come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    /// The program that made it.
    version: String,
    /// When, by the clock on the wall.
    made: UtcMicros,
    /// How far the arena had come.
    time: Option<UtcMicros>,
    quotes: u64,
    journal_hash: String,
}

pub(super) fn backup(shared: &Shared, args: &BackupArgs) -> Result<(), Failure> {
    let note = into_new(&args.dir, |to| match &args.store {
        Some(dir) => Ok(archive::copy(&**AtRest::open(dir)?.store(), to)?),
        None => {
            let client = Client::operating(&args.reach, shared)?;
            let mut unpack = Unpack::new(to);
            block_on(client.download(&["backup"], |bytes| Ok(unpack.push(bytes)?)))?;
            Ok(unpack.finish()?)
        }
    })?;
    tell(shared, &note, &format!("the backup in {}", args.dir.display()))
}

pub(super) fn restore(shared: &Shared, args: &RestoreArgs) -> Result<(), Failure> {
    let target = match &args.store {
        Some(dir) => dir.clone(),
        None => data_folder(shared)?.join("store"),
    };
    let noted = read_note(&args.dir)?;
    let from = AtRest::open(&args.dir)?;
    let note = into_new(&target, |to| {
        let from = from.store();
        let hash = journal_hash(&**from)?;
        if hash != noted.journal_hash {
            let why = format!(
                "the backup in {} was damaged or changed: its journal comes to {hash} and not to {}",
                args.dir.display(),
                noted.journal_hash
            );
            return Err(Failure::new(FAILED, why));
        }
        Ok(archive::copy(&**from, to)?)
    })?;
    tell(shared, &note, &format!("the store in {}", target.display()))
}

fn read_note(dir: &Path) -> Result<Note, Failure> {
    let path = dir.join(NOTE);
    let wrong = |why: String| Failure::new(FAILED, format!("{} is no backup: {NOTE} {why}", dir.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| wrong(format!("is none: {error}")))
}

fn tell(shared: &Shared, note: &Note, what: &str) -> Result<(), Failure> {
    if shared.json {
        return print_json(note);
    }
    let until = note.time.map_or_else(|| "before its first bar".to_owned(), |time| format!("as of {time}"));
    print(&format!("{what} is whole: {until}, {} quotes, journal {}\n", note.quotes, &note.journal_hash[..16]))
}

/// Makes a new store in `dir` with `fill`, under another name until it is whole.
fn into_new(dir: &Path, fill: impl FnOnce(&mut dyn Store) -> Result<String, Failure>) -> Result<Note, Failure> {
    let about = |error: std::io::Error| Failure::new(FAILED, format!("{}: {error}", dir.display()));
    if dir.exists() {
        let why =
            format!("{} is there already and is left as it is: name another folder, or move it away", dir.display());
        return Err(Failure::new(REFUSED, why));
    }
    let mut partial = dir.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    if partial.exists() {
        // What an attempt that was ended left behind.
        std::fs::remove_dir_all(&partial).map_err(about)?;
    }
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).map_err(about)?;
    }
    let made = (|| {
        let mut store = Sled::open(&partial, 0)?;
        let journal_hash = fill(&mut store)?;
        let head: Head = read_record(&store, HEAD)?.unwrap_or_default();
        let note = Note {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made: SystemClock.now(),
            time: head.time,
            quotes: head.quotes,
            journal_hash,
        };
        drop(store);
        let text = serde_json::to_string_pretty(&note).map_err(std::io::Error::from).map_err(about)?;
        std::fs::write(partial.join(NOTE), text + "\n").map_err(about)?;
        std::fs::rename(&partial, dir).map_err(about)?;
        Ok(note)
    })();
    if made.is_err() {
        // The failure is what matters; what is left bears its own name.
        drop(std::fs::remove_dir_all(&partial));
    }
    made
}
