//! Mergeable accumulators: the one shape of every reduction.
//!
//! An [`Accumulator`] holds the partial states of a number of outputs. It absorbs tiles, merges with another one
//! over other elements of the same outputs, serialises canonically, and finishes into a dtype. Nothing here knows
//! blocks, plans, files or threads, and no instruction set: the loops of [`Accumulator::absorb`] are [`Piece`]s that the
//! kernel floor compiles for each [`InstructionSet`].
//!
//! | state | for | result |
//! |---|---|---|
//! | superaccumulator | exact sums and moments of floats | a function of the multiset of elements |
//! | compensated | the other sum modes | a function of the tiles and their order |
//! | whole | sums and moments of integers and bools | exact |
//! | extremes, truths, first zero | min, max; any, all, counts; assertions | exact |
//! | tallies | how many elements, by group | exact |
//! | distinct, sketch | about how many different elements; quantiles, about | a function of the multiset of elements |
//!
//! Exact sums go tile by tile through a kernel with a certificate (`extract`), into a window of few digits (`window`), and
//! only where that does not fit into the digits behind (`superaccumulator`), runs of any exponents by way of tables
//! (`scatter`); `exact` decides which, and no result tells.
//!
//! Elements may choose their outputs by labels (`grouped`).
//!
//! Any other kernel is one loop over rows of 16 lanes (`lanes`) for each of the two inner shapes that a tile's axes
//! (`axes`) come down to. `finish` rounds once; `serialise` is canonical.

mod accumulator;
mod axes;
mod big;
mod compensated;
mod distinct;
mod element;
mod exact;
mod extract;
mod finish;
mod grouped;
mod lanes;
mod memory;
mod order;
mod quick;
mod round;
mod run;
mod scatter;
mod serialise;
mod sketch;
mod special;
mod superaccumulator;
mod truth;
mod whole;
mod window;

#[cfg(test)]
mod tests;

pub use accumulator::Accumulator;
pub use axes::{Baseline, InstructionSet, Piece, TILE_AXES_MAX, TileAxis};
pub use grouped::{Elements, Groups, Labels, Outside};
pub(crate) use run::{Cells, Run};

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
    /// Number of elements.
    Count,
    /// About how many different elements there are.
    Distinct,
    /// Elements in buckets of magnitudes, for quantiles.
    Sketch,
}

impl AccumulatorKind {
    /// Whether this is a sum alone.
    pub(crate) fn is_sum(self) -> bool {
        matches!(self, AccumulatorKind::Sum(_))
    }
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
    /// The number as `i64`.
    Count,
    /// Of different elements, as `i64`; its standard error is 0.8 percent.
    ApproxDistinct,
    /// A float at most `2^-8` of its magnitude away from the element of rank `floor(q (n - 1))`.
    ApproxQuantile {
        /// Bits of q as `f64`.
        bits: u64,
    },
}
