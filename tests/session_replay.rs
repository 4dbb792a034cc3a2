//! What a live session recorded replays to the ledgers that the session had, whatever the wall clock did then.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arena::app::{Durability, Ending};
use arena::domain::{EpicIdx, Tick, UtcMicros};
use arena::feed::replay::{Recording, Replay};
use arena::feed::session::Session;
use arena::feed::synthetic::Synthetic;
use arena::feed::{BadCounts, Feed, FeedError, FeedEvent, Input, OnBad, QuoteBlock};
use arena::flow::State;
use arena::ledger::read_trades;
use arena::sim::demo;
use arena::store::entry::{BarEntry, QuoteEntry, SessionEntry, read_lane};
use arena::store::{Lane, Sled, Store, journal_hash};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use runs::{Kept, Trouble};

/// The paper lanes of both stores are the same, and so is the whole journal.
fn assert_replays(session: &dyn Store, replayed: &dyn Store, what: &str) {
    assert_eq!(runs::difference(session, replayed), None, "{what}");
    assert_eq!(journal_hash(session).unwrap(), journal_hash(replayed).unwrap(), "{what}");
}

/// How many rounds closed before a later quote had told that they were over: by the clock.
fn closed_by_clock(store: &dyn Store) -> usize {
    let session: Vec<SessionEntry> = read_lane(store, Lane::Session).unwrap();
    let quotes: Vec<QuoteEntry> = read_lane(store, Lane::Quotes(0)).unwrap();
    let closings = session.into_iter().filter_map(|entry| match entry {
        SessionEntry::Closed { time, quotes, .. } => Some((time, usize::try_from(quotes[0]).unwrap())),
        _ => None,
    });
    // The grace is half a second: a bar with silence after it did not wait for the next quote.
    closings.filter(|(time, n)| quotes.get(*n).is_some_and(|next| (next.time - *time).0 > 1_000_000)).count()
}

#[test]
fn a_session_with_live_deals_replays_to_the_same_journal() {
    let config = runs::config(runs::SEVERAL);
    let markets = demo::markets(&config.markets, config.arena.seed, config.feed.edge_r, demo::START);
    let store = Kept::default();
    let mut plan = runs::plan(config.clone(), Box::new(Synthetic::new(markets)), Box::new(store.clone()));
    (plan.pace.speed, plan.has_tail, plan.ends_at) = (20_000.0, false, runs::ends_in(4_000));
    let live = runs::run(plan);
    assert_eq!(live.ending, Ending::Told);
    assert!(live.lifecycle.iter().any(|change| change.to == State::Live), "{:?}", live.lifecycle);
    let replayed = Kept::default();
    let session = Session::open(Box::new(store.clone())).unwrap();
    let mut plan = runs::plan(config, Box::new(session), Box::new(replayed.clone()));
    plan.has_tail = false;
    let again = runs::run(plan);
    assert_replays(&store, &replayed, "live deals");
    assert_eq!(again.lifecycle, live.lifecycle);
    assert_eq!(again.board.rows, live.board.rows);
}

#[test]
fn a_session_suspends_the_blocked_model_where_it_was_blocked() {
    let config = runs::config(runs::ONE);
    let name = "momentum:lookback=2";
    let release = Arc::new(AtomicBool::new(false));
    let store = Kept::default();
    let quotes = runs::synthetic(&config, 21, 24_000);
    let mut plan = runs::plan(config.clone(), Box::new(runs::replay(&quotes)), Box::new(store.clone()));
    plan.models = runs::troubled(vec![(name, 100, Trouble::Block(Arc::clone(&release)))]);
    (plan.pace.speed, plan.deadline, plan.durability) =
        (3_000.0, Some(Duration::from_millis(1_200)), Durability::EveryRound);
    (plan.has_tail, plan.ends_at) = (false, runs::ends_in(4_500));
    let live = runs::run(plan);
    release.store(true, Ordering::SeqCst);
    assert!(live.lifecycle.iter().any(|change| change.to == State::Suspended && change.model.as_str() == name));
    let replayed = Kept::default();
    let session = Session::open(Box::new(store.clone())).unwrap();
    // The model behaves this time; the session says that it did not.
    let mut plan = runs::plan(config, Box::new(session), Box::new(replayed.clone()));
    plan.has_tail = false;
    runs::run(plan);
    assert_replays(&store, &replayed, "a blocked model");
}

