//! Kernels of the exact mode: the sums of a tile as a few integers per lane, proved exact, else element by element.
//!
//! Per piece of at most [`PIECE`] elements of a lane (or of a run):
//! 1. scan: the largest magnitude gives `k` with `|x| < 2^(k-1)`;
//! 2. extract: with `s = 1.5 * 2^k`, `t = s + x` stays within a binade, so the bits of `t` minus those of `s` count
//!    the quanta `2^(k-52)` of x, rounded; the remainder `r = x - (t - s)` is exact and goes to the next level, whose
//!    `s` is `2^52` smaller. The counts add up as integers;
//! 3. certify: if the last remainder of every element is zero, the counts are the exact sum. Otherwise (exponents
//!    spread over more than 27 binades for f32, 50 for f64) the elements are added to the digits one by one.
//!
//! Both ways add the same number, so which one was taken is invisible in the result.
//!
//! Squares: of elements narrower than f64 they are f64s and take two levels, which are exact whenever the elements
//! passed one. Squares of f64 are 106-bit integers and added one by one.

use super::axes::{Absorb, Columns, Rows};
use super::element::Float;
use super::lanes::{LANES, LaneFold, fold_run, fold_strip};
use super::round::decompose;
use super::superaccumulator::{
    FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, Superaccumulator, deposit, deposit_wide,
};
use std::marker::PhantomData;

/// Elements per piece: each count is below `2^51`, so `2^11` of them add up below `2^62`.
const PIECE: usize = 2048;
/// Runs and strips with fewer elements per output are added one by one.
const EXTRACT_MIN: usize = 4;

/// Largest magnitude of every lane.
struct Scan {
    largest: [u32; LANES],
}

impl<T: Float> LaneFold<T> for Scan {
    #[inline(always)]
    fn block_rows(&self) -> usize {
        usize::MAX
    }
    #[inline(always)]
    fn step(&mut self, row: &[T; LANES]) {
        for lane in 0..LANES {
            self.largest[lane] = self.largest[lane].max(row[lane].magnitude_bits());
        }
    }
    #[inline(always)]
    fn flush(&mut self) {}
}

impl Scan {
    #[inline(always)]
    fn over_all(&self) -> u32 {
        let mut largest = 0;
        for lane in 0..LANES {
            largest = largest.max(self.largest[lane]);
        }
        largest
    }
}

/// Where the levels of one piece lie; `None` if the piece has to be added element by element.
#[derive(Clone, Copy)]
struct Levels {
    /// `k` of each level of the elements and of the squares.
    scales: [i32; 4],
}

impl Levels {
    #[inline(always)]
    fn new<T: Float>(largest: u32) -> Option<Self> {
        let field = largest >> T::MAGNITUDE_SHIFT;
        // All magnitudes are below 2^end.
        let end = field.max(1) as i32 - (T::FIELD_SPECIAL / 2) as i32 + 1;
        if field == T::FIELD_SPECIAL || end + 1 > 1022 {
            return None;
        }
        let first = (end + 1).max(-1022);
        let squares = 2 * end + 1;
        Some(Self { scales: [first, (first - 52).max(-1022), squares.max(-1022), (squares - 52).max(-1022)] })
    }
}

/// Counts of quanta per lane: of two levels of the elements and two of the squares.
struct Extract<const DEEP: bool, const SQUARES: bool> {
    sigmas: [f64; 4],
    counts: [[u64; LANES]; 4],
    remainders: [u64; LANES],
    rows: u64,
}

/// `1.5 * 2^exponent`.
#[inline(always)]
fn sigma(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52 | 1 << 51)
}

impl<const DEEP: bool, const SQUARES: bool> Extract<DEEP, SQUARES> {
    #[inline(always)]
    fn new(levels: Levels) -> Self {
        let mut sigmas = [0.0; 4];
        for level in 0..4 {
            // Scales of unused levels may lie anywhere; the clamp keeps them numbers.
            sigmas[level] = sigma(levels.scales[level].min(1022));
        }
        Self { sigmas, counts: [[0; LANES]; 4], remainders: [0; LANES], rows: 0 }
    }

