//! What may still come of a candidate, for a row of the leaderboard.

use super::Likely;
use crate::domain::SeatIdx;
use crate::flow::Outlook;
use crate::promoter::Promoter;

impl Promoter {
    /// The outlook of a seat; what takes time is computed once for each number of episodes.
    ///
    /// # Panics
    /// If the seat was never registered.
    #[must_use]
    pub fn outlook(&self, seat: SeatIdx) -> Outlook {
        let at = self.at(seat);
        let seat = &self.seats[at];
        let days = |likely| self.expected_days(at, self.now, likely);
        Outlook {
            ucb95_r: seat.ucb95(),
            effective_episodes: seat.effective_episodes(),
            expected_days_to_decision: days(Likely::Mean),
            expected_days_low: days(Likely::High),
            expected_days_high: days(Likely::Low),
        }
    }
}
