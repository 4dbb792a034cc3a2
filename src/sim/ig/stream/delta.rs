//! How the values of an update are written against the ones before.

/// The values of an update; `None` is null.
pub(in crate::sim::ig) type Values = Vec<Option<String>>;

/// Writes `values` as one field list: against `before` where there is one, whole where there is none.
pub(in crate::sim::ig) fn encode(values: &Values, before: Option<&Values>) -> String {
    let mut out = String::new();
    let mut tokens = 0;
    let mut at = 0;
    while at < values.len() {
        if tokens > 0 {
            out.push('|');
        }
        tokens += 1;
        let run = before.map_or(0, |before| {
            values[at..].iter().zip(&before[at..]).take_while(|(value, before)| value == before).count()
        });
        match run {
            0 => {
                push_value(&mut out, values[at].as_deref());
                at += 1;
            }
            1 => at += 1,
            run => {
                out.push('^');
                out.push_str(&run.to_string());
                at += run;
            }
        }
    }
    out
}

fn push_value(out: &mut String, value: Option<&str>) {
    match value {
        None => out.push('#'),
        Some("") => out.push('$'),
        Some(text) => {
            for (at, c) in text.chars().enumerate() {
                let is_coded = match c {
                    '|' | '%' | '\r' | '\n' => true,
                    '#' | '$' | '^' => at == 0,
                    _ => false,
                };
                if is_coded { out.push_str(&format!("%{:02X}", u32::from(c))) } else { out.push(c) }
            }
        }
    }
}

/// A text as an argument of a frame: what would end it is coded.
pub(in crate::sim::ig) fn argument(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            ',' | '%' | '\r' | '\n' => out.push_str(&format!("%{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[Option<&str>]) -> Values {
        list.iter().map(|value| value.map(ToOwned::to_owned)).collect()
    }

    #[test]
    fn the_published_example_is_written_so() {
        let first = values(&[Some("20:00:33"), Some("3.04"), Some("0.0"), None, Some("")]);
        assert_eq!(encode(&first, None), "20:00:33|3.04|0.0|#|$");
        let second = values(&[Some("20:00:54"), Some("3.04"), Some("0.0"), None, Some("Suspended")]);
        assert_eq!(encode(&second, Some(&first)), "20:00:54|^3|Suspended");
    }

    #[test]
    fn the_first_update_has_nothing_unchanged_in_it() {
        let same = values(&[Some("1"), Some("1"), None, None]);
        assert_eq!(encode(&same, None), "1|1|#|#");
        assert_eq!(encode(&same, Some(&same)), "^4");
        let other = values(&[Some("1"), Some("2"), None, Some("x")]);
        assert_eq!(encode(&other, Some(&same)), "|2||x");
    }

    #[test]
    fn what_would_be_misread_is_coded() {
        let odd = values(&[Some("#1"), Some("a|b%\r\n"), Some("^2"), Some("a#,\"{£}"), Some("$")]);
        assert_eq!(encode(&odd, None), "%231|a%7Cb%25%0D%0A|%5E2|a#,\"{£}|%24");
        assert_eq!(argument("no, never"), "no%2C never");
    }

    proptest::proptest! {
        #[test]
        fn a_reader_by_the_rules_gets_back_what_was_written(
            first in proptest::collection::vec(proptest::option::of("[#$^|%a,]{0,3}"), 6),
            second in proptest::collection::vec(proptest::option::of("[#$^|%a,]{0,3}"), 6),
        ) {
            let once = read(&encode(&first, None), None);
            proptest::prop_assert_eq!(&once, &first);
            proptest::prop_assert_eq!(read(&encode(&second, Some(&first)), Some(&first)), second);
        }
    }

    /// The reader's rules of the protocol, written down on their own.
    fn read(text: &str, before: Option<&Values>) -> Values {
        let mut out: Values = Vec::new();
        for token in text.split('|') {
            let at = out.len();
            match token {
                "" => out.push(before.unwrap()[at].clone()),
                "#" => out.push(None),
                "$" => out.push(Some(String::new())),
                run if run.starts_with('^') => {
                    let n: usize = run[1..].parse().unwrap();
                    out.extend_from_slice(&before.unwrap()[at..at + n]);
                }
                text => out.push(crate::sim::ig::text::percent_decode(text, false)),
            }
        }
        out
    }
}
