//! The copying itself: of a store at rest once, or of a running arena until it ends.
//!
//! Whatever goes wrong with the database ends one connection: the next one begins with the cursors that it finds, reads
//! the store from its beginning and goes on. So there is one way to go on, whoever was down, and a database that is away
//! costs nothing here but waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::assemble::{Assembler, Batch};
use super::cursor::name_of;
use super::database::Database;
use super::sweep::Sweep;
use super::target::Target;
use super::{MirrorError, SHEETS};
use crate::store::entry::{SessionEntry, decode, encode};
use crate::store::{Commit, Follower, Lane, Snapshots, Store, StoreError};
use crate::telemetry::metrics;

/// A transaction holds about so many rows.
const ROWS_MAX: usize = 10_000;
/// The first pause after a failure, doubled with each one more,
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long the end of a run waits for the last rows.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Rows written, by table; of a row that changed, each time that it did.
    pub rows: BTreeMap<&'static str, u64>,
    /// Quotes and predictions that had been deleted before they were copied.
    pub lost: u64,
}

/// The copy of one arena.
#[derive(Clone, Debug)]
pub struct Mirror {
    target: Target,
    wants_quotes: bool,
}

/// How a time with one connection ended.
enum Ended {
    /// The arena has ended, and everything is copied.
    Done,
    /// Commits came faster than they were taken: the store has them.
    Behind,
}

impl Mirror {
    /// In `target`; `wants_quotes` is `[mirror] quotes`.
    #[must_use]
    pub fn new(target: Target, wants_quotes: bool) -> Self {
        Self { target, wants_quotes }
    }

    /// Whether the database lets us in; nothing is changed.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub fn reach(&self) -> Result<(), MirrorError> {
        runtime()?.block_on(Database::connect(&self.target)).map(drop)
    }

    /// Copies what a store holds.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub fn copy(&self, store: &dyn Store, progress: &ProgressBar) -> Result<Copied, MirrorError> {
        runtime()?.block_on(async {
            let mut copied = Copied::default();
            let mut database = Database::open(&self.target).await?;
            self.catch_up(&mut database, store, progress, &mut copied).await?;
            Ok(copied)
        })
    }

    /// A follower of a running arena, and where to wait for its end.
    #[must_use]
    pub fn follow(self) -> (Follower, Following) {
        let following = Following::default();
        let state = following.clone();
        let follower = move |snapshots: Arc<dyn Snapshots>| {
            let shared = state.clone();
            let thread = std::thread::Builder::new().name("mirror".to_owned()).spawn(move || match runtime() {
                Ok(runtime) => runtime.block_on(self.keep_up(&*snapshots, &shared)),
                Err(error) => tracing::error!(%error, "nothing is copied to the database"),
            });
            match thread {
                Ok(thread) => *state.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread),
                Err(error) => tracing::error!(%error, "nothing is copied to the database"),
            }
        };
        (Box::new(follower), following)
    }

    /// Connects, follows, and begins again until the arena ends.
    async fn keep_up(&self, snapshots: &dyn Snapshots, following: &Following) {
        let teller = following.clone();
        let lag = async move {
            loop {
                metrics::mirror_lag(teller.lag());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let copies = async {
            let mut failures = 0;
            loop {
                following.is_complete(false);
                match self.with_one_connection(snapshots, following, &mut failures).await {
                    Ok(Ended::Done) => return,
                    Ok(Ended::Behind) => {}
                    Err(error) => {
                        metrics::mirror_failed();
                        metrics::mirror_up(false);
                        // Servers close connections that were idle for a night: a second attempt tells.
                        if failures == 1 {
                            tracing::error!(%error, "the database does not take the records; the store keeps them, and they are copied once it does");
                        } else {
                            tracing::debug!(%error, failures, "the database still does not take the records");
                        }
                        tokio::time::sleep(pause_after(failures)).await;
                        failures += 1;
                    }
                }
            }
        };
        tokio::select! {
            () = lag => {}
            () = copies => {}
        }
        metrics::mirror_lag(following.lag());
    }

    async fn with_one_connection(
        &self,
        snapshots: &dyn Snapshots,
        following: &Following,
        failures: &mut u32,
    ) -> Result<Ended, MirrorError> {
        let mut database = Database::open(&self.target).await?;
        let Ok((store, mut commits)) = snapshots.follow().await else { return Ok(Ended::Done) };
        let mut copied = Copied::default();
        let caught_up = self.catch_up(&mut database, &*store, &ProgressBar::hidden(), &mut copied).await?;
        drop(store);
        if *failures > 1 {
            tracing::info!(database = self.target.shown(), "the database takes the records again");
        }
        *failures = 0;
        metrics::mirror_up(true);
        let Some(mut assembler) = caught_up else {
            // An arena that has not recorded anything yet: whose it is will be known after its first commit.
            return Ok(match commits.recv().await {
                Err(RecvError::Closed) => Ended::Done,
                Ok(_) | Err(RecvError::Lagged(_)) => Ended::Behind,
            });
        };
        loop {
            following.is_complete(assembler.len() == 0 && commits.is_empty());
            match next(&mut commits).await {
                Some(Ok(commit)) if commit.is_empty() => {
                    write(&mut database, assembler.take_batch(), &mut copied).await?;
                }
                Some(Ok(commit)) => {
                    following.is_complete(false);
                    assembler.commit(&commit)?;
                }
                Some(Err(missed)) => {
                    tracing::debug!(missed, "commits came faster than the database took them; they are read again");
                    return Ok(Ended::Behind);
                }
                None => return Ok(Ended::Done),
            }
        }
    }

    /// Copies everything that `store` holds and the database does not; `None` where the store holds nothing yet.
    async fn catch_up(
        &self,
        database: &mut Database,
        store: &dyn Store,
        progress: &ProgressBar,
        copied: &mut Copied,
    ) -> Result<Option<Assembler>, MirrorError> {
        let Some((name, identity)) = identity_of(store)? else { return Ok(None) };
        database.claim(&name, &identity).await?;
        let cursors = database.cursors().await?;
        let (mut assembler, lost) = Assembler::new(store, cursors, self.wants_quotes)?;
        let mut sweep = Sweep::new(store, progress.clone())?;
        while sweep.next(&mut assembler)? {
            if assembler.len() >= ROWS_MAX {
                write(database, assembler.take_batch(), copied).await?;
            }
        }
        if let Some(lane) = assembler.lanes_behind().first() {
            let why = format!(
                "holds more of this arena than its store does (in lane {}): the store is an older copy; name another \
                 database",
                name_of(*lane)
            );
            return Err(MirrorError::Refused { target: self.target.shown().to_owned(), why });
        }
        write(database, assembler.take_batch(), copied).await?;
        if lost > 0 {
            // Told once: the cursors hold it from here on.
            metrics::mirror_lost(lost);
            tracing::warn!(lost, "quotes or predictions were deleted from the store before they were copied");
            copied.lost += lost;
        }
        Ok(Some(assembler))
    }
}

/// The next commit; how many were missed; `None` after the last one.
async fn next(commits: &mut Receiver<Arc<Commit>>) -> Option<Result<Arc<Commit>, u64>> {
    match commits.try_recv() {
        Ok(commit) => return Some(Ok(commit)),
        Err(TryRecvError::Lagged(missed)) => return Some(Err(missed)),
        Err(TryRecvError::Closed) => return None,
        Err(TryRecvError::Empty) => {}
    }
    match commits.recv().await {
        Ok(commit) => Some(Ok(commit)),
        Err(RecvError::Lagged(missed)) => Some(Err(missed)),
        Err(RecvError::Closed) => None,
    }
}

async fn write(database: &mut Database, batch: Batch, copied: &mut Copied) -> Result<(), MirrorError> {
    if batch.rows.is_empty() && batch.cursors.is_empty() {
        return Ok(());
    }
    database.write(&batch).await?;
    for (place, _) in batch.rows.keys() {
        *copied.rows.entry(place.sheet().name).or_default() += 1;
    }
    for sheet in &SHEETS {
        let rows = batch.rows.keys().filter(|(place, _)| place.sheet().name == sheet.name).count();
        if rows > 0 {
            metrics::mirror_wrote(sheet.name, rows as u64);
        }
    }
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, MirrorError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| MirrorError::Store(StoreError::Io(error.to_string())))
}

