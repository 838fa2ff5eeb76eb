//! sin, cos, tan of `f32`: in `f32` up to [`TRIG_NEAR_F32`], beyond reduced in `f64`. The `_near` functions
//! hold up to there and are bit for bit the same: a tile without larger numbers may use them.

use super::{
    coefficients::{COS_F32, HALF_PI_F32, SIN_F32, TAN_F32, TWO_OVER_PI_F32},
    exp::ROUND as ROUND_F64,
    real::{Real, Single},
    single::{ROUND, fast_two_sum, polynomial},
};

/// Magnitudes up to this are served by the `_near` functions of `f32`.
pub const TRIG_NEAR_F32: f32 = 98_304.0;

/// `|x|` modulo pi/2 as a sum of two, and the quadrant in the low bits.
#[inline(always)]
fn reduce<V: Single>(magnitude: V) -> (V, V, V) {
    let shifted = magnitude.mul_add(V::of(std::f32::consts::FRAC_2_PI), V::of(ROUND));
    let k = shifted - V::of(ROUND);
    // The first difference is exact, and a multiple of the last place of the product.
    let first = k.mul_add(V::of(-HALF_PI_F32[0]), magnitude);
    let product = k * V::of(HALF_PI_F32[1]);
    let error = k.mul_add(V::of(HALF_PI_F32[1]), -product);
    let sum = fast_two_sum(first, -product);
    (sum.0, k.mul_add(V::of(-HALF_PI_F32[2]), sum.1 - error), shifted)
}

/// As [`reduce`], from [`TRIG_NEAR_F32`] up: with the 24-bit integer `M` of `|x| = M 2^(16 b + j - 8)`, `M 2^j` times
/// `2^(16 b - 8) * 2/pi` modulo 4 in `f64` is the quadrant and the fraction. Nonsense for other arguments.
#[inline(always)]
fn reduce_far(magnitude: f32) -> (f32, f32, f32) {
    let bits = u64::from(magnitude.to_bits());
    // 2^e with e from 16 on: e - 23 + 8 is 16 b + j.
    let place = (bits >> 23).wrapping_sub(127 + 15);
    let bucket = (place >> 4) as usize & 7;
    let x = f64::from_bits(((bits & 0x007f_ffff) << 29) | (((place & 15) + 1023 + 23) << 52));
    let product = x * TWO_OVER_PI_F32[0][bucket];
    let error = x.mul_add(TWO_OVER_PI_F32[0][bucket], -product);
    let shifted = product + ROUND_F64;
    let fraction = (product - (shifted - ROUND_F64)) + x.mul_add(TWO_OVER_PI_F32[1][bucket], error);
    let r = fraction * std::f64::consts::FRAC_PI_2;
    let head = r as f32;
    (head, (r - f64::from(head)) as f32, f32::from_bits(shifted.to_bits() as u32))
}

/// Any finite `|x|`.
#[inline(always)]
fn reduce_any(magnitude: f32) -> (f32, f32, f32) {
    let (near, far) = (reduce(magnitude), reduce_far(magnitude));
    let is_near = magnitude <= TRIG_NEAR_F32;
    (if is_near { near.0 } else { far.0 }, if is_near { near.1 } else { far.1 }, if is_near { near.2 } else { far.2 })
}

/// The sine of a reduced argument, the quadrant in the low bits of `quarters`.
#[inline(always)]
fn sine<V: Single>((r, low, quarters): (V, V, V)) -> V {
    let z = r * r;
    let sin = r + polynomial(&SIN_F32, z).mul_add(z * r, low);
    let cos = fast_two_sum(V::of(1.0), z * V::of(-0.5));
    let cos = cos.0 + polynomial(&COS_F32, z).mul_add(z * z, r.mul_add(-low, cos.1));
    let value = V::select(quarters.has_bit(1), cos, sin);
    value.bit_xor(quarters.bits_left(30).bit_and(V::of(-0.0)))
}

/// The tangent of a reduced argument.
#[inline(always)]
fn tangent<V: Single>((r, low, quarters): (V, V, V)) -> V {
    let z = r * r;
    // The derivative of the tangent is 1 + tan^2.
    let tail = polynomial(&TAN_F32, z).mul_add(z * r, z.mul_add(low, low));
    let tan = fast_two_sum(r, tail);
    let inverse = V::of(-1.0) / tan.0;
    let error = inverse.mul_add(tan.1, inverse.mul_add(tan.0, V::of(1.0)));
    V::select(quarters.has_bit(1), error.mul_add(inverse, inverse), tan.0)
}

/// NaN where `x` is not finite, with the sign of `x`.
#[inline(always)]
fn signed(x: f32, value: f32) -> f32 {
    if x.abs() < f32::INFINITY { value.bit_xor(x.bit_and(-0.0)) } else { f32::NAN }
}

/// A quadrant on: the integer in the low bits.
#[inline(always)]
fn next<V: Single>((r, low, quarters): (V, V, V)) -> (V, V, V) {
    (r, low, quarters.bits_add(V::of_bits(1)))
}

/// Sine.
#[inline(always)]
#[must_use]
pub fn sin_f32(x: f32) -> f32 {
    signed(x, sine(reduce_any(x.abs())))
}

/// [`sin_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
pub(crate) fn sin_near_single<V: Single>(x: V) -> V {
    sine(reduce(x.abs())).bit_xor(x.bit_and(V::of(-0.0)))
}

/// Cosine.
#[inline(always)]
#[must_use]
pub fn cos_f32(x: f32) -> f32 {
    signed(x.abs(), sine(next(reduce_any(x.abs()))))
}

/// [`cos_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
pub(crate) fn cos_near_single<V: Single>(x: V) -> V {
    sine(next(reduce(x.abs())))
}

/// Tangent.
#[inline(always)]
#[must_use]
pub fn tan_f32(x: f32) -> f32 {
    signed(x, tangent(reduce_any(x.abs())))
}

/// [`tan_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
pub(crate) fn tan_near_single<V: Single>(x: V) -> V {
    tangent(reduce(x.abs())).bit_xor(x.bit_and(V::of(-0.0)))
}
