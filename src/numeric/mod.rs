//! Mergeable accumulators: the one shape of every reduction.
//!
//! An [`Accumulator`] holds the partial states of a number of outputs. It absorbs tiles, merges with another one
//! over other elements of the same outputs, serialises canonically, and finishes into a dtype. Nothing here knows
//! blocks, plans, files or threads, and no instruction set: [`Accumulator::absorb`] is inlined into the functions
//! that have one.
//!
//! | state | for | result |
//! |---|---|---|
//! | superaccumulator | exact sums and moments of floats | a function of the multiset of elements |
//! | compensated | the other sum modes | a function of the tiles and their order |
//! | whole | sums and moments of integers and bools | exact |
//! | extremes, truths, first zero | min, max; any, all, counts; assertions | exact |
//!
//! A kernel is one loop over rows of 16 lanes (`lanes`) for each of the two inner shapes that a tile's axes
//! (`axes`) come down to. `finish` rounds once; `serialise` is canonical.

mod accumulator;
mod axes;
mod big;
mod compensated;
mod element;
mod exact;
mod finish;
mod lanes;
mod memory;
mod order;
mod round;
mod serialise;
mod superaccumulator;
mod truth;
mod whole;

#[cfg(test)]
mod tests;

pub use accumulator::Accumulator;
pub use axes::{TILE_AXES_MAX, TileAxis};

use serde::{Deserialize, Serialize};

/// How floats are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SumMode {
    /// The exact real sum, rounded once: the same bits for any order, blocks and threads.
    #[default]
    Exact,
    /// Neumaier's compensated sum in f64 lanes.
    Neumaier,
    /// Kahan's compensated sum in f64 lanes.
    Kahan,
    /// Pairwise sum in f64.
    Pairwise,
    /// Plain sum in f64.
    Naive,
}

/// What an accumulator accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccumulatorKind {
    /// Sum of the elements and their number: finishes as sum and mean.
    Sum(SumMode),
    /// Sum, sum of squares and number: finishes as sum, mean, variance and standard deviation.
    Moments(SumMode),
    /// Smallest element.
    Min,
    /// Largest element.
    Max,
    /// Whether any element is not zero.
    Any,
    /// Whether no element is zero.
    All,
    /// Number of elements that are not zero.
    CountNonzero,
    /// Smallest linear index of a zero (false) element.
    FirstFalse,
}

/// What an accumulator is finished into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "NumPy's names")]
pub enum Finish {
    Sum,
    Mean,
    /// Divides by `n - ddof`.
    Var {
        ddof: u64,
    },
    /// Square root of the variance, rounded once.
    Std {
        ddof: u64,
    },
    Min,
    Max,
    Any,
    All,
    CountNonzero,
    /// The index as `i64`; -1 if every element was true.
    FirstFalse,
}

/// One axis of a dense tile, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TileAxis {
    /// Elements along it.
    pub length: usize,
    /// Distance of the outputs of neighbours; 0 where reduced.
    pub output_step: i64,
    /// Distance of the linear indices of neighbours.
    pub index_step: i64,
}

/// Stand-in: plain sums, extremes and counts of any dtype through f64.
#[derive(Clone, Debug)]
pub struct Accumulator {
    kind: AccumulatorKind,
    dtype: crate::nd::DType,
    sums: Vec<f64>,
    counts: Vec<i64>,
}

#[allow(missing_docs, clippy::cast_possible_truncation)]
impl Accumulator {
    pub fn new(kind: AccumulatorKind, dtype: crate::nd::DType, outputs: usize) -> crate::Result<Self> {
        let mut made = Self { kind, dtype, sums: vec![0.0; outputs], counts: vec![0; outputs] };
        made.reset();
        Ok(made)
    }
    pub fn reset(&mut self) {
        let first = match self.kind {
            AccumulatorKind::Min => f64::INFINITY,
            AccumulatorKind::Max => f64::NEG_INFINITY,
            AccumulatorKind::FirstFalse => f64::MAX,
            _ => 0.0,
        };
        self.sums.fill(first);
        self.counts.fill(0);
    }
    #[inline(always)]
    pub fn absorb(&mut self, tile: &[u8], axes: &[TileAxis], base: usize, index: i64) {
        if self.dtype == crate::nd::DType::F32
            && axes.len() == 1
            && axes[0].output_step == 0
            && matches!(self.kind, AccumulatorKind::Sum(_))
        {
            let mut lanes = [0.0f64; 32];
            let (blocks, rest) = bytemuck::cast_slice::<u8, f32>(tile).as_chunks::<32>();
            for block in blocks {
                for (lane, &value) in lanes.iter_mut().zip(block) {
                    *lane += f64::from(value);
                }
            }
            self.sums[base] += lanes.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value)).sum::<f64>();
            return;
        }
        self.walk(tile, axes, base as i64, index);
    }
    fn walk(&mut self, tile: &[u8], axes: &[TileAxis], base: i64, index: i64) {
        let Some((axis, rest)) = axes.split_first() else {
            return self.one(tile, base as usize, index);
        };
        let size = tile.len() / axis.length;
        for position in 0..axis.length {
            let step = position as i64;
            self.walk(&tile[position * size..(position + 1) * size], rest, base + step * axis.output_step, index + step * axis.index_step);
        }
    }
    fn one(&mut self, element: &[u8], output: usize, index: i64) {
        use crate::nd::Element;
        let value: f64 = crate::dispatch!(self.dtype, T => format!("{}", T::from_bytes(element)).replace("true", "1").replace("false", "0").parse().unwrap_or(f64::NAN));
        let sum = &mut self.sums[output];
        self.counts[output] += i64::from(value != 0.0);
        match self.kind {
            AccumulatorKind::Min => *sum = if value < *sum || value.is_nan() { value } else { *sum },
            AccumulatorKind::Max => *sum = if value > *sum || value.is_nan() { value } else { *sum },
            AccumulatorKind::FirstFalse => *sum = if value == 0.0 { sum.min(index as f64) } else { *sum },
            _ => *sum += value,
        }
    }
    pub fn absorb_constant(&mut self, value: &[u8], axes: &[TileAxis], base: usize, index: i64) {
        let count: usize = axes.iter().map(|axis| axis.length).product();
        let tile: Vec<u8> = value.iter().copied().cycle().take(value.len() * count).collect();
        self.walk(&tile, axes, base as i64, index);
    }
    pub fn finish(&self, what: Finish, dtype: crate::nd::DType, from: usize, count: usize, out: &mut [u8]) -> crate::Result<()> {
        for (at, element) in out.chunks_exact_mut(dtype.size()).enumerate().take(count) {
            let value = if what == Finish::CountNonzero { self.counts[from + at] as f64 } else { self.sums[from + at] };
            element.copy_from_slice(&crate::nd::Scalar::Float(value).to_bytes(dtype));
        }
        Ok(())
    }
    pub fn state_bytes_max(_kind: AccumulatorKind, _dtype: crate::nd::DType, outputs: usize) -> u64 {
        outputs as u64 * 16
    }
}
