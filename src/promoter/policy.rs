//! The promoter itself: who is registered, what is known of each, and every change of state.
//!
//! Episodes go in by rounds; lifecycle changes and audit records come out. A round's episodes are taken in order of
//! their closing, then seat; gates are looked at after each episode of a candidate; the live slot is filled at the end
//! of the round, by the best of those that are ready then. So no result depends on how rounds were cut into slices.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::audit::{
    Body, Bound, CandidateRecord, Chain, Decision, GateRecord, Kind, ReadyRecord, Real, SlotRecord, Trigger,
    promotion_text,
};
use super::evidence::Evidence;
use super::gates::{GateInputs, gates, threshold};
use super::slots::{SlotPlace, SlotTable};
use crate::config::{PromotionConfig, PromotionMode};
use crate::control::ControlError;
use crate::domain::{ContentHash, Episode, Micros, ModelId, Money, SeatIdx, Size, UtcMicros};
use crate::flow::{Change, State};

/// The version of [`Promoter::checkpoint`]'s bytes.
const VERSION: u8 = 1;

/// A candidate as the promoter needs to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterInfo {
    /// Its registration number: the next one that was never used.
    pub seat: SeatIdx,
    /// Its name, which is its lineage too.
    pub model: ModelId,
    /// Its frozen content.
    pub content_hash: ContentHash,
    /// `B`: no outcome may fall below minus this many R.
    pub floor_r: f64,
}

/// One episode as evidence keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scored {
    pub number: u64,
    pub opened: UtcMicros,
    pub closed: UtcMicros,
    pub profit: Money,
    pub rho_micros: f64,
    pub x: f64,
}

/// An operator's promotion that waits for the seat to be flat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    reason: String,
    is_override: bool,
}

/// One registered candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seat {
    pub model: ModelId,
    pub content_hash: ContentHash,
    pub floor_r: f64,
    pub generation: u32,
    pub state: State,
    /// Episodes opened before this count for nothing.
    pub since: UtcMicros,
    pub place: Option<SlotPlace>,
    /// Whether the place is still its own.
    pub is_in_slot: bool,
    pub evidence: Evidence,
    pub first_opened: Option<UtcMicros>,
    last_active_day: Option<i64>,
    pub active_days: u32,
    /// The last episode that was handed in, counted or not: nothing is taken twice.
    last_number: u64,
    range: Option<(u64, u64)>,
    pub confirmed: u32,
    /// Its content once broke the floor.
    pub is_barred: bool,
    /// An operator once moved it to live against the gates.
    pub is_overridden: bool,
    pending: Option<Pending>,
    /// Episodes counted and the fast bound at that number.
    #[serde(skip)]
    pub lcb95: Cell<Option<(u64, f64)>>,
    /// Kept while it has a place, for the audit record.
    #[serde(skip)]
    pub episodes: Vec<Scored>,
}

impl Seat {
    /// Whether an episode counts for the evidence of this generation.
    fn counts(&self, opened: UtcMicros) -> bool {
        opened >= self.since
    }

    /// The fast lower bound at 95 %, computed once for each number of episodes.
    pub(super) fn lcb95(&self) -> f64 {
        let n = self.evidence.n();
        match self.lcb95.get() {
            Some((at, bound)) if at == n => bound,
            _ => {
                let bound = self.evidence.lcb_fast(0.05);
                self.lcb95.set(Some((n, bound)));
                bound
            }
        }
    }

    /// Episodes a day of event time since the first was opened.
    pub(super) fn per_day(&self, time: UtcMicros) -> Option<f64> {
        days(self.first_opened?, time).filter(|days| *days > 0.0).map(|days| self.evidence.n() as f64 / days)
    }

    /// What those that are ready are ordered by.
    pub(super) fn lcb95_r_per_day(&self, time: UtcMicros) -> f64 {
        self.per_day(time).map_or(f64::NEG_INFINITY, |per_day| self.lcb95() * per_day)
    }
}

/// All that is the same for one name and content, whenever it is registered.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Identity {
    next_generation: u32,
    is_barred: bool,
    is_overridden: bool,
}

/// All that is the same for one name, whatever its content.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Lineage {
    pub latest: SeatIdx,
    pub demotions: u32,
    pub demoted: Option<UtcMicros>,
}

/// Why a checkpoint is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by another version.
    #[error("the promoter's checkpoint is of version {got}, this is version {VERSION}")]
    Version {
        /// Its version.
        got: u8,
    },
    /// Not the bytes of a checkpoint.
    #[error("the promoter's checkpoint cannot be read: {0}")]
    Corrupt(String),
}

/// Keeps evidence, slots and states of all candidates of an arena.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Promoter {
    pub(super) config: PromotionConfig,
    config_hash: String,
    currency: String,
    pub(super) now: UtcMicros,
    pub(super) seats: Vec<Seat>,
    identities: BTreeMap<(ModelId, ContentHash), Identity>,
    pub(super) lineages: BTreeMap<ModelId, Lineage>,
    slots: SlotTable,
    trials: u64,
    eligible: BTreeSet<SeatIdx>,
    live: BTreeSet<SeatIdx>,
    pending: BTreeSet<SeatIdx>,
    chain: Chain,
}

