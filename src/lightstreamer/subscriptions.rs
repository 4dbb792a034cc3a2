//! What a session is subscribed to, by our key and by the server's number.

use std::collections::BTreeMap;

use super::frame::{Frame, Parameters};
use super::values::{BadValues, Item};
use super::{Delivery, Key, Mode, Subscription, Update};

/// After a recovery, a subscription that was asked for and is not active is asked for again after this: the request may
/// have gone down with the connection, or its answer may still be under way.
const ASK_AGAIN_MILLIS: u64 = 2_000;

#[derive(Clone, Debug)]
struct Live {
    item: Item,
    is_snapshot: bool,
    /// When it was last heard of, and last told to be silent.
    heard: u64,
    told: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    wanted: Subscription,
    /// The server's number, once asked for.
    number: Option<u64>,
    is_active: bool,
    is_refused: bool,
    ask_again: Option<u64>,
    items: Vec<Live>,
}

/// Every subscription.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscriptions {
    entries: BTreeMap<Key, Entry>,
    by_number: BTreeMap<u64, Key>,
    /// Given up, and not yet confirmed to be gone: the request that asked for it.
    leaving: BTreeMap<u64, u64>,
    /// The requests that asked for the subscriptions that are not active.
    requests: BTreeMap<u64, u64>,
    last_number: u64,
    last_request: u64,
}

impl Subscriptions {
    /// Adds one; a second under the same key takes the place of the first.
    pub(super) fn insert(&mut self, key: Key, wanted: Subscription, now: u64) -> Vec<Parameters> {
        let leaving = self.remove(key);
        let item =
            || Live { item: Item::new(wanted.fields.len()), is_snapshot: wanted.wants_snapshot, heard: now, told: now };
        let items = wanted.items.iter().map(|_| item()).collect();
        let entry = Entry { wanted, number: None, is_active: false, is_refused: false, ask_again: None, items };
        self.entries.insert(key, entry);
        leaving.into_iter().collect()
    }

    /// Takes one out; the request that tells the server, if it knows of it.
    pub(super) fn remove(&mut self, key: Key) -> Option<Parameters> {
        let number = self.entries.remove(&key)?.number?;
        self.leave(number)
    }

    /// Asks for one anew, with nothing of what it had.
    pub(super) fn renew(&mut self, key: Key, now: u64) -> Vec<Parameters> {
        let Some(entry) = self.entries.get_mut(&key) else { return Vec::new() };
        let number = entry.number.take();
        (entry.is_active, entry.is_refused, entry.ask_again) = (false, false, None);
        for live in &mut entry.items {
            live.item.clear();
            (live.is_snapshot, live.heard, live.told) = (entry.wanted.wants_snapshot, now, now);
        }
        let leaving = number.and_then(|number| self.leave(number));
        leaving.into_iter().chain(self.ask(key)).collect()
    }

    fn leave(&mut self, number: u64) -> Option<Parameters> {
        self.by_number.remove(&number)?;
        self.requests.retain(|_, asked| *asked != number);
        let request = self.next_request();
        self.leaving.insert(number, request);
        Some(Self::delete(request, number))
    }

    fn delete(request: u64, number: u64) -> Parameters {
        Parameters::default()
            .with_number("LS_reqId", request)
            .with("LS_op", "delete")
            .with_number("LS_subId", number)
            .with("LS_ack", "false")
    }

    fn next_request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// The request for one that was not asked for yet.
    pub(super) fn ask(&mut self, key: Key) -> Option<Parameters> {
        let request = self.next_request();
        let entry = self.entries.get_mut(&key).filter(|entry| entry.number.is_none() && !entry.is_refused)?;
        self.last_number += 1;
        let number = self.last_number;
        entry.number = Some(number);
        self.by_number.insert(number, key);
        self.requests.insert(request, number);
        let wanted = &entry.wanted;
        let mut parameters = Parameters::default()
            .with_number("LS_reqId", request)
            .with("LS_op", "add")
            .with_number("LS_subId", number)
            .with("LS_mode", wanted.mode.word())
            .with("LS_group", wanted.items.join(" "))
            .with("LS_schema", wanted.fields.join(" "));
        if let Some(adapter) = &wanted.adapter {
            parameters = parameters.with("LS_data_adapter", adapter);
        }
        Some(parameters.with("LS_snapshot", wanted.wants_snapshot.to_string()).with("LS_ack", "false"))
    }

    /// A new session: numbers begin anew, and every subscription is asked for again with nothing of what it had. What
    /// was refused before is tried once more.
    pub(super) fn ask_all_anew(&mut self, now: u64) -> Vec<Parameters> {
        self.by_number.clear();
        self.leaving.clear();
        self.requests.clear();
        self.last_number = 0;
        let keys: Vec<Key> = self.entries.keys().copied().collect();
        for entry in self.entries.values_mut() {
            entry.number = None;
        }
        keys.into_iter().flat_map(|key| self.renew(key, now)).collect()
    }

    /// The connection was replaced and the session goes on: requests that were not answered may have been lost.
    pub(super) fn on_recovered(&mut self, now: u64) -> Vec<Parameters> {
        for entry in self.entries.values_mut().filter(|entry| !entry.is_active && !entry.is_refused) {
            entry.ask_again = Some(now + ASK_AGAIN_MILLIS);
        }
        let numbers: Vec<u64> = self.leaving.keys().copied().collect();
        numbers
            .into_iter()
            .map(|number| {
                let request = self.next_request();
                self.leaving.insert(number, request);
                Self::delete(request, number)
            })
            .collect()
    }

