//! The canonical text of a configuration and of a candidate, and the hashes over them.
//!
//! Numbers are printed exactly (decimals) or by the shortest text that reads back the same (floats), so that equal
//! configurations give equal text on every machine.

use sha2::{Digest, Sha256};

use crate::domain::{Candidate, ContentHash, DirectionFilter, Market, ModelSpec, RiskUnit};

use super::checked::{Config, FeedSource};
use super::outside::PIN;

/// SHA-256 of a text in hexadecimal digits.
pub(super) fn hash(text: &str) -> ContentHash {
    ContentHash(Sha256::digest(text.as_bytes()).into())
}

/// The frozen content of a candidate: everything that makes it what it is, but its name.
///
/// Changing this text changes every identity, which costs every candidate its evidence.
pub(super) fn content(c: &Candidate, market: &Market) -> String {
    let spec = match &c.spec {
        ModelSpec::Momentum { lookback, threshold } => format!("momentum lookback={lookback} threshold={threshold}"),
        ModelSpec::MeanReversion { lookback, threshold } => {
            format!("mean_reversion lookback={lookback} threshold={threshold}")
        }
        ModelSpec::Breakout { lookback } => format!("breakout lookback={lookback}"),
        ModelSpec::Random { rate, seed } => format!("random rate={rate} seed={seed}"),
        ModelSpec::Trained { artefact, features, threshold, max_distance, lookback: _ } => {
            let gate = max_distance.map_or_else(|| "none".to_owned(), |distance| distance.to_string());
            format!("trained artefact={} features={features} threshold={threshold} max_distance={gate}", artefact.hex())
        }
        ModelSpec::Process { program, command: _, lookback, deadline } => {
            format!("process program={} lookback={lookback} deadline={deadline}", program.hex())
        }
    };
    let direction = match c.direction {
        DirectionFilter::Long => "long",
        DirectionFilter::Short => "short",
        DirectionFilter::Both => "both",
    };
    // A cap that nobody wrote is not said: this text is older than the key.
    let cap = if c.risk.cap_r == RiskUnit::CAP_R { String::new() } else { format!("; cap_r={}", c.risk.cap_r) };
    format!(
        "kind={spec}; version={}; epic={}; point={}; value_per_point={}; bar={}; direction={direction}; \
         predict_every={}; hold={}; stop={}; limit={}; size={}; latency={}; slippage={}; funding_annual_rate={}; \
         gap_allowance_points={}; floor_r={}; cost_stress={}{cap}",
        c.version,
        market.epic,
        market.point,
        market.value_per_point,
        c.resolution,
        c.predict_every,
        c.hold,
        c.stop_points,
        c.limit_points,
        c.size,
        c.costs.latency,
        c.costs.slippage,
        market.funding_annual_rate,
        market.gap_allowance_points,
        c.risk.floor_r,
        c.risk.cost_stress,
    )
}

/// The canonical text of all keys that can change a journal, one line a key.
pub(super) fn text(config: &Config) -> String {
    let mut lines = settings(config);
    for ((epic, bar), name) in &config.warmups {
        lines.push((format!("warmup.{}.{bar}", config.market(*epic).epic), name.clone()));
    }
    for (written, exact) in &config.pins {
        lines.push((format!("{PIN}{written}"), exact.clone()));
    }
    for c in &config.candidates {
        let market = config.market(c.epic);
        lines.push((format!("model.{}", c.id), format!("#{} {}", c.content_hash.hash8(), content(c, market))));
    }
    lines.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

fn settings(config: &Config) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut put = |key: &str, value: &dyn std::fmt::Display| lines.push((key.to_owned(), value.to_string()));
    put("arena.name", &config.arena.name);
    put("arena.seed", &config.arena.seed);
    put("arena.record_predictions", &config.arena.record_predictions);
    put("feed.source", &source_word(config.feed.source));
    put("feed.edge_r", &config.feed.edge_r);
    if config.feed.source == FeedSource::Ig {
        put("ig.environment", &config.ig.environment.word());
        put("ig.account", &config.ig.account);
        put("ig.prices", &config.ig.prices.word());
    }
    put("bars.reset_after", &config.bars.reset_after);
    put("paper.latency", &config.paper.latency);
    put("paper.slippage_points", &config.paper.slippage_points);
    for m in &config.markets {
        for (name, value) in market_rules(m) {
            put(&format!("markets.{}.{name}", m.epic), &value);
        }
    }
    lines.extend(risk(config));
    lines.extend(promotion(config));
    lines
}

/// The word of a source.
pub(super) fn source_word(source: FeedSource) -> &'static str {
    match source {
        FeedSource::Sim => "sim",
        FeedSource::Ig => "ig",
        FeedSource::Replay => "replay",
    }
}

/// The rules of a market by their keys.
pub(super) fn market_rules(m: &Market) -> Vec<(&'static str, String)> {
    vec![
        ("currency", m.currency.clone()),
        ("point", m.point.to_string()),
        ("value_per_point", m.value_per_point.to_string()),
        ("size_min", m.size_min.to_string()),
        ("stop_min_points", m.stop_min_points.to_string()),
        ("gap_allowance_points", m.gap_allowance_points.to_string()),
        ("funding_annual_rate", m.funding_annual_rate.to_string()),
        ("session", m.session.as_ref().map_or_else(|| "always".to_owned(), ToString::to_string)),
    ]
}

/// The keys of `[risk]`.
pub(super) fn risk(config: &Config) -> Vec<(String, String)> {
    let r = &config.risk;
    vec![
        ("risk.max_live_positions".to_owned(), r.max_live_positions.to_string()),
        ("risk.max_daily_loss".to_owned(), r.max_daily_loss.to_string()),
        ("risk.max_live_size".to_owned(), r.max_live_size.to_string()),
        ("risk.stale_quote".to_owned(), r.stale_quote.to_string()),
    ]
}

/// The keys of `[promotion]`, as their own names and texts; `anchor` is left out, since it changes no decision.
pub(super) fn promotion(config: &Config) -> Vec<(String, String)> {
    use serde_json::Value;
    fn text(value: &Value) -> String {
        match value {
            Value::Null => "off".to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(number) => {
                number.as_f64().filter(|_| number.is_f64()).map_or_else(|| number.to_string(), |x| x.to_string())
            }
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
    let Ok(Value::Object(keys)) = serde_json::to_value(&config.promotion) else {
        unreachable!("[promotion] is a struct of plain keys");
    };
    keys.iter()
        .filter(|(key, _)| *key != "anchor")
        .map(|(key, value)| (format!("promotion.{key}"), text(value)))
        .collect()
}
