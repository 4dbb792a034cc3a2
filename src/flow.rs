//! What flows between the actors: rounds of closed bars, slices of rounds, and the board that the surface shows.
//!
//! A round is the closing of one or more bars at one event time, with every quote accepted since the round before.
//! A slice is a run of rounds in one message: one live, up to 1,024 in replay. No result depends on where slices are cut.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Bar, BreakKind, Direction, EpicIdx, ModelId, Money, OpenPosition, PastBar, Price, PriceDelta, SeatIdx, Shortfall,
    Size, Span, StreamIdx, Tick, UtcMicros,
};

/// The quotes of one epic in one round.
#[derive(Clone, Debug)]
pub struct EpicQuotes {
    /// Whose.
    pub epic: EpicIdx,
    /// In order of time.
    pub quotes: Span<Tick>,
}

/// The closing of bars at one event time.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Its number, from 0, without holes.
    pub seq: u64,
    /// The event time of the decisions taken in it: the end of its bars.
    pub time: UtcMicros,
    /// The bars that close together, ordered by stream; in the last round of a replay, bars that have not closed.
    pub bars: Vec<Bar>,
    /// The streams whose bar ended here without having been whole, for a gap in the quotes: in `bars` it stands as one
    /// that has not closed.
    pub void: Vec<StreamIdx>,
    /// Every quote accepted since the last round, ordered by epic; the desk and its venue see them in order of
    /// time, then epic.
    pub quotes: Vec<EpicQuotes>,
    /// `--session` alone: seats that the recorded session suspended from outside in this round, with the reason.
    pub suspensions: Vec<(ModelId, String)>,
    /// Gaps in the quotes since the last round, in order.
    pub gaps: Vec<Gap>,
    /// Streams whose first bar this is, and whose windows began with bars of the past.
    pub warmups: Vec<Arc<Warmup>>,
}

/// Quotes that are missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// The last moment before it.
    pub from: UtcMicros,
    /// The first moment after it.
    pub to: UtcMicros,
    /// Whose quotes.
    pub epics: Vec<EpicIdx>,
    /// Accepted quotes of each epic before it was told: its place in the stream.
    pub quotes: Vec<u64>,
    /// Why.
    pub reason: String,
}

/// Bars of the past that the windows of a stream begin with, so that its models predict at its first bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Warmup {
    /// The stream.
    pub stream: StreamIdx,
    /// The data set that they are of, by name.
    pub source: String,
    /// SHA-256 of its data file.
    pub sha256: String,
    /// In order of start, each of the stream's length.
    pub bars: Vec<PastBar>,
}

/// A run of rounds in one message.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// In order.
    pub rounds: Vec<Round>,
}

/// The most rounds in one slice.
pub const SLICE_ROUNDS_MAX: usize = 1_024;

/// A stance that became an order: what the desk may act on if its seat is live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DealTicket {
    /// Whose.
    pub seat: SeatIdx,
    /// The number of the deal in its seat if it fills, from 1: the same in paper and live.
    pub deal: u64,
    /// The close of the bar that made it.
    pub made: UtcMicros,
    /// The side.
    pub direction: Direction,
    /// No fill at or after this.
    pub valid_until: UtcMicros,
    /// The belief behind it.
    pub y_pred: Option<f64>,
}

/// The state of a candidate's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its window is filling.
    Warming,
    /// It trades on paper.
    Shadow,
    /// It has passed every gate and waits.
    Eligible,
    /// It trades for real; its paper twin goes on.
    Live,
    /// It is gone for good; its record stays.
    Retired,
    /// It panicked, returned NaN or was too slow.
    Suspended,
}

impl State {
    /// The word for it everywhere.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Warming => "warming",
            Self::Shadow => "shadow",
            Self::Eligible => "eligible",
            Self::Live => "live",
            Self::Retired => "retired",
            Self::Suspended => "suspended",
        }
    }
}

/// One change of state, as `lifecycle` lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Event time.
    pub time: UtcMicros,
    /// The registration number.
    pub seat: SeatIdx,
    /// The name.
    pub model: ModelId,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why, as a sentence without a full stop.
    pub reason: String,
}

/// What live dealing has to tell the promoter of a champion, in the order in which it happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LiveOutcome {
    /// A live deal was closed and made `x`, in R at its live size.
    Closed {
        /// Whose.
        seat: SeatIdx,
        /// Plain, costs not stressed.
        x: f64,
    },
    /// Live and paper of one signal are both closed: live less paper, in R.
    Paired {
        /// Whose.
        seat: SeatIdx,
        /// The difference.
        q: f64,
    },
    /// A signal was followed by both live and paper, or by one of them alone.
    Signal {
        /// Whose.
        seat: SeatIdx,
        /// By one alone.
        is_missed: bool,
    },
    /// The broker took an order or refused it.
    Order {
        /// Whose.
        seat: SeatIdx,
        /// It refused.
        is_refused: bool,
    },
    /// Live profit since the champion was promoted, the open position marked.
    Profit {
        /// Whose.
        seat: SeatIdx,
        /// So much.
        profit: Money,
    },
}

