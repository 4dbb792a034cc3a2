//! Several models over tails of different length, and a linear one over what they say.

use super::tensors::{Reader, Writer};
use super::{ArtefactError, FEATURES_MAX, Fitted, Kind, Linear};

/// The most models that a stack stands on.
pub const BASES_MAX: usize = 16;

/// Base models, each over the first columns of the row, and the linear model of their outputs.
#[derive(Clone, PartialEq, Debug)]
pub struct Stack {
    width: usize,
    bases: Vec<Fitted>,
    last: Linear,
}

impl Stack {
    /// A stack over rows of `width` columns.
    ///
    /// # Panics
    /// If there are no bases or more than [`BASES_MAX`], one is a stack itself or wider than the row, or `last` is not
    /// as wide as they are many.
    #[must_use]
    pub fn new(width: usize, bases: Vec<Fitted>, last: Linear) -> Self {
        assert!((1..=BASES_MAX).contains(&bases.len()) && bases.len() == last.coefficients().len(), "no stack");
        assert!(bases.iter().all(|base| base.kind() != Kind::Stack && base.n_features() <= width), "no base");
        Self { width, bases, last }
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The models that it stands on.
    #[must_use]
    pub fn bases(&self) -> &[Fitted] {
        &self.bases
    }

    /// The model of their outputs.
    #[must_use]
    pub fn last(&self) -> &Linear {
        &self.last
    }

    /// The value at a row.
    #[inline]
    #[must_use]
    pub fn value(&self, row: &[f64]) -> f64 {
        let mut outputs = [0.0; BASES_MAX];
        for (output, base) in outputs.iter_mut().zip(&self.bases) {
            let tail = &row[..base.n_features()];
            *output = match base {
                Fitted::Linear(linear) => linear.value(tail), // without a call, since it is the usual one
                other => other.predict(tail).y_pred,
            };
        }
        self.last.value(&outputs[..self.bases.len()])
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.whole("width", self.width);
        out.whole("bases", self.bases.len());
        for (at, base) in self.bases.iter().enumerate() {
            out.within(&format!("base_{at}"), |out| base.write(out));
        }
        out.within("last", |out| self.last.write(out));
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, ArtefactError> {
        let width = from.whole("width", 1..=FEATURES_MAX)?;
        let n = from.whole("bases", 1..=BASES_MAX)?;
        let mut bases = Vec::with_capacity(n);
        for at in 0..n {
            let base = from.within(&format!("base_{at}"), |from| {
                if from.text("kind")? == Kind::Stack.name() {
                    return from.wrong("kind", "is a stack in a stack");
                }
                Fitted::read(from)
            })?;
            if base.n_features() > width {
                return from.wrong("width", "is less than that of a base");
            }
            bases.push(base);
        }
        let last = from.within("last", |from| Linear::read(Kind::Ols, from))?;
        if last.coefficients().len() != n {
            return from.wrong("last.coefficients", "are not as many as the bases");
        }
        Ok(Self { width, bases, last })
    }
}
