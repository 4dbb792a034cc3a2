//! What the broker says of our deals, taken into the book: outcomes that it tells, outcomes that are looked up, parts
//! that somebody else closed.

use super::deal::{BookDeal, Part, Phase};
use super::dealing::{Desk, TRIES_MAX};
use super::{Break, DeskContext, is_protected};
use crate::broker::{BrokerError, Deal, DealStatus, Exit};
use crate::domain::{BreakKind, CloseReason, DealReference, Micros, Money, Price, Size, UtcMicros};
use crate::store::entry::DeskEntry;

/// A confirmation and the history may tell times of one closing that differ by so much.
const SAME_CLOSING: Micros = Micros(2_000_000);

/// The exits without the last one of a deal that is closed: that comes with the deal itself.
fn parts_of(exits: &[Exit], status: &DealStatus) -> Vec<Exit> {
    let mut parts = exits.to_vec();
    if let DealStatus::Closed { time, level, .. } = status {
        let is_it = |exit: &Exit| exit.level == *level && (exit.time - *time).0.abs() <= SAME_CLOSING.0;
        if let Some(at) = parts.iter().rposition(is_it) {
            parts.remove(at);
        }
    }
    parts
}

impl Desk {
    /// Looks up, once, every deal whose outcome is not known.
    pub(super) async fn look_up(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        if self.book.n_alive() == 0 {
            return;
        }
        for deal in ctx.broker.take_updates() {
            self.absorb(now, &deal, ctx).await;
        }
        for reference in self.book.pick(BookDeal::is_in_doubt) {
            self.look_up_one(now, &reference, ctx).await;
        }
    }

    pub(super) async fn look_up_one(&mut self, now: UtcMicros, reference: &DealReference, ctx: &DeskContext<'_>) {
        let why = match ctx.broker.confirm(reference).await {
            Ok(deal) => {
                self.answered(reference);
                return self.absorb(now, &deal, ctx).await;
            }
            // A confirmation may be gone, or not yet be there, while the position is.
            Err(BrokerError::NotFound { .. }) => match ctx.broker.open_positions().await {
                Ok(positions) => {
                    self.answered(reference);
                    match positions.iter().find(|deal| deal.reference == *reference) {
                        Some(deal) => self.absorb(now, deal, ctx).await,
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
            self.denied(now, why);
        }
        if self.failed(reference) {
            let text = format!("outcome of deal {reference} unknown after {TRIES_MAX} look-ups: {why}");
            self.broken(now, &Break::new(BreakKind::UnknownOutcome, reference, text), false);
        }
    }

    /// Takes in what the broker says of a deal of ours. What it says of others is for the comparison.
    pub(super) async fn absorb(&mut self, now: UtcMicros, deal: &Deal, ctx: &DeskContext<'_>) {
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
                    self.opened(now, deal, ctx).await;
                } else if phase == Phase::Open && deal.size < ours.left() {
                    self.take_parts(now, deal, ctx).await;
                }
            }
            DealStatus::Closed { time, level, reason } => {
                if ours.is_in_doubt() {
                    self.opened(now, deal, ctx).await;
                }
                if matches!(phase, Phase::Sent | Phase::Unknown | Phase::Open) {
                    // Whom we did not ask to close it may have closed a part of it before.
                    let is_asked_for = matches!(reason, CloseReason::Time | CloseReason::Demoted | CloseReason::Halt);
                    let left = self.book.get(&reference).map(BookDeal::left).unwrap_or_default();
                    let mut is_explained = true;
                    if !is_asked_for || deal.size < left {
                        match self.take_parts(now, deal, ctx).await {
                            Some(is_equal) => is_explained = is_equal,
                            // It would be booked at a guess; it is found closed again.
                            None => return,
                        }
                    }
                    // A broker that was started anew does not know that it was we who asked.
                    let ours = self.book.get(&reference).filter(|ours| ours.is_close_intended);
                    let wanted = ours.and_then(|ours| ours.close_wanted).filter(|_| *reason == CloseReason::Outside);
                    self.closed(now, &reference, (*time, *level, wanted.unwrap_or(*reason)), ctx);
                    if !is_explained {
                        let size = deal.size;
                        let text = format!(
                            "position {reference}: the last closing was of {size}, and the history does not tell of the rest"
                        );
                        self.broken(now, &Break::new(BreakKind::PartialClose, &reference, text), false);
                    }
                }
            }
        }
    }

