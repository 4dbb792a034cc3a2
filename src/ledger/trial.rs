//! What entries would have made: the paper broker over bars of the past, without a seat.
//!
//! Training asks this of a model's signals. Only bars are known there, so that the pessimistic order of
//! `docs/ARCHITECTURE.md` holds.

use super::book::{Book, Event};
use super::terms::{FundingClock, Terms};
use crate::domain::{Bar, Direction, Money, Order};

/// Sends `bars` through a book of its own that follows `signal`, which is asked at the close of each bar where the book
/// is flat, and gives the result of every closed trade in R, in order, with whether it won.
///
/// An entry that no next bar fills lapses; what is open after the last bar is left out.
pub fn trial(bars: &[Bar], terms: &Terms, mut signal: impl FnMut(usize) -> Option<Direction>) -> Vec<(f64, bool)> {
    let mut book = Book::default();
    let mut clock = FundingClock::default();
    let mut results = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        if !book.is_flat() {
            book.on_bar(bar, terms, &mut clock, |event| {
                if let Event::Closed(closing) = event {
                    results.push((terms.outcome(closing.profit, closing.costs).1, closing.profit > Money::ZERO));
                }
            });
            book.lapse(bar.end);
        }
        if book.is_flat()
            && let Some(direction) = signal(at)
        {
            let (from, until) = (bar.end + terms.costs.latency, bar.end + terms.bar);
            book.place(Order { made: bar.end, direction, from, until, y_pred: None });
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Costs, Micros, Price, PriceDelta, Resolution, Span};
    use crate::ledger::testing::{T0, fold};

    /// A minute bar of these bids, with an offer of 2 above; prices are whole.
    fn bar(minute: i64, bids: [i64; 4]) -> Bar {
        let side = |above: i64| fold(bids.iter().map(move |bid| Price::from_micros((bid + above) * 1_000_000)));
        let mut bar = crate::ledger::testing::bar_of_mids(&[]);
        (bar.start, bar.end) = (T0 + Micros(minute * 60_000_000), T0 + Micros((minute + 1) * 60_000_000));
        (bar.bid, bar.offer) = (side(0), side(2));
        bar.quotes = Span::default();
        bar
    }

    fn terms(slippage: i64) -> Terms {
        let price = |whole: i64| PriceDelta::from_micros(whole * 1_000_000);
        let costs = Costs { latency: Micros(0), slippage: price(slippage) };
        let minute = Resolution::new(Micros(60_000_000)).unwrap();
        Terms::of_prices(price(10), price(20), Micros(120_000_000), minute, costs)
    }

    #[test]
    fn a_trade_is_measured_by_its_stop() {
        // Long at the offer of the second bar's open: 102. Time exit at the fourth bar's open: bid 105, 3 of 10.
        let bars = [bar(0, [100; 4]), bar(1, [100, 101, 100, 101]), bar(2, [101, 104, 101, 104]), bar(3, [105; 4])];
        let once = |at: usize| (at == 0).then_some(Direction::Long);
        assert_eq!(trial(&bars, &terms(0), once), [(0.3, true)]);
        // With 1 of slippage at both ends it makes 1, and the risk is 12.
        assert_eq!(trial(&bars, &terms(1), once), [(1.0 / 12.0, true)]);
        // Short at the bid 100, bought back at 107.
        let short = |at: usize| (at == 0).then_some(Direction::Short);
        assert_eq!(trial(&bars, &terms(0), short), [(-0.7, false)]);
    }

    #[test]
    fn one_position_at_a_time_and_no_entry_over_a_hole() {
        let bars = [bar(0, [100; 4]), bar(1, [100; 4]), bar(2, [100; 4]), bar(3, [100; 4]), bar(4, [100; 4])];
        // The first is open until bar 3; the signal of that close fills at bar 4 and stays open: one closed trade.
        assert_eq!(trial(&bars, &terms(0), |_| Some(Direction::Long)), [(-0.2, false)]);
        let bars = [bar(0, [100; 4]), bar(5, [100; 4]), bar(6, [100; 4])];
        assert_eq!(trial(&bars, &terms(0), |at| (at == 0).then_some(Direction::Long)), []);
    }
}
