//! Each table: its columns, and its rows out of the lanes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::selection::Selected;
use super::{Cell, Column, ExportError, Kind, Selection, Sink, Table};
use crate::domain::{DealReference, Direction, Micros, Order, Resolution, Tick, UtcMicros};
use crate::flow::TradeRow;
use crate::ledger::{Orders, SeatRecord, StreamLanes, Truth, read_seat};
use crate::store::entry::{BarEntry, DeskEntry, Refusal, SessionEntry, decode};
use crate::store::views::lifecycle;
use crate::store::{Lane, Store, StoreError};

use Kind::{Count, Decimal, Flag, Float, Text, Time};

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

impl Table {
    /// Its columns.
    #[must_use]
    pub fn columns(self) -> Vec<Column> {
        let columns: &[(&'static str, Kind)] = match self {
            Self::Trades => &TRADES,
            Self::Predictions => &[
                ("model", Text),
                ("ticket", Text),
                ("epic", Text),
                ("time", Time),
                ("signal", Text),
                ("acted", Flag),
                ("abstained", Flag),
                ("distance", Float),
                ("y_pred", Float),
                ("y_true", Float),
            ],
            Self::Bars => &[
                ("epic", Text),
                ("bar", Text),
                ("start", Time),
                ("end", Time),
                ("bid_open", Decimal),
                ("bid_high", Decimal),
                ("bid_low", Decimal),
                ("bid_close", Decimal),
                ("offer_open", Decimal),
                ("offer_high", Decimal),
                ("offer_low", Decimal),
                ("offer_close", Decimal),
                ("quotes", Count),
            ],
            Self::Quotes => &[("epic", Text), ("time_utc", Time), ("bid", Decimal), ("offer", Decimal)],
            Self::Lifecycle => {
                &[("time", Time), ("model", Text), ("ticket", Text), ("from", Text), ("to", Text), ("reason", Text)]
            }
            Self::Orders => &[
                ("model", Text),
                ("ticket", Text),
                ("epic", Text),
                ("made", Time),
                ("direction", Text),
                ("valid_from", Time),
                ("valid_until", Time),
                ("y_pred", Float),
                ("outcome", Text),
                ("deal_id", Text),
                ("opened", Time),
                ("level", Decimal),
            ],
            Self::Deals => &[
                ("reference", Text),
                ("deal_id", Text),
                ("model", Text),
                ("ticket", Text),
                ("epic", Text),
                ("direction", Text),
                ("size", Decimal),
                ("status", Text),
                ("sent", Time),
                ("opened", Time),
                ("open_level", Decimal),
                ("stop_level", Decimal),
                ("limit_level", Decimal),
                ("closed", Time),
                ("close_level", Decimal),
                ("reason", Text),
                ("profit", Decimal),
            ],
            Self::Faults => &[("time", Time), ("until", Time), ("kind", Text), ("text", Text)],
            Self::Models => &[
                ("seat", Count),
                ("model", Text),
                ("ticket", Text),
                ("version", Text),
                ("epic", Text),
                ("bar", Text),
                ("content_hash", Text),
                ("generation", Count),
                ("registered", Time),
                ("currency", Text),
                ("floor_r", Float),
                ("artefact", Text),
                ("settings", Text),
            ],
        };
        columns.iter().map(|(name, kind)| Column { name, kind: *kind }).collect()
    }
}

/// Also the fields of a trade as `arena tail` prints it.
const TRADES: [(&str, Kind); 18] = [
    ("model", Text),
    ("ticket", Text),
    ("deal_id", Text),
    ("epic", Text),
    ("direction", Text),
    ("size", Decimal),
    ("opened", Time),
    ("closed", Time),
    ("open_level", Decimal),
    ("close_level", Decimal),
    ("stop_level", Decimal),
    ("limit_level", Decimal),
    ("reason", Text),
    ("profit", Decimal),
    ("costs", Decimal),
    ("r", Float),
    ("y_pred", Float),
    ("y_true", Float),
];

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

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
    Cell::Text(text.into())
}

fn maybe_text<'a>(value: Option<impl Into<Cow<'a, str>>>) -> Cell<'a> {
    value.map_or(Cell::Empty, text)
}

fn time(time: Option<UtcMicros>) -> Cell<'static> {
    time.map_or(Cell::Empty, Cell::Time)
}

fn float(value: Option<f64>) -> Cell<'static> {
    value.filter(|value| value.is_finite()).map_or(Cell::Empty, Cell::Float)
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

