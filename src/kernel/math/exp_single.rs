//! expm1, sigmoid, silu of `f32`, in `f32`.

use super::{
    coefficients::{EXP_F32, LN2_F32},
    single::{ROUND, fast_two_sum, polynomial, power_of_two},
};

/// `e^(x - k ln 2) - 1` as a sum of two, and what `k` was rounded from.
#[inline(always)]
fn reduce(x: f32) -> (f32, f32, f32) {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let (high, low) = (k.mul_add(-LN2_F32[0], x), k * -LN2_F32[1]);
    let r = high + low;
    (high, polynomial(&EXP_F32, r).mul_add(r * r, low), shifted)
}

/// `value * 2^k`, with `k` from -190 to 128 in the low bits of `shifted` and `value` near 1; `tiny` says whether the
/// result may be subnormal.
#[inline(always)]
fn scale(value: f32, shifted: f32, tiny: bool) -> f32 {
    let offset = if tiny { 64 << 23 } else { 0 };
    let bits = value.to_bits().wrapping_add(shifted.to_bits() << 23).wrapping_add(offset);
    let scaled = f32::from_bits(bits);
    // 2^-64
    if tiny { scaled * f32::from_bits(0x1f80_0000) } else { scaled }
}

/// `e^x - 1`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn expm1_f32(x: f32) -> f32 {
    let clamped = if x < -20.0 { -20.0 } else { x };
    let (high, low, shifted) = reduce(clamped);
    // Half of it, as 2^128 is no number.
    let power = power_of_two(shifted - 1.0);
    let sum = fast_two_sum(power - 0.5, power * high);
    let half = sum.0 + power.mul_add(low, sum.1);
    let result = half + half;
    let result = if x.abs() < 1e-30 { x } else { result };
    if x <= 88.722_83 { result } else { x + f32::INFINITY }
}

/// The sigmoid of `x` as head, tail, and whether `e^x` scales it; the last is what the scale was rounded from.
#[inline(always)]
fn sigmoid_parts(x: f32) -> (f32, f32, f32) {
    let magnitude = x.abs();
    let bounded = if magnitude > 112.0 { 112.0 } else { magnitude };
    let (high, low, shifted) = reduce(-bounded);
    let head = fast_two_sum(1.0, high + low);
    // z below 2^-100 does not count beside 1.
    let power = if bounded > 60.0 { 0.0 } else { power_of_two(shifted) };
    let d = fast_two_sum(1.0, head.0 * power);
    let d_low = head.1.mul_add(power, d.1);
    let negative = x < 0.0;
    let (n, n_low) = if negative { head } else { (1.0, 0.0) };
    let inverse = 1.0 / d.0;
    let quotient = n * inverse;
    let rest = (-quotient).mul_add(d.0, n) + (-quotient).mul_add(d_low, n_low);
    (quotient, rest * inverse, shifted)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
#[must_use]
pub fn sigmoid_f32(x: f32) -> f32 {
    let (head, tail, shifted) = sigmoid_parts(x);
    let value = head + tail;
    let result = if x < 0.0 { scale(value, shifted, x < -80.0) } else { value };
    let result = if x < -104.0 { 0.0 } else { result };
    if x.is_nan() { x } else { result }
}

/// `x / (1 + e^-x)`; minus infinity gives its limit, -0.
#[inline(always)]
#[must_use]
pub fn silu_f32(x: f32) -> f32 {
    let (head, tail, shifted) = sigmoid_parts(x);
    let bounded = if x < -120.0 { -120.0 } else { x };
    let product = bounded * head;
    let value = product + bounded.mul_add(tail, bounded.mul_add(head, -product));
    let result = if x < 0.0 { scale_silu(value, shifted) } else { value };
    let result = if x < -112.0 { -0.0 } else { result };
    let result = if x > 20.0 { x } else { result };
    let result = if x.abs() < 1e-20 { 0.5 * x } else { result };
    if x.is_nan() { x } else { result }
}

/// `value * 2^k` where the value may be anything small.
#[inline(always)]
fn scale_silu(value: f32, shifted: f32) -> f32 {
    // 2^(k + 64) is a number, 2^k may not be.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000 + (64 << 23)));
    value * power * f32::from_bits(0x1f80_0000)
}
