//! To come.

pub mod venue;
