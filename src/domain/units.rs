//! Exact decimals: every price, size and sum of money is a whole number of millionths.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many of the smallest step make one unit.
pub(crate) const MICRO: i64 = 1_000_000;

/// Why a text is not an exact decimal of at most six places.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number at all.
    #[error("not a decimal number")]
    NotANumber,
    /// `NaN` or an infinity.
    #[error("not a finite number")]
    NotFinite,
    /// More than six decimals that are not zero.
    #[error("more than six decimals")]
    TooFine,
    /// Outside of what 64 bits of millionths hold.
    #[error("out of range")]
    OutOfRange,
}

/// A plain exact decimal in millionths: the common ground of the typed units below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Decimal(pub i64);

impl Decimal {
    /// The number as a float, for models and statistics.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / MICRO as f64
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads `[+-]digits[.digits]`, with `_` between digits and an exponent (as TOML writes numbers).
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (sign, body) = match text.as_bytes().first() {
            Some(b'-') => (-1, &text[1..]),
            Some(b'+') => (1, &text[1..]),
            _ => (1, text),
        };
        if matches!(body.to_ascii_lowercase().as_str(), "nan" | "inf" | "infinity") {
            return Err(DecimalError::NotFinite);
        }
        let (mantissa, exponent) = match body.find(['e', 'E']) {
            Some(at) => (&body[..at], exponent_of(&body[at + 1..])?),
            None => (body, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(DecimalError::NotANumber);
        }
        let mut value: i128 = 0;
        let mut scale: i64 = 6 + exponent;
        for (digits, is_fraction) in [(whole, false), (fraction, true)] {
            for byte in digits.bytes() {
                match byte {
                    b'0'..=b'9' => {
                        value = value
                            .checked_mul(10)
                            .and_then(|v| v.checked_add(i128::from(byte - b'0')))
                            .ok_or(DecimalError::OutOfRange)?;
                        scale -= i64::from(is_fraction);
                    }
                    b'_' => {}
                    _ => return Err(DecimalError::NotANumber),
                }
            }
        }
        if value == 0 {
            return Ok(Self(0));
        }
        // The value is not zero from here on, so that either loop ends after at most 39 digits of it.
        while scale > 0 {
            value = value.checked_mul(10).ok_or(DecimalError::OutOfRange)?;
            scale -= 1;
        }
        while scale < 0 {
            if value % 10 != 0 {
                return Err(DecimalError::TooFine);
            }
            value /= 10;
            scale += 1;
        }
        i64::try_from(sign * value).map(Decimal).map_err(|_| DecimalError::OutOfRange)
    }
}

/// The exponent of a number: any that is written in digits, however many, but never further from zero than a text of
/// this length could need.
fn exponent_of(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::NotANumber);
    }
    let bound = i64::from(i32::MAX);
    let size = digits.parse::<i64>().unwrap_or(bound).min(bound);
    Ok(if text.starts_with('-') { -size } else { size })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, mut fraction) = (magnitude / MICRO as u64, magnitude % MICRO as u64);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return f.pad(&format!("{sign}{whole}"));
        }
        let mut width = 6;
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        f.pad(&format!("{sign}{whole}.{fraction:0width$}"))
    }
}

macro_rules! decimal_unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(i64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);

            /// Made of a whole number of millionths.
            #[must_use]
            pub const fn from_micros(micros: i64) -> Self {
                Self(micros)
            }

            /// The whole number of millionths.
            #[must_use]
            pub const fn micros(self) -> i64 {
                self.0
            }

            /// As a float, for models and statistics alone.
            #[must_use]
            pub fn as_f64(self) -> f64 {
                Decimal(self.0).as_f64()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&Decimal(self.0), f)
            }
        }

        impl FromStr for $name {
            type Err = DecimalError;
            fn from_str(text: &str) -> Result<Self, DecimalError> {
                text.parse::<Decimal>().map(|d| Self(d.0))
            }
        }

        // JSON carries the exact decimal text; the journal carries the integer.
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
                } else {
                    i64::deserialize(d).map(Self)
                }
            }
        }
    };
}

