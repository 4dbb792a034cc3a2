//! How predictions did: errors of the ratio, and what trading on them would have made.

use std::ops::Range;

use super::rows::{Series, Table};
use crate::domain::{Costs, Direction, Micros, PriceDelta};
use crate::ledger::{Terms, trial};
use crate::models::Estimate;
use crate::models::fitted::Fitted;
use crate::registry::{Baseline, Metrics, Trading};
use crate::sim::rng::Rng;

/// Draws of the random-side baseline.
const DRAWS: u32 = 32;
/// Sources say how far a price usually goes in a horizon; a stop lies so many times as far by default.
const STOP_MOVES: f64 = 3.0;

/// What trading on predictions is asked with; what is not set is taken from the training rows by [`Trade::settle`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trade {
    /// Long above it, short below two less it.
    pub threshold: Option<f64>,
    /// Abstain beyond.
    pub max_distance: Option<Gate>,
    /// Distance of the stop, as a price.
    pub stop: Option<PriceDelta>,
    /// Distance of the limit, as a price.
    pub limit: Option<PriceDelta>,
    /// Time exit.
    pub hold: Option<Micros>,
    /// Paid at market and stop fills, as a price.
    pub slippage: PriceDelta,
}

/// Beyond which distance to its neighbours a prediction is not traded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gate {
    /// This quantile of the training distances.
    Quantile(f64),
    /// This distance.
    Absolute(f64),
}

impl Trade {
    /// The terms for a model of this table: as set, else the threshold that a short needs to earn its spread back (one
    /// and twice the median spread), stop and limit at thrice the median move over the horizon, and the horizon as time
    /// exit. Only training rows are looked at.
    ///
    /// `gate` is the absolute distance that [`Trade::max_distance`] comes to.
    #[must_use]
    pub fn settle(
        &self,
        series: &Series,
        table: &Table,
        train: &Range<usize>,
        horizon: u32,
        gate: Option<f64>,
    ) -> Trading {
        let closes = || train.clone().map(|row| &series.bars[table.bars[row]]);
        let spread = median(
            closes().map(|bar| (bar.offer.close - bar.bid.close).micros() as f64 / bar.offer.close.micros() as f64),
        );
        let moves = median(train.clone().map(|row| (table.y[row] - 1.0).abs()));
        let price = median(closes().map(|bar| bar.offer.close.micros() as f64));
        #[expect(clippy::cast_possible_truncation, reason = "a distance of prices, which fit")]
        let usual = PriceDelta::from_micros(((STOP_MOVES * moves * price).round() as i64).max(1));
        Trading {
            threshold: self.threshold.unwrap_or(1.0 + 2.0 * spread),
            max_distance: gate,
            stop: self.stop.unwrap_or(usual),
            limit: self.limit.unwrap_or(usual),
            hold: self.hold.unwrap_or(Micros(series.bar.length().0 * i64::from(horizon))),
            slippage: self.slippage,
        }
    }
}

/// The estimates of a model for the rows of a range.
#[must_use]
pub fn estimates(fitted: &Fitted, table: &Table, rows: &Range<usize>) -> Vec<Estimate> {
    rows.clone().map(|row| fitted.predict(table.row(row))).collect()
}

/// The metrics of `estimates` over `rows`. Draws of the random baseline come from `seed` and `part`.
///
/// # Panics
/// If there are not as many estimates as rows, or none.
#[must_use]
pub fn metrics(
    series: &Series,
    table: &Table,
    rows: &Range<usize>,
    estimates: &[Estimate],
    trading: &Trading,
    seed: u64,
    part: &str,
) -> Metrics {
    let y = &table.y[rows.clone()];
    assert!(y.len() == estimates.len() && !y.is_empty(), "an estimate for each row, and at least one");
    let predicted: Vec<f64> = estimates.iter().map(|estimate| estimate.y_pred).collect();
    let (mae, rmse) = errors(&predicted, y);
    let (flat_mae, flat_rmse) = errors(&vec![1.0; y.len()], y);
    let counts: Vec<bool> = estimates.iter().map(|estimate| is_near(estimate, trading)).collect();
    let n_near = counts.iter().filter(|is_near| **is_near).count();
    let hits = (0..y.len()).filter(|at| counts[*at] && (predicted[*at] > 1.0) == (y[*at] > 1.0)).count();
    let results = traded(series, table, rows, trading, |at| signal(&estimates[at], trading));
    let random = random_side(series, table, rows, estimates, trading, seed, part);
    Metrics {
        rows: y.len() as u64,
        mae,
        rmse,
        r2: r2(&predicted, y),
        hit_rate: share(hits, n_near),
        up_share: y.iter().filter(|y| **y > 1.0).count() as f64 / y.len() as f64,
        abstained: (y.len() - n_near) as f64 / y.len() as f64,
        trades: results.len() as u64,
        expectancy_r: mean(results.iter().map(|(r, _)| *r)),
        win_rate: share(results.iter().filter(|(_, is_win)| *is_win).count(), results.len()),
        random,
        flat: Baseline { mae: Some(flat_mae), rmse: Some(flat_rmse), expectancy_r: Some(0.0), ..Baseline::default() },
    }
}

