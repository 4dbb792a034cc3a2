//! The REST side: from a request to its answer.
//!
//! Order of the checks, as clients see it: key, tokens, allowances, what the request says.

mod account;
mod body;
mod history;
mod markets;
mod orders;
mod positions;
mod prices;
mod session;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::{Micros, UtcMicros};

use super::faults::Kind;
use super::requests::Seen;
use super::sessions::Denied;
use super::text::{pairs, percent_decode};
use super::world::World;

pub(super) use self::body::Body;

/// Where REST lives below the root.
pub(super) const BASE: &str = "/gateway/deal";

/// A request, its path below [`BASE`] and without a slash at its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// The method that is meant: `_method: DELETE` makes a POST one.
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// By lower-case name.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The version asked for; absent means 1.
    fn version(&self) -> u8 {
        self.header("version").and_then(|version| version.trim().parse().ok()).unwrap_or(1)
    }

    /// The parameters of the query.
    fn parameters(&self) -> Result<Query, ApiError> {
        pairs(&self.query, true).map(Query).ok_or_else(|| ApiError::new(400, "invalid.input"))
    }
}

/// The parameters of a query.
#[derive(Clone, Debug)]
struct Query(Vec<(String, String)>);

impl Query {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number, or what it is without one.
    fn number(&self, name: &str, default: usize) -> Result<usize, ApiError> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| ApiError::new(400, format!("invalid.request.{name}"))),
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: String,
}

impl ApiError {
    pub(super) fn new(status: u16, code: impl Into<String>) -> Self {
        Self { status, code: code.into() }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::new(401, denied.code())
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    /// `None`: an empty body.
    pub(super) body: Option<Value>,
    /// The number of the request, which the answer names.
    pub(super) request: u64,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body), ..Self::default() }
    }

    fn error(error: &ApiError) -> Self {
        Self { status: error.status, body: Some(json!({ "errorCode": error.code })), ..Self::default() }
    }

    fn scripted(status: u16, error: Option<&String>) -> Self {
        Self { status, body: error.map(|code| json!({ "errorCode": code })), ..Self::default() }
    }

    fn code(&self) -> Option<String> {
        Some(self.body.as_ref()?.get("errorCode")?.as_str()?.to_owned())
    }
}

/// What is sent back: an answer after a while, or a cut connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) answer: Option<Answer>,
    pub(super) delay: Micros,
}

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    pub(super) key: String,
    pub(super) account: String,
    pub(super) client_token: String,
    pub(super) account_token: String,
}

