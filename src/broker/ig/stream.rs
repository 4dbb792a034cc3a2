//! IG's stream: one connection for the prices of every market and for what happens to the account's deals.
//!
//! Prices go to the feed, confirmations and positions to the broker. The one connection is all that IG's terms allow, so
//! that more markets than it carries are a fault of the configuration. Who proves himself no longer is logged in again;
//! a market that is open and silent is subscribed to anew, and if that does not help the session is made anew.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::broker::IgBroker;
use super::fault::{Class, IgError};
use super::rest::Rest;
use super::session::Login;
use super::wire::{Confirm, PositionUpdate};
use crate::lightstreamer::{Client, Credentials, Delivery, Endpoint, Key, Mode, Subscription, Timing, Update, Value};
use crate::telemetry::ig as telemetry;

/// Subscriptions that one connection may carry.
pub const SUBSCRIPTIONS_MAX: usize = 40;

/// Those that are not of a market: deals, and the account.
const OF_ACCOUNT: usize = 2;

/// News of prices that wait for the feed at most.
const NEWS_MAX: usize = 1_024;

/// An open market without a price for so long is looked into.
const SILENT_AFTER_MILLIS: u64 = 90_000;

/// A closed market is subscribed to anew after so many such silences: the word that it is open again may be lost too.
const CLOSED_SILENCES: u32 = 10;

/// Attempts to log in again before the stream is given up, where IG does not answer.
const LOGINS_MAX: u32 = 1_000;

const TRADE: Key = 100_000;
const ACCOUNT: Key = 100_001;

/// Where prices are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PriceSource {
    /// `PRICE:{account}:{epic}`: bid and offer as they can be dealt, merged.
    #[default]
    Price,
    /// `CHART:{epic}:TICK`: every tick.
    Chart,
}

/// The fields of prices, in the order of the subscription.
const PRICE_FIELDS: [&str; 5] = ["BIDPRICE1", "ASKPRICE1", "TIMESTAMP", "DLG_FLAG", "DELAY"];
const CHART_FIELDS: [&str; 3] = ["BID", "OFR", "UTM"];
const STATE_FIELDS: [&str; 2] = ["DLG_FLAG", "DELAY"];
const TRADE_FIELDS: [&str; 3] = ["CONFIRMS", "OPU", "WOU"];
const ACCOUNT_FIELDS: [&str; 6] = ["PNL", "DEPOSIT", "AVAILABLE_CASH", "FUNDS", "MARGIN", "EQUITY"];

/// A price as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPrice {
    /// The place of its market.
    pub epic: usize,
    /// What it can be sold at.
    pub bid: Value,
    /// What it can be bought at.
    pub offer: Value,
    /// Milliseconds since 1970 in UTC.
    pub time: Value,
    /// Whether it is the present price, told at the start of a subscription.
    pub is_snapshot: bool,
}

/// News of prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A price.
    Price(RawPrice),
    /// Whether a market is open for dealing changed.
    Market {
        /// The place of its market.
        epic: usize,
        /// Whether it is open.
        is_open: bool,
        /// IG's word for it.
        word: String,
    },
    /// The connection is gone, and why.
    Down(String),
    /// It is back, and nothing was lost.
    Recovered,
    /// It is there, or back: what happened meanwhile is lost.
    Opened,
    /// Prices of one market were lost.
    Lost {
        /// The place of its market.
        epic: usize,
        /// Why.
        why: String,
    },
    /// The stream is over and does not come back.
    Over(String),
}

/// Money on the account, as last told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountNews {
    /// By the names of `ACCOUNT_FIELDS`, as text.
    pub values: Vec<(&'static str, String)>,
}

impl AccountNews {
    /// A value as a number, for those who only show it.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| *known == name)?.1.parse().ok()
    }
}

/// What to stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The epics, by place.
    pub epics: Vec<String>,
    /// Where prices are taken from.
    pub source: PriceSource,
    /// How the session is held.
    pub timing: Timing,
    /// Spreads pauses.
    pub seed: u64,
    /// After how many milliseconds of silence an open market is looked into.
    pub silent_after_millis: u64,
}

