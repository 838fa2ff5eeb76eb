//! Exact sums of floats.
//!
//! A piece is a run of elements of one output (`runs`), or a strip of neighbouring columns (`strips`). The first kernel is fast
//! and exact for elements whose exponents lie close together; it says whether it was. If it was not, the window is moved to
//! the scale of the elements, then a kernel with more levels is tried, then every element is added by itself, many of them by
//! way of tables (`scatter`). All of them add the same number, so which one it was is invisible in the result.
//!
//! The kernels are `plain_run`, `plain`, `levels` and `chunks`, over the blocks of `kernel`; numbers are kept by `state` in
//! `window`s and, far from those, in `digits`; `quick` finishes what lies in a window, `rapid` most of
//! it with a few floats.

mod chunks;
mod digits;
mod kernel;
mod levels;
mod plain;
mod plain_run;
mod quick;
mod rapid;
mod runs;
mod scatter;
mod state;
mod strips;
mod window;

pub(super) use digits::negate_if_negative;
pub(super) use plain_run::Bounds;
pub(super) use quick::statistic;
#[cfg(test)]
pub(super) use rapid::statistic as rapid_statistic;
pub use state::ReserveSpent;
pub(super) use state::{FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, FLAGS_ALL, Form, Superaccumulator};

use super::axes::{Absorb, Columns, InstructionSet, Piece, Rows, TileAxis, Walk};
use super::element::Float;
use super::lanes::Cell;
use super::run::{Ahead, ROW, Run};
use crate::nd::DType;
use chunks::{Chunks3, Chunks4};
use half::{bf16, f16};
use levels::Levels;
use plain::{NARROW_HEADROOM, Plain};
use plain_run::{PIECE_ROWS, PLAIN_PIECE, PlainLanes, PlainPiece, Written};
use std::marker::PhantomData;
use window::Extent;

/// Elements of a run per piece, past the plain kernel, whose pieces are longer.
const PIECE: usize = 2048;
/// Runs with fewer elements are added one by one.
const RUN_MIN: usize = 2;
/// Runs, and strips, that begin with the kernel that the one before needed.
const MOOD_RUNS: u8 = 31;
const MOOD_STRIPS: u8 = u8::MAX;
/// Kernels before elements are added one by one.
const TIERS: u8 = 2;
/// Lanes of the kernels for narrow elements and for f64: a line of memory.
const NARROW: usize = 16;
const WIDE: usize = 8;
/// Columns of a panel, which are folded by one kernel where there are as many.
const PANEL: usize = 64;
/// Panels that are folded at a time. What their kernels keep has to fit the first cache.
const PANELS: usize = 2;
/// Rows of a panel that are folded at once: few, so that memory is read in its own order.
const PANEL_BLOCK: usize = 4;
/// As [`PANEL`]: what the kernel keeps for each has to fit the first cache.
const PANEL_CHUNKS: usize = 32;
/// Rows from which on few columns are gathered, to be runs.
const GATHER_MIN: usize = 24;
/// Digits of any element type's sums, and of the squares.
const DIGITS_MAX: usize = 72;
const SQUARE_DIGITS_MAX: usize = 140;
/// Bytes per output of f64s, of a sum and of moments, where not every output has digits of its own.
const SUM_BYTES: u64 = 64;
const MOMENTS_BYTES: u64 = 96;
/// [`Extent::headroom`] for f64.
const WIDE_HEADROOM: i32 = 2;

/// The windows of an element type.
const fn extent(narrow: bool, moments: bool) -> Extent {
    match (narrow, moments) {
        (true, _) => Extent { digits: [3, if moments { 4 } else { 0 }], headroom: NARROW_HEADROOM, scales: [-160, 140] },
        (false, false) => Extent { digits: [4, 0], headroom: WIDE_HEADROOM, scales: [-972, 1020] },
        (false, true) => Extent { digits: [3, 5], headroom: WIDE_HEADROOM, scales: [-1040, 500] },
    }
}

/// The states of a dtype.
pub(super) fn form(dtype: DType, moments: bool) -> Form {
    fn of<T: Float>(moments: bool) -> Form {
        let narrow = T::SQUARE_IS_F64;
        let bytes = if moments { MOMENTS_BYTES } else { SUM_BYTES };
        Form::new(T::EXPONENT_MIN, T::EXPONENT_END, moments, extent(narrow, moments), (!narrow).then_some(bytes))
    }
    match dtype {
        DType::F16 => of::<f16>(moments),
        DType::BF16 => of::<bf16>(moments),
        DType::F32 => of::<f32>(moments),
        _ => of::<f64>(moments),
    }
}

/// A state as the kernels of one element type see it.
struct Target<'a, T, const MOMENTS: bool> {
    state: &'a mut Superaccumulator,
    element: PhantomData<T>,
}

/// The same, and the instruction set that the kernels are compiled for. What is large and needed at several places is a piece
/// of its own, which the set compiles once.
struct Tile<'t, 'a, I, T, const MOMENTS: bool> {
    target: &'t mut Target<'a, T, MOMENTS>,
    set: PhantomData<I>,
}

