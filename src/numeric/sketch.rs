//! Quantiles, about: how many elements lie in each of many buckets, whose bounds are floats of [`BUCKET_BITS`] bits after the
//! leading one. Counts add up, so the state is a function of the multiset of elements, and a quantile is at most `2^-8` of its
//! magnitude from an element of that rank.

use super::axes::{Absorb, Columns, Rows};
use super::element::{Float, Truth, Whole};
use super::lanes::Cell;
use super::memory::reserved;
use crate::nd::DType;
use half::{bf16, f16};
use std::marker::PhantomData;

/// Bits of the mantissa that tell buckets apart.
const BUCKET_BITS: u32 = 7;
const SHIFT: u32 = 52 - BUCKET_BITS;

/// Counts of all outputs.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    shape: Buckets,
    pub counts: Vec<u64>,
    pub nans: Vec<u64>,
    /// First bucket of each output that may not be empty, and the one behind the last.
    spans: Vec<[u32; 2]>,
}

/// The buckets of an element type.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    /// What is taken from the upper bits of a magnitude: those of the smallest magnitude but zero keep something.
    base: u64,
    /// Bucket of infinity among the magnitudes.
    top: u64,
    whole: bool,
}

impl Buckets {
    fn of(dtype: DType) -> Self {
        // Exponents of the smallest magnitude and behind the largest.
        let (low, end, whole) = match dtype {
            DType::F16 => (-24, 16, false),
            DType::BF16 => (-133, 128, false),
            DType::F32 => (-149, 128, false),
            DType::F64 => (-1023, 1024, false),
            _ => (0, 65, true),
        };
        let field = |exponent: i64| (1023 + exponent) as u64;
        let base = field(low).saturating_sub(1) << BUCKET_BITS;
        Buckets { base, top: (field(end) << BUCKET_BITS) - base, whole }
    }

    /// Buckets of an output: magnitudes of either sign.
    fn count(self) -> usize {
        2 * (self.top as usize + 1)
    }

    /// The bucket of a number.
    #[inline(always)]
    fn bucket(self, value: f64) -> usize {
        let magnitude = ((value.to_bits() & (u64::MAX >> 1)) >> SHIFT).saturating_sub(self.base).min(self.top);
        (if value < 0.0 { self.top - magnitude } else { self.top + 1 + magnitude }) as usize
    }

    /// A number that stands for the elements of a bucket.
    fn number(self, bucket: usize) -> f64 {
        let bucket = bucket as u64;
        let (negative, magnitude) = if bucket <= self.top { (true, self.top - bucket) } else { (false, bucket - self.top - 1) };
        let value = if magnitude == 0 {
            0.0
        } else if magnitude == self.top {
            f64::INFINITY
        } else {
            let middle = f64::from_bits((magnitude + self.base) << SHIFT | 1 << (SHIFT - 1));
            if self.whole { middle.floor() } else { middle }
        };
        if negative && value != 0.0 { -value } else { value }
    }
}

impl Sketch {
    pub(super) fn new(dtype: DType, outputs: usize) -> Self {
        let shape = Buckets::of(dtype);
        let mut spans = reserved(outputs);
        spans.fill([u32::MAX, 0]);
        Self { shape, counts: reserved(outputs * shape.count()), nans: reserved(outputs), spans }
    }

    /// Bytes per output.
    pub(super) fn output_bytes(dtype: DType) -> u64 {
        8 * (Buckets::of(dtype).count() as u64 + 2)
    }

    fn span(&self, at: usize) -> std::ops::Range<usize> {
        let [low, end] = self.spans[at];
        low.min(end) as usize..end as usize
    }

