//! The trained candidates of `arena demo`: the synthetic market's past becomes a data set, that becomes versions, and those
//! trade beside the rules. Every step is the one that `fetch`, `train` and `run` take.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use super::output::{FAILED, Failure};
use crate::bars::Resampler;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::deploy::{self, Shelf};
use crate::domain::{EpicIdx, Resolution};
use crate::feed::QuoteBlock;
use crate::flow::Warmup;
use crate::history::{self, DataSet, Folder, Format, HistoryBar, HistoryError, Manifest, Rows};
use crate::registry::{Registry, RegistryError};
use crate::sim::demo;
use crate::sim::market::Markets;
use crate::training::plan::{Plan, Request};
use crate::training::train::{Maker, train};

/// Quotes that are drawn at a time.
const BLOCK_TICKS: usize = 1 << 16;

/// The demo's configuration with its trained candidates, and what runs them.
pub(super) struct DemoArena {
    pub(super) config: Config,
    pub(super) shelf: Arc<Shelf>,
    pub(super) warmups: Vec<Warmup>,
}

fn faulty(problems: &[config::Problem]) -> Failure {
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    Failure::new(FAILED, format!("the demo's own configuration is faulty: {first}"))
}

fn failed(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Failure + use<> {
    let what = what.to_owned();
    move |error| Failure::new(FAILED, format!("{what}: {error}"))
}

/// The rules of the demo: what its market is made of.
pub(super) fn rules(seed: u64, folder: &Path) -> Result<Config, Failure> {
    let config = config::parse(&demo::demo_toml(seed), "demo.toml", folder);
    config.map_err(|problems| faulty(&problems))
}

/// Draws the past of `markets` up to the demo's beginning, trains on it, and reads the configuration that names what
/// came of it.
pub(super) fn prepare(markets: &mut Markets, rules: &Config, seed: u64, folder: &Path) -> Result<DemoArena, Failure> {
    let data = keep_past(markets, rules, folder)?;
    let registry = Registry::open(folder.join(&rules.arena.models));
    for (name, values, set) in demo::TRAINED {
        register(&registry, &data, name, values, set)?;
    }
    let shelf = Shelf::new();
    let text = demo::demo_toml(seed) + demo::TRAINED_TOML;
    let mut config = config::parse_with(&text, "demo.toml", folder, &*shelf).map_err(|problems| faulty(&problems))?;
    config.arena.data = folder.to_owned();
    let warmups = deploy::warmups(&config).map_err(|error| Failure::new(FAILED, error.to_string()))?;
    Ok(DemoArena { config, shelf, warmups })
}

/// The past as a data set, where a command would look for it.
fn keep_past(markets: &mut Markets, rules: &Config, folder: &Path) -> Result<DataSet, Failure> {
    let bar = demo::TRAINED_BAR.parse::<Resolution>().map_err(|error| failed("the demo's bars")(&error))?;
    let mut resampler = Resampler::new(&[(EpicIdx(0), bar)], rules.markets.len(), 0, rules.bars.reset_after);
    let (mut rounds, mut bars) = (Vec::new(), Vec::new());
    loop {
        let block = markets.block_until(demo::START, BLOCK_TICKS);
        let is_last = block.ticks.len() < BLOCK_TICKS;
        resampler.push(QuoteBlock { ticks: block.ticks, runs: block.runs }, &mut rounds);
        if is_last {
            resampler.close_due(demo::START, &mut rounds);
        }
        bars.extend(rounds.drain(..).flat_map(|round| round.bars).map(|bar| HistoryBar {
            start: bar.start,
            bid: bar.bid,
            offer: bar.offer,
            quotes: bar.ticks,
        }));
        if is_last {
            break;
        }
    }
    let store = || -> Result<DataSet, HistoryError> {
        let symbol = rules.markets[0].epic.as_str();
        let folder = Folder::open(folder, "sim", symbol, bar)?;
        let mut manifest = Manifest::made("sim", symbol, bar, SystemClock.now());
        folder.store(&mut manifest, &Rows::Two(bars), Format::Csv)?;
        history::load(folder.path())
    };
    store().map_err(|error| failed("the demo's past")(&error))
}

fn register(
    registry: &Registry,
    data: &DataSet,
    name: &str,
    values: &[(&str, &str)],
    set: &[(&str, &str)],
) -> Result<(), Failure> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let mut request = Request { values: owned(values), set: owned(set), sweep: Vec::new() };
    request.values.extend(owned(&[("name", name), ("data", &data.manifest.name())]));
    let told = failed(&format!("training {name}"));
    let plan = Plan::of(&request).map_err(|faults| told(&faults.join("; ")))?;
    let maker =
        Maker { at: SystemClock.now(), version: env!("CARGO_PKG_VERSION"), commit: option_env!("ARENA_COMMIT") };
    let sweep = train(data, &plan, &maker, NonZeroUsize::MIN, &|| ()).map_err(|error| told(&error))?;
    for line in &sweep.lines {
        if let Err(error) = &line.result {
            return Err(told(error));
        }
    }
    for best in &sweep.best {
        registry.register(&best.card, &best.artefact).map_err(|error: RegistryError| told(&error))?;
    }
    Ok(())
}
