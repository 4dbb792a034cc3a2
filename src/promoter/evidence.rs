//! The evidence of one candidate: a mixture of constant bets against "its average edge to date is not above `m0`".
//!
//! The wealth of the mixture is an e-process, so that looking after every episode costs nothing. Its validity rests on
//! the bets never changing and on no outcome below the declared floor; a breach of the floor voids it for good.

use serde::{Deserialize, Serialize};

use crate::config::PromotionConfig;

/// A sum that keeps what rounding would lose (Neumaier 1974).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// Adds one term.
    pub fn add(&mut self, term: f64) {
        let next = self.sum + term;
        self.lost += if self.sum.abs() >= term.abs() { (self.sum - next) + term } else { (term - next) + self.sum };
        self.sum = next;
    }

    /// The sum so far.
    #[must_use]
    pub fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// Steps of every bisection: the interval shrinks below what a float can tell apart.
const BISECTIONS: usize = 60;

/// What is known of one candidate from its closed episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    floor_r: f64,
    null_edge_r: f64,
    start_wealth: Option<f64>,
    lambdas: Box<[f64]>,
    logs: Box<[f64]>,
    n: u64,
    powers: [Sum; 4],
    peak_r: f64,
    max_drawdown_r: f64,
    is_faulty: bool,
    is_breached: bool,
}

