//! Rules of made-up markets in IG's words, case by case.

use serde_json::{Value, json};

use super::*;
use crate::broker::ig::testing::{Reply, Service};

/// A market in the words of `/markets`, with null where IG has null.
fn told(change: &[(&str, Value)]) -> MarketDetails {
    let mut market = json!({
        "instrument": {
            "epic": "CO.D.CFI.Month2.IP", "expiry": "DFB", "name": "Carbon", "type": "COMMODITIES",
            "forceOpenAllowed": true, "stopsLimitsAllowed": true, "streamingPricesAvailable": true,
            "currencies": [
                { "code": "EUR", "symbol": "E", "baseExchangeRate": 1.195885, "exchangeRate": 0.81, "isDefault": false },
                { "code": "GBP", "symbol": "£", "baseExchangeRate": 1.0, "exchangeRate": 1.0, "isDefault": true }
            ],
            "openingHours": { "marketTimes": [{ "openTime": "07:00", "closeTime": "17:00" }] },
            "valueOfOnePip": null, "onePipMeans": null, "contractSize": null
        },
        "dealingRules": {
            "minStepDistance": { "unit": "POINTS", "value": 1.0 },
            "minDealSize": { "unit": "PERCENTAGE", "value": 0.25 },
            "minControlledRiskStopDistance": { "unit": "PERCENTAGE", "value": 10.0 },
            "minNormalStopOrLimitDistance": { "unit": "POINTS", "value": 10.0 },
            "maxStopOrLimitDistance": { "unit": "PERCENTAGE", "value": 75.0 },
            "controlledRiskSpacing": { "unit": "POINTS", "value": 10.0 },
            "marketOrderPreference": "AVAILABLE_DEFAULT_OFF", "trailingStopsPreference": "AVAILABLE"
        },
        "snapshot": {
            "marketStatus": "OFFLINE", "delayTime": 0, "bid": 8933.0, "offer": 8939.0,
            "decimalPlacesFactor": 1, "scalingFactor": 1, "binaryOdds": null
        }
    });
    for (path, value) in change {
        *market.pointer_mut(path).expect("a path of the market") = value.clone();
    }
    serde_json::from_value(market).unwrap()
}

fn configured(change: impl FnOnce(&mut Market)) -> Market {
    let mut market = Market {
        epic: "CO.D.CFI.Month2.IP".into(),
        currency: "GBP".to_owned(),
        point: "1".parse().unwrap(),
        value_per_point: "1".parse().unwrap(),
        size_min: "0.1".parse().unwrap(),
        stop_min_points: "2".parse().unwrap(),
        gap_allowance_points: "20".parse().unwrap(),
        funding_annual_rate: "0.025".parse().unwrap(),
        session: None,
    };
    change(&mut market);
    market
}

fn account(kind: &str, currency: &str) -> Account {
    let account = json!({
        "accountId": "ABC12", "accountName": "Spread", "status": "ENABLED", "accountType": kind, "preferred": true,
        "balance": null, "currency": currency
    });
    serde_json::from_value(account).unwrap()
}

fn plain(change: &[(&str, Value)]) -> MarketRules {
    rules_of(&told(change), &configured(|_| {}), &account("SPREADBET", "GBP"))
}

#[test]
fn a_market_is_held_to_the_stricter_of_configuration_and_ig() {
    let rules = plain(&[]);
    assert_eq!(rules.faults, Vec::<String>::new());
    assert_eq!(rules.market.size_min.to_string(), "0.25", "a size, whatever its unit says");
    assert_eq!(rules.market.stop_min_points.to_string(), "10");
    assert_eq!(rules.distance_min.to_string(), "10");
    // 75 % of the bid of 8,933
    assert_eq!(rules.distance_max.unwrap().to_string(), "6699.75");
    let words: Vec<String> = rules.tightened.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        ["CO.D.CFI.Month2.IP: size_min was 0.1, is 0.25", "CO.D.CFI.Month2.IP: stop_min_points was 2, is 10"]
    );
    let terms = Terms { expiry: "DFB".to_owned(), currency: "GBP".to_owned(), point: "1".parse().unwrap() };
    assert_eq!(rules.terms, terms);
    let strict = configured(|market| {
        market.size_min = "5".parse().unwrap();
        market.stop_min_points = "12.5".parse().unwrap();
    });
    let rules = rules_of(&told(&[]), &strict, &account("SPREADBET", "GBP"));
    assert_eq!((rules.market, rules.tightened), (strict, Vec::new()));
}

