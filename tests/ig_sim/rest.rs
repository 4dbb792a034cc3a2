//! Sessions, allowances, markets, prices, history lists: over REST.

use std::collections::BTreeSet;
use std::path::Path;

use arena::domain::{Micros, UtcMicros};
use arena::sim::ig::{Config, Limits, Pace};
use serde_json::{Value, json};

use crate::client::{Client, FTSE, START, price, start, still};

const SECOND: i64 = 1_000_000;

#[test]
fn tokens_are_bound_to_an_account_and_a_switch_replaces_them() {
    let sim = start(still());
    let mut client = Client::new(&sim);
    let old = client.headers.clone();
    let switched = client.call("PUT", "/session", 1, Some(json!({"accountId": "SIM02", "defaultAccount": false})));
    assert_eq!(switched.status, 200, "{switched:?}");
    client.take_tokens(&switched);
    assert_eq!(client.get("/session", 1)["accountId"], "SIM02");
    // Client and account tokens say which account is meant, whatever else a header says.
    client.set("IG-ACCOUNT-ID", "SIM01");
    assert_eq!(client.get("/session", 1)["accountId"], "SIM02");
    let again = client.call("PUT", "/session", 1, Some(json!({"accountId": "SIM02"})));
    assert_eq!(again.error().1, "error.switch.accountId-must-be-different");
    let wrong = client.call("PUT", "/session", 1, Some(json!({"accountId": "NONE"})));
    assert_eq!(wrong.error().1, "error.switch.invalid-accountId");
    client.headers = old;
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (401, "error.security.account-token-invalid"));
    // A login that carries dead tokens fails by them.
    client.set("CST", "dead");
    assert_eq!(client.login(2).error(), (401, "error.security.client-token-invalid"));
}

#[test]
fn bearer_tokens_die_after_a_minute_and_are_renewed() {
    let sim = start(still());
    let mut client = Client::bare(&sim);
    let login = client.login(3);
    let token = &login.body["oauthToken"];
    assert_eq!((token["token_type"].as_str(), token["expires_in"].as_str()), (Some("Bearer"), Some("60")));
    client.set("Authorization", &format!("Bearer {}", token["access_token"].as_str().unwrap()));
    client.set("IG-ACCOUNT-ID", "SIM02");
    assert_eq!(client.get("/session", 1)["accountId"], "SIM02");
    let fetched = client.call("GET", "/session?fetchSessionTokens=true", 1, None);
    assert!(fetched.header("CST").is_some() && fetched.header("X-SECURITY-TOKEN").is_some());
    sim.advance(Micros(60 * SECOND));
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (401, "error.security.oauth-token-invalid"));
    let refresh = json!({"refresh_token": token["refresh_token"]});
    let renewed = client.call("POST", "/session/refresh-token", 1, Some(refresh.clone()));
    assert_eq!(renewed.status, 200, "{renewed:?}");
    client.set("Authorization", &format!("Bearer {}", renewed.body["access_token"].as_str().unwrap()));
    assert_eq!(client.call("GET", "/accounts", 1, None).status, 200);
    assert_eq!(client.call("POST", "/session/refresh-token", 1, Some(refresh)).status, 401);
    client.set("IG-ACCOUNT-ID", "NOTMINE");
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (401, "error.security.account-access-denied"));
}

#[test]
fn the_checks_come_in_order_and_a_logout_ends_it() {
    let sim = start(still());
    let mut client = Client::new(&sim);
    assert_eq!(client.call("GET", "/nonsense", 1, None).error(), (404, "invalid.url"));
    assert_eq!(client.call("GET", "/accounts/", 1, None).status, 200, "a slash at the end is nothing");
    let short = client.call("POST", "/session", 2, Some(json!({"identifier": "a b", "password": "x"})));
    assert_eq!(short.error(), (400, "validation.pattern.invalid.authenticationRequest.identifier"));
    let disabled = client.call("PUT", "/operations/application/disable", 1, None);
    assert_eq!(disabled.body["status"], "DISABLED");
    assert_eq!(client.login(2).error(), (403, "error.security.api-key-disabled"));
    let sim = start(still());
    client = Client::new(&sim);
    assert_eq!(client.call("DELETE", "/session", 1, None).status, 204);
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (401, "error.security.client-token-invalid"));
    client.headers.clear();
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (400, "error.security.api-key-missing"));
}

