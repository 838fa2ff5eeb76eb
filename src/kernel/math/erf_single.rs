//! erf of `f32`, in `f32`.

use super::{
    coefficients::{ERF_F32, ERF_FAR_F32, LN2_F32, TWO_BY_ROOT_PI_F32},
    single::{ROUND, polynomial, power_of_two, with_sign},
};

/// Error function: an odd polynomial to 0.95, then `1 - e^P(x)`.
#[inline(always)]
#[must_use]
pub fn erf_f32(x: f32) -> f32 {
    let magnitude = x.abs();
    let z = magnitude * magnitude;
    let head = magnitude * TWO_BY_ROOT_PI_F32[0];
    let low = magnitude.mul_add(TWO_BY_ROOT_PI_F32[0], -head);
    let near = head + polynomial(&ERF_F32, z).mul_add(z * magnitude, magnitude.mul_add(TWO_BY_ROOT_PI_F32[1], low));
    let bounded = if magnitude > 4.0 { 4.0 } else { magnitude };
    let exponent = polynomial(&ERF_FAR_F32, bounded);
    let shifted = exponent.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = k.mul_add(-LN2_F32[1], k.mul_add(-LN2_F32[0], exponent));
    let e = polynomial(&super::coefficients::EXP_F32, r).mul_add(r * r, r);
    let power = power_of_two(shifted);
    let far = 1.0 - power.mul_add(e, power);
    let result = if magnitude < 0.95 { near } else { far };
    let result = if magnitude < 1e-18 { TWO_BY_ROOT_PI_F32[0] * magnitude } else { result };
    if x.is_nan() { x } else { with_sign(result, x) }
}
