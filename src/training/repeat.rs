//! How a training is told, so that it can be made again: its parameters as values, its command as text.

use super::kinds::Settings;
use super::plan::{Combination, Plan, features_text};
use super::score::Gate;
use super::split::Walk;
use crate::domain::{PriceDelta, Resolution};

/// The parameters of a kind as TOML: whole numbers and numbers as such, all else as text.
#[must_use]
pub(super) fn parameters(settings: &Settings) -> toml::Table {
    let value = |text: String| {
        if let Ok(whole) = text.parse::<i64>() {
            toml::Value::Integer(whole)
        } else if let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            toml::Value::Float(number)
        } else {
            toml::Value::String(text)
        }
    };
    settings.params().into_iter().map(|(name, text)| (name, value(text))).collect()
}

/// The command that trains this one model again.
#[must_use]
pub(super) fn command(plan: &Plan, one: &Combination, bar: Resolution) -> String {
    let mut words = vec!["arena".to_owned(), "train".to_owned()];
    let mut option = |name: &str, value: String| {
        words.push(format!("--{name}"));
        words.push(quoted(&value));
    };
    option("kind", one.settings.kind().name().to_owned());
    option("name", plan.name.clone());
    option("data", plan.dataset.clone());
    option("bar", bar.to_string());
    option("reset-after", plan.reset_after.to_string());
    option("features", features_text(&one.features));
    option("horizon", one.horizon.to_string());
    option("split", plan.shares.map(|share| share.to_string()).join(","));
    if plan.folds > 0 {
        option("folds", plan.folds.to_string());
        option("walk", if plan.walk == Walk::Rolling { "rolling" } else { "expanding" }.to_owned());
    }
    option("seed", plan.seed.to_string());
    for (name, value) in one.settings.params() {
        option("set", format!("{name}={value}"));
    }
    let trade = &plan.trade;
    let price = |distance: PriceDelta| distance.to_string();
    let asked = [
        ("threshold", trade.threshold.map(|threshold| threshold.to_string())),
        (
            "max-distance",
            trade.max_distance.map(|gate| match gate {
                Gate::Quantile(share) => share.to_string(),
                Gate::Absolute(distance) => format!("absolute={distance}"),
            }),
        ),
        ("stop", trade.stop.map(price)),
        ("limit", trade.limit.map(price)),
        ("hold", trade.hold.map(|hold| hold.to_string())),
        ("slippage", Some(trade.slippage).filter(|slippage| *slippage != PriceDelta::ZERO).map(price)),
    ];
    for (name, value) in asked {
        if let Some(value) = value {
            option(name, value);
        }
    }
    words.join(" ")
}

/// `text` as a shell reads it as one word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "=.,:+-_/@%^".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
