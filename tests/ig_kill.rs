//! `arena run` killed at any moment of a live session at the simulator of IG, with trouble in its way, and started again.
//!
//! After every kill and at the end: no deal without stop and limit at the broker, no two requests for one intent, no
//! position that the journal does not know; and at the end the live ledger is the broker's transactions, to the penny.
//! `ARENA_KILLS` says how often the arena is killed; without it, six times.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
mod process;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arena::broker::ig::Rest;
use arena::broker::ig::rest::IgOptions;
use arena::broker::ig::session::LoginVersion;
use arena::broker::ig::throttle;
use arena::domain::{Decimal, Direction, Micros, Money, Price, Size, UtcMicros};
use arena::sim::ig::{Config, Fault, Handle, Limits, Listing, Prices, Quoted, Server};
use arena::store::entry::{DeskEntry, read_lane};
use arena::store::{Lane, Sled};
use process::{LOGIN, Live, begin};
use serde_json::{Value, json};

const EPICS: [&str; 2] = ["CS.D.GBPUSD.TODAY.IP", "CS.D.EURUSD.TODAY.IP"];

/// Arenas that are killed beside each other, each at a simulator of its own.
const SESSIONS: u64 = 3;

/// Splitmix64: enough to draw moments, and the same everywhere.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// A simulator by the wall clock, quick to quote, without nights, whose trouble follows from `seed`.
fn sim(seed: u64) -> Handle {
    let market = |epic: &str| {
        let listing = Listing { funding_annual_rate: Decimal(0), ..Listing::guess(epic) };
        Quoted { listing, prices: Prices::Made { edge_r: 0.0, silence_max: Some(Micros(100_000)) } }
    };
    let markets = EPICS.map(market).into();
    Server::start(Config { markets, seed, limits: Limits::lifted(), ..Config::default() }).unwrap()
}

/// What goes wrong all the time: requests, answers, confirms, lists, streams, and somebody else at the account.
fn trouble() -> Vec<Value> {
    let open = "POST /positions/otc";
    let close = "DELETE /positions/otc";
    vec![
        json!({"kind": "answer_after", "status": 500, "error": "system.error", "path": open, "chance": 0.04, "times": null}),
        json!({"kind": "answer_after", "status": 405, "path": open, "chance": 0.04, "times": null}),
        json!({"kind": "drop_after", "path": open, "chance": 0.04, "times": null}),
        json!({"kind": "drop", "path": open, "chance": 0.04, "times": null}),
        json!({"kind": "slow", "delay": "400ms", "path": open, "chance": 0.1, "times": null}),
        json!({"kind": "answer_after", "status": 500, "error": "system.error", "path": close, "chance": 0.05, "times": null}),
        json!({"kind": "answer", "status": 500, "error": "system.error", "path": close, "chance": 0.05, "times": null}),
        json!({"kind": "drop_after", "path": close, "chance": 0.05, "times": null}),
        json!({"kind": "answer", "status": 405, "path": "GET /confirms", "chance": 0.2, "times": null}),
        json!({"kind": "answer", "status": 500, "error": "system.error", "path": "GET /positions", "chance": 0.05, "times": null}),
        json!({"kind": "answer", "status": 500, "error": "system.error", "path": "GET /history", "chance": 0.05, "times": null}),
        json!({"kind": "confirm_lost", "chance": 0.05, "times": null}),
        json!({"kind": "confirm_delay", "delay": "700ms", "chance": 0.1, "times": null}),
        json!({"kind": "confirm_twice", "chance": 0.1, "times": null}),
        json!({"kind": "reject", "reason": "MARKET_OFFLINE", "chance": 0.03, "times": null}),
        json!({"kind": "listed_late", "delay": "2s", "chance": 0.1, "times": null}),
        json!({"kind": "empty_positions", "chance": 0.05, "times": null}),
        json!({"kind": "cut_sockets", "every": "7s", "times": null}),
        json!({"kind": "refuse_recovery", "chance": 0.3, "times": null}),
        json!({"kind": "position_closes", "every": "9s", "times": null}),
        json!({"kind": "position_closes", "size": 0.2, "every": "6s", "times": null}),
        json!({"kind": "slip", "points": 0.1}),
    ]
}

