//! Outages while they last: what the board and the connection to IG show, held against what they showed before. Their
//! traces in the journal come at their end, if at all.

use std::time::Duration;

use super::event::Event;
use crate::config::NotifyEvent;
use crate::domain::UtcMicros;
use crate::flow::Board;
use crate::telemetry::ig::Link;

/// A shorter one is told by nobody: sockets are cut and mended every night.
const OUTAGE_MIN: Duration = Duration::from_secs(30);
/// Requests in a row that have to fail as well.
const UNANSWERED_MIN: u32 = 3;

/// What is out of order.
#[derive(Debug, Default)]
pub(super) struct Watch {
    stream: Spell,
    requests: Spell,
    is_unrecorded: bool,
}

/// One thing that is down or not.
#[derive(Debug, Default)]
struct Spell {
    is_told: bool,
    longest: Duration,
}

impl Spell {
    /// `Some(true)` when it has lasted long enough to be told, `Some(false)` when one that was told is over.
    fn look(&mut self, down_for: Option<Duration>) -> Option<bool> {
        match down_for {
            Some(down) => {
                self.longest = down;
                let is_news = !self.is_told && down >= OUTAGE_MIN;
                self.is_told |= is_news;
                is_news.then_some(true)
            }
            None => std::mem::take(&mut self.is_told).then_some(false),
        }
    }

    fn seconds(&self) -> u64 {
        self.longest.as_secs()
    }
}

impl Watch {
    /// What began or ended since the last look. `now` is the event time of what IG does: no round comes while it is away.
    pub(super) fn look(&mut self, now: UtcMicros, board: &Board, link: &Link) -> Vec<Event> {
        let mut events = Vec::new();
        let mut tell = |summary: &str, reason: String| {
            events.push(Event::new(NotifyEvent::Outage, now, summary, reason));
        };
        match self.stream.look(link.stream_down_for) {
            Some(true) => tell("IG's stream is down", format!("no prices since {} s", self.stream.seconds())),
            Some(false) => tell("IG's stream is back", format!("after {} s", self.stream.seconds())),
            None => {}
        }
        let unanswered = link.unanswered_for.filter(|_| link.unanswered >= UNANSWERED_MIN || self.requests.is_told);
        match self.requests.look(unanswered) {
            Some(true) => {
                let why = format!("{} requests in {} s were not answered", link.unanswered, self.requests.seconds());
                tell("IG cannot be reached", why);
            }
            Some(false) => tell("IG answers again", format!("after {} s", self.requests.seconds())),
            None => {}
        }
        if let Some(fault) = board.health.fault.as_ref().filter(|_| !self.is_unrecorded) {
            self.is_unrecorded = true;
            let (time, summary) = (board.time.unwrap_or(now), "the store records no more and live dealing is halted");
            events.push(Event::new(NotifyEvent::Outage, time, summary, fault.clone()));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_when_it_lasts_and_once_when_it_ends() {
        let mut watch = Watch::default();
        let mut board = Board::default();
        let mut look = |board: &Board, stream: Option<u64>, unanswered: Option<(u64, u32)>| {
            let link = Link {
                stream_down_for: stream.map(Duration::from_secs),
                unanswered_for: unanswered.map(|(seconds, _)| Duration::from_secs(seconds)),
                unanswered: unanswered.map_or(0, |(_, n)| n),
            };
            let events = watch.look(UtcMicros(5), board, &link);
            events.into_iter().map(|event| format!("{}: {}", event.summary, event.reason)).collect::<Vec<_>>()
        };
        assert!(look(&board, Some(29), Some((300, 2))).is_empty());
        assert!(look(&board, None, None).is_empty(), "a short one is nothing");
        assert_eq!(look(&board, Some(31), None), ["IG's stream is down: no prices since 31 s"]);
        assert!(look(&board, Some(90), None).is_empty());
        assert_eq!(look(&board, None, None), ["IG's stream is back: after 90 s"]);
        let want = ["IG cannot be reached: 3 requests in 40 s were not answered"];
        assert_eq!(look(&board, None, Some((40, 3))), want);
        assert_eq!(look(&board, None, None), ["IG answers again: after 40 s"]);
        board.health.fault = Some("only 3 MB free".to_owned());
        assert_eq!(look(&board, None, None), ["the store records no more and live dealing is halted: only 3 MB free"]);
        assert!(look(&board, None, None).is_empty());
    }
}
