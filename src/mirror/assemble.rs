//! Entries of lanes in, rows and cursors out. It knows of no database.
//!
//! It is given every lane from its beginning, since what an entry means rests on those before it, and makes rows of what
//! the cursors say was not copied yet. Predictions wait here until it is known what came of them; only those within their
//! horizon wait, and of bars and quotes only what those are held against is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::cursor::Cursor;
use super::sheets::{Place, text_of};
use crate::domain::{Direction, Micros, Prediction, Resolution, Tick, UtcMicros};
use crate::export::Cell;
use crate::export::rows::{
    DealRows, OrderRows, bar_cells, change_cells, fault_cells, model_cells, prediction_cells, quote_cells, trade_cells,
};
use crate::ledger::{Assembly, Orders, SeatRecord, Truth};
use crate::store::entry::{BarEntry, DeskEntry, SeatEntry, SessionEntry, UpkeepEntry, decode, read_lane};
use crate::store::views::{HEAD, Head, ROSTER, RosterEntry, change_of, read_record};
use crate::store::{Commit, Lane, Store, StoreError};

/// A row: the texts of its columns.
pub(super) type Texts = Vec<Option<String>>;

/// What goes to the database in one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Rows by table and key: of one that changed again, what it became.
    pub(super) rows: BTreeMap<(Place, Texts), Texts>,
    /// Cursors that moved.
    pub(super) cursors: BTreeMap<Lane, Cursor>,
}

impl Batch {
    fn put(&mut self, place: Place, lead: &[u64], cells: &[Cell<'_>], extra: &[Cell<'_>]) {
        let lead = lead.iter().map(|number| Some(number.to_string()));
        let row: Texts = lead.chain(cells.iter().chain(extra).map(text_of)).collect();
        let key = place.sheet().key_places().into_iter().map(|at| row[at].clone()).collect();
        self.rows.insert((place, key), row);
    }
}

/// A prediction that waits for what comes of it.
#[derive(Debug)]
struct Waiting {
    time: UtcMicros,
    prediction: Prediction,
    is_acted: bool,
}

/// One candidate's lane so far.
#[derive(Debug, Default)]
struct SeatState {
    assembly: Assembly,
    orders: Orders,
    order_rows: OrderRows,
    waiting: VecDeque<Waiting>,
    is_suspended: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    wants_quotes: bool,
    head: Head,
    roster: BTreeMap<u32, RosterEntry>,
    cursors: BTreeMap<Lane, Cursor>,
    /// Entries that are never deleted, seen so far.
    seen: BTreeMap<Lane, u64>,
    /// The time of the last quote of each lane seen so far, and how many had it.
    last_quote: BTreeMap<Lane, (UtcMicros, u64)>,
    seats: BTreeMap<u32, SeatState>,
    /// What predictions are held against, by epic and length of bar.
    truths: BTreeMap<(String, String), Truth>,
    deals: DealRows,
    batch: Batch,
}

impl Assembler {
    /// From the beginning of `store`, of which `cursors` say what was copied; how many entries were deleted before they
    /// were.
    pub(super) fn new(
        store: &dyn Store,
        cursors: BTreeMap<Lane, Cursor>,
        wants_quotes: bool,
    ) -> Result<(Self, u64), StoreError> {
        let mut new = Self { wants_quotes, cursors, ..Self::default() };
        let mut deleted: BTreeMap<Lane, u64> = BTreeMap::new();
        for UpkeepEntry::Deleted { lane, entries, .. } in read_lane(store, Lane::Upkeep)? {
            *deleted.entry(lane).or_default() += entries;
        }
        let mut lost = 0;
        for (lane, deleted) in deleted {
            if wants_quotes || !matches!(lane, Lane::Quotes(_)) {
                let mut cursor = new.cursors.get(&lane).copied().unwrap_or_default();
                let here = cursor.note_deleted(deleted);
                if here > 0 {
                    lost += here;
                    new.move_to(lane, cursor);
                }
            }
        }
        let head = read_record(store, HEAD)?.unwrap_or_default();
        let roster = read_record(store, ROSTER)?.unwrap_or_default();
        new.learn(head, roster);
        Ok((new, lost))
    }

