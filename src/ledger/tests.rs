//! Hand-worked fills: every rule of the paper broker, both sides.
//!
//! Stop 8, limit 12 points of 0.0001, hold 3 minutes, size 2, value 1 a point, latency 250 ms.

use super::terms::FundingClock;
use super::testing::{T0, candidate, market, minute, tick};
use super::{Book, Closing, Event, Terms};
use crate::domain::{Bar, CloseReason, Direction, Micros, ModelSpec, Order, Tick};

const SPEC: ModelSpec = ModelSpec::Breakout { lookback: 1 };

fn order(direction: Direction) -> Order {
    // Made at the close of minute 0.
    let made = T0 + Micros(60_000_000);
    Order { made, direction, from: made + Micros(250_000), until: made + Micros(60_000_000), y_pred: None }
}

/// Places an order at the close of minute 0 and sends later minutes through the broker.
fn run(direction: Direction, slippage: &str, bars: &[Bar]) -> (Vec<Event>, Book) {
    let terms = Terms::new(&candidate("m", SPEC, slippage), &market());
    let mut book = Book::default();
    book.place(order(direction));
    let mut events = Vec::new();
    for bar in bars {
        book.on_bar(bar, &terms, &mut FundingClock::default(), |event| events.push(event));
        if bar.is_closed {
            book.lapse(bar.end);
        }
    }
    (events, book)
}

fn closing(events: &[Event]) -> Closing {
    match events {
        [Event::Opened(_), Event::Closed(closing)] => *closing,
        other => panic!("expected one deal opened and closed, got {other:?}"),
    }
}

/// Ticks of minute 1 (from 60,000 ms) and the expected `reason, open, close, profit, costs`.
fn check(
    name: &str,
    direction: Direction,
    slippage: &str,
    ticks: Vec<Tick>,
    want: (CloseReason, &str, &str, &str, &str),
) {
    let (events, book) = run(direction, slippage, &[minute(1, ticks)]);
    let c = closing(&events);
    let got =
        (c.reason, c.position.open_level.to_string(), c.level.to_string(), c.profit.to_string(), c.costs.to_string());
    assert_eq!(got, (want.0, want.1.into(), want.2.into(), want.3.into(), want.4.into()), "{name}");
    assert!(book.is_flat(), "{name}");
}

#[test]
fn a_long_opens_at_the_offer_plus_slip_and_a_short_at_the_bid_less_slip() {
    // Stop of the long: 1.1003 - 0.0008 = 1.0995; bid 1.0994 is beyond: out there, worsened by 0.5 points.
    // (1.09935 - 1.1003) / 0.0001 x 2 = -19; slippage 0.5 x 2 ways x size 2 = 2.
    check(
        "long stop",
        Direction::Long,
        "0.5",
        vec![tick(60_300, "1.1001", "1.10025"), tick(60_400, "1.0994", "1.0996")],
        (CloseReason::Stop, "1.1003", "1.09935", "-19", "2"),
    );
    // Short at 1.1001 - 0.00005 = 1.10005; stop 1.10085; offer 1.1009: out at 1.10095: -9 points x 2 = -18.
    check(
        "short stop",
        Direction::Short,
        "0.5",
        vec![tick(60_300, "1.1001", "1.1002"), tick(60_400, "1.1008", "1.1009")],
        (CloseReason::Stop, "1.10005", "1.10095", "-18", "2"),
    );
}

#[test]
fn a_limit_fills_at_exactly_its_level_and_without_slip() {
    // Long at 1.1002, limit 1.1014, bid jumps to 1.1030: out at 1.1014: 12 points x 2 = 24.
    check(
        "long limit",
        Direction::Long,
        "0",
        vec![tick(60_300, "1.1001", "1.1002"), tick(60_400, "1.1030", "1.1031")],
        (CloseReason::Limit, "1.1002", "1.1014", "24", "0"),
    );
    // With 0.5 points of slip at the entry alone: costs 0.5 x 2 = 1.
    check(
        "short limit",
        Direction::Short,
        "0.5",
        vec![tick(60_300, "1.1001", "1.1002"), tick(60_400, "1.0980", "1.0981")],
        (CloseReason::Limit, "1.10005", "1.09885", "24", "1"),
    );
}

#[test]
fn touching_the_level_is_enough() {
    check(
        "bid equals stop",
        Direction::Long,
        "0",
        vec![tick(60_300, "1.1001", "1.1002"), tick(60_400, "1.0994", "1.0995")],
        (CloseReason::Stop, "1.1002", "1.0994", "-16", "0"),
    );
    check(
        "bid equals limit",
        Direction::Long,
        "0",
        vec![tick(60_300, "1.1001", "1.1002"), tick(60_400, "1.1014", "1.1015")],
        (CloseReason::Limit, "1.1002", "1.1014", "24", "0"),
    );
}

