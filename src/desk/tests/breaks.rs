//! Every difference between the books: which name it gets, and how it ends.

use super::world::*;
use crate::broker::scripted::{Answer, Call, Scripted};
use crate::broker::{BrokerError, Deal, DealStatus, Exit};
use crate::domain::{BreakKind, CloseReason, DealReference, Direction, Price, SeatIdx, Size};
use crate::flow::BreakRow;
use crate::store::entry::DeskEntry;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn lost() -> BrokerError {
    BrokerError::Unreachable("cut".to_owned())
}

/// A desk that holds one long of 1 at 1.3, stop 1.299, limit 1.302, and its reference.
fn holding() -> (World, std::sync::Arc<Scripted>, DealReference) {
    let (mut world, broker) = World::of_scripted();
    world.buy();
    assert_eq!(world.statuses(), ["open"]);
    let reference = world.desk.dealt().remove(0).reference;
    (world, broker, reference)
}

/// What the broker has of the position, changed.
fn put(world: &World, broker: &Scripted, change: impl FnOnce(&mut Deal)) {
    let mut deal = world.desk.dealt().remove(0);
    change(&mut deal);
    broker.put(deal);
}

/// Rounds every ten seconds up to `until`.
fn pass(world: &mut World, from: u32, until: u32) {
    for second in (from..=until).step_by(10) {
        let second = f64::from(second);
        world.play(&round(second, &[quote(second - 1.0, 13_000, 13_001)]), &[], &[]);
    }
}

fn newest(world: &World) -> BreakRow {
    world.desk.view().breaks.last().cloned().expect("a break was told")
}

/// Dealing halted under this name, which is journalled before the halt.
fn assert_halted(world: &World, kind: BreakKind) {
    let view = world.desk.view();
    assert_eq!(view.halted_by, Some(kind), "{:?}", view.reason);
    assert!(view.reason.as_deref().unwrap().starts_with(kind.word()), "{:?}", view.reason);
    let entries = world.journal.entries();
    let halt = entries.iter().position(|entry| matches!(entry, DeskEntry::Halted { .. })).unwrap();
    assert!(matches!(&entries[halt - 1], DeskEntry::Broken { kind: named, is_mended: false, .. } if *named == kind));
}

/// It was mended, is told so, and dealing goes on.
fn assert_mended(world: &World, kind: BreakKind, seat: u32) {
    assert_eq!(world.desk.halted(), None);
    let row = newest(world);
    assert_eq!((row.kind, row.is_mended, row.seat), (kind, true, Some(SeatIdx(seat))), "{row:?}");
    assert_eq!(row.model, Some(name(SeatIdx(seat))));
    assert_eq!(world.desk.view().halted_by, None);
}

#[test]
fn a_fill_that_we_did_not_hear_of_is_taken_into_the_book() {
    let (mut world, broker) = World::of_scripted();
    broker.on_open(Answer::Pend);
    world.buy();
    assert_eq!(world.statuses(), ["sent"]);
    let Some(Call::Open(order)) = broker.calls().into_iter().find(|call| matches!(call, Call::Open(_))) else {
        panic!("no order")
    };
    broker.fill(&order.reference, at(61.0));
    // Asking for it fails; the list of positions has it.
    broker.on_confirm(Answer::Fail(lost()));
    pass(&mut world, 120, 120);
    assert_eq!(world.statuses(), ["open"]);
    assert_mended(&world, BreakKind::MissedFill, 0);
}

#[test]
fn a_deal_that_we_had_given_up_is_ours_all_the_same() {
    let (mut world, broker) = World::of_scripted();
    broker.on_open(Answer::Fail(lost()));
    world.buy();
    assert_eq!(world.statuses(), ["rejected"], "nobody knew of it");
    let reference = world.desk.view().trades[0].deal_reference.clone();
    broker.put(Deal { reference: reference.as_str().into(), ..stranger() });
    pass(&mut world, 120, 120);
    assert_eq!(world.statuses(), ["open"]);
    assert_mended(&world, BreakKind::MissedFill, 0);
    pass(&mut world, 250, 250);
    assert_eq!(world.statuses(), ["closed"], "its time was over at 245 s");
    assert_eq!(world.desk.halted(), None);
}

