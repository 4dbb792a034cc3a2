//! What operators and configurations ask of the promoter: promote, demote, retire, a new `[promotion]`.

use super::audit::{Body, Kind, Trigger, promotion_text};
use super::places::Room;
use super::policy::Promoter;
use super::seat::{Pending, Seat};
use crate::config::{NEW_BUDGET, PromotionConfig, PromotionMode};
use crate::control::ControlError;
use crate::domain::{ContentHash, ModelId, UtcMicros};
use crate::flow::{Change, State};

impl Promoter {
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
        if let (Some(why), false) = (&self.stopped, is_override) {
            return refused(format!("promotions have stopped ({why}): `arena resume` lets them go on"));
        }
        if self.is_clock_off(&seat.market) {
            return refused(format!("the clocks are too far apart in {}", seat.market));
        }
        let kept: Vec<usize> = self.pending.iter().map(|idx| self.at(*idx)).collect();
        match self.room(at, &kept) {
            Room::Free => {}
            Room::Taken(champion) => {
                let champion = &self.seats[self.at(champion)].model;
                return refused(format!("no live slot is free: {champion} must be demoted first"));
            }
            Room::None(why) => return refused(format!("no live slot is free: {why}")),
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

    pub(super) fn retire_now(
        &mut self,
        at: usize,
        time: UtcMicros,
        reason: String,
        trigger: Trigger,
        changes: &mut Vec<Change>,
    ) {
        let mut body = self.draft(Kind::Retire, at, time, trigger);
        self.leave(at, &mut body);
        // The list serves records of promotions and demotions alone, and there will be none; the sums stay readable.
        self.seats[at].episodes = Vec::new();
        self.seal(body, at, State::Retired, reason, changes);
    }

    /// Makes what rests on changed keys of watching anew from the outcomes that were kept; where they were not, it begins
    /// anew.
    fn rewatch(&mut self) {
        let config = &self.config;
        for seat in &mut self.seats {
            let xs = seat.xs();
            seat.evidence.rewatch(config, &xs);
            if let Some(reign) = seat.reign.as_deref_mut() {
                reign.rewatch(config, seat.cap_r);
            }
        }
    }

    /// Opens a further budget of alpha: as many slots again, at the same share each. The chance of a false promotion
    /// becomes the sum of the budgets. Candidates without a slot, in order of registration, take what there is and
    /// begin their evidence now. Returns how many did.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] without a reason; [`ControlError::Refused`] while slots are free.
    pub fn open_budget(&mut self, time: UtcMicros, reason: Option<&str>) -> Result<usize, ControlError> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let Some(reason) = reason else {
            return Err(ControlError::Invalid("a new budget of alpha needs a reason".to_owned()));
        };
        let free = self.slots.free();
        if free > 0 {
            return Err(ControlError::Refused(format!("{free} alpha slots are free: no new budget is needed")));
        }
        self.now = self.now.max(time);
        self.slots.open_budget();
        let total = f64::from(self.slots.budgets()) * self.config.alpha;
        let budgets = self.slots.budgets();
        let reason = format!("budget {budgets} is open, the chance of a false promotion is {total} in all: {reason}");
        let trigger = Trigger::Operator { is_override: false };
        let body = Body { trigger, reason, ..self.blank(Kind::Budget, time) };
        self.chain.append(&body);
        let mut joined = 0;
        for at in 0..self.seats.len() {
            let seat = &self.seats[at];
            if seat.place.is_some() || seat.is_barred || !matches!(seat.state, State::Warming | State::Shadow) {
                continue;
            }
            self.seats[at].begin_anew(&self.config, UtcMicros(time.0.saturating_add(1)));
            let mut body = self.draft(Kind::Join, at, time, trigger);
            let Some(slot) = self.join(at) else { continue };
            body.reason = format!("evidence begins in slot {}", slot.index);
            let flags = self.flags(at);
            if let Some(candidate) = &mut body.candidate {
                (candidate.joined, candidate.flags) = (Some(slot), flags);
            }
            self.chain.append(&body);
            joined += 1;
        }
        Ok(joined)
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
        let changed: Vec<_> = NEW_BUDGET
            .into_iter()
            .map(|key| key.trim_start_matches("promotion."))
            .filter(|key| old[*key] != new[*key])
            .collect();
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
        const WATCHED: [&str; 6] =
            ["keep_edge_r", "min_useful_edge_r", "parity_tol_r", "parity_cap_r", "parity_miss_rate", "dd_limit_r"];
        if WATCHED.into_iter().any(|key| old[key] != new[key]) {
            self.rewatch();
        }
        self.seats.iter().for_each(Seat::untell);
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
}
