//! The simulator as a server: one loopback port for REST, for streams and for the control endpoint.
//!
//! It runs on a thread of its own, so that a test or a command holds it by a [`Handle`] and needs no runtime. Requests
//! and time meet under one lock: whoever enters first works off what is due by the clock.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::domain::{Epic, Micros, Price, UtcMicros};

use super::board::Board;
use super::config::Config;
use super::faults::Fault;
use super::rest::{Answer, BASE, Request};
use super::stream::{AnyBody, converse, exchange, whole};
use super::world::World;

/// Bytes of a body at most.
const BODY_BYTES: usize = 1 << 20;
/// How often a stream that is stalled looks whether it may go on.
const STALL_LOOK: Duration = Duration::from_millis(20);
/// The longest sleep of the clock's task, so that what depends on the time alone is seen soon.
const NAP_MAX: Duration = Duration::from_millis(200);
/// The shortest: a busy market is worked off in slices.
const NAP_MIN: Duration = Duration::from_millis(1);

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be.
    #[error("{0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// What all tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    world: Mutex<World>,
    /// Rings when something may be due earlier than was thought.
    bell: Notify,
}

impl Shared {
    /// The venue as it was left.
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        // A panic is a bug of ours; what the other clients see of the venue after it is still whole enough to look into.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The venue as it is by the clock.
    pub(super) fn enter(&self) -> MutexGuard<'_, World> {
        let mut world = self.lock();
        world.sync();
        world
    }

    /// Makes the clock's task look again.
    pub(super) fn wake(&self) {
        self.bell.notify_one();
    }

    fn is_stalled(&self) -> bool {
        let world = self.lock();
        world.clock.now() < world.hub.stalled_until
    }

    /// Waits while streams are to stay silent.
    pub(super) async fn calm(&self) {
        while self.is_stalled() {
            tokio::time::sleep(STALL_LOOK).await;
        }
    }
}

/// Starts simulators.
#[derive(Clone, Copy, Debug)]
pub struct Server;

impl Server {
    /// Starts one and returns once it listens.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config) -> Result<Handle, StartError> {
        config.check().map_err(StartError::Config)?;
        let wanted = config.listen;
        let fail = |source: io::Error| StartError::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let world = World::new(config, format!("http://{address}"));
        let shared = Arc::new(Shared { world: Mutex::new(world), bell: Notify::new() });
        let stop = watch::Sender::new(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        let (ours, stopped) = (Arc::clone(&shared), stop.subscribe());
        let thread = std::thread::Builder::new()
            .name("arena-sim".to_owned())
            .spawn(move || runtime.block_on(run(ours, listener, stopped)))
            .map_err(fail)?;
        Ok(Handle { address, shared, stop, thread: Some(thread) })
    }
}

/// A simulator that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of REST, such as `http://127.0.0.1:9000/gateway/deal`.
    #[must_use]
    pub fn rest_url(&self) -> String {
        format!("http://{}{BASE}", self.address)
    }

    /// Where streams connect, as logins answer it.
    #[must_use]
    pub fn stream_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The venue's time.
    #[must_use]
    pub fn now(&self) -> UtcMicros {
        self.shared.lock().clock.now()
    }

    /// The time of the last quote of any market.
    #[must_use]
    pub fn last_quote(&self) -> Option<UtcMicros> {
        self.shared.lock().boards.values().map(|board| board.last.time).max()
    }

    /// The time of the next quote of any market, as far as it is known.
    #[must_use]
    pub fn next_quote(&self) -> Option<UtcMicros> {
        self.shared.lock().boards.values().filter_map(Board::peek).min()
    }

    /// Goes forward at once and works off what is due on the way.
    pub fn advance(&self, by: Micros) {
        let mut world = self.shared.lock();
        world.clock.advance(by);
        world.sync();
        drop(world);
        self.shared.wake();
    }

    /// Goes on at this speed; 0 stands still.
    pub fn set_speed(&self, speed: f64) {
        self.shared.enter().clock.set_speed(speed.max(0.0));
        self.shared.wake();
    }

    /// Lets the venue's time stand while the guard lives: for a client whose request is in flight.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.shared.enter().clock.hold();
        Hold { shared: Arc::clone(&self.shared) }
    }

    /// Quotes a market now.
    ///
    /// # Errors
    /// One sentence, where there is no such market or the prices are no quote.
    pub fn quote(&self, epic: &str, bid: Price, offer: Price) -> Result<(), String> {
        let done = self.shared.enter().quote(&Epic::from(epic), bid, offer);
        self.shared.wake();
        done
    }

    /// Puts a fault in the way.
    pub fn fault(&self, fault: Fault) {
        let mut world = self.shared.enter();
        let now = world.now;
        world.faults.add(fault, now);
        world.sync();
        drop(world);
        self.shared.wake();
    }

    /// Takes every fault back.
    pub fn clear_faults(&self) {
        self.shared.enter().faults.clear();
    }

    /// The requests from number `since` on: `{"next", "totals", "requests"}`.
    #[must_use]
    pub fn requests(&self, since: u64) -> Value {
        self.shared.lock().requests.json(since)
    }

    /// What the venue is like: its time, sessions, faults.
    #[must_use]
    pub fn state(&self) -> Value {
        self.shared.enter().json()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.shared.lock().cutter.all.send_modify(|count| *count += 1);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so on standard error.
            drop(thread.join());
        }
    }
}

/// Keeps the venue's time from going on; see [`Handle::hold`].
#[derive(Debug)]
pub struct Hold {
    shared: Arc<Shared>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.lock().clock.release();
        self.shared.wake();
    }
}

