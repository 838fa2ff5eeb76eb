//! exp: `x = k ln 2 + r` with `|r| <= ln 2 / 2`, the Taylor series of `e^r`, and `2^k` in two steps so that subnormal
//! results are rounded once.

use super::{LN2_HIGH, LN2_LOW};

/// 1.5 * 2^52: adding it leaves the nearest integer in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// `value * 2^exponent` for exponents of magnitude below 2100; the last of the steps alone may round.
#[inline(always)]
pub(super) fn scale(value: f64, exponent: i64) -> f64 {
    let half = exponent >> 1;
    let power = |k: i64| f64::from_bits(((1023 + k) << 52) as u64);
    value * power(half) * power(exponent - half)
}

/// `r^2/2 + r^3/6 + …` up to `r^13`: below 2^-57 of `e^r` is missing.
#[inline(always)]
fn tail(r: f64) -> f64 {
    const C: [f64; 12] = [
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
        1.0 / 6_227_020_800.0,
    ];
    let mut sum = C[11];
    let mut index = 11;
    while index > 0 {
        index -= 1;
        sum = sum.mul_add(r, C[index]);
    }
    sum * r * r
}

/// `e^(high + low)`, for `|low|` far below an ULP of `high`; `high` is clamped to where results are finite and not zero.
#[inline(always)]
pub(super) fn exp_sum(high: f64, low: f64) -> f64 {
    let clamped = if high > 710.0 { 710.0 } else { high };
    let clamped = if clamped < -746.0 { -746.0 } else { clamped };
    let low = if clamped == high { low } else { 0.0 };
    let shifted = clamped.mul_add(std::f64::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let exponent = (shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64);
    let high = k.mul_add(-LN2_HIGH, clamped);
    let low = k.mul_add(-LN2_LOW, low);
    // r = high + low as a sum without error in its head.
    let r = high + low;
    let rest = (high - r) + low;
    let small = rest.mul_add(1.0 + r, tail(r));
    // 1 + r with its error, so that only the last addition counts.
    let head = 1.0 + r;
    let error = r - (head - 1.0);
    let result = scale(head + (error + small), exponent);
    if high.is_nan() { f64::NAN } else { result }
}

/// Natural exponential.
#[inline(always)]
#[must_use]
pub fn exp_f64(x: f64) -> f64 {
    let result = exp_sum(x, 0.0);
    if x.is_nan() { x } else { result }
}

/// Natural exponential.
#[inline(always)]
#[must_use]
pub fn exp_f32(x: f32) -> f32 {
    let wide = f64::from(x);
    let clamped = if wide > 90.0 { 90.0 } else { wide };
    let clamped = if clamped < -105.0 { -105.0 } else { clamped };
    let shifted = clamped.mul_add(std::f64::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = k.mul_add(-std::f64::consts::LN_2, clamped);
    const C: [f64; 10] =
        [1.0, 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5_040.0, 1.0 / 40_320.0, 1.0 / 362_880.0];
    let mut sum = C[9];
    let mut index = 9;
    while index > 0 {
        index -= 1;
        sum = sum.mul_add(r, C[index]);
    }
    // |k| < 160: one step, by adding to the exponent of a number near 1.
    let bits = sum.to_bits().wrapping_add(shifted.to_bits() << 52);
    let result = f64::from_bits(bits) as f32;
    if x.is_nan() { x } else { result }
}
