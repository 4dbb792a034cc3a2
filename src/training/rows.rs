//! A data set to rows and targets, by the live path: its bars go through the live resampler, and what comes out goes
//! through the live feature row. So training and trading cannot differ in what a window, a reset or a row is.
//!
//! One thing bars alone cannot tell: live, a silence is measured between two quotes, here between the end of a bar and
//! the start of the next, which is shorter by less than two bars. A silence that comes that close to `reset_after` may
//! clear the windows live and not here.

use crate::bars::Resampler;
use crate::domain::{Bar, EpicIdx, Micros, Ohlc, Resolution, UtcMicros};
use crate::feed::{BarBlock, BarRow};
use crate::history::{DataSet, HistoryBar};
use crate::models::features::{Close, FeatureSpec};
use crate::registry::RowCounts;

/// Ready-made bars handed to the resampler at once.
const BLOCK: usize = 4_096;

/// Why a data set cannot be trained from.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum DataError {
    /// It has no bar.
    #[error("the data set has no bar")]
    Empty,
    /// Times go back or stand still.
    #[error("the bar at {time} stands after that at {before}: bars must come in order of time, each once")]
    OutOfOrder {
        /// The start of the later one.
        time: UtcMicros,
        /// The start of the one before it in the data set.
        before: UtcMicros,
    },
    /// A start that is no multiple of the bar's length.
    #[error("the bar at {time} does not begin on a multiple of {interval}")]
    OffGrid {
        /// Its start.
        time: UtcMicros,
        /// The length of bars.
        interval: Resolution,
    },
    /// A price that is zero or below, a high below a low, or a bid above the offer.
    #[error("the bar at {time} has {what}")]
    BadPrice {
        /// Its start.
        time: UtcMicros,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Bars that no bar of the wanted length can be made of.
    #[error("bars of {interval} cannot make bars of {bar}; want a multiple of {interval}")]
    Length {
        /// The length of the data set's bars.
        interval: Resolution,
        /// The length wanted.
        bar: Resolution,
    },
}

/// The bars of a data set as the resampler gives them to models, each with its window of closing mids.
#[derive(Clone, Debug)]
pub struct Series {
    /// In order of time. Their windows reach back as far as the longest lookback it was made for.
    pub bars: Vec<Bar>,
    /// The length of each.
    pub bar: Resolution,
    /// The longest lookback that its windows serve.
    pub lookback_max: usize,
    /// A silence longer than this cleared the windows.
    pub reset_after: Micros,
}

impl Series {
    /// Sends the bars of `data` through the resampler, to bars of length `bar`, a multiple of theirs.
    ///
    /// # Errors
    /// [`DataError`] for the first bar that cannot be used.
    pub fn new(data: &DataSet, bar: Resolution, lookback_max: usize, reset_after: Micros) -> Result<Self, DataError> {
        let interval = data.manifest.interval;
        if bar.length().0 % interval.length().0 != 0 {
            return Err(DataError::Length { interval, bar });
        }
        examine(&data.bars, interval)?;
        let last = data.bars.last().ok_or(DataError::Empty)?;
        let epic = EpicIdx(0);
        let mut resampler = Resampler::new(&[(epic, bar)], 1, lookback_max, reset_after);
        let mut rounds = Vec::new();
        let mut bars = Vec::with_capacity(data.bars.len());
        for block in data.bars.chunks(BLOCK) {
            let rows = block.iter().map(|bar| row(bar, epic, interval)).collect();
            let late = resampler.push_bars(&BarBlock { rows }, &mut rounds);
            assert_eq!(late, Ok(0), "bars in order on the grid of a divisor are neither late nor unfit");
            bars.extend(rounds.drain(..).flat_map(|round| round.bars));
        }
        // Live, the clock closes a bar in silence; the last bar of the past closes where it is complete.
        resampler.close_due(last.start + interval.length(), &mut rounds);
        bars.extend(rounds.drain(..).flat_map(|round| round.bars));
        Ok(Self { bars, bar, lookback_max, reset_after })
    }

