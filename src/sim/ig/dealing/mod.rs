//! Dealing: what is asked for, what the rules say to it, and how the outcome is told.
//!
//! A request that is well formed gets a reference at once. Its outcome is a confirm, which can be read a moment later for
//! a minute, and which the stream repeats with the change of the position or order.

mod amend;
mod close;
mod nights;
mod open;
mod orders;
mod triggers;

pub(super) use amend::Amend;
pub(super) use close::Close;
pub(super) use open::Open;
pub(super) use orders::{OrderAmend, OrderOpen};

use serde_json::{Value, json};

use crate::domain::{Decimal, Direction, Epic, Micros, Money, Price, PriceDelta, Size, UtcMicros};

use super::accounts::{Confirm, Leg, Position, WorkingOrder, side};
use super::board::{Board, Status};
use super::records::Activity;
use super::text::{iso_millis, number_or_null};
use super::world::World;

/// A stop or a limit as a request has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Level(Price),
    /// So many points from the fill.
    Points(Decimal),
}

impl Asked {
    pub(super) fn leg(self, board: &Board) -> Leg {
        match self {
            Self::Level(level) => Leg::Level(level),
            Self::Points(points) => Leg::Distance(distance(board, points)),
        }
    }
}

/// Points of a market as a distance of prices.
pub(super) fn distance(board: &Board, points: Decimal) -> PriceDelta {
    let micros = i128::from(points.0) * i128::from(board.listing.point.micros()) / 1_000_000;
    PriceDelta::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// What became of a request that deals.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// `SUCCESS`, or why it was rejected.
    pub(super) reason: String,
    /// `OPEN`, `AMENDED`, …; none where it was rejected.
    pub(super) status: Option<&'static str>,
    pub(super) epic: String,
    pub(super) expiry: String,
    pub(super) deal_id: String,
    pub(super) affected: Vec<(String, &'static str)>,
    pub(super) level: Option<Price>,
    pub(super) size: Option<Size>,
    pub(super) direction: Option<Direction>,
    pub(super) stop: Option<Price>,
    pub(super) limit: Option<Price>,
    pub(super) stop_points: Option<Decimal>,
    pub(super) limit_points: Option<Decimal>,
    pub(super) is_guaranteed: bool,
    pub(super) is_trailing: bool,
    pub(super) profit: Option<(Money, String)>,
    /// What the stream tells beside the confirm.
    pub(super) updates: Vec<Update>,
}

impl Outcome {
    /// A rejection.
    fn rejected(reason: &str, epic: &str, expiry: &str, direction: Direction, size: Option<Size>) -> Self {
        Self {
            reason: reason.to_owned(),
            status: None,
            epic: epic.to_owned(),
            expiry: expiry.to_owned(),
            deal_id: String::new(),
            affected: Vec::new(),
            level: None,
            size,
            direction: Some(direction),
            stop: None,
            limit: None,
            stop_points: None,
            limit_points: None,
            is_guaranteed: false,
            is_trailing: false,
            profit: None,
            updates: Vec::new(),
        }
    }

    fn is_accepted(&self) -> bool {
        self.reason == "SUCCESS"
    }

    fn body(&self, reference: &str, at: UtcMicros) -> Value {
        let affected: Vec<Value> =
            self.affected.iter().map(|(deal_id, status)| json!({ "dealId": deal_id, "status": status })).collect();
        json!({
            "date": iso_millis(at),
            "status": self.status,
            "reason": self.reason,
            "dealStatus": if self.is_accepted() { "ACCEPTED" } else { "REJECTED" },
            "epic": self.epic,
            "expiry": self.expiry,
            "dealReference": reference,
            "dealId": self.deal_id,
            "affectedDeals": affected,
            "level": number_or_null(self.level),
            "size": number_or_null(self.size),
            "direction": self.direction.map(side),
            "stopLevel": number_or_null(self.stop),
            "limitLevel": number_or_null(self.limit),
            "stopDistance": number_or_null(self.stop_points),
            "limitDistance": number_or_null(self.limit_points),
            "guaranteedStop": self.is_guaranteed,
            "trailingStop": self.is_trailing,
            "profit": number_or_null(self.profit.as_ref().map(|(profit, _)| *profit)),
            "profitCurrency": self.profit.as_ref().map(|(_, currency)| currency),
        })
    }
}

/// One event on the stream of an account.
#[derive(Clone, Debug)]
pub(super) enum Update {
    /// A change of a position (`OPU`).
    Position(Value),
    /// A change of a working order (`WOU`).
    Order(Value),
    /// A confirm (`CONFIRMS`).
    Confirm(Value),
}

impl Update {
    /// The field that it fills.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Position(_) => "OPU",
            Self::Order(_) => "WOU",
            Self::Confirm(_) => "CONFIRMS",
        }
    }

    /// What it fills it with.
    pub(super) fn body(&self) -> &Value {
        match self {
            Self::Position(body) | Self::Order(body) | Self::Confirm(body) => body,
        }
    }
}

