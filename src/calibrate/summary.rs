//! What many replicates come to.

use serde::Serialize;

use super::outcomes::clopper_pearson;
use crate::statistics::performance::wilson;

/// A share with its intervals at 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of so many.
    pub of: u64,
    /// The share.
    pub share: f64,
    /// Clopper and Pearson's interval.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// Wilson's interval.
    pub wilson_low: f64,
    /// See `wilson_low`.
    pub wilson_high: f64,
}

impl Share {
    /// `count` of `of`.
    #[must_use]
    pub fn of(count: usize, of: usize) -> Self {
        let (count, of) = (count as u64, of as u64);
        let (low, high) = clopper_pearson(count, of, 0.05);
        let (wilson_low, wilson_high) = wilson(count, of, 0.05);
        Self { count, of, share: count as f64 / of as f64, low, high, wilson_low, wilson_high }
    }
}

/// The quantile `q` of first times, those that never came counting as infinite; `None` where it is one of them.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the list")]
pub fn quantile(times: &[Option<u64>], q: f64) -> Option<u64> {
    let mut sorted: Vec<u64> = times.iter().map(|time| time.unwrap_or(u64::MAX)).collect();
    sorted.sort_unstable();
    let place = (q * sorted.len().checked_sub(1)? as f64).ceil() as usize;
    sorted.get(place).copied().filter(|time| *time != u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_counts_as_late() {
        let times = [Some(3), None, Some(1), Some(2), None];
        assert_eq!((quantile(&times, 0.5), quantile(&times, 0.9), quantile(&[], 0.5)), (Some(3), None, None));
        let share = Share::of(1, 20);
        assert!((share.share - 0.05).abs() < 1e-12 && share.low < 0.01 && share.high > 0.2);
    }
}