#[test]
fn a_given_up_deal_that_comes_back_beside_another_halts() {
    let (mut world, broker) = World::of_scripted();
    broker.on_open(Answer::Fail(lost()));
    world.buy();
    let reference = world.desk.view().trades[0].deal_reference.clone();
    let again = [ticket(70.0, 2, Direction::Long)];
    world.play(&round(70.0, &[quote(69.0, 13_000, 13_001)]), &[], &again);
    assert_eq!(world.statuses(), ["open", "rejected"]);
    broker.put(Deal { reference: reference.as_str().into(), ..stranger() });
    pass(&mut world, 120, 120);
    assert_halted(&world, BreakKind::MissedFill);
    assert_eq!(world.statuses(), ["closed", "closed"], "neither is abandoned");
}

#[test]
fn what_somebody_else_closed_is_booked_at_the_broker_s_level() {
    let (mut world, broker, _) = holding();
    put(&world, &broker, |deal| {
        deal.status = DealStatus::Closed { time: at(100.0), level: price("1.3005"), reason: CloseReason::Outside };
    });
    pass(&mut world, 120, 120);
    assert_eq!(world.statuses(), ["open"], "one empty list is not believed");
    pass(&mut world, 130, 130);
    let row = &world.desk.view().trades[0];
    assert_eq!((row.reason, row.profit), (Some(CloseReason::Outside), Some("5".parse().unwrap())));
    assert_mended(&world, BreakKind::ClosedOutside, 0);
}

#[test]
fn a_position_that_vanished_halts_and_is_written_off_by_the_operator() {
    let mut world = World::of_venue();
    world.hold();
    let reference = world.desk.view().trades[0].deal_reference.clone();
    world.venue.vanish(&reference.as_str().into());
    pass(&mut world, 120, 130);
    assert_eq!(world.desk.halted(), None, "looked at three times");
    pass(&mut world, 140, 140);
    let named = format!("closed_outside: position {reference} is in our book but not at the broker");
    assert_eq!(world.desk.halted(), Some(named.as_str()));
    assert_halted(&world, BreakKind::ClosedOutside);
    assert!(!world.desk.is_quiet());
    world.resume(141.0).unwrap();
    assert_eq!(world.statuses(), ["unknown"]);
    assert!(world.journal.entries().iter().any(|entry| matches!(entry, DeskEntry::WrittenOff { .. })));
    assert_eq!((world.desk.view().state.as_str(), world.desk.view().halted_by), ("live", None));
}

#[test]
fn a_position_that_is_not_ours_halts_by_its_name() {
    let mut world = World::of_venue();
    world.hold();
    world.venue.appear(stranger());
    world.play(&round(119.0, &[quote(118.0, 13_000, 13_001)]), &[], &[]);
    assert_eq!(world.desk.halted(), None, "compared each minute");
    world.play(&round(120.0, &[quote(119.5, 13_000, 13_001)]), &[], &[]);
    let named = "opened_outside: position DI1 (theirs, CS.D.EURUSD.TODAY.IP) is at the broker but not in our book";
    assert_eq!(world.desk.halted(), Some(named));
    assert_halted(&world, BreakKind::OpenedOutside);
    assert_eq!(newest(&world).seat, None);
    world.play(&round(130.0, &[quote(121.0, 13_000, 13_001)]), &[], &[]);
    assert_eq!(world.statuses(), ["closed"]);
    assert_eq!(world.resume(131.0).unwrap_err(), named);
    pass(&mut world, 180, 240);
    let broken = |entry: &DeskEntry| matches!(entry, DeskEntry::Broken { .. });
    assert_eq!(world.journal.entries().iter().filter(|entry| broken(entry)).count(), 1, "told once while it stands");
    world.venue.vanish(&"theirs".into());
    world.resume(241.0).unwrap();
}

#[test]
fn another_size_than_asked_for_is_booked_and_closed() {
    // At the opening.
    let (mut world, broker) = World::of_scripted();
    broker.on_open(Answer::Pend);
    world.buy();
    let Some(Call::Open(order)) = broker.calls().into_iter().find(|call| matches!(call, Call::Open(_))) else {
        panic!("no order")
    };
    broker.put(Deal { reference: order.reference, size: size("0.7"), level: price("1.2999"), ..stranger() });
    pass(&mut world, 70, 70);
    assert_halted(&world, BreakKind::WrongSize);
    let row = &world.desk.view().trades[0];
    // One point at 0.7.
    assert_eq!((row.status.as_str(), row.size, row.profit), ("closed", size("0.7"), Some("0.7".parse().unwrap())));
    // Later.
    let (mut world, broker, _) = holding();
    put(&world, &broker, |deal| deal.size = size("2"));
    pass(&mut world, 120, 120);
    assert_halted(&world, BreakKind::WrongSize);
    assert_eq!((world.statuses()[0].as_str(), world.desk.view().trades[0].size), ("closed", size("2")));
}

