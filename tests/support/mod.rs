//! A double of the arena behind the server: as many made-up rows as asked for, moving when told to.

// Every test binary compiles this file for itself and uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "shared by several test binaries")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use arena::control::{
    BarRow, BarsView, Command, Control, ControlError, DecisionRow, Done, EquityPoint, EquityView, FeedView, GapRow,
    ModelView, NoteRow,
};
use arena::domain::{
    BreakKind, CloseReason, DataOrigin, Direction, Lineage, ModelId, Money, Price, SeatIdx, Shortfall, Size, UtcMicros,
};
use arena::flow::{
    Board, BreakRow, Change, DeskView, Explanation, GateVerdict, Health, LiveTradeRow, Nearness, Outlook, PositionRow,
    PredictionRow, Row, ShortfallRow, State, Statistics, TradeRow, Verdict,
};
use futures_util::future::{BoxFuture, ready};

/// A name with everything that a path must survive.
pub(crate) const ODD_NAME: &str = "odd/name:a=1,b=50%+@x <b>&\"é";

/// 2014-05-01T00:00:00Z.
const START: i64 = 1_398_902_400_000_000;
const FAMILIES: [&str; 4] = ["momentum", "mean_reversion", "breakout", "random"];
const EPICS: [&str; 3] = ["CS.D.EURUSD.TODAY.IP", "CS.D.USCGC.TODAY.IP", "CC.D.CL.USS.IP"];

/// The double.
pub(crate) struct DemoControl {
    board: RwLock<Arc<Board>>,
    seed: AtomicU64,
    /// Commands obeyed so far.
    pub(crate) commands: Mutex<Vec<Command>>,
}

