//! From states to results: every statistic is one rounding of an exact number.
//!
//! With `n` elements, sum `S` and sum of squares `Q`: the mean is `S/n`, the variance `(n Q - S^2) / (n (n - ddof))`,
//! the standard deviation its root. Exact states and integers hold the true `S` and `Q`; compensated states hold
//! pairs that are taken as they are, so there a variance can only be as good as they, and is clamped at 0.

use super::accumulator::{Accumulator, State};
use super::compensated::Compensated;
use super::exact::{self, FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, Superaccumulator};
use super::order::{Extremes, Keyed};
use super::places::Places;
use super::round::{Exact, FloatFormat, write_bits};
use super::whole::WholeSums;
use super::{AccumulatorKind, Finish, element::Truth};
use crate::error::{Error, Result};
use crate::nd::DType;
use half::{bf16, f16};

/// A sum before rounding.
pub(super) enum Total {
    Finite(Exact),
    NegativeZero,
    Infinity { negative: bool },
    Nan,
}

impl Total {
    /// The sum divided by `divisor`, rounded once.
    pub(super) fn round(self, divisor: u128, format: FloatFormat) -> u64 {
        round_total(self, divisor, format)
    }

    fn from_f64(value: f64) -> Self {
        if value.is_nan() { Total::Nan } else { Total::Infinity { negative: value < 0.0 } }
    }
}

impl Accumulator {
    /// Writes `what` of the outputs `from..from + count` to `out`, as native elements of `dtype`.
    ///
    /// Sum, mean, variance and standard deviation finish into any float dtype, rounded once; sums of integers and
    /// bools also into any integer dtype. Minimum and maximum finish into the dtype of the elements, any and all into
    /// `bool`, counts and the first false index into `i64`. An empty mean is NaN, as is a variance of `n <= ddof`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] where an integer sum leaves `dtype`, or a minimum or maximum has no elements;
    /// [`crate::ErrorKind::Usage`] where the accumulator does not finish into that.
    pub fn finish(&self, what: Finish, dtype: DType, from: usize, count: usize, out: &mut [u8]) -> Result<()> {
        if from.checked_add(count).is_none_or(|end| end > self.outputs) {
            return Err(Error::internal(format!("outputs {from}..{from}+{count} of {}", self.outputs)));
        }
        if let Finish::State { kind } = what {
            return self.write_states(kind, from, count, out);
        }
        if out.len() != count * dtype.size() {
            return Err(Error::internal(format!("{} bytes for {count} elements of {dtype}", out.len())));
        }
        let exact = match &self.state {
            State::Exact(state) if what.skips_nan() == self.kind.skips_nan() => FloatFormat::of(dtype).map(|format| (state, format)),
            _ => None,
        };
        for (step, element) in out.chunks_exact_mut(dtype.size()).enumerate() {
            // Most results are these, and there may be as many as elements.
            let quick = exact.and_then(|(state, format)| exact::statistic(state, what.plain(), format, from + step));
            let bits = if let Some(bits) = quick { bits } else { self.finish_one(what, dtype, from + step)? };
            write_bits(bits, element);
        }
        Ok(())
    }

