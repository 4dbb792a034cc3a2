//! `arena train`: a data set in, versions of the local registry out.
//!
//! Everything that can be wrong is told before any work; nothing is written before all of it is done. Ctrl-C ends the
//! process at once, but for the moment in which a version is being registered, which it waits for.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::models::scores_json;
use super::output::{Align, Columns, FAILED, Failure, NO_MODEL, USAGE, complain, number, print, print_json};
use super::{Shared, mlflow, train_file};
use crate::clock::{Clock, SystemClock};
use crate::history::{self, HistoryError};
use crate::registry::{Card, Registry, RegistryError, Resolved, Tracker, TrainingRecord, pictures};
use crate::training::log::drawn;
use crate::training::plan::{Plan, Request};
use crate::training::train::{Line, Maker, Sweep, Trained, train as train_all};

/// What a process ends with that was told to stop.
const STOPPED: i32 = 130;
const WRITES: &str = "strings take what is written to them";
const METRICS: &str = "Terms of the trades in the metrics";

/// `arena train`.
#[derive(Args, Clone, Debug, Default)]
pub struct TrainArgs {
    /// A training file (TOML); what stands on the command line goes before it
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The kind of model, such as ols, ridge or knn
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// The data set: SOURCE/SYMBOL/INTERVAL as fetched, or a path
    #[arg(long, value_name = "DATASET")]
    pub data: Option<String>,
    /// The model's name in the registry
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A parameter of the kind, such as k=5; repeat for more
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Train every value of a parameter, of a feature or of the horizon, such as k=3,5,7; repeat for all combinations
    #[arg(long, value_name = "KEY=V,V", num_args = 1.., value_parser = pair)]
    pub sweep: Vec<(String, String)>,
    /// The columns of a row: lags=N, returns=N+N, volatility=N+N, spread, hour [default: lags=8]
    #[arg(long, value_name = "LIST")]
    pub features: Option<String>,
    /// Bars from entry to exit [default: 5]
    #[arg(long, value_name = "BARS")]
    pub horizon: Option<String>,
    /// Shares of the rows for training, validation and test [default: 0.7,0.15,0.15]
    #[arg(long, value_name = "A,B,C")]
    pub split: Option<String>,
    /// Validate by walking forward in so many folds [default: 0, the validation rows alone]
    #[arg(long, value_name = "N")]
    pub folds: Option<String>,
    /// How folds move on: expanding or rolling [default: expanding]
    #[arg(long, value_name = "HOW")]
    pub walk: Option<String>,
    /// What ranks: rmse, mae, r2, hit_rate or expectancy_r, on validation [default: rmse]
    #[arg(long, value_name = "SCORE")]
    pub score: Option<String>,
    /// Register so many of the best, the best one last [default: 1]
    #[arg(long, value_name = "N")]
    pub top: Option<String>,
    /// What every draw comes from [default: 7]
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Length of the bars, a multiple of the data set's [default: the data set's]
    #[arg(long, value_name = "TIME")]
    pub bar: Option<String>,
    /// A longer silence clears the windows [default: the configuration's, else 1h]
    #[arg(long, value_name = "TIME")]
    pub reset_after: Option<String>,
    /// Long where y_pred is above it, short below two less it [default: 1 and twice the median spread]
    #[arg(long, help_heading = METRICS, value_name = "RATIO")]
    pub threshold: Option<String>,
    /// Abstain beyond this quantile of the training distances, or absolute=DISTANCE
    #[arg(long, help_heading = METRICS, value_name = "SHARE")]
    pub max_distance: Option<String>,
    /// The stop, as a distance of prices; it is the R [default: thrice the median move]
    #[arg(long, help_heading = METRICS, value_name = "PRICE")]
    pub stop: Option<String>,
    /// The limit, as a distance of prices [default: thrice the median move]
    #[arg(long, help_heading = METRICS, value_name = "PRICE")]
    pub limit: Option<String>,
    /// The time exit [default: the horizon]
    #[arg(long, help_heading = METRICS, value_name = "TIME")]
    pub hold: Option<String>,
    /// Slippage of a fill, as a distance of prices [default: 0]
    #[arg(long, help_heading = METRICS, value_name = "PRICE")]
    pub slippage: Option<String>,
    /// Where the training is logged.
    #[command(flatten)]
    pub mlflow: mlflow::MlflowArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("want KEY=VALUE".to_owned()),
    }
}

