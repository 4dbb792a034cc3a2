//! Seeded trouble: lost requests, lost answers, a broker that cannot be reached, a journal that fails, positions that
//! come and go. Whatever happens, afterwards our book equals the venue's, or dealing is halted and says why.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::world::*;
use crate::broker::{Broker, Deal, DealStatus};
use crate::desk::Desk;
use crate::domain::{DealReference, Direction, SeatIdx};
use crate::flow::State;
use crate::sim::venue::Fault;
use crate::store::entry::DeskEntry;

/// Splitmix64: enough for a simulation, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

#[test]
fn the_book_equals_the_venue_or_dealing_is_halted_with_a_reason() {
    let mut outcomes = BTreeMap::new();
    for seed in 0..150 {
        let outcome = simulate(seed);
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    // Both ends are reached often, else the simulation would prove nothing.
    assert!(outcomes[&true] > 15 && outcomes[&false] > 15, "{outcomes:?}");
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let journals: Vec<_> = (0..2).map(|_| run(11).0.journal.entries()).collect();
    assert!(journals[0].len() > 20, "{} entries", journals[0].len());
    assert_eq!(journals[0], journals[1]);
}

/// Whether it ended halted.
fn simulate(seed: u64) -> bool {
    let (world, sent) = run(seed);
    let theirs = done(world.venue.open_positions()).unwrap();
    let view = world.desk.view();
    let ours: Vec<&str> =
        view.trades.iter().filter(|row| row.status == "open").map(|row| row.deal_reference.as_str()).collect();
    let mut ours_sorted = ours.clone();
    ours_sorted.sort_unstable();
    let mut theirs_sorted: Vec<&str> = theirs.iter().map(|deal| deal.reference.as_str()).collect();
    theirs_sorted.sort_unstable();
    let is_halted = world.desk.halted().is_some_and(|reason| !reason.is_empty());
    assert!(is_halted || ours_sorted == theirs_sorted, "seed {seed}: ours {ours:?}, theirs {theirs_sorted:?}");
    if !is_halted {
        assert!(
            view.trades.iter().all(|row| row.status != "unknown" || row.opened.is_some()),
            "seed {seed}: doubt left"
        );
    }
    for (reference, n) in sent {
        assert_eq!(n, 1, "seed {seed}: intent {reference} twice");
    }
    // What is in the journal is what the desk believes.
    let replayed = Desk::recover(None, &world.journal.entries()).view();
    assert_eq!(replayed.net_profit, view.net_profit, "seed {seed}");
    is_halted
}

fn run(seed: u64) -> (World, BTreeMap<DealReference, u32>) {
    let mut dice = Dice(seed);
    let mut world = World::of_venue();
    world.risk.max_daily_loss = "100000".parse().unwrap();
    let (is_harsh, mut mid, mut second) = (seed.is_multiple_of(2), 13_000i64, 0.0);
    let mut deals = [0u64; 3];
    for step in 0..120u32 {
        let quotes: Vec<_> = (0..1 + dice.roll(5))
            .map(|_| {
                second += 1.0 + dice.roll(8) as f64;
                mid += i64::try_from(dice.roll(13)).unwrap() - 6;
                quote(second, mid, mid + 1)
            })
            .collect();
        second = (second / 10.0).ceil() * 10.0;
        let is_calm = step >= 100;
        world.venue.set_unreachable(!is_calm && dice.one_in(12));
        world.journal.is_failing.store(!is_calm && is_harsh && dice.one_in(60), Ordering::SeqCst);
        if !is_calm && dice.one_in(6) {
            let fault = [Fault::LoseAnswer, Fault::LoseRequest, Fault::Refuse("MARKET_OFFLINE".to_owned())];
            world.venue.fail_open(fault[usize::try_from(dice.roll(3)).unwrap()].clone());
        }
        if !is_calm && dice.one_in(8) {
            let fault = [Fault::LoseAnswer, Fault::LoseRequest];
            world.venue.fail_close(fault[usize::try_from(dice.roll(2)).unwrap()].clone());
        }
        if is_harsh && !is_calm && dice.one_in(60) {
            disturb(&world, &mut dice, second);
        }
        let mut changes = Vec::new();
        let mut tickets = Vec::new();
        for seat in 0..3u32 {
            let is_live = world.desk.is_live(SeatIdx(seat));
            if !is_live && dice.one_in(5) {
                changes.push(change(at(second), SeatIdx(seat), State::Live));
            } else if is_live && dice.one_in(25) {
                changes.push(change(at(second), SeatIdx(seat), State::Shadow));
            }
            if !is_calm && dice.one_in(2) {
                let deal = &mut deals[seat as usize];
                *deal += dice.roll(2);
                let direction = if dice.one_in(2) { Direction::Long } else { Direction::Short };
                let mut made = ticket(second, *deal, direction);
                (made.seat, made.valid_until) = (SeatIdx(seat), at(second + 20.0));
                tickets.push(made);
            }
        }
        world.play(&round(second, &quotes), &changes, &tickets);
        if dice.one_in(40) {
            world.halt(second, "operator");
        }
        if !is_harsh && world.desk.halted().is_some() {
            // May be refused: then it stays halted, and says why.
            world.resume(second).ok();
        }
        if dice.one_in(30) {
            restart(&mut world);
        }
    }
    let mut intents = BTreeMap::new();
    for entry in world.journal.entries() {
        if let DeskEntry::OpenIntent { reference, .. } = entry {
            *intents.entry(reference).or_insert(0) += 1;
        }
    }
    (world, intents)
}

/// Something happens at the broker that we did not do.
fn disturb(world: &World, dice: &mut Dice, second: f64) {
    let positions = done(world.venue.open_positions()).unwrap_or_default();
    match positions.first() {
        Some(deal) if dice.one_in(2) => world.venue.vanish(&deal.reference),
        _ => world.venue.appear(Deal {
            reference: format!("stranger-{second}").into(),
            id: "DI1".into(),
            epic: market().epic,
            direction: Direction::Long,
            size: size("1"),
            opened: at(second),
            level: "1.3".parse().unwrap(),
            stop_level: "0.1".parse().unwrap(),
            limit_level: "9".parse().unwrap(),
            status: DealStatus::Open,
        }),
    }
}

/// The process dies between two rounds; the broker lives on.
fn restart(world: &mut World) {
    let rights = (0..3).map(SeatIdx).filter(|seat| world.desk.is_live(*seat)).map(right).collect();
    world.desk = Desk::recover(None, &world.journal.entries());
    world.desk.set_rights(rights);
}
