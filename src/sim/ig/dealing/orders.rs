//! Working orders: made, amended, deleted.

use crate::domain::{Direction, Epic, Price, Size, UtcMicros};

use super::open::common_refusal;
use super::{Asked, Outcome, are_legs_fair, order_update};
use crate::sim::ig::accounts::{Leg, WorkingOrder};
use crate::sim::ig::board::{Board, Status};
use crate::sim::ig::world::World;

/// A request for a working order.
#[derive(Clone, Debug)]
pub(in crate::sim::ig) struct OrderOpen {
    pub(in crate::sim::ig) epic: String,
    pub(in crate::sim::ig) expiry: String,
    pub(in crate::sim::ig) currency: String,
    pub(in crate::sim::ig) direction: Direction,
    pub(in crate::sim::ig) size: Size,
    pub(in crate::sim::ig) level: Price,
    pub(in crate::sim::ig) is_stop: bool,
    pub(in crate::sim::ig) until: Option<UtcMicros>,
    pub(in crate::sim::ig) stop: Option<Asked>,
    pub(in crate::sim::ig) limit: Option<Asked>,
    pub(in crate::sim::ig) is_guaranteed: bool,
    pub(in crate::sim::ig) is_force_open: bool,
    pub(in crate::sim::ig) reference: Option<String>,
}

/// A request to amend one: what is absent of stop and limit is removed.
#[derive(Clone, Debug)]
pub(in crate::sim::ig) struct OrderAmend {
    pub(in crate::sim::ig) deal_id: String,
    pub(in crate::sim::ig) level: Price,
    /// `None`: as it was.
    pub(in crate::sim::ig) is_stop: Option<bool>,
    /// `None`: as it was; `Some(None)`: until cancelled.
    pub(in crate::sim::ig) until: Option<Option<UtcMicros>>,
    pub(in crate::sim::ig) stop: Option<Asked>,
    pub(in crate::sim::ig) limit: Option<Asked>,
    pub(in crate::sim::ig) is_guaranteed: bool,
}

impl World {
    /// Places a working order, or says why not. Returns the reference.
    pub(in crate::sim::ig) fn place(&mut self, account: &str, request: &OrderOpen) -> String {
        let (reference, is_duplicate) = self.reference_of(account, request.reference.as_deref());
        let scripted = self.faults.take_rejection(self.now);
        let duplicate = is_duplicate.then(|| "DUPLICATE_ORDER_ERROR".to_owned());
        let refusal = scripted.or(duplicate).or_else(|| self.place_refusal(account, request).map(str::to_owned));
        let deal_id = self.new_deal_id();
        let reason = refusal.as_deref().unwrap_or("SUCCESS");
        let size = Some(request.size);
        let mut outcome = Outcome::rejected(reason, &request.epic, &request.expiry, request.direction, size);
        outcome.deal_id.clone_from(&deal_id);
        if let (None, Some(board)) = (&refusal, self.board(&request.epic)) {
            let order = WorkingOrder {
                deal_id: deal_id.clone(),
                reference: reference.clone(),
                epic: Epic::from(request.epic.as_str()),
                direction: request.direction,
                size: request.size,
                level: request.level,
                is_stop: request.is_stop,
                stop: request.stop.map(|asked| asked.leg(board)),
                limit: request.limit.map(|asked| asked.leg(board)),
                is_guaranteed: request.is_guaranteed,
                is_force_open: request.is_force_open,
                currency: request.currency.clone(),
                created: self.now,
                until: request.until,
            };
            outcome.status = Some("OPEN");
            outcome.affected = vec![(deal_id, "OPENED")];
            tell(&mut outcome, board, &order, "OPEN", self.now);
            if let Some(owner) = self.accounts.get_mut(account) {
                owner.orders.push(order);
            }
        }
        self.conclude(account, &reference, "WORKING_ORDER", &outcome);
        reference
    }

