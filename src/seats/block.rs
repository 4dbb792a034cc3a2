//! A block of seats run over a slice on one thread: the work of a model actor, free of the actor library.
//!
//! In replay the block is walked bar by bar across its seats, since consecutive bars of one model depend on each other
//! and those of neighbouring models do not. Live, each seat is locked by itself, so that when one blocks, the director
//! can take the others away from the stuck thread.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Seat, SeatReport};
use crate::domain::{SeatIdx, StreamIdx};
use crate::flow::{LedgerSummary, Slice};
use crate::models::BarContext;
use crate::store::entry::Fault;

/// A seat that its host and, in need, the director may reach.
pub type SharedSeat = Arc<Mutex<Seat>>;

/// What else a block hands in beside its reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The summaries of all its seats.
    pub summaries: bool,
    /// The checkpoints of all its seats.
    pub checkpoints: bool,
}

/// What a block hands in after a slice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockReport {
    /// Of the seats that have anything to say, in the block's order.
    pub reports: Vec<SeatReport>,
    /// Of every seat, where wanted.
    pub summaries: Vec<LedgerSummary>,
    /// Of every seat, where wanted.
    pub checkpoints: Vec<(SeatIdx, Vec<u8>)>,
}

/// How far a block has come with a live round, for a director that waits for it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Counts seats begun, one up for each.
    begun: AtomicU64,
    /// One more than the place of the seat at work; 0: none.
    at_work: AtomicU64,
    is_abandoned: AtomicBool,
}

impl Progress {
    /// Seats begun so far, and the place of the one at work.
    #[must_use]
    pub fn look(&self) -> (u64, Option<usize>) {
        let at_work = self.at_work.load(Ordering::SeqCst);
        (self.begun.load(Ordering::SeqCst), usize::try_from(at_work).ok().and_then(|at| at.checked_sub(1)))
    }

    /// Tells a stuck thread that its seats were taken away: it stops at the next seat and reports nothing.
    pub fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::SeqCst);
    }
}

/// Seats that run together on one thread, ordered by stream, then registration.
#[derive(Clone, Debug)]
pub struct Block {
    seats: Arc<[SharedSeat]>,
    progress: Arc<Progress>,
}

