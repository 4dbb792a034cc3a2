//! Quotes out of CSV, plain or gzip: good ones as [`Tick`]s in order of time, bad rows counted by kind.
//!
//! The header names the columns `time_utc` or `event_time_utc` (ISO 8601) or `ts_ms` (milliseconds since 1970), `bid`,
//! and `ask` or `offer`, in any order among others. A blank line is nothing; a row with more or fewer fields than the
//! header is unparsable. Kinds are looked for in the order of [`BadQuote::ALL`], the first that fits counts.

use super::field::{self, MillisMemo, MinuteMemo, TimeFormat};
use super::lines::{Input, Lines};
use super::{BadCounts, FeedError, OnBad};
use crate::domain::{BadQuote, DecimalError, Price, Tick, UtcMicros};

/// How many quotes travel in a block.
pub const BLOCK_TICKS: usize = 4_096;

const WANT: &str = "time_utc,bid,ask (or offer), other columns ignored";

/// Where the needed columns are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    time: usize,
    format: TimeFormat,
    bid: usize,
    offer: usize,
    fields: usize,
}

impl Layout {
    /// `None` where a column is missing or there twice.
    fn of(header: &[&[u8]]) -> Option<Self> {
        let only = |names: &[&str]| {
            let mut places = header.iter().enumerate().filter(|(_, h)| names.iter().any(|n| n.as_bytes() == **h));
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Some(place),
                _ => None,
            }
        };
        let time = only(&["time_utc", "event_time_utc", "ts_ms"])?;
        let format = if header[time] == b"ts_ms" { TimeFormat::Millis } else { TimeFormat::Iso };
        Some(Self { time, format, bid: only(&["bid"])?, offer: only(&["ask", "offer"])?, fields: header.len() })
    }

    /// Whether rows are time, bid and offer and nothing else, so that they can be read quickly.
    fn is_plain(&self) -> bool {
        (self.time, self.bid, self.offer, self.fields) == (0, 1, 2, 3)
    }
}

/// What the row before says of the time of the next.
#[derive(Clone, Copy, Debug, Default)]
struct TimeMemo {
    minute: MinuteMemo,
    millis: MillisMemo,
}

/// Reads the good quotes of one file.
#[derive(Debug)]
pub struct QuoteReader {
    lines: Lines,
    layout: Layout,
    on_bad: OnBad,
    memo: TimeMemo,
    /// Time of the last good quote.
    last: UtcMicros,
    /// Number of the line read last, the header included.
    line: u64,
    good: u64,
    bad: BadCounts,
    /// Good quotes still to be left out.
    to_skip: u64,
    is_done: bool,
}

impl QuoteReader {
    /// Opens `input` and reads its header.
    ///
    /// # Errors
    /// [`FeedError::Header`] for another kind of file, [`FeedError::Unreadable`].
    pub fn open(input: &Input, on_bad: OnBad) -> Result<Self, FeedError> {
        let mut lines = Lines::open(input)?;
        let layout = read_header(&mut lines, WANT, Layout::of)?;
        Ok(Self {
            lines,
            layout,
            on_bad,
            memo: TimeMemo::default(),
            last: UtcMicros(i64::MIN),
            line: 1,
            good: 0,
            bad: BadCounts::default(),
            to_skip: 0,
            is_done: false,
        })
    }

    /// Leaves out the next `n` good quotes.
    pub fn skip(&mut self, n: u64) {
        self.to_skip += n;
    }

    /// Appends good quotes to `out` until it holds `len_max` or the file ends; says whether more may come.
    ///
    /// # Errors
    /// [`FeedError::Unreadable`]; [`FeedError::NothingGood`] at the end of a file without one good quote;
    /// [`FeedError::BadRow`] with [`OnBad::Stop`]. What was appended before an error is good.
    pub fn read(&mut self, out: &mut Vec<Tick>, len_max: usize) -> Result<bool, FeedError> {
        while !self.is_done && out.len() < len_max {
            if self.lines.whole()?.is_empty() {
                self.is_done = true;
                if self.good == 0 {
                    return Err(FeedError::NothingGood { file: self.lines.name().to_owned(), bad: self.bad });
                }
                break;
            }
            let before = out.len();
            let used = self.parse(out, len_max)?;
            self.lines.advance(used);
            let fresh = out.len() - before;
            self.good += fresh as u64;
            if self.to_skip > 0 {
                let n = usize::try_from(self.to_skip).unwrap_or(usize::MAX).min(fresh);
                out.drain(before..before + n);
                self.to_skip -= n as u64;
            }
        }
        Ok(!self.is_done)
    }