    #[inline(always)]
    fn level(&mut self, level: usize, lane: usize, value: f64) -> f64 {
        let sigma = self.sigmas[level];
        let high = sigma + value;
        self.counts[level][lane] = self.counts[level][lane].wrapping_add(high.to_bits());
        value - (high - sigma)
    }

    #[inline(always)]
    fn count(&self, level: usize, lane: usize) -> i64 {
        self.counts[level][lane].wrapping_sub(self.rows.wrapping_mul(self.sigmas[level].to_bits())) as i64
    }

    #[inline(always)]
    fn exact(&self, lane: usize) -> bool {
        self.remainders[lane] << 1 == 0
    }
}

impl<T: Float, const DEEP: bool, const SQUARES: bool> LaneFold<T> for Extract<DEEP, SQUARES> {
    #[inline(always)]
    fn block_rows(&self) -> usize {
        usize::MAX
    }
    #[inline(always)]
    fn step(&mut self, row: &[T; LANES]) {
        for lane in 0..LANES {
            let value = row[lane].widen();
            let mut rest = self.level(0, lane, value);
            if DEEP {
                rest = self.level(1, lane, rest);
            }
            self.remainders[lane] |= rest.to_bits();
            if SQUARES {
                let rest = self.level(2, lane, value * value);
                self.level(3, lane, rest);
            }
        }
        self.rows += 1;
    }
    #[inline(always)]
    fn flush(&mut self) {}
}

/// A state as the kernel of one element type sees it. `DEEP`: two levels for the elements; `SQUARES`: squares by
/// extraction; `WIDE`: squares one by one.
pub(super) struct Target<'a, T, const DEEP: bool, const SQUARES: bool, const WIDE: bool> {
    pub state: &'a mut Superaccumulator,
    pub element: PhantomData<T>,
}

