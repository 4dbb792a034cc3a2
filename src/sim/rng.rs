//! Random draws of the synthetic market: a small generator whose state can be kept in a checkpoint, and the few
//! functions of analysis that it needs.
//!
//! The generator is xoshiro256++, seeded by `SplitMix64`, both written out here so that no version of a crate can
//! change a session. `ln` and `exp` are written out for the same reason: only `+ - * /` and `sqrt` are used, which
//! IEEE 754 rounds alike on every machine.
//! Source: Blackman & Vigna (2021), *Scrambled Linear Pseudorandom Number Generators*, ACM TOMS 47(4).

use serde::{Deserialize, Serialize};

/// xoshiro256++: 256 bits of state, period 2^256 - 1.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A generator of its own for every pair of seed and name, so that adding a market leaves the others' draws alone.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
        let mut state =
            name.bytes().fold(seed ^ FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
        let mut split_mix = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([split_mix(), split_mix(), split_mix(), split_mix()])
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1), in steps of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// 1 or -1 alike.
    pub fn side(&mut self) -> f64 {
        if self.next_u64() >> 63 == 0 { 1.0 } else { -1.0 }
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        -ln(1.0 - self.uniform())
    }

    /// Bell-shaped with mean 0 and standard deviation 1, inside of +-3.47: the sum of four uniform 16-bit lanes of one
    /// draw. Its thin tails do not matter, since the market adds the fat ones itself; its symmetry is exact.
    pub fn bell(&mut self) -> f64 {
        let bits = self.next_u64();
        let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        // Four lanes of variance (2^32 - 1) / 12 each.
        const MEAN: f64 = 2.0 * 65_535.0;
        const SCALE: f64 = 1.732_050_807_568_877_2 / 65_536.0;
        (sum as f64 - MEAN) * SCALE
    }
}

/// The natural logarithm of a finite positive number, to within 1e-14.
///
/// `x` is split into `m * 2^e` with `m` about 1, and `ln m` is the series of the inverse hyperbolic tangent.
pub(crate) fn ln(x: f64) -> f64 {
    debug_assert!(x.is_normal() && x > 0.0, "a logarithm needs a positive number, not {x}");
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as f64 - 1_023.0;
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let mut sum = 0.0;
    for k in (0..9).rev() {
        sum = sum * q + 1.0 / f64::from(2 * k + 1);
    }
    2.0 * s * sum + exponent * std::f64::consts::LN_2
}

/// `e` to the power of `x`, to within 1e-13 of its value; `x` is held inside of +-40.
pub(crate) fn exp(x: f64) -> f64 {
    // Halve six times, take the series, square six times.
    let y = x.clamp(-40.0, 40.0) / 64.0;
    let mut sum = 1.0;
    for k in (1..=14).rev() {
        sum = 1.0 + y / f64::from(k) * sum;
    }
    for _ in 0..6 {
        sum *= sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draws_are_those_of_the_published_generator() {
        // The authors' C code on the state 1, 2, 3, 4, as the reference vector of the rand project has it.
        let mut rng = Rng([1, 2, 3, 4]);
        let first: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn names_and_seeds_draw_apart() {
        let first = |seed, name| Rng::new(seed, name).next_u64();
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_eq!(first(1, "a"), first(1, "a"));
    }

    #[test]
    fn draws_have_the_moments_they_state() {
        let mut rng = Rng::new(7, "moments");
        let n = 200_000;
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let values: Vec<f64> = (0..n).map(|_| draw()).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let (mean, variance) = moments(&mut || rng.bell());
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.01, "bell: {mean} {variance}");
        let (mean, variance) = moments(&mut || rng.exponential());
        assert!((mean - 1.0).abs() < 0.01 && (variance - 1.0).abs() < 0.03, "exponential: {mean} {variance}");
        let (mean, variance) = moments(&mut || rng.uniform());
        assert!((mean - 0.5).abs() < 0.003 && (variance - 1.0 / 12.0).abs() < 0.001, "uniform: {mean} {variance}");
        let (mean, _) = moments(&mut || rng.side());
        assert!(mean.abs() < 0.01, "side: {mean}");
    }

    #[test]
    fn functions_agree_with_the_library() {
        for x in [1e-300, 1e-9, 0.1, 0.5, 0.9999, 1.0, 1.5, 2.0, 10.0, 12_345.678] {
            assert!((ln(x) - f64::ln(x)).abs() < 1e-13 * f64::ln(x).abs().max(1.0), "ln {x}");
        }
        for x in [-40.0, -3.0, -0.1, 0.0, 1e-9, 1.0, 5.5, 40.0] {
            assert!((exp(x) / f64::exp(x) - 1.0).abs() < 1e-13, "exp {x}");
        }
    }
}
