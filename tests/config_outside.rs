//! What a configuration names outside of it: trained versions, strategies, data sets. Faults say what would be right, and
//! what runs is what was looked up.

#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test ends where something unexpected happens")]

use std::path::Path;
use std::sync::Arc;

use arena::config::{self, Config, Pinned, Places, Program, Resolver, TrainedVersion, not_in_registry, pins_of};
use arena::domain::{Candidate, ContentHash, Micros, ModelSpec, Resolution};

/// A registry of three versions, a folder of one strategy, a data folder of one set.
#[derive(Debug)]
struct Shelf {
    /// What `knn@latest` leads to.
    latest: u8,
}

fn version(number: u8) -> TrainedVersion {
    TrainedVersion {
        exact: format!("knn@{number}"),
        name: "knn".to_owned(),
        version: number.to_string(),
        kind: if number == 3 { "ridge" } else { "knn" }.to_owned(),
        artefact: ContentHash([number; 32]),
        features: "{\"lags\":4}".to_owned(),
        lookback: 4,
        bar: if number == 2 { "5m" } else { "1m" }.parse().unwrap(),
        symbol: "A".to_owned(),
        horizon_bars: 3,
        quantiles: if number == 3 { Vec::new() } else { (0..=100).map(|n| f64::from(n) / 1_000.0).collect() },
        card: format!("models/knn/{number}/card.toml"),
        data: Vec::new(),
    }
}

impl Resolver for Shelf {
    fn version(&self, places: &Places, reference: &str) -> Result<Arc<TrainedVersion>, String> {
        match reference {
            "knn@latest" => Ok(Arc::new(version(self.latest))),
            "knn@1" => Ok(Arc::new(version(1))),
            "knn@2" => Ok(Arc::new(version(2))),
            "knn@3" => Ok(Arc::new(version(3))),
            "knn@9" => {
                Err("a version that is whole: model.safetensors was altered: its SHA-256 is bb, where the card \
                            says aa"
                    .to_owned())
            }
            _ => Err(not_in_registry(places, &["knn@1".to_owned(), "knn@2".to_owned()])),
        }
    }

    fn program(&self, _: &Places, command: &[String], files: Option<&[String]>) -> Result<Program, String> {
        let word = files.map_or(command.len(), <[String]>::len);
        if command[0] == "gone" {
            return Err("a program that is there: no \"gone\" in PATH".to_owned());
        }
        Ok(Program { hash: ContentHash([u8::try_from(word).unwrap(); 32]), files: command.len() - 1 })
    }

    fn data_set(&self, _: &Places, name: &str) -> Result<Resolution, String> {
        if name == "csv/A/1m" { Ok("1m".parse().unwrap()) } else { Err("a data set: there is csv/A/1m".to_owned()) }
    }
}

const HEAD: &str = "[[markets]]\nepic = \"A\"\n[[markets]]\nepic = \"B\"\n[[models]]\nname = \"m\"\nepic = \"A\"\n";
const TAIL: &str = "stop = 8\nlimit = 12\n";

fn examined(entry: &str) -> config::Examined {
    config::examine_with(&format!("{HEAD}{entry}\n{TAIL}"), "arena.toml", Path::new(""), &Shelf { latest: 1 })
}

fn good(entry: &str) -> Config {
    let examined = examined(entry);
    examined.config.unwrap_or_else(|| panic!("{entry}: {:?}", examined.problems))
}

fn only(entry: &str) -> Candidate {
    let mut config = good(entry);
    assert_eq!(config.candidates.len(), 1, "{entry}");
    config.candidates.remove(0)
}

/// Faults as `path is got; want want`, and what was remarked of the models.
fn told(entry: &str) -> (Vec<String>, Vec<String>) {
    let examined = examined(entry);
    let problems = examined.problems.iter().map(|p| format!("{} is {}; want {}", p.path, p.got, p.want)).collect();
    (problems, examined.notices.into_iter().filter(|notice| notice.starts_with("models[")).collect())
}

#[test]
fn a_version_is_a_candidate_with_its_own_horizon() {
    let candidate = only("model = \"knn@1\"");
    let spec = ModelSpec::Trained {
        artefact: ContentHash([1; 32]),
        features: "{\"lags\":4}".to_owned(),
        threshold: 1.0,
        max_distance: None,
        lookback: 4,
    };
    assert_eq!((candidate.spec, candidate.hold, candidate.version.as_str()), (spec, Micros(180_000_000), "1"));
    assert!(only("model = \"knn@1\"").ticket(0).as_str().starts_with("m@1#"));
    let lineage = candidate.lineage.unwrap();
    assert_eq!((lineage.reference.as_str(), lineage.card.as_str()), ("knn@1", "models/knn/1/card.toml"));
    assert_eq!(told("model = \"knn@1\"\nhold = \"3m\""), (vec![], vec![]));
}

