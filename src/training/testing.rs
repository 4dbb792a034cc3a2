//! A made-up past for tests: a seeded walk with a pull that can be learnt, holes and a night.

use std::collections::BTreeMap;

use crate::domain::{Micros, Ohlc, Price, PriceDelta, Resolution, Tick, UtcMicros};
use crate::history::{Adjustment, DataSet, Fetched, Gaps, HistoryBar, MANIFEST_VERSION, Manifest, Sides};
use crate::sim::rng::Rng;

pub(crate) const T0: UtcMicros = UtcMicros(1_398_902_400_000_000); // 2014-05-01T00:00:00Z
pub(crate) const MINUTE: Micros = Micros(60_000_000);

pub(crate) fn minute() -> Resolution {
    Resolution::new(MINUTE).unwrap()
}

pub(crate) fn manifest(rows: usize) -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        source: "made".to_owned(),
        symbol: "UP".to_owned(),
        interval: minute(),
        file: "bars.csv".to_owned(),
        sha256: "0".repeat(64),
        sides: Sides::Two,
        spread: PriceDelta::ZERO,
        price_decimals: 6,
        adjustment: Adjustment::None,
        zone: None,
        currency: None,
        rows: rows as u64,
        from: T0,
        to: T0,
        dropped: BTreeMap::new(),
        request: BTreeMap::new(),
        gaps: Gaps::default(),
        covered: Vec::new(),
        fetched: Fetched { first_at: T0, at: T0, requests: 1 },
    }
}

/// Quotes of `minutes` minutes, several a minute, most minutes: some are silent, and one night in between is. The mid
/// leans back to where it was ten minutes ago, which a linear model can learn.
pub(crate) fn quotes(minutes: i64, seed: u64) -> Vec<Tick> {
    let mut rng = Rng::new(seed, "a made-up past");
    let mut mid = 1_000_000.0_f64;
    let mut past: Vec<f64> = Vec::new();
    let mut ticks = Vec::new();
    let mut night = Micros(0);
    for n in 0..minutes {
        if n == minutes / 3 {
            night = Micros(8 * 3_600_000_000);
        }
        let before = past.len().checked_sub(10).map_or(mid, |at| past[at]);
        mid += 0.2 * (before - mid) + 60.0 * rng.bell();
        past.push(mid);
        if rng.chance(0.02) {
            continue;
        }
        for k in 0..4 {
            let at = mid + 15.0 * rng.bell();
            let spread = rng.between(15.0, 30.0);
            #[expect(clippy::cast_possible_truncation, reason = "a price of about one, in millionths")]
            let price = |value: f64| Price::from_micros(value.round() as i64);
            let time = T0 + night + Micros(n * MINUTE.0 + k * 14_000_000 + 292_000);
            ticks.push(Tick { time, bid: price(at), offer: price(at + spread) });
        }
    }
    ticks
}

/// Minute bars of such quotes, folded here by hand.
pub(crate) fn bars_of(ticks: &[Tick]) -> Vec<HistoryBar> {
    let ohlc = |prices: &[Price]| Ohlc {
        open: prices[0],
        high: *prices.iter().max().unwrap(),
        low: *prices.iter().min().unwrap(),
        close: prices[prices.len() - 1],
    };
    ticks
        .chunk_by(|a, b| minute().floor(a.time) == minute().floor(b.time))
        .map(|run| HistoryBar {
            start: minute().floor(run[0].time),
            bid: ohlc(&run.iter().map(|tick| tick.bid).collect::<Vec<_>>()),
            offer: ohlc(&run.iter().map(|tick| tick.offer).collect::<Vec<_>>()),
            quotes: u32::try_from(run.len()).unwrap(),
        })
        .collect()
}

pub(crate) fn data_set(minutes: i64, seed: u64) -> DataSet {
    let bars = bars_of(&quotes(minutes, seed));
    DataSet { manifest: manifest(bars.len()), bars }
}
