//! log: `x = 2^k m` with `m` in `[sqrt(1/2), sqrt(2))`, `s = (m-1)/(m+1)`, `log m = 2 (s + s^3/3 + s^5/5 + …)`.

use super::{LN2_HIGH, LN2_LOW};

/// Bits of sqrt(1/2), rounded down.
const ROOT_HALF: u64 = 0x3fe6_a09e_0000_0000;

/// Mantissa in `[sqrt(1/2), sqrt(2))` and exponent of a positive finite number; nonsense for others.
#[inline(always)]
pub(super) fn split(x: f64) -> (f64, f64) {
    let small = x < f64::MIN_POSITIVE;
    let scaled = if small { x * 18_014_398_509_481_984.0 } else { x };
    let bits = scaled.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - ROOT_HALF);
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + ROOT_HALF);
    // The exponent as a float without a 64-bit conversion, which AVX2 lacks.
    let biased = f64::from_bits(0x4330_0000_0000_0000 | (bits >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    (mantissa, if small { biased - 54.0 } else { biased })
}

/// What `log` gives where the series does not hold.
#[inline(always)]
pub(super) fn special(x: f64, result: f64) -> f64 {
    let result = if x == f64::INFINITY { x } else { result };
    let result = if x == 0.0 { f64::NEG_INFINITY } else { result };
    if (x < 0.0) | x.is_nan() { f64::NAN } else { result }
}

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log_f64(x: f64) -> f64 {
    let (m, k) = split(x);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    const C: [f64; 11] =
        [2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0, 2.0 / 11.0, 2.0 / 13.0, 2.0 / 15.0, 2.0 / 17.0, 2.0 / 19.0, 2.0 / 21.0, 2.0 / 23.0];
    let mut series = C[10];
    let mut index = 10;
    while index > 0 {
        index -= 1;
        series = series.mul_add(z, C[index]);
    }
    series *= z;
    // log(1+f) = f - (f^2/2 - s (f^2/2 + series)): the head is exact, what is rounded is small beside it.
    let half_square = 0.5 * f * f;
    let correction = s.mul_add(half_square + series, k * LN2_LOW);
    let head = k * LN2_HIGH;
    let sum = head + f;
    let error = if k == 0.0 { 0.0 } else { f - (sum - head) };
    special(x, sum - (half_square - (correction + error)))
}

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log_f32(x: f32) -> f32 {
    log_narrow(f64::from(x)) as f32
}

/// log with a relative error near 2^-50, of numbers that are normal in f64: what the f32 functions need.
#[inline(always)]
pub(super) fn log_narrow(x: f64) -> f64 {
    let (m, k) = split(x);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    const C: [f64; 9] = [2.0, 2.0 / 3.0, 2.0 / 5.0, 2.0 / 7.0, 2.0 / 9.0, 2.0 / 11.0, 2.0 / 13.0, 2.0 / 15.0, 2.0 / 17.0];
    let mut series = C[8];
    let mut index = 8;
    while index > 0 {
        index -= 1;
        series = series.mul_add(z, C[index]);
    }
    special(x, k.mul_add(std::f64::consts::LN_2, s * series))
}
