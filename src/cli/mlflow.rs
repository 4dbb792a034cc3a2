//! What commands share that speak with MLflow, and `arena models push | pull | import`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::output::{FAILED, Failure, NO_MODEL, USAGE, print, print_json};
use super::train::Places;
use super::{Shared, block_on};
use crate::clock::{Clock, SystemClock};
use crate::domain::Resolution;
use crate::models::fitted::onnx;
use crate::registry::import::{self, ImportError, NOTE_FILE, Note, Probe};
use crate::registry::mlflow::{self, Mlflow, MlflowError, MlflowReference, PullError, Shelf};
use crate::registry::{Made, Registry, is_name};
use crate::training::log::{MlflowLog, PushError};
use crate::training::plan;

/// Which MLflow.
#[derive(Args, Clone, Debug, Default)]
pub struct MlflowArgs {
    /// The MLflow server [default: [registry] mlflow, else MLFLOW_TRACKING_URI, else none]
    #[arg(long, value_name = "URL")]
    pub mlflow: Option<String>,
}

/// `arena models push`.
#[derive(Args, Clone, Debug)]
pub struct PushArgs {
    /// NAME@VERSION, NAME@latest, NAME@champion or NAME@challenger; NAME alone is the latest
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Which MLflow.
    #[command(flatten)]
    pub mlflow: MlflowArgs,
}

/// `arena models pull`.
#[derive(Args, Clone, Debug)]
pub struct PullArgs {
    /// mlflow:NAME/VERSION or mlflow:NAME@ALIAS
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Which MLflow.
    #[command(flatten)]
    pub mlflow: MlflowArgs,
}

/// `arena models import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// A model in the ONNX format
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The model's name in the registry [default: the file's]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How the arena is to use it (TOML) [default: the model's own metadata, else arena.toml beside it]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["features", "bar", "horizon", "probes"])]
    pub note: Option<PathBuf>,
    /// The columns of a row: lags=N, returns=N+N, volatility=N+N, spread, hour
    #[arg(long, value_name = "LIST", requires_all = ["bar", "horizon", "probes"])]
    pub features: Option<String>,
    /// Length of the bars
    #[arg(long, value_name = "TIME", requires = "features")]
    pub bar: Option<Resolution>,
    /// Bars from entry to exit
    #[arg(long, value_name = "BARS", requires = "features")]
    pub horizon: Option<u32>,
    /// Rows that it has to reproduce (CSV): a column for each feature and one `y`
    #[arg(long, value_name = "FILE", requires = "features")]
    pub probes: Option<PathBuf>,
    /// The market that it was made for
    #[arg(long, value_name = "SYMBOL", requires = "features")]
    pub symbol: Option<String>,
    /// The largest difference to a probe that is taken [default: 0.00001]
    #[arg(long, value_name = "RATIO")]
    pub tolerance: Option<f64>,
}

/// The server that the command line, the configuration or the environment names, in this order.
///
/// # Errors
/// [`USAGE`] for an address that is none.
fn server(args: &MlflowArgs, places: &Places) -> Result<Option<Mlflow>, Failure> {
    let given = args.mlflow.as_deref().filter(|address| !address.trim().is_empty());
    Ok(mlflow::named(given.or(places.mlflow.as_deref()))?)
}

/// Who logs trainings, where MLflow is named.
///
/// # Errors
/// [`USAGE`] for an address that is none.
pub(super) fn log(args: &MlflowArgs, places: &Places) -> Result<Option<MlflowLog>, Failure> {
    let registry = Registry::open(&places.models);
    let server = server(args, places)?;
    Ok(server.map(|mlflow| MlflowLog { mlflow, experiment: mlflow::experiment(), registry }))
}

/// Has ONNX Runtime at hand, where its library is named.
pub(super) fn use_onnxruntime(places: &Places) -> Result<(), Failure> {
    mlflow::use_onnxruntime(places.onnxruntime.as_deref()).map_err(|error| Failure::new(USAGE, error.to_string()))
}

fn wanted<T>(found: Option<T>) -> Result<T, Failure> {
    let why = "no MLflow is named: give --mlflow URL, or set [registry] mlflow or MLFLOW_TRACKING_URI";
    found.ok_or_else(|| Failure::new(USAGE, why))
}

