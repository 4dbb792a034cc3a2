//! Live trades beside their paper twins: what reality took, split by where it took it.

use std::collections::{BTreeMap, HashMap};

use super::figures::{LiveFigures, Shortfall, ShortfallSum};
use crate::domain::{Direction, Money, Price, Size, Trade, UtcMicros};
use crate::flow::DeskView;
use crate::store::entry::{DeskEntry, decode};
use crate::store::views::RosterEntry;
use crate::store::{Lane, Store, StoreError};

/// Live trades listed.
const LISTED_MAX: usize = 1_000;

/// A live deal on its way through the journal.
struct Deal {
    seat: u32,
    number: u64,
    direction: Direction,
    size: Size,
    opened: Option<(UtcMicros, Price)>,
}

/// The closed live trades of the journal, each beside the trade of the same deal number that its paper twin had open
/// when the broker filled it.
///
/// # Errors
/// Whatever reading fails with.
pub(super) fn shortfalls(
    store: &dyn Store,
    desk: &DeskView,
    roster: &[RosterEntry],
    twins: &HashMap<u32, Vec<Trade>>,
    keys: &BTreeMap<String, String>,
) -> Result<LiveFigures, StoreError> {
    let mut figures = LiveFigures {
        state: desk.state.clone(),
        reason: desk.reason.clone(),
        net_profit: desk.net_profit,
        ..LiveFigures::default()
    };
    let mut open = HashMap::new();
    for block in store.read(Lane::Desk) {
        for entry in decode::<DeskEntry>(Lane::Desk, &block?)? {
            match entry {
                DeskEntry::OpenIntent { reference, seat, deal, direction, size, .. } => {
                    open.insert(reference, Deal { seat: seat.0, number: deal, direction, size, opened: None });
                }
                DeskEntry::Opened { time, reference, level, .. } => {
                    if let Some(deal) = open.get_mut(&reference) {
                        deal.opened = Some((time, level));
                    }
                }
                DeskEntry::Rejected { reference, .. } => {
                    open.remove(&reference);
                    figures.rejected += 1;
                }
                DeskEntry::Closed { reference, level, profit, .. } => {
                    let Some(deal) = open.remove(&reference) else { continue };
                    let Some(seat) = roster.iter().find(|seat| seat.seat == deal.seat) else { continue };
                    let known = twins.get(&deal.seat).map(Vec::as_slice).unwrap_or_default();
                    let told = beside(&deal, level, profit, known, &seat.epic, keys);
                    if let Some(told) = told {
                        let (model, reference) = (seat.model.clone(), reference.as_str().to_owned());
                        figures.trades.push(Shortfall { model, reference, ..told });
                    }
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
            shortfall: Money::ZERO,
            entry: Money::ZERO,
            exit: Money::ZERO,
            rest: Money::ZERO,
        });
        sum.trades += 1;
        for (sum, part) in [
            (&mut sum.profit, trade.profit),
            (&mut sum.shortfall, trade.shortfall),
            (&mut sum.entry, trade.entry),
            (&mut sum.exit, trade.exit),
            (&mut sum.rest, trade.rest),
        ] {
            *sum += part;
        }
    }
    figures.by_model = sums.into_values().collect();
    let excess = figures.trades.len().saturating_sub(LISTED_MAX);
    figures.trades.drain(..excess);
    Ok(figures)
}

fn beside(
    deal: &Deal,
    close_level: Price,
    profit: Money,
    twins: &[Trade],
    epic: &str,
    keys: &BTreeMap<String, String>,
) -> Option<Shortfall> {
    let (opened, open_level) = deal.opened?;
    // A number is given again where an order of it lapsed on paper: the time tells them apart.
    let is_twin = |trade: &&Trade| trade.deal == deal.number && trade.made <= opened && opened <= trade.closed;
    let twin = twins.iter().find(is_twin)?;
    let number = |key: &str| keys.get(&format!("markets.{epic}.{key}"))?.parse::<f64>().ok();
    // Money of one unit of price at the live size.
    let value = number("value_per_point")? / number("point")? * deal.size.as_f64();
    let twin_profit = money(twin.profit.as_f64() * deal.size.as_f64() / twin.size.as_f64());
    let sign = if deal.direction == Direction::Long { 1.0 } else { -1.0 };
    let moved = |live: Price, paper: Price| (live.as_f64() - paper.as_f64()) * sign * value;
    let entry = money(-moved(open_level, twin.open_level));
    let exit = money(moved(close_level, twin.close_level));
    let shortfall = profit - twin_profit;
    Some(Shortfall {
        model: String::new(),
        reference: String::new(),
        closed: twin.closed,
        profit,
        twin_profit,
        shortfall,
        entry,
        exit,
        rest: shortfall - entry - exit,
    })
}

/// Shown money: what a report tells of differences needs no more than the nearest millionth.
#[expect(clippy::cast_possible_truncation, reason = "amounts of one trade")]
fn money(amount: f64) -> Money {
    Money::from_micros((amount * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CloseReason, PriceDelta};

    fn trade(direction: Direction) -> Trade {
        let price = |text: &str| text.parse::<Price>().expect("a price");
        Trade {
            deal: 3,
            made: UtcMicros(0),
            direction,
            size: "2".parse().expect("a size"),
            opened: UtcMicros(1),
            closed: UtcMicros(10),
            open_level: price("1.2000"),
            close_level: price("1.2010"),
            stop_level: price("1.1990"),
            limit_level: price("1.2020"),
            reason: CloseReason::Time,
            profit: "20".parse().expect("money"),
            costs: Money::ZERO,
            rho_micros: 1e7,
            r: 2.0,
            x: 2.0,
            y_pred: None,
            y_true: 1.0,
            adverse: PriceDelta::from_micros(0),
            favourable: PriceDelta::from_micros(0),
        }
    }

    #[test]
    fn a_shortfall_is_split_into_entry_exit_and_rest() {
        let keys: BTreeMap<String, String> = [("markets.E.point", "0.0001"), ("markets.E.value_per_point", "1")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let deal = Deal {
            seat: 0,
            number: 3,
            direction: Direction::Long,
            size: "1".parse().expect("a size"),
            opened: Some((UtcMicros(2), "1.2001".parse().expect("a price"))),
        };
        // In one point worse, out two points worse, half a unit of funding: 10 on paper at this size, 6.5 live.
        let close = "1.2008".parse().expect("a price");
        let profit = "6.5".parse().expect("money");
        let told = beside(&deal, close, profit, &[trade(Direction::Long)], "E", &keys).expect("its twin is there");
        assert_eq!(told.twin_profit.to_string(), "10");
        assert_eq!(told.shortfall.to_string(), "-3.5");
        assert_eq!([told.entry, told.exit, told.rest].map(|m| m.to_string()), ["-1", "-2", "-0.5"]);
        let late = Deal { opened: Some((UtcMicros(11), close)), ..deal };
        assert!(beside(&late, close, profit, &[trade(Direction::Long)], "E", &keys).is_none(), "not its twin");
    }
}
