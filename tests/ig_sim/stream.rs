//! The streaming protocol frame by frame: over WebSocket and over HTTP.

use std::time::Duration;

use arena::domain::Micros;
use arena::sim::ig::{Config, Handle};
use serde_json::{Value, json};

use crate::client::{CABLE, Client, FTSE, price, start, still};

fn ready() -> (Handle, Client) {
    let sim = start(still());
    sim.quote(FTSE, price("9700"), price("9701")).unwrap();
    let client = Client::new(&sim);
    (sim, client)
}

#[test]
fn a_subscription_is_answered_in_order_and_updates_tell_changes() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    let price_item = format!("PRICE:SIM01:{FTSE}");
    stream.add(
        1,
        "MERGE",
        &price_item,
        "BIDPRICE1 ASKPRICE1 DLG_FLAG NO_SUCH DELAY",
        "&LS_data_adapter=Pricing&LS_snapshot=true",
    );
    let answer: Vec<String> = (0..4).map(|_| stream.line()).collect();
    assert_eq!(answer, ["REQOK,1", "SUBOK,1,1,5", "CONF,1,unlimited,filtered", "U,1,1,9700|9701|DEAL         |#|0"]);
    sim.quote(FTSE, price("9700"), price("9701.5")).unwrap();
    assert_eq!(stream.line(), "U,1,1,|9701.5|^3");
    sim.quote(FTSE, price("9700"), price("9701.5")).unwrap();
    assert!(stream.is_silent(), "a merged item tells nothing where nothing changed");
    stream.add(2, "DISTINCT", &format!("CHART:{FTSE}:TICK"), "BID OFR LTP UTM", "&LS_snapshot=true&LS_ack=false");
    let answer: Vec<String> = (0..3).map(|_| stream.line()).collect();
    assert_eq!(answer, ["SUBOK,2,1,4", "CONF,2,unlimited,filtered", "EOS,2,1"], "and no REQOK");
    sim.advance(Micros(1_000));
    sim.quote(FTSE, price("9700"), price("9701.5")).unwrap();
    assert_eq!(stream.line(), "U,2,1,9700|9701.5|#|1736328600001");
    stream.send("control\r\nLS_reqId=9&LS_subId=1&LS_op=delete");
    let mut answer = [stream.line(), stream.line()];
    answer.sort_unstable();
    assert_eq!(answer, ["REQOK,9", "UNSUB,1"]);
    sim.quote(FTSE, price("9600"), price("9601")).unwrap();
    assert_eq!(stream.line(), "U,2,1,9600|9601|^2", "only the other one goes on");
    stream.send("control\r\nLS_reqId=10&LS_op=destroy&LS_close_socket=true&LS_cause=api");
    assert_eq!([stream.line(), stream.line()], ["REQOK,10", "END,31,Destroy invoked by client"]);
    assert!(stream.is_cut());
}

#[test]
fn several_requests_in_one_message_are_each_answered() {
    let (_sim, client) = ready();
    let mut stream = client.stream();
    let line = |id: u32, item: &str| {
        format!(
            "LS_reqId={id}&LS_op=add&LS_subId={id}&LS_mode=MERGE&LS_group={item}&LS_schema=BID%20OFFER&LS_snapshot=true&LS_ack=false"
        )
    };
    let both = format!("MARKET%3A{FTSE}%20MARKET%3A{CABLE}");
    stream.send(&format!("control\r\n{}\r\n{}\r\n", line(1, &both), line(2, "MARKET%3AXX.D.NOSUCH.IP")));
    let lines: Vec<String> = (0..5).map(|_| stream.line()).collect();
    assert_eq!(lines[0], "REQERR,2,21,Bad item MARKET:XX.D.NOSUCH.IP");
    assert_eq!(lines[1..3], ["SUBOK,1,2,2", "CONF,1,unlimited,filtered"]);
    assert!(lines[3].starts_with("U,1,1,") && lines[4].starts_with("U,1,2,"), "{lines:?}");
}

