//! The gates between paper and live. All but the first can only take promotions away, so that the chance of a false one
//! stays what the first allows.

use serde::{Deserialize, Serialize};

use crate::config::PromotionConfig;
use crate::flow::{GateVerdict, Verdict};

/// What the gates are held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateInputs {
    /// Log of the wealth; `None` without a slot.
    pub log_wealth: Option<f64>,
    /// Episodes counted.
    pub episodes: u64,
    /// Days of event time since the first counted episode was opened.
    pub days: Option<f64>,
    /// UTC days on which a counted episode was closed.
    pub active_days: u32,
    /// Deepest drawdown on paper, in R.
    pub drawdown_r: f64,
    /// Deflated Sharpe ratio; `None` where it is undefined.
    pub dsr: Option<f64>,
    /// The detector of decay over the paper record.
    pub decay: f64,
    /// Lower bound of the mean at the level of G1; `None` without a slot and where no bound holds.
    pub lcb_family: Option<f64>,
    /// What the largest hundredth of the wins brought; `None` without a win, and where outcomes are not kept.
    pub top_share: Option<f64>,
    /// An outcome was not finite.
    pub is_faulty: bool,
    /// The stamps of its market and our clock were apart by too much when that was last measured.
    pub is_clock_off: bool,
    /// An outcome fell below the floor.
    pub is_breached: bool,
    /// Days of event time since the lineage was last demoted; `None` if it never was.
    pub days_since_demotion: Option<f64>,
    /// How often the lineage was demoted.
    pub demotions: u32,
}

/// One gate with its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// Its number and name.
    pub name: &'static str,
    /// What was measured.
    pub value: Option<f64>,
    /// What it was held against; infinite where the gate is off.
    pub limit: f64,
    /// Whether it lets through.
    pub is_passed: bool,
}

impl Gate {
    /// How far the value still is from the limit, 0 where it passes; `None` where that cannot be told.
    #[must_use]
    pub fn missing(&self) -> Option<f64> {
        if self.is_passed {
            return Some(0.0);
        }
        self.value.map(|value| (self.limit - value).abs()).filter(|missing| missing.is_finite())
    }
}

impl From<Gate> for GateVerdict {
    fn from(gate: Gate) -> Self {
        Self {
            gate: gate.name.to_owned(),
            value: gate.value.filter(|value| value.is_finite()),
            limit: Some(gate.limit).filter(|limit| limit.is_finite()),
            verdict: if gate.is_passed { Verdict::Pass } else { Verdict::Fail },
            missing: gate.missing(),
        }
    }
}

/// How many gates there are.
pub(super) const GATES: usize = 13;

/// What a bound may fall short of its limit by: two ways to the same number differ in their last bits.
const LAST_BITS: f64 = 1e-9;

/// `ln(M / alpha)`: the log wealth that G1 asks for.
#[must_use]
pub fn threshold(config: &PromotionConfig) -> f64 {
    (f64::from(config.alpha_slots) / config.alpha).ln()
}

