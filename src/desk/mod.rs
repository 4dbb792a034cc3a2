//! The desk: live orders, and the only maker of [`Approved`].

mod approved;

pub use approved::Approved;
