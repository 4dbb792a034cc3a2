//! Every statistic against reference values that other implementations computed.
//!
//! The files are those of the folder that `ORACLES_DIR` names, else the copies in `tests/oracles/statistics`. What a file
//! is about is told by its content, so that further files of the same shapes are read as well; one that nobody here
//! knows is named and skipped. Tolerances are the files' own.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

mod oracle;

use std::collections::BTreeMap;

use arena::config::{PromotionConfig, SlotReuse};
use arena::promoter::{Evidence, SlotPlace, SlotTable, threshold};
use arena::statistics::comparison::Comparison;
use arena::statistics::detectors::{Cusum, Decay, steps_to_drawdown};
use arena::statistics::mixture::{Totals, lower_exact, lower_fast};
use arena::statistics::overfitting::overfitting;
use arena::statistics::performance::{Drawdown, Performance, wilson};
use arena::statistics::predictable::{empirical_bernstein_lower, hedged_interval};
use arena::statistics::resampling::{block_length, means, variance_of_mean};
use arena::statistics::sharpe::{
    Sharpe, autocorrelations, difference, expected_best, hac_error, hac_lags, iid_error, lo_eta,
};
use arena::statistics::sums::Moments;
use arena::statistics::{multiplicity, sharpe};
use oracle::{Kind, config, each_case, files, floats, integers, named, near, number, of_kind, relative, rows, text};
use serde_json::Value;

#[test]
fn statistics_oracle_files_are_known_or_named() {
    let files = files();
    assert!(!files.is_empty(), "no oracle at all");
    for (name, document) in &files {
        match Kind::of(document) {
            Some(kind) => println!("{name}: {kind:?}"),
            None => println!("skipped: {name}: none of the statistics here is of that shape"),
        }
    }
}

#[test]
fn statistics_oracle_eprocess() {
    for (file, document) in of_kind(Kind::Eprocess) {
        let log_e_abs = number(&document["tolerance"]["log_e_abs"]);
        let lcb_abs = number(&document["tolerance"]["lcb_abs"]);
        each_case(&document, |case| {
            let what = format!("{file} {}", text(&case["name"]));
            let (xs, floor) = (floats(&case["x"]), number(&case["floor_r"]));
            let mut evidence = Evidence::new(&config(), floor, 10.0, Some(1.0));
            let bets = floats(&case["lambdas"]);
            assert_eq!(evidence.lambdas().len(), bets.len(), "{what}");
            for (got, want) in evidence.lambdas().iter().zip(&bets) {
                near(*got, *want, 1e-12, &format!("{what}: a bet"));
            }
            let path: Vec<f64> = xs
                .iter()
                .map(|x| {
                    evidence.on_episode(*x);
                    evidence.log_e().unwrap()
                })
                .collect();
            if let Value::Array(_) = case["log_e_path"] {
                for (k, want) in floats(&case["log_e_path"]).into_iter().enumerate() {
                    near(path[k], want, log_e_abs, &format!("{what} after {}", k + 1));
                }
            }
            for (k, want) in named(&case["log_e_at"]) {
                near(path[k.parse::<usize>().unwrap() - 1], number(want), log_e_abs, &format!("{what} at {k}"));
            }
            for (threshold, want) in named(&case["first_crossing"]) {
                let (top, bottom) = threshold.split_once('/').unwrap();
                let limit = (top.parse::<f64>().unwrap() / bottom.parse::<f64>().unwrap()).ln();
                let got = path.iter().position(|log_e| *log_e >= limit).map_or(-1, |k| i64::try_from(k).unwrap() + 1);
                assert_eq!(Some(got), want.as_i64(), "{what} first reaches {threshold}");
            }
            assert_eq!(Some(evidence.n()), case["n"].as_u64(), "{what}");
            near(evidence.power_sums()[0], number(&case["sum"]), 1e-9, &what);
            near(evidence.power_sums()[1], number(&case["sum_sq"]), 1e-9, &what);
            for (level, want) in named(&case["lcb"]) {
                let a: f64 = level.parse().unwrap();
                let (fast, exact) = (number(&want["fast"]), number(&want["exact"]));
                near(evidence.lcb_fast(a), fast, lcb_abs, &format!("{what}: fast at {level}"));
                near(evidence.lcb_exact(a, &xs), exact, lcb_abs, &format!("{what}: exact at {level}"));
                near(lower_fast(&bets, floor, Totals::of(&xs), a), fast, lcb_abs, &format!("{what}: fast at {level}"));
                near(lower_exact(&bets, floor, &xs, a), exact, lcb_abs, &format!("{what}: exact at {level}"));
            }
        });
    }
}

