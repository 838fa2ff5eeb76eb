//! The most common finish of an exact state, in a few nanoseconds: sums and means from their leading bits, what takes a root or a difference
//! in pairs of floats, with a bound of the error that says whether the result is the only one that it can round to (Ziv, "Fast evaluation
//! of elementary mathematical functions with correctly rounded last bit", 1991). What is not certain is left to `quick`.

use super::state::Superaccumulator;
use crate::numeric::Finish;
use crate::numeric::round::{FloatFormat, two_sum};

/// Counts whose square is an f64, and differences.
const COUNT_MAX: u64 = 1 << 26;
/// Exponents that are differences of those of windows.
const SHIFT_MAX: i32 = 400;
/// Relative errors of a few operations on pairs of floats: of sums and products, and of what a quotient and a root add.
const PAIR_ERROR: f64 = 1.0 / (1_u128 << 101) as f64;
/// Relative error of a pair without its second float, a division and a root.
const NARROW_ERROR: f64 = 1.0 / (1_u64 << 50) as f64;
/// Where the error is larger than this part of a result, not even narrow formats are certain.
const ERROR_MAX: f64 = 1.0 / (1_u64 << 40) as f64;

/// Two floats, the second below half a unit of the first or so, times two to an exponent, and the relative error.
#[derive(Clone, Copy)]
struct Pair {
    high: f64,
    low: f64,
    exponent: i32,
    error: f64,
}

/// The bits of `what` of one output in `format`, of a window without infinities that holds something; `None` where others decide.
#[inline(always)]
pub(in crate::numeric) fn statistic(state: &Superaccumulator, what: Finish, format: FloatFormat, at: usize) -> Option<u64> {
    let count = state.counts[at];
    let (ddof, root) = match what {
        Finish::Sum => return summed(state, 1, format, at),
        Finish::Mean => return summed(state, count, format, at),
        _ if state.form.widths[1] == 0 => return None,
        Finish::Norm => return squares(state, at)?.root().round(format),
        Finish::Var { ddof } => (ddof, false),
        Finish::Std { ddof } => (ddof, true),
        _ => return None,
    };
    if count <= ddof || count > COUNT_MAX {
        return None;
    }
    let (divisor, pairs) = ((count * (count - ddof)) as f64, deviation(state, count, at)?);
    if format.is_narrow() {
        // What is lost is no part of the result, so that its bound is all that is needed.
        let variance = pairs.high / divisor;
        let (high, exponent) = if root { (variance.sqrt(), pairs.exponent / 2) } else { (variance, pairs.exponent) };
        let found = Pair { high, low: 0.0, exponent, error: pairs.error + NARROW_ERROR }.round(format);
        if found.is_some() {
            return found;
        }
    }
    let variance = pairs.over(divisor);
    if root { variance.root().round(format) } else { variance.round(format) }
}

#[inline(always)]
fn summed(state: &Superaccumulator, divisor: u64, format: FloatFormat, at: usize) -> Option<u64> {
    let sum = state.windows.leading(at, false)?;
    if sum.is_zero() {
        return Some(format.zero(false));
    }
    let (leading, exponent) = sum.over(divisor)?;
    format.pack_normal(sum.negative, leading, exponent)
}

#[inline(always)]
fn squares(state: &Superaccumulator, at: usize) -> Option<Pair> {
    let squares = state.windows.leading(at, true).filter(|squares| !squares.is_zero())?;
    let ([high, low], exponent, error) = squares.twofold();
    Some(Pair { high, low, exponent, error })
}

/// `count` times the sum of squares, less the square of the sum.
#[inline(always)]
fn deviation(state: &Superaccumulator, count: u64, at: usize) -> Option<Pair> {
    let squares = squares(state, at)?;
    let sum = state.windows.leading(at, false)?;
    let ([sum_high, sum_low], exponent, sum_error) = if sum.is_zero() { ([0.0; 2], squares.exponent / 2, 0.0) } else { sum.twofold() };
    let shift = squares.exponent - 2 * exponent;
    if shift.abs() > SHIFT_MAX {
        return None;
    }
    let (count, unit) = (count as f64, f64::from_bits(((1023 + shift) as u64) << 52));
    let counted = product([squares.high * unit, squares.low * unit], [count, 0.0]);
    let square = product([sum_high, sum_low], [sum_high, sum_low]);
    let (high, lost) = two_sum(counted[0], -square[0]);
    // Where most of both cancels, what is low may be more than what is high.
    let (high, low) = two_sum(high, lost + (counted[1] - square[1]));
    let error = (counted[0] * squares.error.max(PAIR_ERROR) + square[0] * (2.0 * sum_error).max(PAIR_ERROR)) * 2.0 / high;
    (high > 0.0 && error < ERROR_MAX).then_some(Pair { high, low, exponent: 2 * exponent, error })
}

/// The product of two numbers in two floats each.
#[inline(always)]
fn product(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    let high = a[0] * b[0];
    [high, a[0].mul_add(b[0], -high) + (a[0] * b[1] + a[1] * b[0])]
}

impl Pair {
    #[inline(always)]
    fn over(self, divisor: f64) -> Pair {
        let high = self.high / divisor;
        let low = ((-high).mul_add(divisor, self.high) + self.low) / divisor;
        Pair { high, low, error: self.error + PAIR_ERROR, ..self }
    }

    /// The root.
    #[inline(always)]
    fn root(self) -> Pair {
        let odd = self.exponent.rem_euclid(2);
        let [square, rest] = [self.high, self.low].map(|part| if odd == 1 { 2.0 * part } else { part });
        let high = square.sqrt();
        let low = ((-high).mul_add(high, square) + rest) / (2.0 * high);
        Pair { high, low, exponent: (self.exponent - odd) / 2, error: self.error + PAIR_ERROR }
    }

    /// The only number that it can round to.
    #[inline(always)]
    fn round(self, format: FloatFormat) -> Option<u64> {
        let error = self.high * self.error;
        format.pack_between(self.high + (self.low - error), self.high + (self.low + error), self.exponent)
    }
}
