//! Columns of neighbouring outputs: panels of many, strips of few, and columns one by one.

use super::kernel::{BLOCK, END_ZERO, Found, Kernel, ROWS_MAX, TileBlock};
use super::runs::{gather, padded};
use super::scatter::SCATTER_MAX;
use super::state::FLAG_NOT_NEGATIVE_ZERO;
use super::window::{SQUARE_COUNTS, SUM_COUNTS, UNSET};
use super::{GATHER_MIN, MOOD_STRIPS, PANEL_BLOCK, PANELS, RunPiece, TIERS, Target, Tile};
use crate::numeric::axes::{AHEAD_BYTES, Columns, InstructionSet, Piece, Rows};
use crate::numeric::element::Float;
use crate::numeric::run::Ahead;
use std::marker::PhantomData;

/// A strip of a tile: rows of at most as many columns as a kernel has lanes.
#[derive(Clone, Copy)]
struct Strip<'c, B> {
    cells: &'c [B],
    rows: Rows,
    columns: Columns,
}

/// The `L` cells from `at` on, which are there.
#[inline(always)]
fn row_at<B, const L: usize>(cells: &[B], at: usize) -> &[B; L] {
    cells[at..].first_chunk::<L>().expect("a strip lies within its tile")
}

/// Folds rows of `L` columns.
#[inline(always)]
fn fold_rows<T: Float, const L: usize, const R: usize, K: Kernel<T, L>>(kernel: &mut K, cells: &[T::Bytes], rows: Rows) {
    let Rows { count, stride } = rows;
    let mut row = 0;
    while row + R <= count {
        kernel.step(&TileBlock::<T, L, R>(std::array::from_fn(|at| row_at(cells, (row + at) * stride))));
        row += R;
    }
    while row < count {
        kernel.step(&TileBlock::<T, L, 1>([row_at(cells, row * stride)]));
        row += 1;
    }
}

/// Folds panels that lie side by side, a few rows of all of them at a time, so that memory is read nearly in its own order. The
/// loops alone: beside what makes and settles the kernels, the compiler does not always make vectors of them.
struct PanelRows<'k, 'c, I, T: Float, K, const P: usize> {
    kernels: &'k mut [K; PANELS],
    panels: usize,
    cells: &'c [T::Bytes],
    rows: Rows,
    set: PhantomData<I>,
}

impl<I: InstructionSet, T: Float, K: Kernel<T, P>, const P: usize> Piece for PanelRows<'_, '_, I, T, K, P> {
    #[inline(always)]
    fn go(self) {
        let Rows { count, stride } = self.rows;
        // A copy that nobody else knows: of the caller's the compiler cannot tell that the cells lie elsewhere.
        let mut local = *self.kernels;
        let kernels = &mut local[..self.panels];
        let width = self.panels * P;
        let ahead = (AHEAD_BYTES / (width * size_of::<T::Bytes>())).next_multiple_of(PANEL_BLOCK);
        let ask = |first: usize, end: usize| {
            for row in first..end.min(count) {
                I::prefetch(T::flat(&self.cells[row * stride..][..width]));
            }
        };
        ask(0, ahead);
        for row in (0..count).step_by(PANEL_BLOCK) {
            ask(row + ahead, row + ahead + PANEL_BLOCK);
            let part = Rows { count: PANEL_BLOCK.min(count - row), stride };
            for (panel, kernel) in kernels.iter_mut().enumerate() {
                fold_rows::<T, P, PANEL_BLOCK, K>(kernel, &self.cells[row * stride + panel * P..], part);
            }
        }
        *self.kernels = local;
    }
}

/// Folds a strip of at most `L` columns.
#[inline(always)]
fn fold_strip<T: Float, const L: usize, K: Kernel<T, L>>(kernel: &mut K, strip: Strip<'_, T::Bytes>) {
    if strip.columns.count == L {
        fold_rows::<T, L, BLOCK, K>(kernel, strip.cells, strip.rows);
    } else {
        for row in 0..strip.rows.count {
            kernel.step(&padded::<T, L>(&strip.cells[row * strip.rows.stride..][..strip.columns.count]));
        }
    }
}