/// The arena's name, and what tells this journal from any other: the hash of its first entry and of its first audit
/// record. `None` while it has none.
fn identity_of(store: &dyn Store) -> Result<Option<(String, String)>, StoreError> {
    let Some(session) = store.read(Lane::Session).next().transpose()? else { return Ok(None) };
    let Some(audit) = store.read(Lane::Audit).next().transpose()? else { return Ok(None) };
    let (session, audit) = (decode::<SessionEntry>(Lane::Session, &session)?, decode::<String>(Lane::Audit, &audit)?);
    let (Some(first), Some(record)) = (session.first(), audit.first()) else { return Ok(None) };
    let name = match first {
        SessionEntry::Configured { canonical, .. } => {
            canonical.lines().find_map(|line| line.strip_prefix("arena.name = "))
        }
        _ => None,
    };
    let mut bytes = Vec::new();
    encode(first, &mut bytes);
    encode(record, &mut bytes);
    let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some((name.unwrap_or_default().to_owned(), hash)))
}

/// Twice as long after each failure, and a random half of it less, so that many do not come back at once.
fn pause_after(failures: u32) -> Duration {
    let most = PAUSE_FIRST.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
    let mut byte = [0];
    // Without randomness the pause is merely the whole one.
    let part = getrandom::fill(&mut byte).map_or(0.0, |()| f64::from(byte[0]) / 256.0);
    most.mul_f64(1.0 - part / 2.0)
}

/// A mirror at work beside a run.
#[derive(Clone, Default)]
pub struct Following {
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// Since when the database has not held everything; `None` while it does.
    behind: Arc<Mutex<Option<Instant>>>,
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").field("lag", &self.lag()).finish_non_exhaustive()
    }
}

impl Following {
    /// Waits, after the run's end, until the rest is written; not for long, and not for a database that is away: the next
    /// run, or `arena mirror`, goes on from there.
    pub fn finish(&self) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !thread.is_finished() {
            tracing::warn!(
                "the database does not hold all of the journal yet: the next run, or `arena mirror`, goes on"
            );
        }
    }

    fn lag(&self) -> Duration {
        let behind = *self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn is_complete(&self, is_complete: bool) {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        *behind = if is_complete { None } else { Some(behind.unwrap_or_else(Instant::now)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_differ() {
        for failures in 0..40 {
            let most = PAUSE_FIRST.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
            let pause = pause_after(failures);
            assert!(pause <= most && pause >= most / 2, "{failures}: {pause:?}");
        }
        assert!((0..64).any(|_| pause_after(9) != pause_after(9)));
    }
}
