//! What happened in the rounds of a slice, told round by round.

use crate::domain::{Episode, SeatIdx};
use crate::seats::SeatReport;
use crate::store::entry::Fault;

pub(super) fn fault_sentence(fault: Fault) -> &'static str {
    match fault {
        Fault::Panic => "its model panicked",
        Fault::Nan => "its model predicted something that is not finite",
        Fault::Deadline => "its model took longer than [arena] model_deadline over one bar",
    }
}

/// Whether `seat` is flat after round `number`, as far as its report says.
pub(super) fn flat_at(reports: &[SeatReport], seat: SeatIdx, number: usize) -> Option<bool> {
    let at = reports.binary_search_by_key(&seat, |report| report.seat).ok()?;
    let until = reports[at].flat.partition_point(|(round, _)| *round as usize <= number);
    reports[at].flat[..until].last().map(|(_, is_flat)| *is_flat)
}

/// What happened in the rounds of a slice, each kind in order of round, then seat.
pub(super) struct RoundEvents {
    episodes: Vec<(u32, Episode)>,
    warmed: Vec<(u32, SeatIdx)>,
    faults: Vec<(u32, SeatIdx, Fault)>,
    at: (usize, usize, usize),
}

pub(super) struct EventsOfRound<'a> {
    pub(super) episodes: &'a [(u32, Episode)],
    pub(super) warmed: &'a [(u32, SeatIdx)],
    pub(super) faults: &'a [(u32, SeatIdx, Fault)],
}

impl RoundEvents {
    pub(super) fn of(reports: &[SeatReport]) -> Self {
        let mut episodes: Vec<_> = reports.iter().flat_map(|report| report.episodes.iter().copied()).collect();
        episodes.sort_by_key(|(round, episode)| (*round, episode.closed, episode.seat));
        let mut warmed: Vec<_> =
            reports.iter().filter_map(|report| report.warmed.map(|round| (round, report.seat))).collect();
        warmed.sort_unstable();
        let mut faults: Vec<_> = reports
            .iter()
            .filter_map(|report| report.fault.map(|(round, fault)| (round, report.seat, fault)))
            .collect();
        faults.sort_by_key(|(round, seat, _)| (*round, *seat));
        Self { episodes, warmed, faults, at: (0, 0, 0) }
    }

    /// The events of round `number`; rounds are asked for in order.
    pub(super) fn next(&mut self, number: usize) -> EventsOfRound<'_> {
        let from = self.at;
        self.at.0 += self.episodes[from.0..].partition_point(|(round, _)| *round as usize <= number);
        self.at.1 += self.warmed[from.1..].partition_point(|(round, _)| *round as usize <= number);
        self.at.2 += self.faults[from.2..].partition_point(|(round, ..)| *round as usize <= number);
        EventsOfRound {
            episodes: &self.episodes[from.0..self.at.0],
            warmed: &self.warmed[from.1..self.at.1],
            faults: &self.faults[from.2..self.at.2],
        }
    }
}
