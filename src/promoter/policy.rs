//! The promoter itself: who is registered, what is known of each, and every change of state.
//!
//! Episodes go in by rounds; lifecycle changes and audit records come out. A round's episodes are taken in order of
//! their closing, then seat; gates are looked at after each episode of a candidate; the live slot is filled at the end
//! of the round, by the best of those that are ready then. So no result depends on how rounds were cut into slices.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::audit::{Chain, Kind, Trigger};
use super::evidence::Evidence;
use super::gates::{GateInputs, gates, threshold};
use super::seat::{Identity, Lineage, Open, Scored, Seat, Told, bounds_of, days};
use super::slots::SlotTable;
use crate::config::{EvidenceUnit, PromotionConfig, PromotionMode};
use crate::control::ControlError;
use crate::domain::{ContentHash, Episode, Micros, ModelId, SeatIdx, UtcMicros};
use crate::flow::{Change, State};

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
    /// `H`: gains are cut at this many R where a bound from above is needed.
    pub cap_r: f64,
    /// Its market: one champion each.
    pub market: String,
    /// Its risk unit at full size, in millionths of the currency.
    pub rho_micros: f64,
}

/// Keeps evidence, slots and states of all candidates of an arena.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Promoter {
    pub(super) config: PromotionConfig,
    pub(super) config_hash: String,
    pub(super) currency: String,
    pub(super) now: UtcMicros,
    pub(super) seats: Vec<Seat>,
    pub(super) identities: BTreeMap<(ModelId, ContentHash), Identity>,
    pub(super) lineages: BTreeMap<ModelId, Lineage>,
    pub(super) slots: SlotTable,
    pub(super) trials: u64,
    /// The present round, and those that ended: days since 1970 on which an episode closed.
    pub(super) today: Option<i64>,
    pub(super) days: Vec<i64>,
    /// Why nobody is promoted until an operator clears it.
    pub(super) stopped: Option<String>,
    /// The last quote of each market that was told of.
    pub(super) quoted: BTreeMap<String, UtcMicros>,
    /// By how much the stamps of each market differed from our clock when that was last measured.
    pub(super) skews: BTreeMap<String, Micros>,
    pub(super) eligible: BTreeSet<SeatIdx>,
    pub(super) live: BTreeSet<SeatIdx>,
    pub(super) pending: BTreeSet<SeatIdx>,
    pub(super) chain: Chain,
}
impl Promoter {
    /// Nobody is registered yet. `config_hash` is [`crate::config::Config::hash`]; both it and the currency are there
    /// for the audit records alone.
    #[must_use]
    pub fn new(config: &PromotionConfig, currency: &str, config_hash: &str) -> Self {
        Self {
            slots: SlotTable::new(config),
            config: config.clone(),
            config_hash: config_hash.to_owned(),
            currency: currency.to_owned(),
            now: UtcMicros(i64::MIN),
            seats: Vec::new(),
            identities: BTreeMap::new(),
            lineages: BTreeMap::new(),
            trials: 0,
            today: None,
            days: Vec::new(),
            stopped: None,
            quoted: BTreeMap::new(),
            skews: BTreeMap::new(),
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
        let (floor_r, cap_r) = bounds_of(&self.config, info.floor_r, info.cap_r);
        self.seats.push(Seat {
            model: info.model.clone(),
            content_hash: info.content_hash,
            floor_r: info.floor_r,
            cap_r: info.cap_r,
            market: info.market.clone(),
            rho_micros: info.rho_micros,
            generation,
            state: State::Warming,
            registered: time,
            since: time,
            place: None,
            is_in_slot: false,
            evidence: Evidence::new(&self.config, floor_r, cap_r, None),
            first_opened: None,
            last_closed: None,
            last_active_day: None,
            active_days: 0,
            last_number: 0,
            range: None,
            confirmed: 0,
            is_barred,
            is_overridden,
            is_futile: false,
            pending: None,
            today: 0.0,
            open: Open::default(),
            daily: Vec::new(),
            copy_of: None,
            reign: None,
            told: Cell::new(Told::default()),
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

    pub(super) fn on_episode(&mut self, time: UtcMicros, episode: &Episode, changes: &mut Vec<Change>) {
        let at = self.at(episode.seat);
        let seat = &self.seats[at];
        // Who was retired for want of prospects is scored on like one without a slot: its ledger goes on.
        if episode.number <= seat.last_number || (seat.state == State::Retired && !seat.is_futile) {
            return;
        }
        let day = episode.closed.day();
        self.turn_day(time, day, changes);
        let seat = &mut self.seats[at];
        seat.last_number = episode.number;
        if !seat.counts(episode.opened) {
            return;
        }
        seat.open = Open { now: 0.0, later: None, ..seat.open };
        seat.today += episode.x;
        if episode.x.is_finite() {
            seat.first_opened.get_or_insert(episode.opened);
            seat.last_closed = Some(episode.closed);
            if seat.last_active_day.is_none_or(|last| day > last) {
                seat.last_active_day = Some(day);
                seat.active_days += 1;
            }
        }
        let Episode { number, opened, closed, profit, rho_micros, x, .. } = *episode;
        let trigger = Trigger::Episode { seat: episode.seat, number };
        let scored = Scored { number, opened, closed, profit, rho_micros, x };
        match self.config.unit {
            EvidenceUnit::Episode => self.on_outcome(at, time, scored, trigger, changes),
            // The day waits for its end; what is no number is told at once.
            EvidenceUnit::Round if !x.is_finite() => self.on_outcome(at, time, scored, trigger, changes),
            EvidenceUnit::Round => {}
        }
    }

    /// Takes one outcome of the unit that is in force into the evidence, and looks at the gates.
    pub(super) fn on_outcome(
        &mut self,
        at: usize,
        time: UtcMicros,
        scored: Scored,
        trigger: Trigger,
        changes: &mut Vec<Change>,
    ) {
        let seat = &mut self.seats[at];
        let was_breached = seat.evidence.is_breached();
        seat.evidence.on_episode(scored.x);
        if seat.state == State::Retired {
            return;
        }
        if scored.x.is_finite() {
            seat.range = Some((seat.range.map_or(scored.number, |(first, _)| first), scored.number));
            if seat.place.is_some() {
                seat.episodes.push(scored);
            }
        }
        if seat.evidence.is_breached() && !was_breached {
            self.disqualify(at, time, scored.x, trigger, changes);
        } else {
            self.evaluate(at, time, trigger, changes);
        }
    }

    /// Shadow to eligible and back, as the gates stand after an episode of this candidate.
    pub(super) fn evaluate(&mut self, at: usize, time: UtcMicros, trigger: Trigger, changes: &mut Vec<Change>) {
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
                self.enter_challengers(time);
            }
            (State::Eligible, false) => {
                let body = self.draft(Kind::Ineligible, at, time, trigger);
                let reason = match (self.missed(at, time), self.config.mode) {
                    (missed, _) if !missed.is_empty() => format!("no longer passes {missed}"),
                    (_, PromotionMode::Off) => "nothing is eligible while [promotion] mode is off".to_owned(),
                    _ => "has not passed often enough in a row for the new configuration".to_owned(),
                };
                self.seal(body, at, State::Shadow, reason, changes);
                self.retire_futile(at, time, trigger, changes);
            }
            (State::Shadow, false) => self.retire_futile(at, time, trigger, changes),
            _ => {}
        }
    }

    pub(super) fn is_passed(&self, at: usize, time: UtcMicros) -> bool {
        let evidence = &self.seats[at].evidence;
        // Two cheap looks that decide nearly always; the gates themselves have the word.
        evidence.n() >= u64::from(self.config.min_episodes)
            && evidence.may_reach(threshold(&self.config))
            && gates(&self.config, &self.inputs(at, time)).iter().all(|gate| gate.is_passed)
    }

    /// The names of the gates that `at` does not pass.
    pub(super) fn missed(&self, at: usize, time: UtcMicros) -> String {
        let gates = gates(&self.config, &self.inputs(at, time));
        let missed: Vec<_> = gates.iter().filter(|gate| !gate.is_passed).map(|gate| gate.name).collect();
        missed.join(", ")
    }

    pub(super) fn inputs(&self, at: usize, time: UtcMicros) -> GateInputs {
        GateInputs { top_share: self.seats[at].top_share(), ..self.inputs_in_constant_time(at, time) }
    }

    /// All but the top share, which looks at every outcome.
    pub(super) fn inputs_in_constant_time(&self, at: usize, time: UtcMicros) -> GateInputs {
        let seat = &self.seats[at];
        let lineage = &self.lineages[&seat.model];
        GateInputs {
            log_wealth: seat.evidence.log_wealth(),
            episodes: seat.evidence.n(),
            days: seat.first_opened.and_then(|first| days(first, time)),
            active_days: seat.active_days,
            drawdown_r: seat.evidence.max_drawdown_r(),
            dsr: seat.evidence.dsr(self.trials),
            decay: seat.evidence.decay(),
            lcb_family: seat.lcb_family(&self.config),
            top_share: None,
            is_clock_off: self.is_clock_off(&seat.market),
            is_faulty: seat.evidence.is_faulty(),
            is_breached: seat.evidence.is_breached() || seat.is_barred,
            days_since_demotion: lineage.demoted.and_then(|demoted| days(demoted, time)),
            demotions: lineage.demotions,
        }
    }

    /// An outcome fell below the floor: the evidence of this content is void for good.
    pub(super) fn disqualify(
        &mut self,
        at: usize,
        time: UtcMicros,
        x: f64,
        trigger: Trigger,
        changes: &mut Vec<Change>,
    ) {
        let seat = &mut self.seats[at];
        let reason = format!("an outcome of {x:.3} R broke the floor of -{} R", seat.evidence.floor_r());
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
    pub(super) fn ready(&self, time: UtcMicros) -> Vec<SeatIdx> {
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

    pub(super) fn idx(at: usize) -> SeatIdx {
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

    pub(super) fn identity(&mut self, at: usize) -> &mut Identity {
        let seat = &self.seats[at];
        self.identities
            .get_mut(&(seat.model.clone(), seat.content_hash))
            .expect("a registered content has its identity")
    }
}
