//! Where the quotes of one market come from: made up by a seed, recorded, or given one by one.

use std::fmt;

use crate::domain::{Micros, Price, PriceDelta, Tick, UtcMicros};
use crate::sim::market::Synthetic;

use super::listing::{Hours, Listing};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Recorded quotes in order of time.
pub struct Recording(pub Box<dyn Iterator<Item = Tick> + Send>);

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recording")
    }
}

/// What gives a market its quotes.
#[derive(Debug)]
pub enum Prices {
    /// The synthetic market with an edge of so many R planted in it. A silence is broken by a quote that changes by one
    /// step of the grid after `silence_max`, where that is given.
    Made {
        /// The planted edge; 0 for none.
        edge_r: f64,
        /// The longest silence while the market is open.
        silence_max: Option<Micros>,
    },
    /// Recorded quotes; after the last one the market is closed.
    Recorded {
        /// The quotes.
        quotes: Recording,
        /// Keep the recorded times. Otherwise all are moved so that the first one comes at the start.
        is_as_recorded: bool,
    },
    /// None but those that the control endpoint gives.
    Given,
}

#[derive(Debug)]
enum Kind {
    Made { market: Box<Synthetic>, silence_max: Option<i64>, tick: PriceDelta, is_up: bool },
    Recorded(Recording),
    Given,
}

/// The quotes of one market, one after the other.
#[derive(Debug)]
pub(super) struct Source {
    kind: Kind,
    /// Added to the time of each raw quote.
    shift: i64,
    /// Whether weekends are cut out.
    is_endless: bool,
    /// Time of the raw quote before.
    last_raw: Option<i64>,
    /// Added to each price: what a scripted jump leaves behind.
    offset: PriceDelta,
    /// The raw quote that comes next, its time shifted already.
    next: Option<Tick>,
    /// The quote given last.
    last: Option<Tick>,
}

impl Source {
    /// The quotes of `listing` from `start` on.
    pub(super) fn new(listing: &Listing, prices: Prices, seed: u64, start: UtcMicros) -> Self {
        let (kind, shift) = match prices {
            _ if listing.hours == Hours::Closed => (Kind::Given, 0),
            Prices::Given => (Kind::Given, 0),
            Prices::Recorded { quotes, is_as_recorded } => (Kind::Recorded(quotes), i64::from(is_as_recorded)),
            Prices::Made { edge_r, silence_max } => {
                // Where weekends are cut out, the market lives in a working day of its own with the same hours.
                let days = if listing.hours == Hours::Always { (start.day() + 3).rem_euclid(7) - 1 } else { 0 };
                let market = Synthetic::new(listing.spec(edge_r), seed, UtcMicros(start.0 - days * DAY));
                let silence_max = silence_max.map(|length| length.0.max(1_000));
                (Kind::Made { market: Box::new(market), silence_max, tick: listing.tick, is_up: true }, days * DAY)
            }
        };
        let is_recorded = matches!(kind, Kind::Recorded(_));
        let is_as_recorded = is_recorded && shift == 1;
        let is_endless = listing.hours == Hours::Always && matches!(kind, Kind::Made { .. });
        let mut source = Self {
            kind,
            shift: if is_recorded { 0 } else { shift },
            is_endless,
            last_raw: None,
            offset: PriceDelta::ZERO,
            next: None,
            last: None,
        };
        source.next = source.pull();
        if let (true, false, Some(first)) = (is_recorded, is_as_recorded, source.next.as_mut()) {
            source.shift = start.0 - first.time.0;
            first.time = start;
        }
        source
    }

    /// The time of the quote that comes next.
    pub(super) fn peek(&self) -> Option<UtcMicros> {
        let next = self.next?.time;
        match (&self.kind, self.last) {
            (Kind::Made { silence_max: Some(longest), .. }, Some(last)) if self.is_silent(last, next, *longest) => {
                Some(UtcMicros(last.time.0 + longest))
            }
            _ => Some(next),
        }
    }

    /// Whether the next quote lets the market stay silent for too long; a weekend is no silence.
    fn is_silent(&self, last: Tick, next: UtcMicros, longest: i64) -> bool {
        (longest..12 * HOUR).contains(&(next.0 - last.time.0))
    }

    /// The next quote.
    pub(super) fn take(&mut self) -> Option<Tick> {
        let next = self.next?;
        if let (Some(last), Kind::Made { silence_max: Some(longest), .. }) = (self.last, &self.kind) {
            let longest = *longest;
            if self.is_silent(last, next.time, longest) {
                return Some(self.stir(last, longest));
            }
        }
        self.next = self.pull();
        let tick = Tick { time: next.time, bid: next.bid + self.offset, offer: next.offer + self.offset };
        self.last = Some(tick);
        Some(tick)
    }

