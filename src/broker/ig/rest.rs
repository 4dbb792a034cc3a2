//! The shell of IG's REST service: one HTTP client, one login at a time, budgets kept, secrets never shown.
//!
//! Reads are repeated: after a login where the tokens are dead, after a pause where IG or the way there does not answer.
//! A deal is sent once, whatever comes of it; only its own lack of tokens, which is known before anything is dealt, is
//! told as [`IgError::Refused`] of the class [`Class::LogIn`].

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::fault::{Allowance, Class, IgError};
use super::session::{Login, LoginGate, LoginVersion, Need, Proof, encrypt_password};
use super::throttle::{Lane, Limits, Throttle};
use super::wire::{EncryptionKey, HistoryAllowance, LoginAnswer, OauthLogin, OauthToken, SessionAnswer, SwitchAnswer};
use crate::telemetry::ig as telemetry;

/// No answer of IG is longer.
const BODY_BYTES_MAX: usize = 32 << 20;

/// How often a read is tried.
const READS_MAX: u32 = 4;

/// The longest pause between two reads, in milliseconds.
const PAUSE_MAX_MILLIS: u64 = 20_000;

/// How long the desk waits for a login or an allowance: it asks again by itself.
const PATIENCE_MILLIS: u64 = 2_000;

/// Where and as whom.
pub struct IgOptions {
    /// Ends before `/session`.
    pub rest_url: String,
    /// The key of the application.
    pub api_key: SecretString,
    /// The user.
    pub identifier: String,
    /// Its password.
    pub password: SecretString,
    /// The account; empty: the preferred one.
    pub account: String,
    /// How to log in.
    pub login: LoginVersion,
    /// Whether the password travels encrypted.
    pub encrypts_password: bool,
    /// The shortest time from one login to the next, in milliseconds.
    pub login_spacing_millis: u64,
    /// How long a request may take, in milliseconds.
    pub timeout_millis: u64,
    /// The first pause before a read is repeated, in milliseconds; it doubles.
    pub pause_millis: u64,
    /// Requests a minute.
    pub limits: Limits,
}

impl fmt::Debug for IgOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IgOptions").field("rest_url", &self.rest_url).finish_non_exhaustive()
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// With a leading slash, and its query.
    pub(super) path: &'a str,
    pub(super) version: u8,
    pub(super) body: Option<serde_json::Value>,
    pub(super) lane: Lane,
}

struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
}

#[derive(Debug)]
struct Logins {
    current: Option<Arc<Login>>,
    used: u64,
    gate: LoginGate,
}

/// IG's REST service, logged in as needed.
pub struct Rest {
    http: Client,
    options: IgOptions,
    epoch: Instant,
    logins: tokio::sync::Mutex<Logins>,
    throttle: Mutex<Throttle>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Rest {
    /// A client that has not logged in.
    ///
    /// # Errors
    /// A sentence, where the address is none or the system gives no HTTP client.
    pub fn new(options: IgOptions) -> Result<Self, String> {
        let url = reqwest::Url::parse(&options.rest_url).map_err(|why| format!("{}: {why}", options.rest_url))?;
        let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            return Err(format!("{}: passwords go over https alone, or to this machine", options.rest_url));
        }
        let http = crate::http::client()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_millis(options.timeout_millis.min(5_000)))
            .timeout(Duration::from_millis(options.timeout_millis))
            // A socket that IG has closed by itself is found out by a request that dies on it.
            .pool_idle_timeout(Duration::from_secs(20))
            .tcp_nodelay(true)
            .build()
            .map_err(|why| why.to_string())?;
        let throttle = Mutex::new(Throttle::new(options.limits));
        let gate = LoginGate::new(options.login_spacing_millis);
        let logins = tokio::sync::Mutex::new(Logins { current: None, used: 0, gate });
        Ok(Self { http, options, epoch: Instant::now(), logins, throttle })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of each allowance, and the whole of it.
    pub fn allowances(&self) -> Vec<(Allowance, i64, i64)> {
        self.throttle().left(self.now())
    }

