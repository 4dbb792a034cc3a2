//! What is counted of the connection to IG, as it happens.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};

/// When the last price of each market came, by the steady clock: its age is told at each scrape.
static LAST_PRICES: Mutex<BTreeMap<String, Instant>> = Mutex::new(BTreeMap::new());

/// Since when the connection is out of order, by the steady clock.
static OUTAGE: Mutex<Outage> = Mutex::new(Outage { stream_down: None, unanswered: None });

struct Outage {
    stream_down: Option<Instant>,
    /// Since when, and how many requests in a row.
    unanswered: Option<(Instant, u32)>,
}

/// How the connection to IG is at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// How long the stream has been down; `None`: it is up, or there is none.
    pub stream_down_for: Option<Duration>,
    /// How long no request has been answered; `None`: the last one was, or there was none.
    pub unanswered_for: Option<Duration>,
    /// How many requests in a row.
    pub unanswered: u32,
}

fn outage() -> std::sync::MutexGuard<'static, Outage> {
    OUTAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the connection to IG is at this moment.
#[must_use]
pub fn link() -> Link {
    let outage = outage();
    Link {
        stream_down_for: outage.stream_down.map(|since| since.elapsed()),
        unanswered_for: outage.unanswered.map(|(since, _)| since.elapsed()),
        unanswered: outage.unanswered.map_or(0, |(_, n)| n),
    }
}

/// A request to IG is over; `endpoint` is the first part of its path, `outcome` one word.
pub fn request_done(endpoint: &'static str, outcome: &'static str, took: Duration) {
    {
        let mut outage = outage();
        match (outcome, &mut outage.unanswered) {
            ("unanswered" | "not_sent", Some((_, n))) => *n = n.saturating_add(1),
            ("unanswered" | "not_sent", none) => *none = Some((Instant::now(), 1)),
            (_, last) => *last = None,
        }
    }
    histogram!("arena_ig_request_duration_seconds", "endpoint" => endpoint, "outcome" => outcome)
        .record(took.as_secs_f64());
}

/// What is left of an allowance, and the whole of it.
pub fn allowance(name: &'static str, left: i64, whole: i64) {
    gauge!("arena_ig_allowance_left", "allowance" => name).set(left as f64);
    gauge!("arena_ig_allowance_whole", "allowance" => name).set(whole as f64);
}

/// The stream of an account is up, or down.
pub fn stream_is(account: &str, is_up: bool) {
    {
        let mut outage = outage();
        outage.stream_down = if is_up { None } else { outage.stream_down.or_else(|| Some(Instant::now())) };
    }
    gauge!("arena_ig_stream_up", "account" => account.to_owned()).set(f64::from(u8::from(is_up)));
}

/// The stream came back: with nothing lost, or as a new session.
pub fn stream_back(is_recovered: bool) {
    let how = if is_recovered { "recovered" } else { "anew" };
    counter!("arena_ig_stream_reconnects_total", "how" => how).increment(1);
}

/// Money on an account, as the stream tells it.
pub fn account_money(account: &str, balance: Option<f64>, available: Option<f64>) {
    if let Some(balance) = balance {
        gauge!("arena_ig_account_balance", "account" => account.to_owned()).set(balance);
    }
    if let Some(available) = available {
        gauge!("arena_ig_account_available", "account" => account.to_owned()).set(available);
    }
}

/// A live feed told of a gap in the quotes of this many markets.
pub fn gap(markets: usize) {
    counter!("arena_feed_gaps_total").increment(markets as u64);
}

/// A price of a market came.
pub fn price_heard(epic: &str) {
    let mut last = LAST_PRICES.lock().unwrap_or_else(PoisonError::into_inner);
    match last.get_mut(epic) {
        Some(at) => *at = Instant::now(),
        None => drop(last.insert(epic.to_owned(), Instant::now())),
    }
}

/// Brings the ages of the last prices up to now.
pub(super) fn tell_ages() {
    for (epic, at) in LAST_PRICES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        gauge!("arena_ig_price_age_seconds", "epic" => epic.clone()).set(at.elapsed().as_secs_f64());
    }
}
