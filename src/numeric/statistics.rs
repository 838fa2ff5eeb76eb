//! Statistics of exact sums of products: each is one rounding of an exact number, or of the root of one.
//!
//! With `n` elements, sums `X` and `Y`, sums of squares, of products `P` and of powers `S3` and `S4`:
//!
//! | statistic | is |
//! |---|---|
//! | norm | `sqrt(sum of squares)` |
//! | weighted mean | `P / W`, `W` the sum of the weights |
//! | covariance | `(n P - X Y) / (n (n - ddof))` |
//! | correlation | `C / sqrt(A B)` with `C = n P - X Y` and `A`, `B` the same of one operand with itself |
//! | skew | `(n^2 S3 - 3 n S1 S2 + 2 S1^3) / D^(3/2)` with `D = n S2 - S1^2` |
//! | kurtosis | `(n^3 S4 - 4 n^2 S1 S3 + 6 n S1^2 S2 - 3 S1^4) / D^2 - 3` |

use super::accumulator::{Accumulator, State};
use super::exact::{FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, Superaccumulator};
use super::finish::{Total, exact_total, round_total};
use super::round::{Exact, FloatFormat, write_bits};
use super::{AccumulatorKind, Statistic};
use crate::error::{Error, Result};
use crate::nd::DType;

impl Accumulator {
    /// Writes `what` of the outputs `from..from + count` to `out`, as native elements of the float `dtype`.
    ///
    /// What does not exist is NaN: a covariance of `n <= ddof`, a correlation, skew or kurtosis of a constant, a mean whose weights
    /// sum to zero; so is all but a norm and a dot product of what is not finite.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where the accumulator does not finish as that, [`crate::ErrorKind::Refused`] where the reserve
    /// of its exact sums was spent.
    pub fn finish_statistic(&self, what: Statistic, dtype: DType, from: usize, count: usize, out: &mut [u8]) -> Result<()> {
        let end = from.checked_add(count).filter(|end| *end <= self.outputs);
        if end.is_none() || out.len() != count * dtype.size() {
            return Err(Error::internal(format!("outputs {from}..{from}+{count} of {} into {} bytes", self.outputs, out.len())));
        }
        let refusal = || Error::usage(format!("{:?} of {} does not finish as {what:?} into {dtype}", self.kind, self.dtype));
        let format = FloatFormat::of(dtype).ok_or_else(refusal)?;
        for (at, element) in (from..).zip(out.chunks_exact_mut(dtype.size())) {
            if let State::Exact(state) = &self.state {
                state.check(at)?;
            }
            let bits = match &self.state {
                State::Products(states) => {
                    states.iter().try_for_each(|state| state.check(at))?;
                    of_products(self.kind, states, what, format, at)
                }
                _ if what == Statistic::Norm && matches!(self.kind, AccumulatorKind::Moments(_)) => Some(self.norm(format, at)),
                _ => None,
            };
            write_bits(bits.ok_or_else(refusal)?, element);
        }
        Ok(())
    }

    fn norm(&self, format: FloatFormat, at: usize) -> u64 {
        match (self.total(at), self.squares(at)) {
            (Total::Nan, _) if !self.took_infinities_only(at) => format.nan(),
            (Total::Finite(_) | Total::NegativeZero, Some(squares)) => squares.round_sqrt(1, format),
            _ => format.infinity(false),
        }
    }

    /// Whether a sum that is not a number is so because of infinities of both signs.
    fn took_infinities_only(&self, at: usize) -> bool {
        matches!(&self.state, State::Exact(state) if state.flags[at] & FLAG_NAN == 0)
    }
}

/// The sum of one output and whether all its elements were finite.
fn finite(state: &Superaccumulator, at: usize, squares: bool) -> Option<Exact> {
    let special = FLAG_NAN | FLAG_INFINITY | FLAG_NEGATIVE_INFINITY;
    (state.flags[at] & special == 0).then(|| state.value(at, squares))
}

