//! log, log2, log10, log1p: `x = 2^k m` with `m` in `[sqrt(1/2), sqrt(2))`, `s = (m-1)/(m+1)`,
//! `log m = 2 (s + s^3/3 + s^5/5 + …)`.

use super::{
    LN2_HIGH, LN2_LOW,
    coefficients::*,
    pair::{Pair, divide, fast_two_sum, polynomial, two_sum, wide_polynomial},
    real::{Double, Real},
};

/// Bits of sqrt(1/2), rounded down.
const ROOT_HALF: u64 = 0x3fe6_a09e_0000_0000;

/// Mantissa in `[sqrt(1/2), sqrt(2))` and exponent of a positive finite number; nonsense for others.
#[inline(always)]
pub(super) fn split(x: f64) -> (f64, f64) {
    let small = x < f64::MIN_POSITIVE;
    let scaled = if small { x * 18_014_398_509_481_984.0 } else { x };
    let (mantissa, exponent) = split_normal(scaled);
    (mantissa, if small { exponent - 54.0 } else { exponent })
}

/// As [`split`], of a normal number.
#[inline(always)]
pub(super) fn split_normal(x: f64) -> (f64, f64) {
    let bits = x.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - ROOT_HALF);
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + ROOT_HALF);
    // The exponent as a float without a 64-bit conversion, which AVX2 lacks.
    let biased = f64::from_bits(0x4330_0000_0000_0000 | (bits >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    (mantissa, biased)
}

/// What a logarithm gives where the series does not hold.
#[inline(always)]
pub(super) fn special(x: f64, result: f64) -> f64 {
    let result = if x == f64::INFINITY { x } else { result };
    let result = if x == 0.0 { f64::NEG_INFINITY } else { result };
    if (x < 0.0) | x.is_nan() { f64::NAN } else { result }
}

/// A positive number as `2^k (1 + r) / c`: `k`, `r`, and where `c` is in the tables.
#[inline(always)]
fn reduce<V: Double>(x: V) -> (V, V, V) {
    let mantissa = x.mantissa();
    let place = mantissa.bits_right(48);
    (x.exponent(), mantissa.mul_add(place.lookup(&RECIPROCALS), V::of(-1.0)), place)
}

/// Natural logarithm.
#[inline(always)]
pub(crate) fn log<V: Double>(x: V) -> V {
    let (k, r, place) = reduce(x);
    let head = k.mul_add(V::of(LOG_OF_2[0]), place.lookup(&LOG_HEADS));
    let low = k.mul_add(V::of(LOG_OF_2[1]), place.lookup(&LOG_RESTS));
    let sum = fast_two_sum(head, r);
    let tail = polynomial(&LOG_SERIES, r).mul_add(r * r, low);
    (sum.0 + (sum.1 + tail)).or_special_logarithm(x)
}

/// A logarithm to another base, of which the tables and `scale`, the inverse of its natural logarithm, are.
#[inline(always)]
fn to_base<V: Double>(x: V, scale: [f64; 2], of_2: [f64; 2], heads: &'static [f64; 16], rests: &'static [f64; 16], series: &[f64; 10]) -> V {
    let (k, r, place) = reduce(x);
    let head = k.mul_add(V::of(of_2[0]), place.lookup(heads));
    let rest = place.lookup(rests);
    let rest = if of_2[1] == 0.0 { rest } else { k.mul_add(V::of(of_2[1]), rest) };
    let high = r * V::of(scale[0]);
    let low = r.mul_add(V::of(scale[1]), r.mul_add(V::of(scale[0]), -high)) + rest;
    let sum = fast_two_sum(head, high);
    let tail = wide_polynomial(series, r).mul_add(r * r, low);
    (sum.0 + (sum.1 + tail)).or_special_logarithm(x)
}

/// Logarithm to base 2.
#[inline(always)]
pub(crate) fn log2<V: Double>(x: V) -> V {
    to_base(x, INV_LN2, LOG2_OF_2, &LOG2_HEADS, &LOG2_RESTS, &LOG2_SERIES)
}

/// Logarithm to base 10.
#[inline(always)]
pub(crate) fn log10<V: Double>(x: V) -> V {
    to_base(x, INV_LN10, LOG10_OF_2, &LOG10_HEADS, &LOG10_RESTS, &LOG10_SERIES)
}

/// [`log`] of one number.
#[must_use]
pub fn log_f64(x: f64) -> f64 {
    log(x)
}

/// [`log2`] of one number.
#[must_use]
pub fn log2_f64(x: f64) -> f64 {
    log2(x)
}

/// [`log10`] of one number.
#[must_use]
pub fn log10_f64(x: f64) -> f64 {
    log10(x)
}

/// `k ln 2 + log(1 + f + low)`, `low` far below `f`.
#[inline(always)]
fn log_tail(f: f64, low: f64, k: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let series = polynomial(&LOG_SMALL, z) * z;
    // log(1+f) = f - (f^2/2 - s (f^2/2 + series)): what is rounded is small beside the head, or the last sum is exact.
    let half_square = 0.5 * f * f;
    // The derivative of the logarithm is 1 / (1 + f).
    let low = k.mul_add(LN2_LOW, (-low).mul_add(f, low));
    let correction = s.mul_add(half_square + series, low);
    k.mul_add(LN2_HIGH, f - (half_square - correction))
}

/// `k ln 2 + log((1 + s) / (1 - s))` for `s = n / d`, `|s| <= 0.201`; relative error below 2^-58.
#[inline(always)]
pub(super) fn log_ratio(n: Pair, d: Pair, k: f64) -> Pair {
    let s = divide(n, d);
    let z = s.0 * s.0;
    let tail = polynomial(&LOG, z) * (z * s.0);
    let head = 2.0 * s.0;
    let sum = fast_two_sum(k * LN2_HIGH, head);
    Pair(sum.0, sum.1 + k.mul_add(LN2_LOW, 2.0f64.mul_add(s.1, tail)))
}

/// `extra ln 2 + log(high + low)` of a positive finite normal number and what is small beside it.
#[inline(always)]
pub(super) fn log_sum(high: f64, low: f64, extra: f64) -> f64 {
    let (m, k) = split_normal(high);
    // 2^-k: what is small beside more than 10^30 does not count.
    let place = high.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - ROOT_HALF) & 0x7ff0_0000_0000_0000;
    let power = f64::from_bits(0x7fe0_0000_0000_0000u64.wrapping_sub(place));
    let n = m - 1.0;
    let low = if high > 1e30 { 0.0 } else { low * power };
    let f = n + low;
    log_tail(f, low - (f - n), k + extra)
}

