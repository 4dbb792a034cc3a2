//! From the past to a model: what can be fitted, and the fitting.

pub mod fit;
pub mod kinds;
