//! What stands before every handler: who may ask, under which name of ours, and what every answer carries.
//!
//! - On loopback, a `Host` that is not a loopback name is refused. A page elsewhere whose name is made to resolve to
//!   127.0.0.1 would otherwise read the arena and, with a stolen token, command it.
//! - A command from a page of another origin is refused, and every command needs the token. Failures cost the
//!   address that made them a growing delay; the right token is never slowed, so that a halt cannot be blocked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use dashmap::DashMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Surface;
use super::answers::problem;
use crate::telemetry::metrics;

/// The delay after the first failure; it doubles with each one.
const DELAY_FIRST: Duration = Duration::from_millis(50);
/// The longest delay.
const DELAY_MAX: Duration = Duration::from_secs(2);
/// After this long without a failure an address starts afresh.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Addresses remembered; beyond them all others share one entry.
const ADDRESSES_MAX: usize = 1_024;
/// The shared entry.
const EVERYBODY_ELSE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

struct Failures {
    count: u32,
    last: Instant,
}

/// The keeper of names and token.
pub(super) struct Gate {
    /// The hash, so that two texts of unequal length take the same time to compare.
    token: [u8; 32],
    is_loopback: bool,
    hosts: Vec<String>,
    failures: DashMap<IpAddr, Failures>,
}

impl Gate {
    pub(super) fn new(token: &str, address: SocketAddr, hosts: Vec<String>) -> Self {
        Self {
            token: Sha256::digest(token.as_bytes()).into(),
            is_loopback: address.ip().is_loopback(),
            hosts: hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect(),
            failures: DashMap::new(),
        }
    }

    /// Whether the request came under a name that can be ours; a port is not looked at, since a tunnel changes it.
    fn knows_host(&self, headers: &HeaderMap) -> bool {
        if !self.is_loopback {
            return true;
        }
        let Some(host) = host(headers) else { return false };
        let name = without_port(host).to_ascii_lowercase();
        let is_loopback_name = name == "localhost"
            || name
                .strip_prefix('[')
                .and_then(|n| n.strip_suffix(']'))
                .unwrap_or(&name)
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback());
        is_loopback_name || self.hosts.contains(&name)
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        let Some((scheme, given)) = given.split_once(' ') else { return false };
        let given: [u8; 32] = Sha256::digest(given.trim().as_bytes()).into();
        scheme.eq_ignore_ascii_case("bearer") && bool::from(given.ct_eq(&self.token))
    }

    /// Notes a failure and says how long its answer waits.
    fn fail(&self, address: IpAddr, now: Instant) -> Duration {
        let is_known = self.failures.contains_key(&address);
        if !is_known && self.failures.len() >= ADDRESSES_MAX {
            self.failures.retain(|_, failures| now.duration_since(failures.last) < FORGIVEN_AFTER);
        }
        let is_full = !is_known && self.failures.len() >= ADDRESSES_MAX;
        let address = if is_full { EVERYBODY_ELSE } else { address };
        let mut failures = self.failures.entry(address).or_insert(Failures { count: 0, last: now });
        if now.duration_since(failures.last) >= FORGIVEN_AFTER {
            failures.count = 0;
        }
        failures.last = now;
        failures.count = failures.count.saturating_add(1);
        // Six doublings pass the maximum already.
        DELAY_FIRST.saturating_mul(1 << failures.count.saturating_sub(1).min(6)).min(DELAY_MAX)
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST).and_then(|value| value.to_str().ok())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (name.ends_with(']') || !name.contains(':')) =>
        {
            name
        }
        _ => host,
    }
}

/// Whether a browser says that the request comes from a page of somebody else.
fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if matches!(site, Some("cross-site" | "same-site")) {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, authority)| authority);
    !matches!((authority, host(headers)), (Some(theirs), Some(ours)) if theirs.eq_ignore_ascii_case(ours))
}

