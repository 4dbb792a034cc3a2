//! What the surface reads: the evidence half of a leaderboard row, the order of rows, and the gates explained.

mod outlook;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::gates::{gates, threshold};
use super::policy::Promoter;
use super::seat::Seat;
use crate::control::ControlError;
use crate::domain::{ContentHash, ModelId, SeatIdx, UtcMicros};
use crate::flow::{Explanation, State};

/// The evidence half of a leaderboard row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRow {
    /// The candidate.
    pub model: ModelId,
    /// Its frozen content.
    pub content_hash: ContentHash,
    /// Raised by a demotion and by a return after retirement.
    pub generation: u32,
    /// Its state.
    pub state: State,
    /// When it was registered.
    pub registered: UtcMicros,
    /// When its evidence begins: episodes opened earlier count for nothing.
    pub since: UtcMicros,
    /// Episodes counted.
    pub episodes: u64,
    /// Mean outcome in R, costs stressed; `None` without an episode.
    pub mean_r: Option<f64>,
    /// Anytime-valid lower bound of the mean at 95 %, for this candidate alone (the fast one); `None` without an
    /// episode and where no bound holds.
    pub lcb95_r: Option<f64>,
    /// log10 of its e-value; `None` without a slot, and where every bet is bankrupt.
    pub log10_e: Option<f64>,
    /// Log wealth over the log that G1 asks for; `None` as before.
    pub progress: Option<f64>,
    /// Largest fall of the cumulated R from its peak.
    pub max_drawdown_r: f64,
    /// Episodes a day of event time.
    pub episodes_per_day: Option<f64>,
    /// The slot it holds.
    pub slot: Option<u32>,
    /// What it started with there.
    pub start_wealth: Option<f64>,
    /// `no_slot`, `data`, `floor_breach`, `override`, `futile`, `copy_of:` and the first of its kind.
    pub flags: Vec<String>,
}

/// Which mean a candidate is taken to have: the one it had, or that by one standard error higher or lower.
#[derive(Clone, Copy, Debug)]
enum Likely {
    Mean,
    High,
    Low,
}

impl Likely {
    /// What growth is multiplied by; `None` where it would not grow at all.
    fn of(self, seat: &Seat) -> Option<f64> {
        let (mean, sd) = seat.evidence.mean_and_sd();
        let error = sd / (seat.evidence.n() as f64).sqrt();
        let likely = match self {
            Self::Mean => return Some(1.0),
            Self::High => mean + error,
            Self::Low => mean - error,
        };
        let ratio = likely / mean;
        (mean > 0.0 && ratio > 0.0).then_some(ratio * ratio)
    }
}

/// Where a candidate stands on the leaderboard; the smallest key is the best.
#[derive(Clone, Copy, Debug)]
pub struct RankKey {
    class: u8,
    value: f64,
    seat: SeatIdx,
}

impl Ord for RankKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_value = other.value.total_cmp(&self.value);
        self.class.cmp(&other.class).then(by_value).then(self.seat.cmp(&other.seat))
    }
}
impl PartialOrd for RankKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for RankKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for RankKey {}

