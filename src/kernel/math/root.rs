//! cbrt and hypot.

use super::{
    coefficients::{CUBE_ROOT, ROOT3_OF_2, ROOT3_OF_4},
    exp::ROUND,
    pair::{fast_two_sum, polynomial, power_of_two, two_product, with_sign},
};

/// Cube root: the inverse root by a polynomial and one step of third order, the root corrected by its exact residue.
#[inline(always)]
#[must_use]
pub fn cbrt_f64(x: f64) -> f64 {
    let magnitude = x.abs();
    let small = magnitude < f64::MIN_POSITIVE;
    let scaled = if small { magnitude * 18_014_398_509_481_984.0 } else { magnitude };
    let bits = scaled.to_bits();
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    let exponent = f64::from_bits(0x4330_0000_0000_0000 | (bits >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    // exponent = 3 third + rest, rest in {0, 1, 2}.
    let shifted = (exponent - 1.0).mul_add(1.0 / 3.0, ROUND);
    let third = shifted - ROUND;
    let rest = third.mul_add(-3.0, exponent);
    let (one, two) = (rest == 1.0, rest == 2.0);
    let a = mantissa
        * if two {
            4.0
        } else if one {
            2.0
        } else {
            1.0
        };
    let inverse = polynomial(&CUBE_ROOT, mantissa)
        * if two {
            1.0 / ROOT3_OF_4[0]
        } else if one {
            1.0 / ROOT3_OF_2[0]
        } else {
            1.0
        };
    let error = (-(a * inverse)).mul_add(inverse * inverse, 1.0);
    let inverse = (inverse * error).mul_add(error.mul_add(2.0 / 9.0, 1.0 / 3.0), inverse);
    let square = inverse * inverse;
    let root = a * square;
    let root_square = two_product(root, root);
    let residue = (-root_square.0).mul_add(root, a) - root_square.1 * root;
    let root = (residue * (1.0 / 3.0)).mul_add(square, root);
    let power = power_of_two((shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64));
    let result = root * power * if small { 1.0 / 262_144.0 } else { 1.0 };
    let result = if magnitude == 0.0 { 0.0 } else { result };
    if magnitude < f64::INFINITY { with_sign(result, x) } else { x }
}

/// `sqrt(x^2 + y^2)` without overflow on the way.
#[inline(always)]
#[must_use]
pub fn hypot_f64(x: f64, y: f64) -> f64 {
    let (a, b) = (x.abs(), y.abs());
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    let (huge, tiny) = (large > 1e150, large < 1e-130);
    // 2^-600 and 2^600.
    let (down, up) = (f64::from_bits((1023 - 600) << 52), f64::from_bits((1023 + 600) << 52));
    let factor = if huge {
        down
    } else if tiny {
        up
    } else {
        1.0
    };
    let back = if huge {
        up
    } else if tiny {
        down
    } else {
        1.0
    };
    let (large, small) = (large * factor, small * factor);
    let (p, q) = (two_product(large, large), two_product(small, small));
    let sum = fast_two_sum(p.0, q.0);
    let low = sum.1 + (p.1 + q.1);
    let root = sum.0.sqrt();
    let residue = (-root).mul_add(root, sum.0) + low;
    let result = (residue / (root + root) + root) * back;
    let result = if sum.0 == 0.0 { 0.0 } else { result };
    let result = if x.is_nan() | y.is_nan() { f64::NAN } else { result };
    if (a == f64::INFINITY) | (b == f64::INFINITY) { f64::INFINITY } else { result }
}
