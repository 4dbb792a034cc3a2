//! Every recorded answer reads, with the figures that are in it.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::*;

/// A recorded answer; `None`, and a word, where the folder is not there.
fn recorded<T: DeserializeOwned>(name: &str) -> Option<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/ig/recorded").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))),
        Err(_) => {
            println!("skipped: no recorded answer {name}");
            None
        }
    }
}

fn number(text: &str) -> Option<Number> {
    Number::parse(text)
}

#[test]
fn recorded_sessions_and_accounts_read() {
    if let Some(login) = recorded::<LoginAnswer>("accounts.json") {
        assert_eq!((login.current_account_id.as_str(), login.account_type), ("ABC123", Some(AccountType::Spreadbet)));
        assert_eq!(login.account_info.unwrap().profit_loss, number("500"));
        assert_eq!(login.lightstreamer_endpoint, "https://demo-apd.marketdatasystems.com");
    }
    if let Some(Accounts { accounts }) = recorded("accounts_balances.json") {
        assert_eq!(accounts.len(), 2);
        assert_eq!((&accounts[0].status, accounts[1].balance), (&AccountStatus::Enabled, None));
    }
    if let Some(session) = recorded::<SessionAnswer>("session.json") {
        assert_eq!(session.currency.as_deref(), Some("GBP"));
    }
    if let Some(switch) = recorded::<SwitchAnswer>("switch.json") {
        assert_eq!(switch.dealing_enabled, Some(true));
    }
    if let Some(keys) = recorded::<Vec<Application>>("application.json") {
        assert_eq!(keys[0].status, KeyStatus::Enabled);
        assert_eq!((keys[0].allowance_account_overall, keys[0].concurrent_subscriptions_limit), (Some(30), Some(40)));
    }
}

#[test]
fn a_recorded_market_reads_with_its_rules() {
    let Some(market) = recorded::<MarketDetails>("markets_epic.json") else { return };
    assert_eq!(market.instrument.epic, "CO.D.CFI.Month2.IP");
    assert_eq!(market.instrument.expiry.as_deref(), Some("DEC-24"));
    let rules = market.dealing_rules;
    let least = rules.min_deal_size.expect("a least size");
    assert!(least.value.is_some_and(|value| value.micros() > 0));
    assert!(rules.min_normal_stop_or_limit_distance.is_some());
    assert!(!matches!(market.snapshot.market_status, MarketStatus::Other(_)), "{}", market.snapshot.market_status);
}

#[test]
fn recorded_prices_read_in_every_version() {
    for (name, has_utc) in [
        ("historic_prices.json", true),
        ("historic_prices_dates.json", true),
        ("historic_prices_num_points.json", true),
        ("historic_prices_v1.json", false),
        ("historic_prices_v2.json", false),
    ] {
        let Some(prices) = recorded::<Prices>(name) else { continue };
        assert!(!prices.prices.is_empty(), "{name}");
        for bar in &prices.prices {
            assert_eq!(bar.snapshot_time_utc.is_some(), has_utc, "{name}");
            assert!(bar.low_price.bid <= bar.high_price.bid, "{name}");
        }
        let allowance = prices.metadata.and_then(|metadata| metadata.allowance).or(prices.allowance);
        assert!(
            allowance.is_some_and(|allowance| allowance.total_allowance >= allowance.remaining_allowance),
            "{name}"
        );
    }
}

#[test]
fn recorded_positions_and_orders_read_in_both_versions() {
    for name in ["positions_v1.json", "positions_v2.json"] {
        let Some(Positions { positions }) = recorded(name) else { continue };
        let first = &positions[0];
        assert_eq!((Some(first.position.size), Some(first.position.level)), (number("10"), number("17000")), "{name}");
        assert_eq!((&first.position.direction, first.market.epic.as_str()), (&Side::Buy, "MT.D.ABC.Month1.IP"));
        assert_eq!(first.position.deal_reference.is_some(), name.contains("v2"), "{name}");
    }
    for name in ["workingorders_v1.json", "workingorders_v2.json"] {
        let Some(WorkingOrders { working_orders }) = recorded(name) else { continue };
        let order = &working_orders[0].working_order_data;
        assert_eq!((Some(order.order_size), Some(order.order_level)), (number("0.05"), number("2000")), "{name}");
    }
}

#[test]
fn recorded_activities_read() {
    let Some(Activities { activities, .. }) = recorded("activities_v1.json") else { return };
    assert_eq!(activities[0].deal_id.as_deref(), Some("ABCD12345X"));
    assert_eq!(activities[0].kind, None, "version 1 does not say");
}

#[test]
fn what_is_streamed_of_deals_reads() {
    let confirm: Confirm = serde_json::from_str(
        r#"{"direction":"BUY","epic":"CS.D.EURUSD.TODAY.IP","stopLevel":1.1,"limitLevel":1.2,
            "dealReference":"ours","dealId":"DI1","limitDistance":null,"stopDistance":null,"expiry":"DFB",
            "affectedDeals":[{"dealId":"DI1","status":"OPENED"}],"dealStatus":"ACCEPTED","guaranteedStop":false,
            "trailingStop":false,"level":1.15,"reason":"SUCCESS","status":"OPEN","size":1,"profit":null,
            "profitCurrency":null,"date":"2022-05-13T12:55:48.761","channel":"PublicRestOTC","repeatDealingWindow":null}"#,
    )
    .unwrap();
    assert_eq!((confirm.deal_status, confirm.status), (DealVerdict::Accepted, Some(ConfirmStatus::Open)));
    assert_eq!(confirm.affected_deals[0].status, AffectedStatus::Opened);
    let rejected: Confirm = serde_json::from_str(
        r#"{"dealReference":"ours","dealId":"DI2","dealStatus":"REJECTED","status":null,"reason":"A_NEW_REASON",
            "epic":null,"direction":null,"level":null,"size":null,"affectedDeals":[]}"#,
    )
    .unwrap();
    assert_eq!((rejected.deal_status, rejected.reason.as_deref()), (DealVerdict::Rejected, Some("A_NEW_REASON")));
    // As it came from the service.
    let update: PositionUpdate = serde_json::from_str(
        r#"{"dealReference":"2DZZ73A1G2YQDSS58","dealId":"DIAAAAJC2PQZ6A9","direction":"SELL","epic":"IX.D.DAX.IFMM.IP","status":"DELETED","dealStatus":"ACCEPTED","level":13951.5,"size":0,"timestamp":"2022-05-13T12:55:48.761","channel":"WTP","dealIdOrigin":"DIAAAAJC2PQZ6A9","expiry":"-","stopLevel":null,"limitLevel":null,"guaranteedStop":false}"#,
    )
    .unwrap();
    assert_eq!((update.status.as_deref(), update.level), (Some("DELETED"), number("13951.5")));
}

#[test]
fn money_of_transactions_reads_through_signs_and_commas() {
    for (text, want) in [("£-4.20", "-4.2"), ("£1,234.56", "1234.56"), ("E0.00", "0"), ("-£7", "-7"), ("-", "none")]
    {
        let transaction = Transaction {
            date_utc: None,
            open_date_utc: None,
            instrument_name: None,
            profit_and_loss: text.to_owned(),
            transaction_type: "DEAL".to_owned(),
            reference: None,
            open_level: None,
            close_level: None,
            size: None,
        };
        let profit = transaction.profit().map_or("none".to_owned(), |profit| profit.to_string());
        assert_eq!(profit, want, "{text}");
    }
}
