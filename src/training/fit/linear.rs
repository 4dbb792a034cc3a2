//! Linear functions: least squares, and least squares with penalties.
//!
//! Rows and targets are centred, brought to one unit, and triangulated by Householder's method, which keeps twice the
//! digits that the normal equations would: lagged prices are all but copies of one another. What is left, a triangle of
//! as many rows as there are columns, has the same least squares as all the rows, penalties or not; so coordinate
//! descent goes over it in a time that does not depend on how many rows there were.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_elasticnet::ElasticNet;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, ShapeBuilder, Slice};

use super::FitError;
use super::standard::Scaled;
use crate::models::fitted::{Kind, Linear};

/// A column whose part that is new, beside the columns before it, is less than this of its length is their function.
const NEW_MIN: f64 = 1e-11;
/// Coordinate descent ends when the gap of duality is below this share of the squared targets.
const GAP_MAX: f64 = 1e-14;
/// And is given up after so many rounds over the columns.
const ROUNDS_MAX: u32 = 1_000_000;

/// What is added to the squared errors.
#[derive(Clone, Copy, Debug)]
pub(super) enum Penalty {
    /// Nothing.
    None,
    /// So much times the sum of squared coefficients.
    Squares(f64),
    /// `2 n alpha` times a mixture of absolute and half squared coefficients, so that half the mean is penalised by
    /// `alpha` times the mixture.
    Mixture {
        /// The weight.
        alpha: f64,
        /// The share of the absolute ones.
        l1_ratio: f64,
    },
}

/// The linear function of least squares with a penalty.
pub(super) fn fit(
    kind: Kind,
    penalty: Penalty,
    is_scaled: bool,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
) -> Result<Linear, FitError> {
    let (rows, width) = x.dim();
    let need = if matches!(penalty, Penalty::None) { width + 1 } else { 2 };
    if rows < need {
        return Err(FitError::TooFewRows { kind, rows, need });
    }
    let scaled = Scaled::new(x, y, is_scaled);
    // One unit for all columns and one for the target keep every size near 1, whatever the data are measured in.
    let root_mean_square = |squares: f64, n: usize| match (squares / n as f64).sqrt() {
        unit if unit > 0.0 => unit,
        _ => 1.0,
    };
    let (mut a, mut b) = (scaled.x, scaled.y);
    let (x_unit, y_unit) =
        (root_mean_square(a.iter().map(|v| v * v).sum(), a.len()), root_mean_square(b.dot(&b), rows));
    a /= x_unit;
    b /= y_unit;
    triangulate(&mut a, &mut b);
    let height = rows.min(width);
    let (r, q) = (first_rows(&a, height), Array1::from_iter(b.iter().copied().take(height)));
    let n = rows as f64;
    let in_units = match penalty {
        Penalty::None => solve(&r, &q)?,
        Penalty::Squares(alpha) => {
            let root = alpha.sqrt() / x_unit;
            let mut a = Array2::zeros((height + width, width));
            a.slice_axis_mut(Axis(0), Slice::from(..height)).assign(&r);
            (0..width).for_each(|j| a[[height + j, j]] = root);
            let mut b = Array1::zeros(height + width);
            b.slice_axis_mut(Axis(0), Slice::from(..height)).assign(&q);
            triangulate(&mut a, &mut b);
            solve(&a, &b)?
        }
        Penalty::Mixture { alpha, l1_ratio } => {
            // linfa divides by the rows it sees, which are those of the triangle.
            let (absolute, squared) =
                (alpha * l1_ratio / (x_unit * y_unit), alpha * (1.0 - l1_ratio) / (x_unit * x_unit));
            let sum = absolute + squared;
            descend(kind, &r, q, sum * n / height as f64, absolute / sum)?
        }
    };
    let coefficients: Vec<f64> = in_units.iter().map(|w| w * y_unit / x_unit).collect();
    let (intercept, coefficients) = scaled.moments.undo(0.0, &coefficients);
    Ok(Linear::new(kind, intercept, coefficients))
}

fn first_rows(a: &Array2<f64>, rows: usize) -> Array2<f64> {
    a.slice_axis(Axis(0), Slice::from(..rows)).to_owned()
}