#[test]
fn statistics_oracle_predictable_bets() {
    for (file, document) in of_kind(Kind::Predictable) {
        let hedged_abs = number(&document["tolerance"]["hedged_abs"]);
        let empbern_abs = number(&document["tolerance"]["empbern_abs"]);
        each_case(&document, |case| {
            let (xs, alpha) = (floats(&case["x"]), number(&case["alpha"]));
            let lower = empirical_bernstein_lower(&xs, alpha);
            for (at, i) in integers(&case["at"]).into_iter().enumerate() {
                let what = format!("{file} after {i}");
                near(lower[i - 1], number(&case["empbern_lower"][at]), empbern_abs, &what);
                let (low, high) = hedged_interval(&xs[..i], alpha, 1_000);
                near(low, number(&case["hedged_lower"][at]), hedged_abs, &what);
                near(high, number(&case["hedged_upper"][at]), hedged_abs, &what);
            }
        });
    }
}

#[test]
fn statistics_oracle_sharpe_family() {
    for (file, document) in of_kind(Kind::SharpeFamily) {
        let abs = number(&document["tolerance"]["abs"]);
        let rel = number(&document["tolerance"]["mintrl_rel"]);
        each_case(&document, |case| {
            let what = format!("{file} {} {}", text(&case["kind"]), case["n"]);
            let sharpe = Sharpe::of(&Moments::of(&floats(&case["x"])));
            near(sharpe.ratio, number(&case["sharpe"]), abs, &what);
            near(sharpe.skew, number(&case["skew"]), abs, &what);
            near(sharpe.kurtosis, number(&case["kurtosis"]), abs, &what);
            for (benchmark, want) in named(&case["psr"]) {
                let got = sharpe.probabilistic(benchmark.parse().unwrap());
                near(got, number(want), abs, &format!("{what}: psr {benchmark}"));
            }
            for (key, want) in named(&case["dsr"]) {
                let (trials, variance) = key.split_once('|').unwrap();
                let (trials, variance) = (trials.parse().unwrap(), variance.parse().unwrap());
                near(sharpe.deflated(trials, variance), number(want), abs, &format!("{what}: dsr {key}"));
                near(
                    expected_best(trials, variance),
                    number(&case["emax"][key]),
                    abs,
                    &format!("{what}: best of {key}"),
                );
            }
            for (benchmark, want) in named(&case["mintrl"]) {
                let got = sharpe.least_track_record(benchmark.parse().unwrap(), 0.95);
                relative(got, number(want), rel, &format!("{what}: least record {benchmark}"));
            }
        });
    }
}

#[test]
fn statistics_oracle_sharpe_inference() {
    for (file, document) in of_kind(Kind::SharpeInference) {
        let rel = number(&document["tolerance"]["rel"]);
        each_case(&document, |case| {
            let what = format!("{file} {}", case["n"]);
            let (xs, ys) = (floats(&case["x"]), floats(&case["y"]));
            let wanted = floats(&case["autocorr"]);
            let correlations = autocorrelations(&xs, wanted.len());
            for (got, want) in correlations.iter().zip(&wanted) {
                relative(*got, *want, rel, &what);
            }
            let ratio = Sharpe::of(&Moments::of(&xs)).ratio;
            relative(ratio, number(&case["sharpe_ddof1"]), rel, &what);
            relative(lo_eta(5, &correlations), number(&case["lo_eta_q5"]), rel, &what);
            relative(iid_error(ratio, xs.len()), number(&case["lo_iid_se"]), rel, &what);
            assert_eq!(Some(hac_lags(xs.len()) as u64), case["hac_lags"].as_u64(), "{what}");
            relative(hac_error(&xs), number(&case["sharpe_hac_se"]), rel, &what);
            let got = difference(&xs, &ys);
            relative(got.difference, number(&case["sharpe_diff_ddof0"]), rel, &what);
            relative(got.error, number(&case["sharpe_diff_hac_se"]), rel, &what);
            relative(got.p, number(&case["sharpe_diff_p_two_sided"]), rel, &what);
        });
    }
}

