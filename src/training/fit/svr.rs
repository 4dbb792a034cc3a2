//! Epsilon support vector regression by linfa's solver.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_svm::Svm;
use ndarray::{ArrayView1, ArrayView2};

use super::FitError;
use super::standard::Scaled;
use crate::models::fitted::{Fitted, Kind, Linear, Svr};
use crate::training::kinds::Settings;

/// The solver holds a number for each pair of rows: 800 MB at this many.
pub(super) const ROWS_MAX: usize = 10_000;
/// How far from its optimum a solution may be, where targets are of size 1.
const TOLERANCE: f64 = 1e-6;

/// How the words of a solution begin that is within the tolerance.
const SOLVED: &str = "Exited after";

pub(super) fn fit(settings: &Settings, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<Fitted, FitError> {
    let (rows, width) = x.dim();
    if rows > ROWS_MAX {
        return Err(FitError::TooManyRows { kind: Kind::Svr, rows, most: ROWS_MAX });
    }
    let is_scaled = settings.word("scale") == "standard";
    let Scaled { x: rows, y: targets, moments } = Scaled::new(x, y, is_scaled);
    let unit = match (targets.dot(&targets) / targets.len() as f64).sqrt() {
        unit if unit > 0.0 => unit,
        _ => 1.0,
    };
    let params = Svm::<f64, f64>::params()
        .c_svr(settings.number("c") / unit, Some(settings.number("epsilon") / unit))
        .eps(TOLERANCE);
    let in_units = targets / unit;
    if settings.word("kernel") == "linear" {
        let fitted = params.linear_kernel().fit(&Dataset::new(rows.clone(), in_units));
        let fitted = solved(fitted)?;
        let mut w = vec![0.0; width];
        for (row, alpha) in rows.outer_iter().zip(&fitted.alpha) {
            w.iter_mut().zip(row).for_each(|(w, value)| *w += alpha * unit * value);
        }
        let (intercept, coefficients) = moments.undo(-fitted.rho * unit, &w);
        return Ok(Fitted::Linear(Linear::new(Kind::Svr, intercept, coefficients)));
    }
    let gamma = match settings.number("gamma") {
        gamma if gamma > 0.0 => gamma,
        _ => {
            let variance = if is_scaled { variance(rows.view()) } else { variance(x) };
            1.0 / (width as f64 * if variance > 0.0 { variance } else { 1.0 })
        }
    };
    let fitted = params.gaussian_kernel(1.0 / gamma).fit(&Dataset::new(rows.clone(), in_units));
    let fitted = solved(fitted)?;
    let (mut vectors, mut weights) = (Vec::new(), Vec::new());
    for (row, alpha) in rows.outer_iter().zip(&fitted.alpha) {
        // What is no support vector is nought but for rounding.
        if alpha.abs() > 1e-12 {
            vectors.extend(row);
            weights.push(alpha * unit * moments.y_scale());
        }
    }
    let intercept = moments.target(-fitted.rho * unit);
    if weights.is_empty() {
        // Every target is within epsilon of one value.
        return Ok(Fitted::Linear(Linear::new(Kind::Svr, intercept, vec![0.0; width])));
    }
    Ok(Fitted::Svr(Svr::new(gamma, intercept, Some(moments.scaler()), vectors, weights, width)))
}

/// The solution, if it is one: that the solver gave up is told by its words alone.
fn solved(fitted: Result<Svm<f64, f64>, linfa_svm::SvmError>) -> Result<Svm<f64, f64>, FitError> {
    let failed = |reason: String| FitError::NotSolved { kind: Kind::Svr, reason };
    let fitted = fitted.map_err(|error| failed(error.to_string()))?;
    let words = fitted.to_string();
    if words.starts_with(SOLVED) { Ok(fitted) } else { Err(failed(words)) }
}

/// Of all values of all columns together, about their common mean.
fn variance(x: ArrayView2<'_, f64>) -> f64 {
    let mean = x.mean().expect("there are rows");
    x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / x.len() as f64
}
