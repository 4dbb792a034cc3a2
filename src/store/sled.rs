//! The journal on disk, in sled.
//!
//! Everything lies in sled's default tree, told apart by the first byte of its key, because a sled batch is atomic over
//! one tree and cheap, while a transaction over several trees is optimistic and runs again on conflict:
//!
//! ```text
//! V                                       the version of this layout
//! N                                       how many blocks, the present epoch, how many slots (three u64 BE)
//! L, lane (5 bytes), number (u64 BE)      a block of whole entries
//! T, slot (u64 BE)                        what was appended to the tails of lanes (`slots.rs`)
//! R, name                                 a record, after one version byte
//! ```
//!
//! **Tails.** sled needs some 800 bytes of memory for every value, for as long as it is open. A thousand seats that each
//! append 50 bytes a round would take a gigabyte in a day if each append were a value. So what is appended to a lane
//! stays in its tail, in memory, and goes to disk packed with the tails of other lanes into a slot; when a tail is worth
//! a block, it is written as one. Slots are used from the first again, under the next epoch, when there are many: then
//! every tail becomes a block. A run in a slot names the block that its tail will become, so that one that has become
//! part of a block is not read twice.
//!
//! **Atomic and durable.** All of a commit is one batch. `N` is written by every commit, so that a store from which
//! damage took some values and not others is told apart from one that is whole. Room on the disk is made sure of first,
//! because sled keeps half of a batch that it could not write to its end (`growth.rs`). sled keeps what was committed in memory
//! of its own until [`Store::flush`]; a crash before that loses the last commits, each as a whole. Its timed flusher is
//! off: what is durable when is decided by the arena.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::growth::{Growth, free_disk_mb};
use super::slots::{Run, pack, unpack};
use super::snapshot::Snapshot;
use super::{Commit, Lane, Store, StoreError};

const KEY_VERSION: &[u8] = b"V";
const KEY_COUNTS: &[u8] = b"N";
const PREFIX_LANE: u8 = b'L';
const PREFIX_SLOT: u8 = b'T';
const PREFIX_RECORD: u8 = b'R';
/// The version of the layout, and of the byte before every record.
const LAYOUT: u8 = 1;
/// What sled names the file of its data.
const DATA_FILE: &str = "db";
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// A slot is packed to about this length. A leaf of sled holds up to 16 values and becomes a file of its own beyond
/// 128 kB, each with its own fsync, so that larger ones would cost more than they save.
const SLOT_BYTES_MAX: usize = 6 * 1024;
/// A tail of this length becomes a block.
const TAIL_BYTES_MAX: usize = 4 * 1024;
/// An epoch ends before it needs more slots than this,
const SLOTS_MAX: u64 = 2_048;
/// or when it holds more bytes than this for each lane and 4 MB besides, so that the blocks its end makes are not small.
const EPOCH_BYTES_PER_LANE: usize = 2 * 1024;
const EPOCH_BYTES: usize = 4 * 1024 * 1024;
/// sled's own threads keep the lock for a moment after a store was dropped.
const LOCK_ATTEMPTS_MAX: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A journal in a folder that one process at a time may open.
#[derive(Debug)]
pub struct Sled {
    db: sled::Db,
    path: PathBuf,
    disk_floor_mb: u64,
    /// Every lane that holds anything.
    lanes: BTreeMap<Lane, LaneState>,
    counts: Counts,
    /// Bytes in the slots of this epoch.
    epoch_bytes: usize,
    growth: Growth,
}

/// The end of a lane.
#[derive(Debug, Default)]
struct LaneState {
    /// The number of its next block.
    next: u64,
    /// Whole entries after its last block.
    tail: Vec<u8>,
}

/// What `N` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    /// Of all lanes together.
    blocks: u64,
    epoch: u64,
    /// In use in this epoch.
    slots: u64,
}

impl Counts {
    fn bytes(self) -> Vec<u8> {
        [self.blocks, self.epoch, self.slots].map(u64::to_be_bytes).concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let [blocks, epoch, slots] = numbers else { return None };
        let [blocks, epoch, slots] = [blocks, epoch, slots].map(|number| u64::from_be_bytes(*number));
        rest.is_empty().then_some(Self { blocks, epoch, slots })
    }
}