impl Promoter {
    /// Nobody is registered yet. `config_hash` is [`crate::config::Config::hash`]; both it and the currency are there
    /// for the audit records alone.
    #[must_use]
    pub fn new(config: &PromotionConfig, currency: &str, config_hash: &str) -> Self {
        Self {
            slots: SlotTable::new(config.alpha_slots, config.slot_first_share, config.slot_dead),
            config: config.clone(),
            config_hash: config_hash.to_owned(),
            currency: currency.to_owned(),
            now: UtcMicros(i64::MIN),
            seats: Vec::new(),
            identities: BTreeMap::new(),
            lineages: BTreeMap::new(),
            trials: 0,
            eligible: BTreeSet::new(),
            live: BTreeSet::new(),
            pending: BTreeSet::new(),
            chain: Chain::default(),
        }
    }

    /// Registers a candidate at event time `time`, as warming, and returns its generation: 0 for a content that was
    /// never registered under this name, higher for one that comes back after retirement. A seat that is known already
    /// (a restart) stays as it is. Evidence counts episodes opened at `time` or later.
    ///
    /// # Panics
    /// If the seat is neither known with this very content nor the next number: content is frozen, numbers have no
    /// holes.
    pub fn register(&mut self, time: UtcMicros, info: &RegisterInfo) -> u32 {
        let at = info.seat.0 as usize;
        if let Some(known) = self.seats.get(at) {
            let is_same = known.model == info.model && known.content_hash == info.content_hash;
            assert!(is_same, "seat {at} is {} already, with other content than {}", known.model, info.model);
            return known.generation;
        }
        assert_eq!(at, self.seats.len(), "registration numbers have no holes");
        self.now = self.now.max(time);
        self.trials += 1;
        let identity = self.identities.entry((info.model.clone(), info.content_hash)).or_default();
        let generation = identity.next_generation;
        identity.next_generation += 1;
        let (is_barred, is_overridden) = (identity.is_barred, identity.is_overridden);
        self.lineages.entry(info.model.clone()).and_modify(|lineage| lineage.latest = info.seat).or_insert(Lineage {
            latest: info.seat,
            demotions: 0,
            demoted: None,
        });
        self.seats.push(Seat {
            model: info.model.clone(),
            content_hash: info.content_hash,
            floor_r: info.floor_r,
            generation,
            state: State::Warming,
            since: time,
            place: None,
            is_in_slot: false,
            evidence: Evidence::new(&self.config, info.floor_r, None),
            first_opened: None,
            last_active_day: None,
            active_days: 0,
            last_number: 0,
            range: None,
            confirmed: 0,
            is_barred,
            is_overridden,
            pending: None,
            lcb95: Cell::new(None),
            episodes: Vec::new(),
        });
        let mut body = self.draft(Kind::Register, at, time, Trigger::Configuration);
        let joined = self.join(at);
        body.reason = match &joined {
            Some(slot) => format!("registered in slot {}", slot.index),
            None if is_barred => "registered without a slot: its content once broke the floor".to_owned(),
            None => "registered without a slot: none is left".to_owned(),
        };
        if let Some(candidate) = &mut body.candidate {
            candidate.from = None;
            candidate.joined = joined;
            candidate.flags = self.flags(at);
        }
        self.chain.append(&body);
        generation
    }

    /// A seat's window has filled: from warming to shadow. Nothing where it is not warming.
    pub fn on_warm(&mut self, seat: SeatIdx, time: UtcMicros) -> Vec<Change> {
        let at = self.at(seat);
        let mut changes = Vec::new();
        if self.seats[at].state == State::Warming {
            let body = self.draft(Kind::Warm, at, time, Trigger::Seat);
            self.seal(body, at, State::Shadow, "its window is full".to_owned(), &mut changes);
        }
        changes
    }

    /// Takes the episodes that closed in the round at `time` (sorting them), and fills live slots that are free. To be
    /// called for every round unless [`Self::is_quiet`] and there is no episode. `is_flat` says whether a seat has no
    /// paper position at the end of the round; a seat whose episode is among `episodes` is flat.
    ///
    /// # Panics
    /// If an episode's seat was never registered.
    pub fn on_round(
        &mut self,
        time: UtcMicros,
        episodes: &mut [Episode],
        is_flat: impl Fn(SeatIdx) -> bool,
    ) -> Vec<Change> {
        self.now = self.now.max(time);
        let mut changes = Vec::new();
        episodes.sort_by_key(|episode| (episode.closed, episode.seat, episode.number));
        for episode in episodes.iter() {
            self.on_episode(time, episode, &mut changes);
        }
        if !(self.eligible.is_empty() && self.pending.is_empty()) {
            let closed = |seat| episodes.iter().any(|episode| episode.seat == seat);
            self.fill_live(time, &|seat| closed(seat) || is_flat(seat), &mut changes);
        }
        changes
    }