impl StreamOptions {
    /// Of these markets, with everything else as usual.
    #[must_use]
    pub fn of(epics: Vec<String>, source: PriceSource, seed: u64) -> Self {
        Self { epics, source, timing: Timing::default(), seed, silent_after_millis: SILENT_AFTER_MILLIS }
    }

    /// How many subscriptions it takes.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        let per_market = if self.source == PriceSource::Price { 1 } else { 2 };
        self.epics.len() * per_market + OF_ACCOUNT
    }

    fn price(&self, epic: usize, account: &str) -> Subscription {
        let name = &self.epics[epic];
        match self.source {
            PriceSource::Price => {
                self.subscription(format!("PRICE:{account}:{name}"), &PRICE_FIELDS, Mode::Merge, true)
            }
            PriceSource::Chart => self.subscription(format!("CHART:{name}:TICK"), &CHART_FIELDS, Mode::Distinct, true),
        }
    }

    fn subscription(&self, item: String, fields: &[&str], mode: Mode, is_watched: bool) -> Subscription {
        let is_price = item.starts_with("PRICE:");
        Subscription {
            items: vec![item],
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
            mode,
            adapter: is_price.then(|| "Pricing".to_owned()),
            wants_snapshot: true,
            silent_after_millis: is_watched.then_some(self.silent_after_millis),
        }
    }
}

