//! What a page draws of a store: the bars of a stream, the equity of a seat, decisions in short, gaps in the feed.
//!
//! Everything here is read from the end of a lane backwards and stops at a bound, so that it costs a running arena the
//! same after a year as after a day.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::entry::{BarEntry, SessionEntry, decode, read_lane};
use super::views::{HEAD, Head, RosterEntry, read_record};
use super::{Lane, Store, StoreError};
use crate::control::{
    BarRow, BarsView, DecisionRow, EQUITY_POINTS_MAX, EquityPoint, EquityView, FeedView, GapRow, NoteRow,
};
use crate::domain::{Money, Trade, UtcMicros};
use crate::flow::State;

/// How many bytes of a lane are looked through for gaps and notes, or for the records of one model.
const LOOK_BACK_BYTES: usize = 8 * 1024 * 1024;

/// Goes through a lane from its end; `take` says when it has enough. Answers whether it came to the beginning.
fn back<T: DeserializeOwned>(
    store: &dyn Store,
    lane: Lane,
    mut take: impl FnMut(T) -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let mut bytes = 0;
    for block in store.read_back(lane) {
        let block = block?;
        for entry in decode(lane, &block)?.into_iter().rev() {
            if take(entry)? {
                return Ok(false);
            }
        }
        bytes += block.len();
        if bytes > LOOK_BACK_BYTES {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The last closed bars of a seat's stream, at most `last`, oldest first.
///
/// # Errors
/// Whatever reading fails with.
pub fn bars(store: &dyn Store, seat: &RosterEntry, last: usize) -> Result<BarsView, StoreError> {
    let head: Head = read_record(store, HEAD)?.unwrap_or_default();
    let lanes = head.lanes_of(&seat.epic, &seat.resolution);
    let mut rows = Vec::new();
    for lane in lanes.bars.iter().filter(|_| last > 0) {
        back(store, Lane::Bars(*lane), |bar: BarEntry| {
            rows.push(BarRow {
                start: bar.start,
                end: bar.start + lanes.length,
                bid_open: bar.bid.open,
                bid_high: bar.bid.high,
                bid_low: bar.bid.low,
                bid_close: bar.bid.close,
                offer_open: bar.offer.open,
                offer_high: bar.offer.high,
                offer_low: bar.offer.low,
                offer_close: bar.offer.close,
                quotes: bar.ticks,
            });
            Ok(rows.len() >= last)
        })?;
    }
    rows.reverse();
    Ok(BarsView { epic: seat.epic.clone(), resolution: seat.resolution.clone(), bars: rows })
}

/// The equity of a seat over its closed trades, thinned to what a plot can show.
#[must_use]
pub fn equity(trades: &[Trade]) -> EquityView {
    let (mut r, mut peak, mut net_profit) = (0.0, 0.0_f64, Money::ZERO);
    let points: Vec<EquityPoint> = (1..)
        .zip(trades)
        .map(|(trade, closed)| {
            r += closed.r;
            peak = peak.max(r);
            net_profit += closed.profit;
            EquityPoint { time: closed.closed, trade, r, net_profit, drawdown_r: peak - r }
        })
        .collect();
    EquityView { trades: trades.len() as u64, points: thinned(points) }
}

/// Of each stretch the highest, the lowest and the last point, in order.
fn thinned(points: Vec<EquityPoint>) -> Vec<EquityPoint> {
    if points.len() <= EQUITY_POINTS_MAX {
        return points;
    }
    let stretch = points.len().div_ceil(EQUITY_POINTS_MAX / 3);
    let of_stretch = |points: &[EquityPoint]| {
        let by_r = |a: &&EquityPoint, b: &&EquityPoint| a.r.total_cmp(&b.r);
        let mut kept: Vec<EquityPoint> = [points.iter().max_by(by_r), points.iter().min_by(by_r), points.last()]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        kept.sort_by_key(|point| point.trade);
        kept.dedup_by_key(|point| point.trade);
        kept
    };
    points.chunks(stretch).flat_map(of_stretch).collect()
}

/// What an audit record is read for.
#[derive(Deserialize)]
struct Record {
    seq: u64,
    prev: String,
    hash: String,
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    kind: String,
    time: UtcMicros,
    trigger: Trigger,
    reason: String,
    candidate: Option<Candidate>,
    decision: Option<Decision>,
}

#[derive(Deserialize)]
struct Trigger {
    by: String,
}

#[derive(Deserialize)]
struct Candidate {
    model: String,
    from: Option<State>,
    to: State,
}

#[derive(Deserialize)]
struct Decision {
    n: u64,
    gates: Vec<Gate>,
}

#[derive(Deserialize)]
struct Gate {
    gate: String,
    is_passed: bool,
}

/// The last audit records in short, those about `model` or all, at most `last`, oldest first.
///
/// # Errors
/// Whatever reading fails with; [`StoreError::Corrupt`] where a record is none.
pub fn decisions(store: &dyn Store, model: Option<&str>, last: usize) -> Result<Vec<DecisionRow>, StoreError> {
    let seals: Vec<super::entry::Seal> = read_lane(store, Lane::Seals)?;
    let is_signed = |seq| seals.binary_search_by_key(&seq, |seal| seal.seq).is_ok();
    let mut rows = Vec::new();
    if last == 0 {
        return Ok(rows);
    }
    back(store, Lane::Audit, |text: String| {
        let corrupt = |e: serde_json::Error| StoreError::Corrupt { lane: "Audit".to_owned(), why: e.to_string() };
        let Record { seq, prev, hash, body } = serde_json::from_str(&text).map_err(corrupt)?;
        if model.is_some_and(|model| body.candidate.as_ref().is_none_or(|candidate| candidate.model != model)) {
            return Ok(false);
        }
        let missed = body.decision.iter().flat_map(|decision| &decision.gates).filter(|gate| !gate.is_passed);
        rows.push(DecisionRow {
            seq,
            time: body.time,
            kind: body.kind,
            by: body.trigger.by,
            missed: missed.map(|gate| gate.gate.clone()).collect(),
            episodes: body.decision.as_ref().map(|decision| decision.n),
            from: body.candidate.as_ref().and_then(|candidate| candidate.from),
            to: body.candidate.as_ref().map(|candidate| candidate.to),
            model: body.candidate.map(|candidate| candidate.model),
            reason: body.reason,
            prev,
            hash,
            is_signed: is_signed(seq),
        });
        Ok(rows.len() >= last)
    })?;
    rows.reverse();
    Ok(rows)
}

/// The last gaps and notes of the session, at most `last` of each.
///
/// # Errors
/// Whatever reading fails with.
pub fn feed(store: &dyn Store, last: usize) -> Result<FeedView, StoreError> {
    let head: Head = read_record(store, HEAD)?.unwrap_or_default();
    let epic = |at: &u16| head.epics.get(usize::from(*at)).cloned().unwrap_or_else(|| format!("epic {at}"));
    let (mut view, mut oldest) = (FeedView::default(), None);
    let note = |time, kind: &str, text| NoteRow { time, kind: kind.to_owned(), text };
    let is_whole = back(store, Lane::Session, |entry: SessionEntry| {
        match entry {
            SessionEntry::Closed { time, .. } => oldest = Some(time),
            SessionEntry::Gap { from, to, epics, reason, .. } if view.gaps.len() < last => {
                view.gaps.push(GapRow { from, to, epics: epics.iter().map(epic).collect(), reason });
            }
            SessionEntry::Gap { .. } => return Ok(true),
            other if view.notes.len() < last => view.notes.extend(match other {
                SessionEntry::Fault { time, kind, text } => Some(note(Some(time), "fault", format!("{kind}: {text}"))),
                SessionEntry::Suspended { time, model, reason } => {
                    Some(note(Some(time), "suspended", format!("{model}: {reason}")))
                }
                SessionEntry::Reloaded { time, .. } => {
                    Some(note(Some(time), "reloaded", "the configuration was read again".to_owned()))
                }
                SessionEntry::WarmedUp { source, bars, .. } => {
                    let from = bars.last().map(|bar| bar.start);
                    Some(note(from, "warmed_up", format!("windows began with {} bars of {source}", bars.len())))
                }
                SessionEntry::Ruled { time, epic, rule, was, is } => {
                    let told = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
                    let text = format!("{epic}: {rule} was {}, is {}", told(was), told(is));
                    Some(note(Some(time), "rule", text))
                }
                SessionEntry::Configured { hash, .. } => {
                    let text = format!("configuration {} is in force", hash.get(..12).unwrap_or(&hash));
                    Some(note(oldest, "configured", text))
                }
                SessionEntry::Closed { .. } | SessionEntry::Gap { .. } => None,
            }),
            _ => return Ok(true),
        }
        Ok(false)
    })?;
    view.gaps.reverse();
    view.notes.reverse();
    view.since = oldest.filter(|_| !is_whole);
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CloseReason, Direction, Ohlc, PastBar, Price, PriceDelta, Size};
    use crate::store::entry::encode;
    use crate::store::{Commit, Memory};

    fn store_of<T: serde::Serialize>(lane: Lane, blocks: &[Vec<T>]) -> Memory {
        let mut store = Memory::default();
        let mut commit = Commit::default();
        for block in blocks {
            let mut bytes = Vec::new();
            block.iter().for_each(|entry| encode(entry, &mut bytes));
            commit.append(lane, bytes);
        }
        let head =
            Head { epics: vec!["E".to_owned()], streams: vec![("E".to_owned(), "1m".to_owned())], ..Head::default() };
        commit.records.push((HEAD.to_owned(), serde_json::to_vec(&head).unwrap()));
        store.commit(commit).unwrap();
        store
    }

    #[test]
    fn the_last_bars_come_oldest_first_across_blocks() {
        let price = Price::from_micros;
        let bar = |minute: i64| {
            let ohlc =
                |at: i64| Ohlc { open: price(at), high: price(at + 2), low: price(at - 1), close: price(at + 1) };
            PastBar {
                start: UtcMicros(minute * 60_000_000),
                bid: ohlc(minute * 10),
                offer: ohlc(minute * 10 + 3),
                ticks: 7,
            }
        };
        let store = store_of(Lane::Bars(0), &[vec![bar(1), bar(2)], vec![bar(3)], vec![bar(4), bar(5)]]);
        let seat = RosterEntry { epic: "E".to_owned(), resolution: "1m".to_owned(), ..RosterEntry::default() };
        let view = bars(&store, &seat, 3).unwrap();
        let starts: Vec<i64> = view.bars.iter().map(|bar| bar.start.0 / 60_000_000).collect();
        assert_eq!(starts, [3, 4, 5]);
        assert_eq!((view.bars[0].end.0, view.bars[0].offer_high), (240_000_000, price(35)));
        assert_eq!(bars(&store, &seat, 100).unwrap().bars.len(), 5);
        assert!(bars(&store, &seat, 0).unwrap().bars.is_empty());
        let other = RosterEntry { epic: "F".to_owned(), ..seat };
        assert!(bars(&store, &other, 3).unwrap().bars.is_empty());
    }

    fn trade(deal: u64, r: f64) -> Trade {
        Trade {
            deal,
            made: UtcMicros(0),
            direction: Direction::Long,
            size: Size::from_micros(1),
            opened: UtcMicros(0),
            closed: UtcMicros(i64::try_from(deal).unwrap()),
            open_level: Price::from_micros(1),
            close_level: Price::from_micros(1),
            stop_level: Price::from_micros(1),
            limit_level: Price::from_micros(1),
            reason: CloseReason::Time,
            profit: "1".parse().unwrap(),
            costs: Money::ZERO,
            rho_micros: 1.0,
            r,
            x: r,
            y_pred: None,
            y_true: 1.0,
            adverse: PriceDelta::ZERO,
            favourable: PriceDelta::ZERO,
        }
    }

    #[test]
    fn equity_adds_up_and_a_long_one_keeps_its_depths() {
        let view = equity(&[trade(1, 1.0), trade(2, -2.0), trade(3, 0.5)]);
        let told: Vec<(f64, f64)> = view.points.iter().map(|point| (point.r, point.drawdown_r)).collect();
        assert_eq!(told, [(1.0, 0.0), (-1.0, 2.0), (-0.5, 1.5)]);
        assert_eq!(view.points[2].net_profit, "3".parse().unwrap());

        let long: Vec<Trade> = (1..=30_000)
            .map(|n| {
                trade(
                    n,
                    if n == 12_345 {
                        -50.0
                    } else if n == 12_346 {
                        50.0
                    } else {
                        0.01
                    },
                )
            })
            .collect();
        let view = equity(&long);
        assert!(view.trades == 30_000 && view.points.len() <= EQUITY_POINTS_MAX, "{}", view.points.len());
        let deepest = view.points.iter().map(|point| point.drawdown_r).fold(0.0, f64::max);
        assert!((deepest - 50.0).abs() < 1e-6 && view.points.last().unwrap().trade == 30_000, "{deepest}");
        assert!(view.points.is_sorted_by_key(|point| point.trade));
        assert_eq!(equity(&[]), EquityView::default());
    }

    #[test]
    fn decisions_are_those_of_the_model_that_is_asked_for() {
        let record = |seq: u64, model: Option<&str>| {
            let candidate =
                model.map(|model| serde_json::json!({ "model": model, "from": "shadow", "to": "eligible" }));
            let decision = serde_json::json!({ "n": 40, "gates": [{ "gate": "G3 days", "is_passed": false }] });
            serde_json::json!({ "seq": seq, "prev": "a", "hash": "b", "body": {
                "kind": "eligible", "time": "2014-05-01T00:00:00Z", "trigger": { "by": "episode" }, "reason": "why",
                "candidate": candidate, "decision": decision,
            } })
            .to_string()
        };
        let store = store_of(
            Lane::Audit,
            &[vec![record(1, None), record(2, Some("a"))], vec![record(3, Some("b")), record(4, Some("a"))]],
        );
        let seqs = |model, last| -> Vec<u64> {
            decisions(&store, model, last).unwrap().iter().map(|row: &DecisionRow| row.seq).collect()
        };
        assert_eq!((seqs(None, 9), seqs(None, 2), seqs(Some("a"), 9)), (vec![1, 2, 3, 4], vec![3, 4], vec![2, 4]));
        assert_eq!((seqs(Some("a"), 1), seqs(None, 0)), (vec![4], vec![]));
        let row = &decisions(&store, Some("b"), 1).unwrap()[0];
        assert_eq!(
            (row.to, row.episodes, &row.missed[..]),
            (Some(State::Eligible), Some(40), &["G3 days".to_owned()][..])
        );
    }

    #[test]
    fn gaps_and_notes_come_with_the_moment_from_which_they_are_all() {
        let closed = |minute: i64| SessionEntry::Closed { time: UtcMicros(minute), streams: vec![0], quotes: vec![1] };
        let gap = |at: i64| SessionEntry::Gap {
            from: UtcMicros(at),
            to: UtcMicros(at + 5),
            epics: vec![0, 9],
            quotes: vec![1],
            reason: "the line was down".to_owned(),
        };
        let fault = SessionEntry::Fault { time: UtcMicros(3), kind: "disk".to_owned(), text: "it was full".to_owned() };
        let store = store_of(Lane::Session, &[vec![closed(1), gap(2)], vec![fault, closed(4), gap(5), closed(6)]]);
        let all = feed(&store, 10).unwrap();
        assert_eq!((all.gaps.len(), all.gaps[0].from, all.since), (2, UtcMicros(2), None));
        assert_eq!(all.gaps[0].epics, ["E", "epic 9"]);
        assert_eq!((all.notes[0].text.as_str(), all.notes[0].time), ("disk: it was full", Some(UtcMicros(3))));
        let some = feed(&store, 1).unwrap();
        assert_eq!((some.gaps.len(), some.gaps[0].from, some.since), (1, UtcMicros(5), Some(UtcMicros(4))));
    }
}
