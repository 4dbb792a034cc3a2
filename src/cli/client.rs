//! The client of a running arena's HTTP API, and the ways to find that arena and its token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::output::{FAILED, Failure, NO_MODEL, REFUSED, UNREACHED, USAGE};
use super::{ReachArgs, Shared};

const DEFAULT_URL: &str = "http://127.0.0.1:8787";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A promotion answers once it is durable and a halt once the broker was told, so that an answer may take a while.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What goes through the whole store may take this long.
const BULK_TIMEOUT: Duration = Duration::from_secs(3_600);

/// A stream may go on for as long as anybody looks at it.
const STREAM_TIMEOUT: Duration = Duration::from_secs(366 * 86_400);

/// Speaks with one running arena.
#[derive(Debug)]
pub struct Client {
    base: Url,
    token: Option<String>,
    http: reqwest::Client,
}

/// What the API says where it does not do what was asked.
#[derive(Deserialize)]
struct ApiError {
    error: String,
    #[serde(default)]
    candidates: Vec<String>,
}

impl Client {
    /// For reading: `url` if given, else `ARENA_URL`, else where the configuration listens, else the default port.
    ///
    /// # Errors
    /// [`USAGE`] for an address that is none, or a configuration that cannot be read and would have to be.
    pub fn reading(url: Option<&str>, shared: &Shared) -> Result<Self, Failure> {
        let place = Place::of(shared);
        Self::new(&place.url(url)?, None)
    }

    /// For telling it to do something: as [`Client::reading`], with the token of `--token`, of `ARENA_TOKEN`, or of the
    /// file beside the configuration. That file is this machine's, so that it is sent to loopback alone.
    ///
    /// # Errors
    /// As [`Client::reading`]. A token that is missing is none: the arena says whether it wants one.
    pub fn operating(reach: &ReachArgs, shared: &Shared) -> Result<Self, Failure> {
        let place = Place::of(shared);
        let mut client = Self::new(&place.url(reach.url.as_deref())?, None)?;
        client.token = match reach.token.as_deref().map(str::trim) {
            Some(token) if !token.is_empty() => Some(token.to_owned()),
            _ if client.is_loopback() => place.token(),
            _ => None,
        };
        Ok(client)
    }

    /// For the arena at `address`, such as `http://127.0.0.1:8787` or `127.0.0.1:8787`.
    ///
    /// # Errors
    /// [`USAGE`] for an address that is none.
    pub fn new(address: &str, token: Option<String>) -> Result<Self, Failure> {
        let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let wrong = |why: &str| Failure::new(USAGE, format!("{address:?} is no address of an arena: {why}"));
        let base = Url::parse(&full).map_err(|e| wrong(&e.to_string()))?;
        if base.scheme() != "http" {
            return Err(wrong("want http://HOST:PORT; an arena speaks plain HTTP, put a tunnel in front for more"));
        }
        let http = crate::http::client()
            // An arena is asked directly: a proxy of the environment would not know this machine's loopback.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|e| Failure::new(FAILED, e.to_string()))?;
        Ok(Self { base, token, http })
    }

