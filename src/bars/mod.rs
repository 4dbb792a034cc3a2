//! Quotes to bars, pure: no clock, no file, no actor.
//!
//! Two storeys. [`Folder`] turns quotes into the numbers of bars and knows when bars close; `arena resample` needs no
//! more. [`Resampler`] stands on it and makes the [`Round`](crate::flow::Round)s that models are given: bars with their
//! quotes and their windows of closing mids, out of shared memory.
//!
//! Invariants: bars lie on UTC multiples of their length and hold `[start, end)`; an empty interval has no bar; a bar
//! closes when event time reaches its end; rounds go forward in time; how quotes are cut into blocks never shows.

mod checkpoint;
mod fold;
mod resampler;
#[cfg(test)]
mod tests;

pub use self::checkpoint::RestoreError;
pub use self::fold::{Closing, Closings, FoldedBar, Folder, NotOpen};
pub use self::resampler::{Resampler, UnfitBar};
