//! The built binary as a child process: commands that end, arenas that run, files to feed them.

// Every test binary compiles this file for itself and uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives it up: a debug build on a busy machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const EPIC: &str = "CS.D.GBPUSD.TODAY.IP";

/// What the simulator of IG knows its user by.
pub const LOGIN: [(&str, &str); 3] =
    [("IG_API_KEY", "demo-key-0123456789abcdef"), ("IG_IDENTIFIER", "demo-user"), ("IG_PASSWORD", "demo-pass")];

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Asserts the exit code and that nothing panicked; hands itself on.
    #[track_caller]
    pub fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert_calm(&self.err);
        self
    }

    /// Asserts that it failed with `code` and one sentence of its own that holds `part`.
    #[track_caller]
    pub fn fails(self, code: i32, part: &str) -> Self {
        let ran = self.is(code);
        let own: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("arena: ")).collect();
        assert_eq!(own.len(), 1, "one sentence: {ran:?}");
        assert!(own[0].contains(part), "{part:?} in {ran:?}");
        assert!(!own[0].ends_with('.') && own[0].chars().count() < 500, "{ran:?}");
        ran
    }
}

/// No panic, no backtrace, no debug print of an error.
#[track_caller]
pub fn assert_calm(err: &str) {
    for word in ["panicked", "a panic", "RUST_BACKTRACE", "stack backtrace", "attempt to "] {
        assert!(!err.contains(word), "{word:?} in {err}");
    }
    assert!(err.lines().filter(|line| line.starts_with("arena: ")).all(|line| !line.contains("Os {")), "{err}");
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command
        .args(arguments)
        .current_dir(dir)
        .env_remove("ARENA_URL")
        .env_remove("ARENA_TOKEN")
        .env_remove("MLFLOW_TRACKING_URI")
        .env_remove("RUST_LOG")
        .env("COLUMNS", "80")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub fn arena(dir: &Path, arguments: &[&str]) -> Ran {
    Watched::spawn(command(dir, arguments)).wait(PATIENCE)
}

/// The same with these variables set.
pub fn arena_with(dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    begin(dir, variables, arguments).wait(PATIENCE)
}

/// Begins a command with these variables set; it is killed when it is dropped.
pub fn begin(dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Watched {
    let mut command = command(dir, arguments);
    command.envs(variables.iter().copied());
    Watched::spawn(command)
}

/// Runs `script` with `$ARENA` as the binary: for limits and pipes.
pub fn shell(dir: &Path, script: &str) -> Ran {
    let mut command = Command::new("bash");
    command
        .args(["-c", script])
        .current_dir(dir)
        .env("ARENA", env!("CARGO_BIN_EXE_arena"))
        .env_remove("ARENA_URL")
        .env_remove("ARENA_TOKEN")
        .env_remove("MLFLOW_TRACKING_URI")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Watched::spawn(command).wait(PATIENCE)
}

/// A child whose outputs are read as they come, and which does not outlive its test.
pub struct Watched {
    child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
    readers: Vec<thread::JoinHandle<()>>,
}

fn drain(mut from: impl Read + Send + 'static, to: &Arc<Mutex<Vec<u8>>>) -> thread::JoinHandle<()> {
    let to = Arc::clone(to);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n) = from.read(&mut bytes) {
            if n == 0 {
                break;
            }
            to.lock().unwrap().extend_from_slice(&bytes[..n]);
        }
    })
}

impl Watched {
    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![drain(child.stdout.take().unwrap(), &out), drain(child.stderr.take().unwrap(), &err)];
        Self { child, out, err, readers }
    }

    fn text(of: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(of.lock().unwrap().clone()).unwrap()
    }

    #[track_caller]
    fn wait(mut self, patience: Duration) -> Ran {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > patience {
                self.child.kill().unwrap();
                panic!("not done after {patience:?}: {} {}", Self::text(&self.out), Self::text(&self.err));
            }
            thread::sleep(Duration::from_millis(5));
        };
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
        Ran { code, out: Self::text(&self.out), err: Self::text(&self.err) }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Gone already where the test waited for it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An arena that serves.
