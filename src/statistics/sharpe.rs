//! Sharpe ratios and how far they can be believed: probabilistic, deflated, least track record; Lo's factor of
//! aggregation, errors robust to autocorrelation, the difference of two.
//!
//! None of these holds when one looks again and again; the e-process does. They describe, and one of them is a gate that
//! can only take promotions away.
//! Sources: Bailey and López de Prado (2012, 2014); Lo (2002), *The Statistics of Sharpe Ratios*; Ledoit and Wolf
//! (2008), *Robust performance hypothesis testing with the Sharpe ratio*; Newey and West (1987).

use statrs::function::erf::{erfc, erfc_inv};

use super::sums::Moments;

/// Euler and Mascheroni's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// The standard normal distribution function.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Its inverse: the quantile of `p` in (0, 1).
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

/// A Sharpe ratio per observation with what its error depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sharpe {
    /// Observations.
    pub n: u64,
    /// Mean over standard deviation (over n − 1).
    pub ratio: f64,
    /// Skewness.
    pub skew: f64,
    /// Raw kurtosis.
    pub kurtosis: f64,
}

impl Sharpe {
    /// Of what was observed; all NaN without a spread.
    #[must_use]
    pub fn of(moments: &Moments) -> Self {
        let sd = moments.sd();
        let ratio = if sd > 0.0 { moments.mean() / sd } else { f64::NAN };
        Self { n: moments.n(), ratio, skew: moments.skew(), kurtosis: moments.kurtosis() }
    }

    /// What is under the root of its error.
    fn radicand(&self) -> f64 {
        1.0 - self.skew * self.ratio + 0.25 * (self.kurtosis - 1.0) * self.ratio * self.ratio
    }

    /// The probability that the true ratio is above `benchmark`. NaN for fewer than three observations, without a
    /// spread, and where the error is not real.
    #[must_use]
    pub fn probabilistic(&self, benchmark: f64) -> f64 {
        let radicand = self.radicand();
        if self.n < 3 || radicand.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return f64::NAN;
        }
        normal_cdf((self.ratio - benchmark) * ((self.n - 1) as f64).sqrt() / radicand.sqrt())
    }

    /// The same against the best that `trials` tries without skill would show, their ratios having that variance.
    #[must_use]
    pub fn deflated(&self, trials: u64, variance: f64) -> f64 {
        self.probabilistic(expected_best(trials, variance))
    }

    /// How many observations bring the deflated ratio to `level` under the null variance `1/n`, ratio and trials being
    /// what they are: what the best of the trials would show without skill shrinks as fast as the error does. Infinite
    /// where it never comes there.
    #[must_use]
    pub fn observations_to(&self, trials: u64, level: f64) -> f64 {
        let radicand = self.radicand();
        if radicand.is_nan() || radicand <= 0.0 {
            return f64::NAN;
        }
        if self.ratio <= 0.0 {
            return f64::INFINITY;
        }
        let root = (expected_best(trials, 1.0) + normal_quantile(level) * radicand.sqrt()) / self.ratio;
        1.0 + root.max(0.0).powi(2)
    }

    /// How many observations make the ratio significant against `benchmark` at `confidence`; infinite where it is not
    /// above it.
    #[must_use]
    pub fn least_track_record(&self, benchmark: f64, confidence: f64) -> f64 {
        let radicand = self.radicand();
        if radicand.is_nan() || radicand <= 0.0 {
            return f64::NAN;
        }
        if self.ratio <= benchmark {
            return f64::INFINITY;
        }
        let z = normal_quantile(confidence) / (self.ratio - benchmark);
        1.0 + radicand * z * z
    }
}

/// The expected largest of `trials` independent Sharpe ratios around zero with that variance; 0 for one.
#[must_use]
pub fn expected_best(trials: u64, variance: f64) -> f64 {
    if trials <= 1 {
        return 0.0;
    }
    let n = trials as f64;
    let first = normal_quantile(1.0 - 1.0 / n);
    let second = normal_quantile(1.0 - 1.0 / (n * std::f64::consts::E));
    variance.sqrt() * ((1.0 - EULER) * first + EULER * second)
}

