//! What a quote does by itself: stops, limits and working orders that it reaches, stops that follow it.

use serde_json::json;

use crate::domain::{CloseReason, Direction, Epic, Price, Size, Tick, UtcMicros, next_funding};
use crate::sim::rules;

use super::open::add_profit;
use super::{Outcome, Update, order_update, position_update};
use crate::sim::ig::accounts::{Position, Trailing, WorkingOrder, margin};
use crate::sim::ig::records::Activity;
use crate::sim::ig::text::number;
use crate::sim::ig::world::World;

impl World {
    /// Holds everything that waits on `epic` against a quote: positions in the order in which they were opened, then
    /// orders in the order in which they were made. What a quote opens is looked at from the next quote on.
    pub(in crate::sim::ig) fn trigger(&mut self, epic: &Epic, tick: &Tick) {
        let waiting: Vec<String> = self
            .accounts
            .values()
            .filter(|owner| {
                owner.positions.iter().any(|position| position.epic == *epic)
                    || owner.orders.iter().any(|order| order.epic == *epic)
            })
            .map(|owner| owner.spec.id.clone())
            .collect();
        for account in waiting {
            self.trigger_positions(&account, epic, tick);
            self.trigger_orders(&account, epic, tick);
        }
    }

    fn trigger_positions(&mut self, account: &str, epic: &Epic, tick: &Tick) {
        let Some(board) = self.boards.get(epic) else { return };
        let slippage = self.faults.slippage(board);
        let Some(owner) = self.accounts.get(account) else { return };
        let mut exits = Vec::new();
        let mut moved = Vec::new();
        for position in owner.positions.iter().filter(|position| position.epic == *epic) {
            if let Some((level, why)) = rules::exit(position.direction, position.stop, position.limit, tick, slippage) {
                // A guaranteed stop deals at its level, whatever the gap.
                let level = match position.stop {
                    Some(stop) if position.is_guaranteed && why == CloseReason::Stop => stop,
                    _ => level,
                };
                exits.push((position.deal_id.clone(), position.size, level, why));
            } else if let Some(stop) = followed(position, tick) {
                moved.push((position.deal_id.clone(), stop));
            }
        }
        for (deal_id, stop) in moved {
            self.move_stop(account, &deal_id, stop);
        }
        for (deal_id, size, level, why) in exits {
            self.exit(account, &deal_id, size, level, why);
        }
    }

    /// A trailing stop that has moved is told on the stream.
    fn move_stop(&mut self, account: &str, deal_id: &str, stop: Price) {
        let now = self.now;
        let Some(owner) = self.accounts.get_mut(account) else { return };
        let Some(position) = owner.positions.iter_mut().find(|position| position.deal_id == deal_id) else { return };
        position.stop = Some(stop);
        let position = position.clone();
        let Some(board) = self.boards.get(&position.epic) else { return };
        let update = position_update(board, &position, "UPDATED", &position.reference, position.level, now);
        let later = self.draw(self.delays.stream);
        self.tell_later(now + later, account, update);
    }

    /// Closes a position without a request: the stream tells, the history knows, there is no confirm.
    pub(in crate::sim::ig) fn exit(
        &mut self,
        account: &str,
        deal_id: &str,
        size: Size,
        level: Price,
        why: CloseReason,
    ) {
        let Some(closed) = self.close_at(account, deal_id, size, level, "", Some(why)) else { return };
        let words = match why {
            CloseReason::Stop => "Stop hit, position closed",
            CloseReason::Limit => "Limit hit, position closed",
            _ => "Position closed",
        };
        let size = closed.size;
        let mut outcome = Outcome::rejected("SUCCESS", "", "", Direction::Long, Some(size));
        add_profit(&mut outcome.profit, closed.profit, &closed.currency);
        let action = if closed.is_whole { "POSITION_CLOSED" } else { "POSITION_PARTIALLY_CLOSED" };
        // The update tells what is left and at what level it was opened; the activity what was closed and where.
        let dealt = Some((size, level));
        self.note(account, &closed.update, action, &format!("{words}: {deal_id}"), "POSITION", dealt);
        let later = self.draw(self.delays.stream);
        let at = self.now + later;
        self.tell_later(at, account, closed.update);
        self.publish_account(account);
    }

