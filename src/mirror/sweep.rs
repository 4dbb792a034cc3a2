//! A snapshot as slices of event time: what every lane holds up to one moment, then up to the next.
//!
//! A lane is read block by block, once, so that however long the journal is, memory holds a block of each lane and one
//! slice. Lanes that need no other lane beside them (session, audit, desk) come first.

use std::collections::VecDeque;

use indicatif::ProgressBar;
use serde::de::DeserializeOwned;

use super::assemble::Assembler;
use crate::domain::{Micros, Tick, UtcMicros};
use crate::store::entry::{BarEntry, SeatEntry, decode};
use crate::store::{Lane, Store, StoreError};

/// A slice is made shorter when it held more entries than this,
const ENTRIES_MAX: usize = 20_000;
/// and longer when it held fewer.
const ENTRIES_MIN: usize = 5_000;
const SPAN_FIRST: Micros = Micros(3_600_000_000);
const SPAN_MIN: Micros = Micros(1_000_000);
const SPAN_MAX: Micros = Micros(90 * 86_400_000_000);

type Blocks<'s> = Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + 's>;

/// One lane, read forward.
struct Reader<'s, T> {
    lane: Lane,
    blocks: Blocks<'s>,
    held: VecDeque<T>,
}

impl<'s, T: DeserializeOwned> Reader<'s, T> {
    fn new(store: &'s dyn Store, lane: Lane) -> Self {
        Self { lane, blocks: store.read(lane), held: VecDeque::new() }
    }

    /// The next entry, if there is one.
    fn peek(&mut self, progress: &ProgressBar) -> Result<Option<&T>, StoreError> {
        while self.held.is_empty() {
            let Some(block) = self.blocks.next() else { return Ok(None) };
            self.held.extend(decode::<T>(self.lane, &block?)?);
            progress.inc(1);
        }
        Ok(self.held.front())
    }

    /// The entries whose time is not after `until`; one without a time belongs to what comes before it.
    fn take_until(
        &mut self,
        until: UtcMicros,
        time_of: fn(&T) -> Option<UtcMicros>,
        progress: &ProgressBar,
    ) -> Result<Vec<T>, StoreError> {
        let mut taken = Vec::new();
        while self.peek(progress)?.is_some_and(|entry| time_of(entry).is_none_or(|time| time <= until)) {
            taken.extend(self.held.pop_front());
        }
        Ok(taken)
    }
}

fn time_of_seat(entry: &SeatEntry) -> Option<UtcMicros> {
    match entry {
        SeatEntry::Predicted { time, .. }
        | SeatEntry::Estimated { time, .. }
        | SeatEntry::Ordered { time, .. }
        | SeatEntry::Refused { time, .. }
        | SeatEntry::Suspended { time, .. } => Some(*time),
        SeatEntry::Registered { .. } | SeatEntry::Opened { .. } | SeatEntry::Lapsed | SeatEntry::Closed { .. } => None,
    }
}

/// See the module.
pub(super) struct Sweep<'s> {
    store: &'s dyn Store,
    /// Lanes that are read without the others, and what is left of the one at hand.
    alone: VecDeque<Lane>,
    at_hand: Option<(Lane, Blocks<'s>)>,
    quotes: Vec<Reader<'s, Tick>>,
    bars: Vec<(Reader<'s, BarEntry>, u16)>,
    seats: Vec<Reader<'s, SeatEntry>>,
    span: Micros,
    progress: ProgressBar,
}

impl<'s> Sweep<'s> {
    /// Over all of `store`; `progress` counts blocks.
    pub(super) fn new(store: &'s dyn Store, progress: ProgressBar) -> Result<Self, StoreError> {
        let mut sweep = Self {
            store,
            alone: VecDeque::new(),
            at_hand: None,
            quotes: Vec::new(),
            bars: Vec::new(),
            seats: Vec::new(),
            span: SPAN_FIRST,
            progress,
        };
        for lane in store.lanes()? {
            match lane {
                Lane::Session | Lane::Audit | Lane::Desk => sweep.alone.push_back(lane),
                Lane::Quotes(_) => sweep.quotes.push(Reader::new(store, lane)),
                Lane::Bars(stream) => sweep.bars.push((Reader::new(store, lane), stream)),
                Lane::Seat(_) => sweep.seats.push(Reader::new(store, lane)),
                Lane::Seals | Lane::Upkeep => {}
            }
        }
        Ok(sweep)
    }

    /// Gives the next slice to `assembler`; `false` at the end.
    pub(super) fn next(&mut self, assembler: &mut Assembler) -> Result<bool, StoreError> {
        loop {
            match &mut self.at_hand {
                Some((lane, blocks)) => match blocks.next() {
                    Some(block) => {
                        assembler.take(*lane, &block?)?;
                        self.progress.inc(1);
                        return Ok(true);
                    }
                    None => self.at_hand = None,
                },
                None => match self.alone.pop_front() {
                    Some(lane) => self.at_hand = Some((lane, self.store.read(lane))),
                    None => return self.slice(assembler),
                },
            }
        }
    }

    fn slice(&mut self, assembler: &mut Assembler) -> Result<bool, StoreError> {
        let progress = &self.progress;
        let mut next: Option<UtcMicros> = None;
        let mut sees = |time: UtcMicros| next = Some(next.map_or(time, |known| known.min(time)));
        for lane in &mut self.quotes {
            lane.peek(progress)?.map(|tick| tick.time).into_iter().for_each(&mut sees);
        }
        for (lane, stream) in &mut self.bars {
            let length = assembler.length_of(*stream);
            lane.peek(progress)?.map(|bar| bar.start + length).into_iter().for_each(&mut sees);
        }
        let mut is_waiting = false;
        for lane in &mut self.seats {
            match lane.peek(progress)?.map(time_of_seat) {
                Some(Some(time)) => sees(time),
                Some(None) => is_waiting = true,
                None => {}
            }
        }
        let until = match next {
            Some(next) => next + self.span,
            None if is_waiting => UtcMicros(i64::MAX),
            None => return Ok(false),
        };
        let mut entries = 0;
        for lane in &mut self.quotes {
            let ticks = lane.take_until(until, |tick| Some(tick.time), progress)?;
            entries += ticks.len();
            assembler.quotes(lane.lane, &ticks);
        }
        for (lane, stream) in &mut self.bars {
            // Bars are stamped with their start, and known at their end.
            let until = until - assembler.length_of(*stream);
            let bars = lane.take_until(until, |bar| Some(bar.start), progress)?;
            entries += bars.len();
            assembler.bars(lane.lane, &bars);
        }
        for lane in &mut self.seats {
            let taken = lane.take_until(until, time_of_seat, progress)?;
            entries += taken.len();
            assembler.seat(lane.lane, taken)?;
        }
        assembler.settle();
        if entries > ENTRIES_MAX {
            self.span = Micros((self.span.0 / 2).max(SPAN_MIN.0));
        } else if entries < ENTRIES_MIN {
            self.span = Micros((self.span.0 * 2).min(SPAN_MAX.0));
        }
        Ok(true)
    }
}
