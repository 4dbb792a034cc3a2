//! Opening a position, netting where it is not forced open.

use crate::domain::{Decimal, Direction, Epic, Money, Price, PriceDelta, Size, next_funding};
use crate::sim::rules;

use super::close::Closed;
use super::{Asked, Outcome, are_legs_fair, closed_reason, distance, position_update};
use crate::sim::ig::accounts::{Position, Trailing, margin};
use crate::sim::ig::board::Board;
use crate::sim::ig::world::World;

/// A request to open a position.
#[derive(Clone, Debug)]
pub(in crate::sim::ig) struct Open {
    pub(in crate::sim::ig) epic: String,
    pub(in crate::sim::ig) expiry: String,
    pub(in crate::sim::ig) currency: String,
    pub(in crate::sim::ig) direction: Direction,
    pub(in crate::sim::ig) size: Size,
    /// The worst level of a limit order; none for a market order.
    pub(in crate::sim::ig) level: Option<Price>,
    pub(in crate::sim::ig) is_quote: bool,
    pub(in crate::sim::ig) stop: Option<Asked>,
    pub(in crate::sim::ig) limit: Option<Asked>,
    pub(in crate::sim::ig) is_guaranteed: bool,
    /// The step of a trailing stop in points.
    pub(in crate::sim::ig) trailing: Option<Decimal>,
    pub(in crate::sim::ig) is_force_open: bool,
    pub(in crate::sim::ig) reference: Option<String>,
}

impl World {
    /// Opens a position, or says why not. Returns the reference.
    pub(in crate::sim::ig) fn open(&mut self, account: &str, request: &Open) -> String {
        let (reference, is_duplicate) = self.reference_of(account, request.reference.as_deref());
        let scripted = self.faults.take_rejection(self.now);
        let refusal = match scripted {
            Some(reason) => Some(reason),
            None if is_duplicate => Some("DUPLICATE_ORDER_ERROR".to_owned()),
            None => self.refusal(account, request).map(str::to_owned),
        };
        let outcome = match refusal {
            Some(reason) => {
                let size = Some(request.size);
                let mut outcome = Outcome::rejected(&reason, &request.epic, &request.expiry, request.direction, size);
                outcome.deal_id = self.new_deal_id();
                outcome
            }
            None => self.fill(account, request, &reference),
        };
        self.conclude(account, &reference, "POSITION", &outcome);
        reference
    }

