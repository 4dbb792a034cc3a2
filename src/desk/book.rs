//! Our book of live deals: a fold over the desk's journal, and the views of it.
//!
//! Every change of it that must survive is a [`DeskEntry`]; [`Book::apply`] is the one way in, live and after a crash
//! alike. Applying an entry a second time changes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::deal::{BookDeal, Part, Phase};
use super::outcome::{DeskOutcome, MISSED, is_natural};
use super::reconcile::Expected;
use super::risk::{LiveRight, SeatDeal};
use super::twins::{self, Totals};
use crate::broker::{Deal, DealStatus};
use crate::domain::{BreakKind, DealReference, Epic, Market, Money, SeatIdx, Tick, UtcMicros, next_funding};
use crate::flow::{BreakRow, DealTicket, DeskView};
use crate::store::entry::DeskEntry;

/// Rows that the view shows; finished deals beyond them are left to the journal.
const ROWS_MAX: usize = 200;

/// Breaks that the view shows.
const BREAKS_MAX: usize = 50;

/// All that the desk remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) deals: BTreeMap<DealReference, BookDeal>,
    /// Oldest first.
    order: VecDeque<DealReference>,
    alive: BTreeSet<DealReference>,
    /// Deals whose shortfall is not known yet.
    pub(super) unpaired: BTreeSet<DealReference>,
    /// What live and paper differed by, for each seat that was live.
    pub(super) totals: BTreeMap<SeatIdx, Totals>,
    /// Refused before an intent, since they have no deal: so that a round seen twice refuses once.
    refused: BTreeSet<DealReference>,
    /// The last decision of each seat that was acted upon.
    pub(super) acted: BTreeMap<SeatIdx, UtcMicros>,
    pub(super) rights: BTreeMap<SeatIdx, LiveRight>,
    pub(super) halted: Option<String>,
    /// Breaks that stand: what the last comparison found and nothing has mended.
    pub(super) standing: BTreeSet<(BreakKind, DealReference)>,
    /// The newest ones, oldest first.
    breaks: VecDeque<BreakRow>,
    /// The broker's last list was empty, and we have positions.
    pub(super) was_empty: bool,
    /// When the broker is asked again, before the next minute.
    pub(super) again: Option<UtcMicros>,
    day: i64,
    day_profit: Money,
    net_profit: Money,
    pub(super) quotes: BTreeMap<Epic, Tick>,
    pub(super) reconciled_minute: Option<i64>,
    /// Entries of the journal that are in here.
    pub(super) entries: u64,
    /// Closed profit of each seat since it went live.
    reigns: BTreeMap<SeatIdx, Money>,
    /// What nobody has fetched yet.
    #[serde(skip)]
    pub(super) outcomes: Vec<DeskOutcome>,
    /// The last quotes of each market, for fills that are told late.
    #[serde(skip)]
    pub(super) tape: BTreeMap<Epic, VecDeque<Tick>>,
}

impl Book {
    /// As it is, without the quotes that only a running desk needs.
    pub(super) fn without_tape(&self) -> Self {
        Self { tape: BTreeMap::new(), ..self.clone() }
    }

    pub(super) fn get(&self, reference: &DealReference) -> Option<&BookDeal> {
        self.deals.get(reference)
    }

    pub(super) fn get_mut(&mut self, reference: &DealReference) -> Option<&mut BookDeal> {
        self.deals.get_mut(reference)
    }

    /// Deals that are sent, unknown or open, by reference.
    pub(super) fn alive(&self) -> impl Iterator<Item = &BookDeal> {
        self.alive.iter().map(|reference| &self.deals[reference])
    }

    /// The references of those that `wanted` picks.
    pub(super) fn pick(&self, wanted: impl Fn(&BookDeal) -> bool) -> Vec<DealReference> {
        self.alive().filter(|deal| wanted(deal)).map(|deal| deal.reference.clone()).collect()
    }

    pub(super) fn n_alive(&self) -> usize {
        self.alive.len()
    }

    pub(super) fn seat_deal(&self, seat: SeatIdx) -> SeatDeal {
        self.alive().filter(|deal| deal.seat == seat).fold(SeatDeal::None, |worst, deal| match deal.phase {
            Phase::Unknown => SeatDeal::Unknown,
            _ if worst == SeatDeal::None => SeatDeal::Alive,
            _ => worst,
        })
    }

    /// Whether this ticket, or a later one of its seat, was acted upon already.
    pub(super) fn is_old(&self, ticket: &DealTicket, reference: &DealReference) -> bool {
        self.refused.contains(reference) || self.acted.get(&ticket.seat).is_some_and(|made| ticket.made <= *made)
    }

