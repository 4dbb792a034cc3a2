//! Trading days: outcomes added up by day, rounds as the unit of evidence, and the challenger test over common rounds.
//!
//! A round is a UTC day on which any candidate of the arena closed an episode; a candidate that closed none made 0 in
//! it. It ends when the first episode of a later day comes in. Where rounds are the unit of evidence, a position that is
//! open over the end of a day is marked to market there: the day has what it had gained or lost by then, the next the rest.

use super::audit::Trigger;
use super::policy::Promoter;
use super::reign::Swap;
use super::seat::{Open, Scored, Seat};
use crate::config::EvidenceUnit;
use crate::domain::{Micros, Money, SeatIdx, UtcMicros};
use crate::flow::{Change, State};

impl Promoter {
    /// Ends the present round where `day` is a later one.
    pub(super) fn turn_day(&mut self, time: UtcMicros, day: i64, changes: &mut Vec<Change>) {
        match self.today {
            Some(today) if day > today => {
                self.end_round(time, today, changes);
                self.today = Some(day);
            }
            Some(_) => {}
            None => self.today = Some(day),
        }
    }

    /// What a seat had open at the close at `time`: `profit`, of a position opened at `opened`; zero when flat.
    ///
    /// # Panics
    /// If the seat was never registered.
    pub fn on_mark(&mut self, seat: SeatIdx, time: UtcMicros, opened: UtcMicros, profit: Money) {
        let at = self.at(seat);
        let seat = &mut self.seats[at];
        if !seat.counts(opened) || seat.rho_micros <= 0.0 {
            return;
        }
        let r = profit.micros() as f64 / seat.rho_micros;
        // The close at midnight is the day's that ends there.
        let day = UtcMicros(time.0.saturating_sub(1)).day();
        if self.today.is_some_and(|today| day > today) {
            seat.open.later = Some(r);
        } else {
            seat.open.now = r;
        }
    }

    fn end_round(&mut self, time: UtcMicros, day: i64, changes: &mut Vec<Change>) {
        self.days.push(day);
        let budget = self.config.round_risk_r;
        for seat in &mut self.seats {
            let Open { then, now, later } = seat.open;
            seat.today += now - then;
            seat.open = Open { then: now, now: later.unwrap_or(now), later: None };
        }
        let rounds: Vec<f64> = self.seats.iter().map(|seat| seat.today / budget).collect();
        self.compare_champions(day, &rounds);
        let is_unit = self.config.unit == EvidenceUnit::Round;
        for (at, round) in rounds.into_iter().enumerate() {
            let seat = &mut self.seats[at];
            let r = std::mem::take(&mut seat.today);
            if matches!(seat.state, State::Warming | State::Retired) {
                continue;
            }
            seat.daily.push(r);
            if is_unit && seat.since.day() <= day {
                self.on_outcome(at, time, round_of(day, r, round, seat_rho(&self.seats[at])), Trigger::Round, changes);
            }
            self.retire_idle(at, time, changes);
        }
        self.find_copies();
    }

    /// Every challenger of every champion is held against it by what the round brought.
    fn compare_champions(&mut self, day: i64, rounds: &[f64]) {
        let eligible = self.eligible.clone();
        let config = &self.config;
        for champion in &self.live {
            let of_champion = rounds[champion.0 as usize];
            let Some(reign) = self.seats[champion.0 as usize].reign.as_deref_mut() else { continue };
            for (challenger, swap) in &mut reign.swaps {
                let difference = rounds[challenger.0 as usize] - of_champion;
                // A round in which either had no number is left out, whatever it may have been.
                if day > swap.from_day && eligible.contains(challenger) && difference.is_finite() {
                    swap.push(config, difference);
                }
            }
        }
    }

    /// Enters a candidate that has just become eligible into the challenger tests, and all that are eligible into those
    /// of a new champion; a reign has so many places for challengers.
    pub(super) fn enter_challengers(&mut self, time: UtcMicros) {
        let day = time.day();
        for champion in self.live.iter().copied().collect::<Vec<_>>() {
            for challenger in self.eligible.iter().copied().collect::<Vec<_>>() {
                if self.rival(self.at(challenger)) != Some(champion) {
                    continue;
                }
                let most = self.config.swap_slots as usize;
                let swap = Swap::new(&self.config, day);
                let at = self.at(champion);
                if let Some(reign) = self.seats[at].reign.as_deref_mut()
                    && (reign.swaps.len() < most || reign.swaps.contains_key(&challenger))
                {
                    reign.swaps.entry(challenger).or_insert(swap);
                }
            }
        }
    }