#[test]
fn refusals_have_their_codes() {
    let (_sim, client) = ready();
    let mut stream = client.stream();
    let price_item = format!("PRICE:SIM01:{FTSE}");
    let tick = format!("CHART:{FTSE}:TICK");
    for (number, mode, group, more, want) in [
        (1, "MERGE", price_item.as_str(), "&LS_data_adapter=NONE", "REQERR,1,17,Data Adapter not found"),
        (2, "MERGE", &price_item, "", "REQERR,2,21,Bad item"),
        (3, "DISTINCT", "CHART:XX.D.NOSUCH.IP:TICK", "", "REQERR,3,21,Bad item"),
        (4, "MERGE", &format!("CHART:{FTSE}:2MINUTE"), "", "REQERR,4,21,Bad item"),
        (5, "DISTINCT", "TRADE:SIM02", "", "REQERR,5,-1,Invalid account type"),
        (6, "MERGE", &tick, "", "REQERR,6,24,"),
        (7, "COMMAND", &tick, "", "REQERR,7,24,"),
        (8, "MERGE", &format!("ACCOUNT:SIM01 MARKET:{FTSE}"), "", "REQERR,8,21,"),
        (9, "DISTINCT", &tick, "&LS_snapshot=perhaps", "REQERR,9,65,"),
        (10, "DISTINCT", &tick, "&LS_requested_max_frequency=-1", "REQERR,10,65,"),
        (11, "DISTINCT", &tick, "&LS_selector=x", "REQERR,11,25,"),
        (12, "DISTINCT", "", "", "REQERR,12,21,"),
    ] {
        let got = stream.refusal(number, mode, group, more);
        assert!(got.starts_with(want), "{group} {more}: {got}");
    }
    for (message, want) in [
        ("control\r\nLS_op=add", "ERROR,65,"),
        ("control\r\nLS_reqId=20&LS_op=fly", "REQERR,20,65,"),
        ("control\r\nLS_reqId=21&LS_op=delete&LS_subId=77", "REQERR,21,19,"),
        ("control\r\nLS_reqId=22&LS_op=delete&LS_subId=1&LS_session=S0", "REQERR,22,20,"),
        ("control\r\nLS_reqId=23&LS_op=destroy&LS_cause_code=5", "REQERR,23,65,"),
        ("control", "ERROR,65,"),
        ("nonsense\r\na=b", "ERROR,67,"),
        ("control\r\nLS_reqId=%zz", "ERROR,67,"),
        ("create_session\r\nLS_password=x", "CONERR,69,"),
        ("msg\r\nLS_reqId=24&LS_message=x", "REQERR,24,"),
        ("wsok", "WSOK"),
    ] {
        stream.send(message);
        let got = stream.line();
        assert!(got.starts_with(want), "{message:?}: {got}");
    }
}

#[test]
fn forty_subscriptions_are_allowed_on_a_connection_even_without_limits() {
    let (_sim, client) = ready();
    let mut stream = client.stream();
    for number in 1..=40 {
        stream.add(number, "DISTINCT", &format!("CHART:{FTSE}:TICK"), "BID", "&LS_ack=false");
        assert_eq!(stream.line(), format!("SUBOK,{number},1,1"));
        drop(stream.line());
    }
    assert_eq!(
        stream.refusal(41, "DISTINCT", &format!("CHART:{FTSE}:TICK"), ""),
        "REQERR,41,-2,Subscription limit of 40 exceeded"
    );
    stream.send("control\r\nLS_reqId=50&LS_op=delete&LS_subId=7&LS_ack=false");
    assert_eq!(stream.line(), "UNSUB,7");
    stream.add(41, "DISTINCT", &format!("CHART:{FTSE}:TICK"), "BID", "&LS_ack=false");
    assert_eq!(stream.line(), "SUBOK,41,1,1");
}

#[test]
fn a_session_needs_tokens_that_live_and_outlives_them() {
    let (sim, client) = ready();
    let mut refused = client.socket(Some("TLCP-2.4.0.lightstreamer.com"));
    refused.send("create_session\r\nLS_password=CST-bad%7CXST-bad");
    assert_eq!(refused.line(), "CONERR,1,User/password check failed");
    refused.send("create_session\r\nLS_adapter_set=OTHER");
    assert!(refused.line().starts_with("CONERR,2,"));
    refused.send("bind_session\r\nLS_session=S1");
    assert!(refused.line().starts_with("CONERR,20,"));
    let mut stream = client.stream();
    stream.add(1, "DISTINCT", &format!("CHART:{FTSE}:TICK"), "BID", "&LS_ack=false");
    drop((stream.line(), stream.line()));
    assert_eq!(client.call("DELETE", "/session", 1, None).status, 204);
    sim.quote(FTSE, price("9650"), price("9651")).unwrap();
    assert_eq!(stream.line(), "U,1,1,9650");
}

