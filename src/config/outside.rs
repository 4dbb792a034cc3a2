//! What a configuration names and does not hold: trained versions, strategy files, data sets.
//!
//! This room reads no registry. Whoever loads a configuration brings a [`Resolver`] along that does.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::{ContentHash, DataOrigin, Lineage, Micros, Resolution};

/// Where a configuration says that things lie.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder of the configuration file.
    pub base: PathBuf,
    /// `[arena] models`.
    pub registry: PathBuf,
    /// `[arena] models` as it is written, for sentences.
    pub registry_name: String,
    /// `[arena] data`.
    pub data: PathBuf,
    /// `[registry] mlflow`, where one is named.
    pub mlflow: Option<String>,
    /// `[registry] onnxruntime`, where one is named.
    pub onnxruntime: Option<PathBuf>,
}

/// A version that a reference led to, as far as a candidate needs to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedVersion {
    /// The reference that always leads here: `knn-crude@3`, `mlflow:knn-crude/33`.
    pub exact: String,
    /// The model's name.
    pub name: String,
    /// The version, as its registry counts.
    pub version: String,
    /// The kind of model.
    pub kind: String,
    /// SHA-256 of the fitted content.
    pub artefact: ContentHash,
    /// What its rows are made of, in canonical text.
    pub features: String,
    /// Bars back that its rows need.
    pub lookback: u32,
    /// The length of the bars that it was trained on.
    pub bar: Resolution,
    /// The market that it was trained on, as its data names it.
    pub symbol: String,
    /// Bars ahead that it predicts.
    pub horizon_bars: u32,
    /// The quantiles 0, 0.01, … 1 of the distances of its training rows; empty for kinds without neighbours.
    pub quantiles: Vec<f64>,
    /// The card, as a path.
    pub card: String,
    /// The data sets that it was trained on.
    pub data: Vec<DataOrigin>,
}

impl TrainedVersion {
    /// The time between an entry and the exit that it predicts.
    #[must_use]
    pub fn horizon(&self) -> Micros {
        Micros(self.bar.length().0.saturating_mul(i64::from(self.horizon_bars)))
    }

    /// The distance that the share `quantile` of its training rows keeps within, in proportion between two of the kept
    /// ones; `None` where none are kept.
    #[must_use]
    pub fn distance_at(&self, quantile: f64) -> Option<f64> {
        let place = quantile.clamp(0.0, 1.0) * self.quantiles.len().checked_sub(1)? as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list of 101")]
        let below = place.floor() as usize;
        let low = *self.quantiles.get(below)?;
        let high = self.quantiles.get(below + 1).copied().unwrap_or(low);
        Some(low + (high - low) * (place - below as f64))
    }

    /// The share of its training rows that lie beyond `distance`, in proportion between two kept quantiles; `None` where
    /// none are kept.
    #[must_use]
    pub fn share_beyond(&self, distance: f64) -> Option<f64> {
        let last = self.quantiles.len().checked_sub(1).filter(|last| *last > 0)?;
        let within = self.quantiles.partition_point(|quantile| *quantile <= distance);
        let Some(below) = within.checked_sub(1) else { return Some(1.0) };
        if below == last {
            return Some(0.0);
        }
        let (low, high) = (self.quantiles[below], self.quantiles[below + 1]);
        let part = if high > low { (distance - low) / (high - low) } else { 0.0 };
        Some(1.0 - (below as f64 + part) / last as f64)
    }

    /// Where it came from, for a candidate with this nearness gate.
    #[must_use]
    pub fn lineage(&self, max_distance: Option<f64>) -> Lineage {
        Lineage {
            reference: self.exact.clone(),
            kind: self.kind.clone(),
            artefact: self.artefact.hex(),
            card: self.card.clone(),
            symbol: self.symbol.clone(),
            bar: self.bar.to_string(),
            horizon_bars: self.horizon_bars,
            data: self.data.clone(),
            max_distance,
            training_abstentions: max_distance.and_then(|distance| self.share_beyond(distance)),
        }
    }
}

/// A strategy of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// SHA-256 over its command and files.
    pub hash: ContentHash,
    /// Files that the hash covers.
    pub files: usize,
}

/// Looks up what a configuration names. A text that comes back as an error ends a sentence that begins with "want".
pub trait Resolver: Send + Sync {
    /// The version that `reference` leads to, its artefact proven to be whole.
    ///
    /// # Errors
    /// What would be right.
    fn version(&self, places: &Places, reference: &str) -> Result<Arc<TrainedVersion>, String>;

    /// The strategy that `command` starts in the configuration's folder, and the files that it is made of: those that
    /// are named, else those of its arguments that are files.
    ///
    /// # Errors
    /// What would be right.
    fn program(&self, places: &Places, command: &[String], files: Option<&[String]>) -> Result<Program, String>;