    /// Takes in what the journal says.
    pub(super) fn apply(&mut self, entry: &DeskEntry) {
        match entry {
            DeskEntry::OpenIntent {
                time,
                reference,
                model,
                seat,
                epic,
                deal: _,
                direction,
                size,
                stop: _,
                limit: _,
                hold,
            } => {
                if !self.deals.contains_key(reference) {
                    self.insert(BookDeal {
                        reference: reference.clone(),
                        seat: *seat,
                        model: model.clone(),
                        epic: epic.clone(),
                        made: *time,
                        direction: *direction,
                        size: *size,
                        hold: *hold,
                        ..BookDeal::nothing(reference)
                    });
                }
            }
            DeskEntry::CloseIntent { reference, reason, .. } => {
                if let Some(deal) = self.deals.get_mut(reference) {
                    deal.close_wanted = Some(*reason);
                    deal.is_close_intended = true;
                }
            }
            DeskEntry::Opened { time, reference, deal_id, level, stop_level, limit_level } => {
                let quote = self.deals.get(reference).and_then(|deal| self.quote_at(&deal.epic, *time));
                if let Some(deal) = self.deals.get_mut(reference).filter(|deal| deal.may_open()) {
                    if deal.phase == Phase::Rejected || deal.phase == Phase::WrittenOff {
                        // We had given it up, and it is there: it is ours all the same.
                        self.alive.insert(reference.clone());
                        deal.is_lost = false;
                    }
                    deal.phase = Phase::Open;
                    deal.deal_id = Some(deal_id.as_str().into());
                    deal.opened = Some(*time);
                    deal.entry_quote = quote;
                    (deal.level, deal.stop_level, deal.limit_level) = (*level, *stop_level, *limit_level);
                    deal.next_funding = Some(next_funding(*time));
                    (deal.tries, deal.doubts) = (0, 0);
                    self.outcomes.push(DeskOutcome::Order { seat: deal.seat, is_refused: false });
                }
            }
            DeskEntry::Rejected { reference, .. } => match self.deals.get_mut(reference) {
                Some(deal) if deal.is_in_doubt() => {
                    let seat = deal.seat;
                    self.outcomes.push(DeskOutcome::Order { seat, is_refused: true });
                    self.outcomes.push(DeskOutcome::Signal { seat, is_missed: true });
                    self.finish(reference, Phase::Rejected);
                }
                Some(_) => {}
                None => drop(self.refused.insert(reference.clone())),
            },
            DeskEntry::Unknown { reference, .. } => {
                if let Some(deal) = self.deals.get_mut(reference).filter(|deal| deal.phase == Phase::Sent) {
                    deal.phase = Phase::Unknown;
                }
            }
            DeskEntry::Closed { time, reference, level, reason, profit } => {
                let quote = self.deals.get(reference).and_then(|deal| self.quote_at(&deal.epic, *time));
                if let Some(deal) = self.deals.get_mut(reference).filter(|deal| deal.phase == Phase::Open) {
                    deal.closed = Some((*time, *level, *reason, *profit));
                    deal.exit_quote = quote;
                    let (seat, size, twin) = (deal.seat, deal.size, deal.twin_profit());
                    if is_natural(*reason) {
                        self.outcomes.push(DeskOutcome::Closed { seat, size, profit: *profit });
                        self.outcomes.extend(twins::paired(seat, size, *profit, twin));
                    }
                    *self.reigns.entry(seat).or_default() += *profit;
                    self.finish(reference, Phase::Closed);
                    self.net_profit += *profit;
                    if time.day() > self.day {
                        (self.day, self.day_profit) = (time.day(), Money::ZERO);
                    }
                    if time.day() == self.day {
                        self.day_profit += *profit;
                    }
                }
            }
            DeskEntry::WrittenOff { reference, .. } => {
                if self.deals.get(reference).is_some_and(BookDeal::is_alive) {
                    self.finish(reference, Phase::WrittenOff);
                }
            }
            DeskEntry::Halted { reason, .. } => {
                self.halted.get_or_insert_with(|| reason.clone());
            }
            DeskEntry::Resumed { .. } => {
                self.halted = None;
                self.standing.clear();
            }
            DeskEntry::Broken { time, kind, reference, seat, epic, text, is_mended } => {
                let model = self.deals.get(reference).map(|deal| deal.model.clone());
                self.breaks.push_back(BreakRow {
                    time: *time,
                    kind: *kind,
                    deal_reference: reference.to_string(),
                    seat: *seat,
                    model,
                    epic: epic.to_string(),
                    text: text.clone(),
                    is_mended: *is_mended,
                });
                while self.breaks.len() > BREAKS_MAX {
                    self.breaks.pop_front();
                }
                if !is_mended {
                    self.standing.insert((*kind, reference.clone()));
                }
            }
            DeskEntry::PartlyClosed { time, reference, size, left, level, profit } => {
                let quote = self.deals.get(reference).and_then(|deal| self.quote_at(&deal.epic, *time));
                if let Some(deal) = self.deals.get_mut(reference).filter(|deal| deal.left() > *left) {
                    deal.parts.push(Part { time: *time, size: *size, level: *level, profit: *profit, quote });
                }
            }
            DeskEntry::Resized { reference, size, .. } => {
                if let Some(deal) = self.deals.get_mut(reference) {
                    deal.size = *size;
                }
            }
            DeskEntry::Shortfall { reference, shortfall, delay, fills, slippage, .. } => {
                if self.unpaired.remove(reference)
                    && let Some(deal) = self.deals.get_mut(reference)
                {
                    deal.shortfall = Some(*shortfall);
                    let totals = self.totals.entry(deal.seat).or_default();
                    totals.add(&deal.model, *shortfall, *delay, *fills, *slippage);
                }
            }
        }
    }

