//! What a reader wants to know first, in sentences.

use std::collections::BTreeMap;

use super::figures::{GateCount, ModelFigures, Report, Summary};
use super::text::{days, list, percent, ratio};
use crate::flow::{Board, Explanation, State, Verdict};

/// Names told one by one.
const NAMES_MAX: usize = 3;

/// The summary of a report whose other figures are there.
pub(super) fn summary(report: &Report, board: &Board) -> Summary {
    let live: Vec<String> = of_state(report, State::Live).map(|model| model.row.model.to_string()).collect();
    let leader = report.models.first();
    let gates = gate_counts(report);
    Summary {
        leader: leader.map(|model| model.row.model.to_string()),
        headline: headline(report, leader),
        promotion: promotion(report, leader, &live, &gates),
        trust: trust(report, board),
        live,
        gates,
    }
}

fn of_state(report: &Report, state: State) -> impl Iterator<Item = &ModelFigures> {
    report.models.iter().filter(move |model| model.row.state == state)
}

fn headline(report: &Report, leader: Option<&ModelFigures>) -> String {
    let Some(leader) = leader else { return "No candidate yet".to_owned() };
    let name = &leader.row.model;
    let Some(mean) = leader.mean_r else {
        return format!("{} candidates, no closed trade yet; {name} stands first", report.models.len());
    };
    let interval = match (leader.low_r, leader.high_r) {
        (Some(low), Some(high)) => format!("surely between {} and {} R (95 %)", ratio(low, 3), ratio(high, 3)),
        (Some(low), None) => format!("surely at least {} R (95 %)", ratio(low, 3)),
        (None, Some(high)) => format!("surely at most {} R (95 %), nothing is known from below", ratio(high, 3)),
        (None, None) => "too few to bound the mean".to_owned(),
    };
    format!(
        "{name} leads {} candidates with {} R a trade over {} trades, {interval}",
        report.models.len(),
        ratio(mean, 3),
        leader.trades
    )
}

/// How many of those on paper miss each gate, the most missed first.
fn gate_counts(report: &Report) -> Vec<GateCount> {
    let waiting = |model: &&ModelFigures| matches!(model.row.state, State::Shadow | State::Warming | State::Eligible);
    let on_paper: Vec<&ModelFigures> = report.models.iter().filter(waiting).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for gate in on_paper.iter().flat_map(|model| &model.missed) {
        *counts.entry(gate).or_default() += 1;
    }
    let of = on_paper.len();
    let count = |(gate, missed): (&str, usize)| GateCount { gate: gate.to_owned(), missed, of };
    let mut counts: Vec<GateCount> = counts.into_iter().map(count).collect();
    counts.sort_by(|a, b| b.missed.cmp(&a.missed).then(a.gate.cmp(&b.gate)));
    counts
}

fn promotion(report: &Report, leader: Option<&ModelFigures>, live: &[String], gates: &[GateCount]) -> Vec<String> {
    let mut told = Vec::new();
    let value = |key: &str| report.promotion.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    if !live.is_empty() {
        let are = if live.len() == 1 { "trades" } else { "trade" };
        told.push(format!("{} {are} live", list(live, NAMES_MAX)));
    }
    match value("mode") {
        Some("off") => told.push("Nobody is promoted: [promotion] mode is \"off\"".to_owned()),
        Some("manual") => told.push("Nobody is promoted by itself: [promotion] mode is \"manual\"".to_owned()),
        _ => {}
    }
    let eligible: Vec<String> = of_state(report, State::Eligible).map(|model| model.row.model.to_string()).collect();
    if !eligible.is_empty() {
        let wait = "passed every gate and waits for a place, or to be flat";
        told.push(format!("{} {wait}", list(&eligible, NAMES_MAX)));
    } else if live.is_empty() && !report.models.is_empty() {
        let most = gates.iter().take(NAMES_MAX).map(|gate| format!("{} {} of {}", gate.gate, gate.missed, gate.of));
        let most: Vec<String> = most.collect();
        told.push(match most.is_empty() {
            true => "Nobody is promoted: no candidate gathers evidence on paper at present".to_owned(),
            false => {
                format!("Nobody is promoted yet: no candidate passes every gate; missed most are {}", most.join(", "))
            }
        });
    }
    if let Some(leader) = leader.filter(|leader| leader.row.state != State::Live && !leader.missed.is_empty()) {
        let name = &leader.row.model;
        told.push(format!("{name} misses {}{}", list(&leader.missed, 6), expected(report, leader)));
    }
    told
}

