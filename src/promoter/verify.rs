//! Takes every recorded decision again, from the records alone.
//!
//! The chain shows that no record was altered, removed or moved; the recomputation shows that the decisions follow from
//! what the records say. Neither needs the arena, its store or its quotes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit::{Body, Bound, Decision, GENESIS, Kind, Real, Trigger, hex, promotion_of, signed_text};
use super::evidence::{Evidence, FUTILITY_LEVEL};
use super::gates::{GateInputs, gates, threshold};
use super::records::sharpe_record;
use super::reign::{Reign, Swap, swap_floor, swap_level, swap_threshold};
use super::seal::is_signed;
use super::seat::{days, family_level};
use super::slots::start_wealth;
use crate::config::{EvidenceUnit, PromotionConfig, PromotionMode, SlotReuse};
use crate::domain::{Micros, UtcMicros};
use crate::flow::State;
use crate::statistics::detectors::{Decay, Missed};
use crate::statistics::mixture::lower_exact;
use crate::statistics::multiplicity::handover;
use crate::statistics::performance::{Drawdown, top_share};

/// What recomputed floats may differ by: nothing in the same build, some last bits on another machine.
const TOLERANCE: f64 = 1e-9;

/// A chain that holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Records in it.
    pub records: u64,
    /// Promotions among them.
    pub promotions: u64,
    /// Demotions among them.
    pub demotions: u64,
    /// Decisions whose every number was computed again from its list of episodes.
    pub recomputed: u64,
    /// Records that are signed.
    pub signed: u64,
    /// The public key that they are signed with, in hexadecimal digits: compare it with a note of it.
    pub key: Option<String>,
    /// The hash of the last record. A chain that lost its end is known only by comparing this with a note of it.
    pub last_hash: String,
}

/// The first thing that is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No record at all.
    #[error("record {place} is no audit record: {why}")]
    Malformed {
        /// Its place, from 1.
        place: u64,
        /// How.
        why: String,
    },
    /// Its text is not what was hashed.
    #[error("record {seq} was altered: its hash does not fit its text")]
    Altered {
        /// Its number.
        seq: u64,
    },
    /// A number is left out.
    #[error("record {expected} is missing: record {got} stands in its place")]
    Missing {
        /// The number that is missing.
        expected: u64,
        /// The number found.
        got: u64,
    },
    /// A number comes again or late.
    #[error("record {got} is out of order: record {expected} should stand there")]
    OutOfOrder {
        /// The number that should stand there.
        expected: u64,
        /// The number found.
        got: u64,
    },
    /// The right number over another past.
    #[error("record {seq} does not follow record {}: one of them was replaced", seq - 1)]
    Unlinked {
        /// Its number.
        seq: u64,
    },
    /// Its signature is not that of its hash, or it has none although earlier ones have.
    #[error("record {seq} is not signed as it should be: {why}")]
    Unsigned {
        /// Its number.
        seq: u64,
        /// How.
        why: &'static str,
    },
    /// It says what does not follow from what it holds.
    #[error("record {seq} ({model}) does not bear out: {what}")]
    Decision {
        /// Its number.
        seq: u64,
        /// The candidate.
        model: String,
        /// What is wrong.
        what: String,
    },
}

/// Walks a chain from its first record and takes each decision again.
///
/// # Errors
/// [`VerifyError`]: the first record that is wrong.
pub fn verify(records: impl Iterator<Item = String>) -> Result<VerifyReport, VerifyError> {
    let mut report = VerifyReport { last_hash: GENESIS.to_owned(), ..VerifyReport::default() };
    for text in records {
        let expected = report.records + 1;
        let malformed = |why: String| VerifyError::Malformed { place: expected, why };
        let record: Value = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        let field = |name: &str| record.get(name).ok_or_else(|| malformed(format!("{name} is missing")));
        let seq = field("seq")?.as_u64().ok_or_else(|| malformed("seq is no number".to_owned()))?;
        let prev = field("prev")?.as_str().ok_or_else(|| malformed("prev is no text".to_owned()))?;
        let body = field("body")?;
        let hash = field("hash")?.as_str().ok_or_else(|| malformed("hash is no text".to_owned()))?;
        if hex(signed_text(seq, prev, body).as_bytes()) != hash {
            // By its place: what it calls itself may be what was altered.
            return Err(VerifyError::Altered { seq: expected });
        }
        match seq.cmp(&expected) {
            std::cmp::Ordering::Greater => return Err(VerifyError::Missing { expected, got: seq }),
            std::cmp::Ordering::Less => return Err(VerifyError::OutOfOrder { expected, got: seq }),
            std::cmp::Ordering::Equal => {}
        }
        if prev != report.last_hash {
            return Err(VerifyError::Unlinked { seq });
        }
        let signature = |name: &str| record.get(name).and_then(Value::as_str);
        let unsigned = |why| Err(VerifyError::Unsigned { seq, why });
        match (signature("sig"), signature("key"), &report.key) {
            (Some(sig), Some(key), _) if !is_signed(hash, sig, key) => return unsigned("its signature is another's"),
            (Some(_), Some(key), Some(before)) if key != before => return unsigned("it is signed with another key"),
            (Some(_), Some(key), _) => {
                report.signed += 1;
                report.key = Some(key.to_owned());
            }
            // An arena has its key from the first run on: who signs once signs always.
            (.., Some(_)) => return unsigned("it has no signature, and those before it have"),
            _ => {}
        }
        let body: Body = serde_json::from_value(body.clone()).map_err(|e| malformed(e.to_string()))?;
        match check(&body) {
            Ok(is_recomputed) => report.recomputed += u64::from(is_recomputed),
            Err(what) => {
                let model = body.candidate.map(|candidate| candidate.model.to_string()).unwrap_or_default();
                return Err(VerifyError::Decision { seq, model, what });
            }
        }
        report.records = expected;
        report.promotions += u64::from(body.kind == Kind::Promote);
        report.demotions += u64::from(body.kind == Kind::Demote);
        hash.clone_into(&mut report.last_hash);
    }
    Ok(report)
}

