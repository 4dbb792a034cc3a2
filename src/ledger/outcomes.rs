//! What became of predictions: `y_true` beside `y_pred`.
//!
//! A prediction that led to a trade has the trade's own ratio. Any other is held against its horizon: in at the offer of
//! its close, out at the bid of the first quote at or after the end of the horizon (without quotes: of the open of the
//! first bar), a short the other way round. One whose order waits, whose trade is open or whose horizon is not over is
//! not decided yet.

use std::collections::VecDeque;

use super::{SeatRecord, read_seat};
use crate::domain::{Direction, Micros, PastBar, Prediction, Tick, UtcMicros};
use crate::store::entry::decode;
use crate::store::{Lane, Store, StoreError};

/// The lanes of a stream of bars and of the quotes of its market.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamLanes {
    /// Lanes of its quotes.
    pub quotes: Vec<u16>,
    /// Lanes of its bars.
    pub bars: Vec<u16>,
    /// The length of its bars.
    pub length: Micros,
}

/// What predictions of one stream are held against.
#[derive(Debug, Default)]
pub struct Truth {
    /// Closes by the end of their bar: bid and offer.
    closes: Vec<(UtcMicros, f64, f64)>,
    /// Opens by the start of their bar: bid and offer.
    opens: Vec<(UtcMicros, f64, f64)>,
    quotes: Vec<Tick>,
}

impl Truth {
    /// What `store` holds of the stream, from the bar that closes at `since` on.
    ///
    /// # Errors
    /// Whatever reading fails with.
    pub fn read(store: &dyn Store, lanes: &StreamLanes, since: UtcMicros) -> Result<Self, StoreError> {
        let mut truth = Self::default();
        for lane in &lanes.bars {
            for bar in from(store, Lane::Bars(*lane), |bar: &PastBar| bar.start + lanes.length >= since)? {
                truth.push_bar(&bar, lanes.length);
            }
        }
        for lane in &lanes.quotes {
            truth.quotes.extend(from(store, Lane::Quotes(*lane), |tick: &Tick| tick.time >= since)?);
        }
        Ok(truth)
    }

    /// Takes a bar that closed after those before it.
    pub fn push_bar(&mut self, bar: &PastBar, length: Micros) {
        self.closes.push((bar.start + length, bar.bid.close.as_f64(), bar.offer.close.as_f64()));
        self.opens.push((bar.start, bar.bid.open.as_f64(), bar.offer.open.as_f64()));
    }

    /// Takes quotes that came after those before them.
    pub fn push_ticks(&mut self, ticks: &[Tick]) {
        self.quotes.extend_from_slice(ticks);
    }

    /// Forgets what no prediction made at `since` or later is held against.
    pub fn forget(&mut self, since: UtcMicros) {
        self.closes.drain(..self.closes.partition_point(|(end, ..)| *end < since));
        self.opens.drain(..self.opens.partition_point(|(start, ..)| *start < since));
        self.quotes.drain(..self.quotes.partition_point(|tick| tick.time < since));
    }

    /// Whether what comes later changes nothing for a horizon that ends at `due`.
    #[must_use]
    pub fn is_past(&self, due: UtcMicros) -> bool {
        match (self.quotes.last(), self.opens.last()) {
            (Some(tick), _) => tick.time >= due,
            (None, Some((start, ..))) => *start >= due,
            (None, None) => false,
        }
    }

    /// The ratio over `hold` of a prediction made at `close`.
    #[must_use]
    pub fn ratio(&self, close: UtcMicros, hold: Micros, direction: Direction) -> Option<f64> {
        let at = self.closes.binary_search_by_key(&close, |(end, _, _)| *end).ok()?;
        let (_, bid_in, offer_in) = self.closes[at];
        let due = close + hold;
        let (bid_out, offer_out) = if self.quotes.is_empty() {
            let at = self.opens.partition_point(|(start, _, _)| *start < due);
            self.opens.get(at).map(|(_, bid, offer)| (*bid, *offer))?
        } else {
            let at = self.quotes.partition_point(|tick| tick.time < due);
            let open = self.opens.get(self.opens.partition_point(|(start, ..)| *start < due));
            match (self.quotes.get(at), open) {
                // Quotes before the first of these were there once, and are no longer kept: the bar began with them.
                (Some(tick), Some((start, bid, offer))) if at == 0 && *start < tick.time => (*bid, *offer),
                (tick, _) => tick.map(|tick| (tick.bid.as_f64(), tick.offer.as_f64()))?,
            }
        };
        let ratio = match direction {
            Direction::Long => bid_out / offer_in,
            Direction::Short => bid_in / offer_out,
        };
        ratio.is_finite().then_some(ratio)
    }
}

