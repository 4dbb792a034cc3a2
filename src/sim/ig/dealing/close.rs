//! Closing positions: wholly or in part, by deal or by market.

use crate::domain::{CloseReason, Direction, Money, Price, Size};
use crate::sim::rules;

use super::open::add_profit;
use super::{Outcome, Update, closed_reason, position_update};
use crate::sim::ig::accounts::{Position, profit};
use crate::sim::ig::records::Transaction;
use crate::sim::ig::world::World;

/// A request to close.
#[derive(Clone, Debug)]
pub(in crate::sim::ig) struct Close {
    pub(in crate::sim::ig) deal_id: Option<String>,
    /// Epic and expiry, where no deal is named.
    pub(in crate::sim::ig) market: Option<(String, String)>,
    /// Opposite to the position's.
    pub(in crate::sim::ig) direction: Direction,
    pub(in crate::sim::ig) size: Size,
    /// The worst level of a limit order.
    pub(in crate::sim::ig) level: Option<Price>,
}

/// A closing that was done.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) deal_id: String,
    pub(super) size: Size,
    pub(super) level: Price,
    pub(super) is_whole: bool,
    pub(super) profit: Money,
    pub(super) currency: String,
    pub(super) update: Update,
}

impl Closed {
    /// Adds it to what a confirm tells.
    pub(super) fn add_to(self, outcome: &mut Outcome) {
        let (status, affected) =
            if self.is_whole { ("CLOSED", "FULLY_CLOSED") } else { ("PARTIALLY_CLOSED", "PARTIALLY_CLOSED") };
        outcome.status = Some(status);
        outcome.level = Some(self.level);
        outcome.deal_id.clone_from(&self.deal_id);
        outcome.affected.push((self.deal_id, affected));
        add_profit(&mut outcome.profit, self.profit, &self.currency);
        outcome.updates.push(self.update);
    }
}

impl World {
    /// Closes, or says why not. Returns the reference; `None` where no position fits a request by market.
    pub(in crate::sim::ig) fn close(&mut self, account: &str, request: &Close) -> Option<String> {
        let owner = self.accounts.get(account)?;
        let is_meant = |position: &&Position| match (&request.deal_id, &request.market) {
            (Some(deal_id), _) => position.deal_id == *deal_id,
            (None, Some((epic, _))) => position.epic.as_str() == epic && position.direction != request.direction,
            (None, None) => false,
        };
        let meant: Vec<Position> = owner.positions.iter().filter(is_meant).cloned().collect();
        if meant.is_empty() && request.deal_id.is_none() {
            return None;
        }
        let reference = self.new_reference();
        let refusal = self.faults.take_rejection(self.now).or_else(|| self.close_refusal(&meant, request));
        let epic = meant.first().map_or_else(String::new, |position| position.epic.to_string());
        let expiry = self.board(&epic).map_or_else(|| "-".to_owned(), |board| board.listing.expiry.clone());
        let reason = refusal.as_deref().unwrap_or("SUCCESS");
        let mut outcome = Outcome::rejected(reason, &epic, &expiry, request.direction, Some(request.size));
        if refusal.is_some() {
            outcome.deal_id = request.deal_id.clone().unwrap_or_default();
        } else {
            let mut left = request.size.micros();
            for position in &meant {
                let part = position.size.micros().min(left);
                if part > 0 {
                    let part = Size::from_micros(part);
                    let closed = self.close_at_market(account, &position.deal_id, part, &reference);
                    left -= part.micros();
                    if let Some(closed) = closed {
                        closed.add_to(&mut outcome);
                    }
                }
            }
        }
        self.conclude(account, &reference, "POSITION", &outcome);
        Some(reference)
    }

    fn close_refusal(&self, meant: &[Position], request: &Close) -> Option<String> {
        let Some(first) = meant.first() else { return Some("POSITION_NOT_AVAILABLE_TO_CLOSE".to_owned()) };
        let open: i64 = meant.iter().map(|position| position.size.micros()).sum();
        if first.direction == request.direction || request.size.micros() > open {
            return Some("POSITION_NOT_AVAILABLE_TO_CLOSE".to_owned());
        }
        let board = self.boards.get(&first.epic)?;
        if let Some(reason) = closed_reason(board.status(self.now)) {
            return Some(reason.to_owned());
        }
        let exit = rules::market_exit(first.direction, &board.last, self.faults.slippage(board));
        let is_worse = |worst: Price| (exit - worst).micros() * first.direction.sign() < 0;
        request.level.is_some_and(is_worse).then(|| "LEVEL_TOLERANCE_ERROR".to_owned())
    }

    /// Closes `size` of a position at the quote that stands.
    pub(super) fn close_at_market(
        &mut self,
        account: &str,
        deal_id: &str,
        size: Size,
        reference: &str,
    ) -> Option<Closed> {
        let position = self.accounts.get(account)?.positions.iter().find(|position| position.deal_id == deal_id)?;
        let board = self.boards.get(&position.epic)?;
        let level = rules::market_exit(position.direction, &board.last, self.faults.slippage(board));
        self.close_at(account, deal_id, size, level, reference, None)
    }

    /// Closes `size` of a position at `level`: cash moves, the history knows, the position shrinks or goes.
    pub(super) fn close_at(
        &mut self,
        account: &str,
        deal_id: &str,
        size: Size,
        level: Price,
        reference: &str,
        why: Option<CloseReason>,
    ) -> Option<Closed> {
        let closing_id = self.new_deal_id();
        let now = self.now;
        let owner = self.accounts.get_mut(account)?;
        let at = owner.positions.iter().position(|position| position.deal_id == deal_id)?;
        let board = self.boards.get(&owner.positions[at].epic)?;
        let (made, booked) = profit(board, &owner.positions[at], size, level);
        let is_whole = size >= owner.positions[at].size;
        let mut position = owner.positions[at].clone();
        if is_whole {
            owner.positions.remove(at);
        } else {
            position.size = Size::from_micros(position.size.micros() - size.micros());
            owner.positions[at] = position.clone();
        }
        owner.cash += booked;
        owner.book(Transaction {
            at: now,
            opened: position.opened,
            name: board.listing.name.clone(),
            period: board.listing.expiry.clone(),
            amount: booked,
            kind: "DEAL",
            reference: closing_id[closing_id.len() - 8..].to_owned(),
            deal: Some((position.level, level, size, position.direction == Direction::Short)),
            decimals: board.listing.decimals(),
        });
        let status = if is_whole { "DELETED" } else { "UPDATED" };
        let shown = if is_whole { level } else { position.level };
        // What the market closes itself answers no request: it goes by the position's own reference.
        let reference = if why.is_some() { position.reference.clone() } else { reference.to_owned() };
        let update = position_update(board, &position, status, &reference, shown, now);
        Some(Closed {
            deal_id: deal_id.to_owned(),
            size,
            level,
            is_whole,
            profit: made,
            currency: position.currency,
            update,
        })
    }
}
