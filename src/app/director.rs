//! The director: takes slices from the pump, fans them out, settles what comes back, has it journalled, and shows it.
//! Operators' commands take their turn between two slices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture};
use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Notify};

use super::champions::LiveVersions;
use super::sealing::{Anchor, seal};
use crate::broker::DealingRules;
use crate::config::{self, Config, Difference, Pinned, Resolver};
use crate::control::{Command, ControlError, Done, ModelView};
use crate::domain::{EpicIdx, Micros, SeatIdx, UtcMicros};
use crate::flow::{Board, Change, Explanation, Slice};
use crate::models::ModelFactory;
use crate::seats::director::{FanOut, Gathered};
use crate::seats::{SharedSeat, Wants};
use crate::settle::Settlement;
use crate::store::StoreError;
use crate::store::actor::{Append, StoreActor};
use crate::telemetry::{log, metrics};

/// How often the board is made anew at most.
const BOARD_EVERY: Duration = Duration::from_millis(250);

/// When what was done is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is kept: entries go to memory, no checkpoints.
    Forgetful,
    /// After every slice.
    EveryRound,
    /// After a second of wall time, and after every lifecycle change and live intent.
    EverySecond,
}

/// A slice on its way from the pump.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, Stopped>")]
pub(super) struct SliceArrived {
    /// The rounds.
    pub slice: Arc<Slice>,
    /// The resampler as it was after them, where the slice ends at a place to go on from.
    pub bars: Option<Vec<u8>>,
    /// Refused rows by kind.
    pub bad: Vec<(String, u64)>,
}

/// What the pump must know after a slice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    /// Whether nobody is eligible or live, so that rounds may travel in slices.
    pub is_quiet: bool,
    /// Whether anybody is live.
    pub has_live: bool,
}

/// The arena cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Stopped(pub String);

/// Live alone: time has passed, for the desk.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct TimePassed(pub UtcMicros);

/// The broker's dealing rules, read again. Answers with what is another than before.
#[derive(Debug, Message)]
#[rtype(result = "Vec<String>")]
pub(super) struct RulesRead(pub Vec<DealingRules>);

/// Live alone: the venue's stamps of a market were held against our clock.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct ClocksCompared {
    /// The market.
    pub epic: EpicIdx,
    /// By how much the venue's are behind.
    pub skew: Micros,
}

/// The feed has ended, or the arena is asked to stop: everything is made durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Stopped>")]
pub(super) struct Drain {
    /// The resampler as it is, with the bars that are open.
    pub bars: Vec<u8>,
    /// Whether the feed has ended for good.
    pub is_done: bool,
}

/// An operator's command.
#[derive(Debug, Message)]
#[rtype(result = "Result<Done, ControlError>")]
pub(super) struct Operate(pub Command);

/// Asks for the gates of a model.
#[derive(Debug, Message)]
#[rtype(result = "Result<Explanation, ControlError>")]
pub(super) struct Explain(pub String);

/// Asks for everything about a model but its trades.
#[derive(Debug, Message)]
#[rtype(result = "Result<ModelView, ControlError>")]
pub(super) struct View(pub String);

/// Asks for the same by registration number.
#[derive(Debug, Message)]
#[rtype(result = "Result<ModelView, ControlError>")]
pub(super) struct ViewSeat(pub SeatIdx);

/// Asks for the roster's entry of a model.
#[derive(Debug, Message)]
#[rtype(result = "Result<crate::store::views::RosterEntry, ControlError>")]
pub(super) struct Find(pub String);

