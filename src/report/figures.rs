//! The figures of a report: what `arena report --json` prints, and all that its HTML is made of.
//!
//! Undefined is null, never NaN. R is profit over the risk that was fixed before the entry; `x` is the same with costs
//! stressed, which evidence is made of.

use serde::{Deserialize, Serialize};

use crate::domain::{Money, Shortfall, UtcMicros};
use crate::flow::{Explanation, Health, Nearness, Row};

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The arena's name.
    pub arena: String,
    /// Event time of its last round; null before the first.
    pub time: Option<UtcMicros>,
    /// Whether its feed has ended.
    pub is_done: bool,
    /// The currency of all money.
    pub currency: String,
    /// Who leads, why nobody is promoted, how much it is worth.
    pub summary: Summary,
    /// Every candidate, best first.
    pub models: Vec<ModelFigures>,
    /// The first of them, looked at closely.
    pub focus: Vec<Focus>,
    /// Outcomes of all candidates together.
    pub outcomes: Histogram,
    /// Outcomes of all candidates by the reason of the exit.
    pub exits: Vec<Group>,
    /// Outcomes of all candidates by the UTC hour of the entry.
    pub hours: Vec<Group>,
    /// Comparisons of a fixed sample; null where there is too little to compare.
    pub weekly: Option<Weekly>,
    /// Live dealing.
    pub live: LiveFigures,
    /// What is wrong with the data.
    pub quality: Quality,
    /// `[promotion]` in force: key and value.
    pub promotion: Vec<(String, String)>,
}

/// What a reader wants to know first. Sentences without a full stop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The best candidate by name; null where there is none.
    pub leader: Option<String>,
    /// Who is live.
    pub live: Vec<String>,
    /// One sentence on who leads and by what.
    pub headline: String,
    /// Why nobody is promoted, or who is.
    pub promotion: Vec<String>,
    /// How far all of it is to be trusted.
    pub trust: Vec<String>,
    /// How many candidates on paper miss each gate.
    pub gates: Vec<GateCount>,
}

/// How many miss a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateCount {
    /// The gate.
    pub gate: String,
    /// Who miss it.
    pub missed: usize,
    /// Of so many.
    pub of: usize,
}

/// A candidate in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFigures {
    /// Its leaderboard row.
    pub row: Row,
    /// Closed trades of every generation.
    pub trades: u64,
    /// Their mean in R.
    pub mean_r: Option<f64>,
    /// Lower bound of the mean of `x`, 95 %, right at all times at once.
    pub low_r: Option<f64>,
    /// Upper bound of the mean of `x` with gains cut at the cap.
    pub high_r: Option<f64>,
    /// Profit factor in R.
    pub profit_factor: Option<f64>,
    /// Expected days to a decision.
    pub days_to_decision: Option<f64>,
    /// The gates that it misses.
    pub missed: Vec<String>,
}

/// One place of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When the trade was closed.
    pub time: UtcMicros,
    /// Cumulated R.
    pub equity_r: f64,
    /// How far that is below its peak; not negative.
    pub drawdown_r: f64,
    /// log10 of the wealth over what the gate asks for: 0 is the gate. Null without a slot, and where evidence is not
    /// formed of episodes.
    pub evidence: Option<f64>,
}

/// A candidate looked at closely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Focus {
    /// Its name.
    pub model: String,
    /// Cumulated R, drawdown and evidence, trade by trade, thinned out.
    pub curve: Vec<Point>,
    /// Its outcomes.
    pub outcomes: Histogram,
    /// By reason of the exit.
    pub exits: Vec<Group>,
    /// By UTC hour of the entry.
    pub hours: Vec<Group>,
    /// What it said beside what came; null for one that predicts no ratio.
    pub predictions: Option<Predictions>,
    /// By distance to the training data, nearest first; empty where its kind has none.
    pub distances: Vec<DistanceGroup>,
    /// Its nearness gate, where it has one.
    pub nearness: Option<Nearness>,
    /// Its gates.
    pub gates: Option<Explanation>,
}

/// How often outcomes fell between edges that are evenly apart; what lies beyond is counted at the ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The lowest edge, in R.
    pub from_r: f64,
    /// Their distance.
    pub step_r: f64,
    /// How many in each.
    pub counts: Vec<u64>,
    /// The mean; null without an outcome.
    pub mean_r: Option<f64>,
    /// The median.
    pub median_r: Option<f64>,
}

/// Outcomes that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What.
    pub name: String,
    /// How many.
    pub n: u64,
    /// Their mean in R.
    pub mean_r: Option<f64>,
    /// Two standard errors of it; null of fewer than two.
    pub error_r: Option<f64>,
    /// Their profit.
    pub profit: Money,
}

/// What was predicted beside what came, as moves in basis points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Predictions of which both are known.
    pub n: u64,
    /// Those looked at are the last so many.
    pub last: usize,
    /// Correlation of both.
    pub correlation: Option<f64>,
    /// What one more basis point predicted brought: 1 is honest.
    pub slope: Option<f64>,
    /// Mean of actual less predicted.
    pub bias_bp: Option<f64>,
    /// Tenths of the predictions, lowest first.
    pub groups: Vec<PredictionGroup>,
    /// Some of them, evenly by time: predicted and actual.
    pub sample: Vec<(f64, f64)>,
}

/// Predictions of about the same size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionGroup {
    /// How many.
    pub n: u64,
    /// Mean predicted move.
    pub predicted_bp: f64,
    /// Mean actual move.
    pub actual_bp: f64,
    /// Two standard errors of it.
    pub error_bp: f64,
}

