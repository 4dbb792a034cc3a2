//! The configuration after every check: valid by construction, shared by all rooms.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::notify::NotifyConfig;
use crate::domain::{Candidate, Costs, Epic, EpicIdx, Market, Micros, Money, Resolution, RiskUnit, Size};

/// A whole configuration without a fault.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[arena]`.
    pub arena: ArenaConfig,
    /// `[feed]`.
    pub feed: FeedConfig,
    /// `[ig]`.
    pub ig: IgConfig,
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
    /// `[store]`.
    pub store: StoreConfig,
    /// `[registry]`.
    pub registry: RegistryConfig,
    /// `[notify]`.
    pub notify: NotifyConfig,
    /// `[mirror]`.
    pub mirror: MirrorConfig,
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

/// `[store]`: how much is kept; for ever where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// Raw quotes older than this go.
    pub quotes_max_age: Option<Micros>,
    /// The oldest raw quotes go beyond so many MB of 1,000,000 bytes.
    pub quotes_max_mb: Option<u64>,
    /// Predictions older than this go.
    pub predictions_max_age: Option<Micros>,
    /// The oldest predictions go when the candidates' lanes take more MB.
    pub predictions_max_mb: Option<u64>,
}

/// `[registry]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryConfig {
    /// The MLflow server, where one is named.
    pub mlflow: Option<String>,
    /// The library of ONNX Runtime, where one is named.
    pub onnxruntime: Option<PathBuf>,
}

/// `[mirror]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorConfig {
    /// The database that the journal is copied to, where one is named; never with a password.
    pub sql: Option<String>,
    /// Whether raw quotes are copied as well.
    pub quotes: bool,
}

/// Where quotes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedSource {
    /// The seeded synthetic market.
    Sim,
    /// IG's stream.
    Ig,
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

/// Play money or real money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum IgEnvironment {
    /// Play money.
    #[default]
    Demo,
    /// Real money.
    Live,
}

impl IgEnvironment {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Live => "live",
        }
    }

    /// IG's own address.
    #[must_use]
    pub fn rest_url(self) -> &'static str {
        match self {
            Self::Demo => "https://demo-api.ig.com/gateway/deal",
            Self::Live => "https://api.ig.com/gateway/deal",
        }
    }
}

/// The subscription that quotes come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IgPrices {
    /// `PRICE:{account}:{epic}`.
    #[default]
    Price,
    /// `CHART:{epic}:TICK`.
    Chart,
}

impl IgPrices {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Chart => "chart",
        }
    }

    /// Markets that one connection carries, beside the account's deals and money.
    #[must_use]
    pub fn markets_max(self) -> usize {
        match self {
            Self::Price => 38,
            Self::Chart => 19,
        }
    }
}

/// `[ig]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgConfig {
    /// Play money or real money.
    pub environment: IgEnvironment,
    /// The account; empty: the preferred one.
    pub account: String,
    /// Where quotes come from.
    pub prices: IgPrices,
    /// Another address than IG's own.
    pub rest_url: Option<String>,
}

impl IgConfig {
    /// Where requests go.
    #[must_use]
    pub fn url(&self) -> &str {
        self.rest_url.as_deref().unwrap_or(self.environment.rest_url())
    }
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

/// What a slot's next occupant starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotReuse {
    /// A share of the slot that shrinks with each occupant; no further condition.
    Spend,
    /// What the leaver had, at most what it started with.
    Inherit,
}

/// What one outcome of the evidence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceUnit {
    /// From flat to flat.
    Episode,
    /// A trading day.
    Round,
}

