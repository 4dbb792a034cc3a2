//! Studies of the parts, in the designs of the published figures: how often the evidence misleads, how long it takes, when
//! detectors alarm, what slots and the challenger test spend. They call what the promoter is made of.

use serde::Serialize;

use super::outcomes::{Correlated, Payoff};
use super::tournament::evidence_only;
use crate::config::{PromotionConfig, SlotReuse};
use crate::promoter::{Evidence, SlotTable};
use crate::statistics::detectors::Decay;
use crate::statistics::draws::Draws;
use crate::statistics::mixture::{Mixture, Totals, bets, lower_fast};
use crate::statistics::multiplicity::e_bh;

/// The chance of a false promotion in every study.
const ALPHA: f64 = 0.05;
/// The floor of every outcome, in R.
const FLOOR: f64 = 3.0;
/// Bets of a mixture.
const BETS: usize = 12;

/// What is studied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Study {
    /// False promotions among a hundred candidates without an edge.
    Null,
    /// Trades until one with an edge passes.
    Power,
    /// The challenger test.
    Swap,
    /// Run lengths of the detector of decay and of a drawdown.
    Demote,
    /// Run lengths of the parity detector.
    Parity,
    /// How often the lower bound misses.
    Coverage,
    /// Slots that candidates come and go in.
    Recycle,
    /// Evidence, size, drawdown and futility together.
    Full,
}

/// One setting of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Which study.
    pub study: Study,
    /// Its name among the published rows.
    pub name: String,
    payoff: Payoff,
    rho: f64,
    edge: f64,
    keep: f64,
    limit: f64,
    steps: u64,
}

/// How the times (or values) of a column are summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The share of replicates in which it came.
    Share,
    /// The share in which it came by then.
    By(u64),
    /// The median time; infinite ones count as late.
    Median,
    /// The median time of those in which it came.
    MedianOfCome,
    /// Another quantile of it.
    Quantile(f64),
    /// The mean.
    Mean,
}

/// A column of a study.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The measure it is made of.
    pub measure: usize,
    /// How.
    pub kind: Kind,
}

/// A figure of a row; `None` where it was not reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// The column.
    pub column: &'static str,
    /// The figure.
    pub value: Option<f64>,
}

/// A row of figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyRow {
    /// Which study.
    pub study: Study,
    /// Which setting.
    pub design: String,
    /// Replicates.
    pub replicates: usize,
    /// The figures.
    pub cells: Vec<Cell>,
}

const TWO_POINT: Payoff = Payoff::TwoPoint { low: -1.0, high: 1.0 };

