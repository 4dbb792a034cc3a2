//! Commands that read an arena, running or at rest.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::output::{Align, Columns, Failure, TEXT_WIDTH, UNREACHED, USAGE, number, print, print_json, shorten_name};
use super::{Client, LeaderboardArgs, ModelArgs, ReachArgs, ReadingArgs, Shared, TradesArgs, block_on};
use crate::control::{Control, ModelView};
use crate::domain::{Shortfall, UtcMicros};
use crate::flow::{Board, Explanation, LiveTradeRow, Row, ShortfallRow, State, Statistics, TradeRow, Verdict};
use crate::store::views::AtRest;

/// How often `--watch` draws.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How many live trades `show` lists.
const LIVE_MAX: usize = 8;
/// How many lifecycle changes `show` lists.
const LIFECYCLE_MAX: usize = 10;
const WRITES: &str = "strings take what is written to them";

/// `leaderboard --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Leaderboard {
    /// Event time of the last round; `None` before the first.
    pub time: Option<UtcMicros>,
    /// Best first.
    pub models: Vec<Row>,
}

impl From<&Board> for Leaderboard {
    fn from(board: &Board) -> Self {
        Self { time: board.time, models: board.rows.iter().map(|row| Row::clone(row)).collect() }
    }
}

/// The arena that a reading command asks.
pub(super) enum Arena {
    Running(Client),
    AtRest(Box<AtRest>),
}

impl Arena {
    pub(super) fn open(reading: &ReadingArgs, shared: &Shared) -> Result<Self, Failure> {
        match &reading.store {
            Some(dir) => Ok(Self::AtRest(Box::new(AtRest::open(dir)?))),
            None => Ok(Self::Running(Client::reading(reading.url.as_deref(), shared)?)),
        }
    }

    async fn leaderboard(&self) -> Result<Leaderboard, Failure> {
        match self {
            Self::Running(client) => client.get(&["leaderboard"]).await,
            Self::AtRest(arena) => Ok(Leaderboard::from(&*arena.board())),
        }
    }

    async fn model(&self, model: &str) -> Result<ModelView, Failure> {
        match self {
            Self::Running(client) => client.get(&["models", model]).await,
            Self::AtRest(arena) => Ok(arena.model(model.to_owned()).await?),
        }
    }

    async fn trades(&self, model: &str) -> Result<Vec<TradeRow>, Failure> {
        match self {
            Self::Running(client) => client.get(&["models", model, "trades"]).await,
            Self::AtRest(arena) => Ok(arena.trades(model.to_owned()).await?),
        }
    }

    async fn explain(&self, model: &str) -> Result<Explanation, Failure> {
        match self {
            Self::Running(client) => client.get(&["models", model, "explain"]).await,
            Self::AtRest(arena) => Ok(arena.explain(model.to_owned()).await?),
        }
    }

    /// The records in the very bytes they were hashed in: the API carries them as JSON whose key order and shortest
    /// numbers survive reading and printing.
    pub(super) async fn audit(&self) -> Result<Vec<String>, Failure> {
        match self {
            Self::Running(client) => {
                let records: Vec<Value> = client.get(&["audit"]).await?;
                Ok(records.iter().map(Value::to_string).collect())
            }
            Self::AtRest(arena) => Ok(arena.audit_texts()?),
        }
    }
}

pub(super) fn leaderboard(shared: &Shared, args: &LeaderboardArgs) -> Result<(), Failure> {
    if args.watch && shared.json {
        return Err(Failure::new(USAGE, "--watch draws again and again, --json prints one document"));
    }
    let arena = Arena::open(&args.reading, shared)?;
    if args.watch {
        if !std::io::stdout().is_terminal() {
            return block_on(watch(&arena));
        }
        let reach = ReachArgs { url: args.reading.url.clone(), token: args.token.clone() };
        return super::watch::run(&Client::operating(&reach, shared)?);
    }
    let board = block_on(arena.leaderboard())?;
    if shared.json { print_json(&board) } else { print(&leaderboard_text(&board)) }
}

