//! Workload W3: five nearest neighbours among 100,000 and 1,000,000 rows of 8, one row at a time and in batch. One JSON
//! line a variant.
//!
//! `lagged` are the moves of the last 8 mids against the present one, as the models see them; `iid` is normal noise, the
//! hard case for a tree. Some queries are checked against every row, so that the line is of an exact search.

mod workload;

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use arena::models::fitted::{Fitted, Knn, Weights};
use serde_json::json;
use workload::{cpu_seconds, peak_rss_mb, rounded};

const WIDTH: usize = 8;
const K: usize = 5;
const QUERIES: usize = 1_000;
/// Rounds over the queries in a run, so that a run lasts long enough to be timed.
const ROUNDS: usize = 10;
const RUNS: usize = 7;
const CHECKED: usize = 25;

/// Rows, the last [`QUERIES`] of them to ask about; in single precision, as the workload has them.
fn lagged(n: usize, stride: usize) -> Vec<f64> {
    let ticks = workload::raw_ticks(2_000_000);
    let mids: Vec<f64> = ticks.map(|(_, bid, offer)| (bid + offer) as f64 / 20.0).step_by(stride).collect();
    let row = |at: usize| (1..=WIDTH).map(move |lag| (at, lag));
    (WIDTH..WIDTH + n + QUERIES).flat_map(row).map(|(at, lag)| single(mids[at - lag] / mids[at] - 1.0)).collect()
}

/// Normal noise by Box and Muller's method, of a generator of its own: other draws than those of the workload's script,
/// of the same distribution.
fn iid(n: usize) -> Vec<f64> {
    let mut state = 7u64;
    let mut uniform = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let normal = || single((-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos());
    std::iter::repeat_with(normal).take((n + QUERIES) * WIDTH).collect()
}

fn single(value: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "the workload is in single precision")]
    let value = value as f32;
    f64::from(value)
}

/// The indices of the nearest rows, by looking at all.
fn by_looking_at_all(rows: &[f64], query: &[f64]) -> Vec<u32> {
    let distance2 = |row: &[f64]| row.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let mut all: Vec<(f64, u32)> = rows.chunks_exact(WIDTH).map(distance2).zip(0..).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all[..K].iter().map(|(_, index)| *index).collect()
}

fn measure(name: &str, rows: &[f64]) {
    let (train, queries) = rows.split_at(rows.len() - QUERIES * WIDTH);
    let n = train.len() / WIDTH;
    let targets = vec![1.0; n];
    let begun = cpu_seconds();
    let knn = Knn::new(K, Weights::Uniform, None, train, WIDTH, &targets);
    let build = cpu_seconds() - begun;
    for query in queries.chunks_exact(WIDTH).take(CHECKED) {
        let found: Vec<u32> = knn.neighbours(query, |found| found.iter().map(|neighbour| neighbour.index).collect());
        assert_eq!(found, by_looking_at_all(train, query), "{name}: the search is not exact");
    }
    let fitted = Fitted::Knn(knn);
    let one_by_one = || {
        for query in queries.chunks_exact(WIDTH) {
            black_box(fitted.predict(black_box(query)));
        }
    };
    let batch = || {
        let estimates: Vec<_> = queries.chunks_exact(WIDTH).map(|query| fitted.predict(query)).collect();
        black_box(estimates);
    };
    let variants: [(&str, &dyn Fn()); 2] = [("one row at a time", &one_by_one), ("batch", &batch)];
    for (how, run) in variants {
        run();
        let mut runs: Vec<(f64, f64)> = (0..RUNS)
            .map(|_| {
                let (cpu, wall) = (cpu_seconds(), Instant::now());
                (0..ROUNDS).for_each(|_| run());
                (cpu_seconds() - cpu, wall.elapsed().as_secs_f64())
            })
            .collect();
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ops = QUERIES * ROUNDS;
        let per_op = |seconds: f64| rounded(seconds * 1e9 / ops as f64);
        let (cpu, wall) = runs[RUNS / 2];
        let line = json!({
            "workload": "W3", "peer": "arena", "variant": format!("{name}, {how}"),
            "unit": "ns/op", "value": per_op(cpu), "ops": ops, "seconds": rounded(cpu), "wall": per_op(wall),
            "peak_rss_mb": peak_rss_mb().map(f64::round),
            "note": format!(
                "k = {K}, exact: {CHECKED} queries the same as by looking at all rows; built in {} s; least of {RUNS} runs {}",
                rounded(build),
                per_op(runs[0].0)
            ),
        });
        writeln!(std::io::stdout(), "{line}").expect("standard output takes a line");
    }
}

fn main() {
    measure("lagged 100k x 8", &lagged(100_000, 19));
    measure("iid 100k x 8", &iid(100_000));
    measure("lagged 1m x 8", &lagged(1_000_000, 1));
    measure("iid 1m x 8", &iid(1_000_000));
}
