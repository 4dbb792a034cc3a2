//! `arena-sim`: the IG simulator as a command of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{FromArgMatches, Parser};
use serde_json::json;

use super::output::{self, Failure};
use super::tree::sim_tree;
use super::{EpicFile, block_on};
use crate::domain::{Money, Tick, UtcMicros};
use crate::feed::csv::QuoteReader;
use crate::feed::{Input, OnBad};
use crate::sim::ig::{self, Config, Handle, Limits, Listing, Prices, Quoted, Recording, Server, StartError};
use crate::telemetry::log;

/// Quotes that are read at a time.
const BLOCK_TICKS: usize = 4_096;

/// The command line of `arena-sim`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "arena-sim",
    version,
    about = "Simulates IG's REST and streaming interfaces on one loopback port",
    after_help = "Logins, where nothing else is asked for: demo-user, demo-pass, key demo-key-0123456789abcdef. What can \
                  be asked of a running simulator below /sim is in docs/IG.md.\n\nExit codes: 0 done, 1 failed, 2 wrong \
                  usage or configuration"
)]
pub struct SimArgs {
    /// Listen here; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// Simulated seconds in one second; 0 stands still until /sim/clock tells otherwise
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = super::not_negative)]
    pub speed: f64,
    /// Draw other prices, tokens and delays
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// Begin at this time instead of now [example: 2025-01-06T09:00:00Z]
    #[arg(long, value_name = "TIME")]
    pub start: Option<UtcMicros>,
    /// Lift the allowances of requests and price history; 40 subscriptions a connection stay
    #[arg(long)]
    pub no_limits: bool,
    /// Take a market's quotes from a file (CSV, CSV.gz), the first one now; repeat for more markets
    #[arg(long, value_name = "EPIC=FILE")]
    pub quotes: Vec<EpicFile>,
    /// Leave recorded quotes at their own times, and begin at the first one unless --start says otherwise
    #[arg(long, requires = "quotes")]
    pub as_recorded: bool,
    /// What to do about rows of quotes that cannot be used
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub on_bad: OnBad,
    /// Have the markets of this file (TOML, a table `markets` each) instead of the default ones
    #[arg(long, value_name = "FILE")]
    pub markets: Option<PathBuf>,
    /// Subscribe MARKET items and deliver nothing, as IG does since May 2026
    #[arg(long)]
    pub mute_market: bool,
    /// Give each account this much cash
    #[arg(long, value_name = "GBP", default_value = "100000")]
    pub balance: Money,
    /// The user's name
    #[arg(long, value_name = "NAME", default_value = "demo-user")]
    pub username: String,
    /// The user's password
    #[arg(long, value_name = "TEXT", default_value = "demo-pass")]
    pub password: String,
    /// An API key that is known; repeat for more
    #[arg(long, value_name = "KEY", default_value = "demo-key-0123456789abcdef")]
    pub api_key: Vec<String>,
    /// End by itself after this time [example: 2m]
    #[arg(long = "for", value_name = "TIME", value_parser = super::length)]
    pub length: Option<crate::domain::Micros>,
    /// Print one JSON document when it listens, and nothing else
    #[arg(long)]
    pub json: bool,
    /// How log lines on standard error look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log: log::Format,
    /// No logs but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More logs; twice for all
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Parses, runs until it is told to stop, tells what went wrong. Returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = sim_tree().try_get_matches_from(&arguments).and_then(|found| SimArgs::from_arg_matches(&found));
    let args = match parsed {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output and are no error; a closed pipe is nobody's fault.
            drop(error.print());
            return if error.use_stderr() { output::USAGE } else { output::DONE };
        }
    };
    let is_json = args.json;
    match run(args) {
        Ok(()) => output::DONE,
        Err(failure) => failure.report(is_json),
    }
}