/// Prints it again and again until Ctrl-C, for whoever reads without a terminal. An arena that never answered is an error; one that stops answering is waited for.
async fn watch(arena: &Arena) -> Result<(), Failure> {
    let mut last = leaderboard_text(&arena.leaderboard().await?);
    let mut notice = String::new();
    loop {
        print(&format!("{last}{notice}\n"))?;
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => return stopped.map_err(Failure::from),
            () = tokio::time::sleep(WATCH_EVERY) => {}
        }
        match arena.leaderboard().await {
            Ok(board) => {
                last = leaderboard_text(&board);
                notice.clear();
            }
            Err(failure) if failure.code == UNREACHED => notice = format!("\n{}; trying again\n", failure.message),
            Err(failure) => return Err(failure),
        }
    }
}

/// The leaderboard in columns of at most 80 characters: the same for every terminal, so that scripts can read it.
#[must_use]
pub fn leaderboard_text(board: &Leaderboard) -> String {
    if board.models.is_empty() {
        return "no models yet\n".to_owned();
    }
    let mut columns = Columns::new(
        vec![
            ("#", Align::Right),
            ("model", Align::Left),
            ("state", Align::Left),
            ("n", Align::Right),
            ("net", Align::Right),
            ("mean_r", Align::Right),
            ("lcb95_r", Align::Right),
            ("gate", Align::Right),
            ("dd_r", Align::Right),
        ],
        1,
    );
    for row in &board.models {
        columns.row(vec![
            row.rank.to_string(),
            row.model.to_string(),
            row.state.word().to_owned(),
            row.episodes.to_string(),
            number(Some(row.net_profit.as_f64()), 2),
            number(row.mean_r, 3),
            number(row.lcb95_r, 3),
            row.progress.map_or_else(|| "-".to_owned(), |progress| format!("{} %", number(Some(progress * 100.0), 0))),
            number(Some(row.max_drawdown_r), 1),
        ]);
    }
    let mut text = columns.render();
    let live = board.models.iter().filter(|row| row.state == State::Live).count();
    let time = board.time.map_or_else(|| "before the first bar".to_owned(), |time| time.to_string());
    let currency = board.models.first().map_or("", |row| row.currency.as_str());
    writeln!(text, "\n{} models, {live} live, net in {currency}, {time}", board.models.len()).expect(WRITES);
    text
}

pub(super) fn show(shared: &Shared, args: &ModelArgs) -> Result<(), Failure> {
    let arena = Arena::open(&args.reading, shared)?;
    let view = block_on(arena.model(&args.model))?;
    if shared.json { print_json(&view) } else { print(&model_text(&view)) }
}

