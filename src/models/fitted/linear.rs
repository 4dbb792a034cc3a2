//! A linear function of the row: what `ols`, `ridge`, `lasso` and `elastic_net` are once they are fitted.

use super::tensors::{Reader, Writer};
use super::{ArtefactError, FEATURES_MAX, Kind};

/// `intercept + coefficients · row`. A scaling of the columns is multiplied into the coefficients when it is fitted.
#[derive(Clone, PartialEq, Debug)]
pub struct Linear {
    kind: Kind,
    intercept: f64,
    coefficients: Vec<f64>,
}

impl Linear {
    /// The function as it was fitted by `kind`.
    ///
    /// # Panics
    /// If `kind` is none of the linear ones.
    #[must_use]
    pub fn new(kind: Kind, intercept: f64, coefficients: Vec<f64>) -> Self {
        assert!(kind.is_linear(), "{kind} is not linear");
        Self { kind, intercept, coefficients }
    }

    /// What fitted it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The value where every column is 0.
    #[must_use]
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// One for each column.
    #[must_use]
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The value at a row as wide as the coefficients are.
    #[inline]
    #[must_use]
    pub fn value(&self, row: &[f64]) -> f64 {
        self.intercept + dot(&self.coefficients, row)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.number("intercept", self.intercept);
        out.numbers("coefficients", &self.coefficients);
    }

    pub(super) fn read(kind: Kind, from: &Reader<'_>) -> Result<Self, ArtefactError> {
        let coefficients = from.numbers("coefficients")?;
        if coefficients.len() > FEATURES_MAX {
            return from.wrong("coefficients", &format!("has more than {FEATURES_MAX} numbers"));
        }
        Ok(Self { kind, intercept: from.number("intercept")?, coefficients })
    }
}

/// Four sums side by side, so that an addition need not wait for the one before; always in the same order.
#[inline]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a4, a_rest) = a.as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