    /// What was gathered since the last time.
    pub(super) fn take_batch(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    /// How many rows are gathered.
    pub(super) fn len(&self) -> usize {
        self.batch.rows.len()
    }

    /// The lanes that are copied and hold fewer entries than were copied of them: an older store than the database knows.
    pub(super) fn lanes_behind(&self) -> Vec<Lane> {
        let seen = |lane: &Lane| self.seen.get(lane).copied().unwrap_or(0);
        self.cursors.iter().filter(|(lane, cursor)| cursor.entries > seen(lane)).map(|(lane, _)| *lane).collect()
    }

    /// Takes what a running arena commits.
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let record =
            |wanted: &str| commit.records.iter().rev().find(|(name, _)| name == wanted).map(|(_, bytes)| bytes);
        if record(ROSTER).is_some() || record(HEAD).is_some() {
            let head = record(HEAD).map(|bytes| read_json(HEAD, bytes)).transpose()?;
            let roster = record(ROSTER).map(|bytes| read_json(ROSTER, bytes)).transpose()?;
            let head = head.unwrap_or_else(|| self.head.clone());
            let roster = roster.unwrap_or_else(|| self.roster.values().cloned().collect());
            self.learn(head, roster);
        }
        for (lane, bytes) in &commit.blocks {
            self.take(*lane, bytes)?;
        }
        self.settle();
        Ok(())
    }

    /// A block of any lane.
    pub(super) fn take(&mut self, lane: Lane, bytes: &[u8]) -> Result<(), StoreError> {
        match lane {
            Lane::Session => self.session(&decode(lane, bytes)?),
            Lane::Quotes(_) => self.quotes(lane, &decode::<Tick>(lane, bytes)?),
            Lane::Bars(_) => self.bars(lane, &decode::<BarEntry>(lane, bytes)?),
            Lane::Seat(_) => self.seat(lane, decode(lane, bytes)?)?,
            Lane::Audit => self.audit(&decode::<String>(lane, bytes)?)?,
            Lane::Desk => self.desk(&decode(lane, bytes)?),
            Lane::Seals | Lane::Upkeep => {}
        }
        Ok(())
    }

    /// The length of the bars of a stream.
    pub(super) fn length_of(&self, stream: u16) -> Micros {
        let length = self.head.streams.get(usize::from(stream)).map(|(_, length)| length.parse::<Resolution>());
        length.and_then(Result::ok).map_or(Micros(0), Resolution::length)
    }

    fn learn(&mut self, head: Head, roster: Vec<RosterEntry>) {
        self.head = head;
        for seat in roster {
            if self.roster.get(&seat.seat) == Some(&seat) {
                continue;
            }
            self.batch.put(Place::Models, &[], &model_cells(&seat), &[]);
            let data = seat.lineage.iter().flat_map(|lineage| lineage.data.iter().map(move |data| (lineage, data)));
            for (n, (lineage, data)) in (0..).zip(data) {
                let text = |text: &String| Cell::Text(text.clone().into());
                let of_version = [&lineage.reference, &lineage.kind, &data.name, &data.sha256, &data.range].map(text);
                self.batch.put(Place::ModelData, &[u64::from(seat.seat), n], &of_version, &[]);
            }
            self.roster.insert(seat.seat, seat);
        }
    }

    fn move_to(&mut self, lane: Lane, cursor: Cursor) {
        self.cursors.insert(lane, cursor);
        self.batch.cursors.insert(lane, cursor);
    }

    /// Counts an entry that is never deleted; its number where it was not copied yet.
    fn count(&mut self, lane: Lane) -> Option<u64> {
        let seen = self.seen.entry(lane).or_default();
        let number = *seen;
        *seen += 1;
        let mut cursor = self.cursors.get(&lane).copied().unwrap_or_default();
        if number < cursor.entries {
            return None;
        }
        cursor.entries = number + 1;
        self.move_to(lane, cursor);
        Some(number)
    }

