//! What is told: entries of the journal and outages as events, in words.

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::NotifyEvent;
use crate::domain::UtcMicros;
use crate::flow::{Board, Change, State};
use crate::store::entry::{DeskEntry, SessionEntry};

/// Something to tell. Texts are empty where they say nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// What kind of thing.
    pub event: NotifyEvent,
    /// Event time.
    pub time: UtcMicros,
    /// It in a few words, without a full stop.
    pub summary: String,
    /// Why, as it was journalled.
    pub reason: String,
    /// The candidate.
    pub model: String,
    /// The market.
    pub market: String,
    /// The state before.
    pub from: String,
    /// The state after.
    pub to: String,
    /// Money and evidence that belong to it.
    pub amounts: String,
}

impl Event {
    /// One about no candidate and no market.
    #[must_use]
    pub fn new(event: NotifyEvent, time: UtcMicros, summary: impl Into<String>, reason: impl Into<String>) -> Self {
        let (summary, reason) = (summary.into(), reason.into());
        let nothing = String::new;
        Self {
            event,
            time,
            summary,
            reason,
            model: nothing(),
            market: nothing(),
            from: nothing(),
            to: nothing(),
            amounts: nothing(),
        }
    }

    /// Of a lifecycle change; `None` where nobody waits to hear of it, such as a window that is full.
    #[must_use]
    pub fn of_change(change: &Change) -> Option<Self> {
        let model = &change.model;
        let (event, summary) = match (change.from, change.to) {
            (_, State::Live) => (NotifyEvent::Promotion, format!("{model} trades live")),
            (_, State::Eligible) => (NotifyEvent::Eligible, format!("{model} has passed every gate")),
            (_, State::Retired) => (NotifyEvent::Retirement, format!("{model} is retired")),
            (_, State::Suspended) => (NotifyEvent::Suspension, format!("{model} is suspended")),
            (State::Live, _) => (NotifyEvent::Demotion, format!("{model} trades live no more")),
            (State::Eligible, _) => (NotifyEvent::Eligible, format!("{model} is eligible no more")),
            _ => return None,
        };
        Some(Self {
            model: model.to_string(),
            from: change.from.word().to_owned(),
            to: change.to.word().to_owned(),
            ..Self::new(event, change.time, summary, &change.reason)
        })
    }

    /// Of what the desk journalled; `None` for the deals themselves.
    #[must_use]
    pub fn of_desk(entry: &DeskEntry) -> Option<Self> {
        Some(match entry {
            DeskEntry::Halted { time, reason } => Self::new(NotifyEvent::Halt, *time, "live dealing is halted", reason),
            DeskEntry::Resumed { time, reason } => {
                Self::new(NotifyEvent::Resume, *time, "live dealing goes on", reason)
            }
            DeskEntry::Broken { time, kind, epic, text, is_mended, .. } => {
                let end = if *is_mended { "mended" } else { "live dealing is halted" };
                let summary = format!("our book and the broker's differed: {}, {end}", kind.word());
                Self { market: epic.to_string(), ..Self::new(NotifyEvent::Break, *time, summary, text) }
            }
            DeskEntry::WrittenOff { time, reference, reason } => {
                Self::new(NotifyEvent::Break, *time, format!("live deal {reference} was written off"), reason)
            }
            _ => return None,
        })
    }

    /// Of what the session journalled; `epics` are the names behind its lanes of quotes.
    #[must_use]
    pub fn of_session(entry: &SessionEntry, epics: &[String]) -> Option<Self> {
        let SessionEntry::Gap { from, to, epics: lanes, reason, .. } = entry else { return None };
        let names: Vec<&str> =
            lanes.iter().filter_map(|lane| epics.get(usize::from(*lane))).map(String::as_str).collect();
        let market = names.join(", ");
        let summary = match names.len() {
            0..=3 => format!("quotes of {market} are missing"),
            more => format!("quotes of {more} markets are missing"),
        };
        let why = format!("from {from} to {to}: {reason}");
        Some(Self { market, ..Self::new(NotifyEvent::Outage, *to, summary, why) })
    }

    /// With the money and evidence that `board` knows of it.
    #[must_use]
    pub fn with_amounts(mut self, board: &Board) -> Self {
        let mut amounts = String::new();
        if let Some(row) = board.rows.iter().find(|row| row.model.as_str() == self.model) {
            let mean = row.mean_r.map_or_else(String::new, |mean| format!(", {mean:.3} R each"));
            write!(amounts, "paper: {} {} in {} episodes{mean}", row.net_profit, row.currency, row.episodes)
                .expect("strings take what is written to them");
        }
        let is_live = matches!(
            self.event,
            NotifyEvent::Halt
                | NotifyEvent::Resume
                | NotifyEvent::Break
                | NotifyEvent::Promotion
                | NotifyEvent::Demotion
        );
        if is_live {
            let currency = board.rows.first().map_or("", |row| row.currency.as_str());
            let (day, all) = (board.desk.day_profit, board.desk.net_profit);
            let comma = if amounts.is_empty() { "" } else { "; " };
            write!(amounts, "{comma}live: {day} {currency} today, {all} {currency} in all")
                .expect("strings take what is written to them");
        }
        self.amounts = amounts;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SeatIdx;

    #[test]
    fn changes_are_told_by_what_they_mean() {
        let told = |from, to| {
            let change =
                Change { time: UtcMicros(1), seat: SeatIdx(0), model: "m".into(), from, to, reason: "why".to_owned() };
            Event::of_change(&change).map(|event| event.event)
        };
        for (from, to, want) in [
            (State::Warming, State::Shadow, None),
            (State::Shadow, State::Eligible, Some(NotifyEvent::Eligible)),
            (State::Eligible, State::Shadow, Some(NotifyEvent::Eligible)),
            (State::Eligible, State::Live, Some(NotifyEvent::Promotion)),
            (State::Live, State::Shadow, Some(NotifyEvent::Demotion)),
            (State::Live, State::Retired, Some(NotifyEvent::Retirement)),
            (State::Live, State::Suspended, Some(NotifyEvent::Suspension)),
            (State::Warming, State::Retired, Some(NotifyEvent::Retirement)),
        ] {
            assert_eq!(told(from, to), want, "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn a_gap_names_its_markets_and_times() {
        let gap = SessionEntry::Gap {
            from: UtcMicros(0),
            to: UtcMicros(60_000_000),
            epics: vec![1],
            quotes: Vec::new(),
            reason: "no connection to the stream".to_owned(),
        };
        let event = Event::of_session(&gap, &["A".to_owned(), "B".to_owned()]).expect("it is told");
        assert_eq!(event.summary, "quotes of B are missing");
        assert_eq!(event.reason, "from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z: no connection to the stream");
    }
}
