//! The work: rows, split, fit, judge, card; one model or all of a sweep, on every core.
//!
//! What is trained depends on the data set and the plan alone: not on the clock, the cores, or the order in which they
//! finish.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use ndarray::{ArrayView1, ArrayView2};

use super::fit::{self, FitError};
use super::plan::{Combination, Plan, Score};
use super::repeat;
use super::rows::{DataError, Series, Table};
use super::score::{self, Gate};
use super::split::{self, FoldRows, Parts, TooShort};
use crate::domain::{ContentHash, UtcMicros};
use crate::history::DataSet;
use crate::models::Estimate;
use crate::models::fitted::Fitted;
use crate::registry::{Card, Distances, Fold, Made, Metrics, Origin, Outcomes, Scores, Splits, Trading, hash_of};

/// Why one model was not trained.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum TrainError {
    /// The horizon leaves no bar.
    #[error("a horizon of {horizon} bars is longer than the data set, which has {bars}")]
    Horizon {
        /// Bars ahead.
        horizon: u32,
        /// Bars of the data set.
        bars: usize,
    },
    /// Too few rows for a part.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// A feature that is the same in every training row.
    #[error("the feature {column} is {value} in every training row: leave it out")]
    Constant {
        /// Its name.
        column: String,
        /// Its one value.
        value: f64,
    },
    /// A feature that is a linear function of others.
    #[error("the feature {column} is a linear function of those before it: leave it out, or take ridge")]
    Collinear {
        /// Its name.
        column: String,
    },
    /// A feature that is no number.
    #[error("the feature {column} is {value} at the close of {time}")]
    NotFinite {
        /// Its name.
        column: String,
        /// What it is.
        value: f64,
        /// The close.
        time: UtcMicros,
    },
    /// A target that never changes.
    #[error("the target is {value} in every training row: there is nothing to learn")]
    ConstantTarget {
        /// Its one value.
        value: f64,
    },
    /// The fit refused the rows.
    #[error(transparent)]
    Fit(FitError),
    /// The fit went wrong without saying so.
    #[error("the fitted model predicts {value} for the close of {time}, which is no ratio of prices")]
    Nonsense {
        /// The prediction.
        value: f64,
        /// The close.
        time: UtcMicros,
    },
}

/// Who trains, and when: what a card says beside the training itself.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// The time of day.
    pub at: UtcMicros,
    /// This program's version.
    pub version: &'a str,
    /// The commit that it was built from.
    pub commit: Option<&'a str>,
}

/// One trained model, ready to be registered.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Everything that is known of it.
    pub card: Card,
    /// The bytes of the artefact.
    pub artefact: Vec<u8>,
    /// Predictions over train, validation and test.
    pub outcomes: Vec<Outcomes>,
}

/// What became of one combination.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number in the plan.
    pub number: usize,
    /// Its card, or why there is none.
    pub result: Result<Card, TrainError>,
    /// What it is ranked by; `None` where that is undefined.
    pub score: Option<f64>,
}

/// A whole sweep.
#[derive(Debug)]
pub struct Sweep {
    /// Every combination, the best first; what has no score stands behind, in the order of the plan.
    pub lines: Vec<Line>,
    /// The best of them, in the same order, at most [`Plan::top`].
    pub best: Vec<Trained>,
}

