//! Bars in, predictions out. A model sees what was known when its bar closed and nothing else.

pub mod features;
pub mod fitted;
mod rules;
mod trained;

use crate::domain::{Bar, Candidate, PastBar, Prediction};

pub use rules::{Breakout, MeanReversion, Momentum, Random};
pub use trained::{Estimator, Predict, Trained};

/// What a model may look at when a bar closes.
#[derive(Clone, Copy, Debug)]
pub struct BarContext<'a> {
    /// The bar that closed.
    pub bar: &'a Bar,
    /// Closing mids since the windows were last cleared, doubled; the last is this bar's.
    pub mids2: &'a [f64],
}

/// What a fitted model says of one feature row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// Predicted ratio of the exit price to the entry price over the horizon.
    pub y_pred: f64,
    /// Mean distance to the neighbours that it rests on; `None` for kinds without neighbours.
    pub distance: Option<f64>,
}

/// Why a model that lives outside of this process can go on no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModelFault {
    /// It answered later than it may.
    Late,
    /// It could not be started, or ended.
    Dead,
    /// It answered with something that is no answer.
    Nonsense,
    /// There is nothing to ask: its artefact or program is not at hand.
    Absent,
}

/// Predicts. It must be a function of the contexts it was given: no clock, no draw that is not seeded, no I/O.
pub trait Model: Send {
    /// The belief at this close; `None` while the window is too short to have one.
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction>;

    /// Sees a bar that it is not asked about (`predict_every`).
    fn pass(&mut self, _context: &BarContext<'_>) {}

    /// Learns of bars that closed right before the first one that it will see, oldest first, for what its window does not
    /// tell it. How many of them belong to the window is known at that first bar.
    fn warm(&mut self, _bars: &[PastBar]) {}

    /// Why it can go on no longer, where it cannot; looked at where there is no prediction.
    fn fault(&self) -> Option<ModelFault> {
        None
    }

    /// It will not be asked again: lets go of what it holds outside of this process.
    fn end(&mut self) {}
}

/// Makes the model of a candidate.
pub type ModelFactory = dyn Fn(&Candidate) -> Predictor + Send + Sync;

/// A model as a seat holds it: the rules by value, since a thousand of them run in a few nanoseconds each and a pointer
/// to follow would cost as much as they do; anything else behind the trait.
pub enum Predictor {
    /// [`Momentum`].
    Momentum(Momentum),
    /// [`MeanReversion`].
    MeanReversion(MeanReversion),
    /// [`Breakout`].
    Breakout(Breakout),
    /// [`Random`].
    Random(Random),
    /// [`Trained`].
    Trained(Trained),
    /// Any other model.
    Boxed(Box<dyn Model>),
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Momentum(rule) => rule.fmt(f),
            Self::MeanReversion(rule) => rule.fmt(f),
            Self::Breakout(rule) => rule.fmt(f),
            Self::Random(rule) => rule.fmt(f),
            Self::Trained(model) => model.fmt(f),
            Self::Boxed(_) => f.write_str("Boxed"),
        }
    }
}

impl Predictor {
    /// Whether the rule is known to have a prediction without a signal over these closing mids, at a fraction of the
    /// price of asking it. `false` where it has one, and where this cannot be told so quickly.
    #[inline]
    #[must_use]
    pub fn is_silent(&self, mids2: &[f64]) -> bool {
        match self {
            Self::Momentum(rule) => rule.is_silent(mids2),
            Self::MeanReversion(rule) => rule.is_silent(mids2),
            Self::Breakout(_) | Self::Random(_) | Self::Trained(_) | Self::Boxed(_) => false,
        }
    }
}

impl Model for Predictor {
    #[inline]
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        match self {
            Self::Momentum(rule) => rule.on_bar(context),
            Self::MeanReversion(rule) => rule.on_bar(context),
            Self::Breakout(rule) => rule.on_bar(context),
            Self::Random(rule) => rule.on_bar(context),
            Self::Trained(model) => model.on_bar(context),
            Self::Boxed(model) => model.on_bar(context),
        }
    }

    fn pass(&mut self, context: &BarContext<'_>) {
        if let Self::Boxed(model) = self {
            model.pass(context);
        }
    }

    fn warm(&mut self, bars: &[PastBar]) {
        if let Self::Boxed(model) = self {
            model.warm(bars);
        }
    }

    #[inline]
    fn fault(&self) -> Option<ModelFault> {
        match self {
            Self::Boxed(model) => model.fault(),
            _ => None,
        }
    }

    fn end(&mut self) {
        if let Self::Boxed(model) = self {
            model.end();
        }
    }
}

/// Stands in for a model whose artefact or program is not at hand: its seat is suspended at its first bar.
#[derive(Clone, Copy, Debug)]
pub struct Absent;

impl Model for Absent {
    fn on_bar(&mut self, _: &BarContext<'_>) -> Option<Prediction> {
        None
    }

    fn fault(&self) -> Option<ModelFault> {
        Some(ModelFault::Absent)
    }
}

/// The models that need nothing from outside: the rules. Any other is [`Absent`] here.
#[must_use]
pub fn build(candidate: &Candidate) -> Predictor {
    use crate::domain::ModelSpec;
    match candidate.spec {
        ModelSpec::Momentum { lookback, threshold } => Predictor::Momentum(Momentum::new(lookback, threshold)),
        ModelSpec::MeanReversion { lookback, threshold } => {
            Predictor::MeanReversion(MeanReversion::new(lookback, threshold))
        }
        ModelSpec::Breakout { lookback } => Predictor::Breakout(Breakout::new(lookback)),
        ModelSpec::Random { rate, seed } => Predictor::Random(Random::new(rate, seed)),
        ModelSpec::Trained { .. } | ModelSpec::Process { .. } => Predictor::Boxed(Box::new(Absent)),
    }
}
