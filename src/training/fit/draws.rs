//! Draws of the kinds that draw, by our own generator: the same on every machine and for ever.

/// Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators: SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    /// The draws of one tree.
    pub(super) fn of(seed: u64, tree: usize) -> Self {
        let mut draws = Self(seed);
        let own = draws.next() ^ (tree as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(own)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly from `0..n`, but for a share of `n / 2^64`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next()) * n as u128;
        usize::try_from(wide >> 64).expect("it is below n")
    }

    /// Brings `some` of the values, drawn without replacement, to the front.
    pub(super) fn choose<T>(&mut self, some: usize, values: &mut [T]) {
        for at in 0..some.min(values.len()) {
            let from = at + self.below(values.len() - at);
            values.swap(at, from);
        }
    }
}
