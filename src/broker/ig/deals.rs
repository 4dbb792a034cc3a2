//! Our deals at IG, pure: what confirmations, position updates and lists of positions say of them, merged by reference,
//! whichever comes first, once.
//!
//! A deal goes from pending to open or rejected, and from open to closed; nothing leads back. What is said a second
//! time, or late, changes nothing.

use std::collections::{BTreeMap, VecDeque};

use super::number::Number;
use super::wire::{AffectedStatus, Confirm, ConfirmStatus, DealVerdict, Position, PositionLine, PositionUpdate, Side};
use crate::broker::{Deal, DealStatus, LiveOrder};
use crate::domain::{CloseReason, DealId, DealReference, Direction, Epic, Price, Size, UtcMicros};

/// Finished deals that are remembered, so that late news of them is told from news of others.
const FINISHED_MAX: usize = 1_000;

/// Updates that wait to be taken; beyond them the oldest are dropped, and looking up finds out.
const UPDATES_MAX: usize = 1_000;

/// Where a deal came to its end, as far as IG has told.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// When.
    pub time: UtcMicros,
    /// At what level.
    pub level: Price,
    /// How much, where that is told: less than there was means that a part had been closed before.
    pub size: Option<Size>,
}

/// What is known of our deals.
#[derive(Debug, Default)]
pub struct Deals {
    known: BTreeMap<DealReference, Known>,
    by_id: BTreeMap<String, DealReference>,
    /// Closings that we asked for: their references at IG, and why.
    closings: BTreeMap<String, DealReference>,
    finished: VecDeque<DealReference>,
    updates: VecDeque<DealReference>,
}

#[derive(Clone, Debug)]
struct Known {
    deal: Deal,
    /// Why we asked to close it.
    wants_closed: Option<CloseReason>,
    /// It is gone at IG, and nobody has said at what level.
    is_gone: bool,
}

