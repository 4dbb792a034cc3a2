//! The configuration after every check: valid by construction, shared by all rooms.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::{Candidate, Costs, Epic, EpicIdx, Market, Micros, Money, Resolution, Size};

/// A whole configuration without a fault.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[arena]`.
    pub arena: ArenaConfig,
    /// `[feed]`.
    pub feed: FeedConfig,
    /// `[bars]`.
    pub bars: BarsConfig,
    /// `[server] listen`.
    pub listen: SocketAddr,
    /// `[[markets]]`, in the order of their epics.
    pub markets: Vec<Market>,
    /// `[paper]`, the slippage in points of each market; per candidate it is a distance in [`Candidate::costs`].
    pub paper: PaperConfig,
    /// `[risk]`.
    pub risk: RiskConfig,
    /// `[promotion]`.
    pub promotion: PromotionConfig,
    /// `[registry]`.
    pub registry: RegistryConfig,
    /// `[[models]]`, sweeps expanded, in written order.
    pub candidates: Vec<Candidate>,
    /// References to trained versions that do not say exactly which, and what they led to: an arena keeps to it.
    pub pins: Vec<(String, String)>,
    /// The data set that the windows of a stream begin with, where one is named.
    pub warmups: BTreeMap<(EpicIdx, Resolution), String>,
    /// What is in the file and does nothing yet, and other remarks that are no faults.
    pub notices: Vec<String>,
    /// SHA-256 over the canonical text of all keys that can change a journal (`docs/CONFIG.md` names those left out).
    pub hash: String,
    /// That canonical text itself, for the journal.
    pub canonical: String,
}

/// `[arena]`.
#[derive(Clone, Debug)]
pub struct ArenaConfig {
    /// The arena's name.
    pub name: String,
    /// Where store, recorded sessions and exports live; absolute or relative to the working folder once loaded.
    pub data: PathBuf,
    /// The local registry.
    pub models: PathBuf,
    /// Every random draw derives from it.
    pub seed: u64,
    /// Seats in one model actor, resolved from `"auto"`.
    pub models_per_host: usize,
    /// Threads that run model actors, resolved from `"auto"`. Like `models_per_host` it changes no result.
    pub arbiters: usize,
    /// Whether every prediction is journalled.
    pub record_predictions: bool,
    /// Live: how long a model may think about one bar before it is suspended.
    pub model_deadline: Micros,
    /// Free space under which recording and live dealing stop, in MB of 1,000,000 bytes.
    pub disk_floor_mb: u64,
}

/// `[registry]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryConfig {
    /// The MLflow server, where one is named.
    pub mlflow: Option<String>,
    /// The library of ONNX Runtime, where one is named.
    pub onnxruntime: Option<PathBuf>,
}

/// Where quotes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedSource {
    /// The seeded synthetic market.
    Sim,
    /// Recorded quote files, named by `[feed] quotes`.
    Replay,
}

/// `[feed]`.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// The source.
    pub source: FeedSource,
    /// Event seconds in one second; 0: as fast as it can.
    pub speed: f64,
    /// `source = "sim"`: what the planted rule of the synthetic market earns, in R a trade after costs; 0: nothing.
    pub edge_r: f64,
    /// Whether raw quotes are kept.
    pub record: bool,
    /// `source = "replay"`: the file of each epic.
    pub quotes: Vec<(EpicIdx, PathBuf)>,
}

/// `[bars]`.
#[derive(Clone, Copy, Debug)]
pub struct BarsConfig {
    /// Live: how long after its end a bar waits.
    pub grace: Micros,
    /// A longer silence clears the models' windows.
    pub reset_after: Micros,
}

/// `[paper]`.
#[derive(Clone, Copy, Debug)]
pub struct PaperConfig {
    /// From the close of the bar to the earliest fill.
    pub latency: Micros,
    /// In points of each market.
    pub slippage_points: crate::domain::Decimal,
}

/// `[risk]`: binds live dealing alone.
#[derive(Clone, Copy, Debug)]
pub struct RiskConfig {
    /// Live positions at once.
    pub max_live_positions: u32,
    /// Live loss of one UTC day that halts dealing.
    pub max_daily_loss: Money,
    /// The largest live size.
    pub max_live_size: Size,
    /// A quote older than this opens nothing.
    pub stale_quote: Micros,
}

/// What the promoter does with a candidate that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromotionMode {
    /// Moves it to live by itself.
    Auto,
    /// Marks it eligible and waits for `arena promote`.
    Manual,
    /// Promotes nothing.
    Off,
}

/// `[promotion]`: the keys that are in force. Meanings: docs/PROMOTION.md, section 10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromotionConfig {
    /// Auto, manual or off.
    pub mode: PromotionMode,
    /// How many may be live at once.
    pub live_slots: u32,
    /// Chance that any candidate without an edge ever passes.
    pub alpha: f64,
    /// `M`.
    pub alpha_slots: u32,
    /// `q`: the first occupant's share of its slot.
    pub slot_first_share: f64,
    /// Slots whose next start wealth is below this are not used again.
    pub slot_dead: f64,
    /// `B` where a model does not say otherwise.
    pub floor_r: f64,
    /// `m0`.
    pub null_edge_r: f64,
    /// Costs are multiplied by this.
    pub cost_stress: f64,
    /// `K`.
    pub bets: u8,
    /// The smallest bet.
    pub lambda_min: f64,
    /// The largest bet is this over `B + m0`.
    pub lambda_cap: f64,
    /// G2.
    pub min_episodes: u32,
    /// G3.
    pub min_days: u32,
    /// G4.
    pub min_active_days: u32,
    /// Consecutive evaluations that must pass.
    pub confirm_events: u32,
    /// Live size steps; the first is in force.
    pub ramp: Vec<f64>,
    /// After a demotion.
    pub cooldown_days: u32,
    /// After a demotion.
    pub cooldown_episodes: u32,
    /// How often a lineage may come back.
    pub max_reentries: u32,
}

impl Config {
    /// The streams of bars that the candidates need: `(epic, resolution)` in order, each once. A
    /// [`crate::domain::StreamIdx`] is a place in this list.
    #[must_use]
    pub fn streams(&self) -> Vec<(EpicIdx, Resolution)> {
        let mut streams: Vec<_> = self.candidates.iter().map(|c| (c.epic, c.resolution)).collect();
        streams.sort_unstable();
        streams.dedup();
        streams
    }

    /// The longest lookback of any candidate.
    #[must_use]
    pub fn lookback_max(&self) -> usize {
        self.candidates.iter().map(|c| c.spec.lookback()).max().unwrap_or(0)
    }

    /// The place of a market.
    #[must_use]
    pub fn epic_idx(&self, epic: &Epic) -> Option<EpicIdx> {
        let at = self.markets.binary_search_by(|market| market.epic.cmp(epic)).ok()?;
        u16::try_from(at).ok().map(EpicIdx)
    }

    /// The market of a candidate.
    #[must_use]
    pub fn market(&self, epic: EpicIdx) -> &Market {
        &self.markets[epic.0 as usize]
    }

    /// The costs of a fill in `market`; `None` where the slippage is no whole number of millionths there.
    #[must_use]
    pub fn costs_in(&self, market: &Market) -> Option<Costs> {
        Some(Costs { latency: self.paper.latency, slippage: market.distance(self.paper.slippage_points)? })
    }
}
