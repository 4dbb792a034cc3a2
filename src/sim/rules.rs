//! At what price the market deals: one copy for every venue of the simulator.
//!
//! A buyer pays the offer, a seller gets the bid. A stop deals at the quote that reaches it, so that a gap costs more
//! than the stop; a limit deals at exactly its level. Where one quote meets both, the stop comes first.

use crate::domain::{CloseReason, Direction, Price, PriceDelta, Tick};

/// The level of a market order that enters on `tick`, `slippage` worse than the touch.
#[must_use]
pub fn entry(direction: Direction, tick: &Tick, slippage: PriceDelta) -> Price {
    match direction {
        Direction::Long => tick.offer + slippage,
        Direction::Short => tick.bid - slippage,
    }
}

/// The level at which a position is left by a market order on `tick`, `slippage` worse than the touch.
#[must_use]
pub fn market_exit(direction: Direction, tick: &Tick, slippage: PriceDelta) -> Price {
    match direction {
        Direction::Long => tick.bid - slippage,
        Direction::Short => tick.offer + slippage,
    }
}

/// Where and why `tick` ends a position with these levels, if it does: stop, then limit.
#[must_use]
pub fn exit(
    direction: Direction,
    stop: Option<Price>,
    limit: Option<Price>,
    tick: &Tick,
    slippage: PriceDelta,
) -> Option<(Price, CloseReason)> {
    let (is_stopped, is_limit) = match direction {
        Direction::Long => (stop.is_some_and(|level| tick.bid <= level), limit.is_some_and(|level| tick.bid >= level)),
        Direction::Short => {
            (stop.is_some_and(|level| tick.offer >= level), limit.is_some_and(|level| tick.offer <= level))
        }
    };
    if is_stopped {
        return Some((market_exit(direction, tick, slippage), CloseReason::Stop));
    }
    limit.filter(|_| is_limit).map(|level| (level, CloseReason::Limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UtcMicros;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn tick(bid: &str, offer: &str) -> Tick {
        Tick { time: UtcMicros(0), bid: price(bid), offer: price(offer) }
    }

    #[test]
    fn a_gap_costs_more_than_the_stop_and_a_limit_gives_no_more_than_its_level() {
        let slip: PriceDelta = "0.1".parse().unwrap();
        let (stop, limit) = (Some(price("99")), Some(price("102")));
        for (direction, quote, want) in [
            (Direction::Long, tick("99.1", "99.3"), None),
            (Direction::Long, tick("99", "99.2"), Some((price("98.9"), CloseReason::Stop))),
            (Direction::Long, tick("95", "95.2"), Some((price("94.9"), CloseReason::Stop))),
            (Direction::Long, tick("105", "105.2"), Some((price("102"), CloseReason::Limit))),
            (Direction::Short, tick("98.9", "99.1"), Some((price("99.2"), CloseReason::Stop))),
        ] {
            assert_eq!(exit(direction, stop, limit, &quote, slip), want, "{direction:?} {quote:?}");
        }
        // A short's stop lies above and its limit below.
        let short = |quote| exit(Direction::Short, Some(price("102")), Some(price("99")), &quote, slip);
        assert_eq!(short(tick("101.8", "102")), Some((price("102.1"), CloseReason::Stop)));
        assert_eq!(short(tick("98.5", "98.7")), Some((price("99"), CloseReason::Limit)));
        assert_eq!(short(tick("100", "100.2")), None);
        assert_eq!(exit(Direction::Long, None, None, &tick("1", "2"), slip), None);
    }
}
