//! `[[models]]`: from entries to candidates, every check of one key against another included.

use std::collections::BTreeMap;

use crate::domain::{
    Candidate, ContentHash, Costs, Decimal, DirectionFilter, EpicIdx, Market, Micros, ModelId, ModelSpec, PriceDelta,
    Resolution, RiskUnit, Size,
};

use super::canonical;
use super::checked::{PaperConfig, PromotionConfig};
use super::problem::{Faults, MISSING, UNKNOWN};
use super::promotion;
use super::raw;
use super::read::{DecimalRange, Field, FloatRange, Section};
use super::settings::{self, HOUR, Markets, UNITS_MAX, YEAR};
use super::sweep::{CANDIDATES_MAX, Choice, Spot, Sweep, seat_seed};
use super::tree::Value;

/// What the entries are checked against; a table with a fault is `None`, and what needs it is not checked.
#[derive(Debug)]
pub(super) struct Surroundings<'c> {
    /// `[[markets]]`.
    pub(super) markets: &'c Markets,
    /// `[paper]`.
    pub(super) paper: Option<&'c PaperConfig>,
    /// `[promotion]`.
    pub(super) promotion: Option<&'c PromotionConfig>,
    /// `[arena] seed`.
    pub(super) seed: Option<u64>,
    /// `[arena] models` as written.
    pub(super) registry: String,
}

/// What became of the entries.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    /// Those without a fault.
    pub(super) candidates: Vec<Candidate>,
    /// How many are declared, faulty ones and trained ones too.
    pub(super) declared: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Momentum,
    MeanReversion,
    Breakout,
    Random,
}

impl Kind {
    const WORDS: [(&'static str, Self); 4] = [
        ("momentum", Self::Momentum),
        ("mean_reversion", Self::MeanReversion),
        ("breakout", Self::Breakout),
        ("random", Self::Random),
    ];

    fn params(self) -> &'static [&'static str] {
        match self {
            Self::Momentum | Self::MeanReversion => &["lookback", "threshold"],
            Self::Breakout => &["lookback"],
            Self::Random => &["rate"],
        }
    }
}

/// Every key of an entry with the values that it takes.
struct Entry<'t> {
    section: Section<'t>,
    params: Section<'t>,
    sweep: Sweep<'t>,
    name: Choice<String>,
    epic: Choice<String>,
    bar: Choice<Resolution>,
    kind: Choice<Kind>,
    model: Choice<String>,
    lookback: Choice<u32>,
    params_threshold: Choice<f64>,
    rate: Choice<f64>,
    threshold: Choice<f64>,
    max_distance: Choice<()>,
    direction: Choice<DirectionFilter>,
    predict_every: Choice<u32>,
    hold: Choice<Micros>,
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
        let entry = Entry::read(section, faults);
        let n = entry.sweep.combinations().filter(|n| out.declared.saturating_add(*n) <= CANDIDATES_MAX);
        let Some(n) = n else {
            let at = entry.section.get("sweep").map_or(entry.section.at(), |sweep| sweep.node.at);
            let (path, want) = (entry.section.path_of("sweep"), format!("at most {CANDIDATES_MAX} candidates in all"));
            faults.push(at, &path, "too many combinations", want);
            continue;
        };
        out.declared += n;
        entry.expand(around, &mut names, &mut out.candidates, faults);
    }
    out
}