    /// The address, as shown to people.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET /api/v1/` and `path`, whose parts may hold any character.
    ///
    /// # Errors
    /// [`UNREACHED`] where no arena answers, and the code of what the arena says.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// `POST /api/v1/` and `path`, with the token where there is one.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// `GET` as [`Client::get`], of what takes the arena as long as it takes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_slowly<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        let response = self.send(Method::GET, path, None, Some(BULK_TIMEOUT)).await?;
        let bytes = response.bytes().await.map_err(|e| self.unreached(&e))?;
        serde_json::from_slice(&bytes).map_err(|_| self.stranger())
    }

    /// `GET` of an answer that comes piece by piece, given to `each` as it comes.
    ///
    /// # Errors
    /// As [`Client::get`]; [`UNREACHED`] where it breaks off; what `each` fails with.
    pub async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        each: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let response = self.send_with(Method::GET, path, query, None, Some(STREAM_TIMEOUT)).await?;
        self.pieces(response, each).await
    }

    /// The same of a `POST`, with the token.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn download(&self, path: &[&str], each: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let nothing = Value::Object(serde_json::Map::new());
        let response = self.send_with(Method::POST, path, &[], Some(&nothing), Some(STREAM_TIMEOUT)).await?;
        self.pieces(response, each).await
    }

    async fn pieces(
        &self,
        mut response: reqwest::Response,
        mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        while let Some(piece) = response.chunk().await.map_err(|e| self.unreached(&e))? {
            each(&piece)?;
        }
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let response = self.send(method, path, body, None).await?;
        let bytes = response.bytes().await.map_err(|e| self.unreached(&e))?;
        serde_json::from_slice(&bytes).map_err(|_| self.stranger())
    }

    /// Sends a request; what comes back is a success whose body is still to come.
    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
        timeout: Option<Duration>,
    ) -> Result<reqwest::Response, Failure> {
        self.send_with(method, path, &[], body, timeout).await
    }

    async fn send_with(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
        timeout: Option<Duration>,
    ) -> Result<reqwest::Response, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::new(USAGE, format!("{} is no address of an arena", self.base)))?
            .pop_if_empty()
            .extend(["api", "v1"].iter().chain(path));
        let mut request = self.http.request(method, url);
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(body) = body {
            request = request.json(body);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let response = request.send().await.map_err(|e| self.unreached(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.map_err(|e| self.unreached(&e))?;
        let said: Option<ApiError> = serde_json::from_slice(&bytes).ok();
        Err(self.failure(status, said, path))
    }

    fn failure(&self, status: StatusCode, said: Option<ApiError>, path: &[&str]) -> Failure {
        if status == StatusCode::UNAUTHORIZED {
            let why = if self.token.is_some() { "does not know this token" } else { "asks for its token" };
            let sentence = format!(
                "the arena at {} {why}: give it with --token or ARENA_TOKEN; it stands in arena.token in the arena's \
                 data folder",
                self.address()
            );
            return Failure::new(FAILED, sentence);
        }
        let Some(said) = said else { return self.stranger() };
        let code = match status {
            StatusCode::NOT_FOUND if matches!(path.first(), Some(&("models" | "export" | "tail"))) => NO_MODEL,
            StatusCode::NOT_FOUND => return self.stranger(),
            StatusCode::CONFLICT => REFUSED,
            StatusCode::BAD_REQUEST => USAGE,
            _ => FAILED,
        };
        Failure { code, message: said.error, candidates: said.candidates }
    }

    fn unreached(&self, error: &reqwest::Error) -> Failure {
        let address = self.address();
        let sentence = if error.is_timeout() {
            format!("the arena at {address} does not answer in time")
        } else if error.is_connect() {
            format!(
                "no arena answers at {address}; start one with `arena run`, name another with --url, or read one at \
                 rest with --store"
            )
        } else {
            format!("the arena at {address} broke off: {error}")
        };
        Failure::new(UNREACHED, sentence)
    }

    fn stranger(&self) -> Failure {
        Failure::new(UNREACHED, format!("what answers at {} is no arena of this version", self.address()))
    }

    fn is_loopback(&self) -> bool {
        let host = self.base.host_str().unwrap_or("").trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// The data folder that the configuration names, `data` where there is no configuration.
///
/// # Errors
/// [`USAGE`] for a configuration that is named and cannot be read.
pub(super) fn data_folder(shared: &Shared) -> Result<PathBuf, Failure> {
    let place = Place::of(shared);
    match place.fault {
        Some(fault) => Err(Failure::new(USAGE, format!("{fault}; name the data folder with --data"))),
        None => Ok(place.data.unwrap_or_else(|| shared.config().with_file_name("data"))),
    }
}

/// The two keys of a configuration that say where its arena is. The file need not be there, nor be without faults:
/// these commands talk to an arena that has read its own.
#[derive(Debug, Default)]
struct Place {
    listen: Option<String>,
    data: Option<PathBuf>,
    /// Why the file could not be read, if it is there.
    fault: Option<String>,
}

impl Place {
    fn of(shared: &Shared) -> Self {
        let path = shared.config();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            // Without -c, no file is as good as an empty one.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && shared.config.is_none() => return Self::default(),
            Err(e) => return Self { fault: Some(format!("{}: {e}", path.display())), ..Self::default() },
        };
        let document = match text.parse::<toml_edit::DocumentMut>() {
            Ok(document) => document,
            Err(e) => {
                let fault = format!("{}: {}", path.display(), e.message());
                return Self { fault: Some(fault), ..Self::default() };
            }
        };
        let key = |table: &str, key: &str| Some(document.get(table)?.get(key)?.as_str()?.to_owned());
        let folder = path.parent().unwrap_or(Path::new(""));
        Self { listen: key("server", "listen"), data: key("arena", "data").map(|data| folder.join(data)), fault: None }
    }

    fn url(&self, given: Option<&str>) -> Result<String, Failure> {
        let environment = std::env::var("ARENA_URL").ok().filter(|url| !url.trim().is_empty());
        if let Some(url) = given.map(str::to_owned).or(environment) {
            return Ok(url.trim().to_owned());
        }
        if let Some(fault) = &self.fault {
            return Err(Failure::new(USAGE, format!("cannot tell from {fault}; name the arena with --url")));
        }
        let Some(listen) = &self.listen else { return Ok(DEFAULT_URL.to_owned()) };
        // An arena that listens everywhere is asked on loopback.
        let host = match listen.parse::<std::net::SocketAddr>() {
            Ok(mut address) if address.ip().is_unspecified() => {
                let loopback: std::net::IpAddr =
                    if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
                address.set_ip(loopback);
                address.to_string()
            }
            _ => listen.clone(),
        };
        Ok(format!("http://{host}"))
    }

    fn token(&self) -> Option<String> {
        let data = self.data.as_deref().unwrap_or(Path::new("data"));
        let text = std::fs::read_to_string(data.join("arena.token")).ok()?;
        Some(text.trim().to_owned()).filter(|token| !token.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_with_and_without_a_scheme() {
        for (address, want) in [
            ("127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("http://[::1]:9/", "http://[::1]:9"),
            ("localhost:80/arena", "http://localhost/arena"),
        ] {
            let client = Client::new(address, None).unwrap();
            assert_eq!(client.address(), want);
            assert!(client.is_loopback(), "{address}");
        }
        assert!(!Client::new("http://arena.example:1", None).unwrap().is_loopback());
        for address in ["https://127.0.0.1", "", "http://", "ftp://x", "http://a b"] {
            assert_eq!(Client::new(address, None).unwrap_err().code, USAGE, "{address}");
        }
    }

    #[test]
    fn the_configuration_tells_where_its_arena_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.toml");
        let place = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Place::of(&Shared { config: Some(file.clone()), ..Shared::default() })
        };
        for (text, want) in [
            ("", DEFAULT_URL),
            ("[server]\nlisten = \"127.0.0.1:9\"", "http://127.0.0.1:9"),
            ("[server]\nlisten = \"0.0.0.0:9\"", "http://127.0.0.1:9"),
            ("[server]\nlisten = \"[::]:9\"", "http://[::1]:9"),
        ] {
            assert_eq!(place(text).url(None).unwrap(), want, "{text}");
        }
        assert_eq!(place("x = ").url(None).unwrap_err().code, USAGE);
        assert_eq!(place("x = ").url(Some("h:1")).unwrap(), "h:1");

        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/arena.token"), "secret\n").unwrap();
        assert_eq!(place("[arena]\ndata = \"d\"").token().unwrap(), "secret");
        assert_eq!(place("[arena]\ndata = \"elsewhere\"").token(), None);
    }
}