#[test]
fn a_gap_beyond_the_stop_costs_more_than_the_stop() {
    check(
        "gap",
        Direction::Long,
        "0",
        vec![tick(60_300, "1.1001", "1.1002"), tick(60_400, "1.0902", "1.0904")],
        (CloseReason::Stop, "1.1002", "1.0902", "-200", "0"),
    );
}

#[test]
fn exits_are_looked_at_from_the_quote_after_the_fill() {
    // The fill's own bid lies beyond the stop (the spread is wider than the stop); the next one does not.
    let ticks = vec![tick(60_300, "1.0990", "1.1002"), tick(60_400, "1.1001", "1.1002")];
    let (events, book) = run(Direction::Long, "0", &[minute(1, ticks)]);
    assert!(matches!(events[..], [Event::Opened(_)]), "{events:?}");
    assert!(book.position().is_some());
}

#[test]
fn the_first_quote_at_or_after_close_and_latency_fills() {
    let ticks = vec![tick(60_249, "1.1", "1.2"), tick(60_250, "1.1001", "1.1002")];
    let (events, _) = run(Direction::Long, "0", &[minute(1, ticks)]);
    let [Event::Opened(position)] = events[..] else { panic!("{events:?}") };
    assert_eq!(position.open_level.to_string(), "1.1002");
    assert_eq!(position.opened, T0 + Micros(60_250_000));
}

#[test]
fn an_order_lapses_one_bar_length_after_its_close() {
    // Only a quote before the latency is over in minute 1; minute 2 is too late, in its very first moment.
    let bars = [minute(1, vec![tick(60_100, "1.1", "1.2")]), minute(2, vec![tick(120_000, "1.1", "1.2")])];
    let (events, book) = run(Direction::Long, "0", &bars);
    assert!(events.is_empty(), "{events:?}");
    assert!(book.is_flat());
    // The same when minute 1 has no quote at all.
    let (events, book) = run(Direction::Long, "0", &[minute(2, vec![tick(120_000, "1.1", "1.2")])]);
    assert!(events.is_empty() && book.is_flat(), "{events:?}");
}

#[test]
fn the_deadline_closes_on_its_first_quote_and_stop_and_limit_come_before_it() {
    let open = minute(1, vec![tick(60_300, "1.1001", "1.1002")]);
    // Filled at 60.3 s, deadline 240.3 s.
    for (name, last, want) in [
        ("time", tick(240_300, "1.1000", "1.1001"), (CloseReason::Time, "1.1", "-4")),
        ("stop and deadline on one quote", tick(240_300, "1.0990", "1.0991"), (CloseReason::Stop, "1.099", "-24")),
        ("limit and deadline on one quote", tick(240_300, "1.1020", "1.1021"), (CloseReason::Limit, "1.1014", "24")),
    ] {
        let bars = [open.clone(), minute(4, vec![tick(240_299, "1.1000", "1.1001"), last])];
        let (events, _) = run(Direction::Long, "0", &bars);
        let c = closing(&events);
        assert_eq!((c.reason, c.level.to_string().as_str(), c.profit.to_string().as_str()), want, "{name}");
    }
}

#[test]
fn funding_is_charged_at_ten_in_london_on_the_last_mid_before() {
    // Day T0 is a Thursday in summer: 22:00 London is 21:00 UTC. An order at 20:59, a quote at 20:59:30, one at 21:00:05.
    let ms = 21 * 3_600_000;
    let seq = 21 * 60 - 1;
    let terms = Terms::new(&candidate("m", SPEC, "0"), &market());
    let mut book = Book::default();
    let made = T0 + Micros((ms - 60_000) * 1_000);
    book.place(Order { made, direction: Direction::Long, from: made, until: made + Micros(60_000_000), y_pred: None });
    let mut events = Vec::new();
    for bar in [
        minute(seq, vec![tick(ms - 30_000, "1.1001", "1.1002"), tick(ms - 10_000, "1.1003", "1.1005")]),
        minute(seq + 1, vec![tick(ms + 5_000, "1.1020", "1.1021")]),
    ] {
        book.on_bar(&bar, &terms, &mut FundingClock::default(), |event| events.push(event));
    }
    let c = closing(&events);
    // 2 x 1 x (1.1004 / 0.0001) x 0.025 / 365 = 1.507397260..., limit 12 points x 2 = 24.
    assert_eq!(c.position.funding.to_string(), "1.507397");
    assert_eq!(c.profit.to_string(), "22.492603");
    assert_eq!(c.costs.to_string(), "1.507397");
}

