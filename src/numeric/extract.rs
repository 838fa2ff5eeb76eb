//! Kernels of the exact mode: what the elements of every lane add up to, as integers that weigh what the digits of
//! the lane's window weigh, and whether that is the exact sum.
//!
//! The tool is extraction. With `s = 1.5 * 2^k` and `|x| < 2^(k-1)`, `t = s + x` stays within a binade, so the bits of `t`
//! minus those of `s` count the quanta `2^(k-52)` of x, rounded; the remainder `x - (t - s)` is exact and goes to the
//! next level, whose `s` is `2^52` smaller. The counts add up as integers, whatever their order.
//!
//! | kernel | elements | squares | exact if |
//! |---|---|---|---|
//! | [`Plain`] | added as f64s | extracted once, the remainders added as f64s | the exponents in a lane lie close together |
//! | [`Levels`] | extracted at each level | extracted at each level, if they are f64s | nothing is left after the last level |
//! | [`Chunks`] | cut into chunks of 26 bits | products of chunks, each exact | nothing is left after the last chunk |
//!
//! All require the elements to be below two to the scale of the window, which `ends` tells.

use super::element::Float;
use super::window::{COUNTS, SUM_COUNTS};

/// Most rows of one fold: with them no count leaves an i64 and no sum of counts does.
pub(super) const ROWS_MAX: usize = 1024;
/// `end` of a lane that holds zeros only.
pub(super) const END_ZERO: i32 = i32::MIN;
/// `end` of a lane that holds an infinity or, unless `bad` tells, a NaN.
pub(super) const END_SPECIAL: i32 = i32::MAX;

/// What a fold found in every lane.
pub(super) struct Outcome<const L: usize> {
    /// All magnitudes are below two to this.
    pub ends: [i32; L],
    /// Not zero where the counts are not the exact sum.
    pub bad: [u64; L],
    /// What to add to the second and later digits of the window: three of the sum, four of the squares.
    pub counts: [[i64; L]; COUNTS],
}

/// A fold over rows of elements.
pub(super) trait Kernel<T, const L: usize> {
    /// For windows of these scales.
    fn new(scales: &[i32; L]) -> Self;
    /// Takes one row.
    fn step(&mut self, row: &[T; L]);
    /// What `rows` rows came to.
    fn outcome(&self, rows: u64) -> Outcome<L>;
}

/// `1.5 * 2^exponent`, or a NaN, which spoils what it touches, if that is not a normal number.
#[inline(always)]
fn sigma(exponent: i32) -> f64 {
    let bits = ((exponent as i64 + 1023) as u64) << 52 | 1 << 51;
    f64::from_bits(if exponent < -1022 || exponent > 1022 { f64::NAN.to_bits() } else { bits })
}

#[inline(always)]
fn sigmas<const L: usize>(scales: &[i32; L], exponent: impl Fn(i32) -> i32) -> [f64; L] {
    let mut made = [0.0; L];
    for lane in 0..L {
        made[lane] = sigma(exponent(scales[lane]));
    }
    made
}

/// The counts that `sum`, the bits of `rows` numbers around `sigma`, comes to.
#[inline(always)]
fn count(sum: u64, rows: u64, sigma: f64) -> i64 {
    sum.wrapping_sub(rows.wrapping_mul(sigma.to_bits())) as i64
}