impl Study {
    /// Every study by its name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("null", Self::Null),
        ("power", Self::Power),
        ("swap", Self::Swap),
        ("demote", Self::Demote),
        ("parity", Self::Parity),
        ("coverage", Self::Coverage),
        ("recycle", Self::Recycle),
        ("full", Self::Full),
    ];

    /// Every setting of it, in the order of the published rows.
    #[must_use]
    pub fn designs(self) -> Vec<Design> {
        let plain = Design {
            study: self,
            name: String::new(),
            payoff: TWO_POINT,
            rho: 0.0,
            edge: 0.0,
            keep: 0.0,
            limit: f64::INFINITY,
            steps: 2_000,
        };
        let mut designs = Vec::new();
        let payoffs = || Payoff::ALL.into_iter();
        match self {
            Self::Null => {
                for (name, payoff) in payoffs() {
                    for rho in [0.0, 0.7] {
                        designs.push(Design { name: format!("{name} rho {rho}"), payoff, rho, ..plain.clone() });
                    }
                }
            }
            Self::Power => {
                for (name, payoff) in payoffs() {
                    for (edge, steps) in [(0.05, 40_000), (0.1, 12_000), (0.2, 4_000)] {
                        if payoff.allows(edge) {
                            designs.push(Design {
                                name: format!("{name} edge {edge}"),
                                payoff,
                                edge,
                                steps,
                                ..plain.clone()
                            });
                        }
                    }
                }
            }
            Self::Swap => {
                for rho in [0.0, 0.7, 0.95] {
                    for (edge, steps) in [(0.0, 4_000), (0.05, 20_000), (0.1, 8_000), (0.2, 4_000)] {
                        designs.push(Design {
                            name: format!("rho {rho} advantage {edge}"),
                            rho,
                            edge,
                            steps,
                            ..plain.clone()
                        });
                    }
                }
            }
            Self::Demote => {
                for high in [1.0, 0.5, 3.0] {
                    for keep in [0.0, 0.02] {
                        for edge in [0.1, 0.05, keep, -0.05, -0.1, -0.2, -0.4] {
                            let payoff = Payoff::TwoPoint { low: -1.0, high };
                            let name = format!("-1/+{high} keep {keep} mean {edge}");
                            designs.push(Design { name, payoff, edge, keep, steps: 20_000, ..plain.clone() });
                        }
                    }
                }
            }
            Self::Parity => {
                for edge in [0.0, -0.02, -0.03, -0.05, -0.1, -0.2] {
                    designs.push(Design { name: format!("mean {edge}"), edge, steps: 10_000, ..plain.clone() });
                }
            }
            Self::Coverage => {
                for (name, payoff) in payoffs() {
                    for edge in [0.0, 0.05, 0.2] {
                        if payoff.allows(edge) {
                            let name = format!("{name} mean {edge}");
                            designs.push(Design { name, payoff, edge, steps: 3_000, ..plain.clone() });
                        }
                    }
                }
            }
            Self::Recycle => designs.push(Design { name: "inherit".to_owned(), steps: 8_000, ..plain }),
            Self::Full => {
                for (name, payoff) in [0, 1, 3].map(|at| Payoff::ALL[at]) {
                    for edge in [-0.05, 0.0, 0.05, 0.1, 0.2] {
                        for limit in [25.0, 40.0, f64::INFINITY] {
                            let gate = if limit.is_finite() { limit.to_string() } else { "off".to_owned() };
                            let name = format!("{name} mean {edge} drawdown {gate}");
                            designs.push(Design { name, payoff, edge, limit, steps: 20_000, ..plain.clone() });
                        }
                    }
                }
            }
        }
        designs
    }

    /// Its columns.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        const fn column(name: &'static str, measure: usize, kind: Kind) -> Column {
            Column { name, measure, kind }
        }
        use Kind::{By, Mean, Median, MedianOfCome, Quantile, Share};
        match self {
            Self::Null => {
                const COLUMNS: [Column; 4] = [
                    column("e, no correction", 0, Share),
                    column("e Bonferroni", 1, Share),
                    column("e-BH", 2, Share),
                    column("mean of all e", 3, Share),
                ];
                &COLUMNS
            }
            Self::Power => {
                const COLUMNS: [Column; 10] = [
                    column("N=10", 0, Median),
                    column("N=100", 1, Median),
                    column("90 %", 1, Quantile(0.9)),
                    column("N=1000", 2, Median),
                    column("N=10000", 3, Median),
                    column("tight N=100", 4, Median),
                    column("by 500", 1, By(500)),
                    column("by 2000", 1, By(2_000)),
                    column("median DSR", 5, Median),
                    column("DSR>=.90", 6, Share),
                ];
                &COLUMNS
            }
            Self::Swap => {
                const COLUMNS: [Column; 2] = [column("swapped", 0, Share), column("median rounds", 0, Median)];
                &COLUMNS
            }
            Self::Demote => {
                const COLUMNS: [Column; 4] = [
                    column("e-SR mean", 0, Mean),
                    column("e-SR median", 0, Median),
                    column("20R drawdown mean", 1, Mean),
                    column("20R drawdown median", 1, Median),
                ];
                &COLUMNS
            }
            Self::Parity => {
                const COLUMNS: [Column; 2] = [column("mean", 0, Mean), column("median", 0, Median)];
                &COLUMNS
            }
            Self::Coverage => {
                const COLUMNS: [Column; 2] = [column("fast", 0, Share), column("exact", 1, Share)];
                &COLUMNS
            }
            Self::Recycle => {
                const COLUMNS: [Column; 2] = [column("false promotion", 0, Share), column("candidates used", 1, Mean)];
                &COLUMNS
            }
            Self::Full => {
                const COLUMNS: [Column; 6] = [
                    column("promoted", 0, Share),
                    column("median", 0, MedianOfCome),
                    column("retired low e", 1, Share),
                    column("retired ucb", 2, Share),
                    column("max episodes", 3, Share),
                    column("median life if retired", 4, Median),
                ];
                &COLUMNS
            }
        }
    }
}

impl Design {
    /// Replicate number `replicate`: one measure for each that the columns name, infinite where it never came.
    #[must_use]
    pub fn replicate(&self, config: &PromotionConfig, seed: u64, replicate: u64) -> Vec<f64> {
        let draws = Draws::new(seed, replicate);
        match self.study {
            Study::Null => self.null(draws),
            Study::Power => self.power(config, draws),
            Study::Swap => self.swap(draws),
            Study::Demote => self.demote(config, draws),
            Study::Parity => self.parity(config, draws),
            Study::Coverage => self.coverage(draws),
            Study::Recycle => self.recycle(config, draws),
            Study::Full => self.full(config, draws),
        }
    }

