//! The risk rules of live dealing, pure: the one maker of [`Approved`].
//!
//! A [`LiveRight`] comes from a lifecycle change to live alone; an [`Approved`] order comes from a live right alone.
//! Nothing here looks at a paper ledger, and no paper ledger looks at anything here.

use serde::{Deserialize, Serialize};

use super::Approved;
use crate::broker::LiveOrder;
use crate::config::RiskConfig;
use crate::domain::{
    Candidate, Costs, DealReference, Epic, Market, Micros, ModelId, Money, PriceDelta, SeatIdx, Size, Tick, UtcMicros,
};
use crate::flow::{Change, DealTicket, State};

/// A candidate's right to deal for real, as its promotion gave it: everything a live order takes from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveRight {
    seat: SeatIdx,
    model: ModelId,
    hash8: String,
    epic: Epic,
    stop: PriceDelta,
    limit: PriceDelta,
    hold: Micros,
    size: Size,
    costs: Costs,
}

impl LiveRight {
    /// The right that `change` gives to `candidate` in its `generation`, to deal `size`; `None` if the change does not
    /// lead to live or is about another model.
    #[must_use]
    pub fn of(change: &Change, candidate: &Candidate, generation: u32, market: &Market, size: Size) -> Option<Self> {
        (change.to == State::Live && change.model == candidate.id).then(|| Self {
            seat: change.seat,
            model: candidate.id.clone(),
            hash8: candidate.identity(generation).hash8(),
            epic: market.epic.clone(),
            stop: candidate.stop,
            limit: candidate.limit,
            hold: candidate.hold,
            size,
            costs: candidate.costs,
        })
    }

    /// Whose.
    #[must_use]
    pub fn seat(&self) -> SeatIdx {
        self.seat
    }

    /// The candidate's name.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// The first digits of its identity.
    #[must_use]
    pub fn hash8(&self) -> &str {
        &self.hash8
    }

    /// Its market.
    #[must_use]
    pub fn epic(&self) -> &Epic {
        &self.epic
    }

    /// Its time exit, from the fill.
    #[must_use]
    pub fn hold(&self) -> Micros {
        self.hold
    }

    /// What paper assumes of its fills.
    #[must_use]
    pub fn costs(&self) -> Costs {
        self.costs
    }

    /// What it deals.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }
}

/// What a seat already has at the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeatDeal {
    /// Nothing.
    None,
    /// A position, or an order that may become one.
    Alive,
    /// A request whose outcome nobody knows yet.
    Unknown,
}

/// All that the rules look at.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// Event time of the decision.
    pub now: UtcMicros,
    /// Why dealing is halted, if it is.
    pub halted: Option<&'a str>,
    /// `[risk]`.
    pub risk: &'a RiskConfig,
    /// The rules of the market; `None`: not configured.
    pub market: Option<&'a Market>,
    /// The last quote of the epic.
    pub last_quote: Option<Tick>,
    /// Deals that are open, sent or unknown.
    pub deals_alive: usize,
    /// What the seat itself has.
    pub seat_deal: SeatDeal,
    /// Live profit of this UTC day, open positions marked where they would close.
    pub day_result: Money,
}

/// The rule that refused, and by what figures.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{rule}: {why}")]
pub struct Refused {
    /// The name of the rule.
    pub rule: &'static str,
    /// The figures.
    pub why: String,
}

/// The live size on a step of the ramp: that share of the candidate's `full` size, rounded down to hundredths, yet no
/// smaller than the market deals, and never above the full size.
#[must_use]
pub fn ramp_size(full: Size, step: f64, size_min: Size) -> Size {
    const HUNDREDTH: i64 = 10_000;
    #[expect(clippy::cast_possible_truncation, reason = "a share of a size is no larger than the size")]
    let share = (full.micros() as f64 * step.clamp(0.0, 1.0)).floor() as i64;
    Size::from_micros(share / HUNDREDTH * HUNDREDTH).max(size_min).min(full)
}

/// Whether a day's result has reached the limit.
#[must_use]
pub fn is_daily_loss_reached(result: Money, limit: Money) -> bool {
    result < Money::ZERO && result <= -limit
}

