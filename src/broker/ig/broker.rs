//! IG as a [`Broker`]: opens with stop and limit in one request under our reference, learns outcomes from the stream and
//! by REST, whichever is first, and looks up what neither told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::deals::{Deals, Exit, deal_of, is_same_second, price, utc};
use super::fault::{Class, IgError};
use super::number::Number;
use super::requests::{ClosePosition, OpenPosition};
use super::rest::Rest;
use super::wire::{ActionType, Activity, Confirm, DealVerdict, PositionLine, PositionUpdate, Side};
use crate::broker::{Broker, BrokerError, Deal, DealStatus, LiveOrder};
use crate::clock::Clock;
use crate::desk::Approved;
use crate::domain::{
    CloseReason, DealReference, Decimal, Direction, Epic, Micros, Price, PriceDelta, Size, UtcMicros, div_half_even,
};

/// Pauses before an outcome is asked for, in milliseconds; the stream ends each early.
const OUTCOME_PAUSES: [u64; 3] = [80, 300, 900];

/// The shortest and the longest pause between two look-ups of one deal, in milliseconds.
const LOOK_PAUSES: (u64, u64) = (500, 16_000);

/// Look-ups that found nothing, in a row, before nothing is believed.
const EMPTY_MIN: u32 = 2;

/// Activity is searched from this long before what it is about.
const BEFORE: Micros = Micros(60_000_000);

/// And from this long ago where nobody knows when it was.
const LONG_BEFORE: Micros = Micros(7 * 86_400_000_000);

/// What a market's deals are written with.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// `DFB`, `-`, or a month.
    pub expiry: String,
    /// Three letters.
    pub currency: String,
    /// The price change that is one point.
    pub point: PriceDelta,
}

/// How patient it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long after it was sent a deal may still appear, in milliseconds.
    pub settles_millis: u64,
    /// From an empty list of positions to the second look, in milliseconds.
    pub empty_again_millis: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { settles_millis: 10_000, empty_again_millis: 1_000 }
    }
}

/// How often a deal was looked up.
#[derive(Clone, Copy, Debug)]
struct Look {
    begun: Instant,
    next: Instant,
    pause: u64,
    empty: u32,
}

/// Deals at IG.
#[derive(Debug)]
pub struct IgBroker {
    rest: Arc<Rest>,
    clock: Arc<dyn Clock>,
    terms: BTreeMap<Epic, Terms>,
    patience: Patience,
    deals: Mutex<Deals>,
    looks: Mutex<BTreeMap<DealReference, Look>>,
    heard: Notify,
    had_positions: AtomicBool,
}

impl IgBroker {
    /// A broker of these markets.
    #[must_use]
    pub fn new(rest: Arc<Rest>, clock: Arc<dyn Clock>, terms: BTreeMap<Epic, Terms>, patience: Patience) -> Self {
        Self {
            rest,
            clock,
            terms,
            patience,
            deals: Mutex::default(),
            looks: Mutex::default(),
            heard: Notify::new(),
            had_positions: AtomicBool::new(false),
        }
    }

