//! Unsigned integers of any size, just enough to finish a reduction: add, subtract, multiply, shift, compare, and
//! the quotient of 126 to 128 leading bits. Allocates; used once per output, never per element.

use std::cmp::Ordering;

/// A natural number: 64-bit limbs, lowest first, the highest not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Big {
    limbs: Vec<u64>,
}

/// The leading bits of a quotient: its value is `(leading + rest) * 2^exponent` with `0 <= rest < 1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotient {
    pub leading: u128,
    pub exponent: i64,
    /// Whether `rest` is not zero.
    pub inexact: bool,
}

impl Big {
    pub(super) fn from_limbs(mut limbs: Vec<u64>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self { limbs }
    }

    pub(super) fn from_u128(value: u128) -> Self {
        Self::from_limbs(vec![value as u64, (value >> 64) as u64])
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let (long, short) = if self.limbs.len() >= other.limbs.len() { (self, other) } else { (other, self) };
        let mut limbs = Vec::with_capacity(long.limbs.len() + 1);
        let mut carry = false;
        for (at, limb) in long.limbs.iter().enumerate() {
            let (sum, first) = limb.overflowing_add(short.limbs.get(at).copied().unwrap_or(0));
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            carry = first || second;
            limbs.push(sum);
        }
        limbs.push(u64::from(carry));
        Self::from_limbs(limbs)
    }

    /// The distance of the two and how `self` compares with `other`.
    pub(super) fn difference(&self, other: &Self) -> (Self, Ordering) {
        let order = self.cmp(other);
        let (large, small) = if order == Ordering::Less { (other, self) } else { (self, other) };
        let mut limbs = Vec::with_capacity(large.limbs.len());
        let mut borrow = false;
        for (at, limb) in large.limbs.iter().enumerate() {
            let (rest, first) = limb.overflowing_sub(small.limbs.get(at).copied().unwrap_or(0));
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            borrow = first || second;
            limbs.push(rest);
        }
        (Self::from_limbs(limbs), order)
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        let mut limbs = vec![0_u64; self.limbs.len() + other.limbs.len()];
        for (at, &left) in self.limbs.iter().enumerate() {
            let mut carry = 0_u128;
            for (limb, &right) in limbs[at..].iter_mut().zip(&other.limbs) {
                let product = u128::from(left) * u128::from(right) + u128::from(*limb) + carry;
                *limb = product as u64;
                carry = product >> 64;
            }
            limbs[at + other.limbs.len()] = carry as u64;
        }
        Self::from_limbs(limbs)
    }

    pub(super) fn shift_left(&self, bits: u64) -> Self {
        if self.is_zero() {
            return Self::default();
        }
        let within = (bits % 64) as u32;
        let mut limbs = vec![0_u64; (bits / 64) as usize];
        let mut carry = 0_u64;
        for &limb in &self.limbs {
            limbs.push(limb << within | carry);
            carry = limb.checked_shr(64 - within).unwrap_or(0);
        }
        limbs.push(carry);
        Self::from_limbs(limbs)
    }

    fn bits(&self) -> i64 {
        self.limbs.last().map_or(0, |highest| 64 * self.limbs.len() as i64 - i64::from(highest.leading_zeros()))
    }

    /// The quotient of two limbs at most, and whether there is a remainder. The divisor is not zero.
    fn divide_by(&self, divisor: &Self) -> (u128, bool) {
        // As on paper, limb by limb; the divisor's highest bit is set, so that a guess is at most two too large.
        let shift = u64::from(divisor.limbs[divisor.limbs.len() - 1].leading_zeros());
        let (divisor, mut rest) = (divisor.shift_left(shift).limbs, self.shift_left(shift).limbs);
        let width = divisor.len();
        rest.resize(rest.len().max(width) + 1, 0);
        let (highest, next) = (u128::from(divisor[width - 1]), if width > 1 { u128::from(divisor[width - 2]) } else { 0 });
        let mut quotient = 0_u128;
        for at in (0..rest.len() - width).rev() {
            let top = u128::from(rest[at + width]) << 64 | u128::from(rest[at + width - 1]);
            let third = if width > 1 { u128::from(rest[at + width - 2]) } else { 0 };
            let (mut guess, mut left) = (top / highest, top % highest);
            while left >> 64 == 0 && (guess >> 64 != 0 || guess * next > (left << 64 | third)) {
                guess -= 1;
                left += highest;
            }
            if subtract_product(&mut rest[at..=at + width], &divisor, guess as u64) {
                guess -= 1;
                let mut carry = false;
                for (limb, part) in rest[at..=at + width].iter_mut().zip(divisor.iter().chain([&0])) {
                    let (sum, first) = limb.overflowing_add(*part);
                    let (sum, second) = sum.overflowing_add(u64::from(carry));
                    (*limb, carry) = (sum, first || second);
                }
            }
            quotient = quotient << 64 | guess;
        }
        (quotient, rest.iter().any(|limb| *limb != 0))
    }

