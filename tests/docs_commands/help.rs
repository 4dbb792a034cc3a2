//! Help and man pages: each command has both, from one source, and `man` reads what it is given.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).env("COLUMNS", "80").env("MANWIDTH", "80").output().expect("it runs")
}

fn arena(arguments: &[&str]) -> String {
    let output = run(env!("CARGO_BIN_EXE_arena"), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The names of all commands, `fetch yahoo` as two words.
fn commands() -> Vec<Vec<String>> {
    fn below(command: &clap::Command, name: &[String], found: &mut Vec<Vec<String>>) {
        for sub in command.get_subcommands() {
            let name = [name, &[sub.get_name().to_owned()]].concat();
            below(sub, &name, found);
            found.push(name);
        }
    }
    let mut found = Vec::new();
    below(&arena::cli::tree(), &[], &mut found);
    assert!(found.len() > 40, "{found:?}");
    found
}

#[test]
fn help_and_man_know_every_command() {
    for name in commands() {
        let words: Vec<&str> = name.iter().map(String::as_str).collect();
        let help = arena(&[&["help"][..], &words].concat());
        assert!(help.contains(&format!("Usage: arena {}", words.join(" "))), "{help}");
        // clap never breaks the line of usage; a page that is longer than this is not read.
        for line in help.lines().filter(|line| !line.starts_with("Usage: ")) {
            assert!(line.chars().count() <= 80, "{words:?}: {line}");
        }
        assert!(help.lines().count() <= 64, "{help}");
        let page = arena(&[&["man"][..], &words].concat());
        assert!(page.contains(&format!("arena\\-{}", words.join("\\-"))), "{page}");
        for example in help.lines().filter_map(|line| line.strip_prefix("  arena ")) {
            assert!(page.contains(&format!("arena {}", example.replace('-', "\\-").replace('\'', "\\*(Aq"))), "{page}");
        }
    }
    let sim = run(env!("CARGO_BIN_EXE_arena-sim"), &["--help"]);
    let sim = String::from_utf8(sim.stdout).expect("text");
    assert!(sim.contains("--no-limits") && sim.lines().all(|line| line.chars().count() <= 80), "{sim}");
    let wrong = run(env!("CARGO_BIN_EXE_arena"), &["man", "fly"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("`fly` is no command"), "{wrong:?}");
}

/// What `man` or groff complains of in a page; `None` where neither is here.
fn complaints(page: &Path) -> Option<String> {
    let file = page.to_str().expect("a plain name");
    let tools: [(&str, &[&str]); 2] =
        [("man", &["--warnings", "-E", "UTF-8", "-l", file]), ("groff", &["-man", "-ww", "-Tutf8", file])];
    for (tool, arguments) in tools {
        let found = Command::new(tool).args(arguments).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8").output();
        // Some images of containers have a word about man pages in place of `man`.
        let is_real = |output: &Output| !String::from_utf8_lossy(&output.stdout).contains("minimized");
        if let Some(output) = found.ok().filter(is_real) {
            assert!(!output.stdout.is_empty(), "{tool} shows nothing of {file}");
            return Some(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    None
}

#[test]
fn man_pages_are_read_without_a_complaint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pages = folder.path().join("man1");
    arena(&["man", "-o", pages.to_str().expect("a plain name")]);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&pages).expect("a folder").map(|entry| entry.expect("a page").path()).collect();
    files.sort();
    // One for each command, one for all, one for the simulator.
    assert_eq!(files.len(), commands().len() + 2, "{files:?}");
    let wrong = folder.path().join("wrong.1");
    std::fs::write(&wrong, ".TH wrong 1\n.SH NAME\nwrong \\- \\[nosuchglyph]\n.nosuchmacro\n").expect("a file");
    match complaints(&wrong) {
        None => {
            println!("skipped: neither man nor groff is here to read the pages");
            return;
        }
        Some(complaint) => assert!(!complaint.trim().is_empty(), "a wrong page is taken"),
    }
    for file in files {
        let complaint = complaints(&file).expect("it was here a moment ago");
        assert!(complaint.trim().is_empty(), "{}: {complaint}", file.display());
    }
}