#[test]
fn allowances_are_counted_by_the_minute_and_the_week() {
    let sim = start(Config { limits: Limits { history: Some(25), ..Limits::default() }, ..still() });
    let client = Client::new(&sim);
    for n in 0..30 {
        assert_eq!(client.call("GET", "/accounts", 1, None).status, 200, "{n}");
    }
    assert_eq!(client.call("GET", "/accounts", 1, None).error(), (403, "error.public-api.exceeded-account-allowance"));
    assert_eq!(client.open(&json!({})).status, 200, "dealing is counted apart");
    sim.advance(Micros(60 * SECOND));
    let first = client.get(&format!("/prices/{FTSE}?resolution=HOUR&max=20&pageSize=0"), 3);
    assert_eq!(first["metadata"]["allowance"]["remainingAllowance"], 5);
    let more = client.call("GET", &format!("/prices/{FTSE}?resolution=HOUR&max=6"), 3, None);
    assert_eq!(more.error(), (403, "error.public-api.exceeded-account-historical-data-allowance"));
    sim.advance(Micros(7 * 86_400 * SECOND));
    let client = Client::new(&sim);
    let allowance = &client.get(&format!("/prices/{FTSE}?max=1"), 3)["metadata"]["allowance"];
    assert_eq!((allowance["remainingAllowance"].as_u64(), allowance["totalAllowance"].as_u64()), (Some(24), Some(25)));
    // And the key: 60 a minute, whoever asks.
    sim.advance(Micros(60 * SECOND));
    let logins = (0..70).map(|_| client.login(2)).find(|login| login.status != 200).unwrap();
    assert_eq!(logins.error(), (403, "error.public-api.exceeded-api-key-allowance"));
    client.control("POST", "/limits", &json!({"application": null, "account": null}));
    assert_eq!(client.login(2).status, 200);
}

#[test]
fn bars_come_in_each_version_s_form_and_pages_join() {
    let sim = start(still());
    let client = Client::new(&sim);
    let all = client.get(&format!("/prices/{FTSE}?resolution=MINUTE_5&max=13&pageSize=0"), 3);
    let all = all["prices"].as_array().unwrap();
    let mut paged = Vec::new();
    for number in 1..=3 {
        let page = client.get(&format!("/prices/{FTSE}?resolution=MINUTE_5&max=13&pageSize=5&pageNumber={number}"), 3);
        assert_eq!(page["metadata"]["pageData"]["totalPages"], 3);
        paged.extend(page["prices"].as_array().unwrap().clone());
    }
    assert_eq!(&paged, all);
    assert_eq!(all.last().unwrap()["snapshotTimeUTC"], "2025-01-08T09:25:00", "nothing has come since half past");
    sim.quote(FTSE, price("9700"), price("9701")).unwrap();
    let forming = &client.get(&format!("/prices/{FTSE}?resolution=MINUTE_5&max=1"), 3)["prices"][0];
    assert_eq!(forming["snapshotTimeUTC"], "2025-01-08T09:30:00");
    assert_eq!(forming["closePrice"], json!({"bid": 9700.0, "ask": 9701.0, "lastTraded": null}));

    let second = client.get(&format!("/prices/{FTSE}/HOUR/4"), 2);
    assert_eq!(second["prices"].as_array().unwrap().len(), 4);
    assert_eq!(second["prices"][3]["snapshotTime"], "2025/01/08 09:00:00");
    assert!(second["prices"][0].get("snapshotTimeUTC").is_none() && second["allowance"].is_object());
    let range = client.get(&format!("/prices/{FTSE}/HOUR/2025-01-08%2003%3A00%3A00/2025-01-08%2005%3A00%3A00"), 2);
    assert_eq!(range["prices"].as_array().unwrap().len(), 3, "both ends are in");
    let first = client.get(&format!("/prices/{FTSE}/DAY?startdate=2025:01:02-00:00:00&enddate=2025:01:04-00:00:00"), 1);
    assert_eq!(first["prices"][2]["snapshotTime"], "2025:01:04-00:00:00");

    for (path, version, code) in [
        (format!("/prices/{FTSE}?from=yesterday"), 3, "error.malformed.date"),
        (format!("/prices/{FTSE}?from=2025-01-08T00:00:00&to=2025-01-07T00:00:00"), 3, "error.invalid.daterange"),
        (format!("/prices/{FTSE}?resolution=MINUTE_7"), 3, "error.price-history.io-error"),
        ("/prices/XX.D.NOSUCH.IP".to_owned(), 3, "error.price-history.io-error"),
        (format!("/prices/{FTSE}/HOUR/many"), 2, "invalid.request.numPoints"),
    ] {
        let answer = client.call("GET", &path, version, None);
        assert_eq!(answer.error().1, code, "{path}");
        assert!((400..405).contains(&answer.status), "{path}: {}", answer.status);
    }
    let empty = client.get(&format!("/prices/{FTSE}?from=1999-01-01T00:00:00&to=1999-01-02T00:00:00"), 3);
    assert_eq!((empty["prices"].clone(), empty["metadata"]["pageData"]["totalPages"].clone()), (json!([]), json!(0)));
}

