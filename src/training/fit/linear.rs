//! Least squares by Householder's triangulation of the centred rows, which keeps twice the digits that the normal
//! equations would: lagged prices are all but copies of one another.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::FitError;
use crate::models::fitted::Kind;

/// A column whose part that is new, beside the columns before it, is less than this of its length is their function.
const NEW_MIN: f64 = 1e-11;

/// Intercept and coefficients of least squares.
pub(super) fn ols(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<(f64, Vec<f64>), FitError> {
    let (rows, width) = x.dim();
    if rows < width + 1 {
        return Err(FitError::TooFewRows { kind: Kind::Ols, rows, need: width + 1 });
    }
    let centred = Centred::new(x, y);
    refuse_constant(x)?;
    let coefficients = least_squares(centred.x.clone(), centred.y.clone())?;
    Ok((centred.intercept(&coefficients), coefficients))
}

/// Rows and targets without their means.
pub(super) struct Centred {
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<f64>,
    pub(super) x_mean: Array1<f64>,
    pub(super) y_mean: f64,
}

impl Centred {
    pub(super) fn new(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Self {
        let x_mean = x.mean_axis(Axis(0)).expect("there are rows");
        let y_mean = y.mean().expect("there are targets");
        Self { x: &x - &x_mean, y: &y - y_mean, x_mean, y_mean }
    }

    /// The intercept that goes with coefficients of the centred rows.
    pub(super) fn intercept(&self, coefficients: &[f64]) -> f64 {
        self.y_mean - self.x_mean.iter().zip(coefficients).map(|(mean, w)| mean * w).sum::<f64>()
    }
}

/// Refuses a column that has one value.
pub(super) fn refuse_constant(x: ArrayView2<'_, f64>) -> Result<(), FitError> {
    for (column, values) in x.axis_iter(Axis(1)).enumerate() {
        let first = values[0];
        if values.iter().all(|value| value.to_bits() == first.to_bits()) {
            return Err(FitError::Constant { column, value: first });
        }
    }
    Ok(())
}

/// The `w` of least `|a w − b|²`, `a` at least as high as wide.
fn least_squares(mut a: Array2<f64>, mut b: Array1<f64>) -> Result<Vec<f64>, FitError> {
    let (rows, width) = a.dim();
    let lengths: Vec<f64> = a.axis_iter(Axis(1)).map(|column| column.dot(&column).sqrt()).collect();
    let mut diagonal = vec![0.0; width];
    for j in 0..width {
        let length = (j..rows).map(|i| a[[i, j]] * a[[i, j]]).sum::<f64>().sqrt();
        if length <= NEW_MIN * lengths[j] {
            return Err(FitError::Collinear { column: j });
        }
        let alpha = if a[[j, j]] > 0.0 { -length } else { length };
        a[[j, j]] -= alpha;
        let norm2 = (j..rows).map(|i| a[[i, j]] * a[[i, j]]).sum::<f64>();
        for k in j + 1..width {
            let factor = 2.0 * (j..rows).map(|i| a[[i, j]] * a[[i, k]]).sum::<f64>() / norm2;
            (j..rows).for_each(|i| a[[i, k]] -= factor * a[[i, j]]);
        }
        let factor = 2.0 * (j..rows).map(|i| a[[i, j]] * b[i]).sum::<f64>() / norm2;
        (j..rows).for_each(|i| b[i] -= factor * a[[i, j]]);
        diagonal[j] = alpha;
    }
    let mut w = vec![0.0; width];
    for j in (0..width).rev() {
        let known: f64 = (j + 1..width).map(|k| a[[j, k]] * w[k]).sum();
        w[j] = (b[j] - known) / diagonal[j];
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
        let (intercept, w) = ols(x.view(), y.view()).expect("it is well posed");
        assert!((intercept - 1.0).abs() < 1e-14 && (w[0] - 2.0).abs() < 1e-14 && (w[1] + 3.0).abs() < 1e-14);
    }

    #[test]
    fn what_is_not_well_posed_is_refused_with_its_column() {
        let y = array![1.0, 2.0, 3.0, 5.0];
        let collinear = array![[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [7.0, 14.0]];
        assert_eq!(ols(collinear.view(), y.view()), Err(FitError::Collinear { column: 1 }));
        let constant = array![[1.0, 2.0], [2.0, 2.0], [3.0, 2.0], [7.0, 2.0]];
        assert_eq!(ols(constant.view(), y.view()), Err(FitError::Constant { column: 1, value: 2.0 }));
    }
}
