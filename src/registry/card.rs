//! The card of a version: what it is, where it came from, how it did, and everything needed to make it again.
//!
//! A card is TOML for people and programs. Its last table is its seal: the SHA-256 of every byte above it, so that a
//! card that was edited is found out just as an artefact that was.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::hash_of;
use crate::domain::{ContentHash, Micros, PriceDelta, Resolution, UtcMicros};
use crate::history::Manifest;
use crate::models::features::FeatureSpec;

/// The layout that this program writes, and the only one that it reads.
const FORMAT: u32 = 1;
const SEAL: &str = "\n[seal]\nsha256 = \"";
const OPENING: &str =
    "# A trained version. Nothing here may be changed: the seal at the end is the SHA-256 of every byte above it.\n";

/// Why a text is no card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// It has no seal.
    #[error("not a whole card: the seal at its end is missing")]
    Unsealed,
    /// What stands above the seal is not what was sealed.
    #[error("the card was altered: its SHA-256 is {got}, where its seal says {want}")]
    Altered {
        /// What the seal says.
        want: String,
        /// What is there.
        got: String,
    },
    /// Not TOML, or not the keys of a card.
    #[error("not a card: {0}")]
    Malformed(String),
    /// Written by another version of this program.
    #[error("a card of format {0}, where this program reads format {FORMAT}")]
    Format(u32),
    /// The hash of what predicts does not follow from the card.
    #[error("the card contradicts itself: its identity is {got}, where it says {want}")]
    Identity {
        /// What the card says.
        want: String,
        /// What follows from its content.
        got: String,
    },
}

/// Everything that is known of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The layout of the card.
    pub format: u32,
    /// The model's name.
    pub name: String,
    /// The kind, such as `knn`.
    pub kind: String,
    /// SHA-256 of the artefact.
    #[serde(with = "hex")]
    pub artefact: ContentHash,
    /// SHA-256 of what decides a prediction: artefact, kind, features, bar and horizon. The same training gives the
    /// same one, whenever and wherever it runs.
    #[serde(with = "hex")]
    pub identity: ContentHash,
    /// The market that it was trained on, as the source of the data names it.
    pub symbol: String,
    /// The length of the bars that it reads.
    #[serde(with = "text")]
    pub bar: Resolution,
    /// How many bars ahead it predicts: `y` is the bid at that close over the offer at the present one.
    pub horizon_bars: u32,
    /// What every draw of the training came from.
    pub seed: u64,
    /// The columns of a row.
    pub features: FeatureSpec,
    /// The parameters of its kind, defaults included.
    pub parameters: toml::Table,
    /// The data set that it was trained on here; `None` for a model that was made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Origin>,
    /// Where a model comes from that was made elsewhere. What a training here would tell (`rows`, `splits`, `trading`,
    /// `metrics`) is then not known, and left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// What became of its bars.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub rows: RowCounts,
    /// Which rows it was fitted on and which it was judged by.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub splits: Splits,
    /// Walk-forward validation, oldest fold first; empty where there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<Fold>,
    /// The terms on which the trades of the metrics were made.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub trading: Trading,
    /// How it did.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub metrics: Scores,
    /// How far its training rows lie from one another; `None` for kinds without neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distances: Option<Distances>,
    /// When, by what and how long.
    pub made: Made,
}

/// Whether nothing is known of a part of a card.
fn is_unknown<T: Default + PartialEq>(part: &T) -> bool {
    *part == T::default()
}

/// Where a model that was made elsewhere comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// A file, or a version of MLflow such as `mlflow:knn-crude/33`.
    pub from: String,
    /// SHA-256 of the file as it was brought.
    #[serde(with = "hex")]
    pub file: ContentHash,
    /// How many rows with known values it has to reproduce wherever it is loaded; the artefact carries them.
    pub probes: u64,
    /// The largest difference to one of these values that is taken.
    pub tolerance: f64,
}

/// A data set by name and content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// What it was asked for by: `yahoo/CL=F/1m`, or a path.
    pub dataset: String,
    /// A silence longer than this cleared the windows, as `[bars] reset_after` does live.
    #[serde(with = "text")]
    pub reset_after: Micros,
    /// The hash of what was read: the data, and all that bears on how they are read.
    #[serde(with = "hex")]
    pub hash: ContentHash,
    /// Its manifest.
    pub manifest: Manifest,
}

