//! Ready-made bars out of CSV, plain or gzip, for replays where only bars are known.
//!
//! Two headers are known: what `arena resample` writes (`start,end,bid_open,…,offer_close,quotes`), and recorded quote
//! bars stamped with their start (`time_utc,bid_open,…,ask_close`). Columns may stand in any order among others. A row
//! with an empty field, off the grid of its length, or of another length is unparsable; one whose prices contradict one
//! another (bid above offer, high below low, open or close outside of both) counts as crossed.

use std::collections::VecDeque;

use super::csv::{finite_prices, read_header};
use super::field::{self, TimeFormat};
use super::lines::{Input, Lines};
use super::{BadCounts, BarRow, FeedError, OnBad};
use crate::domain::{BadQuote, EpicIdx, Ohlc, Price, Resolution, UtcMicros};

const WANT: &str = "start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes \
                    (or time_utc for start and end, ask for offer)";

/// Where the needed columns are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    start: usize,
    end: Option<usize>,
    /// Open, high, low, close of the bid, then of the offer.
    prices: [usize; 8],
    quotes: Option<usize>,
    fields: usize,
}

impl Layout {
    fn of(header: &[&[u8]]) -> Option<Self> {
        let places =
            |name: &str| header.iter().enumerate().filter(|(_, h)| **h == name.as_bytes()).map(|(i, _)| i).collect();
        let only = |names: &[&str]| {
            let all: Vec<usize> = names.iter().flat_map(|n| -> Vec<usize> { places(n) }).collect();
            if let [place] = all[..] { Some(place) } else { None }
        };
        let mut prices = [0; 8];
        for (i, part) in ["open", "high", "low", "close"].into_iter().enumerate() {
            prices[i] = only(&[&format!("bid_{part}")])?;
            prices[i + 4] = only(&[&format!("offer_{part}"), &format!("ask_{part}")])?;
        }
        let start = only(&["start", "time_utc"])?;
        Some(Self { start, end: only(&["end"]), prices, quotes: only(&["quotes"]), fields: header.len() })
    }
}

/// Reads the good bars of one file.
#[derive(Debug)]
pub struct BarReader {
    lines: Lines,
    layout: Layout,
    epic: EpicIdx,
    length: Option<Resolution>,
    on_bad: OnBad,
    last: Option<UtcMicros>,
    line: u64,
    good: u64,
    bad: BadCounts,
    to_skip: u64,
    is_done: bool,
}

impl BarReader {
    /// Opens `input` and reads its header. Bars are as long as `length` says; without it as the first good row says.
    ///
    /// # Errors
    /// [`FeedError::Header`] for another kind of file; [`FeedError::Length`] where neither `length` nor the file says
    /// how long its bars are; [`FeedError::Unreadable`].
    pub fn open(input: &Input, epic: EpicIdx, length: Option<Resolution>, on_bad: OnBad) -> Result<Self, FeedError> {
        let mut lines = Lines::open(input)?;
        let layout = read_header(&mut lines, WANT, Layout::of)?;
        if length.is_none() && layout.end.is_none() {
            let (got, want) = ("an unknown length".to_owned(), "a column end".to_owned());
            return Err(FeedError::Length { file: lines.name().to_owned(), got, want });
        }
        Ok(Self {
            lines,
            layout,
            epic,
            length,
            on_bad,
            last: None,
            line: 1,
            good: 0,
            bad: BadCounts::default(),
            to_skip: 0,
            is_done: false,
        })
    }

    /// Leaves out the next `n` good bars.
    pub fn skip(&mut self, n: u64) {
        self.to_skip += n;
    }

    /// Appends good bars to `out` until it holds `len_max` or the file ends; says whether more may come.
    ///
    /// # Errors
    /// As [`super::csv::QuoteReader::read`].
    pub fn read(&mut self, out: &mut VecDeque<BarRow>, len_max: usize) -> Result<bool, FeedError> {
        while !self.is_done && out.len() < len_max {
            let bytes = self.lines.whole()?;
            if bytes.is_empty() {
                self.is_done = true;
                if self.good == 0 {
                    return Err(FeedError::NothingGood { file: self.lines.name().to_owned(), bad: self.bad });
                }
                break;
            }
            self.line += 1;
            let end = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - 1);
            let line = &bytes[..end];
            if !line.trim_ascii().is_empty() {
                let mut fields = Vec::with_capacity(self.layout.fields);
                field::split(line, &mut fields);
                match row(&fields, &self.layout, self.epic, self.length, self.last) {
                    Ok((bar, length)) => {
                        self.length = Some(length);
                        self.last = Some(bar.start);
                        self.good += 1;
                        if self.to_skip > 0 {
                            self.to_skip -= 1;
                        } else {
                            out.push_back(bar);
                        }
                    }
                    Err(kind) => {
                        self.bad.count(kind);
                        if self.on_bad == OnBad::Stop {
                            let text = field::excerpt(line);
                            return Err(FeedError::BadRow {
                                file: self.lines.name().to_owned(),
                                line: self.line,
                                kind,
                                text,
                            });
                        }
                    }
                }
            }
            self.lines.advance(end + 1);
        }
        Ok(!self.is_done)
    }

    /// How long the bars are, once it is known.
    #[must_use]
    pub fn length(&self) -> Option<Resolution> {
        self.length
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
}

