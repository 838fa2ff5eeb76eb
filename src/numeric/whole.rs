//! Exact sums of integers and bools: i128 per output, sums of squares in 192 bits. Inside a tile the lanes are
//! 64-bit: wide elements go in as two halves, so nothing overflows before `2^31` rows.

use super::axes::{Absorb, Columns, Rows};
use super::element::{Whole, WholeWidth};
use super::lanes::{LANES, LaneFold, fold_run, fold_strip};
use super::memory::add_each;
use super::memory::reserved;
use crate::error::{Error, Result};
use std::marker::PhantomData;

/// Sums, and for moments sums of squares (limbs, lowest first).
#[derive(Clone, Debug)]
pub(super) struct WholeSums {
    pub moments: bool,
    pub counts: Vec<u64>,
    pub sums: Vec<i128>,
    pub squares: Vec<[u64; 3]>,
}

impl WholeSums {
    pub(super) fn new(moments: bool, outputs: usize) -> Self {
        let squares = if moments { outputs } else { 0 };
        Self { moments, counts: reserved(outputs), sums: reserved(outputs), squares: reserved(squares) }
    }

    /// Bytes per output.
    pub(super) const fn output_bytes(moments: bool) -> u64 {
        8 + 16 + if moments { 24 } else { 0 }
    }

    pub(super) fn reset(&mut self) {
        self.counts.fill(0);
        self.sums.fill(0);
        self.squares.fill([0; 3]);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        add_each(&mut self.counts[at..at + count], &other.counts[from..from + count], u64::wrapping_add);
        add_each(&mut self.sums[at..at + count], &other.sums[from..from + count], i128::wrapping_add);
        if self.moments {
            add_each(&mut self.squares[at..at + count], &other.squares[from..from + count], add_limbs);
        }
    }

    pub(super) fn subtract_run(&mut self, at: usize, other: &Self, from: usize, count: usize) -> Result<()> {
        check_counts(&self.counts[at..at + count], &other.counts[from..from + count])?;
        add_each(&mut self.counts[at..at + count], &other.counts[from..from + count], u64::wrapping_sub);
        add_each(&mut self.sums[at..at + count], &other.sums[from..from + count], i128::wrapping_sub);
        if self.moments {
            add_each(&mut self.squares[at..at + count], &other.squares[from..from + count], |a, b| add_limbs(a, negate_limbs(b)));
        }
        Ok(())
    }
}

/// Refuses to take more elements out of an output than it has.
pub(super) fn check_counts(have: &[u64], take: &[u64]) -> Result<()> {
    match have.iter().zip(take).position(|(have, take)| take > have) {
        Some(at) => Err(Error::data(format!("{} elements cannot be taken out of {}", take[at], have[at]))),
        None => Ok(()),
    }
}

#[inline(always)]
pub(super) fn add_limbs(left: [u64; 3], right: [u64; 3]) -> [u64; 3] {
    let low = |limbs: [u64; 3]| u128::from(limbs[1]) << 64 | u128::from(limbs[0]);
    let (sum, carry) = low(left).overflowing_add(low(right));
    [sum as u64, (sum >> 64) as u64, left[2].wrapping_add(right[2]).wrapping_add(u64::from(carry))]
}

fn negate_limbs(limbs: [u64; 3]) -> [u64; 3] {
    add_limbs(limbs.map(|limb| !limb), [1, 0, 0])
}

/// Per lane the sums of the lower and the upper halves of the elements, and of their squares.
struct Fold<const SQUARES: bool> {
    low: [u64; LANES],
    high: [i64; LANES],
    square_low: [u64; LANES],
    square_high: [u64; LANES],
    /// Sums of the lower and upper 64 bits of squares of 64-bit elements.
    wide: [[u128; 2]; LANES],
}

impl<const SQUARES: bool> Fold<SQUARES> {
    #[inline(always)]
    fn new() -> Self {
        Self { low: [0; LANES], high: [0; LANES], square_low: [0; LANES], square_high: [0; LANES], wide: [[0; 2]; LANES] }
    }

