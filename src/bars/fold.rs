//! The arithmetic of bars: runs of quotes folded into open, high, low, close and count, and the order of closings.
//!
//! The hot loop looks for the next end of any open bar, folds every quote below it in one go, and merges that segment
//! into each open bar of the epic; so a second resolution costs a merge a segment and nothing a quote.

use std::ops::Range;

use crate::domain::{EpicIdx, Micros, Ohlc, Price, Resolution, StreamIdx, Tick, UtcMicros};
use crate::feed::BarRow;

/// The end of a bar that is not open.
const NEVER: UtcMicros = UtcMicros(i64::MAX);

/// A bar by its numbers, without memory of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoldedBar {
    /// Whose bar it is.
    pub stream: StreamIdx,
    /// Its number in its stream, from 0.
    pub seq: u64,
    /// Its first moment.
    pub start: UtcMicros,
    /// The first moment after it.
    pub end: UtcMicros,
    /// The bid.
    pub bid: Ohlc,
    /// The offer.
    pub offer: Ohlc,
    /// How many quotes it was made of.
    pub ticks: u32,
    /// How many of its quotes are known: all of them, or none where it was made of bars.
    pub quotes: u32,
    /// The number, among the quotes of its epic, of its first one.
    pub quotes_from: u64,
    /// Closed bars of the stream since its windows were last cleared, this one included, at most as many as a window
    /// holds.
    pub window: u32,
}

/// Bars that close together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closing {
    /// Their end.
    pub time: UtcMicros,
    /// Their places in [`Closings::bars`] end here and begin where those of the closing before end.
    pub bars_end: usize,
}

/// What closed, in order.
#[derive(Clone, Debug, Default)]
pub struct Closings {
    /// Every bar, by closing, then stream.
    pub bars: Vec<FoldedBar>,
    /// The closings in order of time.
    pub rounds: Vec<Closing>,
    /// For each closing the number of quotes of each epic that came before it.
    pub(super) cuts: Vec<u64>,
}

impl Closings {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bars.clear();
        self.rounds.clear();
        self.cuts.clear();
    }
}

/// A recorded closing names a bar that is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no open bar of stream {} ends at {time}", .stream.0)]
pub struct NotOpen {
    /// The stream.
    pub stream: StreamIdx,
    /// The recorded end.
    pub time: UtcMicros,
}

/// One epic at one resolution.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) epic: EpicIdx,
    pub(super) resolution: Resolution,
    /// The end of the open bar, or [`NEVER`].
    end: UtcMicros,
    /// The open bar, or the last one where none is open; its `seq` is the number of the next bar to close, its `window`
    /// counts the closed ones before it.
    pub(super) bar: FoldedBar,
}

impl Stream {
    /// The end of the open bar.
    pub(super) fn open_end(&self) -> Option<UtcMicros> {
        Some(self.end).filter(|end| *end != NEVER)
    }
}

/// What is known of one epic.
#[derive(Clone, Debug, Default)]
pub(super) struct EpicState {
    /// Accepted quotes.
    pub(super) quotes: u64,
    /// Accepted ready-made bars.
    pub(super) rows: u64,
    /// Time of the last quote, or end of the last ready-made bar.
    pub(super) last: Option<UtcMicros>,
    /// The places of its streams.
    pub(super) streams: Range<usize>,
}

/// Quotes below one boundary.
struct Segment {
    bid: Ohlc,
    offer: Ohlc,
    ticks: u32,
    quotes: u32,
}

/// Folds quotes into bars and closes them.
#[derive(Clone, Debug)]
pub struct Folder {
    pub(super) streams: Vec<Stream>,
    /// The earliest end of any open bar, or [`NEVER`].
    next_end: UtcMicros,
    pub(super) epics: Vec<EpicState>,
    /// How far the quotes and closings have come.
    pub(super) event_time: UtcMicros,
    pub(super) reset_after: Micros,
    pub(super) window_max: u32,
}

