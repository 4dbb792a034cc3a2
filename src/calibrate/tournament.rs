//! One tournament on the promoter itself: candidates with known edges trade round by round until the end, or until
//! somebody is promoted.

use serde::Serialize;

use super::outcomes::{Correlated, Payoff};
use super::summary::{Share, quantile};
use crate::config::{PromotionConfig, PromotionMode};
use crate::domain::{ContentHash, Episode, Micros, Money, Price, SeatIdx, UtcMicros};
use crate::flow::State;
use crate::promoter::{Promoter, RegisterInfo};
use crate::statistics::draws::Draws;

/// What is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The rules.
    pub promotion: PromotionConfig,
    /// How many take part.
    pub candidates: u32,
    /// How alike any two of them trade: the correlation of the normals behind their outcomes.
    pub correlation: f64,
    /// The shape of their outcomes.
    pub payoff: Payoff,
    /// The mean of the first one, in R; the others have none.
    pub edge: f64,
    /// Episodes of each until the end.
    pub episodes: u64,
    /// Episodes a day.
    pub per_day: f64,
    /// Every draw derives from it.
    pub seed: u64,
}

/// How one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The first to be promoted, and after how many episodes.
    pub promoted: Option<(u32, u64)>,
    /// Whether the one with the edge was retired before, and after how many episodes.
    pub retired: Option<u64>,
}

/// Plays replicate number `replicate` of a setting.
///
/// # Panics
/// If the setting has no candidate.
#[must_use]
pub fn play(setting: &Setting, replicate: u64) -> Ending {
    assert!(setting.candidates > 0, "a tournament needs somebody to play");
    let config = PromotionConfig { mode: PromotionMode::Auto, ..setting.promotion.clone() };
    let mut promoter = Promoter::new(&config, "R", "");
    for number in 0..setting.candidates {
        let mut content = [0; 32];
        content[..4].copy_from_slice(&number.to_be_bytes());
        promoter.register(
            UtcMicros(0),
            &RegisterInfo {
                seat: SeatIdx(number),
                model: format!("c{number}").into(),
                content_hash: ContentHash(content),
                floor_r: config.floor_r,
                cap_r: config.cap_r,
                market: "calibration".to_owned(),
                rho_micros: 1e6,
            },
        );
        promoter.on_warm(SeatIdx(number), UtcMicros(0));
    }
    promoter.take_audit();
    let mut normals = Correlated::new(Draws::new(setting.seed, replicate), setting.correlation);
    let mut zs = vec![0.0; setting.candidates as usize];
    #[expect(clippy::cast_possible_truncation, reason = "a part of a day in microseconds")]
    let step = (Micros::DAY.0 as f64 / setting.per_day) as i64;
    let mut episodes = Vec::with_capacity(zs.len());
    let mut retired = None;
    for k in 0..setting.episodes {
        normals.fill(&mut zs);
        let number = k + 1;
        let end = UtcMicros(step.saturating_mul(i64::try_from(number).unwrap_or(i64::MAX)));
        episodes.clear();
        for (seat, z) in (0..).zip(&zs) {
            let edge = if seat == 0 { setting.edge } else { 0.0 };
            let x = setting.payoff.outcome(*z, k, edge);
            #[expect(clippy::cast_possible_truncation, reason = "outcomes are a few R")]
            let profit = Money::from_micros((x * 1e6) as i64);
            episodes.push(Episode {
                seat: SeatIdx(seat),
                number,
                made: UtcMicros(end.0 - step),
                opened: UtcMicros(end.0 - step),
                closed: UtcMicros(end.0 - 1),
                open_level: Price::ZERO,
                close_level: Price::ZERO,
                profit,
                costs: Money::ZERO,
                rho_micros: 1e6,
                x,
            });
        }
        for change in promoter.on_round(end, &mut episodes, |_| true) {
            if change.to == State::Live {
                return Ending { promoted: Some((change.seat.0, number)), retired };
            }
            if change.to == State::Retired && change.seat == SeatIdx(0) {
                retired.get_or_insert(number);
            }
        }
        promoter.take_audit();
    }
    Ending { promoted: None, retired }
}

