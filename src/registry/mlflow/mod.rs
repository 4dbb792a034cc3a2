//! MLflow over its REST interface: runs, artifacts, registered models and their aliases.
//!
//! What decides is the `error_code` in an answer, not its HTTP status. Every call has a time limit, every answer a
//! largest size, and a call that only reads is tried again a bounded number of times. A server that is down, slow, or no
//! MLflow at all ends in an [`MlflowError`], never in a panic and never in a wait without end.

mod champion;
mod environment;
mod pull;
mod reference;
mod ship;
mod tracking;
mod transport;
mod versions;

use std::time::Duration;

pub use champion::{AliasChange, CHAMPION, ChampionError, Champions};
pub use environment::{experiment, named, use_onnxruntime};
pub use pull::{ARTEFACT_TAG, PullError, Pulled, Shelf};
pub use reference::{MlflowReference, Pick, ReferenceError};
pub use ship::{Place, Receipts, Shipment};
pub use tracking::{Metric, RunId, RunStatus, Tag};
pub use transport::{Access, FetchError, Limits, Mlflow};
pub use versions::Version;

/// Why MLflow did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MlflowError {
    /// The address is none that a client could call. Mend the configuration.
    #[error("{address:?} is no address of an MLflow server: {why}")]
    BadAddress {
        /// As given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers there. Try again later.
    #[error("MLflow at {address} cannot be reached: {why}")]
    Unreachable {
        /// The server.
        address: String,
        /// What the network says.
        why: String,
    },
    /// It took too long. Try again later.
    #[error("MLflow at {address} did not answer {what} within {after:?}")]
    Slow {
        /// The server.
        address: String,
        /// The call.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// It does not have what was asked for.
    #[error("MLflow at {address} has no such thing ({what}): {message}")]
    Missing {
        /// The server.
        address: String,
        /// The call.
        what: String,
        /// Its words.
        message: String,
    },
    /// It refused with a reason.
    #[error("MLflow at {address} refused {what}: {code}, {message}")]
    Refused {
        /// The server.
        address: String,
        /// The call.
        what: String,
        /// Its `error_code`.
        code: String,
        /// Its words.
        message: String,
    },
    /// What answers does not speak as MLflow does.
    #[error("what answers at {address} does not speak as MLflow does ({what}): {why}")]
    Nonsense {
        /// The server.
        address: String,
        /// The call.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// More bytes than are taken.
    #[error("MLflow at {address} sent more than {most} bytes for {what}")]
    TooLarge {
        /// The server.
        address: String,
        /// The call.
        what: String,
        /// How many are taken.
        most: u64,
    },
    /// Files that lie where this server does not serve them.
    #[error("the files lie at {uri}, which the MLflow server does not serve itself: {why}")]
    Elsewhere {
        /// Where they lie.
        uri: String,
        /// What could be done.
        why: String,
    },
}

impl MlflowError {
    /// Whether the same call may work at another time.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Slow { .. } => true,
            Self::Refused { code, .. } => transport::is_passing_code(code),
            _ => false,
        }
    }

    /// Whether the server says that there is no such thing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

/// Runs `work` to its end on a thread of its own, wherever the caller stands: also inside of an actor.
///
/// # Errors
/// What the system says where there is no such thread.
pub fn block_on<T: Send>(work: impl Future<Output = T> + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("mlflow".to_owned()).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(work))
        })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
