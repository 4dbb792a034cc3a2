//! Live deals beside their paper twins: which quotes stood at their fills, and what lies between their results.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::deal::{BookDeal, Phase};
use super::outcome::{DeskOutcome, is_natural};
use super::shortfall::{Fill, LiveSide, PaperSide, of_extra, of_pair, of_refused, slippage};
use crate::domain::{
    CloseReason, Costs, DealReference, Direction, Epic, Episode, Market, Micros, ModelId, Money, Price, PriceDelta,
    SeatIdx, Shortfall, Size, Tick, UtcMicros,
};
use crate::flow::ShortfallRow;
use crate::store::entry::DeskEntry;

/// Quotes of a market that are remembered for fills that are told after later quotes came.
const TAPE_MAX: usize = 256;

/// The paper trade of the same signal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Twin {
    closed: UtcMicros,
    open_level: Price,
    close_level: Price,
    size: Size,
    profit: Money,
    /// The quote that closed it.
    quote: Option<Tick>,
}

/// What live and paper of one seat differed by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Totals {
    model: Option<ModelId>,
    /// What paper assumes of a fill.
    costs: Option<Costs>,
    n_trades: u64,
    sum: Shortfall,
    /// Live entries, and microseconds from the close of the bar to them.
    n_delays: u64,
    delay_micros: i64,
    /// Live fills at the market, and how much worse than the quote they were, in price.
    n_fills: u64,
    slippage: PriceDelta,
}

impl Totals {
    /// Takes in one trade.
    pub(super) fn add(
        &mut self,
        model: &ModelId,
        shortfall: Shortfall,
        delay: Option<Micros>,
        fills: u32,
        slippage: PriceDelta,
    ) {
        self.model.get_or_insert_with(|| model.clone());
        self.n_trades += 1;
        self.sum += shortfall;
        self.n_delays += u64::from(delay.is_some());
        self.delay_micros = self.delay_micros.saturating_add(delay.unwrap_or_default().0);
        self.n_fills += u64::from(fills);
        self.slippage += slippage;
    }

    /// As the surface shows it; nothing before the first trade.
    pub(super) fn row(&self, seat: SeatIdx) -> Option<ShortfallRow> {
        let mean = |sum: f64, n: u64| (n > 0).then(|| sum / n as f64);
        Some(ShortfallRow {
            seat,
            model: self.model.clone().filter(|_| self.n_trades > 0)?,
            trades: self.n_trades,
            total: self.sum,
            delay_seconds: mean(self.delay_micros as f64 / 1e6, self.n_delays),
            paper_delay_seconds: self.costs.map(|costs| costs.latency.as_secs_f64()),
            slippage: mean(self.slippage.as_f64(), self.n_fills),
            paper_slippage: self.costs.map(|costs| costs.slippage),
        })
    }
}

impl BookDeal {
    /// What the paper twin made, scaled to the live size.
    pub(super) fn twin_profit(&self) -> Option<Money> {
        Some(self.paper()?.profit_at(self.size))
    }

    /// Where the paper twin was opened and closed.
    pub(super) fn twin_levels(&self) -> Option<(Price, Price)> {
        self.twin.map(|twin| (twin.open_level, twin.close_level))
    }

    fn paper(&self) -> Option<PaperSide> {
        let twin = self.twin?;
        Some(PaperSide {
            entry: Fill { level: twin.open_level, quote: self.paper_quote },
            exit: Fill { level: twin.close_level, quote: twin.quote },
            size: twin.size,
            profit: twin.profit,
        })
    }

    fn live(&self) -> Option<LiveSide> {
        let (_, level, _, profit) = self.closed?;
        let parts = self.parts.iter().map(|part| (Fill { level: part.level, quote: part.quote }, part.size));
        let rest = (Fill { level, quote: self.exit_quote }, self.left());
        Some(LiveSide {
            entry: Fill { level: self.level, quote: self.entry_quote },
            exits: parts.chain([rest]).collect(),
            size: self.size,
            funding: self.funding,
            profit,
        })
    }

    /// How much worse than the quote its fills at the market were: how many, and the sum.
    fn measured(&self) -> (u32, PriceDelta) {
        let is_long = self.direction == Direction::Long;
        let entry = Fill { level: self.level, quote: self.entry_quote };
        // A limit fills at its level, whatever the quote.
        let exit = self.closed.filter(|(_, _, reason, _)| *reason != CloseReason::Limit);
        let exit = exit.map(|(_, level, ..)| Fill { level, quote: self.exit_quote });
        let fills = [slippage(is_long, &entry), exit.and_then(|exit| slippage(!is_long, &exit))];
        fills.into_iter().flatten().fold((0, PriceDelta::ZERO), |(n, sum), slip| (n + 1, sum + slip))
    }
}

