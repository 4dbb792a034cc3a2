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
        if (tick.time - START).0 > hours * 3_600_000_000 {
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

#[test]
#[ignore = "a report for tuning"]
fn report() {
    for edge in [0.3, 0.0] {
        for seat in run(&rules(), edge, 1, 24 * 25) {
            println!(
                "{edge} {:50} n {:5} mean {:+.3} +- {:.3} worst {:.2}",
                seat.rule.name,
                seat.outcomes.len(),
                seat.mean(),
                seat.standard_error(),
                seat.worst()
            );
        }
    }
}

#[test]
#[ignore = "a report for tuning"]
fn report_pulses() {
    for seed in 1..4 {
        let mut market = Synthetic::new(MarketSpec::of(&market(), 0.3), seed, START);
        let mut seat = Seat::new(planted(), terms(), seed);
        let mut pulses = std::collections::BTreeSet::new();
        loop {
            let tick = market.next_tick();
            if (tick.time - START).0 > 60 * 24 * 3_600_000_000 {
                break;
            }
            pulses.extend(market.pulse_starts_at().map(|t| t.0));
            seat.on_tick(tick);
        }
        let (inside, outside): (Vec<&Outcome>, Vec<&Outcome>) = seat.outcomes.iter().partition(|o| pulses.contains(&o.made));
        let mean = |o: &[&Outcome]| o.iter().map(|o| o.x).sum::<f64>() / o.len() as f64;
        let mins = |o: &[&Outcome]| o.iter().map(|o| (o.closed - o.opened) as f64).sum::<f64>() / o.len() as f64 / 6e7;
        let hist = |o: &[&Outcome], lo: f64, hi: f64| o.iter().filter(|o| o.x >= lo && o.x < hi).count();
        println!("pulses {} inside {} {:+.3} outside {} {:+.3} all {:+.3} +- {:.3} worst {} minutes {}", pulses.len(), inside.len(), mean(&inside), outside.len(), mean(&outside), seat.mean(), seat.standard_error(), seat.worst(), mins(&inside));
        for o in [&inside, &outside] { println!("<-1.5 {} <-1.15 {} <-0.95 {} mid {} win {}", hist(o, -9., -1.5), hist(o, -1.5, -1.15), hist(o, -1.15, -0.95), hist(o, -0.95, 0.95), hist(o, 0.95, 9.)); }
    }
}
