//! A simulator and a client of ours that knows how little time a test has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena::broker::ig::{IgBroker, IgOptions, Limits, LoginVersion, Patience, Rest, Terms};
use arena::broker::{Broker, BrokerError, Deal, DealStatus, LiveOrder};
use arena::clock::Clock;
use arena::config::RiskConfig;
use arena::desk::{Approved, LiveRight, SeatDeal, Situation, approve};
use arena::domain::{
    Candidate, ContentHash, Costs, Decimal, Direction, DirectionFilter, EpicIdx, Market, Micros, ModelSpec, Money,
    Price, PriceDelta, Resolution, RiskUnit, SeatIdx, Tick, UtcMicros,
};
use arena::flow::{Change, DealTicket, State};
use arena::sim::ig::{Config, Fault, Handle, Kind, Listing, Pace, Prices, Quoted, Server};
use serde_json::Value;

pub(crate) const FTSE: &str = "IX.D.FTSE.DAILY.IP";
pub(crate) const CABLE: &str = "CS.D.GBPUSD.TODAY.IP";
/// A Wednesday.
pub(crate) const START: &str = "2025-01-08T09:30:00Z";
/// The longest wait for anything.
const LONGEST: Duration = Duration::from_secs(20);

/// A simulator whose markets wait for quotes, at the pace of the wall.
pub(crate) fn going() -> Config {
    let market = |epic: &str, start: &str| {
        let listing = Listing { start: start.parse().unwrap(), ..Listing::guess(epic) };
        Quoted { listing, prices: Prices::Given }
    };
    Config {
        pace: Pace { start: Some(START.parse().unwrap()), speed: 1.0 },
        markets: vec![market(FTSE, "9700"), market(CABLE, "1.27")],
        limits: arena::sim::ig::Limits::lifted(),
        ..Config::default()
    }
}

/// The same, and its clock stands.
pub(crate) fn still() -> Config {
    Config { pace: Pace { start: Some(START.parse().unwrap()), speed: 0.0 }, ..going() }
}

/// The simulator's clock: what a client's own would show.
#[derive(Debug)]
struct SimClock(Arc<Handle>);

impl Clock for SimClock {
    fn now(&self) -> UtcMicros {
        self.0.now()
    }
}