/// The stance that an arena takes on an estimate.
#[must_use]
pub fn signal(estimate: &Estimate, trading: &Trading) -> Option<Direction> {
    if !is_near(estimate, trading) {
        None
    } else if estimate.y_pred > trading.threshold {
        Some(Direction::Long)
    } else if estimate.y_pred < 2.0 - trading.threshold {
        Some(Direction::Short)
    } else {
        None
    }
}

fn is_near(estimate: &Estimate, trading: &Trading) -> bool {
    match (estimate.distance, trading.max_distance) {
        (Some(distance), Some(most)) => distance <= most,
        _ => true,
    }
}

/// The paper broker over the bars of a range, and over those after it that an entry of its last rows may need.
fn traded(
    series: &Series,
    table: &Table,
    rows: &Range<usize>,
    trading: &Trading,
    mut signal: impl FnMut(usize) -> Option<Direction>,
) -> Vec<(f64, bool)> {
    let (first, last) = (table.bars[rows.start], table.bars[rows.end - 1]);
    let held = usize::try_from(trading.hold.0.max(0) / series.bar.length().0).unwrap_or(usize::MAX);
    let end = last.saturating_add(held).saturating_add(3).min(series.bars.len());
    let costs = Costs { latency: Micros(0), slippage: trading.slippage };
    let terms = Terms::of_prices(trading.stop, trading.limit, trading.hold, series.bar, costs);
    // Rows and bars both rise, so that the next row is found by going on.
    let mut next = rows.start;
    trial(&series.bars[first..end], &terms, |at| {
        while next < rows.end && table.bars[next] < first + at {
            next += 1;
        }
        (next < rows.end && table.bars[next] == first + at).then(|| signal(next - rows.start)).flatten()
    })
}

/// The same moments of entry with sides drawn at random, over many draws.
fn random_side(
    series: &Series,
    table: &Table,
    rows: &Range<usize>,
    estimates: &[Estimate],
    trading: &Trading,
    seed: u64,
    part: &str,
) -> Baseline {
    let mut rng = Rng::new(seed, &format!("random side of {part}"));
    let mut expectancies = Vec::new();
    let (mut hits, mut n_sides) = (0, 0);
    for _ in 0..DRAWS {
        let sides: Vec<Option<Direction>> = estimates
            .iter()
            .map(|estimate| {
                let side = if rng.side() > 0.0 { Direction::Long } else { Direction::Short };
                signal(estimate, trading).map(|_| side)
            })
            .collect();
        let sided = || sides.iter().zip(&table.y[rows.clone()]).filter_map(|(side, y)| side.map(|side| (side, *y)));
        n_sides += sided().count();
        hits += sided().filter(|(side, y)| (*side == Direction::Long) == (*y > 1.0)).count();
        expectancies.extend(mean(traded(series, table, rows, trading, |at| sides[at]).iter().map(|(r, _)| *r)));
    }
    let expectancy_r = mean(expectancies.iter().copied());
    let deviation = expectancy_r.and_then(|mean| {
        let squares: f64 = expectancies.iter().map(|r| (r - mean) * (r - mean)).sum();
        (expectancies.len() > 1).then(|| (squares / (expectancies.len() - 1) as f64).sqrt())
    });
    Baseline { hit_rate: share(hits, n_sides), expectancy_r, expectancy_r_sd: deviation, ..Baseline::default() }
}

/// Mean absolute error and root of the mean squared error.
fn errors(predicted: &[f64], y: &[f64]) -> (f64, f64) {
    let n = y.len() as f64;
    let apart = || predicted.iter().zip(y).map(|(predicted, y)| predicted - y);
    (apart().map(f64::abs).sum::<f64>() / n, (apart().map(|e| e * e).sum::<f64>() / n).sqrt())
}

/// 1 less squared error over squared deviation from the mean; `None` where all `y` are the same.
fn r2(predicted: &[f64], y: &[f64]) -> Option<f64> {
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let total: f64 = y.iter().map(|y| (y - mean) * (y - mean)).sum();
    let rest: f64 = predicted.iter().zip(y).map(|(predicted, y)| (predicted - y) * (predicted - y)).sum();
    (total > 0.0).then(|| 1.0 - rest / total)
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = values.len();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

/// The middle value, the mean of both middle ones where they are two; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}
