//! What stays the same for every trade of a candidate: distances, costs, risk unit, and the step from price to money.

use crate::domain::{
    Candidate, ContentHash, Costs, Decimal, Direction, Market, Micros, Money, Price, PriceDelta, Resolution, RiskUnit,
    Size, UtcMicros, next_funding,
};
use crate::store::entry::SeatEntry;

/// The terms on which a candidate trades on paper.
#[derive(Clone, Debug)]
pub struct Terms {
    market: Market,
    /// Money in millionths for one millionth of the price at this size, where that is a whole number.
    per_price: Option<i64>,
    pub(crate) size: Size,
    pub(crate) stop: PriceDelta,
    pub(crate) limit: PriceDelta,
    pub(crate) hold: Micros,
    pub(crate) bar: Micros,
    pub(crate) costs: Costs,
    pub(crate) risk: RiskUnit,
    /// What the slippage of one fill costs.
    slip_cost: Money,
    content_hash: ContentHash,
}

impl Terms {
    /// The terms of `candidate` in `market`.
    #[must_use]
    pub fn new(candidate: &Candidate, market: &Market) -> Self {
        let numerator = i128::from(market.value_per_point.micros()) * i128::from(candidate.size.micros());
        let denominator = i128::from(market.point.micros()) * 1_000_000;
        let whole = (denominator > 0 && numerator % denominator == 0).then(|| numerator / denominator);
        Self {
            per_price: whole.and_then(|n| i64::try_from(n).ok()),
            size: candidate.size,
            stop: candidate.stop,
            limit: candidate.limit,
            hold: candidate.hold,
            bar: candidate.resolution.length(),
            costs: candidate.costs,
            risk: candidate.risk,
            slip_cost: market.money(candidate.costs.slippage, candidate.size),
            content_hash: candidate.content_hash,
            market: market.clone(),
        }
    }

    /// Terms without a market or a candidate, for the past alone: a move of one in the price is one of money, the stop and
    /// the slippage of both ways are the risk, and the overnight charge is that of an arena's default.
    #[must_use]
    pub fn of_prices(stop: PriceDelta, limit: PriceDelta, hold: Micros, bar: Resolution, costs: Costs) -> Self {
        let whole = Decimal(1_000_000);
        let market = Market {
            epic: "".into(),
            currency: String::new(),
            point: PriceDelta::from_micros(whole.0),
            value_per_point: Money::from_micros(whole.0),
            size_min: Size::from_micros(whole.0),
            stop_min_points: Decimal(0),
            gap_allowance_points: Decimal(0),
            funding_annual_rate: Decimal(25_000),
            session: None,
        };
        let size = Size::from_micros(whole.0);
        Self {
            per_price: Some(1),
            size,
            stop,
            limit,
            hold,
            bar: bar.length(),
            costs,
            risk: RiskUnit::of(&market, stop, PriceDelta::ZERO, size, &costs, 1.0, 1.0),
            slip_cost: market.money(costs.slippage, size),
            content_hash: ContentHash([0; 32]),
            market,
        }
    }

    /// What a move of `delta` is worth at the candidate's size.
    ///
    /// # Panics
    /// If it leaves 64 bits: the panic boundary of the seat suspends that one model.
    #[must_use]
    pub fn money(&self, delta: PriceDelta) -> Money {
        match self.per_price {
            Some(per_price) => Money::from_micros(delta.micros() * per_price),
            None => self.market.money(delta, self.size),
        }
    }

    /// What the candidate's size is worth at `level`, in the currency: for turnover, which no money depends on.
    #[must_use]
    pub fn notional(&self, level: Price) -> f64 {
        let points = level.micros() as f64 / self.market.point.micros() as f64;
        points * self.market.value_per_point.as_f64() * self.size.micros() as f64 / 1e6
    }

    /// What one passing of 22:00 London costs at twice the mid `mid2`.
    #[must_use]
    pub fn funding(&self, mid2: i64) -> Money {
        self.market.funding(mid2, self.size)
    }

    /// Slippage of one market or stop fill, in money.
    #[must_use]
    pub fn slip_cost(&self) -> Money {
        self.slip_cost
    }

    /// Whether an entry is allowed at `time`.
    #[must_use]
    pub fn is_in_session(&self, time: UtcMicros) -> bool {
        self.market.is_in_session(time)
    }

    /// `x` and `r` of a result: with costs stressed, and plain.
    #[must_use]
    pub fn outcome(&self, profit: Money, costs: Money) -> (f64, f64) {
        let profit = profit.micros() as f64;
        let stressed = profit - (self.risk.cost_stress - 1.0) * costs.micros() as f64;
        (stressed / self.risk.rho_micros, profit / self.risk.rho_micros)
    }

    /// The first entry of the candidate's lane.
    #[must_use]
    pub fn entry(&self) -> SeatEntry {
        SeatEntry::Registered {
            size: self.size,
            stop: self.stop,
            limit: self.limit,
            hold: self.hold,
            latency: self.costs.latency,
            bar: self.bar,
            risk: self.risk,
            content_hash: self.content_hash,
        }
    }

    /// Where stop and limit lie for an entry at `level`.
    #[must_use]
    pub fn exits(
        &self,
        direction: Direction,
        level: crate::domain::Price,
    ) -> (crate::domain::Price, crate::domain::Price) {
        match direction {
            Direction::Long => (level - self.stop, level + self.limit),
            Direction::Short => (level + self.stop, level - self.limit),
        }
    }
}

/// Remembers the next 22:00 London, which the calendar library takes long to find.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FundingClock {
    from: UtcMicros,
    next: Option<(UtcMicros, i64)>,
}

impl FundingClock {
    /// The first 22:00 London strictly after `time`, and how often it is charged.
    pub(crate) fn after(&mut self, time: UtcMicros) -> (UtcMicros, i64) {
        match self.next {
            Some(next) if self.from <= time && time < next.0 => next,
            _ => {
                let next = next_funding(time);
                (self.from, self.next) = (time, Some(next));
                next
            }
        }
    }
}
