//! The mark of an order that passed the desk's risk rules.

/// Something the desk's risk rules let through. Its field is private and its maker visible in the desk alone, so that
/// no paper account can reach a broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    pub(in crate::desk) fn new(inner: T) -> Self {
        Self(inner)
    }

    /// What was approved.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.0
    }
}
