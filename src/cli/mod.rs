//! The commands.

pub mod resample;
