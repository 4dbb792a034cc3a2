//! Log lines on standard error; standard output belongs to the answers of commands.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::store::entry::DeskEntry;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Words for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error.
///
/// `verbosity` is the number of `-v` less the number of `-q`; `RUST_LOG` overrides it where it is set and valid.
///
/// # Errors
/// When a subscriber is already in place; that one stays.
pub fn init(verbosity: i8, format: Format) -> Result<(), TryInitError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(verbosity)));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if format == Format::Json {
        lines.json().flatten_event(true).finish().try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(verbosity > 0).finish().try_init()
    }
}

/// What the desk journalled, a line each. `deal` is the one id from the bar that made it to its last line: our reference,
/// which the broker shows too; `bar` is the close of that bar.
pub fn desk(entries: &[DeskEntry]) {
    for entry in entries {
        match entry {
            DeskEntry::OpenIntent { time, reference, model, epic, direction, size, .. } => {
                let side = direction.word();
                tracing::info!(deal = %reference, bar = %time, %model, %epic, side, %size, "live order");
            }
            DeskEntry::Opened { time, reference, deal_id, level, stop_level, limit_level } => {
                tracing::info!(deal = %reference, at = %time, deal_id, %level, %stop_level, %limit_level, "live deal open");
            }
            DeskEntry::CloseIntent { time, reference, reason } => {
                tracing::info!(deal = %reference, at = %time, reason = reason.word(), "closing a live deal");
            }
            DeskEntry::Closed { time, reference, level, reason, profit } => {
                tracing::info!(deal = %reference, at = %time, %level, reason = reason.word(), %profit, "live deal closed");
            }
            DeskEntry::Rejected { time, reference, reason } => {
                tracing::warn!(deal = %reference, at = %time, %reason, "live order refused");
            }
            DeskEntry::Unknown { time, reference } => {
                tracing::warn!(deal = %reference, at = %time, "nobody knows yet whether a live order was dealt");
            }
            DeskEntry::Broken { time, kind, reference, text, is_mended, .. } => {
                tracing::warn!(deal = %reference, at = %time, kind = kind.word(), %text, is_mended, "the books differ");
            }
            DeskEntry::Halted { time, reason } => tracing::error!(at = %time, %reason, "live dealing halted"),
            DeskEntry::Resumed { time, reason } => tracing::warn!(at = %time, %reason, "live dealing goes on"),
            DeskEntry::WrittenOff { time, reference, reason } => {
                tracing::warn!(deal = %reference, at = %time, %reason, "a live deal was written off");
            }
            _ => {}
        }
    }
}

/// What is let through: the arena's own words first, its libraries' only from a warning on.
fn directives(verbosity: i8) -> &'static str {
    match verbosity {
        i8::MIN..=-2 => "off",
        -1 => "error",
        0 => "warn,arena=info",
        1 => "info,arena=debug",
        2.. => "debug,arena=trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verbosity_is_a_valid_filter_and_louder_than_the_one_before() {
        let mut last = None;
        for verbosity in -2..=3 {
            let filter: EnvFilter = directives(verbosity).parse().expect("a filter of ours parses");
            let level = filter.max_level_hint();
            assert!(level >= last, "{verbosity}: {level:?} after {last:?}");
            last = level;
        }
    }
}
