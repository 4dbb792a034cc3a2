//! The life of a session as a pure machine: what the socket and the clock say goes in, what to do comes out.
//!
//! Time is milliseconds of any steady clock. The one thing that is counted is notifications: after a connection is lost
//! the session is bound again on a new one, from the number of the last notification that was taken in; what the server
//! then sends twice is left out. Where the server cannot go on from there, or is too long away, a new session is made,
//! every subscription is asked for again, and [`Delivery::Opened`] says that something may have been missed.
//! A line that cannot be read is treated like a lost connection: it is asked for again, once, before the session is
//! given up.

use std::fmt;

use secrecy::ExposeSecret;

use super::frame::{Fault, Frame, HEARTBEAT, Parameters, WSOK, request};
use super::policy::{Pauses, Remedy, remedy};
use super::subscriptions::Subscriptions;
use super::{Credentials, Delivery, Key, Subscription, Timing};

/// The library's own string, which servers want to be there.
const CLIENT_ID: &str = "mgQkwtwdysogQz2BJ4Ji kOj2Bg";

/// A server that promises to speak less often than this is taken at this.
const KEEPALIVE_MAX_MILLIS: u64 = 60_000;

/// No session's name is longer.
const SESSION_BYTES_MAX: usize = 256;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Begin.
    Start,
    /// A socket is open.
    Connected(u64),
    /// A line came over a socket.
    Line(u64, &'a str),
    /// A socket failed, or could not be opened.
    Closed(u64, String),
    /// Time passed.
    Tick,
    /// Subscribe, in the place of what has the same key.
    Subscribe(Key, Subscription),
    /// Do not.
    Unsubscribe(Key),
    /// Ask for a subscription anew.
    Resubscribe(Key),
    /// Give the session up and make a new one.
    Rebuild(String),
    /// Other credentials.
    Credentials(Credentials),
    /// End the session.
    Stop,
}

/// What to do.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a socket under this number, to that host where one is named; the one before is closed.
    Connect(u64, Option<String>),
    /// Send a text message over the open socket.
    Send(String),
    /// Close the open socket.
    Disconnect,
    /// Tell the caller.
    Deliver(Delivery),
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(number, host) => f.debug_tuple("Connect").field(number).field(host).finish(),
            // The parameters may hold a password.
            Self::Send(text) => f.debug_tuple("Send").field(&text.lines().next().unwrap_or_default()).finish(),
            Self::Disconnect => f.write_str("Disconnect"),
            Self::Deliver(delivery) => f.debug_tuple("Deliver").field(delivery).finish(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Not begun, or over.
    Idle,
    /// Waiting to connect.
    Waiting { until: u64 },
    /// A socket is being opened.
    Connecting { until: u64 },
    /// A session was asked for.
    Asking { until: u64, how: Asked },
    /// Data flows, or may.
    Streaming { since: u64 },
    /// Nothing can be done without other credentials.
    Barred,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    New,
    /// On the same socket, after LOOP.
    Rebind,
    /// From this many notifications on.
    Recovery(u64),
}

/// A session that was made.
#[derive(Clone, Debug)]
struct Made {
    id: String,
    link: Option<String>,
    request_limit: usize,
    keepalive: u64,
    /// Notifications taken in.
    received: u64,
}

/// A session, with or without a connection.
#[derive(Debug)]
pub struct Session {
    timing: Timing,
    adapter_set: Option<String>,
    credentials: Credentials,
    phase: Phase,
    connection: u64,
    made: Option<Made>,
    /// After a recovery: what was asked for, until the server says where it begins.
    awaits_progress: Option<u64>,
    /// Notifications that come a second time.
    doubled: u64,
    subscriptions: Subscriptions,
    pauses: Pauses,
    down_since: Option<u64>,
    heard: u64,
    said: u64,
    /// How many notifications had been taken in when a line could not be read.
    unreadable_at: Option<u64>,
    is_ending: bool,
}

