//! The evidence of one candidate: a mixture of constant bets against "its average edge to date is not above `m0`", and
//! what else is known of its outcomes, all in constant time and space an outcome.
//!
//! The wealth of the mixture is an e-process, so that looking after every episode costs nothing. Its validity rests on
//! the bets never changing and on no outcome below the declared floor; a breach of the floor voids it for good.

use serde::{Deserialize, Serialize};

use crate::config::PromotionConfig;
use crate::statistics::detectors::Decay;
use crate::statistics::mixture::{self, Mixture, Totals, bets};
use crate::statistics::performance::{Drawdown, Wins};
use crate::statistics::sharpe::Sharpe;
use crate::statistics::sums::{Moments, Sum};

/// The level at which a mean is held to be below what is useful.
pub(super) const FUTILITY_LEVEL: f64 = 0.05;

/// Outcomes under which no deflated Sharpe ratio is told.
const DSR_EPISODES_MIN: u64 = 30;

/// What is known of one candidate from its closed episodes (or rounds).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    floor_r: f64,
    cap_r: f64,
    null_edge_r: f64,
    start_wealth: Option<f64>,
    mixture: Mixture,
    n: u64,
    powers: [Sum; 4],
    drawdown: Drawdown,
    is_faulty: bool,
    is_breached: bool,
    watch: Watch,
}

/// What rests on keys that may change while evidence is gathered, and is then made anew from the outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Watch {
    moments: Moments,
    wins: Wins,
    squared_losses: Sum,
    /// Against "the mean of `min(x, cap)` is not below what is useful", mirrored.
    useless: Mixture,
    useful_r: f64,
    /// Sum and sum of squares of `min(x, cap)`.
    capped: [Sum; 2],
    decay: Decay,
}

impl Watch {
    fn new(config: &PromotionConfig, cap_r: f64) -> Self {
        let count = usize::from(config.bets);
        let largest = config.lambda_cap / (cap_r - config.min_useful_edge_r);
        Self {
            moments: Moments::default(),
            wins: Wins::default(),
            squared_losses: Sum::default(),
            useless: Mixture::new(bets(count, config.lambda_min, largest), 0.0),
            useful_r: config.min_useful_edge_r,
            capped: [Sum::default(); 2],
            decay: Decay::new(count, config.lambda_min, config.lambda_cap, config.keep_edge_r, cap_r),
        }
    }

    fn push(&mut self, x: f64, cap_r: f64) {
        self.moments.push(x);
        self.wins.push(x);
        let loss = x.min(0.0);
        self.squared_losses.add(loss * loss);
        let capped = x.min(cap_r);
        self.useless.play(self.useful_r - capped);
        self.capped[0].add(capped);
        self.capped[1].add(capped * capped);
        self.decay.push(x);
    }
}

impl Evidence {
    /// No episode yet. `floor_r` is `B` and `cap_r` is `H` of this candidate; `start_wealth` is what its slot starts it
    /// with, in (0, 1], or `None` without a slot: such a candidate has statistics, but no wealth.
    ///
    /// # Panics
    /// If the configuration has no bets, or the cap lies below the edges that it is held against.
    #[must_use]
    pub fn new(config: &PromotionConfig, floor_r: f64, cap_r: f64, start_wealth: Option<f64>) -> Self {
        let largest = config.lambda_cap / (floor_r + config.null_edge_r);
        let bets = bets(usize::from(config.bets), config.lambda_min, largest);
        Self {
            floor_r,
            cap_r,
            null_edge_r: config.null_edge_r,
            start_wealth,
            mixture: Mixture::new(bets, start_wealth.map_or(0.0, f64::ln)),
            n: 0,
            powers: [Sum::default(); 4],
            drawdown: Drawdown::default(),
            is_faulty: false,
            is_breached: false,
            watch: Watch::new(config, cap_r),
        }
    }

    /// Takes the outcome `x`, in R, of one closed episode. One that is not finite is refused and marks the evidence as
    /// faulty; one below the floor counts and breaches it.
    pub fn on_episode(&mut self, x: f64) {
        if !x.is_finite() {
            self.is_faulty = true;
            return;
        }
        self.n += 1;
        let square = x * x;
        for (sum, term) in self.powers.iter_mut().zip([x, square, square * x, square * square]) {
            sum.add(term);
        }
        self.drawdown.stand(self.powers[0].value());
        if self.start_wealth.is_some() {
            self.mixture.play(x - self.null_edge_r);
        }
        self.is_breached |= x < -self.floor_r;
        self.watch.push(x, self.cap_r);
    }

