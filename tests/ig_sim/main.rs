//! The IG simulator over its socket: what a client sees of it, by clients of our own made of bare requests and frames.
//!
//! Most tests let the venue's clock stand and give every quote themselves, so that each figure can be worked by hand.

#![expect(clippy::unwrap_used, reason = "tests")]

mod client;
mod dealing;
mod faults;
mod hostile;
mod rest;
mod stream;
