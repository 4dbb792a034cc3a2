//! Dealing: fills, stops, limits, orders, confirms and money, each figure worked by hand.

use arena::domain::{Micros, Money};
use arena::sim::ig::{AccountSpec, Config, Handle, Hours, Listing, Prices, Quoted};
use serde_json::{Value, json};

use crate::client::{CABLE, Client, FTSE, price, start, still};

const SECOND: i64 = 1_000_000;

fn quote(sim: &Handle, bid: &str, offer: &str) {
    sim.quote(FTSE, price(bid), price(offer)).unwrap();
}

/// A simulator at 9700/9701 and a client.
fn ready() -> (Handle, Client) {
    let sim = start(still());
    quote(&sim, "9700", "9701");
    let client = Client::new(&sim);
    (sim, client)
}

fn balance(client: &Client) -> Value {
    client.get("/accounts", 1)["accounts"][0]["balance"].clone()
}

fn last_transaction(client: &Client) -> Value {
    client.get("/history/transactions?type=ALL&maxSpanSeconds=1000000", 2)["transactions"][0].clone()
}

#[test]
fn a_stop_deals_at_the_quote_that_reaches_it_and_a_limit_at_its_level() {
    let (sim, client) = ready();
    let opened = client.confirm(&sim, &client.open(&json!({"stopDistance": 10, "limitDistance": 20, "size": 2})));
    assert_eq!(opened["level"], 9701.0, "bought at the offer");
    assert_eq!((opened["stopLevel"].clone(), opened["limitLevel"].clone()), (json!(9691.0), json!(9721.0)));
    assert_eq!((opened["stopDistance"].clone(), opened["limitDistance"].clone()), (json!(10.0), json!(20.0)));
    quote(&sim, "9691.1", "9692.1");
    assert_eq!(client.positions().len(), 1);
    // A gap: 4 points beyond the stop. (9687 - 9701) x 2 = -28.
    quote(&sim, "9687", "9688");
    assert_eq!(client.positions(), Vec::<Value>::new());
    assert_eq!(balance(&client)["balance"], 99_972.0);
    let closed = last_transaction(&client);
    assert_eq!((closed["profitAndLoss"].clone(), closed["closeLevel"].clone()), (json!("£-28.00"), json!("9687.0")));
    assert_eq!((closed["openLevel"].clone(), closed["size"].clone()), (json!("9701.0"), json!("+2")));

    quote(&sim, "9700", "9701");
    let short = json!({"direction": "SELL", "stopDistance": 10, "limitDistance": 20, "size": 1.5});
    let opened = client.confirm(&sim, &client.open(&short));
    assert_eq!((opened["level"].clone(), opened["limitLevel"].clone()), (json!(9700.0), json!(9680.0)));
    // The limit is at 9680; the quote is better, the deal is not. 20 x 1.5 = 30.
    quote(&sim, "9670", "9671");
    assert_eq!(balance(&client)["balance"], 100_002.0);
    assert_eq!(last_transaction(&client)["size"], "-1.5");
    let from = "/history/activity?from=2025-01-08T09:00:00";
    let history = client.get(from, 3);
    assert_eq!(history["activities"][0]["channel"], "SYSTEM");
    assert!(history["activities"][0]["description"].as_str().unwrap().starts_with("Limit hit"), "{history}");
}

#[test]
fn a_quote_that_fills_is_not_looked_at_for_exits() {
    let (sim, client) = ready();
    // The stop is nearer than the spread: only a quote after the fill may reach it.
    quote(&sim, "9690", "9701");
    drop(client.confirm(&sim, &client.open(&json!({"stopDistance": 5, "size": 1}))));
    assert_eq!(client.positions().len(), 1);
    quote(&sim, "9690", "9701");
    assert_eq!(client.positions().len(), 0);
}

