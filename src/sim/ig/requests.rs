//! Every request that was made, for tests that must know what a client did and what it did not.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::domain::UtcMicros;

/// Requests that are kept whole; totals count the others too.
const KEPT_MAX: usize = 50_000;

/// One request and how it was answered. Tokens and passwords are left out.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: UtcMicros,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) version: u8,
    pub(super) account: Option<String>,
    pub(super) body: Value,
    /// `None` where the connection was cut instead.
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
}

/// The requests so far.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    first: u64,
    kept: VecDeque<Seen>,
    /// By method and the first part of the path.
    totals: BTreeMap<String, u64>,
}

impl RequestLog {
    /// Writes one down; returns its number.
    pub(super) fn push(&mut self, mut seen: Seen) -> u64 {
        if let Some(body) = seen.body.as_object_mut() {
            for secret in ["password", "refresh_token"] {
                if body.contains_key(secret) {
                    body.insert(secret.to_owned(), json!("***"));
                }
            }
        }
        let part = seen.path.split('/').nth(1).unwrap_or_default();
        *self.totals.entry(format!("{} /{part}", seen.method)).or_default() += 1;
        self.kept.push_back(seen);
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
            self.first += 1;
        }
        self.first + self.kept.len() as u64 - 1
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many of each.
    pub(super) fn totals(&self) -> Value {
        json!(self.totals)
    }

    /// Those from number `since` on, oldest first.
    pub(super) fn json(&self, since: u64) -> Value {
        let skip = usize::try_from(since.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let list: Vec<Value> = self
            .kept
            .iter()
            .zip(self.first..)
            .skip(skip)
            .map(|(seen, number)| {
                json!({
                    "number": number,
                    "at": seen.at.to_string(),
                    "method": seen.method,
                    "path": seen.path,
                    "query": seen.query,
                    "version": seen.version,
                    "account": seen.account,
                    "body": seen.body,
                    "status": seen.status,
                    "error": seen.error,
                })
            })
            .collect();
        json!({ "next": self.first + self.kept.len() as u64, "totals": self.totals, "requests": list })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str) -> Seen {
        Seen {
            at: UtcMicros(0),
            method: "POST".into(),
            path: path.into(),
            query: String::new(),
            version: 2,
            account: None,
            body: json!({"identifier": "u", "password": "p"}),
            status: Some(200),
            error: None,
        }
    }

    #[test]
    fn requests_are_numbered_counted_and_without_secrets() {
        let mut log = RequestLog::default();
        for _ in 0..3 {
            log.push(seen("/session"));
        }
        log.push(seen("/positions/otc"));
        let all = log.json(2);
        assert_eq!((all["next"].as_u64(), all["requests"][0]["number"].as_u64()), (Some(4), Some(2)));
        assert_eq!(all["requests"][0]["body"]["password"], "***");
        assert_eq!(all["totals"], json!({"POST /positions": 1, "POST /session": 3}));
    }

    #[test]
    fn the_log_is_bounded() {
        let mut log = RequestLog::default();
        for _ in 0..KEPT_MAX + 10 {
            log.push(seen("/session"));
        }
        assert_eq!(log.json(0)["requests"].as_array().unwrap().len(), KEPT_MAX);
        assert_eq!(log.json(0)["requests"][0]["number"], 10);
    }
}
