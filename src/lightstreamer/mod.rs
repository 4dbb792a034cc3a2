//! A client of Lightstreamer: TLCP 2.5 over WebSocket. It knows nothing of who publishes what.
//!
//! [`frame`] reads and writes lines, [`values`] decodes what an update changes, [`session`] is the whole life of a
//! session as a pure machine (events in, actions out), and [`client`] gives that machine a socket and a clock.
//! Invariants: within a session no update is lost or doubled, whatever happens to its connections; where that cannot
//! be kept, a new session begins and says so; memory is bounded for any input.

pub mod client;
pub mod frame;
mod json_patch;
mod policy;
pub mod session;
mod subscriptions;
mod tlcp_diff;
pub mod values;

use secrecy::SecretString;

pub use self::client::{Client, Endpoint};
pub use self::frame::Fault;
pub use self::session::Session;
pub use self::values::Value;

/// What the caller calls a subscription.
pub type Key = u32;

/// How the server merges the updates of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The newest value of each field.
    Merge,
    /// Every update stands for itself.
    Distinct,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Merge => "MERGE",
            Self::Distinct => "DISTINCT",
        }
    }
}

/// What to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Items; none may hold a space.
    pub items: Vec<String>,
    /// Fields; none may hold a space.
    pub fields: Vec<String>,
    /// How updates are merged.
    pub mode: Mode,
    /// The data adapter, if not the adapter set's own.
    pub adapter: Option<String>,
    /// Whether the present values are wanted first.
    pub wants_snapshot: bool,
    /// After so many milliseconds without an update an item is told to be silent, and again after each such time.
    pub silent_after_millis: Option<u64>,
}

/// Who we are.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user, where the server wants one.
    pub user: Option<String>,
    /// The password.
    pub password: SecretString,
}

/// How a session is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The keepalive that we ask for.
    pub keepalive_millis: u64,
    /// How much later than its keepalive a server is taken for dead.
    pub grace_millis: u64,
    /// The longest silence of ours that we promise.
    pub inactivity_millis: u64,
    /// How long connecting, and the answer to a request for a session, may take.
    pub answer_millis: u64,
    /// How long recovery is tried before a new session is made.
    pub recover_millis: u64,
    /// The first pause between attempts after a second failure; it doubles.
    pub pause_millis: u64,
    /// The longest pause between attempts.
    pub pause_max_millis: u64,
    /// How long a session has to hold before failures count from none again.
    pub stable_millis: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            keepalive_millis: 5_000,
            grace_millis: 2_000,
            inactivity_millis: 10_000,
            answer_millis: 4_000,
            recover_millis: 15_000,
            pause_millis: 500,
            pause_max_millis: 30_000,
            stable_millis: 10_000,
        }
    }
}

/// Values of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Whose.
    pub key: Key,
    /// Which item, from 0.
    pub item: usize,
    /// Whether it tells what was before the subscription.
    pub is_snapshot: bool,
    /// The fields that the server named as changed, in order.
    pub changed: Vec<usize>,
    /// All values by field.
    pub values: Vec<Value>,
}

/// What a session tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Values of an item.
    Update(Update),
    /// A subscription is active.
    Subscribed(Key),
    /// A subscription is refused; it is not tried again.
    Refused(Key, Fault),
    /// The server threw updates away.
    Lost {
        /// Whose.
        key: Key,
        /// Which item, from 0.
        item: usize,
        /// How many.
        count: u64,
    },
    /// The present values of an item are complete.
    SnapshotEnd(Key, usize),
    /// An item begins anew.
    Cleared(Key, usize),
    /// An item has had no update for so many milliseconds, on a connection that is up.
    Silent {
        /// Whose.
        key: Key,
        /// Which item, from 0.
        item: usize,
        /// Since when.
        age_millis: u64,
    },
    /// The connection is gone, and why. Told once an outage.
    Down(String),
    /// The session goes on, and nothing was lost.
    Recovered,
    /// A new session: after an outage, what happened in it is lost.
    Opened,
    /// A line could not be read; the session mends itself.
    BadFrame(String),
    /// The server does not take the credentials; the session waits for others.
    CredentialsRefused(Fault),
    /// The session is over and does not come back.
    Ended(Fault),
}
