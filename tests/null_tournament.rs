//! Tournaments on the real promoter: without an edge nobody is promoted more often than `alpha` allows, however often
//! one looks; with an edge somebody is, soon.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

use arena::config::PromotionConfig;
use arena::domain::{ContentHash, Episode, Money, Price, SeatIdx, UtcMicros};
use arena::flow::State;
use arena::promoter::{Promoter, RegisterInfo, verify};

const CANDIDATES: u32 = 128;
const MINUTE: i64 = 60_000_000;

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One R won with probability `(1 + edge) / 2`, else one R lost.
    fn outcome(&mut self, edge: f64) -> f64 {
        let fraction = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        if fraction < 0.5 * (1.0 + edge) { 1.0 } else { -1.0 }
    }
}

fn config() -> PromotionConfig {
    PromotionConfig {
        alpha_slots: CANDIDATES,
        min_episodes: 30,
        min_days: 0,
        min_active_days: 0,
        min_dsr: 0.0,
        // Nobody leaves for want of prospects: that would only make the null easier.
        min_useful_edge_r: -1_000.0,
        futility_e: 0.0,
        max_idle_days: 100_000,
        ..PromotionConfig::default()
    }
}

/// Every candidate trades once a round; the first has `edge`. The first promotion: seat and round.
fn tournament(seed: u64, candidates: u32, rounds: u64, edge: f64) -> (Option<(SeatIdx, u64)>, Promoter) {
    let mut draws = Draws(seed);
    let mut promoter = Promoter::new(&config(), "EUR", "tournament");
    for seat in 0..candidates {
        let mut content = [0; 32];
        content[..4].copy_from_slice(&seat.to_be_bytes());
        let info = RegisterInfo {
            seat: SeatIdx(seat),
            model: format!("m{seat}").into(),
            content_hash: ContentHash(content),
            floor_r: 3.0,
            cap_r: 10.0,
            market: "A".to_owned(),
            rho_micros: 1e7,
        };
        promoter.register(UtcMicros(0), &info);
        promoter.on_warm(SeatIdx(seat), UtcMicros(0));
    }
    let mut episodes = Vec::new();
    for (round, end) in (1..=rounds).zip((1..).map(|round| round * MINUTE)) {
        episodes.clear();
        for seat in 0..candidates {
            let x = draws.outcome(if seat == 0 { edge } else { 0.0 });
            episodes.push(Episode {
                seat: SeatIdx(seat),
                number: round,
                made: UtcMicros(end - MINUTE),
                opened: UtcMicros(end - MINUTE),
                closed: UtcMicros(end - 1),
                open_level: Price::ZERO,
                close_level: Price::ZERO,
                profit: Money::from_micros(if x > 0.0 { 10_000_000 } else { -10_000_000 }),
                costs: Money::ZERO,
                rho_micros: 1e7,
                x,
            });
        }
        let changes = promoter.on_round(UtcMicros(end), &mut episodes, |_| true);
        if let Some(change) = changes.iter().find(|change| change.to == State::Live) {
            return (Some((change.seat, round)), promoter);
        }
    }
    (None, promoter)
}

#[test]
fn tournaments_without_an_edge_promote_no_more_than_alpha() {
    // 5 % of 20 is one on average; more than three would be a chance of 1.6 % even at the full level.
    let begin = std::time::Instant::now();
    let promoted: Vec<_> =
        (0..20).filter_map(|seed| tournament(seed, CANDIDATES, 2_000, 0.0).0.map(|first| (seed, first))).collect();
    let nanos = begin.elapsed().as_nanos() / (20 * 2_000 * u128::from(CANDIDATES));
    println!("{} of 20 null tournaments promoted somebody: {promoted:?}; {nanos} ns an episode", promoted.len());
    assert!(promoted.len() <= 3, "{promoted:?}");
}

#[test]
fn an_edge_of_three_tenths_is_found_within_four_hundred_episodes() {
    let seeds = 100;
    let mut found = Vec::new();
    for seed in 1_000..1_000 + seeds {
        let (first, mut promoter) = tournament(seed, 8, 400, 0.3);
        if let Some((seat, round)) = first {
            assert_eq!(seat, SeatIdx(0), "seed {seed} promoted one without an edge");
            found.push(round);
            assert_eq!(verify(promoter.take_audit().into_iter()).unwrap().promotions, 1, "seed {seed}");
        }
    }
    found.sort_unstable();
    let median = found.get(49).copied();
    println!("{} of {seeds} seeds promoted within 400 episodes, half of them by {median:?}", found.len());
    assert!(found.len() >= 85, "only {} of {seeds}", found.len());
    assert!(median.is_some_and(|median| (150..=260).contains(&median)), "{median:?}");
}
