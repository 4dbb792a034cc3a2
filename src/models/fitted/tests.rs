//! Neighbours against a search through all rows, and artefacts against whatever bytes.

use proptest::prelude::*;

use super::kdtree::{KdTree, distance2};
use super::*;

/// SplitMix64 in 0..1.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Index and squared distance of the nearest rows, by looking at all.
fn by_looking_at_all(rows: &[f64], query: &[f64], k: usize, without: Option<u32>) -> Vec<(u32, f64)> {
    let all = rows.chunks_exact(query.len()).zip(0u32..).filter(|(_, index)| Some(*index) != without);
    let mut all: Vec<(u32, f64)> = all.map(|(row, index)| (index, distance2(row, query))).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

fn assert_exact(name: &str, rows: &[f64], width: usize, queries: &[f64], ks: &[usize]) {
    let tree = KdTree::new(rows, width);
    for k in ks {
        for (at, query) in queries.chunks_exact(width).enumerate() {
            let found = tree.nearest(query, *k, None, <[_]>::to_vec);
            let found: Vec<(u32, u64)> = found.iter().map(|n| (n.index, n.distance.to_bits())).collect();
            let want = by_looking_at_all(rows, query, *k, None);
            let want: Vec<(u32, u64)> = want.iter().map(|(index, d2)| (*index, d2.sqrt().to_bits())).collect();
            assert_eq!(found, want, "{name}: query {at}, k = {k}");
        }
        // Each row among the others.
        for slot in (0..tree.len()).step_by(61) {
            let own = tree.order()[slot];
            let found = tree.nearest(tree.row(slot), *k, Some(own), <[_]>::to_vec);
            let want = by_looking_at_all(rows, tree.row(slot), *k, Some(own));
            let found: Vec<u32> = found.iter().map(|neighbour| neighbour.index).collect();
            assert_eq!(found, want.iter().map(|(index, _)| *index).collect::<Vec<_>>(), "{name}: row {own}, k = {k}");
        }
    }
}

/// Rows and queries of a shape, from a seed.
fn shaped(shape: &str, n: usize, width: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut state = seed;
    let mut make = |count: usize| -> Vec<f64> {
        let mut price = 100.0;
        let walk: Vec<f64> = (0..count + width)
            .map(|_| {
                price *= 1.0 + 2e-4 * (uniform(&mut state) - 0.5);
                price
            })
            .collect();
        (0..count)
            .flat_map(|row| (0..width).map(move |column| (row, column)))
            .map(|(row, column)| match shape {
                "noise" => uniform(&mut state) - 0.5,
                "lagged" => walk[row + width - 1 - column] / walk[row + width] - 1.0,
                "lattice" => (uniform(&mut state) * 3.0).floor(),
                "one point" => 0.1,
                // Closer to one another than single precision can tell.
                "near ties" => (uniform(&mut state) * 4.0).floor() + 1e-9 * (uniform(&mut state) * 8.0).floor(),
                "far from nought" => 1e6 + uniform(&mut state),
                "outlier" if row == 5 => 1e9,
                "outlier" => uniform(&mut state) * 1e-3,
                "unequal columns" => uniform(&mut state) * 1e-6f64.powi(i32::try_from(column % 3).unwrap() - 1),
                "tiny" => uniform(&mut state) * 1e-100,
                "mirrored" => {
                    if uniform(&mut state) < 0.5 {
                        1.0 + f64::EPSILON
                    } else {
                        -1.0
                    }
                }
                _ => panic!("{shape}"),
            })
            .collect()
    };
    (make(n), make(40))
}

#[test]
fn neighbours_are_those_that_a_look_at_all_rows_finds() {
    let shapes = [
        "noise",
        "lagged",
        "lattice",
        "one point",
        "near ties",
        "far from nought",
        "outlier",
        "unequal columns",
        "tiny",
        "mirrored",
    ];
    for (seed, shape) in (1..).zip(shapes) {
        for (n, width) in [(500, 8), (300, 3), (33, 1), (31, 2), (100, 70)] {
            let (rows, mut queries) = shaped(shape, n, width, seed);
            // Rows themselves, and places far away, are asked about too.
            queries.extend_from_slice(&rows[..4 * width]);
            for far in [3.0, -1e3, 1e11, 1e13, 1e150] {
                queries.extend(std::iter::repeat_n(far, width));
            }
            assert_exact(&format!("{shape}, {n} x {width}"), &rows, width, &queries, &[1, 7]);
        }
    }
    let (rows, queries) = shaped("noise", 100, 4, 9);
    assert_exact("as many as there are", &rows, 4, &queries, &[99, 100, 1_000]);
}

#[test]
fn among_equally_near_rows_the_first_ones_win() {
    let rows = [1.0, -1.0, 1.0, -1.0, 1.0, 3.0];
    let tree = KdTree::new(&rows, 1);
    let found = tree.nearest(&[0.0], 3, None, |found| found.iter().map(|n| n.index).collect::<Vec<_>>());
    assert_eq!(found, [0, 1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neighbours_are_exact_on_any_rows(
        seed in any::<u64>(), n in 1usize..300, width in 1usize..12, k in 1usize..40, digits in 0i32..12,
    ) {
        let mut state = seed;
        let grain = 10f64.powi(digits);
        let mut make = |count: usize| -> Vec<f64> {
            (0..count * width).map(|_| (uniform(&mut state) * grain).round() / grain).collect()
        };
        let (rows, queries) = (make(n), make(5));
        assert_exact("any", &rows, width, &queries, &[k]);
    }

    #[test]
    fn whatever_the_bytes_reading_ends_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Fitted::from_bytes(&bytes).is_err());
    }

    #[test]
    fn a_changed_artefact_is_refused_or_is_a_model(
        which in 0usize..8, at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let model = &every_form()[which];
        let mut bytes = model.to_bytes();
        prop_assert!(Fitted::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(changed) = Fitted::from_bytes(&bytes) {
            let estimate = changed.predict(&vec![0.5; changed.n_features()]);
            prop_assert!(estimate.distance.is_none_or(|distance| distance.is_nan() || distance >= 0.0));
        }
    }
}

/// A model of every form that an artefact has.
fn every_form() -> Vec<Fitted> {
    let linear = || Linear::new(Kind::Ridge, 1.0001, vec![0.1, -0.25]);
    let rows: Vec<f64> = (0..80).map(|i| f64::from(i * 37 % 80) / 7.0).collect();
    let targets: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i) / 1e4).collect();
    let scaler = || Scaler::new(vec![0.5, 1.5], vec![2.0, 3.0]);
    let knn = |scaler, weights| Knn::new(3, weights, scaler, &rows, 2, &targets);
    let quantiles: Vec<f64> = (0..QUANTILES).map(|i| i as f64 / 3.0).collect();
    let mut trees = Trees::new(Kind::Gbm, 2, 1.0, 0.1);
    trees.begin();
    let root = trees.split(1, 0.5);
    trees.leaf(-1.0);
    trees.turn_right(root);
    let right = trees.split(0, 2.5);
    trees.leaf(0.25);
    trees.turn_right(right);
    trees.leaf(3.0);
    trees.begin();
    trees.leaf(7.0);
    let svr = |scaler| Svr::new(0.3, 1.0, scaler, vec![0.1, 0.2, 0.3, 0.4], vec![0.5, -0.5], 2);
    let bases = vec![
        Fitted::Linear(Linear::new(Kind::Ols, 0.0, vec![1.0])),
        Fitted::Knn(knn(None, Weights::Distance)),
        Fitted::Trees(trees.clone()),
    ];
    vec![
        Fitted::Linear(linear()),
        Fitted::Knn(knn(Some(scaler()), Weights::Uniform).with_quantiles(quantiles)),
        Fitted::Knn(knn(None, Weights::Distance)),
        Fitted::Logistic(Logistic::new(0.1, vec![1.0, 2.0], 1.001, 0.999)),
        Fitted::Svr(svr(Some(scaler()))),
        Fitted::Svr(svr(None)),
        Fitted::Trees(trees),
        Fitted::Stack(Stack::new(2, bases, Linear::new(Kind::Ols, 0.5, vec![0.2, 0.3, 0.1]))),
    ]
}