    /// Sums up what the replicates measured.
    #[must_use]
    pub fn row(&self, measures: &[Vec<f64>]) -> StudyRow {
        let cells = self.study.columns().iter().map(|column| {
            let mut values: Vec<f64> = measures.iter().map(|of| of[column.measure]).filter(|x| !x.is_nan()).collect();
            Cell { column: column.name, value: summed(&mut values, column.kind).filter(|x| x.is_finite()) }
        });
        StudyRow { study: self.study, design: self.name.clone(), replicates: measures.len(), cells: cells.collect() }
    }

    fn null(&self, draws: Draws) -> Vec<f64> {
        const N: usize = 100;
        let mut normals = Correlated::new(draws, self.rho);
        let mut mixtures = vec![Mixture::new(bets(BETS, 0.01, 0.9 / FLOOR), 0.0); N];
        let (mut zs, mut e) = (vec![0.0; N], vec![0.0f64; N]);
        let mut hits = vec![f64::INFINITY; 4];
        let lone = (1.0 / ALPHA).ln();
        for t in 0..self.steps {
            normals.fill(&mut zs);
            let mut may_any = false;
            for (mixture, z) in mixtures.iter_mut().zip(&zs) {
                mixture.play(self.payoff.outcome(*z, t, 0.0));
                may_any |= mixture.may_reach(lone);
            }
            // No rule says anything while every e-value is below 1/alpha.
            if !may_any {
                continue;
            }
            e.iter_mut().zip(&mixtures).for_each(|(e, mixture)| *e = mixture.log_wealth().exp());
            let largest = e.iter().copied().fold(0.0, f64::max);
            if largest < 1.0 / ALPHA {
                continue;
            }
            let n = N as f64;
            let now = [
                true,
                largest >= n / ALPHA,
                hits[2].is_infinite() && !e_bh(&e, ALPHA).is_empty(),
                e.iter().sum::<f64>() / n >= 1.0 / ALPHA,
            ];
            for (hit, is_now) in hits.iter_mut().zip(now) {
                if is_now && hit.is_infinite() {
                    *hit = (t + 1) as f64;
                }
            }
            if hits.iter().all(|hit| hit.is_finite()) {
                break;
            }
        }
        hits
    }

    fn power(&self, config: &PromotionConfig, mut draws: Draws) -> Vec<f64> {
        let thresholds = [10.0, 100.0, 1_000.0, 10_000.0].map(|n: f64| (n / ALPHA).ln());
        let mut evidence = Evidence::new(&evidence_only(config, 100), FLOOR, 10.0, Some(1.0));
        let mut tight = Mixture::new(bets(BETS, 0.01, 0.9 / 1.1), 0.0);
        let has_tight = matches!(self.payoff, Payoff::TwoPoint { .. });
        let mut hits = vec![f64::INFINITY; 7];
        if !has_tight {
            hits[4] = f64::NAN;
        }
        (hits[5], hits[6]) = (f64::NAN, f64::NAN);
        for t in 0..self.steps {
            let x = self.payoff.outcome(draws.normal(), t, self.edge);
            evidence.on_episode(x);
            let now = (t + 1) as f64;
            for (at, threshold) in thresholds.iter().enumerate() {
                let is_first = hits[at].is_infinite() && evidence.may_reach(*threshold);
                if is_first && evidence.log_e().is_some_and(|log_e| log_e >= *threshold) {
                    hits[at] = now;
                    if at == 1 && t > 0 {
                        let dsr = evidence.sharpe().deflated(100, 1.0 / now);
                        (hits[5], hits[6]) = (dsr, if dsr >= 0.9 { now } else { f64::INFINITY });
                    }
                }
            }
            if has_tight && hits[4].is_infinite() {
                tight.play(x);
                if tight.may_reach(thresholds[1]) && tight.log_wealth() >= thresholds[1] {
                    hits[4] = now;
                }
            }
            if hits[..5].iter().all(|hit| !hit.is_infinite()) {
                break;
            }
        }
        hits
    }

    fn swap(&self, draws: Draws) -> Vec<f64> {
        let mut normals = Correlated::new(draws, self.rho);
        let mut mixture = Mixture::new(bets(BETS, 0.01, 0.9 / 2.0), 0.0);
        let threshold = (20.0f64 / 0.1).ln();
        let mut zs = [0.0; 2];
        for t in 0..self.steps {
            normals.fill(&mut zs);
            let challenger = TWO_POINT.outcome(zs[0], t, 0.1 + self.edge);
            mixture.play(challenger - TWO_POINT.outcome(zs[1], t, 0.1));
            if mixture.may_reach(threshold) && mixture.log_wealth() >= threshold {
                return vec![(t + 1) as f64];
            }
        }
        vec![f64::INFINITY]
    }

