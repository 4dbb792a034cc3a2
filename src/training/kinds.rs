//! The kinds of model that can be trained, and the parameters of each: name, range, default, meaning.
//!
//! [`KINDS`] is the one table: [`parse`] holds settings against it before any work, and `docs/KINDS.md` is made of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::models::fitted::{BASES_MAX, Kind};

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

const fn param(name: &'static str, range: Range, default: &'static str, meaning: &'static str) -> ParamSpec {
    ParamSpec { name, range, default, meaning }
}

const SCALE: ParamSpec = param(
    "scale",
    Range::Word(&["standard", "none"]),
    "standard",
    "`standard`: columns and target are first brought to mean 0 and deviation 1 over the training rows, and the other \
     parameters are in those units; `none`: as they are, which for ratios near 1 wants penalties of some 1e-8",
);
const ALPHA: ParamSpec = param("alpha", Range::Number(0.0, 1e12), "1", "weight of the penalty");
const SMALL_ALPHA: ParamSpec = param("alpha", Range::Above(0.0, 1e12), "0.01", "weight of the penalty");
const C: ParamSpec = param("c", Range::Above(0.0, 1e6), "1", "weight of the errors against the penalty");
const MAX_FEATURES: ParamSpec = param(
    "max_features",
    Range::Above(0.0, 1.0),
    "1",
    "share of the columns that a split is looked for in, drawn anew for each split; at least one",
);
const MIN_LEAF: ParamSpec = param("min_leaf", Range::Whole(1, 1_000_000), "20", "least training rows of a leaf");
const SUBSAMPLE: ParamSpec =
    param("subsample", Range::Above(0.0, 1.0), "1", "share of the training rows that a tree is grown from");
const BINS: ParamSpec = param(
    "bins",
    Range::Whole(2, 65_535),
    "255",
    "places at which a column can be split; as many as it has different values make the split exact",
);

/// Kinds that a stack can stand on.
const BASES: &[&str] = &["knn", "ols", "ridge", "lasso", "elastic_net", "logistic", "svr", "forest", "gbm"];

