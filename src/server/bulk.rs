//! Answers that read the whole store, from a snapshot and on threads of their own, so that no bar waits for them; and
//! the stream of what is journalled as it comes.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, ContentType};
use actix_web::{Error, HttpResponse, web};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Surface;
use super::answers::{problem, refusal};
use crate::export::{self, Csv, ExportError, Selection, Table, Tail, TailKind};
use crate::report;
use crate::store::{Snapshots, Store, archive};

/// How many may be made at one time: each may go through gigabytes.
const AT_ONCE_MAX: usize = 2;
/// Who may follow the journal at one time.
const FOLLOWERS_MAX: usize = 16;
/// Bytes that are gathered before they go out,
const CHUNK_BYTES: usize = 64 * 1024;
/// and chunks that wait for a slow reader.
const CHUNKS_AHEAD: usize = 4;
/// After this long without an event a comment shows that the connection lives, and finds out whether it does.
const HEARTBEAT: Duration = Duration::from_secs(15);

type Arena = web::Data<Surface>;

/// Where snapshots come from, and who makes use of them at present.
pub(super) struct Bulk {
    snapshots: Option<Arc<dyn Snapshots>>,
    places: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl Bulk {
    pub(super) fn new(snapshots: Option<Arc<dyn Snapshots>>) -> Self {
        let (places, followers) = (Semaphore::new(AT_ONCE_MAX), Semaphore::new(FOLLOWERS_MAX));
        Self { snapshots, places: Arc::new(places), followers: Arc::new(followers) }
    }

    /// A snapshot and a place among those who read one, or the answer to whoever has to do without.
    async fn begin(&self) -> Result<(Box<dyn Store>, OwnedSemaphorePermit), String> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err("as many reports, exports and backups as may be made at one time are being made".to_owned());
        };
        let Some(snapshots) = &self.snapshots else { return Err(NO_STORE.to_owned()) };
        let store = snapshots.snapshot().await.map_err(|error| error.to_string())?;
        Ok((store, place))
    }
}

const NO_STORE: &str = "this arena has no store to read";

fn unavailable(why: impl Display) -> HttpResponse {
    problem(StatusCode::SERVICE_UNAVAILABLE, &format!("unavailable: {why}"))
}

fn invalid(why: &str) -> HttpResponse {
    problem(StatusCode::BAD_REQUEST, why)
}

fn not_exported(error: &ExportError) -> HttpResponse {
    match error {
        ExportError::Model(error) => refusal(error),
        error @ ExportError::Epic { .. } => invalid(&error.to_string()),
        error => unavailable(error),
    }
}

pub(super) async fn report(arena: Arena) -> HttpResponse {
    let (store, place) = match arena.bulk.begin().await {
        Ok(begun) => begun,
        Err(why) => return unavailable(why),
    };
    let made = web::block(move || report::gather(&*store)).await;
    drop(place);
    match made {
        Ok(Ok(report)) => HttpResponse::Ok().json(report),
        Ok(Err(error)) => unavailable(error),
        Err(error) => unavailable(error),
    }
}

/// A writer whose bytes go out as chunks of an answer.
struct Chunks {
    sender: mpsc::Sender<io::Result<web::Bytes>>,
    waiting: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let chunk = web::Bytes::from(std::mem::take(&mut self.waiting));
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The body that `make` writes, on a thread of its own. One that fails on its way breaks the connection off, so that
/// nobody takes it for whole.
fn streamed(make: impl FnOnce(&mut Chunks) -> Result<(), String> + Send + 'static) -> actix_web::body::BoxBody {
    use actix_web::body::MessageBody;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    actix_web::rt::task::spawn_blocking(move || {
        let mut chunks = Chunks { sender, waiting: Vec::new() };
        let made = make(&mut chunks).and_then(|()| chunks.flush().map_err(|error| error.to_string()));
        if let Err(why) = made {
            tracing::warn!(why, "an answer broke off");
            // Where nobody listens any more there is nobody to tell.
            chunks.sender.blocking_send(Err(io::Error::other(why))).ok();
        }
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    actix_web::body::BodyStream::new(Box::pin(chunks)).boxed()
}

/// What may stand behind the `?` of an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    model: Option<String>,
    epic: Option<String>,
    #[serde(default)]
    format: Format,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Csv,
    Parquet,
}

type Query<T> = Result<web::Query<T>, Error>;

pub(super) async fn export(arena: Arena, path: web::Path<String>, query: Query<ExportQuery>) -> HttpResponse {
    let table = match path.parse::<Table>() {
        Ok(table) => table,
        Err(why) => return problem(StatusCode::NOT_FOUND, &why),
    };
    let Ok(web::Query(ExportQuery { model, epic, format })) = query else {
        return invalid("the parameters are model=NAME, epic=EPIC and format=csv or parquet");
    };
    if format == Format::Parquet && cfg!(not(feature = "parquet")) {
        return invalid("this arena was built without the feature `parquet`");
    }
    let (store, place) = match arena.bulk.begin().await {
        Ok(begun) => begun,
        Err(why) => return unavailable(why),
    };
    let selection = Selection { model, epic };
    if let Err(error) = selection.check(&*store) {
        return not_exported(&error);
    }
    let body = streamed(move |out| {
        let written = match format {
            Format::Csv => export::write(&*store, table, &selection, &mut Csv::new(&mut *out)).map(drop),
            Format::Parquet => write_parquet(&*store, table, &selection, out),
        };
        drop(place);
        written.map_err(|error| error.to_string())
    });
    let (kind, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Parquet => ("application/vnd.apache.parquet", "parquet"),
    };
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{}.{ending}\"", table.name())))
        .body(body)
}

