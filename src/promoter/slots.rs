//! Alpha slots: how the chance of a false promotion is shared among candidates that come and go.
//!
//! `M` slots carry `alpha / M` each. The r-th occupant of a slot starts with wealth `s_r`, and the `s_r` of a slot sum
//! to 1 however many occupants it sees, so that no sequence of tries can spend more than the slot has.

use serde::{Deserialize, Serialize};

/// One slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// How many candidates ever held it.
    pub occupants: u32,
    /// Whether one holds it now.
    pub is_taken: bool,
}

/// A candidate's place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotPlace {
    /// The slot.
    pub index: u32,
    /// The candidate is its so-manieth occupant, from 1.
    pub occupant: u32,
    /// What it starts with.
    pub start_wealth: f64,
}

/// All slots of an arena.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotTable {
    slots: Vec<Slot>,
    first_share: f64,
    dead: f64,
}

/// `s_r`: `q` for the first occupant, `(1 − q) / (r (r − 1))` for every later one.
#[must_use]
pub fn start_wealth(first_share: f64, occupant: u32) -> f64 {
    let r = f64::from(occupant);
    if occupant <= 1 { first_share } else { (1.0 - first_share) / (r * (r - 1.0)) }
}

impl SlotTable {
    /// `count` slots that nobody ever held; `first_share` is `q`, and a slot whose next start wealth is below `dead` is
    /// not used again.
    #[must_use]
    pub fn new(count: u32, first_share: f64, dead: f64) -> Self {
        Self { slots: vec![Slot::default(); count as usize], first_share, dead }
    }

    /// Gives the next candidate a place: a slot never used before any other, else the free one with the largest next
    /// start wealth, ties to the lowest index. `None` where no slot is left.
    pub fn join(&mut self) -> Option<SlotPlace> {
        // One pass that keeps the first of the largest decides both rules: a slot never used counts as infinitely rich.
        let mut best: Option<(usize, f64)> = None;
        for (index, slot) in self.slots.iter().enumerate() {
            let next = start_wealth(self.first_share, slot.occupants + 1);
            if slot.is_taken || next < self.dead {
                continue;
            }
            let wealth = if slot.occupants == 0 { f64::INFINITY } else { next };
            if best.is_none_or(|(_, most)| wealth > most) {
                best = Some((index, wealth));
            }
        }
        let (index, _) = best?;
        let slot = &mut self.slots[index];
        slot.occupants += 1;
        slot.is_taken = true;
        let index = u32::try_from(index).expect("slots are counted in 32 bits");
        Some(SlotPlace {
            index,
            occupant: slot.occupants,
            start_wealth: start_wealth(self.first_share, slot.occupants),
        })
    }

    /// Frees a slot.
    ///
    /// # Panics
    /// If nobody holds it.
    pub fn leave(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        assert!(slot.is_taken, "slot {index} is left by nobody");
        slot.is_taken = false;
    }

    /// One slot as it stands.
    #[must_use]
    pub fn slot(&self, index: u32) -> Slot {
        self.slots[index as usize]
    }

    /// How many slots are held.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_taken).count()
    }

    /// Changes the share under which no slot is used again.
    pub(super) fn set_dead(&mut self, dead: f64) {
        self.dead = dead;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_slot_never_sum_above_one() {
        let sum: f64 = (1..=1_000_000).map(|r| start_wealth(0.8, r)).sum();
        assert!(sum < 1.0 && sum > 0.999_99, "{sum}");
        assert!((start_wealth(0.8, 2) - 0.1).abs() < 1e-15);
        assert!((start_wealth(0.8, 3) - 0.2 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn never_used_slots_come_first_then_the_richest_then_the_lowest() {
        let mut table = SlotTable::new(3, 0.8, 1e-6);
        let indices = |table: &mut SlotTable, n: usize| (0..n).map(|_| table.join().unwrap().index).collect::<Vec<_>>();
        assert_eq!(indices(&mut table, 2), [0, 1]);
        table.leave(0);
        assert_eq!(table.join().unwrap(), SlotPlace { index: 2, occupant: 1, start_wealth: 0.8 }, "2 was never used");
        let second = table.join().unwrap();
        assert_eq!((second.index, second.occupant), (0, 2));
        assert_eq!(table.join(), None);
        table.leave(0);
        table.leave(1);
        table.leave(2);
        assert_eq!(indices(&mut table, 3), [1, 2, 0], "0 has had two, so it is the poorest");
    }

    #[test]
    fn a_never_used_slot_wins_even_where_its_share_is_the_smaller() {
        let mut table = SlotTable::new(2, 0.05, 1e-6);
        table.join().unwrap();
        table.leave(0);
        assert_eq!(table.join().unwrap().index, 1, "slot 0 would start its second with 0.475");
    }

    #[test]
    fn a_dead_slot_is_not_used_again() {
        let mut table = SlotTable::new(1, 0.8, 0.03);
        for occupant in 1..=3 {
            assert_eq!(table.join().unwrap().occupant, occupant);
            table.leave(0);
        }
        assert_eq!(table.join(), None, "the fourth would start with 0.0167");
        assert_eq!(table.taken(), 0);
    }
}
