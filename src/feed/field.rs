//! Fields of a row: their places by name, and numbers and times out of bytes without a copy.
//!
//! There are two ways through a row. The quick one takes plain digits as nearly every file has them; whatever it does
//! not know it leaves to the careful one, which also says what is wrong. Where both know a field they agree.

use crate::domain::{Decimal, DecimalError, Price, UtcMicros};

/// The dearest price that is taken, in millionths: sums of two prices then stay far inside 64 bits.
pub(super) const PRICE_MICROS_MAX: i64 = 1_000_000_000_000_000_000;
/// The last millisecond of the year 9999.
const MILLIS_MAX: i64 = 253_402_300_799_999;

/// One row or header cut into its fields, blanks and quotation marks around them left out.
pub(super) fn split<'a>(line: &'a [u8], fields: &mut Vec<&'a [u8]>) {
    fields.clear();
    let mut rest = line;
    loop {
        let end = match rest.trim_ascii_start() {
            // A quoted field may hold commas; where the closing mark is missing it ends with the line.
            [b'"', inner @ ..] => {
                let skipped = rest.len() - inner.len();
                let close = inner.iter().position(|&b| b == b'"').map_or(rest.len(), |at| skipped + at);
                rest[close.min(rest.len())..].iter().position(|&b| b == b',').map(|at| close + at)
            }
            _ => rest.iter().position(|&b| b == b','),
        };
        match end {
            Some(at) => {
                fields.push(unquote(&rest[..at]));
                rest = &rest[at + 1..];
            }
            None => {
                fields.push(unquote(rest));
                return;
            }
        }
    }
}

fn unquote(field: &[u8]) -> &[u8] {
    match field.trim_ascii() {
        [b'"', inner @ .., b'"'] => inner.trim_ascii(),
        plain => plain,
    }
}

/// Which way a time is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimeFormat {
    /// ISO 8601 in UTC.
    Iso,
    /// Milliseconds since 1970.
    Millis,
}

impl TimeFormat {
    /// The time that `field` says, carefully.
    pub(super) fn read(self, field: &[u8]) -> Option<UtcMicros> {
        match self {
            Self::Iso => UtcMicros::parse_bytes(field).ok(),
            Self::Millis => {
                let millis: i64 = std::str::from_utf8(field).ok()?.parse().ok()?;
                (0..=MILLIS_MAX).contains(&millis).then_some(UtcMicros(millis * 1_000))
            }
        }
    }
}

/// The price that `field` says, carefully.
pub(super) fn price(field: &[u8]) -> Result<Price, DecimalError> {
    let text = std::str::from_utf8(field).map_err(|_| DecimalError::NotANumber)?;
    // An exponent of more digits than any price needs would only keep the careful reader busy.
    let is_wild = text.find(['e', 'E']).is_some_and(|at| text.len() - at > 4);
    if text.contains('_') || (is_wild && text.bytes().any(|b| b.is_ascii_digit())) {
        return Err(DecimalError::NotANumber);
    }
    let Decimal(micros) = text.parse()?;
    if micros.abs() > PRICE_MICROS_MAX {
        return Err(DecimalError::OutOfRange);
    }
    Ok(Price::from_micros(micros))
}

/// Reads digits at the front of `bytes`: their value, and how many. At most 16 digits are looked at.
#[inline]
fn digits(bytes: &[u8]) -> (i64, usize) {
    let (high, n) = eight_digits(bytes);
    if n < 8 {
        return (high, n);
    }
    let (low, m) = eight_digits(&bytes[8..]);
    (high * TEN_TO[m] + low, 8 + m)
}

