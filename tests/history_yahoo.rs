//! History from a stand-in for Yahoo, over real HTTP: what is asked for, what is kept, and what goes wrong.

#![expect(clippy::unwrap_used, reason = "tests")]

mod yahoo_stub;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use arena::clock::ManualClock;
use arena::domain::{Micros, UtcMicros};
use arena::feed::{Input, OnBad};
use arena::history::csv::{Stamp, read_bars};
use arena::history::yahoo::{Client, Manners, Order, Report, YahooError, fetch};
use arena::history::{Adjustment, Folder, HistoryError, Rows, load};
use yahoo_stub::{Answer, Seen, Stub, chart, fixture};

const DAY: i64 = 86_400;

fn at(text: &str) -> UtcMicros {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().unwrap()
}

fn secs(text: &str) -> i64 {
    at(text).0 / 1_000_000
}

fn order(ticker: &str, interval: &str, from: &str, to: &str) -> Order {
    Order {
        ticker: ticker.to_owned(),
        interval: interval.parse().unwrap(),
        from: at(from),
        to: (!to.is_empty()).then(|| at(to)),
        spread: Some("0.03".parse().unwrap()),
        is_adjusted: false,
        is_again: false,
        format: None,
    }
}

/// One run at `now`, without long waits.
fn run(stub: &Stub, data: &Path, order: &Order, now: &str) -> Result<Report, YahooError> {
    let manners = Manners {
        base: stub.base.clone(),
        pace: Duration::from_millis(1),
        backoff: Duration::from_millis(20),
        ..Manners::default()
    };
    let clock = ManualClock::default();
    clock.set(at(now));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::new(manners)?;
        fetch(data, order, &mut client, &clock, &|_| ()).await
    })
}

/// A stub that answers every window with minutes at a steady price.
fn minutes() -> Stub {
    Stub::start(|_, seen| Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25))))
}

#[test]
fn minutes_are_asked_in_windows_of_a_week_and_kept() {
    let stub = minutes();
    let data = tempfile::tempdir().unwrap();
    let order = order("CL=F", "1m", "2026-03-10", "2026-03-26");
    let report = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap();
    let from = secs("2026-03-10");
    let want = [(from, from + 7 * DAY), (from + 7 * DAY, from + 14 * DAY), (from + 14 * DAY, from + 16 * DAY)];
    assert_eq!(stub.periods(), want);
    for seen in stub.seen() {
        assert_eq!(seen.path, "/v8/finance/chart/CL=F");
        let query: Vec<&str> = seen.query.keys().map(String::as_str).collect();
        assert_eq!(query, ["events", "includePrePost", "interval", "period1", "period2"]);
        assert_eq!((seen.query["interval"].as_str(), seen.query["events"].as_str()), ("1m", "div,splits"));
        assert!(seen.headers["user-agent"].starts_with("Mozilla/5.0"), "{seen:?}");
    }
    assert_eq!((report.new_rows, report.requests), (16 * 1_440, 3));
    let set = load(&data.path().join("history/yahoo/CL=F/1m")).unwrap();
    let m = &set.manifest;
    assert_eq!((m.rows, m.from, m.to), (16 * 1_440, at("2026-03-10"), at("2026-03-26")));
    assert_eq!((m.zone.as_deref(), m.currency.as_deref()), (Some("America/New_York"), Some("USD")));
    assert_eq!((m.adjustment, m.fetched.requests, m.gaps.count), (Adjustment::Splits, 3, 0));
    assert_eq!(set.bars[0].bid.close.to_string(), "70.235");
    assert_eq!(set.bars[0].offer.close.to_string(), "70.265");

    // Nothing is missing, so that nothing is asked; a wider span asks for what is new, beside three bars that are there.
    let again = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap();
    assert_eq!((again.requests, again.new_rows, stub.seen().len()), (0, 0, 3));
    let wider = self::order("CL=F", "1m", "2026-03-09", "2026-03-28");
    let report = run(&stub, data.path(), &wider, "2026-03-31T12:00:00Z").unwrap();
    assert_eq!(report.new_rows, 3 * 1_440);
    assert_eq!(stub.periods()[3..], [(from - DAY, from + 180), (from + 16 * DAY - 180, from + 18 * DAY)]);
    assert_eq!(load(&data.path().join("history/yahoo/CL=F/1m")).unwrap().manifest.fetched.requests, 5);
}

