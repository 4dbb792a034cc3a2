//! The streaming protocol over one WebSocket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::control::{Granted, REQUEST_BYTES, conerr};
use super::poll::{idle, pause_millis};
use super::request::{self, Parameters, Request};
use super::session::Next;
use crate::sim::ig::server::Shared;
use crate::sim::ig::world::World;

/// Bytes of one message at most: several requests may share one.
const MESSAGE_BYTES: usize = 1 << 20;

/// The session that a socket carries.
#[derive(Debug, Default)]
struct Carried {
    /// The last session of the socket; binds and controls without a name mean it.
    session: Option<String>,
    /// The bind that is in force, and its bell.
    bound: Option<(u64, Arc<Notify>, Duration)>,
    /// What that bind asked for instead of a stream.
    poll: Option<Poll>,
}

/// One poll: what waits, or after the idle time nothing, and then a loop.
#[derive(Clone, Copy, Debug)]
struct Poll {
    until: Instant,
    pause_millis: u64,
    has_sent: bool,
}

impl Poll {
    fn of(parameters: &Parameters) -> Option<Self> {
        parameters.is_true("LS_polling").then(|| Self {
            until: Instant::now() + idle(parameters),
            pause_millis: pause_millis(parameters),
            has_sent: false,
        })
    }
}

impl Carried {
    fn bind(&mut self, world: &World, granted: &Granted) {
        if let Some(session) = world.hub.sessions.get(&granted.session) {
            self.bound = Some((granted.binding, Arc::clone(&session.bell), session.keepalive));
            self.session = Some(granted.session.clone());
        }
    }

    /// What to send next.
    fn next(&self, world: &mut World) -> Next {
        let (Some(id), Some((binding, ..))) = (&self.session, &self.bound) else { return Next::Wait };
        world.hub.sessions.get_mut(id).map_or(Next::Void, |session| session.next(*binding))
    }

    /// What is due once nothing waits: the loop that ends a poll.
    fn loop_of_poll(&mut self, world: &mut World) -> Option<String> {
        let poll = self.poll.filter(|poll| poll.has_sent || Instant::now() >= poll.until)?;
        self.poll = None;
        // A bind that is not in force any more has been ended already.
        self.bound.as_ref()?;
        self.leave(world);
        self.bound = None;
        Some(format!("LOOP,{}\r\n", poll.pause_millis))
    }

    /// Leaves the session as somebody who has gone.
    fn leave(&self, world: &mut World) {
        if let (Some(id), Some((binding, ..))) = (&self.session, &self.bound)
            && let Some(session) = world.hub.sessions.get_mut(id)
        {
            session.leave(*binding);
        }
    }
}

/// Speaks the protocol until either side ends it, or until it is cut.
pub(in crate::sim::ig) async fn converse<S>(shared: Arc<Shared>, io: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES)).max_frame_size(Some(MESSAGE_BYTES));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (streams, all) = {
        let world = shared.lock();
        (world.cutter.streams.subscribe(), world.cutter.all.subscribe())
    };
    let mut carried = Carried::default();
    let cut = async {
        let (mut streams, mut all) = (streams, all);
        tokio::select! {
            _ = streams.changed() => {}
            _ = all.changed() => {}
        }
    };
    tokio::select! {
        // First: a socket that is cut says nothing of what came after.
        biased;
        () = cut => {}
        () = speak(&shared, socket, &mut carried) => {}
    }
    carried.leave(&mut shared.lock());
}