fn run(args: SimArgs) -> Result<(), Failure> {
    let verbosity = if args.quiet { -1 } else { i8::try_from(args.verbose).unwrap_or(i8::MAX) };
    if log::init(verbosity, args.log).is_err() {
        // Somebody in this process has set up logs already.
        tracing::debug!("logs go where they went before");
    }
    let (is_json, length) = (args.json, args.length);
    let handle = Server::start(config(args)?).map_err(|error| {
        let code = if matches!(error, StartError::Config(_)) { output::USAGE } else { output::FAILED };
        Failure::new(code, error.to_string())
    })?;
    announce(&handle, is_json)?;
    block_on(async {
        let end = async {
            match length {
                Some(length) => tokio::time::sleep(std::time::Duration::from_secs_f64(length.as_secs_f64())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            asked = stop_signal() => asked,
            () = end => Ok(()),
        }
    })
}

/// Waits for Ctrl-C or a request to terminate.
async fn stop_signal() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        asked = tokio::signal::ctrl_c() => asked?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn announce(handle: &Handle, is_json: bool) -> Result<(), Failure> {
    let (rest, stream) = (handle.rest_url(), handle.stream_url());
    let control = format!("{stream}/sim");
    if is_json {
        return output::print_json(&json!({ "rest": rest, "stream": stream, "control": control }));
    }
    output::print(&format!("rest     {rest}\nstream   {stream}\ncontrol  {control}\n"))
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(output::USAGE, message)
}

fn config(args: SimArgs) -> Result<Config, Failure> {
    let mut config = Config::default();
    if let Some(file) = &args.markets {
        let text = std::fs::read_to_string(file).map_err(|error| usage(format!("{}: {error}", file.display())))?;
        let listings = ig::parse_markets(&text).map_err(|error| usage(format!("{}: {error}", file.display())))?;
        config.markets = listings.into_iter().map(ig::made).collect();
    }
    let mut first: Option<UtcMicros> = None;
    for EpicFile { epic, file } in args.quotes {
        let mut quotes = Recorded::open(&file, args.on_bad)?;
        if let Some(tick) = quotes.peek() {
            first = Some(first.map_or(tick.time, |first| first.min(tick.time)));
        }
        let prices = Prices::Recorded { quotes: Recording(Box::new(quotes)), is_as_recorded: args.as_recorded };
        match config.markets.iter_mut().find(|quoted| quoted.listing.epic.as_str() == epic) {
            Some(quoted) => quoted.prices = prices,
            None => config.markets.push(Quoted { listing: Listing::guess(&epic), prices }),
        }
    }
    config.pace.start = args.start.or(first.filter(|_| args.as_recorded));
    config.pace.speed = args.speed;
    config.listen = args.listen;
    config.seed = args.seed;
    config.username = args.username;
    config.password = args.password;
    config.api_keys = args.api_key;
    config.is_market_mute = args.mute_market;
    if args.no_limits {
        config.limits = Limits::lifted();
    }
    for account in &mut config.accounts {
        account.balance = args.balance;
    }
    Ok(config)
}

/// The good quotes of a file, one after the other.
struct Recorded {
    reader: QuoteReader,
    block: std::vec::IntoIter<Tick>,
    peeked: Option<Tick>,
    is_more: bool,
}

impl Recorded {
    fn open(file: &std::path::Path, on_bad: OnBad) -> Result<Self, Failure> {
        let fail = |error: crate::feed::FeedError| {
            let code =
                if matches!(error, crate::feed::FeedError::Header { .. }) { output::USAGE } else { output::FAILED };
            Failure::new(code, error.to_string())
        };
        let reader = QuoteReader::open(&Input::from(file), on_bad).map_err(fail)?;
        let mut recorded = Self { reader, block: Vec::new().into_iter(), peeked: None, is_more: true };
        // What is wrong with the beginning is told before anybody connects.
        recorded.fill().map_err(fail)?;
        Ok(recorded)
    }

    fn fill(&mut self) -> Result<(), crate::feed::FeedError> {
        let mut block = Vec::with_capacity(BLOCK_TICKS);
        self.is_more = self.reader.read(&mut block, BLOCK_TICKS)?;
        self.block = block.into_iter();
        Ok(())
    }

    fn peek(&mut self) -> Option<Tick> {
        if self.peeked.is_none() {
            self.peeked = self.next();
        }
        self.peeked
    }
}

impl Iterator for Recorded {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        if let Some(tick) = self.peeked.take() {
            return Some(tick);
        }
        loop {
            if let Some(tick) = self.block.next() {
                return Some(tick);
            }
            if !self.is_more {
                return None;
            }
            if let Err(error) = self.fill() {
                // The market closes where its file breaks off, and the log says why.
                tracing::error!(%error, "recorded quotes end here");
                self.is_more = false;
            }
        }
    }
}
