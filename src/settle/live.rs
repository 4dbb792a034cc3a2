//! What live dealing and the feed tell the promoter, in its units.

use super::Settlement;
use crate::config::EvidenceUnit;
use crate::desk::DeskOutcome;
use crate::domain::{Micros, Money, SeatIdx, Size, UtcMicros};
use crate::flow::{BreakRow, Change, LiveOutcome, Round};
use crate::seats::{Mark, SeatReport};
use crate::store::entry::DeskEntry;

impl Settlement {
    /// Tells the promoter what became of live deals in this round, and has the champions' sizes follow their ramps.
    /// Returns the changes that it led to, for the desk.
    pub(super) fn judge_live(&mut self, time: UtcMicros) -> Vec<Change> {
        let mut outcomes: Vec<LiveOutcome> =
            self.desk.take_outcomes().into_iter().filter_map(|outcome| self.in_r(outcome)).collect();
        let results = self.desk.reign_results(&self.config.markets);
        outcomes.extend(results.into_iter().map(|(seat, profit)| LiveOutcome::Profit { seat, profit }));
        if outcomes.is_empty() {
            return Vec::new();
        }
        let has_closed = outcomes.iter().any(|outcome| matches!(outcome, LiveOutcome::Closed { .. }));
        let changes = self.promoter.on_live(time, &outcomes);
        if has_closed && changes.is_empty() {
            // A step of the ramp may have come.
            let rights = self.rights_of_live();
            self.desk.set_rights(rights);
        }
        self.keep_audit();
        changes
    }

    /// Has the gates of whom a difference between the books concerns written anew, since they tell of it.
    pub(super) fn note_breaks(&mut self, written: &[DeskEntry]) {
        for entry in written {
            let DeskEntry::Broken { seat, .. } = entry else { continue };
            match seat {
                Some(seat) => drop(self.explained.insert(*seat)),
                None => self.explained.extend(self.candidates.keys().filter(|seat| self.desk.is_live(**seat))),
            }
        }
    }

    /// The differences between the books that concern a seat: those of its own deals, and while it is live those of
    /// nobody's.
    pub(super) fn breaks_of(&self, seat: SeatIdx) -> Vec<BreakRow> {
        let is_live = self.desk.is_live(seat);
        let concerns = |row: &BreakRow| row.seat.map_or(is_live, |whose| whose == seat);
        self.desk.view().breaks.into_iter().filter(concerns).collect()
    }

    /// A desk's outcome in units of the candidate's risk at the live size.
    fn in_r(&self, outcome: DeskOutcome) -> Option<LiveOutcome> {
        let r = |seat: SeatIdx, size: Size, money: Money| {
            let candidate = self.candidates.get(&seat)?;
            let share = size.micros() as f64 / candidate.size.micros() as f64;
            Some(money.micros() as f64 / (candidate.risk.rho_micros * share))
        };
        match outcome {
            DeskOutcome::Closed { seat, size, profit } => Some(LiveOutcome::Closed { seat, x: r(seat, size, profit)? }),
            DeskOutcome::Paired { seat, size, difference } => {
                Some(LiveOutcome::Paired { seat, q: r(seat, size, difference)? })
            }
            DeskOutcome::Signal { seat, is_missed } => Some(LiveOutcome::Signal { seat, is_missed }),
            DeskOutcome::Order { seat, is_refused } => Some(LiveOutcome::Order { seat, is_refused }),
        }
    }

    /// Tells the promoter what was open at the close of round `number`, where rounds are the unit of evidence.
    pub(super) fn note_marks(&mut self, reports: &[SeatReport], number: usize, time: UtcMicros) {
        if self.config.promotion.unit != EvidenceUnit::Round {
            return;
        }
        for report in reports {
            if let Ok(at) = report.marks.binary_search_by_key(&number, |(round, _)| *round as usize) {
                let Mark { opened, profit } = report.marks[at].1;
                self.promoter.on_mark(report.seat, time, opened, profit);
            }
        }
    }

    /// Tells the promoter of the markets' silences.
    pub(super) fn watch_feed(&mut self, round: &Round) -> Vec<Change> {
        let mut changes = Vec::new();
        for of_epic in &round.quotes {
            let market = self.config.market(of_epic.epic);
            let (Some(first), Some(last)) = (of_epic.quotes.first(), of_epic.quotes.last()) else { continue };
            let name = market.epic.as_str();
            // Where nobody is live there is nobody to watch over: the last quote is all that has to be known.
            let mut silence = (first.time, Micros(0));
            if self.promoter.champion_of(name).is_some() {
                let mut before = first.time;
                for tick in of_epic.quotes.iter() {
                    if tick.time - before > silence.1 {
                        silence = (before, tick.time - before);
                    }
                    before = tick.time;
                }
            }
            let is_open = |time: UtcMicros| match market.session {
                Some(_) => market.is_in_session(time),
                // Without hours of its own a market rests at the weekend. 1970 began on a Thursday.
                None => !matches!(time.day().rem_euclid(7), 2 | 3),
            };
            let quotes = (first.time, last.time);
            changes.extend(self.promoter.on_quotes(round.time, name, quotes, silence, is_open));
        }
        changes
    }

    /// The venue's stamps of a market and our clock differ by `skew`, as whoever receives its quotes has measured.
    /// Returns the changes that it led to, already told to the desk.
    pub async fn on_clock_skew(&mut self, market: &str, skew: Micros) -> Vec<Change> {
        let Some(time) = self.head.time else { return Vec::new() };
        let changes = self.promoter.on_clock_skew(time, market, skew);
        if !changes.is_empty() {
            self.take_changes(&changes);
            self.tell_desk(time, &changes, &[]).await;
        }
        changes
    }
}
