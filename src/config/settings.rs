//! Every table but `[[models]]`: from sections to the checked structs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::domain::{Epic, EpicIdx, Market, Micros, Money, PriceDelta, Session, Size};

use super::checked::{
    ArenaConfig, BarsConfig, FeedConfig, FeedSource, IgConfig, IgEnvironment, IgPrices, MirrorConfig, PaperConfig,
    RegistryConfig, RiskConfig, StoreConfig,
};
use super::problem::{Faults, MISSING};
use super::read::{DecimalRange, Field, FloatRange, Section};
use super::tree::Value;

/// The largest number of points, price of a point and size that is taken, in units.
pub(super) const UNITS_MAX: i64 = 1_000_000;
pub(super) const MILLISECOND: Micros = Micros(1_000);
const MINUTE: Micros = Micros(60_000_000);
pub(super) const HOUR: Micros = Micros(3_600_000_000);
/// The longest time that any key takes.
pub(super) const YEAR: Micros = Micros(366 * Micros::DAY.0);

/// A number that may be left to the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auto {
    /// `"auto"`.
    Auto,
    /// So many.
    Fixed(usize),
}

/// `[arena]` as read; `models_per_host` waits for the number of candidates.
#[derive(Debug)]
pub(super) struct Arena {
    /// All but `models_per_host`, which is 1 in it.
    pub(super) config: ArenaConfig,
    /// As written.
    pub(super) models_per_host: Auto,
}

/// Reads `[arena]`.
pub(super) fn arena(root: &Section<'_>, base_dir: &Path, faults: &mut Faults) -> Option<Arena> {
    let s = root.section("arena", faults);
    let name = s.field("name", faults).and_then(|f| f.name(faults));
    let data = s.field("data", faults).and_then(|f| path(&f, base_dir, faults));
    let models = s.field("models", faults).and_then(|f| path(&f, base_dir, faults));
    let seed = s.field("seed", faults).and_then(|f| f.whole(faults, 0..=i64::MAX));
    let models_per_host = s.field("models_per_host", faults).and_then(|f| auto(&f, 100_000, faults));
    let arbiters = s.field("arbiters", faults).and_then(|f| auto(&f, 64, faults));
    let record_predictions = s.field("record_predictions", faults).and_then(|f| f.flag(faults));
    let model_deadline = s.field("model_deadline", faults).and_then(|f| f.length(faults, MILLISECOND, HOUR));
    let disk_floor_mb = s.field("disk_floor_mb", faults).and_then(|f| f.whole(faults, 0..=1_000_000_000));
    let config = ArenaConfig {
        name: name?,
        data: data?,
        models: models?,
        seed: seed?.unsigned_abs(),
        models_per_host: 1,
        arbiters: match arbiters? {
            Auto::Fixed(n) => n,
            Auto::Auto => std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).clamp(1, 8)),
        },
        record_predictions: record_predictions?,
        model_deadline: model_deadline?,
        disk_floor_mb: disk_floor_mb?.unsigned_abs(),
    };
    Some(Arena { config, models_per_host: models_per_host? })
}

fn path(field: &Field<'_>, base_dir: &Path, faults: &mut Faults) -> Option<PathBuf> {
    match field.words(faults, "a path")? {
        "" => field.fault(faults, "a path"),
        text if text.contains('\0') => field.fault(faults, "a path without a zero byte"),
        text => Some(base_dir.join(text)),
    }
}

fn auto(field: &Field<'_>, most: i64, faults: &mut Faults) -> Option<Auto> {
    match field.value() {
        Value::Text(text) if text == "auto" => Some(Auto::Auto),
        Value::Integer(n) if (1..=most).contains(n) => usize::try_from(*n).ok().map(Auto::Fixed),
        _ => field.fault(faults, format!("a whole number from 1 to {most}, or \"auto\"")),
    }
}

/// `[feed]` before the places of its epics are known.
#[derive(Debug)]
pub(super) struct Feed {
    /// All but the quotes.
    pub(super) config: FeedConfig,
    /// Epic, path, and the value for a fault of the epic.
    pub(super) quotes: Vec<(String, PathBuf, usize)>,
}

