//! What operators and configurations ask of the promoter: promote, demote, retire, a new `[promotion]`.

use super::audit::{Body, Kind, Trigger, promotion_text};
use super::policy::Promoter;
use super::seat::Pending;
use crate::config::{PromotionConfig, PromotionMode};
use crate::control::ControlError;
use crate::domain::{ContentHash, ModelId, Size, UtcMicros};
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
}
