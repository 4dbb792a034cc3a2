//! Bodies of requests, read as leniently as the venue reads them: null is absent, numbers and booleans may be texts.

use serde_json::{Map, Value};

use super::ApiError;
use crate::domain::{Decimal, Direction, Price, Size};
use crate::sim::ig::dealing::Asked;

/// The body of a request.
#[derive(Clone, Debug)]
pub(in crate::sim::ig) struct Body(Map<String, Value>);

/// `validation.null-not-allowed.request.<field>`.
fn missing(name: &str) -> ApiError {
    ApiError::new(400, format!("validation.null-not-allowed.request.{name}"))
}

/// `validation.pattern.invalid.request.<field>`.
pub(super) fn invalid(name: &str) -> ApiError {
    ApiError::new(400, format!("validation.pattern.invalid.request.{name}"))
}

/// A condition between fields that does not hold.
pub(super) fn condition(kind: &str) -> ApiError {
    ApiError::new(400, format!("validation.{kind}.request"))
}

impl Body {
    /// Reads a body; an empty one is a request that is null.
    pub(in crate::sim::ig) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::new(400, "validation.null-not-allowed.request"));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Err(ApiError::new(400, "validation.null-not-allowed.request")),
            _ => Err(ApiError::new(400, "invalid.input")),
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there.
    pub(in crate::sim::ig) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A text.
    pub(in crate::sim::ig) fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(invalid(name)),
        }
    }

    /// A text that must be there.
    pub(in crate::sim::ig) fn needed(&self, name: &str) -> Result<String, ApiError> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// One of some words that must be there.
    pub(in crate::sim::ig) fn word(&self, name: &str, words: &[&str]) -> Result<String, ApiError> {
        let word = self.needed(name)?;
        if words.contains(&word.as_str()) { Ok(word) } else { Err(invalid(name)) }
    }

    /// One of some words, if it is there.
    pub(in crate::sim::ig) fn word_if(&self, name: &str, words: &[&str]) -> Result<Option<String>, ApiError> {
        if self.has(name) { self.word(name, words).map(Some) } else { Ok(None) }
    }

    /// A decimal.
    pub(in crate::sim::ig) fn decimal(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        decimal(&text).map(Some).ok_or_else(|| invalid(name))
    }

    /// A level.
    pub(in crate::sim::ig) fn level(&self, name: &str) -> Result<Option<Price>, ApiError> {
        Ok(self.decimal(name)?.map(|decimal| Price::from_micros(decimal.0)))
    }

    /// A boolean, or its word.
    pub(in crate::sim::ig) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name)),
        }
    }

    /// A boolean that must be there.
    pub(in crate::sim::ig) fn needed_flag(&self, name: &str) -> Result<bool, ApiError> {
        self.flag(name)?.ok_or_else(|| missing(name))
    }

    /// `BUY` or `SELL`.
    pub(in crate::sim::ig) fn direction(&self) -> Result<Direction, ApiError> {
        let word = self.word("direction", &["BUY", "SELL"])?;
        Ok(if word == "BUY" { Direction::Long } else { Direction::Short })
    }

    /// A size above zero with at most twelve decimals.
    pub(in crate::sim::ig) fn size(&self) -> Result<Size, ApiError> {
        let text = self.needed("size")?;
        let places = text.split_once('.').map_or(0, |(_, places)| places.len());
        let size = decimal(&text).filter(|size| size.0 > 0 && (places <= 12 || text.contains('e')));
        size.map(|size| Size::from_micros(size.0)).ok_or_else(|| invalid("size"))
    }

    /// An epic.
    pub(in crate::sim::ig) fn epic(&self) -> Result<String, ApiError> {
        let epic = self.needed("epic")?;
        let is_epic = (6..=30).contains(&epic.len())
            && epic.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
        if is_epic { Ok(epic) } else { Err(invalid("epic")) }
    }

    /// An expiry: `DFB`, `-`, `SEP-24` or `16-DEC-24`.
    pub(in crate::sim::ig) fn expiry(&self) -> Result<String, ApiError> {
        let expiry = self.needed("expiry")?;
        if is_expiry(&expiry) { Ok(expiry) } else { Err(invalid("expiry")) }
    }

    /// A currency of three letters.
    pub(in crate::sim::ig) fn currency(&self) -> Result<String, ApiError> {
        let code = self.needed("currencyCode")?;
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_code { Ok(code) } else { Err(invalid("currencyCode")) }
    }

    /// The client's own reference.
    pub(in crate::sim::ig) fn reference(&self) -> Result<Option<String>, ApiError> {
        let Some(reference) = self.text("dealReference")? else { return Ok(None) };
        let is_fit = (1..=30).contains(&reference.len())
            && reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if is_fit { Ok(Some(reference)) } else { Err(invalid("dealReference")) }
    }

    /// A stop or a limit: at a level or at a distance, not both.
    pub(in crate::sim::ig) fn asked(&self, level: &str, distance: &str) -> Result<Option<Asked>, ApiError> {
        match (self.level(level)?, self.decimal(distance)?) {
            (Some(_), Some(_)) => Err(condition("mutual-exclusive-value")),
            (Some(level), None) => Ok(Some(Asked::Level(level))),
            (None, Some(points)) => Ok(Some(Asked::Points(points))),
            (None, None) => Ok(None),
        }
    }

    /// A list of texts.
    pub(in crate::sim::ig) fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| invalid(name))).collect()
            }
            Some(_) => Err(invalid(name)),
        }
    }
}

