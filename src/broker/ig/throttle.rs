//! The budgets of IG's allowances, pure: who may send when.
//!
//! Three kinds of request share them. Deals have an allowance of their own. What the desk has to know (confirmations,
//! positions) and what is only data (markets, past prices) share that of the account and of the key; data leaves a part
//! of it alone, so that the desk is never starved by it.

use std::collections::VecDeque;

use super::fault::Allowance;
use super::wire::HistoryAllowance;

/// Allowances are per this long.
const WINDOW_MILLIS: u64 = 60_000;

/// The service counts about so many more requests than were made.
const MARGIN: u32 = 2;

/// The share of an allowance that data leaves for the desk: a third.
const DESK_SHARE: u32 = 3;

/// Whose request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Opens, amends or closes.
    Deal,
    /// What dealing has to know.
    Desk,
    /// Everything else.
    Data,
}

/// Requests a minute, as IG grants them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Dealing requests of the account.
    pub trading: u32,
    /// Other requests of the account.
    pub account: u32,
    /// Other requests of the key.
    pub application: u32,
}

impl Default for Limits {
    /// Those that IG publishes.
    fn default() -> Self {
        Self { trading: 100, account: 30, application: 60 }
    }
}

#[derive(Debug, Default)]
struct Budget {
    limit: u32,
    sent: VecDeque<u64>,
    /// IG said that it is used up: nothing before this.
    closed_until: u64,
}

impl Budget {
    fn forget(&mut self, now: u64) {
        while self.sent.front().is_some_and(|at| now.saturating_sub(*at) >= WINDOW_MILLIS) {
            self.sent.pop_front();
        }
    }

    fn usable(&self) -> u32 {
        self.limit.saturating_sub(MARGIN).max(1)
    }

    /// How long until one more may be sent, if so many are left alone.
    fn wait(&mut self, now: u64, reserve: u32) -> u64 {
        self.forget(now);
        let usable = usize::try_from(self.usable().saturating_sub(reserve).max(1)).unwrap_or(usize::MAX);
        let closed = self.closed_until.saturating_sub(now);
        let full = match self.sent.len().checked_sub(usable) {
            None => 0,
            // So many of the oldest have to be forgotten before there is room.
            Some(surplus) => (self.sent[surplus] + WINDOW_MILLIS).saturating_sub(now),
        };
        closed.max(full)
    }

    fn left(&mut self, now: u64) -> u32 {
        self.forget(now);
        if self.closed_until > now {
            return 0;
        }
        self.usable().saturating_sub(u32::try_from(self.sent.len()).unwrap_or(u32::MAX))
    }
}

/// What is left of every allowance.
#[derive(Debug)]
pub struct Throttle {
    trading: Budget,
    account: Budget,
    application: Budget,
    history: Option<HistoryAllowance>,
}