#[test]
fn distances_have_their_unit_and_are_never_too_loose() {
    const LEAST: &str = "/dealingRules/minNormalStopOrLimitDistance";
    const MOST: &str = "/dealingRules/maxStopOrLimitDistance";
    let rule = |unit: &str, value: Value| json!({ "unit": unit, "value": value });
    for (point, bid, offer, least, most, min, points, max) in [
        // 4 points of 0.0001; 2 % of 1.10005 is 0.022001
        ("0.0001", "1.10005", "1.10014", ("POINTS", "4"), ("PERCENTAGE", "2"), "0.0004", "4", "0.022001"),
        // 0.2 % of 1.10014 is 0.00220028, rounded up 0.002201, 22.01 points; 75 points
        ("0.0001", "1.10005", "1.10014", ("PERCENTAGE", "0.2"), ("POINTS", "75"), "0.002201", "22.01", "0.0075"),
        // 0.2 % of 8,939 is 17.878
        ("1", "8933", "8939", ("PERCENTAGE", "0.2"), ("PERCENTAGE", "75"), "17.878", "17.878", "6699.75"),
        // 0.0001 % of 10 is 0.00001; a point of 0.000003 has no six decimals for it: 4 whole points, 0.000012
        ("0.000003", "10", "10", ("PERCENTAGE", "0.0001"), ("POINTS", "9"), "0.000012", "4", "0.000027"),
    ] {
        let details = told(&[
            ("/snapshot/bid", json!(bid)),
            ("/snapshot/offer", json!(offer)),
            ("/snapshot/scalingFactor", Value::Null),
            (LEAST, rule(least.0, json!(least.1))),
            (MOST, rule(most.0, json!(most.1))),
        ]);
        let market = configured(|market| {
            market.point = point.parse().unwrap();
            market.stop_min_points = "0".parse().unwrap();
        });
        let rules = rules_of(&details, &market, &account("SPREADBET", "GBP"));
        let got = (rules.distance_min.to_string(), rules.market.stop_min_points.to_string());
        assert_eq!(got, (min.to_owned(), points.to_owned()), "{least:?} of {offer}");
        assert_eq!(rules.market.distance(rules.market.stop_min_points), Some(rules.distance_min), "{least:?}");
        assert_eq!(rules.distance_max.unwrap().to_string(), max, "{most:?} of {bid}");
    }
    let none = plain(&[(LEAST, rule("POINTS", Value::Null)), (MOST, Value::Null)]);
    assert_eq!((none.distance_min.to_string().as_str(), none.distance_max, none.faults.len()), ("2", None, 0));
}

