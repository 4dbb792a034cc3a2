//! The quotes of the last days in twelve bytes each: what bars of a second are made from when somebody asks.

use std::collections::VecDeque;

use crate::domain::{Price, Tick, UtcMicros};

const HOUR: i64 = 3_600_000_000;

/// Quotes of an hour at most, written as distances from the first one.
#[derive(Debug)]
struct Block {
    hour: i64,
    first: Tick,
    /// Milliseconds, and millionths of bid and offer.
    ticks: Vec<(u32, i32, i32)>,
}

impl Block {
    fn new(tick: &Tick) -> Self {
        Self { hour: tick.time.0.div_euclid(HOUR), first: *tick, ticks: vec![(0, 0, 0)] }
    }

    /// Takes in a quote, if it is of the hour and not too far away.
    fn take(&mut self, tick: &Tick) -> bool {
        let distance = |from: Price, to: Price| i32::try_from((to - from).micros()).ok();
        let packed = (|| {
            let millis = u32::try_from((tick.time.0 - self.first.time.0).div_euclid(1_000)).ok()?;
            Some((millis, distance(self.first.bid, tick.bid)?, distance(self.first.offer, tick.offer)?))
        })();
        match packed {
            Some(packed) if self.hour == tick.time.0.div_euclid(HOUR) => {
                self.ticks.push(packed);
                true
            }
            _ => false,
        }
    }

    fn unpacked(&self) -> impl Iterator<Item = Tick> {
        self.ticks.iter().map(|(millis, bid, offer)| Tick {
            time: UtcMicros(self.first.time.0 + i64::from(*millis) * 1_000),
            bid: Price::from_micros(self.first.bid.micros() + i64::from(*bid)),
            offer: Price::from_micros(self.first.offer.micros() + i64::from(*offer)),
        })
    }
}

/// The quotes of one market, as far back as `depth`.
#[derive(Debug)]
pub(super) struct Quotes {
    depth: i64,
    blocks: VecDeque<Block>,
}

impl Quotes {
    pub(super) fn new(depth: i64) -> Self {
        Self { depth, blocks: VecDeque::new() }
    }

    /// Takes in a quote; quotes come in order of time.
    pub(super) fn add(&mut self, tick: &Tick) {
        if !self.blocks.back_mut().is_some_and(|block| block.take(tick)) {
            if let Some(full) = self.blocks.back_mut() {
                full.ticks.shrink_to_fit();
            }
            self.blocks.push_back(Block::new(tick));
        }
        while self.blocks.front().is_some_and(|block| (block.hour + 1) * HOUR < tick.time.0 - self.depth) {
            self.blocks.pop_front();
        }
    }

    /// The quotes in `[from, to)`, in order; times are cut to the millisecond after the first of their block.
    pub(super) fn between(&self, from: i64, to: i64) -> impl Iterator<Item = Tick> {
        let is_near = move |block: &&Block| (block.hour + 1) * HOUR > from && block.hour * HOUR < to;
        self.blocks
            .iter()
            .filter(is_near)
            .flat_map(Block::unpacked)
            .filter(move |tick| (from..to).contains(&tick.time.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(millis: i64, bid: i64) -> Tick {
        let time = UtcMicros(millis * 1_000);
        Tick { time, bid: Price::from_micros(bid), offer: Price::from_micros(bid + 700_000) }
    }

    #[test]
    fn what_was_put_in_comes_out_whatever_the_jumps() {
        let mut quotes = Quotes::new(10 * HOUR);
        let all: Vec<Tick> = (0..5_000)
            .map(|n| {
                tick(n * 1_300, 9_700_000_000 + (n % 7) * 100_000 + if n % 1_000 == 0 { 40_000_000_000 } else { 0 })
            })
            .collect();
        for tick in &all {
            quotes.add(tick);
        }
        assert_eq!(quotes.between(i64::MIN, i64::MAX).collect::<Vec<_>>(), all);
        let (from, to) = (1_000 * 1_300_000, 1_010 * 1_300_000);
        assert_eq!(quotes.between(from, to).collect::<Vec<_>>(), all[1_000..1_010]);
    }

    #[test]
    fn what_is_older_than_the_depth_is_forgotten_by_the_hour() {
        let mut quotes = Quotes::new(2 * HOUR);
        for minute in 0..10 * 60 {
            quotes.add(&tick(minute * 60_000, 1_000_000));
        }
        assert_eq!(quotes.blocks.len(), 3, "the hour that forms and two before it");
    }
}