impl TrainArgs {
    fn request(&self) -> Request {
        let plain = [
            ("kind", &self.kind),
            ("data", &self.data),
            ("name", &self.name),
            ("features", &self.features),
            ("horizon", &self.horizon),
            ("split", &self.split),
            ("folds", &self.folds),
            ("walk", &self.walk),
            ("score", &self.score),
            ("top", &self.top),
            ("seed", &self.seed),
            ("bar", &self.bar),
            ("reset_after", &self.reset_after),
            ("threshold", &self.threshold),
            ("max_distance", &self.max_distance),
            ("stop", &self.stop),
            ("limit", &self.limit),
            ("hold", &self.hold),
            ("slippage", &self.slippage),
        ];
        let values = plain.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect();
        let split = |(key, values): &(String, String)| {
            (key.clone(), values.split(',').map(|value| value.trim().to_owned()).collect())
        };
        Request { values, set: self.set.clone(), sweep: self.sweep.iter().map(split).collect() }
    }
}

/// Where data sets and models lie, and what else a configuration says that training should keep to.
///
/// The configuration is not checked here: it may name the very version that is about to be trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) data: PathBuf,
    pub(super) models: PathBuf,
    pub(super) mlflow: Option<String>,
    pub(super) onnxruntime: Option<PathBuf>,
    reset_after: Option<String>,
}

impl Places {
    /// Those of the configuration at `path`; the usual ones beside it for what it does not say, and where
    /// `is_optional` and there is none.
    pub(super) fn of(path: &Path, is_optional: bool) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound && is_optional => String::new(),
            Err(e) => return Err(Failure::new(USAGE, format!("{}: {e}", path.display()))),
        };
        let document: toml_edit::DocumentMut =
            text.parse().map_err(|e: toml_edit::TomlError| train_file::torn(path, &text, &e))?;
        let key = |table: &str, key: &str| Some(document.get(table)?.get(key)?.as_str()?.to_owned());
        let folder = path.parent().unwrap_or(Path::new(""));
        let place = |name: &str| folder.join(key("arena", name).unwrap_or_else(|| name.to_owned()));
        Ok(Self {
            data: place("data"),
            models: place("models"),
            mlflow: key("registry", "mlflow"),
            onnxruntime: key("registry", "onnxruntime").filter(|path| !path.is_empty()).map(|path| folder.join(path)),
            reset_after: key("bars", "reset_after"),
        })
    }
}

/// Runs the command. MLflow, where one is named, is told of every version that it registers.
///
/// # Errors
/// [`USAGE`] for whatever is wrong with the request or with the data set, [`FAILED`] where something cannot be read or
/// written.
pub(super) fn train(shared: &Shared, args: &TrainArgs) -> Result<(), Failure> {
    let (places, request) = asked(shared, args)?;
    let log = mlflow::log(&args.mlflow, &places)?;
    let plan = Plan::of(&request).map_err(|faults| Failure::new(USAGE, faults.join("; ")))?;
    let data = history::find(&places.data, &plan.dataset).and_then(|path| history::load(&path)).map_err(unusable)?;
    let registering = Registering::guarded();
    let progress = watch(shared.quiet, plan.combinations.len());
    let maker =
        Maker { at: SystemClock.now(), version: env!("CARGO_PKG_VERSION"), commit: option_env!("ARENA_COMMIT") };
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let sweep = train_all(&data, &plan, &maker, threads, &|| progress.inc(1))
        .map_err(|e| Failure::new(USAGE, format!("{}: {e}", plan.dataset)))?;
    progress.finish_and_clear();
    if sweep.best.is_empty() {
        return Err(nothing_trained(&plan, &sweep));
    }
    let registry = Registry::open(&places.models);
    let mut told = Told::default();
    // The best one last, so that it is the latest.
    for trained in sweep.best.iter().rev() {
        let resolved = registering.during(|| registry.register(&trained.card, &trained.artefact))?;
        pictures::keep(&resolved.folder, &drawn(&resolved.name, resolved.version, &trained.card, &trained.outcomes))?;
        if let Some(log) = &log {
            told.log(log, &resolved, trained)?;
        }
        told.registered.push(resolved);
    }
    if shared.json { print_json(&document(&plan, &sweep, &told)) } else { print(&text(&plan, &sweep, &told)) }
}

/// What configuration, training file and command line ask for together, the later before the earlier.
fn asked(shared: &Shared, args: &TrainArgs) -> Result<(Places, Request), Failure> {
    let mut file = args.file.clone();
    let mut configuration = shared.config.clone();
    if file.is_none()
        && let Some(path) = configuration.take_if(|path| train_file::is_one(path))
    {
        file = Some(path);
    }
    let places = Places::of(configuration.as_deref().unwrap_or(Path::new("arena.toml")), configuration.is_none())?;
    let mut request = Request::default();
    request.values.extend(places.reset_after.clone().map(|length| ("reset_after".to_owned(), length)));
    if let Some(path) = &file {
        request.overlay(train_file::read(path)?);
    }
    request.overlay(args.request());
    Ok((places, request))
}