    fn session(&mut self, entries: &Vec<SessionEntry>) {
        for entry in entries {
            if let (Some(seq), Some(cells)) = (self.count(Lane::Session), fault_cells(&self.head, entry)) {
                self.batch.put(Place::Faults, &[seq], &cells, &[]);
            }
        }
    }

    fn audit(&mut self, records: &[String]) -> Result<(), StoreError> {
        for record in records {
            let Some(number) = self.count(Lane::Audit) else { continue };
            let Some(change) = change_of(&read_json("audit", record.as_bytes())?)? else { continue };
            if let Some(seat) = self.roster.get(&change.seat.0) {
                self.batch.put(Place::Lifecycle, &[number + 1], &change_cells(seat, &change), &[]);
            }
        }
        Ok(())
    }

    fn desk(&mut self, entries: &Vec<DeskEntry>) {
        for entry in entries {
            let is_new = self.count(Lane::Desk).is_some();
            let row = self.deals.take(entry, |seat| self.roster.get(&seat));
            if let Some(row) = row.filter(|_| is_new) {
                self.batch.put(Place::Deals, &[], row, &[]);
            }
        }
    }

    /// Quotes of one lane.
    pub(super) fn quotes(&mut self, lane: Lane, ticks: &[Tick]) {
        let Lane::Quotes(number) = lane else { return };
        let Some(epic) = self.head.epics.get(usize::from(number)).cloned() else { return };
        for (_, truth) in self.truths.iter_mut().filter(|((of, _), _)| *of == epic) {
            truth.push_ticks(ticks);
        }
        if !self.wants_quotes || ticks.is_empty() {
            return;
        }
        let mut cursor = self.cursors.get(&lane).copied().unwrap_or_default();
        let before = cursor;
        for tick in ticks {
            let n = match self.last_quote.get(&lane) {
                Some((time, ties)) if *time == tick.time => *ties,
                _ => 0,
            };
            self.last_quote.insert(lane, (tick.time, n + 1));
            if cursor.at.is_some_and(|at| (tick.time, n) < (at, cursor.ties)) {
                continue;
            }
            cursor = Cursor { cut: cursor.cut + 1, at: Some(tick.time), ties: n + 1, ..cursor };
            self.batch.put(Place::Quotes, &[n], &quote_cells(&epic, tick), &[]);
        }
        if cursor != before {
            self.move_to(lane, cursor);
        }
    }

    /// Bars of one lane.
    pub(super) fn bars(&mut self, lane: Lane, bars: &[BarEntry]) {
        let Lane::Bars(number) = lane else { return };
        let Some((epic, resolution)) = self.head.streams.get(usize::from(number)).cloned() else { return };
        let length = self.length_of(number);
        for bar in bars {
            if self.count(lane).is_some() {
                self.batch.put(Place::Bars, &[], &bar_cells(&epic, &resolution, length, bar), &[]);
            }
        }
        let truth = self.truths.entry((epic, resolution)).or_default();
        bars.iter().for_each(|bar| truth.push_bar(bar, length));
    }

    /// Entries of one candidate.
    pub(super) fn seat(&mut self, lane: Lane, entries: Vec<SeatEntry>) -> Result<(), StoreError> {
        let Lane::Seat(number) = lane else { return Ok(()) };
        let Some(seat) = self.roster.get(&number).cloned() else { return Ok(()) };
        let mut state = self.seats.remove(&number).unwrap_or_default();
        for entry in entries {
            let corrupt = |why: &str| StoreError::Corrupt { lane: format!("{lane:?}"), why: why.to_owned() };
            let record = state.assembly.take(entry).map_err(corrupt)?;
            if let Some(SeatRecord::Predicted { time, prediction, is_acted }) = record {
                self.predicted(lane, &seat, &mut state, Waiting { time, prediction, is_acted });
                continue;
            }
            let is_new = self.count(lane).is_some();
            let Some(record) = record else { continue };
            state.orders.take(&record);
            state.is_suspended = matches!(record, SeatRecord::Suspended { .. });
            let row = state.order_rows.take(&seat, &record);
            if !is_new {
                continue;
            }
            let row = if let SeatRecord::Ordered(_) = record { state.order_rows.pending(&seat) } else { row };
            if let Some(row) = row {
                self.batch.put(Place::Orders, &[u64::from(number)], &row, &[]);
            }
            if let SeatRecord::Closed(trade) = record {
                let row = seat.trade_row(&trade);
                let (open, close) = (trade.open_level, trade.close_level);
                let (bought, sold) = if row.direction == Direction::Long { (open, close) } else { (close, open) };
                let extra = [bought, sold].map(|level| Cell::Decimal(level.micros()));
                self.batch.put(Place::Trades, &[u64::from(number)], &trade_cells(&row), &extra);
            }
        }
        self.seats.insert(number, state);
        Ok(())
    }