#[test]
fn statistics_oracle_performance() {
    for (file, document) in of_kind(Kind::Performance) {
        let (rel, abs) = (number(&document["tolerance"]["rel"]), number(&document["tolerance"]["abs"]));
        each_case(&document, |case| {
            let got = Performance::of(&floats(&case["returns"]), 252.0);
            let rows = [
                ("mean", got.mean),
                ("expectancy", got.mean),
                ("std_ddof1", got.sd),
                ("sharpe_252", got.sharpe),
                ("sortino_252", got.sortino),
                ("max_drawdown", got.max_drawdown),
                ("cagr_252", got.cagr),
                ("calmar", got.calmar),
                ("profit_factor", got.wins.profit_factor()),
                ("win_rate_all", got.wins.rate_of_all()),
                ("win_rate_nonzero", got.wins.rate_of_decided()),
                ("payoff_ratio", got.wins.payoff_ratio()),
            ];
            for (name, got) in rows {
                let want = number(&case[name]);
                near(got, want, abs.max(rel * want.abs()), &format!("{file} {}: {name}", text(&case["name"])));
            }
        });
    }
}

#[test]
fn statistics_oracle_wilson() {
    for (file, document) in of_kind(Kind::Wilson) {
        let abs = number(&document["tolerance"]["abs"]);
        each_case(&document, |case| {
            let (wins, n) = (case["wins"].as_u64().unwrap(), case["n"].as_u64().unwrap());
            let (low, high) = wilson(wins, n, number(&case["alpha"]));
            near(low, number(&case["lower"]), abs, &format!("{file} {wins} of {n}"));
            near(high, number(&case["upper"]), abs, &format!("{file} {wins} of {n}"));
        });
    }
}

#[test]
fn statistics_oracle_detectors() {
    for (file, document) in of_kind(Kind::Detectors) {
        let rel = number(&document["tolerance"]["rel"]);
        each_case(&document, |case| {
            let what = format!("{file} {}", text(&case["name"]));
            let (xs, keep, cap) = (floats(&case["x"]), number(&case["keep"]), number(&case["cap_r"]));
            let bets = floats(&case["lambdas"]);
            let mut decay = Decay::new(bets.len(), 0.01, 0.9, keep, cap);
            let mut cusum = Cusum::new(bets.len(), 0.01, 0.9, keep, cap);
            for (got, want) in decay.bets().iter().zip(&bets) {
                relative(*got, *want, rel, &format!("{what}: a bet"));
            }
            let path: Vec<(f64, f64)> = xs.iter().map(|x| (decay.push(*x), cusum.push(*x))).collect();
            let last = path.last().unwrap();
            relative(last.0, number(&case["esr_last"]), rel, &what);
            relative(last.1, number(&case["ecusum_last"]), rel, &what);
            let (at, max) = path.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (k, (statistic, _))| {
                if *statistic > best.1 { (k + 1, *statistic) } else { best }
            });
            relative(max, number(&case["esr_max"]), rel, &what);
            assert_eq!(Some(at as u64), case["esr_argmax"].as_u64(), "{what}");
            let first = |of: &dyn Fn(&(f64, f64)) -> f64| {
                path.iter().position(|both| of(both) >= 1_000.0).map_or(-1, |k| i64::try_from(k).unwrap() + 1)
            };
            assert_eq!(Some(first(&|both| both.0)), case["esr_first_ge_1000"].as_i64(), "{what}");
            assert_eq!(Some(first(&|both| both.1)), case["ecusum_first_ge_1000"].as_i64(), "{what}");
            let drawdown = Drawdown::of(&xs);
            relative(drawdown.max(), number(&case["max_drawdown_r"]), rel, &what);
            relative(drawdown.now(), number(&case["drawdown_r_last"]), rel, &what);
        });
        for case in document["drawdown_time"].as_array().into_iter().flatten() {
            let got = steps_to_drawdown(number(&case["mean"]), number(&case["sd"]), number(&case["limit"]));
            relative(got, number(&case["expected_trades_to_hit"]), rel, &format!("{file} {case}"));
        }
    }
}

#[test]
fn statistics_oracle_multiplicity() {
    for (file, document) in of_kind(Kind::Multiplicity) {
        each_case(&document, |case| {
            let (e, alpha) = (floats(&case["e"]), number(&case["alpha"]));
            assert_eq!(multiplicity::e_bh(&e, alpha), integers(&case["ebh"]), "{file}");
            assert_eq!(multiplicity::bonferroni(&e, alpha), integers(&case["bonferroni"]), "{file}");
            assert_eq!(multiplicity::closed_mean(&e, alpha), integers(&case["closed_mean"]), "{file}");
        });
        for case in document["slot_handover"].as_array().into_iter().flatten() {
            let got = multiplicity::handover(number(&case["start"]), number(&case["end"]));
            assert_eq!(got, number(&case["next_start"]), "{file} {case}");
        }
    }
}

