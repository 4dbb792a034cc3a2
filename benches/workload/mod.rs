//! The market data of the workloads: integer arithmetic alone, the same bit for bit in any language.

use arena::domain::{Price, Tick, UtcMicros};

/// 2024-01-01T00:00:00Z.
const T0_MS: i64 = 1_704_067_200_000;
const SEED: u64 = 0x5EED_0A12_E4A0_0001;
/// Prices are tenths of a point; a tenth is so many millionths.
const TENTH: i64 = 100_000;

fn splitmix64(i: u64) -> u64 {
    let mut z = SEED.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Milliseconds, bid and offer in tenths of a point, of the first `n` ticks: 2,000,000 are 30 days.
pub(crate) fn raw_ticks(n: u64) -> impl Iterator<Item = (i64, i64, i64)> {
    let mut mid = 75_000i64;
    (0..n).map(move |i| {
        let r = splitmix64(i);
        let small = |value: u64| i64::try_from(value).expect("a small remainder");
        let time = T0_MS + small(i * 1_296 + (r >> 40) % 1_296);
        mid += 2 * (i64::from((r & 0xFF_FFFF).count_ones()) - 12);
        let spread = 28 + small((r >> 24) % 5);
        let bid = mid - spread / 2;
        (time, bid, bid + spread)
    })
}

/// The same as quotes.
pub(crate) fn ticks(n: u64) -> Vec<Tick> {
    let price = |tenths: i64| Price::from_micros(tenths * TENTH);
    raw_ticks(n).map(|(t, b, o)| Tick { time: UtcMicros(t * 1_000), bid: price(b), offer: price(o) }).collect()
}

/// The same as CSV: `ts_ms,bid,offer`.
pub(crate) fn csv(n: u64) -> Vec<u8> {
    use std::io::Write as _;
    let mut text = b"ts_ms,bid,offer\n".to_vec();
    for (t, b, o) in raw_ticks(n) {
        writeln!(text, "{t},{}.{},{}.{}", b / 10, b % 10, o / 10, o % 10).expect("text is written into memory");
    }
    text
}