/// Trains every combination of `plan` on `data`, on `threads` threads, and tells `done` after each.
///
/// # Errors
/// [`DataError`] where the data set itself cannot be used; what is wrong with one combination stands in its line.
pub fn train(
    data: &DataSet,
    plan: &Plan,
    maker: &Maker<'_>,
    threads: NonZeroUsize,
    done: &(dyn Fn() + Sync),
) -> Result<Sweep, DataError> {
    let bar = plan.bar.unwrap_or(data.manifest.interval);
    let series = Series::new(data, bar, plan.lookback_max(), plan.reset_after)?;
    let desk = Desk { data, plan, maker, series: &series, tables: Tables::of(plan) };
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(Vec::with_capacity(plan.combinations.len()));
    let best: Mutex<Vec<(Rank, Trained)>> = Mutex::new(Vec::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(combination) = plan.combinations.get(number) else { return };
            let (result, score) = match desk.train(combination) {
                Ok((trained, score)) => {
                    let card = trained.card.clone();
                    keep(&best, Rank::new(plan.score, score, number), trained, plan.top);
                    (Ok(card), score)
                }
                Err(e) => (Err(e), None),
            };
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(Line { number, result, score });
            done();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(plan.combinations.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    lines.sort_by_key(|line| (line.result.is_err(), Rank::new(plan.score, line.score, line.number)));
    let best = best.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Sweep { lines, best: best.into_iter().map(|(_, trained)| trained).collect() })
}

/// Puts a model among the best, which are few, so that a sweep holds no more artefacts than it registers.
fn keep(best: &Mutex<Vec<(Rank, Trained)>>, rank: Rank, trained: Trained, top: usize) {
    let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
    let at = best.partition_point(|(better, _)| *better < rank);
    best.insert(at, (rank, trained));
    best.truncate(top);
}

/// The place in the order: the better score first, then the earlier combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_undefined: bool,
    /// A score as bits that order like the number, the best lowest.
    score: i64,
    number: usize,
}

impl Rank {
    fn new(by: Score, score: Option<f64>, number: usize) -> Self {
        // A negative float orders backwards by its bits, see `f64::total_cmp`. Zeros have no sign here.
        let of = |score: f64| {
            let signed = if by.is_error() { score } else { -score } + 0.0;
            let bits = signed.to_bits().cast_signed();
            bits ^ (((bits >> 63).cast_unsigned()) >> 1).cast_signed()
        };
        let score = score.filter(|score| !score.is_nan());
        Self { is_undefined: score.is_none(), score: score.map_or(0, of), number }
    }
}

/// The tables of rows of a sweep: each made once, by the first that needs it.
struct Tables<'a>(Vec<(&'a Combination, OnceLock<Table>)>);

impl<'a> Tables<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut tables: Vec<(&Combination, OnceLock<Table>)> = Vec::new();
        for one in &plan.combinations {
            if !tables.iter().any(|(known, _)| is_same_table(known, one)) {
                tables.push((one, OnceLock::new()));
            }
        }
        Self(tables)
    }

    fn get(&self, series: &Series, one: &Combination) -> &Table {
        let (_, table) = self.0.iter().find(|(known, _)| is_same_table(known, one)).expect("made of the same plan");
        table.get_or_init(|| series.table(&one.features, one.horizon))
    }
}

fn is_same_table(a: &Combination, b: &Combination) -> bool {
    a.horizon == b.horizon && a.features == b.features
}

/// Everything that the models of a sweep share.
struct Desk<'a> {
    data: &'a DataSet,
    plan: &'a Plan,
    maker: &'a Maker<'a>,
    series: &'a Series,
    tables: Tables<'a>,
}

/// A fitted model with the terms on which it is judged.
struct Judge<'a> {
    desk: &'a Desk<'a>,
    table: &'a Table,
    fitted: Fitted,
    trading: Trading,
}

