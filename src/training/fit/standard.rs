//! Means and deviations of training rows, by which they are centred and scaled.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::models::fitted::Scaler;

/// Mean and scale of each column and of the target; the scale is 1 where nothing is scaled.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    x_mean: Vec<f64>,
    x_scale: Vec<f64>,
    y_mean: f64,
    y_scale: f64,
}

/// Rows and targets, centred, and scaled where that was asked for.
#[derive(Debug)]
pub(super) struct Scaled {
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<f64>,
    pub(super) moments: Moments,
}

impl Scaled {
    pub(super) fn new(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, is_scaled: bool) -> Self {
        let x_mean = x.mean_axis(Axis(0)).expect("there are rows");
        let y_mean = y.mean().expect("there are targets");
        let (mut x, mut y) = (&x - &x_mean, &y - y_mean);
        let mut x_scale = vec![1.0; x.ncols()];
        let mut y_scale = 1.0;
        if is_scaled {
            for (mut column, scale) in x.axis_iter_mut(Axis(1)).zip(&mut x_scale) {
                *scale = deviation(column.view());
                column /= *scale;
            }
            y_scale = deviation(y.view());
            y /= y_scale;
        }
        Self { x, y, moments: Moments { x_mean: x_mean.to_vec(), x_scale, y_mean, y_scale } }
    }
}

impl Moments {
    /// Intercept and coefficients of the rows and targets as they were, from those of the scaled ones.
    pub(super) fn undo(&self, intercept: f64, coefficients: &[f64]) -> (f64, Vec<f64>) {
        let undone: Vec<f64> =
            coefficients.iter().zip(&self.x_scale).map(|(w, scale)| w * self.y_scale / scale).collect();
        let at_mean: f64 = undone.iter().zip(&self.x_mean).map(|(w, mean)| w * mean).sum();
        (self.y_mean + intercept * self.y_scale - at_mean, undone)
    }

    /// The same for a linear function whose value is not a target.
    pub(super) fn undo_columns(&self, intercept: f64, coefficients: &[f64]) -> (f64, Vec<f64>) {
        let undone: Vec<f64> = coefficients.iter().zip(&self.x_scale).map(|(w, scale)| w / scale).collect();
        let at_mean: f64 = undone.iter().zip(&self.x_mean).map(|(w, mean)| w * mean).sum();
        (intercept - at_mean, undone)
    }

    /// The target of a scaled one.
    pub(super) fn target(&self, scaled: f64) -> f64 {
        self.y_mean + scaled * self.y_scale
    }

    /// How many targets a scaled one is.
    pub(super) fn y_scale(&self) -> f64 {
        self.y_scale
    }

    /// The same scaling of columns, for a model that does it at each row.
    pub(super) fn scaler(&self) -> Scaler {
        Scaler::new(self.x_mean.clone(), self.x_scale.clone())
    }
}

/// The population standard deviation of centred values; 1 where it is 0.
fn deviation(centred: ArrayView1<'_, f64>) -> f64 {
    match (centred.dot(&centred) / centred.len() as f64).sqrt() {
        deviation if deviation > 0.0 => deviation,
        _ => 1.0,
    }
}

/// The scaler of some rows.
pub(super) fn scaler(x: ArrayView2<'_, f64>) -> Scaler {
    Scaled::new(x, Array1::zeros(x.nrows()).view(), true).moments.scaler()
}