    fn finish_one(&self, what: Finish, dtype: DType, at: usize) -> Result<u64> {
        // There is no nan-norm to ask for; sums of squares without NaN have one.
        if what != Finish::Norm && what.skips_nan() != self.kind.skips_nan() {
            return Err(self.refusal(what, dtype));
        }
        self.check(at)?;
        let (kind, asked) = (self.kind.plain(), what);
        let what = what.plain();
        if let (State::Extremes(state), true, Some(format)) = (&self.state, self.empty_is_nan, FloatFormat::of(dtype))
            && state.seen[at] == 0
        {
            return Ok(format.nan());
        }
        match (&self.state, what, dtype) {
            (State::Extremes(state), Finish::Min, _) if kind == AccumulatorKind::Min && dtype == self.dtype => {
                extreme(state, dtype, at, true)
            }
            (State::Extremes(state), Finish::Max, _) if kind == AccumulatorKind::Max && dtype == self.dtype => {
                extreme(state, dtype, at, false)
            }
            (State::Places(state), Finish::ArgMin, DType::I64) if kind == AccumulatorKind::ArgMin => self.place(state, asked, at),
            (State::Places(state), Finish::ArgMax, DType::I64) if kind == AccumulatorKind::ArgMax => self.place(state, asked, at),
            (State::Products(state), Finish::Prod, _) => {
                Ok(state.bits(at, FloatFormat::of(dtype).ok_or_else(|| self.refusal(what, dtype))?))
            }
            (State::Pairs(pairs), _, _) => self.finish_pairs(pairs, what, dtype, at),
            (State::WholeProducts(state), Finish::Prod, _) if dtype.is_integer() => integer_product(state.value(at), dtype),
            (State::Truths(state), Finish::Any, DType::Bool) => Ok(u64::from(state.nonzero[at] > 0)),
            (State::Truths(state), Finish::All, DType::Bool) => Ok(u64::from(state.nonzero[at] == state.counts[at])),
            (State::Truths(state), Finish::CountNonzero, DType::I64) => Ok(state.nonzero[at]),
            (State::FirstZero(state), Finish::FirstFalse, DType::I64) => {
                let index = state.indices[at];
                Ok(if index == i64::MAX { -1_i64 } else { index } as u64)
            }
            (State::Tallies(state), Finish::Count, DType::I64) => Ok(state.count(at)),
            (State::Distinct(state), Finish::ApproxDistinct, DType::I64) => Ok(state.estimate(at)),
            (State::Sketch(state), Finish::ApproxQuantile { bits }, _) => {
                let format = FloatFormat::of(dtype).ok_or_else(|| self.refusal(what, dtype))?;
                Ok(plain(state.quantile(at, f64::from_bits(bits)), format))
            }
            (State::Whole(state), Finish::Sum, _) if dtype.is_integer() => {
                integer_sum(Some(state.sums[at]), dtype, "sum into a wider dtype, or into f64")
            }
            // Of a product of integers, whose sums are whole numbers.
            (State::Exact(_), Finish::Matmul, _) if dtype.is_integer() => match self.total(at) {
                Total::Finite(sum) => integer_sum(sum.integer(), dtype, OF_PRODUCT),
                Total::NegativeZero => Ok(0),
                Total::Infinity { .. } | Total::Nan => Err(self.refusal(what, dtype)),
            },
            (
                State::Exact(_) | State::Compensated(_) | State::Whole(_),
                Finish::Sum | Finish::Mean | Finish::Var { .. } | Finish::Std { .. } | Finish::Norm,
                _,
            ) => {
                let format = FloatFormat::of(dtype).ok_or_else(|| self.refusal(what, dtype))?;
                self.statistic(what, format, at).ok_or_else(|| self.refusal(what, dtype))
            }
            _ => Err(self.refusal(what, dtype)),
        }
    }

    /// An error if an exact sum of the output was lost.
    pub(super) fn check(&self, at: usize) -> Result<()> {
        match &self.state {
            State::Exact(state) => state.check(at),
            State::Pairs(pairs) => pairs.parts().try_for_each(|part| part.check(at)),
            _ => Ok(()),
        }
    }

    fn place(&self, state: &Places, asked: Finish, at: usize) -> Result<u64> {
        if state.indices[at] == i64::MAX {
            return Err(Error::data(format!("{} of no elements (output {at} is empty) does not exist", asked.name())));
        }
        if self.is_hollow(at) {
            let error = Error::data(format!("{} of nothing but NaN (output {at}) does not exist", asked.name()));
            return Err(error.hint("replace NaN first, or leave out such slices"));
        }
        Ok(state.indices[at] as u64)
    }

    pub(super) fn refusal(&self, what: Finish, dtype: DType) -> Error {
        Error::usage(format!("{:?} of {} does not finish as {what:?} into {dtype}", self.kind, self.dtype))
    }

    /// The bits of a statistic in `format`; `None` if the state lacks the squares for it.
    pub(super) fn statistic(&self, what: Finish, format: FloatFormat, at: usize) -> Option<u64> {
        if let Some(quick) = self.quick_statistic(what, format, at) {
            return Some(quick);
        }
        let count = self.count(at);
        let (ddof, root) = match what {
            Finish::Sum => return Some(round_total(self.total(at), 1, format)),
            Finish::Mean if count == 0 => return Some(format.nan()),
            Finish::Mean => return Some(round_total(self.total(at), u128::from(count), format)),
            Finish::Var { ddof } => (ddof, false),
            Finish::Std { ddof } => (ddof, true),
            Finish::Norm => return self.norm(format, at),
            _ => return None,
        };
        if !matches!(self.kind.plain(), AccumulatorKind::Moments(_)) {
            return None;
        }
        if count <= ddof {
            return Some(format.nan());
        }
        let sum = match self.total(at) {
            Total::Finite(sum) => sum,
            Total::NegativeZero => Exact::default(),
            Total::Infinity { .. } | Total::Nan => return Some(format.nan()),
        };
        let Some(squares) = self.squares(at) else {
            return Some(format.infinity(false)); // the squares of finite elements left the range of the mode
        };
        let deviation = sum.deviation(&squares, count);
        if deviation.is_zero() || deviation.negative {
            return Some(format.zero(false));
        }
        let divisor = u128::from(count) * u128::from(count - ddof);
        Some(if root { deviation.round_sqrt(divisor, format) } else { deviation.round(divisor, format) })
    }