    fn deals(&self) -> MutexGuard<'_, Deals> {
        self.deals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, reference: &DealReference) -> Option<Deal> {
        self.deals().get(reference).cloned()
    }

    /// A confirmation of the stream.
    pub fn on_confirm(&self, confirm: &Confirm) {
        self.deals().on_confirm(confirm);
        self.heard.notify_waiters();
    }

    /// A position update of the stream.
    pub fn on_position_update(&self, update: &PositionUpdate) {
        self.deals().on_position_update(update);
        self.heard.notify_waiters();
    }

    /// Finds out at what level the positions closed that are gone without a word.
    pub async fn resolve_gone(&self) {
        let gone = self.deals().gone();
        for reference in gone {
            if let Err(error) = self.resolve(&reference).await {
                tracing::warn!(%reference, %error, "a position is gone and its exit not known yet");
            }
        }
    }

    fn request(&self, order: &LiveOrder) -> Option<OpenPosition> {
        let terms = self.terms.get(&order.epic)?;
        let points = |distance: PriceDelta| {
            let scaled = i128::from(distance.micros()) * 1_000_000;
            let micros = div_half_even(scaled, i128::from(terms.point.micros()));
            i64::try_from(micros).ok().map(|micros| Number(Decimal(micros)))
        };
        Some(OpenPosition {
            epic: order.epic.to_string(),
            expiry: terms.expiry.clone(),
            currency_code: terms.currency.clone(),
            direction: if order.direction == Direction::Long { Side::Buy } else { Side::Sell },
            size: Number(Decimal(order.size.micros())),
            order_type: "MARKET",
            guaranteed_stop: false,
            force_open: true,
            trailing_stop: false,
            stop_distance: points(order.stop)?,
            limit_distance: points(order.limit)?,
            time_in_force: "FILL_OR_KILL",
            deal_reference: order.reference.to_string(),
        })
    }

    async fn open_now(&self, order: &LiveOrder) -> Result<Deal, BrokerError> {
        let reference = &order.reference;
        if self.known(reference).is_some() {
            // Sent before: never again.
            return self.confirm_now(reference).await;
        }
        self.deals().sent(order);
        let refused = |why: &str| {
            self.deals().rejected(reference, why);
            self.known(reference).ok_or_else(|| unknown(reference, &why))
        };
        let now = self.clock.now();
        if now >= order.valid_until {
            return refused(&format!("too late: valid until {}, the clock says {now}", order.valid_until));
        }
        let Some(request) = self.request(order) else {
            return refused(&format!("{} is not dealt in here, or its distances are no points", order.epic));
        };
        match self.rest.open_position(&request).await {
            Ok(_) => Ok(self.outcome(reference, reference.as_str()).await),
            Err(IgError::NotSent(why)) => refused(&why),
            Err(error @ (IgError::NoAnswer(_) | IgError::NotUnderstood(_))) => Err(unknown(reference, &error)),
            Err(error) => match error.class() {
                Class::Stop => {
                    drop(refused(&error.to_string()));
                    Err(BrokerError::Denied(error.to_string()))
                }
                _ => refused(error.code().unwrap_or("refused")),
            },
        }
    }

    /// Waits a moment for what came of a request, by stream or by REST.
    async fn outcome(&self, ours: &DealReference, theirs: &str) -> Deal {
        let is_settled = |deal: &Deal, was: &Deal| deal.status != was.status;
        let was = self.known(ours).expect("a deal is known before its outcome is waited for");
        for pause in OUTCOME_PAUSES {
            let heard = self.heard.notified();
            tokio::pin!(heard);
            heard.as_mut().enable();
            let now = self.known(ours).unwrap_or_else(|| was.clone());
            if is_settled(&now, &was) {
                return now;
            }
            tokio::select! {
                () = heard => {}
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            }
            let now = self.known(ours).unwrap_or_else(|| was.clone());
            if is_settled(&now, &was) {
                return now;
            }
            if let Ok(Some(confirm)) = self.rest.confirm_of(theirs).await {
                self.deals().on_confirm(&confirm);
                break;
            }
        }
        self.known(ours).unwrap_or(was)
    }

    /// What became of a deal: from what is known, or else by looking it up, not more often than makes sense.
    async fn confirm_now(&self, reference: &DealReference) -> Result<Deal, BrokerError> {
        let known = self.known(reference);
        match &known {
            Some(deal) if deal.status == DealStatus::Open && self.deals().is_gone(reference) => {
                self.resolve(reference).await?;
                return self.known(reference).ok_or_else(|| absent(reference));
            }
            Some(deal) if deal.status != DealStatus::Pending => return Ok(deal.clone()),
            _ => {}
        }
        let now = Instant::now();
        let look = {
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            let first = Look { begun: now, next: now, pause: LOOK_PAUSES.0, empty: 0 };
            let look = looks.entry(reference.clone()).or_insert(first);
            if now < look.next {
                return Ok(known.unwrap_or_else(|| pending(reference)));
            }
            look.next = now + Duration::from_millis(look.pause);
            look.pause = (look.pause * 2).min(LOOK_PAUSES.1);
            *look
        };
        let found = self.look_up(reference, known.as_ref()).await.map_err(|error| of_read(&error))?;
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if found {
            looks.remove(reference);
            return self.known(reference).ok_or_else(|| absent(reference));
        }
        let empty = look.empty + 1;
        // Of what was sent before a restart it is known when that was.
        let settles = Micros(i64::try_from(self.patience.settles_millis).unwrap_or(i64::MAX).saturating_mul(1_000));
        let is_old = known.as_ref().is_some_and(|deal| self.clock.now() - deal.opened >= settles);
        let has_settled = is_old || look.begun.elapsed() >= Duration::from_millis(self.patience.settles_millis);
        if empty >= EMPTY_MIN && has_settled {
            looks.remove(reference);
            return Err(absent(reference));
        }
        if let Some(look) = looks.get_mut(reference) {
            look.empty = empty;
        }
        Ok(known.unwrap_or_else(|| pending(reference)))
    }

    /// Asks for the confirmation, then among the positions, then in the activity; whether anything was found.
    async fn look_up(&self, reference: &DealReference, known: Option<&Deal>) -> Result<bool, IgError> {
        let is_settled = || self.known(reference).is_some_and(|deal| deal.status != DealStatus::Pending);
        if let Some(confirm) = self.rest.confirm_of(reference.as_str()).await? {
            self.expect(reference);
            self.deals().on_confirm(&confirm);
            if is_settled() {
                return Ok(true);
            }
        }
        let positions = self.rest.positions().await?;
        if let Some(line) = positions.iter().find(|line| is_of(line, reference)) {
            self.deals().on_position(line);
            return Ok(true);
        }
        let now = self.clock.now();
        let from = known.map_or(now - LONG_BEFORE, |deal| deal.opened - BEFORE);
        let activity = self.rest.activity(from, None).await?;
        let of_ours = |activity: &&Activity| {
            let details = activity.details.as_ref();
            details.and_then(|details| details.deal_reference.as_deref()) == Some(reference.as_str())
        };
        // What closes a position may carry the reference that opened it: its level and size are not the opening's.
        let is_opening = |activity: &&Activity| {
            let mut actions = activity.details.iter().flat_map(|details| &details.actions);
            activity.status == Some(DealVerdict::Rejected)
                || actions.any(|action| action.action_type == ActionType::PositionOpened)
        };
        let Some(opening) = activity.iter().filter(of_ours).find(is_opening) else { return Ok(false) };
        self.expect(reference);
        if opening.status == Some(DealVerdict::Rejected) {
            let why = opening.description.as_deref().unwrap_or("rejected");
            self.deals().rejected(reference, why);
            return Ok(true);
        }
        // It was opened, and is open no more.
        if let Some(confirm) = confirm_from(opening) {
            self.deals().on_confirm(&confirm);
        }
        let exit = self.known(reference).and_then(|deal| exit_in(&activity, deal.id.as_str()));
        self.deals().closed(reference, exit.as_ref());
        Ok(is_settled())
    }

    /// Makes room for a deal of which nothing is known but its reference.
    fn expect(&self, reference: &DealReference) {
        let mut deals = self.deals();
        if deals.get(reference).is_none() {
            deals.adopt(pending(reference));
        }
    }

    /// Finds the exit of a position that is gone.
    async fn resolve(&self, reference: &DealReference) -> Result<(), BrokerError> {
        let Some(deal) = self.known(reference) else { return Err(absent(reference)) };
        let from = deal.opened - BEFORE;
        let activity = self.rest.activity(from, None).await.map_err(|error| of_read(&error))?;
        if let Some(exit) = exit_in(&activity, deal.id.as_str()) {
            self.deals().closed(reference, Some(&exit));
            return Ok(());
        }
        let to = self.clock.now() + BEFORE;
        let transactions = self.rest.transactions(from, to).await.map_err(|error| of_read(&error))?;
        let level = |text: &Option<String>| text.as_deref().and_then(Number::parse).map(price);
        let exits = transactions.iter().filter_map(|transaction| {
            // A transaction tells the second of the opening.
            let opened = transaction.open_date_utc.as_deref().and_then(utc)?;
            let is_same = level(&transaction.open_level) == Some(deal.level) && is_same_second(opened, deal.opened);
            let time = transaction.date_utc.as_deref().and_then(utc).filter(|_| is_same)?;
            let size = transaction.size.as_deref().map(|size| size.trim_start_matches(['+', '-']));
            let size = size.and_then(|size| size.parse().ok());
            Some(Exit { time, level: level(&transaction.close_level)?, size })
        });
        // Those of others that began alike are theirs.
        let mut exits: Vec<Exit> = exits.collect();
        for other in self.deals().exits_beside(&deal) {
            let is_theirs = |exit: &Exit| exit.level == other.level && is_same_second(exit.time, other.time);
            if let Some(at) = exits.iter().position(is_theirs) {
                exits.remove(at);
            }
        }
        let exit = exits.into_iter().next();
        match exit {
            Some(exit) => {
                self.deals().closed(reference, Some(&exit));
                Ok(())
            }
            None => Err(BrokerError::Unreachable(format!("position {reference} is gone, its exit is not told yet"))),
        }
    }

    async fn close_now(&self, reference: &DealReference, reason: CloseReason) -> Result<Deal, BrokerError> {
        let deal = match self.known(reference) {
            Some(deal) if !matches!(deal.status, DealStatus::Pending) => deal,
            _ => {
                let positions = self.rest.positions().await.map_err(|error| of_read(&error))?;
                let Some(line) = positions.iter().find(|line| is_of(line, reference)) else {
                    return self.confirm_now(reference).await;
                };
                self.deals().on_position(line);
                deal_of(line)
            }
        };
        if deal.status != DealStatus::Open {
            return Ok(deal);
        }
        if self.deals().is_gone(reference) {
            self.resolve(reference).await?;
            return self.known(reference).ok_or_else(|| absent(reference));
        }
        self.deals().closing(reference, reason);
        let request = ClosePosition {
            deal_id: deal.id.to_string(),
            direction: if deal.direction == Direction::Long { Side::Sell } else { Side::Buy },
            size: Number(Decimal(deal.size.micros())),
            order_type: "MARKET",
        };
        let mut sent = self.rest.close_position(&request).await;
        if sent.as_ref().is_err_and(|error| error.class() == Class::LogIn) {
            // The tokens were dead, so nothing was done; and a position cannot be closed twice by its name.
            sent = self.rest.close_position(&request).await;
        }
        match sent {
            Ok(theirs) => {
                self.deals().closing_is(reference, &theirs);
                self.after_closing(reference, &theirs).await
            }
            Err(error) if error.class() == Class::Stop => Err(BrokerError::Denied(error.to_string())),
            Err(IgError::NotSent(why)) => Err(BrokerError::Unreachable(why)),
            Err(error @ (IgError::NoAnswer(_) | IgError::NotUnderstood(_))) => Err(unknown(reference, &error)),
            Err(error) => self.if_gone(reference, &error.to_string()).await,
        }
    }

    async fn after_closing(&self, reference: &DealReference, theirs: &str) -> Result<Deal, BrokerError> {
        let deal = self.outcome(reference, theirs).await;
        if deal.status != DealStatus::Open {
            return Ok(deal);
        }
        // Nothing was told, or the request was rejected: the position itself says which.
        match self.rest.confirm_of(theirs).await {
            Ok(Some(confirm)) if confirm.deal_status == DealVerdict::Rejected => {
                self.if_gone(reference, confirm.reason.as_deref().unwrap_or("rejected")).await
            }
            Ok(Some(confirm)) => {
                self.deals().on_confirm(&confirm);
                self.known(reference).ok_or_else(|| absent(reference))
            }
            Ok(None) | Err(_) => Err(unknown(reference, &"the closing is not confirmed yet")),
        }
    }

    /// A closing that was refused: fine if there is nothing left to close.
    async fn if_gone(&self, reference: &DealReference, why: &str) -> Result<Deal, BrokerError> {
        let positions = self.rest.positions().await.map_err(|error| of_read(&error))?;
        if let Some(line) = positions.iter().find(|line| is_of(line, reference)) {
            // It may be smaller than we thought: the next request asks for what there is.
            self.deals().on_position(line);
            return Err(BrokerError::Unreachable(format!("closing of {reference} refused: {why}")));
        }
        self.deals().vanished(reference);
        self.resolve(reference).await?;
        self.known(reference).ok_or_else(|| absent(reference))
    }

    /// Every position; an empty answer is believed only when it comes twice in a row, where there were some.
    async fn positions_now(&self) -> Result<Vec<Deal>, BrokerError> {
        let mut lines = self.rest.positions().await.map_err(|error| of_read(&error))?;
        let has_open = self.deals().still_open().next().is_some();
        if lines.is_empty() && (has_open || self.had_positions.load(Ordering::Relaxed)) {
            tokio::time::sleep(Duration::from_millis(self.patience.empty_again_millis)).await;
            lines = self.rest.positions().await.map_err(|error| of_read(&error))?;
        }
        self.had_positions.store(!lines.is_empty(), Ordering::Relaxed);
        let mut deals = self.deals();
        for line in &lines {
            let is_ours = line.position.deal_reference.as_deref().is_some_and(|r| deals.get(&r.into()).is_some());
            if is_ours {
                deals.on_position(line);
            }
        }
        let missing: Vec<DealReference> =
            deals.still_open().filter(|ours| !lines.iter().any(|line| is_of(line, ours))).cloned().collect();
        missing.iter().for_each(|reference| deals.vanished(reference));
        Ok(lines.iter().map(deal_of).collect())
    }
}

