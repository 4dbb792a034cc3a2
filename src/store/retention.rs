//! What a store that runs for months may forget: raw quotes and predictions, by age and by size.
//!
//! Nothing else is ever deleted: orders and trades are the evidence, bars are what decisions rest on. Whole blocks of
//! quotes go; predictions are taken out of the blocks that hold them, and the other entries stay byte by byte. What was
//! deleted is told in a lane of its own ([`super::Lane::Upkeep`]) in the same commit, with the hash of the deleted bytes,
//! so that a backup can still be held against it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::entry::{SeatEntry, UpkeepEntry, decode, encode, encode_seat};
use super::views::{HEAD, Head, read_record};
use super::{Commit, Lane, Store, StoreError};
use crate::domain::{Micros, Tick, UtcMicros};

/// The record of how far each lane was gone through, as JSON.
const PROGRESS: &str = "upkeep";
/// Blocks looked at in one pass, so that no bar waits long.
const BLOCKS_MAX: usize = 256;
/// Blocks by which the size of a lane is estimated.
const SAMPLE: usize = 16;
const MB: f64 = 1e6;

/// How much is kept. What is not given is kept for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Quotes older than this, in event time, go.
    pub quotes_max_age: Option<Micros>,
    /// The oldest quotes go when all of them take more, in MB of 1,000,000 bytes; about.
    pub quotes_max_mb: Option<u64>,
    /// Predictions older than this go.
    pub predictions_max_age: Option<Micros>,
    /// The oldest predictions go when the candidates' lanes take more.
    pub predictions_max_mb: Option<u64>,
}

impl Retention {
    /// Whether everything is kept.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Forgets what is beyond its time, some blocks at a time; whether there may be more to do.
    ///
    /// # Errors
    /// Whatever reading and writing fails with.
    pub fn apply(&self, store: &mut dyn Store) -> Result<bool, StoreError> {
        let Some(now) = read_record::<Head>(store, HEAD)?.and_then(|head| head.time) else { return Ok(false) };
        let mut pass = Pass {
            now,
            progress: read_record(store, PROGRESS)?.unwrap_or_default(),
            left: BLOCKS_MAX,
            changes: Vec::new(),
            notes: Vec::new(),
        };
        let lanes = store.lanes()?;
        let quotes: Vec<Lane> = lanes.iter().copied().filter(|lane| matches!(lane, Lane::Quotes(_))).collect();
        let seats: Vec<Lane> = lanes.into_iter().filter(|lane| matches!(lane, Lane::Seat(_))).collect();
        pass.go_through(store, &quotes, self.quotes_max_age, self.quotes_max_mb, cut_quotes)?;
        pass.go_through(store, &seats, self.predictions_max_age, self.predictions_max_mb, cut_predictions)?;
        let is_full = pass.left == 0;
        pass.commit(store)?;
        Ok(is_full)
    }
}

/// What becomes of a block.
enum Cut {
    /// It and all after it stay.
    Stop,
    /// There is nothing to take out of it.
    Keep,
    /// It is deleted, or what is left of it written in its place.
    Out { left: Option<Vec<u8>>, entries: u64, from: UtcMicros, to: UtcMicros, bytes: Vec<u8> },
}

type CutFn = fn(Lane, &[u8], UtcMicros) -> Result<Cut, StoreError>;

struct Pass {
    now: UtcMicros,
    /// The first block of each lane that was not gone through yet.
    progress: BTreeMap<String, u64>,
    left: usize,
    changes: Vec<(Lane, u64, Option<Vec<u8>>)>,
    notes: Vec<UpkeepEntry>,
}

impl Pass {
    fn go_through(
        &mut self,
        store: &dyn Store,
        lanes: &[Lane],
        max_age: Option<Micros>,
        max_mb: Option<u64>,
        cut: CutFn,
    ) -> Result<(), StoreError> {
        if max_age.is_none() && max_mb.is_none() {
            return Ok(());
        }
        let oldest = max_age.map_or(UtcMicros(i64::MIN), |age| self.now - age);
        let surplus = match max_mb {
            None => BTreeMap::new(),
            Some(max_mb) => self.surplus(store, lanes, max_mb)?,
        };
        for lane in lanes {
            let mut too_much = surplus.get(lane).copied().unwrap_or(0);
            self.lane(store, *lane, oldest, &mut too_much, cut)?;
        }
        Ok(())
    }

