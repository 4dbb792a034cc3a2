//! Paper and live are two books: what paper loses never halts live dealing, and a halt leaves every paper ledger, and the
//! evidence made of it, as it would have been without.

#![allow(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

#[path = "support/runs.rs"]
mod runs;

use std::sync::Arc;

use arena::bars::Resampler;
use arena::config::Config;
use arena::control::Command;
use arena::domain::Money;
use arena::feed::{Feed, FeedEvent};
use arena::flow::{Board, Round, Row, Slice, State};
use arena::models;
use arena::pipeline;
use arena::seats::director::Gathered;
use arena::seats::{Block, Wants};
use arena::settle::{Opened, Settlement};
use arena::store::entry::{DeskEntry, read_lane};
use arena::store::{Lane, Memory, Store};
use futures_util::FutureExt;

const QUOTES: usize = 60_000;

/// The candidates of [`runs::SEVERAL`], and one that loses on paper what no account would bear.
fn losing() -> Config {
    let ruin = r#"
[[models]]
name = "ruin"
epic = "CS.D.EURUSD.TODAY.IP"
bar = "1m"
kind = "random"
params = { rate = 0.9 }
hold = "3m"
stop = 4
limit = 4
size = 500.0
"#;
    runs::config(&(runs::SEVERAL.replace("max_daily_loss = 20.0", "max_daily_loss = 60.0") + ruin))
}

#[test]
fn paper_losses_never_halt_live_dealing() {
    let config = losing();
    let outcome = pipeline::run(
        &Arc::new(config.clone()),
        &mut runs::replay(&runs::synthetic(&config, 3, QUOTES)),
        &models::build,
        1_024,
    );
    let outcome = outcome.unwrap();
    let lost: Money = outcome.board.rows.iter().map(|row| row.net_profit).filter(|profit| *profit < Money::ZERO).sum();
    assert!(lost.as_f64() < -100.0 * 60.0, "paper lost {lost}");
    let desk: Vec<DeskEntry> = read_lane(&outcome.store, Lane::Desk).unwrap();
    assert!(!desk.iter().any(|entry| matches!(entry, DeskEntry::Halted { .. })), "{desk:?}");
    assert_eq!((outcome.board.desk.state.as_str(), &outcome.board.desk.reason), ("live", &None));
    // It was dealing that could have been halted, until the very end.
    let opened = desk.iter().filter_map(|entry| match entry {
        DeskEntry::Opened { time, .. } => Some(*time),
        _ => None,
    });
    let opened: Vec<_> = opened.collect();
    assert!(opened.len() >= 5, "{opened:?}");
    let (first, last) = (outcome.board.health.from.unwrap(), outcome.board.health.to.unwrap());
    assert!((last - *opened.last().unwrap()).0 * 4 < (last - first).0, "{opened:?}, the end is {last}");
}

/// The pipeline with an operator who halts live dealing after so many rounds with something open, and perhaps resumes it.
fn halted(config: &Config, halt_after: Option<usize>, resumes: bool) -> (Board, Memory) {
    let mut store = Memory::default();
    let config = Arc::new(config.clone());
    let opened = Settlement::open(Arc::clone(&config), &store, &models::build).unwrap();
    let Opened { mut settlement, seats, .. } = opened;
    let block = Block::new(seats);
    let mut resampler =
        Resampler::new(&config.streams(), config.markets.len(), config.lookback_max(), config.bars.reset_after);
    let mut feed = runs::replay(&runs::synthetic(&config, 3, QUOTES));
    let mut rounds: Vec<Round> = Vec::new();
    while let Some(event) = feed.next().now_or_never().unwrap().unwrap() {
        let FeedEvent::Quotes(quotes) = event else { continue };
        resampler.push(quotes, &mut rounds);
    }
    let (mut dealt, mut halts) = (0, 0);
    for round in rounds {
        let slice = Slice { rounds: vec![round] };
        let mut report = block.run(&slice, Wants { summaries: true, checkpoints: false });
        report.reports.sort_by_key(|report| report.seat);
        report.summaries.sort_by_key(|summary| summary.seat);
        settlement.settle(&slice, Gathered { report, stuck: Vec::new() }).now_or_never().unwrap();
        let is_open = settlement.board().desk.trades.iter().any(|deal| deal.status == "open");
        dealt += usize::from(is_open);
        if is_open && Some(dealt) == halt_after {
            let reason = Some("to see what it changes".to_owned());
            settlement.command(&Command::Halt { reason: reason.clone() }).now_or_never().unwrap().unwrap();
            halts += 1;
            if resumes {
                settlement.command(&Command::Resume { reason }).now_or_never().unwrap().unwrap();
            }
        }
        store.commit(settlement.take_commit(None)).unwrap();
    }
    assert_eq!(halts, usize::from(halt_after.is_some()), "it was halted while something was open");
    (settlement.board(), store)
}

/// What evidence says of a row.
fn evidence(row: &Row) -> (u64, Money, Option<f64>, Option<f64>, Option<f64>) {
    (row.episodes, row.net_profit, row.mean_r, row.lcb95_r, row.log10_e)
}

#[test]
fn a_halt_changes_no_paper_ledger_by_a_byte() {
    let config = losing();
    let (board, store) = halted(&config, None, false);
    let was_live: Vec<_> =
        board.lifecycle.iter().filter(|change| change.to == State::Live).map(|change| change.model.clone()).collect();
    assert!(!was_live.is_empty());
    for (after, resumes) in [(1, false), (20, false), (10, true)] {
        let (of_halted, halted) = halted(&config, Some(after), resumes);
        let desk: Vec<DeskEntry> = read_lane(&halted, Lane::Desk).unwrap();
        assert!(desk.iter().any(|entry| matches!(entry, DeskEntry::Halted { .. })), "{desk:?}");
        assert_ne!(
            runs::lane_bytes(&store, Lane::Desk),
            runs::lane_bytes(&halted, Lane::Desk),
            "the halt did close what was open"
        );
        for (place, candidate) in (0..).zip(&config.candidates) {
            let (a, b) = (runs::lane_bytes(&store, Lane::Seat(place)), runs::lane_bytes(&halted, Lane::Seat(place)));
            assert!(!a.is_empty() && a == b, "{}: {} and {} bytes", candidate.id, a.len(), b.len());
        }
        for row in board.rows.iter().filter(|row| !was_live.contains(&row.model)) {
            let other = of_halted.rows.iter().find(|other| other.model == row.model).unwrap();
            assert_eq!(evidence(row), evidence(other), "{}", row.model);
        }
    }
}
