//! The shell of a session: a WebSocket, a clock, and two bounded channels.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::session::{Action, Event, Session};
use super::{Credentials, Delivery, Key, Subscription, Timing};

/// The protocol that we speak.
pub const SUBPROTOCOL: &str = "TLCP-2.5.0.lightstreamer.com";

/// Deliveries that wait for the caller at most. A caller that is slower than the server makes the socket wait.
const DELIVERIES_MAX: usize = 256;

/// Commands that wait for the session at most. A session whose deliveries are not taken takes no commands: a caller that
/// does both in turn must not give more than these in one.
const COMMANDS_MAX: usize = 1_024;

/// The longest message that we read.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How long a message may take to be handed to the system.
const SEND_MAX: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    is_tls: bool,
    host: String,
}

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a streaming server; want http, https, ws or wss and a host")]
pub struct BadEndpoint(String);

impl Endpoint {
    /// Reads `https://host[:port]`, as a login names it; its path is left out.
    ///
    /// # Errors
    /// [`BadEndpoint`].
    pub fn parse(address: &str) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint(address.to_owned());
        let (scheme, rest) = address.split_once("://").ok_or_else(bad)?;
        let is_tls = match scheme {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(bad()),
        };
        let host = rest.split('/').next().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err(bad());
        }
        Ok(Self { is_tls, host: host.to_owned() })
    }

    fn url(&self, host: Option<&str>) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        format!("{scheme}://{}/lightstreamer", host.unwrap_or(&self.host))
    }
}

#[derive(Debug)]
enum Command {
    Subscribe(Key, Subscription),
    Unsubscribe(Key),
    Resubscribe(Key),
    Rebuild(String),
    Credentials(Credentials),
    Stop,
}

/// A running session. Dropping it ends the session.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
}

impl Client {
    /// Begins a session on this thread's tokio runtime.
    #[must_use]
    pub fn spawn(
        endpoint: Endpoint,
        credentials: Credentials,
        adapter_set: Option<String>,
        timing: Timing,
        seed: u64,
    ) -> (Self, mpsc::Receiver<Delivery>) {
        crate::http::install_tls();
        let (deliver, deliveries) = mpsc::channel(DELIVERIES_MAX);
        let (commands, commanded) = mpsc::channel(COMMANDS_MAX);
        let session = Session::new(credentials, adapter_set, timing, seed);
        let shell = Shell {
            endpoint,
            session,
            deliver,
            commanded,
            epoch: Instant::now(),
            link: Link::None,
            connection: 0,
            actions: Vec::new(),
        };
        tokio::spawn(shell.run());
        (Self { commands }, deliveries)
    }

    async fn tell(&self, command: Command) {
        // A session that is over needs no command; its last delivery said so.
        self.commands.send(command).await.ok();
    }

    /// Subscribes, in the place of what has the same key.
    pub async fn subscribe(&self, key: Key, wanted: Subscription) {
        self.tell(Command::Subscribe(key, wanted)).await;
    }

    /// Ends a subscription.
    pub async fn unsubscribe(&self, key: Key) {
        self.tell(Command::Unsubscribe(key)).await;
    }

    /// Asks for a subscription anew.
    pub async fn resubscribe(&self, key: Key) {
        self.tell(Command::Resubscribe(key)).await;
    }

    /// Gives the session up and makes a new one.
    pub async fn rebuild(&self, why: &str) {
        self.tell(Command::Rebuild(why.to_owned())).await;
    }

    /// Other credentials, for the next session.
    pub async fn set_credentials(&self, credentials: Credentials) {
        self.tell(Command::Credentials(credentials)).await;
    }

    /// Ends the session.
    pub async fn stop(&self) {
        self.tell(Command::Stop).await;
    }
}

