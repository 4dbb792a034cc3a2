//! What the tests stand on: one market, two candidates, a journal that can fail, and rounds made of a few quotes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::broker::scripted::{Call, Scripted};
use crate::broker::{Broker, Deal, DealStatus};
use crate::config::RiskConfig;
use crate::desk::{Desk, DeskContext, Journal, LiveRight};
use crate::domain::{
    Candidate, ContentHash, Costs, Decimal, Direction, DirectionFilter, EpicIdx, Market, Micros, ModelId, ModelSpec,
    Price, PriceDelta, Resolution, RiskUnit, SeatIdx, Size, Span, Tick, UtcMicros,
};
use crate::flow::{Change, DealTicket, EpicQuotes, Round, State};
use crate::sim::venue::Venue;
use crate::store::entry::DeskEntry;

/// Monday 2014-05-05 12:00:00 UTC.
pub(super) const NOON: i64 = 1_399_291_200;

pub(super) fn at(second: f64) -> UtcMicros {
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a test")]
    UtcMicros(NOON * 1_000_000 + (second * 1e6).round() as i64)
}

/// A quote at `second` after noon, in pips: 13,000 is 1.3.
pub(super) fn quote(second: f64, bid: i64, offer: i64) -> Tick {
    Tick { time: at(second), bid: Price::from_micros(bid * 100), offer: Price::from_micros(offer * 100) }
}

pub(super) fn pips(n: i64) -> PriceDelta {
    PriceDelta::from_micros(n * 100)
}

pub(super) fn size(text: &str) -> Size {
    text.parse().unwrap()
}

pub(super) fn market() -> Market {
    Market {
        epic: "CS.D.EURUSD.TODAY.IP".into(),
        currency: "GBP".into(),
        point: "0.0001".parse().unwrap(),
        value_per_point: "1".parse().unwrap(),
        size_min: size("0.5"),
        stop_min_points: "2".parse().unwrap(),
        gap_allowance_points: "20".parse().unwrap(),
        funding_annual_rate: "0.025".parse().unwrap(),
        session: Some("Sun 22:00-Fri 22:00 Europe/London".parse().unwrap()),
    }
}

pub(super) fn costs() -> Costs {
    Costs { latency: Micros(250_000), slippage: PriceDelta::from_micros(10) }
}

/// Stop 10 pips, limit 20 pips, hold 3 minutes.
pub(super) fn candidate(seat: SeatIdx) -> Candidate {
    Candidate {
        id: name(seat),
        version: "0".into(),
        epic: EpicIdx(0),
        resolution: Resolution::new(Micros(60_000_000)).unwrap(),
        spec: ModelSpec::Momentum { lookback: 3, threshold: 0.0 },
        direction: DirectionFilter::Both,
        predict_every: 1,
        hold: Micros(180_000_000),
        stop_points: Decimal(10_000_000),
        limit_points: Decimal(20_000_000),
        stop: pips(10),
        limit: pips(20),
        size: size("2"),
        costs: costs(),
        risk: RiskUnit { rho_micros: 10e6, floor_r: 3.0, cap_r: 10.0, cost_stress: 1.25 },
        content_hash: ContentHash([u8::try_from(seat.0).unwrap() + 1; 32]),
        lineage: None,
    }
}

pub(super) fn name(seat: SeatIdx) -> ModelId {
    format!("model-{}", seat.0).into()
}

pub(super) fn change(time: UtcMicros, seat: SeatIdx, to: State) -> Change {
    let from = if to == State::Live { State::Eligible } else { State::Live };
    Change { time, seat, model: name(seat), from, to, reason: "test".to_owned() }
}

pub(super) fn right(seat: SeatIdx) -> LiveRight {
    let to_live = change(at(0.0), seat, State::Live);
    LiveRight::of(&to_live, &candidate(seat), 0, &market(), size("1")).unwrap()
}

pub(super) fn ticket(second: f64, deal: u64, direction: Direction) -> DealTicket {
    DealTicket {
        seat: SeatIdx(0),
        deal,
        made: at(second),
        direction,
        valid_until: at(second + 60.0),
        y_pred: Some(1.001),
    }
}

pub(super) fn round(end: f64, quotes: &[Tick]) -> Round {
    Round {
        seq: 0,
        time: at(end),
        bars: Vec::new(),
        quotes: vec![EpicQuotes { epic: EpicIdx(0), quotes: Span::of(quotes.to_vec()) }],
        ..Round::default()
    }
}

pub(super) fn risk() -> RiskConfig {
    RiskConfig {
        max_live_positions: 2,
        max_daily_loss: "25".parse().unwrap(),
        max_live_size: size("1"),
        stale_quote: Micros(30_000_000),
    }
}

/// A journal in memory that fails when told to, and notes how many orders the broker had seen at each intent.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) entries: Mutex<Vec<DeskEntry>>,
    pub(super) is_failing: AtomicBool,
    pub(super) writes: AtomicUsize,
    pub(super) watched: Option<std::sync::Arc<Scripted>>,
    pub(super) orders_at_intent: Mutex<Vec<usize>>,
}

impl Kept {
    pub(super) fn entries(&self) -> Vec<DeskEntry> {
        self.entries.lock().unwrap().clone()
    }
}

