//! Every fault of a configuration, with its place in the text.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One fault: where it stands, what stands there and what would be right.
///
/// Its JSON is the shape of `check --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The key, such as `promotion.min_episodes` or `models[0].stop`; empty where the fault lies in no key.
    pub path: String,
    /// What stands there.
    pub got: String,
    /// What would be right.
    pub want: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{} is ", self.path)?;
        }
        write!(f, "{}; want {}", self.got, self.want)
    }
}

/// What a required key that is not there "is".
pub(super) const MISSING: &str = "missing";
/// What a key that no table of keys holds "is".
pub(super) const UNKNOWN: &str = "an unknown key";

/// The faults found so far, by their place; the same fault is kept once however often it is met.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: BTreeMap<(usize, String, String), String>,
}

impl Faults {
    /// Notes a fault at the byte `at` of the text.
    pub(super) fn push(&mut self, at: usize, path: &str, got: impl Into<String>, want: impl Into<String>) {
        self.found.entry((at, path.to_owned(), want.into())).or_insert_with(|| got.into());
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Drops faults whose cause may be that a faulty line could not be read.
    pub(super) fn forget_missing(&mut self) {
        self.found.retain(|_, got| got != MISSING);
    }

    /// The faults in order of place.
    pub(super) fn into_problems(self, file: &str, text: &str) -> Vec<Problem> {
        let lines = Lines::of(text);
        self.found
            .into_iter()
            .map(|((at, path, want), got)| {
                let (line, column) = lines.place(at);
                Problem { file: file.to_owned(), line, column, path, got, want }
            })
            .collect()
    }
}

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Of `text`.
    pub(super) fn of(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column, both from 1, of the byte `at`; a byte inside a character counts as that character.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts[line - 1];
        let column = self.text[start..].char_indices().take_while(|(offset, _)| start + offset < at).count();
        (line, column + 1)
    }

    /// The bytes of the line that holds `at`, without its end.
    pub(super) fn range(&self, at: usize) -> std::ops::Range<usize> {
        let (line, _) = self.place(at);
        let start = self.starts[line - 1];
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1);
        start..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let lines = Lines::of("a\nçé = 1\n\nz");
        for (at, place) in [(0, (1, 1)), (1, (1, 2)), (2, (2, 1)), (4, (2, 2)), (6, (2, 3)), (11, (3, 1)), (12, (4, 1))]
        {
            assert_eq!(lines.place(at), place, "byte {at}");
        }
        assert_eq!(lines.place(999), (4, 2));
        assert_eq!(&lines.text[lines.range(5)], "çé = 1");
    }

    #[test]
    fn a_fault_reads_as_a_sentence_and_is_kept_once() {
        let mut faults = Faults::default();
        faults.push(3, "promotion.min_episodes", "0", "at least 1");
        faults.push(3, "promotion.min_episodes", "0", "at least 1");
        faults.push(0, "", "no \"=\"", "valid TOML");
        let problems = faults.into_problems("arena.toml", "ab\ncd");
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "arena.toml:1:1: no \"=\"; want valid TOML",
                "arena.toml:2:1: promotion.min_episodes is 0; want at least 1"
            ]
        );
    }
}
