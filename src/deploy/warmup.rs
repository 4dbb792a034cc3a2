//! Bars of the past that the windows of a new store's streams may begin with.

use crate::config::Config;
use crate::domain::{EpicIdx, PastBar, Resolution, StreamIdx};
use crate::flow::Warmup;
use crate::history::{self, DataSet, HistoryError};

/// A data set that `[[models]] warmup` names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("warmup {name:?}: {why}")]
pub struct WarmupError {
    /// Its name.
    pub name: String,
    /// Why not.
    pub why: String,
}

/// The bars that each stream of `config` may begin with: of the data set that its models name, else of one of its epic
/// and length below the data folder. Which of them are right before the first quote is known when that comes.
///
/// # Errors
/// [`WarmupError`] for a data set that is named; one that was merely found and cannot be read is left out, and the log
/// says so.
pub fn warmups(config: &Config) -> Result<Vec<Warmup>, WarmupError> {
    let mut out = Vec::new();
    for (number, (epic, resolution)) in (0u16..).zip(config.streams()) {
        let set = match config.warmups.get(&(epic, resolution)) {
            Some(name) => Some(named(config, name, resolution)?),
            None => found(config, epic, resolution),
        };
        if let Some(set) = set {
            out.push(warmup_of(StreamIdx(number), &set));
        }
    }
    Ok(out)
}

/// The bars of `set` for a stream.
#[must_use]
pub(crate) fn warmup_of(stream: StreamIdx, set: &DataSet) -> Warmup {
    let past =
        |bar: &history::HistoryBar| PastBar { start: bar.start, bid: bar.bid, offer: bar.offer, ticks: bar.quotes };
    Warmup {
        stream,
        source: set.manifest.name(),
        sha256: set.manifest.sha256.clone(),
        bars: set.bars.iter().map(past).collect(),
    }
}

fn named(config: &Config, name: &str, resolution: Resolution) -> Result<DataSet, WarmupError> {
    let fail = |why: String| WarmupError { name: name.to_owned(), why };
    let dir = history::find(&config.arena.data, name).map_err(|error| fail(error.to_string()))?;
    let set = history::load(&dir).map_err(|error| fail(error.to_string()))?;
    let interval = set.manifest.interval;
    if interval == resolution {
        Ok(set)
    } else {
        Err(fail(format!("its bars are of {interval}, those of the stream of {resolution}")))
    }
}

fn found(config: &Config, epic: EpicIdx, resolution: Resolution) -> Option<DataSet> {
    let name = config.market(epic).epic.as_str();
    let unread = |error: HistoryError| tracing::warn!(epic = name, %error, "no warm-up from the data folder");
    let known = history::list(&config.arena.data).map_err(unread).ok()?;
    let latest = known
        .into_iter()
        .filter(|manifest| manifest.symbol == name && manifest.interval == resolution)
        .max_by(|a, b| a.to.cmp(&b.to).then_with(|| b.name().cmp(&a.name())))?;
    let dir = history::find(&config.arena.data, &latest.name()).map_err(unread).ok()?;
    history::load(&dir).map_err(unread).ok()
}
