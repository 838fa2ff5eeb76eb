//! What results of reductions are no numbers, and whether that is news: those of nothing but NaN that was left out, and those that are
//! NaN or infinite although every element is finite.

use super::Finish;
use super::accumulator::{Accumulator, State};
use super::element::Float;
use super::exact::{FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY};
use super::lanes::Cell;
use crate::nd::DType;
use half::{bf16, f16};

/// Why a result of a reduction is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// NaN, because nothing but NaN that is left out was there.
    Hollow,
    /// NaN, of finite elements or of none.
    Nan,
    /// An infinity, of finite elements.
    Infinity,
}

impl Accumulator {
    /// How many of the outputs `from..` are no number, and why, of what [`Accumulator::finish`] wrote for them to `out`. Sums that
    /// are not exact do not know what their elements were: of those only what is hollow counts.
    #[must_use]
    pub fn outcomes(&self, what: Finish, dtype: DType, from: usize, out: &[u8]) -> [(Outcome, usize); 3] {
        let (nan, infinite) = match dtype {
            _ if !Self::is_told(what) => (0, 0),
            DType::F16 => self.news::<f16>(what, from, out.as_chunks().0),
            DType::BF16 => self.news::<bf16>(what, from, out.as_chunks().0),
            DType::F32 => self.news::<f32>(what, from, out.as_chunks().0),
            DType::F64 => self.news::<f64>(what, from, out.as_chunks().0),
            _ => (0, 0),
        };
        let hollow = self.hollow_outputs(what, from, out.len() / dtype.size());
        [(Outcome::Hollow, hollow), (Outcome::Nan, nan), (Outcome::Infinity, infinite)]
    }

    /// Whether a result is computed, not found among the elements.
    fn is_told(what: Finish) -> bool {
        use Finish::{Average, Corr, Cov, Dot, Matmul, Mean, Norm, Prod, Std, Sum, Var};
        matches!(what.plain(), Sum | Mean | Var { .. } | Std { .. } | Norm | Prod | Average | Cov { .. } | Corr | Dot | Matmul)
    }

    fn news<T: Float>(&self, what: Finish, from: usize, results: &[T::Bytes]) -> (usize, usize) {
        let (mut nan, mut infinite) = (0, 0);
        for (at, &result) in results.iter().enumerate() {
            let result = <T as Cell>::read(result).widen();
            if !result.is_finite() && self.took_finite(from + at) {
                // What is NaN where NaN is left out is hollow.
                nan += usize::from(result.is_nan() && !what.skips_nan());
                infinite += usize::from(result.is_infinite());
            }
        }
        (nan, infinite)
    }

    /// Whether all that came to an output is known to be finite.
    fn took_finite(&self, at: usize) -> bool {
        match &self.state {
            State::Exact(state) => state.flags[at] & (FLAG_NAN | FLAG_INFINITY | FLAG_NEGATIVE_INFINITY) == 0,
            State::Pairs(pairs) => pairs.parts().all(|part| part.took_finite(at)),
            State::Products(state) => state.took_finite(at),
            State::Whole(_) | State::WholeProducts(_) => true,
            _ => false,
        }
    }

    /// How many of the outputs `from..from + count` have no number to finish into `what`, so that it is NaN: in a reduction that
    /// leaves out NaN, and is not a sum or product, those of nothing but NaN.
    #[must_use]
    pub(super) fn hollow_outputs(&self, what: Finish, from: usize, count: usize) -> usize {
        let ddof = match what {
            Finish::NanMean | Finish::NanMin | Finish::NanMax => 0,
            Finish::NanVar { ddof } | Finish::NanStd { ddof } => ddof,
            _ => return 0,
        };
        let counted = matches!(self.state, State::Exact(_) | State::Compensated(_));
        (from..from + count).filter(|&at| if counted { self.count(at) <= ddof } else { self.is_hollow(at) }).count()
    }

    /// Whether nothing but NaN that is skipped came to an output of extremes or places.
    pub(super) fn is_hollow(&self, at: usize) -> bool {
        macro_rules! of {
            ($t:ty) => {
                match &self.state {
                    State::Extremes(state) => state.is_hollow::<$t>(at),
                    State::Places(state) => state.is_hollow::<$t>(at),
                    _ => false,
                }
            };
        }
        self.kind.skips_nan()
            && match self.dtype {
                DType::F16 => of!(f16),
                DType::BF16 => of!(bf16),
                DType::F32 => of!(f32),
                DType::F64 => of!(f64),
                _ => false,
            }
    }
}
