//! What cannot work under a `[promotion]`, or not within a year: by arithmetic, before anything is played.

use super::outcomes::Payoff;
use crate::config::{EvidenceUnit, PromotionConfig, PromotionMode, SlotReuse};
use crate::statistics::detectors::{Decay, steps_to_drawdown};
use crate::statistics::draws::Draws;
use crate::statistics::mixture::bets;
use crate::statistics::sharpe::Sharpe;
use crate::statistics::sums::Moments;

/// A year of days: whatever takes longer is as good as never.
const YEAR: f64 = 365.0;
/// What a mixture of bets loses against the bet that fits best, in units of log wealth, as the published medians show it.
const MIXTURE_COST: f64 = 1.0;
/// Outcomes that a shape is known by.
const SAMPLE: u64 = 20_000;

/// Outcomes a day by the unit in force: a day is one round, however often one trades in it.
fn rate(config: &PromotionConfig, per_day: f64) -> f64 {
    match config.unit {
        EvidenceUnit::Episode => per_day,
        EvidenceUnit::Round => per_day.min(1.0),
    }
}

/// The log wealth that the first occupant of a slot has yet to win.
fn needed_wealth(config: &PromotionConfig) -> f64 {
    let start = match config.slot_reuse {
        SlotReuse::Spend => config.slot_first_share,
        SlotReuse::Inherit => 1.0,
    };
    (f64::from(config.alpha_slots) / (config.alpha * start)).ln()
}

/// What cannot work for any of `candidates` that close `per_day` episodes a day, as sentences.
#[must_use]
pub fn unreachable_gates(config: &PromotionConfig, candidates: u32, per_day: f64) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |is_so: bool, sentence: String| {
        if is_so {
            warnings.push(sentence);
        }
    };
    let a_day = rate(config, per_day);
    let (floor, cap) = match config.unit {
        EvidenceUnit::Episode => (config.floor_r, config.cap_r),
        EvidenceUnit::Round => (config.round_floor_r, config.round_cap_r),
    };
    let (least, most) = (config.min_episodes, config.max_episodes);
    warn(config.mode == PromotionMode::Off, "nobody is ever promoted: mode is \"off\"".to_owned());
    let start = if config.slot_reuse == SlotReuse::Spend { config.slot_first_share } else { 1.0 };
    warn(
        start < config.slot_dead,
        format!("G1 can never open: slot_dead ({}) is above what a slot begins with ({start})", config.slot_dead),
    );
    let surplus = candidates.saturating_sub(config.alpha_slots);
    warn(
        surplus > 0,
        format!("G1 can never open for {surplus} of {candidates} candidates: alpha_slots is {}", config.alpha_slots),
    );
    let largest = config.lambda_cap / (floor + config.null_edge_r);
    let fewest = needed_wealth(config) / (largest * (cap - config.null_edge_r)).ln_1p();
    warn(
        fewest > f64::from(most),
        format!("G1 can never open: even gains of {cap} R need {fewest:.0} outcomes, max_episodes is {most}"),
    );
    warn(
        least >= most,
        format!("G2 can never open: max_episodes ({most}) retires a candidate before min_episodes ({least})"),
    );
    let days = f64::from(least) / a_day;
    warn(days > YEAR, format!("G2 needs {days:.0} days at {a_day} outcomes a day: more than a year"));
    let confirms = f64::from(config.confirm_events);
    warn(
        confirms > f64::from(most),
        format!("no candidate is ever ready: confirm_events is {confirms}, max_episodes ({most}) retires it before"),
    );
    let days = confirms / a_day;
    warn(days > YEAR, format!("confirm_events ({confirms}) needs {days:.0} days of passing: more than a year"));
    for (gate, days, key) in [("G3", config.min_days, "min_days"), ("G4", config.min_active_days, "min_active_days")] {
        let needed = if gate == "G4" { f64::from(days) / per_day.min(1.0) } else { f64::from(days) };
        warn(needed > YEAR, format!("{gate} needs {needed:.0} days ({key} is {days}): more than a year"));
    }
    let by_days = f64::from(most) / a_day;
    warn(
        by_days < f64::from(config.min_days.max(config.min_active_days)),
        format!("G3 and G4 can never open: max_episodes ({most}) retires a candidate after {by_days:.1} days"),
    );
    warn(
        config.max_paper_drawdown_r.is_some_and(|most| most < 1.0),
        "G5 closes for good with the first loss at the stop: max_paper_drawdown_r is below 1".to_owned(),
    );
    warn(
        config.min_lcb_r >= cap,
        format!("G8 can never open: min_lcb_r ({}) is not below the cap of {cap} R", config.min_lcb_r),
    );
    warn(
        config.max_top_share < 0.01,
        format!(
            "G9 can never open: a hundredth of the wins brings a hundredth at least, max_top_share is {}",
            config.max_top_share
        ),
    );
    let pause = 1.0 / per_day;
    warn(
        pause > f64::from(config.max_idle_days),
        format!(
            "every candidate is retired between two episodes: {pause:.0} days, max_idle_days is {}",
            config.max_idle_days
        ),
    );
    for (what, needed) in [
        ("cooldown_days", f64::from(config.cooldown_days)),
        ("cooldown_episodes", f64::from(config.cooldown_episodes) / a_day),
    ] {
        warn(needed > YEAR, format!("G11 needs {needed:.0} days after a demotion ({what}): more than a year"));
    }
    warnings
}