/// Autocorrelations of lags 1 to `lags`.
#[must_use]
pub fn autocorrelations(xs: &[f64], lags: usize) -> Vec<f64> {
    let mean = xs.iter().sum::<f64>() / xs.len() as f64;
    let centred: Vec<f64> = xs.iter().map(|x| x - mean).collect();
    let variance = dot(&centred, &centred);
    (1..=lags)
        .map(|lag| if lag < xs.len() { dot(&centred[..xs.len() - lag], &centred[lag..]) / variance } else { f64::NAN })
        .collect()
}

/// Independent observations that would tell as much of the mean: `n / (1 + 2 Σ rho)`, summed over the lags before the first
/// whose autocorrelation cannot be told from 0 (`rho ≤ 2/√n`). Never more than there are.
#[must_use]
pub fn effective_number(xs: &[f64]) -> f64 {
    let n = xs.len() as f64;
    let mean = xs.iter().sum::<f64>() / n;
    let centred: Vec<f64> = xs.iter().map(|x| x - mean).collect();
    let variance = dot(&centred, &centred);
    let correlations = (1..xs.len()).map(|lag| dot(&centred[..xs.len() - lag], &centred[lag..]) / variance);
    n / (1.0 + 2.0 * correlations.take_while(|rho| *rho > 2.0 / n.sqrt()).sum::<f64>())
}

/// Lo's `eta(q)`: what a ratio is multiplied by when `q` observations are added up, given the autocorrelations of lags 1
/// on (at least `q − 1` of them). Without any it is the root of `q`.
#[must_use]
pub fn lo_eta(q: usize, autocorrelations: &[f64]) -> f64 {
    let sum: f64 = (1..q).zip(autocorrelations).map(|(k, rho)| (q - k) as f64 * rho).sum();
    q as f64 / (q as f64 + 2.0 * sum).sqrt()
}

/// The standard error of a ratio of `n` independent normal observations.
#[must_use]
pub fn iid_error(ratio: f64, n: usize) -> f64 {
    ((1.0 + 0.5 * ratio * ratio) / n as f64).sqrt()
}

/// Lags that the robust errors look back: `⌊4 (n/100)^(2/9)⌋`.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of lags")]
pub fn hac_lags(n: usize) -> usize {
    (4.0 * (n as f64 / 100.0).powf(2.0 / 9.0)) as usize
}

/// The standard error of a Sharpe ratio (population form), robust to autocorrelation.
#[must_use]
pub fn hac_error(xs: &[f64]) -> f64 {
    let squares: Vec<f64> = xs.iter().map(|x| x * x).collect();
    let (mean, square) = (mean_of(xs), mean_of(&squares));
    let variance = square - mean * mean;
    let cube = variance.powf(1.5);
    delta_error(&[xs, &squares], &[square / cube, -mean / (2.0 * cube)])
}

/// Two Sharpe ratios (population form) of paired observations, held against each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The first less the second.
    pub difference: f64,
    /// Its standard error, robust to autocorrelation.
    pub error: f64,
    /// Two-sided p-value of no difference.
    pub p: f64,
}

/// The difference of two Sharpe ratios in Ledoit and Wolf's form, without prewhitening.
///
/// # Panics
/// If the series are not of one length.
#[must_use]
pub fn difference(xs: &[f64], ys: &[f64]) -> Difference {
    assert_eq!(xs.len(), ys.len(), "observations come in pairs");
    let square = |values: &[f64]| values.iter().map(|x| x * x).collect::<Vec<f64>>();
    let (xx, yy) = (square(xs), square(ys));
    let (mx, my, gx, gy) = (mean_of(xs), mean_of(ys), mean_of(&xx), mean_of(&yy));
    let (vx, vy) = (gx - mx * mx, gy - my * my);
    let (cx, cy) = (vx.powf(1.5), vy.powf(1.5));
    let difference = mx / vx.sqrt() - my / vy.sqrt();
    let gradient = [gx / cx, -gy / cy, -mx / (2.0 * cx), my / (2.0 * cy)];
    let error = delta_error(&[xs, ys, &xx, &yy], &gradient);
    let p = erfc((difference / error).abs() * std::f64::consts::FRAC_1_SQRT_2);
    Difference { difference, error, p }
}

