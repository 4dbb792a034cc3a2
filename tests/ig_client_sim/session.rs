//! Logging in, staying in, and out again.

use std::time::{Duration, Instant};

use arena::broker::ig::{Class, LoginVersion};
use arena::domain::Micros;
use arena::sim::ig::{Config, Delays, Kind, Length};

use crate::bench::{Bench, going, still};

#[tokio::test]
async fn many_at_once_share_one_login() {
    let bench = Bench::new(still());
    let reads = (0..8).map(|_| bench.rest.accounts());
    for accounts in futures_util::future::join_all(reads).await {
        assert_eq!(accounts.unwrap().len(), 2);
    }
    let login = bench.rest.login().await.unwrap();
    assert_eq!((login.account.as_str(), login.currency.as_deref(), login.may_deal), ("SIM01", Some("GBP"), Some(true)));
    assert_eq!(login.streaming, bench.sim.stream_url());
    assert_eq!((bench.count("POST /session 200"), bench.count("GET /accounts 200")), (1, 8));
    assert!(!bench.sim.requests(0).to_string().contains("demo-pass"));
}

#[tokio::test]
async fn an_encrypted_password_is_taken_and_a_wrong_one_is_tried_once() {
    let bench = Bench::with(still(), |options| options.encrypts_password = true);
    bench.rest.accounts().await.unwrap();
    assert_eq!(bench.requests()[..2], ["GET /session/encryptionKey 200", "POST /session 200"]);
    let wrong = Bench::with(still(), |options| {
        options.encrypts_password = true;
        options.password = "demo-past".into();
    });
    for _ in 0..3 {
        let error = wrong.rest.accounts().await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Stop, Some("error.security.invalid-details")), "{error}");
    }
    assert_eq!(wrong.count("POST /session"), 1, "keys are revoked for hammering");
    let key = Bench::with(still(), |options| options.api_key = "nobody".into());
    let error = key.rest.accounts().await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Stop, Some("error.security.api-key-invalid")));
}

#[tokio::test]
async fn access_tokens_are_refreshed_without_a_login_and_changed_for_streaming() {
    let delays = Delays { access_life: Micros(2_000_000), ..Delays::default() };
    let bench = Bench::with(Config { delays, ..going() }, |options| options.login = LoginVersion::Three);
    bench.rest.accounts().await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(3_500) {
        bench.rest.accounts().await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(bench.count("POST /session 200"), 1, "{:?}", bench.requests());
    assert!((2..=4).contains(&bench.count("POST /session/refresh-token 200")), "{:?}", bench.requests());
    assert_eq!(bench.count("GET /accounts 401"), 0, "refreshed before they expire");
    let (password, login) = bench.rest.streaming_password().await.unwrap();
    let password = secrecy::ExposeSecret::expose_secret(&password).to_owned();
    assert!(password.starts_with("CST-") && password.contains("|XST-") && login.account == "SIM01");
    // Tokens that die early are no end either.
    bench.fault(Kind::ExpireTokens);
    bench.rest.accounts().await.unwrap();
    assert_eq!((bench.count("GET /accounts 401"), bench.count("POST /session 200")), (1, 2));
}

#[tokio::test]
async fn another_account_is_switched_to_by_either_login() {
    for version in [LoginVersion::Two, LoginVersion::Three] {
        let bench = Bench::with(still(), |options| {
            options.account = "SIM02".to_owned();
            options.login = version;
        });
        bench.rest.positions().await.unwrap();
        assert_eq!(bench.rest.session().await.unwrap().account_id, "SIM02", "{version:?}");
        let (_, login) = bench.rest.streaming_password().await.unwrap();
        assert_eq!(login.account, "SIM02");
        let seen = bench.sim.requests(0);
        let asked = seen["requests"].as_array().unwrap();
        let positions = asked.iter().find(|request| request["path"] == "/positions").unwrap();
        assert_eq!(positions["account"], "SIM02", "{version:?}");
    }
    let nobody = Bench::with(still(), |options| options.account = "SIM99".to_owned());
    let error = nobody.rest.positions().await.unwrap_err();
    assert!(error.to_string().contains("error.switch.invalid-accountId"), "{error}");
}

#[tokio::test]
async fn tokens_that_expire_cost_one_login_whatever_was_in_flight() {
    let bench = Bench::new(still());
    bench.rest.accounts().await.unwrap();
    for round in 2..=3 {
        bench.fault(Kind::ExpireTokens);
        let reads = (0..6).map(|_| bench.rest.positions());
        for positions in futures_util::future::join_all(reads).await {
            assert!(positions.unwrap().is_empty());
        }
        assert_eq!(bench.count("POST /session 200"), round);
    }
    // By their age alone: six hours without use.
    bench.sim.advance(Micros(7 * 3_600_000_000));
    bench.rest.positions().await.unwrap();
    assert_eq!(bench.count("POST /session 200"), 4);
}

#[tokio::test]
async fn the_next_login_waits_and_the_desk_does_not_wait_for_it() {
    let bench = Bench::with(still(), |options| options.login_spacing_millis = 3_000);
    let begun = Instant::now();
    bench.rest.accounts().await.unwrap();
    bench.fault(Kind::ExpireTokens);
    let error = bench.rest.positions().await.unwrap_err();
    assert!(error.to_string().contains("the next login to IG is"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Data has time.
    bench.rest.search("ftse").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(bench.count("POST /session"), 2);
}

#[tokio::test]
async fn after_a_logout_the_tokens_are_dead_and_the_next_call_logs_in() {
    let bench = Bench::new(still());
    bench.rest.log_out().await.unwrap();
    assert_eq!(bench.requests(), Vec::<String>::new(), "nothing to end");
    let (old, _) = bench.rest.streaming_password().await.unwrap();
    bench.rest.log_out().await.unwrap();
    assert_eq!(bench.count("DELETE /session 204"), 1);
    bench.rest.accounts().await.unwrap();
    let (new, _) = bench.rest.streaming_password().await.unwrap();
    assert_ne!(secrecy::ExposeSecret::expose_secret(&old), secrecy::ExposeSecret::expose_secret(&new));
    assert_eq!(bench.count("POST /session 200"), 2);
}

#[tokio::test]
async fn maintenance_is_waited_out() {
    let bench = Bench::new(still());
    bench.rest.accounts().await.unwrap();
    bench.fault(Kind::Maintenance { length: Length(Micros(3_600_000_000)) });
    let error = bench.rest.accounts().await.unwrap_err();
    assert_eq!(error.class(), Class::Later, "{error}");
    assert!(bench.count("POST /session 503") + bench.count("GET /accounts 503") <= 5, "{:?}", bench.requests());
    bench.sim.advance(Micros(3_600_000_000));
    bench.rest.accounts().await.unwrap();
}
