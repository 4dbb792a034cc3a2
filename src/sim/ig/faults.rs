//! Trouble on demand: what goes wrong, when, and how often. Drawn from the seed, so that a run can be had again.
//!
//! A fault waits for what it spoils (a request, a confirm, a bind) or happens by itself, at once, after a while, or again
//! and again. `docs/IG.md` lists the kinds.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{Decimal, Micros, PriceDelta, UtcMicros};
use crate::sim::rng::Rng;

use super::board::Board;
use super::dealing::distance;

/// A length of time, written as `250ms`, `5s`, `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Length(pub Micros);

impl TryFrom<String> for Length {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: crate::domain::TimeError| format!("{text:?} is {error}"))
    }
}

impl From<Length> for String {
    fn from(length: Length) -> Self {
        length.0.to_string()
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// A request is answered with this instead of being done.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The error code; without one the body is empty.
        #[serde(default)]
        error: Option<String>,
    },
    /// A request is done and answered with this all the same.
    AnswerAfter {
        /// The HTTP status.
        status: u16,
        /// The error code; without one the body is empty.
        #[serde(default)]
        error: Option<String>,
    },
    /// The connection of a request is cut before anything is done.
    Drop,
    /// The connection of a request is cut after it was done.
    DropAfter,
    /// A request is answered late, by the wall clock.
    Slow {
        /// How late.
        delay: Length,
    },
    /// A deal's confirm comes later, over REST and on the stream.
    ConfirmDelay {
        /// How much after the deal.
        delay: Length,
    },
    /// A deal has no confirm at all.
    ConfirmLost,
    /// The stream tells a confirm again.
    ConfirmTwice {
        /// How often more.
        #[serde(default = "one")]
        copies: u32,
    },
    /// The next deal is rejected.
    Reject {
        /// With this reason.
        reason: String,
    },
    /// Deals at the market are worse than the quote.
    Slip {
        /// By so many points.
        points: f64,
    },
    /// A new position is not listed at first.
    ListedLate {
        /// For how long.
        delay: Length,
    },
    /// `GET /positions` answers an empty list.
    EmptyPositions,
    /// A bind that asks for recovery is refused with code 4.
    RefuseRecovery,
    /// A new stream session is refused.
    RefuseCreate {
        /// With this code.
        code: i32,
    },
    /// An upgrade to WebSocket is refused with 403.
    RefuseWebsocket,
    /// Streams stay connected and send nothing, not even probes.
    Stall {
        /// For how long.
        #[serde(rename = "for")]
        length: Length,
    },
    /// Items of markets send no updates, while streams live.
    Mute {
        /// Of this market alone.
        #[serde(default)]
        epic: Option<String>,
        /// For how long.
        #[serde(rename = "for")]
        length: Length,
    },
    /// Weekend maintenance: tokens and streams end, markets are offline, logins answer 503.
    Maintenance {
        /// For how long.
        #[serde(rename = "for")]
        length: Length,
    },
    /// A market has another status.
    MarketStatus {
        /// Which.
        epic: String,
        /// In REST's words.
        status: String,
        /// For how long.
        #[serde(rename = "for")]
        length: Length,
    },
    /// Every price of a market moves at once, and stays so.
    Jump {
        /// Which.
        epic: String,
        /// By so many points.
        points: f64,
    },
    /// Sockets of streams are cut; with `all`, those of REST too.
    CutSockets {
        /// Those of REST too.
        #[serde(default)]
        all: bool,
    },
    /// Every token dies.
    ExpireTokens,
    /// Stream sessions are forgotten: a bind is answered with code 20.
    ForgetSessions,
    /// Stream sessions end with this code.
    End {
        /// The code.
        code: i32,
        /// The text.
        #[serde(default)]
        text: String,
    },
    /// Streams are told to bind again.
    Loop,
    /// Streams get this line, whatever it is.
    BadFrame {
        /// The line, without its end.
        frame: String,
    },
    /// A position appears that nobody asked for here.
    PositionAppears {
        /// Whose; the preferred account's where it is left out.
        #[serde(default)]
        account: Option<String>,
        /// On which market.
        epic: String,
        /// `BUY` or `SELL`.
        direction: String,
        /// How much.
        size: f64,
        /// Points to its stop.
        #[serde(default)]
        stop_distance: Option<f64>,
        /// Points to its limit.
        #[serde(default)]
        limit_distance: Option<f64>,
        /// Its reference.
        #[serde(default)]
        reference: Option<String>,
    },
    /// A position is closed outside, wholly or in part: the stream and the history tell.
    PositionCloses {
        /// Which; the first one where it is left out.
        #[serde(default)]
        deal_id: Option<String>,
        /// How much of it.
        #[serde(default)]
        size: Option<f64>,
    },
    /// A position is gone without a word.
    PositionVanishes {
        /// Which; the first one where it is left out.
        #[serde(default)]
        deal_id: Option<String>,
    },
    /// A position has another size or no stop, without a word.
    PositionChanges {
        /// Which; the first one where it is left out.
        #[serde(default)]
        deal_id: Option<String>,
        /// Its size from now on.
        #[serde(default)]
        size: Option<f64>,
        /// Its stop goes.
        #[serde(default)]
        drop_stop: bool,
        /// Its limit goes.
        #[serde(default)]
        drop_limit: bool,
    },
}

