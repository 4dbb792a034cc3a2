//! Seats bar by bar, by hand: stop 8, limit 12 points of 0.0001, hold 3 minutes, size 2, value 1 a point, latency 250 ms.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Block, Seat, SeatReport, SharedSeat, Wants};
use crate::domain::{
    Bar, Candidate, Direction, DirectionFilter, Market, Micros, ModelSpec, Prediction, SeatIdx, StreamIdx, Tick,
    UtcMicros,
};
use crate::flow::{Round, Slice};
use crate::ledger::testing::{T0, candidate, market, minute, tick};
use crate::models::{self, BarContext, Model, Predictor};
use crate::store::Lane;
use crate::store::entry::{Fault, Refusal, SeatEntry, decode};

const SPEC: ModelSpec = ModelSpec::Breakout { lookback: 1 };

/// Signals as told, by the number of the bar; believes 1.001 at every close.
#[derive(Clone, Default)]
struct Scripted {
    signals: BTreeMap<u64, Direction>,
    /// Not a number from this bar on.
    nan_from: Option<u64>,
}

impl Model for Scripted {
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let seq = context.bar.seq;
        let y_pred = if self.nan_from.is_some_and(|from| seq >= from) { f64::NAN } else { 1.001 };
        Some(Prediction::of(Some(y_pred), self.signals.get(&seq).copied()))
    }
}

fn scripted(signals: &[(u64, Direction)]) -> Predictor {
    Predictor::Boxed(Box::new(Scripted { signals: signals.iter().copied().collect(), nan_from: None }))
}

fn seat_of(candidate: &Candidate, market: &Market, model: Predictor) -> Seat {
    Seat::new(SeatIdx(0), StreamIdx(0), candidate, market, model, true)
}

fn plain(signals: &[(u64, Direction)]) -> Seat {
    seat_of(&candidate("m", SPEC, "0"), &market(), scripted(signals))
}

fn feed(seat: &mut Seat, bar: &Bar, round: u32) {
    seat.on_bar(&BarContext { bar, mids2: &bar.mids2 }, round);
}

/// One quiet bar after another: a quote half a minute into each.
fn quiet(count: u64) -> Vec<Bar> {
    (0..count).map(|seq| minute(seq, vec![at(seq, 30_000, "1.1000", "1.1001")])).collect()
}

/// A tick `ms` into the minute `seq`.
fn at(seq: u64, ms: i64, bid: &str, offer: &str) -> Tick {
    tick(i64::try_from(seq).unwrap() * 60_000 + ms, bid, offer)
}

fn end(seq: i64) -> UtcMicros {
    T0 + Micros((seq + 1) * 60_000_000)
}

/// What the seat wrote over these bars, its registration left out.
fn entries(seat: &mut Seat, bars: &[Bar]) -> Vec<SeatEntry> {
    for (round, bar) in (0u32..).zip(bars) {
        feed(seat, bar, round);
    }
    let report = seat.report().expect("a seat that predicts has something to say");
    let mut entries: Vec<SeatEntry> = decode(Lane::Seat(0), &report.entries).unwrap();
    assert!(matches!(entries.remove(0), SeatEntry::Registered { .. }));
    entries
}

/// Entries as words, predictions with their bar and whether they were acted upon.
fn words(entries: &[SeatEntry]) -> Vec<String> {
    let bar = |time: &UtcMicros| (*time - T0).0 / 60_000_000 - 1;
    let word = |entry: &SeatEntry| match entry {
        SeatEntry::Registered { .. } => "registered".to_owned(),
        SeatEntry::Predicted { time, prediction, is_acted } | SeatEntry::Estimated { time, prediction, is_acted } => {
            let side = prediction.signal.map_or("nothing", Direction::word);
            format!("{}: {side}{}", bar(time), if *is_acted { ", acted" } else { "" })
        }
        SeatEntry::Ordered { time, direction, .. } => format!("{}: order {}", bar(time), direction.word()),
        SeatEntry::Opened { after, level } => format!("open {level} after {} ms", after.0 / 1_000),
        SeatEntry::Lapsed => "lapse".to_owned(),
        SeatEntry::Refused { time, reason: Refusal::Session } => format!("{}: refused, session", bar(time)),
        SeatEntry::Closed { level, reason, profit, .. } => format!("close {level} {} {profit}", reason.word()),
        SeatEntry::Suspended { time, reason } => format!("{}: {reason:?}", bar(time)),
    };
    entries.iter().map(word).collect()
}

