//! The seam to whoever else keeps track of trainings, beside the local registry.

use super::Card;

/// What a model said over one part of the data, row by row, and what came true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcomes {
    /// `train`, `validation` or `test`.
    pub split: &'static str,
    /// The predicted ratios.
    pub y_pred: Vec<f64>,
    /// The ratios that came true.
    pub y_true: Vec<f64>,
    /// Mean distances to the neighbours; empty for kinds without any.
    pub distances: Vec<f64>,
}

/// A training whose version is in the local registry already.
#[derive(Clone, Debug)]
pub struct TrainingRecord {
    /// The model's name.
    pub name: String,
    /// The local version.
    pub version: u32,
    /// Its card.
    pub card: Card,
    /// The bytes of `card.toml`.
    pub card_text: String,
    /// The bytes of `model.safetensors`.
    pub artefact: Vec<u8>,
    /// Predictions over train, validation and test; empty where a version is sent later, when they are gone.
    pub outcomes: Vec<Outcomes>,
}

/// One sentence about what was not logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TrackError(pub String);

/// Is told of each training after its version stands in the local registry. Whatever it answers, that version stays.
pub trait Tracker: std::fmt::Debug {
    /// Logs one training and says where it can be found there, in a few words.
    ///
    /// # Errors
    /// What was not logged, and why.
    fn log_training(&self, record: &TrainingRecord) -> Result<String, TrackError>;
}
