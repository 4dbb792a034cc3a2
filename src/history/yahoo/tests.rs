//! Replies taken apart: every form of refusal, and what of a chart is used.

use proptest::prelude::*;

use super::reply::{Bars, Chart, Refusal, bars, read};
use super::windows::Interval;
use crate::domain::UtcMicros;
use crate::history::TimeSpan;

fn interval(word: &str) -> Interval {
    Interval::of(word.parse().unwrap()).unwrap()
}

fn at(text: &str) -> UtcMicros {
    text.parse().unwrap()
}

fn span(from: &str, to: &str) -> TimeSpan {
    TimeSpan { from: at(from), to: at(to) }
}

/// A chart of these rows: seconds, then open, high, low, close, volume as JSON.
fn chart(meta: &str, rows: &[(i64, &str)]) -> Chart {
    let stamps: Vec<String> = rows.iter().map(|row| row.0.to_string()).collect();
    let column =
        |place: usize| rows.iter().map(|row| row.1.split(' ').nth(place).unwrap()).collect::<Vec<_>>().join(",");
    let body = format!(
        r#"{{"chart":{{"result":[{{"meta":{{{meta}}},"timestamp":[{}],"indicators":{{"quote":[{{"open":[{}],"high":[{}],
        "low":[{}],"close":[{}],"volume":[{}]}}]}}}}],"error":null}}}}"#,
        stamps.join(","),
        column(0),
        column(1),
        column(2),
        column(3),
        column(4)
    );
    read(200, body.as_bytes()).unwrap()
}

