//! Past prices: what training learns from.
//!
//! A data set is one series of bars of one market, as it lies in `data/history/<source>/<symbol>/<interval>/`, with a
//! manifest beside it that says where it came from. Whatever the source, a data set gives two-sided bars of the same
//! definition that the live resampler makes; one that knows trades alone is given the spread that its manifest records.

use serde::{Deserialize, Serialize};

use crate::domain::{Ohlc, Resolution, UtcMicros};

/// One bar of the past, two-sided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HistoryBar {
    /// Its first moment; its end is one length of bar later.
    pub start: UtcMicros,
    /// The bid.
    pub bid: Ohlc,
    /// The offer.
    pub offer: Ohlc,
}

/// One series of bars with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// Where it came from and what it holds.
    pub manifest: Manifest,
    /// In order of start, each start once.
    pub bars: Vec<HistoryBar>,
}

/// Where a data set came from, as its sidecar `manifest.toml` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `yahoo`, `ig`, `csv` and so on.
    pub source: String,
    /// The source's name of the market.
    pub symbol: String,
    /// The length of its bars.
    pub interval: Resolution,
    /// SHA-256 of the data file, 64 hexadecimal digits.
    pub sha256: String,
}