/// A data set that is not there or no good is wrong usage; one that cannot be read, or was changed, is a failure.
fn unusable(error: HistoryError) -> Failure {
    let is_no_good = matches!(error, HistoryError::Damaged { .. } | HistoryError::Manifest { .. });
    Failure::new(if is_no_good || error.is_usage() { USAGE } else { FAILED }, error.to_string())
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let code = match &error {
            RegistryError::Reference(_) => USAGE,
            RegistryError::Missing { .. } => NO_MODEL,
            _ => FAILED,
        };
        let message = error.to_string();
        let candidates = if let RegistryError::Missing { candidates, .. } = error { candidates } else { Vec::new() };
        Self { code, message, candidates }
    }
}

fn nothing_trained(plan: &Plan, sweep: &Sweep) -> Failure {
    let why = sweep.lines.iter().find_map(|line| line.result.as_ref().err()).map(ToString::to_string);
    let why = why.unwrap_or_default();
    let n = plan.combinations.len();
    let message = if n == 1 { why } else { format!("none of {n} combinations can be trained; the first: {why}") };
    Failure::new(USAGE, format!("{}: {message}", plan.dataset))
}

fn watch(is_quiet: bool, n: usize) -> ProgressBar {
    if is_quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("training {bar:40} {pos}/{len}  {elapsed}").expect("the template is sound");
    let progress = ProgressBar::new(n as u64).with_style(style);
    progress.enable_steady_tick(std::time::Duration::from_millis(200));
    progress
}

/// Keeps Ctrl-C from falling into the writing of a version.
struct Registering(Arc<Mutex<()>>);

impl Registering {
    /// From now on Ctrl-C ends the process, as soon as no version is being written.
    fn guarded() -> Self {
        let writing = Arc::new(Mutex::new(()));
        let held = Arc::clone(&writing);
        // Where it cannot be listened for, Ctrl-C ends the process as it always does; what it cuts off is cleared away
        // by the next who registers.
        drop(std::thread::Builder::new().name("ctrl-c".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if runtime.is_ok_and(|runtime| runtime.block_on(tokio::signal::ctrl_c()).is_ok()) {
                let _writing = held.lock().unwrap_or_else(PoisonError::into_inner);
                complain("stopped; nothing is left half-written");
                std::process::exit(STOPPED);
            }
        }));
        Self(writing)
    }

    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _writing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}

/// What was done beside training.
#[derive(Default)]
struct Told {
    /// In the order of registering.
    registered: Vec<Resolved>,
    /// Where the tracker keeps a version, by its reference.
    logged: Vec<(String, String)>,
    /// Versions that the tracker did not take, and why.
    not_logged: Vec<(String, String)>,
}

impl Told {
    fn log(&mut self, tracker: &dyn Tracker, resolved: &Resolved, trained: &Trained) -> Result<(), Failure> {
        let record = TrainingRecord {
            name: resolved.name.clone(),
            version: resolved.version,
            card: trained.card.clone(),
            card_text: trained.card.to_text().map_err(|e| Failure::new(FAILED, e.to_string()))?,
            artefact: trained.artefact.clone(),
            outcomes: trained.outcomes.clone(),
        };
        match tracker.log_training(&record) {
            Ok(place) => self.logged.push((resolved.reference(), place)),
            Err(e) => {
                complain(&format!("{} was not logged: {e}", resolved.reference()));
                self.not_logged.push((resolved.reference(), e.to_string()));
            }
        }
        Ok(())
    }

    /// The version that a card was registered as.
    fn reference(&self, card: &Card) -> Option<String> {
        self.registered.iter().find(|resolved| resolved.card == *card).map(Resolved::reference)
    }
}

fn line_json(line: &Line, plan: &Plan, told: &Told) -> Value {
    let one = &plan.combinations[line.number];
    let swept: serde_json::Map<String, Value> =
        one.swept.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    match &line.result {
        Ok(card) => json!({
            "swept": swept,
            "score": line.score,
            "kind": card.kind,
            "parameters": card.parameters,
            "features": card.features,
            "horizon_bars": card.horizon_bars,
            "artefact": card.artefact.hex(),
            "identity": card.identity.hex(),
            "metrics": scores_json(&card.metrics),
            "seconds": card.made.seconds,
            "registered": told.reference(card),
            "error": null,
        }),
        Err(e) => json!({
            "swept": swept,
            "score": null,
            "kind": one.settings.kind().name(),
            "parameters": null,
            "features": one.features,
            "horizon_bars": one.horizon,
            "artefact": null,
            "identity": null,
            "metrics": null,
            "seconds": null,
            "registered": null,
            "error": e.to_string(),
        }),
    }
}

