//! Each rule of the merging, and that the order of what is said does not show.

use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> UtcMicros {
    UtcMicros(1_700_000_000_000_000 + millis * 1_000)
}

fn order() -> LiveOrder {
    LiveOrder {
        reference: "ours-1".into(),
        epic: "CS.D.EURUSD.TODAY.IP".into(),
        direction: Direction::Long,
        size: "1".parse().unwrap(),
        stop: "0.0008".parse().unwrap(),
        limit: "0.0012".parse().unwrap(),
        at: at(0),
        valid_until: at(60_000),
    }
}

fn opened() -> Confirm {
    serde_json::from_str(
        r#"{"dealReference":"ours-1","dealId":"DI1","dealStatus":"ACCEPTED","status":"OPEN","reason":"SUCCESS",
            "epic":"CS.D.EURUSD.TODAY.IP","direction":"BUY","level":1.1,"size":1,"stopLevel":1.0992,
            "limitLevel":1.1012,"affectedDeals":[{"dealId":"DI1","status":"OPENED"}],
            "date":"2023-11-14T22:13:20.120"}"#,
    )
    .unwrap()
}

fn closed(reference: &str, level: &str) -> Confirm {
    serde_json::from_str(&format!(
        r#"{{"dealReference":"{reference}","dealId":"DI1","dealStatus":"ACCEPTED","status":"CLOSED","reason":"SUCCESS",
            "epic":"CS.D.EURUSD.TODAY.IP","direction":"SELL","level":{level},"size":1,
            "affectedDeals":[{{"dealId":"DI1","status":"FULLY_CLOSED"}}],"profit":5,"profitCurrency":"GBP",
            "date":"2023-11-14T22:14:20.500"}}"#
    ))
    .unwrap()
}

fn update(status: &str, size: &str) -> PositionUpdate {
    serde_json::from_str(&format!(
        r#"{{"dealReference":"ours-1","dealId":"DI1","dealIdOrigin":"DI1","status":"{status}","dealStatus":"ACCEPTED",
            "epic":"CS.D.EURUSD.TODAY.IP","direction":"BUY","level":1.1,"size":{size},"stopLevel":1.0992,
            "limitLevel":1.1012,"timestamp":"2023-11-14T22:13:20.120"}}"#
    ))
    .unwrap()
}

fn status(deals: &Deals) -> &DealStatus {
    &deals.get(&"ours-1".into()).unwrap().status
}

#[test]
fn a_deal_is_opened_once_whichever_word_comes_first() {
    for first_is_confirm in [true, false] {
        let mut deals = Deals::default();
        deals.sent(&order());
        for turn in 0..4 {
            if (turn % 2 == 0) == first_is_confirm {
                assert_eq!(deals.on_confirm(&opened()), Some("ours-1".into()));
            } else {
                deals.on_position_update(&update("OPEN", "1"));
            }
        }
        let told = deals.take_updates();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].status, DealStatus::Open);
        assert_eq!((told[0].id.as_str(), told[0].opened), ("DI1", at(120)));
        assert_eq!(
            (told[0].stop_level.to_string(), told[0].limit_level.to_string()),
            ("1.0992".into(), "1.1012".into())
        );
        assert_eq!(deals.take_updates(), []);
    }
}

#[test]
fn a_rejection_is_final_and_keeps_its_word() {
    let mut deals = Deals::default();
    deals.sent(&order());
    let rejected: Confirm = serde_json::from_str(
        r#"{"dealReference":"ours-1","dealId":"DI9","dealStatus":"REJECTED","status":null,"reason":"A_NEW_REASON"}"#,
    )
    .unwrap();
    deals.on_confirm(&rejected);
    deals.on_confirm(&opened());
    assert_eq!(*status(&deals), DealStatus::Rejected("A_NEW_REASON".to_owned()));
}

#[test]
fn a_close_is_told_with_its_level_and_why() {
    for (level, wanted, want) in [
        ("1.105", Some(CloseReason::Time), CloseReason::Time),
        ("1.0992", None, CloseReason::Stop),
        ("1.098", None, CloseReason::Stop),
        ("1.1012", None, CloseReason::Limit),
        ("1.1001", None, CloseReason::Outside),
    ] {
        let mut deals = Deals::default();
        deals.sent(&order());
        deals.on_confirm(&opened());
        if let Some(reason) = wanted {
            deals.closing(&"ours-1".into(), reason);
        }
        // The position is gone on the stream before anybody says at what level.
        deals.on_position_update(&update("DELETED", "0"));
        assert_eq!(deals.gone(), ["ours-1".into()]);
        assert_eq!(*status(&deals), DealStatus::Open, "not closed before it is known at what level");
        deals.on_confirm(&closed("theirs", level));
        let want = DealStatus::Closed { time: at(60_500), level: level.parse().unwrap(), reason: want };
        assert_eq!((status(&deals), deals.gone()), (&want, vec![]));
        deals.on_confirm(&closed("theirs", "1.2"));
        deals.on_confirm(&opened());
        deals.on_position_update(&update("DELETED", "0"));
        assert_eq!(*status(&deals), want, "said again, or late, it changes nothing");
        assert_eq!(deals.take_updates().len(), 1, "each as it is now");
    }
}

