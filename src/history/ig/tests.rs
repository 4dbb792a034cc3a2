//! Bars that the simulator does not make: those with a side missing, out of their place, or without a time.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::broker::ig::{IgOptions, Limits, LoginVersion};
use crate::clock::ManualClock;

/// A service that answers every question for prices with these bars, and keeps the questions.
async fn service(bars: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/gateway/deal", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (bars, kept) = (bars.clone(), Arc::clone(&kept));
            tokio::spawn(async move {
                let mut buffer = vec![0; 8_192];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    let head = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    let line = head.lines().next().unwrap().to_owned();
                    let body = if line.contains("/session") {
                        r#"{"currentAccountId":"A","lightstreamerEndpoint":"https://x"}"#.to_owned()
                    } else {
                        let bars = if line.contains("max=1&") { "" } else { &bars };
                        let allowance = r#"{"remainingAllowance":1000,"totalAllowance":10000,"allowanceExpiry":86400}"#;
                        let paging = r#"{"pageSize":500,"pageNumber":1,"totalPages":1}"#;
                        format!(r#"{{"prices":[{bars}],"metadata":{{"allowance":{allowance},"pageData":{paging}}}}}"#)
                    };
                    kept.lock().unwrap().push(line);
                    let head = "HTTP/1.1 200 OK\r\nCST: a\r\nX-SECURITY-TOKEN: b";
                    let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, asked)
}

/// A bar of the second of January 2025, at this time in UTC; its local time is nonsense.
fn bar(time: &str, [open, close, high, low]: [(&str, &str); 4]) -> String {
    let price = |(bid, ask): (&str, &str)| format!(r#"{{"bid":{bid},"ask":{ask},"lastTraded":null}}"#);
    format!(
        r#"{{"snapshotTime":"1999/01/01 00:00:00","snapshotTimeUTC":{time},"openPrice":{},"closePrice":{},
        "highPrice":{},"lowPrice":{},"lastTradedVolume":17}}"#,
        price(open),
        price(close),
        price(high),
        price(low)
    )
    .replace('\n', " ")
}

const GOOD: [(&str, &str); 4] = [("10", "10.5"), ("11", "11.5"), ("12", "12.5"), ("9.25", "9.75")];

fn at(time: &str) -> UtcMicros {
    format!("2025-01-02T{time}Z").parse().unwrap()
}

fn stamp(time: &str) -> String {
    format!("\"2025-01-02T{time}\"")
}

async fn fetched(
    data: &Path,
    bars: Vec<String>,
    wanted: Wanted,
    now: &str,
) -> (Result<(Report, Option<Cost>), IgHistoryError>, Vec<String>) {
    let (url, asked) = service(bars.join(",")).await;
    let rest = Rest::new(IgOptions {
        rest_url: url,
        api_key: "k".into(),
        identifier: "u".to_owned(),
        password: "p".into(),
        account: String::new(),
        login: LoginVersion::Two,
        encrypts_password: false,
        login_spacing_millis: 0,
        timeout_millis: 30_000,
        pause_millis: 500,
        limits: Limits::default(),
    })
    .unwrap();
    let clock = ManualClock::default();
    clock.set(at(now));
    let order = Order { epic: "IX.D.X.IP".to_owned(), interval: "1h".parse().unwrap(), wanted, format: None };
    let result = fetch(data, &order, &rest, &clock, &|_| true, &|_| {}).await;
    let asked = asked.lock().unwrap().iter().filter(|line| line.contains("/prices")).cloned().collect();
    (result, asked)
}

#[tokio::test]
async fn what_is_no_bar_is_counted_by_kind_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let with = |place: usize, price: (&'static str, &'static str)| {
        let mut prices = GOOD;
        prices[place] = price;
        prices
    };
    let bars = vec![
        bar(&stamp("08:00:00"), GOOD),
        bar(&stamp("09:00:00"), with(0, ("null", "10.5"))),
        bar(&stamp("10:00:00"), with(2, ("12", "null"))),
        bar(&stamp("11:00:00"), with(1, ("11.6", "11.5"))),
        bar(&stamp("12:00:00"), with(2, ("10.5", "12.5"))),
        bar(&stamp("13:00:00"), with(3, ("-1", "9.75"))),
        bar(&stamp("14:30:00"), GOOD),
        bar(&stamp("15:00:00"), GOOD),
        bar(&stamp("16:00:00"), GOOD),
    ];
    let (result, _) = fetched(dir.path(), bars, Wanted::Last(9), "16:20:00").await;
    let (report, cost) = result.unwrap();
    let dropped: Vec<String> = report.dropped.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    let kinds = ["1 contradictory", "1 crossed", "2 empty", "1 non_positive", "1 off_grid", "1 unfinished"];
    assert_eq!(dropped, kinds);
    assert_eq!(cost.unwrap().points, 10, "and the one that still forms");
    let manifest = report.manifest.unwrap();
    assert_eq!((manifest.rows, manifest.from, manifest.to), (2, at("08:00:00"), at("16:00:00")));
    assert_eq!(manifest.covered, [TimeSpan { from: at("08:00:00"), to: at("16:00:00") }]);
    let set = crate::history::load(&crate::history::find(dir.path(), "ig/IX.D.X.IP/1h").unwrap()).unwrap();
    let [first, _] = set.bars.as_slice() else { panic!("{:?}", set.bars) };
    assert_eq!((first.start, first.quotes), (at("08:00:00"), 17), "of the time in UTC alone");
    assert_eq!([first.bid.low.to_string(), first.offer.high.to_string()], ["9.25", "12.5"]);
    assert_eq!(set.manifest.dropped, report.dropped);
}

