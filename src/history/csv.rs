//! Bars out of other people's CSV files.
//!
//! Known are bars of quotes (`time_utc,bid_open,…,ask_close`, as `arena resample` writes them too), bars of trades
//! (`time_utc,open,high,low,close,volume`) and one price a bar (`date,close` or a column whose name begins with
//! `price`); `start` or `date` stand for `time_utc` as well, columns in any order among others. A row that cannot be used
//! is counted by kind; of two rows for one time the first stays, and a row that lies before the one above it is left out.

use std::collections::BTreeMap;

use super::table::{PRICE_MAX, is_whole, volume};
use super::{HistoryBar, Rows, TradeRow};
use crate::domain::{DecimalError, Micros, Ohlc, Price, Resolution, UtcMicros};
use crate::feed::table::{self, RowReader};
use crate::feed::{FeedError, Input, OnBad};

const WANT: &str = "time_utc (or start, or date), then bid_open … bid_close, ask_open … ask_close; or open,high,low,close; \
                    or close, or one column price…";

/// Which end of a bar its stamp names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Stamp {
    /// The first moment of the bar.
    #[default]
    Start,
    /// The first moment after the bar.
    End,
}

/// Why a file gives no bars.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CsvError {
    /// The file is another kind of file, or cannot be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The bars of the file are of another length: wrong usage.
    #[error("{file}: {why}")]
    Interval {
        /// The file.
        file: String,
        /// What does not fit.
        why: String,
    },
    /// A bad row, and the user wants to stop at one.
    #[error("{file}:{line}: {kind} row {text:?}")]
    BadRow {
        /// The file.
        file: String,
        /// The line, from 1, the header included.
        line: u64,
        /// What is wrong with it.
        kind: &'static str,
        /// The row itself, cut after 200 bytes.
        text: String,
    },
    /// There is nothing to work with.
    #[error("{file}: not one good row ({dropped})")]
    NothingGood {
        /// The file.
        file: String,
        /// What was left out.
        dropped: String,
    },
}

impl CsvError {
    /// Whether the user named the wrong thing (exit code 2), not the right thing that then failed (1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Feed(error) => error.is_usage(),
            Self::Interval { .. } => true,
            Self::BadRow { .. } | Self::NothingGood { .. } => false,
        }
    }
}

/// What a file gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The good rows.
    pub rows: Rows,
    /// Rows left out, by kind.
    pub dropped: BTreeMap<String, u64>,
}

/// Which columns the prices are in.
#[derive(Clone, Copy, Debug)]
enum Prices {
    /// Open, high, low, close of the bid, then of the offer.
    Two([usize; 8]),
    /// Open, high, low, close.
    One([usize; 4]),
    /// One price a bar.
    Single(usize),
}

#[derive(Clone, Copy, Debug)]
struct Layout {
    time: usize,
    is_date: bool,
    end: Option<usize>,
    prices: Prices,
    volume: Option<usize>,
    quotes: Option<usize>,
    fields: usize,
}

impl Layout {
    /// `None` where a column is missing or there twice.
    fn of(header: &[String]) -> Option<Self> {
        let only = |names: &[&str]| {
            let mut places = header.iter().enumerate().filter(|(_, h)| names.contains(&h.as_str()));
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Some(place),
                _ => None,
            }
        };
        let parts = |one: &str, other: &str| -> Option<[usize; 4]> {
            let mut places = [0; 4];
            for (place, part) in places.iter_mut().zip(["open", "high", "low", "close"]) {
                *place = only(&[&format!("{one}{part}"), &format!("{other}{part}")])?;
            }
            Some(places)
        };
        let single = || {
            let mut places = header.iter().enumerate().filter(|(_, h)| *h == "close" || h.starts_with("price"));
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Some(place),
                _ => None,
            }
        };
        let prices = match (parts("bid_", "bid_"), parts("offer_", "ask_"), parts("", "")) {
            (Some([a, b, c, d]), Some([e, f, g, h]), _) => Prices::Two([a, b, c, d, e, f, g, h]),
            (None, None, Some(one)) => Prices::One(one),
            (None, None, None) => Prices::Single(single()?),
            _ => return None,
        };
        let time = only(&["time_utc", "start", "date"])?;
        Some(Self {
            time,
            is_date: header[time] == "date",
            end: only(&["end"]),
            prices,
            volume: only(&["volume"]),
            quotes: only(&["quotes"]),
            fields: header.len(),
        })
    }
}

