//! The synthetic market: an endless, seeded stream of quotes with an edge planted in it.
//!
//! **Arrivals** are a renewal process in bursts (three gaps of four are short), run on a clock whose rate follows the
//! hour of the day and a slowly varying logarithm. **The mid** diffuses with a volatility by the hour and now and then
//! a step of triple size; minutes of news come with many quotes, wide spreads and tens of ordinary steps in one.
//! **The week** closes from Friday to Sunday 22:00 London and opens with a gap.
//!
//! **The plant.** Now and then the mid jumps within one quote, late in a minute and to either side alike: a *pulse*. The
//! close of that minute's bar shows it to a rule that follows moves. From that close on the mid diffuses faster until
//! it has gone far enough to hit the planted rule's stop or limit. With an edge this walk leans to the side of the jump,
//! by as much as makes the rule's mean outcome [`Plant::edge_r`], spread, slippage and stressed costs paid. Without one it
//! does not lean: then no step of the mid tells anything about a later one, and every rule loses what it pays.
//!
//! A market is a function of its [`MarketSpec`], seed and start. Its state is small and can be kept between any two
//! quotes ([`Synthetic::checkpoint`]); a market restored from it quotes on as if nothing had happened.

mod calendar;
mod merge;
mod spec;

pub use merge::{Markets, MergedBlock};
pub use spec::{EDGE_DEFAULT, EDGE_MAX, MarketSpec, Plant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::rng::{Rng, exp};
use crate::domain::{Epic, Price, Tick, UtcMicros};
use calendar::Week;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// Of the gaps between quotes, how many are short, and how short against the mean of 1.
const SHORT_SHARE: f64 = 0.75;
const SHORT_MEAN: f64 = 0.08;
const LONG_MEAN: f64 = (1.0 - SHORT_SHARE * SHORT_MEAN) / (1.0 - SHORT_SHARE);

/// Memory of the logarithm of the rate from minute to minute, and its stationary standard deviation.
const RATE_MEMORY: f64 = 0.72;
const RATE_SD: f64 = 0.75;

/// Steps of triple size: their share, and what the common size is divided by to keep the variance.
const BIG_SHARE: f64 = 0.03;
const BIG_FACTOR: f64 = 3.0;
const COMMON_SIZE: f64 = 0.898; // 1 / sqrt(1 + 0.03 * (9 - 1))

/// Least quotes in a second while a pulse runs, so that its stops are not jumped over by much.
const PULSE_RATE: f64 = 2.0;

/// How far beyond its stop or limit a trade finds its first quote on average during a pulse, in standard deviations of the
/// mid between two quotes. The textbook figure is 0.583 for even spacing; gaps in bursts make it larger.
/// Source: Siegmund (1985), *Sequential Analysis*, section X.2.
const OVERSHOOT: f64 = 0.85;

/// The outcome that pulses must have for all trades of the planted rule to have a mean of `edge`, in R: about one in seven of
/// them has no pulse behind it (moves of the ordinary market and of news beyond the threshold) and loses about 0.35 R,
/// and pulses cut off by the rule's deadline give somewhat less than the formula. Measured: see the demo's tests.
fn pulse_edge(edge: f64) -> f64 {
    1.14 * edge + 0.09
}

/// Where the market stands towards its next pulse.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum Phase {
    /// Quiet.
    Idle,
    /// It will jump at a time of this minute, by so many points.
    Armed { at: i64, jump: f64 },
    /// It has jumped to that side; the pulse runs from the end of this minute.
    Jumped { side: f64 },
    /// It runs until the mid leaves the corridor or time is over, leaning by `lean` points a microsecond.
    Running { low: f64, high: f64, until: i64, lean: f64 },
}