impl<'t> Entry<'t> {
    fn read(section: Section<'t>, faults: &mut Faults) -> Self {
        let params = section.section("params", faults);
        let sweep = Sweep::read(&section, faults);
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
            model: choice!("model", false, reference),
            lookback: param!("lookback", |f, faults| f.count(faults, 1..=100_000)),
            params_threshold: param!("threshold", |f, faults| f.float(faults, FloatRange::From(0.0, 1_000.0))),
            rate: param!("rate", |f, faults| f.float(faults, FloatRange::Above(0.0, 1.0))),
            threshold: choice!("threshold", false, |f, faults| f.float(faults, FloatRange::Above(0.0, 1_000.0))),
            max_distance: choice!("max_distance", false, max_distance),
            direction: choice!("direction", true, |f, faults| {
                let words = [
                    ("long", DirectionFilter::Long),
                    ("short", DirectionFilter::Short),
                    ("both", DirectionFilter::Both),
                ];
                f.one_of(faults, &words, raw::DIRECTIONS)
            }),
            predict_every: choice!("predict_every", true, |f, faults| f.count(faults, 1..=1_000_000)),
            hold: choice!("hold", true, |f, faults| f.length(faults, Micros::SECOND, YEAR)),
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
        candidates: &mut Vec<Candidate>,
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
            candidates.extend(self.candidate(name, &combination, around, faults));
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
                (None, Some(reference)) => reference.split('@').next().unwrap_or_default().to_owned(),
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
        faults: &mut Faults,
    ) -> Option<Candidate> {
        let spec = self.spec(name.as_deref(), at, around, faults);
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
        let (epic, market) = placed?;
        let (paper, promotion) = (around.paper?, around.promotion?);
        let costs = Costs { latency: paper.latency, slippage: market.distance(paper.slippage_points)? };
        let (stop, limit, size, floor_r, cap_r) = (stop?, limit?, size?, floor_r?, cap_r?);
        let gap = market.distance(market.gap_allowance_points)?;
        if !is_bounded(market, [stop, limit, gap, costs.slippage], size) {
            size_at.fault(faults, "a size at which stop, limit and gap stay below 1000000000 in money");
            return None;
        }
        let mut candidate = Candidate {
            id: ModelId::from(name?),
            version: "0".to_owned(),
            epic,
            resolution: bar_at.value?,
            spec: spec?,
            direction: self.direction.of(at).value?,
            predict_every: self.predict_every.of(at).value?,
            hold: self.hold.of(at).value?,
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

    /// What predicts; `None` with a fault noted, and for every trained version.
    fn spec(
        &self,
        name: Option<&str>,
        at: &[usize],
        around: &Surroundings<'_>,
        faults: &mut Faults,
    ) -> Option<ModelSpec> {
        let (kind_at, model_at) = (self.kind.of(at), self.model.of(at));
        if model_at.is_there {
            if kind_at.is_there {
                model_at.fault(faults, "either kind or model, not both");
            } else if model_at.value.is_some() {
                let want = format!(
                    "a version in the registry `{}/` (no registry holds it yet: training and the registry are to come)",
                    around.registry.trim_end_matches('/')
                );
                model_at.fault(faults, want);
                self.refuse_params("a trained version, which has no params", &[], at, faults);
            }
            return None;
        }
        if !kind_at.is_there {
            let want = format!("a rule ({}) or, with `model`, a trained version", raw::KINDS);
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
        }
    }

    fn required<T: Copy>(&self, key: &str, spot: &Spot<T>, faults: &mut Faults) -> Option<T> {
        if !spot.is_there {
            self.params.miss(key, faults);
        }
        spot.value
    }

    /// Refuses parameters that the kind does not take; unknown ones have been refused before.
    fn refuse_params(&self, of: &str, taken: &[&str], at: &[usize], faults: &mut Faults) {
        let given = [
            ("lookback", self.lookback.of(at).there()),
            ("threshold", self.params_threshold.of(at).there()),
            ("rate", self.rate.of(at).there()),
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
    fn there(&self) -> Option<(usize, &str)> {
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

fn reference(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    const WANT: &str = "a reference such as \"name@version\"";
    let text = field.words(faults, WANT)?.to_owned();
    if text.trim().is_empty() { field.fault(faults, WANT) } else { Some(text) }
}

fn max_distance(field: &Field<'_>, faults: &mut Faults) -> Option<()> {
    const WANT: &str = "a quantile above 0, at most 1, or { absolute = DISTANCE }";
    match field.value() {
        Value::Integer(_) | Value::Float(_) => field.float(faults, FloatRange::Above(0.0, 1.0)).map(|_| ()),
        Value::Table(table) => match table.entries.as_slice() {
            [only] if only.key == "absolute" => Field::of(&only.node, format!("{}.absolute", field.path))
                .float(faults, FloatRange::Above(0.0, 1e9))
                .map(|_| ()),
            _ => field.fault(faults, WANT),
        },
        _ => field.fault(faults, WANT),
    }
}