#[test]
fn what_is_too_old_is_cut_off_with_a_word() {
    let stub = minutes();
    let data = tempfile::tempdir().unwrap();
    let order = order("CL=F", "1m", "2025-01-01", "2026-03-04");
    let report = run(&stub, data.path(), &order, "2026-03-31T00:00:00Z").unwrap();
    assert_eq!(stub.periods(), [(secs("2026-03-02T00:01:00Z"), secs("2026-03-04"))]);
    assert!(report.notices.iter().any(|n| n.contains("30 days") && n.contains("2026-03-02T00:01:00Z")), "{report:?}");
}

#[test]
fn what_yahoo_may_still_change_is_asked_again() {
    // A market that trades until now, whose prices come ten minutes late; the last bar grows.
    let now_is = |text: &str| secs(text) - 600;
    let first_now = "2026-03-31T12:00:30Z";
    let stub = Stub::start(move |n, seen| {
        let market = if n == 0 { now_is(first_now) } else { now_is("2026-03-31T13:00:30Z") };
        let price = |time: i64| if n == 0 && time >= market - 60 { Some(71.0) } else { Some(70.5) };
        Answer::ok(chart(seen, 60, "1m", market, price))
    });
    let data = tempfile::tempdir().unwrap();
    let order = order("CL=F", "1m", "2026-03-31T11:00:00Z", "");
    let report = run(&stub, data.path(), &order, first_now).unwrap();
    assert_eq!(report.dropped, BTreeMap::from([("unfinished".to_owned(), 1)]));
    assert_eq!(report.manifest.unwrap().to, at("2026-03-31T11:50:00Z"));
    let report = run(&stub, data.path(), &order, "2026-03-31T13:00:30Z").unwrap();
    assert_eq!(report.new_rows, 60);
    assert_eq!(stub.periods()[1], (secs("2026-03-31T11:47:00Z"), secs("2026-03-31T13:01:00Z")));
    let set = load(&data.path().join("history/yahoo/CL=F/1m")).unwrap();
    assert_eq!((set.manifest.rows, set.manifest.gaps.count), (110, 0));
    // The bar of 11:49 was of 71 at first; its correction is small enough to be one, and is taken.
    assert_eq!(set.bars[49].bid.close.to_string(), "70.485");
}

#[test]
fn a_run_that_fails_keeps_its_windows_and_goes_on_there() {
    let data = tempfile::tempdir().unwrap();
    let order = order("CL=F", "1m", "2026-03-10", "2026-03-31");
    let stub = Stub::start(|n, seen| match n {
        0 => Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25))),
        _ => Answer::new(503, "<html>Will be right back"),
    });
    let error = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap_err();
    assert!(error.to_string().contains("goes on where it stopped"), "{error}");
    assert_eq!(stub.seen().len(), 1 + 4, "one window is asked four times");
    assert_eq!(load(&data.path().join("history/yahoo/CL=F/1m")).unwrap().manifest.rows, 7 * 1_440);
    let stub = minutes();
    let report = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap();
    let from = secs("2026-03-17");
    assert_eq!(stub.periods(), [(from - 180, from + 7 * DAY), (from + 7 * DAY, from + 14 * DAY)]);
    assert_eq!((report.new_rows, report.manifest.unwrap().rows), (14 * 1_440, 21 * 1_440));
}

#[test]
fn too_many_requests_are_waited_out_with_an_end() {
    let data = tempfile::tempdir().unwrap();
    let order = order("CL=F", "1m", "2026-03-30", "2026-03-31");
    let stub = Stub::start(|n, seen| match n {
        0 => Answer::new(429, "Too Many Requests\r\n"),
        1 => Answer::new(429, "Edge: Too Many Requests"),
        _ => Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25))),
    });
    let begun = std::time::Instant::now();
    let report = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap();
    assert_eq!((report.requests, report.new_rows), (3, 1_440));
    assert!(begun.elapsed() >= Duration::from_millis(60), "20 ms, then 40 ms: {:?}", begun.elapsed());
    let stub = Stub::start(|_, _| Answer::new(429, "Edge: Too Many Requests"));
    let data = tempfile::tempdir().unwrap();
    let error = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap_err();
    assert_eq!((error, stub.seen().len()), (YahooError::TooMany, 4));
    assert_eq!(std::fs::read_dir(data.path().join("history")).unwrap().count(), 0, "no folder is left behind");
    // They name a time that is beyond patience: one request, no wait.
    let stub = Stub::start(|_, _| Answer::new(429, "Too Many Requests").with("Retry-After", "86400"));
    let error = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap_err();
    assert_eq!((error, stub.seen().len()), (YahooError::TooMany, 1));
}