    fn on_episode(&mut self, time: UtcMicros, episode: &Episode, changes: &mut Vec<Change>) {
        let at = self.at(episode.seat);
        let seat = &mut self.seats[at];
        if episode.number <= seat.last_number || seat.state == State::Retired {
            return;
        }
        seat.last_number = episode.number;
        if !seat.counts(episode.opened) {
            return;
        }
        let was_breached = seat.evidence.is_breached();
        seat.evidence.on_episode(episode.x);
        if episode.x.is_finite() {
            seat.first_opened.get_or_insert(episode.opened);
            let day = episode.closed.day();
            if seat.last_active_day.is_none_or(|last| day > last) {
                seat.last_active_day = Some(day);
                seat.active_days += 1;
            }
            seat.range = Some((seat.range.map_or(episode.number, |(first, _)| first), episode.number));
            if seat.place.is_some() {
                let Episode { number, opened, closed, profit, rho_micros, x, .. } = *episode;
                seat.episodes.push(Scored { number, opened, closed, profit, rho_micros, x });
            }
        }
        let trigger = Trigger::Episode { seat: episode.seat, number: episode.number };
        if seat.evidence.is_breached() && !was_breached {
            self.disqualify(at, time, episode.x, trigger, changes);
        } else {
            self.evaluate(at, time, trigger, changes);
        }
    }

    /// Shadow to eligible and back, as the gates stand after an episode of this candidate.
    fn evaluate(&mut self, at: usize, time: UtcMicros, trigger: Trigger, changes: &mut Vec<Change>) {
        let state = self.seats[at].state;
        if !matches!(state, State::Shadow | State::Eligible) {
            return;
        }
        let is_passed = self.is_passed(at, time);
        let seat = &mut self.seats[at];
        seat.confirmed = if is_passed { seat.confirmed.saturating_add(1) } else { 0 };
        let is_ready = is_passed && seat.confirmed >= self.config.confirm_events;
        match (state, is_ready && self.config.mode != PromotionMode::Off) {
            (State::Shadow, true) => {
                let body = self.draft(Kind::Eligible, at, time, trigger);
                self.seal(body, at, State::Eligible, "passed every gate".to_owned(), changes);
            }
            (State::Eligible, false) => {
                let body = self.draft(Kind::Ineligible, at, time, trigger);
                let reason = match (self.missed(at, time), self.config.mode) {
                    (missed, _) if !missed.is_empty() => format!("no longer passes {missed}"),
                    (_, PromotionMode::Off) => "nothing is eligible while [promotion] mode is off".to_owned(),
                    _ => "has not passed often enough in a row for the new configuration".to_owned(),
                };
                self.seal(body, at, State::Shadow, reason, changes);
            }
            _ => {}
        }
    }

    fn is_passed(&self, at: usize, time: UtcMicros) -> bool {
        let evidence = &self.seats[at].evidence;
        // Two cheap looks that decide nearly always; the gates themselves have the word.
        evidence.n() >= u64::from(self.config.min_episodes)
            && evidence.may_reach(threshold(&self.config))
            && gates(&self.config, &self.inputs(at, time)).iter().all(|gate| gate.is_passed)
    }

    /// The names of the gates that `at` does not pass.
    fn missed(&self, at: usize, time: UtcMicros) -> String {
        let gates = gates(&self.config, &self.inputs(at, time));
        let missed: Vec<_> = gates.iter().filter(|gate| !gate.is_passed).map(|gate| gate.name).collect();
        missed.join(", ")
    }

    pub(super) fn inputs(&self, at: usize, time: UtcMicros) -> GateInputs {
        let seat = &self.seats[at];
        let lineage = &self.lineages[&seat.model];
        GateInputs {
            log_wealth: seat.evidence.log_wealth(),
            episodes: seat.evidence.n(),
            days: seat.first_opened.and_then(|first| days(first, time)),
            active_days: seat.active_days,
            is_faulty: seat.evidence.is_faulty(),
            is_breached: seat.evidence.is_breached() || seat.is_barred,
            days_since_demotion: lineage.demoted.and_then(|demoted| days(demoted, time)),
            demotions: lineage.demotions,
        }
    }

    /// An outcome fell below the floor: the evidence of this content is void for good.
    fn disqualify(&mut self, at: usize, time: UtcMicros, x: f64, trigger: Trigger, changes: &mut Vec<Change>) {
        let seat = &mut self.seats[at];
        let reason = format!("an outcome of {x:.3} R broke the floor of -{} R", seat.floor_r);
        seat.is_barred = true;
        seat.confirmed = 0;
        let state = seat.state;
        self.identity(at).is_barred = true;
        if state == State::Live {
            self.demote_now(at, time, reason, trigger, changes);
            return;
        }
        let mut body = self.draft(Kind::Disqualify, at, time, trigger);
        self.leave(at, &mut body);
        if state == State::Eligible {
            self.seal(body, at, State::Shadow, reason, changes);
        } else {
            body.reason = reason;
            self.chain.append(&body);
        }
    }

