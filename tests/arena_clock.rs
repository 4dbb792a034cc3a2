//! A live feed whose stamps drift away from our clock: the champion of that market goes back, and nobody goes live there
//! until the clocks agree again.

#![allow(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

#[path = "support/runs.rs"]
mod runs;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arena::app::Durability;
use arena::clock::ManualClock;
use arena::domain::{EpicIdx, Micros};
use arena::feed::{BadCounts, Feed, FeedError, FeedEvent, QuoteBlock};
use arena::flow::{Change, State};
use arena::sim::demo;
use arena::sim::market::Markets;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

/// Quotes in one block, and blocks in all.
const BLOCK: usize = 500;
const BLOCKS: usize = 240;

/// The market of the candidate that the edge is planted for.
const MARKET: &str = "CS.D.GBPUSD.TODAY.IP";

/// The synthetic markets as a live feed. Its clocks agree until somebody goes live, then they do not.
#[derive(Debug)]
struct Drifting {
    markets: Markets,
    blocks: usize,
    /// The market whose clock drifts, and the other.
    epics: (EpicIdx, EpicIdx),
    lives: Arc<AtomicUsize>,
    skews: VecDeque<(EpicIdx, Micros)>,
    bad: BadCounts,
}

impl Feed for Drifting {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        self.blocks += 1;
        let seconds = if self.lives.load(Ordering::SeqCst) > 0 { -6 } else { 1 };
        self.skews.extend([(self.epics.1, Micros(40_000)), (self.epics.0, Micros(seconds * 1_000_000))]);
        let block = self.markets.next_block(BLOCK);
        let event = FeedEvent::Quotes(QuoteBlock { ticks: block.ticks, runs: block.runs });
        ready(Ok((self.blocks <= BLOCKS).then_some(event))).boxed()
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

    fn clock_skew(&mut self) -> Option<(EpicIdx, Micros)> {
        self.skews.pop_front()
    }
}

#[test]
fn a_champion_goes_back_when_the_clocks_come_apart() {
    let config = runs::config(runs::SEVERAL);
    let lives = Arc::new(AtomicUsize::new(0));
    let markets = demo::markets(&config.markets, 3, config.feed.edge_r, demo::START);
    let epics =
        if config.markets[0].epic.as_str() == MARKET { (EpicIdx(0), EpicIdx(1)) } else { (EpicIdx(1), EpicIdx(0)) };
    let (skews, bad) = (VecDeque::new(), BadCounts::default());
    let feed = Drifting { markets, blocks: 0, epics, lives: Arc::clone(&lives), skews, bad };
    let mut plan = runs::plan(config, Box::new(feed), Box::new(runs::Kept::default()));
    plan.durability = Durability::Forgetful;
    plan.clock = Some(Arc::new(ManualClock::default()));
    plan.has_tail = false;
    let told: Arc<Mutex<Vec<Change>>> = Arc::default();
    let heard = Arc::clone(&told);
    plan.on_change = Box::new(move |change| {
        lives.fetch_add(usize::from(change.to == State::Live), Ordering::SeqCst);
        heard.lock().unwrap().push(change.clone());
    });
    let outcome = runs::run(plan);
    let told = told.lock().unwrap();
    let of_live: Vec<_> = told.iter().filter(|c| c.to == State::Live || c.from == State::Live).collect();
    assert_eq!(of_live.len(), 2, "one promotion and its end: {told:?}");
    assert_eq!((of_live[0].to, of_live[1].to), (State::Live, State::Shadow));
    assert_eq!(of_live[1].reason, format!("clocks differ by -6s in {MARKET}, limit 5s"));
    for row in &outcome.board.rows {
        let is_marked = row.flags.contains(&"clock".to_owned());
        assert_eq!(is_marked, row.epic == MARKET, "{}: {:?}", row.model, row.flags);
    }
    assert!(outcome.board.desk.trades.iter().all(|deal| deal.status != "open"), "what was open was closed");
}