/// A decimal, cut to the millionths that the venue here keeps: floats of other languages bring more digits than they mean.
fn decimal(text: &str) -> Option<Decimal> {
    if let Ok(exact) = text.parse() {
        return Some(exact);
    }
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && number.abs() < 1e12).then(|| crate::sim::ig::faults::decimal(number))
}

fn is_expiry(text: &str) -> bool {
    if matches!(text, "-" | "DFB") {
        return true;
    }
    let is_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = |part: &str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_uppercase());
    match text.split('-').collect::<Vec<_>>().as_slice() {
        [month, year] => is_month(month) && is_digits(year),
        [day, month, year] => is_digits(day) && is_month(month) && is_digits(year),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(value: &Value) -> Body {
        Body::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn texts_stand_for_numbers_and_booleans_and_null_for_nothing() {
        let body = body(&json!({"a": "true", "b": false, "c": "1.5", "d": 0.30000000000000004, "e": null, "f": []}));
        assert_eq!((body.flag("a"), body.flag("b"), body.flag("e")), (Ok(Some(true)), Ok(Some(false)), Ok(None)));
        assert_eq!(body.decimal("c"), Ok(Some(Decimal(1_500_000))));
        assert_eq!(body.decimal("d"), Ok(Some(Decimal(300_000))));
        assert!(!body.has("e"));
        assert_eq!(body.flag("c").unwrap_err().code, "validation.pattern.invalid.request.c");
        assert_eq!(body.needed("e").unwrap_err().code, "validation.null-not-allowed.request.e");
        assert_eq!(body.text("f").unwrap_err().status, 400);
    }

    #[test]
    fn patterns_are_the_venue_s() {
        for (expiry, is_fit) in
            [("DFB", true), ("-", true), ("SEP-24", true), ("16-DEC-24", true), ("sep-24", false), ("nonsense", false)]
        {
            assert_eq!(body(&json!({"expiry": expiry})).expiry().is_ok(), is_fit, "{expiry}");
        }
        for (size, is_fit) in [(json!(0.5), true), (json!("0.5"), true), (json!(0), false), (json!(-1), false)] {
            assert_eq!(body(&json!({"size": size})).size().is_ok(), is_fit, "{size}");
        }
        assert!(body(&json!({"dealReference": "a b"})).reference().is_err());
        assert!(body(&json!({"epic": "short"})).epic().is_err());
    }

    #[test]
    fn a_body_that_is_none_is_told_from_one_that_is_broken() {
        for (bytes, code) in [
            (&b""[..], "validation.null-not-allowed.request"),
            (b"null", "validation.null-not-allowed.request"),
            (b"{", "invalid.input"),
            (b"[]", "invalid.input"),
        ] {
            assert_eq!(Body::parse(bytes).unwrap_err().code, code);
        }
    }
}
