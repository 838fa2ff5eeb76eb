//! erf, erfc, gelu: `erfc x = e^(-x^2) h(t) / (x + b)` with `t = (x - b) / (x + b)`, a polynomial for `h` whose last
//! steps carry two doubles; near zero erf has a series of its own.

use super::{
    coefficients::{ERF, ERFC, ERFC_LOW, GELU, GELU_LOW, TWO_BY_ROOT_PI},
    exp::{clamp, exp_parts, scale},
    pair::{Pair, fast_two_sum, multiply, polynomial, power_of_two, select, two_product, two_sum, wide_polynomial, with_sign},
};

/// `h(t) / (x + b)` for `x >= 0`, relative error below 2^-58.
#[inline(always)]
fn scaled<const N: usize>(x: f64, b: f64, c: &[f64; N], c_low: &[f64; 4]) -> Pair {
    let d = two_sum(x, b);
    let inverse = 1.0 / d.0;
    let rest = (-inverse).mul_add(d.0, 1.0) - inverse * d.1;
    let r = Pair(inverse, inverse * rest);
    // t = 1 - 2 b r, b a power of two.
    let t = fast_two_sum(1.0, -2.0 * b * r.0);
    let t = Pair(t.0, (-2.0 * b).mul_add(r.1, t.1));
    let mut sum = Pair(wide_polynomial(c.last_chunk::<23>().unwrap_or(&[0.0; 23]), t.0), 0.0);
    let mut index = 4;
    while index > 0 {
        index -= 1;
        let product = two_product(sum.0, t.0);
        let low = sum.0.mul_add(t.1, sum.1.mul_add(t.0, product.1));
        let head = two_sum(c[index], product.0);
        sum = Pair(head.0, head.1 + (low + c_low[index]));
    }
    multiply(sum, r)
}

/// erfc of `x >= 0` as a pair and a power of two.
#[inline(always)]
fn erfc_parts(x: f64) -> (Pair, i64) {
    let square = two_product(x, x);
    let (value, exponent) = exp_parts(-square.0, -square.1);
    (multiply(value, scaled(x, 2.0, &ERFC, &ERFC_LOW)), exponent)
}

/// `2^exponent` for exponents that may be far below the range.
#[inline(always)]
fn bounded_power(exponent: i64) -> f64 {
    power_of_two(if exponent < -300 { -300 } else { exponent })
}

/// Error function.
#[inline(always)]
#[must_use]
pub fn erf_f64(x: f64) -> f64 {
    let magnitude = clamp(x.abs(), 0.0, 7.0);
    let (value, exponent) = erfc_parts(magnitude);
    let power = bounded_power(exponent);
    let sum = fast_two_sum(1.0, -value.0 * power);
    let far = sum.0 + (-value.1).mul_add(power, sum.1);
    let z = magnitude * magnitude;
    let head = two_product(magnitude, TWO_BY_ROOT_PI[0]);
    let near = head.0 + (z * magnitude).mul_add(polynomial(&ERF, z), magnitude.mul_add(TWO_BY_ROOT_PI[1], head.1));
    let result = if magnitude < 0.5 { near } else { far };
    if x.is_nan() { x } else { with_sign(result, x) }
}

/// Complementary error function, `1 - erf x`.
#[inline(always)]
#[must_use]
pub fn erfc_f64(x: f64) -> f64 {
    let (value, exponent) = erfc_parts(clamp(x.abs(), 0.0, 28.0));
    let positive = scale(value.0 + value.1, exponent);
    let power = bounded_power(exponent);
    let sum = fast_two_sum(2.0, -value.0 * power);
    let negative = sum.0 + (-value.1).mul_add(power, sum.1);
    let result = if x < 0.0 { negative } else { positive };
    if x.is_nan() { x } else { result }
}

/// `x * (1 + erf(x / sqrt 2)) / 2`; minus infinity gives its limit, -0.
#[inline(always)]
#[must_use]
pub fn gelu_f64(x: f64) -> f64 {
    let clamped = clamp(x, -40.0, 40.0);
    let magnitude = clamped.abs();
    let square = two_product(magnitude, magnitude);
    let (value, exponent) = exp_parts(-0.5 * square.0, -0.5 * square.1);
    let tail = multiply(value, scaled(magnitude, 4.0, &GELU, &GELU_LOW));
    // erfc / 2 of a negative x, 1 - erfc / 2 of a positive one.
    let negative = x < 0.0;
    let power = bounded_power(exponent);
    let sum = fast_two_sum(1.0, -0.5 * tail.0 * power);
    let upper = Pair(sum.0, (-0.5 * tail.1).mul_add(power, sum.1));
    let factor = select(negative, Pair(0.5 * tail.0, 0.5 * tail.1), upper);
    let product = two_product(clamped, factor.0);
    let value = product.0 + clamped.mul_add(factor.1, product.1);
    let result = scale(value, if negative { exponent } else { 0 });
    let result = if x > 40.0 { x } else { result };
    let result = if x.abs() < 1e-290 { 0.5 * x } else { result };
    if x.is_nan() { x } else { result }
}
