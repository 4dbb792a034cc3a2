//! The broker against a service of the test that deals like IG, with the troubles that IG is known for.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::broker::ig::testing::{Asked, Reply, Service};
use crate::clock::ManualClock;

const EPIC: &str = "CS.D.EURUSD.TODAY.IP";

fn at(seconds: i64) -> UtcMicros {
    UtcMicros(1_700_000_000_000_000 + seconds * 1_000_000)
}

fn order() -> LiveOrder {
    LiveOrder {
        reference: "ours-1".into(),
        epic: EPIC.into(),
        direction: Direction::Long,
        size: "0.5".parse().unwrap(),
        stop: "0.0008".parse().unwrap(),
        limit: "0.00125".parse().unwrap(),
        at: at(0),
        valid_until: at(60),
    }
}

fn confirm(status: &str) -> String {
    let rest = r#""dealId":"DI1","epic":"CS.D.EURUSD.TODAY.IP","size":0.5,"date":"2023-11-14T22:13:21.120""#;
    match status {
        "OPEN" => format!(
            r#"{{"dealReference":"ours-1","dealStatus":"ACCEPTED","status":"OPEN","reason":"SUCCESS","direction":"BUY",
                "level":1.1,"stopLevel":1.0992,"limitLevel":1.10125,
                "affectedDeals":[{{"dealId":"DI1","status":"OPENED"}}],{rest}}}"#
        ),
        "CLOSED" => format!(
            r#"{{"dealReference":"theirs","dealStatus":"ACCEPTED","status":"CLOSED","reason":"SUCCESS",
                "direction":"SELL","level":1.1003,"affectedDeals":[{{"dealId":"DI1","status":"FULLY_CLOSED"}}],{rest}}}"#
        ),
        reason => format!(
            r#"{{"dealReference":"ours-1","dealStatus":"REJECTED","status":null,"reason":"{reason}","affectedDeals":[],
                {rest}}}"#
        ),
    }
}

const NONE: &str = r#"{"positions":[]}"#;
const ONE: &str = r#"{"positions":[{"position":{"dealId":"DI1","dealReference":"ours-1","direction":"BUY","size":0.5,
    "level":1.1,"stopLevel":1.0992,"limitLevel":1.10125,"createdDateUTC":"2023-11-14T22:13:21"},
    "market":{"epic":"CS.D.EURUSD.TODAY.IP"}}]}"#;
const QUIET: &str = r#"{"activities":[],"metadata":{"paging":{"size":0,"next":null}}}"#;
const STOPPED: &str = r#"{"activities":[{"date":"2023-11-14T22:14:30","epic":"CS.D.EURUSD.TODAY.IP","dealId":"DI2",
    "channel":"SYSTEM","type":"POSITION","status":"ACCEPTED","details":{"dealReference":"other","level":1.0991,
    "actions":[{"actionType":"POSITION_CLOSED","affectedDealId":"DI1"}]}}],"metadata":{"paging":{"next":null}}}"#;

struct Bench {
    service: Service,
    broker: IgBroker,
    clock: Arc<ManualClock>,
}

