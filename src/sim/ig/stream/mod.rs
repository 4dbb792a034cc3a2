//! The streaming side: sessions with their subscriptions, and who is told what when something changes.
//!
//! ```text
//! quote, deal ─→ Hub ─values→ Session ─frames→ transport (WebSocket, HTTP)
//!                                 ↑ requests (create, bind, control) ──┘
//! ```
//!
//! A session outlives its transports. What it has sent is kept for a while, so that a bind with `LS_recovery_from` goes
//! on without a gap.

mod control;
mod delta;
mod items;
mod poll;
mod request;
mod session;
mod socket;

pub(super) use poll::{AnyBody, exchange, whole};
pub(super) use socket::converse;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::UtcMicros;

use self::delta::Values;
use self::items::{Item, account_values};
use self::session::{End, Session};
use super::accounts::Sums;
use super::board::Board;
use super::dealing::Update;

/// How long a session without a transport is kept.
const UNBOUND_MAX: Duration = Duration::from_secs(45);
/// What a client may be silent beyond what it has promised.
const INACTIVITY_GRACE: Duration = Duration::from_secs(5);
/// Sessions at one time.
const SESSIONS_MAX: usize = 1_000;

/// Where a subscribed item is: session, subscription, place in it.
type Place = (String, u32, usize);

/// All stream sessions.
#[derive(Debug, Default)]
pub(super) struct Hub {
    sessions: BTreeMap<String, Session>,
    /// By epic.
    markets: BTreeMap<String, Vec<Place>>,
    /// By account.
    accounts: BTreeMap<String, Vec<Place>>,
    /// When the muted items may speak again: of one epic, or of all under the empty name.
    muted: BTreeMap<String, UtcMicros>,
    /// Until when nothing at all is sent.
    pub(super) stalled_until: UtcMicros,
    is_market_mute: bool,
}

impl Hub {
    pub(super) fn new(is_market_mute: bool) -> Self {
        Self { is_market_mute, ..Self::default() }
    }

    /// Whether `MARKET` and `L1` items deliver nothing.
    pub(super) fn set_market_mute(&mut self, is_mute: bool) {
        self.is_market_mute = is_mute;
    }

    fn is_muted(&self, epic: &str, now: UtcMicros) -> bool {
        ["", epic].iter().any(|name| self.muted.get(*name).is_some_and(|until| now < *until))
    }

    /// Silences the items of a market, or of all.
    pub(super) fn mute(&mut self, epic: Option<&str>, until: UtcMicros) {
        self.muted.insert(epic.unwrap_or("").to_owned(), until);
    }

    fn listen(&mut self, item: &Item, place: Place) {
        if let Some(epic) = item.epic() {
            self.markets.entry(epic.to_owned()).or_default().push(place);
        } else if let Some(account) = item.account() {
            self.accounts.entry(account.to_owned()).or_default().push(place);
        }
    }

    fn unlisten(&mut self, is_meant: impl Fn(&Place) -> bool) {
        for places in self.markets.values_mut().chain(self.accounts.values_mut()) {
            places.retain(|place| !is_meant(place));
        }
    }

