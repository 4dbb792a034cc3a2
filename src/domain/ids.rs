//! Names and numbers of things: markets, models, deals.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name_type! {
    /// IG's identifier of a market, such as `CS.D.EURUSD.TODAY.IP`.
    Epic
}
name_type! {
    /// The name of a candidate after sweeps are expanded; unique in an arena.
    ModelId
}
name_type! {
    /// What the broker calls a deal.
    DealId
}
name_type! {
    /// What we call a deal: at most 30 characters of `[A-Za-z0-9_-]`, a function of the intention alone.
    DealReference
}
name_type! {
    /// `name@version#hash8`: the identity of what predicted, stamped on all that follows from it.
    ModelTicket
}

/// The place of a market in [`crate::config::Config::markets`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EpicIdx(pub u16);

/// The place of a stream of bars (one epic at one resolution) in the arena; ordered by epic, then resolution.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StreamIdx(pub u16);

/// The place of a candidate in the arena: its registration number in this store, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SeatIdx(pub u32);

/// SHA-256 of a candidate's frozen content: kind, parameters, artefact, costs and risk unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// All 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The identity of a `generation` of this content; 0 is the content itself.
    #[must_use]
    pub fn generation(self, generation: u32) -> Self {
        if generation == 0 {
            return self;
        }
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(generation.to_be_bytes());
        Self(hasher.finalize().into())
    }

    /// The first eight hexadecimal digits, as in a [`ModelTicket`].
    #[must_use]
    pub fn hash8(&self) -> String {
        self.hex()[..8].to_owned()
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash8())
    }
}
