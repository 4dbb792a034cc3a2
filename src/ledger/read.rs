//! Trades read back from a seat's lane.

use crate::domain::{Direction, Price, PriceDelta, RiskUnit, Size, Trade, UtcMicros};
use crate::store::entry::{self, SeatEntry};
use crate::store::{Lane, Store, StoreError};

/// The closed trades of a seat, in order of close.
///
/// # Errors
/// Whatever reading fails with; [`StoreError::Corrupt`] where the lane's entries do not follow one another as they must.
pub fn read_trades(store: &dyn Store, seat: u32) -> Result<Vec<Trade>, StoreError> {
    let lane = Lane::Seat(seat);
    let corrupt = |why: &str| StoreError::Corrupt { lane: format!("{lane:?}"), why: why.to_owned() };
    let mut shared: Option<(Size, PriceDelta, PriceDelta, RiskUnit)> = None;
    let mut ordered: Option<(UtcMicros, Direction, Option<f64>)> = None;
    let mut opened: Option<(UtcMicros, Price)> = None;
    let mut deal = 0;
    let mut trades = Vec::new();
    for block in store.read(lane) {
        for entry in entry::decode::<SeatEntry>(lane, &block?)? {
            match entry {
                SeatEntry::Registered { size, stop, limit, risk, .. } => shared = Some((size, stop, limit, risk)),
                SeatEntry::Ordered { time, direction, y_pred } => ordered = Some((time, direction, y_pred)),
                SeatEntry::Opened { after, level } => {
                    let (made, ..) = ordered.ok_or_else(|| corrupt("a deal without its order"))?;
                    deal += 1;
                    opened = Some((made + after, level));
                }
                SeatEntry::Closed { after, level, reason, profit, costs, x, adverse, favourable } => {
                    let (size, stop, limit, risk) = shared.ok_or_else(|| corrupt("a trade before its registration"))?;
                    let (made, direction, y_pred) = ordered.ok_or_else(|| corrupt("a trade without its order"))?;
                    let (at, open_level) = opened.take().ok_or_else(|| corrupt("a close without its deal"))?;
                    let (stop_level, limit_level) = match direction {
                        Direction::Long => (open_level - stop, open_level + limit),
                        Direction::Short => (open_level + stop, open_level - limit),
                    };
                    trades.push(Trade {
                        deal,
                        made,
                        direction,
                        size,
                        opened: at,
                        closed: at + after,
                        open_level,
                        close_level: level,
                        stop_level,
                        limit_level,
                        reason,
                        profit,
                        costs,
                        r: profit.micros() as f64 / risk.rho_micros,
                        x,
                        y_pred,
                        y_true: y_true(direction, open_level, level),
                        adverse,
                        favourable,
                    });
                }
                SeatEntry::Predicted { .. }
                | SeatEntry::Lapsed
                | SeatEntry::Refused { .. }
                | SeatEntry::Suspended { .. } => {}
            }
        }
    }
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
