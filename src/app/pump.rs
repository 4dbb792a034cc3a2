//! The pump: feed in, resampler, slices out, at the pace of the run. The only place where event time meets the wall.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use indicatif::ProgressBar;
use tokio::sync::watch;
use tokio::time::Instant;

use super::RunError;
use super::director::{Answer, ClocksCompared, Director, Drain, SliceArrived, Stopped, TimePassed};
use crate::bars::Resampler;
use crate::clock::Clock;
use crate::domain::{BadQuote, Micros, UtcMicros};
use crate::feed::{Feed, FeedEvent, QuoteBlock};
use crate::flow::{Round, SLICE_ROUNDS_MAX, Slice};

/// Rounds that are usually gathered before a slice is sent while nothing waits for them.
pub const SLICE_ROUNDS: usize = 512;

/// The shortest sleep of a paced run: quotes that fall into it travel together.
const NAP: Duration = Duration::from_millis(2);

/// How often the desk of a live run is told that time passes.
const DESK_TICK: Duration = Duration::from_millis(250);

/// How fast event time goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Event seconds in one second; 0: as fast as it can.
    pub speed: f64,
    /// From the first live candidate on, not faster than this; 0: no such limit.
    pub live_speed_max: f64,
    /// A silence of event time longer than this is passed over in a paced run of synthetic quotes.
    pub skips_silence: Option<Micros>,
}

/// What the pump pumps.
#[derive(Debug)]
pub(super) struct Pump {
    /// Where quotes come from.
    pub feed: Box<dyn Feed>,
    /// What makes bars of them.
    pub resampler: Resampler,
    /// How fast.
    pub pace: Pace,
    /// How long a bar waits for late quotes when the market is silent.
    pub grace: Micros,
    /// Who takes the slices.
    pub director: Addr<Director>,
    /// Turns true when the run is to stop.
    pub stop: watch::Receiver<bool>,
    /// Shows how far the feed has come.
    pub progress: ProgressBar,
    /// Whether the bars that are open at the feed's end send their quotes through the paper broker (a replay), or wait
    /// for the arena to go on (a live run).
    pub has_tail: bool,
    /// Rounds that are gathered before a slice is sent while nothing waits for them.
    pub slice_rounds: usize,
    /// Of a live feed: the clock that closes its silent bars.
    pub clock: Option<Arc<dyn Clock>>,
}

/// The meeting of event time and the wall.
#[derive(Clone, Copy)]
struct Anchor {
    wall: Instant,
    event: UtcMicros,
    speed: f64,
}

impl Anchor {
    #[expect(clippy::cast_possible_truncation, reason = "a run of 292,000 years would be too long")]
    fn event_now(&self) -> UtcMicros {
        UtcMicros(self.event.0 + (self.wall.elapsed().as_secs_f64() * self.speed * 1e6) as i64)
    }

    fn wall_of(&self, event: UtcMicros) -> Instant {
        let ahead = (event - self.event).as_secs_f64() / self.speed;
        self.wall + Duration::from_secs_f64(ahead.clamp(0.0, 1e9))
    }
}

/// What a live run has to heed.
enum Live {
    /// Its feed.
    Event(Option<FeedEvent>),
    /// A bar that no quote has closed.
    Silence,
    /// The desk, whose deadlines do not wait for the end of a bar.
    Desk,
    /// The word to stop.
    Told,
}

/// Why the pump ended without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The feed has no more.
    Done,
    /// It was told to stop.
    Told,
}

