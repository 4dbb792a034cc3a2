//! What flows between the actors: rounds of closed bars, slices of rounds, and the board that the surface shows.
//!
//! A round is the closing of one or more bars at one event time, with every quote accepted since the round before.
//! A slice is a run of rounds in one message: one live, up to 1,024 in replay. No result depends on where slices are cut.

mod live;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::live::{BreakRow, DeskView, LiveTradeRow, ShortfallRow};
use crate::domain::{
    Bar, Direction, EpicIdx, ModelId, Money, OpenPosition, PastBar, Price, SeatIdx, Size, Span, StreamIdx, Tick,
    UtcMicros,
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
    /// What was bought and sold in closed trades, in the currency.
    #[serde(default)]
    pub turnover: f64,
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
            turnover: 0.0,
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
    /// All else that is known of it; null before its registration.
    #[serde(default)]
    pub statistics: Option<Statistics>,
}

/// The further figures of a row; what is undefined or infinite is null. None of them but the bound is right at all times
/// at once: they describe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// The alpha slot that it holds.
    pub slot: Option<u32>,
    /// What it started with there.
    pub start_wealth: Option<f64>,
    /// Days of event time since its first counted episode was opened.
    pub days: Option<f64>,
    /// UTC days on which a counted episode was closed.
    pub active_days: u32,
    /// Episodes a day.
    pub episodes_per_day: Option<f64>,
    /// Lower bound of the mean at the level of the gate, as G8 looks at it.
    pub lcb_family_r: Option<f64>,
    /// Standard deviation of an outcome, in R.
    pub sd_r: Option<f64>,
    /// Mean over standard deviation of an outcome.
    pub sharpe: Option<f64>,
    /// The same of days, a year (252 trading days); days without a trade count as 0.
    pub sharpe_annual: Option<f64>,
    /// The same by Lo's factor, where neighbouring days are correlated by more than 0.1 either way.
    pub sharpe_annual_lo: Option<f64>,
    /// Mean over the downside deviation of an outcome.
    pub sortino: Option<f64>,
    /// Growth of the capital a year over the deepest drawdown, both of closed trades.
    pub calmar: Option<f64>,
    /// Probability that the true Sharpe ratio is above 0.
    pub psr: Option<f64>,
    /// The same against the best of all trials without an edge, by the null variance 1/n: gate G6.
    pub dsr: Option<f64>,
    /// The same by the variance of the ratios of all rows with thirty outcomes.
    pub dsr_cross: Option<f64>,
    /// Outcomes that make the ratio significant at 95 %.
    pub min_track_record: Option<f64>,
    /// How far the cumulated R is below its peak now.
    pub drawdown_r: f64,
    /// The same in percent of `[promotion] capital`.
    pub drawdown_pct: Option<f64>,
    /// The deepest, in percent of `[promotion] capital`.
    pub max_drawdown_pct: Option<f64>,
    /// Wins over wins and losses.
    pub win_rate_decided: Option<f64>,
    /// Wilson's interval of wins over all at 95 %, for one look.
    pub win_rate_low: Option<f64>,
    /// See `win_rate_low`.
    pub win_rate_high: Option<f64>,
    /// Mean win over mean loss.
    pub payoff_ratio: Option<f64>,
    /// What is bought and sold in a day over the average equity.
    pub turnover: Option<f64>,
    /// Slippage and funding of a trade, in R.
    pub costs_r: Option<f64>,
    /// The detector of decay over the paper record.
    pub decay: Option<f64>,
    /// Its alarm.
    pub decay_limit: f64,
    /// The gates that it misses; G9 is looked at where all others pass.
    pub failing_gates: Vec<String>,
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

impl PredictionRow {
    /// What it expected for its own side, to be held against `y_true`, which is inverted for a short.
    #[must_use]
    pub fn expected(&self) -> Option<f64> {
        let is_short = self.signal == Some(Direction::Short);
        self.y_pred.map(|ratio| if is_short { ratio.recip() } else { ratio })
    }
}

/// What a candidate believed of the last closed paper trade whose signal came with a prediction, beside what came.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastOutcome {
    /// Predicted ratio of the exit level to the entry level.
    pub y_pred: f64,
    /// Level of the entry.
    pub open_level: Price,
    /// Level of the exit.
    pub close_level: Price,
}

impl LastOutcome {
    /// The exit level that was predicted, seen from the entry.
    #[must_use]
    pub fn predicted_level(&self) -> f64 {
        self.open_level.as_f64() * self.y_pred
    }

    /// The ratio of exit to entry that came: the market's, for a short as for a long, as `y_pred` is.
    #[must_use]
    pub fn actual_ratio(&self) -> f64 {
        self.close_level.as_f64() / self.open_level.as_f64()
    }
}

/// The alpha slots of all budgets of evidence together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotCounts {
    /// Held by a candidate.
    pub taken: u64,
    /// Free and worth taking.
    pub free: u64,
    /// Free, but with too little wealth left to be taken again.
    pub spent: u64,
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
    /// The last prediction that became a closed trade since the arena was started, of each row, at the same place.
    #[serde(default)]
    pub outcomes: Vec<Option<LastOutcome>>,
    /// The alpha slots.
    #[serde(default)]
    pub slots: SlotCounts,
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
    /// Why notifications do not go out, where they do not.
    #[serde(default)]
    pub notify_fault: Option<String>,
}
