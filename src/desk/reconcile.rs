//! Our book against the broker's, pure: what differs, by name.

use std::collections::BTreeMap;

use crate::broker::Deal;
use crate::domain::{DealReference, Direction, Price, Size};

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
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Break {
    /// Somebody else dealt, or we forgot.
    #[error("position {id} ({reference}, {epic}) is at the broker but not in our book")]
    NotInOurBook {
        /// Theirs.
        id: String,
        /// The reference it carries.
        reference: DealReference,
        /// Its market.
        epic: String,
    },
    /// It went without our noticing.
    #[error("position {reference} is in our book but not at the broker")]
    NotAtBroker {
        /// Ours.
        reference: DealReference,
    },
    /// Both have it, with another figure.
    #[error("position {reference}: {what} is {ours} in our book and {theirs} at the broker")]
    Differs {
        /// Ours.
        reference: DealReference,
        /// Which figure.
        what: &'static str,
        /// Our figure.
        ours: String,
        /// The broker's.
        theirs: String,
    },
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
            breaks.push(Break::NotInOurBook {
                id: deal.id.to_string(),
                reference: deal.reference.clone(),
                epic: deal.epic.to_string(),
            });
        }
    }
    for expected in ours {
        let reference = &expected.reference;
        let Some(deal) = by_reference.get(reference) else {
            breaks.push(Break::NotAtBroker { reference: reference.clone() });
            continue;
        };
        let figures = [
            ("direction", expected.direction.word().to_owned(), deal.direction.word().to_owned()),
            ("size", expected.size.to_string(), deal.size.to_string()),
            ("level", expected.level.to_string(), deal.level.to_string()),
            ("stop", expected.stop_level.to_string(), deal.stop_level.to_string()),
            ("limit", expected.limit_level.to_string(), deal.limit_level.to_string()),
        ];
        for (what, ours, theirs) in figures {
            if ours != theirs {
                breaks.push(Break::Differs { reference: reference.clone(), what, ours, theirs });
            }
        }
    }
    breaks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::DealStatus;
    use crate::domain::UtcMicros;

    #[test]
    fn every_kind_of_break_has_its_name() {
        let same = |a: &[Expected], b: &[Deal]| compare(a, b).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(same(&[ours("r1")], &[theirs("r1")]), Vec::<String>::new());
        assert_eq!(
            same(&[], &[theirs("r1")]),
            ["position SIM1 (r1, EPIC) is at the broker but not in our book".to_owned()]
        );
        assert_eq!(same(&[ours("r1")], &[]), ["position r1 is in our book but not at the broker".to_owned()]);
        assert_eq!(same(&[ours("r1")], &[theirs("r1"), theirs("r1")]).len(), 1, "one reference, two positions");
        let mut halved = theirs("r1");
        halved.size = Size::from_micros(500_000);
        halved.stop_level = Price::ZERO;
        assert_eq!(
            same(&[ours("r1")], &[halved]),
            [
                "position r1: size is 1 in our book and 0.5 at the broker".to_owned(),
                "position r1: stop is 90 in our book and 0 at the broker".to_owned()
            ]
        );
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
