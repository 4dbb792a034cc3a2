//! Running for months: a first configuration, what stands in the way, backups of a running arena and back, what is
//! deleted and told, exports and the tail over HTTP.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use arena::domain::Micros;
use arena::store::entry::{QuoteEntry, SeatEntry, UpkeepEntry, read_lane};
use arena::store::views::{HEAD, Head, read_record};
use arena::store::{Lane, Retention, Sled, Store, StoreError, journal_hash};
use serde_json::Value;

fn arena(arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command.env_remove("ARENA_TOKEN").env_remove("ARENA_URL").env_remove("MLFLOW_TRACKING_URI");
    command.args(arguments).current_dir(dir).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_first_configuration_is_written_once_and_has_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let done = arena(&["init"], dir.path());
    assert!(done.status.success() && said(&done).contains("arena check"), "{}", said(&done));
    assert!(arena(&["check"], dir.path()).status.success());
    std::fs::write(dir.path().join("arena.toml"), "mine").unwrap();
    let done = arena(&["init"], dir.path());
    assert_eq!(done.status.code(), Some(3), "{}", said(&done));
    assert_eq!(std::fs::read_to_string(dir.path().join("arena.toml")).unwrap(), "mine");
    let done = arena(&["init", "-c", "other.toml", "--json"], dir.path());
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["file"], "other.toml");
}

#[test]
fn doctor_tells_faults_and_what_mends_them_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let look = |arguments: &[&str]| {
        let done = arena(arguments, dir.path());
        let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", said(&done)));
        let checks = told["checks"].as_array().unwrap().clone();
        (done.status.code(), checks)
    };
    let of = |checks: &[Value], check: &str| {
        checks.iter().rfind(|c| c["check"] == check).unwrap_or_else(|| panic!("{checks:?}")).clone()
    };
    let (code, checks) = look(&["doctor", "--json"]);
    assert_eq!(code, Some(1));
    assert!(of(&checks, "configuration")["mend"].as_str().unwrap().contains("arena init"));

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    assert!(arena(&["init"], dir.path()).status.success());
    let file = dir.path().join("arena.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:8787", &address.to_string());
    let text = text.replace("seed = 7 ", "disk_floor_mb = 1\nseed = 7 ");
    std::fs::write(&file, &text).unwrap();
    let (code, checks) = look(&["doctor", "--json"]);
    assert_eq!((code, of(&checks, "port")["verdict"].as_str()), (Some(1), Some("fault")), "{checks:?}");
    drop(port);
    let (code, checks) = look(&["doctor", "--json"]);
    assert_eq!(code, Some(0), "{checks:?}");
    assert!(!dir.path().join("data").exists(), "looking makes nothing");

    std::fs::write(&file, format!("{text}\n[registry]\nmlflow = \"http://{address}\"\n")).unwrap();
    let (code, checks) = look(&["doctor", "--json"]);
    assert_eq!((code, of(&checks, "MLflow")["verdict"].as_str()), (Some(1), Some("fault")), "{checks:?}");
    std::fs::write(&file, text.replace("mode = \"auto\"", "mode = \"never\"")).unwrap();
    let done = arena(&["doctor"], dir.path());
    assert!(
        said(&done).contains("FAULT  configuration") && said(&done).contains("-> `arena check`"),
        "{}",
        said(&done)
    );
}

/// An arena that runs in `dir`, ended with this value.
struct Running {
    process: Child,
    url: String,
}

impl Running {
    fn start(dir: &Path, more: &str) -> Self {
        let text = runs::SEVERAL.replace("[feed]\n", "[feed]\nspeed = 0.0\n")
            + "\n[server]\nlisten = \"127.0.0.1:0\"\n"
            + more;
        std::fs::write(dir.join("arena.toml"), text).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_arena"))
            .arg("run")
            .current_dir(dir)
            .env_remove("ARENA_TOKEN")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.find(|line| line.contains("page at ")).expect("it says where its page is");
        let url = first.split("page at ").nth(1).unwrap().trim_end_matches('/').to_owned();
        // Whatever else it says is read away, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let running = Self { process, url };
        let begun = Instant::now();
        while !said(&arena(&["leaderboard", "--url", &running.url], dir)).contains("GBP, 20") {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not begin");
            std::thread::sleep(Duration::from_millis(100));
        }
        running
    }

    fn stop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_running_arena_is_backed_up_exported_followed_and_restored() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::start(dir.path(), "");
    let url = running.url.clone();

