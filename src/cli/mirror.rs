//! `arena mirror`: the journal of an arena at rest into the database of the operator's. A running arena does it by itself.

use std::path::PathBuf;

use clap::Args;

use super::Shared;
use super::output::{Failure, USAGE};
use crate::config::MirrorConfig;
use crate::store::Follower;

/// `arena mirror`.
#[derive(Args, Clone, Debug)]
pub struct MirrorArgs {
    /// The store to copy [default: store in the configuration's data folder]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Copy raw quotes as well [default: the configuration's]
    #[arg(long)]
    pub quotes: bool,
}

#[cfg(not(feature = "sql"))]
mod built {
    use super::{Failure, Follower, MirrorArgs, MirrorConfig, Shared, USAGE};

    const WITHOUT: &str = "this arena was built without SQL: build it with `--features sql`";

    /// There is nothing to reach.
    pub(in crate::cli) fn reach(_: &MirrorConfig) -> Result<Option<String>, Failure> {
        follower(&MirrorConfig::default()).map(|_| None)
    }

    pub(in crate::cli) fn mirror(_: &Shared, _: &MirrorArgs) -> Result<(), Failure> {
        Err(Failure::new(USAGE, WITHOUT))
    }

    /// Nobody follows.
    pub(in crate::cli) struct Following;

    impl Following {
        pub(in crate::cli) fn finish(&self) {}
    }

    pub(in crate::cli) fn follower(_: &MirrorConfig) -> Result<Option<(Follower, Following)>, Failure> {
        match std::env::var_os("ARENA_MIRROR_SQL") {
            Some(_) => Err(Failure::new(USAGE, format!("ARENA_MIRROR_SQL names a database, and {WITHOUT}"))),
            None => Ok(None),
        }
    }
}

#[cfg(feature = "sql")]
mod built {
    use std::io::IsTerminal;

    use indicatif::{ProgressBar, ProgressStyle};
    use serde_json::json;

    use super::{Failure, Follower, MirrorArgs, MirrorConfig, Shared, USAGE};
    use crate::cli::output::{FAILED, REFUSED, print, print_json};
    use crate::cli::ready;
    use crate::mirror::{ADDRESS, Mirror, MirrorError, Target};
    use crate::store::Store;
    use crate::store::views::AtRest;

    pub(in crate::cli) use crate::mirror::Following;

    impl From<MirrorError> for Failure {
        fn from(error: MirrorError) -> Self {
            match error {
                MirrorError::Store(error) => error.into(),
                MirrorError::Address(why) => Self::new(USAGE, why),
                error @ MirrorError::Database { .. } => Self::new(FAILED, error.to_string()),
                error @ MirrorError::Refused { .. } => Self::new(REFUSED, error.to_string()),
            }
        }
    }

    /// The address of the database, where one is named and lets us in.
    pub(in crate::cli) fn reach(config: &MirrorConfig) -> Result<Option<String>, Failure> {
        let Some(target) = Target::named(config.sql.as_deref())? else { return Ok(None) };
        let shown = target.shown().to_owned();
        Mirror::new(target, config.quotes).reach()?;
        Ok(Some(shown))
    }

    /// Who follows a run, and where to wait for the end of it.
    pub(in crate::cli) fn follower(config: &MirrorConfig) -> Result<Option<(Follower, Following)>, Failure> {
        let target = Target::named(config.sql.as_deref())?;
        Ok(target.map(|target| Mirror::new(target, config.quotes).follow()))
    }

    pub(in crate::cli) fn mirror(shared: &Shared, args: &MirrorArgs) -> Result<(), Failure> {
        let (config, dir) = match (&args.store, Target::named(None)?) {
            // Everything is said: no configuration is needed.
            (Some(dir), Some(_)) if shared.config.is_none() => (MirrorConfig::default(), dir.clone()),
            (dir, _) => {
                let config = ready::load(shared)?.config;
                let dir = dir.clone().unwrap_or_else(|| config.arena.data.join("store"));
                (config.mirror, dir)
            }
        };
        let target = Target::named(config.sql.as_deref())?.ok_or_else(|| {
            let why = format!("no database is named: set [mirror] sql, or {ADDRESS}");
            Failure::new(USAGE, why)
        })?;
        let shown = target.shown().to_owned();
        let arena = AtRest::open(&dir)?;
        let store = arena.store();
        let progress = progress_over(&**store, shared)?;
        let copied = Mirror::new(target, config.quotes || args.quotes).copy(&**store, &progress);
        progress.finish_and_clear();
        let copied = copied?;
        if shared.json {
            return print_json(&json!({ "database": shown, "rows": copied.rows, "lost": copied.lost }));
        }
        if shared.quiet {
            return Ok(());
        }
        let rows: u64 = copied.rows.values().sum();
        let tables: Vec<String> = copied.rows.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
        let told = if rows == 0 { "nothing new".to_owned() } else { format!("{rows} rows: {}", tables.join(", ")) };
        print(&format!("{shown}: {told}\n"))?;
        if copied.lost > 0 {
            print(&format!("{} quotes or predictions had been deleted before they were copied\n", copied.lost))?;
        }
        Ok(())
    }

    fn progress_over(store: &dyn Store, shared: &Shared) -> Result<ProgressBar, Failure> {
        if shared.quiet || !std::io::stderr().is_terminal() {
            return Ok(ProgressBar::hidden());
        }
        // The entries behind the last block of a lane count as one.
        let blocks: u64 = store.lanes()?.into_iter().map(|lane| store.blocks(lane) + 1).sum();
        let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} (about {eta} left)");
        Ok(ProgressBar::new(blocks).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

pub(super) use self::built::{follower, mirror, reach};
