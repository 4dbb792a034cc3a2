//! Events in the words of the configured templates.

use serde_json::{Map, Value, json};

use super::inbox::{Digest, Next};
use crate::config::{NotifyConfig, render_template};
use crate::domain::UtcMicros;

/// The longest subject, in characters,
const SUBJECT_MAX: usize = 200;
/// and the longest text.
const TEXT_MAX: usize = 8_000;

/// What a channel sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// One line.
    pub subject: String,
    /// Several.
    pub text: String,
    /// Both, and every variable of the templates, for programs.
    pub body: Value,
}

/// Who speaks, and in which words.
#[derive(Clone, Debug)]
pub(super) struct Words {
    /// The arena's name.
    pub(super) arena: String,
    /// `demo`, `live` or `paper`.
    pub(super) environment: String,
    /// The page's address, or nothing.
    pub(super) page: String,
    subject: String,
    text: String,
}

impl Words {
    /// By the templates of `config`.
    #[must_use]
    pub(super) fn new(config: &NotifyConfig, arena: &str, environment: &str, page: &str) -> Self {
        Self {
            arena: arena.to_owned(),
            environment: environment.to_owned(),
            page: page.to_owned(),
            subject: config.subject.clone(),
            text: config.text.clone(),
        }
    }

    /// One event, or several in one message; `lost` are earlier ones that could not be delivered.
    #[must_use]
    pub(super) fn message(&self, next: &Next, lost: Option<&Digest>) -> Message {
        let message = match next {
            Next::One(item) => {
                let Value::Object(values) = json!(item.event) else { unreachable!("an event is an object") };
                self.render(values, 1)
            }
            Next::Several(digest) => self.render(digest_values(digest, "more"), digest.count),
        };
        match lost {
            None => message,
            Some(lost) => with_lost(message, lost),
        }
    }

    /// What `arena notify test` sends.
    #[must_use]
    pub(super) fn test(&self, time: UtcMicros) -> Message {
        let mut values = Map::new();
        values.insert("event".to_owned(), "test".into());
        values.insert("time".to_owned(), json!(time));
        values.insert("summary".to_owned(), "this is a test".into());
        values.insert("reason".to_owned(), "sent by `arena notify test`".into());
        self.render(values, 1)
    }

    fn render(&self, mut values: Map<String, Value>, count: u64) -> Message {
        for (name, text) in [("arena", &self.arena), ("environment", &self.environment), ("page", &self.page)] {
            values.insert(name.to_owned(), text.as_str().into());
        }
        for name in crate::config::NOTIFY_VARIABLES {
            values.entry(name).or_insert_with(|| "".into());
        }
        values.insert("count".to_owned(), count.into());
        let summary = values.get("summary").and_then(Value::as_str).unwrap_or_default().to_owned();
        // They were tried when the configuration was read; what still fails must not keep an event from being told.
        let told = |source: &str| {
            render_template(source, &values).unwrap_or_else(|why| {
                tracing::error!(%why, "a template of [notify] failed");
                summary.clone()
            })
        };
        let subject = cut(&told(&self.subject).split_whitespace().collect::<Vec<_>>().join(" "), SUBJECT_MAX);
        let text = cut(told(&self.text).trim_end(), TEXT_MAX);
        values.insert("subject".to_owned(), subject.as_str().into());
        values.insert("text".to_owned(), text.as_str().into());
        Message { subject, text, body: Value::Object(values) }
    }
}

fn digest_values(digest: &Digest, what: &str) -> Map<String, Value> {
    let since = digest.since.unwrap_or_default();
    let mut values = Map::new();
    values.insert("event".to_owned(), "digest".into());
    values.insert("time".to_owned(), json!(digest.until));
    let summary = format!("{} {what} since {since}: {}", digest.count, digest.kinds_text());
    values.insert("summary".to_owned(), summary.into());
    let shown = digest.words.len() as u64;
    let mut lines: Vec<String> = digest.words.iter().cloned().collect();
    if digest.count > shown {
        lines.insert(0, format!("the last {shown}:"));
    }
    values.insert("reason".to_owned(), lines.join("\n").into());
    values
}

fn with_lost(mut message: Message, lost: &Digest) -> Message {
    let since = lost.since.unwrap_or_default();
    let line = format!("{} before could not be delivered, since {since}: {}", lost.count, lost.kinds_text());
    message.text = format!("{}\n{line}", message.text);
    if let Value::Object(body) = &mut message.body {
        body.insert("text".to_owned(), message.text.as_str().into());
        body.insert("undelivered".to_owned(), lost.count.into());
    }
    message
}

/// The first `most` characters, with a mark where there were more.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NotifyEvent;
    use crate::notify::event::Event;
    use crate::notify::inbox::Item;

    fn words(more: &str) -> Words {
        let text = format!("[notify]\n{more}\n{}", crate::notify::testing::MARKET);
        let config = crate::config::parse(&text, "arena.toml", std::path::Path::new(".")).expect("no fault");
        Words::new(&config.notify, "first", "paper", "http://127.0.0.1:8787/")
    }

    fn item(summary: &str, reason: &str) -> Item {
        let event = Event {
            model: "m".to_owned(),
            amounts: "paper: 1 GBP".to_owned(),
            ..Event::new(NotifyEvent::Promotion, UtcMicros(1_500_000), summary, reason)
        };
        Item { event, at: None }
    }

    #[test]
    fn the_words_of_a_message_are_those_of_the_templates() {
        let one = Next::One(Box::new(item("m trades live", "G1\nand all")));
        let message = words("").message(&one, None);
        assert_eq!(message.subject, "[first paper] m trades live");
        let want = "m trades live\nG1\nand all\npaper: 1 GBP\n1970-01-01T00:00:01.5Z\nhttp://127.0.0.1:8787/";
        assert_eq!(message.text, want);
        for (key, want) in [("event", "promotion"), ("model", "m"), ("market", ""), ("arena", "first"), ("text", want)]
        {
            assert_eq!(message.body[key], want, "{key}");
        }
        assert_eq!(message.body["count"], 1);
        let own = words("subject = \"{{ event|upper }}\\n{{ reason }}\"").message(&one, None);
        assert_eq!(own.subject, "PROMOTION G1 and all", "a subject is one line");
    }

    #[test]
    fn several_are_one_message_and_what_was_lost_is_told() {
        let mut digest = Digest::default();
        (0..25).for_each(|n| digest.add(&item(&format!("thing {n}"), "")));
        let message = words("").message(&Next::Several(digest.clone()), Some(&digest));
        assert_eq!(message.subject, "[first paper] 25 more since 1970-01-01T00:00:01.5Z: 25 promotion");
        assert!(message.text.contains("the last 10:\n1970-01-01T00:00:01.5Z thing 15"), "{}", message.text);
        assert!(message.text.ends_with("25 before could not be delivered, since 1970-01-01T00:00:01.5Z: 25 promotion"));
        assert_eq!((&message.body["event"], &message.body["undelivered"]), (&"digest".into(), &25.into()));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        let long = Next::One(Box::new(item(&"x".repeat(20_000), "")));
        let message = words("").message(&long, None);
        assert_eq!((message.subject.chars().count(), message.text.chars().count()), (SUBJECT_MAX, TEXT_MAX));
    }
}
