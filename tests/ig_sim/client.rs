//! Bare clients: REST requests and streaming frames, without a library's opinion.

use std::collections::VecDeque;
use std::time::Duration;

use arena::domain::{Micros, Price, UtcMicros};
use arena::sim::ig::{Config, Handle, Limits, Listing, Pace, Prices, Quoted, Server};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(crate) const FTSE: &str = "IX.D.FTSE.DAILY.IP";
pub(crate) const CABLE: &str = "CS.D.GBPUSD.TODAY.IP";
pub(crate) const KEY: &str = "demo-key-0123456789abcdef";
/// A Wednesday.
pub(crate) const START: &str = "2025-01-08T09:30:00Z";

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// A simulator whose clock stands and whose markets wait for quotes.
pub(crate) fn still() -> Config {
    let market = |epic: &str, start: &str| {
        let listing = Listing { start: price(start), ..Listing::guess(epic) };
        Quoted { listing, prices: Prices::Given }
    };
    Config {
        pace: Pace { start: Some(START.parse::<UtcMicros>().unwrap()), speed: 0.0 },
        markets: vec![market(FTSE, "9700"), market(CABLE, "1.27"), market("IX.D.FTSE.IFM.IP", "9700")],
        limits: Limits::lifted(),
        ..Config::default()
    }
}

pub(crate) fn start(config: Config) -> Handle {
    Server::start(config).unwrap()
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Status and error code.
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.body["errorCode"].as_str().unwrap_or(""))
    }
}

/// A client that is logged in.
pub(crate) struct Client {
    pub(crate) runtime: Runtime,
    http: reqwest::Client,
    root: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Client {
    /// Not logged in.
    pub(crate) fn bare(sim: &Handle) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = arena::http::client().build().unwrap();
        Self { runtime, http, root: sim.stream_url(), headers: vec![("X-IG-API-KEY".into(), KEY.into())] }
    }

    pub(crate) fn new(sim: &Handle) -> Self {
        let mut client = Self::bare(sim);
        let login = client.login(2);
        assert_eq!(login.status, 200, "{login:?}");
        client.take_tokens(&login);
        client
    }

    pub(crate) fn take_tokens(&mut self, answer: &Answer) {
        for name in ["CST", "X-SECURITY-TOKEN"] {
            self.set(name, answer.header(name).unwrap_or_else(|| panic!("no {name} in {answer:?}")));
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn get_header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(known, _)| known == name).unwrap().1
    }

    pub(crate) fn login(&self, version: u8) -> Answer {
        self.call("POST", "/session", version, Some(json!({"identifier": "demo-user", "password": "demo-pass"})))
    }

