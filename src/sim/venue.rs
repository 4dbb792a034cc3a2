//! A broker inside the process: IG's dealing rules against whatever quotes it is fed, in event time.
//!
//! It stands at the very end of the flow and knows nothing of models or paper. Its fills are those of the paper
//! broker: an order fills on the first quote in `[at + latency, valid_until)`; from the quote after that on,
//! each quote is held against stop, then limit, then a closing that was asked for. What it does is a function of the
//! order of the calls alone. Faults can be put in its way, for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};
use serde::{Deserialize, Serialize};

use super::rules;
use crate::broker::{Broker, BrokerError, Deal, DealStatus, Exit, LiveOrder};
use crate::desk::Approved;
use crate::domain::{
    CloseReason, Costs, DealReference, Direction, Epic, Market, Micros, Price, PriceDelta, Size, Tick, UtcMicros,
};

/// Finished deals that the venue can still confirm; older ones are forgotten.
const FINISHED_MAX: usize = 1_000;

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is dealt, the answer is lost.
    LoseAnswer,
    /// It never arrives, and nobody can tell.
    LoseRequest,
    /// It is refused with this reason.
    Refuse(String),
    /// The account is refused.
    Deny,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    deal: Deal,
    /// The order in which requests came: the order in which one quote executes them.
    number: u64,
    stop: PriceDelta,
    limit: PriceDelta,
    from: UtcMicros,
    until: UtcMicros,
    closing: Option<(UtcMicros, CloseReason)>,
}

/// All that the venue remembers: what a restart needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VenueCheckpoint {
    deals: BTreeMap<DealReference, Held>,
    /// Pending and open ones by the number of their request.
    alive: BTreeMap<u64, DealReference>,
    finished: VecDeque<DealReference>,
    requests: u64,
    fills: u64,
    last: BTreeMap<Epic, Tick>,
    updates: Vec<DealReference>,
}

#[derive(Debug, Default)]
struct Inner {
    memory: VenueCheckpoint,
    open_faults: VecDeque<Fault>,
    close_faults: VecDeque<Fault>,
    is_unreachable: bool,
    parts: BTreeMap<DealReference, Vec<Exit>>,
}

/// The in-process venue.
#[derive(Debug)]
pub struct Venue {
    markets: BTreeMap<Epic, (Market, Costs)>,
    inner: Mutex<Inner>,
}

impl Venue {
    /// A venue for these markets, each with what a fill costs there beyond the quote.
    #[must_use]
    pub fn new(markets: impl IntoIterator<Item = (Market, Costs)>) -> Self {
        let markets = markets.into_iter().map(|(market, costs)| (market.epic.clone(), (market, costs))).collect();
        Self { markets, inner: Mutex::default() }
    }

    /// Everything it remembers.
    #[must_use]
    pub fn checkpoint(&self) -> VenueCheckpoint {
        self.lock().memory.clone()
    }

    /// Goes back to what it remembered.
    pub fn restore(&self, checkpoint: VenueCheckpoint) {
        self.lock().memory = checkpoint;
    }

    /// Takes over a deal that our journal knows and this venue does not: it lives in our process, so that a crash
    /// takes its memory along, where a real broker keeps it. Nothing where the reference is known.
    pub fn adopt(&self, deal: Deal) {
        let mut inner = self.lock();
        if inner.memory.deals.contains_key(&deal.reference) || deal.status == DealStatus::Pending {
            return;
        }
        inner.memory.insert(deal);
    }

    /// The next quote of a market. Quotes of one epic come in order of time.
    pub fn on_quote(&self, epic: &Epic, tick: &Tick) {
        let Some((_, costs)) = self.markets.get(epic) else { return };
        self.lock().memory.on_quote(epic, tick, costs);
    }

    /// The next request to open meets this fault; several wait in line.
    pub fn fail_open(&self, fault: Fault) {
        self.lock().open_faults.push_back(fault);
    }

    /// The next request to close meets this fault; several wait in line.
    pub fn fail_close(&self, fault: Fault) {
        self.lock().close_faults.push_back(fault);
    }

    /// Whether reading (`confirm`, `open_positions`) fails.
    pub fn set_unreachable(&self, is_unreachable: bool) {
        self.lock().is_unreachable = is_unreachable;
    }

    /// A position appears outside our doing.
    pub fn appear(&self, deal: Deal) {
        self.lock().memory.insert(deal);
    }

