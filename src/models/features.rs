//! Feature rows: what a trained model sees of a bar and of the closes before it.
//!
//! Training and live call the same [`FeatureSpec::row`] over the same closing mids, so that a row is the same to the
//! bit. A row depends on the bar that closed and on `lookback` closes before it, on nothing later.

use serde::{Deserialize, Serialize};

use crate::domain::{Bar, Micros, Price, UtcMicros};

/// Which columns a row has, in this order: lags, returns, volatilities, spread, hour.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// The tail: a column for each of the lags `1..=lags`, `m[i-j] / m[i] - 1`, newest first. 0: none.
    #[serde(default)]
    pub lags: u32,
    /// A column for each: the move over so many bars, `m[i] / m[i-n] - 1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<u32>,
    /// A column for each: the population standard deviation of the last so many one-bar moves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatility: Vec<u32>,
    /// The spread at the close over the mid.
    #[serde(default)]
    pub spread: bool,
    /// The time of day of the close in UTC, as sine and cosine of its angle.
    #[serde(default)]
    pub hour: bool,
}

/// What a row needs beside the mids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The end of the bar.
    pub time: UtcMicros,
    /// The last bid.
    pub bid: Price,
    /// The last offer.
    pub offer: Price,
}

impl From<&Bar> for Close {
    fn from(bar: &Bar) -> Self {
        Self { time: bar.end, bid: bar.bid.close, offer: bar.offer.close }
    }
}

impl FeatureSpec {
    /// How many closes it needs before the present one.
    #[must_use]
    pub fn lookback(&self) -> usize {
        [self.lags].iter().chain(&self.returns).chain(&self.volatility).max().map_or(0, |longest| *longest as usize)
    }

    /// How many columns a row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.lags as usize
            + self.returns.len()
            + self.volatility.len()
            + usize::from(self.spread)
            + 2 * usize::from(self.hour)
    }

    /// The names of the columns, in order: `lag_1`, `return_5`, `volatility_20`, `spread`, `hour_sin`, `hour_cos`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let lags = (1..=self.lags).map(|n| format!("lag_{n}"));
        let returns = self.returns.iter().map(|n| format!("return_{n}"));
        let volatility = self.volatility.iter().map(|n| format!("volatility_{n}"));
        let spread = self.spread.then(|| "spread".to_owned());
        let hour = ["hour_sin", "hour_cos"].into_iter().filter(|_| self.hour).map(str::to_owned);
        lags.chain(returns).chain(volatility).chain(spread).chain(hour).collect()
    }

    /// Writes the row of a close into `out`, which it clears first. `mids2` are closing mids doubled, the last that of
    /// `close`; `false`, with nothing written, while they are fewer than `lookback + 1`.
    pub fn row(&self, mids2: &[f64], close: &Close, out: &mut Vec<f64>) -> bool {
        out.clear();
        let Some(last) = mids2.len().checked_sub(1).filter(|last| *last >= self.lookback()) else { return false };
        let now = mids2[last];
        out.extend((1..=self.lags as usize).map(|lag| mids2[last - lag] / now - 1.0));
        out.extend(self.returns.iter().map(|n| now / mids2[last - *n as usize] - 1.0));
        out.extend(self.volatility.iter().map(|n| deviation(&mids2[last - *n as usize..])));
        if self.spread {
            out.push(2.0 * (close.offer - close.bid).micros() as f64 / now);
        }
        if self.hour {
            let angle = close.time.0.rem_euclid(Micros::DAY.0) as f64 / Micros::DAY.0 as f64 * std::f64::consts::TAU;
            out.extend([angle.sin(), angle.cos()]);
        }
        true
    }
}

/// Population standard deviation of the one-bar moves of these mids, in two passes in index order.
fn deviation(mids2: &[f64]) -> f64 {
    let moves = || mids2.windows(2).map(|pair| pair[1] / pair[0] - 1.0);
    let n = moves().count() as f64;
    let mean = moves().sum::<f64>() / n;
    (moves().map(|step| (step - mean) * (step - mean)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(bid: i64, offer: i64) -> Close {
        Close { time: UtcMicros(6 * 3_600_000_000), bid: Price::from_micros(bid), offer: Price::from_micros(offer) }
    }

    #[test]
    fn a_row_holds_its_columns_in_order() {
        let spec = FeatureSpec { lags: 2, returns: vec![2], volatility: vec![2], spread: true, hour: true };
        let mut row = Vec::new();
        // Mids 100, 110, 121; twice as many millionths.
        assert!(spec.row(&[200e6, 220e6, 242e6], &close(120_000_000, 122_000_000), &mut row));
        let want = [
            110.0 / 121.0 - 1.0,
            100.0 / 121.0 - 1.0,
            0.21,
            0.0, // both moves are a tenth
            2.0 / 121.0,
            1.0, // a quarter of the day
            0.0,
        ];
        assert_eq!(row.len(), spec.width());
        assert_eq!(spec.names().len(), spec.width());
        for (got, want) in row.iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{row:?}");
        }
    }

    #[test]
    fn a_window_that_is_too_short_gives_no_row() {
        let spec = FeatureSpec { lags: 1, returns: vec![3], ..FeatureSpec::default() };
        let mut row = vec![1.0];
        assert!(!spec.row(&[1.0, 1.0, 1.0], &close(1, 1), &mut row));
        assert!(row.is_empty());
        assert!(spec.row(&[1.0, 1.0, 1.0, 1.0], &close(1, 1), &mut row));
        assert!(!FeatureSpec::default().row(&[], &close(1, 1), &mut row));
    }
}
