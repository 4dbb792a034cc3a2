//! Event time: microseconds since 1970 in UTC, and lengths of time.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a text is neither a time nor a length of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeError {
    /// Not ISO 8601 in UTC with `Z`.
    #[error("not an ISO 8601 time in UTC, such as 2014-05-01T00:00:00.292Z")]
    NotATime,
    /// Not a length such as `250ms`, `3m` or `1h`.
    #[error("not a length of time, such as 250ms, 30s, 3m, 1h or 2d")]
    NotALength,
}

/// A moment in event time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UtcMicros(pub i64);

/// A length of time in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Micros(pub i64);

impl Micros {
    /// One second.
    pub const SECOND: Self = Self(1_000_000);
    /// One day of 86,400 seconds.
    pub const DAY: Self = Self(86_400_000_000);

    /// In seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl UtcMicros {
    /// The number of the UTC day since 1970-01-01.
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(Micros::DAY.0)
    }

    /// The same moment for the calendar library.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
    }

    /// Reads ISO 8601 in UTC (`2014-05-01T00:00:00.0431420Z`); finer parts than a microsecond are cut off.
    ///
    /// # Errors
    /// [`TimeError::NotATime`] for anything else, another offset than `Z` included.
    pub fn parse_bytes(text: &[u8]) -> Result<Self, TimeError> {
        let bad = Err(TimeError::NotATime);
        if text.len() < 20 || text[4] != b'-' || text[7] != b'-' || !matches!(text[10], b'T' | b' ') {
            return bad;
        }
        if text[13] != b':' || text[16] != b':' || text[text.len() - 1] != b'Z' {
            return bad;
        }
        let mut bad_digit = false;
        let mut number = |from: usize, to: usize| {
            text[from..to].iter().fold(0i64, |n, b| {
                bad_digit |= !b.is_ascii_digit();
                n * 10 + i64::from(b.wrapping_sub(b'0'))
            })
        };
        let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
        let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
        if bad_digit || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return bad;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return bad;
        }
        let mut micros = 0;
        let fraction = &text[19..text.len() - 1];
        if !fraction.is_empty() {
            if fraction[0] != b'.' || fraction.len() == 1 || !fraction[1..].iter().all(u8::is_ascii_digit) {
                return bad;
            }
            let mut scale = 100_000;
            for byte in fraction[1..].iter().take(6) {
                micros += i64::from(byte - b'0') * scale;
                scale /= 10;
            }
        }
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Ok(Self(seconds * 1_000_000 + micros))
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Counting years from March puts the leap day last, so that day-of-year is a linear formula.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl FromStr for UtcMicros {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse_bytes(text.as_bytes())
    }
}

impl fmt::Display for UtcMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.timestamp(), f)
    }
}

impl Serialize for UtcMicros {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for UtcMicros {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(d).map(Self)
        }
    }
}

impl Add<Micros> for UtcMicros {
    type Output = Self;
    fn add(self, rhs: Micros) -> Self {
        Self(self.0 + rhs.0)
    }
}
impl Sub<Micros> for UtcMicros {
    type Output = Self;
    fn sub(self, rhs: Micros) -> Self {
        Self(self.0 - rhs.0)
    }
}
impl Sub for UtcMicros {
    type Output = Micros;
    fn sub(self, rhs: Self) -> Micros {
        Micros(self.0 - rhs.0)
    }
}

const LENGTHS: [(&str, i64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

impl FromStr for Micros {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: i64 = number.parse().map_err(|_| TimeError::NotALength)?;
        let unit = LENGTHS.iter().find(|(name, _)| *name == unit).ok_or(TimeError::NotALength)?;
        number.checked_mul(unit.1).map(Self).ok_or(TimeError::NotALength)
    }
}

impl fmt::Display for Micros {
    /// The largest unit that leaves a whole number: `90s`, `3m`, `250ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let (unit, micros) = LENGTHS.iter().find(|(_, m)| self.0 % m == 0).unwrap_or(&("us", 1));
        f.pad(&format!("{}{unit}", self.0 / micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_agree_with_the_calendar_library() {
        for text in [
            "2014-05-01T00:00:00.292Z",
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59.999999Z",
            "1969-12-31T23:59:59.5Z",
            "2100-03-01T12:00:00Z",
        ] {
            let ours: UtcMicros = text.parse().unwrap();
            let theirs: Timestamp = text.parse().unwrap();
            assert_eq!(ours.0, theirs.as_microsecond(), "{text}");
            assert_eq!(ours.to_string(), text);
        }
        let cut: UtcMicros = "2014-05-01T00:00:00.0431429Z".parse().unwrap();
        assert_eq!(cut.to_string(), "2014-05-01T00:00:00.043142Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2014-05-01",
            "2014-02-29T00:00:00Z",
            "2014-05-01T24:00:00Z",
            "2014-05-01T00:00:00+01:00",
            "2014-05-01T00:00:00.Z",
            "2014-0x-01T00:00:00Z",
        ] {
            assert_eq!(text.parse::<UtcMicros>(), Err(TimeError::NotATime), "{text}");
        }
    }

    #[test]
    fn lengths_read_and_print() {
        for text in ["250ms", "3m", "1h", "2d", "90s", "7us"] {
            assert_eq!(text.parse::<Micros>().unwrap().to_string(), text);
        }
        for text in ["", "3", "m", "-3m", "3 m", "3w", "99999999999999999h"] {
            assert!(text.parse::<Micros>().is_err(), "{text}");
        }
    }
}
