//! Requests and answers: time limits, bounded bodies, a few further tries for what only reads, and from whatever came
//! back to a value or an [`MlflowError`].

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::MlflowError;

/// The longest excerpt of a foreign sentence that an error carries, in characters.
const EXCERPT: usize = 240;

/// How long to wait, how much to take, how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection to stand.
    pub connect: Duration,
    /// For the whole answer of a call.
    pub call: Duration,
    /// For the next bytes of a file that is sent or fetched.
    pub stall: Duration,
    /// For a file as a whole.
    pub transfer: Duration,
    /// The largest answer of a call, in bytes.
    pub answer_bytes: u64,
    /// The largest file, in bytes.
    pub file_bytes: u64,
    /// How often a call that only reads is made at most.
    pub tries: u32,
    /// Before the second try; twice as long before each further one.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            call: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            transfer: Duration::from_secs(900),
            answer_bytes: 8 << 20,
            file_bytes: 1 << 30,
            tries: 3,
            pause: Duration::from_millis(250),
        }
    }
}

/// How a server knows who asks.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// It does not ask.
    #[default]
    Open,
    /// Name and password.
    Basic(String, SecretString),
    /// A token.
    Bearer(SecretString),
}

impl Access {
    /// From the values of `MLFLOW_TRACKING_TOKEN`, `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, with the
    /// token before the others as MLflow's own client has it.
    #[must_use]
    pub fn of(token: Option<String>, name: Option<String>, password: Option<String>) -> Self {
        let written = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        match (written(token), written(name), written(password)) {
            (Some(token), ..) => Self::Bearer(token.into()),
            (None, Some(name), password) => Self::Basic(name, password.unwrap_or_default().into()),
            (None, None, _) => Self::Open,
        }
    }
}

/// A client of one MLflow server; cheap to clone.
#[derive(Clone)]
pub struct Mlflow {
    http: reqwest::Client,
    base: Url,
    access: Access,
    limits: Limits,
}

impl fmt::Debug for Mlflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mlflow").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// What MLflow says where it refuses.
#[derive(Debug, Deserialize)]
struct Complaint {
    error_code: String,
    #[serde(default)]
    message: String,
}