impl Deals {
    /// A request to open is about to be sent.
    pub fn sent(&mut self, order: &LiveOrder) {
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
            status: DealStatus::Pending,
        };
        let known = Known { deal, wants_closed: None, is_gone: false };
        self.known.entry(order.reference.clone()).or_insert(known);
    }

    /// What is known of a reference.
    #[must_use]
    pub fn get(&self, reference: &DealReference) -> Option<&Deal> {
        self.known.get(reference).map(|known| &known.deal)
    }

    /// The deals that are open, as far as is known.
    pub fn still_open(&self) -> impl Iterator<Item = &DealReference> {
        let is_open = |known: &Known| known.deal.status == DealStatus::Open && !known.is_gone;
        self.known.iter().filter(move |(_, known)| is_open(known)).map(|(reference, _)| reference)
    }

    /// Whether it is gone at IG, without a word at what level.
    #[must_use]
    pub fn is_gone(&self, reference: &DealReference) -> bool {
        self.known.get(reference).is_some_and(|known| known.is_gone)
    }

    /// References that are gone without a word at what level.
    #[must_use]
    pub fn gone(&self) -> Vec<DealReference> {
        self.known.iter().filter(|(_, known)| known.is_gone).map(|(reference, _)| reference.clone()).collect()
    }

    /// Why we asked for it to be closed, if we did.
    #[must_use]
    pub fn wants_closed(&self, reference: &DealReference) -> Option<CloseReason> {
        self.known.get(reference)?.wants_closed
    }

    /// A request to close is about to be sent.
    pub fn closing(&mut self, reference: &DealReference, reason: CloseReason) {
        if let Some(known) = self.known.get_mut(reference) {
            known.wants_closed = Some(reason);
        }
    }

    /// IG's own name of a request to close: its confirmation comes under it.
    pub fn closing_is(&mut self, reference: &DealReference, theirs: &str) {
        self.closings.insert(theirs.to_owned(), reference.clone());
        while self.closings.len() > FINISHED_MAX {
            self.closings.pop_first();
        }
    }

    /// A request was refused before it became a deal.
    pub fn rejected(&mut self, reference: &DealReference, reason: &str) {
        self.change(reference, |deal| {
            if deal.status == DealStatus::Pending {
                deal.status = DealStatus::Rejected(reason.to_owned());
            }
        });
    }

    /// A confirmation, by REST or by stream. Gives our reference of the deal that it is about, if it is ours.
    pub fn on_confirm(&mut self, confirm: &Confirm) -> Option<DealReference> {
        if let Some(reference) = self.ours(confirm) {
            match confirm.deal_status {
                DealVerdict::Rejected => {
                    self.rejected(&reference, confirm.reason.as_deref().unwrap_or("UNKNOWN"));
                }
                _ => self.opened(&reference, confirm),
            }
            return Some(reference);
        }
        let reference = self.closed_by(confirm)?;
        if confirm.deal_status == DealVerdict::Rejected {
            return Some(reference);
        }
        if let Some(level) = confirm.level.map(price) {
            let time = confirm.date.as_deref().and_then(utc);
            let size = confirm.size.map(|size| Size::from_micros(size.micros()));
            self.closed(&reference, time.map(|time| Exit { time, level, size }).as_ref());
        }
        Some(reference)
    }

    /// The deal that a confirmation is about, where it is the answer to our request to open.
    fn ours(&self, confirm: &Confirm) -> Option<DealReference> {
        let reference = DealReference::from(confirm.deal_reference.as_str());
        self.known.contains_key(&reference).then_some(reference)
    }

    /// The deal of ours that a confirmed request closed as a whole, whoever asked for it.
    fn closed_by(&self, confirm: &Confirm) -> Option<DealReference> {
        let fully = |status: &AffectedStatus| matches!(status, AffectedStatus::FullyClosed | AffectedStatus::Deleted);
        let affected = confirm.affected_deals.iter().find_map(|deal| {
            let reference = self.by_id.get(&deal.deal_id)?;
            fully(&deal.status).then_some(reference)
        });
        // Of a close, `dealId` is that of the opening.
        let named = || {
            let is_close = matches!(confirm.status, Some(ConfirmStatus::Closed | ConfirmStatus::Deleted) | None);
            let reference = self.by_id.get(confirm.deal_id.as_deref()?)?;
            (is_close && confirm.affected_deals.is_empty()).then_some(reference)
        };
        let asked = || self.closings.get(&confirm.deal_reference).filter(|_| confirm.affected_deals.is_empty());
        affected.or_else(named).or_else(asked).cloned()
    }

    fn opened(&mut self, reference: &DealReference, confirm: &Confirm) {
        let (Some(id), Some(level)) = (confirm.deal_id.as_deref(), confirm.level.map(price)) else { return };
        let time = confirm.date.as_deref().and_then(utc);
        let levels = (confirm.stop_level.map_or(Price::ZERO, price), confirm.limit_level.map_or(Price::ZERO, price));
        let size = confirm.size;
        // After a restart nothing may be known of it but its reference.
        let (epic, side) = (confirm.epic.as_deref().map(Epic::from), confirm.direction.as_ref());
        if let Some(known) = self.known.get_mut(reference).filter(|known| known.deal.status == DealStatus::Pending) {
            let deal = &mut known.deal;
            deal.epic = epic.unwrap_or_else(|| deal.epic.clone());
            deal.direction = side.map_or(deal.direction, direction_of);
        }
        self.open(reference, id, time, level, levels, size);
    }

    fn open(
        &mut self,
        reference: &DealReference,
        id: &str,
        time: Option<UtcMicros>,
        level: Price,
        (stop_level, limit_level): (Price, Price),
        size: Option<Number>,
    ) {
        self.by_id.insert(id.to_owned(), reference.clone());
        self.change(reference, |deal| {
            if deal.status == DealStatus::Pending {
                deal.status = DealStatus::Open;
                deal.id = DealId::from(id);
                (deal.level, deal.stop_level, deal.limit_level) = (level, stop_level, limit_level);
                deal.opened = time.unwrap_or(deal.opened);
                if let Some(size) = size {
                    deal.size = Size::from_micros(size.micros());
                }
            }
        });
    }

    /// A position as the stream tells it.
    pub fn on_position_update(&mut self, update: &PositionUpdate) {
        let id = update.deal_id_origin.as_deref().or(update.deal_id.as_deref());
        let by_id = id.and_then(|id| self.by_id.get(id)).cloned();
        let by_reference = update.deal_reference.as_deref().map(DealReference::from);
        let Some(reference) = by_id.or(by_reference.filter(|reference| self.known.contains_key(reference))) else {
            return;
        };
        let levels = (update.stop_level.map_or(Price::ZERO, price), update.limit_level.map_or(Price::ZERO, price));
        match update.status.as_deref() {
            Some("OPEN") => {
                if let (Some(id), Some(level)) = (id, update.level.map(price)) {
                    let time = update.timestamp.as_deref().and_then(utc);
                    let id = id.to_owned();
                    self.open(&reference, &id, time, level, levels, update.size);
                }
            }
            Some("UPDATED") => self.change(&reference, |deal| {
                if deal.status == DealStatus::Open {
                    (deal.stop_level, deal.limit_level) = levels;
                    if let Some(size) = update.size {
                        deal.size = Size::from_micros(size.micros());
                    }
                }
            }),
            // The level that it carries may be that of the opening: what it was closed at is asked for.
            Some("DELETED") => self.vanished(&reference),
            _ => {}
        }
    }

    /// An open deal is not there any more.
    pub fn vanished(&mut self, reference: &DealReference) {
        if let Some(known) = self.known.get_mut(reference)
            && known.deal.status == DealStatus::Open
        {
            known.is_gone = true;
        }
    }

    /// It is closed. Without a word where, it counts as gone.
    pub fn closed(&mut self, reference: &DealReference, exit: Option<&Exit>) {
        let Some(exit) = exit else { return self.vanished(reference) };
        let Some(known) = self.known.get_mut(reference) else { return };
        if matches!(known.deal.status, DealStatus::Closed { .. } | DealStatus::Rejected(_)) {
            return;
        }
        let reason = known.wants_closed.unwrap_or_else(|| reason_of(&known.deal, exit.level));
        known.is_gone = false;
        let (time, level, size) = (exit.time, exit.level, exit.size);
        self.change(reference, |deal| {
            deal.status = DealStatus::Closed { time, level, reason };
            deal.size = size.map_or(deal.size, |size| size.min(deal.size));
        });
    }

    /// The exits of other deals that were opened at the same level in the same second: a transaction tells no more of an
    /// opening than these two, so that theirs look like those of `deal`.
    #[must_use]
    pub fn exits_beside(&self, deal: &Deal) -> Vec<Exit> {
        let is_alike = |other: &Deal| {
            other.reference != deal.reference && other.level == deal.level && is_same_second(other.opened, deal.opened)
        };
        let exit = |other: &Deal| match other.status {
            DealStatus::Closed { time, level, .. } => Some(Exit { time, level, size: None }),
            _ => None,
        };
        self.known.values().map(|known| &known.deal).filter(|other| is_alike(other)).filter_map(exit).collect()
    }

    /// A position that carries a reference of ours, from a list: it was opened, whatever else was said.
    pub fn on_position(&mut self, line: &PositionLine) {
        let Some(reference) = line.position.deal_reference.as_deref().map(DealReference::from) else { return };
        let deal = deal_of(line);
        self.by_id.insert(line.position.deal_id.clone(), reference.clone());
        match self.known.get_mut(&reference) {
            None => {
                let known = Known { deal, wants_closed: None, is_gone: false };
                self.known.insert(reference, known);
            }
            Some(known) if matches!(known.deal.status, DealStatus::Pending | DealStatus::Open) => {
                known.is_gone = false;
                let opened = if known.deal.status == DealStatus::Open { known.deal.opened } else { deal.opened };
                // A list tells the second of an opening, a confirmation its millisecond.
                self.change(&reference, |ours| *ours = Deal { opened, ..deal });
            }
            Some(_) => {}
        }
    }

    /// Takes over what our book says, after a restart.
    pub fn adopt(&mut self, deal: Deal) {
        if !deal.id.as_str().is_empty() {
            self.by_id.insert(deal.id.to_string(), deal.reference.clone());
        }
        let known = Known { deal: deal.clone(), wants_closed: None, is_gone: false };
        self.known.entry(deal.reference).or_insert(known);
    }

    /// Deals that changed since this was last asked, oldest first, each as it is now.
    pub fn take_updates(&mut self) -> Vec<Deal> {
        let mut all: Vec<Deal> = Vec::new();
        for reference in std::mem::take(&mut self.updates) {
            if let Some(deal) = self.get(&reference)
                && all.iter().all(|told| told.reference != reference)
            {
                all.push(deal.clone());
            }
        }
        all
    }

    fn change(&mut self, reference: &DealReference, change: impl FnOnce(&mut Deal)) {
        let Some(known) = self.known.get_mut(reference) else { return };
        let before = known.deal.clone();
        change(&mut known.deal);
        if known.deal == before {
            return;
        }
        let is_finished = matches!(known.deal.status, DealStatus::Closed { .. } | DealStatus::Rejected(_));
        self.updates.push_back(reference.clone());
        if self.updates.len() > UPDATES_MAX {
            self.updates.pop_front();
        }
        if is_finished {
            self.finished.push_back(reference.clone());
        }
        while self.finished.len() > FINISHED_MAX {
            let Some(oldest) = self.finished.pop_front() else { return };
            if let Some(known) = self.known.remove(&oldest) {
                self.by_id.remove(known.deal.id.as_str());
            }
        }
    }
}

