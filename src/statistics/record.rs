//! Everything that can be told of one list of outcomes: evidence, bounds, detectors, plain figures.

use serde::{Deserialize, Serialize, Serializer};

use super::detectors::{Cusum, Decay, drawdown_limit, steps_to_drawdown};
use super::mixture::{Mixture, Totals, bets, lower_exact, lower_fast, upper_exact, upper_fast};
use super::performance::{Drawdown, Performance, Wins, sortino, top_share, wilson};
use super::sharpe::{Sharpe, autocorrelations, hac_error, iid_error, lo_eta};
use super::sums::Moments;

/// What a list of outcomes is held against. What is not given stands at its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// `B`: no outcome lies below minus this.
    pub floor_r: f64,
    /// `H`: gains are cut at this in bounds from above and detectors.
    pub cap_r: f64,
    /// The mean that is no edge.
    pub null_edge_r: f64,
    /// Chance of a false promotion, shared by all slots.
    pub alpha: f64,
    /// Slots that share it.
    pub slots: u32,
    /// What the list starts with in its slot.
    pub start_wealth: f64,
    /// Tries that the deflated Sharpe ratio counts.
    pub trials: u64,
    /// The mean that is to be kept.
    pub keep_edge_r: f64,
    /// The mean that is useful.
    pub min_useful_edge_r: f64,
    /// Expected outcomes to a false alarm.
    pub detector_arl: f64,
    /// For the limit of the drawdown.
    pub dd_target_episodes: u32,
    /// Bets of a mixture.
    pub bets: u8,
    /// The smallest of them.
    pub lambda_min: f64,
    /// The largest is this over the floor.
    pub lambda_cap: f64,
    /// Outcomes a year, for what is told a year.
    pub per_year: f64,
    /// Share of the equity that one R stands for, for what is compounded.
    pub risk_fraction: f64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            floor_r: 3.0,
            cap_r: 10.0,
            null_edge_r: 0.0,
            alpha: 0.05,
            slots: 128,
            start_wealth: 1.0,
            trials: 128,
            keep_edge_r: 0.0,
            min_useful_edge_r: 0.05,
            detector_arl: 1_000.0,
            dd_target_episodes: 3_000,
            bets: 12,
            lambda_min: 0.01,
            lambda_cap: 0.9,
            per_year: 252.0,
            risk_fraction: 0.01,
        }
    }
}

impl Terms {
    /// What is wrong with them, as a sentence; nothing if nothing is.
    ///
    /// # Errors
    /// The first fault: which term, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        let above = |name: &str, value: f64, least: f64| {
            let is_right = value.is_finite() && value > least;
            if is_right { Ok(()) } else { Err(format!("{name} is {value}: want a number above {least}")) }
        };
        let share = |name: &str, value: f64, most: f64| {
            let is_right = value > 0.0 && value < most;
            if is_right { Ok(()) } else { Err(format!("{name} is {value}: want a number above 0 and below {most}")) }
        };
        share("alpha", self.alpha, 1.0)?;
        share("lambda_cap", self.lambda_cap, 1.0)?;
        share("risk_fraction", self.risk_fraction, 1.0)?;
        above("lambda_min", self.lambda_min, 0.0)?;
        above("floor_r", self.floor_r, 0.0)?;
        above("start_wealth", self.start_wealth, 0.0)?;
        above("detector_arl", self.detector_arl, 1.0)?;
        above("per_year", self.per_year, 0.0)?;
        if self.start_wealth > 1.0 {
            return Err(format!("start_wealth is {}: want at most 1", self.start_wealth));
        }
        if !(self.null_edge_r.is_finite() && self.null_edge_r >= 0.0) {
            return Err(format!("null_edge_r is {}: want a number from 0", self.null_edge_r));
        }
        for (name, value) in [("keep_edge_r", self.keep_edge_r), ("min_useful_edge_r", self.min_useful_edge_r)] {
            if !value.is_finite() {
                return Err(format!("{name} is {value}: want a number"));
            }
        }
        let (least, lowest) =
            (self.keep_edge_r.max(self.min_useful_edge_r), self.keep_edge_r.min(self.min_useful_edge_r));
        above("cap_r", self.cap_r, least)?;
        if self.slots == 0 || self.bets < 2 || self.dd_target_episodes == 0 {
            return Err("slots and dd_target_episodes are at least 1, bets at least 2".to_owned());
        }
        let spans = [
            ("floor_r + null_edge_r", self.floor_r + self.null_edge_r),
            ("cap_r less keep_edge_r or min_useful_edge_r", self.cap_r - lowest),
        ];
        for (name, span) in spans {
            if self.lambda_min >= self.lambda_cap / span {
                return Err(format!("lambda_min is {}: want it below lambda_cap / ({name})", self.lambda_min));
            }
        }
        Ok(())
    }
}

