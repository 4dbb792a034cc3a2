//! Recorded files as a feed: one file an epic, quotes or ready-made bars, merged by time, then epic.

use std::collections::VecDeque;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::bar_csv::BarReader;
use super::csv::{BLOCK_TICKS, QuoteReader};
use super::{BadCounts, BarBlock, BarRow, Feed, FeedError, FeedEvent, Input, OnBad, QuoteBlock};
use crate::domain::{EpicIdx, Resolution, Tick, UtcMicros};

/// How many rows of bars are read at a time.
const BLOCK_ROWS: usize = 512;

/// One file of one epic.
#[derive(Clone, Debug)]
pub enum Recording {
    /// Quotes.
    Quotes {
        /// Whose.
        epic: EpicIdx,
        /// The file.
        input: Input,
    },
    /// Bars without their quotes.
    Bars {
        /// Whose.
        epic: EpicIdx,
        /// The file.
        input: Input,
        /// How long they are, where the file does not say it by itself.
        length: Option<Resolution>,
    },
}

#[derive(Debug)]
enum Source {
    Quotes { reader: QuoteReader, ahead: Vec<Tick>, at: usize },
    Bars { reader: BarReader, ahead: VecDeque<BarRow> },
}

#[derive(Debug)]
struct Lane {
    epic: EpicIdx,
    source: Source,
    has_more: bool,
}

impl Lane {
    /// Makes sure that the next item is at hand, or that there is none.
    fn fill(&mut self) -> Result<(), FeedError> {
        match &mut self.source {
            Source::Quotes { reader, ahead, at } => {
                while self.has_more && *at == ahead.len() {
                    *at = 0;
                    ahead.clear();
                    ahead.reserve_exact(BLOCK_TICKS);
                    self.has_more = reader.read(ahead, BLOCK_TICKS)?;
                }
            }
            Source::Bars { reader, ahead } => {
                while self.has_more && ahead.is_empty() {
                    self.has_more = reader.read(ahead, BLOCK_ROWS)?;
                }
            }
        }
        Ok(())
    }

    /// The time of the next item.
    fn head(&self) -> Option<UtcMicros> {
        match &self.source {
            Source::Quotes { ahead, at, .. } => ahead.get(*at).map(|tick| tick.time),
            Source::Bars { ahead, .. } => ahead.front().map(|row| row.start),
        }
    }

    fn is_bars(&self) -> bool {
        matches!(self.source, Source::Bars { .. })
    }

    fn bad(&self) -> &BadCounts {
        match &self.source {
            Source::Quotes { reader, .. } => reader.bad(),
            Source::Bars { reader, .. } => reader.bad(),
        }
    }

    fn progress(&self) -> f64 {
        match &self.source {
            Source::Quotes { reader, .. } => reader.progress(),
            Source::Bars { reader, .. } => reader.progress(),
        }
    }
}

/// Replays recorded files as fast as they are asked for.
#[derive(Debug)]
pub struct Replay {
    /// In order of epic.
    lanes: Vec<Lane>,
    bad: BadCounts,
    is_begun: bool,
    is_done: bool,
}

impl Replay {
    /// Opens every file and reads its header.
    ///
    /// # Errors
    /// [`FeedError::Twice`], [`FeedError::Header`], [`FeedError::Unreadable`].
    pub fn open(recordings: &[Recording], on_bad: OnBad) -> Result<Self, FeedError> {
        let mut lanes = Vec::with_capacity(recordings.len());
        for recording in recordings {
            let (epic, source) = match recording {
                Recording::Quotes { epic, input } => {
                    let reader = QuoteReader::open(input, on_bad)?;
                    (*epic, Source::Quotes { reader, ahead: Vec::new(), at: 0 })
                }
                Recording::Bars { epic, input, length } => {
                    let reader = BarReader::open(input, *epic, *length, on_bad)?;
                    (*epic, Source::Bars { reader, ahead: VecDeque::new() })
                }
            };
            lanes.push(Lane { epic, source, has_more: true });
        }
        lanes.sort_by_key(|lane| lane.epic);
        if let Some(pair) = lanes.windows(2).find(|pair| pair[0].epic == pair[1].epic) {
            return Err(FeedError::Twice { epic: pair[0].epic.0 });
        }
        Ok(Self { lanes, bad: BadCounts::default(), is_begun: false, is_done: false })
    }

