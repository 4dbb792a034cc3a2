//! A service of one test: it answers as the test says and keeps every request.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::rest::IgOptions;
use super::{Limits, LoginVersion, Rest};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// In lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `GET /positions 2`.
    pub(crate) fn line(&self) -> String {
        let method = if self.header("_method") == Some("DELETE") { "DELETE" } else { &self.method };
        format!("{method} {} {}", self.path, self.header("version").unwrap_or("1"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }
}

/// What is said to it.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, headers, and a body.
    Say(u16, Vec<(&'static str, String)>, String),
    /// The connection is cut after the request was read.
    Cut,
    /// Nothing, for ever.
    Silence,
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Say(200, Vec::new(), body.to_owned())
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::Say(status, Vec::new(), format!("{{\"errorCode\":\"{code}\"}}"))
    }

    /// A login of version 2, with tokens of this number.
    pub(crate) fn login(number: usize) -> Self {
        let body = r#"{"accountType":"CFD","accountInfo":{"balance":1000,"deposit":0,"profitLoss":0,"available":1000},
            "currencyIsoCode":"GBP","currentAccountId":"ABC12","lightstreamerEndpoint":"https://push.example",
            "accounts":[],"dealingEnabled":true,"somethingNew":{"a":1}}"#;
        let tokens = vec![("CST", format!("cst{number}")), ("X-SECURITY-TOKEN", format!("xst{number}"))];
        Self::Say(200, tokens, body.to_owned())
    }
}

type Answering = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// The service.
pub(crate) struct Service {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    /// `answering` is given each request and how many of the same line came before it.
    pub(crate) async fn start(answering: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/gateway/deal", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (kept, answering) = (Arc::clone(&asked), Arc::new(answering) as Arc<Answering>);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), Arc::clone(&answering)));
            }
        });
        Self { url, asked }
    }

    /// An address where nobody answers.
    pub(crate) fn nobody(url: String) -> Self {
        Self { url, asked: Arc::default() }
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The lines of every request so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    /// A client of it that does not wait long.
    pub(crate) fn client(&self) -> Rest {
        self.client_with(|_| {})
    }

    pub(crate) fn client_with(&self, change: impl FnOnce(&mut IgOptions)) -> Rest {
        let mut options = IgOptions {
            rest_url: self.url.clone(),
            api_key: "key".into(),
            identifier: "user".to_owned(),
            password: "pass".into(),
            account: String::new(),
            login: LoginVersion::Two,
            encrypts_password: false,
            login_spacing_millis: 0,
            timeout_millis: 2_000,
            pause_millis: 1,
            limits: Limits { trading: 1_000, account: 1_000, application: 1_000 },
        };
        change(&mut options);
        Rest::new(options).unwrap()
    }
}

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<Asked>>>, answering: Arc<Answering>) {
    let mut buffer = Vec::new();
    while let Some(asked) = next_request(&mut stream, &mut buffer).await {
        let reply = {
            let mut kept = kept.lock().unwrap();
            let before = kept.iter().filter(|earlier| earlier.line() == asked.line()).count();
            kept.push(asked.clone());
            answering(&asked, before)
        };
        let (status, headers, body) = match reply {
            Reply::Say(status, headers, body) => (status, headers, body),
            Reply::Cut => return,
            Reply::Silence => std::future::pending().await,
        };
        let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&body);
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn next_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length: usize =
                headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
                buffer.drain(..end + 4 + length);
                let path = path.trim_start_matches("/gateway/deal").to_owned();
                return Some(Asked { method, path, headers, body });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
