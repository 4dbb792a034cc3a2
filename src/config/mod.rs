//! `arena.toml` in, a [`Config`] that cannot be invalid out.
//!
//! ```text
//! bytes ─tree→ nodes with places ─read→ values ─settings, models, sweep→ Config
//!                  └──────── faults, every one with line and column ───────┘
//! ```
//!
//! Nothing is used before everything has been checked, and nothing stops at the first fault: what depends on a
//! faulty value is left unchecked, all the rest is reported in one go.

mod canonical;
mod checked;
mod models;
mod notify;
mod outside;
mod problem;
mod promotion;
mod raw;
mod read;
mod reload;
mod settings;
mod sweep;
mod trained;
mod tree;

use std::path::{Path, PathBuf};

pub use checked::*;
pub use notify::{EmailConfig, NOTIFY_VARIABLES, NotifyConfig, NotifyEvent, SmtpSecurity, render_template};
pub use outside::{Nothing, Pinned, Places, Program, Resolver, TrainedVersion, not_in_registry, pins_of};
pub use problem::Problem;
pub use raw::{KEYS, Key, Otherwise, reference_markdown};
pub use reload::{Difference, NEW_BUDGET, diff};
pub use settings::is_mirror_address;
pub use sweep::seat_seed;

use problem::Faults;
use read::Section;
use settings::Auto;

/// More candidates than this share hosts when `models_per_host` is `"auto"`.
const AUTO_PACK_BEYOND: usize = 512;
/// Seats in one host then.
const AUTO_PACK: usize = 64;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not there or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It has faults: all of them, in order of place.
    #[error("{}", sentences(.0))]
    Faulty(Vec<Problem>),
}

fn sentences(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Everything that can be said of a configuration, faulty or not.
#[derive(Debug)]
pub struct Examined {
    /// The configuration, if it has no fault.
    pub config: Option<Config>,
    /// Every fault, in order of place.
    pub problems: Vec<Problem>,
    /// Remarks that are no faults.
    pub notices: Vec<String>,
    /// How many candidates it declares over how many markets, faulty ones included.
    pub declared: (usize, usize),
}

/// Reads and checks the file at `path`; paths inside of it are relative to its folder, and what it names outside is looked
/// up by `resolver`.
///
/// # Errors
/// [`LoadError::Unreadable`] where there is no such file, [`LoadError::Faulty`] with every fault that it has.
pub fn load(path: &Path, resolver: &dyn Resolver) -> Result<Config, LoadError> {
    let examined = examine_file(path, resolver)?;
    examined.config.ok_or(LoadError::Faulty(examined.problems))
}

/// Reads and checks a text that is called `file`, whose paths are relative to `base_dir`, and that names nothing outside.
///
/// # Errors
/// Every fault, in order of place.
pub fn parse(text: &str, file: &str, base_dir: &Path) -> Result<Config, Vec<Problem>> {
    parse_with(text, file, base_dir, &Nothing)
}

/// Like [`parse`]; what it names outside is looked up by `resolver`.
///
/// # Errors
/// Every fault, in order of place.
pub fn parse_with(text: &str, file: &str, base_dir: &Path, resolver: &dyn Resolver) -> Result<Config, Vec<Problem>> {
    let examined = examine_with(text, file, base_dir, resolver);
    examined.config.ok_or(examined.problems)
}

/// Like [`load`], with all that can be said of a faulty file too.
///
/// # Errors
/// [`LoadError::Unreadable`] alone.
pub fn examine_file(path: &Path, resolver: &dyn Resolver) -> Result<Examined, LoadError> {
    let bytes = std::fs::read(path).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    let base_dir = path.parent().unwrap_or(Path::new(""));
    let file = path.display().to_string();
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(examine_with(text, &file, base_dir, resolver)),
        Err(error) => {
            let readable = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let mut faults = Faults::default();
            faults.push(readable.len(), "", "a byte that is not UTF-8", "UTF-8 text");
            let problems = faults.into_problems(&file, &readable);
            Ok(Examined { config: None, problems, notices: Vec::new(), declared: (0, 0) })
        }
    }
}

/// Like [`parse`], with all that can be said of a faulty text too.
#[must_use]
pub fn examine(text: &str, file: &str, base_dir: &Path) -> Examined {
    examine_with(text, file, base_dir, &Nothing)
}

/// Like [`parse_with`], with all that can be said of a faulty text too.
#[must_use]
pub fn examine_with(text: &str, file: &str, base_dir: &Path, resolver: &dyn Resolver) -> Examined {
    let mut faults = Faults::default();
    let Some(table) = tree::read(text, &mut faults) else {
        return Examined {
            config: None,
            problems: faults.into_problems(file, text),
            notices: Vec::new(),
            declared: (0, 0),
        };
    };
    let is_torn = !faults.is_empty();
    let root = Section::root(&table);
    refuse_unknown_tables(&table, &mut faults);
    let (config, notices, declared) = checked_config(&root, base_dir, resolver, &mut faults);
    if is_torn {
        // A line that could not be read may be the one that holds what seems to be missing.
        faults.forget_missing();
    }
    let config = config.filter(|_| faults.is_empty());
    Examined { config, problems: faults.into_problems(file, text), notices, declared }
}

