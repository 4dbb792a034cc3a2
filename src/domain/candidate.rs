//! A candidate: one entry of `arena.toml` after sweeps are expanded, frozen and addressed by its content.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ContentHash, Costs, Decimal, Direction, EpicIdx, Lineage, Market, Micros, ModelId, ModelTicket, PriceDelta,
    Resolution, Size,
};

/// What predicts. Every kind states its parameters; a trained model carries the hash of its artefact, a strategy of the
/// user's own that of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelSpec {
    /// Follows a move of the mid over `lookback` bars that is larger than `threshold` (a ratio less one).
    Momentum {
        /// Bars back, at least 1.
        lookback: u32,
        /// Least move, as a ratio less one.
        threshold: f64,
    },
    /// Fades such a move.
    MeanReversion {
        /// Bars back, at least 1.
        lookback: u32,
        /// Least move, as a ratio less one.
        threshold: f64,
    },
    /// Follows a close beyond every one of the `lookback` closes before it.
    Breakout {
        /// Bars back, at least 1.
        lookback: u32,
    },
    /// A signal with probability `rate` at each bar, either side alike: the control twin.
    Random {
        /// Probability of a signal at a bar, in (0, 1].
        rate: f64,
        /// Its generator's seed: the arena's seed mixed with the candidate's name, so that it is part of its content.
        seed: u64,
    },
    /// A version of the registry: long where its estimate is above `threshold`, short where it is below 2 less it.
    Trained {
        /// SHA-256 of the fitted content.
        artefact: ContentHash,
        /// What its rows are made of, in canonical text.
        features: String,
        /// A ratio.
        threshold: f64,
        /// The nearness gate: beyond this distance from what it has learned it takes no stance.
        max_distance: Option<f64>,
        /// Bars back that its rows need.
        lookback: u32,
    },
    /// The user's own strategy: a child process that is given bars as lines and answers with lines.
    Process {
        /// SHA-256 over the command and its files.
        program: ContentHash,
        /// The program and its arguments.
        command: Vec<String>,
        /// Bars back that an answer may rest on: those before are not fed again after a restart.
        lookback: u32,
        /// How long an answer may take in a live run.
        deadline: Micros,
    },
}

impl ModelSpec {
    /// How many earlier closes it needs beside the present one.
    #[must_use]
    pub fn lookback(&self) -> usize {
        match self {
            Self::Momentum { lookback, .. }
            | Self::MeanReversion { lookback, .. }
            | Self::Breakout { lookback }
            | Self::Trained { lookback, .. }
            | Self::Process { lookback, .. } => *lookback as usize,
            Self::Random { .. } => 0,
        }
    }
}

/// Which sides a candidate may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectionFilter {
    /// Buys alone.
    Long,
    /// Sells alone.
    Short,
    /// Either.
    #[default]
    Both,
}

impl DirectionFilter {
    /// Whether it lets `direction` through.
    #[must_use]
    pub fn allows(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Long => direction == Direction::Long,
            Self::Short => direction == Direction::Short,
        }
    }
}

/// The money that one R stands for, fixed before any entry (docs/EVIDENCE.md, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskUnit {
    /// `rho`, in millionths of the currency; not always whole, since the worst case is divided by the floor.
    pub rho_micros: f64,
    /// `B`: no outcome may fall below minus this many R.
    pub floor_r: f64,
    /// `H`: gains are cut at this many R where a bound from above is needed. It changes no evidence, and
    /// the ledger, whose entries are older than it, does not keep it.
    #[serde(skip, default = "RiskUnit::cap_r")]
    pub cap_r: f64,
    /// Modelled costs are multiplied by this before an outcome is scored.
    pub cost_stress: f64,
}

/// One candidate, frozen: any change of a field that `content_hash` covers makes another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its name, sweep included.
    pub id: ModelId,
    /// The version of what predicts, as the registry counts; `0` for rules.
    pub version: String,
    /// Its market, as a place in the configuration.
    pub epic: EpicIdx,
    /// The length of its bars.
    pub resolution: Resolution,
    /// What predicts.
    pub spec: ModelSpec,
    /// The sides it may take.
    pub direction: DirectionFilter,
    /// Bars between predictions.
    pub predict_every: u32,
    /// Time exit, from the fill.
    pub hold: Micros,
    /// Stop distance from the fill, in points.
    pub stop_points: Decimal,
    /// Limit distance from the fill, in points.
    pub limit_points: Decimal,
    /// The stop as a distance of prices.
    pub stop: PriceDelta,
    /// The limit as a distance of prices.
    pub limit: PriceDelta,
    /// Its size in every trade.
    pub size: Size,
    /// What its fills cost.
    pub costs: Costs,
    /// What its outcomes are measured in.
    pub risk: RiskUnit,
    /// SHA-256 of everything above but the name.
    pub content_hash: ContentHash,
    /// Where a trained version came from. It identifies nothing: the artefact does.
    pub lineage: Option<Arc<Lineage>>,
}

impl Candidate {
    /// The identity of its `generation`: 0 at first, raised by a demotion and by a return after retirement.
    #[must_use]
    pub fn identity(&self, generation: u32) -> ContentHash {
        self.content_hash.generation(generation)
    }

    /// `name@version#hash8` of that generation.
    #[must_use]
    pub fn ticket(&self, generation: u32) -> ModelTicket {
        format!("{}@{}#{}", self.id, self.version, self.identity(generation).hash8()).into()
    }
}

impl RiskUnit {
    /// `H` where nothing else is said.
    pub const CAP_R: f64 = 10.0;

    fn cap_r() -> f64 {
        Self::CAP_R
    }

    /// The risk unit of `size` in `market`: the larger of the planned loss at the stop, costs of both ways included,
    /// and of the worst planned loss divided by the floor.
    #[must_use]
    pub fn of(
        market: &Market,
        stop: PriceDelta,
        gap_allowance: PriceDelta,
        size: Size,
        costs: &Costs,
        floor_r: f64,
        cost_stress: f64,
    ) -> Self {
        let both_ways = costs.slippage + costs.slippage;
        let at_stop = market.money_micros(stop + both_ways, size) as f64;
        let worst = market.money_micros(stop + gap_allowance + both_ways, size) as f64;
        Self { rho_micros: at_stop.max(worst / floor_r), floor_r, cap_r: Self::CAP_R, cost_stress }
    }
}
