//! One candidate at work: its model, its paper book, its running score, and the entries it has yet to hand in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Bar, Candidate, DirectionFilter, Episode, Market, ModelId, Order, Prediction, SeatIdx, StreamIdx, UtcMicros,
};
use crate::flow::{DealTicket, LedgerSummary, Round};
use crate::ledger::{Book, Event, FundingClock, Score, Terms};
use crate::models::{BarContext, Model};
use crate::store::entry::{Fault, Refusal, SeatEntry, encode};

/// A model and its paper ledger.
pub struct Seat {
    idx: SeatIdx,
    id: ModelId,
    stream: StreamIdx,
    direction: DirectionFilter,
    predict_every: u64,
    terms: Terms,
    records_predictions: bool,
    model: Box<dyn Model>,
    state: SeatState,
    clock: FundingClock,
    outbox: Outbox,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("idx", &self.idx).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Everything of a seat that a restart must bring back, bit for bit. Models keep no state beyond their window, which
/// comes with the bars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SeatState {
    book: Book,
    score: Score,
    /// The first bar seen.
    first: Option<(u64, UtcMicros)>,
    /// The last bar seen: number and end.
    last: Option<(u64, UtcMicros)>,
    is_warm: bool,
    fault: Option<Fault>,
    is_retired: bool,
}

/// What a seat did and has not handed in yet. Rounds are counted within the slice.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outbox {
    entries: Vec<u8>,
    episodes: Vec<(u32, Episode)>,
    tickets: Vec<(u32, DealTicket)>,
    flat: Vec<(u32, bool)>,
    warmed: Option<u32>,
    fault: Option<(u32, Fault)>,
}

/// What a seat did in a slice. Rounds are counted from the beginning of the slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatReport {
    /// Whose.
    pub seat: SeatIdx,
    /// Canonical entries for its lane.
    pub entries: Vec<u8>,
    /// Episodes that ended, with the round in which they did.
    pub episodes: Vec<(u32, Episode)>,
    /// Orders that were made.
    pub tickets: Vec<(u32, DealTicket)>,
    /// Where it became flat (`true`) or ceased to be.
    pub flat: Vec<(u32, bool)>,
    /// The round in which its window was full for the first time.
    pub warmed: Option<u32>,
    /// The round in which it was suspended.
    pub fault: Option<(u32, Fault)>,
}

impl Seat {
    /// A seat of `candidate`, which trades on `stream` of `market`.
    #[must_use]
    pub fn new(
        idx: SeatIdx,
        stream: StreamIdx,
        candidate: &Candidate,
        market: &Market,
        model: Box<dyn Model>,
        records_predictions: bool,
    ) -> Self {
        let terms = Terms::new(candidate, market);
        let mut outbox = Outbox::default();
        encode(&terms.entry(), &mut outbox.entries);
        Self {
            idx,
            id: candidate.id.clone(),
            stream,
            direction: candidate.direction,
            predict_every: u64::from(candidate.predict_every.max(1)),
            terms,
            records_predictions,
            model,
            state: SeatState::default(),
            clock: FundingClock::default(),
            outbox,
        }
    }

    /// Its registration number.
    #[must_use]
    pub fn idx(&self) -> SeatIdx {
        self.idx
    }

    /// The stream whose bars it sees.
    #[must_use]
    pub fn stream(&self) -> StreamIdx {
        self.stream
    }

    /// The number of the last bar it has seen.
    #[must_use]
    pub fn last_bar(&self) -> Option<u64> {
        self.state.last.map(|(seq, _)| seq)
    }

    /// Takes one bar, the `round`-th of its slice: quotes through the broker, lapse, then the signal.
    ///
    /// # Panics
    /// Where its model does; the host catches that and calls [`Seat::suspend`].
    pub fn on_bar(&mut self, bar: &Bar, round: u32) {
        if self.state.fault.is_some() || self.state.is_retired {
            return;
        }
        if !self.state.book.is_flat() {
            self.through_broker(bar, round);
        }
        if !bar.is_closed {
            return;
        }
        if self.state.first.is_none() {
            self.state.first = Some((bar.seq, bar.start));
        }
        self.state.last = Some((bar.seq, bar.end));
        if self.predict_every > 1 && bar.seq % self.predict_every != 0 {
            return;
        }
        let Some(prediction) = self.model.on_bar(&BarContext { bar, mids2: &bar.mids2 }) else { return };
        if !self.state.is_warm {
            self.state.is_warm = true;
            self.outbox.warmed = Some(round);
        }
        self.decide(bar, prediction, round);
    }

