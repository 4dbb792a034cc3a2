//! From a store to the figures of a report: every trade of every seat once, and the first few candidates closely.

use std::collections::{BTreeMap, HashMap};

use super::figures::{
    DistanceGroup, FaultFigures, Focus, GapFigures, Group, Histogram, ModelFigures, Point, PredictionGroup,
    Predictions, Quality, Report,
};
use super::live::shortfalls;
use super::summary::summary;
use super::weekly::{Outcome, Record, weekly};
use crate::domain::{Money, Trade, UtcMicros};
use crate::flow::{Board, Explanation, PredictionRow, Row, Verdict};
use crate::ledger::{SeatRecord, read_seat};
use crate::statistics::mixture::{Mixture, Totals, bets, lower_fast, upper_fast};
use crate::statistics::sums::Moments;
use crate::store::entry::{SessionEntry, UpkeepEntry, decode, read_lane};
use crate::store::views::{self, BOARD, Head, RosterEntry, explain_record, read_record};
use crate::store::{Lane, Store, StoreError};

/// Candidates looked at closely: as many as can be told apart by colour.
pub(super) const FOCUS_MAX: usize = 6;
/// Points of a curve.
const CURVE_POINTS: usize = 400;
/// Predictions looked at, the last ones.
const PREDICTIONS_MAX: usize = 20_000;
/// Pairs of predicted and actual that are drawn.
const SAMPLE_MAX: usize = 800;
/// Gaps and faults listed.
const LISTED_MAX: usize = 100;
/// Bins of a histogram, and the span of outcomes that they cover.
const BINS: u32 = 40;
/// The level of intervals.
const LEVEL: f64 = 0.05;

/// What `[promotion]` says of evidence, from the journalled configuration.
#[derive(Debug)]
struct EvidenceTerms {
    bets: usize,
    lambda_min: f64,
    lambda_cap: f64,
    null_edge_r: f64,
    cap_r: f64,
    min_useful_edge_r: f64,
    is_by_episode: bool,
}

impl EvidenceTerms {
    fn of(keys: &BTreeMap<String, String>) -> Self {
        let number = |key: &str, default: f64| {
            keys.get(&format!("promotion.{key}")).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let count = keys.get("promotion.bets").and_then(|text| text.parse().ok()).filter(|count| *count > 0);
        Self {
            bets: count.unwrap_or(12),
            lambda_min: number("lambda_min", 0.01),
            lambda_cap: number("lambda_cap", 0.9),
            null_edge_r: number("null_edge_r", 0.0),
            cap_r: number("cap_r", 10.0),
            min_useful_edge_r: number("min_useful_edge_r", 0.05),
            is_by_episode: keys.get("promotion.unit").is_none_or(|unit| unit == "episode"),
        }
    }

    fn bets(&self, floor_r: f64) -> Box<[f64]> {
        bets(self.bets, self.lambda_min, self.lambda_cap / (floor_r + self.null_edge_r))
    }
}

/// The figures of what `store` holds.
///
/// # Errors
/// Whatever reading fails with.
pub fn gather(store: &dyn Store) -> Result<Report, StoreError> {
    let board: Board = read_record(store, BOARD)?.unwrap_or_default();
    let head: Head = read_record(store, views::HEAD)?.unwrap_or_default();
    let roster: Vec<RosterEntry> = read_record(store, views::ROSTER)?.unwrap_or_default();
    let (keys, mut quality) = session(store, &head)?;
    let terms = EvidenceTerms::of(&keys);

    // The board's rows are the candidates in force; of a name that had several seats the row bears the last ticket.
    let seats: HashMap<&str, &RosterEntry> = roster.iter().map(|entry| (entry.model.as_str(), entry)).collect();
    let mut report = Report {
        arena: board.arena.clone(),
        time: board.time,
        is_done: board.is_done,
        currency: board.rows.first().map(|row| row.currency.clone()).unwrap_or_default(),
        promotion: keys
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("promotion.")?.to_owned(), value.clone())))
            .collect(),
        ..Report::default()
    };
    let mut all = Pool::default();
    let mut outcomes: Vec<Record> = Vec::new();
    for row in &board.rows {
        let Some(seat) = seats.get(row.model.as_str()) else { continue };
        let record = SeatTrades::read(store, seat.seat)?;
        quality.lapsed += record.lapsed;
        quality.refused += record.refused;
        let gates: Option<Explanation> = read_record(store, &explain_record(seat.seat))?;
        report.models.push(model_figures(row, seat, &record.trades, gates.as_ref(), &terms));
        all.take(&record.trades);
        if report.focus.len() < FOCUS_MAX && !record.trades.is_empty() {
            report.focus.push(focus(store, seat, &record.trades, gates, row, &terms)?);
        }
        let kept = record.trades.iter().map(|trade| Outcome { closed: trade.closed, r: trade.r }).collect();
        outcomes.push(Record { model: seat.model.clone(), seat: seat.seat, outcomes: kept });
    }
    for focus in &mut report.focus {
        let at = board.rows.iter().position(|row| row.model.as_str() == focus.model);
        focus.nearness = at.and_then(|at| board.nearness.get(at)?.as_deref().cloned());
    }
    report.outcomes = histogram(&all.outcomes, &all.outcomes);
    report.exits = groups(all.exits);
    report.hours = groups(all.hours);
    report.weekly = weekly(&outcomes);
    report.live = shortfalls(store, &board.desk, &roster)?;
    quality.health = board.health.clone();
    let bad: u64 = quality.health.bad_quotes.iter().map(|(_, n)| n).sum();
    let came = bad + quality.health.quotes;
    quality.bad_share = (came > 0).then(|| bad as f64 / came as f64);
    report.quality = quality;
    report.summary = summary(&report, &board);
    Ok(report)
}

