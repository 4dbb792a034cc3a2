//! `[notify]`: who is told of what, in which words, and how often at most.
//!
//! Templates are compiled and rendered with samples here, so that one that could not be rendered later is a fault of the
//! file. What they may name is [`NOTIFY_VARIABLES`].

use std::collections::BTreeSet;

use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use super::problem::Faults;
use super::read::{Field, Section};
use super::settings::MILLISECOND;
use crate::domain::Micros;

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyEvent {
    /// A candidate has passed every gate, or does so no longer.
    Eligible,
    /// A candidate went live.
    Promotion,
    /// A candidate that was live is in the shadow again.
    Demotion,
    /// A candidate is gone for good.
    Retirement,
    /// A candidate panicked, returned nonsense or was too slow.
    Suspension,
    /// Live dealing stopped.
    Halt,
    /// Live dealing goes on.
    Resume,
    /// Our book and the broker's differed.
    Break,
    /// Quotes are missing, the broker cannot be reached, or the store does not record; and the end of it.
    Outage,
}

impl NotifyEvent {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 9] = [
        ("eligible", Self::Eligible),
        ("promotion", Self::Promotion),
        ("demotion", Self::Demotion),
        ("retirement", Self::Retirement),
        ("suspension", Self::Suspension),
        ("halt", Self::Halt),
        ("resume", Self::Resume),
        ("break", Self::Break),
        ("outage", Self::Outage),
    ];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, event)| *event == self).map_or("", |(word, _)| word)
    }
}

/// `[notify]`. Secrets are not in it: they come from the environment when a channel is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyConfig {
    /// What is told.
    pub events: BTreeSet<NotifyEvent>,
    /// The address that gets a `POST`, or `$NAME` of the variable that holds it.
    pub webhook: Option<String>,
    /// The chat of a Telegram bot.
    pub telegram: Option<String>,
    /// Where the Bot API is.
    pub telegram_url: String,
    /// The mail server and who writes to whom.
    pub email: Option<EmailConfig>,
    /// The template of the subject.
    pub subject: String,
    /// The template of the text.
    pub text: String,
    /// Messages to a channel within `digest_every`; what comes beyond is told in one.
    pub burst: u32,
    /// See `burst`.
    pub digest_every: Micros,
    /// How long the delivery of a message is tried.
    pub give_up: Micros,
    /// The page's address for messages; `None`: that of `[server] listen`.
    pub page: Option<String>,
}

impl NotifyConfig {
    /// Whether anybody is told anything.
    #[must_use]
    pub fn has_channel(&self) -> bool {
        self.webhook.is_some() || self.telegram.is_some() || self.email.is_some()
    }
}

/// How mail goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailConfig {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub security: SmtpSecurity,
    /// The sender, `Name <address>` or an address.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
}

/// How a connection to a mail server is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the start.
    Tls,
    /// TLS after STARTTLS, which the server has to offer.
    StartTls,
    /// None: the server is on this machine.
    Loopback,
}

/// What a template may name. All but `count` are texts, empty where they say nothing.
pub const NOTIFY_VARIABLES: [&str; 13] = [
    "arena",
    "environment",
    "event",
    "time",
    "summary",
    "reason",
    "model",
    "market",
    "from",
    "to",
    "amounts",
    "page",
    "count",
];

/// Renders a template strictly.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn render_template(source: &str, values: &impl Serialize) -> Result<String, String> {
    let sentence = |error: minijinja::Error| {
        let line = error.line().filter(|_| source.contains('\n')).map_or_else(String::new, |n| format!(" in line {n}"));
        let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
        format!("{}{detail}{line}", error.kind())
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let template = environment.template_from_str(source).map_err(sentence)?;
    let mut unknown: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    unknown.retain(|name| !NOTIFY_VARIABLES.contains(&name.as_str()) && !is_function(&environment, name));
    unknown.sort();
    if let Some(name) = unknown.first() {
        return Err(format!("the unknown variable {name:?}"));
    }
    template.render(minijinja::value::Serde(values)).map_err(sentence)
}

