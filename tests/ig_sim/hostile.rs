//! Whatever a client sends, the simulator answers or refuses, and goes on for the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use arena::sim::rng::Rng;
use serde_json::{Value, json};

use crate::client::{Client, FTSE, price, start, still};

/// A value that a field might be given by mistake.
fn odd(rng: &mut Rng) -> Value {
    let list = [
        json!(null),
        json!(true),
        json!("true"),
        json!(""),
        json!("x"),
        json!(-1),
        json!(0),
        json!(1),
        json!("1e9"),
        json!(1e300),
        json!(1e-300),
        json!(9700),
        json!("NaN"),
        json!([1]),
        json!({"a": 1}),
        json!("MARKET"),
        json!("BUY"),
        json!(FTSE),
        json!("9223372036854775807"),
    ];
    list[usize::try_from(rng.next_u64() % list.len() as u64).unwrap()].clone()
}

#[test]
fn bodies_with_anything_in_them_get_an_answer_and_never_a_server_error() {
    let sim = start(still());
    sim.quote(FTSE, price("9700"), price("9701")).unwrap();
    let client = Client::new(&sim);
    let mut rng = Rng::new(7, "bodies");
    let fields = [
        "epic",
        "expiry",
        "direction",
        "size",
        "orderType",
        "level",
        "guaranteedStop",
        "forceOpen",
        "currencyCode",
        "stopLevel",
        "stopDistance",
        "limitLevel",
        "limitDistance",
        "trailingStop",
        "trailingStopIncrement",
        "dealReference",
        "quoteId",
        "timeInForce",
        "type",
        "goodTillDate",
        "dealId",
        "trailingStopDistance",
    ];
    for n in 0..400 {
        let mut body = json!({
            "epic": FTSE, "expiry": "DFB", "direction": "BUY", "size": 1, "orderType": "MARKET", "guaranteedStop": false,
            "forceOpen": true, "currencyCode": "GBP", "level": null, "type": "LIMIT", "timeInForce": null,
        });
        for _ in 0..1 + rng.next_u64() % 4 {
            let field = fields[usize::try_from(rng.next_u64() % fields.len() as u64).unwrap()];
            body[field] = odd(&mut rng);
        }
        let answer = match n % 4 {
            0 => client.call("POST", "/positions/otc", 2, Some(body.clone())),
            1 => client.call("POST", "/workingorders/otc", 2, Some(body.clone())),
            2 => client.delete("/positions/otc", 1, body.clone()),
            _ => client.call("PUT", "/positions/otc/ANY", 2, Some(body.clone())),
        };
        assert!(answer.status < 500, "{body}: {answer:?}");
        assert!(answer.status == 200 || answer.body["errorCode"].is_string(), "{body}: {answer:?}");
    }
    assert_eq!(client.call("GET", "/accounts", 1, None).status, 200);
}

#[test]
fn paths_and_queries_of_any_kind_are_answered() {
    let sim = start(still());
    let client = Client::new(&sim);
    for path in [
        "/prices",
        "/prices/%zz",
        "/prices/IX.D.FTSE.DAILY.IP?max=-1",
        "/prices/IX.D.FTSE.DAILY.IP?max=99999999999999999999",
        "/prices/IX.D.FTSE.DAILY.IP?max=999999",
        "/prices/IX.D.FTSE.DAILY.IP?pageNumber=0",
        "/prices/IX.D.FTSE.DAILY.IP?from=0000-01-01T00:00:00&to=9999-12-31T23:59:59&resolution=MONTH",
        "/prices/IX.D.FTSE.DAILY.IP?from=9999-12-31T23:59:59",
        "/history/activity?from=9999-12-31T23:59:59&to=9999-12-31T23:59:59",
        "/history/activity/99999999999999999",
        "/history/activity/-5",
        "/history/transactions?maxSpanSeconds=99999999999999999",
        "/history/transactions/ALL/01-01-2020/32-13-2020",
        "/markets?epics=",
        "/markets/%E2%82%AC",
        "/confirms/",
        "/positions/otc/x/y/z",
        "//",
        "/watchlists/%00",
    ] {
        let answer = client.call("GET", path, 3, None);
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
}

#[test]
fn frames_of_any_kind_leave_the_stream_alive() {
    let sim = start(still());
    let client = Client::new(&sim);
    let mut stream = client.stream();
    let mut rng = Rng::new(7, "frames");
    let parts = [
        "control",
        "bind_session",
        "heartbeat",
        "wsok",
        "\r\n",
        "\r\n\r\n",
        "&",
        "=",
        "LS_reqId=1",
        "LS_op=add",
        "LS_op=delete",
        "LS_subId=1",
        "LS_subId=0",
        "LS_subId=99999999999",
        "LS_group=MARKET%3AX",
        "LS_schema=%20",
        "LS_mode=MERGE",
        "%",
        "%C3",
        "LS_snapshot=",
        "LS_requested_max_frequency=1e400",
        "é",
        "LS_recovery_from=-1",
        "|",
        ",",
    ];
    for _ in 0..500 {
        let n = 1 + rng.next_u64() % 8;
        let message: String =
            (0..n).map(|_| parts[usize::try_from(rng.next_u64() % parts.len() as u64).unwrap()]).collect();
        stream.send(&message);
    }
    let mut is_alive = |id: &str| {
        stream.send(&format!("control\r\nLS_reqId={id}&LS_op=none"));
        while !stream.line().starts_with(&format!("REQERR,{id},")) {}
    };
    is_alive("first");
    // And what is too long ends the connection, with a word.
    let mut other = client.stream();
    other.send(&format!("control\r\nLS_reqId=1&LS_group={}", "x".repeat(60_000)));
    assert!(other.line().starts_with("ERROR,67,"));
    assert!(other.is_cut());
    is_alive("second");
}

#[test]
fn broken_http_is_refused_and_a_silent_connection_disturbs_nobody() {
    let sim = start(still());
    let silent = TcpStream::connect(sim.address()).unwrap();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /gateway/deal/session HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
        b"GET /lightstreamer HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(sim.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(bytes).unwrap();
        let mut answer = [0; 512];
        let n = socket.read(&mut answer).unwrap_or(0);
        let text = String::from_utf8_lossy(&answer[..n]);
        assert!(n == 0 || text.starts_with("HTTP/1.1 400"), "{text}");
    }
    let client = Client::new(&sim);
    assert_eq!(client.call("GET", "/accounts", 1, None).status, 200);
    drop(silent);
}
