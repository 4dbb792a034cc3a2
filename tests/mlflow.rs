//! A real MLflow server, and scikit-learn beside it: what is logged is there, what is named is loaded, and the arena
//! predicts what scikit-learn does.
//!
//! `scripts/test` starts the server and says where things are: `ARENA_MLFLOW_URL`, `ARENA_PYTHON` (a Python with mlflow,
//! scikit-learn and skl2onnx), `ORT_DYLIB_PATH` (the library of ONNX Runtime).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "support/past.rs"]
mod past;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arena::registry::mlflow::{Access, Limits, Mlflow, block_on};
use process::{EPIC, Live, Ran, arena, folder, quotes};
use serde_json::Value;

/// The address of the server; `None`, said so, where there is none.
fn server() -> Option<String> {
    let url = std::env::var("ARENA_MLFLOW_URL").ok().filter(|url| !url.is_empty());
    if url.is_none() {
        println!("skipped: ARENA_MLFLOW_URL names no MLflow server (scripts/test starts one)");
    }
    url
}

/// What is needed beside the server for models in the ONNX format.
fn python() -> Option<String> {
    let python = std::env::var("ARENA_PYTHON").ok().filter(|path| !path.is_empty());
    if python.is_none() || std::env::var_os("ORT_DYLIB_PATH").is_none() || !cfg!(feature = "onnx") {
        println!("skipped: needs ARENA_PYTHON, ORT_DYLIB_PATH and the feature onnx (scripts/test has them)");
        return None;
    }
    python
}

fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    block_on(work).unwrap()
}

fn client(url: &str) -> Mlflow {
    Mlflow::new(url, Access::Open, Limits::default()).unwrap()
}

/// What the server itself says, asked without the client that is tested.
fn ask(url: &str, path: &str) -> Vec<u8> {
    let url = format!("{url}/{path}");
    wait(async move {
        let answer = arena::http::client().build().unwrap().get(&url).send().await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
        answer.bytes().await.unwrap().to_vec()
    })
}

fn rest(url: &str, path: &str) -> Value {
    serde_json::from_slice(&ask(url, &format!("api/2.0/mlflow/{path}"))).unwrap()
}

/// Pairs of a list of objects with `key` and `value`.
fn pairs(list: &Value) -> BTreeMap<String, Value> {
    let list = list.as_array().unwrap();
    list.iter().map(|entry| (entry["key"].as_str().unwrap().to_owned(), entry["value"].clone())).collect()
}

fn champion(url: &str, name: &str) -> Option<u64> {
    wait(client(url).aliased(name, "champion")).unwrap().map(|version| version.version)
}

/// A name that no other test, and no earlier run of this one, has used on the server.
fn name(of: &str) -> String {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    format!("{of}-{since}")
}