    /// Puts other keys of watching into force: the detector of decay and the bound from above are made anew from `xs`,
    /// all outcomes so far. The wealth is not touched.
    pub fn rewatch(&mut self, config: &PromotionConfig, xs: &[f64]) {
        self.watch = Watch::new(config, self.cap_r);
        xs.iter().for_each(|x| self.watch.push(*x, self.cap_r));
    }

    /// Natural log of the wealth, the start wealth included; `-inf` when every bet is bankrupt; `None` without a slot.
    #[must_use]
    pub fn log_wealth(&self) -> Option<f64> {
        self.start_wealth.map(|_| self.mixture.log_wealth())
    }

    /// The same after one more outcome, without taking it.
    #[must_use]
    pub fn log_wealth_after(&self, x: f64) -> Option<f64> {
        self.start_wealth.map(|_| self.mixture.log_wealth_after(x - self.null_edge_r))
    }

    /// Natural log of the e-value of this candidate alone; `None` without a slot.
    #[must_use]
    pub fn log_e(&self) -> Option<f64> {
        Some(self.log_wealth()? - self.start_wealth?.ln())
    }

    /// Whether the wealth may have reached `threshold` (a log): a cheap bound that never says no wrongly.
    #[must_use]
    pub fn may_reach(&self, threshold: f64) -> bool {
        self.start_wealth.is_some() && self.mixture.may_reach(threshold)
    }

    /// Lower bound of the average edge to date in R, right at all times at once but for a chance of `a`. From the sums
    /// alone, in constant time, never above [`Self::lcb_exact`]. Minus the floor means that nothing is known; after a
    /// breach of the floor no bound holds and it is `-inf`.
    #[must_use]
    pub fn lcb_fast(&self, a: f64) -> f64 {
        if self.is_breached {
            return f64::NEG_INFINITY;
        }
        let totals = Totals { n: self.n as f64, sum: self.powers[0].value(), squares: self.powers[1].value() };
        mixture::lower_fast(self.lambdas(), self.floor_r, totals, a)
    }

    /// The same bound from every outcome, in the time of `60 · K · n` products. `xs` are all outcomes of this evidence.
    #[must_use]
    pub fn lcb_exact(&self, a: f64, xs: &[f64]) -> f64 {
        if self.is_breached {
            return f64::NEG_INFINITY;
        }
        mixture::lower_exact(self.lambdas(), self.floor_r, xs, a)
    }

    /// Upper bound of the average of what was made to date, gains cut at the cap; from the sums alone. The cap itself
    /// means that nothing is known.
    #[must_use]
    pub fn ucb_fast(&self, a: f64) -> f64 {
        let [sum, squares] = self.watch.capped.map(Sum::value);
        mixture::upper_fast(self.watch.useless.bets(), self.cap_r, Totals { n: self.n as f64, sum, squares }, a)
    }

    /// Whether the mean is below what is useful, at `FUTILITY_LEVEL` and at all times at once.
    #[must_use]
    pub fn is_useless(&self) -> bool {
        self.log_useless() >= -FUTILITY_LEVEL.ln()
    }

    /// Log of the wealth against "the mean is useful".
    #[must_use]
    pub fn log_useless(&self) -> f64 {
        self.watch.useless.log_wealth()
    }

    /// The detector of decay over these outcomes.
    #[must_use]
    pub fn decay(&self) -> f64 {
        self.watch.decay.statistic()
    }

    /// The Sharpe ratio of an outcome, with its moments; NaN without a spread.
    #[must_use]
    pub fn sharpe(&self) -> Sharpe {
        Sharpe::of(&self.watch.moments)
    }

    /// The deflated Sharpe ratio under the null variance `1/n`, for so many trials; `None` for fewer than thirty
    /// outcomes and where it is undefined.
    #[must_use]
    pub fn dsr(&self, trials: u64) -> Option<f64> {
        if self.n < DSR_EPISODES_MIN {
            return None;
        }
        Some(self.sharpe().deflated(trials, 1.0 / self.n as f64)).filter(|dsr| !dsr.is_nan())
    }

    /// Mean and standard deviation of an outcome; NaN where undefined.
    #[must_use]
    pub fn mean_and_sd(&self) -> (f64, f64) {
        (self.watch.moments.mean(), self.watch.moments.sd())
    }

    /// Wins and losses in R.
    #[must_use]
    pub fn wins(&self) -> Wins {
        self.watch.wins
    }

