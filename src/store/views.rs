//! What the reading commands show of a store at rest, derived from its lanes and records.
//!
//! The director writes four records, all JSON, in the commits whose state they describe: [`ROSTER`], [`BOARD`], [`HEAD`]
//! and one [`explain_record`] for each seat. Everything else comes from the lanes: trades, predictions and orders of a
//! seat, its lifecycle, quotes and bars. [`AtRest`] answers as a running arena would, but obeys no command.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::{BoxFuture, ready};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::{DeskEntry, Seal, read_lane};
use super::{Lane, Sled, Store, StoreError, charts};
use crate::control::{BarsView, Command, Control, ControlError, DecisionRow, Done, EquityView, FeedView, ModelView};
use crate::domain::{ContentHash, Lineage, Micros, ModelId, Resolution, SeatIdx, Trade, UtcMicros};
use crate::flow::{Board, Change, Explanation, PredictionRow, Row, State, TradeRow};
use crate::ledger::{Predicted, StreamLanes, read_predictions, read_trades};

/// The record of every seat ever registered, as JSON `Vec<RosterEntry>`, ordered by seat.
pub const ROSTER: &str = "roster";
/// The record of the last board, as JSON [`Board`].
pub const BOARD: &str = "board";
/// The record of how far the arena has come, as JSON [`Head`].
pub const HEAD: &str = "head";
/// How many names are offered where one is not known.
const NEAR_MAX: usize = 5;

/// The record of a seat's gates, as JSON [`Explanation`].
#[must_use]
pub fn explain_record(seat: u32) -> String {
    format!("explain/{seat}")
}

/// A seat as it was registered, and what became of its identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Its registration number.
    pub seat: u32,
    /// The candidate's name.
    pub model: String,
    /// `name@version#hash8` of its present generation.
    pub ticket: String,
    /// The version of what predicts; `0` for rules.
    pub version: String,
    /// Its market.
    pub epic: String,
    /// The length of its bars, such as `1m`.
    pub resolution: String,
    /// SHA-256 of its content, all digits.
    pub content_hash: String,
    /// 0 at first.
    pub generation: u32,
    /// When each generation after the first began, in order; empty for generation 0. A trade bears the ticket of the
    /// generation in which its order was made.
    #[serde(default)]
    pub generations_began: Vec<UtcMicros>,
    /// Event time of its registration.
    pub registered: UtcMicros,
    /// Key and text, in the order to show them.
    pub settings: Vec<(String, String)>,
    /// The currency it deals in.
    pub currency: String,
    /// `B`: no outcome may fall below minus this many R.
    pub floor_r: f64,
    /// Its time exit, and so the horizon of its predictions.
    #[serde(default)]
    pub hold: Micros,
    /// Where a trained version came from.
    #[serde(default)]
    pub lineage: Option<Lineage>,
}

impl RosterEntry {
    /// The ticket of `generation`; the present one where the hash is none.
    #[must_use]
    pub fn ticket_of(&self, generation: u32) -> String {
        match parse_hash(&self.content_hash) {
            Some(hash) if generation != self.generation => {
                format!("{}@{}#{}", self.model, self.version, hash.generation(generation).hash8())
            }
            _ => self.ticket.clone(),
        }
    }

    /// The ticket of what was decided at `made`.
    #[must_use]
    pub fn ticket_at(&self, made: UtcMicros) -> String {
        let begun = self.generations_began.iter().filter(|began| **began <= made).count();
        // A list that is shorter than the generation (an older store) leaves the present ticket on everything.
        match u32::try_from(begun) {
            Ok(begun) if self.generations_began.len() == self.generation as usize => self.ticket_of(begun),
            _ => self.ticket.clone(),
        }
    }

    /// A closed trade in the shape of `trades --json`.
    #[must_use]
    pub fn trade_row(&self, trade: &Trade) -> TradeRow {
        let ticket = self.ticket_at(trade.made);
        let hash8 = ticket.rsplit_once('#').map_or("", |(_, hash8)| hash8);
        TradeRow {
            model: self.model.as_str().into(),
            deal_id: format!("{hash8}-{}", trade.deal),
            ticket,
            epic: self.epic.clone(),
            direction: trade.direction,
            size: trade.size,
            opened: trade.opened,
            closed: trade.closed,
            open_level: trade.open_level,
            close_level: trade.close_level,
            stop_level: trade.stop_level,
            limit_level: trade.limit_level,
            reason: trade.reason,
            profit: trade.profit,
            costs: trade.costs,
            r: trade.r,
            y_pred: trade.y_pred,
            y_true: Some(trade.y_true),
        }
    }
}