impl Journal for Kept {
    fn write(&self, entries: Vec<DeskEntry>) -> BoxFuture<'_, Result<(), String>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        if self.is_failing.load(Ordering::SeqCst) {
            return ready(Err("disk full".to_owned())).boxed();
        }
        if let Some(broker) = &self.watched
            && entries.iter().any(|entry| matches!(entry, DeskEntry::OpenIntent { .. }))
        {
            let orders = broker.calls().iter().filter(|call| matches!(call, Call::Open(_))).count();
            self.orders_at_intent.lock().unwrap().push(orders);
        }
        self.entries.lock().unwrap().extend(entries);
        ready(Ok(())).boxed()
    }
}

/// Everything around one desk.
#[derive(Debug)]
pub(super) struct World {
    pub(super) desk: Desk,
    pub(super) venue: Venue,
    pub(super) scripted: Option<std::sync::Arc<Scripted>>,
    pub(super) journal: Kept,
    pub(super) markets: Vec<Market>,
    pub(super) risk: RiskConfig,
}

/// A position of somebody else.
pub(super) fn stranger() -> Deal {
    Deal {
        reference: "theirs".into(),
        id: "DI1".into(),
        epic: market().epic,
        direction: Direction::Long,
        size: size("1"),
        opened: at(65.0),
        level: "1.3".parse().unwrap(),
        stop_level: "1.2".parse().unwrap(),
        limit_level: "1.4".parse().unwrap(),
        status: DealStatus::Open,
    }
}

/// Completes a future that no double lets wait.
pub(super) fn done<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the doubles answer at once")
}

macro_rules! context {
    ($world:expr, $hook:ident) => {
        DeskContext {
            arena: "test",
            markets: &$world.markets,
            risk: &$world.risk,
            broker: match &$world.scripted {
                Some(scripted) => scripted.as_ref() as &dyn Broker,
                None => &$world.venue,
            },
            journal: &$world.journal,
            before_quote: &$hook,
        }
    };
}

impl World {
    pub(super) fn of_venue() -> Self {
        Self {
            desk: Desk::new(),
            venue: Venue::new([(market(), costs())]),
            scripted: None,
            journal: Kept::default(),
            markets: vec![market()],
            risk: risk(),
        }
    }

    pub(super) fn of_scripted() -> (Self, std::sync::Arc<Scripted>) {
        let scripted = std::sync::Arc::new(Scripted::new(Price::from_micros(1_300_000)));
        let journal = Kept { watched: Some(scripted.clone()), ..Kept::default() };
        (Self { scripted: Some(scripted.clone()), journal, ..Self::of_venue() }, scripted)
    }

    pub(super) fn play(&mut self, round: &Round, changes: &[Change], tickets: &[DealTicket]) -> Vec<DeskEntry> {
        let rights: Vec<_> = changes.iter().filter(|c| c.to == State::Live).map(|c| right(c.seat)).collect();
        self.play_with(round, changes, &rights, tickets)
    }

    pub(super) fn play_with(
        &mut self,
        round: &Round,
        changes: &[Change],
        rights: &[LiveRight],
        tickets: &[DealTicket],
    ) -> Vec<DeskEntry> {
        let hook = |_: EpicIdx, tick: &Tick| self.venue.on_quote(&self.markets[0].epic, tick);
        done(self.desk.on_round(round, changes, rights, tickets, &context!(self, hook)))
    }

    pub(super) fn halt(&mut self, second: f64, reason: &str) -> usize {
        let hook = |_: EpicIdx, _: &Tick| {};
        done(self.desk.halt(at(second), reason, &context!(self, hook)))
    }

    pub(super) fn resume(&mut self, second: f64) -> Result<(), String> {
        let hook = |_: EpicIdx, _: &Tick| {};
        done(self.desk.resume(at(second), "operator", &context!(self, hook)))
    }

    /// The seat goes live at 60 s and buys there.
    pub(super) fn buy(&mut self) -> Vec<DeskEntry> {
        let to_live = [change(at(60.0), SeatIdx(0), State::Live)];
        self.play(&round(60.0, &[quote(59.0, 13_000, 13_001)]), &to_live, &[ticket(60.0, 1, Direction::Long)])
    }

    /// As [`World::buy`], filled at 61 s at 1.30011: stop 1.29911, limit 1.30211, deadline 241 s.
    pub(super) fn hold(&mut self) {
        self.buy();
        self.play(&round(70.0, &[quote(61.0, 13_000, 13_001)]), &[], &[]);
        assert_eq!(self.statuses(), ["open"]);
    }

    /// Newest first.
    pub(super) fn statuses(&self) -> Vec<String> {
        self.desk.view().trades.into_iter().map(|row| row.status).collect()
    }

    pub(super) fn orders(&self) -> usize {
        let calls = self.scripted.as_ref().map(|scripted| scripted.calls()).unwrap_or_default();
        calls.iter().filter(|call| matches!(call, Call::Open(_))).count()
    }
}

/// The reasons of all refusals in `entries`.
pub(super) fn refusals(entries: &[DeskEntry]) -> Vec<String> {
    let reasons = entries.iter().filter_map(|entry| match entry {
        DeskEntry::Rejected { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    reasons.collect()
}
