//! The journal's copy in a database of the operator's: PostgreSQL or MariaDB, as tables that can be asked.
//!
//! ```text
//! snapshot ─sweep→ slices of lanes ┐
//!                                  ├─assemble→ rows and cursors ─database→ one transaction
//! commits of a running arena ──────┘
//! ```
//!
//! The store is read from a snapshot and then commit by commit, on a thread of its own: no bar ever waits for a database.
//! How far each lane has been copied stands in the database and changes in the same transaction as the rows, so that
//! whoever was down, and whenever, what comes after goes on where the rows end. Rows have real primary keys; one that comes
//! twice changes nothing.

mod assemble;
mod cursor;
mod database;
mod follow;
mod sheets;
mod sweep;
mod target;
#[cfg(test)]
mod tests;

pub use self::follow::{Copied, Following, Mirror};
pub use self::sheets::{SHEETS, Sheet};
pub use self::target::{ADDRESS, PASSWORD, Server, Target};
use crate::store::StoreError;

/// Why the journal is not copied.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The address is none.
    #[error("{0}")]
    Address(String),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database does not answer, or refuses what it is told.
    #[error("{target}: {why}")]
    Database {
        /// Its address, without a password.
        target: String,
        /// What it says.
        why: String,
    },
    /// The database is not for this arena.
    #[error("{target} {why}")]
    Refused {
        /// Its address, without a password.
        target: String,
        /// Why not, and what would be right.
        why: String,
    },
}
