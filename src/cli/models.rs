//! `arena models`: what the local registry holds, where it came from, whether it is still what it was.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Shared;
use super::mlflow::{self, ImportArgs, PullArgs, PushArgs};
use super::output::{Align, Columns, FAILED, Failure, USAGE, number, print, print_json};
use super::train::Places;
use crate::registry::{ALIASES, Baseline, Card, Metrics, Reference, Registry, RegistryError, Resolved, Scores};

const WRITES: &str = "strings take what is written to them";

/// `arena models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models with their versions and aliases
    List,
    /// Show where a version came from, how it did, and how to make it again
    Show(ReferenceArgs),
    /// Prove that versions are what was registered, byte for byte
    Verify(VerifyArgs),
    /// Point an alias at a version, for people: an arena pins what it resolved
    Alias(AliasArgs),
    /// Send a version to MLflow; one that is there already is not sent twice
    Push(PushArgs),
    /// Fetch a version from MLflow, and follow its alias anew
    Pull(PullArgs),
    /// Take in a model in the ONNX format that was made elsewhere
    Import(ImportArgs),
}

/// A version.
#[derive(Args, Clone, Debug)]
pub struct ReferenceArgs {
    /// NAME@VERSION, NAME@latest, NAME@champion or NAME@challenger; NAME alone is the latest
    #[arg(value_name = "REF")]
    pub reference: String,
}

/// `arena models verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The version; without it every one
    #[arg(value_name = "REF")]
    pub reference: Option<String>,
}

/// `arena models alias`.
#[derive(Args, Clone, Debug)]
pub struct AliasArgs {
    /// The version; with --remove the name alone is enough
    #[arg(value_name = "REF")]
    pub reference: String,
    /// champion or challenger
    #[arg(value_name = "ALIAS")]
    pub alias: String,
    /// Take the alias away
    #[arg(long)]
    pub remove: bool,
}

/// Runs one of the commands.
///
/// # Errors
/// [`super::output::NO_MODEL`] with what is there, [`FAILED`] for what cannot be read or was altered.
pub(super) fn models(shared: &Shared, command: &ModelsCommand) -> Result<(), Failure> {
    let is_optional = shared.config.is_none();
    let places = Places::of(shared.config(), is_optional)?;
    let registry = Registry::open(&places.models);
    match command {
        ModelsCommand::List => list(shared, &registry),
        ModelsCommand::Show(args) => show(shared, &registry, &args.reference),
        ModelsCommand::Verify(args) => {
            mlflow::use_onnxruntime(&places)?;
            verify(shared, &registry, args.reference.as_deref())
        }
        ModelsCommand::Alias(args) => alias(shared, &registry, args),
        ModelsCommand::Push(args) => mlflow::push(shared, &places, args),
        ModelsCommand::Pull(args) => mlflow::pull(shared, &places, args),
        ModelsCommand::Import(args) => mlflow::import(shared, &places, args),
    }
}

fn list(shared: &Shared, registry: &Registry) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut table = Columns::new(
        vec![
            ("model", Align::Left),
            ("kind", Align::Left),
            ("trained on", Align::Left),
            ("bar", Align::Right),
            ("rmse", Align::Right),
            ("mean R", Align::Right),
            ("aliases", Align::Left),
        ],
        0,
    );
    for name in registry.names()? {
        let aliases = registry.aliases(&name)?;
        for version in registry.versions(&name)? {
            let resolved = registry.resolve(&format!("{name}@{version}"));
            let is_latest = registry.versions(&name)?.last() == Some(&version);
            let mut of: Vec<&str> =
                aliases.iter().filter(|(_, at)| **at == version).map(|(alias, _)| alias.as_str()).collect();
            of.extend(is_latest.then_some("latest"));
            rows.push(row_json(&name, version, resolved.as_ref(), &of));
            let (kind, data, bar, rmse, mean_r) = match &resolved {
                Ok(Resolved { card, .. }) => (
                    card.kind.clone(),
                    origin_of(card).to_owned(),
                    card.bar.to_string(),
                    number(Some(card.metrics.test.rmse).filter(|_| card.data.is_some()), 7),
                    number(card.metrics.test.expectancy_r, 3),
                ),
                Err(_) => ("unreadable".to_owned(), String::new(), String::new(), String::new(), String::new()),
            };
            table.row(vec![format!("{name}@{version}"), kind, data, bar, rmse, mean_r, of.join(", ")]);
        }
    }
    if shared.json {
        return print_json(&json!({ "folder": registry.folder().display().to_string(), "models": rows }));
    }
    if rows.is_empty() {
        return print(&format!("no model in {}; `arena train` makes one\n", registry.folder().display()));
    }
    print(&table.render())
}

