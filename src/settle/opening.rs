//! What an arena finds in its store when it opens, and what it notes of a new candidate.

use super::OpenError;
use crate::config::Config;
use crate::domain::{Candidate, Decimal, DirectionFilter, ModelSpec, SeatIdx};
use crate::ledger::read_trades;
use crate::promoter::Promoter;
use crate::store::Store;

/// The number of `name` in `known`, added at its end where it is new: lanes keep their numbers when a configuration
/// changes.
pub(super) fn lane_number<T: PartialEq>(known: &mut Vec<T>, name: T) -> u16 {
    let at = known.iter().position(|other| *other == name).unwrap_or_else(|| {
        known.push(name);
        known.len() - 1
    });
    u16::try_from(at).expect("an arena has fewer than 65,536 lanes of a kind")
}

pub(super) fn json_record<T: serde::de::DeserializeOwned + Default>(
    store: &dyn Store,
    name: &str,
) -> Result<T, OpenError> {
    match store.record(name)? {
        None => Ok(T::default()),
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| OpenError::Record { name: name.to_owned(), why: error.to_string() }),
    }
}

/// A record that is a plain text; empty where there is none.
pub(super) fn text_record(store: &dyn Store, name: &str) -> Result<String, OpenError> {
    let bytes = store.record(name)?.unwrap_or_default();
    String::from_utf8(bytes).map_err(|error| OpenError::Record { name: name.to_owned(), why: error.to_string() })
}

pub(super) fn postcard_record<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    name: &str,
) -> Result<Option<T>, OpenError> {
    let Some(bytes) = store.record(name)? else { return Ok(None) };
    let read = postcard::from_bytes(&bytes);
    read.map(Some).map_err(|error| OpenError::Record { name: name.to_owned(), why: error.to_string() })
}

pub(super) fn seat_record(seat: SeatIdx) -> String {
    format!("seat/{}", seat.0)
}

/// The last summary of a retired seat.
pub(super) fn ended_record(seat: SeatIdx) -> String {
    format!("ended/{}", seat.0)
}

/// The promoter as it was, its episodes read back from the seats' lanes; a new one in a new store.
pub(super) fn open_promoter(config: &Config, store: &dyn Store) -> Result<Promoter, OpenError> {
    let Some(bytes) = store.record("promoter")? else {
        let currency = config.markets.first().map_or("", |market| market.currency.as_str());
        return Ok(Promoter::new(&config.promotion, currency, &config.hash));
    };
    let mut unread = None;
    let ledger = |seat: SeatIdx| match read_trades(store, seat.0) {
        Ok(trades) => trades.iter().map(|trade| trade.episode(seat)).collect::<Vec<_>>(),
        Err(error) => {
            unread = Some(error);
            Vec::new()
        }
    };
    let restored = Promoter::restore_with(&bytes, ledger);
    match unread {
        Some(error) => Err(error.into()),
        None => restored.map_err(|error| OpenError::Record { name: "promoter".to_owned(), why: error.to_string() }),
    }
}

/// The counts of these lanes; zero for one that is new.
pub(super) fn of_lanes(by_lane: &[u64], lanes: &[u16]) -> Vec<u64> {
    lanes.iter().map(|lane| by_lane.get(usize::from(*lane)).copied().unwrap_or(0)).collect()
}

pub(super) fn widened(mut counts: Vec<u64>, len: usize) -> Vec<u64> {
    counts.resize(len.max(counts.len()), 0);
    counts
}

/// A candidate's settings as `show` lists them.
pub(super) fn settings_of(candidate: &Candidate) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: String| settings.push((key.to_owned(), value));
    match &candidate.spec {
        ModelSpec::Momentum { lookback, threshold } => {
            add("kind", "momentum".to_owned());
            add("lookback", lookback.to_string());
            add("threshold", threshold.to_string());
        }
        ModelSpec::MeanReversion { lookback, threshold } => {
            add("kind", "mean_reversion".to_owned());
            add("lookback", lookback.to_string());
            add("threshold", threshold.to_string());
        }
        ModelSpec::Breakout { lookback } => {
            add("kind", "breakout".to_owned());
            add("lookback", lookback.to_string());
        }
        ModelSpec::Random { rate, .. } => {
            add("kind", "random".to_owned());
            add("rate", rate.to_string());
        }
        ModelSpec::Trained { artefact, features, threshold, max_distance, lookback } => {
            let lineage = candidate.lineage.as_deref();
            add("kind", lineage.map_or_else(|| "trained".to_owned(), |lineage| lineage.kind.clone()));
            add("model", lineage.map_or_else(|| artefact.hash8(), |lineage| lineage.reference.clone()));
            add("features", features.clone());
            add("lookback", lookback.to_string());
            add("threshold", threshold.to_string());
            add("max_distance", max_distance.map_or_else(|| "none".to_owned(), |distance| distance.to_string()));
        }
        ModelSpec::Process { program, command, lookback, deadline } => {
            add("kind", "process".to_owned());
            add("command", command.join(" "));
            add("program", program.hex());
            add("lookback", lookback.to_string());
            add("deadline", deadline.to_string());
        }
    }
    let side = match candidate.direction {
        DirectionFilter::Both => "both",
        DirectionFilter::Long => "long",
        DirectionFilter::Short => "short",
    };
    add("bar", candidate.resolution.to_string());
    add("direction", side.to_owned());
    add("predict_every", candidate.predict_every.to_string());
    add("hold", candidate.hold.to_string());
    add("stop", points(candidate.stop_points));
    add("limit", points(candidate.limit_points));
    add("size", candidate.size.to_string());
    add("risk_unit", format!("{:.6}", candidate.risk.rho_micros / 1e6));
    add("floor_r", candidate.risk.floor_r.to_string());
    settings
}

fn points(points: Decimal) -> String {
    format!("{points} points")
}
