//! The shape of the market against bands taken from recorded quotes, and that it is a function of its seed.

use super::*;
use crate::domain::{EpicIdx, Market};

const DAYS: i64 = 28;

pub(super) fn rules(epic: &str) -> Market {
    Market {
        epic: epic.into(),
        currency: "GBP".into(),
        point: "0.0001".parse().unwrap(),
        value_per_point: "1".parse().unwrap(),
        size_min: "0.5".parse().unwrap(),
        stop_min_points: "2".parse().unwrap(),
        gap_allowance_points: "8".parse().unwrap(),
        funding_annual_rate: "0.025".parse().unwrap(),
        session: None,
    }
}

fn spec(edge_r: f64) -> MarketSpec {
    MarketSpec::of(&rules("CS.D.GBPUSD.TODAY.IP"), edge_r)
}

fn monday() -> UtcMicros {
    "2025-01-06T00:00:00Z".parse().unwrap()
}

fn ticks(edge_r: f64, seed: u64) -> Vec<Tick> {
    let mut market = Synthetic::new(spec(edge_r), seed, monday());
    let mut ticks = Vec::new();
    while ticks.last().is_none_or(|tick: &Tick| tick.time.0 < monday().0 + DAYS * 1_440 * MINUTE) {
        ticks.extend(market.next_block(10_000));
    }
    ticks
}

/// Closing mid in points of each slot of `length` that has a quote, and how many it has, by the slot's number.
fn slots(ticks: &[Tick], length: i64) -> Vec<(i64, f64, u32)> {
    let mut slots: Vec<(i64, f64, u32)> = Vec::new();
    for tick in ticks {
        let slot = tick.time.0.div_euclid(length);
        let mid = tick.mid2() as f64 / 200.0;
        match slots.last_mut() {
            Some(last) if last.0 == slot => *last = (slot, mid, last.2 + 1),
            _ => slots.push((slot, mid, 1)),
        }
    }
    slots
}

fn is_traded(slot: i64, length: i64) -> bool {
    let time = UtcMicros(slot * length);
    Week::at_or_after(time).open <= time
}

/// Moves from slot to following slot.
fn moves(slots: &[(i64, f64, u32)]) -> Vec<(i64, f64)> {
    slots.windows(2).filter(|w| w[1].0 == w[0].0 + 1).map(|w| (w[1].0, w[1].1 - w[0].1)).collect()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let power = |k| values.iter().map(|v| (v - mean).powi(k)).sum::<f64>() / n;
    (power(2).sqrt(), power(4) / power(2).powi(2) - 3.0)
}

fn autocorrelation(moves: &[(i64, f64)], lag: i64) -> f64 {
    let lag_places = usize::try_from(lag).unwrap();
    let all: f64 = moves.iter().map(|m| m.1 * m.1).sum::<f64>() / moves.len() as f64;
    let pairs: Vec<f64> = moves
        .windows(lag_places + 1)
        .filter(|w| w[lag_places].0 == w[0].0 + lag)
        .map(|w| w[0].1 * w[lag_places].1)
        .collect();
    pairs.iter().sum::<f64>() / pairs.len() as f64 / all
}

fn quantile(values: &mut [i64], part: f64) -> i64 {
    values.sort_unstable();
    values[whole_place(values.len(), part)]
}

fn whole_place(len: usize, part: f64) -> usize {
    usize::try_from(whole(len as f64 * part)).unwrap().min(len - 1)
}

#[track_caller]
fn within(what: &str, value: f64, low: f64, high: f64) {
    assert!(value >= low && value <= high, "{what} is {value:.4}, not in {low}..{high}");
}

#[test]
fn moves_have_fat_tails_and_no_memory() {
    // Several months, since a single large minute can decide a fourth moment.
    let all: Vec<Tick> = (1..=3)
        .flat_map(|n| {
            let mut ticks = ticks(0.0, 30 + u64::try_from(n).unwrap());
            ticks.iter_mut().for_each(|tick| tick.time.0 += n * (DAYS + 7) * 1_440 * MINUTE);
            ticks
        })
        .collect();
    let (minutes, tens) = (moves(&slots(&all, MINUTE)), moves(&slots(&all, 10 * SECOND)));
    let (sd, kurtosis) = moments(&minutes.iter().map(|m| m.1).collect::<Vec<_>>());
    // GBP/USD of 2012-02: 1.28 bp of 1.58, kurtosis 20; EUR/USD of 2014-05: kurtosis 241.
    within("sd of a minute, points", sd, 1.2, 3.2);
    within("excess kurtosis of a minute", kurtosis, 15.0, 250.0);
    for lag in 1..=2 {
        within("autocorrelation of minutes", autocorrelation(&minutes, lag), -0.05, 0.05);
        within("autocorrelation of ten seconds", autocorrelation(&tens, lag), -0.03, 0.03);
    }
}

