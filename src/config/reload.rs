//! What a changed file would change in a running arena.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Candidate, ModelId};

use super::checked::Config;
use super::{auto_models_per_host, canonical};

/// The difference between the configuration in force and another one.
///
/// A reload is refused as a whole while `needs_restart` holds anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Candidates that are new: they join with fresh evidence.
    pub added: Vec<ModelId>,
    /// Candidates that are gone: they retire.
    pub removed: Vec<ModelId>,
    /// Candidates of the same name and another content: the old identity retires, a new one joins.
    pub changed: Vec<ModelId>,
    /// Settings that take effect at once, as `promotion.min_episodes: 100 → 50`.
    pub applied: Vec<String>,
    /// Settings that do not, with the reason: `arena.seed: 7 → 8 (every random draw derives from it)`.
    pub needs_restart: Vec<String>,
    /// Streams of bars (`EPIC 5m`) that candidates need now and that are not made yet.
    pub new_streams: Vec<String>,
}

impl Difference {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The keys of `[promotion]` whose change opens a new budget of evidence (docs/EVIDENCE.md, section 10).
pub const NEW_BUDGET: [&str; 15] = [
    "promotion.alpha",
    "promotion.alpha_slots",
    "promotion.slot_reuse",
    "promotion.slot_first_share",
    "promotion.unit",
    "promotion.floor_r",
    "promotion.cap_r",
    "promotion.null_edge_r",
    "promotion.cost_stress",
    "promotion.bets",
    "promotion.lambda_min",
    "promotion.lambda_cap",
    "promotion.round_risk_r",
    "promotion.round_floor_r",
    "promotion.round_cap_r",
];

/// Compares the configuration in force with a new one. Candidates are told apart by name, in the order of the file.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Difference {
    let mut d = Difference::default();
    let by_name = |config: &Config| -> BTreeMap<ModelId, Candidate> {
        config.candidates.iter().map(|c| (c.id.clone(), c.clone())).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    for c in &new.candidates {
        match before.get(&c.id) {
            None => d.added.push(c.id.clone()),
            Some(was) if was.content_hash != c.content_hash => d.changed.push(c.id.clone()),
            Some(_) => {}
        }
    }
    d.removed = old.candidates.iter().filter(|c| !after.contains_key(&c.id)).map(|c| c.id.clone()).collect();
    settings(old, new, &mut d);
    markets(old, new, &mut d);
    let streams = |config: &Config| -> Vec<String> {
        config.streams().iter().map(|(epic, bar)| format!("{} {bar}", config.market(*epic).epic)).collect()
    };
    let made = streams(old);
    d.new_streams = streams(new).into_iter().filter(|stream| !made.contains(stream)).collect();
    d
}

fn settings(old: &Config, new: &Config, d: &mut Difference) {
    for ((key, reason, was), (_, _, is)) in fixed(old).into_iter().zip(fixed(new)) {
        if was != is {
            d.needs_restart.push(format!("{key}: {was} → {is} ({reason})"));
        }
    }
    // "auto" follows the number of candidates at the next start; its step at 512 must not stop a reload.
    let is_auto = |config: &Config| config.arena.models_per_host == auto_models_per_host(config.candidates.len());
    let (was, is) = (old.arena.models_per_host, new.arena.models_per_host);
    if was != is && !(is_auto(old) && is_auto(new)) {
        d.needs_restart.push(format!("arena.models_per_host: {was} → {is} (the model actors are running)"));
    }
    let live = |config: &Config| {
        let mut lines = vec![
            ("paper.latency".to_owned(), config.paper.latency.to_string()),
            ("paper.slippage_points".to_owned(), config.paper.slippage_points.to_string()),
        ];
        lines.extend(canonical::risk(config));
        lines.extend(canonical::promotion(config));
        lines.push(("promotion.anchor".to_owned(), config.promotion.anchor.clone()));
        lines
    };
    for ((key, was), (_, is)) in live(old).into_iter().zip(live(new)) {
        if was == is {
            continue;
        }
        if NEW_BUDGET.contains(&key.as_str()) {
            d.needs_restart.push(format!("{key}: {was} → {is} (it opens a new budget of evidence)"));
        } else {
            d.applied.push(format!("{key}: {was} → {is}"));
        }
    }
}

fn or_off(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "off".to_owned(), |value| value.to_string())
}

