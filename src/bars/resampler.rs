//! Blocks of quotes in, rounds of bars out: what the director hands to the models.
//!
//! Memory is shared. A bar inside one block is a span of that block; a bar across blocks is copied once. The closing
//! mids of a stream are one run of memory a batch, of which each bar sees its own window.

use std::sync::Arc;

use super::fold::{Closings, FoldedBar, Folder, NotOpen, Stream};
use crate::domain::{Bar, EpicIdx, Micros, PastBar, Resolution, Span, StreamIdx, Tick, UtcMicros};
use crate::feed::{BarBlock, QuoteBlock};
use crate::flow::{EpicQuotes, Round, Warmup};

/// A ready-made bar that a stream cannot be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bars of {got} cannot make bars of {want} for the market number {}", .epic.0)]
pub struct UnfitBar {
    /// The market.
    pub epic: EpicIdx,
    /// The length of the ready-made bar.
    pub got: Micros,
    /// The length that a model needs.
    pub want: Resolution,
}

/// Quotes of one epic that a bar or round still to come will bring along.
#[derive(Clone, Debug, Default)]
pub(super) struct Carry {
    /// The number of the first one among the quotes of its epic.
    pub(super) base: u64,
    pub(super) ticks: Vec<Tick>,
    /// Quotes that a round has brought: the next one begins here.
    pub(super) round_from: u64,
}

/// The quotes of one epic in the block at hand.
#[derive(Clone, Debug, Default)]
struct Fresh {
    block: Arc<Vec<Tick>>,
    /// Where in the block the accepted ones begin.
    offset: usize,
    /// The number of that one.
    from: u64,
}

/// Resamples quotes, or ready-made bars, into rounds.
#[derive(Clone, Debug)]
pub struct Resampler {
    pub(super) folder: Folder,
    pub(super) carries: Vec<Carry>,
    /// The closing mids of each stream, doubled, as many as its next window needs.
    pub(super) windows: Vec<Vec<f64>>,
    /// The number of the next round.
    pub(super) seq: u64,
    pub(super) late: u64,
    closings: Closings,
    /// What the windows of each stream may begin with, until its first quote.
    past: Vec<Option<Warmup>>,
    /// What they did begin with, until the first bar of the stream closes.
    pub(super) warmed: Vec<Option<Arc<Warmup>>>,
}

impl Resampler {
    /// For `n_epics` markets and these streams: see [`Folder::new`].
    ///
    /// # Panics
    /// As [`Folder::new`].
    #[must_use]
    pub fn new(streams: &[(EpicIdx, Resolution)], n_epics: usize, lookback_max: usize, reset_after: Micros) -> Self {
        Self {
            folder: Folder::new(streams, n_epics, lookback_max, reset_after),
            carries: vec![Carry::default(); n_epics],
            windows: vec![Vec::new(); streams.len()],
            seq: 0,
            late: 0,
            closings: Closings::default(),
            past: vec![None; streams.len()],
            warmed: vec![None; streams.len()],
        }
    }

    /// Gives streams that have not begun something to begin with: the bars right before their first quote, as far as no
    /// silence longer than `reset_after` lies between any two of them or before that quote.
    pub fn warm(&mut self, warmups: Vec<Warmup>) {
        for warmup in warmups {
            let place = usize::from(warmup.stream.0);
            if let Some(past) = self.past.get_mut(place) {
                *past = Some(warmup);
            }
        }
    }

    /// The first quote of an epic comes at `first`: its windows begin with what is right before it.
    fn begin(&mut self, epic: usize, first: UtcMicros) {
        for place in self.folder.epics[epic].streams.clone() {
            let Some(Warmup { stream, source, sha256, bars }) = self.past[place].take() else { continue };
            let resolution = self.folder.streams[place].resolution;
            let (length, start) = (resolution.length(), resolution.floor(first));
            let until = bars.partition_point(|bar| bar.start + length <= start);
            let mut next = first;
            let is_near = |bar: &&PastBar| {
                let is_near = next - (bar.start + length) <= self.folder.reset_after;
                next = bar.start;
                is_near
            };
            let most = self.folder.window_max as usize - 1;
            let used = bars[..until].iter().rev().take(most).take_while(is_near).count();
            if used == 0 {
                continue;
            }
            let bars = bars[until - used..until].to_vec();
            self.windows[place] = bars.iter().map(PastBar::mid2).collect();
            self.folder.streams[place].bar.window = u32::try_from(used).expect("a window is shorter than 2^32");
            self.warmed[place] = Some(Arc::new(Warmup { stream, source, sha256, bars }));
        }
    }

