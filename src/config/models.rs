//! `[[models]]`: from entries to candidates, every check of one key against another included.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{
    Candidate, ContentHash, Costs, Decimal, DirectionFilter, EpicIdx, Market, Micros, ModelId, ModelSpec, PriceDelta,
    Resolution, RiskUnit, Size,
};

use super::canonical;
use super::checked::{PaperConfig, PromotionConfig};
use super::outside::{Places, Resolver, TrainedVersion};
use super::problem::{Faults, MISSING, UNKNOWN};
use super::promotion;
use super::raw;
use super::read::{DecimalRange, Field, FloatRange, Section};
use super::settings::{self, HOUR, Markets, UNITS_MAX, YEAR};
use super::sweep::{CANDIDATES_MAX, Choice, Spot, Sweep, seat_seed};
use super::trained;
use super::tree::Value;

/// What the entries are checked against; a table with a fault is `None`, and what needs it is not checked.
pub(super) struct Surroundings<'c> {
    /// `[[markets]]`.
    pub(super) markets: &'c Markets,
    /// `[paper]`.
    pub(super) paper: Option<&'c PaperConfig>,
    /// `[promotion]`.
    pub(super) promotion: Option<&'c PromotionConfig>,
    /// `[arena] seed`.
    pub(super) seed: Option<u64>,
    /// `[arena] model_deadline`.
    pub(super) model_deadline: Option<Micros>,
    /// Where what is named lies; `None` where `[arena]` has a fault.
    pub(super) places: Option<&'c Places>,
    /// Who looks it up.
    pub(super) resolver: &'c dyn Resolver,
}

/// What became of the entries.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    /// Those without a fault.
    pub(super) candidates: Vec<Candidate>,
    /// How many are declared, faulty ones and trained ones too.
    pub(super) declared: usize,
    /// Remarks that are no faults, each once.
    pub(super) notices: Vec<String>,
    /// References whose exact form is another, and that form.
    pub(super) pins: Vec<(String, String)>,
    /// The data set that a stream begins with.
    pub(super) warmups: BTreeMap<(EpicIdx, Resolution), String>,
}

impl Expanded {
    pub(super) fn notice(&mut self, text: String) {
        if !self.notices.contains(&text) {
            self.notices.push(text);
        }
    }
}

/// A reference with what it led to.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) written: String,
    pub(super) version: Arc<TrainedVersion>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Momentum,
    MeanReversion,
    Breakout,
    Random,
    Process,
}

impl Kind {
    const WORDS: [(&'static str, Self); 5] = [
        ("momentum", Self::Momentum),
        ("mean_reversion", Self::MeanReversion),
        ("breakout", Self::Breakout),
        ("random", Self::Random),
        ("process", Self::Process),
    ];

    fn params(self) -> &'static [&'static str] {
        match self {
            Self::Momentum | Self::MeanReversion => &["lookback", "threshold"],
            Self::Breakout => &["lookback"],
            Self::Random => &["rate"],
            Self::Process => &["command", "files", "deadline", "lookback"],
        }
    }
}

/// Every key of an entry with the values that it takes.
pub(super) struct Entry<'t> {
    pub(super) section: Section<'t>,
    pub(super) params: Section<'t>,
    sweep: Sweep<'t>,
    name: Choice<String>,
    epic: Choice<String>,
    pub(super) bar: Choice<Resolution>,
    kind: Choice<Kind>,
    pub(super) model: Choice<Reference>,
    pub(super) lookback: Choice<u32>,
    params_threshold: Choice<f64>,
    rate: Choice<f64>,
    pub(super) command: Choice<Vec<String>>,
    pub(super) files: Choice<Vec<String>>,
    pub(super) deadline: Choice<Micros>,
    pub(super) threshold: Choice<f64>,
    pub(super) max_distance: Choice<MaxDistance>,
    warmup: Choice<String>,
    direction: Choice<DirectionFilter>,
    predict_every: Choice<u32>,
    pub(super) hold: Choice<Micros>,
    stop: Choice<Decimal>,
    limit: Choice<Decimal>,
    size: Choice<Decimal>,
    floor_r: Choice<f64>,
    cap_r: Choice<f64>,
}