/// `None` if the kind has no such statistic.
fn of_products(kind: AccumulatorKind, states: &[Superaccumulator], what: Statistic, format: FloatFormat, at: usize) -> Option<u64> {
    let made = match (kind, states, what) {
        (AccumulatorKind::Dot, [products], Statistic::Dot) => return Some(round_total(exact_total(products, at), 1, format)),
        (AccumulatorKind::Weighted, [products, weights], Statistic::WeightedMean) => weighted_mean(products, weights, format, at),
        (AccumulatorKind::Comoments, [products, a, b], Statistic::Cov { ddof }) => covariance(products, [a, b], ddof, format, at),
        (AccumulatorKind::Comoments, [products, a, b], Statistic::Corr) => correlation(products, [a, b], format, at),
        (AccumulatorKind::Powers, [moments, thirds, _], Statistic::Skew) => skew(moments, thirds, format, at),
        (AccumulatorKind::Powers, [moments, thirds, fourths], Statistic::Kurtosis) => kurtosis(moments, [thirds, fourths], format, at),
        _ => return None,
    };
    Some(made.unwrap_or(format.nan()))
}

fn weighted_mean(products: &Superaccumulator, weights: &Superaccumulator, format: FloatFormat, at: usize) -> Option<u64> {
    let (sum, weight) = (finite(products, at, false)?, finite(weights, at, false)?);
    sum.round_ratio(&weight, format)
}

/// `n P - X Y`.
fn joint_deviation(products: &Superaccumulator, [a, b]: [&Superaccumulator; 2], at: usize) -> Option<Exact> {
    let product = finite(a, at, false)?.multiply(&finite(b, at, false)?);
    Some(finite(products, at, false)?.times(a.counts[at]).subtract(&product))
}

/// `n S2 - S1^2`.
fn deviation(moments: &Superaccumulator, at: usize) -> Option<Exact> {
    Some(finite(moments, at, false)?.deviation(&moments.value(at, true), moments.counts[at]))
}

fn covariance(products: &Superaccumulator, of: [&Superaccumulator; 2], ddof: u64, format: FloatFormat, at: usize) -> Option<u64> {
    let count = of[0].counts[at];
    let joint = joint_deviation(products, of, at)?;
    (count > ddof).then(|| joint.round(u128::from(count) * u128::from(count - ddof), format))
}

fn correlation(products: &Superaccumulator, of: [&Superaccumulator; 2], format: FloatFormat, at: usize) -> Option<u64> {
    let joint = joint_deviation(products, of, at)?;
    let both = deviation(of[0], at)?.multiply(&deviation(of[1], at)?);
    joint.multiply(&joint).round_ratio_root(&both, joint.negative, format)
}

fn skew(moments: &Superaccumulator, thirds: &Superaccumulator, format: FloatFormat, at: usize) -> Option<u64> {
    let (count, sum, squares) = (moments.counts[at], finite(moments, at, false)?, moments.value(at, true));
    let deviation = deviation(moments, at)?;
    let central = thirds.value(at, false).times(count).times(count);
    let central = central.subtract(&sum.multiply(&squares).times(count).times(3)).add(&sum.multiply(&sum).multiply(&sum).times(2));
    let cube = deviation.multiply(&deviation).multiply(&deviation);
    central.multiply(&central).round_ratio_root(&cube, central.negative, format)
}

fn kurtosis(moments: &Superaccumulator, [thirds, fourths]: [&Superaccumulator; 2], format: FloatFormat, at: usize) -> Option<u64> {
    let (count, sum, squares) = (moments.counts[at], finite(moments, at, false)?, moments.value(at, true));
    let deviation = deviation(moments, at)?;
    let square = sum.multiply(&sum);
    let central = fourths.value(at, false).times(count).times(count).times(count);
    let central = central.subtract(&sum.multiply(&thirds.value(at, false)).times(count).times(count).times(4));
    let central = central.add(&square.multiply(&squares).times(count).times(6)).subtract(&square.multiply(&square).times(3));
    let scale = deviation.multiply(&deviation);
    central.subtract(&scale.times(3)).round_ratio(&scale, format)
}