    /// Those through every gate, best first: by lower bound times episodes a day, then evidence, then registration.
    fn ready(&self, time: UtcMicros) -> Vec<SeatIdx> {
        let mut ready: Vec<_> = self
            .eligible
            .iter()
            .map(|idx| {
                let seat = &self.seats[self.at(*idx)];
                (seat.lcb95_r_per_day(time), seat.evidence.log_e().unwrap_or(f64::NEG_INFINITY), *idx)
            })
            .collect();
        ready.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
        ready.into_iter().map(|(_, _, seat)| seat).collect()
    }

    fn fill_live(&mut self, time: UtcMicros, is_flat: &dyn Fn(SeatIdx) -> bool, changes: &mut Vec<Change>) {
        let slots = self.config.live_slots as usize;
        for idx in self.pending.iter().copied().collect::<Vec<_>>() {
            let at = self.at(idx);
            if self.live.len() < slots
                && is_flat(idx)
                && let Some(Pending { reason, is_override }) = self.seats[at].pending.take()
            {
                self.pending.remove(&idx);
                self.promote_now(at, time, reason, Trigger::Operator { is_override }, changes);
            }
        }
        if self.config.mode != PromotionMode::Auto {
            return;
        }
        // A slot is kept for the best even while it is in a position: the next best must not slip in before it.
        let free = slots.saturating_sub(self.live.len() + self.pending.len());
        let ready = self.ready(time);
        let count = ready.len();
        let first: Vec<_> = ready.into_iter().filter(|idx| !self.pending.contains(idx)).take(free).collect();
        for idx in first {
            if is_flat(idx) {
                let reason = format!("best of {count} ready");
                self.promote_now(self.at(idx), time, reason, Trigger::Round, changes);
            }
        }
    }

    fn promote_now(&mut self, at: usize, time: UtcMicros, reason: String, trigger: Trigger, changes: &mut Vec<Change>) {
        let body = self.draft(Kind::Promote, at, time, trigger);
        if trigger == (Trigger::Operator { is_override: true }) {
            self.seats[at].is_overridden = true;
            self.identity(at).is_overridden = true;
        }
        self.seal(body, at, State::Live, reason, changes);
    }

    /// Back to the shadow as a new identity: next generation, no evidence, another start in the slots.
    fn demote_now(&mut self, at: usize, time: UtcMicros, reason: String, trigger: Trigger, changes: &mut Vec<Change>) {
        let mut body = self.draft(Kind::Demote, at, time, trigger);
        self.leave(at, &mut body);
        self.trials += 1;
        let identity = self.identity(at);
        let generation = identity.next_generation;
        identity.next_generation += 1;
        let seat = &mut self.seats[at];
        let lineage = self.lineages.get_mut(&seat.model).expect("a registered name has its lineage");
        lineage.demotions += 1;
        lineage.demoted = Some(time);
        seat.generation = generation;
        seat.since = UtcMicros(time.0.saturating_add(1));
        seat.place = None;
        seat.evidence = Evidence::new(&self.config, seat.floor_r, None);
        seat.first_opened = None;
        seat.last_active_day = None;
        seat.active_days = 0;
        seat.range = None;
        seat.confirmed = 0;
        seat.lcb95.set(None);
        seat.episodes = Vec::new();
        let joined = self.join(at);
        if let Some(candidate) = &mut body.candidate {
            candidate.joined = joined;
        }
        self.seal(body, at, State::Shadow, reason, changes);
    }

    /// A seat failed, or was too slow, at `time`. It keeps its evidence and its slot until it is retired.
    pub fn on_suspended(&mut self, seat: SeatIdx, time: UtcMicros, reason: &str) -> Vec<Change> {
        let at = self.at(seat);
        let mut changes = Vec::new();
        if !matches!(self.seats[at].state, State::Suspended | State::Retired) {
            let body = self.draft(Kind::Suspend, at, time, Trigger::Seat);
            self.seal(body, at, State::Suspended, reason.to_owned(), &mut changes);
        }
        changes
    }

