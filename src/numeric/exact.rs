//! Exact sums of tiles: which kernel a piece of a tile goes through, and what becomes of it.
//!
//! A piece is a run of elements of one output, or a strip of neighbouring columns. The first kernel is fast and exact
//! for elements whose exponents lie close together; it says whether it was. If it was not, the window is moved to the
//! scale of the elements, then a kernel with more levels is tried, then every element is added to the digits by
//! itself. All of them add the same number, so which one it was is invisible in the result.

use super::axes::{Absorb, Columns, InstructionSet, Piece, Rows};
use super::element::Float;
use super::extract::{
    BLOCK, Chunks3, Chunks4, END_SPECIAL, END_ZERO, Found, Kernel, Levels, NARROW_HEADROOM, PaddedRow, Plain, ROWS_MAX, TileBlock,
    sum_counts,
};
use super::lanes::Cell;
use super::plain_run::{Certificate, PIECE_ROWS, PlainLanes, PlainPiece, Written};
use super::round::decompose;
use super::run::{Cells, ROW, Run};
use super::scatter::{SCATTER_MAX, SCATTER_MIN, scatter};
use super::superaccumulator::{
    FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, Superaccumulator, deposit, deposit_wide,
};
use super::window::{Extent, Mood, SQUARE_COUNTS, SUM_COUNTS, UNSET};
use std::marker::PhantomData;

/// Elements of a run per piece.
const PIECE: usize = 2048;
/// Runs with fewer elements are added one by one.
const RUN_MIN: usize = 4;
/// Runs, and strips, that begin with the kernel that the one before needed.
const MOOD_RUNS: u8 = 31;
const MOOD_STRIPS: u8 = u8::MAX;
/// Kernels before elements are added one by one.
const TIERS: u8 = 2;
/// Lanes of the kernels for narrow elements and for f64: a line of memory.
const NARROW: usize = 16;
const WIDE: usize = 8;
/// Columns that are folded side by side where there are as many: memory is read in its own order then.
const PANEL: usize = 64;
/// Rows of a panel that are folded at once: few, so that memory is read in its own order.
const PANEL_BLOCK: usize = 4;
/// Bytes that memory moves at a time.
const LINE_BYTES: usize = 64;
/// As [`PANEL`]: what the kernel keeps for each has to fit the first cache.
const PANEL_CHUNKS: usize = 32;
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

/// A row of fewer elements than lanes.
#[inline(always)]
fn padded<T: Float, const L: usize>(cells: &[T::Bytes]) -> PaddedRow<T, L> {
    let mut row = [T::PAD; L];
    for (element, cell) in row.iter_mut().zip(cells) {
        *element = T::read(*cell);
    }
    PaddedRow(row)
}

