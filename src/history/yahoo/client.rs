//! The polite client: one request at a time, a pause between two, patience where Yahoo asks for it, and a crumb where
//! the chart does not come without one.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE, USER_AGENT};
use reqwest::{StatusCode, Url};

use super::reply::{self, Chart, Refusal};
use super::windows::Interval;
use super::{Step, YahooError};
use crate::history::TimeSpan;

/// Where Yahoo's charts are.
pub const DEFAULT_BASE: &str = "https://query2.finance.yahoo.com";
/// Where its cookie is; the status of the answer does not matter.
const COOKIE_BASE: &str = "https://fc.yahoo.com";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// No chart is as long as this.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How often one window is asked for before it is given up.
const TRIES_MAX: u32 = 4;
/// How long is waited for one window in all, in units of the back-off (15 minutes at its default).
const BACKOFFS_MAX: u32 = 15;

/// How the client behaves.
#[derive(Clone, Debug)]
pub struct Manners {
    /// Where charts are asked for.
    pub base: String,
    /// What it calls itself. Yahoo turns away what does not look like a browser.
    pub user_agent: String,
    /// The least time between the beginnings of two requests.
    pub pace: Duration,
    /// The first wait after `too many requests`; it doubles each time. Other faults wait a twentieth of it.
    pub backoff: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            base: DEFAULT_BASE.to_owned(),
            user_agent: concat!("Mozilla/5.0 (compatible; arena/", env!("CARGO_PKG_VERSION"), ")").to_owned(),
            pace: Duration::from_secs(2),
            backoff: Duration::from_secs(60),
        }
    }
}

/// Speaks with Yahoo, or with whoever stands in for it.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    cookie_url: Url,
    manners: Manners,
    /// When the last request began.
    last: Option<Instant>,
    requests: u64,
    cookie: Option<String>,
    crumb: Option<String>,
    has_tried_crumb: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

/// One answer, read to its end.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    retry_after: Option<Duration>,
    /// The host of a redirection.
    location: Option<String>,
}

impl Client {
    /// With these manners.
    ///
    /// # Errors
    /// [`YahooError::Usage`] for an address or a name that cannot be used.
    pub fn new(manners: Manners) -> Result<Self, YahooError> {
        let wrong = |why: String| YahooError::Usage(why);
        let base = Url::parse(&manners.base)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| wrong(format!("{:?} is no http or https address for --base-url", manners.base)))?;
        if !manners.user_agent.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(wrong("the user agent has characters that no header may hold".to_owned()));
        }
        // A stand-in gives its own cookies; nothing then leaves for the real one.
        let is_real = base.host_str().is_some_and(|host| host.ends_with("yahoo.com"));
        let cookie_url = if is_real { Url::parse(COOKIE_BASE).expect("it is an address") } else { base.clone() };
        let is_near = base.host_str().is_some_and(|host| {
            host == "localhost"
                || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        });
        let mut builder = crate::http::client()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if is_near {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| wrong(format!("no HTTP client can be made: {e}")))?;
        Ok(Self {
            http,
            base,
            cookie_url,
            manners,
            last: None,
            requests: 0,
            cookie: None,
            crumb: None,
            has_tried_crumb: false,
        })
    }

    /// Requests so far, those for a cookie and a crumb included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Who is asked, for messages.
    #[must_use]
    pub fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.base.host_str().unwrap_or_default())
    }

    /// The chart of `window`, however often it takes to get it.
    pub(super) async fn chart(
        &mut self,
        ticker: &str,
        interval: &Interval,
        window: TimeSpan,
        watch: &dyn Fn(Step),
    ) -> Result<Chart, Refusal> {
        let mut waited = Duration::ZERO;
        let longest = self.manners.backoff * BACKOFFS_MAX;
        for tries in 1.. {
            let url = self.chart_url(ticker, interval, window);
            let (refusal, asked_wait) = match self.get(url, self.cookie.clone()).await {
                Ok(answer) => match reply::read(answer.status.as_u16(), &answer.body) {
                    Ok(chart) => return Ok(chart),
                    Err(refusal) => (refusal, answer.retry_after),
                },
                Err(why) => (Refusal::Away(why), None),
            };
            let (first, why) = match &refusal {
                Refusal::TooMany => (self.manners.backoff, "too many requests"),
                Refusal::Away(_) => (self.manners.backoff / 20, "no answer"),
                Refusal::Unauthorized(_) if !self.has_tried_crumb => {
                    self.has_tried_crumb = true;
                    // Without a crumb the chart is asked for once more all the same.
                    self.fetch_crumb().await;
                    continue;
                }
                _ => return Err(refusal),
            };
            let wait = crate::http::jittered(first * 2_u32.pow(tries - 1)).max(asked_wait.unwrap_or_default());
            if tries >= TRIES_MAX || waited + wait > longest {
                return Err(refusal);
            }
            waited += wait;
            watch(Step::Waiting { why, wait });
            tokio::time::sleep(wait).await;
        }
        unreachable!("the tries have an end")
    }

    fn chart_url(&self, ticker: &str, interval: &Interval, window: TimeSpan) -> Url {
        let (period1, period2) = interval.periods(window);
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v8", "finance", "chart", ticker]);
        }
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("period1", &period1.to_string()).append_pair("period2", &period2.to_string());
            query.append_pair("interval", interval.word).append_pair("includePrePost", "false");
            query.append_pair("events", "div,splits");
            if let Some(crumb) = &self.crumb {
                query.append_pair("crumb", crumb);
            }
        }
        url
    }

    /// One request, not before its time.
    async fn get(&mut self, url: Url, cookie: Option<String>) -> Result<Answer, String> {
        if let Some(rest) = self.last.and_then(|last| self.manners.pace.checked_sub(last.elapsed())) {
            tokio::time::sleep(rest).await;
        }
        self.last = Some(Instant::now());
        self.requests += 1;
        let mut request = self.http.get(url).header(USER_AGENT, &self.manners.user_agent).header(ACCEPT, "*/*");
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let mut response = request.send().await.map_err(|e| reason(&e))?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let retry_after = text(RETRY_AFTER).and_then(|t| t.trim().parse().ok()).map(Duration::from_secs);
        let location = text(LOCATION);
        // Of all cookies the one that crumbs are given for.
        let given = response.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        if let Some(cookie) = given.filter_map(|c| c.split(';').next()).find(|c| c.starts_with("A3=")) {
            self.cookie = Some(cookie.to_owned());
        }
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| reason(&e))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(format!("an answer of more than {BODY_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, retry_after, location })
    }

    /// A cookie, then a crumb for it. Where either is not to be had there is none.
    async fn fetch_crumb(&mut self) {
        (self.cookie, self.crumb) = (None, None);
        let cookie_url = self.cookie_url.clone();
        let Ok(answer) = self.get(cookie_url, None).await else { return };
        if let Some(location) = &answer.location {
            tracing::info!(location, "no cookie without consent; going on without");
        }
        let Some(cookie) = self.cookie.clone() else { return };
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "test", "getcrumb"]);
        }
        let Ok(answer) = self.get(url, Some(cookie)).await else { return };
        let crumb = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let is_one = answer.status.is_success() && (1..=64).contains(&crumb.len()) && crumb.is_ascii();
        let is_other =
            crumb.contains('<') || crumb.contains("Too Many Requests") || crumb.contains(char::is_whitespace);
        if is_one && !is_other {
            self.crumb = Some(crumb);
        }
    }
}

/// What went wrong, down to its cause, in one line.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("nothing came within {} s", ANSWER_TIMEOUT.as_secs());
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let text = deepest.to_string();
    // The system's number of an error says nothing to people.
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
