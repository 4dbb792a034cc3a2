//! Small bars and terms for tests.

use crate::domain::{
    Bar, Candidate, ContentHash, Costs, DirectionFilter, EpicIdx, Market, Micros, ModelSpec, Ohlc, Price, Resolution,
    RiskUnit, Span, StreamIdx, Tick, UtcMicros,
};

pub(crate) const T0: UtcMicros = UtcMicros(1_398_902_400_000_000); // 2014-05-01T00:00:00Z

pub(crate) fn bar_of_mids(mids2: &[f64]) -> Bar {
    let flat = Ohlc::of(Price::from_micros(1));
    Bar {
        stream: StreamIdx(0),
        seq: 0,
        start: T0,
        end: T0 + Micros(60_000_000),
        bid: flat,
        offer: flat,
        ticks: 1,
        quotes: Span::default(),
        mids2: Span::of(mids2.to_vec()),
        is_closed: true,
    }
}

/// A tick `ms` milliseconds after [`T0`].
pub(crate) fn tick(ms: i64, bid: &str, offer: &str) -> Tick {
    Tick { time: T0 + Micros(ms * 1_000), bid: bid.parse().unwrap(), offer: offer.parse().unwrap() }
}

pub(crate) fn fold(prices: impl Iterator<Item = Price> + Clone) -> Ohlc {
    let mut rest = prices.clone();
    let first = rest.next().unwrap();
    Ohlc {
        open: first,
        high: prices.clone().max().unwrap(),
        low: prices.clone().min().unwrap(),
        close: prices.last().unwrap(),
    }
}

/// The `seq`-th minute bar after [`T0`], of these ticks.
pub(crate) fn minute(seq: u64, ticks: Vec<Tick>) -> Bar {
    let start = T0 + Micros(i64::try_from(seq).unwrap() * 60_000_000);
    let end = start + Micros(60_000_000);
    assert!(ticks.iter().all(|t| start <= t.time && t.time < end), "ticks lie in their bar");
    let mids: Vec<f64> = ticks.last().iter().map(|t| t.mid2() as f64).collect();
    Bar {
        stream: StreamIdx(0),
        seq,
        start,
        end,
        bid: fold(ticks.iter().map(|t| t.bid)),
        offer: fold(ticks.iter().map(|t| t.offer)),
        ticks: u32::try_from(ticks.len()).unwrap(),
        quotes: Span::of(ticks),
        mids2: Span::of(mids),
        is_closed: true,
    }
}

pub(crate) fn market() -> Market {
    Market {
        epic: "CS.D.EURUSD.TODAY.IP".into(),
        currency: "GBP".into(),
        point: "0.0001".parse().unwrap(),
        value_per_point: "1".parse().unwrap(),
        size_min: "0.5".parse().unwrap(),
        stop_min_points: "2".parse().unwrap(),
        gap_allowance_points: "20".parse().unwrap(),
        funding_annual_rate: "0.025".parse().unwrap(),
        session: None,
    }
}

/// Stop 8, limit 12, hold 3 minutes, size 2, latency 250 ms, `slippage` points a fill.
pub(crate) fn candidate(name: &str, spec: ModelSpec, slippage: &str) -> Candidate {
    let market = market();
    let points = |text: &str| market.distance(text.parse().unwrap()).unwrap();
    let costs = Costs { latency: Micros(250_000), slippage: points(slippage) };
    let size = "2".parse().unwrap();
    Candidate {
        id: name.into(),
        version: "0".into(),
        epic: EpicIdx(0),
        resolution: Resolution::new(Micros(60_000_000)).unwrap(),
        spec,
        direction: DirectionFilter::Both,
        predict_every: 1,
        hold: Micros(180_000_000),
        stop_points: "8".parse().unwrap(),
        limit_points: "12".parse().unwrap(),
        stop: points("8"),
        limit: points("12"),
        size,
        costs,
        risk: RiskUnit::of(&market, points("8"), points("20"), size, &costs, 3.0, 1.25),
        content_hash: ContentHash([7; 32]),
        lineage: None,
    }
}