    /// Requests whose time has come.
    pub(super) fn ask_due(&mut self, now: u64) -> Vec<Parameters> {
        let due = |entry: &Entry| entry.ask_again.is_some_and(|at| at <= now);
        let keys: Vec<Key> = self.entries.iter().filter(|(_, entry)| due(entry)).map(|(key, _)| *key).collect();
        keys.into_iter().flat_map(|key| self.renew(key, now)).collect()
    }

    /// Items that have been silent for too long.
    pub(super) fn silent(&mut self, now: u64) -> Vec<Delivery> {
        let mut silent = Vec::new();
        for (key, entry) in &mut self.entries {
            let Some(after) = entry.wanted.silent_after_millis.filter(|_| !entry.is_refused) else { continue };
            for (item, live) in entry.items.iter_mut().enumerate() {
                if now.saturating_sub(live.told) >= after {
                    live.told = now;
                    silent.push(Delivery::Silent { key: *key, item, age_millis: now.saturating_sub(live.heard) });
                }
            }
        }
        silent
    }

    /// After an outage nobody is silent for the time that nobody could speak.
    pub(super) fn restart_silence(&mut self, now: u64) {
        for live in self.entries.values_mut().flat_map(|entry| &mut entry.items) {
            live.told = now;
        }
    }

    /// When something is due next.
    pub(super) fn next_wake(&self) -> Option<u64> {
        let silence = |entry: &Entry| {
            let after = entry.wanted.silent_after_millis.filter(|_| !entry.is_refused)?;
            entry.items.iter().map(|live| live.told.saturating_add(after)).min()
        };
        self.entries.values().flat_map(|entry| [silence(entry), entry.ask_again]).flatten().min()
    }

    /// Takes in a notification; `None` where it says nothing to the caller.
    ///
    /// # Errors
    /// A sentence, where it does not fit what was subscribed to; nothing has changed then.
    pub(super) fn on_frame(&mut self, frame: &Frame<'_>, now: u64) -> Result<Option<Delivery>, String> {
        let (number, item) = match *frame {
            Frame::Unsubscribed { sub } => {
                self.leaving.remove(&sub);
                return Ok(None);
            }
            Frame::SubOk { sub, items, fields } => return self.on_active(sub, items, fields),
            Frame::Update { sub, item, .. }
            | Frame::SnapshotEnd { sub, item }
            | Frame::Cleared { sub, item }
            | Frame::Lost { sub, item, .. } => (sub, item),
            _ => return Ok(None),
        };
        // What belongs to a subscription that we gave up is still under way for a while.
        let Some(key) = self.by_number.get(&number).copied() else { return Ok(None) };
        let Some(entry) = self.entries.get_mut(&key) else { return Ok(None) };
        let place = usize::try_from(item).ok().and_then(|item| item.checked_sub(1));
        let Some((place, live)) = place.and_then(|place| Some((place, entry.items.get_mut(place)?))) else {
            return Err(format!("subscription {number} has no item {item}"));
        };
        match *frame {
            Frame::Update { values, .. } => {
                let changed = live.item.apply(values).map_err(|why: BadValues| why.to_string())?;
                let is_snapshot = live.is_snapshot;
                if entry.wanted.mode == Mode::Merge {
                    live.is_snapshot = false;
                }
                (live.heard, live.told) = (now, now);
                let values = live.item.values().to_vec();
                Ok(Some(Delivery::Update(Update { key, item: place, is_snapshot, changed, values })))
            }
            Frame::SnapshotEnd { .. } => {
                live.is_snapshot = false;
                Ok(Some(Delivery::SnapshotEnd(key, place)))
            }
            Frame::Cleared { .. } => {
                live.item.clear();
                Ok(Some(Delivery::Cleared(key, place)))
            }
            Frame::Lost { count, .. } => Ok(Some(Delivery::Lost { key, item: place, count })),
            _ => Ok(None),
        }
    }

    fn on_active(&mut self, number: u64, items: u64, fields: u64) -> Result<Option<Delivery>, String> {
        let Some(key) = self.by_number.get(&number).copied() else { return Ok(None) };
        let Some(entry) = self.entries.get_mut(&key) else { return Ok(None) };
        let want = (entry.wanted.items.len() as u64, entry.wanted.fields.len() as u64);
        if (items, fields) != want {
            return Err(format!("subscription {number} has {items} items of {fields} fields, we asked for {want:?}"));
        }
        (entry.is_active, entry.ask_again) = (true, None);
        self.requests.retain(|_, asked| *asked != number);
        Ok(Some(Delivery::Subscribed(key)))
    }

    /// A request was refused.
    pub(super) fn on_refused(&mut self, request: u64, fault: &super::Fault) -> Option<Delivery> {
        // A subscription that the server does not know need not be given up.
        self.leaving.retain(|_, asked| *asked != request);
        let number = self.requests.remove(&request)?;
        let key = self.by_number.remove(&number)?;
        let entry = self.entries.get_mut(&key)?;
        (entry.number, entry.is_refused, entry.ask_again) = (None, true, None);
        Some(Delivery::Refused(key, fault.clone()))
    }
}
