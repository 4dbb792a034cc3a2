//! Types the commands of a page into a shell, one after the other, in a folder as a reader has it: with a configuration,
//! some recorded quotes, a Yahoo and an IG on loopback.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use arena::sim::ig;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Signal, kill_process_group};

use super::page::{Command, is_shown};
use super::rules::{Need, is_service, needs, typed};
use super::yahoo_stub::{Answer, Stub, chart};

/// No command of the book takes longer, on a machine that is busy with others.
const PATIENCE: Duration = Duration::from_secs(90);
/// The last two days that the stand-in for Yahoo knows end here.
pub(crate) const NOW: &str = "2026-11-28T00:00:00Z";
const NOW_SECONDS: i64 = 1_795_824_000;
const DAY_SECONDS: i64 = 86_400;

/// A folder and what runs in it.
pub(crate) struct Reader {
    folder: tempfile::TempDir,
    here: PathBuf,
    variables: BTreeMap<String, String>,
    /// Ports that the page believes to be the arena's and the simulator's.
    arena_port: u16,
    sim_port: u16,
    yahoo: Stub,
    ig: ig::Handle,
    services: Vec<Service>,
}

struct Service {
    text: String,
    is_arena: bool,
    child: Child,
}

impl Service {
    /// Whether it is an arena, or asks one until that one ends.
    fn is_of_the_arena(&self) -> bool {
        self.is_arena || self.text.starts_with("arena tail")
    }