#[test]
fn it_predicts_at_every_nth_bar_alone() {
    let mut every_third = candidate("m", SPEC, "0");
    every_third.predict_every = 3;
    // A signal at a bar that is no third one is never asked for.
    let model = scripted(&[(2, Direction::Long), (3, Direction::Short)]);
    let mut seat = seat_of(&every_third, &market(), model);
    let told = words(&entries(&mut seat, &quiet(7)));
    let want = ["0: nothing", "3: short, acted", "3: order short", "open 1.1 after 30000 ms", "6: nothing"];
    assert_eq!(told, want);
    assert_eq!(seat.summary().predictions, 3);
}

#[test]
fn a_side_that_the_candidate_may_not_take_is_recorded_alone() {
    for (filter, side, is_acted) in [
        (DirectionFilter::Long, Direction::Long, true),
        (DirectionFilter::Long, Direction::Short, false),
        (DirectionFilter::Short, Direction::Short, true),
        (DirectionFilter::Short, Direction::Long, false),
        (DirectionFilter::Both, Direction::Long, true),
        (DirectionFilter::Both, Direction::Short, true),
    ] {
        let mut one_sided = candidate("m", SPEC, "0");
        one_sided.direction = filter;
        let mut seat = seat_of(&one_sided, &market(), scripted(&[(0, side)]));
        let told = words(&entries(&mut seat, &quiet(1)));
        let acted = [format!("0: {}, acted", side.word()), format!("0: order {}", side.word())];
        let left = [format!("0: {}", side.word())];
        assert_eq!(told, if is_acted { &acted[..] } else { &left[..] }, "{filter:?} {side:?}");
        assert_eq!(seat.is_flat(), !is_acted, "{filter:?} {side:?}");
    }
}

#[test]
fn a_signal_in_a_position_or_with_an_order_pending_is_recorded_and_not_acted_upon() {
    let bars = [
        minute(0, vec![at(0, 0, "1.1000", "1.1001")]),
        // Before the latency is over: the order waits, and with it the second signal's bar passes without a fill.
        minute(1, vec![at(1, 300, "1.1000", "1.1001"), at(1, 50_000, "1.1000", "1.1001")]),
        minute(2, vec![at(2, 0, "1.1000", "1.1001")]),
        minute(3, vec![at(3, 0, "1.1014", "1.1015")]),
    ];
    let mut seat = plain(&[(0, Direction::Long), (1, Direction::Short), (2, Direction::Long), (3, Direction::Short)]);
    let told = words(&entries(&mut seat, &bars));
    let want = [
        "0: long, acted",
        "0: order long",
        "open 1.1001 after 300 ms",
        "1: short",
        "2: long",
        // Flat again inside of bar 3, so that its own close is acted upon.
        "close 1.1013 limit 24",
        "3: short, acted",
        "3: order short",
    ];
    assert_eq!(told, want);
    assert!(!seat.is_flat(), "an order is pending");
}

