//! An arena that is stopped or killed at any moment and started again comes to the journal of one that never was.
//!
//! `ARENA_KILLS` says how often a process is killed; without it, ten times for each of the commands.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arena::app::Ending;
use arena::config::Config;
use arena::flow::State;
use arena::ledger::read_trades;
use arena::promoter::verify;
use arena::store::entry::read_lane;
use arena::store::{Lane, Sled, Store, journal_hash};
use runs::{Draws, Kept};
use serde_json::Value;

/// Runs `config` over the recording in `store`, stopped again and again after a while drawn from `draws`; how often.
fn run_with_stops(
    config: &Config,
    quotes: &runs::Quotes,
    store: impl Fn() -> Box<dyn Store>,
    draws: &mut Draws,
) -> u64 {
    let mut stops = 0;
    loop {
        let mut plan = runs::plan(config.clone(), Box::new(runs::replay(quotes)), store());
        // Short at first, so that stops happen; longer and longer, so that the end comes.
        plan.ends_at = runs::ends_in(draws.below(20 + 15 * stops));
        if runs::run(plan).ending == Ending::Done {
            return stops;
        }
        stops += 1;
    }
}

#[test]
fn an_arena_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 3, 60_000);
    let reference = runs::reference(&config, &quotes, 1_024);
    assert!(reference.board.lifecycle.iter().any(|change| change.to == State::Live));
    let mut draws = Draws(1);
    let (mut stops, mut runs_done) = (0, 0);
    while stops < 12 {
        let store = Kept::default();
        stops += run_with_stops(&config, &quotes, || Box::new(store.clone()), &mut draws);
        assert_eq!(runs::difference(&reference.store, &store), None, "after {stops} stops");
        assert_eq!(journal_hash(&store).unwrap(), reference.journal_hash, "after {stops} stops");
        runs_done += 1;
    }
    println!("stopped {stops} times in {runs_done} runs");
}

#[test]
fn the_same_holds_for_the_store_on_disk() {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 3, 60_000);
    let reference = runs::reference(&config, &quotes, 1_024);
    let mut draws = Draws(9);
    let mut stops = 0;
    while stops < 5 {
        let dir = tempfile::tempdir().unwrap();
        let open = || Box::new(Sled::open(dir.path(), 0).unwrap()) as Box<dyn Store>;
        stops += run_with_stops(&config, &quotes, open, &mut draws);
        let store = Sled::open_existing(dir.path()).unwrap();
        assert_eq!(runs::difference(&reference.store, &store), None, "after {stops} stops");
    }
}

/// Files for the built binary: the configuration with `feed` as its `[feed]`, and the recording.
fn lay_out(dir: &Path, n_quotes: usize, feed: &str) -> Vec<String> {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 3, n_quotes);
    let mut named = Vec::new();
    for (market, ticks) in config.markets.iter().zip(&quotes) {
        let file = format!("{}.csv", market.epic);
        std::fs::write(dir.join(&file), runs::csv(ticks)).unwrap();
        named.push(format!("{}={file}", market.epic));
    }
    let table = "[feed]\nsource = \"sim\"\nedge_r = 0.6\nrecord = true\n";
    assert!(runs::SEVERAL.contains(table));
    let listen = "[server]\nlisten = \"127.0.0.1:0\"\n";
    let text = runs::SEVERAL.replace(table, &format!("[feed]\n{feed}\n{listen}"));
    std::fs::write(dir.join("arena.toml"), text).unwrap();
    named
}

