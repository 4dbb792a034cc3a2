//! Workload W2: bars through N model actors, as `arena replay` runs them. One JSON line a variant.
//!
//! Every measurement is a process of its own, so that its memory and its CPU time are those of one run. The clock
//! starts when the pump asks for its first bar and stops when the arena has stopped: director, model actors, promoter,
//! store and their threads are all inside. `cargo bench --bench replay -- trading` runs the variants with that word.

mod workload;

use std::collections::VecDeque;
use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arena::app::{self, Durability, Pace, Plan};
use arena::bars::{Closings, Folder};
use arena::domain::{EpicIdx, Micros, Resolution};
use arena::feed::{BadCounts, BarBlock, BarRow, Feed, FeedError, FeedEvent};
use arena::store::{Memory, Sled, Store};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use workload::{cpu_seconds, peak_rss_mb, rounded};

/// Runs of each variant; the line holds their median and, in its note, the least.
const RUNS: usize = 5;
const TICKS: u64 = 2_000_000;
const BARS: usize = 43_200;
/// Bars in one event of the feed.
const BLOCK: usize = 1_024;
/// Trades of the floor, which every figure must come within 5 % of, by number of models.
const FLOOR_TRADES: [(u32, u64); 4] = [(1, 2_088), (10, 14_723), (100, 99_989), (1_000, 667_547)];

/// CPU time of the process and the wall each time that the pump asked for bars: it asks once those before are settled.
type Marks = Arc<Mutex<Vec<(f64, Instant)>>>;

/// The blocks between whose marks the rate of an early and of a late run of bars is taken.
const EARLY: [usize; 2] = [1, 5];
const LATE: [usize; 2] = [38, 42];

/// Bars that lie ready in memory.
#[derive(Debug)]
struct Ready {
    blocks: VecDeque<BarBlock>,
    bad: BadCounts,
    marks: Marks,
}

impl Feed for Ready {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        self.marks.lock().expect("nobody panics with it").push((cpu_seconds(), Instant::now()));
        ready(Ok(self.blocks.pop_front().map(FeedEvent::Bars))).boxed()
    }

    fn bad_quotes(&self) -> &BadCounts {
        &self.bad
    }

    fn progress(&self) -> Option<f64> {
        None
    }

    fn skip(&mut self, _: &[u64]) -> Result<(), FeedError> {
        Err(FeedError::NotResumable("a measurement begins at its beginning"))
    }
}

/// The first `n` one-minute bars of the workload.
fn bars(n: usize) -> VecDeque<BarBlock> {
    let minute: Resolution = "1m".parse().expect("a length of bars");
    let mut folder = Folder::new(&[(EpicIdx(0), minute)], 1, 0, Micros::DAY);
    let mut closed = Closings::default();
    folder.push(EpicIdx(0), &workload::ticks(TICKS), &mut closed);
    folder.take_open(&mut closed);
    let row = |bar: &arena::bars::FoldedBar| BarRow {
        epic: EpicIdx(0),
        start: bar.start,
        length: minute.length(),
        bid: bar.bid,
        offer: bar.offer,
        ticks: bar.ticks,
    };
    let rows: Vec<BarRow> = closed.bars.iter().take(n).map(row).collect();
    assert_eq!(rows.len(), n, "the workload has {BARS} bars");
    rows.chunks(BLOCK).map(|rows| BarBlock { rows: rows.to_vec() }).collect()
}

/// What a variant is.
#[derive(Clone, Copy)]
struct Variant {
    name: &'static str,
    models: u32,
    bars: usize,
    is_idle: bool,
    is_on_disk: bool,
    records_predictions: bool,
}

fn variants() -> Vec<Variant> {
    let plain = |name, models| Variant {
        name,
        models,
        bars: BARS,
        is_idle: false,
        is_on_disk: false,
        records_predictions: false,
    };
    let mut all = Vec::new();
    for models in [1, 10, 100, 1_000] {
        all.push(Variant { is_idle: true, ..plain("idle", models) });
        all.push(plain("trading", models));
    }
    all.push(Variant { is_on_disk: true, ..plain("trading, kept in sled", 1_000) });
    all.push(Variant {
        records_predictions: true,
        bars: 10_000,
        ..plain("trading, predictions recorded, 10,000 bars", 1_000)
    });
    all
}

