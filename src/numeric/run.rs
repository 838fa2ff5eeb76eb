//! Runs: elements that a sum reads one after the other, from a tile or made on the fly from tiles.
//!
//! A run is read by rows of [`ROW`] lanes. The kernel floor makes runs out of an operation or two, so that what is only
//! summed is never written down; a run of cells is the plain case of the same loop, and gives the same bits.

use super::element::Float;

/// Elements of a row. In f64 they fill half of the AVX-512 registers, or all of AVX2.
pub(crate) const ROW: usize = 64;
/// Rows of a piece, which is summed plainly: with the rest and the tree of the lanes an element meets at most 127 additions.
const PIECE_ROWS: usize = 120;
/// Runs that are shorter are not worth a tree of [`ROW`] lanes.
pub(crate) const RUN_MIN: usize = ROW;

/// Elements to be summed.
pub(crate) trait Run: Copy {
    /// Their type.
    type Element: Float;
    /// A row: where its elements are, or what they are made from.
    type Row: Copy;
    /// Number of elements.
    fn len(self) -> usize;
    /// One of the `len() / ROW` whole rows.
    fn row(self, row: usize) -> Self::Row;
    /// One of the [`ROW`] elements of a row.
    fn value(row: Self::Row, lane: usize) -> Self::Element;
    /// One element.
    fn at(self, index: usize) -> Self::Element;
}

/// The elements of a tile, as they are.
pub(crate) struct Cells<'a, T: Float> {
    rows: &'a [[T::Bytes; ROW]],
    all: &'a [T::Bytes],
}

impl<'a, T: Float> Cells<'a, T> {
    #[inline(always)]
    pub(crate) fn new(all: &'a [T::Bytes]) -> Self {
        Cells { rows: all.as_chunks().0, all }
    }
}

impl<T: Float> Clone for Cells<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Float> Copy for Cells<'_, T> {}

impl<'a, T: Float> Run for Cells<'a, T> {
    type Element = T;
    type Row = &'a [T::Bytes; ROW];
    #[inline(always)]
    fn len(self) -> usize {
        self.all.len()
    }
    #[inline(always)]
    fn row(self, row: usize) -> Self::Row {
        &self.rows[row]
    }
    #[inline(always)]
    fn value(row: Self::Row, lane: usize) -> T {
        T::read(row[lane])
    }
    #[inline(always)]
    fn at(self, index: usize) -> T {
        T::read(self.all[index])
    }
}

/// Calls `piece(sum, sum of squares, elements)` with the plain sums of every piece of `run` (squares: 0 unless asked for).
///
/// Lanes start at -0.0, so that only negative zeros sum to one.
#[inline(always)]
pub(super) fn each_piece<R: Run, const SQUARES: bool>(run: R, mut piece: impl FnMut(f64, f64, u64)) {
    let rows = run.len() / ROW;
    let mut first = 0;
    while first * ROW < run.len() {
        let end = rows.min(first + PIECE_ROWS);
        let (mut sums, mut squares) = ([-0.0_f64; ROW], [0.0_f64; ROW]);
        for row in first..end {
            let row = run.row(row);
            for lane in 0..ROW {
                let value = R::value(row, lane).widen();
                sums[lane] += value;
                if SQUARES {
                    squares[lane] += value * value;
                }
            }
        }
        // The last piece takes the row that is not whole. Its lanes are their own: what a variable indexes is not kept in registers.
        let rest = if end == rows { run.len() - rows * ROW } else { 0 };
        let (mut rest_sums, mut rest_squares) = ([-0.0_f64; ROW], [0.0_f64; ROW]);
        for lane in 0..rest {
            let value = run.at(end * ROW + lane).widen();
            rest_sums[lane] = value;
            if SQUARES {
                rest_squares[lane] = value * value;
            }
        }
        if rest > 0 {
            for lane in 0..ROW {
                sums[lane] += rest_sums[lane];
                squares[lane] += rest_squares[lane];
            }
        }
        let elements = ((end - first) * ROW + rest) as u64;
        piece(fold(&sums), if SQUARES { fold(&squares) } else { 0.0 }, elements);
        if rest > 0 {
            return;
        }
        first = end;
    }
}

/// Adds the lanes up as a binary tree, without an index that is not a constant.
#[inline(always)]
fn fold(lanes: &[f64; ROW]) -> f64 {
    let lanes: [f64; 32] = halve(lanes);
    let lanes: [f64; 16] = halve(&lanes);
    let lanes: [f64; 8] = halve(&lanes);
    let lanes: [f64; 4] = halve(&lanes);
    let [even, odd]: [f64; 2] = halve(&lanes);
    even + odd
}

#[inline(always)]
fn halve<const ALL: usize, const HALF: usize>(lanes: &[f64; ALL]) -> [f64; HALF] {
    const { assert!(ALL == 2 * HALF) };
    let mut sums = [0.0; HALF];
    for lane in 0..HALF {
        sums[lane] = lanes[lane] + lanes[lane + HALF];
    }
    sums
}