    #[cold]
    fn through_broker(&mut self, bar: &Bar, round: u32) {
        let Self { state, terms, outbox, clock, idx, .. } = self;
        state.book.on_bar(bar, terms, clock, |event| match event {
            Event::Opened(position) => {
                encode(
                    &SeatEntry::Opened { after: position.opened - position.made, level: position.open_level },
                    &mut outbox.entries,
                );
            }
            Event::Closed(closing) => {
                let (x, r) = terms.outcome(closing.profit, closing.costs);
                state.score.on_closed(&closing, r);
                encode(
                    &SeatEntry::Closed {
                        after: closing.time - closing.position.opened,
                        level: closing.level,
                        reason: closing.reason,
                        profit: closing.profit,
                        costs: closing.costs,
                        x,
                        adverse: closing.position.adverse,
                        favourable: closing.position.favourable,
                    },
                    &mut outbox.entries,
                );
                let episode = Episode {
                    seat: *idx,
                    number: closing.position.deal,
                    opened: closing.position.opened,
                    closed: closing.time,
                    profit: closing.profit,
                    costs: closing.costs,
                    rho_micros: terms.risk.rho_micros,
                    x,
                };
                outbox.episodes.push((round, episode));
            }
        });
        if bar.is_closed {
            if state.book.lapse(bar.end) {
                state.score.lapsed += 1;
                encode(&SeatEntry::Lapsed, &mut outbox.entries);
            }
            state.score.mark(state.book.marked(bar, terms));
        }
        if state.book.is_flat() {
            outbox.flat.push((round, true));
        }
    }

    fn decide(&mut self, bar: &Bar, prediction: Prediction, round: u32) {
        if prediction.y_pred.is_some_and(|y| !y.is_finite()) {
            self.suspend(Fault::Nan, bar.end, round);
            return;
        }
        self.state.score.predictions += 1;
        let wanted = prediction.signal.filter(|side| self.direction.allows(*side) && self.state.book.is_flat());
        let is_acted = wanted.is_some() && self.terms.is_in_session(bar.end);
        if self.records_predictions && (prediction.y_pred.is_some() || prediction.signal.is_some()) {
            encode(&SeatEntry::Predicted { time: bar.end, prediction, is_acted }, &mut self.outbox.entries);
        }
        let Some(direction) = wanted else { return };
        if !is_acted {
            self.state.score.refused += 1;
            encode(&SeatEntry::Refused { time: bar.end, reason: Refusal::Session }, &mut self.outbox.entries);
            return;
        }
        let order = Order {
            made: bar.end,
            direction,
            from: bar.end + self.terms.costs.latency,
            until: bar.end + self.terms.bar,
            y_pred: prediction.y_pred,
        };
        self.state.book.place(order);
        encode(
            &SeatEntry::Ordered { time: bar.end, direction, y_pred: prediction.y_pred },
            &mut self.outbox.entries,
        );
        self.outbox.flat.push((round, false));
        self.outbox.tickets.push((
            round,
            DealTicket {
                seat: self.idx,
                deal: self.state.book.deals() + 1,
                made: bar.end,
                direction,
                valid_until: order.until,
                y_pred: prediction.y_pred,
            },
        ));
    }

    /// Suspends the seat where a recorded session says so.
    pub(super) fn suspend_recorded(&mut self, round: &Round, number: u32) {
        if self.state.fault.is_none() && round.suspensions.iter().any(|(model, _)| *model == self.id) {
            self.suspend(Fault::Deadline, round.time, number);
        }
    }

    /// Stops the seat for good: its ledger stays as it is, what is open stays open.
    pub fn suspend(&mut self, fault: Fault, time: UtcMicros, round: u32) {
        self.state.fault = Some(fault);
        self.outbox.fault = Some((round, fault));
        encode(&SeatEntry::Suspended { time, reason: fault }, &mut self.outbox.entries);
    }

    /// Ends the seat: its candidate was retired.
    pub fn retire(&mut self) {
        self.state.is_retired = true;
    }

    /// Hands in what happened since the last time; `None` where nothing did.
    pub fn report(&mut self) -> Option<SeatReport> {
        if self.outbox == Outbox::default() {
            return None;
        }
        let Outbox { entries, episodes, tickets, flat, warmed, fault } = std::mem::take(&mut self.outbox);
        Some(SeatReport { seat: self.idx, entries, episodes, tickets, flat, warmed, fault })
    }

    /// The paper half of its leaderboard row.
    #[must_use]
    pub fn summary(&self) -> LedgerSummary {
        let SeatState { book, score, first, last, .. } = &self.state;
        let bars = first.zip(*last).map_or(0, |((first, _), (last, _))| last - first + 1);
        LedgerSummary {
            seat: self.idx,
            trades: score.trades,
            wins: score.wins,
            net_profit: score.net_profit,
            gross_win: score.gross_win,
            gross_loss: score.gross_loss,
            costs: score.costs,
            equity: score.equity,
            max_drawdown: score.max_drawdown,
            equity_step_sd: score.step_sd(bars),
            exposure: first
                .zip(*last)
                .and_then(|((_, from), (_, now))| score.exposure(from, now, book.open_for(now))),
            lapsed: score.lapsed,
            refused: score.refused,
            predictions: score.predictions,
            position: book.position().copied(),
            curve: score.curve(),
        }
    }

    /// The bytes that [`Seat::restore`] takes.
    ///
    /// # Panics
    /// Never: the state encodes into memory.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.state).expect("a seat's state encodes into memory")
    }

    /// Goes on from a checkpoint; nothing is handed in again.
    ///
    /// # Errors
    /// Where the bytes are no checkpoint of this version.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), postcard::Error> {
        self.state = postcard::from_bytes(checkpoint)?;
        self.outbox = Outbox::default();
        Ok(())
    }
}
