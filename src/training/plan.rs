//! What is to be trained, as people write it, held against every rule before any work.
//!
//! The command line and a training file both come down to a [`Request`] of texts; [`Plan::of`] makes of it every
//! combination of the sweep, each valid, or tells every fault in one go.

use std::fmt;
use std::str::FromStr;

use super::kinds::{self, Settings};
use super::score::{Gate, Trade};
use super::split::Walk;
use crate::domain::{Micros, PriceDelta, Resolution};
use crate::models::features::FeatureSpec;
use crate::models::fitted::{FEATURES_MAX, Kind};
use crate::registry::is_name;

/// Most models that one sweep trains.
pub const COMBINATIONS_MAX: usize = 10_000;
/// Furthest that a feature may look back, in bars.
const LOOKBACK_MAX: u32 = 4_096;
const HORIZON_MAX: u32 = 100_000;
const FOLDS_MAX: usize = 100;
const SHARES: [f64; 3] = [0.7, 0.15, 0.15];
const SEED: u64 = 7;
const HORIZON: u32 = 5;
const LAGS: u32 = 8;
/// As `[bars] reset_after` where a configuration does not say.
const RESET_AFTER: Micros = Micros(3_600_000_000);

/// The keys of a training file that are plain values; `set`, `sweep` and `features` are tables beside them.
pub const KEYS: [&str; 19] = [
    "kind",
    "name",
    "data",
    "bar",
    "reset_after",
    "features",
    "horizon",
    "split",
    "folds",
    "walk",
    "score",
    "top",
    "seed",
    "threshold",
    "max_distance",
    "stop",
    "limit",
    "hold",
    "slippage",
];

/// What to train, in words. What is not written has its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Values by key, in the order as written; a later one of the same key wins.
    pub values: Vec<(String, String)>,
    /// Parameters of the kind.
    pub set: Vec<(String, String)>,
    /// Keys to sweep over, with their values.
    pub sweep: Vec<(String, Vec<String>)>,
}

impl Request {
    /// Puts `later` over this one: its values win key by key, a swept key is no longer set and the other way round.
    pub fn overlay(&mut self, later: Self) {
        let is_given = |key: &str| {
            later.set.iter().any(|(given, _)| given == key) || later.sweep.iter().any(|(given, _)| given == key)
        };
        self.set.retain(|(key, _)| !is_given(key));
        self.sweep.retain(|(key, _)| !is_given(key));
        // A horizon or features that were set before give way to a sweep over them.
        self.values.retain(|(key, _)| !later.sweep.iter().any(|(given, _)| given == key));
        self.values.extend(later.values);
        self.set.extend(later.set);
        self.sweep.extend(later.sweep);
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.values.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// By what the models of a sweep are ranked, over the validation rows or the folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Score {
    /// Root of the mean squared error; the lower the better.
    #[default]
    Rmse,
    /// Mean absolute error; the lower the better.
    Mae,
    /// Coefficient of determination; the higher the better.
    R2,
    /// Directional hit rate; the higher the better.
    HitRate,
    /// Mean result of a trade in R; the higher the better.
    ExpectancyR,
}

impl Score {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Rmse, "rmse"),
        (Self::Mae, "mae"),
        (Self::R2, "r2"),
        (Self::HitRate, "hit_rate"),
        (Self::ExpectancyR, "expectancy_r"),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(score, _)| *score == self).map_or("", |(_, name)| name)
    }

    /// Whether a lower value is better.
    #[must_use]
    pub fn is_error(self) -> bool {
        matches!(self, Self::Rmse | Self::Mae)
    }
}

/// One model to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// What the sweep set, in the order of its keys; empty where nothing is swept.
    pub swept: Vec<(String, String)>,
    /// Kind and parameters.
    pub settings: Settings,
    /// The columns.
    pub features: FeatureSpec,
    /// Bars ahead.
    pub horizon: u32,
}

/// Everything that is to be done; nothing in it can be wrong by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The models' name in the registry.
    pub name: String,
    /// The data set, as it was named.
    pub dataset: String,
    /// The length of bars; that of the data set's where it is not written.
    pub bar: Option<Resolution>,
    /// A longer silence clears the windows.
    pub reset_after: Micros,
    /// Shares of rows for train, validation and test.
    pub shares: [f64; 3],
    /// Folds of walk-forward validation; 0: the validation rows alone.
    pub folds: usize,
    /// How folds move on.
    pub walk: Walk,
    /// What ranks.
    pub score: Score,
    /// How many of the best are registered.
    pub top: usize,
    /// What every draw comes from.
    pub seed: u64,
    /// The terms of trading.
    pub trade: Trade,
    /// The models, in the order of the sweep, its last key moving fastest.
    pub combinations: Vec<Combination>,
}

