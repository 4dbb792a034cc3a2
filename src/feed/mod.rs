//! Quotes in: the seam between the arena and wherever its prices come from.
//!
//! A feed gives good quotes alone, in blocks ordered by time, then epic; what it refuses it counts by kind. Pacing is
//! the shell's business, and so is the wall clock: a feed that reads files says only what comes next. What it gives
//! goes to [`crate::bars`].

pub mod bar_csv;
mod block;
pub mod csv;
mod field;
pub mod ig;
mod lines;
pub mod replay;
pub mod session;
pub mod synthetic;
pub mod table;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use self::block::{BadCounts, BarBlock, BarRow, QuoteBlock};
pub use self::lines::Input;
use crate::domain::{BadQuote, EpicIdx, Micros, ModelId, StreamIdx, UtcMicros};
use crate::store::StoreError;

/// What a feed has to tell.
#[derive(Clone, Debug)]
pub enum FeedEvent {
    /// Good quotes, in order of time, then epic.
    Quotes(QuoteBlock),
    /// Ready-made bars, in order of start, then epic (`replay --bars`).
    Bars(BarBlock),
    /// Recorded sessions alone: these streams closed together at `time`, at this place among the quotes.
    Close {
        /// The end of their bars.
        time: UtcMicros,
        /// The streams, in order.
        streams: Vec<StreamIdx>,
    },
    /// Recorded sessions alone: a seat was suspended from outside before the round at `time`.
    Suspended {
        /// The round.
        time: UtcMicros,
        /// The candidate.
        model: ModelId,
        /// Why.
        reason: String,
    },
    /// Quotes of these epics are missing, at this place among the quotes.
    Gap {
        /// The last moment before it; `None`: since the last quote of any of them.
        from: Option<UtcMicros>,
        /// The first moment after it.
        to: UtcMicros,
        /// Whose.
        epics: Vec<EpicIdx>,
        /// Why.
        reason: String,
    },
}

/// What to do with a bad row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum OnBad {
    /// Count it and go on.
    #[default]
    Skip,
    /// Fail, naming the row.
    Stop,
}

/// Why a feed cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FeedError {
    /// The file is another kind of file: wrong usage.
    #[error("{file}: header is {got:?}, want {want}")]
    Header {
        /// The file.
        file: String,
        /// Its first line.
        got: String,
        /// What it should be.
        want: &'static str,
    },
    /// The bars of a file have a length that is none or not the one asked for: wrong usage.
    #[error("{file}: bars of {got}, want {want}")]
    Length {
        /// The file.
        file: String,
        /// The length found.
        got: String,
        /// What it should be.
        want: String,
    },
    /// Two sources for one epic: wrong usage.
    #[error("two sources for the market number {epic}; want one")]
    Twice {
        /// Its place in the configuration.
        epic: u16,
    },
    /// The file could not be read to its end.
    #[error("{file}: cannot be read to its end: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system or the decompressor said.
        why: String,
    },
    /// There is nothing to work with.
    #[error("{file}: not one good row ({bad})")]
    NothingGood {
        /// The file.
        file: String,
        /// What was refused.
        bad: BadCounts,
    },
    /// A bad row, and the user wants to stop at one.
    #[error("{file}:{line}: {} row {text:?}", .kind.word())]
    BadRow {
        /// The file.
        file: String,
        /// The line, from 1, the header included.
        line: u64,
        /// What is wrong with it.
        kind: BadQuote,
        /// The row itself, cut after 200 bytes.
        text: String,
    },
    /// The store of a recorded session failed.
    #[error("recorded session: {0}")]
    Store(Arc<StoreError>),
    /// A recorded session contradicts itself.
    #[error("recorded session: {0}")]
    Session(String),
    /// A live stream is over.
    #[error("stream: {0}")]
    Stream(String),
    /// This feed has no beginning to go on from.
    #[error("{0}")]
    NotResumable(&'static str),
}

impl FeedError {
    /// Whether the user named the wrong thing (exit code 2), not the right thing that then failed (1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Header { .. } | Self::Length { .. } | Self::Twice { .. })
    }
}

impl From<StoreError> for FeedError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Where quotes come from.
pub trait Feed: Send + std::fmt::Debug {
    /// What comes next; `None` when there is no more.
    ///
    /// # Errors
    /// Those of [`FeedError`]; after one, or after `None`, a feed is at its end.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>>;

    /// Refused rows so far, by kind, over all sources.
    fn bad_quotes(&self) -> &BadCounts;

    /// How much has been read, from 0 to 1; `None` where there is no end.
    fn progress(&self) -> Option<f64>;

    /// Leaves out the first so many accepted quotes (or bars) of each epic, by epic: a restart after them.
    ///
    /// Only before the first [`Feed::next`].
    ///
    /// # Errors
    /// [`FeedError::NotResumable`].
    fn skip(&mut self, accepted_per_epic: &[u64]) -> Result<(), FeedError>;

    /// Live alone: a market whose stamps were held against our clock since the last call, and by how much the venue's
    /// are behind; the next one at the next call.
    fn clock_skew(&mut self) -> Option<(EpicIdx, Micros)> {
        None
    }

    /// Live alone: whether what has come so far is all that there was, so that the clock may close a silent bar. While
    /// a connection is down nobody can tell.
    fn is_whole(&self) -> bool {
        true
    }
}