fn one() -> u32 {
    1
}

impl Kind {
    /// Whether it waits for something to spoil.
    fn is_waiting(&self) -> bool {
        matches!(
            self,
            Self::Answer { .. }
                | Self::AnswerAfter { .. }
                | Self::Drop
                | Self::DropAfter
                | Self::Slow { .. }
                | Self::ConfirmDelay { .. }
                | Self::ConfirmLost
                | Self::ConfirmTwice { .. }
                | Self::Reject { .. }
                | Self::Slip { .. }
                | Self::ListedLate { .. }
                | Self::EmptyPositions
                | Self::RefuseRecovery
                | Self::RefuseCreate { .. }
                | Self::RefuseWebsocket
        )
    }

    /// Whether it spoils requests, so that a path can choose them.
    fn is_of_requests(&self) -> bool {
        matches!(
            self,
            Self::Answer { .. } | Self::AnswerAfter { .. } | Self::Drop | Self::DropAfter | Self::Slow { .. }
        )
    }
}

/// A fault, and when it strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// For requests: a method and the beginning of a path, such as `POST /positions/otc`.
    pub path: Option<String>,
    /// How often; `None`: without end.
    pub times: Option<u32>,
    /// Strikes with this probability where it could.
    pub chance: Option<f64>,
    /// Spares so many first.
    pub after: u32,
    /// For what happens by itself: not before so long.
    pub within: Option<Micros>,
    /// For what happens by itself: again and again, this long apart on average.
    pub every: Option<Micros>,
}

impl Fault {
    /// A fault that strikes once.
    #[must_use]
    pub fn once(kind: Kind) -> Self {
        Self { kind, path: None, times: Some(1), chance: None, after: 0, within: None, every: None }
    }