pub(super) fn model_text(view: &ModelView) -> String {
    let row = &view.row;
    let mut text = format!("{}\n{}, rank {}\n", row.model, row.state.word(), row.rank);
    let mut section = |title: &str, pairs: &[(&str, String)]| {
        writeln!(text, "\n{title}").expect(WRITES);
        for (key, value) in pairs {
            writeln!(text, "  {key:<16}  {value}").expect(WRITES);
        }
    };
    let time = |time: Option<UtcMicros>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    section(
        "identity",
        &[
            ("ticket", row.ticket.clone()),
            ("epic", row.epic.clone()),
            ("content", view.content_hash.clone()),
            ("generation", view.generation.to_string()),
            ("registered", time(view.registered)),
        ],
    );
    let settings: Vec<_> = view.settings.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    section("settings", &settings);
    let open = row.open_position.as_ref().map_or_else(
        || "none".to_owned(),
        |p| {
            let (side, size, level) = (p.direction.word(), p.size, p.open_level);
            format!("{side} {size} at {level}, stop {}, limit {}, since {}", p.stop_level, p.limit_level, p.opened)
        },
    );
    if let Some(lineage) = &view.lineage {
        let mut pairs = vec![
            ("version", lineage.reference.clone()),
            ("kind", lineage.kind.clone()),
            ("artefact", lineage.artefact.clone()),
            ("card", lineage.card.clone()),
            ("trained on", format!("{} {}, {} bars ahead", lineage.symbol, lineage.bar, lineage.horizon_bars)),
        ];
        for origin in &lineage.data {
            pairs.push(("data", format!("{}, {}", origin.name, origin.range)));
            pairs.push(("data sha256", origin.sha256.clone()));
        }
        section("lineage", &pairs);
    }
    let percent = |ratio: Option<f64>| match ratio {
        Some(ratio) => format!("{} %", number(Some(ratio * 100.0), 1)),
        None => "-".to_owned(),
    };
    if let Some(near) = &view.nearness {
        let told = format!(
            "{} of {} predictions ({}), {} of its training rows",
            near.abstentions,
            near.predictions,
            percent(near.share),
            percent(near.training_share)
        );
        section("nearness gate", &[("max distance", near.max_distance.to_string()), ("abstained", told)]);
    }
    section(
        "record",
        &[
            ("episodes", row.episodes.to_string()),
            ("wins", format!("{} ({})", row.wins, percent(row.win_rate))),
            ("net profit", format!("{} {}", row.net_profit, row.currency)),
            ("profit factor", number(row.profit_factor, 2)),
            ("mean", format!("{} R, at least {} R (95 %)", number(row.mean_r, 4), number(row.lcb95_r, 4))),
            ("evidence", format!("{} (log10), {} of the gate", number(row.log10_e, 3), percent(row.progress))),
            ("drawdown", format!("{} R", number(Some(row.max_drawdown_r), 2))),
            ("exposure", percent(row.exposure)),
            ("open position", open),
            ("flags", if row.flags.is_empty() { "none".to_owned() } else { row.flags.join(" ") }),
        ],
    );
    if let Some(told) = &row.statistics {
        section("statistics", &statistics_text(told));
    }
    text.push_str(&live_text(&view.live, view.shortfall.as_ref()));
    text.push_str("\nlifecycle\n");
    let hidden = view.lifecycle.len().saturating_sub(LIFECYCLE_MAX);
    if view.lifecycle.is_empty() {
        text.push_str("  no change yet\n");
    } else if hidden > 0 {
        writeln!(text, "  {hidden} earlier").expect(WRITES);
    }
    for change in &view.lifecycle[hidden..] {
        writeln!(text, "  {}  {} -> {}, {}", change.time, change.from.word(), change.to.word(), change.reason)
            .expect(WRITES);
    }
    text
}

/// The live trades beside their paper twins, and what lies between them; nothing where none was made.
fn live_text(trades: &[LiveTradeRow], shortfall: Option<&ShortfallRow>) -> String {
    if trades.is_empty() && shortfall.is_none() {
        return String::new();
    }
    let mut columns = Columns::new(
        vec![
            ("opened", Align::Left),
            ("side", Align::Left),
            ("size", Align::Right),
            ("status", Align::Left),
            ("live", Align::Right),
            ("paper", Align::Right),
            ("shortfall", Align::Right),
        ],
        0,
    );
    for trade in trades.iter().take(LIVE_MAX) {
        let money = |money: Option<crate::domain::Money>| money.map_or_else(|| "-".to_owned(), |m| m.to_string());
        columns.row(vec![
            trade.opened.map_or_else(|| "-".to_owned(), to_the_second),
            trade.direction.word().to_owned(),
            trade.size.to_string(),
            trade.reason.map_or_else(|| trade.status.clone(), |reason| reason.word().to_owned()),
            money(trade.profit),
            money(trade.twin_profit),
            money(trade.shortfall.map(|parts| parts.whole)),
        ]);
    }
    let mut text = "\nlive\n".to_owned();
    columns.render().lines().for_each(|line| writeln!(text, "  {line}").expect(WRITES));
    let Some(row) = shortfall else { return text };
    writeln!(text, "  {:<16}  {} over {} trades", "live less paper", row.total.whole, row.trades).expect(WRITES);
    for (part, money) in row.total.parts() {
        writeln!(text, "    {part:<14}  {money}").expect(WRITES);
    }
    let beside = |name: &str, live: Option<f64>, paper: Option<f64>, unit: &str| {
        let paper = paper.map_or_else(String::new, |paper| format!(", paper assumes {paper}{unit}"));
        format!("  {name:<16}  {}{unit}{paper}\n", number(live, 6))
    };
    text.push_str(&beside("entry delay", row.delay_seconds, row.paper_delay_seconds, " s"));
    text.push_str(&beside("slippage", row.slippage, row.paper_slippage.map(crate::domain::PriceDelta::as_f64), ""));
    text
}

