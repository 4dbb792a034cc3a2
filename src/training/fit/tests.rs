//! What is refused, and that the same input gives the same bytes.

use ndarray::{Array1, Array2};

use super::*;
use crate::training::kinds::parse;

fn settings(kind: &str, set: &[(&str, &str)]) -> Settings {
    let set: Vec<_> = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parse(kind, &set).unwrap()
}

/// Lagged moves of a made walk and what came next, as a ratio.
fn walk(rows: usize, lags: usize) -> (Array2<f64>, Array1<f64>) {
    let mut state = 5u64;
    let mut price = 70.0;
    let prices: Vec<f64> = (0..rows + lags + 1)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            price *= 1.0 + 1e-4 * ((state >> 40) as f64 / f64::from(1 << 24) - 0.5);
            price
        })
        .collect();
    let x = Array2::from_shape_fn((rows, lags), |(row, lag)| prices[row + lags - 1 - lag] / prices[row + lags] - 1.0);
    (x, Array1::from_shape_fn(rows, |row| prices[row + lags + 1] / prices[row + lags]))
}

/// Every kind with settings that a small walk is enough for.
fn every_kind() -> Vec<Settings> {
    vec![
        settings("knn", &[("weights", "distance")]),
        settings("knn", &[("scale", "standard")]),
        settings("ols", &[]),
        settings("ridge", &[]),
        settings("lasso", &[]),
        settings("elastic_net", &[]),
        settings("logistic", &[]),
        settings("svr", &[]),
        settings("svr", &[("kernel", "linear")]),
        settings("stack", &[("tails", "2+4+6"), ("bases", "ols+knn+gbm"), ("base.n_trees", "10")]),
        settings("forest", &[("n_trees", "10"), ("max_features", "0.5"), ("subsample", "0.7")]),
        settings("gbm", &[("n_trees", "10"), ("subsample", "0.5"), ("bins", "32")]),
    ]
}

#[test]
fn the_same_input_gives_the_same_bytes_and_ratios_near_one() {
    let (x, y) = walk(300, 6);
    for settings in every_kind() {
        let one = fit(&settings, x.view(), y.view(), 7).unwrap();
        let same = fit(&settings, x.view(), y.view(), 7).unwrap();
        assert!(one.to_bytes() == same.to_bytes(), "{}", settings.kind());
        assert_eq!(one.kind(), settings.kind());
        assert_eq!(one.n_features(), 6);
        // However the rows lie in memory.
        let columns = x.t().as_standard_layout().into_owned();
        assert!(fit(&settings, columns.t(), y.view(), 7).unwrap().to_bytes() == one.to_bytes(), "{}", settings.kind());
        for row in x.outer_iter() {
            let estimate = one.predict(row.as_slice().unwrap());
            assert!((estimate.y_pred - 1.0).abs() < 2e-4, "{}: {estimate:?}", settings.kind());
        }
    }
}

/// Twenty columns that are all but copies of one another, as lagged prices are, with parameters that leave them in.
#[test]
fn lagged_prices_are_fitted_by_every_kind_as_they_come() {
    let (x, y) = walk(500, 20);
    let raw = [
        settings("ridge", &[("alpha", "1e-8"), ("scale", "none")]),
        settings("lasso", &[("alpha", "1e-10"), ("scale", "none")]),
        settings("elastic_net", &[("alpha", "1e-10"), ("scale", "none")]),
        settings("logistic", &[("c", "1e6"), ("scale", "none")]),
        settings("logistic", &[("c", "1e6")]),
        settings("logistic", &[("c", "1e-6")]),
        settings("lasso", &[("alpha", "1e-5")]),
        settings("svr", &[("scale", "none"), ("kernel", "linear"), ("c", "1e-3"), ("epsilon", "1e-5")]),
        settings("svr", &[("c", "10"), ("epsilon", "0.2")]),
    ];
    for settings in every_kind().iter().chain(&raw) {
        let fitted = fit(settings, x.view(), y.view(), 1);
        let fitted = fitted.unwrap_or_else(|error| panic!("{:?}: {error}", settings.params()));
        let square = |errors: &mut dyn Iterator<Item = f64>| errors.map(|error| error * error).sum::<f64>();
        let off =
            square(&mut x.outer_iter().zip(&y).map(|(row, y)| fitted.predict(row.as_slice().unwrap()).y_pred - y));
        let mean = y.mean().unwrap();
        let off_by_mean = square(&mut y.iter().map(|y| y - mean));
        assert!(off < off_by_mean * 1.3, "{:?}: {off} against {off_by_mean}", settings.params());
    }
}

#[test]
fn only_the_kinds_that_draw_look_at_the_seed() {
    let (x, y) = walk(300, 6);
    for settings in every_kind() {
        let bytes = |seed| fit(&settings, x.view(), y.view(), seed).unwrap().to_bytes();
        let draws = matches!(settings.kind(), Kind::Forest | Kind::Gbm);
        assert_eq!(bytes(1) != bytes(2), draws, "{}", settings.kind());
    }
}

