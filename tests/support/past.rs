//! A data set on disk: minutes of a market with a little that can be foreseen in it.

// Every test binary compiles this file for itself and uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]

use std::path::Path;

use arena::domain::{Ohlc, Price, PriceDelta, Resolution, UtcMicros};
use arena::history::{Adjustment, Fetched, Folder, Format, Gaps, HistoryBar, MANIFEST_VERSION, Manifest, Rows, Sides};

/// 2014-05-01T00:00:00Z.
const START: i64 = 1_398_902_400_000_000;
const MINUTE: i64 = 60_000_000;

/// The name that `--data` takes.
pub const DATA_SET: &str = "made/TEST/1m";

/// Closing mids in millionths: a walk whose steps lean on the one before.
pub fn mids(n: usize, seed: u64) -> Vec<i64> {
    let mut state = seed | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let (mut price, mut step) = (1_600_000.0_f64, 0.0);
    (0..n)
        .map(|_| {
            step = 0.45 * step + 160.0 * draw();
            price += step - (price - 1_600_000.0) * 0.002;
            #[allow(clippy::cast_possible_truncation, reason = "a price of seven digits")]
            let mid = price.round() as i64;
            mid
        })
        .collect()
}

/// Writes the data set [`DATA_SET`] of `n` minutes below the data folder `data`.
pub fn write(data: &Path, n: usize, seed: u64) {
    let interval: Resolution = "1m".parse().unwrap();
    let mids = mids(n, seed);
    let bars: Vec<HistoryBar> = (0..n)
        .map(|at| {
            let (open, close) = (mids[at.saturating_sub(1)], mids[at]);
            let side = |shift: i64| Ohlc {
                open: Price::from_micros(open + shift),
                high: Price::from_micros(open.max(close) + 20 + shift),
                low: Price::from_micros(open.min(close) - 20 + shift),
                close: Price::from_micros(close + shift),
            };
            HistoryBar {
                start: UtcMicros(START + i64::try_from(at).unwrap() * MINUTE),
                bid: side(-10),
                offer: side(10),
                quotes: 30,
            }
        })
        .collect();
    let rows = Rows::Two(bars);
    let folder = Folder::open(data, "made", "TEST", interval).unwrap();
    let mut manifest = Manifest {
        version: MANIFEST_VERSION,
        source: "made".to_owned(),
        symbol: "TEST".to_owned(),
        interval,
        file: String::new(),
        sha256: String::new(),
        sides: Sides::Two,
        spread: PriceDelta::ZERO,
        price_decimals: 6,
        adjustment: Adjustment::None,
        zone: None,
        currency: None,
        rows: 0,
        from: UtcMicros(0),
        to: UtcMicros(0),
        dropped: std::collections::BTreeMap::new(),
        request: std::collections::BTreeMap::new(),
        gaps: Gaps::default(),
        covered: Vec::new(),
        fetched: Fetched { first_at: UtcMicros(0), at: UtcMicros(0), requests: 1 },
    };
    folder.store(&mut manifest, &rows, Format::Csv).unwrap();
}