    /// Reads `{"kind": …, "path", "times", "chance", "after", "in", "every"}`.
    ///
    /// # Errors
    /// One sentence: what is wrong with it.
    pub fn parse(value: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = value else { return Err("a fault is an object with a kind".to_owned()) };
        let mut take = |name: &str| fields.shift_remove(name);
        let (path, times, chance, after) = (take("path"), take("times"), take("chance"), take("after"));
        let (within, every) = (take("in"), take("every"));
        let names: Vec<String> = fields.keys().cloned().collect();
        let kind: Kind = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        // A kind without fields takes any: what it did not ask for is found by writing it down again.
        let known = serde_json::to_value(&kind).map_err(|error| error.to_string())?;
        if let Some(name) = names.iter().find(|name| known.get(name.as_str()).is_none()) {
            return Err(format!("unknown field `{name}`"));
        }
        let length = |name: &str, value: Option<Value>| -> Result<Option<Micros>, String> {
            let Some(value) = value else { return Ok(None) };
            let length: Length = serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))?;
            Ok(Some(length.0))
        };
        let fault = Self {
            path: read("path", path)?,
            chance: read("chance", chance)?,
            after: read("after", after)?.unwrap_or(0),
            within: length("in", within)?,
            every: length("every", every)?,
            times: match times {
                None if every_is_without_end(&kind) => None,
                None => Some(1),
                Some(Value::Null) => None,
                some => read("times", some)?,
            },
            kind,
        };
        fault.check()?;
        Ok(fault)
    }

    fn check(&self) -> Result<(), String> {
        if self.chance.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            return Err("a chance lies between 0 and 1".to_owned());
        }
        if self.path.is_some() && !self.kind.is_of_requests() {
            return Err("only faults of requests have a path".to_owned());
        }
        if self.kind.is_waiting() && (self.every.is_some() || self.within.is_some()) {
            return Err("what waits for something to spoil has neither in nor every".to_owned());
        }
        if !self.kind.is_waiting() && (self.chance.is_some() || self.after > 0) {
            return Err("what happens by itself has neither chance nor after".to_owned());
        }
        if self.every.is_some_and(|every| every.0 < 1_000) {
            return Err("every is at least 1ms".to_owned());
        }
        match &self.kind {
            Kind::Answer { status, .. } | Kind::AnswerAfter { status, .. } if !(200..600).contains(status) => {
                Err(format!("{status} is no status of an answer"))
            }
            _ => Ok(()),
        }
    }

    fn json(&self) -> Value {
        let mut value = serde_json::to_value(&self.kind).unwrap_or(Value::Null);
        if let Some(path) = &self.path {
            value["path"] = json!(path);
        }
        value["times"] = json!(self.times);
        value
    }
}

/// A slip lasts until it is taken back.
fn every_is_without_end(kind: &Kind) -> bool {
    matches!(kind, Kind::Slip { .. })
}

fn read<T: serde::de::DeserializeOwned>(name: &str, value: Option<Value>) -> Result<Option<T>, String> {
    value.map(|value| serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))).transpose()
}

/// What is done to a confirm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ConfirmPlan {
    pub(super) delay: Option<Micros>,
    pub(super) is_lost: bool,
    pub(super) copies: u32,
}

/// What is done to a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RequestPlan {
    pub(super) before: Option<Kind>,
    pub(super) after: Option<Kind>,
    pub(super) slow: Option<Micros>,
}

