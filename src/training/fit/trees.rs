//! Regression trees on histograms, alone in a forest or one upon the other.
//!
//! A column is cut into bins of about equally many rows, or into one bin for each of its values where there are no more
//! than bins; then the split is exact. Within a node the bound lies half-way between the last row of the left side and
//! the first of the right one. Of equally good splits the first column's and the lowest wins.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::FitError;
use super::draws::Draws;
use crate::models::fitted::{Kind, Trees};
use crate::training::kinds::Settings;

/// A split must lessen the squared errors by more than this share of them, or rounding would make splits.
const GAIN_MIN: f64 = 1e-12;

/// How a tree grows.
#[derive(Clone, Copy, Debug)]
struct Growth {
    max_depth: usize,
    min_leaf: usize,
    columns_per_split: usize,
}

/// One column of the training rows, cut into bins.
#[derive(Debug)]
struct Column {
    /// By row.
    bin: Vec<u16>,
    /// By bin, the least and the largest value in it.
    span: Vec<(f64, f64)>,
}

/// What rows of a node are in a bin.
#[derive(Clone, Copy, Default, Debug)]
struct Bin {
    n: u32,
    sum: f64,
}

/// The best split of a node.
#[derive(Clone, Copy, Debug)]
struct Split {
    gain: f64,
    column: usize,
    /// Rows of this bin and below go left.
    bin: u16,
    bound: f64,
}

pub(super) fn fit(
    settings: &Settings,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    seed: u64,
) -> Result<Trees, FitError> {
    let kind = settings.kind();
    let (rows, width) = x.dim();
    let min_leaf = settings.whole("min_leaf");
    if rows < 2 * min_leaf {
        return Err(FitError::TooFewRows { kind, rows, need: 2 * min_leaf });
    }
    let share = |of: usize, name: &str| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let count = (of as f64 * settings.number(name)).round() as usize;
        count.clamp(1, of)
    };
    let growth =
        Growth { max_depth: settings.whole("max_depth"), min_leaf, columns_per_split: share(width, "max_features") };
    let n_drawn = share(rows, "subsample");
    let bins = settings.whole("bins");
    let columns: Vec<Column> = x.axis_iter(Axis(1)).map(|values| Column::new(values, bins)).collect();
    let mean = y.mean().expect("there are targets");
    let mut left_over: Vec<f64> = y.iter().map(|target| target - mean).collect();
    let n_trees = settings.whole("n_trees");
    let is_forest = kind == Kind::Forest;
    let factor = if is_forest { 1.0 / n_trees as f64 } else { settings.number("learning_rate") };
    let mut trees = Trees::new(kind, width, mean, factor);
    let flat = x.as_standard_layout();
    for tree in 0..n_trees {
        let mut draws = Draws::of(seed, tree);
        let mut drawn: Vec<u32> = if is_forest && settings.word("bootstrap") == "yes" {
            let row = |_| u32::try_from(draws.below(rows)).expect("rows are counted in 32 bits");
            (0..n_drawn).map(row).collect()
        } else {
            let mut all: Vec<u32> = (0..u32::try_from(rows).expect("rows are counted in 32 bits")).collect();
            if n_drawn < rows {
                draws.choose(n_drawn, &mut all);
                all.truncate(n_drawn);
            }
            all
        };
        drawn.sort_unstable();
        trees.begin();
        let mut tree = Tree { growth, columns: &columns, targets: &left_over, draws, trees: &mut trees };
        tree.grow(&mut drawn, 0);
        if !is_forest {
            for (row, left) in flat.outer_iter().zip(&mut left_over) {
                *left -= factor * trees.value_of_last(row.as_slice().expect("rows in one piece"));
            }
        }
    }
    Ok(trees)
}

impl Column {
    fn new(values: ArrayView1<'_, f64>, bins: usize) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        // Minus nought is nought to every comparison with a bound.
        let mut distinct: Vec<(f64, usize)> = Vec::new();
        for value in sorted {
            match distinct.last_mut() {
                Some((last, count)) if *last >= value => *count += 1,
                _ => distinct.push((value, 1)),
            }
        }
        let mut span: Vec<(f64, f64)> = Vec::new();
        let mut left = values.len();
        let mut in_bin = 0usize;
        let is_exact = distinct.len() <= bins;
        for (value, count) in distinct {
            // A bin is full when it has its share of the rows that are left for it and the bins after it.
            let is_full = || in_bin * (bins - span.len() + 1) >= left;
            if span.is_empty() || is_exact || (span.len() < bins && is_full()) {
                left -= in_bin;
                in_bin = 0;
                span.push((value, value));
            }
            in_bin += count;
            span.last_mut().expect("there is a bin").1 = value;
        }
        let bin = values.iter().map(|value| {
            u16::try_from(span.partition_point(|(_, high)| high < value)).expect("bins are counted in 16 bits")
        });
        Self { bin: bin.collect(), span }
    }
}

/// A tree that grows.
struct Tree<'a> {
    growth: Growth,
    columns: &'a [Column],
    targets: &'a [f64],
    draws: Draws,
    trees: &'a mut Trees,
}