fn row_json(name: &str, version: u32, resolved: Result<&Resolved, &RegistryError>, aliases: &[&str]) -> Value {
    let card = resolved.ok().map(|resolved| &resolved.card);
    json!({
        "model": format!("{name}@{version}"),
        "name": name,
        "version": version,
        "aliases": aliases,
        "kind": card.map(|card| card.kind.as_str()),
        "artefact": card.map(|card| card.artefact.hex()),
        "identity": card.map(|card| card.identity.hex()),
        "dataset": card.and_then(|card| card.data.as_ref()).map(|data| data.dataset.as_str()),
        "import": card.and_then(|card| card.import.as_ref()),
        "bar": card.map(|card| card.bar.to_string()),
        "horizon_bars": card.map(|card| card.horizon_bars),
        "test": card.filter(|card| card.data.is_some()).map(|card| metrics_json(&card.metrics.test)),
        "error": resolved.err().map(ToString::to_string),
    })
}

/// Metrics with every key: what is undefined is left out of a card, and null here.
pub(super) fn metrics_json(of: &Metrics) -> Value {
    let baseline = |of: &Baseline| {
        json!({
            "mae": of.mae,
            "rmse": of.rmse,
            "hit_rate": of.hit_rate,
            "expectancy_r": of.expectancy_r,
            "expectancy_r_sd": of.expectancy_r_sd,
        })
    };
    json!({
        "rows": of.rows,
        "mae": of.mae,
        "rmse": of.rmse,
        "r2": of.r2,
        "hit_rate": of.hit_rate,
        "up_share": of.up_share,
        "abstained": of.abstained,
        "trades": of.trades,
        "expectancy_r": of.expectancy_r,
        "win_rate": of.win_rate,
        "random": baseline(&of.random),
        "flat": baseline(&of.flat),
    })
}

/// The same of every part.
pub(super) fn scores_json(of: &Scores) -> Value {
    json!({
        "train": metrics_json(&of.train),
        "validation": metrics_json(&of.validation),
        "test": metrics_json(&of.test),
    })
}

/// The data set of a version, or where it was imported from.
fn origin_of(card: &Card) -> &str {
    let imported = card.import.as_ref().map(|import| import.from.as_str());
    card.data.as_ref().map(|data| data.dataset.as_str()).or(imported).unwrap_or("-")
}

/// The aliases that lead to a version, `latest` included.
fn aliases_of(registry: &Registry, resolved: &Resolved) -> Result<Vec<String>, Failure> {
    let aliases = registry.aliases(&resolved.name)?;
    let mut of: Vec<String> =
        aliases.into_iter().filter(|(_, at)| *at == resolved.version).map(|(alias, _)| alias).collect();
    of.extend((registry.versions(&resolved.name)?.last() == Some(&resolved.version)).then(|| "latest".to_owned()));
    Ok(of)
}

fn show(shared: &Shared, registry: &Registry, reference: &str) -> Result<(), Failure> {
    let resolved = registry.resolve(reference)?;
    let aliases = aliases_of(registry, &resolved)?;
    if shared.json {
        let mut card = serde_json::to_value(&resolved.card).map_err(|e| Failure::new(FAILED, e.to_string()))?;
        if resolved.card.data.is_some() {
            card["metrics"] = scores_json(&resolved.card.metrics);
        }
        let document = json!({
            "model": resolved.reference(),
            "name": resolved.name,
            "version": resolved.version,
            "aliases": aliases,
            "folder": resolved.folder.display().to_string(),
            "card": card,
        });
        return print_json(&document);
    }
    print(&told(&resolved, &aliases))
}

