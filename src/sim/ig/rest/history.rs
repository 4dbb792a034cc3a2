//! `/history`: activities and transactions.

use serde_json::{Value, json};

use super::{Answer, ApiError, Caller, Page, Query, Request};
use crate::domain::{Micros, UtcMicros};
use crate::sim::ig::records::{Activity, Transaction, is_match};
use crate::sim::ig::text::{iso, parse_iso, parse_utc, percent_encode};
use crate::sim::ig::world::World;

/// A range of time, both ends included.
type Range = (UtcMicros, UtcMicros);

fn bad_range() -> ApiError {
    ApiError::new(400, "error.request.invalid.date-range")
}

fn time(query: &Query, name: &str) -> Result<Option<UtcMicros>, ApiError> {
    query.get(name).map(|text| parse_iso(text).ok_or_else(bad_range)).transpose()
}

/// What ends on a second holds all of that second.
fn whole_second(time: UtcMicros) -> UtcMicros {
    UtcMicros(time.0 + 999_999)
}

/// The range of paths of version 1: two dates, or the last so many milliseconds.
fn path_range(path: &[&str], now: UtcMicros) -> Result<Range, ApiError> {
    let date = |text: &str| parse_utc(&format!("{text} 00:00:00"), "%d-%m-%Y %H:%M:%S").ok_or_else(bad_range);
    match path {
        [from, to] => Ok((date(from)?, UtcMicros(date(to)?.0 + Micros::DAY.0 - 1))),
        [millis] => {
            let millis: i64 = millis.parse().map_err(|_| bad_range())?;
            Ok((UtcMicros(now.0 - millis.saturating_mul(1_000).min(now.0)), now))
        }
        _ => Err(ApiError::new(404, "invalid.url")),
    }
}

impl World {
    fn activities(&self, caller: &Caller, range: Range) -> Vec<&Activity> {
        let account = self.accounts.get(&caller.account);
        let all = account.into_iter().flat_map(|account| account.activities.iter());
        all.filter(|activity| (range.0..=range.1).contains(&activity.at)).collect()
    }

    pub(super) fn activity(&self, request: &Request, caller: &Caller, path: &[&str]) -> Result<Answer, ApiError> {
        let now = self.time();
        if !path.is_empty() {
            let found = self.activities(caller, path_range(path, now)?);
            let list: Vec<Value> =
                found.iter().enumerate().map(|(at, activity)| activity.texts(found.len() - at)).collect();
            return Ok(Answer::ok(json!({ "activities": list })));
        }
        let query = request.parameters()?;
        if request.version() < 3 {
            return self.paged_activity(&query, caller);
        }
        let from = time(&query, "from")?.ok_or_else(bad_range)?;
        let to = time(&query, "to")?.map_or(now, whole_second);
        if from > to {
            return Err(bad_range());
        }
        let size = query.number("pageSize", 50)?;
        if !(10..=500).contains(&size) {
            return Err(ApiError::new(400, "error.request.invalid.page-size"));
        }
        let is_detailed = query.get("detailed") == Some("true");
        let skipped = query.number("skip", 0)?;
        let mut found = Vec::new();
        for activity in self.activities(caller, (from, to)) {
            let is_of_deal = query.get("dealId").is_none_or(|deal_id| mentions(activity, deal_id));
            let is_wanted = match query.get("filter") {
                None => true,
                Some(filter) => {
                    is_match(filter, activity).ok_or_else(|| ApiError::new(400, "invalid.request.filter"))?
                }
            };
            if is_of_deal && is_wanted {
                found.push(activity);
            }
        }
        let found = found.split_off(skipped.min(found.len()));
        let shown = &found[..found.len().min(size)];
        let next = found.get(size).map(|activity| {
            let mut path = format!("/history/activity?version=3&from={}&to={}", iso(from), iso(activity.at));
            path.push_str(&format!("&detailed={is_detailed}&pageSize={size}"));
            for name in ["dealId", "filter"] {
                if let Some(value) = query.get(name) {
                    path.push_str(&format!("&{name}={}", percent_encode(value)));
                }
            }
            // The next page ends where this one did; what shares that second is on both, as clients have to expect. Where
            // all of this page is of its last second, the next one would be this one again.
            if iso(activity.at) == iso(to) {
                path.push_str(&format!("&skip={}", skipped + size));
            }
            path
        });
        let list: Vec<Value> = shown.iter().map(|activity| activity.json(is_detailed)).collect();
        let paging = json!({ "size": shown.len(), "next": next });
        Ok(Answer::ok(json!({ "activities": list, "metadata": { "paging": paging } })))
    }