/// A position's change as the stream tells it.
fn position_update(
    board: &Board,
    position: &Position,
    status: &'static str,
    reference: &str,
    level: Price,
    at: UtcMicros,
) -> Update {
    let points = |delta: Option<PriceDelta>| number_or_null(delta.map(|delta| Position::points(board, delta)));
    let size = if status == "DELETED" { Size::ZERO } else { position.size };
    Update::Position(json!({
        "dealReference": reference,
        "dealId": position.deal_id,
        "dealIdOrigin": position.deal_id,
        "direction": side(position.direction),
        "epic": position.epic.as_str(),
        "status": status,
        "dealStatus": "ACCEPTED",
        "level": super::text::number(level),
        "size": super::text::number(size),
        "timestamp": iso_millis(at),
        "channel": "PublicRestOTC",
        "expiry": board.listing.expiry,
        "currency": position.currency,
        "stopLevel": number_or_null(position.stop),
        "limitLevel": number_or_null(position.limit),
        "guaranteedStop": position.is_guaranteed,
        "trailingStopDistance": points(position.trailing.map(|trailing| trailing.distance)),
        "trailingStep": points(position.trailing.map(|trailing| trailing.step)),
    }))
}

/// A working order's change as the stream tells it.
fn order_update(board: &Board, order: &WorkingOrder, status: &'static str, at: UtcMicros) -> Update {
    let points = |leg: Option<Leg>| number_or_null(leg.map(|leg| Position::points(board, leg.distance(order.level))));
    Update::Order(json!({
        "direction": side(order.direction),
        "epic": order.epic.as_str(),
        "dealId": order.deal_id,
        "dealReference": order.reference,
        "dealStatus": "ACCEPTED",
        "status": status,
        "level": super::text::number(order.level),
        "size": super::text::number(order.size),
        "stopDistance": points(order.stop),
        "limitDistance": points(order.limit),
        "guaranteedStop": order.is_guaranteed,
        "currency": order.currency,
        "expiry": board.listing.expiry,
        "orderType": order.kind(),
        "timeInForce": if order.until.is_some() { "GOOD_TILL_DATE" } else { "GOOD_TILL_CANCELLED" },
        "goodTillDate": order.until.map(super::text::iso),
        "channel": "PublicRestOTC",
        "timestamp": iso_millis(at),
    }))
}

/// Why nothing can be opened or closed while a market stands so.
fn closed_reason(status: Status) -> Option<&'static str> {
    match status {
        Status::Tradeable => None,
        Status::Closed | Status::Suspended => Some("MARKET_CLOSED"),
        Status::EditsOnly | Status::Auction => Some("MARKET_CLOSED_WITH_EDITS"),
        Status::Offline | Status::AuctionNoEdits => Some("MARKET_OFFLINE"),
    }
}

/// Whether stop and limit of a position in `direction` stand on their sides of `from`, neither too near nor too far.
fn are_legs_fair(
    board: &Board,
    direction: Direction,
    from: Price,
    stop: Option<Price>,
    limit: Option<Price>,
    is_guaranteed: bool,
) -> bool {
    let listing = &board.listing;
    let rule = if is_guaranteed { listing.guaranteed_min } else { listing.stop_min };
    let farthest = listing.stop_max.distance(from, listing.point);
    let is_fair = |level: Price, sign: i64, least: PriceDelta| {
        let away = PriceDelta::from_micros((level - from).micros() * sign);
        level.micros() > 0 && away >= least && away > PriceDelta::ZERO && away <= farthest
    };
    let sign = direction.sign();
    stop.is_none_or(|level| is_fair(level, -sign, rule.distance(from, listing.point)))
        && limit.is_none_or(|level| is_fair(level, sign, listing.stop_min.distance(from, listing.point)))
}

impl World {
    /// A new deal id, in the shape of the venue's.
    pub(super) fn new_deal_id(&mut self) -> String {
        format!("DIAAAA{}", self.letters(9))
    }

    /// A deal reference for a request that brought none.
    pub(super) fn new_reference(&mut self) -> String {
        self.letters(15)
    }

