//! Who takes which place: live slots and those who challenge for them, alpha slots, and the ways out of both.

use super::audit::{Body, Kind, SlotRecord, Trigger};
use super::evidence::FUTILITY_LEVEL;
use super::policy::Promoter;
use super::reign::Reign;
use super::seat::{Pending, days, evidence_of};
use super::slots::Slot;
use crate::config::PromotionMode;
use crate::domain::{SeatIdx, UtcMicros};
use crate::flow::{Change, State};

/// Whether a candidate could go live now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Room {
    /// There is a place.
    Free,
    /// This champion stands where it would stand.
    Taken(SeatIdx),
    /// Not now: a place is kept for another, or the risk is used up.
    None(String),
}

impl Promoter {
    /// Whether `at` could go live beside those that are, and those (`kept`) that places are kept for.
    pub(super) fn room(&self, at: usize, kept: &[usize]) -> Room {
        let seat = &self.seats[at];
        let others = || kept.iter().copied().filter(|other| *other != at);
        if let Some(other) = others().find(|other| self.seats[*other].market == seat.market) {
            return Room::None(format!("{} is to go live in its market", self.seats[other].model));
        }
        let in_market = self.live.iter().copied().find(|idx| self.seats[self.at(*idx)].market == seat.market);
        if let Some(champion) = in_market {
            return Room::Taken(champion);
        }
        if self.live.len() + others().count() >= self.config.live_slots as usize {
            return match self.rival(at).filter(|_| others().count() == 0) {
                Some(champion) => Room::Taken(champion),
                None => Room::None("every live slot is taken or kept for another".to_owned()),
            };
        }
        let risks = |at: usize| self.seats[at].rho_micros / 1e6;
        let live = self.live.iter().map(|idx| self.at(*idx)).chain(others());
        let risk: f64 = live.map(risks).sum::<f64>() + risks(at);
        match self.config.max_live_risk {
            Some(most) if risk > most => Room::None(format!("max_live_risk: {risk:.2} with it, limit {most}")),
            _ => Room::Free,
        }
    }

    pub(super) fn fill_live(&mut self, time: UtcMicros, is_flat: &dyn Fn(SeatIdx) -> bool, changes: &mut Vec<Change>) {
        for idx in self.pending.iter().copied().collect::<Vec<_>>() {
            let at = self.at(idx);
            if is_flat(idx)
                && !self.is_clock_off(&self.seats[at].market)
                && self.room(at, &[]) == Room::Free
                && let Some(Pending { reason, is_override }) = self.seats[at].pending.take()
            {
                self.pending.remove(&idx);
                self.promote_now(at, time, reason, Trigger::Operator { is_override }, changes);
            }
        }
        if self.config.mode != PromotionMode::Auto || self.stopped.is_some() {
            return;
        }
        // A place is kept for the best even while it is in a position: the next best must not slip in before it.
        let mut kept: Vec<usize> = self.pending.iter().map(|idx| self.at(*idx)).collect();
        let ready = self.ready(time);
        let count = ready.len();
        for idx in ready {
            let at = self.at(idx);
            if self.pending.contains(&idx) || self.is_clock_off(&self.seats[at].market) {
                continue;
            }
            match self.room(at, &kept) {
                Room::Free if is_flat(idx) => {
                    self.promote_now(at, time, format!("best of {count} ready"), Trigger::Round, changes);
                }
                Room::Free => kept.push(at),
                Room::Taken(champion) => {
                    if is_flat(idx) && self.is_swap_passed(champion, idx, time) {
                        self.swap(champion, at, time, changes);
                        // One swap a round: the next challenger has a new champion to beat.
                        return;
                    }
                }
                Room::None(_) => {}
            }
        }
    }

    /// Whether a challenger has beaten the champion on common rounds, and the champion may be challenged.
    pub(super) fn is_swap_passed(&self, champion: SeatIdx, challenger: SeatIdx, time: UtcMicros) -> bool {
        let Some(reign) = self.seats[self.at(champion)].reign.as_deref() else { return false };
        let age = days(reign.since, time).unwrap_or(0.0);
        let is_open = age >= f64::from(self.config.min_reign_days) && (reign.step > 0 || self.config.ramp.len() == 1);
        is_open && reign.swaps.get(&challenger).is_some_and(|swap| swap.is_passed(&self.config))
    }

    fn swap(&mut self, champion: SeatIdx, at: usize, time: UtcMicros, changes: &mut Vec<Change>) {
        let (old, new) = (self.at(champion), self.seats[at].model.clone());
        // The record of the promotion holds the rounds that it was decided on, which end with the reign.
        let evidence = self.swap_record(champion, Self::idx(at));
        let name = self.seats[old].model.clone();
        let mut body = self.draft(Kind::Promote, at, time, Trigger::Round);
        if let Some(decision) = &mut body.decision {
            decision.swap = evidence;
        }
        self.demote_now(old, time, format!("{new} is better on common rounds"), Trigger::Round, changes);
        self.take_live(body, at, time, format!("better than {name} on common rounds"), changes);
    }