    /// Other limits, as the key's own record tells them.
    pub fn set_limits(&self, limits: Limits) {
        self.throttle().set_limits(limits);
    }

    /// What is left of the week's points, as last told.
    pub fn history_allowance(&self) -> Option<HistoryAllowance> {
        self.throttle().history()
    }

    pub(super) fn note_history(&self, allowance: HistoryAllowance) {
        self.throttle().on_history(allowance);
    }

    /// The login in force: made, renewed or refreshed as needed, by one caller at a time.
    ///
    /// # Errors
    /// [`IgError`]; of the class [`Class::Stop`] where logging in again would be refused again.
    pub async fn login(&self) -> Result<Arc<Login>, IgError> {
        self.login_for(Lane::Data).await
    }

    async fn login_for(&self, lane: Lane) -> Result<Arc<Login>, IgError> {
        loop {
            let mut logins = self.logins.lock().await;
            if let Some(login) = self.in_force(&mut logins).await? {
                return Ok(login);
            }
            let now = self.now();
            let wait = logins.gate.wait(now).map_err(|code| IgError::Refused { status: 401, code })?;
            if wait == 0 {
                return self.log_in_anew(&mut logins).await;
            }
            if lane != Lane::Data && wait > PATIENCE_MILLIS {
                return Err(IgError::NotSent(format!("the next login to IG is {wait} ms away")));
            }
            // Nobody else has to wait behind the one who waits.
            drop(logins);
            tracing::info!(wait_millis = wait, "waiting before the next login to IG");
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    /// The login that is there, refreshed where it needs to be.
    async fn in_force(&self, logins: &mut Logins) -> Result<Option<Arc<Login>>, IgError> {
        let Some(login) = logins.current.clone() else { return Ok(None) };
        let now = self.now();
        match login.need(now, logins.used) {
            Need::Nothing => {
                logins.used = now;
                return Ok(Some(login));
            }
            Need::Refresh => match self.refresh(&login).await {
                Ok(fresh) => {
                    let fresh = Arc::new(fresh);
                    (logins.current, logins.used) = (Some(Arc::clone(&fresh)), now);
                    return Ok(Some(fresh));
                }
                Err(error @ (IgError::NotSent(_) | IgError::NoAnswer(_))) => return Err(error),
                Err(error) => tracing::warn!(%error, "IG login not refreshed: logging in again"),
            },
            Need::Login => {}
        }
        logins.current = None;
        Ok(None)
    }

    async fn log_in_anew(&self, logins: &mut Logins) -> Result<Arc<Login>, IgError> {
        logins.gate.begun(self.now());
        match self.log_in().await {
            Ok(login) => {
                let login = Arc::new(login);
                (logins.current, logins.used) = (Some(Arc::clone(&login)), self.now());
                tracing::info!(account = %login.account, "logged in to IG");
                Ok(login)
            }
            Err(error) => {
                if error.class() == Class::Stop {
                    logins.gate.refused_for_good(error.code().unwrap_or("refused"));
                }
                Err(error)
            }
        }
    }

    /// The tokens of `login` are dead: the next request logs in, unless somebody has already.
    pub async fn forget(&self, login: &Arc<Login>) {
        let mut logins = self.logins.lock().await;
        if logins.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, login)) {
            logins.current = None;
        }
    }

