//! The habits of the house that no compiler checks: who may know whom, who may touch the outside, how files look.
//!
//! [`ROOMS`] is the map of the house: each room, and the rooms that its code (tests aside) may name. An edge that is not
//! there is a decision to take on purpose: change the map in the same commit and say why in `docs/ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Room, and what it may name of ours beside itself. Ordered as quotes flow.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("http", &[]),
    // Numbers in, numbers out: it knows nobody, and whoever has numbers may ask it.
    ("statistics", &[]),
    ("config", &["domain"]),
    ("flow", &["domain"]),
    ("control", &["domain", "flow"]),
    // A recorded session is a feed over a store, a synthetic one a feed over the simulator, a live one over IG's stream.
    ("feed", &["broker", "clock", "domain", "flow", "sim", "store", "telemetry"]),
    // Past prices of IG are read by the same client as live ones.
    ("history", &["broker", "clock", "domain", "feed", "http"]),
    ("lightstreamer", &["http"]),
    ("bars", &["domain", "feed", "flow"]),
    ("models", &["domain"]),
    // The ledger is written in the store's canonical entries, and the store's views put trades together with it.
    ("ledger", &["domain", "store"]),
    // A strategy of the user's own is a model behind the trait, and a child process behind that.
    ("process", &["domain", "models"]),
    // A card holds the manifest of the data and the columns of a row.
    ("registry", &["domain", "history", "http", "models"]),
    // Rows come out of the live resampler, metrics out of the paper broker: one path.
    ("training", &["bars", "domain", "feed", "history", "ledger", "models", "registry", "sim"]),
    // From what a configuration names to what runs.
    ("deploy", &["config", "domain", "flow", "history", "models", "process", "registry"]),
    ("seats", &["domain", "flow", "ledger", "models", "store"]),
    ("promoter", &["config", "control", "domain", "flow", "statistics"]),
    // Simulations of the promoter and its parts: they need nothing that trades.
    ("calibrate", &["config", "domain", "flow", "promoter", "statistics"]),
    // The broker takes only what the desk approved: the one word it knows of the desk, see `NARROW`.
    ("broker", &["clock", "desk", "domain", "http", "lightstreamer", "telemetry"]),
    // The simulator of IG has a clock of its own, which begins at the wall's.
    ("sim", &["broker", "clock", "desk", "domain"]),
    ("desk", &["broker", "config", "domain", "flow", "store"]),
    ("store", &["control", "domain", "flow", "ledger"]),
    (
        "settle",
        &[
            "broker", "config", "control", "desk", "domain", "flow", "ledger", "models", "promoter", "seats", "sim",
            "store",
        ],
    ),
    ("pipeline", &["app", "bars", "config", "feed", "flow", "models", "seats", "settle", "store"]),
    // Live orders are counted by what the desk journals of them.
    ("telemetry", &["domain", "flow", "store"]),
    // Figures of a store and one HTML file of them; whoever has a store may ask for it.
    ("report", &["domain", "flow", "ledger", "statistics", "store"]),
    // The journal as tables. It asks for a model by the words of the surface.
    ("export", &["control", "domain", "flow", "ledger", "store"]),
    // Follows the journal as any reader does, and tells people.
    ("notify", &["clock", "config", "domain", "flow", "http", "store", "telemetry"]),
    // The cells of the export as rows of a database; counted as it happens.
    ("mirror", &["config", "domain", "export", "ledger", "store", "telemetry"]),
    ("server", &["control", "domain", "export", "flow", "report", "store", "telemetry"]),
    (
        "app",
        &[
            "bars",
            "broker",
            "clock",
            "config",
            "control",
            "desk",
            "domain",
            "feed",
            "flow",
            "http",
            "ledger",
            "models",
            "notify",
            "registry",
            // The arena's key signs what the promoter recorded.
            "promoter",
            "seats",
            "server",
            "settle",
            "store",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "bars",
            // A login at IG, before there is anything to run.
            "broker",
            "clock",
            "calibrate",
            "config",
            "control",
            "deploy",
            "domain",
            "export",
            "feed",
            "flow",
            "history",
            "http",
            "mirror",
            "models",
            "notify",
            "promoter",
            "registry",
            "report",
            "server",
            "sim",
            "statistics",
            "store",
            "telemetry",
            "training",
        ],
    ),
];