/// Reads `[[models]]`.
pub(super) fn models(root: &Section<'_>, around: &Surroundings<'_>, faults: &mut Faults) -> Expanded {
    let mut out = Expanded::default();
    let sections = root.sections("models", "models[]", faults);
    if sections.is_empty() && root.get("models").is_none_or(|entry| matches!(entry.node.value, Value::List(_))) {
        faults.push(0, "models", MISSING, "at least one model under [[models]]");
    }
    let mut names = BTreeMap::new();
    for section in sections {
        let entry = Entry::read(section, around, faults);
        let n = entry.sweep.combinations().filter(|n| out.declared.saturating_add(*n) <= CANDIDATES_MAX);
        let Some(n) = n else {
            let at = entry.section.get("sweep").map_or(entry.section.at(), |sweep| sweep.node.at);
            let (path, want) = (entry.section.path_of("sweep"), format!("at most {CANDIDATES_MAX} candidates in all"));
            faults.push(at, &path, "too many combinations", want);
            continue;
        };
        out.declared += n;
        entry.expand(around, &mut names, &mut out, faults);
    }
    out
}

impl<'t> Entry<'t> {
    fn read(section: Section<'t>, around: &Surroundings<'_>, faults: &mut Faults) -> Self {
        let params = section.section("params", faults);
        let sweep = Sweep::read(&section, faults);
        let has_kind = section.get("kind").is_some() || sweep.axis("kind").is_some();
        let points = |f: &Field<'_>, faults: &mut Faults| f.decimal(faults, DecimalRange::positive(UNITS_MAX));
        macro_rules! choice {
            ($key:literal, $or_default:literal, $read:expr) => {
                Choice::read(&section, &sweep, $key, $key, $or_default, faults, $read)
            };
        }
        macro_rules! param {
            ($key:literal, $read:expr) => {
                Choice::read(&params, &sweep, $key, concat!("params.", $key), false, faults, $read)
            };
        }
        Self {
            name: choice!("name", false, |f, faults| f.name(faults)),
            epic: choice!("epic", false, |f, faults| f.words(faults, "an epic of [[markets]]").map(str::to_owned)),
            bar: choice!("bar", true, bar),
            kind: choice!("kind", false, |f, faults| f.one_of(faults, &Kind::WORDS, raw::KINDS)),
            // Beside a kind it is a fault of its own, wherever it leads.
            model: choice!("model", false, |f, faults| (!has_kind).then(|| trained::reference(f, around, faults))?),
            lookback: param!("lookback", |f, faults| f.count(faults, 1..=100_000)),
            params_threshold: param!("threshold", |f, faults| f.float(faults, FloatRange::From(0.0, 1_000.0))),
            rate: param!("rate", |f, faults| f.float(faults, FloatRange::Above(0.0, 1.0))),
            command: param!("command", trained::words),
            files: param!("files", trained::words),
            deadline: param!("deadline", |f, faults| f.length(faults, Micros(1_000), HOUR)),
            threshold: choice!("threshold", false, |f, faults| f.float(faults, FloatRange::Above(0.0, 1_000.0))),
            max_distance: choice!("max_distance", false, max_distance),
            warmup: choice!("warmup", false, |f, faults| trained::data_set(f, around, faults)),
            direction: choice!("direction", true, |f, faults| {
                let words = [
                    ("long", DirectionFilter::Long),
                    ("short", DirectionFilter::Short),
                    ("both", DirectionFilter::Both),
                ];
                f.one_of(faults, &words, raw::DIRECTIONS)
            }),
            predict_every: choice!("predict_every", true, |f, faults| f.count(faults, 1..=1_000_000)),
            hold: choice!("hold", false, |f, faults| f.length(faults, Micros::SECOND, YEAR)),
            stop: choice!("stop", true, points),
            limit: choice!("limit", true, points),
            size: choice!("size", true, points),
            floor_r: choice!("floor_r", false, |f, faults| f.float(faults, FloatRange::From(1.0, 1_000.0))),
            cap_r: choice!("cap_r", false, |f, faults| f.float(faults, FloatRange::Above(0.0, 1_000.0))),
            section,
            params,
            sweep,
        }
    }

    fn expand(
        &self,
        around: &Surroundings<'_>,
        names: &mut BTreeMap<String, String>,
        out: &mut Expanded,
        faults: &mut Faults,
    ) {
        let mut combination = vec![0; self.sweep.axes.len()];
        loop {
            let name = self.name_of(&combination);
            if let Some(name) = &name {
                let first = names.entry(name.clone()).or_insert_with(|| self.section.path().to_owned());
                // Within one entry names can only meet where a list holds a value twice, which is a fault of its own.
                if first != self.section.path() {
                    let spot = self.name.of(&combination);
                    let want = format!("another name: {first} has the candidate {name:?} already");
                    faults.push(spot.at, &self.section.path_of("name"), spot.text.clone(), want);
                }
            }
            let candidate = self.candidate(name, &combination, around, out, faults);
            out.candidates.extend(candidate);
            if !self.sweep.advance(&mut combination) {
                return;
            }
        }
    }

