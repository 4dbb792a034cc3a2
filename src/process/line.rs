//! The lines: a bar as JSON to the child, a stance as JSON back.
//!
//! ```json
//! {"epic":"CS.D.EURUSD.TODAY.IP","bar":"1m","start":"2025-01-06T00:00:00Z","end":"2025-01-06T00:01:00Z",
//!  "bid":{"open":"1.1","high":"1.1003","low":"1.0999","close":"1.1001"},
//!  "offer":{"open":"1.1001","high":"1.1004","low":"1.1","close":"1.1002"},"quotes":37,"window":21,"warmup":false}
//! {"signal":"long","y_pred":1.0003}
//! ```
//!
//! Each is one line. Keys may be added to the first; nothing is taken away from it and no meaning changes. Further keys of an
//! answer are ignored.

use serde::{Deserialize, Serialize};

use super::Strategy;
use crate::domain::{Direction, Ohlc, PastBar};

#[derive(Serialize)]
struct Line<'a> {
    epic: &'a str,
    bar: String,
    start: String,
    end: String,
    bid: Prices,
    offer: Prices,
    quotes: u32,
    window: usize,
    warmup: bool,
}

/// Decimal strings, exact.
#[derive(Serialize)]
struct Prices {
    open: String,
    high: String,
    low: String,
    close: String,
}

impl From<&Ohlc> for Prices {
    fn from(side: &Ohlc) -> Self {
        let [open, high, low, close] = [side.open, side.high, side.low, side.close].map(|price| price.to_string());
        Self { open, high, low, close }
    }
}

/// The line of a bar, its end included. `window`: bars since the windows were last cleared, this one included, at most
/// one more than the lookback.
pub(super) fn line_of(strategy: &Strategy, bar: &PastBar, window: usize, is_warmup: bool) -> String {
    let line = Line {
        epic: &strategy.epic,
        bar: strategy.resolution.to_string(),
        start: bar.start.to_string(),
        end: (bar.start + strategy.resolution.length()).to_string(),
        bid: (&bar.bid).into(),
        offer: (&bar.offer).into(),
        quotes: bar.ticks,
        window,
        warmup: is_warmup,
    };
    let mut text = serde_json::to_string(&line).expect("texts and numbers encode");
    text.push('\n');
    text
}

/// What a child says.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(super) struct Answer {
    /// The stance.
    pub(super) signal: Side,
    /// The predicted ratio, if it predicts one.
    #[serde(default)]
    pub(super) y_pred: Option<f64>,
    /// How far the case lies from what it knows, if it can tell.
    #[serde(default)]
    pub(super) distance: Option<f64>,
}

/// A stance in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    Long,
    Short,
    None,
}

impl Side {
    pub(super) fn direction(self) -> Option<Direction> {
        match self {
            Self::Long => Some(Direction::Long),
            Self::Short => Some(Direction::Short),
            Self::None => None,
        }
    }
}

/// The answer in a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn answer_of(text: &str) -> Result<Answer, String> {
    serde_json::from_str(text).map_err(|error| {
        let shown: String = text.chars().take(120).collect();
        format!("{shown:?} is no answer such as {{\"signal\":\"long\",\"y_pred\":1.0003}}: {error}")
    })
}
