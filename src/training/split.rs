//! Which rows are fitted, which choose, which judge: in the order of time, with an embargo between two parts, never
//! shuffled.
//!
//! A row reaches `lookback` bars back and its target `horizon` bars ahead. A part therefore begins more than both
//! together after the last row of the part before it, so that no price is seen from two parts.

use std::ops::Range;

use super::rows::{Series, Table};
use crate::registry;

/// Fewest rows to fit.
pub const TRAIN_MIN: usize = 30;
/// Fewest rows to choose or judge by.
pub const JUDGE_MIN: usize = 10;

/// The rows of a table by what they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Fitted.
    pub train: Range<usize>,
    /// Chosen by.
    pub validation: Range<usize>,
    /// Judged by.
    pub test: Range<usize>,
    /// Bars between the last row of a part and the first of the next, neither counted.
    pub embargo: usize,
}

/// How walk-forward validation moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Walk {
    /// Each fold is fitted on everything before it.
    #[default]
    Expanding,
    /// Each fold is fitted on as many blocks as the first.
    Rolling,
}

/// One fold: what is fitted, and what is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldRows {
    /// Fitted.
    pub train: Range<usize>,
    /// Judged.
    pub validation: Range<usize>,
}

/// The data set does not give enough rows for a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the data set is too short: its {bars} bars give {usable} rows, which leaves {got} for {part} after an embargo of \
     {embargo} bars; want at least {want}"
)]
pub struct TooShort {
    /// Bars of the data set.
    pub bars: u64,
    /// Rows with a target.
    pub usable: u64,
    /// The part.
    pub part: &'static str,
    /// Its rows.
    pub got: usize,
    /// The fewest it needs.
    pub want: usize,
    /// Bars between two parts.
    pub embargo: usize,
}

/// Cuts the rows of a table at the shares of train and validation; the rest is test.
///
/// # Errors
/// [`TooShort`].
pub fn split(table: &Table, shares: [f64; 3], embargo: usize) -> Result<Parts, TooShort> {
    let n = table.len();
    let cut = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let at = (share * n as f64).round() as usize;
        at.min(n)
    };
    let (first, second) = (cut(shares[0]), cut(shares[0] + shares[1]));
    let parts = Parts {
        train: 0..first,
        validation: after(table, first, embargo)..second,
        test: after(table, second, embargo)..n,
        embargo,
    };
    long_enough(table, "training", &parts.train, TRAIN_MIN, embargo)?;
    long_enough(table, "validation", &parts.validation, JUDGE_MIN, embargo)?;
    long_enough(table, "the test", &parts.test, JUDGE_MIN, embargo)?;
    Ok(parts)
}

/// Walks forward over everything before the test part in `folds + 1` blocks of rows: fold `k` is fitted on the blocks
/// before block `k + 1`, or on the last one alone of those, and judged on that block.
///
/// # Errors
/// [`TooShort`].
pub fn walk_forward(table: &Table, parts: &Parts, folds: usize, walk: Walk) -> Result<Vec<FoldRows>, TooShort> {
    let end = parts.validation.end;
    let boundary = |block: usize| end * block / (folds + 1);
    (1..=folds)
        .map(|fold| {
            let cut = boundary(fold);
            let from = match walk {
                Walk::Expanding => 0,
                Walk::Rolling => boundary(fold - 1),
            };
            let fold = FoldRows { train: from..cut, validation: after(table, cut, parts.embargo)..boundary(fold + 1) };
            long_enough(table, "training in a fold", &fold.train, TRAIN_MIN, parts.embargo)?;
            long_enough(table, "validation in a fold", &fold.validation, JUDGE_MIN, parts.embargo)?;
            Ok(fold)
        })
        .collect()
}

/// A run of rows for the card.
///
/// # Panics
/// If it is empty or not within the table.
#[must_use]
pub fn range_of(series: &Series, table: &Table, rows: &Range<usize>) -> registry::Range {
    let (first, last) = (table.bars[rows.start], table.bars[rows.end - 1]);
    registry::Range {
        rows: rows.len() as u64,
        first_bar: first as u64,
        last_bar: last as u64,
        from: series.bars[first].end,
        to: series.bars[last].end,
    }
}

/// The first row from `cut` on whose bar lies beyond the embargo after the bar of the row before `cut`.
fn after(table: &Table, cut: usize, embargo: usize) -> usize {
    match cut.checked_sub(1).and_then(|last| table.bars.get(last)) {
        Some(last) => table.bars.partition_point(|bar| *bar <= last + embargo).max(cut),
        None => cut,
    }
}

fn long_enough(
    table: &Table,
    part: &'static str,
    rows: &Range<usize>,
    want: usize,
    embargo: usize,
) -> Result<(), TooShort> {
    let got = rows.len();
    if got >= want {
        return Ok(());
    }
    Err(TooShort { bars: table.counts.bars, usable: table.counts.usable, part, got, want, embargo })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::RowCounts;

    /// Rows on these bars; their values do not matter here.
    fn table(bars: Vec<usize>) -> Table {
        let usable = bars.len() as u64;
        let counts = RowCounts { bars: usable, usable, ..RowCounts::default() };
        Table { width: 1, x: vec![0.0; bars.len()], y: vec![1.0; bars.len()], bars, counts }
    }

    #[test]
    fn an_embargo_stands_between_two_parts() {
        // 200 rows, cut at 140 and 170. With 8 bars between, the next part begins 9 bars after the last row.
        let parts = split(&table((0..200).collect()), [0.7, 0.15, 0.15], 8).unwrap();
        assert_eq!(parts, Parts { train: 0..140, validation: 148..170, test: 178..200, embargo: 8 });
    }

    #[test]
    fn an_embargo_is_counted_in_bars_and_not_in_rows() {
        // Behind a hole of 50 bars without rows the next row is far enough.
        let bars: Vec<usize> = (0..140).chain(190..250).collect();
        let parts = split(&table(bars), [0.7, 0.15, 0.15], 8).unwrap();
        assert_eq!((parts.train, parts.validation, parts.test), (0..140, 140..170, 178..200));
    }

    #[test]
    fn too_few_rows_are_refused_with_their_numbers() {
        let error = split(&table((0..100).collect()), [0.7, 0.15, 0.15], 8).unwrap_err();
        assert_eq!((error.part, error.got, error.want), ("validation", 7, JUDGE_MIN));
        assert!(split(&table(Vec::new()), [0.7, 0.15, 0.15], 8).is_err());
        assert!(split(&table((0..30).collect()), [0.8, 0.1, 0.1], 0).is_err());
    }

    #[test]
    fn folds_walk_forward() {
        let table = table((0..1_000).collect());
        let parts = split(&table, [0.6, 0.2, 0.2], 5).unwrap();
        assert_eq!(parts.validation, 605..800);
        let folds = walk_forward(&table, &parts, 3, Walk::Expanding).unwrap();
        let want = [(0..200, 205..400), (0..400, 405..600), (0..600, 605..800)];
        assert_eq!(folds, want.map(|(train, validation)| FoldRows { train, validation }));
        let folds = walk_forward(&table, &parts, 3, Walk::Rolling).unwrap();
        let want = [(0..200, 205..400), (200..400, 405..600), (400..600, 605..800)];
        assert_eq!(folds, want.map(|(train, validation)| FoldRows { train, validation }));
        assert!(walk_forward(&table, &parts, 100, Walk::Expanding).is_err());
        assert!(walk_forward(&table, &parts, 0, Walk::Expanding).unwrap().is_empty());
    }
}
