//! The time that a candidate is live: what its live deals are watched by, and who challenges it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use crate::config::PromotionConfig;
use crate::domain::{Money, SeatIdx, UtcMicros};
use crate::statistics::detectors::{Decay, Missed, drawdown_limit};
use crate::statistics::mixture::{Mixture, bets, lower_exact};
use crate::statistics::performance::Drawdown;
use crate::statistics::sums::Sum;

/// The smallest bet of the parity detector, per R.
const PARITY_BET_MIN: f64 = 0.05;

/// One reign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reign {
    pub since: UtcMicros,
    /// The step of the ramp, from 0.
    pub step: u32,
    /// Live episodes on this step.
    pub on_step: u32,
    /// Live outcomes, plain, in R.
    pub lives: Vec<f64>,
    /// Live less paper of the same signal, in R.
    pub differences: Vec<f64>,
    /// Whether a signal was missed (or extra), for each.
    pub signals: Vec<bool>,
    pub decay: Decay,
    pub parity: Decay,
    pub missed: Missed,
    sum: Sum,
    pub drawdown: Drawdown,
    pub dd_limit_r: f64,
    /// Live profit since the reign began, open position marked, and its peak.
    pub profit: Money,
    pub peak: Money,
    /// Orders in a row that the broker refused.
    pub rejects: u32,
    pub swaps: BTreeMap<SeatIdx, Swap>,
}

/// A challenger held against the champion, round by round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Swap {
    /// Rounds after this day count.
    pub from_day: i64,
    pub mixture: Mixture,
    /// Challenger less champion, in daily risk budgets.
    pub differences: Vec<f64>,
    /// A difference lay below the floor: nothing can be said of the two in this reign.
    pub is_void: bool,
}

impl Swap {
    pub(super) fn new(config: &PromotionConfig, from_day: i64) -> Self {
        let floor = swap_floor(config);
        let bets = bets(usize::from(config.bets), config.lambda_min, config.lambda_cap / floor);
        Self { from_day, mixture: Mixture::new(bets, 0.0), differences: Vec::new(), is_void: false }
    }

    pub(super) fn push(&mut self, config: &PromotionConfig, difference: f64) {
        self.is_void |= difference < -swap_floor(config);
        self.mixture.play(difference);
        self.differences.push(difference);
    }

    /// Whether the challenger is better by the evidence of common rounds.
    pub(super) fn is_passed(&self, config: &PromotionConfig) -> bool {
        !self.is_void
            && self.mixture.log_wealth() >= swap_threshold(config)
            && lower_exact(self.mixture.bets(), swap_floor(config), &self.differences, swap_level(config)) > 0.0
    }
}

/// A difference of two rounds is not below minus this.
pub(super) fn swap_floor(config: &PromotionConfig) -> f64 {
    config.round_floor_r + config.round_cap_r
}

/// What one challenger of a reign may spend.
pub(super) fn swap_level(config: &PromotionConfig) -> f64 {
    config.swap_alpha / f64::from(config.swap_slots)
}

/// The log wealth that a challenger needs.
pub(super) fn swap_threshold(config: &PromotionConfig) -> f64 {
    -swap_level(config).ln()
}

/// Why a champion has to go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fall {
    pub reason: String,
    /// Live and paper have come apart: nobody is promoted until that is cleared.
    pub stops_all: bool,
}

impl Fall {
    pub(super) fn of(reason: String) -> Option<Self> {
        Some(Self { reason, stops_all: false })
    }

    fn parity(reason: String) -> Option<Self> {
        Some(Self { reason, stops_all: true })
    }
}

impl Reign {
    /// Begins at `since`; `evidence` is the paper record that the limits are reckoned from. `cap_r` is the candidate's
    /// own, whatever the unit of the evidence: live outcomes are episodes.
    pub(super) fn new(config: &PromotionConfig, since: UtcMicros, evidence: &Evidence, cap_r: f64) -> Self {
        let (count, share) = (usize::from(config.bets), config.lambda_cap);
        let (mean, sd) = evidence.mean_and_sd();
        let likely = evidence.lcb_fast(0.05).max(0.5 * mean);
        let dd_limit_r =
            config.dd_limit_r.unwrap_or_else(|| drawdown_limit(likely, sd, f64::from(config.dd_target_episodes)));
        Self {
            since,
            step: 0,
            on_step: 0,
            lives: Vec::new(),
            differences: Vec::new(),
            signals: Vec::new(),
            decay: Decay::new(count, config.lambda_min, share, config.keep_edge_r, cap_r),
            parity: Self::parity_detector(config),
            missed: Missed::new(count, config.parity_miss_rate),
            sum: Sum::default(),
            drawdown: Drawdown::default(),
            dd_limit_r,
            profit: Money::ZERO,
            peak: Money::ZERO,
            rejects: 0,
            swaps: BTreeMap::new(),
        }
    }

