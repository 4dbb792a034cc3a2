//! `arena run` at IG, the built binary against the simulator on real sockets: what it asks for, what it deals, and what it
//! refuses to begin with.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod process;

use std::path::Path;
use std::time::Duration;

use arena::domain::{Micros, UtcMicros};
use arena::sim::ig::{Config, Fault, Handle, Limits, Listing, Prices, Quoted, Server};
use process::{EPIC, LOGIN, Live, arena_with};
use serde_json::Value;

const PASSWORD: &str = LOGIN[2].1;

/// A simulator by the wall clock whose market quotes several times a second.
fn sim() -> Handle {
    sim_of(Listing::guess(EPIC))
}

fn sim_of(listing: Listing) -> Handle {
    let prices = Prices::Made { edge_r: 0.0, silence_max: Some(Micros(120_000)) };
    let markets = vec![Quoted { listing, prices }, arena::sim::ig::made(Listing::guess("CS.D.EURUSD.CFD.IP"))];
    Server::start(Config { markets, limits: Limits::lifted(), ..Config::default() }).unwrap()
}

/// An arena of two models that trade nearly every second.
fn write_config(dir: &Path, sim: &Handle, more: &str) {
    let text = format!(
        r#"
[arena]
name = "wire"

[feed]
source = "ig"

[ig]
rest_url = "{}"

[server]
listen = "127.0.0.1:0"

[[markets]]
epic = "{EPIC}"
currency = "GBP"
point = 0.0001
size_min = 0.5
stop_min_points = 1
gap_allowance_points = 8

[paper]
latency = "50ms"

[risk]
max_live_positions = 2
max_daily_loss = 10000.0

[promotion]
mode = "off"
{more}

[[models]]
name = "busy"
epic = "{EPIC}"
bar = "1s"
kind = "random"
params = {{ rate = 0.9 }}
hold = "1s"
stop = 20
limit = 20
size = 0.5

[[models]]
name = "follow"
epic = "{EPIC}"
bar = "1s"
kind = "momentum"
params = {{ lookback = 1, threshold = 0.0 }}
hold = "2s"
stop = 20
limit = 20
size = 0.5
"#,
        sim.rest_url()
    );
    std::fs::write(dir.join("arena.toml"), text).unwrap();
}

/// A running arena in `dir`.
fn start(dir: &Path) -> Live {
    Live::start_as(dir, &LOGIN, &["run"])
}

fn wait_for(live: &Live, what: &str, is_so: impl Fn(&Value) -> bool) {
    live.until(what, |live| is_so(&live.json("/api/v1/leaderboard")));
}

/// Stops it as a service manager would; everything that it told.
fn stop(live: Live) -> String {
    live.signal("TERM");
    let ran = live.wait().is(0);
    ran.out + &ran.err
}

fn requests(sim: &Handle) -> Vec<Value> {
    sim.requests(0)["requests"].as_array().unwrap().clone()
}

fn is_dealing(request: &Value) -> bool {
    let path = request["path"].as_str().unwrap();
    request["method"] != "GET" && (path.starts_with("/positions") || path.starts_with("/workingorders"))
}

fn episodes(board: &Value, model: &str) -> u64 {
    let rows = board["models"].as_array().unwrap();
    rows.iter().find(|row| row["model"] == model).map_or(0, |row| row["episodes"].as_u64().unwrap())
}

#[test]
fn without_a_live_right_a_run_makes_no_dealing_call() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim());
    write_config(dir.path(), &sim, "");
    let live = start(dir.path());
    let told = live.out() + &live.err();
    for part in ["IG account SIM01 (demo, play money): spread bets", "balance 100000 GBP", "10000 GBP a day"] {
        assert!(told.contains(part), "{part:?} is not in:\n{told}");
    }
    assert!(!told.contains(PASSWORD), "{told}");
    wait_for(&live, "episodes of both", |board| episodes(board, "busy") >= 4 && episodes(board, "follow") >= 3);
    stop(live);
    let all = requests(&sim);
    assert!(!all.iter().any(is_dealing), "{all:?}");
    let of_path = |method: &str, path: &str| {
        all.iter().filter(|request| request["method"] == method && request["path"] == path).count()
    };
    assert_eq!(of_path("POST", "/session"), 1, "one login: {all:?}");
    assert_eq!(of_path("DELETE", "/session"), 1, "and one logout: {all:?}");
    println!("{} requests, none that deals", all.len());
}