    fn closed(
        &mut self,
        now: UtcMicros,
        reference: &DealReference,
        (time, level, reason): (UtcMicros, Price, CloseReason),
        ctx: &DeskContext<'_>,
    ) {
        let profit = self.profit(now, reference, level, ctx);
        self.record(DeskEntry::Closed { time, reference: reference.clone(), level, reason, profit });
        if reason == CloseReason::Outside {
            let text = format!("position {reference} was closed at {level} by somebody else");
            self.broken(now, &Break::new(BreakKind::ClosedOutside, reference, text), true);
        }
        self.check_loss(now, ctx);
    }

    /// Takes a fill into the book, whatever it is; one that is not what we asked for halts dealing.
    pub(super) async fn opened(&mut self, now: UtcMicros, deal: &Deal, ctx: &DeskContext<'_>) {
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
        let (direction, size) = (ours.direction, ours.size);
        // Somebody may have closed a part of it before we heard of it.
        let may_be_cut = direction == deal.direction && deal.size < size;
        // What is not told now is told to the comparison.
        let is_cut = may_be_cut && self.take_parts(now, deal, ctx).await != Some(false);
        let is_other = !is_cut && size != deal.size;
        if is_other {
            self.record(DeskEntry::Resized { time: now, reference: reference.clone(), size: deal.size });
        }
        if is_other || direction != deal.direction {
            let text = format!(
                "position {reference}: we asked for {} {size}, the broker opened {} {}",
                direction.word(),
                deal.direction.word(),
                deal.size
            );
            self.broken(now, &Break::new(BreakKind::WrongSize, &reference, text), false);
        } else if !is_protected(deal) {
            let text = format!("position {reference} has no stop and limit at the broker");
            self.broken(now, &Break::new(BreakKind::MissingStop, &reference, text), false);
        }
    }

    /// Books the parts of a position that somebody else closed, as the broker's history tells them. Whether our book now
    /// has the broker's size; `None` where the history was not told.
    pub(super) async fn take_parts(&mut self, now: UtcMicros, deal: &Deal, ctx: &DeskContext<'_>) -> Option<bool> {
        let reference = &deal.reference;
        let exits = match ctx.broker.exits(deal).await {
            Ok(exits) => exits,
            Err(error) => {
                tracing::warn!(%reference, %error, "the closings of a position are not told");
                self.look_again(now);
                return None;
            }
        };
        let ours = self.book.get(reference)?;
        let market = ctx.markets.iter().find(|market| market.epic == ours.epic)?;
        let mut left = ours.left();
        let mut booked: Vec<Exit> = ours.parts.iter().map(Part::exit).collect();
        let mut parts = Vec::new();
        for exit in parts_of(&exits, &deal.status) {
            // Two of the same second may be alike: each is booked once.
            if let Some(at) = booked.iter().position(|known| *known == exit) {
                booked.swap_remove(at);
                continue;
            }
            let Exit { time, level, size } = exit;
            // The history of a closing may come before the rest of it was told: a whole is no part.
            if size < left {
                left = Size::from_micros(left.micros() - size.micros());
                let (reference, profit) = (reference.clone(), ours.made(level, size, market));
                parts.push(DeskEntry::PartlyClosed { time, reference, size, left, level, profit });
            }
        }
        for part in parts {
            let DeskEntry::PartlyClosed { size, level, .. } = &part else { continue };
            let text = format!("{size} of position {reference} was closed at {level} by somebody else");
            let found = Break::new(BreakKind::PartialClose, reference, text);
            self.record(part);
            self.broken(now, &found, true);
        }
        Some(self.book.get(reference)?.left() == deal.size)
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
}
