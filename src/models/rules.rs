//! Rules: models without training, and the random control twin.

use super::{BarContext, Model};
use crate::domain::{Direction, Prediction, Signal};

/// The move of the mid over `lookback` bars, as a ratio less one; `None` while the window is shorter.
#[inline]
fn relative_move(mids2: &[f64], lookback: usize) -> Option<f64> {
    let last = mids2.len().checked_sub(1)?;
    Some(mids2[last] / mids2[last.checked_sub(lookback)?] - 1.0)
}

/// Whether the move is finite and within `threshold` either way. A threshold without end must not hide a move that is
/// not finite, which suspends the model.
#[inline]
fn is_within(mids2: &[f64], lookback: usize, threshold: f64) -> bool {
    relative_move(mids2, lookback).is_some_and(|score| score.abs() <= threshold.min(f64::MAX))
}

#[inline]
fn beyond(score: f64, threshold: f64) -> Signal {
    if score > threshold {
        Some(Direction::Long)
    } else if score < -threshold {
        Some(Direction::Short)
    } else {
        None
    }
}

/// `s = m[i] / m[i - lookback] - 1`; long above `threshold`, short below its negative; `y_pred = 1 + s`.
#[derive(Clone, Copy, Debug)]
pub struct Momentum {
    lookback: usize,
    threshold: f64,
}

impl Momentum {
    /// Over `lookback` bars.
    #[must_use]
    pub fn new(lookback: u32, threshold: f64) -> Self {
        Self { lookback: lookback as usize, threshold }
    }

    #[inline]
    pub(super) fn is_silent(&self, mids2: &[f64]) -> bool {
        is_within(mids2, self.lookback, self.threshold)
    }
}

impl Model for Momentum {
    #[inline]
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let score = relative_move(context.mids2, self.lookback)?;
        Some(Prediction::of(Some(1.0 + score), beyond(score, self.threshold)))
    }
}

/// [`Momentum`] with the sign turned.
#[derive(Clone, Copy, Debug)]
pub struct MeanReversion {
    lookback: usize,
    threshold: f64,
}

impl MeanReversion {
    /// Over `lookback` bars.
    #[must_use]
    pub fn new(lookback: u32, threshold: f64) -> Self {
        Self { lookback: lookback as usize, threshold }
    }

    #[inline]
    pub(super) fn is_silent(&self, mids2: &[f64]) -> bool {
        is_within(mids2, self.lookback, self.threshold)
    }
}

impl Model for MeanReversion {
    #[inline]
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let score = -relative_move(context.mids2, self.lookback)?;
        Some(Prediction::of(Some(1.0 + score), beyond(score, self.threshold)))
    }
}

/// Long above the highest of the `lookback` mids before, short below their lowest. It predicts no ratio.
#[derive(Clone, Copy, Debug)]
pub struct Breakout {
    lookback: usize,
}

impl Breakout {
    /// Over `lookback` bars.
    #[must_use]
    pub fn new(lookback: u32) -> Self {
        Self { lookback: lookback as usize }
    }
}

impl Model for Breakout {
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let (last, before) = context.mids2.split_last()?;
        let window = &before[before.len().checked_sub(self.lookback)?..];
        let (low, high) =
            window.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &m| (low.min(m), high.max(m)));
        let signal = if *last > high {
            Some(Direction::Long)
        } else if *last < low {
            Some(Direction::Short)
        } else {
            None
        };
        Some(Prediction::of(None, signal))
    }
}

/// A signal with probability `rate` at each bar, either side alike. Its draws are a function of seed and bar number,
/// so that it needs no state and a restart changes none of them.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    /// `rate` on the scale of 53 random bits.
    bound: f64,
    seed: u64,
}

