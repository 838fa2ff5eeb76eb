//! asin, acos, atan, atan2.

use super::{
    coefficients::{ASIN, ATAN_HALF, HALF_PI, PI, QUARTER_PI, THREE_QUARTERS_PI},
    pair::{Pair, fast_two_sum, polynomial},
    real::Double,
};

/// For `|x|` up to a half its head and what the arc sine has more, beyond those of `asin(sqrt((1 - |x|) / 2))`, of which pi/2 has
/// two more; and which of both.
#[inline(always)]
fn asin_kernel<V: Double>(magnitude: V) -> (Pair<V>, V::Mask) {
    let half = V::of(0.5);
    let large = half.is_less(magnitude);
    let z = V::select(large, magnitude.mul_add(-half, half), magnitude * magnitude);
    let root = z.sqrt();
    let s = V::select(large, root, magnitude);
    let low = root.mul_add(-root, z) / (root + root).at_least(V::of(f64::MIN_POSITIVE));
    let low = V::select(large, low, V::of(0.0));
    (Pair(s, (z * s).mul_add(polynomial(&ASIN, z), low)), large)
}

/// `base + factor * value`.
#[inline(always)]
fn turned<V: Double>(base: Pair<V>, factor: V, value: Pair<V>) -> V {
    let sum = fast_two_sum(base.0, factor * value.0);
    sum.0 + (sum.1 + factor.mul_add(value.1, base.1))
}

/// Arc sine.
#[inline(always)]
pub(crate) fn asin<V: Double>(x: V) -> V {
    let zero = V::of(0.0);
    let (value, large) = asin_kernel(x.abs());
    let base = Pair(V::select(large, V::of(HALF_PI[0]), zero), V::select(large, V::of(HALF_PI[1]), zero));
    turned(base, V::select(large, V::of(-2.0), V::of(1.0)), value).bit_or(x.bit_and(-zero))
}

/// Arc cosine.
#[inline(always)]
pub(crate) fn acos<V: Double>(x: V) -> V {
    let zero = V::of(0.0);
    let (value, large) = asin_kernel(x.abs());
    let negative = x.is_less(zero);
    let far = Pair(V::select(negative, V::of(PI[0]), zero), V::select(negative, V::of(PI[1]), zero));
    let base = Pair(V::select(large, far.0, V::of(HALF_PI[0])), V::select(large, far.1, V::of(HALF_PI[1])));
    // Twice as much with the sign of x, or as much with the other.
    let factor = V::select(large, V::of(2.0), V::of(-1.0)).bit_xor(x.bit_and(-zero));
    turned(base, factor, value)
}

/// `asin` of one number.
#[must_use]
pub fn asin_f64(x: f64) -> f64 {
    asin(x)
}

/// `acos` of one number.
#[must_use]
pub fn acos_f64(x: f64) -> f64 {
    acos(x)
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

/// `atan` of one number.
#[must_use]
pub fn atan_f64(x: f64) -> f64 {
    atan(x)
}

/// The angle of the point (`x`, `y`), as C's `atan2`.
#[inline(always)]
pub(crate) fn atan2<V: Double>(y: V, x: V) -> V {
    let (zero, one, infinity) = (V::of(0.0), V::of(1.0), V::of(f64::INFINITY));
    let (a, b) = (y.abs(), x.abs());
    let steep = b.is_less(a);
    let (n, d) = (V::select(steep, b, a), V::select(steep, a, b));
    // Away from the ends of the range, so that the rest of the division is exact; what is lost below is lost in the
    // quotient as well.
    let (down, up) = (V::of_bits((1023 - 200) << 52), V::of_bits((1023 + 500) << 52));
    let factor = V::select(V::of(1e300).is_less(d), down, V::select(d.is_less(V::of(1e150)), up, one));
    let (n, d) = (n * factor, d * factor);
    let n = V::select(d.is_equal(infinity), V::select(n.is_equal(infinity), one, zero), n);
    let d = V::select(d.is_equal(infinity) | d.is_equal(zero), one, d);
    let left = x.has_bit(1 << 63);
    let base = |place: usize| V::select(steep, V::of(HALF_PI[place]), V::select(left, V::of(PI[place]), zero));
    let (three, quarter) = (pair_of(THREE_QUARTERS_PI), pair_of(QUARTER_PI));
    let far = Pair(V::select(left, three.0, quarter.0), V::select(left, three.1, quarter.1));
    let turn = V::select(steep, -zero, zero).bit_xor(x.bit_and(-zero));
    let value = arc(n, d, Pair(base(0), base(1)), far, turn).bit_or(y.bit_and(-zero));
    V::select(x.is_equal(x) & y.is_equal(y), value, V::of(f64::NAN))
}

/// `atan2` of one point.
#[must_use]
pub fn atan2_f64(y: f64, x: f64) -> f64 {
    atan2(y, x)
}
