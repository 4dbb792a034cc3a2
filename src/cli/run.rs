//! Commands that start an arena: `run`, `replay`, `demo`, and `check` before them.

use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::ig;
use super::inspect::{Leaderboard, leaderboard_text};
use super::mirror;
use super::output::{self, DONE, FAILED, Failure, USAGE};
use super::ready::{self, Ready};
use super::resample::ResampleArgs;
use super::{EpicFile, ReplayArgs, RunArgs, Shared};
use crate::app::{self, Durability, Outcome, Pace, Plan, RunError, Serving};
use crate::config::{Config, FeedSource};
use crate::deploy::Shelf;
use crate::domain::{EpicIdx, Micros};
use crate::feed::replay::{Recording, Replay};
use crate::feed::session::Session;
use crate::feed::synthetic::Synthetic;
use crate::feed::{self, Feed, FeedError, Input};
use crate::flow::{Change, State};
use crate::notify::Notify;
use crate::registry::Registry;
use crate::registry::mlflow::{self, Champions};
use crate::server;
use crate::sim::demo;
use crate::store::views::{self, AtRest};
use crate::store::{Memory, Sled, Store};
use crate::telemetry::{log, metrics};

/// Up to this speed a run counts as live: bars close by the clock and every round is flushed.
const LIVE_SPEED_MAX: f64 = 60.0;

/// A synthetic market's silence longer than this (a weekend) is passed over when event time is accelerated.
pub(super) const SILENCE_MAX: Micros = Micros(600_000_000);

pub(super) fn check(shared: &Shared) -> Result<u8, Failure> {
    let mut out = Vec::new();
    let code = super::check::run(shared.config(), shared.json, &mut out)?;
    output::print(&String::from_utf8_lossy(&out))?;
    Ok(u8::try_from(code).unwrap_or(FAILED))
}

pub(super) fn resample(shared: &Shared, args: &ResampleArgs) -> Result<u8, Failure> {
    match super::resample::run(args, shared.json, shared.quiet) {
        Ok(()) => Ok(DONE),
        // A reader that went away has what it wanted.
        Err(error) if error.exit_code() == DONE => Ok(DONE),
        Err(error) => Err(Failure::new(error.exit_code(), error.to_string())),
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let code = match &error {
            error if error.is_usage() => USAGE,
            _ => FAILED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<FeedError> for Failure {
    fn from(error: FeedError) -> Self {
        RunError::from(error).into()
    }
}

pub(super) fn start_log(shared: &Shared) {
    let verbosity = if shared.quiet { -1 } else { i8::try_from(shared.verbose).unwrap_or(i8::MAX) };
    // A second start in one process (tests) keeps the first.
    if log::init(verbosity, shared.log).is_err() {
        tracing::debug!("logging had started already");
    }
    std::panic::set_hook(Box::new(|info| tracing::error!(%info, "a panic, caught at its boundary")));
}

pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => format!(
                "{address} is in use, perhaps by another arena: stop that one, or set [server] listen to another port"
            ),
            _ => format!("{address} cannot be listened on: {error}"),
        };
        Failure::new(FAILED, why)
    })
}

fn serving(address: SocketAddr, data: &Path) -> Result<Serving, Failure> {
    let listener = bind(address)?;
    let token =
        server::token(data).map_err(|error| Failure::new(FAILED, format!("token in {}: {error}", data.display())))?;
    Ok(Serving { listener, token })
}

fn mode_of(change: &Change) -> bool {
    matches!(change.to, State::Eligible | State::Live | State::Suspended | State::Retired)
        || matches!(change.from, State::Live | State::Eligible)
}

/// Prints the lifecycle changes that an onlooker wants to see as they come.
pub(super) fn teller(shared: &Shared) -> Box<dyn Fn(&Change) + Send> {
    if shared.quiet || shared.json {
        return Box::new(|_| ());
    }
    Box::new(|change| {
        if mode_of(change) {
            let line = format!(
                "{}  {}  {} → {}  {}\n",
                change.time,
                change.model,
                change.from.word(),
                change.to.word(),
                change.reason
            );
            // Whoever closed our output wants no more of it.
            drop(output::print(&line));
        }
    })
}

