//! Every command of the built binary against its documented JSON, at an arena that runs and at one at rest, and the
//! sentence and exit code of everything that goes wrong.

#![expect(clippy::unwrap_used, reason = "tests")]

mod process;

use std::fs;
use std::path::Path;
use std::time::Duration;

use process::{EPIC, Live, Ran, arena, assert_shape, easy, folder, quotes, shell};
use serde_json::Value;

const ROW: &[(&str, &str)] = &[
    ("rank", "int"),
    ("model", "str"),
    ("ticket", "str"),
    ("epic", "str"),
    ("state", "str"),
    ("episodes", "int"),
    ("wins", "int"),
    ("net_profit", "dec"),
    ("currency", "str"),
    ("mean_r", "num?"),
    ("lcb95_r", "num?"),
    ("log10_e", "num?"),
    ("progress", "num?"),
    ("max_drawdown_r", "num"),
    ("profit_factor", "num?"),
    ("win_rate", "num?"),
    ("exposure", "num?"),
    ("open_position", "obj?"),
    ("flags", "list"),
    ("statistics", "obj?"),
];

const TRADE: &[(&str, &str)] = &[
    ("model", "str"),
    ("ticket", "str"),
    ("deal_id", "str"),
    ("epic", "str"),
    ("direction", "str"),
    ("size", "dec"),
    ("opened", "time"),
    ("closed", "time"),
    ("open_level", "dec"),
    ("close_level", "dec"),
    ("stop_level", "dec"),
    ("limit_level", "dec"),
    ("reason", "str"),
    ("profit", "dec"),
    ("costs", "dec"),
    ("r", "num"),
    ("y_pred", "num?"),
    ("y_true", "num?"),
];

const RESULT: &[(&str, &str)] = &[
    ("journal_hash", "str"),
    ("from", "time"),
    ("to", "time"),
    ("quotes", "int"),
    ("bad_quotes", "obj"),
    ("bars", "list"),
    ("elapsed_seconds", "num"),
    ("models", "list"),
    ("lifecycle", "list"),
];

const CHANGE: &[(&str, &str)] =
    &[("time", "time"), ("model", "str"), ("from", "str"), ("to", "str"), ("reason", "str")];

fn assert_result(result: &Value) {
    assert_shape(result, RESULT);
    let hash = result["journal_hash"].as_str().unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    for bar in result["bars"].as_array().unwrap() {
        assert_shape(bar, &[("epic", "str"), ("resolution", "str"), ("count", "int")]);
    }
    assert_rows(&result["models"]);
    let changes = result["lifecycle"].as_array().unwrap();
    assert!(!changes.is_empty());
    changes.iter().for_each(|change| assert_shape(change, CHANGE));
}

fn assert_rows(rows: &Value) {
    let rows = rows.as_array().unwrap();
    assert!(!rows.is_empty());
    for (at, row) in rows.iter().enumerate() {
        assert_shape(row, ROW);
        assert_eq!(row["rank"], at as u64 + 1);
        let (n, wins) = (row["episodes"].as_f64().unwrap(), row["wins"].as_f64().unwrap());
        if let Some(rate) = row["win_rate"].as_f64() {
            assert!((rate - wins / n).abs() < 1e-9, "{row}");
        }
    }
}

