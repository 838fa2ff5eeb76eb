//! Exact sums of runs whose exponents lie anywhere: elements are added by exponent to small tables, which are carried
//! into the digits of the output once per run.

use super::digits::{deposit_signed, settle_digits};
use super::state::{FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO};
use crate::numeric::element::Float;

/// Most elements of one table: with `2^52` per element no entry overflows.
pub(super) const SCATTER_MAX: usize = 1024;
/// Runs with fewer elements are not worth a table.
pub(super) const SCATTER_MIN: usize = 128;

/// Exponent fields of f32 and bf16, which those of f16 are among.
const FIELDS: usize = 256;
/// Digits of local sums and squares of f64s, rounded up so that an index needs no check.
const DIGITS: usize = 128;
const SQUARE_DIGITS: usize = 256;
/// Those that the sums of [`SCATTER_MAX`] elements reach; the digits of an output are more.
const DIGITS_USED: usize = 67;
const SQUARE_DIGITS_USED: usize = 133;

/// Flags of an element that is not finite.
#[cold]
fn special(value: f64) -> u8 {
    if value.is_nan() {
        FLAG_NAN
    } else if value > 0.0 {
        FLAG_INFINITY
    } else {
        FLAG_NEGATIVE_INFINITY
    }
}

/// Flags of the elements that are not finite.
#[cold]
fn specials<T: Float>(cells: &[T::Bytes]) -> u8 {
    cells.iter().map(|cell| T::read(*cell).widen()).filter(|value| !value.is_finite()).fold(0, |flags, value| flags | special(value))
}

/// Adds a run to the digits of its sum and, for `MOMENTS`, of its squares; gives its flags. Both must have room for two
/// values.
pub(super) fn scatter<T: Float, const MOMENTS: bool>(cells: &[T::Bytes], sum: &mut [i64], squares: &mut [i64]) -> u8 {
    debug_assert!(cells.len() <= SCATTER_MAX);
    if T::SQUARE_IS_F64 { narrow::<T, MOMENTS>(cells, sum, squares) } else { wide::<T, MOMENTS>(cells, sum, squares) }
}

/// Mantissas of at most 24 bits, and their squares, by exponent field.
fn narrow<T: Float, const MOMENTS: bool>(cells: &[T::Bytes], sum: &mut [i64], squares: &mut [i64]) -> u8 {
    let (mut sums, mut square_sums) = ([0_i64; FIELDS], [0_i64; FIELDS]);
    let (mut largest, mut positive) = (0, false);
    for cell in cells {
        let element = T::read(*cell);
        let magnitude = element.magnitude_bits();
        let field = magnitude >> T::MAGNITUDE_SHIFT;
        let sign = -i64::from(element.is_negative());
        let implicit = u32::from(field != 0) << T::MAGNITUDE_SHIFT;
        let mantissa = i64::from(magnitude & ((1 << T::MAGNITUDE_SHIFT) - 1) | implicit);
        largest = largest.max(magnitude);
        positive |= sign == 0;
        sums[field as usize % FIELDS] += (mantissa ^ sign) - sign;
        if MOMENTS {
            square_sums[field as usize % FIELDS] += mantissa * mantissa;
        }
    }
    let mut flags = if positive || largest > 0 { FLAG_NOT_NEGATIVE_ZERO } else { 0 };
    if largest >> T::MAGNITUDE_SHIFT == T::FIELD_SPECIAL {
        flags |= specials::<T>(cells);
        (sums[T::FIELD_SPECIAL as usize], square_sums[T::FIELD_SPECIAL as usize]) = (0, 0);
    }
    // Fields 0 and 1 have the same exponent.
    sums[1] += sums[0];
    square_sums[1] += square_sums[0];
    for group in 0..FIELDS / 32 {
        let (mut total, mut square_total) = (0_i128, 0_i128);
        for place in 0..32.min(FIELDS - 1 - group * 32) {
            total += i128::from(sums[group * 32 + place + 1]) << place;
            square_total += i128::from(square_sums[group * 32 + place + 1]) << (2 * place);
        }
        deposit_signed(sum, total, group as i32 * 32);
        if MOMENTS {
            deposit_signed(squares, square_total, group as i32 * 64);
        }
    }
    flags
}

/// Mantissas of 53 bits, and their squares, in digits that weigh `2^32` each.
fn wide<T: Float, const MOMENTS: bool>(cells: &[T::Bytes], sum: &mut [i64], squares: &mut [i64]) -> u8 {
    let (mut digits, mut square_digits) = ([0_i64; DIGITS], [0_i64; SQUARE_DIGITS]);
    let mut flags = 0;
    for cell in cells {
        let value = T::read(*cell).widen();
        let bits = value.to_bits();
        let field = (bits >> 52) as usize & 2047;
        if field == 2047 {
            flags |= special(value);
            continue;
        }
        flags |= if bits == 1 << 63 { 0 } else { FLAG_NOT_NEGATIVE_ZERO };
        let mantissa = bits & ((1 << 52) - 1) | u64::from(field != 0) << 52;
        let place = field.max(1) - 1;
        let placed = u128::from(mantissa) << (place % 32);
        let sign = -((bits >> 63) as i64);
        let at = place / 32;
        digits[at % DIGITS] += (i64::from(placed as u32) ^ sign) - sign;
        digits[(at + 1) % DIGITS] += ((placed >> 32) as i64 ^ sign) - sign;
        if MOMENTS {
            let square = u128::from(mantissa) * u128::from(mantissa);
            // The low 32 bits apart, so that the rest can be shifted within 128 bits.
            let (low, high) = ((square as u64 & 0xffff_ffff) << (2 * place % 32), (square >> 32) << (2 * place % 32));
            let at = 2 * place / 32;
            let high = high + u128::from(low >> 32);
            square_digits[at % SQUARE_DIGITS] += i64::from(low as u32);
            square_digits[(at + 1) % SQUARE_DIGITS] += i64::from(high as u32);
            square_digits[(at + 2) % SQUARE_DIGITS] += i64::from((high >> 32) as u32);
            square_digits[(at + 3) % SQUARE_DIGITS] += (high >> 64) as i64;
        }
    }
    settle_digits(&mut digits[..DIGITS_USED]);
    for (to, digit) in sum.iter_mut().zip(&digits[..DIGITS_USED]) {
        *to += digit;
    }
    if MOMENTS {
        settle_digits(&mut square_digits[..SQUARE_DIGITS_USED]);
        for (to, digit) in squares.iter_mut().zip(&square_digits[..SQUARE_DIGITS_USED]) {
            *to += digit;
        }
    }
    flags | if flags & !FLAG_NOT_NEGATIVE_ZERO != 0 { FLAG_NOT_NEGATIVE_ZERO } else { 0 }
}