/// The faults that wait, and those that are due at a time.
#[derive(Debug)]
pub(super) struct Faults {
    rng: Rng,
    waiting: Vec<Fault>,
    due: Vec<(UtcMicros, Fault)>,
    struck: u64,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed, "faults"), waiting: Vec::new(), due: Vec::new(), struck: 0 }
    }

    /// Draws from another seed from here on.
    pub(super) fn reseed(&mut self, seed: u64) {
        self.rng = Rng::new(seed, "faults");
    }

    /// Takes a fault in.
    pub(super) fn add(&mut self, fault: Fault, now: UtcMicros) {
        if fault.kind.is_waiting() {
            self.waiting.push(fault);
        } else {
            let first = match (fault.within, fault.every) {
                (Some(within), _) => within,
                (None, Some(every)) => self.gap(every),
                (None, None) => Micros(0),
            };
            self.due.push((now + first, fault));
        }
    }

    /// Takes all back.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.due.clear();
    }

    /// A gap of that mean.
    fn gap(&mut self, every: Micros) -> Micros {
        let factor = self.rng.exponential();
        #[expect(clippy::cast_possible_truncation, reason = "a float beyond 64 bits saturates")]
        let gap = (every.0 as f64 * factor) as i64;
        Micros(gap.max(1_000))
    }

    /// When the next one happens by itself.
    pub(super) fn next_due(&self) -> Option<UtcMicros> {
        self.due.iter().map(|(at, _)| *at).min()
    }

    /// What happens by itself until `now`, in order.
    pub(super) fn take_due(&mut self, now: UtcMicros) -> Vec<Kind> {
        let mut kinds = Vec::new();
        while let Some(at) = self.next_due().filter(|at| *at <= now) {
            let Some(place) = self.due.iter().position(|(due, _)| *due == at) else { break };
            let (_, mut fault) = self.due.remove(place);
            kinds.push(fault.kind.clone());
            self.struck += 1;
            if let Some(every) = fault.every {
                fault.times = fault.times.map(|times| times.saturating_sub(1));
                if fault.times != Some(0) {
                    let next = at + self.gap(every);
                    self.due.push((next, fault));
                }
            }
        }
        kinds
    }

    /// The first waiting fault of that kind that strikes, for a request by its path.
    fn strike(&mut self, request: Option<(&str, &str)>, is_kind: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let mut at = 0;
        while at < self.waiting.len() {
            let fault = &mut self.waiting[at];
            at += 1;
            if !is_kind(&fault.kind) || !is_meant(fault.path.as_deref(), request) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            if fault.chance.is_some_and(|chance| !self.rng.chance(chance)) {
                continue;
            }
            let kind = fault.kind.clone();
            fault.times = fault.times.map(|times| times.saturating_sub(1));
            if fault.times == Some(0) {
                self.waiting.remove(at - 1);
            }
            self.struck += 1;
            return Some(kind);
        }
        None
    }

    /// What is done to a request.
    pub(super) fn plan_request(&mut self, method: &str, path: &str) -> RequestPlan {
        let request = Some((method, path));
        let before = self.strike(request, |kind| matches!(kind, Kind::Answer { .. } | Kind::Drop));
        let after = self.strike(request, |kind| matches!(kind, Kind::AnswerAfter { .. } | Kind::DropAfter));
        let slow = match self.strike(request, |kind| matches!(kind, Kind::Slow { .. })) {
            Some(Kind::Slow { delay }) => Some(delay.0),
            _ => None,
        };
        RequestPlan { before, after, slow }
    }

    /// What is done to a confirm.
    pub(super) fn plan_confirm(&mut self, _now: UtcMicros) -> ConfirmPlan {
        let mut plan = ConfirmPlan::default();
        if let Some(Kind::ConfirmDelay { delay }) = self.strike(None, |kind| matches!(kind, Kind::ConfirmDelay { .. }))
        {
            plan.delay = Some(delay.0);
        }
        plan.is_lost = self.strike(None, |kind| matches!(kind, Kind::ConfirmLost)).is_some();
        if let Some(Kind::ConfirmTwice { copies }) = self.strike(None, |kind| matches!(kind, Kind::ConfirmTwice { .. }))
        {
            plan.copies = copies.min(100);
        }
        plan
    }

    /// The scripted reason to reject a deal.
    pub(super) fn take_rejection(&mut self, _now: UtcMicros) -> Option<String> {
        match self.strike(None, |kind| matches!(kind, Kind::Reject { .. })) {
            Some(Kind::Reject { reason }) => Some(reason),
            _ => None,
        }
    }

    /// How much worse than the quote the market deals.
    pub(super) fn slippage(&self, board: &Board) -> PriceDelta {
        let slip = self.waiting.iter().find_map(|fault| match fault.kind {
            Kind::Slip { points } => Some(points),
            _ => None,
        });
        slip.map_or(PriceDelta::ZERO, |points| distance(board, decimal(points)))
    }

    /// How long a new position is not listed.
    pub(super) fn listing_delay(&mut self, _now: UtcMicros) -> Micros {
        match self.strike(None, |kind| matches!(kind, Kind::ListedLate { .. })) {
            Some(Kind::ListedLate { delay }) => delay.0,
            _ => Micros(0),
        }
    }

    /// Whether a list of positions comes out empty.
    pub(super) fn is_list_empty(&mut self) -> bool {
        self.strike(None, |kind| matches!(kind, Kind::EmptyPositions)).is_some()
    }

    /// Whether a recovery is refused.
    pub(super) fn is_recovery_refused(&mut self) -> bool {
        self.strike(None, |kind| matches!(kind, Kind::RefuseRecovery)).is_some()
    }

    /// The code that a new session is refused with.
    pub(super) fn create_refusal(&mut self) -> Option<i32> {
        match self.strike(None, |kind| matches!(kind, Kind::RefuseCreate { .. })) {
            Some(Kind::RefuseCreate { code }) => Some(code),
            _ => None,
        }
    }

    /// Whether an upgrade is refused.
    pub(super) fn is_websocket_refused(&mut self) -> bool {
        self.strike(None, |kind| matches!(kind, Kind::RefuseWebsocket)).is_some()
    }

    /// What waits, what is due, and how many have struck.
    pub(super) fn json(&self) -> Value {
        let waiting: Vec<Value> = self.waiting.iter().map(Fault::json).collect();
        let due: Vec<Value> = self
            .due
            .iter()
            .map(|(at, fault)| {
                let mut value = fault.json();
                value["at"] = json!(at.to_string());
                value
            })
            .collect();
        json!({ "waiting": waiting, "due": due, "struck": self.struck })
    }
}

