//! The gates in force: G1 to G4, G10 and G11. G1 carries the guarantee; every other gate can only take promotions away.

use serde::{Deserialize, Serialize};

use crate::config::PromotionConfig;
use crate::flow::{GateVerdict, Verdict};

/// What the gates look at, all of it recorded with a decision so that it can be taken again.
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
    /// An outcome was not finite.
    pub is_faulty: bool,
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
    /// What it was held against.
    pub limit: f64,
    /// Whether it lets through.
    pub is_passed: bool,
}

impl From<Gate> for GateVerdict {
    fn from(gate: Gate) -> Self {
        Self {
            gate: gate.name.to_owned(),
            value: gate.value.filter(|value| value.is_finite()),
            limit: Some(gate.limit),
            verdict: if gate.is_passed { Verdict::Pass } else { Verdict::Fail },
        }
    }
}

/// `ln(M / alpha)`: the log wealth that G1 asks for.
#[must_use]
pub fn threshold(config: &PromotionConfig) -> f64 {
    (f64::from(config.alpha_slots) / config.alpha).ln()
}

/// Every gate in force, in order.
#[must_use]
pub fn gates(config: &PromotionConfig, inputs: &GateInputs) -> [Gate; 8] {
    let at_least = |name, value: Option<f64>, limit: f64| {
        // A value that is missing or NaN never passes, unless nothing is asked for.
        let is_passed = value.map_or(limit <= 0.0, |value| value >= limit);
        Gate { name, value, limit, is_passed }
    };
    let evidence = threshold(config);
    let faults = u32::from(inputs.is_faulty) + u32::from(inputs.is_breached);
    let episodes = inputs.episodes as f64;
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
        Gate { name: "G10 faults", value: Some(f64::from(faults)), limit: 0.0, is_passed: faults == 0 },
        cooled(at_least("G11 cooldown days", inputs.days_since_demotion, f64::from(config.cooldown_days))),
        cooled(at_least("G11 cooldown episodes", (!is_fresh).then_some(episodes), f64::from(config.cooldown_episodes))),
        Gate {
            name: "G11 reentries",
            value: Some(f64::from(inputs.demotions)),
            limit: f64::from(config.max_reentries),
            is_passed: inputs.demotions <= config.max_reentries,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    fn good() -> GateInputs {
        GateInputs { log_wealth: Some(8.0), episodes: 100, days: Some(30.0), active_days: 20, ..GateInputs::default() }
    }

    #[test]
    fn each_gate_alone_stops_a_candidate() {
        let config = PromotionConfig { min_days: 30, min_active_days: 20, ..config() };
        assert!((threshold(&config) - (128.0f64 / 0.05).ln()).abs() < 1e-12);
        let rows: [(&str, GateInputs, &[&str]); 11] = [
            ("all pass", good(), &[]),
            ("no slot", GateInputs { log_wealth: None, ..good() }, &["G1 evidence"]),
            ("poor", GateInputs { log_wealth: Some(7.8), ..good() }, &["G1 evidence"]),
            ("not a number", GateInputs { log_wealth: Some(f64::NAN), ..good() }, &["G1 evidence"]),
            ("few", GateInputs { episodes: 99, ..good() }, &["G2 episodes"]),
            ("young", GateInputs { days: Some(29.9), ..good() }, &["G3 days"]),
            ("idle", GateInputs { active_days: 19, ..good() }, &["G4 active days"]),
            ("data", GateInputs { is_faulty: true, ..good() }, &["G10 faults"]),
            ("breach", GateInputs { is_breached: true, ..good() }, &["G10 faults"]),
            (
                "cooling",
                GateInputs { days_since_demotion: Some(13.0), demotions: 1, episodes: 49, ..good() },
                &["G2 episodes", "G11 cooldown days", "G11 cooldown episodes"],
            ),
            ("used up", GateInputs { days_since_demotion: Some(20.0), demotions: 3, ..good() }, &["G11 reentries"]),
        ];
        for (name, inputs, want) in rows {
            let missed: Vec<_> =
                gates(&config, &inputs).iter().filter(|gate| !gate.is_passed).map(|gate| gate.name).collect();
            assert_eq!(missed, want, "{name}");
        }
    }

    #[test]
    fn no_calendar_days_are_asked_for_where_the_limit_is_zero() {
        let config = PromotionConfig { min_days: 0, min_active_days: 0, ..config() };
        let inputs = GateInputs { days: None, active_days: 0, ..good() };
        assert!(gates(&config, &inputs).iter().all(|gate| gate.is_passed));
    }

    #[test]
    fn an_infinite_value_is_shown_as_none() {
        let gate = gates(&config(), &GateInputs { log_wealth: Some(f64::NEG_INFINITY), ..good() })[0];
        let shown = GateVerdict::from(gate);
        assert_eq!((shown.value, shown.verdict), (None, Verdict::Fail));
    }
}
