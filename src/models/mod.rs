//! Bars in, predictions out. A model sees what was known when its bar closed and nothing else.

mod rules;

use crate::domain::{Bar, Candidate, Prediction};

pub use rules::{Breakout, MeanReversion, Momentum, Random};

/// What a model may look at when a bar closes.
#[derive(Clone, Copy, Debug)]
pub struct BarContext<'a> {
    /// The bar that closed.
    pub bar: &'a Bar,
    /// Closing mids since the windows were last cleared, doubled; the last is this bar's.
    pub mids2: &'a [f64],
}

/// Predicts. It must be a function of the contexts it was given: no clock, no draw that is not seeded, no I/O.
pub trait Model: Send {
    /// The belief at this close; `None` while the window is too short to have one.
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction>;
}

/// Makes the model of a candidate.
pub type ModelFactory = dyn Fn(&Candidate) -> Box<dyn Model> + Send + Sync;

/// The models that ship with the arena.
#[must_use]
pub fn build(candidate: &Candidate) -> Box<dyn Model> {
    use crate::domain::ModelSpec;
    match candidate.spec {
        ModelSpec::Momentum { lookback, threshold } => Box::new(Momentum::new(lookback, threshold)),
        ModelSpec::MeanReversion { lookback, threshold } => Box::new(MeanReversion::new(lookback, threshold)),
        ModelSpec::Breakout { lookback } => Box::new(Breakout::new(lookback)),
        ModelSpec::Random { rate, seed } => Box::new(Random::new(rate, seed)),
    }
}
