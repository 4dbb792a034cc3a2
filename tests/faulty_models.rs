//! A model that panics, returns NaN or blocks is suspended with its reason; the ledgers of all others are the same to
//! the byte as without it.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arena::app::{Durability, Ending};
use arena::config::Config;
use arena::flow::{Change, State};
use arena::store::entry::{Fault, SeatEntry, SessionEntry, decode, read_lane};
use arena::store::{Lane, Store};
use runs::{Kept, Quotes, Trouble, lane_of};

/// Models that will make trouble, each in front of those that must not notice.
const TROUBLE: &str = r#"
[[models]]
name = "trouble"
epic = "CS.D.GBPUSD.TODAY.IP"
bar = "30s"
kind = "momentum"
params = { lookback = 1, threshold = 0.00001 }
hold = "2m"
stop = 3
limit = 3
size = 1.0
[models.sweep]
stop = [3, 4, 5]
"#;

const FIRST: &str = "trouble:stop=3";
const SECOND: &str = "trouble:stop=4";
const THIRD: &str = "trouble:stop=5";

/// The configuration without trouble, the one with it, and a recording.
fn world(n_quotes: usize) -> (Config, Config, Quotes) {
    let healthy = runs::config(runs::ONE);
    let at = runs::ONE.find("[[models]]").unwrap();
    let troubled = runs::config(&format!("{}{TROUBLE}\n{}", &runs::ONE[..at], &runs::ONE[at..]));
    assert_eq!(troubled.candidates[0].id.as_str(), FIRST);
    let quotes = runs::synthetic(&healthy, 21, n_quotes);
    (healthy, troubled, quotes)
}

fn assert_others_untouched(configs: (&Config, &Config), without: &dyn Store, with: &dyn Store, what: &str) {
    let (healthy, troubled) = configs;
    for candidate in &healthy.candidates {
        let name = candidate.id.as_str();
        let want = lane_of(healthy, without, name);
        assert!(want.len() > 2_000, "{name} did little: {} bytes", want.len());
        assert_eq!(lane_of(troubled, with, name), want, "{what}: {name}");
    }
}

fn suspended<'a>(lifecycle: &'a [Change], model: &str) -> &'a Change {
    let changes: Vec<&Change> =
        lifecycle.iter().filter(|change| change.model.as_str() == model && change.to == State::Suspended).collect();
    assert_eq!(changes.len(), 1, "{model}: {lifecycle:?}");
    changes[0]
}

/// What a seat's lane says of its suspension: the last entry.
fn last_fault(config: &Config, store: &dyn Store, model: &str) -> Fault {
    let entries: Vec<SeatEntry> = decode(Lane::Seat(0), &lane_of(config, store, model)).unwrap();
    let n = entries.iter().filter(|entry| matches!(entry, SeatEntry::Suspended { .. })).count();
    assert_eq!(n, 1, "{model} is suspended once");
    match entries.last() {
        Some(SeatEntry::Suspended { reason, .. }) => *reason,
        other => panic!("{model} went on after its suspension: {other:?}"),
    }
}

#[test]
fn panics_and_nan_stop_their_own_seats_alone() {
    runs::quiet_panics();
    let (healthy, troubled, quotes) = world(25_000);
    let without = runs::reference(&healthy, &quotes, 1_024);
    let mut hashes = Vec::new();
    for (models_per_host, arbiters) in [(1, 1), (64, 1), (3, 2)] {
        let mut config = troubled.clone();
        (config.arena.models_per_host, config.arena.arbiters) = (models_per_host, arbiters);
        let store = Kept::default();
        let mut plan = runs::plan(config, Box::new(runs::replay(&quotes)), Box::new(store.clone()));
        plan.models =
            runs::troubled(vec![(FIRST, 0, Trouble::Panic), (SECOND, 150, Trouble::Panic), (THIRD, 200, Trouble::Nan)]);
        let outcome = runs::run(plan);
        let what = format!("{models_per_host} models a host, {arbiters} arbiters");
        assert_others_untouched((&healthy, &troubled), &without.store, &store, &what);
        for (name, fault, reason) in [
            (FIRST, Fault::Panic, "its model panicked"),
            (SECOND, Fault::Panic, "its model panicked"),
            (THIRD, Fault::Nan, "its model predicted something that is not finite"),
        ] {
            assert_eq!(suspended(&outcome.lifecycle, name).reason, reason);
            assert_eq!(last_fault(&troubled, &store, name), fault);
        }
        let states = outcome.board.rows.iter().filter(|row| row.state == State::Suspended).count();
        assert_eq!(states, 3, "{what}");
        hashes.push(runs::hash(&outcome).to_owned());
    }
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "{hashes:?}");
}

