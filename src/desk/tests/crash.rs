//! Crashes: what the journal holds is all that is left.

use super::world::*;
use crate::broker::scripted::Answer;
use crate::broker::{BrokerError, DealStatus};
use crate::desk::{Desk, DeskCheckpoint};
use crate::domain::{CloseReason, Direction, SeatIdx};
use crate::flow::State;
use crate::sim::venue::Venue;
use crate::store::entry::DeskEntry;

#[test]
fn a_crash_between_intent_and_outcome_is_settled_by_looking_up() {
    for (is_dealt, status) in [(true, "open"), (false, "rejected")] {
        let (mut world, broker) = World::of_scripted();
        let cut = BrokerError::Unreachable("power".to_owned());
        broker.on_open(if is_dealt { Answer::DealThenFail(cut.clone()) } else { Answer::Fail(cut.clone()) });
        broker.on_confirm(Answer::Fail(cut));
        world.buy();
        // The crash came right after the flush of the intent.
        let entries = world.journal.entries();
        assert!(matches!(entries[0], DeskEntry::OpenIntent { .. }));
        world.desk = Desk::recover(None, &entries[..1]);
        world.desk.set_rights(vec![right(SeatIdx(0))]);
        assert_eq!(world.statuses(), ["unknown"]);
        let told = world.desk.dealt().remove(0);
        let sent = (DealStatus::Pending, Direction::Long, size("1"), at(60.0));
        assert_eq!((told.status, told.direction, told.size, told.opened), sent, "a new broker is told what was sent");
        // The same round comes again, with the same ticket.
        world.play(&round(60.0, &[quote(59.0, 13_000, 13_001)]), &[], &[ticket(60.0, 1, Direction::Long)]);
        assert_eq!(world.statuses(), [status]);
        assert_eq!(world.orders(), 1, "never sent again");
        assert_eq!(world.desk.halted(), None);
    }
}

#[test]
fn a_round_seen_twice_refuses_once() {
    let mut world = World::of_venue();
    let stale = round(60.0, &[quote(29.0, 13_000, 13_001)]);
    let buy = [ticket(60.0, 1, Direction::Long)];
    world.play(&stale, &[change(at(60.0), SeatIdx(0), State::Live)], &buy);
    world.desk = Desk::recover(None, &world.journal.entries());
    world.desk.set_rights(vec![right(SeatIdx(0))]);
    assert_eq!(world.play(&stale, &[], &buy), []);
}

#[test]
fn a_position_without_a_right_after_the_restart_is_closed() {
    let mut world = World::of_venue();
    world.hold();
    world.desk = Desk::recover(None, &world.journal.entries());
    let quotes = [quote(71.0, 13_000, 13_001), quote(72.0, 13_000, 13_001)];
    world.play(&round(80.0, &quotes), &[], &[]);
    assert_eq!(world.statuses(), ["closed"]);
}

#[test]
fn a_checkpoint_and_the_lane_give_the_desk_as_it_was() {
    let mut world = World::of_venue();
    world.buy();
    let early = world.desk.checkpoint();
    world.play(&round(70.0, &[quote(61.0, 13_000, 13_001)]), &[], &[]);
    world.play(&round(250.0, &[quote(241.0, 13_004, 13_005)]), &[], &[]);
    let entries = world.journal.entries();
    let bytes = postcard::to_stdvec(&world.desk.checkpoint()).unwrap();
    let late: DeskCheckpoint = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(Desk::recover(Some(late), &entries).view(), world.desk.view());
    let (caught_up, mut whole) = (Desk::recover(Some(early), &entries).view(), world.desk.view());
    assert_eq!(caught_up.trades, whole.trades);
    assert_eq!(caught_up.net_profit, whole.net_profit);
    // The lane alone knows no rights.
    whole.state = "paper_only".to_owned();
    let from_lane = Desk::recover(None, &entries).view();
    assert_eq!((from_lane.state, from_lane.trades), (whole.state, whole.trades));
}

#[test]
fn a_venue_inside_the_process_takes_over_what_the_journal_knows() {
    let mut world = World::of_venue();
    world.hold();
    world.desk = Desk::recover(None, &world.journal.entries());
    world.desk.set_rights(vec![right(SeatIdx(0))]);
    world.venue = Venue::new([(market(), costs())]);
    for deal in world.desk.dealt() {
        world.venue.adopt(deal);
    }
    // The quotes since the last commit come again, then new ones; the stop works on.
    let quotes = [quote(59.0, 12_000, 12_001), quote(61.0, 13_000, 13_001), quote(80.0, 12_980, 12_981)];
    world.play(&round(90.0, &quotes), &[], &[]);
    assert_eq!(world.desk.halted(), None);
    assert_eq!(world.desk.view().trades[0].closed, Some(at(80.0)));
}

#[test]
fn a_closing_that_was_asked_for_before_a_crash_is_ours() {
    let (mut world, broker) = World::of_scripted();
    world.buy();
    broker.on_close(Answer::Fail(BrokerError::Unreachable("power".to_owned())));
    world.play(&round(245.0, &[quote(241.0, 13_000, 13_001)]), &[], &[]);
    let mut closed = world.desk.dealt().remove(0);
    world.desk = Desk::recover(None, &world.journal.entries());
    world.desk.set_rights(vec![right(SeatIdx(0))]);
    // It went through, and whoever is asked now knows of nobody who wanted it.
    closed.status =
        DealStatus::Closed { time: at(246.0), level: "1.3004".parse().unwrap(), reason: CloseReason::Outside };
    broker.put(closed);
    world.play(&round(250.0, &[quote(249.0, 13_000, 13_001)]), &[], &[]);
    let view = world.desk.view();
    assert_eq!((view.trades[0].reason, view.trades[0].profit), (Some(CloseReason::Time), Some("4".parse().unwrap())));
    assert_eq!(view.breaks, []);
}
