//! What a synthetic market is like: its grid, its day, its troubles, and the edge planted in it.
//!
//! The shapes follow the statistics of recorded quotes of EUR/USD, GBP/USD and gold: bursty arrivals, spreads that
//! widen at the roll and at the open of the week, volatility by the hour, rare minutes of news. Distances are in points
//! of the market, so that the same shape fits a currency pair, a metal and an index.

use crate::domain::{Epic, Market, Price, PriceDelta};

/// The planted edge's signature and the distances that earn it; see [`super::Synthetic`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plant {
    /// Net stressed R per trade of the planted rule, at most [`EDGE_MAX`] either way; 0 leaves a martingale, and below it
    /// the market leans against the rule.
    pub edge_r: f64,
    /// The least and the largest jump that opens a pulse, in points.
    pub jump_points: (f64, f64),
    /// Distance of the planted rule's stop and of its limit, in points.
    pub barrier_points: f64,
    /// Standard deviation of the mid over one minute of a pulse, in points.
    pub sd_points: f64,
    /// The longest pulse, in minutes: the planted rule's hold.
    pub hold_minutes: u32,
    /// Mean of the quiet minutes between two pulses at the busiest and at the quietest hour.
    pub quiet_minutes: (f64, f64),
}

/// The shape of a synthetic market.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketSpec {
    /// Whose quotes they are; part of the seed.
    pub epic: Epic,
    /// The price change that is one point.
    pub point: PriceDelta,
    /// Prices are multiples of this.
    pub tick: PriceDelta,
    /// The first mid.
    pub start: Price,
    /// Quotes in an average minute, by hour of the day in London.
    pub quotes_per_minute: [f64; 24],
    /// Standard deviation of the mid over one quiet minute, in points, by hour of the day in London.
    pub sd_points: [f64; 24],
    /// Typical spread in points, by hour of the day in London.
    pub spread_points: [f64; 24],
    /// No bid or offer moves further than this from one quote to the next, in points: weekends and news included.
    pub step_max_points: f64,
    /// Bursts of news in a day of quiet minutes, on average; while a pulse runs there is none.
    pub news_per_day: f64,
    /// What of a point the planted rule is expected to lose by slippage at each market fill.
    pub slippage_points: f64,
    /// The planted edge.
    pub plant: Plant,
}

/// Quotes in a minute by London hour, the day's mean being 1.
const ACTIVITY: [f64; 24] = [
    0.35, 0.40, 0.35, 0.30, 0.30, 0.40, 0.70, 1.10, 1.50, 1.60, 1.40, 1.30, 1.50, 2.00, 2.40, 2.40, 1.90, 1.30, 0.90,
    0.60, 0.50, 0.45, 0.30, 0.30,
];

/// Volatility by London hour, the day's mean being 1.
const VOLATILITY: [f64; 24] = [
    0.65, 0.65, 0.60, 0.55, 0.55, 0.60, 0.80, 1.10, 1.30, 1.40, 1.25, 1.15, 1.20, 1.45, 1.60, 1.60, 1.40, 1.10, 0.95,
    0.85, 0.75, 0.70, 0.80, 0.65,
];

/// Spread by London hour, the busiest being 1. The roll at 22:00 is the widest; what is wider yet at the open of the
/// week opens on top of it.
const SPREAD: [f64; 24] = [
    1.7, 1.7, 1.7, 1.6, 1.6, 1.6, 1.5, 1.2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.1, 1.3, 1.4, 1.4, 1.5, 1.8, 3.4,
    2.0,
];

/// The edge of `arena demo` and of `feed.source = "sim"` where nothing else is asked for, in R.
pub const EDGE_DEFAULT: f64 = 0.3;

/// The largest edge that can be planted: beyond it nearly every pulse would have to win.
pub const EDGE_MAX: f64 = 0.6;

impl MarketSpec {
    /// The shape of a market known by its dealing rules, with the edge `edge_r` planted in it, held inside of 0 and
    /// [`EDGE_MAX`].
    ///
    /// Epics that name EUR/USD, GBP/USD or gold start near a price of theirs; any other starts at 10,000 points. The
    /// rest is in points. The planted rule is `momentum` on bars of `1m` with `lookback = 1`, a threshold of 4.9
    /// points (as a ratio), `stop = 4`, `limit = 4`, `hold = "6m"`.
    #[must_use]
    pub fn of(market: &Market, edge_r: f64) -> Self {
        let point = market.point.micros().max(1);
        let epic = market.epic.as_str();
        let known = [("EURUSD", 1_085_000), ("GBPUSD", 1_270_000), ("GOLD", 2_050_000_000), ("XAUUSD", 2_050_000_000)];
        let start = known
            .iter()
            .find(|(name, start)| epic.contains(name) && start / point >= 1_000)
            .map_or_else(|| point.saturating_mul(10_000), |(_, start)| *start);
        let tick = (point / 10).max(1);
        let quotes = 42.0;
        Self {
            epic: market.epic.clone(),
            point: PriceDelta::from_micros(point),
            tick: PriceDelta::from_micros(tick),
            start: Price::from_micros(start / tick * tick),
            quotes_per_minute: ACTIVITY.map(|part| part * quotes),
            sd_points: VOLATILITY.map(|part| part * 0.6),
            spread_points: SPREAD.map(|part| part * 0.5),
            step_max_points: 7.0,
            news_per_day: 1.2,
            slippage_points: 0.05,
            plant: Plant {
                edge_r: if edge_r.is_finite() { edge_r.clamp(0.0, EDGE_MAX) } else { 0.0 },
                jump_points: (5.4, 6.2),
                barrier_points: 4.0,
                sd_points: 2.6,
                hold_minutes: 6,
                quiet_minutes: (3.0, 8.0),
            },
        }
    }
}
