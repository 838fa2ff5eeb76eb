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
//! | superaccumulators of products | dot, weighted mean, covariance, correlation, skew, kurtosis of floats | exact |
//! | compensated | the other sum modes | a function of the tiles and their order |
//! | whole | sums and moments of integers and bools | exact |
//! | extremes, truths, first zero | min, max; any, all, counts; assertions | exact |
//!
//! Exact sums (`exact`) go piece by piece through a kernel with a certificate into a window of few digits, and only where that
//! does not fit into digits of full width; no result tells.
//!
//! Any other kernel is one loop over rows of 16 lanes (`lanes`) for each of the two inner shapes that a tile's axes
//! (`axes`) come down to. `finish` rounds once; `serialise` is canonical.

mod accumulator;
mod axes;
mod big;
mod compensated;
mod dispatch;
mod element;
mod exact;
mod finish;
mod lanes;
mod memory;
mod order;
mod products;
mod round;
mod run;
mod serialise;
mod special;
mod statistics;
mod truth;
mod whole;

#[cfg(test)]
mod tests;

pub use accumulator::Accumulator;
pub use axes::{Baseline, InstructionSet, Piece, TILE_AXES_MAX, TileAxis};
pub(crate) use run::{Cells, Run};

use crate::nd::DType;
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
    /// Exact sum of the products of two operands, none of them rounded: finishes as dot product. Floats.
    Dot,
    /// Exact sums of the products of values and weights, and of the weights: finishes as weighted mean. Floats.
    Weighted,
    /// Exact sums of two operands, their squares and their products: finishes as covariance and correlation. Floats.
    Comoments,
    /// Exact sums of the first four powers: finishes as skew and kurtosis. Floats.
    Powers,
}

impl AccumulatorKind {
    /// Whether this is a sum alone.
    pub(crate) fn is_sum(self) -> bool {
        matches!(self, AccumulatorKind::Sum(_))
    }

    /// Whether the results are a function of the elements alone, however they are cut into tiles.
    pub(crate) fn is_exact(self, dtype: DType) -> bool {
        match self {
            AccumulatorKind::Sum(mode) | AccumulatorKind::Moments(mode) => mode == SumMode::Exact || !dtype.is_float(),
            _ => true,
        }
    }
}

/// What [`Accumulator::finish_statistic`] finishes into, rounded once. The moments are those of all elements: nothing is divided by
/// `n - 1` but the covariance on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Statistic {
    /// Root of the sum of squares: of [`AccumulatorKind::Moments`].
    Norm,
    /// Of [`AccumulatorKind::Dot`].
    Dot,
    /// Of [`AccumulatorKind::Weighted`].
    WeightedMean,
    /// Of [`AccumulatorKind::Comoments`]; divides by `n - ddof`.
    Cov {
        /// Delta degrees of freedom.
        ddof: u64,
    },
    /// Pearson's correlation: of [`AccumulatorKind::Comoments`].
    Corr,
    /// Third standardised moment: of [`AccumulatorKind::Powers`].
    Skew,
    /// Fourth standardised moment less 3: of [`AccumulatorKind::Powers`].
    Kurtosis,
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
