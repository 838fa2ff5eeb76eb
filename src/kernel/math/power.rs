//! power: `e^(y log x)` with the logarithm in two doubles, so that the product carries 64 bits and more.

use super::{
    LN2_HIGH, LN2_LOW,
    coefficients::{POWER, POWER_LOW, POWER_NARROW_EXP2, POWER_NARROW_LOG2},
    exp::{ROUND, clamp, exp_sum},
    log::{split, split_normal},
    pair::{Pair, fast_two_sum, polynomial, wide_polynomial},
};

/// 2/3 less its double.
const TWO_THIRDS_LOW: f64 = 1.0 / 27_021_597_764_222_976.0;

/// `log x` of a positive finite number, relative error below 2^-63.
#[inline(always)]
fn log_pair(x: f64) -> Pair {
    let (m, k) = split(x);
    let (n, d) = (m - 1.0, m + 1.0);
    let d_low = m - (d - 1.0);
    let inverse = 1.0 / d;
    let s = n * inverse;
    let s_low = (-s).mul_add(d_low, (-s).mul_add(d, n)) * inverse;
    let z = s * s;
    let z_low = (s + s).mul_add(s_low, s.mul_add(s, -z));
    // log m = 2 s + s z (2/3 + z series): each product with its error.
    let rest = z * wide_polynomial(POWER.last_chunk::<9>().unwrap_or(&[0.0; 9]), z);
    let fifths = fast_two_sum(POWER[0], rest);
    let series = z * fifths.0;
    let series_low = z.mul_add(fifths.0, -series) + z.mul_add(fifths.1 + POWER_LOW[0], z_low * fifths.0);
    let inner = fast_two_sum(2.0 / 3.0, series);
    let inner_low = inner.1 + (TWO_THIRDS_LOW + series_low);
    let outer = z * inner.0;
    let outer_low = z.mul_add(inner.0, -outer) + z.mul_add(inner_low, z_low * inner.0);
    let tail = s * outer;
    let tail_low = s.mul_add(outer, -tail) + s.mul_add(outer_low, s_low * outer);
    let log = fast_two_sum(s + s, tail);
    let low = log.1 + 2.0f64.mul_add(s_low, tail_low);
    let sum = fast_two_sum(k * LN2_HIGH, log.0);
    fast_two_sum(sum.0, sum.1 + k.mul_add(LN2_LOW, low))
}

/// Whether `y` is an integer, and whether it is odd.
#[inline(always)]
fn parity(y: f64) -> (bool, bool) {
    let magnitude = y.abs();
    // From 2^53 up every number is an even integer.
    let bounded = if magnitude < 9_007_199_254_740_992.0 { magnitude } else { 0.0 };
    let half = bounded * 0.5;
    (bounded.floor() == bounded, half.floor() != half && bounded.floor() == bounded)
}

/// Signs and special cases around `result`, the power of `|x|`.
#[inline(always)]
fn special(x: f64, y: f64, result: f64) -> f64 {
    let (integer, odd) = parity(y);
    let magnitude = x.abs();
    let grows = (magnitude > 1.0) == (y > 0.0);
    let extreme = if grows { f64::INFINITY } else { 0.0 };
    let infinite = (magnitude == 0.0) | (magnitude == f64::INFINITY) | (y.abs() == f64::INFINITY);
    let result = if infinite { extreme } else { result };
    let result = if (magnitude == 1.0) | (y == 0.0) { 1.0 } else { result };
    let result = if x.is_sign_negative() & odd { -result } else { result };
    let invalid = (x < 0.0) & !integer & (magnitude != f64::INFINITY) & (y.abs() != f64::INFINITY);
    let nan = (x.is_nan() & (y != 0.0)) | (y.is_nan() & (x != 1.0)) | invalid;
    if nan { f64::NAN } else { result }
}

/// `x` to the power `y`, as C's `pow`; `power(x, 2)` is `x * x`.
#[inline(always)]
#[must_use]
pub fn power_f64(x: f64, y: f64) -> f64 {
    let log = log_pair(x.abs());
    let high = log.0 * y;
    // Beyond this the result is infinite or zero, and the low part would be NaN.
    let bounded = high.abs() < 1e4;
    let low = if bounded { log.0.mul_add(y, -high) + log.1 * y } else { 0.0 };
    let result = special(x, y, exp_sum(high, low));
    if y == 2.0 { x * x } else { result }
}

/// `log2 x` of a number that is normal in `f64`, relative error near 2^-40.
#[inline(always)]
fn log2_narrow(x: f64) -> f64 {
    let (m, k) = split_normal(x);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    polynomial(&POWER_NARROW_LOG2, s * s).mul_add(s, k)
}

/// `x` to the power `y`, as C's `powf`; `power(x, 2)` is `x * x`.
#[inline(always)]
#[must_use]
pub fn power_f32(x: f32, y: f32) -> f32 {
    let product = log2_narrow(f64::from(x.abs())) * f64::from(y);
    let bounded = clamp(product, -160.0, 160.0);
    let shifted = bounded + ROUND;
    let value = polynomial(&POWER_NARROW_EXP2, bounded - (shifted - ROUND));
    let power = f64::from_bits(value.to_bits().wrapping_add(shifted.to_bits() << 52)) as f32;
    special_narrow(x, y, power)
}

/// As [`special`].
#[inline(always)]
fn special_narrow(x: f32, y: f32, result: f32) -> f32 {
    let magnitude = x.abs();
    let size = y.abs();
    // From 2^24 up every number is an even integer.
    let bounded = if size < 16_777_216.0 { size } else { 0.0 };
    let half = bounded * 0.5;
    let integer = bounded.floor() == bounded;
    let odd = integer & (half.floor() != half);
    let extreme = if (magnitude > 1.0) == (y > 0.0) { f32::INFINITY } else { 0.0 };
    let infinite = (magnitude == 0.0) | (magnitude == f32::INFINITY) | (size == f32::INFINITY);
    let result = if infinite { extreme } else { result };
    let result = if (x < 0.0) & !integer & (magnitude != f32::INFINITY) { f32::NAN } else { result };
    let result = if x.is_nan() | y.is_nan() { f32::NAN } else { result };
    let result = if (x == 1.0) | (y == 0.0) | ((magnitude == 1.0) & (size == f32::INFINITY)) { 1.0 } else { result };
    let result = if x.is_sign_negative() & odd { -result } else { result };
    if y == 2.0 { x * x } else { result }
}
