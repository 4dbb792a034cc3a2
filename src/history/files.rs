//! A data set on the disk: its folder, its lock, and a change of data and manifest that no kill can tear apart.
//!
//! Two files have to change together. So the manifest of the new data is laid beside the old one first, then the data
//! get their name, then the manifest does. Whoever reads in between takes the manifest that the data belong to.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{HistoryError, Manifest, Rows};
use crate::domain::Resolution;

const MANIFEST: &str = "manifest.toml";
/// The manifest of data that are about to get their name.
const NEXT: &str = "manifest.next.toml";
const LOCK: &str = ".lock";

/// In which form a data file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text, `bars.csv`.
    #[default]
    Csv,
    /// Columns, `bars.parquet`; needs the cargo feature `parquet`.
    Parquet,
}

impl Format {
    /// The name of the data file.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Csv => "bars.csv",
            Self::Parquet => "bars.parquet",
        }
    }

    fn of(file: &str) -> Option<Self> {
        [Self::Csv, Self::Parquet].into_iter().find(|format| format.file() == file)
    }

    /// Whether this program can write and read it.
    ///
    /// # Errors
    /// [`HistoryError::Feature`].
    pub fn check(self) -> Result<(), HistoryError> {
        match self {
            #[cfg(not(feature = "parquet"))]
            Self::Parquet => Err(without_parquet()),
            _ => Ok(()),
        }
    }
}

/// The folder of one data set, held by its lock against other writers.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    /// Let go by the system, however this process ends.
    lock: File,
}

