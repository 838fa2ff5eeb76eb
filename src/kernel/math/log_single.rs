//! log, log2, log10, log1p of `f32`, in `f32`: `log(1 + f) = c f + f^2 P(f)` for `1 + f` from sqrt(1/2) to sqrt(2).

use super::{
    coefficients::{
        LOG_F32, LOG_OF_2_F32, LOG_SCALE_F32, LOG2_F32, LOG2_OF_2_F32, LOG2_SCALE_F32, LOG10_F32, LOG10_OF_2_F32, LOG10_SCALE_F32,
    },
    single::fast_two_sum,
    single::polynomial,
};

/// Bits of sqrt(1/2).
const ROOT_HALF: u32 = 0x3f35_04f3;

/// `m - 1` and `k` of a positive normal `2^k m`.
#[inline(always)]
fn split(x: f32) -> (f32, i32) {
    let bits = x.to_bits().wrapping_sub(ROOT_HALF);
    let mantissa = f32::from_bits((bits & 0x007f_ffff).wrapping_add(ROOT_HALF));
    (mantissa - 1.0, (bits as i32) >> 23)
}

/// `c f + low + f^2 P(f) + k log 2`.
#[inline(always)]
fn evaluate(f: f32, low: f32, k: f32, c: &[f32; 9], scale: [f32; 2], of_2: [f32; 2]) -> f32 {
    let tail = polynomial(c, f).mul_add(f * f, low);
    let tail = if scale[1] == 0.0 { tail } else { f.mul_add(scale[1], tail) };
    let log = f.mul_add(scale[0], tail);
    let log = if of_2[1] == 0.0 { log } else { k.mul_add(of_2[1], log) };
    k.mul_add(of_2[0], log)
}

/// The result where the argument is positive and finite, else what a logarithm gives there.
#[inline(always)]
fn special(x: f32, result: f32) -> f32 {
    let other = if x > 0.0 { x } else { f32::NAN };
    let other = if x == 0.0 { f32::NEG_INFINITY } else { other };
    if (x.to_bits().wrapping_sub(1)) < 0x7f7f_ffff { result } else { other }
}

#[inline(always)]
fn logarithm(x: f32, c: &[f32; 9], scale: [f32; 2], of_2: [f32; 2]) -> f32 {
    let small = x < f32::MIN_POSITIVE;
    let (f, k) = split(if small { x * 8_388_608.0 } else { x });
    let k = if small { k.wrapping_sub(23) } else { k };
    special(x, evaluate(f, 0.0, k as f32, c, scale, of_2))
}

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log_f32(x: f32) -> f32 {
    logarithm(x, &LOG_F32, LOG_SCALE_F32, LOG_OF_2_F32)
}

/// Logarithm to base 2.
#[inline(always)]
#[must_use]
pub fn log2_f32(x: f32) -> f32 {
    logarithm(x, &LOG2_F32, LOG2_SCALE_F32, LOG2_OF_2_F32)
}

/// Logarithm to base 10.
#[inline(always)]
#[must_use]
pub fn log10_f32(x: f32) -> f32 {
    logarithm(x, &LOG10_F32, LOG10_SCALE_F32, LOG10_OF_2_F32)
}

/// `log(1 + x)`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn log1p_f32(x: f32) -> f32 {
    let u = 1.0 + x;
    let (large, small) = if x > 1.0 { (x, 1.0) } else { (1.0, x) };
    let rest = fast_two_sum(large, small).1;
    let (f, k) = split(u);
    // rest / 2^k: where the shift leaves the range the rest is nothing beside the exponent.
    let bounded = if k > 100 { 100 } else { k };
    let power = f32::from_bits((127i32.wrapping_sub(bounded) as u32) << 23);
    let sum = f + rest * power;
    // What the sum lost, through the derivative 1 / (1 + f).
    let low = rest.mul_add(power, f - sum);
    let low = (-low).mul_add(sum, low);
    let result = special(u, evaluate(sum, low, k as f32, &LOG_F32, LOG_SCALE_F32, LOG_OF_2_F32));
    if x.abs() < 1e-30 { x } else { result }
}
