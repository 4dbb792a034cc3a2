//! What waits to be told to one channel: a bounded queue, and a count of what came beyond it. Whoever puts something in
//! never waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::event::Event;
use super::journal::{Place, Source};
use crate::config::NotifyEvent;
use crate::domain::UtcMicros;

/// Events that wait one by one; more are only counted.
const QUEUE_MAX: usize = 256;
/// Events of a digest that are told in their own words: the last ones.
const WORDS_MAX: usize = 10;

/// An event, and its place where it is of the journal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// What to tell.
    pub(super) event: Event,
    /// Where it stands.
    pub(super) at: Option<(Source, u64)>,
}

/// Events that are told together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Digest {
    /// How many.
    pub(super) count: u64,
    /// Event time of the first.
    pub(super) since: Option<UtcMicros>,
    /// Event time of the last.
    pub(super) until: UtcMicros,
    /// How many of each kind.
    pub(super) kinds: BTreeMap<NotifyEvent, u64>,
    /// The last ones in their own words.
    pub(super) words: VecDeque<String>,
    /// The place behind all of them.
    pub(super) place: Place,
}

impl Digest {
    /// Adds one.
    pub(super) fn add(&mut self, item: &Item) {
        let event = &item.event;
        self.count += 1;
        self.since.get_or_insert(event.time);
        self.until = self.until.max(event.time);
        *self.kinds.entry(event.event).or_default() += 1;
        if self.words.len() == WORDS_MAX {
            self.words.pop_front();
        }
        let why = if event.reason.is_empty() { String::new() } else { format!(": {}", event.reason) };
        self.words.push_back(format!("{} {}{why}", event.time, event.summary));
        if let Some((source, end)) = item.at {
            self.place.reach(source, end);
        }
    }

    /// Adds all of another.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.since = self.since.or(other.since);
        self.until = self.until.max(other.until);
        for (kind, n) in other.kinds {
            *self.kinds.entry(kind).or_default() += n;
        }
        self.words.extend(other.words);
        self.words.drain(..self.words.len().saturating_sub(WORDS_MAX));
        self.place.reach_all(&other.place);
    }

    /// How many of what, such as `3 retirement, 1 halt`.
    #[must_use]
    pub(super) fn kinds_text(&self) -> String {
        self.kinds.iter().map(|(kind, n)| format!("{n} {}", kind.word())).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug, Default)]
struct Pending {
    queue: VecDeque<Item>,
    more: Digest,
    is_closed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pending: Mutex<Pending>,
    woken: Notify,
}

/// What is told next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// One event.
    One(Box<Item>),
    /// Several together.
    Several(Digest),
}

impl Inbox {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // Nothing that holds the lock can leave it half done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in; never waits.
    pub(super) fn push(&self, item: Item) {
        let mut pending = self.pending();
        if pending.queue.len() < QUEUE_MAX && pending.more.count == 0 {
            pending.queue.push_back(item);
        } else {
            pending.more.add(&item);
        }
        self.woken.notify_one();
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.pending().is_closed = true;
        self.woken.notify_one();
    }

    /// How many events wait.
    #[must_use]
    pub(super) fn waiting(&self) -> u64 {
        let pending = self.pending();
        pending.queue.len() as u64 + pending.more.count
    }

    /// Whether nothing more will come.
    #[must_use]
    pub(super) fn is_closed(&self) -> bool {
        self.pending().is_closed
    }

    /// The next that is told: the first event, or all of them together where `wants_all`. `None` where nothing waits.
    pub(super) fn take(&self, wants_all: bool) -> Option<Next> {
        let mut pending = self.pending();
        if !wants_all && let Some(item) = pending.queue.pop_front() {
            return Some(Next::One(Box::new(item)));
        }
        if pending.queue.len() == 1 && pending.more.count == 0 {
            return pending.queue.pop_front().map(Box::new).map(Next::One);
        }
        let mut all = Digest::default();
        pending.queue.drain(..).for_each(|item| all.add(&item));
        all.merge(std::mem::take(&mut pending.more));
        (all.count > 0).then_some(Next::Several(all))
    }

    /// Returns once something waits or nothing more will come.
    pub(super) async fn ready(&self) {
        while self.waiting() == 0 && !self.is_closed() {
            self.woken.notified().await;
        }
    }

    /// Returns once nothing more will come.
    pub(super) async fn closed(&self) {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        while !self.is_closed() {
            every.tick().await;
        }
    }
}

/// How often a channel may be written to: so many messages in a window that begins with the first of them.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    burst: u32,
    window: Duration,
    begun: Option<Instant>,
    sent: u32,
}

impl Pace {
    /// `burst` messages in `window`.
    #[must_use]
    pub(super) fn new(burst: u32, window: Duration) -> Self {
        Self { burst, window, begun: None, sent: 0 }
    }

    /// Until when nothing may be sent; `None`: it may.
    pub(super) fn blocked_until(&mut self, now: Instant) -> Option<Instant> {
        let end = self.begun? + self.window;
        if now >= end {
            (self.begun, self.sent) = (None, 0);
            return None;
        }
        (self.sent >= self.burst).then_some(end)
    }

    /// Notes a message.
    pub(super) fn sent(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(time: i64, event: NotifyEvent) -> Item {
        let event = Event::new(event, UtcMicros(time), format!("thing {time}"), "");
        Item { event, at: Some((Source::Audit, time.unsigned_abs())) }
    }

    #[test]
    fn a_flood_is_counted_and_nothing_of_it_is_lost() {
        let inbox = Inbox::default();
        (1..=1_000).for_each(|time| inbox.push(item(time, NotifyEvent::Retirement)));
        inbox.push(item(1_001, NotifyEvent::Halt));
        assert_eq!(inbox.waiting(), 1_001);
        assert_eq!(inbox.take(false), Some(Next::One(Box::new(item(1, NotifyEvent::Retirement)))));
        let Some(Next::Several(all)) = inbox.take(true) else { panic!("several wait") };
        assert_eq!((all.count, all.since, all.until), (1_000, Some(UtcMicros(2)), UtcMicros(1_001)));
        assert_eq!(all.kinds_text(), "999 retirement, 1 halt");
        assert_eq!(all.words.len(), WORDS_MAX);
        assert!(all.words[9].ends_with("thing 1001"), "{:?}", all.words);
        assert_eq!(all.place.of(Source::Audit), 1_001);
        assert_eq!((inbox.take(true), inbox.waiting()), (None, 0));
    }

    #[test]
    fn one_that_waited_alone_is_told_as_itself() {
        let inbox = Inbox::default();
        inbox.push(item(1, NotifyEvent::Halt));
        assert!(matches!(inbox.take(true), Some(Next::One(_))));
    }

    #[test]
    fn a_burst_goes_out_and_then_the_window_has_to_end() {
        let mut pace = Pace::new(2, Duration::from_secs(60));
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(pace.blocked_until(at(0)), None);
        pace.sent(at(0));
        assert_eq!(pace.blocked_until(at(1)), None);
        pace.sent(at(1));
        assert_eq!(pace.blocked_until(at(2)), Some(at(60)));
        assert_eq!(pace.blocked_until(at(60)), None);
        pace.sent(at(61));
        assert_eq!(pace.blocked_until(at(100)), None);
    }
}