/// The last recorded predictions of a seat with what became of them, at most `last`, oldest first.
///
/// # Errors
/// Whatever reading fails with.
pub fn predictions(store: &dyn Store, seat: &RosterEntry, last: usize) -> Result<Vec<PredictionRow>, StoreError> {
    let head: Head = read_record(store, HEAD)?.unwrap_or_default();
    let lanes = head.lanes_of(&seat.epic, &seat.resolution);
    let made = read_predictions(store, seat.seat, seat.hold, &lanes, last)?;
    let row = |Predicted { time, prediction, is_acted, y_true }| PredictionRow {
        model: seat.model.as_str().into(),
        ticket: seat.ticket_at(time),
        epic: seat.epic.clone(),
        time,
        signal: prediction.signal,
        acted: is_acted,
        abstained: prediction.is_abstained,
        y_pred: prediction.y_pred,
        distance: prediction.distance,
        y_true,
    };
    Ok(made.into_iter().map(row).collect())
}

/// The seat that a live deal is of, by our reference or by the broker's id.
///
/// # Errors
/// Whatever reading fails with.
pub fn seat_of_deal(store: &dyn Store, deal: &str) -> Result<Option<u32>, StoreError> {
    let mut seats = std::collections::BTreeMap::new();
    for entry in read_lane::<DeskEntry>(store, Lane::Desk)? {
        match entry {
            DeskEntry::OpenIntent { reference, seat, .. } => {
                if reference.as_str() == deal {
                    return Ok(Some(seat.0));
                }
                seats.insert(reference, seat.0);
            }
            DeskEntry::Opened { reference, deal_id, .. } if deal_id == deal => {
                return Ok(seats.get(&reference).copied());
            }
            _ => {}
        }
    }
    Ok(None)
}

/// How far an arena has come, and the names behind the numbers of its lanes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Event time of the last round.
    pub time: Option<UtcMicros>,
    /// Rounds so far.
    pub rounds: u64,
    /// Good quotes so far.
    pub quotes: u64,
    /// The configuration in force.
    pub config_hash: String,
    /// Whether the feed has ended.
    pub is_done: bool,
    /// The epic of each lane of quotes, by its number.
    #[serde(default)]
    pub epics: Vec<String>,
    /// The epic and the length (`1m`) of each lane of bars, by its number.
    #[serde(default)]
    pub streams: Vec<(String, String)>,
}

impl Head {
    /// The lanes of the stream of `epic` at `resolution`.
    #[must_use]
    pub fn lanes_of(&self, epic: &str, resolution: &str) -> StreamLanes {
        let quotes = (0..).zip(&self.epics).filter(|(_, known)| *known == epic).map(|(lane, _)| lane);
        let is_same = |(_, (of, length)): &(u16, &(String, String))| of == epic && length == resolution;
        let bars = (0..).zip(&self.streams).filter(is_same).map(|(lane, _)| lane);
        let length = resolution.parse::<Resolution>().map_or(Micros(0), Resolution::length);
        StreamLanes { quotes: quotes.collect(), bars: bars.collect(), length }
    }
}

/// A store that no arena writes to at present.
#[derive(Debug)]
pub struct AtRest {
    store: Mutex<Box<dyn Store>>,
    board: Arc<Board>,
    head: Head,
    roster: Vec<RosterEntry>,
}

