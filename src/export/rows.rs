//! What the rows of each table hold: its columns, and the cells of one row out of one record. The files of an export and
//! the copy in a database are made of the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Cell, Column, Kind, Table};
use crate::domain::{DealReference, Direction, Micros, Order, Prediction, Tick, UtcMicros};
use crate::flow::{Change, TradeRow};
use crate::ledger::SeatRecord;
use crate::store::entry::{BarEntry, DeskEntry, Refusal, SessionEntry};
use crate::store::views::{Head, RosterEntry};

use Kind::{Count, Decimal, Flag, Float, Text, Time};

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

pub(crate) fn trade_cells(row: &TradeRow) -> [Cell<'_>; TRADES.len()] {
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

/// The orders of one seat, from their making to what became of them.
#[derive(Debug, Default)]
pub(crate) struct OrderRows {
    waiting: Option<Order>,
}

impl OrderRows {
    /// The row of the order that `record` ends, if it ends one.
    pub(crate) fn take(&mut self, seat: &RosterEntry, record: &SeatRecord) -> Option<[Cell<'static>; 12]> {
        const NONE: [Cell<'static>; 3] = [Cell::Empty, Cell::Empty, Cell::Empty];
        match record {
            SeatRecord::Ordered(order) => {
                self.waiting = Some(*order);
                None
            }
            SeatRecord::Opened { deal, time, level } => {
                let order = self.waiting.take()?;
                let ticket = seat.ticket_at(order.made);
                let hash8 = ticket.rsplit_once('#').map_or("", |(_, hash8)| hash8);
                let fill = [text(format!("{hash8}-{deal}")), Cell::Time(*time), Cell::Decimal(level.micros())];
                Some(order_cells(seat, order.made, Some(&order), "filled", fill))
            }
            SeatRecord::Lapsed { made } => Some(order_cells(seat, *made, self.waiting.take().as_ref(), "lapsed", NONE)),
            SeatRecord::Refused { time, reason: Refusal::Session } => {
                let order = self.waiting.take_if(|order| order.made == *time);
                Some(order_cells(seat, *time, order.as_ref(), "refused:session", NONE))
            }
            SeatRecord::Predicted { .. } | SeatRecord::Closed(_) | SeatRecord::Suspended { .. } => None,
        }
    }

    /// The row of the order that still waits, if one does.
    pub(crate) fn pending(&self, seat: &RosterEntry) -> Option<[Cell<'static>; 12]> {
        let order = self.waiting.as_ref()?;
        Some(order_cells(seat, order.made, Some(order), "pending", [Cell::Empty, Cell::Empty, Cell::Empty]))
    }
}

fn order_cells(
    seat: &RosterEntry,
    made: UtcMicros,
    order: Option<&Order>,
    outcome: &'static str,
    fill: [Cell<'static>; 3],
) -> [Cell<'static>; 12] {
    let [deal_id, opened, level] = fill;
    [
        text(seat.model.clone()),
        text(seat.ticket_at(made)),
        text(seat.epic.clone()),
        Cell::Time(made),
        maybe_text(order.map(|order| order.direction.word())),
        time(order.map(|order| order.from)),
        time(order.map(|order| order.until)),
        float(order.and_then(|order| order.y_pred)),
        text(outcome),
        deal_id,
        opened,
        level,
    ]
}

pub(crate) fn prediction_cells<'a>(
    seat: &'a RosterEntry,
    time: UtcMicros,
    prediction: &Prediction,
    is_acted: bool,
    y_true: Option<f64>,
) -> [Cell<'a>; 10] {
    [
        text(&seat.model),
        text(seat.ticket_at(time)),
        text(&seat.epic),
        Cell::Time(time),
        maybe_text(prediction.signal.map(Direction::word)),
        Cell::Flag(is_acted),
        Cell::Flag(prediction.is_abstained),
        float(prediction.distance),
        float(prediction.y_pred),
        float(y_true),
    ]
}

pub(crate) fn bar_cells<'a>(epic: &'a str, resolution: &'a str, length: Micros, bar: &BarEntry) -> Vec<Cell<'a>> {
    let mut row = vec![text(epic), text(resolution), Cell::Time(bar.start), Cell::Time(bar.start + length)];
    for side in [bar.bid, bar.offer] {
        row.extend([side.open, side.high, side.low, side.close].map(|price| Cell::Decimal(price.micros())));
    }
    row.push(Cell::Count(u64::from(bar.ticks)));
    row
}

pub(crate) fn quote_cells<'a>(epic: &'a str, tick: &Tick) -> [Cell<'a>; 4] {
    [text(epic), Cell::Time(tick.time), Cell::Decimal(tick.bid.micros()), Cell::Decimal(tick.offer.micros())]
}

pub(crate) fn change_cells<'a>(seat: &RosterEntry, change: &'a Change) -> [Cell<'a>; 6] {
    [
        Cell::Time(change.time),
        text(change.model.as_str()),
        text(seat.ticket_at(change.time)),
        text(change.from.word()),
        text(change.to.word()),
        text(&change.reason),
    ]
}

