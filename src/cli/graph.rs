//! `arena graph`: what a configuration declares, drawn as Mermaid.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::output::{Failure, print, print_json};
use super::{Shared, ready};
use crate::config::{Config, FeedSource, PromotionMode};
use crate::domain::{EpicIdx, Resolution};

const WRITES: &str = "strings take what is written to them";

pub(super) fn graph(shared: &Shared) -> Result<(), Failure> {
    let drawing = mermaid(&ready::load(shared)?.config);
    if shared.json { print_json(&json!({ "mermaid": drawing })) } else { print(&drawing) }
}

/// The way of the data under `config`: feed, one resampler for each stream of bars, the candidates grouped by the entry
/// they were swept from, promoter, desk, broker.
#[must_use]
pub fn mermaid(config: &Config) -> String {
    let mut text = String::from("flowchart LR\n");
    let source = match config.feed.source {
        FeedSource::Sim => "synthetic market",
        FeedSource::Ig => "IG's stream",
        FeedSource::Replay => "recorded quotes",
    };
    writeln!(text, "  feed[(\"{source}\")]").expect(WRITES);
    let streams = config.streams();
    for (at, (epic, resolution)) in streams.iter().enumerate() {
        let name = quoted(config.market(*epic).epic.as_str());
        writeln!(text, "  feed -->|quotes| bars{at}[\"{name}<br>bars of {resolution}\"]").expect(WRITES);
    }

    // By the stream, then by the entry as written: a sweep over bars appears under each of its streams.
    let mut groups: BTreeMap<((EpicIdx, Resolution), usize), (String, usize)> = BTreeMap::new();
    let mut entries: Vec<&str> = Vec::new();
    for candidate in &config.candidates {
        let entry = candidate.id.as_str().split_once(':').map_or(candidate.id.as_str(), |(entry, _)| entry);
        let order = entries.iter().position(|known| *known == entry).unwrap_or_else(|| {
            entries.push(entry);
            entries.len() - 1
        });
        let group = groups.entry(((candidate.epic, candidate.resolution), order)).or_default();
        entry.clone_into(&mut group.0);
        group.1 += 1;
    }
    for (number, ((stream, _), (entry, n))) in groups.iter().enumerate() {
        let at = streams.iter().position(|known| known == stream).expect("every candidate has its stream");
        let count = if *n == 1 { "1 model".to_owned() } else { format!("{n} models") };
        let entry = quoted(entry);
        writeln!(text, "  bars{at} -->|bars| models{number}[\"{entry}<br>{count}, each with its ledger\"]")
            .expect(WRITES);
        writeln!(text, "  models{number} -->|episodes| promoter").expect(WRITES);
    }
    let mode = match config.promotion.mode {
        PromotionMode::Auto => "promotes by itself",
        PromotionMode::Manual => "waits for the operator",
        PromotionMode::Off => "promotes nothing",
    };
    let (slots, alpha) = (config.promotion.alpha_slots, config.promotion.alpha);
    writeln!(text, "  promoter{{\"promoter<br>{mode}<br>alpha {alpha} over {slots} slots\"}}").expect(WRITES);
    if config.promotion.mode == PromotionMode::Off {
        text.push_str("  promoter -.->|nothing| desk[\"desk\"]\n");
    } else {
        text.push_str("  promoter -->|champion| desk[\"desk\"]\n");
    }
    let broker = match config.feed.source {
        FeedSource::Ig => format!("IG, {} account", config.ig.environment.word()),
        FeedSource::Sim | FeedSource::Replay => "in-process venue".to_owned(),
    };
    writeln!(text, "  desk -->|orders| broker[(\"{broker}\")]").expect(WRITES);
    let listen = config.listen;
    writeln!(text, "  promoter --> board[\"leaderboard<br>http://{listen}\"]").expect(WRITES);
    text.push_str("  feed -.-> journal[(\"journal\")]\n  promoter -.-> journal\n  desk -.-> journal\n");
    text
}

/// Text inside the quotes of a Mermaid label.
fn quoted(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        ArenaConfig, BarsConfig, FeedConfig, IgConfig, PaperConfig, PromotionConfig, RegistryConfig, RiskConfig,
    };
    use crate::domain::{
        Candidate, ContentHash, Costs, Decimal, DirectionFilter, Market, Micros, ModelSpec, Money, RiskUnit, Size,
    };

    fn config(candidates: &[(&str, &str)]) -> Config {
        let market = Market {
            epic: "CS.D.EURUSD.TODAY.IP".into(),
            currency: "GBP".to_owned(),
            point: "0.0001".parse().unwrap(),
            value_per_point: "1".parse().unwrap(),
            size_min: "0.5".parse().unwrap(),
            stop_min_points: "2".parse().unwrap(),
            gap_allowance_points: "20".parse().unwrap(),
            funding_annual_rate: "0.025".parse().unwrap(),
            session: None,
        };
        let costs = Costs { latency: Micros(250_000), slippage: "0".parse().unwrap() };
        let candidate = |(id, bar): &(&str, &str)| Candidate {
            id: (*id).into(),
            version: "0".to_owned(),
            epic: EpicIdx(0),
            resolution: bar.parse().unwrap(),
            spec: ModelSpec::Breakout { lookback: 3 },
            direction: DirectionFilter::Both,
            predict_every: 1,
            hold: "3m".parse().unwrap(),
            stop_points: Decimal(8_000_000),
            limit_points: Decimal(12_000_000),
            stop: "0.0008".parse().unwrap(),
            limit: "0.0012".parse().unwrap(),
            size: Size::from_micros(1_000_000),
            costs,
            risk: RiskUnit { rho_micros: 8e6, floor_r: 5.0, cap_r: 10.0, cost_stress: 1.25 },
            content_hash: ContentHash([0; 32]),
            lineage: None,
        };
        Config {
            mirror: crate::config::MirrorConfig::default(),
            arena: ArenaConfig {
                name: "test".to_owned(),
                data: "data".into(),
                models: "models".into(),
                seed: 7,
                models_per_host: 1,
                arbiters: 1,
                record_predictions: true,
                model_deadline: Micros::SECOND,
                disk_floor_mb: 500,
            },
            feed: FeedConfig { source: FeedSource::Sim, speed: 1.0, edge_r: 0.0, record: true, quotes: Vec::new() },
            bars: BarsConfig { grace: Micros(500_000), reset_after: Micros::SECOND },
            listen: ([127, 0, 0, 1], 8787).into(),
            markets: vec![market],
            paper: PaperConfig { latency: costs.latency, slippage_points: Decimal(0) },
            store: crate::config::StoreConfig::default(),
            registry: RegistryConfig::default(),
            notify: crate::config::NotifyConfig::default(),
            ig: IgConfig::default(),
            risk: RiskConfig {
                max_live_positions: 1,
                max_daily_loss: Money::from_micros(200_000_000),
                max_live_size: Size::from_micros(1_000_000),
                stale_quote: "30s".parse().unwrap(),
            },
            promotion: PromotionConfig::default(),
            candidates: candidates.iter().map(candidate).collect(),
            pins: Vec::new(),
            warmups: std::collections::BTreeMap::new(),
            notices: Vec::new(),
            hash: String::new(),
            canonical: String::new(),
        }
    }

    #[test]
    fn the_drawing_follows_the_data() {
        let config = config(&[
            ("trend:lookback=3,bar=1m", "1m"),
            ("trend:lookback=3,bar=5m", "5m"),
            ("trend:lookback=5,bar=5m", "5m"),
            ("control \"#1\"", "1m"),
        ]);
        insta::assert_snapshot!(mermaid(&config));
    }
}
