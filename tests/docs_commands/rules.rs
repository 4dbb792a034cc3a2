//! What stands between the book and this machine: commands that cannot be run here, each with its reason; what is typed in
//! place of what a page shows; what a command takes for granted.

use super::run::NOW;

/// The beginnings of commands that are not run, and why. `tests/docs.rs` still holds those of ours to the command line.
pub(crate) const NOT_RUN: &[(&str, &str)] = &[
    ("cargo install", "builds what this test was built from"),
    ("scripts/", "scripts/test runs this test"),
    ("systemctl ", "changes this machine"),
    ("journalctl ", "reads the log of a service that is not there"),
    ("podman", "there may be no engine for containers"),
    ("prometheus ", "scripts/dashboards runs a Prometheus"),
    ("ARENA_PROMETHEUS_URL=", "there is no Grafana to be had"),
    ("mlflow server", "scripts/test runs an MLflow, and tests/mlflow.rs asks it"),
    ("arena models push", "asks an MLflow: tests/mlflow.rs does"),
    ("arena models pull", "asks an MLflow: tests/mlflow.rs does"),
    ("arena train --kind knn --data yahoo/CL=F/1m --name knn-crude --mlflow", "asks an MLflow: tests/mlflow.rs does"),
    ("arena models import", "needs ONNX Runtime: tests/mlflow.rs imports"),
    ("arena leaderboard --watch", "fills a terminal: src/cli/watch/tests.rs draws it"),
    ("arena fetch ig --epic CS.D.EURUSD.TODAY.IP --interval 5m --from", "the simulator's past is not the page's"),
    ("arena show 1f2e3d4c-17", "a deal of the reader's own"),
    ("createdb ", "needs a PostgreSQL"),
    ("arena mirror", "needs a database: tests/mirror.rs has one"),
    ("arena notify", "needs a channel: tests/notify.rs has some"),
];

/// The reason why `text` is not run.
pub(crate) fn not_run(text: &str) -> Option<&'static str> {
    NOT_RUN.iter().find(|(beginning, _)| text.starts_with(beginning)).map(|(_, why)| *why)
}

/// The beginnings of commands, and of lines of a configuration, that want a program which may not be here.
const WANTS: &[(&str, &str)] =
    &[("curl ", "curl"), ("arena show fade", "python3"), ("# arena.toml: a program", "python3")];

/// The program that `text` wants and this machine does not have.
pub(crate) fn lacks(text: &str) -> Option<&'static str> {
    let (_, program) = WANTS.iter().find(|(beginning, _)| text.starts_with(beginning))?;
    let is_here = std::process::Command::new(program).arg("--version").output().is_ok();
    (!is_here).then_some(*program)
}

/// What a command takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// An arena that runs.
    Running,
    /// A store that an arena has left.
    Rest,
    /// No arena that runs.
    Stopped,
    Nothing,
}

/// Commands that ask a running arena unless they are told of a store or a file.
const ASKING: &[&str] = &[
    "leaderboard",
    "show",
    "trades",
    "explain",
    "promote",
    "demote",
    "retire",
    "halt",
    "resume",
    "budget",
    "reload",
    "export",
    "tail",
    "backup",
    "report",
    "audit",
];

pub(crate) fn needs(text: &str) -> Need {
    let mut words = text.split_whitespace().skip_while(|word| *word != "arena").skip(1);
    let is_at_rest = text.contains("data/store") || text.contains("--session");
    let word = words.find(|word| !word.starts_with('-')).unwrap_or_default();
    let is_told =
        text.contains("--store") || text.contains("audit verify audit.jsonl") || text.contains("--calibration");
    if text.starts_with("arena restore") {
        Need::Stopped
    } else if is_at_rest {
        Need::Rest
    } else if ASKING.contains(&word) && !is_told {
        Need::Running
    } else {
        Need::Nothing
    }
}

/// Whether `text` runs until it is told to end.
pub(crate) fn is_service(text: &str) -> bool {
    let has = |word: &str| text.split_whitespace().any(|other| other == word);
    let is_endless = (is_demo(text) || text.starts_with("cargo run --release -- demo"))
        || text.starts_with("arena-sim")
        || (text.starts_with("arena tail") && !has("-n"))
        || text.starts_with("arena run")
        || (text.starts_with("arena -c ") && text.contains(" run"));
    is_endless && !has("--for")
}

/// What is typed for `text`: the same command at the stand-ins, and less of what takes long.
pub(crate) fn typed(text: &str, yahoo: &str, ig: &str) -> String {
    let mut text = text.replace("cargo run --release -- ", "arena ");
    if is_demo(&text) {
        text = shorter(&text, "--for", "8s").replacen("arena demo", "arena demo --port 0", 1);
    }
    if text.starts_with("arena-sim") {
        text = shorter(&text, "--for", "2s");
        if !text.contains("--listen") {
            text.push_str(" --listen 127.0.0.1:9000");
        }
    }
    if text.starts_with("arena calibrate") && !text.contains("--help") {
        text = shorter(&text, "--replicates", "4");
        if !text.contains("--replicates") {
            text.push_str(" --replicates 2 --candidates 10 --episodes 200");
        }
    }
    if text.starts_with("arena fetch yahoo") {
        let stub = if text.contains("--base-url") { String::new() } else { format!(" --base-url {yahoo}") };
        text = format!("{text}{stub} --pace 1ms --backoff 20ms --now {NOW}");
    }
    if text.starts_with("arena fetch ig") && !text.contains("--rest-url") {
        text = format!("{text} --rest-url {ig}");
    }
    text
}

fn is_demo(text: &str) -> bool {
    text.split_whitespace().take(2).eq(["arena", "demo"])
}

/// `text` with another value of `option`, where it has one.
fn shorter(text: &str, option: &str, value: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    if let Some(at) = words.iter().position(|word| *word == option)
        && let Some(old) = words.get_mut(at + 1)
    {
        *old = value;
    }
    words.join(" ")
}