/// Edges against the flow, and the one thing that may be named along them.
const NARROW: &[(&str, &str, &str)] = &[
    ("broker", "desk", "crate::desk::Approved"),
    ("sim", "desk", "crate::desk::Approved"),
    ("pipeline", "app", "crate::app::RunError"),
    ("store", "ledger", "crate::ledger::{Predicted, StreamLanes, read_predictions, read_trades}"),
    ("feed", "sim", "crate::sim::market::Markets"),
    ("feed", "broker", "crate::broker::ig::stream::"),
    ("history", "broker", "crate::broker::ig::"),
    // Counting as it happens is all that they want of it.
    ("feed", "telemetry", "crate::telemetry::ig"),
    ("broker", "telemetry", "crate::telemetry::ig"),
    ("training", "sim", "crate::sim::rng::Rng"),
];

/// Who may name the actor library.
const ACTORS: &[&str] =
    &["src/app/", "src/seats/host.rs", "src/seats/director.rs", "src/store/actor.rs", "src/server/"];

/// Who may open files and sockets, read the environment, or end the process.
const SHELLS: &[&str] = &[
    "src/main.rs",
    "src/app/",
    "src/bin/",
    "src/broker/ig/broker.rs",
    "src/broker/ig/calls.rs",
    "src/broker/ig/connect.rs",
    "src/broker/ig/rest.rs",
    "src/broker/ig/stream.rs",
    "src/cli/",
    "src/config/mod.rs",
    "src/deploy/",
    "src/feed/lines.rs",
    "src/history/files.rs",
    "src/history/parquet.rs",
    "src/history/yahoo/client.rs",
    "src/http.rs",
    "src/lightstreamer/client.rs",
    "src/notify/open.rs",
    "src/notify/telegram.rs",
    "src/notify/told.rs",
    "src/notify/webhook.rs",
    "src/mirror/target.rs",
    "src/process/",
    "src/registry/",
    "src/server/",
    "src/sim/ig/server.rs",
    "src/store/",
    "src/telemetry/log.rs",
];

/// Files of sentences about what lies outside: what a pure file must not name.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "File::open",
    "File::create",
    "tokio::fs",
    "tokio::net",
    "reqwest",
];

const LINES_MAX: usize = 800;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of ours below `dir` with one of these endings, sorted, with its path from the root.
fn files(dir: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(dir)];
    while let Some(path) = waiting.pop() {
        let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for entry in entries.map(|entry| entry.expect("a readable folder").path()) {
            if entry.is_dir() {
                waiting.push(entry);
            } else if endings.iter().any(|ending| entry.extension().is_some_and(|e| e == *ending)) {
                found.push(entry);
            }
        }
    }
    found.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        (name, text)
    };
    found.into_iter().map(read).collect()
}

fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("/testing.rs")
}

/// What of a file is neither a comment nor its test module.
fn code_of(text: &str) -> String {
    let code = text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at]);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The source files, without those that only tests are made of.
fn sources() -> Vec<(String, String)> {
    let all = files("src", &["rs"]);
    assert!(all.len() > 50, "the sources were not found");
    all.into_iter().filter(|(path, _)| !is_test_file(path)).map(|(path, text)| (path, code_of(&text))).collect()
}

fn is_under(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path == *place || (place.ends_with('/') && path.starts_with(place)))
}

/// `src/desk/book.rs` is of the room `desk`, `src/settle.rs` of `settle`.
fn room_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let room = inner.split('/').next()?.trim_end_matches(".rs");
    (!matches!(room, "lib" | "main" | "bin")).then_some(room)
}

/// The rooms that `code` names after `crate::`, each with the text that names it.
fn named_rooms(code: &str) -> Vec<(&str, &str)> {
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
        .map(|(at, _)| {
            let rest = &code[at + "crate::".len()..];
            let room = rest.find(|c: char| !c.is_alphanumeric() && c != '_').map_or(rest, |end| &rest[..end]);
            let line = code[at..].lines().next().unwrap_or_default();
            (room, line)
        })
        .collect()
}