impl LiveOutcome {
    /// Whose it is.
    #[must_use]
    pub fn seat(&self) -> SeatIdx {
        match self {
            Self::Closed { seat, .. }
            | Self::Paired { seat, .. }
            | Self::Signal { seat, .. }
            | Self::Order { seat, .. }
            | Self::Profit { seat, .. } => *seat,
        }
    }
}

/// What a seat's ledger says of itself: the paper half of a leaderboard row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerSummary {
    /// Whose.
    pub seat: SeatIdx,
    /// Closed trades.
    pub trades: u64,
    /// Those with a profit above zero.
    pub wins: u64,
    /// Profit of closed trades.
    pub net_profit: Money,
    /// Sum of profits above zero.
    pub gross_win: Money,
    /// Sum of profits below zero, as a positive sum.
    pub gross_loss: Money,
    /// Slippage and funding of closed trades.
    pub costs: Money,
    /// Closed profit plus the open position marked at the last close, where it would close.
    pub equity: Money,
    /// The largest fall of that equity from its peak, marked at every close.
    pub max_drawdown: Money,
    /// Standard deviation of the equity's change from bar to bar.
    pub equity_step_sd: Option<f64>,
    /// Event time spent in a position over event time since the first bar.
    pub exposure: Option<f64>,
    /// Orders that lapsed for want of a quote.
    pub lapsed: u64,
    /// Orders refused by a dealing rule.
    pub refused: u64,
    /// Predictions made.
    pub predictions: u64,
    /// Those that the nearness gate kept from a stance.
    #[serde(default)]
    pub abstentions: u64,
    /// What is open.
    pub position: Option<OpenPosition>,
    /// Cumulated R after each of the last closed trades, oldest first: the sparkline.
    pub curve: Vec<f32>,
}

impl LedgerSummary {
    /// Of a seat that has done nothing.
    #[must_use]
    pub fn empty(seat: SeatIdx) -> Self {
        Self {
            seat,
            trades: 0,
            wins: 0,
            net_profit: Money::ZERO,
            gross_win: Money::ZERO,
            gross_loss: Money::ZERO,
            costs: Money::ZERO,
            equity: Money::ZERO,
            max_drawdown: Money::ZERO,
            equity_step_sd: None,
            exposure: None,
            lapsed: 0,
            refused: 0,
            predictions: 0,
            abstentions: 0,
            position: None,
            curve: Vec::new(),
        }
    }
}

/// One row of the leaderboard, in the shape of `leaderboard --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// 1 is the best.
    pub rank: u32,
    /// The candidate.
    pub model: ModelId,
    /// `name@version#hash8`.
    pub ticket: String,
    /// Its market.
    pub epic: String,
    /// Its state.
    pub state: State,
    /// Episodes scored.
    pub episodes: u64,
    /// Trades with a profit.
    pub wins: u64,
    /// Profit of closed trades.
    pub net_profit: Money,
    /// The arena's currency.
    pub currency: String,
    /// Mean outcome in R, costs stressed.
    pub mean_r: Option<f64>,
    /// Anytime-valid lower bound of the mean at 95 %, for this model alone.
    pub lcb95_r: Option<f64>,
    /// log10 of the evidence; null without a slot.
    pub log10_e: Option<f64>,
    /// Log wealth over the log of the gate; 1 passes.
    pub progress: Option<f64>,
    /// Largest fall of the cumulated R from its peak.
    pub max_drawdown_r: f64,
    /// Gross win over gross loss; null without a loss.
    pub profit_factor: Option<f64>,
    /// Wins over trades.
    pub win_rate: Option<f64>,
    /// Time in position over time registered.
    pub exposure: Option<f64>,
    /// What is open on paper.
    pub open_position: Option<PositionRow>,
    /// Words such as `no_slot`, `floor_breach`, `override`.
    pub flags: Vec<String>,
}

/// An open position as JSON shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PositionRow {
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// When it was opened.
    pub opened: UtcMicros,
    /// At what level.
    pub open_level: Price,
    /// Its stop.
    pub stop_level: Price,
    /// Its limit.
    pub limit_level: Price,
    /// When it is closed in any case.
    pub deadline: UtcMicros,
}

impl From<&OpenPosition> for PositionRow {
    fn from(p: &OpenPosition) -> Self {
        Self {
            direction: p.direction,
            size: p.size,
            opened: p.opened,
            open_level: p.open_level,
            stop_level: p.stop_level,
            limit_level: p.limit_level,
            deadline: p.deadline,
        }
    }
}

