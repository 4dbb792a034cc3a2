//! The identity of a strategy: the SHA-256 over its command and the files that it is made of.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::config::Program;
use crate::domain::ContentHash;

/// The largest file of a strategy, in bytes.
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// The strategy that `command` starts in `base`: made of `files`, else of those of its arguments that are files there.
///
/// # Errors
/// What would be right.
pub(super) fn identity(base: &Path, command: &[String], files: Option<&[String]>) -> Result<Program, String> {
    check_program(base, command)?;
    let named: Vec<&String> = match files {
        Some(files) => files.iter().collect(),
        None => command.iter().filter(|word| base.join(word).is_file()).collect(),
    };
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(b"arena strategy 1");
    part(&command.len().to_be_bytes());
    command.iter().for_each(|word| part(word.as_bytes()));
    for name in &named {
        let path = base.join(name);
        let length =
            std::fs::metadata(&path).map_err(|error| format!("files that can be read: {name}: {error}"))?.len();
        if length > FILE_MAX {
            return Err(format!("files of at most {} MB: {name} has {}", FILE_MAX >> 20, length >> 20));
        }
        let bytes = std::fs::read(&path).map_err(|error| format!("files that can be read: {name}: {error}"))?;
        part(name.as_bytes());
        part(&Sha256::digest(&bytes));
    }
    Ok(Program { hash: ContentHash(hasher.finalize().into()), files: named.len() })
}

/// A program that is not there is told before anything runs.
fn check_program(base: &Path, command: &[String]) -> Result<(), String> {
    let program = command.first().map_or("", String::as_str);
    let is_there = if program.contains('/') {
        base.join(program).is_file()
    } else {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        !program.is_empty() && std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
    };
    let place = if program.contains('/') { "beside this file" } else { "in PATH" };
    if is_there { Ok(()) } else { Err(format!("a program that is there: no {program:?} {place}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_strategy_is_its_command_and_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("a.py", "1");
        write("b.py", "1");
        let of = |command: &[&str], files: Option<&[&str]>| {
            let files = files.map(words);
            identity(dir.path(), &words(command), files.as_deref())
        };
        let first = of(&["sh", "a.py", "5"], None).unwrap();
        assert_eq!(first.files, 1);
        assert_eq!(of(&["sh", "a.py", "5"], Some(&["a.py"])).unwrap().hash, first.hash);
        // Another argument, another file of the same content, one file more, another content.
        let mut hashes = vec![first.hash];
        hashes.push(of(&["sh", "a.py", "6"], None).unwrap().hash);
        hashes.push(of(&["sh", "b.py", "5"], None).unwrap().hash);
        hashes.push(of(&["sh", "a.py", "5"], Some(&["a.py", "b.py"])).unwrap().hash);
        write("a.py", "2");
        hashes.push(of(&["sh", "a.py", "5"], None).unwrap().hash);
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 5);
        assert_eq!(of(&["sh", "-c", "cat"], None).unwrap().files, 0);
        for (command, files, told) in [
            (&["no-such-program-here"][..], None, "no \"no-such-program-here\" in PATH"),
            (&["./x"], None, "no \"./x\" beside this file"),
            (&["sh", "a.py"], Some(&["c.py"][..]), "files that can be read: c.py"),
        ] {
            let error = of(command, files).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