/// The reading commands, whatever they read from.
fn assert_readings(read: &dyn Fn(&[&str]) -> Ran) {
    let board = read(&["leaderboard", "--json"]).is(0).json();
    assert_shape(&board, &[("time", "time"), ("models", "list")]);
    assert_rows(&board["models"]);

    let trades = read(&["trades", "edge", "--json"]).is(0).json();
    let trades = trades.as_array().unwrap();
    assert!(trades.len() > 3, "{}", trades.len());
    for trade in trades {
        assert_shape(trade, TRADE);
        assert!(["long", "short"].contains(&trade["direction"].as_str().unwrap()));
        let reasons = ["stop", "limit", "time", "demoted", "session", "halt", "outside"];
        assert!(reasons.contains(&trade["reason"].as_str().unwrap()), "{trade}");
    }
    assert!(trades.windows(2).all(|pair| time_of(&pair[0]) <= time_of(&pair[1])), "in order of close");

    assert_eq!(read(&["trades", "edge", "--live", "--json"]).is(0).json(), serde_json::json!([]), "nothing was live");
    assert_eq!(read(&["trades", "edge", "--live"]).is(0).out, "no live deal yet\n");

    let explained = read(&["explain", "edge", "--json"]).is(0).json();
    let shape = [
        ("model", "str"),
        ("state", "str"),
        ("gates", "list"),
        ("expected_days_to_decision", "num?"),
        ("expected_days_low", "num?"),
        ("expected_days_high", "num?"),
        ("breaks", "list"),
    ];
    assert_shape(&explained, &shape);
    for gate in explained["gates"].as_array().unwrap() {
        assert_shape(
            gate,
            &[("gate", "str"), ("value", "num?"), ("limit", "num?"), ("verdict", "str"), ("missing", "num?")],
        );
        assert!(["pass", "fail", "unknown"].contains(&gate["verdict"].as_str().unwrap()));
    }

    let shown = read(&["show", "edge", "--json"]).is(0).json();
    assert!(shown.is_object(), "{shown}");
    assert!(shown.to_string().contains("edge"));

    let verified = read(&["audit", "verify", "--json"]).is(0).json();
    assert!(verified.is_object(), "{verified}");
    // One file that needs no arena, and tells by itself that its end was cut off.
    let mut exported = read(&["audit", "export"]).is(0).json();
    let away = tempfile::tempdir().unwrap();
    let verify = |document: &Value| {
        std::fs::write(away.path().join("audit.json"), document.to_string()).unwrap();
        arena(away.path(), &["audit", "verify", "audit.json", "--json"])
    };
    let records = verify(&exported).is(0).json()["records"].as_u64().unwrap();
    assert!(records >= verified["records"].as_u64().unwrap() && records > 2, "{records}");
    exported["records"].as_array_mut().unwrap().pop();
    let problem = verify(&exported).fails(1, "is missing").json()["problem"].as_str().unwrap().to_owned();
    assert!(problem.starts_with(&format!("record {records} is missing")), "{problem}");

    // A name that does not exist, and one of a sweep: code 5, one document, what comes near.
    let lost = read(&["trades", "nobody", "--json"]).fails(5, "nobody").json();
    assert_shape(&lost, &[("error", "str"), ("candidates", "list")]);
    let swept = read(&["show", "fade", "--json"]).fails(5, "fade").json();
    assert_eq!(swept["candidates"], serde_json::json!(["fade:lookback=1", "fade:lookback=3"]));
    // Any ticket on the board names its model.
    let ticket = board["models"][0]["ticket"].as_str().unwrap().to_owned();
    read(&["show", &ticket, "--json"]).is(0).json();
}

