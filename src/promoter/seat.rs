//! What the promoter keeps of each candidate, content and name.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::slots::SlotPlace;
use crate::domain::{ContentHash, Micros, ModelId, Money, SeatIdx, UtcMicros};
use crate::flow::State;

/// One episode as evidence keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scored {
    pub number: u64,
    pub opened: UtcMicros,
    pub closed: UtcMicros,
    pub profit: Money,
    pub rho_micros: f64,
    pub x: f64,
}

/// An operator's promotion that waits for the seat to be flat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub reason: String,
    pub is_override: bool,
}

/// One registered candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seat {
    pub model: ModelId,
    pub content_hash: ContentHash,
    pub floor_r: f64,
    pub generation: u32,
    pub state: State,
    /// When its number was given out.
    pub registered: UtcMicros,
    /// Episodes opened before this count for nothing.
    pub since: UtcMicros,
    pub place: Option<SlotPlace>,
    /// Whether the place is still its own.
    pub is_in_slot: bool,
    pub evidence: Evidence,
    pub first_opened: Option<UtcMicros>,
    pub last_active_day: Option<i64>,
    pub active_days: u32,
    /// The last episode that was handed in, counted or not: nothing is taken twice.
    pub last_number: u64,
    pub range: Option<(u64, u64)>,
    pub confirmed: u32,
    /// Its content once broke the floor.
    pub is_barred: bool,
    /// An operator once moved it to live against the gates.
    pub is_overridden: bool,
    pub pending: Option<Pending>,
    /// Episodes counted and the fast bound at that number.
    #[serde(skip)]
    pub lcb95: Cell<Option<(u64, f64)>>,
    /// Kept while it has a place, for the audit record.
    #[serde(skip)]
    pub episodes: Vec<Scored>,
}

impl Seat {
    /// Whether an episode counts for the evidence of this generation.
    pub(super) fn counts(&self, opened: UtcMicros) -> bool {
        opened >= self.since
    }

    /// The fast lower bound at 95 %, computed once for each number of episodes.
    pub(super) fn lcb95(&self) -> f64 {
        let n = self.evidence.n();
        match self.lcb95.get() {
            Some((at, bound)) if at == n => bound,
            _ => {
                let bound = self.evidence.lcb_fast(0.05);
                self.lcb95.set(Some((n, bound)));
                bound
            }
        }
    }

    /// Episodes a day of event time since the first was opened.
    pub(super) fn per_day(&self, time: UtcMicros) -> Option<f64> {
        days(self.first_opened?, time).filter(|days| *days > 0.0).map(|days| self.evidence.n() as f64 / days)
    }

    /// What those that are ready are ordered by.
    pub(super) fn lcb95_r_per_day(&self, time: UtcMicros) -> f64 {
        self.per_day(time).map_or(f64::NEG_INFINITY, |per_day| self.lcb95() * per_day)
    }
}

/// All that is the same for one name and content, whenever it is registered.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Identity {
    pub next_generation: u32,
    pub is_barred: bool,
    pub is_overridden: bool,
}

/// All that is the same for one name, whatever its content.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Lineage {
    pub latest: SeatIdx,
    pub demotions: u32,
    pub demoted: Option<UtcMicros>,
}

/// Days of 86,400 s from `from` to `to`.
pub(super) fn days(from: UtcMicros, to: UtcMicros) -> Option<f64> {
    to.0.checked_sub(from.0).map(|micros| micros as f64 / Micros::DAY.0 as f64)
}
