//! log, log2, log10, log1p: `x = 2^k m` with `m` in `[sqrt(1/2), sqrt(2))`, `s = (m-1)/(m+1)`,
//! `log m = 2 (s + s^3/3 + s^5/5 + …)`.

use super::{
    LN2_HIGH, LN2_LOW,
    coefficients::*,
    pair::{Pair, divide, fast_two_sum, polynomial, two_sum, wide_polynomial},
    real::Double,
};

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
fn to_base<V: Double>(
    x: V,
    scale: [f64; 2],
    of_2: [f64; 2],
    heads: &'static [f64; 16],
    rests: &'static [f64; 16],
    series: &[f64; 10],
) -> V {
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

/// `log` of one number.
#[must_use]
pub fn log_f64(x: f64) -> f64 {
    log(x)
}

/// `log2` of one number.
#[must_use]
pub fn log2_f64(x: f64) -> f64 {
    log2(x)
}

/// `log10` of one number.
#[must_use]
pub fn log10_f64(x: f64) -> f64 {
    log10(x)
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

/// `log1p` of one number.
#[must_use]
pub fn log1p_f64(x: f64) -> f64 {
    log1p(x)
}
