//! The desk's journal for a broker outside: each write is in the store before it is answered.

use std::fmt;

use actix::Addr;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::desk::Journal;
use crate::store::actor::{Append, StoreActor};
use crate::store::entry::{DeskEntry, encode};
use crate::store::{Commit, Lane};

/// Writes the desk's entries through to the store, by themselves.
///
/// They are older in the store than the checkpoint that knows of them, which counts what it holds: after a crash the
/// younger ones are applied to it.
pub(super) struct StoreJournal(Addr<StoreActor>);

impl StoreJournal {
    pub(super) fn new(store: Addr<StoreActor>) -> Self {
        Self(store)
    }
}

impl fmt::Debug for StoreJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreJournal")
    }
}

impl Journal for StoreJournal {
    fn write(&self, entries: Vec<DeskEntry>) -> BoxFuture<'_, Result<(), String>> {
        async move {
            let mut bytes = Vec::new();
            entries.iter().for_each(|entry| encode(entry, &mut bytes));
            let mut commit = Commit::default();
            commit.append(Lane::Desk, bytes);
            match self.0.send(Append { commit, is_durable: true }).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(format!("the store's actor is gone: {error}")),
            }
        }
        .boxed()
    }
}