/// Folds a run into what it adds to one window of scale `scale`.
#[inline(always)]
fn fold_run<T: Float, const L: usize, K: Kernel<T, L>>(cells: &[T::Bytes], scale: i32) -> Found {
    let mut kernel = K::new(&[scale; L]);
    let (rows, tail) = cells.as_chunks::<L>();
    let (blocks, rest) = rows.as_chunks::<BLOCK>();
    for block in blocks {
        kernel.step(&TileBlock::<T, L, BLOCK>(block.each_ref()));
    }
    for row in rest {
        kernel.step(&TileBlock::<T, L, 1>([row]));
    }
    if !tail.is_empty() {
        kernel.step(&padded::<T, L>(tail));
    }
    let count = (rows.len() + usize::from(!tail.is_empty())) as u64;
    let mut total = Found { end: END_ZERO, bad: 0, sums: [0; SUM_COUNTS], squares: [0; SQUARE_COUNTS] };
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

/// The `L` cells from `at` on, which are there.
#[inline(always)]
fn row_at<B, const L: usize>(cells: &[B], at: usize) -> &[B; L] {
    cells[at..].first_chunk::<L>().expect("a strip lies within its tile")
}

/// Reads one element of every line of memory, in order: the strips come to the lines of a row one by one, in an order that
/// no processor foresees.
#[inline(always)]
fn touch<T: Float>(cells: &[T::Bytes], rows: Rows, width: usize) {
    let mut seen = 0;
    for row in 0..rows.count {
        for cell in cells[row * rows.stride..][..width].iter().step_by(LINE_BYTES / size_of::<T::Bytes>()) {
            seen ^= T::read(*cell).magnitude_bits();
        }
    }
    std::hint::black_box(seen);
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
    /// Adds elements `stride` apart one by one.
    fn add_each(&mut self, cells: &[T::Bytes], count: usize, stride: usize, output: usize) {
        if stride == 1 && count >= SCATTER_MIN {
            for run in cells[..count].chunks(SCATTER_MAX) {
                let (sum, squares) = self.state.digits_of(output, 16);
                let flags = scatter::<T, MOMENTS>(run, sum, squares);
                self.state.flags[output] |= flags;
            }
            return;
        }
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
    fn settle_one(&mut self, output: usize, scale: i32, found: &Found) -> bool {
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
    fn settle_plain(&mut self, lanes: &PlainLanes, elements: usize, output: usize) -> bool {
        let bounds = lanes.bounds::<T>();
        match lanes.certificate(bounds, elements) {
            Certificate::Sum(sum) => {
                let negative_zero = bounds.end == END_ZERO && sum.is_sign_negative();
                self.state.flags[output] |= if negative_zero { 0 } else { FLAG_NOT_NEGATIVE_ZERO };
                self.add_value(sum, bounds.end, output);
            }
            Certificate::Lanes => {
                self.state.flags[output] |= FLAG_NOT_NEGATIVE_ZERO;
                lanes.sums().for_each(|sum| self.add_value(sum, bounds.end, output));
            }
            Certificate::None => return false,
        }
        true
    }

    /// Adds the exact sum of at most [`PIECE_ROWS`] rows of narrow elements below `2^end`.
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
        let low = self.state.exponent_min;
        let (mantissa, exponent) = decompose(value);
        deposit(self.state.digits_of(output, 2).0, mantissa, value < 0.0, exponent - low);
    }

    #[inline(always)]
    fn narrow_piece(&mut self, cells: &[T::Bytes], output: usize) {
        let tier = self.first_tier();
        if tier == 0 {
            let mut lanes = PlainLanes::EMPTY;
            PlainPiece { run: Cells::<T>::new(cells), first: 0, elements: cells.len(), lanes: &mut lanes }.go();
            if self.settle_plain(&lanes, cells.len(), output) {
                return;
            }
        }
        self.wide_piece(cells, output, tier);
    }

    /// A piece of a sum of narrow elements whose exponents lie far apart.
    #[inline(always)]
    fn wide_piece(&mut self, cells: &[T::Bytes], output: usize, tier: u8) {
        if tier == 0 {
            self.state.windows.mood = Mood { tier: 1, pieces: MOOD_RUNS };
        }
        self.piece_from::<NARROW, Levels<NARROW, 2, 0, NARROW_HEADROOM>, Levels<NARROW, 2, 0, NARROW_HEADROOM>>(cells, output, tier.max(1));
    }

    #[inline(always)]
    fn piece_of_run<const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(&mut self, cells: &[T::Bytes], output: usize) {
        let first = self.first_tier();
        self.piece_from::<L, A, B>(cells, output, first);
    }

    /// A piece of a run, beginning with the kernel `first`.
    #[inline(always)]
    fn piece_from<const L: usize, A: Kernel<T, L>, B: Kernel<T, L>>(&mut self, cells: &[T::Bytes], output: usize, first: u8) {
        let (mut tier, mut moved) = (first, false);
        while tier < TIERS {
            let scale = self.state.windows.scale(output);
            let found = if tier == 0 { fold_run::<T, L, A>(cells, scale) } else { fold_run::<T, L, B>(cells, scale) };
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
            self.state.windows.mood = Mood { tier, pieces: MOOD_RUNS };
        }
    }

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
                self.state.windows.mood = Mood { tier, pieces: MOOD_STRIPS };
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
        let found: [Found; L] = std::array::from_fn(|lane| kernel.found(rows, lane));
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

    /// Many columns side by side, with the first kernel; whether all of them were exact.
    #[inline(always)]
    fn piece_of_panel<const P: usize, W: Kernel<T, P>>(&mut self, panel: Strip<'_, T::Bytes>) -> bool {
        if self.state.windows.mood.pieces > 0 {
            return false;
        }
        let scales = self.scales::<P>(panel.columns);
        let mut kernel = W::new(&scales);
        fold_rows::<T, P, PANEL_BLOCK, W>(&mut kernel, panel.cells, panel.rows);
        self.settle_lanes(panel, &scales, &kernel)
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

    #[inline(always)]
    fn strips<const P: usize, const L: usize, W: Kernel<T, P>, A: Kernel<T, L>, B: Kernel<T, L>>(
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
                    if first == 0 {
                        touch::<T>(cells, piece, columns.count);
                    }
                    if !self.piece_of_panel::<P, W>(strip(0, P)) {
                        for from in (0..P).step_by(L) {
                            self.piece_of_strip::<L, A, B>(strip(from, L));
                        }
                    }
                    first += P;
                } else {
                    self.piece_of_strip::<L, A, B>(strip(0, left.min(L)));
                    first += L;
                }
            }
            row += ROWS_MAX;
        }
    }
}

