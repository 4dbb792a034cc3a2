//! How commands answer: one JSON document or plain text on standard output, one sentence on standard error where they
//! fail, and the exit code.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use crate::control::ControlError;
use crate::store::StoreError;

/// Everything was done.
pub const DONE: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// A rule refused it.
pub const REFUSED: u8 = 3;
/// The arena cannot be reached.
pub const UNREACHED: u8 = 4;
/// No such model.
pub const NO_MODEL: u8 = 5;

/// The width that text answers keep to, whatever the terminal's, so that scripts can rely on it.
pub const TEXT_WIDTH: usize = 80;

/// Why a command ends with another code than [`DONE`].
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// One sentence without a full stop; empty where there is nothing to say (a reader that went away).
    pub message: String,
    /// The names that come near, for [`NO_MODEL`].
    pub candidates: Vec<String>,
}

impl Failure {
    /// With a code of this module and a sentence without a full stop.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), candidates: Vec::new() }
    }

    /// Tells standard error, and under `--json` standard output too, so that it carries one document in any case.
    /// Returns the exit code.
    #[must_use]
    pub fn report(&self, is_json: bool) -> u8 {
        if self.message.is_empty() {
            return self.code;
        }
        if is_json {
            let document = json!({ "error": self.message, "candidates": self.candidates });
            // Where nobody takes the document, the sentence and the code still say that it failed.
            drop(print(&format!("{document:#}\n")));
        }
        complain(&self.message);
        self.code
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(FAILED, error.to_string())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let code = match error {
            ControlError::NoSuchModel { .. } => NO_MODEL,
            ControlError::Refused(_) => REFUSED,
            ControlError::Invalid(_) => USAGE,
            ControlError::Unavailable(_) => FAILED,
        };
        let message = error.to_string();
        let candidates = if let ControlError::NoSuchModel { candidates, .. } = error { candidates } else { Vec::new() };
        Self { code, message, candidates }
    }
}

impl From<io::Error> for Failure {
    /// A closed pipe (`arena trades … | head`) ends a command quietly: its reader has what it wanted.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(DONE, ""),
            _ => Self::new(FAILED, error.to_string()),
        }
    }
}

/// Writes `text` to standard output.
///
/// # Errors
/// Code [`DONE`] and no message where the reader has gone, else [`FAILED`].
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => error.into(),
        _ => Failure::new(FAILED, format!("standard output cannot be written: {error}")),
    })
}

/// Writes one JSON document to standard output.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Failure::new(FAILED, e.to_string()))?;
    text.push('\n');
    print(&text)
}

/// Writes `arena: sentence` to standard error; where that is closed there is nobody to tell.
pub fn complain(sentence: &str) {
    drop(writeln!(io::stderr().lock(), "arena: {sentence}"));
}

/// `text` in at most `width` characters, its middle replaced by `…`.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let mut short: String = characters[..head].iter().collect();
    short.push('…');
    short.extend(&characters[characters.len() - tail..]);
    short
}

/// A model's name in at most `width` characters. Swept candidates differ in the values of their settings, so that the
/// keys give way first: `momentum:lookback=3,hold=3m`, `momentum:look=3,hold=3m`, `momentum:l=3,h=3m`.
#[must_use]
pub fn shorten_name(name: &str, width: usize) -> String {
    for kept in [usize::MAX, 4, 1] {
        let short = with_short_keys(name, kept);
        if short.chars().count() <= width {
            return short;
        }
    }
    shorten(&with_short_keys(name, 1), width)
}

fn with_short_keys(name: &str, kept: usize) -> String {
    let Some((entry, settings)) = name.split_once(':') else { return name.to_owned() };
    let short = |setting: &str| match setting.split_once('=') {
        Some((key, value)) => format!("{}={value}", key.chars().take(kept).collect::<String>()),
        None => setting.to_owned(),
    };
    let settings: Vec<String> = settings.split(',').map(short).collect();
    format!("{entry}:{}", settings.join(","))
}

/// A number with `decimals` places, `-` where there is none. A zero has no sign.
#[must_use]
pub fn number(value: Option<f64>, decimals: usize) -> String {
    match value {
        Some(value) if value.is_finite() => {
            let text = format!("{value:.decimals$}");
            let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
            if is_zero { text.trim_start_matches('-').to_owned() } else { text }
        }
        _ => "-".to_owned(),
    }
}

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Plain columns under a header, made to fit [`TEXT_WIDTH`].
#[derive(Clone, Debug)]
pub struct Columns {
    header: Vec<(&'static str, Align)>,
    /// The column that gives way.
    shrinks: usize,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// Without rows. The names in column `shrinks` are shortened where a line would be too wide.
    #[must_use]
    pub fn new(header: Vec<(&'static str, Align)>, shrinks: usize) -> Self {
        Self { header, shrinks, rows: Vec::new() }
    }

    /// Adds a row; it has as many cells as the header.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.header.len(), "a row has the cells of its header");
        self.rows.push(cells);
    }

    /// The lines, each with its end.
    #[must_use]
    pub fn render(&self) -> String {
        let mut widths: Vec<usize> = self.header.iter().map(|(title, _)| title.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let gaps = self.header.len() - 1;
        let sum: usize = widths.iter().sum();
        let gap = if sum + 2 * gaps <= TEXT_WIDTH { 2 } else { 1 };
        let surplus = (sum + gap * gaps).saturating_sub(TEXT_WIDTH);
        let least = self.header[self.shrinks].0.chars().count().max(8);
        widths[self.shrinks] = widths[self.shrinks].saturating_sub(surplus).max(least.min(widths[self.shrinks]));

        let mut text = String::new();
        let titles = self.header.iter().map(|(title, _)| (*title).to_owned()).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let width = widths[at];
                let cell = if at == self.shrinks { shorten_name(cell, width) } else { cell.clone() };
                if at > 0 {
                    line.push_str(&" ".repeat(gap));
                }
                match self.header[at].1 {
                    Align::Left => write!(line, "{cell:<width$}"),
                    Align::Right => write!(line, "{cell:>width$}"),
                }
                .expect("strings take what is written to them");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_middle() {
        assert_eq!(shorten("momentum:lookback=3,hold=3m", 11), "momen…ld=3m");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("überlänge", 4), "üb…e");
        for (width, want) in [
            (27, "momentum:lookback=3,hold=3m"),
            (26, "momentum:look=3,hold=3m"),
            (20, "momentum:l=3,h=3m"),
            (10, "momen…h=3m"),
        ] {
            assert_eq!(shorten_name("momentum:lookback=3,hold=3m", width), want);
        }
        assert_eq!(shorten_name("plain", 3), "p…n");
    }

    #[test]
    fn numbers_print_without_a_sign_on_zero() {
        for (value, want) in
            [(Some(-0.0001), "0.00"), (Some(-1.005), "-1.00"), (None, "-"), (Some(f64::NAN), "-"), (Some(2.0), "2.00")]
        {
            assert_eq!(number(value, 2), want, "{value:?}");
        }
    }

    #[test]
    fn columns_keep_to_the_width() {
        let mut columns = Columns::new(vec![("#", Align::Right), ("model", Align::Left), ("net", Align::Right)], 1);
        columns.row(vec!["1".to_owned(), "m".repeat(200), "-12.5".to_owned()]);
        columns.row(vec!["20".to_owned(), "short".to_owned(), "7".to_owned()]);
        let text = columns.render();
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [80, 80, 80], "{text}");
        assert!(text.ends_with("     7\n"), "{text}");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code, failure.report(true)), (DONE, DONE));
    }
}
