//! The kinds of model that can be trained, and the parameters of each: name, range, default, meaning.
//!
//! [`KINDS`] is the one table: [`parse`] holds settings against it before any work, and `docs/KINDS.md` is made of it.

use std::collections::BTreeMap;

use crate::models::fitted::Kind;

/// What values a parameter takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Range {
    /// Whole numbers, both ends included.
    Whole(u32, u32),
    /// Numbers, both ends included.
    Number(f64, f64),
    /// Numbers above the first, up to the second.
    Above(f64, f64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Several whole numbers of a range, rising, joined by `+` or `,`.
    Rising(u32, u32),
    /// One or several of these words, joined by `+` or `,`.
    Words(&'static [&'static str]),
}

/// One parameter of a kind.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ParamSpec {
    /// Its name in `--set NAME=VALUE`.
    pub name: &'static str,
    /// What values it takes.
    pub range: Range,
    /// The value where none is set.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// One kind of model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct KindSpec {
    /// The kind.
    pub kind: Kind,
    /// What it is, in a sentence or two.
    pub what: &'static str,
    /// What its estimate means.
    pub estimate: &'static str,
    /// Where the method is described.
    pub source: &'static str,
    /// Its parameters.
    pub params: &'static [ParamSpec],
}

const SCALE: ParamSpec = ParamSpec {
    name: "scale",
    range: Range::Word(&["none", "standard"]),
    default: "none",
    meaning: "`standard`: columns and target are brought to mean 0 and deviation 1 over the training rows first",
};

/// Every kind, in the order of the documentation.
pub const KINDS: &[KindSpec] = &[KindSpec {
    kind: Kind::Ols,
    what: "Ordinary least squares: the linear function with the least sum of squared errors.",
    estimate: "the linear function at the row",
    source: "Hastie, Tibshirani, Friedman (2009), The Elements of Statistical Learning, section 3.2",
    params: &[SCALE],
}];

/// What a kind is to be fitted with: every parameter that it has, each with a value within its range.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    kind: Kind,
    values: BTreeMap<String, Value>,
}

/// The value of a parameter.
#[derive(Clone, PartialEq, Debug)]
enum Value {
    Whole(u32),
    Number(f64),
    Word(&'static str),
    Wholes(Vec<u32>),
    Words(Vec<&'static str>),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let joined = |parts: Vec<String>| parts.join("+");
        match self {
            Self::Whole(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Word(word) => f.write_str(word),
            Self::Wholes(values) => f.write_str(&joined(values.iter().map(ToString::to_string).collect())),
            Self::Words(words) => f.write_str(&joined(words.iter().map(ToString::to_string).collect())),
        }
    }
}

impl Settings {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every parameter with its value as text, sorted by name: what a card records, and what [`parse`] reads back to the
    /// same settings.
    #[must_use]
    pub fn params(&self) -> Vec<(String, String)> {
        self.values.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
    }

    fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or_else(|| panic!("{} has no parameter {name}", self.kind))
    }

    pub(super) fn word(&self, name: &str) -> &'static str {
        match self.value(name) {
            Value::Word(word) => word,
            other => panic!("{name} is {other}, no word"),
        }
    }
}

/// The table's line of a kind.
#[must_use]
pub fn spec(kind: Kind) -> &'static KindSpec {
    KINDS.iter().find(|spec| spec.kind == kind).expect("every kind is in the table")
}

/// Settings of a kind from names and values as text; what is not named has its default.
///
/// # Errors
/// A sentence for each name or value that is wrong, or the one that there is no such kind.
pub fn parse(kind: &str, set: &[(String, String)]) -> Result<Settings, Vec<String>> {
    let Some(kind) = Kind::from_name(kind) else {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        return Err(vec![format!("there is no kind {kind:?}{}", suggestion(kind, &known))]);
    };
    let spec = spec(kind);
    let mut values = BTreeMap::new();
    let mut faults = Vec::new();
    for param in spec.params {
        let value = read(param.range, param.default).expect("a default is within its range");
        values.insert(param.name.to_owned(), value);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (name, text) in set {
        let Some(param) = spec.params.iter().find(|param| param.name == name) else {
            let known: Vec<&str> = spec.params.iter().map(|param| param.name).collect();
            faults.push(format!("{kind} has no parameter {name:?}{}", suggestion(name, &known)));
            continue;
        };
        if seen.contains(&name.as_str()) {
            faults.push(format!("{name} of {kind} is set twice"));
            continue;
        }
        seen.push(name);
        match read(param.range, text) {
            Some(value) => {
                values.insert(name.clone(), value);
            }
            None => faults.push(format!("{name} of {kind} is {text:?}; want {}", param.range)),
        }
    }
    if faults.is_empty() { Ok(Settings { kind, values }) } else { Err(faults) }
}

/// `; did you mean "…"?` where one is near, else the list of those that there are.
fn suggestion(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len().max(name.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, near)) => format!("; did you mean {near:?}?"),
        None => format!("; it knows {}", known.join(", ")),
    }
}

fn read(range: Range, text: &str) -> Option<Value> {
    let parts = || text.split([',', '+']).map(str::trim);
    let word_of = |words: &'static [&'static str], text: &str| words.iter().copied().find(|word| *word == text);
    match range {
        Range::Whole(least, most) => text.parse().ok().filter(|value| (least..=most).contains(value)).map(Value::Whole),
        Range::Number(least, most) => {
            text.parse().ok().filter(|value: &f64| (least..=most).contains(value)).map(Value::Number)
        }
        Range::Above(bound, most) => {
            text.parse().ok().filter(|value: &f64| *value > bound && *value <= most).map(Value::Number)
        }
        Range::Word(words) => word_of(words, text).map(Value::Word),
        Range::Rising(least, most) => {
            let values: Option<Vec<u32>> = parts().map(|part| part.parse().ok()).collect();
            values
                .filter(|values| {
                    values.iter().all(|value| (least..=most).contains(value)) && values.is_sorted_by(|a, b| a < b)
                })
                .map(Value::Wholes)
        }
        Range::Words(words) => parts().map(|part| word_of(words, part)).collect::<Option<Vec<_>>>().map(Value::Words),
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Above(bound, most) => write!(f, "a number above {bound}, at most {most}"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Rising(least, most) => write!(f, "rising whole numbers from {least} to {most}, as 5+20+60"),
            Self::Words(words) => write!(f, "one or several of {}, joined by +", words.join(", ")),
        }
    }
}
