//! The contract of a broker: one suite of calls against each of them. Orders come from the desk's risk rules, since
//! nothing else can make one.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as its assertions do")]

use arena::broker::scripted::{Answer, Scripted};
use arena::broker::{Broker, BrokerError, Deal, DealStatus, LiveOrder};
use arena::config::RiskConfig;
use arena::desk::{Approved, LiveRight, SeatDeal, Situation, approve};
use arena::domain::{
    Candidate, CloseReason, ContentHash, Costs, DealReference, Decimal, Direction, DirectionFilter, EpicIdx, Market,
    Micros, ModelSpec, Money, Price, PriceDelta, Resolution, RiskUnit, SeatIdx, Size, Tick, UtcMicros,
};
use arena::flow::{Change, DealTicket, State};
use arena::sim::venue::{Fault, Venue};
use futures_util::FutureExt;

/// A broker together with the market behind it.
trait Bench {
    fn broker(&self) -> &dyn Broker;
    /// Lets the market move on to `time`, so that what waits for a quote is dealt.
    fn quote(&self, time: UtcMicros);
    /// The next opening is dealt, its answer lost.
    fn lose_next_answer(&self);
    /// The next opening neither arrives nor is answered.
    fn lose_next_request(&self);
    /// The next opening is refused.
    fn refuse_next(&self, reason: &str);
    /// The next reading fails.
    fn cut_next_reading(&self, reference: &DealReference) -> BrokerError;
}

struct OnVenue(Venue);

impl Bench for OnVenue {
    fn broker(&self) -> &dyn Broker {
        &self.0
    }
    fn quote(&self, time: UtcMicros) {
        let (bid, offer) = (Price::from_micros(1_299_900), Price::from_micros(1_300_000));
        self.0.on_quote(&market().epic, &Tick { time, bid, offer });
    }
    fn lose_next_answer(&self) {
        self.0.fail_open(Fault::LoseAnswer);
    }
    fn lose_next_request(&self) {
        self.0.fail_open(Fault::LoseRequest);
    }
    fn refuse_next(&self, reason: &str) {
        self.0.fail_open(Fault::Refuse(reason.to_owned()));
    }
    fn cut_next_reading(&self, reference: &DealReference) -> BrokerError {
        self.0.set_unreachable(true);
        let error = now(self.0.confirm(reference)).unwrap_err();
        self.0.set_unreachable(false);
        error
    }
}

struct OnScript(Scripted);

impl OnScript {
    fn lost() -> BrokerError {
        BrokerError::OutcomeUnknown { reference: "any".into(), why: "cut".to_owned() }
    }
}

impl Bench for OnScript {
    fn broker(&self) -> &dyn Broker {
        &self.0
    }
    fn quote(&self, _: UtcMicros) {}
    fn lose_next_answer(&self) {
        self.0.on_open(Answer::DealThenFail(Self::lost()));
    }
    fn lose_next_request(&self) {
        self.0.on_open(Answer::Fail(Self::lost()));
    }
    fn refuse_next(&self, reason: &str) {
        self.0.on_open(Answer::Reject(reason.to_owned()));
    }
    fn cut_next_reading(&self, reference: &DealReference) -> BrokerError {
        self.0.on_confirm(Answer::Fail(BrokerError::Unreachable("cut".to_owned())));
        now(self.0.confirm(reference)).unwrap_err()
    }
}

fn each(test: impl Fn(&dyn Bench, &str)) {
    let costs = Costs { latency: Micros(250_000), slippage: PriceDelta::ZERO };
    test(&OnVenue(Venue::new([(market(), costs)])), "venue");
    test(&OnScript(Scripted::new(Price::from_micros(1_300_000))), "scripted");
}

