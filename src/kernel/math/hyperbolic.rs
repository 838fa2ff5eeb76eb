//! asinh, acosh, atanh by the logarithm of a sum of two parts.

use super::{
    log::log_of_sum,
    log_single::log_of_sum_single,
    pair::{Pair, fast_two_sum, two_product, two_sum},
    real::{Double, Single},
    single,
};

/// The root of a sum that is not negative.
#[inline(always)]
fn square_root<V: Double>(t: Pair<V>) -> Pair<V> {
    let root = t.0.sqrt();
    let rest = (-root).mul_add(root, t.0) + t.1;
    Pair(root, rest / (root + root).at_least(V::of(f64::MIN_POSITIVE)))
}

/// From here on `sqrt(x^2 +- 1)` is `x` as far as the logarithm of the sum can tell.
const LARGE: f64 = 1_073_741_824.0;

/// As [`LARGE`], in `f32`.
const LARGE_F32: f32 = 65_536.0;

/// `log(bounded + root)`, or `log(2 x)` where `x` is large.
#[inline(always)]
fn log_of_both<V: Double>(x: V, sum: Pair<V>, large: V::Mask) -> V {
    let zero = V::of(0.0);
    let (high, low) = (V::select(large, x, sum.0), V::select(large, zero, sum.1));
    log_of_sum(high, low, Some(V::select(large, V::of(1.0), zero))).or_special_logarithm(high)
}

/// Inverse hyperbolic sine.
#[inline(always)]
pub(crate) fn asinh<V: Double>(x: V) -> V {
    let magnitude = x.abs();
    let bounded = magnitude.at_most(V::of(LARGE));
    let square = two_product(bounded, bounded);
    let t = two_sum(V::of(1.0), square.0);
    let root = square_root(Pair(t.0, t.1 + square.1));
    let u = fast_two_sum(root.0, bounded);
    let result = log_of_both(magnitude, Pair(u.0, u.1 + root.1), V::of(LARGE).is_less(magnitude));
    // The result has the sign of the argument.
    result.bit_or(x.bit_and(V::of(-0.0)))
}

/// Inverse hyperbolic cosine.
#[inline(always)]
pub(crate) fn acosh<V: Double>(x: V) -> V {
    let one = V::of(1.0);
    let bounded = x.at_most(V::of(LARGE));
    // x^2 - 1 = (x - 1) (x + 1), both to twice the precision.
    let (a, b) = (two_sum(bounded, -one), two_sum(bounded, one));
    let product = two_product(a.0, b.0);
    let root = square_root(fast_two_sum(product.0, product.1 + a.0.mul_add(b.1, a.1 * b.0)));
    let u = fast_two_sum(bounded, root.0);
    let result = log_of_both(x, Pair(u.0, u.1 + root.1), V::of(LARGE).is_less(x));
    V::select(one.is_at_most(x), result, V::of(f64::NAN))
}

/// Inverse hyperbolic tangent: half the logarithm of `(1 + x) / (1 - x)`.
#[inline(always)]
pub(crate) fn atanh<V: Double>(x: V) -> V {
    let (one, magnitude) = (V::of(1.0), x.abs());
    let (n, d) = (fast_two_sum(one, magnitude), fast_two_sum(one, -magnitude));
    let inverse = one / d.0;
    let quotient = n.0 * inverse;
    let rest = (-quotient).mul_add(d.1, (-quotient).mul_add(d.0, n.0) + n.1) * inverse;
    // Infinite at 1, where the quotient is no number.
    let quotient = V::select(magnitude.is_equal(one), V::of(f64::INFINITY), quotient);
    let result = V::of(0.5) * log_of_sum(quotient, rest, None).or_special_logarithm(quotient);
    let small = (magnitude * magnitude * magnitude).mul_add(V::of(1.0 / 3.0), magnitude);
    V::select(magnitude.is_less(V::of(1e-5)), small, result).bit_or(x.bit_and(V::of(-0.0)))
}

/// As [`log_of_both`].
#[inline(always)]
fn log_of_both_single<V: Single>(x: V, sum: (V, V), large: V::Mask) -> V {
    let zero = V::of(0.0);
    let (high, low) = (V::select(large, x, sum.0), V::select(large, zero, sum.1));
    log_of_sum_single(high, low, Some(V::select(large, V::of(1.0), zero))).or_special_logarithm(high)
}

/// [`asinh`] of `f32`.
#[inline(always)]
pub(crate) fn asinh_single<V: Single>(x: V) -> V {
    let (one, magnitude) = (V::of(1.0), x.abs());
    let bounded = magnitude.at_most(V::of(LARGE_F32));
    let square = bounded * bounded;
    let root = (square + one).sqrt();
    // 1 + x^2 less the square of the root: first with the greater term.
    let rest = (-root).mul_add(root, square.at_least(one)) + square.at_most(one);
    let u = single::fast_two_sum(root, bounded);
    let low = u.1 + rest / (root + root);
    let result = log_of_both_single(magnitude, (u.0, low), V::of(LARGE_F32).is_less(magnitude));
    result.bit_or(x.bit_and(V::of(-0.0)))
}

/// [`acosh`] of `f32`.
#[inline(always)]
pub(crate) fn acosh_single<V: Single>(x: V) -> V {
    let one = V::of(1.0);
    let bounded = x.at_most(V::of(LARGE_F32));
    let t = bounded.mul_add(bounded, -one);
    let root = t.sqrt();
    let rest = (-root).mul_add(root, t) / (root + root).at_least(V::of(f32::MIN_POSITIVE));
    let u = single::fast_two_sum(bounded, root);
    let result = log_of_both_single(x, (u.0, u.1 + rest), V::of(LARGE_F32).is_less(x));
    V::select(one.is_at_most(x), result, V::of(f32::NAN))
}

/// [`atanh`] of `f32`.
#[inline(always)]
pub(crate) fn atanh_single<V: Single>(x: V) -> V {
    let (one, magnitude) = (V::of(1.0), x.abs());
    let (n, d) = (single::fast_two_sum(one, magnitude), single::fast_two_sum(one, -magnitude));
    let inverse = one / d.0;
    let quotient = n.0 * inverse;
    let rest = (-quotient).mul_add(d.1, (-quotient).mul_add(d.0, n.0) + n.1) * inverse;
    let quotient = V::select(magnitude.is_equal(one), V::of(f32::INFINITY), quotient);
    let result = V::of(0.5) * log_of_sum_single(quotient, rest, None).or_special_logarithm(quotient);
    result.bit_or(x.bit_and(V::of(-0.0)))
}

/// Each function of one number.
macro_rules! of_one {
    ($($name:ident $function:ident $t:ty;)*) => {$(
        /// The function of the name, of one number.
        #[must_use]
        pub fn $name(x: $t) -> $t {
            $function(x)
        }
    )*};
}
of_one! {
    asinh_f64 asinh f64;
    acosh_f64 acosh f64;
    atanh_f64 atanh f64;
    asinh_f32 asinh_single f32;
    acosh_f32 acosh_single f32;
    atanh_f32 atanh_single f32;
}
