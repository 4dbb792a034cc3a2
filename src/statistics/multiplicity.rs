//! Many candidates at once: which e-values pass together.
//!
//! Source: Wang and Ramdas (2022), *False discovery rate control with e-values*; Vovk and Wang (2021), *E-values:
//! calibration, combination and applications*.

/// Those that pass a weighted Bonferroni test with equal weights: `e ≥ n / alpha`. Indices from 0, in order.
#[must_use]
pub fn bonferroni(e: &[f64], alpha: f64) -> Vec<usize> {
    at_least(e, e.len() as f64 / alpha)
}

/// Those that e-BH passes: with `k*` the largest `k` whose k-th largest e-value is at least `n / (alpha k)`, all at
/// least `n / (alpha k*)`. Controls the expected share of false ones among them, not the chance of any.
#[must_use]
pub fn e_bh(e: &[f64], alpha: f64) -> Vec<usize> {
    e_bh_among(e, e.len() as f64, alpha)
}

/// The same where `e` are those of `n` that may be worth looking at: all others are too small to pass.
#[must_use]
pub fn e_bh_among(e: &[f64], n: f64, alpha: f64) -> Vec<usize> {
    let mut ordered = e.to_vec();
    ordered.sort_by(|a, b| b.total_cmp(a));
    let limit = |k: usize| n / (alpha * k as f64);
    (1..=e.len()).rev().find(|k| ordered[k - 1] >= limit(*k)).map_or_else(Vec::new, |k| at_least(e, limit(k)))
}

/// Those that pass closed testing by averages: every set that contains one has a mean of at least `1 / alpha`. For
/// current e-values of a fixed set of candidates.
#[must_use]
pub fn closed_mean(e: &[f64], alpha: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..e.len()).collect();
    order.sort_by(|a, b| e[*a].total_cmp(&e[*b]));
    let passes = |at: usize| {
        let (mut sum, mut count) = (e[at], 1.0);
        let mut least: f64 = sum;
        for other in order.iter().filter(|other| **other != at) {
            (sum, count) = (sum + e[*other], count + 1.0);
            least = least.min(sum / count);
        }
        least >= 1.0 / alpha
    };
    (0..e.len()).filter(|at| passes(*at)).collect()
}

/// What the next occupant of a slot starts with under `slot_reuse = "inherit"`: never more than the leaver did.
#[must_use]
pub fn handover(start: f64, end: f64) -> f64 {
    start.min(end)
}

fn at_least(e: &[f64], limit: f64) -> Vec<usize> {
    (0..e.len()).filter(|at| e[*at] >= limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_rules_by_hand() {
        // n = 4, alpha 0.05: Bonferroni asks for 80; e-BH for 80, 40, 26.7, 20 in order.
        let e = [90.0, 1.0, 45.0, 0.1];
        assert_eq!(bonferroni(&e, 0.05), [0]);
        assert_eq!(e_bh(&e, 0.05), [0, 2]);
        // 90 + 0.1 + 1 + 45 over 4 is 34; 90 + 0.1 + 1 over 3 is 30.4: 0 passes. 45.1 over 2 is 22.6, 46.1 over 3 is 15.4: 2 does not.
        assert_eq!(closed_mean(&e, 0.05), [0]);
        assert_eq!((bonferroni(&[], 0.05), e_bh(&[], 0.05), closed_mean(&[], 0.05)), (vec![], vec![], vec![]));
        assert!((handover(0.3, 50.0) - 0.3).abs() < 1e-15 && (handover(1.0, 0.2) - 0.2).abs() < 1e-15);
    }
}