    fn name_of(&self, combination: &[usize]) -> Option<String> {
        let written = self.name.of(combination);
        let base = match &written.value {
            Some(name) => name.clone(),
            None if written.is_there => return None,
            None => match (self.kind.of(combination).value, &self.model.of(combination).value) {
                (Some(kind), _) => Kind::WORDS.iter().find(|(_, k)| *k == kind)?.0.to_owned(),
                (None, Some(reference)) => reference.version.name.clone(),
                (None, None) => return None,
            },
        };
        Some(base + &self.sweep.suffix(combination))
    }

    fn candidate(
        &self,
        name: Option<String>,
        at: &[usize],
        around: &Surroundings<'_>,
        out: &mut Expanded,
        faults: &mut Faults,
    ) -> Option<Candidate> {
        let spec = self.spec(name.as_deref(), at, around, out, faults);
        let hold = self.hold_of(at, faults);
        let placed = self.market(at, around, faults);
        let market = placed.map(|(_, market)| market);
        let stop = self.distance(self.stop.of(at), market, faults);
        let limit = self.distance(self.limit.of(at), market, faults);
        let (stop_at, size_at) = (self.stop.of(at), self.size.of(at));
        if let (Some(points), Some(market)) = (stop_at.value, market)
            && points < market.stop_min_points
        {
            stop_at
                .fault(faults, format!("at least {}, the stop_min_points of {}", market.stop_min_points, market.epic));
        }
        let size = size_at.value.map(|size| Size::from_micros(size.0));
        if let (Some(size), Some(market)) = (size, market)
            && size < market.size_min
        {
            size_at.fault(faults, format!("at least {}, the size_min of {}", market.size_min, market.epic));
        }
        let bar_at = self.bar.of(at);
        if let (Some(bar), Some(paper)) = (bar_at.value, around.paper)
            && paper.latency >= bar.length()
        {
            // An order lapses one bar length after its bar: it could never be filled.
            bar_at.fault(faults, format!("a bar longer than paper.latency, which is {}", paper.latency));
        }
        let floor_at = self.floor_r.of(at);
        let floor_r = if floor_at.is_there { floor_at.value } else { around.promotion.map(|p| p.floor_r) };
        if let (true, Some(floor_r), Some(promotion)) = (floor_at.is_there, floor_r, around.promotion)
            && let Some(want) = promotion::lambda_fault(promotion, floor_r)
        {
            floor_at.fault(faults, want);
        }
        let cap_at = self.cap_r.of(at);
        let cap_r = if cap_at.is_there { cap_at.value } else { around.promotion.map(|p| p.cap_r) };
        if let (true, Some(cap_r), Some(promotion)) = (cap_at.is_there, cap_r, around.promotion)
            && let Some(want) = promotion::cap_fault(promotion, cap_r)
        {
            cap_at.fault(faults, want);
        }
        if let (Some((epic, market)), Some(bar)) = (placed, bar_at.value) {
            self.note_stream((epic, market), bar, at, out, faults);
        }
        let (epic, market) = placed?;
        let (paper, promotion) = (around.paper?, around.promotion?);
        let costs = Costs { latency: paper.latency, slippage: market.distance(paper.slippage_points)? };
        let (stop, limit, size, floor_r, cap_r) = (stop?, limit?, size?, floor_r?, cap_r?);
        let gap = market.distance(market.gap_allowance_points)?;
        if !is_bounded(market, [stop, limit, gap, costs.slippage], size) {
            size_at.fault(faults, "a size at which stop, limit and gap stay below 1000000000 in money");
            return None;
        }
        let spec = spec?;
        let version = self.model.of(at).value.as_ref().map(|reference| &reference.version);
        let gate = match &spec {
            ModelSpec::Trained { max_distance, .. } => *max_distance,
            _ => None,
        };
        let mut candidate = Candidate {
            id: ModelId::from(name?),
            version: version.map_or_else(|| "0".to_owned(), |version| version.version.clone()),
            epic,
            resolution: bar_at.value?,
            lineage: version.map(|version| Arc::new(version.lineage(gate))),
            spec,
            direction: self.direction.of(at).value?,
            predict_every: self.predict_every.of(at).value?,
            hold: hold?,
            stop_points: stop_at.value?,
            limit_points: self.limit.of(at).value?,
            stop,
            limit,
            size,
            costs,
            risk: RiskUnit { cap_r, ..RiskUnit::of(market, stop, gap, size, &costs, floor_r, promotion.cost_stress) },
            content_hash: ContentHash([0; 32]),
        };
        candidate.content_hash = canonical::hash(&canonical::content(&candidate, market));
        Some(candidate)
    }

