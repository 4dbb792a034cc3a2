//! What training promises: the rows of the live path, fits that know no future, the same bytes again.

use std::num::NonZeroUsize;

use super::plan::{Plan, Request};
use super::rows::{DataError, Series, close_of};
use super::testing::{MINUTE, T0, bars_of, data_set, manifest, minute, quotes};
use super::train::{Maker, Sweep, TrainError, train};
use crate::bars::Resampler;
use crate::domain::{Bar, EpicIdx, Micros, Price, UtcMicros};
use crate::feed::QuoteBlock;
use crate::history::DataSet;
use crate::models::features::FeatureSpec;
use crate::models::fitted::{Fitted, Kind};

const RESET_AFTER: Micros = Micros(3_600_000_000);

pub(super) fn plan(values: &[(&str, &str)], sweep: &[(&str, &[&str])]) -> Plan {
    Plan::of(&request(values, sweep)).unwrap()
}

fn request(values: &[(&str, &str)], sweep: &[(&str, &[&str])]) -> Request {
    let mut request = Request::default();
    let usual = [("kind", "ols"), ("name", "made"), ("data", "made/UP/1m"), ("features", "lags=4,spread")];
    for (key, value) in usual.iter().chain(values) {
        request.values.push(((*key).to_owned(), (*value).to_owned()));
    }
    for (key, values) in sweep {
        request.sweep.push(((*key).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()));
    }
    request
}

pub(super) fn run(data: &DataSet, plan: &Plan, threads: usize) -> Sweep {
    let maker = Maker { at: T0, version: "0", commit: None };
    train(data, plan, &maker, NonZeroUsize::new(threads).unwrap(), &|| ()).unwrap()
}

fn refused(data: &DataSet, plan: &Plan) -> TrainError {
    let sweep = run(data, plan, 1);
    assert!(sweep.best.is_empty());
    sweep.lines.into_iter().next().unwrap().result.unwrap_err()
}

/// What an arena makes of quotes: the rows of every closed bar, by its end.
fn live_rows(quotes: &[crate::domain::Tick], features: &FeatureSpec, block: usize) -> Vec<(UtcMicros, Vec<u64>)> {
    // An arena's windows are as long as the longest lookback of all its models.
    let mut resampler = Resampler::new(&[(EpicIdx(0), minute())], 1, features.lookback() + 37, RESET_AFTER);
    let mut rounds = Vec::new();
    for ticks in quotes.chunks(block) {
        let n = u32::try_from(ticks.len()).unwrap();
        resampler.push(QuoteBlock { ticks: ticks.to_vec(), runs: vec![(EpicIdx(0), n)] }, &mut rounds);
    }
    resampler.close_due(quotes.last().unwrap().time + MINUTE, &mut rounds);
    let mut row = Vec::new();
    let bars = rounds.iter().flat_map(|round| &round.bars);
    bars.filter(|bar| features.row(&bar.mids2, &close_of(bar), &mut row).then_some(()).is_some())
        .map(|bar| (bar.end, bits(&features_of(features, bar))))
        .collect()
}

fn features_of(features: &FeatureSpec, bar: &Bar) -> Vec<f64> {
    let mut row = Vec::new();
    assert!(features.row(&bar.mids2, &close_of(bar), &mut row));
    row
}

fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn training_rows_are_those_of_the_live_path_to_the_bit() {
    let features = FeatureSpec { lags: 5, returns: vec![1, 9], volatility: vec![6], spread: true, hour: true };
    let quotes = quotes(1_500, 3);
    let bars = bars_of(&quotes);
    let data = DataSet { manifest: manifest(bars.len()), bars };
    let series = Series::new(&data, minute(), features.lookback(), RESET_AFTER).unwrap();
    let table = series.table(&features, 5);
    assert!(table.counts.broken > 100 && table.counts.warming >= 18, "holes and a night: {:?}", table.counts);
    for block in [1, 97, quotes.len()] {
        let live = live_rows(&quotes, &features, block);
        let mut compared = 0;
        for (at, bar) in table.bars.iter().enumerate() {
            let end = series.bars[*bar].end;
            let place = live.binary_search_by_key(&end, |(end, _)| *end).expect("the live path has the row too");
            assert_eq!(live[place].1, bits(table.row(at)), "{end}");
            compared += 1;
        }
        assert_eq!(compared, table.len());
        // And none that training has not, but those without a target.
        let without = table.counts.broken + table.counts.beyond_end;
        assert_eq!(live.len() as u64, table.counts.usable + without);
    }
}