#[test]
fn quotes_come_in_bursts() {
    let all = ticks(0.0, 4);
    for (length, low, high) in [(MINUTE, 0.01, 0.05), (10 * SECOND, 0.17, 0.31)] {
        let slots = slots(&all, length);
        let open = (slots[0].0..=slots.last().unwrap().0).filter(|slot| is_traded(*slot, length)).count();
        within("share of empty slots", 1.0 - slots.len() as f64 / open as f64, low, high);
    }
    let counts: Vec<f64> = slots(&all, MINUTE).iter().map(|slot| f64::from(slot.2)).collect();
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / counts.len() as f64;
    let together = counts.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / counts.len() as f64;
    within("quotes in a minute", mean, 40.0, 110.0);
    within("variance over mean of quotes in a minute", variance / mean, 50.0, 750.0);
    within("memory of quotes in a minute", together / variance, 0.45, 0.85);
    let mut gaps: Vec<i64> = all.windows(2).map(|w| (w[1].time - w[0].time).0 / 1_000).collect();
    within("repeated stamps", gaps.iter().filter(|gap| **gap == 0).count() as f64 / gaps.len() as f64, 0.001, 0.03);
    within("median gap, ms", quantile(&mut gaps, 0.5) as f64, 10.0, 200.0);
    within("gap at 99 of 100, ms", quantile(&mut gaps, 0.99) as f64, 8_000.0, 30_000.0);
    let one_sided = all.windows(2).filter(|w| (w[0].bid == w[1].bid) != (w[0].offer == w[1].offer)).count();
    within("one-sided changes", one_sided as f64 / all.len() as f64, 0.4, 0.8);
}

#[test]
fn spread_and_volatility_follow_the_hour() {
    let all = ticks(0.0, 6);
    let minutes = moves(&slots(&all, MINUTE));
    let hour_of = |time: i64| usize::try_from(time.rem_euclid(1_440 * MINUTE) / (60 * MINUTE)).unwrap();
    let spec = spec(0.0);
    let (mut medians, mut sds) = (Vec::new(), Vec::new());
    for hour in 0..24 {
        // In winter London's hour is UTC's.
        let quotes = all.iter().filter(|tick| hour_of(tick.time.0) == hour);
        let mut spreads: Vec<i64> = quotes.map(|tick| (tick.offer - tick.bid).micros()).collect();
        let median = quantile(&mut spreads, 0.5) as f64 / 100.0;
        within("median spread over its profile", median / spec.spread_points[hour], 0.85, 1.2);
        within("least spread, points", spreads[0] as f64 / 100.0, 0.1, 1.6);
        let of_hour: Vec<f64> = minutes.iter().filter(|m| hour_of(m.0 * MINUTE) == hour).map(|m| m.1).collect();
        medians.push(median);
        // Tails cut: one burst of news would decide an hour.
        sds.push(moments(&of_hour.into_iter().filter(|m| m.abs() < 9.0).collect::<Vec<_>>()).0);
    }
    within("spread at the roll over spread at noon", medians[22] / medians[12], 2.5, 4.5);
    within("volatility of afternoon over night", (sds[14] + sds[15]) / (sds[3] + sds[4]), 1.15, 3.0);
    let jumps_wide = all.iter().filter(|tick| (tick.offer - tick.bid).micros() > 250).count();
    within("share of wide spreads", jumps_wide as f64 / all.len() as f64, 0.001, 0.05);
}