    /// The time exit: as written, or the horizon that the model was trained for.
    fn hold_of(&self, at: &[usize], faults: &mut Faults) -> Option<Micros> {
        let (hold, model) = (self.hold.of(at), self.model.of(at));
        match &model.value {
            _ if hold.is_there => hold.value,
            Some(reference) => Some(reference.version.horizon()),
            None => {
                if !model.is_there {
                    self.section.miss("hold", faults);
                }
                None
            }
        }
    }

    /// What predicts; `None` with a fault noted.
    fn spec(
        &self,
        name: Option<&str>,
        at: &[usize],
        around: &Surroundings<'_>,
        out: &mut Expanded,
        faults: &mut Faults,
    ) -> Option<ModelSpec> {
        let (kind_at, model_at) = (self.kind.of(at), self.model.of(at));
        if model_at.is_there {
            if kind_at.is_there {
                model_at.fault(faults, "either kind or model, not both");
                return None;
            }
            self.refuse_params("a trained version, which has no params", &[], at, faults);
            return self.trained(model_at.value.as_ref()?, at, out, faults);
        }
        if !kind_at.is_there {
            let want = format!("a kind ({}) or, with `model`, a trained version", raw::KINDS);
            faults.push(self.section.at(), &self.section.path_of("kind"), MISSING, want);
        }
        for (key, spot_at, path) in [
            ("threshold", self.threshold.of(at).there(), "params.threshold"),
            ("max_distance", self.max_distance.of(at).there(), ""),
        ] {
            if let (Some((place, spot_path)), true) = (spot_at, kind_at.is_there) {
                let instead = if path.is_empty() { String::new() } else { format!("; a rule has {path}") };
                faults.push(place, spot_path, "a key of trained versions", format!("no {key} beside kind{instead}"));
            }
        }
        let kind = kind_at.value?;
        let word = Kind::WORDS.iter().find(|(_, k)| *k == kind)?.0;
        self.refuse_params(&format!("{word}, which takes {}", kind.params().join(" and ")), kind.params(), at, faults);
        let lookback = self.lookback.of(at);
        match kind {
            Kind::Momentum | Kind::MeanReversion => {
                let lookback = self.required("lookback", lookback, faults);
                let threshold = self.params_threshold.of(at);
                let threshold = if threshold.is_there { threshold.value? } else { 0.0 };
                let lookback = lookback?;
                Some(match kind {
                    Kind::Momentum => ModelSpec::Momentum { lookback, threshold },
                    _ => ModelSpec::MeanReversion { lookback, threshold },
                })
            }
            Kind::Breakout => Some(ModelSpec::Breakout { lookback: self.required("lookback", lookback, faults)? }),
            Kind::Random => {
                let rate = self.required("rate", self.rate.of(at), faults)?;
                Some(ModelSpec::Random { rate, seed: seat_seed(around.seed?, name?) })
            }
            Kind::Process => self.process(at, around, out, faults),
        }
    }

    pub(super) fn required<T: Clone>(&self, key: &str, spot: &Spot<T>, faults: &mut Faults) -> Option<T> {
        if !spot.is_there {
            self.params.miss(key, faults);
        }
        spot.value.clone()
    }

    /// Notes what the stream of a combination begins with, and what is odd about a trained version there.
    fn note_stream(
        &self,
        (epic, market): (EpicIdx, &Market),
        bar: Resolution,
        at: &[usize],
        out: &mut Expanded,
        faults: &mut Faults,
    ) {
        if let Some(reference) = &self.model.of(at).value
            && reference.version.symbol != market.epic.as_str()
        {
            let (path, version) = (self.section.path(), &reference.version);
            out.notice(format!("{path}: {} was trained on {}, not on {}", version.exact, version.symbol, market.epic));
        }
        let spot = self.warmup.of(at);
        if let Some(name) = &spot.value {
            let known = out.warmups.entry((epic, bar)).or_insert_with(|| name.clone());
            if known != name {
                spot.fault(
                    faults,
                    format!("{known:?}, which another model begins the bars of {} {bar} with", market.epic),
                );
            }
        }
    }

