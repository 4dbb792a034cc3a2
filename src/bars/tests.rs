//! What must hold of the two storeys together.

use proptest::prelude::*;

use super::*;
use crate::domain::{EpicIdx, Micros, Ohlc, PastBar, Price, Resolution, StreamIdx, Tick, UtcMicros};
use crate::feed::{BarBlock, BarRow, QuoteBlock};
use crate::flow::{Round, Warmup};

fn tick(seconds: f64, bid: i64) -> Tick {
    #[expect(clippy::cast_possible_truncation, reason = "test times are small")]
    let time = UtcMicros((seconds * 1e6) as i64);
    Tick { time, bid: Price::from_micros(bid), offer: Price::from_micros(bid + 2) }
}

fn streams(all: &[(u16, &str)]) -> Vec<(EpicIdx, Resolution)> {
    all.iter().map(|(epic, length)| (EpicIdx(*epic), length.parse().unwrap())).collect()
}

fn resampler(all: &[(u16, &str)], lookback_max: usize) -> Resampler {
    Resampler::new(&streams(all), 2, lookback_max, "1h".parse().unwrap())
}

fn block(quotes: &[(u16, Tick)]) -> QuoteBlock {
    let mut block = QuoteBlock::default();
    quotes.iter().for_each(|(epic, tick)| block.extend(EpicIdx(*epic), &[*tick]));
    block
}

/// A round in words, without its shared memory.
fn told(round: &Round) -> String {
    let ohlc = |o: &Ohlc| [o.open, o.high, o.low, o.close].map(Price::micros);
    let times = |ticks: &[Tick]| ticks.iter().map(|t| (t.time.0, t.bid.micros())).collect::<Vec<_>>();
    let mut text = format!("{} at {}:", round.seq, round.time.0);
    for bar in &round.bars {
        text += &format!(
            " [{} #{} {}..{} {:?} {:?} n={} {:?} mids={:?} {}]",
            bar.stream.0,
            bar.seq,
            bar.start.0,
            bar.end.0,
            ohlc(&bar.bid),
            ohlc(&bar.offer),
            bar.ticks,
            times(&bar.quotes),
            &*bar.mids2,
            bar.is_closed
        );
    }
    for quotes in &round.quotes {
        text += &format!(" {}:{:?}", quotes.epic.0, times(&quotes.quotes));
    }
    text
}

fn rounds(mut resampler: Resampler, blocks: impl IntoIterator<Item = QuoteBlock>) -> Vec<String> {
    let mut out = Vec::new();
    for block in blocks {
        resampler.push(block, &mut out);
    }
    out.extend(resampler.tail());
    assert!(resampler.tail().is_none());
    out.iter().map(told).collect()
}

#[test]
fn bars_hold_start_included_and_end_not() {
    // 10 s bars: [0,10) has 0 and 9.999999, [10,20) is empty, [20,30) has 20 and stays open.
    let quotes = [tick(0.0, 5), tick(9.999_999, 7), tick(20.0, 4)].map(|t| (0, t));
    let got = rounds(resampler(&[(0, "10s")], 0), [block(&quotes)]);
    assert_eq!(
        got,
        [
            "0 at 10000000: [0 #0 0..10000000 [5, 7, 5, 7] [7, 9, 7, 9] n=2 [(0, 5), (9999999, 7)] mids=[16.0] true] \
             0:[(0, 5), (9999999, 7)]",
            "1 at 20000000: [0 #1 20000000..30000000 [4, 4, 4, 4] [6, 6, 6, 6] n=1 [(20000000, 4)] mids=[] false] \
             0:[(20000000, 4)]",
        ]
    );
}

#[test]
fn bars_with_one_end_close_together_and_a_quote_of_any_epic_closes_them() {
    let all = [(0, "10s"), (0, "1m"), (1, "1m")];
    let mut resampler = resampler(&all, 0);
    let mut out = Vec::new();
    let quotes = [(0, tick(49.0, 1)), (1, tick(50.0, 2)), (0, tick(55.0, 3)), (1, tick(60.0, 4))];
    resampler.push(block(&quotes), &mut out);
    let shape: Vec<_> = out
        .iter()
        .map(|r| {
            let counts: Vec<_> = r.quotes.iter().map(|q| (q.epic.0, q.quotes.len())).collect();
            (r.time.0 / 1_000_000, r.bars.iter().map(|b| b.stream.0).collect::<Vec<_>>(), counts)
        })
        .collect();
    assert_eq!(shape, [(50, vec![0], vec![(0, 1)]), (60, vec![0, 1, 2], vec![(0, 1), (1, 1)])]);
    assert_eq!(resampler.accepted(), [2, 2]);
    assert_eq!(resampler.bars_closed(), [2, 1, 1]);
}

