//! sigmoid, silu, softplus, logaddexp, logaddexp2: by `z = e^-|x|`, kept as a sum of two doubles.

use super::{
    coefficients::{INV_LN2, LN2},
    exp::{clamp, exp_parts, scale},
    log::log_ratio,
    pair::{Pair, divide, fast_two_sum, multiply, power_of_two, select, two_product, two_sum},
};

/// The sigmoid of `x` as a pair to be scaled by a power of two; `|x|` is below 760.
#[inline(always)]
fn sigmoid_parts(x: f64) -> (Pair, i64) {
    let (z, exponent) = exp_parts(-x.abs(), 0.0);
    let z = fast_two_sum(z.0, z.1);
    // z below 2^-200 does not count beside 1.
    let bounded = if exponent < -200 { -200 } else { exponent };
    let power = power_of_two(bounded);
    let one = fast_two_sum(1.0, z.0 * power);
    let d = Pair(one.0, z.1.mul_add(power, one.1));
    let negative = x < 0.0;
    let quotient = divide(select(negative, z, Pair(1.0, 0.0)), d);
    (quotient, if negative { exponent } else { 0 })
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
#[must_use]
pub fn sigmoid_f64(x: f64) -> f64 {
    let (value, exponent) = sigmoid_parts(clamp(x, -750.0, 750.0));
    let result = scale(value.0 + value.1, exponent);
    if x.is_nan() { x } else { result }
}

/// `x / (1 + e^-x)`; minus infinity gives its limit, -0.
#[inline(always)]
#[must_use]
pub fn silu_f64(x: f64) -> f64 {
    let clamped = clamp(x, -760.0, 750.0);
    let (value, exponent) = sigmoid_parts(clamped);
    let product = two_product(clamped, value.0);
    let result = scale(product.0 + clamped.mul_add(value.1, product.1), exponent);
    // There the sigmoid is 1.
    let result = if x > 50.0 { x } else { result };
    let result = if x.abs() < 1e-290 { 0.5 * x } else { result };
    if x.is_nan() { x } else { result }
}

/// `log(1 + z) - k ln 2` for `z = e^-(high + low)`, `high` from 0 to 750, and `k`, 0 or 1.
#[inline(always)]
fn log1p_parts(high: f64, low: f64) -> (Pair, f64) {
    let (z, exponent) = exp_parts(-high, -low);
    let z = fast_two_sum(z.0, z.1);
    let z = Pair(scale(z.0, exponent), scale(z.1, exponent));
    // log(1 + z) = k ln 2 + log((1 + z) / 2^k): k is 1 from z = sqrt(2) - 1.
    let upper = z.0 > 0.414;
    let n = select(upper, fast_two_sum(-1.0, z.0), Pair(z.0, 0.0));
    let d = fast_two_sum(if upper { 3.0 } else { 2.0 }, z.0);
    let log = log_ratio(Pair(n.0, n.1 + z.1), Pair(d.0, d.1 + z.1), 0.0);
    (select(z.0 < 1e-20, z, log), if upper { 1.0 } else { 0.0 })
}

/// `log(1 + z)` for `z = e^-(high + low)`: relative error below 2^-56.
#[inline(always)]
fn log1p_of_exp(high: f64, low: f64) -> Pair {
    let (log, k) = log1p_parts(high, low);
    let sum = fast_two_sum(k * LN2[0], log.0);
    Pair(sum.0, sum.1 + k.mul_add(LN2[1], log.1))
}

/// `log(1 + e^x)`.
#[inline(always)]
#[must_use]
pub fn softplus_f64(x: f64) -> f64 {
    let log = log1p_of_exp(clamp(x.abs(), 0.0, 750.0), 0.0);
    let sum = two_sum(if x > 0.0 { x } else { 0.0 }, log.0);
    let result = sum.0 + (sum.1 + log.1);
    let result = if x > 100.0 { x } else { result };
    if x.is_nan() { x } else { result }
}

/// The greater, and the distance as a sum.
#[inline(always)]
fn order(a: f64, b: f64) -> (f64, Pair) {
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    (large, two_sum(large, -small))
}

#[inline(always)]
fn finish(a: f64, b: f64, large: f64, sum: Pair) -> f64 {
    let result = sum.0 + sum.1;
    let result = if large.abs() == f64::INFINITY { large } else { result };
    if a.is_nan() | b.is_nan() { f64::NAN } else { result }
}

/// `log(e^a + e^b)`.
#[inline(always)]
#[must_use]
pub fn logaddexp_f64(a: f64, b: f64) -> f64 {
    let (large, distance) = order(a, b);
    let bounded = if distance.0 > 750.0 { Pair(750.0, 0.0) } else { distance };
    let log = log1p_of_exp(bounded.0, bounded.1);
    let sum = two_sum(large, log.0);
    finish(a, b, large, Pair(sum.0, sum.1 + log.1))
}

/// `log2(2^a + 2^b)`.
#[inline(always)]
#[must_use]
pub fn logaddexp2_f64(a: f64, b: f64) -> f64 {
    let (large, distance) = order(a, b);
    let bounded = if distance.0 > 1080.0 { Pair(1080.0, 0.0) } else { distance };
    let natural = multiply(bounded, Pair(LN2[0], LN2[1]));
    let (log, k) = log1p_parts(natural.0, natural.1);
    let log = multiply(fast_two_sum(log.0, log.1), Pair(INV_LN2[0], INV_LN2[1]));
    let head = two_sum(large, k);
    let sum = two_sum(head.0, log.0);
    finish(a, b, large, Pair(sum.0, sum.1 + (head.1 + log.1)))
}