    fn predicted(&mut self, lane: Lane, seat: &RosterEntry, state: &mut SeatState, made: Waiting) {
        let mut cursor = self.cursors.get(&lane).copied().unwrap_or_default();
        if cursor.at.is_none_or(|at| made.time > at) {
            cursor = Cursor { cut: cursor.cut + 1, at: Some(made.time), ..cursor };
            self.move_to(lane, cursor);
            let cells = prediction_cells(seat, made.time, &made.prediction, made.is_acted, None);
            self.batch.put(Place::Predictions, &[u64::from(seat.seat)], &cells, &[]);
        }
        if cursor.settled.is_none_or(|settled| made.time >= settled) {
            state.waiting.push_back(made);
        }
    }

    /// Finds out what came of the predictions that wait, and forgets what none of them needs any more.
    pub(super) fn settle(&mut self) {
        let mut floors: BTreeMap<(String, String), UtcMicros> = BTreeMap::new();
        let nothing = Truth::default();
        let mut moved: BTreeSet<(Lane, UtcMicros)> = BTreeSet::new();
        for (number, state) in &mut self.seats {
            let Some(seat) = self.roster.get(number).filter(|_| !state.waiting.is_empty()) else { continue };
            let stream = (seat.epic.clone(), seat.resolution.clone());
            let truth = self.truths.get(&stream).unwrap_or(&nothing);
            let last = state.waiting.back().map_or(UtcMicros(i64::MIN), |made| made.time);
            let mut floor = UtcMicros(i64::MAX);
            let (orders, is_suspended, batch) = (&state.orders, state.is_suspended, &mut self.batch);
            state.waiting.retain(|Waiting { time, prediction, is_acted }| {
                let y_true = orders.y_true(*time, prediction, *is_acted, truth, seat.hold);
                let is_undecided = *is_acted && orders.is_undecided(*time);
                if y_true.is_some() {
                    let cells = prediction_cells(seat, *time, prediction, *is_acted, y_true);
                    batch.put(Place::Predictions, &[u64::from(*number)], &cells, &[]);
                }
                let is_over = y_true.is_some() || (!is_undecided && truth.is_past(*time + seat.hold));
                // An open trade tells by itself; an order of a candidate that stands still waits for ever.
                let needs_truth = !is_undecided || !(orders.is_open(*time) || is_suspended);
                if !is_over && needs_truth {
                    floor = floor.min(*time);
                }
                !is_over
            });
            let settled = state.waiting.front().map_or(UtcMicros(last.0 + 1), |made| made.time);
            state.orders.forget(settled);
            moved.insert((Lane::Seat(*number), settled));
            let known = floors.entry(stream).or_insert(floor);
            *known = floor.min(*known);
        }
        for (lane, settled) in moved {
            let cursor = self.cursors.get(&lane).copied().unwrap_or_default();
            // Where the store is read again, what waits now was settled long ago.
            if cursor.settled.is_none_or(|known| known < settled) {
                self.move_to(lane, Cursor { settled: Some(settled), ..cursor });
            }
        }
        for (stream, truth) in &mut self.truths {
            truth.forget(floors.get(stream).copied().unwrap_or(UtcMicros(i64::MAX)));
        }
    }
}

fn read_json<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes)
        .map_err(|error| StoreError::Corrupt { lane: format!("record {name}"), why: error.to_string() })
}
