//! Exact nearest neighbours: a tree of boxes, searched in single precision and settled in double.
//!
//! Rows are turned onto their principal axes, so that boxes are tight also where columns are all but copies of one
//! another, as lagged prices are; then scaled by a power of two and rounded to `f32`. Leaves hold [`LEAF`] rows column by
//! column, so that their squared distances are made side by side; a node holds the boxes of its two children.
//!
//! **Why the neighbours are exact.** Let `d` be the distance of a row to the query, and `s` the square of it that the
//! search makes. Turning and rounding move a point by at most `u (1 + ε) |p|`, with `u = 2^-24`, so that the distance of
//! the rounded points is within `e = u (1 + ε) (R + |q|)` of `d`, where `R` is the length of the longest row; and `s` is
//! within a factor `1 ± g` of the square of that, where `g` bounds the rounding of a sum of as many squares as there are
//! columns. So when `k` rows with `s ≤ s_k` are known, the `k` nearest have `d ≤ √(s_k (1 + g)) + e`, and each of them
//! has `s ≤ (√(s_k (1 + g)) + 2 e)² (1 + g)`. Every row below that limit is kept, and the kept ones are settled by the
//! distance in double precision between the rows as they were given, the lower index first where it is the same. A box
//! is passed over only when its own distance, with room for its rounding, is beyond the limit.

use std::cell::RefCell;

use super::axes;

/// Rows of a leaf.
pub(super) const LEAF: usize = 32;
/// Lanes of a box: its columns are padded to a multiple of this.
const LANES: usize = 8;
/// Half the distance of 1 to the next `f32`.
const ROUNDING: f64 = 1.0 / 16_777_216.0;
/// A query beyond this, where rows are within 1, is compared with every row in double precision: squares would overflow.
const FAR: f64 = 1e12;
/// Candidates above this, and four times `k`, are settled on the way.
const CANDIDATES_MAX: usize = 512;

/// A row that was found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Neighbour {
    /// Its index among the rows as they were given.
    pub index: u32,
    /// Its euclidean distance.
    pub distance: f64,
    /// Where it stands in the tree.
    pub(super) slot: u32,
}

/// Rows in a tree. A slot is a place in the tree's order; the last leaf may have empty ones.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct KdTree {
    width: usize,
    /// By slot: the index of the row.
    index: Vec<u32>,
    /// By slot: the rows as they were given.
    rows: Vec<f64>,
    /// By leaf, column and row: the rows as they are searched; empty slots are infinite.
    leaves: Vec<f32>,
    /// By inner node: of the left and of the right child, the lower and the upper corner.
    boxes: Vec<f32>,
    /// Where the middle of the rows is.
    centre: Vec<f64>,
    /// From the middle to principal axes and scale, `width` columns for each axis.
    turn: Vec<f64>,
    /// The length of the longest row, turned and scaled.
    longest: f64,
}

/// What a search works with, kept by its thread so that a query allocates nothing.
#[derive(Default)]
struct Scratch {
    query: Vec<f32>,
    offset: Vec<f64>,
    nearest: Vec<f32>,
    candidates: Vec<(f32, u32)>,
    settled: Vec<Neighbour>,
    waiting: Vec<Waiting>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// A subtree to look at: its leaves, its inner nodes from `node` on, and the least squared distance that it can have.
#[derive(Clone, Copy)]
struct Waiting {
    first: u32,
    end: u32,
    node: u32,
    bound: f32,
}

impl KdTree {
    /// The tree of finite rows, `width` columns each, row-major; at least one row.
    pub(super) fn new(rows: &[f64], width: usize) -> Self {
        let n = rows.len() / width;
        let centre = axes::means(rows, width);
        let mut turn = axes::principal(rows, width, &centre);
        let largest =
            rows.chunks_exact(width).flat_map(|row| row.iter().zip(&centre)).fold(0.0, |most: f64, (x, c)| {
                let from_centre = (x - c).abs();
                if from_centre > most { from_centre } else { most }
            });
        if largest > 0.0 {
            // The length of a row is at most `√width` times its largest column.
            let exponent = (largest * (width as f64).sqrt()).log2().ceil().clamp(-1_000.0, 1_000.0);
            let scale = (-exponent).exp2();
            turn.iter_mut().for_each(|value| *value *= scale);
        }
        let mut tree = Self {
            width,
            index: Vec::new(),
            rows: Vec::new(),
            leaves: Vec::new(),
            boxes: Vec::new(),
            centre,
            turn,
            longest: 0.0,
        };
        let mut turned = vec![0.0f32; n * width];
        let mut offset = vec![0.0; width];
        for (row, out) in rows.chunks_exact(width).zip(turned.chunks_exact_mut(width)) {
            tree.longest = tree.longest.max(tree.turn_row(row, &mut offset, out));
        }
        let n_leaves = n.div_ceil(LEAF);
        let mut order: Vec<u32> = (0..u32::try_from(n).expect("rows are counted in 32 bits")).collect();
        tree.boxes = vec![0.0; (n_leaves - 1) * tree.node_length()];
        tree.split(&turned, &mut order, 0, n_leaves, 0);
        tree.leaves = vec![f32::INFINITY; n_leaves * LEAF * width];
        for (slot, index) in order.iter().enumerate() {
            let from = *index as usize * width;
            tree.rows.extend_from_slice(&rows[from..from + width]);
            let leaf = slot / LEAF * LEAF * width + slot % LEAF;
            for (column, value) in turned[from..from + width].iter().enumerate() {
                tree.leaves[leaf + column * LEAF] = *value;
            }
        }
        tree.index = order;
        tree
    }