impl Tree<'_> {
    /// Grows the node of these rows, and all below it.
    fn grow(&mut self, rows: &mut [u32], depth: usize) {
        let sum: f64 = rows.iter().map(|row| self.targets[*row as usize]).sum();
        let can_split = depth < self.growth.max_depth && rows.len() >= 2 * self.growth.min_leaf;
        let split = if can_split { self.best_split(rows, sum) } else { None };
        let Some(split) = split else {
            self.trees.leaf(sum / rows.len() as f64);
            return;
        };
        let bins = &self.columns[split.column].bin;
        let n_left = partition(rows, |row| bins[row as usize] <= split.bin);
        let column = u32::try_from(split.column).expect("columns are counted in 32 bits");
        let node = self.trees.split(column, split.bound);
        let (left, right) = rows.split_at_mut(n_left);
        self.grow(left, depth + 1);
        self.trees.turn_right(node);
        self.grow(right, depth + 1);
    }

    fn best_split(&mut self, rows: &[u32], sum: f64) -> Option<Split> {
        let mut looked_at: Vec<usize> = (0..self.columns.len()).collect();
        if self.growth.columns_per_split < looked_at.len() {
            self.draws.choose(self.growth.columns_per_split, &mut looked_at);
            looked_at.truncate(self.growth.columns_per_split);
            looked_at.sort_unstable();
        }
        let squares: f64 = rows.iter().map(|row| self.targets[*row as usize] * self.targets[*row as usize]).sum();
        let base = sum * sum / rows.len() as f64;
        let least = GAIN_MIN * (squares - base).max(0.0);
        let mut best: Option<Split> = None;
        for column in looked_at {
            let least = best.map_or(least, |best| best.gain);
            if let Some(split) = self.best_of_column(column, rows, sum, base, least) {
                best = Some(split);
            }
        }
        best
    }

    /// The best split of one column whose gain is above `least`.
    fn best_of_column(&self, column: usize, rows: &[u32], sum: f64, base: f64, least: f64) -> Option<Split> {
        let Column { bin, span } = &self.columns[column];
        let mut histogram = vec![Bin::default(); span.len()];
        for row in rows {
            let bin = &mut histogram[usize::from(bin[*row as usize])];
            bin.n += 1;
            bin.sum += self.targets[*row as usize];
        }
        let n = rows.len();
        let mut best: Option<(f64, usize)> = None;
        let mut least = least;
        let (mut n_left, mut sum_left) = (0usize, 0.0);
        for (at, bin) in histogram.iter().enumerate() {
            if bin.n == 0 {
                continue;
            }
            n_left += bin.n as usize;
            sum_left += bin.sum;
            let n_right = n - n_left;
            if n_right < self.growth.min_leaf || n_right == 0 {
                break;
            }
            if n_left < self.growth.min_leaf {
                continue;
            }
            let sum_right = sum - sum_left;
            let gain = sum_left * sum_left / n_left as f64 + sum_right * sum_right / n_right as f64 - base;
            if gain > least {
                least = gain;
                best = Some((gain, at));
            }
        }
        let (gain, at) = best?;
        let next = (at + 1..span.len()).find(|next| histogram[*next].n > 0).expect("there are rows on the right");
        let (low, high) = (span[at].1, span[next].0);
        let middle = f64::midpoint(low, high);
        // Between two numbers that touch there is no third: the lower one parts them as well.
        let bound = if middle < high { middle } else { low };
        Some(Split { gain, column, bin: u16::try_from(at).expect("bins are counted in 16 bits"), bound })
    }
}

/// Brings the rows that go left to the front, both sides in the order that they had; how many those are.
fn partition(rows: &mut [u32], is_left: impl Fn(u32) -> bool) -> usize {
    let right: Vec<u32> = rows.iter().copied().filter(|row| !is_left(*row)).collect();
    let mut n_left = 0;
    for at in 0..rows.len() {
        if is_left(rows[at]) {
            rows[n_left] = rows[at];
            n_left += 1;
        }
    }
    rows[n_left..].copy_from_slice(&right);
    n_left
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    #[test]
    fn bins_hold_every_value_and_about_as_many_rows_each() {
        let values = Array1::from_iter((0..1_000).map(|i| f64::from((i * 7_919) % 1_000)));
        let column = Column::new(values.view(), 10);
        assert_eq!(column.span.len(), 10);
        for bin in 0..10u16 {
            assert_eq!(column.bin.iter().filter(|own| **own == bin).count(), 100, "{bin}");
        }
        // One value that most rows have is one bin; the others share the rest.
        let values = Array1::from_iter((0..1_000).map(|i| if i < 900 { 0.0 } else { f64::from(i) }));
        let column = Column::new(values.view(), 11);
        assert_eq!(column.span.len(), 11);
        assert!(column.bin.iter().filter(|bin| **bin > 0).count() == 100);
        let exact = Column::new(Array1::from(vec![2.0, 1.0, -0.0, 0.0]).view(), 255);
        assert_eq!(exact.bin, [2, 1, 0, 0]);
    }
}