    /// What comes next, as [`Feed::next`] gives it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn pull(&mut self) -> Result<Option<FeedEvent>, FeedError> {
        if self.is_done {
            return Ok(None);
        }
        self.is_begun = true;
        let event = self.merge();
        self.is_done = !matches!(event, Ok(Some(_)));
        let mut bad = BadCounts::default();
        self.lanes.iter().for_each(|lane| bad.merge(lane.bad()));
        self.bad = bad;
        event
    }

    fn merge(&mut self) -> Result<Option<FeedEvent>, FeedError> {
        for lane in &mut self.lanes {
            lane.fill()?;
        }
        if let [Lane { epic, source: Source::Quotes { ahead, at: 0, .. }, .. }] = self.lanes.as_mut_slice() {
            // One file alone: its blocks go on as they are.
            let block = QuoteBlock::of_one(*epic, std::mem::take(ahead));
            return Ok((!block.is_empty()).then_some(FeedEvent::Quotes(block)));
        }
        let mut quotes = QuoteBlock::default();
        let mut bars = BarBlock::default();
        // Lanes are in order of epic, so that among equal times the first in the list goes first.
        while let Some((first, _)) =
            self.lanes.iter().enumerate().filter_map(|(i, l)| Some((i, l.head()?))).min_by_key(|x| x.1)
        {
            let is_bars = self.lanes[first].is_bars();
            let is_other_kind = if is_bars { !quotes.is_empty() } else { !bars.rows.is_empty() };
            if is_other_kind || quotes.ticks.len() >= BLOCK_TICKS || bars.rows.len() >= BLOCK_ROWS {
                break;
            }
            // It goes on until another lane's turn comes: earlier lanes win ties, later ones lose them.
            let before = self.lanes[..first].iter().filter_map(Lane::head).min();
            let after = self.lanes[first + 1..].iter().filter_map(Lane::head).min();
            let is_turn = |time: UtcMicros| before.is_none_or(|t| time < t) && after.is_none_or(|t| time <= t);
            let lane = &mut self.lanes[first];
            match &mut lane.source {
                Source::Quotes { ahead, at, .. } => {
                    let run = ahead[*at..].iter().take_while(|tick| is_turn(tick.time)).count();
                    quotes.extend(lane.epic, &ahead[*at..*at + run]);
                    *at += run;
                }
                Source::Bars { ahead, .. } => {
                    while let Some(row) = ahead.front().filter(|row| is_turn(row.start)) {
                        bars.rows.push(*row);
                        ahead.pop_front();
                    }
                }
            }
            lane.fill()?;
        }
        Ok(if !quotes.is_empty() {
            Some(FeedEvent::Quotes(quotes))
        } else if !bars.rows.is_empty() {
            Some(FeedEvent::Bars(bars))
        } else {
            None
        })
    }
}

