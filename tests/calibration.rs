//! The published figures of the promotion rule, reproduced by `arena calibrate`'s own studies within their bands.
//!
//! `ARENA_CALIBRATE` says how often each design is played (`scripts/test`: 200; the published figures are of 1,000, `full`
//! of 300); without it the test says that it was skipped.
//! Bands: a share may differ by 1.5 points or four standard errors of the difference of two runs, a median or mean by 10 %
//! or four standard errors (of its rank, for a median), whichever is wider; and no e-rule may err more often than 5 % and three standard errors.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use arena::calibrate::studies::{Design, Kind, Study};
use arena::config::PromotionConfig;
use serde_json::Value;

/// What a figure is held against: its study's column, and the key of the published row.
type Pairs = &'static [(&'static str, &'static str)];

/// The published figures, a row a line.
fn published() -> Vec<Value> {
    include_str!("oracles/promotion_figures.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn payoff_of(design: &str) -> String {
    let names = [
        ("stop -1 / limit +1", "-1/+1"),
        ("stop -1 / limit +0.5", "-1/+0.5"),
        ("stop -1 / limit +0.1", "-1/+0.1"),
        ("stop -1 / limit +3", "-1/+3"),
        ("gap: -3 w.p. 2%, else -1/+1", "gap"),
        ("t3 capped at +-3R", "t3"),
        ("volatility regimes 0.3R / 1.5R", "regimes"),
    ];
    names.into_iter().find(|(known, _)| *known == design).map(|(_, name)| name.to_owned()).unwrap()
}

/// The study, the name of the design, and what to compare; `None` for rows of rules that are not ours.
fn place(row: &Value) -> Option<(Study, String, Pairs)> {
    let float = |key: &str| row[key].as_f64().unwrap();
    let payoff = || payoff_of(row["design"].as_str().unwrap());
    Some(match row["section"].as_str().unwrap() {
        "null" => (
            Study::Null,
            format!("{} rho {}", payoff(), float("rho")),
            &[
                ("e, no correction", "e-mix no multiplicity"),
                ("e Bonferroni", "e-mix Bonferroni"),
                ("e-BH", "e-mix e-BH"),
                ("mean of all e", "e-mix mean (closed)"),
            ],
        ),
        "power" => (
            Study::Power,
            format!("{} edge {}", payoff(), float("edge")),
            &[
                ("N=10", "median_N10"),
                ("N=100", "median_N100"),
                ("90 %", "q90_N100"),
                ("N=1000", "median_N1000"),
                ("N=10000", "median_N10000"),
                ("tight N=100", "tight_floor1p1_median_N100"),
                ("by 500", "within_500"),
                ("by 2000", "within_2000"),
                ("median DSR", "dsr_at_promotion_median"),
                ("DSR>=.90", "frac_dsr_ge_90"),
            ],
        ),
        "swap" => (
            Study::Swap,
            format!("rho {} advantage {}", float("rho"), float("challenger_advantage")),
            &[("swapped", "swapped"), ("median rounds", "median")],
        ),
        "demote" => {
            let payoff = row["payoff"].as_str().unwrap().trim_end_matches(".0");
            (
                Study::Demote,
                format!("{payoff} keep {} mean {}", float("keep"), float("true_mean")),
                &[
                    ("e-SR mean", "eSR_mean"),
                    ("e-SR median", "eSR_median"),
                    ("20R drawdown mean", "dd20R_mean"),
                    ("20R drawdown median", "dd20R_median"),
                ],
            )
        }
        "parity" => {
            (Study::Parity, format!("mean {}", float("mean_slippage")), &[("mean", "mean"), ("median", "median")])
        }
        "coverage" => (
            Study::Coverage,
            format!("{} mean {}", payoff(), float("edge")),
            &[("fast", "miss_fast"), ("exact", "miss_exact")],
        ),
        "recycle" if row["rule"].as_str().unwrap().starts_with("inherit") => (
            Study::Recycle,
            "inherit".to_owned(),
            &[("false promotion", "false_promotion"), ("candidates used", "candidates_used")],
        ),
        "full" => {
            let gate = row["drawdown_gate_r"].as_f64().map_or_else(|| "off".to_owned(), |gate| gate.to_string());
            (
                Study::Full,
                format!("{} mean {} drawdown {gate}", payoff(), float("edge")),
                &[
                    ("promoted", "promoted"),
                    ("median", "median_if_promoted"),
                    ("retired low e", "retired_low_e"),
                    ("retired ucb", "retired_ucb"),
                    ("max episodes", "reached_max"),
                    ("median life if retired", "median_life_if_retired"),
                ],
            )
        }
        _ => return None,
    })
}

/// All replicates of a design, spread over the cores.
fn measure(design: &Design, replicates: u64) -> Vec<Vec<f64>> {
    let config = PromotionConfig::default();
    let next = AtomicU64::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let replicate = next.fetch_add(1, Ordering::Relaxed);
            if replicate >= replicates {
                return done;
            }
            done.push((replicate, design.replicate(&config, 20_260, replicate)));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(u64, Vec<f64>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    all.sort_by_key(|(replicate, _)| *replicate);
    all.into_iter().map(|(_, measures)| measures).collect()
}

/// Between which values the quantile `q` of so many others may lie: four standard errors of its rank among ours, whatever
/// the shape of them; `reps` is how many the others are.
fn ranks_around(sorted: &[f64], q: f64, reps: f64) -> (f64, f64) {
    let n = sorted.len() as f64;
    let error = 4.0 * (n * q * (1.0 - q) * (1.0 + n / reps)).sqrt();
    let at = |rank: f64| sorted.get(rank.max(0.0) as usize).copied();
    let low = if q * n - error < 0.0 { 0.0 } else { at((q * n - error).floor()).unwrap_or(0.0) };
    (low, at((q * n + error).ceil()).unwrap_or(f64::INFINITY))
}

/// Whether a figure is within its band of the published one; what is not, as a sentence.
fn off(design: &Design, column: &str, got: f64, want: f64, measures: &[Vec<f64>], reps: f64) -> Option<String> {
    let column = design.study.columns().iter().find(|c| c.name == column).unwrap();
    let n = measures.len() as f64;
    let mut values: Vec<f64> = measures.iter().map(|m| m[column.measure]).filter(|x| !x.is_nan()).collect();
    if column.kind == Kind::MedianOfCome {
        values.retain(|x| x.is_finite());
    }
    values.sort_by(f64::total_cmp);
    // A figure of few of our replicates is one of as few of theirs.
    let of_theirs = reps * values.len() as f64 / n;
    let quantile = |q| ranks_around(&values, q, of_theirs);
    let tenth = 0.1 * want.abs();
    let (low, high) = match column.kind {
        Kind::Share | Kind::By(_) => {
            let p = f64::midpoint(got, want).clamp(0.5 / n, 1.0 - 0.5 / n);
            let band = f64::max(0.015, 4.0 * (p * (1.0 - p) * (1.0 / n + 1.0 / reps)).sqrt());
            (got - band, got + band)
        }
        Kind::Median | Kind::MedianOfCome => quantile(0.5),
        Kind::Quantile(q) => quantile(q),
        Kind::Mean => {
            let mean = values.iter().sum::<f64>() / n;
            let sd = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            let band = 4.0 * sd * (1.0 / n + 1.0 / reps).sqrt();
            (got - band, got + band)
        }
    };
    let is_time = !matches!(column.kind, Kind::Share | Kind::By(_));
    let is_within = (low..=high).contains(&want) || (is_time && (got - want).abs() <= tenth);
    (!is_within).then(|| {
        format!("{:?} {} {}: {got}, published {want}, band {low} to {high}", design.study, design.name, column.name)
    })
}

#[test]
fn the_published_figures_are_reproduced_within_their_bands() {
    let replicates = std::env::var("ARENA_CALIBRATE").ok().and_then(|text| text.parse::<u64>().ok());
    let Some(replicates) = replicates else {
        println!("skipped: ARENA_CALIBRATE says no number of replicates (scripts/test: 200)");
        return;
    };
    let rows = published();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for published in &rows {
        let Some((study, name, pairs)) = place(published) else { continue };
        let design = study.designs().into_iter().find(|design| design.name == name);
        let design = design.unwrap_or_else(|| panic!("{study:?} has no design {name}"));
        let reps = published["reps"].as_f64().unwrap();
        let measures = measure(&design, replicates);
        let row = design.row(&measures);
        for (column, key) in pairs {
            let got = row.cells.iter().find(|cell| cell.column == *column).and_then(|cell| cell.value);
            let want = published[*key].as_f64();
            if let (Some(got), Some(want)) = (got, want) {
                compared += 1;
                wrong.extend(off(&design, column, got, want, &measures, reps));
                if study == Study::Null && *column != "e, no correction" {
                    let most = 0.05 + 3.0 * (0.05f64 * 0.95 / replicates as f64).sqrt();
                    if got > most {
                        wrong.push(format!("{name} {column}: {got} is above {most}"));
                    }
                }
            }
        }
    }
    println!("{compared} figures of {replicates} replicates compared, {} off", wrong.len());
    assert!(compared > 400, "{compared}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
