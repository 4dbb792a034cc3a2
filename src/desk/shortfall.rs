//! Shortfall, pure: a live deal and its paper twin in, what lies between them out, in parts that sum to the whole.
//!
//! A fill is a quote's mid, half its spread, and what the fill was worse than the quote. Of two fills of the same side the
//! three differences are delay, spread and slippage; funding and size are told apart before, and what rounding each of
//! them leaves over is named. `docs/IG.md` has the definitions in words.

use crate::domain::{Direction, Market, Money, Price, PriceDelta, Shortfall, Size, Tick, div_half_even};

/// A fill and the quote that stood then; without one, whatever lies between the levels counts as slippage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// The level.
    pub level: Price,
    /// The quote.
    pub quote: Option<Tick>,
}

/// A live deal that is closed.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSide {
    /// Its entry.
    pub entry: Fill,
    /// Its exits, each with the size that went by it: one, unless somebody closed a part.
    pub exits: Vec<(Fill, Size)>,
    /// How much.
    pub size: Size,
    /// Its charges.
    pub funding: Money,
    /// What it made.
    pub profit: Money,
}

/// Its paper twin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaperSide {
    /// Its entry.
    pub entry: Fill,
    /// Its exit.
    pub exit: Fill,
    /// How much.
    pub size: Size,
    /// What it made.
    pub profit: Money,
}

impl PaperSide {
    /// What it would have made at `size`.
    #[must_use]
    pub fn profit_at(&self, size: Size) -> Money {
        scaled(self.profit, size, self.size)
    }

    /// Its charges: what its levels made beyond its profit.
    fn funding(&self, direction: Direction, market: &Market) -> Money {
        market.money(signed(direction, self.exit.level - self.entry.level), self.size) - self.profit
    }
}

/// Both traded: live less paper.
#[must_use]
pub fn of_pair(direction: Direction, live: &LiveSide, paper: &PaperSide, market: &Market) -> Shortfall {
    let mut parts = Shortfall {
        whole: live.profit - paper.profit,
        sizing: paper.profit_at(live.size) - paper.profit,
        funding: scaled(paper.funding(direction, market), live.size, paper.size) - live.funding,
        ..Shortfall::default()
    };
    let is_long = direction == Direction::Long;
    add_fill(&mut parts, is_long, &live.entry, &paper.entry, live.size, market);
    for (exit, size) in &live.exits {
        add_fill(&mut parts, !is_long, exit, &paper.exit, *size, market);
    }
    with_rounding(parts)
}

/// Paper alone traded: live was refused, or never got there.
#[must_use]
pub fn of_refused(paper: &PaperSide, size: Size) -> Shortfall {
    let at_live_size = paper.profit_at(size);
    let sizing = at_live_size - paper.profit;
    with_rounding(Shortfall { whole: -paper.profit, sizing, rejection: -at_live_size, ..Shortfall::default() })
}

/// Live alone traded: paper found no quote in time.
#[must_use]
pub fn of_extra(profit: Money) -> Shortfall {
    Shortfall { whole: profit, rejection: profit, ..Shortfall::default() }
}

/// How much worse than the quote a fill was, in price; `None` without a quote.
#[must_use]
pub fn slippage(is_buy: bool, fill: &Fill) -> Option<PriceDelta> {
    let quote = fill.quote?;
    Some(if is_buy { fill.level - quote.offer } else { quote.bid - fill.level })
}

/// Adds what lies between a live and a paper fill of the same side.
fn add_fill(parts: &mut Shortfall, is_buy: bool, live: &Fill, paper: &Fill, size: Size, market: &Market) {
    // In halves of a millionth of the price, since a mid and half a spread need not be whole.
    let side = if is_buy { 1 } else { -1 };
    let whole = 2 * i128::from(side) * i128::from((live.level - paper.level).micros());
    let (delay, spread) = match (live.quote, paper.quote) {
        (Some(live), Some(paper)) => {
            let width = |quote: Tick| i128::from((quote.offer - quote.bid).micros());
            let mids = i128::from(live.mid2()) - i128::from(paper.mid2());
            (i128::from(side) * mids, width(live) - width(paper))
        }
        _ => (0, 0),
    };
    let slip = whole - delay - spread;
    parts.delay += halves(-delay, size, market);
    parts.spread += halves(-spread, size, market);
    parts.slippage += halves(-slip, size, market);
}

