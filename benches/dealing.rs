//! From the quote that completes a bar to the dealing request: 1,000 candidates on the wire of the simulator, one of them
//! live. One JSON line.
//!
//! The simulator stamps the quote when it is handed out and the request when it has read it, by one clock; in between lie
//! frame, decoding, bar, 1,000 models, evidence, the flush of the intent to disk, and the request over HTTP.
//! `cargo bench --bench dealing`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena::app::{self, Abroad, Durability, Pace, Plan, Serving};
use arena::broker::ig::connect::{Address, Credentials, Entry};
use arena::broker::ig::stream::PriceSource;
use arena::clock::{Clock, SystemClock};
use arena::domain::{Micros, Price, UtcMicros};
use arena::feed;
use arena::sim::ig::{Config, Handle, Limits, Listing, Prices, Quoted, Server};
use arena::store::Sled;
use indicatif::ProgressBar;
use serde_json::{Value, json};

const EPIC: &str = "CS.D.GBPUSD.TODAY.IP";
const TOKEN: &str = "measure-measure-measure-measure-measure";
const CANDIDATES: usize = 1_000;
const SAMPLES: usize = 400;
const WARM: usize = 20;

fn config_text(rest_url: &str) -> String {
    let thresholds: Vec<String> = (0..100).map(|n| format!("{:.6}", f64::from(n) * 0.000_003)).collect();
    let lookbacks: Vec<String> = (1..=10).map(|n| n.to_string()).collect();
    format!(
        "[feed]\nsource = \"ig\"\n[ig]\nrest_url = \"{rest_url}\"\n[[markets]]\nepic = \"{EPIC}\"\nsize_min = 0.5\n\
         stop_min_points = 1\ngap_allowance_points = 8\n[paper]\nlatency = \"50ms\"\n[risk]\nmax_live_positions = 1\n\
         max_daily_loss = 1000000.0\nstale_quote = \"1d\"\n[promotion]\nmode = \"off\"\nalpha_slots = 2000\n\
         [[models]]\nname = \"live\"\nepic = \"{EPIC}\"\nbar = \"1s\"\nkind = \"random\"\nparams = {{ rate = 1.0 }}\n\
         hold = \"1s\"\nstop = 20\nlimit = 20\nsize = 0.5\n\
         [[models]]\nname = \"paper\"\nepic = \"{EPIC}\"\nbar = \"1s\"\nkind = \"momentum\"\n\
         params = {{ lookback = 1, threshold = 0.0 }}\nhold = \"3s\"\nstop = 20\nlimit = 20\nsize = 0.5\n\
         [models.sweep]\n\"params.lookback\" = [{}]\n\"params.threshold\" = [{}]\n",
        lookbacks.join(", "),
        thresholds.join(", "),
    )
}

/// Runs the arena until it is told to stop.
fn run_arena(
    sim: &Handle,
    folder: &Path,
    listener: TcpListener,
    ends: Instant,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = arena::config::parse(&config_text(&sim.rest_url()), "measured.toml", folder)
        .map_err(|problems| format!("{problems:?}"))?;
    config.arena.data = folder.to_owned();
    assert_eq!(config.candidates.len(), CANDIDATES + 1);
    let login = Config::default();
    let credentials = Credentials {
        api_key: login.api_keys[0].as_str().into(),
        identifier: login.username.clone(),
        password: login.password.as_str().into(),
    };
    let address = Address { rest_url: sim.rest_url(), account: String::new(), credentials };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let connection = runtime.block_on(async {
        let entry = Entry::open(address, &config.markets).await?;
        entry.stream(Arc::clone(&clock), PriceSource::Price, 7).await
    })?;
    let feed = feed::ig::Ig::new(Some(connection.stream), connection.news, 1, Arc::clone(&clock));
    app::run(Plan {
        file: None,
        resolver: Arc::new(arena::config::Nothing),
        warmups: Vec::new(),
        store: Box::new(Sled::open(&folder.join("store"), 0)?),
        feed: Box::new(feed),
        models: Arc::new(arena::models::build),
        durability: Durability::EveryRound,
        pace: Pace { speed: 1.0, live_speed_max: 0.0, skips_silence: None },
        has_tail: false,
        slice_rounds: app::SLICE_ROUNDS,
        deadline: Some(Duration::from_secs(2)),
        serving: Some(Serving { listener, token: TOKEN.to_owned() }),
        progress: ProgressBar::hidden(),
        on_change: Box::new(|_| ()),
        champions: None,
        ends_at: Some(ends),
        heeds_signals: false,
        wants_result: false,
        on_tick: None,
        clock: Some(clock),
        abroad: Some(Abroad {
            broker: connection.broker,
            account: "the simulator".to_owned(),
            rules: connection.rules,
            later_rules: connection.later_rules,
        }),
        config: Arc::new(config),
    })?;
    runtime.shutdown_background();
    Ok(())
}

fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    if stream.write_all(head.as_bytes()).is_err() || stream.read_to_string(&mut answer).is_err() {
        return String::new();
    }
    answer
}

/// When the requests to open came, from number `since` on.
fn openings(sim: &Handle, since: u64) -> (u64, Vec<UtcMicros>) {
    let told = sim.requests(since);
    let all = told["requests"].as_array().cloned().unwrap_or_default();
    let is_opening = |request: &&Value| request["method"] == "POST" && request["path"] == "/positions/otc";
    let at = |request: &Value| request["at"].as_str().and_then(|text| text.parse().ok());
    (told["next"].as_u64().unwrap_or(since), all.iter().filter(is_opening).filter_map(at).collect())
}

fn main() {
    let listing = Listing::guess(EPIC);
    let config = Config {
        markets: vec![Quoted { listing, prices: Prices::Given }],
        limits: Limits::lifted(),
        ..Config::default()
    };
    let sim = Server::start(config).expect("the simulator starts");
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let page = listener.local_addr().expect("a bound port");
    let ends = Instant::now() + Duration::from_secs(150);
    let mut micros: Vec<i64> = Vec::with_capacity(SAMPLES);
    std::thread::scope(|scope| {
        let arena = scope.spawn(|| run_arena(&sim, folder.path(), listener, ends).map_err(|error| error.to_string()));
        let (mut seen, mut step, mut is_promoted) = (0, 0_i64, false);
        while micros.len() < SAMPLES + WARM && Instant::now() < ends - Duration::from_secs(5) && !arena.is_finished() {
            step += 1;
            // A second of the venue goes by at once; the quote after it completes the bar.
            sim.advance(Micros(1_000_000));
            let bid = 1_250_000 + (step * 7_919) % 40;
            let (bid, offer) = (Price::from_micros(bid), Price::from_micros(bid + 90));
            let quoted = sim.now();
            sim.quote(EPIC, bid, offer).expect("the market is there");
            if !is_promoted && step > 8 {
                let answer = post(page, "/api/v1/models/live/promote", r#"{"override": true, "reason": "measured"}"#);
                is_promoted = answer.starts_with("HTTP/1.1 200");
            }
            let until = Instant::now() + Duration::from_millis(60);
            while Instant::now() < until {
                std::thread::sleep(Duration::from_micros(500));
                let (next, came) = openings(&sim, seen);
                seen = next;
                if let Some(at) = came.first() {
                    micros.push(at.0 - quoted.0);
                    break;
                }
            }
        }
        // It ends by its own clock, or has failed.
        if let Err(error) = arena.join().expect("the arena does not panic") {
            eprintln!("{error}");
        }
    });
    let mut micros = micros.split_off(WARM.min(micros.len()));
    micros.sort_unstable();
    let share = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
        let at = ((micros.len() as f64 * share) as usize).min(micros.len().saturating_sub(1));
        micros.get(at).map(|micros| *micros as f64 / 1e3)
    };
    let line = json!({
        "bench": "from the quote that completes a bar to the dealing request",
        "candidates": CANDIDATES + 1,
        "samples": micros.len(),
        "p50_ms": share(0.5), "p90_ms": share(0.9), "p99_ms": share(0.99), "max_ms": share(1.0),
    });
    writeln!(std::io::stdout(), "{line}").expect("standard output takes a line");
}
