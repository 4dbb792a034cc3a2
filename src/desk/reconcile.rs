//! Our book against the broker's, pure: what differs, by name.

use std::collections::BTreeMap;

use crate::broker::Deal;
use crate::domain::{BreakKind, DealReference, Direction, Price, Size};

/// A position as our book has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Ours.
    pub reference: DealReference,
    /// The side.
    pub direction: Direction,
    /// How much.
    pub size: Size,
    /// The level of the fill.
    pub level: Price,
    /// Its stop.
    pub stop_level: Price,
    /// Its limit.
    pub limit_level: Price,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct Break {
    /// Its name.
    pub kind: BreakKind,
    /// The reference that the position carries, ours or not.
    pub reference: DealReference,
    /// A sentence with the figures.
    pub text: String,
}

impl Break {
    /// A difference of this name.
    #[must_use]
    pub fn new(kind: BreakKind, reference: &DealReference, text: String) -> Self {
        Self { kind, reference: reference.clone(), text }
    }

    /// In our book, gone at the broker without a word.
    #[must_use]
    pub fn gone(reference: &DealReference) -> Self {
        let text = format!("position {reference} is in our book but not at the broker");
        Self::new(BreakKind::ClosedOutside, reference, text)
    }
}

/// Whether a position has its stop and its limit, each on its own side of the entry.
#[must_use]
pub fn is_protected(deal: &Deal) -> bool {
    let (stop, level, limit) = (deal.stop_level, deal.level, deal.limit_level);
    let is_there = stop > Price::ZERO && limit > Price::ZERO;
    is_there
        && match deal.direction {
            Direction::Long => stop < level && level < limit,
            Direction::Short => limit < level && level < stop,
        }
}

/// Every difference, the broker's positions that we do not have first, then in order of our references.
#[must_use]
pub fn compare(ours: &[Expected], theirs: &[Deal]) -> Vec<Break> {
    let mut by_reference: BTreeMap<&DealReference, &Deal> = BTreeMap::new();
    let mut breaks = Vec::new();
    for deal in theirs {
        let is_known = ours.iter().any(|expected| expected.reference == deal.reference);
        // A second position under one reference is one that our book does not have.
        if !is_known || by_reference.insert(&deal.reference, deal).is_some() {
            let (id, reference, epic) = (&deal.id, &deal.reference, &deal.epic);
            let text = format!("position {id} ({reference}, {epic}) is at the broker but not in our book");
            breaks.push(Break::new(BreakKind::OpenedOutside, reference, text));
        }
    }
    for expected in ours {
        match by_reference.get(&expected.reference) {
            Some(deal) => breaks.extend(difference(expected, deal)),
            None => breaks.push(Break::gone(&expected.reference)),
        }
    }
    breaks
}

/// The first figure in which the two differ, the gravest first.
fn difference(ours: &Expected, theirs: &Deal) -> Option<Break> {
    let reference = &ours.reference;
    let differs = |kind, what: &str, ours: &dyn std::fmt::Display, theirs: &dyn std::fmt::Display| {
        let text = format!("position {reference}: {what} is {ours} in our book and {theirs} at the broker");
        Some(Break::new(kind, reference, text))
    };
    if ours.direction != theirs.direction {
        return differs(BreakKind::WrongSize, "direction", &ours.direction.word(), &theirs.direction.word());
    }
    let guards = [("stop", ours.stop_level, theirs.stop_level), ("limit", ours.limit_level, theirs.limit_level)];
    if let Some((what, ours, theirs)) = guards.into_iter().find(|(.., theirs)| *theirs <= Price::ZERO) {
        return differs(BreakKind::MissingStop, what, &ours, &theirs);
    }
    if theirs.size != ours.size {
        let kind = if theirs.size < ours.size { BreakKind::PartialClose } else { BreakKind::WrongSize };
        return differs(kind, "size", &ours.size, &theirs.size);
    }
    let level = ("level", ours.level, theirs.level);
    let (what, ours, theirs) = [level].into_iter().chain(guards).find(|(_, ours, theirs)| ours != theirs)?;
    differs(BreakKind::WrongLevel, what, &ours, &theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::DealStatus;
    use crate::domain::UtcMicros;

    #[test]
    fn every_difference_has_its_name() {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let with = |change: &dyn Fn(&mut Deal)| {
            let mut deal = theirs("r1");
            change(&mut deal);
            vec![deal]
        };
        let short = with(&|deal| {
            (deal.direction, deal.stop_level, deal.limit_level) = (Direction::Short, price("110"), price("90"));
        });
        for (mine, broker, want) in [
            (vec![ours("r1")], vec![theirs("r1")], ""),
            (
                vec![],
                vec![theirs("r1")],
                "opened_outside: position SIM1 (r1, EPIC) is at the broker but not in our book",
            ),
            (vec![ours("r1")], vec![], "closed_outside: position r1 is in our book but not at the broker"),
            (
                vec![ours("r1")],
                vec![theirs("r1"), theirs("r1")],
                "opened_outside: position SIM1 (r1, EPIC) is at the broker but not in our book",
            ),
            (
                vec![ours("r1")],
                with(&|deal| deal.size = "0.5".parse().unwrap()),
                "partial_close: position r1: size is 1 in our book and 0.5 at the broker",
            ),
            (
                vec![ours("r1")],
                with(&|deal| deal.size = "2".parse().unwrap()),
                "wrong_size: position r1: size is 1 in our book and 2 at the broker",
            ),
            (vec![ours("r1")], short, "wrong_size: position r1: direction is long in our book and short at the broker"),
            (
                vec![ours("r1")],
                with(&|deal| deal.stop_level = Price::ZERO),
                "missing_stop: position r1: stop is 90 in our book and 0 at the broker",
            ),
            (
                vec![ours("r1")],
                with(&|deal| (deal.size, deal.limit_level) = ("0.5".parse().unwrap(), Price::ZERO)),
                "missing_stop: position r1: limit is 110 in our book and 0 at the broker",
            ),
            (
                vec![ours("r1")],
                with(&|deal| deal.stop_level = price("95")),
                "wrong_level: position r1: stop is 90 in our book and 95 at the broker",
            ),
            (
                vec![ours("r1")],
                with(&|deal| deal.level = price("101")),
                "wrong_level: position r1: level is 100 in our book and 101 at the broker",
            ),
        ] {
            let found: Vec<String> = compare(&mine, &broker).iter().map(ToString::to_string).collect();
            let want: Vec<&str> = Some(want).filter(|want| !want.is_empty()).into_iter().collect();
            assert_eq!(found, want);
        }
    }

    fn ours(reference: &str) -> Expected {
        Expected {
            reference: reference.into(),
            direction: Direction::Long,
            size: Size::from_micros(1_000_000),
            level: Price::from_micros(100_000_000),
            stop_level: Price::from_micros(90_000_000),
            limit_level: Price::from_micros(110_000_000),
        }
    }

    fn theirs(reference: &str) -> Deal {
        let ours = ours(reference);
        Deal {
            reference: ours.reference,
            id: "SIM1".into(),
            epic: "EPIC".into(),
            direction: ours.direction,
            size: ours.size,
            opened: UtcMicros(1),
            level: ours.level,
            stop_level: ours.stop_level,
            limit_level: ours.limit_level,
            status: DealStatus::Open,
        }
    }
}
