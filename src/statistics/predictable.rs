//! Bets that learn, for outcomes in [0, 1]: the empirical Bernstein bound and the hedged capital interval, as a second
//! opinion beside the constant bets.
//!
//! They are right where every conditional mean is the same. The promotion rule allows the mean to wander, where the
//! proof of bets that learn fails; so these are shown and decide nothing.
//! Source: Waudby-Smith and Ramdas (2024), theorems 2 and 3.

/// The predictable bets of a series, uncut.
fn learning_bets(xs: &[f64], alpha: f64) -> Vec<f64> {
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut variance = 0.25;
    let mut bets = Vec::with_capacity(xs.len());
    for (k, x) in xs.iter().enumerate() {
        let t = (k + 1) as f64;
        bets.push((2.0 * (1.0 / alpha).ln() / (t * (1.0 + t).ln() * variance)).sqrt());
        // A prior of one observation at the middle, of the largest variance.
        sum += x;
        let mean = ((0.5 + sum) / (t + 1.0)).min(1.0);
        squares += (x - mean).powi(2);
        variance = (0.25 + squares) / (t + 1.0);
    }
    bets
}

/// Lower bound of the mean after each of `xs`, bets cut at one half.
#[must_use]
pub fn empirical_bernstein_lower(xs: &[f64], alpha: f64) -> Vec<f64> {
    let (mut total, mut weighted, mut penalty, mut before) = (0.0, 0.0, 0.0, 0.0);
    let mut bounds = Vec::with_capacity(xs.len());
    for ((k, x), bet) in xs.iter().enumerate().zip(learning_bets(xs, alpha)) {
        let bet = bet.min(0.5);
        let mean_before = if k == 0 { 0.0 } else { before / k as f64 };
        penalty += (x - mean_before).powi(2) * (-(-bet).ln_1p() - bet);
        weighted += bet * x;
        total += bet;
        before += x;
        bounds.push(((weighted - penalty - (1.0 / alpha).ln()) / total).clamp(0.0, 1.0));
    }
    bounds
}

/// The hedged capital interval after all of `xs`, on a grid of `breaks` steps: the means against which neither side of
/// the bet has made `2 / alpha`.
#[must_use]
pub fn hedged_interval(xs: &[f64], alpha: f64, breaks: u32) -> (f64, f64) {
    let bets = learning_bets(xs, alpha);
    let target = (2.0 / alpha).ln();
    let step = 1.0 / f64::from(breaks);
    let (mut low, mut high) = (None, None);
    for i in 0..=breaks {
        let m = f64::from(i) * step;
        let (mut up, mut down) = (0.0f64, 0.0f64);
        for (x, bet) in xs.iter().zip(&bets) {
            let gain = bet.min(0.5 / m) * (x - m);
            let loss = bet.min(0.5 / (1.0 - m)) * (x - m);
            up += if x.total_cmp(&m).is_eq() { 0.0 } else { gain.ln_1p() };
            down += if x.total_cmp(&m).is_eq() { 0.0 } else { (-loss).ln_1p() };
        }
        if up <= target && down <= target {
            low.get_or_insert(m);
            high = Some(m);
        }
    }
    match (low, high) {
        (Some(low), Some(high)) => ((low - step).max(0.0), (high + step).min(1.0)),
        _ => (0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_at_first_and_much_later() {
        let xs: Vec<f64> = (0..400).map(|k| if k % 5 == 0 { 0.9 } else { 0.4 }).collect();
        let bounds = empirical_bernstein_lower(&xs, 0.05);
        assert!(bounds[0].abs() < 1e-12 && bounds[399] > 0.4 && bounds[399] < 0.5, "{}", bounds[399]);
        let (low, high) = hedged_interval(&xs, 0.05, 1_000);
        assert!(low > 0.45 && low < 0.5 && high > 0.5 && high < 0.55, "{low} {high}");
        assert_eq!(hedged_interval(&[], 0.05, 10), (0.0, 1.0));
    }
}