    /// The rows of `features` and their targets `horizon` bars later.
    ///
    /// A bar has a row where its window is full, and a target where none of the next `horizon` bars is missing; a bar
    /// without either is counted by the first of the two that it lacks.
    ///
    /// # Panics
    /// If `features` looks back further than the series was made for.
    #[must_use]
    pub fn table(&self, features: &FeatureSpec, horizon: u32) -> Table {
        assert!(
            features.lookback() <= self.lookback_max,
            "the windows of this series are too short for these features"
        );
        let mut table = Table {
            width: features.width(),
            counts: RowCounts { bars: self.bars.len() as u64, ..RowCounts::default() },
            ..Table::default()
        };
        let ahead = Micros(self.bar.length().0 * i64::from(horizon));
        let mut row = Vec::with_capacity(table.width);
        for (at, bar) in self.bars.iter().enumerate() {
            if !features.row(&bar.mids2, &close_of(bar), &mut row) {
                table.counts.warming += 1;
                continue;
            }
            let Some(exit) = self.bars.get(at + horizon as usize) else {
                table.counts.beyond_end += 1;
                continue;
            };
            if exit.start - bar.start != ahead {
                table.counts.broken += 1;
                continue;
            }
            table.counts.usable += 1;
            table.x.extend_from_slice(&row);
            table.y.push(exit.bid.close.micros() as f64 / bar.offer.close.micros() as f64);
            table.bars.push(at);
        }
        table
    }
}

/// What a feature row needs of a bar beside its window.
#[must_use]
pub fn close_of(bar: &Bar) -> Close {
    Close { time: bar.end, bid: bar.bid.close, offer: bar.offer.close }
}

/// Rows and targets, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Columns of a row.
    pub width: usize,
    /// The rows one after the other.
    pub x: Vec<f64>,
    /// Their targets: bid at the horizon over offer at the close.
    pub y: Vec<f64>,
    /// The place of each row's bar in its series.
    pub bars: Vec<usize>,
    /// What became of the bars.
    pub counts: RowCounts,
}

impl Table {
    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Row `at`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, at: usize) -> &[f64] {
        &self.x[at * self.width..][..self.width]
    }

    /// The rows of a range, one after the other.
    ///
    /// # Panics
    /// If it does not lie within the table.
    #[must_use]
    pub fn rows(&self, range: &std::ops::Range<usize>) -> &[f64] {
        &self.x[range.start * self.width..range.end * self.width]
    }
}

fn row(bar: &HistoryBar, epic: EpicIdx, interval: Resolution) -> BarRow {
    BarRow { epic, start: bar.start, length: interval.length(), bid: bar.bid, offer: bar.offer, ticks: bar.quotes }
}

fn examine(bars: &[HistoryBar], interval: Resolution) -> Result<(), DataError> {
    let mut before: Option<UtcMicros> = None;
    for bar in bars {
        let time = bar.start;
        if let Some(before) = before.filter(|before| *before >= time) {
            return Err(DataError::OutOfOrder { time, before });
        }
        if interval.floor(time) != time {
            return Err(DataError::OffGrid { time, interval });
        }
        if let Some(what) = fault(&bar.bid, &bar.offer) {
            return Err(DataError::BadPrice { time, what });
        }
        before = Some(time);
    }
    Ok(())
}

fn fault(bid: &Ohlc, offer: &Ohlc) -> Option<&'static str> {
    let is_whole = |side: &Ohlc| {
        let within = side.low..=side.high;
        within.contains(&side.open) && within.contains(&side.close)
    };
    if bid.low.micros().min(offer.low.micros()) <= 0 {
        Some("a price that is not above zero")
    } else if !is_whole(bid) || !is_whole(offer) {
        Some("an open or a close outside of its low and high")
    } else if bid.close > offer.close {
        Some("a closing bid above its offer")
    } else {
        None
    }
}