impl Promoter {
    /// The row of a seat. The lower bound is computed once for each number of episodes.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn row(&self, seat: SeatIdx) -> EvidenceRow {
        let at = self.at(seat);
        let seat = &self.seats[at];
        let evidence = &seat.evidence;
        let finite = |value: f64| value.is_finite().then_some(value);
        EvidenceRow {
            model: seat.model.clone(),
            content_hash: seat.content_hash,
            generation: seat.generation,
            state: seat.state,
            registered: seat.registered,
            since: seat.since,
            episodes: evidence.n(),
            mean_r: evidence.mean_r(),
            lcb95_r: (evidence.n() > 0).then(|| seat.lcb95()).and_then(finite),
            log10_e: evidence.log_e().map(|log| log / std::f64::consts::LN_10).and_then(finite),
            progress: evidence.log_wealth().map(|log| log / threshold(&self.config)).and_then(finite),
            max_drawdown_r: evidence.max_drawdown_r(),
            episodes_per_day: seat.per_day(self.now),
            slot: seat.place.filter(|_| seat.is_in_slot).map(|place| place.index),
            start_wealth: evidence.start_wealth(),
            flags: self.flags(at),
        }
    }

    /// Whether the evidence of a seat would still pass its gate if what is open were closed now at a loss of `-x` R (a
    /// gain counts as nothing); `None` where it does not pass as it is.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn bears_open_loss(&self, seat: SeatIdx, x: f64) -> Option<bool> {
        let evidence = &self.seats[self.at(seat)].evidence;
        let limit = threshold(&self.config);
        evidence.log_wealth().filter(|wealth| *wealth >= limit)?;
        Some(evidence.log_wealth_after(x.min(0.0))? >= limit)
    }

    /// Where a seat stands among all: live ones first and then those that are eligible, both by lower bound times
    /// episodes a day; then the others by wealth, those without last; then suspended, then retired ones. Ties go to the
    /// earlier registration.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn ranking(&self, seat: SeatIdx) -> RankKey {
        let entry = &self.seats[self.at(seat)];
        let wealth = || entry.evidence.log_wealth().unwrap_or(f64::NEG_INFINITY);
        let (class, value) = match entry.state {
            State::Live => (0, entry.lcb95_r_per_day(self.now)),
            State::Eligible => (1, entry.lcb95_r_per_day(self.now)),
            State::Warming | State::Shadow if entry.place.is_some() => (2, wealth()),
            State::Warming | State::Shadow => (3, f64::NEG_INFINITY),
            State::Suspended => (4, wealth()),
            State::Retired => (5, wealth()),
        };
        RankKey { class, value, seat }
    }

    /// Every gate in force with its value, and how long a decision may take at the present rate.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn explain(&self, seat: SeatIdx, time: UtcMicros) -> Explanation {
        let at = self.at(seat);
        let seat = &self.seats[at];
        Explanation {
            model: seat.model.clone(),
            state: seat.state,
            gates: gates(&self.config, &self.inputs(at, time)).into_iter().map(Into::into).collect(),
            expected_days_to_decision: self.expected_days(at, time, Likely::Mean),
            expected_days_low: self.expected_days(at, time, Likely::High),
            expected_days_high: self.expected_days(at, time, Likely::Low),
            breaks: Vec::new(),
        }
    }

    /// Days until the last gate may open if the candidate goes on as it did: the best bet's mean growth per episode,
    /// scaled by the square of `likely` over the mean so far (what a mean earns a bet that fits it grows so), the same
    /// episodes a day. `None` where that cannot be told or never comes.
    fn expected_days(&self, at: usize, time: UtcMicros, likely: Likely) -> Option<f64> {
        let (seat, inputs) = (&self.seats[at], self.inputs(at, time));
        let is_in_play = matches!(seat.state, State::Shadow | State::Eligible | State::Warming);
        if !is_in_play || inputs.is_faulty || inputs.is_breached || inputs.demotions > self.config.max_reentries {
            return None;
        }
        let per_day = seat.per_day(time)?;
        let missing_wealth = threshold(&self.config) - inputs.log_wealth?;
        let mut episodes = f64::from(self.config.min_episodes) - inputs.episodes as f64;
        if missing_wealth > 0.0 {
            let growth = seat.evidence.growth().filter(|growth| *growth > 0.0)? * likely.of(seat)?;
            episodes = episodes.max(missing_wealth / growth);
        }
        let mut days = f64::from(self.config.min_days) - inputs.days?;
        // At most one active day in a day; a slower candidate needs one episode for each.
        days = days.max(f64::from(self.config.min_active_days.saturating_sub(inputs.active_days)) / per_day.min(1.0));
        if let Some(since) = inputs.days_since_demotion {
            days = days.max(f64::from(self.config.cooldown_days) - since);
            episodes = episodes.max(f64::from(self.config.cooldown_episodes) - inputs.episodes as f64);
        }
        Some(days.max(episodes.ceil() / per_day).max(0.0)).filter(|days| days.is_finite())
    }

    /// The seat of a name: the latest that was registered under it.
    ///
    /// # Errors
    /// [`ControlError::NoSuchModel`] with the known names that come nearest; for the bare name of a swept entry, its
    /// candidates.
    pub fn seat_of(&self, model: &str) -> Result<SeatIdx, ControlError> {
        let at = self.find(model)?;
        Ok(self.lineages[&self.seats[at].model].latest)
    }

    /// How many seats were registered; they are numbered from 0.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    /// The state of a seat.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn state(&self, seat: SeatIdx) -> State {
        self.seats[self.at(seat)].state
    }

    /// Whether a seat was retired by its record, for want of prospects, and not by anybody's word.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn is_futile(&self, seat: SeatIdx) -> bool {
        self.seats[self.at(seat)].is_futile
    }

    /// The log wealth that G1 asks for: `ln(M / alpha)`.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        threshold(&self.config)
    }
}