#[test]
fn an_entry_outside_the_session_is_refused_and_said_so() {
    let mut by_day = market();
    by_day.session = Some("Thu 01:01-Thu 17:00 Europe/London".parse().unwrap());
    // 00:01 UTC is 01:01 in London's summer: the first close lies at the session's beginning, the open one at its end.
    let mut seat = seat_of(&candidate("m", SPEC, "0"), &by_day, scripted(&[(0, Direction::Long)]));
    assert_eq!(words(&entries(&mut seat, &quiet(1))), ["0: long, acted", "0: order long"]);
    by_day.session = Some("Thu 01:02-Thu 17:00 Europe/London".parse().unwrap());
    let model = scripted(&[(0, Direction::Long), (1, Direction::Long)]);
    let mut seat = seat_of(&candidate("m", SPEC, "0"), &by_day, model);
    let told = words(&entries(&mut seat, &quiet(2)));
    assert_eq!(told, ["0: long", "0: refused, session", "1: long, acted", "1: order long"]);
    assert_eq!(seat.summary().refused, 1);
}

#[test]
fn a_lapsed_order_does_not_block_the_signal_of_the_same_close() {
    // The only quote of minute 1 comes before the latency is over.
    let bars = [minute(0, vec![at(0, 0, "1.1", "1.1001")]), minute(1, vec![at(1, 249, "1.1", "1.1001")])];
    let mut seat = plain(&[(0, Direction::Long), (1, Direction::Short)]);
    let told = words(&entries(&mut seat, &bars));
    assert_eq!(told, ["0: long, acted", "0: order long", "lapse", "1: short, acted", "1: order short"]);
    let report = seat.report();
    assert_eq!(report, None, "everything was handed in");
    assert_eq!((seat.summary().lapsed, seat.summary().trades), (1, 0));
}

#[test]
fn a_bar_that_never_closed_goes_through_the_broker_and_gives_no_signal() {
    let mut open = minute(1, vec![at(1, 300, "1.1000", "1.1001"), at(1, 400, "1.0993", "1.0994")]);
    open.is_closed = false;
    let bars = [minute(0, vec![at(0, 0, "1.1000", "1.1001")]), open];
    let mut seat = plain(&[(0, Direction::Long), (1, Direction::Long)]);
    let told = words(&entries(&mut seat, &bars));
    // (1.0993 - 1.1001) / 0.0001 x 2 = -16
    assert_eq!(told, ["0: long, acted", "0: order long", "open 1.1001 after 300 ms", "close 1.0993 stop -16"]);
    assert_eq!((seat.last_bar(), seat.summary().predictions), (Some(0), 1));
}

#[test]
fn equity_drawdown_spread_of_steps_and_exposure_by_hand() {
    let bars = [
        minute(0, vec![at(0, 0, "1.1000", "1.1001")]),
        // Opens at 1.1001; marked at the bid: +3 points x 2.
        minute(1, vec![at(1, 300, "1.1000", "1.1001"), at(1, 30_000, "1.1004", "1.1005")]),
        // -2 points x 2: ten below the peak.
        minute(2, vec![at(2, 0, "1.0999", "1.1000")]),
        // The limit, at exactly 1.1013, 140 seconds after the fill.
        minute(3, vec![at(3, 20_300, "1.1014", "1.1015")]),
    ];
    let mut seat = plain(&[(0, Direction::Long)]);
    seat.tell_marks();
    let mut marks = Vec::new();
    for (round, bar) in (0u32..).zip(&bars) {
        feed(&mut seat, bar, round);
        let summary = seat.summary();
        marks.push((summary.equity.to_string(), summary.max_drawdown.to_string()));
    }
    let want = [("0", "0"), ("6", "0"), ("-4", "10"), ("24", "10")];
    assert_eq!(marks, want.map(|(equity, drawdown)| (equity.to_owned(), drawdown.to_owned())));
    let summary = seat.summary();
    // Steps 0, 6, -10 and 28 have the mean 6: (36 + 0 + 256 + 484) / 3.
    let sd = summary.equity_step_sd.unwrap();
    assert!((sd - (776.0f64 / 3.0).sqrt()).abs() < 1e-9, "{sd}");
    // 140 of the 240 seconds since the first bar began.
    let exposure = summary.exposure.unwrap();
    assert!((exposure - 140.0 / 240.0).abs() < 1e-12, "{exposure}");
    assert_eq!((summary.trades, summary.wins, summary.net_profit.to_string()), (1, 1, "24".to_owned()));
    // Bought at 11,001 points and sold at 11,013, two a point.
    assert!((summary.turnover - 44_028.0).abs() < 1e-6, "{}", summary.turnover);
    let told = seat.report().unwrap().marks;
    let told: Vec<_> = told.into_iter().map(|(round, mark)| (round, mark.profit.to_string())).collect();
    assert_eq!(told, [(1, "6".to_owned()), (2, "-4".to_owned()), (3, "0".to_owned())]);
    assert_eq!((summary.gross_win.to_string(), summary.gross_loss.to_string()), ("24".to_owned(), "0".to_owned()));
    assert_eq!(summary.position, None);
}

