//! `/workingorders`.

use serde_json::{Value, json};

use super::body::{condition, invalid};
use super::{Answer, ApiError, Body, Caller, Request};
use crate::domain::UtcMicros;
use crate::sim::ig::dealing::{Asked, OrderAmend, OrderOpen};
use crate::sim::ig::text::parse_utc;
use crate::sim::ig::world::World;

const TIMES_IN_FORCE: &[&str] = &["GOOD_TILL_CANCELLED", "GOOD_TILL_DATE"];
const TYPES: &[&str] = &["LIMIT", "STOP"];

impl World {
    pub(super) fn list_orders(&self, caller: &Caller, version: u8) -> Answer {
        let orders = self.accounts.get(&caller.account).map_or(&[][..], |account| &account.orders);
        let list: Vec<Value> = orders
            .iter()
            .filter_map(|order| Some(order.json(self.boards.get(&order.epic)?, version, self.time())))
            .collect();
        Answer::ok(json!({ "workingOrders": list }))
    }

    pub(super) fn place_order(&mut self, request: &Request, caller: &Caller) -> Result<Answer, ApiError> {
        let body = Body::parse(&request.body)?;
        let (epic, expiry, currency) = (body.epic()?, body.expiry()?, body.currency()?);
        let (direction, size) = (body.direction()?, body.size()?);
        let level = body.level("level")?.ok_or_else(|| missing("level"))?;
        let is_stop = body.word("type", TYPES)? == "STOP";
        let is_dated = body.word("timeInForce", TIMES_IN_FORCE)? == "GOOD_TILL_DATE";
        let until = good_till(&body, is_dated)?;
        let is_guaranteed = body.needed_flag("guaranteedStop")?;
        let stop = body.asked("stopLevel", "stopDistance")?;
        let limit = body.asked("limitLevel", "limitDistance")?;
        if is_guaranteed && !matches!(stop, Some(Asked::Points(_))) {
            return Err(condition("not-null-conditional-set-value"));
        }
        let is_force_open = body.flag("forceOpen")?.unwrap_or(true);
        if (stop.is_some() || limit.is_some()) && !is_force_open {
            return Err(condition("target-value-conditional-set-value"));
        }
        let order = OrderOpen {
            epic,
            expiry,
            currency,
            direction,
            size,
            level,
            is_stop,
            until,
            stop,
            limit,
            is_guaranteed,
            is_force_open,
            reference: body.reference()?,
        };
        let reference = self.place(&caller.account, &order);
        Ok(Answer::ok(json!({ "dealReference": reference })))
    }

    pub(super) fn change_order(
        &mut self,
        request: &Request,
        caller: &Caller,
        deal_id: &str,
    ) -> Result<Answer, ApiError> {
        let body = Body::parse(&request.body)?;
        let level = body.level("level")?.ok_or_else(|| missing("level"))?;
        let until = match body.word_if("timeInForce", TIMES_IN_FORCE)? {
            None if body.has("goodTillDate") => Some(good_till(&body, true)?),
            None => None,
            Some(word) => Some(good_till(&body, word == "GOOD_TILL_DATE")?),
        };
        let amend = OrderAmend {
            deal_id: deal_id.to_owned(),
            level,
            is_stop: body.word_if("type", TYPES)?.map(|word| word == "STOP"),
            until,
            stop: body.asked("stopLevel", "stopDistance")?,
            limit: body.asked("limitLevel", "limitDistance")?,
            is_guaranteed: body.flag("guaranteedStop")?.unwrap_or(false),
        };
        let reference = self.amend_order(&caller.account, &amend);
        Ok(Answer::ok(json!({ "dealReference": reference })))
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::new(400, format!("validation.null-not-allowed.request.{name}"))
}

/// `goodTillDate`: needed where the order is dated.
fn good_till(body: &Body, is_dated: bool) -> Result<Option<UtcMicros>, ApiError> {
    let Some(text) = body.text("goodTillDate")? else {
        return if is_dated { Err(condition("not-null-conditional-set-value")) } else { Ok(None) };
    };
    let date = parse_utc(&text, "%Y/%m/%d %H:%M:%S").or_else(|| {
        let is_epoch = text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| is_epoch)?.checked_mul(1_000).map(UtcMicros)
    });
    let date = date.ok_or_else(|| invalid("goodTillDate"))?;
    Ok(is_dated.then_some(date))
}
