//! The in-process venue, by hand-worked fills.

use super::world::*;
use crate::broker::{Broker, BrokerError, Deal, DealStatus, LiveOrder};
use crate::desk::Approved;
use crate::domain::{CloseReason, Costs, DealReference, Direction, Market, Price, Size};
use crate::sim::venue::{Fault, Venue};

#[test]
fn the_first_quote_after_the_latency_fills_and_sets_stop_and_limit() {
    let venue = venue();
    assert_eq!(open(&venue, order("a", Direction::Long)).status, DealStatus::Pending);
    feed(&venue, 60.249, 13_000, 13_001);
    assert_eq!(confirm(&venue, "a").status, DealStatus::Pending, "too early");
    assert!(done(venue.open_positions()).unwrap().is_empty());
    feed(&venue, 60.25, 13_002, 13_003);
    let deal = confirm(&venue, "a");
    assert_eq!(deal.status, DealStatus::Open);
    assert_eq!((deal.id.as_str(), deal.opened), ("SIM00000001", at(60.25)));
    // Offer 1.3003 plus a slippage of 0.00001; stop 10 pips and limit 20 pips from there.
    assert_eq!(levels(&deal), ["1.30031", "1.29931", "1.30231"]);
    assert_eq!(done(venue.open_positions()).unwrap(), [deal]);
}

#[test]
fn a_short_mirrors_a_long() {
    let venue = venue();
    open(&venue, order("a", Direction::Short));
    feed(&venue, 61.0, 13_002, 13_003);
    assert_eq!(levels(&confirm(&venue, "a")), ["1.30019", "1.30119", "1.29819"]);
    feed(&venue, 62.0, 12_980, 12_981);
    assert_eq!(end(&venue, "a"), (at(62.0), "1.29819".to_owned(), CloseReason::Limit), "offer 1.2981 is beyond it");
}

#[test]
fn a_gap_costs_more_than_the_stop_and_a_limit_gives_no_more_than_itself() {
    for (bid, level, reason) in [
        (12_993, None, CloseReason::Stop),
        (12_970, Some("1.29699"), CloseReason::Stop),
        (13_024, Some("1.30231"), CloseReason::Limit),
    ] {
        let venue = venue();
        open(&venue, order("a", Direction::Long));
        feed(&venue, 60.25, 13_002, 13_003);
        feed(&venue, 61.0, bid, bid + 1);
        match level {
            Some(level) => assert_eq!(end(&venue, "a"), (at(61.0), level.to_owned(), reason)),
            None => assert_eq!(end(&venue, "a"), (at(61.0), "1.29929".to_owned(), reason), "at the quote, less slip"),
        }
    }
}

#[test]
fn the_quote_that_fills_ends_nothing() {
    let venue = venue();
    let mut wide = order("a", Direction::Long);
    wide.stop = pips(3);
    open(&venue, wide);
    feed(&venue, 61.0, 12_990, 13_001);
    assert_eq!(confirm(&venue, "a").status, DealStatus::Open, "its bid is beyond the stop already");
    feed(&venue, 61.0, 12_990, 13_001);
    assert_eq!(end(&venue, "a").2, CloseReason::Stop, "the next one, even of the same time, is held against it");
}

#[test]
fn an_order_that_finds_no_quote_in_time_is_rejected() {
    let venue = venue();
    open(&venue, order("a", Direction::Long));
    feed(&venue, 120.0, 13_000, 13_001);
    assert_eq!(confirm(&venue, "a").status, DealStatus::Rejected("MANUAL_ORDER_TIMEOUT".to_owned()));
}

#[test]
fn a_closing_meets_the_standing_quote_of_its_time_else_the_next_one_and_a_stop_comes_first() {
    let held = || {
        let venue = venue();
        open(&venue, order("a", Direction::Long));
        feed(&venue, 60.25, 13_002, 13_003);
        feed(&venue, 62.0, 13_004, 13_005);
        venue
    };
    let at_once = held();
    assert_eq!(close(&at_once, "a", 62.0).status, end_status(62.0, "1.30039"));
    let later = held();
    assert_eq!(close(&later, "a", 63.0).status, DealStatus::Open);
    feed(&later, 63.5, 13_005, 13_006);
    assert_eq!(end(&later, "a"), (at(63.5), "1.30049".to_owned(), CloseReason::Time));
    let stopped = held();
    close(&stopped, "a", 63.0);
    feed(&stopped, 63.5, 12_900, 12_901);
    assert_eq!(end(&stopped, "a").2, CloseReason::Stop);
}