    /// An operator moves a candidate to live. Where it is in a position (`is_flat` is false) no change is returned: it
    /// is promoted in the first round that finds it flat.
    ///
    /// # Errors
    /// [`ControlError::NoSuchModel`]; [`ControlError::Invalid`] for an override without a reason;
    /// [`ControlError::Refused`] where it misses gates (all are named), does not trade, or no live slot is free.
    pub fn promote(
        &mut self,
        model: &str,
        time: UtcMicros,
        reason: Option<&str>,
        is_override: bool,
        is_flat: bool,
    ) -> Result<Vec<Change>, ControlError> {
        let at = self.find(model)?;
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if is_override && reason.is_none() {
            return Err(ControlError::Invalid(format!("an override of {model} needs a reason")));
        }
        let seat = &self.seats[at];
        let refused = |why: String| Err(ControlError::Refused(why));
        match seat.state {
            State::Eligible => {}
            State::Shadow if is_override => {}
            State::Shadow => {
                let missed = self.missed(at, time);
                return refused(match (missed.is_empty(), self.config.mode) {
                    (false, _) => format!("{model} misses {missed}"),
                    (true, PromotionMode::Off) => "[promotion] mode is off".to_owned(),
                    (true, _) => format!(
                        "{model} has passed every gate {} of {} times in a row",
                        seat.confirmed, self.config.confirm_events
                    ),
                });
            }
            State::Live => return refused(format!("{model} is live already")),
            state => return refused(format!("{model} is {}", state.word())),
        }
        let others = self.pending.iter().filter(|idx| self.at(**idx) != at).count();
        if self.live.len() + others >= self.config.live_slots as usize {
            let holders: Vec<_> =
                self.live.iter().chain(&self.pending).map(|idx| self.seats[self.at(*idx)].model.as_str()).collect();
            return refused(format!("no live slot is free: {} must be demoted first", holders.join(", ")));
        }
        let reason = reason.unwrap_or("promoted by the operator").to_owned();
        let mut changes = Vec::new();
        if is_flat {
            self.promote_now(at, time, reason, Trigger::Operator { is_override }, &mut changes);
        } else {
            self.seats[at].pending = Some(Pending { reason, is_override });
            self.pending.insert(Self::idx(at));
        }
        Ok(changes)
    }

    /// An operator takes a live candidate back to the shadow, or back from a promotion that still waits.
    ///
    /// # Errors
    /// [`ControlError::NoSuchModel`]; [`ControlError::Refused`] where it is not live.
    pub fn demote(&mut self, model: &str, time: UtcMicros, reason: Option<&str>) -> Result<Vec<Change>, ControlError> {
        let at = self.find(model)?;
        let mut changes = Vec::new();
        if self.seats[at].state == State::Live {
            let reason = reason.unwrap_or("demoted by the operator").to_owned();
            self.demote_now(at, time, reason, Trigger::Operator { is_override: false }, &mut changes);
        } else if self.seats[at].pending.take().is_some() {
            self.pending.remove(&Self::idx(at));
        } else {
            let state = self.seats[at].state.word();
            return Err(ControlError::Refused(format!("{model} is {state}, not live")));
        }
        Ok(changes)
    }

    /// An operator ends a candidate for good; its slot is free, its record stays.
    ///
    /// # Errors
    /// [`ControlError::NoSuchModel`]; [`ControlError::Refused`] where it is retired already.
    pub fn retire(&mut self, model: &str, time: UtcMicros, reason: Option<&str>) -> Result<Vec<Change>, ControlError> {
        let at = self.find(model)?;
        if self.seats[at].state == State::Retired {
            return Err(ControlError::Refused(format!("{model} is retired already")));
        }
        let reason = reason.unwrap_or("retired by the operator").to_owned();
        let mut changes = Vec::new();
        self.retire_now(at, time, reason, Trigger::Operator { is_override: false }, &mut changes);
        Ok(changes)
    }

    /// Retires every candidate that a new configuration no longer holds as it is: `keeps` is asked with its name and
    /// content. A changed candidate is retired here and registered anew under the next seat.
    pub fn retire_removed(&mut self, time: UtcMicros, keeps: impl Fn(&ModelId, &ContentHash) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for at in 0..self.seats.len() {
            let seat = &self.seats[at];
            if seat.state != State::Retired && !keeps(&seat.model, &seat.content_hash) {
                let reason = "removed from the configuration, or changed in it".to_owned();
                self.retire_now(at, time, reason, Trigger::Configuration, &mut changes);
            }
        }
        changes
    }

    fn retire_now(&mut self, at: usize, time: UtcMicros, reason: String, trigger: Trigger, changes: &mut Vec<Change>) {
        let mut body = self.draft(Kind::Retire, at, time, trigger);
        self.leave(at, &mut body);
        // The list serves records of promotions and demotions alone, and there will be none; the sums stay readable.
        self.seats[at].episodes = Vec::new();
        self.seal(body, at, State::Retired, reason, changes);
    }