/// Why a stream cannot begin.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StreamError {
    /// More than one connection may carry.
    #[error("{0} subscriptions, and IG lets one connection carry {SUBSCRIPTIONS_MAX}: take fewer markets{1}")]
    TooMany(usize, &'static str),
    /// No login.
    #[error("no login for the stream: {0}")]
    Login(#[from] IgError),
    /// The login named a server that is none.
    #[error("{0}")]
    Endpoint(#[from] crate::lightstreamer::client::BadEndpoint),
}

/// A running stream. Dropping it ends it.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    account: Arc<Mutex<AccountNews>>,
}

impl Stream {
    /// Logs in and begins to stream; the news of prices come out of the channel.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn start(
        rest: Arc<Rest>,
        broker: Option<Arc<IgBroker>>,
        options: StreamOptions,
    ) -> Result<(Self, mpsc::Receiver<News>), StreamError> {
        let count = options.subscriptions();
        if count > SUBSCRIPTIONS_MAX {
            let hint = if options.source == PriceSource::Chart { ", or [ig] prices = \"price\"" } else { "" };
            return Err(StreamError::TooMany(count, hint));
        }
        let (password, login) = rest.streaming_password().await?;
        let endpoint = Endpoint::parse(&login.streaming)?;
        let credentials = Credentials { user: Some(login.account.clone()), password };
        let (client, deliveries) = Client::spawn(endpoint, credentials, None, options.timing, options.seed);
        for epic in 0..options.epics.len() {
            client.subscribe(price_key(epic), options.price(epic, &login.account)).await;
            if options.source == PriceSource::Chart {
                let item = format!("PRICE:{}:{}", login.account, options.epics[epic]);
                let wanted = options.subscription(item, &STATE_FIELDS, Mode::Merge, false);
                client.subscribe(state_key(epic), wanted).await;
            }
        }
        let trade = options.subscription(format!("TRADE:{}", login.account), &TRADE_FIELDS, Mode::Distinct, false);
        client.subscribe(TRADE, trade).await;
        let money = options.subscription(format!("ACCOUNT:{}", login.account), &ACCOUNT_FIELDS, Mode::Merge, false);
        client.subscribe(ACCOUNT, money).await;

        let (news, told) = mpsc::channel(NEWS_MAX);
        let account = Arc::new(Mutex::new(AccountNews::default()));
        let markets = vec![Market::default(); options.epics.len()];
        let sorter = Sorter {
            rest,
            login,
            broker,
            options,
            client: client.clone(),
            news,
            account: Arc::clone(&account),
            markets,
            was_open: false,
        };
        tokio::spawn(sorter.run(deliveries));
        Ok((Self { client, account }, told))
    }

    /// Money on the account, as last told.
    #[must_use]
    pub fn account(&self) -> AccountNews {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the stream.
    pub async fn stop(&self) {
        self.client.stop().await;
    }
}

fn price_key(epic: usize) -> Key {
    2 * Key::try_from(epic).expect("a stream has at most 40 markets")
}

fn state_key(epic: usize) -> Key {
    price_key(epic) + 1
}

#[derive(Clone, Debug)]
struct Market {
    is_open: bool,
    silences: u32,
    flag: Option<String>,
}

impl Default for Market {
    /// Until it is told otherwise a market counts as open: a silence is looked into.
    fn default() -> Self {
        Self { is_open: true, silences: 0, flag: None }
    }
}

struct Sorter {
    rest: Arc<Rest>,
    /// The login that the stream's session was made with.
    login: Arc<Login>,
    broker: Option<Arc<IgBroker>>,
    options: StreamOptions,
    client: Client,
    news: mpsc::Sender<News>,
    account: Arc<Mutex<AccountNews>>,
    markets: Vec<Market>,
    /// Whether a session was there before.
    was_open: bool,
}

impl Sorter {
    async fn run(mut self, mut deliveries: mpsc::Receiver<Delivery>) {
        while let Some(delivery) = deliveries.recv().await {
            if !self.sort(delivery).await {
                return;
            }
        }
        self.tell(News::Over("the stream ended by itself".to_owned())).await;
    }

    /// Whether anybody still listens.
    async fn tell(&self, news: News) -> bool {
        self.news.send(news).await.is_ok()
    }

    async fn sort(&mut self, delivery: Delivery) -> bool {
        match delivery {
            Delivery::Update(update) => self.on_update(update).await,
            Delivery::Silent { key, item: _, age_millis } => self.on_silent(key, age_millis).await,
            Delivery::Lost { key, count, .. } if key < TRADE => {
                let why = format!("the server dropped {count} updates");
                self.tell(News::Lost { epic: key as usize / 2, why }).await
            }
            Delivery::Refused(key, fault) => self.on_refused(key, &fault).await,
            Delivery::Down(why) => {
                telemetry::stream_is(&self.login.account, false);
                self.tell(News::Down(why)).await
            }
            Delivery::Recovered => {
                telemetry::stream_is(&self.login.account, true);
                telemetry::stream_back(true);
                self.tell(News::Recovered).await
            }
            Delivery::Opened => {
                telemetry::stream_is(&self.login.account, true);
                if std::mem::replace(&mut self.was_open, true) {
                    telemetry::stream_back(false);
                }
                self.markets.iter_mut().for_each(|market| market.silences = 0);
                self.tell(News::Opened).await
            }
            Delivery::CredentialsRefused(fault) => self.log_in_again(&fault.to_string()).await,
            Delivery::Ended(fault) => {
                telemetry::stream_is(&self.login.account, false);
                self.tell(News::Over(fault.to_string())).await
            }
            Delivery::BadFrame(what) => {
                tracing::warn!(%what, "IG's stream sent what cannot be read");
                true
            }
            Delivery::Lost { .. } | Delivery::Subscribed(_) | Delivery::SnapshotEnd(..) | Delivery::Cleared(..) => true,
        }
    }

    async fn on_update(&mut self, update: Update) -> bool {
        match update.key {
            TRADE => self.on_trade(&update),
            ACCOUNT => {
                let names = ACCOUNT_FIELDS.iter().zip(&update.values);
                let values = names.filter_map(|(name, value)| Some((*name, value.as_deref()?.to_owned()))).collect();
                let news = AccountNews { values };
                telemetry::account_money(&self.login.account, news.number("FUNDS"), news.number("AVAILABLE_CASH"));
                *self.account.lock().unwrap_or_else(PoisonError::into_inner) = news;
            }
            key => return self.on_price(key, update).await,
        }
        true
    }

    async fn on_price(&mut self, key: Key, update: Update) -> bool {
        let epic = key as usize / 2;
        let is_state_alone = key == state_key(epic);
        let flag = match self.options.source {
            PriceSource::Price => update.values[3].as_deref(),
            PriceSource::Chart if is_state_alone => update.values[0].as_deref(),
            PriceSource::Chart => None,
        };
        if let Some(flag) = flag.map(str::trim_end)
            && self.markets[epic].flag.as_deref() != Some(flag)
        {
            let is_open = matches!(flag, "DEAL" | "DEALNOEDIT");
            let market = &mut self.markets[epic];
            (market.flag, market.is_open) = (Some(flag.to_owned()), is_open);
            if !self.tell(News::Market { epic, is_open, word: flag.to_owned() }).await {
                return false;
            }
        }
        if is_state_alone || !update.changed.iter().any(|field| *field < 3) {
            return true;
        }
        self.markets[epic].silences = 0;
        telemetry::price_heard(&self.options.epics[epic]);
        let [bid, offer, time] = [0, 1, 2].map(|field| update.values[field].clone());
        self.tell(News::Price(RawPrice { epic, bid, offer, time, is_snapshot: update.is_snapshot })).await
    }

    /// Each event fills one field, the others being null: what is not named as changed was told before.
    fn on_trade(&self, update: &Update) {
        let Some(broker) = &self.broker else { return };
        for field in &update.changed {
            let Some(text) = update.values[*field].as_deref() else { continue };
            let read = match field {
                0 => serde_json::from_str::<Confirm>(text).map(|confirm| broker.on_confirm(&confirm)),
                1 => serde_json::from_str::<PositionUpdate>(text).map(|update| {
                    broker.on_position_update(&update);
                    if update.status.as_deref() == Some("DELETED") {
                        let broker = Arc::clone(broker);
                        tokio::spawn(async move { broker.resolve_gone().await });
                    }
                }),
                _ => Ok(()),
            };
            if let Err(error) = read {
                tracing::warn!(field = TRADE_FIELDS[*field], %error, "IG's stream told of a deal in words that do not read");
            }
        }
    }

    async fn on_silent(&mut self, key: Key, age_millis: u64) -> bool {
        let epic = key as usize / 2;
        let name = &self.options.epics[epic];
        let market = &mut self.markets[epic];
        market.silences += 1;
        let is_due = if market.is_open { true } else { market.silences.is_multiple_of(CLOSED_SILENCES) };
        if !is_due {
            return true;
        }
        let why = format!("no price of {name} for {} s", age_millis / 1_000);
        if market.is_open && market.silences.is_multiple_of(2) {
            tracing::warn!(epic = %name, age_millis, "open and silent: making a new session");
            self.client.rebuild(&why).await;
        } else {
            tracing::warn!(epic = %name, age_millis, "silent: subscribing again");
            self.client.resubscribe(key).await;
        }
        self.tell(News::Lost { epic, why }).await
    }

    async fn on_refused(&mut self, key: Key, fault: &crate::lightstreamer::Fault) -> bool {
        let what = match key {
            TRADE => "the deals of the account".to_owned(),
            ACCOUNT => "the money of the account".to_owned(),
            key => self.options.epics[key as usize / 2].clone(),
        };
        let why = format!("IG refuses to stream {what}: {fault}");
        // Money is shown and no more; without prices or deals the arena would be blind.
        if key == ACCOUNT {
            tracing::warn!(%why);
            return true;
        }
        self.tell(News::Over(why)).await
    }

    async fn log_in_again(&mut self, why: &str) -> bool {
        tracing::info!(%why, "IG's stream wants a new login");
        self.rest.forget(&self.login).await;
        for _ in 0..LOGINS_MAX {
            match self.rest.streaming_password().await {
                Ok((password, login)) => {
                    self.client.set_credentials(Credentials { user: Some(login.account.clone()), password }).await;
                    self.login = login;
                    return true;
                }
                Err(error) if error.class() == Class::Stop => {
                    return self.tell(News::Over(format!("no login for the stream: {error}"))).await;
                }
                Err(error) => tracing::warn!(%error, "no login for the stream yet"),
            }
            if self.news.is_closed() {
                return false;
            }
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        }
        self.tell(News::Over("no login for the stream".to_owned())).await
    }
}