/// The keys of the configuration in force, and what the session tells of the data.
fn session(store: &dyn Store, head: &Head) -> Result<(BTreeMap<String, String>, Quality), StoreError> {
    let (mut text, mut quality) = (String::new(), Quality::default());
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let name = |epic: &u16| head.epics.get(usize::from(*epic)).cloned().unwrap_or_else(|| format!("epic {epic}"));
    for block in store.read(Lane::Session) {
        for entry in decode::<SessionEntry>(Lane::Session, &block?)? {
            match entry {
                SessionEntry::Configured { canonical, .. } => text = canonical,
                SessionEntry::Gap { from, to, epics, reason, .. } => {
                    quality.n_gaps += 1;
                    quality.gap_seconds += (to - from).as_secs_f64();
                    let epics = epics.iter().map(name).collect();
                    quality.gaps.push(GapFigures { from, to, epics, reason });
                }
                SessionEntry::Fault { time, kind, text } => {
                    *counts.entry(kind.clone()).or_default() += 1;
                    quality.faults.push(FaultFigures { time, kind, text });
                }
                SessionEntry::Suspended { time, model, reason } => {
                    let kind = "suspended".to_owned();
                    *counts.entry(kind.clone()).or_default() += 1;
                    quality.faults.push(FaultFigures { time, kind, text: format!("{model}: {reason}") });
                }
                SessionEntry::Ruled { time, epic, rule, was, is } => {
                    let kind = "rule changed".to_owned();
                    *counts.entry(kind.clone()).or_default() += 1;
                    let text = format!("{epic}: {rule} was {was:?} and is {is:?}");
                    quality.faults.push(FaultFigures { time, kind, text });
                }
                SessionEntry::Closed { .. } | SessionEntry::Reloaded { .. } | SessionEntry::WarmedUp { .. } => {}
            }
        }
    }
    keep_last(&mut quality.gaps);
    keep_last(&mut quality.faults);
    let deleted = read_lane::<UpkeepEntry>(store, Lane::Upkeep)?;
    quality.deleted = deleted.iter().map(UpkeepEntry::sentence).collect();
    keep_last(&mut quality.deleted);
    quality.fault_counts = counts.into_iter().collect();
    let keys = text.lines().filter_map(|line| line.split_once(" = "));
    Ok((keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(), quality))
}

fn keep_last<T>(list: &mut Vec<T>) {
    list.drain(..list.len().saturating_sub(LISTED_MAX));
}

/// The trades of a seat, and how often it did not come to one.
#[derive(Default)]
struct SeatTrades {
    trades: Vec<Trade>,
    lapsed: u64,
    refused: u64,
}

