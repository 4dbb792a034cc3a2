//! How a change of state is carried out and put on record.

use super::audit::{
    Body, Bound, CandidateRecord, Decision, GateRecord, Kind, ReadyRecord, Real, ReignRecord, SharpeRecord, SlotRecord,
    SwapRecord, Trigger, promotion_text,
};
use super::evidence::{Evidence, FUTILITY_LEVEL};
use super::gates::{gates, threshold};
use super::policy::Promoter;
use super::reign::{Reign, swap_floor, swap_level, swap_threshold};
use super::seat::family_level;
use crate::domain::{SeatIdx, UtcMicros};
use crate::flow::{Change, State};
use crate::statistics::mixture::lower_exact;

impl Promoter {
    /// Words of the leaderboard.
    pub(super) fn flags(&self, at: usize) -> Vec<String> {
        let seat = &self.seats[at];
        let words = [
            (seat.place.is_none(), "no_slot"),
            (seat.evidence.is_faulty(), "data"),
            (seat.is_barred, "floor_breach"),
            (self.is_clock_off(&seat.market), "clock"),
            (seat.is_overridden, "override"),
            (seat.is_futile, "futile"),
        ];
        let mut flags: Vec<String> =
            words.into_iter().filter(|(is_on, _)| *is_on).map(|(_, word)| word.to_owned()).collect();
        flags.extend(seat.copy_of.map(|first| format!("copy_of:{}", self.seats[self.at(first)].model)));
        flags
    }

    pub(super) fn blank(&self, kind: Kind, time: UtcMicros) -> Body {
        Body {
            kind,
            time,
            trigger: Trigger::Configuration,
            reason: String::new(),
            config_hash: self.config_hash.clone(),
            budget: self.slots.budgets(),
            promotion: promotion_text(&self.config),
            currency: self.currency.clone(),
            trials: self.trials,
            candidate: None,
            decision: None,
        }
    }

    /// An audit record of `at` as it stands before the change; [`Self::seal`] adds what came of it.
    pub(super) fn draft(&self, kind: Kind, at: usize, time: UtcMicros, trigger: Trigger) -> Body {
        let seat = &self.seats[at];
        let slot = seat.place.filter(|_| seat.is_in_slot).map(|place| {
            let slot = self.slots.slot(place.index);
            SlotRecord::new(place, slot, slot)
        });
        let has_decision = !matches!(kind, Kind::Register | Kind::Warm | Kind::Join);
        let has_episodes = matches!(kind, Kind::Promote | Kind::Demote);
        Body {
            trigger,
            candidate: Some(CandidateRecord {
                model: seat.model.clone(),
                lineage: seat.model.clone(),
                seat: Self::idx(at),
                content_hash: seat.content_hash.hex(),
                generation: seat.generation,
                floor_r: Real(seat.evidence.floor_r()),
                cap_r: Real(seat.evidence.cap_r()),
                market: seat.market.clone(),
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

    pub(super) fn decision(&self, at: usize, time: UtcMicros, has_episodes: bool) -> Decision {
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
            cap_r: Real(evidence.cap_r()),
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
            lcb_gate: inputs.lcb_family.map(Real),
            ucb95: Real(evidence.ucb_fast(FUTILITY_LEVEL)),
            log_useless: Real(evidence.log_useless()),
            drawdown_r: Real(evidence.max_drawdown_r()),
            decay: Real(evidence.decay()),
            sharpe: sharpe_record(evidence),
            dsr: inputs.dsr.map(Real),
            top_share: inputs.top_share.map(Real),
            first_opened: seat.first_opened,
            active_days: seat.active_days,
            is_faulty: inputs.is_faulty,
            is_breached: inputs.is_breached,
            is_clock_off: inputs.is_clock_off,
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
            reign: seat.reign.as_deref().map(|reign| self.reign_record(reign)),
            swap: None,
        }
    }

    fn reign_record(&self, reign: &Reign) -> ReignRecord {
        let reals = |numbers: &[f64]| numbers.iter().copied().map(Real).collect::<Vec<_>>();
        ReignRecord {
            since: reign.since,
            step: reign.step,
            lives: reals(&reign.lives),
            differences: reals(&reign.differences),
            signals: reign.signals.clone(),
            decay: Real(reign.decay.statistic()),
            parity: Real(reign.parity.statistic()),
            missed: Real(reign.missed.statistic()),
            drawdown_r: Real(reign.drawdown.now()),
            dd_limit_r: Real(reign.dd_limit_r),
            drawdown_pct: Real(reign.drawdown_pct(&self.config)),
            rejects: reign.rejects,
        }
    }

    /// The common rounds of a challenger with a champion.
    pub(super) fn swap_record(&self, champion: SeatIdx, challenger: SeatIdx) -> Option<SwapRecord> {
        let seat = &self.seats[self.at(champion)];
        let reign = seat.reign.as_deref()?;
        let swap = reign.swaps.get(&challenger)?;
        let (floor, level) = (swap_floor(&self.config), swap_level(&self.config));
        Some(SwapRecord {
            champion: seat.model.clone(),
            since: reign.since,
            step: reign.step,
            floor: Real(floor),
            differences: swap.differences.iter().copied().map(Real).collect(),
            log_e: Real(swap.mixture.log_wealth()),
            threshold: Real(swap_threshold(&self.config)),
            lcb: Real(lower_exact(swap.mixture.bets(), floor, &swap.differences, level)),
        })
    }

    pub(super) fn ready_record(&self, idx: SeatIdx, time: UtcMicros) -> ReadyRecord {
        let seat = &self.seats[self.at(idx)];
        ReadyRecord {
            model: seat.model.clone(),
            seat: idx,
            lcb95_r_per_day: Real(seat.lcb95_r_per_day(time)),
            log_e: Real(seat.evidence.log_e().unwrap_or(f64::NEG_INFINITY)),
        }
    }

    /// Carries out a change of state: the sets that follow it, the change, the audit record.
    pub(super) fn seal(&mut self, mut body: Body, at: usize, to: State, reason: String, changes: &mut Vec<Change>) {
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
        if to != State::Live {
            self.seats[at].reign = None;
        }
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

/// What a deflated Sharpe ratio is made of.
pub(super) fn sharpe_record(evidence: &Evidence) -> SharpeRecord {
    let sharpe = evidence.sharpe();
    SharpeRecord {
        ratio: Real(sharpe.ratio),
        skew: Real(sharpe.skew),
        kurtosis: Real(sharpe.kurtosis),
        variance: Real(1.0 / evidence.n() as f64),
    }
}
