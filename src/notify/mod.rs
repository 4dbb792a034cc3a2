//! Tells people what happened: by webhook, mail and Telegram.
//!
//! ```text
//! store ─commits→ journal ─events→ inbox of each channel ─messages→ worker ─→ webhook, mail, Telegram
//! board, IG ────→ watch ───────────↗                                 └─→ notify.json: how far it has told
//! ```
//!
//! All of it lives on a thread of its own and follows the arena as any other reader does: nothing on the path of the data
//! waits for it. What was journalled is told at least once, also after a crash, since each channel notes how far it has
//! come; what comes faster than `[notify] burst` allows is counted and told in one message.

mod email;
mod event;
mod inbox;
mod journal;
mod message;
mod open;
mod telegram;
#[cfg(test)]
mod testing;
mod thread;
mod told;
mod watch;
mod webhook;
mod worker;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use self::event::Event;
pub use self::message::Message;
pub use self::open::{Notify, OpenError, environment};
pub use self::thread::{Notifier, ended};
pub use self::worker::Faults;

/// Where messages go.
pub trait Channel: Send + Sync {
    /// Its word: `webhook`, `email` or `telegram`.
    fn name(&self) -> &'static str;

    /// Where it leads, without what is secret of it.
    fn place(&self) -> String;

    /// Sends one message, within some seconds.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>>;
}

/// Why a message was not delivered. Its text never holds an address or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The same may work later.
    #[error("{why}")]
    Passing {
        /// In one line.
        why: String,
        /// The receiver asks to be left alone for so long.
        after: Option<Duration>,
    },
    /// The same will fail again.
    #[error("{why}")]
    Final {
        /// In one line.
        why: String,
    },
}

impl SendError {
    fn passing(why: String) -> Self {
        Self::Passing { why, after: None }
    }

    /// With what the receiver said about it.
    fn saying(self, told: &str) -> Self {
        if told.is_empty() {
            return self;
        }
        let with = |why: String| format!("{why}: {}", message::cut(told, 200));
        match self {
            Self::Passing { why, after } => Self::Passing { why: with(why), after },
            Self::Final { why } => Self::Final { why: with(why) },
        }
    }
}
