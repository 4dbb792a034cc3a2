//! Markets, prices, allowances, and what goes wrong while reading.

use std::time::{Duration, Instant};

use arena::broker::ig::wire::Resolution;
use arena::broker::ig::{Allowance, Class, IgError, Limits, Stretch, changes, read_rules};
use arena::domain::{Market, Micros, UtcMicros};
use arena::sim::ig::{Config, Kind, Length, Listing, Prices, Quoted, Rule};

use crate::bench::{Bench, CABLE, FTSE, going, market, still};

fn exceeded(error: &IgError) -> Option<Allowance> {
    error.code().and_then(Allowance::exceeded)
}

#[tokio::test]
async fn rules_are_read_with_their_units_and_compared() {
    let bench = Bench::new(still());
    bench.quote("9700", "9701");
    let cable = Market {
        epic: CABLE.into(),
        point: "0.0001".parse().unwrap(),
        stop_min_points: "1".parse().unwrap(),
        ..market()
    };
    let was = read_rules(&bench.rest, &[cable.clone(), market()]).await.unwrap();
    assert_eq!(was.iter().map(|rules| rules.faults.len()).collect::<Vec<_>>(), [0, 0], "{was:?}");
    let [of_cable, of_ftse] = was.as_slice() else { panic!("{was:?}") };
    assert_eq!(
        (of_cable.market.stop_min_points.to_string(), of_cable.distance_min.to_string()),
        ("2".into(), "0.0002".into())
    );
    assert_eq!(
        (of_ftse.market.size_min.to_string(), of_ftse.market.stop_min_points.to_string()),
        ("0.5".into(), "4".into())
    );
    // 75 % of the bid
    assert_eq!(of_ftse.distance_max.unwrap().to_string(), "7275");
    assert_eq!((of_ftse.terms.expiry.as_str(), of_ftse.tightened.len()), ("DFB", 2));

    let listing = Listing {
        stop_min: Rule::percent(200_000),
        market_orders: "NOT_AVAILABLE".to_owned(),
        ..Listing { start: "9700".parse().unwrap(), ..Listing::guess(FTSE) }
    };
    let other = Bench::new(Config { markets: vec![Quoted { listing, prices: Prices::Given }], ..still() });
    other.quote("9700", "9701");
    let is = read_rules(&other.rest, &[market()]).await.unwrap().remove(0);
    // 0.2 % of the offer of 9,701 is 19.402
    assert_eq!(is.market.stop_min_points.to_string(), "19.402");
    assert!(!is.allows_market_orders && is.faults.len() == 1, "{:?}", is.faults);
    let words: Vec<String> = changes(of_ftse, &is).iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "IX.D.FTSE.DAILY.IP: the least stop distance was 4 points, is 0.2 %",
            "IX.D.FTSE.DAILY.IP: dealing at the market's price was AVAILABLE_DEFAULT_OFF, is NOT_AVAILABLE",
        ]
    );
    let unknown = Market { epic: "IX.D.NOBODY.DAILY.IP".into(), ..market() };
    let error = read_rules(&bench.rest, &[cable, unknown]).await.unwrap_err();
    assert_eq!(error.to_string(), "error.public-api.epic-not-found: IX.D.NOBODY.DAILY.IP (HTTP 404)");
    // A point that is not the market's: everything would be ten thousand times too near.
    let slip = Market { epic: CABLE.into(), ..market() };
    let faults = read_rules(&bench.rest, &[slip]).await.unwrap().remove(0).faults;
    assert!(faults[0].contains("a point of 1; IG says 0.0001"), "{faults:?}");
    assert!(faults[1].contains("takes no stop at all: the least distance is 2, the greatest 0.95"), "{faults:?}");
}

#[tokio::test]
async fn lists_and_searches_read() {
    let bench = Bench::new(still());
    let found = bench.rest.search("gbp").await.unwrap();
    assert_eq!(found.iter().map(|line| line.epic.as_str()).collect::<Vec<_>>(), [CABLE]);
    assert!(bench.rest.search("nothing of the kind").await.unwrap().is_empty());
    let market = bench.rest.market(FTSE).await.unwrap();
    let sentiment = bench.rest.sentiment(&[market.instrument.market_id.unwrap()]).await.unwrap();
    assert!((sentiment[0].long_position_percentage + sentiment[0].short_position_percentage - 100.0).abs() < 1e-9);
    let keys = bench.rest.applications().await.unwrap();
    assert_eq!((keys.len(), keys[0].concurrent_subscriptions_limit), (1, Some(40)));
    let error = bench.rest.market("IX.D.NOBODY.DAILY.IP").await.unwrap_err();
    assert_eq!(error.class(), Class::Request);
}

