//! Numbers and words as IG writes them.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{Decimal, DecimalError};

/// A number that comes as JSON number or as text, exact to a millionth; what is finer is rounded to the nearest one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Number(pub Decimal);

impl Number {
    /// In millionths.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0.0
    }

    /// Reads a number as text; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.parse::<Decimal>() {
            Ok(decimal) => Some(Self(decimal)),
            Err(DecimalError::TooFine) => text.parse::<f64>().ok().and_then(Self::rounded),
            Err(_) => None,
        }
    }

    fn rounded(float: f64) -> Option<Self> {
        let micros = (float * 1e6).round();
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within the bounds that were looked at")]
        (micros.is_finite() && micros.abs() < 9e18).then_some(Self(Decimal(micros as i64)))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.micros() % 1_000_000 == 0 {
            serializer.serialize_i64(self.micros() / 1_000_000)
        } else {
            serializer.serialize_f64(self.0.as_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
                // The shortest text that reads back as this float is what was written.
                self.visit_str(&number.to_string())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                Number::parse(text).ok_or_else(|| E::custom(format_args!("{text:?} is no number")))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// An enumeration of words of IG that keeps the words it does not know.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`.")] $variant,)+
            /// A word that is not known here.
            Other(String),
        }

        impl $name {
            /// As IG writes it.
            #[must_use]
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::from(word.as_ref()))
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::ig::wire::MarketStatus;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        for (json, want) in [
            ("13951.5", "13951.5"),
            ("1.195885", "1.195885"),
            ("17000.0", "17000"),
            ("0.05", "0.05"),
            ("-4", "-4"),
            ("\"1.5\"", "1.5"),
            ("0.1234567", "0.123457"),
            ("1e3", "1000"),
        ] {
            assert_eq!(serde_json::from_str::<Number>(json).unwrap().to_string(), want, "{json}");
        }
        for bad in ["\"-\"", "\"\"", "1e30", "true", "null", "[]", "\"£1\""] {
            assert!(serde_json::from_str::<Number>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_written_so_that_they_read_back_exactly() {
        for text in ["1.1", "0.000001", "123456.789012", "7", "-0.3"] {
            let number = Number::parse(text).unwrap();
            let json = serde_json::to_string(&number).unwrap();
            assert_eq!(serde_json::from_str::<Number>(&json).unwrap(), number, "{json}");
        }
        assert_eq!(serde_json::to_string(&Number::parse("1.0").unwrap()).unwrap(), "1");
    }

    #[test]
    fn words_that_are_not_known_survive() {
        for word in ["CLOSED", "ON_AUCTION_NO_EDITS", "NEW_IN_2031"] {
            let status: MarketStatus = serde_json::from_value(word.into()).unwrap();
            assert_eq!(status.word(), word);
            assert_eq!(serde_json::to_value(&status).unwrap(), word);
        }
        assert_eq!(MarketStatus::from("CLOSED"), MarketStatus::Closed);
    }
}