enum Link {
    None,
    Opening(futures_util::future::BoxFuture<'static, Result<Box<Socket>, String>>),
    Open(Box<Socket>),
}

struct Shell {
    endpoint: Endpoint,
    session: Session,
    deliver: mpsc::Sender<Delivery>,
    commanded: mpsc::Receiver<Command>,
    epoch: Instant,
    link: Link,
    connection: u64,
    actions: Vec<Action>,
}

/// What the shell waited for.
enum Heard {
    Command(Option<Command>),
    Opened(Result<Box<Socket>, String>),
    Message(Option<Result<Message, tungstenite::Error>>),
    Time,
}

impl Shell {
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn run(mut self) {
        let mut is_going = self.take(Event::Start).await;
        while is_going {
            let heard = self.hear().await;
            is_going = match heard {
                Heard::Time => self.take(Event::Tick).await,
                Heard::Command(None) => {
                    self.take(Event::Stop).await;
                    false
                }
                Heard::Command(Some(command)) => {
                    let is_stop = matches!(command, Command::Stop);
                    self.take(event_of(command)).await && !is_stop
                }
                Heard::Opened(Ok(socket)) => {
                    self.link = Link::Open(socket);
                    self.take(Event::Connected(self.connection)).await
                }
                Heard::Opened(Err(why)) => {
                    self.link = Link::None;
                    self.take(Event::Closed(self.connection, why)).await
                }
                Heard::Message(message) => self.on_message(message).await,
            };
        }
    }

    async fn hear(&mut self) -> Heard {
        let wake = self.session.next_wake().map(|at| self.epoch + Duration::from_millis(at));
        let sleep = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let link = async {
            match &mut self.link {
                Link::None => std::future::pending().await,
                Link::Opening(opening) => Heard::Opened(opening.await),
                Link::Open(socket) => Heard::Message(socket.next().await),
            }
        };
        tokio::select! {
            biased;
            command = self.commanded.recv() => Heard::Command(command),
            heard = link => heard,
            () = sleep => Heard::Time,
        }
    }

