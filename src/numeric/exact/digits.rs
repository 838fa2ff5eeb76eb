//! Fixed-point numbers as 64-bit digits that weigh `2^32` each.
//!
//! A value added to a number adds less than `2^32` to each digit, so [`PENDING_MAX`] values may be added before carries
//! must move up. Settled digits are `0..2^32` with the sign in the highest, a unique form.

use crate::numeric::big::Big;

/// Values that may be added to settled digits: `2^30 * 2^32` leaves a bit of an `i64` free for merging.
pub(super) const PENDING_MAX: u64 = 1 << 30;

/// The number of digits for values that are multiples of `2^low` and below `2^end`, of which `2^64` may be added.
pub(super) const fn digits_for(low: i32, end: i32) -> usize {
    // The highest digit keeps 63 bits; two more digits so that two deposits 64 bits apart stay inside.
    (end - low + 65 - 63) as usize / 32 + 4
}

/// Digits below `2^32`, except the highest, into a number.
pub(super) fn join_digits(digits: impl Iterator<Item = u64>) -> Big {
    let mut limbs = Vec::new();
    let mut carry = 0_u64;
    for (at, digit) in digits.enumerate() {
        if at % 2 == 0 {
            // The highest digit may have more than 32 bits.
            let (sum, over) = digit.overflowing_add(carry);
            limbs.push(sum);
            carry = u64::from(over);
        } else if let Some(last) = limbs.last_mut() {
            *last |= digit << 32;
            carry += digit >> 32;
        }
    }
    limbs.push(carry);
    Big::from_limbs(limbs)
}

/// Moves carries up: all digits but the highest end in `0..2^32`.
pub(in crate::numeric) fn settle_digits(digits: &mut [i64]) {
    let Some((highest, lower)) = digits.split_last_mut() else { return };
    let mut carry = 0_i64;
    for digit in lower {
        let total = digit.wrapping_add(carry);
        *digit = total & 0xffff_ffff;
        carry = total >> 32;
    }
    *highest = highest.wrapping_add(carry);
}

/// Makes settled digits the settled digits of their magnitude; whether they were negative.
pub(in crate::numeric) fn negate_if_negative(digits: &mut [i64]) -> bool {
    let negative = digits.last().is_some_and(|highest| *highest < 0);
    if negative {
        for digit in digits.iter_mut() {
            *digit = digit.wrapping_neg();
        }
        settle_digits(digits);
    }
    negative
}

/// Adds `±magnitude * 2^position` to `digits`; a negative position must drop zeros only.
#[inline(always)]
pub(super) fn deposit(digits: &mut [i64], magnitude: u64, negative: bool, position: i32) {
    let (magnitude, position) =
        if position < 0 { (magnitude.checked_shr(position.unsigned_abs()).unwrap_or(0), 0) } else { (magnitude, position as usize) };
    let wide = u128::from(magnitude) << (position % 32);
    let sign = -i64::from(negative);
    let parts = [wide as u32, (wide >> 32) as u32, (wide >> 64) as u32];
    if let Some(window) = digits.get_mut(position / 32..).and_then(|rest| rest.first_chunk_mut::<3>()) {
        for (digit, part) in window.iter_mut().zip(parts) {
            *digit = digit.wrapping_add((i64::from(part) ^ sign) - sign);
        }
    } else {
        debug_assert!(magnitude == 0, "{magnitude} * 2^{position} is outside the element type's range");
    }
}

/// Adds `value * 2^position`, as [`deposit`] does.
pub(super) fn deposit_signed(digits: &mut [i64], value: i128, position: i32) {
    let (magnitude, position) = (value.unsigned_abs(), position);
    let (magnitude, position) =
        if position < 0 { (magnitude.checked_shr(position.unsigned_abs()).unwrap_or(0), 0) } else { (magnitude, position) };
    deposit(digits, magnitude as u64, value < 0, position);
    deposit(digits, (magnitude >> 64) as u64, value < 0, position + 64);
}
