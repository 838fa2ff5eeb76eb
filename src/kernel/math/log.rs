//! log, log2, log10, log1p: `x = 2^k m` with `m` in `[sqrt(1/2), sqrt(2))`, `s = (m-1)/(m+1)`,
//! `log m = 2 (s + s^3/3 + s^5/5 + …)`.

use super::{
    LN2_HIGH, LN2_LOW,
    coefficients::{INV_LN2, INV_LN10, LOG, LOG_NARROW, LOG_SMALL, LOG10_2},
    pair::{Pair, divide, fast_two_sum, polynomial, two_sum},
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

/// `log(1 + f)` for `1 + f` in `[sqrt(1/2), sqrt(2))`: the head `f - f^2/2` is a sum without error, what is rounded is
/// small beside it.
#[inline(always)]
fn log_mantissa(f: f64) -> Pair {
    let s = f / (2.0 + f);
    let z = s * s;
    let square = f * f;
    let half_square = 0.5 * square;
    let square_error = f.mul_add(f, -square);
    let series = polynomial(&LOG_SMALL, z) * z;
    let head = fast_two_sum(f, -half_square);
    Pair(head.0, s.mul_add(half_square + series, (-0.5f64).mul_add(square_error, head.1)))
}

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log_f64(x: f64) -> f64 {
    let (m, k) = split(x);
    special(x, log_tail(m - 1.0, 0.0, k))
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

/// Logarithm to base 2.
#[inline(always)]
#[must_use]
pub fn log2_f64(x: f64) -> f64 {
    let (m, k) = split(x);
    let log = log_mantissa(m - 1.0);
    let high = log.0 * INV_LN2[0];
    let low = log.0.mul_add(INV_LN2[0], -high) + log.0.mul_add(INV_LN2[1], log.1 * INV_LN2[0]);
    let sum = fast_two_sum(k, high);
    special(x, sum.0 + (sum.1 + low))
}

/// Logarithm to base 10.
#[inline(always)]
#[must_use]
pub fn log10_f64(x: f64) -> f64 {
    let (m, k) = split(x);
    let log = log_mantissa(m - 1.0);
    let high = log.0 * INV_LN10[0];
    let low = log.0.mul_add(INV_LN10[0], -high) + log.0.mul_add(INV_LN10[1], log.1 * INV_LN10[0]);
    let sum = fast_two_sum(k * LOG10_2[0], high);
    special(x, sum.0 + (sum.1 + k.mul_add(LOG10_2[1], low)))
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
#[must_use]
pub fn log1p_f64(x: f64) -> f64 {
    let u = two_sum(1.0, x);
    let result = special(u.0, log_sum(u.0, u.1, 0.0));
    if x.abs() < 1e-17 { x } else { result }
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
