//! Logistic regression of whether the target is above 1.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, ArrayView1, ArrayView2};

use super::FitError;
use super::standard::Scaled;
use crate::models::fitted::{Kind, Logistic};

/// The descent by L-BFGS ends below this length of the gradient.
const GRADIENT_MAX: f64 = 1e-6;
const ROUNDS_MAX: u64 = 1_000;

pub(super) fn fit(
    c: f64,
    is_scaled: bool,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
) -> Result<Logistic, FitError> {
    let is_up: Vec<bool> = y.iter().map(|target| *target > 1.0).collect();
    let mean_where = |wanted: bool| {
        let some: Vec<f64> = y.iter().zip(&is_up).filter(|(_, is_up)| **is_up == wanted).map(|(y, _)| *y).collect();
        (!some.is_empty()).then(|| some.iter().sum::<f64>() / some.len() as f64)
    };
    let (Some(up), Some(down)) = (mean_where(true), mean_where(false)) else {
        return Err(FitError::OneClass { is_up: is_up[0] });
    };
    let scaled = Scaled::new(x, y, is_scaled);
    // One unit for all columns, so that the length of the gradient means the same whatever they are measured in.
    let unit = match (scaled.x.iter().map(|v| v * v).sum::<f64>() / scaled.x.len() as f64).sqrt() {
        unit if unit > 0.0 => unit,
        _ => 1.0,
    };
    let rows = scaled.x / unit;
    let alpha = 1.0 / (c * unit * unit);
    let classes = Array1::from_iter(is_up.iter().copied());
    let settings =
        LogisticRegression::default().alpha(alpha).gradient_tolerance(GRADIENT_MAX).max_iterations(ROUNDS_MAX);
    let failed = |reason: String| FitError::NotSolved { kind: Kind::Logistic, reason };
    let fitted = settings.fit(&Dataset::new(rows, classes)).map_err(|error| failed(error.to_string()))?;
    // linfa calls the more frequent class the positive one.
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let in_units: Vec<f64> = fitted.params().iter().map(|w| sign * w / unit).collect();
    let (intercept, coefficients) = scaled.moments.undo_columns(sign * fitted.intercept(), &in_units);
    if !intercept.is_finite() || coefficients.iter().any(|w| !w.is_finite()) {
        return Err(failed("the descent left the numbers".to_owned()));
    }
    Ok(Logistic::new(intercept, coefficients, up, down))
}