/// The director's own state; a lock that is handed on in order keeps slices and commands apart.
pub(super) struct Inner {
    pub(super) settlement: Settlement,
    pub(super) fan_out: FanOut,
    pub(super) seats: BTreeMap<SeatIdx, SharedSeat>,
    pub(super) store: Addr<StoreActor>,
    pub(super) board: Arc<ArcSwap<Board>>,
    pub(super) durability: Durability,
    pub(super) models: Arc<ModelFactory>,
    pub(super) file: Option<std::path::PathBuf>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) on_change: Box<dyn Fn(&Change) + Send>,
    /// Told of it too, where MLflow is to know.
    pub(super) live: Option<LiveVersions>,
    pub(super) board_at: Option<Instant>,
    /// Whether anybody looks at the board while the run goes on; if not, the last one is enough.
    pub(super) is_watched: bool,
    pub(super) flushed_at: Instant,
    /// Something weighty happened since the last flush, in a slice that is no place to go on from.
    pub(super) owes_flush: bool,
    /// The resampler at the last place to go on from.
    pub(super) bars: Vec<u8>,
    /// What audit records are signed with, and where the head of their chain is noted; a replay has neither.
    pub(super) sealer: Option<crate::promoter::Sealer>,
    pub(super) anchor: Option<Anchor>,
    /// Which channels of `[notify]` do not deliver.
    pub(super) notify_faults: Option<crate::notify::Faults>,
    /// Whether that place is now: not in the middle of a run of slices that the pump cut from one block.
    pub(super) is_at_rest: bool,
}

/// The director actor.
pub(super) struct Director {
    pub(super) inner: Arc<Mutex<Inner>>,
    pub(super) at_rest: Arc<Notify>,
}

impl std::fmt::Debug for Director {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Director")
    }
}

impl Actor for Director {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // One slice from the pump, and as many requests as the server's connections can hold.
        context.set_mailbox_capacity(256);
    }
}