impl Evidence {
    /// No episode yet. `floor_r` is `B` of this candidate; `start_wealth` is what its slot starts it with, in (0, 1],
    /// or `None` without a slot: such a candidate has statistics, but no wealth.
    ///
    /// # Panics
    /// If the configuration has no bets.
    #[must_use]
    pub fn new(config: &PromotionConfig, floor_r: f64, start_wealth: Option<f64>) -> Self {
        let count = usize::from(config.bets);
        assert!(count > 0, "a mixture needs at least one bet");
        let largest = config.lambda_cap / (floor_r + config.null_edge_r);
        let step = (largest / config.lambda_min).ln() / (count.max(2) - 1) as f64;
        let lambdas: Box<[f64]> = (0..count).map(|j| config.lambda_min * (step * j as f64).exp()).collect();
        let log_start = start_wealth.map_or(0.0, f64::ln) - (count as f64).ln();
        Self {
            floor_r,
            null_edge_r: config.null_edge_r,
            start_wealth,
            logs: vec![log_start; count].into(),
            lambdas,
            n: 0,
            powers: [Sum::default(); 4],
            peak_r: 0.0,
            max_drawdown_r: 0.0,
            is_faulty: false,
            is_breached: false,
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
        let equity = self.powers[0].value();
        self.peak_r = self.peak_r.max(equity);
        self.max_drawdown_r = self.max_drawdown_r.max(self.peak_r - equity);
        if self.start_wealth.is_some() {
            let edge = x - self.null_edge_r;
            for (log, lambda) in self.logs.iter_mut().zip(&self.lambdas) {
                let gain = lambda * edge;
                *log += if gain > -1.0 { gain.ln_1p() } else { f64::NEG_INFINITY };
            }
        }
        self.is_breached |= x < -self.floor_r;
    }

    /// Natural log of the wealth, the start wealth included; `-inf` when every bet is bankrupt; `None` without a slot.
    #[must_use]
    pub fn log_wealth(&self) -> Option<f64> {
        self.start_wealth.map(|_| log_sum_exp(&self.logs))
    }

    /// Natural log of the e-value of this candidate alone; `None` without a slot.
    #[must_use]
    pub fn log_e(&self) -> Option<f64> {
        Some(self.log_wealth()? - self.start_wealth?.ln())
    }

    /// Whether the wealth may have reached `threshold` (a log): a cheap bound that never says no wrongly.
    #[must_use]
    pub fn may_reach(&self, threshold: f64) -> bool {
        let largest = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.start_wealth.is_some() && largest + (self.logs.len() as f64).ln() + 1e-9 >= threshold
    }

    /// Lower bound of the average edge to date in R, right at all times at once but for a chance of `a`. From the sums
    /// alone, in constant time, never above [`Self::lcb_exact`]. Minus the floor means that nothing is known; after a
    /// breach of the floor no bound holds and it is `-inf`.
    #[must_use]
    pub fn lcb_fast(&self, a: f64) -> f64 {
        let (n, s1, s2) = (self.n as f64, self.s1(), self.s2());
        self.bisect(a, |m, logs| {
            let span = self.floor_r + m;
            let (sum, squares) = (s1 - n * m, s2 - 2.0 * m * s1 + n * m * m);
            for (log, lambda) in logs.iter_mut().zip(&self.lambdas) {
                let fraction = lambda * span;
                *log = if fraction < 1.0 {
                    lambda * sum - lambda * lambda * tail_ratio(fraction) * squares
                } else {
                    f64::NEG_INFINITY
                };
            }
        })
    }

    /// The same bound from every outcome, in the time of `60 · K · n` products. `xs` are all outcomes of this evidence.
    #[must_use]
    pub fn lcb_exact(&self, a: f64, xs: &[f64]) -> f64 {
        self.bisect(a, |m, logs| {
            for (log, lambda) in logs.iter_mut().zip(&self.lambdas) {
                *log = if lambda * (self.floor_r + m) < 1.0 { log_product(*lambda, m, xs) } else { f64::NEG_INFINITY };
            }
        })
    }

    /// The largest `m` in `[-floor, mean]` whose log wealth (as `fill` computes it by bet) is at least `ln(1/a)`.
    /// At the mean the wealth is at most 1, so that the search never has to look beyond it.
    fn bisect(&self, a: f64, fill: impl Fn(f64, &mut [f64])) -> f64 {
        if self.is_breached {
            return f64::NEG_INFINITY;
        }
        let target = -a.ln() + (self.lambdas.len() as f64).ln();
        let mut logs = vec![0.0; self.lambdas.len()];
        let mut is_rejected = |m: f64| {
            fill(m, &mut logs);
            log_sum_exp(&logs) >= target
        };
        let (mut low, mut high) = (-self.floor_r, self.mean_r().unwrap_or(-self.floor_r));
        if high <= low || !is_rejected(low) {
            return -self.floor_r;
        }
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            if is_rejected(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Mean log growth of the best bet per episode, as it was so far; `None` without a slot or an episode.
    #[must_use]
    pub fn growth(&self) -> Option<f64> {
        let start = self.start_wealth?.ln() - (self.logs.len() as f64).ln();
        let best = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (self.n > 0).then(|| (best - start) / self.n as f64)
    }

    /// Episodes counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Mean outcome in R.
    #[must_use]
    pub fn mean_r(&self) -> Option<f64> {
        (self.n > 0).then(|| self.s1() / self.n as f64)
    }

    /// Sums of the first four powers of the outcomes.
    #[must_use]
    pub fn power_sums(&self) -> [f64; 4] {
        self.powers.map(Sum::value)
    }

    fn s1(&self) -> f64 {
        self.powers[0].value()
    }

    fn s2(&self) -> f64 {
        self.powers[1].value()
    }

    /// Largest fall of the cumulated R from its peak, which starts at 0.
    #[must_use]
    pub fn max_drawdown_r(&self) -> f64 {
        self.max_drawdown_r
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

    /// The bets, smallest first, per R.
    #[must_use]
    pub fn lambdas(&self) -> &[f64] {
        &self.lambdas
    }

    /// Log wealth of each bet, its share of the start wealth included.
    #[must_use]
    pub fn logs(&self) -> &[f64] {
        &self.logs
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

/// `ln(Σ exp)`, without overflow; `-inf` for nothing but `-inf`.
fn log_sum_exp(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
}

/// `ln Π (1 + λ (x − m))`. Factors are multiplied and only now and then turned into a log, which is some ten times as
/// fast as a log each and as exact.
fn log_product(lambda: f64, m: f64, xs: &[f64]) -> f64 {
    let (mut log, mut product) = (0.0, 1.0f64);
    for x in xs {
        let factor = 1.0 + lambda * (x - m);
        if factor <= 0.0 {
            return f64::NEG_INFINITY;
        }
        product *= factor;
        if !(1e-100..=1e100).contains(&product) {
            log += product.ln();
            product = 1.0;
        }
    }
    log + product.ln()
}

/// `(−ln(1−f) − f) / f²` for `f` in `[0, 1)`; near 0 by its series, where the difference would cancel.
fn tail_ratio(f: f64) -> f64 {
    if f < 1e-2 {
        return 0.5 + f * (1.0 / 3.0 + f * (0.25 + f * (0.2 + f * (1.0 / 6.0 + f * (1.0 / 7.0 + f / 8.0)))));
    }
    (-(-f).ln_1p() - f) / (f * f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::config;
    use super::*;

    fn of(xs: &[f64]) -> Evidence {
        let mut evidence = Evidence::new(&config(), 3.0, Some(1.0));
        xs.iter().for_each(|x| evidence.on_episode(*x));
        evidence
    }

    #[test]
    fn compensated_sums_keep_what_plain_ones_lose() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|term| sum.add(term));
        assert!((sum.value() - 2.0).abs() < 1e-12);
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
        let mut poor = Evidence::new(&config(), 3.0, Some(0.1));
        poor.on_episode(0.7);
        let rich = of(&[0.7]);
        assert!((poor.log_e().unwrap() - rich.log_e().unwrap()).abs() < 1e-12);
        assert!((poor.log_wealth().unwrap() - rich.log_wealth().unwrap() - 0.1f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn without_a_slot_there_are_statistics_and_no_wealth() {
        let mut evidence = Evidence::new(&config(), 3.0, None);
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
        assert!((of(&[2.0, -0.5, -0.75]).max_drawdown_r() - 1.25).abs() < 1e-12);
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
        }
    }
}
