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
//! | extremes, places | min, max; argmin, argmax | exact |
//! | truths, first zero | any, all, counts; assertions | exact |
//! | whole products | products of integers and bools | exact |
//! | pairs | sums of products of pairs, and what else covariances take | as the sums they are made of |
//! | products | products of floats | a function of the tiles and their order, without overflow in between |
//!
//! The kinds called `Nan...` leave out elements that are NaN (`skip`): extremes and places by a key below all others, the
//! others by a copy of such tiles in which a neutral element stands for NaN, and is not counted.
//! | extremes, truths, first zero | min, max; any, all, counts; assertions | exact |
//! | tallies | how many elements, by group | exact |
//! | distinct, sketch | about how many different elements; quantiles, about | a function of the multiset of elements |
//!
//! Exact sums (`exact`) go piece by piece through a kernel with a certificate into a window of few digits, and only where that
//! does not fit into digits of full width; no result tells.
//!
//! Elements may choose their outputs by labels (`grouped`).
//!
//! Any other kernel is one loop over rows of 16 lanes (`lanes`) for each of the two inner shapes that a tile's axes
//! (`axes`) come down to. `finish` rounds once; `serialise` is canonical.

mod accumulator;
mod axes;
mod big;
mod compensated;
mod dispatch;
mod distinct;
mod element;
mod exact;
mod finish;
mod finish_pairs;
mod grouped;
mod lanes;
mod memory;
mod order;
mod outcomes;
mod pairs;
mod places;
mod product;
mod round;
mod row_sums;
mod run;
mod scan;
mod serialise;
mod sketch;
mod skip;
mod special;
mod state;
mod truth;
mod whole;
mod whole_product;

#[cfg(test)]
mod tests;

/// The version of the bits that functions give. A change of any bit of any function raises it; `src/kernel/math/hashes.txt` holds
/// the hashes that tell.
pub const VERSION: u32 = 2;

pub use accumulator::Accumulator;
pub(crate) use axes::AHEAD_BYTES;
pub use axes::{Baseline, InstructionSet, Piece, TILE_AXES_MAX, TileAxis};
pub use exact::ReserveSpent;
pub(crate) use finish::write_integer;
pub use grouped::{Elements, Groups, Labels, Outside};
pub use outcomes::Outcome;
pub use pairs::Side;
pub(crate) use round::two_sum;
pub(crate) use row_sums::{ROW_LENGTHS, ROWS_MAX, RowSums};
pub(crate) use run::{CellsAhead, RUN_MIN, Run};
pub use scan::{Scan, ScanBlock, ScanKind};

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
    /// Linear index of the first smallest element; the first NaN, if there is one.
    ArgMin,
    /// Linear index of the first largest element; the first NaN, if there is one.
    ArgMax,
    /// Product of the elements.
    Product,
    /// [`AccumulatorKind::Sum`] of the elements that are not NaN.
    NanSum(SumMode),
    /// [`AccumulatorKind::Moments`] of the elements that are not NaN.
    NanMoments(SumMode),
    /// [`AccumulatorKind::Min`] of the elements that are not NaN.
    NanMin,
    /// [`AccumulatorKind::Max`] of the elements that are not NaN.
    NanMax,
    /// [`AccumulatorKind::ArgMin`] of the elements that are not NaN.
    NanArgMin,
    /// [`AccumulatorKind::ArgMax`] of the elements that are not NaN.
    NanArgMax,
    /// [`AccumulatorKind::Product`] of the elements that are not NaN.
    NanProduct,
    /// Sum of the products of pairs of elements, which are not rounded.
    Dot(SumMode),
    /// [`AccumulatorKind::Dot`], and the sum of the second elements.
    Weighted(SumMode),
    /// [`AccumulatorKind::Dot`], and sum, sum of squares and number of the elements of either side.
    Comoments(SumMode),
    /// Number of elements.
    Count,
    /// About how many different elements there are.
    Distinct,
    /// Elements in buckets of magnitudes, for quantiles.
    Sketch,
}

impl AccumulatorKind {
    /// The kind that takes NaN as it comes.
    #[must_use]
    pub fn plain(self) -> AccumulatorKind {
        match self {
            AccumulatorKind::NanSum(mode) => AccumulatorKind::Sum(mode),
            AccumulatorKind::NanMoments(mode) => AccumulatorKind::Moments(mode),
            AccumulatorKind::NanMin => AccumulatorKind::Min,
            AccumulatorKind::NanMax => AccumulatorKind::Max,
            AccumulatorKind::NanArgMin => AccumulatorKind::ArgMin,
            AccumulatorKind::NanArgMax => AccumulatorKind::ArgMax,
            AccumulatorKind::NanProduct => AccumulatorKind::Product,
            other => other,
        }
    }