/// Key, why it needs a restart, value.
fn fixed(config: &Config) -> Vec<(&'static str, &'static str, String)> {
    let (arena, feed, bars) = (&config.arena, &config.feed, &config.bars);
    let quotes: Vec<String> =
        feed.quotes.iter().map(|(epic, path)| format!("{}={}", config.market(*epic).epic, path.display())).collect();
    vec![
        ("arena.name", "the store belongs to it", arena.name.clone()),
        ("arena.data", "the store is open", arena.data.display().to_string()),
        ("arena.models", "the registry is open", arena.models.display().to_string()),
        ("arena.seed", "every random draw derives from it", arena.seed.to_string()),
        ("arena.arbiters", "the threads are running", arena.arbiters.to_string()),
        ("arena.record_predictions", "the journal keeps one rule", arena.record_predictions.to_string()),
        ("arena.model_deadline", "the model actors hold it", arena.model_deadline.to_string()),
        ("arena.disk_floor_mb", "the store holds it", arena.disk_floor_mb.to_string()),
        ("store.quotes_max_age", "the store holds it", or_off(config.store.quotes_max_age)),
        ("store.quotes_max_mb", "the store holds it", or_off(config.store.quotes_max_mb)),
        ("store.predictions_max_age", "the store holds it", or_off(config.store.predictions_max_age)),
        ("store.predictions_max_mb", "the store holds it", or_off(config.store.predictions_max_mb)),
        ("feed.source", "the feed is running", canonical::source_word(feed.source).to_owned()),
        ("feed.speed", "the feed is running", feed.speed.to_string()),
        ("feed.edge_r", "the market is made", feed.edge_r.to_string()),
        ("feed.record", "the feed is running", feed.record.to_string()),
        ("feed.quotes", "the feed is running", quotes.join(", ")),
        ("ig.environment", "the account is logged in", config.ig.environment.word().to_owned()),
        ("ig.account", "the account is logged in", config.ig.account.clone()),
        ("ig.prices", "the feed is running", config.ig.prices.word().to_owned()),
        ("ig.rest_url", "the account is logged in", config.ig.rest_url.clone().unwrap_or_default()),
        ("bars.grace", "bars are being made", bars.grace.to_string()),
        ("bars.reset_after", "bars are being made", bars.reset_after.to_string()),
        ("mirror.sql", "the journal is being copied there", config.mirror.sql.clone().unwrap_or_default()),
        ("mirror.quotes", "the journal is being copied", config.mirror.quotes.to_string()),
        ("registry.mlflow", "the champion's alias is kept there", config.registry.mlflow.clone().unwrap_or_default()),
        (
            "registry.onnxruntime",
            "the library is loaded",
            config.registry.onnxruntime.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        ),
        ("server.listen", "the server is listening", config.listen.to_string()),
        ("notify", "the channels are open", notify(config)),
    ]
}

/// What a reload can tell of `[notify]`: that it is another one.
fn notify(config: &Config) -> String {
    let hash = canonical::hash(&format!("{:?}", config.notify)).hex();
    format!("as of {}", &hash[..8])
}

fn markets(old: &Config, new: &Config, d: &mut Difference) {
    for market in &new.markets {
        let Some(idx) = old.epic_idx(&market.epic) else {
            d.needs_restart.push(format!("markets: {} is new (the feed is running)", market.epic));
            continue;
        };
        let rules = canonical::market_rules(old.market(idx)).into_iter().zip(canonical::market_rules(market));
        for ((key, was), (_, is)) in rules {
            if was != is {
                let what = format!("markets.{}.{key}: {was} → {is}", market.epic);
                d.needs_restart.push(format!("{what} (ledgers and positions rest on it)"));
            }
        }
    }
    for market in &old.markets {
        if new.epic_idx(&market.epic).is_none() {
            d.needs_restart.push(format!("markets: {} is gone (the feed is running)", market.epic));
        }
    }
}