#[cfg(feature = "parquet")]
fn write_parquet(store: &dyn Store, table: Table, selection: &Selection, out: &mut Chunks) -> Result<(), ExportError> {
    let mut parquet = export::Parquet::new(&mut *out);
    export::write(store, table, selection, &mut parquet)?;
    parquet.finish()?;
    Ok(())
}

#[cfg(not(feature = "parquet"))]
fn write_parquet(_: &dyn Store, _: Table, _: &Selection, _: &mut Chunks) -> Result<(), ExportError> {
    Err(ExportError::Io(io::ErrorKind::Unsupported.into()))
}

pub(super) async fn backup(arena: Arena) -> HttpResponse {
    let (store, place) = match arena.bulk.begin().await {
        Ok(begun) => begun,
        Err(why) => return unavailable(why),
    };
    tracing::info!("a backup is being made");
    let body = streamed(move |out| {
        let written = archive::write(&*store, out);
        drop(place);
        written.map(drop).map_err(|error| error.to_string())
    });
    HttpResponse::Ok().insert_header(ContentType::octet_stream()).body(body)
}

/// What may stand behind the `?` of a tail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TailQuery {
    kinds: Option<String>,
    model: Option<String>,
    epic: Option<String>,
}

pub(super) async fn tail(arena: Arena, query: Query<TailQuery>) -> HttpResponse {
    let Ok(web::Query(TailQuery { kinds, model, epic })) = query else {
        return invalid("the parameters are kinds=quotes,bars,predictions,trades, model=NAME and epic=EPIC");
    };
    let kinds: Result<Vec<TailKind>, String> = match kinds.as_deref() {
        None => Ok(TailKind::ALL.map(|(_, kind)| kind).to_vec()),
        Some(kinds) => kinds.split(',').map(str::parse).collect(),
    };
    let kinds = match kinds {
        Ok(kinds) => kinds,
        Err(why) => return invalid(&why),
    };
    let Ok(place) = Arc::clone(&arena.bulk.followers).try_acquire_owned() else {
        return unavailable("too many follow the journal at present");
    };
    let Some(snapshots) = &arena.bulk.snapshots else { return unavailable(NO_STORE) };
    let (store, mut commits) = match snapshots.follow().await {
        Ok(begun) => begun,
        Err(error) => return unavailable(error),
    };
    let mut tail = match Tail::new(store, kinds, Selection { model, epic }) {
        Ok(tail) => tail,
        Err(error) => return not_exported(&error),
    };
    let runtime = tokio::runtime::Handle::current();
    let body = streamed(move |out| {
        let _place = place;
        let told = |error: io::Error| error.to_string();
        out.write_all(b"retry: 2000\n\n").and_then(|()| out.flush()).map_err(told)?;
        loop {
            let next = runtime.block_on(async { tokio::time::timeout(HEARTBEAT, commits.recv()).await });
            match next {
                Ok(Ok(commit)) => {
                    for event in tail.take(&commit).map_err(|error: ExportError| error.to_string())? {
                        writeln!(out, "event: {}\ndata: {event}\n", event["kind"].as_str().unwrap_or("entry"))
                            .map_err(told)?;
                    }
                }
                Ok(Err(RecvError::Lagged(commits))) => {
                    writeln!(out, "event: missed\ndata: {{\"kind\":\"missed\",\"commits\":{commits}}}\n")
                        .map_err(told)?;
                }
                Ok(Err(RecvError::Closed)) => return Ok(()),
                Err(_) => out.write_all(b": still here\n\n").map_err(told)?,
            }
            out.flush().map_err(told)?;
        }
    });
    HttpResponse::Ok()
        .insert_header(ContentType(actix_web::mime::TEXT_EVENT_STREAM))
        .insert_header(("X-Accel-Buffering", "no"))
        .body(body)
}
