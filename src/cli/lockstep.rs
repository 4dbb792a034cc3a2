//! The simulator's time and the arena's in step: the venue goes on when the arena has worked off what it was told.
//!
//! A deal in flight so never meets a price from later than it would have met at IG, however fast the rest goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::run::SILENCE_MAX;
use crate::clock::ManualClock;
use crate::domain::{Micros, UtcMicros};
use crate::feed::{BadCounts, Feed, FeedError, FeedEvent};
use crate::sim::ig::Handle;

/// How far the venue goes in one step while nobody is live.
const HISTORY_STEP: Micros = Micros(30_000_000);

/// How far it goes in one step while somebody is: what a deal may be late by, beside the paper's own latency.
const LIVE_STEP: Micros = Micros(250_000);

/// The longest wait for the arena: beyond it the stream was cut, and goes on by itself.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The shortest sleep: steps of less are made up for together.
const NAP: Duration = Duration::from_millis(4);

/// A feed that tells how far its quotes have been worked off: asking for more says so.
#[derive(Debug)]
pub(super) struct Acknowledged {
    inner: Box<dyn Feed>,
    given: UtcMicros,
    seen: watch::Sender<UtcMicros>,
}

impl Acknowledged {
    pub(super) fn new(inner: Box<dyn Feed>) -> (Self, watch::Receiver<UtcMicros>) {
        let (seen, told) = watch::channel(UtcMicros(i64::MIN));
        (Self { inner, given: UtcMicros(i64::MIN), seen }, told)
    }
}

impl Feed for Acknowledged {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        if *self.seen.borrow() < self.given {
            self.seen.send_replace(self.given);
        }
        Box::pin(async move {
            let event = self.inner.next().await?;
            if let Some(FeedEvent::Quotes(block)) = &event
                && let Some(last) = block.last_time()
            {
                self.given = self.given.max(last);
            }
            Ok(event)
        })
    }

    fn bad_quotes(&self) -> &BadCounts {
        self.inner.bad_quotes()
    }

    fn progress(&self) -> Option<f64> {
        self.inner.progress()
    }

    fn skip(&mut self, accepted_per_epic: &[u64]) -> Result<(), FeedError> {
        self.inner.skip(accepted_per_epic)
    }

    fn is_whole(&self) -> bool {
        self.inner.is_whole()
    }
}

/// Moves the venue's time.
#[derive(Debug)]
pub(super) struct Lockstep {
    pub(super) sim: Arc<Handle>,
    /// What the arena takes for the time: that of the venue once everything before it was worked off.
    pub(super) clock: Arc<ManualClock>,
    pub(super) seen: watch::Receiver<UtcMicros>,
    /// Whether a candidate has gone live.
    pub(super) has_live: Arc<AtomicBool>,
    /// Venue seconds in one second from then on.
    pub(super) speed: f64,
}

impl Lockstep {
    /// Goes on for as long as the arena does.
    pub(super) async fn run(mut self) {
        let mut due = Instant::now();
        loop {
            let is_live = self.has_live.load(Ordering::Relaxed);
            let now = self.sim.now();
            let mut step = if is_live { LIVE_STEP } else { HISTORY_STEP };
            let silence = self.sim.next_quote().map_or(Micros(0), |next| next - now);
            if silence > SILENCE_MAX {
                // A weekend is passed over.
                step = silence;
            } else if is_live {
                due = due.max(Instant::now() - NAP * 4) + Duration::from_secs_f64(step.as_secs_f64() / self.speed);
                if due > Instant::now() + NAP {
                    tokio::time::sleep_until(due).await;
                }
            }
            self.sim.advance(step);
            // Prices are stamped with milliseconds.
            let last = self.sim.last_quote().map_or(UtcMicros(i64::MIN), |last| UtcMicros(last.0 / 1_000 * 1_000));
            match tokio::time::timeout(WAIT_MAX, self.seen.wait_for(|seen| *seen >= last)).await {
                Ok(Ok(_)) => {}
                // The feed is gone, and with it the arena.
                Ok(Err(_)) => return,
                Err(_) => tracing::debug!("the arena has not seen all quotes"),
            }
            self.clock.set(self.sim.now());
        }
    }
}
