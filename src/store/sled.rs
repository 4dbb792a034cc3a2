//! The journal on disk, in sled.
//!
//! Everything lies in sled's default tree, told apart by the first byte of its key, because a sled batch is atomic over
//! one tree and cheap, while a transaction over several trees is optimistic and runs again on conflict:
//!
//! ```text
//! V                                       the version of this layout
//! N                                       the blocks of all lanes together (u64 BE)
//! L, lane (5 bytes), number (u64 BE)      a block of whole entries
//! R, name                                 a record, after one version byte
//! ```
//!
//! `N` is written by every commit, so that a store from which damage took some blocks and not others is told apart from
//! one that is whole. sled keeps what was committed in memory of its own until [`Store::flush`]; a crash before that loses the last commits,
//! each as a whole. Its timed flusher is off: what is durable when is decided by the arena.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Commit, Lane, Store, StoreError};

const KEY_VERSION: &[u8] = b"V";
const KEY_BLOCKS: &[u8] = b"N";
const PREFIX_LANE: u8 = b'L';
const PREFIX_RECORD: u8 = b'R';
/// The version of the layout, and of the byte before every record.
const LAYOUT: u8 = 1;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Blocks are cut near this length. A leaf of sled holds up to 16 values and becomes a file of its own beyond 128 kB,
/// each with its own fsync, so that larger blocks would cost more than they save.
const BLOCK_BYTES_MAX: usize = 6 * 1024;
/// sled's own threads keep the lock for a moment after a store was dropped.
const LOCK_ATTEMPTS_MAX: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A journal in a folder that one process at a time may open.
#[derive(Debug)]
pub struct Sled {
    db: sled::Db,
    path: PathBuf,
    disk_floor_mb: u64,
    /// The number of the next block of each lane that holds anything.
    next: BTreeMap<Lane, u64>,
    /// The blocks of all lanes together.
    blocks: u64,
}

impl Sled {
    /// Opens the store in `dir`, made where there is none. Commits fail while less than `disk_floor_mb` MB (of 1,000,000
    /// bytes) are free on its disk; 0 asks for no floor.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process (or another value in this one) holds it, [`StoreError::Corrupt`] for
    /// the layout of another version, [`StoreError::Io`] for what the disk or the database says.
    pub fn open(dir: &Path, disk_floor_mb: u64) -> Result<Self, StoreError> {
        guarded(dir, || Self::open_or_make(dir, disk_floor_mb))
    }

    fn open_or_make(dir: &Path, disk_floor_mb: u64) -> Result<Self, StoreError> {
        let db = open_db(dir)?;
        match db.get(KEY_VERSION).map_err(|e| failed(dir, &e))? {
            Some(version) => check_version(dir, &version)?,
            None if db.is_empty() => {
                db.insert(KEY_VERSION, &[LAYOUT]).map_err(|e| failed(dir, &e))?;
                db.flush().map_err(|e| failed(dir, &e))?;
            }
            None => return Err(StoreError::Missing { path: dir.display().to_string() }),
        }
        Self::at_rest(db, dir, disk_floor_mb)
    }

