//! Recorded prices as training sees them and as an arena sees them: the same rows, to the bit.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use arena::bars::Resampler;
use arena::domain::{EpicIdx, Micros, PriceDelta, Resolution, Tick, UtcMicros};
use arena::feed::bar_csv::BarReader;
use arena::feed::csv::QuoteReader;
use arena::feed::{Input, OnBad, QuoteBlock};
use arena::history::{Adjustment, DataSet, Fetched, Gaps, HistoryBar, MANIFEST_VERSION, Manifest, Sides};
use arena::models::features::FeatureSpec;
use arena::training::rows::{Series, close_of};

const RESET_AFTER: Micros = Micros(3_600_000_000);

/// A file of the shared market data; `None`, and a word about it, where it is not there.
fn shared(name: &str) -> Option<Input> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "shared", "market-data", name].iter().collect();
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(Input::from(path))
}

fn minute() -> Resolution {
    "1m".parse().unwrap()
}

fn data_set(input: &Input) -> DataSet {
    let mut reader = BarReader::open(input, EpicIdx(0), Some(minute()), OnBad::Stop).unwrap();
    let mut rows = VecDeque::new();
    while reader.read(&mut rows, usize::MAX).unwrap() {}
    let bars: Vec<HistoryBar> = rows
        .iter()
        .map(|row| HistoryBar { start: row.start, bid: row.bid, offer: row.offer, quotes: row.ticks })
        .collect();
    let (from, to) = (bars[0].start, bars[bars.len() - 1].start);
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        source: "csv".to_owned(),
        symbol: "EURUSD".to_owned(),
        interval: minute(),
        file: "bars.csv".to_owned(),
        sha256: "0".repeat(64),
        sides: Sides::Two,
        spread: PriceDelta::ZERO,
        price_decimals: 5,
        adjustment: Adjustment::None,
        zone: None,
        currency: None,
        rows: bars.len() as u64,
        from,
        to,
        dropped: BTreeMap::new(),
        request: BTreeMap::new(),
        gaps: Gaps::default(),
        covered: Vec::new(),
        fetched: Fetched { first_at: from, at: to, requests: 0 },
    };
    DataSet { manifest, bars }
}

/// The rows that an arena makes of quotes, by the close of their bars.
fn live(quotes: &[Tick], features: &FeatureSpec) -> BTreeMap<UtcMicros, Vec<u64>> {
    let mut resampler = Resampler::new(&[(EpicIdx(0), minute())], 1, features.lookback() + 100, RESET_AFTER);
    let mut rounds = Vec::new();
    for ticks in quotes.chunks(1_021) {
        let n = u32::try_from(ticks.len()).unwrap();
        resampler.push(QuoteBlock { ticks: ticks.to_vec(), runs: vec![(EpicIdx(0), n)] }, &mut rounds);
    }
    let mut row = Vec::new();
    let mut rows = BTreeMap::new();
    for bar in rounds.iter().flat_map(|round| &round.bars) {
        if features.row(&bar.mids2, &close_of(bar), &mut row) {
            rows.insert(bar.end, row.iter().map(|value| value.to_bits()).collect());
        }
    }
    rows
}

fn check(ticks: &str, bars: &str, rows_min: usize) {
    let (Some(ticks), Some(bars)) = (shared(ticks), shared(bars)) else { return };
    let features = FeatureSpec { lags: 20, returns: vec![1, 5, 60], volatility: vec![30], spread: true, hour: true };
    let data = data_set(&bars);
    let series = Series::new(&data, minute(), features.lookback(), RESET_AFTER).unwrap();
    let table = series.table(&features, 5);
    let mut quotes = Vec::new();
    let mut reader = QuoteReader::open(&ticks, OnBad::Skip).unwrap();
    while reader.read(&mut quotes, usize::MAX).unwrap() {}
    let live = live(&quotes, &features);
    let last = *live.keys().next_back().unwrap();
    let mut compared = 0;
    for (at, place) in table.bars.iter().enumerate() {
        let end = series.bars[*place].end;
        if end > last {
            break;
        }
        let trained: Vec<u64> = table.row(at).iter().map(|value| value.to_bits()).collect();
        assert_eq!(live.get(&end), Some(&trained), "the close of {end}");
        compared += 1;
    }
    assert!(compared >= rows_min, "only {compared} rows were compared: {:?}", table.counts);
}

#[test]
fn euro_rows_are_the_same_from_bars_and_from_quotes() {
    check("ticks/eurusd_oanda_ticks_2014-05-01_09.csv.gz", "bars-1min/eurusd_oanda_1min_2014-05-01_09.csv.gz", 8_000);
}

#[test]
fn gold_rows_are_the_same_from_bars_and_from_quotes() {
    check("ticks/xauusd_oanda_ticks_2014-05-01_02.csv.gz", "bars-1min/xauusd_oanda_1min_2014-05-01_09.csv.gz", 2_000);
}
