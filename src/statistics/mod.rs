//! The statistics that evidence, promotion and reports are made of, as plain functions of numbers.
//!
//! Nothing here knows of candidates, configurations or time. Natural logs, 64-bit floats, sums in a fixed order; what is
//! undefined is NaN, and nobody else's number. Formulas and what they promise: `docs/EVIDENCE.md`; reference values of
//! other implementations: `tests/statistics_oracle.rs`.

pub mod comparison;
pub mod detectors;
pub mod draws;
pub mod mixture;
pub mod multiplicity;
pub mod overfitting;
pub mod performance;
pub mod predictable;
pub mod record;
pub mod resampling;
pub mod sharpe;
pub mod sums;
