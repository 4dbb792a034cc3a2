//! What the promoter keeps of each candidate, content and name.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, FUTILITY_LEVEL};
use super::gates::threshold;
use super::reign::Reign;
use super::slots::SlotPlace;
use crate::config::{EvidenceUnit, PromotionConfig};
use crate::domain::{ContentHash, Micros, ModelId, Money, SeatIdx, UtcMicros};
use crate::flow::State;
use crate::statistics::performance::top_share;
use crate::statistics::sharpe::effective_number;

/// One outcome as evidence keeps it; of a round the number is its day.
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
    pub cap_r: f64,
    /// Its market: one champion each.
    pub market: String,
    /// Its risk unit, in millionths of the currency.
    pub rho_micros: f64,
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
    pub last_closed: Option<UtcMicros>,
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
    /// It was retired for want of prospects, not by anybody's word.
    pub is_futile: bool,
    pub pending: Option<Pending>,
    /// What closed on the present trading day, in R; an outcome that was not finite spoils the day.
    pub today: f64,
    /// What is open, where rounds are the unit of evidence.
    pub open: Open,
    /// What each trading day since its evidence began brought.
    pub daily: Vec<f64>,
    /// The earlier candidate whose outcomes it repeats.
    pub copy_of: Option<SeatIdx>,
    /// While it is live.
    pub reign: Option<Box<Reign>>,
    /// Outcomes counted, and what costs time to tell of them.
    #[serde(skip)]
    pub told: Cell<Told>,
    /// Kept while it has a place, for the audit record.
    #[serde(skip)]
    pub episodes: Vec<Scored>,
}

/// What an open position stands at, in R, by the ends of trading days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    /// At the end of the last round: in evidence already.
    pub then: f64,
    /// At the last close of the present trading day.
    pub now: f64,
    /// At the last close after it: the next round's.
    pub later: Option<f64>,
}

/// Figures that take longer than a step, each with the number of outcomes that it was told of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    lcb95: Option<(u64, f64)>,
    lcb_family: Option<(u64, f64)>,
    top_share: Option<(u64, f64)>,
    ucb95: Option<(u64, f64)>,
    effective: Option<(u64, f64)>,
}

impl Seat {
    /// Whether an episode counts for the evidence of this generation.
    pub(super) fn counts(&self, opened: UtcMicros) -> bool {
        opened >= self.since
    }

    /// The fast lower bound at 95 %, computed once for each number of episodes.
    pub(super) fn lcb95(&self) -> f64 {
        let (n, told) = (self.evidence.n(), self.told.get());
        match told.lcb95 {
            Some((at, bound)) if at == n => bound,
            _ => {
                let bound = self.evidence.lcb_fast(0.05);
                self.told.set(Told { lcb95: Some((n, bound)), ..told });
                bound
            }
        }
    }

    /// The lower bound at the level of the gate, `alpha · s / M`, as G8 looks at it. Where the evidence does not pass,
    /// the fast one says the same of the gate as the exact one: both lie below what the evidence is played against.
    /// Where it passes, the bound is at least that; more is asked for by a `min_lcb_r` above it alone, and then the
    /// exact one is told, from every outcome.
    pub(super) fn lcb_family(&self, config: &PromotionConfig) -> Option<f64> {
        let level = family_level(config, self.evidence.start_wealth()?);
        let (n, told) = (self.evidence.n(), self.told.get());
        let bound = match told.lcb_family {
            Some((at, bound)) if at == n => bound,
            _ => {
                let is_passed = self.evidence.log_wealth()? >= threshold(config);
                let bound = match is_passed {
                    true if config.min_lcb_r > config.null_edge_r => self.evidence.lcb_exact(level, &self.xs()),
                    true => self.evidence.lcb_fast(level).max(config.null_edge_r),
                    false => self.evidence.lcb_fast(level),
                };
                self.told.set(Told { lcb_family: Some((n, bound)), ..told });
                bound
            }
        };
        // After a breach of the floor no bound holds.
        Some(bound).filter(|bound| bound.is_finite() && !self.evidence.is_breached())
    }

