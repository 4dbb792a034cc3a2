//! `arena fetch` of the built binary: exit codes, documents, what stays on the disk, and a kill in the middle.

#![expect(clippy::unwrap_used, reason = "tests")]

mod process;
mod yahoo_stub;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arena::history::{find, load};
use process::{PATIENCE, Ran, arena, assert_shape, easy};
use serde_json::Value;
use yahoo_stub::{Answer, Stub, chart};

const NOW: &str = "2026-03-31T12:00:00Z";

const FETCHED: &[(&str, &str)] = &[
    ("dataset", "str"),
    ("source", "str"),
    ("symbol", "str"),
    ("interval", "str"),
    ("rows", "int"),
    ("from", "time"),
    ("to", "time"),
    ("gaps", "obj"),
    ("dropped", "obj"),
    ("sides", "str"),
    ("spread", "dec"),
    ("adjustment", "str"),
    ("file", "str"),
    ("sha256", "str"),
    ("content_hash", "str"),
    ("fetched", "time"),
    ("folder", "str"),
    ("new_rows", "int"),
    ("requests", "int"),
    ("notices", "list"),
];

fn yahoo<'a>(stub: &'a Stub, rest: &[&'a str]) -> Vec<&'a str> {
    let head = ["fetch", "yahoo", "--ticker", "CL=F", "--interval", "1m", "--base-url", &stub.base];
    let quick = ["--pace", "1ms", "--backoff", "20ms", "--now", NOW];
    [&head[..], &quick, rest].concat()
}

fn minutes() -> Stub {
    Stub::start(|_, seen| Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25))))
}

fn csv(dir: &Path, rest: &[&str]) -> Ran {
    arena(dir, &[&["fetch", "csv", "--symbol", "X"], rest].concat())
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn yahoo_answers_with_one_document_and_a_data_set() {
    let stub = minutes();
    let dir = tempfile::tempdir().unwrap();
    let order = yahoo(&stub, &["--from", "2026-03-24", "--to", "2026-03-26", "--spread", "3pt", "--point", "0.01"]);
    let document = arena(dir.path(), &[&order[..], &["--json"]].concat()).is(0).json();
    assert_shape(&document, FETCHED);
    assert_shape(&document["gaps"], &[("count", "int"), ("bars", "int"), ("longest", "list")]);
    assert_eq!((&document["dataset"], &document["rows"]), (&Value::from("yahoo/CL=F/1m"), &Value::from(2_880)));
    assert_eq!((&document["requests"], &document["spread"]), (&Value::from(1), &Value::from("0.03")));
    let folder = find(&dir.path().join("data"), "yahoo/CL=F/1m").unwrap();
    assert_eq!(load(&folder).unwrap().manifest.sha256, document["sha256"]);
    let text = fs::read_to_string(folder.join("bars.csv")).unwrap();
    assert!(text.starts_with("start,end,open,high,low,close,volume\n2026-03-24T00:00:00Z,2026-03-24T00:01:00Z,70.25,"));

    let ran = arena(dir.path(), &order).is(0);
    assert!(ran.out.starts_with("yahoo/CL=F/1m: 2880 bars from ") && ran.out.contains("0 new, 0 requests"), "{ran:?}");
    assert_eq!(stub.seen().len(), 1);

    let listed = arena(dir.path(), &["fetch", "list", "--json"]).is(0).json();
    assert_eq!(listed["datasets"][0]["dataset"], "yahoo/CL=F/1m");
    assert!(arena(dir.path(), &["fetch", "list"]).is(0).out.contains("yahoo/CL=F/1m  2880"));

    // A changed byte is told with both hashes, and nothing is fetched on top of it.
    fs::write(folder.join("bars.csv"), text.replacen("70.25", "70.26", 1)).unwrap();
    let wider = yahoo(&stub, &["--from", "2026-03-24", "--to", "2026-03-27"]);
    let failed = arena(dir.path(), &wider).fails(1, "was changed: its SHA-256 is ");
    assert!(failed.err.contains(document["sha256"].as_str().unwrap()), "{failed:?}");
    assert_eq!(stub.seen().len(), 1);
}

#[test]
fn the_data_folder_is_that_of_the_configuration_or_of_the_option() {
    let stub = minutes();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("arena.toml"), easy(&[("[arena]", "[arena]\ndata = \"elsewhere\"")])).unwrap();
    arena(dir.path(), &yahoo(&stub, &["--from", "2026-03-30", "--to", "2026-03-31"])).is(0);
    arena(dir.path(), &yahoo(&stub, &["--from", "2026-03-30", "--to", "2026-03-31", "--data", "there"])).is(0);
    for data in ["elsewhere", "there"] {
        find(&dir.path().join(data), "yahoo/CL=F/1m").unwrap();
    }
    arena(dir.path(), &yahoo(&stub, &["--from", "2026-03-30", "-c", "none.toml"])).fails(2, "none.toml");
}