    /// Shows a refused ticket in the view, beside what its paper twin makes of it.
    pub(super) fn insert_refused(&mut self, right: &LiveRight, ticket: &DealTicket, reference: &DealReference) {
        self.insert(BookDeal {
            seat: right.seat(),
            model: right.model().clone(),
            epic: right.epic().clone(),
            made: ticket.made,
            direction: ticket.direction,
            size: right.size(),
            ..BookDeal::nothing(reference)
        });
        // It never was in doubt: what our own rules refuse is not held against the broker, nor against the model.
        self.finish(reference, Phase::Rejected);
    }

    fn insert(&mut self, deal: BookDeal) {
        // A deal that was closed and never had a twin was one that paper did not make.
        let is_extra = |d: &BookDeal| d.seat == deal.seat && d.twin.is_none() && !d.is_told;
        for extra in self.deals.values_mut().filter(|d| d.phase == Phase::Closed && is_extra(d)) {
            extra.is_told = true;
            if extra.closed.is_some_and(|(_, _, reason, _)| is_natural(reason)) {
                self.outcomes.push(DeskOutcome::Signal { seat: extra.seat, is_missed: true });
            } else {
                self.unpaired.remove(&extra.reference);
            }
        }
        // Nor will an order that neither filled get one any more.
        let has_waited = |reference: &DealReference| {
            let known = self.deals.get(reference);
            known.is_some_and(|d| d.seat == deal.seat && d.phase == Phase::Rejected && d.twin.is_none())
        };
        let over: Vec<DealReference> = self.unpaired.iter().filter(|r| has_waited(r)).cloned().collect();
        self.unpaired.retain(|reference| !over.contains(reference));
        self.acted.insert(deal.seat, deal.made);
        self.unpaired.insert(deal.reference.clone());
        self.order.push_back(deal.reference.clone());
        self.alive.insert(deal.reference.clone());
        self.deals.insert(deal.reference.clone(), deal);
        let mut surplus = self.order.len().saturating_sub(ROWS_MAX);
        let (alive, deals, unpaired) = (&self.alive, &mut self.deals, &mut self.unpaired);
        self.order.retain(|reference| {
            let is_kept = surplus == 0 || alive.contains(reference);
            if !is_kept {
                surplus -= 1;
                deals.remove(reference);
                unpaired.remove(reference);
            }
            is_kept
        });
    }

    fn finish(&mut self, reference: &DealReference, phase: Phase) {
        if let Some(deal) = self.deals.get_mut(reference) {
            deal.phase = phase;
        }
        self.alive.remove(reference);
        if phase == Phase::WrittenOff {
            // What it made is not known, nor what it made less.
            self.unpaired.remove(reference);
        }
    }

    /// Takes the next quote: it becomes the last one, after every funding between the two was charged at the one before.
    pub(super) fn on_quote(&mut self, epic: &Epic, tick: &Tick, market: &Market) {
        let level = self.quotes.get(epic).unwrap_or(tick).mid2();
        for reference in &self.alive {
            let Some(deal) = self.deals.get_mut(reference).filter(|d| d.phase == Phase::Open && d.epic == *epic) else {
                continue;
            };
            while let Some((at, times)) = deal.next_funding.filter(|(at, _)| tick.time >= *at) {
                let night = market.funding(level, deal.left());
                deal.funding += (0..times).map(|_| night).sum();
                deal.next_funding = Some(next_funding(at));
            }
        }
        match self.quotes.get_mut(epic) {
            Some(last) => *last = *tick,
            None => drop(self.quotes.insert(epic.clone(), *tick)),
        }
        self.stamp(epic, tick);
    }