    /// A position vanishes without a word: no confirmation knows it any more.
    pub fn vanish(&self, reference: &DealReference) {
        let mut inner = self.lock();
        if let Some(held) = inner.memory.deals.remove(reference) {
            inner.memory.alive.remove(&held.number);
        }
    }

    /// Somebody closes a part of a position at `level`. Nothing where it is not open.
    pub fn close_part(&self, reference: &DealReference, time: UtcMicros, level: Price, size: Size) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if let Some(held) = inner.memory.deals.get_mut(reference).filter(|held| held.deal.status == DealStatus::Open) {
            held.deal.size = Size::from_micros(held.deal.size.micros() - size.micros());
            inner.parts.entry(reference.clone()).or_default().push(Exit { time, level, size });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics between two consistent states, so that a poisoned lock still guards a whole memory.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dealing rule that `order` breaks, in IG's words.
    fn broken_rule(&self, order: &LiveOrder) -> Option<&'static str> {
        let Some((market, _)) = self.markets.get(&order.epic) else { return Some("INSTRUMENT_NOT_FOUND") };
        let stop_min = market.distance(market.stop_min_points).unwrap_or(PriceDelta::ZERO);
        if order.size < market.size_min || order.size.micros() <= 0 {
            Some("MINIMUM_ORDER_SIZE_ERROR")
        } else if order.stop < stop_min || order.stop <= PriceDelta::ZERO || order.limit <= PriceDelta::ZERO {
            Some("ATTACHED_ORDER_LEVEL_ERROR")
        } else if !market.is_in_session(order.at) {
            Some("MARKET_CLOSED")
        } else {
            None
        }
    }

    fn open_now(&self, order: &LiveOrder) -> Result<Deal, BrokerError> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if let Some(held) = inner.memory.deals.get(&order.reference) {
            return Ok(held.deal.clone());
        }
        let fault = inner.open_faults.pop_front();
        let lost = |why: &str| BrokerError::OutcomeUnknown { reference: order.reference.clone(), why: why.to_owned() };
        let refusal = match &fault {
            Some(Fault::LoseRequest) => return Err(lost("request timed out")),
            Some(Fault::Deny) => return Err(BrokerError::Denied("error.security.account-suspended".to_owned())),
            Some(Fault::Refuse(reason)) => Some(reason.clone()),
            Some(Fault::LoseAnswer) | None => self.broken_rule(order).map(ToOwned::to_owned),
        };
        let latency = self.markets.get(&order.epic).map_or(Micros::default(), |(_, costs)| costs.latency);
        let deal = inner.memory.take(order, latency, refusal);
        if fault == Some(Fault::LoseAnswer) { Err(lost("answer timed out")) } else { Ok(deal) }
    }

    fn close_now(&self, reference: &DealReference, at: UtcMicros, reason: CloseReason) -> Result<Deal, BrokerError> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(held) = inner.memory.deals.get_mut(reference) else {
            return Err(BrokerError::NotFound { reference: reference.clone() });
        };
        if held.deal.status != DealStatus::Open {
            return Ok(held.deal.clone());
        }
        let fault = inner.close_faults.pop_front();
        let lost = |why: &str| BrokerError::OutcomeUnknown { reference: reference.clone(), why: why.to_owned() };
        match &fault {
            Some(Fault::LoseRequest) => return Err(lost("request timed out")),
            Some(Fault::Deny) => return Err(BrokerError::Denied("error.security.account-suspended".to_owned())),
            Some(Fault::Refuse(why)) => return Err(BrokerError::Unreachable(why.clone())),
            Some(Fault::LoseAnswer) | None => {}
        }
        held.closing.get_or_insert((at, reason));
        let (epic, number) = (held.deal.epic.clone(), held.number);
        let costs = self.markets.get(&epic).map(|(_, costs)| *costs);
        if let (Some(last), Some(costs)) = (inner.memory.last.get(&epic).copied(), costs) {
            inner.memory.exit_at_once(number, &last, &costs);
        }
        let deal = inner.memory.deals[reference].deal.clone();
        if fault == Some(Fault::LoseAnswer) { Err(lost("answer timed out")) } else { Ok(deal) }
    }

    fn read<T>(&self, reading: impl FnOnce(&mut VenueCheckpoint) -> Result<T, BrokerError>) -> Result<T, BrokerError> {
        let mut inner = self.lock();
        if inner.is_unreachable {
            return Err(BrokerError::Unreachable("connection refused".to_owned()));
        }
        reading(&mut inner.memory)
    }
}