#[test]
fn wrong_usage_ends_with_two_and_a_sentence() {
    let stub = minutes();
    let dir = tempfile::tempdir().unwrap();
    for (rest, part) in [
        (&["--from", "2026-03-31", "--to", "2026-03-30"][..], "is not before"),
        (&["--from", "2027-03-31"], "future"),
        (&["--from", "2026-03-30", "--adjusted"], "1d"),
        (&["--from", "2026-03-30", "--spread", "3pt"], "--point"),
    ] {
        let ran = arena(dir.path(), &yahoo(&stub, rest)).fails(2, part);
        assert!(ran.out.is_empty(), "{ran:?}");
        let ran = arena(dir.path(), &[&yahoo(&stub, rest)[..], &["--json"]].concat()).is(2);
        assert_shape(&ran.json(), &[("error", "str"), ("candidates", "list")]);
    }
    for arguments in [
        &["fetch"][..],
        &["fetch", "yahoo"],
        &["fetch", "yahoo", "--ticker", "X", "--interval", "1wk", "--from", "2026-03-30"],
        &["fetch", "yahoo", "--ticker", "X", "--interval", "1d", "--from", "yesterday"],
        &["fetch", "csv", "--symbol", "X", "--interval", "1m"],
        &["fetch", "csv", "--symbol", "X", "--interval", "1m", "--bars", "a", "--quotes", "b"],
    ] {
        let ran = arena(dir.path(), arguments).is(2);
        assert!(ran.err.starts_with("error: ") || ran.err.contains("Usage"), "{ran:?}");
    }
    let base = ["fetch", "yahoo", "--ticker", "X", "--interval", "3m", "--from", "2026-03-30"];
    arena(dir.path(), &base).fails(2, "1m, 2m, 5m");
    let base =
        ["fetch", "yahoo", "--ticker", "a/b", "--interval", "1d", "--from", "2026-03-30", "--base-url", &stub.base];
    arena(dir.path(), &base).fails(2, "cannot name a data set");
    let base = ["fetch", "yahoo", "--ticker", "X", "--interval", "1d", "--from", "2026-03-30", "--base-url", "nowhere"];
    arena(dir.path(), &base).fails(2, "--base-url");
    assert!(files(dir.path()).is_empty(), "nothing was made");
    assert!(arena(dir.path(), &["fetch", "list"]).is(0).out.contains("no data sets yet"));
}

