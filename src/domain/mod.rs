//! The vocabulary of the arena: units, markets, quotes, bars, orders and trades.
//!
//! Nothing here reads a clock, a file or a socket; every other room speaks in these words.
//! Prices and money are integers, so that a ledger can be compared byte for byte.

mod bar;
mod breaks;
mod candidate;
mod deal;
mod ids;
mod lineage;
mod market;
mod quote;
mod shortfall;
mod time;
mod units;

pub use bar::{Bar, Ohlc, PastBar, Resolution, Span};
pub use breaks::BreakKind;
pub use candidate::{Candidate, DirectionFilter, ModelSpec, RiskUnit};
pub use deal::{CloseReason, Direction, Episode, OpenPosition, Order, Prediction, Signal, Trade};
pub use ids::{ContentHash, DealId, DealReference, Epic, EpicIdx, ModelId, ModelTicket, SeatIdx, StreamIdx};
pub use lineage::{DataOrigin, Lineage};
pub use market::{Costs, Market, Session, SessionError, next_funding};
pub use quote::{BadQuote, Tick};
pub use shortfall::Shortfall;
pub use time::{Micros, TimeError, UtcMicros};
pub(crate) use units::div_half_even;
pub use units::{Decimal, DecimalError, Money, Price, PriceDelta, Size};