/// Why a position that we did not ask to close was closed: its limit and better, its stop and worse, or somebody else.
#[must_use]
pub fn reason_of(deal: &Deal, level: Price) -> CloseReason {
    let (beyond_stop, beyond_limit) = match deal.direction {
        Direction::Long => (level <= deal.stop_level, level >= deal.limit_level),
        Direction::Short => (level >= deal.stop_level, level <= deal.limit_level),
    };
    if beyond_stop && deal.stop_level > Price::ZERO {
        CloseReason::Stop
    } else if beyond_limit && deal.limit_level > Price::ZERO {
        CloseReason::Limit
    } else {
        CloseReason::Outside
    }
}

/// A position of a list as the desk takes it; one of somebody else carries their reference, or none.
#[must_use]
pub fn deal_of(line: &PositionLine) -> Deal {
    let Position { deal_id, deal_reference, direction, size, level, stop_level, limit_level, created_date_utc, .. } =
        &line.position;
    Deal {
        reference: deal_reference.as_deref().unwrap_or_default().into(),
        id: deal_id.as_str().into(),
        epic: Epic::from(line.market.epic.as_str()),
        direction: direction_of(direction),
        size: Size::from_micros(size.micros()),
        opened: created_date_utc.as_deref().and_then(utc).unwrap_or_default(),
        level: price(*level),
        stop_level: stop_level.map_or(Price::ZERO, price),
        limit_level: limit_level.map_or(Price::ZERO, price),
        status: DealStatus::Open,
    }
}

fn direction_of(side: &Side) -> Direction {
    if *side == Side::Sell { Direction::Short } else { Direction::Long }
}

/// A number as a level.
#[must_use]
pub fn price(number: Number) -> Price {
    Price::from_micros(number.micros())
}

/// Whether two times may be the same one, of which one was told in whole seconds.
#[must_use]
pub fn is_same_second(one: UtcMicros, other: UtcMicros) -> bool {
    (one.0 - other.0).abs() < 1_000_000
}

/// IG's times carry no zone and mean UTC.
#[must_use]
pub fn utc(text: &str) -> Option<UtcMicros> {
    let text = text.trim_end_matches('Z').replace('/', "-");
    format!("{text}Z").parse().ok()
}

#[cfg(test)]
mod tests;