impl Session {
    /// A session that has not begun. `seed` spreads its pauses.
    #[must_use]
    pub fn new(credentials: Credentials, adapter_set: Option<String>, timing: Timing, seed: u64) -> Self {
        Self {
            timing,
            adapter_set,
            credentials,
            phase: Phase::Idle,
            connection: 0,
            made: None,
            awaits_progress: None,
            doubled: 0,
            subscriptions: Subscriptions::default(),
            pauses: Pauses::new(seed),
            down_since: None,
            heard: 0,
            said: 0,
            unreadable_at: None,
            is_ending: false,
        }
    }

    /// Takes an event; appends what to do to `out`.
    pub fn handle(&mut self, now: u64, event: Event<'_>, out: &mut Vec<Action>) {
        match event {
            Event::Start => self.connect(now, out),
            Event::Connected(number) if number == self.connection => self.ask(now, out),
            Event::Line(number, line) if number == self.connection => self.on_line(now, line, out),
            Event::Closed(number, why) if number == self.connection => self.on_closed(now, &why, out),
            // What an older socket says is void.
            Event::Connected(_) | Event::Line(..) | Event::Closed(..) => {}
            Event::Tick => self.on_tick(now, out),
            Event::Subscribe(key, wanted) => {
                let mut requests = self.subscriptions.insert(key, wanted, now);
                if self.is_streaming() {
                    requests.extend(self.subscriptions.ask(key));
                }
                self.control(now, &requests, out);
            }
            Event::Unsubscribe(key) => {
                let request = self.subscriptions.remove(key);
                self.control(now, request.as_slice(), out);
            }
            Event::Resubscribe(key) if self.is_streaming() => {
                let requests = self.subscriptions.renew(key, now);
                self.control(now, &requests, out);
            }
            // A session that is not there asks for everything anew when it is.
            Event::Resubscribe(_) => {}
            Event::Rebuild(why) => {
                if self.is_streaming() {
                    self.control(now, &[self.destroy()], out);
                }
                if !matches!(self.phase, Phase::Idle | Phase::Barred) {
                    self.made = None;
                    self.lose(now, &why, 0, out);
                }
            }
            Event::Credentials(credentials) => {
                self.credentials = credentials;
                if self.phase == Phase::Barred {
                    self.connect(now, out);
                }
            }
            Event::Stop => {
                self.is_ending = true;
                if self.is_streaming() {
                    self.control(now, &[self.destroy()], out);
                }
                out.push(Action::Disconnect);
                self.phase = Phase::Idle;
                self.made = None;
            }
        }
    }

    /// When [`Event::Tick`] is wanted next.
    #[must_use]
    pub fn next_wake(&self) -> Option<u64> {
        match self.phase {
            Phase::Idle | Phase::Barred => None,
            Phase::Waiting { until } | Phase::Connecting { until } | Phase::Asking { until, .. } => Some(until),
            Phase::Streaming { since } => {
                let progress = self.awaits_progress.map(|_| since + self.timing.answer_millis);
                let subscriptions = if progress.is_none() { self.subscriptions.next_wake() } else { None };
                let times = [Some(self.dead_at()), Some(self.heartbeat_at()), progress, subscriptions];
                times.into_iter().flatten().min()
            }
        }
    }

