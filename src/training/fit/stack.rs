//! Stacking: bases over tails of different length, and least squares over what they say of rows that they did not see.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice, concatenate};

use super::linear::{self, Penalty};
use super::{FitError, fit_checked};
use crate::models::fitted::{Fitted, Kind, Stack};
use crate::training::kinds::Settings;

pub(super) fn fit(
    settings: &Settings,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    seed: u64,
) -> Result<Stack, FitError> {
    let unseen = out_of_fold(settings, x, y, seed)?;
    let last = linear::fit(Kind::Ols, Penalty::None, false, unseen.view(), y)?;
    let tails = settings.wholes("tails").iter().zip(settings.bases());
    let bases = tails.map(|(tail, base)| fit_checked(base, first_columns(x, *tail as usize), y, seed));
    Ok(Stack::new(x.ncols(), bases.collect::<Result<_, _>>()?, last))
}

/// For each row, what each base says that was fitted to the other folds: (rows, bases). Folds are runs of rows whose
/// lengths differ by one at most, the longer ones first.
///
/// # Errors
/// [`FitError`], of the stack or of a base.
///
/// # Panics
/// If the settings are not of a stack.
pub fn out_of_fold(
    settings: &Settings,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    seed: u64,
) -> Result<Array2<f64>, FitError> {
    let (rows, width) = x.dim();
    let tails: Vec<usize> = settings.wholes("tails").iter().map(|tail| *tail as usize).collect();
    if let Some(tail) = tails.iter().copied().filter(|tail| *tail > width).max() {
        return Err(FitError::Tail { tail, width });
    }
    let folds = settings.whole("folds");
    if rows < folds {
        return Err(FitError::TooFewRows { kind: Kind::Stack, rows, need: folds });
    }
    let mut unseen = Array2::zeros((rows, tails.len()));
    let mut start = 0;
    for fold in 0..folds {
        let end = start + rows / folds + usize::from(fold < rows % folds);
        let (before, after) = (Slice::from(..start), Slice::from(end..));
        let other_rows = concatenate![Axis(0), x.slice_axis(Axis(0), before), x.slice_axis(Axis(0), after)];
        let other_targets = concatenate![Axis(0), y.slice_axis(Axis(0), before), y.slice_axis(Axis(0), after)];
        for (at, (tail, base)) in tails.iter().zip(settings.bases()).enumerate() {
            let base = fit_checked(base, first_columns(other_rows.view(), *tail), other_targets.view(), seed)?;
            for (row, values) in (start..end).zip(first_columns(x, *tail).outer_iter().skip(start)) {
                unseen[[row, at]] = predict(&base, values);
            }
        }
        start = end;
    }
    Ok(unseen)
}

fn first_columns(x: ArrayView2<'_, f64>, columns: usize) -> ArrayView2<'_, f64> {
    x.split_at(Axis(1), columns).0
}

fn predict(base: &Fitted, row: ArrayView1<'_, f64>) -> f64 {
    match row.as_slice() {
        Some(row) => base.predict(row).y_pred,
        None => base.predict(&row.to_vec()).y_pred,
    }
}