    /// Whether nothing of the epic was taken yet, and something waits for its first quote.
    fn waits(&self, epic: usize) -> bool {
        let state = &self.folder.epics[epic];
        state.last.is_none() && self.past[state.streams.clone()].iter().any(Option::is_some)
    }

    /// Takes a block of quotes and appends the rounds that it closes to `out`; returns how many of its quotes were too
    /// late, which are counted and left out.
    ///
    /// # Panics
    /// If the block names an epic beyond the known markets.
    pub fn push(&mut self, block: QuoteBlock, out: &mut Vec<Round>) -> u64 {
        let before: Vec<u64> = self.folder.epics.iter().map(|epic| epic.quotes).collect();
        let mut fresh = vec![Fresh::default(); before.len()];
        let mut n_late = 0;
        if let [(epic, _)] = block.runs[..] {
            n_late = self.push_run(epic, &block.ticks);
            fresh[usize::from(epic.0)] = Fresh { block: Arc::new(block.ticks), offset: n_late, from: 0 };
        } else {
            let mut split = vec![Vec::new(); before.len()];
            for (epic, run) in block.iter_runs() {
                let late = self.push_run(epic, run);
                split[usize::from(epic.0)].extend_from_slice(&run[late..]);
                n_late += late;
            }
            for (fresh, ticks) in fresh.iter_mut().zip(split) {
                fresh.block = Arc::new(ticks);
            }
        }
        for (fresh, from) in fresh.iter_mut().zip(before) {
            fresh.from = from;
        }
        self.late += n_late as u64;
        self.emit(&fresh, true, out);
        n_late as u64
    }

    /// Takes a run of quotes of one epic; returns how many were late.
    fn push_run(&mut self, epic: EpicIdx, run: &[Tick]) -> usize {
        let place = usize::from(epic.0);
        if self.waits(place)
            && let Some(first) = run.iter().find(|tick| !self.folder.is_late(place, tick.time))
        {
            self.begin(place, first.time);
        }
        self.folder.push(epic, run, &mut self.closings)
    }

    /// Takes ready-made bars instead of quotes: the same rounds, whose bars bring no quotes. Returns how many were late.
    ///
    /// A bar may be as long as a stream's bars, or divide them evenly; it is complete when a later one begins.
    ///
    /// # Errors
    /// [`UnfitBar`] where a bar fits a stream of its epic neither way; those before it are taken.
    ///
    /// # Panics
    /// If the block names an epic beyond the known markets.
    pub fn push_bars(&mut self, block: &BarBlock, out: &mut Vec<Round>) -> Result<u64, UnfitBar> {
        let mut n_late = 0;
        let mut result = Ok(());
        for row in &block.rows {
            let streams = &self.folder.streams[self.folder.epics[usize::from(row.epic.0)].streams.clone()];
            let is_unfit = |r: Resolution| row.length.0 <= 0 || r.length().0 % row.length.0 != 0;
            if let Some(stream) = streams.iter().find(|stream| is_unfit(stream.resolution)) {
                result = Err(UnfitBar { epic: row.epic, got: row.length, want: stream.resolution });
                break;
            }
            let epic = usize::from(row.epic.0);
            if self.waits(epic) && !self.folder.is_late(epic, row.start) {
                self.begin(epic, row.start);
            }
            n_late += u64::from(!self.folder.push_bar(row, &mut self.closings));
        }
        self.late += n_late;
        self.emit(&[], true, out);
        result.map(|()| n_late)
    }

    /// Live: closes every open bar with an end at or before `now`, which is the clock less the grace.
    pub fn close_due(&mut self, now: UtcMicros, out: &mut Vec<Round>) {
        self.folder.close_until(now, &mut self.closings);
        self.emit(&[], true, out);
    }

    /// When the next open bar ends: what a live clock waits for.
    #[must_use]
    pub fn next_end(&self) -> Option<UtcMicros> {
        self.folder.streams.iter().filter_map(Stream::open_end).min()
    }

