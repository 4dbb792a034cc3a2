//! The seam to whoever deals for real. The desk alone calls it, and only with orders that passed its risk rules.

pub mod ig;
pub mod scripted;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde::{Deserialize, Serialize};

use crate::desk::Approved;
use crate::domain::{CloseReason, DealId, DealReference, Direction, Epic, Market, Price, PriceDelta, Size, UtcMicros};

/// An order for a live position: stop and limit travel in the same request.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveOrder {
    /// Ours; makes the request idempotent.
    pub reference: DealReference,
    /// The market.
    pub epic: Epic,
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// Distance of the stop from the fill.
    pub stop: PriceDelta,
    /// Distance of the limit from the fill.
    pub limit: PriceDelta,
    /// Event time of the decision.
    pub at: UtcMicros,
    /// The broker must not fill it at or after this.
    pub valid_until: UtcMicros,
}

/// How far a deal has come at the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DealStatus {
    /// Taken, not filled yet.
    Pending,
    /// Open.
    Open,
    /// Refused, with the broker's reason.
    Rejected(String),
    /// Closed again.
    Closed {
        /// When.
        time: UtcMicros,
        /// At what level.
        level: Price,
        /// Why.
        reason: CloseReason,
    },
}

/// What the broker says of one of our references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deal {
    /// Ours.
    pub reference: DealReference,
    /// Theirs; empty while pending or rejected.
    pub id: DealId,
    /// The market.
    pub epic: Epic,
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// When it was filled; the request's time before.
    pub opened: UtcMicros,
    /// The level of the fill; zero before.
    pub level: Price,
    /// Its stop at the broker.
    pub stop_level: Price,
    /// Its limit at the broker.
    pub limit_level: Price,
    /// How far it has come.
    pub status: DealStatus,
}

/// One closing of a deal, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exit {
    /// When.
    pub time: UtcMicros,
    /// At what level.
    pub level: Price,
    /// How much of it.
    pub size: Size,
}

/// Why a call to the broker did not succeed; the variants differ in what the desk must do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BrokerError {
    /// The request may or may not have been dealt. Look it up by reference; never send it again.
    #[error("outcome of deal {reference} unknown: {why}")]
    OutcomeUnknown {
        /// Ours.
        reference: DealReference,
        /// What happened.
        why: String,
    },
    /// The broker knows nothing of the reference: nothing was dealt.
    #[error("broker knows no deal {reference}")]
    NotFound {
        /// Ours.
        reference: DealReference,
    },
    /// Reading may be tried again later.
    #[error("broker not reached: {0}")]
    Unreachable(String),
    /// The account, the key or the permission is at fault: stop for good.
    #[error("broker refuses this account: {0}")]
    Denied(String),
}

/// The dealing rules of one market, as the broker tells them.
#[derive(Clone, Debug, PartialEq)]
pub struct DealingRules {
    /// What live dealing there is held to: what is configured, or stricter.
    pub market: Market,
    /// The rules as they were told, by name and with their units.
    pub told: Vec<(String, String)>,
}

/// Deals for real.
pub trait Broker: Send + Sync + std::fmt::Debug {
    /// Opens a position; idempotent by `order.reference`. The answer may be [`DealStatus::Pending`].
    fn open<'a>(&'a self, order: &'a Approved<LiveOrder>) -> BoxFuture<'a, Result<Deal, BrokerError>>;

    /// Closes the whole position of `reference` at the market; idempotent.
    fn close<'a>(
        &'a self,
        reference: &'a DealReference,
        at: UtcMicros,
        reason: CloseReason,
    ) -> BoxFuture<'a, Result<Deal, BrokerError>>;

    /// Tells a broker of this process that event time has come to `now`, quotes or not; one outside has its own clock.
    fn on_time(&self, _now: UtcMicros) {}

    /// What became of `reference`.
    fn confirm<'a>(&'a self, reference: &'a DealReference) -> BoxFuture<'a, Result<Deal, BrokerError>>;

    /// Every closing of a deal so far, of a part or of the rest, oldest first, as the broker's history tells them; none
    /// where it tells none.
    fn exits<'a>(&'a self, _deal: &'a Deal) -> BoxFuture<'a, Result<Vec<Exit>, BrokerError>> {
        ready(Ok(Vec::new())).boxed()
    }

    /// Everything that is open on the account, ours or not.
    fn open_positions(&self) -> BoxFuture<'_, Result<Vec<Deal>, BrokerError>>;

    /// Deals whose status changed since this was last asked, oldest first, each as it is now. Never waits: a broker
    /// that streams its confirmations keeps them until they are taken. One that does not stream says nothing here, and
    /// the desk finds out by looking up.
    fn take_updates(&self) -> Vec<Deal> {
        Vec::new()
    }

    /// Takes over what our book has of deals that were open or in doubt: a restart, before any other call. A broker that
    /// keeps its own book of them does nothing.
    fn adopt(&self, _deals: Vec<Deal>) {}
}
