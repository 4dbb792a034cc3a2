//! The two books against each other, at the start, every minute, and again soon where something was odd.
//!
//! A broker's list may lag behind: an empty one is believed only when it comes twice in a row, and a position that it
//! leaves out, or that we have closed, is looked for three times. Whatever is found ends with our book as the broker's
//! is, or halts dealing under the name of the difference.

use super::deal::{BookDeal, Phase};
use super::dealing::{Desk, TRIES_MAX};
use super::{Break, DeskContext, compare};
use crate::broker::{BrokerError, Deal, DealStatus};
use crate::domain::{BreakKind, DealReference, Micros, UtcMicros};

/// From a comparison with something odd to the next one.
const AGAIN: Micros = Micros(5_000_000);

/// Comparisons in a row that say the same before it is believed.
const DOUBTS_MAX: u32 = 3;

impl Desk {
    /// Whether it is time to compare the books.
    pub(super) fn is_comparison_due(&self, now: UtcMicros) -> bool {
        let minute = now.0.div_euclid(60_000_000);
        self.book.reconciled_minute.is_none_or(|last| minute > last) || self.book.again.is_some_and(|at| now >= at)
    }

    /// Has the books compared again soon.
    pub(super) fn look_again(&mut self, now: UtcMicros) {
        self.book.again = Some(now + AGAIN);
    }

    /// Compares the two books; a difference halts dealing under its name.
    pub(super) async fn reconcile(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) {
        self.book.reconciled_minute = Some(now.0.div_euclid(60_000_000));
        self.book.again = None;
        match self.find_breaks(now, ctx).await {
            Ok(breaks) => {
                self.unanswered = 0;
                let count = if breaks.is_empty() { &mut self.compared.0 } else { &mut self.compared.1 };
                *count += 1;
                breaks.iter().for_each(|found| self.broken(now, found, false));
            }
            Err(BrokerError::Denied(why)) => self.denied(now, &why),
            Err(why) => {
                self.unanswered += 1;
                if self.unanswered >= TRIES_MAX {
                    let text = format!("books not compared for {TRIES_MAX} minutes: {why}");
                    self.broken(now, &Break::new(BreakKind::NotCompared, &"".into(), text), false);
                }
            }
        }
    }

    /// At the word of an operator: what our book has and the broker does not is written off.
    ///
    /// # Errors
    /// A sentence that says what else still differs.
    pub(super) async fn settle_breaks(
        &mut self,
        time: UtcMicros,
        reason: &str,
        ctx: &DeskContext<'_>,
    ) -> Result<(), String> {
        let breaks = self.find_breaks(time, ctx).await.map_err(|error| error.to_string())?;
        let (lost, left): (Vec<_>, Vec<_>) =
            breaks.into_iter().partition(|found| found.kind == BreakKind::ClosedOutside);
        for found in lost {
            let reason = format!("not at the broker; {reason}");
            self.record(crate::store::entry::DeskEntry::WrittenOff { time, reference: found.reference, reason });
        }
        let doubted = self.book.alive().find(|deal| deal.doubts > 0 && !deal.is_lost);
        let doubt = doubted.map(|deal| {
            format!(
                "position {} is not as the broker's list says: it is looked at again, try in a moment",
                deal.reference
            )
        });
        match left.first().map(ToString::to_string).or(doubt) {
            None => Ok(()),
            Some(why) => {
                self.flush(time, ctx).await;
                Err(why)
            }
        }
    }

    /// Mends what can be mended, and tells what is left.
    async fn find_breaks(&mut self, now: UtcMicros, ctx: &DeskContext<'_>) -> Result<Vec<Break>, BrokerError> {
        let theirs = ctx.broker.open_positions().await?;
        let was_empty = std::mem::replace(&mut self.book.was_empty, theirs.is_empty());
        if theirs.is_empty() && !was_empty && !self.book.expected().is_empty() {
            self.look_again(now);
            let of_ours = self.book.pick(|deal| deal.phase == Phase::Open && !deal.is_lost);
            for reference in &of_ours {
                self.doubt(reference);
            }
            return Ok(Vec::new());
        }
        if was_empty && !theirs.is_empty() {
            self.note_false_emptiness(now, &theirs);
        }
        let mut breaks = Vec::new();
        for deal in &theirs {
            breaks.extend(self.take_listed(now, deal, ctx).await);
        }
        for expected in self.book.expected() {
            if theirs.iter().all(|deal| deal.reference != expected.reference) {
                breaks.extend(self.take_absent(now, &expected.reference, theirs.is_empty(), ctx).await?);
            }
        }
        // What was mended is equal by now; what is in doubt is looked at again.
        let doubted = |reference: &DealReference| self.book.get(reference).is_some_and(|deal| deal.doubts > 0);
        let rest = compare(&self.book.expected(), &theirs).into_iter().filter(|found| !doubted(&found.reference));
        for found in rest {
            if breaks.iter().all(|known: &Break| known.reference != found.reference) {
                breaks.push(found);
            }
        }
        if self.book.alive().any(|deal| deal.doubts > 0 && !deal.is_lost) {
            self.look_again(now);
        }
        Ok(breaks)
    }

