//! The promoter: gathers evidence from closed episodes and decides who may trade for real.
//!
//! ```text
//! episode → evidence (wealth of a mixture of constant bets) → gates → lifecycle change + audit record
//! ```
//!
//! Everything here is pure: no clock, no file, no thread. Time is the event time of the round that is handed in, sums
//! run in a fixed order, and the same calls give the same bits. `docs/EVIDENCE.md` holds the formulas and what they
//! promise.

mod audit;
mod checkpoint;
mod commands;
mod evidence;
mod gates;
mod live;
mod places;
mod policy;
mod reads;
mod records;
mod reign;
#[cfg(test)]
mod reign_tests;
mod rounds;
mod seal;
mod seat;
mod slots;
#[cfg(test)]
mod tests;
mod verify;

pub use audit::{GENESIS, with_wall_time};
pub use checkpoint::RestoreError;
pub use evidence::Evidence;
pub use gates::{Gate, GateInputs, gates, threshold};
pub use policy::{Promoter, RegisterInfo};
pub use reads::{EvidenceRow, RankKey};
pub use seal::Sealer;
pub use slots::{Slot, SlotPlace, SlotTable, start_wealth};
pub use verify::{VerifyError, VerifyReport, verify};