/// Reads values and notes what is wrong with them.
struct Values<'a> {
    request: &'a Request,
    faults: Vec<String>,
}

impl Values<'_> {
    fn read<T>(&mut self, key: &str, want: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.request.value(key)?;
        let value = parse(text);
        if value.is_none() {
            self.faults.push(format!("{key} is {text:?}; want {want}"));
        }
        value
    }

    fn required(&mut self, key: &str, want: &str) -> String {
        match self.request.value(key) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                self.faults.push(format!("{key} is missing; want {want}"));
                String::new()
            }
        }
    }
}

fn number(text: &str, least: f64, most: f64) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| (least..=most).contains(value))
}

fn whole<T: FromStr + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
    text.parse().ok().filter(|value: &T| (least..=most).contains(value))
}

fn distance(text: &str) -> Option<PriceDelta> {
    text.parse().ok().filter(|distance: &PriceDelta| *distance > PriceDelta::ZERO)
}

fn length(text: &str) -> Option<Micros> {
    text.parse().ok().filter(|length: &Micros| *length > Micros(0))
}

fn shares(text: &str) -> Option<[f64; 3]> {
    let parts: Vec<f64> = text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    let shares: [f64; 3] = parts.try_into().ok()?;
    let is_whole = (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9;
    (is_whole && shares.iter().all(|share| *share > 0.0)).then_some(shares)
}

fn gate(text: &str) -> Option<Gate> {
    match text.strip_prefix("absolute=") {
        Some(distance) => number(distance, 0.0, f64::MAX).map(Gate::Absolute),
        None => number(text, 0.0, 1.0).filter(|share| *share > 0.0).map(Gate::Quantile),
    }
}

impl Plan {
    /// Holds `request` against every rule; `reset_after` and the like that it does not write have their defaults.
    ///
    /// # Errors
    /// A sentence for each fault.
    pub fn of(request: &Request) -> Result<Self, Vec<String>> {
        let mut values = Values { request, faults: Vec::new() };
        for (key, _) in &request.values {
            if !KEYS.contains(&key.as_str()) {
                values.faults.push(format!("{key} is an unknown key; want one of {}", KEYS.join(", ")));
            }
        }
        let v = &mut values;
        let name = v.required("name", "the model's name in the registry");
        if !name.is_empty() && !is_name(&name) {
            v.faults.push(format!("name is {name:?}; want 1 to 64 of letters, digits, `.`, `_`, `-`"));
        }
        let dataset = v.required("data", "a data set, such as yahoo/CL=F/1m or a path");
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let kind = v.required("kind", &format!("one of {}", known.join(", ")));
        let bar = v.read("bar", "a length that divides a day evenly, such as 1m", |text| text.parse().ok());
        let reset_after = v.read("reset_after", "a length of time, such as 1h", length).unwrap_or(RESET_AFTER);
        let shares = v.read("split", "three shares above zero that make 1, such as 0.7,0.15,0.15", shares);
        let folds = v.read("folds", "a whole number from 0 to 100", |text| whole(text, 0, FOLDS_MAX)).unwrap_or(0);
        let walk = v.read("walk", "expanding or rolling", |text| match text {
            "expanding" => Some(Walk::Expanding),
            "rolling" => Some(Walk::Rolling),
            _ => None,
        });
        let score = v.read("score", "rmse, mae, r2, hit_rate or expectancy_r", |text| {
            Score::ALL.iter().find(|(_, name)| *name == text).map(|(score, _)| *score)
        });
        let top = v.read("top", "a whole number from 1", |text| whole(text, 1, COMBINATIONS_MAX)).unwrap_or(1);
        let seed = v.read("seed", "a whole number from 0 to 9223372036854775807", |text| whole(text, 0, i64::MAX));
        let trade = Trade {
            threshold: v.read("threshold", "a ratio from 1 to 2, such as 1.0002", |text| number(text, 1.0, 2.0)),
            max_distance: v.read("max_distance", "a quantile above 0, at most 1, or absolute=DISTANCE", gate),
            stop: v.read("stop", "a distance of prices above zero", distance),
            limit: v.read("limit", "a distance of prices above zero", distance),
            hold: v.read("hold", "a length of time, such as 5m", length),
            slippage: v
                .read("slippage", "a distance of prices, 0 or above", |text| {
                    text.parse().ok().filter(|slippage| *slippage >= PriceDelta::ZERO)
                })
                .unwrap_or_default(),
        };
        let combinations = combinations(request, &kind, &mut values.faults);
        // Kinds without neighbours have no distance that a gate could stand at.
        if trade.max_distance.is_some() && Kind::from_name(&kind).is_some_and(|kind| kind != Kind::Knn) {
            values.faults.push(format!("{kind} measures no distance to neighbours: leave max_distance out"));
        }
        if !values.faults.is_empty() {
            return Err(values.faults);
        }
        Ok(Self {
            name,
            dataset,
            bar,
            reset_after,
            shares: shares.unwrap_or(SHARES),
            folds,
            walk: walk.unwrap_or_default(),
            score: score.unwrap_or_default(),
            top,
            seed: seed.map_or(SEED, i64::unsigned_abs),
            trade,
            combinations,
        })
    }

    /// The longest lookback of any model.
    #[must_use]
    pub fn lookback_max(&self) -> usize {
        self.combinations.iter().map(|one| one.features.lookback()).max().unwrap_or(0)
    }
}

/// Every combination of the sweep, each valid; nothing but faults where one is not.
fn combinations(request: &Request, kind: &str, faults: &mut Vec<String>) -> Vec<Combination> {
    let n_before = faults.len();
    let mut n: usize = 1;
    let mut seen: Vec<&str> = Vec::new();
    for (key, values) in &request.sweep {
        if seen.contains(&key.as_str()) || request.set.iter().any(|(set, _)| set == key) {
            faults.push(format!("{key} is set or swept twice"));
        }
        if values.is_empty() || values.iter().any(String::is_empty) {
            faults.push(format!("the sweep over {key} has an empty value"));
        }
        if key == "horizon" && request.value("horizon").is_some() {
            faults.push("horizon is set and swept".to_owned());
        }
        seen.push(key);
        n = n.saturating_mul(values.len().max(1));
    }
    if n > COMBINATIONS_MAX {
        faults.push(format!("the sweep has {n} combinations; want at most {COMBINATIONS_MAX}"));
    }
    // Without a kind or a sound sweep nothing can be said of a combination.
    if kind.is_empty() || faults.len() > n_before {
        return Vec::new();
    }
    let mut found = Vec::with_capacity(n);
    for number in 0..n {
        let swept = place(&request.sweep, number);
        match combination(request, kind, swept) {
            Ok(combination) => found.push(combination),
            // The same fault of many combinations is told once.
            Err(wrong) => {
                for fault in wrong {
                    if !faults.contains(&fault) {
                        faults.push(fault);
                    }
                }
            }
        }
    }
    found
}

/// The values of combination `number`, the last key moving fastest.
fn place(sweep: &[(String, Vec<String>)], number: usize) -> Vec<(String, String)> {
    let mut rest = number;
    let mut swept: Vec<(String, String)> = sweep
        .iter()
        .rev()
        .map(|(key, values)| {
            let value = values[rest % values.len()].clone();
            rest /= values.len();
            (key.clone(), value)
        })
        .collect();
    swept.reverse();
    swept
}

fn combination(request: &Request, kind: &str, swept: Vec<(String, String)>) -> Result<Combination, Vec<String>> {
    let mut faults = Vec::new();
    let mut set = request.set.clone();
    let mut columns = match request.value("features") {
        Some(text) => Columns::parse(text, &mut faults),
        None => Columns(vec![("lags".to_owned(), LAGS.to_string())]),
    };
    let mut horizon = request.value("horizon").map(str::to_owned);
    for (key, value) in &swept {
        match key.as_str() {
            // A kind's own parameter comes before a feature of the same name.
            _ if is_param(kind, key) => set.push((key.clone(), value.clone())),
            "horizon" => horizon = Some(value.clone()),
            key if COLUMNS.contains(&key) => columns.put(key, value),
            _ => set.push((key.clone(), value.clone())),
        }
    }
    let features = columns.spec(&mut faults);
    let horizon = match horizon {
        None => HORIZON,
        Some(text) => whole(&text, 1, HORIZON_MAX).unwrap_or_else(|| {
            faults.push(format!("horizon is {text:?}; want a whole number of bars from 1 to {HORIZON_MAX}"));
            1
        }),
    };
    let settings = match kinds::parse(kind, &set) {
        Ok(settings) => Some(settings),
        Err(wrong) => {
            faults.extend(wrong);
            None
        }
    };
    match settings {
        Some(settings) if faults.is_empty() => Ok(Combination { swept, settings, features, horizon }),
        _ => Err(faults),
    }
}

fn is_param(kind: &str, name: &str) -> bool {
    let spec = kinds::KINDS.iter().find(|spec| spec.kind.name() == kind);
    spec.is_some_and(|spec| spec.params.iter().any(|param| param.name == name))
}

/// The words of `--features`, in the order of a row's columns.
const COLUMNS: [&str; 5] = ["lags", "returns", "volatility", "spread", "hour"];

/// The columns of a row, as written.
struct Columns(Vec<(String, String)>);

impl Columns {
    fn parse(text: &str, faults: &mut Vec<String>) -> Self {
        let mut columns = Self(Vec::new());
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, "true"));
            if !COLUMNS.contains(&key) {
                faults
                    .push(format!("{part:?} is no feature; want lags=N, returns=N+N, volatility=N+N, spread or hour"));
            } else if columns.0.iter().any(|(known, _)| known == key) {
                faults.push(format!("the feature {key} is written twice; join several values by +"));
            } else {
                columns.put(key, value);
            }
        }
        columns
    }

    fn put(&mut self, key: &str, value: &str) {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_owned()));
    }

    fn spec(&self, faults: &mut Vec<String>) -> FeatureSpec {
        let mut spec = FeatureSpec::default();
        for (key, value) in &self.0 {
            let mut wrong = |want: &str| faults.push(format!("the feature {key} is {value:?}; want {want}"));
            let several = |least| -> Option<Vec<u32>> {
                let mut values = Vec::new();
                for part in value.split('+') {
                    let one = whole(part.trim(), least, LOOKBACK_MAX)?;
                    if values.contains(&one) {
                        return None;
                    }
                    values.push(one);
                }
                Some(values)
            };
            match key.as_str() {
                "lags" => match whole(value, 0, LOOKBACK_MAX) {
                    Some(lags) => spec.lags = lags,
                    None => wrong("a whole number of bars from 0 to 4096"),
                },
                "returns" => match several(1) {
                    Some(bars) => spec.returns = bars,
                    None => wrong("different whole numbers of bars from 1 to 4096, joined by +"),
                },
                "volatility" => match several(2) {
                    Some(bars) => spec.volatility = bars,
                    None => wrong("different whole numbers of bars from 2 to 4096, joined by +"),
                },
                key => match value.parse() {
                    Ok(is_on) if key == "spread" => spec.spread = is_on,
                    Ok(is_on) => spec.hour = is_on,
                    Err(_) => wrong("true or false"),
                },
            }
        }
        match spec.width() {
            0 if faults.is_empty() => faults.push("there is no feature; want lags=N at the least".to_owned()),
            width if width > FEATURES_MAX => {
                faults.push(format!("there are {width} columns; want at most {FEATURES_MAX}"));
            }
            _ => {}
        }
        spec
    }
}

/// What `--features` says.
///
/// # Errors
/// A sentence for each fault.
pub fn features(text: &str) -> Result<FeatureSpec, Vec<String>> {
    let mut faults = Vec::new();
    let spec = Columns::parse(text, &mut faults).spec(&mut faults);
    if faults.is_empty() { Ok(spec) } else { Err(faults) }
}

/// As `--features` takes them.
#[must_use]
pub fn features_text(spec: &FeatureSpec) -> String {
    let joined = |bars: &[u32]| bars.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
    let mut parts = Vec::new();
    if spec.lags > 0 {
        parts.push(format!("lags={}", spec.lags));
    }
    if !spec.returns.is_empty() {
        parts.push(format!("returns={}", joined(&spec.returns)));
    }
    if !spec.volatility.is_empty() {
        parts.push(format!("volatility={}", joined(&spec.volatility)));
    }
    parts.extend(spec.spread.then(|| "spread".to_owned()));
    parts.extend(spec.hour.then(|| "hour".to_owned()));
    parts.join(",")
}

impl fmt::Display for Combination {
    /// What the sweep set, as `k=3 lags=8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let swept: Vec<String> = self.swept.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.pad(&swept.join(" "))
    }
}