    /// Opens the store that is in `dir` already, without a floor of free space.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where there is none, and those of [`Sled::open`].
    pub fn open_existing(dir: &Path) -> Result<Self, StoreError> {
        let missing = || StoreError::Missing { path: dir.display().to_string() };
        // Asked first, because opening sled anywhere else would leave its files there.
        if !dir.join("db").is_file() || !dir.join("conf").is_file() {
            return Err(missing());
        }
        guarded(dir, || {
            let db = open_db(dir)?;
            let version = db.get(KEY_VERSION).map_err(|e| failed(dir, &e))?.ok_or_else(missing)?;
            check_version(dir, &version)?;
            Self::at_rest(db, dir, 0)
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn at_rest(db: sled::Db, dir: &Path, disk_floor_mb: u64) -> Result<Self, StoreError> {
        let mut next = BTreeMap::new();
        // From lane to lane by its last key: one look-up a lane, however long the lanes are.
        let mut from = vec![PREFIX_LANE];
        while let Some((key, _)) =
            db.range(from.clone()..vec![PREFIX_LANE + 1]).next().transpose().map_err(|e| failed(dir, &e))?
        {
            let (lane, _) = lane_of(&key)?;
            let last = db.scan_prefix(lane_prefix(lane)).keys().next_back().transpose().map_err(|e| failed(dir, &e))?;
            let (_, number) = lane_of(&last.unwrap_or(key))?;
            next.insert(lane, number + 1);
            from = lane_key(lane, u64::MAX);
            from.push(0);
        }
        let held: u64 = next.values().sum();
        let counted = db.get(KEY_BLOCKS).map_err(|e| failed(dir, &e))?;
        let counted = counted.map_or(Some(0), |bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)));
        if counted != Some(held) {
            let why = format!("it holds {held} blocks and counted {counted:?}: its files are damaged");
            return Err(StoreError::Corrupt { lane: dir.display().to_string(), why });
        }
        Ok(Self { db, path: dir.to_owned(), disk_floor_mb, next, blocks: held })
    }

    fn check_floor(&self) -> Result<(), StoreError> {
        if self.disk_floor_mb == 0 {
            return Ok(());
        }
        match free_disk_mb(&self.path) {
            Some(free_mb) if free_mb < self.disk_floor_mb => {
                Err(StoreError::DiskFloor { free_mb, floor_mb: self.disk_floor_mb })
            }
            _ => Ok(()),
        }
    }
}

impl Store for Sled {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        if commit.is_empty() {
            return Ok(());
        }
        self.check_floor()?;
        let mut batch = sled::Batch::default();
        let mut next = BTreeMap::new();
        let mut blocks = self.blocks;
        for (lane, bytes) in &commit.blocks {
            let number = next.entry(*lane).or_insert_with(|| self.next.get(lane).copied().unwrap_or(0));
            for block in blocks_of(bytes) {
                batch.insert(lane_key(*lane, *number), block);
                *number += 1;
                blocks += 1;
            }
        }
        for (name, value) in &commit.records {
            let mut bytes = Vec::with_capacity(value.len() + 1);
            bytes.push(LAYOUT);
            bytes.extend_from_slice(value);
            batch.insert(record_key(name), bytes);
        }
        batch.insert(KEY_BLOCKS, &blocks.to_be_bytes());
        self.db.apply_batch(batch).map_err(|e| failed(&self.path, &e))?;
        // Only now, so that a commit that failed leaves no hole in the numbers.
        self.next.extend(next);
        self.blocks = blocks;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.db.flush().map(drop).map_err(|e| failed(&self.path, &e))
    }

    fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        Ok(self.next.iter().filter(|(_, next)| **next > 0).map(|(lane, _)| *lane).collect())
    }

    fn read(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        let blocks = self.db.scan_prefix(lane_prefix(lane)).values();
        Box::new(blocks.map(|block| block.map(|bytes| bytes.to_vec()).map_err(|e| failed(&self.path, &e))))
    }

    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.db.get(record_key(name)).map_err(|e| failed(&self.path, &e))? else { return Ok(None) };
        match bytes.split_first() {
            Some((&LAYOUT, value)) => Ok(Some(value.to_vec())),
            _ => Err(StoreError::Corrupt {
                lane: format!("record {name}"),
                why: format!("its first byte is not version {LAYOUT}"),
            }),
        }
    }

    fn size_on_disk(&self) -> u64 {
        // A gauge: where the folder cannot be read this moment, there is nothing to show.
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// Free space for us on the disk of `path`, in MB of 1,000,000 bytes; `None` where the system does not tell.
#[must_use]
pub fn free_disk_mb(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) / 1_000_000)
}

fn open_db(dir: &Path) -> Result<sled::Db, StoreError> {
    let mut attempt = 1;
    loop {
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        match config.open() {
            Ok(db) => return Ok(db),
            // sled gives a lock that is taken no kind of its own; the contract test pins the wording.
            Err(sled::Error::Io(e)) if e.to_string().contains("could not acquire lock") => {
                if attempt == LOCK_ATTEMPTS_MAX {
                    return Err(StoreError::InUse { path: dir.display().to_string() });
                }
                attempt += 1;
                thread::sleep(LOCK_PAUSE);
            }
            Err(e) => return Err(failed(dir, &e)),
        }
    }
}

