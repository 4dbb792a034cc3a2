//! What the surface may ask of an arena: the seam between the server (or a command) and the actors behind it.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::domain::{Lineage, ModelId, Money, Price, UtcMicros};
use crate::flow::{
    Board, Change, Explanation, LiveTradeRow, Nearness, PredictionRow, Row, ShortfallRow, State, TradeRow,
};

/// What an operator can tell a running arena to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Moves a candidate to live; without `is_override` only one that has passed every gate.
    Promote {
        /// The candidate.
        model: ModelId,
        /// Why; required with `is_override`.
        reason: Option<String>,
        /// Obey although gates are missing; marked for ever.
        is_override: bool,
    },
    /// Takes a live one back to the shadow.
    Demote {
        /// The candidate.
        model: ModelId,
        /// Why.
        reason: Option<String>,
    },
    /// Ends a candidate for good.
    Retire {
        /// The candidate.
        model: ModelId,
        /// Why.
        reason: Option<String>,
    },
    /// Closes live positions and stops live dealing.
    Halt {
        /// Why.
        reason: Option<String>,
    },
    /// Lets live dealing go on.
    Resume {
        /// Why.
        reason: Option<String>,
    },
    /// Opens a further budget of alpha.
    OpenBudget {
        /// Why.
        reason: Option<String>,
    },
    /// Reads `arena.toml` again and applies what changed.
    Reload,
}

/// Why an arena did not do or answer what was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// No candidate of that name; the known ones that come nearest (for a swept entry's bare name: its candidates).
    #[error("no model {name:?}{}", near(.candidates))]
    NoSuchModel {
        /// What was asked for.
        name: String,
        /// What there is.
        candidates: Vec<String>,
    },
    /// A rule says no.
    #[error("refused: {0}")]
    Refused(String),
    /// The request makes no sense as it stands.
    #[error("{0}")]
    Invalid(String),
    /// The arena is stopping or has lost its store.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

fn near(candidates: &[String]) -> String {
    match candidates {
        [] => String::new(),
        some => format!("; there are {}", some.join(", ")),
    }
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Lifecycle changes it made.
    pub changes: Vec<Change>,
    /// What else there is to say, one sentence each: `3 live positions closed`, the applied difference of a reload.
    pub notes: Vec<String>,
}

/// A model in full, as `show` and `/api/v1/models/{model}` give it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelView {
    /// Its leaderboard row.
    pub row: Row,
    /// SHA-256 of its content, all digits.
    pub content_hash: String,
    /// 0 at first.
    pub generation: u32,
    /// Event time of its registration.
    pub registered: Option<UtcMicros>,
    /// Kind, parameters, stop, limit, hold, size, direction, bar: key and text, in the order to show them.
    pub settings: Vec<(String, String)>,
    /// Cumulated R after each of the last trades.
    pub curve: Vec<f32>,
    /// Its own lifecycle, oldest first.
    pub lifecycle: Vec<Change>,
    /// How often its nearness gate kept it from a stance; null where it has none.
    #[serde(default)]
    pub nearness: Option<Nearness>,
    /// Where a trained version came from; null for all others.
    #[serde(default)]
    pub lineage: Option<Lineage>,
    /// Its open and recently closed live trades, newest first.
    #[serde(default)]
    pub live: Vec<LiveTradeRow>,
    /// What they made less than their paper twins; null before the first.
    #[serde(default)]
    pub shortfall: Option<ShortfallRow>,
}

/// Predictions that are listed where nothing else is asked for.
pub const PREDICTIONS_LAST: usize = 200;
/// The most predictions that are listed.
pub const PREDICTIONS_MAX: usize = 5_000;

/// Bars that are listed where nothing else is asked for.
pub const BARS_LAST: usize = 300;
/// The most bars that are listed.
pub const BARS_MAX: usize = 2_000;
/// Decisions, gaps and notes that are listed where nothing else is asked for.
pub const RECORDS_LAST: usize = 100;
/// The most decisions, gaps and notes that are listed.
pub const RECORDS_MAX: usize = 1_000;
/// The most points of an equity curve.
pub const EQUITY_POINTS_MAX: usize = 1_000;

/// The last bars of a model's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BarsView {
    /// Its market.
    pub epic: String,
    /// The length of its bars, such as `1m`.
    pub resolution: String,
    /// Oldest first.
    pub bars: Vec<BarRow>,
}