fn is_of(line: &PositionLine, reference: &DealReference) -> bool {
    line.position.deal_reference.as_deref() == Some(reference.as_str())
}

fn unknown(reference: &DealReference, why: &dyn std::fmt::Display) -> BrokerError {
    BrokerError::OutcomeUnknown { reference: reference.clone(), why: why.to_string() }
}

fn absent(reference: &DealReference) -> BrokerError {
    BrokerError::NotFound { reference: reference.clone() }
}

/// A read that failed says nothing of any deal.
fn of_read(error: &IgError) -> BrokerError {
    match error.class() {
        Class::Stop => BrokerError::Denied(error.to_string()),
        _ => BrokerError::Unreachable(error.to_string()),
    }
}

/// A deal of which nothing is known but its reference.
fn pending(reference: &DealReference) -> Deal {
    Deal {
        reference: reference.clone(),
        id: "".into(),
        epic: "".into(),
        direction: Direction::Long,
        size: crate::domain::Size::ZERO,
        opened: UtcMicros(0),
        level: Price::ZERO,
        stop_level: Price::ZERO,
        limit_level: Price::ZERO,
        status: DealStatus::Pending,
    }
}

/// What a confirmation would have said of an opening that the activity tells.
fn confirm_from(activity: &Activity) -> Option<Confirm> {
    let details = activity.details.as_ref()?;
    Some(Confirm {
        deal_reference: details.deal_reference.clone()?,
        deal_id: activity.deal_id.clone(),
        deal_status: DealVerdict::Accepted,
        status: None,
        reason: None,
        epic: activity.epic.clone(),
        direction: details.direction.clone(),
        level: details.level,
        size: details.size,
        stop_level: details.stop_level,
        limit_level: details.limit_level,
        affected_deals: Vec::new(),
        profit: None,
        profit_currency: None,
        date: Some(activity.date.clone()),
    })
}

