//! `arena train` and `arena models` as people type them: exit codes, documents, what is left behind whatever happens.

#![expect(clippy::unwrap_used, reason = "tests")]

mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use arena::domain::{Micros, Ohlc, Price, PriceDelta, UtcMicros};
use arena::history::{
    Adjustment, Fetched, Folder, Format, Gaps, HistoryBar, MANIFEST_VERSION, Manifest, Rows, Sides, TimeSpan,
};
use arena::sim::rng::Rng;
use process::{Ran, arena, assert_shape, shell};
use serde_json::Value;

const T0: UtcMicros = UtcMicros(1_398_902_400_000_000); // 2014-05-01T00:00:00Z
const TRAIN: &[&str] =
    &["train", "--kind", "ols", "--data", "made/UP/1m", "--name", "made", "--features", "lags=4,spread"];

const LINE: &[(&str, &str)] = &[
    ("swept", "obj"),
    ("score", "num?"),
    ("kind", "str?"),
    ("parameters", "obj?"),
    ("features", "obj?"),
    ("horizon_bars", "int?"),
    ("artefact", "str?"),
    ("identity", "str?"),
    ("metrics", "obj?"),
    ("seconds", "num?"),
    ("registered", "str?"),
    ("error", "str?"),
];

const METRICS: &[(&str, &str)] = &[
    ("rows", "int"),
    ("mae", "num"),
    ("rmse", "num"),
    ("r2", "num?"),
    ("hit_rate", "num?"),
    ("up_share", "num"),
    ("abstained", "num"),
    ("trades", "int"),
    ("expectancy_r", "num?"),
    ("win_rate", "num?"),
    ("random", "obj"),
    ("flat", "obj"),
];

const BASELINE: &[(&str, &str)] =
    &[("mae", "num?"), ("rmse", "num?"), ("hit_rate", "num?"), ("expectancy_r", "num?"), ("expectancy_r_sd", "num?")];

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A data set of `n` bars below `dir/data`.
fn stored(dir: &Path, n: i64) {
    let mut rng = Rng::new(29, "a made-up past");
    let mut mid = 1_000_000.0_f64;
    let bars = (0..n).map(|at| {
        let before = mid;
        mid += 0.1 * (1_000_000.0 - mid) + 60.0 * rng.bell();
        let spread = rng.between(10.0, 20.0);
        let side = |up: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "a price of about one, in millionths")]
            let price = |value: f64| Price::from_micros((value + up).round() as i64);
            let (open, close) = (price(before), price(mid));
            Ohlc { open, high: open.max(close), low: open.min(close), close }
        };
        HistoryBar { start: T0 + Micros(at * 60_000_000), bid: side(0.0), offer: side(spread), quotes: 4 }
    });
    let rows = Rows::Two(bars.collect());
    let mut manifest = Manifest {
        version: MANIFEST_VERSION,
        source: "made".to_owned(),
        symbol: "UP".to_owned(),
        interval: "1m".parse().unwrap(),
        file: String::new(),
        sha256: String::new(),
        sides: Sides::Two,
        spread: PriceDelta::ZERO,
        price_decimals: 6,
        adjustment: Adjustment::None,
        zone: None,
        currency: None,
        rows: 0,
        from: T0,
        to: T0,
        dropped: BTreeMap::new(),
        request: BTreeMap::new(),
        gaps: Gaps::default(),
        covered: vec![TimeSpan { from: T0, to: T0 + Micros::DAY }],
        fetched: Fetched { first_at: T0, at: T0, requests: 1 },
    };
    let folder = Folder::open(&dir.join("data"), "made", "UP", manifest.interval).unwrap();
    folder.store(&mut manifest, &rows, Format::Csv).unwrap();
}

fn train(dir: &Path, more: &[&str]) -> Ran {
    arena(dir, &[TRAIN, more].concat())
}

