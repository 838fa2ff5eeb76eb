//! sinh, cosh, tanh of `f32`, in `f32`, as in the wide functions; and cbrt, erf.

use super::{
    coefficients::{COSH_F32, CUBE_ROOT_F32, ERF_F32, ERF_FAR_F32, LN2_F32, SINH_F32, TANH_F32, TWO_BY_ROOT_PI_F32},
    single::{ROUND, fast_two_sum, polynomial, power_of_two, with_sign},
};

/// Cube root, as the wide function.
#[inline(always)]
#[must_use]
pub fn cbrt_f32(x: f32) -> f32 {
    let magnitude = x.abs();
    let small = magnitude < f32::MIN_POSITIVE;
    let bits = (if small { magnitude * 16_777_216.0 } else { magnitude }).to_bits();
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    let exponent = (bits >> 23) as i32 as f32 - 127.0;
    // exponent = 3 third + rest, rest in {0, 1, 2}.
    let shifted = (exponent - 1.0).mul_add(1.0 / 3.0, ROUND);
    let rest = (shifted - ROUND).mul_add(-3.0, exponent);
    let (one, two) = (rest == 1.0, rest == 2.0);
    let a = mantissa
        * if two {
            4.0
        } else if one {
            2.0
        } else {
            1.0
        };
    let inverse = polynomial(&CUBE_ROOT_F32, mantissa)
        * if two {
            0.629_960_5
        } else if one {
            0.793_700_5
        } else {
            1.0
        };
    let error = (-(a * inverse)).mul_add(inverse * inverse, 1.0);
    let inverse = (inverse * error).mul_add(1.0 / 3.0, inverse);
    let square = inverse * inverse;
    let root = a * square;
    let root_square = root * root;
    let low = root.mul_add(root, -root_square);
    let residue = (-root_square).mul_add(root, a) - low * root;
    let root = (residue * (1.0 / 3.0)).mul_add(square, root);
    let power = power_of_two(shifted) * if small { 0.003_906_25 } else { 1.0 };
    let result = if magnitude == 0.0 { 0.0 } else { root * power };
    if magnitude < f32::INFINITY { with_sign(result, x) } else { x }
}

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