/// Everything that changes from quote to quote.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct State {
    rng: Rng,
    week: Week,
    /// The event time that has been reached.
    now: i64,
    /// The end of the minute that it lies in.
    minute_end: i64,
    /// The mid in points, finer than the grid.
    mid: f64,
    /// How much of the unit gap to the next quote is left.
    due: f64,
    /// Deviation of the logarithm of the rate from its profile.
    log_rate: f64,
    /// Quotes a microsecond in this minute.
    rate: f64,
    /// Standard deviation in points of one microsecond's move in this minute.
    sd: f64,
    /// Spread of this minute in points, before it opens.
    spread: f64,
    /// By how much the spread is opened: what fades within seconds, and within minutes.
    open_fast: f64,
    open_slow: f64,
    /// Volatility of news in multiples of the day's mean; 1 in ordinary times.
    news: f64,
    phase: Phase,
    /// The last quote, in ticks of the grid.
    bid: i64,
    offer: i64,
}

/// Whether `time` lies in a trading week: Sunday 22:00 to Friday 22:00 in London.
#[must_use]
pub fn is_week_open(time: UtcMicros) -> bool {
    Week::at_or_after(time).open <= time
}

/// Why a checkpoint cannot be continued.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is of another version of the generator.
    #[error("checkpoint of synthetic market {epic} has version {version}, this build continues version {VERSION}")]
    Version {
        /// Whose.
        epic: Epic,
        /// Its version.
        version: u8,
    },
    /// It is empty, cut off or damaged.
    #[error("checkpoint of synthetic market {epic} is not readable")]
    Unreadable {
        /// Whose.
        epic: Epic,
    },
}

/// The version of the generator: a change of any draw raises it.
const VERSION: u8 = 1;

/// One synthetic market, quoting for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    spec: MarketSpec,
    /// Ticks of the grid in a point.
    grid: f64,
    /// [`MarketSpec::step_max_points`] in ticks.
    step_max: i64,
    state: State,
}

impl Synthetic {
    /// A market whose first quote comes at or soon after `start`, or at the open of the week where that is closed.
    ///
    /// # Panics
    /// If `start` lies in the first or last week of the calendar, or the specification's grid is not positive.
    #[must_use]
    pub fn new(spec: MarketSpec, seed: u64, start: UtcMicros) -> Self {
        let week = Week::at_or_after(start);
        let now = start.0.max(week.open.0);
        let state = State {
            rng: Rng::new(seed, spec.epic.as_str()),
            week,
            now,
            minute_end: now,
            mid: spec.start.micros() as f64 / spec.point.micros() as f64,
            due: 0.0,
            log_rate: 0.0,
            rate: 1.0,
            sd: 0.0,
            spread: 1.0,
            open_fast: 0.0,
            open_slow: 0.0,
            news: 1.0,
            phase: Phase::Idle,
            bid: 0,
            offer: 0,
        };
        let mut market = Self::around(spec, state);
        market.roll_minute();
        market.state.due = market.gap();
        (market.state.bid, market.state.offer) = market.touch();
        market
    }

    fn around(spec: MarketSpec, state: State) -> Self {
        assert!(spec.tick.micros() > 0 && spec.point >= spec.tick, "a market needs a grid finer than its point");
        let grid = spec.point.micros() as f64 / spec.tick.micros() as f64;
        let step_max = nearest(spec.step_max_points * grid).max(1);
        Self { spec, grid, step_max, state }
    }

    /// What the market is like.
    #[must_use]
    pub fn spec(&self) -> &MarketSpec {
        &self.spec
    }

    /// The next `ticks` quotes, in order of time; stamps are whole milliseconds and may repeat.
    #[must_use]
    pub fn next_block(&mut self, ticks: usize) -> Vec<Tick> {
        (0..ticks).map(|_| self.next_tick()).collect()
    }

