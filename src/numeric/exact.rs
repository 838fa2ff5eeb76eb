//! Exact sums of tiles: which kernel a piece of a tile goes through, and what becomes of it.
//!
//! A piece is a run of elements of one output, or a strip of neighbouring columns. The first kernel is fast and exact
//! for elements whose exponents lie close together; it says whether it was. If it was not, the window is moved to the
//! scale of the elements, then a kernel with more levels is tried, then every element is added to the digits by
//! itself. All of them add the same number, so which one it was is invisible in the result.

use super::axes::{Absorb, Columns, Rows};
use super::element::Float;
use super::extract::{Chunks, END_SPECIAL, END_ZERO, Kernel, Levels, NARROW_HEADROOM, Outcome, Plain, ROWS_MAX};
use super::round::decompose;
use super::superaccumulator::{
    FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, Superaccumulator, deposit, deposit_wide,
};
use super::window::{COUNTS, Extent, Mood, UNSET};
use std::marker::PhantomData;

/// Elements of a run per piece.
const PIECE: usize = 2048;
/// Runs with fewer elements are added one by one.
const RUN_MIN: usize = 4;
/// Pieces that begin with the kernel that the piece before needed.
const MOOD_PIECES: u8 = 15;
/// Kernels before elements are added one by one.
const TIERS: u8 = 2;
/// Lanes of the kernels for narrow elements and for f64.
const NARROW: usize = 16;
const WIDE: usize = 8;
/// [`Extent::headroom`] for f64.
const WIDE_HEADROOM: i32 = 2;

/// The windows of an element type.
pub(super) const fn extent(narrow: bool, moments: bool) -> Extent {
    match (narrow, moments) {
        (true, _) => Extent { digits: [3, if moments { 4 } else { 0 }], headroom: NARROW_HEADROOM, scales: [-160, 140] },
        (false, false) => Extent { digits: [4, 0], headroom: WIDE_HEADROOM, scales: [-972, 1020] },
        (false, true) => Extent { digits: [3, 5], headroom: WIDE_HEADROOM, scales: [-1040, 500] },
    }
}

/// A state as the kernels of one element type see it.
pub(super) struct Target<'a, T, const MOMENTS: bool> {
    pub state: &'a mut Superaccumulator,
    pub element: PhantomData<T>,
}

/// A strip of a tile: rows of at most as many columns as a kernel has lanes.
#[derive(Clone, Copy)]
struct Strip<'c, B> {
    cells: &'c [B],
    rows: Rows,
    columns: Columns,
}

#[inline(always)]
fn read_row<T: Float, const L: usize>(cells: &[T::Bytes; L]) -> [T; L] {
    let mut row = [T::PAD; L];
    for lane in 0..L {
        row[lane] = T::read(cells[lane]);
    }
    row
}

#[inline(always)]
fn read_part<T: Float, const L: usize>(cells: &[T::Bytes]) -> [T; L] {
    let mut row = [T::PAD; L];
    for (lane, cell) in row.iter_mut().zip(cells) {
        *lane = T::read(*cell);
    }
    row
}

/// Folds a run into what it adds to one window of scale `scale`.
#[inline(always)]
fn fold_run<T: Float, const L: usize, K: Kernel<T, L>>(cells: &[T::Bytes], scale: i32) -> Outcome<1> {
    let mut kernel = K::new(&[scale; L]);
    let (rows, rest) = cells.as_chunks::<L>();
    for row in rows {
        kernel.step(&read_row::<T, L>(row));
    }
    let mut count = rows.len() as u64;
    if !rest.is_empty() {
        kernel.step(&read_part::<T, L>(rest));
        count += 1;
    }
    let lanes = kernel.outcome(count);
    let mut total = Outcome { ends: [END_ZERO], bad: [0], counts: [[0]; COUNTS] };
    for lane in 0..L {
        total.ends[0] = total.ends[0].max(lanes.ends[lane]);
        total.bad[0] |= lanes.bad[lane];
    }
    for at in 0..COUNTS {
        for lane in 0..L {
            // Counts that are not exact may be anything.
            total.counts[at][0] = total.counts[at][0].wrapping_add(lanes.counts[at][lane]);
        }
    }
    total
}