/// Reads the bars of `interval` of a file.
///
/// # Errors
/// [`CsvError`].
pub fn read_bars(
    input: &Input,
    interval: Resolution,
    stamp: Stamp,
    on_bad: OnBad,
    progress: &dyn Fn(f64),
) -> Result<Imported, CsvError> {
    let mut reader = RowReader::open(input)?;
    let layout = Layout::of(reader.header()).ok_or_else(|| reader.wrong_header(WANT))?;
    let file = reader.name().to_owned();
    let wrong = |why: String| CsvError::Interval { file: file.clone(), why };
    if layout.is_date && interval.length() != Micros::DAY {
        return Err(wrong(format!("it has dates, so that its bars are of 1d, and --interval says {interval}")));
    }
    let mut rows = match layout.prices {
        Prices::Two(_) => Rows::Two(Vec::new()),
        Prices::One(_) | Prices::Single(_) => Rows::One(Vec::new()),
    };
    let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
    let mut last = None;
    let mut closest: Option<Micros> = None;
    loop {
        let has_row = reader.next::<CsvError>(|fields, line, text| {
            match push(fields, &layout, interval, stamp, last, &mut rows) {
                Ok(start) => {
                    closest = last.map(|last| start - last).into_iter().chain(closest).min();
                    last = Some(start);
                    Ok(())
                }
                Err(kind) if on_bad == OnBad::Stop => {
                    Err(CsvError::BadRow { file: file.clone(), line, kind, text: table::excerpt(text) })
                }
                Err(kind) => {
                    *dropped.entry(kind.to_owned()).or_default() += 1;
                    Ok(())
                }
            }
        })?;
        progress(reader.progress());
        if !has_row {
            break;
        }
    }
    let n_off = dropped.get("off_grid").copied().unwrap_or_default();
    if n_off > rows.len() as u64 {
        let other = if stamp == Stamp::Start { "end" } else { "start" };
        return Err(wrong(format!(
            "most of its rows ({n_off}) are no bars of {interval} on whole multiples of that in UTC: give the length that \
             they have with --interval, or --stamp {other}"
        )));
    }
    if rows.is_empty() {
        return Err(CsvError::NothingGood { dropped: counted(&dropped), file });
    }
    if let Some(closest) = closest.filter(|closest| rows.len() > 2 && *closest > interval.length()) {
        return Err(wrong(format!(
            "no two of its rows are {interval} apart, the closest are {closest}: give --interval \
                                  {closest}"
        )));
    }
    Ok(Imported { rows, dropped })
}

/// `3 crossed, 1 out_of_order`, or `no rows`.
#[must_use]
pub fn counted(dropped: &BTreeMap<String, u64>) -> String {
    if dropped.is_empty() {
        return "no rows".to_owned();
    }
    dropped.iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

/// Appends the bar of a row and says where it begins, or what is wrong with it.
fn push(
    fields: &[&[u8]],
    layout: &Layout,
    interval: Resolution,
    stamp: Stamp,
    last: Option<UtcMicros>,
    rows: &mut Rows,
) -> Result<UtcMicros, &'static str> {
    if fields.len() != layout.fields {
        return Err("unparsable");
    }
    let stamped = time(fields[layout.time])?;
    let start = match stamp {
        Stamp::Start => stamped,
        Stamp::End => stamped - interval.length(),
    };
    if let Some(end) = layout.end
        && time(fields[end])? != start + interval.length()
    {
        return Err("off_grid");
    }
    if interval.floor(start) != start {
        return Err("off_grid");
    }
    let text = |place: usize| std::str::from_utf8(fields[place]).map_err(|_| "unparsable");
    match (layout.prices, rows) {
        (Prices::Two(places), Rows::Two(bars)) => {
            let [bo, bh, bl, bc, oo, oh, ol, oc] = prices(places.map(|place| fields[place]))?;
            let bid = Ohlc { open: bo, high: bh, low: bl, close: bc };
            let offer = Ohlc { open: oo, high: oh, low: ol, close: oc };
            if bo > oo || bh > oh || bl > ol || bc > oc {
                return Err("crossed");
            }
            if !is_whole(&bid) || !is_whole(&offer) {
                return Err("contradictory");
            }
            let quotes = match layout.quotes {
                Some(place) => text(place)?.parse().map_err(|_| "unparsable")?,
                None => 0,
            };
            check_order(start, last)?;
            bars.push(HistoryBar { start, bid, offer, quotes });
        }
        (Prices::One(places), Rows::One(rows)) => {
            let [open, high, low, close] = prices(places.map(|place| fields[place]))?;
            let prices = Ohlc { open, high, low, close };
            if !is_whole(&prices) {
                return Err("contradictory");
            }
            let volume = match layout.volume.map(text).transpose()? {
                None | Some("" | ".") => None,
                Some(text) => Some(volume(text).ok_or("unparsable")?),
            };
            check_order(start, last)?;
            rows.push(TradeRow { start, prices, volume });
        }
        (Prices::Single(place), Rows::One(rows)) => {
            let [price] = prices([fields[place]])?;
            check_order(start, last)?;
            rows.push(TradeRow { start, prices: Ohlc::of(price), volume: None });
        }
        _ => unreachable!("the rows are of the kind of their layout"),
    }
    Ok(start)
}

