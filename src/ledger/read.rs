//! A seat's lane read back: the compact entries put together again.

use crate::domain::{Direction, Micros, Order, Prediction, Price, PriceDelta, RiskUnit, Size, Trade, UtcMicros};
use crate::store::entry::{self, Fault, Refusal, SeatEntry};
use crate::store::{Lane, Store, StoreError};

/// What a seat's lane tells, each record complete in itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SeatRecord {
    /// A belief at a bar's close, and whether an order came of it.
    Predicted {
        /// The close.
        time: UtcMicros,
        /// The belief and stance.
        prediction: Prediction,
        /// Whether an order came of it.
        is_acted: bool,
    },
    /// An order was made.
    Ordered(Order),
    /// It filled.
    Opened {
        /// The deal's number.
        deal: u64,
        /// When.
        time: UtcMicros,
        /// At what level, slippage included.
        level: Price,
    },
    /// It found no quote in time.
    Lapsed {
        /// The order's making.
        made: UtcMicros,
    },
    /// A dealing rule refused an order.
    Refused {
        /// The close of the signal.
        time: UtcMicros,
        /// Which rule.
        reason: Refusal,
    },
    /// A deal was closed again.
    Closed(Trade),
    /// The model was suspended at this bar.
    Suspended {
        /// The close of the bar.
        time: UtcMicros,
        /// What it did.
        reason: Fault,
    },
}

/// What every trade of a seat shares.
#[derive(Debug)]
struct Shared {
    size: Size,
    stop: PriceDelta,
    limit: PriceDelta,
    latency: Micros,
    bar: Micros,
    risk: RiskUnit,
}

/// Puts the entries of a seat's lane together, in order.
#[derive(Debug, Default)]
pub struct Assembly {
    shared: Option<Shared>,
    order: Option<Order>,
    opened: Option<(UtcMicros, Price)>,
    deal: u64,
}

impl Assembly {
    /// The record that `entry` completes; `None` for the registration.
    ///
    /// # Errors
    /// What is wrong, where it does not follow upon those before.
    pub fn take(&mut self, entry: SeatEntry) -> Result<Option<SeatRecord>, &'static str> {
        Ok(Some(match entry {
            SeatEntry::Registered { size, stop, limit, latency, bar, risk, .. } => {
                self.shared = Some(Shared { size, stop, limit, latency, bar, risk });
                return Ok(None);
            }
            SeatEntry::Predicted { time, prediction, is_acted }
            | SeatEntry::Estimated { time, prediction, is_acted } => {
                SeatRecord::Predicted { time, prediction, is_acted }
            }
            SeatEntry::Ordered { time, direction, y_pred } => {
                let shared = self.shared.as_ref().ok_or("an order before its registration")?;
                let (from, until) = (time + shared.latency, time + shared.bar);
                let order = Order { made: time, direction, from, until, y_pred };
                self.order = Some(order);
                SeatRecord::Ordered(order)
            }
            SeatEntry::Opened { after, level } => {
                let order = self.order.ok_or("a deal without its order")?;
                let time = order.made + after;
                self.deal += 1;
                self.opened = Some((time, level));
                SeatRecord::Opened { deal: self.deal, time, level }
            }
            SeatEntry::Lapsed => {
                SeatRecord::Lapsed { made: self.order.take().ok_or("a lapse without its order")?.made }
            }
            SeatEntry::Refused { time, reason } => SeatRecord::Refused { time, reason },
            SeatEntry::Suspended { time, reason } => SeatRecord::Suspended { time, reason },
            SeatEntry::Closed { after, level, reason, profit, costs, x, adverse, favourable } => {
                let shared = self.shared.as_ref().ok_or("a trade before its registration")?;
                let order = self.order.take().ok_or("a trade without its order")?;
                let (opened, open_level) = self.opened.take().ok_or("a close without its deal")?;
                let (stop_level, limit_level) = match order.direction {
                    Direction::Long => (open_level - shared.stop, open_level + shared.limit),
                    Direction::Short => (open_level + shared.stop, open_level - shared.limit),
                };
                SeatRecord::Closed(Trade {
                    deal: self.deal,
                    made: order.made,
                    direction: order.direction,
                    size: shared.size,
                    opened,
                    closed: opened + after,
                    open_level,
                    close_level: level,
                    stop_level,
                    limit_level,
                    reason,
                    profit,
                    costs,
                    rho_micros: shared.risk.rho_micros,
                    r: profit.micros() as f64 / shared.risk.rho_micros,
                    x,
                    y_pred: order.y_pred,
                    y_true: y_true(order.direction, open_level, level),
                    adverse,
                    favourable,
                })
            }
        }))
    }
}

/// Gives every record of a seat to `on`, in order, block by block.
///
/// # Errors
/// Whatever reading fails with, as `E`; [`StoreError::Corrupt`] where entries do not follow one another as they must;
/// what `on` fails with.
pub fn read_seat<E: From<StoreError>>(
    store: &dyn Store,
    seat: u32,
    mut on: impl FnMut(SeatRecord) -> Result<(), E>,
) -> Result<(), E> {
    let lane = Lane::Seat(seat);
    let mut assembly = Assembly::default();
    for block in store.read(lane) {
        for entry in entry::decode::<SeatEntry>(lane, &block?)? {
            let record = assembly
                .take(entry)
                .map_err(|why| StoreError::Corrupt { lane: format!("{lane:?}"), why: why.to_owned() })?;
            if let Some(record) = record {
                on(record)?;
            }
        }
    }
    Ok(())
}

/// The closed trades of a seat, in order of close.
///
/// # Errors
/// As [`read_seat`].
pub fn read_trades(store: &dyn Store, seat: u32) -> Result<Vec<Trade>, StoreError> {
    let mut trades = Vec::new();
    read_seat(store, seat, |record| {
        if let SeatRecord::Closed(trade) = record {
            trades.push(trade);
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(trades)
}

/// Exit over entry, inverted for a short.
#[must_use]
pub(crate) fn y_true(direction: Direction, entry: Price, exit: Price) -> f64 {
    match direction {
        Direction::Long => exit.micros() as f64 / entry.micros() as f64,
        Direction::Short => entry.micros() as f64 / exit.micros() as f64,
    }
}
