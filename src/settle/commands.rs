//! What operators ask of a settlement between two slices.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Settlement;
use crate::broker::Broker;
use crate::config::Config;
use crate::control::{Command, ControlError, Done};
use crate::desk::{DeskContext, LiveRight};
use crate::domain::{SeatIdx, UtcMicros};
use crate::flow::{Change, Round};
use crate::models::ModelFactory;
use crate::seats::SharedSeat;
use crate::store::Lane;
use crate::store::entry::{SessionEntry, encode};

impl Settlement {
    /// Does what an operator asks; the caller commits and flushes before it answers.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn command(&mut self, command: &Command) -> Result<Done, ControlError> {
        // A kill switch is never refused; what judges evidence needs some.
        let is_switch = matches!(command, Command::Halt { .. } | Command::Resume { .. });
        let time = match self.head.time {
            Some(time) => time,
            None if is_switch => UtcMicros::default(),
            None => return Err(ControlError::Refused("no bar has closed yet".to_owned())),
        };
        let sentence = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "by the operator".to_owned());
        let mut notes = Vec::new();
        let changes = match command {
            Command::Promote { model, reason, is_override } => {
                let (seat, name) = self.named(model.as_str())?;
                let is_flat = self.is_flat[seat.0 as usize];
                let changes = self.promoter.promote(&name, time, reason.as_deref(), *is_override, is_flat)?;
                if changes.is_empty() {
                    notes.push(format!("{name} is in a position: it goes live as soon as it is flat"));
                }
                changes
            }
            Command::Demote { model, reason } => {
                self.promoter.demote(&self.named(model.as_str())?.1, time, reason.as_deref())?
            }
            Command::Retire { model, reason } => {
                self.promoter.retire(&self.named(model.as_str())?.1, time, reason.as_deref())?
            }
            Command::Halt { reason } => {
                let closed = self.on_desk(time, Some(&sentence(reason)), None).await?;
                notes.push(format!("live dealing halted; {closed} live position(s) closing"));
                Vec::new()
            }
            Command::Resume { reason } => {
                self.on_desk(time, None, Some(&sentence(reason))).await?;
                notes.push("live dealing goes on".to_owned());
                if self.promoter.clear_stop(time, &sentence(reason)) {
                    self.keep_audit();
                    notes.push("promotions go on".to_owned());
                }
                Vec::new()
            }
            Command::OpenBudget { reason } => {
                let joined = self.promoter.open_budget(time, reason.as_deref())?;
                self.keep_audit();
                self.explained.extend(self.candidates.keys());
                notes.push(format!(
                    "a further budget of alpha is open; {joined} candidate(s) that had no slot begin now"
                ));
                Vec::new()
            }
            Command::Reload => return Err(ControlError::Invalid("a reload needs the new file".to_owned())),
        };
        let rights = self.take_changes(&changes);
        if !changes.is_empty() {
            self.tell_desk(time, &changes, &rights).await;
        }
        let written = self.journal.take();
        let mut bytes = Vec::new();
        written.iter().for_each(|entry| encode(entry, &mut bytes));
        self.commit.append(Lane::Desk, bytes);
        Ok(Done { changes, notes })
    }

    pub(super) async fn on_desk(
        &mut self,
        time: UtcMicros,
        halt: Option<&str>,
        resume: Option<&str>,
    ) -> Result<usize, ControlError> {
        let venue = Arc::clone(&self.venue);
        let config = Arc::clone(&self.config);
        let before_quote = |_: crate::domain::EpicIdx, _: &crate::domain::Tick| {};
        let context = DeskContext {
            arena: &config.arena.name,
            markets: &config.markets,
            risk: &config.risk,
            broker: &*venue as &dyn Broker,
            journal: &self.journal,
            before_quote: &before_quote,
        };
        let mut closed = 0;
        if let Some(reason) = halt {
            closed = self.desk.halt(time, reason, &context).await;
        }
        if let Some(reason) = resume {
            self.desk.resume(time, reason, &context).await.map_err(ControlError::Refused)?;
        }
        Ok(closed)
    }

    /// Tells the desk of changes that an operator made between two rounds.
    pub(super) async fn tell_desk(&mut self, time: UtcMicros, changes: &[Change], rights: &[LiveRight]) {
        let round =
            Round { seq: 0, time, bars: Vec::new(), quotes: Vec::new(), suspensions: Vec::new(), warmups: Vec::new() };
        let venue = Arc::clone(&self.venue);
        let config = Arc::clone(&self.config);
        let before_quote = |_: crate::domain::EpicIdx, _: &crate::domain::Tick| {};
        let context = DeskContext {
            arena: &config.arena.name,
            markets: &config.markets,
            risk: &config.risk,
            broker: &*venue as &dyn Broker,
            journal: &self.journal,
            before_quote: &before_quote,
        };
        self.desk.on_round(&round, changes, rights, &[], &context).await;
    }

    /// Applies a changed configuration that needs no restart: what is gone retires, what is new joins with fresh
    /// evidence. Returns the changes, the seats that join and those that end.
    ///
    /// # Errors
    /// [`ControlError::Refused`] where it would touch a candidate that is live.
    pub async fn reload(
        &mut self,
        new: Arc<Config>,
        gone: &[String],
        joining: &[String],
        difference: &str,
        models: &ModelFactory,
    ) -> Result<(Vec<Change>, Vec<SharedSeat>, Vec<SeatIdx>), ControlError> {
        let time = self.head.time.ok_or_else(|| ControlError::Refused("no bar has closed yet".to_owned()))?;
        let mut leaving = Vec::new();
        for name in gone {
            let (seat, name) = self.named(name)?;
            if self.desk.is_live(seat) || self.is_live(seat) {
                let why = format!("{name} is live: demote it first, then reload");
                return Err(ControlError::Refused(why));
            }
            leaving.push(seat);
        }
        let mut changes = self.promoter.reconfigure(time, &new.promotion, &new.hash)?;
        let kept: BTreeSet<_> = new.candidates.iter().map(|c| (c.id.clone(), c.content_hash)).collect();
        changes.extend(self.promoter.retire_removed(time, |id, hash| kept.contains(&(id.clone(), *hash))));
        for seat in &leaving {
            self.candidates.remove(seat);
            self.unregistered.remove(seat);
        }
        self.config = Arc::clone(&new);
        let mut seats = Vec::new();
        for candidate in new.candidates.iter().filter(|c| joining.iter().any(|name| *name == c.id.as_str())) {
            seats.push(self.seat_new(candidate, models).1);
        }
        self.declare();
        self.register_waiting(time);
        self.session(&SessionEntry::Reloaded { time, difference: difference.to_owned() });
        self.note_configuration(false);
        self.take_changes(&changes);
        Ok((changes, seats, leaving))
    }
}
