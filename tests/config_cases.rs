//! Configurations, good and bad: what is refused, where, and what is said to be right.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

use std::fmt::Write as _;
use std::path::Path;

use arena::config::{self, Config, Problem};
use proptest::prelude::*;

/// A file without a fault that the cases below spoil, one place at a time.
const BASE: &str = r#"[arena]
name = "cases"
seed = 7

[[markets]]
epic = "A"
currency = "GBP"
point = 0.0001
size_min = 0.5
stop_min_points = 2
session = "Sun 22:00-Fri 22:00 Europe/London"

[[markets]]
epic = "B"
point = 0.01

[paper]
latency = "250ms"

[promotion]
min_episodes = 100

[[models]]
name = "m"
epic = "A"
bar = "1m"
kind = "momentum"
params = { lookback = 5, threshold = 0.00005 }
hold = "3m"
stop = 8
limit = 12
[models.sweep]
"params.lookback" = [3, 5]
stop = [6, 8.5]

[[models]]
name = "r"
epic = "B"
kind = "random"
params = { rate = 0.1 }
hold = "3m"
stop = 8
limit = 12
"#;

/// A name, and what is replaced by what.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    ("no fault", &[]),
    ("a syntax error", &[("seed = 7", "seed = ")]),
    ("a syntax error and a fault behind it", &[("seed = 7", "seed 7"), ("size_min = 0.5", "size_min = -1")]),
    ("a key written twice", &[("seed = 7", "seed = 7\nseed = 8")]),
    ("an unknown key with a near one", &[("min_episodes = 100", "min_episode = 100")]),
    ("an unknown key with none near", &[("seed = 7", "zzz = 7")]),
    ("an unknown key of a model", &[("bar = \"1m\"", "barr = \"1m\"")]),
    ("an unknown table", &[("[paper]", "[papier]")]),
    ("an unknown key before any table", &[("[arena]\nname", "speed = 3\n[arena]\nname")]),
    (
        "a table that is a value",
        &[("[paper]\nlatency = \"250ms\"", "[paper]\n"), ("[arena]", "paper = 3\n[arena]"), ("[paper]\n", "")],
    ),
    ("markets that are one table", &[("[[markets]]\nepic = \"B\"\npoint = 0.01\n", ""), ("[[markets]]", "[markets]")]),
    (
        "wrong types",
        &[
            ("seed = 7", "seed = \"seven\"\nrecord_predictions = 1\nname2 = 1979-05-27"),
            ("hold = \"3m\"\nstop = 8\nlimit = 12\n[", "hold = 3\nstop = \"8\"\nlimit = []\n["),
        ],
    ),
    (
        "notifications that nobody could get",
        &[(
            "[paper]",
            "[notify]\nevents = [\"halt\", \"halts\"]\nwebhook = \"ftp://x\"\ntelegram_url = \"http://bots.example.org\"\nsmtp = \
             \"mail:25\"\nemail_from = \"nobody\"\nsubject = \"{{ modle }}\"\ntext = \"\"\"{{ model }}\n{{ reason\"\"\"\nburst = 0\n\n[paper]",
        )],
    ),
    ("mail from nobody to nobody", &[("[paper]", "[notify]\nsmtp = \"smtps://mail.example.org\"\n\n[paper]")]),
    (
        "out of range",
        &[("min_episodes = 100", "min_episodes = 0\nmin_days = -1\nalpha = 0\nalpha_slots = 99999999999")],
    ),
    (
        "not finite",
        &[
            ("size_min = 0.5", "size_min = nan"),
            ("min_episodes = 100", "floor_r = inf"),
            ("threshold = 0.00005", "threshold = -nan"),
        ],
    ),
    (
        "negative",
        &[
            ("point = 0.0001", "point = -0.0001"),
            ("stop = 8\nlimit = 12\n[", "stop = -8\nlimit = -12\n["),
            ("threshold = 0.00005", "threshold = -0.1"),
        ],
    ),
    (
        "too fine for a price",
        &[
            ("stop = [6, 8.5]", "stop = [6, 8.005]"),
            ("latency = \"250ms\"", "latency = \"250ms\"\nslippage_points = 0.00001"),
        ],
    ),
    ("more than six decimals", &[("size_min = 0.5", "size_min = 0.50000001")]),
    (
        "numbers beyond all bounds",
        &[("point = 0.0001", "point = 1e2147483647"), ("size_min = 0.5", "size_min = 1e-2147483648")],
    ),
    ("the epic of a market is missing", &[("epic = \"A\"\ncurrency", "currency")]),
    ("two markets of one epic", &[("epic = \"B\"\npoint", "epic = \"A\"\npoint")]),
    (
        "no market",
        &[
            ("[[markets]]\nepic = \"B\"\npoint = 0.01\n", ""),
            (
                "[[markets]]\nepic = \"A\"\ncurrency = \"GBP\"\npoint = 0.0001\nsize_min = 0.5\nstop_min_points = 2\nsession = \"Sun 22:00-Fri 22:00 Europe/London\"\n",
                "",
            ),
        ],
    ),
    ("two currencies", &[("epic = \"B\"\npoint", "epic = \"B\"\ncurrency = \"USD\"\npoint")]),
    ("no currency", &[("currency = \"GBP\"", "currency = \"pounds\"")]),
    ("bad hours", &[("Fri 22:00 Europe/London", "Fri 25:00 Europe/London")]),
    ("a bad zone", &[("Europe/London", "Europe/Londn")]),
    ("an epic that no market has", &[("epic = \"B\"\nkind", "epic = \"C\"\nkind")]),
    ("no epic where there are several", &[("epic = \"B\"\nkind", "kind")]),
    (
        "stop, limit and hold are missing",
        &[("hold = \"3m\"\nstop = 8\nlimit = 12\n[models.sweep]", "[models.sweep]"), ("stop = [6, 8.5]", "")],
    ),
    (
        "a swept key need not be written beside",
        &[("hold = \"3m\"\nstop = 8\nlimit = 12\n[models.sweep]", "hold = \"3m\"\nlimit = 12\n[models.sweep]")],
    ),
    ("a stop below the market's", &[("stop = [6, 8.5]", "stop = [6, 1]")]),
    (
        "a size below the market's",
        &[("hold = \"3m\"\nstop = 8\nlimit = 12\n[", "size = 0.4\nhold = \"3m\"\nstop = 8\nlimit = 12\n[")],
    ),
    (
        "a size beyond money",
        &[
            ("point = 0.0001", "point = 0.000001\nvalue_per_point = 1000000"),
            ("hold = \"3m\"\nstop = 8\nlimit = 12\n[", "size = 1000000\nhold = \"3m\"\nstop = 8\nlimit = 12\n["),
        ],
    ),
    ("no kind and no model", &[("kind = \"random\"\n", "")]),
    (
        "kind and model",
        &[(
            "kind = \"random\"\nparams = { rate = 0.1 }",
            "kind = \"random\"\nmodel = \"knn@3\"\nparams = { rate = 0.1 }",
        )],
    ),
    ("an unknown kind", &[("kind = \"random\"", "kind = \"randon\"")]),
    (
        "parameters missing",
        &[
            ("params = { lookback = 5, threshold = 0.00005 }\n", ""),
            ("\"params.lookback\" = [3, 5]\n", ""),
            ("params = { rate = 0.1 }", ""),
        ],
    ),
    ("parameters unknown", &[("rate = 0.1 }", "rate = 0.1, rat = 2, lookback = 3 }")]),
    (
        "parameters out of range",
        &[("rate = 0.1", "rate = 1.5"), ("[3, 5]", "[3, 0]"), ("lookback = 5,", "lookback = 2.5,")],
    ),
    (
        "keys of trained versions beside a rule",
        &[("params = { rate = 0.1 }", "params = { rate = 0.1 }\nthreshold = 1.00005\nmax_distance = 0.6")],
    ),
    (
        "a trained version",
        &[("kind = \"random\"\nparams = { rate = 0.1 }", "model = \"knn@3\"\nmax_distance = { absolute = 0.002 }")],
    ),
    ("a bar that divides no day", &[("bar = \"1m\"", "bar = \"7m\"")]),
    ("a bar too long", &[("bar = \"1m\"", "bar = \"2h\"")]),
    ("a bar not longer than the latency", &[("latency = \"250ms\"", "latency = \"1m\"")]),
    ("a hold of nothing", &[("hold = \"3m\"\nstop = 8\nlimit = 12\n[", "hold = \"0s\"\nstop = 8\nlimit = 12\n[")]),
    ("bad counts and words", &[("bar = \"1m\"", "bar = \"1m\"\npredict_every = 0\ndirection = \"up\"")]),
    (
        "duplicate names",
        &[
            ("name = \"r\"\nepic", "name = \"m\"\nepic"),
            ("[models.sweep]\n\"params.lookback\" = [3, 5]\nstop = [6, 8.5]\n", ""),
        ],
    ),
    ("bad names", &[("name = \"r\"\nepic", "name = \"r:s\"\nepic"), ("name = \"cases\"", "name = \"\"")]),
    ("an empty list in a sweep", &[("stop = [6, 8.5]", "stop = []")]),
    ("no list in a sweep", &[("stop = [6, 8.5]", "stop = 6")]),
    ("a value twice in a sweep", &[("[3, 5]", "[3, 5, 3]")]),
    ("a sweep of unknown keys", &[("stop = [6, 8.5]", "stopp = [6]\n\"params.lookbak\" = [1]\nparams = [1]")]),
    (
        "too many candidates",
        &[(
            "stop = [6, 8.5]",
            "stop = [1,2,3,4,5,6,7,8,9,10]\nlimit = [1,2,3,4,5,6,7,8,9,10]\nsize = [1,2,3,4,5,6,7,8,9,10]\npredict_every = [1,2,3,4,5,6,7,8,9,10]\nfloor_r = [1,2,3,4,5,6,7,8,9,10]",
        )],
    ),
    (
        "promotion's own rules",
        &[(
            "min_episodes = 100",
            "lambda_cap = 1.0\nfloor_r = 0.5\ncap_r = 0.0\nramp = [0.5, 0.25, 1.0]\nbets = 1\ncost_stress = 0.9",
        )],
    ),
    ("bets too large for the floor", &[("min_episodes = 100", "lambda_min = 0.3")]),
    ("bets too large for a model's floor", &[("params = { rate = 0.1 }", "params = { rate = 0.1 }\nfloor_r = 90")]),
    ("a ramp that does not end at one", &[("min_episodes = 100", "ramp = [0.25, 0.5]")]),
    (
        "not built yet",
        &[(
            "min_episodes = 100",
            "min_episodes = 100\n\n[mirror]\nsql = \"\"\nquotes = 1\n\n[cluster]\nnats = \"nats://here\"\n\n[registry]\nmlflow = \"127.0.0.1:5000\"\n\n[feed]\nsource = \"nats\"",
        )],
    ),
    (
        "promotion out of its ranges",
        &[(
            "min_episodes = 100",
            "min_dsr = 1.0\nlive_slots = 0\nslot_reuse = \"lend\"\nunit = \"trade\"\ndd_limit_r = \"off\"\nmax_feed_gap = 3\nmax_rejects = 0\nanchor = \"mlflow:\"\nparity_miss_rate = 0.1\nmax_live_risk = -1\nfutility_e = 1.0\ndetector_arl = 1",
        )],
    ),
    ("a cap below the edge that is to be kept", &[("min_episodes = 100", "keep_edge_r = 0.2\ncap_r = 0.1")]),
    (
        "a model's cap that is too high for its bets",
        &[("params = { rate = 0.1 }", "params = { rate = 0.1 }\ncap_r = 95")],
    ),
    ("rounds too wide for the smallest bet", &[("min_episodes = 100", "round_floor_r = 50\nround_cap_r = 50")]),
    (
        "every key of promotion",
        &[(
            "min_episodes = 100",
            "min_dsr = 0.5\nlive_slots = 2\nslot_reuse = \"inherit\"\nunit = \"round\"\ndd_limit_r = 20\nmax_paper_drawdown_r = 25\nmax_feed_gap = \"off\"\nmax_rejects = \"off\"\nanchor = \"heads.txt\"\nmax_live_risk = 100\nmin_useful_edge_r = -5",
        )],
    ),
    (
        "a faulty connection to IG",
        &[(
            "min_episodes = 100",
            "min_episodes = 100\n\n[feed]\nsource = \"IG\"\n\n[ig]\nenvironment = \"paper\"\naccount = \"my account\"\nprices = \"market\"\nrest_url = \"http://api.ig.com/gateway/deal\"\npassword = \"secret\"",
        )],
    ),
    (
        "real money at IG",
        &[(
            "min_episodes = 100",
            "min_episodes = 100\n\n[feed]\nsource = \"ig\"\n\n[ig]\nenvironment = \"live\"\naccount = \"ABC-1\"\nprices = \"chart\"\nrest_url = \"http://localhost:9000/gateway/deal/\"",
        )],
    ),
    (
        "not built yet, at the default",
        &[(
            "min_episodes = 100",
            "min_dsr = 0.9\nmax_paper_drawdown_r = \"off\"\ndetector_arl = 1000.0\n\n[ig]\nenvironment = \"demo\"\naccount = \"\"\n\n[mirror]\nsql = \"\"",
        )],
    ),
    (
        "quotes of an unknown epic",
        &[("[paper]", "[feed]\nsource = \"replay\"\nquotes = { A = \"a.csv\", C = \"c.csv\", B = 3 }\n\n[paper]")],
    ),
    ("no address", &[("[paper]", "[server]\nlisten = \"here\"\n\n[paper]")]),
];

