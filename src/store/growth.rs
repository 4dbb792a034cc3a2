//! Room for the next commit, made sure of before the database sees it.
//!
//! sled tells a batch apart from half of one by a mark that it writes when the batch is complete. Where the disk fills
//! up in the middle it never does, and after a restart the half is there. So a commit is offered to sled only once the
//! blocks that its file may grow by belong to that file, and the disk has as much again for what sled keeps beside it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// What a commit may cost beyond its own bytes: pages are written anew when they have changed often enough, and the file
/// grows by segments of 512 kB.
const SPARE_BYTES: u64 = 1024 * 1024;
/// Its own bytes count so many times, since a page that holds a changed value may be written as a whole.
const FACTOR: u64 = 3;

/// The file that grows.
#[derive(Debug)]
pub(super) struct Growth {
    file: File,
    /// Its length when room was last made,
    length: u64,
    /// and how far it may grow without asking again.
    reserved: u64,
}

impl Growth {
    /// Of the database's file at `path`.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::options().write(true).open(path)?, length: 0, reserved: 0 })
    }

    /// Makes room for a commit of so many bytes.
    ///
    /// # Errors
    /// What the system says: the disk has no space, or the file may not grow as far.
    pub(super) fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let need = FACTOR * bytes + SPARE_BYTES;
        let length = self.file.metadata()?.len();
        // A file that was cut gave back what was reserved behind its end.
        if length >= self.length && length + need <= self.reserved {
            return Ok(());
        }
        if getrlimit(Resource::Fsize).current.is_some_and(|most| length + need > most) {
            return Err(Errno::FBIG.into());
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, length, need) {
            Ok(()) => (self.length, self.reserved) = (length, length + need),
            // This file system reserves nothing; what is free of it is looked at below.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        let disk = rustix::fs::fstatvfs(&self.file)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < need { Err(Errno::NOSPC.into()) } else { Ok(()) }
    }
}

/// Free space for us on the disk of `path`, in MB of 1,000,000 bytes; `None` where the system does not tell.
#[must_use]
pub fn free_disk_mb(path: &Path) -> Option<u64> {
    let stat = statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_reserved_behind_the_end_and_again_after_a_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        std::fs::write(&path, [7; 10_000]).unwrap();
        let mut growth = Growth::of(&path).unwrap();
        growth.reserve(1_000).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 10_000, "its length stays");
        let reserved = growth.reserved;
        assert!(reserved == 0 || reserved >= 10_000 + SPARE_BYTES);
        growth.reserve(1_000).unwrap();
        assert_eq!(growth.reserved, reserved, "the room is there");
        File::options().write(true).open(&path).unwrap().set_len(5_000).unwrap();
        growth.reserve(1_000).unwrap();
        assert!(reserved == 0 || growth.length == 5_000, "it was asked for again");
        growth.reserve(u64::MAX / 8).unwrap_err();
    }
}