#[test]
fn an_artefact_reads_back_to_the_bit_and_is_written_the_same_again() {
    for model in every_form() {
        let bytes = model.to_bytes();
        assert_eq!(bytes, model.to_bytes());
        let read = Fitted::from_bytes(&bytes).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.to_bytes(), bytes);
        for row in [[0.1, 0.7], [-5.0, 1e6], [3.0, 0.5]] {
            let (a, b) = (model.predict(&row), read.predict(&row));
            assert_eq!(a.y_pred.to_bits(), b.y_pred.to_bits());
            assert_eq!(a.distance.map(f64::to_bits), b.distance.map(f64::to_bits));
        }
    }
}

#[test]
fn a_row_that_is_not_finite_has_an_estimate_that_is_not() {
    for model in every_form() {
        assert!(!model.predict(&[0.5, f64::NAN]).y_pred.is_finite(), "{}", model.kind());
    }
}

#[test]
fn what_is_no_model_is_refused_with_the_reason() {
    let refused = |bytes: &[u8]| Fitted::from_bytes(bytes).unwrap_err().to_string();
    let with = |from: &str, to: &str| {
        let bytes = every_form()[0].to_bytes();
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut changed = bytes;
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        changed
    };
    assert_eq!(refused(b""), "the artefact cannot be read: header too small");
    assert_eq!(
        refused(&with("\"arena_model\":\"1\"", "\"arena_model\":\"2\"")),
        "the artefact is of format \"2\", which this arena does not know: it was made by another version"
    );
    assert_eq!(
        refused(&with("arena_model", "other_model")),
        "the artefact cannot be read: no metadata `arena_model`: not a model of the arena"
    );
    assert_eq!(refused(&with("ridge", "rigid")), "the artefact cannot be read: kind \"rigid\" is none of this arena");
    assert_eq!(
        refused(&with("\"coefficients\"", "\"inefficient_\"")),
        "the artefact cannot be read: tensor `coefficients` is missing"
    );
    // A header that promises more than there is.
    let mut long = u64::MAX.to_le_bytes().to_vec();
    long.extend([b'{'; 64]);
    assert_eq!(refused(&long), "the artefact cannot be read: header too large");
}

#[test]
fn a_tree_that_leads_astray_is_refused() {
    let mut trees = Trees::new(Kind::Forest, 1, 0.0, 1.0);
    trees.begin();
    let root = trees.split(0, 0.0);
    trees.leaf(1.0);
    trees.turn_right(root);
    trees.leaf(2.0);
    let bytes = Fitted::Trees(trees).to_bytes();
    assert!(Fitted::from_bytes(&bytes).is_ok());
    // The right child of the root, the only 2 among the whole numbers of 32 bits, made the root itself.
    let at = bytes.windows(12).position(|part| part == [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut circle = bytes;
    circle[at] = 0;
    let error = Fitted::from_bytes(&circle).unwrap_err().to_string();
    assert_eq!(error, "the artefact cannot be read: tensor `rights` lead astray at 0");
}