/// One closed trade in the shape of `trades --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TradeRow {
    /// The candidate.
    pub model: ModelId,
    /// Its ticket.
    pub ticket: String,
    /// The deal.
    pub deal_id: String,
    /// Its market.
    pub epic: String,
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// When it was opened.
    pub opened: UtcMicros,
    /// When it was closed.
    pub closed: UtcMicros,
    /// Level of the entry.
    pub open_level: Price,
    /// Level of the exit.
    pub close_level: Price,
    /// Its stop.
    pub stop_level: Price,
    /// Its limit.
    pub limit_level: Price,
    /// Why it was closed.
    pub reason: crate::domain::CloseReason,
    /// Net profit.
    pub profit: Money,
    /// Slippage and funding.
    pub costs: Money,
    /// Profit in R.
    pub r: f64,
    /// Predicted ratio.
    pub y_pred: Option<f64>,
    /// The ratio that came.
    pub y_true: Option<f64>,
}

/// One recorded prediction and what became of it, as `/api/v1/models/{model}/predictions` lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionRow {
    /// The candidate.
    pub model: ModelId,
    /// Its ticket when it was made.
    pub ticket: String,
    /// Its market.
    pub epic: String,
    /// The close that it was made at.
    pub time: UtcMicros,
    /// The stance.
    pub signal: Option<Direction>,
    /// Whether an order came of it.
    pub acted: bool,
    /// Whether the nearness gate kept it from a stance.
    pub abstained: bool,
    /// Predicted ratio.
    pub y_pred: Option<f64>,
    /// Mean distance to the neighbours that it rests on.
    pub distance: Option<f64>,
    /// The ratio that came: of its trade, else over its horizon; null while that is not known.
    pub y_true: Option<f64>,
}

/// How often the nearness gate of a trained candidate kept it from a stance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearness {
    /// The largest distance at which it takes one.
    pub max_distance: f64,
    /// Predictions made.
    pub predictions: u64,
    /// Those that the gate kept from a stance.
    pub abstentions: u64,
    /// Abstentions over predictions; null before the first.
    pub share: Option<f64>,
    /// The share of the training rows that lie beyond the gate: what to expect where the market is as it was.
    pub training_share: Option<f64>,
}

/// What may still come of a candidate: the bound from above, how much its episodes tell, and when a decision may come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// Anytime-valid upper bound of the mean at 95 %, gains cut at the cap, for this model alone; null where nothing is
    /// known.
    pub ucb95_r: Option<f64>,
    /// Episodes that would tell as much of the mean if none resembled the ones before it; null where outcomes are not
    /// kept.
    pub effective_episodes: Option<f64>,
    /// As [`Explanation`] has them.
    pub expected_days_to_decision: Option<f64>,
    /// See above.
    pub expected_days_low: Option<f64>,
    /// See above.
    pub expected_days_high: Option<f64>,
}

/// A gate with its verdict, as `explain` lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateVerdict {
    /// `G1 evidence` and so on.
    pub gate: String,
    /// The value now.
    pub value: Option<f64>,
    /// What it is held against.
    pub limit: Option<f64>,
    /// `pass`, `fail` or `unknown`.
    pub verdict: Verdict,
    /// How far the value is from the limit; 0 where it passes, null where that cannot be told.
    #[serde(default)]
    pub missing: Option<f64>,
}

/// The answer of one gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It lets the candidate through.
    Pass,
    /// It does not.
    Fail,
    /// It cannot be told.
    Unknown,
}

/// `explain --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The candidate.
    pub model: ModelId,
    /// Its state.
    pub state: State,
    /// Every gate in force.
    pub gates: Vec<GateVerdict>,
    /// At the present trade rate and mean; null where it cannot be told or never comes.
    pub expected_days_to_decision: Option<f64>,
    /// The same if the mean were as high as is still likely (68 %), and as low; null where it cannot be told or never
    /// comes.
    #[serde(default)]
    pub expected_days_low: Option<f64>,
    /// See `expected_days_low`.
    #[serde(default)]
    pub expected_days_high: Option<f64>,
    /// Where our book of its live deals, or of its market, and the broker's differed, oldest first.
    #[serde(default)]
    pub breaks: Vec<BreakRow>,
}

/// A live position or a closed live trade beside its paper twin's, as the page and `show` list them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveTradeRow {
    /// The candidate.
    pub model: ModelId,
    /// Our reference.
    pub deal_reference: String,
    /// The broker's id, once known.
    pub deal_id: Option<String>,
    /// `sent`, `open`, `closed`, `rejected` or `unknown`.
    pub status: String,
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// When it was opened.
    pub opened: Option<UtcMicros>,
    /// Level of the entry.
    pub open_level: Option<Price>,
    /// Its stop at the broker.
    pub stop_level: Option<Price>,
    /// Its limit at the broker.
    pub limit_level: Option<Price>,
    /// When it was closed.
    pub closed: Option<UtcMicros>,
    /// Level of the exit.
    pub close_level: Option<Price>,
    /// Why it was closed.
    pub reason: Option<crate::domain::CloseReason>,
    /// Live profit.
    pub profit: Option<Money>,
    /// What its paper twin made of the same signal, scaled to the live size.
    pub twin_profit: Option<Money>,
    /// Live less paper, in parts, once both are over.
    #[serde(default)]
    pub shortfall: Option<Shortfall>,
}