#[test]
fn a_suspension_outlives_a_restart() {
    runs::quiet_panics();
    let (_, troubled, quotes) = world(25_000);
    let troubles = || runs::troubled(vec![(FIRST, 100, Trouble::Panic), (SECOND, 200, Trouble::Nan)]);
    let whole = Kept::default();
    let mut plan = runs::plan(troubled.clone(), Box::new(runs::replay(&quotes)), Box::new(whole.clone()));
    plan.models = troubles();
    runs::run(plan);
    let mut stops = 0;
    let mut draws = runs::Draws(2);
    while stops < 5 {
        let store = Kept::default();
        loop {
            let mut plan = runs::plan(troubled.clone(), Box::new(runs::replay(&quotes)), Box::new(store.clone()));
            plan.models = troubles();
            plan.ends_at = runs::ends_in(draws.below(10 + 10 * stops));
            if runs::run(plan).ending == Ending::Done {
                break;
            }
            stops += 1;
        }
        assert_eq!(runs::difference(&whole, &store), None, "after {stops} stops");
    }
}

/// Live: paced, a deadline, one thread for all models.
fn blocked_live(models_per_host: usize) {
    let (healthy, mut troubled, quotes) = world(24_000);
    (troubled.arena.models_per_host, troubled.arena.arbiters) = (models_per_host, 1);
    let without = runs::reference(&healthy, &quotes, 1_024);
    let store = Kept::default();
    let release = Arc::new(AtomicBool::new(false));
    let mut plan = runs::plan(troubled.clone(), Box::new(runs::replay(&quotes)), Box::new(store.clone()));
    plan.models = runs::troubled(vec![(SECOND, 60, Trouble::Block(Arc::clone(&release)))]);
    (plan.pace.speed, plan.deadline, plan.durability) =
        (3_000.0, Some(Duration::from_millis(1_200)), Durability::EveryRound);
    plan.ends_at = runs::ends_in(4_500);
    let first = runs::run(plan);
    let what = format!("{models_per_host} models a host");
    assert_eq!(first.ending, Ending::Told, "{what}: it ended before it was told to");
    let change = suspended(&first.lifecycle, SECOND).clone();
    assert_eq!(change.reason, "its model took longer than [arena] model_deadline over one bar");
    assert_eq!(first.lifecycle.iter().filter(|change| change.to == State::Suspended).count(), 1, "{what}");
    let time = first.board.time.unwrap();
    assert!(time > change.time, "{what}: nothing went on after the suspension at {time}");
    // The arena starts again, in replay: what was suspended stays so, and the others come to their end.
    let plan = runs::plan(troubled.clone(), Box::new(runs::replay(&quotes)), Box::new(store.clone()));
    let second = runs::run(plan);
    release.store(true, Ordering::SeqCst);
    assert_eq!(second.ending, Ending::Done);
    assert_eq!(last_fault(&troubled, &store, SECOND), Fault::Deadline, "{what}");
    assert_others_untouched((&healthy, &troubled), &without.store, &store, &what);
    let session: Vec<SessionEntry> = read_lane(&store, Lane::Session).unwrap();
    let told = session.iter().filter(|entry| matches!(entry, SessionEntry::Suspended { .. })).count();
    assert_eq!(told, 1, "{what}: a replay of this session must suspend it too");
}

#[test]
fn a_model_that_blocks_is_left_behind_with_its_thread_by_its_host() {
    blocked_live(64);
}

#[test]
fn a_model_that_blocks_is_left_behind_with_its_thread_by_the_other_hosts_on_it() {
    blocked_live(1);
}