#[tokio::test]
async fn prices_come_page_by_page_each_once() {
    let limits = arena::sim::ig::Limits { history: Some(5_000), ..arena::sim::ig::Limits::lifted() };
    let bench = Bench::new(Config { limits, ..still() });
    let bars = bench.rest.all_prices(FTSE, &Resolution::Minute, &Stretch::Last(1_203)).await.unwrap();
    assert_eq!(bars.len(), 1_203);
    let times: Vec<&str> = bars.iter().map(|bar| bar.snapshot_time_utc.as_deref().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "ascending, each once");
    assert_eq!(bench.count("GET /prices"), 3, "500, 500 and 203");
    let left = bench.rest.history_allowance().unwrap();
    assert_eq!((left.remaining_allowance, left.total_allowance), (5_000 - 1_203, 5_000));
    assert_eq!(bench.rest.allowances().last(), Some(&(Allowance::History, 3_797, 5_000)));
    let at = |text: &str| text.parse::<UtcMicros>().unwrap();
    let between = Stretch::Between(at("2025-01-07T09:00:00Z"), at("2025-01-07T17:00:00Z"));
    let hours = bench.rest.all_prices(FTSE, &Resolution::Hour, &between).await.unwrap();
    assert_eq!(hours.first().unwrap().snapshot_time_utc.as_deref(), Some("2025-01-07T09:00:00"));
    assert_eq!(hours.len(), 9, "both ends are included");
    let future = Stretch::Between(at("2026-01-07T09:00:00Z"), at("2026-01-07T17:00:00Z"));
    assert!(bench.rest.all_prices(FTSE, &Resolution::Hour, &future).await.unwrap().is_empty());
    let error = bench.rest.all_prices("IX.D.NOBODY.DAILY.IP", &Resolution::Hour, &between).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Request, Some("error.price-history.io-error")));
}

#[tokio::test]
async fn each_allowance_that_ig_says_is_used_up_is_left_alone() {
    let none = arena::sim::ig::Limits::lifted;
    let few = |limits| Bench::new(Config { limits, ..still() });
    for (limits, want) in [
        (arena::sim::ig::Limits { account: Some(4), ..none() }, Allowance::Account),
        (arena::sim::ig::Limits { application: Some(5), ..none() }, Allowance::Application),
    ] {
        let bench = few(limits);
        let mut errors = Vec::new();
        for _ in 0..12 {
            errors.extend(bench.rest.positions().await.err());
        }
        assert_eq!(exceeded(&errors[0]), Some(want), "{errors:?}");
        assert!(matches!(errors[1], IgError::NotSent(_)), "{errors:?}");
        assert_eq!(bench.count("GET /positions 403"), 1, "told once, believed: {:?}", bench.requests());
        let left = bench.rest.allowances().into_iter().find(|(which, ..)| *which == want).unwrap();
        assert_eq!(left.1, 0);
    }

    // A history that is used up is not asked for again, and is told as a refusal.
    let bench = few(arena::sim::ig::Limits { history: Some(600), ..none() });
    let error = bench.rest.all_prices(FTSE, &Resolution::Minute, &Stretch::Last(1_000)).await.unwrap_err();
    assert_eq!(exceeded(&error), Some(Allowance::History));
    assert_eq!(
        (bench.count("GET /prices/IX.D.FTSE.DAILY.IP 200"), bench.count("GET /prices/IX.D.FTSE.DAILY.IP 403")),
        (1, 1)
    );
    assert_eq!(bench.rest.history_allowance().unwrap().remaining_allowance, 0);
}

#[tokio::test]
async fn our_own_budget_stops_before_ig_has_to() {
    let limits = arena::sim::ig::Limits { account: Some(10), trading: Some(5), ..arena::sim::ig::Limits::lifted() };
    let bench = Bench::with(Config { limits, ..still() }, |options| {
        options.limits = Limits { trading: 5, account: 10, application: 60 };
    });
    bench.quote("9700", "9701");
    let mut not_sent = 0;
    for _ in 0..20 {
        not_sent += usize::from(matches!(bench.rest.positions().await, Err(IgError::NotSent(_))));
    }
    // Of 8 that are used, one was the login.
    assert_eq!((not_sent, bench.count("GET /positions 200")), (13, 7));
    // Dealing has an allowance of its own, which reading never touches.
    for n in 0..5 {
        let deal = bench.open(&format!("r{n}")).await.unwrap();
        let is_refused = matches!(deal.status, arena::broker::DealStatus::Rejected(_));
        assert_eq!(is_refused, n >= 3, "{n}: {deal:?}");
    }
    assert_eq!(bench.count("POST /positions/otc 200"), 3);
    assert!(bench.requests().iter().all(|line| !line.ends_with("403")));
}

#[tokio::test]
async fn reads_are_repeated_through_trouble() {
    let bench = Bench::with(going(), |options| options.timeout_millis = 400);
    bench.rest.accounts().await.unwrap();
    let kinds = [
        Kind::Answer { status: 500, error: Some("system.error".to_owned()) },
        Kind::Answer { status: 405, error: None },
        Kind::Drop,
        Kind::DropAfter,
        Kind::Slow { delay: Length(Micros(900_000)) },
        Kind::CutSockets { all: true },
    ];
    for kind in kinds {
        let before = bench.count("GET /positions");
        let is_of_requests = !matches!(kind, Kind::CutSockets { .. });
        if is_of_requests {
            bench.fault_of(kind.clone(), "GET /positions", Some(1))
        } else {
            bench.fault(kind.clone())
        }
        let begun = Instant::now();
        assert!(bench.rest.positions().await.unwrap().is_empty(), "{kind:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{kind:?}: {:?}", begun.elapsed());
        let asked = bench.count("GET /positions") - before;
        assert!((1..=2).contains(&asked), "{kind:?}: {asked} requests");
    }
    // Four times, and then it is told.
    let before = bench.count("GET /positions");
    bench.fault_of(Kind::Answer { status: 500, error: None }, "GET /positions", None);
    let error = bench.rest.positions().await.unwrap_err();
    assert!(matches!(error, IgError::NoAnswer(_)), "{error}");
    assert_eq!(bench.count("GET /positions") - before, 4);
}
