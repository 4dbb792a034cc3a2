//! The journal in memory: the double of [`super::Sled`], and the store of a replay that leaves nothing behind.

use std::collections::BTreeMap;

use super::{Commit, Lane, Store, StoreError};

/// A journal that ends with the process.
#[derive(Debug, Default)]
pub struct Memory {
    lanes: BTreeMap<Lane, Vec<u8>>,
    records: BTreeMap<String, Vec<u8>>,
}

impl Store for Memory {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        for (lane, bytes) in commit.blocks {
            self.lanes.entry(lane).or_default().extend_from_slice(&bytes);
        }
        self.records.extend(commit.records);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        Ok(self.lanes.keys().copied().collect())
    }

    fn read(&self, lane: Lane) -> Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>> + '_> {
        Box::new(self.lanes.get(&lane).into_iter().map(|bytes| Ok(bytes.clone())))
    }

    fn record(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.get(name).cloned())
    }

    fn records(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.records.keys().cloned().collect())
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}
