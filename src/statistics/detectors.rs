//! Detectors of change: a mean that fell below what it should keep, a drawdown, signals that go missing.
//!
//! An e-detector of Shiryaev and Roberts' kind: while the mean is at least `keep`, the expected number of observations
//! to an alarm at `A` is at least `A`, whatever their law.
//! Source: Shin, Ramdas and Rinaldo (2024), *E-detectors: a nonparametric framework for sequential change detection*;
//! Taylor (1975), *A stopped Brownian motion formula*, for the time to a drawdown.

use serde::{Deserialize, Serialize};

use super::mixture::bets;

/// Where a component stops growing: far above any threshold, far below overflow.
const CLAMP: f64 = 1e300;

/// A mixture of Shiryaev–Roberts components, against "the mean is at least `keep`".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decay {
    keep: f64,
    cap: f64,
    bets: Box<[f64]>,
    components: Box<[f64]>,
}

impl Decay {
    /// Without an observation. Outcomes are cut at `cap`; the bets go from `smallest` to `share / (cap − keep)`.
    ///
    /// # Panics
    /// If `cap` is not above `keep`.
    #[must_use]
    pub fn new(count: usize, smallest: f64, share: f64, keep: f64, cap: f64) -> Self {
        assert!(cap > keep, "a cap of {cap} is not above {keep}");
        let bets = bets(count, smallest, share / (cap - keep));
        Self { keep, cap, components: vec![0.0; bets.len()].into(), bets }
    }

    /// Takes one outcome and gives the statistic.
    pub fn push(&mut self, x: f64) -> f64 {
        let shortfall = x.min(self.cap) - self.keep;
        for (component, bet) in self.components.iter_mut().zip(&self.bets) {
            *component = ((*component + 1.0) * (1.0 - bet * shortfall)).min(CLAMP);
        }
        self.statistic()
    }

    /// The statistic: the mean of the components.
    #[must_use]
    pub fn statistic(&self) -> f64 {
        let count = self.components.len() as f64;
        self.components.iter().map(|component| component / count).sum()
    }

    /// The components, smallest bet first.
    #[must_use]
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// The bets.
    #[must_use]
    pub fn bets(&self) -> &[f64] {
        &self.bets
    }
}

/// The same by maxima (CUSUM), for comparison: far slower at the same threshold, since it uses less of its false alarms.
#[derive(Clone, Debug, PartialEq)]
pub struct Cusum(Decay);

impl Cusum {
    /// As [`Decay::new`].
    ///
    /// # Panics
    /// If `cap` is not above `keep`.
    #[must_use]
    pub fn new(count: usize, smallest: f64, share: f64, keep: f64, cap: f64) -> Self {
        Self(Decay::new(count, smallest, share, keep, cap))
    }

    /// Takes one outcome and gives the statistic.
    pub fn push(&mut self, x: f64) -> f64 {
        let shortfall = x.min(self.0.cap) - self.0.keep;
        for (component, bet) in self.0.components.iter_mut().zip(&self.0.bets) {
            *component = (component.max(1.0) * (1.0 - bet * shortfall)).min(CLAMP);
        }
        self.0.statistic()
    }
}

/// Signals that live dealing missed, or made without its paper twin: against "they are at most `rate` of all".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    rate: f64,
    bets: Box<[f64]>,
    components: Box<[f64]>,
}

/// The largest bet on a missed signal; its product with the rate must stay below 1.
pub const MISSED_BET_MAX: f64 = 10.0;

impl Missed {
    /// Without a signal.
    ///
    /// # Panics
    /// If `rate` times the largest bet is not below 1.
    #[must_use]
    pub fn new(count: usize, rate: f64) -> Self {
        assert!(rate * MISSED_BET_MAX < 1.0, "a rate of {rate} is too large");
        let bets = bets(count, 0.1, MISSED_BET_MAX);
        Self { rate, components: vec![0.0; bets.len()].into(), bets }
    }

    /// Takes one signal, missed (or extra) or matched, and gives the statistic.
    pub fn push(&mut self, is_missed: bool) -> f64 {
        let x = f64::from(u8::from(is_missed));
        for (component, bet) in self.components.iter_mut().zip(&self.bets) {
            *component = ((*component + 1.0) * (1.0 + bet * (x - self.rate))).min(CLAMP);
        }
        self.statistic()
    }

