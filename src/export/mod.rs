//! The journal as tables: typed columns without an index, times in UTC, one row at a time.
//!
//! A table is read from any store, at rest or a snapshot of a running one, and given to a [`Sink`], which writes CSV,
//! Parquet or whatever else; only what a prediction is held against (the quotes or bars of its market) is kept in memory,
//! one market at a time. Rows come seat by seat, lane by lane, each in the order in which it happened.

mod csv;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod rows;
mod selection;
mod tables;
mod tail;

use std::borrow::Cow;
use std::io;
use std::str::FromStr;

pub use self::csv::Csv;
#[cfg(feature = "parquet")]
pub use self::parquet::Parquet;
pub use self::selection::Selection;
pub use self::tables::write;
pub use self::tail::{Tail, TailKind};
use crate::control::ControlError;
use crate::domain::UtcMicros;
use crate::store::StoreError;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Closed paper trades.
    Trades,
    /// Predictions beside what came true.
    Predictions,
    /// Bars of every market and length.
    Bars,
    /// Accepted quotes.
    Quotes,
    /// Lifecycle changes.
    Lifecycle,
    /// Paper orders and what became of them.
    Orders,
    /// Live deals from intent to close.
    Deals,
    /// Gaps, faults, suspensions and reloads of the session.
    Faults,
    /// Every candidate ever registered.
    Models,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Trades,
        Self::Predictions,
        Self::Bars,
        Self::Quotes,
        Self::Lifecycle,
        Self::Orders,
        Self::Deals,
        Self::Faults,
        Self::Models,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Predictions => "predictions",
            Self::Bars => "bars",
            Self::Quotes => "quotes",
            Self::Lifecycle => "lifecycle",
            Self::Orders => "orders",
            Self::Deals => "deals",
            Self::Faults => "faults",
            Self::Models => "models",
        }
    }
}

impl FromStr for Table {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|table| table.name() == text)
            .ok_or_else(|| format!("no table {text:?}; there are {}", names()))
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A moment in UTC, to the microsecond.
    Time,
    /// True or false.
    Flag,
    /// A whole number.
    Count,
    /// A ratio or a statistic.
    Float,
    /// An exact decimal of six places: a price, a size or money.
    Decimal,
}

/// A column. Any cell of one may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// One field of a row, of its column's kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Of [`Kind::Text`].
    Text(Cow<'a, str>),
    /// Of [`Kind::Time`].
    Time(UtcMicros),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Count`].
    Count(u64),
    /// Of [`Kind::Float`].
    Float(f64),
    /// Of [`Kind::Decimal`], in millionths.
    Decimal(i64),
}

/// Where rows go.
pub trait Sink {
    /// The columns, before any row.
    ///
    /// # Errors
    /// What the writer says.
    fn begin(&mut self, columns: &[Column]) -> io::Result<()>;

    /// One row, a cell for each column.
    ///
    /// # Errors
    /// What the writer says.
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;
}

/// Why a table is not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such model.
    #[error(transparent)]
    Model(#[from] ControlError),
    /// No such market.
    #[error("this store knows no market {asked:?}; there are {known}")]
    Epic {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// The rows cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}
