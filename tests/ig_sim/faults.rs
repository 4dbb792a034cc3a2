//! Trouble on demand: each kind, as a client meets it.

use std::time::{Duration, Instant};

use arena::domain::Micros;
use arena::sim::ig::{Config, Fault, Handle, Kind, Length};
use serde_json::{Value, json};

use crate::client::{Client, FTSE, price, start, still};

const SECOND: i64 = 1_000_000;

fn ready() -> (Handle, Client) {
    let sim = start(still());
    sim.quote(FTSE, price("9700"), price("9701")).unwrap();
    let client = Client::new(&sim);
    (sim, client)
}

fn put(client: &Client, fault: Value) {
    let answer = client.control("POST", "/faults", &fault);
    assert_eq!(answer.status, 200, "{fault}: {answer:?}");
}

#[test]
fn an_answer_can_be_lost_after_the_deal_went_through() {
    let (sim, client) = ready();
    let reference = |n: u32| json!({"dealReference": format!("r{n}")});
    put(
        &client,
        json!({"kind": "answer_after", "status": 500, "error": "system.error", "path": "POST /positions/otc"}),
    );
    assert_eq!(client.open(&reference(1)).error(), (500, "system.error"));
    put(&client, json!({"kind": "drop_after", "path": "POST /positions"}));
    let body = json!({
        "epic": FTSE, "expiry": "DFB", "direction": "BUY", "size": 1, "orderType": "MARKET", "guaranteedStop": false,
        "forceOpen": true, "currencyCode": "GBP", "dealReference": "r2",
    });
    assert!(client.try_call("POST", "/positions/otc", 2, Some(body.clone())).is_none(), "the connection is cut");
    put(&client, json!({"kind": "drop", "path": "POST /positions"}));
    assert!(client.try_call("POST", "/positions/otc", 2, Some(body)).is_none());
    put(&client, json!({"kind": "answer", "status": 500, "path": "POST /positions"}));
    assert_eq!(client.open(&reference(4)).status, 500);
    sim.advance(Micros(SECOND));
    let listed: Vec<Value> =
        client.positions().iter().map(|position| position["position"]["dealReference"].clone()).collect();
    assert_eq!(listed, ["r1", "r2"], "two went through, one never arrived, one was refused");
    put(&client, json!({"kind": "answer_after", "status": 405, "path": "GET /confirms"}));
    let empty = client.call("GET", "/confirms/r2", 1, None);
    assert_eq!((empty.status, empty.text.as_str()), (405, ""));
    assert_eq!(client.get("/confirms/r2", 1)["dealStatus"], "ACCEPTED");
    // All of them are written down, with how they were answered.
    let seen = sim.requests(0);
    let opened: Vec<Value> = seen["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["path"] == "/positions/otc")
        .map(|request| request["status"].clone())
        .collect();
    assert_eq!(opened, [json!(500), Value::Null, Value::Null, json!(500)]);
    assert!(!seen.to_string().contains(client.get_header("CST")), "tokens are not written down");
}

#[test]
fn tokens_expire_and_allowances_run_out_when_told() {
    let (sim, mut client) = ready();
    put(
        &client,
        json!({"kind": "answer", "status": 403, "error": "error.public-api.exceeded-account-trading-allowance", "times": 2}),
    );
    for _ in 0..2 {
        assert_eq!(client.open(&json!({})).error().1, "error.public-api.exceeded-account-trading-allowance");
    }
    assert_eq!(client.open(&json!({})).status, 200);
    put(&client, json!({"kind": "expire_tokens", "in": "10s"}));
    assert_eq!(client.call("GET", "/accounts", 1, None).status, 200);
    sim.advance(Micros(10 * SECOND));
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (401, "error.security.client-token-invalid"));
    client = Client::new(&sim);
    put(&client, json!({"kind": "slow", "delay": "300ms"}));
    let begun = Instant::now();
    assert_eq!(client.call("GET", "/accounts", 1, None).status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[test]
fn confirms_are_delayed_lost_and_told_twice() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    stream.add(1, "DISTINCT", "TRADE:SIM01", "CONFIRMS", "&LS_ack=false");
    drop((stream.line(), stream.line()));
    put(&client, json!([{"kind": "confirm_delay", "delay": "5s"}, {"kind": "confirm_twice"}]));
    drop(client.open(&json!({"dealReference": "late"})));
    sim.advance(Micros(4_999_000));
    assert_eq!(client.call("GET", "/confirms/late", 1, None).status, 404);
    sim.advance(Micros(SECOND));
    assert_eq!(client.get("/confirms/late", 1)["dealStatus"], "ACCEPTED");
    assert!(stream.line().contains("\"late\"") && stream.line().starts_with("U,1,1,"), "and again");
    assert!(stream.is_silent());
    put(&client, json!({"kind": "confirm_lost"}));
    drop(client.open(&json!({"dealReference": "lost"})));
    sim.advance(Micros(10 * SECOND));
    assert_eq!(client.call("GET", "/confirms/lost", 1, None).status, 404);
    assert!(stream.is_silent());
    assert_eq!(client.positions().len(), 2, "the deal is there all the same");
}

#[test]
fn deals_are_rejected_slip_and_are_listed_late_when_told() {
    let (sim, client) = ready();
    put(&client, json!({"kind": "reject", "reason": "MANUAL_ORDER_TIMEOUT"}));
    assert_eq!(client.confirm(&sim, &client.open(&json!({})))["reason"], "MANUAL_ORDER_TIMEOUT");
    put(&client, json!({"kind": "slip", "points": 1.5}));
    assert_eq!(client.confirm(&sim, &client.open(&json!({})))["level"], 9702.5);
    client.control("DELETE", "/faults", &json!({}));
    put(&client, json!({"kind": "listed_late", "delay": "3s"}));
    let opened = client.confirm(&sim, &client.open(&json!({})));
    assert_eq!((opened["level"].clone(), client.positions().len()), (json!(9701.0), 1));
    sim.advance(Micros(3 * SECOND));
    assert_eq!(client.positions().len(), 2);
    put(&client, json!({"kind": "empty_positions", "times": 1}));
    assert_eq!((client.positions().len(), client.positions().len()), (0, 2));
}

#[test]
fn positions_appear_change_and_go_outside_our_doing() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    stream.add(1, "DISTINCT", "TRADE:SIM01", "OPU", "&LS_ack=false");
    drop((stream.line(), stream.line()));
    let appears = json!({
        "kind": "position_appears", "epic": FTSE, "direction": "SELL", "size": 2, "stop_distance": 10, "reference": "other",
    });
    put(&client, appears);
    let position = client.positions()[0]["position"].clone();
    assert_eq!((position["direction"].clone(), position["stopLevel"].clone()), (json!("SELL"), json!(9710.0)));
    put(&client, json!({"kind": "position_changes", "deal_id": "other", "size": 1.5, "drop_stop": true}));
    let position = client.positions()[0]["position"].clone();
    assert_eq!((position["size"].clone(), position["stopLevel"].clone()), (json!(1.5), Value::Null));
    sim.advance(Micros(SECOND));
    assert!(stream.is_silent(), "nobody tells of it");
    put(&client, json!({"kind": "position_closes", "size": 0.5}));
    sim.advance(Micros(SECOND));
    assert!(stream.line().contains("\"status\":\"UPDATED\""));
    put(&client, json!({"kind": "position_closes", "in": "2s"}));
    assert_eq!(client.positions().len(), 1);
    sim.advance(Micros(3 * SECOND));
    assert_eq!(client.positions().len(), 0);
    assert!(stream.line().contains("\"status\":\"DELETED\""));
    assert_eq!(client.get("/history/transactions", 2)["transactions"].as_array().unwrap().len(), 2);
    drop(client.confirm(&sim, &client.open(&json!({}))));
    put(&client, json!({"kind": "position_vanishes"}));
    assert_eq!(client.positions().len(), 0);
    assert_eq!(client.get("/history/transactions", 2)["transactions"].as_array().unwrap().len(), 2, "without a trace");
}