    pub(super) fn promote_now(
        &mut self,
        at: usize,
        time: UtcMicros,
        reason: String,
        trigger: Trigger,
        changes: &mut Vec<Change>,
    ) {
        let body = self.draft(Kind::Promote, at, time, trigger);
        if trigger == (Trigger::Operator { is_override: true }) {
            self.seats[at].is_overridden = true;
            self.identity(at).is_overridden = true;
        }
        self.take_live(body, at, time, reason, changes);
    }

    fn take_live(&mut self, body: Body, at: usize, time: UtcMicros, reason: String, changes: &mut Vec<Change>) {
        let seat = &mut self.seats[at];
        seat.reign = Some(Box::new(Reign::new(&self.config, time, &seat.evidence, seat.cap_r)));
        self.seal(body, at, State::Live, reason, changes);
        self.enter_challengers(time);
    }

    /// Back to the shadow as a new identity: next generation, no evidence, another start in the slots.
    pub(super) fn demote_now(
        &mut self,
        at: usize,
        time: UtcMicros,
        reason: String,
        trigger: Trigger,
        changes: &mut Vec<Change>,
    ) {
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
        seat.reign = None;
        seat.begin_anew(&self.config, UtcMicros(time.0.saturating_add(1)));
        let joined = self.join(at);
        if let Some(candidate) = &mut body.candidate {
            candidate.joined = joined;
        }
        self.seal(body, at, State::Shadow, reason, changes);
    }

    /// Takes a place where there is one; without it, or barred, the candidate has statistics and no wealth.
    pub(super) fn join(&mut self, at: usize) -> Option<SlotRecord> {
        if self.seats[at].is_barred {
            return None;
        }
        let place = self.slots.join()?;
        let after = self.slots.slot(place.index);
        let before = Slot { occupants: after.occupants - 1, is_taken: false, ..after };
        let seat = &mut self.seats[at];
        seat.place = Some(place);
        seat.is_in_slot = true;
        seat.evidence = evidence_of(&self.config, seat, Some(place.start_wealth));
        seat.untell();
        Some(SlotRecord::new(place, before, after))
    }

    /// Frees the place; what was known under it stays readable.
    pub(super) fn leave(&mut self, at: usize, body: &mut Body) {
        let seat = &mut self.seats[at];
        if let Some(place) = seat.place
            && std::mem::take(&mut seat.is_in_slot)
        {
            let wealth = seat.evidence.log_wealth().map_or(0.0, f64::exp);
            let before = self.slots.slot(place.index);
            self.slots.leave(place, wealth);
            if let Some(candidate) = &mut body.candidate {
                candidate.slot = Some(SlotRecord::new(place, before, self.slots.slot(place.index)));
            }
        }
    }

    /// Ends a candidate that has no prospects left, so that its slot goes to another. All of these are stopping times,
    /// so that they do no harm to what the evidence gate promises.
    pub(super) fn retire_futile(&mut self, at: usize, time: UtcMicros, trigger: Trigger, changes: &mut Vec<Change>) {
        let (seat, config) = (&self.seats[at], &self.config);
        let n = seat.evidence.n();
        if seat.state != State::Shadow || seat.pending.is_some() || n < u64::from(config.min_episodes) {
            return;
        }
        let useful = config.min_useful_edge_r;
        let reason = if seat.evidence.is_useless() {
            let percent = 100.0 * (1.0 - FUTILITY_LEVEL);
            format!("its mean is below the useful {useful} R, surely ({percent} %)")
        } else if seat.evidence.log_e().is_some_and(|log_e| log_e < config.futility_e.ln()) {
            format!("its evidence has fallen below {}", config.futility_e)
        } else if n >= u64::from(config.max_episodes) {
            format!("it has not passed within {n} episodes")
        } else {
            return;
        };
        self.seats[at].is_futile = true;
        self.retire_now(at, time, reason, trigger, changes);
    }

    /// Ends a candidate that has closed nothing for too long.
    pub(super) fn retire_idle(&mut self, at: usize, time: UtcMicros, changes: &mut Vec<Change>) {
        let (seat, most) = (&self.seats[at], self.config.max_idle_days);
        let idle = days(seat.last_closed.unwrap_or(seat.since), time).unwrap_or(0.0);
        if matches!(seat.state, State::Shadow | State::Eligible) && seat.pending.is_none() && idle > f64::from(most) {
            self.seats[at].is_futile = true;
            let reason = format!("it has closed nothing for {idle:.0} days, limit {most}");
            self.retire_now(at, time, reason, Trigger::Round, changes);
        }
    }
}
