//! A recorded session as a feed: the accepted quotes, the closings and the suspensions of a store, each at the place
//! where it happened.
//!
//! Closings carry how many quotes of each epic came before them, so that what the wall clock did then (closing a silent
//! bar) is done again at the same place whatever it does now. A reader thread goes through the store and hands events
//! over a bounded channel: a session of any length needs the memory of a few blocks.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::csv::BLOCK_TICKS;
use super::{BadCounts, Feed, FeedError, FeedEvent, QuoteBlock};
use crate::domain::{EpicIdx, StreamIdx, Tick, UtcMicros};
use crate::flow::Warmup;
use crate::store::entry::{self, QuoteEntry, SessionEntry, UpkeepEntry};
use crate::store::{Lane, Store, StoreError};

/// How many events wait for the arena at most.
const EVENTS_AHEAD: usize = 4;

type Message = Result<Option<FeedEvent>, FeedError>;

enum Stage {
    /// Not begun.
    Ready(Box<dyn Store>),
    /// A thread reads.
    Running(mpsc::Receiver<Message>),
    /// At its end.
    Done,
}

/// Replays a recorded session.
pub struct Session {
    stage: Stage,
    bad: BadCounts,
    /// Quotes handed over, and how many there were to be at the last closing.
    closings: u64,
    closings_done: Arc<AtomicU64>,
    warmups: Vec<Warmup>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("closings", &self.closings).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens the session that `store` recorded.
    ///
    /// # Errors
    /// [`FeedError::Store`] where it cannot be read; [`FeedError::Session`] where it holds no quotes.
    pub fn open(store: Box<dyn Store>) -> Result<Self, FeedError> {
        let lanes = store.lanes()?;
        if !lanes.iter().any(|lane| matches!(lane, Lane::Quotes(_))) {
            return Err(FeedError::Session("it holds no quotes".to_owned()));
        }
        let deleted = entry::read_lane::<UpkeepEntry>(&*store, Lane::Upkeep)?;
        let is_quotes = |entry: &&UpkeepEntry| matches!(entry, UpkeepEntry::Deleted { lane: Lane::Quotes(_), .. });
        if let Some(UpkeepEntry::Deleted { to, .. }) = deleted.iter().rfind(is_quotes) {
            let why = format!(
                "raw quotes of it up to {to} were deleted by [store] retention: replay a backup that is older, or its bars \
                 (`arena export --table bars`, `arena replay --bars`)"
            );
            return Err(FeedError::Session(why));
        }
        let (mut closings, mut warmups) = (0, Vec::new());
        for block in store.read(Lane::Session) {
            for entry in entry::decode(Lane::Session, &block?)? {
                match entry {
                    SessionEntry::Closed { .. } => closings += 1,
                    SessionEntry::WarmedUp { stream, source, sha256, bars } => {
                        warmups.push(Warmup { stream: StreamIdx(stream), source, sha256, bars });
                    }
                    _ => {}
                }
            }
        }
        let (stage, bad, closings_done) = (Stage::Ready(store), BadCounts::default(), Arc::default());
        Ok(Self { stage, bad, closings, closings_done, warmups })
    }

    /// What the windows of its streams began with.
    #[must_use]
    pub fn warmups(&self) -> &[Warmup] {
        &self.warmups
    }

    fn begin(&mut self, store: Box<dyn Store>) -> Result<(), FeedError> {
        let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
        let done = Arc::clone(&self.closings_done);
        let read = move || {
            let end = match Reader::new(store.as_ref(), &sender, &done).and_then(Reader::run) {
                Ok(()) | Err(Stop::Gone) => Ok(None),
                Err(Stop::Failed(error)) => Err(error),
            };
            // Where nobody listens any more there is nobody to tell.
            sender.blocking_send(end).ok();
        };
        std::thread::Builder::new()
            .name("session".into())
            .spawn(read)
            .map_err(|error| FeedError::Session(format!("no thread to read it: {error}")))?;
        self.stage = Stage::Running(receiver);
        Ok(())
    }

    async fn pull(&mut self) -> Message {
        if let Stage::Ready(_) = self.stage
            && let Stage::Ready(store) = std::mem::replace(&mut self.stage, Stage::Done)
        {
            self.begin(store)?;
        }
        let Stage::Running(receiver) = &mut self.stage else {
            return Ok(None);
        };
        // The reader always says that it has ended; a channel that closes without that lost its thread.
        let message = receiver.recv().await.unwrap_or_else(|| Err(FeedError::Session("its reader died".to_owned())));
        if !matches!(message, Ok(Some(_))) {
            self.stage = Stage::Done;
        }
        message
    }
}