    /// The statistic: the mean of the components.
    #[must_use]
    pub fn statistic(&self) -> f64 {
        let count = self.components.len() as f64;
        self.components.iter().map(|component| component / count).sum()
    }
}

/// The expected number of steps until a walk with that mean and standard deviation a step first stands `limit` below
/// its peak, by its Brownian likeness. NaN where the spread is not positive.
#[must_use]
pub fn steps_to_drawdown(mean: f64, sd: f64, limit: f64) -> f64 {
    if sd.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
        return f64::NAN;
    }
    let variance = sd * sd;
    let u = 2.0 * mean * limit / variance;
    // (e^u − 1 − u) / u², by its series near 0, where the difference would cancel.
    let ratio =
        if u.abs() < 1e-3 { 0.5 + u / 6.0 + u * u / 24.0 + u * u * u / 120.0 } else { (u.exp_m1() - u) / (u * u) };
    2.0 * limit * limit / variance * ratio
}

/// The bounds of [`drawdown_limit`] in R.
pub const DRAWDOWN_LIMITS: (f64, f64) = (8.0, 40.0);

/// The smallest drawdown that a walk with that mean and standard deviation reaches after `steps` steps or more on
/// average, within [`DRAWDOWN_LIMITS`]; the upper one where the spread is unknown.
#[must_use]
pub fn drawdown_limit(mean: f64, sd: f64, steps: f64) -> f64 {
    let (mut low, mut high) = DRAWDOWN_LIMITS;
    let reaches = |limit: f64| steps_to_drawdown(mean, sd, limit) >= steps;
    if reaches(low) {
        return low;
    }
    if !reaches(high) {
        return high;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if reaches(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_of_the_recursion_by_hand() {
        // Two bets, 0.01 and 0.9: after a loss of one the components are 1.01 and 1.9, after another 2.01 · 1.01 and 2.9 · 1.9.
        let mut decay = Decay::new(2, 0.01, 0.9, 0.0, 1.0);
        assert!((decay.push(-1.0) - (1.01 + 1.9) / 2.0).abs() < 1e-12);
        assert!((decay.push(-1.0) - (2.01 * 1.01 + 2.9 * 1.9) / 2.0).abs() < 1e-12);
        let capped = Decay::new(2, 0.01, 0.9, 0.0, 1.0).push(50.0);
        assert!((capped - (0.99 + 0.1) / 2.0).abs() < 1e-12, "a gain beyond the cap counts as the cap");
        let mut cusum = Cusum::new(2, 0.01, 0.9, 0.0, 1.0);
        cusum.push(1.0);
        assert!((cusum.push(-1.0) - (1.01 + 1.9) / 2.0).abs() < 1e-12, "it starts anew from 1");
    }

    #[test]
    fn a_detector_never_overflows() {
        let mut decay = Decay::new(12, 0.01, 0.9, 0.0, 1.0);
        for _ in 0..10_000 {
            decay.push(-3.0);
        }
        assert!(decay.statistic().is_finite() && decay.statistic() > 1e299);
    }

    #[test]
    fn missed_signals_raise_it_and_matched_ones_lower_it() {
        let mut missed = Missed::new(12, 0.02);
        let quiet = (0..2_000).map(|_| missed.push(false)).fold(0.0, f64::max);
        assert!(quiet < 200.0, "{quiet}");
        let n = (1..).find(|_| missed.push(true) >= 1_000.0).unwrap_or(0);
        assert!((1..=6).contains(&n), "{n}");
    }

    #[test]
    fn drawdown_times_and_limits() {
        assert!((steps_to_drawdown(0.0, 1.0, 15.0) - 225.0).abs() < 1e-9);
        assert!((steps_to_drawdown(0.1, 1.0, 20.0) - 2_479.907_501_657_2).abs() < 1e-6);
        assert!(steps_to_drawdown(0.1, 0.0, 1.0).is_nan());
        let limit = drawdown_limit(0.1, 1.0, 3_000.0);
        assert!((steps_to_drawdown(0.1, 1.0, limit) - 3_000.0).abs() < 1e-6, "{limit}");
        assert!((drawdown_limit(0.5, 0.3, 3_000.0) - 8.0).abs() < 1e-12);
        assert!((drawdown_limit(-0.1, 1.0, 3_000.0) - 40.0).abs() < 1e-12);
        assert!((drawdown_limit(f64::NAN, f64::NAN, 3_000.0) - 40.0).abs() < 1e-12);
    }
}
