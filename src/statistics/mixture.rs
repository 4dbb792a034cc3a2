//! Mixtures of constant bets: the e-process against "the average so far is not above `m`", and the confidence bounds
//! that are the same statement turned round.
//!
//! A bet `λ` multiplies its share by `1 + λ (x − m)` at each outcome. While no outcome lies below `−floor` and
//! `λ (floor + m) < 1`, that is never negative, and the mixture is an e-process whatever the outcomes' law.
//! Source: Waudby-Smith and Ramdas (2024), *Estimating means of bounded random variables by betting*.

use serde::{Deserialize, Serialize};

/// Steps of every bisection: the interval shrinks below what a float can tell apart.
const BISECTIONS: usize = 60;

/// `count` bets from `smallest` to `largest`, evenly spaced in their logs.
///
/// # Panics
/// If `count` is 0.
#[must_use]
pub fn bets(count: usize, smallest: f64, largest: f64) -> Box<[f64]> {
    assert!(count > 0, "a mixture needs at least one bet");
    let step = (largest / smallest).ln() / (count.max(2) - 1) as f64;
    (0..count).map(|j| smallest * (step * j as f64).exp()).collect()
}

/// `ln Σ exp`, without overflow; `-inf` for nothing but `-inf`.
#[must_use]
pub fn log_sum_exp(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
}

/// A mixture at work: the bets, and the log of what each has made of its share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    bets: Box<[f64]>,
    logs: Box<[f64]>,
}

impl Mixture {
    /// Equal shares of a wealth whose log is `log_start`.
    ///
    /// # Panics
    /// If there is no bet.
    #[must_use]
    pub fn new(bets: Box<[f64]>, log_start: f64) -> Self {
        assert!(!bets.is_empty(), "a mixture needs at least one bet");
        let share = log_start - (bets.len() as f64).ln();
        Self { logs: vec![share; bets.len()].into(), bets }
    }

    /// Takes the gain `y` of a stake of 1: each bet's factor is `1 + λ y`. A factor that is not positive ends its bet.
    pub fn play(&mut self, y: f64) {
        for (log, bet) in self.logs.iter_mut().zip(&self.bets) {
            let gain = bet * y;
            *log += if gain > -1.0 { gain.ln_1p() } else { f64::NEG_INFINITY };
        }
    }

    /// Natural log of the wealth; `-inf` when every bet is bankrupt.
    #[must_use]
    pub fn log_wealth(&self) -> f64 {
        log_sum_exp(&self.logs)
    }

    /// Natural log of the wealth after one more gain `y`, without taking it.
    #[must_use]
    pub fn log_wealth_after(&self, y: f64) -> f64 {
        let mut next = self.clone();
        next.play(y);
        next.log_wealth()
    }

    /// Whether the wealth may have reached `threshold` (a log): a cheap bound that never says no wrongly.
    #[must_use]
    pub fn may_reach(&self, threshold: f64) -> bool {
        self.best() + (self.logs.len() as f64).ln() + 1e-9 >= threshold
    }

    /// Log of the best bet's share.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The bets, smallest first.
    #[must_use]
    pub fn bets(&self) -> &[f64] {
        &self.bets
    }

    /// Log of each bet's share.
    #[must_use]
    pub fn logs(&self) -> &[f64] {
        &self.logs
    }
}

/// Count, sum and sum of squares of outcomes: all that the fast bounds need.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// How many.
    pub n: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

impl Totals {
    /// Of a whole series.
    #[must_use]
    pub fn of(xs: &[f64]) -> Self {
        let mut totals = Self { n: xs.len() as f64, ..Self::default() };
        for x in xs {
            totals.sum += x;
            totals.squares += x * x;
        }
        totals
    }

    fn mirrored(self) -> Self {
        Self { sum: -self.sum, ..self }
    }
}

/// Lower bound of the average so far, right at all times at once but for a chance of `a`, in constant time. Never above
/// [`lower_exact`]; `−floor` means that nothing is known.
#[must_use]
pub fn lower_fast(bets: &[f64], floor: f64, totals: Totals, a: f64) -> f64 {
    let Totals { n, sum, squares } = totals;
    bisect(bets.len(), floor, sum / n, a, |m, logs| {
        let span = floor + m;
        let (sum, squares) = (sum - n * m, squares - 2.0 * m * sum + n * m * m);
        for (log, bet) in logs.iter_mut().zip(bets) {
            let fraction = bet * span;
            *log =
                if fraction < 1.0 { bet * sum - bet * bet * tail_ratio(fraction) * squares } else { f64::NEG_INFINITY };
        }
    })
}