#[test]
fn the_pace_is_kept() {
    let stub = minutes();
    let data = tempfile::tempdir().unwrap();
    let manners = Manners {
        base: stub.base.clone(),
        pace: Duration::from_millis(120),
        user_agent: "me".to_owned(),
        ..Manners::default()
    };
    let clock = ManualClock::default();
    clock.set(at("2026-03-31T12:00:00Z"));
    let order = order("CL=F", "1m", "2026-03-10", "2026-03-31");
    let begun = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = Client::new(manners).unwrap();
    runtime.block_on(fetch(data.path(), &order, &mut client, &clock, &|_| ())).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(240), "three requests: {:?}", begun.elapsed());
    assert_eq!(stub.seen()[0].headers["user-agent"], "me");
}

#[test]
fn a_crumb_is_fetched_once_where_the_chart_asks_for_it() {
    let data = tempfile::tempdir().unwrap();
    let order = order("CL=F", "1m", "2026-03-30", "2026-03-31");
    let invalid = r#"{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}"#;
    let guarded = |crumb: &'static str| {
        Stub::start(move |_, seen: &Seen| match seen.path.as_str() {
            "/" => Answer::new(404, "").with("Set-Cookie", "B=1; Path=/").with("Set-Cookie", "A3=d=AQAB; Secure"),
            "/v1/test/getcrumb" => Answer::ok(crumb),
            _ if seen.query.get("crumb").is_some_and(|c| c == "aB3/x.Yz012")
                && seen.headers["cookie"] == "A3=d=AQAB" =>
            {
                Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25)))
            }
            _ => Answer::new(401, invalid),
        })
    };
    let stub = guarded("aB3/x.Yz012");
    let report = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap();
    assert_eq!((report.requests, report.new_rows), (4, 1_440));
    let paths: Vec<String> = stub.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v8/finance/chart/CL=F", "/", "/v1/test/getcrumb", "/v8/finance/chart/CL=F"]);
    // What is no crumb is not sent, and the chart is asked for once more all the same.
    for page in ["", "<html>", "Too Many Requests"] {
        let stub = guarded(page);
        let data = tempfile::tempdir().unwrap();
        let error = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap_err();
        assert!(matches!(error, YahooError::Unauthorized { .. }), "{error}");
        assert_eq!(stub.seen().len(), 4);
        assert!(!stub.seen()[3].query.contains_key("crumb"));
    }
}

#[test]
fn a_window_that_is_too_long_is_halved() {
    let data = tempfile::tempdir().unwrap();
    let text = "1m data not available for startTime=1 and endTime=2. Only 8 days worth of 1m granularity data are allowed \
                to be fetched per request.";
    let stub = Stub::start(move |_, seen| {
        let (from, to) = seen.periods();
        if to - from > 4 * DAY {
            return Answer::error(422, "Unprocessable Entity", text);
        }
        Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25)))
    });
    let report =
        run(&stub, data.path(), &order("CL=F", "1m", "2026-03-10", "2026-03-17"), "2026-03-31T12:00:00Z").unwrap();
    assert_eq!((report.requests, report.new_rows), (3, 7 * 1_440));
    let stub = Stub::start(move |_, _| Answer::error(422, "Unprocessable Entity", text));
    let error =
        run(&stub, data.path(), &order("BZ=F", "1m", "2026-03-10", "2026-03-17"), "2026-03-31T12:00:00Z").unwrap_err();
    assert!(matches!(error, YahooError::Refused { .. }) && stub.seen().len() < 8, "{error}");
}