/// Reads `[feed]`.
pub(super) fn feed(root: &Section<'_>, base_dir: &Path, faults: &mut Faults) -> Option<Feed> {
    let s = root.section("feed", faults);
    let source = s.field("source", faults).and_then(|f| match f.value() {
        Value::Text(text) if text == "nats" => {
            f.fault(faults, "\"sim\", \"ig\" or \"replay\" (not built yet: the feed from NATS)")
        }
        _ => {
            let words = [("sim", FeedSource::Sim), ("ig", FeedSource::Ig), ("replay", FeedSource::Replay)];
            f.one_of(faults, &words, "\"sim\", \"ig\" or \"replay\"")
        }
    });
    let speed = s.field("speed", faults).and_then(|f| f.float(faults, FloatRange::From(0.0, 1e6)));
    let edge_r = s.field("edge_r", faults).and_then(|f| f.float(faults, FloatRange::From(0.0, 0.6)));
    let record = s.field("record", faults).and_then(|f| f.flag(faults));
    let mut quotes = Vec::new();
    if let Some(field) = s.written("quotes") {
        match field.value() {
            Value::Table(table) => {
                for entry in flattened(table) {
                    let (epic, at, node) = entry;
                    let value = Field::of(node, format!("feed.quotes.{epic:?}"));
                    if let Some(path) = path(&value, base_dir, faults) {
                        quotes.push((epic, path, at));
                    }
                }
            }
            _ => faults.push(field.at, &field.path, field.text(), "a table such as { \"EPIC\" = \"file.csv.gz\" }"),
        }
    }
    let config = FeedConfig { source: source?, speed: speed?, edge_r: edge_r?, record: record?, quotes: Vec::new() };
    Some(Feed { config, quotes })
}

/// An epic is full of dots: written without quotes it makes nested tables, which are read as what was meant.
fn flattened(table: &super::tree::Table) -> Vec<(String, usize, &super::tree::Node)> {
    let mut flat = Vec::new();
    for entry in &table.entries {
        if let Value::Table(inner) = &entry.node.value {
            for (key, _, node) in flattened(inner) {
                flat.push((format!("{}.{key}", entry.key), entry.at, node));
            }
        } else {
            flat.push((entry.key.clone(), entry.at, &entry.node));
        }
    }
    flat
}

/// Finds the markets of `[feed] quotes`.
pub(super) fn place_quotes(feed: &Feed, markets: &Markets, faults: &mut Faults) -> Vec<(EpicIdx, PathBuf)> {
    let mut placed = Vec::new();
    for (epic, path, at) in &feed.quotes {
        if markets.is_unknown(epic) {
            faults.push(*at, &format!("feed.quotes.{epic:?}"), "an unknown epic", known_epics(&markets.declared));
        }
        if let Ok(i) = markets.markets.binary_search_by(|market| market.epic.as_str().cmp(epic)) {
            placed.extend(u16::try_from(i).ok().map(|i| (EpicIdx(i), path.clone())));
        }
    }
    placed.sort();
    placed
}

/// What an unknown epic should be.
pub(super) fn known_epics(declared: &[String]) -> String {
    match declared {
        [] => "an epic of [[markets]], of which there is none".to_owned(),
        [only] => format!("the epic of [[markets]], {only:?}"),
        several => format!("an epic of [[markets]]: {}", several.join(", ")),
    }
}

/// Reads `[bars]`.
pub(super) fn bars(root: &Section<'_>, faults: &mut Faults) -> Option<BarsConfig> {
    let s = root.section("bars", faults);
    let grace = s.field("grace", faults).and_then(|f| f.length(faults, Micros(0), MINUTE));
    let reset_after = s.field("reset_after", faults).and_then(|f| f.length(faults, Micros::SECOND, YEAR));
    Some(BarsConfig { grace: grace?, reset_after: reset_after? })
}

