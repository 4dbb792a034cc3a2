//! A Telegram bot: `sendMessage` of the Bot API (<https://core.telegram.org/bots/api#sendmessage>).

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::webhook::{client, refused, unreached};
use super::{Channel, Message, SendError};

/// A message may hold so many UTF-16 units.
const UNITS_MAX: usize = 4_096;
/// No answer of the Bot API to a message comes near this.
const ANSWER_MAX: usize = 64 << 10;

/// See the module. The token is a part of the address, which is therefore never shown.
pub(super) struct Telegram {
    client: Client,
    base: String,
    address: SecretString,
    chat: String,
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

impl Telegram {
    pub(super) fn new(base: &str, token: &SecretString, chat: &str) -> Result<Self, String> {
        let address = format!("{base}/bot{}/sendMessage", token.expose_secret());
        if Url::parse(&address).is_err() || token.expose_secret().contains(['/', '?', '#']) {
            return Err("ARENA_TELEGRAM_TOKEN holds no token of a bot".to_owned());
        }
        Ok(Self { client: client()?, base: base.to_owned(), address: address.into(), chat: chat.to_owned() })
    }
}

impl Channel for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn place(&self) -> String {
        format!("{} chat {}", self.base, self.chat)
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        async move {
            let text = within_units(&format!("{}\n{}", message.subject, message.text));
            let body = json!({
                "chat_id": self.chat, "text": text, "link_preview_options": { "is_disabled": true },
            });
            let request = self.client.post(self.address.expose_secret()).json(&body);
            let answer = request.send().await.map_err(|error| unreached(&error))?;
            let status = answer.status();
            let read: Option<Answer> = bounded(answer).await.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            match read {
                Some(Answer { ok: true, .. }) if status.is_success() => Ok(()),
                Some(Answer { description, parameters, .. }) => {
                    let after = parameters.and_then(|parameters| parameters.retry_after).map(Duration::from_secs);
                    let told = description.unwrap_or_default();
                    Err(refused(status, after).saying(&told))
                }
                None if status.is_success() => {
                    Err(SendError::passing("what answers does not speak as the Bot API does".to_owned()))
                }
                None => Err(refused(status, None)),
            }
        }
        .boxed()
    }
}

/// The body, where it is not endless.
async fn bounded(mut answer: Response) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_MAX {
            return None;
        }
    }
    Some(bytes)
}

fn within_units(text: &str) -> String {
    let mut units = 0;
    let cut: String = text
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= UNITS_MAX
        })
        .collect();
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_what_telegram_takes() {
        assert_eq!(within_units("short"), "short");
        assert_eq!(within_units(&"🙂".repeat(3_000)).encode_utf16().count(), UNITS_MAX);
    }
}
