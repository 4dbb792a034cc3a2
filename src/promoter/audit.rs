//! The audit chain: one record for every lifecycle change, each holding the hash of the one before.
//!
//! A record is `{"seq","prev","body","hash"}`, and `"wall"` where somebody noted the time on the wall. The hash is
//! SHA-256 over the compact text of `{"seq","prev","body"}`; wall time stays outside, so that a replay has the same
//! hashes. Floats are written as decimal text that reads back to the same bits (`"0.1"`, `"-inf"`, `"NaN"`), as money
//! is, so that no JSON reader on the way can round what a decision was taken on.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::gates::Gate;
use super::slots::{Slot, SlotPlace};
use crate::config::PromotionConfig;
use crate::domain::{ModelId, Money, SeatIdx, UtcMicros};
use crate::flow::State;

/// What the first record has for the hash before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A float that survives JSON bit by bit (the payload of a NaN excepted).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Real(pub f64);

impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Debug` prints the shortest decimal that reads back to the same float, with an exponent where that is shorter.
        write!(f, "{:?}", self.0)
    }
}

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// What a record is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Register,
    Warm,
    Eligible,
    Ineligible,
    Promote,
    Demote,
    Disqualify,
    Retire,
    Suspend,
    Configure,
    /// A champion goes to the next step of the ramp.
    Ramp,
    /// A further budget of alpha.
    Budget,
    /// A candidate without a slot takes one of a new budget.
    Join,
    /// Promotions go on after live and paper had come apart.
    Clear,
}

/// What set it off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(super) enum Trigger {
    /// The closing of an episode.
    Episode { seat: SeatIdx, number: u64 },
    /// The end of a round.
    Round,
    /// An operator's word.
    Operator { is_override: bool },
    /// A reading of the configuration.
    Configuration,
    /// The seat itself: its window filled, or it failed.
    Seat,
    /// Live dealing: an outcome, a missed signal, the broker, the feed.
    Live,
}

/// What a record says; the order of the fields is the order in the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Body {
    pub kind: Kind,
    pub time: UtcMicros,
    pub trigger: Trigger,
    pub reason: String,
    pub config_hash: String,
    /// How many budgets of alpha this arena has opened.
    pub budget: u32,
    pub promotion: Value,
    pub currency: String,
    /// Identities ever registered.
    pub trials: u64,
    pub candidate: Option<CandidateRecord>,
    pub decision: Option<Decision>,
}

/// Whom it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CandidateRecord {
    pub model: ModelId,
    pub lineage: ModelId,
    pub seat: SeatIdx,
    pub content_hash: String,
    pub generation: u32,
    pub floor_r: Real,
    pub cap_r: Real,
    pub market: String,
    pub from: Option<State>,
    pub to: State,
    pub flags: Vec<String>,
    /// The place it holds or leaves.
    pub slot: Option<SlotRecord>,
    /// The place it takes.
    pub joined: Option<SlotRecord>,
}

/// A place in the slot table, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SlotRecord {
    pub index: u32,
    pub occupant: u32,
    pub start_wealth: Real,
    pub before: Slot,
    pub after: Slot,
}

impl SlotRecord {
    pub(super) fn new(place: SlotPlace, before: Slot, after: Slot) -> Self {
        let SlotPlace { index, occupant, start_wealth } = place;
        Self { index, occupant, start_wealth: Real(start_wealth), before, after }
    }
}

/// What the decision was taken on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Decision {
    pub floor_r: Real,
    pub cap_r: Real,
    pub null_edge_r: Real,
    pub start_wealth: Option<Real>,
    pub bets: Vec<Real>,
    pub n: u64,
    /// Sums of the first four powers of `x`.
    pub sums: [Real; 4],
    pub logs: Vec<Real>,
    pub log_wealth: Option<Real>,
    pub log_e: Option<Real>,
    pub threshold: Real,
    pub lcb95: Bound,
    /// At the level of the gate, `alpha · s / M`; null without a slot.
    pub lcb_family: Option<Bound>,
    /// The same as gate G8 looked at it.
    pub lcb_gate: Option<Real>,
    /// Against "the mean is useful", at 95 %.
    pub ucb95: Real,
    pub log_useless: Real,
    pub drawdown_r: Real,
    /// The detector of decay over these outcomes.
    pub decay: Real,
    pub sharpe: SharpeRecord,
    pub dsr: Option<Real>,
    pub top_share: Option<Real>,
    pub first_opened: Option<UtcMicros>,
    pub active_days: u32,
    pub is_faulty: bool,
    pub is_breached: bool,
    #[serde(default)]
    pub is_clock_off: bool,
    /// When the lineage was last demoted.
    pub demoted: Option<UtcMicros>,
    pub demotions: u32,
    pub gates: Vec<GateRecord>,
    /// Evaluations in a row that passed every gate.
    pub confirmed: u32,
    pub ready: Vec<ReadyRecord>,
    /// First and last number of the episodes counted.
    pub range: Option<(u64, u64)>,
    /// Those episodes: number, opened and closed in microseconds since 1970, profit, risk unit, outcome in R.
    /// Promotions and demotions alone; null where they were not kept for want of a slot.
    pub episodes: Option<Vec<EpisodeRecord>>,
    /// Of a champion: what its live deals came to.
    pub reign: Option<ReignRecord>,
    /// Of a promotion in a champion's place: the common rounds.
    pub swap: Option<SwapRecord>,
}

/// What the deflated Sharpe ratio is made of; trials are the body's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SharpeRecord {
    pub ratio: Real,
    pub skew: Real,
    pub kurtosis: Real,
    /// The null variance of a ratio, `1/n`.
    pub variance: Real,
}

/// A reign as it stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReignRecord {
    pub since: UtcMicros,
    pub step: u32,
    /// Live outcomes in R.
    pub lives: Vec<Real>,
    /// Live less paper of one signal, in R.
    pub differences: Vec<Real>,
    /// Whether each signal was missed.
    pub signals: Vec<bool>,
    pub decay: Real,
    pub parity: Real,
    pub missed: Real,
    pub drawdown_r: Real,
    pub dd_limit_r: Real,
    pub drawdown_pct: Real,
    pub rejects: u32,
}

/// A challenger's common rounds with the champion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SwapRecord {
    pub champion: ModelId,
    pub since: UtcMicros,
    pub step: u32,
    pub floor: Real,
    /// Challenger less champion, in daily risk budgets.
    pub differences: Vec<Real>,
    pub log_e: Real,
    pub threshold: Real,
    pub lcb: Real,
}

/// A lower bound by both ways; the exact one where the episodes are listed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bound {
    pub level: Real,
    pub fast: Real,
    pub exact: Option<Real>,
}

/// A gate as it stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct GateRecord {
    pub gate: String,
    pub value: Option<Real>,
    pub limit: Real,
    pub is_passed: bool,
}

impl From<Gate> for GateRecord {
    fn from(gate: Gate) -> Self {
        Self {
            gate: gate.name.to_owned(),
            value: gate.value.map(Real),
            limit: Real(gate.limit),
            is_passed: gate.is_passed,
        }
    }
}

/// A candidate through every gate, with what it is ordered by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReadyRecord {
    pub model: ModelId,
    pub seat: SeatIdx,
    /// Lower bound at 95 % times episodes a day.
    pub lcb95_r_per_day: Real,
    pub log_e: Real,
}

/// `(number, opened, closed, profit, rho in millionths, x)`.
pub(super) type EpisodeRecord = (u64, i64, i64, Money, Real, Real);

/// The end of the chain, and the records that nobody has fetched yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chain {
    next: u64,
    last: String,
    outbox: Vec<String>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { next: 1, last: GENESIS.to_owned(), outbox: Vec::new() }
    }
}

impl Chain {
    /// Seals a body and appends it.
    pub(super) fn append(&mut self, body: &Body) {
        let body = serde_json::to_value(body).expect("a body has text keys alone");
        let signed = signed_text(self.next, &self.last, &body);
        let hash = hex(signed.as_bytes());
        let open = signed.strip_suffix('}').expect("an object ends with its brace");
        self.outbox.push(format!(r#"{open},"hash":"{hash}"}}"#));
        self.next += 1;
        self.last = hash;
    }

    /// The records since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.outbox)
    }
}

/// The text that is hashed.
pub(super) fn signed_text(seq: u64, prev: &str, body: &Value) -> String {
    format!(r#"{{"seq":{seq},"prev":{},"body":{body}}}"#, Value::from(prev))
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `record` with the time on the wall noted at its end, outside of what is hashed. A text that is no record comes back
/// as it is.
#[must_use]
pub fn with_wall_time(record: &str, wall: UtcMicros) -> String {
    match record.strip_suffix('}') {
        Some(open) if !open.contains(r#","wall":"#) => format!(r#"{open},"wall":"{wall}"}}"#),
        _ => record.to_owned(),
    }
}

/// `[promotion]` as it stands in a record: every key, floats as text.
pub(super) fn promotion_text(config: &PromotionConfig) -> Value {
    fn textual(value: Value) -> Value {
        match value {
            Value::Number(number) if number.is_f64() => {
                Value::String(Real(number.as_f64().unwrap_or(f64::NAN)).to_string())
            }
            Value::Array(items) => items.into_iter().map(textual).collect(),
            Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, textual(value))).collect(),
            other => other,
        }
    }
    textual(serde_json::to_value(config).expect("the configuration has text keys alone"))
}

/// What [`promotion_text`] wrote, read back.
pub(super) fn promotion_of(text: &Value) -> Result<PromotionConfig, serde_json::Error> {
    fn numeric(value: &Value) -> Value {
        match value {
            Value::String(text) => text.parse::<f64>().map_or_else(|_| value.clone(), Value::from),
            Value::Array(items) => items.iter().map(numeric).collect(),
            // The anchor is a text whatever it looks like.
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| (key.clone(), if key == "anchor" { value.clone() } else { numeric(value) }))
                .collect(),
            other => other.clone(),
        }
    }
    serde_json::from_value(numeric(text))
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn floats_survive_the_text_bit_by_bit() {
        for x in [0.1, -0.0, 1e-300, f64::MIN_POSITIVE / 3.0, f64::MAX, f64::NEG_INFINITY, 2.0 / 3.0] {
            let text = serde_json::to_string(&Real(x)).unwrap();
            assert_eq!(serde_json::from_str::<Real>(&text).unwrap().0.to_bits(), x.to_bits(), "{text}");
        }
        assert!(serde_json::from_str::<Real>("\"NaN\"").unwrap().0.is_nan());
        assert!(serde_json::from_str::<Real>("\"\"").is_err());
    }

    #[test]
    fn the_configuration_survives_the_text() {
        let config = PromotionConfig { alpha: 0.1 + 0.2, ..config() };
        let text = promotion_text(&config);
        assert_eq!(text["alpha"], "0.30000000000000004");
        assert_eq!(promotion_of(&text).unwrap(), config);
    }

    #[test]
    fn wall_time_is_noted_once_and_outside() {
        let with = with_wall_time(r#"{"seq":1,"hash":"ab"}"#, UtcMicros(0));
        assert_eq!(with, r#"{"seq":1,"hash":"ab","wall":"1970-01-01T00:00:00Z"}"#);
        assert_eq!(with_wall_time(&with, UtcMicros(1)), with);
    }
}