    /// Columns of a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// By slot, the index of its row.
    pub(super) fn order(&self) -> &[u32] {
        &self.index
    }

    /// The row of a slot, as it was given.
    pub(super) fn row(&self, slot: usize) -> &[f64] {
        &self.rows[slot * self.width..(slot + 1) * self.width]
    }

    fn padded(&self) -> usize {
        self.width.next_multiple_of(LANES)
    }

    fn node_length(&self) -> usize {
        4 * self.padded()
    }

    /// Turns and scales a row; its length afterwards.
    fn turn_row(&self, row: &[f64], offset: &mut [f64], out: &mut [f32]) -> f64 {
        for (offset, (value, centre)) in offset.iter_mut().zip(row.iter().zip(&self.centre)) {
            *offset = value - centre;
        }
        let mut length2 = 0.0;
        for (out, axis) in out.iter_mut().zip(self.turn.chunks_exact(self.width)) {
            let value = super::linear::dot(axis, offset);
            length2 += value * value;
            #[expect(clippy::cast_possible_truncation, reason = "the search is in single precision, see above")]
            let single = value as f32;
            *out = single;
        }
        length2.sqrt()
    }

    /// Orders the rows of the leaves `first..end` and writes the boxes of the inner nodes from `node` on. Gives back the
    /// corners of the box of all of them.
    fn split(&mut self, turned: &[f32], order: &mut [u32], first: usize, end: usize, node: usize) -> Vec<f32> {
        let width = self.width;
        let at = |index: u32, column: usize| turned[index as usize * width + column];
        if end - first == 1 {
            order.sort_unstable();
            return self.corners(turned, order);
        }
        let middle = usize::midpoint(first, end);
        let left_rows = (middle - first) * LEAF;
        let whole = self.corners(turned, order);
        let padded = self.padded();
        let spread = |column: usize| whole[padded + column] - whole[column];
        let widest = (1..width).fold(0, |widest, column| if spread(column) > spread(widest) { column } else { widest });
        order.select_nth_unstable_by(left_rows, |a, b| at(*a, widest).total_cmp(&at(*b, widest)).then(a.cmp(b)));
        let (left, right) = order.split_at_mut(left_rows);
        let left = self.split(turned, left, first, middle, node + 1);
        let right = self.split(turned, right, middle, end, node + (middle - first));
        let length = self.node_length();
        let boxes = &mut self.boxes[node * length..(node + 1) * length];
        boxes[..length / 2].copy_from_slice(&left);
        boxes[length / 2..].copy_from_slice(&right);
        whole
    }

    /// Lower and upper corner of some rows; the columns that pad it are without bounds.
    fn corners(&self, turned: &[f32], order: &[u32]) -> Vec<f32> {
        let padded = self.padded();
        let mut corners = vec![f32::MAX; 2 * padded];
        let (low, high) = corners.split_at_mut(padded);
        high.fill(f32::MIN);
        for index in order {
            let from = *index as usize * self.width;
            for (column, value) in turned[from..from + self.width].iter().enumerate() {
                low[column] = low[column].min(*value);
                high[column] = high[column].max(*value);
            }
        }
        low[self.width..].fill(f32::MIN);
        high[self.width..].fill(f32::MAX);
        corners
    }

