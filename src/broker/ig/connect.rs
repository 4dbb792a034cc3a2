//! From an environment's name to a connection: who we are, on which account, by which rules, with prices and deals
//! streaming in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc;

use super::broker::{IgBroker, Patience};
use super::fault::{Class, IgError};
use super::rest::{IgOptions, Rest};
use super::rules::{MarketRules, read_rules};
use super::session::LoginVersion;
use super::stream::{News, PriceSource, Stream, StreamError, StreamOptions};
use super::throttle::Limits;
use super::wire::{Account, AccountStatus, KeyStatus};
use crate::broker::DealingRules;
use crate::clock::Clock;
use crate::domain::{Epic, Market};

/// The variables of the environment that credentials come from: key, user, password.
pub const VARIABLES: [&str; 3] = ["IG_API_KEY", "IG_IDENTIFIER", "IG_PASSWORD"];

/// From one reading of the dealing rules to the next.
const RULES_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// From a reading that failed to the next.
const RULES_AGAIN: Duration = Duration::from_secs(15 * 60);

/// Readings of the rules that wait to be taken.
const RULES_WAITING_MAX: usize = 4;

/// A request may take so long, in milliseconds.
const TIMEOUT_MILLIS: u64 = 30_000;

/// The shortest time from one login to the next, in milliseconds.
const LOGIN_SPACING_MILLIS: u64 = 61_000;

/// The first pause before a read is repeated, in milliseconds.
const PAUSE_MILLIS: u64 = 500;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The credentials are not there.
    #[error(
        "{0} {is} not set: credentials for IG come from the environment variables {all}",
        is = if .0.contains(',') { "are" } else { "is" },
        all = VARIABLES.join(", ")
    )]
    NoCredentials(String),
    /// The address is none.
    #[error("IG: {0}")]
    Address(String),
    /// IG refused, or did not answer.
    #[error("{what}: {source}")]
    Ig {
        /// What was asked for.
        what: &'static str,
        /// What came of it.
        source: IgError,
    },
    /// The stream cannot begin.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The account or its markets are not what the configuration needs, a sentence each.
    #[error("{}", .0.join("\n"))]
    Unfit(Vec<String>),
}

impl ConnectError {
    /// Whether the user has to change something before it can work.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoCredentials(_) | Self::Address(_) | Self::Unfit(_) | Self::Stream(StreamError::TooMany(..)) => true,
            Self::Ig { source: IgError::Refused { status: 404, .. }, .. } => true,
            Self::Ig { source, .. } => source.class() == Class::Stop,
            Self::Stream(_) => false,
        }
    }
}

/// Who deals.
#[derive(Clone)]
pub struct Credentials {
    /// The key of the application.
    pub api_key: SecretString,
    /// The user.
    pub identifier: String,
    /// Its password.
    pub password: SecretString,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Those of the environment.
    ///
    /// # Errors
    /// [`ConnectError::NoCredentials`] with the variables that say nothing.
    pub fn from_environment() -> Result<Self, ConnectError> {
        let value = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let [key, user, password] = VARIABLES.map(value);
        match (key, user, password) {
            (Some(key), Some(user), Some(password)) => {
                Ok(Self { api_key: key.trim().into(), identifier: user.trim().to_owned(), password: password.into() })
            }
            _ => {
                let missing: Vec<&str> = VARIABLES.into_iter().filter(|name| value(name).is_none()).collect();
                Err(ConnectError::NoCredentials(missing.join(", ")))
            }
        }
    }
}

/// Where, as whom, on which account.
#[derive(Clone, Debug)]
pub struct Address {
    /// The base of the REST service.
    pub rest_url: String,
    /// The account; empty: the preferred one.
    pub account: String,
    /// Who deals.
    pub credentials: Credentials,
}

impl Address {
    /// A client that has not logged in.
    ///
    /// # Errors
    /// [`ConnectError::Address`].
    pub fn client(self) -> Result<Rest, ConnectError> {
        Rest::new(IgOptions {
            rest_url: self.rest_url,
            api_key: self.credentials.api_key,
            identifier: self.credentials.identifier,
            password: self.credentials.password,
            account: self.account,
            login: LoginVersion::Two,
            encrypts_password: true,
            login_spacing_millis: LOGIN_SPACING_MILLIS,
            timeout_millis: TIMEOUT_MILLIS,
            pause_millis: PAUSE_MILLIS,
            limits: Limits::default(),
        })
        .map_err(ConnectError::Address)
    }
}

/// An account that is logged in, with the rules of its markets.
#[derive(Debug)]
pub struct Entry {
    /// The service.
    pub rest: Arc<Rest>,
    /// The account.
    pub account: Account,
    /// The markets as configured.
    pub markets: Vec<Market>,
    /// The rules, market by market.
    pub rules: Vec<MarketRules>,
}

