//! How far each channel has told the journal: a small file beside the store, replaced whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::journal::Place;

/// The file in the data folder.
const NAME: &str = "notify.json";

/// See the module.
#[derive(Debug)]
pub(super) struct Told {
    file: PathBuf,
    places: Mutex<BTreeMap<String, Place>>,
}

impl Told {
    /// What an earlier process noted below `data`; nothing where there is no such note.
    ///
    /// # Errors
    /// What is wrong with the file, in a sentence.
    pub(super) fn open(data: &Path) -> Result<Self, String> {
        let file = data.join(NAME);
        let places = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                format!("{}: {error}; remove it, and what was journalled so far is told no more", file.display())
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        Ok(Self { file, places: Mutex::new(places) })
    }

    fn places(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins in a store that ends at `end`: a channel that is new tells nothing of what was before it, and one that is
    /// ahead of its store has lost the end of it.
    pub(super) fn begin(&self, channels: &[&'static str], end: &Place) {
        let mut places = self.places();
        for channel in channels {
            let place = places.entry((*channel).to_owned()).or_insert(*end);
            *place = place.least(end);
        }
        self.write(&places);
    }

    /// Where a channel is.
    pub(super) fn place(&self, channel: &str) -> Place {
        self.places().get(channel).copied().unwrap_or_default()
    }

    /// Notes what a channel has told.
    pub(super) fn reach(&self, channel: &str, to: &Place) {
        let mut places = self.places();
        let place = places.entry(channel.to_owned()).or_default();
        let before = *place;
        place.reach_all(to);
        if *place != before {
            self.write(&places);
        }
    }

    /// A disk that is full costs a message told twice after the next start, and nothing else.
    fn write(&self, places: &BTreeMap<String, Place>) {
        let write = || -> std::io::Result<()> {
            let unfinished = self.file.with_extension("new");
            let mut file = File::create(&unfinished)?;
            file.write_all(&serde_json::to_vec(places)?)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &self.file)
        };
        if let Err(error) = write() {
            tracing::warn!(file = %self.file.display(), %error, "what was told may be told again after the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::journal::Source;

    #[test]
    fn places_survive_the_process_and_a_shorter_store() {
        let dir = tempfile::tempdir().unwrap();
        let place = |end| {
            let mut place = Place::default();
            place.reach(Source::Desk, end);
            place
        };
        let told = Told::open(dir.path()).unwrap();
        told.begin(&["webhook"], &place(10));
        told.reach("webhook", &place(30));
        told.reach("webhook", &place(20));
        let told = Told::open(dir.path()).unwrap();
        assert_eq!((told.place("webhook"), told.place("email")), (place(30), Place::default()));
        told.begin(&["webhook", "email"], &place(25));
        let told = Told::open(dir.path()).unwrap();
        assert_eq!((told.place("webhook"), told.place("email")), (place(25), place(25)));
        std::fs::write(dir.path().join(NAME), "{").unwrap();
        assert!(Told::open(dir.path()).unwrap_err().contains("remove it"));
    }
}
