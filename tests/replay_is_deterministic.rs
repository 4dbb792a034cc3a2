//! One journal, whatever the number of hosts, threads and rounds in a slice; the plain pipeline is the reference.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::sync::OnceLock;

use arena::config::Config;
use arena::flow::State;
use arena::pipeline;
use arena::store::Store;
use arena::store::entry::{DeskEntry, read_lane};
use arena::store::{Lane, Memory, journal_hash};
use runs::{Kept, Quotes};

const QUOTES: usize = 60_000;

/// The recording of two markets with an edge in them, and what the pipeline makes of it.
fn recorded() -> &'static (Config, Quotes, pipeline::Outcome) {
    static RECORDED: OnceLock<(Config, Quotes, pipeline::Outcome)> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let config = runs::config(runs::SEVERAL);
        let quotes = runs::synthetic(&config, 3, QUOTES);
        let outcome = runs::reference(&config, &quotes, 1_024);
        (config, quotes, outcome)
    })
}

#[test]
fn the_recording_is_worth_the_proof() {
    let (config, _, outcome) = recorded();
    let board = &outcome.board;
    let lively = board.rows.iter().filter(|row| row.episodes >= 5).count();
    assert!(lively >= 6, "only {lively} of {} candidates trade", config.candidates.len());
    assert!(board.lifecycle.iter().any(|change| change.to == State::Live), "{:?}", board.lifecycle);
    let desk: Vec<DeskEntry> = read_lane(&outcome.store, Lane::Desk).unwrap();
    let closed = desk.iter().filter(|entry| matches!(entry, DeskEntry::Closed { .. })).count();
    println!("{:?} live deals closed, {} rounds, {} changes", closed, board.health.rounds, board.lifecycle.len());
    assert!(closed >= 3, "{closed} live deals in {} entries", desk.len());
    assert_eq!(board.health.bars.len(), 4, "four streams: {:?}", board.health.bars);
}

#[test]
fn no_slice_length_shows() {
    let (config, quotes, reference) = recorded();
    for rounds in [1, 3, 100] {
        let outcome = runs::reference(config, quotes, rounds);
        assert_eq!(runs::difference(&reference.store, &outcome.store), None, "{rounds} rounds a slice");
        assert_eq!(outcome.journal_hash, reference.journal_hash, "{rounds} rounds a slice");
    }
}

#[test]
fn no_number_of_hosts_or_threads_shows() {
    let (config, quotes, reference) = recorded();
    for (models_per_host, arbiters) in [(1, 1), (7, 1), (64, 1), (1, 2), (7, 2), (64, 2)] {
        let mut config = config.clone();
        (config.arena.models_per_host, config.arena.arbiters) = (models_per_host, arbiters);
        let store = Kept::default();
        let outcome = runs::run(runs::plan(config, Box::new(runs::replay(quotes)), Box::new(store.clone())));
        let what = format!("{models_per_host} models a host, {arbiters} arbiters");
        assert_eq!(runs::difference(&reference.store, &store), None, "{what}");
        assert_eq!(runs::hash(&outcome), reference.journal_hash, "{what}");
        assert_eq!(outcome.board.rows, reference.board.rows, "{what}");
        assert_eq!(outcome.board.desk, reference.board.desk, "{what}");
    }
}

#[test]
fn no_pace_shows() {
    // Paced, bars close by the clock as well as by quotes, and every round travels alone.
    let (config, quotes, reference) = recorded();
    for speed in [40_000.0, 90_000.0] {
        let store = Kept::default();
        let mut plan = runs::plan(config.clone(), Box::new(runs::replay(quotes)), Box::new(store.clone()));
        plan.pace.speed = speed;
        let outcome = runs::run(plan);
        assert_eq!(runs::difference(&reference.store, &store), None, "{speed} times as fast");
        assert_eq!(runs::hash(&outcome), reference.journal_hash, "{speed} times as fast");
        assert_eq!(outcome.board.health.bad_quotes.iter().map(|(_, n)| n).sum::<u64>(), 0, "{speed} times as fast");
    }
}

#[test]
fn the_hash_sees_a_changed_quote() {
    // The proof above is worth something only if the hash notices.
    let (config, quotes, reference) = recorded();
    let mut changed = quotes.clone();
    let at = changed[1].len() / 2;
    changed[1][at].offer = changed[1][at].offer + "0.0001".parse().unwrap();
    assert_ne!(runs::reference(config, &changed, 1_024).journal_hash, reference.journal_hash);
    let empty: &dyn Store = &Memory::default();
    assert_ne!(journal_hash(empty).unwrap(), reference.journal_hash);
}