#[test]
fn a_gate_is_a_quantile_of_the_training_distances_or_a_distance() {
    for (gate, distance, share) in [
        ("max_distance = 0.6", Some(0.06), Some(0.4)),
        ("max_distance = 1", Some(0.1), Some(0.0)),
        ("max_distance = { absolute = 0.025 }", Some(0.025), Some(0.75)),
        ("", None, None),
    ] {
        let candidate = only(&format!("model = \"knn@1\"\n{gate}"));
        let ModelSpec::Trained { max_distance, .. } = candidate.spec else { panic!("{gate}") };
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (a, b) => a == b,
        };
        assert!(near(max_distance, distance), "{gate}: {max_distance:?}");
        let told = candidate.lineage.unwrap().training_abstentions;
        assert!(near(told, share), "{gate}: {told:?}");
    }
}

#[test]
fn all_that_makes_it_what_it_is_makes_its_identity() {
    let mut hashes: Vec<ContentHash> = [
        "model = \"knn@1\"",
        "model = \"knn@3\"",
        "model = \"knn@1\"\nthreshold = 1.0001",
        "model = \"knn@1\"\nmax_distance = 0.5",
        "model = \"knn@1\"\nmax_distance = 0.6",
        "model = \"knn@1\"\nhold = \"4m\"",
        "kind = \"process\"\nhold = \"3m\"\nparams = { command = [\"sh\", \"a\"] }",
        "kind = \"process\"\nhold = \"3m\"\nparams = { command = [\"sh\", \"a\", \"b\"] }",
        "kind = \"process\"\nhold = \"3m\"\nparams = { command = [\"sh\", \"a\"], deadline = \"100ms\" }",
        "kind = \"process\"\nhold = \"3m\"\nparams = { command = [\"sh\", \"a\"], lookback = 1 }",
    ]
    .iter()
    .map(|entry| only(entry).content_hash)
    .collect();
    let n = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), n);
    // However it is written, it is the same.
    let absolute = only("model = \"knn@latest\"\nmax_distance = { absolute = 0.06 }").content_hash;
    assert_eq!(absolute, only("model = \"knn@1\"\nmax_distance = 0.6").content_hash);
}

#[test]
fn everything_of_it_can_be_swept() {
    let entry = "model = \"knn@1\"\n[models.sweep]\nmodel = [\"knn@1\", \"knn@3\"]\nthreshold = [1.0, 1.0001]\n\
                 hold = [\"2m\", \"3m\"]\nstop = [6, 8]\nlimit = [9, 12]\n";
    let config = config::parse_with(&format!("{HEAD}{TAIL}{entry}"), "x", Path::new(""), &Shelf { latest: 1 }).unwrap();
    assert_eq!(config.candidates.len(), 32);
    assert_eq!(config.candidates[0].id.as_str(), "m:model=knn@1,threshold=1.0,hold=2m,stop=6,limit=9");
    let entry = "model = \"knn@1\"\n[models.sweep]\nmax_distance = [0.5, { absolute = 0.01 }]\n";
    let config = config::parse_with(&format!("{HEAD}{TAIL}{entry}"), "x", Path::new(""), &Shelf { latest: 1 }).unwrap();
    let gates: Vec<_> = config.candidates.iter().map(|c| c.spec.clone()).collect();
    assert!(
        matches!(gates[..], [
        ModelSpec::Trained { max_distance: Some(a), .. },
        ModelSpec::Trained { max_distance: Some(b), .. },
    ] if a == 0.05 && b == 0.01),
        "{gates:?}"
    );
}

