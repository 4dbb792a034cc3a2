//! The paper broker: one order or one position at a time, filled against real quotes.
//!
//! The exact rules stand in `docs/ARCHITECTURE.md` under "Paper broker". Long positions are written out; a short one is
//! the same with every price mirrored, which [`Side`] does, so that each rule stands here once.

use serde::{Deserialize, Serialize};

use super::terms::{FundingClock, Terms};
use crate::domain::{
    Bar, CloseReason, Direction, Micros, Money, Ohlc, OpenPosition, Order, Price, PriceDelta, Tick, UtcMicros,
};

/// A position that was closed, with everything a trade needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closing {
    /// What was open.
    pub position: OpenPosition,
    /// When it was closed.
    pub time: UtcMicros,
    /// At what level, slippage included.
    pub level: Price,
    /// Why.
    pub reason: CloseReason,
    /// Signed points x value per point x size, less funding.
    pub profit: Money,
    /// Slippage and funding.
    pub costs: Money,
}

/// What happened to a book while a bar's quotes went through it, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The order filled.
    Opened(OpenPosition),
    /// The position was closed.
    Closed(Closing),
}

/// What a candidate has at its paper broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    order: Option<Order>,
    position: Option<OpenPosition>,
    /// Deals opened so far.
    deals: u64,
    /// Twice the mid of the last quote seen while a position was open.
    last_mid2: i64,
}

/// One side of the market seen from a position that closes there: prices are turned so that a gain is always up.
#[derive(Clone, Copy)]
struct Side(Direction);

impl Side {
    /// The price at which the position can be closed, turned.
    fn exit(self, tick: &Tick) -> i64 {
        match self.0 {
            Direction::Long => tick.bid.micros(),
            Direction::Short => -tick.offer.micros(),
        }
    }

    fn turn(self, price: Price) -> i64 {
        self.0.sign() * price.micros()
    }

    fn back(self, turned: i64) -> Price {
        Price::from_micros(self.0.sign() * turned)
    }

    /// Open, low and high of the closing side over a bar, turned.
    fn bar(self, bar: &Bar) -> (i64, i64, i64) {
        let Ohlc { open, high, low, .. } = match self.0 {
            Direction::Long => bar.bid,
            Direction::Short => bar.offer,
        };
        match self.0 {
            Direction::Long => (open.micros(), low.micros(), high.micros()),
            Direction::Short => (-open.micros(), -high.micros(), -low.micros()),
        }
    }

    /// The price at which a position is opened on this tick, turned: the offer for a long.
    fn entry(self, bid: Price, offer: Price) -> i64 {
        match self.0 {
            Direction::Long => offer.micros(),
            Direction::Short => -bid.micros(),
        }
    }
}

