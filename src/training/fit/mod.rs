//! Fitting: rows and targets in, a [`Fitted`] out. The same input gives the same bytes.

mod draws;
mod knn;
mod linear;
mod logistic;
mod stack;
mod standard;
mod svr;
mod trees;

#[cfg(test)]
mod tests;

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::kinds::Settings;
pub use stack::out_of_fold;

use crate::models::fitted::{FEATURES_MAX, Fitted, Kind, Weights};
use linear::Penalty;

/// Why rows cannot be fitted. Rows and columns are counted from 0.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum FitError {
    /// There are as many targets as rows, or there is a mistake.
    #[error("{rows} rows have {targets} targets")]
    Lengths {
        /// Rows of features.
        rows: usize,
        /// Targets.
        targets: usize,
    },
    /// A row without columns, or with more than a model takes.
    #[error("rows of {width} columns; a model takes 1 to {FEATURES_MAX}")]
    Width {
        /// Columns of a row.
        width: usize,
    },
    /// The kind needs more rows.
    #[error("{rows} training rows are too few: {kind} needs {need} here")]
    TooFewRows {
        /// What was to be fitted.
        kind: Kind,
        /// Training rows that there are.
        rows: usize,
        /// Training rows that it needs.
        need: usize,
    },
    /// A feature that is NaN or infinite: the first.
    #[error("training row {row}, column {column} is {value}: features must be finite")]
    NotFinite {
        /// The row.
        row: usize,
        /// The column.
        column: usize,
        /// What stands there.
        value: f64,
    },
    /// A target that is NaN or infinite: the first.
    #[error("the target of training row {row} is {value}: targets must be finite")]
    TargetNotFinite {
        /// The row.
        row: usize,
        /// What stands there.
        value: f64,
    },
    /// A column that says nothing: the first.
    #[error("column {column} is {value} in every training row: leave it out of the features")]
    Constant {
        /// The column.
        column: usize,
        /// Its one value.
        value: f64,
    },
    /// Columns that are linear functions of one another.
    #[error("column {column} is a linear function of the columns before it: leave it out, or take ridge")]
    Collinear {
        /// The column.
        column: usize,
    },
    /// The kind holds something for each pair of rows.
    #[error("{rows} training rows are too many: {kind} takes at most {most}")]
    TooManyRows {
        /// What was to be fitted.
        kind: Kind,
        /// Training rows that there are.
        rows: usize,
        /// Training rows that it takes.
        most: usize,
    },
    /// A base of a stack sees more columns than there are.
    #[error("a tail of {tail} columns is longer than the row of {width}")]
    Tail {
        /// Columns of the tail.
        tail: usize,
        /// Columns of the row.
        width: usize,
    },
    /// There is nothing to tell apart.
    #[error("every training target is {}: logistic needs some of both", if *.is_up { "above 1" } else { "1 or below" })]
    OneClass {
        /// Whether all are above 1.
        is_up: bool,
    },
    /// The solver did not come to an end.
    #[error("{kind} found no solution: {reason}")]
    NotSolved {
        /// What was to be fitted.
        kind: Kind,
        /// What the solver says.
        reason: String,
    },
}

/// Fits `settings` to the rows `x`, (n, width), and their targets `y`, the ratios of exit to entry price. `seed` is
/// used by the kinds that draw.
///
/// # Errors
/// [`FitError`], before any work where the rows themselves are wrong.
pub fn fit(settings: &Settings, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, seed: u64) -> Result<Fitted, FitError> {
    let (rows, width) = x.dim();
    if rows == 0 {
        return Err(FitError::TooFewRows { kind: settings.kind(), rows, need: 1 });
    }
    if y.len() != rows {
        return Err(FitError::Lengths { rows, targets: y.len() });
    }
    if width == 0 || width > FEATURES_MAX {
        return Err(FitError::Width { width });
    }
    for (row, (values, target)) in x.outer_iter().zip(y).enumerate() {
        if let Some((column, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(FitError::NotFinite { row, column, value: *value });
        }
        if !target.is_finite() {
            return Err(FitError::TargetNotFinite { row, value: *target });
        }
    }
    for (column, values) in x.axis_iter(Axis(1)).enumerate() {
        let first = values[0];
        if values.iter().all(|value| value.to_bits() == first.to_bits()) {
            return Err(FitError::Constant { column, value: first });
        }
    }
    // Sums go along memory: in one layout they are the same however the rows came.
    fit_checked(settings, x.as_standard_layout().view(), y.as_standard_layout().view(), seed)
}

/// The same for rows that were looked at.
fn fit_checked(
    settings: &Settings,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    seed: u64,
) -> Result<Fitted, FitError> {
    let kind = settings.kind();
    let is_scaled = || settings.word("scale") == "standard";
    let linear = |penalty, is_scaled| linear::fit(kind, penalty, is_scaled, x, y).map(Fitted::Linear);
    match kind {
        Kind::Knn => {
            let weights = if settings.word("weights") == "uniform" { Weights::Uniform } else { Weights::Distance };
            knn::fit(settings.whole("k"), weights, is_scaled(), x, y).map(Fitted::Knn)
        }
        Kind::Ols => linear(Penalty::None, false),
        Kind::Ridge => linear(Penalty::Squares(settings.number("alpha")), is_scaled()),
        Kind::Lasso => linear(Penalty::Mixture { alpha: settings.number("alpha"), l1_ratio: 1.0 }, is_scaled()),
        Kind::ElasticNet => {
            let (alpha, l1_ratio) = (settings.number("alpha"), settings.number("l1_ratio"));
            linear(Penalty::Mixture { alpha, l1_ratio }, is_scaled())
        }
        Kind::Logistic => logistic::fit(settings.number("c"), is_scaled(), x, y).map(Fitted::Logistic),
        Kind::Svr => svr::fit(settings, x, y),
        Kind::Stack => stack::fit(settings, x, y, seed).map(Fitted::Stack),
        Kind::Forest | Kind::Gbm => trees::fit(settings, x, y, seed).map(Fitted::Trees),
        Kind::Onnx => unreachable!("models made elsewhere have no settings"),
    }
}
