//! `arena man`: the man pages, made from the same definitions as `--help`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::{Resettable, StyledStr};
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use serde_json::json;

use super::output::{FAILED, Failure, USAGE, print, print_json};
use super::tree::{examples, sim_tree, tree};
use super::{EXIT_CODES, Shared};

/// No text after the options: pages have sections for it.
const NONE: Resettable<StyledStr> = Resettable::Reset;

/// `arena man`.
#[derive(Args, Clone, Debug, Default)]
pub struct ManArgs {
    /// The command to tell about, such as run or fetch yahoo [default: arena itself]
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub command: Vec<String>,
    /// Write every page into this folder instead: arena.1, arena-run.1 and so on
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub(super) fn man(shared: &Shared, args: &ManArgs) -> Result<(), Failure> {
    let pages = pages();
    if let Some(folder) = &args.out {
        return write(shared, folder, &pages);
    }
    let wanted = args.command.iter().fold("arena".to_owned(), |name, word| format!("{name}-{word}"));
    let Some((_, page)) = pages.iter().find(|(name, _)| *name == wanted) else {
        let why = format!("`{}` is no command of arena; `arena help` lists them", args.command.join(" "));
        return Err(Failure::new(USAGE, why));
    };
    if shared.json { print_json(&json!({ "page": page })) } else { print(page) }
}

fn write(shared: &Shared, folder: &Path, pages: &[(String, String)]) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::new(FAILED, format!("{} cannot be written: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut files = Vec::new();
    for (name, page) in pages {
        let file = folder.join(format!("{name}.1"));
        fs::write(&file, page).map_err(|error| failed(&file, error))?;
        files.push(file);
    }
    if shared.json {
        return print_json(&json!({ "folder": folder, "files": files }));
    }
    if shared.quiet { Ok(()) } else { print(&format!("{} pages in {}\n", files.len(), folder.display())) }
}

/// Every page by its name, `arena` first and `arena-sim` last.
fn pages() -> Vec<(String, String)> {
    let mut whole = tree().disable_help_subcommand(true).after_help(NONE);
    whole.build();
    let mut pages = Vec::new();
    collect(&whole, "", &mut pages);
    pages.push(("arena-sim".to_owned(), page(sim_tree(), &[], None)));
    pages
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, String)>) {
    let title = command.get_display_name().unwrap_or("arena").to_owned();
    pages.push((title, page(command.clone().after_help(NONE), examples(name), Some(EXIT_CODES))));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, format!("{name} {}", sub.get_name()).trim_start(), pages);
    }
}

/// One page in the language of `man`.
fn page(command: Command, examples: &[&str], codes: Option<&str>) -> String {
    let mut text = Vec::new();
    let version = format!("arena {}", env!("CARGO_PKG_VERSION"));
    let render = Man::new(command).source(version).manual("arena").render(&mut text);
    render.expect("memory takes what is written to it");
    let mut text = String::from_utf8(text).expect("pages are text");
    let mut end = Roff::new();
    if !examples.is_empty() {
        end.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples {
            end.text([roman(*line)]);
        }
        end.control("fi", []);
    }
    if let Some(codes) = codes {
        end.control("SH", ["EXIT STATUS"]).text([roman(codes)]);
    }
    // Its first lines, about apostrophes, stand at the head of the page already.
    text.push_str(end.render().trim_start_matches(&Roff::new().render()));
    text
}