/// What a commit changes once it is written.
#[derive(Debug, Default)]
struct Outcome {
    /// Lanes whose tail became blocks, and the number of their next one.
    sealed: Vec<(Lane, u64)>,
    /// What the tails of other lanes gain.
    runs: Vec<Run>,
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
        if !dir.join(DATA_FILE).is_file() {
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
        let failed = |e: sled::Error| failed(dir, &e);
        let mut lanes: BTreeMap<Lane, LaneState> = BTreeMap::new();
        // From lane to lane by its last key: one look-up a lane, however long the lanes are.
        let mut from = vec![PREFIX_LANE];
        while let Some((key, _)) = db.range(from..vec![PREFIX_LANE + 1]).next().transpose().map_err(failed)? {
            let (lane, _) = lane_of(&key)?;
            let last = db.scan_prefix(lane_prefix(lane)).keys().next_back().transpose().map_err(failed)?;
            let (_, number) = lane_of(&last.unwrap_or(key))?;
            lanes.insert(lane, LaneState { next: number + 1, tail: Vec::new() });
            from = lane_key(lane, u64::MAX);
            from.push(0);
        }
        let corrupt = |why: &str| {
            let why = format!("{why}: its files are damaged");
            StoreError::Corrupt { lane: dir.display().to_string(), why }
        };
        let counts = match db.get(KEY_COUNTS).map_err(failed)? {
            Some(bytes) => Counts::read(&bytes).ok_or_else(|| corrupt("its counts cannot be read"))?,
            None => Counts::default(),
        };
        let held: u64 = lanes.values().map(|lane| lane.next).sum();
        if counts.blocks != held {
            return Err(corrupt(&format!("it holds {held} blocks of {}", counts.blocks)));
        }
        let mut epoch_bytes = 0;
        for slot in 0..counts.slots {
            let lost = || corrupt(&format!("slot {slot} of {} is lost", counts.slots));
            let value = db.get(slot_key(slot)).map_err(failed)?.ok_or_else(lost)?;
            epoch_bytes += value.len();
            for run in unpack(counts.epoch, &value).ok_or_else(lost)? {
                let lane = lanes.entry(run.lane).or_default();
                match run.number.cmp(&lane.next) {
                    Ordering::Less => {}
                    Ordering::Equal => lane.tail.extend_from_slice(&run.bytes),
                    Ordering::Greater => return Err(lost()),
                }
            }
        }
        let growth = Growth::of(&dir.join(DATA_FILE)).map_err(|e| StoreError::Io(format!("{}: {e}", dir.display())))?;
        Ok(Self { db, path: dir.to_owned(), disk_floor_mb, lanes, counts, epoch_bytes, growth })
    }

    /// Writes the tail of `lane` and `bytes` after it as a block; returns the number of the next one.
    fn seal(&self, lane: Lane, bytes: &[u8], batch: &mut sled::Batch) -> u64 {
        let (number, tail) = self.lanes.get(&lane).map_or((0, &[][..]), |state| (state.next, &state.tail));
        let block = if tail.is_empty() { bytes.to_vec() } else { [tail, bytes].concat() };
        if block.is_empty() {
            return number;
        }
        batch.insert(lane_key(lane, number), block);
        number + 1
    }