    /// Sum of the squares of what was lost.
    #[must_use]
    pub fn squared_losses(&self) -> f64 {
        self.watch.squared_losses.value()
    }

    /// Mean log growth of the best bet per episode, as it was so far; `None` without a slot or an episode.
    #[must_use]
    pub fn growth(&self) -> Option<f64> {
        let start = self.start_wealth?.ln() - (self.lambdas().len() as f64).ln();
        (self.n > 0).then(|| (self.mixture.best() - start) / self.n as f64)
    }

    /// Episodes counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Mean outcome in R.
    #[must_use]
    pub fn mean_r(&self) -> Option<f64> {
        (self.n > 0).then(|| self.powers[0].value() / self.n as f64)
    }

    /// Sums of the first four powers of the outcomes.
    #[must_use]
    pub fn power_sums(&self) -> [f64; 4] {
        self.powers.map(Sum::value)
    }

    /// Largest fall of the cumulated R from its peak, which starts at 0.
    #[must_use]
    pub fn max_drawdown_r(&self) -> f64 {
        self.drawdown.max()
    }

    /// How far the cumulated R is below its peak now.
    #[must_use]
    pub fn drawdown_r(&self) -> f64 {
        self.drawdown.now()
    }

    /// The start wealth; `None` without a slot.
    #[must_use]
    pub fn start_wealth(&self) -> Option<f64> {
        self.start_wealth
    }

    /// `B`.
    #[must_use]
    pub fn floor_r(&self) -> f64 {
        self.floor_r
    }

    /// `H`.
    #[must_use]
    pub fn cap_r(&self) -> f64 {
        self.cap_r
    }

    /// The bets, smallest first, per R.
    #[must_use]
    pub fn lambdas(&self) -> &[f64] {
        self.mixture.bets()
    }

    /// Log wealth of each bet, its share of the start wealth included.
    #[must_use]
    pub fn logs(&self) -> &[f64] {
        self.mixture.logs()
    }

