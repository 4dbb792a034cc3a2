//! The last bars of each stream, for strategies that join or start again: their child has to be given what its window
//! holds.

use std::collections::VecDeque;

use super::{EventsOfRound, Settlement};
use crate::domain::{PastBar, StreamIdx};
use crate::flow::{Round, Warmup};
use crate::store::entry::{SessionEntry, decode, read_lane};
use crate::store::{Lane, Store, StoreError};

/// The last bars of each stream, oldest first.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// By stream.
    recent: Vec<VecDeque<PastBar>>,
    /// The longest lookback: no window holds more.
    most: usize,
}

impl Past {
    /// What `store` holds of the streams whose bars lie in these lanes.
    pub(super) fn read(store: &dyn Store, lanes: &[u16], most: usize) -> Result<Self, StoreError> {
        let recent = lanes.iter().map(|lane| last_bars(store, *lane, most)).collect::<Result<_, _>>()?;
        Ok(Self { recent, most })
    }

    pub(super) fn push(&mut self, stream: usize, bar: PastBar) {
        let recent = &mut self.recent[stream];
        recent.push_back(bar);
        while recent.len() > self.most {
            recent.pop_front();
        }
    }

    pub(super) fn of(&self, stream: StreamIdx) -> Vec<PastBar> {
        self.recent[usize::from(stream.0)].iter().copied().collect()
    }
}

/// The last `most` bars of a stream: those that closed, and before them those that it began with.
fn last_bars(store: &dyn Store, lane: u16, most: usize) -> Result<VecDeque<PastBar>, StoreError> {
    let mut bars = VecDeque::new();
    if most == 0 {
        return Ok(bars);
    }
    let mut put_before = |earlier: Vec<PastBar>| {
        let room = most - bars.len();
        earlier.into_iter().rev().take(room).for_each(|bar| bars.push_front(bar));
        bars.len() < most
    };
    let mut has_room = true;
    for block in store.read_back(Lane::Bars(lane)) {
        has_room = put_before(decode(Lane::Bars(lane), &block?)?);
        if !has_room {
            break;
        }
    }
    if has_room {
        for entry in read_lane(store, Lane::Session)? {
            if let SessionEntry::WarmedUp { stream, bars, .. } = entry
                && stream == lane
            {
                put_before(bars);
            }
        }
    }
    Ok(bars)
}

impl Settlement {
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
