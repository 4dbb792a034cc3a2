//! The e-process and its lower bounds against reference values that another implementation computed
//! (`tests/oracles/eprocess.json`, cross-checked there with confseq's `diversified_betting_mart`).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

use arena::config::{PromotionConfig, PromotionMode};
use arena::promoter::Evidence;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Oracle {
    tolerance: Tolerance,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Tolerance {
    log_e_abs: f64,
    lcb_abs: f64,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    x: Vec<f64>,
    floor_r: f64,
    lambdas: Vec<f64>,
    log_e_at: BTreeMap<usize, f64>,
    log_e_path: Vec<f64>,
    first_crossing: BTreeMap<String, i64>,
    lcb: BTreeMap<String, Bounds>,
    n: u64,
    sum: f64,
    sum_sq: f64,
}

#[derive(Deserialize)]
struct Bounds {
    exact: f64,
    fast: f64,
}

fn config() -> PromotionConfig {
    PromotionConfig {
        mode: PromotionMode::Auto,
        live_slots: 1,
        alpha: 0.05,
        alpha_slots: 128,
        slot_first_share: 0.8,
        slot_dead: 1e-6,
        floor_r: 3.0,
        null_edge_r: 0.0,
        cost_stress: 1.25,
        bets: 12,
        lambda_min: 0.01,
        lambda_cap: 0.9,
        min_episodes: 100,
        min_days: 30,
        min_active_days: 20,
        confirm_events: 1,
        ramp: vec![0.25, 0.5, 1.0],
        cooldown_days: 14,
        cooldown_episodes: 50,
        max_reentries: 2,
    }
}

fn oracle() -> Oracle {
    serde_json::from_str(include_str!("oracles/eprocess.json")).expect("the oracle is as it was copied")
}

fn near(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want} within {tolerance}");
}

#[test]
fn eprocess_log_e_follows_the_oracle_at_every_episode() {
    let oracle = oracle();
    assert_eq!(oracle.cases.len(), 7);
    for case in &oracle.cases {
        let mut evidence = Evidence::new(&config(), case.floor_r, Some(1.0));
        for (j, (got, want)) in evidence.lambdas().iter().zip(&case.lambdas).enumerate() {
            near(*got, *want, 1e-12, &format!("{} bet {j}", case.name));
        }
        let mut path = Vec::new();
        for x in &case.x {
            evidence.on_episode(*x);
            path.push(evidence.log_e().unwrap());
        }
        assert_eq!(path.len(), case.log_e_path.len());
        for (k, (got, want)) in path.iter().zip(&case.log_e_path).enumerate() {
            near(*got, *want, oracle.tolerance.log_e_abs, &format!("{} after {}", case.name, k + 1));
        }
        for (k, want) in &case.log_e_at {
            near(path[k - 1], *want, oracle.tolerance.log_e_abs, &format!("{} at {k}", case.name));
        }
        for (threshold, want) in &case.first_crossing {
            let (top, bottom) = threshold.split_once('/').unwrap();
            let limit = (top.parse::<f64>().unwrap() / bottom.parse::<f64>().unwrap()).ln();
            let got = path.iter().position(|log_e| *log_e >= limit).map_or(-1, |k| i64::try_from(k).unwrap() + 1);
            assert_eq!(got, *want, "{} first reaches {threshold}", case.name);
        }
        assert_eq!(evidence.n(), case.n);
        near(evidence.power_sums()[0], case.sum, 1e-9, &case.name);
        near(evidence.power_sums()[1], case.sum_sq, 1e-9, &case.name);
    }
}

#[test]
fn eprocess_lower_bounds_follow_the_oracle() {
    let oracle = oracle();
    for case in &oracle.cases {
        let mut evidence = Evidence::new(&config(), case.floor_r, Some(1.0));
        case.x.iter().for_each(|x| evidence.on_episode(*x));
        for (level, want) in &case.lcb {
            let a: f64 = level.parse().unwrap();
            let what = format!("{} at {level}", case.name);
            near(evidence.lcb_fast(a), want.fast, oracle.tolerance.lcb_abs, &format!("fast {what}"));
            near(evidence.lcb_exact(a, &case.x), want.exact, oracle.tolerance.lcb_abs, &format!("exact {what}"));
        }
    }
}
