//! Kernels of the exact mode: what the elements of every lane add up to, as integers that weigh what the digits of
//! the lane's window weigh, and whether that is the exact sum.
//!
//! The tool is extraction. With `s = 1.5 * 2^k` and `|x| < 2^(k-1)`, `t = s + x` stays within a binade, so the bits of `t`
//! minus those of `s` count the quanta `2^(k-52)` of x, rounded; the remainder `x - (t - s)` is exact and goes to the
//! next level, whose `s` is `2^52` smaller. The counts add up as integers, whatever their order.
//!
//! | kernel | elements | squares | exact if |
//! |---|---|---|---|
//! | [`super::plain::Plain`] | added as f64s | extracted once, the remainders added as f64s | the exponents in a lane lie close together |
//! | [`super::levels::Levels`] | extracted at each level | the same, if they are f64s | nothing is left after the last level |
//! | [`super::chunks::Chunks`] | cut into chunks of 26 bits | products of chunks, each exact | nothing is left after the last chunk |
//!
//! All require the elements to be below two to the scale of the window, which `ends` tells.

use super::window::{SQUARE_COUNTS, SUM_COUNTS};
use crate::numeric::lanes::Cell;

/// Most rows of one fold: with them no count leaves an i64 and no sum of counts does. Of twice as many the smallest magnitude of a column is
/// so small so often that plain addition is not certain to be exact, and whole panels are folded again.
pub(super) const ROWS_MAX: usize = 512;
/// `end` of a lane that holds zeros only.
pub(super) const END_ZERO: i32 = i32::MIN;
/// `end` of a lane that holds an infinity or, unless `bad` tells, a NaN.
pub(super) const END_SPECIAL: i32 = i32::MAX;

/// What a fold found in one lane.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// All magnitudes are below two to this.
    pub end: i32,
    /// Not zero where the counts are not the exact sum.
    pub bad: u64,
    /// What to add to the second and later digits of the window of the sum, and of the squares. Those that the kernel
    /// does not give are 0.
    pub sums: [i64; SUM_COUNTS],
    pub squares: [i64; SQUARE_COUNTS],
}

impl Found {
    pub(super) const NOTHING: Self = Self { end: END_ZERO, bad: 0, sums: [0; SUM_COUNTS], squares: [0; SQUARE_COUNTS] };
}

/// Rows that a kernel takes at once where there are as many. The loop over the lanes is the one that becomes vectors: with
/// several rows in its body the compiler does not unroll it, and sums stay in registers for those.
pub(super) const BLOCK: usize = 8;

/// Rows of elements.
pub(super) trait Block<T> {
    /// Number of rows.
    const ROWS: usize;
    /// The element of a row and a lane.
    fn at(&self, row: usize, lane: usize) -> T;
}

/// Rows of a tile.
pub(super) struct TileBlock<'c, T: Cell, const L: usize, const R: usize>(pub [&'c [T::Bytes; L]; R]);

impl<T: Cell, const L: usize, const R: usize> Block<T> for TileBlock<'_, T, L, R> {
    const ROWS: usize = R;

    #[inline(always)]
    fn at(&self, row: usize, lane: usize) -> T {
        T::read(self.0[row][lane])
    }
}

/// A row that the tile has not all of, padded.
pub(super) struct PaddedRow<T, const L: usize>(pub [T; L]);

impl<T: Cell, const L: usize> Block<T> for PaddedRow<T, L> {
    const ROWS: usize = 1;

    #[inline(always)]
    fn at(&self, _row: usize, lane: usize) -> T {
        self.0[lane]
    }
}

/// A fold over blocks of rows.
pub(super) trait Kernel<T, const L: usize>: Copy {
    /// How many counts of a sum it gives, and of the squares.
    const COUNTED: [usize; 2];
    /// For windows of these scales.
    fn new(scales: &[i32; L]) -> Self;
    /// Takes one block.
    fn step<B: Block<T>>(&mut self, block: &B);
    /// What `rows` rows came to in a lane.
    fn found(&self, rows: u64, lane: usize) -> Found;
}

/// `1.5 * 2^exponent`, or a NaN, which spoils what it touches, if that is not a normal number.
#[inline(always)]
pub(super) fn sigma(exponent: i32) -> f64 {
    let bits = ((exponent as i64 + 1023) as u64) << 52 | 1 << 51;
    f64::from_bits(if (-1022..=1022).contains(&exponent) { bits } else { f64::NAN.to_bits() })
}

#[inline(always)]
pub(super) fn set_sigmas<const L: usize>(sigmas: &mut [f64; L], scales: &[i32; L], exponent: impl Fn(i32) -> i32) {
    for lane in 0..L {
        sigmas[lane] = sigma(exponent(scales[lane]));
    }
}

/// The counts that `sum`, the bits of `rows` numbers around `sigma`, comes to.
#[inline(always)]
pub(super) fn count(sum: u64, rows: u64, sigma: f64) -> i64 {
    sum.wrapping_sub(rows.wrapping_mul(sigma.to_bits())) as i64
}

/// The larger magnitude, or the first of a NaN.
#[inline(always)]
pub(super) fn larger(largest: f64, value: f64) -> f64 {
    let magnitude = value.abs();
    if magnitude > largest { magnitude } else { largest }
}

/// Where magnitudes end, from the bits of the largest.
#[inline(always)]
pub(super) fn end_of(largest: f64) -> i32 {
    let field = (largest.to_bits() >> 52) as i32;
    if largest == 0.0 {
        END_ZERO
    } else if field == 2047 {
        END_SPECIAL
    } else {
        field - 1022
    }
}

/// Cuts `value` into two levels below `sigmas`; the counts and what is left.
#[inline(always)]
pub(super) fn two_levels(value: f64, sigmas: [f64; 2]) -> ([i64; 2], f64) {
    let high = sigmas[0] + value;
    let rest = value - (high - sigmas[0]);
    let low = sigmas[1] + rest;
    ([count(high.to_bits(), 1, sigmas[0]), count(low.to_bits(), 1, sigmas[1])], rest - (low - sigmas[1]))
}
