//! The shell against a service of the test.

use super::*;
use crate::broker::ig::number::Number;
use crate::broker::ig::requests::{ClosePosition, OpenPosition};
use crate::broker::ig::testing::{Reply, Service};
use crate::broker::ig::wire::Side;

const POSITIONS: &str = r#"{"positions":[]}"#;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn order() -> OpenPosition {
    OpenPosition {
        epic: "CS.D.EURUSD.TODAY.IP".to_owned(),
        expiry: "DFB".to_owned(),
        currency_code: "GBP".to_owned(),
        direction: Side::Buy,
        size: number("0.5"),
        order_type: "MARKET",
        guaranteed_stop: false,
        force_open: true,
        trailing_stop: false,
        stop_distance: number("8"),
        limit_distance: number("12.5"),
        time_in_force: "FILL_OR_KILL",
        deal_reference: "demo-1a2b3c4d-0123456789ab".to_owned(),
    }
}

#[tokio::test]
async fn a_login_and_what_follows_carry_the_headers_of_the_reference() {
    let service = Service::start(|asked, _| match asked.path.as_str() {
        "/session" => Reply::login(1),
        _ => Reply::ok(POSITIONS),
    })
    .await;
    let rest = service.client();
    rest.positions().await.unwrap();
    rest.positions().await.unwrap();
    assert_eq!(service.lines(), ["POST /session 2", "GET /positions 2", "GET /positions 2"], "one login serves all");
    let asked = service.asked();
    assert_eq!(asked[0].json(), serde_json::json!({"identifier": "user", "password": "pass"}));
    assert_eq!(asked[0].header("cst"), None, "a login carries no tokens");
    for (name, want) in [("x-ig-api-key", "key"), ("cst", "cst1"), ("x-security-token", "xst1")] {
        assert_eq!(asked[1].header(name), Some(want));
    }
    assert_eq!(asked[1].header("accept"), Some("application/json; charset=UTF-8"));
    let login = rest.login().await.unwrap();
    assert_eq!((login.account.as_str(), login.streaming.as_str()), ("ABC12", "https://push.example"));
    assert_eq!(login.balance.unwrap().available, Some(number("1000")));
    let shown = format!("{rest:?} {login:?} {asked:?}", asked = rest.options);
    assert!(
        !shown.contains("pass") && !shown.contains("cst1") && !shown.contains("xst1") && !shown.contains("\"key\"")
    );
}

#[tokio::test]
async fn dead_tokens_lead_to_one_login_and_one_repetition() {
    let service = Service::start(|asked, before| match asked.path.as_str() {
        "/session" => Reply::login(before),
        _ if asked.header("cst") == Some("cst0") => Reply::error(401, "error.security.client-token-invalid"),
        _ => Reply::ok(POSITIONS),
    })
    .await;
    let rest = service.client();
    let (one, two, three) = tokio::join!(rest.positions(), rest.positions(), rest.positions());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    let logins = service.lines().iter().filter(|line| line.as_str() == "POST /session 2").count();
    assert_eq!(logins, 2, "whoever comes second finds the new login there");
}

#[tokio::test]
async fn tokens_that_stay_dead_are_not_hammered() {
    let service = Service::start(|asked, before| match asked.path.as_str() {
        "/session" => Reply::login(before),
        _ => Reply::error(401, "error.security.account-token-invalid"),
    })
    .await;
    let error = service.client().positions().await.unwrap_err();
    assert_eq!(error.code(), Some("error.security.account-token-invalid"));
    assert_eq!(service.lines().len(), 4, "two logins, two requests: {:?}", service.lines());
}

#[tokio::test]
async fn a_login_is_never_soon_after_the_last() {
    let service = Service::start(|asked, before| match asked.path.as_str() {
        "/session" => Reply::login(before),
        _ if asked.header("cst") == Some("cst0") => Reply::error(401, "error.security.client-token-invalid"),
        _ => Reply::ok("[]"),
    })
    .await;
    let rest = service.client_with(|options| options.login_spacing_millis = 60_000);
    let desk = rest.positions().await.unwrap_err();
    assert!(matches!(desk, IgError::NotSent(_)), "the desk does not wait a minute: {desk}");
    let deal = rest.open_position(&order()).await.unwrap_err();
    assert!(matches!(deal, IgError::NotSent(_)), "{deal}");
    assert_eq!(service.lines(), ["POST /session 2", "GET /positions 2"]);

    let rest = service.client_with(|options| options.login_spacing_millis = 300);
    let begun = Instant::now();
    let stale = rest.login().await.unwrap();
    rest.forget(&stale).await;
    rest.applications().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "data waits: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_login_that_is_refused_for_good_is_not_tried_again() {
    let service = Service::start(|_, _| Reply::error(401, "error.security.invalid-details")).await;
    let rest = service.client();
    for _ in 0..3 {
        let error = rest.positions().await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Stop, Some("error.security.invalid-details")));
    }
    assert_eq!(service.lines(), ["POST /session 2"]);
}

