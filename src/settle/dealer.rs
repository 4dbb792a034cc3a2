//! Who deals for the desk, and who remembers it: the venue of this process, or a broker outside.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::Settlement;
use crate::broker::Broker;
use crate::config::Config;
use crate::desk::{DeskContext, Journal};
use crate::domain::{EpicIdx, Market, Tick};
use crate::sim::venue::Venue;
use crate::store::entry::DeskEntry;

/// The desk's entries of a slice, until the slice's commit takes them along.
///
/// The venue lives in this process and its book is part of the same commit, so that an intent and its deal are durable
/// together or not at all; a broker outside needs a journal that flushes before it answers.
#[derive(Debug, Default)]
pub(super) struct SliceJournal(Mutex<Vec<DeskEntry>>);

impl SliceJournal {
    pub(super) fn take(&self) -> Vec<DeskEntry> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Journal for SliceJournal {
    fn write(&self, entries: Vec<DeskEntry>) -> BoxFuture<'_, Result<(), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(entries);
        ready(Ok(())).boxed()
    }
}

/// A broker outside of this process. What the desk sends to it cannot be taken back, so that its journal flushes before
/// it answers.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Who deals.
    pub broker: Arc<dyn Broker>,
    /// Who remembers, at once.
    pub journal: Arc<dyn Journal>,
}

/// What a call of the desk works with, held apart from the settlement that it is a part of.
pub(super) struct Ends {
    config: Arc<Config>,
    venue: Arc<Venue>,
    outside: Option<Outside>,
    markets: Arc<Vec<Market>>,
}

impl Ends {
    /// Shows a quote to the venue; a broker outside has its own.
    pub(super) fn hook(&self) -> impl Fn(EpicIdx, &Tick) + Send + Sync + '_ {
        |epic, tick| {
            if self.outside.is_none() {
                self.venue.on_quote(&self.config.market(epic).epic, tick);
            }
        }
    }

    pub(super) fn context<'a>(
        &'a self,
        gathering: &'a SliceJournal,
        before_quote: &'a (dyn Fn(EpicIdx, &Tick) + Send + Sync + 'a),
    ) -> DeskContext<'a> {
        let (broker, journal): (&dyn Broker, &dyn Journal) = match &self.outside {
            Some(outside) => (&*outside.broker, &*outside.journal),
            None => (&*self.venue, gathering),
        };
        let (arena, risk) = (&self.config.arena.name, &self.config.risk);
        DeskContext { arena, markets: &self.markets, risk, broker, journal, before_quote }
    }
}

impl Settlement {
    pub(super) fn ends(&self) -> Ends {
        Ends {
            config: Arc::clone(&self.config),
            venue: Arc::clone(&self.venue),
            outside: self.outside.clone(),
            markets: Arc::clone(&self.live_markets),
        }
    }

    /// Has a broker outside deal from here on: before the first round. What our book has goes to it.
    pub fn deal_outside(&mut self, outside: Outside) {
        outside.broker.adopt(self.desk.dealt());
        self.outside = Some(outside);
    }

    /// The rules that live dealing is held to, market by market in the order of the configuration: those of the
    /// configuration or stricter.
    pub fn set_live_markets(&mut self, markets: Vec<Market>) {
        self.live_markets = Arc::new(markets);
    }

    /// Live alone: time has passed without a round. What is due is closed, what is in doubt is looked up, the books are
    /// compared. Returns what the desk journalled.
    pub async fn on_time(&mut self, now: crate::domain::UtcMicros) -> Vec<DeskEntry> {
        if self.desk.is_quiet() {
            return Vec::new();
        }
        let ends = self.ends();
        let hook = ends.hook();
        let written = self.desk.on_time(now, &ends.context(&self.journal, &hook)).await;
        self.note_breaks(&written);
        written
    }
}