#[test]
fn a_trailing_stop_follows_by_whole_steps_and_never_back() {
    let (sim, client) = ready();
    let trailing = json!({"stopDistance": 10, "trailingStop": true, "trailingStopIncrement": 4});
    let opened = client.confirm(&sim, &client.open(&trailing));
    assert_eq!((opened["stopLevel"].clone(), opened["trailingStop"].clone()), (json!(9691.0), json!(true)));
    let stop = || client.positions()[0]["position"]["stopLevel"].as_f64().unwrap();
    // The stop moves once the bid is distance and step ahead of it: 9691 + 14 = 9705.
    for (bid, want) in [("9704.9", 9691.0), ("9705", 9695.0), ("9717.5", 9707.0), ("9708", 9707.0)] {
        quote(&sim, bid, "9720");
        assert!((stop() - want).abs() < 1e-9, "{bid}: {} instead of {want}", stop());
    }
    let position = client.positions()[0]["position"].clone();
    assert_eq!((position["trailingStep"].clone(), position["trailingStopDistance"].clone()), (json!(4.0), json!(10.0)));
    quote(&sim, "9706", "9707");
    assert_eq!(client.positions().len(), 0);
    assert_eq!(balance(&client)["balance"], 100_005.0);
    // Who has not enabled them cannot have them.
    let off = client.call("PUT", "/accounts/preferences", 1, Some(json!({"trailingStopsEnabled": "false"})));
    assert_eq!(off.body, json!({"status": "SUCCESS"}));
    quote(&sim, "9700", "9701");
    assert_eq!(client.confirm(&sim, &client.open(&trailing))["reason"], "TRAILING_STOP_NOT_ALLOWED");
}

#[test]
fn a_guaranteed_stop_deals_at_its_level_whatever_the_gap() {
    let (sim, client) = ready();
    let near = client.confirm(&sim, &client.open(&json!({"stopDistance": 20, "guaranteedStop": true})));
    assert_eq!(near["reason"], "ATTACHED_ORDER_LEVEL_ERROR", "half a percent of 9701 is 48.5");
    let opened = client.confirm(&sim, &client.open(&json!({"stopDistance": 50, "guaranteedStop": true})));
    assert_eq!(opened["guaranteedStop"], true);
    quote(&sim, "9000", "9001");
    assert_eq!(balance(&client)["balance"], 99_950.0);
}

#[test]
fn netting_closes_the_oldest_first_and_opens_what_is_left() {
    let (sim, client) = ready();
    let mut deals = Vec::new();
    for size in [1.0, 2.0] {
        sim.advance(Micros(SECOND));
        let opened = client.confirm(&sim, &client.open(&json!({"size": size})));
        deals.push(opened["dealId"].as_str().unwrap().to_owned());
    }
    quote(&sim, "9710", "9711");
    let netted = client.confirm(&sim, &client.open(&json!({"direction": "SELL", "size": 1.5, "forceOpen": false})));
    assert_eq!(netted["status"], "PARTIALLY_CLOSED");
    let affected = json!([
        {"dealId": deals[0], "status": "FULLY_CLOSED"},
        {"dealId": deals[1], "status": "PARTIALLY_CLOSED"},
    ]);
    // 9 points each: 9 x 1 + 9 x 0.5.
    assert_eq!((netted["affectedDeals"].clone(), netted["profit"].clone()), (affected, json!(13.5)));
    assert_eq!(client.positions()[0]["position"]["size"], 1.5);
    let turned = client.confirm(&sim, &client.open(&json!({"direction": "SELL", "size": 4, "forceOpen": false})));
    assert_eq!(turned["status"], "OPEN");
    assert_eq!(turned["affectedDeals"][0], json!({"dealId": turned["dealId"], "status": "OPENED"}));
    assert_eq!(turned["affectedDeals"][1], json!({"dealId": deals[1], "status": "FULLY_CLOSED"}));
    let left = client.positions();
    assert_eq!((left.len(), left[0]["position"]["size"].clone()), (1, json!(2.5)));
    assert_eq!(left[0]["position"]["direction"], "SELL");
    // Forced open, a hedge stands beside it, unless the account forbids that.
    assert_eq!(client.confirm(&sim, &client.open(&json!({})))["status"], "OPEN");
    assert_eq!(client.positions().len(), 2);
    let mut config = still();
    config.accounts[0].is_hedging_allowed = false;
    let sim = start(config);
    let client = Client::new(&sim);
    drop(client.confirm(&sim, &client.open(&json!({}))));
    let hedge = client.confirm(&sim, &client.open(&json!({"direction": "SELL"})));
    assert_eq!(hedge["reason"], "OPPOSING_POSITIONS_NOT_ALLOWED");
}