/// A closed bar, in the columns of `resample`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "first, highest, lowest and last of bid and of offer")]
pub struct BarRow {
    pub start: UtcMicros,
    pub end: UtcMicros,
    pub bid_open: Price,
    pub bid_high: Price,
    pub bid_low: Price,
    pub bid_close: Price,
    pub offer_open: Price,
    pub offer_high: Price,
    pub offer_low: Price,
    pub offer_close: Price,
    pub quotes: u32,
}

/// What a model's closed trades came to, from its first to its last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EquityView {
    /// Closed trades.
    pub trades: u64,
    /// In order of close; where there are too many, of each stretch the last, the highest and the lowest.
    pub points: Vec<EquityPoint>,
}

/// Where the account stood after one trade.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EquityPoint {
    /// When it was closed.
    pub time: UtcMicros,
    /// Which it was, from 1.
    pub trade: u64,
    /// Cumulated R.
    pub r: f64,
    /// Cumulated profit.
    pub net_profit: Money,
    /// How far the cumulated R was below its peak.
    pub drawdown_r: f64,
}

/// An audit record in short; `/api/v1/audit` has the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// Its number.
    pub seq: u64,
    /// Event time.
    pub time: UtcMicros,
    /// `register`, `eligible`, `promote` and so on.
    pub kind: String,
    /// What set it off: `episode`, `round`, `operator`, `configuration`, `seat`, `live`.
    pub by: String,
    /// Whom it is about; null where it is about all.
    pub model: Option<String>,
    /// The state before.
    pub from: Option<State>,
    /// The state after.
    pub to: Option<State>,
    /// Why.
    pub reason: String,
    /// Episodes that it was decided on; null where it was not on evidence.
    pub episodes: Option<u64>,
    /// Gates that did not pass then.
    pub missed: Vec<String>,
    /// The hash of the record before.
    pub prev: String,
    /// Its own.
    pub hash: String,
    /// Whether it bears a signature.
    pub is_signed: bool,
}

/// What became of the feed: gaps and other events of the session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedView {
    /// Oldest first.
    pub gaps: Vec<GapRow>,
    /// Oldest first.
    pub notes: Vec<NoteRow>,
    /// From when on these are all that there were; null: from the beginning.
    pub since: Option<UtcMicros>,
}

/// Quotes that were missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapRow {
    /// The last moment before it.
    pub from: UtcMicros,
    /// The first moment after it.
    pub to: UtcMicros,
    /// Whose quotes.
    pub epics: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Something that happened to the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteRow {
    /// Event time; null where it has none.
    pub time: Option<UtcMicros>,
    /// `fault`, `suspended`, `reloaded`, `warmed_up`, `rule` or `configured`.
    pub kind: String,
    /// A sentence.
    pub text: String,
}

/// An arena as the surface sees it: a running one, or one at rest.
pub trait Control: Send + Sync {
    /// The latest snapshot; cheap.
    fn board(&self) -> Arc<Board>;

    /// Closed trades of a model, in order of close.
    fn trades(&self, model: String) -> BoxFuture<'_, Result<Vec<TradeRow>, ControlError>>;

    /// Its last recorded predictions with what became of them, oldest first, at most `last`.
    fn predictions(&self, model: String, last: usize) -> BoxFuture<'_, Result<Vec<PredictionRow>, ControlError>>;

    /// Its gates.
    fn explain(&self, model: String) -> BoxFuture<'_, Result<Explanation, ControlError>>;

    /// All about it; `model` may also be the id of one of its deals.
    fn model(&self, model: String) -> BoxFuture<'_, Result<ModelView, ControlError>>;

    /// The last closed bars of its stream, oldest first, at most `last`.
    fn bars(&self, model: String, last: usize) -> BoxFuture<'_, Result<BarsView, ControlError>>;

    /// Its equity over all closed trades.
    fn equity(&self, model: String) -> BoxFuture<'_, Result<EquityView, ControlError>>;

    /// Audit records in short, of one model or of all, oldest first, at most `last`.
    fn decisions(&self, model: Option<String>, last: usize) -> BoxFuture<'_, Result<Vec<DecisionRow>, ControlError>>;

    /// The last gaps and notes of the session, at most `last` of each.
    fn feed(&self, last: usize) -> BoxFuture<'_, Result<FeedView, ControlError>>;

    /// Audit records as the JSON they were hashed in, oldest first.
    fn audit(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, ControlError>>;

    /// Does what an operator asks; answers once it is durable.
    fn command(&self, command: Command) -> BoxFuture<'_, Result<Done, ControlError>>;
}
