//! Sums of many short rows whose results are wanted at once: nothing is kept of a row but what is finished.
//!
//! The elements of a row, narrower than f64, are added as f64s, and so are their squares. Where the exponents of a row lie close together its
//! sum is exact ([`super::exact`] says when), and squares have a bound of their error; a result is certain if all that lies within the bound
//! rounds to it (Ziv 1991). Rows that are not certain, or hold what is no number, are left to an accumulator: the bits are the same.

use super::axes::{InstructionSet, Piece};
use super::element::Float;
use super::exact::Bounds;
use super::run::{PART, PieceLanes, fold_lanes};
use super::{AccumulatorKind, Finish, SumMode};
use crate::nd::DType;
use half::{bf16, f16};

/// Rows that are taken at once.
pub(crate) const ROWS_MAX: usize = 64;
/// Elements of a row: longer rows spread what an accumulator costs by themselves.
pub(crate) const ROW_LENGTHS: std::ops::RangeInclusive<usize> = 2..=4096;
/// Relative error of an f64 operation.
const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;

/// What rows add up to.
pub(crate) struct RowSums {
    sums: [f64; ROWS_MAX],
    squares: [f64; ROWS_MAX],
    /// Whether the sum is exact, of numbers that are not all zero.
    exact: [bool; ROWS_MAX],
    length: usize,
}

impl RowSums {
    pub(crate) const EMPTY: Self = Self { sums: [0.0; ROWS_MAX], squares: [0.0; ROWS_MAX], exact: [false; ROWS_MAX], length: 0 };

    /// Whether there is such a result of such elements.
    pub(crate) fn finishes(kind: AccumulatorKind, dtype: DType, what: Finish, result: DType) -> bool {
        let narrow = dtype.is_float() && dtype != DType::F64;
        match what {
            _ if !narrow => false,
            Finish::Sum | Finish::Mean => {
                matches!(kind, AccumulatorKind::Sum(SumMode::Exact) | AccumulatorKind::Moments(SumMode::Exact))
                    && matches!(result, DType::F32 | DType::F64)
            }
            Finish::Norm | Finish::Var { .. } | Finish::Std { .. } => {
                kind == AccumulatorKind::Moments(SumMode::Exact) && result == DType::F32
            }
            _ => false,
        }
    }

    /// Adds up `rows` rows of `length` elements each, that lie one after the other.
    pub(crate) fn take<I: InstructionSet>(&mut self, dtype: DType, bytes: &[u8], length: usize, rows: usize) {
        fn of<I: InstructionSet, T: Float>(sums: &mut RowSums, cells: &[T::Bytes], rows: usize) {
            I::enter(Take::<T> { sums, cells, rows });
        }
        self.length = length;
        match dtype {
            DType::F16 => of::<I, f16>(self, bytes.as_chunks().0, rows),
            DType::BF16 => of::<I, bf16>(self, bytes.as_chunks().0, rows),
            _ => of::<I, f32>(self, bytes.as_chunks().0, rows),
        }
    }

    /// Writes `what` of the first `rows` rows to `out`; the bits of those that are not certain are set in the answer.
    pub(crate) fn finish<I: InstructionSet>(&self, what: Finish, result: DType, rows: usize, out: &mut [u8]) -> u64 {
        let mut results = Results { high: [0.0; ROWS_MAX], error: [0.0; ROWS_MAX] };
        I::enter(Compute { sums: self, what, results: &mut results });
        let mut doubtful = 0;
        if result == DType::F64 {
            for (row, element) in out.as_chunks_mut().0[..rows].iter_mut().enumerate() {
                *element = results.high[row].to_ne_bytes();
                doubtful |= u64::from(!self.exact[row]) << row;
            }
            return doubtful;
        }
        for (row, element) in out.as_chunks_mut().0[..rows].iter_mut().enumerate() {
            let (high, error) = (results.high[row], results.error[row]);
            let [low, most] = [(high - error) as f32, (high + error) as f32];
            *element = most.to_ne_bytes();
            doubtful |= u64::from(low != most || !self.exact[row]) << row;
        }
        doubtful
    }
}

/// The loop over rows, to be compiled for an instruction set.
struct Take<'a, T: Float> {
    sums: &'a mut RowSums,
    cells: &'a [T::Bytes],
    rows: usize,
}

/// What the lanes of a row come to.
struct RowLanes {
    sums: PieceLanes,
    squares: PieceLanes,
    largest: [u32; PART],
    smallest: [u32; PART],
}