/// linfa's coordinate descent. Its dot products are over columns, so it is given them in one piece.
fn descend(kind: Kind, r: &Array2<f64>, q: Array1<f64>, penalty: f64, l1_ratio: f64) -> Result<Vec<f64>, FitError> {
    let squares = q.dot(&q);
    if squares <= 0.0 {
        // Targets of one value: a gap that is a share of nothing would never be small enough.
        return Ok(vec![0.0; r.ncols()]);
    }
    let mut columns = Array2::zeros(r.dim().f());
    columns.assign(r);
    let settings = ElasticNet::params()
        .penalty(penalty)
        .l1_ratio(l1_ratio)
        .with_intercept(false)
        .tolerance(GAP_MAX)
        .max_iterations(ROUNDS_MAX);
    let fitted = settings.fit(&Dataset::new(columns, q));
    let fitted = fitted.map_err(|error| FitError::NotSolved { kind, reason: error.to_string() })?;
    // What it left is told by the gap: a little above the aim is where rounding ends the descent.
    if fitted.duality_gap() > 1e-9 * squares {
        return Err(FitError::NotSolved { kind, reason: format!("a gap of {:e} is left", fitted.duality_gap()) });
    }
    Ok(fitted.hyperplane().to_vec())
}

/// Turns `a` into an upper triangle by reflections, and `b` along with it.
fn triangulate(a: &mut Array2<f64>, b: &mut Array1<f64>) {
    let (rows, width) = a.dim();
    // Column by column in one piece each: that is how they are gone over.
    let mut columns: Vec<Vec<f64>> = a.axis_iter(Axis(1)).map(|column| column.to_vec()).collect();
    let mut b_all = b.to_vec();
    for j in 0..width.min(rows) {
        let (done, rest) = columns.split_at_mut(j + 1);
        let reflected = &mut done[j][j..];
        let length = reflected.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length <= 0.0 {
            continue;
        }
        let alpha = if reflected[0] > 0.0 { -length } else { length };
        reflected[0] -= alpha;
        let norm2: f64 = reflected.iter().map(|v| v * v).sum();
        for other in rest.iter_mut().chain([&mut b_all]) {
            let other = &mut other[j..];
            let factor = 2.0 * reflected.iter().zip(&*other).map(|(v, o)| v * o).sum::<f64>() / norm2;
            other.iter_mut().zip(&*reflected).for_each(|(o, v)| *o -= factor * v);
        }
        reflected.fill(0.0);
        reflected[0] = alpha;
    }
    for (mut column, values) in a.axis_iter_mut(Axis(1)).zip(columns) {
        column.assign(&Array1::from(values));
    }
    b.assign(&Array1::from(b_all));
}

/// The `w` with `r w = q` in its first rows, `r` an upper triangle.
fn solve(r: &Array2<f64>, q: &Array1<f64>) -> Result<Vec<f64>, FitError> {
    let width = r.ncols();
    for j in 0..width {
        let length = (0..=j).map(|i| r[[i, j]] * r[[i, j]]).sum::<f64>().sqrt();
        if r[[j, j]].abs() <= NEW_MIN * length {
            return Err(FitError::Collinear { column: j });
        }
    }
    let mut w = vec![0.0; width];
    for j in (0..width).rev() {
        let known: f64 = (j + 1..width).map(|k| r[[j, k]] * w[k]).sum();
        w[j] = (q[j] - known) / r[[j, j]];
    }
    Ok(w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_plane_is_found_again() {
        // y = 1 + 2a − 3b
        let x = array![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 5.0]];
        let y = array![1.0, 3.0, -2.0, -10.0];
        for is_scaled in [false, true] {
            let plane = fit(Kind::Ols, Penalty::None, is_scaled, x.view(), y.view()).expect("it is well posed");
            let [a, b] = plane.coefficients()[..] else { panic!("two columns") };
            assert!((plane.intercept() - 1.0).abs() < 1e-13 && (a - 2.0).abs() < 1e-13 && (b + 3.0).abs() < 1e-13);
        }
    }

    #[test]
    fn a_column_that_the_others_make_up_is_refused_by_least_squares_and_shared_by_ridge() {
        let y = array![1.0, 2.0, 3.0, 5.0];
        let x = array![[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [7.0, 7.0]];
        let refused = fit(Kind::Ols, Penalty::None, false, x.view(), y.view());
        assert_eq!(refused, Err(FitError::Collinear { column: 1 }));
        let shared = fit(Kind::Ridge, Penalty::Squares(0.1), false, x.view(), y.view()).expect("a penalty decides");
        let [a, b] = shared.coefficients()[..] else { panic!("two columns") };
        assert!((a - b).abs() < 1e-12);
    }

    #[test]
    fn a_penalty_that_outweighs_the_rows_leaves_the_mean() {
        let x = array![[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 1.0]];
        let y = array![1.0, 2.0, 3.0, 6.0];
        let penalty = Penalty::Mixture { alpha: 1e6, l1_ratio: 1.0 };
        let flat = fit(Kind::Lasso, penalty, true, x.view(), y.view()).expect("it is well posed");
        assert_eq!(flat.coefficients(), [0.0, 0.0]);
        assert!((flat.intercept() - 3.0).abs() < 1e-15);
    }
}