impl Folder {
    /// Makes the folder of `source/symbol/interval` below the data folder `data`, and takes its lock.
    ///
    /// # Errors
    /// [`HistoryError::Name`], [`HistoryError::Locked`], [`HistoryError::Write`].
    pub fn open(data: &Path, source: &str, symbol: &str, interval: Resolution) -> Result<Self, HistoryError> {
        for part in [source, symbol] {
            if !is_fit(part) {
                return Err(HistoryError::Name { name: part.to_owned() });
            }
        }
        let dir = super::root(data).join(source).join(symbol).join(interval.to_string());
        fs::create_dir_all(&dir).map_err(|e| cannot_write(&dir, &e))?;
        let path = dir.join(LOCK);
        let lock = File::create(&path).map_err(|e| cannot_write(&path, &e))?;
        let locked = || HistoryError::Locked { name: format!("{source}/{symbol}/{interval}") };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked()),
            Err(TryLockError::Error(e)) => return Err(cannot_write(&path, &e)),
        }
        // Whoever held it may have left the folder, lock and all, between our opening and our locking.
        let ours = lock.metadata().map_err(|e| cannot_write(&path, &e))?;
        match fs::metadata(&path) {
            Ok(found) if found.ino() == ours.ino() => Ok(Self { dir, lock }),
            _ => Err(locked()),
        }
    }

    /// Lets the folder go. One that nothing was stored in is not left behind.
    pub fn leave(self) {
        if is_data_set(&self.dir) {
            return;
        }
        drop(fs::remove_file(self.dir.join(LOCK)));
        // The folders of interval, symbol and source, as far as they are empty; what is not says so and stays.
        for dir in self.dir.ancestors().take(3) {
            if fs::remove_dir(dir).is_err() {
                break;
            }
        }
        drop(self.lock);
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// What is there already, proved against its manifest; `None` where nothing was stored yet.
    ///
    /// # Errors
    /// Those of [`super::load`].
    pub fn read(&self) -> Result<Option<(Manifest, Rows)>, HistoryError> {
        if is_data_set(&self.dir) { read(&self.dir).map(Some) } else { Ok(None) }
    }

    /// Replaces data and manifest. `manifest.file`, `sha256`, `sides`, `rows`, `from`, `to`, `gaps` and
    /// `price_decimals` are set to what the rows say.
    ///
    /// # Errors
    /// [`HistoryError::Write`], [`HistoryError::Feature`]; what was there then stays.
    ///
    /// # Panics
    /// Without a row.
    pub fn store(&self, manifest: &mut Manifest, rows: &Rows, format: Format) -> Result<(), HistoryError> {
        let starts = rows.starts();
        let (first, last) = starts.first().zip(starts.last()).expect("a data set has a bar");
        let bytes = encoded(rows, manifest.interval, format)?;
        format.file().clone_into(&mut manifest.file);
        manifest.sha256 = hex_of(&bytes);
        manifest.sides = rows.sides();
        manifest.rows = starts.len() as u64;
        (manifest.from, manifest.to) = (*first, *last + manifest.length());
        manifest.gaps = super::Gaps::between(starts.iter().copied(), manifest.interval);
        manifest.price_decimals = rows.decimals();
        let text = toml::to_string(manifest).map_err(|e| HistoryError::Write {
            file: self.dir.join(MANIFEST).display().to_string(),
            why: e.to_string(),
        })?;

        let data = self.dir.join(format.file());
        let partial = self.dir.join(format!("{}.partial", format.file()));
        let next = self.dir.join(NEXT);
        let next_partial = self.dir.join("manifest.partial");
        self.settle()?;
        write_durably(&partial, &bytes)?;
        write_durably(&next_partial, text.as_bytes())?;
        rename(&next_partial, &next)?;
        rename(&partial, &data)?;
        self.sync()?;
        rename(&next, &self.dir.join(MANIFEST))?;
        self.sync()?;
        // A change of format leaves the data of the other one behind.
        for other in [Format::Csv, Format::Parquet].into_iter().filter(|other| *other != format) {
            let path = self.dir.join(other.file());
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(cannot_write(&path, &e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends a change that was cut off between data and manifest.
    fn settle(&self) -> Result<(), HistoryError> {
        let (next, manifest) = (self.dir.join(NEXT), self.dir.join(MANIFEST));
        if !next.exists() {
            return Ok(());
        }
        if read_next(&self.dir)?.is_some() {
            return rename(&next, &manifest);
        }
        fs::remove_file(&next).map_err(|e| cannot_write(&next, &e))
    }

    fn sync(&self) -> Result<(), HistoryError> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(|e| cannot_write(&self.dir, &e))
    }
}

/// Whether `part` can be the name of a folder, and read in a command line.
fn is_fit(part: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '/' | '\\');
    !part.is_empty() && part.chars().count() <= 64 && !part.starts_with('.') && part.chars().all(is_plain)
}

/// Whether a manifest lies there.
pub(super) fn is_data_set(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file() || matches!(read_next(dir), Ok(Some(_)))
}

/// The folders inside of `dir`, in order of name; none where it is not there.
pub(super) fn folders(dir: &Path) -> Result<Vec<PathBuf>, HistoryError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(cannot_read(dir, &e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| cannot_read(dir, &e))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The manifest alone.
pub(super) fn read_manifest(dir: &Path) -> Result<Manifest, HistoryError> {
    if let Some(next) = read_next(dir)? {
        return Ok(next);
    }
    parse_manifest(&dir.join(MANIFEST))
}

/// Manifest and rows, proved against one another.
pub(super) fn read(dir: &Path) -> Result<(Manifest, Rows), HistoryError> {
    let manifest = read_manifest(dir)?;
    let (format, path) = data_file(dir, &manifest)?;
    format.check()?;
    // One handle for the hash and for the rows, so that both are of the same file whatever is renamed meanwhile.
    let mut opened = File::open(&path).map_err(|e| cannot_read(&path, &e))?;
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).map_err(|e| cannot_read(&path, &e))?;
    let got = hex_of(&bytes);
    let file = path.display().to_string();
    if got != manifest.sha256 {
        return Err(HistoryError::Changed { file, want: manifest.sha256, got });
    }
    let rows = decoded(opened, &bytes, &manifest, format).map_err(|(line, why)| HistoryError::Damaged {
        file: file.clone(),
        line,
        why,
    })?;
    if rows.is_empty() || rows.len() as u64 != manifest.rows {
        let why = format!("{} rows, its manifest says {}", rows.len(), manifest.rows);
        return Err(HistoryError::Damaged { file, line: 1, why });
    }
    Ok((manifest, rows))
}

/// The manifest of a change that was cut off, where the data already are the new ones.
fn read_next(dir: &Path) -> Result<Option<Manifest>, HistoryError> {
    let next = dir.join(NEXT);
    if !next.is_file() {
        return Ok(None);
    }
    let manifest = parse_manifest(&next)?;
    let (_, path) = data_file(dir, &manifest)?;
    match fs::read(&path) {
        Ok(bytes) => Ok((hex_of(&bytes) == manifest.sha256).then_some(manifest)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(cannot_read(&path, &e)),
    }
}

fn data_file(dir: &Path, manifest: &Manifest) -> Result<(Format, PathBuf), HistoryError> {
    // Only these names: a manifest must not lead out of its folder.
    let format = Format::of(&manifest.file).ok_or_else(|| HistoryError::Manifest {
        file: dir.join(MANIFEST).display().to_string(),
        why: format!("file is {:?}, want bars.csv or bars.parquet", manifest.file),
    })?;
    Ok((format, dir.join(format.file())))
}

fn parse_manifest(path: &Path) -> Result<Manifest, HistoryError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(HistoryError::NotThere { name: path.display().to_string(), known: Vec::new() });
        }
        Err(e) => return Err(cannot_read(path, &e)),
    };
    let bad = |why: String| HistoryError::Manifest { file: path.display().to_string(), why };
    let manifest: Manifest = toml::from_str(&text).map_err(|e| bad(e.message().to_owned()))?;
    if manifest.version != super::MANIFEST_VERSION {
        return Err(bad(format!("version {}, want {}", manifest.version, super::MANIFEST_VERSION)));
    }
    if !(0..=super::table::PRICE_MAX.micros()).contains(&manifest.spread.micros()) {
        return Err(bad(format!("spread is {}, want 0 or more and no more than a price", manifest.spread)));
    }
    Ok(manifest)
}

