//! TLCP-diff: a text as pieces of the text before it.
//!
//! A difference is a cycle of COPY n, ADD n (with the text to add), DEL n. Numbers are in base 26 with letters, the
//! last one in lower case; upper-case letters before it count one more than their value at their place, so that `Aa` is
//! 26. Lengths are in UTF-16 units, as the specification counts characters.

/// What `difference` makes of `before`; `None` where it does not fit, or makes more than `bytes_max`.
#[must_use]
pub(super) fn apply(before: &str, difference: &str, bytes_max: usize) -> Option<String> {
    let mut before = Units(before);
    let mut difference = Units(difference);
    let mut out = String::new();
    while !difference.0.is_empty() {
        let copied = difference.number()?;
        out.push_str(before.take(copied)?);
        if !difference.0.is_empty() {
            let added = difference.number()?;
            out.push_str(difference.take(added)?);
        }
        if out.len() > bytes_max {
            return None;
        }
        if !difference.0.is_empty() {
            let deleted = difference.number()?;
            before.take(deleted)?;
        }
    }
    Some(out)
}

/// Text of which so many UTF-16 units can be taken.
struct Units<'a>(&'a str);

impl<'a> Units<'a> {
    fn take(&mut self, units: usize) -> Option<&'a str> {
        let mut left = units;
        let mut bytes = 0;
        for c in self.0.chars() {
            if left == 0 {
                break;
            }
            left = left.checked_sub(c.len_utf16())?;
            bytes += c.len_utf8();
        }
        if left > 0 {
            return None;
        }
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0usize;
        for (at, byte) in self.0.bytes().enumerate() {
            let (value, is_last) = match byte {
                b'a'..=b'z' => (usize::from(byte - b'a'), true),
                b'A'..=b'Z' => (usize::from(byte - b'A') + 1, false),
                _ => return None,
            };
            number = number.checked_mul(26)?.checked_add(value)?;
            if is_last {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_as_the_specification_says() {
        for (text, want) in
            [("a", 0), ("d", 3), ("z", 25), ("Aa", 26), ("Ad", 29), ("Az", 51), ("Ba", 52), ("Zz", 701), ("AAa", 702)]
        {
            assert_eq!(Units(text).number(), Some(want), "{text}");
        }
        for bad in ["", "A", "1", "ZZZZZZZZZZZZZZZZZZZZZZZZZa"] {
            assert_eq!(Units(bad).number(), None, "{bad}");
        }
    }

    #[test]
    fn pieces_are_copied_added_and_left_out() {
        for (before, difference, want) in [
            ("foobar", "g", Some("foobar")),
            ("foobar", "ddabc", Some("fooabc")),
            ("foobar", "ddabcac", Some("fooabcba")),
            ("foobar", "adxyz", Some("xyz")),
            ("foobar", "aadd", Some("bar")),
            ("foobar", "", Some("")),
            ("foobar", "h", None),
            ("foobar", "ah", None),
            ("foobar", "aah", None),
            ("a😀b", "dbx", Some("a😀x")),
            ("a😀b", "c", None),
        ] {
            assert_eq!(apply(before, difference, 100).as_deref(), want, "{before} {difference}");
        }
        assert_eq!(apply("foobar", "g", 5), None, "longer than may be kept");
    }

    proptest! {
        #[test]
        fn whatever_the_difference_nothing_panics_and_the_result_is_bounded(before in ".{0,40}", difference in ".{0,40}") {
            let made = apply(&before, &difference, 50);
            prop_assert!(made.is_none_or(|text| text.len() <= 50));
        }

        #[test]
        fn a_text_put_together_from_pieces_comes_out(head in "[a-zé]{0,30}", old in "[a-z]{0,30}", new in "[a-zé]{0,30}", tail in "[a-z]{0,30}") {
            let number = |n: usize| {
                let low = char::from(b'a' + u8::try_from(n % 26).unwrap());
                if n < 26 { low.to_string() } else { format!("{}{low}", char::from(b'A' - 1 + u8::try_from(n / 26).unwrap())) }
            };
            let units = |text: &str| text.encode_utf16().count();
            let difference = format!(
                "{}{}{new}{}{}", number(units(&head)), number(units(&new)), number(units(&old)), number(units(&tail)),
            );
            let made = apply(&format!("{head}{old}{tail}"), &difference, 1_000);
            prop_assert_eq!(made, Some(format!("{head}{new}{tail}")));
        }
    }
}
