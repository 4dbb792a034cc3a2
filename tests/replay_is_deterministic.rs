//! One journal, whatever the number of hosts, threads and rounds in a slice; the plain pipeline is the reference.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::sync::OnceLock;

use arena::config::Config;
use arena::domain::SeatIdx;
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
fn the_board_has_the_last_belief_beside_what_came_of_it() {
    let (config, _, outcome) = recorded();
    let trades = runs::trades(&outcome.store, config.candidates.len());
    let mut n_told = 0;
    for (row, told) in outcome.board.rows.iter().zip(&outcome.board.outcomes) {
        let seat = config.candidates.iter().position(|candidate| candidate.id == row.model).unwrap();
        let last = trades[seat].iter().rev().find(|trade| trade.y_pred.is_some());
        let expected = last.map(|trade| (trade.y_pred.unwrap(), trade.open_level, trade.close_level));
        assert_eq!(told.map(|told| (told.y_pred, told.open_level, told.close_level)), expected, "{}", row.model);
        n_told += usize::from(told.is_some());
    }
    assert!(n_told >= 3, "only {n_told} candidates predict");
    assert_eq!(outcome.board.outcomes.len(), outcome.board.rows.len());
}

#[test]
fn no_slice_length_shows() {
    let (config, quotes, reference) = recorded();
    for rounds in [1, 3, 100] {
        let outcome = runs::reference(config, quotes, rounds);
        assert_eq!(outcome.board.outcomes, reference.board.outcomes, "{rounds} rounds a slice");
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

/// One candidate that is rarely flat and one that trades often, with rounds for outcomes.
const ROUNDS: &str = r#"
[arena]
name = "rounds"
data = "data"
seed = 5
disk_floor_mb = 0

[feed]
source = "sim"

[[markets]]
epic = "CS.D.GBPUSD.TODAY.IP"
currency = "GBP"
point = 0.0001
value_per_point = 1.0
size_min = 0.5
stop_min_points = 2
gap_allowance_points = 8
funding_annual_rate = 0.025

[paper]
latency = "250ms"
slippage_points = 0.05

[promotion]
unit = "round"
round_risk_r = 4.0
round_floor_r = 30.0
round_cap_r = 30.0
lambda_min = 0.001
min_useful_edge_r = -20
futility_e = 0

[[models]]
name = "patient"
epic = "CS.D.GBPUSD.TODAY.IP"
bar = "5m"
kind = "random"
params = { rate = 0.9 }
hold = "10h"
stop = 150
limit = 150
size = 1.0

[[models]]
name = "busy"
epic = "CS.D.GBPUSD.TODAY.IP"
bar = "1m"
kind = "random"
params = { rate = 0.5 }
hold = "3m"
stop = 4
limit = 4
size = 1.0
"#;

#[test]
fn rounds_are_marked_to_market_wherever_slices_are_cut() {
    let config = runs::config(ROUNDS);
    let quotes = runs::synthetic(&config, 9, 250_000);
    let reference = runs::reference(&config, &quotes, 1_024);
    let days = reference.board.rows.iter().map(|row| row.episodes).max().unwrap();
    assert!(days >= 2 && reference.board.rows.iter().all(|row| row.episodes == days), "{:?}", reference.board.rows);
    let patient = reference.board.rows.iter().find(|row| row.model.as_str() == "patient").unwrap();
    let trades = &runs::trades(&reference.store, 2)[0];
    let over_midnight = trades.iter().any(|trade| trade.opened.day() < trade.closed.day());
    assert!(over_midnight, "{} trades", trades.len());
    // What is in evidence is what closed by the last midnight and what was open then, and not what closed alone.
    let told = patient.mean_r.unwrap() * days as f64;
    let last = reference.board.health.to.unwrap().day();
    let by_then: f64 = trades.iter().filter(|trade| trade.closed.day() < last).map(|t| t.episode(SeatIdx(0)).x).sum();
    assert!((told - by_then / 4.0).abs() > 1e-6, "{told} and {by_then}");
    for rounds in [1, 7] {
        let outcome = runs::reference(&config, &quotes, rounds);
        assert_eq!(outcome.journal_hash, reference.journal_hash, "{rounds} rounds a slice");
        assert_eq!(outcome.board.rows, reference.board.rows, "{rounds} rounds a slice");
    }
}