    async fn log_in(&self) -> Result<Login, IgError> {
        let mut body = serde_json::json!({ "identifier": self.options.identifier });
        let password = if self.options.encrypts_password {
            let ask =
                Ask { method: Method::GET, path: "/session/encryptionKey", version: 1, body: None, lane: Lane::Desk };
            let key: EncryptionKey = read(&self.once(&ask, None).await?.body)?;
            body["encryptedPassword"] = true.into();
            encrypt_password(&self.options.password, &key).map_err(|why| IgError::NotUnderstood(why.to_string()))?
        } else {
            self.options.password.clone()
        };
        body["password"] = password.expose_secret().into();
        let version = if self.options.login == LoginVersion::Two { 2 } else { 3 };
        let ask = Ask { method: Method::POST, path: "/session", version, body: Some(body), lane: Lane::Desk };
        let answer = self.once(&ask, None).await?;
        let since = self.now();
        let mut login = if version == 2 {
            let said: LoginAnswer = read(&answer.body)?;
            Login {
                proof: tokens_of(&answer.headers)
                    .ok_or_else(|| IgError::NotUnderstood("a login without tokens".to_owned()))?,
                account: said.current_account_id,
                streaming: said.lightstreamer_endpoint,
                kind: said.account_type,
                balance: said.account_info,
                currency: said.currency_iso_code,
                may_deal: said.dealing_enabled,
                since,
            }
        } else {
            let said: OauthLogin = read(&answer.body)?;
            Login {
                proof: bearer(said.oauth_token),
                account: said.account_id,
                streaming: said.lightstreamer_endpoint,
                kind: None,
                balance: None,
                currency: None,
                may_deal: None,
                since,
            }
        };
        let wanted = &self.options.account;
        if !wanted.is_empty() && *wanted != login.account {
            self.switch(&mut login, wanted).await?;
        }
        Ok(login)
    }

    /// A login always lands on the preferred account.
    async fn switch(&self, login: &mut Login, account: &str) -> Result<(), IgError> {
        let body = serde_json::json!({ "accountId": account, "defaultAccount": false });
        let ask = Ask { method: Method::PUT, path: "/session", version: 1, body: Some(body), lane: Lane::Desk };
        let answer = self.once(&ask, Some(login)).await?;
        let said: SwitchAnswer = read(&answer.body)?;
        if let Proof::Tokens { client, account: token } = &mut login.proof {
            let fresh = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(text) = fresh("CST") {
                *client = text.into();
            }
            if let Some(text) = fresh("X-SECURITY-TOKEN") {
                *token = text.into();
            }
        }
        account.clone_into(&mut login.account);
        login.may_deal = said.dealing_enabled;
        // What the login said was of the other account.
        (login.kind, login.balance, login.currency) = (None, None, None);
        Ok(())
    }

    async fn refresh(&self, login: &Login) -> Result<Login, IgError> {
        let Proof::Bearer { refresh, .. } = &login.proof else {
            return Err(IgError::NotUnderstood("nothing to refresh with".to_owned()));
        };
        let body = serde_json::json!({ "refresh_token": refresh.expose_secret() });
        let ask = Ask {
            method: Method::POST,
            path: "/session/refresh-token",
            version: 1,
            body: Some(body),
            lane: Lane::Desk,
        };
        let token: OauthToken = read(&self.once(&ask, None).await?.body)?;
        Ok(Login { proof: bearer(token), since: self.now(), ..login.clone() })
    }

    /// Ends the login.
    ///
    /// # Errors
    /// [`IgError`]; the login is forgotten all the same.
    pub async fn log_out(&self) -> Result<(), IgError> {
        let current = self.logins.lock().await.current.take();
        let Some(login) = current else { return Ok(()) };
        let ask = Ask { method: Method::DELETE, path: "/session", version: 1, body: None, lane: Lane::Desk };
        self.once(&ask, Some(&login)).await.map(drop)
    }

