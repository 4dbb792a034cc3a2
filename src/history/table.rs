//! The rows of a data file and their writing as CSV: a header, no index column, prices as exact decimals.
//!
//! Two-sided rows are written as `arena resample` writes them, so that `arena replay --bars` takes them as they are.

use std::fmt::Write as _;

use super::{HistoryBar, HistoryError, Manifest, Sides};
use crate::domain::{Ohlc, Price, PriceDelta, Resolution, UtcMicros};

const TWO: &str = "start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes";
const ONE: &str = "start,end,open,high,low,close,volume";

/// The dearest price, and the widest spread, that is taken: sums of two then stay far inside 64 bits.
pub(super) const PRICE_MAX: Price = Price::from_micros(1_000_000_000_000_000_000);

/// One bar of trades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TradeRow {
    /// Its first moment.
    pub start: UtcMicros,
    /// Its prices.
    pub prices: Ohlc,
    /// What was traded, where the source says it. Whole numbers are exact up to 2^53.
    pub volume: Option<f64>,
}

/// The rows of a data file, in order of start, each start once.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// With bid and offer.
    Two(Vec<HistoryBar>),
    /// With one price.
    One(Vec<TradeRow>),
}

impl Rows {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Two(bars) => bars.len(),
            Self::One(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a row holds.
    #[must_use]
    pub fn sides(&self) -> Sides {
        match self {
            Self::Two(_) => Sides::Two,
            Self::One(_) => Sides::One,
        }
    }

    /// The starts, in order.
    #[must_use]
    pub fn starts(&self) -> Vec<UtcMicros> {
        match self {
            Self::Two(bars) => bars.iter().map(|bar| bar.start).collect(),
            Self::One(rows) => rows.iter().map(|row| row.start).collect(),
        }
    }

    /// Decimals of the finest price.
    #[must_use]
    pub fn decimals(&self) -> u32 {
        let of = |ohlc: &Ohlc| [ohlc.open, ohlc.high, ohlc.low, ohlc.close].map(decimals).into_iter().max();
        let most = match self {
            Self::Two(bars) => bars.iter().filter_map(|bar| of(&bar.bid).max(of(&bar.offer))).max(),
            Self::One(rows) => rows.iter().filter_map(|row| of(&row.prices)).max(),
        };
        most.unwrap_or_default()
    }

    /// Bid and offer of every bar: their own, or the price with half of the manifest's spread on either side.
    ///
    /// # Errors
    /// [`HistoryError::Spread`].
    pub fn two_sided(self, manifest: &Manifest) -> Result<Vec<HistoryBar>, HistoryError> {
        match self {
            Self::Two(bars) => Ok(bars),
            Self::One(rows) => rows.iter().map(|row| with_spread(row, manifest.spread)).collect(),
        }
    }

    /// The whole file.
    #[must_use]
    pub fn to_csv(&self, interval: Resolution) -> String {
        let mut text = String::with_capacity(100 * (self.len() + 1));
        match self {
            Self::Two(bars) => {
                text.push_str(TWO);
                for bar in bars {
                    begin(&mut text, bar.start, interval);
                    prices(&mut text, &bar.bid);
                    prices(&mut text, &bar.offer);
                    write!(text, ",{}", bar.quotes).expect("text is written into memory");
                }
            }
            Self::One(rows) => {
                text.push_str(ONE);
                for row in rows {
                    begin(&mut text, row.start, interval);
                    prices(&mut text, &row.prices);
                    text.push(',');
                    if let Some(volume) = row.volume {
                        write!(text, "{volume}").expect("text is written into memory");
                    }
                }
            }
        }
        text.push('\n');
        text
    }

    /// Reads what [`Rows::to_csv`] wrote.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong with it.
    pub fn from_csv(text: &str, sides: Sides, interval: Resolution) -> Result<Self, (u64, String)> {
        let mut lines = text.lines();
        let (want, width) = match sides {
            Sides::Two => (TWO, 11),
            Sides::One => (ONE, 7),
        };
        if lines.next() != Some(want) {
            return Err((1, format!("the header is another than {want}")));
        }
        let mut rows = match sides {
            Sides::Two => Self::Two(Vec::new()),
            Sides::One => Self::One(Vec::new()),
        };
        let mut last = None;
        for (line, number) in lines.zip(2..) {
            let at = |why: String| (number, why);
            let fields: Vec<&str> = line.split(',').collect();
            if fields.len() != width {
                return Err(at(format!("{} fields, want {width}", fields.len())));
            }
            let start = fields[0].parse::<UtcMicros>().map_err(|e| at(e.to_string()))?;
            let end = fields[1].parse::<UtcMicros>().map_err(|e| at(e.to_string()))?;
            check_place(start, last).map_err(at)?;
            if end != start + interval.length() {
                return Err(at(format!("ends at {end}, which is no bar of {interval} from {start}")));
            }
            last = Some(start);
            match &mut rows {
                Self::Two(bars) => {
                    let quotes = fields[10].parse().map_err(|_| at(format!("{:?} is no count", fields[10])))?;
                    let (bid, offer) = (ohlc(&fields[2..6]).map_err(at)?, ohlc(&fields[6..10]).map_err(at)?);
                    bars.push(HistoryBar { start, bid, offer, quotes });
                }
                Self::One(rows) => {
                    let volume = match fields[6] {
                        "" => None,
                        text => Some(volume(text).ok_or_else(|| at(format!("{text:?} is no volume")))?),
                    };
                    rows.push(TradeRow { start, prices: ohlc(&fields[2..6]).map_err(at)?, volume });
                }
            }
        }
        Ok(rows)
    }
}

/// Whether a row may follow the one at `last`.
pub(super) fn check_place(start: UtcMicros, last: Option<UtcMicros>) -> Result<(), String> {
    match last {
        Some(last) if start == last => Err(format!("{start} is there twice")),
        Some(last) if start < last => Err(format!("{start} comes after {last}")),
        _ => Ok(()),
    }
}

fn with_spread(row: &TradeRow, spread: PriceDelta) -> Result<HistoryBar, HistoryError> {
    let half = PriceDelta::from_micros(spread.micros() / 2);
    let bid_of = |price: Price| price - half;
    let side = |of: &dyn Fn(Price) -> Price| Ohlc {
        open: of(row.prices.open),
        high: of(row.prices.high),
        low: of(row.prices.low),
        close: of(row.prices.close),
    };
    let bid = side(&bid_of);
    if bid.low <= Price::ZERO {
        let price = row.prices.low.to_string();
        return Err(HistoryError::Spread { spread: spread.to_string(), price, time: row.start });
    }
    Ok(HistoryBar { start: row.start, bid, offer: side(&|price| bid_of(price) + spread), quotes: 0 })
}

fn begin(text: &mut String, start: UtcMicros, interval: Resolution) {
    write!(text, "\n{start},{}", start + interval.length()).expect("text is written into memory");
}

fn prices(text: &mut String, ohlc: &Ohlc) {
    write!(text, ",{},{},{},{}", ohlc.open, ohlc.high, ohlc.low, ohlc.close).expect("text is written into memory");
}

fn ohlc(fields: &[&str]) -> Result<Ohlc, String> {
    let price = |text: &str| text.parse::<Price>().map_err(|e| format!("{text:?}: {e}"));
    let [open, high, low, close] = [price(fields[0])?, price(fields[1])?, price(fields[2])?, price(fields[3])?];
    let made = Ohlc { open, high, low, close };
    if !is_whole(&made) {
        return Err(format!("open {open}, high {high}, low {low} and close {close} contradict one another"));
    }
    Ok(made)
}

/// A finite number, 0 or more.
pub(super) fn volume(text: &str) -> Option<f64> {
    text.parse().ok().filter(|volume: &f64| volume.is_finite() && *volume >= 0.0)
}

/// Whether open and close lie between a low above zero and a high.
pub(super) fn is_whole(ohlc: &Ohlc) -> bool {
    let inside = |price: Price| ohlc.low <= price && price <= ohlc.high;
    ohlc.low > Price::ZERO && ohlc.high <= PRICE_MAX && inside(ohlc.open) && inside(ohlc.close)
}

/// How many decimals a price needs.
fn decimals(price: Price) -> u32 {
    let mut micros = price.micros().unsigned_abs() % 1_000_000;
    let mut places = if micros == 0 { 0 } else { 6 };
    while micros != 0 && micros.is_multiple_of(10) {
        micros /= 10;
        places -= 1;
    }
    places
}