#[test]
fn every_dealing_rule_rejects_with_its_reason() {
    let with = |change: fn(&mut LiveOrder)| {
        let mut order = order("a", Direction::Long);
        change(&mut order);
        order
    };
    for (order, reason) in [
        (with(|o| o.epic = "CS.D.NONE".into()), "INSTRUMENT_NOT_FOUND"),
        (with(|o| o.size = Size::from_micros(499_999)), "MINIMUM_ORDER_SIZE_ERROR"),
        (with(|o| o.stop = pips(1)), "ATTACHED_ORDER_LEVEL_ERROR"),
        (with(|o| o.limit = pips(0)), "ATTACHED_ORDER_LEVEL_ERROR"),
        // Saturday noon.
        (with(|o| o.at = at(5.0 * 86_400.0)), "MARKET_CLOSED"),
    ] {
        let venue = venue();
        assert_eq!(open(&venue, order).status, DealStatus::Rejected(reason.to_owned()));
        feed(&venue, 61.0, 13_000, 13_001);
        assert!(done(venue.open_positions()).unwrap().is_empty(), "{reason}");
    }
}

#[test]
fn a_checkpoint_carries_everything_over() {
    let first = venue();
    open(&first, order("a", Direction::Long));
    feed(&first, 61.0, 13_000, 13_001);
    open(&first, order("b", Direction::Short));
    let bytes = postcard::to_stdvec(&first.checkpoint()).unwrap();
    let second = venue();
    second.restore(postcard::from_bytes(&bytes).unwrap());
    for venue in [&first, &second] {
        feed(venue, 62.0, 12_950, 12_951);
    }
    assert_eq!(first.checkpoint(), second.checkpoint());
    assert_eq!(end(&second, "a").2, CloseReason::Stop);
    assert_eq!(confirm(&second, "b").id.as_str(), "SIM00000002");
}

#[test]
fn lost_requests_and_lost_answers_differ_in_what_is_dealt() {
    for (fault, is_dealt) in [(Fault::LoseAnswer, true), (Fault::LoseRequest, false)] {
        let venue = venue();
        venue.fail_open(fault);
        let lost = done(venue.open(&Approved::new(order("a", Direction::Long))));
        assert!(matches!(lost, Err(BrokerError::OutcomeUnknown { .. })), "{lost:?}");
        assert_eq!(done(venue.confirm(&"a".into())).is_ok(), is_dealt);
    }
}

fn venue() -> Venue {
    let pair: (Market, Costs) = (market(), costs());
    Venue::new([pair])
}

fn order(reference: &str, direction: Direction) -> LiveOrder {
    LiveOrder {
        reference: reference.into(),
        epic: market().epic,
        direction,
        size: size("1"),
        stop: pips(10),
        limit: pips(20),
        at: at(60.0),
        valid_until: at(120.0),
    }
}

fn open(venue: &Venue, order: LiveOrder) -> Deal {
    done(venue.open(&Approved::new(order))).unwrap()
}

fn close(venue: &Venue, reference: &str, second: f64) -> Deal {
    done(venue.close(&reference.into(), at(second), CloseReason::Time)).unwrap()
}

fn confirm(venue: &Venue, reference: &str) -> Deal {
    done(venue.confirm(&DealReference::from(reference))).unwrap()
}

fn feed(venue: &Venue, second: f64, bid: i64, offer: i64) {
    venue.on_quote(&market().epic, &quote(second, bid, offer));
}

fn levels(deal: &Deal) -> [String; 3] {
    [deal.level, deal.stop_level, deal.limit_level].map(|level: Price| level.to_string())
}

fn end(venue: &Venue, reference: &str) -> (crate::domain::UtcMicros, String, CloseReason) {
    match confirm(venue, reference).status {
        DealStatus::Closed { time, level, reason } => (time, level.to_string(), reason),
        other => panic!("{reference} is {other:?}"),
    }
}

fn end_status(second: f64, level: &str) -> DealStatus {
    DealStatus::Closed { time: at(second), level: level.parse().unwrap(), reason: CloseReason::Time }
}
