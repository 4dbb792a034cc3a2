//! Files, folders, disks, ports and signals that are not as they should be, and ten times the usual load: an exit code,
//! one sentence, never a panic.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_possible_truncation, reason = "tests")]

mod process;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use process::{EPIC, Live, Ran, arena, assert_calm, easy, folder, quotes, shell};

const DRAIN: Duration = Duration::from_secs(20);

fn replay(dir: &Path, file: &str, more: &[&str]) -> Ran {
    arena(dir, &[&["replay", "--quotes", &format!("{EPIC}={file}")], more].concat())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes of a seeded generator.
fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut x = seed | 1;
    let mut next = || {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
    };
    (0..n.div_ceil(8)).flat_map(|_| next()).take(n).collect()
}

#[test]
fn a_quote_file_that_cannot_be_used_says_why() {
    let dir = folder(&easy(&[]));
    let at = |name: &str| dir.path().join(name);
    let good = quotes(500);
    fs::write(at("good.csv"), &good).unwrap();
    fs::write(at("header.csv"), good.replacen("time_utc", "when", 1)).unwrap();
    fs::write(at("empty.csv"), "").unwrap();
    fs::write(at("none.csv"), "time_utc,bid,ask\nyesterday,1,2\n2014-05-01T00:00:00Z,2,1\n").unwrap();
    let whole = gzip(quotes(50_000).as_bytes());
    fs::write(at("cut.csv.gz"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at("noise.csv.gz"), [&whole[..10], &noise(9_000, 3)].concat()).unwrap();
    fs::write(at("noise.csv"), noise(9_000, 5)).unwrap();
    fs::create_dir(at("folder.csv")).unwrap();

    for (file, code, part) in [
        ("header.csv", 2, "header.csv"),
        ("empty.csv", 2, "empty.csv"),
        ("noise.csv", 2, "noise.csv"),
        ("none.csv", 1, "not one good row (1 unparsable, 1 crossed)"),
        ("cut.csv.gz", 1, "cut.csv.gz"),
        ("noise.csv.gz", 1, "noise.csv.gz"),
        ("missing.csv", 1, "missing.csv"),
        ("folder.csv", 1, "folder.csv"),
    ] {
        let ran = replay(dir.path(), file, &[]).fails(code, part);
        assert!(ran.out.is_empty(), "{file}: {ran:?}");
        let document = replay(dir.path(), file, &["--json"]).fails(code, part).json();
        assert!(document["error"].as_str().unwrap().contains(part), "{document}");
        if file != "none.csv" {
            arena(dir.path(), &["resample", "--quotes", file, "--every", "1m"]).fails(code, part);
        }
    }
    let ran = arena(dir.path(), &["replay", "--quotes", "NO.SUCH.EPIC=good.csv"]).fails(2, "NO.SUCH.EPIC");
    assert!(ran.err.contains(EPIC), "says what there is: {ran:?}");

    let spoilt = format!("{good}2099-05-01T00:00:00Z,2,1\n");
    fs::write(at("spoilt.csv"), spoilt).unwrap();
    let ran = replay(dir.path(), "spoilt.csv", &["--json"]).is(0).json();
    assert_eq!((&ran["quotes"], &ran["bad_quotes"]["crossed"]), (&500.into(), &1.into()), "{ran}");
    replay(dir.path(), "spoilt.csv", &["--on-bad", "stop"]).fails(1, "spoilt.csv:502: crossed row");
    assert!(!at("data").exists(), "a replay without --out leaves nothing behind");
}

#[test]
fn hostile_rows_are_counted_and_never_panic() {
    let dir = folder(&easy(&[]));
    let head = quotes(300);
    let mut bytes = head.clone().into_bytes();
    let rows = [
        "2030-01-01T00:00:00Z,1e2147483647,1.5",
        "2030-01-01T00:00:00Z,0e-2147483648,1.5",
        "2030-01-01T00:00:00Z,1e-2147483648,1.5",
        "2030-01-01T00:00:00Z,-1.2,1.3",
        "2030-01-01T00:00:00Z,1.4,1.3",
        "2030-01-01T00:00:00Z,NaN,1.3",
        "2030-01-01T00:00:00Z,inf,inf",
        "2030-01-01T00:00:00Z,99999999999999999999999999999999999999999,1.3",
        "2030-01-01T00:00:00Z,1.2\0,1.3",
        "9999999999-01-01T00:00:00Z,1.2,1.3",
        "2030-13-45T99:99:99Z,1.2,1.3",
        "\0\0\0,\0,\0",
        "\"2030-01-01T00:00:00Z,1.2,1.3",
        ",,,,,,,,,",
        "2001-01-01T00:00:00Z,1.2,1.3",
    ];
    for row in rows {
        bytes.extend_from_slice(row.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend(noise(50_000, 11));
    fs::write(dir.path().join("q.csv"), &bytes).unwrap();
    fs::write(dir.path().join("q.csv.gz"), gzip(&bytes)).unwrap();
    for file in ["q.csv", "q.csv.gz"] {
        let result = replay(dir.path(), file, &["--json"]).is(0).json();
        assert_eq!(result["quotes"], 300);
        let bad: u64 = result["bad_quotes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert!(bad > rows.len() as u64, "{result}");
    }
    // A line of ten megabytes is not held in memory: such a file is not read on.
    bytes.extend(std::iter::repeat_n(b'9', 10_000_000));
    fs::write(dir.path().join("q.csv"), &bytes).unwrap();
    replay(dir.path(), "q.csv", &[]).fails(1, "a line is longer than");
}

/// A session in which the price jumps between `prices` every half minute.
fn jumps(prices: &[&str]) -> String {
    let mut text = String::from("time_utc,bid,ask\n0001-01-01T00:00:00Z,1,1\n");
    text.push_str(&quotes(2_000)["time_utc,bid,ask\n".len()..]);
    for (half, prices) in (0..).zip(prices.iter().cycle().take(480)) {
        let (hour, minute, second) = (9 + half / 120, half / 2 % 60, half % 2 * 30 + 1);
        text.push_str(&format!("2014-06-02T{hour:02}:{minute:02}:{second:02}Z,{prices}\n"));
    }
    text.push_str("9999-12-31T23:59:59.999999Z,1.2,1.3\n");
    text
}

#[test]
fn prices_far_from_any_market_do_no_harm() {
    let dir = folder(&easy(&[]));
    let far = ["0.000001,100000", "100000,100000", "0.000001,0.000001", "1.2,1.3", "50000,100000"];
    fs::write(dir.path().join("q.csv"), jumps(&far)).unwrap();
    let result = replay(dir.path(), "q.csv", &["--json"]).is(0).json();
    for row in result["models"].as_array().unwrap() {
        assert_ne!(row["state"], "suspended", "{row}");
    }
    // The dearest that is taken: a result that 64 bits of money cannot hold suspends whose it is, and nobody else.
    let dearest = ["0.000001,1000000000000", "1000000000000,1000000000000", "1.2,1.3"];
    fs::write(dir.path().join("q.csv"), jumps(&dearest)).unwrap();
    let ran = replay(dir.path(), "q.csv", &["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let result = ran.json();
    let suspended: Vec<&serde_json::Value> =
        result["lifecycle"].as_array().unwrap().iter().filter(|change| change["to"] == "suspended").collect();
    assert!(!suspended.is_empty() && suspended.iter().all(|change| change["reason"] != ""), "{result}");
    assert_eq!(result["quotes"], 2_482);
    println!("{}", suspended[0]);
}

#[test]
fn a_quote_far_from_any_market_does_not_stop_an_arena_that_deals() {
    let dir = folder(&easy(&[]));
    let live = Live::start(dir.path());
    live.until("a live trade", |live| live.json("/api/v1/desk")["trades"].as_array().unwrap().len() > 3);
    live.interrupt(DRAIN).is(0);
    arena(dir.path(), &["export", "--table", "quotes", "--store", "data", "-o", "q.csv"]).is(0);
    let mut text = fs::read_to_string(dir.path().join("q.csv")).unwrap();
    let last = text.lines().last().unwrap().split(',').nth(1).unwrap();
    let last: arena::domain::UtcMicros = last.parse().unwrap();
    let far = ["0.000001,1000000000000", "1000000000000,1000000000000", "1.2,1.2001", "500000,1000000"];
    for number in 0..600_usize {
        let time = arena::domain::UtcMicros(last.0 + i64::try_from(number + 1).unwrap() * 7_000_000);
        text.push_str(&format!("{EPIC},{time},{}\n", far[number / 9 % far.len()]));
    }
    fs::write(dir.path().join("q.csv"), text).unwrap();
    let ran = replay(dir.path(), "q.csv", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.json()["lifecycle"].to_string().contains("\"live\""));
}

#[test]
fn ports_and_stores_belong_to_one_arena() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = folder(&easy(&[("127.0.0.1:0", &address)]));
    arena(dir.path(), &["run"]).fails(1, "is in use, perhaps by another arena");
    arena(dir.path(), &["demo", "--port", &taken.local_addr().unwrap().port().to_string()]).fails(1, "in use");

    fs::write(dir.path().join("arena.toml"), easy(&[("speed = 0", "speed = 60")])).unwrap();
    let live = Live::start(dir.path());
    let second = arena(dir.path(), &["run", "--json"]).fails(1, "store");
    assert!(second.json()["error"].as_str().unwrap().contains("use"), "{second:?}");
    arena(dir.path(), &["replay", "--session", "data"]).fails(1, "use");
    live.interrupt(DRAIN).is(0);

    arena(dir.path(), &["leaderboard", "--store", "nowhere"]).fails(1, "nowhere");
    fs::create_dir(dir.path().join("bare")).unwrap();
    arena(dir.path(), &["leaderboard", "--store", "bare", "--json"]).fails(1, "bare").json();
    assert_eq!(fs::read_dir(dir.path().join("bare")).unwrap().count(), 0, "asking leaves nothing behind");
    // A store whose files are rubbish is told from one that is empty.
    let rubbish = dir.path().join("rubbish");
    fs::create_dir(&rubbish).unwrap();
    for name in ["db", "conf"] {
        fs::write(rubbish.join(name), noise(70_000, 17)).unwrap();
    }
    let ran = arena(dir.path(), &["leaderboard", "--store", "rubbish"]).is(1);
    assert!(ran.err.starts_with("arena: "), "{ran:?}");
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let dir = folder(&easy(&[]));
    fs::write(dir.path().join("data"), "a file").unwrap();
    arena(dir.path(), &["run"]).fails(1, "data");
    fs::remove_file(dir.path().join("data")).unwrap();
    fs::create_dir_all(dir.path().join("data/store")).unwrap();
    fs::write(dir.path().join("data/arena.token"), [0xFF, 0xFE]).unwrap();
    arena(dir.path(), &["run"]).fails(1, "arena.token");
    fs::remove_file(dir.path().join("data/arena.token")).unwrap();
    // Nobody may write there: root may, so that this needs another user.
    let ran =
        shell(dir.path(), "test $(id -u) != 0 && chmod 500 data && $ARENA run; code=$?; chmod 700 data; exit $code");
    assert_calm(&ran.err);
    assert_eq!(ran.code, 1, "{ran:?}");
}

/// What must hold once the store can take no more.
fn assert_paper_goes_on(mut live: Live, part: &str) {
    live.until("a store that does not record", |live| live.get("/readyz").1.contains("does not record"));
    let (status, why) = live.get("/readyz");
    assert!(status == 503 && why.contains(part), "{why}");
    assert_eq!(live.get("/healthz").0, 200);
    assert_eq!(live.json("/api/v1/desk")["state"], "halted");
    let before = live.row("fade:lookback=1")["episodes"].as_u64().unwrap_or(0);
    live.until("paper goes on", |live| live.row("fade:lookback=1")["episodes"].as_u64().unwrap_or(0) > before + 20);
    assert!(live.json("/api/v1/desk")["trades"].as_array().unwrap().iter().all(|trade| trade["status"] != "open"));
    let token = live.token();
    for command in [&["resume"][..], &["promote", "edge", "--override", "--reason", "no"], &["reload"]] {
        live.arena(&[command, &["--token", &token]].concat()).fails(1, "records no longer");
    }
    live.arena(&["halt", "--token", &token]).is(0);
    assert!(live.is_running());
    let ran = live.interrupt(DRAIN).is(1);
    assert!(ran.err.contains("ERROR") && ran.err.contains("was not recorded"), "{ran:?}");
}

#[test]
fn under_the_disk_floor_paper_goes_on_and_nothing_is_dealt() {
    let dir = folder(&easy(&[("[arena]", "[arena]\ndisk_floor_mb = 1000000000")]));
    assert_paper_goes_on(Live::start(dir.path()), "free");
    let config = fs::read_to_string(dir.path().join("arena.toml")).unwrap();
    fs::write(dir.path().join("q.csv"), quotes(5_000)).unwrap();
    let ran = replay(dir.path(), "q.csv", &["--out", "kept", "--json"]).is(1);
    assert!(ran.json()["journal_hash"].is_null(), "a partial journal has no hash: {ran:?}");
    // With room again it goes on.
    fs::write(dir.path().join("arena.toml"), config.replace("disk_floor_mb = 1000000000", "disk_floor_mb = 0"))
        .unwrap();
    let live = Live::start(dir.path());
    live.until("a recording arena", |live| live.get("/readyz").0 == 200);
    live.interrupt(DRAIN).is(0);
}

#[test]
fn a_full_disk_stops_recording_and_a_restart_goes_on() {
    let dir = folder(&easy(&[("[arena]", "[arena]\ndisk_floor_mb = 0")]));
    let live = Live::start(dir.path());
    live.until("episodes", |live| live.row("edge")["episodes"].as_u64().unwrap_or(0) > 20);
    let kept = live.interrupt(DRAIN).is(0);
    assert!(kept.out.contains("edge"));
    // Files may grow by little more: the same to the store as a disk without room, met at other places each time.
    for spare_kb in [1_200, 1_500, 2_100] {
        let largest = fs::read_dir(dir.path().join("data/store")).unwrap();
        let largest = largest.map(|entry| entry.unwrap().metadata().unwrap().len()).max().unwrap();
        assert_paper_goes_on(Live::start_limited(dir.path(), largest / 1024 + spare_kb), "store");
        let live = Live::start(dir.path());
        assert!(live.row("edge")["episodes"].as_u64().unwrap() > 20, "what was durable is there");
        live.interrupt(DRAIN).is(0);
    }
    arena(dir.path(), &["audit", "verify", "--store", "data"]).is(0);
}

#[test]
fn a_disk_without_room_stops_recording() {
    let dir = folder(&easy(&[("[arena]", "[arena]\ndisk_floor_mb = 0")]));
    fs::create_dir(dir.path().join("data")).unwrap();
    match Live::start_on_disk(dir.path(), 6) {
        // The system says "no space left on device" or "no storage space", by the call that meets it.
        Some(live) => assert_paper_goes_on(live, " space"),
        None => println!("skipped: a disk of one's own cannot be mounted here"),
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = folder(&easy(&[]));
    fs::write(dir.path().join("q.csv"), quotes(3_000)).unwrap();
    replay(dir.path(), "q.csv", &["--out", "kept"]).is(0);
    for command in [
        "export --table quotes --store kept",
        "leaderboard --store kept",
        "leaderboard --store kept --json",
        "replay --quotes CS.D.GBPUSD.TODAY.IP=q.csv --json",
        "resample --quotes q.csv --every 1s",
        "--help",
        "completions bash",
    ] {
        let ran = shell(dir.path(), &format!("$ARENA {command} | true; exit ${{PIPESTATUS[0]}}"));
        assert_calm(&ran.err);
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
    }
    // Standard output that takes nothing.
    let ran = shell(dir.path(), "$ARENA leaderboard --store kept > /dev/full").is(1);
    assert!(ran.err.starts_with("arena: standard output cannot be written: "), "{ran:?}");
    // What failed has failed, whoever reads of it.
    shell(dir.path(), "$ARENA leaderboard --store gone --json > /dev/full").fails(1, "no store in");
    let ran = shell(dir.path(), "$ARENA trades nobody --store kept --json | true; exit ${PIPESTATUS[0]}");
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[test]
fn a_file_that_may_grow_no_further_is_an_error_and_not_a_sudden_death() {
    let dir = folder(&easy(&[]));
    fs::write(dir.path().join("q.csv"), quotes(3_000)).unwrap();
    replay(dir.path(), "q.csv", &["--out", "kept"]).is(0);
    for command in [
        "resample --quotes q.csv --every 1s -o out.csv",
        "export --table quotes --store kept -o out.csv",
        "audit export --store kept -o out.csv",
        "report --store kept -o out.csv",
    ] {
        let ran = shell(dir.path(), &format!("ulimit -f 1; exec $ARENA {command}")).fails(1, "too large");
        assert_calm(&ran.err);
        assert!(!dir.path().join("out.csv").exists(), "{command}");
    }
}

#[test]
fn ctrl_c_ends_a_replay_in_order_and_the_same_command_goes_on() {
    let dir = folder(&easy(&[]));
    fs::write(dir.path().join("q.csv"), quotes(400_000)).unwrap();
    let whole = replay(dir.path(), "q.csv", &["--out", "whole", "--json"]).is(0).json();
    let script = format!("timeout -s INT 1 $ARENA replay --quotes {EPIC}=q.csv --out kept --json");
    let begun = Instant::now();
    let ran = shell(dir.path(), &script);
    assert_calm(&ran.err);
    assert!(begun.elapsed() < DRAIN, "{:?}", begun.elapsed());
    let rest = replay(dir.path(), "q.csv", &["--out", "kept", "--json"]).is(0).json();
    assert_eq!(rest["journal_hash"], whole["journal_hash"], "an interruption changes nothing");
    // A store of another configuration is not gone on from.
    fs::write(dir.path().join("arena.toml"), easy(&[("stop = 4", "stop = 5")])).unwrap();
    replay(dir.path(), "q.csv", &["--out", "kept"]).fails(1, "belongs to another configuration");
}

/// Two thousand candidates.
fn many() -> String {
    let head = easy(&[("alpha_slots = 4", "alpha_slots = 4000")]);
    let lookbacks: Vec<String> = (1..=50).map(|n| n.to_string()).collect();
    let stops: Vec<String> = (4..=23).map(|n| n.to_string()).collect();
    let mut text = head[..head.find("[[models]]").unwrap()].to_owned();
    for kind in ["momentum", "mean_reversion"] {
        text.push_str(&format!(
            "[[models]]\nname = \"{kind}\"\nkind = \"{kind}\"\nparams = {{ threshold = 0.0001 }}\nhold = \"5m\"\n\
             limit = 6\n[models.sweep]\n\"params.lookback\" = [{}]\nstop = [{}]\n\n",
            lookbacks.join(", "),
            stops.join(", ")
        ));
    }
    text
}

#[test]
fn two_thousand_candidates_are_replayed_and_the_page_answers_meanwhile() {
    let feed = format!("source = \"replay\"\nquotes = {{ \"{EPIC}\" = \"q.csv\" }}");
    let config = many().replace("source = \"sim\"", &feed).replace("edge_r = 0.3\n", "");
    let dir = folder(&config);
    fs::write(dir.path().join("q.csv"), quotes(6_000)).unwrap();
    let result = replay(dir.path(), "q.csv", &["--json"]).is(0).json();
    assert_eq!(result["models"].as_array().unwrap().len(), 2_000);
    assert_eq!(result["bars"][0]["count"], 199);
    let trading = result["models"].as_array().unwrap().iter().filter(|row| row["episodes"] != 0).count();
    assert!(trading > 1_000, "{trading}");

    fs::write(dir.path().join("q.csv"), quotes(300_000)).unwrap();
    let live = Live::start(dir.path());
    let mut slowest = Duration::ZERO;
    for _ in 0..8 {
        let begun = Instant::now();
        let board = live.json("/api/v1/leaderboard");
        slowest = slowest.max(begun.elapsed());
        assert_eq!(board["models"].as_array().unwrap().len(), 2_000);
    }
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    live.interrupt(DRAIN).is(0);
}
