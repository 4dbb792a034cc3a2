//! What people write to name a version: `knn-crude@3`, `knn-crude@latest`, `knn-crude@champion`.

use std::fmt;
use std::str::FromStr;

/// The aliases that people may set. `latest` is no alias to set: it is the highest version.
pub const ALIASES: [&str; 2] = ["champion", "challenger"];

/// A text that names no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// The part before `@`.
    #[error("{0:?} is no name of a model; want 1 to 64 of letters, digits, `.`, `_`, `-`, a letter or digit first")]
    Name(String),
    /// The part after `@`.
    #[error("{0:?} is no version; want a number from 1, `latest`, `champion` or `challenger`")]
    Selector(String),
}

/// Which version of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// This one.
    Version(u32),
    /// The highest.
    Latest,
    /// The one that people pointed this word of [`ALIASES`] at.
    Alias(String),
}

/// A name and which version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The model's name.
    pub name: String,
    /// Which version.
    pub selector: Selector,
}

/// Whether `text` can be a model's name: it is a folder's name too, and stands in tickets.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(is_plain) && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// The version that a folder's name stands for: a number from 1 as it is printed.
pub(super) fn version(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().filter(|version| *version > 0 && version.to_string() == text)
}

impl FromStr for Reference {
    type Err = BadReference;
    fn from_str(text: &str) -> Result<Self, BadReference> {
        let (name, selector) = text.split_once('@').unwrap_or((text, "latest"));
        if !is_name(name) {
            return Err(BadReference::Name(name.to_owned()));
        }
        let selector = match selector {
            "latest" => Selector::Latest,
            word if ALIASES.contains(&word) => Selector::Alias(word.to_owned()),
            other => Selector::Version(version(other).ok_or_else(|| BadReference::Selector(other.to_owned()))?),
        };
        Ok(Self { name: name.to_owned(), selector })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Version(version) => write!(f, "{}@{version}", self.name),
            Selector::Latest => write!(f, "{}@latest", self.name),
            Selector::Alias(alias) => write!(f, "{}@{alias}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_and_which_of_its_versions() {
        for (text, want) in [
            ("knn-crude@3", Some(Selector::Version(3))),
            ("knn-crude@latest", Some(Selector::Latest)),
            ("knn-crude", Some(Selector::Latest)),
            ("knn-crude@champion", Some(Selector::Alias("champion".to_owned()))),
            ("knn-crude@challenger", Some(Selector::Alias("challenger".to_owned()))),
            ("knn-crude@0", None),
            ("knn-crude@03", None),
            ("knn-crude@-1", None),
            ("knn-crude@", None),
            ("knn-crude@1@2", None),
            ("knn-crude@4294967296", None),
            ("@1", None),
            ("../knn@1", None),
            (".knn@1", None),
            ("-knn@1", None),
            ("a/b@1", None),
            ("", None),
        ] {
            let parsed = text.parse::<Reference>();
            assert_eq!(parsed.as_ref().ok().map(|r| r.selector.clone()), want, "{text}");
            if let Ok(parsed) = parsed {
                assert_eq!(parsed.to_string().parse(), Ok(parsed));
            }
        }
        assert!(!is_name(&"a".repeat(65)) && is_name(&"a".repeat(64)));
    }
}