/// A small generator (xorshift*), so that every picture of the page is the same.
fn draw(seed: &AtomicU64) -> f64 {
    let mut x = seed.load(Ordering::Relaxed);
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    seed.store(x, Ordering::Relaxed);
    (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
}

fn money(value: f64) -> Money {
    format!("{value:.2}").parse().expect("two decimals are exact")
}

fn price(value: f64) -> Price {
    format!("{value:.5}").parse().expect("five decimals are exact")
}

/// Where the made-up market stands at a time: two slow waves, and a fast one that looks like noise.
fn level(time: UtcMicros) -> f64 {
    let minutes = (time.0 - START) as f64 / 6e7;
    let noise = ((minutes * 12.9898).sin() * 43_758.545_3).fract();
    1.3867 + 0.0013 * (minutes / 83.0).sin() + 0.0006 * (minutes / 17.0).cos() + 0.000_12 * noise
}

impl DemoControl {
    /// An arena of `n_rows` candidates in the middle of its work; none: one that waits for its first bar.
    pub(crate) fn new(n_rows: usize) -> Arc<Self> {
        let seed = AtomicU64::new(0x9E37_79B9_7F4A_7C15);
        let mut board = Board { arena: "demo".to_owned(), ..Board::default() };
        board.health.is_recording = true;
        board.desk.state = "paper_only".to_owned();
        if n_rows > 0 {
            fill(&mut board, n_rows, &seed);
        }
        Arc::new(Self { board: RwLock::new(Arc::new(board)), seed, commands: Mutex::default() })
    }

    /// Changes the board as `change` says.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Board)) {
        let mut board = self.board.write().unwrap();
        let mut next = (**board).clone();
        change(&mut next);
        *board = Arc::new(next);
    }

    /// Episodes of the first row, as the present board has them.
    pub(crate) fn update_seen(&self) -> u64 {
        self.board().rows[0].episodes
    }

    /// A candidate that is live.
    pub(crate) fn live_model(&self) -> String {
        self.board()
            .rows
            .iter()
            .find(|row| row.state == State::Live)
            .expect("the double has a champion")
            .model
            .to_string()
    }

    /// Lets a minute of event time pass: one row in five trades.
    pub(crate) fn step(&self) {
        self.update(|board| {
            board.time = board.time.map(|time| UtcMicros(time.0 + 60_000_000));
            board.health.rounds += 1;
            board.health.quotes += 37 + (draw(&self.seed) * 90.0) as u64;
            board.health.round_micros = 400 + (draw(&self.seed) * 300.0) as u64;
            for idx in 0..board.rows.len() {
                if draw(&self.seed) > 0.2 || matches!(board.rows[idx].state, State::Retired | State::Suspended) {
                    continue;
                }
                let r = if draw(&self.seed) < 0.5 { 1.0 } else { -1.0 };
                let mut curve = (*board.curves[idx]).clone();
                curve.push(curve.last().copied().unwrap_or_default() + r);
                if curve.len() > 64 {
                    curve.remove(0);
                }
                let row = &mut *Arc::make_mut(&mut board.rows[idx]);
                row.episodes += 1;
                row.net_profit += money(f64::from(r) * 10.0);
                row.mean_r = row.mean_r.map(|mean| mean + (f64::from(r) - mean) / row.episodes as f64);
                board.curves[idx] = Arc::new(curve);
            }
        });
    }

    fn made_up_trades(&self, row: &Row) -> Vec<TradeRow> {
        let n = row.episodes as i64;
        let end = self.board().time.unwrap_or(UtcMicros(START)).0;
        let trade = |number: i64| {
            let opened = UtcMicros(end - (n - number) * 240_000_000);
            let closed = UtcMicros(opened.0 + 147_250_000);
            let direction = if number % 3 == 0 { Direction::Short } else { Direction::Long };
            let sign = if number % 3 == 0 { -1.0 } else { 1.0 };
            let (entry, exit) = (level(opened), level(closed));
            let points = sign * (exit - entry) * 10_000.0;
            TradeRow {
                model: row.model.clone(),
                ticket: row.ticket.clone(),
                deal_id: format!("P{}-{}", row.rank, number + 1),
                epic: row.epic.clone(),
                direction,
                size: Size::from_micros(1_000_000),
                opened,
                closed,
                open_level: price(entry),
                close_level: price(exit),
                stop_level: price(entry - sign * 0.001),
                limit_level: price(entry + sign * 0.002),
                reason: [CloseReason::Time, CloseReason::Stop, CloseReason::Limit][number as usize % 3],
                profit: money(points),
                costs: money(0.12),
                r: points / 10.0,
                y_pred: Some(1.000_12),
                y_true: Some(1.0 + points / 13_867.0),
            }
        };
        (0..n).map(trade).collect()
    }

    fn find(&self, name: &str) -> Result<(Arc<Row>, Arc<Vec<f32>>), ControlError> {
        let board = self.board();
        match board.rows.iter().position(|row| row.model.as_str() == name) {
            Some(idx) => Ok((Arc::clone(&board.rows[idx]), Arc::clone(&board.curves[idx]))),
            None => Err(ControlError::NoSuchModel {
                name: name.to_owned(),
                candidates: board.rows.iter().take(3).map(|row| row.model.to_string()).collect(),
            }),
        }
    }
}

/// The name of the candidate at a place; unique.
fn model_name(idx: usize) -> String {
    if idx == 17 {
        return ODD_NAME.to_owned();
    }
    let family = FAMILIES[idx % FAMILIES.len()];
    if family == "random" {
        return format!("random:rate=0.{:02},hold={}m", 5 + idx % 90, 1 + idx / 4);
    }
    format!("{family}:lookback={},threshold=0.0000{},hold={}m", 3 + idx / 4, 1 + idx % 9, 2 + idx % 13)
}

