//! Evidence and gates: ten thousand candidates close one episode each in one round of the promoter, that is, what the
//! busiest bar of the largest arena costs. The aim is 2 µs a candidate.

use arena::config::{PromotionConfig, PromotionMode};
use arena::domain::{ContentHash, Episode, Money, Price, SeatIdx, UtcMicros};
use arena::promoter::{Promoter, RegisterInfo};
use arena::statistics::draws::Draws;
use divan::Bencher;
use divan::counter::ItemsCount;

const CANDIDATES: u32 = 10_000;
const HOUR: i64 = 3_600_000_000;

fn main() {
    divan::main();
}

/// Outcomes of a round, at −1/+1 with that mean; episode number `number` of each.
fn round(draws: &mut Draws, number: u64, edge: f64) -> Vec<Episode> {
    let time = i64::try_from(number).expect("a few hundred rounds") * HOUR;
    let episode = |seat: u32| {
        let x = if draws.uniform() < 0.5 * (1.0 + edge) { 1.0 } else { -1.0 };
        Episode {
            seat: SeatIdx(seat),
            number,
            made: UtcMicros(time - HOUR),
            opened: UtcMicros(time - HOUR),
            closed: UtcMicros(time - 1),
            profit: Money::ZERO,
            costs: Money::ZERO,
            rho_micros: 1e6,
            x,
            open_level: Price::ZERO,
            close_level: Price::ZERO,
        }
    };
    (0..CANDIDATES).map(episode).collect()
}

/// The promoter after `rounds` rounds, and the next one.
fn arena(rounds: u64, edge: f64) -> (Promoter, Vec<Episode>, UtcMicros) {
    // Nobody goes live or retires, so that every round costs the same.
    let config = PromotionConfig {
        alpha_slots: CANDIDATES,
        mode: PromotionMode::Off,
        min_useful_edge_r: -5.0,
        futility_e: 0.0,
        max_idle_days: 100_000,
        ..PromotionConfig::default()
    };
    let mut promoter = Promoter::new(&config, "R", "");
    for seat in 0..CANDIDATES {
        let mut content = [0; 32];
        content[..4].copy_from_slice(&seat.to_be_bytes());
        let info = RegisterInfo {
            seat: SeatIdx(seat),
            model: format!("c{seat}").into(),
            content_hash: ContentHash(content),
            floor_r: 3.0,
            cap_r: 10.0,
            market: "bench".to_owned(),
            rho_micros: 1e6,
        };
        promoter.register(UtcMicros(0), &info);
        promoter.on_warm(SeatIdx(seat), UtcMicros(0));
    }
    let mut draws = Draws::new(1, 1);
    for number in 1..=rounds {
        let time = UtcMicros(i64::try_from(number).expect("a few hundred rounds") * HOUR);
        promoter.on_round(time, &mut round(&mut draws, number, edge), |_| true);
        promoter.take_audit();
    }
    let next = rounds + 1;
    let time = UtcMicros(i64::try_from(next).expect("a few hundred rounds") * HOUR);
    (promoter, round(&mut draws, next, edge), time)
}

/// As an arena is: nobody near the gate.
#[divan::bench(args = [0, 200], sample_count = 20, sample_size = 1)]
fn without_an_edge(bencher: Bencher, rounds: u64) {
    one_round(bencher, arena(rounds, 0.0));
}

/// The worst case: the evidence of everybody passes, so that every gate is looked at for each.
#[divan::bench(args = [200], sample_count = 20, sample_size = 1)]
fn all_past_the_evidence_gate(bencher: Bencher, rounds: u64) {
    one_round(bencher, arena(rounds, 0.5));
}

fn one_round(bencher: Bencher, (promoter, episodes, time): (Promoter, Vec<Episode>, UtcMicros)) {
    bencher
        .counter(ItemsCount::new(CANDIDATES))
        .with_inputs(|| (promoter.clone(), episodes.clone()))
        .bench_local_refs(|(promoter, episodes)| promoter.on_round(time, episodes, |_| true));
}