impl AtRest {
    /// Opens the store in `dir`, or in `dir/store` where `dir` is the data folder of an arena.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::InUse`], and those of [`AtRest::new`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let inner = dir.join("store");
        let is_outer = !dir.join("db").is_file() && inner.join("db").is_file();
        Self::new(Box::new(Sled::open_existing(if is_outer { &inner } else { dir })?))
    }

    /// Over a store that is open.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a record is no JSON of its shape; a record that is not there yet is empty.
    pub fn new(store: Box<dyn Store>) -> Result<Self, StoreError> {
        let board = Arc::new(read_record(&*store, BOARD)?.unwrap_or_default());
        let head = read_record(&*store, HEAD)?.unwrap_or_default();
        let mut roster: Vec<RosterEntry> = read_record(&*store, ROSTER)?.unwrap_or_default();
        roster.sort_by_key(|entry| entry.seat);
        Ok(Self { store: Mutex::new(store), board, head, roster })
    }

    /// Every seat ever registered, by number.
    #[must_use]
    pub fn roster(&self) -> &[RosterEntry] {
        &self.roster
    }

    /// How far it has come.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The store itself. Waits while another thread reads it.
    pub fn store(&self) -> MutexGuard<'_, Box<dyn Store>> {
        // Readers change nothing, so that one that panicked leaves nothing half done.
        self.store.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The seat that `name` means.
    ///
    /// # Errors
    /// [`ControlError::NoSuchModel`], with the candidates of a swept entry or the nearest names.
    pub fn find(&self, name: &str) -> Result<&RosterEntry, ControlError> {
        find(&self.roster, name)
    }

    /// Audit records as the texts they were hashed in, oldest first.
    ///
    /// # Errors
    /// Whatever reading fails with.
    pub fn audit_texts(&self) -> Result<Vec<String>, StoreError> {
        audit_texts(&**self.store())
    }

    /// Every lifecycle change, oldest first.
    ///
    /// # Errors
    /// Whatever reading fails with.
    pub fn lifecycle(&self) -> Result<Vec<Change>, StoreError> {
        lifecycle(&**self.store())
    }

    fn trades_of(&self, name: &str) -> Result<Vec<TradeRow>, ControlError> {
        let seat = self.find(name)?;
        let trades = read_trades(&**self.store(), seat.seat).map_err(|e| unavailable(&e))?;
        Ok(trades.iter().map(|trade| seat.trade_row(trade)).collect())
    }

    fn explanation_of(&self, name: &str) -> Result<Explanation, ControlError> {
        let seat = self.find(name)?;
        let record = explain_record(seat.seat);
        read_record(&**self.store(), &record)
            .map_err(|e| unavailable(&e))?
            .ok_or_else(|| ControlError::Unavailable(format!("this store holds no record {record:?}")))
    }

    /// The seat of a name, a ticket, or a deal.
    fn find_any(&self, name: &str) -> Result<&RosterEntry, ControlError> {
        let unknown = match find_with_deals(&self.roster, name) {
            Ok(seat) => return Ok(seat),
            Err(unknown) => unknown,
        };
        let of_deal = seat_of_deal(&**self.store(), name).map_err(|e| unavailable(&e))?;
        of_deal.and_then(|seat| self.roster.iter().find(|entry| entry.seat == seat)).ok_or(unknown)
    }

    fn predictions_of(&self, name: &str, last: usize) -> Result<Vec<PredictionRow>, ControlError> {
        let seat = self.find(name)?;
        predictions(&**self.store(), seat, last).map_err(|e| unavailable(&e))
    }

    fn view_of(&self, name: &str) -> Result<ModelView, ControlError> {
        let seat = self.find_any(name)?;
        let (at, row) = self
            .row_of(seat)
            .ok_or_else(|| ControlError::Unavailable(format!("the board of this store holds no {}", seat.ticket)))?;
        let lifecycle = self.lifecycle().map_err(|e| unavailable(&e))?;
        Ok(ModelView {
            row: row.clone(),
            content_hash: seat.content_hash.clone(),
            generation: seat.generation,
            registered: Some(seat.registered),
            settings: seat.settings.clone(),
            curve: self.board.curves.get(at).map(|curve| curve.to_vec()).unwrap_or_default(),
            lifecycle: lifecycle.into_iter().filter(|change| change.seat.0 == seat.seat).collect(),
            nearness: self.board.nearness.get(at).and_then(Option::as_deref).cloned(),
            lineage: seat.lineage.clone(),
            live: self.board.desk.trades_of(&seat.model.as_str().into()),
            shortfall: self.board.desk.shortfall_of(crate::domain::SeatIdx(seat.seat)),
        })
    }

    fn row_of(&self, seat: &RosterEntry) -> Option<(usize, &Row)> {
        let rows = || self.board.rows.iter().map(AsRef::as_ref).enumerate();
        let of_name = || rows().filter(|(_, row)| row.model.as_str() == seat.model);
        of_name().find(|(_, row)| row.ticket == seat.ticket).or_else(|| {
            // The board may be a commit older than a new generation's ticket; with one row of the name there is no doubt.
            of_name().next().filter(|_| of_name().count() == 1)
        })
    }
}

