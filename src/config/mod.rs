//! `arena.toml` in, a [`Config`] that cannot be invalid out.

mod checked;

pub use checked::*;