/// What became of the bars of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Bars in the data set.
    pub bars: u64,
    /// Bars with a row and a target.
    pub usable: u64,
    /// Bars whose window was not full yet, at the start and after each reset.
    pub warming: u64,
    /// Bars with a bar missing between them and their horizon.
    pub broken: u64,
    /// Bars whose horizon lies beyond the end.
    pub beyond_end: u64,
}

/// A run of rows, by the numbers and closes of their bars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// How many rows.
    pub rows: u64,
    /// The bar of the first row, counted from 0 in the data set.
    pub first_bar: u64,
    /// The bar of the last row.
    pub last_bar: u64,
    /// The close of the first row.
    pub from: UtcMicros,
    /// The close of the last row; its target comes true a horizon later.
    pub to: UtcMicros,
}

/// The chronological split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splits {
    /// Bars left out between two parts: the horizon and the longest lookback.
    pub embargo_bars: u32,
    /// What it was fitted on.
    pub train: Range,
    /// What it was chosen by.
    pub validation: Range,
    /// What nothing was decided by.
    pub test: Range,
}

/// One step of walk-forward validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// What was fitted.
    pub train: Range,
    /// What was judged.
    pub validation: Range,
    /// The error of the predictions, as [`Metrics::rmse`].
    pub rmse: f64,
    /// As [`Metrics::mae`].
    pub mae: f64,
    /// As [`Metrics::r2`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// As [`Metrics::hit_rate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit_rate: Option<f64>,
    /// As [`Metrics::expectancy_r`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectancy_r: Option<f64>,
}

/// The terms of the trades behind `expectancy_r`: the paper broker over the bars of each split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trading {
    /// Long where `y_pred` is above it, short where it is below two less it.
    pub threshold: f64,
    /// The largest mean distance to its neighbours at which a prediction counts; without it every one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_distance: Option<f64>,
    /// Distance of the stop, as a price.
    pub stop: PriceDelta,
    /// Distance of the limit, as a price.
    pub limit: PriceDelta,
    /// Time exit, from the fill.
    #[serde(with = "text")]
    pub hold: Micros,
    /// Paid at every fill but that of a limit, as a price.
    pub slippage: PriceDelta,
}

/// Metrics of each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Of the rows it was fitted on; a kind that remembers them does well here and that means nothing.
    pub train: Metrics,
    /// Of the rows it was chosen by.
    pub validation: Metrics,
    /// Of the rows that nothing was decided by.
    pub test: Metrics,
}

/// How predictions did over one part. What is undefined is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Rows.
    pub rows: u64,
    /// Mean absolute error of `y_pred`.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// 1 less squared error over squared deviation from the mean of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r2: Option<f64>,
    /// Of the rows that were not abstained from, the share with `y_pred` and `y` on the same side of 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit_rate: Option<f64>,
    /// The share of rows with `y` above 1: what always saying "up" would hit.
    pub up_share: f64,
    /// The share of rows abstained from, because their neighbours were too far.
    pub abstained: f64,
    /// Trades of the paper broker.
    pub trades: u64,
    /// Their mean result in R, after spread, slippage and funding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectancy_r: Option<f64>,
    /// The share of them that won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub win_rate: Option<f64>,
    /// The same entries with sides drawn at random.
    pub random: Baseline,
    /// Never anything: `y_pred` is 1 and nothing is traded.
    pub flat: Baseline,
}

/// What somebody who knows nothing would have got over the same part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// As [`Metrics::mae`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
    /// As [`Metrics::rmse`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// As [`Metrics::hit_rate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit_rate: Option<f64>,
    /// As [`Metrics::expectancy_r`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectancy_r: Option<f64>,
    /// How far `expectancy_r` of one draw lies from that of the next: the standard deviation over the draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectancy_r_sd: Option<f64>,
}

/// Mean distances of the training rows to their neighbours, each row itself left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// The share of training rows beyond `max_distance`; 0 without one. What an arena's own share is held against.
    pub abstained: f64,
    /// The quantiles 0, 0.01, … 1: 101 values in order.
    pub quantiles: Vec<f64>,
}

impl Distances {
    /// Of 101 quantiles, with the share beyond `max_distance`.
    #[must_use]
    pub fn new(quantiles: &[f64], max_distance: Option<f64>) -> Self {
        let mut distances = Self { abstained: 0.0, quantiles: quantiles.to_vec() };
        distances.abstained = max_distance.map_or(0.0, |most| distances.beyond(most));
        distances
    }

