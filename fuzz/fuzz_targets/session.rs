//! `cargo fuzz run session`; see `../targets.rs`.

#![no_main]

#[path = "../targets.rs"]
#[allow(dead_code, reason = "each program calls one of them")]
mod targets;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| targets::session(bytes));