fn check_order(start: UtcMicros, last: Option<UtcMicros>) -> Result<(), &'static str> {
    match last {
        Some(last) if start == last => Err("duplicate"),
        Some(last) if start < last => Err("out_of_order"),
        _ => Ok(()),
    }
}

/// A time, or a date as its midnight UTC.
fn time(field: &[u8]) -> Result<UtcMicros, &'static str> {
    let whole;
    let field = if field.len() == 10 {
        whole = [field, b"T00:00:00Z"].concat();
        whole.as_slice()
    } else {
        field
    };
    table::time(field).ok_or("unparsable")
}

/// Prices above zero, or what is wrong with the first that is none.
fn prices<const N: usize>(fields: [&[u8]; N]) -> Result<[Price; N], &'static str> {
    let mut prices = [Price::ZERO; N];
    for (price, field) in prices.iter_mut().zip(fields) {
        // How sources write that there was none: nothing, a dot (FRED), null.
        if matches!(field, b"" | b"." | b"null") {
            return Err("empty");
        }
        *price =
            table::price(field).map_err(|e| if e == DecimalError::NotFinite { "not_finite" } else { "unparsable" })?;
        if *price <= Price::ZERO {
            return Err("non_positive");
        }
        if *price > PRICE_MAX {
            return Err("unparsable");
        }
    }
    Ok(prices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, interval: &str, stamp: Stamp) -> Result<Imported, CsvError> {
        let input = Input::Memory { name: "f.csv".into(), bytes: text.as_bytes().into() };
        read_bars(&input, interval.parse().unwrap(), stamp, OnBad::Skip, &|_| ())
    }

    fn starts(imported: &Imported) -> Vec<String> {
        imported.rows.starts().iter().map(ToString::to_string).collect()
    }

    const TRADES: &str = "time_utc,open,high,low,close,volume\n\
        2022-01-01T00:01:00Z,70.5,70.75,70.25,70.5,2300413.7295\n\
        2022-01-01T00:02:00Z,70.5,70.75,70.25,70.5,\n";

    #[test]
    fn every_kind_of_file_is_read() {
        let trades = read(TRADES, "1m", Stamp::Start).unwrap();
        let Rows::One(rows) = &trades.rows else { panic!("one side") };
        assert_eq!((rows[0].volume, rows[1].volume), (Some(2_300_413.729_5), None));
        assert_eq!(starts(&trades)[0], "2022-01-01T00:01:00Z");
        assert_eq!(starts(&read(TRADES, "1m", Stamp::End).unwrap())[0], "2022-01-01T00:00:00Z");

        let quotes = "ask_close,time_utc,bid_open,bid_high,bid_low,bid_close,bid_size,ask_open,ask_high,ask_low\n\
            1.4,2014-05-01T00:00:00Z,1.1,1.3,1.0,1.2,86,1.3,1.5,1.2\n";
        let Rows::Two(bars) = read(quotes, "1m", Stamp::Start).unwrap().rows else { panic!("two sides") };
        assert_eq!((bars[0].offer.close, bars[0].bid.close), ("1.4".parse().unwrap(), "1.2".parse().unwrap()));

        let daily = "date,price_usd_per_barrel\n1986-01-02,25.56\n1986-01-03,.\n1986-01-06,26.53\n";
        let imported = read(daily, "1d", Stamp::Start).unwrap();
        assert_eq!(starts(&imported), ["1986-01-02T00:00:00Z", "1986-01-06T00:00:00Z"]);
        assert_eq!(imported.dropped, BTreeMap::from([("empty".to_owned(), 1)]));
    }

    #[test]
    fn bad_rows_are_counted_by_kind() {
        let good = "2022-01-01T00:01:00Z,70.5,70.75,70.25,70.5,1";
        for (row, kind) in [
            ("2022-01-01T00:02:00Z,70.5,70.75,70.25", "unparsable"),
            ("2022-01-01 00:02,70.5,70.75,70.25,70.5,1", "unparsable"),
            ("2022-01-01T00:02:00Z,70.5,70.75,70.25,70.5,-1", "unparsable"),
            ("2022-01-01T00:02:00Z,70.5,70.75,70.25,70.1234567,1", "unparsable"),
            ("2022-01-01T00:02:00Z,70.5,nan,70.25,70.5,1", "not_finite"),
            ("2022-01-01T00:02:00Z,70.5,70.75,-37.63,70.5,1", "non_positive"),
            ("2022-01-01T00:02:00Z,70.5,70.75,,70.5,1", "empty"),
            ("2022-01-01T00:02:00Z,70.5,70.25,70.75,70.5,1", "contradictory"),
            ("2022-01-01T00:02:30Z,70.5,70.75,70.25,70.5,1", "off_grid"),
            ("2022-01-01T00:01:00Z,70.5,70.75,70.25,70.5,1", "duplicate"),
            ("2022-01-01T00:00:00Z,70.5,70.75,70.25,70.5,1", "out_of_order"),
        ] {
            let text = format!("time_utc,open,high,low,close,volume\n{good}\n\n{row}\n");
            let imported = read(&text, "1m", Stamp::Start).unwrap();
            assert_eq!((imported.rows.len(), imported.dropped), (1, BTreeMap::from([(kind.to_owned(), 1)])), "{row}");
            let input = Input::Memory { name: "f.csv".into(), bytes: text.as_bytes().into() };
            let stopped = read_bars(&input, "1m".parse().unwrap(), Stamp::Start, OnBad::Stop, &|_| ()).unwrap_err();
            assert!(stopped.to_string().starts_with(&format!("f.csv:4: {kind} row ")), "{stopped}");
        }
    }

    #[test]
    fn a_file_of_another_kind_or_length_is_wrong_usage() {
        for (text, interval, part) in [
            ("", "1m", "header is"),
            ("time,open,high,low,close\n", "1m", "header is"),
            ("time_utc,bid,ask\n", "1m", "header is"),
            ("time_utc,start,close\n", "1m", "header is"),
            ("date,close\n2022-01-01,1\n", "1m", "dates"),
            (TRADES, "1h", "--stamp end"),
        ] {
            let error = read(text, interval, Stamp::Start).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(part), "{error}");
        }
        let hours = (0..5).map(|n| format!("2022-01-01T0{n}:00:00Z,1\n")).collect::<String>();
        let error = read(&format!("start,close\n{hours}"), "1m", Stamp::Start).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("--interval 1h"), "{error}");
        let error = read("time_utc,close\n2022-01-01T00:00:00Z,.\n", "1m", Stamp::Start).unwrap_err();
        assert!(!error.is_usage() && error.to_string().contains("not one good row (1 empty)"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, rows in "[-0-9TZ:.,\n]{0,120}") {
            for text in [bytes, format!("time_utc,close\n{rows}").into_bytes(), format!("date,open,high,low,close\n{rows}").into_bytes()] {
                let input = Input::Memory { name: "f.csv".into(), bytes: text.into() };
                for stamp in [Stamp::Start, Stamp::End] {
                    let _unused = read_bars(&input, "1d".parse().unwrap(), stamp, OnBad::Skip, &|_| ()).is_ok();
                }
            }
        }
    }
}
