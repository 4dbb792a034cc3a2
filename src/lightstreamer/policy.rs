//! What the codes of a server ask of a client, and how long to wait between attempts.

use super::Timing;

/// What to do about a session that was refused or ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Remedy {
    /// Make a new session at once.
    Renew,
    /// Make a new session, not before so many milliseconds.
    RenewAfter(u64),
    /// Wait for other credentials.
    Credentials,
    /// Give up: asking again will not help.
    Stop,
}

/// Another client of the same user took over: to snatch the session back at once would go to and fro for ever.
const TAKEN_OVER_MILLIS: u64 = 60_000;

/// The server has too much to do.
const OVERLOADED_MILLIS: u64 = 5_000;

/// The remedy for `CONERR` and `END` codes.
pub(super) fn remedy(code: i64) -> Remedy {
    match code {
        1 => Remedy::Credentials,
        // Cannot recover, not found, wrong server, rebound elsewhere, too old: the session is gone, a new one is not.
        4 | 20 | 21 | 40 | 41 | 48 => Remedy::Renew,
        5..=10 => Remedy::RenewAfter(OVERLOADED_MILLIS),
        35 => Remedy::RenewAfter(TAKEN_OVER_MILLIS),
        // Adapter set, protocol, licence, client version, requests that the server cannot read or does not allow.
        2 | 3 | 11 | 60 | 64 | 65 | 67 | 70 | 71 => Remedy::Stop,
        _ => Remedy::RenewAfter(0),
    }
}

/// Pauses between attempts: none, then doubling, each with its share of chance so that clients do not come in step.
#[derive(Clone, Debug)]
pub(super) struct Pauses {
    attempts: u32,
    state: u64,
}

impl Pauses {
    pub(super) fn new(seed: u64) -> Self {
        Self { attempts: 0, state: seed }
    }

    /// The next pause, in milliseconds: between half of it and the whole.
    pub(super) fn next(&mut self, timing: &Timing) -> u64 {
        let full = match self.attempts {
            0 => 100.min(timing.pause_millis),
            n => timing.pause_millis.saturating_mul(1 << (n - 1).min(20)).min(timing.pause_max_millis),
        };
        self.attempts = self.attempts.saturating_add(1);
        full / 2 + self.draw(full / 2 + 1)
    }

    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Less than `below`. Source: Steele et al. (2014), `SplitMix64`.
    fn draw(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit_and_differ_by_seed() {
        let timing = Timing { pause_millis: 500, pause_max_millis: 4_000, ..Timing::default() };
        let all = |seed| {
            let mut pauses = Pauses::new(seed);
            (0..8).map(|_| pauses.next(&timing)).collect::<Vec<_>>()
        };
        for (pause, full) in all(7).into_iter().zip([100, 500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000]) {
            assert!((full / 2..=full).contains(&pause), "{pause} of {full}");
        }
        assert_ne!(all(7), all(8));
        let mut pauses = Pauses::new(1);
        assert!((0..50).all(|_| pauses.next(&timing) <= 4_000));
        assert!(pauses.next(&timing) <= 4_000);
        pauses.reset();
        assert!(pauses.next(&timing) <= 100);
    }
}