async fn speak<S>(shared: &Shared, socket: WebSocketStream<S>, carried: &mut Carried)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut source) = socket.split();
    let mut written = Instant::now();
    loop {
        shared.calm().await;
        let (next, is_over) = {
            let mut world = shared.lock();
            let mut next = carried.next(&mut world);
            if matches!(next, Next::Wait)
                && let Some(due) = carried.loop_of_poll(&mut world)
            {
                next = Next::Send(due);
            } else if let (Next::Send(_), Some(poll)) = (&next, &mut carried.poll) {
                poll.has_sent = true;
            }
            let is_over = matches!(next, Next::End(_));
            if let (true, Some(id)) = (is_over, &carried.session) {
                world.hub.forget(id);
            }
            (next, is_over)
        };
        let text = match next {
            Next::Send(text) | Next::End(text) => text,
            Next::Loop => {
                carried.bound = None;
                "LOOP,0\r\n".to_owned()
            }
            Next::Void => {
                carried.bound = None;
                continue;
            }
            Next::Wait => {
                let idle = carried.bound.as_ref().map(|(_, bell, keepalive)| (Arc::clone(bell), *keepalive));
                let waited = match idle {
                    Some((bell, keepalive)) => {
                        let until = carried.poll.map_or(written + keepalive, |poll| poll.until);
                        let asleep = tokio::time::sleep_until(until.into());
                        tokio::select! {
                            message = source.next() => Waited::Message(message),
                            () = bell.notified() => Waited::Rung,
                            () = asleep => if carried.poll.is_some() { Waited::Rung } else { Waited::Silent },
                        }
                    }
                    None => Waited::Message(source.next().await),
                };
                // A stall may have begun while we waited.
                shared.calm().await;
                match waited {
                    Waited::Rung => continue,
                    Waited::Silent => "PROBE\r\n".to_owned(),
                    Waited::Message(Some(Ok(Message::Text(text)))) => {
                        let (reply, is_closing) = {
                            let mut world = shared.enter();
                            let (reply, is_closing) = answer(&mut world, carried, text.as_str());
                            // The last frames of a session go out before its socket closes.
                            let last = if is_closing { drain(&mut world, carried) } else { String::new() };
                            (reply + &last, is_closing)
                        };
                        shared.wake();
                        if !reply.is_empty() && sink.send(Message::text(reply)).await.is_err() {
                            return;
                        }
                        written = Instant::now();
                        if is_closing {
                            drop(sink.close().await);
                            return;
                        }
                        continue;
                    }
                    // Pings are answered below us; binary messages are nothing to this protocol.
                    Waited::Message(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_)))) => continue,
                    Waited::Message(_) => return,
                }
            }
        };
        if sink.send(Message::text(text)).await.is_err() {
            return;
        }
        written = Instant::now();
        if is_over {
            carried.bound = None;
        }
    }
}

/// What ended a wait.
enum Waited {
    Message(Option<Result<Message, tokio_tungstenite::tungstenite::Error>>),
    Rung,
    Silent,
}

/// Everything that still waits, up to the end.
fn drain(world: &mut World, carried: &mut Carried) -> String {
    let mut all = String::new();
    loop {
        match carried.next(world) {
            Next::Send(text) => all.push_str(&text),
            Next::End(text) => {
                all.push_str(&text);
                if let Some(id) = &carried.session {
                    world.hub.forget(id);
                }
                return all;
            }
            Next::Loop => {
                carried.bound = None;
                return all + "LOOP,0\r\n";
            }
            Next::Wait | Next::Void => return all,
        }
    }
}

/// Answers one message. Returns the reply and whether the socket is to be closed.
fn answer(world: &mut World, carried: &mut Carried, text: &str) -> (String, bool) {
    let Some(Request { name, lines }) = request::parse(text) else {
        return ("ERROR,67,Malformed request\r\n".to_owned(), false);
    };
    if text.split("\r\n").any(|line| line.len() > REQUEST_BYTES) {
        return ("ERROR,67,Request too long\r\n".to_owned(), true);
    }
    let own = carried.session.clone();
    let first = lines.first().cloned().unwrap_or_default();
    match name.as_str() {
        "wsok" => ("WSOK\r\n".to_owned(), false),
        "create_session" | "bind_session" => {
            if carried.bound.is_some() && is_streaming(world, carried) {
                return (conerr(69, "Already streaming on this connection"), false);
            }
            let granted = if name == "create_session" {
                world.create_session(&first)
            } else {
                world.bind_session(&first, own.as_deref())
            };
            match granted {
                Ok(granted) => {
                    carried.bind(world, &granted);
                    carried.poll = Poll::of(&first);
                    (granted.head, false)
                }
                Err(refusal) => (refusal, false),
            }
        }
        "control" => {
            if lines.is_empty() {
                return ("ERROR,65,Missing parameters\r\n".to_owned(), false);
            }
            let mut replies = String::new();
            let mut is_closing = false;
            for line in &lines {
                let (reply, is_last) = world.control(line, own.as_deref(), false);
                replies.push_str(&reply);
                is_closing |= is_last;
            }
            (replies, is_closing)
        }
        "heartbeat" => {
            if let Some(session) = first.get("LS_session").or(own.as_deref()) {
                world.hear(session);
            }
            (String::new(), false)
        }
        "msg" => (lines.iter().map(unsupported_message).collect(), false),
        _ => ("ERROR,67,Unknown request\r\n".to_owned(), false),
    }
}

/// The venue takes no messages.
pub(super) fn unsupported_message(parameters: &Parameters) -> String {
    let id = parameters.get("LS_reqId").unwrap_or("0");
    format!("REQERR,{},-3,Messages are not supported\r\n", super::delta::argument(id))
}

fn is_streaming(world: &World, carried: &Carried) -> bool {
    let (Some(id), Some((binding, ..))) = (&carried.session, &carried.bound) else { return false };
    let session = world.hub.sessions.get(id);
    session.is_some_and(|session| session.binding == *binding && session.unbound.is_none() && session.end.is_none())
}
