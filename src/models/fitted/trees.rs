//! Regression trees: what `forest` and `gbm` are once they are fitted.

use super::tensors::{Reader, Writer};
use super::{ArtefactError, FEATURES_MAX, Kind};

/// The column of a leaf.
const LEAF: u32 = u32::MAX;

/// A node of a tree. Its left child is the next node.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Node {
    /// A row whose column is at most this goes left; of a leaf, its value.
    bound: f64,
    /// [`LEAF`] for a leaf.
    column: u32,
    right: u32,
}

/// `base + factor · Σ` of the leaves that the row falls into, one of each tree.
#[derive(Clone, PartialEq, Debug)]
pub struct Trees {
    kind: Kind,
    width: usize,
    base: f64,
    factor: f64,
    /// Where each tree begins.
    roots: Vec<u32>,
    nodes: Vec<Node>,
}

impl Trees {
    /// No trees yet: `base` at every row.
    #[must_use]
    pub fn new(kind: Kind, width: usize, base: f64, factor: f64) -> Self {
        Self { kind, width, base, factor, roots: Vec::new(), nodes: Vec::new() }
    }

    /// What fitted them.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many trees there are.
    #[must_use]
    pub fn n_trees(&self) -> usize {
        self.roots.len()
    }

    /// How many nodes they have together.
    #[must_use]
    pub fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Begins a tree, whose nodes are added next: each split, then all of its left side, then all of its right side.
    pub fn begin(&mut self) {
        self.roots.push(self.here());
    }

    /// Adds a leaf.
    pub fn leaf(&mut self, value: f64) {
        self.nodes.push(Node { bound: value, column: LEAF, right: 0 });
    }

    /// Adds a split; [`Trees::turn_right`] is to be called with what it gives once its left side is there.
    pub fn split(&mut self, column: u32, bound: f64) -> usize {
        self.nodes.push(Node { bound, column, right: 0 });
        self.nodes.len() - 1
    }

    /// The right side of a split comes next.
    pub fn turn_right(&mut self, split: usize) {
        self.nodes[split].right = self.here();
    }

    fn here(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("nodes are counted in 32 bits")
    }

    /// The value at a row.
    #[must_use]
    pub fn value(&self, row: &[f64]) -> f64 {
        if row.iter().any(|value| value.is_nan()) {
            return f64::NAN;
        }
        self.base + self.factor * self.roots.iter().map(|root| self.leaf_of(*root, row)).sum::<f64>()
    }

    /// The value of the leaf of the last tree that a row falls into.
    ///
    /// # Panics
    /// If there is no tree.
    #[must_use]
    pub fn value_of_last(&self, row: &[f64]) -> f64 {
        self.leaf_of(*self.roots.last().expect("a tree was begun"), row)
    }

    fn leaf_of(&self, root: u32, row: &[f64]) -> f64 {
        let mut at = root as usize;
        loop {
            let node = &self.nodes[at];
            if node.column == LEAF {
                return node.bound;
            }
            at = if row[node.column as usize] <= node.bound { at + 1 } else { node.right as usize };
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.whole("width", self.width);
        out.number("base", self.base);
        out.number("factor", self.factor);
        out.wholes("roots", &self.roots);
        out.numbers("bounds", &self.nodes.iter().map(|node| node.bound).collect::<Vec<_>>());
        out.wholes("columns", &self.nodes.iter().map(|node| node.column).collect::<Vec<_>>());
        out.wholes("rights", &self.nodes.iter().map(|node| node.right).collect::<Vec<_>>());
    }

    pub(super) fn read(kind: Kind, from: &Reader<'_>) -> Result<Self, ArtefactError> {
        let width = from.whole("width", 1..=FEATURES_MAX)?;
        let (base, factor) = (from.number("base")?, from.number("factor")?);
        let (roots, bounds) = (from.wholes("roots")?, from.numbers("bounds")?);
        let (columns, rights) = (from.wholes("columns")?, from.wholes("rights")?);
        if columns.len() != bounds.len() || rights.len() != bounds.len() {
            return from.wrong("bounds", "are not as many as the columns");
        }
        if roots.first() != Some(&0) || !roots.is_sorted_by(|a, b| a < b) {
            return from.wrong("roots", "do not rise from 0");
        }
        // Every way goes forward and ends in a leaf of its own tree, so that a prediction ends.
        let ends = roots.iter().skip(1).map(|root| *root as usize).chain([bounds.len()]);
        for (root, end) in roots.iter().zip(ends) {
            if end > bounds.len() {
                return from.wrong("roots", "lie beyond the nodes");
            }
            for at in *root as usize..end {
                let (column, right) = (columns[at], rights[at] as usize);
                let is_split = (column as usize) < width && right > at + 1 && right < end;
                if column != LEAF && !is_split {
                    return from.wrong("rights", &format!("lead astray at {at}"));
                }
            }
        }
        let nodes = bounds.iter().zip(&columns).zip(&rights);
        let nodes = nodes.map(|((bound, column), right)| Node { bound: *bound, column: *column, right: *right });
        Ok(Self { kind, width, base, factor, roots, nodes: nodes.collect() })
    }
}
