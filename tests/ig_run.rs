//! `arena run` at IG, the built binary against the simulator on real sockets: what it asks for, what it deals, and what it
//! refuses to begin with.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use arena::domain::Micros;
use arena::sim::ig::{Config, Fault, Handle, Limits, Listing, Prices, Quoted, Server};
use serde_json::Value;

const EPIC: &str = "CS.D.GBPUSD.TODAY.IP";
const PASSWORD: &str = "demo-pass";

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

fn arena(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command
        .args(arguments)
        .current_dir(dir)
        .env_remove("ARENA_TOKEN")
        .env_remove("ARENA_URL")
        .env("IG_API_KEY", "demo-key-0123456789abcdef")
        .env("IG_IDENTIFIER", "demo-user")
        .env("IG_PASSWORD", PASSWORD);
    command
}

fn output(dir: &Path, arguments: &[&str]) -> Output {
    arena(dir, arguments).output().unwrap()
}

/// A running arena, its address, and all that it printed until it served.
struct Running {
    child: Child,
    url: String,
    told: String,
    heard: mpsc::Receiver<String>,
}

impl Running {
    fn start(dir: &Path) -> Self {
        Self::start_with(dir, &["run"])
    }

    fn start_with(dir: &Path, arguments: &[&str]) -> Self {
        let mut child = arena(dir, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, heard) = mpsc::channel();
        let (out, error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for source in [Box::new(out) as Box<dyn Read + Send>, Box::new(error)] {
            let lines = lines.clone();
            std::thread::spawn(move || {
                BufReader::new(source).lines().map_while(Result::ok).for_each(|line| drop(lines.send(line)));
            });
        }
        let mut told = String::new();
        let until = Instant::now() + Duration::from_secs(60);
        let url = loop {
            let line = heard.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("{error} after:\n{told}"));
            told += &line;
            told.push('\n');
            if let Some((_, url)) = line.split_once("page at ") {
                break url.trim_end_matches('/').to_owned();
            }
        };
        Self { child, url, told, heard }
    }

    /// Everything that it has printed, once it has ended.
    fn all_told(&mut self) -> String {
        drop(self.child.wait());
        let mut told = std::mem::take(&mut self.told);
        while let Ok(line) = self.heard.recv_timeout(Duration::from_secs(5)) {
            told += &line;
            told.push('\n');
        }
        told
    }

    fn get(&self, dir: &Path, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--url", &self.url, "--json"]);
        let output = output(dir, &all);
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text} {output:?}"))
    }

    /// Waits until `what` holds of the leaderboard.
    fn wait(&self, dir: &Path, seconds: u64, what: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            let board = self.get(dir, &["leaderboard"]);
            if what(&board) {
                return board;
            }
            assert!(Instant::now() < until, "not in {seconds} s: {board}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Asks it to stop, as a terminal would.
    fn stop(mut self) -> Option<i32> {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone where the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
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
    let running = Running::start(dir.path());
    for part in ["IG account SIM01 (demo, play money): spread bets", "balance 100000 GBP", "10000 GBP a day"] {
        assert!(running.told.contains(part), "{part:?} is not in:\n{}", running.told);
    }
    assert!(!running.told.contains(PASSWORD), "{}", running.told);
    running.wait(dir.path(), 60, |board| episodes(board, "busy") >= 4 && episodes(board, "follow") >= 3);
    assert_eq!(running.stop(), Some(0));
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
    let running = Running::start(dir.path());
    running.wait(dir.path(), 60, |board| episodes(board, "busy") >= 2);
    running.get(dir.path(), &["promote", "busy", "--override", "--reason", "a test"]);
    let opened = |request: &Value| request["method"] == "POST" && request["path"] == "/positions/otc";
    let until = Instant::now() + Duration::from_secs(60);
    while requests(&sim).iter().filter(|request| opened(request)).count() < 3 {
        assert!(Instant::now() < until, "{}", running.get(dir.path(), &["leaderboard"]));
        std::thread::sleep(Duration::from_millis(200));
    }
    running.get(dir.path(), &["halt", "--reason", "enough"]);
    let until = Instant::now() + Duration::from_secs(30);
    while sim.state()["positions"].as_array().unwrap().iter().any(|_| true) {
        assert!(Instant::now() < until, "{}", sim.state());
        std::thread::sleep(Duration::from_millis(100));
    }
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
    assert_eq!(running.stop(), Some(0));
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
    let mut running = Running::start_with(dir.path(), &["run", "-vv", "--log", "json"]);
    running.wait(dir.path(), 60, |board| episodes(board, "busy") >= 1);
    running.get(dir.path(), &["promote", "busy", "--override", "--reason", "a test"]);
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
    assert!(Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status().unwrap().success());
    let told = running.all_told();
    let token = std::fs::read_to_string(dir.path().join("data/arena.token")).unwrap();
    let key = std::fs::read_to_string(dir.path().join("data/arena.key")).unwrap();
    let secrets = [PASSWORD, "demo-key-0123456789abcdef", token.trim(), key.trim()];
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
        let mut running = Running::start(dir.path());
        running.wait(dir.path(), 60, |board| !board["time"].is_null());
        assert!(Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status().unwrap().success());
        told = running.all_told();
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
    let check = |arguments: &[&str], change: &dyn Fn(&mut Command), code: i32, sentence: &str| {
        let mut command = arena(dir.path(), arguments);
        change(&mut command);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{sentence}: {told}");
        assert!(told.contains(sentence), "{sentence:?} is not in {told}");
        assert!(!told.contains(PASSWORD) && !told.contains("wrong-pass"), "{told}");
    };
    write_config(dir.path(), &sim, "");
    let nothing = |_: &mut Command| ();
    check(&["run", "--live"], &nothing, 2, "[ig] environment is \"demo\"");
    check(
        &["run"],
        &|command| _ = command.env_remove("IG_PASSWORD").env("IG_API_KEY", " "),
        2,
        "IG_API_KEY, IG_PASSWORD",
    );
    check(&["run"], &|command| _ = command.env("IG_PASSWORD", "wrong-pass"), 2, "error.security.invalid-details");

    let write = |from: &str, to: &str| {
        write_config(dir.path(), &sim, "");
        let path = dir.path().join("arena.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    write("[ig]", "[ig]\nenvironment = \"live\"");
    check(&["run"], &nothing, 2, "real money also needs `arena run --live`");
    write("[ig]", "[ig]\naccount = \"NOBODY\"");
    check(&["run"], &nothing, 2, "is none of this user's accounts");
    write(EPIC, "CS.D.NOTHERE.TODAY.IP");
    check(&["run"], &nothing, 2, "CS.D.NOTHERE.TODAY.IP");
    write(EPIC, "CS.D.EURUSD.CFD.IP");
    check(&["run"], &nothing, 2, "is a contract, and account SIM01 is for spread bets");
    write("point = 0.0001", "point = 0.01");
    check(&["run"], &nothing, 2, "is configured with a point of 0.01");
    write("currency = \"GBP\"", "currency = \"EUR\"");
    check(&["run"], &nothing, 2, "EUR");

    write_config(dir.path(), &sim, "");
    let url = sim.rest_url();
    drop(sim);
    let service = url.trim_start_matches("http://").split('/').next().unwrap();
    check(&["run"], &nothing, 1, &format!("login to IG: not sent: no connection to {service}: "));
    println!("nothing listens at {url} any more");
}