/// What the promoter keeps of one candidate of a trace.
struct Traced {
    place: SlotPlace,
    evidence: Evidence,
    has_passed: bool,
}

/// Joins, trades and retirements through the slots, the evidence and the threshold of the promoter: the same log.
#[test]
fn statistics_oracle_arena_trace() {
    for (file, document) in of_kind(Kind::Trace) {
        let config = PromotionConfig {
            alpha: number(&document["alpha"]),
            alpha_slots: u32::try_from(document["slots"].as_u64().unwrap()).unwrap(),
            slot_reuse: SlotReuse::Inherit,
            floor_r: number(&document["floor_r"]),
            ..PromotionConfig::default()
        };
        let tolerance = number(&document["tolerance"]["log_wealth_abs"]);
        let close = |got: f64, want: &Value, what: &str| {
            assert!((got - number(want)).abs() <= tolerance, "{file}, {what}: {got}, not {want}");
        };
        let mut slots = SlotTable::new(&config);
        let mut live: BTreeMap<&str, Traced> = BTreeMap::new();
        let mut log = document["log"].as_array().unwrap().iter();
        let mut logged = |what: &str, id: &str| {
            let entry = log.next().unwrap_or_else(|| panic!("{file}: {what} of {id} is not in the log"));
            assert_eq!((text(&entry["ev"]), text(&entry["id"])), (what, id), "{file}: {entry}");
            entry
        };
        for event in document["events"].as_array().unwrap() {
            let id = text(&event["id"]);
            match text(&event["type"]) {
                "join" => {
                    let place = slots.join().expect("a slot is free");
                    let entry = logged("join", id);
                    assert_eq!(Some(u64::from(place.index)), entry["slot"].as_u64(), "{file}: {entry}");
                    close(place.start_wealth, &entry["start_wealth"], "start wealth");
                    let start = Some(place.start_wealth);
                    let evidence = Evidence::new(&config, config.floor_r, config.cap_r, start);
                    live.insert(id, Traced { place, evidence, has_passed: false });
                }
                "trade" => {
                    let traced = live.get_mut(id).unwrap();
                    traced.evidence.on_episode(number(&event["x"]));
                    let log_wealth = traced.evidence.log_wealth().unwrap();
                    if !traced.has_passed && log_wealth >= threshold(&config) {
                        traced.has_passed = true;
                        let entry = logged("e_gate_pass", id);
                        assert_eq!(
                            (&event["t"], Some(traced.evidence.n())),
                            (&entry["t"], entry["n"].as_u64()),
                            "{file}"
                        );
                        close(log_wealth, &entry["log_wealth"], "wealth at the gate");
                    }
                }
                "retire" => {
                    let Traced { place, evidence, .. } = live.remove(id).unwrap();
                    let wealth = evidence.log_wealth().unwrap().exp();
                    slots.leave(place, wealth);
                    let entry = logged("retire", id);
                    assert_eq!(event["t"], entry["t"], "{file}");
                    close(wealth, &entry["e"], "wealth of the leaver");
                    close(slots.slot(place.index).next_start, &entry["handover"], "what it hands over");
                }
                other => panic!("{file}: {other:?} is no event"),
            }
        }
        assert_eq!(log.next(), None, "{file}: the log has more");
        let last = named(&document["final"]);
        assert_eq!(last.len(), live.len(), "{file}");
        for (id, want) in last {
            let traced = &live[id];
            close(traced.evidence.log_wealth().unwrap(), &want["log_wealth"], id);
            let got = (Some(traced.evidence.n()), Some(u64::from(traced.place.index)));
            assert_eq!(got, (want["n"].as_u64(), want["slot"].as_u64()), "{file}: {id}");
        }
    }
}

#[test]
fn statistics_oracle_overfitting() {
    for (file, document) in of_kind(Kind::Overfitting) {
        let abs = number(&document["tolerance"]["abs"]);
        each_case(&document, |case| {
            let blocks = usize::try_from(case["n_splits"].as_u64().unwrap()).unwrap();
            let got = overfitting(&rows(&case["returns"]), blocks).unwrap();
            near(got.probability, number(&case["pbo"]), abs, &file);
            near(got.median_logit, number(&case["median_logit"]), abs, &file);
            assert_eq!(Some(got.combinations as u64), case["combinations"].as_u64(), "{file}");
        });
    }
}

