//! The composition root: a plan in, running actors, an outcome out. It owns the order of start and stop and is the only
//! spawner of actors.

mod champions;
mod director;
mod journal;
mod pump;
mod running;
pub(crate) mod sealing;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter, System};
use arc_swap::ArcSwap;
use indicatif::ProgressBar;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use self::champions::LiveVersions;
pub use self::director::Durability;
use self::director::{Director, Inner, Operate, RulesRead, Stopped};
use self::pump::Pump;
pub use self::pump::{Ending, Pace, SLICE_ROUNDS};
use self::running::{Reader, Running};
use crate::bars::Resampler;
use crate::broker::{Broker, DealingRules};
use crate::clock::Clock;
use crate::config::{Config, Resolver, StoreConfig};
use crate::control::{Command, Control};
use crate::feed::Feed;
use crate::flow::{Board, Change, Warmup};
use crate::models::ModelFactory;
use crate::notify::{self, Notify};
use crate::registry::mlflow::{self, Champions};
use crate::seats::director::FanOut;
use crate::server::{self, ServerOptions};
use crate::settle::{OpenError, Opened, Outside, Settlement};
use crate::store::actor::{Read, StoreActor};
use crate::store::{Follower, Retention, Snapshots, Store, StoreError, journal_hash, views};
use crate::telemetry::metrics;

/// A page, an API and metrics to serve.
#[derive(Debug)]
pub struct Serving {
    /// Bound already, so that a taken port is told before anything starts.
    pub listener: TcpListener,
    /// What every `POST` needs.
    pub token: String,
}

/// Who is told the board while a run goes on.
pub type OnTick = Box<dyn Fn(&Board) + Send>;

/// Everything that a run needs.
pub struct Plan {
    /// What to run.
    pub config: Arc<Config>,
    /// The file it came from, for a reload.
    pub file: Option<PathBuf>,
    /// Who looks up what a configuration that is read again names outside of it.
    pub resolver: Arc<dyn Resolver>,
    /// What the windows of streams that have not begun begin with.
    pub warmups: Vec<Warmup>,
    /// Where the journal goes.
    pub store: Box<dyn Store>,
    /// Where quotes come from.
    pub feed: Box<dyn Feed>,
    /// Who makes the models.
    pub models: Arc<ModelFactory>,
    /// When what was done is made durable.
    pub durability: Durability,
    /// How fast event time goes.
    pub pace: Pace,
    /// Whether the bars open at the feed's end send their quotes through the paper broker.
    pub has_tail: bool,
    /// Rounds that are gathered before a slice is sent while nothing waits for them: fewer show a change sooner, more
    /// are quicker. Changes no result.
    pub slice_rounds: usize,
    /// Live only: how long a model may think.
    pub deadline: Option<Duration>,
    /// What to serve, if anything.
    pub serving: Option<Serving>,
    /// Shows how far the feed has come.
    pub progress: ProgressBar,
    /// Told of every lifecycle change.
    pub on_change: Box<dyn Fn(&Change) + Send>,
    /// Who tells MLflow which versions are live, where anybody does.
    pub champions: Option<Champions>,
    /// Who copies what is recorded elsewhere, where anybody does.
    pub follower: Option<Follower>,
    /// Ends the run by itself at this moment.
    pub ends_at: Option<Instant>,
    /// Whether the run listens to Ctrl-C, SIGTERM and SIGHUP.
    pub heeds_signals: bool,
    /// Whether the outcome carries the journal's hash and the whole lifecycle.
    pub wants_result: bool,
    /// Told the board now and then while the run goes on (the demo's terminal).
    pub on_tick: Option<OnTick>,
    /// Of a live feed: the clock that closes its silent bars. Its quotes are taken as they come.
    pub clock: Option<Arc<dyn Clock>>,
    /// Where it deals, if not at the venue of this process.
    pub abroad: Option<Abroad>,
    /// Who is told what happens, if anybody. Replays and demonstrations tell nobody.
    pub notify: Option<Notify>,
}

/// A venue outside of this process.
pub struct Abroad {
    /// Who deals.
    pub broker: Arc<dyn Broker>,
    /// Whose money: environment and account.
    pub account: String,
    /// The dealing rules, market by market in the order of the configuration.
    pub rules: Vec<DealingRules>,
    /// The same whenever they are read again.
    pub later_rules: mpsc::Receiver<Vec<DealingRules>>,
}

impl std::fmt::Debug for Abroad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Abroad").field("account", &self.account).field("broker", &self.broker).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("store", &self.store).field("feed", &self.feed).finish_non_exhaustive()
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The last board.
    pub board: Arc<Board>,
    /// The journal's hash, where wanted.
    pub journal_hash: Option<String>,
    /// Every lifecycle change, where wanted.
    pub lifecycle: Vec<Change>,
    /// Whether the feed ended or the run was told to.
    pub ending: Ending,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be gone on from.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The feed failed.
    #[error(transparent)]
    Feed(#[from] crate::feed::FeedError),
    /// The checkpoint of the bars cannot be gone on from.
    #[error("bars of the store: {0}")]
    Bars(#[from] crate::bars::RestoreError),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// An actor stopped.
    #[error("{0}")]
    Stopped(String),
}

impl RunError {
    /// Whether the user named the wrong thing (exit code 2), not the right thing that then failed (1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Feed(error) => error.is_usage(),
            Self::Open(error) => matches!(error, OpenError::Configuration(_)),
            _ => false,
        }
    }
}