/// Holds a ticket against every rule, in this order: halted, max_daily_loss, unknown_outcome, one_position,
/// max_live_positions, market, max_live_size, size_min, stop_min, session, expired, stale_quote.
///
/// # Errors
/// [`Refused`] names the first rule that says no.
pub fn approve(
    right: &LiveRight,
    ticket: &DealTicket,
    reference: DealReference,
    situation: &Situation<'_>,
) -> Result<Approved<LiveOrder>, Refused> {
    let refuse = |rule, why: String| Err(Refused { rule, why });
    let risk = situation.risk;
    if let Some(reason) = situation.halted {
        return refuse("halted", reason.to_owned());
    }
    if is_daily_loss_reached(situation.day_result, risk.max_daily_loss) {
        return refuse("max_daily_loss", format!("{} today, limit {}", situation.day_result, risk.max_daily_loss));
    }
    match situation.seat_deal {
        SeatDeal::Unknown => return refuse("unknown_outcome", format!("{} has a deal in doubt", right.model)),
        SeatDeal::Alive => return refuse("one_position", format!("{} has a live deal already", right.model)),
        SeatDeal::None => {}
    }
    if situation.deals_alive >= risk.max_live_positions as usize {
        let why = format!("{} of {} taken", situation.deals_alive, risk.max_live_positions);
        return refuse("max_live_positions", why);
    }
    let Some(market) = situation.market else {
        return refuse("market", format!("{} is not configured", right.epic));
    };
    if right.size > risk.max_live_size {
        return refuse("max_live_size", format!("{} is above {}", right.size, risk.max_live_size));
    }
    if right.size < market.size_min || right.size <= Size::ZERO {
        return refuse("size_min", format!("{} is below {}", right.size, market.size_min));
    }
    let stop_min = market.distance(market.stop_min_points).unwrap_or(PriceDelta::ZERO);
    if right.stop < stop_min || right.stop <= PriceDelta::ZERO || right.limit <= PriceDelta::ZERO {
        let why = format!("stop {} and limit {}, the stop's least is {stop_min}", right.stop, right.limit);
        return refuse("stop_min", why);
    }
    if !market.is_in_session(situation.now) {
        return refuse("session", format!("{} is closed at {}", right.epic, situation.now));
    }
    if situation.now >= ticket.valid_until {
        return refuse("expired", format!("valid until {}, now {}", ticket.valid_until, situation.now));
    }
    let Some(last) = situation.last_quote else {
        return refuse("stale_quote", format!("no quote of {} yet", right.epic));
    };
    let age = situation.now - last.time;
    if age > risk.stale_quote {
        return refuse("stale_quote", format!("the last quote is {age} old, limit {}", risk.stale_quote));
    }
    Ok(Approved::new(LiveOrder {
        reference,
        epic: right.epic.clone(),
        direction: ticket.direction,
        size: right.size,
        stop: right.stop,
        limit: right.limit,
        at: ticket.made,
        valid_until: ticket.valid_until,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_ramp_is_dealable_and_never_above_the_full_size() {
        for (full, step, least, want) in [
            ("4", 0.25, "0.5", "1"),
            ("1", 0.25, "0.5", "0.5"),
            ("1", 1.0, "0.5", "1"),
            ("1", 7.0, "0.5", "1"),
            ("1.37", 0.5, "0.5", "0.68"),
            ("0.4", 0.5, "0.5", "0.4"),
            ("1", f64::NAN, "0.5", "0.5"),
        ] {
            let size = ramp_size(full.parse().unwrap(), step, least.parse().unwrap());
            assert_eq!(size.to_string(), want, "{full} x {step}");
        }
    }

    #[test]
    fn a_loss_reaches_the_limit_and_nothing_else_does() {
        let reached =
            |result: &str, limit: &str| is_daily_loss_reached(result.parse().unwrap(), limit.parse().unwrap());
        assert!(reached("-200", "200") && reached("-0.000001", "0"));
        assert!(!reached("-199.999999", "200") && !reached("0", "0") && !reached("300", "200"));
    }
}
