//! The sums that are not exact: Neumaier, Kahan, pairwise and naive, all in f64 over fixed lanes.
//!
//! Every output holds pairs `(sum, compensation)` whose value is `sum + compensation`. Elements are added plainly in
//! short runs, and each run is added with the mode's step. A run of narrow elements into one output is summed by
//! `run`, 64 lanes wide; everything else in rows of [`LANES`] lanes:
//!
//! | mode | run | step | error of the result, `u = 2^-53`, `A` = sum of magnitudes |
//! |---|---|---|---|
//! | Neumaier, Kahan of f16, bf16, f32 | at most 127 additions deep | compensated | `128 u A` at worst; 0 while a run's sum fits 53 bits |
//! | Neumaier, Kahan of f64 | 1 | compensated | `u abs(S) + n^2 u^2 A`, Kahan `2 u A + n u^2 A` |
//! | Pairwise | at most 128 deep | compensated | `127 u A` at worst, `8 u A` typically |
//! | Naive | the tile | plain | `n u A` at worst |
//!
//! Lanes fold as a binary tree and tiles are added in order of the calls, by TwoSum (naive: plainly), so the bits
//! depend on the tiles and their order, never on the instruction set. A sum that left the finite range ignores its
//! compensation, so infinities stay infinities.

mod fold;

use super::axes::{Absorb, Columns, InstructionSet, Rows};
use super::element::Float;
use super::lanes::LANES;
use super::round::Exact;
use super::run::{Ahead, CellsAhead, PIECE_ROWS, PieceLanes, RUN_MIN, Run, each_piece, fold_lanes};
use super::{SumMode, memory::reserved};
use fold::{FoldPiece, Lanes, SumFold};
pub(super) use fold::{KAHAN, NEUMAIER, PLAIN};
use std::marker::PhantomData;

/// Rows that pairwise mode adds plainly.
const RUN_PAIRWISE: usize = 128;
/// Rows of elements narrower than f64 that the compensated modes add plainly, exact for 24-bit mantissas within
/// 25 binades.
const RUN_NARROW: usize = 16;
/// Columns that are summed side by side, so that memory is read in its own order.
const PANEL: usize = 128;

/// Sums with compensations, one of each per output; the squares only for moments.
#[derive(Clone, Debug)]
pub(super) struct Compensated {
    pub mode: SumMode,
    pub moments: bool,
    /// Elements that are taken at once, of a longer run.
    pub cut: usize,
    pub counts: Vec<u64>,
    /// Sum, compensation of the sum, sum of squares, compensation of those.
    pub parts: [Vec<f64>; 4],
}

impl Compensated {
    pub(super) fn new(mode: SumMode, moments: bool, outputs: usize) -> Self {
        let squares = if moments { outputs } else { 0 };
        let mut made =
            Self { mode, moments, cut: usize::MAX, counts: reserved(outputs), parts: [outputs, outputs, squares, squares].map(reserved) };
        made.reset();
        made
    }

    /// Bytes per output.
    pub(super) const fn output_bytes(moments: bool) -> u64 {
        8 + if moments { 32 } else { 16 }
    }

    pub(super) fn reset(&mut self) {
        self.counts.fill(0);
        for (at, part) in self.parts.iter_mut().enumerate() {
            // -0.0 is the identity of addition: only negative zeros sum to a negative zero.
            part.fill(if at == 0 { -0.0 } else { 0.0 });
        }
    }

    #[inline(always)]
    fn merge_one(&mut self, at: usize, count: u64, pairs: [f64; 4]) {
        self.counts[at] += count;
        let plain = self.mode == SumMode::Naive;
        let [sum, sum_rest, square, square_rest] = &mut self.parts;
        add_pair(plain, &mut sum[at], &mut sum_rest[at], pairs[0], pairs[1]);
        if self.moments {
            add_pair(plain, &mut square[at], &mut square_rest[at], pairs[2], pairs[3]);
        }
    }

    /// Adds a run of narrow elements: plain sums of its pieces, each with the mode's step.
    pub(super) fn add_run<I: InstructionSet, R: Run, const MOMENTS: bool>(&mut self, run: R, output: usize) {
        let rows_max = if self.mode == SumMode::Naive { usize::MAX } else { PIECE_ROWS };
        each_piece::<I, R, MOMENTS>(run, rows_max, |sums, squares, elements| self.merge_lanes(output, elements, sums, squares));
    }

