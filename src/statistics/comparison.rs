//! Is the best of many better than nothing, which of them, and which cannot be told from the best: for a report of a
//! fixed sample, never a gate.
//!
//! Sources: Hansen (2005), *A test for superior predictive ability*; White (2000); Romano and Wolf (2005), *Stepwise
//! multiple testing*; Hansen, Lunde and Nason (2011), *The model confidence set*.

use super::resampling::{means, variance_of_mean};

/// P-values of "no candidate is better than the benchmark".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuperiorAbility {
    /// Those that are worse are left out.
    pub lower: f64,
    /// Those that are clearly worse are left out: the one to use.
    pub consistent: f64,
    /// None is left out: White's reality check.
    pub upper: f64,
}

/// The resampled means of returns above a benchmark, for every test of this file.
#[derive(Clone, Debug)]
pub struct Comparison {
    means: Vec<f64>,
    resampled: Vec<Vec<f64>>,
    /// Whether a column is not so much worse than the benchmark that it says nothing.
    is_near: Vec<bool>,
}

impl Comparison {
    /// Of returns above the benchmark: `rows` are periods, columns candidates.
    ///
    /// # Panics
    /// If there are no rows, or rows of different lengths.
    #[must_use]
    pub fn of(rows: &[Vec<f64>], mean_block: f64, repetitions: usize, seed: u64) -> Self {
        let (n, k) = (rows.len() as f64, rows[0].len());
        let columns: Vec<Vec<f64>> = (0..k).map(|j| rows.iter().map(|row| row[j]).collect()).collect();
        let mean_of = |xs: &Vec<f64>| xs.iter().sum::<f64>() / n;
        let bound = |xs: &Vec<f64>| -(variance_of_mean(xs, mean_block) / n * 2.0 * n.ln().ln()).sqrt();
        Self {
            means: columns.iter().map(mean_of).collect(),
            is_near: columns.iter().map(|xs| mean_of(xs) >= bound(xs)).collect(),
            resampled: means(rows, mean_block, repetitions, seed),
        }
    }

    /// Hansen's test of superior predictive ability.
    #[must_use]
    pub fn superior_ability(&self) -> SuperiorAbility {
        let all = vec![true; self.means.len()];
        let best = self.means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let p = |centres: &[f64]| {
            let above = self.maxima(centres, &all).into_iter().filter(|max| *max > best).count();
            above as f64 / self.resampled.len() as f64
        };
        let lower: Vec<f64> = self.means.iter().map(|mean| mean.max(0.0)).collect();
        SuperiorAbility { lower: p(&lower), consistent: p(&self.consistent()), upper: p(&self.means) }
    }

    /// Those that are better than the benchmark, with a chance of at most `size` that any of them is not. Indices from
    /// 0, in order.
    #[must_use]
    pub fn stepwise(&self, size: f64) -> Vec<usize> {
        let mut is_left = vec![true; self.means.len()];
        let centres = self.consistent();
        while is_left.contains(&true) {
            let critical = quantile(self.maxima(&centres, &is_left), 1.0 - size);
            let better: Vec<usize> = (0..is_left.len()).filter(|j| is_left[*j] && self.means[*j] > critical).collect();
            if better.is_empty() {
                break;
            }
            better.into_iter().for_each(|j| is_left[j] = false);
        }
        (0..is_left.len()).filter(|j| !is_left[*j]).collect()
    }

    /// What the consistent test is centred by: columns that are clearly worse are not lifted up.
    fn consistent(&self) -> Vec<f64> {
        self.means.iter().zip(&self.is_near).map(|(mean, is_near)| if *is_near { *mean } else { 0.0 }).collect()
    }

    /// The largest centred mean of the columns that are left, in each resample.
    fn maxima(&self, centres: &[f64], is_left: &[bool]) -> Vec<f64> {
        let largest = |row: &Vec<f64>| {
            let left = row.iter().zip(centres).zip(is_left).filter(|(_, is_left)| **is_left);
            left.map(|((mean, centre), _)| mean - centre).fold(f64::NEG_INFINITY, f64::max)
        };
        self.resampled.iter().map(largest).collect()
    }

