//! The desk's flow: one round in, requests to the broker and entries of the journal out.

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::deal::{BookDeal, Phase};
use super::risk::{LiveRight, Situation, approve, is_daily_loss_reached};
use super::{Break, DeskContext, DeskOutcome, deal_reference};
use crate::broker::{BrokerError, Deal};
use crate::domain::{CloseReason, DealReference, EpicIdx, Episode, Market, Money, SeatIdx, Size, Tick, UtcMicros};
use crate::flow::{Change, DealTicket, DeskView, Round, State};
use crate::store::entry::DeskEntry;

/// Requests in a row without an answer, after which dealing halts.
pub(super) const TRIES_MAX: u32 = 5;

/// Live dealing. It is moved by event time alone; the futures it returns wait for broker and journal, never for a clock.
#[derive(Debug, Default)]
pub struct Desk {
    pub(super) book: Book,
    /// Applied, not yet journalled.
    unwritten: Vec<DeskEntry>,
    /// What this call has recorded, for the caller.
    recorded: Vec<DeskEntry>,
    is_started: bool,
    /// The journal failed in this round: it is not asked again before the next.
    pub(super) is_journal_down: bool,
    /// Comparisons in a row that the broker did not answer.
    pub(super) unanswered: u32,
    /// Comparisons that found the books equal, and different.
    pub(super) compared: (u64, u64),
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
                (deal.tries, deal.doubts, deal.close_sent) = (0, 0, None);
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
        DeskCheckpoint { book: self.book.without_tape(), now: self.now }
    }

    /// Replaces the rights to deal: after a restart, before its first round. Positions of seats without one are closed.
    pub fn set_rights(&mut self, rights: Vec<LiveRight>) {
        self.book.rights = rights.into_iter().map(|right| (right.seat(), right)).collect();
        self.book.note_costs();
    }

    /// Every deal of our book that was sent, as a broker would tell it: what a broker is told of after a crash, and an
    /// in-process venue takes over.
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
        if self.is_comparison_due(now) {
            self.reconcile(now, ctx).await;
        }
        self.send_closes(now, ctx).await;
        self.note_shortfalls(now, ctx);
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
        if self.is_comparison_due(now) {
            self.reconcile(now, ctx).await;
        }
        self.send_closes(now, ctx).await;
        self.note_shortfalls(now, ctx);
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
            let reference = &deal.reference;
            // Whatever was dealt next could double it.
            return Err(format!(
                "the outcome of deal {reference} is still unknown: resume once the broker tells it (docs/RUNBOOK.md, \
                 unknown_outcome)"
            ));
        }
        self.settle_breaks(time, reason, ctx).await?;
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
            self.absorb(tick.time, &deal, ctx).await;
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
                        self.book.note_costs();
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
            Ok(deal) => self.absorb(now, &deal, ctx).await,
            Err(BrokerError::NotFound { .. }) => {
                let reason = "the broker knows nothing of it".to_owned();
                self.record(DeskEntry::Rejected { time: now, reference, reason });
            }
            Err(BrokerError::Denied(why)) => {
                self.record(DeskEntry::Rejected { time: now, reference, reason: why.clone() });
                self.denied(now, &why);
            }
            // A request that did not get through may have got through all the same.
            Err(BrokerError::OutcomeUnknown { .. } | BrokerError::Unreachable(_)) => {
                self.record(DeskEntry::Unknown { time: now, reference: reference.clone() });
                self.look_up_one(now, &reference, ctx).await;
            }
        }
    }

    /// Tells the shortfalls that can be told by now.
    fn note_shortfalls(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        for entry in self.book.shortfalls(now, ctx.markets) {
            self.record(entry);
        }
    }

    pub(super) fn check_loss(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        if self.book.halted.is_some() {
            return;
        }
        let (result, limit) = (self.book.day_result(now, ctx.markets), ctx.risk.max_daily_loss);
        if is_daily_loss_reached(result, limit) {
            self.stop(now, format!("max_daily_loss: {result} today, limit {limit}"));
        }
    }

    pub(super) fn answered(&mut self, reference: &DealReference) {
        if let Some(deal) = self.book.get_mut(reference) {
            deal.tries = 0;
        }
    }

    /// Counts a request that was not answered; whether they are too many now.
    pub(super) fn failed(&mut self, reference: &DealReference) -> bool {
        self.book.get_mut(reference).is_some_and(|deal| {
            deal.tries += 1;
            deal.tries >= TRIES_MAX
        })
    }

    /// Journals a difference under its name, once while it stands; one that is not mended halts dealing.
    pub(super) fn broken(&mut self, time: UtcMicros, found: &Break, is_mended: bool) {
        let Break { kind, reference, text } = found.clone();
        if self.book.standing.contains(&(kind, reference.clone())) {
            return;
        }
        let ours = self.book.get(&reference);
        let (seat, epic) = (ours.map(|deal| deal.seat), ours.map_or_else(|| "".into(), |deal| deal.epic.clone()));
        self.record(DeskEntry::Broken { time, kind, reference, seat, epic, text, is_mended });
        if !is_mended {
            self.stop(time, found.to_string());
        }
    }

    /// The account is refused: nothing can be dealt on it.
    pub(super) fn denied(&mut self, time: UtcMicros, why: &str) {
        self.stop(time, format!("the broker refuses this account: {why}"));
    }

    pub(super) fn stop(&mut self, time: UtcMicros, reason: String) {
        if self.book.halted.is_none() {
            self.record(DeskEntry::Halted { time, reason });
        }
    }

    pub(super) fn record(&mut self, entry: DeskEntry) {
        self.book.apply(&entry);
        self.recorded.push(entry.clone());
        self.unwritten.push(entry);
    }

    /// Journals what is not yet journalled; whether it is durable now. If not, dealing halts.
    pub(super) async fn flush(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) -> bool {
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
