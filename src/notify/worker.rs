//! One channel's worker: takes what waits, keeps to its pace, tries until it is delivered or given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::inbox::{Digest, Inbox, Next, Pace};
use super::message::{Message, Words};
use super::told::Told;
use super::{Channel, SendError};
use crate::telemetry::metrics;

/// Before the second try; twice as long before each further one, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// No delivery takes longer, whatever a channel does.
const DELIVERY_MAX: Duration = Duration::from_secs(30);

/// Which channels do not deliver at present, and why.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Faults {
    fn set(&self, channel: &'static str, why: Option<String>) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(faults.insert(channel, why)),
            None => drop(faults.remove(channel)),
        }
    }

    /// All of them in a sentence; `None` where every channel delivers.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told: Vec<String> = faults.iter().map(|(channel, why)| format!("{channel}: {why}")).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// What a worker works with.
pub(super) struct Worker {
    pub(super) channel: Arc<dyn Channel>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) words: Arc<Words>,
    pub(super) told: Arc<Told>,
    pub(super) faults: Faults,
    pub(super) pace: Pace,
    pub(super) give_up: Duration,
}

/// How a delivery ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Delivered,
    GivenUp,
    /// The arena ends; it is told after the next start.
    Put,
}

impl Worker {
    /// Runs until the inbox is closed and empty, or what is left cannot be delivered at once. Returns whether all of it
    /// has been told.
    pub(super) async fn run(mut self) -> bool {
        let name = self.channel.name();
        metrics::notify_opened(name);
        let mut lost: Option<Digest> = None;
        loop {
            self.inbox.ready().await;
            let mut wants_all = self.inbox.is_closed();
            if let Some(until) = self.pace.blocked_until(Instant::now()) {
                wants_all = true;
                tokio::select! {
                    () = sleep_until(until) => {}
                    () = self.inbox.closed() => {}
                }
            }
            let Some(next) = self.inbox.take(wants_all) else {
                if self.inbox.is_closed() {
                    return true;
                }
                continue;
            };
            let message = self.words.message(&next, lost.as_ref());
            self.pace.sent(Instant::now());
            match self.deliver(&message).await {
                End::Delivered => {
                    lost = None;
                    if let Next::Several(digest) = &next {
                        metrics::notify_digested(name, digest.count);
                    }
                }
                End::GivenUp => {
                    let lost = lost.get_or_insert_with(Digest::default);
                    match &next {
                        Next::One(item) => lost.add(item),
                        Next::Several(digest) => lost.merge(digest.clone()),
                    }
                }
                End::Put => return false,
            }
            let mut place = Digest::default();
            match &next {
                Next::One(item) => place.add(item),
                Next::Several(digest) => place.merge(digest.clone()),
            }
            self.told.reach(name, &place.place);
            metrics::notify_queued(name, self.inbox.waiting());
        }
    }

    async fn deliver(&self, message: &Message) -> End {
        let name = self.channel.name();
        let begun = Instant::now();
        let mut pause = PAUSE;
        loop {
            let sent = timeout(DELIVERY_MAX, self.channel.send(message)).await;
            let sent = sent.unwrap_or_else(|_| Err(SendError::passing(format!("no end within {DELIVERY_MAX:?}"))));
            let error = match sent {
                Ok(()) => {
                    metrics::notify_sent(name);
                    metrics::notify_up(name, true);
                    self.faults.set(name, None);
                    tracing::debug!(channel = name, subject = %message.subject, "told");
                    return End::Delivered;
                }
                Err(error) => error,
            };
            metrics::notify_up(name, false);
            self.faults.set(name, Some(error.to_string()));
            let wait = match &error {
                SendError::Final { .. } => None,
                SendError::Passing { after, .. } => Some(crate::http::jittered(pause).max(after.unwrap_or_default())),
            };
            pause = (pause * 2).min(PAUSE_MAX);
            let wait = wait.filter(|wait| begun.elapsed() + *wait < self.give_up);
            let place = self.channel.place();
            let Some(wait) = wait else {
                metrics::notify_failed(name);
                let subject = &message.subject;
                tracing::error!(channel = name, %place, %error, %subject, "a notification is given up");
                return End::GivenUp;
            };
            metrics::notify_retried(name);
            tracing::warn!(channel = name, %place, %error, again_in = ?wait, "a notification was not delivered");
            if self.inbox.is_closed() {
                return End::Put;
            }
            metrics::notify_queued(name, self.inbox.waiting() + 1);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.inbox.closed() => return End::Put,
            }
        }
    }
}
