//! Live trades beside their paper twins, as the desk journalled what lies between them.

use std::collections::{BTreeMap, HashMap};

use super::figures::{LiveFigures, LiveShortfall, ShortfallSum};
use crate::domain::{DealReference, Money, Shortfall};
use crate::flow::DeskView;
use crate::store::entry::{DeskEntry, decode};
use crate::store::views::RosterEntry;
use crate::store::{Lane, Store, StoreError};

/// Live trades listed.
const LISTED_MAX: usize = 1_000;

/// The shortfalls of the desk's lane, and their sums by candidate.
///
/// # Errors
/// Whatever reading fails with.
pub(super) fn shortfalls(
    store: &dyn Store,
    desk: &DeskView,
    roster: &[RosterEntry],
) -> Result<LiveFigures, StoreError> {
    let mut figures = LiveFigures {
        state: desk.state.clone(),
        reason: desk.reason.clone(),
        net_profit: desk.net_profit,
        ..LiveFigures::default()
    };
    let mut seats: HashMap<DealReference, u32> = HashMap::new();
    let mut profits: HashMap<DealReference, Money> = HashMap::new();
    for block in store.read(Lane::Desk) {
        for entry in decode::<DeskEntry>(Lane::Desk, &block?)? {
            match entry {
                DeskEntry::OpenIntent { reference, seat, .. } => drop(seats.insert(reference, seat.0)),
                DeskEntry::Rejected { .. } => figures.rejected += 1,
                DeskEntry::Closed { reference, profit, .. } => drop(profits.insert(reference, profit)),
                DeskEntry::Shortfall { time, reference, shortfall, .. } => {
                    let seat = seats.get(&reference).and_then(|seat| roster.iter().find(|entry| entry.seat == *seat));
                    figures.trades.push(LiveShortfall {
                        model: seat.map_or_else(String::new, |seat| seat.model.clone()),
                        profit: profits.get(&reference).copied(),
                        reference: reference.as_str().to_owned(),
                        time,
                        shortfall,
                    });
                }
                _ => {}
            }
        }
    }
    let mut sums: BTreeMap<&str, ShortfallSum> = BTreeMap::new();
    for trade in &figures.trades {
        let sum = sums.entry(&trade.model).or_insert_with(|| ShortfallSum {
            model: trade.model.clone(),
            trades: 0,
            profit: Money::ZERO,
            shortfall: Shortfall::default(),
        });
        sum.trades += 1;
        sum.profit += trade.profit.unwrap_or(Money::ZERO);
        sum.shortfall += trade.shortfall;
    }
    figures.by_model = sums.into_values().collect();
    let excess = figures.trades.len().saturating_sub(LISTED_MAX);
    figures.trades.drain(..excess);
    Ok(figures)
}