impl Folder {
    /// For `n_epics` markets and these streams. A silence of an epic longer than `reset_after` clears the windows of its
    /// streams; a window holds `lookback_max + 1` closes.
    ///
    /// # Panics
    /// If `streams` is not in order of epic, then resolution, or names an epic beyond `n_epics`.
    #[must_use]
    pub fn new(streams: &[(EpicIdx, Resolution)], n_epics: usize, lookback_max: usize, reset_after: Micros) -> Self {
        assert!(streams.windows(2).all(|pair| pair[0] < pair[1]), "streams stand in order, each once");
        assert!(u16::try_from(streams.len()).is_ok(), "streams have numbers of 16 bits");
        let of = |epic: usize| {
            let from = streams.partition_point(|(e, _)| usize::from(e.0) < epic);
            let to = streams.partition_point(|(e, _)| usize::from(e.0) <= epic);
            EpicState { streams: from..to, ..EpicState::default() }
        };
        assert!(streams.iter().all(|(e, _)| usize::from(e.0) < n_epics), "every stream is of a known market");
        let stream = |(place, &(epic, resolution)): (u16, &(EpicIdx, Resolution))| {
            let nothing = Ohlc::of(Price::ZERO);
            let bar = FoldedBar {
                stream: StreamIdx(place),
                seq: 0,
                start: UtcMicros(0),
                end: UtcMicros(0),
                bid: nothing,
                offer: nothing,
                ticks: 0,
                quotes: 0,
                quotes_from: 0,
                window: 0,
            };
            Stream { epic, resolution, end: NEVER, bar }
        };
        Self {
            streams: (0..).zip(streams).map(stream).collect(),
            next_end: NEVER,
            epics: (0..n_epics).map(of).collect(),
            event_time: UtcMicros(i64::MIN),
            reset_after,
            window_max: u32::try_from(lookback_max.saturating_add(1)).unwrap_or(u32::MAX),
        }
    }

    /// Takes quotes of one epic, in order of time, and appends what closes to `out`.
    ///
    /// Quotes at the front that belong to a bar whose end event time has passed are too late and are left out; the
    /// number of those is returned.
    ///
    /// # Panics
    /// If `epic` is beyond the known markets.
    pub fn push(&mut self, epic: EpicIdx, ticks: &[Tick], out: &mut Closings) -> usize {
        let e = usize::from(epic.0);
        let n_late = match ticks.first() {
            Some(first) if first.time < self.event_time => {
                let open_from = self.open_from(e);
                ticks.iter().take_while(|tick| tick.time < open_from).count()
            }
            _ => 0,
        };
        let mut rest = &ticks[n_late..];
        let Some(last) = rest.last() else {
            return n_late;
        };
        let end_time = last.time;
        while let Some(first) = rest.first() {
            let time = first.time;
            if self.next_end <= time {
                self.close_until(time, out);
            }
            if self.epics[e].last.is_some_and(|last| time - last > self.reset_after) {
                self.clear_windows(e);
            }
            self.open(e, time, first.bid, first.offer);
            let segment = fold(rest, self.next_end);
            let (taken, after) = rest.split_at(segment.quotes as usize);
            self.merge(e, &segment);
            let last = taken[taken.len() - 1].time;
            // A silence inside a segment takes a segment that is longer.
            if last - time > self.reset_after
                && taken.windows(2).any(|pair| pair[1].time - pair[0].time > self.reset_after)
            {
                self.clear_windows(e);
            }
            let state = &mut self.epics[e];
            state.last = Some(last);
            state.quotes += u64::from(segment.quotes);
            rest = after;
        }
        self.event_time = self.event_time.max(end_time);
        n_late
    }

