//! Pictures of a version, beside its card: for people, and for whoever sends the version on later. No seal covers them.

use std::fs;
use std::io;
use std::path::Path;

use super::RegistryError;

/// Their folder below that of the version.
pub const FOLDER: &str = "plots";

/// A file's name and its bytes.
pub type Picture = (String, Vec<u8>);

/// Writes them.
///
/// # Errors
/// [`RegistryError::Unwritable`].
pub fn keep(version: &Path, pictures: &[Picture]) -> Result<(), RegistryError> {
    let folder = version.join(FOLDER);
    let failed = |source| RegistryError::unwritable(&folder, source);
    fs::create_dir_all(&folder).map_err(failed)?;
    for (name, bytes) in pictures {
        fs::write(folder.join(name), bytes).map_err(failed)?;
    }
    Ok(())
}

/// Those that were written, sorted by name; none where there are none.
///
/// # Errors
/// [`RegistryError::Unreadable`].
pub fn kept(version: &Path) -> Result<Vec<Picture>, RegistryError> {
    let folder = version.join(FOLDER);
    let failed = |source| RegistryError::unreadable(&folder, source);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut pictures = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "svg")
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            pictures.push((name.to_owned(), fs::read(&path).map_err(failed)?));
        }
    }
    pictures.sort();
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(dir.path()).unwrap(), []);
        let pictures = vec![("a.svg".to_owned(), b"<svg/>".to_vec()), ("b.svg".to_owned(), Vec::new())];
        keep(dir.path(), &pictures).unwrap();
        fs::write(dir.path().join(FOLDER).join("note.txt"), "of somebody else").unwrap();
        assert_eq!(kept(dir.path()).unwrap(), pictures);
    }
}
