//! Trained versions and strategies as candidates in a running arena: one journal however it runs, windows that begin with
//! the past, faults that stay with whom they are of, and a way back from every deal to its data.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends where something unexpected happens")]

#[path = "support/runs.rs"]
mod runs;

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arena::app::{Ending, Plan};
use arena::config::{self, Config, Resolver};
use arena::control::Control;
use arena::deploy::{self, Shelf};
use arena::domain::{Micros, ModelSpec, PastBar, PriceDelta, Tick, UtcMicros};
use arena::feed::session::Session;
use arena::flow::{State, Warmup};
use arena::history::{self, DataSet, Folder, Format, HistoryBar, Manifest, Rows};
use arena::ledger::{SeatRecord, read_seat, read_trades};
use arena::models::ModelFactory;
use arena::pipeline;
use arena::registry::Registry;
use arena::store::entry::{Fault, SeatEntry, SessionEntry, decode, read_lane};
use arena::store::views::AtRest;
use arena::store::{Lane, Store};
use arena::training::plan::Request;
use arena::training::train::{Maker, train};
use futures_util::FutureExt;
use runs::{Kept, Quotes, lane_of};
use tempfile::TempDir;

const EPIC: &str = "CS.D.GBPUSD.TODAY.IP";

/// Answers by the last digit of the bid's close, so that it trades often and needs no memory.
const BY_DIGIT: &str = r#"while read l; do case "$l" in *[02468]'"},"offer"'*) echo '{"signal":"long","y_pred":1.0001}';; *) echo '{"signal":"short"}';; esac; done"#;

/// Two versions with swept thresholds, and a strategy.
const DEPLOYED: &str = r#"
[[models]]
name = "linear"
model = "linear@latest"
bar = "30s"
hold = "2m"
stop = 3
limit = 3
[models.sweep]
threshold = [0.99999, 1.0, 1.00001]

[[models]]
name = "linear-2"
model = "linear@1"
bar = "30s"
stop = 4
limit = 4
predict_every = 2

[[models]]
name = "mine"
kind = "process"
bar = "30s"
params = { command = ["sh", "mine.sh"], lookback = 6 }
hold = "90s"
stop = 3
limit = 3

[[models]]
name = "mine-slow"
kind = "process"
bar = "30s"
predict_every = 3
params = { command = ["sh", "mine.sh"] }
hold = "90s"
stop = 3
limit = 3
"#;

/// A registry, a strategy, a past and a present.
struct World {
    dir: TempDir,
    config: Config,
    shelf: Arc<Shelf>,
    present: Quotes,
    warmups: Vec<Warmup>,
}

/// The bars that these quotes make in an arena.
fn bars_of(config: &Config, quotes: &Quotes) -> Vec<HistoryBar> {
    let outcome = runs::reference(config, quotes, 1_024);
    let bars: Vec<PastBar> = read_lane(&outcome.store, Lane::Bars(0)).unwrap();
    let past = |bar: PastBar| HistoryBar { start: bar.start, bid: bar.bid, offer: bar.offer, quotes: bar.ticks };
    bars.into_iter().map(past).collect()
}

/// Puts the bars where an arena finds them.
fn store_history(data: &Path, bars: Vec<HistoryBar>) -> DataSet {
    let mut manifest = Manifest::made("csv", EPIC, "30s".parse().unwrap(), UtcMicros(0));
    let folder = Folder::open(data, "csv", EPIC, manifest.interval).unwrap();
    folder.store(&mut manifest, &Rows::Two(bars), Format::Csv).unwrap();
    history::load(folder.path()).unwrap()
}

fn train_version(registry: &Registry, data: &DataSet, name: &str, kind: &str) {
    let values = [("name", name), ("kind", kind), ("data", "csv/CS.D.GBPUSD.TODAY.IP/30s"), ("horizon", "4")];
    let request = Request {
        values: values.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        ..Request::default()
    };
    let plan = arena::training::plan::Plan::of(&request).unwrap();
    let maker = Maker { at: UtcMicros(0), version: "test", commit: None };
    let sweep = train(data, &plan, &maker, NonZeroUsize::MIN, &|| ()).unwrap();
    let best = sweep.best.first().unwrap_or_else(|| panic!("{:?}", sweep.lines));
    registry.register(&best.card, &best.artefact).unwrap();
}

