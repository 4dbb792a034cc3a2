//! What the surface reads: the evidence half of a leaderboard row, the order of rows, and the gates explained.

mod outlook;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::gates::{Gate, GateInputs, gates, threshold};
use super::policy::Promoter;
use super::seat::{Seat, days, family_level};
use crate::control::ControlError;
use crate::domain::{ContentHash, ModelId, SeatIdx, UtcMicros};
use crate::flow::{Explanation, SlotCounts, State, Statistics};
use crate::statistics::multiplicity::e_bh_among;
use crate::statistics::performance::{sortino_of, wilson};
use crate::statistics::sharpe::{Sharpe, autocorrelations, lo_eta};
use crate::statistics::sums::Moments;

/// Trading days of a year, and its days.
const TRADING_DAYS: usize = 252;
const YEAR_DAYS: f64 = 365.25;
/// Outcomes from which a row's ratio counts in the variance across rows, as it does for its own deflated ratio.
const CROSS_EPISODES_MIN: u64 = 30;
/// Correlation of neighbouring days from which Lo's factor is told, and days under which it is chance alone.
const LO_FROM: f64 = 0.1;
const LO_DAYS_MIN: usize = 30;

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
    /// `no_slot`, `data`, `floor_breach`, `clock`, `override`, `futile`, `copy_of:` and the first of its kind.
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
    /// That mean.
    fn mean(self, seat: &Seat) -> f64 {
        let (mean, sd) = seat.evidence.mean_and_sd();
        let error = sd / (seat.evidence.n() as f64).sqrt();
        match self {
            Self::Mean => mean,
            Self::High => mean + error,
            Self::Low => mean - error,
        }
    }

    /// What growth is multiplied by; `None` where it would not grow at all.
    fn of(self, seat: &Seat) -> Option<f64> {
        if matches!(self, Self::Mean) {
            return Some(1.0);
        }
        let mean = Self::Mean.mean(seat);
        let ratio = self.mean(seat) / mean;
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

    /// The alpha slots of all budgets together.
    #[must_use]
    pub fn slot_counts(&self) -> SlotCounts {
        let (all, taken, free) = (self.slots.len() as u64, self.slots.taken() as u64, self.slots.free() as u64);
        SlotCounts { taken, free, spent: all - taken - free }
    }

    /// The candidates that e-BH would pass now, as if all slots were tested together: those worth a closer look. It
    /// bounds the share of false ones among them, not the chance of any, and is no gate.
    #[must_use]
    pub fn watch_list(&self) -> BTreeSet<SeatIdx> {
        let slots = f64::from(self.config.alpha_slots) * f64::from(self.slots.budgets());
        // Below this nobody passes however many others do.
        let least = -self.config.alpha.ln();
        let in_play = |seat: &Seat| matches!(seat.state, State::Shadow | State::Eligible | State::Live);
        let wealth = |(at, seat): (usize, &Seat)| {
            let may = in_play(seat) && seat.evidence.may_reach(least);
            may.then(|| seat.evidence.log_wealth().map(|log| (at, log))).flatten()
        };
        let (at, e): (Vec<usize>, Vec<f64>) =
            self.seats.iter().enumerate().filter_map(wealth).map(|(at, log)| (at, log.exp())).unzip();
        e_bh_among(&e, slots, self.config.alpha).into_iter().map(|place| Self::idx(at[place])).collect()
    }

    /// The variance of the Sharpe ratios of an outcome over all rows with thirty outcomes; `None` for fewer than two of
    /// them.
    #[must_use]
    pub fn cross_variance(&self) -> Option<f64> {
        let mut ratios = Moments::default();
        let rows = self.seats.iter().filter(|seat| seat.evidence.n() >= CROSS_EPISODES_MIN);
        rows.map(|seat| seat.evidence.sharpe().ratio).filter(|ratio| ratio.is_finite()).for_each(|x| ratios.push(x));
        (ratios.n() >= 2).then(|| ratios.sd() * ratios.sd())
    }

    /// The further figures of a row, from evidence; `cross_variance` is [`Self::cross_variance`]. What only the ledger
    /// knows is left out.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn statistics(&self, seat: SeatIdx, cross_variance: Option<f64>) -> Statistics {
        let (at, now) = (self.at(seat), self.now);
        let seat = &self.seats[at];
        let (evidence, config) = (&seat.evidence, &self.config);
        let finite = |value: f64| value.is_finite().then_some(value);
        let (sharpe, wins, n) = (evidence.sharpe(), evidence.wins(), evidence.n());
        let (mean, sd) = evidence.mean_and_sd();
        let (low, high) = wilson(wins.wins, n, 0.05);
        let percent = |r: f64| 100.0 * r * seat.rho_micros / 1e6 / config.capital;
        let max_drawdown_pct = percent(evidence.max_drawdown_r());
        let age = days(seat.since, now).unwrap_or(0.0);
        let growth = (1.0 + percent(evidence.power_sums()[0]) / 100.0).powf(YEAR_DAYS / age) - 1.0;
        let is_fallen = max_drawdown_pct > 0.0;
        let daily = Moments::of(&seat.daily);
        let a_day = if daily.sd() > 0.0 { daily.mean() / daily.sd() } else { f64::NAN };
        let has_memory = seat.daily.len() >= LO_DAYS_MIN && autocorrelations(&seat.daily, 1)[0].abs() > LO_FROM;
        let lags = if has_memory { TRADING_DAYS.min(seat.daily.len()) - 1 } else { 0 };
        let correlations = autocorrelations(&seat.daily, lags);
        Statistics {
            slot: seat.place.filter(|_| seat.is_in_slot).map(|place| place.index),
            start_wealth: evidence.start_wealth(),
            days: seat.first_opened.and_then(|first| days(first, now)),
            active_days: seat.active_days,
            episodes_per_day: seat.per_day(now),
            lcb_family_r: seat.lcb_family(config).filter(|_| n > 0),
            sd_r: finite(sd),
            sharpe: finite(sharpe.ratio),
            sharpe_annual: finite(a_day * (TRADING_DAYS as f64).sqrt()),
            sharpe_annual_lo: finite(a_day * lo_eta(TRADING_DAYS, &correlations)).filter(|_| has_memory),
            sortino: finite(sortino_of(mean, evidence.squared_losses(), n as f64)),
            calmar: finite(100.0 * growth / max_drawdown_pct).filter(|_| is_fallen && age > 0.0),
            psr: finite(sharpe.probabilistic(0.0)),
            dsr: evidence.dsr(self.trials),
            dsr_cross: cross_variance
                .filter(|_| n >= CROSS_EPISODES_MIN)
                .and_then(|variance| finite(sharpe.deflated(self.trials, variance))),
            min_track_record: finite(sharpe.least_track_record(0.0, 0.95)),
            drawdown_r: evidence.drawdown_r(),
            drawdown_pct: finite(percent(evidence.drawdown_r())),
            max_drawdown_pct: finite(max_drawdown_pct),
            win_rate_decided: finite(wins.rate_of_decided()),
            win_rate_low: finite(low),
            win_rate_high: finite(high),
            payoff_ratio: finite(wins.payoff_ratio()),
            turnover: None,
            costs_r: None,
            decay: finite(evidence.decay()),
            decay_limit: config.detector_arl,
            failing_gates: self.failing(at, now),
        }
    }

    /// The gates that a candidate misses, told in constant time: the top share is looked at where all others pass.
    fn failing(&self, at: usize, time: UtcMicros) -> Vec<String> {
        let names = |gates: &[Gate]| -> Vec<String> {
            gates.iter().filter(|gate| !gate.is_passed).map(|gate| gate.name.to_owned()).collect()
        };
        let inputs = self.inputs_in_constant_time(at, time);
        let missed = names(&gates(&self.config, &GateInputs { top_share: Some(0.0), ..inputs }));
        if missed.is_empty() { names(&gates(&self.config, &self.inputs(at, time))) } else { missed }
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
        let config = &self.config;
        let mut episodes = f64::from(config.min_episodes) - inputs.episodes as f64;
        if missing_wealth > 0.0 {
            let growth = seat.evidence.growth().filter(|growth| *growth > 0.0)? * likely.of(seat)?;
            episodes = episodes.max(missing_wealth / growth);
        }
        // A drawdown that was too deep once stays so.
        if config.max_paper_drawdown_r.is_some_and(|most| inputs.drawdown_r > most) {
            return None;
        }
        // The bound rises towards the mean, and never beyond it.
        if config.min_lcb_r > config.null_edge_r && inputs.lcb_family.is_none_or(|bound| bound < config.min_lcb_r) {
            let (mean, sd) = seat.evidence.mean_and_sd();
            let edge = likely.mean(seat) - config.min_lcb_r;
            let start = seat.evidence.start_wealth()?;
            // What a mean that far above the limit earns a bet that fits it, an outcome.
            let growth = edge * edge / (2.0 * (sd * sd + mean * mean));
            let needed = -family_level(config, start).ln() / growth;
            episodes = episodes.max((edge > 0.0).then_some(needed - inputs.episodes as f64)?);
        }
        if config.min_dsr > 0.0 && inputs.dsr.is_none_or(|dsr| dsr < config.min_dsr) {
            let needed = self.episodes_to_dsr(seat, likely)?;
            episodes = episodes.max(needed - inputs.episodes as f64);
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

    /// Outcomes with which the deflated ratio will do.
    fn episodes_to_dsr(&self, seat: &Seat, likely: Likely) -> Option<f64> {
        let ratio = likely.mean(seat) / seat.evidence.mean_and_sd().1;
        let likely = Sharpe { ratio, ..seat.evidence.sharpe() };
        let needed = likely.observations_to(self.trials, self.config.min_dsr);
        needed.is_finite().then(|| needed.max(CROSS_EPISODES_MIN as f64))
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
