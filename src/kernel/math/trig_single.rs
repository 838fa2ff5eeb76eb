//! sin, cos, tan of `f32`: in `f32` up to [`TRIG_NEAR_F32`], beyond reduced in `f64`. The `_near` functions
//! hold up to there and are bit for bit the same: a tile without larger numbers may use them.

use super::{
    coefficients::{COS_F32, HALF_PI_F32, SIN_F32, TAN_F32, TWO_OVER_PI_F32},
    exp::ROUND as ROUND_F64,
    single::{ROUND, fast_two_sum, polynomial, two_sum},
};

/// Magnitudes up to this are served by the `_near` functions of `f32`.
pub const TRIG_NEAR_F32: f32 = 98_304.0;

/// `|x|` modulo pi/2 as a sum of two, and the quadrant in the low bits.
#[inline(always)]
fn reduce(magnitude: f32) -> (f32, f32, u32) {
    let shifted = magnitude.mul_add(std::f32::consts::FRAC_2_PI, ROUND);
    let k = shifted - ROUND;
    // The first difference is exact.
    let first = (-k).mul_add(HALF_PI_F32[0], magnitude);
    let product = k * HALF_PI_F32[1];
    let error = k.mul_add(HALF_PI_F32[1], -product);
    let sum = two_sum(first, -product);
    (sum.0, (-k).mul_add(HALF_PI_F32[2], sum.1 - error), shifted.to_bits())
}

/// As [`reduce`], from [`TRIG_NEAR_F32`] up: with the 24-bit integer `M` of `|x| = M 2^(16 b + j - 8)`, `M 2^j` times
/// `2^(16 b - 8) * 2/pi` modulo 4 in `f64` is the quadrant and the fraction. Nonsense for other arguments.
#[inline(always)]
fn reduce_far(magnitude: f32) -> (f32, f32, u32) {
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
    (head, (r - f64::from(head)) as f32, shifted.to_bits() as u32)
}

/// Any finite `|x|`.
#[inline(always)]
fn reduce_any(magnitude: f32) -> (f32, f32, u32) {
    let (near, far) = (reduce(magnitude), reduce_far(magnitude));
    let is_near = magnitude <= TRIG_NEAR_F32;
    (if is_near { near.0 } else { far.0 }, if is_near { near.1 } else { far.1 }, if is_near { near.2 } else { far.2 })
}

/// The sine of a reduced argument, `turn` quarter turns on.
#[inline(always)]
fn sine((r, low, quarters): (f32, f32, u32), turn: u32) -> f32 {
    let quarters = quarters.wrapping_add(turn);
    let z = r * r;
    let sin = r + polynomial(&SIN_F32, z).mul_add(z * r, low);
    let cos = fast_two_sum(1.0, -0.5 * z);
    let cos = cos.0 + polynomial(&COS_F32, z).mul_add(z * z, (-r).mul_add(low, cos.1));
    let value = if quarters & 1 == 0 { sin } else { cos };
    f32::from_bits(value.to_bits() ^ ((quarters & 2) << 30))
}

/// The tangent of a reduced argument.
#[inline(always)]
fn tangent((r, low, quarters): (f32, f32, u32)) -> f32 {
    let z = r * r;
    // The derivative of the tangent is 1 + tan^2.
    let tail = polynomial(&TAN_F32, z).mul_add(z * r, z.mul_add(low, low));
    let tan = fast_two_sum(r, tail);
    let inverse = -1.0 / tan.0;
    let error = inverse.mul_add(tan.0, 1.0) + inverse * tan.1;
    let odd = error.mul_add(inverse, inverse);
    if quarters & 1 == 0 { tan.0 } else { odd }
}

/// `value` with its sign turned where `x` is negative; NaN where `x` is not finite.
#[inline(always)]
fn signed(x: f32, value: f32) -> f32 {
    let value = f32::from_bits(value.to_bits() ^ (x.to_bits() & (1 << 31)));
    if x.abs() < f32::INFINITY { value } else { f32::NAN }
}

/// Sine.
#[inline(always)]
#[must_use]
pub fn sin_f32(x: f32) -> f32 {
    signed(x, sine(reduce_any(x.abs()), 0))
}

/// [`sin_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
#[must_use]
pub fn sin_near_f32(x: f32) -> f32 {
    signed(x, sine(reduce(x.abs()), 0))
}

/// Cosine.
#[inline(always)]
#[must_use]
pub fn cos_f32(x: f32) -> f32 {
    signed(x.abs(), sine(reduce_any(x.abs()), 1))
}

/// [`cos_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
#[must_use]
pub fn cos_near_f32(x: f32) -> f32 {
    signed(x.abs(), sine(reduce(x.abs()), 1))
}

/// Tangent.
#[inline(always)]
#[must_use]
pub fn tan_f32(x: f32) -> f32 {
    signed(x, tangent(reduce_any(x.abs())))
}

/// [`tan_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
#[must_use]
pub fn tan_near_f32(x: f32) -> f32 {
    signed(x, tangent(reduce(x.abs())))
}
