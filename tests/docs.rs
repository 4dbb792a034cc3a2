//! The documents hold what they promise: every link leads somewhere, every command shown can be read by the command line
//! (`tests/docs_commands` types them), the book is whole and the glossary in order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document of ours, with its path from the root.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for dir in ["", "docs", "docs/adr"] {
        let entries = std::fs::read_dir(root().join(dir)).unwrap_or_else(|error| panic!("{dir}: {error}"));
        found.extend(
            entries
                .map(|entry| entry.expect("a readable folder").path())
                .filter(|path| path.extension().is_some_and(|ending| ending == "md")),
        );
    }
    found.sort();
    assert!(found.len() >= 12, "documents were not found: {found:?}");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, text)
    };
    found.into_iter().map(read).collect()
}

/// The lines of fenced blocks whose language is one of `languages`, and with `None` the lines outside of all blocks.
fn lines_of<'a>(text: &'a str, languages: Option<&[&str]>) -> Vec<(usize, &'a str)> {
    let mut open: Option<&str> = None;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            open = if open.is_some() { None } else { Some(language.trim()) };
            continue;
        }
        let is_wanted = match (open, languages) {
            (None, None) => true,
            (Some(language), Some(wanted)) => wanted.contains(&language),
            _ => false,
        };
        if is_wanted {
            lines.push((number + 1, line));
        }
    }
    lines
}

/// A line without its `code`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The targets of `[text](target)` in a line.
fn links(line: &str) -> Vec<String> {
    let plain = without_code(line);
    plain
        .match_indices("](")
        .filter_map(|(at, _)| plain[at + 2..].split_once(')').map(|(target, _)| target.to_owned()))
        .collect()
}

/// The anchor that renderers give to a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim();
    text.chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    lines_of(text, None).into_iter().filter(|(_, line)| line.starts_with('#')).map(|(_, line)| anchor(line)).collect()
}

#[test]
fn anchors_are_those_that_renderers_make() {
    assert_eq!(anchor("## Live dealing: it's `halted`"), "live-dealing-its-halted");
    assert_eq!(anchor("# 3. The wealth"), "3-the-wealth");
}

#[test]
fn every_link_leads_somewhere() {
    let mut n_links = 0;
    for (path, text) in documents() {
        for (number, line) in lines_of(&text, None) {
            for target in links(line) {
                if target.starts_with("https://") {
                    continue;
                }
                n_links += 1;
                let place = format!("{}:{number}: {target}", path.display());
                let (file, wanted) = target.split_once('#').unwrap_or((target.as_str(), ""));
                let file = if file.is_empty() { path.clone() } else { path.with_file_name("").join(file) };
                assert!(file.exists(), "{place}: no such file");
                if !wanted.is_empty() {
                    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{place}: {error}"));
                    assert!(anchors(&text).contains(wanted), "{place}: no such heading");
                }
            }
        }
    }
    assert!(n_links > 40, "only {n_links} links were found");
}

/// The files that a document links to, from the root on.
fn linked(path: &Path, text: &str) -> BTreeSet<PathBuf> {
    let targets = lines_of(text, None).into_iter().flat_map(|(_, line)| links(line));
    let files = targets.filter(|target| !target.starts_with("https://")).map(|target| {
        let file = target.split('#').next().unwrap_or_default().to_owned();
        path.with_file_name("").join(file)
    });
    files.filter_map(|file| file.canonicalize().ok()).collect()
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let book = root().join("docs/README.md");
    let contents = linked(&book, &std::fs::read_to_string(&book).expect("the table of contents"));
    for (path, text) in documents() {
        let path = path.canonicalize().expect("it was read");
        if path.parent() == Some(root().join("docs").as_path()) && path != book {
            assert!(contents.contains(&path), "docs/README.md does not list {}", path.display());
            let first: Vec<&str> = text.lines().take(3).collect();
            assert!(
                first.len() == 3 && first[0].starts_with("# ") && first[1].is_empty() && !first[2].is_empty(),
                "{} does not begin with its title and what it is for",
                path.display()
            );
        }
    }
    let readme = root().join("README.md");
    let named = linked(&readme, &std::fs::read_to_string(&readme).expect("the README"));
    assert!(named.contains(&book), "README.md does not lead to the book");
}

#[test]
fn the_glossary_is_in_order_and_says_where_more_is() {
    let text = std::fs::read_to_string(root().join("docs/CONCEPTS.md")).expect("the concepts");
    let (_, glossary) = text.split_once("\n## Glossary\n").expect("a glossary");
    let rows: Vec<Vec<&str>> = glossary
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() > 50, "only {} terms", rows.len());
    for row in &rows {
        let [term, what, more] = row.as_slice() else { panic!("want term, what it is, more: {row:?}") };
        assert!(what.len() > 20, "{term}: {what}");
        // `every_link_leads_somewhere` looks at the anchor.
        assert!(links(more).iter().any(|target| target.contains(".md#")), "{term}: {more}");
    }
    let terms: Vec<String> = rows.iter().map(|row| row[0].to_lowercase()).collect();
    let mut sorted = terms.clone();
    sorted.sort();
    assert_eq!(terms, sorted, "the terms are in the order of the alphabet, each once");
    for term in [
        "candidate",
        "champion",
        "episode",
        "epic",
        "evidence",
        "lineage",
        "prediction",
        "r",
        "round",
        "seat",
        "shadow",
        "shortfall",
        "signal",
        "slot",
        "ticket",
        "trade",
        "twin",
    ] {
        assert!(terms.iter().any(|known| known == term), "the glossary lacks {term}");
    }
}

