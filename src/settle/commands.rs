//! What operators ask of a settlement between two slices.

use std::sync::Arc;

use super::Settlement;
use crate::broker::Broker;
use crate::control::{Command, ControlError, Done};
use crate::desk::{DeskContext, LiveRight};
use crate::domain::UtcMicros;
use crate::flow::{Change, Round};
use crate::store::Lane;
use crate::store::entry::encode;

impl Settlement {
    /// Does what an operator asks; the caller commits and flushes before it answers.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn command(&mut self, command: &Command) -> Result<Done, ControlError> {
        let time = self.head.time.ok_or_else(|| ControlError::Refused("no bar has closed yet".to_owned()))?;
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
    async fn tell_desk(&mut self, time: UtcMicros, changes: &[Change], rights: &[LiveRight]) {
        let round = Round { seq: 0, time, bars: Vec::new(), quotes: Vec::new(), suspensions: Vec::new() };
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
}