    fn letters(&mut self, n: usize) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        (0..n).map(|_| char::from(LETTERS[usize::try_from(self.rng.next_u64() >> 59).unwrap_or(0)])).collect()
    }

    /// A length drawn evenly from a range.
    pub(super) fn draw(&mut self, (least, most): (Micros, Micros)) -> Micros {
        let span = u64::try_from(most.0 - least.0).unwrap_or(0);
        if span == 0 {
            return least;
        }
        Micros(least.0 + i64::try_from(self.rng.next_u64() % (span + 1)).unwrap_or(0))
    }

    /// The board of an epic.
    pub(super) fn board(&self, epic: &str) -> Option<&Board> {
        self.boards.get(&Epic::from(epic))
    }

    /// Tells an outcome: a confirm over REST soon, on the stream somewhat later; an activity in the history.
    pub(super) fn conclude(&mut self, account: &str, reference: &str, kind: &'static str, outcome: &Outcome) {
        let at = self.now;
        let body = outcome.body(reference, at);
        let plan = self.faults.plan_confirm(at);
        let delay = plan.delay.unwrap_or_else(|| self.draw(self.delays.confirm));
        let readable = at + delay;
        let life = self.delays.confirm_life;
        if let Some(owner) = self.accounts.get_mut(account) {
            owner.expire_confirms(at);
            if !plan.is_lost {
                let confirm = Confirm { body: body.clone(), from: readable, until: readable + life };
                owner.confirms.insert(reference.to_owned(), confirm);
            }
        }
        let mut updates = outcome.updates.clone();
        if !plan.is_lost {
            let mut told = body.clone();
            told["channel"] = json!("PublicRestOTC");
            told["repeatDealingWindow"] = json!({ "entries": [] });
            updates.extend((0..=plan.copies).map(|_| Update::Confirm(told.clone())));
        }
        for update in updates {
            let later = self.draw(self.delays.stream);
            self.tell_later(readable + later, account, update);
        }
        self.record(account, reference, kind, outcome);
        if let Some(owner) = self.accounts.get(account) {
            let owner = owner.spec.id.clone();
            self.publish_account(&owner);
        }
    }

    /// An activity that follows from an outcome.
    fn record(&mut self, account: &str, reference: &str, kind: &'static str, outcome: &Outcome) {
        let name = self.board(&outcome.epic).map_or_else(String::new, |board| board.listing.name.clone());
        let currency =
            self.board(&outcome.epic).map_or_else(String::new, |board| board.listing.currency().symbol.clone());
        let actions: Vec<Value> = outcome
            .affected
            .iter()
            .map(|(deal_id, status)| json!({ "actionType": action_type(kind, status), "affectedDealId": deal_id }))
            .collect();
        let description = match outcome.affected.first() {
            Some((deal_id, status)) => format!("{}: {deal_id}", sentence(kind, status)),
            None => format!("Deal rejected: {}", outcome.reason),
        };
        let details = json!({
            "dealReference": reference,
            "actions": actions,
            "marketName": name,
            "goodTillDate": null,
            "currency": currency,
            "size": number_or_null(outcome.size),
            "direction": outcome.direction.map(side),
            "level": number_or_null(outcome.level),
            "stopLevel": number_or_null(outcome.stop),
            "stopDistance": number_or_null(outcome.stop_points),
            "guaranteedStop": outcome.is_guaranteed,
            "trailingStopDistance": null,
            "trailingStep": null,
            "limitLevel": number_or_null(outcome.limit),
            "limitDistance": number_or_null(outcome.limit_points),
        });
        let activity = Activity {
            at: self.now,
            epic: outcome.epic.clone(),
            period: outcome.expiry.clone(),
            deal_id: outcome.deal_id.clone(),
            channel: "PUBLIC_WEB_API",
            kind,
            is_accepted: outcome.is_accepted(),
            description,
            details,
        };
        if let Some(owner) = self.accounts.get_mut(account) {
            owner.record(activity);
        }
    }

    /// The reference of a request, and whether it was used before.
    fn reference_of(&mut self, account: &str, given: Option<&str>) -> (String, bool) {
        let reference = given.map_or_else(|| self.new_reference(), ToOwned::to_owned);
        let is_fresh = self.accounts.get_mut(account).is_none_or(|account| account.use_reference(&reference));
        (reference, !is_fresh)
    }
}

/// The history's word for what happened to a deal.
fn action_type(kind: &str, status: &str) -> &'static str {
    match (kind, status) {
        ("WORKING_ORDER", "OPENED") => "LIMIT_ORDER_OPENED",
        ("WORKING_ORDER", "AMENDED") => "LIMIT_ORDER_AMENDED",
        ("WORKING_ORDER", "DELETED") => "WORKING_ORDER_DELETED",
        ("EDIT_STOP_AND_LIMIT", _) => "STOP_LIMIT_AMENDED",
        (_, "OPENED") => "POSITION_OPENED",
        (_, "FULLY_CLOSED") => "POSITION_CLOSED",
        (_, "PARTIALLY_CLOSED") => "POSITION_PARTIALLY_CLOSED",
        (_, "DELETED") => "POSITION_DELETED",
        _ => "UNKNOWN",
    }
}

fn sentence(kind: &str, status: &str) -> &'static str {
    match (kind, status) {
        ("WORKING_ORDER", "OPENED") => "Order opened",
        ("WORKING_ORDER", "AMENDED") => "Order amended",
        ("WORKING_ORDER", _) => "Order deleted",
        (_, "OPENED") => "Position opened",
        (_, "FULLY_CLOSED") => "Position closed",
        (_, "PARTIALLY_CLOSED") => "Position partially closed",
        (_, "AMENDED") => "Stop and limit amended",
        _ => "Position deleted",
    }
}