/// The words of a command line, quotes taken off; what follows a comment, a pipe or another command is left out.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (None, '#' | '|' | ';' | '&') if words.last().is_some_and(String::is_empty) => break,
            // Perhaps with the number of a stream before it.
            (None, '>') if words.last().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) => {
                words.pop();
                break;
            }
            (_, c) => words.last_mut().expect("there is always one").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_shown_can_be_typed() {
    let mut n_commands = 0;
    for (path, text) in documents() {
        for (number, line) in lines_of(&text, Some(&["sh", "bash", "console"])) {
            let typed = line.trim_start_matches("$ ").trim();
            let typed = typed.strip_prefix("cargo run --release -- ").map(|rest| format!("arena {rest}"));
            let typed = typed.unwrap_or_else(|| line.trim_start_matches("$ ").trim().to_owned());
            let error = match typed.split(' ').next() {
                Some("arena") => arena::cli::tree().try_get_matches_from(words(&typed)).err(),
                Some("arena-sim") => arena::cli::sim_tree().try_get_matches_from(words(&typed)).err(),
                _ => continue,
            };
            n_commands += 1;
            if let Some(error) = error
                && error.use_stderr()
            {
                panic!("{}:{number}: {typed}\n{error}", path.display());
            }
        }
    }
    assert!(n_commands > 15, "only {n_commands} commands were found");
}

/// Commands in the text of a page, which is not typed by a test: of `arena COMMAND …` the words that follow are told to
/// the command line.
#[test]
fn every_command_in_a_sentence_can_be_typed() {
    let tree = arena::cli::tree();
    let (mut n_commands, mut wrong) = (0, Vec::new());
    for (path, text) in documents() {
        for code in inline_code(&text) {
            let Some(rest) = code.strip_prefix("arena ") else { continue };
            // Not a line of usage, and nothing left out.
            let is_whole = rest.split(' ').next().is_some_and(|word| tree.find_subcommand(word).is_some());
            if !is_whole || rest.contains(['…', '[', '<']) {
                continue;
            }
            n_commands += 1;
            let error = tree.clone().try_get_matches_from(words(&code)).err().filter(clap::Error::use_stderr);
            // What a sentence leaves out is known from before it; what it names has to be there.
            let is_wrong = error.filter(|error| {
                !matches!(
                    error.kind(),
                    clap::error::ErrorKind::MissingRequiredArgument
                        | clap::error::ErrorKind::MissingSubcommand
                        | clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                )
            });
            wrong.extend(is_wrong.map(|error| format!("{}: {code}\n{error}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_commands > 60, "only {n_commands} commands were found");
}

#[test]
fn every_alert_has_its_place_in_the_runbook() {
    let rules = std::fs::read_to_string(root().join("dashboards/alerts.yml")).expect("the alert rules");
    let runbook = std::fs::read_to_string(root().join("docs/RUNBOOK.md")).expect("the runbook");
    let known = anchors(&runbook);
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::trim).collect();
    assert!(alerts.len() >= 10, "the alerts were not found");
    for alert in &alerts {
        assert!(known.contains(&alert.to_lowercase()), "docs/RUNBOOK.md has no section {alert}");
    }
    let linked: Vec<&str> =
        rules.lines().filter_map(|line| line.split_once("RUNBOOK.md#")).map(|(_, rest)| rest).collect();
    for link in linked {
        let wanted = link.trim_end_matches(['"', '\'']);
        assert!(known.contains(wanted), "dashboards/alerts.yml links to {wanted}, which the runbook does not have");
    }
}

#[test]
fn every_decision_is_listed() {
    let index = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the architecture");
    for (path, text) in documents() {
        if path.parent().is_some_and(|dir| dir.ends_with("adr")) {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
            assert!(index.contains(&format!("adr/{name}")), "docs/ARCHITECTURE.md does not list {name}");
            for heading in ["## Context", "## Options", "## Choice", "## Cost"] {
                assert!(text.contains(heading), "{name} has no {heading}");
            }
        }
    }
}

/// Texts in `code` of a document, outside of fenced blocks.
fn inline_code(text: &str) -> Vec<String> {
    let lines = lines_of(text, None).into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    lines.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_tests_and_files_that_documents_name_are_there() {
    let mut waiting = vec![root().join("src"), root().join("tests")];
    let mut code = String::new();
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                code.push_str(&std::fs::read_to_string(&path).expect("a readable source"));
            }
        }
    }
    let (mut n_tests, mut n_files) = (0, 0);
    for (path, text) in documents() {
        for word in inline_code(&text) {
            let is_name = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            // The names of tests are sentences.
            if is_name && word.matches('_').count() >= 4 && !word.starts_with("arena_") {
                n_tests += 1;
                assert!(code.contains(&format!("fn {word}(")), "{}: no test is named {word}", path.display());
            }
            let is_file = ["src/", "tests/", "scripts/", "docs/"].iter().any(|dir| word.starts_with(dir))
                && !word.contains(' ')
                && !word.contains('*');
            if is_file {
                n_files += 1;
                assert!(root().join(&word).exists(), "{}: there is no {word}", path.display());
            }
        }
    }
    assert!(n_tests >= 20 && n_files >= 10, "only {n_tests} tests and {n_files} files were found");
}

#[test]
fn every_break_has_its_section_in_the_runbook() {
    let text = std::fs::read_to_string(root().join("docs/RUNBOOK.md")).expect("the runbook is there");
    for kind in arena::domain::BreakKind::ALL {
        let (_, section) = text.split_once(&format!("\n### {kind}\n")).unwrap_or_else(|| panic!("no section {kind}"));
        let section = section.split("\n#").next().unwrap_or_default();
        for part in ["*What happened.*", "*What the arena did.*", "*What to do.*"] {
            assert!(section.contains(part), "{kind} does not say {part}");
        }
    }
}
