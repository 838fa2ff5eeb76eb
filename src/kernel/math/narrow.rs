//! Functions of `f32` that compute in `f64` and round once.

use super::{
    coefficients::{ERFC_NARROW, EXP_NARROW, GELU_NARROW, LOG_NARROW},
    exp::{ROUND, clamp},
    pair::{polynomial, wide_polynomial},
};

/// `e^x` for `x` from -700 to 700, relative error near 2^-34.
#[inline(always)]
fn exp_narrow(x: f64) -> f64 {
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let r = (shifted - ROUND).mul_add(-std::f64::consts::LN_2, x);
    f64::from_bits(polynomial(&EXP_NARROW, r).to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// `log(1 + e^-distance) - k ln 2` for `distance >= 0`, and `k`, 0 or 1.
#[inline(always)]
fn log1p_of_exp(distance: f64) -> (f64, f64) {
    let z = exp_narrow(if distance > 600.0 { -600.0 } else { -distance });
    let upper = z > 0.414;
    let s = (if upper { z - 1.0 } else { z }) / (if upper { z + 3.0 } else { z + 2.0 });
    (s * polynomial(&LOG_NARROW, s * s), if upper { 1.0 } else { 0.0 })
}

/// `log(1 + e^x)`.
#[inline(always)]
#[must_use]
pub fn softplus_f32(x: f32) -> f32 {
    let wide = f64::from(x);
    let (log, k) = log1p_of_exp(wide.abs());
    let result = ((if wide > 0.0 { wide } else { 0.0 }) + k.mul_add(std::f64::consts::LN_2, log)) as f32;
    if x.is_nan() { x } else { result }
}

/// The greater, and the distance.
#[inline(always)]
fn order(a: f32, b: f32) -> (f64, f64) {
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    (f64::from(large), f64::from(large) - f64::from(small))
}

#[inline(always)]
fn finish(a: f32, b: f32, large: f64, sum: f64) -> f32 {
    let result = if large.abs() == f64::INFINITY { large } else { sum };
    if a.is_nan() | b.is_nan() { f32::NAN } else { result as f32 }
}

/// `log(e^a + e^b)`.
#[inline(always)]
#[must_use]
pub fn logaddexp_f32(a: f32, b: f32) -> f32 {
    let (large, distance) = order(a, b);
    let (log, k) = log1p_of_exp(distance);
    finish(a, b, large, large + k.mul_add(std::f64::consts::LN_2, log))
}

/// `log2(2^a + 2^b)`.
#[inline(always)]
#[must_use]
pub fn logaddexp2_f32(a: f32, b: f32) -> f32 {
    let (large, distance) = order(a, b);
    let (log, k) = log1p_of_exp(distance * std::f64::consts::LN_2);
    finish(a, b, large, log.mul_add(std::f64::consts::LOG2_E, large + k))
}

/// `sqrt(x^2 + y^2)` without overflow on the way.
#[inline(always)]
#[must_use]
pub fn hypot_f32(x: f32, y: f32) -> f32 {
    let (a, b) = (f64::from(x), f64::from(y));
    let result = a.mul_add(a, b * b).sqrt() as f32;
    if (x.abs() == f32::INFINITY) | (y.abs() == f32::INFINITY) { f32::INFINITY } else { result }
}

/// `(1 - t) h(t) e^exponent / (2 b)`, `t = (x - b) / (x + b)`.
#[inline(always)]
fn tail(x: f64, b: f64, c: &[f64; 15], exponent: f64) -> f64 {
    let r = 1.0 / (x + b);
    wide_polynomial(c, (-2.0 * b).mul_add(r, 1.0)) * (r * exp_narrow(exponent))
}

/// Complementary error function, `1 - erf x`.
#[inline(always)]
#[must_use]
pub fn erfc_f32(x: f32) -> f32 {
    let magnitude = clamp(f64::from(x.abs()), 0.0, 11.0);
    let value = tail(magnitude, 2.0, &ERFC_NARROW, -magnitude * magnitude);
    let result = (if x < 0.0 { 2.0 - value } else { value }) as f32;
    if x.is_nan() { x } else { result }
}

/// `x * (1 + erf(x / sqrt 2)) / 2`; minus infinity gives its limit, -0.
#[inline(always)]
#[must_use]
pub fn gelu_f32(x: f32) -> f32 {
    let wide = clamp(f64::from(x), -20.0, 20.0);
    let magnitude = wide.abs();
    let value = 0.5 * tail(magnitude, 4.0, &GELU_NARROW, -0.5 * magnitude * magnitude);
    let result = (wide * if x < 0.0 { value } else { 1.0 - value }) as f32;
    let result = if x > 20.0 { x } else { result };
    if x.is_nan() { x } else { result }
}
