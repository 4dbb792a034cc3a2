//! One model and its paper ledger make a seat; a host is the actor that runs seats over slices of bars.
//!
//! Invariants: a seat sees only its own stream; what it does depends on bars alone, never on promoter, desk, host or
//! slice; a model that panics, returns NaN or blocks stops its own seat and nothing else.

mod block;
pub mod director;
pub mod host;
mod seat;
#[cfg(test)]
mod tests;

pub use block::{Block, BlockReport, Progress, SharedSeat, Wants};
pub use seat::{Mark, Seat, SeatReport};
