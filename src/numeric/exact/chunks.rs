//! Sums and sums of squares of f64s by way of chunks whose products are exact.

use super::kernel::{Block, Found, Kernel, count, end_of, larger, set_sigmas};
use crate::numeric::element::Float;

/// Sum and sum of squares of f64s: elements below `2^e` are cut into `C` chunks, multiples of `2^(e-24)`, `2^(e-50)` and so
/// on of at most 25 bits and a sign, so that every product of two is a whole number of quanta of its own level. `V` is the
/// number of those levels, `P` that of the sums of products.
#[derive(Clone, Copy)]
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

/// Rows that are cut at once. More would need more registers than there are; with fewer a short loop over the lanes would be
/// unrolled, and what is kept would be loaded and stored for every one.
const PART: usize = 4;

impl<const L: usize, const C: usize, const V: usize, const P: usize> Chunks<L, C, V, P> {
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
            for row in first..B::ROWS.min(first + PART) {
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
            first += PART;
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
