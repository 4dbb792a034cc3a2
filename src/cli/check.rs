//! `arena check`: every fault of a configuration, with its place and what would be right.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::config::{self, LoadError, Problem};
use crate::deploy::Shelf;

/// Everything is right.
const OK: i32 = 0;
/// Wrong usage or configuration.
const FAULTY: i32 = 2;

/// Checks the file at `path` and writes the answer to `out`, as text or as one JSON document; returns the exit code.
///
/// # Errors
/// What writing to `out` gives.
pub fn run(path: &Path, json: bool, out: &mut dyn Write) -> io::Result<i32> {
    let (problems, notices, declared) = match config::examine_file(path, &*Shelf::new()) {
        Ok(examined) => (examined.problems, examined.notices, examined.declared),
        Err(LoadError::Unreadable { path, source }) => (vec![unreadable(&path, &source)], Vec::new(), (0, 0)),
        Err(LoadError::Faulty(problems)) => (problems, Vec::new(), (0, 0)),
    };
    let is_ok = problems.is_empty();
    if json {
        let document = json!({ "ok": is_ok, "candidates": declared.0, "problems": problems, "notices": notices });
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
        want: "a configuration file (-c FILE names another one; `arena demo` needs none)".to_owned(),
    }
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[markets]]\nepic = \"A\"\npoint = 0.0001\n\n[[models]]\nkind = \"breakout\"\n\
                        params = { lookback = 3 }\nhold = \"3m\"\nstop = 8\nlimit = 12\n";

    fn check(text: &str, json: bool) -> (i32, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("arena.toml");
        std::fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        let code = run(&file, json, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap().replace(&file.display().to_string(), "arena.toml"))
    }

    #[test]
    fn a_good_file_is_counted_and_its_notices_are_told() {
        let (code, text) = check(&GOOD.replace("point = 0.0001\n", ""), false);
        assert_eq!(code, 0);
        assert!(text.contains("notice: markets[0].point is not written"), "{text}");
        assert!(text.ends_with("1 candidate over 1 market\n"), "{text}");
    }

    #[test]
    fn a_bad_file_is_exit_two_with_every_fault() {
        let (code, text) = check(&GOOD.replace("stop = 8", "stop = 1").replace("= 3 }", "= 0 }"), false);
        assert_eq!(code, 2);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "arena.toml:7:23: models[0].params.lookback is 0; want at least 1");
        assert_eq!(lines[1], "arena.toml:9:8: models[0].stop is 1; want at least 2, the stop_min_points of A");
        assert!(text.ends_with("2 problems in arena.toml: 1 candidate over 1 market\n"), "{text}");
    }

    #[test]
    fn json_has_the_shape_of_the_contract() {
        let (code, text) = check(&GOOD.replace("stop = 8\n", ""), true);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(code, 2);
        assert_eq!(document["ok"], false);
        assert_eq!(document["candidates"], 1);
        let problem = &document["problems"][0];
        let keys: Vec<&String> = problem.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["file", "line", "column", "path", "got", "want"]);
        assert_eq!((problem["line"].as_u64(), problem["path"].as_str()), (Some(5), Some("models[0].stop")));
    }

    #[test]
    fn a_file_that_is_not_there_is_exit_two() {
        let mut out = Vec::new();
        let code = run(Path::new("/nowhere/arena.toml"), false, &mut out).unwrap();
        assert_eq!(code, 2);
        assert!(String::from_utf8(out).unwrap().starts_with("/nowhere/arena.toml:1:1: not readable: "));
    }
}