    pub(super) fn reset(&mut self) {
        let width = self.shape.count();
        for at in 0..self.spans.len() {
            let span = self.span(at);
            self.counts[at * width + span.start..at * width + span.end].fill(0);
        }
        self.nans.fill(0);
        self.spans.fill([u32::MAX, 0]);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        let width = self.shape.count();
        for step in 0..count {
            let span = other.span(from + step);
            let (to, of) = ((at + step) * width, (from + step) * width);
            for bucket in span.clone() {
                self.counts[to + bucket] = self.counts[to + bucket].wrapping_add(other.counts[of + bucket]);
            }
            self.nans[at + step] = self.nans[at + step].wrapping_add(other.nans[from + step]);
            self.widen(at + step, span.start, span.end);
        }
    }

    #[inline(always)]
    fn widen(&mut self, at: usize, low: usize, end: usize) {
        let span = &mut self.spans[at];
        *span = [span[0].min(low as u32), span[1].max(end as u32)];
    }

    /// Calls `take(bucket, count)` for the buckets of an output that are not empty.
    pub(super) fn each(&self, at: usize, mut take: impl FnMut(usize, u64)) {
        let width = self.shape.count();
        for bucket in self.span(at) {
            let count = self.counts[at * width + bucket];
            if count > 0 {
                take(bucket, count);
            }
        }
    }

    /// Adds to a bucket; whether there is one.
    pub(super) fn put(&mut self, at: usize, bucket: usize, count: u64) -> bool {
        let width = self.shape.count();
        if bucket >= width {
            return false;
        }
        self.counts[at * width + bucket] += count;
        self.widen(at, bucket, bucket + 1);
        true
    }

    /// Heap bytes held.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> u64 {
        use super::memory::held_bytes;
        held_bytes(&self.counts) + held_bytes(&self.nans) + held_bytes(&self.spans)
    }

    /// A number near the element of rank `floor(q (n - 1))`; NaN where there is a NaN, or nothing.
    pub(super) fn quantile(&self, at: usize, q: f64) -> f64 {
        let mut total = 0;
        self.each(at, |_, count| total += count);
        if total == 0 || self.nans[at] > 0 {
            return f64::NAN;
        }
        // Exact for any number of elements that can be met.
        let rank = (q.clamp(0.0, 1.0) * (total - 1) as f64).floor() as u64;
        let (mut below, mut found) = (0, None);
        self.each(at, |bucket, count| {
            below += count;
            if found.is_none() && below > rank {
                found = Some(bucket);
            }
        });
        found.map_or(f64::NAN, |bucket| self.shape.number(bucket))
    }
}

/// An element as a number.
pub(super) trait Number: Cell {
    fn number(self) -> f64;
}

macro_rules! floats {
    ($($t:ty)*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn number(self) -> f64 { Float::widen(self) }
        }
    )*};
}
floats!(f16 bf16 f32 f64);

macro_rules! wholes {
    ($($t:ty)*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn number(self) -> f64 {
                let value = self.wrapped();
                if Self::UNSIGNED { value as u64 as f64 } else { value as f64 }
            }
        }
    )*};
}
wholes!(i8 i16 i32 i64 u8 u16 u32 u64 Truth);

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T> {
    pub state: &'a mut Sketch,
    pub element: PhantomData<T>,
}

impl<T: Number> Target<'_, T> {
    #[inline(always)]
    fn take(&mut self, values: impl Iterator<Item = f64>, output: usize) {
        let (shape, width) = (self.state.shape, self.state.shape.count());
        let counts = &mut self.state.counts[output * width..(output + 1) * width];
        let (mut low, mut end, mut nans) = (usize::MAX, 0, 0);
        for value in values {
            if value.is_nan() {
                nans += 1;
                continue;
            }
            let bucket = shape.bucket(value);
            counts[bucket] += 1;
            low = low.min(bucket);
            end = end.max(bucket + 1);
        }
        self.state.nans[output] += nans;
        if low < end {
            self.state.widen(output, low, end);
        }
    }
}

impl<T: Number> Absorb<T::Bytes> for Target<'_, T> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        self.take(cells.iter().map(|cell| T::read(*cell).number()), output);
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        for column in 0..columns.count {
            let values = (0..rows.count).map(|row| T::read(cells[row * rows.stride + column]).number());
            self.take(values, columns.output(column));
        }
    }
}