/// A figure that may be undefined: NaN and the infinities are written as null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure(pub f64);

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { s.serialize_f64(self.0) } else { s.serialize_none() }
    }
}

/// A bound by both ways.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BothWays {
    /// The chance that it is wrong at any time.
    pub level: Figure,
    /// From the sums alone.
    pub fast: Figure,
    /// From every outcome.
    pub exact: Figure,
}

/// The evidence against "the average so far is not above the null".
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvidenceFigures {
    /// The bets of the mixture.
    pub bets: Vec<Figure>,
    /// What each has made of its share, as a log.
    pub logs: Vec<Figure>,
    /// Natural log of the e-value.
    pub log_e: Figure,
    /// The same to base ten.
    pub log10_e: Figure,
    /// With the start wealth.
    pub log_wealth: Figure,
    /// What the gate asks for.
    pub threshold: Figure,
    /// Log wealth over the threshold.
    pub progress: Figure,
    /// Whether it passes now.
    pub passes: bool,
    /// The outcome with which it first passed, from 1.
    pub first_passed: Option<usize>,
}

/// What is known of the mean at all times at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BoundFigures {
    /// From below, for this list alone.
    pub lcb95: BothWays,
    /// From above, gains cut at the cap.
    pub ucb95: BothWays,
    /// From below, at the level of the gate.
    pub lcb_family: BothWays,
}

/// What the watching of a champion would say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WatchFigures {
    /// The detector of decay now.
    pub decay: Figure,
    /// Its largest value.
    pub decay_max: Figure,
    /// The outcome with which it first reached its threshold, from 1.
    pub decay_alarm: Option<usize>,
    /// The same in CUSUM form, now.
    pub cusum: Figure,
    /// Drawdown in R now.
    pub drawdown_r: Figure,
    /// The deepest.
    pub max_drawdown_r: Figure,
    /// What would be allowed, from this record.
    pub dd_limit_r: Figure,
    /// How many outcomes a healthy record takes to get there, on average.
    pub episodes_to_limit: Figure,
    /// Log of the evidence against "the mean is useful".
    pub log_useless: Figure,
    /// Whether the mean is surely below what is useful.
    pub is_useless: bool,
}

