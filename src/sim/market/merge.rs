//! Several synthetic markets as one stream, in order of time and then of epic.

use serde::{Deserialize, Serialize};

use super::{CheckpointError, MarketSpec, Synthetic};
use crate::domain::{EpicIdx, Tick, UtcMicros};

/// Quotes of several epics in one order, with the runs of each: run `(epic, n)` covers the next `n` quotes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MergedBlock {
    /// In order of time, then of epic.
    pub ticks: Vec<Tick>,
    /// Whose they are.
    pub runs: Vec<(EpicIdx, u32)>,
}

/// Synthetic markets merged; the place of a market is its [`EpicIdx`].
#[derive(Clone, Debug, PartialEq)]
pub struct Markets {
    /// Each with the quote that it will give next.
    sources: Vec<(Synthetic, Tick)>,
}

/// What [`Markets::checkpoint`] holds of each market.
#[derive(Serialize, Deserialize)]
struct Kept {
    next: Tick,
    state: Vec<u8>,
}

impl Markets {
    /// One market for each specification, all from the same seed and start.
    ///
    /// # Panics
    /// As [`Synthetic::new`], and if there are no specifications or more than 65,536.
    #[must_use]
    pub fn new(specs: Vec<MarketSpec>, seed: u64, start: UtcMicros) -> Self {
        assert!(!specs.is_empty() && specs.len() <= 1 << 16, "an arena has between one and 65,536 markets");
        let sources = specs
            .into_iter()
            .map(|spec| {
                let mut market = Synthetic::new(spec, seed, start);
                let first = market.next_tick();
                (market, first)
            })
            .collect();
        Self { sources }
    }

    /// The next `ticks` quotes of all markets together.
    #[must_use]
    pub fn next_block(&mut self, ticks: usize) -> MergedBlock {
        let mut block = MergedBlock { ticks: Vec::with_capacity(ticks), runs: Vec::new() };
        while block.ticks.len() < ticks {
            self.append(&mut block);
        }
        block
    }

    /// Every quote with a time before `end`, at most `ticks_max` of them; fewer mean that `end` was reached.
    #[must_use]
    pub fn block_until(&mut self, end: UtcMicros, ticks_max: usize) -> MergedBlock {
        let mut block = MergedBlock::default();
        while block.ticks.len() < ticks_max && self.next_time() < end {
            self.append(&mut block);
        }
        block
    }

    /// The time of the next quote.
    #[must_use]
    pub fn next_time(&self) -> UtcMicros {
        self.sources[self.next_place()].1.time
    }

    fn next_place(&self) -> usize {
        let mut best = 0;
        for (place, (_, tick)) in self.sources.iter().enumerate().skip(1) {
            if tick.time < self.sources[best].1.time {
                best = place;
            }
        }
        best
    }

    fn append(&mut self, block: &mut MergedBlock) {
        let place = self.next_place();
        let epic = EpicIdx(u16::try_from(place).expect("an arena has at most 65,536 markets"));
        let (market, next) = &mut self.sources[place];
        block.ticks.push(*next);
        *next = market.next_tick();
        match block.runs.last_mut() {
            Some((last, n)) if *last == epic && *n < u32::MAX => *n += 1,
            _ => block.runs.push((epic, 1)),
        }
    }

    /// The state between two quotes, for [`Self::restore`].
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let kept: Vec<Kept> =
            self.sources.iter().map(|(market, next)| Kept { next: *next, state: market.checkpoint() }).collect();
        postcard::to_stdvec(&kept).expect("numbers always encode into memory")
    }

    /// Continues from a [`Self::checkpoint`] of markets of the same specifications in the same order.
    ///
    /// # Errors
    /// [`CheckpointError`] as for one market; `Unreadable` also where the number of markets differs.
    ///
    /// # Panics
    /// If there are no specifications.
    pub fn restore(specs: Vec<MarketSpec>, checkpoint: &[u8]) -> Result<Self, CheckpointError> {
        assert!(!specs.is_empty(), "an arena has at least one market");
        let unreadable = CheckpointError::Unreadable { epic: specs[0].epic.clone() };
        let Ok((kept, [])) = postcard::take_from_bytes::<Vec<Kept>>(checkpoint) else {
            return Err(unreadable);
        };
        if kept.len() != specs.len() {
            return Err(unreadable);
        }
        let sources = specs
            .into_iter()
            .zip(kept)
            .map(|(spec, kept)| Ok((Synthetic::restore(spec, &kept.state)?, kept.next)))
            .collect::<Result<_, _>>()?;
        Ok(Self { sources })
    }
}
