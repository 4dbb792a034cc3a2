//! Amending a position's stop and limit.

use crate::domain::{Decimal, Direction, Price, PriceDelta};

use super::{Outcome, are_legs_fair, distance, position_update};
use crate::sim::ig::accounts::{Position, Trailing};
use crate::sim::ig::board::{Board, Status};
use crate::sim::ig::world::World;

/// A request to amend: what is absent is removed.
#[derive(Clone, Debug)]
pub(in crate::sim::ig) struct Amend {
    pub(in crate::sim::ig) deal_id: String,
    pub(in crate::sim::ig) stop: Option<Price>,
    pub(in crate::sim::ig) limit: Option<Price>,
    pub(in crate::sim::ig) is_guaranteed: bool,
    /// Distance and step of a trailing stop, in points.
    pub(in crate::sim::ig) trailing: Option<(Decimal, Decimal)>,
}

impl World {
    /// Amends, or leaves everything as it was and says why. Returns the reference.
    pub(in crate::sim::ig) fn amend(&mut self, account: &str, request: &Amend) -> String {
        let reference = self.new_reference();
        let found = self
            .accounts
            .get(account)
            .and_then(|owner| owner.positions.iter().find(|position| position.deal_id == request.deal_id).cloned());
        let scripted = self.faults.take_rejection(self.now);
        let Some(mut position) = found else {
            let reason = scripted.as_deref().unwrap_or("POSITION_NOT_FOUND");
            let mut outcome = Outcome::rejected(reason, "", "-", Direction::Long, None);
            outcome.direction = None;
            outcome.deal_id.clone_from(&request.deal_id);
            self.conclude(account, &reference, "EDIT_STOP_AND_LIMIT", &outcome);
            return reference;
        };
        let is_enabled = self.accounts.get(account).is_some_and(|owner| owner.is_trailing_enabled);
        let Some(board) = self.boards.get(&position.epic) else { return reference };
        let refusal = scripted
            .or_else(|| refusal(board, board.status(self.now), &position, request, is_enabled).map(str::to_owned));
        let reason = refusal.as_deref().unwrap_or("SUCCESS");
        let mut outcome = Outcome::rejected(
            reason,
            position.epic.as_str(),
            &board.listing.expiry,
            position.direction,
            Some(position.size),
        );
        outcome.deal_id.clone_from(&position.deal_id);
        outcome.level = Some(position.level);
        if refusal.is_none() {
            (position.stop, position.limit) = (request.stop, request.limit);
            position.is_guaranteed = request.is_guaranteed;
            position.trailing = request
                .trailing
                .map(|(away, step)| Trailing { distance: distance(board, away), step: distance(board, step) });
            outcome.status = Some("AMENDED");
            outcome.affected = vec![(position.deal_id.clone(), "AMENDED")];
            (outcome.stop, outcome.limit) = (position.stop, position.limit);
            outcome.is_guaranteed = position.is_guaranteed;
            outcome.is_trailing = position.trailing.is_some();
            let update = position_update(board, &position, "UPDATED", &reference, position.level, self.now);
            outcome.updates.push(update);
            if let Some(owner) = self.accounts.get_mut(account) {
                let held = owner.positions.iter_mut().find(|held| held.deal_id == position.deal_id);
                if let Some(held) = held {
                    *held = position;
                }
            }
        }
        self.conclude(account, &reference, "EDIT_STOP_AND_LIMIT", &outcome);
        reference
    }
}

fn refusal(
    board: &Board,
    status: Status,
    position: &Position,
    request: &Amend,
    is_trailing_enabled: bool,
) -> Option<&'static str> {
    match status {
        Status::Tradeable => {}
        Status::EditsOnly | Status::Auction => return nearer(position, request),
        Status::Closed | Status::Suspended => return Some("MARKET_CLOSED"),
        Status::Offline | Status::AuctionNoEdits => return Some("MARKET_OFFLINE"),
    }
    if request.is_guaranteed != position.is_guaranteed && !board.listing.is_guaranteed_allowed {
        return Some("CANNOT_CHANGE_STOP_TYPE");
    }
    if let Some((_, step)) = request.trailing {
        if !is_trailing_enabled || !board.listing.is_trailing_allowed {
            return Some("TRAILING_STOP_NOT_ALLOWED");
        }
        let least = board.listing.step_min.distance(position.level, board.listing.point);
        if distance(board, step) < least.max(PriceDelta::from_micros(1)) {
            return Some("ATTACHED_ORDER_TRAILING_STOP_ERROR");
        }
    }
    let from = board.closing(position.direction);
    // A level that stays as it is need not be as far away as a new one.
    let stop = request.stop.filter(|_| request.stop != position.stop);
    let limit = request.limit.filter(|_| request.limit != position.limit);
    let is_fair = are_legs_fair(board, position.direction, from, stop, limit, request.is_guaranteed);
    (!is_fair).then_some("ATTACHED_ORDER_LEVEL_ERROR")
}

/// Where a market can only be edited, stops and limits may move away from it and no nearer.
fn nearer(position: &Position, request: &Amend) -> Option<&'static str> {
    let sign = position.direction.sign();
    let is_nearer = |before: Option<Price>, after: Option<Price>, sign: i64| match (before, after) {
        (Some(before), Some(after)) => (after - before).micros() * sign > 0,
        _ => false,
    };
    if is_nearer(position.stop, request.stop, sign) {
        Some("MOVE_AWAY_ONLY_STOP")
    } else if is_nearer(position.limit, request.limit, -sign) {
        Some("MOVE_AWAY_ONLY_LIMIT")
    } else {
        None
    }
}
