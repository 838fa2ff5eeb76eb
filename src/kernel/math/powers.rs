//! exp, exp2, sinh, cosh, tanh by a table of `2^(i/16)`: `x = k ln 2 + r` with `k` in sixteenths, so that `|r| <= ln 2 / 32`.

use super::{
    coefficients::*,
    pair::polynomial,
    real::{Double, Format, Real, Single},
};

/// What an element type has.
pub(super) struct Powers<T: 'static, const E: usize, const S: usize, const C: usize, const B: usize> {
    /// 1.5 times the power of two whose last bit is a sixteenth: adding it leaves the nearest sixteenths in the low bits.
    sixteenths: T,
    log2_e: T,
    /// ln 2 in two parts, the product of the first with any `k` exact.
    ln2: [T; 2],
    /// From here on `e^x` is infinite; its inverse is zero.
    limit: T,
    heads: &'static [T; 16],
    /// What the heads miss, where that counts.
    rests: Option<&'static [T; 16]>,
    series: [T; E],
    binary_series: [T; B],
    /// For the hyperbolic functions: heads and inverse heads whose highest fraction bits make up for the place.
    up: &'static [T; 16],
    down: &'static [T; 16],
    up_rests: &'static [T; 16],
    down_rests: &'static [T; 16],
    sinh: [T; S],
    cosh: [T; C],
    /// Sixteenths whose inverse power is nothing beside the power.
    down_limit: T,
    /// As `sixteenths`, less 3.
    eighths: T,
    /// Beyond this `sinh x` is infinite.
    hyperbolic_limit: T,
    four: T,
    /// Smaller numbers are their hyperbolic sine.
    tiny: T,
}

pub(super) static DOUBLE: Powers<f64, 5, 3, 3, 6> = Powers {
    sixteenths: SIXTEENTHS,
    log2_e: std::f64::consts::LOG2_E,
    ln2: [super::LN2_HIGH, super::LN2_LOW],
    limit: 800.0,
    heads: &EXP_HEADS,
    rests: Some(&EXP_RESTS),
    series: EXP_SHORT,
    binary_series: EXP2_SHORT,
    up: &EXP_UP,
    down: &EXP_DOWN,
    up_rests: &EXP_RESTS,
    down_rests: &EXP_DOWN_RESTS,
    sinh: SINH_SHORT,
    cosh: COSH_SHORT,
    down_limit: SIXTEENTHS + 500.0,
    eighths: SIXTEENTHS - 3.0,
    hyperbolic_limit: 711.0,
    four: 4.0,
    tiny: 1e-10,
};
const SIXTEENTHS: f64 = 422_212_465_065_984.0;

pub(super) static SINGLE: Powers<f32, 2, 1, 1, 3> = Powers {
    sixteenths: SIXTEENTHS_F32,
    log2_e: std::f32::consts::LOG2_E,
    ln2: EXP_LN2_F32,
    limit: 120.0,
    heads: &EXP_HEADS_F32,
    rests: None,
    series: EXP_SHORT_F32,
    binary_series: EXP2_SHORT_F32,
    up: &EXP_UP_F32,
    down: &EXP_DOWN_F32,
    up_rests: &EXP_RESTS_F32,
    down_rests: &EXP_DOWN_RESTS_F32,
    sinh: SINH_SHORT_F32,
    cosh: COSH_SHORT_F32,
    down_limit: SIXTEENTHS_F32 + 60.0,
    eighths: SIXTEENTHS_F32 - 3.0,
    hyperbolic_limit: 90.0,
    four: 4.0,
    tiny: 1e-10,
};
const SIXTEENTHS_F32: f32 = 786_432.0;

/// `a + b` without error, for `|a| >= |b|` or `a == 0`.
#[inline(always)]
fn fast_two_sum<V: Real>(a: V, b: V) -> (V, V) {
    let sum = a + b;
    (sum, b - (sum - a))
}

impl<T: Format, const E: usize, const S: usize, const C: usize, const B: usize> Powers<T, E, S, C, B> {
    /// `2^k (1 + e)` for the `k` of which `shifted` is the sum.
    #[inline(always)]
    fn finish<V: Real<Scalar = T>>(&'static self, shifted: V, k: V, e: V) -> V {
        let e = self.rests.map_or(e, |rests| e + shifted.lookup(rests));
        let head = shifted.lookup(self.heads);
        head.mul_add(e, head).scale(k)
    }

    /// `e^(high + low)`, `low` below `high`, both within the limit.
    #[inline(always)]
    pub(super) fn exp_sum<V: Real<Scalar = T>>(&'static self, high: V, low: V) -> V {
        let shifted = (high + low).mul_add(V::of(self.log2_e), V::of(self.sixteenths));
        let k = shifted - V::of(self.sixteenths);
        let r = k.mul_add(-V::of(self.ln2[0]), high);
        let r = k.mul_add(-V::of(self.ln2[1]), r) + low;
        self.finish(shifted, k, polynomial(&self.series, r).mul_add(r * r, r))
    }