/// Plain figures, right for one look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PlainFigures {
    /// Mean in R: the expectancy.
    pub mean_r: Figure,
    /// Standard deviation.
    pub sd_r: Figure,
    /// Skewness.
    pub skew: Figure,
    /// Raw kurtosis.
    pub kurtosis: Figure,
    /// Sharpe ratio of an outcome.
    pub sharpe: Figure,
    /// Its error if outcomes were independent.
    pub sharpe_error: Figure,
    /// Its error, robust to autocorrelation.
    pub sharpe_hac_error: Figure,
    /// A year, if outcomes were independent.
    pub sharpe_annual: Figure,
    /// Autocorrelation of neighbours.
    pub autocorrelation: Figure,
    /// A year by Lo's factor; undefined where neighbours are next to uncorrelated.
    pub sharpe_annual_lo: Figure,
    /// Probability that the true ratio is above zero.
    pub psr: Figure,
    /// The same against the best of so many tries.
    pub dsr: Figure,
    /// How many outcomes would make it significant.
    pub min_track_record: Figure,
    /// Sortino ratio of an outcome.
    pub sortino: Figure,
    /// A year.
    pub sortino_annual: Figure,
    /// Compound growth a year at the risk fraction.
    pub cagr: Figure,
    /// The deepest fall of that equity; not positive.
    pub max_drawdown: Figure,
    /// Growth over that fall.
    pub calmar: Figure,
    /// Outcomes above zero.
    pub wins: u64,
    /// Outcomes below zero.
    pub losses: u64,
    /// Wins over all.
    pub win_rate: Figure,
    /// Wins over wins and losses.
    pub win_rate_decided: Figure,
    /// Wilson's interval of `win_rate`, 95 %.
    pub win_rate_low: Figure,
    /// See `win_rate_low`.
    pub win_rate_high: Figure,
    /// Gross win over gross loss.
    pub profit_factor: Figure,
    /// Mean win over mean loss.
    pub payoff_ratio: Figure,
    /// What the largest hundredth of the wins brought.
    pub top_share: Figure,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// How many outcomes.
    pub n: usize,
    /// Evidence.
    pub evidence: EvidenceFigures,
    /// Bounds.
    pub bounds: BoundFigures,
    /// Detectors.
    pub watch: WatchFigures,
    /// Plain figures.
    pub plain: PlainFigures,
}

impl Record {
    /// Of outcomes that are finite and not below the floor, under terms that [`Terms::check`] accepts.
    #[must_use]
    pub fn of(xs: &[f64], terms: &Terms) -> Self {
        Self {
            n: xs.len(),
            evidence: evidence(xs, terms),
            bounds: bounds(xs, terms),
            watch: watch(xs, terms),
            plain: plain(xs, terms),
        }
    }
}

fn lower_bets(terms: &Terms) -> Box<[f64]> {
    bets(usize::from(terms.bets), terms.lambda_min, terms.lambda_cap / (terms.floor_r + terms.null_edge_r))
}

fn upper_bets(terms: &Terms) -> Box<[f64]> {
    bets(usize::from(terms.bets), terms.lambda_min, terms.lambda_cap / (terms.cap_r - terms.min_useful_edge_r))
}

fn evidence(xs: &[f64], terms: &Terms) -> EvidenceFigures {
    let mut mixture = Mixture::new(lower_bets(terms), terms.start_wealth.ln());
    let threshold = (f64::from(terms.slots) / terms.alpha).ln();
    let mut first_passed = None;
    for (k, x) in xs.iter().enumerate() {
        mixture.play(x - terms.null_edge_r);
        if first_passed.is_none() && mixture.may_reach(threshold) && mixture.log_wealth() >= threshold {
            first_passed = Some(k + 1);
        }
    }
    let log_wealth = mixture.log_wealth();
    let log_e = log_wealth - terms.start_wealth.ln();
    EvidenceFigures {
        bets: mixture.bets().iter().copied().map(Figure).collect(),
        logs: mixture.logs().iter().copied().map(Figure).collect(),
        log_e: Figure(log_e),
        log10_e: Figure(log_e / std::f64::consts::LN_10),
        log_wealth: Figure(log_wealth),
        threshold: Figure(threshold),
        progress: Figure(log_wealth / threshold),
        passes: log_wealth >= threshold,
        first_passed,
    }
}

