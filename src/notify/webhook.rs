//! A webhook: every message as one JSON `POST`.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use super::{Channel, Message, SendError};
use crate::clock::{Clock, SystemClock};

/// How long one delivery may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// A client for one channel: it goes where it was sent, and nowhere else.
pub(super) fn client() -> Result<Client, String> {
    let made = crate::http::client().timeout(PATIENCE).redirect(Policy::none()).build();
    made.map_err(|error| format!("no HTTP client: {error}"))
}

/// See the module. The address may be a secret itself: what is shown of it is its host.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    token: Option<SecretString>,
}

impl Webhook {
    pub(super) fn new(address: &SecretString, token: Option<SecretString>) -> Result<Self, String> {
        let url = Url::parse(address.expose_secret()).map_err(|error| format!("the webhook's address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("the webhook's address is none of http or https".to_owned());
        }
        let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if token.is_some() && url.scheme() == "http" && !is_here {
            return Err(
                "ARENA_WEBHOOK_TOKEN would be sent in the clear: the webhook's address has to be https".to_owned()
            );
        }
        Ok(Self { client: client()?, url, token })
    }
}

impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn place(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        async move {
            let mut request = self.client.post(self.url.clone()).json(&message.body);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token.expose_secret());
            }
            let answer = request.send().await.map_err(|error| unreached(&error))?;
            match answer.status() {
                status if status.is_success() => Ok(()),
                status => Err(refused(status, retry_after(&answer))),
            }
        }
        .boxed()
    }
}

/// Nobody answered, in one line and without the address.
pub(super) fn unreached(error: &reqwest::Error) -> SendError {
    if error.is_timeout() {
        return SendError::passing(format!("no answer within {} s", PATIENCE.as_secs()));
    }
    // The sentences of reqwest itself hold the address; those of the network below do not.
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    SendError::passing(cause.map_or_else(|| "the connection failed".to_owned(), |why| why.to_string().to_lowercase()))
}

/// What an answer other than a success means.
pub(super) fn refused(status: StatusCode, after: Option<Duration>) -> SendError {
    let why = format!("it answers {status}");
    let is_passing = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY);
    if is_passing { SendError::Passing { why, after } } else { SendError::Final { why } }
}

/// How long the answer asks to be left alone: in seconds, or until a date.
fn retry_after(answer: &Response) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().to_owned();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(&text).ok()?.timestamp().as_second();
    u64::try_from(until - SystemClock.now().0.div_euclid(1_000_000)).ok().map(Duration::from_secs)
}