#[test]
fn a_position_is_closed_in_parts_and_by_market() {
    let (sim, client) = ready();
    let opened = client.confirm(&sim, &client.open(&json!({"size": 3, "stopDistance": 30})));
    let deal = opened["dealId"].as_str().unwrap();
    let part = client.confirm(&sim, &client.close(deal, "SELL", 1.0));
    assert_eq!((part["status"].clone(), part["dealId"].clone()), (json!("PARTIALLY_CLOSED"), json!(deal)));
    assert_eq!((part["profit"].clone(), part["profitCurrency"].clone()), (json!(-1.0), json!("GBP")));
    let kept = &client.positions()[0]["position"];
    assert_eq!((kept["size"].clone(), kept["stopLevel"].clone()), (json!(2.0), json!(9671.0)));
    for (direction, size) in [("SELL", 2.5), ("BUY", 1.0)] {
        let refused = client.confirm(&sim, &client.close(deal, direction, size));
        assert_eq!(refused["reason"], "POSITION_NOT_AVAILABLE_TO_CLOSE", "{direction} {size}");
    }
    drop(client.confirm(&sim, &client.open(&json!({"size": 1}))));
    let by_market = json!({"epic": FTSE, "expiry": "DFB", "direction": "SELL", "size": 3, "orderType": "MARKET"});
    let all = client.confirm(&sim, &client.delete("/positions/otc", 1, by_market.clone()));
    assert_eq!((all["status"].clone(), all["affectedDeals"].as_array().unwrap().len()), (json!("CLOSED"), 2));
    assert_eq!(client.positions().len(), 0);
    let nothing = client.delete("/positions/otc", 1, by_market);
    assert_eq!(nothing.error(), (400, "unable to aggregate close positions - no compatible position found"));
    // A real DELETE arrives without its body.
    let body = json!({"dealId": deal, "direction": "SELL", "size": 1, "orderType": "MARKET"});
    let bare = client.call("DELETE", "/positions/otc", 1, Some(body));
    assert_eq!(bare.error(), (400, "validation.null-not-allowed.request"));
    assert_eq!(
        client.delete("/positions/otc", 1, json!({"direction": "SELL"})).error().1,
        "validation.one-selection-required.request"
    );
}

#[test]
fn a_confirm_comes_late_and_is_gone_after_a_minute() {
    let mut config = still();
    config.delays.confirm = (Micros(SECOND), Micros(SECOND));
    let sim = start(config);
    let client = Client::new(&sim);
    let dealt = client.open(&json!({"dealReference": "my-own_1"}));
    assert_eq!(dealt.body, json!({"dealReference": "my-own_1"}));
    let ask = || client.call("GET", "/confirms/my-own_1", 1, None);
    assert_eq!(ask().error(), (404, "error.confirms.deal-not-found"));
    sim.advance(Micros(SECOND));
    assert_eq!(ask().body["dealReference"], "my-own_1");
    assert_eq!(client.positions()[0]["position"]["dealReference"], "my-own_1");
    sim.advance(Micros(59 * SECOND));
    assert_eq!(ask().status, 200);
    sim.advance(Micros(SECOND));
    assert_eq!(ask().status, 404);
    // The reference is the key to idempotence: it deals once.
    assert_eq!(client.open(&json!({"dealReference": "my-own_1"})).status, 200);
    sim.advance(Micros(SECOND));
    assert_eq!(ask().body["reason"], "DUPLICATE_ORDER_ERROR");
    assert_eq!(client.positions().len(), 1);
}

