//! What Yahoo answers: a chart, or a refusal in one of its many forms. Pure: bytes in, meaning out, whatever the bytes.

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::windows::Interval;
use crate::domain::{Micros, Ohlc, Price, UtcMicros};
use crate::history::table::is_whole;
use crate::history::{TimeSpan, TradeRow};

/// Below this a price in millionths has fewer than four digits.
const PRICE_MIN_MICROS: i64 = 1_000;

/// Why there is no chart, told apart by what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many requests: wait long.
    TooMany,
    /// Maintenance, or a fault on their side: wait.
    Away(String),
    /// No such symbol, for good.
    NotFound(String),
    /// The window begins before what they keep.
    TooOld(String),
    /// The window is longer than they give at once.
    TooLong(String),
    /// They want a crumb.
    Unauthorized(String),
    /// They send us to a page where a person consents.
    Consent,
    /// They do not understand the request.
    BadRequest(String),
    /// We do not understand the answer.
    Nonsense(String),
}

/// A chart as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Chart {
    pub(super) symbol: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) zone: Option<String>,
    /// What was really served.
    pub(super) granularity: Option<String>,
    /// When the present price was traded, in seconds.
    pub(super) market_time: Option<i64>,
    rows: Vec<RawRow>,
    /// Times of splits and dividends, in seconds.
    pub(super) splits: Vec<i64>,
    pub(super) dividends: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct RawRow {
    /// Seconds.
    stamp: i64,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    close: Option<f64>,
    volume: Option<f64>,
    adjusted: Option<f64>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(alias = "finance")]
    chart: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    result: Option<Vec<ChartResult>>,
    #[serde(default)]
    error: Option<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct ChartResult {
    #[serde(default)]
    meta: Map<String, Value>,
    #[serde(default)]
    timestamp: Option<Vec<i64>>,
    #[serde(default)]
    events: Option<Map<String, Value>>,
    #[serde(default)]
    indicators: Indicators,
}

#[derive(Default, Deserialize)]
struct Indicators {
    #[serde(default)]
    quote: Option<Vec<Option<Quote>>>,
    #[serde(default)]
    adjclose: Option<Vec<Option<Adjusted>>>,
}

type Column<T> = Option<Vec<Option<T>>>;

#[derive(Default, Deserialize)]
struct Quote {
    #[serde(default)]
    open: Column<f64>,
    #[serde(default)]
    high: Column<f64>,
    #[serde(default)]
    low: Column<f64>,
    #[serde(default)]
    close: Column<f64>,
    #[serde(default)]
    volume: Column<Number>,
}

#[derive(Default, Deserialize)]
struct Adjusted {
    #[serde(default)]
    adjclose: Column<f64>,
}

/// Makes sense of an answer. The body comes before the status: it says more.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Chart, Refusal> {
    if (300..400).contains(&status) {
        return Err(Refusal::Consent);
    }
    let text = body.trim_ascii_start();
    if !text.starts_with(b"{") {
        return Err(without_json(status, text));
    }
    let envelope: Envelope = match serde_json::from_slice(text) {
        Ok(envelope) => envelope,
        Err(_) if status == 429 => return Err(Refusal::TooMany),
        Err(_) if status >= 500 => return Err(Refusal::Away(format!("status {status}"))),
        Err(e) => return Err(Refusal::Nonsense(format!("status {status}, {e}"))),
    };
    if let Some(said) = envelope.chart.error {
        return refused(status, &said);
    }
    match status {
        429 => return Err(Refusal::TooMany),
        500.. => return Err(Refusal::Away(format!("status {status}"))),
        _ => {}
    }
    match envelope.chart.result.and_then(|results| results.into_iter().next()) {
        Some(result) if status < 400 => chart(result),
        _ => Err(Refusal::Nonsense(format!("status {status}, neither a chart nor an error"))),
    }
}

fn without_json(status: u16, text: &[u8]) -> Refusal {
    let start = String::from_utf8_lossy(&text[..text.len().min(2_000)]).to_lowercase();
    if status == 429 || start.contains("too many requests") {
        return Refusal::TooMany;
    }
    if status == 401 {
        return Refusal::Unauthorized("status 401".to_owned());
    }
    if start.contains("consent") && start.starts_with('<') && status < 400 {
        return Refusal::Consent;
    }
    let is_page = start.starts_with('<');
    if status == 404 {
        return Refusal::NotFound("status 404".to_owned());
    }
    if status >= 500 || (is_page && status < 400) || start.contains("will be right back") {
        return Refusal::Away(format!("status {status}, a page instead of data"));
    }
    let shown: String = start.chars().filter(|c| !c.is_control()).take(60).collect();
    Refusal::Nonsense(format!("status {status}, {shown:?} instead of JSON"))
}