/// Every file below `dir`, with its path from there.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn history_becomes_a_version_with_its_lineage() {
    let dir = folder();
    stored(dir.path(), 2_000);
    let trained = train(dir.path(), &["--json", "--seed", "5"]).is(0).json();
    assert_shape(
        &trained,
        &[
            ("data", "str"),
            ("name", "str"),
            ("score", "str"),
            ("registered", "list"),
            ("models", "list"),
            ("logged", "list"),
            ("not_logged", "list"),
        ],
    );
    assert_eq!(trained["registered"], serde_json::json!(["made@1"]));
    let line = &trained["models"][0];
    assert_eq!(line["registered"], "made@1");
    assert!(line["score"].as_f64().unwrap() > 0.0 && line["error"].is_null());
    assert_shape(line, LINE);
    assert_shape(&line["metrics"]["validation"], METRICS);

    let shown = arena(dir.path(), &["models", "show", "made@1", "--json"]).is(0).json();
    let card = &shown["card"];
    assert_eq!((&shown["model"], &shown["aliases"]), (&"made@1".into(), &serde_json::json!(["latest"])));
    assert_eq!(card["artefact"], line["artefact"]);
    assert_eq!(card["data"]["dataset"], "made/UP/1m");
    let manifest = fs::read_to_string(dir.path().join("data/history/made/UP/1m/manifest.toml")).unwrap();
    assert!(manifest.contains(card["data"]["manifest"]["sha256"].as_str().unwrap()), "the card leads to the data");
    assert_eq!((&card["seed"], &card["horizon_bars"], &card["bar"]), (&5.into(), &5.into(), &"1m".into()));
    for part in ["train", "validation", "test"] {
        assert!(card["splits"][part]["rows"].as_u64().unwrap() > 100, "{part}");
        let metrics = &card["metrics"][part];
        for name in ["mae", "rmse", "r2", "hit_rate", "abstained", "trades", "random", "flat"] {
            assert!(!metrics[name].is_null(), "{part} {name}");
        }
        assert_shape(metrics, METRICS);
        assert_shape(&metrics["random"], BASELINE);
        assert_shape(&metrics["flat"], BASELINE);
    }
    // The command on the card makes the same artefact again, from anywhere that has the data.
    let again = card["made"]["command"].as_str().unwrap();
    let again = shell(dir.path(), &format!("{} --json", again.replacen("arena", "$ARENA", 1))).is(0).json();
    assert_eq!(again["models"][0]["artefact"], card["artefact"]);
    assert_eq!(again["models"][0]["identity"], card["identity"]);
    assert_eq!(again["registered"], serde_json::json!(["made@2"]));

    let listed = arena(dir.path(), &["models", "list", "--json"]).is(0).json();
    let rows = listed["models"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_shape(
            row,
            &[
                ("model", "str"),
                ("name", "str"),
                ("version", "int"),
                ("aliases", "list"),
                ("kind", "str?"),
                ("artefact", "str?"),
                ("identity", "str?"),
                ("dataset", "str?"),
                ("import", "obj?"),
                ("bar", "str?"),
                ("horizon_bars", "int?"),
                ("test", "obj?"),
                ("error", "str?"),
            ],
        );
    }
    arena(dir.path(), &["models", "alias", "made@1", "champion"]).is(0);
    let shown = arena(dir.path(), &["models", "show", "made@champion", "--json"]).is(0).json();
    assert_eq!(shown["aliases"], serde_json::json!(["champion"]));
    arena(dir.path(), &["models", "alias", "made", "champion", "--remove"]).is(0);
    arena(dir.path(), &["models", "show", "made@champion"]).fails(5, "no version made@champion");
    arena(dir.path(), &["models", "alias", "made@1", "latest"]).fails(2, "no alias to set");
    arena(dir.path(), &["models", "alias", "made@7", "champion"]).fails(5, "made@7");
    arena(dir.path(), &["models", "show", "made@x"]).fails(2, "is no version");
}

#[test]
fn a_shown_version_reads_as_it_always_did() {
    let dir = folder();
    stored(dir.path(), 2_000);
    let arguments = "train --kind knn --data made/UP/1m --name made --features lags=4,spread --set k=5 \
                     --threshold 1.00004 --max-distance 0.9 --slippage 0.000002 --folds 2";
    arena(dir.path(), &arguments.split_whitespace().collect::<Vec<_>>()).is(0);
    let text = arena(dir.path(), &["models", "show", "made@latest"]).is(0).out;
    // The clock, and hashes of what may differ in the last digit of a float, are not what this is about.
    let is_steady = |line: &&str| !["made  ", "artefact ", "identity "].iter().any(|name| line.starts_with(name));
    let steady: Vec<&str> = text.lines().filter(is_steady).collect();
    insta::assert_snapshot!("models_show", steady.join("\n"));
    let list = arena(dir.path(), &["models", "list"]).is(0).out;
    insta::assert_snapshot!("models_list", list);
}