    /// Whether an outcome was not finite (`DATA`).
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    /// Whether an outcome fell below the floor (`FLOOR_BREACH`).
    #[must_use]
    pub fn is_breached(&self) -> bool {
        self.is_breached
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::config;
    use super::*;

    fn of(xs: &[f64]) -> Evidence {
        let mut evidence = Evidence::new(&config(), 3.0, 10.0, Some(1.0));
        xs.iter().for_each(|x| evidence.on_episode(*x));
        evidence
    }

    #[test]
    fn one_win_of_one_r_pays_each_bet_its_stake() {
        let evidence = of(&[1.0]);
        let by_hand = evidence.lambdas().iter().map(|l| 1.0 + l).sum::<f64>() / 12.0;
        assert!((evidence.log_e().unwrap() - by_hand.ln()).abs() < 1e-12);
        assert!((evidence.lambdas()[0] - 0.01).abs() < 1e-15 && (evidence.lambdas()[11] - 0.3).abs() < 1e-12);
    }

    #[test]
    fn start_wealth_is_in_the_wealth_and_not_in_the_evidence() {
        let mut poor = Evidence::new(&config(), 3.0, 10.0, Some(0.1));
        poor.on_episode(0.7);
        let rich = of(&[0.7]);
        assert!((poor.log_e().unwrap() - rich.log_e().unwrap()).abs() < 1e-12);
        assert!((poor.log_wealth().unwrap() - rich.log_wealth().unwrap() - 0.1f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn without_a_slot_there_are_statistics_and_no_wealth() {
        let mut evidence = Evidence::new(&config(), 3.0, 10.0, None);
        [1.0, -0.5].into_iter().for_each(|x| evidence.on_episode(x));
        assert_eq!((evidence.log_wealth(), evidence.log_e(), evidence.growth()), (None, None, None));
        assert_eq!((evidence.n(), evidence.mean_r()), (2, Some(0.25)));
        assert!(!evidence.may_reach(f64::NEG_INFINITY));
    }

    #[test]
    fn a_value_that_is_none_is_refused_and_a_breach_voids_the_bound() {
        let mut evidence = of(&[0.5]);
        let before = evidence.clone();
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            evidence.on_episode(x);
        }
        assert!(evidence.is_faulty() && !evidence.is_breached());
        assert_eq!((evidence.n(), evidence.log_e()), (before.n(), before.log_e()));
        evidence.on_episode(-3.0);
        assert!(!evidence.is_breached(), "the floor itself is no breach");
        evidence.on_episode(-3.000_001);
        assert!(evidence.is_breached());
        assert!(evidence.lcb_fast(0.05) < f64::MIN, "no bound holds");
        evidence.on_episode(-1_000.0);
        assert_eq!(evidence.log_wealth(), Some(f64::NEG_INFINITY), "bankrupt, not NaN");
    }

    #[test]
    fn drawdown_counts_from_zero() {
        assert!((of(&[-1.0, 2.0, -0.5, -0.25, 3.0]).max_drawdown_r() - 1.0).abs() < 1e-12);
        assert!((of(&[2.0, -0.5, -0.75]).drawdown_r() - 1.25).abs() < 1e-12);
    }

    #[test]
    fn a_loser_becomes_useless_and_a_winner_never_does() {
        let losing: Vec<f64> = (0..400).map(|k| if k % 3 == 0 { 1.0 } else { -1.0 }).collect();
        let evidence = of(&losing);
        assert!(evidence.is_useless() && evidence.ucb_fast(FUTILITY_LEVEL) < 0.05);
        assert!(evidence.decay() > 1_000.0, "and its detector says so");
        let winning: Vec<f64> = losing.iter().map(|x| -x).collect();
        let evidence = of(&winning);
        assert!(!evidence.is_useless() && evidence.ucb_fast(FUTILITY_LEVEL) > 1.0 / 3.0);
        assert!(evidence.decay() < 1_000.0);
        assert!(evidence.dsr(10).unwrap() > 0.99 && of(&winning[..20]).dsr(10).is_none());
    }

    #[test]
    fn watching_anew_with_the_same_keys_changes_nothing() {
        let xs: Vec<f64> = (0..50).map(|k| f64::from(k % 7) / 3.0 - 1.0).collect();
        let evidence = of(&xs);
        let mut again = evidence.clone();
        again.rewatch(&config(), &xs);
        assert_eq!(again, evidence);
        again.rewatch(&PromotionConfig { keep_edge_r: 0.2, ..config() }, &xs);
        assert!(again.decay() > evidence.decay() && again.log_e() == evidence.log_e());
    }

    proptest! {
        #[test]
        fn order_of_outcomes_does_not_matter(mut xs in prop::collection::vec(-3.0f64..10.0, 1..200)) {
            let forth = of(&xs).log_e().unwrap();
            xs.reverse();
            prop_assert!((forth - of(&xs).log_e().unwrap()).abs() < 1e-9);
            xs.sort_by(f64::total_cmp);
            prop_assert!((forth - of(&xs).log_e().unwrap()).abs() < 1e-9);
        }

        #[test]
        fn fast_bound_is_never_above_the_exact_one(
            xs in prop::collection::vec(-3.0f64..10.0, 0..150), a in 0.000_1f64..0.5,
        ) {
            let evidence = of(&xs);
            prop_assert!(evidence.lcb_fast(a) <= evidence.lcb_exact(a, &xs) + 1e-9);
        }

        #[test]
        fn evidence_passes_exactly_where_the_bound_is_not_below_zero(
            xs in prop::collection::vec(-1.0f64..1.4, 1..300), a in 0.000_1f64..0.9,
        ) {
            let evidence = of(&xs);
            let (gap, bound) = (evidence.log_e().unwrap() + a.ln(), evidence.lcb_exact(a, &xs));
            if gap.abs() > 1e-9 {
                prop_assert_eq!(gap > 0.0, bound >= 0.0, "gap {}, bound {}", gap, bound);
            }
        }

        #[test]
        fn the_cheap_bound_never_hides_a_pass(xs in prop::collection::vec(-1.0f64..1.4, 1..300), t in -2.0f64..9.0) {
            let evidence = of(&xs);
            prop_assert!(evidence.log_wealth().unwrap() < t || evidence.may_reach(t));
        }
    }

    #[test]
    fn dull_series_give_numbers() {
        for xs in [vec![], vec![0.0; 50], vec![1.0; 5_000], vec![-3.0; 5_000], vec![1e300; 3]] {
            let evidence = of(&xs);
            assert!(!evidence.log_wealth().unwrap().is_nan());
            assert!(evidence.lcb_fast(0.05) >= -3.0 && evidence.lcb_exact(0.05, &xs) >= -3.0, "{}", xs.len());
            assert!(!evidence.decay().is_nan() && !evidence.log_useless().is_nan());
            assert!(evidence.dsr(10).is_none_or(|dsr| dsr > 0.0));
        }
    }
}
