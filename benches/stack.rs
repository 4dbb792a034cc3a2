//! Workload W4: a stacked linear model, three linear ones over the last 3, 10 and 15 lags and a fourth over their outputs.
//! One JSON line.

mod workload;

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use arena::models::fitted::Fitted;
use arena::training::fit::fit;
use arena::training::kinds::parse;
use ndarray::{Array1, Array2};
use serde_json::json;
use workload::{cpu_seconds, peak_rss_mb, rounded};

const LAGS: usize = 15;
const ROWS: usize = 20_000;
const QUERIES: usize = 1_000;
const ROUNDS: usize = 1_000;
const RUNS: usize = 9;

fn main() {
    let ticks = workload::raw_ticks(46 * (ROWS + QUERIES + LAGS + 1) as u64);
    let mids: Vec<f64> = ticks.map(|(_, bid, offer)| (bid + offer) as f64 / 20.0).step_by(46).collect();
    let row = |at: usize| (1..=LAGS).map(move |lag| (at, lag));
    let values: Vec<f64> =
        (LAGS..LAGS + ROWS + QUERIES).flat_map(row).map(|(at, lag)| mids[at - lag] / mids[at] - 1.0).collect();
    let (train, queries) = values.split_at(ROWS * LAGS);
    let x = Array2::from_shape_vec((ROWS, LAGS), train.to_vec()).expect("as many values as rows have");
    let y: Array1<f64> = (LAGS..LAGS + ROWS).map(|at| mids[at + 1] / mids[at]).collect();
    let set = [("tails".to_owned(), "3+10+15".to_owned())];
    let settings = parse("stack", &set).expect("the parameters are right");
    let fitted: Fitted = fit(&settings, x.view(), y.view(), 1).expect("the rows are well posed");
    let mut runs: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let (cpu, wall) = (cpu_seconds(), Instant::now());
            for _ in 0..ROUNDS {
                for query in queries.chunks_exact(LAGS) {
                    black_box(fitted.predict(black_box(query)));
                }
            }
            (cpu_seconds() - cpu, wall.elapsed().as_secs_f64())
        })
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ops = QUERIES * ROUNDS;
    let per_op = |seconds: f64| rounded(seconds * 1e9 / ops as f64);
    let (cpu, wall) = runs[RUNS / 2];
    let line = json!({
        "workload": "W4", "peer": "arena", "variant": "stack of three linear models over 3, 10 and 15 lags",
        "unit": "ns/op", "value": per_op(cpu), "ops": ops, "seconds": rounded(cpu), "wall": per_op(wall),
        "peak_rss_mb": peak_rss_mb().map(f64::round),
        "note": format!("one prediction a call; least of {RUNS} runs {}", per_op(runs[0].0)),
    });
    writeln!(std::io::stdout(), "{line}").expect("standard output takes a line");
}
