//! An operator at a running arena: promotion, demotion, halts, reloads, signals, and a restart after each.

#![expect(clippy::unwrap_used, reason = "tests")]

mod process;

use std::fs;
use std::time::Duration;

use process::{Live, Ran, arena, easy, folder};
use serde_json::Value;

/// What is documented: Ctrl-C drains within five seconds; more on a busy machine.
const DRAIN: Duration = Duration::from_secs(20);

fn trades_of(live: &Live) -> Vec<Value> {
    live.json("/api/v1/desk")["trades"].as_array().unwrap().clone()
}

fn changes(ran: &Ran) -> Vec<(String, String)> {
    let done = ran.json();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    done["changes"].as_array().unwrap().iter().map(|change| (word(&change["from"]), word(&change["to"]))).collect()
}

fn pair(from: &str, to: &str) -> Vec<(String, String)> {
    vec![(from.to_owned(), to.to_owned())]
}

#[test]
fn an_operator_promotes_halts_resumes_demotes_and_retires() {
    // A rate that a debug build keeps up with, yet many trades a second.
    let dir = folder(&easy(&[("mode = \"auto\"", "mode = \"manual\"")]));
    let live = Live::start(dir.path());
    live.until("an eligible edge", |live| live.state("edge") == "eligible");
    assert!(trades_of(&live).is_empty(), "manual promotes nobody by itself");

    // It goes at once, or as soon as it is flat.
    let ran = live.arena(&["promote", "edge", "--reason", "go", "--json"]).is(0);
    assert!(changes(&ran).is_empty() || changes(&ran) == pair("eligible", "live"), "{ran:?}");
    live.until("a live trade", |live| !trades_of(live).is_empty());
    let desk = live.json("/api/v1/desk");
    assert_eq!(desk["state"], "live");
    for trade in desk["trades"].as_array().unwrap() {
        assert_eq!(trade["model"], "edge");
        assert_eq!(trade["size"], "0.5", "the first step of the ramp");
        let level = |key: &str| trade[key].as_str().map(|text| text.parse::<f64>().unwrap());
        if let Some(open) = level("open_level") {
            let side = if trade["direction"] == "long" { 1.0 } else { -1.0 };
            let (stop, limit) = (level("stop_level").unwrap(), level("limit_level").unwrap());
            assert!((open - stop) * side > 0.0 && (limit - open) * side > 0.0, "{trade}");
        }
    }
    live.until("an open live position", |live| trades_of(live).iter().any(|trade| trade["status"] == "open"));
    // Live deals beside their paper twins, the oldest first.
    let deals = live.arena(&["trades", "edge", "--live", "--json"]).is(0).json();
    let deals = deals.as_array().unwrap();
    assert!(!deals.is_empty() && deals.iter().all(|deal| deal["model"] == "edge"), "{deals:?}");
    let opened: Vec<&str> = deals.iter().filter_map(|deal| deal["opened"].as_str()).collect();
    assert!(!opened.is_empty() && opened.is_sorted(), "{opened:?}");
    for deal in deals.iter().filter(|deal| !deal["twin_profit"].is_null()) {
        assert!(deal["twin_open_level"].is_string() && deal["twin_close_level"].is_string(), "{deal}");
    }
    let text = live.arena(&["trades", "edge", "--live"]).is(0).out;
    assert!(text.starts_with("opened") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // Halted, nothing new is opened and what is open closes with that reason.
    live.until("an open live position", |live| trades_of(live).iter().any(|trade| trade["status"] == "open"));
    live.arena(&["halt", "--reason", "drill"]).is(0);
    let dealt = |live: &Live| -> Vec<Value> {
        let known = |trade: &Value| !trade["deal_id"].is_null();
        trades_of(live).iter().filter(|trade| known(trade)).map(|trade| trade["deal_id"].clone()).collect()
    };
    // The newest that was dealt, before refusals push it from the list.
    let mut newest = dealt(&live).first().cloned();
    live.until("nothing open", |live| {
        newest = dealt(live).first().cloned().or_else(|| newest.take());
        trades_of(live).iter().all(|trade| trade["status"] != "open")
    });
    let desk = live.json("/api/v1/desk");
    assert_eq!((&desk["state"], &desk["reason"]), (&Value::from("halted"), &Value::from("drill")));
    let newest = newest.unwrap();
    let before = live.row("edge")["episodes"].as_u64().unwrap();
    live.until("more paper episodes", |live| live.row("edge")["episodes"].as_u64().unwrap() > before + 5);
    // What was refused meanwhile is told, without a deal.
    // Refusals may have pushed it from the newest that the desk shows, but nothing newer was dealt.
    assert!(dealt(&live).first().is_none_or(|deal| *deal == newest), "nothing was dealt while halted");
    assert_eq!(trades_of(&live)[0]["status"], "rejected");
    live.arena(&["resume"]).is(0);
    live.until("live trades again", |live| dealt(live).first().is_some_and(|deal| *deal != newest));

    // Demoted with a position open: it closes, with that reason.
    live.until("an open live position", |live| trades_of(live).iter().any(|trade| trade["status"] == "open"));
    let ran = live.arena(&["demote", "edge", "--json"]).is(0);
    assert_eq!(changes(&ran), pair("live", "shadow"));
    live.until("nothing open", |live| trades_of(live).iter().all(|trade| trade["status"] != "open"));
    live.until("paper only", |live| live.json("/api/v1/desk")["state"] == "paper_only");

    // It cools down: only an override brings it back, and that is marked for ever.
    live.arena(&["promote", "edge", "--json"]).fails(3, "cooldown").json();
    let ran = live.arena(&["promote", "edge", "--override", "--reason", "I know", "--json"]).is(0);
    live.until("live again", |live| live.state("edge") == "live");
    assert!(live.row("edge")["flags"].to_string().contains("override"), "{ran:?} {}", live.row("edge"));
    let ran = live.arena(&["retire", "edge", "--json"]).is(0);
    assert_eq!(changes(&ran), pair("live", "retired"));
    let episodes = live.row("edge")["episodes"].clone();
    live.arena(&["promote", "edge", "--override", "--reason", "no"]).fails(3, "retired");
    live.arena(&["demote", "edge"]).fails(3, "edge");
    live.until("others go on", |live| live.row("fade:lookback=1")["episodes"].as_u64().unwrap() > 30);
    assert_eq!(live.row("edge")["episodes"], episodes, "a retired one trades no more");
    live.interrupt(DRAIN).is(0);
    arena(dir.path(), &["audit", "verify", "--store", "data"]).is(0);
    let lifecycle = arena(dir.path(), &["export", "--table", "lifecycle", "--store", "data"]).is(0).out;
    for reason in ["go", "I know", "retired by the operator"] {
        assert!(lifecycle.contains(reason), "{reason} in {lifecycle}");
    }
}

#[test]
fn a_demotion_closes_the_position_with_its_reason() {
    // Slow enough that a position stays open between two commands.
    let config = easy(&[("speed = 0", "speed = 600")]);
    let fast = easy(&[]);
    let dir = folder(&fast);
    let live = Live::start(dir.path());
    live.until("a live edge", |live| live.state("edge") == "live");
    live.interrupt(DRAIN).is(0);
    // A restart goes on where it was, with the champion still live, at another speed.
    fs::write(dir.path().join("arena.toml"), config).unwrap();
    let live = Live::start(dir.path());
    assert_eq!(live.state("edge"), "live");
    // The market does not wait for the command: a position that closed by itself before it proves nothing, and the next
    // one is tried.
    let mut reasons = Vec::new();
    while reasons.last().is_none_or(|reason| reason != "demoted") {
        assert!(reasons.len() < 10, "{reasons:?}");
        live.until("an open live position", |live| trades_of(live).iter().any(|trade| trade["status"] == "open"));
        live.arena(&["demote", "edge", "--reason", "drill"]).is(0);
        live.until("nothing open", |live| trades_of(live).iter().all(|trade| trade["status"] != "open"));
        let last = trades_of(&live)[0].clone();
        assert_eq!(last["status"], "closed", "{last}");
        reasons.push(last["reason"].as_str().unwrap().to_owned());
        live.arena(&["promote", "edge", "--override", "--reason", "again"]).is(0);
    }
    live.interrupt(DRAIN).is(0);
}

#[test]
fn an_automatic_arena_promotes_and_goes_on_after_a_restart() {
    let dir = folder(&easy(&[]));
    let mut time = String::new();
    let mut episodes = 0;
    for restart in 0..3 {
        let live = Live::start(dir.path());
        if restart > 0 {
            assert_eq!(live.state("edge"), "live", "a restart forgets nothing");
            assert!(live.row("edge")["episodes"].as_u64().unwrap() >= episodes);
        }
        live.until("a live edge with more episodes", |live| {
            live.state("edge") == "live" && live.row("edge")["episodes"].as_u64().unwrap() > episodes + 10
        });
        live.interrupt(DRAIN).is(0);
        let board = arena(dir.path(), &["leaderboard", "--store", "data", "--json"]).is(0).json();
        assert!(board["time"].as_str().unwrap() > time.as_str(), "event time goes on");
        time = board["time"].as_str().unwrap().to_owned();
        let rows = board["models"].as_array().unwrap();
        episodes = rows.iter().find(|row| row["model"] == "edge").unwrap()["episodes"].as_u64().unwrap();
    }
    // Killed, it goes on from what was durable.
    let live = Live::start(dir.path());
    live.until("more episodes", |live| live.row("edge")["episodes"].as_u64().unwrap() > episodes + 10);
    live.signal("KILL");
    assert_eq!(live.wait().code, -9);
    let live = Live::start(dir.path());
    assert!(live.row("edge")["episodes"].as_u64().unwrap() >= episodes);
    live.interrupt(DRAIN).is(0);
    arena(dir.path(), &["audit", "verify", "--store", "data"]).is(0);
}

#[test]
fn a_changed_file_is_read_again_by_command_and_by_signal() {
    let dir = folder(&easy(&[]));
    let file = dir.path().join("arena.toml");
    let live = Live::start(dir.path());
    live.until("episodes", |live| live.row("fade:lookback=3")["episodes"].as_u64().unwrap_or(0) > 0);

    // One joins, one goes, one changes.
    let joined = "\n[[models]]\nname = \"joined\"\nkind = \"random\"\nparams = { rate = 0.5 }\nhold = \"2m\"\n\
                  stop = 4\nlimit = 4\n";
    let text = easy(&[("[1, 3]", "[1]")]).replace("name = \"fade\"", "name = \"fade\"\nlimit_marker = 1");
    let changed = text.replace("limit_marker = 1\n", "") + joined;
    fs::write(&file, &changed).unwrap();
    let ran = live.arena(&["reload"]).is(0);
    assert!(ran.out.contains("joined") && ran.out.contains("fade:lookback=3"), "{ran:?}");
    assert!(!ran.out.contains('{'), "sentences for people: {ran:?}");
    live.until("the new one trades", |live| live.row("joined")["episodes"].as_u64().unwrap_or(0) > 3);
    assert_eq!(live.state("fade:lookback=3"), "retired");

    // Another stop is another identity: the old one retires, a new one begins without evidence.
    let other = changed.replacen("rate = 0.5", "rate = 0.6", 1);
    fs::write(&file, &other).unwrap();
    let ticket = live.row("joined")["ticket"].clone();
    live.signal("HUP");
    live.until("a changed one", |live| {
        let board = live.json("/api/v1/leaderboard");
        let rows = board["models"].as_array().unwrap();
        rows.iter().any(|row| row["model"] == "joined" && row["ticket"] != ticket && row["state"] != "retired")
            && rows.iter().any(|row| row["ticket"] == ticket && row["state"] == "retired")
    });

    // What needs a restart is refused as a whole, and says why; so is a faulty file. Nothing changes.
    fs::write(&file, other.replace("[arena]", "[arena]\nseed = 8")).unwrap();
    live.arena(&["reload"]).fails(3, "arena.seed: 7 → 8 (every random draw derives from it)");
    fs::write(&file, other.replace("stop = 4", "stop = -4")).unwrap();
    let ran = live.arena(&["reload", "--json"]).is(2);
    assert!(ran.json()["error"].as_str().unwrap().contains("stop"), "{ran:?}");
    live.signal("HUP");
    live.until("a refusal in the log", |live| live.err().contains("configuration not read again"));

    // Who is live cannot go by a reload.
    live.until("a live edge", |live| live.state("edge") == "live");
    fs::write(&file, other.replace("name = \"edge\"", "name = \"edge2\"")).unwrap();
    live.arena(&["reload"]).fails(3, "edge is live: demote it first");
    assert_eq!(live.state("edge"), "live");
    assert_eq!(live.row("edge2"), Value::Null);

    // At the next start what the file says holds, and the old evidence stays readable.
    fs::write(&file, &other).unwrap();
    live.interrupt(DRAIN).is(0);
    let live = Live::start(dir.path());
    assert_eq!(live.state("edge"), "live");
    assert_eq!(live.state("fade:lookback=3"), "retired");
    live.interrupt(DRAIN).is(0);
    arena(dir.path(), &["trades", "fade:lookback=3", "--store", "data", "--json"]).is(0).json();
    arena(dir.path(), &["audit", "verify", "--store", "data"]).is(0);
}

#[test]
fn a_paced_arena_drains_at_once_and_a_second_signal_ends_it() {
    let dir = folder(&easy(&[("speed = 0", "speed = 1.0")]));
    let live = Live::start(dir.path());
    std::thread::sleep(Duration::from_millis(300));
    live.interrupt(Duration::from_secs(5)).is(0);
    let live = Live::start(dir.path());
    live.signal("TERM");
    assert_eq!(live.wait().code, 0);
}