#[test]
fn rooms_know_only_the_rooms_that_the_map_allows() {
    let map: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut breaches = Vec::new();
    let mut used = BTreeSet::new();
    let sources = sources();
    for (path, code) in &sources {
        let Some(room) = room_of(path) else { continue };
        let Some(allowed) = map.get(room) else {
            breaches.push(format!("{path}: the room {room} is not on the map"));
            continue;
        };
        assert!(!code.contains("crate::{"), "{path}: name each room in a `use` of its own, so that this test sees it");
        for (other, line) in named_rooms(code) {
            if other == room || !map.contains_key(other) {
                continue;
            }
            used.insert((room.to_owned(), other.to_owned()));
            if !allowed.contains(&other) {
                breaches.push(format!("{path}: {room} may not know {other}: {line}"));
            }
            let narrow = NARROW.iter().find(|(from, to, _)| *from == room && *to == other);
            if let Some((_, _, only)) = narrow
                && !line.starts_with(only)
            {
                breaches.push(format!("{path}: of {other}, {room} may name {only} alone: {line}"));
            }
        }
    }
    for (room, allowed) in ROOMS {
        for other in *allowed {
            if !used.contains(&((*room).to_owned(), (*other).to_owned())) {
                breaches.push(format!("the map lets {room} know {other}, which it does not: take the edge off"));
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn only_the_shells_name_the_actor_library() {
    for (path, code) in sources() {
        let names = code.contains("actix::") || code.contains("actix_web::") || code.contains("actix_rt::");
        assert!(!names || is_under(&path, ACTORS), "{path} names actix; hand the message to a shell");
    }
}

#[test]
fn only_the_shells_touch_the_outside() {
    for (path, code) in sources() {
        if is_under(&path, SHELLS) {
            continue;
        }
        for word in OUTSIDE {
            assert!(!code.contains(word), "{path} names {word}; only {SHELLS:?} may");
        }
    }
}

#[test]
fn pure_rooms_have_no_clock_and_no_threads() {
    const PURE: &[&str] = &[
        "domain",
        "statistics",
        "flow",
        "bars",
        "models",
        "ledger",
        "promoter",
        "desk",
        "broker",
        "settle",
        "pipeline",
        "control",
        "export",
        "report",
    ];
    const CLOCKS: &[&str] = &["Instant", "SystemTime", "tokio::", "std::thread", "sleep("];
    for (path, code) in sources() {
        // The shells of the connection to IG wait for its answers; what they decide lies in the files beside them.
        if is_under(&path, SHELLS) || !room_of(&path).is_some_and(|room| PURE.contains(&room)) {
            continue;
        }
        for word in CLOCKS {
            assert!(!code.contains(word), "{path} names {word}: this room lives in event time");
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for dir in ["src", "tests", "benches"] {
        for (path, text) in files(dir, &["rs"]) {
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{path} has {lines} lines: split it by idea");
            assert!(text.starts_with("//!"), "{path} does not begin with what it does (`//!`)");
            assert!(text.ends_with('\n') && !text.contains('\r'), "{path}: line ends");
        }
    }
}

#[test]
fn nothing_is_left_for_later_and_no_name_is_empty_talk() {
    // Put together here, so that this file does not find itself.
    let later = ["TO", "FIX", "XX"].iter().zip(["DO", "ME", "X"]).map(|(a, b)| format!("{a}{b}"));
    let macros = ["todo", "unimplemented"].map(|word| format!("{word}!"));
    let words: Vec<String> = later.chain(macros).collect();
    for dir in ["src", "tests", "benches", "scripts", "docs"] {
        for (path, text) in files(dir, &["rs", "md", "toml", "html", "sh"]) {
            for word in &words {
                assert!(!text.contains(word.as_str()), "{path} says {word}");
            }
            for line in text.lines() {
                let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
                if words.any(|word| matches!(word, "struct" | "enum" | "trait" | "mod" | "type")) {
                    let name = words.next().unwrap_or_default().to_lowercase();
                    let is_empty_talk = ["manager", "helper", "utils"].iter().any(|talk| name.contains(talk));
                    assert!(!is_empty_talk || !path.ends_with(".rs"), "{path}: {line}");
                }
            }
        }
    }
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let homes = ["root", "work", "home", "Users"].map(|home| format!("/{home}/"));
    let mut all: Vec<(String, String)> = ["src", "tests", "benches", "docs", "dashboards", ".config"]
        .iter()
        .flat_map(|dir| files(dir, &["rs", "md", "toml", "html", "yml", "json", "mjs", "snap"]))
        .collect();
    for name in ["README.md", "CHANGELOG.md", "arena.toml", "Cargo.toml", "scripts/test", "scripts/dashboards"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        all.push((name.to_owned(), text));
    }
    for (path, text) in all {
        for home in &homes {
            for (number, line) in text.lines().enumerate() {
                let at = line.find(home.as_str());
                let is_absolute = at.is_some_and(|at| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.'));
                assert!(!is_absolute, "{path}:{}: {line}", number + 1);
            }
        }
    }
}

#[test]
fn the_gates_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for name in ["scripts/test", "scripts/dashboards", ".ci/run"] {
        let mode = std::fs::metadata(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}")).permissions();
        assert!(mode.mode() & 0o111 == 0o111, "{name} is not executable");
    }
}
