//! `arena run` with IG: the three yeses of real money, what is said before anything is dealt, and the connection's thread.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::Shared;
use super::output::{self, FAILED, Failure, USAGE};
use crate::app::Abroad;
use crate::broker::ig::connect::{Address, ConnectError, Connection, Credentials, Entry};
use crate::broker::ig::rules::MarketRules;
use crate::broker::ig::stream::PriceSource;
use crate::broker::ig::wire::{AccountType, Balance};
use crate::broker::ig::{Rest, number::Number};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, FeedSource, IgEnvironment, IgPrices};
use crate::domain::{Candidate, Market};
use crate::feed::{self, Feed};

/// How long a logout may take.
const LOGOUT_MAX: Duration = Duration::from_secs(5);

/// Why this configuration is not run with this command line, where real money is concerned.
pub(super) fn refuse_unclear_money(config: &Config, live: bool) -> Result<(), Failure> {
    let why = match (config.feed.source, config.ig.environment, live) {
        (FeedSource::Ig, IgEnvironment::Live, false) => {
            "[ig] environment is \"live\": real money also needs `arena run --live`; for play money set environment = \
             \"demo\""
        }
        (FeedSource::Ig, IgEnvironment::Demo, true) => {
            "--live: [ig] environment is \"demo\": real money also needs environment = \"live\" in the configuration; \
             for play money leave --live out"
        }
        (FeedSource::Sim | FeedSource::Replay, _, true) => {
            "--live: real money needs [feed] source = \"ig\" and [ig] environment = \"live\" in the configuration; without \
             --live the arena deals at its own venue"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(USAGE, why))
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(if error.is_usage() { USAGE } else { FAILED }, error.to_string())
    }
}

/// A connection to IG on a thread of its own.
pub(super) struct Line {
    runtime: Runtime,
    rest: Arc<Rest>,
}

/// What an arena runs on at IG.
pub(super) struct Open {
    pub(super) feed: Box<dyn Feed>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) abroad: Abroad,
    pub(super) line: Line,
}

/// Logs in, tells what it is about, begins to stream.
pub(super) fn open(shared: &Shared, config: &Config) -> Result<Open, Failure> {
    let credentials = Credentials::from_environment()?;
    let runtime = runtime()?;
    let address = Address { rest_url: config.ig.url().to_owned(), account: config.ig.account.clone(), credentials };
    let entry = runtime.block_on(Entry::open(address, &config.markets))?;
    let told = introduction(config, &entry);
    if shared.quiet || shared.json {
        output::complain(&told)
    } else {
        output::print(&told)?
    }
    let account = format!("the IG {} account {}", config.ig.environment.word(), entry.account.account_id);
    let source = match config.ig.prices {
        IgPrices::Price => PriceSource::Price,
        IgPrices::Chart => PriceSource::Chart,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let connection = runtime.block_on(entry.stream(Arc::clone(&clock), source, config.arena.seed))?;
    Ok(opened(connection, runtime, clock, account, config))
}

/// The thread of a connection: sockets are read while the arena thinks.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("ig").enable_all().build()
}

/// What an arena runs on, made of a connection.
pub(super) fn opened(
    connection: Connection,
    runtime: Runtime,
    clock: Arc<dyn Clock>,
    account: String,
    config: &Config,
) -> Open {
    let Connection { rest, broker, stream, news, rules, later_rules } = connection;
    Open {
        feed: Box::new(feed::ig::Ig::new(Some(stream), news, config.markets.len(), Arc::clone(&clock))),
        clock,
        abroad: Abroad { broker, account, rules, later_rules },
        line: Line { runtime, rest },
    }
}

impl Line {
    /// Runs something beside the connection.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(task)
    }

    /// Logs out and ends the thread.
    pub(super) fn close(self) {
        let logout = async { tokio::time::timeout(LOGOUT_MAX, self.rest.log_out()).await };
        match self.runtime.block_on(logout) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "not logged out of IG; the login ends by itself"),
            Err(_) => tracing::info!("not logged out of IG in time; the login ends by itself"),
        }
        self.runtime.shutdown_timeout(LOGOUT_MAX);
    }
}

/// Whose money, how much, what may be lost of it, and by which rules.
fn introduction(config: &Config, entry: &Entry) -> String {
    let account = &entry.account;
    let kind = match &account.account_type {
        AccountType::Spreadbet => "spread bets".to_owned(),
        AccountType::Cfd => "contracts for difference".to_owned(),
        other => other.word().to_lowercase(),
    };
    let currency = account.currency.as_deref().unwrap_or("");
    let money =
        |value: Option<Number>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value} {currency}"));
    let held = account.balance.unwrap_or(Balance { balance: None, deposit: None, profit_loss: None, available: None });
    let word = match config.ig.environment {
        IgEnvironment::Demo => "demo, play money",
        IgEnvironment::Live => "LIVE, REAL MONEY",
    };
    let mut text = String::new();
    let risk = &config.risk;
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes all");
    line(format!("IG account {} ({word}): {kind}", account.account_id));
    line(format!("  balance {}, available {}", money(held.balance), money(held.available)));
    line(format!(
        "  may be lost: {} {currency} a day, then dealing halts; up to {} position(s) at once, each of size {} at most",
        risk.max_daily_loss, risk.max_live_positions, risk.max_live_size
    ));
    if let Some((candidate, loss)) = costliest(config) {
        line(format!("  the costliest single trade is planned to lose up to {loss:.2} {currency} ({})", candidate.id));
    }
    for rules in &entry.rules {
        let market = &rules.market;
        line(format!(
            "  {}: size from {}, stop from {} points{}",
            market.epic,
            market.size_min,
            market.stop_min_points,
            if rules.tightened.is_empty() { "" } else { " (IG is stricter than [[markets]])" }
        ));
    }
    for sentence in unfit(config, &entry.rules) {
        line(format!("  {sentence}"));
    }
    text
}

/// The candidate with the largest risk unit in money at the size that it deals live.
fn costliest(config: &Config) -> Option<(&Candidate, f64)> {
    let loss = |candidate: &Candidate| {
        let share = config.risk.max_live_size.micros() as f64 / candidate.size.micros() as f64;
        candidate.risk.rho_micros / 1e6 * share.min(1.0)
    };
    config.candidates.iter().map(|candidate| (candidate, loss(candidate))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// How many candidates IG's rules would refuse, by market: they trade on paper and could not live.
fn unfit(config: &Config, rules: &[MarketRules]) -> Vec<String> {
    let is_refused = |candidate: &Candidate, rules: &MarketRules| {
        let distances = [candidate.stop, candidate.limit];
        candidate.size < rules.market.size_min
            || distances.iter().any(|distance| *distance < rules.distance_min)
            || rules.distance_max.is_some_and(|max| distances.iter().any(|distance| *distance > max))
    };
    let of_market = |rules: &MarketRules| {
        let market: &Market = &rules.market;
        let here = config.candidates.iter().filter(|candidate| config.market(candidate.epic).epic == market.epic);
        let refused: Vec<&str> =
            here.filter(|candidate| is_refused(candidate, rules)).map(|candidate| candidate.id.as_str()).collect();
        let first = refused.first()?;
        let others = match refused.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        Some(format!("note: size, stop or limit of {first}{others} would be refused by IG in {}", market.epic))
    };
    rules.iter().filter_map(of_market).collect()
}