    #[inline(always)]
    fn exp<V: Real<Scalar = T>>(&'static self, x: V) -> V {
        let x = x.at_most(V::of(self.limit)).at_least(-V::of(self.limit));
        let shifted = x.mul_add(V::of(self.log2_e), V::of(self.sixteenths));
        let k = shifted - V::of(self.sixteenths);
        let r = k.mul_add(-V::of(self.ln2[1]), k.mul_add(-V::of(self.ln2[0]), x));
        self.finish(shifted, k, polynomial(&self.series, r).mul_add(r * r, r))
    }

    #[inline(always)]
    fn exp2<V: Real<Scalar = T>>(&'static self, x: V) -> V {
        let limit = V::of(self.limit) + V::of(self.limit);
        let x = x.at_most(limit).at_least(-limit);
        let shifted = x + V::of(self.sixteenths);
        let k = shifted - V::of(self.sixteenths);
        let r = x - k;
        self.finish(shifted, k, polynomial(&self.binary_series, r) * r)
    }

    /// For `|x| = k ln 2 + r`: `2^(k-3)` and `2^(-k-3)` with what their tables miss, `r` as head and tail.
    #[inline(always)]
    fn hyperbolic<V: Real<Scalar = T>>(&'static self, magnitude: V) -> Hyperbolic<V> {
        let x = magnitude.at_most(V::of(self.hyperbolic_limit));
        let shifted = x.mul_add(V::of(self.log2_e), V::of(self.eighths));
        let k = shifted - V::of(self.eighths);
        let head = k.mul_add(-V::of(self.ln2[0]), x);
        let r = k.mul_add(-V::of(self.ln2[1]), head);
        let low = k.mul_add(-V::of(self.ln2[1]), head - r);
        let z = r * r;
        let place = shifted.bits_left(T::FRACTION_BITS - 4);
        let far = shifted.at_most(V::of(self.down_limit)).bits_left(T::FRACTION_BITS - 4);
        Hyperbolic {
            up: shifted.lookup(self.up).bits_add(place),
            down: shifted.lookup(self.down).bits_subtract(far),
            up_rest: shifted.lookup(self.up_rests),
            down_rest: shifted.lookup(self.down_rests),
            r,
            sinh_tail: polynomial(&self.sinh, z).mul_add(z * r, low),
            cosh_tail: polynomial(&self.cosh, z) * z,
        }
    }

    #[inline(always)]
    fn sinh<V: Real<Scalar = T>>(&'static self, x: V) -> V {
        let h = self.hyperbolic(x.abs());
        let difference = fast_two_sum(h.up, -h.down);
        let sum = h.up + h.down;
        let product = sum * h.r;
        let head = fast_two_sum(difference.0, product);
        let rests = h.up.mul_add(h.up_rest, (-h.down).mul_add(h.down_rest, sum.mul_add(h.r, -product)));
        let low = difference.0.mul_add(h.cosh_tail, sum.mul_add(h.sinh_tail, rests));
        let result = (head.0 + (head.1 + (difference.1 + low))) * V::of(self.four);
        // A quarter of a subnormal number has fewer bits.
        let result = V::select(x.abs().is_less(V::of(self.tiny)), x.abs(), result);
        result.bit_or(x.bit_and(-V::of(T::default())))
    }

    #[inline(always)]
    fn cosh<V: Real<Scalar = T>>(&'static self, x: V) -> V {
        let h = self.hyperbolic(x.abs());
        let sum = fast_two_sum(h.up, h.down);
        let rests = if self.rests.is_some() { h.up.mul_add(h.up_rest, sum.1) } else { sum.1 };
        let low = sum.0.mul_add(h.cosh_tail, (h.up - h.down).mul_add(h.r + h.sinh_tail, rests));
        (sum.0 + low) * V::of(self.four)
    }
}

/// What [`Powers::hyperbolic`] gives.
struct Hyperbolic<V> {
    up: V,
    down: V,
    up_rest: V,
    down_rest: V,
    r: V,
    sinh_tail: V,
    cosh_tail: V,
}

/// Natural exponential.
#[inline(always)]
pub(crate) fn exp<V: Double>(x: V) -> V {
    DOUBLE.exp(x)
}

/// 2 to the power `x`.
#[inline(always)]
pub(crate) fn exp2<V: Double>(x: V) -> V {
    DOUBLE.exp2(x)
}

/// Hyperbolic sine.
#[inline(always)]
pub(crate) fn sinh<V: Double>(x: V) -> V {
    DOUBLE.sinh(x)
}