#[test]
fn the_subprotocol_is_echoed_and_a_foreign_one_refused() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let (sim, client) = ready();
    let url = format!("{}/lightstreamer", sim.stream_url().replace("http", "ws"));
    for (offered, want) in [
        (Some("TLCP-2.5.0.lightstreamer.com"), Ok(Some("TLCP-2.5.0.lightstreamer.com"))),
        (Some("other, TLCP-2.1.0.lightstreamer.com"), Ok(Some("TLCP-2.1.0.lightstreamer.com"))),
        (Some("chat"), Err(400)),
        (None, Ok(None)),
    ] {
        let mut request = url.clone().into_client_request().unwrap();
        if let Some(offered) = offered {
            request.headers_mut().insert("Sec-WebSocket-Protocol", offered.parse().unwrap());
        }
        let got = client.runtime.block_on(tokio_tungstenite::connect_async(request));
        let got = match got {
            Ok((_, response)) => {
                let echoed = response.headers().get("Sec-WebSocket-Protocol");
                Ok(echoed.map(|value| value.to_str().unwrap().to_owned()))
            }
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{offered:?}: {error}"),
        };
        assert_eq!(got, want.map(|echo| echo.map(str::to_owned)), "{offered:?}");
    }
}

#[test]
fn a_quiet_stream_is_probed_at_the_pace_that_was_asked_for() {
    let (_sim, client) = ready();
    let mut stream = client.socket(Some("TLCP-2.5.0.lightstreamer.com"));
    let password = format!("CST-{}|XST-{}", client.get_header("CST"), client.get_header("X-SECURITY-TOKEN"));
    stream.send(&format!("create_session\r\nLS_keepalive_millis=600&LS_reduce_head=true&LS_password={password}"));
    let head = stream.line();
    assert!(head.ends_with(",50000,600,*"), "{head}");
    assert_eq!([stream.line(), stream.line()], ["PROBE", "PROBE"]);
    stream.send("heartbeat\r\n\r\n");
    assert_eq!(stream.line(), "PROBE", "a heartbeat has no answer here");
}

#[test]
fn deals_are_told_once_each_with_the_other_fields_null() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    stream.add(1, "DISTINCT", "TRADE:SIM01", "CONFIRMS OPU WOU", "&LS_snapshot=true&LS_ack=false");
    assert_eq!([stream.line(), stream.line(), stream.line()], ["SUBOK,1,1,3", "CONF,1,unlimited,filtered", "EOS,1,1"]);
    stream.add(
        2,
        "MERGE",
        "ACCOUNT:SIM01",
        "PNL DEPOSIT FUNDS AVAILABLE_CASH EQUITY_USED NOTHING",
        "&LS_snapshot=true&LS_ack=false",
    );
    drop((stream.line(), stream.line()));
    assert_eq!(stream.line(), "U,2,1,0.00|0.00|100000.00|100000.00|0.00|#");
    let opened = client.confirm(&sim, &client.open(&json!({"stopDistance": 10, "size": 2})));
    // 9701 x 2 x 5 %; a point of spread, twice.
    assert_eq!(stream.line(), "U,2,1,-2.00|970.10||99027.90|0.97|");
    assert!(stream.is_silent(), "the stream comes later than REST");
    sim.advance(Micros(150_000));
    let mut events = Vec::new();
    for _ in 0..2 {
        let line = stream.line();
        let fields = decode(line.strip_prefix("U,1,1,").unwrap(), events.last());
        assert_eq!(fields.iter().filter(|field| field.is_some()).count(), 1, "{line}");
        events.push(fields);
    }
    let confirms: Value = serde_json::from_str(events.iter().find_map(|fields| fields[0].as_deref()).unwrap()).unwrap();
    let update: Value = serde_json::from_str(events.iter().find_map(|fields| fields[1].as_deref()).unwrap()).unwrap();
    assert_eq!((confirms["dealId"].clone(), confirms["status"].clone()), (opened["dealId"].clone(), json!("OPEN")));
    assert!(confirms["repeatDealingWindow"]["entries"].is_array());
    assert_eq!(
        (update["status"].clone(), update["size"].clone(), update["stopLevel"].clone()),
        (json!("OPEN"), json!(2.0), json!(9691.0))
    );
    // What the market closes itself is told without a confirm.
    sim.quote(FTSE, price("9690"), price("9691")).unwrap();
    assert_eq!(stream.line(), "U,2,1,0.00|0.00|99978.00|99978.00|0.00|");
    sim.advance(Micros(150_000));
    let fields = decode(stream.line().strip_prefix("U,1,1,").unwrap(), events.last());
    let update: Value = serde_json::from_str(fields[1].as_deref().unwrap()).unwrap();
    assert_eq!((update["status"].clone(), update["size"].clone()), (json!("DELETED"), json!(0.0)));
    assert_eq!((update["dealIdOrigin"].clone(), update["level"].clone()), (opened["dealId"].clone(), json!(9690.0)));
    assert!(stream.is_silent());
}