/// When the leader may be decided on.
fn expected(report: &Report, leader: &ModelFigures) -> String {
    let focus = report.focus.iter().find(|focus| focus.model == leader.row.model.as_str());
    let Some(gates) = focus.and_then(|focus| focus.gates.as_ref()) else { return String::new() };
    let Explanation { expected_days_to_decision, expected_days_low, expected_days_high, .. } = gates;
    let is_open = gates.gates.iter().any(|gate| gate.verdict != Verdict::Pass);
    match (expected_days_to_decision, expected_days_low, expected_days_high) {
        (Some(middle), Some(low), Some(high)) => {
            format!("; a decision is expected in {} ({} to {})", days(*middle), days(*low), days(*high))
        }
        (Some(middle), Some(low), None) => {
            format!("; a decision is expected in {}, {} at best, perhaps never", days(*middle), days(*low))
        }
        (Some(middle), _, _) => format!("; a decision is expected in {}", days(*middle)),
        (None, Some(low), _) => format!("; no decision is in sight, {} at best", days(*low)),
        (None, None, _) if is_open => "; no decision is in sight at its present mean and rate of trades".to_owned(),
        (None, None, _) => String::new(),
    }
}

fn trust(report: &Report, board: &Board) -> Vec<String> {
    let mut told = Vec::new();
    let value = |key: &str| report.promotion.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    if let (Some(alpha), Some(slots)) =
        (value("alpha").and_then(|alpha| alpha.parse::<f64>().ok()), value("alpha_slots"))
    {
        told.push(format!(
            "The evidence gate lets any candidate without an edge through with a chance of at most {} for all {slots} \
             slots together, however often one looks",
            percent(alpha, 1)
        ));
    }
    let overridden: Vec<String> = report
        .models
        .iter()
        .filter(|model| model.row.flags.iter().any(|flag| flag == "override"))
        .map(|model| model.row.model.to_string())
        .collect();
    if !overridden.is_empty() {
        told.push(format!("{} went live against the gates, by an operator's override", list(&overridden, NAMES_MAX)));
    }
    if let Some(weekly) = &report.weekly {
        let p = weekly.superior.consistent;
        let verdict = if p < 0.05 { "the best is better than not trading" } else { "the best may be chance" };
        told.push(format!(
            "Looked at once, over {} {}s and {} candidates: {verdict} (SPA p = {})",
            weekly.periods,
            weekly.period,
            weekly.candidates,
            ratio(p, 3)
        ));
        if let Some(overfitting) = &weekly.overfitting {
            told.push(format!(
                "Whoever is best in one half of the record is below the median of the other half in {} of the splits \
                 (PBO)",
                percent(overfitting.probability, 0)
            ));
        }
    } else if !report.models.is_empty() {
        told.push("The record is too short to compare candidates: fewer than 20 hours saw a trade".to_owned());
    }
    let quality = &report.quality;
    told.push(match quality.bad_share {
        Some(share) if share > 0.0 => format!("{} of the quotes were refused as bad", percent(share, 2)),
        Some(_) => "No quote was refused as bad".to_owned(),
        None => "No quote has come yet".to_owned(),
    });
    if quality.n_gaps > 0 {
        let hours = quality.gap_seconds / 3_600.0;
        told.push(format!("Quotes are missing in {} gaps, {} hours together", quality.n_gaps, ratio(hours, 2)));
    }
    if !board.health.is_recording && board.time.is_some() {
        let why = board.health.fault.as_deref().unwrap_or("no reason given");
        told.push(format!("The store does not record any more: {why}"));
    }
    told
}