fn spoilt(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(BASE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the case replaces {from:?}, which is not there");
        text.replacen(from, to, 1)
    })
}

fn problems_of(text: &str) -> Vec<Problem> {
    config::parse(text, "arena.toml", Path::new("")).err().unwrap_or_default()
}

fn good(text: &str) -> Config {
    match config::parse(text, "arena.toml", Path::new("")) {
        Ok(config) => config,
        Err(problems) => panic!("{problems:#?}"),
    }
}

#[test]
fn every_fault_is_told_with_its_place() {
    let mut out = String::new();
    for (name, edits) in CASES {
        writeln!(out, "# {name}").unwrap();
        let examined = config::examine(&spoilt(edits), "arena.toml", Path::new(""));
        assert_eq!(examined.config.is_none(), !examined.problems.is_empty(), "{name}");
        for problem in &examined.problems {
            writeln!(out, "{problem}").unwrap();
        }
        if examined.problems.is_empty() {
            writeln!(out, "{} candidates", examined.declared.0).unwrap();
        }
    }
    insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("config_problems", out);
    });
}

#[test]
fn problems_come_in_order_of_place() {
    let text =
        spoilt(&[("min_episodes = 100", "min_episodes = 0"), ("seed = 7", "seed = -7"), ("rate = 0.1", "rate = 2")]);
    let lines: Vec<usize> = problems_of(&text).iter().map(|p| p.line).collect();
    assert_eq!(lines, [3, 21, 40]);
}