fn text(models: &str) -> String {
    format!("{}\n{models}", runs::ONE)
}

fn parse(dir: &Path, shelf: &Shelf, models: &str) -> Config {
    config::parse_with(&text(models), "proof.toml", dir, shelf)
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>()))
}

/// The first two fifths of the quotes are the past that versions are trained on and windows begin with.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let rules = runs::config(runs::ONE);
        let all = runs::synthetic(&rules, 17, 40_000).remove(0);
        // At the edge of a bar, so that the past ends right before the present.
        let edge = all[16_000].time.0 / 30_000_000 * 30_000_000;
        let (past, present): (Vec<Tick>, Vec<Tick>) = all.iter().partition(|tick| tick.time.0 < edge);
        // A bar closes when a later quote comes.
        let closing = [past.clone(), present[..1].to_vec()].concat();
        let data = store_history(&dir.path().join("data"), bars_of(&rules, &vec![closing]));
        train_version(&Registry::open(dir.path().join("models")), &data, "linear", "ols");
        std::fs::write(dir.path().join("mine.sh"), BY_DIGIT).unwrap();
        let shelf = Shelf::new();
        let config = parse(dir.path(), &shelf, DEPLOYED);
        let warmups = deploy::warmups(&config).unwrap();
        World { dir, config, shelf, present: vec![present], warmups }
    })
}

impl World {
    fn models(&self) -> Arc<ModelFactory> {
        self.shelf.factory(self.dir.path(), vec![EPIC.to_owned()], false)
    }

    fn reference(&self, config: &Config, quotes: &Quotes, rounds: usize) -> pipeline::Outcome {
        let (config, mut feed) = (Arc::new(config.clone()), runs::replay(quotes));
        pipeline::run_after(&config, &mut feed, &*self.models(), rounds, self.warmups.clone()).unwrap()
    }

    fn plan(&self, config: &Config, store: &Kept) -> Plan {
        let mut plan = runs::plan(config.clone(), Box::new(runs::replay(&self.present)), Box::new(store.clone()));
        (plan.models, plan.warmups) = (self.models(), self.warmups.clone());
        plan
    }
}

fn whole() -> &'static pipeline::Outcome {
    static WHOLE: OnceLock<pipeline::Outcome> = OnceLock::new();
    WHOLE.get_or_init(|| world().reference(&world().config, &world().present, 1_024))
}

#[test]
fn versions_and_strategies_trade_from_the_first_bar_on() {
    let (world, outcome) = (world(), whole());
    assert_eq!(world.config.candidates.len(), 5 + 6);
    assert_eq!(world.config.pins, [("linear@latest".to_owned(), "linear@1".to_owned())]);
    let first = world.present[0][0].time;
    for (seat, candidate) in world.config.candidates.iter().enumerate().skip(5) {
        let seat = u32::try_from(seat).unwrap();
        let (mut at, mut n) = (None, 0);
        read_seat(&outcome.store, seat, |record| {
            if let SeatRecord::Predicted { time, .. } = record {
                (at, n) = (at.or(Some(time)), n + 1);
            }
            Ok::<(), arena::store::StoreError>(())
        })
        .unwrap();
        let trades = read_trades(&outcome.store, seat).unwrap().len();
        println!("{}: {n} predictions from {at:?}, {trades} trades", candidate.id);
        let within = Micros(30_000_000 * i64::from(candidate.predict_every));
        assert!(at.unwrap() - first <= within, "{} predicted first at {at:?}, quotes begin at {first}", candidate.id);
        assert!(trades >= 20, "{}: {trades} trades", candidate.id);
    }
    // The past is told, and is no evidence: nobody predicted in it.
    let session: Vec<SessionEntry> = read_lane(&outcome.store, Lane::Session).unwrap();
    let warmed: Vec<_> = session.iter().filter(|entry| matches!(entry, SessionEntry::WarmedUp { .. })).collect();
    let SessionEntry::WarmedUp { source, bars, .. } = warmed[0] else { panic!() };
    assert_eq!(
        (warmed.len(), source.as_str(), bars.len()),
        (1, "csv/CS.D.GBPUSD.TODAY.IP/30s", world.config.lookback_max())
    );
    assert!(bars.last().unwrap().start + Micros(30_000_000) <= first);
    let early = outcome.board.lifecycle.iter().filter(|change| change.time < first).count();
    assert_eq!(early, 0, "{:?}", outcome.board.lifecycle);
}

