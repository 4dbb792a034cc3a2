//! `arena report`: everything there is to know of an arena as one HTML file, or its figures as JSON.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::output::{FAILED, Failure, USAGE, complain, print, print_json};
use super::{Client, ReadingArgs, Shared, block_on};
use crate::report::{Calibration, Report, gather, render};
use crate::store::views::AtRest;

/// `arena report`.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArgs {
    /// Write the HTML here; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
    /// What `arena calibrate --json` printed, to be part of the report; of it alone where no arena is named
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Which arena.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

pub(super) fn report(shared: &Shared, args: &ReportArgs) -> Result<(), Failure> {
    let calibration = args.calibration.as_deref().map(calibration_of).transpose()?;
    let is_named = args.reading.url.is_some() || args.reading.store.is_some();
    let report = if calibration.is_some() && !is_named { None } else { Some(figures(shared, &args.reading)?) };
    if shared.json {
        return match (&report, &calibration) {
            (Some(report), None) => print_json(report),
            (report, calibration) => print_json(&json!({ "report": report, "calibration": calibration })),
        };
    }
    let html = render(report.as_ref(), calibration.as_ref());
    if args.out.as_os_str() == "-" {
        return print(&html);
    }
    write(&args.out, &html)?;
    if !shared.quiet {
        complain(&format!("report in {}", args.out.display()));
    }
    Ok(())
}

fn figures(shared: &Shared, reading: &ReadingArgs) -> Result<Report, Failure> {
    match &reading.store {
        Some(dir) => Ok(gather(&**AtRest::open(dir)?.store())?),
        None => {
            let client = Client::reading(reading.url.as_deref(), shared)?;
            block_on(client.get_slowly(&["report"]))
        }
    }
}

fn calibration_of(path: &Path) -> Result<Calibration, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(FAILED, format!("{} cannot be read: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        let why = format!("{} is not what `arena calibrate --json` prints: {error}", path.display());
        Failure::new(USAGE, why)
    })
}

/// Beside the file first, so that no half report bears its name.
fn write(path: &Path, html: &str) -> Result<(), Failure> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let done = std::fs::write(&partial, html).and_then(|()| std::fs::rename(&partial, path));
    done.map_err(|error| Failure::new(FAILED, format!("{} cannot be written: {error}", path.display())))
}
