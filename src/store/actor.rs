//! The store's actor: one thread that writes and reads, so that no flush holds up a bar.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult};
use tokio::sync::broadcast;

use super::{Commit, Followed, Retention, Store, StoreError};

/// How often retention looks,
const UPKEEP_EVERY: Duration = Duration::from_secs(120);
/// and when again where there was more to do than one pass does.
const UPKEEP_AGAIN: Duration = Duration::from_secs(1);

/// Commits that a slow follower may be behind.
const COMMITS_BEHIND: usize = 256;

/// Holds the store.
#[derive(Debug)]
pub struct StoreActor {
    store: Box<dyn Store>,
    followers: broadcast::Sender<Arc<Commit>>,
    retention: Retention,
}

impl StoreActor {
    /// Over an open store.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> Self {
        Self { store, followers: broadcast::Sender::new(COMMITS_BEHIND), retention: Retention::default() }
    }

    /// With what it may forget.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    fn upkeep(&mut self, context: &mut Context<Self>) {
        let again = match self.retention.apply(&mut *self.store) {
            Ok(true) => UPKEEP_AGAIN,
            Ok(false) => UPKEEP_EVERY,
            Err(error) => {
                tracing::error!(%error, "retention: nothing was deleted");
                UPKEEP_EVERY
            }
        };
        context.run_later(again, Self::upkeep);
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // The director waits for each commit; readers come one a request.
        context.set_mailbox_capacity(64);
        if !self.retention.is_off() {
            context.run_later(UPKEEP_AGAIN, Self::upkeep);
        }
    }
}

/// Writes a commit and, where asked, answers only once it will survive a crash.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Append {
    /// What to write.
    pub commit: Commit,
    /// Whether to flush.
    pub is_durable: bool,
}

impl Handler<Append> for StoreActor {
    type Result = MessageResult<Append>;

    fn handle(&mut self, message: Append, _: &mut Self::Context) -> Self::Result {
        let write = || {
            // Nobody pays for a copy that nobody reads.
            let copy = (self.followers.receiver_count() > 0).then(|| Arc::new(message.commit.clone()));
            self.store.commit(message.commit)?;
            if let Some(commit) = copy {
                // The last one may have gone meanwhile.
                self.followers.send(commit).ok();
            }
            if message.is_durable {
                self.store.flush()?;
                self.followers.send(Arc::default()).ok();
            }
            Ok(())
        };
        MessageResult(write())
    }
}

/// What a reader does with the store.
pub type ReadFn<T> = Box<dyn FnOnce(&dyn Store) -> Result<T, StoreError> + Send>;

/// Reads.
#[derive(Message)]
#[rtype(result = "Result<T, StoreError>")]
pub struct Read<T: Send + 'static>(pub ReadFn<T>);

impl<T: Send + 'static> fmt::Debug for Read<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Read")
    }
}

impl<T: Send + 'static> Handler<Read<T>> for StoreActor {
    type Result = MessageResult<Read<T>>;

    fn handle(&mut self, message: Read<T>, _: &mut Self::Context) -> Self::Result {
        MessageResult((message.0)(&*self.store))
    }
}

/// Asks for the store as it is now, and for every commit after.
#[derive(Debug, Message)]
#[rtype(result = "Result<Followed, StoreError>")]
pub struct Follow;

impl Handler<Follow> for StoreActor {
    type Result = MessageResult<Follow>;

    fn handle(&mut self, _: Follow, _: &mut Self::Context) -> Self::Result {
        // A copy that is kept elsewhere must not be ahead of what survives a crash.
        let snapshot = self.store.flush().and_then(|()| self.store.snapshot());
        MessageResult(snapshot.map(|store| (store, self.followers.subscribe())))
    }
}