#[test]
fn levels_that_somebody_moved_and_stops_that_somebody_took_away_halt_and_close() {
    for (stop, kind) in [("1.2995", BreakKind::WrongLevel), ("0", BreakKind::MissingStop)] {
        let (mut world, broker, _) = holding();
        put(&world, &broker, |deal| deal.stop_level = price(stop));
        pass(&mut world, 120, 120);
        assert_halted(&world, kind);
        assert_eq!(world.statuses(), ["closed"]);
    }
}

#[test]
fn an_empty_list_is_believed_only_twice_in_a_row() {
    let (mut world, broker, _) = holding();
    broker.on_positions(Answer::Nothing);
    pass(&mut world, 120, 120);
    assert_eq!((world.statuses(), world.desk.halted()), (vec!["open".to_owned()], None));
    let asked = || broker.calls().iter().filter(|call| **call == Call::Positions).count();
    let before = asked();
    pass(&mut world, 130, 130);
    assert_eq!(asked(), before + 1, "asked again before the minute is over");
    assert_mended(&world, BreakKind::EmptyAnswer, 0);
    pass(&mut world, 140, 140);
    assert_eq!(asked(), before + 1);
}

#[test]
fn a_list_that_stays_empty_while_the_position_is_said_to_be_open_halts() {
    let (mut world, broker, _) = holding();
    (0..3).for_each(|_| broker.on_positions(Answer::Nothing));
    pass(&mut world, 120, 130);
    assert_eq!(world.desk.halted(), None);
    pass(&mut world, 140, 140);
    assert_halted(&world, BreakKind::EmptyAnswer);
    assert_eq!(world.statuses(), ["closed"], "it is asked to be closed, wherever it is");
}

/// Half of it closed at 1.3006 by somebody: six points at a half are three.
fn half_closed() -> Exit {
    Exit { time: at(100.0), level: price("1.3006"), size: Size::from_micros(500_000) }
}

#[test]
fn a_part_that_somebody_closed_is_booked_by_the_broker_s_history() {
    let (mut world, broker, reference) = holding();
    put(&world, &broker, |deal| deal.size = size("0.5"));
    broker.put_exits(&reference, vec![half_closed()]);
    pass(&mut world, 120, 120);
    assert_mended(&world, BreakKind::PartialClose, 0);
    assert_eq!(world.desk.dealt()[0].size, size("0.5"), "what is left is what the broker has");
    pass(&mut world, 180, 250);
    // The scripted broker closes at the level of the entry: the part is all that was made.
    let row = &world.desk.view().trades[0];
    assert_eq!((row.status.as_str(), row.size, row.profit), ("closed", size("1"), Some("3".parse().unwrap())));
    assert_eq!((world.desk.halted(), world.desk.view().net_profit), (None, "3".parse().unwrap()));
    let parts = |entry: &&DeskEntry| matches!(entry, DeskEntry::PartlyClosed { .. });
    assert_eq!(world.journal.entries().iter().filter(parts).count(), 1);
}

#[test]
fn a_part_and_then_the_stop_between_two_comparisons_make_what_the_broker_booked() {
    let (mut world, broker, reference) = holding();
    put(&world, &broker, |deal| {
        deal.size = size("0.5");
        deal.status = DealStatus::Closed { time: at(110.0), level: price("1.299"), reason: CloseReason::Stop };
    });
    let rest = Exit { time: at(110.0), level: price("1.299"), size: size("0.5") };
    broker.put_exits(&reference, vec![half_closed(), rest]);
    pass(&mut world, 120, 130);
    let row = &world.desk.view().trades[0];
    // Three of the part, minus ten points at a half.
    assert_eq!((row.reason, row.profit), (Some(CloseReason::Stop), Some("-2".parse().unwrap())));
    assert_eq!(world.desk.halted(), None);
}

#[test]
fn a_smaller_size_that_the_history_does_not_explain_halts() {
    let (mut world, broker, reference) = holding();
    put(&world, &broker, |deal| deal.size = size("0.5"));
    pass(&mut world, 120, 130);
    assert_eq!(world.desk.halted(), None, "the history may come later");
    pass(&mut world, 140, 140);
    assert_halted(&world, BreakKind::PartialClose);
    let text = newest(&world).text;
    assert!(text.starts_with(&format!("position {reference}: size is 1 in our book and 0.5 at the broker")), "{text}");
}