/// Turns a panic of sled into an error: it has some over files that were damaged at rest, all while it recovers them.
fn guarded(dir: &Path, open: impl FnOnce() -> Result<Sled, StoreError>) -> Result<Sled, StoreError> {
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
        let lane = dir.display().to_string();
        Err(StoreError::Corrupt { lane, why: "its files are damaged beyond recovery".to_owned() })
    })
}

fn check_version(dir: &Path, version: &[u8]) -> Result<(), StoreError> {
    if version == [LAYOUT] {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        lane: dir.display().to_string(),
        why: format!("its layout is version {version:?}, this arena reads {LAYOUT}"),
    })
}

fn failed(path: &Path, error: &sled::Error) -> StoreError {
    StoreError::Io(format!("{}: {error}", path.display()))
}

fn lane_prefix(lane: Lane) -> [u8; 6] {
    let mut prefix = [PREFIX_LANE; 6];
    prefix[1..].copy_from_slice(&lane.key());
    prefix
}

fn lane_key(lane: Lane, number: u64) -> Vec<u8> {
    let mut key = lane_prefix(lane).to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn lane_of(key: &[u8]) -> Result<(Lane, u64), StoreError> {
    let parsed = || {
        let number = key.get(6..)?.try_into().ok()?;
        Some((Lane::from_key(key.get(1..6)?)?, u64::from_be_bytes(number)))
    };
    parsed().ok_or_else(|| StoreError::Corrupt { lane: format!("{key:?}"), why: "not a key of this layout".to_owned() })
}

fn record_key(name: &str) -> Vec<u8> {
    let mut key = vec![PREFIX_RECORD];
    key.extend_from_slice(name.as_bytes());
    key
}

/// Cuts a run of whole entries into blocks of whole entries; what does not look like entries stays in one piece.
fn blocks_of(bytes: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let length = bytes[at..].first_chunk::<4>().map(|head| u32::from_le_bytes(*head) as usize);
        let end = length.and_then(|length| at.checked_add(4)?.checked_add(length)).filter(|end| *end <= bytes.len());
        let Some(end) = end else { return vec![bytes] };
        if end - from > BLOCK_BYTES_MAX && at > from {
            blocks.push(&bytes[from..at]);
            from = at;
        }
        at = end;
    }
    if from < bytes.len() {
        blocks.push(&bytes[from..]);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(length: u32) -> Vec<u8> {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.resize(4 + length as usize, 7);
        bytes
    }

    #[test]
    fn blocks_are_cut_between_entries_alone() {
        let small: Vec<u8> = (0..1_000).flat_map(|_| entry(30)).collect();
        let blocks = blocks_of(&small);
        assert_eq!(blocks.concat(), small);
        assert!(blocks.len() > 4, "{} blocks", blocks.len());
        for block in &blocks {
            assert!(block.len() <= BLOCK_BYTES_MAX && block.len() % 34 == 0, "{}", block.len());
        }

        let large = [entry(10), entry(100_000), entry(10)].concat();
        let lengths: Vec<_> = blocks_of(&large).iter().map(|block| block.len()).collect();
        assert_eq!(lengths, [14, 100_004, 14]);
    }

    #[test]
    fn what_is_no_entry_stays_in_one_piece() {
        for bytes in [&b"abc"[..], b"\xff\xff\xff\xff\x01", &[entry(9_000), b"x".to_vec()].concat()] {
            assert_eq!(blocks_of(bytes), [bytes]);
        }
        assert!(blocks_of(b"").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_cut_concatenates_to_the_same(lengths in proptest::collection::vec(0u32..9_000, 0..20)) {
            let bytes: Vec<u8> = lengths.into_iter().flat_map(entry).collect();
            proptest::prop_assert_eq!(blocks_of(&bytes).concat(), bytes);
        }
    }
}