#[test]
fn the_report_says_in_which_round_what_happened() {
    let bars = [
        minute(0, vec![at(0, 0, "1.1000", "1.1001")]),
        minute(1, vec![at(1, 300, "1.1000", "1.1001")]),
        minute(2, vec![at(2, 0, "1.0990", "1.0991")]),
    ];
    let mut seat = plain(&[(0, Direction::Long)]);
    for (round, bar) in (5u32..).zip(&bars) {
        feed(&mut seat, bar, round);
    }
    let SeatReport { flat, warmed, episodes, tickets, fault, .. } = seat.report().unwrap();
    assert_eq!(flat, [(5, false), (7, true)]);
    assert_eq!((warmed, fault), (Some(5), None));
    let [(7, episode)] = episodes[..] else { panic!("{episodes:?}") };
    assert_eq!((episode.number, episode.made, episode.profit.to_string()), (1, end(0), "-22".to_owned()));
    let [(5, ticket)] = tickets[..] else { panic!("{tickets:?}") };
    assert_eq!((ticket.deal, ticket.made, ticket.valid_until), (1, end(0), end(1)));
}

#[test]
fn what_is_not_a_number_suspends_and_leaves_the_position_open() {
    let model = Scripted { signals: [(0, Direction::Long), (3, Direction::Long)].into(), nan_from: Some(2) };
    let mut seat = seat_of(&candidate("m", SPEC, "0"), &market(), Predictor::Boxed(Box::new(model)));
    let told = words(&entries(&mut seat, &quiet(3)));
    let want = ["0: long, acted", "0: order long", "open 1.1001 after 30000 ms", "1: nothing", "2: Nan"];
    assert_eq!(told, want);
    let before = (seat.checkpoint(), seat.summary());
    assert!(before.1.position.is_some(), "what is open stays open");
    // The stop is passed, but nobody is there any more.
    feed(&mut seat, &minute(3, vec![at(3, 0, "1.0900", "1.0901")]), 0);
    assert_eq!((seat.checkpoint(), seat.summary()), before);
    assert_eq!(seat.report(), None);
    let mut restored = plain(&[]);
    restored.restore(&before.0).unwrap();
    feed(&mut restored, &minute(3, vec![at(3, 0, "1.0900", "1.0901")]), 0);
    assert_eq!(restored.report(), None, "a suspension outlives a restart");
}

/// A walk that fills, stops, takes profits, times out and lapses: `count` bars.
fn walk(count: u64) -> Vec<Bar> {
    let mut seed = 7u64;
    let mut draw = move |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    let mut level = 11_000u64;
    let bar = |seq: u64| {
        let mut ms = 0;
        let mut ticks = Vec::new();
        while ticks.is_empty() || (ms < 55_000 && ticks.len() < 8) {
            ms += if draw(5) == 0 { 100 } else { 2_000 + i64::try_from(draw(12_000)).unwrap() };
            level = level + draw(13) - 6;
            let price = |points: u64| format!("{}.{:04}", points / 10_000, points % 10_000);
            ticks.push(at(seq, ms.min(59_000), &price(level), &price(level + 1)));
            if draw(9) == 0 {
                break;
            }
        }
        minute(seq, ticks)
    };
    (0..count).map(bar).collect()
}

fn coin(name: &str) -> Candidate {
    candidate(name, ModelSpec::Random { rate: 0.6, seed: 3 }, "0.5")
}