    #[inline(always)]
    fn sum<T: Whole>(&self, lane: usize) -> i128 {
        if matches!(T::WIDTH, WholeWidth::Long) {
            i128::from(self.low[lane]) + (i128::from(self.high[lane]) << 32)
        } else {
            i128::from(self.low[lane] as i64)
        }
    }

    #[inline(always)]
    fn square<T: Whole>(&self, lane: usize) -> [u64; 3] {
        if matches!(T::WIDTH, WholeWidth::Long) {
            let [low, high] = self.wide[lane];
            add_limbs([low as u64, (low >> 64) as u64, 0], [0, high as u64, (high >> 64) as u64])
        } else {
            let square = u128::from(self.square_low[lane]) + (u128::from(self.square_high[lane]) << 32);
            [square as u64, (square >> 64) as u64, 0]
        }
    }
}

impl<T: Whole, const SQUARES: bool> LaneFold<T> for Fold<SQUARES> {
    #[inline(always)]
    fn block_rows(&self) -> usize {
        usize::MAX
    }

    #[inline(always)]
    fn step(&mut self, row: &[T; LANES]) {
        for lane in 0..LANES {
            let value = row[lane].wrapped();
            if matches!(T::WIDTH, WholeWidth::Long) {
                self.low[lane] = self.low[lane].wrapping_add(value as u64 & 0xffff_ffff);
                let high = if T::UNSIGNED { (value as u64 >> 32) as i64 } else { value >> 32 };
                self.high[lane] = self.high[lane].wrapping_add(high);
            } else {
                self.low[lane] = self.low[lane].wrapping_add(value as u64);
            }
            if SQUARES {
                let magnitude = if T::UNSIGNED { value as u64 } else { value.unsigned_abs() };
                match T::WIDTH {
                    WholeWidth::Short => self.square_low[lane] = self.square_low[lane].wrapping_add(magnitude.wrapping_mul(magnitude)),
                    WholeWidth::Middle => {
                        let square = magnitude.wrapping_mul(magnitude);
                        self.square_low[lane] = self.square_low[lane].wrapping_add(square & 0xffff_ffff);
                        self.square_high[lane] = self.square_high[lane].wrapping_add(square >> 32);
                    }
                    WholeWidth::Long => {
                        let square = u128::from(magnitude) * u128::from(magnitude);
                        self.wide[lane][0] = self.wide[lane][0].wrapping_add(u128::from(square as u64));
                        self.wide[lane][1] = self.wide[lane][1].wrapping_add(square >> 64);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn flush(&mut self) {}
}

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T, const SQUARES: bool> {
    pub state: &'a mut WholeSums,
    pub element: PhantomData<T>,
}

impl<T: Whole, const SQUARES: bool> Target<'_, T, SQUARES> {
    #[inline(always)]
    fn add(&mut self, output: usize, count: usize, sum: i128, square: [u64; 3]) {
        self.state.counts[output] += count as u64;
        self.state.sums[output] = self.state.sums[output].wrapping_add(sum);
        if SQUARES {
            self.state.squares[output] = add_limbs(self.state.squares[output], square);
        }
    }
}

impl<T: Whole, const SQUARES: bool> Absorb<T::Bytes> for Target<'_, T, SQUARES> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        let mut fold = Fold::<SQUARES>::new();
        fold_run::<T, _>(&mut fold, cells);
        let (mut sum, mut square) = (0_i128, [0; 3]);
        for lane in 0..LANES {
            sum = sum.wrapping_add(fold.sum::<T>(lane));
            if SQUARES {
                square = add_limbs(square, fold.square::<T>(lane));
            }
        }
        self.add(output, cells.len(), sum, square);
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let mut first = 0;
        while first < columns.count {
            let strip = columns.part(first, LANES.min(columns.count - first));
            let mut fold = Fold::<SQUARES>::new();
            fold_strip::<T, _>(&mut fold, &cells[first..], rows, strip.count);
            for lane in 0..strip.count {
                let square = if SQUARES { fold.square::<T>(lane) } else { [0; 3] };
                self.add(strip.output(lane), rows.count, fold.sum::<T>(lane), square);
            }
            first += LANES;
        }
    }
}
