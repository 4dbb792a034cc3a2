//! One candidate at work: its model, its paper book, its running score, and the entries it has yet to hand in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Bar, Candidate, DirectionFilter, Episode, Market, ModelId, Money, Order, PastBar, Prediction, SeatIdx, StreamIdx,
    UtcMicros,
};
use crate::flow::{DealTicket, LedgerSummary, Round};
use crate::ledger::{Book, Closing, Event, FundingClock, Score, Terms};
use crate::models::{BarContext, Model, ModelFault, Predictor};
use crate::store::entry::{Fault, Refusal, SeatEntry, encode, encode_seat};

/// A model and its paper ledger.
///
/// What every bar touches lies together in two cache lines; the ledger, which only a trade touches, lies apart.
pub struct Seat {
    model: Predictor,
    predict_every: u64,
    predictions: u64,
    /// The last bar seen: number and end.
    last: Option<(u64, UtcMicros)>,
    idx: SeatIdx,
    stream: StreamIdx,
    direction: DirectionFilter,
    records_predictions: bool,
    /// Neither suspended nor retired.
    is_active: bool,
    /// The book holds neither an order nor a position.
    is_flat: bool,
    is_warm: bool,
    /// Active, warm, predicting at every bar and recording no predictions: a bar without a signal changes next to
    /// nothing.
    is_plain: bool,
    /// A recorded session says that it is suspended at its next bar, after the quotes.
    doom: Option<Fault>,
    paper: Box<Paper>,
}

/// The ledger of a seat and what it has yet to hand in.
struct Paper {
    id: ModelId,
    terms: Terms,
    book: Book,
    score: Score,
    /// The first bar seen.
    first: Option<(u64, UtcMicros)>,
    fault: Option<Fault>,
    is_retired: bool,
    /// Predictions that the nearness gate kept from a stance.
    abstentions: u64,
    /// What was bought and sold in closed trades, in the currency.
    turnover: f64,
    /// Whether what is open is told at every close: evidence by rounds asks for it.
    tells_marks: bool,
    clock: FundingClock,
    outbox: Outbox,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("idx", &self.idx).field("model", &self.paper.id).finish_non_exhaustive()
    }
}

/// Everything of a seat that a restart must bring back, bit for bit. Models keep no state beyond their window, which
/// comes with the bars.
#[derive(Debug, Serialize, Deserialize)]
struct SeatState {
    book: Book,
    score: Score,
    first: Option<(u64, UtcMicros)>,
    last: Option<(u64, UtcMicros)>,
    predictions: u64,
    is_warm: bool,
    fault: Option<Fault>,
    is_retired: bool,
    abstentions: u64,
    turnover: f64,
}

/// What a seat did and has not handed in yet. Rounds are counted within the slice.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outbox {
    entries: Vec<u8>,
    episodes: Vec<(u32, Episode)>,
    tickets: Vec<(u32, DealTicket)>,
    flat: Vec<(u32, bool)>,
    marks: Vec<(u32, Mark)>,
    warmed: Option<u32>,
    fault: Option<(u32, Fault)>,
}

