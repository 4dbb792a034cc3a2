//! Bars of the past and the present at every resolution of the price history.
//!
//! What happened since the start is kept as quotes and as bars at three lengths, each as far back as the venue's history
//! reaches at it; what lies before is made by [`Past`] as it is asked for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::{Micros, Ohlc, Price, Tick, UtcMicros};

use super::past::Past;
use super::quotes::Quotes;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// Days whose minutes are remembered.
const DAYS_KEPT: usize = 48;

/// A bar of both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candle {
    pub(super) start: UtcMicros,
    pub(super) bid: Ohlc,
    pub(super) offer: Ohlc,
    pub(super) ticks: u32,
}

impl Candle {
    pub(super) fn of(start: UtcMicros, tick: &Tick) -> Self {
        Self { start, bid: Ohlc::of(tick.bid), offer: Ohlc::of(tick.offer), ticks: 1 }
    }

    pub(super) fn add(&mut self, tick: &Tick) {
        let side = |side: &mut Ohlc, price: Price| {
            side.high = side.high.max(price);
            side.low = side.low.min(price);
            side.close = price;
        };
        side(&mut self.bid, tick.bid);
        side(&mut self.offer, tick.offer);
        self.ticks += 1;
    }

    /// Takes in a bar that follows.
    fn join(&mut self, later: &Self) {
        let side = |side: &mut Ohlc, later: &Ohlc| {
            side.high = side.high.max(later.high);
            side.low = side.low.min(later.low);
            side.close = later.close;
        };
        side(&mut self.bid, &later.bid);
        side(&mut self.offer, &later.offer);
        self.ticks = self.ticks.saturating_add(later.ticks);
    }

    /// Twice the middle of the highest bid and offer, and of the lowest.
    pub(super) fn mid2_range(&self) -> (i64, i64) {
        (self.bid.high.micros() + self.offer.high.micros(), self.bid.low.micros() + self.offer.low.micros())
    }
}

/// A length of bars that clients can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// So many microseconds, on multiples since 1970.
    Length(i64),
    /// From Monday to Monday.
    Week,
    /// A month of the calendar.
    Month,
}

/// IG's names of resolutions.
const SCALES: [(&str, Scale); 15] = [
    ("SECOND", Scale::Length(SECOND)),
    ("MINUTE", Scale::Length(MINUTE)),
    ("MINUTE_2", Scale::Length(2 * MINUTE)),
    ("MINUTE_3", Scale::Length(3 * MINUTE)),
    ("MINUTE_5", Scale::Length(5 * MINUTE)),
    ("MINUTE_10", Scale::Length(10 * MINUTE)),
    ("MINUTE_15", Scale::Length(15 * MINUTE)),
    ("MINUTE_30", Scale::Length(30 * MINUTE)),
    ("HOUR", Scale::Length(HOUR)),
    ("HOUR_2", Scale::Length(2 * HOUR)),
    ("HOUR_3", Scale::Length(3 * HOUR)),
    ("HOUR_4", Scale::Length(4 * HOUR)),
    ("DAY", Scale::Length(DAY)),
    ("WEEK", Scale::Week),
    ("MONTH", Scale::Month),
];

impl Scale {
    /// The scale of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        SCALES.iter().find(|(known, _)| *known == name).map(|(_, scale)| *scale)
    }

    /// The start of the bar that holds `time`.
    pub(super) fn floor(self, time: UtcMicros) -> UtcMicros {
        match self {
            Self::Length(length) => UtcMicros(time.0.div_euclid(length) * length),
            // 1970-01-05 was a Monday.
            Self::Week => UtcMicros((time.0 - 4 * DAY).div_euclid(WEEK) * WEEK + 4 * DAY),
            Self::Month => {
                let date = time.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
                UtcMicros(time.0.div_euclid(DAY) * DAY - (i64::from(date.day()) - 1) * DAY)
            }
        }
    }

    /// A length that no bar is longer than.
    fn length_max(self) -> i64 {
        match self {
            Self::Length(length) => length,
            Self::Week => WEEK,
            Self::Month => 31 * DAY,
        }
    }

    /// How far back the venue's history reaches.
    pub(super) fn depth(self) -> Micros {
        Micros(match self {
            Self::Length(length) if length < MINUTE => 4 * DAY,
            Self::Length(length) if length < 5 * MINUTE => 40 * DAY,
            Self::Length(length) if length < DAY => 360 * DAY,
            _ => 15 * 365 * DAY,
        })
    }
}

/// Bars of one length since the start, as far back as they are of use.
#[derive(Debug)]
struct Ring {
    length: i64,
    depth: i64,
    bars: VecDeque<Candle>,
}

impl Ring {
    fn new(length: i64) -> Self {
        Self { length, depth: Scale::Length(length).depth().0, bars: VecDeque::new() }
    }