fn fill(board: &mut Board, n_rows: usize, seed: &AtomicU64) {
    let mut cards: Vec<(Row, Vec<f32>)> = (0..n_rows).map(|idx| card(idx, seed)).collect();
    cards.sort_by(|a, b| b.0.progress.unwrap_or(-9.0).total_cmp(&a.0.progress.unwrap_or(-9.0)));
    for (place, (mut row, curve)) in cards.into_iter().enumerate() {
        row.rank = place as u32 + 1;
        let n = row.episodes as f64;
        let days = row.progress.filter(|p| *p > 0.02).map(|p| (12.0 * (1.0 - p) / p).clamp(0.0, 4_000.0));
        board.outlooks.push(Arc::new(Outlook {
            ucb95_r: row.mean_r.map(|mean| mean + 2.1 / n.sqrt()).filter(|bound| *bound < 3.0),
            effective_episodes: (n > 0.0 && !row.flags.contains(&"no_slot".to_owned())).then_some((n * 0.83).round()),
            expected_days_to_decision: days,
            expected_days_low: days.map(|days| days * 0.6),
            expected_days_high: days.filter(|days| *days < 60.0).map(|days| days * 1.9),
        }));
        board.rows.push(Arc::new(row));
        board.curves.push(Arc::new(curve));
    }
    board.time = Some(UtcMicros(START + 15 * 3_600_000_000 + 42 * 60_000_000));
    board.health = Health {
        from: None,
        to: None,
        quotes: 1_204_331,
        bad_quotes: vec![("crossed".to_owned(), 3), ("out_of_order".to_owned(), 12)],
        bars: vec![
            (EPICS[0].to_owned(), "1m".to_owned(), 9_552),
            (EPICS[0].to_owned(), "10s".to_owned(), 51_903),
            (EPICS[1].to_owned(), "1m".to_owned(), 2_632),
        ],
        rounds: 56_118,
        round_micros: 612,
        is_recording: true,
        fault: None,
        notify_fault: None,
    };
    let names: Vec<ModelId> = board.rows.iter().map(|row| row.model.clone()).collect();
    for (number, (from, to, reason)) in [
        (State::Warming, State::Shadow, "its window of 30 bars is full"),
        (State::Shadow, State::Eligible, "it passed every gate"),
        (State::Eligible, State::Live, "promoted: slot 1 was free, log wealth 3.912 above the gate 3.689"),
        (State::Shadow, State::Suspended, "model returned NaN at 2014-05-01T14:02:00Z"),
        (State::Live, State::Shadow, "demoted: the evidence faded below its floor"),
        (State::Shadow, State::Retired, "it left the configuration"),
    ]
    .into_iter()
    .enumerate()
    {
        board.lifecycle.push(Arc::new(Change {
            time: UtcMicros(START + (12 + number as i64) * 1_800_000_000),
            seat: SeatIdx(number as u32),
            model: names[(number * 3) % names.len()].clone(),
            from,
            to,
            reason: reason.to_owned(),
        }));
    }
    let live = |number: i64, status: &str, profit: Option<f64>, twin: Option<f64>| LiveTradeRow {
        model: names[0].clone(),
        deal_reference: format!("demo-0001-{number:04}"),
        deal_id: Some(format!("DIAAAA{number:06}")),
        status: status.to_owned(),
        direction: if number % 2 == 0 { Direction::Long } else { Direction::Short },
        size: "0.5".parse().unwrap(),
        opened: Some(UtcMicros(START + 55_000_000_000 + number * 60_000_000)),
        open_level: Some(price(1.38676)),
        stop_level: Some(price(1.38576)),
        limit_level: Some(price(1.38876)),
        closed: profit.map(|_| UtcMicros(START + 55_000_000_000 + number * 60_000_000 + 171_000_000)),
        close_level: profit.map(|p| price(1.38676 + p / 10_000.0)),
        reason: profit.map(|p| if p > 0.0 { CloseReason::Limit } else { CloseReason::Stop }),
        profit: profit.map(money),
        twin_profit: twin.map(money),
        twin_open_level: None,
        twin_close_level: None,
        shortfall: profit.zip(twin).map(|(profit, twin)| {
            let whole = money(profit - twin);
            Shortfall { whole, slippage: whole, ..Shortfall::default() }
        }),
    };
    board.desk = DeskView {
        state: "live".to_owned(),
        reason: None,
        day_profit: money(23.75),
        net_profit: money(61.2),
        trades: vec![
            live(9, "open", None, None),
            live(8, "closed", Some(9.5), Some(10.0)),
            live(7, "closed", Some(-10.25), Some(-10.0)),
            live(6, "closed", Some(24.5), Some(25.0)),
        ],
        halted_by: None,
        breaks: vec![BreakRow {
            time: UtcMicros(START + 55_600_000_000),
            kind: BreakKind::PartialClose,
            deal_reference: "demo-0001-0007".to_owned(),
            seat: Some(SeatIdx(0)),
            model: Some(names[0].clone()),
            epic: EPICS[0].to_owned(),
            text: "0.25 of position demo-0001-0007 was closed at 1.38651 by somebody else".to_owned(),
            is_mended: true,
        }],
        shortfalls: vec![ShortfallRow {
            seat: SeatIdx(0),
            model: names[0].clone(),
            trades: 3,
            total: Shortfall {
                whole: money(-1.25),
                delay: money(-1.0),
                slippage: money(-0.25),
                ..Shortfall::default()
            },
            delay_seconds: Some(0.41),
            paper_delay_seconds: Some(0.25),
            slippage: Some(0.000_012),
            paper_slippage: Some("0.00001".parse().unwrap()),
        }],
    };
}