/// Who keeps the alias `champion` of MLflow by what is live, where a server is named. Replays and demos have none.
fn champions(config: &Config) -> Result<Option<Champions>, Failure> {
    let Some(mlflow) = mlflow::named(config.registry.mlflow.as_deref())? else { return Ok(None) };
    let registry = Registry::open(&config.arena.models);
    Ok(Some(Champions::open(mlflow, &registry, &config.arena.name)?))
}

/// `arena run`.
pub(super) fn run(shared: &Shared, args: &RunArgs) -> Result<u8, Failure> {
    let ready = ready::load(shared)?;
    ig::refuse_unclear_money(&ready.config, args.live)?;
    start_log(shared);
    let serving = serving(ready.config.listen, &ready.config.arena.data)?;
    let notify = Notify::open(&ready.config, serving.listener.local_addr()?)?;
    let store = Sled::open(&ready.config.arena.data.join("store"), ready.config.arena.disk_floor_mb)?;
    metrics::watch_disk(store.path(), ready.config.arena.disk_floor_mb);
    let ready = ready.pinned(shared, &store)?;
    let config = &ready.config;
    let mut line = None;
    let (mut clock, mut abroad) = (None, None);
    let feed: Box<dyn Feed> = match config.feed.source {
        FeedSource::Sim => {
            let markets = demo::markets(&config.markets, config.arena.seed, config.feed.edge_r, demo::START);
            Box::new(Synthetic::new(markets))
        }
        FeedSource::Ig => {
            let open = ig::open(shared, config)?;
            (line, clock, abroad) = (Some(open.line), Some(open.clock), Some(open.abroad));
            open.feed
        }
        FeedSource::Replay if config.feed.quotes.is_empty() => {
            let why = "[feed] source is \"replay\" and [feed] quotes names no file; `arena replay --quotes` takes them \
                       on the command line";
            return Err(Failure::new(USAGE, why));
        }
        FeedSource::Replay => {
            let files = config.feed.quotes.iter();
            let recordings: Vec<Recording> =
                files.map(|(epic, file)| Recording::Quotes { epic: *epic, input: Input::File(file.clone()) }).collect();
            Box::new(Replay::open(&recordings, feed::OnBad::Skip)?)
        }
    };
    // What comes from outside comes at its own pace.
    let speed = if abroad.is_some() { 1.0 } else { config.feed.speed };
    let is_live = speed > 0.0 && speed <= LIVE_SPEED_MAX;
    if !shared.quiet && !shared.json {
        output::print(&format!(
            "{} candidates over {} market(s), page at http://{}/\n",
            config.candidates.len(),
            config.markets.len(),
            serving.listener.local_addr()?
        ))?;
    }
    let (follower, following) = mirror::follower(&config.mirror)?.unzip();
    let deadline = u64::try_from(config.arena.model_deadline.0).unwrap_or(u64::MAX);
    let is_synthetic = config.feed.source == FeedSource::Sim;
    let outcome = app::run(Plan {
        file: Some(shared.config().to_owned()),
        resolver: Arc::<Shelf>::clone(&ready.shelf),
        warmups: ready.warmups()?,
        store: Box::new(store),
        feed,
        models: ready.factory(shared, is_live),
        durability: if is_live { Durability::EveryRound } else { Durability::EverySecond },
        pace: Pace { speed, live_speed_max: 0.0, skips_silence: (is_synthetic && speed > 1.0).then_some(SILENCE_MAX) },
        has_tail: config.feed.source == FeedSource::Replay,
        slice_rounds: app::SLICE_ROUNDS,
        deadline: is_live.then(|| Duration::from_micros(deadline)),
        serving: Some(serving),
        progress: ProgressBar::hidden(),
        on_change: teller(shared),
        champions: champions(&ready.config)?,
        follower,
        ends_at: None,
        heeds_signals: true,
        wants_result: shared.json,
        on_tick: None,
        clock,
        abroad,
        notify,
        config: Arc::new(ready.config),
    });
    if let Some(line) = line {
        line.close();
    }
    if let Some(following) = following {
        following.finish();
    }
    let outcome = outcome?;
    finish(shared, &outcome, None)
}

