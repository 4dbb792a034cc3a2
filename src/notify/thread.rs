//! The thread on which everything is told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::event::Event;
use super::inbox::{Inbox, Item, Pace};
use super::journal::{Journal, Place, Placed};
use super::open::Notify;
use super::told::Told;
use super::watch::Watch;
use super::worker::{Faults, Worker};
use crate::clock::{Clock, SystemClock};
use crate::config::NotifyEvent;
use crate::flow::Board;
use crate::store::{Commit, Followed, Snapshots, Store, StoreError};
use crate::telemetry::{ig, metrics};

/// How often outages are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the last messages may take when the arena ends; what is left is told after the next start.
const FAREWELL_MAX: Duration = Duration::from_secs(5);
/// What is told beside the journal and waits for its turn.
const DIRECT_MAX: usize = 64;

/// A running notifier; it ends with [`Notifier::finish`], or with its process.
#[derive(Debug)]
pub struct Notifier {
    faults: Faults,
    direct: mpsc::Sender<Event>,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl Notifier {
    /// Which channels do not deliver at present, and why; kept up to date.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Tells something that is in no journal; never waits.
    pub fn tell(&self, event: Event) {
        if let Err(error) = self.direct.try_send(event) {
            tracing::error!(%error, "too much is told at once");
        }
    }

    /// Tells what has been committed so far, as far as that goes within some seconds.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(FAREWELL_MAX, self.ended).await.is_err() {
            tracing::warn!("not everything was told yet: what was journalled is told after the next start");
        }
    }
}

impl Notify {
    /// Begins to tell what is committed from now on, and what earlier processes left untold. `data` holds the note of how
    /// far each channel has come.
    ///
    /// # Errors
    /// [`StoreError`] of the store, of that note, and of the thread.
    pub async fn start(
        self,
        data: &Path,
        snapshots: Arc<dyn Snapshots>,
        board: Arc<ArcSwap<Board>>,
    ) -> Result<Notifier, StoreError> {
        let told = Arc::new(Told::open(data).map_err(StoreError::Io)?);
        // Before the first new commit: a channel that is new begins right here.
        let (store, commits) = snapshots.follow().await?;
        let faults = Faults::default();
        let (direct, directly) = mpsc::channel(DIRECT_MAX);
        let (stop, stopped) = watch::channel(false);
        let (done, ended) = oneshot::channel();
        let follower = Follower {
            notify: self,
            told,
            snapshots,
            board,
            faults: faults.clone(),
            directly,
            stopped,
            watch: Watch::default(),
            inboxes: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Io(error.to_string()))?;
        let thread = std::thread::Builder::new().name("notify".to_owned());
        let run = move || {
            runtime.block_on(follower.run(store, commits));
            // Whoever waited for it may have gone.
            done.send(()).ok();
        };
        thread.spawn(run).map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Notifier { faults, direct, stop, ended })
    }
}

