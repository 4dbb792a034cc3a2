//! The surface over HTTP: the leaderboard page, the API, the event stream and the metrics.
//!
//! It knows the arena through [`Control`] alone and keeps no state of its own beside who reads the event stream and
//! who failed to show the token. Every route stands in [`ROUTES`]; the router, the OpenAPI document and the tests are
//! made from that table, so that a route cannot exist in one of them only.

mod answers;
mod bulk;
mod events;
mod gate;
mod openapi;
mod page;
mod token;

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, guard, web};

use crate::control::Control;
use crate::store::Snapshots;
pub use token::{existing_token, token};

/// Seconds that open connections get to end when the server stops; event streams never end by themselves.
const STOP_SECONDS: u64 = 2;
/// The largest body of a command, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1_024;
/// Connections of one worker beyond which new ones wait.
const CONNECTIONS_MAX: usize = 1_024;
/// How often histograms are folded.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// How to serve.
#[derive(Clone)]
pub struct ServerOptions {
    /// What a command must bring as `Authorization: Bearer …`.
    pub token: String,
    /// Names of this server beside the loopback ones, when it listens on loopback behind a proxy.
    pub hosts: Vec<String>,
    /// Threads that answer.
    pub workers: usize,
    /// Readers of the event stream at one time.
    pub event_clients_max: usize,
    /// Where what goes through the whole store is read; without it those routes answer 503.
    pub snapshots: Option<Arc<dyn Snapshots>>,
}

impl ServerOptions {
    /// The usual options with this token.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self { token, hosts: Vec::new(), workers: 2, event_clients_max: 64, snapshots: None }
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("token", &"…")
            .field("hosts", &self.hosts)
            .field("workers", &self.workers)
            .field("event_clients_max", &self.event_clients_max)
            .finish_non_exhaustive()
    }
}

/// What a route does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// The leaderboard page.
    Page,
    /// Metrics in the Prometheus text format.
    Metrics,
    /// Whether the process answers.
    Health,
    /// Whether the arena does its work.
    Ready,
    /// The leaderboard.
    Leaderboard,
    /// One model in full.
    Model,
    /// Its closed trades.
    Trades,
    /// Its predictions with what became of them.
    Predictions,
    /// The bars of its stream.
    Bars,
    /// Its equity.
    Equity,
    /// Its gates.
    Explain,
    /// Live dealing.
    Desk,
    /// Changes of state.
    Lifecycle,
    /// The event stream.
    Events,
    /// Audit records.
    Audit,
    /// The figures of a report.
    Report,
    /// A table of the journal.
    Export,
    /// What is journalled, as it comes.
    Tail,
    /// The whole store.
    Backup,
    /// Audit records in short.
    Decisions,
    /// Gaps and events of the session.
    Feed,
    /// The description of this API.
    OpenApi,
    /// Moves a model to live.
    Promote,
    /// Takes it back.
    Demote,
    /// Ends it.
    Retire,
    /// Closes live positions and stops live dealing.
    Halt,
    /// Lets live dealing go on.
    Resume,
    /// `POST /api/v1/budget`.
    OpenBudget,
    /// Reads the configuration again.
    Reload,
}

/// One route of the server.
#[derive(Clone, Copy, Debug)]
pub struct RouteEntry {
    /// `GET` or `POST`; every `POST` needs the token.
    pub method: &'static str,
    /// The pattern, with `{model}` for the percent-encoded name of a candidate.
    pub path: &'static str,
    /// What it does.
    pub endpoint: Endpoint,
}

macro_rules! routes {
    ($($method:ident $path:literal $endpoint:ident;)*) => {
        /// Every route, one method each.
        pub const ROUTES: &[RouteEntry] = &[$(RouteEntry {
            method: stringify!($method), path: $path, endpoint: Endpoint::$endpoint,
        }),*];
    };
}

routes! {
    GET "/" Page;
    GET "/metrics" Metrics;
    GET "/healthz" Health;
    GET "/readyz" Ready;
    GET "/api/v1/leaderboard" Leaderboard;
    GET "/api/v1/models/{model}" Model;
    GET "/api/v1/models/{model}/trades" Trades;
    GET "/api/v1/models/{model}/predictions" Predictions;
    GET "/api/v1/models/{model}/bars" Bars;
    GET "/api/v1/models/{model}/equity" Equity;
    GET "/api/v1/models/{model}/explain" Explain;
    GET "/api/v1/desk" Desk;
    GET "/api/v1/lifecycle" Lifecycle;
    GET "/api/v1/events" Events;
    GET "/api/v1/audit" Audit;
    GET "/api/v1/report" Report;
    GET "/api/v1/export/{table}" Export;
    GET "/api/v1/tail" Tail;
    GET "/api/v1/decisions" Decisions;
    GET "/api/v1/feed" Feed;
    GET "/api/v1/openapi.json" OpenApi;
    POST "/api/v1/models/{model}/promote" Promote;
    POST "/api/v1/models/{model}/demote" Demote;
    POST "/api/v1/models/{model}/retire" Retire;
    POST "/api/v1/halt" Halt;
    POST "/api/v1/resume" Resume;
    POST "/api/v1/budget" OpenBudget;
    POST "/api/v1/reload" Reload;
    POST "/api/v1/backup" Backup;
}