/// The further figures of a row, as `show` lists them.
fn statistics_text(told: &Statistics) -> Vec<(&'static str, String)> {
    let figure = |value: Option<f64>, decimals: usize| number(value, decimals);
    let percent = |value: Option<f64>| format!("{} %", number(value.map(|share| 100.0 * share), 1));
    let slot = told.slot.map_or_else(|| "none".to_owned(), |slot| slot.to_string());
    vec![
        ("slot", format!("{slot}, begun with {}", figure(told.start_wealth, 4))),
        ("days", format!("{}, active on {}", figure(told.days, 1), told.active_days)),
        ("trades a day", figure(told.episodes_per_day, 2)),
        ("bound of gate", format!("{} R", figure(told.lcb_family_r, 4))),
        ("spread", format!("{} R", figure(told.sd_r, 4))),
        ("Sharpe", format!("{} a trade, {} a year", figure(told.sharpe, 4), figure(told.sharpe_annual, 2))),
        ("by Lo's factor", figure(told.sharpe_annual_lo, 2)),
        ("Sortino, Calmar", format!("{} a trade, {}", figure(told.sortino, 4), figure(told.calmar, 2))),
        ("PSR, DSR", format!("{}, {}", figure(told.psr, 4), figure(told.dsr, 4))),
        ("DSR across", figure(told.dsr_cross, 4)),
        ("track record", format!("{} trades at least (95 %)", figure(told.min_track_record, 0))),
        (
            "drawdown now",
            format!(
                "{} R, {} % of the capital; deepest {} %",
                figure(Some(told.drawdown_r), 2),
                figure(told.drawdown_pct, 2),
                figure(told.max_drawdown_pct, 2)
            ),
        ),
        (
            "win rate",
            format!(
                "{} of those decided; {} to {} of all (95 %, one look)",
                percent(told.win_rate_decided),
                percent(told.win_rate_low),
                percent(told.win_rate_high)
            ),
        ),
        ("payoff ratio", figure(told.payoff_ratio, 3)),
        ("turnover", format!("{} of the equity a day", figure(told.turnover, 2))),
        ("costs", format!("{} R a trade", figure(told.costs_r, 4))),
        ("decay", format!("{} of {}", figure(told.decay, 2), told.decay_limit)),
        ("misses", if told.failing_gates.is_empty() { "nothing".to_owned() } else { told.failing_gates.join(", ") }),
    ]
}

pub(super) fn trades(shared: &Shared, args: &TradesArgs) -> Result<(), Failure> {
    let arena = Arena::open(&args.reading, shared)?;
    if args.live {
        let mut deals = block_on(arena.model(&args.model))?.live;
        // As paper trades are listed: the oldest first.
        deals.reverse();
        return if shared.json { print_json(&deals) } else { print(&live_trades_text(&deals)) };
    }
    let trades = block_on(arena.trades(&args.model))?;
    if shared.json { print_json(&trades) } else { print(&trades_text(&trades)) }
}

