//! The arena of `arena demo`: its configuration and its market.
//!
//! The candidate that earns [`DEMO_EDGE_DEFAULT`] is [`PLANTED`]. Its neighbours in the sweep share some of the edge, since
//! they trade on some of the same signals; fading, breakouts on slow bars and the controls have none.

use crate::domain::{Market, UtcMicros};

use super::market::{MarketSpec, Markets};

/// Net stressed R per trade of the planted rule where `--edge` does not say otherwise.
pub const DEMO_EDGE_DEFAULT: f64 = super::market::EDGE_DEFAULT;

/// The candidate that the market's edge is planted for.
pub const PLANTED: &str = "momentum:lookback=1,threshold=0.00039,stop=4";

/// Where the demo's event time begins: Monday 2025-01-06T00:00:00Z, the better part of a trading week ahead of it.
pub const START: UtcMicros = UtcMicros(1_736_121_600_000_000);

/// Where the past begins that its trained candidates learn from: a Monday, two weeks before.
pub const PAST: UtcMicros = UtcMicros(START.0 - 14 * 86_400_000_000);

/// The length of the bars of that past.
pub const TRAINED_BAR: &str = "1m";

/// A version to train: its name, the values of a training request, the parameters of its kind.
pub type TrainedSpec = (&'static str, &'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

/// What is trained on the past. Both look six bars ahead, as long as the rules hold.
pub const TRAINED: [TrainedSpec; 2] = [
    ("knn", &[("kind", "knn"), ("horizon", "6"), ("features", "lags=2")], &[("k", "50")]),
    (
        "stack",
        &[("kind", "stack"), ("horizon", "6"), ("features", "lags=10")],
        &[("tails", "1+3+10"), ("bases", "gbm+ols+ols"), ("base.n_trees", "40")],
    ),
];

/// The entries of the trained candidates, behind those of [`demo_toml`].
pub const TRAINED_TOML: &str = include_str!("demo_trained.toml");

/// Event seconds in one second while a candidate is live. History before that runs as fast as it can.
pub const LIVE_SPEED: f64 = 60.0;

const TEMPLATE: &str = include_str!("demo.toml");
const SEED_LINE: &str = "seed = 7\n";

/// The demo's `arena.toml` with `seed` in it.
///
/// TOML's numbers end at 2^63 - 1: a seed beyond that loses its highest bit.
#[must_use]
pub fn demo_toml(seed: u64) -> String {
    debug_assert!(TEMPLATE.contains(SEED_LINE), "the template states a seed");
    TEMPLATE.replacen(SEED_LINE, &format!("seed = {}\n", seed & (u64::MAX >> 1)), 1)
}

/// The synthetic markets of a configuration, in its order, all with the edge `edge_r` planted in them.
///
/// # Panics
/// As [`Markets::new`].
#[must_use]
pub fn markets(markets: &[Market], seed: u64, edge_r: f64, start: UtcMicros) -> Markets {
    Markets::new(markets.iter().map(|market| MarketSpec::of(market, edge_r)).collect(), seed, start)
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