    fn demote(&self, config: &PromotionConfig, mut draws: Draws) -> Vec<f64> {
        let Payoff::TwoPoint { high, .. } = self.payoff else { unreachable!("demotion is studied on two points") };
        let mut decay = Decay::new(BETS, 0.01, 0.9, self.keep, high);
        let (mut equity, mut peak) = (0.0f64, 0.0f64);
        let never = (self.steps + 1) as f64;
        let mut hits = vec![never, never];
        for t in 0..self.steps {
            let x = self.payoff.outcome(draws.normal(), t, self.edge);
            equity += x;
            peak = peak.max(equity);
            let now = [decay.push(x) >= config.detector_arl, peak - equity >= 20.0 - 1e-9];
            for (hit, is_now) in hits.iter_mut().zip(now) {
                if is_now {
                    *hit = hit.min((t + 1) as f64);
                }
            }
            if hits.iter().all(|hit| *hit < never) {
                break;
            }
        }
        hits
    }

    fn parity(&self, config: &PromotionConfig, mut draws: Draws) -> Vec<f64> {
        let (tolerance, cap) = (config.parity_tol_r, config.parity_cap_r);
        let mut decay = Decay::new(BETS, 0.05, 0.9, -tolerance, cap);
        for t in 0..self.steps {
            let q = (self.edge + 0.1 * draws.normal()).clamp(-cap, cap);
            if decay.push(q) >= config.parity_arl {
                return vec![(t + 1) as f64];
            }
        }
        vec![(self.steps + 1) as f64]
    }

    fn coverage(&self, mut draws: Draws) -> Vec<f64> {
        let grid = bets(BETS, 0.01, 0.9 / (FLOOR + self.edge));
        let mut exact = Mixture::new(grid.clone(), 0.0);
        let mut totals = Totals::default();
        let mut hits = vec![f64::INFINITY; 2];
        let threshold = (1.0 / ALPHA).ln();
        for t in 0..self.steps {
            let x = self.payoff.outcome(draws.normal(), t, self.edge);
            exact.play(x - self.edge);
            totals.n += 1.0;
            totals.sum += x;
            totals.squares += x * x;
            if exact.may_reach(threshold) && exact.log_wealth() >= threshold {
                hits[1] = hits[1].min((t + 1) as f64);
                // The fast bound is never above the exact one: it can miss only where that does.
                if hits[0].is_infinite() && lower_fast(&grid, FLOOR, totals, ALPHA) > self.edge {
                    hits[0] = (t + 1) as f64;
                }
            }
            if hits[0].is_finite() {
                break;
            }
        }
        hits
    }

    fn recycle(&self, config: &PromotionConfig, mut draws: Draws) -> Vec<f64> {
        const N: u32 = 20;
        let config = PromotionConfig { slot_reuse: SlotReuse::Inherit, slot_dead: 0.0, ..evidence_only(config, N) };
        let mut table = SlotTable::new(&config);
        let fresh = |start: f64| Mixture::new(bets(BETS, 0.01, 0.9 / FLOOR), start.ln());
        let mut seats: Vec<_> =
            (0..N).filter_map(|_| table.join()).map(|place| (place, fresh(place.start_wealth), 0u32)).collect();
        let mut used = f64::from(N);
        let threshold = (f64::from(N) / ALPHA).ln();
        for t in 0..self.steps {
            for (place, mixture, age) in &mut seats {
                mixture.play(if draws.next_u64() >> 63 == 1 { 1.0 } else { -1.0 });
                *age += 1;
                let wealth = mixture.log_wealth();
                if wealth >= threshold {
                    return vec![(t + 1) as f64, used];
                }
                if wealth < 0.2f64.ln() + place.start_wealth.ln() || *age >= 500 {
                    table.leave(*place, wealth.exp().max(1e-300));
                    let Some(next) = table.join() else { continue };
                    (*place, *mixture, *age) = (next, fresh(next.start_wealth), 0);
                    used += 1.0;
                }
            }
        }
        vec![f64::INFINITY, used]
    }

