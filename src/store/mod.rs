//! The journal at rest. Lanes are append-only runs of canonical entries; records are small values that are replaced.
//!
//! A commit is atomic: after a crash the store holds a whole number of commits. What an entry means is known to
//! [`entry`] alone; the stores see bytes.

pub mod actor;
pub mod archive;
pub mod charts;
pub mod entry;
mod growth;
mod memory;
mod retention;
mod sled;
mod slots;
mod snapshot;
pub mod views;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;

pub use self::growth::free_disk_mb;
pub use self::memory::Memory;
pub use self::retention::Retention;
pub use self::sled::Sled;

/// An append-only run of entries. The order of the variants and of their numbers is the order of the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Lane {
    /// Configurations, closings of bars, suspensions and faults, in order.
    Session,
    /// Accepted quotes of one epic.
    Quotes(u16),
    /// Closed bars of one stream.
    Bars(u16),
    /// Predictions, orders, deals and trades of one seat, by registration number.
    Seat(u32),
    /// Hash-chained lifecycle records.
    Audit,
    /// Live intents and what became of them.
    Desk,
    /// Signatures over the audit records.
    Seals,
    /// What retention deleted.
    Upkeep,
}

impl Lane {
    /// Five bytes whose order is the order of the lanes.
    #[must_use]
    pub fn key(self) -> [u8; 5] {
        let (kind, number) = match self {
            Self::Session => (1, 0),
            Self::Quotes(epic) => (2, u32::from(epic)),
            Self::Bars(stream) => (3, u32::from(stream)),
            Self::Seat(seat) => (4, seat),
            Self::Audit => (5, 0),
            Self::Desk => (6, 0),
            Self::Seals => (7, 0),
            Self::Upkeep => (8, 0),
        };
        let mut key = [0; 5];
        key[0] = kind;
        key[1..].copy_from_slice(&number.to_be_bytes());
        key
    }

    /// The lane of a key.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let number = u32::from_be_bytes(key.get(1..5)?.try_into().ok()?);
        Some(match key[0] {
            1 => Self::Session,
            2 => Self::Quotes(u16::try_from(number).ok()?),
            3 => Self::Bars(u16::try_from(number).ok()?),
            4 => Self::Seat(number),
            5 => Self::Audit,
            6 => Self::Desk,
            7 => Self::Seals,
            8 => Self::Upkeep,
            _ => return None,
        })
    }
}

/// What one commit writes.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Blocks of whole entries, appended to the end of their lanes in this order.
    pub blocks: Vec<(Lane, Vec<u8>)>,
    /// Values that replace those of the same name.
    pub records: Vec<(String, Vec<u8>)>,
}

impl Commit {
    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.records.is_empty()
    }

    /// Appends `bytes` to the end of `lane`; nothing where there are none.
    pub fn append(&mut self, lane: Lane, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.blocks.push((lane, bytes));
        }
    }
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the folder.
    #[error("store {path:?} is in use by another arena; ask that one with --url, or stop it")]
    InUse {
        /// The folder.
        path: String,
    },
    /// The folder holds no store.
    #[error("no store in {path:?}")]
    Missing {
        /// The folder.
        path: String,
    },
    /// Too little space is left.
    #[error(
        "only {free_mb} MB free on the disk of the store, the floor is {floor_mb} MB: recording and live dealing stop"
    )]
    DiskFloor {
        /// What is left.
        free_mb: u64,
        /// What must be left.
        floor_mb: u64,
    },
    /// Another version of this program wrote it.
    #[error(
        "the store in {path:?} has layout {found}, this arena reads {read}: {}; or begin anew with another [arena] data",
        if found > read { "install the arena that wrote it, or a newer one" } else { "read it with the arena that wrote it" }
    )]
    Layout {
        /// The folder.
        path: String,
        /// Its layout.
        found: u8,
        /// Ours.
        read: u8,
    },
    /// Bytes that are no entries of this version.
    #[error("entry in lane {lane:?} cannot be read: {why}")]
    Corrupt {
        /// Where.
        lane: String,
        /// How.
        why: String,
    },
    /// The disk or the database refused.
    #[error("store failed: {0}")]
    Io(String),
}

/// Keeps the journal.
pub trait Store: Send + std::fmt::Debug {
    /// Writes a commit, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::DiskFloor`].
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError>;

    /// Returns once everything committed will survive a crash.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn flush(&mut self) -> Result<(), StoreError>;

