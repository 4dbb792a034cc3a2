//! IG over its REST service: typed calls, one login, budgets, and a broker made of them.
//!
//! Pure: [`number`], [`wire`], [`requests`], [`fault`], [`session`], [`throttle`], [`deals`], [`rules`]. [`rest`] is the shell with
//! the HTTP client and the clock, `calls` the list of what it can ask, `broker` what the desk deals through.

mod broker;
mod calls;
pub mod connect;
pub mod deals;
pub mod fault;
pub mod number;
pub mod requests;
pub mod rest;
pub mod rules;
pub mod session;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod throttle;
pub mod wire;

pub use self::broker::{IgBroker, Patience, Terms};
pub use self::calls::{PRICES_PAGE, Stretch};
pub use self::fault::{Allowance, Class, IgError};
pub use self::rest::{IgOptions, Rest};
pub use self::rules::{MarketRules, RuleChange, changes, read_rules};
pub use self::session::{Login, LoginVersion};
pub use self::throttle::Limits;
