//! Metrics: recorded by small functions that any room may call, rendered for Prometheus at each scrape.
//!
//! The table of all of them is [`METRICS`]. What a board can tell is rendered from it; what must be counted as it
//! happens goes through the process-wide recorder that [`install`] puts in place.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use super::table::{Kind, METRICS, Metric, Source, find, reference};
use super::{board, ig};
use crate::flow::Board;
use crate::store::entry::DeskEntry;
use crate::store::free_disk_mb;

/// Buckets of every histogram, in seconds: from a round of a few models to one that is far too slow.
const SECONDS_BUCKETS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Bytes of a MB as `[arena] disk_floor_mb` counts them.
const MB: f64 = 1e6;

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Where the store of this process is, and how many MB its disk has to keep free.
static DISK: OnceLock<(PathBuf, u64)> = OnceLock::new();

/// Puts the process-wide recorder in place; later calls change nothing.
///
/// Returns whether recordings now arrive at ours (`false` where another recorder was there first).
pub fn install() -> bool {
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Prefix("arena_".to_owned()), &SECONDS_BUCKETS)
                .expect("the list of buckets is not empty")
                .build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            for metric in METRICS.iter().filter(|metric| metric.source == Source::Process) {
                describe(metric);
            }
            // Nobody could tell a first order of unknown outcome from one that was there before.
            for outcome in ["dealt", "rejected", "unknown"] {
                counter!("arena_desk_orders_total", "outcome" => outcome).absolute(0);
            }
            Some(handle)
        })
        .is_some()
}

fn describe(metric: &'static Metric) {
    match metric.kind {
        Kind::Counter => describe_counter!(metric.name, metric.help),
        Kind::Gauge => describe_gauge!(metric.name, metric.help),
        Kind::Histogram => describe_histogram!(metric.name, metric.help),
    }
    // A counter without labels is there from the start, so that a first increase is seen as one.
    if metric.labels.is_empty() {
        match metric.kind {
            Kind::Counter => counter!(metric.name).absolute(0),
            Kind::Gauge => gauge!(metric.name).set(0.0),
            Kind::Histogram => {}
        }
    }
}

/// Everything on `/metrics`: the board's metrics, then those of the process.
#[must_use]
pub fn render(board: &Board) -> String {
    let mut text = board::render(board);
    ig::tell_ages();
    tell_disk();
    if let Some(handle) = HANDLE.get().and_then(Option::as_ref) {
        text.push_str(&handle.render());
    }
    text
}

/// From here on each scrape tells what the disk of the store at `path` has left; a process has one store, and later calls
/// change nothing.
pub fn watch_disk(path: &Path, floor_mb: u64) {
    DISK.get_or_init(|| (path.to_owned(), floor_mb));
}

fn tell_disk() {
    let Some((path, floor_mb)) = DISK.get() else { return };
    gauge!("arena_store_disk_floor_bytes").set(*floor_mb as f64 * MB);
    if let Some(free_mb) = free_disk_mb(path) {
        gauge!("arena_store_disk_free_bytes").set(free_mb as f64 * MB);
    }
}

/// Folds what histograms have gathered into their buckets; to be called every few seconds, since between two scrapes
/// they would grow without bound.
pub fn upkeep() {
    if let Some(handle) = HANDLE.get().and_then(Option::as_ref) {
        handle.run_upkeep();
    }
}

/// A slice went through all hosts.
pub fn round_closed(took: Duration) {
    histogram!("arena_round_duration_seconds").record(took.as_secs_f64());
}

/// The store made so many entries durable.
pub fn store_flushed(entries: u64, took: Duration) {
    counter!("arena_store_entries_total").increment(entries);
    histogram!("arena_store_flush_seconds").record(took.as_secs_f64());
}

/// What the desk has journalled about live orders.
pub fn desk_recorded(entries: &[DeskEntry]) {
    for entry in entries {
        let outcome = match entry {
            DeskEntry::Opened { .. } => "dealt",
            DeskEntry::Rejected { .. } => "rejected",
            DeskEntry::Unknown { .. } => "unknown",
            DeskEntry::Broken { kind, is_mended, .. } => {
                let result = if *is_mended { "mended" } else { "halted" };
                counter!("arena_desk_breaks_total", "break" => kind.word(), "result" => result).increment(1);
                continue;
            }
            _ => continue,
        };
        counter!("arena_desk_orders_total", "outcome" => outcome).increment(1);
    }
}