/// Hyperbolic cosine.
#[inline(always)]
pub(crate) fn cosh<V: Double>(x: V) -> V {
    DOUBLE.cosh(x)
}

/// [`exp`] of `f32`.
#[inline(always)]
pub(crate) fn exp_single<V: Single>(x: V) -> V {
    SINGLE.exp(x)
}

/// [`exp2`] of `f32`.
#[inline(always)]
pub(crate) fn exp2_single<V: Single>(x: V) -> V {
    SINGLE.exp2(x)
}

/// [`sinh`] of `f32`: an odd polynomial to 0.7.
#[inline(always)]
pub(crate) fn sinh_single<V: Single>(x: V) -> V {
    let magnitude = x.abs();
    let z = magnitude * magnitude;
    let near = polynomial(&SINH_NEAR_F32, z).mul_add(z * magnitude, magnitude);
    let h = SINGLE.hyperbolic(magnitude);
    let (difference, sum) = (h.up - h.down, h.up + h.down);
    let low = difference.mul_add(h.cosh_tail, sum.mul_add(h.r + h.sinh_tail, h.up * h.up_rest));
    let result = V::select(magnitude.is_less(V::of(0.7)), near, (difference + low) * V::of(4.0));
    result.bit_or(x.bit_and(V::of(-0.0)))
}

/// [`cosh`] of `f32`.
#[inline(always)]
pub(crate) fn cosh_single<V: Single>(x: V) -> V {
    SINGLE.cosh(x)
}

/// Hyperbolic tangent: `e^2x - 1 = n` as a sum of two, then `n / (n + 2)`.
#[inline(always)]
pub(crate) fn tanh<V: Double>(x: V) -> V {
    let p = &DOUBLE;
    let (one, two) = (V::of(1.0), V::of(2.0));
    let magnitude = x.abs().at_most(V::of(20.0));
    let double = magnitude + magnitude;
    let shifted = double.mul_add(V::of(p.log2_e), V::of(p.sixteenths));
    let k = shifted - V::of(p.sixteenths);
    let head = k.mul_add(-V::of(p.ln2[0]), double);
    let r = k.mul_add(-V::of(p.ln2[1]), head);
    let low = k.mul_add(-V::of(p.ln2[1]), head - r) + shifted.lookup(p.up_rests);
    let tail = polynomial(&TANH_EXP, r).mul_add(r * r, low.mul_add(r, low));
    let power = shifted.lookup(p.up).bits_add(shifted.bits_left(48));
    // 2^k - 1, then 2^k r, both with what they miss.
    let less = fast_two_sum(power, -one);
    let product = power * r;
    let n = fast_two_sum(less.0, product);
    let low = n.1 + (less.1 + power.mul_add(tail, power.mul_add(r, -product)));
    let (n, low) = fast_two_sum(n.0, low);
    let d = n + two;
    let d_low = (n.at_most(two) - (d - n.at_least(two))) + low;
    let inverse = one / d;
    let quotient = n * inverse;
    let rest = (-quotient).mul_add(d_low, (-quotient).mul_add(d, n) + low);
    rest.mul_add(inverse, quotient).bit_or(x.bit_and(V::of(-0.0)))
}

/// Hyperbolic tangent: an odd polynomial to 0.72, then `1 - 2 / (e^2x + 1)`.
#[inline(always)]
pub(crate) fn tanh_single<V: Single>(x: V) -> V {
    let p = &SINGLE;
    let one = V::of(1.0);
    let magnitude = x.abs();
    let z = magnitude * magnitude;
    let near = polynomial(&TANH_F32, z).mul_add(z * magnitude, magnitude);
    let bounded = magnitude.at_most(V::of(10.0));
    let shifted = bounded.mul_add(V::of(2.0 * std::f32::consts::LOG2_E), V::of(p.sixteenths));
    // Half of the rest: two of it are as small as the others'.
    let r = (shifted - V::of(p.sixteenths)).mul_add(V::of(-0.5 * std::f32::consts::LN_2), bounded);
    let e = polynomial(&TANH_EXP_F32, r) * r;
    let power = shifted.lookup(p.up).bits_add(shifted.bits_left(19));
    let far = one - V::of(2.0) / power.mul_add(e, power + one);
    let result = V::select(magnitude.is_less(V::of(0.72)), near, far);
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
    exp_f64 exp f64;
    exp2_f64 exp2 f64;
    sinh_f64 sinh f64;
    cosh_f64 cosh f64;
    tanh_f64 tanh f64;
    exp_f32 exp_single f32;
    exp2_f32 exp2_single f32;
    sinh_f32 sinh_single f32;
    cosh_f32 cosh_single f32;
    tanh_f32 tanh_single f32;
}
