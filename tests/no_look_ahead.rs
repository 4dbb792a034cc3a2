//! No decision knows what comes after it: quotes after a time change no trade closed before it, and the beginning of a
//! recording gives the beginning of the trades.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_possible_truncation, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use arena::config::Config;
use arena::domain::{Micros, PriceDelta, Trade, UtcMicros};
use arena::store::entry::SeatEntry;
use arena::store::entry::read_lane;
use arena::store::{Lane, Memory, Store};
use proptest::prelude::*;
use runs::{Draws, Quotes};

/// The longest bar of the configurations here.
const LONGEST_BAR: Micros = Micros(300_000_000);

/// Quotes before `at` as they are, later ones drawn anew around where they were.
fn changed_after(quotes: &Quotes, at: UtcMicros, seed: u64) -> Quotes {
    let mut draws = Draws(seed);
    let mut changed = quotes.clone();
    for tick in changed.iter_mut().flatten().filter(|tick| tick.time >= at) {
        let mut shift = || PriceDelta::from_micros(i64::try_from(draws.below(4_000)).unwrap() - 2_000);
        let delta = shift();
        tick.bid = tick.bid + delta;
        tick.offer = tick.offer + delta;
    }
    changed
}

fn cut_at(quotes: &Quotes, at: UtcMicros) -> Quotes {
    quotes.iter().map(|ticks| ticks.iter().copied().filter(|tick| tick.time < at).collect()).collect()
}

fn closed_before(trades: &[Trade], at: UtcMicros) -> &[Trade] {
    &trades[..trades.partition_point(|trade| trade.closed < at)]
}

fn run(config: &Config, quotes: &Quotes) -> (Memory, Vec<Vec<Trade>>) {
    let outcome = runs::reference(config, quotes, 1_024);
    let trades = runs::trades(&outcome.store, config.candidates.len());
    (outcome.store, trades)
}

/// Predictions, orders and refusals made before `at`, in their order.
fn decided_before(store: &dyn Store, seat: u32, at: UtcMicros) -> Vec<SeatEntry> {
    let entries: Vec<SeatEntry> = read_lane(store, Lane::Seat(seat)).unwrap();
    let time_of = |entry: &SeatEntry| match entry {
        SeatEntry::Predicted { time, .. }
        | SeatEntry::Estimated { time, .. }
        | SeatEntry::Ordered { time, .. }
        | SeatEntry::Refused { time, .. } => Some(*time),
        _ => None,
    };
    entries.into_iter().filter(|entry| time_of(entry).is_some_and(|time| time <= at)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn later_quotes_change_nothing_before_them(seed in 0u64..1 << 40, percent in 50usize..85, is_one: bool) {
        let config = runs::config(if is_one { runs::ONE } else { runs::SEVERAL });
        let quotes = runs::synthetic(&config, seed, 24_000);
        let mut times: Vec<UtcMicros> = quotes.iter().flatten().map(|tick| tick.time).collect();
        times.sort_unstable();
        let at = times[times.len() * percent / 100];
        let (store, trades) = run(&config, &quotes);
        let (changed_store, changed) = run(&config, &changed_after(&quotes, at, seed));
        let (_, prefix) = run(&config, &cut_at(&quotes, at));
        let mut compared = 0;
        for (seat, of_all) in trades.iter().enumerate() {
            let before = closed_before(of_all, at);
            prop_assert_eq!(before, closed_before(&changed[seat], at), "seat {}", seat);
            // The beginning of the quotes closes no bar that they do not pass, and its last quotes still go through the
            // broker: it gives these trades and no others.
            prop_assert_eq!(before, prefix[seat].as_slice(), "seat {}", seat);
            // What a bar's close decided is the same up to the last bar that ended before the change.
            let seat = u32::try_from(seat).unwrap();
            let sure = UtcMicros(at.0 / LONGEST_BAR.0 * LONGEST_BAR.0 - 1);
            prop_assert_eq!(
                decided_before(&store, seat, sure),
                decided_before(&changed_store, seat, sure),
                "seat {}", seat
            );
            compared += before.len();
        }
        prop_assert!(compared > 5, "{} trades before {}", compared, at);
        prop_assert_ne!(trades, changed, "the change shows nowhere: it proves nothing");
    }
}