/// Takes one decision again; says whether its numbers came from its own list of episodes.
fn check(body: &Body) -> Result<bool, String> {
    let config = promotion_of(&body.promotion).map_err(|e| format!("its [promotion] cannot be read: {e}"))?;
    let Some(candidate) = &body.candidate else { return Ok(false) };
    for slot in candidate.slot.iter().chain(&candidate.joined) {
        let start = match (config.slot_reuse, slot.occupant) {
            (SlotReuse::Spend, occupant) => start_wealth(config.slot_first_share, occupant),
            (SlotReuse::Inherit, 1) => 1.0,
            // What an heir starts with stands in the leaver's record; the walk compares the two.
            (SlotReuse::Inherit, _) => slot.start_wealth.0,
        };
        same("start wealth of its slot", slot.start_wealth.0, start)?;
    }
    let Some(decision) = &body.decision else { return Ok(false) };
    if let Some(slot) = &candidate.slot {
        if !slot.after.is_taken && config.slot_reuse == SlotReuse::Inherit {
            let wealth = decision.log_wealth.map_or(0.0, |wealth| wealth.0.exp());
            same("what its slot is left with", slot.after.next_start, handover(slot.start_wealth.0, wealth))?;
        }
        let start = decision.start_wealth.ok_or("it holds a slot and has no start wealth")?;
        same("start wealth", start.0, slot.start_wealth.0)?;
    }
    same("floor", decision.floor_r.0, candidate.floor_r.0)?;
    same("cap", decision.cap_r.0, candidate.cap_r.0)?;
    same("threshold", decision.threshold.0, threshold(&config))?;
    let is_recomputed = recompute(&config, decision, body.trials)?;
    check_gate_bound(decision)?;
    check_reign(&config, decision)?;
    check_swap(&config, decision, body.time)?;
    let is_passed = check_gates(&config, decision, body.time)?;
    for pair in decision.ready.windows(2) {
        let key = |at: usize| (pair[at].lcb95_r_per_day.0, pair[at].log_e.0);
        let (a, b) = (key(0), key(1));
        let order = b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then(pair[0].seat.cmp(&pair[1].seat));
        if order.is_gt() {
            return Err(format!("{} stands before {} among the ready", pair[0].model, pair[1].model));
        }
    }
    let is_ready = is_passed && decision.confirmed >= config.confirm_events && config.mode != PromotionMode::Off;
    let place = decision.ready.iter().position(|ready| ready.seat == candidate.seat);
    match (body.kind, body.trigger) {
        (Kind::Promote, Trigger::Operator { is_override: true })
            if candidate.flags.iter().any(|flag| flag == "override") => {}
        (Kind::Promote, Trigger::Operator { is_override: true }) => {
            return Err("it was promoted by override and is not marked so".to_owned());
        }
        (Kind::Promote, trigger) => {
            let place = place.ok_or("it was promoted and is not among the ready")?;
            // Days go on between the last evaluation and the promotion, and can only open gates.
            if !is_ready {
                return Err("it was promoted and does not pass every gate".to_owned());
            }
            // Better ones may have been ready whose market was taken.
            if trigger == Trigger::Round && config.live_slots == 1 && decision.swap.is_none() && place > 0 {
                return Err("better ones were ready".to_owned());
            }
        }
        (Kind::Eligible, _) if !is_ready => return Err("it became eligible and does not pass every gate".to_owned()),
        (Kind::Ineligible, _) if is_ready => return Err("it was sent back and passes every gate".to_owned()),
        _ => {}
    }
    if body.kind == Kind::Promote && candidate.to != State::Live {
        return Err("a promotion did not lead to live".to_owned());
    }
    Ok(is_recomputed)
}

