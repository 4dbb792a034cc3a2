//! The store's actor: one thread that writes and reads, so that no flush holds up a bar.

use std::fmt;

use actix::{Actor, Context, Handler, Message, MessageResult};

use super::{Commit, Store, StoreError};

/// Holds the store.
#[derive(Debug)]
pub struct StoreActor {
    store: Box<dyn Store>,
}

impl StoreActor {
    /// Over an open store.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> Self {
        Self { store }
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // The director waits for each commit; readers come one a request.
        context.set_mailbox_capacity(64);
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
            self.store.commit(message.commit)?;
            if message.is_durable {
                self.store.flush()?;
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