impl Inner {
    async fn on_slice(&mut self, message: SliceArrived) -> Result<Answer, Stopped> {
        let begun = Instant::now();
        let shows = self.is_watched && self.board_at.is_none_or(|at| at.elapsed() >= BOARD_EVERY);
        let is_due = match self.durability {
            Durability::Forgetful => false,
            Durability::EveryRound => true,
            Durability::EverySecond => self.flushed_at.elapsed() >= Duration::from_secs(1),
        };
        let wants = Wants { summaries: shows || is_due, checkpoints: is_due && message.bars.is_some() };
        // A deal does not wait for what is only kept or shown: that is asked for once the desk has had its turn.
        let deals = self.settlement.has_live();
        let (at_once, later) = if deals { (Wants::default(), wants) } else { (wants, Wants::default()) };
        let slice = message.slice;
        let mut gathered = self.fan_out.run(&slice, at_once).await.map_err(|error| Stopped(error.to_string()))?;
        for seat in &gathered.stuck {
            self.seats.remove(seat);
        }
        let mut checkpoints = std::mem::take(&mut gathered.report.checkpoints);
        let settled = self.settlement.settle(&slice, gathered).await;
        if later != Wants::default() {
            checkpoints = self.ask(later).await?;
        }
        let took = begun.elapsed();
        metrics::round_closed(took);
        metrics::desk_recorded(&settled.desk);
        log::desk(&settled.desk);
        let (equal, different) = self.settlement.books_compared();
        metrics::books_compared(equal, different);
        self.settlement.note_health(message.bad, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        settled.changes.iter().for_each(|change| self.tell(change));
        self.owes_flush |= settled.is_weighty;
        self.is_at_rest = message.bars.is_some();
        if let Some(bars) = message.bars {
            self.bars = bars;
        }
        if self.durability == Durability::Forgetful {
            self.keep_in_memory().await?;
        } else if self.is_at_rest && is_due {
            self.keep(checkpoints).await?;
        } else if self.is_at_rest && self.owes_flush {
            self.keep_all().await?;
        }
        // Otherwise the entries wait: without the states that belong to them they would be counted twice after a crash.
        if shows || (self.is_watched && settled.is_weighty) {
            self.show();
        }
        Ok(Answer { is_quiet: self.settlement.is_quiet(), has_live: self.settlement.has_live() })
    }

    fn tell(&self, change: &Change) {
        (self.on_change)(change);
        if let Some(live) = &self.live {
            live.changed(change, self.settlement.config());
        }
    }

    async fn keep_in_memory(&mut self) -> Result<(), Stopped> {
        let commit = self.settlement.take_commit(None);
        self.append(commit, false).await
    }

    /// Asks every seat for its checkpoint and commits everything with them; without them where nothing is kept.
    async fn keep_all(&mut self) -> Result<(), Stopped> {
        let keeps = self.durability != Durability::Forgetful;
        let checkpoints = self.ask(Wants { summaries: true, checkpoints: keeps }).await?;
        if keeps { self.keep(checkpoints).await } else { self.keep_in_memory().await }
    }

    /// Asks every seat for what is wanted beside the reports of a round; returns the checkpoints.
    async fn ask(&mut self, wants: Wants) -> Result<Vec<(SeatIdx, Vec<u8>)>, Stopped> {
        let slice = Arc::new(Slice::default());
        let mut gathered: Gathered =
            self.fan_out.run(&slice, wants).await.map_err(|error| Stopped(error.to_string()))?;
        let checkpoints = std::mem::take(&mut gathered.report.checkpoints);
        self.settlement.settle(&slice, gathered).await;
        Ok(checkpoints)
    }

    /// Commits everything with these checkpoints of the seats, and answers once it will survive a crash.
    async fn keep(&mut self, checkpoints: Vec<(SeatIdx, Vec<u8>)>) -> Result<(), Stopped> {
        let commit = self.settlement.take_commit(Some((checkpoints, self.bars.clone())));
        self.append(commit, true).await?;
        (self.flushed_at, self.owes_flush) = (Instant::now(), false);
        Ok(())
    }

    async fn append(&mut self, mut commit: crate::store::Commit, is_durable: bool) -> Result<(), Stopped> {
        if !self.settlement.is_recording() {
            return Ok(());
        }
        let head = self.sealer.as_ref().and_then(|sealer| seal(&mut commit, sealer));
        let (begun, blocks) = (Instant::now(), commit.blocks.len() as u64);
        match self.store.send(Append { commit, is_durable }).await {
            Ok(Ok(())) => {
                if is_durable {
                    metrics::store_flushed(blocks, begun.elapsed());
                }
                if let (Some(head), Some(anchor)) = (head, self.anchor.clone()) {
                    // Not waited for: an address that is slow must not hold up a round.
                    let arena = self.settlement.config().arena.name.clone();
                    drop(tokio::spawn(anchor.note(arena, head)));
                }
                Ok(())
            }
            // Loudly: recording and live dealing stop, paper goes on.
            Ok(Err(error @ (StoreError::DiskFloor { .. } | StoreError::Io(_)))) => {
                tracing::error!(%error, "the store records no longer; live dealing is halted, paper goes on in memory");
                self.settlement.stop_recording(&error.to_string()).await;
                self.show();
                Ok(())
            }
            Ok(Err(error)) => Err(Stopped(error.to_string())),
            Err(_) => Err(Stopped("the store's actor ended by itself".to_owned())),
        }
    }

    fn show(&mut self) {
        let mut board = self.settlement.board();
        board.health.notify_fault = self.notify_faults.as_ref().and_then(crate::notify::Faults::text);
        self.board.store(Arc::new(board));
        self.board_at = Some(Instant::now());
    }

    async fn drain(&mut self, message: Drain) -> Result<(), Stopped> {
        if message.is_done {
            self.settlement.finish();
        }
        self.bars = message.bars;
        if self.settlement.has_begun() {
            self.settlement.conclude();
            self.keep_all().await?;
        }
        self.show();
        Ok(())
    }

    async fn operate(&mut self, command: Command) -> Result<Done, ControlError> {
        let is_recording = self.settlement.is_recording();
        // What makes dealing safer is always obeyed; what could lead to dealing needs its record.
        if !is_recording
            && matches!(
                command,
                Command::Promote { .. } | Command::Resume { .. } | Command::OpenBudget { .. } | Command::Reload
            )
        {
            return Err(unrecorded("nothing done"));
        }
        let done = match command {
            Command::Reload => self.reload().await?,
            command => self.settlement.command(&command).await?,
        };
        for change in &done.changes {
            self.tell(change);
            if change.to == crate::flow::State::Retired
                && let Some(seat) = self.seats.get(&change.seat)
            {
                seat.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retire();
            }
        }
        if self.durability != Durability::Forgetful && self.settlement.has_begun() {
            self.keep_all().await.map_err(|error| ControlError::Unavailable(error.0))?;
        }
        self.show();
        if is_recording && !self.settlement.is_recording() {
            return Err(unrecorded("done, and lost with the end of this process"));
        }
        Ok(done)
    }

    async fn reload(&mut self) -> Result<Done, ControlError> {
        let old: Arc<Config> = Arc::clone(self.settlement.config());
        let Some(file) = self.file.clone() else {
            return Err(ControlError::Refused("this arena was not started from a file".to_owned()));
        };
        // An alias stays with the version that it led to: what moves it must not end anybody's evidence.
        let pinned = Pinned { pins: &old.pins, inner: &*self.resolver };
        let new = config::load(&file, &pinned).map_err(|error| ControlError::Invalid(error.to_string()))?;
        let mut difference = config::diff(&old, &new);
        if new.streams() != old.streams() {
            difference.needs_restart.push("the bars that are made (epics and lengths in use) change".to_owned());
        }
        if new.lookback_max() > old.lookback_max() {
            difference.needs_restart.push("a longer lookback than any before needs longer windows".to_owned());
        }
        if !difference.needs_restart.is_empty() {
            let why = format!("this needs a restart: {}", difference.needs_restart.join("; "));
            return Err(ControlError::Refused(why));
        }
        let text = serde_json::to_string(&difference).map_err(|error| ControlError::Invalid(error.to_string()))?;
        let names = |lists: [&[crate::domain::ModelId]; 2]| -> Vec<String> {
            lists.concat().iter().map(ToString::to_string).collect()
        };
        let gone = names([&difference.removed, &difference.changed]);
        let joining = names([&difference.added, &difference.changed]);
        let new = Arc::new(new);
        let (changes, seats, leaving) =
            self.settlement.reload(Arc::clone(&new), &gone, &joining, &text, &*self.models).await?;
        for seat in leaving {
            if let Some(seat) = self.seats.remove(&seat) {
                seat.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retire();
            }
        }
        for seat in &seats {
            let idx = seat.lock().unwrap_or_else(std::sync::PoisonError::into_inner).idx();
            self.seats.insert(idx, Arc::clone(seat));
        }
        self.fan_out.add(&seats, new.arena.models_per_host);
        Ok(Done { changes, notes: told(&difference) })
    }

    fn view(&self, name: &str) -> Result<ModelView, ControlError> {
        self.view_seat(self.settlement.find_with_deals(name)?)
    }

    fn view_seat(&self, seat: SeatIdx) -> Result<ModelView, ControlError> {
        let gone = || ControlError::Unavailable("the leaderboard is being made".to_owned());
        let entry = self.settlement.roster_entry(seat).ok_or_else(gone)?;
        let board = self.settlement.board();
        let at = board.rows.iter().position(|row| row.ticket == entry.ticket).ok_or_else(gone)?;
        Ok(ModelView {
            row: (*board.rows[at]).clone(),
            content_hash: entry.content_hash.clone(),
            generation: entry.generation,
            registered: Some(entry.registered),
            settings: entry.settings.clone(),
            curve: (*board.curves[at]).clone(),
            lifecycle: self.settlement.lifecycle_of(seat),
            nearness: board.nearness[at].as_deref().cloned(),
            lineage: entry.lineage.clone(),
            live: board.desk.trades_of(&entry.model.as_str().into()),
            shortfall: board.desk.shortfall_of(seat),
        })
    }
}

fn unrecorded(what: &str) -> ControlError {
    let why = format!("{what}: the store records no longer and live dealing is halted; make room and start again");
    ControlError::Unavailable(why)
}

/// What a reload did, in sentences.
fn told(difference: &Difference) -> Vec<String> {
    let lists = [
        ("joined", &difference.added),
        ("retired", &difference.removed),
        ("changed, and begun anew without evidence", &difference.changed),
    ];
    let mut notes: Vec<String> = lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| {
            let names: Vec<&str> = names.iter().map(crate::domain::ModelId::as_str).collect();
            format!("{what}: {}", names.join(", "))
        })
        .collect();
    notes.extend(difference.applied.iter().map(|setting| format!("in force: {setting}")));
    if notes.is_empty() {
        notes.push("the file says what is in force already".to_owned());
    }
    notes
}

