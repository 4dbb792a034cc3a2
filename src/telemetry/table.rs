//! The one table of every metric: what is not in it does not exist, and what is in it is rendered somewhere.
//!
//! `docs/METRICS.md`, the descriptions on `/metrics` and the check of the dashboards are all made from it.

/// How a metric behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows, from zero at the start of the process or of the arena.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in fixed buckets.
    Histogram,
}

impl Kind {
    /// The word for it in the text format.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Where the value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Recorded as it happens, since the start of the process.
    Process,
    /// Read from the latest board at each scrape, so that the series of a retired model end.
    Board,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// `arena_<noun>_<unit>[_total]`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// What it says, as a sentence without a full stop.
    pub help: &'static str,
    /// Its labels, each with a bounded set of values.
    pub labels: &'static [&'static str],
    /// Where the value comes from.
    pub source: Source,
}

macro_rules! metrics {
    ($($source:ident $kind:ident $name:literal [$($label:literal),*] $unit:literal $help:literal;)*) => {
        /// Every metric of the arena, in the order to read them.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name, kind: Kind::$kind, unit: $unit, help: $help,
            labels: &[$($label),*], source: Source::$source,
        }),*];
    };
}

metrics! {
    Board Gauge "arena_build_info" ["version", "arena"] "" "Always 1; the labels identify the program and the arena";
    Board Gauge "arena_event_time_seconds" [] "seconds" "Event time of the last round, in seconds since 1970";
    Board Counter "arena_rounds_total" [] "" "Rounds closed";
    Board Gauge "arena_round_last_duration_seconds" [] "seconds" "Wall time of the last slice from its arrival to all reports";
    Process Histogram "arena_round_duration_seconds" [] "seconds" "Wall time from the arrival of a slice to all reports";

    Board Counter "arena_feed_quotes_total" [] "" "Good quotes taken";
    Board Counter "arena_feed_bad_quotes_total" ["kind"] "" "Rows refused, by kind of fault; late: after their bar had closed";
    Process Counter "arena_feed_gaps_total" [] "" "Stretches of a market for which a live feed may have missed quotes";
    Board Gauge "arena_feed_done" [] "" "1 when the feed has ended, else 0";
    Board Counter "arena_bars_closed_total" ["epic", "bar"] "" "Bars closed, by market and resolution";

    Board Gauge "arena_models" ["state"] "" "Candidates in each state, retired ones included";
    Board Gauge "arena_model_info" ["model", "ticket", "epic"] "" "Always 1; the labels identify the candidate";
    Board Gauge "arena_model_state" ["model", "state"] "" "1 for the state that the candidate is in; other states have no series";
    Board Gauge "arena_model_rank" ["model"] "" "Place on the leaderboard; 1 is the best";
    Board Gauge "arena_model_episodes" ["model"] "" "Episodes scored";
    Board Gauge "arena_model_mean_r" ["model"] "R" "Mean outcome in R, costs stressed";
    Board Gauge "arena_model_lcb95_r" ["model"] "R" "Anytime-valid lower bound of the mean at 95 %";
    Board Gauge "arena_model_ucb95_r" ["model"] "R" "Anytime-valid upper bound of the mean at 95 %";
    Board Gauge "arena_model_log10_e" ["model"] "" "Log10 of the evidence; no series without a slot";
    Board Gauge "arena_model_progress_ratio" ["model"] "ratio" "Log wealth over the log of the gate; passes at arena_promotion_threshold";
    Board Gauge "arena_model_gates_failing" ["model"] "" "Gates of promotion that the candidate misses";
    Board Gauge "arena_model_decision_seconds" ["model"] "seconds" "Event time until a decision is expected at the present rate of trades; no series where none is";
    Board Gauge "arena_model_dsr_ratio" ["model"] "ratio" "Deflated Sharpe ratio: the probability that its Sharpe ratio is more than the luck of the best of all trials";
    Board Gauge "arena_model_decay_ratio" ["model"] "ratio" "Detector of decay over its limit; at 1 it is an alarm";
    Board Gauge "arena_promotion_slots" ["state"] "" "Alpha slots of all budgets: taken, free, or spent, which is free with too little left to be used again";
    Board Gauge "arena_promotion_threshold" [] "ratio" "The arena_model_progress_ratio from which the evidence passes";
    Board Gauge "arena_model_net_profit" ["model", "currency"] "currency" "Profit of closed paper trades";
    Board Gauge "arena_model_equity_r" ["model"] "R" "Cumulated R of closed paper trades";
    Board Gauge "arena_model_max_drawdown_r" ["model"] "R" "Largest fall of the cumulated R from its peak";
    Board Gauge "arena_model_drawdown_ratio" ["model"] "ratio" "How far closed paper trades are below their peak now, over [promotion] capital";
    Board Gauge "arena_model_profit_factor" ["model"] "ratio" "Gross win over gross loss; no series without a loss";
    Board Gauge "arena_model_win_ratio" ["model"] "ratio" "Trades with a profit over trades";
    Board Gauge "arena_model_exposure_ratio" ["model"] "ratio" "Time in a position over time registered";
    Board Counter "arena_model_abstentions_total" ["model"] "" "Predictions that the nearness gate kept from a stance; no series without a gate";
    Board Gauge "arena_model_abstention_ratio" ["model"] "ratio" "Abstentions over predictions; no series without a gate";
    Board Gauge "arena_model_training_abstention_ratio" ["model"] "ratio" "The share of the training rows beyond the gate, to hold arena_model_abstention_ratio against";
    Board Gauge "arena_model_predicted_ratio" ["model"] "ratio" "Exit over entry as predicted for the last closed paper trade that a prediction led to since the start";
    Board Gauge "arena_model_actual_ratio" ["model"] "ratio" "Exit over entry as it came in the trade of arena_model_predicted_ratio, for a short as for a long";
    Board Gauge "arena_model_predicted_level" ["model"] "price" "The exit level that arena_model_predicted_ratio means, seen from the entry";
    Board Gauge "arena_model_close_level" ["model"] "price" "The exit level that came in the trade of arena_model_predicted_level";
    Board Gauge "arena_model_position" ["model"] "" "Open paper position: 1 long, -1 short, 0 none";

    Board Gauge "arena_desk_state" ["state"] "" "1 for the state that live dealing is in (live, paper_only, halted), 0 for the others";
    Board Gauge "arena_desk_open_positions" [] "" "Live positions that are open, sent or of unknown outcome";
    Board Gauge "arena_desk_day_profit" ["currency"] "currency" "Live profit of the present UTC day";
    Board Gauge "arena_desk_net_profit" ["currency"] "currency" "Live profit since the arena began";
    Process Counter "arena_desk_orders_total" ["outcome"] "" "Live orders by outcome: dealt, rejected by the broker or our own rules, unknown";
    Board Gauge "arena_desk_break" ["break"] "" "1 for the difference between the desk's book and the broker's that halts live dealing, 0 for the others";
    Process Counter "arena_desk_breaks_total" ["break", "result"] "" "Differences between the desk's book and the broker's by name: mended, or halted live dealing";
    Board Gauge "arena_desk_shortfall" ["model", "part", "currency"] "currency" "Live less paper of closed live trades since the arena began, by part; below zero live made less";
    Board Gauge "arena_desk_shortfall_trades" ["model"] "" "Live trades in arena_desk_shortfall";
    Board Gauge "arena_desk_entry_delay_seconds" ["model", "source"] "seconds" "From the close of the bar to the fill: the mean of live entries, and what paper assumes";
    Board Gauge "arena_desk_fill_slippage" ["model", "source"] "price" "How much worse than the quote a fill at the market is: the mean of live ones, and what paper assumes";
    Process Counter "arena_desk_reconciliations_total" ["result"] "" "Comparisons of the desk's book with the broker's: equal or break";

    Board Gauge "arena_store_recording" [] "" "1 while the store records, else 0";
    Process Gauge "arena_store_disk_free_bytes" [] "bytes" "Free space on the disk of the store";
    Process Gauge "arena_store_disk_floor_bytes" [] "bytes" "[arena] disk_floor_mb: with less free space than this the store stops recording";
    Process Counter "arena_store_entries_total" [] "" "Entries made durable";
    Process Histogram "arena_store_flush_seconds" [] "seconds" "Wall time of a flush of the store";

    Process Gauge "arena_mirror_up" [] "" "1 while the database of [mirror] takes the records, else 0; 0 without one";
    Process Gauge "arena_mirror_lag_seconds" [] "seconds" "Wall time since the database of [mirror] last held all that was recorded; 0 while it does, or without one";
    Process Counter "arena_mirror_rows_total" ["table"] "" "Rows written to the database of [mirror], a row that changed counted again";
    Process Counter "arena_mirror_errors_total" [] "" "Times that the database of [mirror] did not answer or refused";
    Process Counter "arena_mirror_lost_total" [] "" "Quotes and predictions that retention deleted before they were copied";

    Process Gauge "arena_ig_stream_up" ["account"] "" "1 while IG's stream is connected, else 0";
    Process Gauge "arena_ig_price_age_seconds" ["epic"] "seconds" "Wall time since the last price of the market came; it grows while the market is closed";
    Process Counter "arena_ig_stream_reconnects_total" ["how"] "" "Times that the stream came back: recovered without a loss, or anew";
    Process Histogram "arena_ig_request_duration_seconds" ["endpoint", "outcome"] "seconds" "Wall time of requests to IG: ok, refused, exceeded, unanswered or not_sent";
    Process Gauge "arena_ig_allowance_left" ["allowance"] "" "What is left of an allowance: requests of this minute, of history points of this week";
    Process Gauge "arena_ig_allowance_whole" ["allowance"] "" "The whole of an allowance, less what is kept back";
    Process Gauge "arena_ig_account_balance" ["account"] "currency" "Money on the account, as IG's stream tells it";
    Process Gauge "arena_ig_account_available" ["account"] "currency" "Money on the account that is free to deal with";

    Process Counter "arena_mlflow_alias_changes_total" ["result"] "" "Changes of the alias champion in MLflow: done or failed";
    Process Gauge "arena_mlflow_aliases_pending" [] "" "Aliases in MLflow that are not yet where the live versions are";

    Process Gauge "arena_notify_up" ["channel"] "" "1 while the last message to the channel was delivered, 0 since one was not";
    Process Counter "arena_notify_messages_total" ["channel", "result"] "" "Messages delivered, given up (failed), and tries that were put off (retried)";
    Process Counter "arena_notify_digested_events_total" ["channel"] "" "Events told together in one message, since there were more than [notify] burst";
    Process Gauge "arena_notify_waiting_events" ["channel"] "" "Events that wait to be told";

    Process Counter "arena_http_requests_total" ["route", "method", "code"] "" "Requests answered, by route pattern";
    Process Counter "arena_http_unauthorized_total" [] "" "Commands refused for want of the token";
    Process Gauge "arena_http_event_clients" [] "" "Readers of the event stream";
}