    /// Whether data flows, or may.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        matches!(self.phase, Phase::Streaming { .. }) && self.awaits_progress.is_none()
    }

    fn dead_at(&self) -> u64 {
        let keepalive = self.made.as_ref().map_or(0, |made| made.keepalive);
        self.heard + keepalive + self.timing.grace_millis
    }

    fn heartbeat_at(&self) -> u64 {
        self.said + self.timing.inactivity_millis * 4 / 5
    }

    fn connect(&mut self, now: u64, out: &mut Vec<Action>) {
        self.connection += 1;
        let is_recovery = self.can_recover(now);
        if !is_recovery {
            self.made = None;
        }
        let host = self.made.as_ref().and_then(|made| made.link.clone());
        self.phase = Phase::Connecting { until: now + self.timing.answer_millis };
        out.push(Action::Connect(self.connection, host));
    }

    fn can_recover(&self, now: u64) -> bool {
        self.made.is_some() && self.down_since.is_none_or(|since| now - since < self.timing.recover_millis)
    }

    /// Asks for the session on a socket that has just opened.
    fn ask(&mut self, now: u64, out: &mut Vec<Action>) {
        let (name, parameters, how) = match &self.made {
            Some(made) => {
                let from = made.received;
                let parameters = self.bind(made, "recovery").with_number("LS_recovery_from", from);
                ("bind_session", parameters, Asked::Recovery(from))
            }
            None => ("create_session", self.create(), Asked::New),
        };
        out.push(Action::Send(WSOK.to_owned()));
        out.push(Action::Send(request(name, &parameters)));
        self.said = now;
        self.heard = now;
        self.phase = Phase::Asking { until: now + self.timing.answer_millis, how };
    }

    fn create(&self) -> Parameters {
        let mut parameters = self.flow(Parameters::default());
        if let Some(user) = &self.credentials.user {
            parameters = parameters.with("LS_user", user);
        }
        parameters = parameters.with("LS_cid", CLIENT_ID);
        if let Some(set) = &self.adapter_set {
            parameters = parameters.with("LS_adapter_set", set);
        }
        parameters.with("LS_cause", "api").with("LS_password", self.credentials.password.expose_secret())
    }

    fn bind(&self, made: &Made, cause: &str) -> Parameters {
        self.flow(Parameters::default().with("LS_session", &made.id)).with("LS_cause", cause)
    }

    fn flow(&self, parameters: Parameters) -> Parameters {
        parameters
            .with_number("LS_keepalive_millis", self.timing.keepalive_millis)
            .with_number("LS_inactivity_millis", self.timing.inactivity_millis)
            .with("LS_send_sync", "false")
    }

    fn destroy(&self) -> Parameters {
        // The last request of a session: no other bears this number.
        Parameters::default()
            .with_number("LS_reqId", u64::from(u32::MAX))
            .with("LS_op", "destroy")
            .with("LS_close_socket", "true")
            .with("LS_cause", "api")
    }

    /// Sends control requests, several lines a message, none longer than the server reads.
    fn control(&mut self, now: u64, requests: &[Parameters], out: &mut Vec<Action>) {
        if !self.is_streaming() || requests.is_empty() {
            return;
        }
        let limit = self.made.as_ref().map_or(usize::MAX, |made| made.request_limit);
        let mut message = String::new();
        for request in requests {
            if !message.is_empty() && message.len() + 2 + request.line().len() > limit {
                out.push(Action::Send(std::mem::take(&mut message)));
            }
            message.push_str(if message.is_empty() { "control\r\n" } else { "\r\n" });
            message.push_str(request.line());
        }
        out.push(Action::Send(message));
        self.said = now;
    }

    fn on_closed(&mut self, now: u64, why: &str, out: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Idle | Phase::Barred | Phase::Waiting { .. }) {
            self.lose(now, why, 0, out);
        }
    }

    /// The connection is gone, or is given up: waits for the next attempt, at least so long.
    fn lose(&mut self, now: u64, why: &str, at_least: u64, out: &mut Vec<Action>) {
        if let Phase::Streaming { since } = self.phase
            && now - since >= self.timing.stable_millis
        {
            self.pauses.reset();
        }
        out.push(Action::Disconnect);
        // Whatever the old socket still says is void from here on.
        self.connection += 1;
        if self.down_since.is_none() {
            self.down_since = Some(now);
            out.push(Action::Deliver(Delivery::Down(why.to_owned())));
        }
        self.awaits_progress = None;
        let mut pause = self.pauses.next(&self.timing);
        if self.made.is_some() {
            // A session that is waited for is not there for long.
            pause = pause.min(self.timing.recover_millis / 5);
        }
        let pause = pause.max(at_least);
        self.phase = Phase::Waiting { until: now + pause };
    }

    fn on_tick(&mut self, now: u64, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Waiting { until } if now >= until => self.connect(now, out),
            Phase::Connecting { until } if now >= until => {
                self.lose(now, "no connection in time", 0, out);
            }
            Phase::Asking { until, .. } if now >= until => self.lose(now, "no session in time", 0, out),
            Phase::Streaming { .. } if now >= self.dead_at() => {
                self.lose(now, &format!("nothing heard for {} ms", now - self.heard), 0, out);
            }
            Phase::Streaming { since }
                if self.awaits_progress.is_some() && now - since >= self.timing.answer_millis =>
            {
                self.made = None;
                self.lose(now, "a recovery that does not say from where", 0, out);
            }
            Phase::Streaming { since } => {
                if now - since >= self.timing.stable_millis {
                    self.pauses.reset();
                }
                if self.awaits_progress.is_none() {
                    let requests = self.subscriptions.ask_due(now);
                    self.control(now, &requests, out);
                    out.extend(self.subscriptions.silent(now).into_iter().map(Action::Deliver));
                }
                if now >= self.heartbeat_at() {
                    self.said = now;
                    out.push(Action::Send(HEARTBEAT.to_owned()));
                }
            }
            _ => {}
        }
    }

    fn on_line(&mut self, now: u64, line: &str, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Idle | Phase::Barred | Phase::Waiting { .. } | Phase::Connecting { .. }) {
            return;
        }
        self.heard = now;
        let frame = match Frame::parse(line) {
            Ok(frame) => frame,
            Err(bad) => return self.on_unreadable(now, &bad.to_string(), out),
        };
        match frame {
            Frame::ConOk { session, request_limit, keepalive_millis, control_link } => {
                let limit = usize::try_from(request_limit).unwrap_or(usize::MAX);
                self.on_made(now, session, limit, keepalive_millis, control_link, out);
            }
            Frame::ConErr(fault) => self.on_over(now, &fault, out),
            Frame::End(fault) => self.on_over(now, &fault, out),
            Frame::Error(fault) if matches!(self.phase, Phase::Asking { .. }) => self.on_over(now, &fault, out),
            // A request of ours that the server could not read, whichever: that is a fault of ours to be seen.
            Frame::Error(fault) => out.push(Action::Deliver(Delivery::BadFrame(fault.to_string()))),
            Frame::Loop { .. } => self.on_loop(now, out),
            Frame::Prog(progress) => self.on_progress(now, progress, out),
            Frame::ReqErr { request, fault } => {
                out.extend(self.subscriptions.on_refused(request, &fault).map(Action::Deliver));
            }
            Frame::Probe | Frame::Sync(_) | Frame::Notice | Frame::ReqOk { .. } | Frame::WsOk | Frame::Unknown => {}
            counted => self.on_notification(now, &counted, line, out),
        }
    }

    fn on_made(
        &mut self,
        now: u64,
        session: &str,
        request_limit: usize,
        keepalive: u64,
        link: Option<&str>,
        out: &mut Vec<Action>,
    ) {
        let Phase::Asking { how, .. } = self.phase else {
            return self.on_unreadable(now, "a session that was not asked for", out);
        };
        if session.is_empty() || session.len() > SESSION_BYTES_MAX {
            return self.on_unreadable(now, "a session without a name", out);
        }
        let keepalive = keepalive.min(KEEPALIVE_MAX_MILLIS);
        self.phase = Phase::Streaming { since: now };
        match (how, &mut self.made) {
            (Asked::Rebind | Asked::Recovery(_), Some(made)) => {
                if made.id != session {
                    self.made = None;
                    return self.lose(now, "another session than was asked for", 0, out);
                }
                (made.request_limit, made.keepalive) = (request_limit, keepalive);
                if let Asked::Recovery(from) = how {
                    self.awaits_progress = Some(from);
                } else {
                    self.subscriptions.restart_silence(now);
                }
            }
            _ => {
                let (id, link) = (session.to_owned(), link.and_then(plain_host));
                self.made = Some(Made { id, link, request_limit, keepalive, received: 0 });
                (self.doubled, self.awaits_progress) = (0, None);
                (self.unreadable_at, self.down_since) = (None, None);
                out.push(Action::Deliver(Delivery::Opened));
                let requests = self.subscriptions.ask_all_anew(now);
                self.control(now, &requests, out);
            }
        }
    }

    fn on_loop(&mut self, now: u64, out: &mut Vec<Action>) {
        let (Phase::Streaming { .. }, Some(made)) = (self.phase, &self.made) else {
            return self.on_unreadable(now, "a rebind of no session", out);
        };
        if let Some(from) = self.awaits_progress {
            // The server has nothing to say of a recovery that it does not begin.
            self.made = None;
            return self.lose(now, &format!("no recovery from {from}"), 0, out);
        }
        out.push(Action::Send(request("bind_session", &self.bind(made, "loop"))));
        self.said = now;
        self.phase = Phase::Asking { until: now + self.timing.answer_millis, how: Asked::Rebind };
    }

    fn on_progress(&mut self, now: u64, progress: u64, out: &mut Vec<Action>) {
        let Some(from) = self.awaits_progress.take() else {
            return self.on_unreadable(now, "progress that was not asked for", out);
        };
        let Some(doubled) = from.checked_sub(progress) else {
            self.made = None;
            return self.lose(now, &format!("recovery from {progress}, asked for {from}"), 0, out);
        };
        self.doubled = doubled;
        self.down_since = None;
        out.push(Action::Deliver(Delivery::Recovered));
        self.subscriptions.restart_silence(now);
        let requests = self.subscriptions.on_recovered(now);
        self.control(now, &requests, out);
    }

    fn on_notification(&mut self, now: u64, frame: &Frame<'_>, line: &str, out: &mut Vec<Action>) {
        if self.awaits_progress.is_some() || !matches!(self.phase, Phase::Streaming { .. }) {
            self.made = None;
            out.push(Action::Deliver(Delivery::BadFrame("data before the session began".to_owned())));
            return self.lose(now, "data before the session began", 0, out);
        }
        if self.doubled > 0 {
            self.doubled -= 1;
            return;
        }
        match self.subscriptions.on_frame(frame, now) {
            Ok(delivery) => {
                if let Some(made) = &mut self.made {
                    made.received += 1;
                }
                out.extend(delivery.map(Action::Deliver));
            }
            Err(why) => {
                let bad = super::frame::BadFrame::new("does not fit", line);
                self.on_unreadable(now, &format!("{why}; {bad}"), out);
            }
        }
    }

    /// A line that cannot be read: it is asked for again, and a second time at the same place a new session begins.
    fn on_unreadable(&mut self, now: u64, why: &str, out: &mut Vec<Action>) {
        out.push(Action::Deliver(Delivery::BadFrame(why.to_owned())));
        let received = self.made.as_ref().map(|made| made.received);
        if received.is_none() || received == self.unreadable_at {
            self.made = None;
        }
        self.unreadable_at = received;
        self.lose(now, why, 0, out);
    }

    /// The session was refused, or is over.
    fn on_over(&mut self, now: u64, fault: &Fault, out: &mut Vec<Action>) {
        if self.is_ending {
            self.phase = Phase::Idle;
            return;
        }
        let is_bind = matches!(self.phase, Phase::Asking { how: Asked::Rebind | Asked::Recovery(_), .. });
        self.made = None;
        let why = fault.to_string();
        match remedy(fault.code) {
            // What is wrong with an old session need not be wrong with a new one.
            _ if is_bind && fault.code != 1 => self.lose(now, &why, 0, out),
            Remedy::Renew => self.lose(now, &why, 0, out),
            Remedy::RenewAfter(at_least) => self.lose(now, &why, at_least, out),
            Remedy::Credentials => {
                self.lose(now, &why, 0, out);
                self.phase = Phase::Barred;
                out.push(Action::Deliver(Delivery::CredentialsRefused(fault.clone())));
            }
            Remedy::Stop => {
                self.lose(now, &why, 0, out);
                self.phase = Phase::Idle;
                out.push(Action::Deliver(Delivery::Ended(fault.clone())));
            }
        }
    }
}

/// A host and nothing else: what a server names as the place for our requests must not lead us elsewhere by its form.
fn plain_host(link: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (!link.is_empty() && link.len() <= SESSION_BYTES_MAX && link.chars().all(is_plain)).then(|| link.to_owned())
}

#[cfg(test)]
mod tests;