    /// The broker's list was empty the last time, and now it has a position of ours that was there all along.
    fn note_false_emptiness(&mut self, now: UtcMicros, theirs: &[Deal]) {
        let is_back = |deal: &&Deal| {
            self.book.get(&deal.reference).is_some_and(|ours| ours.phase == Phase::Open && ours.doubts > 0)
        };
        if let Some(deal) = theirs.iter().find(is_back) {
            let text = format!("the broker listed no position once, and {} was there all along", deal.reference);
            let found = Break::new(BreakKind::EmptyAnswer, &deal.reference, text);
            self.broken(now, &found, true);
        }
    }

    /// A position that the broker lists.
    async fn take_listed(&mut self, now: UtcMicros, deal: &Deal, ctx: &DeskContext<'_>) -> Option<Break> {
        let reference = &deal.reference;
        let ours = self.book.get_mut(reference)?;
        let phase = ours.phase;
        match phase {
            Phase::Sent | Phase::Unknown | Phase::Rejected | Phase::WrittenOff => {
                let seat = ours.seat;
                let has_other = self.book.alive().any(|other| other.seat == seat && other.reference != *reference);
                self.opened(now, deal, ctx).await;
                let text = format!("order {reference} was filled at {}, and we had not heard of it", deal.level);
                let found = Break::new(BreakKind::MissedFill, reference, text);
                // Two positions of one candidate were never meant.
                self.broken(now, &found, !has_other);
                None
            }
            Phase::Open => {
                let is_smaller = deal.size < ours.left();
                (ours.is_lost, ours.doubts) = (false, if is_smaller { ours.doubts } else { 0 });
                if !is_smaller || self.take_parts(now, deal, ctx).await == Some(true) {
                    if let Some(ours) = self.book.get_mut(reference) {
                        ours.doubts = 0;
                    }
                    return self.take_size(now, deal);
                }
                let expected = self.book.get(reference).map(BookDeal::left).unwrap_or_default();
                self.doubt(reference).then(|| {
                    let theirs = deal.size;
                    let text = format!(
                        "position {reference}: size is {expected} in our book and {theirs} at the broker, whose history does not say why"
                    );
                    Break::new(BreakKind::PartialClose, reference, text)
                })
            }
            // A list that lags behind its own closings.
            Phase::Closed => self.doubt(reference).then(|| {
                let text = format!("position {} ({reference}) is closed in our book and open at the broker", deal.id);
                Break::new(BreakKind::OpenedOutside, reference, text)
            }),
        }
    }

    /// More than we have: our book takes the broker's size, and says so.
    fn take_size(&mut self, now: UtcMicros, deal: &Deal) -> Option<Break> {
        let ours = self.book.get(&deal.reference)?;
        let found = compare(&[ours.expected()], std::slice::from_ref(deal)).into_iter().next();
        if deal.size > ours.left() {
            let parts = ours.size.micros() - ours.left().micros();
            let size = crate::domain::Size::from_micros(deal.size.micros() + parts);
            let reference = deal.reference.clone();
            self.record(crate::store::entry::DeskEntry::Resized { time: now, reference, size });
        }
        found
    }

    /// A position of ours that the broker does not list: as a rule its stop or limit closed it, and we were not told.
    async fn take_absent(
        &mut self,
        now: UtcMicros,
        reference: &DealReference,
        is_empty: bool,
        ctx: &DeskContext<'_>,
    ) -> Result<Option<Break>, BrokerError> {
        let said = ctx.broker.confirm(reference).await;
        if let Ok(deal) = &said {
            self.absorb(now, deal, ctx).await;
        }
        if let Err(BrokerError::Denied(why)) = said {
            return Err(BrokerError::Denied(why));
        }
        if self.book.get(reference).is_none_or(|deal| deal.phase != Phase::Open) || !self.doubt(reference) {
            return Ok(None);
        }
        let is_said_open = said.is_ok_and(|deal| deal.status == DealStatus::Open);
        if is_empty && is_said_open {
            let text = format!("the broker lists no position, and says that {reference} is open");
            return Ok(Some(Break::new(BreakKind::EmptyAnswer, reference, text)));
        }
        if let Some(deal) = self.book.get_mut(reference) {
            deal.is_lost = true;
        }
        Ok(Some(Break::gone(reference)))
    }

    /// Counts a list that says something else of a deal than we know; whether it is believed now.
    fn doubt(&mut self, reference: &DealReference) -> bool {
        self.book.get_mut(reference).is_some_and(|deal| {
            deal.doubts += 1;
            deal.doubts >= DOUBTS_MAX
        })
    }
}