/// `log(1 + x)`, accurate near zero.
#[inline(always)]
pub(crate) fn log1p<V: Double>(x: V) -> V {
    let u = two_sum(V::of(1.0), x);
    let result = log_of_sum(u.0, u.1, None).or_special_logarithm(u.0);
    // The result has the sign of the argument: that of a zero is not in the sum.
    result.bit_or(x.bit_and(V::of(-0.0)))
}

/// `extra ln 2 + log(high + low)` of a positive finite number and what is small beside it.
#[inline(always)]
pub(super) fn log_of_sum<V: Double>(high: V, low: V, extra: Option<V>) -> V {
    let (k, n, place) = reduce(high);
    // 2^-k, or nothing where it leaves the range: there the rest is none.
    let power = V::of_bits(0x7fe0_0000_0000_0000).bits_subtract(high.bit_and(V::of_bits(0x7ff0_0000_0000_0000)));
    let low = low * power * place.lookup(&RECIPROCALS);
    let k = extra.map_or(k, |extra| k + extra);
    let head = k.mul_add(V::of(LOG_OF_2[0]), place.lookup(&LOG_HEADS));
    // What the sum loses counts by the derivative 1 / (1 + r), nearly 1.
    let r = n + low;
    let low = low - (r - n);
    let low = k.mul_add(V::of(LOG_OF_2[1]), place.lookup(&LOG_RESTS) + low);
    let sum = fast_two_sum(head, r);
    let tail = polynomial(&LOG_SERIES, r).mul_add(r * r, low);
    sum.0 + (sum.1 + tail)
}

/// [`log1p`] of one number.
#[must_use]
pub fn log1p_f64(x: f64) -> f64 {
    log1p(x)
}

/// log with a relative error near 2^-45, of numbers that are normal in f64: what the f32 functions need. No special
/// cases.
#[inline(always)]
pub(super) fn log_narrow(x: f64) -> f64 {
    let (m, k) = split_normal(x);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let series = polynomial(&LOG_NARROW, z);
    k.mul_add(std::f64::consts::LN_2, s * series)
}