    /// Tells it to end, and waits until it has.
    fn end(mut self) -> Result<(), String> {
        end(&mut self.child, Signal::INT);
        let begun = Instant::now();
        loop {
            match self.child.try_wait().expect("it is ours") {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("`{}`, told to end, ends with {status}", self.text)),
                None if begun.elapsed() > PATIENCE => {
                    end(&mut self.child, Signal::KILL);
                    return Err(format!("`{}` does not end when it is told to", self.text));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

/// A walk of six hours with a quote every five seconds.
fn quotes() -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut mid = 1_386_700_i64;
    let mut text = "time_utc,bid,ask\n".to_owned();
    for at in 0..4_320_i64 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        mid += i64::try_from(state % 61).expect("a small number") - 30;
        let (hour, minute, second) = (at / 720, at / 12 % 60, at % 12 * 5);
        let price = |micros: i64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let (bid, ask) = (price(mid - 40), price(mid + 40));
        text.push_str(&format!("2014-05-01T{hour:02}:{minute:02}:{second:02}.000Z,{bid},{ask}\n"));
    }
    text
}

fn gzipped(text: &str, file: &Path) {
    let mut gzip = GzEncoder::new(File::create(file).expect("a file"), Compression::fast());
    gzip.write_all(text.as_bytes()).expect("it takes text");
    gzip.finish().expect("it ends");
}

fn yahoo() -> Stub {
    Stub::start(|_, seen| {
        let (step, word) = match seen.query.get("interval").map(String::as_str) {
            Some("1d") => (DAY_SECONDS, "1d"),
            Some("1h") => (3_600, "1h"),
            _ => (60, "1m"),
        };
        let known = if step == 60 { 2 } else { 60 } * DAY_SECONDS;
        let price = |time: i64| {
            let wave =
                (time as f64 / 1_700.0).sin() + 0.4 * (time as f64 / 431.0).cos() + ((time / 60) % 7) as f64 * 0.03;
            (time > NOW_SECONDS - known).then(|| (7_025.0 + 20.0 * wave).round() / 100.0)
        };
        Answer::ok(chart(seen, step, word, NOW_SECONDS, price))
    })
}

impl Reader {
    /// `is_bare`: the page makes its own configuration.
    pub(crate) fn new(is_bare: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let here = folder.path().join("here");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(folder.path().join("bin")).expect("a folder");
        fs::create_dir_all(&here).expect("a folder");
        for (name, program) in [("arena", env!("CARGO_BIN_EXE_arena")), ("arena-sim", env!("CARGO_BIN_EXE_arena-sim"))]
        {
            symlink(program, folder.path().join("bin").join(name)).expect("a link");
        }
        symlink(root.join("examples"), here.join("examples")).expect("a link");
        if !is_bare {
            fs::copy(root.join("arena.toml"), here.join("arena.toml")).expect("a configuration");
        }
        let quotes = quotes();
        gzipped(&quotes, &here.join("quotes.csv.gz"));
        let mut gold = "time_utc,open,high,low,close\n".to_owned();
        for minute in 0..600 {
            let (hour, minute, price) = (minute / 60, minute % 60, 1_200 + minute % 17);
            gold.push_str(&format!("2014-05-01T{hour:02}:{minute:02}:00Z,{price},{price},{price},{price}\n"));
        }
        gzipped(&gold, &here.join("gold.csv.gz"));
        let outcomes: String = (0..200).map(|n| if n % 3 == 0 { "-1\n" } else { "0.8\n" }).collect();
        fs::write(here.join("outcomes.csv"), format!("x\n{outcomes}")).expect("a file");
        let limits = ig::Limits::lifted();
        let ig = ig::Server::start(ig::Config { limits, ..ig::Config::default() }).expect("the simulator starts");
        let variables = BTreeMap::from([
            ("IG_API_KEY".to_owned(), "demo-key-0123456789abcdef".to_owned()),
            ("IG_IDENTIFIER".to_owned(), "demo-user".to_owned()),
            ("IG_PASSWORD".to_owned(), "demo-pass".to_owned()),
        ]);
        let (arena_port, sim_port) = (free_port(), free_port());
        let mut reader =
            Self { folder, here, variables, arena_port, sim_port, yahoo: yahoo(), ig, services: Vec::new() };
        let bars = "arena resample --quotes quotes.csv.gz --every 1m -o bars.csv -q";
        reader.shell(bars, 0).expect("bars of the quotes");
        reader
    }

    /// Writes a file of the page. One that is named after the configuration is added to it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.here.join(name);
        let before = if name == "arena.toml" { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        fs::write(path, format!("{before}\n{text}")).expect("a file");
    }

    /// Types one command.
    ///
    /// # Errors
    /// What went otherwise than the page says.
    pub(crate) fn run(&mut self, command: &Command) -> Result<(), String> {
        let text = command.text.as_str();
        if let Some(rest) = text.strip_prefix("export ") {
            // The simulator knows the login that every reader starts with, and no other.
            let pairs = rest.split(' ').filter_map(|pair| pair.split_once('='));
            for (key, value) in pairs {
                self.variables.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            }
            return Ok(());
        }
        if let Some(to) = text.strip_prefix("cd ") {
            self.here.push(to.trim());
            return Ok(());
        }
        self.configure();
        match needs(text) {
            Need::Running if !self.services.iter().any(|service| service.is_arena) => self.start("arena run", &[])?,
            Need::Rest => {
                if !self.here.join("data/store").exists() {
                    self.start("arena run", &[])?;
                }
                self.stop(Service::is_of_the_arena)?;
            }
            Need::Stopped => self.stop(Service::is_of_the_arena)?,
            Need::Running | Need::Nothing => {}
        }
        if text.starts_with("arena-sim") {
            self.stop(|service| service.text.starts_with("arena-sim"))?;
        }
        let typed = typed(text, &self.yahoo.base, &self.ig.rest_url());
        if is_service(text) {
            return self.start(&typed, &command.shown);
        }
        let printed = self.shell(&typed, command.code)?;
        is_shown(&command.shown, &printed).map_err(|line| format!("does not print `{line}` but\n{printed}"))
    }

    /// Ends what still runs, as Ctrl-C does; each has to end with 0.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.stop(|_| true)
    }

    /// The configurations of the folder listen where nobody else does, and their market runs fast.
    fn configure(&self) {
        for entry in fs::read_dir(&self.here).expect("a folder").flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a configuration");
            let ours = format!("listen = \"127.0.0.1:{}\"", self.arena_port);
            let changed = text.replace("listen = \"127.0.0.1:8787\"", &ours).replace("speed = 1.0 ", "speed = 600.0 ");
            if changed != text {
                fs::write(path, changed).expect("a configuration");
            }
        }
    }