/// The same bound from every outcome, in the time of `60 · K · n` products.
#[must_use]
pub fn lower_exact(bets: &[f64], floor: f64, xs: &[f64], a: f64) -> f64 {
    let mean = xs.iter().sum::<f64>() / xs.len() as f64;
    bisect(bets.len(), floor, mean, a, |m, logs| {
        for (log, bet) in logs.iter_mut().zip(bets) {
            *log = if bet * (floor + m) < 1.0 { log_product(*bet, m, xs) } else { f64::NEG_INFINITY };
        }
    })
}

/// Upper bound of the average of `min(x, cap)`, by the mirror image of [`lower_fast`]: `capped` are the totals of those.
/// `cap` means that nothing is known.
#[must_use]
pub fn upper_fast(bets: &[f64], cap: f64, capped: Totals, a: f64) -> f64 {
    -lower_fast(bets, cap, capped.mirrored(), a)
}

/// Upper bound of the average of `min(x, cap)` from every outcome.
#[must_use]
pub fn upper_exact(bets: &[f64], cap: f64, xs: &[f64], a: f64) -> f64 {
    let mirrored: Vec<f64> = xs.iter().map(|x| -x.min(cap)).collect();
    -lower_exact(bets, cap, &mirrored, a)
}

/// The largest `m` in `[−floor, mean]` whose log wealth (as `fill` computes it by bet) is at least `ln(1/a)`. At the
/// mean the wealth is at most 1, so that the search never has to look beyond it.
fn bisect(count: usize, floor: f64, mean: f64, a: f64, fill: impl Fn(f64, &mut [f64])) -> f64 {
    let target = -a.ln() + (count as f64).ln();
    let mut logs = vec![0.0; count];
    let mut is_rejected = |m: f64| {
        fill(m, &mut logs);
        log_sum_exp(&logs) >= target
    };
    let (mut low, mut high) = (-floor, mean);
    // A mean that is NaN (no outcome) is not above the floor either.
    if high.partial_cmp(&low) != Some(std::cmp::Ordering::Greater) || !is_rejected(low) {
        return -floor;
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

/// `ln Π (1 + λ (x − m))`. Factors are multiplied and only now and then turned into a log, which is some ten times as
/// fast as a log each and as exact.
fn log_product(bet: f64, m: f64, xs: &[f64]) -> f64 {
    let (mut log, mut product) = (0.0, 1.0f64);
    for x in xs {
        let factor = 1.0 + bet * (x - m);
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

    use super::*;

    fn grid() -> Box<[f64]> {
        bets(12, 0.01, 0.3)
    }

    #[test]
    fn one_win_pays_each_bet_its_stake() {
        let mut mixture = Mixture::new(grid(), 0.0);
        mixture.play(1.0);
        let by_hand = mixture.bets().iter().map(|l| 1.0 + l).sum::<f64>() / 12.0;
        assert!((mixture.log_wealth() - by_hand.ln()).abs() < 1e-12);
        assert!((mixture.log_wealth_after(-1e9)).is_infinite(), "bankrupt, not NaN");
    }

    #[test]
    fn nothing_known_is_the_floor_or_the_cap() {
        assert!((lower_fast(&grid(), 3.0, Totals::default(), 0.05) + 3.0).abs() < 1e-12);
        assert!((lower_exact(&grid(), 3.0, &[], 0.05) + 3.0).abs() < 1e-12);
        assert!((upper_fast(&grid(), 10.0, Totals::default(), 0.05) - 10.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn fast_bounds_are_never_tighter_than_exact_ones_and_hold_the_mean_between(
            xs in prop::collection::vec(-3.0f64..10.0, 1..120), a in 0.000_1f64..0.5,
        ) {
            let (low, high) = (grid(), bets(12, 0.01, 0.09));
            let totals = Totals::of(&xs);
            let mean = totals.sum / totals.n;
            let exact = lower_exact(&low, 3.0, &xs, a);
            prop_assert!(lower_fast(&low, 3.0, totals, a) <= exact + 1e-9);
            prop_assert!(exact <= mean + 1e-9);
            let upper = upper_exact(&high, 10.0, &xs, a);
            prop_assert!(upper_fast(&high, 10.0, totals, a) >= upper - 1e-9);
            prop_assert!(upper >= mean - 1e-9);
        }
    }
}
