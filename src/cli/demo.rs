//! `arena demo`: the whole job over the wire of the IG simulator, in one process.
//!
//! ```text
//! synthetic market ─→ arena-sim ═REST, stream═→ the arena, as it would run at IG
//!                        ↑ time                        │ quotes that are worked off
//!                        └────────── lockstep ←────────┘
//! ```

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::demo_models::{self, DemoArena};
use super::ig::{self, Open};
use super::lockstep::{Acknowledged, Lockstep};
use super::narrate::Narrator;
use super::output::{self, FAILED, Failure};
use super::run::{bind, finish, start_log, teller};
use super::{DemoArgs, Shared};
use crate::app::{self, Durability, Pace, Plan, Serving};
use crate::broker::ig::connect::{Address, Credentials, Entry};
use crate::broker::ig::stream::PriceSource;
use crate::clock::ManualClock;
use crate::config::Config;
use crate::domain::{Micros, Tick};
use crate::flow::{Board, Change, State};
use crate::server;
use crate::sim::demo;
use crate::sim::ig::{Config as SimConfig, Delays, Handle, Limits, Listing, Prices, Quoted, Recording, Server};
use crate::sim::market::Markets;
use crate::store::Sled;
use crate::telemetry::metrics;

/// Quotes that are drawn at a time.
const BLOCK_TICKS: usize = 1_024;

const YEAR: Micros = Micros(365 * Micros::DAY.0);

/// A folder for the demo's store that goes away with it.
struct DemoFolder(PathBuf);

impl DemoFolder {
    fn new() -> std::io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("arena-demo-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for DemoFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, dir = %self.0.display(), "the demo's folder stays behind");
        }
    }
}

/// `arena demo`.
pub(super) fn demo(shared: &Shared, args: &DemoArgs) -> Result<u8, Failure> {
    let begun = Instant::now();
    start_log(shared);
    let seed = args.seed.unwrap_or(7);
    let folder = DemoFolder::new()?;
    let rules = demo_models::rules(seed, &folder.0)?;
    let mut markets = demo::markets(&rules.markets, seed, args.edge, demo::PAST);
    let DemoArena { config, shelf, warmups } = demo_models::prepare(&mut markets, &rules, seed, &folder.0)?;
    let address = SocketAddr::new(config.listen.ip(), args.port.unwrap_or(config.listen.port()));
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(_) if args.port.is_none() => bind(SocketAddr::new(address.ip(), 0))?,
        Err(_) => bind(address)?,
    };
    let token = server::token(&folder.0)?;
    let url = format!("http://{}/", listener.local_addr()?);
    let sim = Arc::new(start_sim(&config, markets, seed)?);
    let says = !shared.quiet && !shared.json;
    let speed = args.speed.unwrap_or(demo::LIVE_SPEED);
    if says {
        output::print(&format!(
            "arena demo: {} candidates on a synthetic {} with {} (seed {seed})\n\
             page     {url}\n\
             metrics  {url}metrics\n\
             token    {}\n\
             broker   a simulator of IG at {}, play money\n\
             History runs as fast as it can; once a model is live, one second is {speed} seconds. Ctrl-C ends it.\n\n",
            config.candidates.len(),
            config.markets[0].epic,
            if args.edge > 0.0 { format!("an edge of {} R planted", args.edge) } else { "no edge".to_owned() },
            folder.0.join("arena.token").display(),
            sim.rest_url(),
        ))?;
    }
    let Wire { open: Open { feed, clock, abroad, line }, lockstep, has_live } = connect(&config, &sim, speed)?;
    let epics = config.markets.iter().map(|market| market.epic.to_string()).collect();
    let store = Sled::open(&folder.0.join("store"), config.arena.disk_floor_mb)?;
    metrics::watch_disk(store.path(), config.arena.disk_floor_mb);
    let length = args.length.map(|length| Duration::from_micros(u64::try_from(length.0).unwrap_or(u64::MAX)));
    let tell = teller(shared);
    let on_change = move |change: &Change| {
        if change.to == State::Live {
            has_live.store(true, Ordering::Relaxed);
        }
        tell(change);
    };
    let driving = line.spawn(lockstep.run());
    let outcome = app::run(Plan {
        file: None,
        models: shelf.factory(&folder.0, epics, false),
        resolver: shelf,
        warmups,
        store: Box::new(store),
        feed,
        durability: Durability::EverySecond,
        pace: Pace { speed: 0.0, live_speed_max: 0.0, skips_silence: None },
        has_tail: false,
        slice_rounds: app::SLICE_ROUNDS,
        deadline: None,
        serving: Some(Serving { listener, token }),
        progress: ProgressBar::hidden(),
        on_change: Box::new(on_change),
        champions: None,
        follower: None,
        ends_at: length.map(|length| begun + length),
        heeds_signals: true,
        wants_result: true,
        on_tick: says.then(narrator),
        clock: Some(clock),
        abroad: Some(abroad),
        notify: None,
        config: Arc::new(config),
    });
    driving.abort();
    line.close();
    let outcome = outcome?;
    if says {
        output::print("\n")?;
    }
    finish(shared, &outcome, Some(begun.elapsed()))
}

