//! How much a key and an account have asked for: requests within a minute, points of history within a week.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::UtcMicros;

use super::config::Limits;

const MINUTE: i64 = 60_000_000;
const WEEK: i64 = 7 * 86_400_000_000;

/// What is left of the points of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Points {
    pub(super) left: u32,
    pub(super) total: u32,
    /// Seconds until it begins anew.
    pub(super) expiry: i64,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    windows: BTreeMap<String, VecDeque<UtcMicros>>,
    /// Points used since a time.
    points: BTreeMap<String, (UtcMicros, u32)>,
}

impl Allowances {
    /// Counts a request; false where it is one too many within a minute.
    fn admit(&mut self, name: String, limit: Option<u32>, now: UtcMicros) -> bool {
        let Some(limit) = limit else { return true };
        let window = self.windows.entry(name).or_default();
        while window.front().is_some_and(|first| now.0 - first.0 >= MINUTE) {
            window.pop_front();
        }
        if window.len() >= limit as usize {
            return false;
        }
        window.push_back(now);
        true
    }

    /// Counts a request that does not deal, before anybody is known.
    pub(super) fn admit_key(&mut self, limits: &Limits, key: &str, now: UtcMicros) -> Result<(), &'static str> {
        if self.admit(format!("key {key}"), limits.application, now) {
            Ok(())
        } else {
            Err("error.public-api.exceeded-api-key-allowance")
        }
    }

    /// Counts a request of an account.
    pub(super) fn admit_account(
        &mut self,
        limits: &Limits,
        account: &str,
        is_trading: bool,
        now: UtcMicros,
    ) -> Result<(), &'static str> {
        let (name, limit, code) = if is_trading {
            ("trading", limits.trading, "error.public-api.exceeded-account-trading-allowance")
        } else {
            ("account", limits.account, "error.public-api.exceeded-account-allowance")
        };
        if self.admit(format!("{name} {account}"), limit, now) { Ok(()) } else { Err(code) }
    }

    /// What is left of the points.
    pub(super) fn points(&self, limits: &Limits, owner: &str, now: UtcMicros) -> Points {
        let total = limits.history.unwrap_or(10_000);
        let (since, used) = match self.points.get(owner) {
            Some((since, used)) if now.0 - since.0 < WEEK => (*since, *used),
            _ => (now, 0),
        };
        let used = if limits.history.is_some() { used } else { 0 };
        Points { left: total.saturating_sub(used), total, expiry: (since.0 + WEEK - now.0) / 1_000_000 }
    }

    /// Spends points; false where they do not suffice, and then none is spent.
    pub(super) fn spend(&mut self, limits: &Limits, owner: &str, points: usize, now: UtcMicros) -> bool {
        let points = u32::try_from(points).unwrap_or(u32::MAX);
        let left = self.points(limits, owner, now);
        if limits.history.is_some() && points > left.left {
            return false;
        }
        let entry = self.points.entry(owner.to_owned()).or_insert((now, 0));
        if now.0 - entry.0.0 >= WEEK {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(points);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UtcMicros {
        UtcMicros(seconds * 1_000_000)
    }

    #[test]
    fn a_minute_s_requests_are_counted_as_it_slides() {
        let mut allowances = Allowances::default();
        let limits = Limits::default();
        let mut ask =
            |seconds: i64, is_trading: bool| allowances.admit_account(&limits, "A", is_trading, at(seconds)).is_ok();
        assert!((0..30).all(|second| ask(second, false)));
        assert!(!ask(59, false));
        assert!(ask(59, true), "dealing has an allowance of its own");
        assert!(ask(60, false), "the first is forgotten");
        assert!(!ask(60, false));
    }

    #[test]
    fn points_come_back_after_a_week_and_a_request_too_large_costs_none() {
        let mut allowances = Allowances::default();
        let limits = Limits { history: Some(100), ..Limits::default() };
        assert!(allowances.spend(&limits, "k A", 60, at(0)));
        assert!(!allowances.spend(&limits, "k A", 41, at(10)));
        let left = allowances.points(&limits, "k A", at(10));
        assert_eq!((left.left, left.total, left.expiry), (40, 100, 604_790));
        assert!(allowances.spend(&limits, "k B", 100, at(10)));
        assert_eq!(allowances.points(&limits, "k A", at(604_800)).left, 100);
        let lifted = Limits::lifted();
        assert!(allowances.spend(&lifted, "k A", 1_000_000, at(20)));
    }
}