/// A card for people.
fn told(resolved: &Resolved, aliases: &[String]) -> String {
    let card = &resolved.card;
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name:<12}{value}").expect(WRITES);
    let also = if aliases.is_empty() { String::new() } else { format!(" ({})", aliases.join(", ")) };
    line("model", format!("{}{also}", resolved.reference()));
    line("kind", format!("{}, {} bars of {} ahead, seed {}", card.kind, card.horizon_bars, card.bar, card.seed));
    let parameters: Vec<String> = card.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    line("parameters", if parameters.is_empty() { "none".to_owned() } else { parameters.join(", ") });
    line("features", card.features.names().join(", "));
    line("artefact", card.artefact.hex());
    line("identity", card.identity.hex());
    if let Some(import) = &card.import {
        line("imported", format!("{}, SHA-256 {}", import.from, import.file.hex()));
        line("probes", format!("{} rows, reproduced within {}", import.probes, import.tolerance));
    }
    if let Some(data) = &card.data {
        let manifest = &data.manifest;
        line("data", format!("{}, {} bars, {} to {}", data.dataset, manifest.rows, manifest.from, manifest.to));
        line("data hash", data.hash.hex());
        line(
            "rows",
            format!(
                "{} of {} bars; {} while warming up, {} over a hole, {} at the end",
                card.rows.usable, card.rows.bars, card.rows.warming, card.rows.broken, card.rows.beyond_end
            ),
        );
        let splits = &card.splits;
        for (name, range) in [("train", splits.train), ("validation", splits.validation), ("test", splits.test)] {
            line(name, format!("{} rows, {} to {}", range.rows, range.from, range.to));
        }
        line(
            "embargo",
            format!("{} bars between them; a silence over {} resets", splits.embargo_bars, data.reset_after),
        );
        for (n, fold) in (1..).zip(&card.folds) {
            let of = &fold.validation;
            let scores = format!("rmse {}, mean R {}", number(Some(fold.rmse), 7), number(fold.expectancy_r, 3));
            line(&format!("fold {n}"), format!("{} rows, {} to {}, {scores}", of.rows, of.from, of.to));
        }
        let trading = &card.trading;
        let gate =
            trading.max_distance.map_or(String::new(), |most| format!(", distance up to {}", number(Some(most), 7)));
        line(
            "trading",
            format!(
                "threshold {}{gate}, stop {}, limit {}, hold {}, slippage {}",
                number(Some(trading.threshold), 7),
                trading.stop,
                trading.limit,
                trading.hold,
                trading.slippage
            ),
        );
    }
    if let Some(distances) = &card.distances {
        let at = |share| number(distances.at(share), 7);
        line(
            "distances",
            format!("median {}, 90% {}, {} beyond the gate", at(0.5), at(0.9), percent(Some(distances.abstained))),
        );
    }
    let commit = card.made.commit.as_deref().map_or(String::new(), |commit| format!(", commit {commit}"));
    line(
        "made",
        format!("{} by arena {}{commit}, in {} s", card.made.at, card.made.version, number(Some(card.made.seconds), 1)),
    );
    line("again", card.made.command.clone());
    if card.data.is_some() {
        text.push('\n');
        text.push_str(&metrics_table(resolved));
    }
    text
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

