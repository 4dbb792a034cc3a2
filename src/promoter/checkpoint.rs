//! The promoter as bytes and back, bit by bit.

use super::policy::Promoter;
use super::seat::Scored;
use crate::config::EvidenceUnit;
use crate::domain::{Episode, SeatIdx};
use crate::flow::State;

/// The version of [`Promoter::checkpoint`]'s bytes.
const VERSION: u8 = 3;

/// Why a checkpoint is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Written by another version.
    #[error(
        "the promoter's checkpoint is of version {got}, this is version {VERSION}: go on with the arena that wrote it, or \
         begin anew with another [arena] data; --store still reads what it holds"
    )]
    Version {
        /// Its version.
        got: u8,
    },
    /// Not the bytes of a checkpoint.
    #[error("the promoter's checkpoint cannot be read: {0}")]
    Corrupt(String),
}

impl Promoter {
    /// Everything, as bytes that [`Self::restore`] turns back into the same promoter, bit by bit.
    ///
    /// # Panics
    /// Never: encoding into memory cannot fail.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let episodes: Vec<_> = self.seats.iter().map(|seat| &seat.episodes).collect();
        postcard::to_extend(&(self, episodes), vec![VERSION]).expect("a promoter encodes into memory")
    }

    /// Everything but the lists of episodes, some hundred bytes a candidate, for [`Self::restore_with`].
    ///
    /// # Panics
    /// Never: encoding into memory cannot fail.
    #[must_use]
    pub fn checkpoint_without_episodes(&self) -> Vec<u8> {
        let none: Vec<Vec<Scored>> = vec![Vec::new(); self.seats.len()];
        postcard::to_extend(&(self, none), vec![VERSION]).expect("a promoter encodes into memory")
    }

    /// The promoter that a checkpoint was made of.
    ///
    /// # Errors
    /// [`RestoreError`] where the bytes are none of this version.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let corrupt = |why: &str| RestoreError::Corrupt(why.to_owned());
        let (version, rest) = bytes.split_first().ok_or_else(|| corrupt("it is empty"))?;
        if *version != VERSION {
            return Err(RestoreError::Version { got: *version });
        }
        let (mut promoter, episodes): (Self, Vec<Vec<Scored>>) =
            postcard::from_bytes(rest).map_err(|e| corrupt(&e.to_string()))?;
        if episodes.len() != promoter.seats.len() {
            return Err(corrupt("its lists of episodes are not one for each seat"));
        }
        for (seat, episodes) in promoter.seats.iter_mut().zip(episodes) {
            seat.episodes = episodes;
        }
        Ok(promoter)
    }

    /// The promoter that [`Self::checkpoint_without_episodes`] was made of; `ledger` gives every episode of a seat in
    /// order, from wherever the journal keeps it. Later episodes than the checkpoint's are left for
    /// [`Self::on_round`].
    ///
    /// # Errors
    /// [`RestoreError`] where the bytes are none of this version, or the ledger does not hold what was counted.
    pub fn restore_with<I: IntoIterator<Item = Episode>>(
        bytes: &[u8],
        mut ledger: impl FnMut(SeatIdx) -> I,
    ) -> Result<Self, RestoreError> {
        let mut promoter = Self::restore(bytes)?;
        for at in 0..promoter.seats.len() {
            let seat = &promoter.seats[at];
            let is_kept = seat.place.is_some() && seat.state != State::Retired;
            let (Some((first, last)), true) = (seat.range, is_kept) else { continue };
            let episodes: Vec<Scored> = match promoter.config.unit {
                EvidenceUnit::Episode => ledger(Self::idx(at))
                    .into_iter()
                    .filter(|e| (first..=last).contains(&e.number) && e.opened >= seat.since && e.x.is_finite())
                    .map(|Episode { number, opened, closed, profit, rho_micros, x, .. }| Scored {
                        number,
                        opened,
                        closed,
                        profit,
                        rho_micros,
                        x,
                    })
                    .collect(),
                EvidenceUnit::Round => promoter.rounds_of(seat),
            };
            if episodes.len() as u64 != seat.evidence.n() {
                let (found, n) = (episodes.len(), seat.evidence.n());
                return Err(RestoreError::Corrupt(format!(
                    "{} counted {n} episodes, its ledger has {found}",
                    seat.model
                )));
            }
            promoter.seats[at].episodes = episodes;
        }
        Ok(promoter)
    }
}
