//! Integers: powers, divisors, multiples.

#![allow(clippy::unnecessary_cast, reason = "written once for all integers")]

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

/// Elements whose powers are computed together.
const CHUNK: usize = 64;

/// Powers bit by bit of the exponents, a chunk at a time: as many steps as its greatest exponent has bits, without a choice inside.
macro_rules! powers {
    ($($name:ident $t:ident $unsigned:ident;)*) => {$(
        #[inline(always)]
        pub(super) fn $name(out: &mut [$t], a: &[$t], b: &[$t]) {
            for ((out, a), b) in out.chunks_mut(CHUNK).zip(a.chunks(CHUNK)).zip(b.chunks(CHUNK)) {
                let (mut base, mut left, mut result) = ([0 as $unsigned; CHUNK], [0 as $unsigned; CHUNK], [1 as $unsigned; CHUNK]);
                let mut negative = false;
                for (((base, left), &a), &b) in base.iter_mut().zip(&mut left).zip(a).zip(b) {
                    #[allow(unused_comparisons, reason = "written once for both")]
                    let is_negative = b < 0;
                    negative |= is_negative;
                    (*base, *left) = (a as $unsigned, if is_negative { 0 } else { b as $unsigned });
                }
                let mut any = left.iter().fold(0, |any, left| any | left);
                while any != 0 {
                    for ((result, base), left) in result.iter_mut().zip(&mut base).zip(&mut left) {
                        let product = result.wrapping_mul(*base);
                        *result = if *left & 1 != 0 { product } else { *result };
                        *base = base.wrapping_mul(*base);
                        *left >>= 1;
                    }
                    any >>= 1;
                }
                for (out, &result) in out.iter_mut().zip(&result) {
                    *out = result as $t;
                }
                if negative {
                    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                        #[allow(unused_comparisons, reason = "written once for both")]
                        if b < 0 {
                            *out = negative_power(a as i64, b & 1 != 0) as $t;
                        }
                    }
                }
            }
        }
    )*};
}
powers! {
    powers_i32 i32 u32;
    powers_u32 u32 u32;
    powers_i64 i64 u64;
    powers_u64 u64 u64;
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