/// Folds a strip into what its columns add to windows of scales `scales`.
#[inline(always)]
fn fold_strip<T: Float, const L: usize, K: Kernel<T, L>>(strip: Strip<'_, T::Bytes>, scales: &[i32; L]) -> Outcome<L> {
    let mut kernel = K::new(scales);
    let Rows { count, stride } = strip.rows;
    if strip.columns.count == L {
        for row in 0..count {
            if let Some(cells) = strip.cells[row * stride..].first_chunk::<L>() {
                kernel.step(&read_row::<T, L>(cells));
            }
        }
    } else {
        for row in 0..count {
            kernel.step(&read_part::<T, L>(&strip.cells[row * stride..][..strip.columns.count]));
        }
    }
    kernel.outcome(count as u64)
}

impl<T: Float, const MOMENTS: bool> Target<'_, T, MOMENTS> {
    /// Adds elements `stride` apart one by one.
    fn add_each(&mut self, cells: &[T::Bytes], count: usize, stride: usize, output: usize) {
        let low = self.state.exponent_min;
        let (sum, squares) = self.state.digits_of(output, 2 * count as u64);
        let mut flags = 0;
        for at in 0..count {
            let value = T::read(cells[at * stride]).widen();
            flags |= if value.to_bits() == 1 << 63 { 0 } else { FLAG_NOT_NEGATIVE_ZERO };
            if value.is_finite() {
                let (mantissa, exponent) = decompose(value);
                deposit(sum, mantissa, value.is_sign_negative(), exponent - low);
                if MOMENTS {
                    deposit_wide(squares, u128::from(mantissa) * u128::from(mantissa), 2 * (exponent - low));
                }
            } else if value.is_nan() {
                flags |= FLAG_NAN;
            } else {
                flags |= if value > 0.0 { FLAG_INFINITY } else { FLAG_NEGATIVE_INFINITY };
            }
        }
        self.state.flags[output] |= flags;
    }

    /// The flag of zeros `stride` apart: whether one of them is positive.
    fn flag_zeros(&mut self, cells: &[T::Bytes], count: usize, stride: usize, output: usize) {
        if self.state.flags[output] & FLAG_NOT_NEGATIVE_ZERO == 0 {
            let positive = (0..count).any(|at| T::read(cells[at * stride]).widen().to_bits() == 0);
            self.state.flags[output] |= if positive { FLAG_NOT_NEGATIVE_ZERO } else { 0 };
        }
    }

    /// The kernel to begin a piece with.
    #[inline(always)]
    fn first_tier(&mut self) -> u8 {
        let mood = &mut self.state.windows.mood;
        if mood.pieces == 0 {
            return 0;
        }
        mood.pieces -= 1;
        mood.tier
    }

    /// Moves the window of `output` to where elements that end at `end` belong, if it is not there. Whether it moved.
    fn refit(&mut self, output: usize, end: i32, scale: i32, bad: bool) -> bool {
        let [lowest, highest] = self.state.windows.extent.scales;
        if end == END_ZERO || end == END_SPECIAL || end > highest {
            return false;
        }
        let fitting = (end + 1).clamp(lowest, highest);
        if !(end > scale || bad && fitting < scale) {
            return false;
        }
        self.state.empty_window(output);
        self.state.windows.scales[output] = fitting as i16;
        self.state.windows.hint = fitting as i16;
        true
    }

    /// One output's share of a piece into its window, if it is exact there; whether it was.
    #[inline(always)]
    fn settle_one(&mut self, output: usize, scale: i32, end: i32, bad: u64, counts: [i64; COUNTS]) -> bool {
        if bad != 0 || end > scale {
            return false;
        }
        if end != END_ZERO {
            self.state.flags[output] |= FLAG_NOT_NEGATIVE_ZERO;
            self.state.windows.scales[output] = scale as i16;
            self.state.windows.add(output, counts);
        }
        true
    }

    #[inline(always)]
    fn piece_of_run<const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(&mut self, cells: &[T::Bytes], output: usize) {
        let first = self.first_tier();
        let (mut tier, mut moved) = (first, false);
        while tier < TIERS {
            let scale = self.state.windows.scale(output);
            let found = if tier == 0 { fold_run::<T, L, A>(cells, scale) } else { fold_run::<T, L, B>(cells, scale) };
            let Outcome { ends: [end], bad: [bad], counts } = found;
            if self.settle_one(output, scale, end, bad, counts.map(|[count]| count)) {
                if end == END_ZERO {
                    self.flag_zeros(cells, cells.len(), 1, output);
                }
                break;
            }
            if !moved && self.refit(output, end, scale, bad != 0) {
                moved = true;
                continue;
            }
            tier += 1;
        }
        if tier == TIERS {
            self.add_each(cells, cells.len(), 1, output);
        }
        if tier != first {
            self.state.windows.mood = Mood { tier, pieces: MOOD_PIECES };
        }
    }

    /// The scales of a strip's windows.
    #[inline(always)]
    fn scales<const L: usize>(&self, columns: Columns) -> [i32; L] {
        let windows = &self.state.windows;
        let mut scales = [i32::from(windows.hint); L];
        if let Some(of) = windows.scales.get(columns.first..).and_then(|rest| rest.first_chunk::<L>())
            && columns.step == 1
            && columns.count == L
        {
            for lane in 0..L {
                scales[lane] = i32::from(if of[lane] == UNSET { windows.hint } else { of[lane] });
            }
        } else {
            for lane in 0..columns.count {
                scales[lane] = windows.scale(columns.output(lane));
            }
        }
        scales
    }

    #[inline(always)]
    fn piece_of_strip<const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(&mut self, strip: Strip<'_, T::Bytes>) {
        let first = self.first_tier();
        let (mut tier, mut moved) = (first, false);
        let mut open = u32::MAX >> (32 - strip.columns.count);
        while tier < TIERS {
            let scales = self.scales::<L>(strip.columns);
            let found = if tier == 0 { fold_strip::<T, L, A>(strip, &scales) } else { fold_strip::<T, L, B>(strip, &scales) };
            if strip.columns.count == L && strip.columns.step == 1 && open.count_ones() == L as u32 && all_exact(&found, &scales) {
                self.settle_lanes(strip, &scales, &found);
                break;
            }
            open = self.settle_open(strip, &scales, &found, open);
            if open == 0 {
                break;
            }
            if !moved {
                moved = true;
                if self.refit_open(strip, &scales, &found, open) {
                    continue;
                }
            }
            tier += 1;
            if open.count_ones() as usize > L / 2 && tier != first {
                self.state.windows.mood = Mood { tier, pieces: MOOD_PIECES };
            }
        }
        if tier == TIERS {
            self.add_open(strip, open);
        }
    }

    /// Adds every lane of a strip of neighbouring outputs to its window.
    #[inline(always)]
    fn settle_lanes<const L: usize>(&mut self, strip: Strip<'_, T::Bytes>, scales: &[i32; L], found: &Outcome<L>) {
        let first = strip.columns.first;
        let windows = &mut self.state.windows;
        windows.add_lanes(first, &found.counts);
        let (Some(of), Some(flags)) = (windows.scales[first..].first_chunk_mut::<L>(), self.state.flags[first..].first_chunk_mut::<L>())
        else {
            return;
        };
        let mut zeros = false;
        for lane in 0..L {
            of[lane] = scales[lane] as i16;
            flags[lane] |= if found.ends[lane] == END_ZERO { 0 } else { FLAG_NOT_NEGATIVE_ZERO };
            zeros |= flags[lane] & FLAG_NOT_NEGATIVE_ZERO == 0;
        }
        if zeros {
            for lane in 0..L {
                self.flag_zeros(&strip.cells[lane..], strip.rows.count, strip.rows.stride, first + lane);
            }
        }
    }

    /// Adds the open lanes that are exact to their windows; gives those that stay open.
    fn settle_open<const L: usize>(&mut self, strip: Strip<'_, T::Bytes>, scales: &[i32; L], found: &Outcome<L>, open: u32) -> u32 {
        let mut left = open;
        for lane in (0..L).filter(|lane| open >> lane & 1 == 1) {
            let output = strip.columns.output(lane);
            if self.settle_one(output, scales[lane], found.ends[lane], found.bad[lane], found.counts.map(|counts| counts[lane])) {
                left &= !(1 << lane);
                if found.ends[lane] == END_ZERO {
                    self.flag_zeros(&strip.cells[lane..], strip.rows.count, strip.rows.stride, output);
                }
            }
        }
        left
    }

    /// Moves the windows of the open lanes where they should be elsewhere; whether any moved.
    fn refit_open<const L: usize>(&mut self, strip: Strip<'_, T::Bytes>, scales: &[i32; L], found: &Outcome<L>, open: u32) -> bool {
        let mut any = false;
        for lane in (0..L).filter(|lane| open >> lane & 1 == 1) {
            any |= self.refit(strip.columns.output(lane), found.ends[lane], scales[lane], found.bad[lane] != 0);
        }
        any
    }

    /// Adds the elements of the open lanes one by one.
    fn add_open(&mut self, strip: Strip<'_, T::Bytes>, open: u32) {
        for lane in (0..strip.columns.count).filter(|lane| open >> lane & 1 == 1) {
            self.add_each(&strip.cells[lane..], strip.rows.count, strip.rows.stride, strip.columns.output(lane));
        }
    }

    #[inline(always)]
    fn strips<const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let mut row = 0;
        while row < rows.count {
            let piece = Rows { count: ROWS_MAX.min(rows.count - row), ..rows };
            let mut first = 0;
            while first < columns.count {
                let part = columns.part(first, L.min(columns.count - first));
                self.piece_of_strip::<L, A, B>(Strip { cells: &cells[row * rows.stride + first..], rows: piece, columns: part });
                first += L;
            }
            row += ROWS_MAX;
        }
    }
}