fn row(
    fields: &[&[u8]],
    layout: &Layout,
    epic: EpicIdx,
    length: Option<Resolution>,
    last: Option<UtcMicros>,
) -> Result<(BarRow, Resolution), BadQuote> {
    let unparsable = BadQuote::Unparsable;
    if fields.len() != layout.fields {
        return Err(unparsable);
    }
    let time = |place: usize| TimeFormat::Iso.read(fields[place]).ok_or(unparsable);
    let start = time(layout.start)?;
    let said = match layout.end {
        Some(place) => Some(Resolution::new(time(place)? - start).ok_or(unparsable)?),
        None => None,
    };
    let length = length.or(said).ok_or(unparsable)?;
    if said.is_some_and(|said| said != length) || length.floor(start) != start {
        return Err(unparsable);
    }
    let ticks = match layout.quotes {
        Some(place) => std::str::from_utf8(fields[place]).ok().and_then(|t| t.parse().ok()).ok_or(unparsable)?,
        None => 0,
    };
    let [bo, bh, bl, bc, oo, oh, ol, oc] = finite_prices(layout.prices.map(|place| fields[place]))?;
    let bid = Ohlc { open: bo, high: bh, low: bl, close: bc };
    let offer = Ohlc { open: oo, high: oh, low: ol, close: oc };
    let is_inside = |o: &Ohlc, price: Price| o.low <= price && price <= o.high;
    let is_whole = |o: &Ohlc| is_inside(o, o.open) && is_inside(o, o.close);
    if !is_whole(&bid) || !is_whole(&offer) || bo > oo || bh > oh || bl > ol || bc > oc {
        return Err(BadQuote::Crossed);
    }
    if last.is_some_and(|last| start <= last) {
        return Err(BadQuote::OutOfOrder);
    }
    Ok((BarRow { epic, start, length: length.length(), bid, offer, ticks }, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "time_utc,bid_open,bid_high,bid_low,bid_close,ask_open,ask_high,ask_low,ask_close";
    const OURS: &str =
        "start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes";

    fn open(text: String, length: Option<&str>) -> Result<BarReader, FeedError> {
        let input = Input::Memory { name: "b.csv".into(), bytes: text.into_bytes().into() };
        BarReader::open(&input, EpicIdx(7), length.map(|l| l.parse().unwrap()), OnBad::Skip)
    }

    fn read(text: String, length: Option<&str>) -> (Vec<BarRow>, BadCounts) {
        let mut reader = open(text, length).unwrap();
        let mut rows = VecDeque::new();
        while reader.read(&mut rows, 3).unwrap() && rows.len() < 3 {}
        (rows.into(), *reader.bad())
    }

    #[test]
    fn both_headers_give_the_same_bar() {
        let shared = format!("{SHARED}\n2014-05-01T00:01:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.4\n");
        let ours = format!("{OURS}\r\n2014-05-01T00:01:00Z,2014-05-01T00:02:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.4,0\r\n");
        let (a, b) = (read(shared, Some("1m")), read(ours, None));
        assert_eq!(a, b);
        let micros = |o: &Ohlc| [o.open, o.high, o.low, o.close].map(|p| p.micros() / 100_000);
        assert_eq!((micros(&a.0[0].bid), micros(&a.0[0].offer)), ([12, 14, 11, 13], [13, 15, 12, 14]));
        assert_eq!((a.0[0].epic, a.0[0].length.0), (EpicIdx(7), 60_000_000));
    }

    #[test]
    fn bad_rows_are_counted_by_kind() {
        use BadQuote::{Crossed, NonPositive, NotFinite, OutOfOrder, Unparsable};
        let good = "2014-05-01T00:01:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.4";
        for (row, kind) in [
            ("2014-05-01T00:02:00Z,1.2,1.4,1.1,1.3,,,,", Unparsable),
            ("2014-05-01T00:02:30Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.4", Unparsable),
            ("2014-05-01T00:02:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2", Unparsable),
            ("2014-05-01T00:02:00Z,nan,1.4,1.1,1.3,1.3,1.5,1.2,1.4", NotFinite),
            ("2014-05-01T00:02:00Z,1.2,1.4,0,1.3,1.3,1.5,1.2,1.4", NonPositive),
            ("2014-05-01T00:02:00Z,1.2,1.1,1.4,1.3,1.3,1.5,1.2,1.4", Crossed),
            ("2014-05-01T00:02:00Z,1.5,1.4,1.1,1.3,1.6,1.6,1.2,1.4", Crossed),
            ("2014-05-01T00:02:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.6", Crossed),
            ("2014-05-01T00:02:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.25", Crossed),
            ("2014-05-01T00:01:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.4", OutOfOrder),
        ] {
            let (rows, bad) = read(format!("{SHARED}\n{good}\n{row}\n"), Some("1m"));
            assert_eq!((rows.len(), bad.get(kind), bad.total()), (1, 1, 1), "{row}");
        }
    }

    #[test]
    fn the_length_comes_from_the_caller_or_the_first_row() {
        let row = |a: &str, b: &str| {
            format!("2014-05-01T00:{a}:00Z,2014-05-01T00:{b}:00Z,1.2,1.4,1.1,1.3,1.3,1.5,1.2,1.4,9\n")
        };
        let text = format!("{OURS}\n{}{}", row("00", "05"), row("05", "06"));
        let (rows, bad) = read(text.clone(), None);
        assert_eq!((rows.len(), rows[0].ticks, bad.get(BadQuote::Unparsable)), (1, 9, 1));
        assert_eq!(read(text, Some("1m")).1.get(BadQuote::Unparsable), 1);
        assert!(open(format!("{SHARED}\n"), None).unwrap_err().is_usage());
        assert!(open("time_utc,open,high,low,close\n".into(), Some("1m")).unwrap_err().is_usage());
    }
}
