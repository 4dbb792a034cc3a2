//! `arena export`: the journal of an arena at rest as CSV, one table at a time, without an index column.
//!
//! Rows come seat by seat, lane by lane, each in the order in which it happened, and stream from the store: only what a
//! prediction is held against (the quotes or bars of its market) is kept in memory, one market at a time.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::output::{FAILED, Failure, USAGE, complain, print_json};
use super::{ExportArgs, Shared, Table};
use crate::domain::{Direction, Micros, Order, Resolution, Tick, UtcMicros};
use crate::ledger::{Orders, SeatRecord, StreamLanes, Truth, read_seat};
use crate::store::entry::{BarEntry, Refusal, decode};
use crate::store::views::{AtRest, RosterEntry};
use crate::store::{Lane, StoreError};

pub(super) fn export(shared: &Shared, args: &ExportArgs) -> Result<(), Failure> {
    if shared.json && args.out.is_none() {
        return Err(Failure::new(USAGE, "a table is CSV; with --json name its file with -o"));
    }
    let arena = AtRest::open(&args.store)?;
    let filter = Filter::of(args, &arena)?;
    let rows = match &args.out {
        None => {
            let mut csv = Csv::new(BufWriter::new(io::stdout().lock()));
            write_table(&arena, args.table, &filter, &mut csv)?;
            csv.out.flush()?;
            csv.rows
        }
        Some(path) => to_file(path, |out| {
            let mut csv = Csv::new(out);
            write_table(&arena, args.table, &filter, &mut csv)?;
            Ok(csv.rows)
        })?,
    };
    match &args.out {
        Some(path) if shared.json => print_json(&json!({ "table": name(args.table), "rows": rows, "file": path })),
        Some(path) if !shared.quiet => {
            complain(&format!("{rows} rows of {} in {}", name(args.table), path.display()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn name(table: Table) -> &'static str {
    match table {
        Table::Trades => "trades",
        Table::Predictions => "predictions",
        Table::Bars => "bars",
        Table::Quotes => "quotes",
        Table::Lifecycle => "lifecycle",
        Table::Orders => "orders",
    }
}

/// Writes beside `path` and renames at the end, so that no half file bears its name.
fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<u64, Failure>) -> Result<u64, Failure> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let named = |e: io::Error| Failure::new(FAILED, format!("{}: {e}", path.display()));
    let result = (|| {
        let file = BufWriter::new(File::create(&partial).map_err(named)?);
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut out = GzEncoder::new(file, Compression::default());
            let rows = write(&mut out)?;
            out.finish().and_then(|mut file| file.flush()).map_err(named)?;
            Ok(rows)
        } else {
            let mut out = file;
            let rows = write(&mut out)?;
            out.flush().map_err(named)?;
            Ok(rows)
        }
    })();
    match result {
        Ok(rows) => std::fs::rename(&partial, path).map(|()| rows).map_err(named),
        Err(failure) => {
            // The failure is what matters; a remnant that cannot be removed bears its own name.
            drop(std::fs::remove_file(&partial));
            Err(failure)
        }
    }
}

/// Lines of comma separated fields.
struct Csv<W> {
    out: W,
    rows: u64,
}

impl<W: Write> Csv<W> {
    fn new(out: W) -> Self {
        Self { out, rows: 0 }
    }

    fn header(&mut self, header: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{header}")?)
    }

    fn row(&mut self, fields: &[Cow<'_, str>]) -> Result<(), Failure> {
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                self.out.write_all(b",")?;
            }
            // Names of swept candidates hold commas.
            if field.contains([',', '"', '\n', '\r']) {
                write!(self.out, "\"{}\"", field.replace('"', "\"\""))?;
            } else {
                self.out.write_all(field.as_bytes())?;
            }
        }
        self.out.write_all(b"\n")?;
        self.rows += 1;
        Ok(())
    }
}

/// A field.
fn f<'a>(value: impl ToString) -> Cow<'a, str> {
    Cow::Owned(value.to_string())
}

/// A number, or an empty field.
fn ratio<'a>(value: Option<f64>) -> Cow<'a, str> {
    value.filter(|value| value.is_finite()).map_or(Cow::Borrowed(""), f)
}

/// What `--model` and `--epic` leave.
struct Filter<'a> {
    seats: Vec<&'a RosterEntry>,
    epic: Option<&'a str>,
    /// The stream of the one model asked for.
    stream: Option<(&'a str, &'a str)>,
}

