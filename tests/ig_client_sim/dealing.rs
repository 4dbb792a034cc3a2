//! Deals through the broker: opened once, told once, found again, closed, whatever happens on the way.

use std::time::Duration;

use arena::broker::ig::number::Number;
use arena::broker::ig::requests::{AmendOrder, ClosePosition, CreateOrder, OpenPosition};
use arena::broker::ig::stream::{News, PriceSource, Stream, StreamOptions};
use arena::broker::ig::wire::{ActionType, OrderType, Side, TimeInForce};
use arena::broker::{Broker, BrokerError, Deal, DealStatus};
use arena::domain::{CloseReason, Micros};
use arena::sim::ig::{Config, Kind, Length, Limits};
use tokio::sync::mpsc;

use crate::bench::{Bench, FTSE, going, until};

const OPENED: &str = "POST /positions/otc";
const CLOSED: &str = "DELETE /positions/otc";

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn bench() -> Bench {
    let bench = Bench::new(going());
    bench.quote("9700", "9701");
    bench
}

/// A stream of the account's deals; prices are not listened to.
async fn streamed(bench: &Bench) -> (Stream, mpsc::Receiver<News>) {
    let options = StreamOptions::of(vec![FTSE.to_owned()], PriceSource::Price, 7);
    let (stream, news) = Stream::start(bench.rest.clone(), Some(bench.broker.clone()), options).await.unwrap();
    until("three subscriptions", || bench.sim.state()["sessions"]["subscriptions"] == 3).await;
    (stream, news)
}

fn assert_open(deal: &Deal) {
    assert_eq!(deal.status, DealStatus::Open);
    let figures = [deal.level, deal.stop_level, deal.limit_level].map(|level| level.to_string());
    assert_eq!(figures, ["9701", "9681", "9741"], "opened with both, at the offer");
}

/// The updates so far, each as reference and status.
fn updates(bench: &Bench) -> Vec<String> {
    let word = |deal: Deal| match deal.status {
        DealStatus::Pending => format!("{} pending", deal.reference),
        DealStatus::Open => format!("{} open", deal.reference),
        DealStatus::Rejected(why) => format!("{} {why}", deal.reference),
        DealStatus::Closed { level, reason, .. } => format!("{} closed {level} {reason:?}", deal.reference),
    };
    bench.broker.take_updates().into_iter().map(word).collect()
}

#[tokio::test]
async fn a_deal_is_opened_and_closed_and_each_is_told_once() {
    for is_streamed in [false, true] {
        let bench = bench();
        let stream = if is_streamed { Some(streamed(&bench).await) } else { None };
        if is_streamed {
            bench.fault(Kind::ConfirmTwice { copies: 2 });
        }
        assert_open(&bench.open("r1").await.unwrap());
        // The stream repeats it 60 to 150 ms later, and again.
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(updates(&bench), ["r1 open"], "streamed: {is_streamed}");
        assert_eq!(bench.open("r1").await.unwrap().status, DealStatus::Open, "sent before, never again");
        bench.quote("9710", "9711");
        let closed = bench.broker.close(&"r1".into(), bench.sim.now(), CloseReason::Time).await.unwrap();
        let DealStatus::Closed { level, reason, .. } = closed.status else { panic!("{closed:?}") };
        assert_eq!((level.to_string().as_str(), reason), ("9710", CloseReason::Time));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(updates(&bench), ["r1 closed 9710 Time"]);
        let again = bench.broker.close(&"r1".into(), bench.sim.now(), CloseReason::Halt).await.unwrap();
        assert_eq!(again.status, closed.status);
        assert_eq!((bench.count(OPENED), bench.count(CLOSED)), (1, 1));
        assert!(bench.listed().await.is_empty());
        drop(stream);
    }
}

#[tokio::test]
async fn the_stream_alone_is_enough() {
    let bench = bench();
    let _stream = streamed(&bench).await;
    bench.fault_of(
        Kind::Answer { status: 404, error: Some("error.confirms.deal-not-found".to_owned()) },
        "GET /confirms",
        None,
    );
    assert_open(&bench.open("r1").await.unwrap());
    let closed = bench.broker.close(&"r1".into(), bench.sim.now(), CloseReason::Halt).await.unwrap();
    assert!(matches!(closed.status, DealStatus::Closed { reason: CloseReason::Halt, .. }), "{closed:?}");
    assert_eq!(bench.count("GET /confirms 200"), 0);
}

