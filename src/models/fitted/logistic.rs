//! The chance that the price rises, turned into the ratio that it would give on average.

use super::tensors::{Reader, Writer};
use super::{ArtefactError, FEATURES_MAX};

/// `down + p (up - down)`, where `p` is the logistic function of a linear one.
#[derive(Clone, PartialEq, Debug)]
pub struct Logistic {
    intercept: f64,
    coefficients: Vec<f64>,
    up: f64,
    down: f64,
}

impl Logistic {
    /// `up` and `down` are the mean ratios of the training rows above 1 and of the others.
    #[must_use]
    pub fn new(intercept: f64, coefficients: Vec<f64>, up: f64, down: f64) -> Self {
        Self { intercept, coefficients, up, down }
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.coefficients.len()
    }

    /// The probability that the ratio is above 1.
    #[must_use]
    pub fn probability(&self, row: &[f64]) -> f64 {
        1.0 / (1.0 + (-(self.intercept + super::linear::dot(&self.coefficients, row))).exp())
    }

    /// The expected ratio.
    #[must_use]
    pub fn value(&self, row: &[f64]) -> f64 {
        self.down + self.probability(row) * (self.up - self.down)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number("intercept", self.intercept);
        out.numbers("coefficients", &self.coefficients);
        out.number("up", self.up);
        out.number("down", self.down);
    }

    pub(super) fn read(from: &Reader<'_>) -> Result<Self, ArtefactError> {
        let coefficients = from.numbers("coefficients")?;
        if coefficients.len() > FEATURES_MAX {
            return from.wrong("coefficients", "has more than a model takes");
        }
        let (intercept, up, down) = (from.number("intercept")?, from.number("up")?, from.number("down")?);
        Ok(Self { intercept, coefficients, up, down })
    }
}
