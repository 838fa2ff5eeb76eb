//! power: `e^(y log x)` with the logarithm in two doubles, so that the product carries 64 bits and more.

use super::{
    LN2_HIGH, LN2_LOW,
    exp::exp_sum,
    log::{log_narrow, split},
    pair::{Pair, fast_two_sum, multiply},
};

/// `log x` of a positive finite number, relative error below 2^-63.
#[inline(always)]
fn log_pair(x: f64) -> Pair {
    let (m, k) = split(x);
    let numerator = m - 1.0;
    let denominator = fast_two_sum(m.max(1.0), m.min(1.0));
    let high = numerator / denominator.0;
    let low = (high.mul_add(-denominator.0, numerator) - high * denominator.1) / denominator.0;
    let s = Pair(high, low);
    let z = multiply(s, s);
    const C: [f64; 12] = [
        1.0 / 5.0,
        1.0 / 7.0,
        1.0 / 9.0,
        1.0 / 11.0,
        1.0 / 13.0,
        1.0 / 15.0,
        1.0 / 17.0,
        1.0 / 19.0,
        1.0 / 21.0,
        1.0 / 23.0,
        1.0 / 25.0,
        1.0 / 27.0,
    ];
    let mut series = C[11];
    let mut index = 11;
    while index > 0 {
        index -= 1;
        series = series.mul_add(z.0, C[index]);
    }
    let q = multiply(z, Pair(series, 0.0));
    const THIRD: Pair = Pair(1.0 / 3.0, 1.0 / 54_043_195_528_445_952.0);
    let sum = fast_two_sum(THIRD.0, q.0);
    let inner = multiply(z, Pair(sum.0, sum.1 + (q.1 + THIRD.1)));
    let outer = multiply(s, inner);
    let head = fast_two_sum(s.0, outer.0);
    let log_m = fast_two_sum(2.0 * head.0, 2.0 * (head.1 + (outer.1 + s.1)));
    let sum = fast_two_sum(if k == 0.0 { log_m.0 } else { k * LN2_HIGH }, if k == 0.0 { 0.0 } else { log_m.0 });
    fast_two_sum(sum.0, sum.1 + k.mul_add(LN2_LOW, log_m.1))
}

/// Whether `y` is an integer, and whether it is odd.
#[inline(always)]
fn parity(y: f64) -> (bool, bool) {
    let magnitude = y.abs();
    // From 2^53 up every number is an even integer.
    let bounded = if magnitude < 9_007_199_254_740_992.0 { magnitude } else { 0.0 };
    let half = bounded * 0.5;
    (bounded.floor() == bounded, half.floor() != half && bounded.floor() == bounded)
}

/// Signs and special cases around `result`, the power of `|x|`.
#[inline(always)]
fn special(x: f64, y: f64, result: f64) -> f64 {
    let (integer, odd) = parity(y);
    let magnitude = x.abs();
    let grows = (magnitude > 1.0) == (y > 0.0);
    let extreme = if grows { f64::INFINITY } else { 0.0 };
    let infinite = (magnitude == 0.0) | (magnitude == f64::INFINITY) | (y.abs() == f64::INFINITY);
    let result = if infinite { extreme } else { result };
    let result = if (magnitude == 1.0) | (y == 0.0) { 1.0 } else { result };
    let result = if x.is_sign_negative() & odd { -result } else { result };
    let invalid = (x < 0.0) & !integer & (magnitude != f64::INFINITY) & (y.abs() != f64::INFINITY);
    let nan = (x.is_nan() & (y != 0.0)) | (y.is_nan() & (x != 1.0)) | invalid;
    if nan { f64::NAN } else { result }
}

/// `x` to the power `y`, as C's `pow`; `power(x, 2)` is `x * x`.
#[inline(always)]
#[must_use]
pub fn power_f64(x: f64, y: f64) -> f64 {
    let log = log_pair(x.abs());
    let high = log.0 * y;
    // Beyond this the result is infinite or zero, and the low part would be NaN.
    let bounded = high.abs() < 1e4;
    let low = if bounded { log.0.mul_add(y, -high) + log.1 * y } else { 0.0 };
    let result = special(x, y, exp_sum(high, low));
    if y == 2.0 { x * x } else { result }
}

/// `x` to the power `y`, as C's `powf`; `power(x, 2)` is `x * x`.
#[inline(always)]
#[must_use]
pub fn power_f32(x: f32, y: f32) -> f32 {
    let (wide, exponent) = (f64::from(x), f64::from(y));
    let result = special(wide, exponent, exp_sum(exponent * log_narrow(wide.abs()), 0.0)) as f32;
    if y == 2.0 { x * x } else { result }
}
