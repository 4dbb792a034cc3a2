//! Simulated tournaments: what a `[promotion]` promises, measured on the code that will decide.
//!
//! [`tournament`] runs the promoter itself over candidates whose edges are known. [`studies`] measures the parts by
//! themselves (evidence, detectors, slots, challenger test), in the designs of the published figures. Everything is
//! drawn from one seed; a replicate has a stream of its own, so that threads change nothing.

pub mod outcomes;
pub mod reach;
pub mod studies;
pub mod summary;
pub mod tournament;

pub use self::outcomes::Payoff;
pub use self::tournament::{Setting, Tournament};