    /// An activity of the venue's own.
    fn note(
        &mut self,
        account: &str,
        update: &Update,
        action: &str,
        description: &str,
        kind: &'static str,
        dealt: Option<(Size, Price)>,
    ) {
        let mut body = update.body().clone();
        if let Some((size, level)) = dealt {
            (body["size"], body["level"]) = (number(size), number(level));
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let name = self.board(&text("epic")).map_or_else(String::new, |board| board.listing.name.clone());
        let activity = Activity {
            at: self.now,
            epic: text("epic"),
            period: text("expiry"),
            deal_id: text("dealId"),
            channel: "SYSTEM",
            kind,
            is_accepted: true,
            description: description.to_owned(),
            details: json!({
                "dealReference": body["dealReference"],
                "actions": [{ "actionType": action, "affectedDealId": body["dealId"] }],
                "marketName": name,
                "goodTillDate": null,
                "currency": body["currency"],
                "size": body["size"],
                "direction": body["direction"],
                "level": body["level"],
                "stopLevel": body["stopLevel"],
                "stopDistance": body["stopDistance"],
                "guaranteedStop": body["guaranteedStop"],
                "trailingStopDistance": body["trailingStopDistance"],
                "trailingStep": body["trailingStep"],
                "limitLevel": body["limitLevel"],
                "limitDistance": body["limitDistance"],
            }),
        };
        if let Some(owner) = self.accounts.get_mut(account) {
            owner.record(activity);
        }
    }

    fn trigger_orders(&mut self, account: &str, epic: &Epic, tick: &Tick) {
        let Some(owner) = self.accounts.get(account) else { return };
        let reached: Vec<WorkingOrder> =
            owner.orders.iter().filter(|order| order.epic == *epic && is_reached(order, tick)).cloned().collect();
        for order in reached {
            self.fill_order(account, &order, tick);
        }
    }

    /// A working order becomes a position, or goes without one where the account cannot bear it.
    fn fill_order(&mut self, account: &str, order: &WorkingOrder, tick: &Tick) {
        let now = self.now;
        let Some(board) = self.boards.get(&order.epic) else { return };
        let slippage = self.faults.slippage(board);
        // A limit gives its level and no more; a stop the quote that reached it.
        let fill = if order.is_stop { rules::entry(order.direction, tick, slippage) } else { order.level };
        let needed = margin(board, &order.currency, order.size, fill);
        let Some(owner) = self.accounts.get(account) else { return };
        let is_borne = needed <= owner.sums(&self.boards).available();
        let gone = order_update(board, order, "DELETED", now);
        if let Some(owner) = self.accounts.get_mut(account) {
            owner.orders.retain(|held| held.deal_id != order.deal_id);
        }
        let action = match (is_borne, order.is_stop) {
            (false, _) => "WORKING_ORDER_DELETED",
            (true, true) => "STOP_ORDER_FILLED",
            (true, false) => "LIMIT_ORDER_FILLED",
        };
        let words = if is_borne { "Order filled" } else { "Order deleted for want of funds" };
        self.note(account, &gone, action, &format!("{words}: {}", order.deal_id), "WORKING_ORDER", None);
        let later = self.draw(self.delays.stream);
        self.tell_later(now + later, account, gone);
        if is_borne {
            self.open_filled(account, order, fill);
        }
    }

    fn open_filled(&mut self, account: &str, order: &WorkingOrder, fill: Price) {
        let now = self.now;
        let sign = order.direction.sign();
        let mut left = order.size.micros();
        if !order.is_force_open {
            let Some(owner) = self.accounts.get(account) else { return };
            let against: Vec<(String, Size)> = owner
                .positions
                .iter()
                .filter(|position| position.epic == order.epic && position.direction != order.direction)
                .map(|position| (position.deal_id.clone(), position.size))
                .collect();
            for (deal_id, size) in against {
                let part = size.micros().min(left);
                if part > 0 {
                    self.exit(account, &deal_id, Size::from_micros(part), fill, CloseReason::Time);
                    left -= part;
                }
            }
        }
        if left == 0 {
            return;
        }
        let position = Position {
            deal_id: order.deal_id.clone(),
            reference: order.reference.clone(),
            epic: order.epic.clone(),
            direction: order.direction,
            size: Size::from_micros(left),
            level: fill,
            stop: order.stop.map(|leg| leg.level(fill, -sign)),
            limit: order.limit.map(|leg| leg.level(fill, sign)),
            is_guaranteed: order.is_guaranteed,
            trailing: None,
            currency: order.currency.clone(),
            opened: now,
            listed: now,
            funding: next_funding(now),
        };
        let Some(board) = self.boards.get(&order.epic) else { return };
        let update = position_update(board, &position, "OPEN", &order.reference, fill, now);
        let words = format!("Position opened: {}", order.deal_id);
        self.note(account, &update, "POSITION_OPENED", &words, "POSITION", None);
        let later = self.draw(self.delays.stream);
        self.tell_later(now + later, account, update);
        if let Some(owner) = self.accounts.get_mut(account) {
            owner.positions.push(position);
        }
        self.publish_account(account);
    }

    /// Takes working orders whose date is over off the books.
    pub(in crate::sim::ig) fn lapse_orders(&mut self, now: UtcMicros) {
        let mut lapsed = Vec::new();
        for (account, owner) in &mut self.accounts {
            let is_over = |order: &WorkingOrder| order.until.is_some_and(|until| until <= now);
            lapsed.extend(
                owner.orders.iter().filter(|order| is_over(order)).map(|order| (account.clone(), order.clone())),
            );
            owner.orders.retain(|order| !is_over(order));
        }
        for (account, order) in lapsed {
            let Some(board) = self.boards.get(&order.epic) else { continue };
            let gone = order_update(board, &order, "DELETED", now);
            let words = format!("Order expired: {}", order.deal_id);
            self.note(&account, &gone, "WORKING_ORDER_DELETED", &words, "WORKING_ORDER", None);
            let later = self.draw(self.delays.stream);
            self.tell_later(now + later, &account, gone);
        }
    }

    /// When the next working order lapses.
    pub(in crate::sim::ig) fn next_lapse(&self) -> Option<UtcMicros> {
        self.accounts.values().flat_map(|owner| owner.orders.iter().filter_map(|order| order.until)).min()
    }
}

/// Where a trailing stop stands after a quote, if it has moved: by whole steps, and never back.
fn followed(position: &Position, tick: &Tick) -> Option<Price> {
    let Trailing { distance, step } = position.trailing?;
    let stop = position.stop?;
    let sign = position.direction.sign();
    let closing = match position.direction {
        Direction::Long => tick.bid,
        Direction::Short => tick.offer,
    };
    let ahead = (closing - stop).micros() * sign - distance.micros();
    let steps = ahead.div_euclid(step.micros().max(1));
    (steps > 0).then(|| Price::from_micros(stop.micros() + sign * steps * step.micros()))
}

/// Whether a quote reaches an order. A buyer looks at the offer, a seller at the bid.
fn is_reached(order: &WorkingOrder, tick: &Tick) -> bool {
    match (order.direction, order.is_stop) {
        (Direction::Long, false) => tick.offer <= order.level,
        (Direction::Long, true) => tick.offer >= order.level,
        (Direction::Short, false) => tick.bid >= order.level,
        (Direction::Short, true) => tick.bid <= order.level,
    }
}
