//! The streaming protocol over HTTP: polls and streams for the frames, plain requests for the rest.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Response, StatusCode, header};
use tokio::sync::{Notify, mpsc};

use super::control::Granted;
use super::request::{self, Parameters};
use super::session::Next;
use super::socket::unsupported_message;
use crate::sim::ig::server::Shared;
use crate::sim::ig::text::pairs;

/// What a stream may hold where the client does not say.
const CONTENT_BYTES: u64 = 4_000_000;
/// The longest poll.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The body of any answer of the server.
pub(in crate::sim::ig) type AnyBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is at hand.
pub(in crate::sim::ig) fn whole(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

fn answer(body: AnyBody) -> Response<AnyBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/enriched; charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn refused(status: StatusCode) -> Response<AnyBody> {
    let mut response = Response::new(whole(""));
    *response.status_mut() = status;
    response
}

/// Answers `POST /lightstreamer/{name}.txt`.
pub(in crate::sim::ig) async fn exchange(
    shared: Arc<Shared>,
    name: &str,
    query: &str,
    body: &str,
) -> Response<AnyBody> {
    let (Some(query), Some(lines)) = (pairs(query, false), request::lines(body)) else {
        return answer(whole("ERROR,67,Malformed request\r\n"));
    };
    let lines: Vec<Parameters> = if lines.is_empty() { vec![Parameters::default()] } else { lines }
        .into_iter()
        .map(|line| line.or(&query))
        .collect();
    match name {
        "create_session" | "bind_session" => {
            let first = lines.into_iter().next().unwrap_or_default();
            let granted = {
                let mut world = shared.enter();
                if name == "create_session" { world.create_session(&first) } else { world.bind_session(&first, None) }
            };
            shared.wake();
            match granted {
                Err(refusal) => answer(whole(refusal)),
                Ok(granted) if first.is_true("LS_polling") => poll(&shared, &first, granted).await,
                Ok(granted) => stream(shared, &first, granted),
            }
        }
        "control" => {
            let replies: String = {
                let mut world = shared.enter();
                lines.iter().map(|line| world.control(line, None, true).0).collect()
            };
            shared.wake();
            answer(whole(replies))
        }
        "heartbeat" => {
            let mut world = shared.enter();
            let mut replies = String::new();
            for line in &lines {
                if let Some(session) = line.get("LS_session") {
                    world.hear(session);
                }
                replies.push_str(&format!("REQOK,{}\r\n", line.get("LS_reqId").unwrap_or("0")));
            }
            answer(whole(replies))
        }
        "msg" => answer(whole(lines.iter().map(unsupported_message).collect::<String>())),
        _ => refused(StatusCode::NOT_FOUND),
    }
}

/// Waits for something to tell, at most as long as the client wants, and tells all there is.
async fn poll(shared: &Arc<Shared>, parameters: &Parameters, granted: Granted) -> Response<AnyBody> {
    let deadline = Instant::now() + idle(parameters);
    let mut text = granted.head.clone();
    let mut bell: Option<Arc<Notify>> = None;
    loop {
        if let Some(bell) = bell.take() {
            // Whatever ends the wait, the next look finds what there is.
            drop(tokio::time::timeout_at(deadline.into(), bell.notified()).await);
        }
        shared.calm().await;
        let mut world = shared.lock();
        let Some(session) = world.hub.sessions.get_mut(&granted.session) else { break };
        let before = text.len();
        loop {
            match session.next(granted.binding) {
                Next::Send(more) => text.push_str(&more),
                Next::End(end) => {
                    text.push_str(&end);
                    world.hub.forget(&granted.session);
                    return answer(whole(text));
                }
                Next::Void => return answer(whole(text)),
                Next::Loop | Next::Wait => break,
            }
        }
        if text.len() > before || Instant::now() >= deadline {
            session.leave(granted.binding);
            break;
        }
        bell = Some(Arc::clone(&session.bell));
    }
    text.push_str(&format!("LOOP,{}\r\n", pause_millis(parameters)));
    answer(whole(text))
}

/// How long a poll may wait for something to tell.
pub(super) fn idle(parameters: &Parameters) -> Duration {
    Duration::from_millis(parameters.number("LS_idle_millis").unwrap_or(0)).min(IDLE_MAX)
}

/// The pause that a client asks for between two polls.
pub(super) fn pause_millis(parameters: &Parameters) -> u64 {
    parameters.number("LS_polling_millis").unwrap_or(0).min(15_000)
}

/// Streams until the content length is spent, the session ends, or the client goes.
fn stream(shared: Arc<Shared>, parameters: &Parameters, granted: Granted) -> Response<AnyBody> {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(16);
    let room = parameters.number("LS_content_length").unwrap_or(CONTENT_BYTES);
    tokio::spawn(pour(shared, granted, room, sender));
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let bytes = receiver.recv().await?;
        Some((bytes.map(Frame::data), receiver))
    });
    answer(StreamBody::new(frames).boxed_unsync())
}

async fn pour(shared: Arc<Shared>, granted: Granted, room: u64, sender: mpsc::Sender<io::Result<Bytes>>) {
    let mut cut = shared.lock().cutter.streams.subscribe();
    let mut left = room;
    let mut written = Instant::now();
    let mut text = granted.head.clone();
    loop {
        tokio::select! {
            // First: a body that is cut says nothing of what came after.
            biased;
            _ = cut.changed() => {
                snap(&sender).await;
                break;
            }
            () = shared.calm() => {}
        }
        if !text.is_empty() {
            left = left.saturating_sub(text.len() as u64);
            if sender.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
                break;
            }
            written = Instant::now();
        }
        let (next, bell, keepalive) = {
            let mut world = shared.lock();
            let Some(session) = world.hub.sessions.get_mut(&granted.session) else { return };
            if left < 1_000 && session.binding == granted.binding {
                session.is_looping = true;
            }
            let next = session.next(granted.binding);
            let rest = (next, Arc::clone(&session.bell), session.keepalive);
            if matches!(rest.0, Next::End(_)) {
                world.hub.forget(&granted.session);
            }
            rest
        };
        match next {
            Next::Send(more) => text = more,
            Next::End(end) => {
                // A client that has gone needs no end.
                drop(sender.send(Ok(Bytes::from(end))).await);
                return;
            }
            Next::Loop => {
                drop(sender.send(Ok(Bytes::from_static(b"LOOP,0\r\n"))).await);
                return;
            }
            Next::Void => return,
            Next::Wait => {
                tokio::select! {
                    biased;
                    _ = cut.changed() => {
                        snap(&sender).await;
                        break;
                    }
                    () = sender.closed() => break,
                    () = bell.notified() => {}
                    () = tokio::time::sleep_until((written + keepalive).into()) => text = "PROBE\r\n".to_owned(),
                }
            }
        }
    }
    if let Some(session) = shared.lock().hub.sessions.get_mut(&granted.session) {
        session.leave(granted.binding);
    }
}

/// Breaks the body off in its middle, so that the connection is cut and not ended.
async fn snap(sender: &mpsc::Sender<io::Result<Bytes>>) {
    drop(sender.send(Err(io::ErrorKind::ConnectionReset.into())).await);
}
