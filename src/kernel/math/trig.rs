//! sin, cos, tan. The `_near` functions hold up to [`TRIG_NEAR`] in magnitude and are bit for bit the same there: a
//! tile without larger numbers may use them.

use super::{
    coefficients::{COS, SIN},
    pair::{Pair, divide, fast_two_sum, polynomial},
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

#[inline(always)]
fn tangent(x: f64, r: Pair, quarters: u64) -> f64 {
    let (sin, cos) = (sin_kernel(r), cos_kernel(r));
    let (sin, cos) = (fast_two_sum(sin.0, sin.1), fast_two_sum(cos.0, cos.1));
    let even = quarters & 1 == 0;
    let n = if even { sin } else { cos };
    let d = if even { cos } else { sin };
    let quotient = divide(n, d);
    let value = quotient.0 + quotient.1;
    let value = f64::from_bits(value.to_bits() ^ ((quarters & 1) << 63));
    let value = if x.abs() < 1e-300 { x.abs() } else { value };
    signed(x, value)
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
    signed(x, sine(r, quarters))
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
    signed(x.abs(), sine(r, quarters.wrapping_add(1)))
}

/// Tangent.
#[inline(always)]
#[must_use]
pub fn tan_f64(x: f64) -> f64 {
    let (r, quarters) = reduce(x.abs());
    tangent(x, r, quarters)
}

/// [`tan_f64`] up to [`TRIG_NEAR`].
#[inline(always)]
#[must_use]
pub fn tan_near_f64(x: f64) -> f64 {
    let (r, quarters) = reduce_near(x.abs());
    tangent(x, r, quarters)
}