#[test]
fn rejections_have_the_reason_of_the_rule_that_was_broken() {
    let (sim, client) = ready();
    for (changes, reason) in [
        (json!({"size": 0.4}), "MINIMUM_ORDER_SIZE_ERROR"),
        (json!({"size": 0.505}), "SIZE_INCREMENT"),
        (json!({"stopDistance": 3.9}), "ATTACHED_ORDER_LEVEL_ERROR"),
        (json!({"stopLevel": 9710}), "ATTACHED_ORDER_LEVEL_ERROR"),
        (json!({"limitLevel": 9690}), "ATTACHED_ORDER_LEVEL_ERROR"),
        (json!({"limitLevel": 20_000}), "ATTACHED_ORDER_LEVEL_ERROR"),
        (json!({"currencyCode": "JPY"}), "CONTACT_SUPPORT_INSTRUMENT_ERROR"),
        (json!({"expiry": "-"}), "REJECT_CFD_ORDER_ON_SPREADBET_ACCOUNT"),
        (json!({"expiry": "SEP-25"}), "INSTRUMENT_NOT_FOUND"),
        (json!({"epic": "XX.D.NOSUCH.IP"}), "INSTRUMENT_NOT_FOUND"),
        (json!({"size": 1000}), "INSUFFICIENT_FUNDS"),
        (json!({"orderType": "LIMIT", "level": 9700.9}), "LEVEL_TOLERANCE_ERROR"),
        (json!({"orderType": "QUOTE", "level": 9701, "quoteId": "q"}), "ORDER_DECLINED"),
        (
            json!({"stopDistance": 10, "trailingStop": "true", "trailingStopIncrement": 0.5}),
            "ATTACHED_ORDER_TRAILING_STOP_ERROR",
        ),
    ] {
        let confirm = client.confirm(&sim, &client.open(&changes));
        assert_eq!(
            (confirm["dealStatus"].clone(), confirm["reason"].clone()),
            (json!("REJECTED"), json!(reason)),
            "{changes}"
        );
        assert_eq!(
            (confirm["status"].clone(), confirm["affectedDeals"].clone()),
            (Value::Null, json!([])),
            "{changes}"
        );
    }
    assert_eq!(client.positions().len(), 0);
    let kept = client.confirm(&sim, &client.open(&json!({"orderType": "LIMIT", "level": 9701.5})));
    assert_eq!(kept["level"], 9701.0, "no worse than the market");
    // The other account deals in contracts.
    let mut client = client;
    let switched = client.call("PUT", "/session", 1, Some(json!({"accountId": "SIM02"})));
    client.take_tokens(&switched);
    assert_eq!(client.confirm(&sim, &client.open(&json!({})))["reason"], "REJECT_SPREADBET_ORDER_ON_CFD_ACCOUNT");
    let contract = json!({"epic": "IX.D.FTSE.IFM.IP", "expiry": "-"});
    assert_eq!(client.confirm(&sim, &client.open(&contract))["dealStatus"], "ACCEPTED");
}

#[test]
fn an_amendment_replaces_both_levels_or_neither() {
    let (sim, client) = ready();
    let opened = client.confirm(&sim, &client.open(&json!({"stopDistance": 10, "limitDistance": 10})));
    let path = format!("/positions/otc/{}", opened["dealId"].as_str().unwrap());
    let amend = |body: Value| client.confirm(&sim, &client.call("PUT", &path, 2, Some(body)));
    let levels = || {
        let position = &client.positions()[0]["position"];
        (position["stopLevel"].clone(), position["limitLevel"].clone())
    };
    assert_eq!(amend(json!({"stopLevel": 9690, "limitLevel": 9699}))["reason"], "ATTACHED_ORDER_LEVEL_ERROR");
    assert_eq!(levels(), (json!(9691.0), json!(9711.0)), "a rejected one leaves all as it was");
    // 4 points from the bid, at which it would be closed.
    assert_eq!(amend(json!({"stopLevel": 9696.1}))["reason"], "ATTACHED_ORDER_LEVEL_ERROR");
    let done = amend(json!({"stopLevel": "9696"}));
    assert_eq!((done["status"].clone(), done["stopLevel"].clone()), (json!("AMENDED"), json!(9696.0)));
    assert_eq!(levels(), (json!(9696.0), Value::Null), "what is absent is removed");
    let half = client.call("PUT", &path, 2, Some(json!({"trailingStop": true, "trailingStopDistance": 10})));
    assert_eq!(half.status, 400);
    let trailing = json!({
        "stopLevel": 9690, "trailingStop": true, "trailingStopDistance": 10, "trailingStopIncrement": 2,
    });
    assert_eq!(amend(trailing)["trailingStop"], true);
    let gone = client.call("PUT", "/positions/otc/NOSUCH", 2, Some(json!({})));
    assert_eq!(client.confirm(&sim, &gone)["reason"], "POSITION_NOT_FOUND");
}