impl From<MlflowError> for Failure {
    fn from(error: MlflowError) -> Self {
        let code = match &error {
            MlflowError::BadAddress { .. } => USAGE,
            MlflowError::Missing { .. } => NO_MODEL,
            _ => FAILED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Mlflow(error) => error.into(),
            PushError::Registry(error) => error.into(),
            PushError::Io(error) => error.into(),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        Self::new(USAGE, error.to_string())
    }
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Mlflow(error) => error.into(),
            PullError::Registry(error) => error.into(),
            PullError::Import(error) => error.into(),
            error @ PullError::Nowhere { .. } => Self::new(USAGE, error.to_string()),
            error => Self::new(FAILED, error.to_string()),
        }
    }
}

/// Sends a version of the local registry to MLflow, once.
pub(super) fn push(shared: &Shared, places: &Places, args: &PushArgs) -> Result<(), Failure> {
    let log = wanted(log(&args.mlflow, places)?)?;
    let resolved = log.registry.resolve(&args.reference)?;
    let pushed = log.push(&resolved)?;
    if shared.json {
        return print_json(&json!({
            "model": resolved.reference(),
            "artefact": resolved.artefact.hex(),
            "server": pushed.place.server,
            "name": pushed.place.name,
            "version": pushed.place.version,
            "run": pushed.place.run,
            "was_there": pushed.was_there,
        }));
    }
    let how = if pushed.was_there { "was there already as" } else { "is now" };
    print(&format!("{} {how} {}\n", resolved.reference(), pushed.place))
}

/// Fetches a version of MLflow, and from now on takes it for what the reference means.
pub(super) fn pull(shared: &Shared, places: &Places, args: &PullArgs) -> Result<(), Failure> {
    let reference: MlflowReference = args.reference.parse().map_err(|error| Failure::new(USAGE, format!("{error}")))?;
    let mlflow = wanted(server(&args.mlflow, places)?)?;
    use_onnxruntime(places)?;
    let registry = Registry::open(&places.models);
    let pulled = block_on(async { Ok(Shelf::of(&registry).pull(&mlflow, &reference).await?) })?;
    registry.load(&pulled.resolved)?;
    let card = &pulled.resolved.card;
    if shared.json {
        return print_json(&json!({
            "reference": reference.to_string(),
            "model": pulled.exact.to_string(),
            "artefact": card.artefact.hex(),
            "folder": pulled.resolved.folder.display().to_string(),
            "card": card,
        }));
    }
    print(&format!(
        "{} is {} ({}), {}, {} bars of {} ahead\n",
        reference,
        pulled.exact,
        card.artefact.hash8(),
        card.kind,
        card.horizon_bars,
        card.bar
    ))
}

/// Takes a model in the ONNX format into the local registry.
pub(super) fn import(shared: &Shared, places: &Places, args: &ImportArgs) -> Result<(), Failure> {
    if !onnx::is_built() {
        return Err(Failure::new(USAGE, onnx::NOT_BUILT));
    }
    use_onnxruntime(places)?;
    let unreadable = |path: &Path, error: std::io::Error| Failure::new(USAGE, format!("{}: {error}", path.display()));
    let from = args.file.display().to_string();
    let file = std::fs::read(&args.file).map_err(|error| unreadable(&args.file, error))?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    if !is_name(&name) {
        let why = "want 1 to 64 of letters, digits, `.`, `_`, `-`, a letter or digit first, with --name";
        return Err(Failure::new(USAGE, format!("{name:?} is no name of a model; {why}")));
    }
    let beside = args.file.with_file_name(NOTE_FILE);
    let mut note = match (&args.features, &args.note) {
        (Some(features), _) => told(args, features)?,
        (None, Some(path)) => {
            Note::parse(&std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?, &from)?
        }
        (None, None) => match import::note_within(&file, &from) {
            Err(ImportError::NoNote { .. }) if is_note(&beside) => {
                Note::parse(&std::fs::read_to_string(&beside).map_err(|error| unreadable(&beside, error))?, &from)?
            }
            found => found?,
        },
    };
    if let Some(tolerance) = args.tolerance {
        note.tolerance = tolerance;
    }
    let made = Made {
        at: SystemClock.now(),
        seconds: 0.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("ARENA_COMMIT").map(str::to_owned),
        command: format!("arena models import {from} --name {name}"),
    };
    let (card, artefact) = import::import(&name, &from, file, &note, made)?;
    let resolved = Registry::open(&places.models).register(&card, &artefact)?;
    if shared.json {
        return print_json(&json!({
            "registered": resolved.reference(),
            "artefact": resolved.artefact.hex(),
            "probes": note.probes.len(),
            "card": resolved.card,
        }));
    }
    print(&format!(
        "registered {} ({}): {} probes reproduced within {}\n",
        resolved.reference(),
        resolved.artefact.hash8(),
        note.probes.len(),
        note.tolerance
    ))
}