/// A difference between our book and the broker's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakRow {
    /// Event time.
    pub time: UtcMicros,
    /// Its name.
    pub kind: BreakKind,
    /// The reference that the position carries, ours or not.
    pub deal_reference: String,
    /// Whose deal it is, if it is one of ours.
    pub seat: Option<SeatIdx>,
    /// The candidate.
    pub model: Option<ModelId>,
    /// The market.
    pub epic: String,
    /// A sentence with the figures.
    pub text: String,
    /// Our book equals the broker's again; if not, live dealing halted.
    pub is_mended: bool,
}

/// What the live trades of a candidate made less than their paper twins, and what was measured of their fills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortfallRow {
    /// Whose.
    pub seat: SeatIdx,
    /// The candidate.
    pub model: ModelId,
    /// Trades in it.
    pub trades: u64,
    /// Live less paper, in parts.
    pub total: Shortfall,
    /// Mean time from the close of the bar to the live fill.
    pub delay_seconds: Option<f64>,
    /// What paper assumes of it.
    pub paper_delay_seconds: Option<f64>,
    /// How much worse than the quote live fills at the market were, mean, in price.
    pub slippage: Option<f64>,
    /// What paper assumes of it.
    pub paper_slippage: Option<PriceDelta>,
}

/// Live dealing as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeskView {
    /// `live`, `paper_only` or `halted`.
    pub state: String,
    /// Why it is halted.
    pub reason: Option<String>,
    /// Live profit of the present UTC day.
    pub day_profit: Money,
    /// Live profit since the arena began.
    pub net_profit: Money,
    /// Open and recently closed live trades, newest first.
    pub trades: Vec<LiveTradeRow>,
    /// The difference between the books that stands; null where none does.
    #[serde(default)]
    pub halted_by: Option<BreakKind>,
    /// The newest differences between the books, oldest first.
    #[serde(default)]
    pub breaks: Vec<BreakRow>,
    /// Live beside paper for each candidate that traded live.
    #[serde(default)]
    pub shortfalls: Vec<ShortfallRow>,
}

impl DeskView {
    /// The live trades of a candidate, newest first.
    #[must_use]
    pub fn trades_of(&self, model: &ModelId) -> Vec<LiveTradeRow> {
        self.trades.iter().filter(|trade| trade.model == *model).cloned().collect()
    }

    /// What a seat's live trades made less than their paper twins.
    #[must_use]
    pub fn shortfall_of(&self, seat: SeatIdx) -> Option<ShortfallRow> {
        self.shortfalls.iter().find(|row| row.seat == seat).cloned()
    }
}

/// Everything that the surface shows, as of one event time: an immutable snapshot that readers share.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Board {
    /// The arena's name.
    pub arena: String,
    /// Event time of the last round; `None` before the first.
    pub time: Option<UtcMicros>,
    /// The leaderboard, best first.
    pub rows: Vec<Arc<Row>>,
    /// The sparkline of each row, at the same place.
    pub curves: Vec<Arc<Vec<f32>>>,
    /// The nearness gate of each row that has one, at the same place.
    #[serde(default)]
    pub nearness: Vec<Option<Arc<Nearness>>>,
    /// What may still come of each row, at the same place.
    #[serde(default)]
    pub outlooks: Vec<Arc<Outlook>>,
    /// Lifecycle changes, oldest first, the last thousand.
    pub lifecycle: Vec<Arc<Change>>,
    /// Live dealing.
    pub desk: DeskView,
    /// Feed and store in numbers.
    pub health: Health,
    /// Whether the feed has ended.
    pub is_done: bool,
}

/// Feed and store in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The first good quote.
    #[serde(default)]
    pub from: Option<UtcMicros>,
    /// The last good quote.
    #[serde(default)]
    pub to: Option<UtcMicros>,
    /// Good quotes so far.
    pub quotes: u64,
    /// Refused rows by kind.
    pub bad_quotes: Vec<(String, u64)>,
    /// Closed bars by stream: epic, resolution, count.
    pub bars: Vec<(String, String, u64)>,
    /// Rounds so far.
    pub rounds: u64,
    /// Wall time of the last slice from its arrival to all reports, in microseconds.
    pub round_micros: u64,
    /// Whether the store still records.
    pub is_recording: bool,
    /// Why not.
    pub fault: Option<String>,
}