/// What the replicates of one setting came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tournament {
    /// The shape of outcomes.
    pub payoff: String,
    /// Correlation of any two.
    pub correlation: f64,
    /// The true edge of the first candidate, in R.
    pub edge: f64,
    /// Tournaments in which one without an edge was promoted first.
    pub false_promotions: Share,
    /// Tournaments in which the one with the edge was; `None` where nobody has one.
    pub power: Option<Share>,
    /// Median episodes to its promotion; `None` where it did not come in half of them.
    pub median_episodes: Option<u64>,
    /// The same in days.
    pub median_days: Option<f64>,
    /// Nine tenths were promoted by then.
    pub ninety_episodes: Option<u64>,
    /// Tournaments in which it was retired before.
    pub retired: Option<Share>,
    /// What it made on paper before it was promoted, or until the end, on average: what caution costs, in R.
    pub regret_r: f64,
}

impl Tournament {
    /// Of the endings of a setting.
    #[must_use]
    pub fn of(setting: &Setting, endings: &[Ending]) -> Self {
        let has_edge = setting.edge > setting.promotion.null_edge_r;
        let is_true = |seat: u32| has_edge && seat == 0;
        let falsely = endings.iter().filter(|e| e.promoted.is_some_and(|(seat, _)| !is_true(seat))).count();
        let times: Vec<Option<u64>> =
            endings.iter().map(|e| e.promoted.filter(|(seat, _)| is_true(*seat)).map(|(_, k)| k)).collect();
        let found = times.iter().flatten().count();
        let waited: u64 = times.iter().map(|time| time.unwrap_or(setting.episodes)).sum();
        let median = quantile(&times, 0.5).filter(|_| has_edge);
        Self {
            payoff: setting.payoff.name(),
            correlation: setting.correlation,
            edge: setting.edge,
            false_promotions: Share::of(falsely, endings.len()),
            power: has_edge.then(|| Share::of(found, endings.len())),
            median_episodes: median,
            median_days: median.map(|k| k as f64 / setting.per_day),
            ninety_episodes: quantile(&times, 0.9).filter(|_| has_edge),
            retired: has_edge.then(|| Share::of(endings.iter().filter(|e| e.retired.is_some()).count(), endings.len())),
            regret_r: if has_edge { setting.edge * waited as f64 / endings.len() as f64 } else { 0.0 },
        }
    }
}

/// The rules with the evidence gate alone in force, each of `candidates` with a slot of its own and nobody retired: the
/// setting of the published figures.
#[must_use]
pub fn evidence_only(config: &PromotionConfig, candidates: u32) -> PromotionConfig {
    PromotionConfig {
        alpha_slots: candidates,
        slot_first_share: 1.0,
        min_episodes: 1,
        min_days: 0,
        min_active_days: 0,
        max_paper_drawdown_r: None,
        min_dsr: 0.0,
        min_lcb_r: 0.0,
        max_top_share: 1.0,
        detector_arl: 1e300,
        confirm_events: 1,
        min_useful_edge_r: -1_000.0,
        futility_e: 0.0,
        max_episodes: u32::MAX,
        max_idle_days: u32::MAX,
        ..config.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(edge: f64) -> Setting {
        Setting {
            promotion: evidence_only(&PromotionConfig::default(), 4),
            candidates: 4,
            correlation: 0.0,
            payoff: Payoff::TwoPoint { low: -1.0, high: 1.0 },
            edge,
            episodes: 400,
            per_day: 10.0,
            seed: 1,
        }
    }

    #[test]
    fn an_edge_is_found_and_a_replicate_repeats() {
        let setting = setting(0.4);
        let endings: Vec<Ending> = (0..20).map(|replicate| play(&setting, replicate)).collect();
        assert_eq!(endings[3], play(&setting, 3));
        let told = Tournament::of(&setting, &endings);
        assert!(told.power.is_some_and(|power| power.share > 0.9), "{told:?}");
        assert!(told.median_episodes.is_some_and(|k| k > 20 && k < 200), "{told:?}");
        assert!(told.regret_r > 0.0 && told.false_promotions.count == 0);
    }
}