#[test]
fn what_cannot_be_dealt_in_here_is_said_in_a_sentence() {
    let percent = json!({ "unit": "PERCENTAGE", "value": 0.2 });
    for (change, kind, currency, want) in [
        (vec![("/instrument/expiry", json!("DEC-24"))], "SPREADBET", "GBP", "has an end (DEC-24)"),
        (vec![("/instrument/expiry", Value::Null)], "SPREADBET", "GBP", "has an end (not told)"),
        (vec![("/instrument/expiry", json!("-"))], "SPREADBET", "GBP", "is a contract, and account ABC12"),
        (vec![], "CFD", "GBP", "is a spread bet, and account ABC12"),
        (vec![], "PHYSICAL", "GBP", "an account for shares"),
        (vec![], "SPREADBET", "EUR", "is configured in GBP, and account ABC12 is kept in EUR"),
        (
            vec![("/instrument/currencies", json!([{ "code": "USD" }, { "code": "EUR" }]))],
            "SPREADBET",
            "GBP",
            "is dealt in USD, EUR, not in GBP",
        ),
        (vec![("/instrument/stopsLimitsAllowed", json!(false))], "SPREADBET", "GBP", "takes no stops and limits"),
        (vec![("/instrument/forceOpenAllowed", json!(false))], "SPREADBET", "GBP", "takes no position beside another"),
        (vec![("/instrument/streamingPricesAvailable", json!(false))], "SPREADBET", "GBP", "is not streamed"),
        (vec![("/snapshot/delayTime", json!(15))], "SPREADBET", "GBP", "prices that are 15 minutes late"),
        (
            vec![("/dealingRules/marketOrderPreference", json!("NOT_AVAILABLE"))],
            "SPREADBET",
            "GBP",
            "takes no orders at the market's price",
        ),
        (
            vec![
                ("/snapshot/bid", Value::Null),
                ("/snapshot/offer", Value::Null),
                ("/dealingRules/minNormalStopOrLimitDistance", percent),
                ("/dealingRules/maxStopOrLimitDistance", Value::Null),
            ],
            "SPREADBET",
            "GBP",
            "it is 0.2 % of a price, and there is no price now",
        ),
        (
            vec![("/dealingRules/minNormalStopOrLimitDistance/unit", json!("FURLONGS"))],
            "SPREADBET",
            "GBP",
            "it is 10 FURLONGS, which is neither points nor a percentage",
        ),
        (
            vec![("/dealingRules/maxStopOrLimitDistance", json!({ "unit": "POINTS", "value": 9 }))],
            "SPREADBET",
            "GBP",
            "takes no stop at all: the least distance is 10, the greatest 9",
        ),
    ] {
        let rules = rules_of(&told(&change), &configured(|_| {}), &account(kind, currency));
        assert_eq!(rules.faults.len(), 1, "{change:?}: {:?}", rules.faults);
        assert!(
            rules.faults[0].starts_with("CO.D.CFI.Month2.IP ") && rules.faults[0].contains(want),
            "{:?}",
            rules.faults
        );
    }
    let contract = rules_of(&told(&[("/instrument/expiry", json!("-"))]), &configured(|_| {}), &account("CFD", "GBP"));
    assert_eq!((contract.faults, contract.terms.expiry.as_str()), (Vec::new(), "-"));
}

#[test]
fn a_point_passes_when_ig_tells_it_once_or_not_at_all() {
    for (point, factor, means, value, want) in [
        ("0.0001", json!(10_000), Value::Null, Value::Null, None),
        ("0.0001", json!(10_000), json!("0.0001 USD/EUR"), json!("1.00"), None),
        // Quoted in points: the text is about the underlying.
        ("1", json!(1), json!("0.0001 USD/EUR"), Value::Null, None),
        ("0.01", json!(1), json!("0.01 USD/barrel"), Value::Null, None),
        ("0.01", Value::Null, json!("an Index Point"), Value::Null, None),
        ("0.01", Value::Null, Value::Null, Value::Null, None),
        (
            "0.001",
            json!(10_000),
            json!("0.0001 USD"),
            Value::Null,
            Some("a point of 0.001; IG says 0.0001 (scalingFactor 10000, onePipMeans \"0.0001 USD\")"),
        ),
        (
            "1",
            Value::Null,
            json!("1,000 things"),
            Value::Null,
            Some("a point of 1; IG says 1000 (onePipMeans \"1,000 things\")"),
        ),
        (
            "1",
            json!(1),
            Value::Null,
            json!("10.00"),
            Some("configured with 1 a point; IG says 10 (valueOfOnePip \"10.00\")"),
        ),
    ] {
        let details = told(&[
            ("/snapshot/scalingFactor", factor.clone()),
            ("/instrument/onePipMeans", means.clone()),
            ("/instrument/valueOfOnePip", value),
        ]);
        let market = configured(|market| market.point = point.parse().unwrap());
        let faults = rules_of(&details, &market, &account("SPREADBET", "GBP")).faults;
        match want {
            None => assert_eq!(faults, Vec::<String>::new(), "{point} {factor} {means}"),
            Some(want) => assert!(faults.len() == 1 && faults[0].contains(want), "{point}: {faults:?}"),
        }
    }
    // A value in another currency says nothing of ours.
    let dollars = configured(|market| market.currency = "EUR".to_owned());
    let details = told(&[("/instrument/valueOfOnePip", json!("10.00"))]);
    assert_eq!(rules_of(&details, &dollars, &account("SPREADBET", "EUR")).faults, Vec::<String>::new());
}