impl Bench {
    /// Logins are answered; everything else as the test says.
    async fn new(answering: impl Fn(&Asked, &str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let service = Service::start(move |asked, before| match asked.path.as_str() {
            "/session" => Reply::login(1),
            path => answering(asked, path.split('?').next().unwrap_or_default(), before),
        })
        .await;
        let clock = Arc::new(ManualClock::default());
        clock.set(at(1));
        let terms = Terms { expiry: "DFB".into(), currency: "GBP".into(), point: "0.0001".parse().unwrap() };
        let patience = Patience { settles_millis: 0, empty_again_millis: 1 };
        let rest = Arc::new(service.client_with(|options| options.timeout_millis = 500));
        let terms = BTreeMap::from([(Epic::from(EPIC), terms)]);
        let broker = IgBroker::new(rest, Arc::clone(&clock) as Arc<dyn Clock>, terms, patience);
        Self { service, broker, clock }
    }

    async fn open(&self) -> Result<Deal, BrokerError> {
        self.broker.open_now(&order()).await
    }

    /// Looks up until it is settled or fails; pauses between looks are those of the broker.
    async fn settle(&self) -> Result<Deal, BrokerError> {
        loop {
            match self.broker.confirm_now(&"ours-1".into()).await {
                Ok(deal) if deal.status == DealStatus::Pending => tokio::task::yield_now().await,
                other => return other,
            }
        }
    }

    fn count(&self, line: &str) -> usize {
        self.service.lines().iter().filter(|sent| sent.starts_with(line)).count()
    }
}

#[tokio::test]
async fn stop_and_limit_travel_in_the_opening_request_in_points() {
    let bench = Bench::new(|_, path, _| match path {
        "/positions/otc" => Reply::ok(r#"{"dealReference":"ours-1"}"#),
        _ => Reply::ok(&confirm("OPEN")),
    })
    .await;
    let deal = bench.open().await.unwrap();
    assert_eq!((deal.status, deal.id.as_str(), deal.level.to_string()), (DealStatus::Open, "DI1", "1.1".to_owned()));
    let sent = bench.service.asked().into_iter().find(|asked| asked.path == "/positions/otc").unwrap().json();
    for (key, want) in [
        ("stopDistance", serde_json::json!(8)),
        ("limitDistance", serde_json::json!(12.5)),
        ("dealReference", serde_json::json!("ours-1")),
        ("direction", serde_json::json!("BUY")),
        ("forceOpen", serde_json::json!(true)),
        ("expiry", serde_json::json!("DFB")),
    ] {
        assert_eq!(sent[key], want, "{key}");
    }
    assert_eq!(bench.open().await.unwrap().status, DealStatus::Open);
    assert_eq!(bench.count("POST /positions/otc"), 1, "the same reference is never sent twice");
}

#[tokio::test]
async fn the_stream_may_be_quicker_than_the_confirmation() {
    let bench = Bench::new(|_, path, _| match path {
        "/positions/otc" => Reply::ok(r#"{"dealReference":"ours-1"}"#),
        _ => Reply::error(404, "error.confirms.deal-not-found"),
    })
    .await;
    let of_stream = async {
        while bench.count("POST /positions/otc") == 0 {
            tokio::task::yield_now().await;
        }
        bench.broker.on_confirm(&serde_json::from_str(&confirm("OPEN")).unwrap());
    };
    let (deal, ()) = tokio::join!(bench.open(), of_stream);
    assert_eq!(deal.unwrap().status, DealStatus::Open);
    assert_eq!(bench.broker.take_updates().len(), 1, "told once");
}

#[tokio::test]
async fn refusals_open_nothing_and_say_why() {
    for (reply, want) in [
        (Reply::error(400, "validation.null-not-allowed.request"), "validation.null-not-allowed.request"),
        (Reply::error(403, "error.public-api.exceeded-account-trading-allowance"), "error.public-api.exceeded"),
        (Reply::error(401, "error.security.client-token-invalid"), "error.security.client-token-invalid"),
    ] {
        let bench = Bench::new(move |_, _, _| reply.clone()).await;
        let deal = bench.open().await.unwrap();
        assert!(matches!(&deal.status, DealStatus::Rejected(why) if why.starts_with(want)), "{deal:?}");
        assert_eq!(bench.count("POST /positions/otc"), 1);
    }
    let bench = Bench::new(|_, path, _| match path {
        "/positions/otc" => Reply::ok(r#"{"dealReference":"ours-1"}"#),
        _ => Reply::ok(&confirm("MINIMUM_ORDER_SIZE_ERROR")),
    })
    .await;
    assert_eq!(bench.open().await.unwrap().status, DealStatus::Rejected("MINIMUM_ORDER_SIZE_ERROR".to_owned()));
    let bench = Bench::new(|_, _, _| Reply::error(403, "error.security.api-key-disabled")).await;
    assert!(matches!(bench.open().await, Err(BrokerError::Denied(_))));
}

#[tokio::test]
async fn nothing_is_sent_after_an_order_has_lapsed() {
    let bench = Bench::new(|_, _, _| Reply::ok(NONE)).await;
    bench.clock.set(at(60));
    let deal = bench.open().await.unwrap();
    assert!(matches!(&deal.status, DealStatus::Rejected(why) if why.starts_with("too late")), "{deal:?}");
    assert_eq!(bench.service.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_deal_that_went_through_without_an_answer_is_found_by_its_reference() {
    for trouble in [Reply::Cut, Reply::error(500, "system.error"), Reply::Say(405, Vec::new(), String::new())] {
        for source in ["confirm", "positions", "activity"] {
            let trouble = trouble.clone();
            let bench = Bench::new(move |_, path, _| match path {
                "/positions/otc" => trouble.clone(),
                "/confirms/ours-1" if source == "confirm" => Reply::ok(&confirm("OPEN")),
                "/confirms/ours-1" => Reply::error(404, "error.confirms.deal-not-found"),
                "/positions" if source == "positions" => Reply::ok(ONE),
                "/positions" => Reply::ok(NONE),
                _ => Reply::ok(
                    r#"{"activities":[
                        {"date":"2023-11-14T22:14:30","dealId":"DI2","type":"POSITION","status":"ACCEPTED",
                         "details":{"dealReference":"ours-1","level":1.0992,
                            "actions":[{"actionType":"POSITION_CLOSED","affectedDealId":"DI1"}]}},
                        {"date":"2023-11-14T22:13:21","dealId":"DI1","type":"POSITION","status":"ACCEPTED",
                         "details":{"dealReference":"ours-1","level":1.1,"size":0.5,"direction":"BUY","stopLevel":1.0992,
                            "limitLevel":1.10125,"actions":[{"actionType":"POSITION_OPENED","affectedDealId":"DI1"}]}}
                       ],"metadata":{"paging":{"next":null}}}"#,
                ),
            })
            .await;
            assert!(matches!(bench.open().await, Err(BrokerError::OutcomeUnknown { .. })));
            let deal = bench.settle().await.unwrap();
            match source {
                "activity" => {
                    let level = "1.0992".parse().unwrap();
                    let want = DealStatus::Closed { time: at(70), level, reason: CloseReason::Stop };
                    assert_eq!((deal.status, deal.level.to_string()), (want, "1.1".to_owned()));
                }
                _ => assert_eq!((deal.status, deal.id.as_str()), (DealStatus::Open, "DI1"), "{source}"),
            }
            assert_eq!(bench.count("POST /positions/otc"), 1, "never sent again");
        }
    }
}

#[tokio::test]
async fn nothing_is_believed_only_when_it_is_found_twice() {
    let bench = Bench::new(|_, path, _| match path {
        "/positions/otc" => Reply::Cut,
        "/confirms/ours-1" => Reply::error(404, "error.confirms.deal-not-found"),
        "/positions" => Reply::ok(NONE),
        _ => Reply::ok(QUIET),
    })
    .await;
    assert!(matches!(bench.open().await, Err(BrokerError::OutcomeUnknown { .. })));
    let error = bench.settle().await.unwrap_err();
    assert_eq!(error, BrokerError::NotFound { reference: "ours-1".into() });
    assert_eq!(bench.count("GET /confirms/ours-1"), 2);
}

fn closing(status: &'static str) -> impl Fn(&Asked, &str, usize) -> Reply + Send + Sync {
    let asked_to_close = AtomicUsize::new(0);
    move |asked, path, _| match path {
        "/positions/otc" if asked.line().starts_with("DELETE") => {
            asked_to_close.fetch_add(1, Ordering::SeqCst);
            match status {
                "cut" => Reply::Cut,
                "gone" => Reply::error(400, "unable to aggregate close positions - no compatible position found"),
                _ => Reply::ok(r#"{"dealReference":"theirs"}"#),
            }
        }
        "/positions/otc" => Reply::ok(r#"{"dealReference":"ours-1"}"#),
        "/confirms/ours-1" => Reply::ok(&confirm("OPEN")),
        "/confirms/theirs" if status == "rejected" => Reply::ok(&confirm("MARKET_CLOSED").replace("ours-1", "theirs")),
        "/confirms/theirs" => Reply::ok(&confirm("CLOSED")),
        "/positions" if status == "gone" => Reply::ok(NONE),
        "/positions" => Reply::ok(ONE),
        _ => Reply::ok(STOPPED),
    }
}

#[tokio::test]
async fn a_position_is_closed_by_its_name_with_the_delete_that_keeps_its_body() {
    let bench = Bench::new(closing("")).await;
    bench.open().await.unwrap();
    let deal = bench.broker.close_now(&"ours-1".into(), CloseReason::Time).await.unwrap();
    let want = DealStatus::Closed {
        time: "2023-11-14T22:13:21.120Z".parse().unwrap(),
        level: "1.1003".parse().unwrap(),
        reason: CloseReason::Time,
    };
    assert_eq!(deal.status, want);
    let sent = bench.service.asked().into_iter().find(|asked| asked.line().starts_with("DELETE /positions")).unwrap();
    assert_eq!(
        sent.json(),
        serde_json::json!({"dealId": "DI1", "direction": "SELL", "size": 0.5, "orderType": "MARKET"})
    );
    let again = bench.broker.close_now(&"ours-1".into(), CloseReason::Halt).await.unwrap();
    assert_eq!((again.status, bench.count("DELETE /positions")), (want, 1), "closing twice asks once");
}

#[tokio::test]
async fn a_closing_that_fails_is_told_and_one_that_came_too_late_is_resolved() {
    let bench = Bench::new(closing("rejected")).await;
    bench.open().await.unwrap();
    let error = bench.broker.close_now(&"ours-1".into(), CloseReason::Time).await.unwrap_err();
    assert!(matches!(&error, BrokerError::Unreachable(why) if why.contains("MARKET_CLOSED")), "{error}");

    let bench = Bench::new(closing("cut")).await;
    bench.open().await.unwrap();
    let error = bench.broker.close_now(&"ours-1".into(), CloseReason::Time).await.unwrap_err();
    assert!(matches!(error, BrokerError::OutcomeUnknown { .. }), "{error}");

    let bench = Bench::new(closing("gone")).await;
    bench.open().await.unwrap();
    let deal = bench.broker.close_now(&"ours-1".into(), CloseReason::Time).await.unwrap();
    assert!(matches!(deal.status, DealStatus::Closed { .. }), "its stop was first: {deal:?}");
}

#[tokio::test]
async fn a_stop_that_was_hit_is_told_with_its_level() {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_stopped);
    let bench = Bench::new(move |_, path, _| match path {
        "/positions/otc" => Reply::ok(r#"{"dealReference":"ours-1"}"#),
        "/confirms/ours-1" => Reply::ok(&confirm("OPEN")),
        "/positions" if seen.load(Ordering::SeqCst) => Reply::ok(NONE),
        "/positions" => Reply::ok(ONE),
        _ => Reply::ok(STOPPED),
    })
    .await;
    bench.open().await.unwrap();
    assert_eq!(bench.broker.positions_now().await.unwrap().len(), 1);
    is_stopped.store(true, Ordering::SeqCst);
    assert_eq!(bench.broker.positions_now().await.unwrap().len(), 0);
    assert_eq!(bench.count("GET /positions 2"), 3, "an empty list is asked for twice");
    let deal = bench.broker.confirm_now(&"ours-1".into()).await.unwrap();
    let want = DealStatus::Closed { time: at(70), level: "1.0991".parse().unwrap(), reason: CloseReason::Stop };
    assert_eq!(deal.status, want);
}

#[tokio::test]
async fn one_empty_answer_is_not_believed() {
    let bench = Bench::new(move |_, path, before| match path {
        "/positions/otc" => Reply::ok(r#"{"dealReference":"ours-1"}"#),
        "/confirms/ours-1" => Reply::ok(&confirm("OPEN")),
        _ if before == 0 => Reply::ok(NONE),
        _ => Reply::ok(ONE),
    })
    .await;
    bench.open().await.unwrap();
    assert_eq!(bench.broker.positions_now().await.unwrap().len(), 1);
    assert_eq!(bench.broker.confirm_now(&"ours-1".into()).await.unwrap().status, DealStatus::Open);
}

#[tokio::test]
async fn positions_of_others_are_told_and_not_taken_for_ours() {
    let bench = Bench::new(|_, _, _| Reply::ok(&ONE.replace("ours-1", "web-7"))).await;
    let positions = bench.broker.positions_now().await.unwrap();
    assert_eq!((positions.len(), positions[0].reference.as_str()), (1, "web-7"));
    assert_eq!(bench.broker.take_updates(), []);
}

#[tokio::test]
async fn after_a_restart_what_the_stream_says_of_our_positions_is_understood() {
    let bench = Bench::new(|_, _, _| Reply::ok(STOPPED)).await;
    let deal = Deal {
        id: "DI1".into(),
        level: "1.1".parse().unwrap(),
        stop_level: "1.0992".parse().unwrap(),
        limit_level: "1.10125".parse().unwrap(),
        opened: at(1),
        size: "0.5".parse().unwrap(),
        epic: EPIC.into(),
        status: DealStatus::Open,
        ..pending(&"ours-1".into())
    };
    bench.broker.adopt(vec![deal]);
    bench.broker.on_position_update(
        &serde_json::from_str(r#"{"dealId":"DI7","dealIdOrigin":"DI1","status":"DELETED","size":0}"#).unwrap(),
    );
    bench.broker.resolve_gone().await;
    let told = bench.broker.take_updates();
    assert!(matches!(told[0].status, DealStatus::Closed { reason: CloseReason::Stop, .. }), "{told:?}");
}