    /// Puts the blocks and slots of what is `appended` into `batch`.
    fn plan(&self, mut appended: BTreeMap<Lane, Vec<u8>>, batch: &mut sled::Batch) -> (Outcome, Counts, usize) {
        let state = |lane: &Lane| self.lanes.get(lane).map_or((0, 0), |state| (state.next, state.tail.len()));
        let mut outcome = Outcome::default();
        let is_block = |lane: &Lane, bytes: &Vec<u8>| state(lane).1 + bytes.len() >= TAIL_BYTES_MAX;
        let small: Vec<Lane> =
            appended.iter().filter(|(lane, bytes)| !is_block(lane, bytes)).map(|(lane, _)| *lane).collect();
        for lane in small {
            if let Some(bytes) = appended.remove(&lane) {
                outcome.runs.push(Run { lane, number: state(&lane).0, bytes });
            }
        }
        let mut counts = self.counts;
        let values = pack(counts.epoch, &outcome.runs, SLOT_BYTES_MAX);
        let mut epoch_bytes = self.epoch_bytes + values.iter().map(Vec::len).sum::<usize>();
        let most = EPOCH_BYTES + EPOCH_BYTES_PER_LANE * self.lanes.len();
        if counts.slots + values.len() as u64 > SLOTS_MAX || epoch_bytes > most {
            appended.extend(outcome.runs.drain(..).map(|run| (run.lane, run.bytes)));
            for (lane, state) in &self.lanes {
                if !state.tail.is_empty() {
                    appended.entry(*lane).or_default();
                }
            }
            counts.epoch += 1;
            counts.slots = 0;
            epoch_bytes = 0;
        } else {
            for value in values {
                batch.insert(slot_key(counts.slots), value);
                counts.slots += 1;
            }
        }
        for (lane, bytes) in &appended {
            let next = self.seal(*lane, bytes, batch);
            counts.blocks += next - state(lane).0;
            outcome.sealed.push((*lane, next));
        }
        (outcome, counts, epoch_bytes)
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

impl Sled {
    /// Commits, and in the same batch changes blocks that are there already.
    fn write(&mut self, commit: Commit, changes: Vec<(Lane, u64, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (lane, number, block) in changes {
            match block {
                Some(block) => batch.insert(lane_key(lane, number), block),
                None => batch.remove(lane_key(lane, number)),
            }
        }
        let mut appended: BTreeMap<Lane, Vec<u8>> = BTreeMap::new();
        for (lane, bytes) in commit.blocks {
            match appended.entry(lane) {
                Entry::Vacant(vacant) => drop(vacant.insert(bytes)),
                Entry::Occupied(mut known) => known.get_mut().extend_from_slice(&bytes),
            }
        }
        for (name, value) in &commit.records {
            let mut bytes = Vec::with_capacity(value.len() + 1);
            bytes.push(LAYOUT);
            bytes.extend_from_slice(value);
            batch.insert(record_key(name), bytes);
        }
        // Its own bytes, and the tails: the end of an epoch makes blocks of them all.
        let tails = self.lanes.values().map(|lane| lane.tail.len());
        let own = appended.values().map(Vec::len).chain(commit.records.iter().map(|(_, value)| value.len()));
        let bytes = own.chain(tails).sum::<usize>() as u64;
        self.growth.reserve(bytes).map_err(|e| StoreError::Io(format!("{}: {e}", self.path.display())))?;
        let (outcome, counts, epoch_bytes) = self.plan(appended, &mut batch);
        batch.insert(KEY_COUNTS, counts.bytes());
        self.db.apply_batch(batch).map_err(|e| failed(&self.path, &e))?;
        // Only now, so that a commit that failed changes nothing here either.
        for (lane, next) in outcome.sealed {
            let state = self.lanes.entry(lane).or_default();
            state.next = next;
            // Not kept: seats rarely append at the same pace, and a tail's memory is soon needed by another.
            state.tail = Vec::new();
        }
        for run in outcome.runs {
            self.lanes.entry(run.lane).or_default().tail.extend_from_slice(&run.bytes);
        }
        self.counts = counts;
        self.epoch_bytes = epoch_bytes;
        Ok(())
    }
}

impl Store for Sled {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        if commit.is_empty() {
            return Ok(());
        }
        self.check_floor()?;
        self.write(commit, Vec::new())
    }

    fn blocks(&self, lane: Lane) -> u64 {
        self.lanes.get(&lane).map_or(0, |state| state.next)
    }

    fn block(&self, lane: Lane, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let block = self.db.get(lane_key(lane, number)).map_err(|e| failed(&self.path, &e))?;
        Ok(block.map(|bytes| bytes.to_vec()))
    }

    fn rewrite(&mut self, changes: Vec<(Lane, u64, Option<Vec<u8>>)>, commit: Commit) -> Result<(), StoreError> {
        // Whoever makes room is not kept from it by too little of it.
        self.write(commit, changes)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.db.flush().map(drop).map_err(|e| failed(&self.path, &e))
    }

    fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let held = self.lanes.iter().filter(|(_, state)| state.next > 0 || !state.tail.is_empty());
        Ok(held.map(|(lane, _)| *lane).collect())
    }

    fn read(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        let blocks = self.db.scan_prefix(lane_prefix(lane)).values();
        let tail = self.lanes.get(&lane).map(|state| &state.tail).filter(|tail| !tail.is_empty());
        let blocks = blocks.map(|block| block.map(|bytes| bytes.to_vec()).map_err(|e| failed(&self.path, &e)));
        Box::new(blocks.chain(tail.map(|tail| Ok(tail.clone()))))
    }

    fn read_back(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        let blocks = self.db.scan_prefix(lane_prefix(lane)).values().rev();
        let tail = self.lanes.get(&lane).map(|state| &state.tail).filter(|tail| !tail.is_empty());
        let blocks = blocks.map(|block| block.map(|bytes| bytes.to_vec()).map_err(|e| failed(&self.path, &e)));
        Box::new(tail.map(|tail| Ok(tail.clone())).into_iter().chain(blocks))
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

    fn records(&self) -> Result<Vec<String>, StoreError> {
        let name = |key: Result<sled::IVec, sled::Error>| {
            let key = key.map_err(|e| failed(&self.path, &e))?;
            Ok(String::from_utf8_lossy(&key[1..]).into_owned())
        };
        self.db.scan_prefix([PREFIX_RECORD]).keys().map(name).collect()
    }

    fn snapshot(&self) -> Result<Box<dyn Store>, StoreError> {
        let records = self.records()?.into_iter();
        let records = records.map(|name| {
            let value = self.record(&name)?.unwrap_or_default();
            Ok((name, value))
        });
        let lanes = self.lanes.iter().map(|(lane, state)| (*lane, (state.next, state.tail.clone())));
        Ok(Box::new(Snapshot {
            db: self.db.clone(),
            path: self.path.clone(),
            lanes: lanes.collect(),
            records: records.collect::<Result<_, StoreError>>()?,
        }))
    }

    fn size_on_disk(&self) -> u64 {
        // A gauge: where the folder cannot be read this moment, there is nothing to show.
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// sled writes its settings before it makes the file of its data, and not at once: whoever is killed in between leaves
/// settings that sled takes for damage. Without data they settle nothing, and are made anew.
fn forget_a_beginning(dir: &Path) -> Result<(), StoreError> {
    let settings = dir.join("conf");
    if dir.join(DATA_FILE).exists() || !settings.exists() {
        return Ok(());
    }
    fs::remove_file(&settings).map_err(|e| StoreError::Io(format!("{}: {e}", settings.display())))
}

fn open_db(dir: &Path) -> Result<sled::Db, StoreError> {
    forget_a_beginning(dir)?;
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
    let found = version.first().copied().unwrap_or_default();
    Err(StoreError::Layout { path: dir.display().to_string(), found, read: LAYOUT })
}

pub(super) fn failed(path: &Path, error: &sled::Error) -> StoreError {
    let why = match error {
        // sled hands some errors of the system on as programmers print them.
        sled::Error::Io(io) if io.to_string().contains("Os {") => io.kind().to_string(),
        error => error.to_string(),
    };
    StoreError::Io(format!("{}: {why}", path.display()))
}

fn lane_prefix(lane: Lane) -> [u8; 6] {
    let mut prefix = [PREFIX_LANE; 6];
    prefix[1..].copy_from_slice(&lane.key());
    prefix
}

fn slot_key(slot: u64) -> Vec<u8> {
    let mut key = vec![PREFIX_SLOT];
    key.extend_from_slice(&slot.to_be_bytes());
    key
}

pub(super) fn lane_key(lane: Lane, number: u64) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_whose_making_was_cut_short_anywhere_is_made_again() {
        let whole = tempfile::tempdir().unwrap();
        drop(Sled::open(whole.path(), 0).unwrap());
        let settings = fs::read(whole.path().join("conf")).unwrap();
        for length in 0..=settings.len() {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("conf"), &settings[..length]).unwrap();
            let store = Sled::open(dir.path(), 0);
            assert!(store.is_ok(), "{length} of {} bytes: {:?}", settings.len(), store.err());
        }
    }

    #[test]
    fn settings_that_are_damaged_beside_data_are_told() {
        let dir = tempfile::tempdir().unwrap();
        drop(Sled::open(dir.path(), 0).unwrap());
        let settings = fs::read(dir.path().join("conf")).unwrap();
        fs::write(dir.path().join("conf"), &settings[..settings.len() / 2]).unwrap();
        Sled::open(dir.path(), 0).unwrap_err();
        assert!(dir.path().join("conf").exists(), "nothing is thrown away");
    }
}