/// Whether every lane is exact in a window of its scale.
#[inline(always)]
fn all_exact<const L: usize>(found: &Outcome<L>, scales: &[i32; L]) -> bool {
    let mut fail = 0;
    for lane in 0..L {
        fail |= found.bad[lane] | u64::from(found.ends[lane] > scales[lane]);
    }
    fail == 0
}

impl<T: Float, const MOMENTS: bool> Absorb<T::Bytes> for Target<'_, T, MOMENTS> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        self.state.counts[output] += cells.len() as u64;
        if cells.len() < RUN_MIN {
            return self.add_each(cells, cells.len(), 1, output);
        }
        for piece in cells.chunks(PIECE) {
            match (T::SQUARE_IS_F64, MOMENTS) {
                (true, false) => {
                    self.piece_of_run::<NARROW, Plain<NARROW, false>, Levels<NARROW, 2, 0, NARROW_HEADROOM>>(piece, output);
                }
                (true, true) => {
                    self.piece_of_run::<NARROW, Plain<NARROW, true>, Levels<NARROW, 2, 3, NARROW_HEADROOM>>(piece, output);
                }
                (false, false) => {
                    self.piece_of_run::<WIDE, Levels<WIDE, 2, 0, WIDE_HEADROOM>, Levels<WIDE, 3, 0, WIDE_HEADROOM>>(piece, output);
                }
                (false, true) => self.piece_of_run::<WIDE, Chunks<WIDE, 3>, Chunks<WIDE, 4>>(piece, output),
            }
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        for column in 0..columns.count {
            self.state.counts[columns.output(column)] += rows.count as u64;
        }
        match (T::SQUARE_IS_F64, MOMENTS) {
            (true, false) => {
                self.strips::<NARROW, Plain<NARROW, false>, Levels<NARROW, 2, 0, NARROW_HEADROOM>>(cells, rows, columns);
            }
            (true, true) => self.strips::<NARROW, Plain<NARROW, true>, Levels<NARROW, 2, 3, NARROW_HEADROOM>>(cells, rows, columns),
            (false, false) => {
                self.strips::<WIDE, Levels<WIDE, 2, 0, WIDE_HEADROOM>, Levels<WIDE, 3, 0, WIDE_HEADROOM>>(cells, rows, columns);
            }
            (false, true) => self.strips::<WIDE, Chunks<WIDE, 3>, Chunks<WIDE, 4>>(cells, rows, columns),
        }
    }
}
