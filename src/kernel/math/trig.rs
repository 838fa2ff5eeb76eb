//! sin, cos, tan. The `_near` functions hold up to [`TRIG_NEAR`] in magnitude and are bit for bit the same there: a
//! tile without larger numbers may use them.

use super::{
    coefficients::{COS, SIN, TAN_REST},
    pair::{Pair, fast_two_sum, polynomial},
    real::{Double, Real},
    reduce::{NEAR, reduce, reduce_near},
};

/// Magnitudes up to this are served by the `_near` functions.
pub const TRIG_NEAR: f64 = NEAR;

/// The sine of a reduced argument, the quadrant in the low bits of `quarters`.
#[inline(always)]
fn sine<V: Double>(r: Pair<V>, quarters: V) -> V {
    let z = r.0 * r.0;
    let sin = r.0 + r.1.mul_add(z.mul_add(V::of(-0.5), V::of(1.0)), polynomial(&SIN, z) * (z * r.0));
    let half = z * V::of(0.5);
    let head = fast_two_sum(V::of(1.0), -half);
    // The error of z/2, and the low part of r.
    let error = r.0.mul_add(-r.0, z).mul_add(V::of(0.5), -(r.0 * r.1));
    let cos = head.0 + (head.1 + (z * z).mul_add(polynomial(&COS, z), error));
    let value = V::select(quarters.has_bit(1), cos, sin);
    value.bit_xor(quarters.bits_left(62).bit_and(V::of(-0.0)))
}

/// NaN where `x` is not finite, with the sign of `x`.
#[inline(always)]
fn signed(x: f64, value: f64) -> f64 {
    if x.abs() < f64::INFINITY { value.bit_xor(x.bit_and(-0.0)) } else { f64::NAN }
}

/// A quadrant on: the integer in the low bits.
#[inline(always)]
fn next<V: Double>(quarters: V) -> V {
    quarters.bits_add(V::of_bits(1))
}

/// The tangent of a reduced argument, as good as its sign.
#[inline(always)]
fn tangent<V: Double>(r: Pair<V>, quarters: V) -> V {
    let z = r.0 * r.0;
    // The derivatives by r, 1 + tan^2, near 1 + 3/2 r^2, and by z, near r/2 where it counts.
    let z_low = r.0.mul_add(r.0, -z) * V::of(0.5);
    let low = z_low.mul_add(r.0, (z * V::of(1.5)).mul_add(r.1, r.1));
    let series = z.mul_add(V::of(1.0 / 3.0), z * z * polynomial(&TAN_REST, z));
    let tan = fast_two_sum(r.0, series.mul_add(r.0, low));
    let inverse = V::of(-1.0) / tan.0;
    let error = inverse.mul_add(tan.1, inverse.mul_add(tan.0, V::of(1.0)));
    V::select(quarters.has_bit(1), error.mul_add(inverse, inverse), tan.0)
}

/// Sine.
#[inline(always)]
#[must_use]
pub fn sin_f64(x: f64) -> f64 {
    let (r, quarters) = reduce(x.abs());
    signed(x, sine(r, quarters))
}

/// [`sin_f64`] up to [`TRIG_NEAR`].
#[inline(always)]
pub(crate) fn sin_near<V: Double>(x: V) -> V {
    let (r, quarters) = reduce_near(x.abs());
    sine(r, quarters).bit_xor(x.bit_and(V::of(-0.0)))
}

/// Cosine.
#[inline(always)]
#[must_use]
pub fn cos_f64(x: f64) -> f64 {
    let (r, quarters) = reduce(x.abs());
    signed(x.abs(), sine(r, next(quarters)))
}

/// [`cos_f64`] up to [`TRIG_NEAR`].
#[inline(always)]
pub(crate) fn cos_near<V: Double>(x: V) -> V {
    let (r, quarters) = reduce_near(x.abs());
    sine(r, next(quarters))
}

/// Tangent.
#[inline(always)]
#[must_use]
pub fn tan_f64(x: f64) -> f64 {
    let (r, quarters) = reduce(x.abs());
    signed(x, tangent(r, quarters))
}

/// [`tan_f64`] up to [`TRIG_NEAR`].
#[inline(always)]
pub(crate) fn tan_near<V: Double>(x: V) -> V {
    let (r, quarters) = reduce_near(x.abs());
    tangent(r, quarters).bit_xor(x.bit_and(V::of(-0.0)))
}