    /// Passes over `ticks` quotes.
    pub fn skip(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.next_tick();
        }
    }

    /// The state between two quotes: some 200 bytes for [`Self::restore`].
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(&self.state).expect("numbers always encode into memory");
        [&[VERSION], &digest(&body)[..], &body].concat()
    }

    /// Continues from a [`Self::checkpoint`] of a market of the same specification.
    ///
    /// # Errors
    /// [`CheckpointError`] if the bytes are damaged or of another version.
    ///
    /// # Panics
    /// If the specification's grid is not positive.
    pub fn restore(spec: MarketSpec, checkpoint: &[u8]) -> Result<Self, CheckpointError> {
        let unreadable = || CheckpointError::Unreadable { epic: spec.epic.clone() };
        let (version, rest) = checkpoint.split_first().ok_or_else(unreadable)?;
        if *version != VERSION {
            return Err(CheckpointError::Version { epic: spec.epic.clone(), version: *version });
        }
        let (sum, body) = rest.split_at_checked(8).ok_or_else(unreadable)?;
        if digest(body) != sum {
            return Err(unreadable());
        }
        let state: State = postcard::from_bytes(body).map_err(|_| unreadable())?;
        Ok(Self::around(spec, state))
    }

    /// The next quote.
    pub fn next_tick(&mut self) -> Tick {
        loop {
            let state = &self.state;
            let stop = match state.phase {
                Phase::Armed { at, .. } => at,
                _ => state.minute_end,
            };
            let wait = state.due / state.rate;
            let left = (stop - state.now) as f64;
            if wait < left {
                let step = whole(wait);
                self.diffuse(step);
                self.state.now += step;
                self.state.due = self.gap();
                return self.quote();
            }
            self.diffuse(stop - self.state.now);
            self.state.due = (self.state.due - left * self.state.rate).max(0.0);
            self.state.now = stop;
            if let Phase::Armed { jump, .. } = self.state.phase {
                self.state.mid += jump;
                self.state.open_fast = self.state.rng.between(1.0, 2.5);
                self.state.phase = Phase::Jumped { side: jump.signum() };
                self.state.rate = self.state.rate.max(PULSE_RATE / SECOND as f64);
                return self.quote();
            }
            self.roll_minute();
        }
    }

    /// The close of the minute in which the mid has jumped: the decision of which a pulse stands behind.
    #[cfg(test)]
    pub(crate) fn pulse_starts_at(&self) -> Option<UtcMicros> {
        matches!(self.state.phase, Phase::Jumped { .. }).then_some(UtcMicros(self.state.minute_end))
    }

    /// A gap between quotes in units of the mean gap.
    fn gap(&mut self) -> f64 {
        let rng = &mut self.state.rng;
        let mean = if rng.chance(SHORT_SHARE) { SHORT_MEAN } else { LONG_MEAN };
        mean * rng.exponential()
    }

    /// Moves the mid over `micros` of time.
    fn diffuse(&mut self, micros: i64) {
        if micros == 0 {
            return;
        }
        let span = micros as f64;
        let state = &mut self.state;
        // Fades as 1/(1 + t/tau): no more than a division, and as good as an exponential for a spread.
        state.open_fast /= 1.0 + span / (1.5 * SECOND as f64);
        let step = state.rng.bell() * span.sqrt();
        if let Phase::Running { low, high, lean, .. } = state.phase {
            state.mid += step * state.sd + lean * span;
            if state.mid <= low || state.mid >= high {
                state.phase = Phase::Idle;
                self.set_pace();
            }
        } else {
            let size = if state.rng.chance(BIG_SHARE) { BIG_FACTOR } else { 1.0 };
            state.mid += step * state.sd * size * COMMON_SIZE;
        }
        // A price that has walked near to nothing turns back.
        let state = &mut self.state;
        if state.mid < 100.0 {
            state.mid = 200.0 - state.mid;
        }
    }

    /// Enters the minute that begins now: rate, volatility, spread, news and pulses.
    fn roll_minute(&mut self) {
        if self.state.now >= self.state.week.close.0 {
            self.open_week();
        }
        let state = &mut self.state;
        state.minute_end = (state.now.div_euclid(MINUTE) + 1) * MINUTE;
        let shock = RATE_SD * (1.0 - RATE_MEMORY * RATE_MEMORY).sqrt();
        state.log_rate = RATE_MEMORY * state.log_rate + shock * state.rng.bell();
        state.open_slow = if state.open_slow < 0.01 { 0.0 } else { state.open_slow * 0.8 };
        state.news = if state.news < 1.5 { 1.0 } else { 1.0 + (state.news - 1.0) * 0.45 };
        let hour = state.week.hour(UtcMicros(state.now));
        state.spread = self.spec.spread_points[hour] * state.rng.between(0.92, 1.12);
        match state.phase {
            Phase::Jumped { side } => self.start_pulse(side),
            Phase::Running { until, .. } if state.now >= until => state.phase = Phase::Idle,
            _ => {}
        }
        if self.state.phase == Phase::Idle {
            self.draw_events(hour);
        }
        self.set_pace();
    }

    /// Begins news or arms a pulse, where chance will have it.
    fn draw_events(&mut self, hour: usize) {
        let hold = i64::from(self.spec.plant.hold_minutes);
        let state = &mut self.state;
        let is_calm = state.news < 1.5 && state.open_slow < 0.3;
        if !is_calm || state.now + (hold + 2) * MINUTE > state.week.close.0 || state.minute_end - state.now < MINUTE {
            return;
        }
        let busy = self.spec.quotes_per_minute[hour] / mean(&self.spec.quotes_per_minute).max(1e-9);
        if state.rng.chance(self.spec.news_per_day / 1_440.0 * busy) {
            state.news = state.rng.between(40.0, 66.0);
            state.open_slow = state.rng.between(4.0, 7.0);
            state.mid += state.rng.side() * state.rng.between(3.0, 6.5);
            return;
        }
        let (most, least) = self
            .spec
            .sd_points
            .iter()
            .fold((f64::MIN_POSITIVE, f64::MAX), |(most, least), sd| (most.max(*sd), least.min(*sd)));
        let (busiest, quietest) = self.spec.plant.quiet_minutes;
        let calm = (most - self.spec.sd_points[hour]) / (most - least).max(1e-9);
        if state.rng.chance(1.0 / (busiest + (quietest - busiest) * calm).max(1.0)) {
            let at = state.now + whole(state.rng.between(35.0, 50.0) * 1e3) * 1_000;
            let (low, high) = self.spec.plant.jump_points;
            state.phase = Phase::Armed { at, jump: state.rng.side() * state.rng.between(low, high) };
        }
    }

    /// Sets the pulse's corridor and lean about the mid of now.
    fn start_pulse(&mut self, side: f64) {
        let plant = self.spec.plant;
        let state = &mut self.state;
        let per_micro = plant.sd_points / (MINUTE as f64).sqrt();
        let overshoot = OVERSHOOT * per_micro * (SECOND as f64 / PULSE_RATE).sqrt();
        // The rule buys at the offer and sells at the bid: the limit is a spread further than the stop is near.
        let cost = state.spread + self.spec.slippage_points;
        let (gain, loss) = (plant.barrier_points + cost, (plant.barrier_points - cost).max(0.1));
        let lean = if plant.edge_r.abs() > 0.0 {
            let chance = win_chance(&plant, self.spec.slippage_points, overshoot);
            let slope = lean_for(chance, gain + overshoot, loss + overshoot);
            side * slope * 0.5 * per_micro * per_micro
        } else {
            0.0
        };
        // The corridor is wider than what the rule needs, so that a fill somewhat off the mid of now is decided too.
        let (ahead, behind) = (gain + 0.4, loss + 0.4);
        let (low, high) =
            if side > 0.0 { (state.mid - behind, state.mid + ahead) } else { (state.mid - ahead, state.mid + behind) };
        state.phase = Phase::Running { low, high, until: state.now + i64::from(plant.hold_minutes) * MINUTE, lean };
    }

    /// Rate and volatility of what is left of this minute.
    fn set_pace(&mut self) {
        let state = &mut self.state;
        let hour = state.week.hour(UtcMicros(state.now));
        let is_pulse = matches!(state.phase, Phase::Running { .. });
        // Half the variance of the lognormal keeps the profile the mean.
        let burst = exp(state.log_rate - 0.5 * RATE_SD * RATE_SD);
        let floor = if is_pulse { PULSE_RATE / SECOND as f64 } else { 1e-3 / MINUTE as f64 };
        let news_rate = (state.news * state.news).min(30.0);
        state.rate = (self.spec.quotes_per_minute[hour] / MINUTE as f64 * burst * news_rate).max(floor);
        let sd = if is_pulse {
            self.spec.plant.sd_points
        } else {
            // Busy minutes move more, though by less than their quotes are more.
            let ordinary = self.spec.sd_points[hour] * exp(0.3 * state.log_rate);
            if state.news > 1.0 { ordinary.max(mean(&self.spec.sd_points) * state.news) } else { ordinary }
        };
        state.sd = sd / (MINUTE as f64).sqrt();
    }

    /// Passes the weekend.
    fn open_week(&mut self) {
        let state = &mut self.state;
        state.week = Week::at_or_after(state.week.close);
        state.now = state.week.open.0;
        state.mid += 2.0 * state.rng.bell();
        state.open_slow = 2.5;
        state.news = 1.0;
        state.log_rate = 0.0;
        state.phase = Phase::Idle;
    }

    /// The bid and the offer about the mid, in ticks, at least one tick apart.
    fn touch(&self) -> (i64, i64) {
        let state = &self.state;
        let half = 0.5 * state.spread * (1.0 + state.open_fast + state.open_slow);
        let bid = nearest((state.mid - half) * self.grid);
        (bid, nearest((state.mid + half) * self.grid).max(bid + 1))
    }

    /// The quote of now: on the grid, never crossed, no further from the last one than the specification allows.
    fn quote(&mut self) -> Tick {
        let (bid, offer) = self.touch();
        let state = &mut self.state;
        // Two sides that move the same way, each held to the same distance, stay in order.
        let mut bid = bid.clamp(state.bid - self.step_max, state.bid + self.step_max);
        let mut offer = offer.clamp(state.offer - self.step_max, state.offer + self.step_max);
        if (bid, offer) == (state.bid, state.offer) {
            // A venue sends what has changed: one side flickers, by one tick and to either side alike.
            let flip = state.rng.next_u64();
            let step = if flip & 1 == 0 { 1 } else { -1 };
            let is_bid = flip & 2 == 0;
            let is_room = if is_bid { bid + step < offer } else { offer + step > bid };
            let step = if is_room { step } else { -step };
            if is_bid { bid += step } else { offer += step }
        }
        (state.bid, state.offer) = (bid, offer);
        let tick = self.spec.tick.micros();
        Tick {
            time: UtcMicros(state.now.div_euclid(1_000) * 1_000),
            bid: Price::from_micros(bid * tick),
            offer: Price::from_micros(offer * tick),
        }
    }
}