#[test]
fn a_part_closed_outside_shows_in_the_size() {
    let mut deals = Deals::default();
    deals.sent(&order());
    deals.on_confirm(&opened());
    let mut part = closed("theirs", "1.1001");
    part.status = Some(ConfirmStatus::PartiallyClosed);
    part.affected_deals[0].status = AffectedStatus::PartiallyClosed;
    assert_eq!(deals.on_confirm(&part), None);
    deals.on_position_update(&update("UPDATED", "0.4"));
    assert_eq!(*status(&deals), DealStatus::Open);
    assert_eq!(deals.get(&"ours-1".into()).unwrap().size.to_string(), "0.4");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let mut deals = Deals::default();
    let mut other = opened();
    other.deal_reference = "somebody".to_owned();
    assert_eq!(deals.on_confirm(&other), None);
    deals.on_position_update(&update("OPEN", "1"));
    assert_eq!(deals.take_updates(), []);
}

#[test]
fn a_list_of_positions_tells_of_a_deal_whose_confirmation_was_missed() {
    let line: PositionLine = serde_json::from_str(
        r#"{"position":{"dealId":"DI1","dealReference":"ours-1","direction":"BUY","size":1,"level":1.1,"stopLevel":1.0992,
            "limitLevel":1.1012,"createdDateUTC":"2023-11-14T22:13:20"},"market":{"epic":"CS.D.EURUSD.TODAY.IP"}}"#,
    )
    .unwrap();
    let mut deals = Deals::default();
    deals.sent(&order());
    deals.on_position(&line);
    assert_eq!(*status(&deals), DealStatus::Open);
    assert_eq!(deals.take_updates().len(), 1);
    deals.on_position(&line);
    assert_eq!(deals.take_updates(), []);
    // Without a memory, after a restart, the list is all there is.
    let mut deals = Deals::default();
    deals.on_position(&line);
    deals.on_confirm(&closed("theirs", "1.0992"));
    assert!(matches!(status(&deals), DealStatus::Closed { reason: CloseReason::Stop, .. }));
}

#[test]
fn times_of_ig_read_in_every_shape() {
    for (text, want) in [
        ("2022-05-13T12:55:48.761", "2022-05-13T12:55:48.761Z"),
        ("2022-05-13T12:55:48", "2022-05-13T12:55:48Z"),
        ("2022/05/13 12:55:48", "2022-05-13T12:55:48Z"),
    ] {
        assert_eq!(utc(text).map(|time| time.to_string()).as_deref(), Some(want), "{text}");
    }
    assert_eq!(utc("yesterday"), None);
}

proptest! {
    /// Whatever order the words of one deal's life come in, however often, its end is the same.
    #[test]
    fn the_order_of_words_does_not_show(words in prop::collection::vec(0u8..5, 0..30)) {
        let mut deals = Deals::default();
        deals.sent(&order());
        let mut rank = 0;
        for word in words.into_iter().chain([0, 1, 2]) {
            match word {
                0 => drop(deals.on_confirm(&opened())),
                1 => deals.on_position_update(&update("DELETED", "0")),
                2 => drop(deals.on_confirm(&closed("theirs", "1.0992"))),
                3 => deals.on_position_update(&update("OPEN", "1")),
                _ => drop(deals.take_updates()),
            }
            let now = match status(&deals) {
                DealStatus::Pending => 0,
                DealStatus::Open => 1,
                DealStatus::Closed { .. } => 2,
                DealStatus::Rejected(_) => 3,
            };
            prop_assert!(now >= rank, "nothing leads back");
            rank = now;
        }
        prop_assert_eq!(rank, 2);
    }
}

#[test]
fn of_a_deal_that_is_known_by_its_reference_alone_the_confirmation_tells_the_side() {
    let mut deals = Deals::default();
    let nothing = Deal {
        reference: "ours-1".into(),
        id: "".into(),
        epic: "".into(),
        direction: Direction::Long,
        size: Size::ZERO,
        opened: UtcMicros(0),
        level: Price::ZERO,
        stop_level: Price::ZERO,
        limit_level: Price::ZERO,
        status: DealStatus::Pending,
    };
    deals.adopt(nothing);
    deals.on_confirm(&Confirm { direction: Some(Side::Sell), ..opened() });
    let deal = deals.get(&"ours-1".into()).unwrap();
    let told = (deal.direction, deal.epic.as_str(), deal.size.to_string());
    assert_eq!(told, (Direction::Short, "CS.D.EURUSD.TODAY.IP", "1".to_owned()));
}

#[test]
fn a_closing_of_less_than_there_was_tells_that_a_part_had_gone() {
    let mut deals = Deals::default();
    deals.sent(&order());
    deals.on_confirm(&opened());
    let rest = Confirm { size: Number::parse("0.6"), ..closed("theirs", "1.1005") };
    deals.on_confirm(&rest);
    let deal = deals.get(&"ours-1".into()).unwrap();
    assert!(matches!(deal.status, DealStatus::Closed { .. }));
    assert_eq!(deal.size.to_string(), "0.6", "what the last closing closed");
}
