//! The names of what can be wrong between our book of live deals and the broker's.

use serde::{Deserialize, Serialize};

/// A difference between our book and the broker's, or what keeps them from being compared. `docs/RUNBOOK.md` has a
/// section for each, under its word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// An order of ours was filled, and we did not hear of it.
    MissedFill,
    /// A position of ours was closed by somebody else.
    ClosedOutside,
    /// A position is at the broker that we did not open.
    OpenedOutside,
    /// The broker has another size or side than we asked for.
    WrongSize,
    /// The broker has another level, stop or limit than we have.
    WrongLevel,
    /// A position is without its stop or its limit.
    MissingStop,
    /// The broker told of no position at all, though we have some.
    EmptyAnswer,
    /// Nobody knows what became of an order.
    UnknownOutcome,
    /// A part of a position was closed by somebody else.
    PartialClose,
    /// A position could not be closed.
    CloseFailed,
    /// The broker did not tell its positions for too long.
    NotCompared,
}

impl BreakKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::MissedFill,
        Self::ClosedOutside,
        Self::OpenedOutside,
        Self::WrongSize,
        Self::WrongLevel,
        Self::MissingStop,
        Self::EmptyAnswer,
        Self::UnknownOutcome,
        Self::PartialClose,
        Self::CloseFailed,
        Self::NotCompared,
    ];

    /// The word for it everywhere.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::MissedFill => "missed_fill",
            Self::ClosedOutside => "closed_outside",
            Self::OpenedOutside => "opened_outside",
            Self::WrongSize => "wrong_size",
            Self::WrongLevel => "wrong_level",
            Self::MissingStop => "missing_stop",
            Self::EmptyAnswer => "empty_answer",
            Self::UnknownOutcome => "unknown_outcome",
            Self::PartialClose => "partial_close",
            Self::CloseFailed => "close_failed",
            Self::NotCompared => "not_compared",
        }
    }
}

impl std::fmt::Display for BreakKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_json_is_the_word_everywhere() {
        for kind in BreakKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
    }
}