    /// Whether states merge to the same bits in any order, and in any grouping. Sums that are not exact do not, nor do products.
    #[must_use]
    pub fn merges_in_any_order(self) -> bool {
        match self.plain() {
            AccumulatorKind::Sum(mode)
            | AccumulatorKind::Moments(mode)
            | AccumulatorKind::Dot(mode)
            | AccumulatorKind::Weighted(mode)
            | AccumulatorKind::Comoments(mode) => mode == SumMode::Exact,
            kind => kind != AccumulatorKind::Product,
        }
    }

    /// What a finish needs; sums in `mode`.
    #[must_use]
    pub fn of(finish: Finish, mode: SumMode) -> Self {
        match finish {
            Finish::Sum | Finish::Mean => AccumulatorKind::Sum(mode),
            Finish::Var { .. } | Finish::Std { .. } | Finish::Norm => AccumulatorKind::Moments(mode),
            Finish::Min => AccumulatorKind::Min,
            Finish::Max => AccumulatorKind::Max,
            Finish::Any => AccumulatorKind::Any,
            Finish::All => AccumulatorKind::All,
            Finish::CountNonzero => AccumulatorKind::CountNonzero,
            Finish::FirstFalse => AccumulatorKind::FirstFalse,
            Finish::ArgMin => AccumulatorKind::ArgMin,
            Finish::ArgMax => AccumulatorKind::ArgMax,
            Finish::Prod => AccumulatorKind::Product,
            Finish::NanSum | Finish::NanMean => AccumulatorKind::NanSum(mode),
            Finish::NanVar { .. } | Finish::NanStd { .. } => AccumulatorKind::NanMoments(mode),
            Finish::NanMin => AccumulatorKind::NanMin,
            Finish::NanMax => AccumulatorKind::NanMax,
            Finish::NanArgMin => AccumulatorKind::NanArgMin,
            Finish::NanArgMax => AccumulatorKind::NanArgMax,
            Finish::NanProd => AccumulatorKind::NanProduct,
            Finish::Dot => AccumulatorKind::Dot(mode),
            Finish::Matmul => AccumulatorKind::Sum(SumMode::Exact),
            Finish::Average => AccumulatorKind::Weighted(mode),
            Finish::Cov { .. } | Finish::Corr => AccumulatorKind::Comoments(mode),
            Finish::Count => AccumulatorKind::Count,
            Finish::ApproxDistinct => AccumulatorKind::Distinct,
            Finish::ApproxQuantile { .. } => AccumulatorKind::Sketch,
            Finish::State { kind } => kind,
        }
    }

    /// Whether elements that are NaN are left out.
    #[must_use]
    pub fn skips_nan(self) -> bool {
        self.plain() != self
    }

    /// Whether pairs of elements are absorbed.
    #[must_use]
    pub fn is_paired(self) -> bool {
        matches!(self, AccumulatorKind::Dot(_) | AccumulatorKind::Weighted(_) | AccumulatorKind::Comoments(_))
    }

    /// Whether the place of an element counts.
    pub(crate) fn is_indexed(self) -> bool {
        matches!(self.plain(), AccumulatorKind::FirstFalse | AccumulatorKind::ArgMin | AccumulatorKind::ArgMax)
    }

    /// Whether this is a sum alone.
    pub(crate) fn is_sum(self) -> bool {
        matches!(self, AccumulatorKind::Sum(_))
    }

    /// Whether a kernel begins and ends with every tile, which costs each output as much as many elements.
    pub(crate) fn is_settled(self, dtype: DType) -> bool {
        use AccumulatorKind::{ArgMax, ArgMin, Moments, Product, Sum};
        match self.plain() {
            Sum(SumMode::Exact) | Moments(SumMode::Exact) | Product => dtype.is_float(),
            ArgMin | ArgMax => true,
            _ => false,
        }
    }

    /// Whether [`Accumulator::cut_runs`] holds for it.
    pub(crate) fn is_cut(self) -> bool {
        matches!(self, Self::Sum(_) | Self::Moments(_))
    }

