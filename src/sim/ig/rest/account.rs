//! `/accounts`, `/operations/application`.

use serde_json::{Value, json};

use super::{Answer, ApiError, Body, Caller, Request};
use crate::sim::ig::world::World;

/// What is told of an allowance that is lifted.
const LIFTED: u32 = 1_000_000;

impl World {
    pub(super) fn list_accounts(&self) -> Answer {
        let accounts: Vec<Value> = self.accounts.values().map(|account| account.json(&self.boards)).collect();
        Answer::ok(json!({ "accounts": accounts }))
    }

    pub(super) fn preferences(&self, caller: &Caller) -> Answer {
        let is_enabled = self.accounts.get(&caller.account).is_some_and(|account| account.is_trailing_enabled);
        Answer::ok(json!({ "trailingStopsEnabled": is_enabled }))
    }

    pub(super) fn set_preferences(&mut self, request: &Request, caller: &Caller) -> Result<Answer, ApiError> {
        let is_enabled = Body::parse(&request.body)?.needed_flag("trailingStopsEnabled")?;
        if let Some(account) = self.accounts.get_mut(&caller.account) {
            account.is_trailing_enabled = is_enabled;
        }
        Ok(Answer::ok(json!({ "status": "SUCCESS" })))
    }

    pub(super) fn applications(&self) -> Answer {
        let list: Vec<Value> = self.keys.keys().map(|key| self.application(key)).collect();
        Answer::ok(json!(list))
    }

    fn application(&self, key: &str) -> Value {
        let limits = &self.limits;
        json!({
            "name": "SIMULATOR",
            "apiKey": key,
            "status": if self.keys.get(key) == Some(&true) { "ENABLED" } else { "DISABLED" },
            "allowanceApplicationOverall": limits.application.unwrap_or(LIFTED),
            "allowanceAccountTrading": limits.trading.unwrap_or(LIFTED),
            "allowanceAccountOverall": limits.account.unwrap_or(LIFTED),
            "allowanceAccountHistoricalData": limits.history.unwrap_or(LIFTED),
            "concurrentSubscriptionsLimit": limits.subscriptions,
            "allowEquities": false,
            "allowQuoteOrders": false,
            "createdDate": "2015-01-01",
        })
    }

    pub(super) fn disable(&mut self, caller: &Caller) -> Answer {
        self.keys.insert(caller.key.clone(), false);
        Answer::ok(self.application(&caller.key))
    }
}
