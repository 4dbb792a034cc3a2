//! Reading oracle files: which there are, what each is about, and numbers that may be written as text.

use std::path::PathBuf;

use arena::config::PromotionConfig;
use serde_json::Value;

/// What a file is about, told by its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Eprocess,
    Predictable,
    SharpeFamily,
    SharpeInference,
    Performance,
    Wilson,
    Detectors,
    Multiplicity,
    Overfitting,
    Bootstrap,
    Comparison,
    Trace,
}

impl Kind {
    /// `None` where nobody here knows it.
    pub(crate) fn of(document: &Value) -> Option<Self> {
        if document["events"].is_array() && document["log"].is_array() {
            return Some(Self::Trace);
        }
        let marks = [
            ("log_e_at", Self::Eprocess),
            ("hedged_lower", Self::Predictable),
            ("psr", Self::SharpeFamily),
            ("lo_eta_q5", Self::SharpeInference),
            ("sharpe_252", Self::Performance),
            ("esr_last", Self::Detectors),
            ("ebh", Self::Multiplicity),
            ("n_splits", Self::Overfitting),
            ("var_of_sqrt_n_mean", Self::Bootstrap),
            ("spa_vs_zero", Self::Comparison),
            ("wins", Self::Wilson),
        ];
        let case = document["cases"].get(0)?;
        marks.into_iter().find(|(mark, _)| case.get(mark).is_some()).map(|(_, kind)| kind)
    }
}

/// Every JSON file of the folder, by name.
pub(crate) fn files() -> Vec<(String, Value)> {
    let given = std::env::var_os("ORACLES_DIR").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/statistics"));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name.clone(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    paths.into_iter().map(read).collect()
}

/// Those of one kind. Where the folder has none, that is said.
pub(crate) fn of_kind(kind: Kind) -> Vec<(String, Value)> {
    let found: Vec<_> = files().into_iter().filter(|(_, document)| Kind::of(document) == Some(kind)).collect();
    if found.is_empty() {
        println!("skipped: the folder has no file of kind {kind:?}");
        assert!(std::env::var_os("ORACLES_DIR").is_some(), "the copies have a file of kind {kind:?}");
    }
    found
}

/// The cases of a document; at least one.
pub(crate) fn each_case(document: &Value, check: impl Fn(&Value)) {
    let cases = document["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    cases.iter().for_each(check);
}

/// A number, also one that JSON has to write as a text.
pub(crate) fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap_or_else(|_| panic!("{text:?} is no number")),
        value => value.as_f64().unwrap_or_else(|| panic!("{value} is no number")),
    }
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(number).collect()
}

pub(crate) fn integers(value: &Value) -> Vec<usize> {
    let items = value.as_array().unwrap_or_else(|| panic!("{value} is no list"));
    items.iter().map(|item| usize::try_from(item.as_u64().unwrap()).unwrap()).collect()
}

pub(crate) fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(floats).collect()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The entries of an object.
pub(crate) fn named(value: &Value) -> Vec<(&str, &Value)> {
    value.as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value)).collect()
}

/// Equal within `tolerance`; what is not a number or infinite must be so on both sides.
pub(crate) fn near(got: f64, want: f64, tolerance: f64, what: &str) {
    let is_same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
    assert!(is_same || (got - want).abs() <= tolerance, "{what}: {got} is not {want} within {tolerance}");
}

pub(crate) fn relative(got: f64, want: f64, tolerance: f64, what: &str) {
    near(got, want, tolerance * want.abs(), what);
}

/// The defaults of `[promotion]`.
pub(crate) fn config() -> PromotionConfig {
    PromotionConfig::default()
}