/// The values of an update, by the rules of the protocol.
fn decode(text: &str, before: Option<&Vec<Option<String>>>) -> Vec<Option<String>> {
    let mut out: Vec<Option<String>> = Vec::new();
    for token in text.split('|') {
        let at = out.len();
        match token {
            "" => out.push(before.unwrap()[at].clone()),
            "#" => out.push(None),
            run if run.starts_with('^') => {
                let n: usize = run[1..].parse().unwrap();
                out.extend_from_slice(&before.unwrap()[at..at + n]);
            }
            text => out.push(Some(text.replace("%7C", "|").replace("%25", "%"))),
        }
    }
    out
}

#[test]
fn candles_form_and_end_by_the_clock_and_a_silent_second_has_none() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    stream.add(
        1,
        "MERGE",
        &format!("CHART:{FTSE}:SECOND"),
        "UTM BID_OPEN BID_HIGH BID_LOW BID_CLOSE CONS_END CONS_TICK_COUNT",
        "&LS_snapshot=true&LS_ack=false",
    );
    drop((stream.line(), stream.line()));
    assert_eq!(stream.line(), "U,1,1,1736328600000|9700|9700|9700|9700|0|1");
    sim.advance(Micros(300_000));
    sim.quote(FTSE, price("9703"), price("9704")).unwrap();
    assert_eq!(stream.line(), "U,1,1,^2|9703||9703||2");
    sim.advance(Micros(699_999));
    assert!(stream.is_silent());
    sim.advance(Micros(1));
    assert_eq!(stream.line(), "U,1,1,^5|1|");
    sim.advance(Micros(5_000_000));
    assert!(stream.is_silent());
    sim.quote(FTSE, price("9699"), price("9700")).unwrap();
    assert_eq!(stream.line(), "U,1,1,1736328606000|9699|9699|9699|9699|0|1");
}

#[test]
fn a_frequency_is_granted_and_kept() {
    let (sim, client) = ready();
    let mut stream = client.stream();
    stream.add(
        1,
        "MERGE",
        &format!("L1:{FTSE}"),
        "BID",
        "&LS_requested_max_frequency=2.0&LS_snapshot=true&LS_ack=false",
    );
    assert_eq!([stream.line(), stream.line(), stream.line()], ["SUBOK,1,1,1", "CONF,1,2.0,filtered", "U,1,1,9700"]);
    for bid in ["9701", "9702", "9703"] {
        sim.quote(FTSE, price(bid), price("9710")).unwrap();
    }
    let begun = std::time::Instant::now();
    assert_eq!(stream.line(), "U,1,1,9703", "what lies between is left out");
    assert!(begun.elapsed() > Duration::from_millis(200), "{:?}", begun.elapsed());
    stream.send("control\r\nLS_reqId=2&LS_op=reconf&LS_subId=1&LS_requested_max_frequency=unlimited");
    let mut answer = [stream.line(), stream.line()];
    answer.sort_unstable();
    assert_eq!(answer, ["CONF,1,unlimited,filtered", "REQOK,2"]);
}

#[test]
fn old_market_items_can_be_made_mute() {
    let sim = start(Config { is_market_mute: true, ..still() });
    let client = Client::new(&sim);
    let mut stream = client.stream();
    stream.add(1, "MERGE", &format!("MARKET:{FTSE}"), "BID OFFER", "&LS_snapshot=true&LS_ack=false");
    assert_eq!([stream.line(), stream.line()], ["SUBOK,1,1,2", "CONF,1,unlimited,filtered"]);
    sim.quote(FTSE, price("9690"), price("9691")).unwrap();
    assert!(stream.is_silent(), "subscribed, and nothing delivered");
    assert_eq!(client.control("POST", "/market-items", &json!({"mute": false})).status, 200);
    sim.quote(FTSE, price("9691"), price("9692")).unwrap();
    assert_eq!(stream.line(), "U,1,1,9691|9692");
}