#[test]
fn statistics_oracle_bootstrap() {
    for (file, document) in of_kind(Kind::Bootstrap) {
        let closed = number(&document["tolerance"]["closed_form_rel"]);
        let monte_carlo = number(&document["tolerance"]["monte_carlo_rel"]);
        each_case(&document, |case| {
            let (xs, block) = (floats(&case["x"]), number(&case["mean_block"]));
            let want = number(&case["var_of_sqrt_n_mean"]);
            relative(variance_of_mean(&xs, block), want, closed, &file);
            let column: Vec<Vec<f64>> = xs.iter().map(|x| vec![*x]).collect();
            let resampled: Vec<f64> = means(&column, block, 20_000, 5).into_iter().map(|row| row[0]).collect();
            let moments = Moments::of(&resampled);
            relative(xs.len() as f64 * moments.sd().powi(2), want, monte_carlo, &file);
            let error = (want / xs.len() as f64 / 20_000.0).sqrt();
            near(moments.mean(), number(&case["sample_mean"]), 5.0 * error, &file);
        });
    }
}

#[test]
fn statistics_oracle_comparison() {
    for (file, document) in of_kind(Kind::Comparison) {
        let p_abs = number(&document["tolerance"]["p_abs"]);
        let block_rel = number(&document["tolerance"]["block_rel"]);
        each_case(&document, |case| {
            let rows = rows(&case["returns"]);
            let block = number(&case["block_size"]);
            // More than the reference drew, so that its own noise alone is left between the two.
            let repetitions = 25 * usize::try_from(case["reps"].as_u64().unwrap()).unwrap();
            let comparison = Comparison::of(&rows, block, repetitions, case["seed"].as_u64().unwrap());
            let got = comparison.superior_ability();
            for key in ["spa_vs_zero", "spa_other_seed"] {
                near(got.lower, number(&case[key]["lower"]), p_abs, &format!("{file} lower"));
                near(got.consistent, number(&case[key]["consistent"]), p_abs, &format!("{file} consistent"));
                near(got.upper, number(&case[key]["upper"]), p_abs, &format!("{file} upper"));
            }
            let is_close = |p: f64, size: f64| (p - size).abs() <= 0.03;
            if !is_close(number(&case["spa_vs_zero"]["consistent"]), 0.05) || got.consistent < 0.02 {
                assert_eq!(comparison.stepwise(0.05), integers(&case["stepm_superior_5pct"]), "{file}");
            }
            for (key, p_values) in
                [("mcs_R", comparison.confidence_by_range()), ("mcs_max", comparison.confidence_by_maximum())]
            {
                let wanted: Vec<f64> =
                    (0..p_values.len()).map(|j| number(&case[key]["pvalues"][&j.to_string()])).collect();
                let included = integers(&case[key]["included"]);
                for (j, (got, want)) in p_values.iter().zip(&wanted).enumerate() {
                    near(*got, *want, p_abs, &format!("{file} {key} of {j}"));
                    if !is_close(*want, 0.1) {
                        assert_eq!(*got > 0.1, included.contains(&j), "{file} {key} of {j}");
                    }
                }
            }
            for (j, want) in floats(&case["optimal_block_stationary"]).into_iter().enumerate() {
                let column: Vec<f64> = rows.iter().map(|row| row[j]).collect();
                relative(block_length(&column), want, block_rel, &format!("{file} block length of {j}"));
            }
        });
    }
}

/// What no statistic may be made of: refused or undefined, never a number that could pass for one.
#[test]
fn statistics_oracle_invalid_input_is_undefined() {
    for xs in [&[][..], &[f64::NAN, 1.0, 2.0], &[1.0], &[0.5, 0.5, 0.5]] {
        let sharpe = Sharpe::of(&Moments::of(xs));
        assert!(sharpe.probabilistic(0.0).is_nan() && sharpe.deflated(10, 0.1).is_nan(), "{xs:?}");
        assert!(sharpe::expected_best(0, 1.0) == 0.0);
        let mut evidence = Evidence::new(&config(), 3.0, 10.0, Some(1.0));
        xs.iter().for_each(|x| evidence.on_episode(*x));
        assert!(evidence.log_e().unwrap() < (128.0f64 / 0.05).ln(), "{xs:?}");
        assert_eq!(evidence.is_faulty(), xs.iter().any(|x| x.is_nan()));
    }
}