    /// Recorded sessions: closes the open bars of these streams, which end at `time`.
    ///
    /// # Errors
    /// [`NotOpen`]: the session was not made by these streams and quotes; nothing is closed.
    pub fn close_exact(&mut self, time: UtcMicros, streams: &[StreamIdx], out: &mut Vec<Round>) -> Result<(), NotOpen> {
        let result = self.folder.close_exact(time, streams, &mut self.closings);
        self.emit(&[], true, out);
        result
    }

    /// The last round of a replay: the bars that never closed, and the quotes that no round has brought. `None` where
    /// there are neither.
    ///
    /// Its time is that of the last quote, its bars have no window, and nothing may be pushed after it.
    pub fn tail(&mut self) -> Option<Round> {
        let has_quotes = self.carries.iter().zip(&self.folder.epics).any(|(c, e)| c.round_from < e.quotes);
        if self.next_end().is_none() && !has_quotes {
            return None;
        }
        self.folder.take_open(&mut self.closings);
        let mut out = Vec::with_capacity(1);
        self.emit(&[], false, &mut out);
        out.pop()
    }

    /// Accepted quotes, or ready-made bars, of each epic so far: what [`crate::feed::Feed::skip`] takes.
    #[must_use]
    pub fn accepted(&self) -> Vec<u64> {
        self.folder.accepted()
    }