    /// The root of the sum of squares, if there is one.
    fn norm(&self, format: FloatFormat, at: usize) -> Option<u64> {
        if !matches!(self.kind.plain(), AccumulatorKind::Moments(_)) {
            return None;
        }
        let [nan, infinite] = match &self.state {
            State::Exact(state) => {
                let has = |flags| state.flags[at] & flags != 0;
                [has(FLAG_NAN), has(FLAG_INFINITY | FLAG_NEGATIVE_INFINITY)]
            }
            State::Compensated(state) => [state.parts[2][at].is_nan(), state.parts[2][at].is_infinite()],
            _ => [false; 2],
        };
        Some(match self.squares(at) {
            _ if nan => format.nan(),
            Some(squares) if !infinite => squares.round_sqrt(1, format),
            _ => format.infinity(false),
        })
    }

    /// Whether nothing at all came to an output of an exact sum of floats.
    pub(super) fn is_untouched(&self, at: usize) -> bool {
        matches!(&self.state, State::Exact(state) if state.flags[at] == 0)
    }

    /// The exact sum of integers.
    pub(super) fn whole_sum(&self, at: usize) -> Option<i128> {
        if let State::Whole(state) = &self.state { Some(state.sums[at]) } else { None }
    }

    /// Any statistic of an exact state that lies in its window; the sum of a compensated state, rounded once, or its f32 mean,
    /// divided in f64: a few float operations instead of big integers. `None` where the long way has to decide.
    fn quick_statistic(&self, what: Finish, format: FloatFormat, at: usize) -> Option<u64> {
        let state = match &self.state {
            State::Exact(state) => return exact::statistic(state, what, format, at),
            State::Compensated(state) => state,
            _ => return None,
        };
        let (sum, rest) = (state.parts[0][at], state.parts[1][at]);
        let total = sum + rest;
        if !(total.is_normal() && rest.abs() <= sum.abs()) {
            return None;
        }
        let lost = rest - (total - sum);
        match what {
            Finish::Sum => format.round_pair(total, lost),
            Finish::Mean if format != FloatFormat::of(DType::F64)? => {
                let divisor = state.counts[at] as f64;
                format.round_pair(total / divisor + lost / divisor, 0.0)
            }
            _ => None,
        }
    }

    /// Elements absorbed into one output.
    pub(super) fn count(&self, at: usize) -> u64 {
        match &self.state {
            State::Exact(state) => state.counts[at],
            State::Compensated(state) => state.counts[at],
            State::Whole(state) => state.counts[at],
            State::Truths(state) => state.counts[at],
            State::Tallies(state) => state.count(at),
            _ => 0,
        }
    }

    pub(super) fn total(&self, at: usize) -> Total {
        match &self.state {
            State::Exact(state) => exact_total(state, at),
            State::Compensated(state) => compensated_total(state, at),
            State::Whole(state) => Total::Finite(Exact::from_i128(state.sums[at])),
            _ => Total::Nan,
        }
    }

    /// The sum of squares of one output, if it is finite.
    pub(super) fn squares(&self, at: usize) -> Option<Exact> {
        match &self.state {
            State::Exact(state) => Some(state.value(at, true)),
            State::Compensated(state) => state.value(at, true).ok(),
            State::Whole(state) => Some(whole_squares(state, at)),
            _ => None,
        }
    }
}

/// A float in another format, rounded once.
fn plain(value: f64, format: FloatFormat) -> u64 {
    let finite = || if value == 0.0 { Total::Finite(Exact::default()) } else { Total::Finite(Exact::from_f64(value)) };
    round_total(if value.is_finite() { finite() } else { Total::from_f64(value) }, 1, format)
}

