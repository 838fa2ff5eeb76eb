//! power: `e^(y log x)` with the logarithm in two parts, so that the product carries ten bits and more than a number has.
//!
//! `x = 2^k m` with m from 0.75 to 1.5; `m c = 1 + r` for a `c` of a table, in two parts; `log(1 + r) = 2 atanh(r / (2 + r))`.

use super::{
    coefficients::*,
    pair::polynomial,
    powers::{self, Powers},
    real::{Double, Format, Real, Single},
};

/// What an element type has: tables of reciprocals and of their logarithms, and coefficients.
struct Tables<T: 'static, const N: usize> {
    /// Where the first piece of the tables begins and what the last holds; without, pieces begin at 1 and the middle has two.
    pieces: Option<[T; 2]>,
    reciprocals: &'static [T; 16],
    heads: &'static [T; 16],
    rests: &'static [T; 16],
    ln2: [T; 2],
    series: [T; N],
    /// From this exponent on, and below its negative, the result is infinite or zero.
    limit: T,
}

static DOUBLE: Tables<f64, 5> = Tables {
    // 0.75 - 1/64
    pieces: Some([0.734_375, 1.45]),
    reciprocals: &POWER_RECIPROCALS,
    heads: &POWER_HEADS,
    rests: &POWER_RESTS,
    ln2: POWER_LN2,
    series: POWER_SERIES,
    limit: 750.0,
};

static SINGLE: Tables<f32, 2> = Tables {
    pieces: None,
    reciprocals: &POWER_RECIPROCALS_F32,
    heads: &POWER_HEADS_F32,
    rests: &POWER_RESTS_F32,
    ln2: POWER_LN2_F32,
    series: POWER_SERIES_F32,
    limit: 110.0,
};

/// `a + b` without error, for `|a| >= |b|` or `a == 0`.
#[inline(always)]
fn fast_two_sum<V: Real>(a: V, b: V) -> (V, V) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// `log x` of a positive finite number in two parts, the second up to 2^-12 of the first.
#[inline(always)]
fn log_parts<V: Real, const N: usize>(x: V, tables: &'static Tables<V::Scalar, N>) -> (V, V) {
    let (m, k) = x.balanced();
    let place = match tables.pieces {
        Some([first, last]) => m.at_most(V::of(last)).bits_subtract(V::of(first)),
        None => m,
    };
    let place = place.bits_right(V::Scalar::FRACTION_BITS - 4);
    // The reciprocals have so few bits that this is exact.
    let r = m.mul_add(place.lookup(tables.reciprocals), -V::of(V::Scalar::ONE));
    // s = r / (2 + r) with what it misses.
    let d = r + V::of(V::Scalar::TWO);
    let d_low = r - (d - V::of(V::Scalar::TWO));
    let inverse = V::of(V::Scalar::ONE) / d;
    let s = r * inverse;
    let rest = (-s).mul_add(d_low, (-s).mul_add(d, r)) * inverse;
    let z = s * s;
    let tail = (s * z).mul_add(polynomial(&tables.series, z), k.mul_add(V::of(tables.ln2[1]), place.lookup(tables.rests)));
    let sum = fast_two_sum(k.mul_add(V::of(tables.ln2[0]), place.lookup(tables.heads)), s + s);
    (sum.0, sum.1 + (rest + rest + tail))
}

/// Signs and special cases around `result`, the power of `|x|`, which is `within` range.
#[inline(always)]
fn special<V: Real>(x: V, y: V, result: V, within: V::Mask) -> V {
    let (zero, one, infinity) = (V::of(V::Scalar::default()), V::of(V::Scalar::ONE), V::of(V::Scalar::INFINITY));
    let (magnitude, size) = (x.abs(), y.abs());
    let sign = x.bit_and(-zero);
    // Below `integers` a number is an integer if the sum with it is exact, from twice as much on all are even.
    let integers = V::of(V::Scalar::INTEGERS);
    let bounded = V::select(size.is_less(integers + integers), size, zero);
    let added = V::select(bounded.is_less(integers), integers, zero);
    let sum = bounded + added;
    let integer = (sum - added).is_equal(bounded);
    let odd_sign = sum.bits_left(V::Scalar::FRACTION_BITS + V::Scalar::EXPONENT_BITS).bit_and(sign);
    let growing = V::select(zero.is_less(y), infinity, zero);
    let shrinking = V::select(zero.is_less(y), zero, infinity);
    let extreme = V::select(one.is_less(magnitude), growing, shrinking);
    let endless = magnitude.is_equal(infinity) | size.is_equal(infinity);
    let result = V::select(within, result, extreme);
    let result = V::select(magnitude.is_equal(zero) | endless, extreme, result);
    let valid = (integer | endless | zero.is_at_most(x)) & x.is_equal(x) & y.is_equal(y);
    let result = V::select(valid, result, V::of(V::Scalar::NAN));
    let unit = x.is_equal(one) | y.is_equal(zero) | (magnitude.is_equal(one) & size.is_equal(infinity));
    let result = V::select(unit, one, result);
    result.bit_xor(V::select(integer, odd_sign, zero))
}

#[inline(always)]
fn any_power<V: Real, const N: usize, const E: usize, const S: usize, const C: usize, const B: usize>(
    x: V,
    y: V,
    tables: &'static Tables<V::Scalar, N>,
    powers: &'static Powers<V::Scalar, E, S, C, B>,
) -> V {
    let log = log_parts(x, tables);
    let high = log.0 * y;
    let low = log.1.mul_add(y, log.0.mul_add(y, -high));
    let result = powers.exp_sum(high, low);
    // Arguments that are not finite have an exponent that is not within the limit.
    let within = high.abs().is_less(V::of(tables.limit));
    // What is special changes nothing in other lanes: vectors without need not ask.
    let plain = within & V::of(V::Scalar::default()).is_less(x);
    let square = y.is_equal(V::of(V::Scalar::TWO));
    if V::all(plain) & !V::any(square) { result } else { V::select(square, x * x, special(x, y, result, within)) }
}

/// `x` to the power `y`, as C's `pow`; `power(x, 2)` is `x * x`.
#[inline(always)]
pub(crate) fn power<V: Double>(x: V, y: V) -> V {
    any_power(x, y, &DOUBLE, &powers::DOUBLE)
}

/// [`power`] of `f32`.
#[inline(always)]
pub(crate) fn power_single<V: Single>(x: V, y: V) -> V {
    any_power(x, y, &SINGLE, &powers::SINGLE)
}

/// `power` of one number.
#[must_use]
pub fn power_f64(x: f64, y: f64) -> f64 {
    power(x, y)
}

/// `power_single` of one number.
#[must_use]
pub fn power_f32(x: f32, y: f32) -> f32 {
    power_single(x, y)
}