#[test]
fn a_jump_moves_every_price_from_there_on() {
    let (_sim, client) = ready();
    put(&client, json!({"kind": "jump", "epic": FTSE, "points": -50}));
    let snapshot = client.get(&format!("/markets/{FTSE}"), 3)["snapshot"].clone();
    assert_eq!((snapshot["bid"].clone(), snapshot["offer"].clone()), (json!(9650.0), json!(9651.0)));
}

#[test]
fn streams_stall_go_mute_and_get_bad_frames() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    stream.add(1, "MERGE", &format!("PRICE:SIM01:{FTSE}"), "BIDPRICE1", "&LS_data_adapter=Pricing&LS_ack=false");
    drop((stream.line(), stream.line()));
    put(&client, json!({"kind": "stall", "for": "5s"}));
    sim.quote(FTSE, price("9690"), price("9691")).unwrap();
    stream.send("wsok");
    assert!(stream.is_silent(), "not even a reply");
    sim.advance(Micros(5 * SECOND));
    let mut lines = [stream.line(), stream.line()];
    lines.sort_unstable();
    assert_eq!(lines, ["U,1,1,9690", "WSOK"], "what waited comes then");
    put(&client, json!({"kind": "mute", "epic": FTSE, "for": "5s"}));
    sim.quote(FTSE, price("9680"), price("9681")).unwrap();
    stream.send("wsok");
    assert_eq!(stream.line(), "WSOK", "the stream lives");
    assert!(stream.is_silent());
    sim.advance(Micros(5 * SECOND));
    sim.quote(FTSE, price("9670"), price("9671")).unwrap();
    assert_eq!(stream.line(), "U,1,1,9670");
    put(&client, json!({"kind": "bad_frame", "frame": "U,1,1"}));
    assert_eq!(stream.line(), "U,1,1");
    put(&client, json!({"kind": "loop"}));
    assert_eq!(stream.line(), "LOOP,0");
    stream.send("bind_session\r\nLS_reduce_head=true");
    assert!(stream.line().starts_with("CONOK,"));
    put(&client, json!({"kind": "end", "code": 48, "text": "Maximum, reached"}));
    assert_eq!(stream.line(), "END,48,Maximum%2C reached");
}

