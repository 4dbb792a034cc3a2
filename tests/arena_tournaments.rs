//! Tournaments through the whole arena: synthetic quotes, bars, model actors, paper ledgers, promoter, store in memory.
//!
//! Nobody has an edge: who is promoted is promoted falsely. One has an edge among controls that have none: it has to be
//! the one. A champion loses its edge: it has to be taken back as soon as the published figures say.
//!
//! `ARENA_TOURNAMENTS` says how many seeds of each (`scripts/test`: 40); without it there are one or two.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test ends where something unexpected happens, and says what it found"
)]

#[path = "support/runs.rs"]
mod runs;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arena::app::{Durability, Outcome};
use arena::calibrate::summary::Share;
use arena::config::Config;
use arena::domain::{Micros, PriceDelta, UtcMicros};
use arena::feed::{BadCounts, Feed, FeedError, FeedEvent, QuoteBlock};
use arena::flow::{Change, State};
use arena::promoter::verify;
use arena::sim::demo::START;
use arena::sim::market::{MarketSpec, Synthetic};
use arena::store::Lane;
use arena::store::entry::{DeskEntry, read_lane};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use runs::Kept;
use serde_json::Value;

/// How long a market runs: about 29,000 bars of a minute.
const WEEKS: i64 = 4;
/// Quotes in one block.
const BLOCK: usize = 2_048;

/// One synthetic market until a moment, or until it is told to stop; when told to turn, with another edge.
#[derive(Debug)]
struct Market {
    quotes: Synthetic,
    end: UtcMicros,
    told: Arc<Told>,
    turned: Option<MarketSpec>,
    /// The last quote that it gave.
    last: UtcMicros,
    bad: BadCounts,
}

/// What the run tells its market.
#[derive(Debug, Default)]
struct Told {
    stop: AtomicBool,
    turn: AtomicBool,
    /// The last quote before the turn.
    turned: AtomicI64,
}

impl Feed for Market {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        if self.told.turn.load(Ordering::SeqCst)
            && let Some(spec) = self.turned.take()
        {
            self.quotes = Synthetic::restore(spec, &self.quotes.checkpoint()).unwrap();
            self.told.turned.store(self.last.0, Ordering::SeqCst);
        }
        let ticks = self.quotes.next_block(BLOCK);
        self.last = ticks[BLOCK - 1].time;
        let is_over = self.told.stop.load(Ordering::SeqCst) || ticks[0].time >= self.end;
        let event = FeedEvent::Quotes(QuoteBlock { runs: vec![(arena::domain::EpicIdx(0), BLOCK as u32)], ticks });
        ready(Ok((!is_over).then_some(event))).boxed()
    }

    fn bad_quotes(&self) -> &BadCounts {
        &self.bad
    }

    fn progress(&self) -> Option<f64> {
        None
    }

    fn skip(&mut self, _: &[u64]) -> Result<(), FeedError> {
        Ok(())
    }
}

/// What one tournament came to.
struct Played {
    outcome: Outcome,
    store: Kept,
    /// The first that went live.
    promoted: Option<Change>,
    /// When the market turned, if it did.
    turned: UtcMicros,
}

/// Plays `config` over a market of this `spec`; ends with the first promotion, or, where the market is to turn then,
/// with the demotion that follows.
fn play(config: &Config, spec: MarketSpec, seed: u64, turned: Option<MarketSpec>) -> Played {
    let told = Arc::new(Told::default());
    let promoted: Arc<Mutex<Option<Change>>> = Arc::default();
    let does_turn = turned.is_some();
    let end = UtcMicros(START.0 + WEEKS * 7 * Micros::DAY.0);
    let quotes = Synthetic::new(spec, seed, START);
    let feed = Market { quotes, end, told: Arc::clone(&told), turned, last: START, bad: BadCounts::default() };
    let store = Kept::default();
    let mut plan = runs::plan(config.clone(), Box::new(feed), Box::new(store.clone()));
    plan.durability = Durability::Forgetful;
    plan.wants_result = false;
    // A market that is to turn with a promotion must not run far ahead of it.
    plan.slice_rounds = if does_turn { 1 } else { plan.slice_rounds };
    let heard = Arc::clone(&told);
    let first = Arc::clone(&promoted);
    plan.on_change = Box::new(move |change| match (change.from, change.to) {
        (_, State::Live) => {
            first.lock().unwrap().get_or_insert_with(|| change.clone());
            if does_turn { &told.turn } else { &told.stop }.store(true, Ordering::SeqCst);
        }
        (State::Live, _) => told.stop.store(true, Ordering::SeqCst),
        _ => {}
    });
    let outcome = runs::run(plan);
    let promoted = promoted.lock().unwrap().take();
    Played { outcome, store, promoted, turned: UtcMicros(heard.turned.load(Ordering::SeqCst)) }
}

