//! The values of an item: what an update line changes in them, by deltas.
//!
//! Memory is bounded whatever the server sends: the values of one item together, and everything that a difference makes
//! on its way there, stay under [`ITEM_BYTES_MAX`].

use std::sync::Arc;

use super::frame::percent_decode;
use super::{json_patch, tlcp_diff};

/// The values of one item, together, are not longer than this.
pub const ITEM_BYTES_MAX: usize = 128 * 1024;

/// A value: text, or null.
pub type Value = Option<Arc<str>>;

/// Why an update cannot be taken in. The item's values are then as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValues {
    /// Not as many values as fields.
    #[error("the update does not have as many values as the subscription has fields")]
    Count,
    /// A value that is not changed before there was one.
    #[error("the first update of an item leaves values as they were")]
    NothingBefore,
    /// Escapes that are none.
    #[error("a value is not percent-encoded UTF-8")]
    Encoding,
    /// A difference that does not fit the value before.
    #[error("a difference does not fit the value that it is against")]
    Difference,
    /// More than we keep.
    #[error("the values of an item exceed {ITEM_BYTES_MAX} bytes")]
    TooLong,
}

/// What one item has.
#[derive(Clone, Debug, Default)]
pub struct Item {
    values: Vec<Value>,
    is_begun: bool,
}

impl Item {
    /// An item of so many fields, without values.
    #[must_use]
    pub fn new(fields: usize) -> Self {
        Self { values: vec![None; fields], is_begun: false }
    }

    /// The values by field.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Forgets every value: the next update is a first one.
    pub fn clear(&mut self) {
        self.values.fill(None);
        self.is_begun = false;
    }

    /// Takes in the values of an update line; gives the fields that it named as changed, in order, each once. A field
    /// may be named though its value is the same.
    ///
    /// # Errors
    /// [`BadValues`]; nothing has changed then.
    pub fn apply(&mut self, line: &str) -> Result<Vec<usize>, BadValues> {
        let mut changes: Vec<(usize, Value)> = Vec::new();
        let mut field = 0;
        for token in line.split('|') {
            let is_unchanged = token.is_empty();
            if is_unchanged
                || token.strip_prefix('^').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            {
                let count = if is_unchanged { 1 } else { token[1..].parse().map_err(|_| BadValues::Count)? };
                if !self.is_begun {
                    return Err(BadValues::NothingBefore);
                }
                if count == 0 || count > self.values.len() - field {
                    return Err(BadValues::Count);
                }
                field += count;
                continue;
            }
            if field == self.values.len() {
                return Err(BadValues::Count);
            }
            changes.push((field, self.value_of(token, field)?));
            field += 1;
        }
        if field != self.values.len() {
            return Err(BadValues::Count);
        }
        let length = |value: &Value| value.as_ref().map_or(0, |text| text.len());
        let before: usize = self.values.iter().map(length).sum();
        let replaced: usize = changes.iter().map(|(field, _)| length(&self.values[*field])).sum();
        let added: usize = changes.iter().map(|(_, value)| length(value)).sum();
        if before - replaced + added > ITEM_BYTES_MAX {
            return Err(BadValues::TooLong);
        }
        self.is_begun = true;
        Ok(changes
            .into_iter()
            .map(|(field, value)| {
                self.values[field] = value;
                field
            })
            .collect())
    }

