//! `arena check`: every fault of a configuration, with its place and what would be right.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::config::{self, LoadError, Problem};

/// Everything is right.
const OK: i32 = 0;
/// Wrong usage or configuration.
const FAULTY: i32 = 2;

/// Checks the file at `path` and writes the answer to `out`, as text or as one JSON document; returns the exit code.
///
/// # Errors
/// What writing to `out` gives.
pub fn run(path: &Path, json: bool, out: &mut dyn Write) -> io::Result<i32> {
    let (problems, notices, declared) = match config::examine_file(path) {
        Ok(examined) => (examined.problems, examined.notices, examined.declared),
        Err(LoadError::Unreadable { path, source }) => (vec![unreadable(&path, &source)], Vec::new(), (0, 0)),
        Err(LoadError::Faulty(problems)) => (problems, Vec::new(), (0, 0)),
    };
    let is_ok = problems.is_empty();
    if json {
        let document =
            json!({ "ok": is_ok, "candidates": declared.0, "problems": problems, "notices": notices });
        writeln!(out, "{document:#}")?;
    } else {
        for problem in &problems {
            writeln!(out, "{problem}")?;
        }
        for notice in &notices {
            writeln!(out, "notice: {notice}")?;
        }
        let (candidates, markets) = (counted(declared.0, "candidate"), counted(declared.1, "market"));
        match problems.len() {
            0 => writeln!(out, "{candidates} over {markets}")?,
            n => writeln!(out, "{} in {}: {candidates} over {markets}", counted(n, "problem"), path.display())?,
        }
    }
    Ok(if is_ok { OK } else { FAULTY })
}

fn unreadable(path: &Path, source: &io::Error) -> Problem {
    Problem {
        file: path.display().to_string(),
        line: 1,
        column: 1,
        path: String::new(),
        got: format!("not readable: {source}"),
        want: "a configuration file (`arena init` writes a first one, -c FILE names another)".to_owned(),
    }
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
