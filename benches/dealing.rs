//! From the quote that completes a bar to the dealing request: the built program on the wire of the simulator, 1,000
//! candidates on paper and one that deals. One JSON line.
//!
//! The simulator stamps the quote before it is handed out and the request when it has read it, by one clock; in between
//! lie frame, decoding, bar, 1,001 models and ledgers, evidence, the flush of the intent to disk, and the request over
//! HTTP. A position is closed between two bars, so that no opening waits for the confirm of a closing.
//! `DEALS=300 cargo bench --bench dealing`: two seconds a deal.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arena::domain::{Price, UtcMicros};
use arena::sim::ig::{Config, Handle, Limits, Listing, Prices, Quoted, Server};
use serde_json::{Value, json};

const EPIC: &str = "CS.D.GBPUSD.TODAY.IP";
const PAPER: usize = 1_000;
/// Deals that are not counted: caches and connections are cold.
const WARM: usize = 5;
/// Quotes a second; the first of each completes the bar before it.
const QUOTES: i64 = 4;
const SECOND: i64 = 1_000_000;

fn write_config(dir: &Path, rest_url: &str, port: u16) {
    let thresholds: Vec<String> = (0..PAPER / 10).map(|n| format!("{:.6}", n as f64 * 0.000_003)).collect();
    let lookbacks: Vec<String> = (1..=10).map(|n: u32| n.to_string()).collect();
    let text = format!(
        r#"
[feed]
source = "ig"

[ig]
rest_url = "{rest_url}"

[server]
listen = "127.0.0.1:{port}"

[[markets]]
epic = "{EPIC}"
size_min = 0.5
stop_min_points = 1
gap_allowance_points = 8

[paper]
latency = "50ms"

[risk]
max_live_positions = 1
max_daily_loss = 1000000.0

[promotion]
mode = "off"
alpha_slots = 2000

[[models]]
name = "live"
bar = "1s"
kind = "random"
params = {{ rate = 1.0 }}
hold = "1500ms"
stop = 20
limit = 20
size = 0.5

[[models]]
name = "paper"
bar = "1s"
kind = "momentum"
params = {{ lookback = 1, threshold = 0.0 }}
hold = "3s"
stop = 20
limit = 20
size = 0.5
[models.sweep]
"params.lookback" = [{}]
"params.threshold" = [{}]
"#,
        lookbacks.join(", "),
        thresholds.join(", "),
    );
    std::fs::write(dir.join("arena.toml"), text).expect("the folder takes a file");
}

fn arena(dir: &Path, arguments: &[&str]) -> Command {
    let login = Config::default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command
        .args(arguments)
        .current_dir(dir)
        .env("IG_API_KEY", &login.api_keys[0])
        .env("IG_IDENTIFIER", &login.username)
        .env("IG_PASSWORD", &login.password)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Ends the program, whatever became of the measurement.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, perhaps.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Quotes the market at each quarter of a second until the second is over; when the first quote of it was handed out.
fn quote_a_second(sim: &Handle, step: i64) -> UtcMicros {
    let mut first = None;
    for quarter in 0..QUOTES {
        let into = sim.now().0.rem_euclid(SECOND);
        let due = quarter * SECOND / QUOTES + 2_000;
        // The first quote of a second waits for the next one to begin.
        let wait = if quarter == 0 { SECOND - into + due } else { (due - into).max(0) };
        std::thread::sleep(Duration::from_micros(wait.unsigned_abs()));
        let bid = 1_250_000 + ((step * QUOTES + quarter) * 7_919).rem_euclid(40) * 10;
        let at = sim.now();
        sim.quote(EPIC, Price::from_micros(bid), Price::from_micros(bid + 90)).expect("the market is there");
        first.get_or_insert(at);
    }
    first.expect("there is a quote in each second")
}

/// When requests to open came since number `since`, and the number after them.
fn openings(sim: &Handle, since: u64) -> (u64, Vec<UtcMicros>) {
    let told = sim.requests(since);
    let all = told["requests"].as_array().cloned().unwrap_or_default();
    let opens = |request: &&Value| request["method"] == "POST" && request["path"] == "/positions/otc";
    let at = |request: &Value| request["at"].as_str().and_then(|text| text.parse().ok());
    (told["next"].as_u64().unwrap_or(since), all.iter().filter(opens).filter_map(at).collect())
}

fn main() {
    let wanted = std::env::var("DEALS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_usize);
    let markets = vec![Quoted { listing: Listing::guess(EPIC), prices: Prices::Given }];
    let sim = Server::start(Config { markets, limits: Limits::lifted(), ..Config::default() }).expect("it starts");
    let dir = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    write_config(dir.path(), &sim.rest_url(), port);
    sim.quote(EPIC, Price::from_micros(1_250_000), Price::from_micros(1_250_090)).expect("the market is there");
    let _running = Running(arena(dir.path(), &["run", "-q"]).spawn().expect("the program starts"));
    let url = format!("http://127.0.0.1:{port}");
    let promote = ["promote", "live", "--override", "--reason", "measured", "--url", &url];

    let (mut seen, mut step, mut is_live) = (0, 0_i64, false);
    let mut micros: Vec<i64> = Vec::new();
    let ends = Instant::now() + Duration::from_secs(60 + 4 * (wanted + WARM) as u64);
    while micros.len() < wanted + WARM && Instant::now() < ends {
        step += 1;
        let quoted = quote_a_second(&sim, step);
        is_live = is_live || (step > 5 && arena(dir.path(), &promote).status().is_ok_and(|status| status.success()));
        let (next, came) = openings(&sim, seen);
        seen = next;
        micros.extend(came.iter().filter(|at| **at >= quoted).map(|at| at.0 - quoted.0));
    }
    let mut micros = micros.split_off(WARM.min(micros.len()));
    micros.sort_unstable();
    let line = json!({
        "bench": "from the quote that completes a bar to the dealing request",
        "candidates": PAPER + 1,
        "deals": micros.len(),
        "p50_ms": at_share(&micros, 0.5), "p90_ms": at_share(&micros, 0.9), "p99_ms": at_share(&micros, 0.99),
        "max_ms": at_share(&micros, 1.0),
    });
    writeln!(std::io::stdout(), "{line}").expect("standard output takes a line");
}

/// The value, in ms, that this share of the sorted ones does not exceed.
fn at_share(sorted: &[i64], share: f64) -> Option<f64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).map(|micros| *micros as f64 / 1e3)
}
