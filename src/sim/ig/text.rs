//! How values are written on the wire: percent codes, times in their several forms, decimals as JSON numbers.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::domain::{Decimal, Money, Price, PriceDelta, Size, UtcMicros};

/// Undoes percent codes; `None` where the bytes are no UTF-8 or a code is cut off.
pub(super) fn percent_decode(text: &str, is_plus_space: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
                let code = digit(at + 1)? * 16 + digit(at + 2)?;
                out.push(u8::try_from(code).ok()?);
                at += 2;
            }
            b'+' if is_plus_space => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).ok()
}

/// Puts percent codes for all but the plainest characters.
pub(super) fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// The `name=value` pairs of a query or a line of parameters; `None` where one is not decodable.
pub(super) fn pairs(text: &str, is_plus_space: bool) -> Option<Vec<(String, String)>> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((percent_decode(name, is_plus_space)?, percent_decode(value, is_plus_space)?))
        })
        .collect()
}

/// London, the zone of the accounts.
fn london(time: UtcMicros) -> jiff::Zoned {
    let zone = TimeZone::get("Europe/London").expect("the time zone database is bundled");
    time.timestamp().to_zoned(zone)
}

/// `2025-01-08T09:30:05`, in UTC.
pub(super) fn iso(time: UtcMicros) -> String {
    time.timestamp().to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// `2025-01-08T09:30:05.123`, in UTC.
pub(super) fn iso_millis(time: UtcMicros) -> String {
    format!("{}.{:03}", iso(time), time.0.rem_euclid(1_000_000) / 1_000)
}

/// `09:30:05`, in UTC.
pub(super) fn clock_utc(time: UtcMicros) -> String {
    time.timestamp().to_zoned(TimeZone::UTC).strftime("%H:%M:%S").to_string()
}

/// `09:30:05`, in London.
pub(super) fn clock_local(time: UtcMicros) -> String {
    london(time).strftime("%H:%M:%S").to_string()
}

/// `2025/01/08 09:30:05`, in London.
pub(super) fn slashed_local(time: UtcMicros) -> String {
    london(time).strftime("%Y/%m/%d %H:%M:%S").to_string()
}

/// `2025/01/08 09:30:05:123`, in London.
pub(super) fn slashed_local_millis(time: UtcMicros) -> String {
    format!("{}:{:03}", slashed_local(time), time.0.rem_euclid(1_000_000) / 1_000)
}

/// By any form of jiff's, in London.
pub(super) fn local(time: UtcMicros, form: &str) -> String {
    london(time).strftime(form).to_string()
}

/// By any form of jiff's, in UTC.
pub(super) fn utc(time: UtcMicros, form: &str) -> String {
    time.timestamp().to_zoned(TimeZone::UTC).strftime(form).to_string()
}

/// Hours that London is ahead of UTC.
pub(super) fn offset_hours(time: UtcMicros) -> i32 {
    london(time).offset().seconds() / 3_600
}

/// Reads a time without a zone, in UTC; a fraction of a second is left out.
pub(super) fn parse_utc(text: &str, form: &str) -> Option<UtcMicros> {
    let date = jiff::civil::DateTime::strptime(form, text).ok()?;
    Some(UtcMicros(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond()))
}

/// Reads `2025-01-08T09:30:05`, or the same with a fraction or a `Z`, or a date alone.
pub(super) fn parse_iso(text: &str) -> Option<UtcMicros> {
    let text = text.trim_end_matches('Z');
    let text = text.split_once('.').map_or(text, |(whole, _)| whole);
    parse_utc(text, "%Y-%m-%dT%H:%M:%S")
        .or_else(|| parse_utc(text, "%Y-%m-%dT%H:%M"))
        .or_else(|| parse_utc(&format!("{text}T00:00:00"), "%Y-%m-%dT%H:%M:%S"))
}

/// A decimal as a JSON number: the float nearest to it prints as its own digits.
pub(super) fn number(value: impl Into<Exact>) -> Value {
    json!(value.into().0.as_f64())
}

/// A number or null.
pub(super) fn number_or_null<T: Into<Exact>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, number)
}

/// Any of the exact units as a plain decimal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact(pub(super) Decimal);

macro_rules! exact {
    ($($unit:ty),*) => {
        $(impl From<$unit> for Exact {
            fn from(value: $unit) -> Self {
                Self(Decimal(value.micros()))
            }
        })*
    };
}
exact!(Price, PriceDelta, Size, Money);

impl From<Decimal> for Exact {
    fn from(value: Decimal) -> Self {
        Self(value)
    }
}

/// A decimal with exactly so many places, as amounts and levels are written in texts.
pub(super) fn fixed(micros: i64, places: u32) -> String {
    let unit = 10_i64.pow(6 - places.min(6));
    let scaled = i64::try_from(crate::domain::div_half_even(i128::from(micros), i128::from(unit))).unwrap_or(i64::MAX);
    let (sign, magnitude) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
    let base = 10_u64.pow(places.min(6));
    if places == 0 {
        return format!("{sign}{magnitude}");
    }
    format!("{sign}{}.{:0width$}", magnitude / base, magnitude % base, width = places as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_codes_are_undone_or_refused() {
        for (text, want) in [
            ("MARKET%3AIX.D%20x", Some("MARKET:IX.D x")),
            ("a+b", Some("a+b")),
            ("%C2%A3", Some("£")),
            ("%zz", None),
            ("%4", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decode(text, false).as_deref(), want, "{text}");
        }
        assert_eq!(percent_decode("a+b", true).as_deref(), Some("a b"));
        assert_eq!(percent_encode("a==B; ü"), "a%3D%3DB%3B%20%C3%BC");
        let found = pairs("a=1&b=%26&c", false).unwrap();
        assert_eq!(found.iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>(), ["a:1", "b:&", "c:"]);
    }

    #[test]
    fn times_are_written_in_each_form_with_london_s_summer() {
        let time: UtcMicros = "2025-07-08T22:30:05.123456Z".parse().unwrap();
        assert_eq!(iso(time), "2025-07-08T22:30:05");
        assert_eq!(iso_millis(time), "2025-07-08T22:30:05.123");
        assert_eq!(slashed_local(time), "2025/07/08 23:30:05");
        assert_eq!(slashed_local_millis(time), "2025/07/08 23:30:05:123");
        assert_eq!((clock_utc(time), clock_local(time)), ("22:30:05".to_owned(), "23:30:05".to_owned()));
        assert_eq!(offset_hours(time), 1);
        for text in ["2025-07-08T22:30:05", "2025-07-08T22:30:05Z", "2025-07-08T22:30:05.9"] {
            assert_eq!(parse_iso(text).unwrap().to_string(), "2025-07-08T22:30:05Z", "{text}");
        }
        assert_eq!(parse_iso("2025-07-08").unwrap().to_string(), "2025-07-08T00:00:00Z");
        assert_eq!(parse_iso("yesterday"), None);
    }

    #[test]
    fn decimals_print_their_own_digits() {
        for text in ["7500.5", "1.27003", "0.1", "-4.2", "123456789.123456"] {
            let price: Price = text.parse().unwrap();
            assert_eq!(number(price).to_string(), text);
        }
        assert_eq!(fixed(-4_205_000, 2), "-4.20");
        assert_eq!(fixed(1_270_030, 5), "1.27003");
        assert_eq!(fixed(7_500_500_000, 1), "7500.5");
        assert_eq!(fixed(7_500_000_000, 0), "7500");
    }
}