#[test]
fn markets_are_listed_searched_and_watched() {
    let sim = start(still());
    let client = Client::new(&sim);
    let listed = client.get(&format!("/markets?epics={FTSE},CS.D.GBPUSD.TODAY.IP"), 2);
    assert_eq!(listed["marketDetails"][1]["instrument"]["epic"], "CS.D.GBPUSD.TODAY.IP");
    let snapshot = client.get(&format!("/markets?epics={FTSE}&filter=SNAPSHOT_ONLY"), 2);
    assert!(
        snapshot["marketDetails"][0]["instrument"].is_null() && snapshot["marketDetails"][0]["snapshot"].is_object()
    );
    let many = vec![FTSE; 51].join(",");
    let many = client.call("GET", &format!("/markets?epics={many}"), 2, None);
    assert_eq!(many.error(), (400, "error.public-api.too-many-epics"));
    assert_eq!(client.get("/markets?searchTerm=gbp%2Fusd", 1)["markets"].as_array().unwrap().len(), 1);
    assert_eq!(client.get("/markets?searchTerm=nothing+like+it", 1), json!({"markets": []}));

    let made = client.call("POST", "/watchlists", 1, Some(json!({"name": "Mine", "epics": [FTSE, "XX.D.NOSUCH.IP"]})));
    assert_eq!(made.body["status"], "SUCCESS_NOT_ALL_INSTRUMENTS_ADDED");
    let id = made.body["watchlistId"].as_str().unwrap();
    assert_eq!(client.get(&format!("/watchlists/{id}"), 1)["markets"].as_array().unwrap().len(), 1);
    let added = client.call("PUT", &format!("/watchlists/{id}"), 1, Some(json!({"epic": "CS.D.GBPUSD.TODAY.IP"})));
    assert_eq!(added.body, json!({"status": "SUCCESS"}));
    assert_eq!(client.delete(&format!("/watchlists/{id}/{FTSE}"), 1, json!({})).status, 200);
    assert_eq!(client.delete(&format!("/watchlists/{id}"), 1, json!({})).status, 200);
    assert_eq!(client.call("GET", &format!("/watchlists/{id}"), 1, None).status, 404);
    assert_eq!(client.get("/watchlists/Popular%20Markets", 1)["markets"].as_array().unwrap().len(), 3);

    let both = client.get("/clientsentiment?marketIds=FTSE,GBPUSD", 1);
    assert_eq!(both["clientSentiments"].as_array().unwrap().len(), 2);
    let one = client.get("/client-sentiment/FTSE", 1);
    let share = |name: &str| one[name].as_f64().unwrap();
    assert!((share("longPositionPercentage") + share("shortPositionPercentage") - 100.0).abs() < 1e-9);
    assert_eq!(one, both["clientSentiments"][0]);
}

/// Every path of keys in a document; the members of a list share one.
fn keys(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(format!("{at}.{name}"));
                keys(value, &format!("{at}.{name}"), found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, at, found)),
        _ => {}
    }
}