#[test]
fn a_silence_clears_the_window_for_the_bars_after_it() {
    let hour = 3_600.0;
    for (gap, want) in [(hour, vec![1, 2, 3, 3]), (hour + 1e-6, vec![1, 2, 1, 2])] {
        let later = 10.0 + gap;
        let times = [0.0, 10.0, later, later + 10.0, later + 20.0];
        let mut out = Vec::new();
        let mut resampler = resampler(&[(0, "10s")], 2);
        resampler.push(block(&times.map(|t| (0, tick(t, 1)))), &mut out);
        let windows: Vec<_> = out.iter().map(|r| r.bars[0].mids2.len()).collect();
        assert_eq!(windows, want, "{gap}");
    }
}

#[test]
fn a_silence_inside_a_bar_leaves_that_bar_in_the_window() {
    let mut out = Vec::new();
    let mut resampler = Resampler::new(&streams(&[(0, "1m")]), 1, 5, "30s".parse().unwrap());
    let times = [50.0, 61.0, 80.0, 111.0, 121.0];
    resampler.push(block(&times.map(|t| (0, tick(t, 1)))), &mut out);
    assert_eq!(out.iter().map(|r| r.bars[0].mids2.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn the_clock_closes_silent_bars_and_what_comes_after_is_late() {
    let mut resampler = resampler(&[(0, "10s"), (0, "1m"), (1, "10s")], 0);
    let mut out = Vec::new();
    resampler.push(block(&[(0, tick(1.0, 1))]), &mut out);
    assert_eq!(resampler.next_end(), Some(UtcMicros(10_000_000)));
    resampler.close_due(UtcMicros(9_999_999), &mut out);
    assert!(out.is_empty());
    resampler.close_due(UtcMicros(10_000_000), &mut out);
    assert_eq!((out.len(), out[0].bars.len(), &*out[0].bars[0].quotes), (1, 1, &[tick(1.0, 1)][..]));
    // Of the epic itself, and of the other one, whose bar of that time was never open.
    let late = [(0, tick(9.5, 9)), (1, tick(9.9, 9)), (0, tick(10.0, 3)), (1, tick(10.1, 3))];
    assert_eq!(resampler.push(block(&late), &mut out), 2);
    assert_eq!((resampler.late(), resampler.accepted()), (2, vec![2, 1]));
    let tail = told(&resampler.tail().unwrap());
    assert!(tail.contains("0:[(10000000, 3)] 1:[(10100000, 3)]"), "{tail}");
    assert!(tail.contains("n=2 [(1000000, 1), (10000000, 3)]"), "the minute goes on: {tail}");
}

#[test]
fn recorded_closings_close_what_they_name_and_nothing_else() {
    let mut resampler = resampler(&[(0, "10s"), (1, "10s")], 0);
    let mut out = Vec::new();
    resampler.push(block(&[(0, tick(1.0, 1)), (1, tick(2.0, 1))]), &mut out);
    let end = UtcMicros(10_000_000);
    let wrong = resampler.close_exact(UtcMicros(20_000_000), &[StreamIdx(0)], &mut out);
    assert_eq!(wrong, Err(NotOpen { stream: StreamIdx(0), time: UtcMicros(20_000_000) }));
    assert!(resampler.close_exact(end, &[StreamIdx(9)], &mut out).is_err());
    assert!(out.is_empty());
    resampler.close_exact(end, &[StreamIdx(1)], &mut out).unwrap();
    resampler.close_exact(end, &[StreamIdx(0)], &mut out).unwrap();
    assert_eq!(out.iter().map(|r| r.bars[0].stream.0).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(out.iter().map(|r| r.seq).collect::<Vec<_>>(), [0, 1]);
}

fn row(epic: u16, minute: i64, bid: [i64; 4], ticks: u32) -> BarRow {
    let at = |p: i64| Price::from_micros(p);
    let ohlc = |plus| Ohlc {
        open: at(bid[0] + plus),
        high: at(bid[1] + plus),
        low: at(bid[2] + plus),
        close: at(bid[3] + plus),
    };
    BarRow {
        epic: EpicIdx(epic),
        start: UtcMicros(minute * 60_000_000),
        length: Micros(60_000_000),
        bid: ohlc(0),
        offer: ohlc(2),
        ticks,
    }
}

#[test]
fn ready_made_bars_make_the_same_rounds_and_longer_bars() {
    let rows = vec![row(0, 0, [5, 9, 4, 6], 3), row(0, 4, [6, 7, 1, 2], 2), row(0, 5, [2, 2, 2, 2], 1)];
    let mut resampler = resampler(&[(0, "1m"), (0, "5m")], 1);
    let mut out = Vec::new();
    assert_eq!(resampler.push_bars(&BarBlock { rows: rows.clone() }, &mut out), Ok(0));
    assert_eq!(
        out.iter().map(told).collect::<Vec<_>>(),
        [
            "0 at 60000000: [0 #0 0..60000000 [5, 9, 4, 6] [7, 11, 6, 8] n=3 [] mids=[14.0] true]",
            "1 at 300000000: [0 #1 240000000..300000000 [6, 7, 1, 2] [8, 9, 3, 4] n=2 [] mids=[14.0, 6.0] true] \
             [1 #0 0..300000000 [5, 9, 1, 2] [7, 11, 3, 4] n=5 [] mids=[6.0] true]",
        ]
    );
    assert_eq!(resampler.accepted(), [3, 0]);
    assert_eq!(resampler.tail().unwrap().bars.len(), 2);
    let mut unfit = Resampler::new(&streams(&[(0, "10s")]), 1, 0, Micros::DAY);
    assert!(unfit.push_bars(&BarBlock { rows }, &mut out).is_err());
}

/// Quotes of two epics in order of time, then epic, with equal times, bursts and silences.
fn market() -> impl Strategy<Value = Vec<(u16, Tick)>> {
    let step = prop_oneof![3 => 0i64..2, 6 => 0i64..4_000_000, 1 => 0i64..90_000_000];
    prop::collection::vec((0u16..2, step, 1i64..1_000), 1..120).prop_map(|steps| {
        let mut time = 0;
        let mut quotes: Vec<_> = steps
            .into_iter()
            .map(|(epic, step, bid)| {
                time += step;
                (epic, Tick { time: UtcMicros(time), bid: Price::from_micros(bid), offer: Price::from_micros(bid + 1) })
            })
            .collect();
        quotes.sort_by_key(|(epic, tick)| (tick.time, *epic));
        quotes
    })
}

fn whole() -> Resampler {
    Resampler::new(&streams(&[(0, "10s"), (0, "15s"), (0, "1m"), (1, "10s")]), 2, 3, "40s".parse().unwrap())
}

/// Cuts `quotes` into blocks at these places.
fn cut(quotes: &[(u16, Tick)], places: &[prop::sample::Index]) -> Vec<QuoteBlock> {
    let mut places: Vec<_> = places.iter().map(|p| p.index(quotes.len())).collect();
    places.sort_unstable();
    let mut from = 0;
    let mut blocks = Vec::new();
    for to in places.into_iter().chain([quotes.len()]) {
        blocks.push(block(&quotes[from..to]));
        from = to;
    }
    blocks
}

/// The bars of one epic and length, straight from the definition.
fn naive(quotes: &[(u16, Tick)], epic: u16, length: i64) -> Vec<(i64, [i64; 8], u32)> {
    let mut bars: Vec<(i64, [i64; 8], u32)> = Vec::new();
    for (_, tick) in quotes.iter().filter(|(e, _)| *e == epic) {
        let start = tick.time.0 / length * length;
        let (b, o) = (tick.bid.micros(), tick.offer.micros());
        match bars.last_mut() {
            Some((s, v, n)) if *s == start => {
                *v = [v[0], v[1].max(b), v[2].min(b), b, v[4], v[5].max(o), v[6].min(o), o];
                *n += 1;
            }
            _ => bars.push((start, [b, b, b, b, o, o, o, o], 1)),
        }
    }
    bars
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rounds_are_the_same_however_quotes_are_batched(
        quotes in market(), places in prop::collection::vec(any::<prop::sample::Index>(), 0..12)
    ) {
        let at_once = rounds(whole(), [block(&quotes)]);
        prop_assert_eq!(&at_once, &rounds(whole(), cut(&quotes, &places)));
        prop_assert_eq!(&at_once, &rounds(whole(), quotes.iter().map(|q| block(&[*q]))));
    }

    #[test]
    fn bars_are_what_their_definition_says(quotes in market()) {
        let mut out = Vec::new();
        let mut resampler = whole();
        prop_assert_eq!(resampler.push(block(&quotes), &mut out), 0);
        out.extend(resampler.tail());
        for (stream, (epic, length)) in [(0, 10), (0, 15), (0, 60), (1, 10)].into_iter().enumerate() {
            let mut got = Vec::new();
            for bar in out.iter().flat_map(|r| &r.bars).filter(|b| usize::from(b.stream.0) == stream) {
                let of = |o: &Ohlc| [o.open, o.high, o.low, o.close].map(Price::micros);
                let (b, o) = (of(&bar.bid), of(&bar.offer));
                prop_assert_eq!(bar.quotes.len(), bar.ticks as usize);
                prop_assert!(bar.quotes.iter().all(|t| bar.start <= t.time && t.time < bar.end));
                got.push((bar.start.0, [b[0], b[1], b[2], b[3], o[0], o[1], o[2], o[3]], bar.ticks));
            }
            prop_assert_eq!(got, naive(&quotes, epic, length * 1_000_000));
        }
        // No quote is lost, none comes twice, and rounds go forward.
        for epic in 0..2u16 {
            let brought = out.iter().flat_map(|r| &r.quotes).filter(|q| q.epic.0 == epic);
            let brought: Vec<Tick> = brought.flat_map(|q| q.quotes.iter().copied()).collect();
            let pushed: Vec<Tick> = quotes.iter().filter(|(e, _)| *e == epic).map(|(_, t)| *t).collect();
            prop_assert_eq!(brought, pushed);
        }
        prop_assert!(out[..out.len() - 1].windows(2).all(|pair| pair[0].time < pair[1].time));
    }

    #[test]
    fn a_prefix_of_the_quotes_gives_a_prefix_of_the_rounds(quotes in market(), end in any::<prop::sample::Index>()) {
        let run = |quotes: &[(u16, Tick)]| {
            let mut out = Vec::new();
            whole().push(block(quotes), &mut out);
            out.iter().map(told).collect::<Vec<_>>()
        };
        let (all, some) = (run(&quotes), run(&quotes[..end.index(quotes.len())]));
        prop_assert_eq!(&all[..some.len()], &some[..]);
    }

    #[test]
    fn a_checkpoint_anywhere_changes_nothing(
        quotes in market(), places in prop::collection::vec(any::<prop::sample::Index>(), 1..6)
    ) {
        let mut out = Vec::new();
        let mut resampler = whole();
        for block in cut(&quotes, &places) {
            let bytes = resampler.checkpoint();
            resampler = whole();
            resampler.restore(&bytes).unwrap();
            resampler.push(block, &mut out);
        }
        out.extend(resampler.tail());
        prop_assert_eq!(out.iter().map(told).collect::<Vec<_>>(), rounds(whole(), [block(&quotes)]));
    }

    #[test]
    fn damaged_checkpoints_never_panic(
        quotes in market(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut_at in any::<prop::sample::Index>()
    ) {
        let mut resampler = whole();
        resampler.push(block(&quotes), &mut Vec::new());
        let mut bytes = resampler.checkpoint();
        prop_assert!(whole().restore(&bytes[..cut_at.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut damaged = whole();
        if damaged.restore(&bytes).is_ok() {
            prop_assert_eq!(damaged.accepted().len(), 2);
        }
    }
}

#[test]
fn a_checkpoint_feeds_other_streams_and_refuses_other_markets() {
    let mut old = resampler(&[(0, "10s")], 1);
    let mut out = Vec::new();
    old.push(block(&[0.0, 10.0, 20.0, 31.0].map(|t| (0, tick(t, 1)))), &mut out);
    let bytes = old.checkpoint();
    // A longer lookback and a new stream beside the old one.
    let mut new = resampler(&[(0, "10s"), (0, "20s")], 5);
    new.restore(&bytes).unwrap();
    out.clear();
    new.push(block(&[(0, tick(41.0, 1))]), &mut out);
    let bar = &out[0].bars[0];
    assert_eq!((bar.seq, bar.mids2.len(), bar.quotes.len()), (3, 2, 1));
    let mut other = Resampler::new(&streams(&[(0, "10s")]), 1, 1, Micros::DAY);
    assert_eq!(other.restore(&bytes), Err(RestoreError::Markets { got: 2, want: 1 }));
}

#[test]
fn a_bar_that_a_gap_touches_is_no_bar_and_its_quotes_still_come() {
    let mut resampler = resampler(&[(0, "10s"), (1, "10s")], 3);
    let mut out = Vec::new();
    let quotes = [0.0, 3.0, 11.0, 12.0].map(|t| [(0, tick(t, 100)), (1, tick(t, 200))]).concat();
    resampler.push(block(&quotes), &mut out);
    assert_eq!((out.len(), out[0].bars.len()), (1, 2), "0..10 closed before");
    // Market 0 is blind from 12 to 25: its bars 10..20 and 20..30 are not whole, 30..40 is.
    let to = tick(25.0, 0).time;
    resampler.gap(&[EpicIdx(0)], None, to, "no connection".to_owned(), &mut out);
    let later = [13.0, 21.0].map(|t| (1, tick(t, 201)));
    resampler.push(block(&later), &mut out);
    let last = [26.0, 31.0, 41.0].map(|t| [(0, tick(t, 101)), (1, tick(t, 202))]).concat();
    resampler.push(block(&last), &mut out);
    let seen: Vec<_> = out
        .iter()
        .map(|round| {
            let bars: Vec<_> =
                round.bars.iter().map(|b| (b.stream.0, b.seq, b.is_closed, b.quotes.len(), b.mids2.len())).collect();
            (round.time.0 / 1_000_000, bars, round.void.clone(), round.gaps.len())
        })
        .collect();
    let blind = StreamIdx(0);
    assert_eq!(
        seen,
        [
            (10, vec![(0, 0, true, 2, 1), (1, 0, true, 2, 1)], vec![], 0),
            (20, vec![(0, 1, false, 2, 0), (1, 1, true, 3, 2)], vec![blind], 1),
            (30, vec![(0, 1, false, 1, 0), (1, 2, true, 2, 3)], vec![blind], 0),
            (40, vec![(0, 1, true, 1, 1), (1, 3, true, 1, 4)], vec![], 0),
        ]
    );
    let gap = &out[1].gaps[0];
    assert_eq!((gap.from, gap.to, &gap.quotes[..]), (tick(12.0, 0).time, to, &[4, 4][..]));
}

#[test]
fn a_gap_lets_what_was_over_before_it_close_first_and_is_none_before_the_first_quote() {
    let mut resampler = resampler(&[(0, "10s")], 3);
    let mut out = Vec::new();
    resampler.gap(&[EpicIdx(0)], None, tick(5.0, 0).time, "start".to_owned(), &mut out);
    resampler.push(block(&[(0, tick(1.0, 1)), (0, tick(9.0, 1))]), &mut out);
    resampler.gap(&[EpicIdx(0)], Some(tick(10.2, 0).time), tick(14.0, 0).time, "a cut".to_owned(), &mut out);
    assert_eq!((out.len(), out[0].void.len(), out[0].gaps.len()), (1, 0, 0));
    assert!(out[0].bars[0].is_closed, "0..10 was over before the gap");
}

#[test]
fn windows_that_begin_anew_after_a_gap_begin_without_bars_of_the_past() {
    let level = Ohlc::of(Price::from_micros(100));
    let past = |start: f64| PastBar { start: tick(start, 0).time, bid: level, offer: level, ticks: 1 };
    let at = |seconds: f64| tick(seconds, 0).time;
    // No gap; one after the first quote; one before it.
    for (which, gap, want) in [
        ("none", None, [(3, 1), (4, 0)]),
        ("after the first quote", Some((None, at(103.0))), [(0, 0), (1, 0)]),
        ("before it", Some((Some(at(99.0)), at(105.0))), [(0, 0), (1, 0)]),
    ] {
        let mut resampler = resampler(&[(0, "10s")], 3);
        let bars = vec![past(80.0), past(90.0)];
        let (source, sha256) = ("past".to_owned(), String::new());
        resampler.warm(vec![Warmup { stream: StreamIdx(0), source, sha256, bars }]);
        let mut out = Vec::new();
        let before = if which == "before it" { Vec::new() } else { vec![(0, tick(101.0, 100))] };
        resampler.push(block(&before), &mut out);
        if let Some((from, to)) = gap {
            resampler.gap(&[EpicIdx(0)], from, to, "cut".to_owned(), &mut out);
        }
        resampler.push(block(&[106.0, 111.0, 121.0].map(|t| (0, tick(t, 100)))), &mut out);
        let seen: Vec<_> = out.iter().map(|round| (round.bars[0].mids2.len(), round.warmups.len())).collect();
        assert_eq!(seen, want, "{which}");
    }
}
