//! The journal as events, each with its place, so that what was journalled right before a crash is told after it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Event;
use crate::store::entry::{DeskEntry, SessionEntry, decode_placed};
use crate::store::views::{HEAD, Head, change_of, read_record};
use crate::store::{Commit, Lane, Store, StoreError};

/// The lanes that events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Gaps.
    Session,
    /// Lifecycle changes.
    Audit,
    /// Halts and breaks.
    Desk,
}

impl Source {
    const ALL: [Self; 3] = [Self::Session, Self::Audit, Self::Desk];

    fn lane(self) -> Lane {
        match self {
            Self::Session => Lane::Session,
            Self::Audit => Lane::Audit,
            Self::Desk => Lane::Desk,
        }
    }

    fn of(lane: Lane) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.lane() == lane)
    }
}

/// How many bytes of each lane have been told. The bytes of these lanes never change, however they are cut into blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    session: u64,
    audit: u64,
    desk: u64,
}

impl Place {
    /// The end of every lane of a store.
    ///
    /// # Errors
    /// Whatever reading fails with.
    pub(super) fn end_of(store: &dyn Store) -> Result<Self, StoreError> {
        let mut place = Self::default();
        for source in Source::ALL {
            for block in store.read(source.lane()) {
                *place.of_mut(source) += block?.len() as u64;
            }
        }
        Ok(place)
    }

    /// The part for one lane.
    #[must_use]
    pub(super) fn of(&self, source: Source) -> u64 {
        match source {
            Source::Session => self.session,
            Source::Audit => self.audit,
            Source::Desk => self.desk,
        }
    }

    fn of_mut(&mut self, source: Source) -> &mut u64 {
        match source {
            Source::Session => &mut self.session,
            Source::Audit => &mut self.audit,
            Source::Desk => &mut self.desk,
        }
    }

    /// Notes that a lane has been told up to `end`.
    pub(super) fn reach(&mut self, source: Source, end: u64) {
        let at = self.of_mut(source);
        *at = end.max(*at);
    }

    /// Notes all that `other` has.
    pub(super) fn reach_all(&mut self, other: &Self) {
        Source::ALL.into_iter().for_each(|source| self.reach(source, other.of(source)));
    }

    /// The lesser of the two, lane by lane: a lane that is shorter than what was told of it has lost its end.
    #[must_use]
    pub(super) fn least(&self, other: &Self) -> Self {
        let mut least = Self::default();
        Source::ALL.into_iter().for_each(|source| *least.of_mut(source) = self.of(source).min(other.of(source)));
        least
    }
}

/// An event and the place behind it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    /// Its lane.
    pub(super) source: Source,
    /// Bytes of the lane up to its end.
    pub(super) end: u64,
    /// What to tell.
    pub(super) event: Event,
}

/// Follows one journal.
#[derive(Debug)]
pub(super) struct Journal {
    place: Place,
    epics: Vec<String>,
}

impl Journal {
    /// What `store` holds behind `from`, in order of event time, and a journal that goes on from its end.
    ///
    /// # Errors
    /// Whatever reading fails with.
    pub(super) fn open(store: &dyn Store, from: &Place) -> Result<(Self, Vec<Placed>), StoreError> {
        let head: Head = read_record(store, HEAD)?.unwrap_or_default();
        let mut journal = Self { place: Place::default(), epics: head.epics };
        let mut found = Vec::new();
        for source in Source::ALL {
            for block in store.read(source.lane()) {
                let block = block?;
                let end = journal.place.of(source) + block.len() as u64;
                if end > from.of(source) {
                    journal.block(source, &block, &mut found)?;
                } else {
                    *journal.place.of_mut(source) = end;
                }
            }
        }
        found.retain(|placed| placed.end > from.of(placed.source));
        found.sort_by_key(|placed| placed.event.time);
        Ok((journal, found))
    }

    /// What a commit brings.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where its entries cannot be read.
    pub(super) fn take(&mut self, commit: &Commit) -> Result<Vec<Placed>, StoreError> {
        if let Some((_, bytes)) = commit.records.iter().rev().find(|(name, _)| name == HEAD)
            && let Ok(head) = serde_json::from_slice::<Head>(bytes)
        {
            self.epics = head.epics;
        }
        let mut found = Vec::new();
        for (lane, bytes) in &commit.blocks {
            if let Some(source) = Source::of(*lane) {
                self.block(source, bytes, &mut found)?;
            }
        }
        Ok(found)
    }

    /// How far it has come.
    #[must_use]
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    fn block(&mut self, source: Source, bytes: &[u8], found: &mut Vec<Placed>) -> Result<(), StoreError> {
        let begin = self.place.of(source);
        // Whatever comes of it: it is behind us.
        *self.place.of_mut(source) += bytes.len() as u64;
        let lane = source.lane();
        let mut push = |event: Option<Event>, end: usize| {
            found.extend(event.map(|event| Placed { source, end: begin + end as u64, event }));
        };
        match source {
            Source::Session => {
                for (entry, end) in decode_placed::<SessionEntry>(lane, bytes)? {
                    push(Event::of_session(&entry, &self.epics), end);
                }
            }
            Source::Desk => {
                for (entry, end) in decode_placed::<DeskEntry>(lane, bytes)? {
                    push(Event::of_desk(&entry), end);
                }
            }
            Source::Audit => {
                for (text, end) in decode_placed::<String>(lane, bytes)? {
                    let record: Value = serde_json::from_str(&text)
                        .map_err(|error| StoreError::Corrupt { lane: format!("{lane:?}"), why: error.to_string() })?;
                    push(change_of(&record)?.as_ref().and_then(Event::of_change), end);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UtcMicros;
    use crate::store::Memory;
    use crate::store::entry::encode;

    fn halts(times: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for time in times {
            encode(&DeskEntry::Halted { time: UtcMicros(*time), reason: format!("at {time}") }, &mut bytes);
        }
        bytes
    }

    fn commit(bytes: Vec<u8>) -> Commit {
        let mut commit = Commit::default();
        commit.append(Lane::Desk, bytes);
        commit
    }

    #[test]
    fn what_was_told_is_not_told_again_and_the_rest_is() {
        let mut store = Memory::default();
        store.commit(commit(halts(&[1, 2, 3]))).unwrap();
        let times = |found: &[Placed]| found.iter().map(|placed| placed.event.time.0).collect::<Vec<_>>();
        let (mut journal, all) = Journal::open(&store, &Place::default()).unwrap();
        assert_eq!(times(&all), [1, 2, 3]);
        // Told up to the second one, in the middle of a block.
        let mut told = Place::default();
        told.reach(Source::Desk, all[1].end);
        assert_eq!(times(&Journal::open(&store, &told).unwrap().1), [3]);

        let more = commit(halts(&[4]));
        let live = journal.take(&more).unwrap();
        store.commit(more).unwrap();
        assert_eq!(times(&live), [4]);
        assert_eq!(*journal.place(), Place::end_of(&store).unwrap());
        told.reach(Source::Desk, live[0].end);
        assert!(Journal::open(&store, &told).unwrap().1.is_empty());
        // A store that is shorter than what was told of it goes on from its end.
        let least = told.least(&Place::end_of(&Memory::default()).unwrap());
        assert_eq!(least, Place::default());
    }
}
