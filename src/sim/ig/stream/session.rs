//! One stream session: its subscriptions, the frames that wait to be sent, and those kept for a recovery.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::delta::{Values, argument, encode};
use super::items::{Item, Mode};

/// Frames that are kept after they were sent, for a recovery.
const KEPT_MAX: usize = 5_000;
/// Frames that wait before updates are joined or dropped.
const BACKLOG_MAX: usize = 5_000;
/// Bytes given to a transport at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// One item of a subscription.
#[derive(Debug, Default)]
struct Slot {
    /// The values sent last.
    sent: Option<Values>,
    /// Values that wait for their time, or for room.
    waiting: Option<Values>,
    /// Updates that were dropped.
    lost: u32,
    /// The next update may be sent from here on.
    next: Option<Instant>,
}

/// One subscription.
#[derive(Debug)]
pub(in crate::sim::ig) struct Subscription {
    pub(in crate::sim::ig) items: Vec<Item>,
    pub(in crate::sim::ig) fields: Vec<String>,
    pub(in crate::sim::ig) mode: Mode,
    /// The least time between two updates of an item.
    pub(in crate::sim::ig) pause: Option<Duration>,
    slots: Vec<Slot>,
}

impl Subscription {
    pub(in crate::sim::ig) fn new(items: Vec<Item>, fields: Vec<String>, mode: Mode, pause: Option<Duration>) -> Self {
        let slots = items.iter().map(|_| Slot::default()).collect();
        Self { items, fields, mode, pause, slots }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim::ig) struct End {
    pub(in crate::sim::ig) code: i32,
    pub(in crate::sim::ig) text: String,
}

impl End {
    /// The frame that tells it.
    pub(in crate::sim::ig) fn frame(&self) -> String {
        format!("END,{},{}\r\n", self.code, argument(&self.text))
    }
}

/// One session.
#[derive(Debug)]
pub(in crate::sim::ig) struct Session {
    pub(in crate::sim::ig) account: String,
    pub(in crate::sim::ig) subscriptions: BTreeMap<u32, Subscription>,
    /// Data notifications, the first of them numbered `first`.
    log: VecDeque<String>,
    first: u64,
    /// The number of the next one to send.
    next: u64,
    /// What is told once and not counted: replies, notices.
    notices: VecDeque<String>,
    /// Counts binds: a transport of an older one is void.
    pub(in crate::sim::ig) binding: u64,
    /// Since when nobody listens.
    pub(in crate::sim::ig) unbound: Option<Instant>,
    /// Told to bind again: what was bound ends after what waits.
    pub(in crate::sim::ig) is_looping: bool,
    pub(in crate::sim::ig) end: Option<End>,
    pub(in crate::sim::ig) keepalive: Duration,
    /// How long the client may be silent.
    pub(in crate::sim::ig) inactivity: Option<Duration>,
    pub(in crate::sim::ig) heard: Instant,
    /// Rings when there is something to send.
    pub(in crate::sim::ig) bell: Arc<Notify>,
}

/// What a transport is to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sim::ig) enum Next {
    /// Send this and ask again.
    Send(String),
    /// Wait for the bell.
    Wait,
    /// Send this and let go: the session waits for another bind.
    Loop,
    /// Send this, which ends the session.
    End(String),
    /// Somebody else is bound, or the session is gone.
    Void,
}

impl Session {
    pub(in crate::sim::ig) fn new(account: &str, keepalive: Duration, inactivity: Option<Duration>) -> Self {
        Self {
            account: account.to_owned(),
            subscriptions: BTreeMap::new(),
            log: VecDeque::new(),
            first: 0,
            next: 0,
            notices: VecDeque::new(),
            binding: 0,
            unbound: None,
            is_looping: false,
            end: None,
            keepalive,
            inactivity,
            heard: Instant::now(),
            bell: Arc::new(Notify::new()),
        }
    }

    /// The number of the frame that comes after all there are.
    fn len(&self) -> u64 {
        self.first + self.log.len() as u64
    }

    fn backlog(&self) -> usize {
        usize::try_from(self.len() - self.next).unwrap_or(usize::MAX)
    }

    /// Sends a data notification: kept for a recovery.
    pub(in crate::sim::ig) fn push(&mut self, frame: String) {
        self.log.push_back(frame + "\r\n");
        while self.log.len() > KEPT_MAX && self.first < self.next {
            self.log.pop_front();
            self.first += 1;
        }
        self.bell.notify_one();
    }