/// `sqrt(g' S g / n)` with `S` the long-run covariance of `columns` under Bartlett's weights.
fn delta_error(columns: &[&[f64]], gradient: &[f64]) -> f64 {
    let n = columns[0].len();
    // The gradient of a sum is the sum of gradients: one series carries all that is needed of the covariance.
    let means: Vec<f64> = columns.iter().map(|column| mean_of(column)).collect();
    let series: Vec<f64> = (0..n)
        .map(|t| columns.iter().zip(&means).zip(gradient).map(|((column, mean), g)| g * (column[t] - mean)).sum())
        .collect();
    let lags = hac_lags(n);
    let mut variance = dot(&series, &series) / n as f64;
    for lag in 1..=lags.min(n.saturating_sub(1)) {
        let weight = 1.0 - lag as f64 / (lags + 1) as f64;
        variance += 2.0 * weight * dot(&series[lag..], &series[..n - lag]) / n as f64;
    }
    (variance / n as f64).sqrt()
}

fn mean_of(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_tells_less() {
        // Four runs of 25: mean 0, rho_1 = (96 - 3)/100, and so on down a line; far less than a hundred.
        let runs: Vec<f64> = (0..100).map(|k| if k / 25 % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let rho = |lag: f64| (100.0 - lag - 6.0 * lag) / 100.0;
        let want = 100.0 / (1.0 + 2.0 * (1..12).map(|lag| rho(f64::from(lag))).sum::<f64>());
        assert!((effective_number(&runs) - want).abs() < 1e-9, "{} {want}", effective_number(&runs));
        let alternating: Vec<f64> = (0..100).map(|k| f64::from(k % 2)).collect();
        for all in [&alternating[..], &[3.0; 7], &[1.0], &[]] {
            assert!((effective_number(all) - all.len() as f64).abs() < 1e-12, "{all:?}");
        }
    }

    #[test]
    fn quantiles_undo_the_distribution() {
        for (p, z) in [(0.975, 1.959_963_984_540_054), (0.5, 0.0), (0.05, -1.644_853_626_951_472_2)] {
            assert!((normal_quantile(p) - z).abs() < 1e-11, "{p}: {}", normal_quantile(p));
            assert!((normal_cdf(z) - p).abs() < 1e-11, "{z}: {}", normal_cdf(z));
        }
    }

    #[test]
    fn what_is_undefined_is_nan_and_one_trial_deflates_nothing() {
        let constant = Sharpe::of(&Moments::of(&[0.2; 40]));
        assert!(constant.probabilistic(0.0).is_nan() && constant.least_track_record(0.0, 0.95).is_nan());
        assert!(Sharpe::of(&Moments::of(&[1.0, 2.0])).probabilistic(0.0).is_nan(), "two are too few");
        let some = Sharpe::of(&Moments::of(&[1.0, -0.5, 0.7, 0.3, -0.2]));
        assert_eq!(some.deflated(1, 0.2).to_bits(), some.probabilistic(0.0).to_bits());
        assert!(some.deflated(100, 0.2) < some.deflated(2, 0.2));
        assert!(Sharpe::of(&Moments::of(&[-1.0, -0.5, 0.7])).least_track_record(0.0, 0.95).is_infinite());
    }

    #[test]
    fn without_autocorrelation_ratios_grow_with_the_root() {
        assert!((lo_eta(4, &[0.0; 3]) - 2.0).abs() < 1e-15);
        // q = 2, rho 0.5: 2 / sqrt(2 + 2 · 0.5).
        assert!((lo_eta(2, &[0.5]) - 2.0 / 3.0f64.sqrt()).abs() < 1e-15);
        assert_eq!((hac_lags(100), hac_lags(250), hac_lags(500)), (4, 4, 5));
    }
}