#[test]
fn a_restored_seat_goes_on_as_if_it_had_not_been_stopped() {
    let bars = walk(120);
    let make = || seat_of(&coin("m"), &market(), models::build(&coin("m")));
    let mut whole = make();
    let mut all = Vec::new();
    let mut states = Vec::new();
    for bar in &bars {
        feed(&mut whole, bar, 0);
        states.push(whole.checkpoint());
        all.push(whole.report());
    }
    let summary = whole.summary();
    assert!(summary.trades > 20 && summary.wins > 0 && summary.lapsed > 0, "{summary:?}");
    for (stop, state) in states.iter().enumerate() {
        let mut seat = make();
        seat.restore(state).unwrap();
        assert_eq!(&seat.checkpoint(), state, "at bar {stop}");
        for (bar, want) in bars.iter().zip(&all).skip(stop + 1) {
            feed(&mut seat, bar, 0);
            assert_eq!(seat.report(), *want, "stopped at bar {stop}");
        }
        assert_eq!(seat.summary(), summary, "stopped at bar {stop}");
    }
}

#[test]
fn bytes_that_are_no_checkpoint_are_refused() {
    let mut seat = plain(&[]);
    let good = seat.checkpoint();
    assert!(seat.restore(&good[..good.len() / 2]).is_err());
    assert!(seat.restore(&[]).is_err());
    seat.restore(&good).unwrap();
}

/// Panics at its fourth bar.
struct Panics;

impl Model for Panics {
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        assert!(context.bar.seq < 3, "at its fourth bar, as this test wants it");
        Some(Prediction::of(None, Some(Direction::Long)))
    }
}

fn shared(number: u32, model: Predictor) -> SharedSeat {
    let candidate = coin(&format!("m{number}"));
    Arc::new(Mutex::new(Seat::new(SeatIdx(number), StreamIdx(0), &candidate, &market(), model, true)))
}

fn slice_of(bars: &[Bar]) -> Slice {
    let round = |bar: &Bar| Round {
        seq: bar.seq,
        time: bar.end,
        bars: vec![bar.clone()],
        quotes: Vec::new(),
        ..Round::default()
    };
    Slice { rounds: bars.iter().map(round).collect() }
}

#[test]
fn a_block_runs_the_same_live_as_in_replay_and_a_panic_stays_in_its_seat() {
    let bars = walk(40);
    let wants = Wants { summaries: true, checkpoints: true };
    let block = |panics: bool| {
        let third = if panics { Predictor::Boxed(Box::new(Panics)) } else { models::build(&coin("m2")) };
        Block::new(vec![
            shared(0, models::build(&coin("m0"))),
            shared(1, models::build(&coin("m1"))),
            shared(2, third),
            shared(3, models::build(&coin("m3"))),
        ])
    };
    let healthy = block(false).run(&slice_of(&bars), wants);
    let replayed = block(true).run(&slice_of(&bars), wants);
    let live = block(true).run_live(&slice_of(&bars), wants).unwrap();
    assert_eq!(replayed, live);
    let one_by_one = block(true);
    let reports: Vec<_> = bars.iter().map(|bar| one_by_one.run(&slice_of(std::slice::from_ref(bar)), wants)).collect();
    let bytes = |seat: usize| -> Vec<u8> {
        let of_seat = |report: &SeatReport| (report.seat.0 as usize == seat).then(|| report.entries.clone());
        reports.iter().flat_map(|r| r.reports.iter().filter_map(of_seat)).flatten().collect()
    };
    for seat in [0, 1, 3] {
        assert_eq!(replayed.reports[seat], healthy.reports[seat], "seat {seat}");
        assert_eq!(bytes(seat), healthy.reports[seat].entries, "seat {seat} bar by bar");
    }
    assert_eq!(replayed.reports[2].fault, Some((3, Fault::Panic)));
    assert_eq!(bytes(2), replayed.reports[2].entries);
}