    /// Refuses parameters that the kind does not take; unknown ones have been refused before.
    fn refuse_params(&self, of: &str, taken: &[&str], at: &[usize], faults: &mut Faults) {
        let given = [
            ("lookback", self.lookback.of(at).there()),
            ("threshold", self.params_threshold.of(at).there()),
            ("rate", self.rate.of(at).there()),
            ("command", self.command.of(at).there()),
            ("files", self.files.of(at).there()),
            ("deadline", self.deadline.of(at).there()),
        ];
        for (key, spot) in given {
            if let (Some((place, path)), false) = (spot, taken.contains(&key)) {
                faults.push(place, path, UNKNOWN, format!("a parameter of {of}"));
            }
        }
    }

    fn market<'c>(
        &self,
        at: &[usize],
        around: &Surroundings<'c>,
        faults: &mut Faults,
    ) -> Option<(EpicIdx, &'c Market)> {
        let (spot, declared) = (self.epic.of(at), &around.markets.declared);
        // With no market at all that is the one fault to be told.
        let is_told = declared.is_empty() && !around.markets.is_one_nameless;
        let epic = match (&spot.value, declared.as_slice()) {
            (Some(epic), _) => epic,
            (None, [only]) if !spot.is_there => only,
            (None, several) => {
                if !spot.is_there && several.len() > 1 {
                    spot.fault(faults, settings::known_epics(declared));
                }
                return None;
            }
        };
        if around.markets.is_unknown(epic) && !is_told {
            spot.fault(faults, settings::known_epics(declared));
        }
        let markets = &around.markets.markets;
        let i = markets.binary_search_by(|market| market.epic.as_str().cmp(epic)).ok()?;
        Some((EpicIdx(u16::try_from(i).ok()?), &markets[i]))
    }

    fn distance(&self, spot: &Spot<Decimal>, market: Option<&Market>, faults: &mut Faults) -> Option<PriceDelta> {
        let (points, market) = (spot.value?, market?);
        let distance = market.distance(points);
        if distance.is_none() {
            spot.fault(faults, settings::whole_millionths(market));
        }
        distance
    }
}

impl<T> Spot<T> {
    /// Place and name, if it is written.
    pub(super) fn there(&self) -> Option<(usize, &str)> {
        self.is_there.then_some((self.at, self.path.as_str()))
    }
}

/// Whether the money of these distances together stays far inside of 64 bits, so that no ledger is ever near its end.
fn is_bounded(market: &Market, distances: [PriceDelta; 4], size: Size) -> bool {
    const MONEY_MICROS_MAX: i128 = 1_000_000_000 * 1_000_000;
    // Slippage is paid both ways.
    let total: i128 = 2 * distances.iter().map(|d| i128::from(d.micros())).sum::<i128>();
    let money = total
        .checked_mul(i128::from(market.value_per_point.micros()))
        .and_then(|product| product.checked_mul(i128::from(size.micros())))
        .map(|product| product / (i128::from(market.point.micros()) * 1_000_000));
    total < i128::from(i64::MAX / 4) && money.is_some_and(|money| money <= MONEY_MICROS_MAX)
}

fn bar(field: &Field<'_>, faults: &mut Faults) -> Option<Resolution> {
    const WANT: &str = "a length from 1s to 1h in whole seconds that divides a day, such as \"1m\"";
    let length = field.words(faults, WANT)?.parse::<Micros>().ok().filter(|length| *length <= HOUR);
    length.and_then(Resolution::new).or_else(|| field.fault(faults, WANT))
}

/// How near a case must be to what a model has learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum MaxDistance {
    /// The distance that this share of its training rows keeps within.
    Quantile(f64),
    /// This distance.
    Absolute(f64),
}

fn max_distance(field: &Field<'_>, faults: &mut Faults) -> Option<MaxDistance> {
    const WANT: &str = "a quantile above 0, at most 1, or { absolute = DISTANCE }";
    match field.value() {
        Value::Integer(_) | Value::Float(_) => {
            field.float(faults, FloatRange::Above(0.0, 1.0)).map(MaxDistance::Quantile)
        }
        Value::Table(table) => match table.entries.as_slice() {
            [only] if only.key == "absolute" => Field::of(&only.node, format!("{}.absolute", field.path))
                .float(faults, FloatRange::Above(0.0, 1e9))
                .map(MaxDistance::Absolute),
            _ => field.fault(faults, WANT),
        },
        _ => field.fault(faults, WANT),
    }
}
