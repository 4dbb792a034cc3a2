//! Where a trained version came from: the way back from any of its trades to its data.

use serde::{Deserialize, Serialize};

/// What the registry's card says of the origin of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// The version by its exact name, such as `knn-crude@3` or `mlflow:knn-crude/33`.
    pub reference: String,
    /// The kind of model: `knn`, `stack` and so on.
    pub kind: String,
    /// SHA-256 of the fitted content, all digits.
    pub artefact: String,
    /// The card, as a path.
    pub card: String,
    /// The symbol or epic that it was trained on.
    pub symbol: String,
    /// The length of the bars that it was trained on, such as `1m`.
    pub bar: String,
    /// Bars ahead that it predicts.
    pub horizon_bars: u32,
    /// The data sets that it was trained on.
    pub data: Vec<DataOrigin>,
    /// This candidate's nearness gate, as a distance.
    pub max_distance: Option<f64>,
    /// The share of its training rows beyond this candidate's nearness gate; `None` without a gate.
    pub training_abstentions: Option<f64>,
}

/// A data set that a model was trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataOrigin {
    /// Its name, such as `yahoo/CL=F/1m`.
    pub name: String,
    /// SHA-256 of its data file, 64 hexadecimal digits.
    pub sha256: String,
    /// Its first and its last bar, and how many there are, as the card tells them.
    pub range: String,
}
