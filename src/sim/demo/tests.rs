//! The demo holds what it promises: its configuration, its planted edge, and nothing promoted without one.

use toml_edit::{DocumentMut, Item, Table, Value};

use super::reference::{Kind, Outcome, Rule, Seat, Terms, promoted_after};
use super::*;
use crate::domain::{Market, Micros};
use crate::sim::market::Synthetic;

fn document() -> DocumentMut {
    demo_toml(7).parse().unwrap()
}

fn number(item: &Item) -> f64 {
    item.as_float().or(item.as_integer().map(|n| n as f64)).unwrap()
}

fn micros(item: &Item) -> i64 {
    item.as_str().unwrap().parse::<Micros>().unwrap().0
}

fn market() -> Market {
    let document = document();
    let table = document["markets"].as_array_of_tables().unwrap().get(0).unwrap();
    let text = |key: &str| table[key].as_value().unwrap().to_string().split('#').next().unwrap().trim().to_owned();
    Market {
        epic: table["epic"].as_str().unwrap().into(),
        currency: "GBP".into(),
        point: text("point").parse().unwrap(),
        value_per_point: text("value_per_point").parse().unwrap(),
        size_min: text("size_min").parse().unwrap(),
        stop_min_points: text("stop_min_points").parse().unwrap(),
        gap_allowance_points: text("gap_allowance_points").parse().unwrap(),
        funding_annual_rate: text("funding_annual_rate").parse().unwrap(),
        session: Some(table["session"].as_str().unwrap().parse().unwrap()),
    }
}

fn terms() -> Terms {
    let (document, market) = (document(), market());
    Terms {
        point_micros: market.point.micros() as f64,
        latency: micros(&document["paper"]["latency"]),
        slippage: number(&document["paper"]["slippage_points"]),
        gap_allowance: market.gap_allowance_points.as_f64(),
        stress: number(&document["promotion"]["cost_stress"]),
        floor_r: 3.0,
    }
}

/// Every candidate of the demo, sweeps expanded, the last key running fastest.
fn rules() -> Vec<Rule> {
    let document = document();
    let mut rules = Vec::new();
    for table in document["models"].as_array_of_tables().unwrap() {
        let mut variants = vec![(String::new(), table.clone())];
        for (key, values) in table.get("sweep").and_then(Item::as_table).into_iter().flat_map(Table::iter) {
            variants = variants
                .iter()
                .flat_map(|(label, table)| {
                    values.as_array().unwrap().iter().map(move |value| with(label, table, key, value))
                })
                .collect();
        }
        rules.extend(variants.iter().map(|(label, table)| rule(label, table)));
    }
    rules
}

fn with(label: &str, table: &Table, key: &str, value: &Value) -> (String, Table) {
    let mut table = table.clone();
    let short = key.strip_prefix("params.").unwrap_or(key);
    if short == key {
        table[key] = Item::Value(value.clone());
    } else {
        table["params"][short] = Item::Value(value.clone());
    }
    let separator = if label.is_empty() { ':' } else { ',' };
    (format!("{label}{separator}{short}={}", value.to_string().trim()), table)
}

fn rule(label: &str, table: &Table) -> Rule {
    let params = &table["params"];
    let lookback = || usize::try_from(params["lookback"].as_integer().unwrap()).unwrap();
    let kind = match table["kind"].as_str().unwrap() {
        "momentum" => Kind::Follow { lookback: lookback(), threshold: number(&params["threshold"]) },
        "mean_reversion" => Kind::Fade { lookback: lookback(), threshold: number(&params["threshold"]) },
        "breakout" => Kind::Breakout { lookback: lookback() },
        "random" => Kind::Random { rate: number(&params["rate"]) },
        other => panic!("no kind {other}"),
    };
    Rule {
        name: format!("{}{label}", table["name"].as_str().unwrap()),
        kind,
        bar: micros(&table["bar"]),
        hold: micros(&table["hold"]),
        stop: number(&table["stop"]),
        limit: number(&table["limit"]),
    }
}

/// Runs rules over `hours` of the demo's market.
fn run(rules: &[Rule], edge_r: f64, seed: u64, hours: i64) -> Vec<Seat> {
    let mut market = Synthetic::new(MarketSpec::of(&market(), edge_r), seed, START);
    let mut seats: Vec<Seat> = rules.iter().map(|rule| Seat::new(rule.clone(), terms(), seed)).collect();
    loop {
        let tick = market.next_tick();
        if (tick.time - START).0 > hours * HOUR {
            return seats;
        }
        for seat in &mut seats {
            seat.on_tick(tick);
        }
    }
}

fn planted() -> Rule {
    rules().into_iter().find(|rule| rule.name == PLANTED).unwrap()
}

const HOUR: i64 = 3_600_000_000;
/// From the demo's start to the close of its week.
const WEEK_HOURS: i64 = 118;