impl Random {
    /// With its own seed.
    #[must_use]
    pub fn new(rate: f64, seed: u64) -> Self {
        Self { bound: rate * (1u64 << 53) as f64, seed }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the `n`-th output for a seed.
fn splitmix64(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Model for Random {
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let draw = splitmix64(self.seed, context.bar.seq);
        // The upper 53 bits decide whether, the lowest which side.
        let is_signal = ((draw >> 11) as f64) < self.bound;
        let side = if draw & 1 == 0 { Direction::Long } else { Direction::Short };
        Some(Prediction::of(None, is_signal.then_some(side)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::bar_of_mids;

    fn signal_of(model: &mut dyn Model, mids: &[f64]) -> Option<Prediction> {
        let doubled: Vec<f64> = mids.iter().map(|m| m * 2.0).collect();
        let bar = bar_of_mids(&doubled);
        model.on_bar(&BarContext { bar: &bar, mids2: &bar.mids2 })
    }

    #[test]
    fn momentum_follows_and_mean_reversion_fades() {
        // 101/100 - 1 = 0.01 over two bars
        for (mids, follow, fade) in [
            (&[100.0, 100.0, 101.0][..], Some(Direction::Long), Some(Direction::Short)),
            (&[100.0, 100.0, 99.0], Some(Direction::Short), Some(Direction::Long)),
            (&[100.0, 100.0, 100.4], None, None),
        ] {
            assert_eq!(signal_of(&mut Momentum::new(2, 0.005), mids).unwrap().signal, follow, "{mids:?}");
            assert_eq!(signal_of(&mut MeanReversion::new(2, 0.005), mids).unwrap().signal, fade, "{mids:?}");
        }
        assert_eq!(signal_of(&mut Momentum::new(2, 0.005), &[100.0, 101.0]), None);
        let y_pred = signal_of(&mut Momentum::new(1, 0.5), &[100.0, 101.0]).unwrap().y_pred.unwrap();
        assert!((y_pred - 1.01).abs() < 1e-12);
    }

    #[test]
    fn a_silent_rule_predicts_no_signal_and_no_nonsense() {
        for (mids, threshold) in [
            (&[100.0, 100.0, 101.0][..], 0.005),
            (&[100.0, 100.0, 99.0], 0.005),
            (&[100.0, 100.0, 100.4], 0.005),
            (&[100.0, 100.0, 100.0], 0.0),
            (&[100.0, 100.0, 100.0], -0.1),
            (&[100.0, 100.4], 0.005),
            (&[0.0, 1.0, 2.0], f64::INFINITY),
            (&[0.0, 1.0, 0.0], f64::INFINITY),
            (&[100.0, 1.0, 101.0], f64::INFINITY),
            (&[], 1.0),
        ] {
            let momentum = super::super::Predictor::Momentum(Momentum::new(2, threshold));
            let reversion = super::super::Predictor::MeanReversion(MeanReversion::new(2, threshold));
            for mut model in [momentum, reversion] {
                let is_silent = model.is_silent(mids);
                let bar = bar_of_mids(&[2.0]);
                let answer = model.on_bar(&BarContext { bar: &bar, mids2: mids });
                let is_plain =
                    answer.is_some_and(|answer| answer.signal.is_none() && answer.y_pred.is_some_and(f64::is_finite));
                assert_eq!(is_silent, is_plain, "{mids:?} {threshold} {model:?}");
            }
        }
    }

    #[test]
    fn breakout_needs_a_close_beyond_all_before() {
        for (mids, want) in [
            (&[1.0, 3.0, 2.0, 3.0][..], None),
            (&[1.0, 3.0, 2.0, 3.1], Some(Direction::Long)),
            (&[1.0, 3.0, 2.0, 0.9], Some(Direction::Short)),
        ] {
            assert_eq!(signal_of(&mut Breakout::new(3), mids).unwrap(), Prediction::of(None, want));
        }
        assert_eq!(signal_of(&mut Breakout::new(3), &[1.0, 2.0, 3.0]), None);
    }

    #[test]
    fn random_draws_at_its_rate_and_fairly() {
        let mut model = Random::new(0.25, 7);
        let (mut signals, mut longs) = (0, 0);
        for seq in 0..40_000 {
            let mut bar = bar_of_mids(&[2.0]);
            bar.seq = seq;
            match model.on_bar(&BarContext { bar: &bar, mids2: &bar.mids2 }).unwrap().signal {
                Some(Direction::Long) => (signals, longs) = (signals + 1, longs + 1),
                Some(Direction::Short) => signals += 1,
                None => {}
            }
        }
        // 10,000 expected, standard error 87; 5,000 of them long, standard error 50.
        assert!((9_600..10_400).contains(&signals), "{signals}");
        assert!((4_700..5_300).contains(&longs), "{longs}");
    }
}