impl From<Stopped> for RunError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped.0)
    }
}

/// Runs a plan to its end on this thread's actor system.
///
/// # Errors
/// [`RunError`], each a sentence.
pub fn run(plan: Plan) -> Result<Outcome, RunError> {
    metrics::install();
    System::new().block_on(run_in_system(plan))
}

#[expect(clippy::too_many_lines, reason = "the order of start and stop is read best in one piece")]
async fn run_in_system(plan: Plan) -> Result<Outcome, RunError> {
    let Plan { config, file, resolver, mut feed, models, durability, serving, .. } = plan;
    // Before anything is opened: a Ctrl-C of this moment is heeded as soon as the run can end in order.
    let signals = if plan.heeds_signals { Some(Signals::listen()?) } else { None };
    let Opened { mut settlement, seats, resume } = Settlement::open(Arc::clone(&config), &*plan.store, &*models)?;
    let mut resampler =
        Resampler::new(&config.streams(), config.markets.len(), config.lookback_max(), config.bars.reset_after);
    if let Some(resume) = &resume {
        resampler.restore(&resume.bars)?;
        feed.skip(&resampler.accepted())?;
    }
    resampler.warm(plan.warmups);
    let board = Arc::new(ArcSwap::from_pointee(settlement.board()));
    if resume.as_ref().is_some_and(|resume| resume.is_done) {
        let (journal_hash, lifecycle) = result_of(&*plan.store)?;
        let journal_hash = Some(journal_hash);
        return Ok(Outcome { board: board.load_full(), journal_hash, lifecycle, ending: Ending::Done });
    }

    let store_thread = Arbiter::new();
    let store = plan.store;
    let retention = retention_of(&config);
    let store =
        StoreActor::start_in_arbiter(&store_thread.handle(), move |_| StoreActor::new(store).keeping(retention));
    let later_rules = match plan.abroad {
        Some(Abroad { broker, account, rules, later_rules }) => {
            let journal = Arc::new(journal::StoreJournal::new(store.clone()));
            settlement.deal_outside(Outside { broker, journal, account })?;
            tell_rules(&settlement.on_rules(rules));
            Some(later_rules)
        }
        None => {
            settlement.deal_inside()?;
            None
        }
    };
    let fan_out = FanOut::start(&seats, config.arena.models_per_host, config.arena.arbiters, plan.deadline);
    let by_idx = seats.iter().map(|seat| (seat.lock().unwrap_or_else(PoisonError::into_inner).idx(), Arc::clone(seat)));
    let live = plan.champions.map(|champions| LiveVersions::watched(champions, &board.load(), &config));
    // What runs from a file and is looked at is an arena of its own, with a key; a replay and a demonstration are not.
    let is_arena = serving.is_some() && file.is_some();
    let sealer = if is_arena { Some(sealing::sealer(&config.arena.data)?) } else { None };
    let anchor = if is_arena {
        let server = || mlflow::named(config.registry.mlflow.as_deref());
        sealing::Anchor::of(&config.promotion.anchor, file.as_deref(), server).map_err(OpenError::Configuration)?
    } else {
        None
    };
    let reader: Arc<dyn Snapshots> = Arc::new(Reader(store.clone()));
    let notifier = match plan.notify {
        Some(notify) => Some(notify.start(&config.arena.data, Arc::clone(&reader), Arc::clone(&board)).await?),
        None => None,
    };
    let inner = Inner {
        notify_faults: notifier.as_ref().map(notify::Notifier::faults),
        sealer,
        anchor,
        settlement,
        fan_out,
        seats: by_idx.collect(),
        store: store.clone(),
        board: Arc::clone(&board),
        durability,
        models,
        file,
        resolver,
        on_change: plan.on_change,
        live,
        board_at: None,
        is_watched: serving.is_some() || plan.on_tick.is_some(),
        flushed_at: Instant::now(),
        owes_flush: false,
        bars: resampler.checkpoint(),
        is_at_rest: true,
    };
    let inner = Arc::new(Mutex::new(inner));
    let for_actor = Arc::clone(&inner);
    let director_thread = Arbiter::new();
    let director = Director::start_in_arbiter(&director_thread.handle(), move |_| Director {
        inner: for_actor,
        at_rest: Arc::default(),
    });

    if let Some(follower) = plan.follower {
        follower(Arc::clone(&reader));
    }
    let server = match serving {
        Some(Serving { listener, token }) => {
            let running = Arc::new(Running::new(Arc::clone(&board), director.clone(), store.clone()));
            let control: Arc<dyn Control> = running;
            let options = ServerOptions { snapshots: Some(reader), ..ServerOptions::new(token) };
            let server = server::serve(listener, control, options)?;
            let handle = server.handle();
            actix::spawn(server);
            Some(handle)
        }
        None => None,
    };

    let (stop, stopped) = watch::channel(false);
    let stop = Arc::new(stop);
    if let Some(signals) = signals {
        actix::spawn(heed_signals(signals, Arc::clone(&stop), director.clone()));
    }
    if let Some(at) = plan.ends_at {
        let stop = Arc::clone(&stop);
        actix::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            stop.send_replace(true);
        });
    }
    if let Some(on_tick) = plan.on_tick {
        let board = Arc::clone(&board);
        actix::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_secs(1));
            loop {
                every.tick().await;
                on_tick(&board.load());
            }
        });
    }

    let pump = Pump {
        feed,
        resampler,
        pace: plan.pace,
        grace: config.bars.grace,
        director: director.clone(),
        stop: stopped,
        progress: plan.progress,
        has_tail: plan.has_tail,
        slice_rounds: plan.slice_rounds,
        clock: plan.clock,
    };
    if let Some(later_rules) = later_rules {
        actix::spawn(heed_rules(later_rules, director.clone()));
    }
    let (done, ended) = oneshot::channel();
    let pump_thread = Arbiter::new();
    pump_thread.spawn(async move {
        // The receiver waits for as long as the run lasts; if it is gone, so is the whole run.
        drop(done.send(pump.run().await));
    });
    let ended = match ended.await {
        Ok(ended) => ended,
        Err(_) => Err(RunError::Stopped("the pump ended by itself".to_owned())),
    };
    if let Some(notifier) = notifier {
        if let Err(error) = &ended {
            notifier.tell(notify::ended(&board.load(), &error.to_string()));
        }
        notifier.finish().await;
    }
    let (ending, pump) = ended?;
    pump.progress.finish_and_clear();

    let (journal_hash, lifecycle) = if plan.wants_result {
        let read = store.send(Read(Box::new(result_of))).await;
        let (hash, lifecycle) = read.map_err(|error| RunError::Stopped(error.to_string()))??;
        // The hash of a journal that ends before its run does would stand for something that never was.
        let is_whole = inner.lock().await.settlement.is_recording();
        (is_whole.then_some(hash), lifecycle)
    } else {
        (None, Vec::new())
    };
    if let Some(server) = server {
        server.stop(true).await;
    }
    inner.lock().await.fan_out.stop();
    for thread in [pump_thread, director_thread, store_thread] {
        thread.stop();
    }
    Ok(Outcome { board: board.load_full(), journal_hash, lifecycle, ending })
}