    fn place_refusal(&self, account: &str, request: &OrderOpen) -> Option<&'static str> {
        let owner = self.accounts.get(account)?;
        let Some(board) = self.board(&request.epic) else { return Some("INSTRUMENT_NOT_FOUND") };
        let rules =
            common_refusal(owner.is_contracts(), owner.status, board, &request.expiry, &request.currency, request.size);
        if rules.is_some() {
            return rules;
        }
        // A market that is closed but can be edited takes new orders.
        match board.status(self.now) {
            Status::Closed | Status::Suspended => return Some("MARKET_CLOSED"),
            Status::Offline | Status::AuctionNoEdits => return Some("MARKET_OFFLINE"),
            Status::Tradeable | Status::EditsOnly | Status::Auction => {}
        }
        if request.until.is_some_and(|until| until <= self.now) {
            return Some("GOOD_TILL_DATE_IN_THE_PAST");
        }
        if request.is_guaranteed && !board.listing.is_guaranteed_allowed {
            return Some("CANNOT_CHANGE_STOP_TYPE");
        }
        let order = (request.direction, request.is_stop, request.level);
        let legs = (request.stop.map(|asked| asked.leg(board)), request.limit.map(|asked| asked.leg(board)));
        (!is_placed_well(board, order, legs, request.is_guaranteed)).then_some("ATTACHED_ORDER_LEVEL_ERROR")
    }

    /// Amends a working order, or leaves it as it was and says why. Returns the reference.
    pub(in crate::sim::ig) fn amend_order(&mut self, account: &str, request: &OrderAmend) -> String {
        let reference = self.new_reference();
        let scripted = self.faults.take_rejection(self.now);
        let Some((mut order, board)) = self.order(account, &request.deal_id) else {
            return self.no_such_order(account, reference, &request.deal_id);
        };
        if let Some(is_stop) = request.is_stop {
            order.is_stop = is_stop;
        }
        if let Some(until) = request.until {
            order.until = until;
        }
        order.level = request.level;
        order.stop = request.stop.map(|asked| asked.leg(board));
        order.limit = request.limit.map(|asked| asked.leg(board));
        order.is_guaranteed = request.is_guaranteed;
        let placed = (order.direction, order.is_stop, order.level);
        let refusal = scripted.or_else(|| {
            if order.until.is_some_and(|until| until <= self.now) {
                return Some("GOOD_TILL_DATE_IN_THE_PAST".to_owned());
            }
            let is_well = is_placed_well(board, placed, (order.stop, order.limit), order.is_guaranteed);
            (!is_well).then(|| "ATTACHED_ORDER_LEVEL_ERROR".to_owned())
        });
        let reason = refusal.as_deref().unwrap_or("SUCCESS");
        let expiry = &board.listing.expiry;
        let mut outcome = Outcome::rejected(reason, order.epic.as_str(), expiry, order.direction, Some(order.size));
        outcome.deal_id.clone_from(&order.deal_id);
        if refusal.is_none() {
            outcome.status = Some("AMENDED");
            outcome.affected = vec![(order.deal_id.clone(), "AMENDED")];
            tell(&mut outcome, board, &order, "UPDATED", self.now);
            if let Some(owner) = self.accounts.get_mut(account)
                && let Some(held) = owner.orders.iter_mut().find(|held| held.deal_id == order.deal_id)
            {
                *held = order;
            }
        }
        self.conclude(account, &reference, "WORKING_ORDER", &outcome);
        reference
    }

    /// Deletes a working order, or says why not. Returns the reference.
    pub(in crate::sim::ig) fn delete_order(&mut self, account: &str, deal_id: &str) -> String {
        let reference = self.new_reference();
        let scripted = self.faults.take_rejection(self.now);
        let Some((order, board)) = self.order(account, deal_id) else {
            return self.no_such_order(account, reference, deal_id);
        };
        let reason = scripted.as_deref().unwrap_or("SUCCESS");
        let expiry = &board.listing.expiry;
        let mut outcome = Outcome::rejected(reason, order.epic.as_str(), expiry, order.direction, Some(order.size));
        outcome.deal_id.clone_from(&order.deal_id);
        if scripted.is_none() {
            outcome.status = Some("DELETED");
            outcome.affected = vec![(order.deal_id.clone(), "DELETED")];
            tell(&mut outcome, board, &order, "DELETED", self.now);
            if let Some(owner) = self.accounts.get_mut(account) {
                owner.orders.retain(|held| held.deal_id != order.deal_id);
            }
        }
        self.conclude(account, &reference, "WORKING_ORDER", &outcome);
        reference
    }

    fn order(&self, account: &str, deal_id: &str) -> Option<(WorkingOrder, &Board)> {
        let order = self.accounts.get(account)?.orders.iter().find(|order| order.deal_id == deal_id)?;
        Some((order.clone(), self.boards.get(&order.epic)?))
    }

    fn no_such_order(&mut self, account: &str, reference: String, deal_id: &str) -> String {
        let mut outcome = Outcome::rejected("ORDER_NOT_FOUND", "", "-", Direction::Long, None);
        outcome.direction = None;
        deal_id.clone_into(&mut outcome.deal_id);
        self.conclude(account, &reference, "WORKING_ORDER", &outcome);
        reference
    }
}

/// Fills in what a confirm of an order tells.
fn tell(outcome: &mut Outcome, board: &Board, order: &WorkingOrder, status: &'static str, at: UtcMicros) {
    let sign = order.direction.sign();
    outcome.level = Some(order.level);
    outcome.stop = order.stop.map(|leg| leg.level(order.level, -sign));
    outcome.limit = order.limit.map(|leg| leg.level(order.level, sign));
    outcome.is_guaranteed = order.is_guaranteed;
    outcome.updates.push(order_update(board, order, status, at));
}

/// Whether an order lies on its side of the market, and its stop and limit on their sides of it.
///
/// A limit buys below the market and sells above it; a stop does the opposite.
fn is_placed_well(
    board: &Board,
    (direction, is_stop, level): (Direction, bool, Price),
    (stop, limit): (Option<Leg>, Option<Leg>),
    is_guaranteed: bool,
) -> bool {
    let market = match direction {
        Direction::Long => board.last.offer,
        Direction::Short => board.last.bid,
    };
    let sign = direction.sign();
    let beyond = (level - market).micros() * sign * if is_stop { 1 } else { -1 };
    let levels = (stop.map(|leg| leg.level(level, -sign)), limit.map(|leg| leg.level(level, sign)));
    level.micros() > 0 && beyond > 0 && are_legs_fair(board, direction, level, levels.0, levels.1, is_guaranteed)
}
