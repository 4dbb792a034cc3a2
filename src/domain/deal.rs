//! From a belief to a closed trade: prediction, signal, order, open position, trade, episode.

use serde::{Deserialize, Serialize};

use super::{Money, Price, PriceDelta, SeatIdx, Size, UtcMicros};

/// The side of a position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Bought at the offer, sold again at the bid.
    Long,
    /// Sold at the bid, bought back at the offer.
    Short,
}

impl Direction {
    /// `1` for long, `-1` for short.
    #[must_use]
    pub fn sign(self) -> i64 {
        match self {
            Self::Long => 1,
            Self::Short => -1,
        }
    }

    /// `long` or `short`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

/// A stance: a direction or nothing.
pub type Signal = Option<Direction>;

/// What a model believes at a bar's close, and the stance it takes on it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Prediction {
    /// Predicted ratio of the exit price to the entry price; `None` for kinds that predict none.
    pub y_pred: Option<f64>,
    /// How far the case lies from what the model has learned; `None` for kinds without neighbours.
    pub distance: Option<f64>,
    /// Long, short or nothing, after threshold and gates, before the candidate's direction filter.
    pub signal: Signal,
    /// Whether the nearness gate kept it from a stance.
    pub is_abstained: bool,
}

impl Prediction {
    /// A belief without a distance.
    #[inline]
    #[must_use]
    pub fn of(y_pred: Option<f64>, signal: Signal) -> Self {
        Self { y_pred, distance: None, signal, is_abstained: false }
    }
}

/// An order made at the close of a bar, waiting for its first quote.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The close of the bar that made it.
    pub made: UtcMicros,
    /// The side.
    pub direction: Direction,
    /// The first moment a quote may fill it.
    pub from: UtcMicros,
    /// The first moment it is no longer valid.
    pub until: UtcMicros,
    /// The belief behind it.
    pub y_pred: Option<f64>,
}

/// A paper position that is open.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct OpenPosition {
    /// The number of the deal in its seat, from 1.
    pub deal: u64,
    /// The close of the bar whose signal it came from.
    pub made: UtcMicros,
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// When it was filled.
    pub opened: UtcMicros,
    /// At what level, slippage included.
    pub open_level: Price,
    /// Where it is stopped out.
    pub stop_level: Price,
    /// Where its profit is taken.
    pub limit_level: Price,
    /// When it is closed in any case.
    pub deadline: UtcMicros,
    /// The next 22:00 London.
    pub next_funding: UtcMicros,
    /// Funding charged so far.
    pub funding: Money,
    /// The belief behind it.
    pub y_pred: Option<f64>,
    /// Furthest move against it so far, at the side it would close on; never positive.
    pub adverse: PriceDelta,
    /// Furthest move in its favour so far; never negative.
    pub favourable: PriceDelta,
}

/// Why a position was closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The stop.
    Stop,
    /// The limit.
    Limit,
    /// The deadline.
    Time,
    /// Live only: its model was demoted.
    Demoted,
    /// Live only: the market's session ended.
    Session,
    /// Live only: dealing was halted.
    Halt,
    /// Live only: somebody else closed it.
    Outside,
}

impl CloseReason {
    /// The word for it in JSON and exports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Limit => "limit",
            Self::Time => "time",
            Self::Demoted => "demoted",
            Self::Session => "session",
            Self::Halt => "halt",
            Self::Outside => "outside",
        }
    }
}

/// A deal opened and closed again.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trade {
    /// The number of the deal in its seat, from 1.
    pub deal: u64,
    /// The close of the bar whose signal it came from.
    pub made: UtcMicros,
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// When it was filled.
    pub opened: UtcMicros,
    /// When it was closed.
    pub closed: UtcMicros,
    /// Level of the entry, slippage included.
    pub open_level: Price,
    /// Level of the exit, slippage included.
    pub close_level: Price,
    /// Its stop.
    pub stop_level: Price,
    /// Its limit.
    pub limit_level: Price,
    /// Why it was closed.
    pub reason: CloseReason,
    /// Signed points x value per point x size, less funding.
    pub profit: Money,
    /// Slippage and funding; the spread is in the fills.
    pub costs: Money,
    /// The risk unit, in millionths of the currency.
    pub rho_micros: f64,
    /// Profit in units of risk.
    pub r: f64,
    /// The outcome that evidence is made of: profit less the stressed part of the costs, in units of risk.
    pub x: f64,
    /// Predicted ratio of exit to entry.
    pub y_pred: Option<f64>,
    /// The ratio that came: exit over entry, inverted for a short.
    pub y_true: f64,
    /// Furthest move against it.
    pub adverse: PriceDelta,
    /// Furthest move in its favour.
    pub favourable: PriceDelta,
}

impl Trade {
    /// The trade as the promoter takes it.
    #[must_use]
    pub fn episode(&self, seat: SeatIdx) -> Episode {
        let Self { deal, made, opened, closed, open_level, close_level, profit, costs, rho_micros, x, .. } = *self;
        Episode { seat, number: deal, made, opened, closed, open_level, close_level, profit, costs, rho_micros, x }
    }
}

/// From flat to flat for one candidate: the unit of evidence, as the promoter takes it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Episode {
    /// Whose.
    pub seat: SeatIdx,
    /// Its number in its seat, from 1.
    pub number: u64,
    /// The close of the bar whose signal it came from.
    pub made: UtcMicros,
    /// When the position was opened.
    pub opened: UtcMicros,
    /// When the seat was flat again.
    pub closed: UtcMicros,
    /// Level of the entry, slippage included.
    pub open_level: Price,
    /// Level of the exit, slippage included.
    pub close_level: Price,
    /// Net profit.
    pub profit: Money,
    /// Slippage and funding.
    pub costs: Money,
    /// The risk unit, in millionths of the currency.
    pub rho_micros: f64,
    /// The outcome in R, costs stressed.
    pub x: f64,
}
