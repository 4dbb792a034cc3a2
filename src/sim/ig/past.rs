//! Prices from before the simulator began: a walk back in time from the price at the start.
//!
//! Any day can be made without the days between: one draw a day tells where it began, and the quotes inside walk from
//! there to its end. So fifteen years are at hand and nothing is computed before it is asked for. All of it is a function
//! of the seed.

use crate::domain::{Micros, Tick, UtcMicros};
use crate::sim::market::MarketSpec;
use crate::sim::rng::Rng;

use super::prices::quote_about;

/// Quotes in a minute of the past.
const PER_MINUTE: i64 = 6;
const MINUTE: i64 = 60_000_000;
const SLOT: i64 = MINUTE / PER_MINUTE;
const SLOTS: usize = 1_440 * 6;

/// The past of one market.
#[derive(Debug)]
pub(super) struct Past {
    spec: MarketSpec,
    seed: u64,
    /// Where the past ends and quotes begin.
    end: UtcMicros,
    /// The mid at the beginning of each day, in points, from the day of the end backwards.
    opens: Vec<f64>,
    /// The mid at the end, in points.
    end_mid: f64,
    /// Standard deviation of a day, in points.
    day_sd: f64,
}

impl Past {
    /// The past that leads to `mid_points` at `end`.
    pub(super) fn new(spec: MarketSpec, seed: u64, end: UtcMicros, mid_points: f64) -> Self {
        let day_sd = spec.sd_points.iter().map(|sd| sd * sd * 60.0).sum::<f64>().sqrt();
        Self { spec, seed, end, opens: Vec::new(), end_mid: mid_points, day_sd }
    }

    /// The time from which on there is no past.
    pub(super) fn end(&self) -> UtcMicros {
        self.end
    }

    fn rng(&self, day: i64, what: &str) -> Rng {
        Rng::new(self.seed, &format!("past {what} {day} {}", self.spec.epic))
    }

    /// The mid at the beginning of `day`, in points.
    fn open_of(&mut self, day: i64) -> f64 {
        let last = self.end.day();
        let Ok(back) = usize::try_from(last - day) else { return self.end_mid };
        while self.opens.len() <= back {
            let number = last - i64::try_from(self.opens.len()).unwrap_or(i64::MAX);
            let close = self.opens.last().copied().unwrap_or(self.end_mid);
            let share =
                if number == last { (self.end.0.rem_euclid(Micros::DAY.0)) as f64 / Micros::DAY.0 as f64 } else { 1.0 };
            let step = self.rng(number, "day").bell() * self.day_sd * share.sqrt();
            // A price that has walked near to nothing turns back.
            let open = close - step;
            self.opens.push(if open < 200.0 { close + step.abs() } else { open });
        }
        self.opens[back]
    }

    /// The quotes of `day` (days since 1970) that lie before the end.
    pub(super) fn ticks(&mut self, day: i64) -> Vec<Tick> {
        let last = self.end.day();
        if day > last {
            return Vec::new();
        }
        let open = self.open_of(day);
        let close = if day == last { self.end_mid } else { self.open_of(day + 1) };
        let from = day * Micros::DAY.0;
        let slots = if day == last { usize::try_from((self.end.0 - from) / SLOT).unwrap_or(0) } else { SLOTS };
        let mut rng = self.rng(day, "quotes");
        let mut walk = Vec::with_capacity(slots);
        let mut mid = 0.0;
        for slot in 0..slots {
            let sd = self.spec.sd_points[slot / (60 * 6) % 24] / (PER_MINUTE as f64).sqrt();
            mid += sd * rng.bell();
            walk.push(mid);
        }
        // Bridged: what the walk misses the close by is taken back evenly.
        let miss = close - open - mid;
        let point = self.spec.point.micros() as f64;
        walk.iter()
            .enumerate()
            .map(|(slot, walked)| {
                let part = (slot + 1) as f64 / slots as f64;
                let mid = (open + walked + miss * part).max(100.0);
                let spread = self.spec.spread_points[slot / (60 * 6) % 24] * rng.between(0.92, 1.12);
                let millis = i64::try_from(rng.next_u64() % 9_900).unwrap_or(0);
                let time = from + i64::try_from(slot).unwrap_or(0) * SLOT + millis * 1_000;
                quote_about(mid * point, spread * point, self.spec.tick, UtcMicros(time))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ig::listing::Listing;

    fn past(seed: u64) -> Past {
        let spec = Listing::guess("IX.D.FTSE.DAILY.IP").spec(0.0);
        Past::new(spec, seed, "2025-01-08T09:30:05Z".parse().unwrap(), 9_700.0)
    }

    #[test]
    fn the_past_leads_to_the_present_and_joins_from_day_to_day() {
        let mut past = past(7);
        let today = past.end().day();
        let mid = |tick: &Tick| tick.mid2() as f64 / 2e6;
        let mut next_first: Option<Tick> = None;
        for day in (today - 30..=today).rev() {
            let ticks = past.ticks(day);
            let is_sorted = ticks.windows(2).all(|pair| pair[0].time < pair[1].time);
            assert!(is_sorted && ticks.iter().all(|tick| tick.bid < tick.offer && tick.time.day() == day));
            let end = next_first.as_ref().map_or(9_700.0, mid);
            let last = ticks.last().unwrap();
            assert!((mid(last) - end).abs() < 3.0, "day {day} ends at {} and the next begins at {end}", mid(last));
            next_first = ticks.first().copied();
        }
        assert!(past.ticks(today).last().unwrap().time < past.end());
        assert!(past.ticks(today + 1).is_empty());
    }

    #[test]
    fn a_day_is_the_same_whatever_was_asked_before() {
        let (mut first, mut second) = (past(7), past(7));
        let day = first.end().day() - 200;
        let straight = first.ticks(day);
        for back in 0..50 {
            drop(second.ticks(day + back));
        }
        assert_eq!(straight, second.ticks(day));
        assert_ne!(straight, past(8).ticks(day));
    }
}
