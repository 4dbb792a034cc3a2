//! Who deals for the desk, and who remembers it: the venue of this process, or a broker outside.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::{OpenError, Settlement};
use crate::broker::{Broker, DealStatus, DealingRules};
use crate::config::Config;
use crate::desk::{DeskContext, Journal};
use crate::domain::{EpicIdx, Market, Tick};
use crate::sim::venue::Venue;
use crate::store::entry::{DeskEntry, SessionEntry};

/// The record of the account that the desk's book is of; empty: the venue of this process.
pub(super) const ACCOUNT: &str = "account";

/// The record of the dealing rules as they were last read.
pub(super) const RULES: &str = "rules";

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
    /// Whose money: what is open on one account is not looked for on another.
    pub account: String,
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
    ///
    /// # Errors
    /// [`OpenError::Configuration`] where something is still open on another account.
    pub fn deal_outside(&mut self, outside: Outside) -> Result<(), OpenError> {
        self.dealt_by(&outside.account)?;
        outside.broker.adopt(self.desk.dealt());
        self.outside = Some(outside);
        Ok(())
    }

    /// Has the venue of this process deal: before the first round.
    ///
    /// # Errors
    /// [`OpenError::Configuration`] where something is still open on an account outside.
    pub fn deal_inside(&mut self) -> Result<(), OpenError> {
        self.dealt_by("")
    }

    fn dealt_by(&mut self, account: &str) -> Result<(), OpenError> {
        if self.account == account {
            return Ok(());
        }
        let name =
            |account: &str| if account.is_empty() { "the venue of the arena itself" } else { account }.to_owned();
        if let Some(deal) =
            self.desk.dealt().iter().find(|deal| matches!(deal.status, DealStatus::Open | DealStatus::Pending))
        {
            return Err(OpenError::Configuration(format!(
                "deal {} is open at {}, and this configuration deals at {}: close it there first, or name another \
                 [arena] data folder",
                deal.reference,
                name(&self.account),
                name(account)
            )));
        }
        account.clone_into(&mut self.account);
        self.commit.records.push((ACCOUNT.to_owned(), self.account.clone().into_bytes()));
        Ok(())
    }

    /// Takes the dealing rules as the broker tells them, market by market in the order of the configuration. What is
    /// another rule than when they were last read is journalled and returned, a sentence each.
    pub fn on_rules(&mut self, rules: Vec<DealingRules>) -> Vec<String> {
        let time = self.head.time.unwrap_or_default();
        let mut sentences = Vec::new();
        for DealingRules { market, told } in &rules {
            let Some(known) = self.rules.insert(market.epic.to_string(), told.clone()) else { continue };
            let value = |rules: &[(String, String)], rule: &str| {
                rules.iter().find(|(name, _)| name == rule).map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let gone = known.iter().filter(|(rule, _)| told.iter().all(|(other, _)| other != rule));
            for (rule, _) in told.iter().chain(gone) {
                let (was, is) = (value(&known, rule), value(told, rule));
                if was != is {
                    sentences.push(format!("{}: {rule} was {was:?} and is {is:?}", market.epic));
                    let (epic, rule) = (market.epic.clone(), rule.clone());
                    self.session(&SessionEntry::Ruled { time, epic, rule, was, is });
                }
            }
        }
        self.live_markets = Arc::new(rules.into_iter().map(|rules| rules.market).collect());
        let bytes = serde_json::to_vec(&self.rules).expect("texts are plain JSON");
        self.commit.records.push((RULES.to_owned(), bytes));
        sentences
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
