//! What happened in the rounds of a slice, told round by round.

use crate::domain::{Episode, SeatIdx};
use crate::seats::SeatReport;
use crate::store::entry::Fault;

/// Whether `seat` is flat after round `number`, as far as its report says.
pub(super) fn flat_at(reports: &[SeatReport], seat: SeatIdx, number: usize) -> Option<bool> {
    let at = reports.binary_search_by_key(&seat, |report| report.seat).ok()?;
    let until = reports[at].flat.partition_point(|(round, _)| *round as usize <= number);
    reports[at].flat[..until].last().map(|(_, is_flat)| *is_flat)
}

/// The episodes of a slice in order of round, then closing, then seat. Each is put into its round at once, since there
/// may be tens of thousands of them over a few hundred rounds.
fn episodes_by_round(reports: &[SeatReport], rounds: usize) -> Vec<(u32, Episode)> {
    let in_seats = || reports.iter().flat_map(|report| &report.episodes);
    let mut next = vec![0; rounds + 1];
    in_seats().for_each(|(round, _)| next[*round as usize + 1] += 1);
    for round in 0..rounds {
        next[round + 1] += next[round];
    }
    let total = next[rounds];
    let Some(any) = in_seats().next() else { return Vec::new() };
    let mut episodes = vec![*any; total];
    for episode in in_seats() {
        let place = &mut next[episode.0 as usize];
        episodes[*place] = *episode;
        *place += 1;
    }
    for of_round in episodes.chunk_by_mut(|a, b| a.0 == b.0) {
        of_round.sort_by_key(|(_, episode)| (episode.closed, episode.seat));
    }
    episodes
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
    /// `reports` are in order of seat.
    pub(super) fn of(reports: &[SeatReport], rounds: usize) -> Self {
        let episodes = episodes_by_round(reports, rounds);
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