/// Where the activity says that the deal `id` was closed.
fn exit_in(activity: &[Activity], id: &str) -> Option<Exit> {
    activity.iter().filter(|activity| activity.status != Some(DealVerdict::Rejected)).find_map(|activity| {
        let details = activity.details.as_ref()?;
        let is_closing = details.actions.iter().any(|action| {
            matches!(action.action_type, ActionType::PositionClosed | ActionType::PositionDeleted)
                && action.affected_deal_id.as_deref() == Some(id)
        });
        if !is_closing {
            return None;
        }
        let size = details.size.map(|size| Size::from_micros(size.micros())).filter(|size| *size > Size::ZERO);
        Some(Exit { time: utc(&activity.date)?, level: price(details.level?), size })
    })
}

impl Broker for IgBroker {
    fn open<'a>(&'a self, order: &'a Approved<LiveOrder>) -> BoxFuture<'a, Result<Deal, BrokerError>> {
        self.open_now(order.get()).boxed()
    }

    fn close<'a>(
        &'a self,
        reference: &'a DealReference,
        _at: UtcMicros,
        reason: CloseReason,
    ) -> BoxFuture<'a, Result<Deal, BrokerError>> {
        self.close_now(reference, reason).boxed()
    }

    fn confirm<'a>(&'a self, reference: &'a DealReference) -> BoxFuture<'a, Result<Deal, BrokerError>> {
        self.confirm_now(reference).boxed()
    }

    fn exits<'a>(&'a self, deal: &'a Deal) -> BoxFuture<'a, Result<Vec<crate::broker::Exit>, BrokerError>> {
        self.exits_now(deal).boxed()
    }

    fn open_positions(&self) -> BoxFuture<'_, Result<Vec<Deal>, BrokerError>> {
        self.positions_now().boxed()
    }

    fn take_updates(&self) -> Vec<Deal> {
        self.deals().take_updates()
    }

    fn adopt(&self, deals: Vec<Deal>) {
        deals.into_iter().for_each(|deal| self.deals().adopt(deal));
    }
}

mod parts;
#[cfg(test)]
mod tests;