fn refused(status: u16, said: &Said) -> Result<Chart, Refusal> {
    let code = said.code.clone().unwrap_or_default();
    let full = said.description.clone().unwrap_or_else(|| code.clone());
    // Quoted in our own sentence: one line, no full stop at its end.
    let line: String = full.chars().map(|c| if c.is_control() { ' ' } else { c }).take(240).collect();
    let text = line.trim().trim_end_matches('.').to_owned();
    let has = |part: &str| text.contains(part);
    Err(if status == 429 || has("Too Many Requests") {
        Refusal::TooMany
    } else if status == 401 || has("Invalid Crumb") || code == "Unauthorized" {
        Refusal::Unauthorized(text)
    } else if has("Data doesn't exist") {
        // No session in the window.
        return Ok(Chart::default());
    } else if has("worth of") && has("per request") {
        Refusal::TooLong(text)
    } else if has("must be within the last") {
        Refusal::TooOld(text)
    } else if status == 404 || code == "Not Found" {
        Refusal::NotFound(text)
    } else if status >= 500 {
        Refusal::Away(text)
    } else {
        Refusal::BadRequest(text)
    })
}

fn chart(result: ChartResult) -> Result<Chart, Refusal> {
    let stamps = result.timestamp.unwrap_or_default();
    let n = stamps.len();
    let first = |quotes: Option<Vec<Option<Quote>>>| quotes.and_then(|q| q.into_iter().next()).flatten();
    let quote = first(result.indicators.quote).unwrap_or_default();
    let adjusted = result.indicators.adjclose.and_then(|a| a.into_iter().next()).flatten().unwrap_or_default();
    let volume = quote.volume.map(|all| all.into_iter().map(|v| v.and_then(|v| v.as_f64())).collect());
    let columns = [
        ("open", quote.open),
        ("high", quote.high),
        ("low", quote.low),
        ("close", quote.close),
        ("volume", volume),
        ("adjclose", adjusted.adjclose),
    ];
    for (name, column) in &columns {
        if let Some(column) = column.as_ref().filter(|column| n > 0 && column.len() != n) {
            return Err(Refusal::Nonsense(format!("{} values of {name} for {n} times", column.len())));
        }
    }
    let [open, high, low, close, volume, adjusted] = columns.map(|(_, column)| column.unwrap_or_default());
    let value = |column: &Vec<Option<f64>>, at: usize| column.get(at).copied().flatten();
    let row = |(at, &stamp): (usize, &i64)| RawRow {
        stamp,
        open: value(&open, at),
        high: value(&high, at),
        low: value(&low, at),
        close: value(&close, at),
        volume: value(&volume, at),
        adjusted: value(&adjusted, at),
    };
    let mut rows: Vec<RawRow> = stamps.iter().enumerate().map(row).collect();
    // Stable: of rows with one stamp the first stays the first.
    rows.sort_by_key(|row| row.stamp);
    let text = |key: &str| result.meta.get(key).and_then(Value::as_str).map(str::to_owned);
    let events = result.events.unwrap_or_default();
    let times = |key: &str| -> Vec<i64> {
        let Some(Value::Object(events)) = events.get(key) else { return Vec::new() };
        events.values().filter_map(|event| event.get("date").and_then(Value::as_i64)).collect()
    };
    Ok(Chart {
        symbol: text("symbol"),
        currency: text("currency"),
        zone: text("exchangeTimezoneName"),
        granularity: text("dataGranularity"),
        market_time: result.meta.get("regularMarketTime").and_then(Value::as_i64),
        rows,
        splits: times("splits"),
        dividends: times("dividends").len(),
    })
}

/// What of a chart is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bars {
    /// Whole bars that will not change, in order, each start once.
    pub(super) rows: Vec<TradeRow>,
    /// Rows left out, by kind.
    pub(super) dropped: Vec<(&'static str, u64)>,
    /// Up to here the answer is final.
    pub(super) settled: UtcMicros,
    /// Bars that are whole, but do not begin where the arena's bars do.
    pub(super) beside_the_grid: u64,
}

impl Bars {
    fn drop_row(&mut self, kind: &'static str) {
        match self.dropped.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, n)) => *n += 1,
            None => self.dropped.push((kind, 1)),
        }
    }
}