    /// Takes one ready-made bar and appends what its start closes to `out`; says whether it was taken. It is not where
    /// it comes too late. Streams whose length is no multiple of the bar's do not see it.
    ///
    /// # Panics
    /// If its epic is beyond the known markets.
    pub fn push_bar(&mut self, row: &BarRow, out: &mut Closings) -> bool {
        let e = usize::from(row.epic.0);
        if row.start < self.event_time && row.start < self.open_from(e) {
            return false;
        }
        self.close_until(row.start, out);
        if self.epics[e].last.is_some_and(|last| row.start - last > self.reset_after) {
            self.clear_windows(e);
        }
        self.open(e, row.start, row.bid.open, row.offer.open);
        self.merge(e, &Segment { bid: row.bid, offer: row.offer, ticks: row.ticks, quotes: 0 });
        let state = &mut self.epics[e];
        state.last = Some(row.start + row.length);
        state.rows += 1;
        self.event_time = self.event_time.max(row.start);
        true
    }

    /// Closes every open bar with an end at or before `now`, in order of end.
    pub fn close_until(&mut self, now: UtcMicros, out: &mut Closings) {
        while self.next_end <= now && self.next_end != NEVER {
            let time = self.next_end;
            let mut next = NEVER;
            for stream in &mut self.streams {
                if stream.end == time {
                    close(stream, self.window_max, out);
                } else {
                    next = next.min(stream.end);
                }
            }
            self.next_end = next;
            self.seal(time, out);
        }
    }

    /// Closes the open bars of these streams, which end at `time`, and no others.
    ///
    /// # Errors
    /// [`NotOpen`] where one of them is not open or ends at another time; then nothing is closed.
    pub fn close_exact(&mut self, time: UtcMicros, streams: &[StreamIdx], out: &mut Closings) -> Result<(), NotOpen> {
        let is_open = |s: &StreamIdx| self.streams.get(usize::from(s.0)).is_some_and(|stream| stream.end == time);
        if let Some(stream) = streams.iter().find(|s| !is_open(s)) {
            return Err(NotOpen { stream: *stream, time });
        }
        for stream in &mut self.streams {
            if streams.contains(&stream.bar.stream) {
                close(stream, self.window_max, out);
            }
        }
        self.next_end = self.streams.iter().map(|stream| stream.end).min().unwrap_or(NEVER);
        self.seal(time, out);
        Ok(())
    }

    /// Takes the bars that have not closed, in order of stream; their numbers are those of the next bars.
    pub fn take_open(&mut self, out: &mut Closings) {
        for stream in self.streams.iter_mut().filter(|stream| stream.end != NEVER) {
            out.bars.push(stream.bar);
            stream.end = NEVER;
        }
        self.next_end = NEVER;
        let time = self.event_time;
        self.seal(time, out);
    }

    /// Accepted quotes, or ready-made bars, of each epic so far.
    #[must_use]
    pub fn accepted(&self) -> Vec<u64> {
        self.epics.iter().map(|epic| epic.quotes + epic.rows).collect()
    }

    /// How far the quotes and closings have come; `None` before the first.
    #[must_use]
    pub fn event_time(&self) -> Option<UtcMicros> {
        (self.event_time.0 != i64::MIN).then_some(self.event_time)
    }

    /// Makes the restored bar of `streams[s]` the open one.
    pub(super) fn reopen(&mut self, s: usize) {
        let stream = &mut self.streams[s];
        stream.end = stream.bar.end;
        self.next_end = self.next_end.min(stream.end);
    }

    /// Whether a first quote of the epic at `time` would come after its bar had closed.
    pub(super) fn is_late(&self, e: usize, time: UtcMicros) -> bool {
        time < self.event_time && time < self.open_from(e)
    }

    /// The earliest time that a quote of the epic may have: no bar of its may have ended by event time.
    fn open_from(&self, e: usize) -> UtcMicros {
        let streams = &self.streams[self.epics[e].streams.clone()];
        streams.iter().map(|s| s.resolution.floor(self.event_time)).max().unwrap_or(UtcMicros(i64::MIN))
    }

    fn clear_windows(&mut self, e: usize) {
        for stream in &mut self.streams[self.epics[e].streams.clone()] {
            stream.bar.window = 0;
        }
    }