#[test]
fn answers_have_every_key_that_recorded_ones_have() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/ig/recorded");
    if !recorded.is_dir() {
        println!("skipped: {} is not there", recorded.display());
        return;
    }
    let sim = start(still());
    let client = Client::new(&sim);
    let opened = client.open(&json!({"stopDistance": 20, "limitDistance": 20}));
    let opened = client.confirm(&sim, &opened);
    let order = json!({
        "epic": FTSE, "expiry": "DFB", "direction": "BUY", "size": 1, "level": 9600, "type": "LIMIT",
        "timeInForce": "GOOD_TILL_CANCELLED", "guaranteedStop": false, "currencyCode": "GBP", "forceOpen": true,
    });
    assert_eq!(client.call("POST", "/workingorders/otc", 2, Some(order)).status, 200);
    drop(client.confirm(&sim, &client.close(opened["dealId"].as_str().unwrap(), "SELL", 0.5)));
    let prices = format!("/prices/{FTSE}?max=3");
    for (file, version, path) in [
        ("accounts.json", 2, ""),
        ("accounts_balances.json", 1, "/accounts"),
        ("activities_v1.json", 1, "/history/activity/600000"),
        ("application.json", 1, "/operations/application"),
        ("historic_prices.json", 3, &prices),
        ("historic_prices_v1.json", 1, &format!("/prices/{FTSE}/DAY?max=3")),
        ("historic_prices_v2.json", 2, &format!("/prices/{FTSE}/DAY/3")),
        ("markets_epic.json", 3, &format!("/markets/{FTSE}")),
        ("positions_v1.json", 1, "/positions"),
        ("positions_v2.json", 2, "/positions"),
        ("session.json", 1, "/session"),
        ("workingorders_v1.json", 1, "/workingorders"),
        ("workingorders_v2.json", 2, "/workingorders"),
    ] {
        let text = std::fs::read_to_string(recorded.join(file)).unwrap();
        let theirs: Value = serde_json::from_str(&text).unwrap();
        let ours = if path.is_empty() { client.login(2).body } else { client.get(path, version) };
        let (mut want, mut got) = (BTreeSet::new(), BTreeSet::new());
        keys(&theirs, "", &mut want);
        keys(&ours, "", &mut got);
        // What is null here has no keys below it.
        let nullable = ["openingHours.", "expiryDetails.", "rolloverDetails."];
        let lacking: Vec<&String> =
            want.difference(&got).filter(|key| !nullable.iter().any(|name| key.contains(name))).collect();
        assert!(lacking.is_empty(), "{file}: {lacking:?}");
    }
}

