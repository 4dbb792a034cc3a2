//! What comes back from live dealing: outcomes, missed signals, refused orders, profit, the state of the feed. It moves
//! the ramp up and takes a champion back; it never touches paper evidence.

use super::audit::{Body, Kind, Trigger};
use super::policy::Promoter;
use super::reign::{Fall, Reign};
use crate::domain::{Micros, SeatIdx, Size, UtcMicros};
use crate::flow::{Change, LiveOutcome, State};

impl Promoter {
    /// Takes what live dealing reported, in order, at the end of the round at `time`. What is not of a champion is
    /// passed over.
    pub fn on_live(&mut self, time: UtcMicros, outcomes: &[LiveOutcome]) -> Vec<Change> {
        self.now = self.now.max(time);
        let mut changes = Vec::new();
        for outcome in outcomes {
            let at = self.at(outcome.seat());
            let config = &self.config;
            let seat = &mut self.seats[at];
            let floor_r = seat.floor_r;
            let Some(reign) = seat.reign.as_deref_mut() else { continue };
            let is_closed = matches!(outcome, LiveOutcome::Closed { .. });
            let fall = match *outcome {
                LiveOutcome::Closed { x, .. } if !x.is_finite() => {
                    Fall::of("a live outcome is not a number".to_owned())
                }
                LiveOutcome::Closed { x, .. } => reign.on_closed(config, floor_r, x),
                LiveOutcome::Paired { q, .. } => reign.on_paired(config, q),
                LiveOutcome::Signal { is_missed, .. } => reign.on_signal(config, is_missed),
                LiveOutcome::Order { is_refused, .. } => reign.on_order(config, is_refused),
                LiveOutcome::Profit { profit, .. } => reign.on_profit(config, profit),
            };
            let is_breach = is_closed && reign.lives.last().is_some_and(|x| *x < -floor_r);
            match fall {
                Some(fall) => self.topple(at, time, fall, is_breach, &mut changes),
                None if is_closed && reign.climb(&self.config) => self.note_step(at, time),
                None => {}
            }
        }
        changes
    }

    /// The quotes of a market in the round at `time`: its first and last, and the longest silence between any two of
    /// them. `is_open` says whether entries are allowed at a time.
    pub fn on_quotes(
        &mut self,
        time: UtcMicros,
        market: &str,
        quotes: (UtcMicros, UtcMicros),
        silence: (UtcMicros, Micros),
        is_open: impl Fn(UtcMicros) -> bool,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let (first, last) = quotes;
        let before = self.quoted.insert(market.to_owned(), last);
        let Some(most) = self.config.max_feed_gap else { return changes };
        let across = before.map(|before| (before, first - before));
        let longest = across
            .into_iter()
            .chain([silence])
            .filter(|(from, gap)| *gap > most && is_open(*from) && is_open(UtcMicros(from.0.saturating_add(gap.0))));
        if let Some((_, gap)) = longest.max_by_key(|(_, gap)| *gap)
            && let Some(champion) = self.champion_of(market)
        {
            let reason = format!("no quote of {market} for {gap}, limit {most}");
            let at = self.at(champion);
            self.topple(at, time, Fall { reason, stops_all: false }, false, &mut changes);
        }
        changes
    }

    /// The venue's stamps of a market and our clock differ by `skew`. Beyond the limit its champion goes back to the
    /// shadow, and nobody goes live there until a measurement is within it again.
    pub fn on_clock_skew(&mut self, time: UtcMicros, market: &str, skew: Micros) -> Vec<Change> {
        let mut changes = Vec::new();
        self.skews.insert(market.to_owned(), skew);
        let Some(most) = self.config.max_clock_skew else { return changes };
        if self.is_clock_off(market)
            && let Some(champion) = self.champion_of(market)
        {
            let reason = format!("clocks differ by {skew} in {market}, limit {most}");
            let at = self.at(champion);
            self.topple(at, time, Fall { reason, stops_all: false }, false, &mut changes);
        }
        changes
    }

    /// Whether the clocks were too far apart in that market when that was last measured.
    pub(super) fn is_clock_off(&self, market: &str) -> bool {
        let skew = self.skews.get(market);
        skew.zip(self.config.max_clock_skew).is_some_and(|(skew, most)| skew.0.abs() > most.0)
    }

    /// The live candidate of a market.
    #[must_use]
    pub fn champion_of(&self, market: &str) -> Option<SeatIdx> {
        self.live.iter().copied().find(|idx| self.seats[self.at(*idx)].market == market)
    }

    /// Takes a champion back to the shadow; after a breach of the floor its content is barred as well.
    fn topple(&mut self, at: usize, time: UtcMicros, fall: Fall, is_breach: bool, changes: &mut Vec<Change>) {
        if self.seats[at].state != State::Live {
            return;
        }
        let Fall { reason, stops_all } = fall;
        if is_breach {
            self.seats[at].is_barred = true;
            self.identity(at).is_barred = true;
        }
        if stops_all {
            self.stopped = Some(format!("{}: {reason}", self.seats[at].model));
        }
        self.demote_now(at, time, reason, Trigger::Live, changes);
    }

    fn note_step(&mut self, at: usize, time: UtcMicros) {
        let body = self.draft(Kind::Ramp, at, time, Trigger::Live);
        let reign = self.seats[at].reign.as_deref();
        let share = reign.map_or(1.0, |reign| reign.share(&self.config));
        let reason = format!("{share} of its size from here on");
        self.chain.append(&Body { reason, ..body });
    }

    /// Why nobody is promoted at present; nothing where somebody may be.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// An operator has looked at why live and paper came apart: promotions may go on. Says whether they had stopped.
    pub fn clear_stop(&mut self, time: UtcMicros, reason: &str) -> bool {
        let Some(why) = self.stopped.take() else { return false };
        let body = self.blank(Kind::Clear, time);
        let reason = format!("{reason} (promotions had stopped: {why})");
        self.chain.append(&Body { trigger: Trigger::Operator { is_override: false }, reason, ..body });
        true
    }

    /// The size of a live deal of `seat`: the share of its step of the ramp, rounded down to a millionth, at least
    /// `size_min`, never above the candidate's own. A candidate that is not live yet would begin on the first step.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn live_size(&self, seat: SeatIdx, candidate_size: Size, size_min: Size) -> Size {
        let first = self.config.ramp.first().copied().unwrap_or(1.0);
        let reign: Option<&Reign> = self.seats[self.at(seat)].reign.as_deref();
        let share = reign.map_or(first, |reign| reign.share(&self.config));
        // The small allowance keeps 0.29 of 100 at 29, which binary floats put a hair below.
        #[expect(clippy::cast_possible_truncation, reason = "a share of a size is within its range")]
        let micros = (share * candidate_size.micros() as f64 + 1e-3).floor() as i64;
        Size::from_micros(micros).max(size_min).min(candidate_size)
    }
}