#[test]
fn a_promoted_model_deals_with_stop_and_limit_and_a_halt_takes_all_back() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim());
    write_config(dir.path(), &sim, "");
    let live = start(dir.path());
    wait_for(&live, "two episodes", |board| episodes(board, "busy") >= 2);
    live.arena(&["promote", "busy", "--override", "--reason", "a test"]).is(0);
    let opened = |request: &Value| request["method"] == "POST" && request["path"] == "/positions/otc";
    live.until("three deals", |_| requests(&sim).iter().filter(|request| opened(request)).count() >= 3);
    live.arena(&["halt", "--reason", "enough"]).is(0);
    live.until("nothing open", |_| sim.state()["positions"].as_array().unwrap().is_empty());
    let n_before = requests(&sim).iter().filter(|request| opened(request)).count();
    std::thread::sleep(Duration::from_secs(3));
    let all = requests(&sim);
    let openings: Vec<&Value> = all.iter().filter(|request| opened(request)).collect();
    assert_eq!(openings.len(), n_before, "a halted arena opens nothing");
    let mut references = Vec::new();
    for opening in &openings {
        assert_eq!(opening["status"], 200, "{opening}");
        let body: Value = match &opening["body"] {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        };
        assert!(body["stopDistance"].as_f64().is_some() && body["limitDistance"].as_f64().is_some(), "{body}");
        assert_eq!(body["forceOpen"], true, "{body}");
        references.push(body["dealReference"].as_str().unwrap().to_owned());
    }
    references.sort();
    references.dedup();
    assert_eq!(references.len(), openings.len(), "one request for one intent");
    stop(live);
}

#[test]
fn a_deadline_within_a_bar_is_kept_while_quotes_stream() {
    let dir = tempfile::tempdir().unwrap();
    let sim = sim();
    write_config(dir.path(), &sim, "");
    let path = dir.path().join("arena.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    // One opens at the end of a bar and has to be closed long before the end of the next.
    std::fs::write(&path, text.replace("bar = \"1s\"", "bar = \"10s\"").replace("hold = \"1s\"", "hold = \"2s\""))
        .unwrap();
    let live = start(dir.path());
    live.until("a promotion", |live| live.arena(&["promote", "busy", "--override", "--reason", "a test"]).code == 0);
    let dealt = |method: &str| {
        let all = requests(&sim).into_iter();
        let mut of_method = all.filter(|request| request["method"] == method && request["path"] == "/positions/otc");
        of_method.next().map(|request| request["at"].as_str().unwrap().parse::<UtcMicros>().unwrap())
    };
    live.until("a deal and its closing", |_| dealt("POST").is_some() && dealt("DELETE").is_some());
    let held = dealt("DELETE").unwrap() - dealt("POST").unwrap();
    assert!(held >= Micros(2_000_000) && held < Micros(5_000_000), "held for {held:?}");
    stop(live);
}

/// Every file below `dir` but the two whose business it is to hold a secret.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if !path.ends_with("arena.token") && !path.ends_with("arena.key") {
            all.push(path);
        }
    }
    all
}

#[test]
fn no_secret_is_in_anything_that_a_faulty_session_writes() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim());
    write_config(dir.path(), &sim, "");
    let live = Live::start_as(dir.path(), &LOGIN, &["run", "-vv", "--log", "json"]);
    wait_for(&live, "an episode", |board| episodes(board, "busy") >= 1);
    live.arena(&["promote", "busy", "--override", "--reason", "a test"]).is(0);
    for fault in [
        r#"{"kind": "expire_tokens"}"#,
        r#"{"kind": "answer", "status": 403, "error": "error.public-api.exceeded-account-allowance"}"#,
        r#"{"kind": "answer_after", "status": 500, "path": "POST /positions/otc"}"#,
        r#"{"kind": "bad_frame", "frame": "U,9,9,nonsense"}"#,
        r#"{"kind": "cut_sockets"}"#,
    ] {
        sim.fault(Fault::parse(serde_json::from_str(fault).unwrap()).unwrap());
        std::thread::sleep(Duration::from_millis(1_500));
    }
    let told = stop(live);
    let token = std::fs::read_to_string(dir.path().join("data/arena.token")).unwrap();
    let key = std::fs::read_to_string(dir.path().join("data/arena.key")).unwrap();
    let secrets = [PASSWORD, LOGIN[0].1, token.trim(), key.trim()];
    let mut searched = 0;
    for secret in secrets {
        assert!(!told.contains(secret), "{secret:?} is in the logs");
        for file in files(dir.path()) {
            let bytes = std::fs::read(&file).unwrap();
            searched += bytes.len();
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{secret:?} is in {}", file.display());
        }
    }
    // One id leads from the bar to the deal's last line.
    let lines: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of = |message: &str| lines.iter().find(|line| line["message"] == message);
    let order = of("live order").unwrap_or_else(|| panic!("no live order in {told}"));
    assert!(order["bar"].as_str().unwrap().ends_with('Z') && order["model"] == "busy", "{order}");
    let same = lines.iter().filter(|line| line["deal"] == order["deal"]).count();
    assert!(same >= 2, "{same} lines of {}", order["deal"]);
    println!("{} log lines, {searched} bytes of files: no secret; {same} lines of one deal", lines.len());
}

