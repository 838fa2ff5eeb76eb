//! Sums of two doubles, and polynomials: what the other files compute with.

/// A sum of two doubles, the second small beside the first.
#[derive(Clone, Copy)]
pub(super) struct Pair(pub f64, pub f64);

/// `a + b` without error, for `|a| >= |b|` or `a == 0`.
#[inline(always)]
pub(super) fn fast_two_sum(a: f64, b: f64) -> Pair {
    let sum = a + b;
    Pair(sum, b - (sum - a))
}

/// `a + b` without error.
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> Pair {
    let sum = a + b;
    let b_part = sum - a;
    Pair(sum, (a - (sum - b_part)) + (b - b_part))
}

/// `a * b` without error.
#[inline(always)]
pub(super) fn two_product(a: f64, b: f64) -> Pair {
    let product = a * b;
    Pair(product, a.mul_add(b, -product))
}

#[inline(always)]
pub(super) fn multiply(a: Pair, b: Pair) -> Pair {
    let high = a.0 * b.0;
    let low = a.0.mul_add(b.0, -high) + a.0.mul_add(b.1, a.1 * b.0);
    fast_two_sum(high, low)
}

/// `n / d`, not normalised.
#[inline(always)]
pub(super) fn divide(n: Pair, d: Pair) -> Pair {
    let inverse = 1.0 / d.0;
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
pub(super) fn polynomial<const N: usize>(c: &[f64; N], x: f64) -> f64 {
    let mut sum = c[N - 1];
    let mut index = N - 1;
    while index > 0 {
        index -= 1;
        sum = sum.mul_add(x, c[index]);
    }
    sum
}

/// Up to four terms of a polynomial from `start`, over the power of `x` there.
#[inline(always)]
fn four_terms<const N: usize>(c: &[f64; N], start: usize, x: f64, square: f64) -> f64 {
    let at = |index: usize| if index < N { c[index] } else { 0.0 };
    let low = if start + 1 < N { at(start + 1).mul_add(x, at(start)) } else { at(start) };
    let high = if start + 3 < N { at(start + 3).mul_add(x, at(start + 2)) } else { at(start + 2) };
    if start + 2 < N { high.mul_add(square, low) } else { low }
}

/// `c[0] + c[1] x + …` of up to 32 terms, by Estrin's rule: neighbours first, so that few steps wait for another.
/// A loop over the terms would keep the loop over elements from becoming vectors.
#[inline(always)]
pub(super) fn wide_polynomial<const N: usize>(c: &[f64; N], x: f64) -> f64 {
    let x2 = x * x;
    let (x4, x8) = (x2 * x2, (x2 * x2) * (x2 * x2));
    let four = |start: usize| four_terms(c, start, x, x2);
    let eight = |start: usize| if start + 4 < N { four(start + 4).mul_add(x4, four(start)) } else { four(start) };
    let sixteen = |start: usize| if start + 8 < N { eight(start + 8).mul_add(x8, eight(start)) } else { eight(start) };
    if N > 16 { sixteen(16).mul_add(x8 * x8, sixteen(0)) } else { sixteen(0) }
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