/// What an open position stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When the position was opened; of one that has just been closed, the close of the bar.
    pub opened: UtcMicros,
    /// What closing it at the bar's close would bring, slippage left out; zero when flat.
    pub profit: Money,
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
    /// With rounds for outcomes alone: what was open, at each close at which anything was or had just been.
    pub marks: Vec<(u32, Mark)>,
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
        model: Predictor,
        records_predictions: bool,
    ) -> Self {
        let terms = Terms::new(candidate, market);
        let mut outbox = Outbox::default();
        encode(&terms.entry(), &mut outbox.entries);
        Self {
            model,
            predict_every: u64::from(candidate.predict_every.max(1)),
            predictions: 0,
            last: None,
            idx,
            stream,
            direction: candidate.direction,
            records_predictions,
            is_active: true,
            is_flat: true,
            is_warm: false,
            is_plain: false,
            doom: None,
            paper: Box::new(Paper {
                id: candidate.id.clone(),
                terms,
                book: Book::default(),
                score: Score::default(),
                first: None,
                fault: None,
                is_retired: false,
                abstentions: 0,
                turnover: 0.0,
                tells_marks: false,
                clock: FundingClock::default(),
                outbox,
            }),
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

    /// Whether it has neither an order nor a position.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.is_flat
    }

    /// The number of the last bar it has seen.
    #[must_use]
    pub fn last_bar(&self) -> Option<u64> {
        self.last.map(|(seq, _)| seq)
    }

    /// Takes one bar where nothing comes of it, by far the most frequent case, and says whether that was so; where it
    /// was not, nothing has changed. What it leaves behind is what [`Seat::on_bar`] would.
    #[inline]
    pub(super) fn on_idle_bar(&mut self, context: &BarContext<'_>) -> bool {
        let bar = context.bar;
        let is_idle = self.is_plain && self.is_flat && bar.is_closed && self.model.is_silent(context.mids2);
        if is_idle {
            self.last = Some((bar.seq, bar.end));
            self.predictions += 1;
        }
        is_idle
    }

    /// Takes one bar, the `round`-th of its slice: quotes through the broker, lapse, then the signal.
    ///
    /// # Panics
    /// Where its model does; the block catches that and calls [`Seat::suspend`].
    pub fn on_bar(&mut self, context: &BarContext<'_>, round: u32) {
        let bar = context.bar;
        if !self.is_active {
            return;
        }
        if !self.is_flat {
            self.is_flat = self.paper.through_broker(self.idx, bar, round);
        }
        if !bar.is_closed {
            return;
        }
        if self.last.is_none() {
            self.paper.first = Some((bar.seq, bar.start));
        }
        self.last = Some((bar.seq, bar.end));
        if let Some(fault) = self.doom.take() {
            self.suspend(fault, bar.end, round);
            return;
        }
        if self.predict_every > 1 && !bar.seq.is_multiple_of(self.predict_every) {
            self.model.pass(context);
            self.heed_fault(bar, round);
            return;
        }
        // By reference: moving the answer would read back at once, in one piece, what was just written in two.
        let answer = self.model.on_bar(context);
        let Some(prediction) = &answer else {
            self.heed_fault(bar, round);
            return;
        };
        if !self.is_warm {
            self.is_warm = true;
            self.paper.outbox.warmed = Some(round);
            self.note_plain();
        }
        if prediction.y_pred.is_some_and(|y| !y.is_finite()) {
            self.suspend(Fault::Nan, bar.end, round);
            return;
        }
        self.predictions += 1;
        if prediction.is_abstained {
            self.paper.abstentions += 1;
        }
        if self.records_predictions || (self.is_flat && prediction.signal.is_some()) {
            self.decide(bar, prediction, round);
        }
    }

    /// Tells what is open at every close from here on: evidence by rounds marks it to market.
    pub fn tell_marks(&mut self) {
        self.paper.tells_marks = true;
    }

    /// Learns of the bars that closed right before the first one that it will be given.
    pub fn warm(&mut self, bars: &[PastBar]) {
        self.model.warm(bars);
    }

    /// Learns of the bars that the windows of its stream began with, where this round is the first of it.
    pub(super) fn begin_after(&mut self, round: &Round) {
        if let Some(warmup) = round.warmups.iter().find(|warmup| warmup.stream == self.stream) {
            self.warm(&warmup.bars);
        }
    }

    /// Suspends the seat where its model says that it can go on no longer.
    #[inline]
    fn heed_fault(&mut self, bar: &Bar, round: u32) {
        if let Some(fault) = self.model.fault() {
            self.suspend(fault_of(fault), bar.end, round);
        }
    }

    fn note_plain(&mut self) {
        self.is_plain = self.is_active && self.is_warm && self.predict_every == 1 && !self.records_predictions;
    }

    fn decide(&mut self, bar: &Bar, prediction: &Prediction, round: u32) {
        let wanted = prediction.signal.filter(|side| self.is_flat && self.direction.allows(*side));
        let paper = &mut *self.paper;
        let is_acted = wanted.is_some() && paper.terms.is_in_session(bar.end);
        let entries = &mut paper.outbox.entries;
        if self.records_predictions && (prediction.y_pred.is_some() || prediction.signal.is_some()) {
            let (time, prediction) = (bar.end, *prediction);
            let entry = if prediction.distance.is_some() || prediction.is_abstained {
                SeatEntry::Estimated { time, prediction, is_acted }
            } else {
                SeatEntry::Predicted { time, prediction, is_acted }
            };
            encode(&entry, entries);
        }
        let Some(direction) = wanted else { return };
        if !is_acted {
            paper.score.refused += 1;
            encode(&SeatEntry::Refused { time: bar.end, reason: Refusal::Session }, entries);
            return;
        }
        let y_pred = prediction.y_pred;
        let order = Order {
            made: bar.end,
            direction,
            from: bar.end + paper.terms.costs.latency,
            until: bar.end + paper.terms.bar,
            y_pred,
        };
        paper.book.place(order);
        self.is_flat = false;
        encode_seat(&SeatEntry::Ordered { time: bar.end, direction, y_pred }, entries);
        paper.outbox.flat.push((round, false));
        let deal = paper.book.deals() + 1;
        let ticket = DealTicket { seat: self.idx, deal, made: bar.end, direction, valid_until: order.until, y_pred };
        paper.outbox.tickets.push((round, ticket));
    }

    /// Suspends the seat where a recorded session says so.
    pub(super) fn suspend_recorded(&mut self, round: &Round, number: u32) {
        let mut told = round.suspensions.iter().filter(|(model, _)| *model == self.paper.id);
        let Some((_, reason)) = told.next().filter(|_| self.is_active) else { return };
        match Fault::of_sentence(reason) {
            // It was lost with its thread, and the quotes of this round with it.
            Fault::Deadline => self.suspend(Fault::Deadline, round.time, number),
            fault => self.doom = Some(fault),
        }
    }

    /// Stops the seat for good: its ledger stays as it is, what is open stays open.
    #[cold]
    pub fn suspend(&mut self, fault: Fault, time: UtcMicros, round: u32) {
        self.is_active = false;
        self.note_plain();
        self.paper.fault = Some(fault);
        self.paper.outbox.fault = Some((round, fault));
        self.model.end();
        encode(&SeatEntry::Suspended { time, reason: fault }, &mut self.paper.outbox.entries);
    }

    /// Ends the seat: its candidate was retired.
    pub fn retire(&mut self) {
        self.is_active = false;
        self.note_plain();
        self.paper.is_retired = true;
        self.model.end();
    }

    /// Hands in what happened since the last time; `None` where nothing did.
    pub fn report(&mut self) -> Option<SeatReport> {
        let outbox = &mut self.paper.outbox;
        let is_silent = outbox.entries.is_empty() && outbox.flat.is_empty() && outbox.marks.is_empty();
        if is_silent && outbox.warmed.is_none() {
            return None;
        }
        Some(SeatReport {
            seat: self.idx,
            entries: hand_over(&mut outbox.entries),
            episodes: hand_over(&mut outbox.episodes),
            tickets: hand_over(&mut outbox.tickets),
            flat: hand_over(&mut outbox.flat),
            marks: hand_over(&mut outbox.marks),
            warmed: outbox.warmed.take(),
            fault: outbox.fault.take(),
        })
    }

    /// The paper half of its leaderboard row.
    #[must_use]
    pub fn summary(&self) -> LedgerSummary {
        let Paper { book, score, first, .. } = &*self.paper;
        let bars = first.zip(self.last).map_or(0, |((first, _), (last, _))| last - first + 1);
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
                .zip(self.last)
                .and_then(|((_, from), (_, now))| score.exposure(from, now, book.open_for(now))),
            lapsed: score.lapsed,
            refused: score.refused,
            predictions: self.predictions,
            abstentions: self.paper.abstentions,
            turnover: self.paper.turnover,
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
        let paper = &*self.paper;
        let state = SeatState {
            book: paper.book,
            score: paper.score.clone(),
            first: paper.first,
            last: self.last,
            predictions: self.predictions,
            is_warm: self.is_warm,
            fault: paper.fault,
            is_retired: paper.is_retired,
            abstentions: paper.abstentions,
            turnover: paper.turnover,
        };
        postcard::to_stdvec(&state).expect("a seat's state encodes into memory")
    }

    /// Goes on from a checkpoint; nothing is handed in again.
    ///
    /// # Errors
    /// Where the bytes are no checkpoint of this version.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), postcard::Error> {
        // One that was written before turnover, or abstentions too, were counted ends where their numbers would begin.
        let older = |missing: &[u8]| postcard::from_bytes(&[checkpoint, missing].concat()).ok();
        let state: SeatState =
            postcard::from_bytes(checkpoint).or_else(|error| older(&[0; 8]).or_else(|| older(&[0; 9])).ok_or(error))?;
        self.is_active = state.fault.is_none() && !state.is_retired;
        if !self.is_active {
            self.model.end();
        }
        self.is_flat = state.book.is_flat();
        (self.last, self.predictions, self.is_warm) = (state.last, state.predictions, state.is_warm);
        self.note_plain();
        let paper = &mut *self.paper;
        (paper.book, paper.score, paper.first) = (state.book, state.score, state.first);
        (paper.fault, paper.is_retired, paper.abstentions) = (state.fault, state.is_retired, state.abstentions);
        paper.turnover = state.turnover;
        paper.outbox = Outbox::default();
        Ok(())
    }
}

