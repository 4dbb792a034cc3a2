//! What the desk tells of live dealing, for whoever judges a champion: outcomes, differences from paper, missed signals,
//! refused orders. Money and sizes; units of risk are not its business.

use crate::domain::{CloseReason, Money, SeatIdx, Size};

/// One thing that happened to a live deal, in the order in which it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeskOutcome {
    /// A deal of `size` was closed.
    Closed {
        /// Whose.
        seat: SeatIdx,
        /// Its size.
        size: Size,
        /// What it made.
        profit: Money,
    },
    /// The paper twin of a closed deal is closed too.
    Paired {
        /// Whose.
        seat: SeatIdx,
        /// The live size, to which the twin is scaled.
        size: Size,
        /// Live less paper.
        difference: Money,
    },
    /// A signal was followed by live and paper, or by one of them alone.
    Signal {
        /// Whose.
        seat: SeatIdx,
        /// By one alone.
        is_missed: bool,
    },
    /// The broker took an order or refused it.
    Order {
        /// Whose.
        seat: SeatIdx,
        /// It refused.
        is_refused: bool,
    },
}

/// Refusals of our own rules that are faults of operation: the signal was good, and live could not follow it. What an
/// operator halted, and what `[risk]` does not allow, says nothing of the way from paper to live.
pub(super) const MISSED: [&str; 4] = ["unknown_outcome", "one_position", "expired", "stale_quote"];

/// Whether a closing was the market's doing. What a halt or a demotion closed early says nothing of parity.
pub(super) fn is_natural(reason: CloseReason) -> bool {
    matches!(reason, CloseReason::Stop | CloseReason::Limit | CloseReason::Time | CloseReason::Session)
}
