//! Alpha slots: how the chance of a false promotion is shared among candidates that come and go.
//!
//! `M` slots carry `alpha / M` each. Under `spend` the r-th occupant of a slot starts with wealth `s_r`, and the `s_r` of
//! a slot sum to 1 however many occupants it sees. Under `inherit` the first starts with 1 and the next with what the
//! leaver had, at most what it had started with. Either way no sequence of tries can spend more than the slot has. A
//! further budget adds `M` slots of the same share, and its `alpha` to the chance of a false promotion.

use serde::{Deserialize, Serialize};

use crate::config::{PromotionConfig, SlotReuse};
use crate::statistics::multiplicity::handover;

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// How many candidates ever held it.
    pub occupants: u32,
    /// Whether one holds it now.
    pub is_taken: bool,
    /// What the next occupant starts with.
    pub next_start: f64,
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
    a_budget: u32,
    reuse: SlotReuse,
    first_share: f64,
    dead: f64,
}

/// `s_r` under `spend`: `q` for the first occupant, `(1 − q) / (r (r − 1))` for every later one.
#[must_use]
pub fn start_wealth(first_share: f64, occupant: u32) -> f64 {
    let r = f64::from(occupant);
    if occupant <= 1 { first_share } else { (1.0 - first_share) / (r * (r - 1.0)) }
}

impl SlotTable {
    /// The slots of a first budget, which nobody ever held.
    #[must_use]
    pub fn new(config: &PromotionConfig) -> Self {
        let mut table = Self {
            slots: Vec::new(),
            a_budget: config.alpha_slots,
            reuse: config.slot_reuse,
            first_share: config.slot_first_share,
            dead: config.slot_dead,
        };
        table.open_budget();
        table
    }

    /// Adds the slots of a further budget.
    pub fn open_budget(&mut self) {
        let next_start = match self.reuse {
            SlotReuse::Spend => start_wealth(self.first_share, 1),
            SlotReuse::Inherit => 1.0,
        };
        let slot = Slot { occupants: 0, is_taken: false, next_start };
        self.slots.resize(self.slots.len() + self.a_budget as usize, slot);
    }

    /// How many budgets were opened.
    #[must_use]
    pub fn budgets(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("slots are counted in 32 bits") / self.a_budget
    }

    /// The budget that a slot belongs to, from 1.
    #[must_use]
    pub fn budget_of(&self, index: u32) -> u32 {
        index / self.a_budget + 1
    }