/// The entry of a metric by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The text of `docs/METRICS.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         Everything on `/metrics`, generated from the table in `src/telemetry/table.rs`\n\
         (`ARENA_UPDATE_DOCS=1 cargo test --lib telemetry` rewrites this file).\n\n\
         Metrics of the board are read from the latest snapshot at each scrape: the series of a retired model end, and\n\
         counters of the board go on where a restarted arena takes up its store. Metrics of the process start at zero\n\
         with it. Labels are bounded by models x constants; no deal and no time is ever a label. A statistic that is\n\
         undefined has no sample.\n\n\
         | metric | kind | unit | labels | from | says |\n|---|---|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels =
            metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ").replace('|', "\\|");
        let source = match metric.source {
            Source::Process => "process",
            Source::Board => "board",
        };
        text.push_str(&format!(
            "| `{}` | {} | {} | {labels} | {source} | {} |\n",
            metric.name,
            metric.kind.word(),
            metric.unit,
            metric.help
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_rules_of_the_house() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in METRICS {
            let name = metric.name;
            assert!(seen.insert(name), "{name} stands twice");
            assert!(name.starts_with("arena_"), "{name} lacks the prefix");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
            assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}: _total is for counters");
            if metric.unit == "seconds" {
                assert!(name.ends_with("_seconds"), "{name} has no unit");
            }
            assert!(!metric.help.is_empty() && !metric.help.ends_with('.'), "{name}: help");
        }
    }

    #[test]
    fn the_reference_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
        if std::env::var_os("ARENA_UPDATE_DOCS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == reference(), "docs/METRICS.md is stale: run ARENA_UPDATE_DOCS=1 cargo test --lib telemetry");
    }
}