#[test]
fn no_slices_hosts_or_threads_show() {
    let (world, reference) = (world(), whole());
    for rounds in [1, 7] {
        let outcome = world.reference(&world.config, &world.present, rounds);
        assert_eq!(runs::difference(&reference.store, &outcome.store), None, "{rounds} rounds a slice");
    }
    for (models_per_host, arbiters) in [(1, 1), (7, 1), (64, 1), (1, 2), (3, 2)] {
        let mut config = world.config.clone();
        (config.arena.models_per_host, config.arena.arbiters) = (models_per_host, arbiters);
        let store = Kept::default();
        let outcome = runs::run(world.plan(&config, &store));
        let what = format!("{models_per_host} models a host, {arbiters} arbiters");
        assert_eq!(runs::difference(&reference.store, &store), None, "{what}");
        assert_eq!(runs::hash(&outcome), reference.journal_hash, "{what}");
    }
}

#[test]
fn a_run_stopped_at_any_moment_goes_on_as_if_it_had_not_been() {
    let world = world();
    let (mut stops, mut draws) = (0, runs::Draws(5));
    while stops < 6 {
        let store = Kept::default();
        loop {
            let mut plan = world.plan(&world.config, &store);
            plan.slice_rounds = 8;
            plan.ends_at = runs::ends_in(draws.below(40 + 60 * stops));
            if runs::run(plan).ending == Ending::Done {
                break;
            }
            stops += 1;
        }
        assert_eq!(runs::difference(&whole().store, &store), None, "after {stops} stops");
    }
}

#[test]
fn a_session_replays_with_the_past_that_it_began_with() {
    let world = world();
    let recorded = Kept::default();
    runs::run(world.plan(&world.config, &recorded));
    let session = Session::open(Box::new(recorded.clone())).unwrap();
    let replayed = Kept::default();
    // What lies in the data folder by then does not matter.
    let warmups = session.warmups().to_vec();
    let mut plan = runs::plan(world.config.clone(), Box::new(session), Box::new(replayed.clone()));
    (plan.models, plan.warmups) = (world.models(), warmups);
    runs::run(plan);
    assert_eq!(runs::difference(&recorded, &replayed), None);
}

#[test]
fn a_silence_before_the_first_quote_clears_what_was_before() {
    let world = world();
    // Two hours later than the past ended.
    let later = |tick: &Tick| Tick { time: tick.time + Micros(7_200_000_000), ..*tick };
    let quotes = vec![world.present[0].iter().map(later).collect::<Vec<_>>()];
    let outcome = world.reference(&world.config, &quotes, 1_024);
    let session: Vec<SessionEntry> = read_lane(&outcome.store, Lane::Session).unwrap();
    assert!(!session.iter().any(|entry| matches!(entry, SessionEntry::WarmedUp { .. })));
    let entries: Vec<SeatEntry> = decode(Lane::Seat(0), &lane_of(&world.config, &outcome.store, "linear-2")).unwrap();
    let first = entries.iter().find_map(|entry| match entry {
        SeatEntry::Predicted { time, .. } | SeatEntry::Estimated { time, .. } => Some(*time),
        _ => None,
    });
    assert!(first.unwrap() - quotes[0][0].time > Micros(8 * 30_000_000), "eight lags need nine bars");
}

#[test]
fn later_quotes_change_nothing_before_them() {
    let world = world();
    let at = world.present[0][world.present[0].len() * 2 / 3].time;
    let mut changed = world.present.clone();
    for (n, tick) in changed[0].iter_mut().filter(|tick| tick.time >= at).enumerate() {
        let shift = PriceDelta::from_micros(if n % 5 < 2 { 120 } else { -90 });
        (tick.bid, tick.offer) = (tick.bid + shift, tick.offer + shift);
    }
    let other = world.reference(&world.config, &changed, 1_024);
    let sure = UtcMicros(at.0 / 30_000_000 * 30_000_000 - 1);
    let decided = |store: &dyn Store, seat: u32| -> Vec<SeatEntry> {
        let entries: Vec<SeatEntry> = read_lane(store, Lane::Seat(seat)).unwrap();
        let is_before = |entry: &SeatEntry| match entry {
            SeatEntry::Predicted { time, .. } | SeatEntry::Estimated { time, .. } | SeatEntry::Ordered { time, .. } => {
                *time <= sure
            }
            _ => false,
        };
        entries.into_iter().filter(is_before).collect()
    };
    for seat in 5..11 {
        let before = decided(&whole().store, seat);
        assert!(before.len() > 50, "{} decisions", before.len());
        assert_eq!(before, decided(&other.store, seat), "seat {seat}");
    }
    assert_ne!(whole().journal_hash, other.journal_hash, "the change shows nowhere: it proves nothing");
}