fn is_function(environment: &Environment<'_>, name: &str) -> bool {
    environment.globals().any(|(known, _)| known == name)
}

/// Reads `[notify]`.
pub(super) fn notify(root: &Section<'_>, faults: &mut Faults) -> Option<NotifyConfig> {
    let s = root.section("notify", faults);
    let events = s.field("events", faults).and_then(|f| events(&f, faults));
    let webhook = s.field("webhook", faults).and_then(|f| webhook(&f, faults));
    let telegram = s.field("telegram", faults).and_then(|f| {
        const WANT: &str = "\"\", or a chat such as \"-1001234567890\" or \"@channel\"";
        match f.words(faults, WANT)? {
            "" => Some(None),
            chat if chat.len() <= 64 && !chat.contains(char::is_whitespace) => Some(Some(chat.to_owned())),
            _ => f.fault(faults, WANT),
        }
    });
    let telegram_url = s.field("telegram_url", faults).and_then(|f| {
        const WANT: &str = "an https address, or one of this machine such as http://127.0.0.1:8081";
        let text = f.words(faults, WANT)?.trim_end_matches('/');
        let is_safe = is_address(text) && !text.contains('?') && (text.starts_with("https://") || is_loopback(text));
        if is_safe { Some(text.to_owned()) } else { f.fault(faults, WANT) }
    });
    let email = email(&s, faults);
    let mut template = |name: &str| {
        let f = s.field(name, faults)?;
        let source = f.words(faults, "a text")?.to_owned();
        match samples().iter().find_map(|sample| render_template(&source, sample).err()) {
            None => Some(source),
            Some(why) => f.fault(faults, format!("a template of {}; it has {why}", NOTIFY_VARIABLES.join(", "))),
        }
    };
    let (subject, text) = (template("subject"), template("text"));
    let burst = s.field("burst", faults).and_then(|f| f.count(faults, 1..=1_000));
    let digest_every = s.field("digest_every", faults).and_then(|f| f.length(faults, Micros::SECOND, Micros::DAY));
    let give_up = s.field("give_up", faults).and_then(|f| f.length(faults, MILLISECOND, Micros::DAY));
    let page = s.field("page", faults).and_then(|f| {
        const WANT: &str = "\"\", or the address of the page such as https://arena.example.org/";
        match f.words(faults, WANT)? {
            "" => Some(None),
            text if is_address(text) => Some(Some(text.to_owned())),
            _ => f.fault(faults, WANT),
        }
    });
    Some(NotifyConfig {
        events: events?,
        webhook: webhook?,
        telegram: telegram?,
        telegram_url: telegram_url?,
        email: email?,
        subject: subject?,
        text: text?,
        burst: burst?,
        digest_every: digest_every?,
        give_up: give_up?,
        page: page?,
    })
}

fn events(f: &Field<'_>, faults: &mut Faults) -> Option<BTreeSet<NotifyEvent>> {
    let want = || format!("a list of {}", NotifyEvent::ALL.map(|(word, _)| format!("{word:?}")).join(", "));
    let Some(items) = f.items() else { return f.fault(faults, want()) };
    let mut all = Some(BTreeSet::new());
    for item in items {
        match item.one_of(faults, &NotifyEvent::ALL, &want()) {
            Some(event) => all.iter_mut().for_each(|all| _ = all.insert(event)),
            None => all = None,
        }
    }
    all
}

fn webhook(f: &Field<'_>, faults: &mut Faults) -> Option<Option<String>> {
    const WANT: &str = "\"\", an http(s) address without name and password, or \"$NAME\" of the variable that holds it";
    let text = f.words(faults, WANT)?;
    let is_variable = text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    });
    match text {
        "" => Some(None),
        text if is_variable || is_address(text) => Some(Some(text.to_owned())),
        _ => f.fault(faults, WANT),
    }
}

