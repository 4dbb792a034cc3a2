//! Closing what is due: asked for again until the position is gone; when that fails too often, dealing halts, and asking
//! goes on.

use super::deal::{BookDeal, Phase};
use super::dealing::{Desk, TRIES_MAX};
use super::{Break, DeskContext};
use crate::broker::BrokerError;
use crate::domain::{BreakKind, CloseReason, DealReference, Micros, UtcMicros};
use crate::store::entry::DeskEntry;

/// A closing that is asked for and not confirmed is asked for again after this: closing is idempotent, opening is not.
const CLOSE_AGAIN: Micros = Micros(10_000_000);

/// The same once it has failed so often that dealing is halted: the market may be closed for days.
const CLOSE_AGAIN_LATER: Micros = Micros(60_000_000);

impl Desk {
    pub(super) fn want_closed(&mut self, reference: &DealReference, reason: CloseReason) {
        if let Some(deal) = self.book.get_mut(reference) {
            deal.close_wanted.get_or_insert(reason);
        }
    }

    /// Asks the broker to close what is due, what has lost its right, and, when halted, everything.
    pub(super) async fn send_closes(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        let is_halted = self.book.halted.is_some();
        let open = |deal: &BookDeal| deal.phase == Phase::Open && !deal.is_lost;
        let unwanted = self.book.pick(|deal| {
            open(deal) && deal.close_wanted.is_none() && (is_halted || !self.book.rights.contains_key(&deal.seat))
        });
        for reference in unwanted {
            self.want_closed(&reference, if is_halted { CloseReason::Halt } else { CloseReason::Demoted });
        }
        let is_due = |deal: &BookDeal| {
            let pause = if deal.tries < TRIES_MAX { CLOSE_AGAIN } else { CLOSE_AGAIN_LATER };
            deal.close_sent.is_none_or(|sent| now - sent >= pause)
        };
        let due = self.book.pick(|deal| open(deal) && deal.close_wanted.is_some() && is_due(deal));
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
                self.absorb(now, &known, ctx).await;
            }
            if self.book.get(reference).is_none_or(|deal| deal.phase != Phase::Open) {
                return;
            }
        }
        match ctx.broker.close(reference, now, reason).await {
            Ok(deal) => {
                self.answered(reference);
                self.absorb(now, &deal, ctx).await;
            }
            Err(BrokerError::NotFound { .. }) => {
                if let Some(deal) = self.book.get_mut(reference) {
                    deal.is_lost = true;
                }
                self.broken(now, &Break::gone(reference), false);
            }
            Err(BrokerError::Denied(why)) => self.denied(now, &why),
            Err(why @ (BrokerError::OutcomeUnknown { .. } | BrokerError::Unreachable(_))) => {
                if self.failed(reference) {
                    let text = format!("closing of {reference} not confirmed after {TRIES_MAX} requests: {why}");
                    self.broken(now, &Break::new(BreakKind::CloseFailed, reference, text), false);
                }
            }
        }
    }
}