/// A strategy that answers `n` bars, then does `then`.
fn failing(n: u32, then: &str) -> String {
    format!(
        "n=0; while read l; do n=$((n+1)); if [ $n -gt {n} ]; then {then}; fi; echo '{{\"signal\":\"long\"}}'; done"
    )
}

#[test]
fn a_strategy_that_fails_is_suspended_and_no_other_ledger_changes_by_a_byte() {
    let world = world();
    let entry = |name: &str, script: &str| {
        std::fs::write(world.dir.path().join(format!("{name}.sh")), script).unwrap();
        format!(
            "[[models]]\nname = \"{name}\"\nkind = \"process\"\nbar = \"30s\"\n\
             params = {{ command = [\"sh\", \"{name}.sh\"] }}\nhold = \"90s\"\nstop = 3\nlimit = 3\n"
        )
    };
    let cases = [
        ("dead", failing(40, "exit 3"), Fault::Dead),
        ("babbling", failing(60, "echo nonsense"), Fault::Nonsense),
        ("twice", failing(80, "echo '{\"signal\":\"long\"}'"), Fault::Nonsense),
    ];
    let more: String = cases.iter().map(|(name, script, _)| entry(name, script)).collect();
    let config = parse(world.dir.path(), &world.shelf, &format!("{more}{DEPLOYED}"));
    let store = Kept::default();
    let outcome = runs::run(world.plan(&config, &store));
    for candidate in &world.config.candidates {
        let (name, want) = (candidate.id.as_str(), lane_of(&world.config, &whole().store, candidate.id.as_str()));
        assert!(want.len() > 1_000, "{name} did little: {} bytes", want.len());
        assert!(lane_of(&config, &store, name) == want, "{name} is another");
    }
    for (name, _, fault) in &cases {
        let entries: Vec<SeatEntry> = decode(Lane::Seat(0), &lane_of(&config, &store, name)).unwrap();
        let Some(SeatEntry::Suspended { reason, .. }) = entries.last() else { panic!("{name}: {:?}", entries.last()) };
        assert_eq!(reason, fault, "{name}");
        let told =
            outcome.lifecycle.iter().find(|change| change.model.as_str() == *name && change.to == State::Suspended);
        assert_eq!(told.unwrap().reason, fault.sentence());
    }
    // In a replay they would behave, and are suspended where they were all the same.
    for (name, ..) in &cases {
        std::fs::write(world.dir.path().join(format!("{name}.sh")), failing(1_000_000, ":")).unwrap();
    }
    let session = Session::open(Box::new(store.clone())).unwrap();
    let (replayed, warmups) = (Kept::default(), session.warmups().to_vec());
    let mut plan = runs::plan(config.clone(), Box::new(session), Box::new(replayed.clone()));
    (plan.models, plan.warmups) = (world.models(), warmups);
    runs::run(plan);
    assert_eq!(runs::difference(&store, &replayed), None);
}