#[test]
fn activities_and_transactions_can_be_filtered_and_paged() {
    let sim = start(still());
    let client = Client::new(&sim);
    let mut deals = Vec::new();
    for _ in 0..12 {
        let opened = client.confirm(&sim, &client.open(&json!({})));
        let deal = opened["dealId"].as_str().unwrap().to_owned();
        sim.advance(Micros(2 * SECOND));
        drop(client.confirm(&sim, &client.close(&deal, "SELL", 1.0)));
        deals.push(deal);
        sim.advance(Micros(2 * SECOND));
    }
    drop(client.confirm(&sim, &client.open(&json!({"size": 0.01}))));
    let from = "from=2025-01-08T09:00:00";
    let page = client.get(&format!("/history/activity?{from}&pageSize=10&detailed=true"), 3);
    assert_eq!(page["metadata"]["paging"]["size"], 10);
    let mut seen = page["activities"].as_array().unwrap().clone();
    let mut next = page["metadata"]["paging"]["next"].as_str().map(str::to_owned);
    while let Some(path) = next {
        let page = client.get(&path, 3);
        seen.extend(page["activities"].as_array().unwrap().clone());
        next = page["metadata"]["paging"]["next"].as_str().map(str::to_owned);
    }
    let distinct: BTreeSet<String> = seen.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), 25, "12 opened, 12 closed, 1 rejected");
    let of_deal = client.get(&format!("/history/activity?{from}&dealId={}&detailed=true", deals[3]), 3);
    let actions: Vec<&str> = of_deal["activities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|activity| activity["details"]["actions"][0]["actionType"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["POSITION_CLOSED", "POSITION_OPENED"]);
    let rejected = client.get(&format!("/history/activity/?{from}&filter=status%3D%3DREJECTED"), 3);
    assert_eq!(rejected["activities"].as_array().unwrap().len(), 1);
    assert!(rejected["activities"][0]["details"].is_null());
    // More of one second than a page holds: no page leads to itself, and a filter goes along.
    for _ in 0..25 {
        drop(client.open(&json!({"size": 0.01})));
    }
    sim.advance(Micros(SECOND));
    let mut refused = BTreeSet::new();
    let mut next = Some(format!("/history/activity?{from}&filter=status%3D%3DREJECTED&detailed=true&pageSize=10"));
    let mut pages = 0;
    while let Some(path) = next {
        let page = client.get(&path, 3);
        for activity in page["activities"].as_array().unwrap() {
            assert_eq!(activity["status"], "REJECTED", "{path}");
            refused.insert(activity["details"]["dealReference"].as_str().unwrap().to_owned());
        }
        next = page["metadata"]["paging"]["next"].as_str().map(str::to_owned);
        pages += 1;
        assert!(pages < 10, "{next:?}");
    }
    assert_eq!(refused.len(), 26);
    let size = client.call("GET", &format!("/history/activity?{from}&pageSize=9"), 3, None);
    assert_eq!(size.error(), (400, "error.request.invalid.page-size"));
    assert_eq!(client.call("GET", "/history/activity", 3, None).error().1, "error.request.invalid.date-range");

    let all = client.get("/history/transactions?type=ALL_DEAL&maxSpanSeconds=600&pageSize=5", 2);
    assert_eq!(all["metadata"]["pageData"], json!({"pageSize": 5, "pageNumber": 1, "totalPages": 3}));
    let newest = &all["transactions"][0];
    assert_eq!((newest["size"].as_str(), newest["profitAndLoss"].as_str()), (Some("+1"), Some("£-1.00")));
    assert_eq!(client.get("/history/transactions?type=DEPOSIT", 2)["transactions"], json!([]));
    let old = client.get("/history/transactions/ALL/600000", 1);
    assert_eq!(old["transactions"].as_array().unwrap().len(), 12);
}

#[test]
fn a_simulator_by_the_wall_clock_has_the_time_of_now_and_quotes_for_each_second() {
    let sim = start(Config { limits: Limits::lifted(), ..Config::default() });
    let client = Client::new(&sim);
    let before = client.get(&format!("/markets/{FTSE}"), 3);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let now = client.get(&format!("/markets/{FTSE}"), 3);
        if now["snapshot"]["updateTime"] != before["snapshot"]["updateTime"] {
            break;
        }
        assert!(std::time::Instant::now() < end, "no quote within ten seconds");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let state = sim.state();
    let now: UtcMicros = state["now"].as_str().unwrap().parse().unwrap();
    assert!(now > "2025-06-01T00:00:00Z".parse().unwrap(), "{now}");
}

#[test]
fn the_clock_can_be_driven_from_outside() {
    let sim = start(Config { pace: Pace { start: Some(START.parse().unwrap()), speed: 0.0 }, ..Config::default() });
    let client = Client::bare(&sim);
    let ask = |body: Value| client.control("POST", "/clock", &body);
    assert_eq!(ask(json!({"advance": "90s"})).body["now"], "2025-01-08T09:31:30Z");
    assert_eq!(ask(json!({"to": "2025-01-08T10:00:00Z"})).body["now"], "2025-01-08T10:00:00Z");
    for wrong in [json!({"to": START}), json!({"advance": "soon"}), json!({"speed": -1}), json!({})] {
        let answer = ask(wrong.clone());
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.body["error"].is_string(), "{wrong}: {answer:?}");
    }
    let held = sim.hold();
    assert_eq!(client.control("GET", "/clock", &json!({})).body["holds"], 1);
    sim.set_speed(1_000.0);
    let then = sim.now();
    assert_eq!(sim.now(), then);
    drop(held);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(sim.now() > then);
}