fn fault_of(fault: ModelFault) -> Fault {
    match fault {
        ModelFault::Late => Fault::Late,
        ModelFault::Dead => Fault::Dead,
        ModelFault::Nonsense => Fault::Nonsense,
        ModelFault::Absent => Fault::Absent,
    }
}

/// Copies the items out and keeps the memory: the next slice brings about as many, and growing again from nothing would
/// copy them several times.
fn hand_over<T: Copy>(items: &mut Vec<T>) -> Vec<T> {
    let copy = items.as_slice().to_vec();
    items.clear();
    copy
}

impl Paper {
    /// Sends a bar through the paper broker; whether the book is flat afterwards.
    fn through_broker(&mut self, seat: SeatIdx, bar: &Bar, round: u32) -> bool {
        let Self { terms, book, score, clock, outbox, turnover, tells_marks, .. } = self;
        book.on_bar(bar, terms, clock, |event| match event {
            Event::Opened(position) => {
                let after = position.opened - position.made;
                encode_seat(&SeatEntry::Opened { after, level: position.open_level }, &mut outbox.entries);
            }
            Event::Closed(closing) => {
                let Closing { position, time, level, reason, profit, costs } = closing;
                let (x, r) = terms.outcome(profit, costs);
                score.on_closed(&closing, r);
                *turnover += terms.notional(position.open_level) + terms.notional(level);
                let entry = SeatEntry::Closed {
                    after: time - position.opened,
                    level,
                    reason,
                    profit,
                    costs,
                    x,
                    adverse: position.adverse,
                    favourable: position.favourable,
                };
                encode_seat(&entry, &mut outbox.entries);
                let episode = Episode {
                    seat,
                    number: position.deal,
                    made: position.made,
                    opened: position.opened,
                    closed: time,
                    open_level: position.open_level,
                    close_level: level,
                    profit,
                    costs,
                    rho_micros: terms.risk.rho_micros,
                    x,
                };
                outbox.episodes.push((round, episode));
            }
        });
        if bar.is_closed {
            if book.lapse(bar.end) {
                score.lapsed += 1;
                encode(&SeatEntry::Lapsed, &mut outbox.entries);
            }
            let profit = book.marked(bar, terms);
            score.mark(profit);
            if *tells_marks {
                let opened = book.position().map_or(bar.end, |position| position.opened);
                outbox.marks.push((round, Mark { opened, profit }));
            }
        }
        let is_flat = book.is_flat();
        if is_flat {
            outbox.flat.push((round, true));
        }
        is_flat
    }
}