#[test]
fn a_sweep_ranks_and_registers_the_best_last() {
    let dir = folder();
    stored(dir.path(), 2_000);
    let swept = train(dir.path(), &["--sweep", "lags=2,4", "horizon=3,5,9", "--top", "2", "--score", "mae", "--json"]);
    let swept = swept.is(0).json();
    let lines = swept["models"].as_array().unwrap();
    assert_eq!(lines.len(), 6);
    let scores: Vec<f64> = lines.iter().map(|line| line["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted(), "{scores:?}");
    assert_eq!((&lines[0]["registered"], &lines[1]["registered"]), (&"made@2".into(), &"made@1".into()));
    assert!(lines[2]["registered"].is_null());
    let best = arena(dir.path(), &["models", "show", "made", "--json"]).is(0).json();
    assert_eq!(best["card"]["artefact"], lines[0]["artefact"]);
    assert_eq!(best["card"]["horizon_bars"].to_string(), lines[0]["swept"]["horizon"].as_str().unwrap());
    let text = train(dir.path(), &["--sweep", "lags=2,4"]).is(0).out;
    assert!(text.contains("registered made@3"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn neighbours_are_trained_and_swept_with_their_gate() {
    let dir = folder();
    stored(dir.path(), 1_500);
    let arguments = "train --kind knn --data made/UP/1m --name knn-crude --set weights=distance --sweep k=3,5,7 \
                     --sweep lags=4,8 --max-distance 0.9 --top 2 --json";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let trained = arena(dir.path(), &arguments).is(0).json();
    assert_eq!(trained["models"].as_array().unwrap().len(), 6);
    assert_eq!(trained["registered"], serde_json::json!(["knn-crude@1", "knn-crude@2"]));
    let card = arena(dir.path(), &["models", "show", "knn-crude@latest", "--json"]).is(0).json()["card"].take();
    assert_eq!(card["parameters"]["weights"], "distance");
    assert_eq!(card["distances"]["quantiles"].as_array().unwrap().len(), 101);
    let share = card["distances"]["abstained"].as_f64().unwrap();
    assert!((share - 0.1).abs() < 1e-9, "{share}");
    assert!(card["metrics"]["test"]["abstained"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_training_file_trains_what_the_command_line_would() {
    let dir = folder();
    stored(dir.path(), 2_000);
    let plain = train(dir.path(), &["--json"]).is(0).json();
    let body = "kind = \"ols\"\ndata = \"made/UP/1m\"\nname = \"made\"\nfeatures = { lags = 4, spread = true }\n";
    fs::write(dir.path().join("train.toml"), format!("[train]\n{body}")).unwrap();
    fs::write(dir.path().join("plain.toml"), body).unwrap();
    fs::write(dir.path().join("arena.toml"), "[arena]\nmodels = \"elsewhere\"\n").unwrap();
    for arguments in [
        &["train", "-c", "train.toml", "--json"][..],
        &["train", "-c", "plain.toml", "--json"],
        &["train", "--file", "train.toml", "--json"],
        &["train", "--file", "train.toml", "-c", "arena.toml", "--json"],
    ] {
        let trained = arena(dir.path(), arguments).is(0).json();
        assert_eq!(trained["models"][0]["artefact"], plain["models"][0]["artefact"], "{arguments:?}");
    }
    assert!(dir.path().join("elsewhere/made/4/card.toml").exists(), "the configuration says where models lie");
    // The command line goes before the file.
    let other = arena(dir.path(), &["train", "-c", "train.toml", "--features", "lags=5", "--json"]).is(0).json();
    assert_ne!(other["models"][0]["artefact"], plain["models"][0]["artefact"]);
    fs::write(dir.path().join("torn.toml"), "kind = \n").unwrap();
    arena(dir.path(), &["train", "--file", "torn.toml"]).fails(2, "torn.toml:1");
    fs::write(dir.path().join("odd.toml"), format!("{body}colour = \"red\"\n")).unwrap();
    arena(dir.path(), &["train", "-c", "odd.toml"]).fails(2, "colour is an unknown key");
}

#[test]
fn what_is_wrong_is_told_before_any_work() {
    let dir = folder();
    stored(dir.path(), 300);
    for (more, part) in [
        (&["--set", "colour=red"][..], "colour"),
        (&["--set", "scale=sideways"], "scale"),
        (&["--horizon", "0"], "horizon is \"0\""),
        (&["--horizon", "299"], "too short"),
        (&["--horizon", "300"], "longer than the data set"),
        (&["--horizon", "five"], "horizon is \"five\""),
        (&["--features", "lags=4,tide"], "\"tide\" is no feature"),
        (&["--features", "lags=0"], "there is no feature"),
        (&["--features", "volatility=1"], "volatility"),
        (&["--features", "returns=5+5"], "returns"),
        (&["--features", "lags=4096"], "too short"),
        (&["--features", "lags=4097"], "lags"),
        (&["--split", "0.7,0.2"], "split"),
        (&["--split", "0.7,0.2,0.2"], "split"),
        (&["--split", "1,0,0"], "split"),
        (&["--folds", "101"], "folds"),
        (&["--folds", "50"], "too short"),
        (&["--walk", "backwards"], "walk"),
        (&["--score", "luck"], "score"),
        (&["--top", "0"], "top"),
        (&["--seed=-1"], "seed"),
        (&["--threshold", "0.9"], "threshold"),
        (&["--threshold", "nan"], "threshold"),
        (&["--max-distance", "2"], "max_distance"),
        (&["--max-distance", "0.9"], "ols measures no distance"),
        (&["--stop", "0"], "stop"),
        (&["--slippage=-1"], "slippage"),
        (&["--bar", "7m"], "bar"),
        (&["--bar", "90s"], "cannot make bars"),
        (&["--reset-after", "0s"], "reset_after"),
        (&["--sweep", "lags=2,"], "empty value"),
        (&["--sweep", "colour=1,2"], "colour"),
        (&["--sweep", "lags=1,2", "lags=3,4"], "swept twice"),
        (&["--sweep", "lags=2,4,-1"], "lags"),
        (&["--name", "../made"], "name"),
        (&["--kind", "oracle"], "oracle"),
        (&["--data", "made/DOWN/1m"], "made/UP/1m"),
        (&["--data", ""], "data is missing"),
    ] {
        // A later option of the same name is not allowed twice, so that the usual ones give way.
        let given = |name: &str| more.contains(&name);
        let mut arguments = vec!["train"];
        let usual = TRAIN[1..].chunks(2).filter(|pair| !given(pair[0]));
        usual.for_each(|pair| arguments.extend(pair));
        arguments.extend(more);
        arena(dir.path(), &arguments).fails(2, part);
        assert!(!dir.path().join("models").exists(), "{more:?} left something behind");
    }
    // Several faults are told in one go.
    let both = train(dir.path(), &["--horizon", "0", "--top", "0"]).fails(2, "horizon is");
    assert!(both.err.contains("top is"), "{}", both.err);
    let failed = train(dir.path(), &["--horizon", "0", "--json"]).is(2).json();
    assert!(failed["error"].as_str().unwrap().contains("horizon"));
}

/// Changes the text of the data file, and with `is_proved` the hash in its manifest too.
fn tamper(dir: &Path, is_proved: bool, change: impl Fn(&str) -> String) {
    let folder = dir.join("data/history/made/UP/1m");
    let (bars, manifest) = (folder.join("bars.csv"), folder.join("manifest.toml"));
    let before = fs::read_to_string(&bars).unwrap();
    let after = change(&before);
    assert_ne!(before, after);
    fs::write(&bars, &after).unwrap();
    if is_proved {
        let hash = |text: &str| arena::registry::hash_of(text.as_bytes()).hex();
        let told = fs::read_to_string(&manifest).unwrap().replace(&hash(&before), &hash(&after));
        fs::write(&manifest, told).unwrap();
    }
}

#[test]
fn a_data_set_that_is_no_good_is_refused() {
    let twice = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        [&lines[..5], &lines[4..]].concat().join("\n") + "\n"
    };
    let swapped = |text: &str| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.swap(4, 5);
        lines.join("\n") + "\n"
    };
    let nan = |text: &str| text.replacen("0.99", "nan", 1);
    type Change<'a> = (&'a str, i32, bool, &'a dyn Fn(&str) -> String);
    let changes: [Change<'_>; 4] = [
        ("changed", 1, false, &nan),
        ("a time twice", 2, true, &twice),
        ("times going back", 2, true, &swapped),
        ("not a number", 2, true, &nan),
    ];
    for (name, code, is_proved, change) in changes {
        let dir = folder();
        stored(dir.path(), 300);
        tamper(dir.path(), is_proved, change);
        train(dir.path(), &[]).fails(code, "bars.csv");
        assert!(!dir.path().join("models").exists(), "{name} left something behind");
    }
}

#[test]
fn a_changed_byte_is_found_by_verify() {
    let dir = folder();
    stored(dir.path(), 600);
    train(dir.path(), &[]).is(0);
    train(dir.path(), &[]).is(0);
    arena(dir.path(), &["models", "verify"]).is(0);
    let proven = arena(dir.path(), &["models", "verify", "made@1", "--json"]).is(0).json();
    assert_eq!((&proven["ok"], &proven["versions"][0]["ok"]), (&true.into(), &true.into()));
    let model = dir.path().join("models/made/1/model.safetensors");
    let mut bytes = fs::read(&model).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(&model).unwrap();
    fs::write(&model, &bytes).unwrap();
    let ran = arena(dir.path(), &["models", "verify", "made@1"]).fails(1, "was altered");
    let hashes = ran.err.split_whitespace().map(|word| word.trim_end_matches(',')).filter(|word| word.len() == 64);
    assert_eq!(hashes.count(), 2, "{}", ran.err);
    arena(dir.path(), &["models", "verify", "made@2"]).is(0);
    let all = arena(dir.path(), &["models", "verify", "--json"]).is(1).json();
    assert_eq!(all["ok"], false);
    let oks: Vec<&Value> = all["versions"].as_array().unwrap().iter().map(|version| &version["ok"]).collect();
    assert_eq!(oks, [false, true]);
    arena(dir.path(), &["models", "verify", "other"]).fails(5, "other");
}

#[test]
fn two_trainings_of_one_name_do_not_collide() {
    let dir = folder();
    stored(dir.path(), 600);
    let ran: Vec<Ran> = std::thread::scope(|scope| {
        let both: Vec<_> = (0..3).map(|_| scope.spawn(|| train(dir.path(), &["--json"]))).collect();
        both.into_iter().map(|one| one.join().unwrap().is(0)).collect()
    });
    let mut registered: Vec<String> = ran.iter().map(|ran| ran.json()["registered"][0].to_string()).collect();
    registered.sort();
    assert_eq!(registered, ["\"made@1\"", "\"made@2\"", "\"made@3\""]);
    arena(dir.path(), &["models", "verify"]).is(0);
}

#[test]
fn a_training_killed_at_any_moment_leaves_whole_versions_alone() {
    let dir = folder();
    stored(dir.path(), 600);
    // Registering many takes a while, so that some of these moments fall into it.
    let sweep = ["--sweep", "lags=1,2,3,4,5,6,7,8,9,10,11,12", "horizon=1,2,3,4", "--top", "48", "-q"];
    for milliseconds in (0..12).map(|n| 20 + n * 45) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arena"))
            .args(TRAIN)
            .args(sweep)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let proven = arena(dir.path(), &["models", "verify", "--json"]).is(0).json();
        assert_eq!(proven["ok"], true, "killed after {milliseconds} ms");
        let folders = fs::read_dir(dir.path().join("models/made")).into_iter().flatten();
        for name in folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            let is_version = name.parse::<u32>().is_ok();
            assert!(is_version || name == ".lock" || name.starts_with(".new-"), "{name}");
        }
    }
    let before = arena(dir.path(), &["models", "list", "--json"]).is(0).json()["models"].as_array().unwrap().len();
    train(dir.path(), &[]).is(0);
    let after = arena(dir.path(), &["models", "list", "--json"]).is(0).json()["models"].as_array().unwrap().len();
    assert_eq!(after, before + 1);
    let left: Vec<String> = files(&dir.path().join("models")).into_iter().filter(|f| f.contains(".new-")).collect();
    assert!(left.is_empty(), "the next training clears away: {left:?}");
}

#[test]
fn a_disk_that_takes_no_more_is_told_and_nothing_half_written_stays() {
    let dir = folder();
    stored(dir.path(), 600);
    // No file may grow beyond one block of 1,024 bytes: the card does not fit.
    let command = format!("ulimit -f 1; exec $ARENA {}", TRAIN.join(" "));
    shell(dir.path(), &command).fails(1, "cannot write ");
    let left: Vec<String> = files(&dir.path().join("models")).into_iter().filter(|f| !f.ends_with(".lock")).collect();
    assert!(left.is_empty(), "{left:?}");
    train(dir.path(), &[]).is(0);
}

#[test]
fn ctrl_c_ends_a_training_with_nothing_half_written() {
    let dir = folder();
    stored(dir.path(), 3_000);
    // Far more than can be done in a second.
    let command = "$ARENA train --kind forest --data made/UP/1m --name made --folds 9 \
                   --sweep lags=11,12,13,14,15,16,17,18,19 horizon=1,2,3,4,5,6,7,8,9 & pid=$!; \
                   sleep 1; kill -INT $pid; wait $pid";
    // A shell starts what runs behind it with the interrupt ignored; `set -m` gives it a group of its own.
    let ran = shell(dir.path(), &format!("set -m; {command}"));
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.err.contains("stopped; nothing is left half-written"), "{ran:?}");
    assert!(!dir.path().join("models").exists());
}