fn trade_cells(row: &TradeRow) -> [Cell<'_>; TRADES.len()] {
    [
        text(row.model.as_str()),
        text(&row.ticket),
        text(&row.deal_id),
        text(&row.epic),
        text(row.direction.word()),
        Cell::Decimal(row.size.micros()),
        Cell::Time(row.opened),
        Cell::Time(row.closed),
        Cell::Decimal(row.open_level.micros()),
        Cell::Decimal(row.close_level.micros()),
        Cell::Decimal(row.stop_level.micros()),
        Cell::Decimal(row.limit_level.micros()),
        text(row.reason.word()),
        Cell::Decimal(row.profit.micros()),
        Cell::Decimal(row.costs.micros()),
        float(Some(row.r)),
        float(row.y_pred),
        float(row.y_true),
    ]
}

fn orders(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for seat in &selected.seats {
        let mut write = |made: UtcMicros, order: Option<&Order>, outcome: &'static str, fill: [Cell<'_>; 3]| {
            let [deal_id, opened, level] = fill;
            out.row(&[
                text(&seat.model),
                text(seat.ticket_at(made)),
                text(&seat.epic),
                Cell::Time(made),
                maybe_text(order.map(|order| order.direction.word())),
                time(order.map(|order| order.from)),
                time(order.map(|order| order.until)),
                float(order.and_then(|order| order.y_pred)),
                text(outcome),
                deal_id,
                opened,
                level,
            ])
        };
        let none = || [Cell::Empty, Cell::Empty, Cell::Empty];
        let mut pending: Option<Order> = None;
        read_seat(store, seat.seat, |entry| match entry {
            SeatRecord::Ordered(order) => {
                pending = Some(order);
                Ok(())
            }
            SeatRecord::Opened { deal, time, level } => {
                let Some(order) = pending.take() else { return Ok(()) };
                let ticket = seat.ticket_at(order.made);
                let hash8 = ticket.rsplit_once('#').map_or("", |(_, hash8)| hash8);
                let fill = [text(format!("{hash8}-{deal}")), Cell::Time(time), Cell::Decimal(level.micros())];
                write(order.made, Some(&order), "filled", fill)
            }
            SeatRecord::Lapsed { made } => write(made, pending.take().as_ref(), "lapsed", none()),
            SeatRecord::Refused { time, reason: Refusal::Session } => {
                let order = pending.take_if(|order| order.made == time);
                write(time, order.as_ref(), "refused:session", none())
            }
            SeatRecord::Predicted { .. } | SeatRecord::Closed(_) | SeatRecord::Suspended { .. } => Ok(()),
        })?;
        if let Some(order) = &pending {
            write(order.made, Some(order), "pending", none())?;
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
            out.row(&[
                text(&seat.model),
                text(seat.ticket_at(time)),
                text(&seat.epic),
                Cell::Time(time),
                maybe_text(prediction.signal.map(Direction::word)),
                Cell::Flag(is_acted),
                Cell::Flag(prediction.is_abstained),
                float(prediction.distance),
                float(prediction.y_pred),
                float(orders.y_true(time, &prediction, is_acted, truth, seat.hold)),
            ])
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

fn bar_cells<'a>(epic: &'a str, resolution: &'a str, length: Micros, bar: &BarEntry) -> Vec<Cell<'a>> {
    let mut row = vec![text(epic), text(resolution), Cell::Time(bar.start), Cell::Time(bar.start + length)];
    for side in [bar.bid, bar.offer] {
        row.extend([side.open, side.high, side.low, side.close].map(|price| Cell::Decimal(price.micros())));
    }
    row.push(Cell::Count(u64::from(bar.ticks)));
    row
}

fn quotes(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for (lane, epic) in (0..).zip(&selected.head.epics) {
        if selected.wants_epic(epic) {
            each_entry(store, Lane::Quotes(lane), |tick: Tick| {
                let (bid, offer) = (Cell::Decimal(tick.bid.micros()), Cell::Decimal(tick.offer.micros()));
                out.row(&[text(epic), Cell::Time(tick.time), bid, offer])
            })?;
        }
    }
    Ok(())
}

fn changes(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for change in lifecycle(store)? {
        let Some(seat) = selected.seat(change.seat.0) else { continue };
        out.row(&[
            Cell::Time(change.time),
            text(change.model.as_str()),
            text(seat.ticket_at(change.time)),
            text(change.from.word()),
            text(change.to.word()),
            text(&change.reason),
        ])?;
    }
    Ok(())
}

/// A live deal as far as the journal tells of it, in the order of its intent.
fn deals(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    const STATUS: usize = 7;
    let mut rows: Vec<Vec<Cell<'static>>> = Vec::new();
    let mut places: BTreeMap<DealReference, usize> = BTreeMap::new();
    each_entry(store, Lane::Desk, |entry: DeskEntry| {
        let mut change = |reference: &DealReference, cells: Vec<(usize, Cell<'static>)>| {
            if let Some(row) = places.get(reference).and_then(|at| rows.get_mut(*at)) {
                cells.into_iter().for_each(|(at, cell)| row[at] = cell);
            }
        };
        match entry {
            DeskEntry::OpenIntent { time, reference, model, seat, epic, direction, size, .. } => {
                let Some(entry) = selected.seat(seat.0) else { return Ok(()) };
                let mut row = vec![
                    text(reference.as_str().to_owned()),
                    Cell::Empty,
                    text(model.to_string()),
                    text(entry.ticket_at(time)),
                    text(epic.to_string()),
                    text(direction.word()),
                    Cell::Decimal(size.micros()),
                    text("sent"),
                    Cell::Time(time),
                ];
                row.resize(Table::Deals.columns().len(), Cell::Empty);
                places.insert(reference, rows.len());
                rows.push(row);
            }
            DeskEntry::Opened { time, reference, deal_id, level, stop_level, limit_level } => change(
                &reference,
                vec![
                    (1, text(deal_id)),
                    (STATUS, text("open")),
                    (9, Cell::Time(time)),
                    (10, Cell::Decimal(level.micros())),
                    (11, Cell::Decimal(stop_level.micros())),
                    (12, Cell::Decimal(limit_level.micros())),
                ],
            ),
            DeskEntry::Rejected { reference, reason, .. } => {
                change(&reference, vec![(STATUS, text("rejected")), (15, text(reason))]);
            }
            DeskEntry::Unknown { reference, .. } => change(&reference, vec![(STATUS, text("unknown"))]),
            DeskEntry::Closed { time, reference, level, reason, profit } => change(
                &reference,
                vec![
                    (STATUS, text("closed")),
                    (13, Cell::Time(time)),
                    (14, Cell::Decimal(level.micros())),
                    (15, text(reason.word())),
                    (16, Cell::Decimal(profit.micros())),
                ],
            ),
            DeskEntry::WrittenOff { time, reference, reason } => {
                change(&reference, vec![(STATUS, text("written_off")), (13, Cell::Time(time)), (15, text(reason))])
            }
            _ => {}
        }
        Ok(())
    })?;
    rows.iter().try_for_each(|row| out.row(row))
}

fn faults(store: &dyn Store, selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    let names = |epics: &[u16]| -> Vec<&str> {
        epics.iter().filter_map(|epic| selected.head.epics.get(usize::from(*epic))).map(String::as_str).collect()
    };
    each_entry(store, Lane::Session, |entry: SessionEntry| {
        let (from, until, kind, told) = match entry {
            SessionEntry::Gap { from, to, epics, reason, .. } => {
                let names = names(&epics);
                if !names.iter().any(|epic| selected.wants_epic(epic)) {
                    return Ok(());
                }
                (from, Some(to), "gap".to_owned(), format!("{}: {reason}", names.join(" ")))
            }
            SessionEntry::Fault { time, kind, text } if selected.is_all => (time, None, kind, text),
            SessionEntry::Reloaded { time, difference } if selected.is_all => {
                (time, None, "reloaded".to_owned(), difference)
            }
            SessionEntry::Suspended { time, model, reason }
                if selected.seats.iter().any(|seat| seat.model == model.as_str()) =>
            {
                (time, None, "suspended".to_owned(), format!("{model}: {reason}"))
            }
            _ => return Ok(()),
        };
        out.row(&[Cell::Time(from), time(until), text(kind), text(told)])
    })
}

fn models(selected: &Selected, out: &mut Out<'_>) -> Result<(), ExportError> {
    for seat in &selected.seats {
        let settings: Vec<String> = seat.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        out.row(&[
            Cell::Count(u64::from(seat.seat)),
            text(&seat.model),
            text(&seat.ticket),
            text(&seat.version),
            text(&seat.epic),
            text(&seat.resolution),
            text(&seat.content_hash),
            Cell::Count(u64::from(seat.generation)),
            Cell::Time(seat.registered),
            text(&seat.currency),
            float(Some(seat.floor_r)),
            maybe_text(seat.lineage.as_ref().map(|lineage| lineage.artefact.as_str())),
            text(settings.join("; ")),
        ])?;
    }
    Ok(())
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