impl Control for AtRest {
    fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    fn trades(&self, model: String) -> BoxFuture<'_, Result<Vec<TradeRow>, ControlError>> {
        Box::pin(ready(self.trades_of(&model)))
    }

    fn predictions(&self, model: String, last: usize) -> BoxFuture<'_, Result<Vec<PredictionRow>, ControlError>> {
        Box::pin(ready(self.predictions_of(&model, last)))
    }

    fn explain(&self, model: String) -> BoxFuture<'_, Result<Explanation, ControlError>> {
        Box::pin(ready(self.explanation_of(&model)))
    }

    fn model(&self, model: String) -> BoxFuture<'_, Result<ModelView, ControlError>> {
        Box::pin(ready(self.view_of(&model)))
    }

    fn bars(&self, model: String, last: usize) -> BoxFuture<'_, Result<BarsView, ControlError>> {
        let bars = || charts::bars(&**self.store(), self.find(&model)?, last).map_err(|e| unavailable(&e));
        Box::pin(ready(bars()))
    }

    fn equity(&self, model: String) -> BoxFuture<'_, Result<EquityView, ControlError>> {
        let equity = || {
            let seat = self.find(&model)?.seat;
            read_trades(&**self.store(), seat).map(|trades| charts::equity(&trades)).map_err(|e| unavailable(&e))
        };
        Box::pin(ready(equity()))
    }

    fn decisions(&self, model: Option<String>, last: usize) -> BoxFuture<'_, Result<Vec<DecisionRow>, ControlError>> {
        let decisions = || {
            let seat = model.map(|name| self.find(&name)).transpose()?;
            charts::decisions(&**self.store(), seat.map(|seat| seat.model.as_str()), last).map_err(|e| unavailable(&e))
        };
        Box::pin(ready(decisions()))
    }

    fn feed(&self, last: usize) -> BoxFuture<'_, Result<FeedView, ControlError>> {
        Box::pin(ready(charts::feed(&**self.store(), last).map_err(|e| unavailable(&e))))
    }

    fn audit(&self) -> BoxFuture<'_, Result<Vec<Value>, ControlError>> {
        let values = self.audit_texts().and_then(|texts| texts.iter().map(|text| audit_value(text)).collect());
        Box::pin(ready(values.map_err(|e| unavailable(&e))))
    }

    fn command(&self, _command: Command) -> BoxFuture<'_, Result<Done, ControlError>> {
        Box::pin(ready(Err(ControlError::Refused("this store is at rest; only a running arena obeys".to_owned()))))
    }
}

/// Audit records as the texts they were hashed in, each with its signature where it has one, oldest first.
///
/// # Errors
/// Whatever reading fails with.
pub fn audit_texts(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let records: Vec<String> = read_lane(store, Lane::Audit)?;
    let seals: Vec<Seal> = read_lane(store, Lane::Seals)?;
    // A record is the so-manieth of its lane; the numbers of seals say which they belong to.
    let by_number: std::collections::BTreeMap<u64, &Seal> = seals.iter().map(|seal| (seal.seq, seal)).collect();
    let sealed = |(at, record): (usize, &String)| {
        by_number.get(&(at as u64 + 1)).map_or_else(|| record.clone(), |seal| seal.note(record))
    };
    Ok(records.iter().enumerate().map(sealed).collect())
}

/// The seat that `name` means: an exact name (its latest seat), or a ticket of any of its generations.
///
/// # Errors
/// [`ControlError::NoSuchModel`]: the bare name of a swept entry lists its candidates, anything else the nearest names.
pub fn find<'a>(roster: &'a [RosterEntry], name: &str) -> Result<&'a RosterEntry, ControlError> {
    let latest = |is_it: &dyn Fn(&RosterEntry) -> bool| roster.iter().rev().find(|entry| is_it(entry));
    let by_ticket = |entry: &RosterEntry| (0..=entry.generation).any(|n| entry.ticket_of(n) == name);
    latest(&|entry| entry.model == name)
        .or_else(|| latest(&|entry| entry.ticket == name))
        .or_else(|| latest(&by_ticket))
        .ok_or_else(|| {
            let mut known: Vec<&str> = roster.iter().map(|entry| entry.model.as_str()).collect();
            let mut seen = std::collections::BTreeSet::new();
            known.retain(|name| seen.insert(*name));
            ControlError::NoSuchModel { name: name.to_owned(), candidates: candidates(&known, name) }
        })
}