    fn add(&mut self, tick: &Tick) {
        let start = Scale::Length(self.length).floor(tick.time);
        match self.bars.back_mut() {
            Some(last) if last.start == start => last.add(tick),
            _ => self.bars.push_back(Candle::of(start, tick)),
        }
        while self.bars.front().is_some_and(|first| first.start.0 < start.0 - self.depth) {
            self.bars.pop_front();
        }
    }

    fn between(&self, from: i64, to: i64) -> impl Iterator<Item = &Candle> {
        let first = self.bars.partition_point(|bar| bar.start.0 < from);
        self.bars.range(first..).take_while(move |bar| bar.start.0 < to)
    }
}

/// The history of one market.
#[derive(Debug)]
pub(super) struct History {
    past: Past,
    /// For bars shorter than a minute.
    quotes: Quotes,
    rings: [Ring; 3],
    /// Minutes of days of the past.
    minutes: BTreeMap<i64, Arc<Vec<Candle>>>,
    /// Days of the past.
    days: BTreeMap<i64, Candle>,
}

impl History {
    pub(super) fn new(past: Past) -> Self {
        let rings = [MINUTE, 5 * MINUTE, DAY].map(Ring::new);
        let quotes = Quotes::new(Scale::Length(SECOND).depth().0);
        Self { past, quotes, rings, minutes: BTreeMap::new(), days: BTreeMap::new() }
    }

    /// Takes in a quote; quotes come in order of time.
    pub(super) fn add(&mut self, tick: &Tick) {
        self.quotes.add(tick);
        for ring in &mut self.rings {
            ring.add(tick);
        }
    }

    /// The bar of the day that `time` lies in, if there was any quote.
    pub(super) fn day(&mut self, time: UtcMicros) -> Option<Candle> {
        self.bars(Scale::Length(DAY), Scale::Length(DAY).floor(time), UtcMicros(time.0 + 1)).pop()
    }

    /// The bars that start in `[from, to)`, in order.
    pub(super) fn bars(&mut self, scale: Scale, from: UtcMicros, to: UtcMicros) -> Vec<Candle> {
        let Scale::Length(length) = scale else {
            // Weeks and months are put together from whole days.
            let days = self.bars(Scale::Length(DAY), scale.floor(from), UtcMicros(to.0 + scale.length_max()));
            let bars = fold(&days, scale);
            return bars.into_iter().filter(|bar| bar.start >= from && bar.start < to).collect();
        };
        // The first multiple at or after `from`; every bar is made of whole basic ones.
        let from = from.0.div_euclid(length) * length + if from.0.rem_euclid(length) == 0 { 0 } else { length };
        let to = (to.0.div_euclid(length) + i64::from(to.0.rem_euclid(length) != 0)) * length;
        let mut basic = Vec::new();
        let past_to = to.min(self.past.end().0);
        let mut day = from.div_euclid(DAY);
        while day * DAY < past_to {
            self.append_past(&mut basic, day, length, from, to);
            day += 1;
        }
        match self.rings.iter().rev().find(|ring| length % ring.length == 0) {
            Some(ring) => basic.extend(ring.between(from, to)),
            None => basic.extend(resample(self.quotes.between(from, to), SECOND)),
        }
        fold(&basic, scale)
    }

    fn append_past(&mut self, basic: &mut Vec<Candle>, day: i64, length: i64, from: i64, to: i64) {
        let is_wanted = |bar: &&Candle| (from..to).contains(&bar.start.0);
        if length < MINUTE {
            let ticks = self.past.ticks(day);
            basic.extend(resample(ticks, SECOND).iter().filter(is_wanted));
        } else if length < DAY {
            basic.extend(self.minutes_of(day).iter().filter(is_wanted));
        } else {
            basic.extend(self.day_of_past(day).as_ref().filter(is_wanted));
        }
    }

    fn minutes_of(&mut self, day: i64) -> Arc<Vec<Candle>> {
        if let Some(known) = self.minutes.get(&day) {
            return Arc::clone(known);
        }
        let made = Arc::new(resample(self.past.ticks(day), MINUTE));
        if self.minutes.len() >= DAYS_KEPT {
            self.minutes.pop_first();
        }
        self.minutes.insert(day, Arc::clone(&made));
        made
    }

    fn day_of_past(&mut self, day: i64) -> Option<Candle> {
        if let Some(known) = self.days.get(&day) {
            return Some(*known);
        }
        let made = resample(self.past.ticks(day), DAY).pop()?;
        self.days.insert(day, made);
        Some(made)
    }

