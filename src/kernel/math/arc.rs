//! asin, acos, atan, atan2.

use super::{
    coefficients::{ASIN, ATAN_HALF, HALF_PI, PI, QUARTER_PI, THREE_QUARTERS_PI},
    pair::{Pair, fast_two_sum, polynomial, select, with_sign},
    real::Double,
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

/// `near + turned(atan(n / d))` for `0 <= n <= d` far from the ends of the range, `turn` the sign bit or none; `far` is `near`
/// and a turned pi/4.
#[inline(always)]
fn arc<V: Double>(n: V, d: V, near: Pair<V>, far: Pair<V>, turn: V) -> V {
    // From a half on: atan(n/d) = pi/4 + atan((n - d) / (n + d)), where the difference is exact.
    let is_far = (V::of(0.5) * d).is_at_most(n);
    let sum = d + n;
    let (d_low, zero) = (n - (sum - d), V::of(0.0));
    let (n, d, d_low) = (V::select(is_far, n - d, n).bit_xor(turn), V::select(is_far, sum, d), V::select(is_far, d_low, zero));
    let inverse = V::of(1.0) / d;
    let q = n * inverse;
    let low = (-q).mul_add(d_low, (-q).mul_add(d, n)) * inverse;
    let z = q * q;
    let tail = (z * q).mul_add(polynomial(&ATAN_HALF, z), low);
    let sum = fast_two_sum(V::select(is_far, far.0, near.0), q);
    sum.0 + (sum.1 + (tail + V::select(is_far, far.1, near.1)))
}

/// A constant in every lane.
#[inline(always)]
fn pair_of<V: Double>(value: [f64; 2]) -> Pair<V> {
    Pair(V::of(value[0]), V::of(value[1]))
}

/// Arc tangent.
#[inline(always)]
pub(crate) fn atan<V: Double>(x: V) -> V {
    let (one, zero) = (V::of(1.0), V::of(0.0));
    let magnitude = x.abs().at_most(V::of(1e30));
    let large = one.is_less(magnitude);
    let near = Pair(V::select(large, V::of(HALF_PI[0]), zero), V::select(large, V::of(HALF_PI[1]), zero));
    let turn = V::select(large, -zero, zero);
    let value = arc(magnitude.at_most(one), magnitude.at_least(one), near, pair_of(QUARTER_PI), turn);
    value.bit_or(x.bit_and(-zero))
}

/// [`atan`] of one number.
#[must_use]
pub fn atan_f64(x: f64) -> f64 {
    atan(x)
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
    let far = select(left, pair_of(THREE_QUARTERS_PI), pair_of(QUARTER_PI));
    let value = arc(n, d, base, far, if steep == left { 0.0 } else { -0.0 });
    if x.is_nan() | y.is_nan() { f64::NAN } else { with_sign(value, y) }
}
