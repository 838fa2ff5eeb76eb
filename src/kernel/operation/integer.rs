//! Integers: powers, divisors, multiples.

use num_traits::{One, WrappingMul};

#[inline(always)]
pub(super) fn wrapping_power<T: WrappingMul + One + Copy>(base: T, exponent: u64) -> T {
    // A choice, not a branch: bits of exponents cannot be foreseen.
    let chosen = |left: u64, base: T| if left & 1 != 0 { base } else { T::one() };
    let (mut result, mut base, mut left) = (chosen(exponent, base), base, exponent >> 1);
    while left != 0 {
        base = base.wrapping_mul(&base);
        result = result.wrapping_mul(&chosen(left, base));
        left >>= 1;
    }
    result
}

/// A negative power of an integer, truncated: only 1 and -1 have one that is not 0.
#[inline(always)]
pub(super) fn negative_power(base: i64, odd: bool) -> i64 {
    match base {
        1 => 1,
        -1 if odd => -1,
        -1 => 1,
        _ => 0,
    }
}

/// The greatest common divisor; of two zeros, 0. By halving: no division in the loop.
#[inline]
pub(super) fn common_divisor(a: u64, b: u64) -> u64 {
    if a == 0 || b == 0 {
        return a | b;
    }
    let twos = (a | b).trailing_zeros();
    let (mut a, mut b) = (a >> a.trailing_zeros(), b >> b.trailing_zeros());
    while a != b {
        if a < b {
            std::mem::swap(&mut a, &mut b);
        }
        a -= b;
        a >>= a.trailing_zeros();
    }
    a << twos
}

/// The least common multiple, modulo 2^64; of anything with zero, 0.
#[inline]
pub(super) fn common_multiple(a: u64, b: u64) -> u64 {
    a.checked_div(common_divisor(a, b)).unwrap_or(0).wrapping_mul(b)
}
