//! What a live trade made less than its paper twin, and why.

use serde::{Deserialize, Serialize};

use super::Money;

/// Live result less the paper twin's, in parts that sum to it to the last millionth. A part below zero cost money.
/// `docs/IG.md` defines each of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Shortfall {
    /// Live less paper.
    pub whole: Money,
    /// The market moved between the paper fill and the live one.
    pub delay: Money,
    /// The spread at the live fill was another than at the paper one.
    pub spread: Money,
    /// The live fill was further from the quote than the paper one.
    pub slippage: Money,
    /// Only one of the two traded.
    pub rejection: Money,
    /// Overnight charges differ.
    pub funding: Money,
    /// The live size is another than the paper's.
    pub sizing: Money,
    /// What rounding each part to a millionth leaves over.
    pub rounding: Money,
}

impl Shortfall {
    /// Each part by its name; they sum to the whole.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, Money); 7] {
        [
            ("delay", self.delay),
            ("spread", self.spread),
            ("slippage", self.slippage),
            ("rejection", self.rejection),
            ("funding", self.funding),
            ("sizing", self.sizing),
            ("rounding", self.rounding),
        ]
    }
}

impl std::ops::AddAssign for Shortfall {
    fn add_assign(&mut self, more: Self) {
        self.whole += more.whole;
        self.delay += more.delay;
        self.spread += more.spread;
        self.slippage += more.slippage;
        self.rejection += more.rejection;
        self.funding += more.funding;
        self.sizing += more.sizing;
        self.rounding += more.rounding;
    }
}