/// Whether the file beside a model is a note: where it is called as an arena's configuration is, it may be one.
fn is_note(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line.trim_start().starts_with("probes")))
}

/// The note that the options make.
fn told(args: &ImportArgs, features: &str) -> Result<Note, Failure> {
    let spec = plan::features(features).map_err(|faults| Failure::new(USAGE, faults.join("; ")))?;
    let (Some(bar), Some(horizon), Some(probes)) = (args.bar, args.horizon, &args.probes) else {
        return Err(Failure::new(USAGE, "--features needs --bar, --horizon and --probes"));
    };
    if horizon == 0 {
        return Err(Failure::new(USAGE, "--horizon is 0, want at least one bar"));
    }
    let columns = spec.names();
    let text = std::fs::read_to_string(probes)
        .map_err(|error| Failure::new(USAGE, format!("{}: {error}", probes.display())))?;
    let rows =
        probe_rows(&text, &columns).map_err(|why| Failure::new(USAGE, format!("{}: {why}", probes.display())))?;
    Ok(Note::new(spec, bar, horizon, args.symbol.clone().unwrap_or_default(), rows))
}

/// Reads probes: a header with the names of the features and `y`, in any order, then numbers.
fn probe_rows(text: &str, columns: &[String]) -> Result<Vec<Probe>, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let header: Vec<&str> = lines.next().map(|(_, line)| line.split(',').map(str::trim).collect()).unwrap_or_default();
    let want = || format!("want a header with the columns {},y", columns.join(","));
    let place = |name: &str| header.iter().position(|column| *column == name).ok_or_else(want);
    let places: Vec<usize> = columns.iter().map(|column| place(column)).collect::<Result<_, _>>()?;
    let y = place("y")?;
    if header.len() != columns.len() + 1 {
        return Err(want());
    }
    let mut probes = Vec::new();
    for (nth, line) in lines {
        let numbers: Vec<f64> = line
            .split(',')
            .map(|cell| cell.trim().parse().map_err(|_| format!("line {}: {cell:?} is no number", nth + 1)))
            .collect::<Result<_, _>>()?;
        if numbers.len() != header.len() {
            return Err(format!("line {}: {} numbers under {} columns", nth + 1, numbers.len(), header.len()));
        }
        probes.push(Probe { row: places.iter().map(|at| numbers[*at]).collect(), y: numbers[y] });
    }
    Ok(probes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_read_by_the_names_of_their_columns() {
        let columns = ["lag_1".to_owned(), "spread".to_owned()];
        let rows = probe_rows("y,spread,lag_1\n1.0001, 0.2,0.1\n\n0.9,0.4,0.3\n", &columns).unwrap();
        let want = [Probe { row: vec![0.1, 0.2], y: 1.0001 }, Probe { row: vec![0.3, 0.4], y: 0.9 }];
        assert_eq!(rows, want);
        for (text, part) in [
            ("", "lag_1,spread,y"),
            ("lag_1,y\n", "lag_1,spread,y"),
            ("lag_1,spread,hour_sin,y\n", "lag_1,spread,y"),
            ("lag_1,spread,y\n1,2\n", "line 2"),
            ("lag_1,spread,y\n1,2,x\n", "\"x\""),
        ] {
            let said = probe_rows(text, &columns).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }
}
