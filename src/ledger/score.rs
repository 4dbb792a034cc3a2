//! The running score of one candidate: everything the paper half of a leaderboard row needs, O(1) a bar and a trade.

use serde::{Deserialize, Serialize};

use super::Closing;
use crate::domain::{Micros, Money, UtcMicros};

/// The most points a sparkline keeps; when it is full every second one goes.
const CURVE_MAX: usize = 64;

/// Sums over closed trades, and the equity marked at every close.
///
/// Equity changes only while a position is open, so a flat bar costs nothing: mean and variance of its steps follow from
/// the equity itself, the sum of squared steps, and the number of bars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Closed trades.
    pub trades: u64,
    /// Those with a profit above zero.
    pub wins: u64,
    /// Profit of closed trades.
    pub net_profit: Money,
    /// Sum of profits above zero.
    pub gross_win: Money,
    /// Sum of losses, positive.
    pub gross_loss: Money,
    /// Slippage and funding of closed trades.
    pub costs: Money,
    /// Equity at the last mark.
    pub equity: Money,
    peak: Money,
    /// Largest fall from the peak.
    pub max_drawdown: Money,
    squared_steps: f64,
    /// Time spent in closed positions.
    pub held: Micros,
    /// Orders without a quote in time.
    pub lapsed: u64,
    /// Orders a dealing rule refused.
    pub refused: u64,
    r: f64,
    curve: Vec<f32>,
    stride: u32,
    since_point: u32,
}

impl Score {
    /// Takes a closed trade that made `r`.
    pub(crate) fn on_closed(&mut self, closing: &Closing, r: f64) {
        self.trades += 1;
        self.wins += u64::from(closing.profit > Money::ZERO);
        self.net_profit += closing.profit;
        self.costs += closing.costs;
        if closing.profit > Money::ZERO {
            self.gross_win += closing.profit;
        } else {
            self.gross_loss -= closing.profit;
        }
        self.held = Micros(self.held.0 + (closing.time - closing.position.opened).0);
        self.r += r;
        self.since_point += 1;
        if self.since_point >= self.stride.max(1) {
            self.since_point = 0;
            self.push_point();
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a sparkline needs no more than single precision")]
    fn push_point(&mut self) {
        if self.curve.len() == CURVE_MAX {
            let mut keep = false;
            self.curve.retain(|_| {
                keep = !keep;
                !keep
            });
            self.stride = self.stride.max(1) * 2;
        }
        self.curve.push(self.r as f32);
    }

    /// Marks the equity at a close: profit of closed trades and what the open position stands at.
    pub(crate) fn mark(&mut self, marked: Money) {
        let equity = self.net_profit + marked;
        if equity == self.equity {
            return;
        }
        let step = (equity - self.equity).micros() as f64;
        self.squared_steps += step * step;
        self.equity = equity;
        self.peak = self.peak.max(equity);
        self.max_drawdown = self.max_drawdown.max(self.peak - equity);
    }

    /// Standard deviation of the equity's step from bar to bar over `bars` bars (ddof 1), in the currency.
    #[must_use]
    pub fn step_sd(&self, bars: u64) -> Option<f64> {
        let n = bars as f64;
        let total = self.equity.micros() as f64;
        let variance = (self.squared_steps - total * total / n) / (n - 1.0);
        (bars >= 2).then(|| variance.max(0.0).sqrt() / 1e6)
    }

    /// Share of the time since `from` that was spent in a position, one opened `open_for` ago included.
    #[must_use]
    pub fn exposure(&self, from: UtcMicros, now: UtcMicros, open_for: Micros) -> Option<f64> {
        let whole = (now - from).0;
        (whole > 0).then(|| (self.held.0 + open_for.0) as f64 / whole as f64)
    }

    /// Cumulated R, thinned out to at most 65 points, the last one now.
    #[must_use]
    pub fn curve(&self) -> Vec<f32> {
        let mut curve = self.curve.clone();
        #[expect(clippy::cast_possible_truncation, reason = "a sparkline needs no more than single precision")]
        if self.since_point > 0 {
            curve.push(self.r as f32);
        }
        curve
    }
}