    /// Ends a session and forgets it once it is told, or at once where nobody listens.
    pub(super) fn end(&mut self, id: &str, code: i32, text: &str) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.end = Some(End { code, text: text.to_owned() });
        session.bell.notify_one();
        self.unlisten(|place| place.0 == id);
    }

    /// Ends every session.
    pub(super) fn end_all(&mut self, code: i32, text: &str) {
        let ids: Vec<String> = self.sessions.keys().cloned().collect();
        for id in ids {
            self.end(&id, code, text);
        }
    }

    /// Forgets a session.
    fn forget(&mut self, id: &str) {
        if let Some(session) = self.sessions.remove(id) {
            session.bell.notify_one();
            self.unlisten(|place| place.0 == id);
        }
    }

    /// Forgets every session without a word.
    pub(super) fn forget_all(&mut self) {
        for session in self.sessions.values() {
            session.bell.notify_one();
        }
        self.sessions.clear();
        self.markets.clear();
        self.accounts.clear();
    }

    /// Tells every bound session to bind again.
    pub(super) fn loop_all(&mut self) {
        for session in self.sessions.values_mut().filter(|session| session.unbound.is_none()) {
            session.is_looping = true;
            session.bell.notify_one();
        }
    }

    /// Sends a line to every bound session, whatever it is.
    pub(super) fn notice_all(&mut self, line: &str) {
        for session in self.sessions.values_mut() {
            session.notice(line);
        }
    }

    /// Forgets sessions that nobody has bound for long, or whose client has broken its promise to speak.
    pub(super) fn sweep(&mut self) {
        let is_dead = |session: &Session| {
            let is_left = session.unbound.is_some_and(|since| since.elapsed() > UNBOUND_MAX);
            let is_silent = session.inactivity.is_some_and(|most| session.heard.elapsed() > most + INACTIVITY_GRACE);
            is_left || (is_silent && session.unbound.is_none()) || (session.end.is_some() && session.unbound.is_some())
        };
        let dead: Vec<String> =
            self.sessions.iter().filter(|(_, session)| is_dead(session)).map(|(id, _)| id.clone()).collect();
        for id in dead {
            self.forget(&id);
        }
    }

    /// Sends updates that waited for their frequency. Returns when the next one may go.
    pub(super) fn flush(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.sessions.values_mut().filter_map(|session| session.flush(now)).min()
    }

    /// A market has a new quote or status.
    pub(super) fn on_quote(&mut self, board: &Board, now: UtcMicros) {
        self.on_market(board, now, |_| true);
    }

    /// A candle of a market is finished.
    pub(super) fn on_candle(&mut self, board: &Board, scale: usize, now: UtcMicros) {
        self.on_market(board, now, |item| matches!(item, Item::Candle { scale: of, .. } if *of == scale));
    }

    /// A market's status has changed without a quote.
    pub(super) fn on_status(&mut self, board: &Board, now: UtcMicros) {
        self.on_market(board, now, |item| matches!(item, Item::Price { .. } | Item::Market { .. }));
    }

    fn on_market(&mut self, board: &Board, now: UtcMicros, is_meant: impl Fn(&Item) -> bool) {
        let epic = board.listing.epic.as_str();
        if self.is_muted(epic, now) {
            return;
        }
        let wall = Instant::now();
        let Self { sessions, markets, is_market_mute, .. } = self;
        let Some(places) = markets.get(epic) else { return };
        for (id, number, at) in places {
            let Some(session) = sessions.get_mut(id) else { continue };
            let Some(subscription) = session.subscriptions.get(number) else { continue };
            let item = &subscription.items[*at];
            if !is_meant(item) || (*is_market_mute && matches!(item, Item::Market { .. })) {
                continue;
            }
            let values = item.values(&subscription.fields, board, now);
            session.update(*number, *at, values, wall);
        }
    }

    /// Whether anybody follows the sums of an account.
    pub(super) fn has_account(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|places| !places.is_empty())
    }

    /// The sums of an account have changed.
    pub(super) fn on_account(&mut self, account: &str, sums: &Sums) {
        self.tell_account(account, |item, fields| {
            matches!(item, Item::Account { .. }).then(|| account_values(fields, sums))
        });
    }

    /// Something was dealt on an account.
    pub(super) fn on_trade(&mut self, account: &str, update: &Update) {
        let text = update.body().to_string();
        self.tell_account(account, |item, fields| {
            // One event fills one field; the others are null again, so that nobody takes the last one twice.
            let value = |field: &String| (field == update.field()).then(|| text.clone());
            let is_asked = fields.iter().any(|field| field == update.field());
            (matches!(item, Item::Trade { .. }) && is_asked).then(|| fields.iter().map(value).collect())
        });
    }

    fn tell_account(&mut self, account: &str, values: impl Fn(&Item, &[String]) -> Option<Values>) {
        let wall = Instant::now();
        let Self { sessions, accounts, .. } = self;
        let Some(places) = accounts.get(account) else { return };
        for (id, number, at) in places {
            let Some(session) = sessions.get_mut(id) else { continue };
            let Some(subscription) = session.subscriptions.get(number) else { continue };
            if let Some(values) = values(&subscription.items[*at], &subscription.fields) {
                session.update(*number, *at, values, wall);
            }
        }
    }

    /// Sessions, bound ones, and subscriptions.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let bound = self.sessions.values().filter(|session| session.unbound.is_none()).count();
        (self.sessions.len(), bound, self.sessions.values().map(|session| session.subscriptions.len()).sum())
    }
}