    /// Adds a piece of a run to an output. One function for all runs.
    #[inline(never)]
    fn merge_lanes(&mut self, output: usize, elements: u64, sums: &PieceLanes, squares: &PieceLanes) {
        let square = if self.moments { fold_lanes(squares) } else { 0.0 };
        self.merge_one(output, elements, [fold_lanes(sums), 0.0, square, 0.0]);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for step in 0..count {
            let pairs = [0, 1, 2, 3].map(|part| other.parts[part].get(from + step).copied().unwrap_or(0.0));
            self.merge_one(at + step, other.counts[from + step], pairs);
        }
    }

    /// The sum (or the sum of squares) of one output: the plain float where it is not finite, else the exact pair.
    pub(super) fn value(&self, at: usize, squares: bool) -> Result<Exact, f64> {
        let first = if squares { 2 } else { 0 };
        let (sum, rest) = (self.parts[first][at], self.parts[first + 1][at]);
        if !sum.is_finite() {
            return Err(sum);
        }
        Ok(Exact::from_f64(sum).add(&Exact::from_f64(if rest.is_finite() { rest } else { 0.0 })))
    }
}

/// `(sum, rest) += (add, add_rest)`, by TwoSum.
#[inline(always)]
fn add_pair(plain: bool, sum: &mut f64, rest: &mut f64, add: f64, add_rest: f64) {
    let before = *sum;
    let total = before + add;
    if !plain {
        *rest = (*rest + add_rest) + two_sum_error(before, add, total);
    }
    *sum = total;
}

/// The rounding error of `total = left + right`.
#[inline(always)]
fn two_sum_error(left: f64, right: f64, total: f64) -> f64 {
    let part = total - left;
    (left - (total - part)) + (right - part)
}

/// A state as the kernel of one element type, step and width sees it.
pub(super) struct Target<'a, I, T, const STEP: u8, const MOMENTS: bool> {
    pub state: &'a mut Compensated,
    /// The instruction set that it is compiled for, and the element.
    pub of: PhantomData<(I, T)>,
}

impl<I, T: Float, const STEP: u8, const MOMENTS: bool> Target<'_, I, T, STEP, MOMENTS> {
    /// Whether neighbours may be added up plainly before the step.
    const SUMS_PLAINLY: bool = T::SQUARE_IS_F64 || STEP == PLAIN;

    #[inline(always)]
    fn fold(&self) -> SumFold<STEP, MOMENTS> {
        let block_rows = match self.state.mode {
            SumMode::Pairwise => RUN_PAIRWISE,
            SumMode::Naive => usize::MAX,
            _ if T::SQUARE_IS_F64 => RUN_NARROW,
            _ => 1,
        };
        SumFold { block_rows, sums: Lanes::new(), squares: Lanes::new() }
    }
}

impl<I, T: Float, const STEP: u8, const MOMENTS: bool> Target<'_, I, T, STEP, MOMENTS> {
    /// Neighbouring columns of narrow elements: plain sums of short runs of rows, added to the state with its step.
    #[inline(always)]
    fn panels(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let block_rows = match self.state.mode {
            SumMode::Pairwise => RUN_PAIRWISE,
            SumMode::Naive => usize::MAX,
            _ => RUN_NARROW,
        };
        for total in &mut self.state.counts[columns.first..columns.first + columns.count] {
            *total += rows.count as u64;
        }
        let mut first = 0;
        while first < columns.count {
            let width = PANEL.min(columns.count - first);
            let at = columns.first + first;
            let mut row = 0;
            while row < rows.count {
                let end = rows.count.min(row.saturating_add(block_rows));
                let (mut sums, mut squares) = ([-0.0; PANEL], [-0.0; PANEL]);
                for line in row..end {
                    let line = &cells[line * rows.stride + first..][..width];
                    add_line::<T, MOMENTS>(&mut sums[..width], &mut squares[..width], line);
                }
                row = end;
                let [sum, sum_rest, square, square_rest] = &mut self.state.parts;
                add_runs::<STEP>(&mut sum[at..at + width], &mut sum_rest[at..at + width], &sums[..width]);
                if MOMENTS {
                    add_runs::<STEP>(&mut square[at..at + width], &mut square_rest[at..at + width], &squares[..width]);
                }
            }
            first += width;
        }
    }
}

