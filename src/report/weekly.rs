//! The comparisons of a fixed sample that a report makes once a week or so: is the best of many better than nothing, and
//! can it be told from the others. Right for one look, and so never a gate.

use std::collections::BTreeMap;

use super::figures::{AnnualSharpe, BootstrapMean, OverfittingFigures, SharpeDifference, SuperiorFigures, Weekly};
use super::gather::{FOCUS_MAX, finite};
use crate::domain::{Micros, UtcMicros};
use crate::statistics::comparison::Comparison;
use crate::statistics::overfitting::overfitting;
use crate::statistics::record::lo_annual;
use crate::statistics::resampling::{block_length, means};
use crate::statistics::sharpe::{difference, hac_error};
use crate::statistics::sums::Moments;

/// Periods below which nothing is compared.
const PERIODS_MIN: usize = 20;
/// Candidates compared at most, the first that were registered: choosing the best would tell what is hoped for.
const CANDIDATES_MAX: usize = 200;
const RESAMPLES: usize = 1_000;
const SEED: u64 = 20_140_501;
/// Blocks that cross-validation cuts the periods into.
const BLOCKS: usize = 10;
const HOUR: i64 = 3_600_000_000;
/// Others that the leader is held against.
const AGAINST_MAX: usize = 5;

/// A candidate and its closed trades.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Its name.
    pub(super) model: String,
    /// Its registration number.
    pub(super) seat: u32,
    /// Its trades.
    pub(super) outcomes: Vec<Outcome>,
}

/// A closed trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// When.
    pub(super) closed: UtcMicros,
    /// Profit in R.
    pub(super) r: f64,
}

