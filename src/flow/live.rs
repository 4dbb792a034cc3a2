//! Live dealing as the surface shows it: deals beside their paper twins, what lies between them, and where our book and
//! the broker's differed.

use serde::{Deserialize, Serialize};

use crate::domain::{
    BreakKind, CloseReason, Direction, ModelId, Money, Price, PriceDelta, SeatIdx, Shortfall, Size, UtcMicros,
};

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
    pub reason: Option<CloseReason>,
    /// Live profit.
    pub profit: Option<Money>,
    /// What its paper twin made of the same signal, scaled to the live size.
    pub twin_profit: Option<Money>,
    /// Where its paper twin was opened, once that is over.
    #[serde(default)]
    pub twin_open_level: Option<Price>,
    /// Where its paper twin was closed.
    #[serde(default)]
    pub twin_close_level: Option<Price>,
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
