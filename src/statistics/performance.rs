//! Plain figures of a record: what was won and lost, how deep it fell, how often it won.

use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc_inv;

use super::sums::Moments;

/// The figures of a series of returns a period, compounded from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Performance {
    /// Periods.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (over n − 1).
    pub sd: f64,
    /// Mean over standard deviation, a year.
    pub sharpe: f64,
    /// Mean over the downside deviation of all observations, a year.
    pub sortino: f64,
    /// The deepest fall of the compounded equity from its peak, start value included; never positive.
    pub max_drawdown: f64,
    /// Compound growth a year.
    pub cagr: f64,
    /// Growth over the deepest fall.
    pub calmar: f64,
    /// What was won and lost.
    pub wins: Wins,
}

impl Performance {
    /// Of returns, `periods` of them a year.
    #[must_use]
    pub fn of(returns: &[f64], periods: f64) -> Self {
        let moments = Moments::of(returns);
        let (n, mean, sd) = (returns.len(), moments.mean(), moments.sd());
        let (mut equity, mut peak, mut max_drawdown) = (1.0f64, 1.0f64, 0.0f64);
        for r in returns {
            equity *= 1.0 + r;
            peak = peak.max(equity);
            max_drawdown = max_drawdown.min(equity / peak - 1.0);
        }
        let cagr = if n > 0 { equity.powf(periods / n as f64) - 1.0 } else { f64::NAN };
        Self {
            n,
            mean,
            sd,
            sharpe: if sd > 0.0 { mean / sd * periods.sqrt() } else { f64::NAN },
            sortino: sortino(returns) * periods.sqrt(),
            max_drawdown,
            cagr,
            calmar: if max_drawdown < 0.0 { cagr / max_drawdown.abs() } else { f64::NAN },
            wins: Wins::of(returns),
        }
    }
}

/// Mean over the root of the mean squared loss, over all observations. Infinite without a loss, NaN of nothing.
#[must_use]
pub fn sortino(xs: &[f64]) -> f64 {
    let n = xs.len() as f64;
    let mean = xs.iter().sum::<f64>() / n;
    sortino_of(mean, xs.iter().map(|x| x.min(0.0).powi(2)).sum(), n)
}

/// The same from the mean, the sum of squared losses and the count.
#[must_use]
pub fn sortino_of(mean: f64, squared_losses: f64, n: f64) -> f64 {
    let deviation = (squared_losses / n).sqrt();
    // Without a loss nothing is at zero unless everything is: then the ratio is undefined, else beyond bounds.
    if deviation > 0.0 {
        mean / deviation
    } else if mean > 0.0 {
        f64::INFINITY
    } else {
        f64::NAN
    }
}

/// Wins and losses of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wins {
    /// Observations.
    pub n: u64,
    /// Above zero.
    pub wins: u64,
    /// Below zero.
    pub losses: u64,
    /// Sum of wins.
    pub gross_win: f64,
    /// Sum of losses, positive.
    pub gross_loss: f64,
}

impl Wins {
    /// Of a whole series.
    #[must_use]
    pub fn of(xs: &[f64]) -> Self {
        let mut wins = Self::default();
        xs.iter().for_each(|x| wins.push(*x));
        wins
    }

    /// Takes one more.
    pub fn push(&mut self, x: f64) {
        self.n += 1;
        if x > 0.0 {
            self.wins += 1;
            self.gross_win += x;
        } else if x < 0.0 {
            self.losses += 1;
            self.gross_loss -= x;
        }
    }

    /// Gross win over gross loss: infinite without a loss, NaN with neither.
    #[must_use]
    pub fn profit_factor(&self) -> f64 {
        match (self.wins, self.losses) {
            (0, 0) => f64::NAN,
            (_, 0) => f64::INFINITY,
            _ => self.gross_win / self.gross_loss,
        }
    }

    /// Wins over all.
    #[must_use]
    pub fn rate_of_all(&self) -> f64 {
        self.wins as f64 / self.n as f64
    }