    /// The last `n` bars up to `now`, the one that is forming included.
    pub(super) fn last(&mut self, scale: Scale, n: usize, now: UtcMicros) -> Vec<Candle> {
        let oldest = UtcMicros(now.0 - scale.depth().0);
        let count = i64::try_from(n).unwrap_or(i64::MAX);
        let mut span = scale.length_max().saturating_mul(count.saturating_add(1));
        loop {
            let from = UtcMicros(now.0.saturating_sub(span)).max(oldest);
            let mut bars = self.bars(scale, from, UtcMicros(now.0 + 1));
            if bars.len() >= n || from == oldest {
                let surplus = bars.len().saturating_sub(n);
                bars.drain(..surplus);
                return bars;
            }
            span = span.saturating_mul(2);
        }
    }
}

/// Quotes to bars.
fn resample(ticks: impl IntoIterator<Item = Tick>, length: i64) -> Vec<Candle> {
    let mut bars: Vec<Candle> = Vec::new();
    for tick in ticks {
        let start = Scale::Length(length).floor(tick.time);
        match bars.last_mut() {
            Some(last) if last.start == start => last.add(&tick),
            _ => bars.push(Candle::of(start, &tick)),
        }
    }
    bars
}

/// Bars to longer bars.
fn fold(bars: &[Candle], scale: Scale) -> Vec<Candle> {
    let mut longer: Vec<Candle> = Vec::new();
    for bar in bars {
        let start = scale.floor(bar.start);
        match longer.last_mut() {
            Some(last) if last.start == start => last.join(bar),
            _ => longer.push(Candle { start, ..*bar }),
        }
    }
    longer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ig::listing::Listing;

    const START: &str = "2025-01-08T09:30:05Z";

    fn history() -> (History, UtcMicros) {
        let end: UtcMicros = START.parse().unwrap();
        let spec = Listing::guess("IX.D.FTSE.DAILY.IP").spec(0.0);
        (History::new(Past::new(spec, 7, end, 9_700.0)), end)
    }

    fn tick(time: i64, bid: i64) -> Tick {
        let price = |points: i64| Price::from_micros(points * 1_000_000);
        Tick { time: UtcMicros(time), bid: price(bid), offer: price(bid + 1) }
    }

    #[test]
    fn every_resolution_is_made_of_the_same_quotes() {
        let (mut history, end) = history();
        for second in 0..7_200 {
            history.add(&tick(end.0 + second * SECOND, 9_700 + second % 13));
        }
        let now = UtcMicros(end.0 + 7_200 * SECOND);
        let hours = history.last(Scale::Length(HOUR), 30, now);
        assert_eq!(hours.len(), 30);
        for hour in &hours {
            let next = UtcMicros(hour.start.0 + HOUR);
            for finer in [MINUTE, 5 * MINUTE, 15 * MINUTE] {
                let parts = history.bars(Scale::Length(finer), hour.start, next);
                assert_eq!(fold(&parts, Scale::Length(HOUR)), [*hour], "{} of {finer}", hour.start);
            }
        }
        let seconds = history.bars(Scale::Length(SECOND), UtcMicros(now.0 - HOUR), now);
        assert_eq!(seconds.len(), 3_600);
        assert!(seconds.iter().all(|bar| bar.ticks == 1));
    }

    #[test]
    fn the_bar_at_the_start_holds_both_past_and_present() {
        let (mut history, end) = history();
        history.add(&tick(end.0, 20_000));
        let minute = history.last(Scale::Length(MINUTE), 1, end).pop().unwrap();
        assert_eq!(minute.start, Scale::Length(MINUTE).floor(end));
        assert_eq!(minute.bid.close.to_string(), "20000");
        let day = history.day(end).unwrap();
        assert!(day.ticks > 1_000 && day.bid.open < day.bid.high, "{day:?}");
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let (mut history, end) = history();
        let weeks = history.last(Scale::Week, 3, end);
        assert_eq!(weeks.last().unwrap().start.to_string(), "2025-01-06T00:00:00Z");
        assert_eq!(weeks.len(), 3);
        let months = history.last(Scale::Month, 3, end);
        let starts: Vec<String> = months.iter().map(|bar| bar.start.to_string()).collect();
        assert_eq!(starts, ["2024-11-01T00:00:00Z", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"]);
    }

    #[test]
    fn history_ends_where_the_venue_s_does() {
        let (mut history, end) = history();
        let minutes = history.last(Scale::Length(MINUTE), 1_000_000, end);
        assert_eq!(minutes.first().unwrap().start.0, (end.0 - 40 * DAY).div_euclid(MINUTE) * MINUTE + MINUTE);
    }

    #[test]
    fn what_is_kept_does_not_grow_without_end() {
        let (mut history, end) = history();
        for second in 0..400_000 {
            history.add(&tick(end.0 + second * 7 * SECOND, 9_700));
        }
        assert!(history.rings[0].bars.len() <= 40 * 1_440 + 2, "{}", history.rings[0].bars.len());
        let oldest = history.quotes.between(i64::MIN, i64::MAX).next().unwrap().time;
        assert!(oldest.0 >= end.0 + (400_000 * 7 * SECOND) - 4 * DAY - 2 * HOUR, "{oldest}");
    }
}
