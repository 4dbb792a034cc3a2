//! Fitting: rows and targets in, a [`Fitted`] out. The same input gives the same bytes.

mod linear;

use ndarray::{ArrayView1, ArrayView2};

use super::kinds::Settings;
use crate::models::fitted::{FEATURES_MAX, Fitted, Kind, Linear};

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
}

/// Fits `settings` to the rows `x`, (n, width), and their targets `y`, the ratios of exit to entry price. `seed` is
/// used by the kinds that draw.
///
/// # Errors
/// [`FitError`], before any work where the rows themselves are wrong.
pub fn fit(settings: &Settings, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, seed: u64) -> Result<Fitted, FitError> {
    let (rows, width) = x.dim();
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
    fit_checked(settings, x, y, seed)
}

/// The same for rows that were looked at.
fn fit_checked(
    settings: &Settings,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    _seed: u64,
) -> Result<Fitted, FitError> {
    Ok(match settings.kind() {
        Kind::Ols => {
            let (intercept, coefficients) = linear::ols(x, y)?;
            Fitted::Linear(Linear::new(Kind::Ols, intercept, coefficients))
        }
    })
}