/// Why a candidate with that mean and shape would not be promoted within a year at `per_day` episodes a day, as a
/// sentence that names the gate; `None` where it would.
#[must_use]
pub fn out_of_reach(
    config: &PromotionConfig,
    payoff: Payoff,
    edge: f64,
    candidates: u32,
    per_day: f64,
) -> Option<String> {
    let name = format!("an edge of {edge} R at {}", payoff.name());
    if edge <= config.null_edge_r {
        return Some(format!("{name} is none: null_edge_r is {}", config.null_edge_r));
    }
    if edge < config.min_useful_edge_r {
        return Some(format!("{name} is retired as useless: min_useful_edge_r is {}", config.min_useful_edge_r));
    }
    let mut draws = Draws::new(0, 0);
    let xs: Vec<f64> = (0..SAMPLE).map(|k| payoff.outcome(draws.normal(), k, edge)).collect();
    let mut moments = Moments::of(&xs);
    let sd = moments.sd();
    // What chance did to the sample is taken out of its mean.
    let shift = edge - moments.mean();
    let growth = |against: f64| {
        let lambdas = bets(usize::from(config.bets), config.lambda_min, config.lambda_cap / (config.floor_r + against));
        let of_bet = |bet: &f64| xs.iter().map(|x| (bet * (x + shift - against)).ln_1p()).sum::<f64>() / SAMPLE as f64;
        lambdas.iter().map(of_bet).fold(f64::NEG_INFINITY, f64::max)
    };
    let outcomes =
        |growth: f64| if growth > 0.0 { (needed_wealth(config) + MIXTURE_COST) / growth } else { f64::INFINITY };
    moments = Moments::of(&xs.iter().map(|x| x + shift).collect::<Vec<f64>>());
    let mut gates = vec![("G1", outcomes(growth(config.null_edge_r)))];
    if config.min_dsr > 0.0 {
        gates.push(("G6", Sharpe::of(&moments).observations_to(u64::from(candidates), config.min_dsr)));
    }
    if config.min_lcb_r > config.null_edge_r {
        gates.push(("G8", outcomes(growth(config.min_lcb_r))));
    }
    let (gate, needed) = gates.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let days = needed / per_day;
    if needed.is_infinite() {
        return Some(format!("{gate} never opens for {name}"));
    }
    if needed > f64::from(config.max_episodes) {
        let most = config.max_episodes;
        return Some(format!(
            "{name} needs some {needed:.0} episodes for {gate}: max_episodes ({most}) retires it before"
        ));
    }
    if let Some(most) = config.max_paper_drawdown_r {
        let fall = steps_to_drawdown(edge, sd, most);
        if fall < needed {
            return Some(format!(
                "{name} needs some {needed:.0} episodes for {gate}, and falls by {most} R, which closes G5 for good, \
                 within {fall:.0} on average"
            ));
        }
    }
    // The mean of the statistic is what constant outcomes make of it: each factor is linear in its outcome.
    let (keep, share) = (config.keep_edge_r, config.lambda_cap);
    let mut decay = Decay::new(usize::from(config.bets), config.lambda_min, share, keep, config.cap_r);
    let (mut level, mut n) = (0.0, 0.0);
    while n < needed {
        level = decay.push(edge);
        n += 1.0;
    }
    if level >= config.detector_arl {
        let most = config.detector_arl;
        return Some(format!(
            "{name} needs some {needed:.0} episodes for {gate}, and by then its detector of decay stands at {level:.0} \
             on average, which shuts G7: detector_arl is {most}"
        ));
    }
    (days > YEAR).then(|| {
        format!(
            "{name} needs some {needed:.0} episodes for {gate}, {days:.0} days at {per_day} a day: more than a year"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::tournament::evidence_only;
    use super::*;

    const SYMMETRIC: Payoff = Payoff::TwoPoint { low: -1.0, high: 1.0 };

    #[test]
    fn the_defaults_can_be_passed() {
        assert_eq!(unreachable_gates(&PromotionConfig::default(), 100, 10.0), [""; 0]);
        assert_eq!(out_of_reach(&PromotionConfig::default(), SYMMETRIC, 0.1, 100, 10.0), None);
    }

    #[test]
    fn each_gate_that_cannot_open_is_named() {
        let default = PromotionConfig::default;
        let rows: [(&str, PromotionConfig, &str); 15] = [
            ("off", PromotionConfig { mode: PromotionMode::Off, ..default() }, "nobody is ever promoted"),
            (
                "dead",
                PromotionConfig { slot_first_share: 0.1, slot_dead: 0.2, ..default() },
                "G1 can never open: slot_dead",
            ),
            ("slots", PromotionConfig { alpha_slots: 60, ..default() }, "G1 can never open for 40 of 100 candidates"),
            (
                "few",
                PromotionConfig {
                    max_episodes: 5,
                    min_episodes: 1,
                    cap_r: 1.0,
                    min_days: 0,
                    min_active_days: 0,
                    ..default()
                },
                "G1 can never open: even gains",
            ),
            (
                "episodes",
                PromotionConfig { min_episodes: 100, max_episodes: 100, min_days: 0, min_active_days: 0, ..default() },
                "G2 can never open",
            ),
            ("many", PromotionConfig { min_episodes: 9_000, ..default() }, "G2 needs 900 days"),
            ("days", PromotionConfig { min_days: 400, ..default() }, "G3 needs 400 days"),
            ("active", PromotionConfig { min_active_days: 400, ..default() }, "G4 needs 400 days"),
            ("drawdown", PromotionConfig { max_paper_drawdown_r: Some(0.5), ..default() }, "G5 closes for good"),
            ("bound", PromotionConfig { min_lcb_r: 11.0, ..default() }, "G8 can never open"),
            ("share", PromotionConfig { max_top_share: 0.005, ..default() }, "G9 can never open"),
            ("cooldown", PromotionConfig { cooldown_days: 500, ..default() }, "G11 needs 500 days"),
            ("confirm", PromotionConfig { confirm_events: 5_000, ..default() }, "confirm_events (5000) needs 500 days"),
            (
                "confirm ever",
                PromotionConfig { confirm_events: 600, max_episodes: 500, ..default() },
                "no candidate is ever ready",
            ),
            (
                "rounds",
                PromotionConfig { unit: EvidenceUnit::Round, min_episodes: 400, ..default() },
                "G2 needs 400 days at 1 outcomes",
            ),
        ];
        for (name, config, want) in rows {
            let told = unreachable_gates(&config, 100, 10.0);
            assert!(told.len() == 1 && told[0].starts_with(want), "{name}: {told:?}");
        }
        let told = unreachable_gates(&PromotionConfig::default(), 100, 0.01);
        assert!(told.iter().any(|why| why.starts_with("every candidate is retired between")), "{told:?}");
    }

    #[test]
    fn what_an_edge_needs_is_near_the_published_medians() {
        // Among a hundred, the evidence gate alone: 1,718, 419 and 242 episodes.
        for (payoff, edge, median) in [
            (SYMMETRIC, 0.1, 1_718.0),
            (SYMMETRIC, 0.2, 419.0),
            (Payoff::TwoPoint { low: -1.0, high: 0.5 }, 0.2, 242.0),
        ] {
            let config = evidence_only(&PromotionConfig::default(), 100);
            let told = out_of_reach(&config, payoff, edge, 100, 0.1).unwrap();
            let needed: f64 = told.split("some ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!((needed / median - 1.0).abs() < 0.15, "{told}");
        }
    }

    #[test]
    fn the_gate_that_keeps_an_edge_out_is_named() {
        let default = PromotionConfig::default;
        let rows: [(PromotionConfig, f64, f64, &str); 8] = [
            (default(), 0.0, 10.0, "is none"),
            (default(), 0.02, 10.0, "is retired as useless"),
            (PromotionConfig { min_lcb_r: 0.3, ..default() }, 0.2, 10.0, "G8 never opens"),
            (PromotionConfig { min_dsr: 0.999_999, ..default() }, 0.1, 10.0, "for G6"),
            (PromotionConfig { max_episodes: 1_000, ..default() }, 0.1, 10.0, "max_episodes (1000) retires it before"),
            (PromotionConfig { max_paper_drawdown_r: Some(15.0), ..default() }, 0.1, 10.0, "closes G5 for good"),
            (PromotionConfig { detector_arl: 20.0, ..default() }, 0.1, 10.0, "shuts G7: detector_arl is 20"),
            (default(), 0.1, 2.0, "more than a year"),
        ];
        for (config, edge, per_day, want) in rows {
            let told = out_of_reach(&config, SYMMETRIC, edge, 100, per_day);
            assert!(told.as_ref().is_some_and(|why| why.contains(want)), "{want}: {told:?}");
        }
    }
}