/// A simulator, a client, and a broker made of it.
pub(crate) struct Bench {
    pub(crate) sim: Arc<Handle>,
    pub(crate) rest: Arc<Rest>,
    pub(crate) broker: Arc<IgBroker>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self::with(config, |_| {})
    }

    pub(crate) fn with(config: Config, change: impl FnOnce(&mut IgOptions)) -> Self {
        let sim = Arc::new(Server::start(config).unwrap());
        let mut options = IgOptions {
            rest_url: sim.rest_url(),
            api_key: "demo-key-0123456789abcdef".into(),
            identifier: "demo-user".to_owned(),
            password: "demo-pass".into(),
            account: String::new(),
            login: LoginVersion::Two,
            encrypts_password: false,
            login_spacing_millis: 0,
            timeout_millis: 2_000,
            pause_millis: 5,
            limits: Limits { trading: 1_000, account: 1_000, application: 1_000 },
        };
        change(&mut options);
        let rest = Arc::new(Rest::new(options).unwrap());
        let terms = Terms { expiry: "DFB".to_owned(), currency: "GBP".to_owned(), point: "1".parse().unwrap() };
        let patience = Patience { settles_millis: 400, empty_again_millis: 50 };
        let clock = Arc::new(SimClock(Arc::clone(&sim)));
        let broker =
            Arc::new(IgBroker::new(Arc::clone(&rest), clock, BTreeMap::from([(FTSE.into(), terms)]), patience));
        Self { sim, rest, broker }
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SimClock(Arc::clone(&self.sim)))
    }

    pub(crate) fn quote(&self, bid: &str, offer: &str) {
        self.sim.quote(FTSE, bid.parse().unwrap(), offer.parse().unwrap()).unwrap();
    }

    pub(crate) fn fault(&self, kind: Kind) {
        self.sim.fault(Fault::once(kind));
    }

    /// A fault of requests that begin so, so many times.
    pub(crate) fn fault_of(&self, kind: Kind, path: &str, times: Option<u32>) {
        self.sim.fault(Fault { path: Some(path.to_owned()), times, ..Fault::once(kind) });
    }

    /// The requests so far, as `POST /positions/otc 200`; 0 where the connection was cut instead.
    pub(crate) fn requests(&self) -> Vec<String> {
        let seen = self.sim.requests(0);
        let line = |request: &Value| {
            let text = |name: &str| request[name].as_str().unwrap().to_owned();
            format!("{} {} {}", text("method"), text("path"), request["status"].as_u64().unwrap_or(0))
        };
        seen["requests"].as_array().unwrap().iter().map(line).collect()
    }

    /// How many requests begin so.
    pub(crate) fn count(&self, begin: &str) -> usize {
        self.requests().iter().filter(|line| line.starts_with(begin)).count()
    }

    /// Opens a long position under this reference: size 1, stop 20, limit 40.
    pub(crate) async fn open(&self, reference: &str) -> Result<Deal, BrokerError> {
        let order = order(reference, Direction::Long, self.sim.now());
        self.broker.open(&order).await
    }

    /// What became of a reference, asked until it is settled or an error.
    pub(crate) async fn settled(&self, reference: &str) -> Result<Deal, BrokerError> {
        let reference = reference.into();
        let begun = Instant::now();
        loop {
            let deal = self.broker.confirm(&reference).await?;
            if deal.status != DealStatus::Pending {
                return Ok(deal);
            }
            assert!(begun.elapsed() < LONGEST, "{deal:?} for {LONGEST:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Positions that are open at the simulator itself, asked around the client's own opinion.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let positions = self.rest.positions().await.unwrap();
        positions.iter().map(|line| line.position.deal_reference.clone().unwrap_or_default()).collect()
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONGEST, "{what}: not within {LONGEST:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The market as an arena would have it configured.
pub(crate) fn market() -> Market {
    Market {
        epic: FTSE.into(),
        currency: "GBP".into(),
        point: "1".parse().unwrap(),
        value_per_point: "1".parse().unwrap(),
        size_min: "0.1".parse().unwrap(),
        stop_min_points: "2".parse().unwrap(),
        gap_allowance_points: "20".parse().unwrap(),
        funding_annual_rate: "0.025".parse().unwrap(),
        session: None,
    }
}

/// An order that the desk's risk rules let through: nothing else can make one.
pub(crate) fn order(reference: &str, direction: Direction, now: UtcMicros) -> Approved<LiveOrder> {
    let (market, seat) = (market(), SeatIdx(0));
    let candidate = Candidate {
        id: "momentum".into(),
        version: "0".into(),
        epic: EpicIdx(0),
        resolution: Resolution::new(Micros(60_000_000)).unwrap(),
        spec: ModelSpec::Breakout { lookback: 5 },
        direction: DirectionFilter::Both,
        predict_every: 1,
        hold: Micros(180_000_000),
        stop_points: Decimal(20_000_000),
        limit_points: Decimal(40_000_000),
        stop: "20".parse().unwrap(),
        limit: "40".parse().unwrap(),
        size: "1".parse().unwrap(),
        costs: Costs { latency: Micros(250_000), slippage: PriceDelta::ZERO },
        risk: RiskUnit { rho_micros: 40e6, floor_r: 3.0, cap_r: 10.0, cost_stress: 1.25 },
        content_hash: ContentHash([7; 32]),
        lineage: None,
    };
    let change = Change {
        time: now,
        seat,
        model: candidate.id.clone(),
        from: State::Eligible,
        to: State::Live,
        reason: "test".to_owned(),
    };
    let right = LiveRight::of(&change, &candidate, 0, &market, "1".parse().unwrap()).unwrap();
    let valid_until = UtcMicros(now.0 + 60_000_000);
    let ticket = DealTicket { seat, deal: 1, made: now, direction, valid_until, y_pred: Some(1.001) };
    let risk = RiskConfig {
        max_live_positions: 1,
        max_daily_loss: "100".parse().unwrap(),
        max_live_size: "1".parse().unwrap(),
        stale_quote: Micros(30_000_000),
    };
    let quote = Tick { time: now, bid: Price::from_micros(9_700_000_000), offer: Price::from_micros(9_701_000_000) };
    let situation = Situation {
        now,
        halted: None,
        risk: &risk,
        market: Some(&market),
        last_quote: Some(quote),
        deals_alive: 0,
        seat_deal: SeatDeal::None,
        day_result: Money::ZERO,
    };
    approve(&right, &ticket, reference.into(), &situation).unwrap()
}