#[test]
fn a_market_that_can_only_be_edited_lets_levels_move_away_alone() {
    let (sim, client) = ready();
    let opened = client.confirm(&sim, &client.open(&json!({"stopDistance": 20, "limitDistance": 20})));
    let deal = opened["dealId"].as_str().unwrap();
    let fault = json!({"kind": "market_status", "epic": FTSE, "status": "EDITS_ONLY", "for": "10m"});
    assert_eq!(client.control("POST", "/faults", &fault).status, 200);
    assert_eq!(client.get(&format!("/markets/{FTSE}"), 3)["snapshot"]["marketStatus"], "EDITS_ONLY");
    let amend = |stop: f64, limit: f64| {
        let body = json!({"stopLevel": stop, "limitLevel": limit});
        client.confirm(&sim, &client.call("PUT", &format!("/positions/otc/{deal}"), 2, Some(body)))["reason"].clone()
    };
    assert_eq!(amend(9682.0, 9721.0), "MOVE_AWAY_ONLY_STOP");
    assert_eq!(amend(9681.0, 9720.0), "MOVE_AWAY_ONLY_LIMIT");
    assert_eq!(amend(9680.0, 9722.0), "SUCCESS");
    assert_eq!(client.confirm(&sim, &client.open(&json!({})))["reason"], "MARKET_CLOSED_WITH_EDITS");
    assert_eq!(client.confirm(&sim, &client.close(deal, "SELL", 1.0))["reason"], "MARKET_CLOSED_WITH_EDITS");
    let order = client.confirm(&sim, &client.call("POST", "/workingorders/otc", 2, Some(order("LIMIT", 9600.0))));
    assert_eq!(order["dealStatus"], "ACCEPTED", "orders are taken all the same");
    // A quote that comes while nothing can be dealt triggers nothing.
    quote(&sim, "9000", "9001");
    assert_eq!(client.positions().len(), 1);
    sim.advance(Micros(600 * SECOND));
    quote(&sim, "9500", "9501");
    assert_eq!(client.positions().len(), 1, "the stop closed the one, the order opened the other");
    assert_eq!(client.positions()[0]["position"]["level"], 9600.0);
}

fn order(kind: &str, level: f64) -> Value {
    json!({
        "epic": FTSE, "expiry": "DFB", "direction": "BUY", "size": 1, "level": level, "type": kind,
        "timeInForce": "GOOD_TILL_CANCELLED", "guaranteedStop": false, "currencyCode": "GBP", "forceOpen": true,
        "stopDistance": 10, "limitDistance": 12,
    })
}

#[test]
fn working_orders_wait_for_their_side_of_the_market() {
    let (sim, client) = ready();
    let place = |body: Value| client.confirm(&sim, &client.call("POST", "/workingorders/otc", 2, Some(body)));
    for (kind, level) in [("LIMIT", 9702.0), ("STOP", 9700.0)] {
        assert_eq!(place(order(kind, level))["reason"], "ATTACHED_ORDER_LEVEL_ERROR", "{kind} {level}");
    }
    let limit = place(order("LIMIT", 9690.0));
    let stop = place(order("STOP", 9710.0));
    assert_eq!((limit["status"].clone(), limit["stopLevel"].clone()), (json!("OPEN"), json!(9680.0)));
    let listed = client.get("/workingorders", 2);
    let data = &listed["workingOrders"][1]["workingOrderData"];
    assert_eq!((data["orderType"].clone(), data["stopDistance"].clone()), (json!("STOP"), json!(10.0)));
    // The offer reaches the limit from above: it deals at its level. The stop deals at the offer, beyond its level.
    quote(&sim, "9685", "9686");
    quote(&sim, "9714", "9715");
    let positions = client.positions();
    let level = |at: usize| positions[at]["position"]["level"].clone();
    assert_eq!(positions.len(), 1, "the limit of the first one, 9702, was reached on the way");
    assert_eq!(level(0), 9715.0);
    assert_eq!(positions[0]["position"]["dealReference"], stop["dealReference"]);
    assert_eq!(positions[0]["position"]["stopLevel"], 9705.0);
    assert_eq!(balance(&client)["balance"], 100_012.0);
    assert_eq!(client.get("/workingorders", 2)["workingOrders"], json!([]));
}

