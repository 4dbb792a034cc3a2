//! Fan-out: one slice to every host, all their reports back, and what to do about a host that does not answer.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, Arbiter};
use futures_util::future::join_all;

use super::host::{Host, RunSlice};
use super::{Block, BlockReport, SharedSeat, Wants};
use crate::domain::SeatIdx;
use crate::flow::Slice;

/// Why a slice was not run.
#[derive(Debug, thiserror::Error)]
pub enum FanOutError {
    /// A model actor ended; its panic boundary did not hold.
    #[error("a model actor ended by itself: its ledgers can no longer be trusted")]
    HostGone,
}

/// What all hosts handed in, and the seats that had to be left behind.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Reports ordered by seat, summaries and checkpoints of every seat where wanted.
    pub report: BlockReport,
    /// Seats whose model was still busy with a live round after its deadline: they are suspended, their threads left
    /// to themselves.
    pub stuck: Vec<SeatIdx>,
}

/// Every host, on the arbiters that run them.
#[derive(Debug)]
pub struct FanOut {
    hosts: Vec<HostSeat>,
    arbiters: Vec<Arbiter>,
    deadline: Option<Duration>,
}

#[derive(Debug)]
struct HostSeat {
    addr: Addr<Host>,
    block: Block,
    /// The block's seats by registration number, so that a stuck one can be named without its lock.
    seats: Vec<SeatIdx>,
}

fn start_host(block: Block, arbiter: &Arbiter) -> HostSeat {
    let seats = block.seats().iter().map(|seat| seat.lock().unwrap_or_else(PoisonError::into_inner).idx()).collect();
    let for_actor = block.clone();
    let addr = Host::start_in_arbiter(&arbiter.handle(), move |_| Host::new(for_actor));
    HostSeat { addr, block, seats }
}

impl FanOut {
    /// Hosts of at most `seats_per_host` seats, spread over `n_arbiters` threads. With a `deadline` rounds are live.
    #[must_use]
    pub fn start(seats: &[SharedSeat], seats_per_host: usize, n_arbiters: usize, deadline: Option<Duration>) -> Self {
        let arbiters = (0..n_arbiters.max(1)).map(|_| Arbiter::new()).collect();
        let mut fan_out = Self { hosts: Vec::new(), arbiters, deadline };
        fan_out.add(seats, seats_per_host);
        fan_out
    }

    /// Starts hosts for more seats.
    pub fn add(&mut self, seats: &[SharedSeat], seats_per_host: usize) {
        for chunk in seats.chunks(seats_per_host.max(1)) {
            let arbiter = &self.arbiters[self.hosts.len() % self.arbiters.len()];
            self.hosts.push(start_host(Block::new(chunk.to_vec()), arbiter));
        }
    }

    /// Runs a slice over every seat and waits for all of them.
    ///
    /// Live, a host that makes no headway for a whole deadline has its seats taken away: the one at work is suspended,
    /// the others go on in a new host on a new thread, from where they were.
    ///
    /// # Errors
    /// [`FanOutError::HostGone`].
    pub async fn run(&mut self, slice: &Arc<Slice>, wants: Wants) -> Result<Gathered, FanOutError> {
        let mut gathered = Gathered::default();
        let mut waiting: Vec<usize> = (0..self.hosts.len()).collect();
        while !waiting.is_empty() {
            let asked = join_all(waiting.iter().map(|&at| self.ask(at, slice, wants))).await;
            let mut again = Vec::new();
            for (&at, answer) in waiting.iter().zip(asked) {
                match answer? {
                    Some(report) => {
                        gathered.report.reports.extend(report.reports);
                        gathered.report.summaries.extend(report.summaries);
                        gathered.report.checkpoints.extend(report.checkpoints);
                    }
                    None => again.push(at),
                }
            }
            for &at in &again {
                gathered.stuck.extend(self.take_over(at));
            }
            waiting = again;
        }
        gathered.report.reports.sort_by_key(|report| report.seat);
        gathered.report.summaries.sort_by_key(|summary| summary.seat);
        gathered.report.checkpoints.sort_by_key(|(seat, _)| *seat);
        gathered.stuck.sort_unstable();
        Ok(gathered)
    }

    /// The host's report; `None` where it is stuck.
    async fn ask(&self, at: usize, slice: &Arc<Slice>, wants: Wants) -> Result<Option<BlockReport>, FanOutError> {
        let host = &self.hosts[at];
        let run = RunSlice { slice: Arc::clone(slice), wants, is_live: self.deadline.is_some() };
        let answer = host.addr.send(run);
        let Some(deadline) = self.deadline else {
            return answer.await.ok().flatten().map(Some).ok_or(FanOutError::HostGone);
        };
        tokio::pin!(answer);
        let mut seen = host.block.progress().look();
        loop {
            match tokio::time::timeout(deadline, &mut answer).await {
                Ok(Ok(report)) => return Ok(report),
                Ok(Err(_)) => return Err(FanOutError::HostGone),
                Err(_) => {
                    let now = host.block.progress().look();
                    if now == seen {
                        return Ok(None);
                    }
                    seen = now;
                }
            }
        }
    }

    /// Moves the seats of a host that does not answer to a new one on a new thread, but for the one that its thread is
    /// stuck in. A host that is only behind a stuck one on the same thread loses none.
    fn take_over(&mut self, at: usize) -> Option<SeatIdx> {
        let host = &self.hosts[at];
        host.block.progress().abandon();
        let stuck = host.block.progress().look().1.filter(|&place| Block::is_busy(&host.block.seats()[place]));
        let seats = host.block.seats().iter().enumerate();
        let healthy = seats.filter(|(place, _)| Some(*place) != stuck).map(|(_, seat)| Arc::clone(seat)).collect();
        let stuck = stuck.map(|place| host.seats[place]);
        let arbiter = Arbiter::new();
        let block = Block::new(healthy);
        self.hosts[at] = start_host(block, &arbiter);
        self.arbiters.push(arbiter);
        stuck
    }

    /// Ends the threads once their hosts are done; a stuck one is left behind.
    pub fn stop(&self) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}
