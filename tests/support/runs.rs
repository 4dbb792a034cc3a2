//! Whole arenas in memory: small synthetic recordings, and runs over them through the actors and through the pipeline.

// Every test binary compiles this file for itself and uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::time::{Duration, Instant};

use arena::app::{self, Durability, Outcome, Pace, Plan};
use arena::config::{self, Config};
use arena::domain::{Candidate, EpicIdx, Micros, Prediction, Tick, Trade};
use arena::feed::replay::{Recording, Replay};
use arena::feed::{Feed, Input, OnBad};
use arena::ledger::read_trades;
use arena::models::{self, BarContext, Model, ModelFactory, Predictor};
use arena::pipeline;
use arena::sim::demo;
use arena::store::{Commit, Lane, Memory, Store, StoreError};
use indicatif::ProgressBar;

/// Two markets, bars of three lengths, every kind of rule; the planted one is promoted after some twenty episodes.
pub const SEVERAL: &str = r#"
[arena]
name = "proof"
data = "data"
seed = 5
record_predictions = true
disk_floor_mb = 0

[feed]
source = "sim"
edge_r = 0.6
record = true

[[markets]]
epic = "CS.D.GBPUSD.TODAY.IP"
currency = "GBP"
point = 0.0001
value_per_point = 1.0
size_min = 0.5
stop_min_points = 2
gap_allowance_points = 8
funding_annual_rate = 0.025

[[markets]]
epic = "CS.D.EURUSD.TODAY.IP"
currency = "GBP"
point = 0.0001
value_per_point = 1.0
size_min = 0.5
stop_min_points = 2
gap_allowance_points = 8
funding_annual_rate = 0.025
session = "Sun 22:00-Fri 22:00 Europe/London"

[paper]
latency = "250ms"
slippage_points = 0.05

[risk]
max_live_positions = 1
max_daily_loss = 20.0
max_live_size = 2.0
stale_quote = "30s"

[promotion]
alpha = 0.45
alpha_slots = 16
min_episodes = 15
min_days = 0
min_active_days = 0
min_useful_edge_r = -5
futility_e = 0
ramp_episodes = 1000000
ramp = [0.25, 0.5, 1.0]

[[models]]
name = "momentum"
epic = "CS.D.GBPUSD.TODAY.IP"
bar = "1m"
kind = "momentum"
params = { lookback = 1, threshold = 0.00039 }
hold = "6m"
stop = 4
limit = 4
size = 2.0
[models.sweep]
"params.threshold" = [0.00025, 0.00039]
stop = [4, 6]

[[models]]
name = "fade"
epic = "CS.D.EURUSD.TODAY.IP"
bar = "1m"
kind = "mean_reversion"
params = { lookback = 3, threshold = 0.0001 }
hold = "4m"
stop = 4
limit = 4
size = 2.0
[models.sweep]
direction = ["both", "short"]

[[models]]
name = "breakout"
epic = "CS.D.EURUSD.TODAY.IP"
bar = "5m"
kind = "breakout"
params = { lookback = 4 }
hold = "20m"
stop = 8
limit = 8
size = 2.0

[[models]]
name = "random"
epic = "CS.D.GBPUSD.TODAY.IP"
bar = "30s"
kind = "random"
params = { rate = 0.1 }
hold = "5m"
stop = 4
limit = 4
size = 2.0
predict_every = 2
[models.sweep]
"params.rate" = [0.05, 0.2]
"#;

/// The candidate of [`SEVERAL`] that the market's edge is planted for.
pub const PLANTED: &str = "momentum:threshold=0.00039,stop=4";

/// One market, one length of bars, five candidates; nothing is promoted.
pub const ONE: &str = r#"
[arena]
name = "one"
data = "data"
seed = 11
record_predictions = true
disk_floor_mb = 0

[feed]
source = "sim"
edge_r = 0.0

[[markets]]
epic = "CS.D.GBPUSD.TODAY.IP"
currency = "GBP"
point = 0.0001
value_per_point = 1.0
size_min = 0.5
stop_min_points = 2
gap_allowance_points = 8
funding_annual_rate = 0.025

[paper]
latency = "250ms"
slippage_points = 0.05

[promotion]
mode = "off"

