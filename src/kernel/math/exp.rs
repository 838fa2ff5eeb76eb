//! exp, exp2, expm1: `x = k ln 2 + r` with `|r| <= ln 2 / 2`, a polynomial for `e^r`, and `2^k` in two steps so that
//! subnormal results are rounded once.

use super::{
    LN2_HIGH, LN2_LOW,
    coefficients::{EXP, LN2},
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

/// `value * 2^k` rounded once, for `k` from -1090 to 1024 in the low bits of a number that [`ROUND`] was added to, and
/// `value` near 1; `tiny` says whether the result may be subnormal.
#[inline(always)]
pub(super) fn scale_near_one(value: f64, shifted: f64, tiny: bool) -> f64 {
    let offset = if tiny { 64 << 52 } else { 0 };
    let bits = value.to_bits().wrapping_add(shifted.to_bits() << 52).wrapping_add(offset);
    let scaled = f64::from_bits(bits);
    // 2^-64
    if tiny { scaled * f64::from_bits((1023 - 64) << 52) } else { scaled }
}

/// `1 + high + low` for `e^high` reduced by `k ln 2`, and what `k` was rounded from: as [`exp_parts`], good to 0.9 ULP.
#[inline(always)]
fn exp_quick(high: f64, low: f64) -> (f64, f64) {
    let shifted = high.mul_add(std::f64::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let (head, low) = (k.mul_add(-LN2_HIGH, high), k.mul_add(-LN2_LOW, low));
    let r = head + low;
    let e = head + wide_polynomial(&EXP, r).mul_add(r * r, low);
    (1.0 + e, shifted)
}

/// `e^(high + low)`, for `|low|` far below an ULP of `high`; nonsense in `low` where the result is zero or infinite.
#[inline(always)]
pub(super) fn exp_sum(high: f64, low: f64) -> f64 {
    let shifted = high.mul_add(std::f64::consts::LOG2_E, ROUND);
    let value = exp_parts(high, low).0;
    let value = value.0 + value.1;
    // The low part may decide whether the result is a number: a factor of 2^64 does.
    let (huge, tiny) = (high > 700.0, high < -700.0);
    let offset = if tiny {
        64u64 << 52
    } else if huge {
        (64u64 << 52).wrapping_neg()
    } else {
        0
    };
    let factor = if tiny {
        f64::from_bits((1023 - 64) << 52)
    } else if huge {
        f64::from_bits((1023 + 64) << 52)
    } else {
        1.0
    };
    let bits = value.to_bits().wrapping_add(shifted.to_bits() << 52).wrapping_add(offset);
    let result = f64::from_bits(bits) * factor;
    let result = if high < -746.0 { 0.0 } else { result };
    if high < 710.0 { result } else { high + f64::INFINITY }
}

/// Natural exponential.
#[inline(always)]
#[must_use]
pub fn exp_f64(x: f64) -> f64 {
    let (value, shifted) = exp_quick(x, 0.0);
    let result = scale_near_one(value, shifted, x < -700.0);
    let result = if x < -746.0 { 0.0 } else { result };
    // The comparison fails for NaN as well.
    if x <= 709.782_712_893_384 { result } else { x + f64::INFINITY }
}

/// 2 to the power `x`.
#[inline(always)]
#[must_use]
pub fn exp2_f64(x: f64) -> f64 {
    let shifted = x + ROUND;
    let fraction = x - (shifted - ROUND);
    let high = fraction * LN2[0];
    let low = fraction.mul_add(LN2[1], fraction.mul_add(LN2[0], -high));
    let value = 1.0 + (high + wide_polynomial(&EXP, high).mul_add(high * high, low));
    let result = scale_near_one(value, shifted, x < -1000.0);
    let result = if x < -1080.0 { 0.0 } else { result };
    if x < 1024.0 { result } else { x + f64::INFINITY }
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
