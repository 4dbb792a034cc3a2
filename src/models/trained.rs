//! A trained version at work: the estimate of a fitted artefact, a threshold, and the nearness gate.
//!
//! All candidates of one artefact on one stream ask the same question at the same bar. They share an [`Estimator`], which
//! remembers its last answers: a hundred swept thresholds cost one search. What is remembered is found again by the row
//! itself, bit by bit, so that whether an answer was remembered can never show.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::features::{Close, FeatureSpec};
use super::{BarContext, Estimate, Model};
use crate::domain::{Direction, Prediction};

/// Answers that are remembered: as many as a slice has rounds, since each block of seats goes through a whole slice
/// before the next one does.
const REMEMBERED: usize = 1_024;

/// What a fitted artefact says of a row: a function of it.
pub type Predict = dyn Fn(&[f64]) -> Estimate + Send + Sync;

/// A fitted artefact with what its rows are made of.
pub struct Estimator {
    features: FeatureSpec,
    predict: Box<Predict>,
    slots: Vec<Mutex<Slot>>,
}

/// The last row that came to a slot, and its answer.
#[derive(Debug, Default)]
struct Slot {
    row: Vec<f64>,
    estimate: Option<Estimate>,
}

impl fmt::Debug for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimator").field("features", &self.features).finish_non_exhaustive()
    }
}

impl Estimator {
    /// Over `predict`.
    #[must_use]
    pub fn new(features: FeatureSpec, predict: Box<Predict>) -> Self {
        Self { features, predict, slots: (0..REMEMBERED).map(|_| Mutex::default()).collect() }
    }

    /// What its rows are made of.
    #[must_use]
    pub fn features(&self) -> &FeatureSpec {
        &self.features
    }

    /// The estimate for `row`, which was made at the bar `seq`. Others who ask for the same meanwhile wait for the answer
    /// instead of searching too.
    fn estimate(&self, seq: u64, row: &[f64]) -> Estimate {
        let place = usize::try_from(seq % REMEMBERED as u64).expect("a place below their number");
        // Where a search panicked the slot is as it was before.
        let mut slot = self.slots[place].lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = slot.row.len() == row.len() && slot.row.iter().zip(row).all(|(a, b)| a.to_bits() == b.to_bits());
        if let (true, Some(estimate)) = (is_same, slot.estimate) {
            return estimate;
        }
        let estimate = (self.predict)(row);
        slot.row.clear();
        slot.row.extend_from_slice(row);
        slot.estimate = Some(estimate);
        estimate
    }
}

/// A candidate of a trained version.
#[derive(Debug)]
pub struct Trained {
    estimator: Arc<Estimator>,
    threshold: f64,
    max_distance: Option<f64>,
    row: Vec<f64>,
}

impl Trained {
    /// Long above `threshold`, short below 2 less it, nothing beyond `max_distance`.
    #[must_use]
    pub fn new(estimator: Arc<Estimator>, threshold: f64, max_distance: Option<f64>) -> Self {
        Self { estimator, threshold, max_distance, row: Vec::new() }
    }
}

impl Model for Trained {
    fn on_bar(&mut self, context: &BarContext<'_>) -> Option<Prediction> {
        let bar = context.bar;
        if !self.estimator.features.row(context.mids2, &Close::from(bar), &mut self.row) {
            return None;
        }
        let Estimate { y_pred, distance } = self.estimator.estimate(bar.seq, &self.row);
        // A distance that is no number is not near.
        let is_near = self.max_distance.is_none_or(|most| distance.is_none_or(|distance| distance <= most));
        let stance = if y_pred > self.threshold {
            Some(Direction::Long)
        } else if y_pred < 2.0 - self.threshold {
            Some(Direction::Short)
        } else {
            None
        };
        Some(Prediction { y_pred: Some(y_pred), distance, signal: stance.filter(|_| is_near), is_abstained: !is_near })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::ledger::testing::bar_of_mids;

    fn estimator(calls: &Arc<AtomicU64>) -> Arc<Estimator> {
        let calls = Arc::clone(calls);
        let features = FeatureSpec { lags: 1, ..FeatureSpec::default() };
        let predict = move |row: &[f64]| {
            calls.fetch_add(1, Ordering::SeqCst);
            Estimate { y_pred: 1.0 - row[0], distance: Some(row[0].abs()) }
        };
        Arc::new(Estimator::new(features, Box::new(predict)))
    }

    fn ask(model: &mut Trained, seq: u64, mids: &[f64]) -> Option<Prediction> {
        let doubled: Vec<f64> = mids.iter().map(|m| m * 2.0).collect();
        let mut bar = bar_of_mids(&doubled);
        bar.seq = seq;
        model.on_bar(&BarContext { bar: &bar, mids2: &bar.mids2 })
    }

    #[test]
    fn a_stance_is_taken_beyond_the_threshold_and_within_the_gate() {
        // The row of (a, b) is a/b - 1, so that y_pred = 2 - a/b.
        for (mids, gate, side, is_abstained) in [
            (&[100.0, 102.0][..], None, Some(Direction::Long), false),
            (&[102.0, 100.0], None, Some(Direction::Short), false),
            (&[100.0, 100.5], None, None, false),
            (&[100.0, 102.0], Some(0.1), Some(Direction::Long), false),
            (&[100.0, 102.0], Some(0.01), None, true),
            (&[100.0, 100.0], Some(0.0), None, false),
        ] {
            let mut model = Trained::new(estimator(&Arc::default()), 1.01, gate);
            let told = ask(&mut model, 0, mids).unwrap();
            assert_eq!((told.signal, told.is_abstained), (side, is_abstained), "{mids:?} {gate:?}");
            assert_eq!(told.distance, Some((mids[0] / mids[1] - 1.0).abs()));
        }
        assert_eq!(ask(&mut Trained::new(estimator(&Arc::default()), 1.0, None), 0, &[100.0]), None);
    }

    #[test]
    fn a_distance_that_is_no_number_is_not_near() {
        let features = FeatureSpec { lags: 1, ..FeatureSpec::default() };
        let predict = |_: &[f64]| Estimate { y_pred: 1.5, distance: Some(f64::NAN) };
        let mut model = Trained::new(Arc::new(Estimator::new(features, Box::new(predict))), 1.0, Some(1.0));
        assert!(ask(&mut model, 0, &[1.0, 1.0]).unwrap().is_abstained);
    }

    #[test]
    fn candidates_of_one_artefact_share_their_searches() {
        let calls = Arc::new(AtomicU64::new(0));
        let shared = estimator(&calls);
        let mut sweep: Vec<Trained> =
            (0..100).map(|n| Trained::new(Arc::clone(&shared), 1.0 + f64::from(n) * 1e-4, None)).collect();
        // Seat by seat over a whole slice, as a block with one seat walks it.
        let mids: Vec<f64> = (0..=512).map(|n| 100.0 + f64::from(n % 7)).collect();
        let told: Vec<Vec<Option<Prediction>>> = sweep
            .iter_mut()
            .map(|model| (0..512).map(|seq: usize| ask(model, seq as u64, &mids[seq..=seq + 1])).collect())
            .collect();
        assert_eq!(calls.load(Ordering::SeqCst), 512);
        let y_preds = |of: &[Option<Prediction>]| of.iter().map(|p| p.unwrap().y_pred).collect::<Vec<_>>();
        assert!(told.iter().all(|of| y_preds(of) == y_preds(&told[0])));
        // Another row at a bar of the same number is another question.
        assert_ne!(ask(&mut sweep[0], 3, &[100.0, 140.0]).unwrap().y_pred, told[0][3].unwrap().y_pred);
    }
}