/// The way to the server, which can be closed and opened again under the same address.
struct Gate {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    fn to(url: &str) -> Self {
        let behind: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let gate = Arc::clone(&is_open);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(front) = stream else { break };
                // Whoever finds it closed is hung up on, as by a server that is going down.
                if gate.load(Ordering::SeqCst)
                    && let Ok(back) = TcpStream::connect(behind)
                {
                    // Both ways: also what comes on a connection that stood before finds it closed.
                    let (there, back_again) = (Arc::clone(&gate), Arc::clone(&gate));
                    let (f, b) = (front.try_clone().unwrap(), back.try_clone().unwrap());
                    thread::spawn(move || pass(f, b, &there));
                    thread::spawn(move || pass(back, front, &back_again));
                }
            }
        });
        Self { address, is_open }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
    }

    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, gate: &Arc<AtomicBool>) {
    let mut bytes = [0; 16 << 10];
    while let Ok(n) = from.read(&mut bytes) {
        if n == 0 || !gate.load(Ordering::SeqCst) || to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

fn train(dir: &Path, name: &str, more: &[&str]) -> Ran {
    let arguments = ["train", "--data", past::DATA_SET, "--name", name, "--features", "lags=4", "--horizon", "3"];
    arena(dir, &[&arguments, more].concat())
}

/// A folder with a data set.
fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    past::write(&dir.path().join("data"), 1_500, 5);
    dir
}

/// A configuration with one trained candidate.
fn trained(mlflow: &str, model: &str, feed: &str) -> String {
    format!(
        r#"[arena]
name = "taught"

[feed]
{feed}

[server]
listen = "127.0.0.1:0"

[registry]
mlflow = "{mlflow}"

[[markets]]
epic = "{EPIC}"
point = 0.0001
stop_min_points = 0.1
gap_allowance_points = 8

[[models]]
name = "taught"
epic = "{EPIC}"
bar = "1m"
model = "{model}"
threshold = 1.00001
stop = 5
limit = 5
"#
    )
}

#[test]
fn a_training_is_in_mlflow_with_all_that_belongs_to_it() {
    let Some(url) = server() else { return };
    let dir = home();
    let name = name("logged");
    let ran = train(dir.path(), &name, &["--kind", "knn", "--set", "k=5", "--folds", "3", "--mlflow", &url, "--json"]);
    let document = ran.is(0).json();
    assert_eq!(document["logged"][0]["place"], format!("mlflow:{name}/1 at {url}"), "{document}");
    assert_eq!(document["not_logged"], serde_json::json!([]));

    let shown = arena(dir.path(), &["models", "show", &format!("{name}@1"), "--json"]).is(0).json();
    let card = &shown["card"];
    let version = rest(&url, &format!("model-versions/get?name={name}&version=1"))["model_version"].clone();
    assert_eq!(version["status"], "READY");
    let tags = pairs(&version["tags"]);
    assert_eq!(tags["arena.artefact"], card["artefact"]);
    assert_eq!(tags["arena.dataset.hash"], card["data"]["hash"]);

    let run = rest(&url, &format!("runs/get?run_id={}", version["run_id"].as_str().unwrap()))["run"].clone();
    assert_eq!(run["info"]["status"], "FINISHED", "{run}");
    let parameters = pairs(&run["data"]["params"]);
    for (key, want) in [("kind", "knn"), ("set.k", "5"), ("features.lags", "4"), ("horizon_bars", "3"), ("seed", "7")] {
        assert_eq!(parameters[key], want, "{key}");
    }
    assert_eq!(parameters["dataset"], past::DATA_SET);
    let metrics = pairs(&run["data"]["metrics"]);
    for part in ["train", "validation", "test"] {
        for metric in ["rmse", "mae", "abstained"] {
            assert_eq!(metrics[&format!("{part}.{metric}")], card["metrics"][part][metric], "{part} {metric}");
        }
    }
    let run_id = run["info"]["run_id"].as_str().unwrap();
    let folds = rest(&url, &format!("metrics/get-history?run_id={run_id}&metric_key=fold.rmse"));
    let folds: Vec<&Value> = folds["metrics"].as_array().unwrap().iter().map(|metric| &metric["value"]).collect();
    let want: Vec<&Value> = card["folds"].as_array().unwrap().iter().map(|fold| &fold["rmse"]).collect();
    assert_eq!((folds.len(), folds), (3, want));
    let tags = pairs(&run["data"]["tags"]);
    assert_eq!(
        (&tags["arena.artefact"], &tags["arena.version"]),
        (&card["artefact"], &env!("CARGO_PKG_VERSION").into())
    );

    // Byte for byte what lies in the local registry.
    let root = run["info"]["artifact_uri"].as_str().unwrap().trim_start_matches("mlflow-artifacts:/").to_owned();
    let folder = Path::new(shown["folder"].as_str().unwrap()).to_owned();
    let folder = if folder.is_absolute() { folder } else { dir.path().join(folder) };
    for file in ["card.toml", "model.safetensors"] {
        let there = ask(&url, &format!("api/2.0/mlflow-artifacts/artifacts/{root}/model/{file}"));
        assert_eq!(there, fs::read(folder.join(file)).unwrap(), "{file}");
    }
    for plot in ["predicted_test.svg", "residuals_validation.svg", "distances_test.svg"] {
        let there = ask(&url, &format!("api/2.0/mlflow-artifacts/artifacts/{root}/plots/{plot}"));
        assert!(there.starts_with(b"<svg ") && there == fs::read(folder.join("plots").join(plot)).unwrap(), "{plot}");
    }
}

#[test]
fn a_push_makes_a_version_once_whatever_came_between() {
    let Some(url) = server() else { return };
    let dir = home();
    let name = name("pushed");
    let gate = Gate::to(&url);
    gate.close();
    let ran = train(dir.path(), &name, &["--kind", "ols", "--mlflow", &gate.url(), "--json"]).is(0);
    let why = ran.json()["not_logged"][0]["reason"].as_str().unwrap().to_owned();
    assert!(why.contains("cannot be reached"), "{why}");
    gate.open();

    let push = |reference: &str| {
        arena(dir.path(), &["models", "push", reference, "--mlflow", &gate.url(), "--json"]).is(0).json()
    };
    let first = push(&name);
    assert_eq!((&first["version"], &first["was_there"]), (&1.into(), &false.into()), "{first}");
    let again = push(&format!("{name}@1"));
    assert_eq!((&again["version"], &again["was_there"]), (&1.into(), &true.into()), "{again}");
    // The same training once more is the same artefact, and so the same version.
    train(dir.path(), &name, &["--kind", "ols"]).is(0);
    let twin = push(&format!("{name}@2"));
    assert_eq!((&twin["version"], &twin["was_there"]), (&1.into(), &true.into()), "{twin}");
    // Another one is not.
    train(dir.path(), &name, &["--kind", "ridge"]).is(0);
    let other = push(&format!("{name}@latest"));
    assert_eq!((&other["version"], &other["was_there"]), (&2.into(), &false.into()), "{other}");

    let run = rest(&url, &format!("runs/get?run_id={}", first["run"].as_str().unwrap()))["run"].clone();
    let root = run["info"]["artifact_uri"].as_str().unwrap().trim_start_matches("mlflow-artifacts:/").to_owned();
    let plot = ask(&url, &format!("api/2.0/mlflow-artifacts/artifacts/{root}/plots/predicted_test.svg"));
    assert!(plot.starts_with(b"<svg "), "what was drawn at the training is sent later too");
}

#[test]
fn a_reference_is_followed_once_and_an_arena_starts_while_mlflow_is_down() {
    let Some(url) = server() else { return };
    let dir = home();
    let name = name("followed");
    let gate = Gate::to(&url);
    for kind in ["ols", "ridge"] {
        train(dir.path(), &name, &["--kind", kind, "--mlflow", &gate.url()]).is(0);
    }
    let mlflow = client(&url);
    wait(mlflow.set_alias(&name, "challenger", 1)).unwrap();

    // Elsewhere, where only MLflow has the versions.
    let reference = format!("mlflow:{name}@challenger");
    let arena_dir = folder(&trained(&gate.url(), &reference, "source = \"replay\""));
    let at = arena_dir.path();
    fs::write(at.join("quotes.csv"), quotes(6_000)).unwrap();
    let file = format!("{EPIC}=quotes.csv");
    let replay = || arena(at, &["replay", "--quotes", &file, "--json"]);
    arena(at, &["check"]).is(0);
    let first = replay().is(0).json();
    assert!(first["models"][0]["ticket"].as_str().unwrap().starts_with("taught@1#"), "{first}");
    assert!(first["models"][0]["episodes"].as_u64().unwrap() > 0, "it trades: {first}");

    // The alias moves, and MLflow goes: the arena stays with what it led to.
    wait(mlflow.set_alias(&name, "challenger", 2)).unwrap();
    gate.close();
    let offline = replay().is(0).json();
    assert_eq!(offline["journal_hash"], first["journal_hash"]);
    let by_number = format!("mlflow:{name}/1");
    fs::write(at.join("arena.toml"), trained(&gate.url(), &by_number, "source = \"replay\"")).unwrap();
    arena(at, &["check"]).is(0);
    fs::write(at.join("arena.toml"), trained(&gate.url(), &format!("mlflow:{name}/2"), "source = \"replay\"")).unwrap();
    arena(at, &["check"]).fails_with(2, "cannot be reached");

    // A changed byte is found; while MLflow is there, the version is fetched again.
    fs::write(at.join("arena.toml"), trained(&gate.url(), &by_number, "source = \"replay\"")).unwrap();
    let cached: Vec<_> = fs::read_dir(at.join("models/.cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let model = cached.iter().map(|path| path.join("model.safetensors")).find(|path| path.is_file()).unwrap();
    let mut bytes = fs::read(&model).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::set_permissions(&model, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&model, &bytes).unwrap();
    arena(at, &["check"]).fails_with(2, "cannot be reached");
    fs::write(at.join("arena.toml"), trained("", &by_number, "source = \"replay\"")).unwrap();
    arena(at, &["check"]).fails_with(2, "was altered: its SHA-256 is");
    gate.open();
    fs::write(at.join("arena.toml"), trained(&gate.url(), &by_number, "source = \"replay\"")).unwrap();
    arena(at, &["check"]).is(0);
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(fs::read(&model).unwrap(), bytes, "it is as it was");

    // Whoever wants the alias followed anew says so.
    let pulled = arena(at, &["models", "pull", &reference, "--mlflow", &gate.url(), "--json"]).is(0).json();
    assert_eq!(pulled["model"], format!("mlflow:{name}/2"));
    fs::write(at.join("arena.toml"), trained(&gate.url(), &reference, "source = \"replay\"")).unwrap();
    let moved = replay().is(0).json();
    assert!(moved["models"][0]["ticket"].as_str().unwrap().starts_with("taught@2#"), "{moved}");

    arena(at, &["models", "pull", &format!("mlflow:{name}/9"), "--mlflow", &gate.url()]).fails(5, "has no such thing");
    arena(at, &["models", "pull", &format!("mlflow:{name}@nobody"), "--mlflow", &gate.url()]).fails(5, "nobody");
}

impl Ran {
    /// As `fails`, wherever it is told: `check` answers on standard output.
    #[track_caller]
    fn fails_with(self, code: i32, part: &str) -> Self {
        let ran = self.is(code);
        assert!(ran.err.contains(part) || ran.out.contains(part), "{part:?} in {ran:?}");
        ran
    }
}

#[test]
fn the_alias_champion_follows_promotion_and_demotion_without_holding_them_up() {
    let Some(url) = server() else { return };
    let dir = home();
    let at = dir.path();
    let name = name("led");
    let gate = Gate::to(&url);
    for kind in ["ols", "ridge"] {
        train(at, &name, &["--kind", kind]).is(0);
    }
    arena(at, &["models", "push", &format!("{name}@1"), "--mlflow", &gate.url()]).is(0);
    let two = format!(
        "{}\n[[models]]\nname = \"unsent\"\nepic = \"{EPIC}\"\nbar = \"1m\"\nmodel = \"{name}@2\"\nstop = 5\nlimit = 5\n",
        trained(&gate.url(), &format!("{name}@1"), "source = \"sim\"\nspeed = 60")
    );
    fs::write(at.join("arena.toml"), two).unwrap();
    let live = Live::start(at);
    live.until("a bar has closed", |live| live.get("/readyz").0 == 200);
    let promote = |model: &str| {
        live.until("it is warm", |live| live.state(model) == "shadow");
        live.arena(&["promote", model, "--override", "--reason", "to see the alias"]).is(0);
    };
    let becomes = |want: Option<u64>| {
        live.until("the alias is where it should be", |_| champion(&url, &name) == want);
    };
    assert_eq!(champion(&url, &name), None);
    promote("taught");
    becomes(Some(1));
    live.arena(&["demote", "taught"]).is(0);
    becomes(None);

    // While MLflow is down nothing waits for it.
    gate.close();
    promote("taught");
    live.until("a failure is counted", |live| {
        live.get("/metrics").1.lines().any(|line| {
            line.strip_prefix("arena_mlflow_alias_changes_total{result=\"failed\"} ").is_some_and(|n| n != "0")
        })
    });
    let rounds = |live: &Live| live.json("/api/v1/leaderboard")["time"].clone();
    let before = rounds(&live);
    live.until("bars go on", |live| rounds(live) != before);
    assert_eq!(champion(&url, &name), None);
    gate.open();
    becomes(Some(1));

    // What could not be taken away is taken away by the next process.
    gate.close();
    live.arena(&["demote", "taught"]).is(0);
    live.interrupt(Duration::from_secs(60)).is(0);
    assert_eq!(champion(&url, &name), Some(1));
    gate.open();
    let live = Live::start(at);
    live.until("the alias is gone", |_| champion(&url, &name).is_none());

    // An alias that somebody else has moved is left alone.
    train(at, &name, &["--kind", "lasso", "--mlflow", &gate.url()]).is(0);
    live.until("it is warm", |live| live.state("taught") == "shadow");
    live.arena(&["promote", "taught", "--override", "--reason", "to see the alias"]).is(0);
    live.until("the alias is set", |_| champion(&url, &name) == Some(1));
    wait(client(&url).set_alias(&name, "champion", 2)).unwrap();
    live.arena(&["demote", "taught"]).is(0);
    live.until("nothing is left to do", |live| {
        live.get("/metrics").1.lines().any(|line| line == "arena_mlflow_aliases_pending 0")
            && live.err().contains("somebody else moved")
    });
    assert_eq!(champion(&url, &name), Some(2));

    // Of a version that MLflow does not have, it is told nothing.
    live.until("it is warm", |live| live.state("unsent") == "shadow");
    live.arena(&["promote", "unsent", "--override", "--reason", "to see no alias"]).is(0);
    live.interrupt(Duration::from_secs(60)).is(0);
    assert_eq!(champion(&url, &name), Some(2));
}

/// Runs the script beside the oracles.
fn script(python: &str, dir: &Path, arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/mlflow_onnx.py");
    let ran = Command::new(python).arg(script).args(arguments).current_dir(dir).output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{arguments:?}: {err}");
    String::from_utf8(ran.stdout).unwrap()
}

/// Rows of a CSV by the names of its columns.
fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row =
        |line: &str| header.iter().map(|column| (*column).to_owned()).zip(line.split(',').map(str::to_owned)).collect();
    lines.map(row).collect()
}

#[test]
fn a_scikit_learn_pipeline_logged_by_python_is_traded_with_the_same_predictions() {
    let (Some(url), Some(python)) = (server(), python()) else { return };
    let names = ["ridge", "forest"].map(|how| (how, name(&format!("sklearn-{how}"))));
    let dir = folder("");
    let at = dir.path();
    fs::write(at.join("quotes.csv"), quotes(15_000)).unwrap();
    arena(at, &["resample", "--quotes", "quotes.csv", "--every", "1m", "-o", "bars.csv"]).is(0);
    let [ridge, forest] = names.each_ref().map(|(how, name)| format!("{how}={name}"));
    script(&python, at, &["log", &url, "bars.csv", &ridge, &forest]);
    let said: BTreeMap<String, BTreeMap<String, f64>> =
        serde_json::from_str(&script(&python, at, &["predict", "bars.csv", "ridge", "forest"])).unwrap();
    for (how, name) in &names {
        let reference = format!("mlflow:{name}/1");
        fs::write(at.join("arena.toml"), trained(&url, &reference, "source = \"replay\"")).unwrap();
        let ran = arena(at, &["replay", "--quotes", &format!("{EPIC}=quotes.csv"), "--out", how, "--json"]).is(0);
        let row = &ran.json()["models"][0];
        assert!(row["episodes"].as_u64().unwrap() > 3, "it trades: {row}");
        let exported = arena(at, &["export", "--table", "predictions", "--store", how]).is(0).out;
        let predictions = table(&exported);
        assert!(predictions.len() > 400, "{}", predictions.len());
        let (mut worst, mut spread) = (0.0_f64, 0.0_f64);
        for row in &predictions {
            let (ours, theirs): (f64, f64) = (row["y_pred"].parse().unwrap(), said[*how][&row["time"]]);
            worst = worst.max((ours - theirs).abs());
            spread = spread.max((theirs - 1.0).abs());
        }
        println!("{how}: {} predictions, largest difference {worst:e}, largest move {spread:e}", predictions.len());
        assert!(worst < 1e-6, "{how}: {worst}");
        assert!(spread > 20.0 * worst, "{how}: a difference that counts would show");
        // From a trade of it the way back to the version.
        let shown = arena(at, &["show", "taught", "--store", how, "--json"]).is(0).json();
        assert!(shown.to_string().contains(&reference), "{shown}");
    }
}

#[test]
fn models_of_python_that_would_trade_something_else_are_refused() {
    let (Some(url), Some(python)) = (server(), python()) else { return };
    let (spoilt, plain) = (name("spoilt"), name("plain"));
    let dir = folder(&trained(&url, &format!("mlflow:{spoilt}/1"), "source = \"replay\""));
    let at = dir.path();
    fs::write(at.join("quotes.csv"), quotes(15_000)).unwrap();
    arena(at, &["resample", "--quotes", "quotes.csv", "--every", "1m", "-o", "bars.csv"]).is(0);
    script(&python, at, &["log", &url, "bars.csv", &format!("spoilt={spoilt}"), &format!("plain={plain}")]);
    arena(at, &["check"]).fails_with(2, "probe 4 gives").fails_with(2, "0.00001");
    arena(at, &["replay", "--quotes", &format!("{EPIC}=quotes.csv")]).fails_with(2, "probe 4 gives");

    fs::write(at.join("arena.toml"), trained(&url, &format!("mlflow:{plain}/1"), "source = \"replay\"")).unwrap();
    arena(at, &["check"]).fails_with(2, "its flavours are python_function, sklearn");
}

#[test]
fn a_file_in_the_onnx_format_is_imported_with_its_probes_and_proven_again_at_each_load() {
    let Some(python) = python() else { return };
    let dir = folder(&trained("", "imported@1", "source = \"replay\""));
    let at = dir.path();
    fs::write(at.join("quotes.csv"), quotes(15_000)).unwrap();
    arena(at, &["resample", "--quotes", "quotes.csv", "--every", "1m", "-o", "bars.csv"]).is(0);
    script(&python, at, &["file", "bars.csv", "m.onnx", "probes.csv"]);
    let import = |more: &[&str]| arena(at, &[&["models", "import", "m.onnx", "--name", "imported"], more].concat());
    let options = ["--features", "lags=6", "--bar", "1m", "--horizon", "3", "--probes", "probes.csv"];
    import(&[]).fails(2, "does not say how the arena is to use it");
    import(&[&options[..1], &["lags=5"], &options[2..]].concat()).fails(2, "want a header with the columns lag_1");
    import(&[&options[..], &["--tolerance", "0"]].concat()).fails(2, "is refused: probe");
    arena(
        at,
        &[
            "models",
            "import",
            "bars.csv",
            "--name",
            "x",
            "--features",
            "lags=6",
            "--bar",
            "1m",
            "--horizon",
            "3",
            "--probes",
            "probes.csv",
        ],
    )
    .fails(2, "cannot be used");
    assert!(!at.join("models").exists(), "nothing half-written");

    let made = import(&[&options[..], &["--json"]].concat()).is(0).json();
    assert_eq!((&made["registered"], &made["probes"]), (&"imported@1".into(), &12.into()), "{made}");
    arena(at, &["models", "verify"]).is(0);
    let shown = arena(at, &["models", "show", "imported@1"]).is(0).out;
    assert!(shown.contains("12 rows, reproduced within 0.00001") && shown.contains("m.onnx"), "{shown}");
    arena(at, &["models", "list"]).is(0);
    let ran = arena(at, &["replay", "--quotes", &format!("{EPIC}=quotes.csv"), "--json"]).is(0).json();
    assert!(ran["models"][0]["episodes"].as_u64().unwrap() > 0, "{ran}");
}