    /// Good quotes read so far, those left out included.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.good
    }

    /// Refused rows so far.
    #[must_use]
    pub fn bad(&self) -> &BadCounts {
        &self.bad
    }

    /// How much of the file has been read, from 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.lines.progress()
    }

    /// Parses the lines at hand; says how many bytes of them were used.
    fn parse(&mut self, out: &mut Vec<Tick>, len_max: usize) -> Result<usize, FeedError> {
        let bytes = self.lines.at_hand();
        let is_plain = self.layout.is_plain();
        let mut fields = Vec::new();
        let mut at = 0;
        while at < bytes.len() && out.len() < len_max {
            if is_plain {
                let before = out.len();
                at += quick_rows(&bytes[at..], self.layout.format, &mut self.memo, &mut self.last, out, len_max);
                self.line += (out.len() - before) as u64;
                if at == bytes.len() || out.len() == len_max {
                    break;
                }
            }
            let rest = &bytes[at..];
            let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len() - 1);
            let line = &rest[..end];
            self.line += 1;
            at += end + 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            field::split(line, &mut fields);
            match careful_row(&fields, &self.layout, self.last) {
                Ok(tick) => {
                    self.last = tick.time;
                    out.push(tick);
                }
                Err(kind) => {
                    self.bad.count(kind);
                    if self.on_bad == OnBad::Stop {
                        let file = self.lines.name().to_owned();
                        return Err(FeedError::BadRow { file, line: self.line, kind, text: field::excerpt(line) });
                    }
                }
            }
        }
        Ok(at)
    }
}

/// Reads the first line and finds the columns in it.
pub(super) fn read_header<L>(
    lines: &mut Lines,
    want: &'static str,
    of: impl FnOnce(&[&[u8]]) -> Option<L>,
) -> Result<L, FeedError> {
    let bytes = lines.whole()?;
    let end = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len());
    let mut names = Vec::new();
    field::split(&bytes[..end], &mut names);
    let layout = of(&names);
    let got = field::excerpt(&bytes[..end]);
    let used = (end + 1).min(bytes.len());
    lines.advance(used);
    layout.ok_or_else(|| FeedError::Header { file: lines.name().to_owned(), got, want })
}

/// Good rows in the plainest writing, up to the first that is none; says how many bytes they take.
fn quick_rows(
    bytes: &[u8],
    format: TimeFormat,
    memo: &mut TimeMemo,
    last: &mut UtcMicros,
    out: &mut Vec<Tick>,
    len_max: usize,
) -> usize {
    let mut rest = bytes;
    while out.len() < len_max {
        let Some((tick, n)) = quick_row(rest, format, memo) else { break };
        if tick.time < *last || tick.bid > tick.offer {
            break;
        }
        *last = tick.time;
        out.push(tick);
        rest = &rest[n..];
    }
    bytes.len() - rest.len()
}

/// A row of time, bid and offer in the plainest writing, and its length with its line end.
#[inline]
fn quick_row(rest: &[u8], format: TimeFormat, memo: &mut TimeMemo) -> Option<(Tick, usize)> {
    let (time, n) = match format {
        TimeFormat::Iso => memo.minute.quick(rest)?,
        TimeFormat::Millis => memo.millis.quick(rest)?,
    };
    let rest = rest.get(n..)?.strip_prefix(b",")?;
    let (bid, m) = field::quick_price(rest)?;
    let rest = rest.get(m..)?.strip_prefix(b",")?;
    let (offer, k) = field::quick_price(rest)?;
    let line_end = match rest.get(k..)? {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => return None,
    };
    let tick = Tick { time: UtcMicros(time), bid: Price::from_micros(bid), offer: Price::from_micros(offer) };
    Some((tick, n + m + k + 2 + line_end))
}

/// Any row, and what is wrong with it.
fn careful_row(fields: &[&[u8]], layout: &Layout, last: UtcMicros) -> Result<Tick, BadQuote> {
    if fields.len() != layout.fields {
        return Err(BadQuote::Unparsable);
    }
    let time = layout.format.read(fields[layout.time]).ok_or(BadQuote::Unparsable)?;
    let [bid, offer] = finite_prices([fields[layout.bid], fields[layout.offer]])?;
    if bid > offer {
        return Err(BadQuote::Crossed);
    }
    if time < last {
        return Err(BadQuote::OutOfOrder);
    }
    Ok(Tick { time, bid, offer })
}

