//! One element into one exact sum.

use crate::numeric::exact::{FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, Superaccumulator};
use crate::numeric::round::decompose;

/// Adds `value` to the sum of `output`, and its square to the sum of squares if there is one.
#[inline(always)]
pub(super) fn add_one<const MOMENTS: bool>(state: &mut Superaccumulator, value: f64, output: usize) {
    state.counts[output] += 1;
    let bits = value.to_bits();
    state.flags[output] |= if bits == 1 << 63 { 0 } else { FLAG_NOT_NEGATIVE_ZERO };
    let (mantissa, exponent) = decompose(value);
    if mantissa == 0 || bits >> 52 & 2047 == 2047 {
        state.flags[output] |= special(value);
        return;
    }
    let zeros = mantissa.trailing_zeros();
    let (mantissa, exponent) = (u128::from(mantissa >> zeros), exponent + zeros as i32);
    state.add(output, false, mantissa, value < 0.0, exponent);
    if MOMENTS {
        state.add(output, true, mantissa * mantissa, false, 2 * exponent);
    }
}

/// Flags of a value that is not finite; none of a zero.
#[cold]
fn special(value: f64) -> u8 {
    if value.is_nan() {
        FLAG_NAN
    } else if value == f64::INFINITY {
        FLAG_INFINITY
    } else if value == f64::NEG_INFINITY {
        FLAG_NEGATIVE_INFINITY
    } else {
        0
    }
}