fn write_config(dir: &Path, sim: &Handle) {
    let mut text = format!(
        r#"
[arena]
name = "kill"
data = "data"
disk_floor_mb = 0

[feed]
source = "ig"

[ig]
rest_url = "{}"

[server]
listen = "127.0.0.1:0"

[paper]
latency = "50ms"

[risk]
max_live_positions = 2
max_daily_loss = 100000.0

[promotion]
mode = "off"
"#,
        sim.rest_url()
    );
    for (number, epic) in EPICS.iter().enumerate() {
        text += &format!(
            r#"
[[markets]]
epic = "{epic}"
currency = "GBP"
point = 0.0001
size_min = 0.5
stop_min_points = 1
gap_allowance_points = 8
funding_annual_rate = 0.0

[[models]]
name = "busy-{number}"
epic = "{epic}"
bar = "1s"
kind = "random"
params = {{ rate = 0.9 }}
hold = "1500ms"
stop = 2
limit = 2
size = 1
"#
        );
    }
    std::fs::write(dir.join("arena.toml"), text).unwrap();
}

fn start(dir: &Path) -> Live {
    Live::start_as(dir, &LOGIN, &["run"])
}

/// One arena that is killed again and again.
struct Session {
    dir: PathBuf,
    sim: Handle,
    draws: Draws,
    /// Requests looked at so far.
    seen: u64,
    openings: BTreeSet<String>,
    halts: BTreeMap<String, u32>,
}

impl Session {
    /// Everything that must hold at any moment, as far as the broker can tell.
    fn look(&mut self) {
        for position in self.sim.state()["positions"].as_array().unwrap() {
            assert!(position["stop"].is_string() && position["limit"].is_string(), "unprotected: {position}");
        }
        let log = self.sim.requests(self.seen);
        self.seen = log["next"].as_u64().unwrap();
        for request in log["requests"].as_array().unwrap() {
            if request["method"] != "POST" || request["path"] != "/positions/otc" {
                continue;
            }
            let body = &request["body"];
            assert!(body["stopDistance"].as_f64() > Some(0.0), "{request}");
            assert!(body["limitDistance"].as_f64() > Some(0.0), "{request}");
            let reference = body["dealReference"].as_str().unwrap().to_owned();
            assert!(self.openings.insert(reference), "sent twice: {request}");
        }
    }

    fn entries(&self) -> Vec<DeskEntry> {
        let store = Sled::open_existing(&self.dir.join("data/store")).unwrap();
        read_lane(&store, Lane::Desk).unwrap()
    }

    /// What must hold while the arena is dead: the journal knows whatever was sent, and so whatever is open.
    fn look_at_rest(&mut self) {
        self.look();
        let entries = if self.dir.join("data/store").exists() { self.entries() } else { Vec::new() };
        let intents: BTreeSet<String> = entries
            .iter()
            .filter_map(|entry| match entry {
                DeskEntry::OpenIntent { reference, .. } => Some(reference.to_string()),
                _ => None,
            })
            .collect();
        for reference in &self.openings {
            assert!(intents.contains(reference), "{reference} was sent and is not in the journal");
        }
        for position in self.sim.state()["positions"].as_array().unwrap() {
            let reference = position["reference"].as_str().unwrap();
            assert!(intents.contains(reference), "{reference} is open and not in the journal");
        }
    }

    /// Has both candidates live and dealing, as far as that can be had: halts are noted and taken back.
    fn see_to_it(&mut self, live: &Live) {
        let desk = live.json("/api/v1/desk");
        if desk["state"] == "halted" {
            let reason = desk["reason"].as_str().unwrap_or_default();
            let word = desk["halted_by"].as_str().map_or_else(|| reason.to_owned(), ToOwned::to_owned);
            *self.halts.entry(word).or_default() += 1;
            println!("halted: {reason}");
            // Refused while a position is in doubt: then the next time.
            live.arena(&["resume", "--reason", "the test goes on"]);
        }
        let board = live.json("/api/v1/leaderboard");
        for row in board["models"].as_array().into_iter().flatten() {
            if row["state"] == "shadow" {
                let name = row["model"].as_str().unwrap();
                live.arena(&["promote", name, "--override", "--reason", "a test"]);
            }
        }
    }

