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
use super::window::{SQUARE_COUNTS, SUM_COUNTS};

/// Most rows of one fold: with them no count leaves an i64 and no sum of counts does.
pub(super) const ROWS_MAX: usize = 1024;
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
pub(super) trait Kernel<T, const L: usize> {
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
fn sigma(exponent: i32) -> f64 {
    let bits = ((exponent as i64 + 1023) as u64) << 52 | 1 << 51;
    f64::from_bits(if (-1022..=1022).contains(&exponent) { bits } else { f64::NAN.to_bits() })
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

/// A number as counts of the second and third digit of a narrow sum's window of this scale; `None` where it has lower bits.
#[inline]
pub(super) fn sum_counts(value: f64, scale: i32) -> Option<[i64; 2]> {
    let (counts, rest) = two_levels(value, [sigma(scale + NARROW_HEADROOM), sigma(scale + NARROW_HEADROOM - 52)]);
    (rest == 0.0).then_some(counts)
}

/// Elements narrower than f64, added plainly. `Q` is 1 for sums of squares, 0 for none.
///
/// If the lowest bit of every element is at least `2^l` and `rows * max|x| <= 2^(l+53)`, no addition rounds. The
/// remainders of the squares are multiples of `2^(2l)` and at most half a quantum, which bounds them alike.
pub(super) struct Plain<const L: usize, const Q: usize> {
    scales: [i32; L],
    largest: [u32; L],
    smallest: [u32; L],
    sums: [f64; L],
    sigmas: [[f64; L]; Q],
    squares: [[u64; L]; Q],
    rests: [[f64; L]; Q],
}

/// Exponent of the first digit of a narrow sum relative to the scale: tiles may add up to more than an element.
pub(super) const NARROW_HEADROOM: i32 = 14;

impl<T: Float, const L: usize, const Q: usize> Kernel<T, L> for Plain<L, Q> {
    const COUNTED: [usize; 2] = [2, 2 * Q];

    #[inline(always)]
    fn new(scales: &[i32; L]) -> Self {
        let mut sigmas = [[0.0; L]; Q];
        for sigmas in &mut sigmas {
            set_sigmas(sigmas, scales, |scale| 2 * scale + 4);
        }
        Self {
            scales: *scales,
            largest: [0; L],
            smallest: [u32::MAX; L],
            sums: [0.0; L],
            sigmas,
            squares: [[0; L]; Q],
            rests: [[0.0; L]; Q],
        }
    }

    #[inline(always)]
    fn step<B: Block<T>>(&mut self, block: &B) {
        for lane in 0..L {
            let (mut largest, mut smallest, mut sum) = (self.largest[lane], self.smallest[lane], self.sums[lane]);
            let (mut squares, mut rest, sigma) =
                if Q > 0 { (self.squares[0][lane], self.rests[0][lane], self.sigmas[0][lane]) } else { (0, 0.0, 0.0) };
            for row in 0..B::ROWS {
                let element = block.at(row, lane);
                let magnitude = element.magnitude_bits();
                largest = largest.max(magnitude);
                // Zeros become the largest.
                smallest = smallest.min(magnitude.wrapping_sub(1));
                let value = element.widen();
                sum += value;
                if Q > 0 {
                    let high = value.mul_add(value, sigma);
                    squares = squares.wrapping_add(high.to_bits());
                    rest += value.mul_add(value, sigma - high);
                }
            }
            (self.largest[lane], self.smallest[lane], self.sums[lane]) = (largest, smallest, sum);
            if Q > 0 {
                (self.squares[0][lane], self.rests[0][lane]) = (squares, rest);
            }
        }
    }

    #[inline(always)]
    fn found(&self, rows: u64, lane: usize) -> Found {
        let rows_log2 = (u64::BITS - (rows - 1).leading_zeros()) as i32;
        let scale = self.scales[lane];
        let field = (self.largest[lane] >> T::MAGNITUDE_SHIFT) as i32;
        let lowest = ((self.smallest[lane].wrapping_add(1)) >> T::MAGNITUDE_SHIFT).max(1) as i32;
        let end = field.max(1) + T::EXPONENT_MIN + T::MAGNITUDE_SHIFT as i32;
        let special = field == T::FIELD_SPECIAL as i32;
        let low = lowest + T::EXPONENT_MIN - 1;
        let mut wide = end + rows_log2 > low + 53;
        if Q > 0 {
            wide |= 2 * scale + 4 - 106 + rows_log2 > 2 * low;
        }
        let mut bad = u64::from(wide && self.largest[lane] != 0);
        let (counts, rest) = two_levels(self.sums[lane], [sigma(scale + NARROW_HEADROOM), sigma(scale + NARROW_HEADROOM - 52)]);
        bad |= rest.to_bits() << 1;
        let mut squares = [0; SQUARE_COUNTS];
        if Q > 0 {
            let (counts, rest) = two_levels(self.rests[0][lane], [self.sigmas[0][lane], sigma(2 * scale + 4 - 52)]);
            bad |= rest.to_bits() << 1;
            squares[0] = counts[0].wrapping_add(count(self.squares[0][lane], rows, self.sigmas[0][lane]));
            squares[1] = counts[1];
        }
        let end = if self.largest[lane] == 0 {
            END_ZERO
        } else if special {
            END_SPECIAL
        } else {
            end
        };
        Found { end, bad, sums: [counts[0], counts[1], 0], squares }
    }
}

/// Elements, and squares that are f64s, by extraction at `X` and `Q` levels. `HEADROOM` is that of the windows.
pub(super) struct Levels<const L: usize, const X: usize, const Q: usize, const HEADROOM: i32> {
    sigmas: [[f64; L]; X],
    sums: [[u64; L]; X],
    square_sigmas: [[f64; L]; Q],
    squares: [[u64; L]; Q],
    largest: [f64; L],
    bad: [u64; L],
}

impl<T: Float, const L: usize, const X: usize, const Q: usize, const HEADROOM: i32> Kernel<T, L> for Levels<L, X, Q, HEADROOM> {
    const COUNTED: [usize; 2] = [X, Q];

    #[inline(always)]
    fn new(scales: &[i32; L]) -> Self {
        let (mut sigmas, mut square_sigmas) = ([[0.0; L]; X], [[0.0; L]; Q]);
        for level in 0..X {
            set_sigmas(&mut sigmas[level], scales, |scale| scale + HEADROOM - 52 * level as i32);
        }
        for level in 0..Q {
            set_sigmas(&mut square_sigmas[level], scales, |scale| 2 * scale + 4 - 52 * level as i32);
        }
        Self { sigmas, sums: [[0; L]; X], square_sigmas, squares: [[0; L]; Q], largest: [0.0; L], bad: [0; L] }
    }

    #[inline(always)]
    fn step<B: Block<T>>(&mut self, block: &B) {
        for lane in 0..L {
            let (mut largest, mut bad) = (self.largest[lane], self.bad[lane]);
            let (mut sums, mut squares) = ([0_u64; X], [0_u64; Q]);
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
                    for level in 0..Q {
                        let sigma = self.square_sigmas[level][lane];
                        let high = sigma + rest;
                        squares[level] = high.to_bits().wrapping_add(squares[level]);
                        rest -= high - sigma;
                    }
                    bad |= rest.to_bits();
                }
            }
            (self.largest[lane], self.bad[lane]) = (largest, bad);
            for level in 0..X {
                self.sums[level][lane] = self.sums[level][lane].wrapping_add(sums[level]);
            }
            for level in 0..Q {
                self.squares[level][lane] = self.squares[level][lane].wrapping_add(squares[level]);
            }
        }
    }

