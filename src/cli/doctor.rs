//! `arena doctor`: what is wrong with this installation, and how to mend it.
//!
//! Every check looks at one thing and changes nothing: no folder is made, no store is made, no login is tried.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::output::{DONE, FAILED, Failure, print, print_json};
use super::{Shared, block_on};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, FeedSource, LoadError};
use crate::deploy::Shelf;
use crate::domain::UtcMicros;
use crate::notify::Notify;
use crate::store::views::AtRest;
use crate::store::{StoreError, free_disk_mb};

/// Another service may take this long to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A clock that stands before this was never set.
const CLOCK_LEAST: UtcMicros = UtcMicros(1_700_000_000_000_000);
/// How far this machine's clock may be from that of a service.
const SKEW_MAX_SECONDS: i64 = 30;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works; better known.
    Note,
    /// It stands in the way.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    /// A sentence without a full stop.
    found: String,
    /// What mends it; nothing where nothing needs it.
    mend: Option<String>,
}

/// Findings in order.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.0.push(Finding { check, verdict: Verdict::Ok, found: found.into(), mend: None });
    }

    fn note(&mut self, check: &'static str, found: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { check, verdict: Verdict::Note, found: found.into(), mend: Some(mend.into()) });
    }

    fn fault(&mut self, check: &'static str, found: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { check, verdict: Verdict::Fault, found: found.into(), mend: Some(mend.into()) });
    }
}

pub(super) fn doctor(shared: &Shared) -> Result<u8, Failure> {
    let mut findings = Findings::default();
    program(&mut findings);
    clock(&mut findings);
    if let Some(config) = configuration(shared, &mut findings) {
        let data = &config.arena.data;
        folder(data, config.arena.disk_floor_mb, &mut findings);
        let is_running = listener(config.listen, &mut findings);
        store(&data.join("store"), is_running, &mut findings);
        secrets(data, &mut findings);
        mlflow(&config, &mut findings);
        database(&config, &mut findings);
        ig(&config, &mut findings);
        notify(&config, &mut findings);
    }
    let faults = findings.0.iter().filter(|finding| finding.verdict == Verdict::Fault).count();
    if shared.json {
        print_json(&json!({ "ok": faults == 0, "checks": findings.0 }))?;
    } else {
        print(&text(&findings.0, faults))?;
    }
    Ok(if faults == 0 { DONE } else { FAILED })
}

fn text(findings: &[Finding], faults: usize) -> String {
    let mut text = String::new();
    for Finding { check, verdict, found, mend } in findings {
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Fault => "FAULT",
        };
        writeln!(text, "{word:<6} {check:<14} {found}").expect("strings take what is written to them");
        if let Some(mend) = mend {
            writeln!(text, "{:<21} -> {mend}", "").expect("strings take what is written to them");
        }
    }
    text.push_str(match faults {
        0 => "\nnothing stands in the way\n",
        1 => "\none fault stands in the way\n",
        _ => "\nseveral faults stand in the way\n",
    });
    text
}

fn program(findings: &mut Findings) {
    let mut built = Vec::new();
    if cfg!(feature = "parquet") {
        built.push("parquet");
    }
    if cfg!(feature = "onnx") {
        built.push("onnx");
    }
    let with =
        if built.is_empty() { "without optional features".to_owned() } else { format!("with {}", built.join(", ")) };
    findings.ok("program", format!("arena {} {with}", env!("CARGO_PKG_VERSION")));
}

fn clock(findings: &mut Findings) {
    let now = SystemClock.now();
    if now < CLOCK_LEAST {
        findings.fault("clock", format!("it says {now}"), "set this machine's clock, best by NTP");
    } else {
        findings.ok("clock", format!("it says {now}"));
    }
}

fn configuration(shared: &Shared, findings: &mut Findings) -> Option<Config> {
    let path = shared.config();
    match config::load(path, &*Shelf::new()) {
        Ok(config) => {
            let (candidates, markets) = (config.candidates.len(), config.markets.len());
            findings.ok(
                "configuration",
                format!("{} declares {candidates} candidates over {markets} market(s)", path.display()),
            );
            Some(config)
        }
        Err(LoadError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {
            findings.fault(
                "configuration",
                format!("there is no {}", path.display()),
                "`arena init` writes a first one",
            );
            None
        }
        Err(LoadError::Unreadable { source, .. }) => {
            let found = format!("{} cannot be read: {source}", path.display());
            findings.fault("configuration", found, "let this user read it, or name another with -c FILE");
            None
        }
        Err(LoadError::Faulty(problems)) => {
            let first = problems.first().map_or_else(String::new, |problem| format!(": {problem}"));
            let found = format!("{} has {} fault(s){first}", path.display(), problems.len());
            findings.fault("configuration", found, "`arena check` tells all of them and what would be right");
            None
        }
    }
}

/// The folder that is there, or the nearest one above it that is.
fn nearest(folder: &Path) -> &Path {
    let mut at = folder;
    while !at.exists() {
        at = match at.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => return Path::new("."),
        };
    }
    at
}