/// One run, in this process.
fn run_here(variant: Variant) -> Value {
    let config = workload::arena(variant.models, variant.is_idle, variant.records_predictions, None);
    let folder = variant.is_on_disk.then(|| tempfile::tempdir().expect("a folder for the store"));
    let store: Box<dyn Store> = match &folder {
        Some(folder) => Box::new(Sled::open(folder.path(), config.arena.disk_floor_mb).expect("a new store opens")),
        None => Box::new(Memory::default()),
    };
    let marks = Marks::default();
    let feed = Ready { blocks: bars(variant.bars), bad: BadCounts::default(), marks: Arc::clone(&marks) };
    let plan = Plan {
        config: Arc::new(config),
        file: None,
        resolver: Arc::new(arena::config::Nothing),
        warmups: Vec::new(),
        store,
        feed: Box::new(feed),
        models: Arc::new(arena::models::build),
        durability: if variant.is_on_disk { Durability::EverySecond } else { Durability::Forgetful },
        pace: Pace { speed: 0.0, live_speed_max: 0.0, skips_silence: None },
        has_tail: true,
        slice_rounds: arena::app::SLICE_ROUNDS,
        deadline: None,
        serving: None,
        progress: ProgressBar::hidden(),
        on_change: Box::new(|_| ()),
        champions: None,
        follower: None,
        ends_at: None,
        heeds_signals: false,
        wants_result: std::env::var_os("ARENA_BENCH_HASH").is_some(),
        on_tick: None,
        clock: None,
        abroad: None,
        notify: None,
    };
    let outcome = app::run(plan).expect("a run over ready-made bars succeeds");
    let marks = marks.lock().expect("nobody panics with it");
    let (cpu, wall) = marks.first().expect("the pump asked for bars");
    let between = |[from, to]: [usize; 2]| Some(marks.get(to)?.0 - marks[from].0);
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    let rows = &outcome.board.rows;
    let profit: i64 = rows.iter().map(|row| row.net_profit.micros()).sum();
    json!({
        "early": between(EARLY), "late": between(LATE), "cpu": cpu, "wall": wall, "rss": peak_rss_mb(), "hash": outcome.journal_hash,
        "trades": rows.iter().map(|row| row.episodes).sum::<u64>(), "profit": profit as f64 / 1e6,
    })
}

/// One run, in a process of its own.
fn run_apart(place: usize) -> Value {
    let me = std::env::current_exe().expect("a process knows its file");
    let child = Command::new(me).arg("--child").arg(place.to_string()).output().expect("a child starts");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    serde_json::from_slice(&child.stdout).expect("a child prints one document")
}

fn number(run: &Value, key: &str) -> f64 {
    run[key].as_f64().unwrap_or(f64::NAN)
}

fn line_of(variant: Variant, mut runs: Vec<Value>) -> Value {
    runs.sort_by(|a, b| number(a, "cpu").total_cmp(&number(b, "cpu")));
    let ops = u64::from(variant.models) * variant.bars as u64;
    let per_op = |seconds: f64| rounded(seconds * 1e9 / ops as f64);
    let (least, median) = (&runs[0], &runs[runs.len() / 2]);
    let trades = median["trades"].as_u64().unwrap_or(0);
    if !variant.is_idle
        && variant.bars == BARS
        && let Some((_, floor)) = FLOOR_TRADES.iter().find(|(models, _)| *models == variant.models)
    {
        assert!(trades.abs_diff(*floor) * 20 <= *floor, "{}: {trades} trades, the floor makes {floor}", variant.name);
    }
    let cpu = number(median, "cpu");
    json!({
        "workload": "W2", "peer": "arena", "variant": format!("{}, N = {}", variant.name, variant.models),
        "unit": "ns/op", "value": per_op(cpu), "ops": ops, "seconds": rounded(cpu),
        "wall": per_op(number(median, "wall")), "peak_rss_mb": number(median, "rss").round(),
        "note": format!(
            "{trades} trades, {} points; least of {} runs {}",
            number(median, "profit"), runs.len(), per_op(number(least, "cpu"))
        ),
    })
}

/// What a bar costs early and late in the run of a thousand models: it must not grow.
fn rates_of(variant: Variant, runs: &[Value]) -> Vec<Value> {
    if variant.models < 1_000 || variant.bars < BARS {
        return Vec::new();
    }
    let rate = |key: &str, [from, to]: [usize; 2]| {
        let mut seconds: Vec<f64> = runs.iter().map(|run| number(run, key)).collect();
        seconds.sort_by(f64::total_cmp);
        let (cpu, ops) = (seconds[seconds.len() / 2], u64::from(variant.models) * ((to - from) * BLOCK) as u64);
        json!({
            "workload": "W2", "peer": "arena",
            "variant": format!("{}, N = {}, bars {} to {}", variant.name, variant.models, from * BLOCK, to * BLOCK),
            "unit": "ns/op", "value": rounded(cpu * 1e9 / ops as f64), "ops": ops, "seconds": rounded(cpu),
            "note": format!("within the run of {BARS} bars; least {}", rounded(seconds[0] * 1e9 / ops as f64)),
        })
    };
    vec![rate("early", EARLY), rate("late", LATE)]
}

fn main() {
    let mut out = std::io::stdout();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let variants = variants();
    if let [flag, place] = words.as_slice()
        && flag == "--child"
    {
        let variant = variants[place.parse::<usize>().expect("a place in the list of variants")];
        return writeln!(out, "{}", run_here(variant)).expect("standard output takes a line");
    }
    let wanted = words.iter().find(|word| !word.starts_with("--"));
    for (place, variant) in variants.iter().enumerate() {
        if wanted.is_some_and(|word| !format!("{}, N = {}", variant.name, variant.models).contains(word.as_str())) {
            continue;
        }
        let runs: Vec<Value> = (0..RUNS).map(|_| run_apart(place)).collect();
        let rates = rates_of(*variant, &runs);
        writeln!(out, "{}", line_of(*variant, runs)).expect("standard output takes a line");
        for line in rates {
            writeln!(out, "{line}").expect("standard output takes a line");
        }
    }
}
