//! The lanes of sums that are not exact: what one step does to all of them, for runs and for strips of columns.

use super::{add_pair, two_sum_error};
use crate::numeric::{
    axes::{InstructionSet, Piece, Rows},
    element::Float,
    lanes::{LANES, LaneFold, fold_run_asking, fold_strip},
    run::Ahead,
};

/// How a lane takes the sum of a run.
pub(in crate::numeric) const NEUMAIER: u8 = 0;
pub(in crate::numeric) const KAHAN: u8 = 1;
pub(in crate::numeric) const PLAIN: u8 = 2;

/// Sum and compensation of every lane, and the plain sum of the run under way.
#[derive(Clone, Copy)]
pub(super) struct Lanes<const STEP: u8> {
    run: [f64; LANES],
    pub sum: [f64; LANES],
    pub rest: [f64; LANES],
}

impl<const STEP: u8> Lanes<STEP> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { run: [-0.0; LANES], sum: [-0.0; LANES], rest: [if STEP == KAHAN { -0.0 } else { 0.0 }; LANES] }
    }

    #[inline(always)]
    fn flush(&mut self) {
        match STEP {
            NEUMAIER => {
                for lane in 0..LANES {
                    let (before, run) = (self.sum[lane], self.run[lane]);
                    let total = before + run;
                    self.rest[lane] += two_sum_error(before, run, total);
                    self.sum[lane] = total;
                }
            }
            KAHAN => self.flush_kahan(),
            _ => {
                for lane in 0..LANES {
                    self.sum[lane] += self.run[lane];
                }
            }
        }
        self.run = [-0.0; LANES];
    }

    #[inline(always)]
    fn flush_kahan(&mut self) {
        for lane in 0..LANES {
            let (before, add) = (self.sum[lane], self.run[lane] + self.rest[lane]);
            let total = before + add;
            // A compensation of an infinity would turn it into NaN.
            self.rest[lane] = if total.abs() < f64::INFINITY { add - (total - before) } else { 0.0 };
            self.sum[lane] = total;
        }
    }

    /// Folds the lanes as a binary tree.
    #[inline(always)]
    pub(super) fn fold(mut self) -> (f64, f64) {
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                let (add, add_rest) = (self.sum[lane + width], self.rest[lane + width]);
                add_pair(STEP == PLAIN, &mut self.sum[lane], &mut self.rest[lane], add, add_rest);
            }
            width /= 2;
        }
        (self.sum[0], self.rest[0])
    }
}

#[derive(Clone, Copy)]
pub(super) struct SumFold<const STEP: u8, const MOMENTS: bool> {
    pub block_rows: usize,
    pub sums: Lanes<STEP>,
    pub squares: Lanes<STEP>,
}

impl<const STEP: u8, const MOMENTS: bool, T: Float> LaneFold<T> for SumFold<STEP, MOMENTS> {
    #[inline(always)]
    fn block_rows(&self) -> usize {
        self.block_rows
    }

    #[inline(always)]
    fn step(&mut self, row: &[T; LANES]) {
        for lane in 0..LANES {
            let value = row[lane].widen();
            self.sums.run[lane] += value;
            if MOMENTS {
                let square = value * value;
                self.squares.run[lane] += square;
                if !T::SQUARE_IS_F64 && STEP != PLAIN {
                    // What the square of an f64 lost; without it the variance of a constant would not be 0.
                    let lost = value.mul_add(value, -square);
                    // Kahan's step adds the compensation to what comes next, where that of an infinity would make a NaN.
                    self.squares.rest[lane] += if STEP == KAHAN && square == f64::INFINITY { 0.0 } else { lost };
                }
            }
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        self.sums.flush();
        if MOMENTS {
            self.squares.flush();
        }
    }
}

/// The fold of a run, or of a strip of columns. The loop alone: beside what settles the lanes the compiler does not make vectors of it.
pub(super) struct FoldPiece<'f, 'c, I, T: Float, const STEP: u8, const MOMENTS: bool> {
    pub fold: &'f mut SumFold<STEP, MOMENTS>,
    pub cells: &'c [T::Bytes],
    pub ahead: Ahead<'c, I>,
    /// Rows of a strip and how wide it is.
    pub strip: Option<(Rows, usize)>,
}

impl<I: InstructionSet, T: Float, const STEP: u8, const MOMENTS: bool> Piece for FoldPiece<'_, '_, I, T, STEP, MOMENTS> {
    #[inline(always)]
    fn go(self) {
        let mut local = *self.fold;
        // Narrower elements come in short runs only.
        let ask = if size_of::<T::Bytes>() == 8 { self.ahead } else { Ahead::NONE }.each::<{ 8 * LANES }>();
        match self.strip {
            None => fold_run_asking::<T, _>(&mut local, self.cells, ask),
            Some((rows, width)) => fold_strip::<T, _>(&mut local, self.cells, rows, width),
        }
        *self.fold = local;
    }
}