pub(super) fn trades_text(trades: &[TradeRow]) -> String {
    if trades.is_empty() {
        return "no closed trade yet\n".to_owned();
    }
    let mut columns = Columns::new(
        vec![
            ("closed", Align::Left),
            ("side", Align::Left),
            ("size", Align::Right),
            ("open", Align::Right),
            ("close", Align::Right),
            ("reason", Align::Left),
            ("profit", Align::Right),
            ("r", Align::Right),
        ],
        0,
    );
    for trade in trades {
        columns.row(vec![
            to_the_second(trade.closed),
            trade.direction.word().to_owned(),
            trade.size.to_string(),
            trade.open_level.to_string(),
            trade.close_level.to_string(),
            trade.reason.word().to_owned(),
            trade.profit.to_string(),
            number(Some(trade.r), 3),
        ]);
    }
    let mut text = columns.render();
    let profit: crate::domain::Money = trades.iter().map(|trade| trade.profit).sum();
    writeln!(text, "\n{} trades of {}, net {profit}", trades.len(), shorten_name(trades[0].model.as_str(), 50))
        .expect(WRITES);
    text
}

/// Live deals beside their paper twins: where each was opened and closed, and what live made less.
pub(super) fn live_trades_text(deals: &[LiveTradeRow]) -> String {
    if deals.is_empty() {
        return "no live deal yet\n".to_owned();
    }
    let mut columns = Columns::new(
        vec![
            ("opened", Align::Left),
            ("side", Align::Left),
            ("open", Align::Right),
            ("paper", Align::Right),
            ("close", Align::Right),
            ("paper", Align::Right),
            ("less", Align::Right),
        ],
        0,
    );
    let or_dash = |level: Option<crate::domain::Price>| level.map_or_else(|| "-".to_owned(), |level| level.to_string());
    let mut total = Shortfall::default();
    let mut compared = 0;
    for deal in deals {
        if let Some(parts) = deal.shortfall {
            total += parts;
            compared += 1;
        }
        columns.row(vec![
            deal.opened.map_or_else(|| deal.status.clone(), to_the_second),
            deal.direction.word().to_owned(),
            or_dash(deal.open_level),
            or_dash(deal.twin_open_level),
            or_dash(deal.close_level),
            or_dash(deal.twin_close_level),
            deal.shortfall.map_or_else(|| "-".to_owned(), |parts| number(Some(parts.whole.as_f64()), 2)),
        ]);
    }
    let mut text = columns.render();
    let sum = |profit: fn(&LiveTradeRow) -> Option<crate::domain::Money>| {
        deals.iter().filter_map(profit).sum::<crate::domain::Money>()
    };
    let (live, paper) = (sum(|deal| deal.profit), sum(|deal| deal.twin_profit));
    let name = shorten_name(deals[0].model.as_str(), 50);
    writeln!(text, "\n{} live deals of {name}\nlive {live}, paper at the live size {paper}", deals.len())
        .expect(WRITES);
    if compared > 0 {
        writeln!(text, "\n{:<16}  {} over {compared} of them", "live less paper", total.whole).expect(WRITES);
        for (part, money) in total.parts() {
            writeln!(text, "  {part:<14}  {money}").expect(WRITES);
        }
    }
    text
}

fn to_the_second(time: UtcMicros) -> String {
    UtcMicros(time.0.div_euclid(1_000_000) * 1_000_000).to_string()
}

pub(super) fn explain(shared: &Shared, args: &ModelArgs) -> Result<(), Failure> {
    let arena = Arena::open(&args.reading, shared)?;
    let explanation = block_on(arena.explain(&args.model))?;
    if shared.json { print_json(&explanation) } else { print(&explanation_text(&explanation)) }
}