fn dropped(found: &Bars) -> String {
    found.dropped.iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_refusal_is_known_by_what_to_do() {
    let error = |code: &str, text: &str| {
        format!(r#"{{"chart":{{"result":null,"error":{{"code":"{code}","description":"{text}"}}}}}}"#)
    };
    let old =
        "1m data not available for startTime=1 and endTime=2. The requested range must be within the last 30 days.";
    let long = "1m data not available for startTime=1 and endTime=2. Only 8 days worth of 1m granularity data are allowed \
                to be fetched per request.";
    let crumb = r#"{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}"#;
    for (status, body, want) in [
        (404, error("Not Found", "No data found, symbol may be delisted"), "NotFound"),
        (200, error("Not Found", "No data found, symbol may be delisted"), "NotFound"),
        (404, "<html>File not found".to_owned(), "NotFound"),
        (403, "<html>Forbidden".to_owned(), "Nonsense"),
        (422, error("Unprocessable Entity", old), "TooOld"),
        (422, error("Unprocessable Entity", long), "TooLong"),
        (400, error("Bad Request", "Invalid input - interval=7m is not supported."), "BadRequest"),
        (401, crumb.to_owned(), "Unauthorized"),
        (401, "Unauthorized".to_owned(), "Unauthorized"),
        (429, "Too Many Requests\r\n".to_owned(), "TooMany"),
        (429, "Edge: Too Many Requests".to_owned(), "TooMany"),
        (429, "{".to_owned(), "TooMany"),
        (429, r#"{"chart":{"result":[]}}"#.to_owned(), "TooMany"),
        (200, "Edge: Too Many Requests".to_owned(), "TooMany"),
        (503, "<!DOCTYPE html><h1>Will be right back...</h1>".to_owned(), "Away"),
        (200, "  <html>Will be right back".to_owned(), "Away"),
        (502, String::new(), "Away"),
        (500, "{}".to_owned(), "Away"),
        (307, String::new(), "Consent"),
        (200, "<html><form action=\"https://consent.yahoo.com/v2/\">".to_owned(), "Consent"),
        (200, String::new(), "Nonsense"),
        (200, "{}".to_owned(), "Nonsense"),
        (200, r#"{"chart":{"result":[],"error":null}}"#.to_owned(), "Nonsense"),
        (200, r#"{"chart":{"result":[{"timestamp":["x"]}]}}"#.to_owned(), "Nonsense"),
    ] {
        let refusal = format!("{:?}", read(status, body.as_bytes()).unwrap_err());
        assert!(refusal.starts_with(want), "{status} {body}: {refusal}");
    }
    let none = error("Bad Request", "Data doesn't exist for startDate = 1, endDate = 2");
    assert_eq!(read(400, none.as_bytes()), Ok(Chart::default()), "no session is no fault");
    let silent =
        r#"{"chart":{"result":[{"meta":{"symbol":"A"},"indicators":{"quote":[{}],"adjclose":[{}]}}],"error":null}}"#;
    assert_eq!(read(200, silent.as_bytes()).unwrap().symbol.as_deref(), Some("A"));
    let short = r#"{"chart":{"result":[{"timestamp":[1,2],"indicators":{"quote":[{"close":[1]}]}}]}}"#;
    assert_eq!(read(200, short.as_bytes()), Err(Refusal::Nonsense("1 values of close for 2 times".to_owned())));
}

#[test]
fn only_whole_bars_that_are_over_are_used() {
    // 2026-03-02T15:00:00Z and the minutes after it.
    let t = 1_772_463_600;
    let whole = "10 12 9 11 5";
    let chart = chart(
        r#""regularMarketTime":1772464145"#,
        &[
            (t + 120, whole),
            (t, whole),
            (t + 60, "null null null null null"),
            (t + 60, whole),
            (t + 60, "20 22 19 21 5"),
            (t + 180, "null 12 9 11 5"),
            (t + 240, "10 12 9 11 null"),
            (t + 300, "10 9 12 11 5"),
            (t + 360, "-37.63 12 -40 11 5"),
            (t + 420, "0.0000001 0.0000001 0.0000001 0.0000001 5"),
            (t + 480, whole),
            (t + 540, whole),
            (t + 547, whole),
            (t + 600, whole),
            (t - 60, whole),
        ],
    );
    let window = span("2026-03-02T15:00:00Z", "2026-03-02T15:10:00Z");
    let found = bars(&chart, &interval("1m"), window, at("2026-03-02T15:20:00Z"), false).unwrap();
    let minutes: Vec<i64> = found.rows.iter().map(|row| (row.start.0 / 1_000_000 - t) / 60).collect();
    assert_eq!(minutes, [0, 1, 2, 4, 8]);
    assert_eq!(
        (found.rows[1].prices.open, found.rows[1].volume),
        ("10".parse().unwrap(), Some(5.0)),
        "the first stays"
    );
    assert_eq!(found.rows[3].volume, None);
    assert_eq!(
        dropped(&found),
        "2 outside, 1 empty, 1 duplicate, 1 partial, 1 contradictory, 1 non_positive, 1 too_small, 1 unfinished, 1 live"
    );
    // The present price is of 15:09:05, so that the bar of 15:09 is not over although the clock says so.
    assert_eq!(found.settled, at("2026-03-02T15:09:00Z"));
    // A day later it is a closed market's last price.
    let later = bars(&chart, &interval("1m"), window, at("2026-03-03T15:20:00Z"), false).unwrap();
    assert_eq!((later.rows.len(), later.settled), (6, at("2026-03-02T15:20:00Z")));
}

#[test]
fn a_day_is_the_date_of_its_exchange() {
    let rows: Vec<(i64, &str)> = [
        "2026-03-28T00:00:00Z", // London, winter time
        "2026-03-29T00:00:00Z",
        "2026-03-29T22:00:00Z", // two hours before its midnight, around the change
        "2026-03-30T23:00:00Z", // summer time
        "2026-03-31T23:00:00Z", // today, not over
        "2026-04-01T09:30:11Z", // the live row
    ]
    .map(|text| (at(text).0 / 1_000_000, "1.1 1.2 1.0 1.1 0"))
    .to_vec();
    let chart = chart(r#""exchangeTimezoneName":"Europe/London""#, &rows);
    let window = span("2026-03-28T00:00:00Z", "2026-04-02T00:00:00Z");
    let found = bars(&chart, &interval("1d"), window, at("2026-04-01T09:30:12Z"), false).unwrap();
    let days: Vec<String> = found.rows.iter().map(|row| row.start.to_string()[..10].to_owned()).collect();
    assert_eq!(days, ["2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31"]);
    assert_eq!((dropped(&found), found.settled), ("2 unfinished".to_owned(), at("2026-04-01T00:00:00Z")));
    // The evening before the window is asked for, not used.
    let later = span("2026-03-31T00:00:00Z", "2026-04-02T00:00:00Z");
    let found = bars(&chart, &interval("1d"), later, at("2026-04-01T09:30:12Z"), false).unwrap();
    assert_eq!(found.rows.len(), 1);
    let mut nowhere = chart;
    nowhere.zone = Some("Atlantis/Harbour".to_owned());
    assert!(bars(&nowhere, &interval("1d"), window, at("2026-04-01T09:30:12Z"), false).is_err());
}

#[test]
fn hours_that_begin_at_the_half_are_no_bars_of_the_arena() {
    let t = 1_772_463_600 - 1_800;
    let chart = chart("", &[(t, "10 12 9 11 5"), (t + 3_600, "10 12 9 11 5"), (t + 5_400, "10 12 9 11 5")]);
    let window = span("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
    let found = bars(&chart, &interval("1h"), window, at("2026-03-09T00:00:00Z"), false).unwrap();
    assert_eq!((found.rows.len(), found.beside_the_grid), (1, 2));
}

#[test]
fn prices_are_the_decimals_that_were_meant() {
    for (printed, want) in [
        ("1518.0999755859375", "1518.1"),
        ("112", "112"),
        ("1.1220825910568237", "1.122083"),
        ("0.12834821641445160", "0.128348"),
        ("97123.453125", "97123.45"),
        ("1325.1", "1325.1"),
    ] {
        let row = format!("{printed} {printed} {printed} {printed} 28111481032");
        let chart = chart("", &[(1_772_463_600, &row)]);
        let window = span("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
        let found = bars(&chart, &interval("1m"), window, at("2026-03-09T00:00:00Z"), false).unwrap();
        assert_eq!(found.rows[0].prices.close.to_string(), want, "{printed}");
        assert_eq!(found.rows[0].volume, Some(28_111_481_032.0));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_of_some_kind(status in 100u16..600, bytes: Vec<u8>, at_byte: prop::sample::Index, byte: u8) {
        let _unused = read(status, &bytes).is_ok();
        // A good reply with one byte changed.
        let mut body = br#"{"chart":{"result":[{"meta":{"exchangeTimezoneName":"UTC","regularMarketTime":99},"timestamp":[60,120],
            "events":{"splits":{"60":{"date":60}}},"indicators":{"quote":[{"open":[1,2],"high":[1,2],"low":[1,2],"close":[1,2],
            "volume":[1,null]}],"adjclose":[{"adjclose":[1,2]}]}}],"error":null}}"#.to_vec();
        let place = at_byte.index(body.len());
        body[place] = byte;
        if let Ok(chart) = read(200, &body) {
            for word in ["1m", "1h", "1d"] {
                for is_adjusted in [false, true] {
                    let window = span("1970-01-01T00:00:00Z", "1970-01-03T00:00:00Z");
                    let _unused = bars(&chart, &interval(word), window, at("1970-01-05T00:00:00Z"), is_adjusted).is_ok();
                }
            }
        }
    }

    #[test]
    fn rows_of_any_numbers_give_bars_in_order(
        rows in prop::collection::vec((prop_oneof![any::<i64>(), 0i64..400_000], any::<f64>(), any::<f64>()), 0..12),
        market: Option<i64>,
        now in 0i64..800_000_000_000,
    ) {
        let text: Vec<(i64, String)> = rows
            .iter()
            .map(|(stamp, a, b)| (*stamp, [a, b, a, b, a].map(|x| serde_json::json!(x).to_string()).join(" ")))
            .collect();
        let text: Vec<(i64, &str)> = text.iter().map(|(stamp, row)| (*stamp, row.as_str())).collect();
        let meta = format!(r#""exchangeTimezoneName":"Asia/Tokyo","regularMarketTime":{}"#, serde_json::json!(market));
        let chart = chart(&meta, &text);
        for word in ["1m", "1h", "1d"] {
            let window = span("1970-01-01T00:00:00Z", "1970-01-05T00:00:00Z");
            let found = bars(&chart, &interval(word), window, UtcMicros(now), false).unwrap();
            prop_assert!(found.rows.windows(2).all(|pair| pair[0].start < pair[1].start));
            prop_assert!(found.rows.iter().all(|row| row.start >= window.from && row.start < window.to));
            prop_assert!(found.rows.iter().all(|row| row.prices.low <= row.prices.high && row.prices.low.micros() > 0));
        }
    }
}
