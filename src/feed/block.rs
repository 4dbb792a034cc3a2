//! The blocks in which quotes and bars travel, and the count of what was refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{BadQuote, EpicIdx, Micros, Ohlc, Tick, UtcMicros};

/// Good quotes of one or several epics.
///
/// The quotes of each epic are in order of time. Between epics they are in order of time, then epic, where the feed
/// knows that order; a live feed gives them as they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuoteBlock {
    /// The quotes.
    pub ticks: Vec<Tick>,
    /// Whose they are: runs of so many quotes of one epic; their sum is the length of `ticks`.
    pub runs: Vec<(EpicIdx, u32)>,
}

impl QuoteBlock {
    /// Of one epic alone.
    ///
    /// # Panics
    /// If there are 2^32 quotes or more.
    #[must_use]
    pub fn of_one(epic: EpicIdx, ticks: Vec<Tick>) -> Self {
        let count = u32::try_from(ticks.len()).expect("blocks hold less than 2^32 quotes");
        let runs = if count == 0 { Vec::new() } else { vec![(epic, count)] };
        Self { ticks, runs }
    }

    /// Appends quotes of `epic`; they must not lie before those that are there.
    ///
    /// # Panics
    /// If there are 2^32 quotes or more.
    pub fn extend(&mut self, epic: EpicIdx, ticks: &[Tick]) {
        if ticks.is_empty() {
            return;
        }
        self.ticks.extend_from_slice(ticks);
        let count = u32::try_from(ticks.len()).expect("blocks hold less than 2^32 quotes");
        match self.runs.last_mut() {
            Some((last, n)) if *last == epic => *n += count,
            _ => self.runs.push((epic, count)),
        }
    }

    /// The quotes run by run.
    pub fn iter_runs(&self) -> impl Iterator<Item = (EpicIdx, &[Tick])> {
        let mut rest = self.ticks.as_slice();
        self.runs.iter().map(move |&(epic, count)| {
            let (run, after) = rest.split_at((count as usize).min(rest.len()));
            rest = after;
            (epic, run)
        })
    }

    /// Whether it holds no quote.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ticks.is_empty()
    }

    /// The time of its last quote.
    #[must_use]
    pub fn last_time(&self) -> Option<UtcMicros> {
        self.ticks.last().map(|tick| tick.time)
    }
}

/// A bar that came ready made, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BarRow {
    /// Whose.
    pub epic: EpicIdx,
    /// Its first moment.
    pub start: UtcMicros,
    /// How long it is.
    pub length: Micros,
    /// The bid.
    pub bid: Ohlc,
    /// The offer.
    pub offer: Ohlc,
    /// How many quotes it was made of; 0 where the file does not say.
    pub ticks: u32,
}

/// Ready-made bars in order of start, then epic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarBlock {
    /// The bars.
    pub rows: Vec<BarRow>,
}

/// Refused rows by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadCounts([u64; BadQuote::ALL.len()]);

impl BadCounts {
    /// Counts one more.
    pub fn count(&mut self, kind: BadQuote) {
        self.add(kind, 1);
    }

    /// Counts `n` more.
    pub fn add(&mut self, kind: BadQuote, n: u64) {
        self.0[kind as usize] += n;
    }

    /// Counts all of `other` too.
    pub fn merge(&mut self, other: &Self) {
        for (kind, n) in other.iter() {
            self.add(kind, n);
        }
    }

    /// How many of `kind`.
    #[must_use]
    pub fn get(&self, kind: BadQuote) -> u64 {
        self.0[kind as usize]
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every kind with its count, zeros included, in the order of reports.
    pub fn iter(&self) -> impl Iterator<Item = (BadQuote, u64)> {
        BadQuote::ALL.into_iter().zip(self.0)
    }
}

impl fmt::Display for BadCounts {
    /// `3 crossed, 1 out_of_order`, or `0 bad`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total() == 0 {
            return f.write_str("0 bad");
        }
        let mut separator = "";
        for (kind, n) in self.iter().filter(|(_, n)| *n > 0) {
            write!(f, "{separator}{n} {}", kind.word())?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Price;

    fn tick(time: i64) -> Tick {
        Tick { time: UtcMicros(time), bid: Price::from_micros(1), offer: Price::from_micros(2) }
    }

    #[test]
    fn runs_of_one_epic_grow_together() {
        let mut block = QuoteBlock::default();
        block.extend(EpicIdx(0), &[tick(1)]);
        block.extend(EpicIdx(0), &[tick(2), tick(3)]);
        block.extend(EpicIdx(1), &[]);
        block.extend(EpicIdx(1), &[tick(3)]);
        assert_eq!(block.runs, [(EpicIdx(0), 3), (EpicIdx(1), 1)]);
        let lengths: Vec<_> = block.iter_runs().map(|(epic, run)| (epic.0, run.len())).collect();
        assert_eq!(lengths, [(0, 3), (1, 1)]);
        assert_eq!(block.last_time(), Some(UtcMicros(3)));
    }

    #[test]
    fn counts_name_what_they_count_in_the_order_of_reports() {
        let mut counts = BadCounts::default();
        assert_eq!(counts.to_string(), "0 bad");
        for (place, kind) in BadQuote::ALL.into_iter().enumerate() {
            counts.add(kind, place as u64);
        }
        assert_eq!(counts.to_string(), "1 not_finite, 2 non_positive, 3 crossed, 4 out_of_order, 5 late");
        let mut twice = counts;
        twice.merge(&counts);
        assert_eq!((twice.get(BadQuote::Late), twice.total()), (10, 30));
    }
}