impl VenueCheckpoint {
    /// Books a request: pending, or rejected at once.
    fn take(&mut self, order: &LiveOrder, latency: Micros, refusal: Option<String>) -> Deal {
        let is_refused = refusal.is_some();
        let deal = Deal {
            reference: order.reference.clone(),
            id: "".into(),
            epic: order.epic.clone(),
            direction: order.direction,
            size: order.size,
            opened: order.at,
            level: Price::ZERO,
            stop_level: Price::ZERO,
            limit_level: Price::ZERO,
            status: refusal.map_or(DealStatus::Pending, DealStatus::Rejected),
        };
        let held = Held {
            deal: deal.clone(),
            number: self.requests,
            stop: order.stop,
            limit: order.limit,
            from: order.at + latency,
            until: order.valid_until,
            closing: None,
        };
        self.requests += 1;
        self.alive.insert(held.number, order.reference.clone());
        self.deals.insert(order.reference.clone(), held);
        if is_refused {
            self.finish(&order.reference);
        }
        deal
    }

    fn insert(&mut self, deal: Deal) {
        let reference = deal.reference.clone();
        let number = self.requests;
        self.requests += 1;
        if deal.id.as_str().starts_with("SIM") {
            self.fills += 1;
        }
        let held = Held {
            number,
            stop: PriceDelta::ZERO,
            limit: PriceDelta::ZERO,
            from: deal.opened,
            until: deal.opened,
            closing: None,
            deal,
        };
        let is_open = held.deal.status == DealStatus::Open;
        if let Some(replaced) = self.deals.insert(reference.clone(), held) {
            self.alive.remove(&replaced.number);
        }
        self.alive.insert(number, reference.clone());
        if !is_open {
            self.finish(&reference);
        }
    }

    fn on_quote(&mut self, epic: &Epic, tick: &Tick, costs: &Costs) {
        match self.last.get_mut(epic) {
            Some(last) => *last = *tick,
            None => drop(self.last.insert(epic.clone(), *tick)),
        }
        if self.alive.is_empty() {
            return;
        }
        let numbers: Vec<u64> = self.alive.keys().copied().collect();
        for number in numbers {
            let reference = self.alive[&number].clone();
            let held = self.deals.get_mut(&reference).expect("what is alive is known");
            if held.deal.status == DealStatus::Pending {
                if tick.time >= held.until {
                    held.deal.status = DealStatus::Rejected("MANUAL_ORDER_TIMEOUT".to_owned());
                    self.updates.push(reference.clone());
                    self.finish(&reference);
                } else if held.deal.epic == *epic && tick.time >= held.from {
                    self.fills += 1;
                    held.fill(tick, costs, self.fills);
                    self.updates.push(reference);
                }
            } else if held.deal.epic == *epic
                && held.deal.opened <= tick.time
                && let Some((level, reason)) = held.exit(tick, costs)
            {
                self.close(&reference, tick.time, level, reason);
            }
        }
    }

    /// Refuses the pending orders whose time is over at `now`, though no quote has told so.
    fn expire(&mut self, now: UtcMicros) {
        let overdue = |number: &u64| {
            let held = &self.deals[&self.alive[number]];
            held.deal.status == DealStatus::Pending && held.until <= now
        };
        let numbers: Vec<u64> = self.alive.keys().copied().filter(overdue).collect();
        for number in numbers {
            let reference = self.alive[&number].clone();
            let held = self.deals.get_mut(&reference).expect("what is alive is known");
            held.deal.status = DealStatus::Rejected("MANUAL_ORDER_TIMEOUT".to_owned());
            self.updates.push(reference.clone());
            self.finish(&reference);
        }
    }

    /// A market order against the quote that stands: a closing asked for at the time of the last quote meets that one.
    fn exit_at_once(&mut self, number: u64, last: &Tick, costs: &Costs) {
        let Some(reference) = self.alive.get(&number).cloned() else { return };
        let held = &self.deals[&reference];
        let Some((at, reason)) = held.closing else { return };
        if last.time >= at && last.time > held.deal.opened {
            self.close(&reference, last.time, held.market_exit(last, costs), reason);
        }
    }