/// Evidence from the list of episodes, against every number that was recorded of it.
fn recompute(config: &PromotionConfig, decision: &Decision, trials: u64) -> Result<bool, String> {
    let Some(episodes) = &decision.episodes else { return Ok(false) };
    let start = decision.start_wealth.map(|start| start.0);
    let mut evidence = Evidence::new(config, decision.floor_r.0, decision.cap_r.0, start);
    let xs: Vec<f64> = episodes.iter().map(|episode| episode.5.0).collect();
    xs.iter().for_each(|x| evidence.on_episode(*x));
    if evidence.n() != decision.n || episodes.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(format!("it counts {} episodes and lists {}", decision.n, episodes.len()));
    }
    if decision.range != episodes.first().zip(episodes.last()).map(|(first, last)| (first.0, last.0)) {
        return Err("its range is not that of its episodes".to_owned());
    }
    same_all("bets", &decision.bets, evidence.lambdas())?;
    same_all("sums", &decision.sums, &evidence.power_sums())?;
    same_all("log wealth of the bets", &decision.logs, evidence.logs())?;
    same_maybe("log wealth", decision.log_wealth, evidence.log_wealth())?;
    same_maybe("log e", decision.log_e, evidence.log_e())?;
    let level = decision.start_wealth.map(|start| family_level(config, start.0));
    same("level", decision.lcb95.level.0, 0.05)?;
    same_maybe("family level", decision.lcb_family.map(|bound| bound.level), level)?;
    for Bound { level, fast, exact } in decision.lcb_family.iter().chain([&decision.lcb95]) {
        same("fast lower bound", fast.0, evidence.lcb_fast(level.0))?;
        same_maybe("exact lower bound", *exact, Some(evidence.lcb_exact(level.0, &xs)))?;
    }
    same("upper bound", decision.ucb95.0, evidence.ucb_fast(FUTILITY_LEVEL))?;
    same("log wealth against a useful mean", decision.log_useless.0, evidence.log_useless())?;
    same("drawdown", decision.drawdown_r.0, evidence.max_drawdown_r())?;
    same("decay", decision.decay.0, evidence.decay())?;
    let sharpe = sharpe_record(&evidence);
    same("Sharpe ratio", decision.sharpe.ratio.0, sharpe.ratio.0)?;
    same("skew", decision.sharpe.skew.0, sharpe.skew.0)?;
    same("kurtosis", decision.sharpe.kurtosis.0, sharpe.kurtosis.0)?;
    same_maybe("deflated Sharpe ratio", decision.dsr, evidence.dsr(trials))?;
    same_maybe("top share", decision.top_share, Some(top_share(&xs)).filter(|share| share.is_finite()))?;
    if config.unit == EvidenceUnit::Round {
        // Days of entry and activity are those of the episodes within the rounds, which are not listed.
        return Ok(true);
    }
    let mut active: Vec<i64> = episodes.iter().map(|episode| episode.2.div_euclid(Micros::DAY.0)).collect();
    active.dedup();
    let first_opened = episodes.first().map(|episode| UtcMicros(episode.1));
    if decision.first_opened != first_opened || decision.active_days as usize != active.len() {
        return Err("its days are not those of its episodes".to_owned());
    }
    if evidence.is_breached() && !decision.is_breached {
        return Err("an outcome broke the floor and that is not said".to_owned());
    }
    Ok(true)
}

/// The bound that G8 looked at: never above the exact one, but for last bits, and never below the fast one.
fn check_gate_bound(decision: &Decision) -> Result<(), String> {
    let (Some(gate), Some(bound)) = (decision.lcb_gate, decision.lcb_family) else { return Ok(()) };
    let highest = bound.exact.map_or(f64::INFINITY, |exact| exact.0.max(bound.fast.0)) + TOLERANCE;
    if gate.0 < bound.fast.0 - TOLERANCE || gate.0 > highest {
        return Err(format!("the bound of G8 is recorded as {gate}, which is none"));
    }
    Ok(())
}