#[tokio::test]
async fn the_wanted_account_is_switched_to_with_its_new_tokens() {
    let service = Service::start(|asked, _| match asked.line().as_str() {
        "POST /session 2" => Reply::login(1),
        "PUT /session 1" => {
            let tokens = vec![("X-SECURITY-TOKEN", "xst9".to_owned())];
            Reply::Say(200, tokens, r#"{"trailingStopsEnabled":true,"dealingEnabled":false}"#.to_owned())
        }
        _ => Reply::ok(POSITIONS),
    })
    .await;
    let rest = service.client_with(|options| "XYZ98".clone_into(&mut options.account));
    rest.positions().await.unwrap();
    let asked = service.asked();
    assert_eq!(asked[1].json(), serde_json::json!({"accountId": "XYZ98", "defaultAccount": false}));
    assert_eq!((asked[2].header("cst"), asked[2].header("x-security-token")), (Some("cst1"), Some("xst9")));
    let login = rest.login().await.unwrap();
    assert_eq!((login.account.as_str(), login.may_deal), ("XYZ98", Some(false)));
}

#[tokio::test]
async fn access_tokens_are_refreshed_before_they_expire_and_exchanged_for_streaming() {
    let token = |n: usize| {
        format!(
            r#"{{"access_token":"a{n}","refresh_token":"r{n}","scope":"profile","token_type":"Bearer","expires_in":"0.2"}}"#
        )
    };
    let service = Service::start(move |asked, before| match asked.line().as_str() {
        "POST /session 3" => Reply::ok(&format!(
            r#"{{"clientId":"1","accountId":"ABC12","timezoneOffset":0,
                "lightstreamerEndpoint":"https://push.example","oauthToken":{}}}"#,
            token(0)
        )),
        "POST /session/refresh-token 1" => Reply::ok(&token(before + 1)),
        "GET /session?fetchSessionTokens=true 1" => {
            let tokens = vec![("CST", "c".to_owned()), ("X-SECURITY-TOKEN", "x".to_owned())];
            let body = r#"{"clientId":"1","accountId":"ABC12","lightstreamerEndpoint":"https://push.example"}"#;
            Reply::Say(200, tokens, body.to_owned())
        }
        _ => Reply::ok(POSITIONS),
    })
    .await;
    let rest = service.client_with(|options| options.login = LoginVersion::Three);
    rest.positions().await.unwrap();
    // Half of its life has to pass.
    while service.lines().len() < 4 || service.asked().last().unwrap().header("authorization") == Some("Bearer a0") {
        rest.positions().await.unwrap();
    }
    let mut asked = service.asked();
    let refreshed = asked.iter().position(|asked| asked.path == "/session/refresh-token").unwrap();
    asked.drain(2..refreshed);
    assert_eq!(asked[1].header("authorization"), Some("Bearer a0"));
    assert_eq!(asked[1].header("ig-account-id"), Some("ABC12"));
    assert_eq!(asked[2].json(), serde_json::json!({"refresh_token": "r0"}));
    assert_eq!(asked[3].header("authorization"), Some("Bearer a1"));
    let (password, _) = rest.streaming_password().await.unwrap();
    assert_eq!(password.expose_secret(), "CST-c|XST-x");
}