    let done = arena(&["backup", "kept", "--url", &url, "--json"], dir.path());
    assert!(done.status.success(), "{}", said(&done));
    let note: Value = serde_json::from_slice(&done.stdout).unwrap();
    let kept = Sled::open_existing(&dir.path().join("kept")).unwrap();
    assert_eq!(journal_hash(&kept).unwrap(), note["journal_hash"].as_str().unwrap());
    let quotes: usize = kept
        .lanes()
        .unwrap()
        .into_iter()
        .filter(|lane| matches!(lane, Lane::Quotes(_)))
        .map(|lane| read_lane::<QuoteEntry>(&kept, lane).unwrap().len())
        .sum();
    assert_eq!(quotes as u64, note["quotes"].as_u64().unwrap(), "raw quotes are in it");
    drop(kept);
    let again = arena(&["backup", "kept", "--url", &url], dir.path());
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    let stranger = arena(&["backup", "other", "--url", &url, "--token", "wrong"], dir.path());
    assert!(!stranger.status.success() && !dir.path().join("other").exists(), "{}", said(&stranger));
    assert!(arena(&["report", "--url", &url, "-o", "live.html"], dir.path()).status.success());

    let tail = arena(&["tail", "quotes,bars,predictions,trades", "-n", "200", "--json", "--url", &url], dir.path());
    assert!(tail.status.success(), "{}", said(&tail));
    let events: Vec<Value> =
        String::from_utf8_lossy(&tail.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 200);
    let one = arena(&["tail", "trades", "--model", runs::PLANTED, "-n", "2", "--url", &url], dir.path());
    assert!(said(&one).lines().all(|line| line.contains(runs::PLANTED) && line.contains(" R")), "{}", said(&one));
    assert_eq!(arena(&["tail", "--model", "nobody", "--url", &url], dir.path()).status.code(), Some(5));

    let over_http = arena(&["export", "--table", "trades", "--url", &url], dir.path());
    assert!(over_http.status.success(), "{}", said(&over_http));
    for (arguments, code) in [(["--model", "nobody"], 5), (["--epic", "NO.SUCH"], 2)] {
        let done = arena(&[&["export", "--table", "bars", "--url", &url], &arguments[..]].concat(), dir.path());
        assert_eq!(done.status.code(), Some(code), "{}", said(&done));
    }
    running.stop();

    // What came over HTTP is the beginning of what is there at rest, seat by seat.
    let at_rest = arena(&["export", "--table", "trades", "--store", "data"], dir.path());
    let lines = |output: &Output| -> Vec<String> {
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    let (some, all) = (lines(&over_http), lines(&at_rest));
    assert!(some.len() > 10 && all.len() >= some.len());
    let all: std::collections::BTreeSet<&String> = all.iter().collect();
    assert!(some.iter().all(|line| all.contains(line)), "a running arena exports what it keeps");

    // The arena goes on from its backup as if nothing had come after.
    let done = arena(&["restore", "kept"], dir.path());
    assert_eq!(done.status.code(), Some(3), "a store that is there is left alone: {}", said(&done));
    std::fs::rename(dir.path().join("data/store"), dir.path().join("old")).unwrap();
    let done = arena(&["restore", "kept", "--json"], dir.path());
    assert!(done.status.success(), "{}", said(&done));
    let restored: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(restored["journal_hash"], note["journal_hash"]);
    let mut running = Running::start(dir.path(), "");
    running.stop();
    let done = arena(&["backup", "second", "--store", "data", "--json"], dir.path());
    let second: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(second["quotes"].as_u64() > note["quotes"].as_u64(), "{}", said(&done));

    std::fs::write(
        dir.path().join("kept/backup.json"),
        note.to_string().replace(note["journal_hash"].as_str().unwrap(), &"0".repeat(64)),
    )
    .unwrap();
    let done = arena(&["restore", "kept", "--store", "third"], dir.path());
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(said(&done).contains("damaged or changed") && !dir.path().join("third").exists());
}

/// A store on disk with months of nothing else than this run.
fn recorded(dir: &Path) -> Sled {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 5, 60_000);
    let mut plan = runs::plan(config, Box::new(runs::replay(&quotes)), Box::new(Sled::open(dir, 0).unwrap()));
    // Small commits make small blocks, as months of a live run do.
    plan.durability = arena::app::Durability::EveryRound;
    plan.slice_rounds = 1;
    runs::run(plan);
    Sled::open_existing(dir).unwrap()
}

fn entries<T: serde::de::DeserializeOwned>(store: &dyn Store, of: impl Fn(&Lane) -> bool) -> Vec<T> {
    let lanes = store.lanes().unwrap();
    lanes.into_iter().filter(of).flat_map(|lane| read_lane::<T>(store, lane).unwrap()).collect()
}

