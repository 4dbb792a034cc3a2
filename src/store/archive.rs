//! A whole store as one stream of bytes, and back: what `arena backup` carries from a running arena.
//!
//! ```text
//! "arena store 1\n"
//! B lane (5 bytes) length (u32 BE) bytes         a run of whole entries, appended to its lane
//! R length (u16 BE) name length (u32 BE) bytes   a record
//! E journal hash (64 digits)                     the end, and what the journal has to come to
//! SHA-256 of everything before it
//! ```

use std::collections::BTreeSet;
use std::io::Write;

use sha2::{Digest, Sha256};

use super::retention::PROGRESS;
use super::{Commit, JournalHash, Lane, Store, StoreError, journal_hash};

const MAGIC: &[u8] = b"arena store 1\n";
const DIGEST_BYTES: usize = 32;
const HASH_DIGITS: usize = 64;
/// A commit of what is read holds about this much.
const COMMIT_BYTES: usize = 1024 * 1024;
/// No block is longer: a length beyond it is damage, and not worth waiting for.
const BLOCK_BYTES_MAX: usize = 1 << 30;

/// Writes all of `store` to `out`; the hash of its journal.
///
/// # Errors
/// Whatever reading and writing fails with.
pub fn write(store: &dyn Store, out: &mut dyn Write) -> Result<String, StoreError> {
    let mut out = Hashed { out, hash: Sha256::new() };
    out.put(&[MAGIC])?;
    let mut journal = JournalHash::default();
    for lane in store.lanes()? {
        for block in store.read(lane) {
            let block = block?;
            journal.take(lane, &block);
            let length = u32::try_from(block.len()).map_err(|_| failed("a block is too long"))?;
            out.put(&[b"B", &lane.key(), &length.to_be_bytes(), &block])?;
        }
    }
    for name in records_of(store)? {
        let value = store.record(&name)?.unwrap_or_default();
        let name_length = u16::try_from(name.len()).map_err(|_| failed("a record's name is too long"))?;
        let length = u32::try_from(value.len()).map_err(|_| failed("a record is too long"))?;
        out.put(&[b"R", &name_length.to_be_bytes(), name.as_bytes(), &length.to_be_bytes(), &value])?;
    }
    let hash = journal.finish();
    out.put(&[b"E", hash.as_bytes()])?;
    let Hashed { out, hash: digest } = out;
    out.write_all(&digest.finalize()).and_then(|()| out.flush()).map_err(failed)?;
    Ok(hash)
}

/// Copies all of `from` into `to`, a new store; the hash of the journal.
///
/// # Errors
/// Whatever reading and writing fails with; [`StoreError::Corrupt`] where the copy comes to another journal.
pub fn copy(from: &dyn Store, to: &mut dyn Store) -> Result<String, StoreError> {
    let mut target = Target::new(to);
    let mut journal = JournalHash::default();
    for lane in from.lanes()? {
        for block in from.read(lane) {
            let block = block?;
            journal.take(lane, &block);
            target.block(lane, block)?;
        }
    }
    for name in records_of(from)? {
        let value = from.record(&name)?.unwrap_or_default();
        target.record(name, value)?;
    }
    target.finish(&journal.finish())
}

/// Every record but the one that goes by the numbers of blocks, which a copy counts anew.
fn records_of(store: &dyn Store) -> Result<impl Iterator<Item = String>, StoreError> {
    Ok(store.records()?.into_iter().filter(|name| name != PROGRESS))
}

fn failed(why: impl std::fmt::Display) -> StoreError {
    StoreError::Io(why.to_string())
}

/// A writer that digests what goes through it.
struct Hashed<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Hashed<'_> {
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), StoreError> {
        for part in parts {
            self.hash.update(part);
            self.out.write_all(part).map_err(failed)?;
        }
        Ok(())
    }
}

/// A new store in the making.
struct Target<'a> {
    to: &'a mut dyn Store,
    commit: Commit,
    bytes: usize,
    lanes: BTreeSet<Lane>,
}

impl<'a> Target<'a> {
    fn new(to: &'a mut dyn Store) -> Self {
        Self { to, commit: Commit::default(), bytes: 0, lanes: BTreeSet::new() }
    }