/// Adds a run of narrow elements to a sum: piece by piece plainly where that is exact, else written down.
pub(super) fn absorb_run<I: InstructionSet, R: Run>(state: &mut Superaccumulator, run: R, output: usize) {
    let mut target = Target::<R::Element, false> { state, element: PhantomData };
    target.state.counts[output] += run.len() as u64;
    for first in (0..run.len().div_ceil(ROW)).step_by(PIECE_ROWS) {
        let elements = (PIECE_ROWS * ROW).min(run.len() - first * ROW);
        let tier = target.first_tier();
        if tier == 0 {
            let mut lanes = PlainLanes::EMPTY;
            I::enter(PlainPiece { run, first, elements, lanes: &mut lanes });
            if target.settle_plain(&lanes, elements, output) {
                continue;
            }
        }
        let mut cells = [R::Element::PAD.bytes(); PIECE_ROWS * ROW];
        I::enter(Written { run, first, cells: &mut cells[..elements] });
        I::enter(WrittenRun { target: &mut target, cells: &cells[..elements], output, tier });
    }
}

/// A run that was written down, past the first kernel.
struct WrittenRun<'t, 'a, 'c, T: Float> {
    target: &'t mut Target<'a, T, false>,
    cells: &'c [T::Bytes],
    output: usize,
    tier: u8,
}

impl<T: Float> Piece for WrittenRun<'_, '_, '_, T> {
    #[inline(always)]
    fn go(self) {
        for cells in self.cells.chunks(PIECE) {
            self.target.wide_piece(cells, self.output, self.tier);
        }
    }
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
                (true, false) => self.narrow_piece(piece, output),
                (true, true) => {
                    self.piece_of_run::<NARROW, Plain<NARROW, 1>, Levels<NARROW, 2, 3, NARROW_HEADROOM>>(piece, output);
                }
                (false, false) => {
                    self.piece_of_run::<WIDE, Levels<WIDE, 2, 0, WIDE_HEADROOM>, Levels<WIDE, 3, 0, WIDE_HEADROOM>>(piece, output);
                }
                (false, true) => self.piece_of_run::<WIDE, Chunks3<WIDE>, Chunks4<WIDE>>(piece, output),
            }
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        if columns.step == 1 {
            for count in &mut self.state.counts[columns.first..columns.first + columns.count] {
                *count += rows.count as u64;
            }
        } else {
            for column in 0..columns.count {
                self.state.counts[columns.output(column)] += rows.count as u64;
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