    /// A request that is answered in any way, or cut (`None`).
    pub(crate) fn try_call(&self, method: &str, path: &str, version: u8, body: Option<Value>) -> Option<Answer> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}/gateway/deal{path}", self.root));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request = request.header("VERSION", version.to_string());
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.finish(request)
    }

    fn finish(&self, request: reqwest::RequestBuilder) -> Option<Answer> {
        self.runtime.block_on(async {
            let response = request.timeout(Duration::from_secs(20)).send().await.ok()?;
            let status = response.status().as_u16();
            let headers = response
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect();
            let text = response.text().await.ok()?;
            Some(Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text })
        })
    }

    pub(crate) fn call(&self, method: &str, path: &str, version: u8, body: Option<Value>) -> Answer {
        self.try_call(method, path, version, body).unwrap_or_else(|| panic!("{method} {path} was not answered"))
    }

    pub(crate) fn get(&self, path: &str, version: u8) -> Value {
        let answer = self.call("GET", path, version, None);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// A POST that means DELETE.
    pub(crate) fn delete(&self, path: &str, version: u8, body: Value) -> Answer {
        let mut request = self.http.post(format!("{}/gateway/deal{path}", self.root)).header("_method", "DELETE");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.finish(request.header("VERSION", version.to_string()).json(&body)).unwrap()
    }

    /// The control endpoint.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.finish(self.http.request(method, format!("{}/sim{path}", self.root)).json(body)).unwrap()
    }

    /// `POST /lightstreamer/{name}.txt`, answered to its end.
    pub(crate) fn exchange(&self, name: &str, body: &str) -> String {
        let url = format!("{}/lightstreamer/{name}.txt?LS_protocol=TLCP-2.4.0", self.root);
        self.finish(self.http.post(url).body(body.to_owned())).unwrap().text
    }

    /// The deal that a reference leads to, once it is booked.
    pub(crate) fn confirm(&self, sim: &Handle, dealt: &Answer) -> Value {
        assert_eq!(dealt.status, 200, "{dealt:?}");
        sim.advance(Micros(5_000));
        let reference = dealt.body["dealReference"].as_str().unwrap();
        self.get(&format!("/confirms/{reference}"), 1)
    }

    /// Opens a position on the FTSE by `changes` to a plain market order.
    pub(crate) fn open(&self, changes: &Value) -> Answer {
        let mut body = json!({
            "epic": FTSE, "expiry": "DFB", "direction": "BUY", "size": 1, "orderType": "MARKET",
            "guaranteedStop": false, "forceOpen": true, "currencyCode": "GBP",
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.call("POST", "/positions/otc", 2, Some(body))
    }

    pub(crate) fn close(&self, deal_id: &str, direction: &str, size: f64) -> Answer {
        let body = json!({"dealId": deal_id, "direction": direction, "size": size, "orderType": "MARKET"});
        self.delete("/positions/otc", 1, body)
    }

    pub(crate) fn positions(&self) -> Vec<Value> {
        self.get("/positions", 2)["positions"].as_array().unwrap().clone()
    }

    /// Opens a stream and creates a session on it.
    pub(crate) fn stream(&self) -> Stream<'_> {
        let mut stream = self.socket(Some("TLCP-2.5.0.lightstreamer.com"));
        let password = format!("CST-{}%7CXST-{}", self.get_header("CST"), self.get_header("X-SECURITY-TOKEN"));
        stream.send(&format!("create_session\r\nLS_cid=x&LS_send_sync=false&LS_password={password}"));
        let head = stream.line();
        let session = head.split(',').nth(1).unwrap_or_else(|| panic!("{head}")).to_owned();
        assert!(head.starts_with("CONOK,") && head.ends_with(",50000,5000,*"), "{head}");
        stream.session = session;
        let rest: Vec<String> = (0..3).map(|_| stream.line()).collect();
        assert_eq!(rest, ["SERVNAME,Lightstreamer HTTP Server", "CLIENTIP,127.0.0.1", "CONS,unlimited"]);
        stream
    }

    /// Opens a WebSocket with that subprotocol.
    pub(crate) fn socket(&self, protocol: Option<&str>) -> Stream<'_> {
        let mut request = format!("{}/lightstreamer", self.root.replace("http", "ws")).into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
        }
        let (socket, _) = self.runtime.block_on(tokio_tungstenite::connect_async(request)).unwrap();
        Stream { client: self, socket, lines: VecDeque::new(), session: String::new() }
    }
}

/// A stream.
pub(crate) struct Stream<'a> {
    client: &'a Client,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    lines: VecDeque<String>,
    pub(crate) session: String,
}

impl Stream<'_> {
    pub(crate) fn send(&mut self, text: &str) {
        self.client.runtime.block_on(self.socket.send(Message::text(text))).unwrap();
    }

    /// The next line within so long; `None` where none comes or the socket is closed.
    pub(crate) fn line_within(&mut self, wait: Duration) -> Option<String> {
        if let Some(line) = self.lines.pop_front() {
            return Some(line);
        }
        let next = self.client.runtime.block_on(async { tokio::time::timeout(wait, self.socket.next()).await });
        match next {
            Ok(Some(Ok(Message::Text(text)))) => {
                assert!(text.ends_with("\r\n"), "{text:?}");
                self.lines.extend(text.as_str().split_terminator("\r\n").map(str::to_owned));
                self.lines.pop_front()
            }
            _ => None,
        }
    }

    pub(crate) fn line(&mut self) -> String {
        self.line_within(Duration::from_secs(10)).expect("a line within ten seconds")
    }

    /// Whether nothing comes for a little while.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.line_within(Duration::from_millis(150)).is_none()
    }

    /// Whether the socket ends, whatever comes before.
    pub(crate) fn is_cut(&mut self) -> bool {
        self.client.runtime.block_on(async {
            let ended = async { while let Some(Ok(_)) = self.socket.next().await {} };
            tokio::time::timeout(Duration::from_secs(10), ended).await.is_ok()
        })
    }

    /// Subscribes one group; the frames that answer are left to read.
    pub(crate) fn add(&mut self, number: u32, mode: &str, group: &str, schema: &str, more: &str) {
        let group = group.replace(':', "%3A").replace(' ', "%20");
        let schema = schema.replace(' ', "%20");
        self.send(&format!(
            "control\r\nLS_reqId={number}&LS_op=add&LS_subId={number}&LS_mode={mode}&LS_group={group}&LS_schema={schema}{more}"
        ));
    }

    /// What an `add` is refused with.
    pub(crate) fn refusal(&mut self, number: u32, mode: &str, group: &str, more: &str) -> String {
        self.add(number, mode, group, "BID", more);
        self.line()
    }
}
