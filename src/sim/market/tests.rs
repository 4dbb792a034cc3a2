//! The shape of the market against bands taken from recorded quotes, and that it is a function of its seed.

use super::*;
use crate::domain::{EpicIdx, Market};

const DAYS: i64 = 40;

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

#[test]
#[ignore = "a report for tuning"]
fn report() {
    let all = ticks(0.0, 3);
    let days = DAYS as f64 * 5.0 / 7.0;
    println!("ticks {} = {:.1} per minute", all.len(), all.len() as f64 / days / 1440.0);
    let minutes = slots(&all, MINUTE);
    let m = moves(&minutes);
    let values: Vec<f64> = m.iter().map(|m| m.1).collect();
    let (sd, kurtosis) = moments(&values);
    println!("1m sd {sd:.2} kurtosis {kurtosis:.1} ac1 {:.3} ac2 {:.3}", autocorrelation(&m, 1), autocorrelation(&m, 2));
    let tens = slots(&all, 10 * SECOND);
    let t = moves(&tens);
    println!("10s ac1 {:.3} ac2 {:.3}", autocorrelation(&t, 1), autocorrelation(&t, 2));
    for (length, slots) in [(MINUTE, &minutes), (10 * SECOND, &tens)] {
        let (first, last) = (slots[0].0, slots.last().unwrap().0);
        let open = (first..=last).filter(|s| is_traded(*s, length)).count();
        println!("empty {:.4}", 1.0 - slots.len() as f64 / open as f64);
    }
    let mut counts: Vec<u32> = minutes.iter().map(|s| s.2).collect();
    let mean = counts.iter().map(|c| f64::from(*c)).sum::<f64>() / counts.len() as f64;
    let var = counts.iter().map(|c| (f64::from(*c) - mean).powi(2)).sum::<f64>() / counts.len() as f64;
    let ac = counts.windows(2).map(|w| (f64::from(w[0]) - mean) * (f64::from(w[1]) - mean)).sum::<f64>()
        / counts.len() as f64
        / var;
    counts.sort_unstable();
    println!("count mean {mean:.1} var/mean {:.1} ac1 {ac:.2} p5 {} p50 {} p95 {} max {}", var / mean, counts[counts.len() / 20], counts[counts.len() / 2], counts[counts.len() * 19 / 20], counts.last().unwrap());
    let mut gaps: Vec<i64> = all.windows(2).map(|w| (w[1].time - w[0].time).0 / 1000).collect();
    let same = gaps.iter().filter(|g| **g == 0).count() as f64 / gaps.len() as f64;
    gaps.sort_unstable();
    println!("gaps ms p5 {} p25 {} p50 {} p75 {} p90 {} p99 {} same {same:.4}", gaps[gaps.len()/20], gaps[gaps.len()/4], gaps[gaps.len()/2], gaps[gaps.len()*3/4], gaps[gaps.len()*9/10], gaps[gaps.len()*99/100]);
    let (mut bid, mut offer, mut both, mut none) = (0, 0, 0, 0);
    for w in all.windows(2) {
        match (w[0].bid == w[1].bid, w[0].offer == w[1].offer) { (false, true) => bid += 1, (true, false) => offer += 1, (false, false) => both += 1, _ => none += 1 }
    }
    println!("bid {bid} offer {offer} both {both} none {none}");
    for hour in 0..24usize {
        let in_hour = |t: i64| usize::try_from(t.rem_euclid(1440 * MINUTE) / (60 * MINUTE)).unwrap() == hour;
        let v: Vec<f64> = m.iter().filter(|m| in_hour(m.0 * MINUTE)).map(|m| m.1).collect();
        let mut s: Vec<i64> = all.iter().filter(|t| in_hour(t.time.0)).map(|t| (t.offer - t.bid).micros() / 10).collect();
        s.sort_unstable();
        println!("{hour:02} sd {:.2} bp {:.2} spread p5 {} p50 {} p99 {} max {} n {:.0}", moments(&v).0, moments(&v).0 / 1.27, s[s.len()/20], s[s.len() / 2], s[s.len()*99/100], s.last().unwrap(), s.len() as f64 / v.len() as f64);
    }
}