/// Prints what a run came to. One whose store stopped recording on its way has failed, whatever its paper says.
pub(super) fn finish(shared: &Shared, outcome: &Outcome, elapsed: Option<Duration>) -> Result<u8, Failure> {
    print_result(shared, outcome, elapsed)?;
    match &outcome.board.health.fault {
        None => Ok(DONE),
        Some(fault) => {
            output::complain(&format!("what came after this was not recorded: {fault}"));
            Ok(FAILED)
        }
    }
}

fn print_result(shared: &Shared, outcome: &Outcome, elapsed: Option<Duration>) -> Result<(), Failure> {
    if shared.json {
        return output::print_json(&result_json(outcome, elapsed.unwrap_or_default()));
    }
    if shared.quiet {
        return Ok(());
    }
    output::print(&leaderboard_text(&Leaderboard::from(&*outcome.board)))?;
    if let (Some(elapsed), Some(hash)) = (elapsed, &outcome.journal_hash) {
        let health = &outcome.board.health;
        let bars: u64 = health.bars.iter().map(|(_, _, n)| n).sum();
        output::print(&format!(
            "{} quotes, {bars} bars in {:.2} s; journal {}\n",
            health.quotes,
            elapsed.as_secs_f64(),
            &hash[..16]
        ))?;
        for (kind, n) in health.bad_quotes.iter().filter(|(_, n)| *n > 0) {
            output::complain(&format!("{n} quotes left out: {kind}"));
        }
    }
    Ok(())
}

/// `replay --json`, and `demo --json` when it ends.
fn result_json(outcome: &Outcome, elapsed: Duration) -> Value {
    let board = &outcome.board;
    let health = &board.health;
    let bad: Map<String, Value> = health.bad_quotes.iter().map(|(kind, n)| (kind.clone(), json!(n))).collect();
    let bars: Vec<Value> = health
        .bars
        .iter()
        .map(|(epic, resolution, count)| json!({ "epic": epic, "resolution": resolution, "count": count }))
        .collect();
    let lifecycle: Vec<Value> = outcome
        .lifecycle
        .iter()
        .map(|change| {
            json!({
                "time": change.time,
                "model": change.model,
                "from": change.from,
                "to": change.to,
                "reason": change.reason,
            })
        })
        .collect();
    json!({
        "journal_hash": outcome.journal_hash,
        "from": health.from,
        "to": health.to,
        "quotes": health.quotes,
        "bad_quotes": bad,
        "bars": bars,
        "elapsed_seconds": elapsed.as_secs_f64(),
        "models": board.rows,
        "lifecycle": lifecycle,
    })
}

fn progress_bar(shared: &Shared) -> ProgressBar {
    if shared.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} (about {eta} left)")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(10_000).with_style(style)
}

fn recordings(config: &Config, args: &ReplayArgs) -> Result<Vec<Recording>, Failure> {
    let epic_of = |file: &EpicFile| -> Result<EpicIdx, Failure> {
        config.epic_idx(&file.epic.as_str().into()).ok_or_else(|| {
            let known: Vec<&str> = config.markets.iter().map(|market| market.epic.as_str()).collect();
            let why = format!("no [[markets]] names {:?}; there are {}", file.epic, known.join(", "));
            Failure::new(USAGE, why)
        })
    };
    let mut recordings = Vec::new();
    for file in &args.quotes {
        recordings.push(Recording::Quotes { epic: epic_of(file)?, input: Input::File(file.file.clone()) });
    }
    for file in &args.bars {
        let epic = epic_of(file)?;
        // The shortest stream: the longer ones are built of the same bars.
        let length = config.streams().into_iter().filter(|(of, _)| *of == epic).map(|(_, length)| length).min();
        recordings.push(Recording::Bars { epic, input: Input::File(file.file.clone()), length });
    }
    Ok(recordings)
}

