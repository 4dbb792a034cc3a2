//! Orders and quotes in, trades out: the paper broker, its costs, and the running score of one candidate.
//!
//! Invariants: money is exact; within a bar events come in the order of its quotes; nothing here looks ahead of the
//! quote in hand, reads `[risk]`, or knows that live dealing exists.

mod book;
mod outcomes;
mod read;
mod score;
mod terms;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trial;

pub use book::{Book, Closing, Event};
pub use outcomes::{Orders, Predicted, StreamLanes, Truth, read_predictions};
pub use read::{Assembly, SeatRecord, read_seat, read_trades};
pub use score::Score;
pub(crate) use terms::FundingClock;
pub use terms::Terms;
pub use trial::trial;