impl RowLanes {
    const EMPTY: Self = Self { sums: [-0.0; PART], squares: [0.0; PART], largest: [0; PART], smallest: [u32::MAX; PART] };

    #[inline(always)]
    fn add<T: Float>(&mut self, elements: &[T; PART]) {
        for lane in 0..PART {
            let value = elements[lane].widen();
            self.sums[lane] += value;
            self.squares[lane] += value * value;
        }
        for lane in 0..PART {
            let magnitude = elements[lane].magnitude_bits();
            self.largest[lane] = self.largest[lane].max(magnitude);
            // Zeros become the largest.
            self.smallest[lane] = self.smallest[lane].min(magnitude.wrapping_sub(1));
        }
    }
}

impl<T: Float> Piece for Take<'_, T> {
    #[inline(always)]
    fn go(self) {
        let length = self.sums.length;
        // Rows that are shorter than the lanes are taken beside each other.
        let beside = if length < PART { self.rows / PART * PART } else { 0 };
        for first in (0..beside).step_by(PART) {
            let cells = &self.cells[first * length..][..PART * length];
            let mut lanes = RowLanes::EMPTY;
            for place in 0..length {
                let mut elements = [T::PAD; PART];
                for lane in 0..PART {
                    elements[lane] = T::read(cells[lane * length + place]);
                }
                lanes.add(&elements);
            }
            for lane in 0..PART {
                self.sums.sums[first + lane] = lanes.sums[lane];
                self.sums.squares[first + lane] = lanes.squares[lane];
                self.sums.exact[first + lane] = Bounds::of::<T>(lanes.largest[lane], lanes.smallest[lane]).holds(length);
            }
        }
        for row in beside..self.rows {
            let (whole, rest) = self.cells[row * length..][..length].as_chunks::<PART>();
            let mut lanes = RowLanes::EMPTY;
            for cells in whole {
                let mut elements = [T::PAD; PART];
                for lane in 0..PART {
                    elements[lane] = T::read(cells[lane]);
                }
                lanes.add(&elements);
            }
            if !rest.is_empty() {
                let mut elements = [T::PAD; PART];
                for (element, cell) in elements.iter_mut().zip(rest) {
                    *element = T::read(*cell);
                }
                lanes.add(&elements);
            }
            let (mut largest, mut smallest) = (0, u32::MAX);
            for lane in 0..PART {
                largest = lanes.largest[lane].max(largest);
                smallest = lanes.smallest[lane].min(smallest);
            }
            self.sums.sums[row] = fold_lanes(&lanes.sums);
            self.sums.squares[row] = fold_lanes(&lanes.squares);
            self.sums.exact[row] = Bounds::of::<T>(largest, smallest).holds(length);
        }
    }
}

/// Results, and how far they may be off.
struct Results {
    high: [f64; ROWS_MAX],
    error: [f64; ROWS_MAX],
}

/// The loop over results.
struct Compute<'a> {
    sums: &'a RowSums,
    what: Finish,
    results: &'a mut Results,
}

impl Piece for Compute<'_> {
    #[inline(always)]
    fn go(self) {
        let (RowSums { sums, squares, length, .. }, results) = (self.sums, self.results);
        let count = *length as f64;
        // Every addition of a sum of squares, those of the lanes too, and every square's share of them.
        let squares_error = (count + 16.0) * UNIT;
        match self.what {
            Finish::Mean => {
                for row in 0..ROWS_MAX {
                    results.high[row] = sums[row] / count;
                    results.error[row] = results.high[row].abs() * (4.0 * UNIT);
                }
            }
            Finish::Norm => {
                for row in 0..ROWS_MAX {
                    results.high[row] = squares[row].sqrt();
                    results.error[row] = results.high[row] * (squares_error + 2.0 * UNIT);
                }
            }
            Finish::Var { ddof } | Finish::Std { ddof } => {
                let divisor = count * (count - ddof as f64);
                let root = matches!(self.what, Finish::Std { .. });
                for row in 0..ROWS_MAX {
                    let (counted, square) = (count * squares[row], sums[row] * sums[row]);
                    let deviation = counted - square;
                    let variance = deviation / divisor;
                    let error = (counted + square) / deviation * (squares_error + 4.0 * UNIT) + 4.0 * UNIT;
                    let high = if root { variance.sqrt() } else { variance };
                    // What is not a number is not certain either.
                    results.high[row] = high;
                    results.error[row] = if deviation > 0.0 && error < 0.25 && divisor > 0.0 { high * error } else { f64::NAN };
                }
            }
            _ => results.high = *sums,
        }
    }
}
