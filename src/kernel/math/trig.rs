//! sin, cos, tan. The `_near` functions hold up to [`TRIG_NEAR`] in magnitude and are bit for bit the same there: a
//! tile without larger numbers may use them.

use super::{
    coefficients::{COS, SIN, TAN_LONG},
    pair::{Pair, fast_two_sum, polynomial, wide_polynomial},
    real::Double,
    reduce::{NEAR, reduce, reduce_near},
};

/// Magnitudes up to this are served by the `_near` functions.
pub const TRIG_NEAR: f64 = NEAR;

/// `sin r` for `|r| <= pi/4`, as head and tail.
#[inline(always)]
fn sin_kernel(r: Pair) -> Pair {
    let z = r.0 * r.0;
    let cube = z * r.0;
    let tail = r.1.mul_add((-0.5f64).mul_add(z, 1.0), polynomial(&SIN, z) * cube);
    Pair(r.0, tail)
}

/// `cos r` for `|r| <= pi/4`, as head and tail.
#[inline(always)]
fn cos_kernel(r: Pair) -> Pair {
    let z = r.0 * r.0;
    let half = 0.5 * z;
    let head = fast_two_sum(1.0, -half);
    // The error of z/2, and the low part of r.
    let error = (-0.5f64).mul_add(r.0.mul_add(r.0, -z), -(r.0 * r.1));
    Pair(head.0, head.1 + (z * z).mul_add(polynomial(&COS, z), error))
}

/// The sine of a reduced argument, `quarters` quarter turns on.
#[inline(always)]
fn sine(r: Pair, quarters: u64) -> f64 {
    let (sin, cos) = (sin_kernel(r), cos_kernel(r));
    let (sin, cos) = (sin.0 + sin.1, cos.0 + cos.1);
    let value = if quarters & 1 == 0 { sin } else { cos };
    f64::from_bits(value.to_bits() ^ ((quarters & 2) << 62))
}

#[inline(always)]
fn signed(x: f64, value: f64) -> f64 {
    let value = f64::from_bits(value.to_bits() ^ (x.to_bits() & (1 << 63)));
    if x.abs() < f64::INFINITY { value } else { f64::NAN }
}

/// The tangent of a reduced argument, as good as its sign.
#[inline(always)]
fn tangent<V: Double>(r: Pair<V>, quarters: V) -> V {
    let z = r.0 * r.0;
    // The derivative of the tangent is 1 + tan^2, near 1 + 3/2 r^2.
    let low = (z * V::of(1.5)).mul_add(r.1, r.1);
    let tan = fast_two_sum(r.0, wide_polynomial(&TAN_LONG, z).mul_add(z * r.0, low));
    let inverse = V::of(-1.0) / tan.0;
    let error = inverse.mul_add(tan.1, inverse.mul_add(tan.0, V::of(1.0)));
    let even = quarters.bit_and(V::of_bits(1)).is_equal(V::of(0.0));
    V::select(even, tan.0, error.mul_add(inverse, inverse))
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
#[must_use]
pub fn sin_near_f64(x: f64) -> f64 {
    let (r, quarters) = reduce_near(x.abs());
    signed(x, sine(r, quarters.to_bits()))
}

/// Cosine.
#[inline(always)]
#[must_use]
pub fn cos_f64(x: f64) -> f64 {
    let (r, quarters) = reduce(x.abs());
    signed(x.abs(), sine(r, quarters.wrapping_add(1)))
}

/// [`cos_f64`] up to [`TRIG_NEAR`].
#[inline(always)]
#[must_use]
pub fn cos_near_f64(x: f64) -> f64 {
    let (r, quarters) = reduce_near(x.abs());
    signed(x.abs(), sine(r, quarters.to_bits().wrapping_add(1)))
}

/// Tangent.
#[inline(always)]
#[must_use]
pub fn tan_f64(x: f64) -> f64 {
    let (r, quarters) = reduce(x.abs());
    signed(x, tangent(r, f64::from_bits(quarters)))
}

/// [`tan_f64`] up to [`TRIG_NEAR`].
#[inline(always)]
pub(crate) fn tan_near<V: Double>(x: V) -> V {
    let (r, quarters) = reduce_near(x.abs());
    tangent(r, quarters).bit_xor(x.bit_and(V::of(-0.0)))
}

/// [`tan_near`] of one number.
#[must_use]
pub fn tan_near_f64(x: f64) -> f64 {
    tan_near(x)
}