#[tokio::test]
async fn a_deal_whose_answer_is_lost_is_looked_up_and_not_sent_again() {
    let after = |status: u16, error: Option<&str>| Kind::AnswerAfter { status, error: error.map(str::to_owned) };
    for kind in [
        after(500, Some("system.error")),
        after(500, None),
        after(405, None),
        after(504, Some("error.security.authentication.timeout")),
        Kind::DropAfter,
        Kind::Slow { delay: Length(Micros(1_200_000)) },
    ] {
        let bench = Bench::with(going(), |options| options.timeout_millis = 500);
        bench.quote("9700", "9701");
        bench.fault_of(kind.clone(), OPENED, Some(1));
        let error = bench.open("r1").await.unwrap_err();
        assert!(
            matches!(&error, BrokerError::OutcomeUnknown { reference, .. } if reference.as_str() == "r1"),
            "{error}"
        );
        assert_open(&bench.settled("r1").await.unwrap());
        assert_open(&bench.open("r1").await.unwrap());
        assert_eq!((bench.count(OPENED), bench.listed().await), (1, vec!["r1".to_owned()]), "{kind:?}");

        bench.fault_of(kind.clone(), CLOSED, Some(1));
        let error = bench.broker.close(&"r1".into(), bench.sim.now(), CloseReason::Time).await.unwrap_err();
        assert!(matches!(error, BrokerError::OutcomeUnknown { .. }), "{kind:?}: {error}");
        // A second closing finds nothing left to close, and what the first dealt at.
        let closed = bench.broker.close(&"r1".into(), bench.sim.now(), CloseReason::Time).await.unwrap();
        let DealStatus::Closed { level, reason, .. } = closed.status else { panic!("{kind:?}: {closed:?}") };
        assert_eq!((level.to_string().as_str(), reason), ("9700", CloseReason::Time));
        assert!(bench.listed().await.is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_deal_that_never_arrived_is_not_found_and_not_sent_again() {
    for kind in [Kind::Drop, Kind::Answer { status: 500, error: None }] {
        let bench = bench();
        bench.fault_of(kind, OPENED, Some(1));
        let error = bench.open("r1").await.unwrap_err();
        assert!(matches!(error, BrokerError::OutcomeUnknown { .. }), "{error}");
        let settled = bench.settled("r1").await.unwrap_err();
        assert!(matches!(settled, BrokerError::NotFound { .. }), "{settled}");
        assert!(bench.listed().await.is_empty());
        assert_eq!(bench.count(OPENED), 1);
    }
}

#[tokio::test]
async fn confirms_may_be_late_lost_or_doubled() {
    let bench = bench();
    bench.fault(Kind::ConfirmDelay { delay: Length(Micros(300_000)) });
    assert_open(&bench.open("late").await.unwrap());
    bench.fault(Kind::ConfirmDelay { delay: Length(Micros(3_000_000)) });
    let pending = bench.open("later").await.unwrap();
    assert_eq!(pending.status, DealStatus::Pending);
    assert_open(&bench.settled("later").await.unwrap());
    bench.fault(Kind::ConfirmLost);
    assert_eq!(bench.open("lost").await.unwrap().status, DealStatus::Pending);
    assert_open(&bench.settled("lost").await.unwrap());
    assert_eq!((bench.count(OPENED), bench.listed().await.len()), (3, 3));
    bench.fault(Kind::ConfirmLost);
    let error = bench.broker.close(&"lost".into(), bench.sim.now(), CloseReason::Time).await.unwrap_err();
    assert!(matches!(error, BrokerError::OutcomeUnknown { .. }), "{error}");
    let closed = bench.broker.close(&"lost".into(), bench.sim.now(), CloseReason::Time).await.unwrap();
    assert!(matches!(closed.status, DealStatus::Closed { reason: CloseReason::Time, .. }), "{closed:?}");
}

#[tokio::test]
async fn rejections_say_why_and_open_nothing() {
    let bench = bench();
    bench.fault(Kind::Reject { reason: "INSUFFICIENT_FUNDS".to_owned() });
    let deal = bench.open("r1").await.unwrap();
    assert_eq!(deal.status, DealStatus::Rejected("INSUFFICIENT_FUNDS".to_owned()));
    bench.fault(Kind::MarketStatus {
        epic: FTSE.to_owned(),
        status: "CLOSED".to_owned(),
        length: Length(Micros(60_000_000)),
    });
    let DealStatus::Rejected(why) = bench.open("r2").await.unwrap().status else { panic!("a closed market dealt") };
    assert_eq!(why, "MARKET_CLOSED");
    assert!(bench.listed().await.is_empty());
    assert_eq!(updates(&bench), ["r1 INSUFFICIENT_FUNDS", "r2 MARKET_CLOSED"]);
}

#[tokio::test]
async fn a_used_up_allowance_refuses_a_deal_and_the_next_is_not_even_sent() {
    let limits = Limits { trading: Some(2), ..Limits::lifted() };
    let bench = Bench::new(Config { limits, ..going() });
    bench.quote("9700", "9701");
    for n in 1..=5 {
        let deal = bench.open(&format!("r{n}")).await.unwrap();
        match (n, deal.status) {
            (1 | 2, DealStatus::Open) => {}
            (3, DealStatus::Rejected(why)) => assert_eq!(why, "error.public-api.exceeded-account-trading-allowance"),
            (4 | 5, DealStatus::Rejected(why)) => assert!(why.starts_with("the allowance is used up for"), "{why}"),
            (n, other) => panic!("{n}: {other:?}"),
        }
    }
    assert_eq!((bench.count(OPENED), bench.listed().await.len()), (3, 2), "reading goes on");
}

#[tokio::test]
async fn tokens_that_die_before_a_deal_are_no_deal_and_before_a_closing_no_delay() {
    let bench = bench();
    assert_open(&bench.open("r1").await.unwrap());
    bench.fault(Kind::ExpireTokens);
    let deal = bench.open("r2").await.unwrap();
    assert_eq!(deal.status, DealStatus::Rejected("error.security.client-token-invalid".to_owned()));
    assert_open(&bench.open("r3").await.unwrap());
    bench.fault(Kind::ExpireTokens);
    let closed = bench.broker.close(&"r1".into(), bench.sim.now(), CloseReason::Session).await.unwrap();
    assert!(matches!(closed.status, DealStatus::Closed { reason: CloseReason::Session, .. }), "{closed:?}");
    assert_eq!(bench.listed().await, ["r3"]);
    assert_eq!((bench.count("POST /session 200"), bench.count("DELETE /positions/otc 401")), (3, 1));
}

#[tokio::test]
async fn a_stop_and_a_limit_that_were_hit_are_told_with_their_levels() {
    for is_streamed in [false, true] {
        let bench = bench();
        let stream = if is_streamed { Some(streamed(&bench).await) } else { None };
        assert_open(&bench.open("stopped").await.unwrap());
        bench.quote("9679.5", "9680.5");
        if !is_streamed {
            assert!(bench.broker.open_positions().await.unwrap().is_empty());
        } else {
            until("the stream tells of the stop", || {
                updates(&bench).contains(&"stopped closed 9679.5 Stop".to_owned())
            })
            .await;
        }
        let stopped = bench.settled("stopped").await.unwrap();
        let DealStatus::Closed { level, reason, .. } = stopped.status else { panic!("{stopped:?}") };
        assert_eq!((level.to_string().as_str(), reason), ("9679.5", CloseReason::Stop), "streamed: {is_streamed}");
        bench.quote("9700", "9701");
        assert_open(&bench.open("limited").await.unwrap());
        bench.quote("9750", "9751");
        let closed = bench.broker.close(&"limited".into(), bench.sim.now(), CloseReason::Time).await.unwrap();
        let DealStatus::Closed { level, reason, .. } = closed.status else { panic!("{closed:?}") };
        assert_eq!(level.to_string(), "9741", "the limit was quicker than the closing");
        assert!(matches!(reason, CloseReason::Limit | CloseReason::Time), "{reason:?}");
        drop(stream);
    }
}

#[tokio::test]
async fn positions_that_appear_change_or_vanish_are_seen() {
    let bench = bench();
    assert_open(&bench.open("r1").await.unwrap());
    bench.fault(Kind::PositionAppears {
        account: None,
        epic: FTSE.to_owned(),
        direction: "SELL".to_owned(),
        size: 2.0,
        stop_distance: Some(10.0),
        limit_distance: None,
        reference: Some("other".to_owned()),
    });
    let positions = bench.broker.open_positions().await.unwrap();
    let figures: Vec<(&str, String)> =
        positions.iter().map(|deal| (deal.reference.as_str(), deal.size.to_string())).collect();
    assert_eq!(figures, [("r1", "1".to_owned()), ("other", "2".to_owned())]);
    bench.fault(Kind::PositionChanges {
        deal_id: Some("r1".to_owned()),
        size: Some(0.6),
        drop_stop: true,
        drop_limit: false,
    });
    let positions = bench.broker.open_positions().await.unwrap();
    let ours = positions.iter().find(|deal| deal.reference.as_str() == "r1").unwrap();
    assert_eq!((ours.size.to_string().as_str(), ours.stop_level.to_string().as_str()), ("0.6", "0"));
    let known = bench.settled("r1").await.unwrap();
    assert_eq!((known.size, known.stop_level, &known.id), (ours.size, ours.stop_level, &ours.id));
    // One empty answer is not believed.
    bench.fault(Kind::EmptyPositions);
    assert_eq!(bench.broker.open_positions().await.unwrap().len(), 2);
    assert_eq!(bench.settled("r1").await.unwrap().status, DealStatus::Open);
    bench.fault(Kind::PositionCloses { deal_id: Some("r1".to_owned()), size: None });
    assert_eq!(bench.broker.open_positions().await.unwrap().len(), 1);
    let closed = bench.settled("r1").await.unwrap();
    assert!(matches!(closed.status, DealStatus::Closed { reason: CloseReason::Outside, .. }), "{closed:?}");

    assert_open(&bench.open("r2").await.unwrap());
    bench.fault(Kind::PositionVanishes { deal_id: Some("r2".to_owned()) });
    assert_eq!(bench.broker.open_positions().await.unwrap().len(), 1);
    let error = bench.broker.confirm(&"r2".into()).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Unreachable(why) if why.contains("gone, its exit is not told yet")),
        "{error}"
    );
}

#[tokio::test]
async fn a_position_that_is_listed_late_is_open_all_the_same() {
    let bench = bench();
    bench.fault(Kind::ListedLate { delay: Length(Micros(700_000)) });
    assert_open(&bench.open("r1").await.unwrap());
    assert!(bench.broker.open_positions().await.unwrap().is_empty());
    let error = bench.broker.confirm(&"r1".into()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Unreachable(_)), "not closed, not not-found: {error}");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(bench.broker.open_positions().await.unwrap().len(), 1);
    assert_open(&bench.settled("r1").await.unwrap());
}