/// What the store may forget.
fn retention_of(config: &Config) -> Retention {
    let StoreConfig { quotes_max_age, quotes_max_mb, predictions_max_age, predictions_max_mb } = config.store;
    Retention { quotes_max_age, quotes_max_mb, predictions_max_age, predictions_max_mb }
}

/// The journal's hash, and every lifecycle change that it holds.
fn result_of(store: &dyn Store) -> Result<(String, Vec<Change>), StoreError> {
    Ok((journal_hash(store)?, views::lifecycle(store)?))
}

/// Tells what dealing rules are others than they were.
fn tell_rules(changes: &[String]) {
    for change in changes {
        tracing::warn!(%change, "a dealing rule changed");
    }
}

/// Hands rules that were read again to the director.
async fn heed_rules(mut rules: mpsc::Receiver<Vec<DealingRules>>, director: actix::Addr<Director>) {
    while let Some(rules) = rules.recv().await {
        match director.send(RulesRead(rules)).await {
            Ok(changes) => tell_rules(&changes),
            // It ends with the run.
            Err(_) => return,
        }
    }
}

/// The signals that a run heeds.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Ctrl-C and SIGTERM drain the run, a second one ends it at once; SIGHUP reads the configuration again.
async fn heed_signals(mut signals: Signals, stop: Arc<watch::Sender<bool>>, director: actix::Addr<Director>) {
    let mut told: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = signals.interrupt.recv() => {}
            _ = signals.terminate.recv() => {}
            _ = signals.hangup.recv() => {
                match director.send(Operate(Command::Reload)).await {
                    Ok(Ok(done)) => tracing::info!(notes = ?done.notes, "configuration read again"),
                    Ok(Err(error)) => tracing::error!(%error, "configuration not read again"),
                    Err(error) => tracing::error!(%error, "configuration not read again"),
                }
                continue;
            }
        }
        stop.send_replace(true);
        // A terminal or `timeout` may send the same signal twice at once: that is one wish.
        if told.is_some_and(|at| at.elapsed() >= Duration::from_secs(1)) {
            tracing::warn!("told twice to stop: ending at once, what is not flushed is lost");
            std::process::exit(130);
        }
        told.get_or_insert_with(Instant::now);
        tracing::info!("draining; once more ends at once");
    }
}