#[test]
fn a_target_is_the_bid_at_the_horizon_over_the_offer_now() {
    // Mids 1.00, 1.01, 1.02 …, a spread of 0.002.
    let price = |n: i64, up: i64| Price::from_micros(1_000_000 + 10_000 * n + up);
    let mut bars = bars_of(&quotes(10, 1));
    bars.truncate(8);
    for (n, bar) in (0..).zip(&mut bars) {
        bar.start = T0 + Micros(n * MINUTE.0);
        bar.bid = crate::domain::Ohlc::of(price(n, -1_000));
        bar.offer = crate::domain::Ohlc::of(price(n, 1_000));
    }
    // The seventh bar comes a minute late: nothing may look over that hole.
    for bar in &mut bars[6..] {
        bar.start = bar.start + MINUTE;
    }
    let data = DataSet { manifest: manifest(8), bars };
    let features = FeatureSpec { lags: 1, ..FeatureSpec::default() };
    let table = Series::new(&data, minute(), 1, RESET_AFTER).unwrap().table(&features, 2);
    assert_eq!(table.bars, [1, 2, 3]);
    let want = |n: i64| (price(n + 2, -1_000).micros() as f64) / (price(n, 1_000).micros() as f64);
    assert_eq!(table.y, [want(1), want(2), want(3)]);
    assert_eq!((table.counts.warming, table.counts.broken, table.counts.beyond_end), (1, 2, 2));
    // A reset behind a silence empties the window, so that its first bar has no row.
    let mut data = data;
    for bar in &mut data.bars[6..] {
        bar.start = bar.start + RESET_AFTER;
    }
    let table = Series::new(&data, minute(), 1, RESET_AFTER).unwrap().table(&features, 2);
    assert_eq!((table.counts.warming, table.counts.broken, table.counts.beyond_end), (2, 2, 1));
}

#[test]
fn longer_bars_are_made_of_shorter_ones_as_the_resampler_does() {
    let data = data_set(600, 5);
    let five = "5m".parse().unwrap();
    let series = Series::new(&data, five, 3, RESET_AFTER).unwrap();
    assert!(series.bars.iter().all(|bar| bar.end - bar.start == Micros(5 * MINUTE.0)));
    assert!(series.bars.len() >= 118 && series.bars.len() <= 122, "{}", series.bars.len());
    let error = Series::new(&data, "90s".parse().unwrap(), 3, RESET_AFTER).unwrap_err();
    assert!(matches!(error, DataError::Length { .. }), "{error}");
}

#[test]
fn nothing_after_the_training_rows_changes_what_is_fitted() {
    let data = data_set(2_000, 7);
    let plan = plan(&[("folds", "3")], &[]);
    let trained = run(&data, &plan, 1).best.remove(0);
    let train = trained.card.splits.train;
    // The last training target comes true a horizon after the last row; from the next bar on all may change.
    let first = usize::try_from(train.last_bar).unwrap() + 6;
    let mut reversed = data.clone();
    let prices: Vec<_> = data.bars[first..].iter().rev().map(|bar| (bar.bid, bar.offer)).collect();
    for (bar, (bid, offer)) in reversed.bars[first..].iter_mut().zip(prices) {
        (bar.bid, bar.offer) = (bid, offer);
    }
    let mut doubled = data.clone();
    for bar in &mut doubled.bars[first..] {
        for side in [&mut bar.bid, &mut bar.offer] {
            for price in [&mut side.open, &mut side.high, &mut side.low, &mut side.close] {
                *price = Price::from_micros(price.micros() * 2);
            }
        }
    }
    for (name, other) in [("reversed", &reversed), ("doubled", &doubled)] {
        let again = run(other, &plan, 1).best.remove(0);
        assert_eq!(again.card.splits, trained.card.splits, "{name}");
        assert!(again.artefact == trained.artefact, "{name}: the fit has seen the future");
        assert_eq!(again.card.trading, trained.card.trading, "{name}: the terms have seen the future");
        assert_eq!(again.card.metrics.train, trained.card.metrics.train, "{name}");
        assert_ne!(again.card.metrics.test, trained.card.metrics.test, "{name}: or this test proves nothing");
    }
    // A change before that does show.
    let mut past = data.clone();
    let bid = &mut past.bars[first - 1].bid;
    bid.close = Price::from_micros(bid.low.micros() - 100);
    bid.low = bid.close;
    assert_ne!(run(&past, &plan, 1).best[0].card.artefact, trained.card.artefact);
}

