//! Made-up outcomes in R with a mean that is known exactly.

use statrs::function::beta::inv_beta_reg;

use crate::statistics::draws::Draws;
use crate::statistics::sharpe::{normal_cdf, normal_quantile};

/// The shape of a candidate's outcomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Payoff {
    /// A stop and a limit: one or the other.
    TwoPoint {
        /// What the stop loses, negative.
        low: f64,
        /// What the limit wins.
        high: f64,
    },
    /// Like a stop and a limit of 1 R, and in 2 % of trades a gap of 3 R through the stop.
    Gap,
    /// Student's t with three degrees of freedom, scaled to a spread near 1 and cut at 3 R either side.
    HeavyTails,
    /// Spells of a hundred trades at 0.3 R and at 1.5 R.
    Regimes,
}

impl Payoff {
    /// The designs of the published figures, with their names.
    pub const ALL: [(&'static str, Self); 7] = [
        ("-1/+1", Self::TwoPoint { low: -1.0, high: 1.0 }),
        ("-1/+0.5", Self::TwoPoint { low: -1.0, high: 0.5 }),
        ("-1/+0.1", Self::TwoPoint { low: -1.0, high: 0.1 }),
        ("-1/+3", Self::TwoPoint { low: -1.0, high: 3.0 }),
        ("gap", Self::Gap),
        ("t3", Self::HeavyTails),
        ("regimes", Self::Regimes),
    ];

    /// The design of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, payoff)| payoff)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        let known = Self::ALL.into_iter().find(|(_, payoff)| *payoff == self);
        match (known, self) {
            (Some((name, _)), _) => name.to_owned(),
            (None, Self::TwoPoint { low, high }) => format!("{low}/+{high}"),
            (None, _) => unreachable!("every other design has a name"),
        }
    }

    /// Whether a mean of `edge` is possible.
    #[must_use]
    pub fn allows(self, edge: f64) -> bool {
        match self {
            Self::TwoPoint { low, high } => edge > low && edge < high,
            Self::Gap => edge > -0.9 && edge < 0.9,
            Self::HeavyTails => edge.abs() <= 1.0,
            Self::Regimes => edge.abs() < 0.9,
        }
    }

    /// The outcome of trade number `k` (from 0) for a standard normal `z`, with a mean of `edge`.
    #[must_use]
    pub fn outcome(self, z: f64, k: u64, edge: f64) -> f64 {
        match self {
            Self::TwoPoint { low, high } => {
                let p = (edge - low) / (high - low);
                if normal_cdf(z) > 1.0 - p { high } else { low }
            }
            Self::Gap => {
                let gap = 0.02;
                let p = f64::midpoint(edge + 3.0 * gap, 1.0 - gap);
                let u = normal_cdf(z);
                if u < gap {
                    -3.0
                } else if u > 1.0 - p {
                    1.0
                } else {
                    -1.0
                }
            }
            Self::HeavyTails => edge + (0.7 * t3_quantile(normal_cdf(z))).clamp(-3.0, 3.0),
            Self::Regimes => {
                let scale = if (k / 100).is_multiple_of(2) { 0.3 } else { 1.5 };
                let p = f64::midpoint(edge / 0.9, 1.0);
                if normal_cdf(z) > 1.0 - p { scale } else { -scale }
            }
        }
    }
}

/// The quantile of Student's t with three degrees of freedom.
fn t3_quantile(u: f64) -> f64 {
    // The tail probability of t² is a beta integral; its inverse is in the library of functions.
    let tail = 2.0 * u.min(1.0 - u);
    if tail <= 1e-12 {
        return if u < 0.5 { -1e4 } else { 1e4 };
    }
    let y = inv_beta_reg(1.5, 0.5, tail);
    let t = (3.0 * (1.0 / y - 1.0)).sqrt();
    if u < 0.5 { -t } else { t }
}

/// Standard normals of many candidates with one common part: any two are correlated by `rho`.
#[derive(Clone, Debug)]
pub struct Correlated {
    draws: Draws,
    common: f64,
    own: f64,
}

impl Correlated {
    /// From a stream of draws.
    #[must_use]
    pub fn new(draws: Draws, rho: f64) -> Self {
        Self { draws, common: rho.sqrt(), own: (1.0 - rho).sqrt() }
    }

    /// One normal for each of `zs`.
    pub fn fill(&mut self, zs: &mut [f64]) {
        let factor = if self.common > 0.0 { self.common * self.draws.normal() } else { 0.0 };
        for z in zs {
            *z = factor + self.own * self.draws.normal();
        }
    }
}

/// The interval of a share `k` of `n` at level `1 − alpha` by Clopper and Pearson: never too narrow.
/// Source: Clopper and Pearson (1934).
#[must_use]
pub fn clopper_pearson(k: u64, n: u64, alpha: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (x, rest) = (k as f64, (n - k) as f64);
    let low = if k == 0 { 0.0 } else { inv_beta_reg(x, rest + 1.0, alpha / 2.0) };
    let high = if k == n { 1.0 } else { inv_beta_reg(x + 1.0, rest, 1.0 - alpha / 2.0) };
    (low, high)
}

/// The z of a one-sided level, for sample sizes that a single look would need.
#[must_use]
pub fn z_of(level: f64) -> f64 {
    normal_quantile(1.0 - level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::sums::Moments;

    #[test]
    fn every_payoff_has_the_mean_it_says() {
        for (name, payoff) in Payoff::ALL {
            for edge in [0.0, 0.05] {
                let mut draws = Draws::new(3, 9);
                let mut moments = Moments::default();
                (0..200_000).for_each(|k| moments.push(payoff.outcome(draws.normal(), k, edge)));
                let error = moments.sd() / (moments.n() as f64).sqrt();
                assert!((moments.mean() - edge).abs() < 4.5 * error, "{name} {edge}: {}", moments.mean());
            }
            assert_eq!(Payoff::named(name), Some(payoff));
            assert_eq!(payoff.name(), name);
        }
        assert!(!Payoff::named("-1/+0.1").unwrap().allows(0.1));
    }

    #[test]
    fn quantiles_of_t_with_three_degrees_of_freedom() {
        // From tables: 90 % 1.637744, 97.5 % 3.182446.
        for (u, t) in [(0.9, 1.637_744), (0.975, 3.182_446), (0.1, -1.637_744), (0.5, 0.0)] {
            assert!((t3_quantile(u) - t).abs() < 1e-4, "{u}: {}", t3_quantile(u));
        }
    }

    #[test]
    fn shares_have_their_exact_intervals() {
        // 0 of 10: the upper bound is 1 − 0.025^(1/10).
        let (low, high) = clopper_pearson(0, 10, 0.05);
        assert!(low.abs() < 1e-12 && (high - (1.0 - 0.025f64.powf(0.1))).abs() < 1e-9);
        let (low, high) = clopper_pearson(10, 10, 0.05);
        assert!((low - 0.025f64.powf(0.1)).abs() < 1e-9 && (high - 1.0).abs() < 1e-12);
        assert_eq!(clopper_pearson(0, 0, 0.05), (0.0, 1.0));
    }

    #[test]
    fn candidates_are_correlated_as_asked() {
        let mut correlated = Correlated::new(Draws::new(1, 0), 0.7);
        let (mut zs, mut product, mut square) = ([0.0; 2], 0.0, 0.0);
        for _ in 0..100_000 {
            correlated.fill(&mut zs);
            product += zs[0] * zs[1];
            square += zs[0] * zs[0];
        }
        assert!((product / square - 0.7).abs() < 0.02, "{}", product / square);
    }
}