#[test]
fn the_venue_of_this_process_tells_of_parts_too() {
    let mut world = World::of_venue();
    world.hold();
    let reference = world.desk.view().trades[0].deal_reference.as_str().into();
    world.venue.close_part(&reference, at(100.0), price("1.30111"), size("0.4"));
    pass(&mut world, 120, 120);
    assert_mended(&world, BreakKind::PartialClose, 0);
    world.play(&round(300.0, &[quote(241.0, 13_004, 13_005)]), &[], &[]);
    // Ten points at 0.4, and 1.30039 less 1.30011 at 0.6.
    assert_eq!(world.desk.view().trades[0].profit, Some("5.68".parse().unwrap()));
}

#[test]
fn a_closing_that_fails_is_asked_for_until_the_position_is_gone() {
    let (mut world, broker, _) = holding();
    (0..7).for_each(|_| broker.on_close(Answer::Fail(lost())));
    let closes = || broker.calls().iter().filter(|call| matches!(call, Call::Close(..))).count();
    world.play(&round(241.0, &[quote(240.0, 13_000, 13_001)]), &[], &[]);
    for (second, n) in [(250.0, 2), (260.0, 3), (270.0, 4)] {
        world.play(&round(second, &[quote(second, 13_000, 13_001)]), &[], &[]);
        assert_eq!((closes(), world.desk.halted()), (n, None));
    }
    world.play(&round(280.0, &[quote(280.0, 13_000, 13_001)]), &[], &[]);
    assert_halted(&world, BreakKind::CloseFailed);
    assert_eq!((closes(), world.statuses()), (5, vec!["open".to_owned()]));
    for second in [340.0, 400.0, 460.0] {
        world.play(&round(second, &[quote(second, 13_000, 13_001)]), &[], &[]);
    }
    assert_eq!((closes(), world.statuses()), (8, vec!["closed".to_owned()]), "the halt does not end the asking");
}

#[test]
fn a_broker_that_does_not_tell_its_positions_halts() {
    let (mut world, broker, _) = holding();
    (0..5).for_each(|_| broker.on_positions(Answer::Fail(lost())));
    pass(&mut world, 120, 300);
    assert_eq!(world.desk.halted(), None);
    pass(&mut world, 360, 360);
    assert_halted(&world, BreakKind::NotCompared);
}

#[test]
fn a_part_that_was_closed_before_we_heard_of_the_fill_is_a_part() {
    let (mut world, broker) = World::of_scripted();
    broker.on_open(Answer::Pend);
    world.buy();
    let Some(Call::Open(order)) = broker.calls().into_iter().find(|call| matches!(call, Call::Open(_))) else {
        panic!("no order")
    };
    broker.put(Deal { reference: order.reference.clone(), size: size("0.5"), opened: at(61.0), ..stranger() });
    broker.put_exits(&order.reference, vec![half_closed()]);
    pass(&mut world, 110, 110);
    assert_mended(&world, BreakKind::PartialClose, 0);
    let row = &world.desk.view().trades[0];
    assert_eq!((row.status.as_str(), row.size, world.desk.dealt()[0].size), ("open", size("1"), size("0.5")));
}

#[test]
fn a_part_before_our_own_closing_is_booked_at_its_own_level() {
    let (mut world, broker, reference) = holding();
    put(&world, &broker, |deal| {
        deal.size = size("0.5");
        deal.status = DealStatus::Closed { time: at(241.0), level: price("1.2995"), reason: CloseReason::Time };
    });
    // In the same second and at the same level as the rest, as it happens.
    let exit = Exit { time: at(241.0), level: price("1.2995"), size: size("0.5") };
    broker.put_exits(&reference, vec![exit, exit]);
    pass(&mut world, 120, 130);
    assert_eq!(world.desk.view().trades[0].profit, Some("-5".parse().unwrap()));
    let parts = |entry: &&DeskEntry| matches!(entry, DeskEntry::PartlyClosed { .. });
    assert_eq!(world.journal.entries().iter().filter(parts).count(), 1);
    assert_mended(&world, BreakKind::PartialClose, 0);
}

#[test]
fn a_last_closing_of_less_than_the_history_explains_halts() {
    let (mut world, broker, _) = holding();
    put(&world, &broker, |deal| {
        deal.size = size("0.5");
        deal.status = DealStatus::Closed { time: at(110.0), level: price("1.299"), reason: CloseReason::Stop };
    });
    pass(&mut world, 120, 130);
    assert_halted(&world, BreakKind::PartialClose);
    assert_eq!(world.statuses(), ["closed"]);
}