#[test]
fn a_friday_night_is_charged_three_times() {
    let mut clock = FundingClock::default();
    let friday = T0 + Micros(86_400_000_000);
    assert_eq!(clock.after(friday).1, 3);
}

#[test]
fn excursions_are_measured_where_the_position_would_close() {
    let ticks = vec![
        tick(60_300, "1.1001", "1.1002"),
        tick(60_400, "1.0998", "1.0999"),
        tick(60_500, "1.1009", "1.1010"),
        tick(60_600, "1.1016", "1.1017"),
    ];
    let (events, _) = run(Direction::Long, "0", &[minute(1, ticks)]);
    let c = closing(&events);
    assert_eq!(c.position.adverse.to_string(), "-0.0004");
    assert_eq!(c.position.favourable.to_string(), "0.0014");
}

/// A bar whose quotes are not known, from `open high low close` of the bid; the offer lies 1 point above.
fn bare(seq: u64, prices: [&str; 4]) -> Bar {
    let ticks: Vec<Tick> = prices
        .iter()
        .map(|bid| {
            let mut tick = tick(i64::try_from(seq).unwrap() * 60_000, bid, bid);
            tick.offer = tick.offer + market().distance("1".parse().unwrap()).unwrap();
            tick
        })
        .collect();
    Bar { quotes: crate::domain::Span::default(), ..minute(seq, ticks) }
}

#[test]
fn where_only_bars_are_known_the_stop_comes_first_and_the_open_counts() {
    // Open high low close of the bid, the offer one point above: filled at 1.1001 + 0.0001 = 1.1002, stop 1.0994.
    let quiet = bare(1, ["1.1001", "1.1003", "1.0999", "1.1001"]);
    for (name, bars, want) in [
        (
            "stop and limit in one bar",
            vec![bare(1, ["1.1001", "1.1020", "1.0990", "1.1001"])],
            (CloseReason::Stop, "1.0994", 120_000),
        ),
        (
            "limit alone",
            vec![bare(1, ["1.1001", "1.1020", "1.0999", "1.1001"])],
            (CloseReason::Limit, "1.1014", 120_000),
        ),
        (
            "opens beyond the stop",
            vec![quiet.clone(), bare(2, ["1.0980", "1.1020", "1.0970", "1.1"])],
            (CloseReason::Stop, "1.098", 120_000),
        ),
        (
            "opens beyond the limit",
            vec![quiet.clone(), bare(2, ["1.1050", "1.1060", "1.0970", "1.1"])],
            (CloseReason::Limit, "1.1014", 120_000),
        ),
        (
            "deadline at the open",
            vec![quiet.clone(), bare(4, ["1.1005", "1.1060", "1.0970", "1.1"])],
            (CloseReason::Time, "1.1005", 240_000),
        ),
    ] {
        let (events, _) = run(Direction::Long, "0", &bars);
        let c = closing(&events);
        let at = T0 + Micros(want.2 * 1_000);
        assert_eq!((c.reason, c.level.to_string().as_str(), c.time), (want.0, want.1, at), "{name}");
    }
    // A bar too late to fill the order.
    let (events, book) = run(Direction::Long, "0", &[bare(2, ["1.1", "1.1", "1.1", "1.1"])]);
    assert!(events.is_empty() && book.is_flat());
}

proptest::proptest! {
    /// Money is conserved: whatever the quotes, the profit is the signed points between the levels times value and size.
    #[test]
    fn profit_is_the_signed_distance_of_the_levels(moves in proptest::collection::vec(-40i64..40, 2..60), is_long in proptest::bool::ANY) {
        let direction = if is_long { Direction::Long } else { Direction::Short };
        let mut bid = 11_000i64;
        let ticks: Vec<Tick> = moves.iter().enumerate().map(|(i, step)| {
            bid += step;
            let text = |points: i64| crate::domain::Decimal(points * 100).to_string();
            tick(60_300 + i64::try_from(i).unwrap() * 100, &text(bid), &text(bid + 1))
        }).collect();
        let (events, _) = run(direction, "0.5", &[minute(1, ticks)]);
        if let [Event::Opened(_), Event::Closed(c)] = events[..] {
            let gained = direction.sign() * (c.level - c.position.open_level).micros();
            proptest::prop_assert_eq!(c.profit.micros(), gained * 2 * 1_000_000 / 100);
        }
    }
}