/// The detectors of a reign from its list of live outcomes.
fn check_reign(config: &PromotionConfig, decision: &Decision) -> Result<(), String> {
    let Some(reign) = &decision.reign else { return Ok(()) };
    let count = usize::from(config.bets);
    let numbers = |list: &[Real]| list.iter().map(|real| real.0).collect::<Vec<f64>>();
    let (lives, differences) = (numbers(&reign.lives), numbers(&reign.differences));
    if config.unit == EvidenceUnit::Episode {
        let mut decay = Decay::new(count, config.lambda_min, config.lambda_cap, config.keep_edge_r, decision.cap_r.0);
        for x in &lives {
            decay.push(*x);
        }
        same("live decay", reign.decay.0, decay.statistic())?;
    }
    let mut parity = Reign::parity_detector(config);
    for q in &differences {
        parity.push(q.clamp(-config.parity_cap_r, config.parity_cap_r));
    }
    same("parity", reign.parity.0, parity.statistic())?;
    let mut missed = Missed::new(count, config.parity_miss_rate);
    for is_missed in &reign.signals {
        missed.push(*is_missed);
    }
    same("missed signals", reign.missed.0, missed.statistic())?;
    same("live drawdown", reign.drawdown_r.0, Drawdown::of(&lives).now())
}

/// A challenger's test from the list of common rounds.
fn check_swap(config: &PromotionConfig, decision: &Decision, time: UtcMicros) -> Result<(), String> {
    let Some(swap) = &decision.swap else { return Ok(()) };
    let differences: Vec<f64> = swap.differences.iter().map(|real| real.0).collect();
    let mut test = Swap::new(config, 0);
    for difference in &differences {
        test.push(config, *difference);
    }
    same("floor of the challenger test", swap.floor.0, swap_floor(config))?;
    same("threshold of the challenger test", swap.threshold.0, swap_threshold(config))?;
    same("log wealth of the challenger test", swap.log_e.0, test.mixture.log_wealth())?;
    let bound = lower_exact(test.mixture.bets(), swap_floor(config), &differences, swap_level(config));
    same("lower bound of the challenger test", swap.lcb.0, bound)?;
    let age = days(swap.since, time).unwrap_or(0.0);
    if !test.is_passed(config) || age < f64::from(config.min_reign_days) {
        return Err("it took a champion's place and did not beat it on common rounds".to_owned());
    }
    Ok(())
}

/// The gates from the recorded inputs, against the recorded verdicts; whether all pass.
fn check_gates(config: &PromotionConfig, decision: &Decision, time: UtcMicros) -> Result<bool, String> {
    let inputs = GateInputs {
        log_wealth: decision.log_wealth.map(|wealth| wealth.0),
        episodes: decision.n,
        days: decision.first_opened.and_then(|first| days(first, time)),
        active_days: decision.active_days,
        drawdown_r: decision.drawdown_r.0,
        dsr: decision.dsr.map(|dsr| dsr.0),
        decay: decision.decay.0,
        lcb_family: decision.lcb_gate.map(|bound| bound.0),
        top_share: decision.top_share.map(|share| share.0),
        is_faulty: decision.is_faulty,
        is_breached: decision.is_breached,
        is_clock_off: decision.is_clock_off,
        days_since_demotion: decision.demoted.and_then(|demoted| days(demoted, time)),
        demotions: decision.demotions,
    };
    let now = gates(config, &inputs);
    if now.len() != decision.gates.len() {
        return Err(format!("it lists {} gates, {} are in force", decision.gates.len(), now.len()));
    }
    for (gate, then) in now.iter().zip(&decision.gates) {
        if gate.name != then.gate || gate.is_passed != then.is_passed {
            return Err(format!("the verdict of {} is not the recorded one", gate.name));
        }
        same_maybe(gate.name, then.value, gate.value)?;
        same(gate.name, then.limit.0, gate.limit)?;
    }
    Ok(now.iter().all(|gate| gate.is_passed))
}

fn same(what: &str, recorded: f64, computed: f64) -> Result<(), String> {
    let is_same =
        recorded.to_bits() == computed.to_bits() || (recorded - computed).abs() <= TOLERANCE * computed.abs().max(1.0);
    if is_same { Ok(()) } else { Err(format!("{what} is recorded as {recorded:?} and comes to {computed:?}")) }
}

fn same_maybe(what: &str, recorded: Option<Real>, computed: Option<f64>) -> Result<(), String> {
    match (recorded, computed) {
        (None, None) => Ok(()),
        (Some(recorded), Some(computed)) => same(what, recorded.0, computed),
        (None, Some(_)) => Err(format!("{what} is not recorded")),
        (Some(_), None) => Err(format!("{what} is recorded and there is none")),
    }
}

fn same_all(what: &str, recorded: &[Real], computed: &[f64]) -> Result<(), String> {
    if recorded.len() != computed.len() {
        return Err(format!("{what} are {}, not {}", recorded.len(), computed.len()));
    }
    recorded.iter().zip(computed).try_for_each(|(recorded, computed)| same(what, recorded.0, *computed))
}
