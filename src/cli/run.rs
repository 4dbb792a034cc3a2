//! Commands that start an arena.

use super::output::{FAILED, Failure};
use super::{DemoArgs, ReplayArgs, ResampleArgs, RunArgs, Shared};
use crate::config::Config;

fn not_wired<T>() -> Result<T, Failure> {
    Err(Failure::new(FAILED, "not wired yet"))
}

pub(super) fn demo(_shared: &Shared, _args: &DemoArgs) -> Result<u8, Failure> {
    not_wired()
}
pub(super) fn check(_shared: &Shared) -> Result<u8, Failure> {
    not_wired()
}
pub(super) fn run(_shared: &Shared, _args: &RunArgs) -> Result<u8, Failure> {
    not_wired()
}
pub(super) fn replay(_shared: &Shared, _args: &ReplayArgs) -> Result<u8, Failure> {
    not_wired()
}
pub(super) fn resample(_shared: &Shared, _args: &ResampleArgs) -> Result<u8, Failure> {
    not_wired()
}
pub(super) fn load_config(_shared: &Shared) -> Result<Config, Failure> {
    not_wired()
}