/// What all handlers share.
struct Surface {
    control: Arc<dyn Control>,
    gate: gate::Gate,
    slots: Arc<events::Slots>,
    bulk: bulk::Bulk,
    policy: String,
    openapi: web::Bytes,
}

/// Serves the arena behind `control` on `listener` until the returned server is stopped or its actix system ends.
///
/// To be called inside an actix system, and awaited or spawned there. Signals stay with the caller: stop it with
/// `server.handle().stop(true)`, which gives open connections two seconds.
///
/// # Errors
/// When the listener has no address or cannot be made non-blocking.
pub fn serve(listener: TcpListener, control: Arc<dyn Control>, options: ServerOptions) -> io::Result<Server> {
    crate::telemetry::metrics::install();
    let address = listener.local_addr()?;
    let surface = web::Data::new(Surface {
        control,
        gate: gate::Gate::new(&options.token, address, options.hosts),
        slots: Arc::new(events::Slots::new(options.event_clients_max)),
        bulk: bulk::Bulk::new(options.snapshots),
        policy: page::policy(),
        openapi: web::Bytes::from(openapi::document().to_string()),
    });
    let app = {
        let surface = surface.clone();
        move || App::new().app_data(surface.clone()).wrap(from_fn(gate::keep)).configure(configure)
    };
    let server = HttpServer::new(app)
        .disable_signals()
        .workers(options.workers.max(1))
        .max_connections(CONNECTIONS_MAX)
        .shutdown_timeout(STOP_SECONDS)
        .listen(listener)?
        .run();
    // The exporter needs a regular hand whether or not anybody scrapes; it stops with the last handler.
    let alive = Arc::downgrade(&surface.into_inner());
    actix_web::rt::spawn(async move {
        while alive.strong_count() > 0 {
            crate::telemetry::metrics::upkeep();
            actix_web::rt::time::sleep(UPKEEP).await;
        }
    });
    tracing::info!(%address, "serving");
    Ok(server)
}

fn configure(config: &mut web::ServiceConfig) {
    config.app_data(web::PayloadConfig::new(BODY_BYTES_MAX));
    for entry in ROUTES {
        let route = match entry.method {
            "POST" => web::post(),
            // A stream has no end, so that a HEAD of it makes no sense.
            _ if matches!(entry.endpoint, Endpoint::Events | Endpoint::Tail | Endpoint::Export) => web::get(),
            _ => web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
        };
        let route = match entry.endpoint {
            Endpoint::Page => route.to(page::page),
            Endpoint::Metrics => route.to(answers::metrics),
            Endpoint::Health => route.to(answers::health),
            Endpoint::Ready => route.to(answers::ready),
            Endpoint::Leaderboard => route.to(answers::leaderboard),
            Endpoint::Model => route.to(answers::model),
            Endpoint::Trades => route.to(answers::trades),
            Endpoint::Predictions => route.to(answers::predictions),
            Endpoint::Bars => route.to(answers::bars),
            Endpoint::Equity => route.to(answers::equity),
            Endpoint::Explain => route.to(answers::explain),
            Endpoint::Desk => route.to(answers::desk),
            Endpoint::Lifecycle => route.to(answers::lifecycle),
            Endpoint::Events => route.to(events::events),
            Endpoint::Decisions => route.to(answers::decisions),
            Endpoint::Feed => route.to(answers::feed),
            Endpoint::Audit => route.to(answers::audit),
            Endpoint::Report => route.to(bulk::report),
            Endpoint::Export => route.to(bulk::export),
            Endpoint::Tail => route.to(bulk::tail),
            Endpoint::Backup => route.to(bulk::backup),
            Endpoint::OpenApi => route.to(answers::openapi),
            Endpoint::Promote => route.to(answers::promote),
            Endpoint::Demote => route.to(answers::demote),
            Endpoint::Retire => route.to(answers::retire),
            Endpoint::Halt => route.to(answers::halt),
            Endpoint::Resume => route.to(answers::resume),
            Endpoint::OpenBudget => route.to(answers::open_budget),
            Endpoint::Reload => route.to(answers::reload),
        };
        config.service(
            web::resource(entry.path)
                .route(route)
                .default_service(web::to(move || answers::wrong_method(entry.method))),
        );
    }
    config.default_service(web::to(answers::unknown_route));
}
