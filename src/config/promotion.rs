//! `[promotion]`: who may trade live, and how it is decided (docs/EVIDENCE.md, section 10).

use crate::domain::Micros;

use super::checked::{EvidenceUnit, PromotionConfig, PromotionMode, SlotReuse};
use super::problem::Faults;
use super::read::{Field, FloatRange, Section};
use super::settings::{HOUR, MILLISECOND, YEAR};
use super::tree::Value;

/// Reads `[promotion]`.
pub(super) fn promotion(root: &Section<'_>, faults: &mut Faults) -> Option<PromotionConfig> {
    let s = root.section("promotion", faults);
    let mode = s.field("mode", faults).and_then(|f| {
        let words = [("auto", PromotionMode::Auto), ("manual", PromotionMode::Manual), ("off", PromotionMode::Off)];
        f.one_of(faults, &words, "\"auto\", \"manual\" or \"off\"")
    });
    let slot_reuse = s.field("slot_reuse", faults).and_then(|f| {
        let words = [("spend", SlotReuse::Spend), ("inherit", SlotReuse::Inherit)];
        f.one_of(faults, &words, "\"spend\" or \"inherit\"")
    });
    let unit = s.field("unit", faults).and_then(|f| {
        let words = [("episode", EvidenceUnit::Episode), ("round", EvidenceUnit::Round)];
        f.one_of(faults, &words, "\"episode\" or \"round\"")
    });
    let anchor = s.field("anchor", faults).and_then(|f| anchor(&f, faults));
    let ramp = s.field("ramp", faults).and_then(|f| ramp(&f, faults));
    let mut or_word = |name: &str, word: &str, most: f64| {
        s.field(name, faults).and_then(|f| match f.value() {
            Value::Text(text) if text == word => Some(None),
            Value::Integer(_) | Value::Float(_) => f.float(faults, FloatRange::Above(0.0, most)).map(Some),
            _ => f.fault(faults, format!("a number above 0, at most {most}, or {word:?}")),
        })
    };
    let max_live_risk = or_word("max_live_risk", "off", 1e9);
    let max_paper_drawdown_r = or_word("max_paper_drawdown_r", "off", 1e6);
    let dd_limit_r = or_word("dd_limit_r", "auto", 1e6);
    let mut length = |name: &str, least: Micros, most: Micros| {
        s.field(name, faults).and_then(|f| match f.value() {
            Value::Text(text) if text == "off" => Some(None),
            _ => f.length(faults, least, most).map(Some),
        })
    };
    let max_feed_gap = length("max_feed_gap", Micros::SECOND, YEAR);
    let max_clock_skew = length("max_clock_skew", MILLISECOND, HOUR);
    let max_rejects = s.field("max_rejects", faults).and_then(|f| match f.value() {
        Value::Text(text) if text == "off" => Some(None),
        Value::Integer(_) => f.count(faults, 1..=1_000).map(Some),
        _ => f.fault(faults, "a whole number from 1 to 1000, or \"off\""),
    });
    let mut float = |name: &str, range| s.field(name, faults).and_then(|f| f.float(faults, range));
    let alpha = float("alpha", FloatRange::Between(0.0, 0.5));
    let slot_first_share = float("slot_first_share", FloatRange::Above(0.0, 1.0));
    let slot_dead = float("slot_dead", FloatRange::Below(0.0, 1.0));
    let floor_r = float("floor_r", FloatRange::From(1.0, 1_000.0));
    let cap_r = float("cap_r", FloatRange::Above(0.0, 1_000.0));
    let null_edge_r = float("null_edge_r", FloatRange::From(0.0, 1_000.0));
    let cost_stress = float("cost_stress", FloatRange::From(1.0, 1_000.0));
    let lambda_min = float("lambda_min", FloatRange::Between(0.0, 1.0));
    let lambda_cap = float("lambda_cap", FloatRange::Between(0.0, 1.0));
    let min_dsr = float("min_dsr", FloatRange::Below(0.0, 1.0));
    let min_lcb_r = float("min_lcb_r", FloatRange::From(0.0, 1_000.0));
    let max_top_share = float("max_top_share", FloatRange::Above(0.0, 1.0));
    let swap_alpha = float("swap_alpha", FloatRange::Between(0.0, 0.5));
    let round_risk_r = float("round_risk_r", FloatRange::Above(0.0, 1e6));
    let round_floor_r = float("round_floor_r", FloatRange::From(1.0, 1_000.0));
    let round_cap_r = float("round_cap_r", FloatRange::Above(0.0, 1_000.0));
    let keep_edge_r = float("keep_edge_r", FloatRange::From(-1_000.0, 1_000.0));
    let detector_arl = float("detector_arl", FloatRange::Above(1.0, 1e12));
    let hard_drawdown_pct = float("hard_drawdown_pct", FloatRange::Above(0.0, 100.0));
    let capital = float("capital", FloatRange::Above(0.0, 1e12));
    let parity_tol_r = float("parity_tol_r", FloatRange::From(0.0, 1_000.0));
    let parity_cap_r = float("parity_cap_r", FloatRange::Above(0.0, 1_000.0));
    let parity_hard_r = float("parity_hard_r", FloatRange::Above(0.0, 1_000.0));
    // The largest bet on a missed signal is 10, and its product with the rate has to stay below 1.
    let parity_miss_rate = float("parity_miss_rate", FloatRange::Between(0.0, 0.1));
    let parity_arl = float("parity_arl", FloatRange::Above(1.0, 1e12));
    let min_useful_edge_r = float("min_useful_edge_r", FloatRange::From(-1_000.0, 1_000.0));
    let futility_e = float("futility_e", FloatRange::Below(0.0, 1.0));
    let mut count = |name: &str, range| s.field(name, faults).and_then(|f| f.count(faults, range));
    let live_slots = count("live_slots", 1..=1_000);
    let alpha_slots = count("alpha_slots", 1..=1_000_000);
    let bets = count("bets", 2..=64);
    let min_episodes = count("min_episodes", 1..=1_000_000_000);
    let min_days = count("min_days", 0..=100_000);
    let min_active_days = count("min_active_days", 0..=100_000);
    let confirm_events = count("confirm_events", 1..=1_000_000);
    let ramp_episodes = count("ramp_episodes", 1..=1_000_000);
    let swap_slots = count("swap_slots", 1..=100_000);
    let min_reign_days = count("min_reign_days", 0..=100_000);
    let dd_target_episodes = count("dd_target_episodes", 1..=1_000_000_000);
    let cooldown_days = count("cooldown_days", 0..=100_000);
    let cooldown_episodes = count("cooldown_episodes", 0..=1_000_000_000);
    let max_reentries = count("max_reentries", 0..=1_000_000);
    let max_episodes = count("max_episodes", 1..=4_000_000_000);
    let max_idle_days = count("max_idle_days", 1..=100_000);
    let config = PromotionConfig {
        mode: mode?,
        live_slots: live_slots?,
        max_live_risk: max_live_risk?,
        alpha: alpha?,
        alpha_slots: alpha_slots?,
        slot_reuse: slot_reuse?,
        slot_first_share: slot_first_share?,
        slot_dead: slot_dead?,
        unit: unit?,
        floor_r: floor_r?,
        cap_r: cap_r?,
        null_edge_r: null_edge_r?,
        cost_stress: cost_stress?,
        bets: u8::try_from(bets?).expect("the range is one of 8 bits"),
        lambda_min: lambda_min?,
        lambda_cap: lambda_cap?,
        min_episodes: min_episodes?,
        min_days: min_days?,
        min_active_days: min_active_days?,
        max_paper_drawdown_r: max_paper_drawdown_r?,
        min_dsr: min_dsr?,
        min_lcb_r: min_lcb_r?,
        max_top_share: max_top_share?,
        confirm_events: confirm_events?,
        ramp: ramp?,
        ramp_episodes: ramp_episodes?,
        swap_alpha: swap_alpha?,
        swap_slots: swap_slots?,
        min_reign_days: min_reign_days?,
        round_risk_r: round_risk_r?,
        round_floor_r: round_floor_r?,
        round_cap_r: round_cap_r?,
        keep_edge_r: keep_edge_r?,
        detector_arl: detector_arl?,
        dd_limit_r: dd_limit_r?,
        dd_target_episodes: dd_target_episodes?,
        hard_drawdown_pct: hard_drawdown_pct?,
        capital: capital?,
        parity_tol_r: parity_tol_r?,
        parity_cap_r: parity_cap_r?,
        parity_hard_r: parity_hard_r?,
        parity_miss_rate: parity_miss_rate?,
        parity_arl: parity_arl?,
        max_feed_gap: max_feed_gap?,
        max_clock_skew: max_clock_skew?,
        max_rejects: max_rejects?,
        cooldown_days: cooldown_days?,
        cooldown_episodes: cooldown_episodes?,
        max_reentries: max_reentries?,
        min_useful_edge_r: min_useful_edge_r?,
        futility_e: futility_e?,
        max_episodes: max_episodes?,
        max_idle_days: max_idle_days?,
        anchor: anchor?,
    };
    together(&s, config, faults)
}

