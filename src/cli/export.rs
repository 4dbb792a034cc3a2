//! `arena export`: one table of the journal as CSV or Parquet, without an index column, of a store at rest or of a
//! running arena.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::output::{FAILED, Failure, USAGE, complain, print_json};
use super::{Client, ReadingArgs, Shared, block_on};
use crate::export::{self, Csv, ExportError, Selection, Table};
use crate::store::Store;
use crate::store::views::AtRest;

/// `arena export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// What to write
    #[arg(long, value_parser = PossibleValuesParser::new(Table::ALL.map(Table::name)).try_map(|name| name.parse::<Table>()))]
    pub table: Table,
    /// Write here instead of standard output; compressed where it ends in .gz, Parquet where it ends in .parquet
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// As what; by default what the file's name ends in, else CSV
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// Only what is of this model
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Only what is of this market
    #[arg(long, value_name = "EPIC")]
    pub epic: Option<String>,
    /// Which arena.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// As what a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma separated fields with a header.
    Csv,
    /// Parquet; needs an arena that was built with that feature.
    Parquet,
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => error.into(),
            ExportError::Model(error) => error.into(),
            ExportError::Io(error) => error.into(),
            error @ ExportError::Epic { .. } => Self::new(USAGE, error.to_string()),
        }
    }
}

pub(super) fn export(shared: &Shared, args: &ExportArgs) -> Result<(), Failure> {
    if shared.json && args.out.is_none() {
        return Err(Failure::new(USAGE, "a table is no JSON; with --json name its file with -o"));
    }
    let ends_in = |ending: &str| args.out.as_ref().is_some_and(|path| path.extension().is_some_and(|e| e == ending));
    let by_name = if ends_in("parquet") { ExportFormat::Parquet } else { ExportFormat::Csv };
    let format = args.format.unwrap_or(by_name);
    if format == ExportFormat::Parquet && args.out.is_none() {
        return Err(Failure::new(USAGE, "Parquet is a file: name it with -o"));
    }
    let rows = match &args.reading.store {
        Some(dir) => {
            let arena = AtRest::open(dir)?;
            let store = arena.store();
            at_rest(&**store, args, format)?
        }
        None => running(&Client::reading(args.reading.url.as_deref(), shared)?, args, format)?,
    };
    let table = args.table.name();
    match &args.out {
        Some(path) if shared.json => print_json(&json!({ "table": table, "rows": rows, "file": path })),
        Some(path) if !shared.quiet => {
            let told = rows.map_or_else(|| table.to_owned(), |rows| format!("{rows} rows of {table}"));
            complain(&format!("{told} in {}", path.display()));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Writes the table of a store; how many rows it has.
fn at_rest(store: &dyn Store, args: &ExportArgs, format: ExportFormat) -> Result<Option<u64>, Failure> {
    let selection = Selection { model: args.model.clone(), epic: args.epic.clone() };
    selection.check(store)?;
    let write = |out: &mut (dyn Write + Send)| -> Result<u64, Failure> {
        match format {
            ExportFormat::Csv => Ok(export::write(store, args.table, &selection, &mut Csv::new(out))?),
            ExportFormat::Parquet => parquet(store, args.table, &selection, out),
        }
    };
    let Some(path) = &args.out else {
        let mut out = BufWriter::new(io::stdout());
        let rows = write(&mut out)?;
        out.flush()?;
        return Ok(Some(rows));
    };
    to_file(path, |file| {
        let mut file = BufWriter::new(file);
        let rows = if path.extension().is_some_and(|extension| extension == "gz") {
            let mut out = GzEncoder::new(&mut file, Compression::default());
            let rows = write(&mut out)?;
            out.finish()?;
            rows
        } else {
            write(&mut file)?
        };
        file.flush()?;
        Ok(Some(rows))
    })
}

#[cfg(feature = "parquet")]
fn parquet(
    store: &dyn Store,
    table: Table,
    selection: &Selection,
    out: &mut (dyn Write + Send),
) -> Result<u64, Failure> {
    let mut parquet = export::Parquet::new(out);
    let rows = export::write(store, table, selection, &mut parquet)?;
    parquet.finish()?;
    Ok(rows)
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &dyn Store, _: Table, _: &Selection, _: &mut (dyn Write + Send)) -> Result<u64, Failure> {
    Err(Failure::new(USAGE, "this arena was built without Parquet: build it with `--features parquet`, or write CSV"))
}

/// Has a running arena write the table; how many rows a CSV has.
fn running(client: &Client, args: &ExportArgs, format: ExportFormat) -> Result<Option<u64>, Failure> {
    let mut query = vec![("format", if format == ExportFormat::Csv { "csv" } else { "parquet" })];
    query.extend(args.model.as_deref().map(|model| ("model", model)));
    query.extend(args.epic.as_deref().map(|epic| ("epic", epic)));
    let fetch = |out: &mut dyn Write| -> Result<Option<u64>, Failure> {
        // A line break within a field would count as a row: names and reasons hold none.
        let mut lines = 0_u64;
        block_on(client.stream(&["export", args.table.name()], &query, |bytes| {
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            Ok(out.write_all(bytes)?)
        }))?;
        Ok((format == ExportFormat::Csv).then(|| lines.saturating_sub(1)))
    };
    let Some(path) = &args.out else {
        let mut out = BufWriter::new(io::stdout().lock());
        let rows = fetch(&mut out)?;
        out.flush()?;
        return Ok(rows);
    };
    to_file(path, |file| {
        let mut file = BufWriter::new(file);
        let rows = if path.extension().is_some_and(|extension| extension == "gz") {
            let mut out = GzEncoder::new(&mut file, Compression::default());
            let rows = fetch(&mut out)?;
            out.finish()?;
            rows
        } else {
            fetch(&mut file)?
        };
        file.flush()?;
        Ok(rows)
    })
}

/// Writes beside `path` and renames at the end, so that no half file bears its name.
pub(super) fn to_file<T>(path: &Path, write: impl FnOnce(File) -> Result<T, Failure>) -> Result<T, Failure> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let named = |e: io::Error| Failure::new(FAILED, format!("{}: {e}", path.display()));
    match File::create(&partial).map_err(named).and_then(write) {
        Ok(done) => std::fs::rename(&partial, path).map(|()| done).map_err(named),
        Err(failure) => {
            // The failure is what matters; a remnant that cannot be removed bears its own name.
            drop(std::fs::remove_file(&partial));
            Err(failure)
        }
    }
}