fn folder(data: &Path, floor_mb: u64, findings: &mut Findings) {
    let there = nearest(data);
    let is_writable = rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    let shown = there.display();
    if !there.is_dir() {
        findings.fault("data folder", format!("{shown} is no folder"), "name another with [arena] data");
    } else if !is_writable {
        let mend = "let this user write there, or name another with [arena] data";
        findings.fault("data folder", format!("{shown} cannot be written by this user"), mend);
    } else if there == data {
        findings.ok("data folder", format!("{shown} can be written"));
    } else {
        findings.ok("data folder", format!("{} is made at the first run", data.display()));
    }
    match free_disk_mb(there) {
        Some(free) if free < floor_mb => findings.fault(
            "disk",
            format!("{free} MB are free, below the floor of {floor_mb} MB: nothing would be recorded"),
            "free space, set [store] limits, or lower [arena] disk_floor_mb",
        ),
        Some(free) if free < floor_mb.saturating_mul(4) => {
            let mend = "free space, or set [store] quotes_max_age or quotes_max_mb";
            findings.note("disk", format!("{free} MB are free, the floor is {floor_mb} MB"), mend);
        }
        Some(free) => findings.ok("disk", format!("{free} MB are free, the floor is {floor_mb} MB")),
        None => findings.note("disk", "the system does not tell how much is free", "see for yourself"),
    }
}

/// Whether an arena answers where this one would listen.
fn listener(address: SocketAddr, findings: &mut Findings) -> bool {
    let error = match TcpListener::bind(address) {
        Ok(_) => {
            findings.ok("port", format!("{address} is free"));
            return false;
        }
        Err(error) => error,
    };
    let health = ask(&format!("http://{address}/api/v1/leaderboard"));
    let is_arena = health.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status().is_success()));
    match (error.kind(), is_arena) {
        (ErrorKind::AddrInUse, true) => {
            findings.ok("port", format!("an arena answers at {address}"));
            return true;
        }
        (ErrorKind::AddrInUse, false) => findings.fault(
            "port",
            format!("{address} is taken by something that is no arena"),
            "stop that, or name another with [server] listen",
        ),
        (_, _) => findings.fault(
            "port",
            format!("{address} cannot be listened on: {error}"),
            "name an address of this machine with [server] listen, and a port of 1024 or above",
        ),
    }
    false
}

fn store(dir: &Path, is_running: bool, findings: &mut Findings) {
    match AtRest::open(dir) {
        Ok(arena) => {
            let head = arena.head();
            let until = head.time.map_or_else(|| "before its first bar".to_owned(), |time| format!("as of {time}"));
            findings.ok("store", format!("{} opens, {until}, {} quotes", dir.display(), head.quotes));
            let now = SystemClock.now();
            let written = std::fs::metadata(dir.join("db")).and_then(|meta| meta.modified()).ok();
            let ahead = written.and_then(|written| written.duration_since(std::time::UNIX_EPOCH).ok());
            let ahead = ahead.map(|since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX) - now.0);
            if ahead.is_some_and(|ahead| ahead > SKEW_MAX_SECONDS * 1_000_000) {
                findings.fault(
                    "clock",
                    "the store was written after the present moment",
                    "set this machine's clock, best by NTP",
                );
            }
        }
        Err(StoreError::Missing { .. }) => findings.ok("store", format!("{} is made at the first run", dir.display())),
        Err(StoreError::InUse { .. }) if is_running => {
            findings.ok("store", format!("{} is held by the arena that answers", dir.display()));
        }
        Err(StoreError::InUse { .. }) => findings.fault(
            "store",
            format!("{} is held by a process that does not answer at [server] listen", dir.display()),
            "stop that arena, or look for it at another address with --url",
        ),
        Err(error) => {
            findings.fault(
                "store",
                error.to_string(),
                "`arena restore` brings a backup back; or name another [arena] data",
            );
        }
    }
}

/// The token, and the key of the audit's signatures: nobody else's business.
fn secrets(data: &Path, findings: &mut Findings) {
    for (check, name) in [("token", "arena.token"), ("signing key", "arena.key")] {
        let path = data.join(name);
        let shown = path.display();
        match std::fs::metadata(&path) {
            Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
                let found = format!("{shown} can be read by others ({:o})", meta.permissions().mode() & 0o777);
                findings.fault(check, found, format!("chmod 600 {shown}"));
            }
            Ok(_) if std::fs::File::open(&path).is_err() => {
                findings.fault(
                    check,
                    format!("{shown} cannot be read by this user"),
                    "run as the user whose arena it is",
                );
            }
            Ok(_) => findings.ok(check, format!("{shown} is its owner's alone")),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                findings.ok(check, format!("{shown} is made at the first run"));
            }
            Err(error) => findings.fault(check, format!("{shown}: {error}"), "let this user read it"),
        }
    }
}

/// The copy of the journal: a database that is away costs lag alone.
fn database(config: &Config, findings: &mut Findings) {
    match super::mirror::reach(&config.mirror) {
        Ok(Some(shown)) => findings.ok("database", format!("{shown} lets us in")),
        Ok(None) => findings.ok("database", "none is named"),
        Err(failure) => {
            let mend = "start it, or see [mirror] sql, ARENA_MIRROR_SQL and ARENA_MIRROR_PASSWORD";
            findings.note("database", failure.message, mend);
        }
    }
}