#[test]
fn the_edge_of_what_they_keep_is_found() {
    let data = tempfile::tempdir().unwrap();
    let text =
        "1m data not available for startTime=1 and endTime=2. The requested range must be within the last 30 days.";
    let edge = secs("2026-03-04");
    let stub = Stub::start(move |_, seen| {
        if seen.periods().0 < edge {
            return Answer::error(422, "Unprocessable Entity", text);
        }
        Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25)))
    });
    let report =
        run(&stub, data.path(), &order("CL=F", "1m", "2026-03-03", "2026-03-08"), "2026-03-31T12:00:00Z").unwrap();
    assert_eq!((report.requests, report.new_rows), (2, 4 * 1_440));
    assert!(report.notices.iter().any(|n| n.contains("no longer has")), "{report:?}");
    // All of it too old: they are asked once, and their own words are told.
    let error =
        run(&stub, data.path(), &order("CL=F", "1m", "2020-12-21", "2020-12-22"), "2026-03-31T12:00:00Z").unwrap_err();
    assert!(error.to_string().contains("within the last 30 days; ask for a later --from"), "{error}");
}

#[test]
fn a_split_that_changed_the_past_is_told() {
    let data = tempfile::tempdir().unwrap();
    let split = secs("2026-03-20");
    let stub = Stub::start(move |n, seen| {
        let price = |time: i64| Some(if n > 0 || time >= split { 100.0 } else { 400.0 });
        Answer::ok(chart(seen, DAY, "1d", i64::MAX - 1, price))
    });
    let before = order("AAPL", "1d", "2026-03-01", "2026-03-10");
    run(&stub, data.path(), &before, "2026-03-15T12:00:00Z").unwrap();
    let dir = data.path().join("history/yahoo/AAPL/1d");
    let kept = load(&dir).unwrap();
    let after = order("AAPL", "1d", "2026-03-01", "2026-03-25");
    let error = run(&stub, data.path(), &after, "2026-03-31T12:00:00Z").unwrap_err();
    let YahooError::Disagrees { factor, .. } = &error else { panic!("{error}") };
    assert!((factor - 4.0).abs() < 1e-9 && error.to_string().contains("--again"), "{error}");
    assert_eq!(load(&dir).unwrap(), kept, "nothing was changed");
    let again = Order { is_again: true, ..after };
    let report = run(&stub, data.path(), &again, "2026-03-31T12:00:00Z").unwrap();
    assert_eq!(report.new_rows, 24);
    assert!(load(&dir).unwrap().bars.iter().all(|bar| bar.bid.close == "99.985".parse().unwrap()));
}