fn card(idx: usize, seed: &AtomicU64) -> (Row, Vec<f32>) {
    let edge = (draw(seed) - 0.55) * 0.6;
    let n_trades = if idx % 29 == 28 { 0 } else { 4 + (draw(seed) * 300.0) as u64 };
    let (mut sum, mut peak, mut drawdown, mut wins) = (0.0_f64, 0.0_f64, 0.0_f64, 0);
    let mut curve = Vec::new();
    for _ in 0..n_trades {
        let r: f64 = if draw(seed) < (1.0 + edge) / 2.0 { 1.0 } else { -1.0 };
        wins += u64::from(r > 0.0);
        sum += r;
        peak = peak.max(sum);
        drawdown = drawdown.max(peak - sum);
        curve.push(sum as f32);
    }
    curve.drain(..curve.len().saturating_sub(64));
    let n = n_trades as f64;
    let mean = (n_trades > 0).then(|| sum / n);
    let lower = mean.map(|mean| mean - 2.4 / n.sqrt());
    let progress = mean.map(|mean| (mean * mean.abs() * n / 7.4).clamp(-0.4, 1.4));
    let state = match (progress, idx) {
        (None, _) => State::Warming,
        (_, 11) => State::Suspended,
        (_, 13) => State::Retired,
        (Some(p), _) if p > 1.2 => State::Live,
        (Some(p), _) if p >= 1.0 => State::Eligible,
        _ => State::Shadow,
    };
    let opened = UtcMicros(START + 56_000_000_000);
    let is_open = idx.is_multiple_of(3) && n_trades > 0 && state != State::Retired;
    let model = model_name(idx);
    let ticket_name = model.split(':').next().unwrap_or_default().to_owned();
    let row = Row {
        rank: 0,
        model: model.as_str().into(),
        ticket: format!("{ticket_name}@0#{:08x}", (idx as u32 + 1).wrapping_mul(2_654_435_761)),
        epic: EPICS[idx % EPICS.len()].to_owned(),
        state,
        episodes: n_trades,
        wins,
        net_profit: money(sum * 10.0 - n * 0.12),
        currency: "GBP".to_owned(),
        mean_r: mean,
        lcb95_r: lower,
        log10_e: progress.map(|p| p * 3.2),
        progress,
        max_drawdown_r: drawdown,
        profit_factor: (wins < n_trades).then(|| wins as f64 / (n_trades - wins) as f64),
        win_rate: (n_trades > 0).then(|| wins as f64 / n),
        exposure: (n_trades > 0).then(|| draw(seed) * 0.6),
        open_position: is_open.then(|| PositionRow {
            direction: if idx.is_multiple_of(2) { Direction::Long } else { Direction::Short },
            size: Size::from_micros(1_000_000),
            opened,
            open_level: price(1.3867),
            stop_level: price(1.3857),
            limit_level: price(1.3887),
            deadline: UtcMicros(opened.0 + 180_000_000),
        }),
        flags: match idx % 11 {
            4 => vec!["no_slot".to_owned()],
            7 if idx > 20 => vec!["floor_breach".to_owned(), "override".to_owned()],
            _ => Vec::new(),
        },
        statistics: (n_trades > 0).then(|| Statistics {
            slot: Some(idx as u32),
            days: Some(12.4),
            active_days: 9,
            episodes_per_day: Some(n / 12.4),
            sd_r: Some(1.0),
            sharpe: mean,
            dsr: mean.map(|mean| (0.5 + mean).clamp(0.0, 1.0)),
            decay: Some(1.4),
            decay_limit: 500.0,
            ..Statistics::default()
        }),
    };
    (row, curve)
}

