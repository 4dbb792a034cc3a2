//! The trading week: Sunday 22:00 to Friday 22:00 in London, and the hour there.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

use crate::domain::UtcMicros;

/// One trading week, within which London keeps the same offset: its clocks change while the market is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Week {
    /// The first moment of trading.
    pub(super) open: UtcMicros,
    /// The first moment after it.
    pub(super) close: UtcMicros,
    /// What London is ahead of UTC, in microseconds.
    pub(super) offset: i64,
}

impl Week {
    /// The week that holds `time`, or the next one where `time` lies in a weekend.
    pub(super) fn at_or_after(time: UtcMicros) -> Self {
        let zone = TimeZone::get("Europe/London").expect("the time zone database is bundled");
        // Sunday's day is the start of the week; the one before covers Sunday before 22:00 of an unfinished weekend.
        let local = time.timestamp().to_zoned(zone.clone());
        let mut sunday = local.date();
        while sunday.weekday() != Weekday::Sunday {
            sunday = sunday.yesterday().expect("a calendar has a week before");
        }
        loop {
            let moment = |days: i64| -> Option<Timestamp> {
                let date = sunday.checked_add(jiff::Span::new().days(days)).ok()?;
                Some(date.at(22, 0, 0, 0).to_zoned(zone.clone()).ok()?.timestamp())
            };
            let (open, close) = moment(0).zip(moment(5)).expect("the calendar goes on for another week");
            if close.as_microsecond() > time.0 {
                let offset = i64::from(zone.to_offset(open).seconds()) * 1_000_000;
                return Self {
                    open: UtcMicros(open.as_microsecond()),
                    close: UtcMicros(close.as_microsecond()),
                    offset,
                };
            }
            sunday = sunday.checked_add(jiff::Span::new().days(7)).expect("the calendar goes on for another week");
        }
    }

    /// The hour in London at `time`, 0 to 23.
    pub(super) fn hour(&self, time: UtcMicros) -> usize {
        usize::try_from((time.0 + self.offset).rem_euclid(86_400_000_000) / 3_600_000_000).expect("an hour is small")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_follow_london_through_the_change_of_clocks() {
        for (at, open, close) in [
            ("2025-01-06T00:00:00Z", "2025-01-05T22:00:00Z", "2025-01-10T22:00:00Z"),
            ("2025-01-05T21:59:59Z", "2025-01-05T22:00:00Z", "2025-01-10T22:00:00Z"),
            ("2025-01-10T22:00:00Z", "2025-01-12T22:00:00Z", "2025-01-17T22:00:00Z"),
            ("2025-01-10T21:59:59Z", "2025-01-05T22:00:00Z", "2025-01-10T22:00:00Z"),
            ("2025-03-29T12:00:00Z", "2025-03-30T21:00:00Z", "2025-04-04T21:00:00Z"),
            ("2025-10-25T12:00:00Z", "2025-10-26T22:00:00Z", "2025-10-31T22:00:00Z"),
        ] {
            let week = Week::at_or_after(at.parse().unwrap());
            assert_eq!((week.open.to_string().as_str(), week.close.to_string().as_str()), (open, close), "{at}");
        }
    }

    #[test]
    fn the_hour_is_that_of_london() {
        let summer = Week::at_or_after("2014-05-01T00:00:00Z".parse().unwrap());
        assert_eq!(summer.hour("2014-05-01T21:30:00Z".parse().unwrap()), 22);
        let winter = Week::at_or_after("2014-12-01T12:00:00Z".parse().unwrap());
        assert_eq!(winter.hour("2014-12-01T21:30:00Z".parse().unwrap()), 21);
    }
}