    /// Sends a notice: not counted, and lost where nobody listens.
    pub(in crate::sim::ig) fn notice(&mut self, frame: &str) {
        if self.unbound.is_none() {
            self.notices.push_back(format!("{frame}\r\n"));
            self.bell.notify_one();
        }
    }

    /// An update of an item. Returns whether anything waits for its time.
    pub(in crate::sim::ig) fn update(&mut self, number: u32, at: usize, values: Values, now: Instant) {
        let is_full = self.backlog() >= BACKLOG_MAX;
        let Some(subscription) = self.subscriptions.get_mut(&number) else { return };
        let mode = subscription.mode;
        let Some(slot) = subscription.slots.get_mut(at) else { return };
        if mode == Mode::Distinct {
            // Deals are never dropped: there are few of them, and none may be missed.
            let is_dear = matches!(subscription.items[at], Item::Trade { .. });
            if is_full && !is_dear {
                slot.lost += 1;
                return;
            }
        } else {
            let is_early = slot.next.is_some_and(|next| now < next);
            if is_full || is_early {
                slot.waiting = Some(values);
                return;
            }
        }
        self.emit(number, at, values, now);
    }

    /// Sends an update of an item at once.
    fn emit(&mut self, number: u32, at: usize, values: Values, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(&number) else { return };
        let is_merge = subscription.mode == Mode::Merge;
        let pause = subscription.pause;
        let Some(slot) = subscription.slots.get_mut(at) else { return };
        slot.waiting = None;
        if is_merge && slot.sent.as_ref() == Some(&values) {
            return;
        }
        let lost = std::mem::take(&mut slot.lost);
        let text = encode(&values, slot.sent.as_ref());
        slot.sent = Some(values);
        slot.next = pause.map(|pause| now + pause);
        if lost > 0 {
            self.push(format!("OV,{number},{},{lost}", at + 1));
        }
        self.push(format!("U,{number},{},{text}", at + 1));
    }

    /// Sends updates whose time has come, if there is room. Returns when the next one's comes.
    pub(in crate::sim::ig) fn flush(&mut self, now: Instant) -> Option<Instant> {
        if self.backlog() >= BACKLOG_MAX / 2 {
            return None;
        }
        let mut ready = Vec::new();
        let mut soonest: Option<Instant> = None;
        for (number, subscription) in &mut self.subscriptions {
            for (at, slot) in subscription.slots.iter_mut().enumerate() {
                if slot.waiting.is_none() {
                    continue;
                }
                match slot.next.filter(|next| now < *next) {
                    Some(next) => soonest = Some(soonest.map_or(next, |soonest| soonest.min(next))),
                    None => ready.extend(slot.waiting.take().map(|values| (*number, at, values))),
                }
            }
        }
        for (number, at, values) in ready {
            self.emit(number, at, values, now);
        }
        soonest
    }

    /// What the transport of a bind is to do next.
    pub(in crate::sim::ig) fn next(&mut self, binding: u64) -> Next {
        if binding != self.binding {
            return Next::Void;
        }
        let mut text = String::new();
        while let Some(notice) = self.notices.pop_front() {
            text.push_str(&notice);
        }
        while text.len() < CHUNK_BYTES && self.next < self.len() {
            let Ok(at) = usize::try_from(self.next - self.first) else { break };
            text.push_str(&self.log[at]);
            self.next += 1;
        }
        if !text.is_empty() {
            return Next::Send(text);
        }
        if let Some(end) = &self.end {
            return Next::End(end.frame());
        }
        if self.is_looping {
            self.is_looping = false;
            self.leave(binding);
            return Next::Loop;
        }
        Next::Wait
    }

    /// Nobody listens on this bind any more.
    pub(in crate::sim::ig) fn leave(&mut self, binding: u64) {
        if self.binding == binding {
            self.unbound = Some(Instant::now());
            self.notices.clear();
        }
    }