/// Reads `[store]`.
pub(super) fn store(root: &Section<'_>, faults: &mut Faults) -> Option<StoreConfig> {
    const AGE_MAX: Micros = Micros(20 * YEAR.0);
    let s = root.section("store", faults);
    let mut age = |name: &str| {
        s.field(name, faults).and_then(|f| match f.value() {
            Value::Text(text) if text == "off" => Some(None),
            _ => f.length(faults, Micros::DAY, AGE_MAX).map(Some),
        })
    };
    let (quotes_max_age, predictions_max_age) = (age("quotes_max_age"), age("predictions_max_age"));
    let mut size = |name: &str| {
        s.field(name, faults).and_then(|f| match f.value() {
            Value::Text(text) if text == "off" => Some(None),
            Value::Integer(_) => f.whole(faults, 1..=1_000_000_000).map(|mb| Some(mb.unsigned_abs())),
            _ => f.fault(faults, "a whole number from 1 to 1000000000, or \"off\""),
        })
    };
    let (quotes_max_mb, predictions_max_mb) = (size("quotes_max_mb"), size("predictions_max_mb"));
    Some(StoreConfig {
        quotes_max_age: quotes_max_age?,
        quotes_max_mb: quotes_max_mb?,
        predictions_max_age: predictions_max_age?,
        predictions_max_mb: predictions_max_mb?,
    })
}

/// Reads `[server] listen`.
pub(super) fn listen(root: &Section<'_>, faults: &mut Faults) -> Option<SocketAddr> {
    const WANT: &str = "an address and port such as \"127.0.0.1:8787\"";
    let s = root.section("server", faults);
    let field = s.field("listen", faults)?;
    let text = field.words(faults, WANT)?;
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().ok().or_else(|| field.fault(faults, WANT))
}

/// `[[markets]]` as read.
#[derive(Debug, Default)]
pub(super) struct Markets {
    /// Those without a fault, in order of epic.
    pub(super) markets: Vec<Market>,
    /// Every epic that is declared, faulty ones too, in written order.
    pub(super) declared: Vec<String>,
    /// Whether one of them has no usable epic, so that an unknown epic may well be that one's.
    pub(super) is_one_nameless: bool,
    /// Remarks.
    pub(super) notices: Vec<String>,
}

impl Markets {
    /// Whether `epic` is surely no market's.
    pub(super) fn is_unknown(&self, epic: &str) -> bool {
        !self.is_one_nameless && !self.declared.iter().any(|declared| declared == epic)
    }
}

/// Reads `[[markets]]`.
pub(super) fn markets(root: &Section<'_>, faults: &mut Faults) -> Markets {
    let mut out = Markets::default();
    let sections = root.sections("markets", "markets[]", faults);
    if sections.is_empty() && root.get("markets").is_none_or(|entry| matches!(entry.node.value, Value::List(_))) {
        faults.push(0, "markets", MISSING, "at least one market under [[markets]]");
    }
    if sections.len() > usize::from(u16::MAX) {
        faults.push(0, "markets", sections.len().to_string(), format!("at most {} markets", u16::MAX));
        return out;
    }
    let mut epics = BTreeSet::new();
    let mut currency: Option<String> = None;
    for s in &sections {
        let field = s.field("epic", faults);
        let epic = field.as_ref().and_then(|f| f.name(faults));
        out.is_one_nameless |= epic.is_none();
        if let (Some(epic), Some(field)) = (&epic, &field) {
            if epics.insert(epic.clone()) {
                out.declared.push(epic.clone());
            } else {
                field.fault::<()>(faults, "an epic that no other market has");
            }
        }
        if let Some(market) = market(s, epic, &mut currency, faults) {
            if s.get("point").is_none() {
                let (path, point) = (s.path_of("point"), market.point);
                out.notices.push(format!("{path} is not written: {point} is assumed for {}", market.epic));
            }
            out.markets.push(market);
        }
    }
    out.markets.sort_by(|a, b| a.epic.cmp(&b.epic));
    out.markets.dedup_by(|a, b| a.epic == b.epic);
    out
}

