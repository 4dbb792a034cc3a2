//! `/session`: login by tokens or bearer, refresh, switch of the account, logout.

use serde_json::{Value, json};

use super::{Answer, ApiError, Body, Caller, Request};
use crate::sim::ig::sessions::{Bearer, Login};
use crate::sim::ig::text::offset_hours;
use crate::sim::ig::world::World;

impl World {
    pub(super) fn login(&mut self, request: &Request) -> Result<Answer, ApiError> {
        if self.now < self.maintenance_until {
            return Err(ApiError::new(503, "system.error"));
        }
        // Stale tokens on a login spoil it.
        if request.header("cst").is_some() {
            let tokens = (request.header("cst"), request.header("x-security-token"));
            if self.sessions.by_tokens(tokens.0, tokens.1.or(Some("")), &self.delays, self.now).is_err() {
                return Err(ApiError::new(401, "error.security.client-token-invalid"));
            }
        }
        let body = Body::parse(&request.body)?;
        let field = |name: &str| -> Result<String, ApiError> {
            let text = body.text(name)?;
            text.ok_or_else(|| ApiError::new(400, format!("validation.null-not-allowed.authenticationRequest.{name}")))
        };
        let (identifier, mut password) = (field("identifier")?, field("password")?);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=30).contains(&identifier.len()) || !identifier.bytes().all(is_name) {
            return Err(ApiError::new(400, "validation.pattern.invalid.authenticationRequest.identifier"));
        }
        if password.is_empty() || password.chars().count() > 350 {
            return Err(ApiError::new(400, "validation.pattern.invalid.authenticationRequest.password"));
        }
        if body.flag("encryptedPassword")? == Some(true) {
            password = self.sessions.decrypt(&password, self.now).unwrap_or_default();
        }
        if identifier != self.username || password != self.password {
            return Err(ApiError::new(401, "error.security.invalid-details"));
        }
        let is_bearer = request.version() >= 3;
        let account = self.preferred();
        let login = self.sessions.login(&account, is_bearer, self.now);
        if is_bearer {
            return Ok(self.bearer_login(&login));
        }
        let mut answer = Answer::ok(self.login_body(&login));
        answer.headers = tokens(&login);
        Ok(answer)
    }

    fn client_id(&self) -> String {
        format!("{}", 100_000_000 + self.seed % 900_000_000)
    }

    fn login_body(&self, login: &Login) -> Value {
        let account = &self.accounts[&login.account];
        let accounts: Vec<Value> = self
            .accounts
            .values()
            .map(|account| {
                json!({
                    "accountId": account.spec.id,
                    "accountName": account.spec.name,
                    "preferred": account.spec.is_preferred,
                    "accountType": account.spec.kind,
                })
            })
            .collect();
        json!({
            "accountType": account.spec.kind,
            "accountInfo": account.sums(&self.boards).json(),
            "currencyIsoCode": "GBP",
            "currencySymbol": "£",
            "currentAccountId": account.spec.id,
            "lightstreamerEndpoint": self.endpoint,
            "accounts": accounts,
            "clientId": self.client_id(),
            "timezoneOffset": offset_hours(self.now),
            "hasActiveDemoAccounts": true,
            "hasActiveLiveAccounts": false,
            "trailingStopsEnabled": account.is_trailing_enabled,
            "reroutingEnvironment": null,
            "dealingEnabled": true,
        })
    }

    fn bearer_login(&self, login: &Login) -> Answer {
        let bearer = self.sessions.bearer(login).map(|bearer| self.bearer_body(&bearer));
        Answer::ok(json!({
            "clientId": self.client_id(),
            "accountId": login.account,
            "timezoneOffset": offset_hours(self.now),
            "lightstreamerEndpoint": self.endpoint,
            "oauthToken": bearer,
        }))
    }

    fn bearer_body(&self, bearer: &Bearer) -> Value {
        json!({
            "access_token": bearer.access,
            "refresh_token": bearer.refresh,
            "scope": "profile",
            "token_type": "Bearer",
            "expires_in": (self.delays.access_life.0 / 1_000_000).to_string(),
        })
    }

    pub(super) fn encryption_key(&mut self) -> Result<Answer, ApiError> {
        let key = self.sessions.public_key().ok_or_else(|| ApiError::new(500, "system.error"))?;
        Ok(Answer::ok(json!({ "encryptionKey": key, "timeStamp": self.now.0 / 1_000 })))
    }

    pub(super) fn refresh(&mut self, request: &Request) -> Result<Answer, ApiError> {
        let token = Body::parse(&request.body)?.needed("refresh_token")?;
        let bearer = self.sessions.refresh(&token, &self.delays, self.now);
        let bearer = bearer.ok_or_else(|| ApiError::new(401, "error.security.oauth-token-invalid"))?;
        Ok(Answer::ok(self.bearer_body(&bearer)))
    }

    pub(super) fn read_session(&self, request: &Request, caller: &Caller) -> Result<Answer, ApiError> {
        let mut answer = Answer::ok(json!({
            "clientId": self.client_id(),
            "accountId": caller.account,
            "timezoneOffset": offset_hours(self.now),
            "locale": "en_GB",
            "currency": "GBP",
            "lightstreamerEndpoint": self.endpoint,
        }));
        if request.parameters()?.get("fetchSessionTokens") == Some("true") {
            answer.headers =
                vec![("CST", caller.client_token.clone()), ("X-SECURITY-TOKEN", caller.account_token.clone())];
        }
        Ok(answer)
    }

    pub(super) fn switch_account(&mut self, request: &Request, caller: &Caller) -> Result<Answer, ApiError> {
        let body = Body::parse(&request.body)?;
        let account = body.needed("accountId")?;
        if !self.accounts.contains_key(&account) {
            return Err(ApiError::new(400, "error.switch.invalid-accountId"));
        }
        if account == caller.account {
            return Err(ApiError::new(412, "error.switch.accountId-must-be-different"));
        }
        if body.flag("defaultAccount")? == Some(true) {
            for other in self.accounts.values_mut() {
                other.spec.is_preferred = other.spec.id == account;
            }
        }
        let login = self.sessions.switch(&caller.client_token, &account);
        let login = login.ok_or_else(|| ApiError::new(401, "error.security.client-token-invalid"))?;
        let mut answer = Answer::ok(json!({
            "trailingStopsEnabled": self.accounts[&account].is_trailing_enabled,
            "dealingEnabled": true,
            "hasActiveDemoAccounts": true,
            "hasActiveLiveAccounts": false,
        }));
        answer.headers = tokens(&login);
        Ok(answer)
    }

    pub(super) fn logout(&mut self, caller: &Caller) -> Answer {
        self.sessions.logout(&caller.client_token);
        Answer { status: 204, ..Answer::default() }
    }
}

fn tokens(login: &Login) -> Vec<(&'static str, String)> {
    vec![("CST", login.client_token.clone()), ("X-SECURITY-TOKEN", login.account_token.clone())]
}
