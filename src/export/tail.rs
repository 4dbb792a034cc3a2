//! What an arena writes, as it writes it: quotes, bars, predictions and trades, one JSON object each.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::selection::Selected;
use super::{ExportError, Selection};
use crate::domain::{Resolution, Tick};
use crate::ledger::{Assembly, SeatRecord};
use crate::store::entry::{BarEntry, SeatEntry, decode};
use crate::store::views::{HEAD, Head, ROSTER, RosterEntry, read_record};
use crate::store::{Commit, Lane, Store, StoreError};

/// What can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TailKind {
    /// Accepted quotes.
    Quotes,
    /// Closed bars.
    Bars,
    /// Predictions; what came of them is not known yet.
    Predictions,
    /// Closed paper trades.
    Trades,
}

impl TailKind {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 4] =
        [("quotes", Self::Quotes), ("bars", Self::Bars), ("predictions", Self::Predictions), ("trades", Self::Trades)];
}

impl FromStr for TailKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(|(name, _)| name).join(", ");
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, kind)| kind);
        found.ok_or_else(|| format!("{text:?} cannot be followed; there are {}", names()))
    }
}

/// Follows one arena: the names behind its lanes, and the trades that its seats are in.
pub struct Tail {
    kinds: BTreeSet<TailKind>,
    selected: Selected,
    selection: Selection,
    /// The store as it was when this began: where the trades then open are found.
    store: Box<dyn Store>,
    seats: BTreeMap<u32, Assembly>,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").field("kinds", &self.kinds).field("selection", &self.selection).finish_non_exhaustive()
    }
}

impl Tail {
    /// From `store` on, a snapshot after whose commit the first one that is taken comes.
    ///
    /// # Errors
    /// [`ExportError`] of the selection.
    pub fn new(
        store: Box<dyn Store>,
        kinds: impl IntoIterator<Item = TailKind>,
        selection: Selection,
    ) -> Result<Self, ExportError> {
        let selected = selection.of(&*store)?;
        Ok(Self { kinds: kinds.into_iter().collect(), selected, selection, store, seats: BTreeMap::new() })
    }

    /// What a commit brings, in the order of its lanes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where its entries do not follow upon what the snapshot holds.
    pub fn take(&mut self, commit: &Commit) -> Result<Vec<Value>, ExportError> {
        self.learn(commit)?;
        let mut told = Vec::new();
        for (lane, bytes) in &commit.blocks {
            match *lane {
                Lane::Quotes(epic) if self.kinds.contains(&TailKind::Quotes) => self.quotes(epic, bytes, &mut told)?,
                Lane::Bars(stream) if self.kinds.contains(&TailKind::Bars) => self.bars(stream, bytes, &mut told)?,
                Lane::Seat(seat) => self.seat(seat, bytes, &mut told)?,
                _ => {}
            }
        }
        Ok(told)
    }

    /// A commit may bring seats and streams that were not there before.
    fn learn(&mut self, commit: &Commit) -> Result<(), ExportError> {
        if commit.records.iter().any(|(name, _)| name == ROSTER || name == HEAD) {
            let latest = Records(commit, &*self.store);
            let head: Head = latest.read(HEAD)?.unwrap_or_default();
            let roster: Vec<RosterEntry> = latest.read(ROSTER)?.unwrap_or_default();
            self.selected.learn(head, roster, &self.selection);
        }
        Ok(())
    }

    fn quotes(&self, lane: u16, bytes: &[u8], told: &mut Vec<Value>) -> Result<(), ExportError> {
        let Some(epic) = self.selected.head.epics.get(usize::from(lane)) else { return Ok(()) };
        if self.selected.wants_epic(epic) {
            for tick in decode::<Tick>(Lane::Quotes(lane), bytes)? {
                told.push(json!({
                    "kind": "quote", "epic": epic, "time": tick.time, "bid": tick.bid, "offer": tick.offer,
                }));
            }
        }
        Ok(())
    }

    fn bars(&self, lane: u16, bytes: &[u8], told: &mut Vec<Value>) -> Result<(), ExportError> {
        let Some((epic, resolution)) = self.selected.head.streams.get(usize::from(lane)) else { return Ok(()) };
        let Ok(length) = resolution.parse::<Resolution>().map(Resolution::length) else { return Ok(()) };
        if self.selected.wants_stream(epic, resolution) {
            for bar in decode::<BarEntry>(Lane::Bars(lane), bytes)? {
                let mut row = Map::new();
                for (key, value) in [
                    ("kind", json!("bar")),
                    ("epic", json!(epic)),
                    ("bar", json!(resolution)),
                    ("start", json!(bar.start)),
                    ("end", json!(bar.start + length)),
                ] {
                    row.insert(key.to_owned(), value);
                }
                for (side, prices) in [("bid", bar.bid), ("offer", bar.offer)] {
                    let parts =
                        [("open", prices.open), ("high", prices.high), ("low", prices.low), ("close", prices.close)];
                    for (part, price) in parts {
                        row.insert(format!("{side}_{part}"), json!(price));
                    }
                }
                row.insert("quotes".to_owned(), json!(bar.ticks));
                told.push(Value::Object(row));
            }
        }
        Ok(())
    }

    fn seat(&mut self, lane: u32, bytes: &[u8], told: &mut Vec<Value>) -> Result<(), ExportError> {
        let Some(seat) = self.selected.seat(lane) else { return Ok(()) };
        let corrupt = |why: &str| StoreError::Corrupt { lane: format!("{:?}", Lane::Seat(lane)), why: why.to_owned() };
        let assembly = match self.seats.entry(lane) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let mut assembly = Assembly::default();
                for block in self.store.read(Lane::Seat(lane)) {
                    for entry in decode::<SeatEntry>(Lane::Seat(lane), &block?)? {
                        assembly.take(entry).map_err(corrupt)?;
                    }
                }
                new.insert(assembly)
            }
        };
        for entry in decode::<SeatEntry>(Lane::Seat(lane), bytes)? {
            match assembly.take(entry).map_err(corrupt)? {
                Some(SeatRecord::Closed(trade)) if self.kinds.contains(&TailKind::Trades) => {
                    let mut row = json!({ "kind": "trade" });
                    let trade = serde_json::to_value(seat.trade_row(&trade)).unwrap_or_default();
                    if let (Value::Object(row), Value::Object(trade)) = (&mut row, trade) {
                        row.extend(trade);
                    }
                    told.push(row);
                }
                Some(SeatRecord::Predicted { time, prediction, is_acted })
                    if self.kinds.contains(&TailKind::Predictions) =>
                {
                    told.push(json!({
                        "kind": "prediction", "model": seat.model, "ticket": seat.ticket_at(time), "epic": seat.epic,
                        "time": time, "signal": prediction.signal, "acted": is_acted,
                        "abstained": prediction.is_abstained, "distance": prediction.distance,
                        "y_pred": prediction.y_pred,
                    }));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The records of a store with those of a commit put over them.
struct Records<'a>(&'a Commit, &'a dyn Store);

impl Records<'_> {
    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        match self.0.records.iter().rev().find(|(known, _)| known == name) {
            Some((_, bytes)) => serde_json::from_slice(bytes)
                .map(Some)
                .map_err(|error| StoreError::Corrupt { lane: format!("record {name}"), why: error.to_string() }),
            None => read_record(self.1, name),
        }
    }
}
