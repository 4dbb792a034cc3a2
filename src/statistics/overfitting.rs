//! The probability that choosing the best of many back-tests chose noise.
//!
//! Source: Bailey, Borwein, López de Prado and Zhu (2017), *The probability of backtest overfitting*.

use super::comparison::quantile;
use super::sums::Moments;

/// What combinatorially symmetric cross-validation says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overfitting {
    /// Share of the splits in which the best of one half is below the median of the other.
    pub probability: f64,
    /// Splits.
    pub combinations: usize,
    /// The median log odds of its rank in the other half.
    pub median_logit: f64,
}

/// Cuts the periods into `blocks` blocks, and takes every half of them: the candidate with the best Sharpe ratio there
/// is ranked by that of the other half. `rows` are periods, columns candidates. `None` where there is nothing to choose:
/// fewer than two candidates or two blocks, an odd number of blocks, or fewer than two periods a block.
#[must_use]
pub fn overfitting(rows: &[Vec<f64>], blocks: usize) -> Option<Overfitting> {
    let (n, k) = (rows.len(), rows.first()?.len());
    if k < 2 || !(2..=20).contains(&blocks) || blocks % 2 == 1 || n < 2 * blocks {
        return None;
    }
    // The first of them are longer by one where the periods do not divide evenly.
    let (size, longer) = (n / blocks, n % blocks);
    let starts: Vec<usize> = (0..=blocks).map(|b| b * size + b.min(longer)).collect();
    let ratios = |chosen: u32, is_inside: bool| -> Vec<f64> {
        let mut moments = vec![Moments::default(); k];
        for b in (0..blocks).filter(|b| (chosen >> b & 1 == 1) == is_inside) {
            for row in &rows[starts[b]..starts[b + 1]] {
                moments.iter_mut().zip(row).for_each(|(moments, x)| moments.push(*x));
            }
        }
        // Without a spread there is no ratio; it is neither the best nor ranked above one that has one.
        moments.iter().map(|m| if m.sd() > 0.0 { m.mean() / m.sd() } else { f64::NEG_INFINITY }).collect()
    };
    let mut logits = Vec::new();
    for chosen in (0..1u32 << blocks).filter(|chosen| chosen.count_ones() as usize == blocks / 2) {
        let inside = ratios(chosen, true);
        let best = (1..k).fold(0, |best, j| if inside[j] > inside[best] { j } else { best });
        let outside = ratios(chosen, false);
        let below = outside.iter().filter(|x| **x < outside[best]).count() as f64;
        let equal = outside.iter().filter(|x| x.total_cmp(&outside[best]).is_eq()).count() as f64;
        let rank = (below + 0.5 * (equal + 1.0)) / (k as f64 + 1.0);
        logits.push((rank / (1.0 - rank)).ln());
    }
    let not_above = logits.iter().filter(|logit| **logit <= 0.0).count();
    Some(Overfitting {
        probability: not_above as f64 / logits.len() as f64,
        combinations: logits.len(),
        median_logit: quantile(logits, 0.5),
    })
}

#[cfg(test)]
mod tests {
    use super::super::draws::Draws;
    use super::*;

    #[test]
    fn noise_is_overfitted_and_skill_is_not() {
        let mut draws = Draws::new(5, 0);
        let mut rows = |edge: f64| -> Vec<Vec<f64>> {
            (0..240).map(|_| (0..8).map(|j| draws.normal() + if j == 3 { edge } else { 0.0 }).collect()).collect()
        };
        let noise = overfitting(&rows(0.0), 8).unwrap();
        assert_eq!(noise.combinations, 70);
        assert!(noise.probability > 0.2, "{noise:?}");
        let skill = overfitting(&rows(1.0), 8).unwrap();
        assert!(skill.probability < 0.01 && skill.median_logit > 1.0, "{skill:?}");
    }

    #[test]
    fn too_little_to_choose_from_is_none() {
        let rows = vec![vec![0.1, 0.2]; 40];
        for (rows, blocks) in [(&rows[..3], 2), (&rows[..], 3), (&rows[..], 0), (&rows[..0], 2)] {
            assert_eq!(overfitting(rows, blocks), None);
        }
        assert_eq!(overfitting(&vec![vec![0.1]; 40], 4), None);
    }
}
