//! From `[notify]` and the environment to channels.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use super::email::Email;
use super::message::Words;
use super::telegram::Telegram;
use super::webhook::Webhook;
use super::{Channel, Message, SendError};
use crate::config::{Config, FeedSource, NotifyConfig};
use crate::domain::UtcMicros;

/// Why a channel cannot be opened: always something that its owner can mend.
#[derive(Debug, thiserror::Error)]
#[error("[notify] {0}")]
pub struct OpenError(String);

/// Channels that are ready, and the words for them.
pub struct Notify {
    pub(super) config: NotifyConfig,
    pub(super) words: Words,
    pub(super) channels: Vec<Box<dyn Channel>>,
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.channels.iter().map(|channel| channel.name()).collect();
        f.write_str(&names.join(", "))
    }
}

impl Notify {
    /// The channels that `config` names; `None` where it names none. `page` is where the page is served.
    ///
    /// # Errors
    /// [`OpenError`] where a secret is missing in the environment, or cannot be one.
    pub fn open(config: &Config, page: SocketAddr) -> Result<Option<Self>, OpenError> {
        let notify = &config.notify;
        if !notify.has_channel() {
            return Ok(None);
        }
        let mut channels: Vec<Box<dyn Channel>> = Vec::new();
        if let Some(address) = &notify.webhook {
            let address = match address.strip_prefix('$') {
                None => SecretString::from(address.clone()),
                Some(name) => required(name, "webhook", "the address")?,
            };
            let token = variable("ARENA_WEBHOOK_TOKEN");
            let secrets = token.iter().chain([&address]).cloned().collect();
            let webhook = Webhook::new(&address, token).map_err(OpenError)?;
            channels.push(Box::new(Discreet { inner: webhook, secrets }));
        }
        if let Some(mail) = &notify.email {
            let login = match (variable("ARENA_SMTP_USER"), variable("ARENA_SMTP_PASSWORD")) {
                (Some(user), Some(password)) => Some((user.expose_secret().to_owned(), password)),
                (None, None) => None,
                (Some(_), None) => {
                    return Err(OpenError("smtp: ARENA_SMTP_USER is set, ARENA_SMTP_PASSWORD is not".into()));
                }
                (None, Some(_)) => {
                    return Err(OpenError("smtp: ARENA_SMTP_PASSWORD is set, ARENA_SMTP_USER is not".into()));
                }
            };
            let secrets = login.iter().flat_map(|(user, password)| as_sent(user, password)).collect();
            let email = Email::new(mail, login).map_err(|why| OpenError(format!("smtp: {why}")))?;
            channels.push(Box::new(Discreet { inner: email, secrets }));
        }
        if let Some(chat) = &notify.telegram {
            let token = required("ARENA_TELEGRAM_TOKEN", "telegram", "the token of the bot")?;
            let telegram = Telegram::new(&notify.telegram_url, &token, chat).map_err(OpenError)?;
            channels.push(Box::new(Discreet { inner: telegram, secrets: vec![token] }));
        }
        let page = match &notify.page {
            Some(page) => page.clone(),
            // Who reads it elsewhere could not follow such an address.
            None if page.ip().is_unspecified() => String::new(),
            None => format!("http://{page}/"),
        };
        let words = Words::new(notify, &config.arena.name, environment(config), &page);
        Ok(Some(Self { config: notify.clone(), words, channels }))
    }

    /// Sends one test message to each channel, once; what came of it by the channel's name and place.
    pub async fn test(&self, time: UtcMicros) -> Vec<(&'static str, String, Result<(), SendError>)> {
        let message = self.words.test(time);
        let mut results = Vec::new();
        for channel in &self.channels {
            results.push((channel.name(), channel.place(), channel.send(&message).await));
        }
        results
    }

    /// What a message is tried for, and the window of a burst.
    pub(super) fn lengths(&self) -> (Duration, Duration) {
        let length = |micros: crate::domain::Micros| Duration::from_micros(micros.0.unsigned_abs());
        (length(self.config.give_up), length(self.config.digest_every))
    }
}

/// Whose money a configuration deals with: `demo` or `live` at IG, `paper` at the venue of this process.
#[must_use]
pub fn environment(config: &Config) -> &'static str {
    match config.feed.source {
        FeedSource::Ig => config.ig.environment.word(),
        FeedSource::Sim | FeedSource::Replay => "paper",
    }
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<SecretString> {
    let value = std::env::var(name).ok()?;
    let value = value.trim();
    (!value.is_empty()).then(|| SecretString::from(value.to_owned()))
}

fn required(name: &str, key: &str, what: &str) -> Result<SecretString, OpenError> {
    variable(name).ok_or_else(|| OpenError(format!("{key}: the variable {name} has to hold {what}")))
}

/// A password, and what it looks like on the wire: a server may say it back.
fn as_sent(user: &str, password: &SecretString) -> [SecretString; 3] {
    let plain = STANDARD.encode(format!("\0{user}\0{}", password.expose_secret()));
    let login = STANDARD.encode(password.expose_secret());
    [password.clone(), plain.into(), login.into()]
}

/// A channel whose errors never hold a secret, whatever the other side says.
struct Discreet<C> {
    inner: C,
    secrets: Vec<SecretString>,
}

impl<C: Channel> Channel for Discreet<C> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        async move {
            let hide =
                |why: String| self.secrets.iter().fold(why, |why, secret| why.replace(secret.expose_secret(), "***"));
            self.inner.send(message).await.map_err(|error| match error {
                SendError::Passing { why, after } => SendError::Passing { why: hide(why), after },
                SendError::Final { why } => SendError::Final { why: hide(why) },
            })
        }
        .boxed()
    }
}
