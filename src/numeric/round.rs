//! From exact numbers to floats: one rounding to nearest even, into any float dtype, subnormals and overflow included.

use super::big::{Big, Quotient};
use crate::nd::DType;
use std::cmp::Ordering;

/// An exact number: `(-1)^negative * magnitude * 2^exponent`.
#[derive(Clone, Debug, Default)]
pub(super) struct Exact {
    pub negative: bool,
    pub magnitude: Big,
    pub exponent: i64,
}

impl Exact {
    pub(super) fn from_i128(value: i128) -> Self {
        Self { negative: value < 0, magnitude: Big::from_u128(value.unsigned_abs()), exponent: 0 }
    }

    /// A finite float.
    pub(super) fn from_f64(value: f64) -> Self {
        let (mantissa, exponent) = decompose(value);
        Self { negative: value.is_sign_negative(), magnitude: Big::from_u128(u128::from(mantissa)), exponent: i64::from(exponent) }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.magnitude.is_zero()
    }

    /// A whole number below `2^126`.
    pub(super) fn integer(&self) -> Option<i128> {
        let quotient = self.magnitude.quotient(self.exponent, 1, false);
        let down = u32::try_from(-quotient.exponent).ok()?;
        let whole = quotient.leading.checked_shr(down).unwrap_or(0);
        let is_whole = !quotient.inexact && whole.checked_shl(down).unwrap_or(0) == quotient.leading;
        let whole = i128::try_from(whole).ok().filter(|_| is_whole)?;
        Some(if self.negative { -whole } else { whole })
    }

    /// `self + other`, or `self - other`.
    fn combine(&self, other: &Self, subtract: bool) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let left = self.magnitude.shift_left((self.exponent - exponent) as u64);
        let right = other.magnitude.shift_left((other.exponent - exponent) as u64);
        if self.negative == (other.negative != subtract) {
            return Self { negative: self.negative, magnitude: left.add(&right), exponent };
        }
        let (magnitude, order) = left.difference(&right);
        Self { negative: self.negative != (order == Ordering::Less), magnitude, exponent }
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        self.combine(other, false)
    }

    /// `count * squares - self^2`: `count` times the sum of squared deviations, if `self` is the sum.
    pub(super) fn deviation(&self, squares: &Self, count: u64) -> Self {
        self.codeviation(self, squares, count)
    }

    /// `count * both - self * other`, where `both` is a sum of products of what `self` and `other` are sums of.
    pub(super) fn codeviation(&self, other: &Self, both: &Self, count: u64) -> Self {
        let counted = Self { magnitude: both.magnitude.multiply(&Big::from_u128(u128::from(count))), ..both.clone() };
        counted.combine(&self.multiply(other), true)
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            magnitude: self.magnitude.multiply(&other.magnitude),
            exponent: self.exponent + other.exponent,
        }
    }

    pub(super) fn square(&self) -> Self {
        Self { negative: false, ..self.multiply(self) }
    }

    /// `self / other` rounded to `format`, as bits; `other` is not zero.
    pub(super) fn round_ratio(&self, other: &Self, format: FloatFormat) -> u64 {
        let quotient = self.magnitude.ratio(&other.magnitude, self.exponent - other.exponent, false);
        format.pack(self.negative != other.negative, quotient)
    }

    /// The square root of `self / other`, neither of which is negative, rounded once to `format`, as bits; `other` is not zero.
    pub(super) fn round_ratio_root(&self, other: &Self, format: FloatFormat) -> u64 {
        let quotient = self.magnitude.ratio(&other.magnitude, self.exponent - other.exponent, true);
        if quotient.leading == 0 { format.zero(false) } else { format.pack_root(quotient) }
    }

    /// `self / divisor` rounded to `format`, as bits.
    pub(super) fn round(&self, divisor: u128, format: FloatFormat) -> u64 {
        format.pack(self.negative, self.magnitude.quotient(self.exponent, divisor, false))
    }

    /// The square root of `self / divisor`, which is not negative, rounded once to `format`, as bits.
    pub(super) fn round_sqrt(&self, divisor: u128, format: FloatFormat) -> u64 {
        format.pack_root(self.magnitude.quotient(self.exponent, divisor, true))
    }
}

/// `a + b`, rounded, and what the rounding lost (Knuth's TwoSum).
#[inline(always)]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The integer mantissa and the exponent of a finite float: `|value| = mantissa * 2^exponent`.
#[inline(always)]
pub(super) fn decompose(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let field = (bits >> 52) as i32 & 0x7ff;
    let fraction = bits & ((1 << 52) - 1);
    if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) }
}

/// A binary interchange format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FloatFormat {
    /// Significant bits, the implicit one included.
    precision: u32,
    /// Exponent of the lowest bit of a subnormal.
    exponent_min: i64,
    /// All finite magnitudes are below `2^exponent_end`.
    exponent_end: i64,
}

impl FloatFormat {
    /// The format of a float dtype.
    pub(super) fn of(dtype: DType) -> Option<Self> {
        let (precision, exponent_min, exponent_end) = match dtype {
            DType::F16 => (11, -24, 16),
            DType::BF16 => (8, -133, 128),
            DType::F32 => (24, -149, 128),
            DType::F64 => (53, -1074, 1024),
            _ => return None,
        };
        Some(Self { precision, exponent_min, exponent_end })
    }