#[test]
fn settings_of_a_data_set_are_its_own() {
    let stub = Stub::start(|_, seen| Answer::ok(chart(seen, DAY, "1d", i64::MAX - 1, |_| Some(70.25))));
    let data = tempfile::tempdir().unwrap();
    let order = order("CL=F", "1d", "2026-03-02", "2026-03-07");
    let now = "2026-03-31T12:00:00Z";
    let first = run(&stub, data.path(), &order, now).unwrap().manifest.unwrap();
    // Another spread needs no request and makes another content.
    let wider = Order { spread: Some("0.05".parse().unwrap()), ..order.clone() };
    let report = run(&stub, data.path(), &wider, now).unwrap();
    let second = report.manifest.unwrap();
    assert_eq!((report.requests, &second.sha256), (0, &first.sha256));
    assert_ne!(second.content_hash(), first.content_hash());
    // Without one the stored one stays.
    let same = run(&stub, data.path(), &Order { spread: None, ..order.clone() }, now).unwrap();
    assert_eq!(same.manifest.unwrap().spread, second.spread);
    assert!(same.notices.is_empty(), "{:?}", same.notices);
    let adjusted = Order { is_adjusted: true, ..order.clone() };
    let error = run(&stub, data.path(), &adjusted, now).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("--again"), "{error}");
    let minutes = Order { interval: "1m".parse().unwrap(), ..adjusted };
    assert!(run(&stub, data.path(), &minutes, now).unwrap_err().is_usage());
    for (from, to) in [("2026-03-07", "2026-03-07"), ("2027-01-01", "2027-01-02")] {
        assert!(run(&stub, data.path(), &self::order("CL=F", "1d", from, to), now).unwrap_err().is_usage());
    }
    let odd = Order { interval: "3m".parse().unwrap(), ..order.clone() };
    assert!(run(&stub, data.path(), &odd, now).unwrap_err().to_string().contains("1m, 2m, 5m"));
    // Somebody else is at it.
    let held = Folder::open(data.path(), "yahoo", "CL=F", order.interval).unwrap();
    let error = run(&stub, data.path(), &order, now).unwrap_err();
    assert!(matches!(error, YahooError::History(HistoryError::Locked { .. })), "{error}");
    drop(held);
    #[cfg(feature = "parquet")]
    {
        use arena::history::Format;
        let dir = data.path().join("history/yahoo/CL=F/1d");
        let before = load(&dir).unwrap().bars;
        run(&stub, data.path(), &Order { format: Some(Format::Parquet), ..order.clone() }, now).unwrap();
        assert!(dir.join("bars.parquet").exists() && !dir.join("bars.csv").exists());
        assert_eq!(
            load(&dir).unwrap().bars,
            before
                .iter()
                .map(|bar| {
                    // The order's spread of 0.03 again, where the one before was 0.05.
                    let mut bar = *bar;
                    let by = "0.01".parse().unwrap();
                    for price in [&mut bar.bid.open, &mut bar.bid.high, &mut bar.bid.low, &mut bar.bid.close] {
                        *price = *price + by;
                    }
                    for price in [&mut bar.offer.open, &mut bar.offer.high, &mut bar.offer.low, &mut bar.offer.close] {
                        *price = *price - by;
                    }
                    bar
                })
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_silent_market_is_no_fault() {
    let stub = Stub::start(|n, seen| match n {
        0 => Answer::error(400, "Bad Request", "Data doesn't exist for startDate = 1, endDate = 2"),
        _ => Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| None)),
    });
    let data = tempfile::tempdir().unwrap();
    let report =
        run(&stub, data.path(), &order("AAPL", "1m", "2026-03-21", "2026-03-30"), "2026-03-31T12:00:00Z").unwrap();
    assert_eq!((report.manifest, report.requests), (None, 2));
    assert!(report.notices[0].contains("closed"), "{:?}", report.notices);
    assert_eq!(std::fs::read_dir(data.path().join("history")).unwrap().count(), 0);
}