/// How often the desk has compared its book with the broker's so far, and found it equal, and different.
pub fn books_compared(equal: u64, different: u64) {
    counter!("arena_desk_reconciliations_total", "result" => "equal").absolute(equal);
    counter!("arena_desk_reconciliations_total", "result" => "break").absolute(different);
}

/// So many aliases in MLflow were changed, and so many are still to be.
pub fn aliases_settled(done: u64, pending: usize) {
    counter!("arena_mlflow_alias_changes_total", "result" => "done").increment(done);
    gauge!("arena_mlflow_aliases_pending").set(pending as f64);
}

/// An alias in MLflow could not be changed.
pub fn aliases_failed() {
    counter!("arena_mlflow_alias_changes_total", "result" => "failed").increment(1);
}

/// A channel is open: what is counted of it begins at nothing, so that a first failure is seen as one.
pub fn notify_opened(channel: &'static str) {
    notify_up(channel, true);
    for result in ["delivered", "failed", "retried"] {
        counter!("arena_notify_messages_total", "channel" => channel, "result" => result).absolute(0);
    }
    notify_digested(channel, 0);
}

/// Whether the last message to a channel was delivered.
pub fn notify_up(channel: &'static str, is_up: bool) {
    gauge!("arena_notify_up", "channel" => channel).set(f64::from(u8::from(is_up)));
}

/// A message was delivered.
pub fn notify_sent(channel: &'static str) {
    notify_messages(channel, "delivered");
}

/// A message was given up.
pub fn notify_failed(channel: &'static str) {
    notify_messages(channel, "failed");
}

/// A message was not delivered and will be tried again.
pub fn notify_retried(channel: &'static str) {
    notify_messages(channel, "retried");
}

fn notify_messages(channel: &'static str, result: &'static str) {
    counter!("arena_notify_messages_total", "channel" => channel, "result" => result).increment(1);
}

/// So many events were told in one message.
pub fn notify_digested(channel: &'static str, events: u64) {
    counter!("arena_notify_digested_events_total", "channel" => channel).increment(events);
}

/// So many events wait to be told.
pub fn notify_queued(channel: &'static str, events: u64) {
    gauge!("arena_notify_waiting_events", "channel" => channel).set(events as f64);
}

/// Whether the database of `[mirror]` takes the records.
pub fn mirror_up(is_up: bool) {
    gauge!("arena_mirror_up").set(f64::from(u8::from(is_up)));
}

/// For how long the database of `[mirror]` has not held all that was recorded.
pub fn mirror_lag(lag: Duration) {
    gauge!("arena_mirror_lag_seconds").set(lag.as_secs_f64());
}

/// Rows were written to a table of the database of `[mirror]`.
pub fn mirror_wrote(table: &'static str, rows: u64) {
    counter!("arena_mirror_rows_total", "table" => table).increment(rows);
}

/// The database of `[mirror]` did not answer, or refused.
pub fn mirror_failed() {
    counter!("arena_mirror_errors_total").increment(1);
}

/// Retention deleted quotes or predictions before they were copied.
pub fn mirror_lost(entries: u64) {
    counter!("arena_mirror_lost_total").increment(entries);
}

/// The server answered; `route` is the pattern and never the path that was asked for.
pub(crate) fn request_answered(route: String, method: &'static str, code: u16) {
    counter!("arena_http_requests_total", "route" => route, "method" => method, "code" => code.to_string())
        .increment(1);
}

/// A command came without the right token.
pub(crate) fn request_unauthorized() {
    counter!("arena_http_unauthorized_total").increment(1);
}