    /// Runs it for a while, and kills it.
    fn live_and_die(&mut self) {
        if self.draws.below(6) == 0 {
            let running = begin(&self.dir, &LOGIN, &["run"]);
            std::thread::sleep(Duration::from_millis(self.draws.below(1_500)));
            // Dropped is killed: nothing is drained.
            drop(running);
        } else {
            let live = start(&self.dir);
            let millis = if self.draws.below(8) == 0 { 12_000 } else { 800 + self.draws.below(4_000) };
            let until = Instant::now() + Duration::from_millis(millis);
            self.see_to_it(&live);
            while Instant::now() < until {
                self.look();
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(live);
        }
        self.look_at_rest();
    }

    /// Runs it without trouble until nothing is open and nothing in doubt.
    fn come_to_rest(&mut self) {
        self.sim.clear_faults();
        let live = start(&self.dir);
        live.arena(&["halt", "--reason", "the end"]).is(0);
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            self.look();
            let desk = live.json("/api/v1/desk");
            let is_over = |trade: &Value| trade["status"] == "closed" || trade["status"] == "rejected";
            let is_flat = self.sim.state()["positions"].as_array().unwrap().is_empty();
            if is_flat && desk["trades"].as_array().unwrap().iter().all(is_over) {
                break;
            }
            assert!(Instant::now() < until, "not at rest:\n{desk}\n{}\n{}", self.sim.state(), live.err());
            std::thread::sleep(Duration::from_millis(100));
        }
        live.signal("TERM");
        live.wait().is(0);
        self.look_at_rest();
    }
}

/// One closing, as both sides know it: levels of entry and exit, size with its sign, pennies.
type Leg = (Price, Price, i64, i64);

/// Half to even, as IG's pennies are.
fn pennies(money: Money) -> i64 {
    let (whole, rest) = (money.micros().div_euclid(10_000), money.micros().rem_euclid(10_000));
    whole + i64::from(rest > 5_000 || (rest == 5_000 && whole % 2 != 0))
}

/// The closings that our journal tells, in order of their figures.
fn ours(entries: &[DeskEntry]) -> Vec<Leg> {
    struct Held {
        direction: Direction,
        level: Price,
        left: i64,
        booked: Money,
    }
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    let mut legs = Vec::new();
    let sign = |held: &Held, size: i64| if held.direction == Direction::Long { size } else { -size };
    for entry in entries {
        match entry {
            DeskEntry::OpenIntent { reference, direction, size, .. } => {
                let (level, booked) = (Price::ZERO, Money::ZERO);
                let deal = Held { direction: *direction, level, left: size.micros(), booked };
                assert!(held.insert(reference.to_string(), deal).is_none(), "{reference} was intended twice");
            }
            DeskEntry::Opened { reference, level, .. } => held.get_mut(reference.as_str()).unwrap().level = *level,
            DeskEntry::Resized { reference, size, .. } => {
                held.get_mut(reference.as_str()).unwrap().left = size.micros()
            }
            DeskEntry::PartlyClosed { reference, size, level, profit, .. } => {
                let deal = held.get_mut(reference.as_str()).unwrap();
                (deal.left, deal.booked) = (deal.left - size.micros(), deal.booked + *profit);
                legs.push((deal.level, *level, sign(deal, size.micros()), pennies(*profit)));
            }
            DeskEntry::Closed { reference, level, profit, .. } => {
                let deal = &held[reference.as_str()];
                legs.push((deal.level, *level, sign(deal, deal.left), pennies(*profit - deal.booked)));
            }
            DeskEntry::WrittenOff { reference, reason, .. } => panic!("{reference} was written off: {reason}"),
            _ => {}
        }
    }
    legs.sort();
    legs
}

