//! `arena init`: a first configuration, with what every key of it is for.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use serde_json::json;

use super::Shared;
use super::output::{FAILED, Failure, REFUSED, print, print_json};

/// The configuration that this program is developed with: one file, so that what is written is what is tested.
const FIRST: &str = include_str!("../../arena.toml");

pub(super) fn init(shared: &Shared) -> Result<(), Failure> {
    let path = shared.config();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let why = format!("{} is there already and is left as it is: name another with -c FILE", path.display());
            Failure::new(REFUSED, why)
        }
        _ => Failure::new(FAILED, format!("{} cannot be written: {error}", path.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(FIRST.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    if shared.json {
        return print_json(&json!({ "file": path }));
    }
    if shared.quiet {
        return Ok(());
    }
    let named = if shared.config.is_some() { format!(" -c {}", path.display()) } else { String::new() };
    print(&format!(
        "{} is written: a synthetic market, four kinds of rules, nothing that needs an account\n\
         next: `arena{named} check` says what it declares, `arena{named} run` runs it, `arena{named} doctor` looks at the \
         rest of this machine\n",
        path.display()
    ))
}