    /// The length of the bars of a data set.
    ///
    /// # Errors
    /// What would be right.
    fn data_set(&self, places: &Places, name: &str) -> Result<Resolution, String>;
}

/// Knows of nothing outside: for configurations that name nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Resolver for Nothing {
    fn version(&self, places: &Places, _: &str) -> Result<Arc<TrainedVersion>, String> {
        Err(not_in_registry(places, &[]))
    }

    fn program(&self, _: &Places, _: &[String], _: Option<&[String]>) -> Result<Program, String> {
        Err("a strategy whose files can be read here".to_owned())
    }

    fn data_set(&self, _: &Places, _: &str) -> Result<Resolution, String> {
        Err("a data set that can be read here".to_owned())
    }
}

/// What is right where a registry does not hold what was asked for: one of `candidates`.
#[must_use]
pub fn not_in_registry(places: &Places, candidates: &[String]) -> String {
    let folder = places.registry_name.trim_end_matches('/');
    match candidates {
        [] => format!("a version in the registry `{folder}/`, which holds none yet (`arena train` makes one)"),
        some => format!("a version in the registry `{folder}/`, which holds {}", some.join(", ")),
    }
}

/// Leads references that were pinned before to what they led to then, and all others where they lead now.
#[derive(Clone, Copy)]
pub struct Pinned<'a> {
    /// A reference as written, and the exact one that it stands for.
    pub pins: &'a [(String, String)],
    /// Who looks up.
    pub inner: &'a dyn Resolver,
}

impl std::fmt::Debug for Pinned<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pinned").field("pins", &self.pins).finish_non_exhaustive()
    }
}

impl Resolver for Pinned<'_> {
    fn version(&self, places: &Places, reference: &str) -> Result<Arc<TrainedVersion>, String> {
        let pinned = self.pins.iter().find(|(written, _)| written == reference).map(|(_, exact)| exact.as_str());
        self.inner.version(places, pinned.unwrap_or(reference))
    }

    fn program(&self, places: &Places, command: &[String], files: Option<&[String]>) -> Result<Program, String> {
        self.inner.program(places, command, files)
    }

    fn data_set(&self, places: &Places, name: &str) -> Result<Resolution, String> {
        self.inner.data_set(places, name)
    }
}

/// The prefix of the lines of a canonical text that hold pins.
pub(super) const PIN: &str = "pin.";

/// The pins in the canonical text of a configuration: what an arena that goes on from it must hold to.
#[must_use]
pub fn pins_of(canonical: &str) -> Vec<(String, String)> {
    let lines = canonical.lines().filter_map(|line| line.strip_prefix(PIN));
    lines.filter_map(|line| line.split_once(" = ")).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(quantiles: Vec<f64>) -> TrainedVersion {
        TrainedVersion {
            exact: "m@1".to_owned(),
            name: "m".to_owned(),
            version: "1".to_owned(),
            kind: "knn".to_owned(),
            artefact: ContentHash([1; 32]),
            features: String::new(),
            lookback: 1,
            bar: "1m".parse().unwrap(),
            symbol: "X".to_owned(),
            horizon_bars: 3,
            quantiles,
            card: String::new(),
            data: Vec::new(),
        }
    }

    #[test]
    fn quantiles_and_shares_are_each_others_inverse() {
        // 0, 2, 4, … 200: the quantile q lies at 200 q.
        let version = version((0..=100).map(|n| 2.0 * f64::from(n)).collect());
        for quantile in [0.0, 0.25, 0.6, 0.605, 0.99, 1.0] {
            let distance = version.distance_at(quantile).unwrap();
            assert!((distance - 200.0 * quantile).abs() < 1e-9, "{quantile}: {distance}");
            let beyond = version.share_beyond(distance).unwrap();
            assert!((beyond - (1.0 - quantile)).abs() < 1e-9, "{quantile}: {beyond}");
        }
        assert_eq!(version.share_beyond(1e9), Some(0.0));
        assert_eq!(version.share_beyond(-1.0), Some(1.0));
        assert_eq!(version.horizon(), Micros(180_000_000));
        let without = self::version(Vec::new());
        assert_eq!((without.distance_at(0.5), without.share_beyond(0.5)), (None, None));
    }

    #[test]
    fn equal_distances_are_within() {
        let version = version([vec![0.0; 61], vec![1.0; 40]].concat());
        assert!((version.share_beyond(0.0).unwrap() - 0.4).abs() < 1e-12);
        assert_eq!(version.distance_at(0.6), Some(0.0));
    }

    #[test]
    fn pins_are_read_back_from_a_canonical_text() {
        let text = "arena.name = x\npin.knn@latest = knn@3\npin.mlflow:a@b = mlflow:a/4\nmodel.m = #1 pin.x = y\n";
        let want = [("knn@latest", "knn@3"), ("mlflow:a@b", "mlflow:a/4")];
        assert_eq!(pins_of(text), want.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
