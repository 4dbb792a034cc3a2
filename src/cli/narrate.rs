//! What the demo tells while it goes on: live deals as they open and close, and now and then who is ahead.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::domain::{CloseReason, Money, Price, UtcMicros};
use crate::flow::{Board, LiveTradeRow};

/// More closed deals than this at once are told in one line.
const CLOSED_MAX: usize = 3;
/// Boards between two words on who is ahead.
const AHEAD_EVERY: u32 = 10;

/// Remembers what it has told.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    boards: u32,
    statuses: BTreeMap<String, String>,
}

impl Narrator {
    /// What is new on `board`, as lines; empty where nothing is.
    pub(super) fn tell(&mut self, board: &Board) -> String {
        let mut text = String::new();
        let is_news = |trade: &&LiveTradeRow| self.statuses.get(&trade.deal_reference) != Some(&trade.status);
        let news: Vec<&LiveTradeRow> = board.desk.trades.iter().rev().filter(is_news).collect();
        let closed: Vec<&LiveTradeRow> = news.iter().copied().filter(|trade| trade.status == "closed").collect();
        let is_burst = closed.len() > CLOSED_MAX;
        if is_burst {
            burst(&mut text, &closed);
        }
        for trade in news {
            match trade.status.as_str() {
                "closed" if !is_burst => closing(&mut text, trade),
                "open" => opening(&mut text, trade),
                // On its way: what becomes of it is told when it is known.
                _ => {}
            }
            self.statuses.insert(trade.deal_reference.clone(), trade.status.clone());
        }
        if self.boards.is_multiple_of(AHEAD_EVERY) {
            ahead(&mut text, board);
        }
        self.boards += 1;
        text
    }
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("strings take what is written to them");
    text.push('\n');
}

/// To the second: nobody reads on.
fn clock(time: Option<UtcMicros>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |UtcMicros(micros)| UtcMicros(micros - micros.rem_euclid(1_000_000)).to_string(),
    )
}

fn level(price: Option<Price>) -> String {
    price.map_or_else(|| "-".to_owned(), |price| price.to_string())
}

fn money(sum: Option<Money>) -> String {
    sum.map_or_else(|| "-".to_owned(), |sum| format!("{:+.2}", sum.as_f64()))
}

fn burst(text: &mut String, closed: &[&LiveTradeRow]) {
    let live: Money = closed.iter().filter_map(|trade| trade.profit).sum();
    let twins: Money = closed.iter().filter_map(|trade| trade.twin_profit).sum();
    let last = clock(closed.iter().filter_map(|trade| trade.closed).max());
    let (n, live, twins) = (closed.len(), money(Some(live)), money(Some(twins)));
    line(text, format_args!("{last}  live: {n} deals closed, {live}; their paper twins {twins}"));
}

fn closing(text: &mut String, trade: &LiveTradeRow) {
    line(
        text,
        format_args!(
            "{}  live: {} {} closed at {} ({}), {}; its paper twin {}",
            clock(trade.closed),
            trade.direction.word(),
            trade.size,
            level(trade.close_level),
            trade.reason.map_or("-", CloseReason::word),
            money(trade.profit),
            money(trade.twin_profit),
        ),
    );
}

fn opening(text: &mut String, trade: &LiveTradeRow) {
    line(
        text,
        format_args!(
            "{}  live: {} {} opened at {}, stop {}, limit {}",
            clock(trade.opened),
            trade.direction.word(),
            trade.size,
            level(trade.open_level),
            level(trade.stop_level),
            level(trade.limit_level),
        ),
    );
}

fn ahead(text: &mut String, board: &Board) {
    let Some(best) = board.rows.first() else { return };
    if board.time.is_none() {
        return;
    }
    let mean = best.mean_r.map_or_else(|| "-".to_owned(), |r| format!("{r:+.2} R"));
    let gate = best.progress.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    line(
        text,
        format_args!(
            "{}  ahead: {} ({}), {} episodes, mean {mean}, gate {gate}",
            clock(board.time),
            best.model,
            best.state.word(),
            best.episodes,
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Direction;
    use crate::flow::DeskView;

    fn trade(number: u32, status: &str) -> LiveTradeRow {
        let is_closed = status == "closed";
        LiveTradeRow {
            model: "m".into(),
            deal_reference: format!("d-{number}"),
            deal_id: None,
            status: status.to_owned(),
            direction: Direction::Long,
            size: "0.5".parse().unwrap(),
            opened: Some("2025-01-07T03:09:01.5Z".parse().unwrap()),
            open_level: Some("1.25".parse().unwrap()),
            stop_level: Some("1.2496".parse().unwrap()),
            limit_level: Some("1.2504".parse().unwrap()),
            closed: is_closed.then(|| "2025-01-07T03:11:01.5Z".parse().unwrap()),
            close_level: is_closed.then(|| "1.2504".parse().unwrap()),
            reason: is_closed.then_some(CloseReason::Limit),
            profit: is_closed.then(|| "2".parse().unwrap()),
            twin_profit: is_closed.then(|| "2".parse().unwrap()),
            twin_open_level: is_closed.then(|| "1.2499".parse().unwrap()),
            twin_close_level: is_closed.then(|| "1.2519".parse().unwrap()),
            shortfall: None,
        }
    }

    fn board(trades: Vec<LiveTradeRow>) -> Board {
        Board { desk: DeskView { trades, ..DeskView::default() }, ..Board::default() }
    }

    #[test]
    fn each_step_of_a_deal_is_told_once() {
        let mut narrator = Narrator::default();
        assert_eq!(narrator.tell(&board(vec![trade(1, "sent")])), "");
        let opened = "2025-01-07T03:09:01Z  live: long 0.5 opened at 1.25, stop 1.2496, limit 1.2504\n";
        assert_eq!(narrator.tell(&board(vec![trade(1, "open")])), opened);
        assert_eq!(narrator.tell(&board(vec![trade(1, "open")])), "");
        let closed = "2025-01-07T03:11:01Z  live: long 0.5 closed at 1.2504 (limit), +2.00; its paper twin +2.00\n";
        assert_eq!(narrator.tell(&board(vec![trade(1, "closed")])), closed);
        assert_eq!(narrator.tell(&board(vec![trade(1, "closed")])), "");
    }

    #[test]
    fn a_burst_is_one_line() {
        let mut narrator = Narrator::default();
        let mut trades: Vec<LiveTradeRow> = (0..9).map(|number| trade(number, "closed")).collect();
        trades.insert(0, trade(9, "open"));
        let told = narrator.tell(&board(trades));
        let want = "2025-01-07T03:11:01Z  live: 9 deals closed, +18.00; their paper twins +18.00\n\
                    2025-01-07T03:09:01Z  live: long 0.5 opened at 1.25, stop 1.2496, limit 1.2504\n";
        assert_eq!(told, want);
    }
}
