//! The board as metrics: rendered from a snapshot at each scrape instead of recorded, so that nothing has to be
//! forgotten when a model retires (the exporter cannot delete a series).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::table::{self, Kind, METRICS, Metric, Source};
use crate::domain::{BreakKind, Direction, PriceDelta};
use crate::flow::{Board, LastOutcome, Row, State};

/// Every state in the order of a life.
const STATES: [State; 6] =
    [State::Warming, State::Shadow, State::Eligible, State::Live, State::Retired, State::Suspended];

/// Every state of live dealing.
const DESK_STATES: [&str; 3] = ["live", "paper_only", "halted"];

/// The progress at which evidence passes its gate.
const PROMOTION_THRESHOLD: f64 = 1.0;

/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;

/// Renders every metric of [`Source::Board`] in the Prometheus text format.
#[must_use]
pub(super) fn render(board: &Board) -> String {
    let mut text = Text::default();
    for metric in METRICS.iter().filter(|metric| metric.source == Source::Board) {
        text.begin(metric);
        if metric.name.starts_with("arena_model_") {
            models(&mut text, metric.name, board);
        } else {
            whole(&mut text, metric.name, board);
        }
    }
    text.out
}

/// Samples that exist once for each candidate that is not retired.
fn models(text: &mut Text, name: &str, board: &Board) {
    // A retired identity may share its name with the one that came after it, and two samples with the same labels
    // would make the whole scrape invalid.
    let mut seen = BTreeSet::new();
    for (idx, row) in board.rows.iter().enumerate() {
        if row.state == State::Retired || !seen.insert(row.model.as_str()) {
            continue;
        }
        let model = ("model", row.model.as_str());
        let nearness = board.nearness.get(idx).and_then(Option::as_deref);
        let statistics = row.statistics.as_ref();
        let outlook = board.outlooks.get(idx);
        let outcome = board.outcomes.get(idx).and_then(Option::as_ref);
        let value = match name {
            "arena_model_info" => {
                text.sample(&[model, ("ticket", &row.ticket), ("epic", &row.epic)], 1.0);
                continue;
            }
            "arena_model_state" => {
                text.sample(&[model, ("state", row.state.word())], 1.0);
                continue;
            }
            "arena_model_net_profit" => {
                text.sample(&[model, ("currency", &row.currency)], row.net_profit.as_f64());
                continue;
            }
            "arena_model_rank" => Some(f64::from(row.rank)),
            "arena_model_episodes" => Some(row.episodes as f64),
            "arena_model_mean_r" => row.mean_r,
            "arena_model_lcb95_r" => row.lcb95_r,
            "arena_model_ucb95_r" => outlook.and_then(|outlook| outlook.ucb95_r),
            "arena_model_log10_e" => row.log10_e,
            "arena_model_progress_ratio" => row.progress,
            "arena_model_equity_r" => board.curves.get(idx).and_then(|curve| curve.last()).map(|r| f64::from(*r)),
            "arena_model_max_drawdown_r" => Some(row.max_drawdown_r),
            "arena_model_drawdown_ratio" => {
                statistics.and_then(|known| known.drawdown_pct).map(|percent| percent / 100.0)
            }
            "arena_model_gates_failing" => statistics.map(|known| known.failing_gates.len() as f64),
            "arena_model_decision_seconds" => {
                outlook.and_then(|outlook| outlook.expected_days_to_decision).map(|days| days * DAY_SECONDS)
            }
            "arena_model_dsr_ratio" => statistics.and_then(|known| known.dsr),
            "arena_model_decay_ratio" => {
                statistics.and_then(|known| known.decay.map(|decay| decay / known.decay_limit))
            }
            "arena_model_predicted_ratio" => outcome.map(|outcome| outcome.y_pred),
            "arena_model_actual_ratio" => outcome.map(LastOutcome::actual_ratio),
            "arena_model_predicted_level" => outcome.map(LastOutcome::predicted_level),
            "arena_model_close_level" => outcome.map(|outcome| outcome.close_level.as_f64()),
            "arena_model_profit_factor" => row.profit_factor,
            "arena_model_win_ratio" => row.win_rate,
            "arena_model_exposure_ratio" => row.exposure,
            "arena_model_abstentions_total" => nearness.map(|near| near.abstentions as f64),
            "arena_model_abstention_ratio" => nearness.and_then(|near| near.share),
            "arena_model_training_abstention_ratio" => nearness.and_then(|near| near.training_share),
            "arena_model_position" => Some(row.open_position.as_ref().map_or(0.0, |p| match p.direction {
                Direction::Long => 1.0,
                Direction::Short => -1.0,
            })),
            other => unreachable!("{other} is in the table and has no value here"),
        };
        if let Some(value) = value {
            text.sample(&[model], value);
        }
    }
}