impl<'a> Filter<'a> {
    fn of(args: &'a ExportArgs, arena: &'a AtRest) -> Result<Self, Failure> {
        let epic = args.epic.as_deref();
        let is_known = |epic: &str| arena.head().epics.iter().any(|known| known == epic);
        if let Some(epic) = epic.filter(|epic| !is_known(epic)) {
            let known = arena.head().epics.join(", ");
            return Err(Failure::new(USAGE, format!("this store knows no market {epic:?}; there are {known}")));
        }
        let one = args.model.as_deref().map(|model| arena.find(model)).transpose()?;
        // A name may have had several seats, one after another: all of them bear it.
        let is_asked = |seat: &&RosterEntry| one.is_none_or(|one| one.model == seat.model);
        let seats = arena.roster().iter().filter(is_asked).filter(|seat| epic.is_none_or(|epic| seat.epic == epic));
        let stream = one.map(|one| (one.epic.as_str(), one.resolution.as_str()));
        Ok(Self { seats: seats.collect(), epic, stream })
    }

    fn wants_epic(&self, epic: &str) -> bool {
        self.epic.is_none_or(|wanted| wanted == epic) && self.stream.is_none_or(|(wanted, _)| wanted == epic)
    }

    fn wants_stream(&self, epic: &str, resolution: &str) -> bool {
        self.wants_epic(epic) && self.stream.is_none_or(|(_, wanted)| wanted == resolution)
    }
}

fn write_table<W: Write>(arena: &AtRest, table: Table, filter: &Filter<'_>, csv: &mut Csv<W>) -> Result<(), Failure> {
    match table {
        Table::Trades => trades(arena, filter, csv),
        Table::Predictions => predictions(arena, filter, csv),
        Table::Orders => orders(arena, filter, csv),
        Table::Bars => bars(arena, filter, csv),
        Table::Quotes => quotes(arena, filter, csv),
        Table::Lifecycle => lifecycle(arena, filter, csv),
    }
}

fn trades<W: Write>(arena: &AtRest, filter: &Filter<'_>, csv: &mut Csv<W>) -> Result<(), Failure> {
    csv.header(
        "model,ticket,deal_id,epic,direction,size,opened,closed,open_level,close_level,stop_level,limit_level,reason,\
         profit,costs,r,y_pred,y_true",
    )?;
    for seat in &filter.seats {
        read_seat(&**arena.store(), seat.seat, |entry| {
            let SeatRecord::Closed(trade) = entry else { return Ok(()) };
            let row = seat.trade_row(&trade);
            csv.row(&[
                row.model.as_str().into(),
                (&row.ticket).into(),
                (&row.deal_id).into(),
                (&row.epic).into(),
                row.direction.word().into(),
                f(row.size),
                f(row.opened),
                f(row.closed),
                f(row.open_level),
                f(row.close_level),
                f(row.stop_level),
                f(row.limit_level),
                row.reason.word().into(),
                f(row.profit),
                f(row.costs),
                ratio(Some(row.r)),
                ratio(row.y_pred),
                ratio(row.y_true),
            ])
        })?;
    }
    Ok(())
}

