//! `/positions`, `/confirms`.

use serde_json::{Value, json};

use super::body::condition;
use super::{Answer, ApiError, Body, Caller, Request};
use crate::sim::ig::accounts::Position;
use crate::sim::ig::dealing::{Amend, Asked, Close, Open};
use crate::sim::ig::world::World;

const ORDER_TYPES: &[&str] = &["MARKET", "LIMIT", "QUOTE"];
const TIMES_IN_FORCE: &[&str] = &["EXECUTE_AND_ELIMINATE", "FILL_OR_KILL"];

fn dealt(reference: &str) -> Answer {
    Answer::ok(json!({ "dealReference": reference }))
}

impl World {
    fn shown(&self, position: &Position, version: u8) -> Option<Value> {
        let board = self.boards.get(&position.epic)?;
        (position.listed <= self.time()).then(|| position.json(board, version, self.time()))
    }

    pub(super) fn list_positions(&mut self, caller: &Caller, version: u8) -> Answer {
        if self.faults.is_list_empty() {
            return Answer::ok(json!({ "positions": [] }));
        }
        let positions = self.accounts.get(&caller.account).map_or(&[][..], |account| &account.positions);
        let shown: Vec<Value> = positions.iter().filter_map(|position| self.shown(position, version)).collect();
        Answer::ok(json!({ "positions": shown }))
    }

    pub(super) fn position(&self, caller: &Caller, deal_id: &str, version: u8) -> Result<Answer, ApiError> {
        let account = self.accounts.get(&caller.account);
        let found = account.and_then(|account| account.positions.iter().find(|position| position.deal_id == deal_id));
        let shown = found.and_then(|position| self.shown(position, version));
        shown.map(Answer::ok).ok_or_else(|| ApiError::new(404, "error.position.notfound"))
    }

    pub(super) fn open_position(&mut self, request: &Request, caller: &Caller) -> Result<Answer, ApiError> {
        let body = Body::parse(&request.body)?;
        let open = read_open(&body)?;
        let is_market = open.level.is_none() && !open.is_quote;
        if is_market && self.board(&open.epic).is_some_and(|board| board.listing.market_orders == "NOT_AVAILABLE") {
            return Err(ApiError::new(400, "error.trading.otc.market-orders.not-supported"));
        }
        let reference = self.open(&caller.account, &open);
        Ok(dealt(&reference))
    }

    pub(super) fn amend_position(
        &mut self,
        request: &Request,
        caller: &Caller,
        deal_id: &str,
    ) -> Result<Answer, ApiError> {
        let body = Body::parse(&request.body)?;
        let (stop, limit) = (body.level("stopLevel")?, body.level("limitLevel")?);
        let is_guaranteed = body.flag("guaranteedStop")?.unwrap_or(false);
        let is_trailing = body.flag("trailingStop")?.unwrap_or(false);
        let (distance, step) = (body.decimal("trailingStopDistance")?, body.decimal("trailingStopIncrement")?);
        if is_guaranteed && stop.is_none() {
            return Err(condition("not-null-conditional-set-value"));
        }
        if is_trailing && is_guaranteed {
            return Err(condition("target-value-conditional-set-value"));
        }
        let trailing = match (is_trailing, distance, step) {
            (false, None, None) => None,
            (false, ..) => return Err(condition("null-conditional-set-value")),
            (true, Some(distance), Some(step)) if stop.is_some() => Some((distance, step)),
            (true, ..) => return Err(condition("not-null-conditional-set-value")),
        };
        let amend = Amend { deal_id: deal_id.to_owned(), stop, limit, is_guaranteed, trailing };
        let reference = self.amend(&caller.account, &amend);
        Ok(dealt(&reference))
    }

    pub(super) fn close_position(&mut self, request: &Request, caller: &Caller) -> Result<Answer, ApiError> {
        let body = Body::parse(&request.body)?;
        let deal_id = body.text("dealId")?;
        let market = match (&deal_id, body.has("epic"), body.has("expiry")) {
            (Some(_), false, false) => None,
            (Some(_), ..) => return Err(condition("mutual-exclusive-value")),
            (None, false, false) => return Err(condition("one-selection-required")),
            (None, ..) => Some((body.epic()?, body.expiry()?)),
        };
        let level = read_level(&body)?;
        let close = Close { deal_id, market, direction: body.direction()?, size: body.size()?, level: level.0 };
        drop(body.word_if("timeInForce", TIMES_IN_FORCE)?);
        let reference = self.close(&caller.account, &close);
        reference
            .map(|reference| dealt(&reference))
            .ok_or_else(|| ApiError::new(400, "unable to aggregate close positions - no compatible position found"))
    }

    pub(super) fn confirm(&self, caller: &Caller, reference: &str) -> Result<Answer, ApiError> {
        let now = self.time();
        let account = self.accounts.get(&caller.account);
        let confirm = account.and_then(|account| account.confirms.get(reference));
        let readable = confirm.filter(|confirm| confirm.from <= now && now < confirm.until);
        readable
            .map(|confirm| Answer::ok(confirm.body.clone()))
            .ok_or_else(|| ApiError::new(404, "error.confirms.deal-not-found"))
    }
}

/// The level of an order by its type: needed or forbidden. And whether it is for a quote.
fn read_level(body: &Body) -> Result<(Option<crate::domain::Price>, bool), ApiError> {
    let order_type = body.word("orderType", ORDER_TYPES)?;
    let level = body.level("level")?;
    let has_quote = body.has("quoteId");
    match (order_type.as_str(), level) {
        ("MARKET", None) | ("LIMIT", Some(_)) if has_quote => Err(condition("null-conditional-set-value")),
        ("MARKET", None) | ("LIMIT", Some(_)) => Ok((level, false)),
        ("QUOTE", Some(_)) if has_quote => Ok((level, true)),
        ("MARKET", Some(_)) => Err(condition("null-conditional-set-value")),
        _ => Err(condition("not-null-conditional-set-value")),
    }
}

fn read_open(body: &Body) -> Result<Open, ApiError> {
    let (epic, expiry, currency) = (body.epic()?, body.expiry()?, body.currency()?);
    let (direction, size) = (body.direction()?, body.size()?);
    let (level, is_quote) = read_level(body)?;
    drop(body.word_if("timeInForce", TIMES_IN_FORCE)?);
    let is_guaranteed = body.needed_flag("guaranteedStop")?;
    let is_force_open = body.needed_flag("forceOpen")?;
    let stop = body.asked("stopLevel", "stopDistance")?;
    let limit = body.asked("limitLevel", "limitDistance")?;
    if (stop.is_some() || limit.is_some()) && !is_force_open {
        return Err(condition("target-value-conditional-set-value"));
    }
    if is_guaranteed && stop.is_none() {
        return Err(condition("not-null-conditional-set-value"));
    }
    let is_trailing = body.flag("trailingStop")?;
    let step = body.decimal("trailingStopIncrement")?;
    let trailing = if is_trailing == Some(true) {
        if is_guaranteed {
            return Err(condition("target-value-conditional-set-value"));
        }
        match (stop, step) {
            (Some(Asked::Level(_)), _) => return Err(condition("null-conditional-set-value")),
            (Some(Asked::Points(_)), Some(step)) => Some(step),
            _ => return Err(condition("not-null-conditional-set-value")),
        }
    } else {
        if step.is_some() {
            return Err(condition("null-conditional-set-value"));
        }
        None
    };
    Ok(Open {
        epic,
        expiry,
        currency,
        direction,
        size,
        level,
        is_quote,
        stop,
        limit,
        is_guaranteed,
        trailing,
        is_force_open,
        reference: body.reference()?,
    })
}
