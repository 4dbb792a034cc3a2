//! The nearest rows of the past, and what followed them.

use std::cell::RefCell;

use super::kdtree::{KdTree, Neighbour};
use super::scaler::Scaler;
use super::tensors::{Reader, Writer};
use super::{ArtefactError, Estimate, FEATURES_MAX};

/// The most neighbours that are asked for.
pub const NEIGHBOURS_MAX: usize = 1_000;
/// Of 0 %, 1 %, … 100 %.
pub const QUANTILES: usize = 101;

/// How much a neighbour counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weights {
    /// All the same.
    Uniform,
    /// By one over the distance; where some are at distance 0, those alone.
    Distance,
}

/// Nearest neighbours, exact, by euclidean distance.
#[derive(Clone, PartialEq, Debug)]
pub struct Knn {
    k: usize,
    weights: Weights,
    scaler: Option<Scaler>,
    tree: KdTree,
    /// By slot of the tree.
    targets: Vec<f64>,
    quantiles: Vec<f64>,
}

thread_local! {
    /// A scaled row, so that a prediction allocates nothing.
    static SCALED: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

impl Knn {
    /// Neighbours of finite `rows`, `width` columns each, row-major, as they come: the scaler is applied to them here.
    /// The quantiles are 0 until [`Knn::with_quantiles`].
    ///
    /// # Panics
    /// If there are fewer rows than `k`, or not as many targets as rows.
    #[must_use]
    pub fn new(
        k: usize,
        weights: Weights,
        scaler: Option<Scaler>,
        rows: &[f64],
        width: usize,
        targets: &[f64],
    ) -> Self {
        match &scaler {
            None => Self::of_scaled(k, weights, scaler, rows, width, targets),
            Some(by) => {
                let scaled: Vec<f64> = rows.chunks_exact(width).flat_map(|row| by.scaled(row)).collect();
                Self::of_scaled(k, weights, scaler, &scaled, width, targets)
            }
        }
    }

    fn of_scaled(
        k: usize,
        weights: Weights,
        scaler: Option<Scaler>,
        rows: &[f64],
        width: usize,
        targets: &[f64],
    ) -> Self {
        assert!((1..=targets.len()).contains(&k) && rows.len() == targets.len() * width, "{k} neighbours of the rows");
        let tree = KdTree::new(rows, width);
        let targets = tree.order().iter().map(|index| targets[*index as usize]).collect();
        Self { k, weights, scaler, tree, targets, quantiles: vec![0.0; QUANTILES] }
    }

    /// The same with the quantiles of the distances of its own rows.
    ///
    /// # Panics
    /// If they are not [`QUANTILES`].
    #[must_use]
    pub fn with_quantiles(self, quantiles: Vec<f64>) -> Self {
        assert_eq!(quantiles.len(), QUANTILES);
        Self { quantiles, ..self }
    }

    /// The quantiles of the distances of its own rows, leave-one-out.
    #[must_use]
    pub fn quantiles(&self) -> &[f64] {
        &self.quantiles
    }

    /// How many neighbours an estimate rests on.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// How columns are scaled, if they are.
    #[must_use]
    pub fn scaler(&self) -> Option<&Scaler> {
        self.scaler.as_ref()
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.tree.width()
    }

    /// How many rows it knows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.tree.len()
    }

    /// Hands the nearest rows of a finite row to `use_them`: nearest first, by index where distances are equal. Distances
    /// are of scaled columns where it scales.
    pub fn neighbours<T>(&self, row: &[f64], use_them: impl FnOnce(&[Neighbour]) -> T) -> T {
        match &self.scaler {
            None => self.tree.nearest(row, self.k, None, use_them),
            Some(scaler) => SCALED.with_borrow_mut(|scaled| {
                scaled.clear();
                scaled.extend(scaler.scaled(row));
                self.tree.nearest(scaled, self.k, None, use_them)
            }),
        }
    }

    /// The mean distance of one of its own rows to its neighbours, itself not among them. `slot` counts the rows in the
    /// order of the tree, where those that are near in space are near in memory.
    #[must_use]
    pub fn distance_without(&self, slot: usize) -> f64 {
        self.tree.nearest(self.tree.row(slot), self.k, Some(self.tree.order()[slot]), mean_distance)
    }

    /// The estimate at a row.
    #[must_use]
    pub fn estimate(&self, row: &[f64]) -> Estimate {
        if row.iter().any(|value| !value.is_finite()) {
            return Estimate { y_pred: f64::NAN, distance: Some(f64::INFINITY) };
        }
        self.neighbours(row, |nearest| Estimate { y_pred: self.weigh(nearest), distance: Some(mean_distance(nearest)) })
    }

    fn weigh(&self, nearest: &[Neighbour]) -> f64 {
        let target = |neighbour: &Neighbour| self.targets[neighbour.slot as usize];
        let mean = |some: &[Neighbour]| some.iter().map(target).sum::<f64>() / some.len() as f64;
        match self.weights {
            Weights::Uniform => mean(nearest),
            Weights::Distance => match nearest.iter().take_while(|neighbour| neighbour.distance <= 0.0).count() {
                0 => {
                    // Against the nearest, so that no distance is too small to be divided by.
                    let least = nearest[0].distance;
                    let weight = |neighbour: &Neighbour| least / neighbour.distance;
                    nearest.iter().map(|n| weight(n) * target(n)).sum::<f64>() / nearest.iter().map(weight).sum::<f64>()
                }
                same => mean(&nearest[..same]),
            },
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.whole("k", self.k);
        out.text("weights", if self.weights == Weights::Uniform { "uniform" } else { "distance" });
        if let Some(scaler) = &self.scaler {
            out.within("scaler", |out| scaler.write(out));
        }
        let width = self.width();
        let mut rows = vec![0.0; self.n_rows() * width];
        let mut targets = vec![0.0; self.n_rows()];
        for (slot, index) in self.tree.order().iter().enumerate() {
            let index = *index as usize;
            rows[index * width..(index + 1) * width].copy_from_slice(self.tree.row(slot));
            targets[index] = self.targets[slot];
        }
        out.matrix("rows", &[self.n_rows(), width], &rows);
        out.numbers("targets", &targets);
        out.numbers("quantiles", &self.quantiles);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, ArtefactError> {
        let (n, width, rows) = from.matrix("rows")?;
        if width > FEATURES_MAX || u32::try_from(n).is_err() {
            return from.wrong("rows", "has more than a model takes");
        }
        let k = from.whole("k", 1..=n.min(NEIGHBOURS_MAX))?;
        let weights = match from.text("weights")? {
            "uniform" => Weights::Uniform,
            "distance" => Weights::Distance,
            _ => return from.wrong("weights", "is neither uniform nor distance"),
        };
        let has_scaler = from.has("scaler.mean");
        let scaler = has_scaler.then(|| from.within("scaler", |from| Scaler::read(width, from))).transpose()?;
        let targets = from.numbers_of("targets", n)?;
        let quantiles = from.numbers_of("quantiles", QUANTILES)?;
        Ok(Self::of_scaled(k, weights, scaler, &rows, width, &targets).with_quantiles(quantiles))
    }
}

fn mean_distance(nearest: &[Neighbour]) -> f64 {
    nearest.iter().map(|neighbour| neighbour.distance).sum::<f64>() / nearest.len() as f64
}