impl Feed for Replay {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        // Files are read where the caller stands: a feed has a thread to itself.
        async move { self.pull() }.boxed()
    }

    fn bad_quotes(&self) -> &BadCounts {
        &self.bad
    }

    fn progress(&self) -> Option<f64> {
        let sum: f64 = self.lanes.iter().map(Lane::progress).sum();
        (!self.lanes.is_empty()).then(|| sum / self.lanes.len() as f64)
    }

    fn skip(&mut self, accepted_per_epic: &[u64]) -> Result<(), FeedError> {
        if self.is_begun {
            return Err(FeedError::NotResumable("a replay skips before it begins"));
        }
        for lane in &mut self.lanes {
            let n = accepted_per_epic.get(usize::from(lane.epic.0)).copied().unwrap_or(0);
            match &mut lane.source {
                Source::Quotes { reader, .. } => reader.skip(n),
                Source::Bars { reader, .. } => reader.skip(n),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotes(epic: u16, times: &[i64]) -> Recording {
        let rows: String = times.iter().map(|t| format!("{t},1,2\n")).collect();
        let bytes = format!("ts_ms,bid,offer\n{rows}").into_bytes().into();
        Recording::Quotes { epic: EpicIdx(epic), input: Input::Memory { name: format!("{epic}.csv"), bytes } }
    }

    fn bars(epic: u16, minutes: &[i64]) -> Recording {
        let row = |m: &i64| format!("2014-05-01T00:{m:02}:00Z,1,1,1,1,2,2,2,2\n");
        let rows: String = minutes.iter().map(row).collect();
        let header = "time_utc,bid_open,bid_high,bid_low,bid_close,ask_open,ask_high,ask_low,ask_close\n";
        let input = Input::Memory { name: "b.csv".into(), bytes: format!("{header}{rows}").into_bytes().into() };
        Recording::Bars { epic: EpicIdx(epic), input, length: "1m".parse().ok() }
    }

    /// `(epic, time)` of everything, in order.
    fn drain(mut feed: Replay) -> Vec<(u16, i64)> {
        let mut all = Vec::new();
        while let Some(event) = feed.pull().unwrap() {
            match event {
                FeedEvent::Quotes(block) => {
                    let runs = block.iter_runs();
                    all.extend(runs.flat_map(|(epic, run)| run.iter().map(move |t| (epic.0, t.time.0 / 1_000))));
                }
                FeedEvent::Bars(block) => all.extend(block.rows.iter().map(|r| (r.epic.0, r.start.0 / 1_000))),
                other => panic!("{other:?}"),
            }
        }
        assert!(feed.pull().unwrap().is_none());
        all
    }

    #[test]
    fn files_merge_by_time_then_epic() {
        let feed =
            Replay::open(&[quotes(2, &[1, 5, 5, 9]), quotes(0, &[2, 5, 7]), quotes(1, &[5])], OnBad::Skip).unwrap();
        let want = [(2, 1), (0, 2), (0, 5), (1, 5), (2, 5), (2, 5), (0, 7), (2, 9)];
        assert_eq!(drain(feed), want);
    }

    #[test]
    fn blocks_do_not_show_in_a_long_merge() {
        let (even, odd): (Vec<i64>, Vec<i64>) = (0..20_000).partition(|n| n % 2 == 0);
        let feed = Replay::open(&[quotes(0, &even), quotes(1, &odd)], OnBad::Skip).unwrap();
        let want: Vec<_> = (0..20_000).map(|n| (u16::from(n % 2 == 1), n)).collect();
        assert_eq!(drain(feed), want);
    }

    #[test]
    fn quotes_and_bars_merge_too() {
        let midnight = 1_398_902_400_000;
        let feed =
            Replay::open(&[quotes(0, &[midnight + 1, midnight + 60_000]), bars(1, &[0, 1, 2])], OnBad::Skip).unwrap();
        let want = [(1, 0), (0, 1), (0, 60_000), (1, 60_000), (1, 120_000)];
        assert_eq!(drain(feed), want.map(|(epic, t)| (epic, midnight + t)));
    }

    #[test]
    fn skipping_resumes_after_so_many_of_each_epic() {
        let mut feed = Replay::open(&[quotes(0, &[1, 3, 5]), quotes(1, &[2, 4])], OnBad::Skip).unwrap();
        feed.skip(&[2, 1]).unwrap();
        assert_eq!(drain(feed), [(1, 4), (0, 5)]);
        let mut begun = Replay::open(&[quotes(0, &[1])], OnBad::Skip).unwrap();
        begun.pull().unwrap();
        assert!(begun.skip(&[1]).is_err());
    }

    #[test]
    fn two_files_for_one_epic_are_wrong_usage() {
        let error = Replay::open(&[quotes(3, &[1]), quotes(3, &[2])], OnBad::Skip).unwrap_err();
        assert!(error.is_usage() && matches!(error, FeedError::Twice { epic: 3 }));
    }

    #[test]
    fn a_feed_that_failed_is_at_its_end() {
        let mut feed = Replay::open(&[quotes(0, &[])], OnBad::Skip).unwrap();
        assert!(matches!(feed.pull(), Err(FeedError::NothingGood { .. })));
        assert!(matches!(feed.pull(), Ok(None)));
    }
}
