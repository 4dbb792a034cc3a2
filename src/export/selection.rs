//! What of a table is wanted.

use super::ExportError;
use crate::store::Store;
use crate::store::views::{self, HEAD, Head, ROSTER, RosterEntry, read_record};

/// What of a table is wanted: all of it where nothing is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only what is of this model.
    pub model: Option<String>,
    /// Only what is of this market.
    pub epic: Option<String>,
}

/// A selection held against a store.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) head: Head,
    pub(super) seats: Vec<RosterEntry>,
    epic: Option<String>,
    /// The stream of the one model asked for.
    stream: Option<(String, String)>,
    pub(super) is_all: bool,
}

impl Selection {
    /// Whether `store` knows what is named.
    ///
    /// # Errors
    /// [`ExportError::Model`], [`ExportError::Epic`], and whatever reading fails with.
    pub fn check(&self, store: &dyn Store) -> Result<(), ExportError> {
        self.of(store).map(drop)
    }

    pub(super) fn of(&self, store: &dyn Store) -> Result<Selected, ExportError> {
        let head: Head = read_record(store, HEAD)?.unwrap_or_default();
        let mut roster: Vec<RosterEntry> = read_record(store, ROSTER)?.unwrap_or_default();
        roster.sort_by_key(|entry| entry.seat);
        if let Some(epic) = self.epic.as_ref().filter(|epic| !head.epics.contains(epic)) {
            return Err(ExportError::Epic { asked: epic.clone(), known: head.epics.join(", ") });
        }
        let one = self.model.as_deref().map(|model| views::find(&roster, model)).transpose()?;
        let stream = one.map(|one| (one.epic.clone(), one.resolution.clone()));
        // A name may have had several seats, one after another: all of them bear it.
        let name = one.map(|one| one.model.clone());
        let is_all = self.model.is_none() && self.epic.is_none();
        roster.retain(|seat| name.as_ref().is_none_or(|name| *name == seat.model));
        roster.retain(|seat| self.epic.as_ref().is_none_or(|epic| *epic == seat.epic));
        Ok(Selected { head, seats: roster, epic: self.epic.clone(), stream, is_all })
    }
}

impl Selected {
    /// A running arena has come to know more markets or seats.
    pub(super) fn learn(&mut self, head: Head, roster: Vec<RosterEntry>, selection: &Selection) {
        let named = self.seats.first().map(|seat| seat.model.clone());
        let wants = |seat: &RosterEntry| {
            let is_epic = selection.epic.as_ref().is_none_or(|epic| *epic == seat.epic);
            is_epic && (selection.model.is_none() || named.as_ref() == Some(&seat.model))
        };
        let mut seats: Vec<RosterEntry> = roster.into_iter().filter(wants).collect();
        seats.sort_by_key(|seat| seat.seat);
        self.seats = seats;
        self.head = head;
    }

    pub(super) fn wants_epic(&self, epic: &str) -> bool {
        self.epic.as_ref().is_none_or(|wanted| wanted == epic)
            && self.stream.as_ref().is_none_or(|(wanted, _)| wanted == epic)
    }

    pub(super) fn wants_stream(&self, epic: &str, resolution: &str) -> bool {
        self.wants_epic(epic) && self.stream.as_ref().is_none_or(|(_, wanted)| wanted == resolution)
    }

    pub(super) fn seat(&self, seat: u32) -> Option<&RosterEntry> {
        self.seats.iter().find(|entry| entry.seat == seat)
    }
}