/// Live deals as far as the journal tells of them, in the order of their intents.
#[derive(Debug, Default)]
pub(crate) struct DealRows {
    rows: Vec<Vec<Cell<'static>>>,
    places: BTreeMap<DealReference, usize>,
}

impl DealRows {
    /// All of them.
    pub(crate) fn all(&self) -> &[Vec<Cell<'static>>] {
        &self.rows
    }

    /// Takes the next entry of the desk; the row that it made or changed. Deals of seats that `seat_of` does not know are
    /// left out.
    pub(crate) fn take<'a>(
        &mut self,
        entry: &DeskEntry,
        seat_of: impl FnOnce(u32) -> Option<&'a RosterEntry>,
    ) -> Option<&[Cell<'static>]> {
        const STATUS: usize = 7;
        let (reference, cells) = match entry {
            DeskEntry::OpenIntent { time, reference, model, seat, epic, direction, size, .. } => {
                let mut row = vec![
                    text(reference.as_str().to_owned()),
                    Cell::Empty,
                    text(model.to_string()),
                    text(seat_of(seat.0)?.ticket_at(*time)),
                    text(epic.to_string()),
                    text(direction.word()),
                    Cell::Decimal(size.micros()),
                    text("sent"),
                    Cell::Time(*time),
                ];
                row.resize(Table::Deals.columns().len(), Cell::Empty);
                self.places.insert(reference.clone(), self.rows.len());
                self.rows.push(row);
                return self.rows.last().map(Vec::as_slice);
            }
            DeskEntry::Opened { time, reference, deal_id, level, stop_level, limit_level } => (
                reference,
                vec![
                    (1, text(deal_id.clone())),
                    (STATUS, text("open")),
                    (9, Cell::Time(*time)),
                    (10, Cell::Decimal(level.micros())),
                    (11, Cell::Decimal(stop_level.micros())),
                    (12, Cell::Decimal(limit_level.micros())),
                ],
            ),
            DeskEntry::Rejected { reference, reason, .. } => {
                (reference, vec![(STATUS, text("rejected")), (15, text(reason.clone()))])
            }
            DeskEntry::Unknown { reference, .. } => (reference, vec![(STATUS, text("unknown"))]),
            DeskEntry::Closed { time, reference, level, reason, profit } => (
                reference,
                vec![
                    (STATUS, text("closed")),
                    (13, Cell::Time(*time)),
                    (14, Cell::Decimal(level.micros())),
                    (15, text(reason.word())),
                    (16, Cell::Decimal(profit.micros())),
                ],
            ),
            DeskEntry::WrittenOff { time, reference, reason } => {
                (reference, vec![(STATUS, text("written_off")), (13, Cell::Time(*time)), (15, text(reason.clone()))])
            }
            _ => return None,
        };
        let row = self.rows.get_mut(*self.places.get(reference)?)?;
        cells.into_iter().for_each(|(at, cell)| row[at] = cell);
        Some(row)
    }
}

/// The names of lanes of quotes.
pub(crate) fn epic_names<'a>(head: &'a Head, epics: &[u16]) -> Vec<&'a str> {
    epics.iter().filter_map(|epic| head.epics.get(usize::from(*epic))).map(String::as_str).collect()
}

/// What the session tells of trouble; other entries are none.
pub(crate) fn fault_cells(head: &Head, entry: &SessionEntry) -> Option<[Cell<'static>; 4]> {
    let (from, until, kind, told) = match entry {
        SessionEntry::Gap { from, to, epics, reason, .. } => {
            (*from, Some(*to), "gap".to_owned(), format!("{}: {reason}", epic_names(head, epics).join(" ")))
        }
        SessionEntry::Fault { time, kind, text } => (*time, None, kind.clone(), text.clone()),
        SessionEntry::Reloaded { time, difference } => (*time, None, "reloaded".to_owned(), difference.clone()),
        SessionEntry::Suspended { time, model, reason } => {
            (*time, None, "suspended".to_owned(), format!("{model}: {reason}"))
        }
        _ => return None,
    };
    Some([Cell::Time(from), time(until), text(kind), text(told)])
}

pub(crate) fn model_cells(seat: &RosterEntry) -> [Cell<'_>; 13] {
    let settings: Vec<String> = seat.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
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
    ]
}
