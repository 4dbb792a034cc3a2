//! What the broker says of our deals, taken into the book: outcomes that it tells, outcomes that are looked up, parts
//! that somebody else closed.

use super::book::{BookDeal, Phase};
use super::dealing::{Desk, TRIES_MAX};
use super::{Break, DeskContext, is_protected};
use crate::broker::{BrokerError, Deal, DealStatus};
use crate::domain::{BreakKind, CloseReason, DealReference, Money, Price, UtcMicros};
use crate::store::entry::DeskEntry;

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
                    self.opened(now, deal);
                } else if phase == Phase::Open && deal.size < ours.left() {
                    self.take_parts(now, deal, ctx).await;
                }
            }
            DealStatus::Closed { time, level, reason } => {
                if ours.is_in_doubt() {
                    self.opened(now, deal);
                }
                if matches!(phase, Phase::Sent | Phase::Unknown | Phase::Open) {
                    // Whom we did not ask to close it may have closed a part of it before.
                    if !matches!(reason, CloseReason::Time | CloseReason::Demoted | CloseReason::Halt) {
                        self.take_parts(now, deal, ctx).await;
                    }
                    self.closed(now, &reference, (*time, *level, *reason), ctx);
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
    pub(super) fn opened(&mut self, now: UtcMicros, deal: &Deal) {
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
        if size != deal.size {
            self.record(DeskEntry::Resized { time: now, reference: reference.clone(), size: deal.size });
        }
        if size != deal.size || direction != deal.direction {
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
    /// has the broker's size.
    pub(super) async fn take_parts(&mut self, now: UtcMicros, deal: &Deal, ctx: &DeskContext<'_>) -> bool {
        let reference = &deal.reference;
        let exits = match ctx.broker.exits(deal).await {
            Ok(exits) => exits,
            Err(error) => {
                tracing::warn!(%reference, %error, "the closings of a position are not told");
                return false;
            }
        };
        let Some(ours) = self.book.get(reference) else { return false };
        let Some(market) = ctx.markets.iter().find(|market| market.epic == ours.epic) else { return false };
        // The exit of the rest comes with the deal itself.
        let last = match deal.status {
            DealStatus::Closed { .. } => exits.len().saturating_sub(1),
            _ => exits.len(),
        };
        let parts: Vec<DeskEntry> = exits[..last]
            .iter()
            .filter(|exit| !ours.has_part(exit.time, exit.level, exit.size) && exit.size < ours.left())
            .map(|exit| DeskEntry::PartlyClosed {
                time: exit.time,
                reference: reference.clone(),
                size: exit.size,
                level: exit.level,
                profit: ours.made(exit.level, exit.size, market),
            })
            .collect();
        for part in parts {
            let DeskEntry::PartlyClosed { size, level, .. } = &part else { continue };
            let text = format!("{size} of position {reference} was closed at {level} by somebody else");
            let found = Break::new(BreakKind::PartialClose, reference, text);
            self.record(part);
            self.broken(now, &found, true);
        }
        self.book.get(reference).is_some_and(|ours| ours.left() == deal.size)
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
