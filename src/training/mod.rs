//! From the past to a model: a data set in, a fitted model and its card out.
//!
//! ```text
//! data set ─resampler→ bars and windows ─features→ rows and targets ─split→ train │ validation │ test
//!                                                                             │fit      │choose     │judge
//!                                                              artefact and card ←──────┴───────────┘
//! ```
//!
//! Invariants: rows come out of the live path; only training rows decide what is fitted; time runs forward through
//! train, validation and test with an embargo between them; the same data set and plan give the same bytes.

pub mod fit;
pub mod kinds;
pub mod log;
pub mod plan;
pub mod plots;
mod repeat;
pub mod rows;
pub mod score;
pub mod split;
pub mod train;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