impl Book {
    /// The last quote at or before `time`; where all that are remembered are later, none.
    pub(super) fn quote_at(&self, epic: &Epic, time: UtcMicros) -> Option<Tick> {
        let taped = self.tape.get(epic).and_then(|tape| tape.iter().rev().find(|tick| tick.time <= time));
        taped.or_else(|| self.quotes.get(epic).filter(|tick| tick.time <= time)).copied()
    }

    /// Notes a quote beside the fills that it belongs to: a fill may be told before the quotes of its time, and after.
    pub(super) fn stamp(&mut self, epic: &Epic, tick: &Tick) {
        if self.unpaired.is_empty() && self.rights.is_empty() {
            self.tape.clear();
            return;
        }
        if !self.tape.contains_key(epic) {
            self.tape.insert(epic.clone(), VecDeque::with_capacity(TAPE_MAX));
        }
        if let Some(tape) = self.tape.get_mut(epic) {
            if tape.len() == TAPE_MAX {
                tape.pop_front();
            }
            tape.push_back(*tick);
        }
        for reference in &self.unpaired {
            let Some(deal) = self.deals.get_mut(reference).filter(|deal| deal.epic == *epic) else { continue };
            if deal.opened.is_some_and(|opened| tick.time <= opened) {
                deal.entry_quote = Some(*tick);
            }
            for part in deal.parts.iter_mut().filter(|part| tick.time <= part.time) {
                part.quote = Some(*tick);
            }
            if deal.closed.is_some_and(|(closed, ..)| tick.time <= closed) {
                deal.exit_quote = Some(*tick);
            }
            let latency = self.rights.get(&deal.seat).map_or(Micros(0), |right| right.costs().latency);
            if deal.paper_quote.is_none() && tick.time >= deal.made + latency {
                deal.paper_quote = Some(*tick);
            }
            if let Some(twin) = &mut deal.twin
                && twin.quote.is_none()
                && tick.time >= twin.closed
            {
                twin.quote = Some(*tick);
            }
        }
    }

    /// Sets a closed paper trade of `size` beside the live deal of the same signal.
    pub(super) fn pair(&mut self, twin: &Episode, size: Size) {
        if size <= Size::ZERO || !self.acted.contains_key(&twin.seat) {
            return;
        }
        let is_twin = |deal: &&mut BookDeal| deal.seat == twin.seat && deal.made == twin.made;
        if let Some(deal) = self.deals.values_mut().find(is_twin) {
            let Episode { closed, open_level, close_level, profit, .. } = *twin;
            deal.twin = Some(Twin { closed, open_level, close_level, size, profit, quote: None });
            if let Some((_, _, reason, profit)) = deal.closed.filter(|_| !deal.is_told)
                && is_natural(reason)
            {
                self.outcomes.extend(paired(deal.seat, deal.size, profit, deal.twin_profit()));
            }
        }
    }

    /// What paper assumes of the fills of seats that may deal.
    pub(super) fn note_costs(&mut self) {
        for (seat, right) in &self.rights {
            let totals = self.totals.entry(*seat).or_default();
            (totals.model, totals.costs) = (Some(right.model().clone()), Some(right.costs()));
        }
    }

    /// The shortfalls that can be told by now, as entries.
    pub(super) fn shortfalls(&self, now: UtcMicros, markets: &[Market]) -> Vec<DeskEntry> {
        let told = |reference: &DealReference| {
            let deal = self.deals.get(reference)?;
            let market = markets.iter().find(|market| market.epic == deal.epic)?;
            let shortfall = match (deal.phase, deal.paper()) {
                (Phase::Closed, Some(paper)) => {
                    let (closed, ..) = deal.closed?;
                    // Quotes up to both exits have to be seen.
                    let seen = self.quotes.get(&deal.epic)?.time;
                    if seen < closed.max(deal.twin?.closed) {
                        return None;
                    }
                    of_pair(deal.direction, &deal.live()?, &paper, market)
                }
                (Phase::Closed, None) if deal.is_told => of_extra(deal.closed?.3),
                (Phase::Rejected, Some(paper)) => of_refused(&paper, deal.size),
                _ => return None,
            };
            let is_dealt = deal.phase == Phase::Closed;
            let (fills, slippage) = if is_dealt { deal.measured() } else { (0, PriceDelta::ZERO) };
            let delay = deal.opened.filter(|_| is_dealt).map(|opened| opened - deal.made);
            Some(DeskEntry::Shortfall { time: now, reference: reference.clone(), shortfall, delay, fills, slippage })
        };
        self.unpaired.iter().filter_map(told).collect()
    }
}

/// What a pair tells: that both followed the signal, and how far apart they came out.
pub(super) fn paired(seat: SeatIdx, size: Size, profit: Money, twin: Option<Money>) -> Vec<DeskOutcome> {
    let Some(twin) = twin else { return Vec::new() };
    vec![DeskOutcome::Signal { seat, is_missed: false }, DeskOutcome::Paired { seat, size, difference: profit - twin }]
}
