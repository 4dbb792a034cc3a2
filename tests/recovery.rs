//! An arena that is stopped or killed at any moment and started again comes to the journal of one that never was.
//!
//! `ARENA_KILLS` says how often a process is killed; without it, ten times for each of the commands, half as often for the synthetic market.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_possible_truncation, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena::app::{self, Durability, Ending};
use arena::config::Config;
use arena::domain::{EpicIdx, Micros};
use arena::feed::replay::{Recording, Replay};
use arena::feed::session::Session;
use arena::feed::{BadCounts, Feed, FeedError, FeedEvent, Input, OnBad};
use arena::flow::State;
use arena::ledger::read_trades;
use arena::models;
use arena::pipeline;
use arena::promoter::verify;
use arena::store::entry::{BarEntry, QuoteEntry, read_lane};
use arena::store::{Lane, Sled, Store, StoreError, journal_hash};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
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

/// A feed that breaks after so many events, as a process does that dies: nothing is drained.
#[derive(Debug)]
struct Breaks {
    feed: Replay,
    left: u64,
}

impl Feed for Breaks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        if self.left == 0 {
            return ready(Err(FeedError::Session("broken".to_owned()))).boxed();
        }
        self.left -= 1;
        self.feed.next()
    }

    fn bad_quotes(&self) -> &BadCounts {
        self.feed.bad_quotes()
    }

    fn progress(&self) -> Option<f64> {
        self.feed.progress()
    }

    fn skip(&mut self, accepted_per_epic: &[u64]) -> Result<(), FeedError> {
        self.feed.skip(accepted_per_epic)
    }
}

#[test]
fn what_a_broken_run_left_is_gone_on_from_whatever_was_flushed() {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 3, 60_000);
    let reference = runs::reference(&config, &quotes, 1_024);
    for durability in [Durability::EveryRound, Durability::EverySecond] {
        let (store, mut breaks) = (Kept::default(), 0);
        // Each attempt comes a few events further than the one before it, from wherever the last flush was.
        for left in (1u64..).step_by(3) {
            let feed = Breaks { feed: runs::replay(&quotes), left };
            let mut plan = runs::plan(config.clone(), Box::new(feed), Box::new(store.clone()));
            plan.durability = durability;
            match app::run(plan) {
                Ok(outcome) => {
                    assert_eq!(outcome.ending, Ending::Done);
                    break;
                }
                Err(error) => assert!(error.to_string().contains("broken"), "{error}"),
            }
            breaks += 1;
        }
        assert!(breaks >= 2, "{durability:?}: {breaks} breaks");
        assert_eq!(runs::difference(&reference.store, &store), None, "{durability:?}, {breaks} breaks");
    }
}

/// The bars that a recording closed in its first stream, as `arena resample` writes them.
fn bars_of(store: &dyn Store, seconds: i64) -> Recording {
    let bars: Vec<BarEntry> = read_lane(store, Lane::Bars(0)).unwrap();
    let mut text = String::from(
        "start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes\n",
    );
    for bar in &bars {
        let sides = [bar.bid, bar.offer].map(|side| format!("{},{},{},{}", side.open, side.high, side.low, side.close));
        let end = bar.start + Micros(seconds * 1_000_000);
        text.push_str(&format!("{},{end},{},{}\n", bar.start, sides.join(","), bar.ticks));
    }
    let input = Input::Memory { name: "bars.csv".into(), bytes: text.into_bytes().into() };
    Recording::Bars { epic: EpicIdx(0), input, length: None }
}

#[test]
fn a_replay_of_bars_goes_on_where_it_was_stopped() {
    let config = runs::config(runs::ONE);
    let quotes = runs::synthetic(&config, 12, 60_000);
    let bars = [bars_of(&runs::reference(&config, &quotes, 1_024).store, 30)];
    let feed = || Replay::open(&bars, OnBad::Stop).unwrap();
    let reference = pipeline::run(&Arc::new(config.clone()), &mut feed(), &models::build, 7).unwrap();
    let trades: usize = runs::trades(&reference.store, config.candidates.len()).iter().map(Vec::len).sum();
    assert!(trades > 100, "only {trades} trades");
    let (mut draws, mut stops) = (Draws(3), 0);
    while stops < 5 {
        let store = Kept::default();
        loop {
            let mut plan = runs::plan(config.clone(), Box::new(feed()), Box::new(store.clone()));
            plan.ends_at = runs::ends_in(draws.below(10 + 10 * stops));
            if runs::run(plan).ending == Ending::Done {
                break;
            }
            stops += 1;
        }
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
#[expect(clippy::print_stdout, reason = "tests tell how much they proved")]
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

#[test]
fn a_synthetic_market_goes_on_after_a_kill_without_a_gap_or_a_repetition() {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), 2, "source = \"sim\"\nedge_r = 0.6\nrecord = true\nspeed = 40000.0");
    let file = own_config(dir.path(), "sim");
    let arguments = ["-q", "-c", &file, "run"];
    let (wanted, mut draws) = (kills_wanted().div_ceil(2), Draws(6));
    for _ in 0..wanted {
        let mut child = arena(dir.path(), &arguments);
        std::thread::sleep(Duration::from_millis(100 + draws.below(900)));
        assert!(child.try_wait().unwrap().is_none(), "a synthetic market has no end");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let child = arena(dir.path(), &arguments);
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The quotes are the market's from its beginning, each once.
    let store = Sled::open_existing(&dir.path().join("sim/store")).unwrap();
    let config = runs::config(runs::SEVERAL);
    let recorded: Vec<Vec<QuoteEntry>> = (0..2).map(|epic| read_lane(&store, Lane::Quotes(epic)).unwrap()).collect();
    let n_quotes = recorded.iter().map(Vec::len).sum::<usize>();
    let market = runs::synthetic(&config, config.arena.seed, n_quotes + 10_000);
    for (recorded, market) in recorded.iter().zip(&market) {
        assert_eq!(recorded[..], market[..recorded.len()]);
    }
    // What followed from them is what follows from them without a kill.
    let parsed = arena::config::load(&dir.path().join(&file), &arena::config::Nothing).unwrap();
    let replayed = Kept::default();
    let session = Session::open(Box::new(store)).unwrap();
    let mut plan = runs::plan(parsed, Box::new(session), Box::new(replayed.clone()));
    plan.has_tail = false;
    let outcome = runs::run(plan);
    let store = loop {
        // The reader's thread lets go of the store a moment after the feed's end.
        match Sled::open_existing(&dir.path().join("sim/store")) {
            Err(StoreError::InUse { .. }) => std::thread::sleep(Duration::from_millis(20)),
            other => break other.unwrap(),
        }
    };
    assert_eq!(runs::difference(&store, &replayed), None, "after {wanted} kills");
    let episodes: u64 = outcome.board.rows.iter().map(|row| row.episodes).sum();
    let lives = outcome.lifecycle.iter().filter(|change| change.to == State::Live).count();
    println!("{wanted} kills, {n_quotes} quotes, {episodes} episodes, {lives} promotions");
    assert!(episodes > 20, "only {episodes} episodes in {n_quotes} quotes");
}