    /// Quotes that came after their bar had closed.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The number of the next round.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.seq
    }

    /// Bars closed so far by each stream.
    #[must_use]
    pub fn bars_closed(&self) -> Vec<u64> {
        self.folder.streams.iter().map(|stream| stream.bar.seq).collect()
    }

    /// Makes rounds of what has closed, and keeps of the quotes what later ones will bring.
    fn emit(&mut self, fresh: &[Fresh], is_closed: bool, out: &mut Vec<Round>) {
        if !self.closings.rounds.is_empty() {
            let mut closings = std::mem::take(&mut self.closings);
            let windows = if is_closed { self.windows_of(&closings.bars) } else { Windows::default() };
            let n_epics = self.carries.len();
            out.reserve(closings.rounds.len());
            let mut from = 0;
            for (place, closing) in closings.rounds.iter().enumerate() {
                let of_bar = |at: usize| {
                    let bar = &closings.bars[at];
                    let mids2 = if is_closed { windows.of(bar, at) } else { Span::default() };
                    let quotes_to = bar.quotes_from + u64::from(bar.quotes);
                    let epic = usize::from(self.folder.streams[usize::from(bar.stream.0)].epic.0);
                    let quotes = self.span(fresh, epic, bar.quotes_from, quotes_to);
                    made(bar, quotes, mids2, is_closed)
                };
                let bars: Vec<Bar> = (from..closing.bars_end).map(of_bar).collect();
                let begun = bars.iter().filter(|bar| bar.seq == 0 && bar.is_closed);
                let begun: Vec<usize> = begun.map(|bar| usize::from(bar.stream.0)).collect();
                from = closing.bars_end;
                let cuts = &closings.cuts[place * n_epics..][..n_epics];
                let quotes = self.quotes_until(fresh, cuts);
                let warmups = begun.into_iter().filter_map(|place| self.warmed[place].take()).collect();
                let (seq, time) = (self.seq, closing.time);
                out.push(Round { seq, time, bars, quotes, suspensions: Vec::new(), warmups });
                self.seq += 1;
            }
            closings.clear();
            self.closings = closings;
        }
        self.carry_on(fresh);
    }

    /// The quotes of each epic since the last round, up to these numbers.
    fn quotes_until(&mut self, fresh: &[Fresh], cuts: &[u64]) -> Vec<EpicQuotes> {
        let n_active = self.carries.iter().zip(cuts).filter(|(carry, cut)| carry.round_from < **cut).count();
        let mut quotes = Vec::with_capacity(n_active);
        for (place, cut) in cuts.iter().enumerate() {
            let from = std::mem::replace(&mut self.carries[place].round_from, *cut);
            if from < *cut {
                let epic = EpicIdx(u16::try_from(place).expect("markets have numbers of 16 bits"));
                quotes.push(EpicQuotes { epic, quotes: self.span(fresh, place, from, *cut) });
            }
        }
        quotes
    }

    /// Quotes `from..to` of an epic: shared where they lie in the block at hand, else copied.
    fn span(&self, fresh: &[Fresh], epic: usize, from: u64, to: u64) -> Span<Tick> {
        if from == to {
            return Span::default();
        }
        let block = fresh.get(epic);
        if let Some(fresh) = block.filter(|fresh| from >= fresh.from) {
            return Span::new(Arc::clone(&fresh.block), fresh.place(from), fresh.place(to));
        }
        let carry = &self.carries[epic];
        let carried_to = carry.base + carry.ticks.len() as u64;
        let mut ticks = Vec::with_capacity(index(to - from));
        ticks.extend_from_slice(&carry.ticks[index(from - carry.base)..index(to.min(carried_to) - carry.base)]);
        if let Some(fresh) = block.filter(|_| to > carried_to) {
            ticks.extend_from_slice(&fresh.block[fresh.offset..fresh.place(to)]);
        }
        Span::of(ticks)
    }

    /// Appends the closing mids of these bars to the windows of their streams.
    fn windows_of(&mut self, bars: &[FoldedBar]) -> Windows {
        let before: Vec<usize> = self.windows.iter().map(Vec::len).collect();
        let mut ends = Vec::with_capacity(bars.len());
        for bar in bars {
            let window = &mut self.windows[usize::from(bar.stream.0)];
            window.push((bar.bid.close.micros() + bar.offer.close.micros()) as f64);
            ends.push(window.len());
        }
        let freeze = |(s, window): (usize, &mut Vec<f64>)| {
            if window.len() == before[s] {
                return Arc::default();
            }
            let full = std::mem::take(window);
            let keep = self.folder.streams[s].bar.window.min(self.folder.window_max - 1) as usize;
            window.extend_from_slice(&full[full.len() - keep..]);
            Arc::new(full)
        };
        let blocks = self.windows.iter_mut().enumerate().map(freeze).collect();
        Windows { blocks, ends }
    }

    /// Drops the quotes that no later bar or round will bring, and keeps the others of the block.
    fn carry_on(&mut self, fresh: &[Fresh]) {
        for (e, carry) in self.carries.iter_mut().enumerate() {
            let state = &self.folder.epics[e];
            let open = self.folder.streams[state.streams.clone()].iter().filter(|stream| stream.open_end().is_some());
            let keep = open.map(|stream| stream.bar.quotes_from).fold(carry.round_from, u64::min);
            let n_stale = index(keep - carry.base).min(carry.ticks.len());
            if n_stale > 0 {
                carry.ticks.drain(..n_stale);
            }
            carry.base += n_stale as u64;
            if let Some(fresh) = fresh.get(e) {
                let from = keep.max(fresh.from);
                carry.ticks.extend_from_slice(&fresh.block[fresh.place(from)..]);
                if carry.base < keep {
                    carry.base = keep;
                }
            }
        }
    }
}

impl Fresh {
    /// The place in the block of quote `number`.
    fn place(&self, number: u64) -> usize {
        self.offset + index(number - self.from)
    }
}

/// The windows of one batch: a run of memory for each stream that closed a bar, and where each bar's window ends.
#[derive(Default)]
struct Windows {
    blocks: Vec<Arc<Vec<f64>>>,
    ends: Vec<usize>,
}

impl Windows {
    fn of(&self, bar: &FoldedBar, place: usize) -> Span<f64> {
        let end = self.ends[place];
        Span::new(Arc::clone(&self.blocks[usize::from(bar.stream.0)]), end - bar.window as usize, end)
    }
}

fn made(bar: &FoldedBar, quotes: Span<Tick>, mids2: Span<f64>, is_closed: bool) -> Bar {
    Bar {
        stream: bar.stream,
        seq: bar.seq,
        start: bar.start,
        end: bar.end,
        bid: bar.bid,
        offer: bar.offer,
        ticks: bar.ticks,
        quotes,
        mids2,
        is_closed,
    }
}

/// A number of quotes as a place in memory.
fn index(number: u64) -> usize {
    usize::try_from(number).expect("quotes at hand are fewer than memory has places")
}