    fn full(&self, config: &PromotionConfig, mut draws: Draws) -> Vec<f64> {
        let config = PromotionConfig { min_useful_edge_r: 0.05, ..evidence_only(config, 128) };
        let mut evidence = Evidence::new(&config, FLOOR, 10.0, Some(1.0));
        let threshold = (128.0f64 / ALPHA).ln();
        // Promoted, low e, useless, at the end of its time; and when, if not promoted.
        let mut hits = vec![f64::INFINITY; 5];
        hits[4] = f64::NAN;
        for t in 0..self.steps {
            evidence.on_episode(self.payoff.outcome(draws.normal(), t, self.edge));
            let now = (t + 1) as f64;
            if t + 1 < 100 {
                continue;
            }
            let log_e = evidence.log_e().unwrap_or(f64::NEG_INFINITY);
            if log_e >= threshold && evidence.max_drawdown_r() <= self.limit {
                hits[0] = now;
                return hits;
            }
            let cause = match (log_e < 0.05f64.ln(), evidence.is_useless(), t + 1 >= 20_000) {
                (true, ..) => 1,
                (_, true, _) => 2,
                (.., true) => 3,
                _ => continue,
            };
            hits[cause] = now;
            if cause < 3 {
                hits[4] = now;
            }
            return hits;
        }
        hits
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the list")]
fn summed(values: &mut [f64], kind: Kind) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values[(q * (n - 1.0)).ceil() as usize];
    Some(match kind {
        Kind::Share => values.iter().filter(|x| x.is_finite()).count() as f64 / n,
        Kind::By(most) => values.iter().filter(|x| **x <= most as f64).count() as f64 / n,
        Kind::Median => at(0.5),
        Kind::MedianOfCome => {
            let come = values.partition_point(|x| x.is_finite());
            *values[..come].get(come / 2)?
        }
        Kind::Quantile(q) => at(q),
        Kind::Mean => values.iter().sum::<f64>() / n,
    })
}

/// What a single look at a sample fixed beforehand would need to find an edge, at half power: the price of peeking is
/// what the rule needs beyond it.
#[must_use]
pub fn single_look(candidates: u32, sd: f64, edge: f64) -> f64 {
    let z = super::outcomes::z_of(ALPHA / f64::from(candidates));
    (z * sd / edge).powi(2).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(study: Study, name: &str) -> Design {
        let found = study.designs().into_iter().find(|design| design.name == name);
        found.unwrap_or_else(|| panic!("{name} is no design"))
    }

    fn row(design: &Design, replicates: u64) -> StudyRow {
        let config = PromotionConfig::default();
        let measures: Vec<_> = (0..replicates).map(|replicate| design.replicate(&config, 1, replicate)).collect();
        design.row(&measures)
    }

    fn value(row: &StudyRow, column: &str) -> f64 {
        row.cells.iter().find(|cell| cell.column == column).and_then(|cell| cell.value).unwrap_or(f64::NAN)
    }

    #[test]
    fn every_study_has_designs_and_a_measure_for_each_column() {
        let studies = [
            (Study::Null, 14),
            (Study::Power, 19),
            (Study::Swap, 12),
            (Study::Demote, 42),
            (Study::Parity, 6),
            (Study::Coverage, 20),
            (Study::Recycle, 1),
            (Study::Full, 45),
        ];
        for (study, designs) in studies {
            assert_eq!(study.designs().len(), designs, "{study:?}");
            let most = study.columns().iter().map(|column| column.measure).max();
            let mut short = study.designs().remove(0);
            short.steps = 30;
            let measures = short.replicate(&PromotionConfig::default(), 1, 0);
            assert!(most.is_some_and(|most| most < measures.len()), "{study:?}");
        }
    }

    #[test]
    fn a_detector_alarms_sooner_the_worse_it_gets() {
        let mild = row(&design(Study::Demote, "-1/+1 keep 0 mean -0.2"), 40);
        let bad = row(&design(Study::Demote, "-1/+1 keep 0 mean -0.4"), 40);
        assert!(value(&bad, "e-SR mean") < value(&mild, "e-SR mean"));
        // 60 and 162 in the published figures.
        assert!((value(&bad, "e-SR mean") - 60.0).abs() < 15.0 && (value(&mild, "e-SR mean") - 162.0).abs() < 40.0);
    }

    #[test]
    fn an_edge_of_two_tenths_is_found_in_some_hundred_trades() {
        let told = row(&design(Study::Power, "-1/+0.5 edge 0.2"), 40);
        // 242 in the published figures.
        assert!((value(&told, "N=100") - 242.0).abs() < 50.0, "{told:?}");
        assert!((value(&told, "DSR>=.90") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_single_look_needs_what_tables_say() {
        assert!((single_look(100, 0.98, 0.2) - 260.0).abs() < 1.5);
    }
}
