//! Nearest neighbours need no fitting; what takes time is how near the training rows are to one another.

use ndarray::{ArrayView1, ArrayView2};

use super::{FitError, standard};
use crate::models::fitted::{Kind, Knn, QUANTILES, Weights};

/// Below this many rows one thread measures the distances.
const ROWS_PER_THREAD_MIN: usize = 5_000;

pub(super) fn fit(
    k: usize,
    weights: Weights,
    is_scaled: bool,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
) -> Result<Knn, FitError> {
    let (rows, width) = x.dim();
    if rows <= k {
        return Err(FitError::TooFewRows { kind: Kind::Knn, rows, need: k + 1 });
    }
    let scaler = is_scaled.then(|| standard::scaler(x));
    let flat: Vec<f64> = x.iter().copied().collect();
    let knn = Knn::new(k, weights, scaler, &flat, width, &y.to_vec());
    let quantiles = quantiles(distances(&knn));
    Ok(knn.with_quantiles(quantiles))
}

/// The mean distance of each training row to its neighbours, itself not among them. Each is a function of its row
/// alone, so that the number of threads does not show.
fn distances(knn: &Knn) -> Vec<f64> {
    let n = knn.n_rows();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(n / ROWS_PER_THREAD_MIN).max(1);
    let mut distances = vec![0.0; n];
    let run = n.div_ceil(threads);
    std::thread::scope(|scope| {
        for (at, part) in distances.chunks_mut(run).enumerate() {
            scope.spawn(move || {
                for (slot, distance) in (at * run..).zip(part) {
                    *distance = knn.distance_without(slot);
                }
            });
        }
    });
    distances
}

/// Of 0 %, 1 %, … 100 %, linear between neighbours in rank.
fn quantiles(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    (0..QUANTILES)
        .map(|percent| {
            let below = percent * last / 100;
            let share = (percent * last % 100) as f64 / 100.0;
            let above = (below + 1).min(last);
            values[below] + share * (values[above] - values[below])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_ranks() {
        let quantiles = quantiles(vec![3.0, 1.0, 2.0]);
        assert_eq!(quantiles.len(), QUANTILES);
        for (percent, want) in [(0, 1.0), (25, 1.5), (50, 2.0), (100, 3.0)] {
            assert!((quantiles[percent] - want).abs() < 1e-15, "{percent}");
        }
    }
}