    pub(super) fn parity_detector(config: &PromotionConfig) -> Decay {
        let (keep, cap) = (-config.parity_tol_r, config.parity_cap_r);
        let largest = config.lambda_cap / (cap - keep);
        let smallest = PARITY_BET_MIN.min(0.5 * largest);
        Decay::new(usize::from(config.bets), smallest, config.lambda_cap, keep, cap)
    }

    /// Puts other keys into force: the detectors are made anew from what was seen.
    pub(super) fn rewatch(&mut self, config: &PromotionConfig, cap_r: f64) {
        let count = usize::from(config.bets);
        self.decay = Decay::new(count, config.lambda_min, config.lambda_cap, config.keep_edge_r, cap_r);
        self.parity = Self::parity_detector(config);
        self.missed = Missed::new(count, config.parity_miss_rate);
        for x in &self.lives {
            self.decay.push(*x);
        }
        for q in &self.differences {
            self.parity.push(q.clamp(-config.parity_cap_r, config.parity_cap_r));
        }
        for is_missed in &self.signals {
            self.missed.push(*is_missed);
        }
        if let Some(limit) = config.dd_limit_r {
            self.dd_limit_r = limit;
        }
    }

    /// A live deal closed with `x` R.
    pub(super) fn on_closed(&mut self, config: &PromotionConfig, floor_r: f64, x: f64) -> Option<Fall> {
        self.lives.push(x);
        self.on_step += 1;
        self.sum.add(x);
        self.drawdown.stand(self.sum.value());
        let decay = self.decay.push(x);
        if x < -floor_r {
            return Fall::of(format!("a live outcome of {x:.3} R broke the floor of -{floor_r} R"));
        }
        if decay >= config.detector_arl {
            return Fall::of(format!("its live edge has decayed: {decay:.0}, limit {}", config.detector_arl));
        }
        let depth = self.drawdown.now();
        (depth >= self.dd_limit_r).then(|| Fall {
            reason: format!("live drawdown of {depth:.2} R, limit {:.2} R", self.dd_limit_r),
            stops_all: false,
        })
    }

    /// The paper twin of a closed live deal is known: they differ by `q` R.
    pub(super) fn on_paired(&mut self, config: &PromotionConfig, q: f64) -> Option<Fall> {
        self.differences.push(q);
        let parity = self.parity.push(q.clamp(-config.parity_cap_r, config.parity_cap_r));
        if q.abs() > config.parity_hard_r {
            return Fall::parity(format!(
                "live and paper differ by {q:.3} R in one deal, limit {}",
                config.parity_hard_r
            ));
        }
        if parity >= config.parity_arl {
            return Fall::parity(format!("live is worse than paper: {parity:.0}, limit {}", config.parity_arl));
        }
        None
    }

    /// A signal was followed live as on paper, or was not.
    pub(super) fn on_signal(&mut self, config: &PromotionConfig, is_missed: bool) -> Option<Fall> {
        self.signals.push(is_missed);
        let missed = self.missed.push(is_missed);
        if missed >= config.parity_arl {
            return Fall::parity(format!("signals go missing live: {missed:.0}, limit {}", config.parity_arl));
        }
        None
    }

    /// The broker took an order, or refused it.
    pub(super) fn on_order(&mut self, config: &PromotionConfig, is_refused: bool) -> Option<Fall> {
        self.rejects = if is_refused { self.rejects + 1 } else { 0 };
        let most = config.max_rejects?;
        (self.rejects >= most).then(|| Fall {
            reason: format!("the broker refused {} orders in a row, limit {most}", self.rejects),
            stops_all: false,
        })
    }

    /// Live profit since the reign began, with what is open.
    pub(super) fn on_profit(&mut self, config: &PromotionConfig, profit: Money) -> Option<Fall> {
        self.profit = profit;
        self.peak = self.peak.max(profit);
        let percent = self.drawdown_pct(config);
        (percent >= config.hard_drawdown_pct).then(|| Fall {
            reason: format!("live drawdown of {percent:.2} % of the capital, limit {} %", config.hard_drawdown_pct),
            stops_all: false,
        })
    }

    /// The live drawdown now, in percent of the capital at its peak.
    pub(super) fn drawdown_pct(&self, config: &PromotionConfig) -> f64 {
        let fall = (self.peak - self.profit).as_f64();
        100.0 * fall / (config.capital + self.peak.as_f64())
    }

    /// Goes to the next step of the ramp where this one is done.
    pub(super) fn climb(&mut self, config: &PromotionConfig) -> bool {
        let is_last = self.step as usize + 1 >= config.ramp.len();
        let is_done = !is_last && self.on_step >= config.ramp_episodes;
        if is_done {
            self.step += 1;
            self.on_step = 0;
        }
        is_done
    }

    /// What part of the candidate's size is dealt now.
    pub(super) fn share(&self, config: &PromotionConfig) -> f64 {
        let last = config.ramp.len().saturating_sub(1);
        config.ramp.get((self.step as usize).min(last)).copied().unwrap_or(1.0)
    }
}