/// Where magnitudes end, from the bits of the largest.
#[inline(always)]
fn end_of(largest: f64) -> i32 {
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
fn two_levels(value: f64, sigmas: [f64; 2]) -> ([i64; 2], f64) {
    let high = sigmas[0] + value;
    let rest = value - (high - sigmas[0]);
    let low = sigmas[1] + rest;
    ([count(high.to_bits(), 1, sigmas[0]), count(low.to_bits(), 1, sigmas[1])], rest - (low - sigmas[1]))
}

/// Elements narrower than f64, added plainly.
///
/// If the lowest bit of every element is at least `2^l` and `rows * max|x| <= 2^(l+53)`, no addition rounds. The
/// remainders of the squares are multiples of `2^(2l)` and at most half a quantum, which bounds them alike.
pub(super) struct Plain<const L: usize, const SQUARES: bool> {
    scales: [i32; L],
    sigmas: [f64; L],
    largest: [u32; L],
    smallest: [u32; L],
    sums: [f64; L],
    squares: [u64; L],
    rests: [f64; L],
}

/// Exponent of the first digit of a narrow sum relative to the scale: tiles may add up to more than an element.
pub(super) const NARROW_HEADROOM: i32 = 14;

impl<T: Float, const L: usize, const SQUARES: bool> Kernel<T, L> for Plain<L, SQUARES> {
    #[inline(always)]
    fn new(scales: &[i32; L]) -> Self {
        Self {
            scales: *scales,
            sigmas: sigmas(scales, |scale| 2 * scale + 4),
            largest: [0; L],
            smallest: [u32::MAX; L],
            sums: [0.0; L],
            squares: [0; L],
            rests: [0.0; L],
        }
    }

    #[inline(always)]
    fn step(&mut self, row: &[T; L]) {
        for lane in 0..L {
            let magnitude = row[lane].magnitude_bits();
            self.largest[lane] = self.largest[lane].max(magnitude);
            // Zeros become the largest.
            self.smallest[lane] = self.smallest[lane].min(magnitude.wrapping_sub(1));
        }
        for lane in 0..L {
            let value = row[lane].widen();
            self.sums[lane] += value;
            if SQUARES {
                let high = value.mul_add(value, self.sigmas[lane]);
                self.squares[lane] = self.squares[lane].wrapping_add(high.to_bits());
                self.rests[lane] += value.mul_add(value, self.sigmas[lane] - high);
            }
        }
    }

    #[inline(always)]
    fn outcome(&self, rows: u64) -> Outcome<L> {
        let mut made = Outcome { ends: [0; L], bad: [0; L], counts: [[0; L]; COUNTS] };
        let rows_log2 = (u64::BITS - (rows - 1).leading_zeros()) as i32;
        for lane in 0..L {
            let field = (self.largest[lane] >> T::MAGNITUDE_SHIFT) as i32;
            let lowest = ((self.smallest[lane].wrapping_add(1)) >> T::MAGNITUDE_SHIFT).max(1) as i32;
            let end = field.max(1) + T::EXPONENT_MIN + T::MAGNITUDE_SHIFT as i32;
            let special = field == T::FIELD_SPECIAL as i32;
            made.ends[lane] = if self.largest[lane] == 0 { END_ZERO } else if special { END_SPECIAL } else { end };
            let low = lowest + T::EXPONENT_MIN - 1;
            let mut wide = end + rows_log2 > low + 53;
            if SQUARES {
                wide |= 2 * self.scales[lane] + 4 - 106 + rows_log2 > 2 * low;
            }
            made.bad[lane] = u64::from(wide && self.largest[lane] != 0);
        }
        let first = sigmas(&self.scales, |scale| scale + NARROW_HEADROOM);
        let second = sigmas(&self.scales, |scale| scale + NARROW_HEADROOM - 52);
        let third = sigmas(&self.scales, |scale| 2 * scale + 4 - 52);
        for lane in 0..L {
            let (counts, rest) = two_levels(self.sums[lane], [first[lane], second[lane]]);
            made.bad[lane] |= rest.to_bits() << 1;
            [made.counts[0][lane], made.counts[1][lane]] = counts;
            if SQUARES {
                let (counts, rest) = two_levels(self.rests[lane], [self.sigmas[lane], third[lane]]);
                made.bad[lane] |= rest.to_bits() << 1;
                made.counts[SUM_COUNTS][lane] = counts[0].wrapping_add(count(self.squares[lane], rows, self.sigmas[lane]));
                made.counts[SUM_COUNTS + 1][lane] = counts[1];
            }
        }
        made
    }
}

/// Elements, and squares that are f64s, by extraction at `X` and `Q` levels. `HEADROOM` is that of the windows.
pub(super) struct Levels<const L: usize, const X: usize, const Q: usize, const HEADROOM: i32> {
    sigmas: [[f64; L]; COUNTS],
    sums: [[u64; L]; COUNTS],
    largest: [f64; L],
    bad: [u64; L],
}

impl<T: Float, const L: usize, const X: usize, const Q: usize, const HEADROOM: i32> Kernel<T, L> for Levels<L, X, Q, HEADROOM> {
    #[inline(always)]
    fn new(scales: &[i32; L]) -> Self {
        let mut made = Self { sigmas: [[0.0; L]; COUNTS], sums: [[0; L]; COUNTS], largest: [0.0; L], bad: [0; L] };
        for level in 0..X {
            made.sigmas[level] = sigmas(scales, |scale| scale + HEADROOM - 52 * level as i32);
        }
        for level in 0..Q {
            made.sigmas[SUM_COUNTS + level] = sigmas(scales, |scale| 2 * scale + 4 - 52 * level as i32);
        }
        made
    }

    #[inline(always)]
    fn step(&mut self, row: &[T; L]) {
        for lane in 0..L {
            let value = row[lane].widen();
            let magnitude = value.abs();
            self.largest[lane] = if magnitude > self.largest[lane] { magnitude } else { self.largest[lane] };
            let mut rest = value;
            for level in 0..X {
                let high = self.sigmas[level][lane] + rest;
                self.sums[level][lane] = self.sums[level][lane].wrapping_add(high.to_bits());
                rest -= high - self.sigmas[level][lane];
            }
            self.bad[lane] |= rest.to_bits();
            if Q > 0 {
                let mut rest = value * value;
                for level in SUM_COUNTS..SUM_COUNTS + Q {
                    let high = self.sigmas[level][lane] + rest;
                    self.sums[level][lane] = self.sums[level][lane].wrapping_add(high.to_bits());
                    rest -= high - self.sigmas[level][lane];
                }
                self.bad[lane] |= rest.to_bits();
            }
        }
    }

    #[inline(always)]
    fn outcome(&self, rows: u64) -> Outcome<L> {
        let mut made = Outcome { ends: [0; L], bad: [0; L], counts: [[0; L]; COUNTS] };
        for lane in 0..L {
            made.ends[lane] = end_of(self.largest[lane]);
            made.bad[lane] = self.bad[lane] << 1;
        }
        for level in (0..X).chain(SUM_COUNTS..SUM_COUNTS + Q) {
            for lane in 0..L {
                made.counts[level][lane] = count(self.sums[level][lane], rows, self.sigmas[level][lane]);
            }
        }
        made
    }
}

/// Sum and sum of squares of f64s: elements below `2^e` are cut into `C` chunks, multiples of `2^(e-24)`, `2^(e-50)` and so
/// on of at most 25 bits and a sign, so that every product of two is a whole number of quanta of its own level.
pub(super) struct Chunks<const L: usize, const C: usize> {
    /// Small elements are multiplied by `2^LIFT`, so that no product underflows.
    lifts: [f64; L],
    /// Of the chunks.
    cuts: [[f64; L]; 4],
    chunks: [[u64; L]; 4],
    /// Of the products: those of chunks `i` and `j` weigh by `i + j`; the last is that of the second and the fourth chunk.
    levels: [[f64; L]; 7],
    products: [[u64; L]; 8],
    largest: [f64; L],
    bad: [u64; L],
}

/// Scales below this are lifted.
const LIFT_BELOW: i32 = -400;
const LIFT: i32 = 700;

impl<T: Float, const L: usize, const C: usize> Kernel<T, L> for Chunks<L, C> {
    #[inline(always)]
    fn new(scales: &[i32; L]) -> Self {
        let mut lifted = *scales;
        let mut lifts = [1.0; L];
        for lane in 0..L {
            let low = scales[lane] < LIFT_BELOW;
            lifted[lane] += if low { LIFT } else { 0 };
            lifts[lane] = if low { f64::from_bits(((LIFT + 1023) as u64) << 52) } else { 1.0 };
        }
        let mut made = Self {
            lifts,
            cuts: [[0.0; L]; 4],
            chunks: [[0; L]; 4],
            levels: [[0.0; L]; 7],
            products: [[0; L]; 8],
            largest: [0.0; L],
            bad: [0; L],
        };
        for chunk in 0..C {
            made.cuts[chunk] = sigmas(&lifted, |scale| scale + 28 - 26 * chunk as i32);
        }
        for level in 0..2 * C - 1 {
            made.levels[level] = sigmas(&lifted, |scale| 2 * scale + 4 - 26 * level as i32);
        }
        made
    }

    #[inline(always)]
    fn step(&mut self, row: &[T; L]) {
        for lane in 0..L {
            let value = row[lane].widen();
            let magnitude = value.abs();
            self.largest[lane] = if magnitude > self.largest[lane] { magnitude } else { self.largest[lane] };
            let mut rest = value * self.lifts[lane];
            let mut cut = [0.0; 4];
            for chunk in 0..C {
                let high = self.cuts[chunk][lane] + rest;
                self.chunks[chunk][lane] = self.chunks[chunk][lane].wrapping_add(high.to_bits());
                cut[chunk] = high - self.cuts[chunk][lane];
                rest -= cut[chunk];
            }
            self.bad[lane] |= rest.to_bits();
            let [a, b, c, d] = cut;
            let level = |level: usize| self.levels[level][lane];
            let products = [
                a.mul_add(a, level(0)),
                a.mul_add(b, level(1)),
                (c + c).mul_add(a, b.mul_add(b, level(2))),
                if C > 3 { a.mul_add(d, b.mul_add(c, level(3))) } else { b.mul_add(c, level(3)) },
                c.mul_add(c, level(4)),
                if C > 3 { b.mul_add(d, level(4)) } else { 0.0 },
                if C > 3 { c.mul_add(d, level(5)) } else { 0.0 },
                if C > 3 { d.mul_add(d, level(6)) } else { 0.0 },
            ];
            for at in 0..if C > 3 { 8 } else { 5 } {
                self.products[at][lane] = self.products[at][lane].wrapping_add(products[at].to_bits());
            }
        }
    }

    #[inline(always)]
    fn outcome(&self, rows: u64) -> Outcome<L> {
        let mut made = Outcome { ends: [0; L], bad: [0; L], counts: [[0; L]; COUNTS] };
        for lane in 0..L {
            made.ends[lane] = end_of(self.largest[lane]);
            made.bad[lane] = self.bad[lane] << 1;
            let chunk = |at: usize| count(self.chunks[at][lane], rows, self.cuts[at][lane]);
            made.counts[0][lane] = (chunk(0) << 26).wrapping_add(chunk(1));
            made.counts[1][lane] = (chunk(2) << 26).wrapping_add(if C > 3 { chunk(3) } else { 0 });
            let product = |at: usize, level: usize| count(self.products[at][lane], rows, self.levels[level][lane]);
            // Odd levels lie half a digit below an even one, and count twice.
            let high = |odd: i64| odd >> 25;
            let low = |odd: i64| (odd & ((1 << 25) - 1)) << 27;
            let (ab, bc) = (product(1, 1), product(3, 3));
            let (bd, cd, dd) = if C > 3 { (product(5, 4), product(6, 5), product(7, 6)) } else { (0, 0, 0) };
            made.counts[SUM_COUNTS][lane] = product(0, 0).wrapping_add(high(ab));
            made.counts[SUM_COUNTS + 1][lane] = product(2, 2).wrapping_add(low(ab)).wrapping_add(high(bc));
            made.counts[SUM_COUNTS + 2][lane] = product(4, 4).wrapping_add(bd << 1).wrapping_add(low(bc)).wrapping_add(high(cd));
            made.counts[SUM_COUNTS + 3][lane] = dd.wrapping_add(low(cd));
        }
        made
    }
}