    /// The share of training rows beyond `distance`, between two quantiles in proportion.
    #[must_use]
    pub fn beyond(&self, distance: f64) -> f64 {
        let n_within = self.quantiles.partition_point(|quantile| *quantile <= distance);
        let (Some(below), Some(above)) = (n_within.checked_sub(1), self.quantiles.get(n_within)) else {
            return if n_within == 0 { 1.0 } else { 0.0 };
        };
        let low = self.quantiles[below];
        let place = below as f64 + (distance - low) / (above - low);
        1.0 - place / (self.quantiles.len() - 1) as f64
    }

    /// The distance that the share `quantile` of the training rows keeps within, between two of the kept quantiles in
    /// proportion. `None` outside of 0 to 1.
    #[must_use]
    pub fn at(&self, quantile: f64) -> Option<f64> {
        let place = quantile * (self.quantiles.len().checked_sub(1)?) as f64;
        if !(0.0..=1.0).contains(&quantile) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
        let below = place.floor() as usize;
        let low = *self.quantiles.get(below)?;
        let high = self.quantiles.get(below + 1).copied().unwrap_or(low);
        Some(low + (high - low) * (place - below as f64))
    }
}

/// When, by what and how long. None of it decides anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// The time of day of the training.
    pub at: UtcMicros,
    /// How long fitting took.
    pub seconds: f64,
    /// This program's version.
    pub version: String,
    /// The commit that it was built from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The command that makes it again.
    pub command: String,
}

impl Card {
    /// The layout that this program writes.
    pub const FORMAT: u32 = FORMAT;

    /// What [`Card::identity`] has to be.
    ///
    /// # Panics
    /// Never: plain values encode into memory.
    #[must_use]
    pub fn identity_of(&self) -> ContentHash {
        let features = serde_json::to_string(&self.features).expect("numbers and words encode");
        let parts = [
            "arena model 1".to_owned(),
            self.artefact.hex(),
            self.kind.clone(),
            features,
            self.bar.to_string(),
            self.horizon_bars.to_string(),
        ];
        hash_of(parts.join("\n").as_bytes())
    }

    /// The text of `card.toml`, sealed.
    ///
    /// # Errors
    /// [`CardError::Malformed`] for what TOML cannot hold, such as a whole number beyond 63 bits.
    pub fn to_text(&self) -> Result<String, CardError> {
        let body = toml::to_string(self).map_err(|e| CardError::Malformed(e.to_string()))?;
        let mut text = format!("{OPENING}{body}");
        let seal = hash_of(text.as_bytes()).hex();
        writeln!(text, "{SEAL}{seal}\"").map_err(|e| CardError::Malformed(e.to_string()))?;
        Ok(text)
    }

    /// Reads a sealed card.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn parse(text: &str) -> Result<Self, CardError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let (body, seal) = text.rsplit_once(SEAL).ok_or(CardError::Unsealed)?;
        let want = seal.strip_suffix("\"\n").filter(|seal| hex::parse(seal).is_some()).ok_or(CardError::Unsealed)?;
        let got = hash_of(body.as_bytes()).hex();
        if got != want {
            return Err(CardError::Altered { want: want.to_owned(), got });
        }
        let malformed = |e: toml::de::Error| CardError::Malformed(e.message().to_owned());
        // The layout first: of another one nothing else can be said.
        let Format { format } = toml::from_str(body).map_err(malformed)?;
        if format != FORMAT {
            return Err(CardError::Format(format));
        }
        let card: Self = toml::from_str(body).map_err(malformed)?;
        let got = card.identity_of();
        if got != card.identity {
            return Err(CardError::Identity { want: card.identity.hex(), got: got.hex() });
        }
        Ok(card)
    }
}

/// A hash as 64 hexadecimal digits.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::ContentHash;

    pub(crate) fn parse(text: &str) -> Option<ContentHash> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) {
            return None;
        }
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(ContentHash(hash))
    }

    pub(super) fn serialize<S: Serializer>(hash: &ContentHash, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hash.hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ContentHash, D::Error> {
        let text = String::deserialize(d)?;
        parse(&text).ok_or_else(|| serde::de::Error::custom("want 64 hexadecimal digits"))
    }
}

/// A value as people write it.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