fn arena(dir: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_arena"))
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The document that a command prints, which must succeed.
fn document(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Kills for each command that is tested.
fn kills_wanted() -> u64 {
    std::env::var("ARENA_KILLS").map_or(10, |text| text.parse().unwrap())
}

/// Starts `arguments` in `dir` until it ends by itself, killed at random moments, later and later, as a whole run takes
/// `whole`; what it printed at last, and how often it was killed.
fn kill_until_done(dir: &Path, arguments: &[&str], whole: Duration, draws: &mut Draws) -> (Value, u64) {
    let mut kills = 0;
    let micros = u64::try_from(whole.as_micros()).unwrap();
    loop {
        let mut child = arena(dir, arguments);
        let ends = Instant::now() + Duration::from_micros(draws.below(micros * (5 + kills) / 10));
        while Instant::now() < ends && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_some() {
            return (document(child), kills);
        }
        // SIGKILL: nothing in the process has a say.
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
}

/// The store in `of` tells what the one in `reference` tells, and is whole.
fn assert_same(reference: &Path, of: &Path, what: &str) {
    let (reference, store) = (Sled::open_existing(reference).unwrap(), Sled::open_existing(of).unwrap());
    assert_eq!(runs::difference(&reference, &store), None, "{what}");
    for lane in reference.lanes().unwrap() {
        if let Lane::Seat(seat) = lane {
            assert_eq!(read_trades(&reference, seat).unwrap(), read_trades(&store, seat).unwrap(), "{what}");
        }
    }
    let audit = read_lane(&store, Lane::Audit).unwrap();
    assert!(verify(audit.into_iter()).is_ok(), "{what}: the audit chain is broken");
}

/// Kills `arguments(folder)` in all as often as asked for, run by run, each compared with the first, which nobody kills.
fn survive(dir: &Path, arguments: impl Fn(&str) -> Vec<String>, store_of: impl Fn(&str) -> String) {
    let strings = |name: &str| arguments(name);
    let begun = Instant::now();
    let whole = strings("whole");
    let whole = document(arena(dir, &whole.iter().map(String::as_str).collect::<Vec<_>>()));
    let took = begun.elapsed();
    let is_live = whole["lifecycle"].as_array().unwrap().iter().any(|change| change["to"] == "live");
    assert!(is_live, "nothing went live: {}", whole["lifecycle"]);
    let (mut kills, mut draws, mut runs_done) = (0, Draws(4), 0);
    while kills < kills_wanted() {
        let name = format!("killed{runs_done}");
        let words = strings(&name);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (document, killed) = kill_until_done(dir, &words, took, &mut draws);
        let what = format!("run {runs_done}, killed {killed} times");
        assert_same(&dir.join(store_of("whole")), &dir.join(store_of(&name)), &what);
        for key in ["journal_hash", "lifecycle", "models", "quotes", "bars", "from", "to"] {
            assert_eq!(document[key], whole[key], "{what}: {key}");
        }
        std::fs::remove_dir_all(dir.join(&name)).unwrap();
        (kills, runs_done) = (kills + killed, runs_done + 1);
    }
    println!("{kills} kills in {runs_done} runs of {took:?}");
}

#[test]
fn a_replay_killed_at_any_moment_goes_on_as_if_it_had_not_been() {
    let dir = tempfile::tempdir().unwrap();
    let named = lay_out(dir.path(), 300_000, "source = \"sim\"\nrecord = true");
    let arguments = |name: &str| {
        let words = ["--json", "-q", "replay", "--quotes", &named[0], "--quotes", &named[1], "--out", name];
        words.map(str::to_owned).to_vec()
    };
    survive(dir.path(), arguments, str::to_owned);
}

/// A configuration file for a folder of its own, which `arena run` keeps its store in.
fn own_config(dir: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(dir.join("arena.toml")).unwrap();
    let data = "data = \"data\"";
    assert!(text.contains(data));
    let file = format!("{name}.toml");
    std::fs::write(dir.join(&file), text.replace(data, &format!("data = \"{name}\""))).unwrap();
    file
}

#[test]
fn a_run_killed_at_any_moment_goes_on_as_if_it_had_not_been() {
    let dir = tempfile::tempdir().unwrap();
    // A week in a second: paced, so that bars close by the clock as well as by quotes.
    let feed = "source = \"replay\"\nrecord = true\nspeed = 100000.0\n\
                quotes = { \"CS.D.EURUSD.TODAY.IP\" = \"CS.D.EURUSD.TODAY.IP.csv\", \
                \"CS.D.GBPUSD.TODAY.IP\" = \"CS.D.GBPUSD.TODAY.IP.csv\" }";
    lay_out(dir.path(), 100_000, feed);
    let arguments = |name: &str| {
        let file = own_config(dir.path(), name);
        ["--json", "-q", "-c", &file, "run"].map(str::to_owned).to_vec()
    };
    survive(dir.path(), arguments, |name| format!("{name}/store"));
}