#[tokio::test]
async fn bars_that_were_not_asked_for_stop_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = Wanted::Between(at("12:00:00"), Some(at("18:00:00")));
    let bars = vec![bar(&stamp("04:00:00"), GOOD), bar(&stamp("12:00:00"), GOOD)];
    let (result, asked) = fetched(dir.path(), bars, wanted, "20:00:00").await;
    let error = result.unwrap_err();
    assert!(matches!(&error, IgHistoryError::OtherZone { got, .. } if *got == at("04:00:00")), "{error}");
    assert!(error.to_string().contains("take --last N"), "{error}");
    assert!(asked[1].contains("from=2025-01-02T12:00:00&to=2025-01-02T17:59:59&"), "{asked:?}");
    assert!(crate::history::list(dir.path()).unwrap().is_empty(), "nothing of it is believed");
    let (result, _) = fetched(dir.path(), vec![bar("null", GOOD)], wanted, "20:00:00").await;
    assert_eq!(result.unwrap_err(), IgHistoryError::Timeless("1999/01/01 00:00:00".to_owned()));
    let empty = bar(&stamp("12:00:00"), [("null", "null"); 4]);
    let (result, _) = fetched(dir.path(), vec![empty], wanted, "20:00:00").await;
    assert_eq!(result.unwrap_err().to_string(), "not one good bar (1 empty)");
    let beside = bar(&stamp("12:30:00"), GOOD);
    let (result, _) = fetched(dir.path(), vec![beside], wanted, "20:00:00").await;
    let error = result.unwrap_err().to_string();
    assert!(error.starts_with("not one good bar (1 off_grid): its bars do not begin on whole multiples"), "{error}");
}

#[tokio::test]
async fn the_last_bars_are_paid_for_once() {
    let dir = tempfile::tempdir().unwrap();
    let hours = |hours: std::ops::RangeInclusive<u32>| -> Vec<String> {
        hours.map(|hour| bar(&stamp(&format!("{hour:02}:00:00")), GOOD)).collect()
    };
    let (result, _) = fetched(dir.path(), hours(4..=8), Wanted::Last(5), "09:00:00").await;
    assert_eq!(result.unwrap().0.new_rows, 5);
    // Nothing has come since.
    let (result, asked) = fetched(dir.path(), Vec::new(), Wanted::Last(5), "09:59:59").await;
    let (report, cost) = result.unwrap();
    assert_eq!((report.new_rows, cost, asked.len()), (0, None, 0));
    // Two have.
    let (result, asked) = fetched(dir.path(), hours(8..=10), Wanted::Last(5), "11:00:00").await;
    let (report, cost) = result.unwrap();
    assert_eq!((report.new_rows, cost.unwrap().points), (2, 3));
    assert!(asked[1].contains("max=3&"), "{asked:?}");
    // More than are there before them are wanted: all are asked for.
    let (result, _) = fetched(dir.path(), hours(0..=10), Wanted::Last(11), "11:00:00").await;
    assert_eq!(result.unwrap().1.unwrap().points, 12);
}