async fn run(shared: Arc<Shared>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the simulator cannot listen");
            return;
        }
    };
    tokio::select! {
        () = tick(Arc::clone(&shared)) => {}
        () = accept(&shared, &listener) => {}
        // An error means that the handle is gone, which stops it as well.
        _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
    }
}

/// Works off what is due, as the clock goes.
async fn tick(shared: Arc<Shared>) {
    loop {
        let nap = {
            let mut world = shared.enter();
            world.hub.sweep();
            let flush = world.hub.flush().map(|at| at.saturating_duration_since(std::time::Instant::now()));
            let due = world.next_due().and_then(|at| world.clock.wait(at));
            let soonest = [flush, due].into_iter().flatten().min();
            soonest.unwrap_or(NAP_MAX).clamp(NAP_MIN, NAP_MAX)
        };
        // Whether the nap or the bell ended it, the next look is the same.
        drop(tokio::time::timeout(nap, shared.bell.notified()).await);
    }
}

async fn accept(shared: &Arc<Shared>, listener: &tokio::net::TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small frames must not wait for one another.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection without TCP_NODELAY");
                }
                tokio::spawn(serve(Arc::clone(shared), stream));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: tokio::net::TcpStream) {
    let mut cut = shared.lock().cutter.all.subscribe();
    let service = service_fn(move |request| respond(Arc::clone(&shared), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
        }
        _ = cut.changed() => {}
    }
}

/// Breaks the connection off without an answer.
fn broken() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

fn plain(status: StatusCode, text: &str) -> Response<AnyBody> {
    let mut response = Response::new(whole(text.to_owned()));
    *response.status_mut() = status;
    response
}

async fn respond(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> Result<Response<AnyBody>, io::Error> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let is_stream = path == "/lightstreamer" || path.starts_with("/lightstreamer/");
    if is_stream && is_upgrade(&request) {
        return Ok(upgrade(&shared, request));
    }
    let method = request.method().clone();
    let headers = header_map(&request);
    let body = match Limited::new(request.into_body(), BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "")),
    };
    if is_stream {
        let name = path.strip_prefix("/lightstreamer/").and_then(|name| name.strip_suffix(".txt"));
        return Ok(match (name, std::str::from_utf8(&body)) {
            (Some(name), Ok(body)) if method == Method::POST => exchange(shared, name, &query, body).await,
            (Some(_), Ok(_)) => plain(StatusCode::METHOD_NOT_ALLOWED, ""),
            (Some(_), Err(_)) => plain(StatusCode::BAD_REQUEST, ""),
            (None, _) => plain(StatusCode::NOT_FOUND, ""),
        });
    }
    if let Some(rest) = path.strip_prefix("/sim") {
        return Ok(json(&super::control::answer(&shared, &method, rest.trim_end_matches('/'), &query, &body)));
    }
    let Some(rest) = path.strip_prefix(BASE) else { return Ok(plain(StatusCode::NOT_FOUND, "")) };
    let is_delete =
        method == Method::POST && headers.get("_method").is_some_and(|method| method.eq_ignore_ascii_case("DELETE"));
    let request = Request {
        method: if is_delete { "DELETE".to_owned() } else { method.to_string() },
        path: rest.trim_end_matches('/').to_owned(),
        query,
        // The gateway drops the body of a real DELETE.
        body: if method == Method::DELETE { Vec::new() } else { body.to_vec() },
        headers,
    };
    let reply = shared.enter().answer(&request);
    shared.wake();
    if let Ok(delay) = u64::try_from(reply.delay.0)
        && delay > 0
    {
        tokio::time::sleep(Duration::from_micros(delay)).await;
    }
    reply.answer.map(|answer| json(&answer)).ok_or_else(broken)
}

fn header_map(request: &hyper::Request<Incoming>) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn json(answer: &Answer) -> Response<AnyBody> {
    let text = answer.body.as_ref().map_or_else(String::new, Value::to_string);
    let mut response = plain(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    let id = answer.request.to_string();
    for (name, value) in answer.headers.iter().map(|(name, value)| (*name, value)).chain([("X-REQUEST-ID", &id)]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.as_str())) {
            headers.insert(name, value);
        }
    }
    response
}

fn is_upgrade(request: &hyper::Request<Incoming>) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The subprotocol of the list that is spoken here.
fn spoken(offered: &str) -> Option<&str> {
    let is_spoken = |name: &&str| name.starts_with("TLCP-2.") && name.ends_with(".lightstreamer.com");
    offered.split(',').map(str::trim).find(is_spoken)
}

fn upgrade(shared: &Arc<Shared>, mut request: hyper::Request<Incoming>) -> Response<AnyBody> {
    if shared.enter().faults.is_websocket_refused() {
        return plain(StatusCode::FORBIDDEN, "");
    }
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return plain(StatusCode::BAD_REQUEST, "");
    };
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let offered = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL).cloned();
    let protocol = offered.as_ref().and_then(|list| spoken(list.to_str().ok()?)).map(str::to_owned);
    if offered.is_some() && protocol.is_none() {
        return plain(StatusCode::BAD_REQUEST, "");
    }
    let ours = Arc::clone(shared);
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(io) => converse(ours, TokioIo::new(io)).await,
            Err(error) => tracing::debug!(%error, "an upgrade broke off"),
        }
    });
    let mut response = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    for (name, value) in [(header::SEC_WEBSOCKET_ACCEPT, Some(accept)), (header::SEC_WEBSOCKET_PROTOCOL, protocol)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
