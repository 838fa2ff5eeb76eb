//! The one loop of every kernel: rows of a fixed number of lanes, folded into local lane states.
//!
//! A run is cut into rows of [`LANES`] neighbours, a column block into strips of [`LANES`] columns; short rows are
//! padded with the element's identity. The lane count is a constant of the numerics, not of the instruction set:
//! the compiler maps the lanes to whatever registers the calling function's target features allow, and the result
//! is the same. Everything is `#[inline(always)]` so that it is compiled inside that function.

use super::axes::Rows;

/// Elements of a row.
pub(super) const LANES: usize = 16;

/// Elements of a wide row: enough for loops over them to become vector code on every instruction set, with several vectors
/// under way at once.
pub(super) const WIDE: usize = 64;

/// A type of tile elements: how to read one from native bytes, and what pads a short row.
pub(crate) trait Cell: Copy {
    /// Native-order bytes of one element. Reading by bytes frees tiles from alignment at no cost.
    type Bytes: Copy;
    /// An element that changes nothing.
    const PAD: Self;
    /// Reads one element.
    fn read(bytes: Self::Bytes) -> Self;
}

/// A state of lanes that takes rows.
pub(super) trait LaneFold<T> {
    /// Rows after which [`LaneFold::flush`] is called.
    fn block_rows(&self) -> usize;
    /// Takes one row.
    fn step(&mut self, row: &[T; LANES]);
    /// Ends a block of rows.
    fn flush(&mut self);
}

#[inline(always)]
pub(super) fn load_row<T: Cell>(cells: &[T::Bytes; LANES]) -> [T; LANES] {
    let mut row = [T::PAD; LANES];
    for lane in 0..LANES {
        row[lane] = T::read(cells[lane]);
    }
    row
}

#[inline(always)]
pub(super) fn load_part<T: Cell>(cells: &[T::Bytes]) -> [T; LANES] {
    let mut row = [T::PAD; LANES];
    for (lane, cell) in row.iter_mut().zip(cells) {
        *lane = T::read(*cell);
    }
    row
}

/// Folds a run of elements: whole rows, then one padded row.
#[inline(always)]
pub(super) fn fold_run<T: Cell, F: LaneFold<T>>(fold: &mut F, cells: &[T::Bytes]) {
    fold_run_asking(fold, cells, |_| ());
}

/// [`fold_run`] that calls `ask` with the number of every whole row before it is read.
#[inline(always)]
pub(super) fn fold_run_asking<T: Cell, F: LaneFold<T>>(fold: &mut F, cells: &[T::Bytes], ask: impl Fn(usize)) {
    let (rows, rest) = cells.as_chunks::<LANES>();
    let block_rows = fold.block_rows();
    if block_rows == 1 {
        // A loop of its own: within blocks of one row nothing stays in registers.
        for (at, row) in rows.iter().enumerate() {
            ask(at);
            fold.step(&load_row::<T>(row));
            fold.flush();
        }
    } else {
        for (number, block) in rows.chunks(block_rows).enumerate() {
            for (at, row) in block.iter().enumerate() {
                ask(number * block_rows + at);
                fold.step(&load_row::<T>(row));
            }
            fold.flush();
        }
    }
    if !rest.is_empty() {
        fold.step(&load_part::<T>(rest));
        fold.flush();
    }
}

/// Folds a strip of `width <= LANES` columns: lane `j` sees the elements `cells[i * rows.stride + j]`.
#[inline(always)]
pub(super) fn fold_strip<T: Cell, F: LaneFold<T>>(fold: &mut F, cells: &[T::Bytes], rows: Rows, width: usize) {
    let block_rows = fold.block_rows();
    let mut row = 0;
    while row < rows.count {
        let end = rows.count.min(row.saturating_add(block_rows));
        if width == LANES {
            while row < end {
                let at = row * rows.stride;
                if let Some(cells) = cells[at..].first_chunk::<LANES>() {
                    fold.step(&load_row::<T>(cells));
                }
                row += 1;
            }
        } else {
            while row < end {
                let at = row * rows.stride;
                fold.step(&load_part::<T>(&cells[at..at + width]));
                row += 1;
            }
        }
        fold.flush();
    }
}