fn refuse_unknown_tables(table: &tree::Table, faults: &mut Faults) {
    for entry in &table.entries {
        if !raw::top_level().any(|known| known == entry.key) {
            let at = if matches!(entry.node.value, tree::Value::Table(_)) { entry.node.at } else { entry.at };
            let path = if entry.key.is_empty() { "\"\"" } else { &entry.key };
            let what = if entry.at == at { problem::UNKNOWN } else { "an unknown table" };
            faults.push(at, path, what, raw::nearest_at_the_top(&entry.key));
        }
    }
}

fn checked_config(
    root: &Section<'_>,
    base_dir: &Path,
    resolver: &dyn Resolver,
    faults: &mut Faults,
) -> (Option<Config>, Vec<String>, (usize, usize)) {
    let arena = settings::arena(root, base_dir, faults);
    let feed = settings::feed(root, base_dir, faults);
    let ig = settings::ig(root, faults);
    let bars = settings::bars(root, faults);
    let listen = settings::listen(root, faults);
    let markets = settings::markets(root, faults);
    if feed.as_ref().is_some_and(|feed| feed.config.source == FeedSource::Ig)
        && let Some(most) = ig.as_ref().map(|ig| ig.prices.markets_max())
        && markets.declared.len() > most
    {
        let want = format!("at most {most}: one connection to IG carries 40 subscriptions");
        faults.push(0, "markets", markets.declared.len().to_string(), want);
    }
    let paper = settings::paper(root, &markets.markets, faults);
    let risk = settings::risk(root, faults);
    let promotion = promotion::promotion(root, faults);
    let registry = settings::registry(root, base_dir, faults);
    let store = settings::store(root, faults);
    let notify = notify::notify(root, faults);
    let mirror = settings::mirror(root, faults);
    settings::unbuilt(root, faults);
    let quotes = feed.as_ref().map(|feed| settings::place_quotes(feed, &markets, faults));
    let places = arena.as_ref().map(|arena| Places {
        base: base_dir.to_owned(),
        registry: arena.config.models.clone(),
        registry_name: registry_name(root),
        data: arena.config.data.clone(),
        mlflow: registry.as_ref().and_then(|registry| registry.mlflow.clone()),
        onnxruntime: registry.as_ref().and_then(|registry| registry.onnxruntime.clone()),
    });
    let around = models::Surroundings {
        markets: &markets,
        paper: paper.as_ref(),
        promotion: promotion.as_ref(),
        seed: arena.as_ref().map(|arena| arena.config.seed),
        model_deadline: arena.as_ref().map(|arena| arena.config.model_deadline),
        places: places.as_ref(),
        resolver,
    };
    let expanded = models::models(root, &around, faults);
    let declared = (expanded.declared, markets.declared.len());
    let mut notices = markets.notices.clone();
    notices.extend(expanded.notices);
    notices.extend(notices_of(feed.as_ref(), promotion.as_ref(), declared));
    let build = || -> Option<Config> {
        let (mut arena, mut feed) = (arena?, feed?);
        arena.config.models_per_host = match arena.models_per_host {
            Auto::Fixed(n) => n,
            Auto::Auto => auto_models_per_host(expanded.candidates.len()),
        };
        feed.config.quotes = quotes?;
        let mut config = Config {
            arena: arena.config,
            feed: feed.config,
            ig: ig?,
            bars: bars?,
            listen: listen?,
            markets: markets.markets,
            paper: paper?,
            risk: risk?,
            promotion: promotion?,
            store: store?,
            mirror: mirror?,
            registry: registry?,
            notify: notify?,
            candidates: expanded.candidates,
            pins: expanded.pins,
            warmups: expanded.warmups,
            notices: notices.clone(),
            hash: String::new(),
            canonical: String::new(),
        };
        config.canonical = canonical::text(&config);
        config.hash = canonical::hash(&config.canonical).hex();
        Some(config)
    };
    (if faults.is_empty() { build() } else { None }, notices, declared)
}

/// What `models_per_host = "auto"` means for so many candidates.
#[must_use]
pub fn auto_models_per_host(candidates: usize) -> usize {
    if candidates > AUTO_PACK_BEYOND { AUTO_PACK } else { 1 }
}

/// The registry's folder as written, for a sentence about it.
fn registry_name(root: &Section<'_>) -> String {
    let mut unheard = Faults::default();
    let field = root.section("arena", &mut unheard).field("models", &mut unheard);
    field.and_then(|f| f.words(&mut unheard, "").map(str::to_owned)).unwrap_or_else(|| "models".to_owned())
}

fn notices_of(
    feed: Option<&settings::Feed>,
    promotion: Option<&PromotionConfig>,
    (declared, markets): (usize, usize),
) -> Vec<String> {
    let mut notices = Vec::new();
    match feed {
        Some(feed) if feed.config.source == FeedSource::Replay && feed.quotes.is_empty() => notices.push(
            "feed.source is \"replay\" and feed.quotes names no file: `arena replay --quotes` may name them, \
             `arena run` needs them"
                .to_owned(),
        ),
        Some(feed) if feed.config.source == FeedSource::Sim && !feed.quotes.is_empty() => {
            notices.push("feed.quotes is read with feed.source = \"replay\" alone".to_owned());
        }
        _ => {}
    }
    if let Some(promotion) = promotion
        && declared > promotion.alpha_slots as usize
    {
        notices.push(format!(
            "{declared} candidates share {} alpha slots: those without a slot gather no evidence",
            promotion.alpha_slots
        ));
    }
    if let Some(promotion) = promotion
        && promotion.live_slots as usize > markets
    {
        notices.push(format!(
            "promotion.live_slots is {} over {markets} market(s): at most one candidate a market is live",
            promotion.live_slots
        ));
    }
    notices
}
