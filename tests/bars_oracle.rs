//! Real quotes resampled against the bars that their source made of them: all eight prices of every bar.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

use std::collections::VecDeque;
use std::path::PathBuf;

use arena::bars::FoldedBar;
use arena::cli::resample::resample;
use arena::domain::{BadQuote, EpicIdx, Resolution};
use arena::feed::bar_csv::BarReader;
use arena::feed::csv::QuoteReader;
use arena::feed::{BarRow, Input, OnBad};

/// A file of the shared market data; `None`, and a word about it, where it is not there.
fn shared(name: &str) -> Option<Input> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "shared", "market-data", name].iter().collect();
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(Input::from(path))
}

fn resampled(input: &Input, every: Resolution) -> Vec<FoldedBar> {
    let mut bars = Vec::new();
    let each = &mut |bar: &FoldedBar| {
        bars.push(*bar);
        Ok(())
    };
    resample(input, every, OnBad::Stop, each, &|_| ()).unwrap();
    bars
}

fn recorded(input: &Input, every: Resolution) -> Vec<BarRow> {
    let mut reader = BarReader::open(input, EpicIdx(0), Some(every), OnBad::Stop).unwrap();
    let mut rows = VecDeque::new();
    while reader.read(&mut rows, usize::MAX).unwrap() {}
    rows.into()
}

fn check(ticks: &str, bars: &str, n_quotes: u64, n_bars: usize) {
    let (Some(ticks), Some(bars)) = (shared(ticks), shared(bars)) else { return };
    let minute: Resolution = "1m".parse().unwrap();
    let got = resampled(&ticks, minute);
    let want = recorded(&bars, minute);
    assert_eq!(got.len(), n_bars);
    assert_eq!(got.iter().map(|bar| u64::from(bar.ticks)).sum::<u64>(), n_quotes);
    for (got, want) in got.iter().zip(&want) {
        assert_eq!((got.start, got.bid, got.offer), (want.start, want.bid, want.offer), "the bar at {}", want.start);
    }
    assert!(want.len() >= n_bars);
}

#[test]
fn euro_quotes_give_exactly_the_bars_of_their_source() {
    check(
        "ticks/eurusd_oanda_ticks_2014-05-01_09.csv.gz",
        "bars-1min/eurusd_oanda_1min_2014-05-01_09.csv.gz",
        321_559,
        9_552,
    );
}

#[test]
fn gold_quotes_give_exactly_the_first_bars_of_their_source() {
    check(
        "ticks/xauusd_oanda_ticks_2014-05-01_02.csv.gz",
        "bars-1min/xauusd_oanda_1min_2014-05-01_09.csv.gz",
        394_759,
        2_632,
    );
}

#[test]
fn crossed_quotes_are_counted_and_left_out() {
    let Some(input) = shared("ticks/eurusd_fxcm_ticks_2014-05-01_02.csv.gz") else { return };
    let mut reader = QuoteReader::open(&input, OnBad::Skip).unwrap();
    let mut ticks = Vec::new();
    while reader.read(&mut ticks, usize::MAX).unwrap() {}
    assert_eq!((reader.bad().get(BadQuote::Crossed), reader.bad().total()), (16_052, 16_052));
    assert_eq!(ticks.len(), 147_459 - 16_052);
    assert!(ticks.iter().all(|tick| tick.bid <= tick.offer));
}

#[test]
fn bars_with_an_empty_side_or_crossed_prices_are_refused() {
    let Some(input) = shared("bars-1min/es_dec2013_cme_1min_quotes_2013-10-07_11.csv.gz") else { return };
    let mut reader = BarReader::open(&input, EpicIdx(0), "1m".parse().ok(), OnBad::Skip).unwrap();
    let mut rows = VecDeque::new();
    while reader.read(&mut rows, usize::MAX).unwrap() {}
    let bad = *reader.bad();
    // 46 rows lack a side; a handful are crossed somewhere.
    assert_eq!(bad.get(BadQuote::Unparsable), 46, "{bad}");
    assert!((3..20).contains(&bad.get(BadQuote::Crossed)), "{bad}");
    assert_eq!(rows.len() as u64 + bad.total(), 6_918);
}
