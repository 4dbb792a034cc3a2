//! Every kind against scikit-learn.
//!
//! `tests/oracles/knn_reference.json` has predictions, distances and neighbours over real prices; `KNN_REFERENCE` names
//! another file of that form, with hyperparameters of its own. `tests/oracles/kinds_sklearn.json` has a small fit of each
//! kind, made by the script beside it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test ends where something unexpected happens, and says what it read"
)]

use std::path::Path;

use arena::models::fitted::{Fitted, Knn, Linear};
use arena::training::fit::{fit, out_of_fold};
use arena::training::kinds::{Settings, parse};
use ndarray::{Array1, Array2};
use serde_json::Value;

const KNN_TOLERANCE: f64 = 1e-9;
const LINEAR_TOLERANCE: f64 = 1e-9;
const STACK_TOLERANCE: f64 = 1e-8;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))).unwrap()
}

fn settings(kind: &str, set: &[(&str, String)]) -> Settings {
    let set: Vec<_> = set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    parse(kind, &set).unwrap_or_else(|faults| panic!("{kind}: {faults:?}"))
}

fn assert_near(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance, "{what}, {at}: {got} is not within {tolerance:e} of {want}");
    }
}

/// The series of the reference, cut as it says.
struct Reference {
    file: Value,
    prices: Vec<f64>,
    first: usize,
    train: usize,
    test: usize,
}