impl Throttle {
    /// Full budgets. Times are milliseconds of any steady clock.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let budget = |limit| Budget { limit, ..Budget::default() };
        Self {
            trading: budget(limits.trading),
            account: budget(limits.account),
            application: budget(limits.application),
            history: None,
        }
    }

    /// Other limits, as the key's own record tells them.
    pub fn set_limits(&mut self, limits: Limits) {
        (self.trading.limit, self.account.limit, self.application.limit) =
            (limits.trading, limits.account, limits.application);
    }

    /// Counts a request that is about to be sent.
    ///
    /// # Errors
    /// How many milliseconds to wait first; nothing is counted then.
    pub fn reserve(&mut self, lane: Lane, now: u64) -> Result<(), u64> {
        if lane == Lane::Deal {
            let wait = self.trading.wait(now, 0);
            if wait > 0 {
                return Err(wait);
            }
            self.trading.sent.push_back(now);
            return Ok(());
        }
        let kept = |budget: &Budget| if lane == Lane::Data { budget.usable() / DESK_SHARE } else { 0 };
        let (of_account, of_key) = (kept(&self.account), kept(&self.application));
        let wait = self.account.wait(now, of_account).max(self.application.wait(now, of_key));
        if wait > 0 {
            return Err(wait);
        }
        self.account.sent.push_back(now);
        self.application.sent.push_back(now);
        Ok(())
    }

    /// IG says that an allowance is used up.
    pub fn on_exceeded(&mut self, allowance: Allowance, now: u64) {
        let budget = match allowance {
            Allowance::Trading => &mut self.trading,
            Allowance::Account => &mut self.account,
            Allowance::Application => &mut self.application,
            Allowance::History => {
                if let Some(history) = &mut self.history {
                    history.remaining_allowance = 0;
                }
                return;
            }
        };
        // Somebody else uses the key too, or we came from a restart: a share of the window, and then again.
        budget.closed_until = now + WINDOW_MILLIS / 4;
    }

    /// What an answer of past prices says.
    pub fn on_history(&mut self, allowance: HistoryAllowance) {
        self.history = Some(allowance);
    }

    /// What is left of the week's points, as last told.
    #[must_use]
    pub fn history(&self) -> Option<HistoryAllowance> {
        self.history
    }

    /// What is left of each allowance, and the whole of it; those that are not known are not there.
    pub fn left(&mut self, now: u64) -> Vec<(Allowance, i64, i64)> {
        let mut all = Vec::with_capacity(Allowance::ALL.len());
        for (allowance, budget) in [
            (Allowance::Trading, &mut self.trading),
            (Allowance::Account, &mut self.account),
            (Allowance::Application, &mut self.application),
        ] {
            all.push((allowance, i64::from(budget.left(now)), i64::from(budget.usable())));
        }
        all.extend(self.history.map(|h| (Allowance::History, h.remaining_allowance, h.total_allowance)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_two_requests_less_than_granted() {
        let mut throttle = Throttle::new(Limits { trading: 5, ..Limits::default() });
        assert_eq!(
            (0..5).map(|n| throttle.reserve(Lane::Deal, n * 10)).collect::<Vec<_>>(),
            [Ok(()), Ok(()), Ok(()), Err(59_970), Err(59_960)]
        );
        assert_eq!(throttle.reserve(Lane::Deal, 60_000), Ok(()), "the first is a minute old");
        assert_eq!(throttle.reserve(Lane::Deal, 60_000), Err(10));
    }

    #[test]
    fn data_never_takes_what_the_desk_needs() {
        let mut throttle = Throttle::new(Limits::default());
        let data = (0..100).filter(|_| throttle.reserve(Lane::Data, 0).is_ok()).count();
        let desk = (0..100).filter(|_| throttle.reserve(Lane::Desk, 0).is_ok()).count();
        let deals = (0..200).filter(|_| throttle.reserve(Lane::Deal, 0).is_ok()).count();
        assert_eq!((data, desk, deals), (19, 9, 98), "of 28 and of 98");
        assert_eq!(
            throttle.left(0)[..3],
            [(Allowance::Trading, 0, 98), (Allowance::Account, 0, 28), (Allowance::Application, 30, 58)]
        );
        assert_eq!(throttle.left(60_000)[1], (Allowance::Account, 28, 28));
    }

    #[test]
    fn what_ig_says_is_used_up_is_left_alone_for_a_while() {
        let mut throttle = Throttle::new(Limits::default());
        throttle.on_exceeded(Allowance::Account, 1_000);
        assert_eq!(throttle.reserve(Lane::Desk, 1_000), Err(15_000));
        assert_eq!(throttle.reserve(Lane::Deal, 1_000), Ok(()), "dealing has its own");
        assert_eq!(throttle.reserve(Lane::Desk, 16_000), Ok(()));
        let week = HistoryAllowance { remaining_allowance: 9_000, total_allowance: 10_000, allowance_expiry: 60 };
        throttle.on_history(week);
        assert_eq!(throttle.left(0)[3], (Allowance::History, 9_000, 10_000));
        throttle.on_exceeded(Allowance::History, 0);
        assert_eq!(throttle.history().unwrap().remaining_allowance, 0);
    }

    proptest::proptest! {
        #[test]
        fn no_minute_ever_has_more_than_granted(steps in proptest::collection::vec((0u64..2_000, 0usize..3), 0..600)) {
            let mut throttle = Throttle::new(Limits::default());
            let (mut now, mut deals, mut others) = (0, Vec::new(), Vec::new());
            for (pause, lane) in steps {
                now += pause;
                let lane = [Lane::Deal, Lane::Desk, Lane::Data][lane];
                if throttle.reserve(lane, now).is_ok() {
                    if lane == Lane::Deal { deals.push(now) } else { others.push(now) }
                }
            }
            for (sent, limit) in [(deals, 98), (others, 28)] {
                for (at, first) in sent.iter().enumerate() {
                    let within = sent[at..].iter().take_while(|time| **time - first < 60_000).count();
                    proptest::prop_assert!(within <= limit);
                }
            }
        }
    }
}