pub struct Live {
    child: Watched,
    pub dir: PathBuf,
    pub url: String,
}

impl Live {
    /// Starts `arena run` in `dir` and waits for its page.
    #[track_caller]
    pub fn start(dir: &Path) -> Self {
        Self::start_as(dir, &[], &["run"])
    }

    /// The same with these variables and arguments.
    #[track_caller]
    pub fn start_as(dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::serving(begin(dir, variables, arguments), dir)
    }

    /// The same with `ulimit -f` of so many kB.
    #[track_caller]
    pub fn start_limited(dir: &Path, file_kb: u64) -> Self {
        let mut limited = Command::new("bash");
        limited
            .args(["-c", &format!("ulimit -f {file_kb}; exec \"$ARENA\" run")])
            .current_dir(dir)
            .env("ARENA", env!("CARGO_BIN_EXE_arena"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self::serving(Watched::spawn(limited), dir)
    }

    /// The same with its data on a disk of its own of so many MB, seen by nobody else; `None` where that is not allowed.
    #[track_caller]
    pub fn start_on_disk(dir: &Path, mb: u64) -> Option<Self> {
        let script = format!("mount -t tmpfs -o size={mb}m tmpfs data");
        let tried = Command::new("unshare").args(["-m", "bash", "-c", &script]).current_dir(dir).output();
        if !tried.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let mut mounted = Command::new("unshare");
        mounted
            .args(["-m", "bash", "-c", &format!("{script} && exec \"$ARENA\" run")])
            .current_dir(dir)
            .env("ARENA", env!("CARGO_BIN_EXE_arena"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Some(Self::serving(Watched::spawn(mounted), dir))
    }

    /// Its token, from the files as it sees them.
    pub fn token(&self) -> String {
        let folder = std::fs::canonicalize(&self.dir).unwrap();
        let seen = format!("/proc/{}/root{}/data/arena.token", self.child.child.id(), folder.display());
        std::fs::read_to_string(seen).or_else(|_| std::fs::read_to_string(folder.join("data/arena.token"))).unwrap()
    }

    #[track_caller]
    fn serving(mut child: Watched, dir: &Path) -> Self {
        let begun = Instant::now();
        let url = loop {
            let out = Watched::text(&child.out);
            if let Some(at) = out.find("http://")
                && let Some(end) = out[at..].find("/\n")
            {
                break out[at..at + end].to_owned();
            }
            let is_over = child.child.try_wait().unwrap().is_some() || begun.elapsed() > PATIENCE;
            assert!(!is_over, "no page: {out} {}", Watched::text(&child.err));
            thread::sleep(Duration::from_millis(10));
        };
        let live = Self { child, dir: dir.to_owned(), url };
        assert_eq!(live.get("/healthz").0, 200);
        live
    }

    /// Runs a command against it.
    pub fn arena(&self, arguments: &[&str]) -> Ran {
        arena(&self.dir, &[arguments, &["--url", &self.url]].concat())
    }

    /// Status and body of a GET, by hand.
    pub fn get(&self, path: &str) -> (u16, String) {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status).unwrap();
        let mut length = None;
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = Some(n.trim().parse().unwrap());
            }
            line.clear();
        }
        let mut body = vec![0; length.unwrap_or_default()];
        reader.read_exact(&mut body).unwrap();
        (status.split(' ').nth(1).unwrap().parse().unwrap(), String::from_utf8(body).unwrap())
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The leaderboard's row of a model.
    pub fn row(&self, model: &str) -> Value {
        let board = self.json("/api/v1/leaderboard");
        let rows = board["models"].as_array().unwrap();
        rows.iter().find(|row| row["model"] == model).cloned().unwrap_or_default()
    }

    pub fn state(&self, model: &str) -> String {
        self.row(model)["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until `is_so`, asked again and again.
    #[track_caller]
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "never: {what}; {} {}", self.out(), self.err());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn out(&self) -> String {
        Watched::text(&self.child.out)
    }

    pub fn err(&self) -> String {
        Watched::text(&self.child.err)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.child.try_wait().unwrap().is_none()
    }

    /// Sends it a signal by name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Ctrl-C; it must end within `patience`.
    #[track_caller]
    pub fn interrupt(self, patience: Duration) -> Ran {
        self.signal("INT");
        self.child.wait(patience)
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn wait(self) -> Ran {
        self.child.wait(PATIENCE)
    }
}

/// A configuration of a sim with one planted edge and a promoter that is easily convinced.
pub fn easy(changes: &[(&str, &str)]) -> String {
    let mut text = String::from(
        r#"[arena]
name = "attacked"

[feed]
source = "sim"
speed = 0
edge_r = 0.3

[server]
listen = "127.0.0.1:0"

[[markets]]
epic = "CS.D.GBPUSD.TODAY.IP"
point = 0.0001
gap_allowance_points = 8

[paper]
slippage_points = 0.05

[risk]
max_live_size = 2.0
max_daily_loss = 100000

[promotion]
mode = "auto"
alpha = 0.4
alpha_slots = 4
min_episodes = 10
min_days = 0
min_active_days = 0
min_useful_edge_r = -5
futility_e = 0
ramp_episodes = 1000000

[[models]]
name = "edge"
kind = "momentum"
params = { lookback = 1, threshold = 0.00039 }
hold = "6m"
stop = 4
limit = 4
size = 2.0

[[models]]
name = "fade"
kind = "mean_reversion"
params = { lookback = 1, threshold = 0.00039 }
hold = "6m"
stop = 4
limit = 4
size = 2.0
[models.sweep]
"params.lookback" = [1, 3]
"#,
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

/// A folder with this configuration.
pub fn folder(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("arena.toml"), config).unwrap();
    dir
}

/// Quotes of a seeded walk, two seconds apart, as CSV with its header.
pub fn quotes(n: usize) -> String {
    let mut text = String::from("time_utc,bid,ask\n");
    let mut x: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut level: i64 = 125_000;
    let start = 1_398_902_400_000_000;
    for number in 0..n {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        let draw = x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 60;
        level += i64::try_from(draw).unwrap() % 7 - 3;
        let time = arena::domain::UtcMicros(start + i64::try_from(number).unwrap() * 2_000_000);
        let price = |level: i64| format!("{}.{:05}", level / 100_000, level % 100_000);
        text.push_str(&format!("{time},{},{}\n", price(level), price(level + 8)));
    }
    text
}

/// Asserts that `value` is an object with exactly these keys in this order, each of its type: `str`, `word`, `bool`,
/// `int`, `num`, `dec` (a decimal string), `time`, `list`, `obj`, with `?` where null may stand.
#[track_caller]
pub fn assert_shape(value: &Value, shape: &[(&str, &str)]) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    let want: Vec<&str> = shape.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, want, "{value}");
    for (key, kind) in shape {
        let value = &object[*key];
        let (kind, may_be_null) = kind.strip_suffix('?').map_or((*kind, false), |kind| (kind, true));
        if value.is_null() {
            assert!(may_be_null, "{key} is null in {object:?}");
            continue;
        }
        let fits = match kind {
            "str" => value.as_str().is_some_and(|text| !text.is_empty()),
            "bool" => value.is_boolean(),
            "int" => value.is_u64(),
            "num" => value.is_number(),
            "dec" => value.as_str().is_some_and(|text| text.parse::<arena::domain::Decimal>().is_ok()),
            "time" => value.as_str().is_some_and(is_time),
            "list" => value.is_array(),
            "obj" => value.is_object(),
            other => panic!("no such kind: {other}"),
        };
        assert!(fits, "{key} is no {kind}: {value}");
    }
}

/// ISO 8601 with `Z` and no superfluous zero.
fn is_time(text: &str) -> bool {
    text.parse::<arena::domain::UtcMicros>().is_ok_and(|time| time.to_string() == text)
        && text.ends_with('Z')
        && !(text.contains('.') && text.ends_with("0Z"))
}
