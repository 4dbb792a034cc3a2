//! What of a round goes to the journal: its quotes, its bars, its closing, and what was missing.

use super::Settlement;
use crate::domain::{Bar, StreamIdx};
use crate::flow::Round;
use crate::store::Lane;
use crate::store::entry::{BarEntry, SessionEntry, encode};

impl Settlement {
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
}
