//! The event stream: the board as a first full event, then what changed, at most four times a second.
//!
//! Every reader pulls: its next event is made of the difference between the board it saw last and the present one, at
//! the moment its connection can take more. A slow reader therefore skips boards and costs one snapshot, not a queue.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use actix_web::rt::time::{Instant, sleep};
use actix_web::{HttpResponse, web};
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::Surface;
use super::answers::problem;
use crate::control::Control;
use crate::flow::{Board, Change, Outlook, Row};
use crate::telemetry::metrics;

/// The least time between two events to one reader.
const INTERVAL: Duration = Duration::from_millis(250);
/// After this long without an event a comment shows that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Points of a sparkline.
const CURVE_POINTS: usize = 40;
/// Lifecycle changes in a full event.
const CHANGES_MAX: usize = 50;

/// How many may read at one time.
pub(super) struct Slots {
    used: AtomicUsize,
    max: usize,
}

impl Slots {
    pub(super) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    fn take(slots: &Arc<Self>) -> Option<Slot> {
        let more = |used| (used < slots.max).then_some(used + 1);
        let before = slots.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        metrics::event_clients(before + 1);
        Some(Slot(Arc::clone(slots)))
    }
}

/// A place among the readers, given back when the connection ends.
struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        let before = self.0.used.fetch_sub(1, Ordering::AcqRel);
        metrics::event_clients(before - 1);
    }
}

/// One reader.
struct Reader {
    control: Arc<dyn Control>,
    seen: Option<Arc<Board>>,
    last_sent: Instant,
    _slot: Slot,
}

pub(super) async fn events(arena: web::Data<Surface>) -> HttpResponse {
    let Some(slot) = Slots::take(&arena.slots) else {
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "too many readers of the event stream");
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        return response;
    };
    let control = Arc::clone(&arena.control);
    let reader = Reader { control, seen: None, last_sent: Instant::now(), _slot: slot };
    HttpResponse::Ok()
        .insert_header(ContentType(mime_event_stream()))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream::unfold(reader, |mut reader| async move {
            let bytes = reader.next().await;
            Some((Ok::<_, Infallible>(bytes), reader))
        }))
}

fn mime_event_stream() -> actix_web::mime::Mime {
    actix_web::mime::TEXT_EVENT_STREAM
}

impl Reader {
    /// Waits for a change, or for the time of a heartbeat.
    async fn next(&mut self) -> web::Bytes {
        loop {
            let board = self.control.board();
            let event = match &self.seen {
                None => Some(full(&board)),
                Some(seen) if Arc::ptr_eq(seen, &board) => None,
                Some(seen) => difference(seen, &board),
            };
            if !self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &board)) {
                let is_first = self.seen.is_none();
                self.seen = Some(board);
                if let Some(event) = event {
                    let retry = if is_first { "retry: 2000\n" } else { "" };
                    self.last_sent = Instant::now();
                    return web::Bytes::from(format!("{retry}event: board\ndata: {event}\n\n"));
                }
            }
            if self.last_sent.elapsed() >= HEARTBEAT {
                self.last_sent = Instant::now();
                return web::Bytes::from_static(b": still here\n\n");
            }
            sleep(INTERVAL).await;
        }
    }
}

