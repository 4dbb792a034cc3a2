//! Columns brought to mean 0 and deviation 1 by what the training rows had.

use super::ArtefactError;
use super::tensors::{Reader, Writer};

/// `(value - mean) / deviation` of each column.
#[derive(Clone, PartialEq, Debug)]
pub struct Scaler {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scaler {
    /// The scaler of these means and population standard deviations.
    ///
    /// # Panics
    /// If they are not equally many, or a deviation is not above 0.
    #[must_use]
    pub fn new(mean: Vec<f64>, deviation: Vec<f64>) -> Self {
        assert!(mean.len() == deviation.len() && deviation.iter().all(|deviation| *deviation > 0.0), "no scaler");
        Self { mean, deviation }
    }

    /// The mean of each column.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The population standard deviation of each column.
    #[must_use]
    pub fn deviation(&self) -> &[f64] {
        &self.deviation
    }

    /// A row, scaled.
    pub fn scaled<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        row.iter().zip(&self.mean).zip(&self.deviation).map(|((value, mean), deviation)| (value - mean) / deviation)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.numbers("mean", &self.mean);
        out.numbers("deviation", &self.deviation);
    }

    pub(super) fn read(width: usize, from: &Reader<'_>) -> Result<Self, ArtefactError> {
        let (mean, deviation) = (from.numbers_of("mean", width)?, from.numbers_of("deviation", width)?);
        if deviation.iter().any(|deviation| *deviation <= 0.0) {
            return from.wrong("deviation", "is not above 0");
        }
        Ok(Self { mean, deviation })
    }
}