impl Reference {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let shared = root.join("../shared/market-data/reference/knn_reference.json");
        let path = match std::env::var_os("KNN_REFERENCE") {
            Some(path) => path.into(),
            None if shared.exists() => shared,
            None => root.join("tests/oracles/knn_reference.json"),
        };
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file: Value = serde_json::from_str(&text).unwrap();
        let split = &file["split"];
        Self {
            prices: numbers(&file["prices"]),
            first: count(&split["first_train_row_position_in_prices"]),
            train: count(&split["train_rows"]),
            test: count(&split["test_rows"]),
            file,
        }
    }

    /// Basis points against the present price, newest lag first.
    fn row(&self, at: usize, lags: usize) -> Vec<f64> {
        (1..=lags).map(|lag| (self.prices[at - lag] / self.prices[at] - 1.0) * 10_000.0).collect()
    }

    fn target(&self, at: usize) -> f64 {
        (self.prices[at + 1] / self.prices[at] - 1.0) * 10_000.0
    }

    fn train(&self, lags: usize) -> (Array2<f64>, Array1<f64>) {
        let range = self.first..self.first + self.train;
        let rows: Vec<f64> = range.clone().flat_map(|at| self.row(at, lags)).collect();
        (Array2::from_shape_vec((self.train, lags), rows).unwrap(), range.map(|at| self.target(at)).collect())
    }

    fn test(&self, lags: usize) -> Vec<Vec<f64>> {
        (self.first + self.train..self.first + self.train + self.test).map(|at| self.row(at, lags)).collect()
    }

    fn fit(&self, settings: &Settings, lags: usize) -> Fitted {
        let (x, y) = self.train(lags);
        fit(settings, x.view(), y.view(), 1).unwrap()
    }

    /// The lags of a model: its own, or those that hold for all.
    fn lags(&self, model: &Value) -> usize {
        let own = [&model["lags"], &model["hyperparameters"]["lags"]].into_iter().find(|lags| lags.is_u64());
        count(own.unwrap_or(&self.file["feature"]["knn_ols_ridge_lags"]))
    }

    fn check_knn(&self, name: &str, model: &Value) {
        let hyper = &model["hyperparameters"];
        assert_eq!(hyper["metric"], "euclidean", "{name}");
        let scale = if hyper["standard_scaler"].as_bool().unwrap() { "standard" } else { "none" };
        let weights = hyper["weights"].as_str().unwrap().to_owned();
        let set = [("k", hyper["n_neighbors"].to_string()), ("weights", weights), ("scale", scale.to_owned())];
        let lags = self.lags(model);
        let fitted = self.fit(&settings("knn", &set), lags);
        let Fitted::Knn(knn) = &fitted else { panic!("{fitted:?}") };
        if let Some(scaler) = knn.scaler() {
            assert_near("scaler mean", scaler.mean(), &numbers(&model["scaler_mean"]), 1e-9);
            assert_near("scaler deviation", scaler.deviation(), &numbers(&model["scaler_scale"]), 1e-9);
        }
        for (at, row) in self.test(lags).iter().enumerate() {
            self.check_neighbours(&format!("{name}, row {at}"), model, at, knn, row);
            if !model["tie_at_boundary"][at].as_bool().unwrap_or_default() {
                let want = model["predictions"][at].as_f64().unwrap();
                assert_near(&format!("{name}, row {at}"), &[fitted.predict(row).y_pred], &[want], KNN_TOLERANCE);
            }
        }
    }

    fn check_neighbours(&self, what: &str, model: &Value, at: usize, knn: &Knn, row: &[f64]) {
        let found = knn.neighbours(row, <[_]>::to_vec);
        let distances: Vec<f64> = found.iter().map(|neighbour| neighbour.distance).collect();
        let want = numbers(&model["distances"][at]);
        assert_near(what, &distances, &want, KNN_TOLERANCE);
        let mean = knn.estimate(row).distance.unwrap();
        assert_near(what, &[mean], &[want.iter().sum::<f64>() / want.len() as f64], KNN_TOLERANCE);
        if model["tie_at_boundary"][at].as_bool().unwrap_or_default() {
            return;
        }
        // Among equally near ones any order is right.
        let ranked = |indices: Vec<u32>| {
            let rank = |place: usize| distances.iter().position(|d| (d - distances[place]).abs() < 1e-12).unwrap();
            let mut ranked: Vec<(usize, u32)> = indices.into_iter().enumerate().map(|(p, i)| (rank(p), i)).collect();
            ranked.sort_unstable();
            ranked
        };
        let want = model["indices"][at].as_array().unwrap().iter().map(|index| count(index) as u32).collect();
        assert_eq!(ranked(found.iter().map(|neighbour| neighbour.index).collect()), ranked(want), "{what}");
    }

    fn check_linear(&self, name: &str, model: &Value) {
        let lags = self.lags(model);
        let settings = match &model["alpha"] {
            Value::Null => settings("ols", &[]),
            alpha => settings("ridge", &[("alpha", alpha.to_string()), ("scale", "none".to_owned())]),
        };
        let fitted = self.fit(&settings, lags);
        let Fitted::Linear(linear) = &fitted else { panic!("{fitted:?}") };
        check_function(name, linear, &model["intercept"], &model["coef"]);
        let got: Vec<f64> = self.test(lags).iter().map(|row| fitted.predict(row).y_pred).collect();
        assert_near(name, &got, &numbers(&model["predictions"]), LINEAR_TOLERANCE);
    }

    fn check_stack(&self, name: &str, model: &Value) {
        assert!(model["base"].as_str().unwrap().starts_with("OLS"), "{name}: another base than OLS");
        assert!(model["final"].as_str().unwrap().starts_with("OLS"), "{name}: another final model than OLS");
        let tails: Vec<String> = model["tails"].as_array().unwrap().iter().map(ToString::to_string).collect();
        let folds = model["cv"].as_str().unwrap().split(' ').next().unwrap().to_owned();
        let lags = count(model["tails"].as_array().unwrap().last().unwrap());
        let settings = settings("stack", &[("tails", tails.join("+")), ("folds", folds)]);
        let (x, y) = self.train(lags);
        let unseen = out_of_fold(&settings, x.view(), y.view(), 1).unwrap();
        let want = model["out_of_fold_first_5_rows"].as_array().unwrap();
        for (got, want) in unseen.outer_iter().zip(want) {
            assert_near(&format!("{name} out of fold"), &got.to_vec(), &numbers(want), STACK_TOLERANCE);
        }
        let fitted = self.fit(&settings, lags);
        let Fitted::Stack(stack) = &fitted else { panic!("{fitted:?}") };
        for (base, want) in stack.bases().iter().zip(model["base_models"].as_array().unwrap()) {
            let Fitted::Linear(base) = base else { panic!("{base:?}") };
            assert_eq!(base.coefficients().len(), count(&want["lags"]));
            check_function(name, base, &want["intercept"], &want["coef"]);
        }
        check_function(name, stack.last(), &model["final_intercept"], &model["final_coef"]);
        let got: Vec<f64> = self.test(lags).iter().map(|row| fitted.predict(row).y_pred).collect();
        assert_near(name, &got, &numbers(&model["predictions"]), STACK_TOLERANCE);
    }
}

