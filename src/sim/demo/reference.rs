//! The paper rules once more, written from their text alone and as plainly as they allow, to test the market against.
//!
//! It shares no code with the ledger, and knows no money: outcomes are in points of a market of size 1.

use crate::domain::{Tick, UtcMicros};
use crate::sim::rng::Rng;

/// What predicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Follow { lookback: usize, threshold: f64 },
    Fade { lookback: usize, threshold: f64 },
    Breakout { lookback: usize },
    Random { rate: f64 },
}

/// A candidate of the demo.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) bar: i64,
    pub(super) hold: i64,
    pub(super) stop: f64,
    pub(super) limit: f64,
}

/// Market and costs, in points and microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) point_micros: f64,
    pub(super) latency: i64,
    pub(super) slippage: f64,
    pub(super) gap_allowance: f64,
    pub(super) stress: f64,
    pub(super) floor_r: f64,
}

#[derive(Clone, Copy, Debug)]
enum Book {
    Flat,
    Ordered { side: f64, from: i64, until: i64 },
    Open { side: f64, fill: f64, at: i64 },
}

/// One closed trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) made: i64,
    pub(super) opened: i64,
    pub(super) closed: i64,
    pub(super) x: f64,
}

/// One rule at work.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) rule: Rule,
    terms: Terms,
    rng: Rng,
    mids: Vec<f64>,
    bar_end: i64,
    last: Option<Tick>,
    made: i64,
    book: Book,
    pub(super) outcomes: Vec<Outcome>,
}

impl Seat {
    pub(super) fn new(rule: Rule, terms: Terms, seed: u64) -> Self {
        let rng = Rng::new(seed, &rule.name);
        Self {
            rule,
            terms,
            rng,
            mids: Vec::new(),
            bar_end: 0,
            last: None,
            made: 0,
            book: Book::Flat,
            outcomes: Vec::new(),
        }
    }

    pub(super) fn on_tick(&mut self, tick: Tick) {
        let time = tick.time.0;
        if let Some(last) = self.last {
            if time >= self.bar_end {
                self.on_close(last);
            }
            if time - last.time.0 > 3_600_000_000 {
                self.mids.clear();
            }
        }
        self.bar_end = (time.div_euclid(self.rule.bar) + 1) * self.rule.bar;
        self.last = Some(tick);
        self.on_quote(tick);
    }

    fn on_close(&mut self, last: Tick) {
        let end = self.bar_end;
        self.mids.push((last.bid.micros() + last.offer.micros()) as f64);
        if matches!(self.book, Book::Ordered { until, .. } if end >= until) {
            self.book = Book::Flat;
        }
        let now = self.mids.len() - 1;
        let side = match self.rule.kind {
            Kind::Follow { lookback, threshold } if now >= lookback => beyond(self.move_of(lookback), threshold),
            Kind::Fade { lookback, threshold } if now >= lookback => -beyond(self.move_of(lookback), threshold),
            Kind::Breakout { lookback } if now >= lookback => {
                let before = &self.mids[now - lookback..now];
                let high = before.iter().copied().fold(f64::MIN, f64::max);
                let low = before.iter().copied().fold(f64::MAX, f64::min);
                f64::from(u8::from(self.mids[now] > high)) - f64::from(u8::from(self.mids[now] < low))
            }
            Kind::Random { rate } => {
                let (is_signal, side) = (self.rng.chance(rate), self.rng.side());
                if is_signal { side } else { 0.0 }
            }
            _ => 0.0,
        };
        if side.abs() > 0.5 && matches!(self.book, Book::Flat) {
            self.made = end;
            self.book = Book::Ordered { side, from: end + self.terms.latency, until: end + self.rule.bar };
        }
    }

    fn move_of(&self, lookback: usize) -> f64 {
        let now = self.mids.len() - 1;
        self.mids[now] / self.mids[now - lookback] - 1.0
    }

    fn on_quote(&mut self, tick: Tick) {
        let time = tick.time.0;
        let (bid, offer) =
            (tick.bid.micros() as f64 / self.terms.point_micros, tick.offer.micros() as f64 / self.terms.point_micros);
        match self.book {
            Book::Flat => {}
            Book::Ordered { side, from, until } => {
                if time >= from && time < until {
                    let touch = if side > 0.0 { offer } else { bid };
                    self.book = Book::Open { side, fill: touch + side * self.terms.slippage, at: time };
                }
            }
            Book::Open { side, fill, at } => {
                let exit = if side > 0.0 { bid } else { offer };
                // A thousandth of a tick: the integers of the ledger have no rounding to be forgiven.
                let gain = side * (exit - fill) + 1e-7;
                let slip = self.terms.slippage;
                let (points, costs) = if gain <= -self.rule.stop + 2e-7 {
                    (gain - slip, 2.0 * slip)
                } else if gain >= self.rule.limit {
                    (self.rule.limit, slip)
                } else if time >= at + self.rule.hold {
                    (gain - slip, 2.0 * slip)
                } else {
                    return;
                };
                let at_stop = self.rule.stop + 2.0 * slip;
                let rho = at_stop.max((at_stop + self.terms.gap_allowance) / self.terms.floor_r);
                let x = (points - (self.terms.stress - 1.0) * costs) / rho;
                self.outcomes.push(Outcome { made: self.made, opened: at, closed: time, x });
                self.book = Book::Flat;
            }
        }
    }

    pub(super) fn mean(&self) -> f64 {
        self.outcomes.iter().map(|o| o.x).sum::<f64>() / self.outcomes.len() as f64
    }

    pub(super) fn standard_error(&self) -> f64 {
        let (n, mean) = (self.outcomes.len() as f64, self.mean());
        (self.outcomes.iter().map(|o| (o.x - mean).powi(2)).sum::<f64>() / (n * n)).sqrt()
    }

    pub(super) fn worst(&self) -> f64 {
        self.outcomes.iter().map(|o| o.x).fold(f64::MAX, f64::min)
    }
}

fn beyond(s: f64, threshold: f64) -> f64 {
    if s > threshold {
        1.0
    } else if s < -threshold {
        -1.0
    } else {
        0.0
    }
}

/// Ville's rule on stressed outcomes (docs/EVIDENCE.md, section 3): after how many of them the evidence gate and the
/// least number of episodes are both passed.
pub(super) fn promoted_after(outcomes: &[Outcome], slots: f64, episodes_min: usize) -> Option<(usize, UtcMicros)> {
    let (first_share, alpha, bets, floor) = (0.8f64, 0.05, 12, 3.0);
    let (least, most) = (0.01f64, 0.9 / floor);
    let lambda: Vec<f64> = (0..bets).map(|j| least * (most / least).powf(f64::from(j) / f64::from(bets - 1))).collect();
    let mut wealth = vec![first_share / f64::from(bets); lambda.len()];
    for (n, outcome) in outcomes.iter().enumerate() {
        if outcome.x < -floor {
            return None;
        }
        for (w, l) in wealth.iter_mut().zip(&lambda) {
            *w *= 1.0 + l * outcome.x;
        }
        if n + 1 >= episodes_min && wealth.iter().sum::<f64>() >= slots / alpha {
            return Some((n + 1, UtcMicros(outcome.closed)));
        }
    }
    None
}
