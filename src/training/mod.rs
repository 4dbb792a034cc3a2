//! History in, model versions out.

pub mod plots;
