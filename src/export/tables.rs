//! Each table out of the lanes of a whole store.

use super::rows::{
    DealRows, OrderRows, bar_cells, change_cells, epic_names, fault_cells, model_cells, prediction_cells, quote_cells,
    trade_cells,
};
use super::selection::Selected;
use super::{Cell, ExportError, Selection, Sink, Table};
use crate::domain::{Resolution, Tick, UtcMicros};
use crate::ledger::{Orders, SeatRecord, StreamLanes, Truth, read_seat};
use crate::store::entry::{BarEntry, DeskEntry, SessionEntry, decode};
use crate::store::views::lifecycle;
use crate::store::{Lane, Store, StoreError};

/// Writes what `selection` wants of a table to `sink`; how many rows there were.
///
/// # Errors
/// [`ExportError`].
pub fn write(store: &dyn Store, table: Table, selection: &Selection, sink: &mut dyn Sink) -> Result<u64, ExportError> {
    let selected = selection.of(store)?;
    let mut out = Out { sink, rows: 0 };
    out.sink.begin(&table.columns())?;
    match table {
        Table::Trades => trades(store, &selected, &mut out),
        Table::Predictions => predictions(store, &selected, &mut out),
        Table::Bars => bars(store, &selected, &mut out),
        Table::Quotes => quotes(store, &selected, &mut out),
        Table::Lifecycle => changes(store, &selected, &mut out),
        Table::Orders => orders(store, &selected, &mut out),
        Table::Deals => deals(store, &selected, &mut out),
        Table::Faults => faults(store, &selected, &mut out),
        Table::Models => models(&selected, &mut out),
    }?;
    Ok(out.rows)
}

struct Out<'a> {
    sink: &'a mut dyn Sink,
    rows: u64,
}

impl Out<'_> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        self.rows += 1;
        Ok(self.sink.row(cells)?)
    }
}

fn trades(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for seat in &selected.seats {
        read_seat(store, seat.seat, |entry| {
            let SeatRecord::Closed(trade) = entry else { return Ok(()) };
            out.row(&trade_cells(&seat.trade_row(&trade)))
        })?;
    }
    Ok(())
}

fn orders(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for seat in &selected.seats {
        let mut orders = OrderRows::default();
        read_seat(store, seat.seat, |record| orders.take(seat, &record).map_or(Ok(()), |row| out.row(&row)))?;
        if let Some(row) = orders.pending(seat) {
            out.row(&row)?;
        }
    }
    Ok(())
}

fn predictions(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    let mut truth: Option<(StreamLanes, Truth)> = None;
    // Seats of one stream after each other, so that each stream is read once.
    let mut seats: Vec<_> = selected.seats.iter().collect();
    seats.sort_by_key(|seat| (&seat.epic, &seat.resolution, seat.seat));
    for seat in seats {
        let lanes = selected.head.lanes_of(&seat.epic, &seat.resolution);
        let (_, truth) = match truth.take() {
            Some(known) if known.0 == lanes => truth.insert(known),
            _ => {
                let read = Truth::read(store, &lanes, UtcMicros(i64::MIN))?;
                truth.insert((lanes, read))
            }
        };
        let mut orders = Orders::default();
        read_seat(store, seat.seat, |entry| {
            orders.take(&entry);
            Ok::<(), ExportError>(())
        })?;
        read_seat(store, seat.seat, |entry| {
            let SeatRecord::Predicted { time, prediction, is_acted } = entry else { return Ok(()) };
            let y_true = orders.y_true(time, &prediction, is_acted, truth, seat.hold);
            out.row(&prediction_cells(seat, time, &prediction, is_acted, y_true))
        })?;
    }
    Ok(())
}

fn bars(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for (lane, (epic, resolution)) in (0..).zip(&selected.head.streams) {
        if !selected.wants_stream(epic, resolution) {
            continue;
        }
        let length = resolution.parse::<Resolution>().map(Resolution::length).map_err(|e| StoreError::Corrupt {
            lane: format!("{:?}", Lane::Bars(lane)),
            why: format!("{resolution:?}: {e}"),
        })?;
        each_entry(store, Lane::Bars(lane), |bar: BarEntry| out.row(&bar_cells(epic, resolution, length, &bar)))?;
    }
    Ok(())
}

fn quotes(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for (lane, epic) in (0..).zip(&selected.head.epics) {
        if selected.wants_epic(epic) {
            each_entry(store, Lane::Quotes(lane), |tick: Tick| out.row(&quote_cells(epic, &tick)))?;
        }
    }
    Ok(())
}

fn changes(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for change in lifecycle(store)? {
        let Some(seat) = selected.seat(change.seat.0) else { continue };
        out.row(&change_cells(seat, &change))?;
    }
    Ok(())
}

fn deals(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    let mut rows = DealRows::default();
    each_entry(store, Lane::Desk, |entry: DeskEntry| {
        rows.take(&entry, |seat| selected.seat(seat));
        Ok(())
    })?;
    rows.all().iter().try_for_each(|row| out.row(row))
}

fn faults(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    each_entry(store, Lane::Session, |entry: SessionEntry| {
        let is_wanted = match &entry {
            SessionEntry::Gap { epics, .. } => {
                epic_names(&selected.head, epics).iter().any(|epic| selected.wants_epic(epic))
            }
            SessionEntry::Suspended { model, .. } => selected.seats.iter().any(|seat| seat.model == model.as_str()),
            _ => selected.is_all,
        };
        match fault_cells(&selected.head, &entry).filter(|_| is_wanted) {
            Some(row) => out.row(&row),
            None => Ok(()),
        }
    })
}

fn models(selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    selected.seats.iter().try_for_each(|seat| out.row(&model_cells(seat)))
}

/// Calls `each` with every entry of a lane, a block in memory at a time.
fn each_entry<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    lane: Lane,
    mut each: impl FnMut(T) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    for block in store.read(lane) {
        for entry in decode::<T>(lane, &block?)? {
            each(entry)?;
        }
    }
    Ok(())
}