impl SeatTrades {
    fn read(store: &dyn Store, seat: u32) -> Result<Self, StoreError> {
        let mut record = Self::default();
        read_seat(store, seat, |entry| {
            match entry {
                SeatRecord::Closed(trade) => record.trades.push(trade),
                SeatRecord::Lapsed { .. } => record.lapsed += 1,
                SeatRecord::Refused { .. } => record.refused += 1,
                _ => {}
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(record)
    }
}

/// Trades by what they have in common.
#[derive(Default)]
struct Pool {
    outcomes: Vec<f64>,
    exits: BTreeMap<String, (Moments, Money)>,
    hours: BTreeMap<String, (Moments, Money)>,
}

impl Pool {
    fn take(&mut self, trades: &[Trade]) {
        for trade in trades {
            self.outcomes.push(trade.r);
            let hour = trade.opened.0.div_euclid(3_600_000_000).rem_euclid(24);
            for (map, name) in
                [(&mut self.exits, trade.reason.word().to_owned()), (&mut self.hours, format!("{hour:02}"))]
            {
                let (moments, profit) = map.entry(name).or_default();
                moments.push(trade.r);
                *profit += trade.profit;
            }
        }
    }
}

pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Two standard errors of a mean.
fn two_errors(moments: &Moments) -> Option<f64> {
    finite(2.0 * moments.sd() / (moments.n() as f64).sqrt())
}

fn groups(map: BTreeMap<String, (Moments, Money)>) -> Vec<Group> {
    let group = |(name, (moments, profit)): (String, (Moments, Money))| Group {
        name,
        n: moments.n(),
        mean_r: finite(moments.mean()),
        error_r: two_errors(&moments),
        profit,
    };
    map.into_iter().map(group).collect()
}

/// Bins over nearly all of `span`, evenly apart, with 0 at an edge.
fn histogram(outcomes: &[f64], span: &[f64]) -> Histogram {
    let mut sorted = span.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(place).copied().unwrap_or_default()
    };
    let (low, high) = (at(0.005).min(0.0), at(0.995).max(0.0));
    // A round step: outcomes pile up at the stop and the limit, which should not fall on an edge.
    let step = nice_step(((high - low) / f64::from(BINS)).max(1e-3));
    let from = (low / step).floor() * step - step / 2.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some forty bins")]
    let count = ((high + step / 2.0 - from) / step).ceil().max(1.0) as usize;
    let mut counts = vec![0; count];
    for r in outcomes {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bins")]
        let bin = ((r - from) / step).floor().clamp(0.0, (count - 1) as f64) as usize;
        counts[bin] += 1;
    }
    let moments = Moments::of(outcomes);
    let mut own = outcomes.to_vec();
    own.sort_by(f64::total_cmp);
    Histogram {
        from_r: from,
        step_r: step,
        counts,
        mean_r: finite(moments.mean()),
        median_r: own.get(own.len() / 2).copied(),
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, at least `least`.
pub(super) fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

fn model_figures(
    row: &Row,
    seat: &RosterEntry,
    trades: &[Trade],
    gates: Option<&Explanation>,
    terms: &EvidenceTerms,
) -> ModelFigures {
    let r = Moments::of(&trades.iter().map(|trade| trade.r).collect::<Vec<_>>());
    let xs: Vec<f64> = trades.iter().map(|trade| trade.x).collect();
    let capped: Vec<f64> = xs.iter().map(|x| x.min(terms.cap_r)).collect();
    let above = bets(terms.bets, terms.lambda_min, terms.lambda_cap / (terms.cap_r - terms.min_useful_edge_r));
    let is_some = !xs.is_empty();
    let low = is_some.then(|| lower_fast(&terms.bets(seat.floor_r), seat.floor_r, Totals::of(&xs), LEVEL));
    let high = is_some.then(|| upper_fast(&above, terms.cap_r, Totals::of(&capped), LEVEL));
    let sum = |is_win: bool| trades.iter().map(|t| t.r).filter(|r| (*r > 0.0) == is_win).sum::<f64>();
    ModelFigures {
        row: row.clone(),
        trades: r.n(),
        mean_r: finite(r.mean()),
        // At the ends of what can be nothing is known.
        low_r: low.and_then(finite).filter(|low| *low > -seat.floor_r),
        high_r: high.and_then(finite).filter(|high| *high < terms.cap_r),
        profit_factor: finite(sum(true) / -sum(false)),
        days_to_decision: gates.and_then(|gates| gates.expected_days_to_decision),
        missed: gates.map(missed).unwrap_or_default(),
    }
}

/// The gates that do not let a candidate through.
pub(super) fn missed(explanation: &Explanation) -> Vec<String> {
    let closed = explanation.gates.iter().filter(|gate| gate.verdict != Verdict::Pass);
    closed.map(|gate| gate.gate.clone()).collect()
}

fn focus(
    store: &dyn Store,
    seat: &RosterEntry,
    trades: &[Trade],
    gates: Option<Explanation>,
    row: &Row,
    terms: &EvidenceTerms,
) -> Result<Focus, StoreError> {
    let mut pool = Pool::default();
    pool.take(trades);
    let said = views::predictions(store, seat, PREDICTIONS_MAX)?;
    let curve = curve(seat, trades, gates.as_ref(), row, terms);
    Ok(Focus {
        model: seat.model.clone(),
        curve,
        outcomes: histogram(&pool.outcomes, &pool.outcomes),
        exits: groups(pool.exits),
        hours: groups(pool.hours),
        predictions: predictions(&said),
        distances: distances(&said, trades),
        nearness: None,
        gates,
    })
}

/// Cumulated R and evidence, trade by trade. Evidence begins anew with each generation.
fn curve(
    seat: &RosterEntry,
    trades: &[Trade],
    gates: Option<&Explanation>,
    row: &Row,
    terms: &EvidenceTerms,
) -> Vec<Point> {
    let gate = gates.and_then(|gates| gates.gates.iter().find(|gate| gate.gate.starts_with("G1")));
    let (wealth, limit) = (gate.and_then(|gate| gate.value), gate.and_then(|gate| gate.limit));
    let began = seat.generations_began.last().copied().unwrap_or(UtcMicros(i64::MIN));
    let mut mixture = Mixture::new(terms.bets(seat.floor_r), 0.0);
    // What the slot began with, and what it is measured by: wealth now less evidence now, less the gate.
    let offset = wealth
        .zip(limit)
        .zip(row.log10_e)
        .map(|((wealth, limit), log10_e)| wealth - limit - log10_e * std::f64::consts::LN_10)
        .filter(|_| terms.is_by_episode);
    let (mut equity, mut peak) = (0.0f64, 0.0f64);
    let mut points = Vec::with_capacity(trades.len());
    for trade in trades {
        equity += trade.r;
        peak = peak.max(equity);
        let is_counted = trade.made >= began;
        if is_counted {
            mixture.play(trade.x - terms.null_edge_r);
        }
        let evidence = offset
            .filter(|_| is_counted)
            .and_then(|offset| finite((mixture.log_wealth() + offset) / std::f64::consts::LN_10));
        points.push(Point { time: trade.closed, equity_r: equity, drawdown_r: peak - equity, evidence });
    }
    thinned(points)
}

/// At most [`CURVE_POINTS`], the last always among them; of each run that is left out the deepest drawdown stays.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    let stride = points.len().div_ceil(CURVE_POINTS).max(1);
    if stride == 1 {
        return points;
    }
    let deepest = |run: &[Point]| {
        let last = run.last().copied()?;
        let drawdown_r = run.iter().map(|point| point.drawdown_r).fold(0.0, f64::max);
        Some(Point { drawdown_r, ..last })
    };
    points.chunks(stride).filter_map(deepest).collect()
}

fn basis_points(ratio: f64) -> f64 {
    (ratio - 1.0) * 1e4
}

fn predictions(said: &[PredictionRow]) -> Option<Predictions> {
    let mut pairs: Vec<(f64, f64)> = said
        .iter()
        .filter_map(|row| Some((basis_points(row.expected()?), basis_points(row.y_true?))))
        .filter(|(predicted, actual)| predicted.is_finite() && actual.is_finite())
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let sample = pairs.iter().step_by(pairs.len().div_ceil(SAMPLE_MAX)).copied().collect();
    let (predicted, actual): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (of_predicted, of_actual) = (Moments::of(&predicted), Moments::of(&actual));
    let n = pairs.len() as f64;
    let together = |pair: &(f64, f64)| (pair.0 - of_predicted.mean()) * (pair.1 - of_actual.mean());
    let covariance = pairs.iter().map(together).sum::<f64>() / (n - 1.0);
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let group = |group: &[(f64, f64)]| {
        let predicted = group.iter().map(|pair| pair.0).sum::<f64>() / group.len() as f64;
        let actual = Moments::of(&group.iter().map(|pair| pair.1).collect::<Vec<_>>());
        PredictionGroup {
            n: actual.n(),
            predicted_bp: predicted,
            actual_bp: actual.mean(),
            error_bp: two_errors(&actual).unwrap_or_default(),
        }
    };
    Some(Predictions {
        n: pairs.len() as u64,
        last: said.len(),
        correlation: finite(covariance / (of_predicted.sd() * of_actual.sd())),
        slope: finite(covariance / of_predicted.sd().powi(2)),
        bias_bp: finite(of_actual.mean() - of_predicted.mean()),
        groups: pairs.chunks(pairs.len().div_ceil(10)).map(group).collect(),
        sample,
    })
}

/// Fifths of the predictions by their distance to the training data.
fn distances(said: &[PredictionRow], trades: &[Trade]) -> Vec<DistanceGroup> {
    let by_close: HashMap<UtcMicros, f64> = trades.iter().map(|trade| (trade.made, trade.r)).collect();
    let mut known: Vec<(f64, &PredictionRow)> =
        said.iter().filter_map(|row| Some((row.distance.filter(|d| d.is_finite())?, row))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let group = |group: &[(f64, &PredictionRow)]| {
        let wrong = group.iter().filter_map(|(_, row)| Some((row.y_true? - row.expected()?).abs() * 1e4));
        let wrong = Moments::of(&wrong.collect::<Vec<_>>());
        let acted = group.iter().filter(|(_, row)| row.acted);
        let results = acted.filter_map(|(_, row)| by_close.get(&row.time).copied());
        let results = Moments::of(&results.collect::<Vec<_>>());
        DistanceGroup {
            from: group.first().map_or(0.0, |(distance, _)| *distance),
            to: group.last().map_or(0.0, |(distance, _)| *distance),
            n: group.len() as u64,
            abstained: group.iter().filter(|(_, row)| row.abstained).count() as u64,
            error_bp: finite(wrong.mean()),
            trades: results.n(),
            mean_r: finite(results.mean()),
            error_r: two_errors(&results),
        }
    };
    known.chunks(known.len().div_ceil(5).max(1)).map(group).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::Direction;

    use super::*;

    #[test]
    fn steps_are_round_and_never_smaller_than_asked() {
        for (least, want) in [(0.03, 0.05), (0.05, 0.05), (0.11, 0.2), (0.24, 0.25), (3.0, 5.0), (7.0, 10.0)] {
            assert!((nice_step(least) - want).abs() < 1e-12, "{least}: {}", nice_step(least));
        }
    }

    #[test]
    fn every_outcome_is_in_a_bin_and_the_middle_of_one_is_zero() {
        let outcomes = [-1.0, -1.0, 0.0, 0.4, 1.5, 1.5, 1.5, 40.0, -9.0];
        let told = histogram(&outcomes, &outcomes);
        assert_eq!(told.counts.iter().sum::<u64>(), 9);
        let middle = (0.0 - told.from_r) / told.step_r;
        assert!((middle.fract() - 0.5).abs() < 1e-6, "{middle}");
        assert_eq!(told.median_r, Some(0.4));
        assert_eq!(histogram(&[], &[]).counts.iter().sum::<u64>(), 0);
    }

    #[test]
    fn a_thinned_curve_keeps_its_end_and_its_deepest_fall() {
        let point = |k: i64| Point {
            time: UtcMicros(k),
            equity_r: k as f64,
            drawdown_r: if k == 1_001 { 9.0 } else { 0.0 },
            evidence: None,
        };
        let thin = thinned((0..5_000).map(point).collect());
        assert!(thin.len() <= CURVE_POINTS && thin.last() == Some(&point(4_999)));
        assert!(thin.iter().any(|point| point.drawdown_r > 8.0));
    }

    #[test]
    fn honest_predictions_have_a_slope_of_one() {
        let row = |k: u32| {
            // What it expects of its own side: a short predicts the inverse.
            let predicted = 1.0 + f64::from(k % 21) * 1e-5;
            let is_short = k.is_multiple_of(3);
            PredictionRow {
                model: "m".into(),
                ticket: String::new(),
                epic: String::new(),
                time: UtcMicros(i64::from(k)),
                signal: is_short.then_some(Direction::Short),
                acted: false,
                abstained: k.is_multiple_of(4),
                y_pred: Some(if is_short { predicted.recip() } else { predicted }),
                distance: Some(f64::from(k % 7)),
                y_true: Some(predicted + if k.is_multiple_of(2) { 1e-4 } else { -1e-4 }),
            }
        };
        let said: Vec<PredictionRow> = (0..4_200).map(row).collect();
        let told = predictions(&said).expect("there are predictions");
        assert_eq!((told.n, told.groups.len()), (4_200, 10));
        assert!((told.slope.expect("a slope") - 1.0).abs() < 0.05 && told.bias_bp.expect("a bias").abs() < 1e-6);
        let by_distance = distances(&said, &[]);
        assert_eq!(by_distance.iter().map(|group| group.n).sum::<u64>(), 4_200);
        assert!(by_distance.iter().all(|group| group.error_bp.is_some_and(|error| (error - 1.0).abs() < 1e-6)));
        assert!(predictions(&[]).is_none() && distances(&[], &[]).is_empty());
    }
}
