//! Bars: quotes resampled over `[start, end)`, and the spans of shared memory that they bring along.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Micros, Price, StreamIdx, Tick, TimeError, UtcMicros};

/// Open, high, low and close of one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ohlc {
    /// The first price.
    pub open: Price,
    /// The highest.
    pub high: Price,
    /// The lowest.
    pub low: Price,
    /// The last.
    pub close: Price,
}

impl Ohlc {
    /// Of one price.
    #[must_use]
    pub fn of(price: Price) -> Self {
        Self { open: price, high: price, low: price, close: price }
    }
}

/// The length of a bar; bars lie on UTC multiples of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Resolution(Micros);

impl Resolution {
    /// From one second to one day, in whole seconds that divide a day evenly.
    #[must_use]
    pub fn new(length: Micros) -> Option<Self> {
        let is_fit = length >= Micros::SECOND
            && length <= Micros::DAY
            && Micros::DAY.0 % length.0 == 0
            && length.0 % Micros::SECOND.0 == 0;
        is_fit.then_some(Self(length))
    }

    /// The length.
    #[must_use]
    pub fn length(self) -> Micros {
        self.0
    }

    /// The start of the bar that holds `time`.
    #[must_use]
    pub fn floor(self, time: UtcMicros) -> UtcMicros {
        UtcMicros(time.0.div_euclid(self.0.0) * self.0.0)
    }
}

impl FromStr for Resolution {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::new(text.parse()?).ok_or(TimeError::NotALength)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of items inside a shared block: cloning it copies nothing.
#[derive(Clone, Debug)]
pub struct Span<T> {
    block: Arc<Vec<T>>,
    from: u32,
    to: u32,
}

impl<T> Span<T> {
    /// The items `from..to` of `block`.
    ///
    /// # Panics
    /// If the range does not lie inside the block.
    #[must_use]
    pub fn new(block: Arc<Vec<T>>, from: usize, to: usize) -> Self {
        assert!(from <= to && to <= block.len(), "span {from}..{to} outside of a block of {}", block.len());
        let narrow = |at: usize| u32::try_from(at).expect("blocks hold less than 2^32 items");
        Self { from: narrow(from), to: narrow(to), block }
    }

    /// A block of its own.
    #[must_use]
    pub fn of(items: Vec<T>) -> Self {
        let to = items.len();
        Self::new(Arc::new(items), 0, to)
    }
}

impl<T> Default for Span<T> {
    fn default() -> Self {
        Self { block: Arc::default(), from: 0, to: 0 }
    }
}

impl<T> Deref for Span<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.block[self.from as usize..self.to as usize]
    }
}

/// A bar that closed, by its prices alone: what journals and data sets keep of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastBar {
    /// Its first moment.
    pub start: UtcMicros,
    /// The bid.
    pub bid: Ohlc,
    /// The offer.
    pub offer: Ohlc,
    /// Quotes in it; 0 where they were never known.
    pub ticks: u32,
}

impl PastBar {
    /// The closing mid, doubled so that it is exact, as [`Bar::mids2`] has it.
    #[must_use]
    pub fn mid2(&self) -> f64 {
        (self.bid.close.micros() + self.offer.close.micros()) as f64
    }
}

/// Quotes of one epic over `[start, end)`, with the quotes themselves where they are known.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose bar it is.
    pub stream: StreamIdx,
    /// Its number in its stream, from 0, without holes.
    pub seq: u64,
    /// The first moment that belongs to it.
    pub start: UtcMicros,
    /// The first moment that no longer does.
    pub end: UtcMicros,
    /// The bid.
    pub bid: Ohlc,
    /// The offer.
    pub offer: Ohlc,
    /// How many quotes it was made of.
    pub ticks: u32,
    /// Its quotes in order; empty where only bars are known (`replay --bars`).
    pub quotes: Span<Tick>,
    /// Closing mids of the stream since its windows were last cleared, this bar's last, each doubled
    /// (`bid + offer` in millionths) so that it is exact. At most as many as the arena's longest lookback needs.
    pub mids2: Span<f64>,
    /// Whether the bar closed. The last bar of a replay has not: its quotes count, its close does not.
    pub is_closed: bool,
}
