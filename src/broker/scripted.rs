//! A broker that does what a test tells it: the double of the real ones. It keeps every call, in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::{Broker, BrokerError, Deal, DealStatus, Exit, LiveOrder};
use crate::desk::Approved;
use crate::domain::{CloseReason, DealReference, Direction, Price, UtcMicros};

/// A call that reached the broker.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// `open`.
    Open(LiveOrder),
    /// `close`.
    Close(DealReference, CloseReason),
    /// `confirm`.
    Confirm(DealReference),
    /// `open_positions`.
    Positions,
}

/// How a call is answered out of turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// With this error; nothing is dealt.
    Fail(BrokerError),
    /// As `Fail`, yet the request was dealt.
    DealThenFail(BrokerError),
    /// `open` alone: rejected with this reason.
    Reject(String),
    /// `open` alone: taken, not filled until [`Scripted::fill`].
    Pend,
    /// `open_positions` alone: none, whatever there is.
    Nothing,
}

#[derive(Debug, Default)]
struct Inner {
    deals: BTreeMap<DealReference, Deal>,
    distances: BTreeMap<DealReference, LiveOrder>,
    calls: Vec<Call>,
    on_open: VecDeque<Answer>,
    on_close: VecDeque<Answer>,
    on_confirm: VecDeque<Answer>,
    on_positions: VecDeque<Answer>,
    exits: BTreeMap<DealReference, Vec<Exit>>,
}

/// Fills every order at once at one level, unless told otherwise.
#[derive(Debug)]
pub struct Scripted {
    level: Price,
    inner: Mutex<Inner>,
}

impl Scripted {
    /// A broker that deals at `level`.
    #[must_use]
    pub fn new(level: Price) -> Self {
        Self { level, inner: Mutex::default() }
    }

    /// How the next `open` is answered.
    pub fn on_open(&self, answer: Answer) {
        self.lock().on_open.push_back(answer);
    }

    /// How the next `close` is answered.
    pub fn on_close(&self, answer: Answer) {
        self.lock().on_close.push_back(answer);
    }

    /// How the next `confirm` is answered.
    pub fn on_confirm(&self, answer: Answer) {
        self.lock().on_confirm.push_back(answer);
    }

    /// How the next `open_positions` is answered.
    pub fn on_positions(&self, answer: Answer) {
        self.lock().on_positions.push_back(answer);
    }

    /// Every call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// What the history tells of the closings of a reference.
    pub fn put_exits(&self, reference: &DealReference, exits: Vec<Exit>) {
        self.lock().exits.insert(reference.clone(), exits);
    }

    /// Fills what is pending under `reference` at `time`; nothing where nothing is.
    pub fn fill(&self, reference: &DealReference, time: UtcMicros) {
        let mut inner = self.lock();
        let Some(order) = inner.distances.get(reference).cloned() else { return };
        let deal = self.filled(&order, time);
        inner.deals.insert(reference.clone(), deal);
    }

    /// Replaces or adds what is known of a reference: a deal changed outside our doing.
    pub fn put(&self, deal: Deal) {
        self.lock().deals.insert(deal.reference.clone(), deal);
    }

    /// Forgets a reference.
    pub fn forget(&self, reference: &DealReference) {
        self.lock().deals.remove(reference);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filled(&self, order: &LiveOrder, time: UtcMicros) -> Deal {
        let (stop_level, limit_level) = match order.direction {
            Direction::Long => (self.level - order.stop, self.level + order.limit),
            Direction::Short => (self.level + order.stop, self.level - order.limit),
        };
        Deal {
            reference: order.reference.clone(),
            id: format!("DI-{}", order.reference).into(),
            epic: order.epic.clone(),
            direction: order.direction,
            size: order.size,
            opened: time,
            level: self.level,
            stop_level,
            limit_level,
            status: DealStatus::Open,
        }
    }

    fn open_now(&self, order: &LiveOrder) -> Result<Deal, BrokerError> {
        let mut inner = self.lock();
        inner.calls.push(Call::Open(order.clone()));
        if let Some(known) = inner.deals.get(&order.reference) {
            return Ok(known.clone());
        }
        let mut deal = self.filled(order, order.at);
        let mut failure = None;
        match inner.on_open.pop_front() {
            Some(Answer::Fail(error)) => return Err(error),
            Some(Answer::DealThenFail(error)) => failure = Some(error),
            Some(Answer::Reject(reason)) => deal.status = DealStatus::Rejected(reason),
            Some(Answer::Pend) => deal.status = DealStatus::Pending,
            Some(Answer::Nothing) | None => {}
        }
        if deal.status != DealStatus::Open {
            deal.id = "".into();
            (deal.level, deal.stop_level, deal.limit_level) = (Price::ZERO, Price::ZERO, Price::ZERO);
        }
        inner.deals.insert(order.reference.clone(), deal.clone());
        inner.distances.insert(order.reference.clone(), order.clone());
        failure.map_or(Ok(deal), Err)
    }

    fn close_now(&self, reference: &DealReference, at: UtcMicros, reason: CloseReason) -> Result<Deal, BrokerError> {
        let mut inner = self.lock();
        inner.calls.push(Call::Close(reference.clone(), reason));
        let answer = inner.on_close.pop_front();
        if let Some(Answer::Fail(error)) = answer {
            return Err(error);
        }
        let Some(deal) = inner.deals.get_mut(reference) else {
            return Err(BrokerError::NotFound { reference: reference.clone() });
        };
        if deal.status == DealStatus::Open {
            deal.status = DealStatus::Closed { time: at, level: self.level, reason };
        }
        match answer {
            Some(Answer::DealThenFail(error)) => Err(error),
            _ => Ok(deal.clone()),
        }
    }
}

impl Broker for Scripted {
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
        let mut inner = self.lock();
        inner.calls.push(Call::Confirm(reference.clone()));
        let answer = match inner.on_confirm.pop_front() {
            Some(Answer::Fail(error) | Answer::DealThenFail(error)) => Err(error),
            _ => inner.deals.get(reference).cloned().ok_or(BrokerError::NotFound { reference: reference.clone() }),
        };
        ready(answer).boxed()
    }

    fn exits<'a>(&'a self, deal: &'a Deal) -> BoxFuture<'a, Result<Vec<Exit>, BrokerError>> {
        ready(Ok(self.lock().exits.get(&deal.reference).cloned().unwrap_or_default())).boxed()
    }

    fn open_positions(&self) -> BoxFuture<'_, Result<Vec<Deal>, BrokerError>> {
        let mut inner = self.lock();
        inner.calls.push(Call::Positions);
        let answer = match inner.on_positions.pop_front() {
            Some(Answer::Fail(error) | Answer::DealThenFail(error)) => Err(error),
            Some(Answer::Nothing) => Ok(Vec::new()),
            _ => Ok(inner.deals.values().filter(|deal| deal.status == DealStatus::Open).cloned().collect()),
        };
        ready(answer).boxed()
    }
}