    /// Whether the results are a function of the elements alone, however they are cut into tiles.
    pub(crate) fn is_exact(self, dtype: DType) -> bool {
        use AccumulatorKind::{Comoments, Dot, Moments, Product, Sum, Weighted};
        match self.plain() {
            Sum(mode) | Moments(mode) | Dot(mode) | Weighted(mode) | Comoments(mode) => mode == SumMode::Exact || !dtype.is_float(),
            Product => !dtype.is_float(),
            _ => true,
        }
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
    /// The index as `i64`: of the one axis that is reduced, or of the C order of all that are.
    ArgMin,
    ArgMax,
    Prod,
    NanSum,
    NanMean,
    NanVar {
        ddof: u64,
    },
    NanStd {
        ddof: u64,
    },
    /// NaN where every element is.
    NanMin,
    NanMax,
    /// An error where every element is NaN.
    NanArgMin,
    NanArgMax,
    NanProd,
    /// Square root of the sum of squares, rounded once.
    Norm,
    /// Sum of the products of two operands, rounded once.
    Dot,
    /// Sum of the products of two operands in the order of a product of matrices: exact sums, in `f64`, of chains of fixed length.
    Matmul,
    /// Mean of the first operand with the second as weights, rounded once.
    Average,
    /// Covariance of two operands; divides by `n - ddof`.
    Cov {
        ddof: u64,
    },
    /// Correlation of two operands, rounded once.
    Corr,
    /// The state itself as bytes ([`Accumulator::deserialise`] reads them): an axis of `u8` behind the axes that stay.
    State {
        /// What is accumulated.
        kind: AccumulatorKind,
    },
}

impl Finish {
    /// NumPy's name of the reduction.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Finish::Sum => "sum",
            Finish::Mean => "mean",
            Finish::Var { .. } => "var",
            Finish::Std { .. } => "std",
            Finish::Min => "min",
            Finish::Max => "max",
            Finish::Any => "any",
            Finish::All => "all",
            Finish::CountNonzero => "count_nonzero",
            Finish::FirstFalse => "first_false",
            Finish::ArgMin => "argmin",
            Finish::ArgMax => "argmax",
            Finish::Prod => "prod",
            Finish::NanSum => "nansum",
            Finish::NanMean => "nanmean",
            Finish::NanVar { .. } => "nanvar",
            Finish::NanStd { .. } => "nanstd",
            Finish::NanMin => "nanmin",
            Finish::NanMax => "nanmax",
            Finish::NanArgMin => "nanargmin",
            Finish::NanArgMax => "nanargmax",
            Finish::NanProd => "nanprod",
            Finish::Norm => "norm",
            Finish::Dot => "dot",
            Finish::Matmul => "matmul",
            Finish::Average => "average",
            Finish::Cov { .. } => "cov",
            Finish::Corr => "corrcoef",
            Finish::Count => "count",
            Finish::ApproxDistinct => "approx_distinct",
            Finish::ApproxQuantile { .. } => "approx_quantile",
            Finish::State { .. } => "state",
        }
    }

    /// The reduction that takes NaN as it comes.
    #[must_use]
    pub fn plain(self) -> Finish {
        match self {
            Finish::NanSum => Finish::Sum,
            Finish::NanMean => Finish::Mean,
            Finish::NanVar { ddof } => Finish::Var { ddof },
            Finish::NanStd { ddof } => Finish::Std { ddof },
            Finish::NanMin => Finish::Min,
            Finish::NanMax => Finish::Max,
            Finish::NanArgMin => Finish::ArgMin,
            Finish::NanArgMax => Finish::ArgMax,
            Finish::NanProd => Finish::Prod,
            other => other,
        }
    }

    /// Whether elements that are NaN are left out.
    #[must_use]
    pub fn skips_nan(self) -> bool {
        self.plain() != self
    }

    /// Whether the result is a float whatever the operands are.
    #[must_use]
    pub fn is_float(self) -> bool {
        use Finish::{Average, Corr, Cov, Mean, Norm, Std, Var};
        matches!(self.plain(), Mean | Var { .. } | Std { .. } | Norm | Average | Cov { .. } | Corr)
    }

    /// Whether it takes two operands.
    #[must_use]
    pub fn is_paired(self) -> bool {
        match self {
            Finish::Dot | Finish::Matmul | Finish::Average | Finish::Cov { .. } | Finish::Corr => true,
            Finish::State { kind } => kind.is_paired(),
            _ => false,
        }
    }

    /// What `self` takes, as bytes instead of a number; sums in `mode`.
    #[must_use]
    pub fn state(self, mode: SumMode) -> Finish {
        Finish::State { kind: AccumulatorKind::of(self, mode) }
    }

    /// Bytes of an element of the result for operands of `dtype`, if it is a state.
    #[must_use]
    pub fn state_bytes(self, dtype: DType) -> Option<usize> {
        match self {
            Finish::State { kind } => Some(state::state_bytes(kind, dtype)),
            _ => None,
        }
    }

    /// The same with another `ddof`, where there is one.
    #[must_use]
    pub fn with_ddof(self, ddof: u64) -> Finish {
        match self {
            Finish::Var { .. } => Finish::Var { ddof },
            Finish::Std { .. } => Finish::Std { ddof },
            Finish::NanVar { .. } => Finish::NanVar { ddof },
            Finish::NanStd { .. } => Finish::NanStd { ddof },
            Finish::Cov { .. } => Finish::Cov { ddof },
            other => other,
        }
    }

    /// Whether it divides by `n - ddof`.
    #[must_use]
    pub fn has_ddof(self) -> bool {
        matches!(self.plain(), Finish::Var { .. } | Finish::Std { .. } | Finish::Cov { .. })
    }
}