/// Money for so many halves of a millionth of the price.
fn halves(halves: i128, size: Size, market: &Market) -> Money {
    let numerator =
        halves.saturating_mul(i128::from(market.value_per_point.micros())).saturating_mul(i128::from(size.micros()));
    bounded(div_half_even(numerator, 2 * i128::from(market.point.micros()) * 1_000_000))
}

fn scaled(money: Money, size: Size, from: Size) -> Money {
    if from <= Size::ZERO {
        return Money::ZERO;
    }
    bounded(div_half_even(i128::from(money.micros()) * i128::from(size.micros()), i128::from(from.micros())))
}

fn bounded(micros: i128) -> Money {
    let end = if micros < 0 { i64::MIN } else { i64::MAX };
    Money::from_micros(i64::try_from(micros).unwrap_or(end))
}

fn signed(direction: Direction, delta: PriceDelta) -> PriceDelta {
    if direction == Direction::Long { delta } else { -delta }
}

fn with_rounding(parts: Shortfall) -> Shortfall {
    let sum: Money = parts.parts().iter().map(|(_, part)| *part).sum();
    Shortfall { rounding: parts.whole - sum, ..parts }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::UtcMicros;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    fn fill(level: &str, quote: Option<(&str, &str)>) -> Fill {
        let tick = |(bid, offer): (&str, &str)| Tick { time: UtcMicros(0), bid: price(bid), offer: price(offer) };
        Fill { level: price(level), quote: quote.map(tick) }
    }

    fn market() -> Market {
        Market {
            epic: "E".into(),
            currency: "GBP".into(),
            point: "0.0001".parse().unwrap(),
            value_per_point: money("1"),
            size_min: "0.5".parse().unwrap(),
            stop_min_points: "2".parse().unwrap(),
            gap_allowance_points: "20".parse().unwrap(),
            funding_annual_rate: "0.025".parse().unwrap(),
            session: None,
        }
    }

    /// Long at half the paper's size. In: the mid had risen by 2 points, the spread was 1 point wider, and the fill a
    /// point above the offer, where paper pays 0.1. Out: at the same quote, half a point under the bid where paper loses
    /// 0.1; a night cost 0.9 instead of half of 1.6.
    #[test]
    fn each_part_is_what_its_name_says() {
        let paper = PaperSide {
            entry: fill("1.30011", Some(("1.3", "1.3001"))),
            exit: fill("1.30199", Some(("1.302", "1.3021"))),
            size: "2".parse().unwrap(),
            // 18.8 points at 2, less the night.
            profit: money("36"),
        };
        let live = LiveSide {
            entry: fill("1.30045", Some(("1.30015", "1.30035"))),
            exits: vec![(fill("1.30195", Some(("1.302", "1.3021"))), "1".parse().unwrap())],
            size: "1".parse().unwrap(),
            funding: money("0.9"),
            // 15 points, less the night.
            profit: money("14.1"),
        };
        let parts = of_pair(Direction::Long, &live, &paper, &market());
        let want = Shortfall {
            whole: money("-21.9"),
            delay: money("-2"),
            spread: money("-0.5"),
            slippage: money("-1.3"),
            rejection: Money::ZERO,
            funding: money("-0.1"),
            sizing: money("-18"),
            rounding: Money::ZERO,
        };
        assert_eq!(parts, want);
        let mirror = |fill: Fill| Fill {
            level: Price::from_micros(2_600_000 - fill.level.micros()),
            quote: fill.quote.map(|q| Tick {
                time: q.time,
                bid: Price::from_micros(2_600_000 - q.offer.micros()),
                offer: Price::from_micros(2_600_000 - q.bid.micros()),
            }),
        };
        let live = LiveSide {
            entry: mirror(live.entry),
            exits: live.exits.iter().map(|(fill, size)| (mirror(*fill), *size)).collect(),
            ..live
        };
        let paper = PaperSide { entry: mirror(paper.entry), exit: mirror(paper.exit), ..paper };
        assert_eq!(of_pair(Direction::Short, &live, &paper, &market()), want, "short is the mirror of it");
    }

    #[test]
    fn what_one_of_them_did_alone_is_rejection() {
        let paper = PaperSide {
            entry: fill("1.3", None),
            exit: fill("1.301", None),
            size: "2".parse().unwrap(),
            profit: money("20"),
        };
        let refused = of_refused(&paper, "0.5".parse().unwrap());
        assert_eq!((refused.whole, refused.sizing, refused.rejection), (money("-20"), money("-15"), money("-5")));
        let extra = of_extra(money("3"));
        assert_eq!((extra.whole, extra.rejection, extra.rounding), (money("3"), money("3"), Money::ZERO));
    }

    #[test]
    fn without_quotes_the_levels_differ_by_slippage_alone() {
        let paper = PaperSide {
            entry: fill("1.3", None),
            exit: fill("1.301", None),
            size: "1".parse().unwrap(),
            profit: money("10"),
        };
        let live = LiveSide {
            entry: fill("1.3002", Some(("1.3", "1.3001"))),
            exits: vec![(fill("1.301", None), "1".parse().unwrap())],
            size: "1".parse().unwrap(),
            funding: Money::ZERO,
            profit: money("8"),
        };
        let parts = of_pair(Direction::Long, &live, &paper, &market());
        assert_eq!((parts.whole, parts.slippage, parts.delay), (money("-2"), money("-2"), Money::ZERO));
    }

    fn fills() -> impl Strategy<Value = Fill> {
        let quote = (1..3_000_000_i64, 0..50_000_i64);
        (1..3_000_000_i64, proptest::option::of(quote)).prop_map(|(level, quote)| Fill {
            level: Price::from_micros(level),
            quote: quote.map(|(bid, width)| Tick {
                time: UtcMicros(0),
                bid: Price::from_micros(bid),
                offer: Price::from_micros(bid + width),
            }),
        })
    }

    proptest! {
        /// Whatever the fills, sizes, charges and values of a point: the parts are the whole, and what rounding leaves
        /// over is less than a millionth for each number that was rounded.
        #[test]
        fn the_parts_sum_to_the_whole(
            is_long: bool,
            (entry, first, second) in (fills(), fills(), fills()),
            (paper_entry, paper_exit) in (fills(), fills()),
            (size, paper_size) in (1..5_000_000_i64, 1..5_000_000_i64),
            (funding, paper_funding) in (0..9_000_000_i64, 0..9_000_000_i64),
            part in 0..=100_i64,
            (value, point) in (1..30_000_000_i64, 1..1_000_000_i64),
        ) {
            // A ramp never deals more than the paper does.
            let (size, paper_size) = (size.min(paper_size), size.max(paper_size));
            let market = Market {
                value_per_point: Money::from_micros(value),
                point: PriceDelta::from_micros(point),
                ..market()
            };
            let direction = if is_long { Direction::Long } else { Direction::Short };
            let (live_size, paper_size) = (Size::from_micros(size), Size::from_micros(paper_size));
            let cut = Size::from_micros(size * part / 100);
            let rest = Size::from_micros(size - cut.micros());
            let made = |from: Price, to: Price, size: Size| market.money(signed(direction, to - from), size);
            let live = LiveSide {
                entry,
                exits: vec![(first, cut), (second, rest)],
                size: live_size,
                funding: Money::from_micros(funding),
                profit: made(entry.level, first.level, cut) + made(entry.level, second.level, rest)
                    - Money::from_micros(funding),
            };
            let paper = PaperSide {
                entry: paper_entry,
                exit: paper_exit,
                size: paper_size,
                profit: made(paper_entry.level, paper_exit.level, paper_size) - Money::from_micros(paper_funding),
            };
            for shortfall in
                [of_pair(direction, &live, &paper, &market), of_refused(&paper, live_size), of_extra(live.profit)]
            {
                let sum: Money = shortfall.parts().iter().map(|(_, money)| *money).sum();
                prop_assert_eq!(sum, shortfall.whole);
                prop_assert!(shortfall.rounding.micros().abs() <= 9, "{:?}", shortfall);
            }
        }
    }
}
