//! How a version comes into being: beside its place, flushed, then renamed; and how an alias moves.
//!
//! One lock per name, held by the system and so given back by a process that dies, orders everybody who writes: the
//! next number is free, and whatever stands beside the versions while one holds it was left behind by the dead.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::reference::{ALIASES, is_name};
use super::{ALIAS_FILE, BadReference, CARD_FILE, Card, MODEL_FILE, Registry, RegistryError, Resolved, hash_of};

/// Orders the writers of one name; its text is the highest number that was given.
const LOCK_FILE: &str = ".lock";
/// What is being written begins with this, and so is no version.
const UNFINISHED: &str = ".new-";

impl Registry {
    /// Registers `artefact` under the name on its card as the next version, durably.
    ///
    /// # Errors
    /// [`RegistryError::Unwritable`], and nothing is left behind; [`RegistryError::Malformed`] for a card that is not
    /// of this artefact.
    pub fn register(&self, card: &Card, artefact: &[u8]) -> Result<Resolved, RegistryError> {
        if !is_name(&card.name) {
            return Err(BadReference::Name(card.name.clone()).into());
        }
        let home = self.folder().join(&card.name);
        if card.artefact != hash_of(artefact) || card.identity != card.identity_of() {
            return Err(RegistryError::malformed(&home, "the card is not that of the artefact"));
        }
        let text = card.to_text().map_err(|e| RegistryError::malformed(&home, e))?;
        make_folder(&home)?;
        let mut lock = Lock::of(&home)?;
        clear_away(&home)?;
        let version = lock.last.max(self.versions(&card.name)?.last().copied().unwrap_or(0)) + 1;
        let unfinished = home.join(format!("{UNFINISHED}{version}"));
        let folder = home.join(version.to_string());
        let written = write_version(&unfinished, &text, artefact)
            .and_then(|()| fs::rename(&unfinished, &folder).map_err(|e| RegistryError::unwritable(&folder, e)));
        if let Err(e) = written {
            // What cannot be removed now is cleared away by the next who registers.
            drop(fs::remove_dir_all(&unfinished));
            return Err(e);
        }
        flush(&home)?;
        // The version stands; where this fails, the number is merely not remembered beyond the folder's own life.
        drop(lock.note(version));
        Ok(Resolved { name: card.name.clone(), version, artefact: card.artefact, card: card.clone(), folder })
    }

    /// Points `alias` of `name` at `version`, or takes it away.
    ///
    /// # Errors
    /// [`RegistryError::Missing`] where there is no such version, [`BadReference::Selector`] for another word,
    /// [`RegistryError::Unwritable`].
    pub fn set_alias(&self, name: &str, alias: &str, version: Option<u32>) -> Result<(), RegistryError> {
        if !ALIASES.contains(&alias) {
            return Err(BadReference::Selector(alias.to_owned()).into());
        }
        let home = self.folder().join(name);
        let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        self.resolve(&wanted)?;
        let _lock = Lock::of(&home)?;
        let mut aliases = self.aliases(name)?;
        match version {
            Some(version) => aliases.insert(alias.to_owned(), version),
            None => aliases.remove(alias),
        };
        let path = home.join(ALIAS_FILE);
        let text = toml::to_string(&aliases).map_err(|e| RegistryError::malformed(&path, e))?;
        let unfinished = home.join(format!("{UNFINISHED}{ALIAS_FILE}"));
        let text = format!(
            "# For people: an arena pins the version that an alias led to when it read its configuration.\n{text}"
        );
        write_file(&unfinished, text.as_bytes(), false)?;
        fs::rename(&unfinished, &path).map_err(|e| RegistryError::unwritable(&path, e))?;
        flush(&home)
    }
}

/// The lock of one name, until it is dropped.
struct Lock {
    file: File,
    /// The highest number that was given, as far as it was noted.
    last: u32,
}

impl Lock {
    fn of(home: &Path) -> Result<Self, RegistryError> {
        let path = home.join(LOCK_FILE);
        let taken = || -> io::Result<Self> {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            file.lock()?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(Self { file, last: text.trim().parse().unwrap_or(0) })
        };
        taken().map_err(|e| RegistryError::unwritable(&path, e))
    }

    fn note(&mut self, version: u32) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(format!("{version}\n").as_bytes())
    }
}

pub(super) fn make_folder(folder: &Path) -> Result<(), RegistryError> {
    fs::create_dir_all(folder).map_err(|e| RegistryError::unwritable(folder, e))
}

/// Removes what a process that died was writing.
fn clear_away(home: &Path) -> Result<(), RegistryError> {
    for name in super::entries(home)?.into_iter().filter(|name| name.starts_with(UNFINISHED)) {
        let path = home.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|e| RegistryError::unwritable(&path, e))?;
    }
    Ok(())
}

fn write_version(folder: &Path, card: &str, artefact: &[u8]) -> Result<(), RegistryError> {
    make_folder(folder)?;
    write_file(&folder.join(MODEL_FILE), artefact, true)?;
    write_file(&folder.join(CARD_FILE), card.as_bytes(), true)?;
    flush(folder)
}

pub(super) fn write_file(path: &Path, bytes: &[u8], is_final: bool) -> Result<(), RegistryError> {
    let written = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        if is_final {
            let mut permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)?;
        }
        file.sync_all()
    };
    written().map_err(|e| RegistryError::unwritable(path, e))
}

/// Makes the names in a folder durable.
pub(super) fn flush(folder: &Path) -> Result<(), RegistryError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| RegistryError::unwritable(folder, e))
}