impl Entry {
    /// Logs in, and reads the account, its allowances and the rules of these markets.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn open(address: Address, markets: &[Market]) -> Result<Self, ConnectError> {
        let account = address.account.clone();
        let rest = address.client()?;
        let failed = |what| move |source| ConnectError::Ig { what, source };
        let login = rest.login().await.map_err(|source| match source.code() {
            Some("error.switch.invalid-accountId") => ConnectError::Unfit(vec![format!(
                "IG: {account:?} is none of this user's accounts; leave [ig] account empty for the preferred one"
            )]),
            _ => ConnectError::Ig { what: "login to IG", source },
        })?;
        let accounts = rest.accounts().await.map_err(failed("IG's list of accounts"))?;
        let account = accounts.into_iter().find(|account| account.account_id == login.account);
        let Some(account) = account else {
            return Err(ConnectError::Unfit(vec![format!("IG: account {} is not in its own list", login.account)]));
        };
        if account.status != AccountStatus::Enabled {
            let why = format!("IG: account {} is {}: it cannot be dealt on", login.account, account.status.word());
            return Err(ConnectError::Unfit(vec![why]));
        }
        let keys = rest.applications().await.map_err(failed("IG's record of the key"))?;
        // The list is of all keys of the user, and not every one tells which is ours: the strictest is safe.
        let least = |of: fn(&super::wire::Application) -> Option<u32>, otherwise: u32| {
            let usable = keys.iter().filter(|key| key.status == KeyStatus::Enabled);
            usable.filter_map(of).filter(|limit| *limit > 0).min().unwrap_or(otherwise)
        };
        let published = Limits::default();
        rest.set_limits(Limits {
            trading: least(|key| key.allowance_account_trading, published.trading),
            account: least(|key| key.allowance_account_overall, published.account),
            application: least(|key| key.allowance_application_overall, published.application),
        });
        let rules = read_rules(&rest, markets).await.map_err(failed("IG's dealing rules"))?;
        let faults: Vec<String> = rules.iter().flat_map(|rules| rules.faults.clone()).collect();
        if !faults.is_empty() {
            return Err(ConnectError::Unfit(faults));
        }
        Ok(Self { rest: Arc::new(rest), account, markets: markets.to_vec(), rules })
    }

    /// Begins to stream prices and deals.
    ///
    /// # Errors
    /// [`ConnectError::Stream`].
    pub async fn stream(
        self,
        clock: Arc<dyn Clock>,
        source: PriceSource,
        seed: u64,
    ) -> Result<Connection, ConnectError> {
        let Self { rest, account: _, markets, rules } = self;
        let terms: BTreeMap<Epic, _> =
            rules.iter().map(|rules| (rules.market.epic.clone(), rules.terms.clone())).collect();
        let broker = Arc::new(IgBroker::new(Arc::clone(&rest), clock, terms, Patience::default()));
        let epics = markets.iter().map(|market| market.epic.to_string()).collect();
        let options = StreamOptions::of(epics, source, seed);
        let (stream, news) = Stream::start(Arc::clone(&rest), Some(Arc::clone(&broker)), options).await?;
        let (sender, later_rules) = mpsc::channel(RULES_WAITING_MAX);
        tokio::spawn(read_rules_daily(Arc::clone(&rest), markets, sender));
        Ok(Connection { rest, broker, stream, news, rules: rules.iter().map(dealing_rules).collect(), later_rules })
    }
}

/// A connection with everything flowing.
#[derive(Debug)]
pub struct Connection {
    /// The service, to log out of at the end.
    pub rest: Arc<Rest>,
    /// Who deals.
    pub broker: Arc<IgBroker>,
    /// The stream.
    pub stream: Stream,
    /// What it tells of prices.
    pub news: mpsc::Receiver<News>,
    /// The dealing rules, market by market as asked for.
    pub rules: Vec<DealingRules>,
    /// The same once a day.
    pub later_rules: mpsc::Receiver<Vec<DealingRules>>,
}

fn dealing_rules(rules: &MarketRules) -> DealingRules {
    let told = rules.told().iter().map(|(rule, value)| ((*rule).to_owned(), value.clone())).collect();
    DealingRules { market: rules.market.clone(), told }
}

/// Reads the rules once a day for as long as anybody takes them. `markets` are as configured: a rule that is loosened
/// again is so here too.
async fn read_rules_daily(rest: Arc<Rest>, markets: Vec<Market>, sender: mpsc::Sender<Vec<DealingRules>>) {
    let mut pause = RULES_EVERY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = sender.closed() => return,
        }
        pause = match read_rules(&rest, &markets).await {
            Ok(rules) => {
                for fault in rules.iter().flat_map(|rules| &rules.faults) {
                    tracing::error!(%fault, "a market cannot be dealt in any more");
                }
                if sender.send(rules.iter().map(dealing_rules).collect()).await.is_err() {
                    return;
                }
                RULES_EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "IG's dealing rules were not read again; what was read last holds");
                RULES_AGAIN
            }
        };
    }
}
