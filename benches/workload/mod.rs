//! The market data and the candidates of the workloads, and what every measurement reads of its process.
//!
//! The data take integer arithmetic alone: they are the same bit for bit in any language.

#![allow(dead_code, reason = "every bench takes what it needs of it")]

use arena::config::{self, Config};
use arena::domain::{Candidate, ContentHash, ModelSpec, Price, Tick, UtcMicros};

/// 2024-01-01T00:00:00Z.
const T0_MS: i64 = 1_704_067_200_000;
const SEED: u64 = 0x5EED_0A12_E4A0_0001;
/// Prices are tenths of a point; a tenth is so many millionths.
const TENTH: i64 = 100_000;

fn splitmix64(i: u64) -> u64 {
    let mut z = SEED.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Milliseconds, bid and offer in tenths of a point, of the first `n` ticks: 2,000,000 are 30 days.
pub(crate) fn raw_ticks(n: u64) -> impl Iterator<Item = (i64, i64, i64)> {
    let mut mid = 75_000i64;
    (0..n).map(move |i| {
        let r = splitmix64(i);
        let small = |value: u64| i64::try_from(value).expect("a small remainder");
        let time = T0_MS + small(i * 1_296 + (r >> 40) % 1_296);
        mid += 2 * (i64::from((r & 0xFF_FFFF).count_ones()) - 12);
        let spread = 28 + small((r >> 24) % 5);
        let bid = mid - spread / 2;
        (time, bid, bid + spread)
    })
}

/// The same as quotes.
pub(crate) fn ticks(n: u64) -> Vec<Tick> {
    let price = |tenths: i64| Price::from_micros(tenths * TENTH);
    raw_ticks(n).map(|(t, b, o)| Tick { time: UtcMicros(t * 1_000), bid: price(b), offer: price(o) }).collect()
}

/// The same as CSV: `ts_ms,bid,offer`.
pub(crate) fn csv(n: u64) -> Vec<u8> {
    use std::io::Write as _;
    let mut text = b"ts_ms,bid,offer\n".to_vec();
    for (t, b, o) in raw_ticks(n) {
        writeln!(text, "{t},{}.{},{}.{}", b / 10, b % 10, o / 10, o % 10).expect("text is written into memory");
    }
    text
}

/// The market of workload W2: a point is 1, no costs, no limits of dealing.
const ARENA: &str = r#"
[arena]
name = "workload"
record_predictions = RECORD

[feed]
source = "sim"
record = false

[[markets]]
epic = "WORKLOAD"
currency = "GBP"
point = 1
value_per_point = 1
size_min = 0.5
stop_min_points = 0
gap_allowance_points = 0
funding_annual_rate = 0

[paper]
latency = "0s"
slippage_points = 0

[[models]]
name = "momentum"
epic = "WORKLOAD"
bar = "1m"
kind = "momentum"
direction = "long"
params = { lookback = 61, threshold = 0.001 }
hold = "3m"
stop = 7.5
limit = 11.25
size = 1
"#;

/// An arena of the first `n` models of W2. Idle ones have a threshold that nothing reaches.
pub(crate) fn arena(n: u32, is_idle: bool, records_predictions: bool, models_per_host: Option<usize>) -> Config {
    let text = ARENA.replace("RECORD", if records_predictions { "true" } else { "false" });
    let mut config = match config::parse(&text, "workload.toml", std::path::Path::new("")) {
        Ok(config) => config,
        Err(faults) => {
            panic!("the workload's configuration: {}", faults.iter().map(|f| format!("{f}; ")).collect::<String>())
        }
    };
    let pattern = config.candidates[0].clone();
    config.candidates = (0..n).map(|m| model(&pattern, m, is_idle)).collect();
    config.arena.models_per_host = models_per_host.unwrap_or_else(|| config::auto_models_per_host(n as usize));
    config
}

/// Model `m` of W2.
fn model(pattern: &Candidate, m: u32, is_idle: bool) -> Candidate {
    let lookback = 2 + m % 60;
    let z = 1.5 + 0.25 * f64::from((m / 60) % 4);
    let threshold = if is_idle { f64::INFINITY } else { z * 0.00045 * f64::from(lookback).sqrt() };
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&m.to_be_bytes());
    Candidate {
        id: format!("m{m}").as_str().into(),
        spec: ModelSpec::Momentum { lookback, threshold },
        content_hash: ContentHash(hash),
        lineage: None,
        ..pattern.clone()
    }
}

/// CPU time of the process, all threads, in seconds.
pub(crate) fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The most memory that the process has held, in MB of 1,000,000 bytes.
pub(crate) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// Two digits after the point.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