/// Every kind, in the order of the documentation.
pub const KINDS: &[KindSpec] = &[
    KindSpec {
        kind: Kind::Knn,
        what: "The training rows nearest to the present one, by euclidean distance, and what followed them. The \
               neighbours are exact: the search is in single precision, the choice in double.",
        estimate: "mean target of the `k` nearest rows; the distance is the mean of theirs, which the nearness gate \
                   `max_distance` looks at",
        source: "Hastie, Tibshirani, Friedman (2009), The Elements of Statistical Learning, section 13.3",
        params: &[
            param("k", Range::Whole(1, 1_000), "5", "neighbours"),
            param(
                "weights",
                Range::Word(&["uniform", "distance"]),
                "uniform",
                "`distance`: a neighbour counts by one over its distance, and one at distance 0 alone",
            ),
            param(
                "scale",
                Range::Word(&["none", "standard"]),
                "none",
                "`standard`: columns are brought to mean 0 and deviation 1 over the training rows",
            ),
        ],
    },
    KindSpec {
        kind: Kind::Ols,
        what: "Ordinary least squares, by Householder's triangulation of the centred rows.",
        estimate: "the linear function at the row",
        source: "Hastie, Tibshirani, Friedman (2009), section 3.2",
        params: &[],
    },
    KindSpec {
        kind: Kind::Ridge,
        what: "Least of the sum of squared errors plus `alpha` times the sum of squared coefficients; the intercept is \
               free.",
        estimate: "the linear function at the row",
        source: "Hastie, Tibshirani, Friedman (2009), section 3.4.1",
        params: &[ALPHA, SCALE],
    },
    KindSpec {
        kind: Kind::Lasso,
        what: "Least of half the mean squared error plus `alpha` times the sum of absolute coefficients, by coordinate \
               descent.",
        estimate: "the linear function at the row",
        source: "Hastie, Tibshirani, Friedman (2009), section 3.4.2",
        params: &[SMALL_ALPHA, SCALE],
    },
    KindSpec {
        kind: Kind::ElasticNet,
        what: "Least of half the mean squared error plus `alpha` times a mixture of absolute and half squared \
               coefficients, by coordinate descent.",
        estimate: "the linear function at the row",
        source: "Zou, Hastie (2005), Regularization and variable selection via the elastic net",
        params: &[
            SMALL_ALPHA,
            param("l1_ratio", Range::Number(0.0, 1.0), "0.5", "share of the absolute coefficients in the penalty"),
            SCALE,
        ],
    },
    KindSpec {
        kind: Kind::Logistic,
        what: "Logistic regression of whether the target is above 1: least of `c` times the log loss plus half the sum \
               of squared coefficients; the intercept is free.",
        estimate: "`down + p (up - down)`: `p` the probability, `up` and `down` the mean targets of the training rows \
                   above 1 and of the others",
        source: "Hastie, Tibshirani, Friedman (2009), section 4.4",
        params: &[C, SCALE],
    },
    KindSpec {
        kind: Kind::Svr,
        what: "Epsilon support vector regression, by sequential minimal optimisation. Time and memory grow with the \
               square of the rows.",
        estimate: "the function at the row: linear, or of the distances to the support vectors",
        source: "Chang, Lin (2011), LIBSVM: a library for support vector machines",
        params: &[
            param("kernel", Range::Word(&["rbf", "linear"]), "rbf", "`rbf`: `exp(-gamma |a - b|^2)`"),
            C,
            param("epsilon", Range::Number(0.0, 1e6), "0.1", "errors up to this are none"),
            param(
                "gamma",
                Range::Number(0.0, 1e12),
                "0",
                "of the kernel `rbf`; 0: one over columns times the variance of all values",
            ),
            SCALE,
        ],
    },
    KindSpec {
        kind: Kind::Stack,
        what: "Base models over the first columns of the row, as many as each tail says, and least squares over what \
               they predict for rows that they were not fitted to: the training rows are cut into `folds` runs of equal \
               length, and each is predicted by bases fitted to the others. The bases are then fitted to all rows.",
        estimate: "the linear function of the outputs of the bases",
        source: "Wolpert (1992), Stacked generalization; Breiman (1996), Stacked regressions",
        params: &[
            param("tails", Range::Rising(1, 4_096), "3+10+15", "columns that each base sees, counted from the first"),
            param("bases", Range::Words(BASES), "ols", "kinds of the bases: one for all tails, or one for each"),
            param("folds", Range::Whole(2, 100), "5", "runs of training rows"),
        ],
    },
    KindSpec {
        kind: Kind::Forest,
        what: "A random forest: regression trees, each grown from rows drawn by itself.",
        estimate: "mean of the leaves that the row falls into",
        source: "Breiman (2001), Random forests",
        params: &[
            param("n_trees", Range::Whole(1, 5_000), "100", "trees"),
            param("max_depth", Range::Whole(1, 32), "8", "most splits from the root to a leaf"),
            MIN_LEAF,
            MAX_FEATURES,
            param("bootstrap", Range::Word(&["yes", "no"]), "yes", "`yes`: rows are drawn with replacement"),
            SUBSAMPLE,
            BINS,
        ],
    },
    KindSpec {
        kind: Kind::Gbm,
        what: "Gradient boosting of squared errors: small regression trees, each of what the ones before it left over.",
        estimate: "mean target plus `learning_rate` times the sum of the leaves that the row falls into",
        source: "Friedman (2001), Greedy function approximation: a gradient boosting machine; (2002), Stochastic \
                 gradient boosting",
        params: &[
            param("n_trees", Range::Whole(1, 10_000), "200", "trees"),
            param("learning_rate", Range::Above(0.0, 1.0), "0.1", "how much of each tree counts"),
            param("max_depth", Range::Whole(1, 32), "3", "most splits from the root to a leaf"),
            MIN_LEAF,
            MAX_FEATURES,
            SUBSAMPLE,
            BINS,
        ],
    },
];

