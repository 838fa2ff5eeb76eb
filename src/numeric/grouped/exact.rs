//! One element into one window of an exact sum: its mantissa is cut at the digits of the window.

use crate::numeric::round::decompose;
use crate::numeric::superaccumulator::{
    FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, Superaccumulator, deposit, deposit_wide,
};
use crate::numeric::window::{DIGIT_BITS, SQUARE_COUNTS, SUM_COUNTS, UNSET};

const DIGIT_MASK: u128 = (1 << DIGIT_BITS) - 1;
/// Scales of windows that begin with a single element are multiples of this: those of one output then mostly agree.
const SCALE_STEP: i32 = 16;
/// Room above the first element.
const SCALE_ROOM: i32 = 4;
/// Bits of a half of a square.
const HALF_BITS: u32 = 53;

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
    let (mantissa, exponent) = (mantissa >> zeros, exponent + zeros as i32);
    let negative = (bits >> 63) as i64;
    if !into_window::<MOMENTS>(state, mantissa, exponent, negative, output) {
        behind::<MOMENTS>(state, mantissa, exponent, negative != 0, output);
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

/// Adds to the digits behind the window.
#[cold]
fn behind<const MOMENTS: bool>(state: &mut Superaccumulator, mantissa: u64, exponent: i32, negative: bool, output: usize) {
    let low = state.exponent_min;
    let (sum, squares) = state.digits_of(output, 2);
    deposit(sum, mantissa, negative, exponent - low);
    if MOMENTS {
        deposit_wide(squares, u128::from(mantissa) * u128::from(mantissa), 2 * (exponent - low));
    }
}

/// Adds to the window of `output` if all of it lies there; whether it does.
#[inline(always)]
fn into_window<const MOMENTS: bool>(state: &mut Superaccumulator, mantissa: u64, exponent: i32, negative: i64, output: usize) -> bool {
    let windows = &mut state.windows;
    let extent = windows.extent;
    let end = exponent + (64 - mantissa.leading_zeros()) as i32;
    let held = windows.scales[output];
    let scale = if held == UNSET {
        let [lowest, highest] = extent.scales;
        ((end + SCALE_ROOM + SCALE_STEP - 1).div_euclid(SCALE_STEP) * SCALE_STEP).clamp(lowest, highest)
    } else {
        i32::from(held)
    };
    let [digits, square_digits] = extent.digits;
    let place = exponent - extent.exponent(scale, false, digits - 1);
    let square_place = if MOMENTS { 2 * exponent - extent.exponent(scale, true, square_digits - 1) } else { 0 };
    if end > scale || place < 0 || square_place < 0 {
        return false;
    }
    let mut counts = [0_i64; SUM_COUNTS + 2];
    cut(&mut counts, digits, u128::from(mantissa), place as u32);
    let sums = std::array::from_fn(|at| (counts[at + 1] ^ -negative) + negative);
    let mut squares = [0_i64; SQUARE_COUNTS];
    if MOMENTS {
        let square = u128::from(mantissa) * u128::from(mantissa);
        let mut counts = [0_i64; SQUARE_COUNTS + 2];
        cut(&mut counts, square_digits, square & ((1 << HALF_BITS) - 1), square_place as u32);
        if square >> HALF_BITS != 0 {
            cut(&mut counts, square_digits, square >> HALF_BITS, square_place as u32 + HALF_BITS);
        }
        squares = std::array::from_fn(|at| counts[at + 1]);
    }
    windows.scales[output] = scale as i16;
    windows.add(output, sums, squares);
    true
}

/// Adds `value * 2^place`, of at most 53 bits, to the counts of a window of so many digits; `place` counts from its lowest
/// bit. What is below two to the window's scale never reaches the first digit.
#[inline(always)]
fn cut<const N: usize>(counts: &mut [i64; N], digits: usize, value: u128, place: u32) {
    let wide = value << (place % DIGIT_BITS as u32);
    let digit = (digits - 1).saturating_sub((place / DIGIT_BITS as u32) as usize);
    counts[digit.min(N - 1)] += (wide & DIGIT_MASK) as i64;
    counts[digit.saturating_sub(1).min(N - 1)] += (wide >> DIGIT_BITS) as i64;
}