#[test]
fn predictions_are_listed_with_what_became_of_them_and_deals_lead_back_to_their_data() {
    let world = world();
    let store = Kept::default();
    runs::run(world.plan(&world.config, &store));
    let arena = AtRest::new(Box::new(store.clone())).unwrap();
    let name = "linear:threshold=1.0";
    let rows = arena.predictions(name.to_owned(), 5_000).now_or_never().unwrap().unwrap();
    let trades = arena.trades(name.to_owned()).now_or_never().unwrap().unwrap();
    let last = arena.predictions(name.to_owned(), 40).now_or_never().unwrap().unwrap();
    assert_eq!(rows[rows.len() - 40..], last[..]);
    assert!(rows.windows(2).all(|pair| pair[0].time < pair[1].time));
    assert!(rows.iter().all(|row| row.y_pred.is_some() && row.ticket.starts_with("linear:threshold=1.0@1#")));
    // Of a traded one the trade's own, which is one of the acted upon.
    let acted: Vec<_> = rows.iter().filter(|row| row.acted).collect();
    for trade in &trades {
        let made = acted.iter().rfind(|row| row.time < trade.opened).unwrap();
        assert_eq!((made.y_pred, made.y_true, made.signal), (trade.y_pred, trade.y_true, Some(trade.direction)));
    }
    // Of an untraded one over its horizon: by hand for one in the middle.
    let row = &rows[rows.len() / 2..].iter().find(|row| !row.acted).unwrap();
    let quotes = &world.present[0];
    let entry = quotes[..quotes.partition_point(|tick| tick.time < row.time)].last().unwrap();
    let exit = &quotes[quotes.partition_point(|tick| tick.time < row.time + Micros(120_000_000))];
    let want = match row.signal {
        Some(arena::domain::Direction::Short) => entry.bid.as_f64() / exit.offer.as_f64(),
        _ => exit.bid.as_f64() / entry.offer.as_f64(),
    };
    assert!((row.y_true.unwrap() - want).abs() < 1e-12, "{row:?}, want {want}");
    assert_eq!(rows.last().unwrap().y_true, None, "its horizon is not over");
    // From a deal to the data, in one step.
    let view = arena.model(trades[3].deal_id.clone()).now_or_never().unwrap().unwrap();
    assert_eq!(view.row.model.as_str(), name);
    let lineage = view.lineage.unwrap();
    let card = std::fs::read_to_string(&lineage.card).unwrap();
    assert!(card.contains(&lineage.artefact) && card.contains(&lineage.data[0].sha256), "{lineage:?}");
    assert_eq!(lineage.data[0].name, "csv/CS.D.GBPUSD.TODAY.IP/30s");
    let ModelSpec::Trained { artefact, .. } = &world.config.candidates[5].spec else { panic!() };
    assert_eq!(lineage.artefact, artefact.hex());
    assert!(arena.model("00000000-3".to_owned()).now_or_never().unwrap().is_err());
}

#[test]
fn what_is_far_from_the_past_is_abstained_from_and_counted() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let data = history::load(&history::find(&world.dir.path().join("data"), "csv/CS.D.GBPUSD.TODAY.IP/30s").unwrap());
    train_version(&Registry::open(dir.path().join("models")), &data.unwrap(), "near", "knn");
    let shelf = Shelf::new();
    let entry = "[[models]]\nname = \"near\"\nmodel = \"near\"\nbar = \"30s\"\nthreshold = 1.00001\nstop = 3\n\
                 limit = 3\n[models.sweep]\nmax_distance = [0.5, 0.9, 1.0]\n";
    let config = Arc::new(parse(dir.path(), &shelf, entry));
    let models = shelf.factory(dir.path(), vec![EPIC.to_owned()], false);
    let outcome =
        pipeline::run_after(&config, &mut runs::replay(&world.present), &*models, 512, world.warmups.clone()).unwrap();
    for (name, expected) in
        [("near:max_distance=0.5", 0.5), ("near:max_distance=0.9", 0.1), ("near:max_distance=1.0", 0.0)]
    {
        let at = outcome.board.rows.iter().position(|row| row.model.as_str() == name).unwrap();
        let near = outcome.board.nearness[at].as_ref().unwrap();
        let training = near.training_share.unwrap();
        assert!((training - expected).abs() < 1e-9, "{name}: {near:?}");
        let seat = config.candidates.iter().position(|candidate| candidate.id.as_str() == name).unwrap();
        let entries: Vec<SeatEntry> = read_lane(&outcome.store, Lane::Seat(u32::try_from(seat).unwrap())).unwrap();
        let mut counted = (0, 0);
        for entry in &entries {
            if let SeatEntry::Estimated { prediction, is_acted, .. } = entry {
                counted = (counted.0 + 1, counted.1 + u64::from(prediction.is_abstained));
                let is_far = prediction.distance.unwrap() > near.max_distance;
                assert_eq!(prediction.is_abstained, is_far);
                assert!(!is_far || (prediction.signal.is_none() && !is_acted));
            }
        }
        assert_eq!((near.predictions, near.abstentions), counted, "{name}");
        println!("{name}: {:?} of its predictions, {training} of its training rows", near.share);
        assert!((near.share.unwrap() - training).abs() < 0.25, "the same market: {near:?}");
    }
    // Without a gate there is nothing to count.
    let rules = outcome.board.rows.iter().position(|row| row.model.as_str() == "momentum:lookback=2").unwrap();
    assert_eq!(outcome.board.nearness[rules], None);
}