    /// The lanes that hold anything, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn lanes(&self) -> Result<Vec<Lane>, StoreError>;

    /// The blocks of a lane from its beginning; their concatenation is the lane's entries.
    fn read(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_>;

    /// The blocks of a lane from its end to its beginning.
    fn read_back(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        let blocks: Vec<_> = self.read(lane).collect();
        Box::new(blocks.into_iter().rev())
    }

    /// How many blocks a lane has had so far, the tail behind them aside; 0 where there are no blocks.
    fn blocks(&self, _lane: Lane) -> u64 {
        0
    }

    /// The block of this number; `None` where it was deleted or never was.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn block(&self, _lane: Lane, _number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    /// Replaces blocks, or deletes them, together with a commit. A store without blocks does the commit alone.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn rewrite(&mut self, _changes: Vec<(Lane, u64, Option<Vec<u8>>)>, commit: Commit) -> Result<(), StoreError> {
        self.commit(commit)
    }

    /// A replaceable value.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The names of all records, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn records(&self) -> Result<Vec<String>, StoreError>;

    /// Bytes used on disk; 0 in memory.
    fn size_on_disk(&self) -> u64;

    /// All of it as it stands after the last commit, to be read elsewhere while this one is written on. Refuses to be
    /// written.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn snapshot(&self) -> Result<Box<dyn Store>, StoreError> {
        let mut copy = Memory::default();
        let mut commit = Commit::default();
        for lane in self.lanes()? {
            for block in self.read(lane) {
                commit.append(lane, block?);
            }
        }
        for name in self.records()? {
            let value = self.record(&name)?.unwrap_or_default();
            commit.records.push((name, value));
        }
        copy.commit(commit)?;
        Ok(Box::new(copy))
    }
}

/// Where a snapshot of a store that is written at present is to be had.
pub trait Snapshots: Send + Sync {
    /// The store as of its last commit.
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Store>, StoreError>>;

    /// The same, and every commit after it. Who is too slow misses some and is told so.
    fn follow(&self) -> BoxFuture<'_, Result<Followed, StoreError>>;
}

/// A store as of one commit that will survive a crash, and every commit after it. An empty one tells that all before it
/// will survive as well.
pub type Followed = (Box<dyn Store>, broadcast::Receiver<Arc<Commit>>);

/// Who is given a store that is written at present, to follow it on a thread of its own.
pub type Follower = Box<dyn FnOnce(Arc<dyn Snapshots>) + Send>;

/// The hash of a journal: SHA-256 over every lane in order, its key, its length, and its entries' bytes. Cutting the
/// same entries into other blocks leaves it alone. Raw quotes are left out: whether they are kept (`[feed] record`,
/// `replay --out`) changes nothing that was decided, and their bars are in it. So are signatures and what retention tells of, which a replay has not.
///
/// # Errors
/// Whatever reading fails with.
pub fn journal_hash(store: &dyn Store) -> Result<String, StoreError> {
    let mut hash = JournalHash::default();
    for lane in store.lanes()?.into_iter().filter(|lane| JournalHash::covers(*lane)) {
        for block in store.read(lane) {
            hash.take(lane, &block?);
        }
    }
    Ok(hash.finish())
}

/// The hash of a journal whose lanes come one after the other: see [`journal_hash`].
#[derive(Debug, Default)]
struct JournalHash {
    whole: Sha256,
    /// The lane at hand, its length and its bytes so far.
    lane: Option<(Lane, u64, Sha256)>,
}

impl JournalHash {
    fn covers(lane: Lane) -> bool {
        !matches!(lane, Lane::Quotes(_) | Lane::Seals | Lane::Upkeep)
    }

    fn take(&mut self, lane: Lane, block: &[u8]) {
        if !Self::covers(lane) {
            return;
        }
        if self.lane.as_ref().is_none_or(|(at, ..)| *at != lane) {
            self.end_lane();
            self.lane = Some((lane, 0, Sha256::new()));
        }
        if let Some((_, length, bytes)) = &mut self.lane {
            *length += block.len() as u64;
            bytes.update(block);
        }
    }

    fn end_lane(&mut self) {
        if let Some((lane, length, bytes)) = self.lane.take() {
            self.whole.update(lane.key());
            self.whole.update(length.to_be_bytes());
            self.whole.update(bytes.finalize());
        }
    }

    fn finish(mut self) -> String {
        self.end_lane();
        self.whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