    #[inline(always)]
    fn found(&self, rows: u64, lane: usize) -> Found {
        let (mut sums, mut squares) = ([0; SUM_COUNTS], [0; SQUARE_COUNTS]);
        for level in 0..X {
            sums[level] = count(self.sums[level][lane], rows, self.sigmas[level][lane]);
        }
        for level in 0..Q {
            squares[level] = count(self.squares[level][lane], rows, self.square_sigmas[level][lane]);
        }
        Found { end: end_of(self.largest[lane]), bad: self.bad[lane] << 1, sums, squares }
    }
}

/// Sum and sum of squares of f64s: elements below `2^e` are cut into `C` chunks, multiples of `2^(e-24)`, `2^(e-50)` and so
/// on of at most 25 bits and a sign, so that every product of two is a whole number of quanta of its own level. `V` is the
/// number of those levels, `P` that of the sums of products.
pub(super) struct Chunks<const L: usize, const C: usize, const V: usize, const P: usize> {
    /// Small elements are multiplied by `2^LIFT`, so that no product underflows.
    lifts: [f64; L],
    /// Of the chunks.
    cuts: [[f64; L]; C],
    chunks: [[u64; L]; C],
    /// Of the products: those of chunks `i` and `j` weigh by `i + j`.
    levels: [[f64; L]; V],
    products: [[u64; L]; P],
    largest: [f64; L],
    bad: [u64; L],
}

/// [`Chunks`] by three and by four.
pub(super) type Chunks3<const L: usize> = Chunks<L, 3, 5, 5>;
pub(super) type Chunks4<const L: usize> = Chunks<L, 4, 7, 8>;

/// Scales below this are lifted.
const LIFT_BELOW: i32 = -400;
const LIFT: i32 = 700;

impl<const L: usize, const C: usize, const V: usize, const P: usize> Chunks<L, C, V, P> {
    /// Rows that are cut at once. More would need more registers than there are; with fewer a short loop over the lanes
    /// would be unrolled.
    const PART: usize = if L > 16 { 2 } else { 4 };