/// What a kind is to be fitted with: every parameter that it has, each with a value within its range.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    kind: Kind,
    values: BTreeMap<&'static str, Value>,
    /// Of a stack: for each tail the settings of its base.
    bases: Vec<Settings>,
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

/// What parameters of the bases begin with in the settings of a stack.
const OF_BASES: &str = "base.";

impl Settings {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every parameter with its value as text, sorted by name: what a card records, and what [`parse`] reads back to the
    /// same settings. Those of the bases of a stack begin with `base.`.
    #[must_use]
    pub fn params(&self) -> Vec<(String, String)> {
        let own = self.values.iter().map(|(name, value)| ((*name).to_owned(), value.to_string()));
        let of_bases =
            self.bases.iter().flat_map(Settings::params).map(|(name, value)| (OF_BASES.to_owned() + &name, value));
        own.chain(of_bases).collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// Of a stack: for each tail the settings of its base.
    pub(super) fn bases(&self) -> &[Settings] {
        &self.bases
    }

    fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or_else(|| panic!("{} has no parameter {name}", self.kind))
    }

    pub(super) fn whole(&self, name: &str) -> usize {
        match self.value(name) {
            Value::Whole(value) => *value as usize,
            other => panic!("{name} is {other}, no whole number"),
        }
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Number(value) => *value,
            other => panic!("{name} is {other}, no number"),
        }
    }

    pub(super) fn word(&self, name: &str) -> &'static str {
        match self.value(name) {
            Value::Word(word) => word,
            other => panic!("{name} is {other}, no word"),
        }
    }

    pub(super) fn wholes(&self, name: &str) -> &[u32] {
        match self.value(name) {
            Value::Wholes(values) => values,
            other => panic!("{name} is {other}, no list"),
        }
    }
}

/// The table's line of a kind.
#[must_use]
pub fn spec(kind: Kind) -> &'static KindSpec {
    KINDS.iter().find(|spec| spec.kind == kind).expect("every kind is in the table")
}

/// Settings of a kind from names and values as text; what is not named has its default. A parameter `base.NAME` of a
/// stack is given to each of its bases that has it.
///
/// # Errors
/// A sentence for each name or value that is wrong, or the one that there is no such kind.
pub fn parse(kind: &str, set: &[(String, String)]) -> Result<Settings, Vec<String>> {
    let Some(kind) = Kind::from_name(kind) else {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        return Err(vec![format!("there is no kind {kind:?}{}", suggestion(kind, &known))]);
    };
    if kind == Kind::Onnx {
        return Err(vec!["onnx models are made elsewhere: `arena models import FILE` takes them in".to_owned()]);
    }
    let (of_bases, own): (Vec<_>, Vec<_>) =
        set.iter().cloned().partition(|(name, _)| kind == Kind::Stack && name.starts_with(OF_BASES));
    let mut faults = Vec::new();
    let mut settings = Settings { kind, values: own_values(kind, &own, &mut faults), bases: Vec::new() };
    if kind == Kind::Stack {
        settings.bases = bases(&settings, &of_bases, &mut faults);
    }
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}

fn own_values(kind: Kind, set: &[(String, String)], faults: &mut Vec<String>) -> BTreeMap<&'static str, Value> {
    let params = spec(kind).params;
    let default = |param: &ParamSpec| read(param.range, param.default).expect("a default is within its range");
    let mut values: BTreeMap<_, _> = params.iter().map(|param| (param.name, default(param))).collect();
    let mut seen = BTreeSet::new();
    for (name, text) in set {
        let Some(param) = params.iter().find(|param| param.name == name) else {
            let known: Vec<&str> = params.iter().map(|param| param.name).collect();
            faults.push(format!("{kind} has no parameter {name:?}{}", suggestion(name, &known)));
            continue;
        };
        if !seen.insert(name) {
            faults.push(format!("{name} of {kind} is set twice"));
            continue;
        }
        match read(param.range, text) {
            Some(value) => {
                values.insert(param.name, value);
            }
            None => faults.push(format!("{name} of {kind} is {text:?}; want {}", param.range)),
        }
    }
    values
}

