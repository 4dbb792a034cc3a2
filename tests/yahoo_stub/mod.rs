//! A stand-in for Yahoo on loopback: real HTTP, answers as a test scripts them, every request kept.

// Every test binary compiles this file for itself and uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]
#![allow(clippy::print_stdout, reason = "a test says what it skipped")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
}

impl Seen {
    /// `period1` and `period2`.
    pub fn periods(&self) -> (i64, i64) {
        let of = |key: &str| self.query[key].parse().expect("whole seconds");
        (of("period1"), of("period2"))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
    /// How long the answer takes.
    pub delay: Duration,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), headers: Vec::new(), delay: Duration::ZERO }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
    }

    pub fn error(status: u16, code: &str, text: &str) -> Self {
        Self::new(
            status,
            format!(r#"{{"chart":{{"result":null,"error":{{"code":"{code}","description":"{text}"}}}}}}"#),
        )
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Script = Arc<dyn Fn(usize, &Seen) -> Answer + Send + Sync>;

/// The stand-in; it ends with its test.
pub struct Stub {
    pub base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    handle: actix_web::dev::ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Stub {
    /// Answers request number n, from 0, as `script` says.
    pub fn start(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let script: Script = Arc::new(script);
        let (told, hears) = channel();
        let kept = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let (script, seen) = (Arc::clone(&script), Arc::clone(&kept));
                    App::new().default_service(web::to(move |request: HttpRequest| {
                        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                        async move { answer(&request, &script, &seen).await }
                    }))
                };
                let server = HttpServer::new(app)
                    .workers(1)
                    .disable_signals()
                    .shutdown_timeout(0)
                    .bind("127.0.0.1:0")
                    .expect("a free port");
                let address = server.addrs()[0];
                let server = server.run();
                told.send((address, server.handle())).expect("the test waits");
                server.await.expect("the stub runs");
            });
        });
        let (address, handle) = hears.recv().expect("the stub starts");
        Self { base: format!("http://{address}"), seen, handle, thread: Some(thread) }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics in it").clone()
    }

    /// The windows asked for so far.
    pub fn periods(&self) -> Vec<(i64, i64)> {
        self.seen().iter().filter(|seen| seen.path.contains("/chart/")).map(Seen::periods).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn answer(request: &HttpRequest, script: &Script, seen: &Mutex<Vec<Seen>>) -> HttpResponse {
    let query = web::Query::<BTreeMap<String, String>>::from_query(request.query_string()).expect("a query");
    let headers = request.headers().iter();
    let this = Seen {
        path: request.path().to_owned(),
        query: query.into_inner(),
        headers: headers.map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned())).collect(),
    };
    let number = {
        let mut seen = seen.lock().expect("no test panics in it");
        seen.push(this.clone());
        seen.len() - 1
    };
    let answer = script(number, &this);
    actix_web::rt::time::sleep(answer.delay).await;
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).expect("a status"));
    for header in answer.headers {
        response.append_header(header);
    }
    response.body(answer.body)
}

/// A shared fixture; `None`, and a word about it, where it is not there.
pub fn fixture(name: &str) -> Option<Vec<u8>> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "shared", "yahoo", "fixtures", name].iter().collect();
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(std::fs::read(path).expect("a readable fixture"))
}

/// A chart of one price a row, over every `step` seconds that begin in the window; `price` may say that there is no row.
pub fn chart(
    seen: &Seen,
    step: i64,
    granularity: &str,
    market_time: i64,
    price: impl Fn(i64) -> Option<f64>,
) -> String {
    let (from, to) = seen.periods();
    let first = from.div_euclid(step) * step + if from.rem_euclid(step) == 0 { 0 } else { step };
    let rows: Vec<(i64, f64)> = (first..to.min(market_time + 1))
        .step_by(usize::try_from(step).expect("a step forward"))
        .filter_map(|time| Some((time, price(time)?)))
        .collect();
    let stamps: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let prices: Vec<f64> = rows.iter().map(|row| row.1).collect();
    // Days begin where the stub lets them begin: at midnight UTC.
    let zone = if granularity == "1d" { "UTC" } else { "America/New_York" };
    let symbol = seen.path.rsplit('/').next().unwrap_or_default();
    serde_json::json!({"chart": {"result": [{
        "meta": {
            "symbol": symbol, "currency": "USD", "exchangeTimezoneName": zone,
            "regularMarketTime": market_time, "dataGranularity": granularity, "priceHint": 2,
        },
        "timestamp": stamps,
        "indicators": {"quote": [{
            "open": prices, "high": prices, "low": prices, "close": prices, "volume": vec![7; prices.len()],
        }], "adjclose": [{ "adjclose": prices }]},
    }], "error": null}})
    .to_string()
}