    /// Puts a new `[promotion]` into force.
    ///
    /// # Errors
    /// [`ControlError::Refused`], naming the keys, where one changed that evidence was gathered under: it would need a
    /// new budget of alpha, that is, a new store.
    pub fn reconfigure(
        &mut self,
        time: UtcMicros,
        config: &PromotionConfig,
        config_hash: &str,
    ) -> Result<Vec<Change>, ControlError> {
        let (old, new) = (promotion_text(&self.config), promotion_text(config));
        const FROZEN: [&str; 9] = [
            "alpha",
            "alpha_slots",
            "slot_first_share",
            "floor_r",
            "null_edge_r",
            "cost_stress",
            "bets",
            "lambda_min",
            "lambda_cap",
        ];
        let changed: Vec<_> = FROZEN.into_iter().filter(|key| old[*key] != new[*key]).collect();
        if !changed.is_empty() {
            return Err(ControlError::Refused(format!(
                "[promotion] {} cannot change while evidence is gathered under it; it needs a new store",
                changed.join(", ")
            )));
        }
        let mut changes = Vec::new();
        if (&self.config, self.config_hash.as_str()) == (config, config_hash) {
            return Ok(changes);
        }
        self.now = self.now.max(time);
        self.config = config.clone();
        self.config_hash = config_hash.to_owned();
        self.slots.set_dead(config.slot_dead);
        let body = Body { reason: "a configuration came into force".to_owned(), ..self.blank(Kind::Configure, time) };
        self.chain.append(&body);
        if config.mode == PromotionMode::Off {
            for idx in self.eligible.iter().copied().collect::<Vec<_>>() {
                let at = self.at(idx);
                let body = self.draft(Kind::Ineligible, at, time, Trigger::Configuration);
                let reason = "nothing is eligible while [promotion] mode is off".to_owned();
                self.seal(body, at, State::Shadow, reason, &mut changes);
            }
        }
        Ok(changes)
    }

    /// The size of a live deal on the first step of the ramp: that share of the candidate's size, rounded down to a
    /// millionth, at least `size_min`, never above the candidate's own.
    #[must_use]
    pub fn live_size(&self, candidate_size: Size, size_min: Size) -> Size {
        let step = self.config.ramp.first().copied().unwrap_or(1.0);
        // The small allowance keeps 0.29 of 100 at 29, which binary floats put a hair below.
        #[expect(clippy::cast_possible_truncation, reason = "a share of a size is within its range")]
        let share = (step * candidate_size.micros() as f64 + 1e-3).floor() as i64;
        Size::from_micros(share).max(size_min).min(candidate_size)
    }