    fn value_of(&self, token: &str, field: usize) -> Result<Value, BadValues> {
        let text = match token {
            "#" => return Ok(None),
            "$" => String::new(),
            _ => match token.strip_prefix('^') {
                None => percent_decode(token).ok_or(BadValues::Encoding)?,
                Some(difference) => {
                    let before = self.values[field].as_deref().ok_or(BadValues::Difference)?;
                    let (kind, difference) = difference.split_at_checked(1).ok_or(BadValues::Encoding)?;
                    let difference = percent_decode(difference).ok_or(BadValues::Encoding)?;
                    match kind {
                        "P" => json_patch::apply(before, &difference, ITEM_BYTES_MAX),
                        "T" => tlcp_diff::apply(before, &difference, ITEM_BYTES_MAX),
                        _ => None,
                    }
                    .ok_or(BadValues::Difference)?
                }
            },
        };
        if text.len() > ITEM_BYTES_MAX {
            return Err(BadValues::TooLong);
        }
        Ok(Some(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(item: &Item) -> Vec<&str> {
        item.values().iter().map(|value| value.as_deref().unwrap_or("null")).collect()
    }

    #[test]
    fn deltas_are_decoded_as_the_specification_shows() {
        let mut item = Item::new(5);
        assert_eq!(item.apply("20:00:33|3.04|0.0|#|$").unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(shown(&item), ["20:00:33", "3.04", "0.0", "null", ""]);
        // Fields 2 and 3 unchanged by `^2`, field 4 by the empty token, field 5 new.
        assert_eq!(item.apply("20:00:54|^2||Suspended").unwrap(), [0, 4]);
        assert_eq!(shown(&item), ["20:00:54", "3.04", "0.0", "null", "Suspended"]);
        assert_eq!(item.apply("^5").unwrap(), [0usize; 0]);
        assert_eq!(item.apply("||||%23").unwrap(), [4], "a value that begins like a mark is encoded");
        assert_eq!(shown(&item)[4], "#");
        assert_eq!(item.apply("|||{\"a\":[1,2]}|").unwrap(), [3], "JSON passes bare");
        item.clear();
        assert_eq!(item.apply("||||x"), Err(BadValues::NothingBefore));
    }

    #[test]
    fn differences_are_against_the_decoded_value_before() {
        let mut item = Item::new(2);
        item.apply("foobar|{\"a\":1}").unwrap();
        // Copy 3, add 1 (`%7C` is one character), delete 1, copy the rest of 2.
        assert_eq!(item.apply("^Tdb%7Cbc|^P[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]").unwrap(), [0, 1]);
        assert_eq!(shown(&item), ["foo|ar", "{\"a\":2}"]);
        let mut null = Item::new(1);
        null.apply("#").unwrap();
        assert_eq!(null.apply("^Tb"), Err(BadValues::Difference), "nothing to differ from");
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut item = Item::new(3);
        item.apply("a|b|c").unwrap();
        for (line, why) in [
            ("x|y", BadValues::Count),
            ("x|y|z|w", BadValues::Count),
            ("x|^3", BadValues::Count),
            ("^0|x|y|z", BadValues::Count),
            ("^99999999999999999999", BadValues::Count),
            ("x|y|%zz", BadValues::Encoding),
            ("x|y|^", BadValues::Encoding),
            ("x|y|^é", BadValues::Encoding),
            ("x|y|^Q1", BadValues::Difference),
        ] {
            assert_eq!(item.apply(line), Err(why), "{line}");
            assert_eq!(shown(&item), ["a", "b", "c"], "{line}");
        }
        let long = "x".repeat(ITEM_BYTES_MAX / 2 + 1);
        item.apply(&format!("{long}|^2")).unwrap();
        assert_eq!(item.apply(&format!("|{long}|")), Err(BadValues::TooLong));
        item.apply("a|^2").unwrap();
        item.apply(&format!("|{long}|")).unwrap();
    }

    proptest! {
        /// A server that writes what changed and a client that reads it have the same values.
        #[test]
        fn what_a_server_writes_is_what_we_read(
            updates in prop::collection::vec(
                prop::collection::vec(prop::option::of("[a-c#$^|%é,]{0,3}"), 4), 1..20,
            ),
            run: bool,
        ) {
            let mut item = Item::new(4);
            let mut before: Option<Vec<Option<String>>> = None;
            for update in updates {
                let line = written(before.as_deref(), &update, run);
                let changed = item.apply(&line).unwrap();
                let got: Vec<_> = item.values().iter().map(|value| value.as_deref().map(str::to_owned)).collect();
                prop_assert_eq!(&got, &update, "{}", line);
                let differs = |field: &usize| before.as_ref().is_none_or(|before| before[*field] != update[*field]);
                prop_assert_eq!(changed, (0..4).filter(differs).collect::<Vec<_>>());
                before = Some(update);
            }
        }

        #[test]
        fn no_line_panics_and_memory_is_bounded(lines in prop::collection::vec("[a-zA-Z#$^|%0-9PT\\[\\]{}:,\"/]{0,60}", 0..30)) {
            let mut item = Item::new(3);
            for line in &lines {
                item.apply(line).ok();
                let bytes: usize = item.values().iter().flatten().map(|value| value.len()).sum();
                prop_assert!(bytes <= ITEM_BYTES_MAX);
            }
        }
    }

    /// The update line of a server; `run` says whether it joins unchanged fields.
    fn written(before: Option<&[Option<String>]>, now: &[Option<String>], run: bool) -> String {
        let mut tokens: Vec<String> = Vec::new();
        let mut unchanged = 0;
        let close = |unchanged: &mut usize, tokens: &mut Vec<String>| {
            if *unchanged > 1 && run {
                tokens.push(format!("^{unchanged}"));
            } else {
                tokens.extend((0..*unchanged).map(|_| String::new()));
            }
            *unchanged = 0;
        };
        for (field, value) in now.iter().enumerate() {
            if before.is_some_and(|before| before[field] == *value) {
                unchanged += 1;
                continue;
            }
            close(&mut unchanged, &mut tokens);
            tokens.push(match value.as_deref() {
                None => "#".to_owned(),
                Some("") => "$".to_owned(),
                Some(text) => {
                    let text = text.replace('%', "%25").replace('|', "%7C");
                    match text.chars().next() {
                        Some(first @ ('#' | '$' | '^')) => format!("%{:02X}{}", u32::from(first), &text[1..]),
                        _ => text,
                    }
                }
            });
        }
        close(&mut unchanged, &mut tokens);
        tokens.join("|")
    }
}