fn metrics_table(resolved: &Resolved) -> String {
    let card = &resolved.card;
    let mut table = Columns::new(
        vec![
            ("", Align::Left),
            ("mae", Align::Right),
            ("rmse", Align::Right),
            ("r2", Align::Right),
            ("hit", Align::Right),
            ("abstained", Align::Right),
            ("trades", Align::Right),
            ("mean R", Align::Right),
        ],
        0,
    );
    let scores = &card.metrics;
    let rows: [(&str, &Metrics); 3] =
        [("train", &scores.train), ("validation", &scores.validation), ("test", &scores.test)];
    for (name, of) in rows {
        table.row(vec![
            name.to_owned(),
            number(Some(of.mae), 7),
            number(Some(of.rmse), 7),
            number(of.r2, 4),
            percent(of.hit_rate),
            percent(Some(of.abstained)),
            of.trades.to_string(),
            number(of.expectancy_r, 3),
        ]);
    }
    for (name, of) in rows {
        for (who, baseline) in [("random", &of.random), ("flat", &of.flat)] {
            table.row(vec![
                format!("{name}: {who}"),
                number(baseline.mae, 7),
                number(baseline.rmse, 7),
                "-".to_owned(),
                percent(baseline.hit_rate),
                "-".to_owned(),
                "-".to_owned(),
                number(baseline.expectancy_r, 3),
            ]);
        }
    }
    table.render()
}

fn verify(shared: &Shared, registry: &Registry, reference: Option<&str>) -> Result<(), Failure> {
    let references = match reference {
        Some(reference) => vec![reference.to_owned()],
        None => {
            let mut all = Vec::new();
            for name in registry.names()? {
                all.extend(registry.versions(&name)?.into_iter().map(|version| format!("{name}@{version}")));
            }
            all
        }
    };
    let mut checked = Vec::new();
    for reference in &references {
        let result = registry.resolve(reference).and_then(|resolved| registry.load(&resolved).map(|_| resolved));
        match result {
            // What is not there cannot be proven; what is there and wrong is told below.
            Err(e @ (RegistryError::Reference(_) | RegistryError::Missing { .. })) => return Err(e.into()),
            result => checked.push((reference.clone(), result)),
        }
    }
    let broken: Vec<&RegistryError> = checked.iter().filter_map(|(_, result)| result.as_ref().err()).collect();
    if shared.json {
        let versions: Vec<Value> = checked
            .iter()
            .map(|(reference, result)| {
                let whole = result.as_ref().ok();
                json!({
                    "model": whole.map_or_else(|| reference.clone(), Resolved::reference),
                    "ok": result.is_ok(),
                    "artefact": whole.map(|resolved| resolved.artefact.hex()),
                    "problem": result.as_ref().err().map(ToString::to_string),
                })
            })
            .collect();
        print_json(&json!({ "ok": broken.is_empty(), "versions": versions }))?;
        // The document says it all; only the exit code is left to tell.
        return if broken.is_empty() { Ok(()) } else { Err(Failure::new(FAILED, "")) };
    }
    let mut text = String::new();
    for (reference, result) in &checked {
        match result {
            Ok(resolved) => writeln!(text, "{} is whole ({})", resolved.reference(), resolved.artefact.hex()),
            Err(_) => writeln!(text, "{reference} is not what was registered"),
        }
        .expect(WRITES);
    }
    if checked.is_empty() {
        writeln!(text, "no model in {}", registry.folder().display()).expect(WRITES);
    }
    print(&text)?;
    match broken.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::new(FAILED, one.to_string())),
        [first, rest @ ..] => Err(Failure::new(FAILED, format!("{first}; and {} more", rest.len()))),
    }
}

fn alias(shared: &Shared, registry: &Registry, args: &AliasArgs) -> Result<(), Failure> {
    if !ALIASES.contains(&args.alias.as_str()) {
        let why = format!("{:?} is no alias to set; want {}", args.alias, ALIASES.join(" or "));
        return Err(Failure::new(USAGE, why));
    }
    let (name, version) = if args.remove {
        let parsed: Reference = args.reference.parse().map_err(RegistryError::from)?;
        (parsed.name, None)
    } else {
        let resolved = registry.resolve(&args.reference)?;
        (resolved.name, Some(resolved.version))
    };
    registry.set_alias(&name, &args.alias, version)?;
    if shared.json {
        return print_json(&json!({ "name": name, "alias": args.alias, "version": version }));
    }
    match version {
        Some(version) => print(&format!("{name}@{} is {name}@{version}\n", args.alias)),
        None => print(&format!("{name}@{} leads nowhere\n", args.alias)),
    }
}