#[test]
fn parts_do_not_see_one_another() {
    let data = data_set(2_000, 7);
    let trained = run(&data, &plan(&[], &[]), 1).best.remove(0);
    let splits = trained.card.splits;
    assert_eq!(splits.embargo_bars, 9, "horizon 5 and lookback 4");
    for (before, after) in [(splits.train, splits.validation), (splits.validation, splits.test)] {
        // The first row after looks back 4 bars, the target of the last row before ahead 5.
        assert!(after.first_bar - 4 > before.last_bar + 5, "{before:?} {after:?}");
    }
}

#[test]
fn the_same_training_gives_the_same_bytes_on_any_number_of_threads() {
    let data = data_set(1_200, 11);
    let plan = plan(&[("top", "3")], &[("lags", &["2", "4", "8"]), ("horizon", &["3", "5"])]);
    let one = run(&data, &plan, 1);
    let four = run(&data, &plan, 4);
    assert_eq!(one.lines.len(), 6);
    for (a, b) in one.lines.iter().zip(&four.lines) {
        assert_eq!((a.number, a.score), (b.number, b.score));
    }
    assert_eq!(one.best.len(), 3);
    for ((a, b), line) in one.best.iter().zip(&four.best).zip(&one.lines) {
        assert_eq!((a.card.artefact, a.card.identity, &a.artefact), (b.card.artefact, b.card.identity, &b.artefact));
        assert_eq!(a.outcomes, b.outcomes);
        assert_eq!(a.card.artefact, line.result.as_ref().unwrap().artefact, "the best stand in the order of the table");
        assert_eq!(Fitted::from_bytes(&a.artefact).unwrap().to_bytes(), a.artefact);
    }
    let scores: Vec<f64> = one.lines.iter().map(|line| line.score.unwrap()).collect();
    assert!(scores.is_sorted(), "{scores:?}");
}

#[test]
fn what_can_be_learnt_is_learnt_and_noise_is_not() {
    let data = data_set(6_000, 13);
    let trained = run(&data, &plan(&[("features", "lags=12"), ("threshold", "1.00003")], &[]), 1).best.remove(0);
    let test = trained.card.metrics.test;
    assert!(test.r2.unwrap() > 0.1, "{test:?}");
    assert!(test.rmse < test.flat.rmse.unwrap(), "{test:?}");
    assert!(test.hit_rate.unwrap() > test.random.hit_rate.unwrap() + 0.1, "{test:?}");
    assert!(test.expectancy_r.unwrap() > test.random.expectancy_r.unwrap(), "{test:?}");
    assert!(test.random.expectancy_r.unwrap() < 0.0, "a random side pays the spread: {test:?}");
    assert_eq!(test.flat.expectancy_r, Some(0.0));
    assert!(test.trades > 20);
}

#[test]
fn walk_forward_scores_the_mean_of_its_folds() {
    let data = data_set(3_000, 17);
    let sweep = run(&data, &plan(&[("folds", "4"), ("score", "mae")], &[]), 1);
    let folds = &sweep.best[0].card.folds;
    assert_eq!(folds.len(), 4);
    let mean = folds.iter().map(|fold| fold.mae).sum::<f64>() / 4.0;
    assert_eq!(sweep.lines[0].score, Some(mean));
    for fold in folds {
        assert!(fold.train.to < fold.validation.from);
        assert!(fold.validation.to <= sweep.best[0].card.splits.validation.to, "no fold sees the test");
    }
    let rolling = run(&data, &plan(&[("folds", "4"), ("walk", "rolling")], &[]), 1);
    let lengths: Vec<u64> = rolling.best[0].card.folds.iter().map(|fold| fold.train.rows).collect();
    assert!(lengths.iter().all(|rows| rows.abs_diff(lengths[0]) <= 1), "{lengths:?}");
    assert_eq!(rolling.best[0].card.artefact, sweep.best[0].card.artefact, "folds choose, they do not fit");
}

