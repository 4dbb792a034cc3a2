//! The stationary bootstrap: blocks of random length that keep the dependence from one observation to the next.
//!
//! Sources: Politis and Romano (1994), *The Stationary Bootstrap*; Politis and White (2004) with the correction of
//! Patton, Politis and White (2009) for the length of its blocks.

use super::draws::Draws;

/// Fills `at` with the places of one resample of `at.len()` observations: blocks that start anywhere, are of geometric
/// length with that mean, and go round the end.
///
/// # Panics
/// If `at` is empty.
pub fn resample(draws: &mut Draws, mean_block: f64, at: &mut [usize]) {
    let n = at.len();
    let restart = 1.0 / mean_block;
    let mut place = draws.below(n);
    for (t, slot) in at.iter_mut().enumerate() {
        if t > 0 {
            place = if draws.uniform() < restart { draws.below(n) } else { (place + 1) % n };
        }
        *slot = place;
    }
}

/// Means of every column in each of `repetitions` resamples; `rows` are observations.
///
/// # Panics
/// If there are no rows, or rows of different lengths.
#[must_use]
pub fn means(rows: &[Vec<f64>], mean_block: f64, repetitions: usize, seed: u64) -> Vec<Vec<f64>> {
    let (n, k) = (rows.len(), rows[0].len());
    let mut draws = Draws::new(seed, 0);
    let mut at = vec![0; n];
    (0..repetitions)
        .map(|_| {
            resample(&mut draws, mean_block, &mut at);
            let mut sums = vec![0.0; k];
            for place in &at {
                sums.iter_mut().zip(&rows[*place]).for_each(|(sum, x)| *sum += x);
            }
            sums.iter().map(|sum| sum / n as f64).collect()
        })
        .collect()
}

/// `n` times the variance of the resampled mean, in closed form.
#[must_use]
pub fn variance_of_mean(xs: &[f64], mean_block: f64) -> f64 {
    let n = xs.len();
    let (length, keep) = (n as f64, 1.0 - 1.0 / mean_block);
    let mean = xs.iter().sum::<f64>() / length;
    let centred: Vec<f64> = xs.iter().map(|x| x - mean).collect();
    let product = |lag: usize| centred[..n - lag].iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum::<f64>();
    let mut variance = product(0) / length;
    for lag in 1..n {
        let share = lag as f64 / length;
        let power = |m: usize| keep.powi(i32::try_from(m).unwrap_or(i32::MAX));
        let weight = (1.0 - share) * power(lag) + share * power(n - lag);
        variance += 2.0 * weight * product(lag) / length;
    }
    variance
}

/// The mean length of blocks that suits the dependence of `xs`. NaN for fewer than ten observations.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lags are few")]
pub fn block_length(xs: &[f64]) -> f64 {
    let n = xs.len();
    if n < 10 {
        return f64::NAN;
    }
    let length = n as f64;
    let mean = xs.iter().sum::<f64>() / length;
    let centred: Vec<f64> = xs.iter().map(|x| x - mean).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let in_a_row = (length.log10() as usize).max(5);
    let lags_max = (length.sqrt().ceil() as usize + in_a_row).min(n - 2);
    let insignificant = 2.0 * (length.log10() / length).sqrt();
    let (mut covariances, mut correlations) = (Vec::new(), Vec::new());
    let mut first_quiet = None;
    for lag in 0..=lags_max {
        let cross = dot(&centred[lag..], &centred[..n - lag]);
        let (late, early) = (&centred[lag + 1..], &centred[..n - lag - 1]);
        covariances.push(cross / length);
        correlations.push(cross.abs() / (dot(late, late) * dot(early, early)).sqrt());
        if first_quiet.is_none()
            && lag >= in_a_row
            && correlations[lag - in_a_row..lag].iter().all(|c| *c < insignificant)
        {
            first_quiet = Some(lag - in_a_row);
        }
    }
    let bandwidth = first_quiet.map_or(lags_max, |lag| 2 * lag.max(1)).min(lags_max);
    let (mut slope, mut level) = (0.0, covariances[0]);
    for (lag, covariance) in covariances.iter().enumerate().take(bandwidth + 1).skip(1) {
        let share = lag as f64 / bandwidth as f64;
        let weight = if share <= 0.5 { 1.0 } else { 2.0 * (1.0 - share) };
        slope += 2.0 * weight * lag as f64 * covariance;
        level += 2.0 * weight * covariance;
    }
    let block = (slope * slope / (level * level)).cbrt() * length.cbrt();
    block.min((3.0 * length.sqrt()).min(length / 3.0).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_run_on_and_have_the_mean_length() {
        let mut draws = Draws::new(3, 0);
        let mut at = vec![0; 100_000];
        resample(&mut draws, 8.0, &mut at);
        let jumps = at.windows(2).filter(|pair| (pair[0] + 1) % at.len() != pair[1]).count();
        let mean = at.len() as f64 / (jumps + 1) as f64;
        assert!((mean - 8.0).abs() < 0.3, "{mean}");
        resample(&mut draws, 1e18, &mut at[..5]);
        assert!(at[..5].windows(2).all(|pair| (pair[0] + 1) % 5 == pair[1]), "round the end: {:?}", &at[..5]);
    }

    #[test]
    fn blocks_of_one_give_the_plain_variance() {
        let xs = [1.0, -2.0, 0.5, 3.0];
        let plain = xs.iter().map(|x| (x - 0.625f64).powi(2)).sum::<f64>() / 4.0;
        assert!((variance_of_mean(&xs, 1.0) - plain).abs() < 1e-12);
        assert!(block_length(&xs).is_nan());
    }
}