impl Feed for Session {
    fn next(&mut self) -> BoxFuture<'_, Message> {
        self.pull().boxed()
    }

    fn bad_quotes(&self) -> &BadCounts {
        &self.bad
    }

    fn progress(&self) -> Option<f64> {
        let done = self.closings_done.load(Ordering::Relaxed);
        (self.closings > 0).then(|| done as f64 / self.closings as f64)
    }

    fn skip(&mut self, accepted_per_epic: &[u64]) -> Result<(), FeedError> {
        if accepted_per_epic.iter().any(|n| *n > 0) {
            return Err(FeedError::NotResumable("a recorded session is replayed from its beginning"));
        }
        Ok(())
    }
}

/// Why the reader stops before the end.
enum Stop {
    /// Nobody listens any more.
    Gone,
    Failed(FeedError),
}

impl From<FeedError> for Stop {
    fn from(error: FeedError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The quotes of one epic, block by block.
struct QuoteLane<'a> {
    epic: u16,
    blocks: Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + 'a>,
    ahead: VecDeque<Tick>,
    given: u64,
}

impl QuoteLane<'_> {
    fn head(&mut self) -> Result<Option<UtcMicros>, StoreError> {
        while self.ahead.is_empty() {
            let Some(block) = self.blocks.next() else {
                return Ok(None);
            };
            self.ahead = entry::decode::<QuoteEntry>(Lane::Quotes(self.epic), &block?)?.into();
        }
        Ok(self.ahead.front().map(|tick| tick.time))
    }
}

struct Reader<'a> {
    store: &'a dyn Store,
    /// In order of epic.
    lanes: Vec<QuoteLane<'a>>,
    sender: &'a mpsc::Sender<Message>,
    done: &'a AtomicU64,
}

impl<'a> Reader<'a> {
    fn new(store: &'a dyn Store, sender: &'a mpsc::Sender<Message>, done: &'a AtomicU64) -> Result<Self, Stop> {
        let mut lanes = Vec::new();
        for lane in store.lanes()? {
            if let Lane::Quotes(epic) = lane {
                lanes.push(QuoteLane { epic, blocks: store.read(lane), ahead: VecDeque::new(), given: 0 });
            }
        }
        lanes.sort_by_key(|lane| lane.epic);
        Ok(Self { store, lanes, sender, done })
    }

    fn run(mut self) -> Result<(), Stop> {
        for block in self.store.read(Lane::Session) {
            for entry in entry::decode::<SessionEntry>(Lane::Session, &block?)? {
                match entry {
                    SessionEntry::Closed { time, streams, quotes } => {
                        self.quotes_until(|epic| quotes.get(usize::from(epic)).copied().unwrap_or(0))?;
                        for lane in &self.lanes {
                            let want = quotes.get(usize::from(lane.epic)).copied().unwrap_or(0);
                            if lane.given != want {
                                let (epic, given) = (lane.epic, lane.given);
                                let text =
                                    format!("closing at {time} after {want} quotes of market {epic}, not {given}");
                                return Err(FeedError::Session(text).into());
                            }
                        }
                        self.done.fetch_add(1, Ordering::Relaxed);
                        self.send(FeedEvent::Close { time, streams: streams.into_iter().map(StreamIdx).collect() })?;
                    }
                    SessionEntry::Suspended { time, model, reason } => {
                        self.send(FeedEvent::Suspended { time, model, reason })?;
                    }
                    SessionEntry::Gap { from, to, epics, quotes, reason } => {
                        self.quotes_until(|epic| quotes.get(usize::from(epic)).copied().unwrap_or(0))?;
                        let epics = epics.into_iter().map(EpicIdx).collect();
                        self.send(FeedEvent::Gap { from: Some(from), to, epics, reason })?;
                    }
                    // What was configured, went wrong or was reloaded is no part of what the market did, and what the
                    // windows began with was told before the first quote.
                    SessionEntry::Configured { .. }
                    | SessionEntry::Fault { .. }
                    | SessionEntry::Ruled { .. }
                    | SessionEntry::Reloaded { .. }
                    | SessionEntry::WarmedUp { .. } => {}
                }
            }
        }
        self.quotes_until(|_| u64::MAX)
    }