/// The comparisons of `all`, candidates in order of rank. `None` where fewer than twenty days and
/// fewer than twenty hours saw a trade.
pub(super) fn weekly(all: &[Record]) -> Option<Weekly> {
    let traded: Vec<&Record> = all.iter().filter(|record| !record.outcomes.is_empty()).collect();
    let of_length = |length: i64| {
        let mut places: Vec<i64> =
            traded.iter().flat_map(|record| record.outcomes.iter().map(|o| o.closed.0.div_euclid(length))).collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    let days = of_length(Micros::DAY.0);
    let (length, places, period) =
        if days.len() >= PERIODS_MIN { (Micros::DAY.0, days, "day") } else { (HOUR, of_length(HOUR), "hour") };
    if places.len() < PERIODS_MIN {
        return None;
    }
    let place: BTreeMap<i64, usize> = places.iter().enumerate().map(|(at, place)| (*place, at)).collect();
    let mut seats: Vec<u32> = traded.iter().map(|record| record.seat).collect();
    seats.sort_unstable();
    let last = seats[seats.len().min(CANDIDATES_MAX) - 1];
    let chosen: Vec<&Record> = traded.iter().copied().filter(|record| record.seat <= last).collect();
    let names: Vec<&str> = chosen.iter().map(|record| record.model.as_str()).collect();
    let mut rows = vec![vec![0.0; names.len()]; places.len()];
    for (column, record) in chosen.iter().enumerate() {
        for outcome in &record.outcomes {
            rows[place[&outcome.closed.0.div_euclid(length)]][column] += outcome.r;
        }
    }
    let columns: Vec<Vec<f64>> = (0..names.len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect();
    let n = rows.len() as f64;
    let lengths: Vec<f64> = columns.iter().map(|xs| block_length(xs)).filter(|length| length.is_finite()).collect();
    let block = (lengths.iter().sum::<f64>() / lengths.len().max(1) as f64).clamp(1.0, n / 3.0);
    let comparison = Comparison::of(&rows, block, RESAMPLES, SEED);
    let superior = comparison.superior_ability();
    let mut set: Vec<(String, f64)> =
        names.iter().zip(comparison.confidence_by_maximum()).map(|(name, p)| ((*name).to_owned(), p)).collect();
    set.retain(|(_, p)| *p > 0.1);
    set.sort_by(|a, b| b.1.total_cmp(&a.1));
    let span = (places.last()? - places.first()? + 1) as f64 * length as f64;
    let per_year = n / (span / (365.25 * Micros::DAY.0 as f64));
    let shown = names.len().min(FOCUS_MAX);
    let overfit = overfitting(&rows, BLOCKS).map(|told| OverfittingFigures {
        probability: told.probability,
        splits: told.combinations,
        median_logit: told.median_logit,
    });
    Some(Weekly {
        period: period.to_owned(),
        periods: rows.len(),
        candidates: names.len(),
        traded: traded.len(),
        block,
        resamples: RESAMPLES,
        overfitting: overfit,
        superior: SuperiorFigures { lower: superior.lower, consistent: superior.consistent, upper: superior.upper },
        better: comparison.stepwise(0.05).into_iter().map(|at| names[at].to_owned()).collect(),
        confidence_set: set,
        means: bootstrap(&names[..shown], &rows, block),
        sharpes: (0..shown).map(|j| annual(names[j], &columns[j], per_year)).collect(),
        differences: (1..names.len().min(AGAINST_MAX + 1)).map(|j| against(&names, &columns, j)).collect(),
    })
}

fn bootstrap(names: &[&str], rows: &[Vec<f64>], block: f64) -> Vec<BootstrapMean> {
    let shown: Vec<Vec<f64>> = rows.iter().map(|row| row[..names.len()].to_vec()).collect();
    let resampled = means(&shown, block, RESAMPLES, SEED);
    let of = |(j, name): (usize, &&str)| {
        let mut values: Vec<f64> = resampled.iter().map(|row| row[j]).collect();
        values.sort_by(f64::total_cmp);
        BootstrapMean {
            model: (*name).to_owned(),
            mean_r: shown.iter().map(|row| row[j]).sum::<f64>() / shown.len() as f64,
            low_r: values[RESAMPLES * 25 / 1_000],
            high_r: values[RESAMPLES * 975 / 1_000 - 1],
        }
    };
    names.iter().enumerate().map(of).collect()
}

fn annual(name: &str, xs: &[f64], per_year: f64) -> AnnualSharpe {
    let moments = Moments::of(xs);
    let ratio = moments.mean() / moments.sd();
    let (autocorrelation, lo) = lo_annual(xs, ratio, per_year);
    AnnualSharpe {
        model: name.to_owned(),
        annual: finite(ratio * per_year.sqrt()),
        error: finite(hac_error(xs) * per_year.sqrt()),
        autocorrelation: finite(autocorrelation),
        lo: finite(lo),
    }
}

fn against(names: &[&str], columns: &[Vec<f64>], other: usize) -> SharpeDifference {
    let told = difference(&columns[0], &columns[other]);
    SharpeDifference {
        model: names[0].to_owned(),
        against: names[other].to_owned(),
        difference: finite(told.difference),
        error: finite(told.error),
        p: finite(told.p),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::draws::Draws;

    fn record(model: &str, seat: u32, outcomes: Vec<Outcome>) -> Record {
        Record { model: model.to_owned(), seat, outcomes }
    }

    /// Two trades a day on `days` days, of this mean.
    fn outcomes(days: i64, mean: f64, stream: u64) -> Vec<Outcome> {
        let mut draws = Draws::new(3, stream);
        let trade = |k: i64| Outcome { closed: UtcMicros(k * Micros::DAY.0 / 2), r: mean + draws.normal() };
        (0..days * 2).map(trade).collect()
    }

    #[test]
    fn one_edge_among_noise_is_found_and_noise_alone_is_not() {
        let noise = |k: u32| record(&format!("noise {k}"), k, outcomes(120, 0.0, u64::from(k)));
        let mut all: Vec<Record> = (1..=9).map(noise).collect();
        let told = weekly(&all).expect("there is enough");
        assert!(told.superior.consistent > 0.05 && told.better.is_empty(), "{:?}", told.superior);
        all.insert(0, record("edge", 77, outcomes(120, 0.5, 77)));
        let told = weekly(&all).expect("there is enough");
        assert_eq!((told.period.as_str(), told.periods, told.candidates), ("day", 120, 10));
        assert!(told.superior.consistent < 0.01 && told.better == ["edge"], "{:?}", told.better);
        assert_eq!(told.confidence_set.first().map(|(name, _)| name.as_str()), Some("edge"));
        assert!(told.overfitting.expect("ten candidates").probability < 0.05);
        assert!(told.means[0].low_r > 0.0 && told.means[0].low_r < told.means[0].mean_r);
        assert!(told.differences[0].p.expect("a p-value") < 0.01);
    }

    #[test]
    fn of_very_many_the_first_registered_are_compared_whoever_leads() {
        let all: Vec<Record> =
            (0..260).rev().map(|k| record(&format!("m{k}"), k, outcomes(20, 0.0, u64::from(k)))).collect();
        let told = weekly(&all).expect("twenty days");
        assert_eq!((told.candidates, told.traded), (CANDIDATES_MAX, 260));
        assert_eq!(told.means[0].model, "m199", "those that are compared stay in order of rank");
    }

    #[test]
    fn short_records_are_compared_by_the_hour_or_not_at_all() {
        let hourly = |hours: i64| -> Vec<Outcome> {
            let mut draws = Draws::new(1, 1);
            (0..hours).map(|k| Outcome { closed: UtcMicros(k * HOUR), r: draws.normal() }).collect()
        };
        assert!(weekly(&[]).is_none() && weekly(&[record("a", 0, hourly(19))]).is_none());
        let told = weekly(&[record("a", 0, hourly(30))]).expect("thirty hours");
        assert_eq!((told.period.as_str(), told.periods, told.overfitting), ("hour", 30, None));
        // Without a spread there is no ratio, and nothing that is no number.
        let flat = (0..30).map(|k| Outcome { closed: UtcMicros(k * HOUR), r: 1.0 }).collect();
        let told = weekly(&[record("flat", 0, flat)]).expect("thirty hours");
        assert_eq!(told.sharpes[0].annual, None);
        assert!(told.block.is_finite() && told.superior.consistent.is_finite());
    }
}