/// Adds a tile.
pub(super) fn absorb<I: InstructionSet>(state: &mut Superaccumulator, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    fn of<I: InstructionSet, T: Float>(state: &mut Superaccumulator, cells: &[T::Bytes], axes: &[TileAxis], base: usize) {
        if state.form.widths[1] > 0 {
            let target = &mut Target::<T, true> { state, element: PhantomData };
            I::enter(Walk { state: &mut Tile::<I, T, true> { target, set: PhantomData }, cells, axes, base });
        } else {
            let target = &mut Target::<T, false> { state, element: PhantomData };
            I::enter(Walk { state: &mut Tile::<I, T, false> { target, set: PhantomData }, cells, axes, base });
        }
    }
    match dtype {
        DType::F16 => of::<I, f16>(state, tile.as_chunks().0, axes, base),
        DType::BF16 => of::<I, bf16>(state, tile.as_chunks().0, axes, base),
        DType::F32 => of::<I, f32>(state, tile.as_chunks().0, axes, base),
        _ => of::<I, f64>(state, tile.as_chunks().0, axes, base),
    }
}

/// Adds a run of narrow elements to a sum: piece by piece plainly where that is exact, else written down.
pub(in crate::numeric) fn absorb_run<I: InstructionSet, R: Run>(state: &mut Superaccumulator, run: R, output: usize) {
    let mut target = Target::<R::Element, false> { state, element: PhantomData };
    target.state.counts[output] += run.len() as u64;
    for first in (0..run.len().div_ceil(ROW)).step_by(PIECE_ROWS) {
        let elements = PLAIN_PIECE.min(run.len() - first * ROW);
        let tier = target.first_tier();
        if tier == 0 {
            let mut lanes = PlainLanes::EMPTY;
            I::enter(PlainPiece { run, first, elements, lanes: &mut lanes });
            if target.settle_plain(&lanes, elements, output) {
                continue;
            }
        }
        let mut cells = [R::Element::PAD.bytes(); PLAIN_PIECE];
        I::enter(Written { run, first, cells: &mut cells[..elements] });
        I::enter(WrittenRun::<I, _> { target: &mut target, cells: &cells[..elements], output, tier, set: PhantomData });
    }
}

/// A piece of a run.
struct RunPiece<'t, 'a, 'c, I, T: Float, const MOMENTS: bool> {
    target: &'t mut Target<'a, T, MOMENTS>,
    cells: &'c [T::Bytes],
    output: usize,
    ahead: Ahead<'c, I>,
}

impl<I: InstructionSet, T: Float, const MOMENTS: bool> Piece for RunPiece<'_, '_, '_, I, T, MOMENTS> {
    #[inline(always)]
    fn go(self) {
        self.target.run_piece(self.cells, self.output, self.ahead);
    }
}

/// A run that was written down, past the first kernel.
struct WrittenRun<'t, 'a, 'c, I, T: Float> {
    target: &'t mut Target<'a, T, false>,
    cells: &'c [T::Bytes],
    output: usize,
    tier: u8,
    set: PhantomData<I>,
}

impl<I: InstructionSet, T: Float> Piece for WrittenRun<'_, '_, '_, I, T> {
    #[inline(always)]
    fn go(self) {
        self.target.wide_pieces::<I>(self.cells, self.output, self.tier);
    }
}

impl<I: InstructionSet, T: Float, const MOMENTS: bool> Absorb<T::Bytes> for Tile<'_, '_, I, T, MOMENTS> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        self.target.state.counts[output] += cells.len() as u64;
        if cells.len() < RUN_MIN {
            return self.target.add_each(cells, cells.len(), 1, output);
        }
        for (at, piece) in cells.chunks(Target::<T, MOMENTS>::RUN_PIECE).enumerate() {
            let ahead = Ahead::<I>::of::<T>(&cells[at * Target::<T, MOMENTS>::RUN_PIECE..]);
            I::enter(RunPiece { target: &mut *self.target, cells: piece, output, ahead });
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let counts = &mut self.target.state.counts;
        if columns.step == 1 {
            for count in &mut counts[columns.first..columns.first + columns.count] {
                *count += rows.count as u64;
            }
        } else {
            for column in 0..columns.count {
                counts[columns.output(column)] += rows.count as u64;
            }
        }
        match (T::SQUARE_IS_F64, MOMENTS) {
            (true, false) => {
                self.strips::<PANEL, NARROW, Plain<PANEL, 0>, Plain<NARROW, 0>, Levels<NARROW, 2, 0, NARROW_HEADROOM>>(
                    cells, rows, columns,
                );
            }
            (true, true) => {
                self.strips::<PANEL, NARROW, Plain<PANEL, 1>, Plain<NARROW, 1>, Levels<NARROW, 2, 3, NARROW_HEADROOM>>(cells, rows, columns)
            }
            (false, false) => {
                self.strips::<PANEL, WIDE, Levels<PANEL, 2, 0, WIDE_HEADROOM>, Levels<WIDE, 2, 0, WIDE_HEADROOM>, Levels<WIDE, 3, 0, WIDE_HEADROOM>>(cells, rows, columns);
            }
            (false, true) => self.strips::<PANEL_CHUNKS, WIDE, Chunks3<PANEL_CHUNKS>, Chunks3<WIDE>, Chunks4<WIDE>>(cells, rows, columns),
        }
    }
}