pub(super) fn explanation_text(explanation: &Explanation) -> String {
    let mut columns = Columns::new(
        vec![
            ("gate", Align::Left),
            ("value", Align::Right),
            ("limit", Align::Right),
            ("missing", Align::Right),
            ("verdict", Align::Left),
        ],
        0,
    );
    let mut open = 0;
    for gate in &explanation.gates {
        let verdict = match gate.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
        };
        open += usize::from(gate.verdict != Verdict::Pass);
        let short = |value: Option<f64>| {
            let is_whole = value.is_some_and(|v| v.fract().abs() < f64::EPSILON);
            number(value, if is_whole { 0 } else { 4 })
        };
        let missing = gate.missing.filter(|missing| *missing > 0.0);
        columns.row(vec![gate.gate.clone(), short(gate.value), short(gate.limit), short(missing), verdict.to_owned()]);
    }
    let model = shorten_name(explanation.model.as_str(), TEXT_WIDTH - 16);
    let mut text = format!("{model}, {}\n\n{}\n", explanation.state.word(), columns.render());
    text.push_str(&match (open, explanation.expected_days_to_decision) {
        (0, _) => "passes every gate\n".to_owned(),
        (_, Some(days)) => {
            let likely = match (explanation.expected_days_low, explanation.expected_days_high) {
                (Some(low), Some(high)) => format!(", likely {} to {}", number(Some(low), 1), number(Some(high), 1)),
                (Some(low), None) => format!(", {} at best", number(Some(low), 1)),
                _ => String::new(),
            };
            format!("decision expected in {} days{likely}, at the present trade rate\n", number(Some(days), 1))
        }
        (_, None) => "no decision in sight at the present trade rate and mean\n".to_owned(),
    });
    if !explanation.breaks.is_empty() {
        text.push_str("\nwhere our book and the broker's differed\n");
    }
    for found in &explanation.breaks {
        let end = if found.is_mended { "mended" } else { "halted live dealing, see docs/RUNBOOK.md" };
        writeln!(text, "  {}  {}: {} ({end})", found.time, found.kind, found.text).expect(WRITES);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CloseReason, Direction};

    #[test]
    fn live_deals_stand_beside_their_twins_within_eighty_columns() {
        let deal = |is_over: bool| LiveTradeRow {
            model: "momentum:lookback=3,threshold=0.00002".into(),
            deal_reference: "r-1".to_owned(),
            deal_id: None,
            status: if is_over { "closed" } else { "sent" }.to_owned(),
            direction: Direction::Short,
            size: "0.5".parse().unwrap(),
            opened: is_over.then(|| "2025-01-07T03:09:01.5Z".parse().unwrap()),
            open_level: is_over.then(|| "18123.456".parse().unwrap()),
            stop_level: None,
            limit_level: None,
            closed: is_over.then(|| "2025-01-07T03:11:01Z".parse().unwrap()),
            close_level: is_over.then(|| "18120.456".parse().unwrap()),
            reason: is_over.then_some(CloseReason::Limit),
            profit: is_over.then(|| "-12.5".parse().unwrap()),
            twin_profit: is_over.then(|| "3".parse().unwrap()),
            twin_open_level: is_over.then(|| "18123.556".parse().unwrap()),
            twin_close_level: is_over.then(|| "18119.956".parse().unwrap()),
            shortfall: is_over.then(|| Shortfall {
                whole: "-15.5".parse().unwrap(),
                slippage: "-15.5".parse().unwrap(),
                ..Shortfall::default()
            }),
        };
        let text = live_trades_text(&[deal(true), deal(false)]);
        for line in text.lines() {
            assert!(line.chars().count() <= TEXT_WIDTH, "{line}");
        }
        for part in [
            "2025-01-07T03:09:01Z  short  18123.456  18123.556  18120.456  18119.956  -15.50",
            "sent                  short          -          -          -          -       -",
            "2 live deals of momentum:lookback=3,threshold=0.00002",
            "live -12.5, paper at the live size 3",
            "live less paper   -15.5 over 1 of them",
            "  slippage        -15.5",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert_eq!(live_trades_text(&[]), "no live deal yet\n");
    }
}
