//! The rows without a database: the same however the journal is cut, and wherever the copying begins again.

use std::collections::BTreeMap;

use indicatif::ProgressBar;

use super::assemble::{Assembler, Batch, Texts};
use super::cursor::Cursor;
use super::sheets::{Place, text_of};
use super::sweep::Sweep;
use crate::domain::{
    CloseReason, ContentHash, Direction, Micros, Money, Ohlc, PastBar, Prediction, Price, PriceDelta, RiskUnit, Size,
    Tick, UtcMicros,
};
use crate::export::{Cell, Column, Selection, Sink, Table, write};
use crate::store::entry::{SeatEntry, SessionEntry, encode};
use crate::store::views::{HEAD, Head, ROSTER, RosterEntry};
use crate::store::{Commit, Lane, Memory, Store};

const MINUTE: i64 = 60_000_000;
const MINUTES: i64 = 240;

fn price(minute: i64, part: i64) -> Price {
    Price::from_micros(1_000_000 + (minute * 7 + part * 3) % 101)
}

fn append<T: serde::Serialize>(commit: &mut Commit, lane: Lane, entries: &[T]) {
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| encode(entry, &mut bytes));
    commit.append(lane, bytes);
}

/// What a candidate does at the close of a minute: it predicts each time, and trades now and then.
fn seat_entries(minute: i64, offset: i64) -> Vec<SeatEntry> {
    let time = UtcMicros(minute * MINUTE);
    let (is_acted, y_pred) = ((minute + offset) % 11 == 3, Some(1.0 + minute as f64 / 1e6));
    let direction = if minute % 2 == 0 { Direction::Long } else { Direction::Short };
    let mut entries = Vec::new();
    match (minute + offset) % 11 {
        // The order of the minute before fills, or lapses; a trade of some minutes ends.
        4 if minute % 3 == 0 => entries.push(SeatEntry::Lapsed),
        4 => entries.push(SeatEntry::Opened { after: Micros(2_000_000), level: price(minute, 1) }),
        9 if (minute - 5) % 3 != 0 && minute > 10 => entries.push(SeatEntry::Closed {
            after: Micros(5 * MINUTE),
            level: price(minute, 2),
            reason: CloseReason::Time,
            profit: Money::from_micros(minute * 1_000),
            costs: Money::from_micros(7),
            x: 0.5,
            adverse: PriceDelta::from_micros(1),
            favourable: PriceDelta::from_micros(2),
        }),
        _ => {}
    }
    let prediction = Prediction::of(y_pred, Some(direction));
    entries.push(SeatEntry::Predicted { time, prediction, is_acted });
    if is_acted {
        entries.push(SeatEntry::Ordered { time, direction, y_pred });
    }
    entries
}

/// Some hours of one market, a commit a minute, of two candidates.
fn journal() -> Vec<Commit> {
    let seat = |seat: u32, hold: i64| RosterEntry {
        seat,
        model: format!("m{seat}"),
        ticket: format!("m{seat}@0#0000000{seat}"),
        epic: "E".to_owned(),
        resolution: "1m".to_owned(),
        hold: Micros(hold * MINUTE),
        ..RosterEntry::default()
    };
    let head = Head { epics: vec!["E".into()], streams: vec![("E".into(), "1m".into())], ..Head::default() };
    let mut first = Commit::default();
    first.records.push((HEAD.to_owned(), serde_json::to_vec(&head).unwrap()));
    first.records.push((ROSTER.to_owned(), serde_json::to_vec(&[seat(0, 3), seat(1, 45)]).unwrap()));
    let fault = SessionEntry::Fault { time: UtcMicros(0), kind: "test".into(), text: "told".into() };
    append(&mut first, Lane::Session, &[fault]);
    let risk = RiskUnit { rho_micros: 1e6, floor_r: 3.0, cap_r: RiskUnit::CAP_R, cost_stress: 1.0 };
    for seat in 0..2 {
        let registered = SeatEntry::Registered {
            size: Size::from_micros(1_000_000),
            stop: PriceDelta::from_micros(100),
            limit: PriceDelta::from_micros(100),
            hold: Micros(3 * MINUTE),
            latency: Micros(250_000),
            bar: Micros(MINUTE),
            risk,
            content_hash: ContentHash([0; 32]),
        };
        append(&mut first, Lane::Seat(seat), &[registered]);
    }
    let minute = |minute: i64| {
        let mut commit = Commit::default();
        // Two quotes of the same time among them, and minutes without any, and so without a bar.
        let quotes = if minute % 17 == 0 { Vec::new() } else { vec![0, 20, 20, 50] };
        let tick = |(n, second): (usize, i64)| Tick {
            time: UtcMicros((minute - 1) * MINUTE + second * 1_000_000),
            bid: price(minute, n as i64),
            offer: price(minute, n as i64 + 9),
        };
        append(&mut commit, Lane::Quotes(0), &quotes.into_iter().enumerate().map(tick).collect::<Vec<_>>());
        let side = |part| Ohlc {
            open: price(minute, part),
            high: price(minute, part),
            low: price(minute, part),
            close: price(minute, part + 3),
        };
        let bar = PastBar { start: UtcMicros((minute - 1) * MINUTE), bid: side(0), offer: side(9), ticks: 4 };
        append(&mut commit, Lane::Bars(0), if minute % 17 == 0 { &[] } else { std::slice::from_ref(&bar) });
        append(&mut commit, Lane::Seat(0), &seat_entries(minute, 0));
        append(&mut commit, Lane::Seat(1), &seat_entries(minute, 4));
        commit
    };
    std::iter::once(first).chain((5..MINUTES).map(minute)).collect()
}