    /// Gives the next candidate a place: a slot never used before any other, else the free one with the largest next
    /// start wealth, ties to the lowest index. `None` where no slot is left.
    pub fn join(&mut self) -> Option<SlotPlace> {
        // One pass that keeps the first of the largest decides both rules: a slot never used counts as infinitely rich.
        let mut best: Option<(usize, f64)> = None;
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.is_taken || slot.next_start < self.dead {
                continue;
            }
            let wealth = if slot.occupants == 0 { f64::INFINITY } else { slot.next_start };
            if best.is_none_or(|(_, most)| wealth > most) {
                best = Some((index, wealth));
            }
        }
        let (index, _) = best?;
        let slot = &mut self.slots[index];
        slot.occupants += 1;
        slot.is_taken = true;
        let start_wealth = slot.next_start;
        let index = u32::try_from(index).expect("slots are counted in 32 bits");
        Some(SlotPlace { index, occupant: slot.occupants, start_wealth })
    }

    /// Frees the slot of `place`; `wealth` is what its occupant ends with, start wealth included.
    ///
    /// # Panics
    /// If nobody holds it.
    pub fn leave(&mut self, place: SlotPlace, wealth: f64) {
        let first_share = self.first_share;
        let reuse = self.reuse;
        let slot = &mut self.slots[place.index as usize];
        assert!(slot.is_taken, "slot {} is left by nobody", place.index);
        slot.is_taken = false;
        slot.next_start = match reuse {
            SlotReuse::Spend => start_wealth(first_share, slot.occupants + 1),
            SlotReuse::Inherit => handover(place.start_wealth, wealth),
        };
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

    /// How many slots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many are free and still worth taking.
    #[must_use]
    pub fn free(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.is_taken && slot.next_start >= self.dead).count()
    }

    /// Changes the share under which no slot is used again.
    pub(super) fn set_dead(&mut self, dead: f64) {
        self.dead = dead;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    fn table(slots: u32, first_share: f64, dead: f64) -> SlotTable {
        let (alpha_slots, slot_first_share, slot_dead) = (slots, first_share, dead);
        SlotTable::new(&PromotionConfig { alpha_slots, slot_first_share, slot_dead, ..config() })
    }

    /// The present occupant of a slot leaves with `wealth`.
    fn leave(table: &mut SlotTable, index: u32, wealth: f64) {
        let slot = table.slot(index);
        let place = SlotPlace { index, occupant: slot.occupants, start_wealth: slot.next_start };
        table.leave(place, wealth);
    }

    #[test]
    fn shares_of_a_slot_never_sum_above_one() {
        let sum: f64 = (1..=1_000_000).map(|r| start_wealth(0.8, r)).sum();
        assert!(sum < 1.0 && sum > 0.999_99, "{sum}");
        assert!((start_wealth(0.8, 2) - 0.1).abs() < 1e-15);
        assert!((start_wealth(0.8, 3) - 0.2 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn never_used_slots_come_first_then_the_richest_then_the_lowest() {
        let mut table = table(3, 0.8, 1e-6);
        let indices = |table: &mut SlotTable, n: usize| (0..n).map(|_| table.join().unwrap().index).collect::<Vec<_>>();
        assert_eq!(indices(&mut table, 2), [0, 1]);
        leave(&mut table, 0, 5.0);
        assert_eq!(table.join().unwrap(), SlotPlace { index: 2, occupant: 1, start_wealth: 0.8 }, "2 was never used");
        let second = table.join().unwrap();
        assert_eq!((second.index, second.occupant), (0, 2));
        assert_eq!(table.join(), None);
        leave(&mut table, 0, 1.0);
        leave(&mut table, 1, 1.0);
        leave(&mut table, 2, 1.0);
        assert_eq!(indices(&mut table, 3), [1, 2, 0], "0 has had two, so it is the poorest");
    }

    #[test]
    fn a_never_used_slot_wins_even_where_its_share_is_the_smaller() {
        let mut table = table(2, 0.05, 1e-6);
        table.join().unwrap();
        leave(&mut table, 0, 1.0);
        assert_eq!(table.join().unwrap().index, 1, "slot 0 would start its second with 0.475");
    }

    #[test]
    fn a_dead_slot_is_not_used_again_and_a_new_budget_has_fresh_ones() {
        let mut table = table(1, 0.8, 0.03);
        for occupant in 1..=3 {
            assert_eq!(table.join().unwrap().occupant, occupant);
            leave(&mut table, 0, 1.0);
        }
        assert_eq!((table.join(), table.taken(), table.free()), (None, 0, 0), "the fourth would start with 0.0167");
        table.open_budget();
        assert_eq!((table.budgets(), table.len(), table.free()), (2, 2, 1));
        let place = table.join().unwrap();
        assert_eq!((place.index, place.occupant, table.budget_of(place.index)), (1, 1, 2));
    }

    #[test]
    fn an_heir_never_starts_richer_than_the_leaver_did() {
        let mut table = SlotTable::new(&PromotionConfig { alpha_slots: 1, slot_reuse: SlotReuse::Inherit, ..config() });
        let mut starts = Vec::new();
        for end in [0.3, 50.0, 0.02, 0.02] {
            let place = table.join().unwrap();
            starts.push(place.start_wealth);
            table.leave(place, end);
        }
        assert_eq!(starts, [1.0, 0.3, 0.3, 0.02]);
        let place = table.join().unwrap();
        table.leave(place, 0.0);
        assert_eq!(table.join(), None, "nothing is left of it");
    }
}