#[test]
fn sockets_are_cut_and_recoveries_refused() {
    let (_sim, client) = ready();
    let mut stream = client.stream();
    let session = stream.session.clone();
    put(&client, json!({"kind": "cut_sockets"}));
    assert!(stream.is_cut());
    put(&client, json!({"kind": "refuse_recovery"}));
    let refused = client.exchange("bind_session", &format!("LS_session={session}&LS_recovery_from=0&LS_polling=true"));
    assert_eq!(refused, "CONERR,4,Recovery not possible\r\n");
    let mut stream = client.stream();
    put(&client, json!({"kind": "forget_sessions"}));
    let gone = client.exchange("bind_session", &format!("LS_session={}&LS_polling=true", stream.session));
    assert!(gone.starts_with("CONERR,20,"), "{gone}");
    stream.send("control\r\nLS_reqId=1&LS_op=delete&LS_subId=1");
    assert!(stream.line().starts_with("REQERR,1,20,"));
    put(&client, json!({"kind": "refuse_create", "code": 5}));
    let mut stream = client.socket(Some("TLCP-2.5.0.lightstreamer.com"));
    stream.send("create_session\r\nLS_password=CST-a%7CXST-b");
    assert!(stream.line().starts_with("CONERR,5,"));
    // Sockets of REST go too, where that is wanted: the next request takes another, once the client has seen its own go.
    put(&client, json!({"kind": "cut_sockets", "all": true}));
    assert!(stream.is_cut());
    client.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(100)).await });
    assert!(client.try_call("GET", "/accounts", 1, None).is_some_and(|answer| answer.status == 200));
}

#[test]
fn an_upgrade_is_refused_when_told() {
    let (sim, client) = ready();
    put(&client, json!({"kind": "refuse_websocket"}));
    let url = format!("{}/lightstreamer", sim.stream_url().replace("http", "ws"));
    let refused = client.runtime.block_on(tokio_tungstenite::connect_async(url.as_str()));
    let status = match refused {
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    };
    assert_eq!(status, 403);
    drop(client.socket(None));
}

#[test]
fn maintenance_ends_tokens_and_streams_and_takes_markets_off() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    put(&client, json!({"kind": "maintenance", "for": "1h"}));
    assert_eq!(stream.line(), "END,48,Maintenance");
    assert_eq!(client.login(2).status, 503);
    assert_eq!(client.call("GET", "/accounts", 1, None).status, 503);
    sim.advance(Micros(3_600 * SECOND));
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (401, "error.security.client-token-invalid"));
    let client = Client::new(&sim);
    assert_eq!(client.get(&format!("/markets/{FTSE}"), 3)["snapshot"]["marketStatus"], "TRADEABLE");
}