fn encoded(rows: &Rows, interval: Resolution, format: Format) -> Result<Vec<u8>, HistoryError> {
    format.check()?;
    match format {
        Format::Csv => Ok(rows.to_csv(interval).into_bytes()),
        #[cfg(feature = "parquet")]
        Format::Parquet => super::parquet::to_bytes(rows, interval)
            .map_err(|why| HistoryError::Write { file: format.file().to_owned(), why }),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Err(without_parquet()),
    }
}

/// What lies in `file`, whose bytes were read already.
fn decoded(file: File, bytes: &[u8], manifest: &Manifest, format: Format) -> Result<Rows, (u64, String)> {
    match format {
        Format::Csv => {
            drop(file);
            let text = std::str::from_utf8(bytes).map_err(|e| (1, e.to_string()))?;
            Rows::from_csv(text, manifest.sides, manifest.interval)
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => super::parquet::from_file(file, manifest.sides, manifest.interval).map_err(|why| (1, why)),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Err((1, without_parquet().to_string())),
    }
}

#[cfg(not(feature = "parquet"))]
fn without_parquet() -> HistoryError {
    HistoryError::Feature { what: "Parquet".to_owned(), feature: "parquet" }
}

/// SHA-256 as 64 hexadecimal digits.
pub(super) fn hex_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same of a file.
pub(super) fn hash_of_file(path: &Path) -> Result<String, HistoryError> {
    let hash = || {
        let mut hasher = Sha256::new();
        io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    };
    hash().map_err(|e: io::Error| cannot_read(path, &e))
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), HistoryError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| cannot_write(path, &e))
}

fn rename(from: &Path, to: &Path) -> Result<(), HistoryError> {
    fs::rename(from, to).map_err(|e| cannot_write(to, &e))
}

fn cannot_read(path: &Path, error: &io::Error) -> HistoryError {
    HistoryError::Unreadable { file: path.display().to_string(), why: error.to_string() }
}

fn cannot_write(path: &Path, error: &io::Error) -> HistoryError {
    HistoryError::Write { file: path.display().to_string(), why: error.to_string() }
}
