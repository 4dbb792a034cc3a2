//! Support vector regression with a radial kernel; one with a linear kernel is a [`super::Linear`].

use super::scaler::Scaler;
use super::tensors::{Reader, Writer};
use super::{ArtefactError, FEATURES_MAX};

/// `intercept + Σ weight · exp(-gamma · |row - vector|²)`.
#[derive(Clone, PartialEq, Debug)]
pub struct Svr {
    gamma: f64,
    intercept: f64,
    scaler: Option<Scaler>,
    /// Row-major, scaled.
    vectors: Vec<f64>,
    weights: Vec<f64>,
    width: usize,
}

impl Svr {
    /// The function of these support vectors, which are scaled already.
    ///
    /// # Panics
    /// If there are not as many vectors as weights.
    #[must_use]
    pub fn new(
        gamma: f64,
        intercept: f64,
        scaler: Option<Scaler>,
        vectors: Vec<f64>,
        weights: Vec<f64>,
        width: usize,
    ) -> Self {
        assert_eq!(vectors.len(), weights.len() * width, "a weight for each vector");
        Self { gamma, intercept, scaler, vectors, weights, width }
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many support vectors there are.
    #[must_use]
    pub fn n_vectors(&self) -> usize {
        self.weights.len()
    }

    /// The value at a row.
    #[must_use]
    pub fn value(&self, row: &[f64]) -> f64 {
        let squared = |vector: &[f64]| match &self.scaler {
            None => super::kdtree::distance2(vector, row),
            Some(scaler) => scaler.scaled(row).zip(vector).map(|(a, b)| (a - b) * (a - b)).sum(),
        };
        let terms = self.vectors.chunks_exact(self.width).zip(&self.weights);
        self.intercept + terms.map(|(vector, weight)| weight * (-self.gamma * squared(vector)).exp()).sum::<f64>()
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number("gamma", self.gamma);
        out.number("intercept", self.intercept);
        if let Some(scaler) = &self.scaler {
            out.within("scaler", |out| scaler.write(out));
        }
        out.matrix("vectors", &[self.weights.len(), self.width], &self.vectors);
        out.numbers("weights", &self.weights);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, ArtefactError> {
        let (n, width, vectors) = from.matrix("vectors")?;
        if width > FEATURES_MAX {
            return from.wrong("vectors", "has more columns than a model takes");
        }
        let weights = from.numbers_of("weights", n)?;
        let has_scaler = from.has("scaler.mean");
        let scaler = has_scaler.then(|| from.within("scaler", |from| Scaler::read(width, from))).transpose()?;
        let (gamma, intercept) = (from.number("gamma")?, from.number("intercept")?);
        Ok(Self { gamma, intercept, scaler, vectors, weights, width })
    }
}
