//! What a simulator is started with: users, accounts, markets, limits, delays, and the pace of its clock.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::domain::{Micros, Money, UtcMicros};

use super::listing::{self, Listing};
use super::prices::Prices;

/// An account of the user.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountSpec {
    /// What it is called in requests.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `SPREADBET` or `CFD`.
    pub kind: String,
    /// Every login lands on the preferred one.
    pub is_preferred: bool,
    /// Cash at the start.
    pub balance: Money,
    /// Whether opposite positions on one market may stand side by side.
    pub is_hedging_allowed: bool,
}

/// How many requests, points and subscriptions are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests that do not deal, per key and minute; `None` lifts the limit.
    pub application: Option<u32>,
    /// Requests that do not deal, per account and minute.
    pub account: Option<u32>,
    /// Requests that deal, per account and minute.
    pub trading: Option<u32>,
    /// Points of the price history, per key and account and week.
    pub history: Option<u32>,
    /// Subscriptions on one connection; nothing lifts it.
    pub subscriptions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { application: Some(60), account: Some(30), trading: Some(100), history: Some(10_000), subscriptions: 40 }
    }
}

impl Limits {
    /// Without allowances of requests and history.
    #[must_use]
    pub fn lifted() -> Self {
        Self { application: None, account: None, trading: None, history: None, ..Self::default() }
    }
}

/// How long things take at the venue, in its own time. A range is drawn from evenly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delays {
    /// From a deal to its confirm over REST.
    pub confirm: (Micros, Micros),
    /// How long a confirm can be read.
    pub confirm_life: Micros,
    /// From the confirm over REST to its copy on the stream.
    pub stream: (Micros, Micros),
    /// Life of client and account tokens, counted from their last use.
    pub token_life: Micros,
    /// The longest that use can prolong them to, counted from the login.
    pub token_life_max: Micros,
    /// Life of an access token.
    pub access_life: Micros,
    /// How much longer its refresh token lives.
    pub refresh_life: Micros,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            confirm: (Micros(500), Micros(2_500)),
            confirm_life: Micros(60_000_000),
            stream: (Micros(60_000), Micros(150_000)),
            token_life: Micros(6 * 3_600_000_000),
            token_life_max: Micros(72 * 3_600_000_000),
            access_life: Micros(60_000_000),
            refresh_life: Micros(600_000_000),
        }
    }
}

/// How the venue's clock runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Where it begins; `None`: at the wall clock's now.
    pub start: Option<UtcMicros>,
    /// Venue seconds in one second; 0 stands still until it is told to go on.
    pub speed: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { start: None, speed: 1.0 }
    }
}

/// A market and where its quotes come from.
#[derive(Debug)]
pub struct Quoted {
    /// The market.
    pub listing: Listing,
    /// Its quotes.
    pub prices: Prices,
}

/// Everything that a simulator is started with.
#[derive(Debug)]
pub struct Config {
    /// Where it listens: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Everything drawn follows from it.
    pub seed: u64,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The API keys that are known.
    pub api_keys: Vec<String>,
    /// The user's accounts, one of them preferred.
    pub accounts: Vec<AccountSpec>,
    /// The markets.
    pub markets: Vec<Quoted>,
    /// The clock.
    pub pace: Pace,
    /// Allowances.
    pub limits: Limits,
    /// Delays and lives.
    pub delays: Delays,
    /// `MARKET` and `L1` items are subscribed and deliver nothing, as since May 2026.
    pub is_market_mute: bool,
}

impl Default for Config {
    /// What `arena-sim` is without options: markets that quote day and night, two accounts, the wall clock.
    fn default() -> Self {
        let account = |id: &str, name: &str, kind: &str, is_preferred: bool| AccountSpec {
            id: id.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            is_preferred,
            balance: Money::from_micros(100_000_000_000),
            is_hedging_allowed: true,
        };
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            seed: 7,
            username: "demo-user".to_owned(),
            password: "demo-pass".to_owned(),
            api_keys: vec!["demo-key-0123456789abcdef".to_owned()],
            accounts: vec![
                account("SIM01", "Demo-SpreadBet", "SPREADBET", true),
                account("SIM02", "Demo-CFD", "CFD", false),
            ],
            markets: listing::defaults().into_iter().map(made).collect(),
            pace: Pace::default(),
            limits: Limits::default(),
            delays: Delays::default(),
            is_market_mute: false,
        }
    }
}

/// A market with made-up quotes, at least one a second.
#[must_use]
pub fn made(listing: Listing) -> Quoted {
    Quoted { listing, prices: Prices::Made { edge_r: 0.0, silence_max: Some(Micros::SECOND) } }
}

impl Config {
    /// What is wrong with it, in one sentence.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.listen.ip().is_loopback() {
            return Err(format!("{} is no loopback address: the simulator has no secrets to keep", self.listen));
        }
        if self.accounts.iter().filter(|account| account.is_preferred).count() != 1 {
            return Err("exactly one account must be preferred".to_owned());
        }
        if !(self.pace.speed.is_finite() && self.pace.speed >= 0.0) {
            return Err(format!("a speed of {} is none", self.pace.speed));
        }
        for (at, quoted) in self.markets.iter().enumerate() {
            quoted.listing.check()?;
            if self.markets[..at].iter().any(|other| other.listing.epic == quoted.listing.epic) {
                return Err(format!("market {} is there twice", quoted.listing.epic));
            }
        }
        Ok(())
    }
}
