//! Random draws for resampling and simulation: a small generator written out, so that a seed means the same everywhere.
//!
//! Source: Steele, Lea and Flood (2014), *Fast Splittable Pseudorandom Number Generators*; Marsaglia and Bray (1964) for
//! the polar method.

/// `SplitMix64`.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    state: u64,
    spare: Option<f64>,
}

impl Draws {
    /// A stream of its own for each pair of seed and number.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut first = Self { state: seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32), spare: None };
        // One draw as the state keeps neighbouring seeds apart.
        let state = first.next_u64() ^ stream;
        Self { state, spare: None }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), in steps of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `0..n`; the bias of a remainder of 64 bits is beyond notice.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next_u64() % n as u64).expect("a remainder is below its divisor")
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let factor = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(v * factor);
                return u * factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sums::Moments;
    use super::*;

    #[test]
    fn draws_have_the_moments_they_should() {
        let mut draws = Draws::new(7, 0);
        let uniform = Moments::of(&(0..200_000).map(|_| draws.uniform()).collect::<Vec<_>>());
        assert!((uniform.mean() - 0.5).abs() < 0.003 && (uniform.sd() - (1.0f64 / 12.0).sqrt()).abs() < 0.002);
        let normal = Moments::of(&(0..200_000).map(|_| draws.normal()).collect::<Vec<_>>());
        assert!(normal.mean().abs() < 0.01 && (normal.sd() - 1.0).abs() < 0.01);
        assert!(normal.skew().abs() < 0.03 && (normal.kurtosis() - 3.0).abs() < 0.06);
        assert!((0..1_000).all(|_| draws.below(7) < 7));
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first = |seed, stream| Draws::new(seed, stream).next_u64();
        assert_eq!(first(1, 2), first(1, 2));
        assert!(first(1, 2) != first(1, 3) && first(1, 2) != first(2, 2) && first(0, 0) != first(0, 1));
    }
}