/// What else is configured has to answer: whether it lets us in is another matter.
fn mlflow(config: &Config, findings: &mut Findings) {
    let named = config.registry.mlflow.clone().or_else(|| std::env::var("MLFLOW_TRACKING_URI").ok());
    match named
        .map(|address| address.trim().trim_end_matches('/').to_owned())
        .filter(|address| address.starts_with("http"))
    {
        Some(address) => {
            reach("MLflow", &format!("{address}/health"), "[registry] mlflow or MLFLOW_TRACKING_URI", findings)
        }
        None => findings.ok("MLflow", "none is named"),
    }
}

/// IG's address where quotes come from there: nobody logs in here.
fn ig(config: &Config, findings: &mut Findings) {
    match config.feed.source {
        FeedSource::Ig => reach("IG", config.ig.url(), "[ig] environment and rest_url", findings),
        FeedSource::Sim | FeedSource::Replay => findings.ok("IG", "no quotes come from there"),
    }
}

/// The channels that tell what happens, and their secrets: nobody is written to here.
fn notify(config: &Config, findings: &mut Findings) {
    match Notify::open(config, config.listen) {
        Ok(None) => findings.ok("notify", "nobody is told what happens"),
        Ok(Some(notify)) => findings.ok("notify", format!("{notify:?} can be written to; `arena notify test` does")),
        Err(error) => {
            findings.fault("notify", error.to_string(), "docs/NOTIFICATIONS.md tells what each channel needs")
        }
    }
}

/// One `GET`, with little patience.
fn ask(address: &str) -> Result<reqwest::Result<reqwest::Response>, Failure> {
    block_on(async {
        Ok(match crate::http::client().timeout(PATIENCE).build() {
            Ok(client) => client.get(address).send().await,
            Err(error) => Err(error),
        })
    })
}

fn reach(check: &'static str, address: &str, named_by: &str, findings: &mut Findings) {
    let asked = match ask(address) {
        Ok(asked) => asked,
        Err(failure) => return findings.fault(check, failure.message, "see what this machine lacks"),
    };
    match asked {
        Ok(answer) if answer.status().is_server_error() => {
            let mend = format!("look at its log; it is named by {named_by}");
            findings.fault(check, format!("{address} answers {}", answer.status()), mend);
        }
        Ok(answer) => {
            findings.ok(check, format!("{address} answers"));
            skew(check, answer.headers().get("date").and_then(|date| date.to_str().ok()), findings);
        }
        Err(error) => {
            let why =
                if error.is_timeout() { "does not answer in time".to_owned() } else { "cannot be reached".to_owned() };
            findings.fault(check, format!("{address} {why}"), format!("start it, or correct {named_by}"));
        }
    }
}

/// The clock of a service is another's: far from it, one of the two is wrong.
fn skew(check: &'static str, date: Option<&str>, findings: &mut Findings) {
    let Some(theirs) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else { return };
    let seconds = SystemClock.now().0 / 1_000_000 - theirs.timestamp().as_second();
    if seconds.abs() > SKEW_MAX_SECONDS {
        let found = format!("this machine is {seconds} s off the clock of {check}");
        findings.note("clock", found, "set this machine's clock, best by NTP");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by<'a>(findings: &'a Findings, check: &str) -> &'a Finding {
        findings.0.iter().rfind(|finding| finding.check == check).expect("it was looked at")
    }

    #[test]
    fn open_secrets_are_told_with_what_mends_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let token = dir.path().join("arena.token");
        std::fs::write(&token, "secret\n").expect("a file");
        let look = |mode: u32| {
            std::fs::set_permissions(&token, PermissionsExt::from_mode(mode)).expect("a mode");
            let mut findings = Findings::default();
            secrets(dir.path(), &mut findings);
            findings
        };
        let open = look(0o644);
        assert_eq!(by(&open, "token").verdict, Verdict::Fault);
        assert!(by(&open, "token").mend.as_ref().is_some_and(|mend| mend.starts_with("chmod 600 ")));
        assert_eq!(by(&look(0o600), "token").verdict, Verdict::Ok);
        assert!(!text(&open.0, 1).contains("secret\n"), "no secret is told");
    }

    #[test]
    fn a_port_of_a_stranger_is_a_fault_and_a_full_disk_too() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("its address");
        drop(taken);
        let mut findings = Findings::default();
        assert!(!listener(address, &mut findings));
        assert_eq!(by(&findings, "port").verdict, Verdict::Ok);
        let dir = tempfile::tempdir().expect("a folder");
        folder(&dir.path().join("not/yet"), u64::MAX, &mut findings);
        assert_eq!(
            (by(&findings, "data folder").verdict, by(&findings, "disk").verdict),
            (Verdict::Ok, Verdict::Fault)
        );
        store(&dir.path().join("store"), false, &mut findings);
        assert_eq!(by(&findings, "store").verdict, Verdict::Ok);
    }
}