    /// Whether it has fewer bits than f64.
    pub(super) fn is_narrow(self) -> bool {
        self.precision < 53
    }

    /// `value + lost` rounded once, where `value` is that sum rounded to f64 and `lost` what the rounding lost; `None`
    /// for the narrow formats, which the long way rounds.
    pub(super) fn round_pair(self, value: f64, lost: f64) -> Option<u64> {
        match self.precision {
            53 => Some(value.to_bits()),
            24 => {
                // Rounded to odd first: f64 has enough bits that the second rounding is then the only one that counts.
                let toward = (lost > 0.0) == (value > 0.0);
                let bits = value.to_bits();
                let odd = if lost == 0.0 || bits & 1 == 1 {
                    bits
                } else if toward {
                    bits + 1
                } else {
                    bits - 1
                };
                Some(u64::from((f64::from_bits(odd) as f32).to_bits()))
            }
            _ => None,
        }
    }

    /// Rounds `±leading * 2^exponent` to nearest, ties to even, where the result is a normal number. The highest bit of `leading` is set;
    /// the lowest also stands for all that follows.
    #[inline(always)]
    pub(super) fn pack_normal(self, negative: bool, leading: u64, exponent: i32) -> Option<u64> {
        let drop = u64::BITS - self.precision;
        let lowest = i64::from(exponent) + i64::from(drop);
        if lowest < self.exponent_min || lowest + i64::from(self.precision) >= self.exponent_end {
            return None;
        }
        let (mantissa, rest, half) = (leading >> drop, leading & ((1 << drop) - 1), 1 << (drop - 1));
        let up = rest > half || rest == half && mantissa & 1 == 1;
        // A mantissa that is full carries into the field.
        Some(self.sign(negative) + (((lowest - self.exponent_min) as u64) << (self.precision - 1)) + mantissa + u64::from(up))
    }

    /// The one number that everything from `low` to `high`, both positive, times `2^exponent` rounds to, if there is one that is normal.
    #[inline(always)]
    pub(super) fn pack_between(self, low: f64, high: f64, exponent: i32) -> Option<u64> {
        let pack = |value: f64| {
            let (mantissa, unit) = decompose(value);
            let leading = mantissa << 11;
            // What lies beside a tie may be on either side of it.
            let is_tie = self.precision < 53 && leading << self.precision == 1 << 63;
            if is_tie || mantissa >> 52 == 0 { None } else { self.pack_normal(false, leading, unit + exponent - 11) }
        };
        let bits = pack(low)?;
        (low == high || pack(high)? == bits).then_some(bits)
    }

    /// Field value of infinities and NaN, in place.
    fn special(self) -> u64 {
        ((self.exponent_end * 2 - 1) as u64) << (self.precision - 1)
    }

    fn sign(self, negative: bool) -> u64 {
        u64::from(negative) * ((self.exponent_end as u64 * 2) << (self.precision - 1))
    }

    /// The NaN every reduction writes: positive and quiet, no payload.
    pub(super) fn nan(self) -> u64 {
        self.special() | 1 << (self.precision - 2)
    }

    pub(super) fn infinity(self, negative: bool) -> u64 {
        self.special() | self.sign(negative)
    }

    pub(super) fn zero(self, negative: bool) -> u64 {
        self.sign(negative)
    }

    /// Rounds to nearest, ties to even. An inexact value comes with more leading bits than `precision`.
    pub(super) fn pack(self, negative: bool, value: Quotient) -> u64 {
        let bits = i64::from(128 - value.leading.leading_zeros());
        if bits == 0 {
            return self.zero(false);
        }
        let mut exponent = (value.exponent + bits - i64::from(self.precision)).max(self.exponent_min);
        let drop = exponent - value.exponent;
        let mut mantissa = if drop <= 0 {
            debug_assert!(!value.inexact);
            (value.leading << drop.unsigned_abs()) as u64
        } else if drop > 128 {
            0 // below half of the smallest subnormal
        } else {
            let kept = value.leading.checked_shr(drop as u32).unwrap_or(0);
            let rest = value.leading - kept.checked_shl(drop as u32).unwrap_or(0);
            let half = 1_u128 << (drop - 1);
            let up = rest > half || (rest == half && (value.inexact || kept & 1 == 1));
            kept as u64 + u64::from(up)
        };
        if mantissa >> self.precision != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
        if exponent + i64::from(self.precision) > self.exponent_end {
            return self.infinity(negative);
        }
        let field = (exponent - self.exponent_min) as u64;
        // A normal mantissa's implicit bit raises the field by one, a subnormal has none: both by plain addition.
        self.sign(negative) + (field << (self.precision - 1)) + mantissa
    }
}

/// Writes the low `out.len()` bytes of `bits` in native order.
pub(super) fn write_bits(bits: u64, out: &mut [u8]) {
    match out.len() {
        1 => out.copy_from_slice(&(bits as u8).to_ne_bytes()),
        2 => out.copy_from_slice(&(bits as u16).to_ne_bytes()),
        4 => out.copy_from_slice(&(bits as u32).to_ne_bytes()),
        _ => out.copy_from_slice(&bits.to_ne_bytes()),
    }
}