#[test]
fn what_is_too_old_goes_and_is_told_and_nothing_else_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = recorded(dir.path());
    let is_quotes = |lane: &Lane| matches!(lane, Lane::Quotes(_));
    let is_seat = |lane: &Lane| matches!(lane, Lane::Seat(_));
    let is_prediction = |entry: &SeatEntry| matches!(entry, SeatEntry::Predicted { .. } | SeatEntry::Estimated { .. });
    let quotes_before = entries::<QuoteEntry>(&store, is_quotes);
    let seats_before = entries::<SeatEntry>(&store, is_seat);
    let others_before: Vec<SeatEntry> = seats_before.iter().copied().filter(|e| !is_prediction(e)).collect();
    let now = read_record::<Head>(&store, HEAD).unwrap().unwrap().time.unwrap();
    assert!(
        !Retention::default().apply(&mut store).unwrap() && store.lanes().unwrap().iter().all(|l| *l != Lane::Upkeep)
    );

    let age = Micros(4 * 3_600_000_000);
    let keep = Retention { quotes_max_age: Some(age), predictions_max_age: Some(age), ..Retention::default() };
    for _ in 0..1_000 {
        if !keep.apply(&mut store).unwrap() {
            break;
        }
    }
    let quotes_after = entries::<QuoteEntry>(&store, is_quotes);
    let young = quotes_before.iter().filter(|tick| tick.time >= now - age).count();
    assert!(quotes_after.len() < quotes_before.len() / 2 + young, "{} of {}", quotes_after.len(), quotes_before.len());
    assert!(
        quotes_before.iter().filter(|tick| tick.time >= now - age).all(|tick| quotes_after.contains(tick)),
        "what is young stays"
    );
    let seats_after = entries::<SeatEntry>(&store, is_seat);
    let others_after: Vec<SeatEntry> = seats_after.iter().copied().filter(|e| !is_prediction(e)).collect();
    assert_eq!(others_after, others_before, "orders and trades stay for ever");
    let told: Vec<UpkeepEntry> = read_lane(&store, Lane::Upkeep).unwrap();
    let deleted = |is: &dyn Fn(&Lane) -> bool| -> u64 {
        told.iter().map(|UpkeepEntry::Deleted { lane, entries, .. }| if is(lane) { *entries } else { 0 }).sum()
    };
    assert_eq!(
        deleted(&is_quotes),
        (quotes_before.len() - quotes_after.len()) as u64,
        "every quote that went is told of"
    );
    assert_eq!(deleted(&is_seat), (seats_before.len() - seats_after.len()) as u64, "and every prediction");
    assert!(deleted(&is_seat) > 100);

    // It opens again and goes on; a replay of what is no longer whole says why not.
    drop(store);
    let store = Sled::open_existing(dir.path()).unwrap();
    assert_eq!(entries::<QuoteEntry>(&store, is_quotes), quotes_after);
    let refused = arena::feed::session::Session::open(Box::new(store)).unwrap_err().to_string();
    assert!(refused.contains("deleted by [store] retention"), "{refused}");
    let report = {
        let store = Sled::open_existing(dir.path()).unwrap();
        arena::report::gather(&store).unwrap()
    };
    assert_eq!(report.quality.deleted.len(), told.len().min(100));
}

#[test]
fn too_much_goes_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = recorded(dir.path());
    let is_quotes = |lane: &Lane| matches!(lane, Lane::Quotes(_));
    let size = |store: &Sled| -> usize {
        let lanes = store.lanes().unwrap();
        lanes
            .into_iter()
            .filter(is_quotes)
            .flat_map(|lane| store.read(lane).map(|b| b.unwrap().len()).collect::<Vec<_>>())
            .sum()
    };
    let before = size(&store);
    assert!(before > 300_000, "{before} bytes");
    let keep = Retention { quotes_max_mb: Some(1), ..Retention::default() };
    for _ in 0..100 {
        keep.apply(&mut store).unwrap();
    }
    let after = size(&store);
    assert!(after <= before.min(1_300_000), "{after} of {before} bytes");
}

#[test]
fn a_store_of_another_layout_says_what_to_run() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sled::open(dir.path(), 0).unwrap());
    for layout in [0_u8, 9] {
        let db = sled::open(dir.path()).unwrap();
        db.insert(b"V", &[layout]).unwrap();
        db.flush().unwrap();
        drop(db);
        let error = Sled::open(dir.path(), 0).unwrap_err();
        assert!(matches!(error, StoreError::Layout { found, .. } if found == layout), "{error}");
        let told = error.to_string();
        assert!(
            told.contains(if layout > 1 { "a newer one" } else { "read it with the arena that wrote it" }),
            "{told}"
        );
    }
}