    /// Live profit of the UTC day of `now`: closed deals.
    pub(super) fn day_profit(&self, now: UtcMicros) -> Money {
        if now.day() > self.day { Money::ZERO } else { self.day_profit }
    }

    /// The same with open positions marked where they would close.
    pub(super) fn day_result(&self, now: UtcMicros, markets: &[Market]) -> Money {
        let open = self.alive().filter(|deal| deal.phase == Phase::Open && !deal.is_lost);
        let marks = open.filter_map(|deal| self.mark(deal, markets));
        self.day_profit(now) + marks.sum()
    }

    /// Our open positions, for the comparison with the broker's.
    pub(super) fn expected(&self) -> Vec<Expected> {
        self.alive().filter(|deal| deal.phase == Phase::Open).map(BookDeal::expected).collect()
    }

    /// Every deal that was sent, as a broker would tell it.
    pub(super) fn dealt(&self) -> Vec<Deal> {
        let told = |deal: &BookDeal| {
            let status = match (deal.phase, deal.closed) {
                (Phase::Sent | Phase::Unknown, _) => DealStatus::Pending,
                (Phase::Open, _) => DealStatus::Open,
                (Phase::Closed, Some((time, level, reason, _))) => DealStatus::Closed { time, level, reason },
                _ => return None,
            };
            Some(Deal {
                reference: deal.reference.clone(),
                id: deal.deal_id.clone().unwrap_or_else(|| "".into()),
                epic: deal.epic.clone(),
                direction: deal.direction,
                size: deal.left(),
                opened: deal.opened.unwrap_or(deal.made),
                level: deal.level,
                stop_level: deal.stop_level,
                limit_level: deal.limit_level,
                status,
            })
        };
        self.order.iter().filter_map(|reference| told(self.deals.get(reference)?)).collect()
    }

    /// A ticket that our own rules refused.
    pub(super) fn on_refused(&mut self, seat: SeatIdx, rule: &str) {
        if MISSED.contains(&rule) {
            self.outcomes.push(DeskOutcome::Signal { seat, is_missed: true });
        }
    }

    /// What happened since the last call.
    pub(super) fn take_outcomes(&mut self) -> Vec<DeskOutcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// A seat goes live: its profit is counted from here on.
    pub(super) fn begin_reign(&mut self, seat: SeatIdx) {
        self.reigns.insert(seat, Money::ZERO);
    }

    /// Profit of each seat with a right since it went live, what is open marked where it would close.
    pub(super) fn reign_results(&self, markets: &[Market]) -> Vec<(SeatIdx, Money)> {
        let marked = |seat: SeatIdx| {
            let open = self.alive().filter(|deal| deal.seat == seat && deal.phase == Phase::Open && !deal.is_lost);
            open.filter_map(|deal| self.mark(deal, markets)).sum::<Money>()
        };
        let closed = |seat: SeatIdx| self.reigns.get(&seat).copied().unwrap_or_default();
        self.rights.keys().map(|seat| (*seat, closed(*seat) + marked(*seat))).collect()
    }

    /// What an open deal would make, closed now; nothing before its first quote.
    fn mark(&self, deal: &BookDeal, markets: &[Market]) -> Option<Money> {
        let market = markets.iter().find(|market| market.epic == deal.epic)?;
        // After a crash quotes from before its fill may come again: they say nothing of it.
        let tick = self.quotes.get(&deal.epic).filter(|tick| Some(tick.time) >= deal.opened)?;
        Some(deal.profit_at(deal.exit_side(tick), market))
    }

    pub(super) fn view(&self, now: UtcMicros) -> DeskView {
        let is_live = !self.rights.is_empty() || !self.alive.is_empty();
        let state = match self.halted {
            Some(_) => "halted",
            None if is_live => "live",
            None => "paper_only",
        };
        let rows = self.order.iter().rev().filter_map(|reference| self.deals.get(reference));
        DeskView {
            state: state.to_owned(),
            reason: self.halted.clone(),
            day_profit: self.day_profit(now),
            net_profit: self.net_profit,
            trades: rows.take(ROWS_MAX).map(BookDeal::row).collect(),
            halted_by: self.halted.as_ref().and_then(|_| self.standing.first()).map(|(kind, _)| *kind),
            breaks: self.breaks.iter().cloned().collect(),
            shortfalls: self.totals.iter().filter_map(|(seat, totals)| totals.row(*seat)).collect(),
        }
    }
}