fn orders<W: Write>(arena: &AtRest, filter: &Filter<'_>, csv: &mut Csv<W>) -> Result<(), Failure> {
    csv.header("model,ticket,epic,made,direction,valid_from,valid_until,y_pred,outcome,deal_id,opened,level")?;
    for seat in &filter.seats {
        let mut write = |made: UtcMicros, order: Option<&Order>, outcome: &'static str, fill: [Cow<'_, str>; 3]| {
            let [deal_id, opened, level] = fill;
            csv.row(&[
                (&seat.model).into(),
                seat.ticket_at(made).into(),
                (&seat.epic).into(),
                f(made),
                order.map_or("", |order| order.direction.word()).into(),
                order.map_or(Cow::Borrowed(""), |order| f(order.from)),
                order.map_or(Cow::Borrowed(""), |order| f(order.until)),
                ratio(order.and_then(|order| order.y_pred)),
                outcome.into(),
                deal_id,
                opened,
                level,
            ])
        };
        let none = || ["".into(), "".into(), "".into()];
        let mut pending: Option<Order> = None;
        read_seat(&**arena.store(), seat.seat, |entry| match entry {
            SeatRecord::Ordered(order) => {
                pending = Some(order);
                Ok(())
            }
            SeatRecord::Opened { deal, time, level } => {
                let Some(order) = pending.take() else { return Ok(()) };
                let ticket = seat.ticket_at(order.made);
                let hash8 = ticket.rsplit_once('#').map_or("", |(_, hash8)| hash8);
                write(order.made, Some(&order), "filled", [f(format!("{hash8}-{deal}")), f(time), f(level)])
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

fn predictions<W: Write>(arena: &AtRest, filter: &Filter<'_>, csv: &mut Csv<W>) -> Result<(), Failure> {
    csv.header("model,ticket,epic,time,signal,acted,abstained,distance,y_pred,y_true")?;
    let mut truth: Option<(StreamLanes, Truth)> = None;
    // Seats of one stream after each other, so that each stream is read once.
    let mut seats = filter.seats.clone();
    seats.sort_by_key(|seat| (&seat.epic, &seat.resolution, seat.seat));
    for seat in seats {
        let lanes = arena.head().lanes_of(&seat.epic, &seat.resolution);
        let (_, truth) = match truth.take() {
            Some(known) if known.0 == lanes => truth.insert(known),
            _ => {
                let read = Truth::read(&**arena.store(), &lanes, UtcMicros(i64::MIN))?;
                truth.insert((lanes, read))
            }
        };
        let mut orders = Orders::default();
        read_seat(&**arena.store(), seat.seat, |entry| {
            orders.take(&entry);
            Ok::<(), Failure>(())
        })?;
        read_seat(&**arena.store(), seat.seat, |entry| {
            let SeatRecord::Predicted { time, prediction, is_acted } = entry else { return Ok(()) };
            csv.row(&[
                (&seat.model).into(),
                seat.ticket_at(time).into(),
                (&seat.epic).into(),
                f(time),
                prediction.signal.map_or("", Direction::word).into(),
                f(is_acted),
                f(prediction.is_abstained),
                ratio(prediction.distance),
                ratio(prediction.y_pred),
                ratio(orders.y_true(time, &prediction, is_acted, truth, seat.hold)),
            ])
        })?;
    }
    Ok(())
}

fn bars<W: Write>(arena: &AtRest, filter: &Filter<'_>, csv: &mut Csv<W>) -> Result<(), Failure> {
    csv.header(
        "epic,bar,start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes",
    )?;
    for (lane, (epic, resolution)) in (0..).zip(&arena.head().streams) {
        if !filter.wants_stream(epic, resolution) {
            continue;
        }
        let length = length_of(resolution)?;
        each_entry(arena, Lane::Bars(lane), |bar: BarEntry| {
            let mut row = vec![epic.into(), resolution.into(), f(bar.start), f(bar.start + length)];
            for side in [bar.bid, bar.offer] {
                row.extend([side.open, side.high, side.low, side.close].map(f));
            }
            row.push(f(bar.ticks));
            csv.row(&row)
        })?;
    }
    Ok(())
}

fn quotes<W: Write>(arena: &AtRest, filter: &Filter<'_>, csv: &mut Csv<W>) -> Result<(), Failure> {
    csv.header("epic,time_utc,bid,offer")?;
    for (lane, epic) in (0..).zip(&arena.head().epics) {
        if filter.wants_epic(epic) {
            each_entry(arena, Lane::Quotes(lane), |tick: Tick| {
                csv.row(&[epic.into(), f(tick.time), f(tick.bid), f(tick.offer)])
            })?;
        }
    }
    Ok(())
}

fn lifecycle<W: Write>(arena: &AtRest, filter: &Filter<'_>, csv: &mut Csv<W>) -> Result<(), Failure> {
    csv.header("time,model,ticket,from,to,reason")?;
    for change in arena.lifecycle()? {
        let Some(seat) = filter.seats.iter().find(|seat| seat.seat == change.seat.0) else { continue };
        csv.row(&[
            f(change.time),
            change.model.as_str().into(),
            seat.ticket_at(change.time).into(),
            change.from.word().into(),
            change.to.word().into(),
            (&change.reason).into(),
        ])?;
    }
    Ok(())
}

fn length_of(resolution: &str) -> Result<Micros, Failure> {
    let parsed: Result<Resolution, _> = resolution.parse();
    parsed
        .map(Resolution::length)
        .map_err(|e| Failure::new(FAILED, format!("this store names a bar {resolution:?}: {e}")))
}

/// Calls `each` with every entry of a lane, a block in memory at a time.
fn each_entry<T: serde::de::DeserializeOwned>(
    arena: &AtRest,
    lane: Lane,
    mut each: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let store = arena.store();
    for block in store.read(lane) {
        let entries: Vec<T> = block.and_then(|block| decode(lane, &block)).map_err(|e: StoreError| Failure::from(e))?;
        for entry in entries {
            each(entry)?;
        }
    }
    Ok(())
}
