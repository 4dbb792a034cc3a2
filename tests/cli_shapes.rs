//! The built binary against a store at rest and against a small stand-in for a running arena: shapes, texts, exit codes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use arena::config::PromotionConfig;
use arena::domain::{
    BreakKind, CloseReason, ContentHash, Direction, Micros, Ohlc, Prediction, RiskUnit, SeatIdx, Tick, UtcMicros,
};
use arena::flow::{Board, BreakRow, Explanation, GateVerdict, Row, State, Verdict};
use arena::promoter::{Promoter, RegisterInfo};
use arena::store::entry::{BarEntry, Refusal, SeatEntry, encode};
use arena::store::views::{BOARD, HEAD, Head, ROSTER, RosterEntry, explain_record};
use arena::store::{Commit, Lane, Sled, Store};
use serde_json::{Value, json};

const EPIC: &str = "CS.D.EURUSD.TODAY.IP";
const SWEPT: &str = "momentum:lookback=3,threshold=0.00003,hold=1m";
const OTHER: &str = "momentum:lookback=5,threshold=0.00003,hold=1m";

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// The one JSON document on standard output.
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {} {}", self.out, self.err))
    }
}

fn arena_in(dir: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_arena"))
        .args(arguments)
        .current_dir(dir)
        .env_remove("ARENA_URL")
        .env_remove("ARENA_TOKEN")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn at(clock: &str) -> UtcMicros {
    format!("2014-05-01T{clock}Z").parse().unwrap()
}

fn tick(clock: &str, bid: &str, offer: &str) -> Tick {
    Tick { time: at(clock), bid: bid.parse().unwrap(), offer: offer.parse().unwrap() }
}

fn side(open: &str, close: &str) -> Ohlc {
    let (open, close) = (open.parse().unwrap(), close.parse().unwrap());
    Ohlc { open, high: std::cmp::max(open, close), low: std::cmp::min(open, close), close }
}

fn roster() -> Vec<RosterEntry> {
    let entry = |seat: u32, model: &str, generation: u32| {
        let mut entry = RosterEntry {
            seat,
            model: model.to_owned(),
            version: "0".to_owned(),
            epic: EPIC.to_owned(),
            resolution: "1m".to_owned(),
            content_hash: format!("{:064x}", 0xABCD_0000_u64 + u64::from(seat)),
            generation: 0,
            registered: at("00:00:00"),
            settings: vec![("kind".to_owned(), "momentum".to_owned()), ("hold".to_owned(), "1m".to_owned())],
            currency: "GBP".to_owned(),
            floor_r: 5.0,
            hold: "1m".parse().unwrap(),
            ..RosterEntry::default()
        };
        entry.ticket = format!("{model}@0#00000000");
        if generation > 0 {
            let later = RosterEntry { generation: u32::MAX, ..entry.clone() };
            entry.ticket = later.ticket_of(generation);
            entry.generation = generation;
            entry.generations_began = vec![at("00:02:30")];
        }
        entry
    };
    vec![entry(0, SWEPT, 1), entry(1, OTHER, 0), entry(2, "control", 0)]
}

fn row(rank: u32, entry: &RosterEntry, state: State) -> Row {
    Row {
        rank,
        model: entry.model.as_str().into(),
        ticket: entry.ticket.clone(),
        epic: entry.epic.clone(),
        state,
        episodes: 2,
        wins: 1,
        net_profit: "6.5".parse().unwrap(),
        currency: "GBP".to_owned(),
        mean_r: Some(0.25),
        lcb95_r: Some(-0.1),
        log10_e: None,
        progress: Some(0.424),
        max_drawdown_r: 1.0,
        profit_factor: None,
        win_rate: Some(0.5),
        exposure: Some(0.1),
        open_position: None,
        flags: vec!["no_slot".to_owned()],
        statistics: None,
    }
}

fn promotion() -> PromotionConfig {
    let text = "[[markets]]\nepic = \"A\"\npoint = 0.0001\n[[models]]\nkind = \"breakout\"\n\
                params = { lookback = 3 }\nhold = \"3m\"\nstop = 8\nlimit = 12\n";
    arena::config::parse(text, "arena.toml", Path::new("")).unwrap().promotion
}

fn registered() -> SeatEntry {
    SeatEntry::Registered {
        size: "1".parse().unwrap(),
        stop: "0.0008".parse().unwrap(),
        limit: "0.0012".parse().unwrap(),
        hold: Micros(120_000_000),
        latency: Micros(250_000),
        bar: Micros(60_000_000),
        risk: RiskUnit { rho_micros: 8_000_000.0, floor_r: 3.0, cap_r: 10.0, cost_stress: 1.25 },
        content_hash: ContentHash([0; 32]),
    }
}

/// A long of 8 points' profit at a risk unit of 8.
fn closed(opened: &str, closed: &str) -> SeatEntry {
    SeatEntry::Closed {
        after: at(closed) - at(opened),
        level: "1.1011".parse().unwrap(),
        reason: CloseReason::Time,
        profit: "8".parse().unwrap(),
        costs: "0".parse().unwrap(),
        x: 1.0,
        adverse: "0".parse().unwrap(),
        favourable: "0.0008".parse().unwrap(),
    }
}

/// A small arena at rest. Seat 0 predicts a long at each close: its order lapses, is traded, is traded in its second
/// generation, and waits at the end. Seat 1 trades nothing: no signal, a short, a refusal, a short at the end.
fn store_in(dir: &Path) {
    let seats = roster();
    let mut commit = Commit::default();
    let mut lane = Vec::new();
    for (time, bid, offer) in [
        ("00:00:10", "1.1", "1.1002"),
        ("00:01:30", "1.1001", "1.1003"),
        ("00:02:05", "1.1011", "1.1013"),
        ("00:03:59.5", "1.0999", "1.1001"),
    ] {
        encode(&tick(time, bid, offer), &mut lane);
    }
    commit.append(Lane::Quotes(0), lane);

    let mut lane = Vec::new();
    for (start, bid, offer) in [
        ("00:00:00", side("1.1", "1.1"), side("1.1002", "1.1002")),
        ("00:01:00", side("1.1001", "1.1001"), side("1.1003", "1.1003")),
        ("00:02:00", side("1.1011", "1.1011"), side("1.1013", "1.1013")),
        ("00:03:00", side("1.0999", "1.0999"), side("1.1001", "1.1001")),
    ] {
        encode(&BarEntry { start: at(start), bid, offer, ticks: 1 }, &mut lane);
    }
    commit.append(Lane::Bars(0), lane);

    let mut lane = Vec::new();
    let predicted = |time: &str, signal, is_acted| SeatEntry::Predicted {
        time: at(time),
        prediction: Prediction::of(Some(1.0001), signal),
        is_acted,
    };
    let ordered = |made: &str| SeatEntry::Ordered { time: at(made), direction: Direction::Long, y_pred: Some(1.0001) };
    let opened =
        |made: &str, time: &str| SeatEntry::Opened { after: at(time) - at(made), level: "1.1003".parse().unwrap() };
    for entry in [
        registered(),
        predicted("00:01:00", Some(Direction::Long), true),
        ordered("00:01:00"),
        SeatEntry::Lapsed,
        predicted("00:02:00", Some(Direction::Long), true),
        ordered("00:02:00"),
        opened("00:02:00", "00:02:05"),
        closed("00:02:05", "00:02:30.25"),
        predicted("00:03:00", Some(Direction::Long), true),
        ordered("00:03:00"),
        opened("00:03:00", "00:03:20"),
        closed("00:03:20", "00:03:40"),
        predicted("00:04:00", Some(Direction::Long), true),
        ordered("00:04:00"),
    ] {
        encode(&entry, &mut lane);
    }
    commit.append(Lane::Seat(0), lane);

    let mut lane = Vec::new();
    for entry in [
        registered(),
        predicted("00:01:00", None, false),
        predicted("00:02:00", Some(Direction::Short), false),
        SeatEntry::Refused { time: at("00:03:00"), reason: Refusal::Session },
        predicted("00:04:00", Some(Direction::Short), false),
    ] {
        encode(&entry, &mut lane);
    }
    commit.append(Lane::Seat(1), lane);

    // A chain as the promoter makes it, since `audit verify` takes its decisions again.
    let mut promoter = Promoter::new(&promotion(), "GBP", &"c".repeat(64));
    for (seat, entry) in (0..).zip(&seats) {
        let info = RegisterInfo {
            seat: SeatIdx(u32::from(seat)),
            model: entry.model.as_str().into(),
            content_hash: ContentHash([seat; 32]),
            floor_r: 3.0,
            cap_r: 10.0,
            market: "A".to_owned(),
            rho_micros: 1e7,
        };
        promoter.register(at("00:00:00"), &info);
    }
    let mut changes = promoter.on_warm(SeatIdx(0), at("00:01:00"));
    changes.extend(promoter.retire(&seats[0].model, at("00:02:00"), Some("done, no edge")).unwrap());
    let mut lane = Vec::new();
    promoter.take_audit().iter().for_each(|record| encode(record, &mut lane));
    commit.append(Lane::Audit, lane);
    let lifecycle = changes.into_iter().map(std::sync::Arc::new).collect();

    let states = [State::Eligible, State::Live, State::Shadow];
    let rows = (1..).zip(&seats).zip(states).map(|((rank, seat), state)| row(rank, seat, state).into()).collect();
    let board = Board { time: Some(at("00:04:00")), rows, lifecycle, ..Board::default() };
    let head = Head {
        time: Some(at("00:04:00")),
        rounds: 4,
        quotes: 4,
        config_hash: "c".repeat(64),
        is_done: true,
        epics: vec![EPIC.to_owned()],
        streams: vec![(EPIC.to_owned(), "1m".to_owned())],
    };
    let gate =
        |gate: &str, value, limit, verdict| GateVerdict { gate: gate.to_owned(), value, limit, verdict, missing: None };
    let explanation = Explanation {
        model: SWEPT.into(),
        state: State::Eligible,
        gates: vec![
            gate("G1 evidence", Some(3.25), Some(7.848_5), Verdict::Fail),
            gate("G2 episodes", Some(120.0), Some(100.0), Verdict::Pass),
            gate("G3 days", None, Some(0.0), Verdict::Unknown),
        ],
        expected_days_to_decision: Some(12.34),
        expected_days_low: Some(8.0),
        expected_days_high: None,
        breaks: vec![BreakRow {
            time: at("00:01:30"),
            kind: BreakKind::ClosedOutside,
            deal_reference: "r".to_owned(),
            seat: Some(SeatIdx(0)),
            model: Some(SWEPT.into()),
            epic: EPIC.to_owned(),
            text: "position r was closed at 1.3 by somebody else".to_owned(),
            is_mended: true,
        }],
    };
    commit.records = vec![
        (ROSTER.to_owned(), serde_json::to_vec(&seats).unwrap()),
        (BOARD.to_owned(), serde_json::to_vec(&board).unwrap()),
        (HEAD.to_owned(), serde_json::to_vec(&head).unwrap()),
        (explain_record(0), serde_json::to_vec(&explanation).unwrap()),
    ];
    let mut store = Sled::open(dir, 0).unwrap();
    store.commit(commit).unwrap();
    store.flush().unwrap();
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn an_arena_at_rest_answers_in_the_documented_shapes() {
    let dir = tempfile::tempdir().unwrap();
    store_in(&dir.path().join("s"));
    let ask = |arguments: &[&str]| {
        let ran = arena_in(dir.path(), &[arguments, &["--store", "s", "--json"]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        ran.json()
    };

    let board = ask(&["leaderboard"]);
    assert_eq!(keys(&board), ["time", "models"]);
    assert_eq!(board["time"], "2014-05-01T00:04:00Z");
    let row_keys = [
        "rank",
        "model",
        "ticket",
        "epic",
        "state",
        "episodes",
        "wins",
        "net_profit",
        "currency",
        "mean_r",
        "lcb95_r",
        "log10_e",
        "progress",
        "max_drawdown_r",
        "profit_factor",
        "win_rate",
        "exposure",
        "open_position",
        "flags",
        "statistics",
    ];
    assert_eq!(keys(&board["models"][0]), row_keys);
    assert_eq!((&board["models"][0]["net_profit"], &board["models"][0]["log10_e"]), (&json!("6.5"), &Value::Null));

    let trades = ask(&["trades", SWEPT]);
    let trade_keys = [
        "model",
        "ticket",
        "deal_id",
        "epic",
        "direction",
        "size",
        "opened",
        "closed",
        "open_level",
        "close_level",
        "stop_level",
        "limit_level",
        "reason",
        "profit",
        "costs",
        "r",
        "y_pred",
        "y_true",
    ];
    assert_eq!(keys(&trades[0]), trade_keys);
    assert_eq!(trades.as_array().unwrap().len(), 2);
    assert_eq!(trades[0]["closed"], "2014-05-01T00:02:30.25Z");
    // The first trade was decided before the second generation began, the second after: each bears its own ticket.
    let seat = &roster()[0];
    assert_eq!(trades[0]["ticket"], seat.ticket_of(0));
    assert_eq!(trades[1]["ticket"], seat.ticket);
    assert_ne!(seat.ticket_of(0), seat.ticket);
    assert_eq!(trades[0]["deal_id"], "00000000-1");

    let explanation = ask(&["explain", SWEPT]);
    assert_eq!(
        keys(&explanation),
        ["model", "state", "gates", "expected_days_to_decision", "expected_days_low", "expected_days_high", "breaks"]
    );
    assert_eq!(
        (&explanation["breaks"][0]["kind"], &explanation["breaks"][0]["is_mended"]),
        (&json!("closed_outside"), &json!(true))
    );
    assert_eq!(
        explanation["gates"][2],
        json!({"gate": "G3 days", "value": null, "limit": 0.0, "verdict": "unknown", "missing": null})
    );

    let model = ask(&["show", &seat.ticket_of(0)]);
    assert_eq!((&model["row"]["model"], &model["generation"]), (&json!(SWEPT), &json!(1)));
    assert_eq!(model["lifecycle"][1]["to"], "retired");

    let audit = ask(&["audit", "verify"]);
    assert_eq!(
        keys(&audit),
        ["ok", "records", "promotions", "demotions", "recomputed", "signed", "key", "last_hash", "problem"]
    );
    assert_eq!((&audit["ok"], &audit["records"]), (&json!(true), &json!(5)));
}

#[test]
fn an_arena_at_rest_answers_in_text() {
    let dir = tempfile::tempdir().unwrap();
    store_in(&dir.path().join("data/store"));
    let mut texts = String::new();
    for arguments in [
        &["leaderboard"][..],
        &["show", SWEPT],
        &["trades", SWEPT],
        &["trades", "control"],
        &["explain", SWEPT],
        &["audit", "verify"],
        &["export", "--table", "trades"],
        &["export", "--table", "predictions"],
        &["export", "--table", "orders"],
        &["export", "--table", "bars"],
        &["export", "--table", "quotes"],
        &["export", "--table", "lifecycle"],
        &["export", "--table", "trades", "--model", "control"],
    ] {
        // The data folder of an arena is as good as the store inside.
        let ran = arena_in(dir.path(), &[arguments, &["--store", "data"]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        texts.push_str(&format!("$ arena {}\n{}\n", arguments.join(" "), ran.out));
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn an_untraded_prediction_is_held_against_the_quotes_at_its_horizon() {
    let dir = tempfile::tempdir().unwrap();
    store_in(&dir.path().join("s"));
    let ran = arena_in(dir.path(), &["export", "--table", "predictions", "--store", "s", "-o", "p.csv"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let text = std::fs::read_to_string(dir.path().join("p.csv")).unwrap();
    let y_true: Vec<Option<f64>> =
        text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().ok()).collect();
    let want = [
        // Lapsed: bought at the offer of the close at 00:01, 1.1002, sold at 00:02:05, the first quote from 00:02 on.
        Some(1.1011 / 1.1002),
        // Traded.
        Some(1.1011 / 1.1003),
        Some(1.1011 / 1.1003),
        // Its order still waits.
        None,
        // Without a signal as a long.
        Some(1.1011 / 1.1002),
        // A short: sold at the bid of the close at 00:02, bought back at the offer of 00:03:59.5, the first from 00:03 on.
        Some(1.1001 / 1.1001),
        // Nothing is known from 00:05 on.
        None,
    ];
    assert_eq!(y_true, want);
    let left = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[test]
fn a_model_that_is_none_is_exit_5_with_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    store_in(&dir.path().join("s"));
    for (asked, want) in [("momentum", vec![SWEPT, OTHER]), ("contrl", vec!["control"]), ("zzz", vec![])] {
        for command in ["show", "trades", "explain"] {
            let ran = arena_in(dir.path(), &[command, asked, "--store", "s", "--json"]);
            assert_eq!(ran.code, 5, "{command} {asked}");
            assert_eq!(ran.json()["candidates"], json!(want), "{command} {asked}");
            assert!(ran.err.starts_with(&format!("arena: no model {asked:?}")), "{}", ran.err);
        }
    }
}

#[test]
fn usage_and_stores_that_are_none_have_their_codes() {
    let dir = tempfile::tempdir().unwrap();
    store_in(&dir.path().join("s"));
    std::fs::write(dir.path().join("bad.toml"), "listen = ").unwrap();
    let held = dir.path().join("held");
    let _holder = Sled::open(&held, 0).unwrap();
    for (code, arguments) in [
        (2, &["nonsense"][..]),
        (2, &["trades"]),
        (2, &["replay"]),
        (2, &["replay", "--quotes", "EPIC"]),
        (2, &["replay", "--quotes", "E=f", "--session", "x"]),
        (2, &["demo", "--for", "0s"]),
        (2, &["demo", "--edge", "nan"]),
        (2, &["promote", "m", "--override"]),
        (2, &["leaderboard", "--watch", "--json"]),
        (2, &["leaderboard", "--watch", "--store", "s"]),
        (2, &["leaderboard", "--store", "s", "--url", "http://127.0.0.1:1"]),
        (2, &["leaderboard", "--url", "https://127.0.0.1:1"]),
        (2, &["leaderboard", "-c", "bad.toml"]),
        (2, &["leaderboard", "-c", "absent.toml"]),
        (2, &["export", "--table", "bars", "--store", "s", "--epic", "X"]),
        (2, &["export", "--table", "bars", "--store", "s", "--json"]),
        (1, &["leaderboard", "--store", "nowhere"]),
        (1, &["leaderboard", "--store", "."]),
        (1, &["leaderboard", "--store", "held"]),
        (1, &["export", "--table", "bars", "--store", "s", "-o", "no/such/dir.csv"]),
        (4, &["leaderboard", "--url", "http://127.0.0.1:1"]),
        (4, &["halt", "--url", "127.0.0.1:1"]),
        (0, &["--help"]),
        (0, &["--version"]),
    ] {
        let ran = arena_in(dir.path(), arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}{}", ran.out, ran.err);
        assert_eq!(ran.err.is_empty(), code == 0, "{arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("panicked"), "{arguments:?}: {}", ran.err);
    }
    let ran = arena_in(dir.path(), &["leaderboard", "--store", "held"]);
    assert!(ran.err.contains("in use by another arena"), "{}", ran.err);
}

#[test]
fn help_and_completions_are_complete() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(arena_in(dir.path(), &["--help"]).out);
    for shell in ["bash", "zsh", "fish"] {
        let ran = arena_in(dir.path(), &["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("leaderboard") && ran.out.contains("on-bad"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let dir = tempfile::tempdir().unwrap();
    store_in(&dir.path().join("s"));
    for arguments in [&["--help"][..], &["completions", "bash"], &["export", "--table", "quotes", "--store", "s"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arena"))
            .args(arguments)
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
}

struct Request {
    line: String,
    authorization: Option<String>,
    body: String,
}

/// Answers every request of `answers` in turn with its status and body, and hands over what was asked.
fn stand_in(answers: Vec<(u16, Value)>) -> (SocketAddr, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let header = |name: &str| {
                lines.iter().skip(1).find_map(|line| {
                    let (key, value) = line.split_once(": ")?;
                    key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                })
            };
            let length = header("content-length").map_or(0, |n| n.parse().unwrap());
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).unwrap();
            let authorization = header("authorization");
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
            sender
                .send(Request { line: lines[0].clone(), authorization, body: String::from_utf8(sent).unwrap() })
                .unwrap();
        }
    });
    (address, requests)
}

#[test]
fn a_running_arena_is_asked_and_told_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let board = json!({"time": null, "models": [row(1, &roster()[0], State::Live)]});
    let done = json!({"changes": [], "notes": ["dealing is halted"]});
    let (address, requests) = stand_in(vec![(200, board.clone()), (200, done), (200, json!([]))]);
    std::fs::create_dir_all(dir.path().join("d")).unwrap();
    std::fs::write(dir.path().join("d/arena.token"), "from the file\n").unwrap();
    let file = format!("[server]\nlisten = \"{address}\"\n[arena]\ndata = \"d\"\n");
    std::fs::write(dir.path().join("arena.toml"), file).unwrap();

    // No --url: the configuration in the working folder says where.
    let ran = arena_in(dir.path(), &["leaderboard", "--json"]);
    assert_eq!((ran.code, ran.json()), (0, board), "{}", ran.err);
    let asked = requests.recv().unwrap();
    assert_eq!((asked.line.as_str(), asked.authorization), ("GET /api/v1/leaderboard HTTP/1.1", None));

    let ran = arena_in(dir.path(), &["halt", "--reason", "news"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "dealing is halted\n"), "{}", ran.err);
    let asked = requests.recv().unwrap();
    assert_eq!(asked.line, "POST /api/v1/halt HTTP/1.1");
    assert_eq!(asked.authorization.as_deref(), Some("Bearer from the file"));
    assert_eq!(asked.body, r#"{"reason":"news"}"#);

    let ran = arena_in(dir.path(), &["trades", "a/b@0#1 ?%:=,", "--url", &format!("http://{address}")]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "no closed trade yet\n"), "{}", ran.err);
    assert_eq!(requests.recv().unwrap().line, "GET /api/v1/models/a%2Fb@0%231%20%3F%25:=,/trades HTTP/1.1");
}

#[test]
fn what_the_arena_says_becomes_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let said = |sentence: &str| json!({"error": sentence});
    for (status, body, code, want) in [
        (404, json!({"error": "no model \"m\"", "candidates": ["m:a=1"]}), 5, "no model"),
        (409, said("refused: it misses G1"), 3, "misses G1"),
        (400, said("an override needs a reason"), 2, "needs a reason"),
        (401, said("unauthorized"), 1, "asks for its token"),
        (503, said("unavailable: stopping"), 1, "stopping"),
        (500, Value::Null, 4, "no arena"),
        (200, json!({"changes": [], "notes": []}), 0, "done"),
        (200, json!({"else": 1}), 4, "no arena"),
        (200, json!("else"), 4, "no arena"),
    ] {
        let (address, requests) = stand_in(vec![(status, body)]);
        let ran = arena_in(dir.path(), &["promote", "m", "--url", &address.to_string()]);
        assert_eq!(ran.code, code, "{status}: {}", ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(want), "{status}: {}{}", ran.out, ran.err);
        assert_eq!(requests.recv().unwrap().body, r#"{"reason":null,"override":false}"#);
    }
}