    /// The password for streaming, and the login that it is of.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn streaming_password(&self) -> Result<(SecretString, Arc<Login>), IgError> {
        let login = self.login().await?;
        let proof = match &login.proof {
            tokens @ Proof::Tokens { .. } => tokens.clone(),
            // Access tokens are not taken there: they are changed for the other kind.
            Proof::Bearer { .. } => {
                let ask = Ask {
                    method: Method::GET,
                    path: "/session?fetchSessionTokens=true",
                    version: 1,
                    body: None,
                    lane: Lane::Desk,
                };
                let answer = self.answer_of_read(&ask).await?;
                let _: SessionAnswer = read(&answer.body)?;
                tokens_of(&answer.headers)
                    .ok_or_else(|| IgError::NotUnderstood("no tokens for streaming".to_owned()))?
            }
        };
        let Proof::Tokens { client, account } = proof else {
            return Err(IgError::NotUnderstood("no tokens for streaming".to_owned()));
        };
        let password = format!("CST-{}|XST-{}", client.expose_secret(), account.expose_secret());
        Ok((password.into(), login))
    }

    /// Reads, as often as it takes within reason.
    pub(super) async fn read<T: DeserializeOwned>(&self, lane: Lane, path: &str, version: u8) -> Result<T, IgError> {
        let ask = Ask { method: Method::GET, path, version, body: None, lane };
        read(&self.answer_of_read(&ask).await?.body)
    }

    async fn answer_of_read(&self, ask: &Ask<'_>) -> Result<Answer, IgError> {
        let mut has_logged_in = false;
        let mut pause = self.options.pause_millis;
        for tried in 1.. {
            let login = self.login_for(ask.lane).await?;
            let error = match self.once(ask, Some(&login)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error.class() {
                Class::LogIn if !has_logged_in => {
                    has_logged_in = true;
                    self.forget(&login).await;
                }
                Class::Later if tried < READS_MAX => {
                    // A history that is used up comes back in days; the desk asks again by itself.
                    let exceeded = error.code().and_then(Allowance::exceeded);
                    if exceeded == Some(Allowance::History) || (exceeded.is_some() && ask.lane == Lane::Desk) {
                        return Err(error);
                    }
                    tracing::debug!(path = ask.path, %error, "IG read again");
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX_MILLIS);
                }
                _ => return Err(error),
            }
        }
        unreachable!("the last try returns")
    }

    /// Sends a dealing request, once.
    pub(super) async fn deal<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        version: u8,
        body: &B,
    ) -> Result<T, IgError> {
        let login = self.login_for(Lane::Deal).await.map_err(|error| match error {
            IgError::NoAnswer(why) => IgError::NotSent(format!("not logged in: {why}")),
            other => other,
        })?;
        let body = serde_json::to_value(body).map_err(|why| IgError::NotSent(why.to_string()))?;
        let ask = Ask { method, path, version, body: Some(body), lane: Lane::Deal };
        match self.once(&ask, Some(&login)).await {
            Ok(answer) => read(&answer.body),
            Err(error) => {
                if error.class() == Class::LogIn {
                    self.forget(&login).await;
                }
                Err(error)
            }
        }
    }

    /// Waits for the budget: a deal not at all, the desk not long, data as long as it takes.
    async fn reserve(&self, lane: Lane) -> Result<(), IgError> {
        loop {
            let now = self.now();
            let Err(wait) = self.throttle().reserve(lane, now) else { return Ok(()) };
            let patience = match lane {
                Lane::Deal => 0,
                Lane::Desk => PATIENCE_MILLIS,
                Lane::Data => u64::MAX,
            };
            if wait > patience {
                return Err(IgError::NotSent(format!("the allowance is used up for {wait} ms")));
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    async fn once(&self, ask: &Ask<'_>, login: Option<&Login>) -> Result<Answer, IgError> {
        self.reserve(ask.lane).await?;
        let begun = Instant::now();
        let answer = self.exchange(ask, login).await;
        let outcome = match &answer {
            Ok(_) => "ok",
            Err(IgError::Refused { code, .. }) if Allowance::exceeded(code).is_some() => "exceeded",
            Err(IgError::Refused { .. }) => "refused",
            Err(IgError::NotSent(_)) => "not_sent",
            Err(IgError::NoAnswer(_) | IgError::NotUnderstood(_)) => "unanswered",
        };
        telemetry::request_done(endpoint(ask.path), outcome, begun.elapsed());
        for (allowance, left, whole) in self.allowances() {
            telemetry::allowance(allowance.word(), left, whole);
        }
        answer
    }

    async fn exchange(&self, ask: &Ask<'_>, login: Option<&Login>) -> Result<Answer, IgError> {
        let is_delete_with_body = ask.method == Method::DELETE && ask.body.is_some();
        let method = if is_delete_with_body { Method::POST } else { ask.method.clone() };
        let url = format!("{}{}", self.options.rest_url.trim_end_matches('/'), ask.path);
        let mut request = self
            .http
            .request(method, url)
            .header("X-IG-API-KEY", secret_header(&self.options.api_key)?)
            .header("Accept", "application/json; charset=UTF-8")
            .header("VERSION", ask.version.to_string());
        if is_delete_with_body {
            // The gateway drops the body of a real DELETE.
            request = request.header("_method", "DELETE");
        }
        if let Some(login) = login {
            request = prove(request, login)?;
        }
        request = match &ask.body {
            Some(body) => request.json(body),
            None => request.header("Content-Type", "application/json"),
        };
        let mut response = request.send().await.map_err(|error| unsent_or_unanswered(&error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => {
                    return Err(IgError::NotUnderstood("an answer without end".to_owned()));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(IgError::NoAnswer(without_url(error))),
            }
        }
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        let error = IgError::of_answer(status.as_u16(), &body);
        if let Some(allowance) = error.code().and_then(Allowance::exceeded) {
            self.throttle().on_exceeded(allowance, self.now());
        }
        Err(error)
    }
}

/// The first part of a path, as far as it is one of IG's: a label has few values.
fn endpoint(path: &str) -> &'static str {
    const KNOWN: [&str; 10] = [
        "session",
        "accounts",
        "operations",
        "markets",
        "prices",
        "positions",
        "confirms",
        "workingorders",
        "history",
        "clientsentiment",
    ];
    let first = path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
    KNOWN.into_iter().find(|known| *known == first).unwrap_or("other")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, IgError> {
    serde_json::from_slice(body).map_err(|why| IgError::NotUnderstood(why.to_string()))
}

fn bearer(token: OauthToken) -> Proof {
    let lives = u64::try_from(token.expires_in.micros() / 1_000).unwrap_or(0);
    Proof::Bearer { access: token.access_token, refresh: token.refresh_token, lives }
}

fn tokens_of(headers: &HeaderMap) -> Option<Proof> {
    let text = |name: &str| Some(SecretString::from(headers.get(name)?.to_str().ok()?));
    Some(Proof::Tokens { client: text("CST")?, account: text("X-SECURITY-TOKEN")? })
}

fn prove(request: RequestBuilder, login: &Login) -> Result<RequestBuilder, IgError> {
    Ok(match &login.proof {
        Proof::Tokens { client, account } => {
            request.header("CST", secret_header(client)?).header("X-SECURITY-TOKEN", secret_header(account)?)
        }
        Proof::Bearer { access, .. } => {
            let text = SecretString::from(format!("Bearer {}", access.expose_secret()));
            request
                .header("Authorization", secret_header(&text)?)
                .header(HeaderName::from_static("ig-account-id"), &login.account)
        }
    })
}

/// A header that is left out of whatever is shown of a request.
fn secret_header(secret: &SecretString) -> Result<HeaderValue, IgError> {
    let mut value = HeaderValue::from_str(secret.expose_secret())
        .map_err(|_| IgError::NotSent("a key or token holds what no header can".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What of an error is known for certain: a connection that could not be made carried nothing.
fn unsent_or_unanswered(error: &reqwest::Error) -> IgError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    // The service alone: a path may name deals and accounts.
    let host = error.url().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    if let (true, Some((host, port))) = (error.is_connect(), host) {
        text = format!("no connection to {host}:{port}: {text}");
    }
    if error.is_connect() || error.is_builder() { IgError::NotSent(text) } else { IgError::NoAnswer(text) }
}

fn without_url(error: reqwest::Error) -> String {
    error.without_url().to_string()
}

#[cfg(test)]
mod tests;