/// The whole board.
fn full(board: &Board) -> Value {
    let ids = ids(board);
    let rows = board.rows.iter().enumerate().map(|(idx, row)| {
        let mut patch = Map::new();
        patch.insert("id".to_owned(), Value::from(ids[idx].clone()));
        patch.extend(cells(row));
        patch.extend(prospects(board, idx));
        patch.insert("curve".to_owned(), curve(board, idx));
        Value::Object(patch)
    });
    let from = board.lifecycle.len().saturating_sub(CHANGES_MAX);
    json!({
        "full": true,
        "arena": board.arena,
        "time": board.time,
        "done": board.is_done,
        "health": board.health,
        "desk": board.desk,
        "lifecycle": board.lifecycle[from..],
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// What of `new` is not in `old`; `None` where nothing that a reader sees has changed.
fn difference(old: &Board, new: &Board) -> Option<Value> {
    let mut event = Map::new();
    let mut put = |key: &str, value: Value| event.insert(key.to_owned(), value);
    if old.arena != new.arena {
        put("arena", json!(new.arena));
    }
    if old.time != new.time {
        put("time", json!(new.time));
    }
    if old.is_done != new.is_done {
        put("done", json!(new.is_done));
    }
    if old.health != new.health {
        put("health", json!(new.health));
    }
    if old.desk != new.desk {
        put("desk", json!(new.desk));
    }
    let changes = changes_after(old, new);
    if !changes.is_empty() {
        put("lifecycle", json!(changes));
    }

    let (old_ids, new_ids) = (ids(old), ids(new));
    let mut places: HashMap<&str, usize> = old_ids.iter().enumerate().map(|(idx, id)| (id.as_str(), idx)).collect();
    let mut rows = Vec::new();
    for (idx, id) in new_ids.iter().enumerate() {
        let patch = match places.remove(id.as_str()) {
            Some(place) => row_difference(old, place, new, idx),
            None => {
                let mut all: Map<String, Value> = cells(&new.rows[idx]).chain(prospects(new, idx)).collect();
                all.insert("curve".to_owned(), curve(new, idx));
                all
            }
        };
        if !patch.is_empty() {
            let mut row = Map::new();
            row.insert("id".to_owned(), Value::from(id.clone()));
            row.extend(patch);
            rows.push(Value::Object(row));
        }
    }
    if !rows.is_empty() {
        put("rows", Value::Array(rows));
    }
    if !places.is_empty() {
        let gone: Vec<&String> = old_ids.iter().filter(|id| places.contains_key(id.as_str())).collect();
        put("gone", json!(gone));
    }
    (!event.is_empty()).then_some(Value::Object(event))
}

/// The cells of a row that changed.
fn row_difference(old: &Board, place: usize, new: &Board, idx: usize) -> Map<String, Value> {
    let mut patch = Map::new();
    if !Arc::ptr_eq(&old.rows[place], &new.rows[idx]) {
        let pairs = cells(&old.rows[place]).zip(cells(&new.rows[idx]));
        patch.extend(pairs.filter(|(before, after)| before != after).map(|(_, after)| after));
    }
    if old.outlooks.get(place) != new.outlooks.get(idx) {
        let prospects = prospects(old, place).into_iter().zip(prospects(new, idx));
        patch.extend(prospects.filter(|(before, after)| before != after).map(|(_, after)| after));
    }
    let is_same_curve = match (old.curves.get(place), new.curves.get(idx)) {
        (Some(before), Some(after)) => Arc::ptr_eq(before, after),
        _ => false,
    };
    if !is_same_curve {
        let after = curve(new, idx);
        if curve(old, place) != after {
            patch.insert("curve".to_owned(), after);
        }
    }
    patch
}

/// A name for each row that stays with it: its ticket, numbered where an identity came back.
fn ids(board: &Board) -> Vec<String> {
    let mut times: HashMap<&str, u32> = HashMap::with_capacity(board.rows.len());
    let number = |row: &'_ Arc<Row>, count: &mut u32| {
        *count += 1;
        if *count == 1 { row.ticket.clone() } else { format!("{}~{count}", row.ticket) }
    };
    board.rows.iter().map(|row| number(row, times.entry(row.ticket.as_str()).or_default())).collect()
}

/// A row cell by cell, in the names of `leaderboard --json`; statistics with six digits, which is more than is shown.
fn cells(row: &Row) -> impl Iterator<Item = (String, Value)> + use<> {
    let number = |value: Option<f64>| value.map_or(Value::Null, six_digits);
    [
        ("rank", json!(row.rank)),
        ("model", json!(row.model)),
        ("ticket", json!(row.ticket)),
        ("epic", json!(row.epic)),
        ("state", json!(row.state)),
        ("episodes", json!(row.episodes)),
        ("wins", json!(row.wins)),
        ("net_profit", json!(row.net_profit)),
        ("currency", json!(row.currency)),
        ("mean_r", number(row.mean_r)),
        ("lcb95_r", number(row.lcb95_r)),
        ("log10_e", number(row.log10_e)),
        ("progress", number(row.progress)),
        ("max_drawdown_r", six_digits(row.max_drawdown_r)),
        ("profit_factor", number(row.profit_factor)),
        ("win_rate", number(row.win_rate)),
        ("exposure", number(row.exposure)),
        ("open_position", json!(row.open_position)),
        ("flags", json!(row.flags)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
}

/// What may still come of a row. Days have two digits: they move with every moment that passes, and are no better known.
fn prospects(board: &Board, idx: usize) -> [(String, Value); 5] {
    let none = Outlook::default();
    let outlook = board.outlooks.get(idx).map_or(&none, AsRef::as_ref);
    let rounded = |value: Option<f64>, digits| value.map_or(Value::Null, |value| with_digits(value, digits));
    [
        ("ucb95_r", rounded(outlook.ucb95_r, 6)),
        ("effective_episodes", rounded(outlook.effective_episodes, 4)),
        ("expected_days", rounded(outlook.expected_days_to_decision, 2)),
        ("expected_days_low", rounded(outlook.expected_days_low, 2)),
        ("expected_days_high", rounded(outlook.expected_days_high, 2)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
}

fn six_digits(value: f64) -> Value {
    with_digits(value, 6)
}

fn with_digits(value: f64, digits: usize) -> Value {
    // Through text, because scaling by a power of ten would bring its own rounding.
    let after = digits - 1;
    format!("{value:.after$e}").parse::<f64>().ok().filter(|v| v.is_finite()).map_or(Value::Null, Value::from)
}

/// The sparkline of a row, thinned; the last point always stays.
fn curve(board: &Board, idx: usize) -> Value {
    let Some(curve) = board.curves.get(idx) else { return Value::Array(Vec::new()) };
    let round = |r: f32| json!((f64::from(r) * 1_000.0).round() / 1_000.0);
    if curve.len() <= CURVE_POINTS {
        return curve.iter().map(|r| round(*r)).collect();
    }
    let last = curve.len() - 1;
    (0..CURVE_POINTS).map(|point| round(curve[point * last / (CURVE_POINTS - 1)])).collect()
}

/// The lifecycle changes of `new` that come after the last one of `old`.
fn changes_after<'a>(old: &Board, new: &'a Board) -> &'a [Arc<Change>] {
    let known = old.lifecycle.last().and_then(|last| new.lifecycle.iter().rposition(|change| change == last));
    let from = known.map_or(0, |place| place + 1).max(new.lifecycle.len().saturating_sub(CHANGES_MAX));
    &new.lifecycle[from..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Money, SeatIdx, UtcMicros};
    use crate::flow::State;

    fn row(ticket: &str, rank: u32) -> Row {
        Row {
            rank,
            model: ticket.split('@').next().unwrap_or_default().into(),
            ticket: ticket.to_owned(),
            epic: "E".to_owned(),
            state: State::Shadow,
            episodes: 1,
            wins: 0,
            net_profit: Money::ZERO,
            currency: "GBP".to_owned(),
            mean_r: None,
            lcb95_r: None,
            log10_e: None,
            progress: Some(0.123_456_789),
            max_drawdown_r: 0.0,
            profit_factor: None,
            win_rate: None,
            exposure: None,
            open_position: None,
            flags: Vec::new(),
            statistics: None,
        }
    }

    fn board(rows: Vec<Row>) -> Board {
        let curves = rows.iter().map(|_| Arc::new(vec![0.0, 1.0])).collect();
        Board { rows: rows.into_iter().map(Arc::new).collect(), curves, ..Board::default() }
    }

    #[test]
    fn only_changed_cells_of_changed_rows_are_told() {
        let old = board(vec![row("a@0#1", 1), row("b@0#2", 2)]);
        let mut new = old.clone();
        assert_eq!(difference(&old, &new), None);
        new.rows[1] = Arc::new(Row { mean_r: Some(0.5), ..row("b@0#2", 2) });
        new.time = Some(UtcMicros(0));
        let want = json!({"time": "1970-01-01T00:00:00Z", "rows": [{"id": "b@0#2", "mean_r": 0.5}]});
        assert_eq!(difference(&old, &new), Some(want));
    }

    #[test]
    fn a_change_beyond_six_digits_is_no_change() {
        let old = board(vec![row("a@0#1", 1)]);
        let new = board(vec![Row { progress: Some(0.123_456_788), ..row("a@0#1", 1) }]);
        assert_eq!(difference(&old, &new), None);
    }

    #[test]
    fn prospects_are_told_beside_the_cells_and_days_do_not_tremble() {
        let outlook =
            |days| Outlook { expected_days_to_decision: Some(days), ucb95_r: Some(0.5), ..Outlook::default() };
        let mut old = board(vec![row("a@0#1", 1)]);
        old.outlooks = vec![Arc::new(outlook(12.31))];
        assert_eq!(
            (&full(&old)["rows"][0]["expected_days"], &full(&old)["rows"][0]["ucb95_r"]),
            (&json!(12.0), &json!(0.5))
        );
        let mut new = old.clone();
        new.outlooks = vec![Arc::new(outlook(12.28))];
        assert_eq!(difference(&old, &new), None);
        new.outlooks = vec![Arc::new(outlook(11.4))];
        let want = json!({"rows": [{"id": "a@0#1", "expected_days": 11.0}]});
        assert_eq!(difference(&old, &new), Some(want));
    }

    #[test]
    fn rows_may_move_come_and_go() {
        let old = board(vec![row("a@0#1", 1), row("b@0#2", 2)]);
        let new = board(vec![row("b@0#2", 1), row("c@0#3", 2)]);
        let event = difference(&old, &new).unwrap();
        assert_eq!(event["rows"][0], json!({"id": "b@0#2", "rank": 1}));
        assert_eq!(event["rows"][1]["model"], "c");
        assert_eq!(event["rows"][1]["curve"], json!([0.0, 1.0]));
        assert_eq!(event["gone"], json!(["a@0#1"]));
    }

    #[test]
    fn an_identity_that_came_back_is_another_row() {
        let board = board(vec![row("a@0#1", 1), row("a@0#1", 2)]);
        assert_eq!(ids(&board), ["a@0#1", "a@0#1~2"]);
    }

    #[test]
    fn long_curves_are_thinned_and_keep_both_ends() {
        let mut board = board(vec![row("a@0#1", 1)]);
        board.curves[0] = Arc::new((0_u8..200).map(f32::from).collect());
        let thin = curve(&board, 0);
        let points = thin.as_array().unwrap();
        assert_eq!((points.len(), &points[0], &points[39]), (40, &json!(0.0), &json!(199.0)));
    }

    #[test]
    fn new_lifecycle_changes_are_told_once() {
        let change = |number: i64| {
            Arc::new(Change {
                time: UtcMicros(number),
                seat: SeatIdx(0),
                model: "a".into(),
                from: State::Shadow,
                to: State::Live,
                reason: "because".to_owned(),
            })
        };
        let mut old = board(Vec::new());
        old.lifecycle = (0..1_000).map(change).collect();
        let mut new = old.clone();
        new.lifecycle = (2..1_002).map(change).collect();
        let told: Vec<i64> = changes_after(&old, &new).iter().map(|c| c.time.0).collect();
        assert_eq!(told, [1_000, 1_001]);
        assert_eq!(full(&new)["lifecycle"].as_array().unwrap().len(), CHANGES_MAX);
    }

    #[test]
    fn places_among_the_readers_are_given_back() {
        let slots = Arc::new(Slots::new(1));
        let first = Slots::take(&slots);
        assert!(first.is_some() && Slots::take(&slots).is_none());
        drop(first);
        assert!(Slots::take(&slots).is_some());
    }
}