/// How many seeds are played.
fn seeds(without: u64) -> u64 {
    std::env::var("ARENA_TOURNAMENTS").map_or(without, |text| text.parse().expect("ARENA_TOURNAMENTS is a number"))
}

/// Plays every seed, on all cores; in order of seed.
fn all<T: Send>(seeds: u64, play: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(1);
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed > seeds {
                return done;
            }
            done.push((seed, play(seed)));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut played: Vec<(u64, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    played.sort_by_key(|(seed, _)| *seed);
    played.into_iter().map(|(_, result)| result).collect()
}

/// The arena around the candidates: the evidence gate alone, so that no other gate hides what it lets through.
fn arena(seed: u64, slippage: &str, funding: &str, promotion: &str, models: &str) -> Config {
    runs::config(&format!(
        r#"
[arena]
name = "tournament"
data = "data"
seed = {seed}
models_per_host = 64
arbiters = 1
disk_floor_mb = 0
record_predictions = false

[feed]
source = "sim"

[[markets]]
epic = "CS.D.GBPUSD.TODAY.IP"
currency = "GBP"
point = 0.0001
value_per_point = 1.0
size_min = 0.5
stop_min_points = 2
gap_allowance_points = 8
funding_annual_rate = {funding}

[paper]
latency = "250ms"
slippage_points = {slippage}

[risk]
max_live_positions = 1
max_daily_loss = 1000000.0
max_live_size = 2.0
stale_quote = "30s"

[promotion]
mode = "auto"
slot_first_share = 1.0
min_days = 0
min_active_days = 0
min_dsr = 0
max_top_share = 1.0
detector_arl = 1000
min_useful_edge_r = -5
futility_e = 0
ramp = [1.0]
{promotion}
{models}"#
    ))
}

/// An entry of one market, swept by `sweep`.
fn entry(name: &str, kind: &str, params: &str, terms: &str, sweep: &str) -> String {
    format!(
        "\n[[models]]\nname = \"{name}\"\nepic = \"CS.D.GBPUSD.TODAY.IP\"\nbar = \"1m\"\nkind = \"{kind}\"\n\
         params = {params}\n{terms}\nsize = 2.0\n[models.sweep]\n{sweep}\n"
    )
}

/// A market without an edge and without a price for trading: the mid is a martingale, the spread a hundredth of a point.
/// Stops lose what the first quote beyond them says, and limits are too far to matter, so that whatever rule trades, its
/// mean is 0. That is the hardest case of those in which nobody has an edge: costs would only help.
fn fair(config: &Config) -> MarketSpec {
    let spec = MarketSpec::of(&config.markets[0], 0.0);
    MarketSpec { tick: PriceDelta::from_micros(1), spread_points: [0.0; 24], slippage_points: 0.0, ..spec }
}

#[test]
fn fifty_without_an_edge_promote_no_more_often_than_alpha() {
    let models = [
        ("random", "random", "{ rate = 0.2 }", "\"params.rate\" = [0.2, 0.4, 0.6, 0.8, 1.0]\nstop = [3, 4, 5, 6]"),
        (
            "momentum",
            "momentum",
            "{ lookback = 1, threshold = 0.00002 }",
            "\"params.lookback\" = [1, 2, 3, 5, 8]\nstop = [4, 6]",
        ),
        (
            "fade",
            "mean_reversion",
            "{ lookback = 1, threshold = 0.00002 }",
            "\"params.lookback\" = [1, 2, 3, 5, 8]\nstop = [4, 6]",
        ),
        ("breakout", "breakout", "{ lookback = 5 }", "\"params.lookback\" = [3, 5, 10, 20, 40]\nstop = [4, 6]"),
    ];
    let terms = "hold = \"15m\"\nstop = 4\nlimit = 80";
    let models: String =
        models.iter().map(|(name, kind, params, sweep)| entry(name, kind, params, terms, sweep)).collect();
    let promotion = "alpha = 0.05\nalpha_slots = 50\nmin_episodes = 30";
    let seeds = seeds(2);
    let played = all(seeds, |seed| {
        let config = arena(seed, "0.0", "0.0", promotion, &models);
        assert_eq!(config.candidates.len(), 50);
        let played = play(&config, fair(&config), seed, None);
        let rows = &played.outcome.board.rows;
        let episodes: u64 = rows.iter().map(|row| row.episodes).sum();
        let total: f64 = rows.iter().filter_map(|row| Some(row.mean_r? * row.episodes as f64)).sum();
        let best = rows.iter().filter_map(|row| row.progress).fold(f64::NEG_INFINITY, f64::max);
        (played.promoted.map(|change| change.model.to_string()), episodes, total, best)
    });
    let promoted: Vec<_> = played.iter().filter_map(|(promoted, ..)| promoted.as_ref()).collect();
    let episodes: u64 = played.iter().map(|(_, episodes, ..)| episodes).sum();
    let mean = played.iter().map(|(_, _, total, _)| total).sum::<f64>() / episodes as f64;
    let share = Share::of(promoted.len(), seeds as usize);
    let nearest = played.iter().map(|(.., best)| *best).fold(f64::NEG_INFINITY, f64::max);
    println!(
        "{} of {seeds} tournaments without an edge promoted somebody ({promoted:?}): {:.1} %, at most {:.1} % (95 %); {} \
         episodes with a mean of {mean:+.4} R; the nearest ended at {nearest:.2} of the gate",
        share.count,
        100.0 * share.share,
        100.0 * share.high,
        episodes
    );
    // It was a contest: everybody traded, nobody had anything to gain or to lose.
    assert!(episodes >= seeds * 50 * 1_000, "{episodes} episodes");
    assert!(mean.abs() < 0.02, "{mean}");
    assert!(promoted.len() as f64 <= 0.05 * seeds as f64, "{promoted:?}");
}

/// The rule that a market's edge is planted for.
fn planted(terms: &str) -> String {
    entry("planted", "momentum", "{ lookback = 1, threshold = 0.00039 }", terms, "stop = [4]")
}

#[test]
fn the_one_with_an_edge_of_a_fifth_is_the_one_that_is_promoted() {
    let terms = "hold = \"6m\"\nstop = 4\nlimit = 4";
    let sweep = "\"params.rate\" = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0]\nhold = [\"3m\", \"4m\", \"5m\", \"6m\", \"7m\", \"8m\", \"9m\"]";
    let models = planted(terms) + &entry("random", "random", "{ rate = 0.1 }", terms, sweep);
    let promotion = "alpha = 0.05\nalpha_slots = 50\nmin_episodes = 100";
    let seeds = seeds(1);
    let played = all(seeds, |seed| {
        let config = arena(seed, "0.05", "0.025", promotion, &models);
        assert_eq!(config.candidates.len(), 50);
        let played = play(&config, MarketSpec::of(&config.markets[0], 0.2), seed, None);
        let row = played.outcome.board.rows.iter().find(|row| row.model.as_str().starts_with("planted")).cloned();
        (played.promoted, row.unwrap())
    });
    let promoted: Vec<&Change> = played.iter().filter_map(|(promoted, _)| promoted.as_ref()).collect();
    let right = promoted.iter().filter(|change| change.model.as_str().starts_with("planted")).count();
    let mut took: Vec<u64> = played.iter().filter(|(p, _)| p.is_some()).map(|(_, row)| row.episodes).collect();
    took.sort_unstable();
    let mean = played.iter().filter_map(|(_, row)| row.mean_r).sum::<f64>() / seeds as f64;
    let share = Share::of(right, promoted.len());
    println!(
        "{} of {seeds} tournaments promoted, {right} of them the one with the edge: {:.1} %, at least {:.1} % (95 %); \
         median {:?} episodes, its mean then {mean:+.3} R",
        promoted.len(),
        100.0 * share.share,
        100.0 * share.low,
        took.get(took.len() / 2)
    );
    assert!(2 * promoted.len() as u64 > seeds, "only {} of {seeds} found it", promoted.len());
    assert!(right as f64 >= 0.95 * promoted.len() as f64, "{promoted:?}");
}

/// Mean episodes to an alarm of the detector of decay at -1/+1 by the mean in R: the published figures.
const DELAYS: [(f64, f64); 5] = [(-0.05, 552.0), (-0.1, 339.0), (-0.2, 162.0), (-0.4, 60.0), (-0.8, 20.0)];

/// The figure between two published ones, on a logarithmic scale.
fn delay(mean: f64) -> f64 {
    let pair = DELAYS.windows(2).find(|pair| mean >= pair[1].0).unwrap_or(&DELAYS[3..]);
    let ((high, slow), (low, quick)) = (pair[0], pair[1]);
    let part = ((mean - high) / (low - high)).clamp(0.0, 1.0);
    (slow.ln() + part * (quick / slow).ln()).exp()
}

#[test]
fn a_champion_whose_edge_turns_negative_is_demoted_within_the_published_delay() {
    let terms = "hold = \"6m\"\nstop = 4\nlimit = 4\ncap_r = 1.0";
    let promotion = "alpha = 0.45\nalpha_slots = 1\nmin_episodes = 20\ndd_limit_r = 100000.0\ncapital = 1000000000.0";
    let seeds = seeds(2).min(40);
    let played = all(seeds, |seed| {
        let config = arena(seed, "0.05", "0.025", promotion, &planted(terms));
        let spec = MarketSpec::of(&config.markets[0], 0.6);
        let mut turned = spec.clone();
        turned.plant.edge_r = -0.3;
        let played = play(&config, spec, seed, Some(turned));
        assert!(played.promoted.is_some(), "seed {seed}: nobody to demote");
        let records: Vec<String> = read_lane(&played.store, Lane::Audit).unwrap();
        let demotion = records.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
        let demotion = demotion.into_iter().find(|record| record["body"]["kind"] == "demote");
        let demotion = demotion.unwrap_or_else(|| panic!("seed {seed}: not demoted in {WEEKS} weeks"));
        let reason = demotion["body"]["reason"].as_str().unwrap().to_owned();
        assert!(reason.starts_with("its live edge has decayed"), "seed {seed}: {reason}");
        let lives = demotion["body"]["decision"]["reign"]["lives"].as_array().unwrap();
        let xs: Vec<f64> = lives.iter().map(|x| x.as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(verify(records.into_iter()).unwrap().demotions, 1, "the record bears it out");
        let desk: Vec<DeskEntry> = read_lane(&played.store, Lane::Desk).unwrap();
        let is_before = |entry: &&DeskEntry| matches!(entry, DeskEntry::Closed { time, .. } if *time <= played.turned);
        let before = desk.iter().filter(is_before).count();
        assert!(played.turned > START && before < xs.len(), "seed {seed}: {before} of {}", xs.len());
        xs[before..].to_vec()
    });
    let counts: Vec<f64> = played.iter().map(|xs| xs.len() as f64).collect();
    let n: f64 = counts.iter().sum();
    let mean_count = n / counts.len() as f64;
    // By Wald's identity all outcomes over all episodes are true to the mean, although each run ends on its bad luck.
    let mean = played.iter().flatten().sum::<f64>() / n;
    let spread =
        counts.iter().map(|count| (count - mean_count).powi(2)).sum::<f64>() / (counts.len() as f64 - 1.0).max(1.0);
    let error = (spread / counts.len() as f64).sqrt();
    let mut told = String::new();
    counts.iter().for_each(|count| write!(told, " {count}").unwrap());
    println!(
        "demoted after {mean_count:.0} (± {error:.0}) live episodes of a mean of {mean:+.3} R; published for that mean: {:.0}; \
         by seed:{told}",
        delay(mean)
    );
    assert!(mean < -0.1, "the edge turned: {mean}");
    assert!(mean_count <= delay(mean) * 1.1 + 4.0 * error, "{mean_count} against {}", delay(mean));
}