impl Pump {
    /// Pumps until the feed ends or the run is told to stop, then has everything made durable.
    ///
    /// # Errors
    /// A sentence: the feed's, the director's, or the store's.
    pub(super) async fn run(mut self) -> Result<(Ending, Self), RunError> {
        let mut anchor: Option<Anchor> = None;
        let mut pending: Vec<Round> = Vec::new();
        let mut suspensions = Vec::new();
        let mut desk_due = Instant::now();
        let ending = loop {
            if *self.stop.borrow() {
                break Ending::Told;
            }
            let event = match self.clock.clone() {
                None => self.feed.next().await?,
                Some(clock) => match self.next_live(&*clock, desk_due).await? {
                    Live::Event(event) => event,
                    Live::Silence => {
                        self.resampler.close_due(clock.now() - self.grace, &mut pending);
                        if !pending.is_empty() {
                            self.send(&mut pending).await?;
                        }
                        continue;
                    }
                    Live::Desk => {
                        self.director.send(TimePassed(clock.now())).await.map_err(|_| director_gone())?;
                        desk_due = Instant::now() + DESK_TICK;
                        continue;
                    }
                    Live::Told => break Ending::Told,
                },
            };
            match event {
                None => break Ending::Done,
                Some(FeedEvent::Quotes(block)) if self.clock.is_some() => {
                    self.resampler.push(block, &mut pending);
                    if !pending.is_empty() {
                        self.send(&mut pending).await?;
                    }
                    while let Some((epic, skew)) = self.feed.clock_skew() {
                        self.director.send(ClocksCompared { epic, skew }).await.map_err(|_| director_gone())?;
                    }
                }
                Some(FeedEvent::Quotes(block)) if self.pace.speed > 0.0 => {
                    self.push_paced(block, &mut pending, &mut anchor).await?;
                }
                Some(FeedEvent::Quotes(block)) => {
                    self.resampler.push(block, &mut pending);
                    // A sender that never waits would keep every other task of its thread from running.
                    tokio::task::yield_now().await;
                }
                Some(FeedEvent::Bars(block)) => {
                    self.resampler.push_bars(&block, &mut pending).map_err(|error| Stopped(error.to_string()))?;
                    tokio::task::yield_now().await;
                }
                Some(FeedEvent::Close { time, streams }) => {
                    let from = pending.len();
                    self.resampler
                        .close_exact(time, &streams, &mut pending)
                        .map_err(|error| Stopped(error.to_string()))?;
                    if let Some(round) = pending.get_mut(from) {
                        round.suspensions.append(&mut suspensions);
                    }
                }
                Some(FeedEvent::Suspended { model, reason, .. }) => suspensions.push((model, reason)),
                Some(FeedEvent::Gap { from, to, epics, reason }) => {
                    self.resampler.gap(&epics, from, to, reason, &mut pending);
                }
            }
            if pending.len() >= self.slice_rounds {
                let answer = self.send(&mut pending).await?;
                self.heed(answer, &mut anchor);
            }
            if let Some(share) = self.feed.progress() {
                self.progress.set_position(share_of(share, self.progress.length()));
            }
        };
        if ending == Ending::Done && self.has_tail {
            pending.extend(self.resampler.tail());
        }
        if !pending.is_empty() {
            self.send(&mut pending).await?;
        }
        let drain = Drain { bars: self.resampler.checkpoint(), is_done: ending == Ending::Done };
        self.director.send(drain).await.map_err(|_| director_gone())??;
        Ok((ending, self))
    }

    /// What a live run does next: it heeds its feed, the end of its bars, and the desk's need to look after what is open,
    /// which quotes that come without a pause must not put off.
    async fn next_live(&mut self, clock: &dyn Clock, desk_due: Instant) -> Result<Live, RunError> {
        // A connection that is down may bring the quotes of a bar yet: only one that is up can tell that there are none.
        let is_whole = self.feed.is_whole();
        let end = self.resampler.next_end().filter(|_| is_whole).map(|end| end + self.grace);
        let until_end = end.map(|end| Duration::from_micros(u64::try_from((end - clock.now()).0).unwrap_or(0)));
        tokio::select! {
            biased;
            // Whoever could tell us to stop is gone: so is the run.
            _ = self.stop.changed() => Ok(Live::Told),
            () = tokio::time::sleep_until(desk_due) => Ok(Live::Desk),
            event = self.feed.next() => Ok(Live::Event(event?)),
            () = tokio::time::sleep(until_end.unwrap_or_default()), if until_end.is_some() => Ok(Live::Silence),
        }
    }