#[test]
fn an_open_deal_has_its_stop_and_limit_from_the_moment_it_exists() {
    each(|bench, which| {
        for (n, direction, levels) in [(1, Direction::Long, ["1.299", "1.302"]), (2, Direction::Short, ["", ""])] {
            let order = order(&format!("r{n}"), direction);
            let answer = now(bench.broker().open(&order)).unwrap();
            let is_known = matches!(answer.status, DealStatus::Pending | DealStatus::Open);
            assert!(is_known, "{which}: {answer:?}");
            assert_eq!(answer.reference.as_str(), format!("r{n}"), "{which}");
            bench.quote(second(61));
            let deal = confirm(bench, &format!("r{n}"));
            assert_eq!(deal.status, DealStatus::Open, "{which}");
            assert!(!deal.id.as_str().is_empty(), "{which}");
            assert_eq!((deal.size, deal.direction), (size("1"), direction), "{which}");
            let sign = direction.sign();
            assert_eq!((deal.level - deal.stop_level).micros() * sign, 1_000, "{which}");
            assert_eq!((deal.limit_level - deal.level).micros() * sign, 2_000, "{which}");
            if direction == Direction::Long {
                assert_eq!([deal.stop_level.to_string(), deal.limit_level.to_string()], levels, "{which}");
            }
            assert!(positions(bench).contains(&deal), "{which}");
        }
        assert_eq!(positions(bench).len(), 2, "{which}");
    });
}

#[test]
fn opening_twice_by_one_reference_deals_once() {
    each(|bench, which| {
        let order = order("r1", Direction::Long);
        now(bench.broker().open(&order)).unwrap();
        bench.quote(second(61));
        let first = confirm(bench, "r1");
        assert_eq!(now(bench.broker().open(&order)).unwrap(), first, "{which}");
        bench.quote(second(62));
        assert_eq!(positions(bench), [first], "{which}");
    });
}

#[test]
fn closing_is_final_and_idempotent() {
    each(|bench, which| {
        now(bench.broker().open(&order("r1", Direction::Long))).unwrap();
        bench.quote(second(61));
        let reference = "r1".into();
        let answer = now(bench.broker().close(&reference, second(62), CloseReason::Demoted)).unwrap();
        assert_eq!(answer.id, confirm(bench, "r1").id, "{which}: a close carries the opening deal's id");
        bench.quote(second(63));
        let closed = confirm(bench, "r1");
        let DealStatus::Closed { time, reason, .. } = closed.status else { panic!("{which}: {closed:?}") };
        assert!(time >= second(62), "{which}");
        assert_eq!(reason, CloseReason::Demoted, "{which}");
        assert!(positions(bench).is_empty(), "{which}");
        let again = now(bench.broker().close(&reference, second(70), CloseReason::Halt)).unwrap();
        assert_eq!(again, closed, "{which}");
    });
}

#[test]
fn what_was_never_sent_is_not_found() {
    each(|bench, which| {
        let reference: DealReference = "nobody".into();
        let not_found = BrokerError::NotFound { reference: reference.clone() };
        assert_eq!(now(bench.broker().confirm(&reference)).unwrap_err(), not_found, "{which}");
        let closing = now(bench.broker().close(&reference, second(61), CloseReason::Time));
        assert_eq!(closing.unwrap_err(), not_found, "{which}");
        assert!(positions(bench).is_empty(), "{which}");
    });
}

#[test]
fn a_refusal_is_an_answer_and_not_an_error() {
    each(|bench, which| {
        bench.refuse_next("INSUFFICIENT_FUNDS");
        let answer = now(bench.broker().open(&order("r1", Direction::Long))).unwrap();
        assert_eq!(answer.status, DealStatus::Rejected("INSUFFICIENT_FUNDS".to_owned()), "{which}");
        bench.quote(second(61));
        assert_eq!(confirm(bench, "r1"), answer, "{which}: it stays refused");
        assert!(positions(bench).is_empty(), "{which}");
    });
}