    fn command(&self, text: &str) -> std::process::Command {
        let text = text
            .replace("127.0.0.1:8787", &format!("127.0.0.1:{}", self.arena_port))
            .replace("127.0.0.1:9000", &format!("127.0.0.1:{}", self.sim_port));
        let path =
            format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
        let mut command = std::process::Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &text]).current_dir(&self.here);
        for name in ["ARENA_TOKEN", "ARENA_URL", "MLFLOW_TRACKING_URI", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.env("PATH", path).env("HOME", &self.here).env("COLUMNS", "80").envs(&self.variables);
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    /// Runs to the end; standard output.
    fn shell(&mut self, text: &str, code: i32) -> Result<String, String> {
        let (out, err) = (self.folder.path().join("out"), self.folder.path().join("err"));
        let open = |path: &Path| File::create(path).expect("a file");
        let mut child = self.command(text).stdout(open(&out)).stderr(open(&err)).spawn().expect("bash runs");
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                end(&mut child, Signal::KILL);
                return Err(format!("`{text}` takes longer than {} s", PATIENCE.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let (out, err) = (read(&out), read(&err));
        if status.code() == Some(code) {
            return Ok(out);
        }
        Err(format!("`{text}` ends with {status}, not {code}\n{out}{err}"))
    }

    /// Starts what runs until it is told to end, and waits until it is of use and has printed what is shown.
    fn start(&mut self, text: &str, shown: &[String]) -> Result<(), String> {
        let word = |text: &str| text.split(" -").next().unwrap_or_default().to_owned();
        let is_arena = text.starts_with("arena run") || text.contains(" run");
        // One of a kind at a time: their ports are the same.
        self.stop(|service| word(&service.text) == word(text) || (is_arena && service.is_of_the_arena()))?;
        let log = self.folder.path().join(format!("service-{}", self.services.len()));
        let file = File::create(&log).expect("a file");
        let other = file.try_clone().expect("a file");
        // The shell gives way to the program, so that signals reach it.
        let mut child = self.command(&format!("exec {text}")).stdout(file).stderr(other).spawn().expect("bash runs");
        let begun = Instant::now();
        loop {
            let is_ready = if is_arena {
                ask(self.arena_port, "/readyz").starts_with("HTTP/1.1 200")
                    && is_warm(&ask(self.arena_port, "/api/v1/leaderboard"))
            } else if text.starts_with("arena-sim") {
                read(&log).contains("rest")
            } else {
                !read(&log).is_empty()
            };
            if is_ready && is_shown(shown, &read(&log)).is_ok() {
                self.services.push(Service { text: text.to_owned(), is_arena, child });
                return Ok(());
            }
            if let Some(status) = child.try_wait().expect("it is ours") {
                return Err(format!("`{text}` ends with {status}\n{}", read(&log)));
            }
            if begun.elapsed() > PATIENCE {
                end(&mut child, Signal::KILL);
                return Err(format!("`{text}` is not ready after {} s\n{}", PATIENCE.as_secs(), read(&log)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self, which: impl Fn(&Service) -> bool) -> Result<(), String> {
        let (ending, staying) = std::mem::take(&mut self.services).into_iter().partition(which);
        self.services = staying;
        let mut ending: Vec<Service> = ending;
        // Whoever asks an arena ends before it.
        ending.sort_by_key(|service| service.is_arena);
        // All of them, also where one does not end as it should.
        let told: Vec<Result<(), String>> = ending.into_iter().map(Service::end).collect();
        told.into_iter().collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for service in &mut self.services {
            end(&mut service.child, Signal::KILL);
            drop(service.child.wait());
        }
    }
}

/// Signals the group of a child that is not waited for yet; false where it is over by itself.
fn end(child: &mut Child, signal: Signal) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process_group(pid, signal).is_ok()
}

/// Whether every candidate of this leaderboard trades.
fn is_warm(board: &str) -> bool {
    board.contains("\"shadow\"") && !board.contains("\"warming\"")
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a loopback port answers to a GET; nothing where nobody listens.
fn ask(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let limit = Some(Duration::from_secs(5));
    stream.set_read_timeout(limit).expect("a limit");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).is_ok() {
        drop(stream.read_to_end(&mut answer));
    }
    String::from_utf8_lossy(&answer).into_owned()
}
