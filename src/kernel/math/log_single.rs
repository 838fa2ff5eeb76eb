//! log, log2, log10, log1p of `f32`, in `f32`: `log(1 + f) = c f + f^2 P(f)` for `1 + f` from 0.75 to 1.5.

use super::{
    coefficients::*,
    real::Single,
    single::{polynomial, two_sum},
};

/// What a base has: its tables, the coefficients, the inverse of its natural logarithm, and the logarithm of 2.
struct Base {
    heads: &'static [f32; 16],
    rests: &'static [f32; 16],
    series: [f32; 4],
    scale: [f32; 2],
    of_2: [f32; 2],
}

const NATURAL: Base = Base { heads: &LOG_HEADS_F32, rests: &LOG_RESTS_F32, series: LOG_F32, scale: LOG_SCALE_F32, of_2: LOG_OF_2_F32 };
const TWO: Base = Base { heads: &LOG2_HEADS_F32, rests: &LOG2_RESTS_F32, series: LOG2_F32, scale: LOG2_SCALE_F32, of_2: LOG2_OF_2_F32 };
const TEN: Base =
    Base { heads: &LOG10_HEADS_F32, rests: &LOG10_RESTS_F32, series: LOG10_F32, scale: LOG10_SCALE_F32, of_2: LOG10_OF_2_F32 };

/// A positive number as `2^k (1 + r) / c`: `k`, `r`, and where `c` is in the tables.
#[inline(always)]
fn reduce<V: Single>(x: V) -> (V, V, V) {
    let mantissa = x.mantissa();
    let place = mantissa.bits_right(19);
    (x.exponent(), mantissa.mul_add(place.lookup(&RECIPROCALS_F32), V::of(-1.0)), place)
}

/// The logarithm of `2^k (1 + r) / c`, and `low` more.
#[inline(always)]
fn evaluate<V: Single>((k, r, place): (V, V, V), low: Option<V>, base: &'static Base) -> V {
    let head = k.mul_add(V::of(base.of_2[0]), place.lookup(base.heads));
    let rest = place.lookup(base.rests);
    let rest = low.map_or(rest, |low| rest + low);
    let rest = if base.of_2[1] == 0.0 { rest } else { k.mul_add(V::of(base.of_2[1]), rest) };
    let rest = if base.scale[1] == 0.0 { rest } else { r.mul_add(V::of(base.scale[1]), rest) };
    let tail = polynomial(&base.series, r).mul_add(r * r, rest);
    // The head is none, or twice the rest and more.
    head + r.mul_add(V::of(base.scale[0]), tail)
}

#[inline(always)]
fn logarithm<V: Single>(x: V, base: &'static Base) -> V {
    evaluate(reduce(x), None, base).or_special_logarithm(x)
}

/// Natural logarithm.
#[inline(always)]
pub(crate) fn log_single<V: Single>(x: V) -> V {
    logarithm(x, &NATURAL)
}

/// Logarithm to base 2.
#[inline(always)]
pub(crate) fn log2_single<V: Single>(x: V) -> V {
    logarithm(x, &TWO)
}

/// Logarithm to base 10.
#[inline(always)]
pub(crate) fn log10_single<V: Single>(x: V) -> V {
    logarithm(x, &TEN)
}

/// `extra ln 2 + log(u + rest)` of a positive number and what is small beside it.
#[inline(always)]
pub(super) fn log_of_sum_single<V: Single>(u: V, rest: V, extra: Option<V>) -> V {
    let (k, n, place) = reduce(u);
    // 2^-k, or nothing where it leaves the range: there the rest is none.
    let power = V::of_bits(0x7f00_0000).bits_subtract(u.bit_and(V::of_bits(0x7f80_0000)));
    let rest = rest * power * place.lookup(&RECIPROCALS_F32);
    let r = n + rest;
    // What the sum lost counts by the derivative 1 / (1 + r), nearly 1.
    let low = rest - (r - n);
    let k = extra.map_or(k, |extra| k + extra);
    evaluate((k, r, place), Some(low), &NATURAL)
}

/// `log(1 + x)`, accurate near zero.
#[inline(always)]
pub(crate) fn log1p_single<V: Single>(x: V) -> V {
    let (u, rest) = two_sum(V::of(1.0), x);
    let result = log_of_sum_single(u, rest, None).or_special_logarithm(u);
    // The result has the sign of the argument: that of a zero is not in the sum.
    result.bit_or(x.bit_and(V::of(-0.0)))
}

/// `log_single` of one number.
#[must_use]
pub fn log_f32(x: f32) -> f32 {
    log_single(x)
}

/// `log2_single` of one number.
#[must_use]
pub fn log2_f32(x: f32) -> f32 {
    log2_single(x)
}

/// `log10_single` of one number.
#[must_use]
pub fn log10_f32(x: f32) -> f32 {
    log10_single(x)
}

/// `log1p_single` of one number.
#[must_use]
pub fn log1p_f32(x: f32) -> f32 {
    log1p_single(x)
}