#[test]
fn a_problem_has_the_json_shape_of_the_contract() {
    let text = spoilt(&[("min_episodes = 100", "min_episodes = 0")]);
    let json = serde_json::to_string(&problems_of(&text)[0]).unwrap();
    let want =
        r#"{"file":"arena.toml","line":21,"column":16,"path":"promotion.min_episodes","got":"0","want":"at least 1"}"#;
    assert_eq!(json, want);
}

#[test]
fn sweeps_expand_in_written_order_the_last_key_fastest() {
    let text = BASE.replace(
        "\"params.lookback\" = [3, 5]\nstop = [6, 8.5]",
        "\"params.lookback\" = [3, 5]\n\"params.threshold\" = [3e-5]\nhold = [\"3m\", \"180s\"]",
    );
    let names: Vec<String> = good(&text).candidates.iter().map(|c| c.id.to_string()).collect();
    assert_eq!(
        names,
        [
            "m:lookback=3,threshold=0.00003,hold=3m",
            "m:lookback=3,threshold=0.00003,hold=180s",
            "m:lookback=5,threshold=0.00003,hold=3m",
            "m:lookback=5,threshold=0.00003,hold=180s",
            "r",
        ]
    );
}

#[test]
fn every_key_of_an_entry_can_be_swept() {
    for (key, values) in [
        ("name", "[\"x\", \"y\"]"),
        ("epic", "[\"A\", \"B\"]"),
        ("bar", "[\"1m\", \"5m\"]"),
        ("kind", "[\"momentum\", \"mean_reversion\"]"),
        ("\"params.lookback\"", "[3, 5]"),
        ("\"params.threshold\"", "[0, 0.1]"),
        ("params.lookback", "[3, 5]"),
        ("direction", "[\"long\", \"short\"]"),
        ("predict_every", "[1, 2]"),
        ("hold", "[\"3m\", \"5m\"]"),
        ("stop", "[6, 8.5]"),
        ("limit", "[6, 8.5]"),
        ("size", "[0.5, 2]"),
        ("floor_r", "[2, 3]"),
    ] {
        let text = BASE.replace("\"params.lookback\" = [3, 5]\nstop = [6, 8.5]", &format!("{key} = {values}"));
        let config = good(&text);
        assert_eq!(config.candidates.len(), 3, "{key}");
        if key != "name" {
            assert_ne!(config.candidates[0].content_hash, config.candidates[1].content_hash, "{key}");
        }
    }
}

