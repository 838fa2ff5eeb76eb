//! The leading bits of the number in a window, for results that are rounded anyway.

use super::{DIGIT_BITS, UNSET, Windows};

/// So many bits at least where the number has more.
const BITS_MIN: u32 = 74;

/// `±(magnitude + rest) * 2^exponent`, where `rest` is below 1, and 0 unless `inexact`.
#[derive(Clone, Copy, Debug)]
pub(in crate::numeric::exact) struct Leading {
    magnitude: u128,
    pub negative: bool,
    inexact: bool,
    exponent: i32,
}

impl Windows {
    /// The leading bits of the number in a window; `None` where nothing was added to it.
    #[inline(always)]
    pub(in crate::numeric::exact) fn leading(&self, output: usize, squares: bool) -> Option<Leading> {
        let scale = self.scales[output];
        if scale == UNSET {
            return None;
        }
        let digits = self.extent.digits[usize::from(squares)];
        let mut total = i128::from(self.digit(output, squares, 0));
        let mut taken = 1;
        while taken < digits && total.unsigned_abs() >> BITS_MIN == 0 {
            total = (total << DIGIT_BITS) + i128::from(self.digit(output, squares, taken));
            taken += 1;
        }
        // Digits but the first are not negative: what follows makes a negative number smaller.
        let inexact = (taken..digits).any(|digit| self.digit(output, squares, digit) != 0);
        let negative = total < 0;
        let magnitude = total.unsigned_abs() - u128::from(negative && inexact);
        Some(Leading { magnitude, negative, inexact, exponent: self.extent.exponent(i32::from(scale), squares, taken - 1) })
    }
}

impl Leading {
    pub(in crate::numeric::exact) fn is_zero(&self) -> bool {
        self.magnitude == 0
    }

    /// The magnitude with its highest bit in the highest place, and the exponent of the lowest place.
    #[inline(always)]
    fn shifted(&self) -> (u128, i32) {
        let zeros = self.magnitude.leading_zeros();
        (self.magnitude << (zeros & 127), self.exponent - zeros as i32)
    }

    /// The number over `divisor`: 64 bits, of which the highest is set and the lowest also says whether anything follows, and the exponent
    /// of the lowest. `None` of 0, and where the division would take long.
    #[inline(always)]
    pub(in crate::numeric::exact) fn over(&self, divisor: u64) -> Option<(u64, i32)> {
        if self.is_zero() || divisor == 0 || divisor >> 32 != 0 {
            return None;
        }
        let (shifted, exponent) = self.shifted();
        let (high, low) = ((shifted >> 64) as u64, shifted as u64);
        if divisor == 1 {
            return Some((high | u64::from(low != 0 || self.inexact), exponent + 64));
        }
        // Of 96 bits at least 64 are left.
        let (first, rest) = (high / divisor, high % divisor);
        let next = rest << 32 | low >> 32;
        let (second, rest) = (next / divisor, next % divisor);
        let quotient = u128::from(first) << 32 | u128::from(second);
        let follows = rest != 0 || low << 32 != 0 || self.inexact;
        let zeros = quotient.leading_zeros();
        let top = quotient << zeros;
        Some(((top >> 64) as u64 | u64::from(top as u64 != 0 || follows), exponent + 32 + 64 - zeros as i32))
    }

    /// The magnitude as two floats, the first of 53 bits, the exponent of their unit, and how far the sum may be from it in relation.
    #[inline(always)]
    pub(in crate::numeric::exact) fn twofold(&self) -> ([f64; 2], i32, f64) {
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        let (shifted, exponent) = self.shifted();
        let [high, low] = [75, 22].map(|down| ((shifted >> down) as u64 & ((1 << 53) - 1)) as i64 as f64);
        // Of 128 bits 106 are taken; of fewer there are `BITS_MIN`.
        let error = if self.inexact { 2.0 * UNIT / (1_u64 << (BITS_MIN - 54)) as f64 } else { 2.0 * UNIT * UNIT };
        ([high, low * UNIT], exponent + 75, error)
    }
}