/// `[promotion]`. Meanings: docs/EVIDENCE.md, section 10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromotionConfig {
    /// Auto, manual or off.
    pub mode: PromotionMode,
    /// How many may be live at once, one a market.
    pub live_slots: u32,
    /// What all that are live may risk together, in money at full size; `None`: no cap.
    pub max_live_risk: Option<f64>,
    /// Chance that any candidate without an edge ever passes, under one budget.
    pub alpha: f64,
    /// `M`, slots of one budget.
    pub alpha_slots: u32,
    /// What the next occupant of a slot starts with.
    pub slot_reuse: SlotReuse,
    /// `q`: the first occupant's share of its slot.
    pub slot_first_share: f64,
    /// Slots whose next start wealth is below this are not used again.
    pub slot_dead: f64,
    /// What one outcome is.
    pub unit: EvidenceUnit,
    /// `B` where a model does not say otherwise.
    pub floor_r: f64,
    /// `H` where a model does not say otherwise.
    pub cap_r: f64,
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
    /// G5, in R; `None`: off.
    pub max_paper_drawdown_r: Option<f64>,
    /// G6; 0: off.
    pub min_dsr: f64,
    /// G8, in R.
    pub min_lcb_r: f64,
    /// G9; 1: off.
    pub max_top_share: f64,
    /// Consecutive evaluations that must pass.
    pub confirm_events: u32,
    /// Live size steps.
    pub ramp: Vec<f64>,
    /// Live episodes on a step before the next.
    pub ramp_episodes: u32,
    /// Chance of a false swap in one reign.
    pub swap_alpha: f64,
    /// Challengers that share it.
    pub swap_slots: u32,
    /// Days that a champion is safe from a swap.
    pub min_reign_days: u32,
    /// Risk budget of a trading day, in R of an episode.
    pub round_risk_r: f64,
    /// A round's outcome is not below minus this, in budgets.
    pub round_floor_r: f64,
    /// A round's outcome is not above this, in budgets.
    pub round_cap_r: f64,
    /// D5: the mean that a champion should keep, in R.
    pub keep_edge_r: f64,
    /// Expected episodes to a false alarm of decay, of live and paper alike.
    pub detector_arl: f64,
    /// D6, in R; `None`: reckoned for each champion at its promotion.
    pub dd_limit_r: Option<f64>,
    /// Expected episodes to a drawdown of that depth.
    pub dd_target_episodes: u32,
    /// D2, in percent of `capital`.
    pub hard_drawdown_pct: f64,
    /// Account money that percentages are of.
    pub capital: f64,
    /// Live may be worse than paper by this on average, in R.
    pub parity_tol_r: f64,
    /// Differences are cut at this, in R.
    pub parity_cap_r: f64,
    /// One difference beyond this alarms at once, in R.
    pub parity_hard_r: f64,
    /// Share of signals that may go missing.
    pub parity_miss_rate: f64,
    /// Expected signals to a false alarm of parity.
    pub parity_arl: f64,
    /// D3: the longest silence of a champion's market while it is open; `None`: off.
    pub max_feed_gap: Option<Micros>,
    /// D3: how far venue's stamps and our clock may differ; `None`: off.
    pub max_clock_skew: Option<Micros>,
    /// D3: orders in a row that the broker may refuse; `None`: off.
    pub max_rejects: Option<u32>,
    /// After a demotion.
    pub cooldown_days: u32,
    /// After a demotion.
    pub cooldown_episodes: u32,
    /// How often a lineage may come back.
    pub max_reentries: u32,
    /// A candidate whose mean is surely below this retires, in R.
    pub min_useful_edge_r: f64,
    /// One whose evidence is below this retires; 0: off.
    pub futility_e: f64,
    /// One that has not passed by then retires.
    pub max_episodes: u32,
    /// One that has not traded for so long retires.
    pub max_idle_days: u32,
    /// Where the head of the audit chain is noted as well; empty: nowhere.
    pub anchor: String,
}

impl Default for PromotionConfig {
    /// What holds where nothing is written.
    fn default() -> Self {
        Self {
            mode: PromotionMode::Auto,
            live_slots: 1,
            max_live_risk: None,
            alpha: 0.05,
            alpha_slots: 128,
            slot_reuse: SlotReuse::Spend,
            slot_first_share: 0.8,
            slot_dead: 1e-6,
            unit: EvidenceUnit::Episode,
            floor_r: 3.0,
            cap_r: RiskUnit::CAP_R,
            null_edge_r: 0.0,
            cost_stress: 1.25,
            bets: 12,
            lambda_min: 0.01,
            lambda_cap: 0.9,
            min_episodes: 100,
            min_days: 30,
            min_active_days: 20,
            max_paper_drawdown_r: None,
            min_dsr: 0.9,
            min_lcb_r: 0.0,
            max_top_share: 0.5,
            confirm_events: 1,
            ramp: vec![0.25, 0.5, 1.0],
            ramp_episodes: 30,
            swap_alpha: 0.1,
            swap_slots: 20,
            min_reign_days: 10,
            round_risk_r: 10.0,
            round_floor_r: 3.0,
            round_cap_r: 10.0,
            keep_edge_r: 0.0,
            detector_arl: 1_000.0,
            dd_limit_r: None,
            dd_target_episodes: 3_000,
            hard_drawdown_pct: 10.0,
            capital: 10_000.0,
            parity_tol_r: 0.03,
            parity_cap_r: 0.5,
            parity_hard_r: 1.0,
            parity_miss_rate: 0.02,
            parity_arl: 1_000.0,
            max_feed_gap: Some(Micros(2 * 3_600_000_000)),
            max_clock_skew: Some(Micros(5_000_000)),
            max_rejects: Some(5),
            cooldown_days: 14,
            cooldown_episodes: 50,
            max_reentries: 2,
            min_useful_edge_r: 0.05,
            futility_e: 0.05,
            max_episodes: 20_000,
            max_idle_days: 60,
            anchor: String::new(),
        }
    }
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