    /// Opens the bars that hold `time` where none is open, at these prices.
    #[inline]
    fn open(&mut self, e: usize, time: UtcMicros, bid: Price, offer: Price) {
        let quotes_from = self.epics[e].quotes;
        for stream in &mut self.streams[self.epics[e].streams.clone()] {
            if stream.end != NEVER {
                continue;
            }
            let length = stream.resolution.length();
            let bar = &mut stream.bar;
            // The bar right after the last one is the usual case, and spares a division.
            bar.start =
                if bar.end <= time && time < bar.end + length { bar.end } else { stream.resolution.floor(time) };
            bar.end = bar.start + length;
            (bar.bid, bar.offer) = (Ohlc::of(bid), Ohlc::of(offer));
            (bar.ticks, bar.quotes, bar.quotes_from) = (0, 0, quotes_from);
            stream.end = bar.end;
            self.next_end = self.next_end.min(stream.end);
        }
    }

    #[inline]
    fn merge(&mut self, e: usize, segment: &Segment) {
        for stream in &mut self.streams[self.epics[e].streams.clone()] {
            let bar = &mut stream.bar;
            extend(&mut bar.bid, &segment.bid);
            extend(&mut bar.offer, &segment.offer);
            bar.ticks += segment.ticks;
            bar.quotes += segment.quotes;
        }
    }

    #[inline]
    fn seal(&mut self, time: UtcMicros, out: &mut Closings) {
        self.event_time = self.event_time.max(time);
        out.rounds.push(Closing { time, bars_end: out.bars.len() });
        out.cuts.extend(self.epics.iter().map(|epic| epic.quotes));
    }
}

#[inline]
fn close(stream: &mut Stream, window_max: u32, out: &mut Closings) {
    stream.bar.window = stream.bar.window.saturating_add(1).min(window_max);
    out.bars.push(stream.bar);
    stream.bar.seq += 1;
    stream.end = NEVER;
}

// Prices are compared as plain integers here: that of a derived order is not turned into a conditional move.

#[inline]
fn extend(bar: &mut Ohlc, later: &Ohlc) {
    bar.high = Price::from_micros(bar.high.micros().max(later.high.micros()));
    bar.low = Price::from_micros(bar.low.micros().min(later.low.micros()));
    bar.close = later.close;
}

/// Folds the quotes at the front that lie before `end`: at least the first.
#[inline]
fn fold(ticks: &[Tick], end: UtcMicros) -> Segment {
    let first = ticks[0];
    let (mut bid_high, mut offer_high) = (first.bid.micros(), first.offer.micros());
    let (mut bid_low, mut offer_low) = (bid_high, offer_high);
    let (mut bid, mut offer) = (bid_high, offer_high);
    let mut n = 1;
    let mut rest = &ticks[1..];
    // Four at a time, whose highest and lowest do not wait for those of the four before.
    while let Some((four, after)) = rest.split_first_chunk::<4>()
        && four[3].time.0 < end.0
    {
        let ([b0, b1, b2, b3], [o0, o1, o2, o3]) = (four.map(|t| t.bid.micros()), four.map(|t| t.offer.micros()));
        (bid, offer) = (b3, o3);
        bid_high = bid_high.max(b0.max(b1).max(b2.max(b3)));
        bid_low = bid_low.min(b0.min(b1).min(b2.min(b3)));
        offer_high = offer_high.max(o0.max(o1).max(o2.max(o3)));
        offer_low = offer_low.min(o0.min(o1).min(o2.min(o3)));
        n += 4;
        rest = after;
    }
    for tick in rest {
        if tick.time.0 >= end.0 {
            break;
        }
        (bid, offer) = (tick.bid.micros(), tick.offer.micros());
        bid_high = bid_high.max(bid);
        bid_low = bid_low.min(bid);
        offer_high = offer_high.max(offer);
        offer_low = offer_low.min(offer);
        n += 1;
    }
    let ohlc = |open, high, low, close| Ohlc {
        open,
        high: Price::from_micros(high),
        low: Price::from_micros(low),
        close: Price::from_micros(close),
    };
    Segment {
        bid: ohlc(first.bid, bid_high, bid_low, bid),
        offer: ohlc(first.offer, offer_high, offer_low, offer),
        ticks: n,
        quotes: n,
    }
}