    /// P-values of "is among the best", in order of column, by the range of pairwise differences. Those above a size
    /// are the model confidence set of that size.
    #[must_use]
    pub fn confidence_by_range(&self) -> Vec<f64> {
        let k = self.means.len();
        let reps = self.resampled.len() as f64;
        // A candidate loses to another by so much; resampled, less what it is.
        let gap = |of: &[f64], i: usize, j: usize| of[j] - of[i];
        let mut spread = vec![vec![1.0; k]; k];
        for (i, row) in spread.iter_mut().enumerate() {
            for (j, spread) in row.iter_mut().enumerate().filter(|(j, _)| *j != i) {
                let centre = gap(&self.means, i, j);
                let sum: f64 = self.resampled.iter().map(|row| (gap(row, i, j) - centre).powi(2)).sum();
                *spread = (sum / reps).sqrt();
            }
        }
        self.eliminate(|left| {
            let pairs = || left.iter().flat_map(|i| left.iter().map(move |j| (*i, *j))).filter(|(i, j)| i != j);
            let worst = pairs()
                .map(|(i, j)| (gap(&self.means, i, j) / spread[i][j], i))
                .fold((f64::NEG_INFINITY, left[0]), |best, next| if next.0 > best.0 { next } else { best });
            // A pair and the same pair turned round differ in sign alone.
            let is_above = |row: &&Vec<f64>| {
                let mut largest = 0.0f64;
                for (place, i) in left.iter().enumerate() {
                    for j in &left[..place] {
                        let error = gap(row, *i, *j) - gap(&self.means, *i, *j);
                        largest = largest.max((error / spread[*i][*j]).abs());
                    }
                }
                worst.0.max(0.0) < largest
            };
            (self.resampled.iter().filter(is_above).count() as f64 / reps, worst.1)
        })
    }

    /// The same by the distance from the average of those that are left.
    #[must_use]
    pub fn confidence_by_maximum(&self) -> Vec<f64> {
        let reps = self.resampled.len() as f64;
        self.eliminate(|left| {
            let count = left.len() as f64;
            let average = |of: &dyn Fn(usize) -> f64| left.iter().map(|j| of(*j)).sum::<f64>() / count;
            let losses = |j: usize| -self.means[j];
            let centre = average(&losses);
            let errors: Vec<Vec<f64>> = self
                .resampled
                .iter()
                .map(|row| {
                    let error = |j: usize| self.means[j] - row[j];
                    let middle = average(&error);
                    left.iter().map(|j| error(*j) - middle).collect()
                })
                .collect();
            let spread: Vec<f64> = (0..left.len())
                .map(|at| (errors.iter().map(|row| row[at] * row[at]).sum::<f64>() / reps).sqrt())
                .collect();
            let worst = (0..left.len())
                .map(|at| ((losses(left[at]) - centre) / spread[at], left[at]))
                .fold((f64::NEG_INFINITY, left[0]), |best, next| if next.0 > best.0 { next } else { best });
            let is_above = |row: &&Vec<f64>| {
                let largest = row.iter().zip(&spread).map(|(e, s)| e / s).fold(f64::NEG_INFINITY, f64::max);
                worst.0 < largest
            };
            (errors.iter().filter(is_above).count() as f64 / reps, worst.1)
        })
    }

    /// Takes out one after the other; a p-value never falls below that of one taken out before.
    fn eliminate(&self, step: impl Fn(&[usize]) -> (f64, usize)) -> Vec<f64> {
        let mut left: Vec<usize> = (0..self.means.len()).collect();
        let mut p_values = vec![1.0; left.len()];
        let mut highest = 0.0f64;
        while left.len() > 1 {
            let (p, worst) = step(&left);
            highest = highest.max(p);
            p_values[worst] = highest;
            left.retain(|j| *j != worst);
        }
        p_values
    }
}

/// The quantile `q` of `xs`, linear between its neighbours.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the list")]
pub(super) fn quantile(mut xs: Vec<f64>, q: f64) -> f64 {
    xs.sort_by(f64::total_cmp);
    let place = q * (xs.len() - 1) as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(xs.len() - 1);
    xs[low] + share * (xs[high] - xs[low])
}

#[cfg(test)]
mod tests {
    use super::super::draws::Draws;
    use super::*;

    fn rows(edges: &[f64], n: usize) -> Vec<Vec<f64>> {
        let mut draws = Draws::new(11, 0);
        (0..n).map(|_| edges.iter().map(|edge| edge + draws.normal()).collect()).collect()
    }

    #[test]
    fn one_that_is_clearly_better_is_found_and_noise_is_not() {
        let found = Comparison::of(&rows(&[0.5, 0.0, -0.5, 0.0], 400), 5.0, 1_000, 1);
        assert_eq!(found.stepwise(0.05), [0]);
        assert!(found.superior_ability().consistent < 0.01);
        for p in [found.confidence_by_range(), found.confidence_by_maximum()] {
            assert!((p[0] - 1.0).abs() < 1e-12 && p[1..].iter().all(|p| *p < 0.05), "{p:?}");
        }
        let noise = Comparison::of(&rows(&[0.0; 5], 300), 5.0, 1_000, 2);
        assert!(noise.stepwise(0.05).is_empty());
        let p = noise.superior_ability();
        assert!(p.lower <= p.consistent && p.consistent <= p.upper && p.upper > 0.05, "{p:?}");
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert!((quantile(vec![3.0, 1.0, 2.0, 4.0], 0.5) - 2.5).abs() < 1e-15);
        assert!((quantile(vec![3.0, 1.0], 1.0) - 3.0).abs() < 1e-15);
    }
}