impl<T: Float, const MOMENTS: bool> Target<'_, T, MOMENTS> {
    /// The scales of a strip's windows.
    #[inline(always)]
    fn scales<const L: usize>(&self, columns: Columns) -> [i32; L] {
        let windows = &self.state.windows;
        let mut scales = [i32::from(windows.hint); L];
        if columns.step == 1 {
            for (scale, of) in scales.iter_mut().zip(&windows.scales[columns.first..columns.first + columns.count]) {
                *scale = i32::from(if *of == UNSET { windows.hint } else { *of });
            }
        } else {
            for lane in 0..columns.count {
                scales[lane] = windows.scale(columns.output(lane));
            }
        }
        scales
    }

    /// A strip by itself.
    #[inline(always)]
    fn piece_of_strip<const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(&mut self, strip: Strip<'_, T::Bytes>) {
        let first = self.first_tier();
        let (mut tier, mut moved) = (first, false);
        let mut open = u32::MAX >> (32 - strip.columns.count);
        while tier < TIERS {
            let moved_now =
                if tier == 0 { self.try_strip::<L, A>(strip, &mut open, !moved) } else { self.try_strip::<L, B>(strip, &mut open, !moved) };
            if open == 0 {
                break;
            }
            moved = true;
            if moved_now {
                continue;
            }
            tier += 1;
            // One lane is enough for a panel to come again, many have to be worth adding one by one.
            if tier == 1 || open.count_ones() as usize > strip.columns.count / 2 && tier != first {
                self.state.windows.mood.failed(tier, MOOD_STRIPS);
            }
        }
        if tier == TIERS {
            self.add_open(strip, open);
        }
    }

    /// Adds the open lanes of a strip that are exact with one kernel, and may move the windows of the others; whether it
    /// moved any.
    #[inline(always)]
    fn try_strip<const L: usize, K: Kernel<T, L>>(&mut self, strip: Strip<'_, T::Bytes>, open: &mut u32, movable: bool) -> bool {
        let scales = self.scales::<L>(strip.columns);
        let mut kernel = K::new(&scales);
        fold_strip::<T, L, K>(&mut kernel, strip);
        if *open == u32::MAX >> (32 - L) && self.settle_lanes(strip, &scales, &kernel) {
            *open = 0;
            return false;
        }
        let rows = strip.rows.count as u64;
        let mut found = [Found::NOTHING; L];
        for lane in 0..L {
            found[lane] = kernel.found(rows, lane);
        }
        self.settle_open(strip, &scales, &found, open, movable)
    }

    /// The part of [`Target::try_strip`] that goes lane by lane.
    fn settle_open(&mut self, strip: Strip<'_, T::Bytes>, scales: &[i32], found: &[Found], open: &mut u32, movable: bool) -> bool {
        let mut any = false;
        for lane in 0..strip.columns.count {
            if *open >> lane & 1 == 0 {
                continue;
            }
            let (output, scale, found) = (strip.columns.output(lane), scales[lane], &found[lane]);
            if self.settle_one(output, scale, found) {
                *open &= !(1 << lane);
                if found.end == END_ZERO {
                    self.flag_zeros(&strip.cells[lane..], strip.rows.count, strip.rows.stride, output);
                }
            } else if movable {
                any |= self.refit(output, found.end, scale, found.bad != 0);
            }
        }
        any
    }

    /// Adds every lane of a strip of neighbouring outputs to its window, if all are exact there; whether they were.
    #[inline(always)]
    fn settle_lanes<const L: usize, K: Kernel<T, L>>(&mut self, strip: Strip<'_, T::Bytes>, scales: &[i32; L], kernel: &K) -> bool {
        let (first, rows) = (strip.columns.first, strip.rows.count as u64);
        let (mut fail, mut ends) = (0, [0; L]);
        for lane in 0..L {
            let found = kernel.found(rows, lane);
            ends[lane] = found.end;
            fail |= found.bad | u64::from(found.end > scales[lane]);
        }
        if strip.columns.step != 1 || fail != 0 {
            return false;
        }
        self.add_lanes(first, rows, kernel);
        let of = &mut self.state.windows.scales[first..first + L];
        if of.iter().fold(0, |unset, scale| unset | u16::from(*scale == UNSET)) != 0 {
            for lane in 0..L {
                of[lane] = scales[lane] as i16;
            }
        }
        let flags = &mut self.state.flags[first..first + L];
        if flags.iter().fold(0, |unset, flags| unset | !flags & FLAG_NOT_NEGATIVE_ZERO) != 0 {
            self.flag_lanes(strip, &ends);
        }
        true
    }

    /// Adds the counts of neighbouring outputs to their windows.
    #[inline(always)]
    fn add_lanes<const L: usize, K: Kernel<T, L>>(&mut self, first: usize, rows: u64, kernel: &K) {
        let [mut x0, mut x1, mut x2] = [[0; L]; SUM_COUNTS];
        let [mut q0, mut q1, mut q2, mut q3] = [[0; L]; SQUARE_COUNTS];
        for lane in 0..L {
            let found = kernel.found(rows, lane);
            [x0[lane], x1[lane], x2[lane]] = found.sums;
            [q0[lane], q1[lane], q2[lane], q3[lane]] = found.squares;
        }
        let [sums, squares] = K::COUNTED;
        self.state.windows.add_lanes(first, false, &[&x0, &x1, &x2][..sums]);
        self.state.windows.add_lanes(first, true, &[&q0, &q1, &q2, &q3][..squares]);
    }

    /// Flags the lanes that are not all negative zeros.
    fn flag_lanes(&mut self, strip: Strip<'_, T::Bytes>, ends: &[i32]) {
        for (lane, end) in ends.iter().enumerate() {
            if *end == END_ZERO {
                self.flag_zeros(&strip.cells[lane..], strip.rows.count, strip.rows.stride, strip.columns.output(lane));
            } else {
                self.state.flags[strip.columns.output(lane)] |= FLAG_NOT_NEGATIVE_ZERO;
            }
        }
    }

    /// Adds the elements of the open lanes one by one.
    fn add_open(&mut self, strip: Strip<'_, T::Bytes>, open: u32) {
        for lane in (0..strip.columns.count).filter(|lane| open >> lane & 1 == 1) {
            self.add_each(&strip.cells[lane..], strip.rows.count, strip.rows.stride, strip.columns.output(lane));
        }
    }
}

