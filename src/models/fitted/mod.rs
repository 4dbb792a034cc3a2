//! Models that were fitted to the past, as the arena runs them: a row of features in, an [`Estimate`] out.
//!
//! A fitted model is plain numbers. It predicts without a draw, a clock or an allocation, so that the same row gives the
//! same estimate wherever it runs; [`Fitted::to_bytes`] gives the same bytes for the same model, and reading them back
//! runs nothing that is in them. Fitting itself is done in `training`.

mod axes;
mod kdtree;
mod knn;
mod linear;
mod logistic;
pub mod onnx;
mod scaler;
mod stack;
mod svr;
mod tensors;
mod trees;

#[cfg(test)]
mod tests;

pub use kdtree::Neighbour;
pub use knn::{Knn, NEIGHBOURS_MAX, QUANTILES, Weights};
pub use linear::Linear;
pub use logistic::Logistic;
pub use onnx::{Onnx, OnnxError};
pub use scaler::Scaler;
pub use stack::{BASES_MAX, Stack};
pub use svr::Svr;
pub use trees::Trees;

use super::Estimate;
use tensors::{Reader, Writer};

/// The widest row that a model takes.
pub const FEATURES_MAX: usize = 4_096;

/// What kind of model it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Nearest neighbours.
    Knn,
    /// Ordinary least squares.
    Ols,
    /// Least squares with a penalty on the squares of the coefficients.
    Ridge,
    /// Least squares with a penalty on the sizes of the coefficients.
    Lasso,
    /// Least squares with both penalties.
    ElasticNet,
    /// The chance of a rise.
    Logistic,
    /// Support vector regression.
    Svr,
    /// A linear model of other models.
    Stack,
    /// The mean of many deep trees.
    Forest,
    /// Many small trees, each of what the ones before left over.
    Gbm,
    /// Made elsewhere, and imported.
    Onnx,
}

impl Kind {
    /// Every kind that is fitted here, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Knn,
        Self::Ols,
        Self::Ridge,
        Self::Lasso,
        Self::ElasticNet,
        Self::Logistic,
        Self::Svr,
        Self::Stack,
        Self::Forest,
        Self::Gbm,
    ];

    /// Its name in configurations, cards and artefacts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Knn => "knn",
            Self::Ols => "ols",
            Self::Ridge => "ridge",
            Self::Lasso => "lasso",
            Self::ElasticNet => "elastic_net",
            Self::Logistic => "logistic",
            Self::Svr => "svr",
            Self::Stack => "stack",
            Self::Forest => "forest",
            Self::Gbm => "gbm",
            Self::Onnx => "onnx",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().chain([Self::Onnx]).find(|kind| kind.name() == name)
    }

    /// Whether it can be a linear function of the row once it is fitted.
    #[must_use]
    pub fn is_linear(self) -> bool {
        matches!(self, Self::Ols | Self::Ridge | Self::Lasso | Self::ElasticNet | Self::Svr)
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
    /// A model made elsewhere that cannot be run here, or runs differently.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
}

/// A model that was fitted.
#[derive(Clone, PartialEq, Debug)]
pub enum Fitted {
    /// Nearest neighbours.
    Knn(Knn),
    /// A linear function.
    Linear(Linear),
    /// The chance of a rise.
    Logistic(Logistic),
    /// Support vectors with a radial kernel.
    Svr(Svr),
    /// A linear model of other models.
    Stack(Stack),
    /// Regression trees.
    Trees(Trees),
    /// Made elsewhere.
    Onnx(Onnx),
}

impl Fitted {
    /// What fitted it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Knn(_) => Kind::Knn,
            Self::Linear(linear) => linear.kind(),
            Self::Logistic(_) => Kind::Logistic,
            Self::Svr(_) => Kind::Svr,
            Self::Stack(_) => Kind::Stack,
            Self::Trees(trees) => trees.kind(),
            Self::Onnx(_) => Kind::Onnx,
        }
    }

    /// How wide a row must be.
    #[must_use]
    pub fn n_features(&self) -> usize {
        match self {
            Self::Knn(knn) => knn.width(),
            Self::Linear(linear) => linear.coefficients().len(),
            Self::Logistic(logistic) => logistic.width(),
            Self::Svr(svr) => svr.width(),
            Self::Stack(stack) => stack.width(),
            Self::Trees(trees) => trees.width(),
            Self::Onnx(onnx) => onnx.width(),
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
        let y_pred = match self {
            Self::Knn(knn) => return knn.estimate(row),
            Self::Linear(linear) => linear.value(row),
            Self::Logistic(logistic) => logistic.value(row),
            Self::Svr(svr) => svr.value(row),
            Self::Stack(stack) => stack.value(row),
            Self::Trees(trees) => trees.value(row),
            Self::Onnx(onnx) => onnx.value(row),
        };
        Estimate { y_pred, distance: None }
    }

    /// The 101 quantiles, of 0 %, 1 %, … 100 %, of the distances that its training rows had, each to its neighbours
    /// without itself; `None` for kinds without neighbours.
    #[must_use]
    pub fn distance_quantiles(&self) -> Option<&[f64]> {
        match self {
            Self::Knn(knn) => Some(knn.quantiles()),
            Self::Linear(_) | Self::Logistic(_) | Self::Svr(_) | Self::Stack(_) | Self::Trees(_) | Self::Onnx(_) => {
                None
            }
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
            Self::Knn(knn) => knn.write(out),
            Self::Linear(linear) => linear.write(out),
            Self::Logistic(logistic) => logistic.write(out),
            Self::Svr(svr) => svr.write(out),
            Self::Stack(stack) => stack.write(out),
            Self::Trees(trees) => trees.write(out),
            Self::Onnx(onnx) => onnx.write(out),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, ArtefactError> {
        let name = from.text("kind")?;
        let Some(kind) = Kind::from_name(name) else {
            return Err(ArtefactError::Damaged(format!("kind {name:?} is none of this arena")));
        };
        Ok(match kind {
            Kind::Knn => Self::Knn(Knn::read(from)?),
            Kind::Svr if from.has("vectors") => Self::Svr(Svr::read(from)?),
            Kind::Ols | Kind::Ridge | Kind::Lasso | Kind::ElasticNet | Kind::Svr => {
                Self::Linear(Linear::read(kind, from)?)
            }
            Kind::Logistic => Self::Logistic(Logistic::read(from)?),
            Kind::Stack => Self::Stack(Stack::read(from)?),
            Kind::Forest | Kind::Gbm => Self::Trees(Trees::read(kind, from)?),
            Kind::Onnx => Self::Onnx(Onnx::read(from)?),
        })
    }
}
