//! Every command that the README and the book show is typed as it stands there, in the order of its page.
//!
//! A page is a reader's session: one folder, one shell command after the other, each with the exit code that the page
//! tells and the output that it shows. What cannot be run here stands in [`rules::NOT_RUN`] with its reason.
//! `ARENA_DOCS_PAGE=START.md` runs one page alone.

mod help;
mod page;
mod rules;
mod run;
#[path = "../yahoo_stub/mod.rs"]
mod yahoo_stub;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use page::Command;
use run::Reader;

/// Pages whose reader has no configuration yet.
const BARE: &[&str] = &["START.md", "CLI.md", "OPERATIONS.md"];

fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md")];
    let entries = std::fs::read_dir(root.join("docs")).expect("the book");
    paths.extend(
        entries.map(|entry| entry.expect("a page").path()).filter(|path| path.extension() == Some("md".as_ref())),
    );
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("a page"))).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned()
}

#[expect(clippy::print_stdout, reason = "a test that takes long says what it did")]
fn say(what: &str) {
    println!("{what}");
}

/// How many commands were run, and what went wrong.
fn read_and_type(name: &str, text: &str) -> (usize, Vec<String>) {
    let (commands, files) = page::read(text);
    let to_run: Vec<&Command> = commands.iter().filter(|command| rules::not_run(&command.text).is_none()).collect();
    if to_run.is_empty() {
        return (0, Vec::new());
    }
    let begun = Instant::now();
    let mut reader = Reader::new(BARE.contains(&name));
    let mut files = files.into_iter().peekable();
    let mut wrong = Vec::new();
    for command in &to_run {
        while let Some(file) = files.next_if(|file| file.line < command.line) {
            if rules::lacks(&file.text).is_none() {
                reader.write(&file.name, &file.text);
            }
        }
        if let Some(program) = rules::lacks(&command.text) {
            say(&format!("skipped: {name}:{}: no {program} is here", command.line));
            continue;
        }
        if let Err(why) = reader.run(command) {
            wrong.push(format!("{name}:{}: {why}", command.line));
        }
    }
    wrong.extend(reader.end().err().map(|why| format!("{name}: {why}")));
    let (n_run, n_not, seconds) = (to_run.len(), commands.len() - to_run.len(), begun.elapsed().as_secs_f64());
    say(&format!("{name}: {n_run} commands in {seconds:.1} s, {n_not} not run"));
    (to_run.len(), wrong)
}

#[test]
fn every_command_shown_does_what_its_page_says() {
    let only = std::env::var("ARENA_DOCS_PAGE").ok();
    let mut waiting = pages();
    waiting.retain(|(path, _)| only.as_ref().is_none_or(|only| name_of(path) == *only));
    let waiting = Mutex::new(waiting);
    let done = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((path, text)) = waiting.lock().expect("no thread panics in it").pop() else { break };
                    let (n, wrong) = read_and_type(&name_of(&path), &text);
                    let mut done = done.lock().expect("no thread panics in it");
                    done.0 += n;
                    done.1.extend(wrong);
                }
            });
        }
    });
    let (n_run, wrong) = done.into_inner().expect("no thread panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(only.is_some() || n_run > 100, "only {n_run} commands were run");
}

#[test]
fn what_is_not_run_is_in_the_book() {
    let texts: Vec<String> =
        pages().iter().flat_map(|(_, text)| page::read(text).0).map(|command| command.text).collect();
    let used: BTreeSet<&str> = rules::NOT_RUN
        .iter()
        .filter(|(beginning, _)| texts.iter().any(|text| text.starts_with(beginning)))
        .map(|(beginning, _)| *beginning)
        .collect();
    let tree = arena::cli::tree();
    for (beginning, why) in rules::NOT_RUN {
        // A command that this program does not have is shown nowhere.
        let ours = beginning.strip_prefix("arena ").and_then(|rest| rest.split(' ').next());
        if ours.is_some_and(|name| tree.find_subcommand(name).is_none()) {
            continue;
        }
        assert!(used.contains(beginning), "no page shows `{beginning}` ({why}): take it out of the list");
    }
}
