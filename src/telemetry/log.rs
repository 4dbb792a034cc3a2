//! Log lines on standard error; standard output belongs to the answers of commands.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Starts logging to standard error, as text or as one JSON object a line.
///
/// `verbosity` is the number of `-v` less the number of `-q`; `RUST_LOG` overrides it where it is set and valid.
///
/// # Errors
/// When a subscriber is already in place; that one stays.
pub fn init(verbosity: i8, json: bool) -> Result<(), TryInitError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(verbosity)));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        lines.json().flatten_event(true).finish().try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(verbosity > 0).finish().try_init()
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