[[models]]
name = "random"
epic = "CS.D.GBPUSD.TODAY.IP"
bar = "30s"
kind = "random"
params = { rate = 0.3 }
hold = "2m"
stop = 3
limit = 3
size = 1.0
[models.sweep]
"params.rate" = [0.2, 0.3, 0.5]

[[models]]
name = "momentum"
epic = "CS.D.GBPUSD.TODAY.IP"
bar = "30s"
kind = "momentum"
params = { lookback = 2, threshold = 0.00002 }
hold = "2m"
stop = 3
limit = 3
size = 1.0
[models.sweep]
"params.lookback" = [1, 2]
"#;

/// A configuration without a fault.
pub fn config(text: &str) -> Config {
    config::parse(text, "proof.toml", Path::new("."))
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>()))
}

/// Quotes of every market of a configuration, by its places.
pub type Quotes = Vec<Vec<Tick>>;

/// The first `n` quotes of the synthetic markets of `config`, over all of them.
pub fn synthetic(config: &Config, seed: u64, n: usize) -> Quotes {
    let mut markets = demo::markets(&config.markets, seed, config.feed.edge_r, demo::START);
    let mut quotes = vec![Vec::new(); config.markets.len()];
    let block = markets.next_block(n);
    let mut rest = block.ticks.as_slice();
    for (epic, count) in block.runs {
        let (run, after) = rest.split_at(count as usize);
        quotes[usize::from(epic.0)].extend_from_slice(run);
        rest = after;
    }
    quotes
}

/// Quotes as a recorded file has them.
pub fn csv(ticks: &[Tick]) -> Vec<u8> {
    let mut text = String::from("time_utc,bid,ask\n");
    for tick in ticks {
        writeln!(text, "{},{},{}", tick.time, tick.bid, tick.offer).expect("text grows in memory");
    }
    text.into_bytes()
}

/// A replay of these quotes from memory; a market without a quote has no file.
pub fn replay(quotes: &Quotes) -> Replay {
    let recordings: Vec<Recording> = (0u16..)
        .zip(quotes)
        .filter(|(_, ticks)| !ticks.is_empty())
        .map(|(epic, ticks)| Recording::Quotes {
            epic: EpicIdx(epic),
            input: Input::Memory { name: format!("{epic}.csv"), bytes: csv(ticks).into() },
        })
        .collect();
    Replay::open(&recordings, OnBad::Stop).unwrap()
}

/// A store that outlives the run that writes it.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Memory>>);

impl Kept {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap()
    }
}

impl Store for Kept {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.memory().commit(commit)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.memory().flush()
    }

    fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        self.memory().lanes()
    }

    fn read(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        let blocks: Vec<_> = self.memory().read(lane).collect();
        Box::new(blocks.into_iter())
    }

    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory().record(name)
    }

    fn records(&self) -> Result<Vec<String>, StoreError> {
        self.memory().records()
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}

/// A run of `config` over `feed` into `store`, as fast as it can; change what the test is about.
pub fn plan(config: Config, feed: Box<dyn Feed>, store: Box<dyn Store>) -> Plan {
    Plan {
        config: Arc::new(config),
        file: None,
        resolver: Arc::new(config::Nothing),
        warmups: Vec::new(),
        store,
        feed,
        models: Arc::new(models::build),
        durability: Durability::EverySecond,
        pace: Pace { speed: 0.0, live_speed_max: 0.0, skips_silence: None },
        has_tail: true,
        slice_rounds: app::SLICE_ROUNDS,
        deadline: None,
        serving: None,
        progress: ProgressBar::hidden(),
        on_change: Box::new(|_| ()),
        champions: None,
        follower: None,
        ends_at: None,
        heeds_signals: false,
        wants_result: true,
        on_tick: None,
        clock: None,
        abroad: None,
        notify: None,
    }
}

/// Runs a plan to its end; what it came to.
pub fn run(plan: Plan) -> Outcome {
    app::run(plan).unwrap()
}

/// The hash that a run came to.
pub fn hash(outcome: &Outcome) -> &str {
    outcome.journal_hash.as_deref().unwrap()
}

/// The reference: the same recording through plain calls.
pub fn reference(config: &Config, quotes: &Quotes, rounds_per_slice: usize) -> pipeline::Outcome {
    pipeline::run(&Arc::new(config.clone()), &mut replay(quotes), &models::build, rounds_per_slice).unwrap()
}