/// Sorts the good rows of a chart that was asked for `window` at `now` from the others.
///
/// # Errors
/// A day bar in a zone that nobody knows.
pub(super) fn bars(
    chart: &Chart,
    interval: &Interval,
    window: TimeSpan,
    now: UtcMicros,
    is_adjusted: bool,
) -> Result<Bars, Refusal> {
    let zone = match &chart.zone {
        Some(name) => TimeZone::get(name).map_err(|_| Refusal::Nonsense(format!("the time zone {name:?}")))?,
        None if interval.is_daily() && !chart.rows.is_empty() => {
            return Err(Refusal::Nonsense("day bars without a time zone".to_owned()));
        }
        None => TimeZone::UTC,
    };
    let (period1, period2) = interval.periods(window);
    let length = interval.resolution.length();
    let settled = if interval.is_daily() {
        // A day of the exchange is over when its date is.
        date_of(now, &zone, false)
    } else {
        // Prices come late by up to a quarter of an hour: what is younger than the present price may still change.
        // A price of long ago is that of a closed market.
        let heard = chart.market_time.and_then(|time| time.checked_mul(1_000_000)).map_or(now, UtcMicros);
        heard.min(now).max(now - Micros::DAY)
    };
    let mut found = Bars { settled: interval.resolution.floor(settled), ..Bars::default() };
    for raw in &chart.rows {
        if !(period1..period2).contains(&raw.stamp) {
            found.drop_row("outside");
            continue;
        }
        let stamp = UtcMicros(raw.stamp * 1_000_000);
        let start = if interval.is_daily() { date_of(stamp, &zone, true) } else { stamp };
        if interval.is_daily() {
            // The half day that was asked for beyond the window.
            if start < window.from || start >= window.to {
                continue;
            }
        } else if raw.stamp % 60 != 0 {
            found.drop_row("live");
            continue;
        }
        if start + length > found.settled {
            found.drop_row("unfinished");
            continue;
        }
        if interval.resolution.floor(start) != start {
            found.beside_the_grid += 1;
            found.drop_row("off_grid");
            continue;
        }
        match row(raw, start, is_adjusted) {
            Ok(row) if found.rows.last().is_some_and(|last| last.start >= row.start) => found.drop_row("duplicate"),
            Ok(row) => found.rows.push(row),
            Err(kind) => found.drop_row(kind),
        }
    }
    Ok(found)
}

/// Midnight UTC of the date that `time` has in `zone`. Around changes of the clock some sessions are stamped an hour or
/// two before their midnight.
fn date_of(time: UtcMicros, zone: &TimeZone, is_early: bool) -> UtcMicros {
    let local = time.timestamp().to_zoned(zone.clone());
    let is_next = is_early && local.hour() >= 22 && local.minute() == 0;
    let days = local
        .date()
        .to_zoned(TimeZone::UTC)
        .map_or(time.day(), |midnight| UtcMicros(midnight.timestamp().as_microsecond()).day());
    UtcMicros((days + i64::from(is_next)) * Micros::DAY.0)
}

/// The bar of a row, or why it is none.
fn row(raw: &RawRow, start: UtcMicros, is_adjusted: bool) -> Result<TradeRow, &'static str> {
    let Some(close) = raw.close else { return Err("empty") };
    let (Some(open), Some(high), Some(low)) = (raw.open, raw.high, raw.low) else { return Err("partial") };
    let factor = match raw.adjusted {
        _ if !is_adjusted => None,
        Some(adjusted) if close > 0.0 => Some(adjusted / close),
        _ => return Err("partial"),
    };
    let price = |value: f64| price(value, factor);
    let prices = Ohlc { open: price(open)?, high: price(high)?, low: price(low)?, close: price(close)? };
    if !is_whole(&prices) {
        return Err("contradictory");
    }
    Ok(TradeRow { start, prices, volume: raw.volume.filter(|volume| *volume >= 0.0) })
}

/// A price in millionths. Yahoo's are 32-bit floats printed as 64-bit ones: the shortest decimal that gives the same
/// float is the price that was meant.
fn price(value: f64, factor: Option<f64>) -> Result<Price, &'static str> {
    #[expect(clippy::cast_possible_truncation, reason = "only one that comes back unchanged is used")]
    let single = value as f32;
    let meant = if f64::from(single).to_bits() == value.to_bits() {
        single.to_string().parse().unwrap_or(value)
    } else {
        value
    };
    let micros = (meant * factor.unwrap_or(1.0) * 1e6).round();
    if !micros.is_finite() || micros > 1e18 {
        return Err("contradictory");
    }
    if micros <= 0.0 {
        return Err(if meant > 0.0 { "too_small" } else { "non_positive" });
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number between 1 and 1e18")]
    let micros = micros as i64;
    if micros < PRICE_MIN_MICROS { Err("too_small") } else { Ok(Price::from_micros(micros)) }
}