/// Decides whether a request is let through; the answer for it where not.
async fn refuse(surface: &Surface, request: &ServiceRequest) -> Option<HttpResponse> {
    let headers = request.headers();
    if !surface.gate.knows_host(headers) {
        return Some(problem(StatusCode::FORBIDDEN, "this Host is no name of this arena"));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    if is_foreign(headers) {
        return Some(problem(StatusCode::FORBIDDEN, "commands from pages of another origin are refused"));
    }
    if surface.gate.has_token(headers) {
        return None;
    }
    metrics::request_unauthorized();
    let address = request.peer_addr().map_or(EVERYBODY_ELSE, |peer| peer.ip());
    let delay = surface.gate.fail(address, Instant::now());
    tracing::warn!(%address, path = request.path(), "command without the token");
    actix_web::rt::time::sleep(delay).await;
    let mut response = problem(StatusCode::UNAUTHORIZED, "this needs the token: Authorization: Bearer TOKEN");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"arena\""));
    Some(response)
}

/// Wraps every request: lets it through or not, counts it, and dresses the answer.
pub(super) async fn keep(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let surface = request.app_data::<web::Data<Surface>>().expect("serve puts the surface into every app").clone();
    let method = method_word(request.method());
    let refused = refuse(&surface, &request).await;
    let mut response = match refused {
        Some(response) => request.into_response(response),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let route = response.request().match_pattern().unwrap_or_else(|| "unknown".to_owned());
    metrics::request_answered(route, method, response.status().as_u16());
    dress(response.headers_mut(), &surface.policy);
    Ok(response)
}

/// The method as a label: a bounded set, whatever is sent.
fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

fn dress(headers: &mut HeaderMap, policy: &str) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(hosts: &[&str]) -> Gate {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Gate::new("secret", SocketAddr::from(([127, 0, 0, 1], 80)), hosts)
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn on_loopback_only_loopback_names_and_named_hosts_are_known() {
        let gate = gate(&["Arena.example"]);
        for (host, is_known) in [
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("arena.example:443", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:8080", false),
            ("10.0.0.1:8080", false),
            ("", false),
        ] {
            assert_eq!(gate.knows_host(&headers(&[("host", host)])), is_known, "{host}");
        }
        assert!(!gate.knows_host(&headers(&[])), "no Host at all");
    }

    #[test]
    fn only_the_whole_token_opens() {
        let gate = gate(&[]);
        for (value, is_right) in [
            ("Bearer secret", true),
            ("bearer  secret", true),
            ("Bearer secre", false),
            ("Bearer secrets", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic secret", false),
            ("secret", false),
        ] {
            assert_eq!(gate.has_token(&headers(&[("authorization", value)])), is_right, "{value}");
        }
    }

    #[test]
    fn pages_of_others_are_foreign() {
        for (pairs, is_foreign_page) in [
            (vec![("host", "localhost:1")], false),
            (vec![("host", "localhost:1"), ("origin", "http://localhost:1")], false),
            (vec![("host", "localhost:1"), ("origin", "http://localhost:2")], true),
            (vec![("host", "localhost:1"), ("origin", "https://evil.example")], true),
            (vec![("host", "localhost:1"), ("origin", "null")], true),
            (vec![("host", "localhost:1"), ("sec-fetch-site", "cross-site")], true),
            (vec![("host", "localhost:1"), ("sec-fetch-site", "same-origin")], false),
            (vec![("origin", "http://localhost:1")], true),
        ] {
            assert_eq!(is_foreign(&headers(&pairs)), is_foreign_page, "{pairs:?}");
        }
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_are_forgiven() {
        let gate = gate(&[]);
        let address = IpAddr::from([192, 0, 2, 1]);
        let start = Instant::now();
        let delays: Vec<u128> = (0..9).map(|_| gate.fail(address, start).as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
        assert_eq!(gate.fail(IpAddr::from([192, 0, 2, 2]), start).as_millis(), 50);
        assert_eq!(gate.fail(address, start + FORGIVEN_AFTER).as_millis(), 50);
    }

    #[test]
    fn the_memory_of_failures_is_bounded() {
        let gate = gate(&[]);
        let start = Instant::now();
        for number in 1..5_000_u32 {
            gate.fail(IpAddr::V4(Ipv4Addr::from(number)), start);
        }
        assert!(gate.failures.len() <= ADDRESSES_MAX + 1, "{}", gate.failures.len());
        assert_eq!(gate.fail(IpAddr::from([203, 0, 113, 9]), start), DELAY_MAX, "the crowd shares one delay");
        gate.fail(IpAddr::from([203, 0, 113, 9]), start + FORGIVEN_AFTER);
        assert_eq!(gate.failures.len(), 1, "who was quiet is forgotten");
    }
}