fn market(
    s: &Section<'_>,
    epic: Option<String>,
    first_currency: &mut Option<String>,
    faults: &mut Faults,
) -> Option<Market> {
    let currency = s.field("currency", faults).and_then(|f| {
        const WANT: &str = "a currency such as \"GBP\"";
        let text = f.words(faults, WANT)?.to_owned();
        if text.len() != 3 || !text.bytes().all(|b| b.is_ascii_uppercase()) {
            return f.fault(faults, WANT);
        }
        match first_currency {
            Some(first) if *first != text => {
                return f.fault(faults, format!("{first:?}: all markets of an arena deal in one currency"));
            }
            _ => *first_currency = Some(text.clone()),
        }
        Some(text)
    });
    let mut decimal = |name: &str, range| s.field(name, faults).and_then(|f| f.decimal(faults, range));
    let point = decimal("point", DecimalRange::positive(UNITS_MAX));
    let value_per_point = decimal("value_per_point", DecimalRange::positive(UNITS_MAX));
    let size_min = decimal("size_min", DecimalRange::positive(UNITS_MAX));
    let stop_min_points = decimal("stop_min_points", DecimalRange::upto(UNITS_MAX));
    let gap_allowance_points = decimal("gap_allowance_points", DecimalRange::upto(UNITS_MAX));
    let funding_annual_rate = decimal("funding_annual_rate", DecimalRange::upto(10));
    let session = s.written("session").map(|f| {
        const WANT: &str = "hours such as \"Sun 22:00-Fri 22:00 Europe/London\"";
        f.words(faults, WANT)?.parse::<Session>().ok().or_else(|| f.fault(faults, WANT))
    });
    let market = Market {
        epic: Epic::from(epic?),
        currency: currency?,
        point: PriceDelta::from_micros(point?.0),
        value_per_point: Money::from_micros(value_per_point?.0),
        size_min: Size::from_micros(size_min?.0),
        stop_min_points: stop_min_points?,
        gap_allowance_points: gap_allowance_points?,
        funding_annual_rate: funding_annual_rate?,
        session: match session {
            None => None,
            Some(read) => Some(read?),
        },
    };
    if market.distance(market.gap_allowance_points).is_none() {
        let field = s.field("gap_allowance_points", faults)?;
        return field.fault(faults, whole_millionths(&market));
    }
    Some(market)
}

/// What a distance in points has to be.
pub(super) fn whole_millionths(market: &Market) -> String {
    format!("points that make a whole number of 0.000001 in price, at {} a point", market.point)
}

/// Reads `[paper]`; the slippage must be a distance in every market.
pub(super) fn paper(root: &Section<'_>, markets: &[Market], faults: &mut Faults) -> Option<PaperConfig> {
    let s = root.section("paper", faults);
    let latency = s.field("latency", faults).and_then(|f| f.length(faults, Micros(0), HOUR));
    let field = s.field("slippage_points", faults)?;
    let slippage_points = field.decimal(faults, DecimalRange::upto(UNITS_MAX))?;
    for market in markets {
        if market.distance(slippage_points).is_none() {
            return field.fault(faults, format!("{} in {}", whole_millionths(market), market.epic));
        }
    }
    Some(PaperConfig { latency: latency?, slippage_points })
}

/// Reads `[risk]`.
pub(super) fn risk(root: &Section<'_>, faults: &mut Faults) -> Option<RiskConfig> {
    let s = root.section("risk", faults);
    let positions = s.field("max_live_positions", faults).and_then(|f| f.count(faults, 1..=1_000));
    let loss = s.field("max_daily_loss", faults).and_then(|f| f.decimal(faults, DecimalRange::positive(1_000_000_000)));
    let size = s.field("max_live_size", faults).and_then(|f| f.decimal(faults, DecimalRange::positive(UNITS_MAX)));
    let stale = s.field("stale_quote", faults).and_then(|f| f.length(faults, MILLISECOND, Micros::DAY));
    Some(RiskConfig {
        max_live_positions: positions?,
        max_daily_loss: Money::from_micros(loss?.0),
        max_live_size: Size::from_micros(size?.0),
        stale_quote: stale?,
    })
}

/// Looks at the tables of parts that do not exist yet.
pub(super) fn unbuilt(root: &Section<'_>, faults: &mut Faults) {
    root.section("cluster", faults).refuse_unbuilt(faults);
}