    /// How many of the oldest blocks of each lane are beyond the size that is kept, each lane giving its share.
    fn surplus(&self, store: &dyn Store, lanes: &[Lane], max_mb: u64) -> Result<BTreeMap<Lane, u64>, StoreError> {
        let mut sizes = Vec::new();
        for lane in lanes {
            let blocks = store.blocks(*lane).saturating_sub(self.from(*lane));
            let mut sample = Vec::new();
            for block in store.read_back(*lane).take(SAMPLE) {
                sample.push(block?.len() as f64);
            }
            let mean = sample.iter().sum::<f64>() / sample.len().max(1) as f64;
            sizes.push((*lane, blocks, mean * blocks as f64));
        }
        let all: f64 = sizes.iter().map(|(.., bytes)| bytes).sum();
        let share = (1.0 - max_mb as f64 * MB / all.max(1.0)).max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a number of blocks")]
        let part = |blocks: u64| (blocks as f64 * share).ceil() as u64;
        Ok(sizes.into_iter().map(|(lane, blocks, _)| (lane, part(blocks))).collect())
    }

    fn from(&self, lane: Lane) -> u64 {
        self.progress.get(&format!("{lane:?}")).copied().unwrap_or(0)
    }

    fn lane(
        &mut self,
        store: &dyn Store,
        lane: Lane,
        oldest: UtcMicros,
        too_much: &mut u64,
        cut: CutFn,
    ) -> Result<(), StoreError> {
        let next = store.blocks(lane);
        let mut told = Told::default();
        let mut at = self.from(lane);
        // The last block stays: it is how the store knows how many there were.
        while at + 1 < next && self.left > 0 {
            let before = if *too_much > 0 { UtcMicros(i64::MAX) } else { oldest };
            let Some(block) = store.block(lane, at)? else {
                at += 1;
                continue;
            };
            self.left -= 1;
            match cut(lane, &block, before)? {
                Cut::Stop => break,
                Cut::Keep => {}
                Cut::Out { left, entries, from, to, bytes } => {
                    told.take(entries, from, to, &bytes);
                    self.changes.push((lane, at, left));
                }
            }
            *too_much = too_much.saturating_sub(1);
            at += 1;
        }
        if at != self.from(lane) {
            self.progress.insert(format!("{lane:?}"), at);
        }
        if let Some((from, to)) = told.span {
            self.notes.push(UpkeepEntry::Deleted {
                time: self.now,
                lane,
                entries: told.entries,
                bytes: told.bytes,
                from,
                to,
                sha256: told.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            });
        }
        Ok(())
    }

    fn commit(self, store: &mut dyn Store) -> Result<(), StoreError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for note in &self.notes {
            tracing::info!(deleted = note.sentence(), "retention");
            encode(note, &mut bytes);
        }
        let mut commit = Commit::default();
        commit.append(Lane::Upkeep, bytes);
        let progress = serde_json::to_vec(&self.progress).map_err(|error| StoreError::Io(error.to_string()))?;
        commit.records.push((PROGRESS.to_owned(), progress));
        store.rewrite(self.changes, commit)?;
        store.flush()
    }
}

/// What was taken out of a lane.
#[derive(Default)]
struct Told {
    entries: u64,
    bytes: u64,
    span: Option<(UtcMicros, UtcMicros)>,
    hash: Sha256,
}

impl Told {
    fn take(&mut self, entries: u64, from: UtcMicros, to: UtcMicros, bytes: &[u8]) {
        self.entries += entries;
        self.bytes += bytes.len() as u64;
        self.span = Some(self.span.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
        self.hash.update(bytes);
    }
}

/// A block of quotes goes when all of it is old enough.
fn cut_quotes(lane: Lane, block: &[u8], before: UtcMicros) -> Result<Cut, StoreError> {
    let ticks: Vec<Tick> = decode(lane, block)?;
    let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else { return Ok(Cut::Keep) };
    if last.time >= before {
        return Ok(Cut::Stop);
    }
    let (from, to) = (first.time, last.time);
    Ok(Cut::Out { left: None, entries: ticks.len() as u64, from, to, bytes: block.to_vec() })
}

/// Predictions are taken out from among orders and trades.
fn cut_predictions(lane: Lane, block: &[u8], before: UtcMicros) -> Result<Cut, StoreError> {
    let (mut left, mut out) = (Vec::new(), Vec::new());
    let (mut entries, mut from, mut to) = (0, UtcMicros(i64::MAX), UtcMicros(i64::MIN));
    for entry in decode::<SeatEntry>(lane, block)? {
        match entry {
            SeatEntry::Predicted { time, .. } | SeatEntry::Estimated { time, .. } => {
                if time >= before {
                    return Ok(Cut::Stop);
                }
                entries += 1;
                (from, to) = (from.min(time), to.max(time));
                encode_seat(&entry, &mut out);
            }
            other => encode_seat(&other, &mut left),
        }
    }
    Ok(if entries == 0 { Cut::Keep } else { Cut::Out { left: Some(left), entries, from, to, bytes: out } })
}
