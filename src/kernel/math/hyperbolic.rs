//! asinh, acosh, atanh by the logarithm of a sum of two parts.

use super::{
    LN2_HIGH, LN2_LOW,
    coefficients::{COSH, SINH},
    exp::{ROUND, clamp},
    log::{log_ratio, log_sum},
    pair::{Pair, divide, fast_two_sum, polynomial, power_of_two, select, two_product, two_sum, with_sign},
};

/// The root of a positive sum.
#[inline(always)]
fn square_root(t: Pair) -> Pair {
    let root = t.0.sqrt();
    let rest = (-root).mul_add(root, t.0) + t.1;
    let low = rest / (root + root);
    Pair(root, if t.0 == 0.0 { 0.0 } else { low })
}

/// From here on `sqrt(x^2 +- 1)` is `x` as far as the logarithm of the sum can tell.
const LARGE: f64 = 1_073_741_824.0;

/// Inverse hyperbolic sine.
#[inline(always)]
#[must_use]
pub fn asinh_f64(x: f64) -> f64 {
    let magnitude = x.abs();
    let large = magnitude > LARGE;
    let bounded = if large { LARGE } else { magnitude };
    let square = two_product(bounded, bounded);
    let t = two_sum(1.0, square.0);
    let root = square_root(Pair(t.0, t.1 + square.1));
    let u = two_sum(bounded, root.0);
    let u = select(large, Pair(magnitude, 0.0), Pair(u.0, u.1 + root.1));
    let log = log_sum(u.0, u.1, if large { 1.0 } else { 0.0 });
    let small = (magnitude * magnitude * magnitude).mul_add(-1.0 / 6.0, magnitude);
    let result = if magnitude < 1e-5 { small } else { log };
    if magnitude < f64::INFINITY { with_sign(result, x) } else { x }
}

/// Inverse hyperbolic cosine.
#[inline(always)]
#[must_use]
pub fn acosh_f64(x: f64) -> f64 {
    let large = x > LARGE;
    let bounded = if large { LARGE } else { x };
    // x^2 - 1 = (x - 1) (x + 1), both to twice the precision.
    let (a, b) = (two_sum(bounded, -1.0), two_sum(bounded, 1.0));
    let product = two_product(a.0, b.0);
    let root = square_root(fast_two_sum(product.0, product.1 + a.0.mul_add(b.1, a.1 * b.0)));
    let u = fast_two_sum(bounded, root.0);
    let u = select(large, Pair(x, 0.0), Pair(u.0, u.1 + root.1));
    let log = log_sum(u.0, u.1, if large { 1.0 } else { 0.0 });
    let result = if x == f64::INFINITY { x } else { log };
    if x >= 1.0 { result } else { f64::NAN }
}

/// Inverse hyperbolic tangent.
#[inline(always)]
#[must_use]
pub fn atanh_f64(x: f64) -> f64 {
    let magnitude = x.abs();
    // (1 + x) / (1 - x) = 2^k m with m near 1: k from the bits of both.
    let bits = (1.0 + magnitude).to_bits().wrapping_sub((1.0 - magnitude).to_bits());
    let steps = bits.wrapping_add(1 << 51) >> 52;
    let steps = if magnitude < 1.0 { steps } else { 0 };
    let k = f64::from_bits(steps | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
    // s = (1 + x - p (1 - x)) / (1 + x + p (1 - x)) = (1 - p + x (1 + p)) / (1 + p + x (1 - p)), p = 2^k.
    let p = power_of_two(steps as i64);
    let (more, less) = (two_sum(1.0, p), two_sum(1.0, -p));
    let (up, down) = (two_product(magnitude, more.0), two_product(magnitude, less.0));
    let n = two_sum(less.0, up.0);
    let d = two_sum(more.0, down.0);
    let n = Pair(n.0, n.1 + (magnitude.mul_add(more.1, less.1) + up.1));
    let d = Pair(d.0, d.1 + (magnitude.mul_add(less.1, more.1) + down.1));
    let log = log_ratio(fast_two_sum(n.0, n.1), fast_two_sum(d.0, d.1), k);
    let result = 0.5 * (log.0 + log.1);
    let result = if magnitude < 1e-10 { magnitude } else { result };
    let result = if magnitude == 1.0 { f64::INFINITY } else { result };
    if magnitude <= 1.0 { with_sign(result, x) } else { f64::NAN }
}