    /// The leading bits of `self * 2^exponent / divisor`, as [`quotient_of`].
    pub(super) fn quotient(&self, exponent: i64, divisor: u128, even: bool) -> Quotient {
        quotient_of(&self.limbs, exponent, divisor, even)
    }
}

/// The leading bits of `limbs * 2^exponent / divisor`, at least 126 of them; with an even exponent on request. `divisor` is
/// not zero.
pub(super) fn quotient_of(limbs: &[u64], exponent: i64, divisor: u128, even: bool) -> Quotient {
    let Some(highest) = limbs.iter().rposition(|limb| *limb != 0) else {
        return Quotient { leading: 0, exponent: 0, inexact: false };
    };
    let bits = (highest as i64 + 1) * 64 - i64::from(limbs[highest].leading_zeros());
    // A dividend of (bits of the divisor) + 127 or 126 bits gives a quotient of 126 to 128 bits.
    let mut width = i64::from(128 - divisor.leading_zeros()) + 127;
    let mut shift = width - bits;
    if even && (exponent - shift) % 2 != 0 {
        width -= 1;
        shift -= 1;
    }
    debug_assert!(width < 256);
    let dividend: [u64; 4] = std::array::from_fn(|at| bits_at(limbs, at as i64 * 64 - shift));
    let wide = |at: usize| u128::from(dividend[at + 1]) << 64 | u128::from(dividend[at]);
    let cut = shift < 0 && any_below(limbs, shift.unsigned_abs());
    let (leading, rest) = if divisor == 1 { (wide(0), 0) } else { divide(wide(2), wide(0), divisor) };
    Quotient { leading, exponent: exponent - shift, inexact: cut || rest != 0 }
}

/// `limbs -= divisor * factor`; whether that is below zero.
fn subtract_product(limbs: &mut [u64], divisor: &[u64], factor: u64) -> bool {
    let (mut carry, mut borrow) = (0_u128, false);
    for (at, limb) in limbs.iter_mut().enumerate() {
        carry += divisor.get(at).map_or(0, |part| u128::from(*part) * u128::from(factor));
        let (rest, first) = limb.overflowing_sub(carry as u64);
        let (rest, second) = rest.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (rest, first || second);
        carry >>= 64;
    }
    borrow
}

/// The leading bits of `numerator * 2^exponent / divisor`, as [`quotient_of`]; `None` if the divisor is zero.
pub(super) fn ratio_of(numerator: &Big, exponent: i64, divisor: &Big, even: bool) -> Option<Quotient> {
    if divisor.is_zero() {
        return None;
    }
    if numerator.is_zero() {
        return Some(Quotient { leading: 0, exponent: 0, inexact: false });
    }
    // A dividend of 127 or 126 bits more than the divisor gives a quotient of 126 to 128 bits.
    let mut shift = divisor.bits() + 127 - numerator.bits();
    if even && (exponent - shift) % 2 != 0 {
        shift -= 1;
    }
    let (up, down) = (shift.max(0).unsigned_abs(), shift.min(0).unsigned_abs());
    let (leading, inexact) = numerator.shift_left(up).divide_by(&divisor.shift_left(down));
    Some(Quotient { leading, exponent: exponent - shift, inexact })
}

/// The 64 bits of `limbs` from bit `first` on, which may lie outside.
fn bits_at(limbs: &[u64], first: i64) -> u64 {
    let (at, within) = (first.div_euclid(64), first.rem_euclid(64) as u32);
    let limb = |at: i64| usize::try_from(at).ok().and_then(|at| limbs.get(at)).copied().unwrap_or(0);
    if within == 0 { limb(at) } else { limb(at) >> within | limb(at + 1) << (64 - within) }
}

/// Whether any of the lowest `bits` bits is set; there are more than those.
fn any_below(limbs: &[u64], bits: u64) -> bool {
    let (whole, within) = ((bits / 64) as usize, (bits % 64) as u32);
    limbs[..whole].iter().any(|limb| *limb != 0) || limbs[whole] & ((1_u64 << within) - 1) != 0
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Big {
    fn cmp(&self, other: &Self) -> Ordering {
        self.limbs.len().cmp(&other.limbs.len()).then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }
}

/// `(high * 2^128 + low) / divisor` and the remainder, where `high < divisor`.
fn divide(high: u128, low: u128, divisor: u128) -> (u128, u128) {
    debug_assert!(high < divisor);
    if let (Ok(_), Ok(high)) = (u64::try_from(divisor), u64::try_from(high)) {
        let upper = u128::from(high) << 64 | low >> 64;
        let first = upper / divisor;
        let lower = (upper - first * divisor) << 64 | u128::from(low as u64);
        let second = lower / divisor;
        return (first << 64 | second, lower - second * divisor);
    }
    let (mut rest, mut quotient) = (high, 0_u128);
    for bit in (0..128).rev() {
        let carry = rest >> 127 != 0;
        rest = rest << 1 | (low >> bit & 1);
        if carry || rest >= divisor {
            rest = rest.wrapping_sub(divisor);
            quotient |= 1 << bit;
        }
    }
    (quotient, rest)
}
