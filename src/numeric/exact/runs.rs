//! Runs of elements into one output: which kernel a piece goes through, and what becomes of it.

use super::chunks::{Chunks3, Chunks4};
use super::digits::{negate_if_negative, settle_digits};
use super::kernel::{BLOCK, END_SPECIAL, END_ZERO, Found, Kernel, PaddedRow, TileBlock};
use super::levels::Levels;
use super::plain::{NARROW_HEADROOM, Plain, sum_counts};
use super::plain_run::{PLAIN_PIECE, PlainLanes, PlainPiece};
use super::scatter::{SCATTER_MAX, SCATTER_MIN, scatter};
use super::state::{FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO};
use super::window::SQUARE_COUNTS;
use super::{DIGITS_MAX, MOOD_RUNS, NARROW, PIECE, SQUARE_DIGITS_MAX, TIERS, Target, WIDE, WIDE_HEADROOM};
use crate::numeric::axes::{InstructionSet, Piece};
use crate::numeric::element::Float;
use crate::numeric::round::decompose;
use crate::numeric::run::{Ahead, CellsAhead};

/// A row of fewer elements than lanes.
#[inline(always)]
pub(super) fn padded<T: Float, const L: usize>(cells: &[T::Bytes]) -> PaddedRow<T, L> {
    let mut row = [T::PAD; L];
    for (element, cell) in row.iter_mut().zip(cells) {
        *element = T::read(*cell);
    }
    PaddedRow(row)
}

/// Folds a run into what it adds to one window of scale `scale`.
#[inline(always)]
fn fold_run<I: InstructionSet, T: Float, const L: usize, K: Kernel<T, L>>(cells: &[T::Bytes], scale: i32, ahead: Ahead<'_, I>) -> Found {
    let mut kernel = K::new(&[scale; L]);
    let (rows, tail) = cells.as_chunks::<L>();
    let (blocks, rest) = rows.as_chunks::<BLOCK>();
    let block_bytes = BLOCK * L * size_of::<T::Bytes>();
    for (at, block) in blocks.iter().enumerate() {
        ahead.ask(at * block_bytes, block_bytes);
        kernel.step(&TileBlock::<T, L, BLOCK>(block.each_ref()));
    }
    for row in rest {
        kernel.step(&TileBlock::<T, L, 1>([row]));
    }
    if !tail.is_empty() {
        kernel.step(&padded::<T, L>(tail));
    }
    let count = (rows.len() + usize::from(!tail.is_empty())) as u64;
    let mut total = Found::NOTHING;
    for lane in 0..L {
        let found = kernel.found(count, lane);
        total.end = total.end.max(found.end);
        total.bad |= found.bad;
        // Counts that are not exact may be anything.
        for at in 0..K::COUNTED[0] {
            total.sums[at] = total.sums[at].wrapping_add(found.sums[at]);
        }
        for at in 0..K::COUNTED[1] {
            total.squares[at] = total.squares[at].wrapping_add(found.squares[at]);
        }
    }
    total
}

/// Writes elements `stride` apart side by side, as many as there are and have room.
#[inline(always)]
pub(super) fn gather<'g, T: Float>(
    gathered: &'g mut [T::Bytes; SCATTER_MAX],
    cells: &[T::Bytes],
    count: usize,
    stride: usize,
) -> &'g [T::Bytes] {
    let count = count.min(SCATTER_MAX);
    for (at, cell) in gathered[..count].iter_mut().enumerate() {
        *cell = cells[at * stride];
    }
    &gathered[..count]
}