    /// The products of the chunks of one element, each on top of its level.
    #[inline(always)]
    fn products_of(&self, chunks: [f64; C], lane: usize) -> [f64; P] {
        let level = |level: usize| self.levels[level][lane];
        let (a, b, c) = (chunks[0], chunks[1], chunks[2]);
        let d = if C > 3 { chunks[3] } else { 0.0 };
        let mut products = [0.0; P];
        products[0] = a.mul_add(a, level(0));
        products[1] = a.mul_add(b, level(1));
        products[2] = (c + c).mul_add(a, b.mul_add(b, level(2)));
        products[3] = b.mul_add(c, level(3));
        products[4] = c.mul_add(c, level(4));
        if C > 3 {
            products[3] = a.mul_add(d, products[3]);
            products[5] = b.mul_add(d, level(4));
            products[6] = c.mul_add(d, level(5));
            products[7] = d.mul_add(d, level(6));
        }
        products
    }

    /// Takes the rows from `first` on of a block.
    #[inline(always)]
    fn part<T: Float, B: Block<T>>(&mut self, block: &B, first: usize) {
        for lane in 0..L {
            let (mut largest, mut bad) = (self.largest[lane], self.bad[lane]);
            let (mut sums, mut products) = ([0_u64; C], [0_u64; P]);
            for row in first..B::ROWS.min(first + Self::PART) {
                let value = block.at(row, lane).widen();
                largest = larger(largest, value);
                let mut rest = value * self.lifts[lane];
                let mut chunks = [0.0; C];
                for chunk in 0..C {
                    let high = self.cuts[chunk][lane] + rest;
                    sums[chunk] = sums[chunk].wrapping_add(high.to_bits());
                    chunks[chunk] = high - self.cuts[chunk][lane];
                    rest -= chunks[chunk];
                }
                bad |= rest.to_bits();
                let of = self.products_of(chunks, lane);
                for at in 0..P {
                    products[at] = products[at].wrapping_add(of[at].to_bits());
                }
            }
            (self.largest[lane], self.bad[lane]) = (largest, bad);
            for chunk in 0..C {
                self.chunks[chunk][lane] = self.chunks[chunk][lane].wrapping_add(sums[chunk]);
            }
            for at in 0..P {
                self.products[at][lane] = self.products[at][lane].wrapping_add(products[at]);
            }
        }
    }
}

impl<T: Float, const L: usize, const C: usize, const V: usize, const P: usize> Kernel<T, L> for Chunks<L, C, V, P> {
    const COUNTED: [usize; 2] = [2, C];

    #[inline(always)]
    fn new(scales: &[i32; L]) -> Self {
        let (mut lifted, mut lifts) = (*scales, [1.0; L]);
        for lane in 0..L {
            let low = scales[lane] < LIFT_BELOW;
            lifted[lane] += if low { LIFT } else { 0 };
            lifts[lane] = if low { f64::from_bits(((LIFT + 1023) as u64) << 52) } else { 1.0 };
        }
        let (mut cuts, mut levels) = ([[0.0; L]; C], [[0.0; L]; V]);
        for chunk in 0..C {
            set_sigmas(&mut cuts[chunk], &lifted, |scale| scale + 28 - 26 * chunk as i32);
        }
        for level in 0..V {
            set_sigmas(&mut levels[level], &lifted, |scale| 2 * scale + 4 - 26 * level as i32);
        }
        Self { lifts, cuts, chunks: [[0; L]; C], levels, products: [[0; L]; P], largest: [0.0; L], bad: [0; L] }
    }

    #[inline(always)]
    fn step<B: Block<T>>(&mut self, block: &B) {
        let mut first = 0;
        while first < B::ROWS {
            self.part(block, first);
            first += Self::PART;
        }
    }

    #[inline(always)]
    fn found(&self, rows: u64, lane: usize) -> Found {
        let chunk = |at: usize| count(self.chunks[at][lane], rows, self.cuts[at][lane]);
        let product = |at: usize, level: usize| count(self.products[at][lane], rows, self.levels[level][lane]);
        // Odd levels lie half a digit below an even one, and count twice.
        let high = |odd: i64| odd >> 25;
        let low = |odd: i64| (odd & ((1 << 25) - 1)) << 27;
        let (ab, bc) = (product(1, 1), product(3, 3));
        let (bd, cd, dd, d) = if C > 3 { (product(5, 4), product(6, 5), product(7, 6), chunk(3)) } else { (0, 0, 0, 0) };
        let sums = [(chunk(0) << 26).wrapping_add(chunk(1)), (chunk(2) << 26).wrapping_add(d), 0];
        let squares = [
            product(0, 0).wrapping_add(high(ab)),
            product(2, 2).wrapping_add(low(ab)).wrapping_add(high(bc)),
            product(4, 4).wrapping_add(bd << 1).wrapping_add(low(bc)).wrapping_add(high(cd)),
            dd.wrapping_add(low(cd)),
        ];
        Found { end: end_of(self.largest[lane]), bad: self.bad[lane] << 1, sums, squares }
    }
}