/// Every gate, in order.
#[must_use]
pub fn gates(config: &PromotionConfig, inputs: &GateInputs) -> [Gate; GATES] {
    let at_least = |name, value: Option<f64>, limit: f64| {
        // A value that is missing or NaN never passes, unless nothing is asked for.
        let is_passed = value.map_or(limit <= 0.0, |value| value >= limit);
        Gate { name, value, limit, is_passed }
    };
    let at_most = |name, value: Option<f64>, limit: f64| {
        let is_passed = value.is_some_and(|value| value <= limit);
        Gate { name, value, limit, is_passed }
    };
    let evidence = threshold(config);
    let faults = [inputs.is_faulty, inputs.is_breached, inputs.is_clock_off].into_iter().map(u32::from).sum::<u32>();
    let episodes = inputs.episodes as f64;
    let family = at_least("G8 family bound", inputs.lcb_family, config.min_lcb_r);
    let top = at_most("G9 top share", inputs.top_share, config.max_top_share);
    // Who was never demoted has nothing to wait for.
    let is_fresh = inputs.days_since_demotion.is_none();
    let cooled = |gate: Gate| Gate { is_passed: gate.is_passed || is_fresh, ..gate };
    [
        Gate {
            name: "G1 evidence",
            value: inputs.log_wealth,
            limit: evidence,
            is_passed: inputs.log_wealth.is_some_and(|wealth| wealth >= evidence),
        },
        at_least("G2 episodes", Some(episodes), f64::from(config.min_episodes)),
        at_least("G3 days", inputs.days, f64::from(config.min_days)),
        at_least("G4 active days", Some(f64::from(inputs.active_days)), f64::from(config.min_active_days)),
        at_most("G5 drawdown", Some(inputs.drawdown_r), config.max_paper_drawdown_r.unwrap_or(f64::INFINITY)),
        at_least("G6 deflated sharpe", inputs.dsr, config.min_dsr),
        Gate {
            name: "G7 decay",
            value: Some(inputs.decay),
            limit: config.detector_arl,
            is_passed: inputs.decay < config.detector_arl,
        },
        Gate {
            is_passed: family.is_passed || inputs.lcb_family.is_some_and(|bound| bound >= config.min_lcb_r - LAST_BITS),
            ..family
        },
        Gate { is_passed: top.is_passed || config.max_top_share >= 1.0, ..top },
        Gate { name: "G10 faults", value: Some(f64::from(faults)), limit: 0.0, is_passed: faults == 0 },
        cooled(at_least("G11 cooldown days", inputs.days_since_demotion, f64::from(config.cooldown_days))),
        cooled(at_least("G11 cooldown episodes", (!is_fresh).then_some(episodes), f64::from(config.cooldown_episodes))),
        at_most("G11 reentries", Some(f64::from(inputs.demotions)), f64::from(config.max_reentries)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    fn good() -> GateInputs {
        GateInputs {
            log_wealth: Some(8.0),
            episodes: 100,
            days: Some(30.0),
            active_days: 20,
            drawdown_r: 5.0,
            dsr: Some(0.95),
            decay: 10.0,
            lcb_family: Some(0.01),
            top_share: Some(0.1),
            ..GateInputs::default()
        }
    }

    #[test]
    fn each_gate_alone_stops_a_candidate() {
        let config = PromotionConfig {
            min_days: 30,
            min_active_days: 20,
            max_paper_drawdown_r: Some(25.0),
            min_dsr: 0.9,
            ..config()
        };
        assert!((threshold(&config) - (128.0f64 / 0.05).ln()).abs() < 1e-12);
        let rows: [(&str, GateInputs, &[&str]); 21] = [
            ("all pass", good(), &[]),
            ("no slot", GateInputs { log_wealth: None, ..good() }, &["G1 evidence"]),
            ("poor", GateInputs { log_wealth: Some(7.8), ..good() }, &["G1 evidence"]),
            ("not a number", GateInputs { log_wealth: Some(f64::NAN), ..good() }, &["G1 evidence"]),
            ("few", GateInputs { episodes: 99, ..good() }, &["G2 episodes"]),
            ("young", GateInputs { days: Some(29.9), ..good() }, &["G3 days"]),
            ("idle", GateInputs { active_days: 19, ..good() }, &["G4 active days"]),
            ("deep", GateInputs { drawdown_r: 25.1, ..good() }, &["G5 drawdown"]),
            ("lucky", GateInputs { dsr: Some(0.89), ..good() }, &["G6 deflated sharpe"]),
            ("no ratio", GateInputs { dsr: None, ..good() }, &["G6 deflated sharpe"]),
            ("fading", GateInputs { decay: 1_000.0, ..good() }, &["G7 decay"]),
            ("low bound", GateInputs { lcb_family: Some(-0.01), ..good() }, &["G8 family bound"]),
            ("last bits", GateInputs { lcb_family: Some(-1e-12), ..good() }, &[]),
            ("one big win", GateInputs { top_share: Some(0.51), ..good() }, &["G9 top share"]),
            ("no win", GateInputs { top_share: None, ..good() }, &["G9 top share"]),
            ("data", GateInputs { is_faulty: true, ..good() }, &["G10 faults"]),
            ("breach", GateInputs { is_breached: true, ..good() }, &["G10 faults"]),
            ("clock", GateInputs { is_clock_off: true, ..good() }, &["G10 faults"]),
            (
                "cooling",
                GateInputs { days_since_demotion: Some(13.0), demotions: 1, episodes: 49, ..good() },
                &["G2 episodes", "G11 cooldown days", "G11 cooldown episodes"],
            ),
            ("used up", GateInputs { days_since_demotion: Some(20.0), demotions: 3, ..good() }, &["G11 reentries"]),
            ("all NaN", GateInputs { decay: f64::NAN, ..good() }, &["G7 decay"]),
        ];
        for (name, inputs, want) in rows {
            let missed: Vec<_> =
                gates(&config, &inputs).iter().filter(|gate| !gate.is_passed).map(|gate| gate.name).collect();
            assert_eq!(missed, want, "{name}");
        }
    }

    #[test]
    fn nothing_is_asked_for_where_a_gate_is_off() {
        let config = PromotionConfig {
            min_days: 0,
            min_active_days: 0,
            max_paper_drawdown_r: None,
            min_dsr: 0.0,
            max_top_share: 1.0,
            ..config()
        };
        let inputs = GateInputs { days: None, active_days: 0, drawdown_r: 1e9, dsr: None, top_share: None, ..good() };
        assert!(gates(&config, &inputs).iter().all(|gate| gate.is_passed));
        let shown = GateVerdict::from(gates(&config, &inputs)[4]);
        assert_eq!((shown.limit, shown.verdict), (None, Verdict::Pass), "off is shown without a limit");
    }

    #[test]
    fn an_infinite_value_is_shown_as_none_and_what_is_missing_as_a_distance() {
        let gate = gates(&config(), &GateInputs { log_wealth: Some(f64::NEG_INFINITY), ..good() })[0];
        let shown = GateVerdict::from(gate);
        assert_eq!((shown.value, shown.verdict, shown.missing), (None, Verdict::Fail, None));
        let gate = gates(&config(), &GateInputs { episodes: 60, ..good() })[1];
        assert_eq!((gate.missing(), gates(&config(), &good())[1].missing()), (Some(40.0), Some(0.0)));
    }
}
