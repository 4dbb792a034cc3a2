//! The whole flow as plain function calls on one thread: what the actors must equal, entry by entry.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::app::RunError;
use crate::bars::Resampler;
use crate::config::Config;
use crate::feed::{Feed, FeedEvent};
use crate::flow::{Board, Round, Slice, Warmup};
use crate::models::ModelFactory;
use crate::seats::director::Gathered;
use crate::seats::{Block, Wants};
use crate::settle::{Opened, Settlement};
use crate::store::{Memory, Store, journal_hash};

/// What a run through the pipeline came to.
#[derive(Debug)]
pub struct Outcome {
    /// The board at the end.
    pub board: Board,
    /// The journal's hash.
    pub journal_hash: String,
    /// The journal.
    pub store: Memory,
}

/// Runs `feed` to its end, with `rounds_per_slice` rounds in a slice.
///
/// # Errors
/// The feed's and the store's.
///
/// # Panics
/// If a future of the in-process venue or of a file feed has to wait: neither ever does.
pub fn run(
    config: &Arc<Config>,
    feed: &mut dyn Feed,
    models: &ModelFactory,
    rounds_per_slice: usize,
) -> Result<Outcome, RunError> {
    run_after(config, feed, models, rounds_per_slice, Vec::new())
}

/// Like [`run`], with windows that begin with bars of the past.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_after(
    config: &Arc<Config>,
    feed: &mut dyn Feed,
    models: &ModelFactory,
    rounds_per_slice: usize,
    warmups: Vec<Warmup>,
) -> Result<Outcome, RunError> {
    let mut store = Memory::default();
    let Opened { mut settlement, seats, .. } = Settlement::open(Arc::clone(config), &store, models)?;
    let block = Block::new(seats);
    let mut resampler =
        Resampler::new(&config.streams(), config.markets.len(), config.lookback_max(), config.bars.reset_after);
    resampler.warm(warmups);
    let mut pending: Vec<Round> = Vec::new();
    let mut suspensions = Vec::new();
    let mut settle = |pending: &mut Vec<Round>, least: usize| -> Result<(), RunError> {
        while pending.len() >= least && !pending.is_empty() {
            let after = pending.split_off(rounds_per_slice.min(pending.len()));
            let slice = Slice { rounds: std::mem::replace(pending, after) };
            let wants = Wants { summaries: true, checkpoints: false };
            let gathered = Gathered { report: block.run(&slice, wants), stuck: Vec::new() };
            let settled = settlement.settle(&slice, ordered(gathered)).now_or_never();
            settled.expect("the venue of this process answers at once");
            store.commit(settlement.take_commit(None))?;
        }
        Ok(())
    };
    while let Some(event) = feed.next().now_or_never().expect("a file feed answers at once")? {
        match event {
            FeedEvent::Quotes(block) => {
                resampler.push(block, &mut pending);
            }
            FeedEvent::Bars(block) => {
                resampler.push_bars(&block, &mut pending).map_err(|error| RunError::Stopped(error.to_string()))?;
            }
            FeedEvent::Close { time, streams } => {
                let from = pending.len();
                resampler
                    .close_exact(time, &streams, &mut pending)
                    .map_err(|error| RunError::Stopped(error.to_string()))?;
                if let Some(round) = pending.get_mut(from) {
                    round.suspensions.append(&mut suspensions);
                }
            }
            FeedEvent::Suspended { model, reason, .. } => suspensions.push((model, reason)),
        }
        settle(&mut pending, rounds_per_slice)?;
    }
    pending.extend(resampler.tail());
    settle(&mut pending, 1)?;
    settlement.finish();
    store.commit(settlement.take_commit(None))?;
    Ok(Outcome { board: settlement.board(), journal_hash: journal_hash(&store)?, store })
}

/// A block's reports come ordered by stream; the settlement takes them ordered by seat.
fn ordered(mut gathered: Gathered) -> Gathered {
    gathered.report.reports.sort_by_key(|report| report.seat);
    gathered.report.summaries.sort_by_key(|summary| summary.seat);
    gathered
}
