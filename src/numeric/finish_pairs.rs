//! From sums over pairs to results: one rounding of an exact number each.
//!
//! With `n` pairs and the sums `A`, `B`, `AB`, `AA`, `BB`: a mean with weights is `AB/B`, the covariance
//! `(n AB - A B) / (n (n - ddof))`, and the correlation the root, with its sign, of
//! `(n AB - A B)^2 / ((n AA - A^2) (n BB - B^2))`, which is never above 1, and 1 for an array and itself.

use super::accumulator::Accumulator;
use super::finish::{Total, bounds};
use super::pairs::{PRODUCTS, Pairs, SCALE};
use super::round::{Exact, FloatFormat};
use super::{AccumulatorKind, Finish};
use crate::error::{Error, Result};
use crate::nd::DType;

impl Accumulator {
    /// The bits of `what` of one output of sums over pairs.
    pub(super) fn finish_pairs(&self, pairs: &Pairs, what: Finish, dtype: DType, at: usize) -> Result<u64> {
        let fits = match what {
            Finish::Dot => true,
            Finish::Average => matches!(self.kind, AccumulatorKind::Weighted(_)),
            Finish::Cov { .. } | Finish::Corr => matches!(self.kind, AccumulatorKind::Comoments(_)),
            _ => false,
        };
        if !fits {
            return Err(self.refusal(what, dtype));
        }
        if what == Finish::Dot && dtype.is_integer() {
            return integer_dot(pairs, dtype, at).ok_or_else(|| self.refusal(what, dtype))?;
        }
        let format = FloatFormat::of(dtype).ok_or_else(|| self.refusal(what, dtype))?;
        match what {
            Finish::Dot => Ok(dot(pairs, format, at)),
            Finish::Average => average(pairs, format, at),
            Finish::Cov { ddof } => Ok(covariance(pairs, ddof, format, at)),
            _ => Ok(correlation(pairs, format, at)),
        }
    }
}

/// The exact sum of products of one output.
fn products(pairs: &Pairs, dtype: DType, at: usize) -> Total {
    let Some(first) = pairs.product(0) else { return Total::Nan };
    let mut total = match first.total(at) {
        Total::Finite(total) => total,
        Total::NegativeZero => Exact::default(),
        special => return special,
    };
    for place in 1..PRODUCTS {
        let Some(part) = pairs.product(place) else { continue };
        if part.is_untouched(at) {
            continue;
        }
        if let Total::Finite(part) = part.total(at) {
            let up = match (dtype.is_float(), place) {
                (false, _) => 64,
                (true, 1) => SCALE,
                (true, _) => -SCALE,
            };
            total = total.add(&Exact { exponent: part.exponent + up, ..part });
        }
    }
    Total::Finite(total)
}

fn pairs_dtype(pairs: &Pairs) -> DType {
    pairs.product(0).map_or(DType::F64, Accumulator::dtype)
}

fn dot(pairs: &Pairs, format: FloatFormat, at: usize) -> u64 {
    let others = (1..PRODUCTS).filter_map(|place| pairs.product(place));
    if others.into_iter().all(|part| part.is_untouched(at))
        && let Some(sum) = pairs.product(0).and_then(|part| part.statistic(Finish::Sum, format, at))
        // The sign of a zero is that of what was rounded to it, and not kept of zeros.
        && sum != format.zero(true)
    {
        return sum;
    }
    products(pairs, pairs_dtype(pairs), at).round(1, format)
}

fn integer_dot(pairs: &Pairs, dtype: DType, at: usize) -> Option<Result<u64>> {
    let sum = |place: usize| pairs.product(place).and_then(|part| part.whole_sum(at));
    let low = sum(0)?;
    let exact = match pairs.product(1) {
        None => Some(low),
        Some(_) => sum(1)?.checked_mul(1 << 64).and_then(|high| high.checked_add(low)),
    };
    let (least, most) = bounds(dtype);
    Some(match exact {
        Some(exact) if (least..=most).contains(&exact) => Ok(exact as u64),
        _ => {
            let value = exact.map_or_else(|| "of more than 127 bits".to_string(), |exact| exact.to_string());
            Err(Error::data(format!("the sum of products {value} is outside of {dtype} ({least} to {most})"))
                .hint("cast to a wider dtype first, or to f64"))
        }
    })
}

fn average(pairs: &Pairs, format: FloatFormat, at: usize) -> Result<u64> {
    let weights = pairs.right().map_or(Total::Nan, |part| part.total(at));
    let total = products(pairs, pairs_dtype(pairs), at);
    Ok(match (total, weights) {
        (Total::Nan, _) | (_, Total::Nan) | (Total::Infinity { .. }, Total::Infinity { .. }) => format.nan(),
        (_, Total::NegativeZero) => return Err(no_weight(at)),
        (_, Total::Finite(weights)) if weights.is_zero() => return Err(no_weight(at)),
        (_, Total::Infinity { .. }) => format.zero(false),
        (Total::Infinity { negative }, Total::Finite(weights)) => format.infinity(negative != weights.negative),
        (Total::NegativeZero, Total::Finite(_)) => format.zero(false),
        (Total::Finite(total), Total::Finite(weights)) => total.round_ratio(&weights, format),
    })
}

#[cold]
fn no_weight(at: usize) -> Error {
    Error::data(format!("the weights of output {at} add up to zero: their mean does not exist"))
}

/// `n AB - A B`, and `n AA - A^2` and `n BB - B^2`; `None` where an element is not finite.
fn deviations(pairs: &Pairs, at: usize) -> Option<([Exact; 3], u64)> {
    let (left, right) = (pairs.left()?, pairs.right()?);
    let finite = |total: Total| match total {
        Total::Finite(total) => Some(total),
        Total::NegativeZero => Some(Exact::default()),
        _ => None,
    };
    let (a, b, count) = (finite(left.total(at))?, finite(right.total(at))?, left.count(at));
    let both = finite(products(pairs, pairs_dtype(pairs), at))?;
    Some(([a.codeviation(&b, &both, count), a.deviation(&left.squares(at)?, count), b.deviation(&right.squares(at)?, count)], count))
}

fn covariance(pairs: &Pairs, ddof: u64, format: FloatFormat, at: usize) -> u64 {
    match deviations(pairs, at) {
        Some(([both, ..], count)) if count > ddof => both.round(u128::from(count) * u128::from(count - ddof), format),
        _ => format.nan(),
    }
}

fn correlation(pairs: &Pairs, format: FloatFormat, at: usize) -> u64 {
    match deviations(pairs, at) {
        // In the modes that are not exact the parts of a constant may come out below zero.
        Some(([both, left, right], _)) if [&left, &right].iter().all(|part| !part.is_zero() && !part.negative) => {
            let magnitude = both.square().round_ratio_root(&left.multiply(&right), format);
            // What is above 1 in those modes is 1.
            let one = Exact::from_i128(1).round(1, format);
            magnitude.min(one) | format.zero(both.negative)
        }
        _ => format.nan(),
    }
}
