//! The IG simulator: REST and Lightstreamer on one loopback port, for clients that cannot tell.
//!
//! ```text
//! prices ─quotes→ board (market) ─→ dealing (stops, limits, orders) ─→ account
//!                    │                        ↑                          │
//!                    ↓                  rest (requests)                  ↓
//!                 stream (sessions, subscriptions) ←── confirms, positions, sums
//! ```
//!
//! `world` is plain state that is told the time; `server` and the transports of `stream` are the shell around it.
//! What IG answers is taken from its reference and from what users report; `docs/IG.md` says how to drive it.

mod accounts;
mod allowances;
mod board;
mod clock;
mod config;
mod control;
mod dealing;
mod faults;
mod history;
mod listing;
mod past;
mod prices;
mod quotes;
mod records;
mod requests;
mod rest;
mod server;
mod sessions;
mod stream;
mod text;
mod watchlists;
mod world;

pub use config::{AccountSpec, Config, Delays, Limits, Pace, Quoted, made};
pub use faults::{Fault, Kind, Length};
pub use listing::{Currency, Hours, Listing, Rule, defaults, parse as parse_markets};
pub use prices::{Prices, Recording};
pub use server::{Handle, Hold, Server, StartError};