#[inline(always)]
fn add_line<T: Float, const MOMENTS: bool>(sums: &mut [f64], squares: &mut [f64], line: &[T::Bytes]) {
    for ((sum, square), &cell) in sums.iter_mut().zip(squares).zip(line) {
        let value = T::read(cell).widen();
        *sum += value;
        if MOMENTS {
            *square += value * value;
        }
    }
}

#[inline(always)]
fn add_runs<const STEP: u8>(sums: &mut [f64], rests: &mut [f64], runs: &[f64]) {
    for ((sum, rest), &run) in sums.iter_mut().zip(rests).zip(runs) {
        add_pair(STEP == PLAIN, sum, rest, run, 0.0);
    }
}

impl<I: InstructionSet, T: Float, const STEP: u8, const MOMENTS: bool> Target<'_, I, T, STEP, MOMENTS> {
    /// Adds a piece of a run to an output.
    #[inline(always)]
    fn piece(&mut self, cells: &[T::Bytes], ahead: Ahead<'_, I>, output: usize) {
        if Self::SUMS_PLAINLY && cells.len() >= RUN_MIN {
            return self.state.add_run::<I, _, MOMENTS>(CellsAhead::<I, T>::piece(cells, ahead), output);
        }
        let mut fold = self.fold();
        I::enter(FoldPiece::<I, T, STEP, MOMENTS> { fold: &mut fold, cells, ahead, strip: None });
        let (sum, rest) = fold.sums.fold();
        let (square, square_rest) = if MOMENTS { fold.squares.fold() } else { (0.0, 0.0) };
        self.state.merge_one(output, cells.len() as u64, [sum, rest, square, square_rest]);
    }
}

impl<I: InstructionSet, T: Float, const STEP: u8, const MOMENTS: bool> Absorb<T::Bytes> for Target<'_, I, T, STEP, MOMENTS> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        let mut first = 0;
        while first < cells.len() {
            let end = cells.len().min(first.saturating_add(self.state.cut));
            self.piece(&cells[first..end], Ahead::of::<T>(&cells[first..]), output);
            first = end;
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        if Self::SUMS_PLAINLY && STEP != KAHAN && columns.step == 1 {
            return self.panels(cells, rows, columns);
        }
        let mut first = 0;
        while first < columns.count {
            let width = LANES.min(columns.count - first);
            let mut fold = self.fold();
            I::enter(FoldPiece::<I, T, STEP, MOMENTS> {
                fold: &mut fold,
                cells: &cells[first..],
                ahead: Ahead::NONE,
                strip: Some((rows, width)),
            });
            let strip = columns.part(first, width);
            first += LANES;
            if width == LANES && strip.step == 1 {
                self.state.merge_strip::<STEP, MOMENTS>(strip.first, rows.count as u64, &fold.sums, &fold.squares);
                continue;
            }
            for lane in 0..width {
                let pairs = [fold.sums.sum[lane], fold.sums.rest[lane], fold.squares.sum[lane], fold.squares.rest[lane]];
                self.state.merge_one(strip.output(lane), rows.count as u64, pairs);
            }
        }
    }
}

impl Compensated {
    /// [`Compensated::merge_one`] for neighbouring outputs at once.
    #[inline(always)]
    fn merge_strip<const STEP: u8, const MOMENTS: bool>(&mut self, at: usize, count: u64, sums: &Lanes<STEP>, squares: &Lanes<STEP>) {
        for total in &mut self.counts[at..at + LANES] {
            *total += count;
        }
        let [sum, sum_rest, square, square_rest] = &mut self.parts;
        add_lanes(&mut sum[at..at + LANES], &mut sum_rest[at..at + LANES], sums);
        if MOMENTS {
            add_lanes(&mut square[at..at + LANES], &mut square_rest[at..at + LANES], squares);
        }
    }
}

#[inline(always)]
fn add_lanes<const STEP: u8>(sums: &mut [f64], rests: &mut [f64], lanes: &Lanes<STEP>) {
    for lane in 0..LANES {
        add_pair(STEP == PLAIN, &mut sums[lane], &mut rests[lane], lanes.sum[lane], lanes.rest[lane]);
    }
}