impl<T: Float, const MOMENTS: bool> Target<'_, T, MOMENTS> {
    /// Adds elements `stride` apart one by one, or by way of tables where they are many.
    pub(super) fn add_each(&mut self, cells: &[T::Bytes], count: usize, stride: usize, output: usize) {
        if count < SCATTER_MIN {
            for at in 0..count {
                self.add_one(T::read(cells[at * stride]), output);
            }
        } else if stride == 1 {
            cells[..count].chunks(SCATTER_MAX).for_each(|run| self.scatter(run, output));
        } else {
            let mut gathered = [T::PAD.bytes(); SCATTER_MAX];
            for first in (0..count).step_by(SCATTER_MAX) {
                let run = gather::<T>(&mut gathered, &cells[first * stride..], count - first, stride);
                self.scatter(run, output);
            }
        }
    }

    /// Adds one element.
    fn add_one(&mut self, element: T, output: usize) {
        let value = element.widen();
        let flags = if value.is_finite() {
            let (mantissa, exponent) = decompose(value);
            self.state.add(output, false, u128::from(mantissa), value < 0.0, exponent);
            if MOMENTS {
                self.state.add(output, true, u128::from(mantissa) * u128::from(mantissa), false, 2 * exponent);
            }
            if value.to_bits() == 1 << 63 { 0 } else { FLAG_NOT_NEGATIVE_ZERO }
        } else if value.is_nan() {
            FLAG_NOT_NEGATIVE_ZERO | FLAG_NAN
        } else {
            FLAG_NOT_NEGATIVE_ZERO | if value > 0.0 { FLAG_INFINITY } else { FLAG_NEGATIVE_INFINITY }
        };
        self.state.flags[output] |= flags;
    }

    /// Adds a run of at most [`SCATTER_MAX`] elements by way of tables.
    fn scatter(&mut self, run: &[T::Bytes], output: usize) {
        // Digits that products have below those of the elements.
        let below = ((T::EXPONENT_MIN - self.state.form.low) / 32) as usize;
        let flags = if self.state.is_compact(output) {
            let (mut sum, mut squares) = ([0; DIGITS_MAX], [0; SQUARE_DIGITS_MAX]);
            let flags = scatter::<T, MOMENTS>(run, &mut sum, &mut squares);
            for (squares, digits) in [(false, &mut sum[..]), (true, &mut squares[..])] {
                settle_digits(digits);
                let negative = negate_if_negative(digits);
                self.state.add_digits(output, squares, negative, digits, below);
            }
            flags
        } else if let Some((sum, squares)) = self.state.digits_of(output, 16) {
            scatter::<T, MOMENTS>(run, &mut sum[below..], squares)
        } else {
            0
        };
        self.state.flags[output] |= flags;
    }

    /// The flag of zeros `stride` apart: whether one of them is positive.
    pub(super) fn flag_zeros(&mut self, cells: &[T::Bytes], count: usize, stride: usize, output: usize) {
        if self.state.flags[output] & FLAG_NOT_NEGATIVE_ZERO == 0 {
            let positive = (0..count).any(|at| T::read(cells[at * stride]).widen().to_bits() == 0);
            self.state.flags[output] |= if positive { FLAG_NOT_NEGATIVE_ZERO } else { 0 };
        }
    }

    /// The kernel to begin a piece with.
    #[inline(always)]
    pub(super) fn first_tier(&mut self) -> u8 {
        let mood = &mut self.state.windows.mood;
        if mood.pieces == 0 {
            return 0;
        }
        mood.pieces -= 1;
        mood.tier
    }

    /// Moves the window of `output` to where elements that end at `end` belong, if it is not there. Whether it moved.
    pub(super) fn refit(&mut self, output: usize, end: i32, scale: i32, bad: bool) -> bool {
        let [lowest, highest] = self.state.windows.extent.scales;
        if end == END_ZERO || end == END_SPECIAL || end > highest {
            return false;
        }
        let fitting = (end + 1).clamp(lowest, highest);
        if end > scale {
            self.state.move_window(output, fitting);
        } else if !(bad && fitting < scale && self.state.windows.rescale(output, fitting)) {
            return false;
        }
        self.state.windows.hint = fitting as i16;
        true
    }

    /// One output's share of a piece into its window, if it is exact there; whether it was.
    #[inline(always)]
    pub(super) fn settle_one(&mut self, output: usize, scale: i32, found: &Found) -> bool {
        if found.bad != 0 || found.end > scale {
            return false;
        }
        if found.end != END_ZERO {
            self.state.flags[output] |= FLAG_NOT_NEGATIVE_ZERO;
            self.state.windows.scales[output] = scale as i16;
            self.state.windows.add(output, found.sums, found.squares);
        }
        true
    }

    /// Adds a piece of a sum that its certificate allows to add plainly; whether it did.
    pub(super) fn settle_plain(&mut self, lanes: &PlainLanes, elements: usize, output: usize) -> bool {
        let bounds = lanes.bounds::<T>();
        if let Some(sum) = lanes.one(bounds, elements) {
            let negative_zero = bounds.end == END_ZERO && sum.is_sign_negative();
            self.state.flags[output] |= if negative_zero { 0 } else { FLAG_NOT_NEGATIVE_ZERO };
            self.add_value(sum, bounds.end, output);
        } else {
            let Some(exactly) = lanes.exactly(bounds, elements) else { return false };
            self.state.flags[output] |= FLAG_NOT_NEGATIVE_ZERO;
            exactly.sums().iter().for_each(|sum| self.add_value(*sum, bounds.end, output));
        }
        self.state.windows.mood.succeeded();
        true
    }

    /// Adds the exact sum of a piece of narrow elements below `2^end`.
    #[inline]
    fn add_value(&mut self, value: f64, end: i32, output: usize) {
        if value == 0.0 {
            return;
        }
        let mut scale = self.state.windows.scale(output);
        for _ in 0..2 {
            let counts = if end > scale { None } else { sum_counts(value, scale) };
            if let Some([second, third]) = counts {
                self.state.windows.scales[output] = scale as i16;
                return self.state.windows.add(output, [second, third, 0], [0; SQUARE_COUNTS]);
            }
            if !self.refit(output, end, scale, true) {
                break;
            }
            scale = self.state.windows.scale(output);
        }
        let (mantissa, exponent) = decompose(value);
        self.state.add(output, false, u128::from(mantissa), value < 0.0, exponent);
    }

    /// Elements of a piece of a run.
    pub(super) const RUN_PIECE: usize = if T::SQUARE_IS_F64 && !MOMENTS { PLAIN_PIECE } else { PIECE };

    /// A piece of a run.
    #[inline(always)]
    pub(super) fn run_piece<I: InstructionSet>(&mut self, piece: &[T::Bytes], output: usize, ahead: Ahead<'_, I>) {
        match (T::SQUARE_IS_F64, MOMENTS) {
            (true, false) => self.narrow_piece(piece, output, ahead),
            (true, true) => {
                self.piece_of_run::<I, NARROW, Plain<NARROW, 1>, Levels<NARROW, 2, 3, NARROW_HEADROOM>>(piece, output, ahead);
            }
            (false, false) => {
                self.piece_of_run::<I, WIDE, Levels<WIDE, 2, 0, WIDE_HEADROOM>, Levels<WIDE, 3, 0, WIDE_HEADROOM>>(piece, output, ahead);
            }
            (false, true) => self.piece_of_run::<I, WIDE, Chunks3<WIDE>, Chunks4<WIDE>>(piece, output, ahead),
        }
    }

    #[inline(always)]
    fn narrow_piece<I: InstructionSet>(&mut self, cells: &[T::Bytes], output: usize, ahead: Ahead<'_, I>) {
        let tier = self.first_tier();
        if tier == 0 {
            let mut lanes = PlainLanes::EMPTY;
            let run = CellsAhead::<I, T>::piece(cells, ahead);
            PlainPiece { run, first: 0, elements: cells.len(), lanes: &mut lanes }.go();
            if self.settle_plain(&lanes, cells.len(), output) {
                return;
            }
        }
        self.wide_pieces::<I>(cells, output, tier);
    }

    /// A piece of the plain kernel that is not exact there, as shorter ones.
    #[inline(always)]
    pub(super) fn wide_pieces<I: InstructionSet>(&mut self, cells: &[T::Bytes], output: usize, tier: u8) {
        // A loop: a closure would be compiled by itself, for no instruction set.
        for cells in cells.chunks(PIECE) {
            self.wide_piece::<I>(cells, output, tier);
        }
    }

    /// A piece of a sum of narrow elements whose exponents lie far apart.
    #[inline(always)]
    fn wide_piece<I: InstructionSet>(&mut self, cells: &[T::Bytes], output: usize, tier: u8) {
        if tier == 0 {
            self.state.windows.mood.failed(1, MOOD_RUNS);
        }
        self.piece_from::<I, NARROW, Levels<NARROW, 2, 0, NARROW_HEADROOM>, Levels<NARROW, 2, 0, NARROW_HEADROOM>>(
            cells,
            output,
            tier.max(1),
            Ahead::NONE,
        );
    }

    #[inline(always)]
    pub(super) fn piece_of_run<I: InstructionSet, const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(
        &mut self,
        cells: &[T::Bytes],
        output: usize,
        ahead: Ahead<'_, I>,
    ) {
        let first = self.first_tier();
        self.piece_from::<I, L, A, B>(cells, output, first, ahead);
    }

    /// A piece of a run, beginning with the kernel `first`.
    #[inline(always)]
    fn piece_from<I: InstructionSet, const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(
        &mut self,
        cells: &[T::Bytes],
        output: usize,
        first: u8,
        ahead: Ahead<'_, I>,
    ) {
        let (mut tier, mut moved) = (first, false);
        while tier < TIERS {
            let scale = self.state.windows.scale(output);
            let found = if tier == 0 { fold_run::<I, T, L, A>(cells, scale, ahead) } else { fold_run::<I, T, L, B>(cells, scale, ahead) };
            if self.settle_one(output, scale, &found) {
                if found.end == END_ZERO {
                    self.flag_zeros(cells, cells.len(), 1, output);
                }
                break;
            }
            if !moved && self.refit(output, found.end, scale, found.bad != 0) {
                moved = true;
                continue;
            }
            tier += 1;
        }
        if tier == TIERS {
            self.add_each(cells, cells.len(), 1, output);
        }
        if tier != first {
            self.state.windows.mood.failed(tier, MOOD_RUNS);
        } else if first == 0 {
            self.state.windows.mood.succeeded();
        }
    }
}
