//! `arena graph`: what a configuration declares, drawn as Mermaid.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::output::{Failure, print, print_json};
use super::{Shared, run};
use crate::config::{Config, FeedSource, PromotionMode};
use crate::domain::{EpicIdx, Resolution};

const WRITES: &str = "strings take what is written to them";

pub(super) fn graph(shared: &Shared) -> Result<(), Failure> {
    let drawing = mermaid(&run::load_config(shared)?);
    if shared.json { print_json(&json!({ "mermaid": drawing })) } else { print(&drawing) }
}

/// The way of the data under `config`: feed, one resampler for each stream of bars, the candidates grouped by the entry
/// they were swept from, promoter, desk, broker.
#[must_use]
pub fn mermaid(config: &Config) -> String {
    let mut text = String::from("flowchart LR\n");
    let source = match config.feed.source {
        FeedSource::Sim => "synthetic market",
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
    text.push_str("  desk -->|orders| broker[(\"in-process venue\")]\n");
    let listen = config.listen;
    writeln!(text, "  promoter --> board[\"leaderboard<br>http://{listen}\"]").expect(WRITES);
    text.push_str("  feed -.-> journal[(\"journal\")]\n  promoter -.-> journal\n  desk -.-> journal\n");
    text
}

/// Text inside the quotes of a Mermaid label.
fn quoted(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
