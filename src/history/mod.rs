//! Past prices: what training learns from.
//!
//! A data set is one series of bars of one market, as it lies in `data/history/<source>/<symbol>/<interval>/`, with a
//! manifest beside it that says where it came from. Whatever the source, a data set gives two-sided bars of the same
//! definition that the live resampler makes; one that knows trades alone is given the spread that its manifest records.
//!
//! [`load`] is all that a reader needs; [`Folder`] is what writes.

pub mod csv;
mod files;
pub mod ig;
mod manifest;
#[cfg(feature = "parquet")]
mod parquet;
mod spans;
mod table;
pub mod yahoo;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::files::{Folder, Format};
pub use self::manifest::{Adjustment, Fetched, Gap, Gaps, MANIFEST_VERSION, Manifest, Sides, TimeSpan};
pub use self::table::{Rows, TradeRow};
use crate::domain::{Ohlc, UtcMicros};

/// One bar of the past, two-sided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HistoryBar {
    /// Its first moment; its end is one length of bar later.
    pub start: UtcMicros,
    /// The bid.
    pub bid: Ohlc,
    /// The offer.
    pub offer: Ohlc,
    /// How many quotes it was made of; 0 where the source does not say.
    pub quotes: u32,
}

/// One series of bars with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// Where it came from and what it holds.
    pub manifest: Manifest,
    /// In order of start, each start once.
    pub bars: Vec<HistoryBar>,
}

/// Why a data set cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// There is none: wrong usage.
    #[error("no data set {name}: {}", hint(.known))]
    NotThere {
        /// What was asked for.
        name: String,
        /// The data sets that there are.
        known: Vec<String>,
    },
    /// A part of a name that cannot be a folder: wrong usage.
    #[error(
        "{name:?} cannot name a data set: want at most 64 characters, none of them blank or a slash, no dot in front"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// A file cannot be read.
    #[error("{file}: cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// A file cannot be written.
    #[error("{file}: cannot be written: {why}")]
    Write {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// The manifest says something else than a manifest says.
    #[error("{file}: no manifest of a data set: {why}")]
    Manifest {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The data are not those that the manifest was written for.
    #[error("{file} was changed: its SHA-256 is {got}, its manifest says {want}; fetch it again")]
    Changed {
        /// The data file.
        file: String,
        /// What the manifest says.
        want: String,
        /// What the file has.
        got: String,
    },
    /// The data file is none, although it is the one that the manifest was written for.
    #[error("{file}:{line}: {why}")]
    Damaged {
        /// The data file.
        file: String,
        /// The line, from 1, the header included.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The spread of the manifest leaves no bid above zero: wrong usage.
    #[error("a spread of {spread} is too wide for the price {price} at {time}")]
    Spread {
        /// The spread.
        spread: String,
        /// The lowest price.
        price: String,
        /// When.
        time: UtcMicros,
    },
    /// This program was built without what the data need: wrong usage.
    #[error("{what} needs the cargo feature {feature}, which this program was built without")]
    Feature {
        /// What was asked for.
        what: String,
        /// The feature.
        feature: &'static str,
    },
    /// Somebody else is writing it.
    #[error("the data set {name} is being fetched by another process; wait for it, or end it")]
    Locked {
        /// Its name.
        name: String,
    },
}

fn hint(known: &[String]) -> String {
    if known.is_empty() { "there is none yet; make one with `arena fetch`".to_owned() } else { known.join(", ") }
}

impl HistoryError {
    /// Whether the user named the wrong thing (exit code 2), not the right thing that then failed (1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotThere { .. } | Self::Name { .. } | Self::Spread { .. } | Self::Feature { .. })
    }
}

/// Where the data sets of a data folder lie.
#[must_use]
pub fn root(data: &Path) -> PathBuf {
    data.join("history")
}

/// Reads a data set by its folder or its manifest, and proves it against its manifest.
///
/// # Errors
/// [`HistoryError`]; a data file whose SHA-256 is another than its manifest's is [`HistoryError::Changed`].
pub fn load(path: &Path) -> Result<DataSet, HistoryError> {
    let dir = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let (manifest, rows) = files::read(dir)?;
    let bars = rows.two_sided(&manifest)?;
    Ok(DataSet { manifest, bars })
}

/// The folder of the data set called `name` (`yahoo/CL=F/1m`) below the data folder `data`; a path that holds a data
/// set is taken as it is.
///
/// # Errors
/// [`HistoryError::NotThere`] with the names that there are.
pub fn find(data: &Path, name: &str) -> Result<PathBuf, HistoryError> {
    let below = root(data).join(name);
    let is_inside =
        !name.is_empty() && Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if is_inside && files::is_data_set(&below) {
        return Ok(below);
    }
    let direct = Path::new(name);
    if !name.is_empty() && files::is_data_set(if direct.is_dir() { direct } else { direct.parent().unwrap_or(direct) })
    {
        return Ok(direct.to_owned());
    }
    let known = list(data)?.iter().map(Manifest::name).collect();
    Err(HistoryError::NotThere { name: name.to_owned(), known })
}

/// The manifest of a data set by its folder. The data themselves are not looked at.
///
/// # Errors
/// [`HistoryError::Unreadable`], [`HistoryError::Manifest`].
pub fn manifest(dir: &Path) -> Result<Manifest, HistoryError> {
    files::read_manifest(dir)
}

/// The manifests of all data sets below the data folder `data`, in order of name. The data themselves are not looked at.
///
/// # Errors
/// [`HistoryError::Unreadable`], [`HistoryError::Manifest`].
pub fn list(data: &Path) -> Result<Vec<Manifest>, HistoryError> {
    let mut found = Vec::new();
    for source in files::folders(&root(data))? {
        for symbol in files::folders(&source)? {
            for interval in files::folders(&symbol)? {
                if files::is_data_set(&interval) {
                    found.push(files::read_manifest(&interval)?);
                }
            }
        }
    }
    found.sort_by_key(Manifest::name);
    Ok(found)
}

/// SHA-256 of a file, 64 hexadecimal digits.
///
/// # Errors
/// [`HistoryError::Unreadable`].
pub fn hash_of_file(path: &Path) -> Result<String, HistoryError> {
    files::hash_of_file(path)
}

#[cfg(test)]
mod tests;