    /// Hands the `k` nearest rows to `use_them`, nearest first and by index where distances are equal; all rows where
    /// there are fewer. The row of index `without` is left out. The query is finite.
    pub(super) fn nearest<T>(
        &self,
        query: &[f64],
        k: usize,
        without: Option<u32>,
        use_them: impl FnOnce(&[Neighbour]) -> T,
    ) -> T {
        SCRATCH.with_borrow_mut(|scratch| {
            let padded = self.padded();
            scratch.query.clear();
            scratch.query.resize(padded, 0.0);
            scratch.offset.resize(self.width, 0.0);
            scratch.nearest.clear();
            scratch.candidates.clear();
            scratch.settled.clear();
            let length = self.turn_row(query, &mut scratch.offset, &mut scratch.query[..self.width]);
            if length < FAR {
                let mut search = Search::new(self, scratch, query, k, without, length);
                search.run();
                search.settle();
            } else {
                let slots = (0..).zip(&self.index).filter(|(_, index)| Some(**index) != without);
                scratch.candidates.extend(slots.map(|(slot, _)| (0.0, slot)));
                settle(self, query, k, &scratch.candidates, &mut scratch.settled);
            }
            use_them(&scratch.settled)
        })
    }
}

/// One query on its way through the tree.
struct Search<'a> {
    tree: &'a KdTree,
    scratch: &'a mut Scratch,
    given: &'a [f64],
    k: usize,
    without: Option<u32>,
    /// `e` and `1 + g` of the proof.
    error: f64,
    factor: f64,
    /// Rows with at most this squared distance are kept.
    limit: f32,
    /// Boxes with more than this are passed over.
    reach: f32,
}

impl<'a> Search<'a> {
    fn new(
        tree: &'a KdTree,
        scratch: &'a mut Scratch,
        given: &'a [f64],
        k: usize,
        without: Option<u32>,
        length: f64,
    ) -> Self {
        // A little more than the proof needs, which also covers the rounding of double precision in turning, settling
        // and in these lines, and what is lost where a value is too small for a full `f32`.
        let error = ROUNDING * 1.01 * (tree.longest + length) + 1e-38 * tree.width as f64;
        let factor = 1.0 + 4.0 * ROUNDING * (tree.width as f64 + 8.0);
        Self { tree, scratch, given, k, without, error, factor, limit: f32::MAX, reach: f32::MAX }
    }

    fn run(&mut self) {
        let end = u32::try_from(self.tree.len().div_ceil(LEAF)).expect("leaves are counted in 32 bits");
        self.scratch.waiting.clear();
        self.scratch.waiting.push(Waiting { first: 0, end, node: 0, bound: 0.0 });
        let length = self.tree.node_length();
        while let Some(mut here) = self.scratch.waiting.pop() {
            if here.bound > self.reach {
                continue;
            }
            while here.end - here.first > 1 {
                let middle = u32::midpoint(here.first, here.end);
                let from = here.node as usize * length;
                let (left, right) = self.tree.boxes[from..from + length].split_at(length / 2);
                let left = box_distance2(left, &self.scratch.query);
                let right = box_distance2(right, &self.scratch.query);
                let on_the_left = Waiting { end: middle, node: here.node + 1, bound: left, ..here };
                let on_the_right =
                    Waiting { first: middle, node: here.node + (middle - here.first), bound: right, ..here };
                let (near, far) = if right < left { (on_the_right, on_the_left) } else { (on_the_left, on_the_right) };
                if far.bound <= self.reach {
                    self.scratch.waiting.push(far);
                }
                here = near;
                if here.bound > self.reach {
                    break;
                }
            }
            if here.bound <= self.reach {
                self.look_at(here.first as usize);
            }
        }
    }

    fn look_at(&mut self, leaf: usize) {
        let size = LEAF * self.tree.width;
        let (columns, _) = self.tree.leaves[leaf * size..(leaf + 1) * size].as_chunks::<LEAF>();
        // The first half of the axes holds most of the distance: in many leaves no row is near enough already there,
        // and the other half need not be fetched.
        let (first, rest) = columns.split_at(columns.len() / 2);
        let mut distances = [0.0; LEAF];
        add_distances2(&mut distances, first, &self.scratch.query);
        if !distances.iter().fold(false, |is_any, distance2| is_any | (*distance2 <= self.limit)) {
            return;
        }
        add_distances2(&mut distances, rest, &self.scratch.query[first.len()..]);
        let mut found = 0u32;
        for (lane, distance2) in distances.iter().enumerate() {
            found |= u32::from(*distance2 <= self.limit) << lane;
        }
        while found != 0 {
            let lane = found.trailing_zeros() as usize;
            found &= found - 1;
            if distances[lane] <= self.limit {
                self.keep(leaf * LEAF + lane, distances[lane]);
            }
        }
    }

