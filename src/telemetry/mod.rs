//! What the arena says of itself while it runs: log lines on standard error, and metrics for Prometheus.
//!
//! Other rooms call the small functions of [`metrics`]; none of them needs to know how a number is rendered.
//! Nothing here influences a result: without [`metrics::install`] every recording is a no-op.

mod board;
pub mod ig;
pub mod log;
pub mod metrics;
mod table;