#[test]
fn working_orders_are_amended_deleted_and_lapse() {
    let (sim, client) = ready();
    let post = |body: Value| client.call("POST", "/workingorders/otc", 2, Some(body));
    let mut dated = order("LIMIT", 9690.0);
    dated["timeInForce"] = json!("GOOD_TILL_DATE");
    assert_eq!(post(dated.clone()).status, 400, "a date is needed");
    dated["goodTillDate"] = json!("08/01/2025");
    assert_eq!(post(dated.clone()).error().1, "validation.pattern.invalid.request.goodTillDate");
    dated["goodTillDate"] = json!("2025/01/08 09:00:00");
    assert_eq!(client.confirm(&sim, &post(dated.clone()))["reason"], "GOOD_TILL_DATE_IN_THE_PAST");
    dated["goodTillDate"] = json!("2025/01/08 10:00:00");
    let placed = client.confirm(&sim, &post(dated));
    let path = format!("/workingorders/otc/{}", placed["dealId"].as_str().unwrap());
    let listed = client.get("/workingorders", 2)["workingOrders"][0]["workingOrderData"].clone();
    assert_eq!(
        (listed["goodTillDate"].clone(), listed["timeInForce"].clone()),
        (json!("2025/01/08 10:00"), json!("GOOD_TILL_DATE"))
    );

    let change =
        json!({"level": 9650, "type": "LIMIT", "timeInForce": "GOOD_TILL_DATE", "goodTillDate": "1736332200000"});
    let amended = client.confirm(&sim, &client.call("PUT", &path, 2, Some(change)));
    assert_eq!((amended["status"].clone(), amended["level"].clone()), (json!("AMENDED"), json!(9650.0)));
    let listed = client.get("/workingorders", 2)["workingOrders"][0]["workingOrderData"].clone();
    assert_eq!(
        (listed["goodTillDate"].clone(), listed["stopDistance"].clone()),
        (json!("2025/01/08 10:30"), Value::Null)
    );
    sim.advance(Micros(3_599 * SECOND));
    assert_eq!(client.get("/workingorders", 2)["workingOrders"].as_array().unwrap().len(), 1);
    sim.advance(Micros(SECOND));
    assert_eq!(client.get("/workingorders", 2)["workingOrders"], json!([]));

    let placed = client.confirm(&sim, &post(order("STOP", 9800.0)));
    let deleted = client.delete(&format!("/workingorders/otc/{}", placed["dealId"].as_str().unwrap()), 2, json!({}));
    assert_eq!(client.confirm(&sim, &deleted)["status"], "DELETED");
    let again = client.delete("/workingorders/otc/NOSUCH", 2, json!({}));
    assert_eq!(client.confirm(&sim, &again)["reason"], "ORDER_NOT_FOUND");
}