    fn close(&mut self, reference: &DealReference, time: UtcMicros, level: Price, reason: CloseReason) {
        if let Some(held) = self.deals.get_mut(reference) {
            held.deal.status = DealStatus::Closed { time, level, reason };
            self.updates.push(reference.clone());
            self.finish(reference);
        }
    }

    fn finish(&mut self, reference: &DealReference) {
        if let Some(held) = self.deals.get(reference) {
            self.alive.remove(&held.number);
        }
        self.finished.push_back(reference.clone());
        while self.finished.len() > FINISHED_MAX {
            if let Some(oldest) = self.finished.pop_front() {
                self.deals.remove(&oldest);
            }
        }
    }
}

impl Held {
    fn fill(&mut self, tick: &Tick, costs: &Costs, fills: u64) {
        let deal = &mut self.deal;
        deal.id = format!("SIM{fills:08}").into();
        deal.opened = tick.time;
        deal.status = DealStatus::Open;
        deal.level = rules::entry(deal.direction, tick, costs.slippage);
        (deal.stop_level, deal.limit_level) = match deal.direction {
            Direction::Long => (deal.level - self.stop, deal.level + self.limit),
            Direction::Short => (deal.level + self.stop, deal.level - self.limit),
        };
    }

    /// Where and why a quote ends the position: stop, then limit, then what was asked for.
    fn exit(&self, tick: &Tick, costs: &Costs) -> Option<(Price, CloseReason)> {
        let deal = &self.deal;
        let levels = (Some(deal.stop_level), Some(deal.limit_level));
        let exit = rules::exit(deal.direction, levels.0, levels.1, tick, costs.slippage);
        if exit.is_some() {
            return exit;
        }
        let (_, reason) = self.closing.filter(|(at, _)| tick.time >= *at)?;
        Some((self.market_exit(tick, costs), reason))
    }

    fn market_exit(&self, tick: &Tick, costs: &Costs) -> Price {
        rules::market_exit(self.deal.direction, tick, costs.slippage)
    }
}

impl Broker for Venue {
    fn on_time(&self, now: UtcMicros) {
        self.lock().memory.expire(now);
    }

    fn open<'a>(&'a self, order: &'a Approved<LiveOrder>) -> BoxFuture<'a, Result<Deal, BrokerError>> {
        ready(self.open_now(order.get())).boxed()
    }

    fn close<'a>(
        &'a self,
        reference: &'a DealReference,
        at: UtcMicros,
        reason: CloseReason,
    ) -> BoxFuture<'a, Result<Deal, BrokerError>> {
        ready(self.close_now(reference, at, reason)).boxed()
    }

    fn confirm<'a>(&'a self, reference: &'a DealReference) -> BoxFuture<'a, Result<Deal, BrokerError>> {
        ready(self.read(|memory| {
            let held = memory.deals.get(reference);
            held.map(|held| held.deal.clone()).ok_or_else(|| BrokerError::NotFound { reference: reference.clone() })
        }))
        .boxed()
    }

    fn exits<'a>(&'a self, deal: &'a Deal) -> BoxFuture<'a, Result<Vec<Exit>, BrokerError>> {
        let mut exits = self.lock().parts.get(&deal.reference).cloned().unwrap_or_default();
        let reading = self.read(|memory| {
            if let Some(Held { deal, .. }) = memory.deals.get(&deal.reference)
                && let DealStatus::Closed { time, level, .. } = deal.status
            {
                exits.push(Exit { time, level, size: deal.size });
            }
            Ok(exits)
        });
        ready(reading).boxed()
    }

    fn open_positions(&self) -> BoxFuture<'_, Result<Vec<Deal>, BrokerError>> {
        ready(self.read(|memory| {
            let alive = memory.alive.values().map(|reference| &memory.deals[reference].deal);
            Ok(alive.filter(|deal| deal.status == DealStatus::Open).cloned().collect())
        }))
        .boxed()
    }

    fn take_updates(&self) -> Vec<Deal> {
        // Like a stream that is down: what happened meanwhile is found out by looking up.
        self.read(|memory| {
            let changed = std::mem::take(&mut memory.updates);
            Ok(changed.iter().filter_map(|reference| Some(memory.deals.get(reference)?.deal.clone())).collect())
        })
        .unwrap_or_default()
    }
}