#[test]
fn data_that_cannot_be_learnt_from_are_refused_in_a_sentence() {
    let data = data_set(600, 19);
    let plain = plan(&[], &[]);
    let changed = |change: &dyn Fn(&mut DataSet)| {
        let mut data = data.clone();
        change(&mut data);
        data
    };
    let maker = Maker { at: T0, version: "0", commit: None };
    let wrong = |data: &DataSet| train(data, &plain, &maker, NonZeroUsize::MIN, &|| ()).unwrap_err();
    assert_eq!(wrong(&changed(&|data| data.bars.clear())), DataError::Empty);
    assert!(matches!(wrong(&changed(&|data| data.bars[5] = data.bars[4])), DataError::OutOfOrder { .. }));
    assert!(matches!(wrong(&changed(&|data| data.bars.swap(4, 5))), DataError::OutOfOrder { .. }));
    let off = |data: &mut DataSet| data.bars[4].start = data.bars[4].start + Micros(1);
    assert!(matches!(wrong(&changed(&off)), DataError::OffGrid { .. }));
    assert!(matches!(wrong(&changed(&|data| data.bars[4].bid.low = Price::ZERO)), DataError::BadPrice { .. }));

    let horizon = refused(&data, &plan(&[("horizon", "90000")], &[]));
    assert!(horizon.to_string().contains("longer than the data set"), "{horizon}");
    let short = refused(&changed(&|data| data.bars.truncate(60)), &plain);
    assert!(short.to_string().contains("too short: its 60 bars"), "{short}");
    let none = refused(&changed(&|data| data.bars.truncate(3)), &plain);
    assert!(matches!(none, TrainError::Horizon { .. }), "{none}");
    let flat = refused(
        &changed(&|data| {
            for bar in &mut data.bars {
                bar.bid = crate::domain::Ohlc::of(Price::from_micros(1_000_000));
                bar.offer = crate::domain::Ohlc::of(Price::from_micros(1_000_100));
            }
        }),
        &plain,
    );
    assert!(flat.to_string().contains("lag_1 is 0 in every training row"), "{flat}");
    for error in [horizon, short, none, flat] {
        assert!(!error.to_string().ends_with('.'));
    }
}

#[test]
fn one_bad_combination_does_not_end_a_sweep() {
    let data = data_set(600, 23);
    let sweep = run(&data, &plan(&[("top", "5")], &[("horizon", &["5", "50000"])]), 2);
    assert_eq!(sweep.best.len(), 1);
    assert!(sweep.lines[0].result.is_ok() && sweep.lines[1].result.is_err());
}

#[test]
fn every_kind_trains_twice_to_the_same_bytes() {
    let data = data_set(900, 31);
    for kind in Kind::ALL {
        let plan = plan(&[("kind", kind.name()), ("features", "lags=60,spread")], &[]);
        let sweep = run(&data, &plan, 1);
        if let Err(e) = &sweep.lines[0].result {
            panic!("{kind}: {e}");
        }
        let (one, two) = (&sweep.best[0], &run(&data, &plan, 2).best[0]);
        assert!(one.artefact == two.artefact, "{kind}");
        assert_eq!((one.card.artefact, one.card.identity), (two.card.artefact, two.card.identity), "{kind}");
        assert_eq!(one.card.distances.is_some(), *kind == Kind::Knn, "{kind}");
    }
}

#[test]
fn a_gate_abstains_from_what_is_far_from_all_that_was_seen() {
    let data = data_set(3_000, 37);
    let with = |gate: &str| {
        let plan = plan(&[("kind", "knn"), ("features", "lags=6"), ("max_distance", gate)], &[]);
        run(&data, &plan, 1).best.remove(0).card
    };
    let half = with("0.5");
    let distances = half.distances.as_ref().unwrap();
    assert_eq!(distances.quantiles.len(), 101);
    assert!(distances.quantiles.is_sorted());
    assert_eq!(half.trading.max_distance, Some(distances.quantiles[50]));
    assert!((distances.abstained - 0.5).abs() < 1e-9, "{}", distances.abstained);
    // What was not fitted lies no nearer to the training rows than these to one another.
    assert!((0.35..0.75).contains(&half.metrics.validation.abstained), "{:?}", half.metrics.validation);
    let all = with("1");
    assert!(all.metrics.validation.abstained < 0.02 && all.metrics.validation.trades > half.metrics.validation.trades);
    let none = with("absolute=0");
    assert!(none.metrics.test.abstained > 0.999_999);
    assert_eq!((none.metrics.test.trades, none.metrics.test.expectancy_r, none.metrics.test.hit_rate), (0, None, None));
    assert_eq!(none.artefact, all.artefact, "a gate is no part of what is fitted");
    let faults = Plan::of(&request(&[("max_distance", "0.9")], &[])).unwrap_err();
    assert!(faults[0].contains("ols measures no distance"), "{faults:?}");
}