impl Book {
    /// Whether neither an order nor a position is there.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.order.is_none() && self.position.is_none()
    }

    /// The waiting order.
    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// The open position.
    #[must_use]
    pub fn position(&self) -> Option<&OpenPosition> {
        self.position.as_ref()
    }

    /// Deals opened so far.
    #[must_use]
    pub fn deals(&self) -> u64 {
        self.deals
    }

    /// Takes an order; the book must be flat.
    ///
    /// # Panics
    /// If it is not.
    pub fn place(&mut self, order: Order) {
        assert!(self.is_flat(), "one order or position at a time");
        self.order = Some(order);
    }

    /// Removes an order whose time is over at `now`; whether there was one.
    pub fn lapse(&mut self, now: UtcMicros) -> bool {
        let is_over = self.order.is_some_and(|order| order.until <= now);
        if is_over {
            self.order = None;
        }
        is_over
    }

    /// Sends a bar through the broker and tells what happened: its quotes one by one, or where only the bar is known,
    /// by the pessimistic rule.
    pub(crate) fn on_bar(&mut self, bar: &Bar, terms: &Terms, clock: &mut FundingClock, mut on: impl FnMut(Event)) {
        if bar.quotes.is_empty() {
            self.on_bare_bar(bar, terms, clock, &mut on);
        } else {
            self.on_quotes(bar, terms, clock, &mut on);
        }
        self.last_mid2 = bar.bid.close.micros() + bar.offer.close.micros();
    }

    fn on_quotes(&mut self, bar: &Bar, terms: &Terms, clock: &mut FundingClock, on: &mut impl FnMut(Event)) {
        let quotes: &[Tick] = &bar.quotes;
        let mut from = 0;
        if let Some(order) = self.order {
            let Some(at) = quotes.iter().position(|tick| tick.time >= order.from) else { return };
            let tick = &quotes[at];
            if tick.time >= order.until {
                return;
            }
            on(Event::Opened(self.open(&order, tick.time, tick.bid, tick.offer, terms, clock)));
            self.last_mid2 = tick.mid2();
            from = at + 1;
        }
        let Some(mut position) = self.position else { return };
        let side = Side(position.direction);
        let (stop, limit) = (side.turn(position.stop_level), side.turn(position.limit_level));
        let entry = side.turn(position.open_level);
        let last = quotes[quotes.len() - 1].time;
        if from == 0 && last < position.deadline && last < position.next_funding {
            // Nothing can happen in a bar whose extremes touch neither stop nor limit: the usual case, without a scan.
            let (_, low, high) = side.bar(bar);
            if low > stop && high < limit {
                position.excursion(low - entry, high - entry);
                self.position = Some(position);
                return;
            }
        }
        for tick in &quotes[from..] {
            if tick.time >= position.next_funding {
                position.charge(tick.time, self.last_mid2, terms, clock);
            }
            self.last_mid2 = tick.mid2();
            let price = side.exit(tick);
            position.excursion(price - entry, price - entry);
            let exit = if price <= stop {
                (price - terms.costs.slippage.micros(), CloseReason::Stop)
            } else if price >= limit {
                (limit, CloseReason::Limit)
            } else if tick.time >= position.deadline {
                (price - terms.costs.slippage.micros(), CloseReason::Time)
            } else {
                continue;
            };
            on(Event::Closed(self.close(position, tick.time, exit, terms)));
            return;
        }
        self.position = Some(position);
    }

    /// Only open, high, low and close are known: stop before limit, at the open where the bar opens beyond the stop.
    /// What happens at the open is stamped with the start of the bar, what happens inside with its end.
    fn on_bare_bar(&mut self, bar: &Bar, terms: &Terms, clock: &mut FundingClock, on: &mut impl FnMut(Event)) {
        let mut is_entry_bar = false;
        if let Some(order) = self.order {
            // The time of the opening quote is unknown; it stands for the first one of the bar, whatever the latency.
            if bar.start < order.made || bar.start >= order.until {
                return;
            }
            on(Event::Opened(self.open(&order, bar.start, bar.bid.open, bar.offer.open, terms, clock)));
            is_entry_bar = true;
        }
        let last_mid2 = self.last_mid2;
        let Some(position) = &mut self.position else { return };
        let side = Side(position.direction);
        if bar.start >= position.next_funding {
            position.charge(bar.start, last_mid2, terms, clock);
        }
        let (stop, limit) = (side.turn(position.stop_level), side.turn(position.limit_level));
        let entry = side.turn(position.open_level);
        let slip = terms.costs.slippage.micros();
        let (open, low, high) = side.bar(bar);
        let exit = if !is_entry_bar && open <= stop {
            Some((bar.start, (open - slip, CloseReason::Stop), (open, open)))
        } else if !is_entry_bar && open >= limit {
            Some((bar.start, (limit, CloseReason::Limit), (open, open)))
        } else if !is_entry_bar && bar.start >= position.deadline {
            Some((bar.start, (open - slip, CloseReason::Time), (open, open)))
        } else if low <= stop {
            Some((bar.end, (open.min(stop) - slip, CloseReason::Stop), (low, open)))
        } else if high >= limit {
            Some((bar.end, (limit, CloseReason::Limit), (low, high)))
        } else {
            None
        };
        match exit {
            Some((time, exit, (low, high))) => {
                position.excursion(low - entry, high - entry);
                let position = *position;
                on(Event::Closed(self.close(position, time, exit, terms)));
            }
            None => position.excursion(low - entry, high - entry),
        }
    }

    fn open(
        &mut self,
        order: &Order,
        time: UtcMicros,
        bid: Price,
        offer: Price,
        terms: &Terms,
        clock: &mut FundingClock,
    ) -> OpenPosition {
        let side = Side(order.direction);
        let level = side.back(side.entry(bid, offer) + terms.costs.slippage.micros());
        let (stop_level, limit_level) = terms.exits(order.direction, level);
        self.deals += 1;
        self.order = None;
        let position = OpenPosition {
            deal: self.deals,
            made: order.made,
            direction: order.direction,
            size: terms.size,
            opened: time,
            open_level: level,
            stop_level,
            limit_level,
            deadline: time + terms.hold,
            next_funding: clock.after(time).0,
            funding: Money::ZERO,
            y_pred: order.y_pred,
            adverse: PriceDelta::ZERO,
            favourable: PriceDelta::ZERO,
        };
        self.position = Some(position);
        position
    }

    fn close(&mut self, position: OpenPosition, time: UtcMicros, exit: (i64, CloseReason), terms: &Terms) -> Closing {
        let side = Side(position.direction);
        let (level, reason) = (side.back(exit.0), exit.1);
        let gained = PriceDelta::from_micros(exit.0 - side.turn(position.open_level));
        let exit_slip = if reason == CloseReason::Limit { Money::ZERO } else { terms.slip_cost() };
        self.position = None;
        Closing {
            position,
            time,
            level,
            reason,
            profit: terms.money(gained) - position.funding,
            costs: terms.slip_cost() + exit_slip + position.funding,
        }
    }

    /// What closing the open position at the bar's close would bring, slippage left out; zero when flat.
    #[must_use]
    pub fn marked(&self, bar: &Bar, terms: &Terms) -> Money {
        let Some(position) = &self.position else { return Money::ZERO };
        let side = Side(position.direction);
        let exit = match position.direction {
            Direction::Long => bar.bid.close,
            Direction::Short => bar.offer.close,
        };
        terms.money(PriceDelta::from_micros(side.turn(exit) - side.turn(position.open_level))) - position.funding
    }

    /// How long the open position has been open at `now`.
    #[must_use]
    pub fn open_for(&self, now: UtcMicros) -> Micros {
        self.position.map_or(Micros(0), |position| now - position.opened)
    }
}

impl OpenPosition {
    /// Charges every 22:00 London up to `now` at twice the mid `mid2`.
    fn charge(&mut self, now: UtcMicros, mid2: i64, terms: &Terms, clock: &mut FundingClock) {
        let mut passed = UtcMicros(self.next_funding.0 - 1);
        loop {
            let (at, times) = clock.after(passed);
            if at > now {
                self.next_funding = at;
                return;
            }
            for _ in 0..times {
                self.funding += terms.funding(mid2);
            }
            passed = at;
        }
    }

    fn excursion(&mut self, low: i64, high: i64) {
        self.adverse = self.adverse.min(PriceDelta::from_micros(low));
        self.favourable = self.favourable.max(PriceDelta::from_micros(high));
    }
}