/// The settings of the bases of a stack, one for each tail.
fn bases(stack: &Settings, set: &[(String, String)], faults: &mut Vec<String>) -> Vec<Settings> {
    let Value::Words(kinds) = stack.value("bases") else { panic!("the bases are words") };
    let n_tails = stack.wholes("tails").len();
    if n_tails > BASES_MAX {
        faults.push(format!("stack has {n_tails} tails; want at most {BASES_MAX}"));
    }
    if kinds.len() != 1 && kinds.len() != n_tails {
        faults
            .push(format!("stack has {} bases and {n_tails} tails; want one base, or one for each tail", kinds.len()));
        return Vec::new();
    }
    let kind_of = |word: &str| Kind::from_name(word).expect("the table names kinds");
    let kinds: Vec<Kind> = (0..n_tails).map(|tail| kind_of(kinds[tail % kinds.len()])).collect();
    let has = |kind: Kind, name: &str| spec(kind).params.iter().any(|param| param.name == name);
    let stripped: Vec<(String, String)> =
        set.iter().map(|(name, text)| (name[OF_BASES.len()..].to_owned(), text.clone())).collect();
    for (name, _) in &stripped {
        if !kinds.iter().any(|kind| has(*kind, name)) {
            let known: BTreeSet<&str> =
                kinds.iter().flat_map(|kind| spec(*kind).params).map(|param| param.name).collect();
            let known: Vec<&str> = known.into_iter().collect();
            faults.push(format!("no base of the stack has a parameter {name:?}{}", suggestion(name, &known)));
        }
    }
    let mut of_bases = Vec::new();
    let make = |kind: Kind| {
        let own: Vec<_> = stripped.iter().filter(|(name, _)| has(kind, name)).cloned().collect();
        Settings { kind, values: own_values(kind, &own, &mut of_bases), bases: Vec::new() }
    };
    let made = kinds.into_iter().map(make).collect();
    of_bases.dedup();
    faults.extend(of_bases);
    made
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
        None if known.is_empty() => "; it has none".to_owned(),
        None => format!("; there are {}", known.join(", ")),
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

/// The text of `docs/KINDS.md`.
#[must_use]
pub fn kinds_markdown() -> String {
    let mut text = String::from(
        "# Kinds of model\n\n\
         What `arena train --kind KIND --set NAME=VALUE` can fit, generated from the table in `src/training/kinds.rs`\n\
         (`ARENA_UPDATE_DOCS=1 cargo test --lib training::kinds` rewrites this file). A wrong name or value is refused\n\
         before any work.\n\n\
         The target is the ratio of exit to entry price over the horizon, and so is every estimate. The same rows,\n\
         parameters and seed give the same artefact, byte for byte, on the same kind of machine. Refused by every kind,\n\
         with the first place where it shows: values that are not finite, too few rows, and a column that has one value\n\
         in all training rows. `ols`, alone or in a stack, also refuses a column that is a linear function of the ones\n\
         before it; the penalised kinds share the weight between them.\n",
    );
    for spec in KINDS {
        text += &format!("\n## {}\n\n{}\n\n", spec.kind, spec.what);
        text += &format!("Estimate: {}.\n\nSource: {}.\n", spec.estimate, spec.source);
        if spec.params.is_empty() {
            text += "\nIt has no parameters.\n";
            continue;
        }
        text += "\n| parameter | range | default | meaning |\n|---|---|---|---|\n";
        for param in spec.params {
            let meaning = param.meaning.replace('|', "\\|");
            text += &format!("| `{}` | {} | `{}` | {meaning} |\n", param.name, param.range, param.default);
        }
        if spec.kind == Kind::Stack {
            text += "| `base.NAME` | as of the base | as of the base | parameter NAME of every base that has it |\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_document_of_kinds_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/KINDS.md");
        if std::env::var_os("ARENA_UPDATE_DOCS").is_some() {
            std::fs::write(path, kinds_markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == kinds_markdown(),
            "docs/KINDS.md is stale: run ARENA_UPDATE_DOCS=1 cargo test --lib training::kinds"
        );
    }

    #[test]
    fn every_kind_has_its_line_and_its_defaults_read_back_to_themselves() {
        assert_eq!(KINDS.iter().map(|spec| spec.kind).collect::<Vec<_>>(), Kind::ALL);
        for kind in Kind::ALL {
            let defaults = parse(kind.name(), &[]).unwrap();
            assert_eq!(parse(kind.name(), &defaults.params()).unwrap(), defaults, "{kind}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_would_be_right() {
        let faults = |kind: &str, pairs: &[(&str, &str)]| parse(kind, &set(pairs)).unwrap_err();
        assert_eq!(faults("kn", &[]), ["there is no kind \"kn\"; did you mean \"knn\"?"]);
        assert_eq!(
            faults("perceptron", &[]),
            ["there is no kind \"perceptron\"; there are knn, ols, ridge, lasso, elastic_net, logistic, svr, stack, \
              forest, gbm"]
        );
        assert_eq!(
            faults("knn", &[("weigths", "uniform"), ("k", "0"), ("scale", "Standard")]),
            [
                "knn has no parameter \"weigths\"; did you mean \"weights\"?",
                "k of knn is \"0\"; want a whole number from 1 to 1000",
                "scale of knn is \"Standard\"; want one of none, standard",
            ]
        );
        assert_eq!(faults("ols", &[("alpha", "1")]), ["ols has no parameter \"alpha\"; it has none"]);
        assert_eq!(faults("ridge", &[("alpha", "1"), ("alpha", "2")]), ["alpha of ridge is set twice"]);
        for value in ["", "nan", "inf", "-1", "1e13", "one"] {
            let want = format!("alpha of ridge is {value:?}; want a number from 0 to 1000000000000");
            assert_eq!(faults("ridge", &[("alpha", value)]), [want]);
        }
        assert_eq!(
            faults("lasso", &[("alpha", "0")]),
            ["alpha of lasso is \"0\"; want a number above 0, at most 1000000000000"]
        );
    }

    #[test]
    fn a_stack_gives_its_bases_what_is_theirs() {
        let stack = parse("stack", &set(&[("tails", "2,4"), ("bases", "knn+ridge"), ("base.k", "9")])).unwrap();
        assert_eq!(stack.bases()[0].whole("k"), 9);
        assert_eq!(stack.bases()[1].kind(), Kind::Ridge);
        let want = set(&[
            ("base.alpha", "1"),
            ("base.k", "9"),
            ("base.scale", "standard"),
            ("base.weights", "uniform"),
            ("bases", "knn+ridge"),
            ("folds", "5"),
            ("tails", "2+4"),
        ]);
        let scaled = parse(
            "stack",
            &set(&[("tails", "2,4"), ("bases", "knn+ridge"), ("base.k", "9"), ("base.scale", "standard")]),
        );
        assert_eq!(scaled.unwrap().params(), want);
        let faults = |pairs: &[(&str, &str)]| parse("stack", &set(pairs)).unwrap_err();
        assert_eq!(
            faults(&[("bases", "ridge"), ("base.alhpa", "2")]),
            ["no base of the stack has a parameter \"alhpa\"; did you mean \"alpha\"?"]
        );
        assert_eq!(
            faults(&[("tails", "2+3"), ("bases", "ols+ridge+knn")]),
            ["stack has 3 bases and 2 tails; want one base, or one for each tail"]
        );
        assert_eq!(
            faults(&[("tails", "5+3")]),
            ["tails of stack is \"5+3\"; want rising whole numbers from 1 to 4096, as 5+20+60"]
        );
        assert_eq!(
            faults(&[("bases", "ridge"), ("base.alpha", "-2")]),
            ["alpha of ridge is \"-2\"; want a number from 0 to 1000000000000"]
        );
        assert_eq!(parse("stack", &set(&[("bases", "stack")])).unwrap_err().len(), 1);
    }
}
