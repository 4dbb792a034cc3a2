//! A market's dealing rules, its hours, and the arithmetic from price to money.

use std::str::FromStr;

use jiff::{civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::units::{MICRO, div_half_even};
use super::{Decimal, Epic, Micros, Money, PriceDelta, Size, UtcMicros};

/// The dealing rules of one market, as configured or read from the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// IG's name of it.
    pub epic: Epic,
    /// The currency it deals in.
    pub currency: String,
    /// The price change that is one point.
    pub point: PriceDelta,
    /// Money for one point at size 1.
    pub value_per_point: Money,
    /// The least size that can be dealt.
    pub size_min: Size,
    /// The least distance of a stop, in points.
    pub stop_min_points: Decimal,
    /// The worst move beyond a stop that is planned for, in points.
    pub gap_allowance_points: Decimal,
    /// Charged on what is open at 22:00 London, a year.
    pub funding_annual_rate: Decimal,
    /// When entries are allowed; `None`: always.
    pub session: Option<Session>,
}

impl Market {
    /// `points` of this market as a distance of prices; `None` where it is no whole number of millionths.
    #[must_use]
    pub fn distance(&self, points: Decimal) -> Option<PriceDelta> {
        let scaled = i128::from(points.0) * i128::from(self.point.micros());
        if scaled % i128::from(MICRO) != 0 {
            return None;
        }
        i64::try_from(scaled / i128::from(MICRO)).ok().map(PriceDelta::from_micros)
    }

    /// Money that a move of `delta` makes at `size`: points x value per point x size.
    ///
    /// Exact wherever the result is a whole number of millionths; else rounded half to even, which takes a size or
    /// value per point so fine that one step of the price is worth less than a millionth.
    ///
    /// What 64 bits cannot hold stays at their end: only a quote far from any market leads there, and a desk that deals
    /// must outlive it.
    #[must_use]
    pub fn money(&self, delta: PriceDelta, size: Size) -> Money {
        bounded(self.money_micros(delta, size))
    }

    /// The same in millionths, however large.
    pub(crate) fn money_micros(&self, delta: PriceDelta, size: Size) -> i128 {
        let numerator = i128::from(delta.micros())
            .saturating_mul(i128::from(self.value_per_point.micros()))
            .saturating_mul(i128::from(size.micros()));
        div_half_even(numerator, i128::from(self.point.micros()) * i128::from(MICRO))
    }

    /// What one passing of 22:00 London costs: size x value per point x level / point x rate / 365, rounded half to even.
    ///
    /// `mid2` is twice the level, in millionths. What 64 bits cannot hold stays at their end.
    #[must_use]
    pub fn funding(&self, mid2: i64, size: Size) -> Money {
        let numerator = i128::from(mid2)
            .saturating_mul(i128::from(self.value_per_point.micros()))
            .saturating_mul(i128::from(size.micros()))
            .saturating_mul(i128::from(self.funding_annual_rate.0));
        let denominator = 2 * 365 * i128::from(self.point.micros()) * i128::from(MICRO) * i128::from(MICRO);
        bounded(div_half_even(numerator, denominator))
    }

    /// Whether an entry is allowed at `time`.
    #[must_use]
    pub fn is_in_session(&self, time: UtcMicros) -> bool {
        self.session.as_ref().is_none_or(|session| session.contains(time))
    }
}

fn bounded(micros: i128) -> Money {
    let end = if micros < 0 { i64::MIN } else { i64::MAX };
    Money::from_micros(i64::try_from(micros).unwrap_or(end))
}

/// What a fill costs beyond the quote, the same for every candidate of an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    /// From the close of the bar to the earliest fill.
    pub latency: Micros,
    /// Added to every market fill and stop fill.
    pub slippage: PriceDelta,
}

/// Why a text does not describe hours.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// Not `Day HH:MM-Day HH:MM[, …] Zone`.
    #[error("not hours such as \"Sun 22:00-Fri 22:00 Europe/London\"")]
    Shape,
    /// Not a name of the IANA time zone database.
    #[error("unknown time zone {0:?}")]
    Zone(String),
}

/// Weekly hours in a time zone, such as `Sun 22:00-Fri 22:00 Europe/London`; several ranges are separated by commas.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    text: String,
    zone: TimeZone,
    /// Minutes of the local week (Monday 00:00 is 0), start included, end not; an end before its start wraps.
    ranges: Vec<(i32, i32)>,
}

impl Session {
    /// Whether `time` lies inside.
    #[must_use]
    pub fn contains(&self, time: UtcMicros) -> bool {
        let local = time.timestamp().to_zoned(self.zone.clone());
        let minute = i32::from(local.weekday().to_monday_zero_offset()) * 1_440
            + i32::from(local.hour()) * 60
            + i32::from(local.minute());
        self.ranges.iter().any(
            |&(from, to)| {
                if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
            },
        )
    }
}

