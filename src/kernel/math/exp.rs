//! expm1, and what its like share: `x = k ln 2 + r` with `|r| <= ln 2 / 2`, a polynomial for `e^r`, and `2^k` in two steps so that
//! subnormal results are rounded once.

use super::{
    LN2_HIGH, LN2_LOW,
    coefficients::EXP,
    pair::{Pair, fast_two_sum, polynomial, power_of_two, two_sum, wide_polynomial},
};

/// 1.5 * 2^52: adding it leaves the nearest integer in the low bits.
pub(super) const ROUND: f64 = 6_755_399_441_055_744.0;

/// `value * 2^exponent` for exponents of magnitude below 2040; the last of the steps alone may round.
#[inline(always)]
pub(super) fn scale(value: f64, exponent: i64) -> f64 {
    // A shift of the bits of a 64-bit integer with its sign is slow on AVX2: halve an offset one.
    let half = ((exponent.wrapping_add(4096) as u64) >> 1).wrapping_sub(2048) as i64;
    value * power_of_two(half) * power_of_two(exponent.wrapping_sub(half))
}

/// `e^high+low` as `(1 + r) + small` scaled by `2^exponent`: a pair near 1, and the exponent.
#[inline(always)]
pub(super) fn exp_parts(high: f64, low: f64) -> (Pair, i64) {
    let shifted = high.mul_add(std::f64::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let exponent = (shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64);
    let high = k.mul_add(-LN2_HIGH, high);
    let low = k.mul_add(-LN2_LOW, low);
    // r = high + low as a sum without error in its head.
    let r = fast_two_sum(high, low);
    (exp_reduced(r), exponent)
}

/// `e^r` for `|r| <= ln 2 / 2`.
#[inline(always)]
fn exp_reduced(r: Pair) -> Pair {
    let tail = wide_polynomial(&EXP, r.0) * (r.0 * r.0);
    let small = r.1.mul_add(1.0 + r.0, tail);
    // 1 + r with its error, so that only the last addition counts.
    let head = fast_two_sum(1.0, r.0);
    Pair(head.0, head.1 + small)
}

/// Clamped to where results are finite and not zero; NaN stays.
#[inline(always)]
pub(super) fn clamp(x: f64, lowest: f64, highest: f64) -> f64 {
    let clamped = if x > highest { highest } else { x };
    if clamped < lowest { lowest } else { clamped }
}

/// `e^x - 1`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn expm1_f64(x: f64) -> f64 {
    let clamped = clamp(x, -50.0, 710.0);
    let shifted = clamped.mul_add(std::f64::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let exponent = (shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64);
    let r = fast_two_sum(k.mul_add(-LN2_HIGH, clamped), k * -LN2_LOW);
    let small = polynomial(&EXP, r.0).mul_add(r.0 * r.0, r.1.mul_add(r.0, r.1));
    // Half of 2^k (1 + r + small) - 1, as 2^1024 is no number.
    let power = power_of_two(exponent.wrapping_sub(1));
    let head = two_sum(power, -0.5);
    let sum = fast_two_sum(head.0, power * r.0);
    let result = 2.0 * (sum.0 + (power.mul_add(small, sum.1) + head.1));
    let result = if x.abs() < 1e-300 { x } else { result };
    if x.is_nan() { x } else { result }
}