#[test]
fn a_dealing_rule_that_changed_between_two_runs_is_told_and_journalled() {
    let dir = tempfile::tempdir().unwrap();
    let listing = Listing::guess(EPIC);
    let larger = Listing { size_min: "0.75".parse().unwrap(), ..listing.clone() };
    let mut told = String::new();
    for listing in [listing, larger] {
        let sim = sim_of(listing);
        write_config(dir.path(), &sim, "");
        let live = start(dir.path());
        wait_for(&live, "a round", |board| !board["time"].is_null());
        told = stop(live);
    }
    assert!(told.contains("a dealing rule changed") && told.contains("the least size"), "{told}");
    assert!(told.contains("size from 0.75"), "what is shown before the first deal is what IG asks for: {told}");
    assert!(told.contains("busy and 1 more would be refused by IG"), "{told}");
    let store = arena::store::Sled::open_existing(&dir.path().join("data/store")).unwrap();
    let session: Vec<arena::store::entry::SessionEntry> =
        arena::store::entry::read_lane(&store, arena::store::Lane::Session).unwrap();
    let ruled = session.iter().find_map(|entry| match entry {
        arena::store::entry::SessionEntry::Ruled { rule, was, is, .. } => {
            Some((rule.as_str(), was.as_str(), is.as_str()))
        }
        _ => None,
    });
    let (rule, was, is) = ruled.unwrap();
    assert_eq!(rule, "the least size");
    assert_ne!(was, is);
}

#[test]
fn a_run_that_cannot_begin_says_why() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), sim());
    let check_as = |variables: &[(&str, &str)], arguments: &[&str], code: i32, sentence: &str| {
        let ran = arena_with(dir.path(), &[&LOGIN, variables].concat(), arguments).is(code);
        assert!(ran.err.contains(sentence), "{sentence:?} is not in {}", ran.err);
        assert!(!ran.err.contains(PASSWORD) && !ran.err.contains("wrong-pass"), "{}", ran.err);
    };
    let check = |arguments: &[&str], code: i32, sentence: &str| check_as(&[], arguments, code, sentence);
    write_config(dir.path(), &sim, "");
    check(&["run", "--live"], 2, "[ig] environment is \"demo\"");
    check_as(&[("IG_PASSWORD", ""), ("IG_API_KEY", " ")], &["run"], 2, "IG_API_KEY, IG_PASSWORD");
    check_as(&[("IG_PASSWORD", "wrong-pass")], &["run"], 2, "error.security.invalid-details");

    let write = |from: &str, to: &str| {
        write_config(dir.path(), &sim, "");
        let path = dir.path().join("arena.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    write("[ig]", "[ig]\nenvironment = \"live\"");
    check(&["run"], 2, "real money also needs `arena run --live`");
    write("[ig]", "[ig]\naccount = \"NOBODY\"");
    check(&["run"], 2, "is none of this user's accounts");
    write(EPIC, "CS.D.NOTHERE.TODAY.IP");
    check(&["run"], 2, "CS.D.NOTHERE.TODAY.IP");
    write(EPIC, "CS.D.EURUSD.CFD.IP");
    check(&["run"], 2, "is a contract, and account SIM01 is for spread bets");
    write("point = 0.0001", "point = 0.01");
    check(&["run"], 2, "is configured with a point of 0.01");
    write("currency = \"GBP\"", "currency = \"EUR\"");
    check(&["run"], 2, "EUR");

    write_config(dir.path(), &sim, "");
    let url = sim.rest_url();
    drop(sim);
    let service = url.trim_start_matches("http://").split('/').next().unwrap();
    check(&["run"], 1, &format!("login to IG: not sent: no connection to {service}: "));
    println!("nothing listens at {url} any more");
}