/// The number of readers of the event stream changed.
pub(crate) fn event_clients(count: usize) {
    gauge!("arena_http_event_clients").set(count as f64);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::domain::{BreakKind, Money, Price, PriceDelta, SeatIdx, Shortfall, UtcMicros};
    use crate::flow::{Health, LastOutcome, Nearness, Outlook, Row, ShortfallRow, SlotCounts, State, Statistics};

    fn row(model: &str, state: State) -> Arc<Row> {
        Arc::new(Row {
            rank: 1,
            model: model.into(),
            ticket: format!("{model}@0#00000000"),
            epic: "CS.D.EURUSD.TODAY.IP".to_owned(),
            state,
            episodes: 7,
            wins: 4,
            net_profit: Money::from_micros(12_500_000),
            currency: "GBP".to_owned(),
            mean_r: Some(0.25),
            lcb95_r: Some(-0.5),
            log10_e: Some(0.1),
            progress: Some(0.05),
            max_drawdown_r: 1.5,
            profit_factor: Some(1.25),
            win_rate: Some(4.0 / 7.0),
            exposure: Some(0.5),
            open_position: None,
            flags: Vec::new(),
            statistics: Some(Statistics {
                dsr: Some(0.5),
                drawdown_pct: Some(2.5),
                decay: Some(50.0),
                decay_limit: 200.0,
                failing_gates: vec!["G1 evidence".to_owned(), "G2 episodes".to_owned()],
                ..Statistics::default()
            }),
        })
    }

    /// A short that was to fall by a hundredth and fell by two.
    fn outcome() -> LastOutcome {
        LastOutcome {
            y_pred: 0.99,
            open_level: Price::from_micros(200_000_000),
            close_level: Price::from_micros(196_000_000),
        }
    }

    fn near() -> Nearness {
        let (share, training_share) = (Some(0.25), Some(0.4));
        Nearness { max_distance: 0.002, predictions: 12, abstentions: 3, share, training_share }
    }

    fn board(rows: Vec<Arc<Row>>) -> Board {
        Board {
            arena: "test".to_owned(),
            time: Some(UtcMicros(1_500_000)),
            curves: rows.iter().map(|_| Arc::new(vec![0.5, 1.75])).collect(),
            nearness: rows.iter().map(|_| Some(Arc::new(near()))).collect(),
            outlooks: rows
                .iter()
                .map(|_| Outlook { ucb95_r: Some(0.75), expected_days_to_decision: Some(2.0), ..Outlook::default() })
                .map(Arc::new)
                .collect(),
            outcomes: rows.iter().map(|_| Some(outcome())).collect(),
            slots: SlotCounts { taken: 3, free: 120, spent: 5 },
            rows,
            health: Health {
                bad_quotes: vec![("crossed".to_owned(), 3)],
                bars: vec![("E".to_owned(), "1m".to_owned(), 9)],
                is_recording: true,
                ..Health::default()
            },
            ..Board::default()
        }
    }

    #[test]
    fn everything_in_the_table_is_rendered_and_nothing_else() {
        install();
        round_closed(Duration::from_millis(2));
        store_flushed(3, Duration::from_millis(1));
        let (time, reference) = (UtcMicros(0), "r".into());
        let (kind, seat, epic) = (BreakKind::WrongSize, None, "E".into());
        let (text, is_mended) = (String::new(), false);
        let broken = DeskEntry::Broken { time, kind, reference: "s".into(), seat, epic, text, is_mended };
        desk_recorded(&[DeskEntry::Unknown { time, reference }, broken]);
        books_compared(1, 0);
        request_answered("/".to_owned(), "GET", 200);
        aliases_settled(1, 0);
        notify_up("webhook", true);
        notify_sent("webhook");
        notify_digested("webhook", 3);
        notify_queued("webhook", 0);
        mirror_wrote("trades", 2);
        ig::request_done("positions", "ok", Duration::from_millis(80));
        ig::allowance("trading", 97, 98);
        ig::stream_is("ABC12", true);
        ig::stream_back(true);
        ig::account_money("ABC12", Some(1000.5), Some(900.0));
        ig::price_heard("CS.D.EURUSD.TODAY.IP");
        ig::gap(2);
        watch_disk(&std::env::temp_dir(), 500);
        let text = render(&with_shortfall(board(vec![row("a", State::Shadow)]), "a"));
        let described: BTreeSet<&str> =
            text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).filter_map(|l| l.split(' ').next()).collect();
        assert_eq!(described, METRICS.iter().map(|m| m.name).collect());
        for metric in METRICS {
            assert!(text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind.word())), "{}", metric.name);
            assert!(text.contains(&format!("# HELP {} ", metric.name)), "{}", metric.name);
        }
        for line in [
            "arena_store_disk_floor_bytes 500000000\n",
            "arena_ig_allowance_left{allowance=\"trading\"} 97\n",
            "arena_ig_stream_up{account=\"ABC12\"} 1\n",
            "arena_ig_account_balance{account=\"ABC12\"} 1000.5\n",
            "arena_ig_request_duration_seconds_count{endpoint=\"positions\",outcome=\"ok\"} 1\n",
            "arena_ig_price_age_seconds{epic=\"CS.D.EURUSD.TODAY.IP\"} ",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    fn with_shortfall(mut board: Board, model: &str) -> Board {
        board.desk.halted_by = Some(BreakKind::ClosedOutside);
        board.desk.shortfalls.push(ShortfallRow {
            seat: SeatIdx(0),
            model: model.into(),
            trades: 3,
            total: Shortfall { whole: Money::from_micros(-1_500_000), ..Shortfall::default() },
            delay_seconds: Some(0.5),
            paper_delay_seconds: Some(0.25),
            slippage: Some(0.000_02),
            paper_slippage: Some(PriceDelta::from_micros(10)),
        });
        board
    }

    #[test]
    fn a_break_and_what_live_made_less_are_told_by_name() {
        let text = board::render(&with_shortfall(board(vec![row("a", State::Live)]), "a"));
        for line in [
            "arena_desk_break{break=\"closed_outside\"} 1\n",
            "arena_desk_break{break=\"opened_outside\"} 0\n",
            "arena_desk_shortfall{model=\"a\",part=\"delay\",currency=\"GBP\"} 0\n",
            "arena_desk_shortfall_trades{model=\"a\"} 3\n",
            "arena_desk_entry_delay_seconds{model=\"a\",source=\"live\"} 0.5\n",
            "arena_desk_entry_delay_seconds{model=\"a\",source=\"paper\"} 0.25\n",
            "arena_desk_fill_slippage{model=\"a\",source=\"paper\"} 0.00001\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        let gone = board::render(&with_shortfall(board(vec![row("a", State::Retired)]), "a"));
        assert!(!gone.contains("arena_desk_shortfall{"), "{gone}");
    }

    #[test]
    fn a_retired_model_has_no_series_left() {
        let text = board::render(&board(vec![row("alive", State::Live), row("gone", State::Retired)]));
        assert!(text.contains("arena_model_mean_r{model=\"alive\"} 0.25\n"), "{text}");
        assert!(text.contains("arena_model_equity_r{model=\"alive\"} 1.75\n"), "{text}");
        assert!(text.contains("arena_model_net_profit{model=\"alive\",currency=\"GBP\"} 12.5\n"), "{text}");
        assert!(text.contains("arena_model_abstentions_total{model=\"alive\"} 3\n"), "{text}");
        assert!(text.contains("arena_model_training_abstention_ratio{model=\"alive\"} 0.4\n"), "{text}");
        for line in [
            "arena_model_predicted_ratio{model=\"alive\"} 0.99\n",
            "arena_model_actual_ratio{model=\"alive\"} 0.98\n",
            "arena_model_predicted_level{model=\"alive\"} 198\n",
            "arena_model_close_level{model=\"alive\"} 196\n",
            "arena_model_drawdown_ratio{model=\"alive\"} 0.025\n",
            "arena_model_decay_ratio{model=\"alive\"} 0.25\n",
            "arena_model_gates_failing{model=\"alive\"} 2\n",
            "arena_model_decision_seconds{model=\"alive\"} 172800\n",
            "arena_promotion_slots{state=\"free\"} 120\n",
            "arena_promotion_slots{state=\"spent\"} 5\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        assert!(text.contains("arena_event_time_seconds 1.5\n"), "{text}");
        assert!(text.contains("arena_models{state=\"retired\"} 1\n"), "{text}");
        assert!(!text.contains("gone"), "{text}");
    }

    #[test]
    fn a_name_used_again_gives_no_second_sample() {
        let text = board::render(&board(vec![row("a", State::Shadow), row("a", State::Suspended)]));
        assert_eq!(text.matches("arena_model_rank{").count(), 1);
    }

    #[test]
    fn label_values_are_escaped_and_undefined_values_left_out() {
        let mut odd = (*row("q\"b\\s\nn", State::Shadow)).clone();
        odd.mean_r = None;
        odd.max_drawdown_r = f64::INFINITY;
        let text = board::render(&board(vec![Arc::new(odd)]));
        assert!(text.contains(r#"arena_model_rank{model="q\"b\\s\nn"} 1"#), "{text}");
        assert!(!text.contains("arena_model_mean_r"), "{text}");
        assert!(!text.contains("arena_model_max_drawdown_r"), "{text}");
    }
}
