//! What the functions that compute in `f32` share.

pub(super) use super::pair::polynomial;
use super::real::Single;

/// 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;

/// `magnitude` with the sign of `sign`.
#[inline(always)]
pub(super) fn with_sign(magnitude: f32, sign: f32) -> f32 {
    const SIGN: u32 = 1 << 31;
    f32::from_bits((magnitude.to_bits() & !SIGN) | (sign.to_bits() & SIGN))
}

/// `a + b` without error, for `|a| >= |b|` or `a == 0`.
#[inline(always)]
pub(super) fn fast_two_sum<V: Single>(a: V, b: V) -> (V, V) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// `a + b` without error.
#[inline(always)]
pub(super) fn two_sum<V: Single>(a: V, b: V) -> (V, V) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// `2^k` for the `k` in the low bits of a number that [`ROUND`] was added to.
#[inline(always)]
pub(super) fn power_of_two(shifted: f32) -> f32 {
    f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}