#[test]
fn every_quote_is_in_order_and_every_step_inside_its_bound() {
    for edge in [0.0, 0.3] {
        let spec = spec(edge);
        let all = ticks(edge, 11);
        let bound = whole(spec.step_max_points * 100.0);
        let mut weekends = 0;
        for pair in all.windows(2) {
            let (last, tick) = (pair[0], pair[1]);
            assert!(tick.time >= last.time && tick.time.0 % 1_000 == 0, "{tick:?}");
            assert!(tick.bid < tick.offer && tick.bid.micros() % 10 == 0 && tick.offer.micros() % 10 == 0, "{tick:?}");
            assert!((tick.bid - last.bid).micros().abs() <= bound + 10, "{last:?} {tick:?}");
            assert!((tick.offer - last.offer).micros().abs() <= bound + 10, "{last:?} {tick:?}");
            assert!((tick.bid, tick.offer) != (last.bid, last.offer), "a quote changes something");
            if (tick.time - last.time).0 > 60 * MINUTE {
                weekends += 1;
                assert!(Week::at_or_after(last.time).close <= Week::at_or_after(tick.time).open);
                assert!((tick.time - last.time).0 > 47 * 60 * MINUTE, "it is a weekend");
                assert!((tick.offer - tick.bid).micros() >= 300, "the week opens wide: {tick:?}");
            }
        }
        assert_eq!(weekends, DAYS / 7);
    }
}

#[test]
fn the_first_jump_of_the_week_waits_and_the_weekend_is_passed_over() {
    let mut market = Synthetic::new(spec(0.3), 5, "2025-01-11T12:00:00Z".parse().unwrap());
    let first = market.next_tick();
    assert!(first.time >= "2025-01-12T22:00:00Z".parse().unwrap(), "{}", first.time);
    assert!(first.time < "2025-01-12T22:10:00Z".parse().unwrap(), "{}", first.time);
    let mut summer = Synthetic::new(spec(0.3), 5, "2025-07-05T12:00:00Z".parse().unwrap());
    assert!(summer.next_tick().time >= "2025-07-06T21:00:00Z".parse().unwrap());
}

#[test]
fn the_seed_decides_and_the_blocks_do_not() {
    let market = |seed| Synthetic::new(spec(0.3), seed, monday());
    let whole = market(1).next_block(20_000);
    let mut cut = market(1);
    let mut parts = Vec::new();
    for size in [1, 0, 7, 992, 5_000, 14_000] {
        parts.extend(cut.next_block(size));
    }
    assert_eq!(whole, parts);
    let mut skipped = market(1);
    skipped.skip(12_345);
    assert_eq!(skipped.next_block(100), whole[12_345..12_445]);
    assert_ne!(market(2).next_block(100), whole[..100]);
}