/// A strip by itself, with the kernels `A` and `B`.
struct StripPiece<'t, 'a, 'c, T: Float, const MOMENTS: bool, const L: usize, A, B> {
    target: &'t mut Target<'a, T, MOMENTS>,
    strip: Strip<'c, T::Bytes>,
    kernels: PhantomData<(A, B)>,
}

impl<T: Float, const MOMENTS: bool, const L: usize, A: Kernel<T, L>, B: Kernel<T, L>> Piece
    for StripPiece<'_, '_, '_, T, MOMENTS, L, A, B>
{
    #[inline(always)]
    fn go(self) {
        self.target.piece_of_strip::<L, A, B>(self.strip);
    }
}

impl<I: InstructionSet, T: Float, const MOMENTS: bool> Tile<'_, '_, I, T, MOMENTS> {
    #[inline(always)]
    fn piece_of_strip<const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(&mut self, strip: Strip<'_, T::Bytes>) {
        I::enter(StripPiece::<T, MOMENTS, L, A, B> { target: &mut *self.target, strip, kernels: PhantomData });
    }

    /// Panels side by side, with the first kernel; bits tell which of them were not exact.
    #[inline(always)]
    fn pieces_of_panels<const P: usize, W: Kernel<T, P>>(&mut self, group: Strip<'_, T::Bytes>) -> u32 {
        let panels = group.columns.count / P;
        if self.target.state.windows.mood.pieces > 0 {
            return u32::MAX;
        }
        let part = |panel: usize| Strip { cells: &group.cells[panel * P..], columns: group.columns.part(panel * P, P), ..group };
        // No closures: they would be compiled by themselves, for no instruction set.
        let mut scales = [[0; P]; PANELS];
        for panel in 0..panels {
            scales[panel] = self.target.scales::<P>(part(panel).columns);
        }
        let [first, second] = &scales;
        let mut kernels = [W::new(first), W::new(second)];
        I::enter(PanelRows::<I, T, W, P> { kernels: &mut kernels, panels, cells: group.cells, rows: group.rows, set: PhantomData });
        let mut open = 0;
        for panel in 0..panels {
            open |= u32::from(!self.target.settle_lanes(part(panel), &scales[panel], &kernels[panel])) << panel;
        }
        if open == 0 {
            self.target.state.windows.mood.succeeded();
        }
        open
    }

    /// Few columns: each is a run once its elements are gathered.
    #[inline(always)]
    fn columns_as_runs(&mut self, strip: Strip<'_, T::Bytes>) {
        let mut gathered = [T::PAD.bytes(); SCATTER_MAX];
        for column in 0..strip.columns.count {
            let run = gather::<T>(&mut gathered, &strip.cells[column..], strip.rows.count, strip.rows.stride);
            I::enter(RunPiece { target: &mut *self.target, cells: run, output: strip.columns.output(column), ahead: Ahead::<I>::NONE });
        }
    }

    /// Rows of columns, by panels of `P` where there are as many, else by strips of `L`.
    #[inline(always)]
    pub(super) fn strips<const P: usize, const L: usize, W: Kernel<T, P>, A: Kernel<T, L>, B: Kernel<T, L>>(
        &mut self,
        cells: &[T::Bytes],
        rows: Rows,
        columns: Columns,
    ) {
        let mut row = 0;
        while row < rows.count {
            let piece = Rows { count: ROWS_MAX.min(rows.count - row), ..rows };
            let mut first = 0;
            while first < columns.count {
                let left = columns.count - first;
                let cells = &cells[row * rows.stride + first..];
                let strip = |from: usize, count| Strip { cells: &cells[from..], rows: piece, columns: columns.part(first + from, count) };
                if left >= P {
                    let width = (left / P).min(PANELS) * P;
                    let open = self.pieces_of_panels::<P, W>(strip(0, width));
                    for from in (0..width).step_by(L).filter(|from| open >> (from / P) & 1 == 1) {
                        self.piece_of_strip::<L, A, B>(strip(from, L));
                    }
                    first += width;
                } else if left < L && piece.count >= GATHER_MIN {
                    self.columns_as_runs(strip(0, left));
                    first += left;
                } else {
                    self.piece_of_strip::<L, A, B>(strip(0, left.min(L)));
                    first += L;
                }
            }
            row += ROWS_MAX;
        }
    }
}