/// A stream with one subscription that has told two ticks: four data notifications.
fn ticking<'a>(sim: &Handle, client: &'a Client) -> crate::client::Stream<'a> {
    let mut stream = client.stream();
    stream.add(1, "DISTINCT", &format!("CHART:{FTSE}:TICK"), "BID", "&LS_ack=false");
    assert_eq!([stream.line(), stream.line()], ["SUBOK,1,1,1", "CONF,1,unlimited,filtered"]);
    for bid in ["9701", "9702"] {
        sim.quote(FTSE, price(bid), price("9710")).unwrap();
        assert_eq!(stream.line(), format!("U,1,1,{bid}"));
    }
    stream
}

#[test]
fn a_recovery_over_http_goes_on_where_the_client_stands_and_back_to_the_socket() {
    let (sim, client) = ready();
    let stream = ticking(&sim, &client);
    let session = stream.session.clone();
    drop(stream);
    sim.quote(FTSE, price("9703"), price("9710")).unwrap();
    // The client has counted three: SUBOK, CONF and the first tick.
    let poll = client.exchange(
        "bind_session",
        &format!("LS_session={session}&LS_recovery_from=3&LS_polling=true&LS_polling_millis=0&LS_idle_millis=0&LS_cause=ws.stalled"),
    );
    let lines: Vec<&str> = poll.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with(&format!("CONOK,{session},50000,")), "{poll}");
    assert_eq!(lines[4..], ["PROG,3", "U,1,1,9702", "U,1,1,9703", "LOOP,0"]);
    let mut stream = client.socket(Some("TLCP-2.4.0.lightstreamer.com"));
    stream.send("wsok");
    stream.send(&format!(
        "bind_session\r\nLS_session={session}&LS_keepalive_millis=5000&LS_send_sync=false&LS_reduce_head=true"
    ));
    assert_eq!(stream.line(), "WSOK");
    assert!(stream.line().starts_with("CONOK,"));
    sim.quote(FTSE, price("9704"), price("9710")).unwrap();
    assert_eq!(stream.line(), "U,1,1,9704");
    // From the future, nothing can be recovered, and the session is gone by that.
    let refused = client.exchange("bind_session", &format!("LS_session={session}&LS_recovery_from=99&LS_polling=true"));
    assert_eq!(refused, "CONERR,4,Recovery not possible\r\n");
    let gone = client.exchange("bind_session", &format!("LS_session={session}&LS_polling=true"));
    assert_eq!(gone, "CONERR,20,Session not found\r\n");
}

#[test]
fn a_rebind_goes_on_without_a_gap_on_the_same_socket() {
    let (sim, client) = ready();
    let mut stream = ticking(&sim, &client);
    stream.send("control\r\nLS_reqId=5&LS_op=force_rebind");
    assert_eq!([stream.line(), stream.line()], ["REQOK,5", "LOOP,0"]);
    sim.quote(FTSE, price("9703"), price("9710")).unwrap();
    assert!(stream.is_silent(), "nobody is bound");
    stream.send("bind_session\r\nLS_reduce_head=true");
    assert!(stream.line().starts_with("CONOK,"));
    assert_eq!(stream.line(), "U,1,1,9703");
}

#[test]
fn a_new_bind_takes_the_session_over() {
    let (sim, client) = ready();
    let mut first = ticking(&sim, &client);
    let mut second = client.socket(Some("TLCP-2.5.0.lightstreamer.com"));
    second.send(&format!("bind_session\r\nLS_session={}&LS_reduce_head=true", first.session));
    assert!(second.line().starts_with("CONOK,"));
    sim.quote(FTSE, price("9703"), price("9710")).unwrap();
    assert_eq!(second.line(), "U,1,1,9703");
    assert!(first.is_silent());
}

