//! What a settlement writes down of rounds: quotes, bars, closings, suspensions, what was missing, and what windows began
//! with.

use super::Settlement;
use super::rounds::EventsOfRound;
use crate::domain::{Bar, SeatIdx, StreamIdx};
use crate::flow::{Round, Slice, Warmup};
use crate::seats::SeatReport;
use crate::store::Lane;
use crate::store::entry::{BarEntry, Fault, SeatEntry, SessionEntry, encode};

impl Settlement {
    /// A model that was too slow for a live round: its seat's lane says so, and so does the session, so that a replay
    /// suspends it at the same place.
    pub(super) fn note_stuck(&mut self, slice: &Slice, stuck: &[SeatIdx], reports: &mut Vec<SeatReport>) {
        let Some(round) = slice.rounds.last() else { return };
        for &seat in stuck {
            let Some(model) = self.roster.get(seat.0 as usize).map(|entry| entry.model.clone()) else { continue };
            let mut entries = Vec::new();
            encode(&SeatEntry::Suspended { time: round.time, reason: Fault::Deadline }, &mut entries);
            let last = u32::try_from(slice.rounds.len() - 1).expect("a slice holds at most 1,024 rounds");
            reports.push(SeatReport {
                seat,
                entries,
                episodes: Vec::new(),
                tickets: Vec::new(),
                flat: Vec::new(),
                marks: Vec::new(),
                warmed: None,
                fault: Some((last, Fault::Deadline)),
            });
            let reason = Fault::Deadline.sentence().to_owned();
            self.session(&SessionEntry::Suspended { time: round.time, model: model.as_str().into(), reason });
        }
        reports.sort_by_key(|report| report.seat);
    }

    /// Journals a round's quotes, bars and closing.
    pub(super) fn keep_round(&mut self, round: &Round) {
        let suspensions: Vec<SessionEntry> = round
            .suspensions
            .iter()
            .map(|(model, reason)| SessionEntry::Suspended {
                time: round.time,
                model: model.clone(),
                reason: reason.clone(),
            })
            .collect();
        suspensions.iter().for_each(|entry| self.session(entry));
        round.warmups.iter().for_each(|warmup| self.keep_warmup(warmup));
        for gap in &round.gaps {
            let epics = gap.epics.iter().map(|epic| self.epic_lanes[usize::from(epic.0)]).collect();
            let (from, to, quotes, reason) = (gap.from, gap.to, gap.quotes.clone(), gap.reason.clone());
            self.session(&SessionEntry::Gap { from, to, epics, quotes, reason });
        }
        for of_epic in &round.quotes {
            let epic = of_epic.epic.0 as usize;
            self.accepted[epic] += of_epic.quotes.len() as u64;
            if self.keeps_quotes {
                let mut bytes = Vec::with_capacity(of_epic.quotes.len() * 20);
                of_epic.quotes.iter().for_each(|tick| encode(tick, &mut bytes));
                self.commit.append(Lane::Quotes(self.epic_lanes[epic]), bytes);
            }
        }
        // Where only bars are known, they stand for their quotes.
        let starts = round.quotes.iter().filter_map(|of_epic| of_epic.quotes.first()).map(|tick| tick.time);
        let ends = round.quotes.iter().filter_map(|of_epic| of_epic.quotes.last()).map(|tick| tick.time);
        let (from, to) = (starts.min(), ends.max());
        let from = from.or_else(|| round.bars.iter().map(|bar| bar.start).min());
        self.from = self.from.or(from);
        self.to = self.to.max(to.or(Some(round.time)));
        let closed: Vec<&Bar> = round.bars.iter().filter(|bar| bar.is_closed).collect();
        for bar in &closed {
            let stream = bar.stream.0 as usize;
            self.bars[stream] += 1;
            let entry = BarEntry { start: bar.start, bid: bar.bid, offer: bar.offer, ticks: bar.ticks };
            self.past.push(stream, entry);
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes);
            self.commit.append(Lane::Bars(self.stream_lanes[stream]), bytes);
        }
        let mut ended: Vec<StreamIdx> = closed.iter().map(|bar| bar.stream).chain(round.void.iter().copied()).collect();
        if !ended.is_empty() {
            ended.sort();
            let streams = ended.iter().map(|stream| self.stream_lanes[stream.0 as usize]).collect();
            let quotes = self.accepted.clone();
            self.session(&SessionEntry::Closed { time: round.time, streams, quotes });
            self.head.rounds += 1;
        }
        self.head.time = Some(round.time);
        self.head.quotes = self.accepted.iter().sum();
    }

    /// Closed bars by the number of their lane, which a changed configuration leaves alone.
    pub(super) fn bars_by_lane(&self) -> Vec<u64> {
        let mut by_lane = vec![0; self.head.streams.len()];
        self.stream_lanes.iter().zip(&self.bars).for_each(|(lane, count)| by_lane[usize::from(*lane)] = *count);
        by_lane
    }

    pub(super) fn session(&mut self, entry: &SessionEntry) {
        let mut bytes = Vec::new();
        encode(entry, &mut bytes);
        self.commit.append(Lane::Session, bytes);
    }

    pub(super) fn keep_audit(&mut self) {
        let mut bytes = Vec::new();
        self.promoter.take_audit().iter().for_each(|record| encode(record, &mut bytes));
        self.commit.append(Lane::Audit, bytes);
    }

    /// Journals what the windows of a stream began with, so that a replay begins with the same.
    pub(super) fn keep_warmup(&mut self, warmup: &Warmup) {
        let stream = usize::from(warmup.stream.0);
        warmup.bars.iter().for_each(|bar| self.past.push(stream, *bar));
        self.session(&SessionEntry::WarmedUp {
            stream: self.stream_lanes[stream],
            source: warmup.source.clone(),
            sha256: warmup.sha256.clone(),
            bars: warmup.bars.clone(),
        });
    }

    /// Journals the suspensions of a round that came from outside of this process, so that a replay suspends the same
    /// candidates at the same bars. One that is such a replay has them in its round already.
    pub(super) fn note_outside_faults(&mut self, round: &Round, events: &EventsOfRound<'_>) {
        let outside: Vec<SessionEntry> = events
            .faults
            .iter()
            .filter(|(_, _, fault)| fault.is_outside())
            .filter_map(|(_, seat, fault)| {
                let model = self.roster.get(seat.0 as usize)?.model.as_str().into();
                let reason = fault.sentence().to_owned();
                let is_told = round.suspensions.iter().any(|(known, _)| *known == model);
                (!is_told).then_some(SessionEntry::Suspended { time: round.time, model, reason })
            })
            .collect();
        outside.iter().for_each(|entry| self.session(entry));
    }
}