#[test]
fn numbers_are_exact_and_distances_follow_the_market() {
    let config = good(BASE);
    let c = &config.candidates[1];
    assert_eq!(c.id.as_str(), "m:lookback=3,stop=8.5");
    // 8.5 points of 0.0001 and 12 of them
    assert_eq!((c.stop.to_string(), c.limit.to_string()), ("0.00085".to_owned(), "0.0012".to_owned()));
    // (8.5 + 20) points x 1.0 x 1.0 over 3 is 9.5, which is above the 8.5 at the stop
    assert_eq!(c.risk.rho_micros.to_bits(), 9_500_000_f64.to_bits());
    assert_eq!(config.markets.iter().map(|m| m.epic.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(config.candidates[4].epic, config.epic_idx(&"B".into()).unwrap());
}

#[test]
fn markets_stand_in_order_of_epic_however_they_are_written() {
    let text = BASE.replace("epic = \"A\"", "epic = \"Z\"");
    let config = good(&text);
    assert_eq!(config.markets.iter().map(|m| m.epic.as_str()).collect::<Vec<_>>(), ["B", "Z"]);
    assert_eq!(config.market(config.candidates[0].epic).epic.as_str(), "Z");
}

#[test]
fn identity_is_of_the_content_and_not_of_the_name() {
    let named = |text: &str| good(text).candidates[0].content_hash;
    let base = named(BASE);
    assert_eq!(base, named(&BASE.replace("name = \"m\"", "name = \"n\"")));
    for (from, to) in [
        ("point = 0.0001", "point = 0.001"),
        ("latency = \"250ms\"", "latency = \"251ms\""),
        ("latency = \"250ms\"", "latency = \"250ms\"\nslippage_points = 0.1"),
        ("min_episodes = 100", "floor_r = 2"),
        ("min_episodes = 100", "cost_stress = 1.5"),
        ("limit = 12", "limit = 13"),
        ("hold = \"3m\"", "hold = \"4m\""),
        ("[3, 5]", "[4, 5]"),
        ("size_min = 0.5", "funding_annual_rate = 0.03"),
        ("size_min = 0.5", "gap_allowance_points = 30"),
    ] {
        assert_ne!(base, named(&BASE.replacen(from, to, 1)), "{to}");
    }
    // A rule's own seed is no part of its content; that of the random control is, and depends on its name.
    let random = |text: &str| good(text).candidates[4].content_hash;
    assert_eq!(base, named(&BASE.replace("seed = 7", "seed = 8")));
    assert_ne!(random(BASE), random(&BASE.replace("seed = 7", "seed = 8")));
    assert_ne!(random(BASE), random(&BASE.replace("name = \"r\"", "name = \"s\"")));
}

#[test]
fn the_hash_covers_what_can_change_a_journal_alone() {
    let hash = |text: &str| good(text).hash;
    let base = hash(BASE);
    for same in [
        BASE.replace("seed = 7", "seed = 7\nmodels_per_host = 64\narbiters = 2\ndata = \"x\"\nmodels = \"y\""),
        BASE.replace("seed = 7", "seed = 7\nmodel_deadline = \"5s\"\ndisk_floor_mb = 1"),
        BASE.replace(
            "[paper]",
            "[feed]\nspeed = 0\n[bars]\ngrace = \"1s\"\n[server]\nlisten = \"127.0.0.1:1\"\n[paper]",
        ),
        format!("# a remark\n{BASE}"),
        BASE.replace("size_min = 0.5", "size_min = 0.50"),
    ] {
        assert_eq!(hash(&same), base, "{same}");
    }
    for other in [
        BASE.replace("seed = 7", "seed = 8"),
        BASE.replace("min_episodes = 100", "min_episodes = 101"),
        BASE.replace("name = \"r\"", "name = \"s\""),
        BASE.replace("stop_min_points = 2", "stop_min_points = 3"),
        BASE.replace("[paper]", "[bars]\nreset_after = \"2h\"\n[paper]"),
        BASE.replace("Fri 22:00", "Fri 21:00"),
    ] {
        assert_ne!(hash(&other), base, "{other}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let config = config::parse(BASE, "x", Path::new("/some/where")).unwrap();
    assert_eq!(config.arena.data, Path::new("/some/where/data"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("arena.toml");
    std::fs::write(&file, BASE.replace("seed = 7", "seed = 7\ndata = \"d\"\nmodels = \"/m\"")).unwrap();
    let config = config::load(&file, &config::Nothing).unwrap();
    assert_eq!((config.arena.data, config.arena.models), (folder.path().join("d"), "/m".into()));
}

#[test]
fn a_file_that_cannot_be_read_is_told_from_a_faulty_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("arena.toml");
    assert!(matches!(config::load(&file, &config::Nothing), Err(config::LoadError::Unreadable { .. })));
    std::fs::write(&file, b"[arena]\nname = \"\xff\"\n").unwrap();
    let Err(config::LoadError::Faulty(problems)) = config::load(&file, &config::Nothing) else { panic!("faulty") };
    assert_eq!((problems[0].line, problems[0].column), (2, 9));
    std::fs::write(&file, b"").unwrap();
    let Err(config::LoadError::Faulty(problems)) = config::load(&file, &config::Nothing) else { panic!("faulty") };
    assert_eq!(problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["markets", "models"]);
}

#[test]
fn many_candidates_are_packed() {
    let sizes: Vec<String> = (1..=300).map(|n| n.to_string()).collect();
    let text = BASE.replace("stop = [6, 8.5]", &format!("predict_every = [{}]", sizes.join(",")));
    let config = good(&text);
    assert_eq!((config.candidates.len(), config.arena.models_per_host), (601, 64));
    assert!(config.notices.iter().any(|n| n.contains("601 candidates share 128 alpha slots")), "{:?}", config.notices);
    assert_eq!(good(BASE).arena.models_per_host, 1);
}

#[test]
fn a_reload_tells_what_joins_what_leaves_and_what_must_wait() {
    let old = good(BASE);
    assert!(config::diff(&old, &good(&format!("{BASE}\n# a remark"))).is_empty());
    let text = BASE
        .replace("stop = [6, 8.5]", "stop = [6, 9]")
        .replace("params = { rate = 0.1 }", "params = { rate = 0.2 }\nbar = \"5m\"")
        .replace("min_episodes = 100", "min_episodes = 50\nalpha = 0.01\n[risk]\nmax_daily_loss = 1")
        .replace("seed = 7", "seed = 7\nmodels_per_host = 3")
        .replace("Fri 22:00", "Fri 21:00");
    let difference = config::diff(&old, &good(&text));
    insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_json_snapshot!("config_reload", difference);
    });
}

#[test]
fn the_shipped_file_is_right() {
    let config = config::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/arena.toml")), &config::Nothing).unwrap();
    assert_eq!((config.candidates.len(), config.markets.len()), (24, 1));
}

#[test]
fn the_example_lacks_a_trained_version_alone() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/arena.example.toml"));
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let examined = config::examine(&text, "arena.example.toml", Path::new(""));
    let line = 1 + text.lines().position(|line| line.starts_with("model =")).unwrap();
    let found: Vec<_> = examined.problems.iter().map(|p| (p.line, p.path.as_str(), p.got.as_str())).collect();
    assert_eq!(found, [(line, "models[1].model", "\"knn-eurusd@3\"")]);
    assert_eq!(examined.declared, (13, 1));
    // Without that entry it is a configuration.
    let rules_alone = text.split("# A trained version from the registry.").next().unwrap();
    let names: Vec<String> = good(rules_alone).candidates.iter().map(|c| c.id.to_string()).collect();
    assert_eq!(
        (names.len(), names[0].as_str(), names[11].as_str()),
        (12, "momentum:lookback=3,stop=6", "momentum:lookback=13,stop=10")
    );
}

#[test]
fn the_reference_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIG.md");
    let made = config::reference_markdown();
    if std::env::var_os("ARENA_UPDATE_DOCS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == made, "docs/CONFIG.md is not what the code says: run with ARENA_UPDATE_DOCS=1");
}

#[test]
fn every_default_is_accepted_where_it_is_written() {
    for key in config::KEYS.iter().filter(|key| !key.table.contains('[')) {
        let (config::Otherwise::Value(value) | config::Otherwise::Unbuilt(value, _)) = key.default else { continue };
        if value.is_empty() {
            continue;
        }
        let line = format!("{}.{} = {value}\n", key.table, key.name);
        let tables = BASE.find("[[markets]]").unwrap();
        let (head, rest) = ("", &BASE[tables..]);
        let rest = rest.replace("[paper]\nlatency = \"250ms\"", "").replace("[promotion]\nmin_episodes = 100", "");
        good(&format!("{head}{line}{rest}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a file, it is accepted or every fault has a place inside of it.
    #[test]
    fn no_bytes_make_it_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[\\PC\\n\"\\[\\]{}=.,#'0-9einf_+-]{0,8}"), 1..6),
    ) {
        let mut bytes = BASE.as_bytes().to_vec();
        for (at, length, with) in cuts {
            let from = at.index(bytes.len() + 1);
            let to = (from + length).min(bytes.len());
            bytes.splice(from..to, with.into_bytes());
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.split('\n').count();
        match config::parse(&text, "arena.toml", Path::new("")) {
            Ok(config) => prop_assert!(!config.candidates.is_empty()),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.line >= 1 && problem.line <= lines && problem.column >= 1, "{}", problem);
                    prop_assert!(!problem.got.is_empty() && !problem.want.is_empty(), "{}", problem);
                }
            }
        }
    }

    /// A line put somewhere else, or a value put where another stood.
    #[test]
    fn shuffled_values_do_not_make_it_panic(swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..8)) {
        let mut lines: Vec<String> = BASE.lines().map(str::to_owned).collect();
        for (a, b) in swaps {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            let value = lines[b].split_once(" = ").map(|(_, value)| value.to_owned());
            match (lines[a].split_once(" = ").map(|(key, _)| key.to_owned()), value) {
                (Some(key), Some(value)) => lines[a] = format!("{key} = {value}"),
                _ => lines.swap(a, b),
            }
        }
        let examined = config::examine(&lines.join("\n"), "arena.toml", Path::new(""));
        prop_assert_eq!(examined.config.is_none(), !examined.problems.is_empty());
    }
}