fn time_of(trade: &Value) -> arena::domain::UtcMicros {
    trade["closed"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_running_arena_and_one_at_rest_answer_as_documented() {
    let dir = folder(&easy(&[("mode = \"auto\"", "mode = \"manual\"")]));
    let live = Live::start(dir.path());
    live.until("an eligible edge", |live| live.state("edge") == "eligible");
    assert_readings(&|arguments| live.arena(arguments));

    // A rule refuses, with the gates by name; nothing but one document on standard output.
    let refused = live.arena(&["promote", "fade:lookback=1", "--json"]).fails(3, "misses").json();
    assert_shape(&refused, &[("error", "str"), ("candidates", "list")]);
    assert!(refused["error"].as_str().unwrap().contains("G1 evidence"), "{refused}");
    live.arena(&["promote", "nobody"]).fails(5, "nobody");
    let usage = arena(dir.path(), &["promote", "edge", "--override", "--json"]).is(2);
    assert_shape(&usage.json(), &[("error", "str"), ("candidates", "list")]);
    assert!(usage.err.contains("--reason"), "{usage:?}");
    live.arena(&["promote", "edge", "--token", "wrong"]).fails(1, "does not know this token");
    let token = dir.path().join("data/arena.token");
    fs::rename(&token, dir.path().join("hidden")).unwrap();
    live.arena(&["halt"]).fails(1, "asks for its token");
    fs::rename(dir.path().join("hidden"), &token).unwrap();

    let done = live.arena(&["halt", "--json"]).is(0).json();
    assert_shape(&done, &[("changes", "list"), ("notes", "list")]);

    // The store belongs to the one that runs.
    arena(dir.path(), &["leaderboard", "--store", "data/store"]).fails(1, "in use");
    live.interrupt(Duration::from_secs(20)).is(0);
    assert_readings(&|arguments| arena(dir.path(), &[arguments, &["--store", "data/store"]].concat()));
    assert_readings(&|arguments| arena(dir.path(), &[arguments, &["--store", "data"]].concat()));
    for table in ["trades", "predictions", "bars", "quotes", "lifecycle", "orders"] {
        let file = format!("{table}.csv.gz");
        let done = arena(dir.path(), &["export", "--table", table, "--store", "data", "-o", &file, "--json"]).is(0);
        assert!(done.json().is_object(), "{done:?}");
        assert!(fs::metadata(dir.path().join(&file)).unwrap().len() > 40, "{table}");
    }
    // What was recorded can be fed again.
    let result = arena(dir.path(), &["replay", "--quotes", &format!("{EPIC}=quotes.csv.gz"), "--json"]).is(0).json();
    assert_result(&result);
    assert!(result["quotes"].as_u64().unwrap() > 1_000);
    assert_result(&arena(dir.path(), &["replay", "--session", "data", "--json"]).is(0).json());
    arena(dir.path(), &["leaderboard", "--url", &unused(), "--json"]).fails(4, "http://127.0.0.1:");
}

/// An address where nothing listens any longer.
fn unused() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_demo_says_one_document_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let demo = shell(dir.path(), "TMPDIR=$PWD $ARENA demo --for 8s --json --port 0 -q").is(0);
    assert_result(&demo.json());
    // Thirty rules and two versions that it trained.
    assert_eq!(demo.json()["models"].as_array().unwrap().len(), 32);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no folder stays");
}

#[test]
fn check_graph_resample_and_completions_answer_as_documented() {
    let dir = folder(&easy(&[]));
    let checked = arena(dir.path(), &["check", "--json"]).is(0).json();
    assert_shape(&checked, &[("ok", "bool"), ("candidates", "int"), ("problems", "list"), ("notices", "list")]);
    assert_eq!((&checked["ok"], &checked["candidates"]), (&Value::Bool(true), &Value::from(3)));

    fs::write(dir.path().join("bad.toml"), easy(&[("stop = 4", "stop = -4"), ("speed = 0", "sped = 0")])).unwrap();
    let checked = arena(dir.path(), &["check", "-c", "bad.toml", "--json"]).is(2).json();
    assert_eq!(checked["ok"], false);
    let problems = checked["problems"].as_array().unwrap();
    assert!(problems.len() >= 3, "{checked}");
    for problem in problems {
        let shape =
            [("file", "str"), ("line", "int"), ("column", "int"), ("path", "str"), ("got", "str"), ("want", "str")];
        assert_shape(problem, &shape);
    }

    assert!(arena(dir.path(), &["graph", "--json"]).is(0).json().is_object());
    assert!(arena(dir.path(), &["completions", "bash", "--json"]).is(0).json().is_object());
    fs::write(dir.path().join("q.csv"), quotes(2_000)).unwrap();
    let bars = arena(dir.path(), &["resample", "--quotes", "q.csv", "--every", "1m", "--json"]).is(0);
    assert!(bars.json().is_object());
    let result = arena(dir.path(), &["replay", "--quotes", &format!("{EPIC}=q.csv"), "--json"]).is(0).json();
    assert_result(&result);
    assert_eq!((&result["quotes"], &result["bars"][0]["count"]), (&Value::from(2_000), &Value::from(66)));
}

#[test]
fn the_largest_numbers_that_are_taken_do_no_harm() {
    let dir = folder(&easy(&[
        ("point = 0.0001", "point = 1000000\nvalue_per_point = 1000000"),
        ("gap_allowance_points = 8", "gap_allowance_points = 1000000\nfunding_annual_rate = 10"),
        ("stop = 4\nlimit = 4\nsize = 2.0", "stop = 1000000\nlimit = 1000000\nsize = 1000000"),
    ]));
    let checked = arena(dir.path(), &["check", "--json"]);
    assert!([0, 2].contains(&checked.code), "{checked:?}");
    checked.json();
    fs::write(dir.path().join("q.csv"), quotes(2_000)).unwrap();
    let ran = arena(dir.path(), &["replay", "--quotes", &format!("{EPIC}=q.csv"), "--json"]);
    assert_eq!(ran.code, checked.code, "{ran:?}");
    ran.json();
}

/// Writes `arena.toml` anew and says how `arena` ends.
fn with_config(dir: &Path, config: &str, arguments: &[&str]) -> Ran {
    fs::write(dir.join("arena.toml"), config).unwrap();
    arena(dir, arguments)
}

#[test]
fn a_faulty_configuration_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    arena(dir.path(), &["run"]).fails(2, "arena.toml");
    arena(dir.path(), &["check", "--json"]).is(2).json();
    arena(dir.path(), &["replay", "--quotes", "X=q.csv"]).fails(2, "arena.toml");
    let head = easy(&[]);
    let no_model = &head[..head.find("[[models]]").unwrap()];
    for (config, part) in [
        (no_model.to_owned(), "models"),
        (String::new(), "markets"),
        ("[[[".to_owned(), "arena.toml:1:"),
        (easy(&[("\"127.0.0.1:0\"", "\"nowhere\"")]), "server.listen"),
        (easy(&[("alpha = 0.4", "alpha = 1e999")]), "arena.toml:26:9"),
        (easy(&[("alpha = 0.4", "alpha = 4")]), "promotion.alpha"),
        (easy(&[("gap_allowance_points = 8", "gap_allowance_points = 1e2147483647")]), "arena.toml:15:24"),
        (easy(&[("gap_allowance_points = 8", "gap_allowance_points = 0e-2147483648\nfrob = 1")]), "frob"),
        (easy(&[("name = \"fade\"", "name = \"edge\"\nbar = \"7s\"")]), "bar"),
    ] {
        for arguments in [&["run"][..], &["replay", "--quotes", "X=q.csv"], &["run", "--json"]] {
            let ran = with_config(dir.path(), &config, arguments).is(2);
            assert!(ran.err.contains(part) && ran.err.starts_with("arena: "), "{part}: {ran:?}");
            if arguments.contains(&"--json") {
                assert_shape(&ran.json(), &[("error", "str"), ("candidates", "list")]);
            }
        }
        let checked = arena(dir.path(), &["check", "--json"]).is(2).json();
        assert_eq!(checked["ok"], false, "{part}");
    }
    // Bytes that are no text.
    fs::write(dir.path().join("arena.toml"), [0xFF, 0x00, 0xFE]).unwrap();
    arena(dir.path(), &["run"]).fails(2, "UTF-8");
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn wrong_usage_says_so_in_either_form() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["frobnicate"][..],
        &["replay"],
        &["replay", "--quotes", "noequals"],
        &["demo", "--for", "-1s"],
        &["demo", "--speed", "nan"],
        &["demo", "--edge", "inf"],
        &["demo", "--port", "99999"],
        &["resample", "--quotes", "q", "--every", "0s"],
        &["leaderboard", "--url", "http://x", "--store", "y"],
        &["trades"],
    ] {
        let ran = arena(dir.path(), arguments).is(2);
        assert!(ran.out.is_empty() && ran.err.starts_with("error: "), "{ran:?}");
        let ran = arena(dir.path(), &[arguments, &["--json"]].concat()).is(2);
        let document = ran.json();
        assert_shape(&document, &[("error", "str"), ("candidates", "list")]);
        let sentence = document["error"].as_str().unwrap();
        assert!(!sentence.contains('\n') && !sentence.starts_with("error"), "{sentence}");
    }
    arena(dir.path(), &["leaderboard", "--url", "https://127.0.0.1:1"]).fails(2, "https");
    arena(dir.path(), &["leaderboard", "--store", "nowhere"]).fails(1, "nowhere");
    arena(dir.path(), &["audit", "verify", "--store", "."]).fails(1, ".");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "reading makes nothing");
}

#[test]
fn help_fits_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["demo", "--help"], &["promote", "--help"], &["replay", "--help"]] {
        let help = arena(dir.path(), arguments).is(0);
        assert!(help.err.is_empty());
        for line in help.out.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