    fn keep(&mut self, slot: usize, distance2: f32) {
        if self.without == Some(self.tree.index[slot]) {
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "rows are counted in 32 bits")]
        self.scratch.candidates.push((distance2, slot as u32));
        let nearest = &mut self.scratch.nearest;
        if nearest.len() == self.k && distance2 >= nearest[self.k - 1] {
            if self.scratch.candidates.len() > CANDIDATES_MAX.max(4 * self.k) {
                self.thin();
            }
            return;
        }
        if nearest.len() == self.k {
            nearest.pop();
        }
        let at = nearest.partition_point(|known| *known <= distance2);
        nearest.insert(at, distance2);
        if nearest.len() == self.k {
            let farthest = f64::from(nearest[self.k - 1]);
            let edge = (farthest * self.factor).sqrt() + 2.0 * self.error;
            let limit = edge * edge * self.factor;
            #[expect(clippy::cast_possible_truncation, reason = "the factor makes room for the rounding")]
            let (limit, reach) = ((limit * self.factor) as f32, (limit * self.factor * self.factor) as f32);
            (self.limit, self.reach) = (limit, reach);
        }
    }

    /// Keeps of the candidates the `k` nearest alone.
    fn thin(&mut self) {
        let Scratch { candidates, settled, .. } = &mut *self.scratch;
        settle(self.tree, self.given, self.k, candidates, settled);
        candidates.clear();
        // They are below every later limit, since they are the nearest `k` of what was seen.
        candidates.extend(settled.iter().map(|neighbour| (0.0, neighbour.slot)));
    }

    fn settle(&mut self) {
        let Scratch { candidates, settled, .. } = &mut *self.scratch;
        candidates.retain(|(distance2, _)| *distance2 <= self.limit);
        settle(self.tree, self.given, self.k, candidates, settled);
    }
}

/// The `k` nearest of the candidates by their distance in double precision.
fn settle(tree: &KdTree, query: &[f64], k: usize, candidates: &[(f32, u32)], out: &mut Vec<Neighbour>) {
    out.clear();
    out.extend(candidates.iter().map(|(_, slot)| Neighbour {
        index: tree.index[*slot as usize],
        distance: distance2(tree.row(*slot as usize), query),
        slot: *slot,
    }));
    let order = |a: &Neighbour, b: &Neighbour| a.distance.total_cmp(&b.distance).then(a.index.cmp(&b.index));
    if out.len() > 4 * k {
        out.select_nth_unstable_by(k, order);
        out.truncate(k);
    }
    out.sort_unstable_by(order);
    out.truncate(k);
    out.iter_mut().for_each(|neighbour| neighbour.distance = neighbour.distance.sqrt());
}

/// Squared euclidean distance, summed in the order of the columns.
pub(super) fn distance2(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Adds to the squared distances of the rows of a leaf what some of its columns make of them.
#[inline]
fn add_distances2(sums: &mut [f32; LEAF], columns: &[[f32; LEAF]], query: &[f32]) {
    let mut own = *sums; // which stays in registers
    for (column, at) in columns.iter().zip(query) {
        for (sum, value) in own.iter_mut().zip(column) {
            let off = value - at;
            *sum += off * off;
        }
    }
    *sums = own;
}

/// Squared distance to a box: lower corner, then upper corner.
#[inline]
fn box_distance2(corners: &[f32], query: &[f32]) -> f32 {
    let (low, high) = corners.split_at(corners.len() / 2);
    let (low, _) = low.as_chunks::<LANES>();
    let (high, _) = high.as_chunks::<LANES>();
    let (query, _) = query.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    // Comparisons instead of `max`, which would treat NaN with care that is not needed here.
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    for ((low, high), at) in low.iter().zip(high).zip(query) {
        for lane in 0..LANES {
            let off = larger(larger(low[lane] - at[lane], at[lane] - high[lane]), 0.0);
            sums[lane] += off * off;
        }
    }
    (sums[0] + sums[4]) + (sums[1] + sums[5]) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}