#[test]
fn a_status_is_told_on_the_stream_without_a_quote() {
    let (_sim, client) = ready();
    let mut stream = client.stream();
    stream.add(
        1,
        "MERGE",
        &format!("PRICE:SIM01:{FTSE}"),
        "DLG_FLAG",
        "&LS_data_adapter=Pricing&LS_ack=false&LS_snapshot=true",
    );
    assert_eq!([stream.line(), stream.line(), stream.line()][2], "U,1,1,DEAL         ");
    put(&client, json!({"kind": "market_status", "epic": FTSE, "status": "SUSPENDED", "for": "1m"}));
    assert_eq!(stream.line(), "U,1,1,SUSPEND      ");
    client.control("DELETE", "/faults", &json!({}));
    assert_eq!(stream.line(), "U,1,1,DEAL         ");
}

#[test]
fn what_a_script_gets_wrong_is_told_in_one_sentence() {
    let (_sim, client) = ready();
    for fault in [
        json!({"kind": "flood"}),
        json!({"kind": "jump", "epic": "XX.D.NOSUCH.IP", "points": 1}),
        json!({"kind": "position_appears", "epic": FTSE, "direction": "UP", "size": 1}),
        json!({"kind": "position_appears", "epic": FTSE, "direction": "BUY", "size": 1, "account": "NONE"}),
        json!({"kind": "market_status", "epic": FTSE, "status": "ASLEEP", "for": "1m"}),
        json!({"faults": 3}),
        json!([]).as_array().map(|_| json!("text")).unwrap(),
    ] {
        let answer = client.control("POST", "/faults", &fault);
        assert_eq!(answer.status, 400, "{fault}");
        assert!(answer.body["error"].as_str().is_some_and(|sentence| sentence.len() > 5), "{fault}: {answer:?}");
    }
    assert_eq!(client.control("GET", "/nothing", &json!({})).status, 404);
    assert_eq!(client.control("POST", "/quotes", &json!({"epic": FTSE, "bid": 2, "offer": 1})).status, 400);
    let quoted = client.control("POST", "/quotes", &json!({"epic": FTSE, "bid": 9600, "offer": "9601"}));
    assert_eq!(quoted.status, 200);
    assert_eq!(client.get(&format!("/markets/{FTSE}"), 3)["snapshot"]["bid"], 9600.0);
}

/// How a run of forty deals is answered under faults by chance.
fn troubled(seed: u64) -> Vec<Option<u16>> {
    let sim = start(Config { seed, ..still() });
    sim.quote(FTSE, price("9700"), price("9701")).unwrap();
    let client = Client::new(&sim);
    for (kind, chance) in [(Kind::DropAfter, 0.2), (Kind::Answer { status: 500, error: None }, 0.3)] {
        let path = Some("POST /positions".to_owned());
        sim.fault(Fault { path, times: None, chance: Some(chance), ..Fault::once(kind) });
    }
    (0..40)
        .map(|n| {
            let body = json!({
                "epic": FTSE, "expiry": "DFB", "direction": "BUY", "size": 1, "orderType": "MARKET",
                "guaranteedStop": false, "forceOpen": true, "currencyCode": "GBP", "dealReference": format!("r{n}"),
            });
            client.try_call("POST", "/positions/otc", 2, Some(body)).map(|answer| answer.status)
        })
        .collect()
}

#[test]
fn faults_by_chance_are_the_same_under_one_seed() {
    let once = troubled(5);
    assert_eq!(once, troubled(5));
    assert_ne!(once, troubled(6));
    for kind in [None, Some(200), Some(500)] {
        assert!(once.contains(&kind), "{kind:?} never came: {once:?}");
    }
}

#[test]
fn what_happens_again_and_again_stops_when_told() {
    let (sim, client) = ready();
    let every = Fault { every: Some(Micros(SECOND)), times: None, ..Fault::once(Kind::ExpireTokens) };
    sim.fault(every);
    sim.advance(Micros(60 * SECOND));
    let struck = sim.state()["faults"]["struck"].as_u64().unwrap();
    assert!((30..100).contains(&struck), "{struck} in a minute");
    sim.clear_faults();
    let fresh = Client::new(&sim);
    sim.advance(Micros(60 * SECOND));
    assert_eq!(fresh.call("GET", "/accounts", 1, None).status, 200);
    assert_eq!(client.call("GET", "/accounts", 1, None).status, 401);
    assert_eq!(Length::try_from("2s".to_owned()).unwrap(), Length(Micros(2 * SECOND)));
}
