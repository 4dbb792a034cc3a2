//! Workload W1: 2,000,000 ticks to bars, through the code that runs in production. One JSON line a variant.
//!
//! `bars` is what `arena resample` does a tick; `rounds` is what a replay does before the models see anything: the same
//! bars with their quotes and windows, in shared memory. Values are CPU time of the process, the median of the runs.

mod workload;

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use arena::bars::{Closings, Folder, Resampler};
use arena::domain::{EpicIdx, Micros, Resolution, Tick};
use arena::feed::csv::{BLOCK_TICKS, QuoteReader};
use arena::feed::{Input, OnBad, QuoteBlock};

use workload::{cpu_seconds, peak_rss_mb};

const TICKS: u64 = 2_000_000;
const RUNS: usize = 15;
const EPIC: EpicIdx = EpicIdx(0);

fn streams(lengths: &[&str]) -> Vec<(EpicIdx, Resolution)> {
    lengths.iter().map(|length| (EPIC, length.parse().expect("a length of bars"))).collect()
}

/// `cargo bench --bench resample -- CSV` runs the variants with that word in their names.
fn is_wanted(variant: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    words.next().is_none_or(|word| variant.contains(&word))
}

/// Runs `run` on what `prepare` made, which is not timed; it returns how many bars it made. Prints the line.
fn measure<T>(variant: &str, expected: u64, note: &str, prepare: impl Fn() -> T, run: impl Fn(T) -> u64) {
    if !is_wanted(variant) {
        return;
    }
    let mut values = Vec::with_capacity(RUNS);
    for _ in 0..=RUNS {
        let input = prepare();
        let (cpu, wall) = (cpu_seconds(), Instant::now());
        let bars = black_box(run(black_box(input)));
        values.push((cpu_seconds() - cpu, wall.elapsed().as_secs_f64()));
        assert_eq!(bars, expected, "{variant}");
    }
    // The first run warms the caches and does not count.
    values.remove(0);
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (cpu, wall) = values[values.len() / 2];
    let line = serde_json::json!({
        "workload": "W1", "peer": "arena", "variant": variant, "unit": "ns/op",
        "value": (cpu * 1e9 / TICKS as f64 * 100.0).round() / 100.0, "ops": TICKS, "seconds": cpu,
        "wall": (wall * 1e9 / TICKS as f64 * 100.0).round() / 100.0,
        "peak_rss_mb": peak_rss_mb().map(|mb| mb.round()), "note": note,
    });
    writeln!(std::io::stdout(), "{line}").expect("standard output takes a line");
}

fn fold(ticks: &[Tick], lengths: &[&str]) -> u64 {
    let mut folder = Folder::new(&streams(lengths), 1, 0, Micros::DAY);
    let mut closed = Closings::default();
    let mut bars = 0;
    for block in ticks.chunks(BLOCK_TICKS) {
        folder.push(EPIC, block, &mut closed);
        bars += black_box(&closed).bars.len() as u64;
        closed.clear();
    }
    folder.take_open(&mut closed);
    bars + closed.bars.len() as u64
}

fn rounds(blocks: Vec<QuoteBlock>, lengths: &[&str]) -> u64 {
    let mut resampler = Resampler::new(&streams(lengths), 1, 30, Micros::DAY);
    let mut out = Vec::new();
    let mut bars = 0;
    for block in blocks {
        resampler.push(block, &mut out);
        bars += black_box(&out).iter().map(|round| round.bars.len() as u64).sum::<u64>();
        out.clear();
    }
    bars + resampler.tail().map_or(0, |round| round.bars.len() as u64)
}

fn from_csv(bytes: &Arc<[u8]>, lengths: &[&str]) -> u64 {
    let input = Input::Memory { name: "ticks.csv".into(), bytes: Arc::clone(bytes) };
    let mut reader = QuoteReader::open(&input, OnBad::Stop).expect("the header is right");
    let mut folder = Folder::new(&streams(lengths), 1, 0, Micros::DAY);
    let mut ticks = Vec::with_capacity(BLOCK_TICKS);
    let mut closed = Closings::default();
    let mut bars = 0;
    loop {
        ticks.clear();
        let has_more = reader.read(&mut ticks, BLOCK_TICKS).expect("every row is good");
        folder.push(EPIC, &ticks, &mut closed);
        if !has_more {
            folder.take_open(&mut closed);
        }
        bars += black_box(&closed).bars.len() as u64;
        closed.clear();
        if !has_more {
            return bars;
        }
    }
}

fn main() {
    let (minutes, both) = (43_200, 43_200 + 259_200);
    let of = |bars: u64| -> &[&str] { if bars == minutes { &["1m"] } else { &["10s", "1m"] } };
    let ticks = workload::ticks(TICKS);
    let note = "blocks of 4,096 ticks";
    measure("1min bars from memory", minutes, note, || (), |()| fold(&ticks, of(minutes)));
    measure("10s + 1min bars from memory", both, note, || (), |()| fold(&ticks, of(both)));
    let blocks = || ticks.chunks(BLOCK_TICKS).map(|block| QuoteBlock::of_one(EPIC, block.to_vec())).collect();
    let note = "as the models get them: bars with their quotes and windows of 31 mids";
    measure("1min rounds from memory", minutes, note, blocks, |blocks| rounds(blocks, of(minutes)));
    measure("10s + 1min rounds from memory", both, note, blocks, |blocks| rounds(blocks, of(both)));
    let variants = ["1min bars from CSV bytes", "10s + 1min bars from CSV bytes"];
    if !variants.into_iter().any(is_wanted) {
        return;
    }
    let bytes: Arc<[u8]> = workload::csv(TICKS).into();
    let note = "ts_ms,bid,offer";
    measure(variants[0], minutes, note, || (), |()| from_csv(&bytes, of(minutes)));
    measure(variants[1], both, note, || (), |()| from_csv(&bytes, of(both)));
}