/// What holds between one key and another.
fn together(s: &Section<'_>, config: PromotionConfig, faults: &mut Faults) -> Option<PromotionConfig> {
    // The key that is written is the one to mend.
    let written = |names: &[&'static str]| names.iter().copied().find(|name| s.get(name).is_some());
    if let Some(want) = lambda_fault(&config, config.floor_r) {
        let name = written(&["lambda_min", "floor_r", "null_edge_r", "lambda_cap"]).unwrap_or("lambda_min");
        return s.field(name, faults)?.fault(faults, want);
    }
    for (cap, name) in [(config.cap_r, "cap_r"), (config.round_cap_r, "round_cap_r")] {
        if let Some(want) = cap_fault(&config, cap) {
            let name = written(&[name, "keep_edge_r", "min_useful_edge_r", "lambda_min", "lambda_cap"]).unwrap_or(name);
            return s.field(name, faults)?.fault(faults, want);
        }
    }
    // The bets of the challenger test and, with rounds for outcomes, of the evidence.
    let largest = config.lambda_cap / (config.round_floor_r + config.round_cap_r);
    if config.lambda_min >= largest {
        let name = written(&["round_floor_r", "round_cap_r", "lambda_min"]).unwrap_or("lambda_min");
        let want = format!("lambda_min below lambda_cap / (round_floor_r + round_cap_r), which is {largest}");
        return s.field(name, faults)?.fault(faults, want);
    }
    Some(config)
}

/// What is wrong with the bets at that floor, if anything is.
pub(super) fn lambda_fault(promotion: &PromotionConfig, floor_r: f64) -> Option<String> {
    let largest = promotion.lambda_cap / (floor_r + promotion.null_edge_r);
    (promotion.lambda_min >= largest).then(|| {
        format!("lambda_min ({}) below lambda_cap / (floor_r + null_edge_r), which is {largest}", promotion.lambda_min)
    })
}

/// What is wrong with a cap on gains, if anything is.
pub(super) fn cap_fault(promotion: &PromotionConfig, cap_r: f64) -> Option<String> {
    let least = promotion.keep_edge_r.max(promotion.min_useful_edge_r);
    let most = promotion.keep_edge_r.min(promotion.min_useful_edge_r) + promotion.lambda_cap / promotion.lambda_min;
    (cap_r <= least || cap_r >= most).then(|| {
        format!("a cap above keep_edge_r and min_useful_edge_r, which are at most {least}, and below {most}, where the smallest bet is too large")
    })
}

fn anchor(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    const WANT: &str =
        "a file, an address such as \"https://example.org/anchor\", an experiment such as \"mlflow:heads\", or nothing";
    let text = field.words(faults, WANT)?;
    let is_nameless = text.strip_prefix("mlflow:").is_some_and(|name| name.trim().is_empty());
    if text.contains('\0') || is_nameless { field.fault(faults, WANT) } else { Some(text.to_owned()) }
}

#[expect(clippy::float_cmp, reason = "the last step is 1 as written")]
fn ramp(field: &Field<'_>, faults: &mut Faults) -> Option<Vec<f64>> {
    const WANT: &str = "a list of increasing numbers above 0, the last of them 1";
    let Some(items) = field.items() else { return field.fault(faults, WANT) };
    let mut steps: Vec<f64> = Vec::new();
    for item in items {
        steps.push(item.float(faults, FloatRange::Above(0.0, 1.0))?);
    }
    if steps.last().is_none_or(|last| *last != 1.0) || steps.windows(2).any(|pair| pair[0] >= pair[1]) {
        return field.fault(faults, WANT);
    }
    Some(steps)
}