/// The entries at the end of a lane for which `is_wanted` holds, in order; it holds from some entry on. Blocks before that
/// are not read.
fn from<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    lane: Lane,
    is_wanted: impl Fn(&T) -> bool,
) -> Result<Vec<T>, StoreError> {
    let mut blocks = Vec::new();
    for block in store.read_back(lane) {
        let entries: Vec<T> = decode(lane, &block?)?;
        let is_first = entries.first().is_some_and(|entry| !is_wanted(entry));
        blocks.push(entries);
        if is_first {
            break;
        }
    }
    let skipped = blocks.into_iter().rev().flatten().skip_while(|entry| !is_wanted(entry));
    Ok(skipped.collect())
}

/// What became of the order that a prediction led to.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// A closed trade, with its own ratio.
    Traded(f64),
    /// Still waiting: not known yet.
    Waiting,
    /// Open: not known yet, and its trade will tell.
    Open,
    /// It never became a trade.
    Untraded,
}

/// The orders of a seat by the close that made them, and what became of them.
#[derive(Debug, Default)]
pub struct Orders(Vec<(UtcMicros, Outcome)>);

impl Orders {
    /// Takes the records of the seat in order.
    pub fn take(&mut self, record: &SeatRecord) {
        match record {
            SeatRecord::Ordered(order) => self.0.push((order.made, Outcome::Waiting)),
            SeatRecord::Lapsed { made } | SeatRecord::Refused { time: made, .. } => {
                if let Some(last) = self.0.last_mut().filter(|(known, _)| known == made) {
                    last.1 = Outcome::Untraded;
                }
            }
            SeatRecord::Opened { .. } => {
                if let Some(last) = self.0.last_mut() {
                    last.1 = Outcome::Open;
                }
            }
            SeatRecord::Closed(trade) => {
                if let Ok(at) = self.0.binary_search_by_key(&trade.made, |(made, _)| *made) {
                    self.0[at].1 = Outcome::Traded(trade.y_true);
                }
            }
            _ => {}
        }
    }

    fn of(&self, made: UtcMicros) -> Option<Outcome> {
        self.0.binary_search_by_key(&made, |(made, _)| *made).ok().map(|at| self.0[at].1)
    }

    /// Whether the order made at `made` waits or its trade is open.
    #[must_use]
    pub fn is_undecided(&self, made: UtcMicros) -> bool {
        matches!(self.of(made), Some(Outcome::Waiting | Outcome::Open))
    }

    /// Whether the trade of the order made at `made` is open: then nothing but the trade tells what comes of it.
    #[must_use]
    pub fn is_open(&self, made: UtcMicros) -> bool {
        matches!(self.of(made), Some(Outcome::Open))
    }

    /// Forgets the orders made before `since`, but for the last one.
    pub fn forget(&mut self, since: UtcMicros) {
        let old = self.0.partition_point(|(made, _)| *made < since);
        self.0.drain(..old.min(self.0.len().saturating_sub(1)));
    }

    /// What came of a prediction made at `time`.
    #[must_use]
    pub fn y_true(
        &self,
        time: UtcMicros,
        prediction: &Prediction,
        is_acted: bool,
        truth: &Truth,
        hold: Micros,
    ) -> Option<f64> {
        match self.of(time).filter(|_| is_acted) {
            Some(Outcome::Traded(y_true)) => Some(y_true),
            Some(Outcome::Waiting | Outcome::Open) => None,
            Some(Outcome::Untraded) | None => truth.ratio(time, hold, prediction.signal.unwrap_or(Direction::Long)),
        }
    }
}

/// A prediction and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// The close that it was made at.
    pub time: UtcMicros,
    /// The belief and stance.
    pub prediction: Prediction,
    /// Whether an order came of it.
    pub is_acted: bool,
    /// The ratio that came.
    pub y_true: Option<f64>,
}

/// The last `last` recorded predictions of a seat, in order, over a horizon of `hold`.
///
/// # Errors
/// Whatever reading fails with.
pub fn read_predictions(
    store: &dyn Store,
    seat: u32,
    hold: Micros,
    lanes: &StreamLanes,
    last: usize,
) -> Result<Vec<Predicted>, StoreError> {
    let (mut orders, mut made) = (Orders::default(), VecDeque::new());
    read_seat(store, seat, |record| {
        orders.take(&record);
        if let SeatRecord::Predicted { time, prediction, is_acted } = record {
            made.push_back((time, prediction, is_acted));
            if made.len() > last {
                made.pop_front();
            }
        }
        Ok::<(), StoreError>(())
    })?;
    let Some((since, ..)) = made.front() else { return Ok(Vec::new()) };
    let truth = Truth::read(store, lanes, *since)?;
    let with_truth = |(time, prediction, is_acted)| {
        let y_true = orders.y_true(time, &prediction, is_acted, &truth, hold);
        Predicted { time, prediction, is_acted, y_true }
    };
    Ok(made.into_iter().map(with_truth).collect())
}
