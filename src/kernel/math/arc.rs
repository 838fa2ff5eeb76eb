//! asin, acos, atan, atan2.

use super::{
    coefficients::{ASIN, ATAN, HALF_PI, PI, QUARTER_PI},
    pair::{Pair, divide, fast_two_sum, polynomial, select, with_sign},
};

const ZERO: Pair = Pair(0.0, 0.0);

/// `asin x` of half or less, or what is doubled and taken from pi/2 beyond: head and tail.
#[inline(always)]
fn asin_kernel(magnitude: f64, large: bool) -> Pair {
    let z = if large { (1.0 - magnitude) * 0.5 } else { magnitude * magnitude };
    let root = z.sqrt();
    let s = if large { root } else { magnitude };
    let low = (-root).mul_add(root, z) / (root + root);
    let low = if large & (z != 0.0) { low } else { 0.0 };
    Pair(s, (z * s).mul_add(polynomial(&ASIN, z), low))
}

/// Arc sine.
#[inline(always)]
#[must_use]
pub fn asin_f64(x: f64) -> f64 {
    let large = x.abs() > 0.5;
    let value = asin_kernel(x.abs(), large);
    let sum = fast_two_sum(HALF_PI[0], -2.0 * value.0);
    let far = sum.0 + (sum.1 + (-2.0f64).mul_add(value.1, HALF_PI[1]));
    with_sign(if large { far } else { value.0 + value.1 }, x)
}

/// Arc cosine.
#[inline(always)]
#[must_use]
pub fn acos_f64(x: f64) -> f64 {
    let large = x.abs() > 0.5;
    let value = asin_kernel(x.abs(), large);
    let base = if large { if x > 0.0 { ZERO } else { Pair(PI[0], PI[1]) } } else { Pair(HALF_PI[0], HALF_PI[1]) };
    // +2 for x > 1/2, -2 for x < -1/2, else the sign of -x.
    let factor = if large { 2.0 } else { 1.0 };
    let factor = if (x > 0.0) == large { factor } else { -factor };
    let sum = fast_two_sum(base.0, factor * value.0);
    sum.0 + (sum.1 + factor.mul_add(value.1, base.1))
}

/// `base + sign * atan(n / d)` for `0 <= n <= d`, `d` far from the ends of the range.
#[inline(always)]
fn arc(n: f64, d: f64, base: Pair, sign: f64) -> f64 {
    // From tan(pi/8) on: atan(n/d) = pi/4 - atan((d - n) / (d + n)).
    let far = n > 0.4142 * d;
    let (less, more) = (fast_two_sum(d, -n), fast_two_sum(d, n));
    let (n, d) = (select(far, less, Pair(n, 0.0)), select(far, more, Pair(d, 0.0)));
    let quarter = if far { sign } else { 0.0 };
    let start = fast_two_sum(base.0, quarter * QUARTER_PI[0]);
    let base_low = quarter.mul_add(QUARTER_PI[1], start.1 + base.1);
    let sign = if far { -sign } else { sign };
    let q = divide(n, d);
    let z = q.0 * q.0;
    let tail = (z * q.0).mul_add(polynomial(&ATAN, z), q.1);
    let sum = fast_two_sum(start.0, sign * q.0);
    sum.0 + (sum.1 + sign.mul_add(tail, base_low))
}

/// Arc tangent.
#[inline(always)]
#[must_use]
pub fn atan_f64(x: f64) -> f64 {
    let magnitude = x.abs();
    let bounded = if magnitude > 1e30 { 1e30 } else { magnitude };
    let large = bounded > 1.0;
    let base = select(large, Pair(HALF_PI[0], HALF_PI[1]), ZERO);
    let (n, d, sign) = (if large { 1.0 } else { bounded }, if large { bounded } else { 1.0 }, if large { -1.0 } else { 1.0 });
    let value = arc(n, d, base, sign);
    let value = if magnitude < 1e-300 { magnitude } else { value };
    if x.is_nan() { x } else { with_sign(value, x) }
}

/// The angle of the point (`x`, `y`), as C's `atan2`.
#[inline(always)]
#[must_use]
pub fn atan2_f64(y: f64, x: f64) -> f64 {
    let (a, b) = (y.abs(), x.abs());
    let steep = a > b;
    let (n, d) = if steep { (b, a) } else { (a, b) };
    // Away from the ends of the range, so that the rest of the division is exact; what is lost below is lost in the
    // quotient as well.
    let (down, up) = (f64::from_bits((1023 - 200) << 52), f64::from_bits((1023 + 500) << 52));
    let factor = if d > 1e300 {
        down
    } else if d < 1e150 {
        up
    } else {
        1.0
    };
    let (n, d) = (n * factor, d * factor);
    let n = if d == f64::INFINITY { if n == f64::INFINITY { 1.0 } else { 0.0 } } else { n };
    let d = if (d == f64::INFINITY) | (d == 0.0) { 1.0 } else { d };
    let left = x.is_sign_negative();
    let base = select(steep, Pair(HALF_PI[0], HALF_PI[1]), select(left, Pair(PI[0], PI[1]), ZERO));
    let value = arc(n, d, base, if steep == left { 1.0 } else { -1.0 });
    if x.is_nan() | y.is_nan() { f64::NAN } else { with_sign(value, y) }
}
