//! Tells MLflow which versions are live, off the data path: the director says what changed and goes on; a task of its
//! own speaks with the server, for as often and as long as that takes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Config;
use crate::domain::{Lineage, ModelId};
use crate::flow::{Board, Change, State};
use crate::registry::mlflow::{AliasChange, Champions};
use crate::telemetry::metrics;

/// Before the second try; twice as long before each further one, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);

type Live = Vec<(ModelId, Arc<Lineage>)>;

/// Which trained versions are live, in the order in which they went live.
pub(super) struct LiveVersions(watch::Sender<Live>);

impl LiveVersions {
    /// Those of an arena that was opened, and the task that keeps `champions` by them for as long as this value lives.
    pub(super) fn watched(champions: Champions, board: &Board, config: &Config) -> Self {
        let names = board.rows.iter().filter(|row| row.state == State::Live).map(|row| &row.model);
        let live = names.filter_map(|name| Some((name.clone(), lineage_of(name, config)?)));
        let (sender, receiver) = watch::channel(live.collect());
        actix::spawn(keep(champions, receiver));
        Self(sender)
    }

    /// Notes a change; never waits. `config` is the one in force.
    pub(super) fn changed(&self, change: &Change, config: &Config) {
        if change.from != State::Live && change.to != State::Live {
            return;
        }
        self.0.send_modify(|live| {
            live.retain(|(model, _)| *model != change.model);
            if change.to == State::Live
                && let Some(lineage) = lineage_of(&change.model, config)
            {
                live.push((change.model.clone(), lineage));
            }
        });
    }
}

/// Where a candidate's version came from; `None` for rules.
fn lineage_of(model: &ModelId, config: &Config) -> Option<Arc<Lineage>> {
    config.candidates.iter().find(|candidate| candidate.id == *model)?.lineage.clone()
}

async fn keep(mut champions: Champions, mut live: watch::Receiver<Live>) {
    let mut pause = PAUSE;
    loop {
        let now = live.borrow_and_update().clone();
        let why = match champions.wanted(now.iter().map(|(_, lineage)| &**lineage)) {
            Ok(wanted) => {
                let (done, result) = champions.settle(&wanted).await;
                for change in &done {
                    tell(change);
                }
                metrics::aliases_settled(done.len() as u64, champions.pending(&wanted));
                result.err().map(|error| error.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
        let Some(why) = why else {
            pause = PAUSE;
            if live.changed().await.is_err() {
                return;
            }
            continue;
        };
        metrics::aliases_failed();
        tracing::warn!(%why, again_in = ?pause, "MLflow does not know which version is live");
        tokio::select! {
            changed = live.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn tell(change: &AliasChange) {
    match change {
        AliasChange::Set(place) => tracing::info!(%place, "is champion in MLflow"),
        AliasChange::Deleted(place) => tracing::info!(%place, "is champion in MLflow no longer"),
        AliasChange::Left(place) => tracing::warn!(%place, "somebody else moved the alias champion away from it"),
    }
}