impl Control for DemoControl {
    fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board.read().unwrap())
    }

    fn trades(&self, model: String) -> BoxFuture<'_, Result<Vec<TradeRow>, ControlError>> {
        Box::pin(ready(self.find(&model).map(|(row, _)| self.made_up_trades(&row))))
    }

    fn predictions(&self, model: String, last: usize) -> BoxFuture<'_, Result<Vec<PredictionRow>, ControlError>> {
        Box::pin(ready(self.find(&model).map(|(row, _)| {
            let n = 240_i64.min(last as i64);
            let end = self.board().time.unwrap_or(UtcMicros(START)).0;
            (0..n)
                .map(|number| {
                    let (wave, came) = ((number as f64 * 0.7).sin(), (number as f64 * 1.9).cos());
                    let signal = if wave > 0.5 { Some(Direction::Long) } else { None };
                    PredictionRow {
                        model: row.model.clone(),
                        ticket: row.ticket.clone(),
                        epic: row.epic.clone(),
                        time: UtcMicros(end - (n - number) * 60_000_000),
                        signal: signal.filter(|_| number % 9 != 4),
                        acted: signal.is_some() && number % 9 == 0,
                        abstained: number % 9 == 4,
                        y_pred: Some(1.0 + wave * 2e-4),
                        distance: Some(0.000_4 + wave.abs() * 1e-4),
                        y_true: (number + 3 < n).then_some(1.0 + (wave + 2.0 * came) * 2e-4),
                    }
                })
                .collect()
        })))
    }

    fn explain(&self, model: String) -> BoxFuture<'_, Result<Explanation, ControlError>> {
        let at_least = |gate: &str, value: Option<f64>, limit: f64| {
            let missing = value.map(|value| (limit - value).max(0.0));
            let verdict = match missing {
                None => Verdict::Unknown,
                Some(missing) if missing > 0.0 => Verdict::Fail,
                Some(_) => Verdict::Pass,
            };
            GateVerdict { gate: gate.to_owned(), value, limit: Some(limit), verdict, missing }
        };
        let passed = |gate: &str, value: f64, limit: Option<f64>| GateVerdict {
            gate: gate.to_owned(),
            value: Some(value),
            limit,
            verdict: Verdict::Pass,
            missing: Some(0.0),
        };
        Box::pin(ready(self.find(&model).map(|(row, _)| Explanation {
            model: row.model.clone(),
            state: row.state,
            gates: vec![
                at_least("G1 evidence", row.progress.map(|progress| progress * 3.689), 3.689),
                at_least("G2 episodes", Some(row.episodes as f64), 100.0),
                at_least("G3 days", Some(12.4), 20.0),
                at_least("G4 active days", Some(9.0), 10.0),
                passed("G5 drawdown", row.max_drawdown_r, None),
                at_least("G6 deflated sharpe", None, 0.95),
                passed("G7 decay", 1.4, Some(500.0)),
                at_least("G8 family bound", row.lcb95_r, 0.0),
                passed("G10 faults", 0.0, Some(0.0)),
            ],
            expected_days_to_decision: Some(8.6),
            expected_days_low: Some(6.0),
            expected_days_high: Some(14.0),
            breaks: self.board().desk.breaks.clone(),
        })))
    }

    fn model(&self, model: String) -> BoxFuture<'_, Result<ModelView, ControlError>> {
        Box::pin(ready(self.find(&model).map(|(row, curve)| {
            ModelView {
                content_hash: "5f".repeat(32),
                generation: 0,
                registered: Some(UtcMicros(START)),
                settings: [
                    ("kind", "momentum"),
                    ("lookback", "3"),
                    ("threshold", "0.00003"),
                    ("bar", "1m"),
                    ("stop", "10"),
                    ("limit", "20"),
                    ("hold", "3m"),
                    ("size", "1"),
                    ("direction", "both"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
                lifecycle: self
                    .board()
                    .lifecycle
                    .iter()
                    .filter(|change| change.model == row.model)
                    .map(|change| (**change).clone())
                    .collect(),
                curve: (*curve).clone(),
                live: self.board().desk.trades_of(&row.model),
                shortfall: self.board().desk.shortfalls.iter().find(|of| of.model == row.model).cloned(),
                nearness: Some(Nearness {
                    max_distance: 0.000_52,
                    predictions: 9_120,
                    abstentions: 3_711,
                    share: Some(0.407),
                    training_share: Some(0.4),
                }),
                lineage: Some(Lineage {
                    reference: "knn-eurusd@3".to_owned(),
                    kind: "knn".to_owned(),
                    artefact: "a7".repeat(32),
                    card: "models/knn-eurusd/3/card.toml".to_owned(),
                    symbol: "EURUSD=X".to_owned(),
                    bar: "1m".to_owned(),
                    horizon_bars: 3,
                    data: vec![DataOrigin {
                        name: "yahoo/EURUSD=X/1m".to_owned(),
                        sha256: "c4".repeat(32),
                        range: "9982 bars from 2014-04-01T00:00:00Z to 2014-04-11T21:00:00Z".to_owned(),
                    }],
                    max_distance: Some(0.000_52),
                    training_abstentions: Some(0.4),
                }),
                row: (*row).clone(),
            }
        })))
    }

    fn bars(&self, model: String, last: usize) -> BoxFuture<'_, Result<BarsView, ControlError>> {
        let end = self.board().time.unwrap_or(UtcMicros(START)).0;
        Box::pin(ready(self.find(&model).map(|(row, _)| {
            let bar = |back: i64| {
                let start = UtcMicros(end - (back + 1) * 60_000_000);
                let at: Vec<f64> = (0..6).map(|part| level(UtcMicros(start.0 + part * 12_000_000))).collect();
                let high = at.iter().copied().fold(f64::MIN, f64::max);
                let low = at.iter().copied().fold(f64::MAX, f64::min);
                let (bid, offer) = (|mid: f64| price(mid - 0.000_05), |mid: f64| price(mid + 0.000_05));
                BarRow {
                    start,
                    end: UtcMicros(end - back * 60_000_000),
                    bid_open: bid(at[0]),
                    bid_high: bid(high),
                    bid_low: bid(low),
                    bid_close: bid(at[5]),
                    offer_open: offer(at[0]),
                    offer_high: offer(high),
                    offer_low: offer(low),
                    offer_close: offer(at[5]),
                    quotes: 57,
                }
            };
            let bars = (0..900.min(last as i64)).rev().map(bar).collect();
            BarsView { epic: row.epic.clone(), resolution: "1m".to_owned(), bars }
        })))
    }

    fn equity(&self, model: String) -> BoxFuture<'_, Result<EquityView, ControlError>> {
        Box::pin(ready(self.find(&model).map(|(row, _)| {
            let (mut r, mut peak, mut net_profit) = (0.0, 0.0_f64, Money::ZERO);
            let trades = self.made_up_trades(&row);
            let points = (1..).zip(&trades).map(|(trade, closed)| {
                r += closed.r;
                peak = peak.max(r);
                net_profit += closed.profit;
                EquityPoint { time: closed.closed, trade, r, net_profit, drawdown_r: peak - r }
            });
            EquityView { trades: trades.len() as u64, points: points.collect() }
        })))
    }

    fn decisions(&self, model: Option<String>, last: usize) -> BoxFuture<'_, Result<Vec<DecisionRow>, ControlError>> {
        let board = self.board();
        let known = model.map_or(Ok(None), |name| self.find(&name).map(|(row, _)| Some(row.model.clone())));
        Box::pin(ready(known.map(|model| {
            let row = |(seq, change): (u64, &Arc<Change>)| DecisionRow {
                seq,
                time: change.time,
                kind: format!("{:?}", change.to).to_lowercase(),
                by: if seq % 2 == 0 { "operator" } else { "episode" }.to_owned(),
                model: Some(change.model.to_string()),
                from: Some(change.from),
                to: Some(change.to),
                reason: change.reason.clone(),
                episodes: (seq > 1).then_some(40 + seq),
                missed: if seq % 3 == 0 { vec!["G3 days".to_owned()] } else { Vec::new() },
                prev: format!("{seq:064x}"),
                hash: format!("{:064x}", seq + 1),
                is_signed: true,
            };
            let all = (0..).zip(&board.lifecycle).map(row);
            let mut rows: Vec<DecisionRow> = all
                .filter(|row| model.is_none() || row.model.as_deref() == model.as_ref().map(ModelId::as_str))
                .collect();
            rows.drain(..rows.len().saturating_sub(last));
            rows
        })))
    }

    fn feed(&self, last: usize) -> BoxFuture<'_, Result<FeedView, ControlError>> {
        if self.board().rows.is_empty() {
            return Box::pin(ready(Ok(FeedView::default())));
        }
        let gap = |minute: i64, reason: &str| GapRow {
            from: UtcMicros(START + minute * 60_000_000),
            to: UtcMicros(START + minute * 60_000_000 + 187_000_000),
            epics: EPICS.map(str::to_owned).to_vec(),
            reason: reason.to_owned(),
        };
        let mut gaps = vec![gap(212, "the connection to the stream was lost"), gap(702, "no answer <b>in time</b>")];
        gaps.drain(..gaps.len().saturating_sub(last));
        let note = |minute: i64, kind: &str, text: &str| NoteRow {
            time: Some(UtcMicros(START + minute * 60_000_000)),
            kind: kind.to_owned(),
            text: text.to_owned(),
        };
        let notes = vec![
            note(0, "configured", "configuration 5f5f5f5f5f5f is in force"),
            note(1, "warmed_up", "windows began with 30 bars of yahoo/EURUSD=X/1m"),
            note(842, "suspended", &format!("{ODD_NAME}: its model predicted something that is not finite")),
        ];
        Box::pin(ready(Ok(FeedView { gaps, notes, since: None })))
    }

    fn audit(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, ControlError>> {
        Box::pin(ready(Ok(vec![serde_json::json!({ "seq": 0, "previous": "00", "hash": "ab" })])))
    }

    fn command(&self, command: Command) -> BoxFuture<'_, Result<Done, ControlError>> {
        let answer = match &command {
            Command::Promote { model, is_override: false, .. } => self
                .find(model.as_str())
                .and_then(|_| Err(ControlError::Refused(format!("{model} misses G2 lower bound and G4 days")))),
            Command::Promote { model, .. } | Command::Demote { model, .. } | Command::Retire { model, .. } => {
                self.find(model.as_str()).map(|_| Done::default())
            }
            Command::Halt { .. } => Ok(Done { changes: Vec::new(), notes: vec!["1 live position closed".to_owned()] }),
            Command::Resume { .. } => Err(ControlError::Unavailable("the store is full".to_owned())),
            Command::OpenBudget { .. } | Command::Reload => Ok(Done::default()),
        };
        if answer.is_ok() {
            self.commands.lock().unwrap().push(command);
        }
        Box::pin(ready(answer))
    }
}

/// Runs `promtool` and fails with what it says; where it is not installed, says that this was skipped.
pub(crate) fn promtool(arguments: &[&str], input: Option<&str>) {
    use std::io::Write as _;
    use std::process::{Command as Process, Stdio};
    let spawned = Process::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: promtool is not installed");
            return;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
}
