//! The desk's flow: one round in, requests to the broker and entries of the journal out.

use serde::{Deserialize, Serialize};

use super::book::{Book, BookDeal, Phase};
use super::risk::{LiveRight, Situation, approve, is_daily_loss_reached};
use super::{Break, DeskContext, DeskOutcome, compare, deal_reference};
use crate::broker::{BrokerError, Deal, DealStatus};
use crate::domain::{
    CloseReason, DealReference, Direction, EpicIdx, Episode, Market, Micros, Money, Price, SeatIdx, Size, Tick,
    UtcMicros,
};
use crate::flow::{Change, DealTicket, DeskView, Round, State};
use crate::store::entry::DeskEntry;

/// Look-ups in a row without an answer, after which dealing halts.
const TRIES_MAX: u32 = 5;

/// A closing that is asked for and not confirmed is asked for again after this: closing is idempotent, opening is not.
const CLOSE_AGAIN: Micros = Micros(60_000_000);

/// Live dealing. It is moved by event time alone; the futures it returns wait for broker and journal, never for a clock.
#[derive(Debug, Default)]
pub struct Desk {
    book: Book,
    /// Applied, not yet journalled.
    unwritten: Vec<DeskEntry>,
    /// What this call has recorded, for the caller.
    recorded: Vec<DeskEntry>,
    is_started: bool,
    /// The journal failed in this round: it is not asked again before the next.
    is_journal_down: bool,
    /// Comparisons in a row that the broker did not answer.
    unanswered: u32,
    /// Comparisons that found the books equal, and different.
    compared: (u64, u64),
    now: UtcMicros,
}

/// What a desk remembers; keep it with the round that it was taken after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeskCheckpoint {
    book: Book,
    now: UtcMicros,
}

impl Desk {
    /// A desk without a past.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The desk as it was, from the last checkpoint, if any, and every entry of the desk's lane. The entries that are
    /// younger than the checkpoint are applied to it; a deal between intent and outcome is looked up at the broker in
    /// the next round, never sent again.
    #[must_use]
    pub fn recover(checkpoint: Option<DeskCheckpoint>, entries: &[DeskEntry]) -> Self {
        let (mut book, now) = checkpoint.map_or_else(Default::default, |kept| (kept.book, kept.now));
        let known = usize::try_from(book.entries).unwrap_or(usize::MAX).min(entries.len());
        for entry in &entries[known..] {
            book.apply(entry);
            book.entries += 1;
        }
        for reference in book.pick(|_| true) {
            if let Some(deal) = book.get_mut(&reference) {
                (deal.tries, deal.close_sent) = (0, None);
                if deal.phase == Phase::Sent {
                    deal.phase = Phase::Unknown;
                }
            }
        }
        Self { book, now, ..Self::default() }
    }

    /// What [`Desk::recover`] needs, beside the lane.
    #[must_use]
    pub fn checkpoint(&self) -> DeskCheckpoint {
        DeskCheckpoint { book: self.book.clone(), now: self.now }
    }

    /// Replaces the rights to deal: after a restart, before its first round. Positions of seats without one are closed.
    pub fn set_rights(&mut self, rights: Vec<LiveRight>) {
        self.book.rights = rights.into_iter().map(|right| (right.seat(), right)).collect();
    }

    /// Every deal of our book that was dealt, as a broker would tell it: what an in-process venue takes over after a
    /// crash.
    #[must_use]
    pub fn dealt(&self) -> Vec<Deal> {
        self.book.dealt()
    }