impl FromStr for Session {
    type Err = SessionError;
    fn from_str(text: &str) -> Result<Self, SessionError> {
        let (ranges, zone) = text.trim().rsplit_once(' ').ok_or(SessionError::Shape)?;
        let parsed = ranges
            .split(',')
            .map(|range| {
                let (from, to) = range.trim().split_once('-').ok_or(SessionError::Shape)?;
                Ok((minute_of_week(from)?, minute_of_week(to)?))
            })
            .collect::<Result<Vec<_>, SessionError>>()?;
        if parsed.iter().any(|(from, to)| from == to) {
            return Err(SessionError::Shape);
        }
        let tz = TimeZone::get(zone).map_err(|_| SessionError::Zone(zone.to_owned()))?;
        Ok(Self { text: text.trim().to_owned(), zone: tz, ranges: parsed })
    }
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

fn minute_of_week(text: &str) -> Result<i32, SessionError> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let (day, clock) = text.trim().split_once(' ').ok_or(SessionError::Shape)?;
    let day = DAYS.iter().position(|name| *name == day).ok_or(SessionError::Shape)?;
    let (hour, minute) = clock.trim().split_once(':').ok_or(SessionError::Shape)?;
    let number = |text: &str, most: i32| match text.parse::<i32>() {
        Ok(n) if text.len() == 2 && (0..=most).contains(&n) => Ok(n),
        _ => Err(SessionError::Shape),
    };
    let day = i32::try_from(day).map_err(|_| SessionError::Shape)?;
    Ok(day * 1_440 + number(hour, 23)? * 60 + number(minute, 59)?)
}

/// The first 22:00 Europe/London strictly after `time`, and how often that day is charged (Friday three times).
///
/// # Panics
/// If `time` lies at the end of the calendar.
#[must_use]
pub fn next_funding(time: UtcMicros) -> (UtcMicros, i64) {
    let zone = TimeZone::get("Europe/London").expect("the time zone database is bundled");
    let mut day = time.timestamp().to_zoned(zone.clone()).date();
    loop {
        let at = day.at(22, 0, 0, 0).to_zoned(zone.clone()).expect("22:00 exists on every London day");
        let moment = UtcMicros(at.timestamp().as_microsecond());
        if moment > time {
            return (moment, if at.weekday() == Weekday::Friday { 3 } else { 1 });
        }
        day = day.tomorrow().expect("the calendar goes on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_points_times_value_times_size() {
        let market = eurusd();
        // 11 tenths of a pip at 2 a pip: 1.1 points x 1.0 x 2 = 2.2
        let money = market.money("0.00011".parse().unwrap(), "2".parse().unwrap());
        assert_eq!(money.to_string(), "2.2");
    }

    #[test]
    fn funding_of_a_known_night() {
        // 13,867.6 points x 1.0 x 0.025 / 365 = 0.949835616..., rounded half to even at the sixth decimal
        let charge = eurusd().funding(2 * 1_386_760, "1".parse().unwrap());
        assert_eq!(charge.to_string(), "0.949836");
    }

    #[test]
    fn funding_falls_at_ten_in_london_summer_and_winter() {
        let (at, times) = next_funding("2014-05-01T20:59:59Z".parse().unwrap());
        assert_eq!((at.to_string().as_str(), times), ("2014-05-01T21:00:00Z", 1));
        let (at, times) = next_funding("2014-05-01T21:00:00Z".parse().unwrap());
        assert_eq!((at.to_string().as_str(), times), ("2014-05-02T21:00:00Z", 3));
        let (at, _) = next_funding("2014-12-01T21:30:00Z".parse().unwrap());
        assert_eq!(at.to_string(), "2014-12-01T22:00:00Z");
    }

    #[test]
    fn the_week_opens_on_sunday_and_closes_on_friday() {
        let session: Session = "Sun 22:00-Fri 22:00 Europe/London".parse().unwrap();
        for (time, inside) in [
            ("2014-05-02T20:59:59Z", true),
            ("2014-05-02T21:00:00Z", false),
            ("2014-05-03T12:00:00Z", false),
            ("2014-05-04T20:59:59Z", false),
            ("2014-05-04T21:00:00Z", true),
        ] {
            assert_eq!(session.contains(time.parse().unwrap()), inside, "{time}");
        }
        for text in ["", "Sun-Fri Europe/London", "Sun 22:00-Fri 22:00 Mars/Base", "Sun 25:00-Fri 22:00 UTC"] {
            assert!(text.parse::<Session>().is_err(), "{text}");
        }
    }

    fn eurusd() -> Market {
        Market {
            epic: "CS.D.EURUSD.TODAY.IP".into(),
            currency: "GBP".into(),
            point: "0.0001".parse().unwrap(),
            value_per_point: "1".parse().unwrap(),
            size_min: "0.5".parse().unwrap(),
            stop_min_points: "2".parse().unwrap(),
            gap_allowance_points: "20".parse().unwrap(),
            funding_annual_rate: "0.025".parse().unwrap(),
            session: None,
        }
    }
}