fn check_function(name: &str, got: &Linear, intercept: &Value, coefficients: &Value) {
    assert_near(&format!("{name} intercept"), &[got.intercept()], &[intercept.as_f64().unwrap()], STACK_TOLERANCE);
    assert_near(&format!("{name} coefficients"), got.coefficients(), &numbers(coefficients), STACK_TOLERANCE);
}

#[test]
fn every_model_of_the_sklearn_reference_is_met() {
    let reference = Reference::read();
    let (x, y) = reference.train(reference.lags(&Value::Null));
    let first = &reference.file["first_train_row"];
    assert_near("first train row", &x.row(0).to_vec(), &numbers(&first["x"]), 1e-9);
    assert_near("first train target", &[y[0]], &[first["y"].as_f64().unwrap()], 1e-9);
    let mut checked = Vec::new();
    for (name, part) in reference.file.as_object().unwrap() {
        if part["tails"].is_array() {
            reference.check_stack(name, part);
        } else if part["coef"].is_array() {
            reference.check_linear(name, part);
        } else if name.starts_with("knn") {
            for (name, model) in part.as_object().unwrap() {
                reference.check_knn(name, model);
                checked.push(name);
            }
            continue;
        } else {
            assert!(part["predictions"].is_null(), "{name} has predictions of a model that this test does not know");
            continue;
        }
        checked.push(name);
    }
    println!("checked {checked:?}");
    assert!(checked.len() >= 4, "{checked:?}");
}

#[test]
fn a_small_fit_of_every_kind_is_that_of_sklearn_reference() {
    let oracle: Value = serde_json::from_str(include_str!("oracles/kinds_sklearn.json")).unwrap();
    let matrix = |value: &Value| -> Array2<f64> {
        let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    };
    let (x, x_test) = (matrix(&oracle["x"]), matrix(&oracle["x_test"]));
    let y = Array1::from(numbers(&oracle["y"]));
    let mut kinds = std::collections::BTreeSet::new();
    let mut faults = Vec::new();
    for entry in oracle["entries"].as_array().unwrap() {
        let kind = entry["kind"].as_str().unwrap();
        let params: Vec<(&str, String)> = entry["params"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()))
            .collect();
        let fitted = fit(&settings(kind, &params), x.view(), y.view(), 1).unwrap();
        assert_eq!(fitted.kind().name(), kind);
        let tolerance = entry["tolerance"].as_f64().unwrap();
        let want = numbers(&entry["predictions"]);
        let got: Vec<f64> = x_test.outer_iter().map(|row| fitted.predict(row.as_slice().unwrap()).y_pred).collect();
        let worst = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f64::max);
        println!("{kind} {params:?}: {worst:e}");
        if worst.is_nan() || worst > tolerance {
            faults.push(format!("{kind} {params:?} is off by {worst:e}, more than {tolerance:e}"));
        }
        kinds.insert(kind);
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    let all: std::collections::BTreeSet<&str> =
        arena::models::fitted::Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(kinds, all, "every kind has its vector");
}
