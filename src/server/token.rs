//! The token that every command needs: from the environment, or made at the first run and kept beside the data.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The environment variable that goes before the file.
const VARIABLE: &str = "ARENA_TOKEN";
/// The file in the data folder.
const FILE: &str = "arena.token";
/// Random bytes in a token that we make.
const TOKEN_BYTES: usize = 32;
/// A file longer than this is no token.
const TOKEN_CHARS_MAX: u64 = 4_096;

/// The token: `ARENA_TOKEN`, else what `arena.token` in `data_dir` holds, which is made where it is absent with
/// randomness of the operating system, readable by its owner alone.
///
/// # Errors
/// When the file can neither be read nor made, is empty or too long; names the file.
pub fn token(data_dir: &Path) -> io::Result<String> {
    match std::env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => from_file(&data_dir.join(FILE)),
    }
}

/// The token that is already there, for a command that talks to a running arena; `None` where there is none.
///
/// # Errors
/// When the file exists and cannot be read, is empty or too long; names the file.
pub fn existing_token(data_dir: &Path) -> io::Result<Option<String>> {
    if let Ok(text) = std::env::var(VARIABLE)
        && !text.trim().is_empty()
    {
        return Ok(Some(text.trim().to_owned()));
    }
    let path = data_dir.join(FILE);
    match File::open(&path) {
        Ok(file) => read(file, &path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(about(&path, &error)),
    }
}

fn from_file(path: &Path) -> io::Result<String> {
    match File::open(path) {
        Ok(file) => read(file, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(about(path, &error)),
    }
}

fn read(file: File, path: &Path) -> io::Result<String> {
    let is_open_to_others = file.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    if is_open_to_others {
        tracing::warn!(path = %path.display(), "the token can be read by others than its owner");
    }
    let mut text = String::new();
    file.take(TOKEN_CHARS_MAX + 1).read_to_string(&mut text).map_err(|error| about(path, &error))?;
    let token = text.trim();
    if token.is_empty() || text.len() as u64 > TOKEN_CHARS_MAX {
        let what = if token.is_empty() { "is empty" } else { "is too long" };
        let text = format!("{} {what}: delete it and a new token is made", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(token.to_owned())
}

fn make(path: &Path) -> io::Result<String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| about(folder, &error))?;
    }
    let mut bytes = [0_u8; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(format!("{token}\n").as_bytes())?;
            file.sync_all()?;
            Ok(token)
        }
        // Another process was faster; its token holds.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(File::open(path)?, path),
        Err(error) => Err(about(path, &error)),
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_makes_a_token_that_later_runs_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper").join(FILE);
        let made = from_file(&path).unwrap();
        assert_eq!(made.len(), 2 * TOKEN_BYTES);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(from_file(&path).unwrap(), made);
        let other = from_file(&folder.path().join(FILE)).unwrap();
        assert_ne!(other, made);
    }

    #[test]
    fn an_empty_or_endless_file_is_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, " \n").unwrap();
        assert!(from_file(&path).unwrap_err().to_string().contains("is empty"));
        std::fs::write(&path, "x".repeat(5_000)).unwrap();
        assert!(from_file(&path).unwrap_err().to_string().contains("is too long"));
    }
}