    async fn on_message(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> bool {
        let connection = self.connection;
        let why = match message {
            Some(Ok(Message::Text(text))) => {
                // Line by line, each with its deliveries out before the next: no message makes more than one line does.
                for line in text.split("\r\n").flat_map(|line| line.split('\n')).filter(|line| !line.is_empty()) {
                    if !self.take(Event::Line(connection, line)).await {
                        return false;
                    }
                }
                return true;
            }
            Some(Ok(Message::Close(_))) | None => "closed by the server".to_owned(),
            Some(Ok(_)) => return true,
            Some(Err(error)) => error.to_string(),
        };
        self.link = Link::None;
        self.take(Event::Closed(connection, why)).await
    }

    /// Gives an event to the session and does what it says; `false` when nobody listens any more.
    async fn take(&mut self, event: Event<'_>) -> bool {
        let mut event = Some(event);
        let mut failed: Option<(u64, String)> = None;
        loop {
            let now = self.now();
            match (event.take(), failed.take()) {
                (Some(event), _) => self.session.handle(now, event, &mut self.actions),
                (None, Some((connection, why))) => {
                    self.session.handle(now, Event::Closed(connection, why), &mut self.actions);
                }
                (None, None) => return true,
            }
            for action in std::mem::take(&mut self.actions) {
                match action {
                    Action::Connect(number, host) => {
                        self.connection = number;
                        self.link = Link::Opening(open(self.endpoint.url(host.as_deref())).boxed());
                    }
                    Action::Disconnect => self.link = Link::None,
                    Action::Send(text) => {
                        if let Err(why) = self.send(text).await {
                            self.link = Link::None;
                            failed = Some((self.connection, why));
                        }
                    }
                    Action::Deliver(delivery) => {
                        if self.deliver.send(delivery).await.is_err() {
                            return false;
                        }
                    }
                }
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<(), String> {
        let Link::Open(socket) = &mut self.link else { return Ok(()) };
        match tokio::time::timeout(SEND_MAX, socket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("a request could not be sent in time".to_owned()),
        }
    }
}

fn event_of(command: Command) -> Event<'static> {
    match command {
        Command::Subscribe(key, wanted) => Event::Subscribe(key, wanted),
        Command::Unsubscribe(key) => Event::Unsubscribe(key),
        Command::Resubscribe(key) => Event::Resubscribe(key),
        Command::Rebuild(why) => Event::Rebuild(why),
        Command::Credentials(credentials) => Event::Credentials(credentials),
        Command::Stop => Event::Stop,
    }
}

async fn open(url: String) -> Result<Box<Socket>, String> {
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    match connect_async_with_config(request, Some(config), true).await {
        Ok((socket, _)) => Ok(Box::new(socket)),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::SplitStream;
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

    use super::*;
    use crate::lightstreamer::Mode;

    #[test]
    fn an_endpoint_is_a_host_and_nothing_else() {
        for (address, want) in [
            ("https://demo-apd.marketdatasystems.com", Some("wss://demo-apd.marketdatasystems.com/lightstreamer")),
            ("http://127.0.0.1:9000", Some("ws://127.0.0.1:9000/lightstreamer")),
            ("ws://[::1]:9000/ignored", Some("ws://[::1]:9000/lightstreamer")),
            ("ftp://a", None),
            ("a.example", None),
            ("https://", None),
            ("https://user@host", None),
            ("https://a b", None),
        ] {
            assert_eq!(Endpoint::parse(address).ok().map(|endpoint| endpoint.url(None)).as_deref(), want, "{address}");
        }
        let endpoint = Endpoint::parse("https://a.example").unwrap();
        assert_eq!(endpoint.url(Some("b.example:8443")), "wss://b.example:8443/lightstreamer");
    }

    type Server = WebSocketStream<TcpStream>;

    async fn accept(listener: &TcpListener) -> Server {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the type of the library's callback")]
        let echo = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let protocol = request.headers().get("Sec-WebSocket-Protocol").expect("a protocol").clone();
            assert_eq!(protocol, SUBPROTOCOL);
            response.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
            Ok(response)
        };
        accept_hdr_async(stream, echo).await.unwrap()
    }

    async fn heard(
        socket: &mut (impl futures_util::Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
    ) -> String {
        loop {
            if let Message::Text(text) = socket.next().await.expect("the client is there").unwrap() {
                return text.to_string();
            }
        }
    }

    async fn say(socket: &mut Server, text: &str) {
        socket.send(Message::text(text)).await.unwrap();
    }

    #[tokio::test]
    async fn a_cut_connection_goes_on_where_it_was_over_real_sockets() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let credentials = Credentials { user: None, password: "CST-a|XST-b".into() };
        let (client, mut told) = Client::spawn(endpoint, credentials, None, Timing::default(), 1);
        let wanted = Subscription {
            items: vec!["A".to_owned()],
            fields: vec!["BID".to_owned()],
            mode: Mode::Distinct,
            adapter: None,
            wants_snapshot: false,
            silent_after_millis: None,
        };
        client.subscribe(1, wanted).await;

        let mut server = accept(&listener).await;
        assert_eq!(heard(&mut server).await, "wsok");
        assert!(heard(&mut server).await.starts_with("create_session\r\n"));
        say(&mut server, "WSOK\r\nCONOK,S1,50000,5000,*\r\n").await;
        assert!(heard(&mut server).await.contains("LS_op=add"));
        say(&mut server, "SUBOK,1,1,1\r\nU,1,1,1.1\r\n").await;
        let mut bids = Vec::new();
        while bids.is_empty() {
            if let Some(Delivery::Update(update)) = told.recv().await {
                bids.extend(update.values[0].as_deref().map(str::to_owned));
            }
        }
        drop(server);

        let mut server = accept(&listener).await;
        heard(&mut server).await;
        assert!(heard(&mut server).await.ends_with("LS_recovery_from=2"));
        say(&mut server, "CONOK,S1,50000,5000,*\r\nPROG,1\r\nU,1,1,1.1\r\nU,1,1,1.2\r\n").await;
        let mut between = Vec::new();
        while bids.len() < 2 {
            match told.recv().await.expect("the session goes on") {
                Delivery::Update(update) => bids.extend(update.values[0].as_deref().map(str::to_owned)),
                other => between.push(other),
            }
        }
        assert_eq!(bids, ["1.1", "1.2"]);
        assert!(matches!(between[..], [Delivery::Down(_), Delivery::Recovered]), "{between:?}");

        client.stop().await;
        let (_, mut rest): (_, SplitStream<Server>) = server.split();
        assert!(heard(&mut rest).await.contains("LS_op=destroy"));
        assert_eq!(told.recv().await, None);
    }

    #[tokio::test]
    async fn a_server_that_does_not_speak_the_protocol_is_not_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let credentials = Credentials { user: None, password: "p".into() };
        let (_client, mut told) = Client::spawn(endpoint, credentials, None, Timing::default(), 1);
        let (stream, _) = listener.accept().await.unwrap();
        // The handshake of one that does not echo the protocol.
        tokio_tungstenite::accept_async(stream).await.ok();
        assert!(matches!(told.recv().await, Some(Delivery::Down(_))));
    }
}