    /// Whether no candidate is eligible, live or waiting for its flat point: a round may then be many bars.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.eligible.is_empty() && self.live.is_empty() && self.pending.is_empty()
    }

    /// The candidates that trade for real, in order of registration.
    pub fn live(&self) -> impl Iterator<Item = SeatIdx> + '_ {
        self.live.iter().copied()
    }

    /// Identities ever registered, each generation counted.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// Audit records made since the last call, oldest first, each one line of JSON.
    pub fn take_audit(&mut self) -> Vec<String> {
        self.chain.take()
    }

    /// Everything, as bytes that [`Self::restore`] turns back into the same promoter, bit by bit.
    ///
    /// # Panics
    /// Never: encoding into memory cannot fail.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let episodes: Vec<_> = self.seats.iter().map(|seat| &seat.episodes).collect();
        postcard::to_extend(&(self, episodes), vec![VERSION]).expect("a promoter encodes into memory")
    }

    /// Everything but the lists of episodes, some hundred bytes a candidate, for [`Self::restore_with`].
    ///
    /// # Panics
    /// Never: encoding into memory cannot fail.
    #[must_use]
    pub fn checkpoint_without_episodes(&self) -> Vec<u8> {
        let none: Vec<Vec<Scored>> = vec![Vec::new(); self.seats.len()];
        postcard::to_extend(&(self, none), vec![VERSION]).expect("a promoter encodes into memory")
    }

    /// The promoter that a checkpoint was made of.
    ///
    /// # Errors
    /// [`RestoreError`] where the bytes are none of this version.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let corrupt = |why: &str| RestoreError::Corrupt(why.to_owned());
        let (version, rest) = bytes.split_first().ok_or_else(|| corrupt("it is empty"))?;
        if *version != VERSION {
            return Err(RestoreError::Version { got: *version });
        }
        let (mut promoter, episodes): (Self, Vec<Vec<Scored>>) =
            postcard::from_bytes(rest).map_err(|e| corrupt(&e.to_string()))?;
        if episodes.len() != promoter.seats.len() {
            return Err(corrupt("its lists of episodes are not one for each seat"));
        }
        for (seat, episodes) in promoter.seats.iter_mut().zip(episodes) {
            seat.episodes = episodes;
        }
        Ok(promoter)
    }

    /// The promoter that [`Self::checkpoint_without_episodes`] was made of; `ledger` gives every episode of a seat in
    /// order, from wherever the journal keeps it. Later episodes than the checkpoint's are left for
    /// [`Self::on_round`].
    ///
    /// # Errors
    /// [`RestoreError`] where the bytes are none of this version, or the ledger does not hold what was counted.
    pub fn restore_with<I: IntoIterator<Item = Episode>>(
        bytes: &[u8],
        mut ledger: impl FnMut(SeatIdx) -> I,
    ) -> Result<Self, RestoreError> {
        let mut promoter = Self::restore(bytes)?;
        for (at, seat) in promoter.seats.iter_mut().enumerate() {
            let is_kept = seat.place.is_some() && seat.state != State::Retired;
            let (Some((first, last)), true) = (seat.range, is_kept) else { continue };
            seat.episodes = ledger(Self::idx(at))
                .into_iter()
                .filter(|e| (first..=last).contains(&e.number) && e.opened >= seat.since && e.x.is_finite())
                .map(|Episode { number, opened, closed, profit, rho_micros, x, .. }| Scored {
                    number,
                    opened,
                    closed,
                    profit,
                    rho_micros,
                    x,
                })
                .collect();
            if seat.episodes.len() as u64 != seat.evidence.n() {
                let (found, n) = (seat.episodes.len(), seat.evidence.n());
                return Err(RestoreError::Corrupt(format!(
                    "{} counted {n} episodes, its ledger has {found}",
                    seat.model
                )));
            }
        }
        Ok(promoter)
    }

    // ---- what the changes above are made of

    fn idx(at: usize) -> SeatIdx {
        SeatIdx(u32::try_from(at).expect("seats are counted in 32 bits"))
    }

    pub(super) fn at(&self, seat: SeatIdx) -> usize {
        let at = seat.0 as usize;
        assert!(at < self.seats.len(), "seat {at} was never registered");
        at
    }

    /// The seat of a name: the latest that was registered under it.
    pub(super) fn find(&self, model: &str) -> Result<usize, ControlError> {
        if let Some(lineage) = self.lineages.get(&ModelId::from(model)) {
            return Ok(self.at(lineage.latest));
        }
        let sweep = format!("{model}:");
        let names = || self.lineages.keys().map(ModelId::as_str);
        let mut candidates: Vec<String> = names().filter(|name| name.starts_with(&sweep)).map(str::to_owned).collect();
        if candidates.is_empty() {
            let mut near: Vec<_> = names()
                .map(|name| (strsim::jaro_winkler(model, name), name))
                .filter(|(likeness, _)| *likeness > 0.8)
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            candidates = near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect();
        }
        Err(ControlError::NoSuchModel { name: model.to_owned(), candidates })
    }

    fn identity(&mut self, at: usize) -> &mut Identity {
        let seat = &self.seats[at];
        self.identities
            .get_mut(&(seat.model.clone(), seat.content_hash))
            .expect("a registered content has its identity")
    }

    /// Takes a place where there is one; without it, or barred, the candidate has statistics and no wealth.
    fn join(&mut self, at: usize) -> Option<SlotRecord> {
        if self.seats[at].is_barred {
            return None;
        }
        let place = self.slots.join()?;
        let after = self.slots.slot(place.index);
        let before = super::slots::Slot { occupants: after.occupants - 1, is_taken: false };
        let seat = &mut self.seats[at];
        seat.place = Some(place);
        seat.is_in_slot = true;
        seat.evidence = Evidence::new(&self.config, seat.floor_r, Some(place.start_wealth));
        Some(SlotRecord::new(place, before, after))
    }

    /// Frees the place; what was known under it stays readable.
    fn leave(&mut self, at: usize, body: &mut Body) {
        let seat = &mut self.seats[at];
        if let Some(place) = seat.place
            && std::mem::take(&mut seat.is_in_slot)
        {
            let before = self.slots.slot(place.index);
            self.slots.leave(place.index);
            if let Some(candidate) = &mut body.candidate {
                candidate.slot = Some(SlotRecord::new(place, before, self.slots.slot(place.index)));
            }
        }
    }

    /// Words of the leaderboard.
    pub(super) fn flags(&self, at: usize) -> Vec<String> {
        let seat = &self.seats[at];
        let words = [
            (seat.place.is_none(), "no_slot"),
            (seat.evidence.is_faulty(), "data"),
            (seat.is_barred, "floor_breach"),
            (seat.is_overridden, "override"),
        ];
        words.into_iter().filter(|(is_on, _)| *is_on).map(|(_, word)| word.to_owned()).collect()
    }

    fn blank(&self, kind: Kind, time: UtcMicros) -> Body {
        Body {
            kind,
            time,
            trigger: Trigger::Configuration,
            reason: String::new(),
            config_hash: self.config_hash.clone(),
            budget: 1,
            promotion: promotion_text(&self.config),
            currency: self.currency.clone(),
            trials: self.trials,
            candidate: None,
            decision: None,
        }
    }

    /// An audit record of `at` as it stands before the change; [`Self::seal`] adds what came of it.
    fn draft(&self, kind: Kind, at: usize, time: UtcMicros, trigger: Trigger) -> Body {
        let seat = &self.seats[at];
        let slot = seat.place.filter(|_| seat.is_in_slot).map(|place| {
            let slot = self.slots.slot(place.index);
            SlotRecord::new(place, slot, slot)
        });
        let has_decision = !matches!(kind, Kind::Register | Kind::Warm);
        let has_episodes = matches!(kind, Kind::Promote | Kind::Demote);
        Body {
            trigger,
            candidate: Some(CandidateRecord {
                model: seat.model.clone(),
                lineage: seat.model.clone(),
                seat: Self::idx(at),
                content_hash: seat.content_hash.hex(),
                generation: seat.generation,
                floor_r: Real(seat.floor_r),
                from: Some(seat.state),
                to: seat.state,
                flags: self.flags(at),
                slot,
                joined: None,
            }),
            decision: has_decision.then(|| self.decision(at, time, has_episodes)),
            ..self.blank(kind, time)
        }
    }

    fn decision(&self, at: usize, time: UtcMicros, has_episodes: bool) -> Decision {
        let seat = &self.seats[at];
        let evidence = &seat.evidence;
        let reals = |numbers: &[f64]| numbers.iter().copied().map(Real).collect::<Vec<_>>();
        let has_list = has_episodes && seat.place.is_some();
        let xs: Vec<f64> = if has_list { seat.episodes.iter().map(|e| e.x).collect() } else { Vec::new() };
        let bound = |level: f64| Bound {
            level: Real(level),
            fast: Real(evidence.lcb_fast(level)),
            exact: has_list.then(|| Real(evidence.lcb_exact(level, &xs))),
        };
        let lineage = &self.lineages[&seat.model];
        let inputs = self.inputs(at, time);
        Decision {
            floor_r: Real(evidence.floor_r()),
            null_edge_r: Real(self.config.null_edge_r),
            start_wealth: evidence.start_wealth().map(Real),
            bets: reals(evidence.lambdas()),
            n: evidence.n(),
            sums: evidence.power_sums().map(Real),
            logs: reals(evidence.logs()),
            log_wealth: evidence.log_wealth().map(Real),
            log_e: evidence.log_e().map(Real),
            threshold: Real(threshold(&self.config)),
            lcb95: bound(0.05),
            lcb_family: evidence.start_wealth().map(|start| bound(family_level(&self.config, start))),
            first_opened: seat.first_opened,
            active_days: seat.active_days,
            is_faulty: inputs.is_faulty,
            is_breached: inputs.is_breached,
            demoted: lineage.demoted,
            demotions: lineage.demotions,
            gates: gates(&self.config, &inputs).into_iter().map(GateRecord::from).collect(),
            confirmed: seat.confirmed,
            ready: self.ready(time).into_iter().map(|idx| self.ready_record(idx, time)).collect(),
            range: seat.range,
            episodes: has_list.then(|| {
                let list = seat.episodes.iter();
                list.map(|e| (e.number, e.opened.0, e.closed.0, e.profit, Real(e.rho_micros), Real(e.x))).collect()
            }),
        }
    }

    fn ready_record(&self, idx: SeatIdx, time: UtcMicros) -> ReadyRecord {
        let seat = &self.seats[self.at(idx)];
        ReadyRecord {
            model: seat.model.clone(),
            seat: idx,
            lcb95_r_per_day: Real(seat.lcb95_r_per_day(time)),
            log_e: Real(seat.evidence.log_e().unwrap_or(f64::NEG_INFINITY)),
        }
    }

    /// Carries out a change of state: the sets that follow it, the change, the audit record.
    fn seal(&mut self, mut body: Body, at: usize, to: State, reason: String, changes: &mut Vec<Change>) {
        let idx = Self::idx(at);
        self.now = self.now.max(body.time);
        let from = std::mem::replace(&mut self.seats[at].state, to);
        self.eligible.remove(&idx);
        self.live.remove(&idx);
        match to {
            State::Eligible => self.eligible.insert(idx),
            State::Live => self.live.insert(idx),
            _ => false,
        };
        // What was waited for is done or has become impossible; an override waits whatever the gates say.
        let waits_on = matches!(to, State::Shadow | State::Eligible)
            && from != State::Live
            && self.seats[at].pending.as_ref().is_some_and(|pending| pending.is_override || to == State::Eligible);
        if !waits_on {
            self.seats[at].pending = None;
            self.pending.remove(&idx);
        }
        let flags = self.flags(at);
        if let Some(candidate) = &mut body.candidate {
            candidate.to = to;
            candidate.flags = flags;
        }
        body.reason.clone_from(&reason);
        self.chain.append(&body);
        changes.push(Change { time: body.time, seat: idx, model: self.seats[at].model.clone(), from, to, reason });
    }
}

/// The level of the gate for a start wealth: `alpha · s / M`.
pub(super) fn family_level(config: &PromotionConfig, start_wealth: f64) -> f64 {
    config.alpha * start_wealth / f64::from(config.alpha_slots)
}

/// Days of 86,400 s from `from` to `to`.
pub(super) fn days(from: UtcMicros, to: UtcMicros) -> Option<f64> {
    to.0.checked_sub(from.0).map(|micros| micros as f64 / Micros::DAY.0 as f64)
}