/// A database that is two maps.
#[derive(Debug, Default, PartialEq)]
struct Held {
    rows: BTreeMap<(Place, Texts), Texts>,
    cursors: BTreeMap<Lane, Cursor>,
}

impl Held {
    fn take(&mut self, batch: Batch) {
        for (key, row) in batch.rows {
            let before = self.rows.insert(key.clone(), row);
            assert!(before.is_none() || !key.0.sheet().is_final, "{key:?} is written twice");
        }
        self.cursors.extend(batch.cursors);
    }

    fn sweep(&mut self, store: &dyn Store) {
        let (mut assembler, lost) = Assembler::new(store, self.cursors.clone(), true).unwrap();
        let mut sweep = Sweep::new(store, ProgressBar::hidden()).unwrap();
        while sweep.next(&mut assembler).unwrap() {
            self.take(assembler.take_batch());
        }
        self.take(assembler.take_batch());
        assert_eq!((lost, assembler.lanes_behind()), (0, Vec::new()));
    }
}

fn store_of(commits: &[Commit]) -> Memory {
    let mut store = Memory::default();
    commits.iter().for_each(|commit| store.commit(commit.clone()).unwrap());
    store
}

#[test]
fn rows_are_the_same_however_the_journal_comes_and_wherever_it_is_gone_on() {
    let commits = journal();
    let whole = store_of(&commits);
    let mut swept = Held::default();
    swept.sweep(&whole);
    for begun in (0..commits.len()).step_by(13).chain([1, 2, commits.len() - 1]) {
        // Copied up to here; then the process ends, and the next one follows what comes.
        let mut held = Held::default();
        held.sweep(&store_of(&commits[..begun]));
        let store = store_of(&commits[..begun + 1]);
        held.sweep(&store);
        let (mut assembler, _) = Assembler::new(&store, held.cursors.clone(), true).unwrap();
        let mut sweep = Sweep::new(&store, ProgressBar::hidden()).unwrap();
        while sweep.next(&mut assembler).unwrap() {}
        for (n, commit) in commits[begun + 1..].iter().enumerate() {
            assembler.commit(commit).unwrap();
            if n % 5 == 0 {
                held.take(assembler.take_batch());
            }
        }
        held.take(assembler.take_batch());
        assert_eq!(held.rows, swept.rows, "begun after {begun} commits");
        let done = |held: &Held| held.cursors.values().map(|cursor| (cursor.entries, cursor.cut)).collect::<Vec<_>>();
        assert_eq!(done(&held), done(&swept), "begun after {begun} commits");
    }
}

/// Cells of an export as the texts of a row.
struct Exported(Vec<Texts>);

impl Sink for Exported {
    fn begin(&mut self, _: &[Column]) -> std::io::Result<()> {
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> std::io::Result<()> {
        self.0.push(cells.iter().map(text_of).collect());
        Ok(())
    }
}

#[test]
fn rows_are_those_of_the_export() {
    let store = store_of(&journal());
    let mut held = Held::default();
    held.sweep(&store);
    for (place, table) in [
        (Place::Trades, Table::Trades),
        (Place::Predictions, Table::Predictions),
        (Place::Bars, Table::Bars),
        (Place::Quotes, Table::Quotes),
        (Place::Orders, Table::Orders),
        (Place::Faults, Table::Faults),
        (Place::Models, Table::Models),
    ] {
        let mut exported = Exported(Vec::new());
        write(&store, table, &Selection::default(), &mut exported).unwrap();
        exported.0.sort();
        // The copy has the key before, and what a trader asks for after the export's columns.
        let columns = place.sheet().columns();
        let from = columns.iter().position(|column| column.name == table.columns()[0].name).unwrap();
        let rows = held.rows.iter().filter(|((of, _), _)| *of == place);
        let mut rows: Vec<Texts> = rows.map(|(_, row)| row[from..from + table.columns().len()].to_vec()).collect();
        rows.sort();
        assert_eq!(rows, exported.0, "{table:?}");
        assert!(!rows.is_empty(), "{table:?}");
    }
    let known = |place| held.rows.iter().filter(move |((of, _), _)| *of == place).map(|(_, row)| row);
    let open = known(Place::Predictions).filter(|row| row.last() == Some(&None)).count();
    assert!((1..120).contains(&open), "{open} predictions wait");
}