fn email(s: &Section<'_>, faults: &mut Faults) -> Option<Option<EmailConfig>> {
    const WANT: &str = "\"\", smtps://HOST:PORT, or smtp://HOST:PORT (with STARTTLS, unless HOST is this machine)";
    let smtp = s.field("smtp", faults)?;
    let is_mailbox = |text: &str| text.parse::<lettre::message::Mailbox>().is_ok();
    let from = s.field("email_from", faults).and_then(|f| {
        const WANT: &str = "\"\", or an address such as \"arena@example.org\" or \"Arena <arena@example.org>\"";
        let text = f.words(faults, WANT)?;
        if text.is_empty() || is_mailbox(text) { Some(text.to_owned()) } else { f.fault(faults, WANT) }
    });
    let to = s.field("email_to", faults).and_then(|f| {
        const WANT: &str = "a list of up to 100 addresses such as [\"me@example.org\"]";
        let Some(items) = f.items() else { return f.fault(faults, WANT) };
        let mut all = Vec::new();
        for item in items {
            match item.words(faults, WANT)? {
                text if is_mailbox(text) && all.len() < 100 => all.push(text.to_owned()),
                _ => return item.fault(faults, WANT),
            }
        }
        Some(all)
    });
    let text = smtp.words(faults, WANT)?;
    if text.is_empty() {
        return Some(None);
    }
    let read = || {
        let (is_tls, rest) = match text.strip_prefix("smtps://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("smtp://")?),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !host.ends_with(':') => (host, port.parse::<u16>().ok()?),
            _ => (rest, if is_tls { 465 } else { 587 }),
        };
        let is_fit = !host.is_empty() && port > 0 && !host.contains(['@', '/', '?', '#', ' ']);
        let security = match is_tls {
            true => SmtpSecurity::Tls,
            false if is_this_machine(host) => SmtpSecurity::Loopback,
            false => SmtpSecurity::StartTls,
        };
        is_fit.then(|| (host.to_owned(), port, security))
    };
    let Some((host, port, security)) = read() else { return smtp.fault(faults, WANT) };
    let (from, to) = (from?, to?);
    if from.is_empty() {
        s.miss("email_from", faults);
    }
    if to.is_empty() {
        s.miss("email_to", faults);
    }
    (!from.is_empty() && !to.is_empty()).then_some(Some(EmailConfig { host, port, security, from, to }))
}

/// Whether an address can be called: http or https, a host, and nobody's name or password.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !host.contains('@') && !text.contains(char::is_whitespace) && !text.contains('#')
    })
}

/// Whether an address is of this machine.
fn is_loopback(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    is_this_machine(name)
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1" | "[::1]")
}

/// What a template is tried with: everything said, and nothing said.
fn samples() -> [serde_json::Value; 2] {
    let sample = |text: &str, count: u64| {
        let mut values = serde_json::Map::new();
        for name in NOTIFY_VARIABLES {
            values.insert(name.to_owned(), if name == "count" { count.into() } else { text.into() });
        }
        serde_json::Value::Object(values)
    };
    [sample("x", 7), sample("", 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_say_what_is_wrong_with_them() {
        let try_it = |source: &str| render_template(source, &samples()[0]);
        assert_eq!(try_it("[{{ arena }}] {{ summary|upper }} {{ count + 1 }}").as_deref(), Ok("[x] X 8"));
        for (source, part) in [
            ("{{ modle }}", "the unknown variable \"modle\""),
            ("{% if false %}{{ hidden }}{% endif %}", "the unknown variable \"hidden\""),
            ("{{ model|nothing }}", "nothing"),
            ("{{ model", "syntax error"),
            ("a\n{% for x in %}", "in line 2"),
            ("{{ model.name }}", "undefined"),
        ] {
            let why = try_it(source).expect_err(source);
            assert!(why.contains(part) && !why.contains('\n'), "{source}: {why}");
        }
    }

    #[test]
    fn addresses_are_told_apart() {
        for (text, is) in [
            ("https://example.org/hook?key=1", true),
            ("http://ntfy:80/arena", true),
            ("https://user:pass@example.org/", false),
            ("ftp://example.org", false),
            ("https:///x", false),
            ("https://exa mple.org", false),
        ] {
            assert_eq!(is_address(text), is, "{text}");
        }
        assert!(is_loopback("http://127.0.0.1:80/x") && is_loopback("http://[::1]:80") && !is_loopback("http://a"));
    }
}
