//! A strategy of the user's own: a child process behind the [`Model`] trait, one line in, one line out.
//!
//! ```text
//! bar ─JSON line→ standard input        standard output ─JSON line→ prediction
//!                      └──── the child ────┘
//!                             standard error ─→ log
//! ```
//!
//! Every closed bar of the candidate's stream becomes a line ([`line`]), those before it may trade and those between two
//! predictions too, and each line is answered by one. A line that says `"warmup": true` is answered and its answer left
//! unused: that holds for the first `lookback` bars of a window. So what counts of an answer depends on `lookback + 1`
//! bars at most, and a child that was started again after a crash, and was fed those before, goes on as the first one
//! would have.
//!
//! A child that answers late, ends, or says something else ends its own seat. Its standard input closes with the arena,
//! however that ends, and it is killed where it does not heed that.

mod child;
mod line;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use self::child::{Broken, Child};
use self::line::{Answer, answer_of, line_of};
use crate::domain::{Micros, PastBar, Prediction, Resolution};
use crate::models::{BarContext, Model, ModelFault};

/// How long a replay waits for an answer: long enough for whatever comes at all, so that no result depends on the speed
/// of the machine.
const REPLAY_PATIENCE: Duration = Duration::from_secs(60);
/// How long the first answer may take in a live run: an interpreter has to start.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// What a strategy is started with.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// The candidate, for the log.
    pub model: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it is started.
    pub dir: PathBuf,
    /// The market of its bars.
    pub epic: String,
    /// The length of its bars.
    pub resolution: Resolution,
    /// Bars before the present one that an answer may rest on.
    pub lookback: u32,
    /// How long an answer may take; `None` in a replay.
    pub deadline: Option<Micros>,
}

/// A strategy at work.
#[derive(Debug)]
pub struct Process {
    strategy: Strategy,
    child: Option<Child>,
    fault: Option<ModelFault>,
    /// Bars of the present window that the child was given.
    fed: usize,
    has_answered: bool,
    /// Bars right before the first one, until that comes.
    past: Option<Vec<PastBar>>,
}

impl Process {
    /// Starts the child. Where it cannot be started, its seat is suspended at its first bar.
    #[must_use]
    pub fn start(strategy: Strategy) -> Self {
        let (child, fault) = match Child::start(&strategy) {
            Ok(child) => (Some(child), None),
            Err(error) => {
                let (model, command) = (&strategy.model, strategy.command.join(" "));
                tracing::error!(%model, %command, %error, "the strategy's process cannot be started");
                (None, Some(ModelFault::Dead))
            }
        };
        Self { strategy, child, fault, fed: 0, has_answered: false, past: Some(Vec::new()) }
    }

    /// Gives the child this bar, and those before it where it is the first; its answer where that counts.
    fn feed(&mut self, context: &BarContext<'_>) -> Option<Answer> {
        if self.fault.is_some() {
            return None;
        }
        let fed = self.feed_or_break(context);
        fed.unwrap_or_else(|broken| {
            let (model, why) = (&self.strategy.model, &broken.why);
            tracing::error!(%model, why, "the strategy's process can go on no longer");
            self.fault = Some(broken.fault);
            None
        })
    }

    fn feed_or_break(&mut self, context: &BarContext<'_>) -> Result<Option<Answer>, Broken> {
        let (bar, window) = (context.bar, context.mids2.len());
        if window <= 1 {
            self.fed = 0;
        }
        let lookback = self.strategy.lookback as usize;
        if let Some(past) = self.past.take() {
            // The window tells how many of them belong to it.
            let known = past.len().min(lookback).min(window.saturating_sub(1));
            for earlier in &past[past.len() - known..] {
                self.fed += 1;
                self.exchange(earlier, true)?;
            }
        }
        self.fed = self.fed.saturating_add(1);
        let is_warmup = self.fed <= lookback;
        let present = PastBar { start: bar.start, bid: bar.bid, offer: bar.offer, ticks: bar.ticks };
        let answer = self.exchange(&present, is_warmup)?;
        Ok(Some(answer).filter(|_| !is_warmup))
    }

    fn exchange(&mut self, bar: &PastBar, is_warmup: bool) -> Result<Answer, Broken> {
        let window = self.fed.min(self.strategy.lookback as usize + 1);
        let line = line_of(&self.strategy, bar, window, is_warmup);
        let patience = match self.strategy.deadline {
            None => REPLAY_PATIENCE,
            Some(deadline) => {
                let deadline = Duration::from_micros(u64::try_from(deadline.0).unwrap_or(0));
                if self.has_answered { deadline } else { deadline.max(FIRST_PATIENCE) }
            }
        };
        let Some(child) = &mut self.child else { return Err(Broken::dead("it has ended")) };
        let text = child.ask(&line, patience)?;
        self.has_answered = true;
        answer_of(&text).map_err(|why| Broken { fault: ModelFault::Nonsense, why })
    }
}

impl Model for Process {
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let Answer { signal, y_pred, distance } = self.feed(context)?;
        Some(Prediction { y_pred, distance, signal: signal.direction(), is_abstained: false })
    }

    fn pass(&mut self, context: &BarContext<'_>) {
        // What it says at a bar that it is not asked about is left unused.
        let _unused = self.feed(context);
    }

    fn warm(&mut self, bars: &[PastBar]) {
        if let Some(past) = &mut self.past {
            *past = bars.to_vec();
        }
    }

    fn fault(&self) -> Option<ModelFault> {
        self.fault
    }

    fn end(&mut self) {
        self.child = None;
        self.fault.get_or_insert(ModelFault::Dead);
    }
}