#[tokio::test]
async fn a_part_can_be_closed_and_the_stream_tells_what_is_left() {
    let bench = bench();
    let _stream = streamed(&bench).await;
    let deal = bench.open("r1").await.unwrap();
    let part = ClosePosition {
        deal_id: deal.id.to_string(),
        direction: Side::Sell,
        size: number("0.4"),
        order_type: "MARKET",
    };
    bench.rest.close_position(&part).await.unwrap();
    let mut left = String::new();
    let of_r1 = "r1".into();
    until("the rest is told", || {
        left = bench.broker.take_updates().last().map_or(left.clone(), |deal| deal.size.to_string());
        left == "0.6"
    })
    .await;
    assert_eq!(bench.broker.confirm(&of_r1).await.unwrap().status, DealStatus::Open);
    let closed = bench.broker.close(&of_r1, bench.sim.now(), CloseReason::Time).await.unwrap();
    assert!(matches!(closed.status, DealStatus::Closed { .. }), "{closed:?}");
    assert!(bench.listed().await.is_empty());
}

#[tokio::test]
async fn working_orders_are_made_changed_filled_and_cancelled() {
    let bench = bench();
    let order = |reference: &str, level: &str, kind: OrderType| CreateOrder {
        epic: FTSE.to_owned(),
        expiry: "DFB".to_owned(),
        currency_code: "GBP".to_owned(),
        direction: Side::Buy,
        size: number("1"),
        level: number(level),
        kind,
        time_in_force: TimeInForce::GoodTillCancelled,
        good_till_date: None,
        guaranteed_stop: false,
        force_open: true,
        stop_distance: number("20"),
        limit_distance: number("40"),
        deal_reference: reference.to_owned(),
    };
    let told = async |reference: &str| {
        for _ in 0..100 {
            if let Some(confirm) = bench.rest.confirm_of(reference).await.unwrap() {
                return confirm;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{reference} is not confirmed");
    };
    bench.rest.create_order(&order("below", "9690", OrderType::Limit)).await.unwrap();
    let made = told("below").await;
    assert_eq!((made.deal_status.word(), made.reason.as_deref()), ("ACCEPTED", Some("SUCCESS")));
    let id = made.deal_id.unwrap();
    bench.rest.create_order(&order("wrong", "9750", OrderType::Limit)).await.unwrap();
    assert_eq!(told("wrong").await.deal_status.word(), "REJECTED");
    let amend = AmendOrder {
        level: number("9692"),
        kind: OrderType::Limit,
        time_in_force: TimeInForce::GoodTillCancelled,
        good_till_date: None,
        stop_distance: number("25"),
        limit_distance: number("50"),
    };
    let reference = bench.rest.amend_order(&id, &amend).await.unwrap();
    assert_eq!(told(&reference).await.status.unwrap().word(), "AMENDED");
    let orders = bench.rest.working_orders().await.unwrap();
    let [line] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!(
        (line.working_order_data.order_level, line.working_order_data.stop_distance),
        (number("9692"), Some(number("25")))
    );
    bench.quote("9690.5", "9691.5");
    assert!(bench.rest.working_orders().await.unwrap().is_empty(), "filled");
    let positions = bench.rest.positions().await.unwrap();
    assert_eq!(positions[0].position.level, number("9692"));

    bench.rest.create_order(&order("above", "9720", OrderType::Stop)).await.unwrap();
    let id = told("above").await.deal_id.unwrap();
    let reference = bench.rest.delete_order(&id).await.unwrap();
    assert_eq!(told(&reference).await.status.unwrap().word(), "DELETED");
    assert!(bench.rest.working_orders().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_happened_is_in_the_activity_and_the_money_in_the_transactions() {
    let bench = bench();
    let start = bench.sim.now();
    let deal = bench.open("r1").await.unwrap();
    bench.quote("9710.5", "9711.5");
    bench.broker.close(&"r1".into(), bench.sim.now(), CloseReason::Time).await.unwrap();
    let activity = bench.rest.activity(start, None).await.unwrap();
    let action = |n: usize| {
        let action = &activity[n].details.as_ref().unwrap().actions[0];
        (action.action_type.clone(), action.affected_deal_id.clone().unwrap())
    };
    assert_eq!(activity.len(), 2, "{activity:?}");
    assert_eq!(
        [action(0), action(1)],
        [(ActionType::PositionClosed, deal.id.to_string()), (ActionType::PositionOpened, deal.id.to_string())]
    );
    assert_eq!(activity[1].details.as_ref().unwrap().deal_reference.as_deref(), Some("r1"));
    let transactions = bench.rest.transactions(start, bench.sim.now() + Micros(1_000_000)).await.unwrap();
    let [one] = transactions.as_slice() else { panic!("{transactions:?}") };
    assert_eq!((one.transaction_type.as_str(), one.profit()), ("DEAL", Some(number("9.5"))), "9,701 to 9,710.5");
    // More than a page of it: what is refused is told as well.
    let wrong = OpenPosition {
        epic: FTSE.to_owned(),
        expiry: "DFB".to_owned(),
        currency_code: "GBP".to_owned(),
        direction: Side::Buy,
        size: number("0.001"),
        order_type: "MARKET",
        guaranteed_stop: false,
        force_open: true,
        trailing_stop: false,
        stop_distance: number("20"),
        limit_distance: number("40"),
        time_in_force: "FILL_OR_KILL",
        deal_reference: String::new(),
    };
    for n in 0..505 {
        let one = OpenPosition { deal_reference: format!("n{n}"), ..wrong.clone() };
        bench.rest.open_position(&one).await.unwrap();
        // A hundred share a second, and so do the end of one page and the beginning of the next; no machine deals 500 in one.
        bench.sim.advance(Micros(10_000));
    }
    let all = bench.rest.activity(start, None).await.unwrap();
    let mut references: Vec<&str> =
        all.iter().filter_map(|activity| activity.details.as_ref()?.deal_reference.as_deref()).collect();
    references.sort_unstable();
    references.dedup();
    let of_wrong = references.iter().filter(|reference| reference.starts_with('n')).count();
    assert_eq!((all.len(), of_wrong), (507, 505), "each once, over two pages");
}