/// The store of a recorded session (a folder, or a name under the data folder), and whether its feed had ended.
fn session_store(config: &Config, name: &str) -> Result<(Sled, bool), Failure> {
    let direct = PathBuf::from(name);
    let dir = if direct.is_dir() { direct } else { config.arena.data.join(name) };
    let arena = AtRest::open(&dir)?;
    let head = arena.head();
    let epics: Vec<String> = config.markets.iter().map(|market| market.epic.to_string()).collect();
    let streams: Vec<(String, String)> = config
        .streams()
        .iter()
        .map(|(epic, resolution)| (config.market(*epic).epic.to_string(), resolution.to_string()))
        .collect();
    if head.epics != epics || head.streams != streams {
        let why = format!(
            "session {name} was recorded with the markets {} and bars {}, this configuration has {} and {}",
            head.epics.join(", "),
            list(&head.streams),
            epics.join(", "),
            list(&streams)
        );
        return Err(Failure::new(USAGE, why));
    }
    let was_done = head.is_done;
    drop(arena);
    let inner = dir.join("store");
    let dir = if inner.join("db").is_file() && !dir.join("db").is_file() { inner } else { dir };
    Ok((Sled::open_existing(&dir)?, was_done))
}

fn list(streams: &[(String, String)]) -> String {
    streams.iter().map(|(epic, length)| format!("{epic} {length}")).collect::<Vec<_>>().join(", ")
}

/// `arena replay`.
pub(super) fn replay(shared: &Shared, args: &ReplayArgs) -> Result<u8, Failure> {
    let begun = Instant::now();
    let ready = ready::load(shared)?;
    start_log(shared);
    let mut warmups = ready.warmups()?;
    let config = &ready.config;
    // A session that was stopped had bars open whose quotes its ledgers never saw: nor may its replay's.
    let (feed, has_tail): (Box<dyn Feed>, bool) = match &args.session {
        Some(name) => {
            let (store, was_done) = session_store(config, name)?;
            let session = Session::open(Box::new(store))?;
            // What the session began with, whatever lies in the data folder by now.
            warmups = session.warmups().to_vec();
            (Box::new(session), was_done)
        }
        None => (Box::new(Replay::open(&recordings(config, args)?, args.on_bad)?), true),
    };
    let (store, durability): (Box<dyn Store>, Durability) = match &args.out {
        None => (Box::new(Memory::default()), Durability::Forgetful),
        Some(dir) => (Box::new(out_store(dir, config)?), Durability::EverySecond),
    };
    let models = ready.factory(shared, false);
    let Ready { mut config, shelf } = ready;
    if args.out.is_none() {
        // Nobody can read quotes back that end with this process.
        config.feed.record = false;
    }
    let outcome = app::run(Plan {
        file: Some(shared.config().to_owned()),
        resolver: shelf,
        warmups,
        store,
        feed,
        models,
        durability,
        pace: Pace { speed: 0.0, live_speed_max: 0.0, skips_silence: None },
        has_tail,
        slice_rounds: app::SLICE_ROUNDS,
        deadline: None,
        serving: None,
        progress: progress_bar(shared),
        on_change: teller(shared),
        champions: None,
        follower: None,
        ends_at: None,
        heeds_signals: true,
        wants_result: true,
        on_tick: None,
        clock: None,
        abroad: None,
        notify: None,
        config: Arc::new(config),
    })?;
    if outcome.ending == app::Ending::Told {
        let note = match &args.out {
            Some(dir) => format!("stopped before the end; the same command goes on from {}", dir.display()),
            None => "stopped before the end of the recording".to_owned(),
        };
        output::complain(&note);
    }
    finish(shared, &outcome, Some(begun.elapsed()))
}

/// The store of `--out`: a new one, or one that this very configuration began.
fn out_store(dir: &Path, config: &Config) -> Result<Sled, Failure> {
    let store = Sled::open(dir, config.arena.disk_floor_mb)?;
    let head: views::Head = match store.record(views::HEAD)? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(FAILED, format!("store {}: {error}", dir.display())))?,
        None => return Ok(store),
    };
    if head.config_hash != config.hash {
        let why = format!(
            "store {} belongs to another configuration; name an empty folder with --out, or remove that one",
            dir.display()
        );
        return Err(Failure::new(FAILED, why));
    }
    Ok(store)
}
