//! The synthetic world: a seeded market that quotes, the venues that deal there, and the configuration of `arena demo`.
//!
//! The market is a function of a specification and a seed. No clock is read and no library function is called whose last
//! bit may differ between machines, so that the same seed quotes the same prices everywhere. [`ig`] puts a venue around
//! it that other programs reach over a socket; its clock alone is the wall's, unless it is told otherwise.

pub mod demo;
pub mod ig;
pub mod market;
pub mod rng;
pub mod rules;
pub mod venue;