#[test]
fn what_changed_is_told_as_ig_tells_it() {
    let was = plain(&[]);
    assert_eq!(changes(&was, &was), []);
    let dearer = plain(&[("/snapshot/bid", json!(9_933.0)), ("/snapshot/offer", json!(9_939.0))]);
    assert_ne!(was.distance_max, dearer.distance_max);
    assert_eq!(changes(&was, &dearer), [], "a percentage of another price is no other rule");
    let is = plain(&[
        ("/dealingRules/minNormalStopOrLimitDistance", json!({ "unit": "PERCENTAGE", "value": 0.2 })),
        ("/dealingRules/minDealSize/value", json!(0.5)),
        ("/dealingRules/maxStopOrLimitDistance", Value::Null),
        ("/instrument/onePipMeans", json!("1 Point")),
        ("/instrument/streamingPricesAvailable", json!(false)),
    ]);
    let words: Vec<String> = changes(&was, &is).iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "CO.D.CFI.Month2.IP: the least size was 0.25, is 0.5",
            "CO.D.CFI.Month2.IP: the least stop distance was 10 points, is 0.2 %",
            "CO.D.CFI.Month2.IP: prices streamed was yes, is no",
            "CO.D.CFI.Month2.IP: one point was not told, is 1 Point",
            "CO.D.CFI.Month2.IP: the greatest stop distance was 75 %, is not told",
        ]
    );
    let change = &changes(&was, &is)[0];
    let json = serde_json::to_value(change).unwrap();
    assert_eq!(json, json!({ "epic": "CO.D.CFI.Month2.IP", "what": "the least size", "was": "0.25", "is": "0.5" }));
    assert_eq!(&serde_json::from_value::<RuleChange>(json).unwrap(), change);
}

#[tokio::test]
async fn an_epic_that_ig_does_not_know_is_named() {
    let service = Service::start(|asked, _| match asked.path.as_str() {
        "/session" => Reply::login(1),
        "/accounts" => {
            let account = r#"{"accountId":"ABC12","status":"ENABLED","accountType":"SPREADBET","currency":"GBP"}"#;
            Reply::ok(&format!("{{\"accounts\":[{account}]}}"))
        }
        path if path.contains("GONE") || path.contains("epics=") => {
            Reply::error(404, "error.public-api.epic-not-found")
        }
        _ => {
            let rules = r#"{"instrument":{"epic":"CO.D.CFI.Month2.IP"},"dealingRules":{},"snapshot":{"marketStatus":"CLOSED"}}"#;
            Reply::ok(rules)
        }
    })
    .await;
    let markets = [configured(|_| {}), configured(|market| market.epic = "IX.D.GONE.DAILY.IP".into())];
    let error = read_rules(&service.client(), &markets).await.unwrap_err();
    assert_eq!(error.to_string(), "error.public-api.epic-not-found: IX.D.GONE.DAILY.IP (HTTP 404)");
    assert_eq!(error.class(), crate::broker::ig::Class::Request);
}
