//! Quotes: the bid and offer of one market at one time.

use serde::{Deserialize, Serialize};

use super::{Price, UtcMicros};

/// A quote without its epic, as it lies in the blocks that carry them: 24 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tick {
    /// Event time, as the venue stamped it.
    pub time: UtcMicros,
    /// What one can sell at.
    pub bid: Price,
    /// What one can buy at.
    pub offer: Price,
}

impl Tick {
    /// Twice the mid, which is a whole number where the mid need not be.
    #[must_use]
    pub fn mid2(&self) -> i64 {
        self.bid.micros() + self.offer.micros()
    }
}

/// Why a row of quotes is not used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadQuote {
    /// Not a time and two exact decimals.
    Unparsable,
    /// A price is NaN or infinite.
    NotFinite,
    /// A price is zero or negative.
    NonPositive,
    /// The bid is above the offer.
    Crossed,
    /// Its time is before that of the last good quote of the epic.
    OutOfOrder,
    /// Live only: it came after the clock had closed its bar.
    Late,
}

impl BadQuote {
    /// Every kind, in the order in which they are reported.
    pub const ALL: [Self; 6] =
        [Self::Unparsable, Self::NotFinite, Self::NonPositive, Self::Crossed, Self::OutOfOrder, Self::Late];

    /// The word for it in reports, JSON and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unparsable => "unparsable",
            Self::NotFinite => "not_finite",
            Self::NonPositive => "non_positive",
            Self::Crossed => "crossed",
            Self::OutOfOrder => "out_of_order",
            Self::Late => "late",
        }
    }
}
