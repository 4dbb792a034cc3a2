//! The synthetic world: a seeded market that quotes, the venue that deals there, and the configuration of `arena demo`.
//!
//! Everything here is a function of a specification and a seed. No clock is read and no library function is called
//! whose last bit may differ between machines, so that the same seed quotes the same prices everywhere.

pub mod demo;
pub mod market;
pub mod rng;
pub mod venue;
