//! Columns of elements narrower than f64, added plainly.

use super::kernel::{Block, END_SPECIAL, END_ZERO, Found, Kernel, count, set_sigmas, sigma, two_levels};
use super::window::SQUARE_COUNTS;
use crate::numeric::element::Float;

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
#[derive(Clone, Copy)]
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
            let mut sum = self.sums[lane];
            let (mut squares, mut rest, sigma) =
                if Q > 0 { (self.squares[0][lane], self.rests[0][lane], self.sigmas[0][lane]) } else { (0, 0.0, 0.0) };
            for row in 0..B::ROWS {
                let value = block.at(row, lane).widen();
                sum += value;
                if Q > 0 {
                    let high = value.mul_add(value, sigma);
                    squares = squares.wrapping_add(high.to_bits());
                    rest += value.mul_add(value, sigma - high);
                }
            }
            self.sums[lane] = sum;
            if Q > 0 {
                (self.squares[0][lane], self.rests[0][lane]) = (squares, rest);
            }
        }
        // By themselves: in one loop with what is widened their vectors would be half as long.
        for lane in 0..L {
            let (mut largest, mut smallest) = (self.largest[lane], self.smallest[lane]);
            for row in 0..B::ROWS {
                let magnitude = block.at(row, lane).magnitude_bits();
                largest = largest.max(magnitude);
                // Zeros become the largest.
                smallest = smallest.min(magnitude.wrapping_sub(1));
            }
            (self.largest[lane], self.smallest[lane]) = (largest, smallest);
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