#[test]
fn every_error_is_a_sentence_that_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let html = "<html><body>Will be right back</body></html>";
    let other = |seen: &Seen| chart(seen, 3_600, "60m", i64::MAX - 1, |_| Some(1.0)).replace("60m", "2h");
    let cases: Vec<(Stub, &str)> = vec![
        (
            Stub::start(|_, _| Answer::error(404, "Not Found", "No data found, symbol may be delisted")),
            "look up how it writes",
        ),
        (
            Stub::start(|_, _| Answer::error(400, "Bad Request", "Invalid input - interval=7m is not supported.")),
            "refuses the request",
        ),
        (Stub::start(move |_, _| Answer::ok(html)), "run the same command again later"),
        (Stub::start(|_, _| Answer::new(307, "").with("Location", "https://guce.yahoo.com/consent")), "--base-url"),
        (Stub::start(|_, _| Answer::ok("{\"chart\":7}")), "does not understand"),
        (Stub::start(|_, _| Answer::ok("nonsense")), "does not understand"),
        (Stub::start(move |_, seen| Answer::ok(other(seen))), "shorter --interval"),
    ];
    for (stub, part) in cases {
        let error = run(&stub, data.path(), &order("CL=F", "1h", "2026-03-30", "2026-03-31"), "2026-03-31T12:00:00Z")
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(part) && !text.ends_with('.') && !text.contains('\n') && text.len() < 450, "{text}");
        assert!(!error.is_usage(), "{text}");
    }
    let gone = Stub::start(|_, _| Answer::ok(""));
    let base = gone.base.clone();
    drop(gone);
    let manners = Manners { base, pace: Duration::ZERO, backoff: Duration::from_millis(20), ..Manners::default() };
    let clock = ManualClock::default();
    clock.set(at("2026-03-31T12:00:00Z"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = Client::new(manners).unwrap();
    let order = order("CL=F", "1h", "2026-03-30", "2026-03-31");
    let error = runtime.block_on(fetch(data.path(), &order, &mut client, &clock, &|_| ())).unwrap_err();
    assert!(error.to_string().contains("connection refused") && client.requests() == 4, "{error}");
    assert_eq!(std::fs::read_dir(data.path().join("history")).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn hours_of_another_grid_are_refused_with_a_way_out() {
    let stub = Stub::start(|_, seen| {
        let text = chart(seen, 3_600, "1h", i64::MAX - 1, |_| Some(1.0));
        let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
        for stamp in document["chart"]["result"][0]["timestamp"].as_array_mut().unwrap() {
            *stamp = (stamp.as_i64().unwrap() + 1_800).into();
        }
        Answer::ok(document.to_string())
    });
    let data = tempfile::tempdir().unwrap();
    let error =
        run(&stub, data.path(), &order("AAPL", "1h", "2026-03-30", "2026-03-31"), "2026-03-31T12:00:00Z").unwrap_err();
    assert!(error.to_string().contains("30m or less"), "{error}");
}

#[test]
fn recorded_gold_minutes_are_the_trades_that_they_were_made_of() {
    let Some(body) = fixture("composed_GC=F_1m_nulls_break_live_row.json") else { return };
    let stub = Stub::start(move |_, _| Answer::ok(body.clone()));
    let data = tempfile::tempdir().unwrap();
    // The clock stands at the time of the reply: the live row is there, and off the minute.
    let order = order("GC=F", "1m", "2013-10-07T18:00:00Z", "");
    let report = run(&stub, data.path(), &order, "2013-10-08T16:05:00Z").unwrap();
    assert_eq!(report.dropped, BTreeMap::from([("empty".to_owned(), 41), ("live".to_owned(), 1)]));
    let manifest = report.manifest.unwrap();
    assert_eq!((manifest.rows, manifest.price_decimals), (1_234, 1));
    assert_eq!((manifest.from, manifest.to), (at("2013-10-07T18:00:00Z"), at("2013-10-08T16:00:00Z")));
    // The daily break.
    let pause = manifest.gaps.longest.iter().max_by_key(|gap| gap.to - gap.from).unwrap();
    assert!(pause.to - pause.from >= Micros(45 * 60_000_000), "{pause:?}");

    let trades = "../shared/market-data/bars-1min/gc_dec2013_comex_1min_trades_2013-10-07_09.csv.gz";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(trades);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return;
    }
    let minute = "1m".parse().unwrap();
    let want = read_bars(&Input::from(path), minute, Stamp::Start, OnBad::Stop, &|_| ()).unwrap().rows;
    let Rows::One(want) = want else { panic!("trades") };
    let inside = |start: UtcMicros| start >= manifest.from && start < manifest.to;
    let want: Vec<_> = want.into_iter().filter(|row| inside(row.start)).collect();
    let folder = Folder::open(data.path(), "yahoo", "GC=F", minute).unwrap();
    let (_, rows) = folder.read().unwrap().unwrap();
    assert_eq!(rows, Rows::One(want), "float32 and back");
}

#[test]
fn recorded_apple_days_have_their_dates_and_their_dividend() {
    let Some(body) = fixture("recorded_AAPL_1d_split_dividend_dst.json") else { return };
    let reply: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let column = |path: &str| -> Vec<f64> {
        reply.pointer(path).unwrap().as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let closes = column("/chart/result/0/indicators/quote/0/close");
    let adjusted = column("/chart/result/0/indicators/adjclose/0/adjclose");
    let stub = Stub::start(move |_, _| Answer::ok(body.clone()));
    for is_adjusted in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let order = Order { is_adjusted, spread: None, ..order("AAPL", "1d", "2020-08-31", "2020-11-07") };
        let report = run(&stub, data.path(), &order, "2026-03-31T12:00:00Z").unwrap();
        assert!(report.dropped.is_empty(), "{:?}", report.dropped);
        assert!(report.notices.iter().any(|n| n.contains("a split on 2020-08-31")), "{:?}", report.notices);
        let set = load(&data.path().join("history/yahoo/AAPL/1d")).unwrap();
        assert_eq!(set.bars.len(), 49);
        assert_eq!(set.manifest.adjustment == Adjustment::SplitsAndDividends, is_adjusted);
        // Weekdays alone, on either side of the change of the clock on 1 November.
        let days: Vec<String> = set.bars.iter().map(|bar| bar.start.to_string()).collect();
        assert!(days.iter().all(|day| day.ends_with("T00:00:00Z")));
        assert_eq!((days[0].as_str(), days[48].as_str()), ("2020-08-31T00:00:00Z", "2020-11-06T00:00:00Z"));
        assert!(days.contains(&"2020-10-30T00:00:00Z".to_owned()) && days.contains(&"2020-11-02T00:00:00Z".to_owned()));
        for (at, bar) in set.bars.iter().enumerate() {
            let want = if is_adjusted { adjusted[at] } else { closes[at] };
            assert!((bar.bid.close.as_f64() - want).abs() < 1e-5 * want, "{at}: {} {want}", bar.bid.close);
        }
    }
    let seen = stub.seen();
    // The half day before, for sessions that begin on the evening before in UTC.
    assert_eq!(seen[0].periods(), (secs("2020-08-30T12:00:00Z"), secs("2020-11-07")));
}

#[test]
fn recorded_euros_keep_their_pips_and_end_before_period2() {
    let Some(hours) = fixture("composed_EURUSD=X_1h_london_dst.json") else { return };
    let Some(days) = fixture("recorded_EURUSD=X_1d.json") else { return };
    let stub = Stub::start(move |_, seen| {
        Answer::ok(if seen.query["interval"] == "1d" { days.clone() } else { hours.clone() })
    });
    let data = tempfile::tempdir().unwrap();
    // The last of its 96 rows begins at the end of the window.
    let order = self::order("EURUSD=X", "60m", "2013-03-28", "2013-04-02T23:00:00Z");
    let report = run(&stub, data.path(), &Order { spread: None, ..order }, "2026-03-31T12:00:00Z").unwrap();
    assert_eq!(report.dropped, BTreeMap::from([("outside".to_owned(), 1)]));
    let manifest = report.manifest.unwrap();
    assert_eq!((manifest.rows, manifest.to, manifest.price_decimals), (95, at("2013-04-02T23:00:00Z"), 6));
    let order = self::order("EURUSD=X", "1d", "2020-01-01", "2020-01-04");
    run(&stub, data.path(), &Order { spread: None, ..order }, "2026-03-31T12:00:00Z").unwrap();
    let set = load(&data.path().join("history/yahoo/EURUSD=X/1d")).unwrap();
    let got: Vec<String> = set.bars.iter().map(|bar| format!("{} {}", bar.start, bar.bid.close)).collect();
    assert_eq!(
        got,
        ["2020-01-01T00:00:00Z 1.122083", "2020-01-02T00:00:00Z 1.122083", "2020-01-03T00:00:00Z 1.117144"]
    );
}

#[test]
fn the_recorded_errors_and_the_empty_reply_are_understood() {
    for (name, status, part) in [
        ("error_404_unknown_symbol.json", 404, "Yahoo knows no XX: No data found"),
        ("error_422_1m_older_than_30_days.json", 422, "within the last 30 days; ask for a later --from"),
        ("error_422_1m_span_over_8_days.json", 422, "8 days worth"),
        ("error_400_bad_interval.json", 400, "interval=7m"),
        ("error_429_edge.txt", 429, "too many requests"),
    ] {
        let Some(body) = fixture(name) else { return };
        let stub = Stub::start(move |_, _| Answer::new(status, body.clone()));
        let data = tempfile::tempdir().unwrap();
        let error = run(&stub, data.path(), &order("XX", "1m", "2020-12-21", "2020-12-22"), "2026-03-31T12:00:00Z")
            .unwrap_err();
        assert!(error.to_string().contains(part), "{name}: {error}");
    }
    let Some(body) = fixture("recorded_AAPL_1m_no_rows.json") else { return };
    let stub = Stub::start(move |_, _| Answer::ok(body.clone()));
    let data = tempfile::tempdir().unwrap();
    let report =
        run(&stub, data.path(), &order("AAPL", "1m", "2026-03-28", "2026-03-29"), "2026-03-31T12:00:00Z").unwrap();
    assert_eq!(report.manifest, None);
}
