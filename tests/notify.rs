//! Notifications: each channel against a stand-in on a real socket, floods, dead receivers, crashes, secrets.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod channels;
mod process;
#[path = "support/runs.rs"]
mod runs;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use arena::notify::{Event, Notify};
use arena::store::Lane;
use arena::store::entry::{DeskEntry, read_lane};
use channels::{Asked, Http, Mail, Wire, answer};
use process::{Live, PATIENCE, arena_with, easy, folder};
use serde_json::Value;

const WEBHOOK_TOKEN: &str = "webhook-secret-4711";
const BOT_TOKEN: &str = "12345:bot-secret-0815";
const SMTP_PASSWORD: &str = "smtp-secret-1234";

/// A market at its own pace, and `[notify]`.
fn told_by(notify: &str) -> String {
    format!("{}\n[notify]\n{notify}\n", easy(&[("speed = 0\n", "speed = 60\n")]))
}

fn ok() -> impl Fn(&str, usize) -> Option<String> + Send + Sync + 'static {
    |_, _| Some(answer("200 OK", "", r#"{"ok":true,"result":{}}"#))
}

fn events(asked: &[Asked], event: &str) -> Vec<Value> {
    asked.iter().map(|asked| asked.body.clone()).filter(|body| body["event"] == event).collect()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_test_message_reaches_every_channel() {
    let (hook, bot) = (Http::new(ok()), Http::new(ok()));
    let mail = Mail::new("127.0.0.1", Wire::Plain, None, |_, _| None);
    let dir = folder(&told_by(&format!(
        "webhook = \"$HOOK\"\ntelegram = \"-100\"\ntelegram_url = \"{}\"\nsmtp = \"smtp://{}\"\nemail_from = \"Arena \
         <arena@example.org>\"\nemail_to = [\"me@example.org\", \"you@example.org\"]\npage = \"https://arena.example.org/\"",
        bot.url, mail.address
    )));
    let address = format!("{}/hook?key=in-the-address", hook.url);
    let variables = [
        ("HOOK", address.as_str()),
        ("ARENA_WEBHOOK_TOKEN", WEBHOOK_TOKEN),
        ("ARENA_TELEGRAM_TOKEN", BOT_TOKEN),
        ("ARENA_SMTP_USER", "arena"),
        ("ARENA_SMTP_PASSWORD", SMTP_PASSWORD),
    ];
    let ran = arena_with(dir.path(), &variables, &["notify", "test"]).is(0);
    assert_eq!(ran.out.matches(" delivered").count(), 3, "{ran:?}");

    let asked = &hook.asked()[0];
    assert!(asked.head.starts_with("POST /hook?key=in-the-address HTTP/1.1"), "{asked:?}");
    assert!(asked.head.contains(&format!("authorization: Bearer {WEBHOOK_TOKEN}")), "{asked:?}");
    for (key, want) in [
        ("event", "test"),
        ("arena", "attacked"),
        ("environment", "paper"),
        ("page", "https://arena.example.org/"),
        ("subject", "[attacked paper] this is a test"),
    ] {
        assert_eq!(asked.body[key], want, "{}", asked.body);
    }
    let asked = &bot.asked()[0];
    assert!(asked.head.starts_with(&format!("POST /bot{BOT_TOKEN}/sendMessage HTTP/1.1")), "{asked:?}");
    assert_eq!(asked.body["chat_id"], "-100");
    assert!(asked.body["text"].as_str().unwrap().starts_with("[attacked paper] this is a test\n"), "{}", asked.body);
    let mail = mail.lines().join("\n");
    for part in [
        "AUTH PLAIN ",
        "MAIL FROM:<arena@example.org>",
        "RCPT TO:<me@example.org>",
        "RCPT TO:<you@example.org>",
        "Subject: [attacked paper] this is a test",
        "https://arena.example.org/",
    ] {
        assert!(mail.contains(part), "{part:?} is not in {mail}");
    }

    hook.answers(|_, _| Some(answer("500 Oops", "", "")));
    bot.answers(|_, _| Some(answer("200 OK", "", "<html>a proxy</html>")));
    let ran = arena_with(dir.path(), &variables, &["notify", "test", "--json"]).is(1).json();
    assert_eq!(
        (&ran["ok"], &ran["channels"][0]["ok"], &ran["channels"][1]["ok"]),
        (&false.into(), &false.into(), &true.into())
    );
    assert_eq!(ran["channels"][0]["why"], "it answers 500 Internal Server Error", "{ran}");
    assert_eq!(ran["channels"][2]["why"], "what answers does not speak as the Bot API does", "{ran}");

    // What is missing is told before anything is sent.
    arena_with(dir.path(), &variables[1..], &["notify", "test"]).fails(2, "the variable HOOK has to hold the address");
    arena_with(dir.path(), &variables[..2], &["notify", "test"]).fails(2, "ARENA_TELEGRAM_TOKEN");
    arena_with(dir.path(), &variables[..4], &["run"]).fails(2, "ARENA_SMTP_PASSWORD is not");
    arena_with(dir.path(), &[], &["doctor"]).is(1).out.find("the variable HOOK").unwrap();
    let silent = folder(&easy(&[]));
    arena_with(silent.path(), &[], &["notify", "test"]).fails(2, "[notify] names no channel");
}

#[test]
fn mail_goes_over_tls_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let Some(tls) = channels::certificate(dir.path()) else {
        println!("skipped: there is no openssl to make a certificate with");
        return;
    };
    let ca = dir.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let at = |scheme: &str, address: &str| {
        let notify =
            format!("smtp = \"{scheme}://{address}\"\nemail_from = \"a@example.org\"\nemail_to = [\"b@example.org\"]");
        std::fs::write(dir.path().join("arena.toml"), told_by(&notify)).unwrap();
    };
    let login = [("ARENA_SMTP_USER", "arena"), ("ARENA_SMTP_PASSWORD", SMTP_PASSWORD)];
    let trusting = [&login[..], &[("SSL_CERT_FILE", ca)]].concat();
    for (scheme, host, wire) in [("smtps", "localhost", Wire::Tls), ("smtp", "127.0.0.2", Wire::StartTls)] {
        let mail =
            Mail::new(if host == "localhost" { "127.0.0.1" } else { host }, wire, Some(tls.clone()), |_, _| None);
        at(scheme, &mail.address.replace("127.0.0.1", "localhost"));
        arena_with(dir.path(), &trusting, &["notify", "test"]).is(0);
        assert!(mail.lines().iter().any(|line| line.contains("this is a test")), "{wire:?}");
        let before = mail.lines().len();
        arena_with(dir.path(), &login, &["notify", "test"]).is(1);
        let after = mail.lines()[before..].join("\n");
        assert!(!after.contains("AUTH") && !after.contains("MAIL"), "a stranger's certificate is believed: {after}");
    }
    // A server that offers no TLS, or whose offer was taken out on the way, hears neither name nor password.
    let mail = Mail::new("127.0.0.2", Wire::Plain, None, |_, _| None);
    at("smtp", &mail.address);
    arena_with(dir.path(), &trusting, &["notify", "test"]).is(1);
    let lines = mail.lines().join("\n");
    assert!(!lines.contains("AUTH") && !lines.contains("MAIL"), "{lines}");
}

#[test]
fn what_fails_is_tried_again_as_the_receiver_asks() {
    let hook = Http::new(|_, number| match number {
        0 => Some(answer("500 Oops", "", "")),
        1 => Some(answer("429 Too Many Requests", "retry-after: 3\r\n", "")),
        2 => None,
        _ => Some(answer("204 No Content", "", "")),
    });
    let bot = Http::new(|_, number| {
        let wait = r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":3}}"#;
        Some(if number == 0 {
            answer("429 Too Many Requests", "", wait)
        } else {
            answer("200 OK", "", r#"{"ok":true}"#)
        })
    });
    // A server that is busy for the first mail, and takes the second try.
    let mail = Mail::new("127.0.0.1", Wire::Plain, None, |line, number| {
        (line.starts_with("RCPT") && number < 4).then(|| "451 try again".to_owned())
    });
    let dir = folder(&told_by(&format!(
        "events = [\"halt\"]\nwebhook = \"{}\"\ntelegram = \"1\"\ntelegram_url = \"{}\"\nsmtp = \"smtp://{}\"\nemail_from = \
         \"a@example.org\"\nemail_to = [\"b@example.org\"]",
        hook.url, bot.url, mail.address
    )));
    let live = Live::start_as(dir.path(), &[("ARENA_TELEGRAM_TOKEN", BOT_TOKEN)], &["run"]);
    live.arena(&["halt", "--reason", "a drill"]).is(0);
    until("the webhook is told", || hook.asked().len() == 4);
    until("Telegram is told", || bot.asked().len() == 2);
    until("the mail is sent", || mail.lines().iter().any(|line| line == "."));
    let asked = hook.asked();
    let between = |a: usize, b: usize| asked[b].at - asked[a].at;
    assert!(between(0, 1) >= Duration::from_secs(1) && between(1, 2) >= Duration::from_secs(3), "{asked:?}");
    assert!(bot.asked()[1].at - bot.asked()[0].at >= Duration::from_secs(3));
    let body = &asked[3].body;
    assert_eq!((&body["event"], &body["reason"], &body["count"]), (&"halt".into(), &"a drill".into(), &1.into()));
    assert!(body["amounts"].as_str().unwrap().contains("live: "), "{body}");
    assert_eq!(body["page"].as_str().unwrap().trim_end_matches('/'), live.url);
    live.until("it is counted", |live| {
        let text = live.get("/metrics").1;
        text.contains("arena_notify_messages_total{channel=\"webhook\",result=\"delivered\"} 1")
            && text.contains("arena_notify_messages_total{channel=\"webhook\",result=\"retried\"} 3")
            && text.contains("arena_notify_up{channel=\"email\"} 1")
    });
    live.interrupt(PATIENCE).is(0);
}

/// Why notifications do not go out, by what the page follows.
fn fault_on_the_page(live: &Live) -> String {
    const KEY: &str = "\"notify_fault\":\"";
    let address = live.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut told = String::new();
    let mut bytes = [0; 4_096];
    while told.len() < 1 << 20 {
        let n = stream.read(&mut bytes).unwrap();
        told.push_str(&String::from_utf8_lossy(&bytes[..n]));
        if let Some((_, rest)) = told.split_once(KEY)
            && let Some((why, _)) = rest.split_once('"')
        {
            return why.to_owned();
        }
    }
    panic!("no {KEY} in {told}");
}

#[test]
fn a_halt_right_before_a_kill_is_told_once_after_the_restart() {
    let hook = Http::new(|_, _| Some(answer("503 Later", "", "")));
    let dir = folder(&told_by(&format!("events = [\"halt\", \"resume\"]\nwebhook = \"{}\"", hook.url)));
    let live = Live::start(dir.path());
    live.until("it has begun", |live| live.row("edge")["state"] != "warming" && !live.row("edge").is_null());
    live.arena(&["halt", "--reason", "before the crash"]).is(0);
    until("a try", || !hook.asked().is_empty());
    live.until("metrics say so", |live| live.get("/metrics").1.contains("arena_notify_up{channel=\"webhook\"} 0"));
    assert_eq!(fault_on_the_page(&live), "webhook: it answers 503 Service Unavailable");
    live.signal("KILL");
    drop(live.wait());
    let failed = hook.asked().len();
    hook.answers(ok());
    let live = Live::start(dir.path());
    until("it is told", || hook.asked().len() > failed);
    live.arena(&["resume"]).is(0);
    until("the resume is told", || !events(&hook.asked()[failed..], "resume").is_empty());
    live.interrupt(PATIENCE).is(0);
    // Once more: nothing of the past is told again.
    let live = Live::start(dir.path());
    live.arena(&["halt", "--reason", "the second"]).is(0);
    until("the second halt is told", || {
        events(&hook.asked(), "halt").iter().any(|body| body["reason"] == "the second")
    });
    live.interrupt(PATIENCE).is(0);
    let told = hook.asked()[failed..].to_vec();
    let reasons: Vec<String> =
        events(&told, "halt").iter().map(|body| body["reason"].as_str().unwrap().to_owned()).collect();
    assert_eq!(reasons, ["before the crash", "the second"], "{told:?}");
    assert_eq!(events(&told, "resume").len(), 1);
}

/// A run in memory of several candidates that all retire, told to `notify`.
fn run_told(data: &Path, notify: &str) -> (arena::app::Outcome, runs::Kept, Duration) {
    let text = runs::SEVERAL.replace("ramp_episodes", "max_episodes = 16\nramp_episodes");
    let mut config = runs::config(&format!("{text}\n[notify]\n{notify}\n"));
    let quotes = runs::synthetic(&config, 3, 20_000);
    config.arena.data = data.to_owned();
    let store = runs::Kept::default();
    let mut plan = runs::plan(config.clone(), Box::new(runs::replay(&quotes)), Box::new(store.clone()));
    plan.notify = Notify::open(&config, "127.0.0.1:8787".parse().unwrap()).unwrap();
    let begun = Instant::now();
    let outcome = runs::run(plan);
    (outcome, store, begun.elapsed())
}

#[test]
fn a_flood_is_few_messages_and_nothing_of_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let hook = Http::new(ok());
    let (outcome, store, _) =
        run_told(dir.path(), &format!("burst = 2\ndigest_every = \"1d\"\nwebhook = \"{}\"", hook.url));
    let desk: Vec<DeskEntry> = read_lane(&store, Lane::Desk).unwrap();
    let want =
        outcome.lifecycle.iter().filter_map(Event::of_change).count() + desk.iter().filter_map(Event::of_desk).count();
    let asked = hook.asked();
    let counts: Vec<u64> = asked.iter().map(|asked| asked.body["count"].as_u64().unwrap()).collect();
    println!("{want} events in {counts:?}: {:?}", asked.last().map(|asked| asked.body["text"].clone()));
    assert!(want >= 6, "{want} events are no flood");
    assert!(counts.len() <= 4, "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), want as u64, "{counts:?}");
    let last = &asked.last().unwrap().body;
    assert_eq!(last["event"], "digest");
    assert!(last["summary"].as_str().unwrap().contains(" more since "), "{last}");
}

#[test]
fn a_dead_receiver_changes_nothing_and_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (silent, _, plain) = run_told(dir.path(), "");
    // One that takes the connection and never answers, and one where nobody listens.
    let hanging = Http::new(|_, _| {
        std::thread::sleep(Duration::from_secs(120));
        None
    });
    for url in [hanging.url.as_str(), "http://127.0.0.1:9"] {
        let dir = tempfile::tempdir().unwrap();
        let (outcome, _, took) = run_told(dir.path(), &format!("webhook = \"{url}\""));
        assert_eq!(outcome.journal_hash, silent.journal_hash, "{url}");
        // The farewell lasts five seconds at most.
        assert!(took < plain * 2 + Duration::from_secs(10), "{url}: {took:?} instead of {plain:?}");
        assert!(dir.path().join("notify.json").is_file());
    }
}

#[test]
fn no_secret_is_in_anything_that_a_failing_channel_writes() {
    // Each says back what it was told.
    let hook = Http::new(|head, _| Some(answer("400 Bad Request", "", head)));
    let bot = Http::new(|head, _| {
        let told =
            serde_json::json!({ "ok": false, "error_code": 401, "description": format!("Unauthorized: {head}") });
        Some(answer("401 Unauthorized", "", &told.to_string()))
    });
    let mail = Mail::new("127.0.0.1", Wire::Plain, None, |line, _| {
        line.starts_with("AUTH").then(|| format!("535 5.7.8 not with {line}"))
    });
    let dir = folder(&told_by(&format!(
        "webhook = \"$HOOK\"\ntelegram = \"1\"\ntelegram_url = \"{}\"\nsmtp = \"smtp://{}\"\nemail_from = \
         \"a@example.org\"\nemail_to = [\"b@example.org\"]",
        bot.url, mail.address
    )));
    let address = format!("{}/hook/in-the-address", hook.url);
    let variables = [
        ("HOOK", address.as_str()),
        ("ARENA_WEBHOOK_TOKEN", WEBHOOK_TOKEN),
        ("ARENA_TELEGRAM_TOKEN", BOT_TOKEN),
        ("ARENA_SMTP_USER", "arena"),
        ("ARENA_SMTP_PASSWORD", SMTP_PASSWORD),
        ("RUST_LOG", "trace"),
    ];
    let live = Live::start_as(dir.path(), &variables, &["run", "-vv", "--log", "json"]);
    live.arena(&["halt", "--reason", "a drill"]).is(0);
    live.until("every channel has given up", |live| live.err().matches("a notification is given up").count() >= 3);
    let mut seen = live.get("/metrics").1 + &live.get("/api/v1/leaderboard").1;
    let ran = live.interrupt(PATIENCE);
    seen = seen + &ran.out + &ran.err;
    let ran = arena_with(dir.path(), &variables, &["notify", "test", "-vv"]).is(1);
    seen = seen + &ran.out + &ran.err;
    let ran = arena_with(dir.path(), &variables, &["doctor", "--json"]);
    seen = seen + &ran.out + &ran.err;
    let auth = mail.lines().iter().find_map(|line| line.strip_prefix("AUTH PLAIN ").map(str::to_owned)).unwrap();
    let secrets = [WEBHOOK_TOKEN, BOT_TOKEN, SMTP_PASSWORD, "in-the-address", auth.as_str()];
    for secret in secrets {
        let at = seen.find(secret).map(|at| &seen[at.saturating_sub(200)..(at + 40).min(seen.len())]);
        assert_eq!(at, None, "{secret:?} is told");
    }
    for file in ["arena.toml", "data/notify.json"] {
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{file}");
    }
}