    /// The rounds of a seat again: what a restarted arena puts its list of outcomes together from. Its days are the last
    /// of the arena's.
    pub(super) fn rounds_of(&self, seat: &Seat) -> Vec<Scored> {
        let Some((first, last)) = seat.range else { return Vec::new() };
        let before = self.days.len().saturating_sub(seat.daily.len());
        let days = self.days[before..].iter().zip(&seat.daily);
        days.filter(|(day, r)| (first..=last).contains(&day.unsigned_abs()) && r.is_finite())
            .map(|(day, r)| round_of(*day, *r, r / self.config.round_risk_r, seat_rho(seat)))
            .collect()
    }

    /// Candidates that trade as an earlier one does are marked as its copies: the same market, and nearly the same
    /// outcomes at the same times. It changes no decision: each pays for its own slot.
    pub(super) fn find_copies(&mut self) {
        let order: Vec<usize> = {
            let mut order: Vec<usize> =
                (0..self.seats.len()).filter(|at| self.seats[*at].episodes.len() >= COPY_MIN).collect();
            let key = |at: usize| {
                let seat = &self.seats[at];
                (seat.market.as_str(), seat.episodes[0].opened, seat.episodes.len(), at)
            };
            order.sort_by(|a, b| key(*a).cmp(&key(*b)));
            order
        };
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (place, at) in order.iter().enumerate() {
            // Copies lie next to each other in this order; looking at a few neighbours keeps it linear.
            for other in order[place + 1..].iter().take(COPY_NEIGHBOURS) {
                let (early, late) = ((*at).min(*other), (*at).max(*other));
                if is_copy(&self.seats[early], &self.seats[late]) {
                    found.push((early, late));
                }
            }
        }
        for seat in &mut self.seats {
            seat.copy_of = None;
        }
        for (early, late) in found {
            let first = self.seats[early].copy_of.unwrap_or_else(|| Self::idx(early));
            let known = self.seats[late].copy_of.unwrap_or(first);
            self.seats[late].copy_of = Some(known.min(first));
        }
    }
}

/// Outcomes under which nobody is called a copy.
const COPY_MIN: usize = 20;
/// Neighbours that are looked at.
const COPY_NEIGHBOURS: usize = 8;
/// The share of outcomes that have to agree, and how closely, in R.
const COPY_SHARE: f64 = 0.95;
const COPY_TOLERANCE_R: f64 = 0.05;

fn is_copy(a: &Seat, b: &Seat) -> bool {
    if a.market != b.market || a.state == State::Retired || b.state == State::Retired {
        return false;
    }
    let (mut i, mut j, mut agreed) = (0, 0, 0usize);
    while i < a.episodes.len() && j < b.episodes.len() {
        let (x, y) = (&a.episodes[i], &b.episodes[j]);
        match x.opened.cmp(&y.opened) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                agreed += usize::from((x.x - y.x).abs() <= COPY_TOLERANCE_R);
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    let most = a.episodes.len().max(b.episodes.len());
    agreed as f64 >= COPY_SHARE * most as f64
}

fn seat_rho(seat: &Seat) -> f64 {
    seat.rho_micros
}

/// A round as an outcome: `r` is what it brought, in R of an episode, `x` the same in budgets.
fn round_of(day: i64, r: f64, x: f64, rho_micros: f64) -> Scored {
    let opened = UtcMicros(day * Micros::DAY.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a profit is far inside of 64 bits; it is for the record alone"
    )]
    let profit = Money::from_micros((r * rho_micros).round() as i64);
    Scored {
        number: day.unsigned_abs(),
        opened,
        closed: UtcMicros(opened.0 + Micros::DAY.0 - 1),
        profit,
        rho_micros,
        x,
    }
}

/// Whom a challenger would have to beat.
impl Promoter {
    /// The champion of its market; where the live slots are all taken by other markets, the one that ranks last.
    pub(super) fn rival(&self, at: usize) -> Option<SeatIdx> {
        let market = &self.seats[at].market;
        let own = self.live.iter().copied().find(|idx| self.seats[idx.0 as usize].market == *market);
        own.or_else(|| {
            let is_full = self.live.len() >= self.config.live_slots as usize;
            let last = || self.live.iter().copied().max_by_key(|idx| self.ranking(*idx));
            is_full.then(last).flatten()
        })
    }
}