/// A panic while a guard is held is caught inside of it, so a poisoned lock has nothing to tell.
fn lock(seat: &SharedSeat) -> MutexGuard<'_, Seat> {
    seat.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Block {
    /// A block of these seats.
    #[must_use]
    pub fn new(mut seats: Vec<SharedSeat>) -> Self {
        seats.sort_by_key(|seat| {
            let seat = lock(seat);
            (seat.stream(), seat.idx())
        });
        Self { seats: seats.into(), progress: Arc::default() }
    }

    /// Its seats.
    #[must_use]
    pub fn seats(&self) -> &[SharedSeat] {
        &self.seats
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Whether `seat` is locked by a thread at this moment.
    #[must_use]
    pub fn is_busy(seat: &SharedSeat) -> bool {
        matches!(seat.try_lock(), Err(std::sync::TryLockError::WouldBlock))
    }

    /// Runs a slice as fast as it can, bar by bar across the seats.
    #[must_use]
    pub fn run(&self, slice: &Slice, wants: Wants) -> BlockReport {
        let mut guards: Vec<MutexGuard<'_, Seat>> = self.seats.iter().map(lock).collect();
        let mut walk = Walk::default();
        // The panic boundary: the walk says where it was, that seat is suspended, and the walk goes on behind it.
        while catch_unwind(AssertUnwindSafe(|| walk.go_on(&mut guards, slice))).is_err() {
            let bar = &slice.rounds[walk.round].bars[walk.bar];
            guards[walk.seat].suspend(Fault::Panic, bar.end, round_number(walk.round));
            walk.seat += 1;
        }
        hand_in(guards.iter_mut().map(|guard| &mut **guard), wants)
    }

    /// Runs live rounds, each seat locked by itself; `None` once the block was abandoned. Bars that a seat has seen
    /// are left out, so that a block that takes over a round goes on where the stuck one was.
    #[must_use]
    pub fn run_live(&self, slice: &Slice, wants: Wants) -> Option<BlockReport> {
        for (at, seat) in self.seats.iter().enumerate() {
            if self.progress.is_abandoned.load(Ordering::SeqCst) {
                return None;
            }
            self.progress.at_work.store(at as u64 + 1, Ordering::SeqCst);
            self.progress.begun.fetch_add(1, Ordering::SeqCst);
            let mut seat = lock(seat);
            let stream = seat.stream();
            for (number, round) in slice.rounds.iter().enumerate() {
                seat.suspend_recorded(round, round_number(number));
                seat.begin_after(round);
                for bar in round.bars.iter().filter(|bar| bar.stream == stream) {
                    if seat.last_bar().is_some_and(|last| bar.seq <= last) {
                        continue;
                    }
                    if catch_unwind(AssertUnwindSafe(|| {
                        seat.on_bar(&BarContext { bar, mids2: &bar.mids2 }, round_number(number))
                    }))
                    .is_err()
                    {
                        seat.suspend(Fault::Panic, bar.end, round_number(number));
                    }
                }
            }
        }
        self.progress.at_work.store(0, Ordering::SeqCst);
        if self.progress.is_abandoned.load(Ordering::SeqCst) {
            return None;
        }
        let mut guards: Vec<MutexGuard<'_, Seat>> = self.seats.iter().map(lock).collect();
        Some(hand_in(guards.iter_mut().map(|guard| &mut **guard), wants))
    }
}

fn round_number(at: usize) -> u32 {
    u32::try_from(at).expect("a slice holds at most 1,024 rounds")
}

fn hand_in<'a>(seats: impl Iterator<Item = &'a mut Seat>, wants: Wants) -> BlockReport {
    let mut report = BlockReport::default();
    for seat in seats {
        report.reports.extend(seat.report());
        if wants.summaries {
            report.summaries.push(seat.summary());
        }
        if wants.checkpoints {
            report.checkpoints.push((seat.idx(), seat.checkpoint()));
        }
    }
    report
}

/// The places of the seats of a stream; most blocks have one stream alone.
fn of_stream(seats: &[MutexGuard<'_, Seat>], stream: StreamIdx) -> Range<usize> {
    if let [first, .., last] = seats
        && first.stream() == stream
        && last.stream() == stream
    {
        return 0..seats.len();
    }
    let from = seats.partition_point(|seat| seat.stream() < stream);
    from..seats.partition_point(|seat| seat.stream() <= stream)
}

/// A place in the walk over rounds, their bars and the seats of each bar's stream.
#[derive(Debug, Default)]
struct Walk {
    round: usize,
    bar: usize,
    seat: usize,
    is_inside: bool,
}

impl Walk {
    /// Walks on from its place to the end of the slice; a panic leaves the place where it struck.
    fn go_on(&mut self, seats: &mut [MutexGuard<'_, Seat>], slice: &Slice) {
        while let Some(round) = slice.rounds.get(self.round) {
            if !self.is_inside && self.bar == 0 && !(round.suspensions.is_empty() && round.warmups.is_empty()) {
                for seat in seats.iter_mut() {
                    seat.suspend_recorded(round, round_number(self.round));
                    seat.begin_after(round);
                }
            }
            while let Some(bar) = round.bars.get(self.bar) {
                let of_stream = of_stream(seats, bar.stream);
                if !self.is_inside {
                    self.seat = of_stream.start;
                    self.is_inside = true;
                }
                let number = round_number(self.round);
                let context = BarContext { bar, mids2: &bar.mids2 };
                let from = self.seat;
                for (place, seat) in (from..).zip(&mut seats[from..of_stream.end]) {
                    if !seat.on_idle_bar(&context) {
                        self.seat = place;
                        seat.on_bar(&context, number);
                    }
                }
                self.is_inside = false;
                self.bar += 1;
            }
            self.bar = 0;
            self.round += 1;
        }
    }
}