impl Desk<'_> {
    /// One model, and what it is ranked by.
    fn train(&self, one: &Combination) -> Result<(Trained, Option<f64>), TrainError> {
        let begun = Instant::now();
        let bars = self.series.bars.len();
        if one.horizon as usize >= bars {
            return Err(TrainError::Horizon { horizon: one.horizon, bars });
        }
        let table = self.tables.get(self.series, one);
        let embargo = one.features.lookback() + one.horizon as usize;
        let parts = split::split(table, self.plan.shares, embargo)?;
        let folds = split::walk_forward(table, &parts, self.plan.folds, self.plan.walk)?;
        let judge = self.fit(one, table, &parts.train)?;
        let (train, on_train) = judge.part("train", &parts.train)?;
        let (validation, on_validation) = judge.part("validation", &parts.validation)?;
        let (test, on_test) = judge.part("test", &parts.test)?;
        let folds = folds.iter().map(|fold| self.fold(one, table, fold)).collect::<Result<Vec<_>, _>>()?;
        let score = self.score(&validation, &folds);
        let artefact = judge.fitted.to_bytes();
        let card = Card {
            format: Card::FORMAT,
            name: self.plan.name.clone(),
            kind: judge.fitted.kind().name().to_owned(),
            artefact: hash_of(&artefact),
            identity: ContentHash([0; 32]),
            symbol: self.data.manifest.symbol.clone(),
            bar: self.series.bar,
            horizon_bars: one.horizon,
            seed: self.plan.seed,
            features: one.features.clone(),
            parameters: repeat::parameters(&one.settings),
            data: Some(Origin {
                dataset: self.plan.dataset.clone(),
                reset_after: self.plan.reset_after,
                hash: self.data.manifest.content_hash(),
                manifest: self.data.manifest.clone(),
            }),
            import: None,
            rows: table.counts,
            splits: self.splits(table, &parts),
            folds,
            trading: judge.trading,
            metrics: Scores { train, validation, test },
            distances: judge.distances(),
            made: Made {
                at: self.maker.at,
                seconds: begun.elapsed().as_secs_f64(),
                version: self.maker.version.to_owned(),
                commit: self.maker.commit.map(str::to_owned),
                command: repeat::command(self.plan, one, self.series.bar),
            },
        };
        let card = Card { identity: card.identity_of(), ..card };
        Ok((Trained { card, artefact, outcomes: vec![on_train, on_validation, on_test] }, score))
    }

    fn splits(&self, table: &Table, parts: &Parts) -> Splits {
        let range = |rows| split::range_of(self.series, table, rows);
        Splits {
            embargo_bars: u32::try_from(parts.embargo).unwrap_or(u32::MAX),
            train: range(&parts.train),
            validation: range(&parts.validation),
            test: range(&parts.test),
        }
    }

    /// Fits the rows `train` of `table`, and nothing else of it.
    fn fit<'a>(
        &'a self,
        one: &Combination,
        table: &'a Table,
        train: &std::ops::Range<usize>,
    ) -> Result<Judge<'a>, TrainError> {
        let names = one.features.names();
        self.examine(table, train, &names)?;
        let (x, y) = (table.rows(train), &table.y[train.clone()]);
        let x = ArrayView2::from_shape((y.len(), table.width), x).expect("rows lie one after the other");
        let fitted = fit::fit(&one.settings, x, ArrayView1::from(y), self.plan.seed).map_err(|e| match e {
            FitError::Constant { column, value } => TrainError::Constant { column: names[column].clone(), value },
            FitError::Collinear { column } => TrainError::Collinear { column: names[column].clone() },
            other => TrainError::Fit(other),
        })?;
        let gate = match (self.plan.trade.max_distance, fitted.distance_quantiles()) {
            (Some(Gate::Absolute(distance)), Some(_)) => Some(distance),
            (Some(Gate::Quantile(share)), Some(quantiles)) => Distances::new(quantiles, None).at(share),
            (_, _) => None,
        };
        let trading = self.plan.trade.settle(self.series, table, train, one.horizon, gate);
        Ok(Judge { desk: self, table, fitted, trading })
    }

    /// A feature or a target that never changes, or is no number, in a sentence that names it.
    fn examine(&self, table: &Table, train: &std::ops::Range<usize>, names: &[String]) -> Result<(), TrainError> {
        for row in train.clone() {
            if let Some((column, value)) = table.row(row).iter().enumerate().find(|(_, value)| !value.is_finite()) {
                let time = self.series.bars[table.bars[row]].end;
                return Err(TrainError::NotFinite { column: names[column].clone(), value: *value, time });
            }
        }
        let first = table.row(train.start);
        let same = |column: usize| train.clone().all(|row| table.row(row)[column].to_bits() == first[column].to_bits());
        if let Some(column) = (0..table.width).find(|column| same(*column)) {
            return Err(TrainError::Constant { column: names[column].clone(), value: first[column] });
        }
        let y = &table.y[train.clone()];
        if y.iter().all(|value| value.to_bits() == y[0].to_bits()) {
            return Err(TrainError::ConstantTarget { value: y[0] });
        }
        Ok(())
    }

    fn fold(&self, one: &Combination, table: &Table, fold: &FoldRows) -> Result<Fold, TrainError> {
        let judge = self.fit(one, table, &fold.train)?;
        let (metrics, _) = judge.part("a fold", &fold.validation)?;
        Ok(Fold {
            train: split::range_of(self.series, table, &fold.train),
            validation: split::range_of(self.series, table, &fold.validation),
            rmse: metrics.rmse,
            mae: metrics.mae,
            r2: metrics.r2,
            hit_rate: metrics.hit_rate,
            expectancy_r: metrics.expectancy_r,
        })
    }

    /// The chosen score: of the validation rows, or its mean over the folds where there are any.
    fn score(&self, validation: &Metrics, folds: &[Fold]) -> Option<f64> {
        if folds.is_empty() {
            return match self.plan.score {
                Score::Rmse => Some(validation.rmse),
                Score::Mae => Some(validation.mae),
                Score::R2 => validation.r2,
                Score::HitRate => validation.hit_rate,
                Score::ExpectancyR => validation.expectancy_r,
            };
        }
        let of_fold = |fold: &Fold| match self.plan.score {
            Score::Rmse => Some(fold.rmse),
            Score::Mae => Some(fold.mae),
            Score::R2 => fold.r2,
            Score::HitRate => fold.hit_rate,
            Score::ExpectancyR => fold.expectancy_r,
        };
        let scores: Vec<f64> = folds.iter().filter_map(of_fold).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

impl Judge<'_> {
    /// Metrics and predictions over one part.
    fn part(&self, split: &'static str, rows: &std::ops::Range<usize>) -> Result<(Metrics, Outcomes), TrainError> {
        let estimates = score::estimates(&self.fitted, self.table, rows);
        if let Some((at, estimate)) = estimates.iter().enumerate().find(|(_, estimate)| !estimate.y_pred.is_finite()) {
            let time = self.desk.series.bars[self.table.bars[rows.start + at]].end;
            return Err(TrainError::Nonsense { value: estimate.y_pred, time });
        }
        let seed = self.desk.plan.seed;
        let metrics = score::metrics(self.desk.series, self.table, rows, &estimates, &self.trading, seed, split);
        let outcomes = Outcomes {
            split,
            y_pred: estimates.iter().map(|estimate: &Estimate| estimate.y_pred).collect(),
            y_true: self.table.y[rows.clone()].to_vec(),
            distances: estimates.iter().filter_map(|estimate| estimate.distance).collect(),
        };
        Ok((metrics, outcomes))
    }

    fn distances(&self) -> Option<Distances> {
        let quantiles = self.fitted.distance_quantiles()?;
        Some(Distances::new(quantiles, self.trading.max_distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_score_comes_first_and_none_comes_last() {
        let scores = [Some(0.5), None, Some(-2.0), Some(0.0), Some(f64::NAN), Some(-0.0), Some(0.25)];
        let order = |by| {
            let mut ranks: Vec<Rank> = scores.iter().enumerate().map(|(n, s)| Rank::new(by, *s, n)).collect();
            ranks.sort();
            ranks.iter().map(|rank| rank.number).collect::<Vec<_>>()
        };
        assert_eq!(order(Score::Rmse), [2, 3, 5, 6, 0, 1, 4]);
        assert_eq!(order(Score::R2), [0, 6, 3, 5, 2, 1, 4]);
    }
}