#[test]
fn rows_that_cannot_be_fitted_are_refused_with_their_place() {
    let (x, y) = walk(60, 4);
    for settings in every_kind() {
        let refused = |x: &Array2<f64>, y: &Array1<f64>| fit(&settings, x.view(), y.view(), 1).unwrap_err().to_string();
        let mut bad = x.clone();
        bad[[50, 0]] = f64::NAN;
        bad[[17, 2]] = f64::INFINITY;
        assert_eq!(refused(&bad, &y), "training row 17, column 2 is inf: features must be finite");
        let mut bad = y.clone();
        bad[3] = f64::NAN;
        assert_eq!(refused(&x, &bad), "the target of training row 3 is NaN: targets must be finite");
        let mut bad = x.clone();
        bad.column_mut(1).fill(0.25);
        assert_eq!(refused(&bad, &y), "column 1 is 0.25 in every training row: leave it out of the features");
        assert_eq!(refused(&x, &y.slice_axis(Axis(0), ndarray::Slice::from(..9)).to_owned()), "60 rows have 9 targets");
        assert_eq!(refused(&Array2::zeros((60, 0)), &y), "rows of 0 columns; a model takes 1 to 4096");
        let none = refused(&Array2::zeros((0, 4)), &Array1::zeros(0));
        assert_eq!(none, format!("0 training rows are too few: {} needs 1 here", settings.kind()));
    }
}

#[test]
fn too_few_rows_are_refused_with_how_many_it_takes() {
    let (x, y) = walk(5, 4);
    for (settings, need) in [
        (settings("knn", &[]), 6),
        (settings("stack", &[("tails", "2"), ("folds", "6")]), 6),
        (settings("forest", &[("min_leaf", "3")]), 6),
    ] {
        let want = FitError::TooFewRows { kind: settings.kind(), rows: 5, need };
        assert_eq!(fit(&settings, x.view(), y.view(), 1), Err(want));
    }
    let (x, y) = walk(4, 4);
    let want = FitError::TooFewRows { kind: Kind::Ols, rows: 4, need: 5 };
    assert_eq!(fit(&settings("ols", &[]), x.view(), y.view(), 1), Err(want));
    let (x, y) = walk(100, 4);
    let want = Err(FitError::Tail { tail: 15, width: 4 });
    assert_eq!(fit(&settings("stack", &[]), x.view(), y.view(), 1), want);
    let rows = svr::ROWS_MAX + 1;
    let (x, y) = walk(rows, 1);
    let want = FitError::TooManyRows { kind: Kind::Svr, rows, most: svr::ROWS_MAX };
    assert_eq!(fit(&settings("svr", &[]), x.view(), y.view(), 1), Err(want));
}

#[test]
fn columns_that_copy_one_another_are_refused_by_least_squares_alone() {
    let (mut x, y) = walk(200, 6);
    let copy = x.column(1).to_owned();
    x.column_mut(4).assign(&copy);
    for settings in every_kind() {
        let fitted = fit(&settings, x.view(), y.view(), 1);
        match settings.kind() {
            Kind::Ols => assert_eq!(fitted, Err(FitError::Collinear { column: 4 })),
            _ => assert!(fitted.is_ok(), "{}: {fitted:?}", settings.kind()),
        }
    }
}

#[test]
fn targets_of_one_value_are_met_by_every_kind_that_does_not_tell_apart() {
    let (x, y) = walk(200, 6);
    let flat = Array1::from_elem(y.len(), 1.0001);
    for settings in every_kind() {
        let fitted = fit(&settings, x.view(), flat.view(), 1);
        if settings.kind() == Kind::Logistic {
            assert_eq!(fitted, Err(FitError::OneClass { is_up: true }));
        } else if settings.kind() == Kind::Stack {
            // Its bases all say the same, which is no column to fit to.
            assert!(matches!(fitted, Err(FitError::Collinear { .. }) | Ok(_)), "{fitted:?}");
        } else {
            let y_pred = fitted.unwrap().predict(&[1e-5; 6]).y_pred;
            assert!((y_pred - 1.0001).abs() < 1e-12, "{}: {y_pred}", settings.kind());
        }
    }
}

#[test]
fn the_distances_of_a_knn_are_those_of_its_rows_to_the_others() {
    let (x, y) = walk(150, 3);
    let fitted = fit(&settings("knn", &[("k", "4")]), x.view(), y.view(), 1).unwrap();
    let mut distances: Vec<f64> = (0..150)
        .map(|own| {
            let mut others: Vec<f64> = (0..150)
                .filter(|other| *other != own)
                .map(|other| (&x.row(own) - &x.row(other)).iter().map(|v| v * v).sum::<f64>().sqrt())
                .collect();
            others.sort_by(f64::total_cmp);
            others[..4].iter().sum::<f64>() / 4.0
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    let quantiles = fitted.distance_quantiles().unwrap();
    for (percent, quantile) in quantiles.iter().enumerate() {
        let place = percent as f64 * 149.0 / 100.0;
        let (below, share) = (percent * 149 / 100, place.fract());
        let want = distances[below] + share * (distances[(below + 1).min(149)] - distances[below]);
        assert!((quantile - want).abs() < 1e-15, "{percent} %");
    }
}

#[test]
fn every_kind_but_neighbours_alone_has_no_distance() {
    let (x, y) = walk(200, 6);
    for settings in every_kind() {
        let fitted = fit(&settings, x.view(), y.view(), 1).unwrap();
        let has = settings.kind() == Kind::Knn;
        assert_eq!(fitted.predict(&[0.0; 6]).distance.is_some(), has);
        assert_eq!(fitted.distance_quantiles().is_some(), has);
    }
}