/// The seat of a name, a ticket, or the id of a paper deal (`hash8-number`).
///
/// # Errors
/// As [`find`].
pub fn find_with_deals<'a>(roster: &'a [RosterEntry], name: &str) -> Result<&'a RosterEntry, ControlError> {
    let unknown = match find(roster, name) {
        Ok(seat) => return Ok(seat),
        Err(unknown) => unknown,
    };
    let is_deal = |(hash8, deal): &(&str, &str)| hash8.len() == 8 && deal.parse::<u64>().is_ok();
    let Some((hash8, _)) = name.rsplit_once('-').filter(is_deal) else { return Err(unknown) };
    let is_of = |ticket: &str| ticket.rsplit_once('#').is_some_and(|(_, of)| of == hash8);
    let dealt = |entry: &&RosterEntry| (0..=entry.generation).any(|n| is_of(&entry.ticket_of(n)));
    roster.iter().rev().find(dealt).ok_or(unknown)
}

/// What to offer for a name that is not among `known`: the candidates of that swept entry, else up to five names that
/// come near, nearest first.
#[must_use]
pub fn candidates(known: &[&str], asked: &str) -> Vec<String> {
    let entry = format!("{asked}:");
    let swept: Vec<String> =
        known.iter().filter(|name| name.starts_with(&entry)).map(|name| (*name).to_owned()).collect();
    if !swept.is_empty() {
        return swept;
    }
    let asked = asked.split_once('@').map_or(asked, |(name, _)| name);
    let mut near: Vec<(f64, &str)> = known.iter().map(|name| (strsim::jaro_winkler(asked, name), *name)).collect();
    near.retain(|(likeness, _)| *likeness > 0.7);
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter().take(NEAR_MAX).map(|(_, name)| name.to_owned()).collect()
}

/// The lifecycle change that an audit record tells of: its `body` has the time and the reason, `body.candidate` whom it
/// is about and from where to where. A registration (`from` is null), a mark that changes no state, and a change of the
/// configuration are none.
///
/// # Errors
/// [`StoreError::Corrupt`] where there is no `body`, or the candidate in it is none.
pub fn change_of(record: &Value) -> Result<Option<Change>, StoreError> {
    #[derive(Deserialize)]
    struct Record {
        body: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        time: UtcMicros,
        reason: String,
        candidate: Option<Candidate>,
    }
    #[derive(Deserialize)]
    struct Candidate {
        model: ModelId,
        seat: SeatIdx,
        from: Option<State>,
        to: State,
    }
    let Record { body } = Record::deserialize(record).map_err(|e| corrupt_audit(&e))?;
    let Some(Candidate { model, seat, from: Some(from), to }) = body.candidate else { return Ok(None) };
    let change = Change { time: body.time, seat, model, from, to, reason: body.reason };
    Ok((from != to).then_some(change))
}

/// Every lifecycle change of a journal, oldest first.
///
/// # Errors
/// Whatever reading fails with.
pub fn lifecycle(store: &dyn Store) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for text in read_lane::<String>(store, Lane::Audit)? {
        changes.extend(change_of(&audit_value(&text)?)?);
    }
    Ok(changes)
}

fn audit_value(text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|e| corrupt_audit(&e))
}

fn corrupt_audit(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { lane: format!("{:?}", Lane::Audit), why: error.to_string() }
}

/// A record of this module, `None` where it is not there yet.
///
/// # Errors
/// [`StoreError::Corrupt`] where it is no JSON of its shape.
pub fn read_record<T: DeserializeOwned>(store: &dyn Store, name: &str) -> Result<Option<T>, StoreError> {
    let Some(bytes) = store.record(name)? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| StoreError::Corrupt { lane: format!("record {name}"), why: e.to_string() })
}

fn unavailable(error: &StoreError) -> ControlError {
    ControlError::Unavailable(error.to_string())
}

