//! The server over a real socket, with a double of the arena behind it: every route, every refusal, every shape.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

mod http_reference;
mod support;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use arena::control::Command;
use arena::domain::UtcMicros;
use arena::server::{ROUTES, ServerOptions, serve};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use support::{DemoControl, ODD_NAME};

const TOKEN: &str = "a-token-for-tests";

/// A server with its double.
struct Arena {
    control: Arc<DemoControl>,
    address: SocketAddr,
    client: Client,
    handle: ServerHandle,
}

impl Arena {
    fn start(n_rows: usize) -> Self {
        Self::with(n_rows, |options| options)
    }

    fn with(n_rows: usize, change: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        let control = DemoControl::new(n_rows);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let options = change(ServerOptions { workers: 1, ..ServerOptions::new(TOKEN.to_owned()) });
        let server = serve(listener, Arc::clone(&control) as _, options).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { control, address, client: arena::http::client().build().unwrap(), handle }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("http://{}{path}", self.address)).bearer_auth(TOKEN)
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    async fn metric(&self, line_start: &str) -> f64 {
        let text = self.get("/metrics").send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(line_start));
        line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |value| value.parse().unwrap())
    }

    async fn stop(self) {
        self.handle.stop(false).await;
    }
}

/// Percent-encodes everything but letters and digits.
fn encode(name: &str) -> String {
    name.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn refused(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert!(body["error"].as_str().is_some_and(|sentence| !sentence.is_empty()), "{status}: {body}");
    (status, body)
}

#[actix_web::test]
async fn every_route_of_the_table_answers_in_json_or_as_it_says() {
    let arena = Arena::start(30);
    for entry in ROUTES {
        let path = entry.path.replace("{model}", &encode(ODD_NAME)).replace("{table}", "trades");
        let method: Method = entry.method.parse().unwrap();
        let url = format!("http://{}{path}", arena.address);
        let response = arena.client.request(method.clone(), &url).bearer_auth(TOKEN).send().await.unwrap();
        let status = response.status();
        assert!(!matches!(status.as_u16(), 401 | 403 | 404 | 405 | 500), "{} {path}: {status}", entry.method);
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let want = match entry.path {
            "/" => "text/html",
            "/metrics" => "text/plain",
            "/api/v1/events" => "text/event-stream",
            _ => "application/json",
        };
        assert!(kind.starts_with(want), "{path}: {kind}");
        drop(response);

        let wrong = if method == Method::GET { Method::POST } else { Method::GET };
        let (status, _) = refused(arena.client.request(wrong, &url).bearer_auth(TOKEN)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for path in ["/nothing", "/api/v1/models", "/api/v1/models/a/nothing", "/api/v2/leaderboard"] {
        assert_eq!(refused(arena.get(path)).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let head = arena.client.head(format!("http://{}/healthz", arena.address)).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    arena.stop().await;
}

#[actix_web::test]
async fn answers_have_the_documented_shapes() {
    let arena = Arena::start(30);
    let board = arena.json("/api/v1/leaderboard").await;
    assert_eq!(keys(&board), ["time", "models", "halted_by"]);
    assert_eq!(board["time"], "2014-05-01T15:42:00Z");
    let row_keys = [
        "rank",
        "model",
        "ticket",
        "epic",
        "state",
        "episodes",
        "wins",
        "net_profit",
        "currency",
        "mean_r",
        "lcb95_r",
        "log10_e",
        "progress",
        "max_drawdown_r",
        "profit_factor",
        "win_rate",
        "exposure",
        "open_position",
        "flags",
        "statistics",
    ];
    assert_eq!(board["models"].as_array().unwrap().len(), 30);
    for row in board["models"].as_array().unwrap() {
        assert_eq!(keys(row), row_keys);
        assert!(row["net_profit"].is_string() && row["rank"].is_u64(), "{row}");
    }

    let odd = format!("/api/v1/models/{}", encode(ODD_NAME));
    let model = arena.json(&odd).await;
    let model_keys = [
        "row",
        "content_hash",
        "generation",
        "registered",
        "settings",
        "curve",
        "lifecycle",
        "nearness",
        "lineage",
        "live",
        "shortfall",
    ];
    assert_eq!(keys(&model), model_keys);
    let told = arena.json(&format!("{odd}/predictions?last=7")).await;
    let told_keys = ["model", "ticket", "epic", "time", "signal", "acted", "abstained", "y_pred", "distance", "y_true"];
    assert_eq!((told.as_array().unwrap().len(), keys(&told[0])), (7, told_keys.to_vec()));
    for query in ["last=5001", "last=-1", "first=3"] {
        let (status, body) = refused(arena.get(&format!("{odd}/predictions?{query}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(model["row"]["model"], ODD_NAME);
    let trades = arena.json(&format!("{odd}/trades")).await;
    let trade_keys = [
        "model",
        "ticket",
        "deal_id",
        "epic",
        "direction",
        "size",
        "opened",
        "closed",
        "open_level",
        "close_level",
        "stop_level",
        "limit_level",
        "reason",
        "profit",
        "costs",
        "r",
        "y_pred",
        "y_true",
    ];
    assert_eq!(keys(&trades[0]), trade_keys);
    let last = arena.json(&format!("{odd}/trades?last=3")).await;
    let all = trades.as_array().unwrap();
    assert_eq!(last.as_array().unwrap()[..], all[all.len() - 3..]);
    let explain = arena.json(&format!("{odd}/explain")).await;
    assert_eq!(
        keys(&explain),
        ["model", "state", "gates", "expected_days_to_decision", "expected_days_low", "expected_days_high", "breaks"]
    );
    assert_eq!(keys(&explain["gates"][0]), ["gate", "value", "limit", "verdict", "missing"]);

    let bars = arena.json(&format!("{odd}/bars?last=3")).await;
    assert_eq!(keys(&bars), ["epic", "resolution", "bars"]);
    assert_eq!(bars["bars"].as_array().unwrap().len(), 3);
    assert!(bars["bars"][0]["bid_open"].is_string() && bars["bars"][0]["quotes"].is_u64(), "{bars}");
    let equity = arena.json(&format!("{odd}/equity")).await;
    assert_eq!(keys(&equity["points"][0]), ["time", "trade", "r", "net_profit", "drawdown_r"]);
    let decisions = arena.json("/api/v1/decisions?last=2").await;
    assert_eq!(decisions.as_array().unwrap().len(), 2);
    let named = decisions[0]["model"].as_str().unwrap();
    let of_one = arena.json(&format!("/api/v1/decisions?model={}", encode(named))).await;
    assert!(of_one.as_array().unwrap().iter().all(|row| row["model"] == named), "{of_one}");
    let feed = arena.json("/api/v1/feed").await;
    assert_eq!((keys(&feed), feed["gaps"].as_array().unwrap().len()), (vec!["gaps", "notes", "since"], 2));
    for path in [format!("{odd}/bars?last=2001"), "/api/v1/feed?last=x".to_owned(), "/api/v1/decisions?x=1".to_owned()]
    {
        assert_eq!(refused(arena.get(&path)).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(refused(arena.get("/api/v1/decisions?model=nobody")).await.0, StatusCode::NOT_FOUND);

    let desk = arena.json("/api/v1/desk").await;
    assert_eq!((&desk["state"], &desk["day_profit"]), (&json!("live"), &json!("23.75")));
    let lifecycle = arena.json("/api/v1/lifecycle").await;
    assert_eq!(keys(&lifecycle[0]), ["time", "seat", "model", "from", "to", "reason"]);
    assert_eq!(arena.json("/api/v1/audit").await[0]["seq"], 0);
    let openapi = arena.json("/api/v1/openapi.json").await;
    let described: BTreeSet<&str> = keys(&openapi["paths"]).into_iter().collect();
    assert_eq!(described, ROUTES.iter().map(|entry| entry.path).collect());
    let schema = openapi["components"]["schemas"]["Row"]["required"].as_array().unwrap();
    assert_eq!(schema.iter().map(|key| key.as_str().unwrap()).collect::<Vec<_>>(), row_keys);
    arena.stop().await;
}

#[actix_web::test]
async fn the_reference_is_what_the_description_says() {
    let arena = Arena::start(0);
    let page = http_reference::page(&arena.json("/api/v1/openapi.json").await);
    arena.stop().await;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/HTTP.md");
    if std::env::var_os("ARENA_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/HTTP.md is stale: run ARENA_UPDATE_DOCS=1 cargo test --test server_api the_reference"
    );
}

#[actix_web::test]
async fn what_is_not_there_or_makes_no_sense_is_said_so() {
    let arena = Arena::start(30);
    let (status, body) = refused(arena.get("/api/v1/models/nobody/trades")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["candidates"].as_array().unwrap().len(), 3);
    assert_eq!(refused(arena.get("/api/v1/models/%FF%FE")).await.0, StatusCode::NOT_FOUND, "no text at all");
    let trades = format!("/api/v1/models/{}/trades", encode(ODD_NAME));
    for query in ["last=-1", "last=x", "first=1"] {
        assert_eq!(refused(arena.get(&format!("{trades}?{query}"))).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
    let promote = format!("/api/v1/models/{}/promote", encode(ODD_NAME));
    for (path, body, want) in [
        (promote.as_str(), "", 409),
        (promote.as_str(), "{}", 409),
        (promote.as_str(), r#"{"override": true}"#, 400),
        (promote.as_str(), r#"{"override": true, "reason": " "}"#, 400),
        (promote.as_str(), r#"{"reason": 7}"#, 400),
        (promote.as_str(), r#"{"force": true}"#, 400),
        (promote.as_str(), "not json", 400),
        ("/api/v1/models/nobody/demote", "", 404),
        ("/api/v1/halt", r#"{"override": true}"#, 400),
        ("/api/v1/reload", r#"{"reason": "x"}"#, 400),
        ("/api/v1/resume", "", 503),
    ] {
        let (status, answer) = refused(arena.post(path).body(body)).await;
        assert_eq!(status.as_u16(), want, "{path} {body}: {answer}");
    }
    let large = refused(arena.post("/api/v1/halt").body(vec![b' '; 20_000])).await;
    assert_eq!(large.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(arena.control.commands.lock().unwrap().is_empty(), "nothing of this was a command");
    arena.stop().await;
}

#[actix_web::test]
async fn commands_arrive_as_they_were_meant() {
    let arena = Arena::start(30);
    let model = arena::domain::ModelId::from(ODD_NAME);
    let reason = Some("because".to_owned());
    for (path, body) in [
        (format!("/api/v1/models/{}/promote", encode(ODD_NAME)), json!({ "reason": "because", "override": true })),
        (format!("/api/v1/models/{}/demote", encode(ODD_NAME)), json!({ "reason": "because" })),
        (format!("/api/v1/models/{}/retire", encode(ODD_NAME)), json!({})),
        ("/api/v1/halt".to_owned(), json!({ "reason": null })),
        ("/api/v1/reload".to_owned(), json!({})),
    ] {
        let response = arena.post(&path).json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(keys(&response.json().await.unwrap()), ["changes", "notes"]);
    }
    let want = [
        Command::Promote { model: model.clone(), reason: reason.clone(), is_override: true },
        Command::Demote { model: model.clone(), reason },
        Command::Retire { model, reason: None },
        Command::Halt { reason: None },
        Command::Reload,
    ];
    assert_eq!(arena.control.commands.lock().unwrap()[..], want);
    arena.stop().await;
}

#[actix_web::test]
async fn without_the_token_every_command_is_refused_counted_and_slowed() {
    let arena = Arena::start(3);
    let before = arena.metric("arena_http_unauthorized_total").await;
    let mut n_failures = 0;
    let started = Instant::now();
    for entry in ROUTES.iter().filter(|entry| entry.method == "POST").take(4) {
        let path = entry.path.replace("{model}", "a");
        let bare = arena.client.post(format!("http://{}{path}", arena.address));
        let (status, _) = refused(if n_failures % 2 == 0 { bare } else { bare.bearer_auth("wrong") }).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        n_failures += 1;
    }
    // 50 + 100 + 200 + 400 ms.
    assert!(started.elapsed() >= Duration::from_millis(750), "{:?}", started.elapsed());
    let right = Instant::now();
    assert_eq!(arena.post("/api/v1/halt").send().await.unwrap().status(), StatusCode::OK);
    assert!(right.elapsed() < Duration::from_millis(700), "the right token is never slowed: {:?}", right.elapsed());
    // Other tests of this process may add to the counter.
    assert!(arena.metric("arena_http_unauthorized_total").await >= before + f64::from(n_failures));
    assert_eq!(arena.control.commands.lock().unwrap().len(), 1);
    arena.stop().await;
}

#[actix_web::test]
async fn every_post_route_asks_for_the_token_first() {
    let arena = Arena::start(3);
    let requests = ROUTES.iter().filter(|entry| entry.method == "POST").map(|entry| {
        let path = entry.path.replace("{model}", "nobody");
        refused(arena.client.post(format!("http://{}{path}", arena.address)).body("not json"))
    });
    for (status, _) in futures_util::future::join_all(requests).await {
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    arena.stop().await;
}

#[actix_web::test]
async fn foreign_names_and_foreign_pages_are_refused() {
    let arena = Arena::with(3, |options| ServerOptions { hosts: vec!["arena.example".to_owned()], ..options });
    for (host, want) in [("evil.example", 403), ("arena.example", 200), ("localhost:9", 200)] {
        let status = arena.get("/api/v1/leaderboard").header("host", host).send().await.unwrap().status();
        assert_eq!(status.as_u16(), want, "{host}");
    }
    let own = format!("http://{}", arena.address);
    for (origin, want) in [("https://evil.example", 403), ("null", 403), (own.as_str(), 200)] {
        let status = arena.post("/api/v1/halt").header("origin", origin).send().await.unwrap().status();
        assert_eq!(status.as_u16(), want, "{origin}");
    }
    assert_eq!(arena.control.commands.lock().unwrap().len(), 1);
    arena.stop().await;
}

#[actix_web::test]
async fn every_answer_carries_the_security_headers() {
    let arena = Arena::start(3);
    for path in ["/", "/metrics", "/api/v1/leaderboard", "/nothing"] {
        let response = arena.get(path).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    arena.stop().await;
}

#[actix_web::test]
async fn readiness_waits_for_a_bar_and_for_the_store() {
    let arena = Arena::start(0);
    assert_eq!(arena.json("/healthz").await, json!({ "ok": true }));
    let (status, body) = refused(arena.get("/readyz")).await;
    assert_eq!((status, &body["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    arena.control.update(|board| board.time = Some(UtcMicros(0)));
    assert_eq!(arena.json("/readyz").await, json!({ "ready": true }));
    arena.control.update(|board| {
        board.health.is_recording = false;
        board.health.fault = Some("12 MB free of 500".to_owned());
    });
    let (_, body) = refused(arena.get("/readyz")).await;
    assert!(body["error"].as_str().unwrap().ends_with("12 MB free of 500"), "{body}");
    arena.stop().await;
}

/// The data of the next event named `board` in a stream.
async fn next_event(stream: &mut Response) -> Value {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\n\n") {
        bytes.extend_from_slice(&stream.chunk().await.unwrap().expect("the stream goes on"));
    }
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    assert!(lines.contains(&"event: board"), "{text}");
    serde_json::from_str(lines.iter().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap()
}

#[actix_web::test]
async fn the_event_stream_begins_in_full_and_goes_on_with_changes() {
    let arena = Arena::start(30);
    let mut stream = arena.get("/api/v1/events").send().await.unwrap();
    let first = next_event(&mut stream).await;
    assert_eq!(first["full"], true);
    assert_eq!(first["rows"].as_array().unwrap().len(), 30);
    assert_eq!(first["desk"]["state"], "live");
    for key in ["id", "rank", "model", "state", "curve", "flags"] {
        assert!(first["rows"][0].get(key).is_some(), "{key}");
    }

    arena.control.update(|board| {
        Arc::make_mut(&mut board.rows[4]).episodes += 1;
        board.time = board.time.map(|time| UtcMicros(time.0 + 60_000_000));
    });
    let second = next_event(&mut stream).await;
    assert_eq!(keys(&second), ["time", "rows"]);
    let episodes = first["rows"][4]["episodes"].as_u64().unwrap() + 1;
    assert_eq!(second["rows"], json!([{ "id": first["rows"][4]["id"], "episodes": episodes }]));
    drop(stream);
    arena.stop().await;
}

#[actix_web::test]
async fn events_come_at_most_four_times_a_second_and_skip_what_nobody_saw() {
    let arena = Arena::start(30);
    let mut stream = arena.get("/api/v1/events").send().await.unwrap();
    next_event(&mut stream).await;
    let started = Instant::now();
    let mut episodes = 0;
    for _ in 0..3 {
        for _ in 0..20 {
            arena.control.update(|board| Arc::make_mut(&mut board.rows[0]).episodes += 1);
            episodes = arena.control.update_seen();
        }
        let event = next_event(&mut stream).await;
        assert_eq!(event["rows"][0]["episodes"], episodes, "the latest, not the next in a queue");
    }
    assert!(started.elapsed() >= Duration::from_millis(600), "{:?}", started.elapsed());
    arena.stop().await;
}

#[actix_web::test]
async fn readers_of_the_event_stream_are_bounded_and_places_come_back() {
    let arena = Arena::with(3, |options| ServerOptions { event_clients_max: 1, ..options });
    let mut stream = arena.get("/api/v1/events").send().await.unwrap();
    next_event(&mut stream).await;
    assert_eq!(refused(arena.get("/api/v1/events")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        // The server notices that a reader is gone when it writes to it.
        arena.control.step();
        if arena.get("/api/v1/events").send().await.unwrap().status() == StatusCode::OK {
            break;
        }
        assert!(Instant::now() < deadline, "the place never came back");
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
    arena.stop().await;
}

#[actix_web::test]
async fn a_reader_that_does_not_read_holds_nobody_up() {
    let arena = Arena::start(1_000);
    let stuck = arena.get("/api/v1/events").send().await.unwrap();
    let mut stream = arena.get("/api/v1/events").send().await.unwrap();
    next_event(&mut stream).await;
    for _ in 0..4 {
        arena.control.step();
        next_event(&mut stream).await;
    }
    assert_eq!(arena.json("/healthz").await, json!({ "ok": true }));
    drop(stuck);
    let stopping = Instant::now();
    arena.handle.stop(true).await;
    assert!(stopping.elapsed() < Duration::from_secs(5), "endless streams do not hold up the stop");
}

#[actix_web::test]
async fn metrics_are_what_promtool_accepts() {
    let arena = Arena::start(1_000);
    arena.json("/api/v1/leaderboard").await;
    let text = arena.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(text.contains("arena_model_rank{model=\"odd/name:a=1,b=50%+@x <b>&\\\"é\"} "), "odd names stay whole");
    assert!(text.contains("arena_http_requests_total{route=\"/api/v1/leaderboard\",method=\"GET\",code=\"200\"}"));
    support::promtool(&["check", "metrics"], Some(&text));
    arena.stop().await;
}

/// Reads a file of the project.
fn project_file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The files of `dashboards/grafana`, in order of name.
fn dashboard_files() -> Vec<String> {
    let folder = format!("{}/dashboards/grafana", env!("CARGO_MANIFEST_DIR"));
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = names.map(|name| format!("dashboards/grafana/{name}")).collect();
    files.sort();
    assert_eq!(files.len(), 7, "{files:?}");
    files
}

/// Every `expr` of the dashboards.
fn dashboard_expressions() -> Vec<String> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| walk(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for file in dashboard_files() {
        walk(&serde_json::from_str(&project_file(&file)).unwrap(), &mut found);
    }
    assert!(found.len() > 100, "{} expressions", found.len());
    found
}

#[test]
fn dashboards_and_alerts_name_only_metrics_that_exist() {
    let mut named = BTreeSet::new();
    let rules = ["alerts.yml", "alerts_test.yml"].map(|name| format!("dashboards/{name}"));
    for file in dashboard_files().into_iter().chain(rules) {
        let text = project_file(&file);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for word in text.split(|c: char| !is_part(c)).filter(|word| word.starts_with("arena_")) {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| word.strip_suffix(suffix));
            let metric = arena::telemetry::metrics::find(word).or_else(|| {
                base.and_then(arena::telemetry::metrics::find)
                    .filter(|metric| metric.kind == arena::telemetry::metrics::Kind::Histogram)
            });
            let metric = metric.unwrap_or_else(|| panic!("{file} names {word}, which does not exist"));
            named.insert(metric.name);
        }
    }
    assert!(named.len() > 50, "{named:?}");
}

#[test]
fn rules_and_expressions_are_what_promtool_accepts() {
    let alerts = format!("{}/dashboards/alerts.yml", env!("CARGO_MANIFEST_DIR"));
    support::promtool(&["check", "rules", &alerts], None);
    let config = format!("{}/dashboards/prometheus.yml", env!("CARGO_MANIFEST_DIR"));
    support::promtool(&["check", "config", &config], None);
    // The dashboard's expressions as recording rules, with Grafana's variables put in; JSON is YAML too.
    let rules: Vec<Value> = dashboard_expressions()
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            let filled = expression
                .replace("$__rate_interval", "1m")
                .replace("$instance", ".*")
                .replace("$model", ".*")
                .replace("$top", "10");
            assert!(!filled.contains('$'), "{filled} has a variable that the test does not know");
            json!({ "record": format!("expression:{number}"), "expr": filled })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    std::fs::write(&path, json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string()).unwrap();
    support::promtool(&["check", "rules", path.to_str().unwrap()], None);
}