#[test]
fn csv_files_become_data_sets_or_say_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    at(
        "trades.csv",
        "time_utc,open,high,low,close,volume\n2022-01-01T00:01:00Z,70.5,70.75,70.25,70.5,1\n\
        2022-01-01T00:02:00Z,70.5,70.75,,70.5,1\n2022-01-01T00:03:00Z,70.5,70.75,70.25,70.5,1\n",
    );
    let args = ["--bars", "trades.csv", "--interval", "1m", "--stamp", "end", "--spread", "0.5", "--json"];
    let document = csv(dir.path(), &args).is(0).json();
    assert_shape(&document, FETCHED);
    assert_eq!((&document["rows"], &document["dropped"]["empty"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(
        (&document["from"], &document["gaps"]["count"]),
        (&Value::from("2022-01-01T00:00:00Z"), &Value::from(1))
    );
    let set = load(&dir.path().join("data/history/csv/X/1m")).unwrap();
    assert_eq!(set.bars[0].offer.close.to_string(), "70.75");
    assert_eq!(set.manifest.request["bars"], "trades.csv");

    at(
        "quotes.csv",
        "time_utc,bid,ask\n2022-01-01T00:00:10Z,1.1,1.2\n2022-01-01T00:00:50Z,1.3,1.2\n\
        2022-01-01T00:00:55Z,1.15,1.25\n2022-01-01T00:02:00Z,1.1,1.2\n",
    );
    let document = csv(dir.path(), &["--quotes", "quotes.csv", "--interval", "1m", "--json"]).is(0).json();
    assert_eq!(
        (&document["rows"], &document["sides"], &document["dropped"]["crossed"]),
        (&Value::from(2), &Value::from("two"), &Value::from(1))
    );
    // Its file is one that replay takes.
    let set = load(&dir.path().join("data/history/csv/X/1m")).unwrap();
    assert_eq!((set.bars[0].quotes, set.bars[0].bid.close.to_string()), (2, "1.15".to_owned()));
    fs::write(dir.path().join("arena.toml"), easy(&[])).unwrap();
    let bars = format!("{}=data/history/csv/X/1m/bars.csv", process::EPIC);
    arena(dir.path(), &["replay", "--bars", &bars, "--json"]).is(0);

    at("bad.csv", "time_utc,bid,ask\nx,1,2\n");
    at("header.csv", "time,open\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&fs::read(dir.path().join("trades.csv")).unwrap()).unwrap();
    let packed = packed.finish().unwrap();
    fs::write(dir.path().join("cut.csv.gz"), &packed[..packed.len() - 3]).unwrap();
    for (args, code, part) in [
        (&["--quotes", "quotes.csv", "--interval", "1m", "--spread", "1"][..], 2, "--spread has no place"),
        (&["--quotes", "quotes.csv", "--interval", "1m", "--on-bad", "stop"], 1, "quotes.csv:3: crossed row"),
        (&["--bars", "trades.csv", "--interval", "1m", "--on-bad", "stop"], 1, "trades.csv:3: empty row"),
        (&["--quotes", "bad.csv", "--interval", "1m"], 1, "not one good row"),
        (&["--bars", "trades.csv", "--interval", "1h"], 2, "--interval"),
        (&["--bars", "header.csv", "--interval", "1m"], 2, "header is"),
        (&["--quotes", "header.csv", "--interval", "1m"], 2, "header is"),
        (&["--bars", "cut.csv.gz", "--interval", "1m"], 1, "cannot be read to its end"),
        (&["--bars", "none.csv", "--interval", "1m"], 1, "none.csv"),
    ] {
        csv(dir.path(), args).fails(code, part);
    }
    assert_eq!(load(&dir.path().join("data/history/csv/X/1m")).unwrap(), set, "what failed changed nothing");
}

/// A child that does not outlive its test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_kill_leaves_what_was_there_and_the_next_run_goes_on() {
    // The third answer never comes.
    let stub = Stub::start(|n, seen| {
        let mut answer = Answer::ok(chart(seen, 60, "1m", i64::MAX - 1, |_| Some(70.25)));
        if n == 2 {
            answer.delay = PATIENCE;
        }
        answer
    });
    let dir = tempfile::tempdir().unwrap();
    let order = ["--from", "2026-03-03", "--to", "2026-03-31"];
    let child = Command::new(env!("CARGO_BIN_EXE_arena"))
        .args(yahoo(&stub, &order))
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Child(child);
    let begun = Instant::now();
    while stub.seen().len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "three requests");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Two at once: the second is told to wait.
    arena(dir.path(), &yahoo(&stub, &order)).fails(1, "yahoo/CL=F/1m is being fetched by another process");
    drop(child);
    let folder = dir.path().join("data/history/yahoo/CL=F/1m");
    assert_eq!(load(&folder).unwrap().manifest.rows, 14 * 1_440);
    let stub = minutes();
    let document = arena(dir.path(), &[&yahoo(&stub, &order)[..], &["--json"]].concat()).is(0).json();
    assert_eq!((&document["rows"], &document["new_rows"]), (&Value::from(28 * 1_440), &Value::from(14 * 1_440)));
    assert_eq!(stub.seen().len(), 2);
    assert_eq!(document["gaps"]["count"], 0);
}
