//! One live deal, as our book has it.

use serde::{Deserialize, Serialize};

use super::reconcile::Expected;
use super::twins::Twin;
use crate::broker::Exit;
use crate::domain::{
    CloseReason, DealId, DealReference, Direction, Epic, Market, Micros, ModelId, Money, Price, SeatIdx, Shortfall,
    Size, Tick, UtcMicros,
};
use crate::flow::LiveTradeRow;

/// How far a deal has come, as we know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Its intent is journalled; its outcome is not there yet.
    Sent,
    /// The broker did not tell; it is being looked up.
    Unknown,
    /// Open at the broker.
    Open,
    /// Closed again.
    Closed,
    /// Nothing was dealt.
    Rejected,
    /// In our book, gone at the broker, given up by an operator.
    WrittenOff,
}

/// A part of a position that somebody else closed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) time: UtcMicros,
    pub(super) size: Size,
    pub(super) level: Price,
    pub(super) profit: Money,
    /// The quote that stood then.
    pub(super) quote: Option<Tick>,
}

impl Part {
    /// As the broker's history tells it.
    pub(super) fn exit(&self) -> Exit {
        Exit { time: self.time, level: self.level, size: self.size }
    }
}

/// One live deal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BookDeal {
    pub(super) reference: DealReference,
    pub(super) seat: SeatIdx,
    pub(super) model: ModelId,
    pub(super) epic: Epic,
    pub(super) made: UtcMicros,
    pub(super) direction: Direction,
    pub(super) size: Size,
    /// What others have closed of it.
    pub(super) parts: Vec<Part>,
    pub(super) hold: Micros,
    pub(super) phase: Phase,
    pub(super) deal_id: Option<DealId>,
    pub(super) opened: Option<UtcMicros>,
    pub(super) level: Price,
    pub(super) stop_level: Price,
    pub(super) limit_level: Price,
    pub(super) closed: Option<(UtcMicros, Price, CloseReason, Money)>,
    pub(super) funding: Money,
    pub(super) next_funding: Option<(UtcMicros, i64)>,
    pub(super) twin: Option<Twin>,
    /// The quotes that stood at our fill, at our exit, and at the paper fill.
    pub(super) entry_quote: Option<Tick>,
    pub(super) exit_quote: Option<Tick>,
    pub(super) paper_quote: Option<Tick>,
    pub(super) shortfall: Option<Shortfall>,
    /// Why we want it closed, before and after the intent is journalled.
    pub(super) close_wanted: Option<CloseReason>,
    /// Whether that intent is journalled.
    pub(super) is_close_intended: bool,
    /// When closing was last asked for.
    pub(super) close_sent: Option<UtcMicros>,
    /// Look-ups without an answer, in a row.
    pub(super) tries: u32,
    /// Comparisons in a row in which the broker's list said something else of it than we know.
    pub(super) doubts: u32,
    /// The broker does not know it any more.
    pub(super) is_lost: bool,
    /// That it has no twin was told.
    pub(super) is_told: bool,
}

impl BookDeal {
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self.phase, Phase::Sent | Phase::Unknown)
    }

    /// Whether a word of the broker that it is open is believed: unless it was open and closed already.
    pub(super) fn may_open(&self) -> bool {
        !matches!(self.phase, Phase::Open | Phase::Closed)
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Sent | Phase::Unknown | Phase::Open)
    }

    pub(super) fn deadline(&self) -> Option<UtcMicros> {
        Some(self.opened? + self.hold)
    }

    /// What is still open of it.
    pub(super) fn left(&self) -> Size {
        let closed: i64 = self.parts.iter().map(|part| part.size.micros()).sum();
        Size::from_micros(self.size.micros() - closed)
    }

    /// What `size` of it makes, closed at `level`, charges left out.
    pub(super) fn made(&self, level: Price, size: Size, market: &Market) -> Money {
        let delta = level - self.level;
        market.money(if self.direction == Direction::Long { delta } else { -delta }, size)
    }

    /// What it would make, the rest closed at `level`.
    pub(super) fn profit_at(&self, level: Price, market: &Market) -> Money {
        let parts: Money = self.parts.iter().map(|part| part.profit).sum();
        parts + self.made(level, self.left(), market) - self.funding
    }

    /// The side that it would close on.
    pub(super) fn exit_side(&self, tick: &Tick) -> Price {
        if self.direction == Direction::Long { tick.bid } else { tick.offer }
    }

    pub(super) fn row(&self) -> LiveTradeRow {
        let is_filled = self.opened.is_some();
        let status = match self.phase {
            Phase::Sent => "sent",
            Phase::Open if !self.is_lost => "open",
            Phase::Closed => "closed",
            Phase::Rejected => "rejected",
            Phase::Unknown | Phase::Open | Phase::WrittenOff => "unknown",
        };
        LiveTradeRow {
            model: self.model.clone(),
            deal_reference: self.reference.to_string(),
            deal_id: self.deal_id.as_ref().map(ToString::to_string),
            status: status.to_owned(),
            direction: self.direction,
            size: self.size,
            opened: self.opened,
            open_level: is_filled.then_some(self.level),
            stop_level: is_filled.then_some(self.stop_level),
            limit_level: is_filled.then_some(self.limit_level),
            closed: self.closed.map(|(time, ..)| time),
            close_level: self.closed.map(|(_, level, ..)| level),
            reason: self.closed.map(|(_, _, reason, _)| reason),
            profit: self.closed.map(|(.., profit)| profit),
            twin_profit: self.twin_profit(),
            twin_open_level: self.twin_levels().map(|(open, _)| open),
            twin_close_level: self.twin_levels().map(|(_, close)| close),
            shortfall: self.shortfall,
        }
    }

    pub(super) fn expected(&self) -> Expected {
        Expected {
            reference: self.reference.clone(),
            direction: self.direction,
            size: self.left(),
            level: self.level,
            stop_level: self.stop_level,
            limit_level: self.limit_level,
        }
    }
}

impl BookDeal {
    pub(super) fn nothing(reference: &DealReference) -> Self {
        Self {
            reference: reference.clone(),
            seat: SeatIdx(0),
            model: "".into(),
            epic: "".into(),
            made: UtcMicros(0),
            direction: Direction::Long,
            size: Size::ZERO,
            parts: Vec::new(),
            hold: Micros(0),
            phase: Phase::Sent,
            deal_id: None,
            opened: None,
            level: Price::ZERO,
            stop_level: Price::ZERO,
            limit_level: Price::ZERO,
            closed: None,
            funding: Money::ZERO,
            next_funding: None,
            twin: None,
            entry_quote: None,
            exit_quote: None,
            paper_quote: None,
            shortfall: None,
            close_wanted: None,
            is_close_intended: false,
            close_sent: None,
            tries: 0,
            doubts: 0,
            is_lost: false,
            is_told: false,
        }
    }
}
