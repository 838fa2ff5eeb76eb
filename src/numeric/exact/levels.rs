//! Elements, and squares that are f64s, by extraction.

use super::kernel::{Block, Found, Kernel, count, end_of, larger, set_sigmas};
use super::window::{SQUARE_COUNTS, SUM_COUNTS};
use crate::numeric::element::Float;

/// Elements, and squares that are f64s, by extraction at `X` and `Q` levels. `HEADROOM` is that of the windows.
#[derive(Clone, Copy)]
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