impl Handler<SliceArrived> for Director {
    type Result = ResponseFuture<Result<Answer, Stopped>>;

    fn handle(&mut self, message: SliceArrived, _: &mut Self::Context) -> Self::Result {
        let (inner, at_rest) = (Arc::clone(&self.inner), Arc::clone(&self.at_rest));
        Box::pin(async move {
            let mut inner = inner.lock().await;
            let answer = inner.on_slice(message).await;
            if inner.is_at_rest {
                at_rest.notify_waiters();
            }
            answer
        })
    }
}

impl Handler<TimePassed> for Director {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: TimePassed, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let mut inner = inner.lock().await;
            let recorded = inner.settlement.on_time(message.0).await;
            metrics::desk_recorded(&recorded);
            log::desk(&recorded);
            if !recorded.is_empty() && inner.is_watched {
                inner.show();
            }
        })
    }
}

impl Handler<RulesRead> for Director {
    type Result = ResponseFuture<Vec<String>>;

    fn handle(&mut self, message: RulesRead, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.lock().await.settlement.on_rules(message.0) })
    }
}

impl Handler<ClocksCompared> for Director {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: ClocksCompared, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let mut inner = inner.lock().await;
            let market = inner.settlement.config().market(message.epic).epic.clone();
            let changes = inner.settlement.on_clock_skew(market.as_str(), message.skew).await;
            changes.iter().for_each(|change| inner.tell(change));
            if !changes.is_empty() {
                // Durable with the next round, which is a place to go on from.
                inner.owes_flush = true;
                if inner.is_watched {
                    inner.show();
                }
            }
        })
    }
}

