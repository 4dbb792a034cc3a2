//! `arena fetch ig` of the built binary against the simulator: what it costs, what it stores, where it goes on.

#![expect(clippy::unwrap_used, reason = "tests")]

mod process;

use std::path::Path;

use arena::domain::{Micros, UtcMicros};
use arena::history::{DataSet, find, load};
use arena::sim::ig::{Config, Fault, Handle, Kind, Limits, Server};
use process::{LOGIN, Ran, arena_with};
use serde_json::{Value, json};

const FTSE: &str = "IX.D.FTSE.DAILY.IP";

/// A simulator that quotes by the wall clock, with so many points a week.
fn sim(points: u32) -> Handle {
    let limits = Limits { history: Some(points), ..Limits::lifted() };
    Server::start(Config { limits, ..Config::default() }).unwrap()
}

fn fetch(sim: &Handle, dir: &Path, rest: &[&str]) -> Ran {
    let url = sim.rest_url();
    let head = ["fetch", "ig", "--epic", FTSE, "--rest-url", &url];
    let ran = arena_with(dir, &LOGIN, &[&head[..], rest].concat());
    assert!(!format!("{ran:?}").contains("demo-pass") && !format!("{ran:?}").contains("demo-key"), "{ran:?}");
    ran
}

fn asked(sim: &Handle, path: &str) -> usize {
    let seen = sim.requests(0);
    let all = seen["requests"].as_array().unwrap();
    all.iter().filter(|request| request["path"].as_str().unwrap().starts_with(path)).count()
}

fn stored(dir: &Path, interval: &str) -> DataSet {
    load(&find(&dir.join("data"), &format!("ig/{FTSE}/{interval}")).unwrap()).unwrap()
}

/// A whole minute so many minutes ago.
fn minutes_ago(sim: &Handle, minutes: i64) -> UtcMicros {
    UtcMicros((sim.now().0 / 60_000_000 - minutes) * 60_000_000)
}

#[test]
fn the_last_bars_become_a_two_sided_data_set() {
    let (sim, dir) = (sim(5_000), tempfile::tempdir().unwrap());
    let document = fetch(&sim, dir.path(), &["--interval", "1h", "--last", "48", "--json"]).is(0).json();
    assert_eq!((&document["dataset"], &document["rows"]), (&json!(format!("ig/{FTSE}/1h")), &json!(48)), "{document}");
    assert_eq!((&document["sides"], &document["dropped"]), (&json!("two"), &json!({ "unfinished": 1 })));
    // One point was spent to find out.
    assert_eq!(document["points"], json!({ "at_most": 49, "left_before": 4_999, "a_week": 5_000 }));
    let set = stored(dir.path(), "1h");
    let hour = Micros(3_600_000_000);
    assert!(set.bars.windows(2).all(|pair| pair[1].start - pair[0].start == hour), "the market never closes");
    assert!(set.manifest.to <= sim.now() && sim.now() - set.manifest.to <= Micros(2 * hour.0));
    assert!(set.bars.iter().all(|bar| bar.bid.close < bar.offer.close && bar.quotes > 0));
    assert_eq!((set.manifest.source.as_str(), set.manifest.request["resolution"].as_str()), ("ig", "HOUR"));
    assert_eq!((asked(&sim, "/prices"), asked(&sim, "/positions")), (2, 0));
    let session: Vec<Value> = sim.requests(0)["requests"].as_array().unwrap().clone();
    assert_eq!(session.last().unwrap()["method"], "DELETE", "logged out: {session:?}");
    // Again: nothing has come since, unless the hour has just struck.
    let again = fetch(&sim, dir.path(), &["--interval", "1h", "--last", "48"]).is(0);
    assert!(again.out.contains(" new, ") && asked(&sim, "/prices") <= 4, "{again:?}");
    // Days, whatever the hour in the account's zone.
    let days = fetch(&sim, dir.path(), &["--resolution", "1d", "--last", "30", "--json"]).is(0).json();
    assert_eq!(days["rows"], 30, "{days}");
}