impl<T: Float, const DEEP: bool, const SQUARES: bool, const WIDE: bool> Target<'_, T, DEEP, SQUARES, WIDE> {
    /// Adds elements `stride` apart one by one.
    #[inline(always)]
    fn add_each(&mut self, cells: &[T::Bytes], count: usize, stride: usize, output: usize) {
        let width = self.state.width();
        let digits = &mut self.state.digits[output * width..(output + 1) * width];
        let (sum, squares) = digits.split_at_mut(self.state.widths[0]);
        let low = self.state.exponent_min;
        let mut flags = 0;
        for at in 0..count {
            let value = T::read(cells[at * stride]).widen();
            flags |= if value.to_bits() == 1 << 63 { 0 } else { FLAG_NOT_NEGATIVE_ZERO };
            if value.is_finite() {
                let (mantissa, exponent) = decompose(value);
                deposit(sum, mantissa, value.is_sign_negative(), exponent - low);
                if SQUARES || WIDE {
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

    /// Adds the squares of elements `stride` apart one by one.
    #[inline(always)]
    fn add_squares(&mut self, cells: &[T::Bytes], count: usize, stride: usize, output: usize) {
        let width = self.state.width();
        let squares = &mut self.state.digits[output * width..(output + 1) * width][self.state.widths[0]..];
        let low = self.state.exponent_min;
        for at in 0..count {
            let (mantissa, exponent) = decompose(T::read(cells[at * stride]).widen());
            deposit_wide(squares, u128::from(mantissa) * u128::from(mantissa), 2 * (exponent - low));
        }
    }

    /// Adds the counts of one lane, or of all.
    #[inline(always)]
    fn add_counts(&mut self, levels: Levels, counts: [i64; 4], output: usize) {
        let width = self.state.width();
        let digits = &mut self.state.digits[output * width..(output + 1) * width];
        let (sum, squares) = digits.split_at_mut(self.state.widths[0]);
        let low = self.state.exponent_min;
        deposit(sum, counts[0].unsigned_abs(), counts[0] < 0, levels.scales[0] - 52 - low);
        if DEEP {
            deposit(sum, counts[1].unsigned_abs(), counts[1] < 0, levels.scales[1] - 52 - low);
        }
        if SQUARES {
            deposit(squares, counts[2].unsigned_abs(), counts[2] < 0, levels.scales[2] - 52 - 2 * low);
            deposit(squares, counts[3].unsigned_abs(), counts[3] < 0, levels.scales[3] - 52 - 2 * low);
        }
        self.state.flags[output] |= FLAG_NOT_NEGATIVE_ZERO;
    }

    #[inline(always)]
    fn piece_of_run(&mut self, cells: &[T::Bytes], output: usize) {
        let mut scan = Scan { largest: [0; LANES] };
        fold_run::<T, _>(&mut scan, cells);
        let largest = scan.over_all();
        let levels = if largest == 0 { None } else { Levels::new::<T>(largest) };
        let Some(levels) = levels else { return self.add_each(cells, cells.len(), 1, output) };
        let mut extract = Extract::<DEEP, SQUARES>::new(levels);
        fold_run::<T, _>(&mut extract, cells);
        let (mut counts, mut remainders) = ([0_i64; 4], 0);
        for lane in 0..LANES {
            for level in 0..4 {
                counts[level] = counts[level].wrapping_add(extract.count(level, lane));
            }
            remainders |= extract.remainders[lane];
        }
        if remainders << 1 != 0 {
            return self.add_each(cells, cells.len(), 1, output);
        }
        self.add_counts(levels, counts, output);
        if WIDE {
            self.add_squares(cells, cells.len(), 1, output);
        }
    }

    #[inline(always)]
    fn piece_of_strip(&mut self, cells: &[T::Bytes], rows: Rows, strip: Columns) {
        let mut scan = Scan { largest: [0; LANES] };
        fold_strip::<T, _>(&mut scan, cells, rows, strip.count);
        let Some(levels) = Levels::new::<T>(scan.over_all()) else {
            for lane in 0..strip.count {
                self.add_each(&cells[lane..], rows.count, rows.stride, strip.output(lane));
            }
            return;
        };
        let mut extract = Extract::<DEEP, SQUARES>::new(levels);
        fold_strip::<T, _>(&mut extract, cells, rows, strip.count);
        for lane in 0..strip.count {
            let output = strip.output(lane);
            if scan.largest[lane] == 0 || !extract.exact(lane) {
                self.add_each(&cells[lane..], rows.count, rows.stride, output);
                continue;
            }
            let counts = [extract.count(0, lane), extract.count(1, lane), extract.count(2, lane), extract.count(3, lane)];
            self.add_counts(levels, counts, output);
            if WIDE {
                self.add_squares(&cells[lane..], rows.count, rows.stride, output);
            }
        }
    }
}

impl<T: Float, const DEEP: bool, const SQUARES: bool, const WIDE: bool> Absorb<T::Bytes> for Target<'_, T, DEEP, SQUARES, WIDE> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        self.state.counts[output] += cells.len() as u64;
        if cells.len() < EXTRACT_MIN {
            return self.add_each(cells, cells.len(), 1, output);
        }
        for piece in cells.chunks(PIECE) {
            self.piece_of_run(piece, output);
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        for column in 0..columns.count {
            self.state.counts[columns.output(column)] += rows.count as u64;
        }
        if rows.count < EXTRACT_MIN {
            for column in 0..columns.count {
                self.add_each(&cells[column..], rows.count, rows.stride, columns.output(column));
            }
            return;
        }
        let mut row = 0;
        while row < rows.count {
            let piece = Rows { count: PIECE.min(rows.count - row), ..rows };
            let mut first = 0;
            while first < columns.count {
                let strip = columns.part(first, LANES.min(columns.count - first));
                self.piece_of_strip(&cells[row * rows.stride + first..], piece, strip);
                first += LANES;
            }
            row += PIECE;
        }
    }
}
