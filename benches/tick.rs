//! Workload W5: the whole path of one tick with a store that has held 1,000, 10,000 or 50,000 before. One JSON line a
//! variant.
//!
//! `with its round` is how the arena runs: a quote is journalled with the round that closes over it, and the round's
//! signals, ledgers and evidence are in the same commit. `by itself` commits every quote alone, as the original did with
//! its file. Nothing is flushed in either.

mod workload;

use std::io::Write as _;
use std::time::Instant;

use arena::bars::Resampler;
use arena::domain::{EpicIdx, Tick};
use arena::feed::QuoteBlock;
use arena::flow::{Round, Slice};
use arena::seats::director::Gathered;
use arena::seats::{Block, Wants};
use arena::settle::{Opened, Settlement};
use arena::store::entry::encode;
use arena::store::{Commit, Lane, Sled, Store};
use futures_util::FutureExt;
use serde_json::json;
use workload::{cpu_seconds, peak_rss_mb, rounded};

const EPIC: EpicIdx = EpicIdx(0);
/// Timed ticks: some 430 minutes.
const TIMED: usize = 20_000;
const RUNS: usize = 5;

/// An arena on one thread over a store on disk.
struct Arena {
    resampler: Resampler,
    settlement: Settlement,
    block: Block,
    store: Sled,
    closed: Vec<Round>,
    /// Whether every quote is a commit of its own.
    is_each: bool,
}

impl Arena {
    fn on_tick(&mut self, tick: Tick) {
        if self.is_each {
            let mut bytes = Vec::with_capacity(32);
            encode(&tick, &mut bytes);
            let mut commit = Commit::default();
            commit.append(Lane::Quotes(0), bytes);
            self.store.commit(commit).expect("the store takes a commit");
        }
        self.resampler.push(QuoteBlock::of_one(EPIC, vec![tick]), &mut self.closed);
        if self.closed.is_empty() {
            return;
        }
        let slice = Slice { rounds: std::mem::take(&mut self.closed) };
        let report = self.block.run_live(&slice, Wants::default()).expect("nobody abandons the block");
        let settled = self.settlement.settle(&slice, Gathered { report, stuck: Vec::new() });
        settled.now_or_never().expect("the venue of this process answers at once");
        self.store.commit(self.settlement.take_commit(None)).expect("the store takes a commit");
    }
}

fn measure(before: usize, is_each: bool, ticks: &[Tick]) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder for the store");
    let mut config = workload::arena(1, false, true, None);
    config.feed.record = !is_each;
    let store = Sled::open(folder.path(), config.arena.disk_floor_mb).expect("a new store opens");
    let resampler =
        Resampler::new(&config.streams(), config.markets.len(), config.lookback_max(), config.bars.reset_after);
    let opened = Settlement::open(config.into(), &store, &arena::models::build);
    let Opened { settlement, seats, .. } = opened.expect("a new arena opens");
    let block = Block::new(seats);
    let mut arena = Arena { resampler, settlement, block, store, closed: Vec::new(), is_each };
    ticks[..before].iter().for_each(|tick| arena.on_tick(*tick));
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    ticks[before..before + TIMED].iter().for_each(|tick| arena.on_tick(*tick));
    (cpu_seconds() - cpu, wall.elapsed().as_secs_f64())
}

fn main() {
    let ticks = workload::ticks((50_000 + TIMED) as u64);
    for (name, is_each) in [("appended with its round", false), ("appended by itself", true)] {
        for before in [1_000, 10_000, 50_000] {
            let mut runs: Vec<_> = (0..RUNS).map(|_| measure(before, is_each, &ticks)).collect();
            runs.sort_by(|a, b| a.0.total_cmp(&b.0));
            let per_op = |seconds: f64| rounded(seconds * 1e9 / TIMED as f64);
            let (cpu, wall) = runs[RUNS / 2];
            let line = json!({
                "workload": "W5", "peer": "arena", "variant": format!("{name}, {before} ticks before"),
                "unit": "ns/op", "value": per_op(cpu), "ops": TIMED, "seconds": rounded(cpu), "wall": per_op(wall),
                "peak_rss_mb": peak_rss_mb().map(f64::round),
                "note": format!("one momentum model, predictions recorded; least of {RUNS} runs {}", per_op(runs[0].0)),
            });
            writeln!(std::io::stdout(), "{line}").expect("standard output takes a line");
        }
    }
}