    /// Wins over wins and losses.
    #[must_use]
    pub fn rate_of_decided(&self) -> f64 {
        self.wins as f64 / (self.wins + self.losses) as f64
    }

    /// Mean win over mean loss; NaN without both.
    #[must_use]
    pub fn payoff_ratio(&self) -> f64 {
        (self.gross_win / self.wins as f64) / (self.gross_loss / self.losses as f64)
    }
}

/// Cumulated R: where it stands, its peak, and how deep it fell; the start counts as a peak of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drawdown {
    peak: f64,
    equity: f64,
    max: f64,
}

impl Drawdown {
    /// Of a whole series of outcomes.
    #[must_use]
    pub fn of(xs: &[f64]) -> Self {
        let (mut drawdown, mut sum) = (Self::default(), super::sums::Sum::default());
        for x in xs {
            sum.add(*x);
            drawdown.stand(sum.value());
        }
        drawdown
    }

    /// Takes where the cumulated R stands now.
    pub fn stand(&mut self, equity: f64) {
        self.equity = equity;
        self.peak = self.peak.max(equity);
        self.max = self.max.max(self.peak - equity);
    }

    /// How far it is below its peak now.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.peak - self.equity
    }

    /// The deepest it ever was below its peak.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.max
    }
}

/// Wilson's interval of a share at level `1 − alpha`, both sides, without correction. For one look: it is not right at
/// all times at once. NaN of nothing.
/// Source: Wilson (1927), *Probable inference, the law of succession, and statistical inference*.
#[must_use]
pub fn wilson(wins: u64, n: u64, alpha: f64) -> (f64, f64) {
    let (k, n) = (wins as f64, n as f64);
    let z = std::f64::consts::SQRT_2 * erfc_inv(alpha);
    let share = k / n;
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // The bounds of none and of all are 0 and 1 exactly, whatever the last bits say.
    let low = if wins == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if k >= n { 1.0 } else { (centre + half).min(1.0) };
    if n > 0.0 { (low, high) } else { (f64::NAN, f64::NAN) }
}

/// The share of gross profit that the largest hundredth of the wins (at least one) brought; NaN without a win.
#[must_use]
pub fn top_share(xs: &[f64]) -> f64 {
    let mut wins: Vec<f64> = xs.iter().copied().filter(|x| *x > 0.0).collect();
    if wins.is_empty() {
        return f64::NAN;
    }
    let count = wins.len().div_ceil(100);
    wins.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    // Sorted, so that the sums do not depend on how the selection left them.
    let (top, rest) = wins.split_at_mut(count);
    top.sort_by(f64::total_cmp);
    rest.sort_by(f64::total_cmp);
    let top: f64 = top.iter().sum();
    top / (top + rest.iter().sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawdowns_count_from_the_start() {
        let of = |xs: &[f64]| (Drawdown::of(xs).max(), Drawdown::of(xs).now());
        let near = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12;
        assert!(near(of(&[-1.0, 2.0, -0.5, -0.25, 3.0]), (1.0, 0.0)));
        assert!(near(of(&[2.0, -0.5, -0.75]), (1.25, 1.25)));
    }

    #[test]
    fn the_largest_hundredth_of_the_wins() {
        assert!((top_share(&[1.0, -5.0, 3.0]) - 0.75).abs() < 1e-15);
        assert!(top_share(&[-1.0, 0.0]).is_nan());
        let many: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((top_share(&many) - 399.0 / 20_100.0).abs() < 1e-15);
    }

    #[test]
    fn ratios_that_are_undefined() {
        let none = Wins::of(&[0.0, 0.0]);
        assert!(none.profit_factor().is_nan() && none.payoff_ratio().is_nan() && none.rate_of_decided().is_nan());
        assert!(Wins::of(&[1.0]).profit_factor().is_infinite());
        assert!(sortino(&[]).is_nan() && sortino(&[0.0]).is_nan() && sortino(&[1.0]).is_infinite());
        assert!(wilson(0, 0, 0.05).0.is_nan());
    }
}