fn bounds(xs: &[f64], terms: &Terms) -> BoundFigures {
    let (lower, upper) = (lower_bets(terms), upper_bets(terms));
    let totals = Totals::of(xs);
    let capped: Vec<f64> = xs.iter().map(|x| x.min(terms.cap_r)).collect();
    let from_below = |level: f64| BothWays {
        level: Figure(level),
        fast: Figure(lower_fast(&lower, terms.floor_r, totals, level)),
        exact: Figure(lower_exact(&lower, terms.floor_r, xs, level)),
    };
    BoundFigures {
        lcb95: from_below(0.05),
        ucb95: BothWays {
            level: Figure(0.05),
            fast: Figure(upper_fast(&upper, terms.cap_r, Totals::of(&capped), 0.05)),
            exact: Figure(upper_exact(&upper, terms.cap_r, xs, 0.05)),
        },
        lcb_family: from_below(terms.alpha * terms.start_wealth / f64::from(terms.slots)),
    }
}

fn watch(xs: &[f64], terms: &Terms) -> WatchFigures {
    let count = usize::from(terms.bets);
    let detector = (count, terms.lambda_min, terms.lambda_cap, terms.keep_edge_r, terms.cap_r);
    let (count, smallest, share, keep, cap) = detector;
    let mut decay = Decay::new(count, smallest, share, keep, cap);
    let mut cusum = Cusum::new(count, smallest, share, keep, cap);
    let mut useless = Mixture::new(upper_bets(terms), 0.0);
    let (mut decay_max, mut decay_alarm, mut last_cusum) = (0.0f64, None, 0.0);
    for (k, x) in xs.iter().enumerate() {
        let statistic = decay.push(*x);
        decay_max = decay_max.max(statistic);
        if decay_alarm.is_none() && statistic >= terms.detector_arl {
            decay_alarm = Some(k + 1);
        }
        last_cusum = cusum.push(*x);
        useless.play(terms.min_useful_edge_r - x.min(terms.cap_r));
    }
    let moments = Moments::of(xs);
    let lcb95 = lower_fast(&lower_bets(terms), terms.floor_r, Totals::of(xs), 0.05);
    let (mean, sd) = (lcb95.max(0.5 * moments.mean()), moments.sd());
    let limit = drawdown_limit(mean, sd, f64::from(terms.dd_target_episodes));
    let drawdown = Drawdown::of(xs);
    let log_useless = useless.log_wealth();
    WatchFigures {
        decay: Figure(decay.statistic()),
        decay_max: Figure(decay_max),
        decay_alarm,
        cusum: Figure(last_cusum),
        drawdown_r: Figure(drawdown.now()),
        max_drawdown_r: Figure(drawdown.max()),
        dd_limit_r: Figure(limit),
        episodes_to_limit: Figure(steps_to_drawdown(mean, sd, limit)),
        log_useless: Figure(log_useless),
        is_useless: log_useless >= -(0.05f64.ln()),
    }
}

/// Autocorrelation of neighbours beyond which Lo's factor is told.
const CORRELATED: f64 = 0.1;

/// The annual ratio by Lo's factor; NaN where neighbours are next to uncorrelated.
#[must_use]
pub fn lo_annual(xs: &[f64], ratio: f64, per_year: f64) -> (f64, f64) {
    /// Lags that are looked at; beyond them there is next to nothing but noise.
    const LAGS: usize = 10;
    let correlations = autocorrelations(xs, LAGS.min(xs.len().saturating_sub(1)));
    let first = correlations.first().copied().unwrap_or(f64::NAN);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand outcomes a year")]
    let q = per_year.round() as usize;
    let is_told = first.abs() > CORRELATED && q > 1;
    (first, if is_told { ratio * lo_eta(q, &correlations) } else { f64::NAN })
}

