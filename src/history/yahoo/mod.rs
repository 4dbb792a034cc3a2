//! History from Yahoo Finance's chart service, which is undocumented and owes nobody anything: what it gives is taken
//! apart in `reply`, how much of it at once is in `windows`, and how it is asked in `client`.
//!
//! What was fetched once is not asked for again: a data set remembers which stretches were answered for finally.

mod archive;
mod client;
mod reply;
#[cfg(test)]
mod tests;
mod windows;

use std::path::Path;
use std::time::Duration;

pub use self::archive::{Order, Report, fetch};
pub use self::client::{Client, DEFAULT_BASE, Manners};
pub use self::windows::Interval;
use super::HistoryError;
use crate::domain::{Micros, UtcMicros};

/// What happens on the way, for whoever watches.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// So many of so many windows are there.
    Windows {
        /// Answered.
        done: u64,
        /// In all.
        total: u64,
    },
    /// A pause.
    Waiting {
        /// Why.
        why: &'static str,
        /// How long.
        wait: Duration,
    },
}

/// Why there is no history, or less than was asked for. What was stored before stays.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum YahooError {
    /// The order makes no sense: wrong usage.
    #[error("{0}")]
    Usage(String),
    /// The data set cannot be read or written.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// They do not know the ticker.
    #[error("Yahoo knows no {ticker}: {said}; look up how it writes the ticker (CL=F, EURUSD=X, ^GSPC, AAPL)")]
    NotFound {
        /// What was asked for.
        ticker: String,
        /// What they said.
        said: String,
    },
    /// They no longer have what was asked for.
    #[error("Yahoo has no {interval} bars from {from} on: {said}; ask for a later --from, or for a longer --interval")]
    TooOld {
        /// The length of the bars.
        interval: &'static str,
        /// The start of the window.
        from: UtcMicros,
        /// What they said.
        said: String,
    },
    /// They do not understand us.
    #[error("Yahoo refuses the request: {said}; where that makes no sense, its service has changed")]
    Refused {
        /// What they said.
        said: String,
    },
    /// They want a login of some kind.
    #[error("Yahoo wants a crumb and takes none of ours: {said}; try --user-agent with the one of a browser, or later")]
    Unauthorized {
        /// What they said.
        said: String,
    },
    /// They want a person's consent.
    #[error(
        "Yahoo asks for consent to cookies instead of answering; try --base-url https://query1.finance.yahoo.com, or from another network"
    )]
    Consent,
    /// Too many requests, and waiting did not help.
    #[error(
        "Yahoo answers that these are too many requests; run the same command again in an hour: it goes on where it stopped"
    )]
    TooMany,
    /// Maintenance, or nobody there.
    #[error("{host} does not answer: {why}; run the same command again later: it goes on where it stopped")]
    Away {
        /// Who.
        host: String,
        /// What happened.
        why: String,
    },
    /// They served another length of bar than asked for.
    #[error("Yahoo served bars of {served} for {asked}; ask for a shorter --interval, and resample it")]
    Granularity {
        /// What was asked for.
        asked: &'static str,
        /// What came.
        served: String,
    },
    /// An answer of another form.
    #[error("{host} answered what this program does not understand: {why}; where it persists, the service has changed")]
    Nonsense {
        /// Who.
        host: String,
        /// What is odd.
        why: String,
    },
    /// There are rows, and not one of them can be used.
    #[error("not one good bar ({dropped}){hint}")]
    NothingGood {
        /// What was left out.
        dropped: String,
        /// What may help.
        hint: &'static str,
    },
    /// The stored past is another one than Yahoo's present past.
    #[error(
        "the stored prices of {name} and those that Yahoo gives today differ by a factor of {factor:.4} at {time}: a \
         split or a dividend has changed the past; copy the data set if you want to keep it, then fetch all of it with \
         --again"
    )]
    Disagrees {
        /// The data set.
        name: String,
        /// Where.
        time: UtcMicros,
        /// Stored over present close.
        factor: f64,
    },
}

impl YahooError {
    /// Whether the user named the wrong thing (exit code 2), not the right thing that then failed (1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::History(error) => error.is_usage(),
            _ => false,
        }
    }
}