    /// Sends what is pending, in slices; the last one is a place to go on from.
    async fn send(&mut self, pending: &mut Vec<Round>) -> Result<Answer, Stopped> {
        let mut rest = std::mem::take(pending);
        let mut answer = Answer::default();
        // A paced run sends each round by itself: a model that is too slow is suspended at the round that it is slow in.
        let is_replay = self.pace.speed.total_cmp(&0.0).is_eq();
        let mut is_quiet = is_replay;
        while !rest.is_empty() {
            let len = if is_quiet { SLICE_ROUNDS_MAX.min(rest.len()) } else { 1 };
            let after = rest.split_off(len);
            let slice = Arc::new(Slice { rounds: rest });
            rest = after;
            let bars = rest.is_empty().then(|| self.resampler.checkpoint());
            let message = SliceArrived { slice, bars, bad: self.bad() };
            answer = self.director.send(message).await.map_err(|_| director_gone())??;
            is_quiet = is_replay && answer.is_quiet;
        }
        Ok(answer)
    }

    fn bad(&self) -> Vec<(String, u64)> {
        let of_feed = self.feed.bad_quotes().iter().filter(|(kind, _)| *kind != BadQuote::Late);
        let late = std::iter::once((BadQuote::Late, self.resampler.late()));
        of_feed.chain(late).map(|(kind, n)| (kind.word().to_owned(), n)).collect()
    }

    /// Slows down when somebody goes live, if the run says so.
    fn heed(&mut self, answer: Answer, anchor: &mut Option<Anchor>) {
        let limit = self.pace.live_speed_max;
        let is_faster = self.pace.speed.total_cmp(&0.0).is_eq() || self.pace.speed > limit;
        if answer.has_live && limit > 0.0 && is_faster {
            self.pace.speed = limit;
            *anchor = None;
        }
    }

    /// Gives a block's quotes to the resampler as their time comes, and closes bars when the market is silent.
    async fn push_paced(
        &mut self,
        block: QuoteBlock,
        pending: &mut Vec<Round>,
        anchor: &mut Option<Anchor>,
    ) -> Result<(), Stopped> {
        let mut rest = block;
        while !rest.is_empty() {
            if *self.stop.borrow() {
                return Ok(());
            }
            let next = rest.ticks[0].time;
            let is_silent = |at: &Anchor| self.pace.skips_silence.is_some_and(|most| (next - at.event_now()) > most);
            let at = match *anchor {
                Some(at) if !is_silent(&at) => at,
                _ => *anchor.insert(Anchor { wall: Instant::now(), event: next, speed: self.pace.speed }),
            };
            let now = at.event_now();
            let (due, later) = split_at_time(rest, now);
            rest = later;
            // What lies beyond this block is not known yet: a clock that runs ahead of it closes nothing there, or the
            // next block's quotes would be late by no fault of theirs.
            let known = due.last_time().filter(|_| rest.is_empty()).map_or(now, |last| last.min(now));
            if !due.is_empty() {
                self.resampler.push(due, pending);
            }
            self.resampler.close_due(known - self.grace, pending);
            if !pending.is_empty() {
                let answer = self.send(pending).await?;
                self.heed(answer, anchor);
                continue;
            }
            if let Some(tick) = rest.ticks.first() {
                let silence = self.resampler.next_end().map(|end| end + self.grace);
                let wake = silence.map_or(tick.time, |end| end.min(tick.time));
                let until = at.wall_of(wake).max(Instant::now() + NAP);
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    changed = self.stop.changed() => if changed.is_err() { return Ok(()) },
                }
            }
        }
        Ok(())
    }
}

fn director_gone() -> Stopped {
    Stopped("the director ended by itself".to_owned())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1 of a length")]
fn share_of(share: f64, length: Option<u64>) -> u64 {
    (share.clamp(0.0, 1.0) * length.unwrap_or(0) as f64) as u64
}

/// The quotes at or before `now`, and the later ones.
fn split_at_time(block: QuoteBlock, now: UtcMicros) -> (QuoteBlock, QuoteBlock) {
    let at = block.ticks.partition_point(|tick| tick.time <= now);
    if at == 0 || at == block.ticks.len() {
        return if at == 0 { (QuoteBlock::default(), block) } else { (block, QuoteBlock::default()) };
    }
    let (mut due, mut later) = (QuoteBlock::default(), QuoteBlock::default());
    let mut seen = 0;
    for (epic, run) in block.iter_runs() {
        let cut = at.saturating_sub(seen).min(run.len());
        due.extend(epic, &run[..cut]);
        later.extend(epic, &run[cut..]);
        seen += run.len();
    }
    (due, later)
}