    /// Whether nothing is open, in doubt or allowed to deal. A caller may leave out rounds without changes while this
    /// holds; all that is lost is the comparison with the broker.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.book.rights.is_empty() && self.book.n_alive() == 0
    }

    /// Why dealing is halted, if it is.
    #[must_use]
    pub fn halted(&self) -> Option<&str> {
        self.book.halted.as_deref()
    }

    /// How often the books were compared since the start and found equal, and different.
    #[must_use]
    pub fn compared(&self) -> (u64, u64) {
        self.compared
    }

    /// Whether `seat` may deal; halted or not.
    #[must_use]
    pub fn is_live(&self, seat: SeatIdx) -> bool {
        self.book.rights.contains_key(&seat)
    }

    /// What happened to live deals since the last call, in order.
    pub fn take_outcomes(&mut self) -> Vec<DeskOutcome> {
        self.book.take_outcomes()
    }

    /// Live profit of each seat that may deal, since it went live, what is open marked where it would close.
    #[must_use]
    pub fn reign_results(&self, markets: &[Market]) -> Vec<(SeatIdx, Money)> {
        self.book.reign_results(markets)
    }

    /// The state, the profit and the newest 200 deals.
    #[must_use]
    pub fn view(&self) -> DeskView {
        self.book.view(self.now)
    }

    /// Sets a closed paper episode, dealt at `size`, beside the live deal that the same signal made.
    pub fn on_paper_episode(&mut self, episode: &Episode, size: Size) {
        self.book.pair(episode, size);
    }

    /// Takes one round: its quotes in order of time and epic, then the `changes` of state made at its end (with the
    /// `rights` of those that lead to live), then the tickets of its close. Tickets of seats that are not live are
    /// passed over. Returns what was recorded.
    ///
    /// While the desk is quiet, `before_quote` sees the last quote of each epic alone.
    pub async fn on_round(
        &mut self,
        round: &Round,
        changes: &[Change],
        rights: &[LiveRight],
        tickets: &[DealTicket],
        ctx: &DeskContext<'_>,
    ) -> Vec<DeskEntry> {
        self.is_journal_down = false;
        if !self.is_started {
            self.is_started = true;
            self.start(round, ctx).await;
        }
        if self.is_quiet() {
            for of_epic in &round.quotes {
                if let Some(last) = of_epic.quotes.last() {
                    self.see(of_epic.epic, last, ctx);
                }
            }
        } else {
            for (epic, tick) in in_order(round) {
                self.on_quote(epic, &tick, ctx).await;
            }
        }
        self.now = self.now.max(round.time);
        let now = round.time;
        ctx.broker.on_time(now);
        self.look_up(now, ctx).await;
        self.on_changes(now, changes, rights);
        self.send_closes(now, ctx).await;
        let mut in_turn: Vec<&DealTicket> = tickets.iter().collect();
        in_turn.sort_by_key(|ticket| (ticket.made, ticket.seat));
        for ticket in in_turn {
            self.on_ticket(now, ticket, ctx).await;
        }
        let minute = now.0.div_euclid(60_000_000);
        if self.book.reconciled_minute.is_none_or(|last| minute > last) {
            self.reconcile(now, ctx).await;
        }
        self.send_closes(now, ctx).await;
        self.flush(now, ctx).await;
        std::mem::take(&mut self.recorded)
    }

    /// Takes the passing of time without a round: a broker outside tells its news when it has them, a deadline does not
    /// wait for a bar, and the books are compared in silence too. Returns what was recorded.
    pub async fn on_time(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) -> Vec<DeskEntry> {
        self.is_journal_down = false;
        self.now = self.now.max(now);
        if !self.is_started {
            self.is_started = true;
            self.reconcile(now, ctx).await;
        }
        self.look_up(now, ctx).await;
        let is_due = |deal: &BookDeal| {
            deal.phase == Phase::Open
                && deal.close_wanted.is_none()
                && deal.deadline().is_some_and(|deadline| now >= deadline)
        };
        for reference in self.book.pick(is_due) {
            self.want_closed(&reference, CloseReason::Time);
        }
        let minute = now.0.div_euclid(60_000_000);
        if self.book.reconciled_minute.is_none_or(|last| minute > last) {
            self.reconcile(now, ctx).await;
        }
        self.send_closes(now, ctx).await;
        self.flush(now, ctx).await;
        std::mem::take(&mut self.recorded)
    }

    /// Stops dealing and closes what is open. Returns how many positions it closes.
    pub async fn halt(&mut self, time: UtcMicros, reason: &str, ctx: &DeskContext<'_>) -> usize {
        self.now = self.now.max(time);
        self.is_journal_down = false;
        self.stop(time, reason.to_owned());
        let n_open = self.book.alive().filter(|deal| deal.phase == Phase::Open && !deal.is_lost).count();
        self.send_closes(time, ctx).await;
        self.flush(time, ctx).await;
        n_open
    }

    /// Lets dealing go on. What our book has and the broker does not is written off, by this word of the operator.
    ///
    /// # Errors
    /// A sentence that says what still stands in the way: the day's loss, a difference from the broker's book, a deal
    /// whose outcome nobody knows, a broker or a journal that does not answer.
    pub async fn resume(&mut self, time: UtcMicros, reason: &str, ctx: &DeskContext<'_>) -> Result<(), String> {
        self.now = self.now.max(time);
        self.is_journal_down = false;
        if self.book.halted.is_none() {
            return Ok(());
        }
        let result = self.book.day_result(time, ctx.markets);
        if is_daily_loss_reached(result, ctx.risk.max_daily_loss) {
            return Err(format!("max_daily_loss: {result} today, limit {}", ctx.risk.max_daily_loss));
        }
        self.look_up(time, ctx).await;
        if let Some(deal) = self.book.alive().find(|deal| deal.is_in_doubt()) {
            return Err(format!("the outcome of deal {} is still unknown", deal.reference));
        }
        let breaks = self.find_breaks(time, ctx).await.map_err(|error| error.to_string())?;
        for found in &breaks {
            if let Break::NotAtBroker { reference } = found {
                let why = format!("not at the broker; {reason}");
                self.record(DeskEntry::WrittenOff { time, reference: reference.clone(), reason: why });
            }
        }
        if let Some(left) = breaks.iter().find(|found| !matches!(found, Break::NotAtBroker { .. })) {
            self.flush(time, ctx).await;
            return Err(left.to_string());
        }
        self.record(DeskEntry::Resumed { time, reason: reason.to_owned() });
        self.unanswered = 0;
        if self.flush(time, ctx).await { Ok(()) } else { Err(self.halted().unwrap_or_default().to_owned()) }
    }

    /// The first thing a desk does: what its past left open is looked up, and the two books are compared.
    async fn start(&mut self, round: &Round, ctx: &DeskContext<'_>) {
        let first = round.quotes.iter().filter_map(|of_epic| of_epic.quotes.first()).map(|tick| tick.time).min();
        let now = first.unwrap_or(round.time);
        self.now = self.now.max(now);
        self.look_up(now, ctx).await;
        self.reconcile(now, ctx).await;
    }

    fn see(&mut self, epic: EpicIdx, tick: &Tick, ctx: &DeskContext<'_>) {
        (ctx.before_quote)(epic, tick);
        self.now = self.now.max(tick.time);
        if let Some(market) = ctx.markets.get(usize::from(epic.0)) {
            self.book.on_quote(&market.epic, tick, market);
        }
    }

    async fn on_quote(&mut self, epic: EpicIdx, tick: &Tick, ctx: &DeskContext<'_>) {
        self.see(epic, tick, ctx);
        let Some(market) = ctx.markets.get(usize::from(epic.0)) else { return };
        if self.book.n_alive() == 0 {
            return;
        }
        for deal in ctx.broker.take_updates() {
            self.absorb(tick.time, &deal, ctx);
        }
        let is_due = |deal: &BookDeal| {
            deal.epic == market.epic
                && deal.phase == Phase::Open
                && deal.close_wanted.is_none()
                && deal.deadline().is_some_and(|deadline| tick.time >= deadline)
        };
        for reference in self.book.pick(is_due) {
            self.want_closed(&reference, CloseReason::Time);
        }
        self.check_loss(tick.time, ctx);
        self.send_closes(tick.time, ctx).await;
    }

    fn on_changes(&mut self, now: UtcMicros, changes: &[Change], rights: &[LiveRight]) {
        for change in changes {
            if change.to == State::Live {
                match rights.iter().find(|right| right.seat() == change.seat) {
                    Some(right) => {
                        if change.from != State::Live {
                            self.book.begin_reign(change.seat);
                        }
                        self.book.rights.insert(change.seat, right.clone());
                    }
                    None => self.stop(now, format!("{} went live without a right to deal", change.model)),
                }
            } else {
                self.book.rights.remove(&change.seat);
            }
        }
    }

    async fn on_ticket(&mut self, now: UtcMicros, ticket: &DealTicket, ctx: &DeskContext<'_>) {
        let Some(right) = self.book.rights.get(&ticket.seat).cloned() else { return };
        let reference = deal_reference(ctx.arena, right.hash8(), ticket.deal, ticket.made);
        if self.book.is_old(ticket, &reference) {
            return;
        }
        let approved = approve(
            &right,
            ticket,
            reference.clone(),
            &Situation {
                now,
                halted: self.book.halted.as_deref(),
                risk: ctx.risk,
                market: ctx.markets.iter().find(|market| market.epic == *right.epic()),
                last_quote: self.book.quotes.get(right.epic()).copied(),
                deals_alive: self.book.n_alive(),
                seat_deal: self.book.seat_deal(ticket.seat),
                day_result: self.book.day_result(now, ctx.markets),
            },
        );
        let approved = match approved {
            Ok(approved) => approved,
            Err(refused) => {
                self.book.insert_refused(&right, ticket, &reference);
                self.book.on_refused(ticket.seat, refused.rule);
                self.record(DeskEntry::Rejected { time: now, reference, reason: refused.to_string() });
                return;
            }
        };
        let order = approved.get();
        self.record(DeskEntry::OpenIntent {
            time: ticket.made,
            reference: reference.clone(),
            model: right.model().clone(),
            seat: ticket.seat,
            epic: order.epic.clone(),
            deal: ticket.deal,
            direction: order.direction,
            size: order.size,
            stop: order.stop.micros(),
            limit: order.limit.micros(),
            hold: right.hold(),
        });
        if !self.flush(now, ctx).await {
            let reason = "not sent: its intent could not be journalled".to_owned();
            self.record(DeskEntry::Rejected { time: now, reference, reason });
            return;
        }
        match ctx.broker.open(&approved).await {
            Ok(deal) => self.absorb(now, &deal, ctx),
            Err(BrokerError::NotFound { .. }) => {
                let reason = "the broker knows nothing of it".to_owned();
                self.record(DeskEntry::Rejected { time: now, reference, reason });
            }
            Err(BrokerError::Denied(why)) => {
                self.record(DeskEntry::Rejected { time: now, reference, reason: why.clone() });
                self.stop(now, format!("the broker refuses this account: {why}"));
            }
            // A request that did not get through may have got through all the same.
            Err(BrokerError::OutcomeUnknown { .. } | BrokerError::Unreachable(_)) => {
                self.record(DeskEntry::Unknown { time: now, reference: reference.clone() });
                self.look_up_one(now, &reference, ctx).await;
            }
        }
    }

    /// Looks up, once, every deal whose outcome is not known.
    async fn look_up(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        if self.book.n_alive() == 0 {
            return;
        }
        for deal in ctx.broker.take_updates() {
            self.absorb(now, &deal, ctx);
        }
        for reference in self.book.pick(BookDeal::is_in_doubt) {
            self.look_up_one(now, &reference, ctx).await;
        }
    }

    async fn look_up_one(&mut self, now: UtcMicros, reference: &DealReference, ctx: &DeskContext<'_>) {
        let why = match ctx.broker.confirm(reference).await {
            Ok(deal) => {
                self.answered(reference);
                return self.absorb(now, &deal, ctx);
            }
            // A confirmation may be gone, or not yet be there, while the position is.
            Err(BrokerError::NotFound { .. }) => match ctx.broker.open_positions().await {
                Ok(positions) => {
                    self.answered(reference);
                    match positions.iter().find(|deal| deal.reference == *reference) {
                        Some(deal) => self.absorb(now, deal, ctx),
                        None => self.record(DeskEntry::Rejected {
                            time: now,
                            reference: reference.clone(),
                            reason: "the broker knows nothing of it".to_owned(),
                        }),
                    }
                    return;
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        if let BrokerError::Denied(why) = &why {
            self.stop(now, format!("the broker refuses this account: {why}"));
        }
        if self.failed(reference) {
            self.stop(now, format!("outcome of deal {reference} unknown after {TRIES_MAX} look-ups: {why}"));
        }
    }

    /// Takes in what the broker says of a deal of ours. What it says of others is for the comparison.
    fn absorb(&mut self, now: UtcMicros, deal: &Deal, ctx: &DeskContext<'_>) {
        let Some(ours) = self.book.get(&deal.reference) else { return };
        let (phase, reference) = (ours.phase, deal.reference.clone());
        match &deal.status {
            // The broker has it: what was in doubt after a restart is as it was before.
            DealStatus::Pending if phase == Phase::Unknown => {
                if let Some(ours) = self.book.get_mut(&reference) {
                    ours.phase = Phase::Sent;
                }
            }
            DealStatus::Pending => {}
            DealStatus::Rejected(reason) => {
                self.record(DeskEntry::Rejected { time: now, reference, reason: reason.clone() });
            }
            DealStatus::Open => {
                if ours.is_in_doubt() {
                    self.opened(now, deal);
                }
            }
            DealStatus::Closed { time, level, reason } => {
                if ours.is_in_doubt() {
                    self.opened(now, deal);
                }
                if matches!(phase, Phase::Sent | Phase::Unknown | Phase::Open) {
                    let profit = self.profit(now, &reference, *level, ctx);
                    let (time, level, reason) = (*time, *level, *reason);
                    self.record(DeskEntry::Closed { time, reference, level, reason, profit });
                    self.check_loss(now, ctx);
                }
            }
        }
    }

    fn opened(&mut self, now: UtcMicros, deal: &Deal) {
        let reference = deal.reference.clone();
        self.record(DeskEntry::Opened {
            time: deal.opened,
            reference: reference.clone(),
            deal_id: deal.id.to_string(),
            level: deal.level,
            stop_level: deal.stop_level,
            limit_level: deal.limit_level,
        });
        let Some(ours) = self.book.get(&reference) else { return };
        let is_protected = match deal.direction {
            Direction::Long => deal.stop_level < deal.level && deal.limit_level > deal.level,
            Direction::Short => deal.stop_level > deal.level && deal.limit_level < deal.level,
        } && deal.stop_level > Price::ZERO
            && deal.limit_level > Price::ZERO;
        if ours.size != deal.size || ours.direction != deal.direction {
            let (ours, theirs) = ((ours.direction.word(), ours.size), (deal.direction.word(), deal.size));
            self.stop(
                now,
                format!(
                    "position {reference}: we asked for {} {}, the broker opened {} {}",
                    ours.0, ours.1, theirs.0, theirs.1
                ),
            );
        } else if !is_protected {
            self.stop(now, format!("position {reference} has no stop and limit at the broker"));
        }
    }

    fn profit(&mut self, now: UtcMicros, reference: &DealReference, level: Price, ctx: &DeskContext<'_>) -> Money {
        let Some(ours) = self.book.get(reference) else { return Money::ZERO };
        match ctx.markets.iter().find(|market| market.epic == ours.epic) {
            Some(market) => ours.profit_at(level, market),
            None => {
                let why = format!("profit of deal {reference} unknown: {} is no longer configured", ours.epic);
                self.stop(now, why);
                Money::ZERO
            }
        }
    }

    fn check_loss(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        if self.book.halted.is_some() {
            return;
        }
        let (result, limit) = (self.book.day_result(now, ctx.markets), ctx.risk.max_daily_loss);
        if is_daily_loss_reached(result, limit) {
            self.stop(now, format!("max_daily_loss: {result} today, limit {limit}"));
        }
    }

    fn want_closed(&mut self, reference: &DealReference, reason: CloseReason) {
        if let Some(deal) = self.book.get_mut(reference) {
            deal.close_wanted.get_or_insert(reason);
        }
    }

    /// Asks the broker to close what is due, what has lost its right, and, when halted, everything.
    async fn send_closes(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        let is_halted = self.book.halted.is_some();
        let open = |deal: &BookDeal| deal.phase == Phase::Open && !deal.is_lost;
        let unwanted = self.book.pick(|deal| {
            open(deal) && deal.close_wanted.is_none() && (is_halted || !self.book.rights.contains_key(&deal.seat))
        });
        for reference in unwanted {
            self.want_closed(&reference, if is_halted { CloseReason::Halt } else { CloseReason::Demoted });
        }
        let due = self.book.pick(|deal| {
            open(deal) && deal.close_wanted.is_some() && deal.close_sent.is_none_or(|sent| now - sent >= CLOSE_AGAIN)
        });
        if due.is_empty() || self.is_journal_down {
            return;
        }
        for reference in &due {
            let Some(deal) = self.book.get(reference) else { continue };
            if let (Some(reason), false) = (deal.close_wanted, deal.is_close_intended) {
                self.record(DeskEntry::CloseIntent { time: now, reference: reference.clone(), reason });
            }
        }
        if !self.flush(now, ctx).await {
            return;
        }
        for reference in due {
            self.send_close(now, &reference, ctx).await;
        }
    }

    async fn send_close(&mut self, now: UtcMicros, reference: &DealReference, ctx: &DeskContext<'_>) {
        let Some(deal) = self.book.get_mut(reference) else { return };
        let Some(reason) = deal.close_wanted else { return };
        let is_repeated = deal.close_sent.replace(now).is_some();
        if is_repeated {
            // It may have gone through: then there is nothing left to ask for.
            if let Ok(known) = ctx.broker.confirm(reference).await {
                self.absorb(now, &known, ctx);
            }
            if self.book.get(reference).is_none_or(|deal| deal.phase != Phase::Open) {
                return;
            }
        }
        match ctx.broker.close(reference, now, reason).await {
            Ok(deal) => {
                self.answered(reference);
                self.absorb(now, &deal, ctx);
            }
            Err(BrokerError::NotFound { .. }) => {
                if let Some(deal) = self.book.get_mut(reference) {
                    deal.is_lost = true;
                }
                self.stop(now, Break::NotAtBroker { reference: reference.clone() }.to_string());
            }
            Err(BrokerError::Denied(why)) => self.stop(now, format!("the broker refuses this account: {why}")),
            Err(why @ (BrokerError::OutcomeUnknown { .. } | BrokerError::Unreachable(_))) => {
                if self.failed(reference) {
                    self.stop(now, format!("closing of {reference} not confirmed after {TRIES_MAX} requests: {why}"));
                }
            }
        }
    }

    /// Compares the two books; a difference halts dealing under its name.
    async fn reconcile(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        self.book.reconciled_minute = Some(now.0.div_euclid(60_000_000));
        match self.find_breaks(now, ctx).await {
            Ok(breaks) => {
                self.unanswered = 0;
                let more = breaks.len().saturating_sub(1);
                let count = if breaks.is_empty() { &mut self.compared.0 } else { &mut self.compared.1 };
                *count += 1;
                if let Some(first) = breaks.first() {
                    let others = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                    self.stop(now, format!("{first}{others}"));
                }
            }
            Err(BrokerError::Denied(why)) => self.stop(now, format!("the broker refuses this account: {why}")),
            Err(why) => {
                self.unanswered += 1;
                if self.unanswered >= TRIES_MAX {
                    self.stop(now, format!("books not compared for {TRIES_MAX} minutes: {why}"));
                }
            }
        }
    }

    async fn find_breaks(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) -> Result<Vec<Break>, BrokerError> {
        let theirs = ctx.broker.open_positions().await?;
        for deal in &theirs {
            self.absorb(now, deal, ctx);
        }
        // What is gone has been closed by its stop or its limit, as a rule, and we were not told.
        for expected in self.book.expected() {
            if theirs.iter().all(|deal| deal.reference != expected.reference) {
                match ctx.broker.confirm(&expected.reference).await {
                    Ok(deal) => self.absorb(now, &deal, ctx),
                    Err(BrokerError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let breaks = compare(&self.book.expected(), &theirs);
        for found in &breaks {
            if let Break::NotAtBroker { reference } = found
                && let Some(deal) = self.book.get_mut(reference)
            {
                deal.is_lost = true;
            }
        }
        Ok(breaks)
    }

    fn answered(&mut self, reference: &DealReference) {
        if let Some(deal) = self.book.get_mut(reference) {
            deal.tries = 0;
        }
    }

    /// Counts a request that was not answered; whether they are too many now.
    fn failed(&mut self, reference: &DealReference) -> bool {
        self.book.get_mut(reference).is_some_and(|deal| {
            deal.tries += 1;
            deal.tries >= TRIES_MAX
        })
    }

    fn stop(&mut self, time: UtcMicros, reason: String) {
        if self.book.halted.is_none() {
            self.record(DeskEntry::Halted { time, reason });
        }
    }

    fn record(&mut self, entry: DeskEntry) {
        self.book.apply(&entry);
        self.recorded.push(entry.clone());
        self.unwritten.push(entry);
    }

    /// Journals what is not yet journalled; whether it is durable now. If not, dealing halts.
    async fn flush(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) -> bool {
        if self.unwritten.is_empty() {
            return true;
        }
        if self.is_journal_down {
            return false;
        }
        match ctx.journal.write(self.unwritten.clone()).await {
            Ok(()) => {
                self.book.entries += self.unwritten.len() as u64;
                self.unwritten.clear();
                true
            }
            Err(why) => {
                self.is_journal_down = true;
                self.stop(now, format!("live intents cannot be journalled: {why}"));
                false
            }
        }
    }
}

/// The quotes of a round in order of time, then epic; equal times of one epic as they came.
fn in_order(round: &Round) -> Vec<(EpicIdx, Tick)> {
    let all = round.quotes.iter().flat_map(|of_epic| of_epic.quotes.iter().map(|tick| (of_epic.epic, *tick)));
    let mut quotes: Vec<_> = all.collect();
    if round.quotes.len() > 1 {
        quotes.sort_by_key(|(epic, tick)| (tick.time, *epic));
    }
    quotes
}