    /// What the largest hundredth of the wins brought; `None` where outcomes are not kept, and without a win.
    pub(super) fn top_share(&self) -> Option<f64> {
        let (n, told) = (self.evidence.n(), self.told.get());
        let share = match told.top_share {
            Some((at, share)) if at == n => share,
            _ => {
                let share = top_share(&self.xs());
                self.told.set(Told { top_share: Some((n, share)), ..told });
                share
            }
        };
        Some(share).filter(|share| share.is_finite())
    }

    /// The upper bound at 95 %; `None` where nothing is known.
    pub(super) fn ucb95(&self) -> Option<f64> {
        let (n, told) = (self.evidence.n(), self.told.get());
        let bound = match told.ucb95 {
            Some((at, bound)) if at == n => bound,
            _ => {
                let bound = self.evidence.ucb_fast(FUTILITY_LEVEL);
                self.told.set(Told { ucb95: Some((n, bound)), ..told });
                bound
            }
        };
        Some(bound).filter(|bound| n > 0 && *bound < self.evidence.cap_r())
    }

    /// Episodes that would tell as much if none resembled the ones before it; `None` where outcomes are not kept.
    pub(super) fn effective_episodes(&self) -> Option<f64> {
        let (n, told) = (self.evidence.n(), self.told.get());
        let number = match told.effective {
            Some((at, number)) if at == n => number,
            _ => {
                let number = effective_number(&self.xs());
                self.told.set(Told { effective: Some((n, number)), ..told });
                number
            }
        };
        Some(number).filter(|_| n > 0 && self.episodes.len() as u64 == n)
    }

    /// Forgets what was told: keys changed.
    pub(super) fn untell(&self) {
        self.told.set(Told::default());
    }

    /// Every outcome that was kept.
    pub(super) fn xs(&self) -> Vec<f64> {
        self.episodes.iter().map(|episode| episode.x).collect()
    }

    /// Episodes a day of event time since the first was opened.
    pub(super) fn per_day(&self, time: UtcMicros) -> Option<f64> {
        days(self.first_opened?, time).filter(|days| *days > 0.0).map(|days| self.evidence.n() as f64 / days)
    }

    /// What those that are ready are ordered by.
    pub(super) fn lcb95_r_per_day(&self, time: UtcMicros) -> f64 {
        self.per_day(time).map_or(f64::NEG_INFINITY, |per_day| self.lcb95() * per_day)
    }

    /// Begins anew: no evidence, nothing counted, from `since` on.
    pub(super) fn begin_anew(&mut self, config: &PromotionConfig, since: UtcMicros) {
        self.since = since;
        self.place = None;
        self.is_in_slot = false;
        self.evidence = evidence_of(config, self, None);
        self.first_opened = None;
        self.last_closed = None;
        self.last_active_day = None;
        self.active_days = 0;
        self.range = None;
        self.confirmed = 0;
        self.today = 0.0;
        self.open = Open::default();
        self.daily = Vec::new();
        self.copy_of = None;
        self.untell();
        self.episodes = Vec::new();
    }
}

/// No evidence yet, by the unit that is in force.
pub(super) fn evidence_of(config: &PromotionConfig, seat: &Seat, start_wealth: Option<f64>) -> Evidence {
    let (floor_r, cap_r) = bounds_of(config, seat.floor_r, seat.cap_r);
    Evidence::new(config, floor_r, cap_r, start_wealth)
}

/// `B` and `H` of an outcome by the unit that is in force.
pub(super) fn bounds_of(config: &PromotionConfig, floor_r: f64, cap_r: f64) -> (f64, f64) {
    match config.unit {
        EvidenceUnit::Episode => (floor_r, cap_r),
        EvidenceUnit::Round => (config.round_floor_r, config.round_cap_r),
    }
}

/// The level of the gate for a start wealth: `alpha · s / M`.
pub(super) fn family_level(config: &PromotionConfig, start_wealth: f64) -> f64 {
    config.alpha * start_wealth / f64::from(config.alpha_slots)
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