fn document(plan: &Plan, sweep: &Sweep, told: &Told) -> Value {
    let references = |list: &[(String, String)], word: &str| -> Vec<Value> {
        list.iter().map(|(reference, text)| json!({ "model": reference, word: text })).collect()
    };
    json!({
        "data": plan.dataset,
        "name": plan.name,
        "score": plan.score.name(),
        "registered": told.registered.iter().map(Resolved::reference).collect::<Vec<_>>(),
        "models": sweep.lines.iter().map(|line| line_json(line, plan, told)).collect::<Vec<_>>(),
        "logged": references(&told.logged, "place"),
        "not_logged": references(&told.not_logged, "reason"),
    })
}

fn text(plan: &Plan, sweep: &Sweep, told: &Told) -> String {
    let mut text = String::new();
    let header = vec![
        ("model", Align::Left),
        ("swept", Align::Left),
        (plan.score.name(), Align::Right),
        ("hit", Align::Right),
        ("trades", Align::Right),
        ("mean R", Align::Right),
        ("random R", Align::Right),
    ];
    let mut table = Columns::new(header, 1);
    for line in &sweep.lines {
        let one = &plan.combinations[line.number];
        let Ok(card) = &line.result else { continue };
        let of = &card.metrics.validation;
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0));
        table.row(vec![
            told.reference(card).unwrap_or_else(|| "-".to_owned()),
            if one.swept.is_empty() { card.kind.clone() } else { one.to_string() },
            number(line.score, 7),
            percent(of.hit_rate),
            of.trades.to_string(),
            number(of.expectancy_r, 3),
            number(of.random.expectancy_r, 3),
        ]);
    }
    text.push_str(&table.render());
    for line in &sweep.lines {
        if let Err(e) = &line.result {
            writeln!(text, "not trained: {}: {e}", plan.combinations[line.number]).expect(WRITES);
        }
    }
    let validated = if plan.folds == 0 { "validation rows".to_owned() } else { format!("{} folds", plan.folds) };
    writeln!(
        text,
        "ranked by {} over the {validated}; the other columns are of the validation rows",
        plan.score.name()
    )
    .expect(WRITES);
    for resolved in &told.registered {
        writeln!(text, "registered {} ({})", resolved.reference(), resolved.artefact.hash8()).expect(WRITES);
    }
    for (reference, place) in &told.logged {
        writeln!(text, "logged {reference}: {place}").expect(WRITES);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UtcMicros;
    use crate::registry::TrackError;
    use crate::training::testing::data_set;

    /// A tracker that remembers what it was told, and takes it or not.
    #[derive(Debug, Default)]
    struct Remembers {
        records: Mutex<Vec<TrainingRecord>>,
        is_down: bool,
    }

    impl Tracker for Remembers {
        fn log_training(&self, record: &TrainingRecord) -> Result<String, TrackError> {
            self.records.lock().unwrap().push(record.clone());
            if self.is_down { Err(TrackError("no answer in 5s".to_owned())) } else { Ok("run 1".to_owned()) }
        }
    }

    #[test]
    fn a_tracker_is_told_all_and_its_failure_takes_nothing_back() {
        let args = TrainArgs {
            kind: Some("ols".to_owned()),
            data: Some("made/UP/1m".to_owned()),
            name: Some("made".to_owned()),
            ..TrainArgs::default()
        };
        let plan = Plan::of(&args.request()).unwrap();
        let maker = Maker { at: UtcMicros(0), version: "0", commit: None };
        let sweep = train_all(&data_set(600, 41), &plan, &maker, NonZeroUsize::MIN, &|| ()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path());
        for is_down in [false, true] {
            let tracker = Remembers { is_down, ..Remembers::default() };
            let trained = &sweep.best[0];
            let resolved = registry.register(&trained.card, &trained.artefact).unwrap();
            let mut told = Told::default();
            told.log(&tracker, &resolved, trained).unwrap();
            let record = tracker.records.into_inner().unwrap().remove(0);
            assert_eq!(record.version, resolved.version);
            assert_eq!(Card::parse(&record.card_text), Ok(resolved.card.clone()));
            assert_eq!(record.artefact, registry.artefact(&resolved).unwrap());
            let rows: Vec<u64> = record.outcomes.iter().map(|outcomes| outcomes.y_pred.len() as u64).collect();
            let splits = resolved.card.splits;
            let want = [splits.train, splits.validation, splits.test].map(|range| range.rows);
            assert_eq!(rows, want);
            let reference = resolved.reference();
            let (logged, not_logged) = (vec![(reference.clone(), "run 1".to_owned())], Vec::new());
            if is_down {
                assert_eq!(told.not_logged, [(reference, "no answer in 5s".to_owned())]);
                assert!(told.logged.is_empty());
            } else {
                assert_eq!((told.logged, told.not_logged), (logged, not_logged));
            }
            assert!(registry.load(&registry.resolve(&resolved.reference()).unwrap()).is_ok(), "the version stays");
        }
    }
}