fn plain(xs: &[f64], terms: &Terms) -> PlainFigures {
    let moments = Moments::of(xs);
    let sharpe = Sharpe::of(&moments);
    let wins = Wins::of(xs);
    let returns: Vec<f64> = xs.iter().map(|x| x * terms.risk_fraction).collect();
    let compounded = Performance::of(&returns, terms.per_year);
    let (low, high) = wilson(wins.wins, wins.n, 0.05);
    let n = xs.len();
    let (autocorrelation, lo) = lo_annual(xs, sharpe.ratio, terms.per_year);
    PlainFigures {
        mean_r: Figure(moments.mean()),
        sd_r: Figure(moments.sd()),
        skew: Figure(sharpe.skew),
        kurtosis: Figure(sharpe.kurtosis),
        sharpe: Figure(sharpe.ratio),
        sharpe_error: Figure(iid_error(sharpe.ratio, n)),
        sharpe_hac_error: Figure(if n > 2 { hac_error(xs) } else { f64::NAN }),
        sharpe_annual: Figure(sharpe.ratio * terms.per_year.sqrt()),
        autocorrelation: Figure(autocorrelation),
        sharpe_annual_lo: Figure(lo),
        psr: Figure(sharpe.probabilistic(0.0)),
        dsr: Figure(sharpe.deflated(terms.trials, 1.0 / n as f64)),
        min_track_record: Figure(sharpe.least_track_record(0.0, 0.95)),
        sortino: Figure(sortino(xs)),
        sortino_annual: Figure(sortino(xs) * terms.per_year.sqrt()),
        cagr: Figure(compounded.cagr),
        max_drawdown: Figure(compounded.max_drawdown),
        calmar: Figure(compounded.calmar),
        wins: wins.wins,
        losses: wins.losses,
        win_rate: Figure(wins.rate_of_all()),
        win_rate_decided: Figure(wins.rate_of_decided()),
        win_rate_low: Figure(low),
        win_rate_high: Figure(high),
        profit_factor: Figure(wins.profit_factor()),
        payoff_ratio: Figure(wins.payoff_ratio()),
        top_share: Figure(top_share(xs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_winner_passes_and_says_when() {
        let xs: Vec<f64> = (0..400).map(|k| if k % 5 < 3 { 1.0 } else { -1.0 }).collect();
        let record = Record::of(&xs, &Terms { slots: 4, ..Terms::default() });
        assert!(record.evidence.passes && record.evidence.first_passed.is_some_and(|k| k > 50 && k < 400));
        assert!(record.bounds.lcb_family.exact.0 >= 0.0 && record.bounds.lcb95.exact.0 < 0.2);
        assert!(record.bounds.ucb95.exact.0 > 0.2 && !record.watch.is_useless);
        assert!((record.plain.win_rate.0 - 0.6).abs() < 1e-12 && (record.plain.profit_factor.0 - 1.5).abs() < 1e-12);
    }

    #[test]
    fn what_is_undefined_is_null_and_never_passes() {
        for xs in [&[][..], &[0.0], &[1.0], &[0.5; 40]] {
            let record = Record::of(xs, &Terms::default());
            assert!(!record.evidence.passes, "{}", xs.len());
            let json = serde_json::to_string(&record).expect("plain figures");
            assert!(json.contains("\"sharpe\":null") && !json.contains("NaN") && !json.contains("inf"), "{json}");
        }
    }

    #[test]
    fn terms_that_make_no_sense_are_told() {
        let told = |terms: Terms| terms.check().expect_err("it is wrong");
        assert!(told(Terms { alpha: 0.0, ..Terms::default() }).starts_with("alpha is 0"));
        assert!(told(Terms { floor_r: f64::NAN, ..Terms::default() }).starts_with("floor_r is NaN"));
        assert!(told(Terms { cap_r: 0.01, ..Terms::default() }).starts_with("cap_r is 0.01"));
        assert!(told(Terms { start_wealth: 1.5, ..Terms::default() }).contains("at most 1"));
        assert!(told(Terms { floor_r: 100.0, ..Terms::default() }).contains("lambda_min"));
        assert!(told(Terms { slots: 0, ..Terms::default() }).contains("slots"));
        assert_eq!(Terms::default().check(), Ok(()));
    }
}
