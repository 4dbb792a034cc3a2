//! The reference of the command line, `docs/CLI.md`, made from the same definitions as `--help`.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::EXIT_CODES;
use super::tree::{examples, sim_tree, tree};

const WRITES: &str = "strings take what is written to them";

/// The whole document.
#[must_use]
pub fn reference() -> String {
    let mut text =
        "# Commands\n\nEvery command with its options, for looking up; what goes together in use is told in \
        [START.md](START.md) and [OPERATIONS.md](OPERATIONS.md), what other programs may rely on in \
        [CONTRACTS.md](CONTRACTS.md). This page is made from the definitions that `arena help COMMAND` and `arena man` \
        show too\n(`ARENA_UPDATE_DOCS=1 cargo test --lib cli::reference` rewrites this file).\n"
            .to_owned();
    let mut whole = tree().disable_help_subcommand(true);
    whole.build();
    writeln!(text, "\n{EXIT_CODES}.\n\n## Options of every command\n").expect(WRITES);
    options(&mut text, whole.get_arguments().filter(|arg| !matches!(arg.get_action(), ArgAction::Help)));
    for sub in whole.get_subcommands() {
        section(&mut text, sub, sub.get_name());
    }
    text.push_str("\n## arena-sim\n\nThe simulator of IG, a program of its own: [IG.md](IG.md#the-simulator).\n\n");
    let sim = sim_tree();
    options(&mut text, sim.get_arguments().filter(|arg| !matches!(arg.get_action(), ArgAction::Help)));
    text
}

fn section(text: &mut String, command: &Command, name: &str) {
    if command.has_subcommands() {
        for sub in command.get_subcommands() {
            section(text, sub, &format!("{name} {}", sub.get_name()));
        }
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    write!(text, "\n## arena {name}\n\n{}.\n\n`{usage}`\n", escaped(&about)).expect(WRITES);
    let own = command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
    let own: Vec<&Arg> = own.filter(|arg| !matches!(arg.get_action(), ArgAction::Help)).collect();
    if !own.is_empty() {
        text.push('\n');
        options(text, own.into_iter());
    }
    let lines = examples(name);
    if !lines.is_empty() {
        write!(text, "\n```sh\n{}\n```\n", lines.join("\n")).expect(WRITES);
    }
}

fn options<'a>(text: &mut String, args: impl Iterator<Item = &'a Arg>) {
    text.push_str("| option | |\n|---|---|\n");
    for arg in args {
        let names: Vec<String> = arg
            .get_short()
            .map(|short| format!("-{short}"))
            .into_iter()
            .chain(arg.get_long().map(|long| format!("--{long}")))
            .chain(arg.get_visible_aliases().unwrap_or_default().into_iter().map(|alias| format!("--{alias}")))
            .collect();
        let value = arg
            .get_value_names()
            .filter(|_| arg.get_action().takes_values())
            .map(|names| names.join(" "))
            .unwrap_or_default();
        let shown = if names.is_empty() { value } else { format!("{} {value}", names.join(", ")) };
        let mut what = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values = arg.get_possible_values();
        if !values.is_empty() && !arg.is_hide_possible_values_set() && arg.get_action().takes_values() {
            let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            write!(what, ": {}", names.join(", ")).expect(WRITES);
        }
        let usual: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if !usual.is_empty() && arg.get_action().takes_values() {
            write!(what, " [default: {}]", usual.join(" ")).expect(WRITES);
        }
        if let Some(variable) = arg.get_env() {
            write!(what, " [env: {}]", variable.to_string_lossy()).expect(WRITES);
        }
        writeln!(text, "| `{}` | {} |", shown.trim().replace('|', "\\|"), escaped(&what)).expect(WRITES);
    }
}

/// Text for a cell of a table: nothing in it is markup.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('[', "\\[")
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn the_document_is_what_the_definitions_say() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLI.md");
        if std::env::var_os("ARENA_UPDATE_DOCS").is_some() {
            std::fs::write(&path, reference()).expect("the document can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/CLI.md is stale: run ARENA_UPDATE_DOCS=1 cargo test --lib cli::reference"
        );
    }
}
