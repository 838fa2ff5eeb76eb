//! cbrt and hypot.

use super::{
    coefficients::*,
    exp::ROUND,
    pair::{fast_two_sum, polynomial, two_product},
    real::{Double, Single},
    single::ROUND as ROUND_F32,
};

/// Cube root: `|x| = 2^(3 n + k) m`, `m c = 1 + r` for a `c` of a table; tables of the cube roots of `1 / c` and of `2^k`.
#[inline(always)]
pub(crate) fn cbrt<V: Double>(x: V) -> V {
    let (mantissa, exponent) = (x.mantissa(), x.exponent());
    let place = mantissa.bits_right(48);
    let r = mantissa.mul_add(place.lookup(&CBRT_RECIPROCALS), V::of(-1.0));
    // The exponent is 3 n + k, k from -1 to 1.
    let n = exponent.mul_add(V::of(1.0 / 3.0), V::of(ROUND)) - V::of(ROUND);
    let k = n.mul_add(V::of(-3.0), exponent) + V::of(ROUND);
    let (head, other) = (place.lookup(&CBRT_HEADS), k.lookup(&CBRT_THIRDS));
    let product = head * other;
    let rests = place.lookup(&CBRT_RESTS) + k.lookup(&CBRT_THIRD_RESTS);
    let series = polynomial(&CBRT_SERIES, r).mul_add(r, rests);
    let root = product + product.mul_add(series, head.mul_add(other, -product));
    root.scale(n).or_special_argument(x).bit_or(x.bit_and(V::of(-0.0)))
}

/// [`cbrt`] of `f32`: one table for both.
#[inline(always)]
pub(crate) fn cbrt_single<V: Single>(x: V) -> V {
    let (mantissa, exponent) = (x.mantissa(), x.exponent());
    let n = exponent.mul_add(V::of(1.0 / 3.0), V::of(ROUND_F32)) - V::of(ROUND_F32);
    let k = n.mul_add(V::of(-3.0), exponent) + V::of(ROUND_F32);
    let place = mantissa.bits_right(20).bits_add(k.bits_left(3));
    let r = mantissa.mul_add(place.lookup(&CBRT_RECIPROCALS_F32), V::of(-1.0));
    let head = place.lookup(&CBRT_HEADS_F32);
    let series = polynomial(&CBRT_SERIES_F32, r).mul_add(r, place.lookup(&CBRT_RESTS_F32));
    head.mul_add(series, head).scale(n).or_special_argument(x).bit_or(x.bit_and(V::of(-0.0)))
}

/// `cbrt` of one number.
#[must_use]
pub fn cbrt_f64(x: f64) -> f64 {
    cbrt(x)
}

/// `cbrt_single` of one number.
#[must_use]
pub fn cbrt_f32(x: f32) -> f32 {
    cbrt_single(x)
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