impl Handler<Drain> for Director {
    type Result = ResponseFuture<Result<(), Stopped>>;

    fn handle(&mut self, message: Drain, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.lock().await.drain(message).await })
    }
}

/// Reads the configuration once while bars go on: what it names for the first time may have to be fetched from afar, and
/// is at hand when it is read again between two slices.
async fn read_ahead(inner: &Mutex<Inner>) -> Result<(), ControlError> {
    let (file, resolver, pins) = {
        let held = inner.lock().await;
        let Some(file) = held.file.clone() else { return Ok(()) };
        (file, Arc::clone(&held.resolver), held.settlement.config().pins.clone())
    };
    let read = move || config::load(&file, &Pinned { pins: &pins, inner: &*resolver }).map(drop);
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(|error| ControlError::Invalid(error.to_string())),
        Err(error) => Err(ControlError::Unavailable(format!("the configuration was not read: {error}"))),
    }
}

impl Handler<Operate> for Director {
    type Result = ResponseFuture<Result<Done, ControlError>>;

    fn handle(&mut self, message: Operate, _: &mut Self::Context) -> Self::Result {
        let (inner, at_rest) = (Arc::clone(&self.inner), Arc::clone(&self.at_rest));
        Box::pin(async move {
            if message.0 == Command::Reload {
                read_ahead(&inner).await?;
            }
            // A command is durable once answered, so it waits for a place that a restart can go on from.
            loop {
                let mut held = inner.lock().await;
                if held.is_at_rest {
                    return held.operate(message.0).await;
                }
                let next = at_rest.notified();
                tokio::pin!(next);
                next.as_mut().enable();
                drop(held);
                next.await;
            }
        })
    }
}

impl Handler<Explain> for Director {
    type Result = ResponseFuture<Result<Explanation, ControlError>>;

    fn handle(&mut self, message: Explain, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let inner = inner.lock().await;
            let seat = inner.settlement.find(&message.0)?;
            let none = || ControlError::Unavailable("no bar has closed yet".to_owned());
            inner.settlement.explain(seat).ok_or_else(none)
        })
    }
}

impl Handler<View> for Director {
    type Result = ResponseFuture<Result<ModelView, ControlError>>;

    fn handle(&mut self, message: View, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.lock().await.view(&message.0) })
    }
}

impl Handler<ViewSeat> for Director {
    type Result = ResponseFuture<Result<ModelView, ControlError>>;

    fn handle(&mut self, message: ViewSeat, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.lock().await.view_seat(message.0) })
    }
}

impl Handler<Find> for Director {
    type Result = ResponseFuture<Result<crate::store::views::RosterEntry, ControlError>>;

    fn handle(&mut self, message: Find, _: &mut Self::Context) -> Self::Result {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let inner = inner.lock().await;
            let seat = inner.settlement.find(&message.0)?;
            let none = || ControlError::Unavailable("the roster is being made".to_owned());
            inner.settlement.roster_entry(seat).cloned().ok_or_else(none)
        })
    }
}
