//! The desk: tickets of live seats in, live orders out. The only room that calls a [`Broker`], and the only maker of
//! [`Approved`].
//!
//! It stands after the promoter, whose changes to live give a [`LiveRight`], and before the broker. Invariants:
//! an intent is journalled and flushed before its request is sent; a request to open is never sent twice; everything is
//! decided at the time that the quotes carry; what our book says of the broker is compared with the broker's own word
//! at the start and then every event minute. Halting closes live positions and touches no paper.
//!
//! Paper code has no way in. An [`Approved`] cannot be made out here:
//!
//! ```compile_fail,E0624
//! # use arena::broker::LiveOrder;
//! fn smuggle(order: LiveOrder) -> arena::desk::Approved<LiveOrder> {
//!     arena::desk::Approved::new(order)
//! }
//! ```
//!
//! and what a paper ledger holds is not what a broker takes:
//!
//! ```compile_fail,E0308
//! # use arena::{broker::Broker, domain::Order};
//! async fn deal(broker: &dyn Broker, paper: &Order) {
//!     broker.open(paper).await.ok();
//! }
//! ```

mod approved;
mod book;
mod closing;
mod comparing;
mod deal;
mod dealing;
mod looking;
mod outcome;
mod reconcile;
mod reference;
mod risk;
mod shortfall;
#[cfg(test)]
mod tests;
mod twins;

use futures_util::future::BoxFuture;

pub use self::approved::Approved;
pub use self::dealing::{Desk, DeskCheckpoint};
pub use self::outcome::DeskOutcome;
pub use self::reconcile::{Break, Expected, compare, is_protected};
pub use self::reference::{REFERENCE_LENGTH_MAX, deal_reference};
pub use self::risk::{LiveRight, Refused, SeatDeal, Situation, approve, is_daily_loss_reached, ramp_size};
pub use self::shortfall::{Fill, LiveSide, PaperSide, of_extra, of_pair, of_refused, slippage};

use crate::broker::Broker;
use crate::config::RiskConfig;
use crate::domain::{EpicIdx, Market, Tick};
use crate::store::entry::DeskEntry;

/// Where the desk's entries are kept; the desk knows no store.
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// Appends to the desk's lane, in order; answers once the entries will survive a crash.
    ///
    /// # Errors
    /// A sentence. The desk then sends nothing and halts; it offers the same entries again later.
    fn write(&self, entries: Vec<DeskEntry>) -> BoxFuture<'_, Result<(), String>>;
}

/// Sees a quote before the desk acts on it.
pub type QuoteHook<'a> = dyn Fn(EpicIdx, &Tick) + Send + Sync + 'a;

/// What the desk works with in one call.
pub struct DeskContext<'a> {
    /// The arena's name, for references.
    pub arena: &'a str,
    /// In the order of their [`EpicIdx`].
    pub markets: &'a [Market],
    /// `[risk]`.
    pub risk: &'a RiskConfig,
    /// Who deals.
    pub broker: &'a dyn Broker,
    /// Who remembers.
    pub journal: &'a dyn Journal,
    /// Feeds an in-process venue, quote by quote; with a broker outside it does nothing.
    pub before_quote: &'a QuoteHook<'a>,
}

impl std::fmt::Debug for DeskContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeskContext")
            .field("arena", &self.arena)
            .field("risk", &self.risk)
            .field("broker", &self.broker)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}