#[test]
fn money_is_exact_in_another_currency_and_over_night() {
    let sim = start(still());
    sim.quote(CABLE, price("1.27"), price("1.2701")).unwrap();
    let client = Client::new(&sim);
    let dollars = json!({"epic": CABLE, "currencyCode": "USD", "size": 2.5});
    let opened = client.confirm(&sim, &client.open(&dollars));
    let deal = opened["dealId"].as_str().unwrap().to_owned();
    // 12,701 points x 2.5 x 3.33 % = 1,057.36 dollars (1,057.35825), x 0.79 = 835.31 pounds.
    assert_eq!(balance(&client)["deposit"], 835.31);
    sim.quote(CABLE, price("1.27123"), price("1.27133")).unwrap();
    // 11.3 points x 2.5 = 28.25 dollars, x 0.79 = 22.3175, to even pennies 22.32.
    assert_eq!(balance(&client)["profitLoss"], 22.32);
    let closed = client.confirm(&sim, &client.close(&deal, "SELL", 2.5));
    assert_eq!((closed["profit"].clone(), closed["profitCurrency"].clone()), (json!(28.25), json!("USD")));
    assert_eq!(balance(&client)["balance"], 100_022.32);
    assert_eq!(last_transaction(&client)["profitAndLoss"], "£22.32");

    quote(&sim, "9700", "9701");
    drop(client.confirm(&sim, &client.open(&json!({"size": 10}))));
    sim.advance(Micros(13 * 3_600 * SECOND));
    let client = Client::new(&sim);
    // At 22:00: 9,700.5 x 10 x 2.5 % / 365 = 6.64 (6.6442).
    assert_eq!(balance(&client)["balance"], 100_015.68);
    let charge = last_transaction(&client);
    assert_eq!((charge["profitAndLoss"].clone(), charge["cashTransaction"].clone()), (json!("£-6.64"), json!(true)));
}

#[test]
fn a_closed_market_has_prices_and_deals_nothing() {
    let mut config = still();
    let listing = Listing { hours: Hours::Closed, ..Listing::guess("IX.D.DAX.DAILY.IP") };
    config.markets.push(Quoted { listing, prices: Prices::Given });
    let sim = start(config);
    let client = Client::new(&sim);
    let market = client.get("/markets/IX.D.DAX.DAILY.IP", 3);
    assert_eq!(market["snapshot"]["marketStatus"], "CLOSED");
    assert!(market["snapshot"]["bid"].as_f64().unwrap() > 0.0);
    let closed = client.confirm(&sim, &client.open(&json!({"epic": "IX.D.DAX.DAILY.IP"})));
    assert_eq!(closed["reason"], "MARKET_CLOSED");
}

/// A day of dealing by a script, told as everything that the venue answered.
fn script(seed: u64) -> Vec<String> {
    let config = Config { seed, pace: still().pace, limits: still().limits, ..Config::default() };
    let sim = start(config);
    let client = Client::new(&sim);
    let mut told = Vec::new();
    for n in 0..12 {
        let direction = if n % 3 == 0 { "SELL" } else { "BUY" };
        let changes = json!({"direction": direction, "stopDistance": 6 + n, "limitDistance": 8, "forceOpen": true});
        let dealt = client.open(&changes);
        told.push(client.confirm(&sim, &dealt).to_string());
        sim.advance(Micros(180 * SECOND));
        told.push(client.get("/positions", 2).to_string());
    }
    told.push(client.get("/history/transactions?maxSpanSeconds=100000&pageSize=0", 2).to_string());
    told.push(client.get(&format!("/prices/{FTSE}?resolution=MINUTE&max=200&pageSize=0"), 3).to_string());
    told
}

#[test]
fn the_same_script_gets_the_same_answers_under_one_seed() {
    let once = script(11);
    assert_eq!(once, script(11));
    assert_ne!(once, script(12));
    assert!(once.iter().any(|answer| answer.contains("profitAndLoss")), "something was closed on the way");
}

#[test]
fn a_configuration_that_cannot_be_is_refused_in_one_sentence() {
    let refused = |config: Config| arena::sim::ig::Server::start(config).unwrap_err().to_string();
    assert!(refused(Config { listen: "0.0.0.0:0".parse().unwrap(), ..still() }).contains("no loopback address"));
    let account = AccountSpec { balance: Money::ZERO, ..still().accounts[0].clone() };
    assert!(refused(Config { accounts: vec![account.clone(), account], ..still() }).contains("exactly one account"));
    let mut twice = still();
    twice.markets.push(Quoted { listing: Listing::guess(FTSE), prices: Prices::Given });
    assert!(refused(twice).contains("there twice"));
}