#[test]
fn the_quotes_of_a_seed_do_not_change_between_builds() {
    let mut market = Synthetic::new(spec(0.3), 7, monday());
    let first = market.next_block(3);
    market.skip(499_996);
    let text = |tick: &Tick| format!("{} {} {}", tick.time, tick.bid, tick.offer);
    let lines: Vec<String> = first.iter().chain(&market.next_block(1)).map(text).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_checkpoint_anywhere_continues_the_same_quotes() {
    let mut market = Synthetic::new(spec(0.3), 9, monday());
    for _ in 0..300 {
        market.skip(997);
        let kept = market.checkpoint();
        let mut restored = Synthetic::restore(spec(0.3), &kept).unwrap();
        assert!(kept.len() < 300, "{} bytes", kept.len());
        assert_eq!(restored.next_block(50), market.clone().next_block(50));
    }
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let mut market = Synthetic::new(spec(0.3), 9, monday());
    market.skip(1_000);
    let kept = market.checkpoint();
    for at in 1..kept.len() {
        let mut damaged = kept.clone();
        damaged[at] ^= 0x10;
        assert!(matches!(Synthetic::restore(spec(0.3), &damaged), Err(CheckpointError::Unreadable { .. })), "{at}");
        assert!(Synthetic::restore(spec(0.3), &kept[..at]).is_err(), "{at}");
    }
    let mut newer = kept;
    newer[0] = VERSION + 1;
    assert!(matches!(Synthetic::restore(spec(0.3), &newer), Err(CheckpointError::Version { version: 2, .. })));
    assert!(Synthetic::restore(spec(0.3), &[]).is_err());
}

fn specs() -> Vec<MarketSpec> {
    ["CC.D.CL.USS.IP", "CS.D.EURUSD.TODAY.IP", "CS.D.GBPUSD.TODAY.IP"]
        .map(|epic| MarketSpec::of(&rules(epic), 0.3))
        .into()
}

#[test]
fn markets_merge_by_time_then_epic() {
    let mut merged = Markets::new(specs(), 3, monday());
    let mut block = merged.next_block(10_000);
    let kept = merged.checkpoint();
    let rest = merged.next_block(10_000);
    let mut restored = Markets::restore(specs(), &kept).unwrap();
    assert_eq!(restored.next_block(10_000), rest);
    assert!(Markets::restore(specs()[..2].into(), &kept).is_err());
    assert!(Markets::restore(specs(), &kept[1..]).is_err());

    block.ticks.extend(&rest.ticks);
    block.runs.extend(&rest.runs);
    let owners: Vec<EpicIdx> = block.runs.iter().flat_map(|run| (0..run.1).map(|_| run.0)).collect();
    assert_eq!(owners.len(), block.ticks.len());
    let keys: Vec<_> = block.ticks.iter().map(|tick| tick.time).zip(&owners).collect();
    assert!(keys.is_sorted(), "in order of time, then epic");
    for (place, spec) in specs().into_iter().enumerate() {
        let epic = EpicIdx(u16::try_from(place).unwrap());
        let own: Vec<Tick> =
            block.ticks.iter().zip(&owners).filter(|(_, owner)| **owner == epic).map(|(tick, _)| *tick).collect();
        assert!(own.len() > 1_000);
        assert_eq!(own, Synthetic::new(spec, 3, monday()).next_block(own.len()), "merging changes no market");
    }
}

#[test]
fn a_block_ends_before_its_time() {
    let mut market = Markets::new(specs(), 3, monday());
    let mut whole = Markets::new(specs(), 3, monday());
    let mut end = monday();
    let mut ticks = Vec::new();
    for _ in 0..200 {
        end = UtcMicros(end.0 + 7 * SECOND);
        let block = market.block_until(end, 1_000_000);
        assert!(block.ticks.iter().all(|tick| tick.time < end) && market.next_time() >= end);
        ticks.extend(block.ticks);
    }
    assert_eq!(market.block_until(UtcMicros(end.0 + MINUTE * 600), 5).ticks.len(), 5);
    assert_eq!(ticks, whole.next_block(ticks.len()).ticks);
}

#[test]
fn any_market_has_a_shape() {
    for (epic, point, first) in [
        ("CS.D.EURUSD.TODAY.IP", "0.0001", "1.085"),
        ("CS.D.CFDGOLD.CFDGC.IP", "0.1", "2050"),
        ("IX.D.FTSE.DAILY.IP", "1", "10000"),
        ("X", "0.000001", "0.01"),
    ] {
        let market = Market { point: point.parse().unwrap(), ..rules(epic) };
        let spec = MarketSpec::of(&market, f64::NAN);
        assert_eq!(spec.plant.edge_r.to_bits(), 0.0f64.to_bits(), "an edge that is no number is none");
        assert_eq!(spec.start.to_string(), first, "{epic}");
        let ticks = Synthetic::new(spec.clone(), 1, monday()).next_block(5_000);
        for tick in ticks {
            assert!(tick.bid < tick.offer && tick.bid.micros() > 0);
            let far = (tick.bid - spec.start).micros().abs();
            assert!(far < 1_000 * spec.point.micros(), "{epic}: {tick:?}");
        }
    }
    assert!(MarketSpec::of(&rules("X"), 9.0).plant.edge_r <= EDGE_MAX);
}

#[test]
fn leans_give_the_chances_that_they_are_found_for() {
    for (chance, gain, loss) in [(0.5, 4.0, 4.0), (0.72, 4.8, 3.4), (0.3, 4.8, 3.4), (0.9, 5.0, 3.0)] {
        let slope = lean_for(chance, gain, loss);
        let reached = if slope.abs() < 1e-6 {
            0.5
        } else {
            (1.0 - f64::exp(-slope * loss)) / (1.0 - f64::exp(-slope * (loss + gain)))
        };
        assert!((reached - chance).abs() < 1e-6, "{chance}: {reached}");
    }
}

#[test]
fn quotes_are_made_faster_than_they_are_traded() {
    let mut market = Synthetic::new(spec(0.3), 1, monday());
    let (n, began) = (200_000u32, std::time::Instant::now());
    market.skip(u64::from(n));
    let each = began.elapsed() / n;
    println!("{} ns a quote", each.as_nanos());
    // An optimised build takes some 60 ns; this bound is for a debug build on a busy machine.
    assert!(each < std::time::Duration::from_micros(20), "{each:?} a quote");
}