/// The bytes of a lane, whatever its blocks.
pub fn lane_bytes(store: &dyn Store, lane: Lane) -> Vec<u8> {
    store.read(lane).map(Result::unwrap).collect::<Vec<_>>().concat()
}

/// Every closed trade of every seat.
pub fn trades(store: &dyn Store, seats: usize) -> Vec<Vec<Trade>> {
    (0..seats).map(|seat| read_trades(store, u32::try_from(seat).unwrap()).unwrap()).collect()
}

/// A factory that makes `special` of the candidates that it knows, and the shipped models of the others.
pub fn factory(special: impl Fn(&Candidate) -> Option<Predictor> + Send + Sync + 'static) -> Arc<ModelFactory> {
    Arc::new(move |candidate| special(candidate).unwrap_or_else(|| models::build(candidate)))
}

/// Where two stores differ first, for a message that helps.
pub fn difference(a: &dyn Store, b: &dyn Store) -> Option<String> {
    let mut lanes = [a.lanes().unwrap(), b.lanes().unwrap()].concat();
    lanes.sort_unstable();
    lanes.dedup();
    // Signatures are those of whoever ran it; a replay has no key.
    lanes.retain(|lane| *lane != Lane::Seals);
    lanes.into_iter().find_map(|lane| {
        let (of_a, of_b) = (lane_bytes(a, lane), lane_bytes(b, lane));
        let at = of_a.iter().zip(&of_b).position(|(x, y)| x != y).unwrap_or(of_a.len().min(of_b.len()));
        (of_a != of_b).then(|| format!("{lane:?} at byte {at} of {} and {}", of_a.len(), of_b.len()))
    })
}

/// Minutes of event time.
pub fn minutes(n: i64) -> Micros {
    Micros(n * 60_000_000)
}

/// An end so far away from now.
pub fn ends_in(milliseconds: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(milliseconds))
}

/// Draws for tests (SplitMix64; Steele, Lea and Flood 2014): seeded, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Draws(pub u64);

impl Draws {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What [`Faulty`] does at its bar.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// It panics.
    Panic,
    /// It predicts what is not a number.
    Nan,
    /// It does not come back until this turns true.
    Block(Arc<AtomicBool>),
    /// Nothing: it behaves to the end.
    None,
}

/// What every panic of [`Faulty`] says.
pub const ON_PURPOSE: &str = "on purpose";

/// A rule that behaves for a while, then does not.
#[derive(Debug)]
pub struct Faulty {
    /// What it is until then.
    pub rule: Predictor,
    /// Bars until then.
    pub bars: u64,
    /// What it does then.
    pub trouble: Trouble,
}

impl Model for Faulty {
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let answer = self.rule.on_bar(context);
        if context.bar.seq < self.bars {
            return answer;
        }
        match &self.trouble {
            Trouble::Panic => panic!("{ON_PURPOSE}"),
            Trouble::Nan => Some(Prediction::of(Some(f64::NAN), None)),
            Trouble::Block(release) => {
                while !release.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(2));
                }
                answer
            }
            Trouble::None => answer,
        }
    }
}

/// Keeps panics on purpose quiet; all others speak as ever.
pub fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(ON_PURPOSE) {
                before(info);
            }
        }));
    });
}

/// A factory that gives the named candidates trouble after so many bars, and the shipped models to the others.
pub fn troubled(troubles: Vec<(&'static str, u64, Trouble)>) -> Arc<ModelFactory> {
    factory(move |candidate| {
        let (_, bars, trouble) = troubles.iter().find(|(name, ..)| *name == candidate.id.as_str())?;
        let rule = models::build(candidate);
        Some(Predictor::Boxed(Box::new(Faulty { rule, bars: *bars, trouble: trouble.clone() })))
    })
}

/// The lane of a candidate in a store that `config` began: seats are numbered as they are written.
pub fn lane_of(config: &Config, store: &dyn Store, model: &str) -> Vec<u8> {
    let place = config.candidates.iter().position(|candidate| candidate.id.as_str() == model);
    let place = place.unwrap_or_else(|| panic!("no {model}"));
    lane_bytes(store, Lane::Seat(u32::try_from(place).unwrap()))
}