#[test]
fn the_configuration_is_what_the_demo_needs() {
    let (document, rules) = (document(), rules());
    let mut names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert!(names.contains(&PLANTED), "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 30);
    let promotion = &document["promotion"];
    assert!(number(&promotion["alpha_slots"]) >= names.len() as f64, "every candidate has a slot");
    let first_step = promotion["ramp"][0].as_float().unwrap();
    for table in document["models"].as_array_of_tables().unwrap() {
        let size = number(&table["size"]);
        assert!(size * first_step >= market().size_min.as_f64(), "the first step of the ramp can be dealt");
        assert!(size <= number(&document["risk"]["max_live_size"]));
        assert!(number(&table["stop"]) >= market().stop_min_points.as_f64());
    }
    // The risk unit of the planted rule is its stop: the gap allowance over the floor is smaller.
    let terms = terms();
    let at_stop = planted().stop + 2.0 * terms.slippage;
    assert!((at_stop + terms.gap_allowance) / terms.floor_r <= at_stop);
    assert!(MarketSpec::of(&market(), 0.0).step_max_points <= terms.gap_allowance);
    assert_eq!(START.to_string(), "2025-01-06T00:00:00Z");
}

#[test]
fn the_seed_is_put_into_the_text() {
    for (seed, written) in [(0, 0), (42, 42), (1 << 63 | 5, 5), (u64::MAX, i64::MAX)] {
        let document: DocumentMut = demo_toml(seed).parse().unwrap();
        assert_eq!(document["arena"]["seed"].as_integer(), Some(written), "{seed}");
    }
}

#[test]
fn the_planted_rule_earns_the_edge() {
    for (edge, seed) in [(DEMO_EDGE_DEFAULT, 1), (DEMO_EDGE_DEFAULT, 2), (DEMO_EDGE_DEFAULT, 3), (0.15, 4)] {
        let seats = run(&[planted()], edge, seed, 24 * 40);
        let (n, mean, error) = (seats[0].outcomes.len(), seats[0].mean(), seats[0].standard_error());
        println!("edge {edge} seed {seed}: {n} trades, mean {mean:+.3} +- {error:.3} R, worst {:.2}", seats[0].worst());
        assert!(n >= 1_500, "seed {seed}: {n} trades");
        assert!((mean - edge).abs() <= 0.08, "edge {edge}, seed {seed}: {mean} +- {error}");
        assert!(seats[0].worst() > -3.0, "seed {seed}: the floor holds");
    }
}

#[test]
fn with_an_edge_it_is_promoted_before_the_week_is_over_and_trades_often() {
    let seeds = 1..=12;
    let mut late = 0;
    for seed in seeds.clone() {
        let seats = run(&[planted()], DEMO_EDGE_DEFAULT, seed, WEEK_HOURS);
        let promoted = promoted_after(&seats[0].outcomes, 32.0, 100);
        late += u32::from(promoted.is_none());
        let per_trade = WEEK_HOURS as f64 * 60.0 / seats[0].outcomes.len() as f64;
        assert!(per_trade < 12.0, "seed {seed}: a trade in {per_trade:.1} minutes");
        let after = promoted.map(|(n, at)| format!("{n} trades, {} hours", (at - START).0 / HOUR));
        println!("seed {seed}: {after:?}");
    }
    assert!(late <= 1, "{late} of {seeds:?} saw no promotion");
}

#[test]
fn without_an_edge_nobody_earns_and_nobody_is_promoted() {
    let mut sums = vec![(0usize, 0.0f64); rules().len()];
    for seed in 1..=3 {
        for (seat, (n, sum)) in run(&rules(), 0.0, seed, WEEK_HOURS).iter().zip(&mut sums) {
            *n += seat.outcomes.len();
            *sum += seat.outcomes.iter().map(|outcome| outcome.x).sum::<f64>();
            assert_eq!(promoted_after(&seat.outcomes, 32.0, 100), None, "seed {seed}, {}", seat.rule.name);
        }
    }
    for ((n, sum), rule) in sums.iter().zip(rules()) {
        assert!(*n >= 150, "{} traded {n} times", rule.name);
        // What the spread takes is seen beyond the noise even in the rarest trader.
        assert!(sum / *n as f64 <= 0.0, "{}: {:+.3} over {n}", rule.name, sum / *n as f64);
    }
}

#[test]
fn with_an_edge_only_followers_of_moves_earn() {
    for seat in run(&rules(), DEMO_EDGE_DEFAULT, 5, 24 * 20) {
        let noise = 2.5 * seat.standard_error();
        if !matches!(seat.rule.kind, Kind::Follow { .. }) {
            assert!(seat.mean() <= noise, "{}: {:+.3}", seat.rule.name, seat.mean());
        }
        if matches!(seat.rule.kind, Kind::Fade { .. } | Kind::Random { .. }) {
            assert!(seat.mean() < -noise, "{}: {:+.3}", seat.rule.name, seat.mean());
        }
        let Outcome { made, opened, closed, .. } = seat.outcomes[0];
        assert!(made < opened && opened < closed);
    }
}

#[test]
fn a_pulse_stands_behind_most_trades_and_the_rest_lose() {
    let mut market = Synthetic::new(MarketSpec::of(&market(), DEMO_EDGE_DEFAULT), 8, START);
    let mut seat = Seat::new(planted(), terms(), 8);
    let mut pulses = std::collections::BTreeSet::new();
    loop {
        let tick = market.next_tick();
        if (tick.time - START).0 > 30 * 24 * HOUR {
            break;
        }
        pulses.extend(market.pulse_starts_at().map(|time| time.0));
        seat.on_tick(tick);
    }
    let (inside, outside): (Vec<Outcome>, Vec<Outcome>) =
        seat.outcomes.iter().partition(|outcome| pulses.contains(&outcome.made));
    let mean = |outcomes: &[Outcome]| outcomes.iter().map(|o| o.x).sum::<f64>() / outcomes.len() as f64;
    let share = outside.len() as f64 / seat.outcomes.len() as f64;
    println!("{:+.3} R in pulses, {:+.3} R in {:.1} % outside", mean(&inside), mean(&outside), share * 100.0);
    assert!((0.05..0.2).contains(&share), "{share}");
    assert!(inside.len() * 100 > pulses.len() * 80, "{} of {} pulses are traded", inside.len(), pulses.len());
    assert!((0.3..0.5).contains(&mean(&inside)) && mean(&outside) < -0.1);
}
