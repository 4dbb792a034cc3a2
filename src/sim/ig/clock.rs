//! The venue's time: the wall clock's, a multiple of it, or one that stands until it is told to go on.

use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock};
use crate::domain::{Micros, UtcMicros};

use super::config::Pace;

/// Tells the venue's time.
#[derive(Debug)]
pub(super) struct VenueClock {
    /// The venue's time at `since`.
    base: UtcMicros,
    since: Instant,
    speed: f64,
    /// While anybody holds it, it stands.
    holds: u32,
}

impl VenueClock {
    pub(super) fn new(pace: Pace) -> Self {
        let base = pace.start.unwrap_or_else(|| SystemClock.now());
        Self { base, since: Instant::now(), speed: pace.speed, holds: 0 }
    }

    fn speed_now(&self) -> f64 {
        if self.holds > 0 { 0.0 } else { self.speed }
    }

    /// The venue's time.
    pub(super) fn now(&self) -> UtcMicros {
        let passed = self.since.elapsed().as_secs_f64() * self.speed_now() * 1e6;
        UtcMicros(self.base.0 + whole(passed))
    }

    /// How long until the venue's time is `at`; `None` while the clock stands before it.
    pub(super) fn wait(&self, at: UtcMicros) -> Option<Duration> {
        let left = at.0 - self.now().0;
        if left <= 0 {
            return Some(Duration::ZERO);
        }
        let speed = self.speed_now();
        (speed > 0.0).then(|| Duration::from_secs_f64((left as f64 / 1e6 / speed).min(3_600.0)))
    }

    fn rebase(&mut self) {
        self.base = self.now();
        self.since = Instant::now();
    }

    /// Goes on at this speed; 0 stands still.
    pub(super) fn set_speed(&mut self, speed: f64) {
        self.rebase();
        self.speed = speed;
    }

    /// Venue seconds in one second, whether or not it is held.
    pub(super) fn speed(&self) -> f64 {
        self.speed
    }

    /// Goes forward at once; never back.
    pub(super) fn advance(&mut self, by: Micros) {
        self.rebase();
        self.base = UtcMicros(self.base.0.saturating_add(by.0.max(0)));
    }

    /// Stands still until as many releases.
    pub(super) fn hold(&mut self) {
        self.rebase();
        self.holds += 1;
    }

    /// Takes one hold back.
    pub(super) fn release(&mut self) {
        self.rebase();
        self.holds = self.holds.saturating_sub(1);
    }

    /// How often it is held.
    pub(super) fn holds(&self) -> u32 {
        self.holds
    }
}

#[expect(clippy::cast_possible_truncation, reason = "microseconds of a process's life are far inside 64 bits")]
fn whole(micros: f64) -> i64 {
    micros as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_goes_on_by_what_it_is_told_alone() {
        let start = UtcMicros(1_000_000);
        let mut clock = VenueClock::new(Pace { start: Some(start), speed: 0.0 });
        assert_eq!(clock.now(), start);
        assert_eq!(clock.wait(UtcMicros(2_000_000)), None);
        clock.advance(Micros(500));
        clock.advance(Micros(-900));
        assert_eq!(clock.now(), UtcMicros(1_000_500));
        assert_eq!(clock.wait(start), Some(Duration::ZERO));
    }

    #[test]
    fn a_hold_stops_it_and_a_release_lets_it_go_on_without_a_jump() {
        let mut clock = VenueClock::new(Pace { start: Some(UtcMicros(0)), speed: 1e6 });
        clock.hold();
        clock.hold();
        let held = clock.now();
        clock.release();
        assert_eq!(clock.now(), held);
        assert_eq!(clock.wait(UtcMicros(i64::MAX / 2)), None);
        clock.release();
        assert!(clock.now() >= held && clock.wait(UtcMicros(held.0 + 1_000_000)).is_some());
    }
}
