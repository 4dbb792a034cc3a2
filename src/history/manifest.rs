//! The manifest of a data set: what it holds, where it came from, and what the data file must hash to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{ContentHash, Micros, PriceDelta, Resolution, UtcMicros};

/// The version of the layout that this program writes.
pub const MANIFEST_VERSION: u32 = 1;
/// How many gaps a manifest names; the others it counts.
const GAPS_NAMED_MAX: usize = 20;

/// What a row of the data file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// Bid and offer.
    Two,
    /// One price, as trades give it; the manifest's spread makes bid and offer of it.
    One,
}

impl Sides {
    /// As manifests write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Two => "two",
            Self::One => "one",
        }
    }
}

/// What was done to the prices after they were traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// Nothing that is known.
    None,
    /// Divided by later splits.
    Splits,
    /// Divided by later splits and by later dividends.
    SplitsAndDividends,
}

impl Adjustment {
    /// As manifests write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Splits => "splits",
            Self::SplitsAndDividends => "splits_and_dividends",
        }
    }
}

/// A stretch of time, `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeSpan {
    /// The first moment that belongs to it.
    pub from: UtcMicros,
    /// The first moment that no longer does.
    pub to: UtcMicros,
}

/// A stretch without bars between two bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The end of the bar before.
    pub from: UtcMicros,
    /// The start of the bar after.
    pub to: UtcMicros,
}

/// The stretches without bars: nights, weekends, minutes without a trade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    /// How many there are.
    pub count: u64,
    /// How many bars would fit into them.
    pub bars: u64,
    /// The longest, at most 20, in order of time.
    #[serde(default)]
    pub longest: Vec<Gap>,
}

impl Gaps {
    /// Between bars of one length that begin at `starts`, which rise.
    #[must_use]
    pub fn between(starts: impl Iterator<Item = UtcMicros>, interval: Resolution) -> Self {
        let length = interval.length();
        let (mut all, mut bars, mut before) = (Vec::new(), 0, None);
        for start in starts {
            if let Some(end) = before.filter(|end| *end < start) {
                all.push(Gap { from: end, to: start });
                bars += u64::try_from((start - end).0 / length.0).unwrap_or_default();
            }
            before = Some(start + length);
        }
        let count = all.len() as u64;
        // Stable, so that of equal ones the earlier stay.
        all.sort_by_key(|gap| std::cmp::Reverse(gap.to - gap.from));
        all.truncate(GAPS_NAMED_MAX);
        all.sort_by_key(|gap| gap.from);
        Self { count, bars, longest: all }
    }
}

/// When the data were asked for, by the wall clock: the one part of a manifest that no hash holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The first time.
    pub first_at: UtcMicros,
    /// The last time.
    pub at: UtcMicros,
    /// How many requests it took in all.
    pub requests: u64,
}

/// Where a data set came from, as its sidecar `manifest.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this layout, see [`MANIFEST_VERSION`].
    pub version: u32,
    /// `yahoo`, `ig`, `csv` and so on.
    pub source: String,
    /// The source's name of the market.
    pub symbol: String,
    /// The length of its bars.
    #[serde(with = "length")]
    pub interval: Resolution,
    /// The data file beside the manifest: `bars.csv` or `bars.parquet`.
    pub file: String,
    /// SHA-256 of the data file, 64 hexadecimal digits.
    pub sha256: String,
    /// What a row of the data file holds.
    pub sides: Sides,
    /// What the offer lies above the bid in a one-sided data set, in price units, half of it on either side of the
    /// price. 0 in a two-sided one, which has its own.
    pub spread: PriceDelta,
    /// Decimals of the finest price.
    pub price_decimals: u32,
    /// What was done to the prices.
    pub adjustment: Adjustment,
    /// The market's time zone (IANA), where the source says it. Bars of a day are stamped with midnight UTC of the
    /// date in this zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What prices are in, where the source says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// How many bars.
    pub rows: u64,
    /// The start of the first bar.
    pub from: UtcMicros,
    /// The end of the last bar.
    pub to: UtcMicros,
    /// Rows of the source that were left out, by kind.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// What was asked for, in the words of the command.
    #[serde(default)]
    pub request: BTreeMap<String, String>,
    /// Stretches without bars.
    pub gaps: Gaps,
    /// What the source has answered for and will not change, in order, apart from one another: not asked again.
    #[serde(default)]
    pub covered: Vec<TimeSpan>,
    /// When.
    pub fetched: Fetched,
}

impl Manifest {
    /// Of bars with two sides that were made here at `at`; what the rows say is set where they are stored.
    #[must_use]
    pub fn made(source: &str, symbol: &str, interval: Resolution, at: UtcMicros) -> Self {
        Self {
            version: MANIFEST_VERSION,
            source: source.to_owned(),
            symbol: symbol.to_owned(),
            interval,
            file: String::new(),
            sha256: String::new(),
            sides: Sides::Two,
            spread: PriceDelta::ZERO,
            price_decimals: 0,
            adjustment: Adjustment::None,
            zone: None,
            currency: None,
            rows: 0,
            from: UtcMicros(0),
            to: UtcMicros(0),
            dropped: BTreeMap::new(),
            request: BTreeMap::new(),
            gaps: Gaps::default(),
            covered: Vec::new(),
            fetched: Fetched { first_at: at, at, requests: 0 },
        }
    }

    /// `source/symbol/interval`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.source, self.symbol, self.interval)
    }

    /// The identity of what [`crate::history::load`] gives: the data and all that bears on how they are read, no
    /// times of fetching and no request. Two data sets of one hash train the same model.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let mut hasher = Sha256::new();
        for part in [
            "arena data set 1",
            &self.source,
            &self.symbol,
            &self.interval.to_string(),
            self.sides.word(),
            &self.spread.to_string(),
            self.adjustment.word(),
            &self.sha256,
        ] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        ContentHash(hasher.finalize().into())
    }

    /// The length of a bar.
    #[must_use]
    pub fn length(&self) -> Micros {
        self.interval.length()
    }
}

/// Lengths as people write them.
mod length {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::Resolution;

    pub(super) fn serialize<S: Serializer>(interval: &Resolution, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(interval)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Resolution, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
