//! asin, acos, atan, atan2 of `f32`, in `f32`.

use super::{
    coefficients::{ASIN_F32, ATAN_F32, HALF_PI_F32},
    real::Single,
    single::{fast_two_sum, polynomial, with_sign},
};

/// `asin s` for a half or less, and for what is doubled and taken from pi/2 beyond: head and tail.
#[inline(always)]
fn kernel(magnitude: f32, large: bool) -> (f32, f32) {
    let z = if large { (1.0 - magnitude) * 0.5 } else { magnitude * magnitude };
    let s = if large { z.sqrt() } else { magnitude };
    (s, (z * s) * polynomial(&ASIN_F32, z))
}

/// Arc sine.
#[inline(always)]
#[must_use]
pub fn asin_f32(x: f32) -> f32 {
    let large = x.abs() > 0.5;
    let (s, tail) = kernel(x.abs(), large);
    let far = fast_two_sum(HALF_PI_F32[0], -2.0 * s);
    let far = far.0 + (far.1 + (-2.0f32).mul_add(tail, HALF_PI_F32[1]));
    with_sign(if large { far } else { s + tail }, x)
}

/// Arc cosine.
#[inline(always)]
#[must_use]
pub fn acos_f32(x: f32) -> f32 {
    let large = x.abs() > 0.5;
    let (s, tail) = kernel(x.abs(), large);
    let negative = x < 0.0;
    // 2 asin s, pi - 2 asin s, or pi/2 -+ asin s.
    let turns = if large { if negative { 2.0 } else { 0.0 } } else { 1.0 };
    let factor = if large { 2.0 } else { 1.0 };
    let factor = if large == negative { -factor } else { factor };
    let factor = if large { factor } else { -factor };
    let factor = if large { factor } else { with_sign(1.0, -x) };
    let base = turns * HALF_PI_F32[0];
    let sum = fast_two_sum(base, factor * s);
    sum.0 + factor.mul_add(tail, turns.mul_add(HALF_PI_F32[1], sum.1))
}

/// `base_turns pi/2 + sign atan(q + low)` for `q` from 0 to 1.
#[inline(always)]
fn arc(q: f32, low: f32, base_turns: f32, sign: f32) -> f32 {
    let z = q * q;
    let tail = polynomial(&ATAN_F32, z).mul_add(z * q, low);
    let sum = fast_two_sum(base_turns * HALF_PI_F32[0], sign * q);
    sum.0 + sign.mul_add(tail, base_turns.mul_add(HALF_PI_F32[1], sum.1))
}

/// Arc tangent.
#[inline(always)]
pub(crate) fn atan_single<V: Single>(x: V) -> V {
    let (one, zero) = (V::of(1.0), V::of(0.0));
    let magnitude = x.abs();
    let large = one.is_less(magnitude);
    let q = magnitude.at_most(one) / magnitude.at_least(one);
    let z = q * q;
    let turn = V::select(large, -zero, zero);
    let tail = polynomial(&ATAN_F32, z) * (z * q);
    let sum = fast_two_sum(V::select(large, V::of(HALF_PI_F32[0]), zero), q.bit_xor(turn));
    let value = sum.0 + (tail.bit_xor(turn) + (sum.1 + V::select(large, V::of(HALF_PI_F32[1]), zero)));
    value.bit_or(x.bit_and(-zero))
}

/// `atan_single` of one number.
#[must_use]
pub fn atan_f32(x: f32) -> f32 {
    atan_single(x)
}

/// The angle of the point (`x`, `y`), as C's `atan2`.
#[inline(always)]
#[must_use]
pub fn atan2_f32(y: f32, x: f32) -> f32 {
    let (a, b) = (y.abs(), x.abs());
    let steep = a > b;
    let (n, d) = if steep { (b, a) } else { (a, b) };
    let q = n / d;
    // Two infinities, or two zeros.
    let q = if n == d { if n == 0.0 { 0.0 } else { 1.0 } } else { q };
    // What the quotient misses, through the derivative 1 / (1 + q^2): a line is enough.
    let low = (-q).mul_add(d, n) / d * (-0.5 * q).mul_add(q, 1.0);
    let low = if (d == 0.0) | (d == f32::INFINITY) { 0.0 } else { low };
    let left = x.is_sign_negative();
    let turns = if steep {
        1.0
    } else if left {
        2.0
    } else {
        0.0
    };
    let value = arc(q, low, turns, if steep == left { 1.0 } else { -1.0 });
    if x.is_nan() | y.is_nan() { f32::NAN } else { with_sign(value, y) }
}
