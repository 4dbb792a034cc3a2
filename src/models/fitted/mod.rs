//! Models that were fitted to the past, as the arena runs them: a row of features in, an [`Estimate`] out.
//!
//! A fitted model is plain numbers. It predicts without a draw, a clock or an allocation, so that the same row gives the
//! same estimate wherever it runs; [`Fitted::to_bytes`] gives the same bytes for the same model, and reading them back
//! runs nothing that is in them. Fitting itself is done in `training`.

mod linear;
mod tensors;

pub use linear::Linear;

use super::Estimate;
use tensors::{Reader, Writer};

/// The widest row that a model takes.
pub const FEATURES_MAX: usize = 4_096;

/// What kind of model it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Ordinary least squares.
    Ols,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::Ols];

    /// Its name in configurations, cards and artefacts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ols => "ols",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it is a linear function of the row once it is fitted.
    #[must_use]
    pub fn is_linear(self) -> bool {
        matches!(self, Self::Ols)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes are no model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArtefactError {
    /// Cut off, changed, or never a model.
    #[error("the artefact cannot be read: {0}")]
    Damaged(String),
    /// A later arena wrote it.
    #[error("the artefact is of format {found:?}, which this arena does not know: it was made by another version")]
    Version {
        /// The version of the format that it carries.
        found: String,
    },
}

/// A model that was fitted.
#[derive(Clone, PartialEq, Debug)]
pub enum Fitted {
    /// A linear function.
    Linear(Linear),
}

impl Fitted {
    /// What fitted it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Linear(linear) => linear.kind(),
        }
    }

    /// How wide a row must be.
    #[must_use]
    pub fn n_features(&self) -> usize {
        match self {
            Self::Linear(linear) => linear.coefficients().len(),
        }
    }

    /// The estimate for one row of features. A row with a value that is not finite has an estimate that is not either.
    ///
    /// # Panics
    /// If the row is not [`Fitted::n_features`] wide.
    #[inline]
    #[must_use]
    pub fn predict(&self, row: &[f64]) -> Estimate {
        assert_eq!(row.len(), self.n_features(), "the row is not as wide as the model");
        match self {
            Self::Linear(linear) => Estimate { y_pred: linear.value(row), distance: None },
        }
    }

    /// The 101 quantiles, of 0 %, 1 %, … 100 %, of the distances that its training rows had, each to its neighbours
    /// without itself; `None` for kinds without neighbours.
    #[must_use]
    pub fn distance_quantiles(&self) -> Option<&[f64]> {
        match self {
            Self::Linear(_) => None,
        }
    }

    /// The model as a safetensors file; the same model gives the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.write(&mut out);
        out.into_bytes()
    }

    /// The model of such bytes.
    ///
    /// # Errors
    /// Whatever the bytes, an [`ArtefactError`] where they are no model; memory stays in proportion to their length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtefactError> {
        tensors::read(bytes, Self::read)
    }

    fn write(&self, out: &mut Writer) {
        out.text("kind", self.kind().name());
        match self {
            Self::Linear(linear) => linear.write(out),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, ArtefactError> {
        let name = from.text("kind")?;
        let Some(kind) = Kind::from_name(name) else {
            return Err(ArtefactError::Damaged(format!("kind {name:?} is none of this arena")));
        };
        Ok(match kind {
            Kind::Ols => Self::Linear(Linear::read(kind, from)?),
        })
    }
}