#[tokio::test]
async fn reads_are_repeated_and_a_deal_never() {
    for trouble in [Reply::Cut, Reply::error(500, "system.error"), Reply::Say(405, Vec::new(), String::new())] {
        let reply = trouble.clone();
        let service = Service::start(move |asked, before| match asked.path.as_str() {
            "/session" => Reply::login(1),
            _ if before < 2 => reply.clone(),
            "/positions/otc" => Reply::ok(r#"{"dealReference":"x"}"#),
            _ => Reply::ok(POSITIONS),
        })
        .await;
        let rest = service.client();
        rest.positions().await.unwrap_or_else(|error| panic!("{trouble:?}: {error}"));
        let error = rest.open_position(&order()).await.unwrap_err();
        assert!(matches!(error, IgError::NoAnswer(_)), "{trouble:?}: {error}");
        let lines = service.lines();
        assert_eq!(lines.iter().filter(|line| line.as_str() == "GET /positions 2").count(), 3, "{trouble:?}");
        assert_eq!(lines.iter().filter(|line| line.as_str() == "POST /positions/otc 2").count(), 1, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_deal_without_an_answer_is_told_in_time() {
    let service = Service::start(|asked, _| match asked.path.as_str() {
        "/session" => Reply::login(1),
        _ => Reply::Silence,
    })
    .await;
    let rest = service.client_with(|options| options.timeout_millis = 200);
    assert!(matches!(rest.open_position(&order()).await.unwrap_err(), IgError::NoAnswer(_)));
}

#[tokio::test]
async fn nobody_at_the_address_is_told_as_not_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/gateway/deal", listener.local_addr().unwrap());
    drop(listener);
    let error = Service::nobody(url).client().open_position(&order()).await.unwrap_err();
    assert!(matches!(error, IgError::NotSent(_)), "{error:?}");
}

#[tokio::test]
async fn deals_are_written_as_the_reference_says() {
    let service = Service::start(|asked, _| match asked.path.as_str() {
        "/session" => Reply::login(1),
        _ => Reply::ok(r#"{"dealReference":"ours"}"#),
    })
    .await;
    let rest = service.client();
    assert_eq!(rest.open_position(&order()).await.unwrap(), "ours");
    let close =
        ClosePosition { deal_id: "DI1".to_owned(), direction: Side::Sell, size: number("0.5"), order_type: "MARKET" };
    rest.close_position(&close).await.unwrap();
    rest.delete_order("DI2").await.unwrap();
    let asked = service.asked();
    assert_eq!(
        asked[1].json(),
        serde_json::json!({
            "epic": "CS.D.EURUSD.TODAY.IP", "expiry": "DFB", "currencyCode": "GBP", "direction": "BUY", "size": 0.5,
            "orderType": "MARKET", "guaranteedStop": false, "forceOpen": true, "trailingStop": false,
            "stopDistance": 8, "limitDistance": 12.5, "timeInForce": "FILL_OR_KILL",
            "dealReference": "demo-1a2b3c4d-0123456789ab",
        })
    );
    assert_eq!((asked[2].method.as_str(), asked[2].header("_method")), ("POST", Some("DELETE")));
    assert_eq!(asked[2].header("version"), Some("1"));
    assert_eq!(asked[2].json()["dealId"], "DI1");
    assert_eq!((asked[3].line().as_str(), asked[3].body.as_str()), ("DELETE /workingorders/otc/DI2 2", "{}"));
}

#[tokio::test]
async fn a_used_up_allowance_is_believed_and_dealing_goes_on() {
    let service = Service::start(|asked, _| match asked.path.as_str() {
        "/session" => Reply::login(1),
        "/positions/otc" => Reply::ok(r#"{"dealReference":"ours"}"#),
        _ => Reply::error(403, "error.public-api.exceeded-account-allowance"),
    })
    .await;
    let rest = service.client();
    assert!(rest.positions().await.is_err());
    let error = rest.positions().await.unwrap_err();
    assert!(matches!(error, IgError::NotSent(_)), "not asked again at once: {error}");
    assert_eq!(service.lines().iter().filter(|line| line.starts_with("GET /positions")).count(), 1);
    rest.open_position(&order()).await.unwrap();
    let left = rest.allowances();
    assert_eq!(left[1], (Allowance::Account, 0, 998));
}

#[tokio::test]
async fn past_prices_are_read_page_by_page_and_their_allowance_is_kept() {
    let service = Service::start(|asked, _| {
        if asked.path == "/session" {
            return Reply::login(1);
        }
        let page: u32 = asked.path.rsplit('=').next().unwrap().parse().unwrap();
        let side = r#"{"bid":1.1,"ask":null,"lastTraded":null}"#;
        Reply::ok(&format!(
            r#"{{"prices":[{{"snapshotTime":"x","snapshotTimeUTC":"2020-10-12T20:5{page}:00","openPrice":{side},
                "closePrice":{side},"highPrice":{side},"lowPrice":{side},"lastTradedVolume":6}}],
                "instrumentType":"COMMODITIES","metadata":{{"allowance":{{"remainingAllowance":{},
                "totalAllowance":10000,"allowanceExpiry":604800}},"size":3,
                "pageData":{{"pageSize":500,"pageNumber":{page},"totalPages":3}}}}}}"#,
            9_000 - page
        ))
    })
    .await;
    let rest = service.client();
    let stretch = crate::broker::ig::Stretch::Last(3);
    let bars = rest.all_prices("CC.D.CL.USS.IP", &super::super::wire::Resolution::Minute, &stretch).await.unwrap();
    let times: Vec<_> = bars.iter().filter_map(|bar| bar.snapshot_time_utc.as_deref()).collect();
    assert_eq!(times, ["2020-10-12T20:51:00", "2020-10-12T20:52:00", "2020-10-12T20:53:00"]);
    assert_eq!(bars[0].open_price.ask, None);
    assert_eq!(rest.history_allowance().unwrap().remaining_allowance, 8_997);
    assert_eq!(service.lines()[1], "GET /prices/CC.D.CL.USS.IP?resolution=MINUTE&max=3&pageSize=500&pageNumber=1 3");
}

#[test]
fn passwords_go_over_tls_or_stay_on_this_machine() {
    for (url, is_taken) in [
        ("https://demo-api.ig.com/gateway/deal", true),
        ("http://127.0.0.1:9000/gateway/deal", true),
        ("http://localhost:9000/gateway/deal", true),
        ("http://api.ig.com/gateway/deal", false),
        ("http://192.168.0.1/gateway/deal", false),
        ("nonsense", false),
    ] {
        let options = IgOptions {
            rest_url: url.to_owned(),
            api_key: "k".into(),
            identifier: "u".to_owned(),
            password: "p".into(),
            account: String::new(),
            login: LoginVersion::Two,
            encrypts_password: true,
            login_spacing_millis: 60_000,
            timeout_millis: 10_000,
            pause_millis: 500,
            limits: Limits::default(),
        };
        assert_eq!(Rest::new(options).is_ok(), is_taken, "{url}");
    }
}
