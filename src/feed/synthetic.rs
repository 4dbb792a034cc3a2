//! The synthetic market as a feed: the double of a broker's stream, and the source of `arena demo`.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{BadCounts, Feed, FeedError, FeedEvent, QuoteBlock};
use crate::sim::market::Markets;

/// Quotes in one block.
const BLOCK_TICKS: usize = 2_048;

/// Quotes without end, from seeded markets.
#[derive(Debug)]
pub struct Synthetic {
    markets: Markets,
    bad: BadCounts,
}

impl Synthetic {
    /// From markets at their beginning.
    #[must_use]
    pub fn new(markets: Markets) -> Self {
        Self { markets, bad: BadCounts::default() }
    }
}

impl Feed for Synthetic {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        let block = self.markets.next_block(BLOCK_TICKS);
        ready(Ok(Some(FeedEvent::Quotes(QuoteBlock { ticks: block.ticks, runs: block.runs })))).boxed()
    }

    fn bad_quotes(&self) -> &BadCounts {
        &self.bad
    }

    fn progress(&self) -> Option<f64> {
        None
    }

    fn skip(&mut self, accepted_per_epic: &[u64]) -> Result<(), FeedError> {
        // All markets run in one order, so that the sum says how far.
        let mut left: u64 = accepted_per_epic.iter().sum();
        while left > 0 {
            let now = usize::try_from(left).map_or(BLOCK_TICKS, |left| left.min(BLOCK_TICKS));
            left -= self.markets.next_block(now).ticks.len() as u64;
        }
        Ok(())
    }
}