/// Whether a fault with this path is meant for a request; what is no request has none.
fn is_meant(wanted: Option<&str>, request: Option<(&str, &str)>) -> bool {
    let (Some(wanted), Some((method, path))) = (wanted, request) else { return wanted.is_none() };
    match wanted.trim().split_once(' ') {
        Some((verb, start)) => verb.eq_ignore_ascii_case(method) && path.starts_with(start.trim()),
        None => path.starts_with(wanted.trim()),
    }
}

/// A number of a script as an exact decimal.
pub(super) fn decimal(number: f64) -> Decimal {
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond 64 bits saturates")]
    let micros = (number * 1e6).round() as i64;
    Decimal(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_000_000);

    fn faults(list: &[Value]) -> Faults {
        let mut faults = Faults::new(7);
        for value in list {
            faults.add(Fault::parse(value.clone()).unwrap(), NOW);
        }
        faults
    }

    #[test]
    fn a_fault_of_requests_strikes_those_of_its_path_as_often_as_it_says() {
        let mut faults =
            faults(&[json!({"kind": "answer", "status": 500, "path": "POST /positions/otc", "times": 2, "after": 1})]);
        let mut strike = |method, path| faults.plan_request(method, path).before.is_some();
        assert!(!strike("GET", "/positions/otc"));
        assert!(!strike("POST", "/positions/otc"), "the first is spared");
        assert!(strike("POST", "/positions/otc"));
        assert!(!strike("PUT", "/positions/otc/1"));
        assert!(strike("POST", "/positions/otc"));
        assert!(!strike("POST", "/positions/otc"));
    }

    #[test]
    fn chances_follow_from_the_seed() {
        let list = [json!({"kind": "drop_after", "chance": 0.3, "times": null})];
        let draws = |seed| {
            let mut faults = faults(&list);
            faults.reseed(seed);
            (0..200).map(|_| faults.plan_request("POST", "/x").after.is_some()).collect::<Vec<bool>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        let hits = draws(1).iter().filter(|hit| **hit).count();
        assert!((30..90).contains(&hits), "{hits} of 200");
    }

    #[test]
    fn what_happens_by_itself_is_due_at_its_time_and_comes_again() {
        let mut faults = faults(&[
            json!({"kind": "expire_tokens", "in": "5s"}),
            json!({"kind": "cut_sockets", "every": "1s", "times": 3}),
        ]);
        assert_eq!(faults.take_due(NOW), []);
        let later = UtcMicros(NOW.0 + 60_000_000);
        let kinds = faults.take_due(later);
        assert_eq!(kinds.iter().filter(|kind| matches!(kind, Kind::CutSockets { .. })).count(), 3);
        assert_eq!(kinds.iter().filter(|kind| matches!(kind, Kind::ExpireTokens)).count(), 1);
        assert_eq!(faults.next_due(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_sentence() {
        for (value, why) in [
            (json!(3), "an object"),
            (json!({"kind": "flood"}), "unknown variant"),
            (json!({"kind": "drop", "chance": 2}), "between 0 and 1"),
            (json!({"kind": "expire_tokens", "chance": 0.5}), "by itself"),
            (json!({"kind": "drop", "every": "1s"}), "waits"),
            (json!({"kind": "stall", "for": "long"}), "long"),
            (json!({"kind": "confirm_lost", "path": "/x"}), "path"),
            (json!({"kind": "answer", "status": 99}), "status"),
            (json!({"kind": "drop", "colour": 1}), "colour"),
        ] {
            let error = Fault::parse(value.clone()).unwrap_err();
            assert!(error.contains(why), "{value}: {error}");
        }
    }
}