impl World {
    /// Answers a request, and writes down that it was made.
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let plan = self.faults.plan_request(&request.method, &request.path);
        let mut account = None;
        let mut answer = match &plan.before {
            Some(Kind::Drop) => None,
            Some(Kind::Answer { status, error }) => Some(Answer::scripted(*status, error.as_ref())),
            _ => {
                let done = self.handle(request, &mut account).unwrap_or_else(|error| Answer::error(&error));
                match &plan.after {
                    Some(Kind::DropAfter) => None,
                    Some(Kind::AnswerAfter { status, error }) => Some(Answer::scripted(*status, error.as_ref())),
                    _ => Some(done),
                }
            }
        };
        let number = self.requests.push(Seen {
            at: self.now,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            version: request.version(),
            account,
            body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            status: answer.as_ref().map(|answer| answer.status),
            error: answer.as_ref().and_then(Answer::code),
        });
        if let Some(answer) = &mut answer {
            answer.request = number;
        }
        Reply { answer, delay: plan.slow.unwrap_or_default() }
    }

    fn handle(&mut self, request: &Request, account: &mut Option<String>) -> Result<Answer, ApiError> {
        let key = request.header("x-ig-api-key").ok_or_else(|| ApiError::new(400, "error.security.api-key-missing"))?;
        match self.keys.get(key) {
            None => return Err(ApiError::new(403, "error.security.api-key-invalid")),
            Some(false) => return Err(ApiError::new(403, "error.security.api-key-disabled")),
            Some(true) => {}
        }
        if self.now < self.maintenance_until {
            return Err(ApiError::new(503, "system.error"));
        }
        let now = self.now;
        let refused = |code| ApiError::new(403, code);
        let decoded: Option<Vec<String>> =
            request.path.split('/').filter(|part| !part.is_empty()).map(|part| percent_decode(part, false)).collect();
        let decoded = decoded.ok_or_else(|| ApiError::new(404, "invalid.url"))?;
        let path: Vec<&str> = decoded.iter().map(String::as_str).collect();
        // What needs no tokens.
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["session"]) => {
                self.allowances.admit_key(&self.limits, key, now).map_err(refused)?;
                return self.login(request);
            }
            ("GET", ["session", "encryptionKey"]) => {
                self.allowances.admit_key(&self.limits, key, now).map_err(refused)?;
                return self.encryption_key();
            }
            ("POST", ["session", "refresh-token"]) => {
                self.allowances.admit_key(&self.limits, key, now).map_err(refused)?;
                return self.refresh(request);
            }
            _ => {}
        }
        let caller = self.caller(request, key)?;
        *account = Some(caller.account.clone());
        let is_trading = request.method != "GET" && matches!(path.as_slice(), [_, "otc", ..]);
        if !is_trading {
            self.allowances.admit_key(&self.limits, key, now).map_err(refused)?;
        }
        self.allowances.admit_account(&self.limits, &caller.account, is_trading, now).map_err(refused)?;
        self.route(request, &path, &caller)
    }

    /// Whoever the tokens of a request belong to.
    fn caller(&mut self, request: &Request, key: &str) -> Result<Caller, ApiError> {
        let now = self.now;
        let (login, is_bearer) = match request.header("authorization") {
            Some(bearer) => {
                let token = bearer.strip_prefix("Bearer ").ok_or(Denied::BearerInvalid)?;
                (self.sessions.by_bearer(token.trim(), &self.delays, now)?, true)
            }
            None => {
                let tokens = (request.header("cst"), request.header("x-security-token"));
                (self.sessions.by_tokens(tokens.0, tokens.1, &self.delays, now)?, false)
            }
        };
        let mut account = login.account;
        // Client and account tokens are bound to their account; a bearer token says which it means.
        if let Some(wanted) = request.header("ig-account-id").filter(|_| is_bearer) {
            if !self.accounts.contains_key(wanted) {
                return Err(ApiError::new(401, "error.security.account-access-denied"));
            }
            wanted.clone_into(&mut account);
        }
        Ok(Caller {
            key: key.to_owned(),
            account,
            client_token: login.client_token,
            account_token: login.account_token,
        })
    }

    fn route(&mut self, request: &Request, path: &[&str], caller: &Caller) -> Result<Answer, ApiError> {
        let version = request.version();
        match (request.method.as_str(), path) {
            ("GET", ["session"]) => self.read_session(request, caller),
            ("PUT", ["session"]) => self.switch_account(request, caller),
            ("DELETE", ["session"]) => Ok(self.logout(caller)),
            ("GET", ["accounts"]) => Ok(self.list_accounts()),
            ("GET", ["accounts", "preferences"]) => Ok(self.preferences(caller)),
            ("PUT", ["accounts", "preferences"]) => self.set_preferences(request, caller),
            ("GET", ["operations", "application"]) => Ok(self.applications()),
            ("PUT", ["operations", "application", "disable"]) => Ok(self.disable(caller)),
            ("GET", ["markets"]) => self.markets(request, version),
            ("GET", ["markets", epic]) => self.market(epic),
            ("GET", ["clientsentiment" | "client-sentiment", rest @ ..]) => self.sentiment(request, rest),
            ("GET", ["prices", epic, rest @ ..]) => self.prices(request, caller, epic, rest),
            (_, ["watchlists", rest @ ..]) => self.watchlist(request, rest),
            ("GET", ["positions"]) => Ok(self.list_positions(caller, version)),
            ("GET", ["positions", deal_id]) => self.position(caller, deal_id, version),
            ("POST", ["positions", "otc"]) => self.open_position(request, caller),
            ("PUT", ["positions", "otc", deal_id]) => self.amend_position(request, caller, deal_id),
            ("DELETE", ["positions", "otc"]) => self.close_position(request, caller),
            ("GET", ["confirms", reference]) => self.confirm(caller, reference),
            ("GET", ["workingorders" | "working-orders"]) => Ok(self.list_orders(caller, version)),
            ("POST", ["workingorders" | "working-orders", "otc"]) => self.place_order(request, caller),
            ("PUT", ["workingorders" | "working-orders", "otc", deal_id]) => {
                self.change_order(request, caller, deal_id)
            }
            ("DELETE", ["workingorders" | "working-orders", "otc", deal_id]) => {
                let reference = self.delete_order(&caller.account, deal_id);
                Ok(Answer::ok(json!({ "dealReference": reference })))
            }
            ("GET", ["history", "activity", rest @ ..]) => self.activity(request, caller, rest),
            ("GET", ["history", "transactions", rest @ ..]) => self.transactions(request, caller, rest),
            ("GET", ["repeat-dealing-window"]) => Ok(Answer::ok(json!({ "repeatDealingWindows": [] }))),
            _ => Err(ApiError::new(404, "invalid.url")),
        }
    }

    /// The present time, as handlers have it.
    fn time(&self) -> UtcMicros {
        self.now
    }
}

/// How a list is cut into pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    size: usize,
    number: usize,
}

impl Page {
    /// `pageSize` and `pageNumber`; a size of 0 means all.
    fn of(query: &Query, size: usize) -> Result<Self, ApiError> {
        let page = Self { size: query.number("pageSize", size)?, number: query.number("pageNumber", 1)? };
        if page.number == 0 { Err(ApiError::new(400, "invalid.request.pageNumber")) } else { Ok(page) }
    }

    /// The part of the list that the page holds.
    fn cut<'a, T>(&self, list: &'a [T]) -> &'a [T] {
        if self.size == 0 {
            return if self.number == 1 { list } else { &[] };
        }
        let from = (self.number - 1).saturating_mul(self.size).min(list.len());
        &list[from..from.saturating_add(self.size).min(list.len())]
    }

    fn json(&self, total: usize) -> Value {
        let pages = if self.size == 0 { usize::from(total > 0) } else { total.div_ceil(self.size) };
        json!({ "pageSize": self.size, "pageNumber": self.number, "totalPages": pages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cut_a_list_without_gap_or_overlap() {
        let list: Vec<u32> = (0..13).collect();
        let all: Vec<u32> = (1..=3).flat_map(|number| Page { size: 5, number }.cut(&list).to_vec()).collect();
        assert_eq!(all, list);
        assert_eq!(Page { size: 5, number: 4 }.cut(&list), &[] as &[u32]);
        assert_eq!(Page { size: 0, number: 1 }.cut(&list), list);
        assert_eq!(Page { size: 5, number: 1 }.json(13)["totalPages"], 3);
        assert_eq!(Page { size: 0, number: 1 }.json(13)["totalPages"], 1);
        assert_eq!(Page { size: 20, number: 1 }.json(0)["totalPages"], 0);
    }
}
