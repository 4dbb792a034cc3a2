//! A configuration with everything that it names outside of it, ready to run.

use std::path::Path;
use std::sync::Arc;

use super::Shared;
use super::output::{Failure, USAGE};
use crate::config::{self, Config, LoadError, Pinned, Resolver, pins_of};
use crate::deploy::{self, Shelf};
use crate::flow::Warmup;
use crate::models::ModelFactory;
use crate::store::entry::{SessionEntry, decode};
use crate::store::{Lane, Store};

/// A configuration without a fault, and the artefacts that it names.
pub(super) struct Ready {
    pub(super) config: Config,
    pub(super) shelf: Arc<Shelf>,
}

/// Reads the configuration of the command line.
pub(super) fn load(shared: &Shared) -> Result<Ready, Failure> {
    let shelf = Shelf::new();
    let config = load_by(shared.config(), &*shelf)?;
    Ok(Ready { config, shelf })
}

fn load_by(path: &Path, resolver: &dyn Resolver) -> Result<Config, Failure> {
    config::load(path, resolver).map_err(|error| match error {
        LoadError::Faulty(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::new(USAGE, lines.join("\narena: "))
        }
        unreadable @ LoadError::Unreadable { .. } => {
            Failure::new(USAGE, format!("{unreadable}; name one with -c FILE, or try `arena demo`, which needs none"))
        }
    })
}

impl Ready {
    /// Leads every alias to what it led to when `store` was begun: what moved since must not end anybody's evidence.
    pub(super) fn pinned(self, shared: &Shared, store: &dyn Store) -> Result<Self, Failure> {
        let Self { config, shelf } = self;
        let before = last_pins(store)?;
        let moved = |(written, exact): &&(String, String)| {
            before.iter().any(|(known, stays)| known == written && stays != exact)
        };
        let moved: Vec<(String, String)> = config.pins.iter().filter(moved).cloned().collect();
        if moved.is_empty() {
            return Ok(Self { config, shelf });
        }
        let pinned = load_by(shared.config(), &Pinned { pins: &before, inner: &*shelf })?;
        for (written, exact) in &moved {
            let stays = pinned.pins.iter().find(|(known, _)| known == written).map_or("", |(_, stays)| stays.as_str());
            tracing::warn!(
                "{written} stays with {stays}, which it led to when this arena began, and now leads to {exact}: name \
                 that one to take it"
            );
        }
        Ok(Self { config: pinned, shelf })
    }

    /// Who makes its models.
    pub(super) fn factory(&self, shared: &Shared, is_live: bool) -> Arc<ModelFactory> {
        let dir = shared.config().parent().unwrap_or(Path::new(""));
        let epics = self.config.markets.iter().map(|market| market.epic.to_string()).collect();
        self.shelf.factory(dir, epics, is_live)
    }

    /// What its streams may begin with.
    pub(super) fn warmups(&self) -> Result<Vec<Warmup>, Failure> {
        deploy::warmups(&self.config).map_err(|error| Failure::new(USAGE, error.to_string()))
    }
}

/// The pins of the configuration that was in force last.
fn last_pins(store: &dyn Store) -> Result<Vec<(String, String)>, Failure> {
    for block in store.read_back(Lane::Session) {
        let entries: Vec<SessionEntry> = decode(Lane::Session, &block?)?;
        let last = entries.into_iter().rev().find_map(|entry| match entry {
            SessionEntry::Configured { canonical, .. } => Some(canonical),
            _ => None,
        });
        if let Some(canonical) = last {
            return Ok(pins_of(&canonical));
        }
    }
    Ok(Vec::new())
}
