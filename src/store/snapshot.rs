//! A sled store as of one commit, read beside the one that goes on writing it.
//!
//! Blocks are never written anew, and sled's readers do not hold up its writer. So a snapshot is the number of blocks that
//! each lane had, a copy of the tails behind them, and a copy of the records; everything else is read where it lies. What
//! retention deletes meanwhile is not there any more.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::sled::{failed, lane_key};
use super::{Commit, Lane, Store, StoreError};

/// See the module.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) db: sled::Db,
    pub(super) path: PathBuf,
    /// The number of the next block, and the tail behind the last one.
    pub(super) lanes: BTreeMap<Lane, (u64, Vec<u8>)>,
    pub(super) records: BTreeMap<String, Vec<u8>>,
}

impl Snapshot {
    fn blocks(&self, lane: Lane) -> impl DoubleEndedIterator<Item = Result<Vec<u8>, StoreError>> + '_ {
        let next = self.lanes.get(&lane).map_or(0, |(next, _)| *next);
        let blocks = self.db.range(lane_key(lane, 0)..lane_key(lane, next)).values();
        blocks.map(|block| block.map(|bytes| bytes.to_vec()).map_err(|e| failed(&self.path, &e)))
    }

    fn tail(&self, lane: Lane) -> Option<Result<Vec<u8>, StoreError>> {
        self.lanes.get(&lane).map(|(_, tail)| tail).filter(|tail| !tail.is_empty()).map(|tail| Ok(tail.clone()))
    }
}

impl Store for Snapshot {
    fn commit(&mut self, _: Commit) -> Result<(), StoreError> {
        Err(StoreError::Io("a snapshot cannot be written".to_owned()))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let held = self.lanes.iter().filter(|(_, (next, tail))| *next > 0 || !tail.is_empty());
        Ok(held.map(|(lane, _)| *lane).collect())
    }

    fn read(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        Box::new(self.blocks(lane).chain(self.tail(lane)))
    }

    fn read_back(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        Box::new(self.tail(lane).into_iter().chain(self.blocks(lane).rev()))
    }

    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.get(name).cloned())
    }

    fn records(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.records.keys().cloned().collect())
    }

    fn size_on_disk(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}