/// The closings that the broker's transactions tell, in order of their figures.
fn theirs(sim: &Handle) -> Vec<Leg> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rest = Rest::new(IgOptions {
        rest_url: sim.rest_url(),
        api_key: LOGIN[0].1.into(),
        identifier: LOGIN[1].1.to_owned(),
        password: LOGIN[2].1.into(),
        account: String::new(),
        login: LoginVersion::Two,
        encrypts_password: false,
        login_spacing_millis: 0,
        timeout_millis: 10_000,
        pause_millis: 100,
        limits: throttle::Limits::default(),
    })
    .unwrap();
    let from: UtcMicros = sim.now() - Micros(86_400_000_000);
    let all = runtime.block_on(async {
        rest.login().await.unwrap();
        rest.transactions(from, sim.now() + Micros(60_000_000)).await.unwrap()
    });
    let mut legs: Vec<Leg> = all
        .iter()
        .filter(|transaction| transaction.transaction_type == "DEAL")
        .map(|transaction| {
            let level = |text: &Option<String>| text.as_deref().unwrap().parse::<Price>().unwrap();
            let size: Size = transaction.size.as_deref().unwrap().parse().unwrap();
            let money: String = transaction.profit_and_loss.chars().filter(|c| !matches!(c, '£' | ',')).collect();
            let money: Money = money.parse().unwrap();
            assert_eq!(money.micros() % 10_000, 0, "{transaction:?}");
            let (open, close) = (level(&transaction.open_level), level(&transaction.close_level));
            (open, close, size.micros(), money.micros() / 10_000)
        })
        .collect();
    legs.sort();
    legs
}

fn session(seed: u64, kills: u64) {
    let dir = tempfile::tempdir().unwrap();
    let sim = sim(seed);
    write_config(dir.path(), &sim);
    let mut session = Session {
        dir: dir.path().to_owned(),
        sim,
        draws: Draws(seed),
        seen: 0,
        openings: BTreeSet::new(),
        halts: BTreeMap::new(),
    };
    // Live first, so that there is something to kill.
    let live = start(dir.path());
    let until = Instant::now() + Duration::from_secs(60);
    while session.openings.is_empty() {
        assert!(Instant::now() < until, "nothing was dealt:\n{}\n{}", live.json("/api/v1/desk"), live.err());
        session.see_to_it(&live);
        std::thread::sleep(Duration::from_millis(300));
        session.look();
    }
    drop(live);
    for fault in trouble() {
        session.sim.fault(Fault::parse(fault).unwrap());
    }
    for _ in 0..kills {
        session.live_and_die();
    }
    session.come_to_rest();
    let entries = session.entries();
    let (ours, theirs) = (ours(&entries), theirs(&session.sim));
    let only = |of: &[Leg], other: &[Leg]| {
        let (mut left, mut alone) = (other.to_vec(), of.to_vec());
        alone.retain(|leg| left.iter().position(|known| known == leg).map(|at| left.swap_remove(at)).is_none());
        alone
    };
    assert!(
        ours == theirs,
        "seed {seed}: our ledger and the broker's transactions differ\nours alone {:?}\ntheirs alone {:?}\n{entries:#?}",
        only(&ours, &theirs),
        only(&theirs, &ours)
    );
    let count = |wanted: fn(&DeskEntry) -> bool| entries.iter().filter(|entry| wanted(entry)).count();
    println!(
        "seed {seed}: {kills} kills, {} requests to open, {} opened, {} closings of {} pennies, {} parts, {} breaks \
         mended, halts {:?}",
        session.openings.len(),
        count(|entry| matches!(entry, DeskEntry::Opened { .. })),
        ours.len(),
        ours.iter().map(|leg| leg.3).sum::<i64>(),
        count(|entry| matches!(entry, DeskEntry::PartlyClosed { .. })),
        count(|entry| matches!(entry, DeskEntry::Broken { is_mended: true, .. })),
        session.halts
    );
    assert!(ours.len() as u64 >= kills / 3, "only {} closings", ours.len());
}

#[test]
fn a_killed_live_session_leaves_nothing_unprotected_doubled_abandoned_or_misbooked() {
    let kills: u64 = std::env::var("ARENA_KILLS").map_or(6, |n| n.parse().expect("ARENA_KILLS is a number"));
    let seed: u64 = std::env::var("ARENA_SEED").map_or(1, |n| n.parse().expect("ARENA_SEED is a number"));
    std::thread::scope(|scope| {
        for at in 0..SESSIONS {
            let of_this = kills / SESSIONS + u64::from(at < kills % SESSIONS);
            scope.spawn(move || session(seed + at, of_this));
        }
    });
}