#[test]
fn windows_are_asked_for_once_and_a_run_goes_on_where_it_stopped() {
    let (sim, dir) = (sim(100_000), tempfile::tempdir().unwrap());
    let (from, to) = (minutes_ago(&sim, 1_400), minutes_ago(&sim, 100));
    let order = ["--interval", "1m", "--from", &from.to_string(), "--to", &to.to_string()];
    // One bar to find out, two windows, and then nobody answers any more.
    let broken =
        Kind::Answer { status: 403, error: Some("error.public-api.exceeded-account-historical-data-allowance".into()) };
    sim.fault(Fault { path: Some("GET /prices".to_owned()), after: 3, ..Fault::once(broken) });
    let ran = fetch(&sim, dir.path(), &order).is(1);
    assert!(ran.err.ends_with("; it goes on where it stopped\n"), "{ran:?}");
    assert_eq!(stored(dir.path(), "1m").bars.len(), 1_000);
    let ran = fetch(&sim, dir.path(), &order).is(0);
    assert!(ran.out.contains(": 1300 bars from ") && ran.out.contains("; 300 new, 2 requests"), "{ran:?}");
    let set = stored(dir.path(), "1m");
    assert_eq!((set.manifest.from, set.manifest.to, set.manifest.gaps.count), (from, to, 0));
    assert_eq!(set.manifest.fetched.requests, 5, "those that brought what is stored");
    let before = asked(&sim, "/prices");
    let ran = fetch(&sim, dir.path(), &order).is(0);
    assert!(ran.out.contains("; 0 new, 0 requests"), "{ran:?}");
    assert_eq!(asked(&sim, "/prices"), before, "no point is spent twice");
    // Ten more on either side.
    let (from, to) = (minutes_ago(&sim, 1_420), minutes_ago(&sim, 80));
    let wider = ["--interval", "1m", "--from", &from.to_string(), "--to", &to.to_string(), "--json"];
    let document = fetch(&sim, dir.path(), &wider).is(0).json();
    let new = document["new_rows"].as_u64().unwrap();
    assert!((39..=42).contains(&new), "the clock goes on: {document}");
    assert!(document["points"]["at_most"].as_u64().unwrap() <= 42, "{document}");
}

#[test]
fn what_is_dear_needs_a_yes_and_what_is_not_left_is_refused() {
    let (sim, dir) = (sim(1_000), tempfile::tempdir().unwrap());
    fetch(&sim, dir.path(), &["--interval", "1m", "--last", "90"]).is(0);
    // 999 were left when it was asked, 908 after it, 907 at the next asking.
    let order = ["--interval", "5m", "--last", "500"];
    fetch(&sim, dir.path(), &order).fails(3, "at most 501 points; 907 of 1000 are left, all are there again in ");
    fetch(&sim, dir.path(), &[&order[..], &["--json"]].concat()).is(3);
    assert!(!dir.path().join(format!("data/history/ig/{FTSE}/5m")).exists(), "nothing was fetched");
    let ran = fetch(&sim, dir.path(), &[&order[..], &["--yes"]].concat()).is(0);
    assert!(ran.err.contains("this costs at most 501 points; 905 of 1000"), "{ran:?}");
    let ran = fetch(&sim, dir.path(), &["--interval", "1h", "--last", "900", "--yes"]);
    ran.fails(3, "at most 901 points; 403 of 1000 are left");
}

#[test]
fn wrong_usage_and_refusals_of_ig_are_told_apart() {
    let (sim, dir) = (sim(1_000), tempfile::tempdir().unwrap());
    for (rest, part) in [
        (&["--interval", "6h", "--last", "5"][..], "IG has no bars of 6h: want one of 1s, 1m"),
        (&["--interval", "1m", "--last", "0"], "--last 0 asks for nothing"),
        (&["--interval", "1m", "--from", "2099-01-01"], "lies in the future"),
        (&["--interval", "1m", "--from", "2020-01-02", "--to", "2020-01-01"], "is not before --to"),
    ] {
        fetch(&sim, dir.path(), rest).fails(2, part);
    }
    for rest in [&["--interval", "1m"][..], &["--interval", "1m", "--last", "5", "--from", "2020-01-01"]] {
        assert!(fetch(&sim, dir.path(), rest).is(2).err.starts_with("error: "));
    }
    assert_eq!(asked(&sim, "/"), 0, "nobody was asked");
    let url = sim.rest_url();
    let head = ["fetch", "ig", "--interval", "1h", "--last", "5", "--epic"];
    let none = arena_with(dir.path(), &[("IG_API_KEY", ""), ("IG_IDENTIFIER", "u")], &[&head[..], &[FTSE]].concat());
    none.fails(2, "IG_API_KEY, IG_PASSWORD are not set");
    let other =
        arena_with(dir.path(), &LOGIN, &[&head[..], &[FTSE, "--rest-url", "http://ig.example/gateway"]].concat());
    other.fails(2, "is not on this machine");
    let unknown = [&head[..], &["IX.D.NOBODY.DAILY.IP", "--rest-url", &url]].concat();
    arena_with(dir.path(), &LOGIN, &unknown).fails(1, "it knows no such epic");
    let wrong = [LOGIN[0], LOGIN[1], ("IG_PASSWORD", "secret-slip")];
    let ran = arena_with(dir.path(), &wrong, &[&head[..], &[FTSE, "--rest-url", &url]].concat());
    let ran = ran.fails(1, "error.security.invalid-details (HTTP 401); look at IG_API_KEY");
    assert!(!ran.err.contains("secret-slip"), "{ran:?}");
    let away = [&head[..], &[FTSE, "--rest-url", "http://127.0.0.1:9/gateway/deal"]].concat();
    arena_with(dir.path(), &LOGIN, &away).fails(1, "IG gives no prices of IX.D.FTSE.DAILY.IP: not sent");
    assert!(arena::history::list(&dir.path().join("data")).unwrap().is_empty());
}
