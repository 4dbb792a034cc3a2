//! The stationary bootstrap: blocks of random length that keep the dependence from one observation to the next.
//!
//! Sources: Politis and Romano (1994), *The Stationary Bootstrap*; Politis and White (2004) with the correction of
//! Patton, Politis and White (2009) for the length of its blocks.

use super::draws::Draws;

/// Draws the blocks of one resample of `n` observations: each starts anywhere, is of geometric length with that mean, and
/// goes round the end; the last is cut so that all together are `n`. `each` takes start and length, which is at most `n`.
///
/// # Panics
/// If `n` is 0 or the mean is below 1.
pub fn blocks(draws: &mut Draws, mean_block: f64, n: usize, mut each: impl FnMut(usize, usize)) {
    assert!(mean_block >= 1.0, "a block of {mean_block} observations is none");
    // ln P(a block goes on); -inf for blocks of one.
    let goes_on = (-1.0 / mean_block).ln_1p();
    let mut left = n;
    while left > 0 {
        let start = draws.below(n);
        let further = (1.0 - draws.uniform()).ln() / goes_on;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and cut at once"
        )]
        let length = (further as usize).saturating_add(1).min(left);
        each(start, length);
        left -= length;
    }
}

/// Means of every column in each of `repetitions` resamples; `rows` are observations.
///
/// # Panics
/// If there are no rows, or rows of different lengths.
#[must_use]
pub fn means(rows: &[Vec<f64>], mean_block: f64, repetitions: usize, seed: u64) -> Vec<Vec<f64>> {
    let (n, k) = (rows.len(), rows[0].len());
    // Sums from the first row on, twice round, so that the sum of any block is one difference.
    let mut sums = vec![vec![0.0; k]];
    for row in rows.iter().chain(rows) {
        let last = &sums[sums.len() - 1];
        let next = last.iter().zip(row).map(|(sum, x)| sum + x).collect();
        sums.push(next);
    }
    let mut draws = Draws::new(seed, 0);
    (0..repetitions)
        .map(|_| {
            let mut total = vec![0.0; k];
            blocks(&mut draws, mean_block, n, |start, length| {
                let (from, to) = (&sums[start], &sums[start + length]);
                for ((total, from), to) in total.iter_mut().zip(from).zip(to) {
                    *total += to - from;
                }
            });
            total.iter().map(|sum| sum / n as f64).collect()
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
    fn blocks_have_the_mean_length_and_make_up_the_whole() {
        let (mut draws, mut count, mut total) = (Draws::new(3, 0), 0, 0);
        blocks(&mut draws, 8.0, 100_000, |start, length| {
            assert!(start < 100_000 && length > 0);
            (count, total) = (count + 1, total + length);
        });
        let mean = total as f64 / f64::from(count);
        assert!(total == 100_000 && (mean - 8.0).abs() < 0.3, "{mean}");
        blocks(&mut draws, 1e18, 5, |_, length| assert_eq!(length, 5));
        blocks(&mut draws, 1.0, 50, |_, length| assert_eq!(length, 1));
    }

    #[test]
    fn blocks_of_one_give_the_plain_variance() {
        let xs = [1.0, -2.0, 0.5, 3.0];
        let plain = xs.iter().map(|x| (x - 0.625f64).powi(2)).sum::<f64>() / 4.0;
        assert!((variance_of_mean(&xs, 1.0) - plain).abs() < 1e-12);
        assert!(block_length(&xs).is_nan());
    }
}
