//! How far a lane has been copied.
//!
//! Most entries are never deleted: they are counted from the beginning of their lane. Quotes and predictions may be
//! deleted by retention, so that counting them says nothing; they are known by their time instead, and counted only to
//! tell how many of them were deleted before they were copied.

use crate::domain::UtcMicros;
use crate::store::Lane;

/// One lane's; the row of `mirror_cursors`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Entries that are never deleted, copied.
    pub(super) entries: u64,
    /// Quotes or predictions that were copied, or deleted before.
    pub(super) cut: u64,
    /// The time of the last one.
    pub(super) at: Option<UtcMicros>,
    /// How many of the last ones have that time.
    pub(super) ties: u64,
    /// Predictions before this have all that will be known of them.
    pub(super) settled: Option<UtcMicros>,
    /// How many were deleted before they were copied.
    pub(super) lost: u64,
}

impl Cursor {
    /// Takes note that the first `deleted` quotes or predictions of the lane are not there any more; how many of them
    /// were not copied.
    pub(super) fn note_deleted(&mut self, deleted: u64) -> u64 {
        let lost = deleted.saturating_sub(self.cut);
        self.cut += lost;
        self.lost += lost;
        lost
    }
}

/// A lane as a number: the order of numbers is the order of lanes.
pub(super) fn number_of(lane: Lane) -> i64 {
    lane.key().iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

/// The lane of a number.
pub(super) fn lane_of(number: i64) -> Option<Lane> {
    let bytes = number.to_be_bytes();
    if bytes[..3] == [0; 3] { Lane::from_key(&bytes[3..]) } else { None }
}

/// What a lane is called.
pub(super) fn name_of(lane: Lane) -> String {
    match lane {
        Lane::Session => "session".to_owned(),
        Lane::Quotes(epic) => format!("quotes {epic}"),
        Lane::Bars(stream) => format!("bars {stream}"),
        Lane::Seat(seat) => format!("seat {seat}"),
        Lane::Audit => "audit".to_owned(),
        Lane::Desk => "desk".to_owned(),
        Lane::Seals => "seals".to_owned(),
        Lane::Upkeep => "upkeep".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_its_number() {
        for lane in [Lane::Session, Lane::Quotes(7), Lane::Bars(0), Lane::Seat(70_000), Lane::Audit, Lane::Desk] {
            assert_eq!(lane_of(number_of(lane)), Some(lane));
        }
        assert_eq!((lane_of(-1), lane_of(9 << 32)), (None, None));
        assert!(number_of(Lane::Seat(u32::MAX)) < number_of(Lane::Audit));
    }

    #[test]
    fn what_was_deleted_before_it_was_copied_is_counted_once() {
        let mut cursor = Cursor { cut: 10, ..Cursor::default() };
        assert_eq!([7, 10, 25, 25, 30].map(|deleted| cursor.note_deleted(deleted)), [0, 0, 15, 0, 5]);
        assert_eq!((cursor.cut, cursor.lost), (30, 20));
    }
}