    /// The last quote again, its offer one step away and back in turn.
    fn stir(&mut self, last: Tick, longest: i64) -> Tick {
        let mut tick = Tick { time: UtcMicros(last.time.0 + longest), ..last };
        if let Kind::Made { tick: step, is_up, .. } = &mut self.kind {
            tick.offer = if *is_up { last.offer + *step } else { last.offer - *step };
            if tick.offer <= tick.bid {
                tick.offer = last.offer + *step;
            }
            *is_up = !*is_up;
        }
        self.last = Some(tick);
        tick
    }

    /// Moves all quotes from here on.
    pub(super) fn jump(&mut self, by: PriceDelta) {
        self.offset += by;
    }

    /// A quote from outside: silences are counted from it.
    pub(super) fn note(&mut self, tick: Tick) {
        self.last = Some(tick);
    }

    /// Whether it was recorded and has come to its end.
    pub(super) fn is_over(&self) -> bool {
        self.next.is_none() && matches!(self.kind, Kind::Recorded(_))
    }

    fn pull(&mut self) -> Option<Tick> {
        let tick = match &mut self.kind {
            Kind::Made { market, .. } => market.next_tick(),
            Kind::Recorded(Recording(quotes)) => quotes.next()?,
            Kind::Given => return None,
        };
        if let (true, Some(last)) = (self.is_endless, self.last_raw) {
            let gap = tick.time.0 - last;
            if gap > 12 * HOUR {
                self.shift -= gap / HOUR * HOUR;
            }
        }
        self.last_raw = Some(tick.time.0);
        Some(Tick { time: UtcMicros(tick.time.0 + self.shift), ..tick })
    }
}

/// The quote about `mid` with a spread of `spread`, on the grid of `tick`, never crossed.
pub(super) fn quote_about(mid: f64, spread: f64, tick: PriceDelta, time: UtcMicros) -> Tick {
    let grid = tick.micros() as f64;
    let bid = whole(((mid - 0.5 * spread) / grid).round());
    let offer = whole(((mid + 0.5 * spread) / grid).round()).max(bid + 1);
    let at = |steps: i64| Price::from_micros(steps * tick.micros());
    Tick { time, bid: at(bid), offer: at(offer) }
}

#[expect(clippy::cast_possible_truncation, reason = "a price in steps of its grid is far inside 64 bits")]
fn whole(x: f64) -> i64 {
    x as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn made(hours: Hours, start: &str) -> (Source, UtcMicros) {
        let start: UtcMicros = start.parse().unwrap();
        let listing = Listing { hours, ..Listing::guess("IX.D.FTSE.DAILY.IP") };
        let prices = Prices::Made { edge_r: 0.0, silence_max: Some(Micros::SECOND) };
        (Source::new(&listing, prices, 7, start), start)
    }

    #[test]
    fn an_endless_market_quotes_every_second_through_weekends_and_changes_of_clocks() {
        // Friday before the change of clocks in London, and each other day of a week.
        for start in ["2025-03-28T21:00:00Z", "2025-03-30T12:00:00Z", "2025-01-07T23:59:00Z", "2025-01-11T03:00:00Z"] {
            let (mut source, start) = made(Hours::Always, start);
            let mut last = start;
            while last.0 < start.0 + 3 * DAY {
                let peeked = source.peek().unwrap();
                let tick = source.take().unwrap();
                assert_eq!(peeked, tick.time);
                let gap = tick.time.0 - last.0;
                assert!((0..=2 * SECOND).contains(&gap), "{start}: {gap} us of silence before {}", tick.time);
                assert!(tick.bid < tick.offer, "{tick:?}");
                last = tick.time;
            }
        }
    }

    #[test]
    fn a_market_with_hours_is_silent_at_weekends() {
        let (mut source, _) = made(Hours::Week, "2025-01-10T21:59:00Z");
        let mut ticks = std::iter::from_fn(|| source.take());
        let close: UtcMicros = "2025-01-10T22:00:00Z".parse().unwrap();
        let open: UtcMicros = "2025-01-12T22:00:00Z".parse().unwrap();
        let first_after = ticks.find(|tick| tick.time >= close).unwrap();
        assert!(first_after.time >= open, "{}", first_after.time);
    }

    #[test]
    fn recorded_quotes_keep_their_times_or_begin_at_the_start() {
        let tick = |seconds: i64| Tick {
            time: UtcMicros(seconds * SECOND),
            bid: Price::from_micros(1_000_000),
            offer: Price::from_micros(1_000_100),
        };
        for (is_as_recorded, want) in [(true, [100, 107]), (false, [5_000, 5_007])] {
            let quotes = Recording(Box::new([tick(100), tick(107)].into_iter()));
            let listing = Listing::guess("CS.D.EURUSD.TODAY.IP");
            let prices = Prices::Recorded { quotes, is_as_recorded };
            let mut source = Source::new(&listing, prices, 7, UtcMicros(5_000 * SECOND));
            let times: Vec<i64> = std::iter::from_fn(|| source.take()).map(|tick| tick.time.0 / SECOND).collect();
            assert_eq!(times, want);
            assert!(source.is_over());
        }
    }
}