decimal_unit! {
    /// A price level, in millionths of the price unit (1.23456 is 1_234_560).
    Price
}
decimal_unit! {
    /// The distance between two prices, in millionths of the price unit.
    PriceDelta
}
decimal_unit! {
    /// How much is dealt, in millionths of one contract or of one currency unit a point.
    Size
}
decimal_unit! {
    /// A sum in the currency of the arena, in millionths.
    Money
}

impl Sub for Price {
    type Output = PriceDelta;
    fn sub(self, rhs: Self) -> PriceDelta {
        PriceDelta(self.0 - rhs.0)
    }
}
impl Add<PriceDelta> for Price {
    type Output = Price;
    fn add(self, rhs: PriceDelta) -> Price {
        Price(self.0 + rhs.0)
    }
}
impl Sub<PriceDelta> for Price {
    type Output = Price;
    fn sub(self, rhs: PriceDelta) -> Price {
        Price(self.0 - rhs.0)
    }
}

// Sums stay at the ends of 64 bits: only quotes far from any market lead there, and a desk must outlive them.
macro_rules! additive {
    ($name:ident) => {
        impl Add for $name {
            type Output = Self;
            fn add(self, rhs: Self) -> Self {
                Self(self.0.saturating_add(rhs.0))
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, rhs: Self) -> Self {
                Self(self.0.saturating_sub(rhs.0))
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.saturating_neg())
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, rhs: Self) {
                self.0 = self.0.saturating_add(rhs.0);
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, rhs: Self) {
                self.0 = self.0.saturating_sub(rhs.0);
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Add::add)
            }
        }
    };
}
additive!(PriceDelta);
additive!(Money);

/// `numerator / denominator`, rounded half to even. The one rounding function of money.
pub(crate) fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    assert!(denominator > 0, "a rounding needs a positive denominator");
    let (quotient, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + (quotient & 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_both_ways() {
        for (text, micros) in [
            ("1.38676", 1_386_760),
            ("-0.000001", -1),
            ("1e-5", 10),
            ("1_000.5", 1_000_500_000),
            ("12", 12_000_000),
            ("0.1000000", 100_000),
        ] {
            assert_eq!(text.parse::<Decimal>(), Ok(Decimal(micros)), "{text}");
        }
        assert_eq!(Decimal(-1_500_000).to_string(), "-1.5");
        assert_eq!("0.0000001".parse::<Decimal>(), Err(DecimalError::TooFine));
        assert_eq!("nan".parse::<Decimal>(), Err(DecimalError::NotFinite));
        for text in ["", ".", "abc", "1.2.3", "--1", "9999999999999999999", "1e", "1e+", "1e--1", "1e1.5", "1e1_0"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_exponent_of_any_size_is_answered_at_once() {
        let begun = std::time::Instant::now();
        for (text, want) in [
            ("1e2147483647", Err(DecimalError::OutOfRange)),
            ("1e99999999999999999999", Err(DecimalError::OutOfRange)),
            ("1e-2147483648", Err(DecimalError::TooFine)),
            ("1e-99999999999999999999", Err(DecimalError::TooFine)),
            ("0e-2147483648", Ok(Decimal(0))),
            ("0.000e2147483647", Ok(Decimal(0))),
            ("10e-1", Ok(Decimal(MICRO))),
        ] {
            assert_eq!(text.parse::<Decimal>(), want, "{text}");
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    }

    #[test]
    fn ties_round_to_even() {
        for (n, d, want) in [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (7, 3, 2), (8, 3, 3)] {
            assert_eq!(div_half_even(n, d), want, "{n}/{d}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered_at_once(text in "[-+0-9.eE_]{0,40}|\\PC{0,40}", bytes: Vec<u8>) {
            let begun = std::time::Instant::now();
            for text in [text.as_str(), &String::from_utf8_lossy(&bytes)] {
                if let Ok(value) = text.parse::<Decimal>() {
                    proptest::prop_assert_eq!(value.to_string().parse::<Decimal>(), Ok(value));
                }
            }
            proptest::prop_assert!(begun.elapsed() < std::time::Duration::from_millis(100));
        }

        #[test]
        fn parse_undoes_print(micros in proptest::num::i64::ANY) {
            proptest::prop_assume!(micros != i64::MIN);
            proptest::prop_assert_eq!(Decimal(micros).to_string().parse::<Decimal>(), Ok(Decimal(micros)));
        }
    }
}
