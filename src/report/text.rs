//! Numbers and lists as a report writes them.

/// A number with so many decimals and a true minus.
pub(super) fn ratio(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text.replace('-', "\u{2212}") }
}

/// The same, or a dash.
pub(super) fn maybe(value: Option<f64>, decimals: usize) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "\u{2013}".to_owned(), |value| ratio(value, decimals))
}

/// A share in per cent.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", ratio(share * 100.0, decimals))
}

/// A span of days in a unit that suits it.
pub(super) fn days(days: f64) -> String {
    match days {
        d if d < 1.0 => format!("{} hours", ratio(d * 24.0, 0)),
        d if d < 90.0 => format!("{} days", ratio(d, 0)),
        d if d < 730.0 => format!("{} months", ratio(d / 30.44, 0)),
        d => format!("{} years", ratio(d / 365.25, 1)),
    }
}

/// Some of the names, and how many more there are.
pub(super) fn list(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A whole number in groups of three.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Text as HTML and SVG carry it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!((ratio(-0.004, 2).as_str(), ratio(-1.5, 1).as_str()), ("0.00", "\u{2212}1.5"));
        assert_eq!((maybe(None, 1).as_str(), maybe(Some(f64::NAN), 1).as_str()), ("\u{2013}", "\u{2013}"));
        assert_eq!(
            (days(0.5).as_str(), days(12.2).as_str(), days(1_000.0).as_str()),
            ("12 hours", "12 days", "2.7 years")
        );
        assert_eq!((count(7).as_str(), count(1_234_567).as_str()), ("7", "1\u{202f}234\u{202f}567"));
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!((list(&names, 2).as_str(), list(&names, 3).as_str()), ("a, b and 1 more", "a, b, c"));
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