#[test]
fn a_socket_can_be_polled_too() {
    let (sim, client) = ready();
    let mut stream = client.socket(Some("TLCP-2.5.0.lightstreamer.com"));
    let password = format!("CST-{}%7CXST-{}", client.get_header("CST"), client.get_header("X-SECURITY-TOKEN"));
    stream.send(&format!(
        "create_session\r\nLS_polling=true&LS_polling_millis=20&LS_idle_millis=0&LS_reduce_head=true&LS_password={password}"
    ));
    assert!(stream.line().starts_with("CONOK,"));
    assert_eq!(stream.line(), "LOOP,20", "nothing waits, and there is no idle time to wait in");
    stream.add(1, "DISTINCT", &format!("CHART:{FTSE}:TICK"), "BID", "&LS_ack=false");
    assert!(stream.is_silent(), "between two polls");
    sim.quote(FTSE, price("9703"), price("9710")).unwrap();
    stream.send("bind_session\r\nLS_polling=true&LS_idle_millis=5000&LS_reduce_head=true");
    assert!(stream.line().starts_with("CONOK,"));
    let lines: Vec<String> = (0..4).map(|_| stream.line()).collect();
    assert_eq!(lines, ["SUBOK,1,1,1", "CONF,1,unlimited,filtered", "U,1,1,9703", "LOOP,0"]);
    sim.quote(FTSE, price("9704"), price("9711")).unwrap();
    assert!(stream.is_silent(), "what comes between two polls waits for the next");
    let begun = std::time::Instant::now();
    for (idle, told) in [(5_000, Some("U,1,1,9704")), (300, None)] {
        stream.send(&format!("bind_session\r\nLS_polling=true&LS_idle_millis={idle}&LS_reduce_head=true"));
        assert!(stream.line().starts_with("CONOK,"));
        if let Some(told) = told {
            assert_eq!(stream.line(), told);
        }
        assert_eq!(stream.line(), "LOOP,0");
    }
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    // And the next bind may stream.
    stream.send("bind_session\r\nLS_reduce_head=true&LS_send_sync=false");
    assert!(stream.line().starts_with("CONOK,"));
    sim.quote(FTSE, price("9705"), price("9712")).unwrap();
    assert_eq!(stream.line(), "U,1,1,9705");
    assert!(stream.is_silent());
}

#[test]
fn frames_come_over_http_in_polls_and_in_a_stream() {
    let (sim, client) = ready();
    let password = format!("CST-{}%7CXST-{}", client.get_header("CST"), client.get_header("X-SECURITY-TOKEN"));
    let created = client.exchange(
        "create_session",
        &format!("LS_polling=true&LS_polling_millis=0&LS_idle_millis=0&LS_reduce_head=true&LS_password={password}"),
    );
    let session = created.split(',').nth(1).unwrap().to_owned();
    assert!(created.ends_with("\r\nLOOP,0\r\n"), "{created}");
    let line = |id: u32, more: &str| format!("LS_session={session}&LS_reqId={id}&{more}");
    let add =
        format!("LS_op=add&LS_subId=1&LS_mode=DISTINCT&LS_group=CHART%3A{FTSE}%3ATICK&LS_schema=BID&LS_ack=false");
    let replies = client
        .exchange("control", &format!("{}\r\n{}", line(1, &add), line(2, "LS_op=delete&LS_subId=9&LS_ack=false")));
    assert_eq!(replies, "REQOK,1\r\nREQERR,2,19,Subscription not found\r\n", "LS_ack is nothing over HTTP");
    sim.quote(FTSE, price("9703"), price("9710")).unwrap();
    let poll = client.exchange(
        "bind_session",
        &format!("LS_session={session}&LS_polling=true&LS_idle_millis=5000&LS_reduce_head=true"),
    );
    assert!(poll.ends_with("SUBOK,1,1,1\r\nCONF,1,unlimited,filtered\r\nU,1,1,9703\r\nLOOP,0\r\n"), "{poll}");
    let begun = std::time::Instant::now();
    let empty = client.exchange(
        "bind_session",
        &format!("LS_session={session}&LS_polling=true&LS_idle_millis=300&LS_polling_millis=250&LS_reduce_head=true"),
    );
    assert!(empty.ends_with(",*\r\nLOOP,250\r\n"), "{empty}");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert_eq!(client.exchange("heartbeat", &line(3, "")), "REQOK,3\r\n");
    // A stream ends by LOOP when its length is spent: here at once.
    let stream = client.exchange(
        "bind_session",
        &format!("LS_session={session}&LS_content_length=100&LS_send_sync=false&LS_reduce_head=true"),
    );
    assert!(stream.starts_with("CONOK,") && stream.ends_with("\r\nLOOP,0\r\n"), "{stream}");
    assert_eq!(client.exchange("control", &line(4, "LS_op=destroy")), "REQOK,4\r\n");
    let ended = client.exchange("bind_session", &format!("LS_session={session}&LS_polling=true"));
    assert!(ended.starts_with("END,31,") || ended.starts_with("CONERR,20,"), "{ended}");
}