/// Predictions at about the same distance to the training data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistanceGroup {
    /// The smallest distance.
    pub from: f64,
    /// The largest.
    pub to: f64,
    /// Predictions.
    pub n: u64,
    /// Those that the nearness gate kept from a stance.
    pub abstained: u64,
    /// Mean of |actual less predicted|, in basis points.
    pub error_bp: Option<f64>,
    /// Trades that came of them.
    pub trades: u64,
    /// Their mean in R.
    pub mean_r: Option<f64>,
    /// Two standard errors of it.
    pub error_r: Option<f64>,
}

/// Comparisons over a fixed sample: for one look, a week or so apart, and never a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weekly {
    /// What outcomes are added up over: `day` or `hour`, those in which anybody traded.
    pub period: String,
    /// How many of them.
    pub periods: usize,
    /// Candidates compared.
    pub candidates: usize,
    /// Candidates that have traded.
    pub traded: usize,
    /// Mean length of the blocks of the stationary bootstrap, in periods.
    pub block: f64,
    /// Its resamples.
    pub resamples: usize,
    /// Probability of back-test overfitting; null with fewer than two candidates.
    pub overfitting: Option<OverfittingFigures>,
    /// Hansen's p-values of "nobody is better than not trading".
    pub superior: SuperiorFigures,
    /// Romano and Wolf: those better than not trading at 5 %, all of them at once.
    pub better: Vec<String>,
    /// Hansen, Lunde and Nason: who cannot be told from the best at 10 %, with p-values, likeliest first.
    pub confidence_set: Vec<(String, f64)>,
    /// The mean of a period by the stationary bootstrap, 95 %.
    pub means: Vec<BootstrapMean>,
    /// Sharpe ratios a year.
    pub sharpes: Vec<AnnualSharpe>,
    /// Ledoit and Wolf: the leader against others.
    pub differences: Vec<SharpeDifference>,
}

/// See [`crate::statistics::overfitting`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverfittingFigures {
    /// Share of the splits in which the best of one half is below the median of the other.
    pub probability: f64,
    /// Splits.
    pub splits: usize,
    /// Median log odds of its rank.
    pub median_logit: f64,
}

/// See [`crate::statistics::comparison`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuperiorFigures {
    /// The lower bound.
    pub lower: f64,
    /// The one to use.
    pub consistent: f64,
    /// White's reality check.
    pub upper: f64,
}

/// The mean of a period, resampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BootstrapMean {
    /// Whose.
    pub model: String,
    /// R a period.
    pub mean_r: f64,
    /// 2.5 % of the resamples are below.
    pub low_r: f64,
    /// 2.5 % are above.
    pub high_r: f64,
}

/// A Sharpe ratio a year from periods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnualSharpe {
    /// Whose.
    pub model: String,
    /// By the root of the number of periods.
    pub annual: Option<f64>,
    /// Its standard error, robust to autocorrelation.
    pub error: Option<f64>,
    /// Autocorrelation of neighbouring periods.
    pub autocorrelation: Option<f64>,
    /// By Lo's factor; null where neighbours are next to uncorrelated.
    pub lo: Option<f64>,
}

/// Two Sharpe ratios of a period against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharpeDifference {
    /// The first: the leader.
    pub model: String,
    /// The second.
    pub against: String,
    /// The first less the second, of a period.
    pub difference: Option<f64>,
    /// Its standard error.
    pub error: Option<f64>,
    /// Two-sided p-value of no difference.
    pub p: Option<f64>,
}

/// Live dealing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveFigures {
    /// `live`, `paper_only` or `halted`.
    pub state: String,
    /// Why it is halted.
    pub reason: Option<String>,
    /// Live profit since the arena began.
    pub net_profit: Money,
    /// Orders that were never dealt.
    pub rejected: u64,
    /// Live trades beside their paper twins, oldest first; the last thousand.
    pub trades: Vec<LiveShortfall>,
    /// The same added up by candidate.
    pub by_model: Vec<ShortfallSum>,
}

/// A live trade beside its paper twin, once both are over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveShortfall {
    /// The candidate.
    pub model: String,
    /// Our reference.
    pub reference: String,
    /// When it could be told.
    pub time: UtcMicros,
    /// Live profit; null where it was never dealt.
    pub profit: Option<Money>,
    /// Live less paper, in parts.
    pub shortfall: Shortfall,
}

/// Shortfalls of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortfallSum {
    /// The candidate.
    pub model: String,
    /// Live trades with a twin.
    pub trades: u64,
    /// Live profit of those.
    pub profit: Money,
    /// Live less paper, in parts.
    pub shortfall: Shortfall,
}

/// What is wrong with the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Feed and store in numbers.
    pub health: Health,
    /// Refused quotes over all that came; null where none came.
    pub bad_share: Option<f64>,
    /// Spans in which quotes are missing, oldest first; the last hundred.
    pub gaps: Vec<GapFigures>,
    /// How many there were.
    pub n_gaps: u64,
    /// Their time together, in seconds.
    pub gap_seconds: f64,
    /// What went wrong and was survived, oldest first; the last hundred.
    pub faults: Vec<FaultFigures>,
    /// How often each kind did.
    pub fault_counts: Vec<(String, u64)>,
    /// Orders on paper that found no quote in time.
    pub lapsed: u64,
    /// Orders on paper that a dealing rule refused.
    pub refused: u64,
    /// What retention deleted, in sentences, oldest first; the last hundred.
    pub deleted: Vec<String>,
}

/// Quotes are missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapFigures {
    /// From here.
    pub from: UtcMicros,
    /// To here.
    pub to: UtcMicros,
    /// Whose.
    pub epics: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Something that was survived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultFigures {
    /// Event time.
    pub time: UtcMicros,
    /// One word.
    pub kind: String,
    /// A sentence.
    pub text: String,
}