    /// A bind takes the session over. With `from`, from that notification on; `None` where it is not kept any more.
    pub(in crate::sim::ig) fn bind(&mut self, from: Option<u64>) -> Option<u64> {
        if let Some(from) = from {
            if from < self.first || from > self.len() {
                return None;
            }
            self.next = from;
        }
        self.binding += 1;
        self.unbound = None;
        self.is_looping = false;
        self.notices.clear();
        self.heard = Instant::now();
        // Whoever was bound wakes and finds that he is not.
        self.bell.notify_one();
        self.bell = Arc::new(Notify::new());
        Some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let mut session = Session::new("A", Duration::from_secs(5), None);
        session.bind(None);
        let item = |name: &str| Item::parse(name).unwrap();
        let fields = vec!["A".to_owned(), "B".to_owned()];
        session.subscriptions.insert(1, Subscription::new(vec![item("L1:X")], fields.clone(), Mode::Merge, None));
        session.subscriptions.insert(2, Subscription::new(vec![item("CHART:X:TICK")], fields, Mode::Distinct, None));
        session
    }

    fn values(a: &str, b: &str) -> Values {
        vec![Some(a.to_owned()), Some(b.to_owned())]
    }

    fn sent(session: &mut Session) -> String {
        match session.next(session.binding) {
            Next::Send(text) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn merged_items_tell_changes_alone_and_distinct_ones_every_event() {
        let mut session = session();
        let now = Instant::now();
        for number in [1, 2] {
            session.update(number, 0, values("1", "2"), now);
            session.update(number, 0, values("1", "2"), now);
            session.update(number, 0, values("1", "3"), now);
        }
        assert_eq!(sent(&mut session), "U,1,1,1|2\r\nU,1,1,|3\r\nU,2,1,1|2\r\nU,2,1,^2\r\nU,2,1,|3\r\n");
        assert_eq!(session.next(session.binding), Next::Wait);
    }

    #[test]
    fn a_recovery_sends_again_from_where_the_client_stands() {
        let mut session = session();
        for n in 0..10 {
            session.push(format!("F{n}"));
        }
        drop(sent(&mut session));
        session.push("F10".to_owned());
        let old = session.binding;
        session.leave(old);
        assert_eq!(session.bind(Some(8)), Some(8));
        assert_eq!(sent(&mut session), "F8\r\nF9\r\nF10\r\n");
        assert_eq!(session.next(old), Next::Void);
        assert_eq!(session.bind(Some(12)), None, "the client cannot be ahead");
        // Without a wish it goes on after what was sent.
        assert_eq!(session.bind(None), Some(11));
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_recovery_from_before_is_refused() {
        let mut session = session();
        for n in 0..3 * KEPT_MAX {
            session.push(format!("F{n}"));
            if n % 1_000 == 0 {
                while matches!(session.next(session.binding), Next::Send(_)) {}
            }
        }
        while matches!(session.next(session.binding), Next::Send(_)) {}
        session.push("last".to_owned());
        assert!(session.log.len() <= KEPT_MAX, "{}", session.log.len());
        assert_eq!(session.bind(Some(0)), None);
    }

    #[test]
    fn a_client_that_does_not_read_gets_merged_updates_and_a_count_of_the_lost() {
        let mut session = session();
        let now = Instant::now();
        for n in 0..2 * BACKLOG_MAX {
            session.update(1, 0, values(&n.to_string(), "x"), now);
            session.update(2, 0, values(&n.to_string(), "x"), now);
        }
        assert!(session.log.len() <= BACKLOG_MAX + 2, "{}", session.log.len());
        while matches!(session.next(session.binding), Next::Send(_)) {}
        assert_eq!(session.flush(now), None);
        session.update(2, 0, values("y", "x"), now);
        let text = sent(&mut session);
        let last = 2 * BACKLOG_MAX - 1;
        assert!(text.starts_with(&format!("U,1,1,{last}|\r\nOV,2,1,")), "{text}");
    }

    #[test]
    fn a_frequency_is_kept_and_the_newest_values_come_when_it_allows() {
        let mut session = session();
        let now = Instant::now();
        let pause = Duration::from_millis(500);
        session.subscriptions.get_mut(&1).unwrap().pause = Some(pause);
        for n in 0..5 {
            session.update(1, 0, values(&n.to_string(), "x"), now);
        }
        assert_eq!(sent(&mut session), "U,1,1,0|x\r\n");
        assert_eq!(session.flush(now), Some(now + pause));
        assert_eq!(session.flush(now + pause), None);
        assert_eq!(sent(&mut session), "U,1,1,4|\r\n");
    }
}
