//! `arena audit`: the chain of decisions, verified and exported.

use std::cmp::Ordering;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::export::to_file;
use super::inspect::Arena;
use super::output::{FAILED, Failure, USAGE, complain, print, print_json};
use super::{ReadingArgs, Shared, block_on};
use crate::app::sealing::{EXPERIMENT, HEAD_TAG};
use crate::config;
use crate::promoter::{self, VerifyReport};
use crate::registry::mlflow;

/// What an export calls itself.
const FORMAT: &str = "arena-audit/2";

/// `arena audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prove that no record was altered, lost or moved, and that each decision follows from its record
    Verify(VerifyArgs),
    /// Write all records into one file that anybody can verify with `arena audit verify FILE`
    Export(AuditExportArgs),
}

/// `arena audit verify`.
#[derive(Args, Clone, Debug, Default)]
pub struct VerifyArgs {
    /// An export, instead of an arena
    #[arg(value_name = "FILE", conflicts_with_all = ["url", "store"])]
    pub file: Option<PathBuf>,
    /// The public key that the records have to be signed with
    #[arg(long, value_name = "HEX")]
    pub key: Option<String>,
    /// Heads that an anchor noted, one JSON object a line, or `mlflow:EXPERIMENT`: each has to stand in the chain
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<String>,
    /// Which arena.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// `arena audit export`.
#[derive(Args, Clone, Debug, Default)]
pub struct AuditExportArgs {
    /// Write here instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Which arena.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// `audit verify --json`.
#[derive(Debug, Default, Serialize)]
struct Verification {
    ok: bool,
    #[serde(flatten)]
    report: Option<VerifyReport>,
    /// What is wrong with the first record that is wrong.
    problem: Option<String>,
}

pub(super) fn verify(shared: &Shared, args: &VerifyArgs) -> Result<(), Failure> {
    let (records, end) = match &args.file {
        Some(file) => exported(file).map(|(records, head)| (records, Some(head)))?,
        None => (block_on(Arena::open(&args.reading, shared)?.audit())?, None),
    };
    let noted = match args.anchor.as_deref() {
        None => Vec::new(),
        Some(anchor) => match anchor.strip_prefix(EXPERIMENT) {
            Some(experiment) => tagged(shared, experiment)?,
            None => heads(Path::new(anchor))?,
        },
    };
    let report = promoter::verify(records.iter().cloned()).map_err(|problem| problem.to_string());
    let report = report.and_then(|report| {
        end.iter().try_for_each(|head| check_end(&report, head))?;
        check_key(&report, args.key.as_deref())?;
        check_heads(&records, &noted, report.key.as_deref())?;
        Ok(report)
    });
    match report {
        Ok(report) if shared.json => {
            print_json(&Verification { ok: true, report: Some(report), ..Verification::default() })
        }
        Ok(report) => print(&told(&report, noted.len())),
        Err(problem) if shared.json => {
            print_json(&Verification { problem: Some(problem.clone()), ..Verification::default() })?;
            complain(&problem);
            Err(Failure::new(FAILED, ""))
        }
        Err(problem) => Err(Failure::new(FAILED, problem)),
    }
}

fn told(report: &VerifyReport, heads: usize) -> String {
    let VerifyReport { records, promotions, demotions, recomputed, signed, key, last_hash } = report;
    let mut text = format!(
        "{records} audit records, none altered: {promotions} promotions, {demotions} demotions, {recomputed} decisions \
         recomputed; the last is {last_hash}\n"
    );
    if let Some(key) = key {
        text.push_str(&format!("{signed} of them are signed with {key}\n"));
    }
    if heads > 0 {
        text.push_str(&format!("all {heads} noted heads stand in the chain\n"));
    }
    text
}

fn check_key(report: &VerifyReport, wanted: Option<&str>) -> Result<(), String> {
    match (wanted, &report.key) {
        (Some(wanted), Some(key)) if !wanted.eq_ignore_ascii_case(key) => {
            Err(format!("the records are signed with {key}, not with {wanted}"))
        }
        (Some(wanted), None) => Err(format!("no record is signed; {wanted} was to sign them")),
        _ => Ok(()),
    }
}

/// Every head that was noted must be that record still: what was rewritten, or cut off, shows here.
fn check_heads(records: &[String], noted: &[Head], key: Option<&str>) -> Result<(), String> {
    let is_other = |head: &&Head| head.key.as_deref().zip(key).is_some_and(|(theirs, ours)| theirs != ours);
    if !noted.is_empty() && noted.iter().all(|head| is_other(&head)) {
        return Err("every head that the anchor noted is of another arena's key".to_owned());
    }
    // An experiment may hold the heads of several arenas.
    for Head { seq, hash, .. } in noted.iter().filter(|head| !is_other(head)) {
        let at = usize::try_from(*seq).ok().and_then(|seq| seq.checked_sub(1));
        let Some(record) = at.and_then(|at| records.get(at)) else {
            return Err(format!(
                "record {seq} was noted by the anchor and is missing: the end of the chain was cut off"
            ));
        };
        let record: Value = serde_json::from_str(record).map_err(|error| error.to_string())?;
        if record["hash"].as_str() != Some(hash) {
            return Err(format!("record {seq} is not the one that the anchor noted: the chain was rewritten"));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(FAILED, format!("{} cannot be read: {error}", path.display())))
}

/// The records of an export, and the last of them as it was made.
fn exported(path: &Path) -> Result<(Vec<String>, Head), Failure> {
    let wrong = |why: String| Failure::new(USAGE, format!("{} is no export of an audit: {why}", path.display()));
    let document: Value = serde_json::from_str(&read(path)?).map_err(|error| wrong(error.to_string()))?;
    if document["format"] != FORMAT {
        return Err(wrong(format!("its format is {}, this program reads {FORMAT:?}", document["format"])));
    }
    let Value::Array(records) = &document["records"] else { return Err(wrong("it has no records".to_owned())) };
    let head: Head =
        serde_json::from_value(document["head"].clone()).map_err(|error| wrong(format!("head: {error}")))?;
    Ok((records.iter().map(Value::to_string).collect(), head))
}

/// An export says how many records it has and what the last one is, so that one which lost its end is known as such
/// without any note. Who rewrites the file can rewrite that too: against it there are anchors.
fn check_end(report: &VerifyReport, head: &Head) -> Result<(), String> {
    match head.seq.cmp(&report.records) {
        Ordering::Greater => {
            let first = report.records + 1;
            Err(format!("record {first} is missing: the export was made with {} and ends before it", head.seq))
        }
        Ordering::Less => Err(format!("record {} is too many: the export was made with {}", head.seq + 1, head.seq)),
        Ordering::Equal if head.hash != report.last_hash => {
            Err(format!("record {} is not the one that the export was made with: the chain was rewritten", head.seq))
        }
        Ordering::Equal => Ok(()),
    }
}

/// A head of the chain as an anchor or an export noted it.
#[derive(Debug, Deserialize)]
struct Head {
    seq: u64,
    hash: String,
    /// Whose it is.
    key: Option<String>,
}

fn heads(path: &Path) -> Result<Vec<Head>, Failure> {
    let text = read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            let why = |_| format!("{}, line {}: want {{\"seq\", \"hash\"}}", path.display(), at + 1);
            serde_json::from_str(line).map_err(|error| Failure::new(USAGE, why(error)))
        })
        .collect()
}

/// The heads that the tags of an experiment hold, on the server of the configuration or of the environment.
fn tagged(shared: &Shared, experiment: &str) -> Result<Vec<Head>, Failure> {
    let configured = match config::load(shared.config(), &*crate::deploy::Shelf::new()) {
        Ok(config) => config.registry.mlflow.clone(),
        Err(_) if shared.config.is_none() => None,
        Err(error) => return Err(Failure::new(USAGE, error.to_string())),
    };
    let none = "neither [registry] mlflow nor MLFLOW_TRACKING_URI names a server";
    let mlflow = mlflow::named(configured.as_deref())?.ok_or_else(|| Failure::new(USAGE, none))?;
    let tags = block_on(async {
        let told = mlflow.experiment_tags(experiment).await;
        told.map_err(|error| Failure::new(FAILED, error.to_string()))
    })?;
    let heads: Vec<Head> = tags
        .iter()
        .filter(|tag| tag.key.starts_with(HEAD_TAG))
        .map(|tag| {
            let why = |error| format!("tag {} of experiment {experiment:?} holds no head: {error}", tag.key);
            serde_json::from_str(&tag.value).map_err(|error| Failure::new(FAILED, why(error)))
        })
        .collect::<Result<_, _>>()?;
    if heads.is_empty() {
        return Err(Failure::new(FAILED, format!("experiment {experiment:?} holds no head of an audit chain")));
    }
    Ok(heads)
}

pub(super) fn export(shared: &Shared, args: &AuditExportArgs) -> Result<(), Failure> {
    let records = block_on(Arena::open(&args.reading, shared)?.audit())?;
    let values: Vec<Value> = records
        .iter()
        .map(|record| serde_json::from_str(record).map_err(|error| Failure::new(FAILED, error.to_string())))
        .collect::<Result<_, _>>()?;
    let count = values.len();
    let last = values.last().map_or(json!(promoter::GENESIS), |record| record["hash"].clone());
    let document = json!({ "format": FORMAT, "head": { "seq": count, "hash": last }, "records": values });
    let Some(path) = &args.out else { return print(&format!("{document}\n")) };
    to_file(path, |mut file| {
        file.write_all(format!("{document}\n").as_bytes())?;
        Ok(file.sync_all()?)
    })?;
    if shared.json {
        return print_json(&json!({ "records": count, "file": path.display().to_string() }));
    }
    print(&format!("{count} audit records in {}\n", path.display()))
}