/// Samples of the arena as a whole.
fn whole(text: &mut Text, name: &str, board: &Board) {
    let health = &board.health;
    let flag = |is: bool| f64::from(u8::from(is));
    // All markets of an arena deal in one currency; without a row there is none to name yet.
    let currency = board.rows.first().map(|row| row.currency.as_str());
    match name {
        "arena_build_info" => text.sample(&[("version", env!("CARGO_PKG_VERSION")), ("arena", &board.arena)], 1.0),
        "arena_event_time_seconds" => {
            if let Some(time) = board.time {
                text.sample(&[], time.0 as f64 / 1e6);
            }
        }
        "arena_rounds_total" => text.sample(&[], health.rounds as f64),
        "arena_round_last_duration_seconds" => text.sample(&[], health.round_micros as f64 / 1e6),
        "arena_feed_quotes_total" => text.sample(&[], health.quotes as f64),
        "arena_feed_bad_quotes_total" => {
            for (kind, count) in &health.bad_quotes {
                text.sample(&[("kind", kind)], *count as f64);
            }
        }
        "arena_feed_done" => text.sample(&[], flag(board.is_done)),
        "arena_bars_closed_total" => {
            for (epic, bar, count) in &health.bars {
                text.sample(&[("epic", epic), ("bar", bar)], *count as f64);
            }
        }
        "arena_models" => {
            for state in STATES {
                let count = board.rows.iter().filter(|row| row.state == state).count();
                text.sample(&[("state", state.word())], count as f64);
            }
        }
        "arena_promotion_slots" => {
            let slots = board.slots;
            for (state, count) in [("taken", slots.taken), ("free", slots.free), ("spent", slots.spent)] {
                text.sample(&[("state", state)], count as f64);
            }
        }
        "arena_promotion_threshold" => text.sample(&[], PROMOTION_THRESHOLD),
        "arena_desk_state" => {
            for state in DESK_STATES {
                text.sample(&[("state", state)], flag(board.desk.state == state));
            }
        }
        "arena_desk_open_positions" => {
            let open = |status: &str| matches!(status, "open" | "sent" | "unknown");
            text.sample(&[], board.desk.trades.iter().filter(|t| open(&t.status)).count() as f64);
        }
        "arena_desk_day_profit" => {
            if let Some(currency) = currency {
                text.sample(&[("currency", currency)], board.desk.day_profit.as_f64());
            }
        }
        "arena_desk_net_profit" => {
            if let Some(currency) = currency {
                text.sample(&[("currency", currency)], board.desk.net_profit.as_f64());
            }
        }
        "arena_desk_break" => {
            for kind in BreakKind::ALL {
                text.sample(&[("break", kind.word())], flag(board.desk.halted_by == Some(kind)));
            }
        }
        "arena_desk_shortfall"
        | "arena_desk_shortfall_trades"
        | "arena_desk_entry_delay_seconds"
        | "arena_desk_fill_slippage" => shortfalls(text, name, board),
        "arena_store_recording" => text.sample(&[], flag(health.is_recording)),
        other => unreachable!("{other} is in the table and has no value here"),
    }
}

/// Samples of every candidate that traded live and is not retired.
fn shortfalls(text: &mut Text, name: &str, board: &Board) {
    let mut seen = BTreeSet::new();
    let newest_first = board.desk.shortfalls.iter().rev();
    for row in newest_first.filter(|row| seen.insert(row.model.as_str())) {
        let model = ("model", row.model.as_str());
        let is_it = |of: &&std::sync::Arc<Row>| of.model == row.model && of.state != State::Retired;
        let Some(shown) = board.rows.iter().find(is_it) else { continue };
        let pair = match name {
            "arena_desk_shortfall" => {
                for (part, money) in row.total.parts() {
                    text.sample(&[model, ("part", part), ("currency", &shown.currency)], money.as_f64());
                }
                continue;
            }
            "arena_desk_shortfall_trades" => {
                text.sample(&[model], row.trades as f64);
                continue;
            }
            "arena_desk_entry_delay_seconds" => (row.delay_seconds, row.paper_delay_seconds),
            _ => (row.slippage, row.paper_slippage.map(PriceDelta::as_f64)),
        };
        for (source, value) in [("live", pair.0), ("paper", pair.1)] {
            if let Some(value) = value {
                text.sample(&[model, ("source", source)], value);
            }
        }
    }
}

/// The text format under construction.
#[derive(Default)]
struct Text {
    out: String,
    name: &'static str,
    is_described: bool,
}

impl Text {
    fn begin(&mut self, metric: &'static Metric) {
        debug_assert!(metric.kind != Kind::Histogram, "a board holds no histogram");
        self.name = metric.name;
        self.is_described = false;
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return;
        }
        if !self.is_described {
            // Only what has a sample is described: promtool objects to a bare description.
            let metric = table::find(self.name).expect("begin takes its name from the table");
            self.push(format_args!("# HELP {} {}\n", metric.name, metric.help));
            self.push(format_args!("# TYPE {} {}\n", metric.name, metric.kind.word()));
            self.is_described = true;
        }
        self.out.push_str(self.name);
        for (place, (label, text)) in labels.iter().enumerate() {
            self.push(format_args!("{}{label}=\"", if place == 0 { '{' } else { ',' }));
            escape(&mut self.out, text);
            self.out.push('"');
        }
        self.push(format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing to a String cannot fail");
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}