/// Reads `[ig]`.
pub(super) fn ig(root: &Section<'_>, faults: &mut Faults) -> Option<IgConfig> {
    let s = root.section("ig", faults);
    let environment = s.field("environment", faults).and_then(|f| {
        let words = [("demo", IgEnvironment::Demo), ("live", IgEnvironment::Live)];
        f.one_of(faults, &words, "\"demo\" or \"live\"")
    });
    let account = s.field("account", faults).and_then(|f| {
        const WANT: &str = "\"\", or an account of up to 30 letters, digits and \"-\"";
        let text = f.words(faults, WANT)?;
        let is_fit = text.len() <= 30 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if is_fit { Some(text.to_owned()) } else { f.fault(faults, WANT) }
    });
    let prices = s.field("prices", faults).and_then(|f| {
        let words = [("price", IgPrices::Price), ("chart", IgPrices::Chart)];
        f.one_of(faults, &words, "\"price\" or \"chart\"")
    });
    let rest_url = match s.written("rest_url") {
        None => Some(None),
        Some(f) => rest_url(&f, faults).map(Some),
    };
    Some(IgConfig { environment: environment?, account: account?, prices: prices?, rest_url: rest_url? })
}

/// An address that a password may be sent to: over https, or on this machine.
fn rest_url(f: &Field<'_>, faults: &mut Faults) -> Option<String> {
    const WANT: &str = "an https address, or one of this machine such as http://127.0.0.1:9000/gateway/deal";
    let text = f.words(faults, WANT)?.trim_end_matches('/');
    let rest = text.strip_prefix("https://").or_else(|| {
        let rest = text.strip_prefix("http://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "127.0.0.1" | "localhost" | "[::1]").then_some(rest)
    });
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['@', '?', '#', ' ']) => {
            Some(text.to_owned())
        }
        _ => f.fault(faults, WANT),
    }
}

/// Reads `[registry]`.
pub(super) fn registry(root: &Section<'_>, base_dir: &Path, faults: &mut Faults) -> Option<RegistryConfig> {
    let s = root.section("registry", faults);
    let mlflow = s.field("mlflow", faults).and_then(|f| {
        const WANT: &str = "\"\", or an address such as http://127.0.0.1:5000, without name and password";
        let text = f.words(faults, WANT)?;
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        match host {
            _ if text.is_empty() => Some(None),
            Some(host) if !host.is_empty() && !host.starts_with('/') && !host.contains(['@', '?', '#', ' ']) => {
                Some(Some(text.to_owned()))
            }
            _ => f.fault(faults, WANT),
        }
    });
    let onnxruntime = s.field("onnxruntime", faults).and_then(|f| match f.words(faults, "a path")? {
        "" => Some(None),
        _ => path(&f, base_dir, faults).map(Some),
    });
    Some(RegistryConfig { mlflow: mlflow?, onnxruntime: onnxruntime? })
}

/// Whether a text is the address of a database without a password: `postgres` or `mysql`, perhaps a name, a host, perhaps
/// a port, and the database.
#[must_use]
pub fn is_mirror_address(text: &str) -> bool {
    let is_word = |text: &str| !text.is_empty() && !text.contains(['/', '?', '#', '@', ' ']);
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_known = matches!(scheme, "postgres" | "postgresql" | "mysql" | "mariadb");
    let (user, place) = rest.split_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    let Some((host, database)) = place.split_once('/') else { return false };
    let is_user = user.is_none_or(|user| is_word(user) && !user.contains(':'));
    is_known && is_user && is_word(host) && is_word(database.split('?').next().unwrap_or_default())
}

/// Reads `[mirror]`.
pub(super) fn mirror(root: &Section<'_>, faults: &mut Faults) -> Option<MirrorConfig> {
    const WANT: &str = "\"\", or an address such as postgres://USER@HOST:PORT/DATABASE or mysql://USER@HOST:PORT/DATABASE, \
                        whose password is in ARENA_MIRROR_PASSWORD";
    let s = root.section("mirror", faults);
    let sql = s.field("sql", faults).and_then(|f| match f.words(faults, WANT)? {
        "" => Some(None),
        _ if !cfg!(feature = "sql") => {
            f.secret_fault(faults, "\"\": this arena was built without SQL (build it with `--features sql`)")
        }
        text if is_mirror_address(text) => Some(Some(text.to_owned())),
        // A password may stand in it.
        text if text.contains('@') => f.secret_fault(faults, WANT),
        _ => f.fault(faults, WANT),
    });
    let quotes = s.field("quotes", faults).and_then(|f| f.flag(faults));
    Some(MirrorConfig { sql: sql?, quotes: quotes? })
}