    /// Sends the quotes of every epic up to its count, merged by time, then epic.
    fn quotes_until(&mut self, count: impl Fn(u16) -> u64) -> Result<(), Stop> {
        let mut block = QuoteBlock::default();
        loop {
            let mut next: Option<(usize, UtcMicros)> = None;
            for (place, lane) in self.lanes.iter_mut().enumerate() {
                if lane.given < count(lane.epic)
                    && let Some(time) = lane.head()?
                    && next.is_none_or(|(_, earliest)| time < earliest)
                {
                    next = Some((place, time));
                }
            }
            if block.ticks.len() >= BLOCK_TICKS || next.is_none() {
                let full = std::mem::take(&mut block);
                if !full.is_empty() {
                    self.send(FeedEvent::Quotes(full))?;
                }
            }
            let Some((place, _)) = next else {
                return Ok(());
            };
            let lane = &mut self.lanes[place];
            if let Some(tick) = lane.ahead.pop_front() {
                lane.given += 1;
                block.extend(EpicIdx(lane.epic), &[tick]);
            }
        }
    }

    fn send(&self, event: FeedEvent) -> Result<(), Stop> {
        self.sender.blocking_send(Ok(Some(event))).map_err(|_| Stop::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ModelId, Price};
    use crate::store::{Commit, Memory};

    fn tick(time: i64) -> Tick {
        Tick { time: UtcMicros(time), bid: Price::from_micros(1), offer: Price::from_micros(2) }
    }

    fn store(quotes: &[&[i64]], session: &[SessionEntry]) -> Box<dyn Store> {
        let mut store = Memory::default();
        let mut commit = Commit::default();
        for (epic, times) in quotes.iter().enumerate() {
            // A block a quote: where blocks are cut must not show.
            for time in *times {
                let mut bytes = Vec::new();
                entry::encode(&tick(*time), &mut bytes);
                commit.append(Lane::Quotes(epic.try_into().unwrap()), bytes);
            }
        }
        for one in session {
            let mut bytes = Vec::new();
            entry::encode(one, &mut bytes);
            commit.append(Lane::Session, bytes);
        }
        store.commit(commit).unwrap();
        Box::new(store)
    }

    fn closed(time: i64, quotes: &[u64]) -> SessionEntry {
        SessionEntry::Closed { time: UtcMicros(time), streams: vec![0], quotes: quotes.to_vec() }
    }

    fn drain(mut session: Session) -> Result<Vec<String>, FeedError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut told = Vec::new();
        runtime.block_on(async {
            while let Some(event) = session.next().await? {
                told.push(match event {
                    FeedEvent::Quotes(block) => {
                        let runs = block.iter_runs();
                        runs.flat_map(|(e, run)| run.iter().map(move |t| format!("{}@{}", e.0, t.time.0)))
                            .collect::<Vec<_>>()
                            .join(" ")
                    }
                    FeedEvent::Close { time, streams } => format!("close {} {streams:?}", time.0),
                    FeedEvent::Suspended { time, model, reason } => format!("{model} {reason} {}", time.0),
                    FeedEvent::Bars(_) => "bars".into(),
                    FeedEvent::Gap { from, to, epics, reason } => {
                        format!("gap {:?} {} {epics:?} {reason}", from.map(|from| from.0), to.0)
                    }
                });
            }
            Ok(told)
        })
    }

    #[test]
    fn closings_come_exactly_where_they_were_recorded() {
        let suspended =
            SessionEntry::Suspended { time: UtcMicros(20), model: ModelId::from("m"), reason: "deadline".into() };
        // The clock closed at 10 after two quotes of market 0 and one of market 1, though market 1's next came at 9.
        let store = store(&[&[1, 5, 11, 30], &[3, 9, 12]], &[closed(10, &[2, 1]), suspended, closed(20, &[3, 3])]);
        let session = Session::open(store).unwrap();
        let want = [
            "0@1 1@3 0@5",
            "close 10 [StreamIdx(0)]",
            "m deadline 20",
            "1@9 0@11 1@12",
            "close 20 [StreamIdx(0)]",
            "0@30",
        ];
        assert_eq!(drain(session).unwrap(), want);
    }

    #[test]
    fn a_session_that_contradicts_itself_is_an_error() {
        let error = drain(Session::open(store(&[&[1]], &[closed(10, &[2])])).unwrap()).unwrap_err();
        assert!(error.to_string().contains("after 2 quotes of market 0, not 1"), "{error}");
        assert!(Session::open(Box::new(Memory::default())).is_err());
    }

    #[test]
    fn a_session_is_dropped_in_the_middle_without_waiting() {
        let times: Vec<i64> = (0..100_000).collect();
        let mut session = Session::open(store(&[&times], &[])).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(session.next()).unwrap().is_some());
    }
}