/// Prices above zero, or the first kind in which they are bad.
pub(super) fn finite_prices<const N: usize>(fields: [&[u8]; N]) -> Result<[Price; N], BadQuote> {
    let mut prices = [Price::ZERO; N];
    let mut is_finite = true;
    for (price, field) in prices.iter_mut().zip(fields) {
        match field::price(field) {
            Ok(read) => *price = read,
            Err(DecimalError::NotFinite) => is_finite = false,
            Err(_) => return Err(BadQuote::Unparsable),
        }
    }
    if !is_finite {
        return Err(BadQuote::NotFinite);
    }
    if prices.iter().any(|price| *price <= Price::ZERO) {
        return Err(BadQuote::NonPositive);
    }
    Ok(prices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memory(text: &str) -> Input {
        Input::Memory { name: "q.csv".into(), bytes: text.as_bytes().into() }
    }

    fn read_all(input: &Input, on_bad: OnBad) -> Result<(Vec<Tick>, BadCounts), FeedError> {
        let mut reader = QuoteReader::open(input, on_bad)?;
        let mut ticks = Vec::new();
        while reader.read(&mut ticks, usize::MAX)? {}
        Ok((ticks, *reader.bad()))
    }

    const GOOD: &str = "2014-05-01T00:00:00.292Z,1.38676,1.38686\n";

    #[test]
    fn each_bad_row_is_counted_under_its_first_kind() {
        use BadQuote::{Crossed, NonPositive, NotFinite, OutOfOrder, Unparsable};
        for (row, want) in [
            ("2014-05-01T00:00:01Z,1.5,1.5", None),
            ("2014-05-01T00:00:00.292Z,1.5,1.6", None),
            ("  2014-05-01T00:00:01Z , \"1.5\" ,1.6", None),
            ("2014-05-01T00:00:01Z,1.5000000,1.6", None),
            ("2014-05-01T00:00:01Z,1.50000001,1.6", Some(Unparsable)),
            ("2014-05-01T00:00:01Z,,1.6", Some(Unparsable)),
            ("2014-05-01T00:00:01Z,1.5", Some(Unparsable)),
            ("2014-05-01T00:00:01Z,1.5,1.6,7", Some(Unparsable)),
            ("2014-05-01T00:00:01+00:00,1.5,1.6", Some(Unparsable)),
            ("yesterday,nan,1.6", Some(Unparsable)),
            ("2014-05-01T00:00:01Z,nan,one", Some(Unparsable)),
            ("2014-05-01T00:00:01Z,nan,0", Some(NotFinite)),
            ("2014-05-01T00:00:01Z,1.5,-Infinity", Some(NotFinite)),
            ("2014-05-01T00:00:01Z,0,-1", Some(NonPositive)),
            ("2014-05-01T00:00:01Z,0.0,1", Some(NonPositive)),
            ("2014-04-01T00:00:01Z,1.7,1.6", Some(Crossed)),
            ("2014-05-01T00:00:00.291999Z,1.5,1.6", Some(OutOfOrder)),
        ] {
            let (ticks, bad) = read_all(&memory(&format!("time_utc,bid,ask\n{GOOD}{row}\n")), OnBad::Skip).unwrap();
            match want {
                None => assert_eq!((ticks.len(), bad.total()), (2, 0), "{row}"),
                Some(kind) => assert_eq!((ticks.len(), bad.get(kind), bad.total()), (1, 1, 1), "{row}"),
            }
        }
    }

    #[test]
    fn order_is_kept_against_the_last_good_quote_alone() {
        let text = "time_utc,bid,ask\n2014-05-01T00:00:01Z,1,2\n2014-05-01T00:00:09Z,2,1\n2014-05-01T00:00:05Z,1,2\n";
        let (ticks, bad) = read_all(&memory(text), OnBad::Skip).unwrap();
        assert_eq!((ticks.len(), bad.get(BadQuote::Crossed), bad.total()), (2, 1, 1));
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let want = vec![Tick {
            time: UtcMicros(1_398_902_400_292_000),
            bid: Price::from_micros(1_386_760),
            offer: Price::from_micros(1_386_860),
        }];
        for text in [
            "time_utc,bid,ask\n2014-05-01T00:00:00.292Z,1.38676,1.38686",
            "time_utc,bid,offer\r\n2014-05-01T00:00:00.292Z,1.38676,1.38686\r\n\r\n",
            "\u{feff}time_utc,bid,ask\n\n2014-05-01T00:00:00.2920009Z,1.38676,1.38686\n   \n",
            "\"ask\",\"x\",\"time_utc\",\"bid\"\n1.38686,\"a,b\",2014-05-01T00:00:00.292Z,1.38676\n",
            "ts_ms,bid,offer\n1398902400292,1.38676,1.38686\n",
            "offer,bid,ts_ms\n1.38686,1.38676,1398902400292\n",
        ] {
            let (ticks, bad) = read_all(&memory(text), OnBad::Stop).unwrap();
            assert_eq!((ticks, bad.total()), (want.clone(), 0), "{text}");
        }
    }

    #[test]
    fn another_header_is_wrong_usage_and_nothing_good_is_failure() {
        for text in
            ["", "\n", "time,bid,ask\n", "time_utc,bid\n", "time_utc,bid,ask,offer\n", "time_utc,ts_ms,bid,ask\n"]
        {
            let error = read_all(&memory(text), OnBad::Skip).unwrap_err();
            assert!(error.is_usage(), "{text:?}: {error}");
        }
        let error = read_all(&memory("time_utc,bid,ask\nx,1,2\n2014-05-01T00:00:01Z,2,1\n"), OnBad::Skip).unwrap_err();
        assert!(!error.is_usage());
        assert_eq!(error.to_string(), "q.csv: not one good row (1 unparsable, 1 crossed)");
        let missing = QuoteReader::open(&Input::File("/nowhere/q.csv".into()), OnBad::Skip).unwrap_err();
        assert!(matches!(missing, FeedError::Unreadable { .. }) && !missing.is_usage());
    }

    #[test]
    fn stop_names_file_line_kind_and_row() {
        let text = format!("time_utc,bid,ask\n{GOOD}\n2014-05-01T00:00:01Z,2,1\r\n");
        let error = read_all(&memory(&text), OnBad::Stop).unwrap_err();
        assert_eq!(error.to_string(), "q.csv:4: crossed row \"2014-05-01T00:00:01Z,2,1\"");
    }

    #[test]
    fn skipping_leaves_out_good_quotes_alone() {
        let text = "ts_ms,bid,offer\n1,1,2\n2,2,1\n3,1,2\n4,1,2\n5,1,2\n";
        for n in 0..6u64 {
            let mut reader = QuoteReader::open(&memory(text), OnBad::Skip).unwrap();
            reader.skip(n);
            let mut ticks = Vec::new();
            while reader.read(&mut ticks, 2).unwrap() {
                if ticks.len() == 2 {
                    break;
                }
            }
            let want: Vec<i64> = [1_000, 3_000, 4_000, 5_000].into_iter().skip(n.try_into().unwrap()).take(2).collect();
            assert_eq!(ticks.iter().map(|t| t.time.0).collect::<Vec<_>>(), want, "{n}");
        }
    }

    proptest! {
        // Quick and careful ways through a row agree: a fourth column turns the quick one off.
        #[test]
        fn both_ways_read_the_same(rows in prop::collection::vec(
            ("(2014-05-0[1-3]T0[0-2]:0[0-9]:[0-6][0-9](\\.[0-9]{1,9})?Z|[a-z]{3})", "-?[0-9]{1,3}(\\.[0-9]{1,8})?|nan|", "[0-9]{1,3}(\\.[0-9]{1,7})?"),
            1..40,
        )) {
            let mut quick = String::from("time_utc,bid,ask\n2014-05-01T00:00:00Z,1,2\n");
            let mut careful = String::from("time_utc,bid,ask,x\n2014-05-01T00:00:00Z,1,2,\n");
            for (time, bid, ask) in rows {
                quick += &format!("{time},{bid},{ask}\n");
                careful += &format!("{time},{bid},{ask},\n");
            }
            let (quick, careful) = (read_all(&memory(&quick), OnBad::Skip), read_all(&memory(&careful), OnBad::Skip));
            prop_assert_eq!(quick.unwrap(), careful.unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let text = [b"time_utc,bid,ask\n", bytes.as_slice()].concat();
            let input = Input::Memory { name: "noise".into(), bytes: text.into() };
            let error = read_all(&input, OnBad::Skip).err();
            let is_fit = error.is_none_or(|e| matches!(e, FeedError::NothingGood { .. }));
            prop_assert!(is_fit);
        }
    }
}