struct Follower {
    notify: Notify,
    told: Arc<Told>,
    snapshots: Arc<dyn Snapshots>,
    board: Arc<ArcSwap<Board>>,
    faults: Faults,
    directly: mpsc::Receiver<Event>,
    stopped: watch::Receiver<bool>,
    watch: Watch,
    inboxes: Vec<(&'static str, Arc<Inbox>)>,
}

impl Follower {
    async fn run(mut self, store: Box<dyn Store>, mut commits: broadcast::Receiver<Arc<Commit>>) {
        let workers = self.workers();
        let mut journal = match self.catch_up(&*store) {
            Ok(journal) => Some(journal),
            Err(error) => {
                tracing::error!(%error, "notifications: the journal cannot be read; outages alone are told");
                None
            }
        };
        drop(store);
        let mut every = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = self.stopped.changed() => break,
                event = self.directly.recv() => event.into_iter().for_each(|event| self.push(event, None)),
                _ = every.tick() => self.look(),
                commit = commits.recv(), if journal.is_some() => match commit {
                    Ok(commit) => self.take(&mut journal, &commit),
                    Err(RecvError::Lagged(_)) => match self.follow_anew(&mut journal).await {
                        Some(anew) => commits = anew,
                        None => journal = None,
                    },
                    // The store's actor has ended: so does the arena.
                    Err(RecvError::Closed) => journal = None,
                },
            }
        }
        while let Ok(event) = self.directly.try_recv() {
            self.push(event, None);
        }
        loop {
            match commits.try_recv() {
                Ok(commit) => self.take(&mut journal, &commit),
                Err(TryRecvError::Lagged(_)) => match self.follow_anew(&mut journal).await {
                    Some(anew) => commits = anew,
                    None => break,
                },
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.inboxes.iter().for_each(|(_, inbox)| inbox.close());
        for (name, worker) in workers {
            // Where all is told, what says nothing to anybody need not be read again either.
            if let (Some(journal), Ok(true)) = (&journal, worker.await) {
                self.told.reach(name, journal.place());
            }
        }
    }

    /// One for each channel.
    fn workers(&mut self) -> Vec<(&'static str, tokio::task::JoinHandle<bool>)> {
        let (give_up, window) = self.notify.lengths();
        let words = Arc::new(self.notify.words.clone());
        let mut workers = Vec::new();
        for channel in std::mem::take(&mut self.notify.channels) {
            let (name, inbox) = (channel.name(), Arc::new(Inbox::default()));
            self.inboxes.push((name, Arc::clone(&inbox)));
            let worker = Worker {
                channel: Arc::from(channel),
                inbox,
                words: Arc::clone(&words),
                told: Arc::clone(&self.told),
                faults: self.faults.clone(),
                pace: Pace::new(self.notify.config.burst, window),
                give_up,
            };
            workers.push((name, tokio::spawn(worker.run())));
        }
        workers
    }

    /// Hands out what the channels have not told yet of a store, and goes on from its end.
    fn catch_up(&self, store: &dyn Store) -> Result<Journal, StoreError> {
        let end = Place::end_of(store)?;
        let names: Vec<&'static str> = self.inboxes.iter().map(|(name, _)| *name).collect();
        self.told.begin(&names, &end);
        let from = names.iter().map(|name| self.told.place(name)).reduce(|a, b| a.least(&b)).unwrap_or(end);
        let (journal, untold) = Journal::open(store, &from)?;
        untold.into_iter().for_each(|placed| self.push_placed(placed));
        Ok(journal)
    }

    /// Commits were missed: what they brought is read from the store.
    async fn follow_anew(&self, journal: &mut Option<Journal>) -> Option<broadcast::Receiver<Arc<Commit>>> {
        let read = async {
            let from = journal.as_ref().map(|journal| *journal.place()).unwrap_or_default();
            let (store, commits): Followed = self.snapshots.follow().await?;
            let (anew, missed) = Journal::open(&*store, &from)?;
            *journal = Some(anew);
            missed.into_iter().for_each(|placed| self.push_placed(placed));
            Ok::<_, StoreError>(commits)
        };
        match read.await {
            Ok(commits) => Some(commits),
            Err(error) => {
                tracing::error!(%error, "notifications: the journal cannot be followed; it is told after the next start");
                None
            }
        }
    }

    fn take(&self, journal: &mut Option<Journal>, commit: &Commit) {
        let Some(open) = journal else { return };
        match open.take(commit) {
            Ok(found) => found.into_iter().for_each(|placed| self.push_placed(placed)),
            Err(error) => tracing::error!(%error, "notifications: a part of the journal cannot be read"),
        }
    }

    fn look(&mut self) {
        let board = self.board.load_full();
        for event in self.watch.look(SystemClock.now(), &board, &ig::link()) {
            self.push(event, None);
        }
        self.inboxes.iter().for_each(|(name, inbox)| metrics::notify_queued(name, inbox.waiting()));
    }

    fn push_placed(&self, placed: Placed) {
        self.push(placed.event, Some((placed.source, placed.end)));
    }

    fn push(&self, event: Event, at: Option<(super::journal::Source, u64)>) {
        if !self.notify.config.events.contains(&event.event) {
            return;
        }
        let event = event.with_amounts(&self.board.load());
        for (name, inbox) in &self.inboxes {
            // Another channel may be behind this one.
            let is_told = at.is_some_and(|(source, end)| self.told.place(name).of(source) >= end);
            if !is_told {
                inbox.push(Item { event: event.clone(), at });
            }
        }
    }
}

/// An arena that ends by a fault.
#[must_use]
pub fn ended(board: &Board, why: &str) -> Event {
    let time = board.time.unwrap_or_else(|| SystemClock.now());
    Event::new(NotifyEvent::Outage, time, "the arena ends", why)
}