fn parse_hash(hex: &str) -> Option<ContentHash> {
    let digits = hex.as_bytes();
    if digits.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(ContentHash(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::entry::encode;
    use crate::store::{Commit, Memory};

    fn entry(seat: u32, model: &str, generation: u32) -> RosterEntry {
        let mut entry = RosterEntry {
            seat,
            model: model.to_owned(),
            version: "0".to_owned(),
            content_hash: format!("{seat:064x}"),
            ..RosterEntry::default()
        };
        entry.ticket = format!("{model}@0#00000000");
        if generation > 0 {
            let hash = parse_hash(&entry.content_hash).unwrap().generation(generation);
            entry.ticket = format!("{model}@0#{}", hash.hash8());
            entry.generation = generation;
            entry.generations_began = (1..=i64::from(generation)).map(|n| UtcMicros(n * 100)).collect();
        }
        entry
    }

    #[test]
    fn a_name_means_its_latest_seat_and_a_ticket_any_generation() {
        let roster = [entry(0, "m:a=1", 2), entry(1, "m:a=2", 0), entry(2, "m:a=1", 0), entry(3, "other", 0)];
        let seat = |name: &str| find(&roster, name).map(|entry| entry.seat);
        assert_eq!(seat("m:a=1"), Ok(2));
        assert_eq!(seat("m:a=2"), Ok(1));
        for generation in 1..=2 {
            assert_eq!(seat(&roster[0].ticket_of(generation)), Ok(0), "{generation}");
        }
        let missing = |name: &str| match find(&roster, name).unwrap_err() {
            ControlError::NoSuchModel { candidates, .. } => candidates,
            other => panic!("{other}"),
        };
        assert_eq!(missing("m"), ["m:a=1", "m:a=2"]);
        assert_eq!(missing("othr"), ["other"]);
        assert_eq!(missing("other@0#12345678"), ["other"]);
        assert_eq!(missing("xyz"), Vec::<String>::new());
    }

    #[test]
    fn what_was_decided_bears_the_ticket_of_its_generation() {
        let entry = entry(7, "m", 2);
        for (made, generation) in [(99, 0), (100, 1), (199, 1), (200, 2), (5_000, 2)] {
            assert_eq!(entry.ticket_at(UtcMicros(made)), entry.ticket_of(generation), "{made}");
        }
        let without = RosterEntry { generations_began: Vec::new(), ..entry.clone() };
        assert_eq!(without.ticket_at(UtcMicros(0)), entry.ticket);
    }

    #[test]
    fn changes_are_told_from_registrations_and_marks() {
        let record = |candidate: Value| {
            serde_json::json!({ "seq": 4, "prev": "", "body": {
                "kind": "demote", "time": "2014-05-01T00:00:00Z", "reason": "faded", "candidate": candidate,
            }, "hash": "" })
        };
        let about = |from: Value, to: &str| serde_json::json!({ "model": "m", "seat": 3, "from": from, "to": to });
        let change = change_of(&record(about("live".into(), "shadow"))).unwrap().unwrap();
        assert_eq!(
            (change.from, change.to, change.seat, change.reason.as_str()),
            (State::Live, State::Shadow, SeatIdx(3), "faded")
        );
        for candidate in [Value::Null, about(Value::Null, "warming"), about("shadow".into(), "shadow")] {
            assert_eq!(change_of(&record(candidate)).unwrap(), None);
        }
        change_of(&record(about("live".into(), "nowhere"))).unwrap_err();
        change_of(&serde_json::json!({ "seq": 1 })).unwrap_err();
    }

    #[test]
    fn an_empty_store_is_an_empty_arena_and_obeys_nothing() {
        let arena = AtRest::new(Box::new(Memory::default())).unwrap();
        assert!(arena.board().rows.is_empty() && arena.roster().is_empty());
        assert_eq!(arena.trades_of("m"), Err(ControlError::NoSuchModel { name: "m".to_owned(), candidates: vec![] }));
        let told = futures_util::FutureExt::now_or_never(arena.command(Command::Reload)).unwrap();
        assert!(matches!(told, Err(ControlError::Refused(_))));
    }

    #[test]
    fn records_and_lanes_that_are_no_such_thing_are_corrupt() {
        for name in [ROSTER, BOARD, HEAD] {
            let mut store = Memory::default();
            let records = vec![(name.to_owned(), b"{ not json".to_vec())];
            store.commit(Commit { blocks: Vec::new(), records }).unwrap();
            assert!(matches!(AtRest::new(Box::new(store)), Err(StoreError::Corrupt { .. })), "{name}");
        }
        let mut store = Memory::default();
        let mut lane = Vec::new();
        encode(&"no json".to_owned(), &mut lane);
        store.commit(Commit { blocks: vec![(Lane::Audit, lane)], records: Vec::new() }).unwrap();
        let arena = AtRest::new(Box::new(store)).unwrap();
        assert!(matches!(arena.lifecycle(), Err(StoreError::Corrupt { .. })));
    }
}
