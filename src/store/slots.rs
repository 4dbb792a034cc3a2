//! The tails of lanes as they lie on disk: runs of entries too small to be blocks of their own, packed into few values.

use super::Lane;

/// Epoch before the runs of a value.
const HEAD_BYTES: usize = 8;
/// Lane, block number and length before the entries of a run.
const RUN_HEAD_BYTES: usize = 5 + 8 + 4;

/// Whole entries appended to the tail of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where.
    pub(super) lane: Lane,
    /// The number of the block that the tail will become. Once the lane holds that block, the run is in it.
    pub(super) number: u64,
    /// The entries.
    pub(super) bytes: Vec<u8>,
}

/// Values of at most `bytes_max` bytes (more where a single run is longer) that hold `runs` in order.
pub(super) fn pack(epoch: u64, runs: &[Run], bytes_max: usize) -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = Vec::new();
    for run in runs {
        let length = RUN_HEAD_BYTES + run.bytes.len();
        let value = match values.last_mut() {
            Some(value) if value.len() + length <= bytes_max => value,
            _ => {
                values.push(epoch.to_be_bytes().to_vec());
                values.last_mut().expect("a value was pushed")
            }
        };
        value.extend_from_slice(&run.lane.key());
        value.extend_from_slice(&run.number.to_be_bytes());
        let length = u32::try_from(run.bytes.len()).expect("runs are shorter than a block");
        value.extend_from_slice(&length.to_be_bytes());
        value.extend_from_slice(&run.bytes);
    }
    values
}

/// The runs of a value; `None` where it is not of `epoch` or is no such value.
pub(super) fn unpack(epoch: u64, value: &[u8]) -> Option<Vec<Run>> {
    let (head, mut rest) = value.split_at_checked(HEAD_BYTES)?;
    if head != epoch.to_be_bytes() {
        return None;
    }
    let mut runs = Vec::new();
    while !rest.is_empty() {
        let (head, body) = rest.split_at_checked(RUN_HEAD_BYTES)?;
        let lane = Lane::from_key(&head[..5])?;
        let number = u64::from_be_bytes(head[5..13].try_into().ok()?);
        let length = u32::from_be_bytes(head[13..].try_into().ok()?) as usize;
        let (bytes, left) = body.split_at_checked(length)?;
        runs.push(Run { lane, number, bytes: bytes.to_vec() });
        rest = left;
    }
    Some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpack_undoes_pack_and_refuses_what_is_cut_or_old() {
        let run = |lane, n: usize| Run { lane, number: n as u64, bytes: vec![7; n] };
        let runs = [run(Lane::Session, 3), run(Lane::Seat(900), 60), run(Lane::Audit, 0), run(Lane::Quotes(2), 50)];
        let values = pack(9, &runs, 100);
        assert_eq!(values.len(), 3);
        let unpacked: Vec<Run> = values.iter().flat_map(|value| unpack(9, value).unwrap()).collect();
        assert_eq!(unpacked, runs);
        assert_eq!(unpack(8, &values[0]), None);
        let last = &values[2];
        for length in (0..last.len()).filter(|length| *length != HEAD_BYTES) {
            assert_eq!(unpack(9, &last[..length]).filter(|runs| runs.len() == 2), None, "{length}");
        }
    }
}
