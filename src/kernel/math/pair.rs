//! Sums of two doubles, and polynomials: what the other files compute with.

use super::real::{Double, Real};

/// A sum of two doubles, the second small beside the first.
#[derive(Clone, Copy)]
pub(super) struct Pair<V = f64>(pub V, pub V);

/// `a + b` without error, for `|a| >= |b|` or `a == 0`.
#[inline(always)]
pub(super) fn fast_two_sum<V: Double>(a: V, b: V) -> Pair<V> {
    let sum = a + b;
    Pair(sum, b - (sum - a))
}

/// `a + b` without error.
#[inline(always)]
pub(super) fn two_sum<V: Double>(a: V, b: V) -> Pair<V> {
    let sum = a + b;
    let b_part = sum - a;
    Pair(sum, (a - (sum - b_part)) + (b - b_part))
}

/// `a * b` without error.
#[inline(always)]
pub(super) fn two_product<V: Double>(a: V, b: V) -> Pair<V> {
    let product = a * b;
    Pair(product, a.mul_add(b, -product))
}

#[inline(always)]
pub(super) fn multiply<V: Double>(a: Pair<V>, b: Pair<V>) -> Pair<V> {
    let high = a.0 * b.0;
    let low = a.0.mul_add(b.0, -high) + a.0.mul_add(b.1, a.1 * b.0);
    fast_two_sum(high, low)
}

/// `n / d`, not normalised.
#[inline(always)]
pub(super) fn divide<V: Double>(n: Pair<V>, d: Pair<V>) -> Pair<V> {
    let inverse = V::of(1.0) / d.0;
    let quotient = n.0 * inverse;
    let rest = (-quotient).mul_add(d.0, n.0) + (-quotient).mul_add(d.1, n.1);
    Pair(quotient, rest * inverse)
}

/// Picks the pair.
#[inline(always)]
pub(super) fn select(condition: bool, yes: Pair, no: Pair) -> Pair {
    Pair(if condition { yes.0 } else { no.0 }, if condition { yes.1 } else { no.1 })
}

/// `c[0] + c[1] x + …`, by Horner's rule.
#[inline(always)]
pub(super) fn polynomial<V: Real, const N: usize>(c: &[V::Scalar; N], x: V) -> V {
    let mut sum = V::of(c[N - 1]);
    let mut index = N - 1;
    while index > 0 {
        index -= 1;
        sum = sum.mul_add(x, V::of(c[index]));
    }
    sum
}

/// One coefficient; none are zeros.
#[inline(always)]
fn term<V: Real, const N: usize>(c: &[V::Scalar; N], index: usize) -> V {
    V::of(if index < N { c[index] } else { V::Scalar::default() })
}

#[inline(always)]
fn two_terms<V: Real, const N: usize>(c: &[V::Scalar; N], start: usize, x: V) -> V {
    let low = term(c, start);
    if start + 1 < N { term::<V, N>(c, start + 1).mul_add(x, low) } else { low }
}

/// Up to four terms of a polynomial from `start`, over the power of `x` there.
#[inline(always)]
fn four_terms<V: Real, const N: usize>(c: &[V::Scalar; N], start: usize, x: V, square: V) -> V {
    let low = two_terms(c, start, x);
    if start + 2 < N { two_terms(c, start + 2, x).mul_add(square, low) } else { low }
}

#[inline(always)]
fn eight_terms<V: Real, const N: usize>(c: &[V::Scalar; N], start: usize, [x, x2, x4, _]: [V; 4]) -> V {
    let low = four_terms(c, start, x, x2);
    if start + 4 < N { four_terms(c, start + 4, x, x2).mul_add(x4, low) } else { low }
}

#[inline(always)]
fn sixteen_terms<V: Real, const N: usize>(c: &[V::Scalar; N], start: usize, powers: [V; 4]) -> V {
    let low = eight_terms(c, start, powers);
    if start + 8 < N { eight_terms(c, start + 8, powers).mul_add(powers[3], low) } else { low }
}

/// `c[0] + c[1] x + …` of up to 32 terms, by Estrin's rule: neighbours first, so that few steps wait for another.
/// A loop over the terms would keep the loop over elements from becoming vectors.
#[inline(always)]
pub(super) fn wide_polynomial<V: Real, const N: usize>(c: &[V::Scalar; N], x: V) -> V {
    let x2 = x * x;
    let x4 = x2 * x2;
    let powers = [x, x2, x4, x4 * x4];
    let low = sixteen_terms(c, 0, powers);
    if N > 16 { sixteen_terms(c, 16, powers).mul_add(powers[3] * powers[3], low) } else { low }
}

/// `magnitude` with the sign of `sign`.
#[inline(always)]
pub(super) fn with_sign(magnitude: f64, sign: f64) -> f64 {
    const SIGN: u64 = 1 << 63;
    f64::from_bits((magnitude.to_bits() & !SIGN) | (sign.to_bits() & SIGN))
}

/// `2^k` for k from -1022 to 1023.
#[inline(always)]
pub(super) fn power_of_two(k: i64) -> f64 {
    f64::from_bits((k.wrapping_add(1023) as u64) << 52)
}