#[test]
fn after_a_lost_answer_the_reference_tells_what_became_of_it() {
    each(|bench, which| {
        bench.lose_next_answer();
        let lost = now(bench.broker().open(&order("dealt", Direction::Long)));
        assert!(matches!(lost, Err(BrokerError::OutcomeUnknown { .. })), "{which}: {lost:?}");
        bench.lose_next_request();
        let lost = now(bench.broker().open(&order("gone", Direction::Long)));
        assert!(matches!(lost, Err(BrokerError::OutcomeUnknown { .. })), "{which}: {lost:?}");
        bench.quote(second(61));
        assert_eq!(confirm(bench, "dealt").status, DealStatus::Open, "{which}");
        let gone = now(bench.broker().confirm(&"gone".into()));
        assert!(matches!(gone, Err(BrokerError::NotFound { .. })), "{which}: {gone:?}");
        assert_eq!(positions(bench).len(), 1, "{which}");
    });
}

#[test]
fn a_broker_that_cannot_be_reached_does_not_say_that_nothing_is_there() {
    each(|bench, which| {
        let error = bench.cut_next_reading(&"r1".into());
        assert!(matches!(error, BrokerError::Unreachable(_)), "{which}: {error}");
    });
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("brokers inside the process answer at once")
}

fn confirm(bench: &dyn Bench, reference: &str) -> Deal {
    now(bench.broker().confirm(&reference.into())).unwrap()
}

fn positions(bench: &dyn Bench) -> Vec<Deal> {
    now(bench.broker().open_positions()).unwrap()
}

/// Whole seconds after Monday 2014-05-05 12:00 UTC.
fn second(n: i64) -> UtcMicros {
    UtcMicros((1_399_291_200 + n) * 1_000_000)
}

fn size(text: &str) -> Size {
    text.parse().unwrap()
}

fn market() -> Market {
    Market {
        epic: "CS.D.EURUSD.TODAY.IP".into(),
        currency: "GBP".into(),
        point: "0.0001".parse().unwrap(),
        value_per_point: "1".parse().unwrap(),
        size_min: size("0.5"),
        stop_min_points: "2".parse().unwrap(),
        gap_allowance_points: "20".parse().unwrap(),
        funding_annual_rate: "0.025".parse().unwrap(),
        session: None,
    }
}

fn order(reference: &str, direction: Direction) -> Approved<LiveOrder> {
    let (market, seat) = (market(), SeatIdx(0));
    let costs = Costs { latency: Micros(250_000), slippage: PriceDelta::ZERO };
    let candidate = Candidate {
        id: "momentum".into(),
        version: "0".into(),
        epic: EpicIdx(0),
        resolution: Resolution::new(Micros(60_000_000)).unwrap(),
        spec: ModelSpec::Breakout { lookback: 5 },
        direction: DirectionFilter::Both,
        predict_every: 1,
        hold: Micros(180_000_000),
        stop_points: Decimal(10_000_000),
        limit_points: Decimal(20_000_000),
        stop: "0.001".parse().unwrap(),
        limit: "0.002".parse().unwrap(),
        size: size("1"),
        costs,
        risk: RiskUnit { rho_micros: 10e6, floor_r: 3.0, cap_r: 10.0, cost_stress: 1.25 },
        content_hash: ContentHash([7; 32]),
        lineage: None,
    };
    let change = Change {
        time: second(60),
        seat,
        model: candidate.id.clone(),
        from: State::Eligible,
        to: State::Live,
        reason: "test".to_owned(),
    };
    let right = LiveRight::of(&change, &candidate, 0, &market, size("1")).unwrap();
    let ticket =
        DealTicket { seat, deal: 1, made: second(60), direction, valid_until: second(120), y_pred: Some(1.001) };
    let risk = RiskConfig {
        max_live_positions: 1,
        max_daily_loss: "100".parse().unwrap(),
        max_live_size: size("1"),
        stale_quote: Micros(30_000_000),
    };
    let situation = Situation {
        now: second(60),
        halted: None,
        risk: &risk,
        market: Some(&market),
        last_quote: Some(Tick {
            time: second(59),
            bid: Price::from_micros(1_299_900),
            offer: Price::from_micros(1_300_000),
        }),
        deals_alive: 0,
        seat_deal: SeatDeal::None,
        day_result: Money::ZERO,
    };
    approve(&right, &ticket, reference.into(), &situation).unwrap()
}