#[test]
fn faults_say_what_would_be_right() {
    let fault = |text: &str| (vec![text.to_owned()], vec![]);
    for (entry, want) in [
        (
            "model = \"knn@7\"",
            fault("models[0].model is \"knn@7\"; want a version in the registry `models/`, which holds knn@1, knn@2"),
        ),
        (
            "model = \"knn@9\"",
            fault(
                "models[0].model is \"knn@9\"; want a version that is whole: model.safetensors was altered: its \
                   SHA-256 is bb, where the card says aa",
            ),
        ),
        (
            "model = \"knn@1\"\nbar = \"5m\"",
            fault("models[0].bar is \"5m\"; want \"1m\", the bar that knn@1 was trained on"),
        ),
        (
            "model = \"knn@3\"\nmax_distance = 0.5",
            fault("models[0].max_distance is 0.5; want no gate: knn@3 is of the kind ridge, which has no neighbours"),
        ),
        (
            "model = \"knn@1\"\nparams = { lookback = 3 }",
            fault(
                "models[0].params.lookback is an unknown key; want a parameter of a trained version, which has no params",
            ),
        ),
        (
            "kind = \"momentum\"\nmodel = \"knn@1\"\nhold = \"3m\"",
            fault("models[0].model is \"knn@1\"; want either kind or model, not both"),
        ),
        (
            "model = \"knn@1\"\nwarmup = \"csv/A/5m\"",
            fault("models[0].warmup is \"csv/A/5m\"; want a data set: there is csv/A/1m"),
        ),
        (
            "kind = \"process\"\nparams = { command = [\"gone\"] }\nhold = \"3m\"",
            fault("models[0].params.command is [\"gone\"]; want a program that is there: no \"gone\" in PATH"),
        ),
        (
            "kind = \"process\"\nparams = { command = [\"sh\", \"a\"], deadline = \"3s\" }\nhold = \"3m\"",
            fault("models[0].params.deadline is \"3s\"; want at most arena.model_deadline, which is 2s"),
        ),
        (
            "kind = \"process\"\nparams = { command = \"sh\" }\nhold = \"3m\"",
            fault(
                "models[0].params.command is \"sh\"; want a list of texts, such as [\"python3\", \"strategies/fade.py\"]",
            ),
        ),
        (
            "kind = \"process\"\nhold = \"3m\"",
            fault("models[0].params.command is missing; want a list of texts: 1 to 1000 texts"),
        ),
        (
            "kind = \"process\"\nparams = { command = [\"sh\", \"a\"] }",
            fault("models[0].hold is missing; want a length of time: 1s to 366d"),
        ),
    ] {
        assert_eq!(told(entry), want, "{entry}");
    }
}

#[test]
fn what_is_odd_is_remarked() {
    let notice = |text: &str| (vec![], vec![text.to_owned()]);
    for (entry, want) in [
        ("model = \"knn@1\"\nhold = \"10m\"", "models[0]: hold is 10m, yet knn@1 was trained for a horizon of 3m"),
        (
            "model = \"knn@1\"\nthreshold = 0.999",
            "models[0]: with a threshold below 1 a prediction of no change at all is a long signal",
        ),
        (
            "kind = \"process\"\nparams = { command = [\"sh\"] }\nhold = \"3m\"",
            "models[0]: no argument of params.command is a file: its identity covers the command alone; name what it is \
             made of with params.files",
        ),
    ] {
        assert_eq!(told(entry), notice(want), "{entry}");
    }
    let text =
        format!("{HEAD}{TAIL}model = \"knn@1\"\n").replace("name = \"m\"\nepic = \"A\"", "name = \"m\"\nepic = \"B\"");
    let config = config::parse_with(&text, "x", Path::new(""), &Shelf { latest: 1 }).unwrap();
    assert!(config.notices.contains(&"models[0]: knn@1 was trained on A, not on B".to_owned()), "{:?}", config.notices);
}

#[test]
fn an_alias_stays_with_what_it_led_to() {
    let text = format!("{HEAD}{TAIL}model = \"knn@latest\"\n");
    let first = config::parse_with(&text, "x", Path::new(""), &Shelf { latest: 1 }).unwrap();
    assert_eq!(first.pins, [("knn@latest".to_owned(), "knn@1".to_owned())]);
    assert_eq!(pins_of(&first.canonical), first.pins);
    // The alias moves; what is journalled leads to where it led.
    let later = Shelf { latest: 3 };
    let moved = config::parse_with(&text, "x", Path::new(""), &later).unwrap();
    assert_ne!(moved.hash, first.hash);
    let pins = pins_of(&first.canonical);
    let pinned = config::parse_with(&text, "x", Path::new(""), &Pinned { pins: &pins, inner: &later }).unwrap();
    assert_eq!((pinned.hash, pinned.canonical), (first.hash.clone(), first.canonical.clone()));
    // Another name for the same is another text, and another version another candidate.
    let named = text.replace("knn@latest", "knn@3");
    let other = config::parse_with(&named, "x", Path::new(""), &Pinned { pins: &pins, inner: &later }).unwrap();
    assert_eq!(config::diff(&first, &other).changed.len(), 1);
}

#[test]
fn models_of_one_stream_begin_with_one_data_set() {
    let entry = "model = \"knn@1\"\nwarmup = \"csv/A/1m\"\n";
    let config = good(entry);
    let warmups: Vec<_> = config.warmups.values().collect();
    assert_eq!(warmups, ["csv/A/1m"]);
    assert!(config.canonical.contains("warmup.A.1m = csv/A/1m\n"), "{}", config.canonical);
}