fn exact_total(state: &Superaccumulator, at: usize) -> Total {
    let flags = state.flags[at];
    let (up, down) = (flags & FLAG_INFINITY != 0, flags & FLAG_NEGATIVE_INFINITY != 0);
    if flags & FLAG_NAN != 0 || up && down {
        Total::Nan
    } else if up || down {
        Total::Infinity { negative: down }
    } else if flags & FLAG_NOT_NEGATIVE_ZERO == 0 && state.counts[at] > 0 {
        Total::NegativeZero
    } else {
        Total::Finite(state.value(at, false))
    }
}

fn compensated_total(state: &Compensated, at: usize) -> Total {
    match state.value(at, false) {
        Err(special) => Total::from_f64(special),
        Ok(sum) if sum.is_zero() && state.parts[0][at].is_sign_negative() && state.counts[at] > 0 => Total::NegativeZero,
        Ok(sum) => Total::Finite(sum),
    }
}

fn whole_squares(state: &WholeSums, at: usize) -> Exact {
    Exact { negative: false, magnitude: super::big::Big::from_limbs(state.squares[at].to_vec()), exponent: 0 }
}

fn round_total(total: Total, divisor: u128, format: FloatFormat) -> u64 {
    match total {
        Total::Finite(value) => value.round(divisor, format),
        Total::NegativeZero => format.zero(true),
        Total::Infinity { negative } => format.infinity(negative),
        Total::Nan => format.nan(),
    }
}

/// The smallest and the largest integer of a dtype.
pub(super) fn bounds(dtype: DType) -> (i128, i128) {
    let bits = dtype.size() as u32 * 8;
    if dtype.is_unsigned() { (0, (1_i128 << bits) - 1) } else { (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1) }
}

fn integer_product(product: Option<i128>, dtype: DType) -> Result<u64> {
    let (low, high) = bounds(dtype);
    match product {
        Some(product) if (low..=high).contains(&product) => Ok(product as u64),
        _ => {
            let value = product.map_or_else(|| "of more than 64 bits".to_string(), |product| product.to_string());
            Err(Error::data(format!("the product {value} is outside of {dtype} ({low} to {high})"))
                .hint("prod(x, dtype=f64), or cast first"))
        }
    }
}

/// A sum (`None`: beyond `2^127`) as an integer.
fn integer_sum(sum: Option<i128>, dtype: DType, hint: &str) -> Result<u64> {
    let (low, high) = bounds(dtype);
    match sum {
        Some(sum) if (low..=high).contains(&sum) => Ok(sum as u64),
        _ => {
            let value = sum.map_or_else(|| "of more than 127 bits".to_string(), |sum| sum.to_string());
            Err(Error::data(format!("the sum {value} is outside of {dtype} ({low} to {high})")).hint(hint))
        }
    }
}

/// What to do where a product of matrices has a sum that does not fit.
const OF_PRODUCT: &str = "cast both sides to a wider dtype first, or to f64";

/// Writes a sum of a product (`None`: beyond `2^127`) as a native element of an integer `dtype`.
pub(crate) fn write_integer(sum: Option<i128>, dtype: DType, out: &mut [u8]) -> Result<()> {
    write_bits(integer_sum(sum, dtype, OF_PRODUCT)?, out);
    Ok(())
}

fn extreme(state: &Extremes, dtype: DType, at: usize, smallest: bool) -> Result<u64> {
    fn of<T: Keyed>(state: &Extremes, at: usize, smallest: bool) -> Option<u64> {
        state.bits::<T>(at, smallest)
    }
    let bits = match dtype {
        DType::Bool => of::<Truth>(state, at, smallest),
        DType::I8 => of::<i8>(state, at, smallest),
        DType::I16 => of::<i16>(state, at, smallest),
        DType::I32 => of::<i32>(state, at, smallest),
        DType::I64 => of::<i64>(state, at, smallest),
        DType::U8 => of::<u8>(state, at, smallest),
        DType::U16 => of::<u16>(state, at, smallest),
        DType::U32 => of::<u32>(state, at, smallest),
        DType::U64 => of::<u64>(state, at, smallest),
        DType::F16 => of::<f16>(state, at, smallest),
        DType::BF16 => of::<bf16>(state, at, smallest),
        DType::F32 => of::<f32>(state, at, smallest),
        DType::F64 => of::<f64>(state, at, smallest),
    };
    let name = if smallest { "minimum" } else { "maximum" };
    bits.ok_or_else(|| Error::data(format!("the {name} of no elements (output {at} is empty) does not exist")))
}