    fn block(&mut self, lane: Lane, block: Vec<u8>) -> Result<(), StoreError> {
        // What one commit appends to a lane becomes one block: blocks stay as small as they were.
        if !self.lanes.insert(lane) || self.bytes > COMMIT_BYTES {
            self.commit()?;
            self.lanes.insert(lane);
        }
        self.bytes += block.len();
        self.commit.append(lane, block);
        Ok(())
    }

    fn record(&mut self, name: String, value: Vec<u8>) -> Result<(), StoreError> {
        self.bytes += value.len();
        self.commit.records.push((name, value));
        if self.bytes > COMMIT_BYTES { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.lanes.clear();
        self.bytes = 0;
        self.to.commit(std::mem::take(&mut self.commit))
    }

    fn finish(mut self, want: &str) -> Result<String, StoreError> {
        self.commit()?;
        self.to.flush()?;
        let got = journal_hash(self.to)?;
        if got == want {
            return Ok(got);
        }
        let why = format!("its journal comes to {got} and not to {want}");
        Err(StoreError::Corrupt { lane: "the copy".to_owned(), why })
    }
}

/// Reads a stream of [`write()`] as it comes, into a new store.
pub struct Unpack<'a> {
    target: Target<'a>,
    /// What has come and is no whole part yet.
    rest: Vec<u8>,
    hash: Sha256,
    has_begun: bool,
    /// What the journal has to come to, once the end has come.
    journal: Option<String>,
}

