//! The oracle: floats as big integers in units of `2^-1100`, rounding by bisection over the bits of the format.

use super::layout;
use crate::nd::DType;
use num_bigint::BigInt;

/// Units of the fixed-point numbers: below half of every subnormal.
const SCALE: u32 = 1100;

/// A finite float in units of `2^-1100`.
pub(super) fn fixed(dtype: DType, bits: u64) -> BigInt {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let field = bits >> mantissa_bits & ((1 << exponent_bits) - 1);
    let fraction = bits & ((1 << mantissa_bits) - 1);
    let implicit = if field > 0 { 1_u64 << mantissa_bits } else { 0 };
    let bias = (1_i64 << (exponent_bits - 1)) - 1;
    let shift = i64::from(SCALE) + field.max(1) as i64 - bias - i64::from(mantissa_bits);
    let magnitude = BigInt::from(fraction | implicit) << shift as u64;
    if bits >> (exponent_bits + mantissa_bits) & 1 == 1 { -magnitude } else { magnitude }
}

/// Sums of finite elements, exactly.
pub(super) struct Sums {
    pub count: u64,
    /// In units of `2^-1100`.
    pub sum: BigInt,
    /// In units of `2^-2200`.
    pub squares: BigInt,
}

impl Sums {
    pub(super) fn new(dtype: DType, bits: &[u64]) -> Self {
        let fixed: Vec<BigInt> = bits.iter().map(|bits| fixed(dtype, *bits)).collect();
        Self { count: bits.len() as u64, sum: fixed.iter().sum(), squares: fixed.iter().map(|x| x * x).sum() }
    }

    pub(super) fn of_integers(values: impl Iterator<Item = i128> + Clone) -> Self {
        let sum = values.clone().map(BigInt::from).sum::<BigInt>() << SCALE;
        let squares = values.clone().map(|value| BigInt::from(value) * value).sum::<BigInt>() << (2 * SCALE);
        Self { count: values.count() as u64, sum, squares }
    }

    pub(super) fn round_sum(&self, dtype: DType) -> u64 {
        round(&self.sum, &(BigInt::from(1) << SCALE), false, dtype)
    }

    pub(super) fn round_mean(&self, dtype: DType) -> u64 {
        round(&self.sum, &(BigInt::from(self.count) << SCALE), false, dtype)
    }

    /// The variance or the standard deviation, for `count > ddof`.
    pub(super) fn round_deviation(&self, ddof: u64, root: bool, dtype: DType) -> u64 {
        let deviation = &self.squares * self.count - &self.sum * &self.sum;
        round(&deviation, &((BigInt::from(self.count) * (self.count - ddof)) << (2 * SCALE)), root, dtype)
    }
}

/// `numerator / denominator`, or its root, rounded to nearest even. The denominator is positive; zero is `+0`.
pub(super) fn round(numerator: &BigInt, denominator: &BigInt, root: bool, dtype: DType) -> u64 {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let negative = numerator < &BigInt::ZERO;
    let target = if negative { -numerator } else { numerator.clone() } << if root { 2 * SCALE } else { SCALE };
    // How a candidate in units of 2^-1100 compares with the target.
    let compare = |candidate: BigInt| if root { &candidate * &candidate * denominator } else { candidate * denominator }.cmp(&target);
    let infinity = ((1_u64 << exponent_bits) - 1) << mantissa_bits;
    let value = |bits: u64| {
        // The bits of infinity stand for the power of two after the largest finite number.
        if bits == infinity { fixed(dtype, bits - (1 << mantissa_bits)) * 2 } else { fixed(dtype, bits) }
    };
    let (mut low, mut high) = (0, infinity);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if compare(value(middle)).is_le() {
            low = middle;
        } else {
            high = middle;
        }
    }
    let rounded = if compare(value(high)).is_le() {
        high
    } else {
        match compare((value(low) + value(high)) / 2) {
            std::cmp::Ordering::Less => high,
            std::cmp::Ordering::Equal => low + (low & 1),
            std::cmp::Ordering::Greater => low,
        }
    };
    rounded | u64::from(negative) << (exponent_bits + mantissa_bits)
}
