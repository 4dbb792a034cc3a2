//! Running sums that lose nothing worth having: compensated sums and central moments.

use serde::{Deserialize, Serialize};

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

/// Count, mean and the second to fourth central moments of what was pushed, each in constant time.
///
/// Sums of powers would cancel where the mean is large against the spread; these do not.
/// Source: Pébay (2008), *Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order
/// Statistical Moments*, eq. 2.1 and its fellows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    n: u64,
    mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Moments {
    /// Of a whole series.
    #[must_use]
    pub fn of(xs: &[f64]) -> Self {
        let mut moments = Self::default();
        xs.iter().for_each(|x| moments.push(*x));
        moments
    }

    /// Takes one more value.
    pub fn push(&mut self, x: f64) {
        let before = self.n as f64;
        self.n += 1;
        let n = self.n as f64;
        let delta = x - self.mean;
        let step = delta / n;
        let square = step * step;
        let term = delta * step * before;
        self.mean += step;
        self.m4 += term * square * (n * n - 3.0 * n + 3.0) + 6.0 * square * self.m2 - 4.0 * step * self.m3;
        self.m3 += term * step * (n - 2.0) - 3.0 * step * self.m2;
        self.m2 += term;
    }

    /// How many.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The mean; NaN of nothing.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.n == 0 { f64::NAN } else { self.mean }
    }

    /// Standard deviation over `n − 1`; NaN of fewer than two. A spread of a few last bits is none at all and gives 0.
    #[must_use]
    pub fn sd(&self) -> f64 {
        if self.n < 2 {
            return f64::NAN;
        }
        let sd = (self.m2 / (self.n - 1) as f64).sqrt();
        if sd < 1e-12 * self.mean.abs().max(1.0) { 0.0 } else { sd }
    }

    /// Skewness by population moments; NaN without a spread.
    #[must_use]
    pub fn skew(&self) -> f64 {
        let variance = self.variance();
        self.m3 / self.n as f64 / (variance * variance.sqrt())
    }

    /// Raw kurtosis (normal: 3) by population moments; NaN without a spread.
    #[must_use]
    pub fn kurtosis(&self) -> f64 {
        let variance = self.variance();
        self.m4 / self.n as f64 / (variance * variance)
    }

    /// Population variance, NaN where there is no spread.
    fn variance(&self) -> f64 {
        if self.sd() > 0.0 { self.m2 / self.n as f64 } else { f64::NAN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compensated_sums_keep_what_plain_ones_lose() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|term| sum.add(term));
        assert!((sum.value() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn moments_of_a_few_numbers_by_hand() {
        // 1, 2, 3, 6: mean 3, deviations -2 -1 0 3, squares sum 14, cubes sum 18, fourths sum 98.
        let moments = Moments::of(&[1.0, 2.0, 3.0, 6.0]);
        assert!((moments.mean() - 3.0).abs() < 1e-15);
        assert!((moments.sd() - (14.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((moments.skew() - 4.5 / 3.5f64.powf(1.5)).abs() < 1e-14);
        assert!((moments.kurtosis() - 24.5 / (3.5 * 3.5)).abs() < 1e-14);
    }

    #[test]
    fn what_is_undefined_is_nan_and_a_constant_has_no_spread() {
        assert!(Moments::default().mean().is_nan() && Moments::of(&[1.0]).sd().is_nan());
        let constant = Moments::of(&[0.1; 50]);
        assert_eq!(constant.sd().to_bits(), 0.0f64.to_bits());
        assert!(constant.skew().is_nan() && constant.kurtosis().is_nan());
    }
}