/// The first eight bytes of SHA-256: a damaged state must not be quoted from.
fn digest(body: &[u8]) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::digest(body).into();
    std::array::from_fn(|at| hash[at])
}

/// How often the limit must come before the stop for the planted rule to earn its edge, stressed costs paid.
fn win_chance(plant: &Plant, slippage: f64, overshoot: f64) -> f64 {
    const STRESS: f64 = 0.25;
    let risk = plant.barrier_points + 2.0 * slippage;
    let win = (plant.barrier_points - STRESS * slippage) / risk;
    let loss = (plant.barrier_points + overshoot + slippage + STRESS * 2.0 * slippage) / risk;
    ((pulse_edge(plant.edge_r) + loss) / (win + loss)).clamp(0.01, 0.99)
}

/// The slope `2 drift / variance` of a diffusion that leaves `(-loss, gain)` at `gain` with probability `chance`.
///
/// The probability is `(1 - e^(-s l)) / (1 - e^(-s (l + g)))`, increasing in `s`: found by halving.
fn lean_for(chance: f64, gain: f64, loss: f64) -> f64 {
    let reached = |slope: f64| {
        if slope.abs() < 1e-9 {
            return loss / (loss + gain);
        }
        (1.0 - exp(-slope * loss)) / (1.0 - exp(-slope * (loss + gain)))
    };
    let (mut low, mut high) = (-4.0, 4.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if reached(middle) < chance { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

fn mean(profile: &[f64; 24]) -> f64 {
    profile.iter().sum::<f64>() / 24.0
}

/// The nearest whole number; halves go up.
fn nearest(x: f64) -> i64 {
    whole((x + 0.5).floor())
}

/// The whole part of a number of microseconds or ticks.
#[expect(clippy::cast_possible_truncation, reason = "a float beyond 64 bits saturates, and prices stay far inside")]
fn whole(x: f64) -> i64 {
    x as i64
}

#[cfg(test)]
mod tests;