/// Runs the built binary in `dir` for a while, then tells it to stop; what it wrote to standard error.
fn run_for(dir: &Path, milliseconds: u64) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    command.arg("run").current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < until {
        assert!(child.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    told
}

#[test]
fn a_restart_keeps_to_what_an_alias_led_to() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let copy = |version: &str| {
        let to = dir.path().join("models/linear").join(version);
        std::fs::create_dir_all(&to).unwrap();
        for file in ["card.toml", "model.safetensors"] {
            std::fs::copy(world.dir.path().join("models/linear/1").join(file), to.join(file)).unwrap();
        }
    };
    copy("1");
    let from = runs::ONE.find("[[models]]").unwrap();
    let text = runs::ONE[..from].replace("source = \"sim\"", "source = \"sim\"\nspeed = 60.0")
        + "[server]\nlisten = \"127.0.0.1:0\"\n[[models]]\nname = \"linear\"\nmodel = \"linear@latest\"\nbar = \"30s\"\n\
           stop = 3\nlimit = 3\n";
    std::fs::write(dir.path().join("arena.toml"), &text).unwrap();
    let tickets = || -> Vec<String> {
        let arena = AtRest::open(&dir.path().join("data")).unwrap();
        arena.roster().iter().map(|entry| entry.ticket.clone()).collect()
    };
    run_for(dir.path(), 4_000);
    let before = tickets();
    assert!(before.len() == 1 && before[0].starts_with("linear@1#"), "{before:?}");
    copy("2");
    let told = run_for(dir.path(), 3_000);
    assert!(told.contains("linear@latest stays with linear@1"), "{told}");
    assert_eq!(tickets(), before);
    // Whoever wants the newer one names it: another candidate, without evidence.
    std::fs::write(dir.path().join("arena.toml"), text.replace("linear@latest", "linear@2")).unwrap();
    run_for(dir.path(), 3_000);
    let after = tickets();
    assert!(after.len() == 2 && after[0] == before[0] && after[1].starts_with("linear@2#"), "{after:?}");
}

#[test]
fn a_version_that_was_altered_is_refused_with_both_hashes() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let from = world.dir.path().join("models/linear/1");
    let to = dir.path().join("models/linear/1");
    std::fs::create_dir_all(&to).unwrap();
    for file in ["card.toml", "model.safetensors"] {
        std::fs::write(to.join(file), std::fs::read(from.join(file)).unwrap()).unwrap();
    }
    let entry = "[[models]]\nmodel = \"linear@1\"\nbar = \"30s\"\nstop = 3\nlimit = 3\n";
    parse(dir.path(), &Shelf::new(), entry);
    let mut bytes = std::fs::read(to.join("model.safetensors")).unwrap();
    let was = arena::registry::hash_of(&bytes).hex();
    *bytes.last_mut().unwrap() ^= 1;
    let is = arena::registry::hash_of(&bytes).hex();
    std::fs::write(to.join("model.safetensors"), bytes).unwrap();
    let problems = config::parse_with(&text(entry), "proof.toml", dir.path(), &*Shelf::new()).unwrap_err();
    let told = problems.iter().map(ToString::to_string).collect::<String>();
    assert!(problems.len() == 1 && told.contains(&was) && told.contains(&is), "{told}");
    assert!(told.contains("models[2].model is \"linear@1\""), "{told}");
    // One that is not there says what is.
    let missing = entry.replace("linear@1", "linear@7");
    let problems = config::parse_with(&text(&missing), "proof.toml", dir.path(), &*Shelf::new()).unwrap_err();
    assert!(problems[0].want.contains("which holds linear@1"), "{}", problems[0]);
    let places = config::Places { registry: dir.path().join("nowhere"), ..config::Places::default() };
    assert!(Shelf::new().version(&places, "linear@1").unwrap_err().contains("which holds none yet"));
}