/// A simulator whose one market goes on where the demo's past ended. Its time stands until it is told to go on.
fn start_sim(config: &Config, mut markets: Markets, seed: u64) -> Result<Handle, Failure> {
    let mut block = Vec::new().into_iter();
    let quotes = std::iter::from_fn(move || -> Option<Tick> {
        block.next().or_else(|| {
            block = markets.next_block(BLOCK_TICKS).ticks.into_iter();
            block.next()
        })
    });
    let prices = Prices::Recorded { quotes: Recording(Box::new(quotes)), is_as_recorded: true };
    let sim = SimConfig {
        seed,
        markets: vec![Quoted { listing: Listing::of(&config.markets[0]), prices }],
        pace: crate::sim::ig::Pace { start: Some(demo::START), speed: 0.0 },
        limits: Limits::lifted(),
        // Its time stands while a request is in flight, so that a confirm that comes later would be waited for in vain; and
        // days go by in a minute, in which a login lives on as it would by the wall clock.
        delays: Delays { confirm: (Micros(0), Micros(0)), token_life: YEAR, token_life_max: YEAR, ..Delays::default() },
        ..SimConfig::default()
    };
    Server::start(sim).map_err(|error| Failure::new(FAILED, format!("the simulator of IG: {error}")))
}

/// A connection to the simulator, and what moves its time.
struct Wire {
    open: Open,
    lockstep: Lockstep,
    /// Whether a candidate has gone live.
    has_live: Arc<AtomicBool>,
}

fn connect(config: &Config, sim: &Arc<Handle>, speed: f64) -> Result<Wire, Failure> {
    let login = SimConfig::default();
    let key = login.api_keys.first().map_or("", String::as_str);
    let credentials = Credentials {
        api_key: key.into(),
        identifier: login.username.clone(),
        password: login.password.as_str().into(),
    };
    let address = Address { rest_url: sim.rest_url(), account: String::new(), credentials };
    let runtime = ig::runtime()?;
    let entry = runtime.block_on(Entry::open(address, &config.markets))?;
    let clock = Arc::new(ManualClock::default());
    clock.set(sim.now());
    let account = format!("the simulator's account {}", entry.account.account_id);
    let source = PriceSource::Price;
    let connection = runtime.block_on(entry.stream(Arc::clone(&clock) as _, source, config.arena.seed))?;
    let Open { feed, clock: of_run, abroad, line } =
        ig::opened(connection, runtime, Arc::clone(&clock) as _, account, config);
    let (feed, seen) = Acknowledged::new(feed);
    let has_live = Arc::new(AtomicBool::new(false));
    let lockstep = Lockstep { sim: Arc::clone(sim), clock, seen, has_live: Arc::clone(&has_live), speed };
    Ok(Wire { open: Open { feed: Box::new(feed), clock: of_run, abroad, line }, lockstep, has_live })
}

/// Prints what a [`Narrator`] has to tell, every second.
fn narrator() -> Box<dyn Fn(&Board) + Send> {
    let narrator = std::sync::Mutex::new(Narrator::default());
    Box::new(move |board| {
        let told = narrator.lock().unwrap_or_else(std::sync::PoisonError::into_inner).tell(board);
        if !told.is_empty() {
            // Whoever closed our output wants no more of it.
            drop(output::print(&told));
        }
    })
}