fn arena(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn the_built_binary_replays_the_session_that_it_recorded() {
    let dir = tempfile::tempdir().unwrap();
    // At sixty times, five seconds of the wall are five minutes: bars of a few seconds, most of them closed by the clock.
    let text = runs::ONE
        .replace("bar = \"30s\"", "bar = \"2s\"")
        .replace("hold = \"2m\"", "hold = \"20s\"")
        .replace("source = \"sim\"", "source = \"sim\"\nspeed = 60.0\nrecord = true")
        .replace("[[markets]]", "[server]\nlisten = \"127.0.0.1:0\"\n\n[[markets]]")
        .replace("data = \"data\"", "data = \"live\"\nmodel_deadline = \"20s\"");
    // One candidate on bars that the end of the session leaves open.
    let slow = "\n[[models]]\nname = \"slow\"\nepic = \"CS.D.GBPUSD.TODAY.IP\"\nbar = \"1m\"\nkind = \"random\"\n\
                params = { rate = 1.0 }\nhold = \"20s\"\nstop = 3\nlimit = 3\nsize = 1.0\n";
    std::fs::write(dir.path().join("arena.toml"), text + slow).unwrap();
    let mut live = arena(dir.path(), &["-q", "run"]).spawn().unwrap();
    let ends = Instant::now() + Duration::from_secs(5);
    while Instant::now() < ends {
        assert!(live.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-TERM", &live.id().to_string()]).status().unwrap().success());
    let output = live.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let replay = arena(dir.path(), &["-q", "replay", "--session", "live", "--out", "again"]).output().unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    let session = Sled::open_existing(&dir.path().join("live/store")).unwrap();
    let replayed = Sled::open_existing(&dir.path().join("again")).unwrap();
    assert_replays(&session, &replayed, "a session of the built binary");
    let trades: usize = (0..6).map(|seat| read_trades(&session, seat).unwrap().len()).sum();
    let by_clock = closed_by_clock(&session);
    println!("{trades} trades, {by_clock} rounds closed by the clock");
    assert!(trades > 10 && by_clock > 10, "{trades} trades, {by_clock} rounds closed by the clock");
}

/// Bars of 2014-05-01 from midnight on, a minute each: bid open, high, low, close, the offer one point above.
fn bars(epic: u16, rows: &[[i64; 4]]) -> Recording {
    let mut text = String::from(
        "start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes\n",
    );
    let price = |points: i64| format!("1.{points:04}");
    for (minute, row) in rows.iter().enumerate() {
        let sides = [row.map(price), row.map(|points| price(points + 1))].concat().join(",");
        let (start, end) = (format!("00:{minute:02}"), format!("00:{:02}", minute + 1));
        text.push_str(&format!("2014-05-01T{start}:00Z,2014-05-01T{end}:00Z,{sides},4\n"));
    }
    let input = Input::Memory { name: format!("{epic}.csv"), bytes: text.into_bytes().into() };
    Recording::Bars { epic: EpicIdx(epic), input, length: None }
}

/// One candidate that follows every move; stop 8, limit 12, no slippage.
fn follower() -> String {
    let from = runs::ONE.find("[[models]]").unwrap();
    let model = "[[models]]\nname = \"follow\"\nepic = \"CS.D.GBPUSD.TODAY.IP\"\nbar = \"1m\"\nkind = \"momentum\"\n\
                 params = { lookback = 1, threshold = 0.0005 }\nhold = \"10m\"\nstop = 8\nlimit = 12\nsize = 1.0\n";
    runs::ONE[..from].replace("slippage_points = 0.05", "slippage_points = 0.0") + model
}

#[test]
fn bars_alone_trade_by_the_pessimistic_rule() {
    // The close of minute 1 is ten points up: long. It fills at the next bar's open (offer), 1.2011.
    let quiet = [2000, 2000, 2000, 2000];
    let signal = [2000, 2010, 2000, 2010];
    let open = |rest: [i64; 3]| [2010, rest[0], rest[1], rest[2]];
    for (what, later, want) in [
        // Both 1.2003 and 1.2023 lie inside of one bar: the stop comes first.
        ("stop before limit", vec![open([2012, 2009, 2011]), [2011, 2030, 2000, 2015]], ("stop", "1.2003", "-8")),
        // It opens beyond the stop: out at the open.
        ("open beyond the stop", vec![open([2012, 2009, 2011]), [1990, 2030, 1985, 2015]], ("stop", "1.199", "-21")),
        // The limit alone: exactly its level, even where the bar opens beyond.
        ("limit", vec![open([2012, 2009, 2011]), [2011, 2030, 2010, 2015]], ("limit", "1.2023", "12")),
        ("open beyond the limit", vec![open([2012, 2009, 2011]), [2028, 2030, 2025, 2026]], ("limit", "1.2023", "12")),
    ] {
        let config = runs::config(&follower());
        let mut rows = vec![quiet, signal];
        rows.extend(later);
        rows.extend([[2015, 2015, 2015, 2015]; 2]);
        let feed = Replay::open(&[bars(0, &rows)], OnBad::Stop).unwrap();
        let store = Kept::default();
        let outcome = runs::run(runs::plan(config, Box::new(feed), Box::new(store.clone())));
        let trades = read_trades(&store, 0).unwrap();
        let first = trades.first().unwrap_or_else(|| panic!("{what}: no trade; {:?}", outcome.board.rows));
        assert_eq!(first.open_level.to_string(), "1.2011", "{what}");
        let got = (first.reason.word(), first.close_level.to_string(), first.profit.to_string());
        assert_eq!(got, (want.0, want.1.to_owned(), want.2.to_owned()), "{what}");
    }
}

#[test]
fn several_markets_merge_by_time_then_epic() {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 8, 6_000);
    let mut feed = runs::replay(&quotes);
    let mut order: Vec<(UtcMicros, u16)> = Vec::new();
    while let Some(event) = feed.pull().unwrap() {
        let arena::feed::FeedEvent::Quotes(block) = event else { panic!("{event:?}") };
        order.extend(block.iter_runs().flat_map(|(epic, run)| run.iter().map(move |tick| (tick.time, epic.0))));
    }
    assert_eq!(order.len(), 6_000);
    assert!(order.is_sorted(), "by time, then epic");
    // A round holds what came before its end in every market, and bars that end together close together.
    let outcome = runs::reference(&config, &quotes, 1_024);
    let session: Vec<SessionEntry> = read_lane(&outcome.store, Lane::Session).unwrap();
    let mut n_together = 0;
    let mut last = UtcMicros(0);
    for entry in session {
        let SessionEntry::Closed { time, streams, quotes: so_far } = entry else { continue };
        assert!(time > last, "two rounds at {time}");
        assert!(streams.is_sorted());
        for (ticks, n) in quotes.iter().zip(so_far) {
            let before = ticks.partition_point(|tick| tick.time < time);
            assert_eq!(usize::try_from(n).unwrap(), before, "round at {time}");
        }
        n_together += usize::from(streams.len() > 1);
        last = time;
    }
    assert!(n_together > 10, "{n_together} rounds of several streams");
    let bars: Vec<BarEntry> = read_lane(&outcome.store, Lane::Bars(0)).unwrap();
    assert!(bars.is_sorted_by_key(|bar| bar.start));
    assert_eq!(feed.bad_quotes().total(), 0);
}

/// Quotes with gaps between them, as a connection that comes and goes gives them.
#[derive(Debug)]
struct Gappy {
    events: std::vec::IntoIter<FeedEvent>,
    bad: BadCounts,
}

impl Feed for Gappy {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        ready(Ok(self.events.next())).boxed()
    }
    fn bad_quotes(&self) -> &BadCounts {
        &self.bad
    }
    fn progress(&self) -> Option<f64> {
        None
    }
    fn skip(&mut self, _: &[u64]) -> Result<(), FeedError> {
        Ok(())
    }
}

#[test]
fn a_session_with_gaps_replays_to_the_same_journal() {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 5, 6_000);
    let n_epics = config.markets.len();
    let mut all: Vec<(EpicIdx, Tick)> =
        (0u16..).zip(&quotes).flat_map(|(epic, ticks)| ticks.iter().map(move |tick| (EpicIdx(epic), *tick))).collect();
    all.sort_by_key(|(epic, tick)| (tick.time, *epic));
    let mut events = Vec::new();
    for (number, part) in all.chunks(all.len() / 12).enumerate() {
        let mut block = QuoteBlock::default();
        part.iter().for_each(|(epic, tick)| block.extend(*epic, &[*tick]));
        let (from, to) = (part[0].1.time, part[part.len() - 1].1.time);
        events.push(FeedEvent::Quotes(block));
        // Every other stretch was missed, of one market or of all of them.
        let epics: Vec<EpicIdx> =
            (0..u16::try_from(if number % 3 == 0 { n_epics } else { 1 }).unwrap()).map(EpicIdx).collect();
        if number % 2 == 1 {
            events.pop();
            events.push(FeedEvent::Gap {
                from: (number % 4 == 1).then_some(from),
                to,
                epics,
                reason: "cut".to_owned(),
            });
        }
    }
    let store = Kept::default();
    let feed = Gappy { events: events.into_iter(), bad: BadCounts::default() };
    let mut plan = runs::plan(config.clone(), Box::new(feed), Box::new(store.clone()));
    plan.has_tail = false;
    let live = runs::run(plan);
    let session: Vec<SessionEntry> = read_lane(&store, Lane::Session).unwrap();
    let gaps = session.iter().filter(|entry| matches!(entry, SessionEntry::Gap { .. })).count();
    assert!(gaps >= 4, "{gaps} gaps");

    let replayed = Kept::default();
    let session = Session::open(Box::new(store.clone())).unwrap();
    let mut plan = runs::plan(config, Box::new(session), Box::new(replayed.clone()));
    plan.has_tail = false;
    let again = runs::run(plan);
    assert_replays(&store, &replayed, "gaps");
    assert_eq!(again.board.rows, live.board.rows);
}