impl std::fmt::Debug for Unpack<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpack").field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// One part of the stream.
enum Part<'a> {
    Block(Lane, &'a [u8]),
    Record(&'a str, &'a [u8]),
    End(&'a str),
}

impl<'a> Unpack<'a> {
    /// Into `to`, which is empty.
    pub fn new(to: &'a mut dyn Store) -> Self {
        Self { target: Target::new(to), rest: Vec::new(), hash: Sha256::new(), has_begun: false, journal: None }
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it is no such stream; what the store fails with.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.rest.extend_from_slice(bytes);
        let mut from = 0;
        if !self.has_begun {
            if self.rest.len() < MAGIC.len() {
                return Ok(());
            }
            if !self.rest.starts_with(MAGIC) {
                return Err(corrupt("it does not begin as a backup of this version"));
            }
            from = MAGIC.len();
            self.has_begun = true;
        }
        while self.journal.is_none()
            && let Some((part, length)) = parse(&self.rest[from..])?
        {
            match part {
                Part::Block(lane, block) => self.target.block(lane, block.to_vec())?,
                Part::Record(name, value) => self.target.record(name.to_owned(), value.to_vec())?,
                Part::End(journal) => self.journal = Some(journal.to_owned()),
            }
            from += length;
        }
        self.hash.update(&self.rest[..from]);
        self.rest.drain(..from);
        Ok(())
    }

    /// Ends the store; the hash of its journal.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the stream broke off or does not come to what it says.
    pub fn finish(self) -> Result<String, StoreError> {
        let Some(journal) = self.journal else { return Err(corrupt("it broke off")) };
        if self.rest.len() != DIGEST_BYTES || self.rest != self.hash.finalize()[..] {
            return Err(corrupt("its bytes are not those that were sent"));
        }
        self.target.finish(&journal)
    }
}

fn corrupt(why: &str) -> StoreError {
    StoreError::Corrupt { lane: "the backup".to_owned(), why: why.to_owned() }
}

/// The part at the beginning of `bytes` and its length; `None` where not all of it has come.
fn parse(bytes: &[u8]) -> Result<Option<(Part<'_>, usize)>, StoreError> {
    fn u32_of(bytes: &[u8]) -> Option<(usize, &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*head) as usize, rest))
    }
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    match kind {
        b'B' => {
            let Some((key, rest)) = rest.split_first_chunk::<5>() else { return Ok(None) };
            let lane = Lane::from_key(key).ok_or_else(|| corrupt("a lane that this version does not know"))?;
            let Some((length, rest)) = u32_of(rest) else { return Ok(None) };
            if length > BLOCK_BYTES_MAX {
                return Err(corrupt("a block is longer than any"));
            }
            Ok(rest.get(..length).map(|block| (Part::Block(lane, block), 10 + length)))
        }
        b'R' => {
            let Some((head, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            let name_length = usize::from(u16::from_be_bytes(*head));
            let Some((name, rest)) = rest.split_at_checked(name_length) else { return Ok(None) };
            let name = std::str::from_utf8(name).map_err(|_| corrupt("a record's name is no text"))?;
            let Some((length, rest)) = u32_of(rest) else { return Ok(None) };
            if length > BLOCK_BYTES_MAX {
                return Err(corrupt("a record is longer than any"));
            }
            Ok(rest.get(..length).map(|value| (Part::Record(name, value), 7 + name_length + length)))
        }
        b'E' => {
            let Some(hash) = rest.get(..HASH_DIGITS) else { return Ok(None) };
            let hash = std::str::from_utf8(hash).map_err(|_| corrupt("its end is no text"))?;
            Ok(Some((Part::End(hash), 1 + HASH_DIGITS)))
        }
        _ => Err(corrupt("a part of no kind that this version knows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;
    use crate::store::entry::encode;

    fn store() -> Memory {
        let mut store = Memory::default();
        for n in 0..30 {
            let mut commit = Commit::default();
            for lane in [Lane::Session, Lane::Quotes(1), Lane::Seat(7), Lane::Audit] {
                let mut bytes = Vec::new();
                encode(&format!("{lane:?} {n}"), &mut bytes);
                commit.append(lane, bytes);
            }
            commit.records.push((format!("record/{}", n % 3), vec![n; 5]));
            store.commit(commit).expect("memory");
        }
        store
    }

    #[test]
    fn a_store_comes_back_however_its_bytes_come() {
        let from = store();
        let mut bytes = Vec::new();
        let hash = write(&from, &mut bytes).expect("memory");
        for piece in [1, 7, 64, bytes.len()] {
            let mut to = Memory::default();
            let mut unpack = Unpack::new(&mut to);
            bytes.chunks(piece).for_each(|chunk| unpack.push(chunk).expect("a whole stream"));
            assert_eq!(unpack.finish().expect("a whole stream"), hash, "{piece}");
            assert_eq!(journal_hash(&to).expect("memory"), journal_hash(&from).expect("memory"));
            assert_eq!(to.records().expect("memory"), from.records().expect("memory"));
            let quotes =
                |of: &Memory| of.read(Lane::Quotes(1)).map(|b| b.expect("memory")).collect::<Vec<_>>().concat();
            assert_eq!(quotes(&to), quotes(&from), "raw quotes are in it too");
        }
        let mut to = Memory::default();
        assert_eq!(copy(&from, &mut to).expect("memory"), hash);
    }

    #[test]
    fn what_goes_by_numbers_of_blocks_stays_behind() {
        let mut from = store();
        let records = vec![(PROGRESS.to_owned(), b"{}".to_vec())];
        from.commit(Commit { blocks: Vec::new(), records }).expect("memory");
        let (mut bytes, mut copied, mut unpacked) = (Vec::new(), Memory::default(), Memory::default());
        write(&from, &mut bytes).expect("memory");
        copy(&from, &mut copied).expect("memory");
        let mut unpack = Unpack::new(&mut unpacked);
        unpack.push(&bytes).and_then(|()| unpack.finish()).expect("a whole stream");
        for to in [copied, unpacked] {
            assert_eq!(to.record(PROGRESS).expect("memory"), None);
            assert_eq!(to.records().expect("memory").len() + 1, from.records().expect("memory").len());
        }
    }

    #[test]
    fn what_is_cut_or_altered_is_no_backup() {
        let mut bytes = Vec::new();
        write(&store(), &mut bytes).expect("memory");
        let read = |bytes: &[u8]| {
            let mut to = Memory::default();
            let mut unpack = Unpack::new(&mut to);
            unpack.push(bytes).and_then(|()| unpack.finish())
        };
        read(&bytes).expect("a whole stream");
        for length in (0..bytes.len()).step_by(11) {
            read(&bytes[..length]).expect_err("it is cut");
        }
        for at in (0..bytes.len()).step_by(13) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            read(&wrong).expect_err("it is altered");
        }
        read(&[&bytes[..], b"x"].concat()).expect_err("there is more");
    }
}