    /// The rule that a request breaks.
    fn refusal(&self, account: &str, request: &Open) -> Option<&'static str> {
        let owner = self.accounts.get(account)?;
        let Some(board) = self.board(&request.epic) else { return Some("INSTRUMENT_NOT_FOUND") };
        if let Some(reason) =
            common_refusal(owner.is_contracts(), owner.status, board, &request.expiry, &request.currency, request.size)
        {
            return Some(reason);
        }
        if let Some(reason) = closed_reason(board.status(self.now)) {
            return Some(reason);
        }
        if request.is_quote {
            return Some("ORDER_DECLINED");
        }
        let fill = rules::entry(request.direction, &board.last, self.faults.slippage(board));
        let sign = request.direction.sign();
        if request.level.is_some_and(|worst| (fill - worst).micros() * sign > 0) {
            return Some("LEVEL_TOLERANCE_ERROR");
        }
        if request.is_guaranteed && !board.listing.is_guaranteed_allowed {
            return Some("CANNOT_CHANGE_STOP_TYPE");
        }
        if let Some(step) = request.trailing {
            if !board.listing.is_trailing_allowed || !owner.is_trailing_enabled {
                return Some("TRAILING_STOP_NOT_ALLOWED");
            }
            let least = board.listing.step_min.distance(fill, board.listing.point);
            if distance(board, step) < least.max(PriceDelta::from_micros(1)) {
                return Some("ATTACHED_ORDER_TRAILING_STOP_ERROR");
            }
        }
        let (stop, limit) = legs(board, request.direction, fill, request.stop, request.limit);
        if !are_legs_fair(board, request.direction, fill, stop, limit, request.is_guaranteed) {
            return Some("ATTACHED_ORDER_LEVEL_ERROR");
        }
        let opposite =
            |position: &&Position| position.epic.as_str() == request.epic && position.direction != request.direction;
        let against: i64 = owner.positions.iter().filter(opposite).map(|position| position.size.micros()).sum();
        if request.is_force_open && against > 0 && !owner.spec.is_hedging_allowed {
            return Some("OPPOSING_POSITIONS_NOT_ALLOWED");
        }
        let netted = if request.is_force_open { 0 } else { against.min(request.size.micros()) };
        let fresh = Size::from_micros(request.size.micros() - netted);
        let needed = margin(board, &request.currency, fresh, fill);
        if needed > owner.sums(&self.boards).available() {
            return Some("INSUFFICIENT_FUNDS");
        }
        (request.size > board.listing.size_max).then_some("MAX_AUTO_SIZE_EXCEEDED")
    }

    /// Deals at the quote that stands.
    fn fill(&mut self, account: &str, request: &Open, reference: &str) -> Outcome {
        let mut outcome =
            Outcome::rejected("SUCCESS", &request.epic, &request.expiry, request.direction, Some(request.size));
        let mut left = request.size;
        if !request.is_force_open {
            for closed in self.net(account, request, reference) {
                left = Size::from_micros(left.micros() - closed.size.micros());
                closed.add_to(&mut outcome);
            }
        }
        if left.micros() == 0 {
            return outcome;
        }
        let Some(board) = self.board(&request.epic) else { return outcome };
        let fill = rules::entry(request.direction, &board.last, self.faults.slippage(board));
        let (stop, limit) = legs(board, request.direction, fill, request.stop, request.limit);
        let trailing = request.trailing.zip(stop).map(|(step, stop)| Trailing {
            distance: PriceDelta::from_micros((fill - stop).micros().abs()),
            step: distance(board, step),
        });
        let points = |level: Option<Price>| {
            level.map(|level| Position::points(board, PriceDelta::from_micros((level - fill).micros().abs())))
        };
        outcome.stop_points = points(stop).filter(|_| matches!(request.stop, Some(Asked::Points(_))));
        outcome.limit_points = points(limit).filter(|_| matches!(request.limit, Some(Asked::Points(_))));
        let (deal_id, now) = (self.new_deal_id(), self.now);
        let position = Position {
            deal_id: deal_id.clone(),
            reference: reference.to_owned(),
            epic: Epic::from(request.epic.as_str()),
            direction: request.direction,
            size: left,
            level: fill,
            stop,
            limit,
            is_guaranteed: request.is_guaranteed,
            trailing,
            currency: request.currency.clone(),
            opened: now,
            listed: now + self.faults.listing_delay(now),
            funding: next_funding(now),
        };
        if let Some(board) = self.board(&request.epic) {
            outcome.updates.push(position_update(board, &position, "OPEN", reference, fill, now));
        }
        outcome.status = Some("OPEN");
        outcome.level = Some(fill);
        outcome.size = Some(left);
        (outcome.stop, outcome.limit) = (stop, limit);
        outcome.is_guaranteed = request.is_guaranteed;
        outcome.is_trailing = trailing.is_some();
        outcome.affected.push((deal_id.clone(), "OPENED"));
        // What was opened comes first: it is what the request was about.
        outcome.affected.rotate_right(1);
        outcome.deal_id = deal_id;
        outcome.profit = None;
        if let Some(owner) = self.accounts.get_mut(account) {
            owner.positions.push(position);
        }
        outcome
    }

    /// Closes opposite positions, the oldest first, as far as the request goes.
    fn net(&mut self, account: &str, request: &Open, reference: &str) -> Vec<Closed> {
        let mut left = request.size.micros();
        let mut closed = Vec::new();
        let Some(owner) = self.accounts.get(account) else { return closed };
        let against: Vec<(String, i64)> = owner
            .positions
            .iter()
            .filter(|position| position.epic.as_str() == request.epic && position.direction != request.direction)
            .map(|position| (position.deal_id.clone(), position.size.micros()))
            .collect();
        for (deal_id, size) in against {
            let part = size.min(left);
            if part > 0 {
                closed.extend(self.close_at_market(account, &deal_id, Size::from_micros(part), reference));
                left -= part;
            }
        }
        closed
    }
}

/// The levels of stop and limit for a fill.
fn legs(
    board: &Board,
    direction: Direction,
    fill: Price,
    stop: Option<Asked>,
    limit: Option<Asked>,
) -> (Option<Price>, Option<Price>) {
    let level = |asked: Option<Asked>, sign: i64| asked.map(|asked| asked.leg(board).level(fill, sign));
    (level(stop, -direction.sign()), level(limit, direction.sign()))
}

/// What every order must keep to.
pub(super) fn common_refusal(
    is_contracts: bool,
    status: &str,
    board: &Board,
    expiry: &str,
    currency: &str,
    size: Size,
) -> Option<&'static str> {
    let listing = &board.listing;
    if status != "ENABLED" {
        return Some("ACCOUNT_NOT_ENABLED_TO_TRADING");
    }
    if is_contracts && expiry != "-" {
        return Some("REJECT_SPREADBET_ORDER_ON_CFD_ACCOUNT");
    }
    if !is_contracts && expiry == "-" {
        return Some("REJECT_CFD_ORDER_ON_SPREADBET_ACCOUNT");
    }
    if expiry != listing.expiry {
        return Some("INSTRUMENT_NOT_FOUND");
    }
    if listing.currency_of(currency).is_none() {
        return Some("CONTACT_SUPPORT_INSTRUMENT_ERROR");
    }
    if size < listing.size_min {
        return Some("MINIMUM_ORDER_SIZE_ERROR");
    }
    (size.micros() % listing.size_step.micros() != 0).then_some("SIZE_INCREMENT")
}

/// The sum of what several closings made.
pub(super) fn add_profit(sum: &mut Option<(Money, String)>, profit: Money, currency: &str) {
    match sum {
        Some((total, _)) => *total += profit,
        None => *sum = Some((profit, currency.to_owned())),
    }
}