    /// Version 2: by range or span, in numbered pages.
    fn paged_activity(&self, query: &Query, caller: &Caller) -> Result<Answer, ApiError> {
        let range = self.range(query)?;
        let page = Page::of(query, 20)?;
        let found = self.activities(caller, range);
        let list: Vec<Value> = page.cut(&found).iter().map(|activity| activity.json(false)).collect();
        let metadata = json!({ "size": found.len(), "pageData": page.json(found.len()) });
        Ok(Answer::ok(json!({ "activities": list, "metadata": metadata })))
    }

    /// `from` and `to`, or the last `maxSpanSeconds`.
    fn range(&self, query: &Query) -> Result<Range, ApiError> {
        let to = time(query, "to")?.map_or(self.time(), whole_second);
        let span = query.number("maxSpanSeconds", 600)?;
        let span = i64::try_from(span).unwrap_or(i64::MAX / 2_000_000).min(i64::MAX / 2_000_000) * 1_000_000;
        let from = time(query, "from")?.unwrap_or(UtcMicros(to.0 - span));
        if from > to { Err(bad_range()) } else { Ok((from, to)) }
    }

    pub(super) fn transactions(&self, request: &Request, caller: &Caller, path: &[&str]) -> Result<Answer, ApiError> {
        let query = request.parameters()?;
        let (kind, range) = match path {
            [] => (query.get("type").unwrap_or("ALL").to_owned(), self.range(&query)?),
            [kind, rest @ ..] => ((*kind).to_owned(), path_range(rest, self.time())?),
        };
        if !matches!(kind.as_str(), "ALL" | "ALL_DEAL" | "DEPOSIT" | "WITHDRAWAL") {
            return Err(ApiError::new(400, "invalid.request.type"));
        }
        let is_of_kind = |transaction: &&Transaction| match kind.as_str() {
            "ALL_DEAL" => transaction.kind == "DEAL",
            "DEPOSIT" => transaction.kind == "DEPO",
            "WITHDRAWAL" => transaction.kind == "WITH",
            _ => true,
        };
        let account = self.accounts.get(&caller.account);
        let all = account.into_iter().flat_map(|account| account.transactions.iter());
        let found: Vec<&Transaction> =
            all.filter(|transaction| (range.0..=range.1).contains(&transaction.at)).filter(is_of_kind).collect();
        if !path.is_empty() {
            let list: Vec<Value> = found.iter().map(|transaction| transaction.json()).collect();
            return Ok(Answer::ok(json!({ "transactions": list })));
        }
        let page = Page::of(&query, 20)?;
        let list: Vec<Value> = page.cut(&found).iter().map(|transaction| transaction.json()).collect();
        let metadata = json!({ "size": found.len(), "pageData": page.json(found.len()) });
        Ok(Answer::ok(json!({ "transactions": list, "metadata": metadata })))
    }
}

/// Whether an activity is about a deal.
fn mentions(activity: &Activity, deal_id: &str) -> bool {
    let actions = activity.details["actions"].as_array();
    activity.deal_id == deal_id
        || actions.is_some_and(|actions| actions.iter().any(|action| action["affectedDealId"] == deal_id))
}
