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
use super::lanes::Cell;
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
    /// What to add to the second and later digits of the window: three of the sum, four of the squares. Those that the
    /// kernel does not give are 0.
    pub counts: [[i64; L]; COUNTS],
}

impl<const L: usize> Outcome<L> {
    pub(super) const EMPTY: Self = Self { ends: [0; L], bad: [0; L], counts: [[0; L]; COUNTS] };
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
pub(super) trait Kernel<T, const L: usize>: Sized {
    /// One that has not begun.
    const EMPTY: Self;
    /// How many counts of a sum it gives, and of the squares.
    const COUNTED: [usize; 2];
    /// Begins, for windows of these scales.
    fn begin(&mut self, scales: &[i32; L]);
    /// Takes one block.
    fn step<B: Block<T>>(&mut self, block: &B);
    /// What `rows` rows came to. Sets the counts that it gives.
    fn end(&self, rows: u64, found: &mut Outcome<L>);
}

/// `1.5 * 2^exponent`, or a NaN, which spoils what it touches, if that is not a normal number.
#[inline(always)]
fn sigma(exponent: i32) -> f64 {
    let bits = ((exponent as i64 + 1023) as u64) << 52 | 1 << 51;
    f64::from_bits(if exponent < -1022 || exponent > 1022 { f64::NAN.to_bits() } else { bits })
}

#[inline(always)]
fn set_sigmas<const L: usize>(sigmas: &mut [f64; L], scales: &[i32; L], exponent: impl Fn(i32) -> i32) {
    for lane in 0..L {
        sigmas[lane] = sigma(exponent(scales[lane]));
    }
}

/// The counts that `sum`, the bits of `rows` numbers around `sigma`, comes to.
#[inline(always)]
fn count(sum: u64, rows: u64, sigma: f64) -> i64 {
    sum.wrapping_sub(rows.wrapping_mul(sigma.to_bits())) as i64
}

/// The larger magnitude, or the first of a NaN.
#[inline(always)]
fn larger(largest: f64, value: f64) -> f64 {
    let magnitude = value.abs();
    if magnitude > largest { magnitude } else { largest }
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
    const COUNTED: [usize; 2] = [2, if SQUARES { 2 } else { 0 }];

    const EMPTY: Self = Self {
        scales: [0; L],
        sigmas: [0.0; L],
        largest: [0; L],
        smallest: [0; L],
        sums: [0.0; L],
        squares: [0; L],
        rests: [0.0; L],
    };

    #[inline(always)]
    fn begin(&mut self, scales: &[i32; L]) {
        self.scales = *scales;
        (self.largest, self.smallest, self.sums) = ([0; L], [u32::MAX; L], [0.0; L]);
        if SQUARES {
            set_sigmas(&mut self.sigmas, scales, |scale| 2 * scale + 4);
            (self.squares, self.rests) = ([0; L], [0.0; L]);
        }
    }

    #[inline(always)]
    fn step<B: Block<T>>(&mut self, block: &B) {
        for lane in 0..L {
            let (mut largest, mut smallest, mut sum) = (self.largest[lane], self.smallest[lane], self.sums[lane]);
            let (mut squares, mut rest, sigma) = if SQUARES { (self.squares[lane], self.rests[lane], self.sigmas[lane]) } else { (0, 0.0, 0.0) };
            for row in 0..B::ROWS {
                let element = block.at(row, lane);
                let magnitude = element.magnitude_bits();
                largest = largest.max(magnitude);
                // Zeros become the largest.
                smallest = smallest.min(magnitude.wrapping_sub(1));
                let value = element.widen();
                sum += value;
                if SQUARES {
                    let high = value.mul_add(value, sigma);
                    squares = squares.wrapping_add(high.to_bits());
                    rest += value.mul_add(value, sigma - high);
                }
            }
            (self.largest[lane], self.smallest[lane], self.sums[lane]) = (largest, smallest, sum);
            if SQUARES {
                (self.squares[lane], self.rests[lane]) = (squares, rest);
            }
        }
    }

    #[inline(always)]
    fn end(&self, rows: u64, made: &mut Outcome<L>) {
        let rows_log2 = (u64::BITS - (rows - 1).leading_zeros()) as i32;
        for lane in 0..L {
            let scale = self.scales[lane];
            let field = (self.largest[lane] >> T::MAGNITUDE_SHIFT) as i32;
            let lowest = ((self.smallest[lane].wrapping_add(1)) >> T::MAGNITUDE_SHIFT).max(1) as i32;
            let end = field.max(1) + T::EXPONENT_MIN + T::MAGNITUDE_SHIFT as i32;
            let special = field == T::FIELD_SPECIAL as i32;
            made.ends[lane] = if self.largest[lane] == 0 { END_ZERO } else if special { END_SPECIAL } else { end };
            let low = lowest + T::EXPONENT_MIN - 1;
            let mut wide = end + rows_log2 > low + 53;
            if SQUARES {
                wide |= 2 * scale + 4 - 106 + rows_log2 > 2 * low;
            }
            let mut bad = u64::from(wide && self.largest[lane] != 0);
            let (counts, rest) = two_levels(self.sums[lane], [sigma(scale + NARROW_HEADROOM), sigma(scale + NARROW_HEADROOM - 52)]);
            bad |= rest.to_bits() << 1;
            [made.counts[0][lane], made.counts[1][lane]] = counts;
            if SQUARES {
                let (counts, rest) = two_levels(self.rests[lane], [self.sigmas[lane], sigma(2 * scale + 4 - 52)]);
                bad |= rest.to_bits() << 1;
                made.counts[SUM_COUNTS][lane] = counts[0].wrapping_add(count(self.squares[lane], rows, self.sigmas[lane]));
                made.counts[SUM_COUNTS + 1][lane] = counts[1];
            }
            made.bad[lane] = bad;
        }
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
    const COUNTED: [usize; 2] = [X, Q];

    const EMPTY: Self = Self { sigmas: [[0.0; L]; COUNTS], sums: [[0; L]; COUNTS], largest: [0.0; L], bad: [0; L] };

    #[inline(always)]
    fn begin(&mut self, scales: &[i32; L]) {
        (self.largest, self.bad) = ([0.0; L], [0; L]);
        for level in 0..X {
            set_sigmas(&mut self.sigmas[level], scales, |scale| scale + HEADROOM - 52 * level as i32);
            self.sums[level] = [0; L];
        }
        for level in 0..Q {
            set_sigmas(&mut self.sigmas[SUM_COUNTS + level], scales, |scale| 2 * scale + 4 - 52 * level as i32);
            self.sums[SUM_COUNTS + level] = [0; L];
        }
    }

    #[inline(always)]
    fn step<B: Block<T>>(&mut self, block: &B) {
        for lane in 0..L {
            let (mut largest, mut bad) = (self.largest[lane], self.bad[lane]);
            let mut sums = [0; COUNTS];
            for row in 0..B::ROWS {
                let value = block.at(row, lane).widen();
                largest = larger(largest, value);
                let mut rest = value;
                for level in 0..X {
                    let sigma = self.sigmas[level][lane];
                    let high = sigma + rest;
                    sums[level] = high.to_bits().wrapping_add(sums[level]);
                    rest -= high - sigma;
                }
                bad |= rest.to_bits();
                if Q > 0 {
                    let mut rest = value * value;
                    for level in SUM_COUNTS..SUM_COUNTS + Q {
                        let sigma = self.sigmas[level][lane];
                        let high = sigma + rest;
                        sums[level] = high.to_bits().wrapping_add(sums[level]);
                        rest -= high - sigma;
                    }
                    bad |= rest.to_bits();
                }
            }
            (self.largest[lane], self.bad[lane]) = (largest, bad);
            for level in 0..X {
                self.sums[level][lane] = self.sums[level][lane].wrapping_add(sums[level]);
            }
            for level in SUM_COUNTS..SUM_COUNTS + Q {
                self.sums[level][lane] = self.sums[level][lane].wrapping_add(sums[level]);
            }
        }
    }

    #[inline(always)]
    fn end(&self, rows: u64, made: &mut Outcome<L>) {
        for lane in 0..L {
            made.ends[lane] = end_of(self.largest[lane]);
            made.bad[lane] = self.bad[lane] << 1;
            for level in 0..X {
                made.counts[level][lane] = count(self.sums[level][lane], rows, self.sigmas[level][lane]);
            }
            for level in SUM_COUNTS..SUM_COUNTS + Q {
                made.counts[level][lane] = count(self.sums[level][lane], rows, self.sigmas[level][lane]);
            }
        }
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

/// Sums of products for three chunks and for four.
const PRODUCTS: [usize; 2] = [5, 8];
/// Rows that are cut at once.
const PART: usize = 4;
/// Scales below this are lifted.
const LIFT_BELOW: i32 = -400;
const LIFT: i32 = 700;

impl<const L: usize, const C: usize> Chunks<L, C> {
    /// Takes part of a block: more rows at once would need more registers than there are.
    #[inline(always)]
    fn part<T: Float, B: Block<T>>(&mut self, block: &B, first: usize) {
        for lane in 0..L {
            let (mut largest, mut bad) = (self.largest[lane], self.bad[lane]);
            let (mut chunks, mut products) = ([0; 4], [0; 8]);
            for row in first..B::ROWS.min(first + PART) {
                let value = block.at(row, lane).widen();
                largest = larger(largest, value);
                let mut rest = value * self.lifts[lane];
                let mut cut = [0.0; 4];
                for chunk in 0..C {
                    let sigma = self.cuts[chunk][lane];
                    let high = sigma + rest;
                    chunks[chunk] = high.to_bits().wrapping_add(chunks[chunk]);
                    cut[chunk] = high - sigma;
                    rest -= cut[chunk];
                }
                bad |= rest.to_bits();
                let [a, b, c, d] = cut;
                let level = |level: usize| self.levels[level][lane];
                let of = [
                    a.mul_add(a, level(0)),
                    a.mul_add(b, level(1)),
                    (c + c).mul_add(a, b.mul_add(b, level(2))),
                    if C > 3 { a.mul_add(d, b.mul_add(c, level(3))) } else { b.mul_add(c, level(3)) },
                    c.mul_add(c, level(4)),
                    if C > 3 { b.mul_add(d, level(4)) } else { 0.0 },
                    if C > 3 { c.mul_add(d, level(5)) } else { 0.0 },
                    if C > 3 { d.mul_add(d, level(6)) } else { 0.0 },
                ];
                for at in 0..PRODUCTS[C - 3] {
                    products[at] = of[at].to_bits().wrapping_add(products[at]);
                }
            }
            (self.largest[lane], self.bad[lane]) = (largest, bad);
            for chunk in 0..C {
                self.chunks[chunk][lane] = self.chunks[chunk][lane].wrapping_add(chunks[chunk]);
            }
            for at in 0..PRODUCTS[C - 3] {
                self.products[at][lane] = self.products[at][lane].wrapping_add(products[at]);
            }
        }
    }
}

impl<T: Float, const L: usize, const C: usize> Kernel<T, L> for Chunks<L, C> {
    const COUNTED: [usize; 2] = [2, C];

    const EMPTY: Self = Self {
        lifts: [0.0; L],
        cuts: [[0.0; L]; 4],
        chunks: [[0; L]; 4],
        levels: [[0.0; L]; 7],
        products: [[0; L]; 8],
        largest: [0.0; L],
        bad: [0; L],
    };

    #[inline(always)]
    fn begin(&mut self, scales: &[i32; L]) {
        let mut lifted = *scales;
        for lane in 0..L {
            let low = scales[lane] < LIFT_BELOW;
            lifted[lane] += if low { LIFT } else { 0 };
            self.lifts[lane] = if low { f64::from_bits(((LIFT + 1023) as u64) << 52) } else { 1.0 };
        }
        (self.largest, self.bad) = ([0.0; L], [0; L]);
        for chunk in 0..C {
            set_sigmas(&mut self.cuts[chunk], &lifted, |scale| scale + 28 - 26 * chunk as i32);
            self.chunks[chunk] = [0; L];
        }
        for level in 0..2 * C - 1 {
            set_sigmas(&mut self.levels[level], &lifted, |scale| 2 * scale + 4 - 26 * level as i32);
        }
        for product in 0..PRODUCTS[C - 3] {
            self.products[product] = [0; L];
        }
    }

    #[inline(always)]
    fn step<B: Block<T>>(&mut self, block: &B) {
        let mut first = 0;
        while first < B::ROWS {
            self.part(block, first);
            first += PART;
        }
    }

    #[inline(always)]
    fn end(&self, rows: u64, made: &mut Outcome<L>) {
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
            if C > 3 {
                made.counts[SUM_COUNTS + 3][lane] = dd.wrapping_add(low(cd));
            }
        }
    }
}