impl Mlflow {
    /// A client of the server at `address`, `http://` or `https://`, with a path where it stands behind a proxy.
    ///
    /// # Errors
    /// [`MlflowError::BadAddress`].
    pub fn new(address: &str, access: Access, limits: Limits) -> Result<Self, MlflowError> {
        let bad = |why: &str| MlflowError::BadAddress { address: address.to_owned(), why: why.to_owned() };
        let mut base = Url::parse(address.trim()).map_err(|error| bad(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
            return Err(bad("want http://HOST:PORT or https://HOST:PORT"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(MlflowError::BadAddress {
                // Not with the secret in it.
                address: base.host_str().unwrap_or_default().to_owned(),
                why: "name and password go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD".to_owned(),
            });
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(bad("it has a `?` or a `#`"));
        }
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let http = crate::http::client()
            .connect_timeout(limits.connect)
            .read_timeout(limits.stall)
            // A server that moves callers on is not the one that was configured.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("arena/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| bad(&told(&error)))?;
        Ok(Self { http, base, access, limits })
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Host and port, as a `mlflow-artifacts://` address has them.
    pub(super) fn authority(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The address of `path`, whose pieces are escaped as they need.
    fn url<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("http addresses have a path").pop_if_empty().extend(path);
        url
    }

    fn api(&self, path: &str) -> Url {
        self.url(["api", "2.0", "mlflow"].into_iter().chain(path.split('/')))
    }

    /// Where the server keeps the file `path` of its artifacts.
    fn file(&self, path: &str) -> Url {
        let pieces = path.split('/').filter(|piece| !piece.is_empty());
        self.url(["api", "2.0", "mlflow-artifacts", "artifacts"].into_iter().chain(pieces))
    }

    fn request(&self, method: Method, url: Url, limit: Duration) -> RequestBuilder {
        let request = self.http.request(method, url).timeout(limit);
        match &self.access {
            Access::Open => request,
            Access::Basic(name, password) => request.basic_auth(name, Some(password.expose_secret())),
            Access::Bearer(token) => request.bearer_auth(token.expose_secret()),
        }
    }

    /// A call that changes nothing: tried again while the trouble looks as if it would pass.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, MlflowError> {
        let url = self.api(path);
        self.read(path, || self.request(Method::GET, url.clone(), self.limits.call).query(query)).await
    }

    /// A list of the server's artifacts below `path`.
    pub(super) async fn get_files<T: DeserializeOwned>(&self, path: &str) -> Result<T, MlflowError> {
        let url = self.file("");
        let what = format!("artifacts {path}");
        self.read(&what, || self.request(Method::GET, url.clone(), self.limits.call).query(&[("path", path)])).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        what: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, MlflowError> {
        let begun = Instant::now();
        let mut pause = self.limits.pause;
        for _ in 1..self.limits.tries {
            match self.call(what, request()).await {
                // One slow answer is bad luck, a second one is a slow server: the wait as a whole is bounded too.
                Err(error) if error.is_passing() && begun.elapsed() < self.limits.call => {
                    tracing::debug!(%error, what, "trying again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.call(what, request()).await
    }

    /// A call that changes something: made once.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, MlflowError> {
        self.call(path, self.request(method, self.api(path), self.limits.call).json(body)).await
    }

    async fn call<T: DeserializeOwned>(&self, what: &str, request: RequestBuilder) -> Result<T, MlflowError> {
        let body = self.answer(what, request, self.limits.call).await?;
        serde_json::from_slice(&body).map_err(|error| self.nonsense(what, format!("{error} in {}", excerpt(&body))))
    }

    /// The body of a success.
    async fn answer(&self, what: &str, request: RequestBuilder, limit: Duration) -> Result<Vec<u8>, MlflowError> {
        let mut response = request.send().await.map_err(|error| self.network(what, limit, &error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.network(what, limit, &error))? {
            if (body.len() + chunk.len()) as u64 > self.limits.answer_bytes {
                return Err(self.too_large(what, self.limits.answer_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        self.verdict(what, status, &body)?;
        Ok(body)
    }

    /// Uploads a file's bytes to `path` of the server's artifacts; an existing file is written over.
    pub(super) async fn put_file(&self, path: &str, bytes: Vec<u8>) -> Result<(), MlflowError> {
        let what = format!("upload of {path}");
        let request = self.request(Method::PUT, self.file(path), self.limits.transfer).body(bytes);
        self.answer(&what, request, self.limits.transfer).await.map(drop)
    }

    /// Downloads the file at `path` of the server's artifacts into a new file at `into`, and returns its size.
    pub(super) async fn get_file(&self, path: &str, into: &Path) -> Result<u64, FetchError> {
        let what = format!("download of {path}");
        let limit = self.limits.transfer;
        let request = self.request(Method::GET, self.file(path), limit);
        let mut response = request.send().await.map_err(|error| self.network(&what, limit, &error))?;
        let status = response.status();
        if !status.is_success() {
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| self.network(&what, limit, &error))? {
                body.extend_from_slice(&chunk);
                if body.len() > 64 << 10 {
                    break;
                }
            }
            self.verdict(&what, status, &body)?;
        }
        let mut file = tokio::fs::File::create(into).await?;
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| self.network(&what, limit, &error))? {
            size += chunk.len() as u64;
            if size > self.limits.file_bytes {
                return Err(self.too_large(&what, self.limits.file_bytes).into());
            }
            file.write_all(&chunk).await?;
        }
        file.sync_all().await?;
        Ok(size)
    }

    /// Whether an answer is a success; where not, what it says.
    fn verdict(&self, what: &str, status: StatusCode, body: &[u8]) -> Result<(), MlflowError> {
        let (address, what) = (self.address().to_owned(), what.to_owned());
        let complaint = serde_json::from_slice::<Complaint>(body);
        match complaint {
            Ok(Complaint { error_code, message }) => {
                let message = excerpt(message.as_bytes());
                Err(match error_code.as_str() {
                    "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND" => MlflowError::Missing { address, what, message },
                    code => MlflowError::Refused { address, what, code: excerpt(code.as_bytes()), message },
                })
            }
            Err(_) if status.is_success() => Ok(()),
            // What a proxy or a server under load says in words of its own.
            Err(_) if matches!(status.as_u16(), 408 | 425 | 429 | 502..=504) => {
                Err(MlflowError::Unreachable { address, why: format!("{status} to {what}") })
            }
            Err(_) if matches!(status.as_u16(), 401 | 403) => Err(MlflowError::Refused {
                address,
                what,
                code: status.to_string(),
                message: "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, let in"
                    .to_owned(),
            }),
            Err(_) => Err(MlflowError::Nonsense { address, what, why: format!("{status}, {}", excerpt(body)) }),
        }
    }

    fn network(&self, what: &str, after: Duration, error: &reqwest::Error) -> MlflowError {
        let (address, what) = (self.address().to_owned(), what.to_owned());
        if error.is_connect() {
            MlflowError::Unreachable { address, why: told(error) }
        } else if error.is_timeout() {
            MlflowError::Slow { address, what, after: after.min(self.limits.stall) }
        } else if error.is_builder() {
            MlflowError::Nonsense { address, what, why: told(error) }
        } else {
            MlflowError::Unreachable { address, why: told(error) }
        }
    }

    pub(super) fn nonsense(&self, what: &str, why: impl Into<String>) -> MlflowError {
        MlflowError::Nonsense { address: self.address().to_owned(), what: what.to_owned(), why: why.into() }
    }

    fn too_large(&self, what: &str, most: u64) -> MlflowError {
        MlflowError::TooLarge { address: self.address().to_owned(), what: what.to_owned(), most }
    }

    /// The largest file that is taken.
    pub(super) fn file_bytes(&self) -> u64 {
        self.limits.file_bytes
    }
}

/// Why a file was not fetched: MLflow, or the disk that it should go to.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// MLflow.
    #[error(transparent)]
    Mlflow(#[from] MlflowError),
    /// The disk.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Codes of MLflow for trouble of its own that may pass.
pub(super) fn is_passing_code(code: &str) -> bool {
    matches!(code, "INTERNAL_ERROR" | "TEMPORARILY_UNAVAILABLE" | "REQUEST_LIMIT_EXCEEDED")
}

/// An error with its causes, without the address that its first line repeats.
fn told(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let says = error.to_string();
        // The outermost only says which request it was.
        if !says.starts_with("error sending request") && !text.contains(&says) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&says);
        }
        cause = error.source();
    }
    excerpt(if text.is_empty() { "the connection broke" } else { &text }.as_bytes())
}

/// A foreign text on one line, cut where it is long.
fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * EXCERPT)]);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(EXCERPT) {
        _ if line.is_empty() => "an empty answer".to_owned(),
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
