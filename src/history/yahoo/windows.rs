//! How much Yahoo gives at once and how far back it goes.

use crate::domain::{Micros, Resolution, UtcMicros};
use crate::history::{TimeSpan, spans};

/// One length of bar that Yahoo has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// What requests call it.
    pub word: &'static str,
    /// Its length.
    pub resolution: Resolution,
    /// The longest request, a little under what Yahoo allows; `None`: any.
    pub longest: Option<Micros>,
    /// How far back it goes, a little under what Yahoo keeps; `None`: to the first trade.
    pub oldest: Option<Micros>,
}

/// Word, length in minutes, days of the longest request, days back.
const TABLE: &[(&str, i64, Option<i64>, Option<i64>)] = &[
    ("1m", 1, Some(7), Some(29)),
    ("2m", 2, Some(59), Some(59)),
    ("5m", 5, Some(59), Some(59)),
    ("15m", 15, Some(59), Some(59)),
    ("30m", 30, Some(59), Some(59)),
    ("1h", 60, Some(729), Some(729)),
    ("90m", 90, Some(59), Some(59)),
    ("4h", 240, Some(729), Some(729)),
    ("1d", 1_440, None, None),
];

impl Interval {
    /// That of `resolution`, where Yahoo has it.
    #[must_use]
    pub fn of(resolution: Resolution) -> Option<Self> {
        let of_days = |days: i64| Micros(days * Micros::DAY.0);
        TABLE.iter().find(|row| row.1 * 60_000_000 == resolution.length().0).map(|row| Self {
            word: row.0,
            resolution,
            longest: row.2.map(of_days),
            oldest: row.3.map(of_days),
        })
    }

    /// The words of all, for messages.
    #[must_use]
    pub fn words() -> String {
        TABLE.iter().map(|row| row.0).collect::<Vec<_>>().join(", ")
    }

    /// Whether its bars are days of the exchange.
    #[must_use]
    pub fn is_daily(&self) -> bool {
        self.resolution.length() == Micros::DAY
    }

    /// The first moment whose bars are still to be had at `now`.
    #[must_use]
    pub fn oldest_at(&self, now: UtcMicros) -> Option<UtcMicros> {
        // One bar later than the floor, so that it never lies before what Yahoo keeps.
        self.oldest.map(|back| self.resolution.floor(now - back) + self.resolution.length())
    }

    /// What of `asked` is to be had, on whole bars, and whether its beginning was cut off. What is too old from end to
    /// end is left as it is: Yahoo then says so itself.
    #[must_use]
    pub fn within_reach(&self, asked: TimeSpan, now: UtcMicros) -> (TimeSpan, bool) {
        let length = self.resolution.length();
        let up = |time: UtcMicros| self.resolution.floor(time + Micros(length.0 - 1));
        let from = self.resolution.floor(asked.from);
        let to = up(asked.to.min(now));
        match self.oldest_at(now) {
            Some(oldest) if from < oldest && oldest < to => (TimeSpan { from: oldest, to }, true),
            _ => (TimeSpan { from, to }, false),
        }
    }

    /// The requests for `span`.
    #[must_use]
    pub fn windows(&self, span: TimeSpan) -> Vec<TimeSpan> {
        spans::pieces(span, self.longest)
    }

    /// `period1` and `period2` of a request for the bars that start in `window`, in seconds. The day of an exchange may
    /// begin on the evening before in UTC.
    #[must_use]
    pub fn periods(&self, window: TimeSpan) -> (i64, i64) {
        let early = if self.is_daily() { Micros::DAY.0 / 2 } else { 0 };
        ((window.from.0 - early).div_euclid(1_000_000), window.to.0.div_euclid(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(word: &str) -> Interval {
        Interval::of(word.parse().unwrap()).unwrap()
    }

    fn at(text: &str) -> UtcMicros {
        text.parse().unwrap()
    }

    #[test]
    fn every_word_is_that_of_its_length() {
        for row in TABLE {
            assert_eq!(interval(row.0).word, row.0);
        }
        assert_eq!(interval("60m").word, "1h");
        assert_eq!(Interval::of("3m".parse().unwrap()), None);
        assert!(Interval::words().starts_with("1m, 2m, 5m"));
    }

    #[test]
    fn minutes_are_asked_in_weeks_of_the_last_month() {
        let now = at("2026-03-31T12:34:56Z");
        let (span, is_cut) = interval("1m").within_reach(TimeSpan { from: at("2026-01-01T00:00:00Z"), to: now }, now);
        assert!(is_cut);
        assert_eq!((span.from, span.to), (at("2026-03-02T12:35:00Z"), at("2026-03-31T12:35:00Z")));
        let windows = interval("1m").windows(span);
        assert_eq!(windows.len(), 5);
        assert!(windows.iter().all(|w| w.to - w.from <= Micros(7 * Micros::DAY.0)));
        assert!(windows.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!((windows[0].from, windows[4].to), (span.from, span.to));
        // Too old from end to end: asked as it is.
        let old = TimeSpan { from: at("2013-10-07T00:00:30Z"), to: at("2013-10-08T00:00:30Z") };
        let whole = TimeSpan { from: at("2013-10-07T00:00:00Z"), to: at("2013-10-08T00:01:00Z") };
        assert_eq!(interval("1m").within_reach(old, now), (whole, false));
    }

    #[test]
    fn days_are_asked_at_once_from_the_evening_before() {
        let now = at("2026-03-31T12:34:56Z");
        let asked = TimeSpan { from: at("1990-01-01T00:00:00Z"), to: at("2030-01-01T00:00:00Z") };
        let (span, is_cut) = interval("1d").within_reach(asked, now);
        assert_eq!((span.from, span.to, is_cut), (asked.from, at("2026-04-01T00:00:00Z"), false));
        assert_eq!(interval("1d").windows(span), [span]);
        assert_eq!(interval("1d").periods(span).0, asked.from.0 / 1_000_000 - 43_200);
        assert_eq!(interval("1h").periods(span).0, asked.from.0 / 1_000_000);
    }
}
