//! The last bars of each stream, for strategies that join or start again: their child has to be given what its window
//! holds.

use std::collections::VecDeque;

use crate::domain::{PastBar, StreamIdx};
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