/// Ten to the power of the place.
const TEN_TO: [i64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The same for at most eight digits, all at once: each step joins neighbours of one, two and four digits.
#[inline]
fn eight_digits(bytes: &[u8]) -> (i64, usize) {
    let Some(chunk) = bytes.first_chunk::<8>() else {
        return few_digits(bytes);
    };
    let plain = u64::from_le_bytes(*chunk) ^ ZEROS;
    let n = others(plain).trailing_zeros() / 8;
    if n == 0 {
        return (0, 0);
    }
    (joined(plain, n), n as usize)
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The top bit of each byte that is no digit, of bytes less `'0'`: a digit is at most 9, and adding 0x76 lifts all
/// others to the top bit.
#[inline]
fn others(plain: u64) -> u64 {
    (((plain & 0x7F7F_7F7F_7F7F_7F7F) + 0x7676_7676_7676_7676) | plain) & 0x8080_8080_8080_8080
}

/// The value of the first `n` digits, 1 to 8: each step joins neighbours of one, two and four digits.
#[inline]
fn joined(plain: u64, n: u32) -> i64 {
    let ones = plain << (64 - 8 * n);
    let twos = (ones.wrapping_mul(2_561) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (twos.wrapping_mul(6_553_601) >> 16) & 0x0000_FFFF_0000_FFFF;
    let all = fours.wrapping_mul(42_949_672_960_001) >> 32;
    i64::from(u32::try_from(all).expect("eight digits fit in 32 bits"))
}

/// The same at the very end of the bytes at hand.
#[cold]
fn few_digits(bytes: &[u8]) -> (i64, usize) {
    let run = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    run.fold((0, 0), |(value, n), byte| (value * 10 + i64::from(byte - b'0'), n + 1))
}

/// Reads `digits[.digits]` at the front of `bytes`, quickly: millionths, and how many bytes. `None` for whatever is
/// written otherwise, is not above zero, or is too long to be sure of.
#[inline]
pub(super) fn quick_price(bytes: &[u8]) -> Option<(i64, usize)> {
    short_price(bytes).or_else(|| long_price(bytes))
}

/// A price with a point that ends within eight bytes, as nearly all do: its digits are joined in one go.
#[inline]
fn short_price(bytes: &[u8]) -> Option<(i64, usize)> {
    let plain = u64::from_le_bytes(*bytes.first_chunk()?) ^ ZEROS;
    let others = others(plain);
    let point = others.trailing_zeros() / 8;
    let end = (others & others.wrapping_sub(1)).trailing_zeros() / 8;
    // At least a digit before the point and one to six behind it; no second byte that is none gives 8.
    if point == 0 || end > 7 || end <= point + 1 || end > point + 7 || bytes[point as usize] != b'.' {
        return None;
    }
    let whole = plain & ((1 << (8 * point)) - 1);
    let fraction = plain >> (8 * (point + 1)) << (8 * point);
    let micros = joined(whole | fraction, end - 1) * TEN_TO[(7 + point - end) as usize];
    (micros > 0).then_some((micros, end as usize))
}

fn long_price(bytes: &[u8]) -> Option<(i64, usize)> {
    let (whole, n) = digits(bytes);
    if n == 0 || n > 11 {
        return None;
    }
    let (micros, n) = match bytes.get(n) {
        Some(b'.') => {
            let (fraction, m) = digits(&bytes[n + 1..]);
            if m == 0 || m > 6 {
                return None;
            }
            (whole * 1_000_000 + fraction * TEN_TO[6 - m], n + 1 + m)
        }
        _ => (whole * 1_000_000, n),
    };
    (micros > 0).then_some((micros, n))
}

/// Reads whole milliseconds quickly by remembering the leading digits of the row before: a day shares them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MillisMemo {
    text: [u8; 8],
    value: i64,
}

impl MillisMemo {
    /// The time at the front of `bytes` in microseconds, and how many bytes; `None` for whatever is written otherwise.
    #[inline]
    pub(super) fn quick(&mut self, bytes: &[u8]) -> Option<(i64, usize)> {
        let head: &[u8; 8] = bytes.first_chunk()?;
        if *head != self.text {
            let (value, n) = eight_digits(head);
            if n < 8 {
                return (n > 0).then_some((value * 1_000, n));
            }
            *self = Self { text: *head, value };
        }
        let (low, n) = eight_digits(&bytes[8..]);
        let millis = self.value * TEN_TO[n] + low;
        (n < 8 && millis <= MILLIS_MAX).then_some((millis * 1_000, 8 + n))
    }
}

/// Reads ISO times quickly by remembering the minute of the row before: most rows share it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MinuteMemo {
    text: [u8; 17],
    micros: i64,
}

impl MinuteMemo {
    /// The time at the front of `bytes` in microseconds, and how many bytes; `None` for whatever is written otherwise.
    #[inline]
    pub(super) fn quick(&mut self, bytes: &[u8]) -> Option<(i64, usize)> {
        let minute: &[u8; 17] = bytes.first_chunk()?;
        if *minute != self.text {
            let mut whole = [0; 20];
            whole[..17].copy_from_slice(minute);
            whole[17..].copy_from_slice(b"00Z");
            self.micros = UtcMicros::parse_bytes(&whole).ok()?.0;
            self.text = *minute;
        }
        let [tens, units, next] = *bytes.get(17..20)?.first_chunk()?;
        let (tens, units) = (tens.wrapping_sub(b'0'), units.wrapping_sub(b'0'));
        if tens > 5 || units > 9 {
            return None;
        }
        let at_second = self.micros + (i64::from(tens) * 10 + i64::from(units)) * 1_000_000;
        match next {
            b'Z' => Some((at_second, 20)),
            b'.' => {
                let rest = &bytes[20..];
                let (fraction, n) = eight_digits(rest);
                // Beyond the microsecond: finer parts are cut off.
                let (micros, n) = match n {
                    0 => return None,
                    1..=6 => (fraction * TEN_TO[6 - n], n),
                    _ => (fraction / TEN_TO[n - 6], n + rest[n..].iter().take_while(|b| b.is_ascii_digit()).count()),
                };
                (rest.get(n) == Some(&b'Z')).then_some((at_second + micros, 21 + n))
            }
            _ => None,
        }
    }
}

/// A row as text for a message, cut after 200 bytes.
pub(super) fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(200)]);
    text.trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_lose_blanks_and_marks_and_keep_inner_commas() {
        for (line, want) in [
            ("a,b,c", vec!["a", "b", "c"]),
            ("", vec![""]),
            ("a,,c,", vec!["a", "", "c", ""]),
            (" a , \"b\" ,\"c,d\",e", vec!["a", "b", "c,d", "e"]),
            ("\"a,b", vec!["\"a,b"]),
        ] {
            let mut fields = Vec::new();
            split(line.as_bytes(), &mut fields);
            let got: Vec<_> = fields.iter().map(|f| std::str::from_utf8(f).unwrap()).collect();
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn the_careful_price_says_what_is_wrong() {
        for (text, want) in [
            ("1.38676", Ok(1_386_760)),
            ("+1.5", Ok(1_500_000)),
            ("1e-5", Ok(10)),
            ("1.3867600000", Ok(1_386_760)),
            ("-2", Ok(-2_000_000)),
            ("1.3867601234", Err(DecimalError::TooFine)),
            ("1_000", Err(DecimalError::NotANumber)),
            ("1e2147483647", Err(DecimalError::NotANumber)),
            ("0e-2000000000", Err(DecimalError::NotANumber)),
            ("", Err(DecimalError::NotANumber)),
            ("NaN", Err(DecimalError::NotFinite)),
            ("-inf", Err(DecimalError::NotFinite)),
            ("2000000000000", Err(DecimalError::OutOfRange)),
        ] {
            assert_eq!(price(text.as_bytes()).map(Price::micros), want, "{text}");
        }
    }

    #[test]
    fn the_quick_ways_leave_what_they_do_not_know() {
        for text in ["", "-1", "0", "0.0", ".5", "1.", "1.1234567", "123456789012", "nan", "+1"] {
            assert_eq!(quick_price(text.as_bytes()), None, "{text}");
        }
        assert_eq!(quick_price(b"12.5,"), Some((12_500_000, 4)));
        let mut memo = MinuteMemo::default();
        for text in ["", "2014-05-01T00:00:60Z", "2014-05-01T00:00:0", "2014-05-01T00:00:00.Z", "2014-05-01T00:00:00.1"]
        {
            assert_eq!(memo.quick(text.as_bytes()), None, "{text}");
        }
        assert_eq!(TimeFormat::Millis.read(b"-1"), None);
    }

    #[test]
    fn digits_are_counted_and_valued_wherever_they_end() {
        for (text, want) in [
            ("", (0, 0)),
            ("x", (0, 0)),
            ("7", (7, 1)),
            ("7,12345678", (7, 1)),
            ("1234567", (1_234_567, 7)),
            ("12345678", (12_345_678, 8)),
            ("12345678,,,,,,,,", (12_345_678, 8)),
            ("1704067200123,7500.1", (1_704_067_200_123, 13)),
            ("9999999999999999", (9_999_999_999_999_999, 16)),
            ("99999999999999999", (9_999_999_999_999_999, 16)),
            ("12\u{b1}345678", (12, 2)),
            ("12\u{ff}\u{ff}3456", (12, 2)),
            ("1/2345678", (1, 1)),
            ("1:2345678", (1, 1)),
        ] {
            assert_eq!(digits(text.as_bytes()), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn quick_and_careful_stamps_agree(stamps in prop::collection::vec("(17040672|1)?[0-9]{0,9}x?", 1..20)) {
            let mut memo = MillisMemo::default();
            for stamp in stamps {
                let text = format!("{stamp},1.5,1.6");
                if let Some((micros, n)) = memo.quick(text.as_bytes()) {
                    prop_assert_eq!(TimeFormat::Millis.read(&text.as_bytes()[..n]), Some(UtcMicros(micros)));
                    prop_assert!(!text.as_bytes()[n].is_ascii_digit());
                }
            }
        }

        #[test]
        fn eight_at_once_are_as_few_one_by_one(bytes in prop::collection::vec(prop_oneof![b'0'..=b'9', any::<u8>()], 8)) {
            prop_assert_eq!(eight_digits(&bytes), few_digits(&bytes));
        }

        #[test]
        fn quick_and_careful_prices_agree(text in "[0-9]{0,13}(\\.[0-9]{0,8})?([,\n][0-9.,]{0,9})?") {
            let field = text.split([',', '\n']).next().unwrap_or_default();
            if let Some((micros, n)) = quick_price(text.as_bytes()) {
                prop_assert_eq!(n, field.len());
                prop_assert_eq!(price(&text.as_bytes()[..n]).map(Price::micros), Ok(micros));
                prop_assert!(text.as_bytes().get(n).is_none_or(|b| !b.is_ascii_digit()));
            }
        }

        #[test]
        fn quick_and_careful_times_agree(micros in 0i64..253_402_300_800_000_000, other in 0i64..253_402_300_800_000_000) {
            let mut memo = MinuteMemo::default();
            for time in [other, micros, micros] {
                let text = UtcMicros(time).to_string();
                prop_assert_eq!(memo.quick(text.as_bytes()), Some((time, text.len())));
                prop_assert_eq!(UtcMicros::parse_bytes(text.as_bytes()), Ok(UtcMicros(time)));
            }
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut fields = Vec::new();
            split(&bytes, &mut fields);
            for field in fields {
                let _unused = price(field).is_ok();
                let _unused = TimeFormat::Iso.read(field);
                let _unused = TimeFormat::Millis.read(field);
            }
            let _unused = quick_price(&bytes);
            let _unused = MinuteMemo::default().quick(&bytes);
        }
    }
}
